"""Operations on algebraic laws: each is an exact elimination followed by a proved choice.

For free X and Y the sum, product and compression act on R(g) and S(y), that is on the inverse
functions z(m); eliminating the arguments of the two laws is one resultant. The resultant has
spurious factors, and the right one is chosen by the moments of the result, computed on their
own from free cumulants or S-coefficients (:func:`derive.algebraic_law.law_from_moments`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy import Expr

from derive.algebraic_law import (
    AlgebraicLaw,
    kept_conditions,
    law_from_moments,
    m,
    needs_polynomial,
    z,
)
from derive.errors import ConditionError
from derive.exact_input import exact
from derive.free_cumulants import (
    free_cumulants_from_moments,
    moments_from_free_cumulants,
    moments_from_s_coefficients,
    s_coefficients_from_moments,
)
from derive.polynomial_ring import Exact, PolynomialRing

_y = sympy.Dummy("y")
_t = sympy.Dummy("t")


def _ring(*laws: AlgebraicLaw, scalars: Sequence[Expr] = ()) -> PolynomialRing:
    found: set[Any] = set().union(*(law.parameters for law in laws))
    found |= set().union(*(s.free_symbols for s in scalars)) if scalars else set()
    return PolynomialRing((m, z, _y, _t, *sorted(found - {m, z}, key=lambda s: s.name)))


def _conditions(call: str, *laws: AlgebraicLaw, more: Sequence[Any] = ()) -> tuple[Any, ...]:
    return kept_conditions(call, [c for law in laws for c in law.conditions] + list(more))


def moments_at(law: AlgebraicLaw, count: int, point: Mapping[Any, Any]) -> list[Expr]:
    """Return the first moments of a law with its parameters put at a point."""
    return [v.subs(point) for v in law.moments(count)]


def free_sum(left: AlgebraicLaw, right: AlgebraicLaw) -> AlgebraicLaw:
    """Return the law of X + Y for free X and Y, where R-transforms add.

    ``R_{X+Y}(g) = R_X(g) + R_Y(g)``; with g = -m this is z = z_X(m) + z_Y(m) + 1/m, for two
    matrices in general position as their size grows.

    Parameters
    ----------
    left, right : AlgebraicLaw
        The laws of X and Y.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    BranchError
        The factor of the resultant could not be told from its rivals.

    Validity
    --------
    Asymptotic freeness of X and Y (one of them rotated by a Haar matrix, or Wigner).

    References
    ----------
    Voiculescu, J. Funct. Anal. 66 (1986) 323; Rao & Edelman (2008), section 5.

    Examples
    --------
    >>> from derive.law import atoms
    >>> bernoulli = atoms({-1: "1/2", 1: "1/2"})
    >>> free_sum(bernoulli, bernoulli).polynomial
    m**2*z**2 - 4*m**2 - 1
    """
    call = "free_sum(left, right)"
    needs_polynomial(call, left, right)
    ring = _ring(left, right)
    one, gm, gz, gt = ring.context.constant(1), ring.gen(m), ring.gen(z), ring.gen(_t)
    first = ring.substituted(ring.numerator(left.polynomial), {z: (gt, one)})
    # z_Y = z - z_X - 1/m
    second = ring.substituted(ring.numerator(right.polynomial), {z: ((gz - gt) * gm - one, gm)})
    relation = ring.write(ring.resultant(first, second, _t))

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        pairs = zip(
            free_cumulants_from_moments(moments_at(left, count, point)),
            free_cumulants_from_moments(moments_at(right, count, point)),
            strict=True,
        )
        return moments_from_free_cumulants([a + b for a, b in pairs])

    positive = left.nonnegative and right.nonnegative
    return law_from_moments(call, relation, moments, positive, _conditions(call, left, right))


def free_product(left: AlgebraicLaw, right: AlgebraicLaw) -> AlgebraicLaw:
    """Return the law of X^{1/2} Y X^{1/2} for free X >= 0 and Y, where S-transforms multiply.

    ``S_{XY}(y) = S_X(y) S_Y(y)``; with y = -1 - z m this is z = y/(1+y) z_X(y) z_Y(y).

    Parameters
    ----------
    left, right : AlgebraicLaw
        At least one has no negative eigenvalue; both have a mean different from zero.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    ConditionError
        A mean is zero, or neither law is known to be nonnegative.

    Validity
    --------
    Asymptotic freeness of X and Y.

    References
    ----------
    Voiculescu, J. Operator Theory 18 (1987) 223; Rao & Edelman (2008), section 5.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> free_product(marchenko_pastur("1/2"), marchenko_pastur("1/3")).moments(2)
    [1, 11/6]
    """
    call = "free_product(left, right)"
    needs_polynomial(call, left, right)
    for law in (left, right):
        if law.moments(1)[0] == 0:
            raise ConditionError(
                call,
                "one of the laws has mean zero",
                "S(y) = (1+y)/y chi(y) exists only for a mean different from zero, since "
                "psi(w) = m_1 w + ... has no inverse at m_1 = 0",
                "use square(law), or shift the law with affine(law, 1, shift) first",
            )
    if not (is_nonnegative(left) or is_nonnegative(right)):
        raise ConditionError(
            call,
            "neither law is known to be nonnegative",
            "X Y of two indefinite free matrices is not similar to a symmetric one, so it has no "
            "law on the real line",
            "make one factor nonnegative, e.g. free_product(square(left), right)",
        )
    ring = _ring(left, right)
    context = ring.context
    one, gm, gz, gy, gt = context.constant(1), ring.gen(m), ring.gen(z), ring.gen(_y), ring.gen(_t)

    def in_y(law: AlgebraicLaw, top: Any, low: Any) -> Any:
        # m = -(1 + y)/z at z = top/low
        return ring.substituted(
            ring.numerator(law.polynomial), {m: (-(one + gy) * low, top), z: (top, low)}
        )

    first = in_y(left, gt, one)
    second = in_y(right, gz * (one + gy), gy * gt)
    product = ring.resultant(first, second, _t)
    relation = ring.write(ring.substituted(product, {_y: (-one - gz * gm, one)}))

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        if not count:
            return []
        one_side = s_coefficients_from_moments(moments_at(left, count, point))
        other = s_coefficients_from_moments(moments_at(right, count, point))
        series = [
            sympy.cancel(sum((one_side[i] * other[n - i] for i in range(n + 1)), sympy.Integer(0)))
            for n in range(count)
        ]
        return moments_from_s_coefficients(series)

    positive = is_nonnegative(left) and is_nonnegative(right)
    return law_from_moments(call, relation, moments, positive, _conditions(call, left, right))


def is_nonnegative(law: AlgebraicLaw) -> bool:
    """Say whether a law is known, by construction or from its support, to have no negative part."""
    if law.nonnegative:
        return True
    if law.parameters:
        return False
    from derive.support import support

    return bool(support(law).lowest >= 0)


def free_compression(law: AlgebraicLaw, share: Exact) -> AlgebraicLaw:
    """Return the law of the corner of relative size ``share`` of a randomly rotated matrix.

    ``R_corner(g) = R(share g)`` as the size of the matrix grows at fixed share.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of the whole matrix.
    share : exact number or symbol
        Size of the corner over size of the matrix, 0 < share <= 1.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        The share is outside (0, 1].

    References
    ----------
    Nica & Speicher, Lectures (2006), lecture 14.

    Examples
    --------
    >>> from derive.law import atoms
    >>> free_compression(atoms({1: "1/2", 2: "1/2"}), "1/2").polynomial
    m**2*z**2 - 3*m**2*z + 2*m**2 - 1
    """
    call = f"free_compression(law, share={share})"
    needs_polynomial(call, law)
    alpha = exact(share, call)
    more = (sympy.Gt(alpha, 0), sympy.Le(alpha, 1))
    conditions = _conditions(call, law, more=more)
    # alpha z_corner: the argument of the law is z - (1 - alpha)/(alpha m)
    relation = put_in_equation(law, alpha * m, z - (1 - alpha) / (alpha * m))

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        cumulants = free_cumulants_from_moments(moments_at(law, count, point))
        factor = alpha.subs(point)
        return moments_from_free_cumulants([k * factor**i for i, k in enumerate(cumulants)])

    return law_from_moments(call, relation, moments, law.nonnegative, conditions)


def free_power(law: AlgebraicLaw, times: Exact) -> AlgebraicLaw:
    """Return the law of the sum of ``times`` free copies, defined for every real times >= 1.

    ``R(g) -> times R(g)``.

    Parameters
    ----------
    law : AlgebraicLaw
        One copy.
    times : exact number or symbol
        times >= 1, not necessarily an integer.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        times < 1, where the result need not be a law.

    References
    ----------
    Nica & Speicher, Amer. J. Math. 118 (1996) 799.

    Examples
    --------
    The tree in which each vertex has d neighbours:

    >>> from derive.law import atoms
    >>> d = sympy.Symbol("d", positive=True)
    >>> free_power(atoms({-1: "1/2", 1: "1/2"}), d).moments(4)
    [0, d, 0, 2*d**2 - d]
    """
    call = f"free_power(law, times={times})"
    needs_polynomial(call, law)
    copies = exact(times, call)
    conditions = _conditions(call, law, more=(sympy.Ge(copies, 1),))
    relation = put_in_equation(law, m, z / copies + (1 / copies - 1) / m)

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        cumulants = free_cumulants_from_moments(moments_at(law, count, point))
        return moments_from_free_cumulants([k * copies.subs(point) for k in cumulants])

    return law_from_moments(call, relation, moments, law.nonnegative, conditions)


def correlated_wishart(population: AlgebraicLaw, ratio: Exact) -> AlgebraicLaw:
    """Return the law of the sample covariance X^T X / n of rows with a given population law.

    ``m(z) = int d Sigma(s) / (s (1 - c - c z m) - z)`` with c = d/n -> ratio as d, n -> oo.

    Parameters
    ----------
    population : AlgebraicLaw
        The law of the population covariance Sigma (d x d).
    ratio : exact number or symbol
        c = d/n > 0, features over samples.

    Returns
    -------
    AlgebraicLaw
        The law of the d x d matrix, with its atom at zero for c > 1.

    Raises
    ------
    DomainError
        The ratio is not positive.

    References
    ----------
    Marchenko & Pastur, Mat. Sb. 72 (1967) 507; Silverstein, J. Multivariate Anal. 55 (1995) 331.

    Examples
    --------
    >>> from derive.law import atoms
    >>> correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2").moments(2)
    [5/2, 93/8]
    """
    call = f"correlated_wishart(population, ratio={ratio})"
    needs_polynomial(call, population)
    c = exact(ratio, call)
    conditions = _conditions(call, population, more=(sympy.Gt(c, 0),))
    shrink = 1 - c - c * z * m
    relation = put_in_equation(population, shrink * m, z / shrink)

    def moments(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        # the n x n companion is a free compound Poisson law: kappa_k = c m_k(Sigma)
        factor = c.subs(point)
        cumulants = [factor * v for v in moments_at(population, count, point)]
        return [sympy.cancel(v / factor) for v in moments_from_free_cumulants(cumulants)]

    return law_from_moments(call, relation, moments, population.nonnegative, conditions)


def put_in_equation(law: AlgebraicLaw, value: Expr, place: Expr) -> Expr:
    """Return P(value, place), the numerator, for rational expressions in m, z and scalars."""
    ring = _ring(law, scalars=(value, place))
    polynomial = ring.numerator(law.polynomial)
    return ring.write(
        ring.substituted(polynomial, {m: ring.fraction(value), z: ring.fraction(place)})
    )
