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

inf, nan = math.inf, math.nan
TINY = 2.0**-1020


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
    return where(low == low, h, s), where(low == low, low, 0.0)


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
    w = f + w
    h = v + w
    low = w - (h - v)
    return where(low == low, h, s), where(low == low, low, 0.0)  # s alone is right at infinity


def add_rounded(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the sum of two pairs of which one is rounded; error at most 3u^2 (|a| + |b|).

    For terms of one sign that is as good as :func:`add`. Where they cancel, an operand that is
    itself the rounded result of a product, a quotient or a root brings an error of this order with
    it, and the nine operations that :func:`add` takes more would keep digits that are not there.

    With t = fl(al + bl) the sum is s + (e + t) but for the roundings of t and of fl(e + t):
    u|al + bl| + u|e + t| <= u^2(|a| + |b|) + u^2(|s| + |a| + |b|) to first order. The last sum is
    exact: s = 0, or s is a multiple of ulp(b) and e + t lies below its binade (Dekker).

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
    Joldes, Muller and Popescu 2017, algorithm 5 (SloppyDWPlusDW).

    Examples
    --------
    >>> add_rounded(1.0, 1e-20, 2.0, -1e-20)
    (3.0, 0.0)
    """
    s, e = two_sum(ah, bh)
    return settle(s, e + (al + bl))


def add_float(ah: float, al: float, b: float) -> tuple[float, float]:
    """Return a pair plus a float; relative error at most 2u^2 (algorithm 4)."""
    s, e = two_sum(ah, b)
    return settle(s, al + e)


def multiply(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the product of two pairs; relative error at most 5u^2.

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
    Joldes, Muller and Popescu 2017, algorithm 11 (DWTimesDW2).

    Examples
    --------
    >>> multiply(3.0, 0.0, 1 / 3, 0.0)
    (1.0, -5.551115123125783e-17)
    """
    p, e = two_product(ah, bh)
    return settle(p, e + fma(al, bh, ah * bl))


def multiply_float(ah: float, al: float, b: float) -> tuple[float, float]:
    """Return a pair times a float; relative error at most 2u^2 (algorithm 9)."""
    p, e = two_product(ah, b)
    return settle(p, fma(al, b, e))


def square(ah: float, al: float) -> tuple[float, float]:
    """Return the square of a pair."""
    p, e = two_product(ah, ah)
    return settle(p, fma(al, ah + ah, e))


def divide(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return the quotient of two pairs; relative error below 15u^2.

    With r = fl(1/b), one division: t = fl(a r) is within 2u of the quotient and needs the
    remainder only to first order. Where 1/b overflows though b is not zero (|b| < 2^-1020) the
    quotient is NaN.

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
    Joldes, Muller and Popescu 2017, algorithm 17 (DWDivDW2), with a r for a/b.

    Examples
    --------
    >>> divide(1.0, 0.0, 3.0, 0.0)
    (0.3333333333333333, 1.850371707708594e-17)
    """
    r = quotient(1.0, where((abs(bh) >= TINY) | (bh == 0.0), bh, nan))
    t = ah * r
    # a - b t, of order 2u|a|: the high parts nearly cancel, and one rounding costs u of the rest.
    remainder = fma(-bh, t, ah) + fma(-bl, t, al)
    return settle(t, remainder * r)


def reciprocal(bh: float, bl: float) -> tuple[float, float]:
    """Return 1/b for a pair; relative error below 8u^2, NaN where :func:`divide` is.

    Here r = fl(1/b) is rounded once, so that 1 - b r is a float (Markstein).

    Examples
    --------
    >>> reciprocal(3.0, 0.0)
    (0.3333333333333333, 1.850371707708594e-17)
    """
    r = quotient(1.0, where((abs(bh) >= TINY) | (bh == 0.0), bh, nan))
    return settle(r, fma(-bl, r, fma(-bh, r, 1.0)) * r)


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
