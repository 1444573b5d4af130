"""Numbers of twice the precision of float64: unevaluated sums hi + lo with |lo| <= ulp(hi)/2.

Every function here is written without branches in plain arithmetic, so that one text serves three
purposes: scalar reference arithmetic in Python, the functions that a double-double kernel inlines,
and the object of the tests against exact rationals. The transforms are error-free only when the
compiler neither reorders nor contracts them; kernels are compiled without fast-math flags and use
an explicit fused multiply-add.

References
----------
Dekker 1971; Knuth, The Art of Computer Programming 2, 4.2.2; Joldes, Muller and Popescu 2017,
"Tight and rigorous error bounds for basic building blocks of double-word arithmetic" (u = 2^-53).
"""

from __future__ import annotations

import math
from fractions import Fraction

inf = math.inf

# ln 2 in three parts: the first has 42 bits, so that its product with an exponent is exact.
LN2_HIGH = float.fromhex("0x1.62e42fefa3800p-1")
LN2_MIDDLE = float.fromhex("0x1.ef35793c76730p-45")
LN2_LOW = float.fromhex("0x1.f97b57a079a19p-103")


def fma(a: float, b: float, c: float) -> float:
    """Return a*b + c rounded once (exact rational arithmetic; a kernel uses the instruction).

    Parameters
    ----------
    a, b, c : float
        Any floats.

    Returns
    -------
    float
        The correctly rounded result; with an infinity or NaN, ordinary arithmetic.

    Examples
    --------
    >>> fma(1 + 2.0**-30, 1 - 2.0**-30, -1.0) == -(2.0**-60)
    True
    """
    if math.isfinite(a) and math.isfinite(b) and math.isfinite(c):
        try:
            return float(Fraction(a) * Fraction(b) + Fraction(c))
        except OverflowError:
            return a * b + c
    return a * b + c


def where(condition: bool, yes: float, no: float) -> float:
    """Return ``yes`` if the condition holds, else ``no``; a kernel selects without a branch."""
    return yes if condition else no


def quotient(a: float, b: float) -> float:
    """Return a/b with the infinities and NaN of IEEE 754 instead of an exception."""
    if b == 0.0:
        return math.nan if a == 0.0 or a != a else math.copysign(inf, a) * math.copysign(1.0, b)
    return a / b


def square_root_float(a: float) -> float:
    """Return the square root of a float, NaN for a negative one."""
    return math.sqrt(a) if a >= 0.0 else math.nan


def exponential_float(a: float) -> float:
    """Return the exponential of a float of moderate size."""
    return math.exp(a)


def logarithm_float(a: float) -> float:
    """Return the logarithm of a float, minus infinity at zero and NaN below."""
    return math.log(a) if a > 0.0 else (-inf if a == 0.0 else math.nan)


def power_of_two(k: float) -> float:
    """Return 2**k for an integer -1022 <= k <= 1023 held in a float."""
    return math.ldexp(1.0, int(k))


def nearest_integer(a: float) -> float:
    """Return the nearest integer, ties to even, as a float."""
    return float(round(a)) if abs(a) < inf else a


def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return s and e with s = fl(a + b) and s + e = a + b exactly.

    Parameters
    ----------
    a, b : float
        Any two floats whose sum does not overflow.

    Returns
    -------
    tuple of float
        Rounded sum and its error.

    References
    ----------
    Knuth, The Art of Computer Programming 2, 4.2.2, Theorem B.

    Examples
    --------
    >>> two_sum(1.0, 2.0**-60)
    (1.0, 8.673617379884035e-19)
    """
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def quick_two_sum(a: float, b: float) -> tuple[float, float]:
    """Return s and e with s + e = a + b exactly, for |a| >= |b| (Dekker)."""
    s = a + b
    return s, b - (s - a)


def two_product(a: float, b: float) -> tuple[float, float]:
    """Return p and e with p = fl(a b) and p + e = a b exactly (unless it underflows).

    Parameters
    ----------
    a, b : float
        Any two floats.

    Returns
    -------
    tuple of float
        Rounded product and its error.

    Examples
    --------
    >>> two_product(1 + 2.0**-30, 1 + 2.0**-30) == (1 + 2.0**-29, 2.0**-60)
    True
    """
    p = a * b
    return p, fma(a, b, -p)


def settle(s: float, e: float) -> tuple[float, float]:
    """Return s + e normalised; where s is infinite or NaN the low part is zero, not NaN."""
    h = s + e
    low = e - (h - s)
    finite = abs(low) < inf
    return where(finite, h, s), where(finite, low, 0.0)


def add(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the sum of two pairs; relative error at most 3u^2 + 13u^3.

    Parameters
    ----------
    ah, al, bh, bl : float
        High and low parts.

    Returns
    -------
    tuple of float
        High and low part of the sum.

    References
    ----------
    Joldes, Muller and Popescu 2017, algorithm 6 (AccurateDWPlusDW).

    Examples
    --------
    >>> add(1.0, 1e-20, -1.0, 0.0)
    (1e-20, 0.0)
    """
    s, e = two_sum(ah, bh)
    t, f = two_sum(al, bl)
    v, w = quick_two_sum(s, e + t)
    finite = abs(w) < inf
    return settle(where(finite, v, s), where(finite, f + w, 0.0))


def add_float(ah: float, al: float, b: float) -> tuple[float, float]:
    """Return a pair plus a float; relative error at most 2u^2 (algorithm 4)."""
    s, e = two_sum(ah, b)
    return settle(s, al + e)


def multiply(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the product of two pairs; relative error at most 4u^2 (algorithm 12).

    Parameters
    ----------
    ah, al, bh, bl : float
        High and low parts.

    Returns
    -------
    tuple of float
        High and low part of the product.

    References
    ----------
    Joldes, Muller and Popescu 2017, algorithm 12 (DWTimesDW3).

    Examples
    --------
    >>> multiply(3.0, 0.0, 1 / 3, 0.0)
    (1.0, -5.551115123125783e-17)
    """
    p, e = two_product(ah, bh)
    return settle(p, e + fma(al, bh, fma(ah, bl, al * bl)))


def multiply_float(ah: float, al: float, b: float) -> tuple[float, float]:
    """Return a pair times a float; relative error at most 2u^2 (algorithm 9)."""
    p, e = two_product(ah, b)
    return settle(p, fma(al, b, e))


def square(ah: float, al: float) -> tuple[float, float]:
    """Return the square of a pair."""
    p, e = two_product(ah, ah)
    return settle(p, e + fma(al, ah + ah, al * al))


def divide(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the quotient of two pairs; relative error at most 15u^2 + 56u^3.

    Parameters
    ----------
    ah, al, bh, bl : float
        High and low parts.

    Returns
    -------
    tuple of float
        High and low part of the quotient.

    References
    ----------
    Joldes, Muller and Popescu 2017, algorithm 17 (DWDivDW2).

    Examples
    --------
    >>> divide(1.0, 0.0, 3.0, 0.0)
    (0.3333333333333333, 1.850371707708594e-17)
    """
    t = quotient(ah, bh)
    p, e = two_product(bh, t)
    # a - b t: the high parts cancel exactly.
    remainder = (ah - p) + (al - fma(bl, t, e))
    return settle(t, quotient(remainder, bh))


def square_root(ah: float, al: float) -> tuple[float, float]:
    """Return the square root of a pair; relative error about 4u^2.

    Parameters
    ----------
    ah, al : float
        High and low part.

    Returns
    -------
    tuple of float
        High and low part of the root; NaN for a negative number.

    Examples
    --------
    >>> square_root(2.0, 0.0)
    (1.4142135623730951, -9.667293313452912e-17)
    """
    s = square_root_float(ah)
    return settle(s, quotient(fma(-s, s, ah) + al, s + s))


def scale(ah: float, al: float, k: float) -> tuple[float, float]:
    """Return a pair times 2**k, |k| <= 2000, in two steps so that 2**k itself may overflow."""
    half = nearest_integer(k * 0.5)
    one, two = power_of_two(half), power_of_two(k - half)
    return settle(ah * one * two, al * one * two)


def exponential(ah: float, al: float) -> tuple[float, float]:
    """Return the exponential of a pair.

    Reduce by multiples of ln 2 and by 2^9, sum the Taylor series of exp - 1, square nine times.

    Parameters
    ----------
    ah, al : float
        High and low part.

    Returns
    -------
    tuple of float
        High and low part; relative error about 1e-31, times |a| beyond 1.

    Examples
    --------
    >>> exponential(1.0, 0.0)
    (2.718281828459045, 1.4456468917292502e-16)
    """
    x = where(abs(ah) < 746.0, ah, 0.0)
    y = where(abs(ah) < 746.0, al, 0.0)
    k = nearest_integer(x * 1.4426950408889634)
    h, low = add_float(x, y, -k * LN2_HIGH)
    p, e = two_product(-k, LN2_MIDDLE)
    h, low = add(h, low, p, e - k * LN2_LOW)
    h, low = h * 0.001953125, low * 0.001953125
    sh, sl = add_float(h * (1 / 3628800.0), 0.0, 1 / 362880.0)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 2.48015873015873e-05, 2.1511947866775882e-23)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 0.0001984126984126984, 1.7209558293420705e-22)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 0.001388888888888889, -5.300543954373577e-20)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 0.008333333333333333, 1.1564823173178714e-19)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 0.041666666666666664, 2.3129646346357427e-18)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, 0.16666666666666666, 9.25185853854297e-18)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add_float(sh, sl, 0.5)
    th, tl = square(h, low)
    sh, sl = multiply(sh, sl, th, tl)
    sh, sl = add(sh, sl, h, low)
    for _ in range(9):  # (1 + s)^2 - 1 = 2 s + s^2
        th, tl = square(sh, sl)
        sh, sl = add(2.0 * sh, 2.0 * sl, th, tl)
    sh, sl = add_float(sh, sl, 1.0)
    sh, sl = scale(sh, sl, k)
    sh = where(ah >= 746.0, inf, where(ah <= -746.0, 0.0, sh))
    low = where(abs(ah) < 746.0, sl, 0.0)
    return where(ah != ah, ah, sh), low


def logarithm(ah: float, al: float) -> tuple[float, float]:
    """Return the natural logarithm of a pair.

    One Newton step on the exponential from the float64 logarithm; within 2 percent of 1, where that
    would cancel, the series of 2 artanh((a - 1)/(a + 1)).

    Parameters
    ----------
    ah, al : float
        High and low part.

    Returns
    -------
    tuple of float
        High and low part; NaN for a negative number.

    Examples
    --------
    >>> logarithm(2.0, 0.0)
    (0.6931471805599453, 2.3190468138462996e-17)
    """
    y = logarithm_float(ah)
    bounded = abs(y) < inf
    k = nearest_integer(where(bounded, y, 0.0) * 1.4426950408889634)
    mh, ml = scale(where(bounded, ah, 1.0), where(bounded, al, 0.0), -k)
    # With y = fl(log m): log m = y + log(1 + d), d = m exp(-y) - 1 of order u.
    ym = logarithm_float(mh)
    eh, el = exponential(-ym, 0.0)
    dh, dl = multiply(mh, ml, eh, el)
    dh, dl = add_float(dh, dl, -1.0)
    far_h, far_l = add_float(dh, dl, -0.5 * dh * dh)
    far_h, far_l = add_float(far_h, far_l, ym)
    p, e = two_product(k, LN2_MIDDLE)
    kh, kl = add_float(p, e + k * LN2_LOW, k * LN2_HIGH)
    far_h, far_l = add(far_h, far_l, kh, kl)
    # Near 1.
    th, tl = add_float(ah, al, -1.0)
    bh, bl = add_float(ah, al, 1.0)
    wh, wl = divide(th, tl, bh, bl)
    qh, ql = square(wh, wl)
    sh, sl = multiply_float(qh, ql, 1 / 19.0)
    for n in (17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0):
        ch, cl = divide(1.0, 0.0, n, 0.0)
        sh, sl = add(sh, sl, ch, cl)
        sh, sl = multiply(sh, sl, qh, ql)
    sh, sl = add_float(sh, sl, 1.0)
    sh, sl = multiply(2.0 * sh, 2.0 * sl, wh, wl)
    near = abs(th) < 0.02
    h, low = where(near, sh, far_h), where(near, sl, far_l)
    return where(bounded, h, y), where(bounded, low, 0.0)


def split(value: Fraction | int | float) -> tuple[float, float]:
    """Return the pair nearest to an exact number.

    Parameters
    ----------
    value : Fraction, int or float
        Taken exactly.

    Returns
    -------
    tuple of float
        High and low part.

    Examples
    --------
    >>> split(Fraction(1, 10))
    (0.1, -5.551115123125783e-18)
    """
    exact = Fraction(value)
    high = float(exact)
    return high, float(exact - Fraction(high))


def join(high: float, low: float) -> Fraction:
    """Return the exact rational value of a pair.

    Parameters
    ----------
    high, low : float
        Finite parts.

    Returns
    -------
    Fraction
        high + low.

    Examples
    --------
    >>> join(1.0, 2.0**-60) - 1
    Fraction(1, 1152921504606846976)
    """
    return Fraction(high) + Fraction(low)
