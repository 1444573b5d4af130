"""The law of f(X) for f a Moebius map or the square, from the law of X, by exact elimination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, lcm
from typing import Any

import sympy
from flint import acb, arb, ctx, fmpq, fmpz_poly
from sympy import Expr, Poly

from derive.algebraic_law import (
    AlgebraicLaw,
    coefficients_in_z,
    kept_conditions,
    law_from_moments,
    m,
    needs_polynomial,
    z,
)
from derive.algebraic_number import algebraic_roots
from derive.density import stieltjes_ball
from derive.errors import BranchError, ConditionError, DomainError
from derive.exact_input import exact
from derive.free_convolution import moments_at, put_in_equation
from derive.free_cumulants import multiply
from derive.polynomial_ring import Exact, PolynomialRing
from derive.support import support
from numerics.algebraic_branch import AlgebraicBranch, newton_enclosure

_s = sympy.Dummy("s")
_a = sympy.Dummy("a")


def affine(law: AlgebraicLaw, scale: Exact, shift: Exact = 0) -> AlgebraicLaw:
    """Return the law of scale X + shift.

    ``m_{sX+t}(z) = m_X((z - t)/s)/s``.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of X.
    scale : exact number or symbol
        s, not zero.
    shift : exact number or symbol
        t.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        The scale is zero.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> affine(semicircle(), 3, -1) == semicircle(9, mean=-1)
    True
    """
    call = f"affine(law, scale={scale}, shift={shift})"
    needs_polynomial(call, law)
    s, t = exact(scale, call), exact(shift, call)
    conditions = kept_conditions(call, (*law.conditions, sympy.Ne(s, 0)))
    relation = put_in_equation(law, s * m, (z - t) / s)

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        old = [sympy.Integer(1), *moments_at(law, count, point)]
        a, b = s.subs(point), t.subs(point)
        return [
            sympy.expand(sum(comb(n, k) * a**k * b ** (n - k) * old[k] for k in range(n + 1)))
            for n in range(1, count + 1)
        ]

    nonnegative = bool(law.nonnegative and s.is_positive and t.is_nonnegative)
    return law_from_moments(call, relation, moments, nonnegative, conditions)


def inverse(law: AlgebraicLaw) -> AlgebraicLaw:
    """Return the law of the inverse matrix, for a law that stays away from zero.

    ``m_{1/X}(z) = -1/z - m_X(1/z)/z^2``.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of X.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    ConditionError
        Zero lies in the support.
    BranchError
        The law has parameters and its inverse is not singled out by mass one.

    Validity
    --------
    With free parameters the result holds where zero is outside the support.

    Examples
    --------
    >>> from derive.law import inverse_marchenko_pastur, marchenko_pastur
    >>> inverse(marchenko_pastur("1/3")) == inverse_marchenko_pastur("1/3")
    True
    """
    return moebius(law, 0, 1, 1, 0)


def moebius(law: AlgebraicLaw, a: Exact, b: Exact, c: Exact, d: Exact) -> AlgebraicLaw:
    """Return the law of (a X + b)/(c X + d), for a law that stays away from -d/c.

    ``m_X(t) = (a - c z) [(a - c z) m - c]/(a d - b c)`` at t = (d z - b)/(a - c z).

    Parameters
    ----------
    law : AlgebraicLaw
        The law of X.
    a, b, c, d : exact number or symbol
        With a d - b c different from zero.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        The determinant vanishes.
    ConditionError
        The pole -d/c lies in the support, so that the image is unbounded.
    BranchError
        The law has parameters and the image is not singled out by mass one; specialize first.

    Validity
    --------
    With free parameters the result holds where -d/c is outside the support.

    References
    ----------
    Rao & Edelman, Found. Comput. Math. 8 (2008) 649, section 4.

    Examples
    --------
    >>> from derive.law import fisher, wachter
    >>> moebius(fisher("1/2", "1/3"), 2, 0, 2, 3) == wachter("1/2", "1/3")
    True
    """
    call = f"moebius(law, {a}, {b}, {c}, {d})"
    needs_polynomial(call, law)
    a, b, c, d = (exact(v, call) for v in (a, b, c, d))
    determinant = sympy.expand(a * d - b * c)
    if determinant == 0:
        raise DomainError(
            call,
            "a d - b c = 0",
            "the map is constant",
            "moebius(law, a, b, c, d) with a d - b c different from zero",
        )
    if c == 0:
        return affine(law, a / d, b / d)
    value = (a - c * z) * ((a - c * z) * m - c) / determinant
    relation = put_in_equation(law, value, (d * z - b) / (a - c * z))
    numeric = not law.parameters and not any(v.free_symbols for v in (a, b, c, d))
    moments: list[Expr] = []
    nonnegative = False
    if numeric:
        pole = -d / c
        found = support(law)
        edges = [(low.exact, high.exact) for low, high in ((u.lower, u.upper) for u in found.bulks)]
        if any(low <= pole <= high for low, high in edges) or any(
            atom.place.exact == pole for atom in found.atoms
        ):
            raise ConditionError(
                call,
                f"the pole x = {pole} lies in the support {found}",
                "the image is not compactly supported",
                "choose a map whose pole -d/c is outside the support",
            )
        moments = _moments_of_image(law, a / c, -determinant / c**2, pole, _MOST_MOMENTS)
        ends = [(a * x + b) / (c * x + d) for pair in edges for x in pair]
        ends += [(a * t.place.exact + b) / (c * t.place.exact + d) for t in found.atoms]
        nonnegative = all(bool(x >= 0) for x in ends)

    def known(count: int, point: Mapping[Any, Any]) -> Sequence[Expr]:
        return moments[:count]

    return law_from_moments(call, relation, known, nonnegative, law.conditions)


#: Moments worked out to single out the image of a law; its curve has few sheets, so few suffice.
_MOST_MOMENTS = 4


def _moments_of_image(law: AlgebraicLaw, a: Expr, b: Expr, pole: Expr, count: int) -> list[Expr]:
    """Return the moments of a + b/(X - pole), from the Taylor series of m at the pole."""
    inner = _taylor_at(law, pole, count)
    powers = [sympy.Integer(1), *inner]
    return [
        sympy.radsimp(
            sympy.expand(sum(comb(n, k) * a ** (n - k) * b**k * powers[k] for k in range(n + 1)))
        )
        for n in range(1, count + 1)
    ]


def _taylor_at(law: AlgebraicLaw, pole: Expr, count: int) -> list[Expr]:
    """Return the averages of (X - pole)^-k, k = 1 ... count: the Taylor series of m, exact."""
    start = _exact_value(law, pole)
    shifted = Poly(law.polynomial.subs(z, pole + _s), m, _s).terms()
    numbers = [c for _, c in shifted] + [start]
    found: Any = sympy.construct_domain(numbers, field=True, extension=True)
    field, elements = found[0], list(found[1])
    rows: dict[int, list[Any]] = {}
    for ((i, j), _), c in zip(shifted, elements, strict=False):
        rows.setdefault(i, [field.zero] * count)
        if j < count:
            rows[i][j] = c
    zero = field.zero

    def value(series: list[Any], slope: bool) -> list[Any]:
        total, power = [zero] * count, [field.one] + [zero] * (count - 1)
        for i in range(max(rows) + 1 - slope):
            row = rows.get(i + slope, [zero] * count)
            part = multiply(power, row, count, zero)
            total = [t + (i + 1 if slope else 1) * p for t, p in zip(total, part, strict=True)]
            power = multiply(power, series, count, zero)
        return total

    series = [elements[-1]] + [zero] * (count - 1)
    pivot = value(series, True)[0]
    if not pivot:
        raise BranchError(
            f"moebius(law, ...) with pole {pole}",
            "another root of P(m, z) crosses the branch at the pole",
            "the Taylor series of m there is not given by one value",
            "moebius(law, ...) with a pole a little aside",
        )
    for k in range(1, count):
        series[k] = -value(series, False)[k] / pivot
    return [field.to_sympy(c) for c in series]


def _exact_value(law: AlgebraicLaw, place: Expr) -> Expr:
    """Return m at a rational point off the support, as an exact algebraic number."""
    if not place.is_Rational:
        raise BranchError(
            f"moebius(law, ...) with pole {place}",
            "the pole is not rational",
            "its image is worked out exactly from a rational point",
            "moebius(law, ...) with rational coefficients",
        )
    at = fmpq(int(place.p), int(place.q))
    values = [a(at) for a in coefficients_in_z(law.polynomial)]
    scale = lcm(*(int(v.q) for v in values))
    candidates = algebraic_roots(fmpz_poly([int(v.p) * (scale // int(v.q)) for v in values]))
    bits = 192
    with ctx.workprec(bits):
        # walk to the nearest binary point, then take one certified step to the pole itself
        exact_place = arb(int(place.p)) / int(place.q)
        beside = acb(exact_place.mid())
        branch = AlgebraicBranch(
            coefficients_in_z(law.polynomial), beside, stieltjes_ball(law, beside, bits)
        )
        between = branch.polynomial_at(acb(exact_place))
        found = newton_enclosure(between, branch.root, covering=branch.root)
        region = None if found is None else found.region
        matches = [c for c in candidates if region and region.overlaps(acb(c.ball(bits)))]
    if len(matches) != 1:
        raise BranchError(
            f"moebius(law, ...) with pole {place}",
            f"{len(matches)} roots of P(m, {place}) agree with the branch",
            "the value of m at the pole is not isolated",
            "moebius(law, ...) with a pole a little aside",
        )
    return matches[0].exact


def square(law: AlgebraicLaw) -> AlgebraicLaw:
    """Return the law of X^2.

    ``m_{X^2}(s^2) = [m_X(s) - m_X(-s)]/(2 s)``.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of X.

    Returns
    -------
    AlgebraicLaw

    References
    ----------
    Rao & Edelman, Found. Comput. Math. 8 (2008) 649, section 4.

    Examples
    --------
    The square of the semicircle is the Marchenko-Pastur law at c = 1:

    >>> from derive.law import marchenko_pastur, semicircle
    >>> square(semicircle()) == marchenko_pastur(1)
    True
    """
    needs_polynomial("square(law)", law)
    parameters = law.parameters
    ring = PolynomialRing((m, z, _s, _a, *parameters))
    one, gm, gz, gs, ga = (ring.context.constant(1), *(ring.gen(v) for v in (m, z, _s, _a)))
    polynomial = ring.numerator(law.polynomial)
    plus = ring.substituted(polynomial, {m: (ga, one), z: (gs, one)})
    minus = ring.substituted(polynomial, {m: (ga - 2 * gs * gm, one), z: (-gs, one)})
    both = ring.resultant(plus, minus, _a)
    relation = ring.write(ring.resultant(both, gs**2 - gz, _s))

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        return moments_at(law, 2 * count, point)[1::2]

    return law_from_moments("square(law)", relation, moments, True, law.conditions)
