r"""Sums over the infinitely many modes of a power law, as pairs of floats.

.. math:: S(p,q,m,x)=\sum_{k\ge1}\frac{k^{-p}}{(1+x\,k^{-q})^m}

The first modes one by one; an incomplete Beta function for the others, split where its series of
positive terms would be long; Euler-Maclaurin corrections, those beyond the seventh, like all terms
below 1e-17 of a sum, in single floats. What cannot be done to 31 digits is NaN. Like
:mod:`numerics.double_double_functions`, the text is the Python reference and what a kernel calls.

References
----------
F. Johansson, Numer. Algor. 69 (2015) 253, section 2; DLMF 8.17 and 15.8.1 (Pfaff).
"""

from __future__ import annotations

import math
from math import cos, sin

from numerics.double_double import (
    add,
    add_float,
    divide,
    inf,
    logarithm_float,
    multiply,
    multiply_float,
    square,
    square_root_float,
)
from numerics.double_double_functions import LOGARITHMS, exponential, logarithm

nan = math.nan
PI = math.pi
MOST_MODES = 4096.0
MOST_TERMS = 20000.0
SMALL = 1e-18  # share of a sum below which single floats do
EXACT = 13  # order up to which Taylor coefficients at the corner are pairs
# B_2j/(2j), j = 1, ..., 20
CORRECTIONS = (
    (0.08333333333333333, 4.625929269271485e-18),
    (-0.008333333333333333, -1.1564823173178714e-19),
    (0.003968253968253968, 2.20282346155785e-19),
    (-0.004166666666666667, -5.782411586589357e-20),
    (0.007575757575757576, -2.1026951223961299e-19),
    (-0.021092796092796094, 1.3911677399530732e-18),
    (0.08333333333333333, 4.625929269271485e-18),
    (-0.4432598039215686, -2.0462934179365632e-17),
    (3.0539543302701198, -1.0882720820608607e-17),
    (-26.456212121212122, 7.449932926454383e-16),
    (281.46014492753625, -1.647635329298783e-14),
    (-3607.5105463980462, -1.5347029033579816e-13),
    (54827.583333333336, -2.4253192047278085e-12),
    (-974936.8238505747, -4.2284185858978625e-11),
    (20052695.79668808, -8.878409127275055e-10),
    (-472384867.7216299, 1.5660828235102635e-08),
    (12635724795.916666, 6.357828776041666e-07),
    (-380879311252.4537, -1.379912397079338e-05),
    (12850850499305.084, -0.0006510416666666666),
    (-482414483548501.7, -0.016215816703621582),
)


def tile(lanes: int) -> list[float]:
    """Return a work space; a kernel takes it from the stack."""
    return [0.0] * lanes


def raised(ah: float, al: float, bh: float, bl: float) -> tuple[float, float]:
    """Return a**b for a > 0."""
    h, low = logarithm(ah, al)
    h, low = multiply(h, low, bh, bl)
    return exponential(h, low)


def resolvent_power(zh: float, zl: float, mh: float, ml: float) -> tuple[float, float]:
    """Return (1 + z)**-m for z >= 0, by products where m is a small integer."""
    bh, bl = add_float(zh, zl, 1.0)
    if ml == 0.0 and mh <= 16.0 and float(int(mh)) == mh:
        h, low = bh, bl
        for _ in range(int(mh) - 1):
            h, low = multiply(h, low, bh, bl)
        return divide(1.0, 0.0, h, low)
    return raised(bh, bl, -mh, -ml)


def rising_series(
    ah: float, al: float, mh: float, ml: float, uh: float, ul: float
) -> tuple[float, float]:
    r"""Return :math:`\sum_j\frac{(m)_j}{(a+1)_j}w^j`, w = u/(1 + u): positive terms."""
    bh, bl = add_float(uh, ul, 1.0)
    wh, wl = divide(uh, ul, bh, bl)
    th, tl, sh, sl = 1.0, 0.0, 1.0, 0.0
    step, ratio = 0.0, 2.0
    while step < MOST_TERMS and not (ratio < 1.0 and th < SMALL * sh):
        nh, nl = add_float(mh, ml, step)
        step += 1.0
        dh, dl = add_float(ah, al, step)
        nh, nl = multiply(nh, nl, wh, wl)
        ratio, nl = divide(nh, nl, dh, dl)
        th, tl = multiply(th, tl, ratio, nl)
        sh, sl = add(sh, sl, th, tl)
    tail = 0.0
    while step < MOST_TERMS:
        # The rest is less than that of a geometric series, and than its sum at w = 1.
        rest = 1.0 + uh if mh <= ah else 1.0 / (1.0 - ratio)
        if ah > mh + 1.0:
            rest = min(rest, (ah + step) / (ah - mh))
        if th * rest < 1e-34 * sh:
            return add_float(sh, sl, tail)
        ratio = wh * (mh + step) / (ah + step + 1.0)
        step += 1.0
        th *= ratio
        tail += th
    return nan, 0.0


def mean_decay(sh: float, sl: float, gh: float, gl: float) -> tuple[float, float]:
    """Return (1 - exp(-s g))/s for s >= 0 and g > 0, which is g at s = 0."""
    yh, yl = multiply(sh, sl, gh, gl)
    if yh > 0.5:
        h, low = exponential(-yh, -yl)
        h, low = add_float(-h, -low, 1.0)
        return divide(h, low, sh, sl)
    h, low = 1.0, 0.0
    for n in range(24, 1, -1):
        h, low = multiply(h, low, -yh, -yl)
        h, low = divide(h, low, float(n), 0.0)
        h, low = add_float(h, low, 1.0)
    return multiply(h, low, gh, gl)


def far_part(
    ah: float, al: float, mh: float, ml: float, uh: float, ul: float, cut: float
) -> tuple[float, float]:
    r"""Return :math:`\int_{c/u}^1 v^{a-1}(1+uv)^{-m}dv`, by powers of z = 1/(1 + u v).

    The integrand is :math:`u^{-a}z^{m-a-1}(1-z)^{a-1}`, and every power is integrated without the
    cancellation at m - a + j = 0.
    """
    rh, rl = add_float(uh, ul, 1.0)
    lh, ll = divide(rh, rl, cut + 1.0, 0.0)
    qh, ql = divide(1.0, 0.0, lh, ll)
    lh, ll = logarithm(lh, ll)  # of the ratio of the ends in z
    gh, gl = add(mh, ml, -ah, -al)
    # Prefactors for s = g + j < 0, where the near end rules, and for s >= 0.
    eh, el = divide(uh, ul, rh, rl)
    nh, nl = raised(eh, el, -ah, -al)
    fh, fl = resolvent_power(uh, ul, mh, ml)
    nh, nl = multiply(nh, nl, fh, fl)
    eh, el = raised(cut + 1.0, 0.0, -gh, -gl)
    ph, pl = raised(uh, ul, -ah, -al)
    ph, pl = multiply(ph, pl, eh, el)
    ih, il = divide(1.0, 0.0, cut + 1.0, 0.0)
    ch, cl, th, tl = 1.0, 0.0, 0.0, 0.0
    eh, el, known = 0.0, 0.0, False  # exp(-s l), from one s to the next
    step, dh = 0.0, inf
    while step < 400.0 and not (known and step > ah and abs(dh) < SMALL * abs(th)):
        sh, sl = add_float(gh, gl, step)
        if sh < 0.0:
            dh, dl = mean_decay(-sh, -sl, lh, ll)
            dh, dl = multiply(dh, dl, nh, nl)
            nh, nl = divide(nh, nl, rh, rl)
        else:
            if known:
                eh, el = multiply(eh, el, qh, ql)
                dh, dl = add_float(-eh, -el, 1.0)
                dh, dl = divide(dh, dl, sh, sl)
            else:
                dh, dl = mean_decay(sh, sl, lh, ll)
                eh, el = multiply(sh, sl, -lh, -ll)
                eh, el = exponential(eh, el)
                known = eh < 0.9
            dh, dl = multiply(dh, dl, ph, pl)
        dh, dl = multiply(dh, dl, ch, cl)
        th, tl = add(th, tl, dh, dl)
        # (1 - a)_j/j! z^j
        step += 1.0
        sh, sl = add_float(-ah, -al, step)
        ch, cl = multiply(ch, cl, sh, sl)
        if ch == 0.0:
            return th, tl
        ch, cl = divide(ch, cl, step, 0.0)
        ph, pl = multiply(ph, pl, ih, il)
    tail = 0.0
    while step < 400.0:
        eh *= qh
        dh = ch * ph * (1.0 - eh) / (gh + step)
        tail += dh
        if abs(dh) < 1e-34 * abs(th):
            return add_float(th, tl, tail)
        step += 1.0
        ch *= (step - ah) / step
        ph /= cut + 1.0
    return nan, 0.0


def incomplete_beta(
    ah: float, al: float, mh: float, ml: float, uh: float, ul: float
) -> tuple[float, float]:
    r"""Return :math:`\int_0^1 v^{a-1}(1+uv)^{-m}dv`."""
    cut = float(int(max(2.0, min(ah, 100.0))))
    direct = uh <= 2.0 * cut or ah >= 100.0
    eh, el = (uh, ul) if direct else (cut, 0.0)
    sh, sl = rising_series(ah, al, mh, ml, eh, el)
    fh, fl = resolvent_power(eh, el, mh, ml)
    sh, sl = multiply(sh, sl, fh, fl)
    sh, sl = divide(sh, sl, ah, al)
    if direct:
        return sh, sl
    eh, el = divide(uh, ul, cut, 0.0)
    fh, fl = raised(eh, el, -ah, -al)
    sh, sl = multiply(sh, sl, fh, fl)
    fh, fl = far_part(ah, al, mh, ml, uh, ul, cut)
    return add(sh, sl, fh, fl)


def pair_corrections(
    ph: float, pl: float, qh: float, ql: float, mh: float, ml: float, uh: float, ul: float, k: float
) -> tuple[float, float, float]:
    """Return half a mode and its Euler-Maclaurin corrections over the mode k, and a doubt.

    The Taylor coefficients g_n of (1 + t)**-p (1 + u (1 + t)**-q)**-m, over (1 + u)**-m, follow
    from (1 + t)(1 + u (1 + t)**-q) g' = (-p + (q m - p) u (1 + t)**-q) g.
    """
    # Two rows of binomial coefficients times u/(1 + u), and the g_n: high parts, then low ones.
    space, numbers = tile(240), tile(40)
    count = 0
    for bh, bl in CORRECTIONS:  # short, so that the compiler unrolls it
        numbers[count], numbers[20 + count] = bh, bl
        count += 1
    bh, bl = add_float(uh, ul, 1.0)
    wh, wl = divide(uh, ul, bh, bl)
    rh, rl = multiply(qh, ql, mh, ml)
    eh, el = add(rh, rl, -ph, -pl)
    sh, sl = multiply(eh, el, wh, wl)
    dh, dl = wh, wl
    for n in range(1, 40):
        step = float(n)
        if n <= EXACT + 1:
            fh, fl = add_float(-qh, -ql, 1.0 - step)
            sh, sl = multiply(sh, sl, fh, fl)
            sh, sl = divide(sh, sl, step, 0.0)
            fh, fl = add_float(-qh, -ql, 2.0 - step)
            dh, dl = multiply(dh, dl, fh, fl)
            dh, dl = divide(dh, dl, step, 0.0)
        else:
            sh *= (1.0 - step - qh) / step
            dh *= (2.0 - step - qh) / step
        space[n], space[120 + n] = sh, sl
        space[40 + n], space[160 + n] = dh, dl
    eh, el = multiply(rh, rl, wh, wl)
    space[0], space[120] = add(eh, el, -ph, -pl)
    eh, el = multiply(-qh, -ql, wh, wl)
    space[41], space[161] = add_float(eh, el, 1.0)
    space[80], space[200] = 1.0, 0.0
    for n in range(39):
        if n < EXACT:
            th, tl = 0.0, 0.0
            for i in range(n + 1):
                eh, el = multiply_float(space[41 + n - i], space[161 + n - i], -float(i))
                eh, el = add(eh, el, space[n - i], space[120 + n - i])
                eh, el = multiply(eh, el, space[80 + i], space[200 + i])
                th, tl = add(th, tl, eh, el)
            th, tl = divide(th, tl, float(n + 1), 0.0)
        else:
            th, tl = 0.0, 0.0
            for i in range(n + 1):
                th += (space[n - i] - float(i) * space[41 + n - i]) * space[80 + i]
            th /= float(n + 1)
        space[81 + n], space[201 + n] = th, tl
    th, tl, last, middle, scale = 0.5, 0.0, 0.0, 0.0, 1.0 / k
    for j in range(20):
        n, bh, bl = 2 * j + 1, numbers[j], numbers[20 + j]
        if n <= EXACT:
            eh, el = space[80 + n], space[200 + n]
            for _ in range(n):
                eh, el = divide(eh, el, k, 0.0)
            eh, el = multiply(eh, el, bh, bl)
            th, tl = add(th, tl, -eh, -el)
        else:
            last = bh * space[80 + n] * scale
            middle = max(middle, abs(last))
            th, tl = add_float(th, tl, -last)
        scale /= k * k
    return th, tl, abs(last) + middle * 2.0**-48


def first_of_pairs(p: float, q: float, m: float, x: float) -> float:
    """Return the mode at which the tail begins, far from the zeros of 1 + x z**-q."""
    power = max(max(p, abs(q * m - p)), m)
    far = (110.0 + 6.0 * power) / (2.0 * PI)
    if q > 2.0 and x > 0.0:
        turn = PI / q
        height = min(logarithm_float(x) / q, 700.0)
        height, _ = exponential(height, 0.0)
        side = height * sin(turn)
        if side < far:
            far = max(far, height * cos(turn) + square_root_float(far * far - side * side))
    return float(int(min(far, 2.0 * MOST_MODES))) + 1.0


def mode(
    kh: float,
    kl: float,
    ph: float,
    pl: float,
    qh: float,
    ql: float,
    mh: float,
    ml: float,
    xh: float,
    xl: float,
) -> tuple[float, float]:
    """Return the term of a mode given its logarithm."""
    zh, zl = multiply(kh, kl, -qh, -ql)
    zh, zl = exponential(zh, zl)
    if ph == qh and pl == ql:  # degrees of freedom
        eh, el = zh, zl
    elif ph == 2.0 * qh and pl == 2.0 * ql:
        eh, el = square(zh, zl)
    else:
        eh, el = multiply(kh, kl, -ph, -pl)
        eh, el = exponential(eh, el)
    zh, zl = multiply(zh, zl, xh, xl)
    rh, rl = resolvent_power(zh, zl, mh, ml)
    return multiply(eh, el, rh, rl)


def power_law_pair(
    ph: float, pl: float, qh: float, ql: float, mh: float, ml: float, xh: float, xl: float
) -> tuple[float, float]:
    """Return S(p, q, m, x) for p > 1, q, m > 0 and finite x >= 0; NaN elsewhere.

    Relative error about 3e-31, and 1e-32 for each unit of the condition number. NaN as well where
    that cannot be vouched for: thousands of modes one by one, or sums below 1e-280.

    Examples
    --------
    >>> high, low = power_law_pair(2.0, 0.0, 2.0, 0.0, 1.0, 0.0, 1.0, 0.0)
    >>> high, abs(low + 2.2661816277319095e-17) < 3e-31  # (pi coth(pi) - 1)/2
    (1.0766740474685812, True)
    """
    if not ((ph > 1.0 or (ph == 1.0 and pl > 0.0)) and qh > 0.0 and mh > 0.0):
        return nan, 0.0
    if not (xh >= 0.0 and xh < inf and ph < inf and qh < inf and mh < inf):
        return nan, 0.0
    first = first_of_pairs(ph, qh, mh, xh)
    if first > MOST_MODES:
        return nan, 0.0
    kh, kl = logarithm(first, 0.0)
    eh, el = multiply(kh, kl, -qh, -ql)
    uh, ul = exponential(eh, el)
    uh, ul = multiply(uh, ul, xh, xl)
    ch, cl = add_float(ph, pl, -1.0)
    ah, al = divide(ch, cl, qh, ql)
    th, tl = incomplete_beta(ah, al, mh, ml, uh, ul)
    th, tl = multiply_float(th, tl, first)
    th, tl = divide(th, tl, qh, ql)
    ch, cl, doubt = pair_corrections(ph, pl, qh, ql, mh, ml, uh, ul, first)
    rh, rl = resolvent_power(uh, ul, mh, ml)
    ch, cl = multiply(ch, cl, rh, rl)
    th, tl = add(th, tl, ch, cl)
    eh, el = multiply(kh, kl, -ph, -pl)
    eh, el = exponential(eh, el)
    th, tl = multiply(th, tl, eh, el)
    doubt *= rh * eh
    sh, sl = 0.0, 0.0
    logarithms, count = tile(50), 2
    for kh, kl in LOGARITHMS:
        logarithms[count], logarithms[25 + count] = kh, kl
        count += 1
    for n in range(int(first) - 1, 1, -1):
        if n <= 24:
            kh, kl = logarithms[n], logarithms[25 + n]
        else:
            kh, kl = logarithm(float(n), 0.0)
        eh, el = mode(kh, kl, ph, pl, qh, ql, mh, ml, xh, xl)
        sh, sl = add(sh, sl, eh, el)
    rh, rl = resolvent_power(xh, xl, mh, ml)
    sh, sl = add(sh, sl, rh, rl)
    th, tl = add(th, tl, sh, sl)
    if doubt <= 2e-31 * th and th > 1e-280:
        return th, tl
    return nan, 0.0
