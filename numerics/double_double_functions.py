"""Elementary and special functions of pairs of floats, without branches.

Built from :mod:`numerics.double_double`; the same text is the Python reference and, compiled, what
a double-double kernel inlines. Constants are pairs, correct to 107 bits or more.

References
----------
Hida, Li and Bailey 2001, "Algorithms for quad-double precision floating point arithmetic"; for
Stirling's series and the Euler-Maclaurin sum, DLMF 5.11 and 25.2.
"""

from __future__ import annotations

import math

from numerics.double_double import (
    add,
    add_float,
    divide,
    inf,
    logarithm_float,
    multiply,
    multiply_float,
    nearest_integer,
    scale,
    square,
    two_product,
    where,
)

nan = math.nan

# ln 2 in three parts: the first has 42 bits, so that its product with an exponent is exact.
LN2_HIGH = float.fromhex("0x1.62e42fefa3800p-1")
LN2_MIDDLE = float.fromhex("0x1.ef35793c76730p-45")
LN2_LOW = float.fromhex("0x1.f97b57a079a19p-103")
# pi/2 in four parts; the first two have 33 bits, so that a multiple below 2^20 is exact.
HALF_PI = (
    1.5707963267341256,
    6.077100506303966e-11,
    2.0222662487959506e-21,
    1.0085854035872483e-37,
)
# 1/n!, n = 2, ..., 28
INVERSE_FACTORIALS = (
    (0.5, 0.0),
    (0.16666666666666666, 9.25185853854297e-18),
    (0.041666666666666664, 2.3129646346357427e-18),
    (0.008333333333333333, 1.1564823173178714e-19),
    (0.001388888888888889, -5.300543954373577e-20),
    (0.0001984126984126984, 1.7209558293420705e-22),
    (2.48015873015873e-05, 2.1511947866775882e-23),
    (2.7557319223985893e-06, -1.858393274046472e-22),
    (2.755731922398589e-07, 2.3767714622250297e-23),
    (2.505210838544172e-08, -1.448814070935912e-24),
    (2.08767569878681e-09, -1.20734505911326e-25),
    (1.6059043836821613e-10, 1.2585294588752098e-26),
    (1.1470745597729725e-11, 2.0655512752830745e-28),
    (7.647163731819816e-13, 7.03872877733453e-30),
    (4.779477332387385e-14, 4.399205485834081e-31),
    (2.8114572543455206e-15, 1.6508842730861433e-31),
    (1.5619206968586225e-16, 1.1910679660273754e-32),
    (8.22063524662433e-18, 2.2141894119604265e-34),
    (4.110317623312165e-19, 1.4412973378659527e-36),
    (1.9572941063391263e-20, -1.3643503830087908e-36),
    (8.896791392450574e-22, -7.911402614872376e-38),
    (3.868170170630684e-23, -8.843177655482344e-40),
    (1.6117375710961184e-24, -3.6846573564509766e-41),
    (6.446950284384474e-26, -1.9330404233703465e-42),
    (2.4795962632247976e-27, -1.2953730964765229e-43),
    (9.183689863795546e-29, 1.4303150396787322e-45),
    (3.279889237069838e-30, 1.5117542744029879e-46),
)
# B_2k/(2k (2k-1)), k = 22, ..., 1: Stirling's series
STIRLING = (
    (-2.1320333960919372e16, -1.8969750589821368),
    (488788064793079.3, 0.022575815162518022),
    (-12369602142269.275, 0.0009363732896507286),
    (347320283765.00226, -6.048528997747748e-06),
    (-10882266035.784391, 3.141830930219749e-07),
    (382900751.39141417, -2.4082684757733585e-08),
    (-15238221.539407415, -8.76774522490625e-10),
    (691472.268851313, 2.5585296305158e-11),
    (-36108.77125372499, 5.897583353514365e-13),
    (2193.1033333333335, -1.3339255626002948e-13),
    (-156.84828462600203, 9.391823141715389e-15),
    (13.402864044168393, -6.154114101993966e-16),
    (-1.3924322169059011, 1.5837056989230303e-17),
    (0.17964437236883057, -6.401600482710946e-19),
    (-0.029550653594771242, 4.861760957508855e-19),
    (0.00641025641025641, 2.2240044563805217e-19),
    (-0.0019175269175269176, 1.0675702776872475e-19),
    (0.0008417508417508417, 3.6870174889237694e-20),
    (-0.0005952380952380953, 5.36938218754726e-20),
    (0.0007936507936507937, 6.883823317368282e-22),
    (-0.002777777777777778, 1.0601087908747154e-19),
    (0.08333333333333333, 4.625929269271485e-18),
)
# B_2k/(2k)!, k = 1, ..., 16
EULER_MACLAURIN = (
    (0.08333333333333333, 4.625929269271485e-18),
    (-0.001388888888888889, 5.300543954373577e-20),
    (3.306878306878307e-05, -2.2300719288557665e-21),
    (-8.267195767195768e-07, 3.457597454003665e-23),
    (2.08767569878681e-08, -1.2073450591132599e-24),
    (-5.284190138687493e-10, 3.517096671929869e-27),
    (1.3382536530684679e-11, -2.828354019907999e-29),
    (-3.3896802963225827e-13, -1.4986928409964295e-29),
    (8.586062056277845e-15, -6.05252374381974e-31),
    (-2.174868698558062e-16, 4.961617782549996e-33),
    (5.5090028283602295e-18, -1.49827152194499e-35),
    (-1.3954464685812522e-19, -1.0350590497256251e-35),
    (3.534707039629467e-21, 1.894231142684204e-37),
    (-8.953517427037546e-23, -5.728752743153026e-39),
    (2.267952452337683e-24, 1.3043458462619563e-40),
    (-5.744790668872202e-26, 1.663242973708004e-43),
)
# ln n, n = 2, ..., 24
LOGARITHMS = (
    (0.6931471805599453, 2.3190468138462996e-17),
    (1.0986122886681098, -9.07129723500153e-17),
    (1.3862943611198906, 4.638093627692599e-17),
    (1.6094379124341003, 9.280081691085902e-17),
    (1.791759469228055, 4.349979825096335e-17),
    (1.9459101490553132, 7.323586207904907e-17),
    (2.0794415416798357, 1.8059370687790465e-16),
    (2.1972245773362196, -1.814259447000306e-16),
    (2.302585092994046, -2.1707562233822494e-16),
    (2.3978952727983707, -1.253584211423161e-16),
    (2.4849066497880004, -4.433203607308931e-17),
    (2.5649493574615367, -2.5580975097208856e-18),
    (2.6390573296152584, 2.0744863268002772e-16),
    (2.70805020110221, 2.0878445608437204e-18),
    (2.772588722239781, 9.276187255385198e-17),
    (2.833213344056216, -8.500696635386325e-17),
    (2.8903717578961645, 1.7483143082597936e-16),
    (2.9444389791664403, 1.9776172119535626e-16),
    (2.995732273553991, 1.39181753187785e-16),
    (3.044522437723423, -1.747711027096623e-17),
    (3.091042453358316, -2.1319025546636875e-16),
    (3.1354942159291497, 1.5758359867283186e-17),
    (3.1780538303479458, -1.3216387039714197e-16),
)
HALF_LOG_TWO_PI = (0.9189385332046728, -3.8782941580672414e-17)


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


def arctangent_float(a: float) -> float:
    """Return the arc tangent of a float."""
    return math.atan(a)


def sine_and_cosine(ah: float, al: float) -> tuple[float, float, float, float]:
    """Return sine and cosine of a pair; NaN beyond |a| = 10^6.

    Parameters
    ----------
    ah, al : float
        High and low part.

    Returns
    -------
    tuple of float
        Two parts of the sine, two of the cosine; relative error about 2e-31, near zeros too.
    """
    inside = abs(ah) <= 1e6
    xh, xl = where(inside, ah, 0.0), where(inside, al, 0.0)
    k = nearest_integer(xh * 0.6366197723675814)
    h, low = add_float(xh, xl, -k * HALF_PI[0])
    h, low = add_float(h, low, -k * HALF_PI[1])
    p, e = two_product(-k, HALF_PI[2])
    h, low = add(h, low, p, e - k * HALF_PI[3])
    qh, ql = square(h, low)
    sh, sl = 9.183689863795546e-29, 1.4303150396787322e-45  # 1/27!
    ch, cl = INVERSE_FACTORIALS[26]
    for n in (25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3):
        sh, sl = multiply(-sh, -sl, qh, ql)
        sh, sl = add(sh, sl, INVERSE_FACTORIALS[n - 2][0], INVERSE_FACTORIALS[n - 2][1])
        ch, cl = multiply(-ch, -cl, qh, ql)
        ch, cl = add(ch, cl, INVERSE_FACTORIALS[n - 1][0], INVERSE_FACTORIALS[n - 1][1])
    sh, sl = multiply(-sh, -sl, qh, ql)
    sh, sl = multiply(sh, sl, h, low)
    sh, sl = add(sh, sl, h, low)
    ch, cl = multiply(-ch, -cl, qh, ql)
    ch, cl = add_float(ch, cl, 0.5)
    ch, cl = multiply(-ch, -cl, qh, ql)
    ch, cl = add_float(ch, cl, 1.0)
    quarter = k - 4.0 * nearest_integer(k * 0.25)  # -2, ..., 2
    odd = abs(quarter) == 1.0
    back = abs(quarter) == 2.0
    sine_sign = where(back | (quarter == -1.0), -1.0, 1.0)
    cosine_sign = where(back | (quarter == 1.0), -1.0, 1.0)
    sine_h, sine_l = where(odd, ch, sh) * sine_sign, where(odd, cl, sl) * sine_sign
    cosine_h, cosine_l = where(odd, sh, ch) * cosine_sign, where(odd, sl, cl) * cosine_sign
    return (
        where(inside, sine_h, nan),
        where(inside, sine_l, 0.0),
        where(inside, cosine_h, nan),
        where(inside, cosine_l, 0.0),
    )


def sine(ah: float, al: float) -> tuple[float, float]:
    """Return the sine of a pair, |a| <= 10^6.

    Examples
    --------
    >>> sine(1.0, 0.0)
    (0.8414709848078965, 1.776845092935533e-18)
    """
    sh, sl, _, _ = sine_and_cosine(ah, al)
    return sh, sl


def cosine(ah: float, al: float) -> tuple[float, float]:
    """Return the cosine of a pair, |a| <= 10^6.

    Examples
    --------
    >>> cosine(1.0, 0.0)
    (0.5403023058681398, -4.760954612604417e-17)
    """
    _, _, ch, cl = sine_and_cosine(ah, al)
    return ch, cl


def arctangent(ah: float, al: float) -> tuple[float, float]:
    """Return the arc tangent of a pair: with y the float64 value, y + atan((a c - s)/(c + a s)).

    Examples
    --------
    >>> arctangent(1.0, 0.0)
    (0.7853981633974483, 3.061616997868383e-17)
    """
    y = arctangent_float(ah)
    sh, sl, ch, cl = sine_and_cosine(y, 0.0)
    th, tl = multiply(ah, al, ch, cl)
    th, tl = add(th, tl, -sh, -sl)
    bh, bl = multiply(ah, al, sh, sl)
    bh, bl = add(bh, bl, ch, cl)
    th, tl = divide(th, tl, bh, bl)
    th, tl = where(abs(ah) < inf, th, y * 3.8981718325193755e-17), where(abs(ah) < inf, tl, 0.0)
    return add_float(th, tl, y)


def gamma_function(ah: float, al: float) -> tuple[float, float]:
    """Return the gamma function of a positive pair by Stirling's series 20 steps higher.

    Relative error up to 3e-30 below 10 and 2e-29 at 170; NaN for a <= 0.

    Examples
    --------
    >>> high, low = gamma_function(0.5, 0.0)
    >>> high, abs(low + 7.66658649982579e-17) < 1e-29
    (1.772453850905516, True)
    """
    inside = (ah > 0.0) & (ah < 180.0)
    xh, xl = where(inside, ah, 1.0), where(inside, al, 0.0)
    ph, pl = xh, xl
    for k in range(1, 20):
        fh, fl = add_float(xh, xl, float(k))
        ph, pl = multiply(ph, pl, fh, fl)
    yh, yl = add_float(xh, xl, 20.0)
    zh, zl = divide(1.0, 0.0, yh, yl)
    qh, ql = square(zh, zl)
    sh, sl = 0.0, 0.0
    for ch, cl in STIRLING:
        sh, sl = multiply(sh, sl, qh, ql)
        sh, sl = add(sh, sl, ch, cl)
    sh, sl = multiply(sh, sl, zh, zl)
    sh, sl = add(sh, sl, HALF_LOG_TWO_PI[0], HALF_LOG_TWO_PI[1])
    th, tl = logarithm(yh, yl)
    bh, bl = add_float(yh, yl, -0.5)
    th, tl = multiply(th, tl, bh, bl)
    th, tl = add(th, tl, -yh, -yl)
    th, tl = add(th, tl, sh, sl)
    # exp could overflow where the quotient does not: halve the exponent
    th, tl = exponential(0.5 * th, 0.5 * tl)
    rh, rl = divide(th, tl, ph, pl)
    rh, rl = multiply(rh, rl, th, tl)
    return where(inside, rh, where(ah >= 180.0, inf, nan)), where(inside, rl, 0.0)


def zeta_function(ah: float, al: float) -> tuple[float, float]:
    """Return Riemann's zeta of a pair >= 0 by Euler-Maclaurin summation, 24 terms; NaN below.

    Examples
    --------
    >>> zeta_function(2.0, 0.0)[0]
    1.6449340668482264
    """
    inside = (ah >= 0.0) & (ah < 200.0)
    xh, xl = where(inside, ah, 2.0), where(inside, al, 0.0)
    sh, sl, wh, wl = 1.0, 0.0, 1.0, 0.0
    for lh, ll in LOGARITHMS:
        wh, wl = multiply(-xh, -xl, lh, ll)
        wh, wl = exponential(wh, wl)
        sh, sl = add(sh, sl, wh, wl)
    sh, sl = add(sh, sl, -0.5 * wh, -0.5 * wl)  # the last term counts half
    th, tl = add_float(xh, xl, -1.0)
    bh, bl = multiply_float(wh, wl, 24.0)
    th, tl = divide(bh, bl, th, tl)
    th, tl = add(th, tl, sh, sl)
    # B_2k/(2k)! s (s+1) ... (s+2k-2) 24^(1-s-2k)
    fh, fl = multiply(xh, xl, wh, wl)
    fh, fl = divide(fh, fl, 24.0, 0.0)
    step = 1.0
    for ch, cl in EULER_MACLAURIN:
        ch, cl = multiply(fh, fl, ch, cl)
        th, tl = add(th, tl, ch, cl)
        uh, ul = add_float(xh, xl, step)
        fh, fl = multiply(fh, fl, uh, ul)
        uh, ul = add_float(xh, xl, step + 1.0)
        fh, fl = multiply(fh, fl, uh, ul)
        fh, fl = divide(fh, fl, 576.0, 0.0)
        step += 2.0
    return where(inside, th, where(ah >= 200.0, 1.0, nan)), where(inside, tl, 0.0)
