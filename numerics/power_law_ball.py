r"""Certified enclosures of sums over the infinitely many modes of a power law.

.. math:: S(p,q,m,x)=\sum_{k\ge1}\frac{k^{-p}}{(1+x\,k^{-q})^m},\qquad p>1,\ q,m>0,\ x\ge0 .

The first modes are added, the rest is an integral with Euler-Maclaurin corrections, and what these
leave is bounded by Cauchy's estimate on discs that keep away from the zeros of
:math:`1+x\,z^{-q}`. Nothing here imports SymPy.
"""

from __future__ import annotations

import math
from typing import Any

from flint import acb, arb, arb_series, ctx

from numerics.ball_operations import Inconclusive, Jet, plain

# Largest angle of x z**-q on the discs: |1 + w| >= (1 + |w|)/2 up to here.
ANGLE = 2 * math.pi / 3
# Below this distance from saturation Euler's Beta function cancels against its incomplete part.
CLOSE = arb(2) ** -6
SLOWEST = 4096  # explicit modes beyond which the sum is not attempted


def power_law_sum(p: Any, q: Any, m: Any, x: Any) -> Any:
    r"""Return a ball, or a jet, that holds :math:`\sum_k k^{-p}(1+xk^{-q})^{-m}`.

    Parameters
    ----------
    p, q, m : arb or Jet
        Exponents; the sum converges for p > 1.
    x : arb or Jet
        Not negative.

    Returns
    -------
    arb or Jet
        NaN where the balls of the operands leave the domain.

    Raises
    ------
    Inconclusive
        For a rate that would need thousands of explicit modes.

    Notes
    -----
    The derivative in x is :math:`-m\,S(p+q,q,m+1,x)`; that in an exponent is a central difference
    with a bound on what it leaves.

    References
    ----------
    F. Johansson, Rigorous high-precision computation of the Hurwitz zeta function, Numer. Algor.
    69 (2015) 253, section 2 (the same remainder, for x = 0).

    Examples
    --------
    >>> power_law_sum(arb(2), arb(2), arb(1), arb(0)).overlaps(arb.pi() ** 2 / 6)
    True
    """
    operands = (p, q, m, x)
    at = tuple(plain(v) for v in operands)
    value = _enclosed(*at)
    if not any(isinstance(v, Jet) for v in operands):
        return value
    slopes: dict[int, arb] = {}
    for position, v in enumerate(operands):
        if isinstance(v, Jet) and v.slopes:
            partial = _slope(position, at) if value.is_finite() else arb.nan()
            for k, s in v.slopes.items():
                slopes[k] = slopes[k] + partial * s if k in slopes else partial * s
    return Jet(value, slopes)


def _slope(position: int, at: tuple[arb, ...]) -> arb:
    """Return a ball of the derivative in one operand, exponents at positions 0, 1 and 2."""
    p, q, m, x = at
    if position == 3:
        return -m * _enclosed(p + q, q, m + 1, x)
    working = ctx.prec
    try:
        # A difference over 2**-(bits/2) leaves 2**-bits, and loses half of as many again.
        ctx.prec = working + working // 2 + 32
        middle = [v.mid() for v in at]
        room = (middle[0] - 1, middle[1], middle[2])[position]
        step = (room / 4).min(arb(1)).mid() * arb(2) ** -(working // 2)
        ends = [_enclosed(*_moved(middle, position, side * step)) for side in (1, -1)]
        second, third = _curvatures(position, _moved(list(at), position, arb(0, step)))
        spread = step**2 / 6 * third
        for v, curvature in zip(at, second, strict=True):
            spread += v.rad() * curvature
        slope = (ends[0] - ends[1]) / (2 * step) + arb(0, spread.upper())
    finally:
        ctx.prec = working
    return +slope


def _moved(at: list[arb], position: int, by: arb) -> list[arb]:
    return [v + by if k == position else v for k, v in enumerate(at)]


def _curvatures(position: int, box: list[arb]) -> tuple[list[arb], arb]:
    r"""Bound the second derivatives of the sum in an exponent and each operand, and its third.

    Each derivative multiplies the terms by something below a power of log k, and
    :math:`(\log k)^j\le(j/e\delta)^jk^\delta`, which lowers p by :math:`\delta`.
    """
    working = ctx.prec
    try:
        ctx.prec = 64
        p, q, m, x = (v + arb(0, 0) for v in box)
        room = (p.lower() - 1) / 2
        if not room > 0:
            return [arb.pos_inf()] * 4, arb.pos_inf()
        # The sum falls with p, m and x and rises with q.
        least = (+x).nonnegative_part().lower()
        total = _enclosed(p.lower() - room, q.upper(), m.lower(), least)
        size = [total * (j / (arb(1).exp() * room)) ** j if j else total for j in range(4)]
        m, log = m.upper(), (1 + x.upper()).log()
        fall = 1 / (1 + least)  # 1/(k^q + x) at most
        if position == 0:
            return [size[2], m * size[2], log * size[1], m * fall * size[1]], size[3]
        if position == 1:
            mixed = [m * size[2], (m * m + m / 4) * size[2], (m * log + 1) * size[1]]
            return [*mixed, (m * m + m) * fall * size[1]], (m**3 + m * m + m) * size[3]
        mixed = [log * size[1], (m * log + 1) * size[1], log**2 * total]
        return [*mixed, (m * log + 1) * fall * total], log**3 * total
    finally:
        ctx.prec = working


def _enclosed(p: arb, q: arb, m: arb, x: arb) -> arb:
    finite = all(v.is_finite() for v in (p, q, m, x))
    if not (finite and p > 1 and q > 0 and m > 0 and x >= 0):
        return arb.nan()
    working, cap = ctx.prec, ctx.cap
    try:
        ctx.prec = working + 24
        order, first = _effort(float(p.mid()), float(q.mid()), float(m.mid()))
        total = arb(0)
        for k in range(1, first):
            total += _term(p, q, m, x, arb(k))
        corner = arb(first)
        reduced = x * corner**-q
        rate = (p - 1) / q
        total += corner ** (1 - p) / q * _integral(rate, m, reduced)
        total += _corrections(p, q, m, reduced, corner, order)
        total += arb(0, _remainder(p, q, m, x, corner, order).upper())
    finally:
        ctx.prec, ctx.cap = working, cap
    return +total


def _term(p: arb, q: arb, m: arb, x: arb, k: arb) -> arb:
    # A power of a ball is taken through its logarithm, which 1 does not need.
    if k == 1:
        return (1 + x) ** -m
    return k**-p * (1 + x * k**-q) ** -m


def _disc(q: float) -> float:
    """Radius, relative to the mode, of discs on which x z**-q turns by at most ANGLE."""
    return math.sin(min(ANGLE / q, 1.0))


def _effort(p: float, q: float, m: float) -> tuple[int, int]:
    """Return an even order and the first mode of the tail, for the working precision."""
    if p + q * m > 1e5:
        raise Inconclusive(f"the exponents {p:g} and {q:g} need too many modes one by one")
    order = max(8, 2 * math.ceil(0.175 * ctx.prec), 2 * math.ceil((q * m + 2 - p) / 2) + 4)
    scale = 2 ** (ctx.prec / order) / math.e
    first = math.ceil((order * scale + p) / (2 * math.pi * _disc(q)))
    if first > SLOWEST:
        raise Inconclusive(f"a spectrum that falls like k**-{q:g} needs {first} modes one by one")
    return order, max(first, 2)


def _integral(rate: arb, m: arb, reduced: arb) -> arb:
    r"""Return :math:`\int_0^1 v^{a-1}(1+Xv)^{-m}dv`."""
    if not reduced > 1:
        return _series(rate, m, reduced)
    gap = m - rate
    if gap > CLOSE:
        beta = rate.gamma() * gap.gamma() / m.gamma()
        return reduced**-rate * beta - reduced**-m * _series(gap, m, 1 / reduced)
    # Saturated, or nearly: the integrand in log u = log X - t, all of it positive.
    span = reduced.log()
    a, power, length = acb(rate), acb(m), acb(span)

    def integrand(t: acb, analytic: bool) -> acb:
        # the logarithm says where the power is not analytic
        return (-a * t - power * (1 + (length - t).exp()).log(analytic)).exp()

    inner = acb.integral(integrand, acb(0), length).real
    return reduced**-rate * _series(rate, m, arb(1)) + inner


def _series(rate: arb, m: arb, reduced: arb) -> arb:
    """Return the same integral by Pfaff's transformation: positive terms, ratio below 1/2."""
    w = reduced / (1 + reduced)
    return (1 + reduced) ** -m / rate * w.hypgeom_2f1(m, arb(1), rate + 1)


def _corrections(p: arb, q: arb, m: arb, reduced: arb, corner: arb, order: int) -> arb:
    """Return half a mode and the Euler-Maclaurin terms at the corner."""
    # k = corner (1 + t): coefficients in t carry powers of the corner and no factorials.
    ctx.cap = order
    shift = arb_series([1, 1], prec=order)
    summand = shift**-p * (1 + reduced * shift**-q) ** -m
    coefficients = list(summand.coeffs())
    coefficients += [arb(0)] * (order - len(coefficients))
    total = coefficients[0] / 2
    power = arb(1)
    for j in range(1, order // 2 + 1):
        power /= corner if j == 1 else corner * corner
        total -= arb.bernoulli(2 * j) / (2 * j) * coefficients[2 * j - 1] * power
    return corner**-p * total


def _remainder(p: arb, q: arb, m: arb, x: arb, corner: arb, order: int) -> arb:
    r"""Bound :math:`\frac4{(2\pi)^N}\int_K^\infty|g^{(N)}|`, with Cauchy's estimate under it."""
    disc = arb(_disc(float(q.mid())))
    turn = q * disc.asin()
    inside = (turn / 2).cos()
    if not (disc < 1 and turn < arb.pi() and inside > 0):
        return arb.pos_inf()
    excess = order + p - q * m - 1
    if not excess > 0:
        return arb.pos_inf()
    height = (1 - disc) ** -p * (inside * (1 + x * ((1 + disc) * corner) ** -q)) ** -m
    scale = (2 * arb.pi() * disc) ** -order * corner ** (1 - order - p)
    return 4 * arb(order + 1).gamma() * scale * height / excess
