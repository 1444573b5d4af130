"""The transforms of a law in closed form, all in one sign convention.

    m(z)   = int rho(dx)/(x - z)                          Stieltjes transform
    psi(w) = int w x/(1 - w x) rho(dx) = -1 - m(1/w)/w    moment transform, sum_k m_k w^k
    tau(z) = int x/(z + x) rho(dx) = 1 - z m(-z)          tr X (z + X)^-1, degrees of freedom
    R(g)   = z - 1/g at g = -m(z)                         R-transform, sum_n kappa_n g^(n-1)
    S(y)   = (1 + y)/(y z) at y = -1 - z m(z)             S-transform

For an algebraic law each transform solves a polynomial equation. Where that is of degree one or
two the transform is returned in closed form, with the root taken that has the right expansion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Expr, Poly, Symbol, cancel, factor_list, sqrt

from derive.algebraic_law import AlgebraicLaw, m, z
from derive.errors import ConditionError
from derive.free_cumulants import (
    multiply,
    s_coefficients_from_moments,
)
from derive.polynomial_ring import irreducible_factors

_u = sympy.Dummy("u")
_v = sympy.Dummy("v")


def stieltjes_transform(law: AlgebraicLaw, variable: Symbol = z) -> Expr:
    """Return the Stieltjes transform in closed form, valid off the support.

    ``m(z) = int rho(dx)/(x - z)``.

    Parameters
    ----------
    law : AlgebraicLaw
        Of degree one or two in m.
    variable : sympy.Symbol
        z, complex.

    Returns
    -------
    sympy.Expr
        With sqrt(z - e1) sqrt(z - e2) in place of one root, whose cut would be wrong.

    Raises
    ------
    ConditionError
        The equation has a higher degree, or more than two edges.

    Validity
    --------
    Any complex z off the support; on it, the limit is m(x + i0).

    Examples
    --------
    >>> from derive.law import semicircle
    >>> stieltjes_transform(semicircle())
    -z/2 + sqrt(z - 2)*sqrt(z + 2)/2
    """
    call = "stieltjes_transform(law)"
    _needs_algebraic(call, law)
    if law.degree == 1:
        rational: Any = _tidy(_linear(law.polynomial, m))
        return rational.subs(z, variable)
    a, b, rest, inner = _quadratic(call, law.polynomial, m, z)
    if Poly(inner, z).degree() != 2:
        raise _no_closed_form(call, law, "its discriminant has more than two simple zeros")
    lead = Poly(inner, z).LC()
    first, second = sympy.roots(Poly(inner, z), multiple=True)
    # 2 a m + b = size rest root, with size^2 the leading coefficient: fixed by m ~ -1/z
    size = _leading_at_infinity(law, a, b) / Poly(rest, z).LC()
    if cancel(size**2 - lead) != 0:
        raise _no_closed_form(call, law, "its root at infinity is not the one known")
    root = sympy.factor(size * rest) * sqrt(z - first) * sqrt(z - second)
    return ((root - b) / (2 * a)).subs(z, variable)


def moment_transform(law: AlgebraicLaw, variable: Symbol) -> Expr:
    """Return the moment transform in closed form.

    ``psi(w) = sum_{k>=1} m_k w^k = -1 - m(1/w)/w``.

    Parameters
    ----------
    law : AlgebraicLaw
        Of degree one or two in m.
    variable : sympy.Symbol
        w, near zero.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        The equation has degree three or more.

    Examples
    --------
    >>> from derive.law import atoms
    >>> moment_transform(atoms({3: 1}), Symbol("w"))
    -3*w/(3*w - 1)
    """
    _needs_algebraic("moment_transform(law, w)", law)
    equation = law.polynomial.subs({m: -(1 + _u) * _v, z: 1 / _v}, simultaneous=True)
    series = [sympy.Integer(0), *law.moments(_TERMS)]
    return _closed_form("moment_transform(law, w)", law, equation, series).subs(_v, variable)


def tau_transform(law: AlgebraicLaw, variable: Symbol = z) -> Expr:
    """Return the normalised degrees of freedom of ridge regression at ridge z.

    ``tau(z) = tr X (z + X)^{-1} = 1 - z m(-z)``.

    Parameters
    ----------
    law : AlgebraicLaw
        Nonnegative, of degree one or two in m.
    variable : sympy.Symbol
        z > 0.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        The equation has degree three or more, or the law may have negative eigenvalues.

    Validity
    --------
    z > 0.

    Examples
    --------
    >>> from derive.law import atoms
    >>> tau_transform(atoms({2: 1}))
    2/(z + 2)
    """
    call = "tau_transform(law, z)"
    _needs_algebraic(call, law)
    if not law.nonnegative:
        raise ConditionError(
            call,
            "the law is not known to be nonnegative",
            "tr X (z + X)^-1 has poles at z = -x for each negative eigenvalue x",
            "tau_transform(square(law), z), or stieltjes_transform(law)",
        )
    equation = law.polynomial.subs({m: (1 - _u) * _v, z: -1 / _v}, simultaneous=True)
    moments = law.moments(_TERMS)
    series = [sympy.Integer(0)] + [-v if k % 2 else v for k, v in enumerate(moments)]
    place = sympy.Dummy("z", positive=True)
    closed = _closed_form(call, law, equation, series).subs(_v, 1 / place)
    return _tidy(closed).subs(place, variable)


def r_polynomial(law: AlgebraicLaw, value: Symbol, variable: Symbol) -> Expr:
    """Return the irreducible polynomial that the R-transform solves, ``P(R, g) = 0``.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> R, g, s = sympy.symbols("R g s", positive=True)
    >>> r_polynomial(semicircle(s), R, g)
    R - g*s
    """
    equation = law.polynomial.subs({m: -_v, z: _u + 1 / _v}, simultaneous=True)
    return _kept_factor(equation, law.free_cumulants(_TERMS)).subs({_u: value, _v: variable})


def r_transform(law: AlgebraicLaw, variable: Symbol) -> Expr:
    """Return the R-transform in closed form; it adds under the free sum.

    ``R(g) = sum_{n>=1} kappa_n g^(n-1)``, with R(-m(z)) - 1/m(z) = z.

    Parameters
    ----------
    law : AlgebraicLaw
        Whose R-transform has degree one or two.
    variable : sympy.Symbol
        g, near zero.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        The equation has degree three or more; use :func:`r_polynomial`.

    References
    ----------
    Voiculescu, J. Funct. Anal. 66 (1986) 323.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> c, g = sympy.symbols("c g", positive=True)
    >>> r_transform(marchenko_pastur(c), g)
    -1/(c*g - 1)
    """
    _needs_algebraic("r_transform(law, g)", law)
    equation = law.polynomial.subs({m: -_v, z: _u + 1 / _v}, simultaneous=True)
    series = law.free_cumulants(_TERMS)
    return _closed_form("r_transform(law, g)", law, equation, series).subs(_v, variable)


def s_transform(law: AlgebraicLaw, variable: Symbol) -> Expr:
    """Return the S-transform in closed form; it multiplies under the free product.

    ``S(y) = (1 + y)/y chi(y)`` with psi(chi(y)) = y.

    Parameters
    ----------
    law : AlgebraicLaw
        With a mean different from zero.
    variable : sympy.Symbol
        y, near zero.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        The mean is zero, or the equation has degree three or more.

    References
    ----------
    Voiculescu, J. Operator Theory 18 (1987) 223.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> c, y = sympy.symbols("c y", positive=True)
    >>> s_transform(marchenko_pastur(c), y)
    1/(c*y + 1)
    """
    _needs_algebraic("s_transform(law, y)", law)
    series = s_coefficients_from_moments(law.moments(_TERMS))
    place = (1 + _v) / (_v * _u)
    equation = law.polynomial.subs({m: -_v * _u, z: place}, simultaneous=True)
    return _closed_form("s_transform(law, y)", law, equation, series).subs(_v, variable)


def _needs_algebraic(call: str, law: object) -> None:
    if not isinstance(law, AlgebraicLaw):
        raise ConditionError(
            call,
            f"a {type(law).__name__} has no such transform in closed form",
            "R, S and psi are found from the polynomial P(m, z) of a compactly supported law",
            "the tau_transform and stieltjes_transform methods of the law, or atoms({...})",
        )


#: Coefficients compared when a root is chosen.
_TERMS = 6


def _kept_factor(equation: Expr, series: Sequence[Expr]) -> Expr:
    """Return the irreducible factor of an equation in u, v on which u = sum_k series_k v^k lies."""
    others: list[Any] = sorted(equation.free_symbols - {_u, _v}, key=lambda s: s.name)
    kept = []
    for candidate in irreducible_factors((_u, _v, *others), equation):
        if candidate.has(_u):
            if not any(_composed(Poly(candidate, _u).all_coeffs(), series, len(series))):
                kept.append(candidate)
    if len(kept) != 1:
        raise ConditionError(
            "transform(law)",
            f"{len(kept)} factors of its equation agree with the first coefficients",
            "the transform lies on one irreducible curve",
            "specialize the law first",
        )
    return kept[0]


def _closed_form(call: str, law: AlgebraicLaw, equation: Expr, series: Sequence[Expr]) -> Expr:
    """Solve an equation in u and v of degree one or two for the root u = sum series_k v^k."""
    curve = _kept_factor(equation, series)
    if Poly(curve, _u).degree() == 1:
        return _tidy(_linear(curve, _u))
    a, b, rest, inner = _quadratic(call, curve, _u, _v)
    # 2 a u + b is the signed root of the discriminant; its first term tells the sign
    signed = _composed([2 * a, b], series, len(series))
    power = next((k for k, c in enumerate(signed) if c), None)
    if power is None:
        raise _no_closed_form(call, law, "its two roots agree to high order")
    size = signed[power]
    first = size * _v**power
    # (first)^2 divides out of rest^2 inner, so the root is one at v = 0: no sign is assumed
    ratio = cancel(rest**2 * inner / first**2)
    return _tidy((-b + first * sqrt(sympy.factor(ratio))) / (2 * a))


def _quadratic(call: str, curve: Expr, unknown: Symbol, variable: Symbol) -> tuple:
    """Return a, b and the discriminant as rest^2 * inner, for a curve of degree two."""
    poly = Poly(curve, unknown)
    if poly.degree() != 2:
        raise ConditionError(
            call,
            f"the transform solves an equation of degree {poly.degree()}",
            "only degrees one and two have a closed form worth printing",
            "r_polynomial(law, R, g) for the equation, law.free_cumulants(n) for the series, "
            "or stieltjes_ball(law.specialize(...), z) for a number",
        )
    a, b, c = poly.all_coeffs()
    found: Any = factor_list(sympy.expand(b**2 - 4 * a * c), variable)
    rest, inner = sympy.Integer(1), found[0]
    for base, power in found[1]:
        rest *= base ** (power // 2)
        inner *= base ** (power % 2)
    return a, b, rest, sympy.expand(inner)


def _composed(coefficients: Sequence[Expr], series: Sequence[Expr], order: int) -> list[Expr]:
    """Return sum_i c_i(v) u(v)^i up to v^order, for c highest power first and u a series in v."""
    dense = []
    for c in coefficients:
        poly = Poly(c, _v)
        dense.append([poly.coeff_monomial(_v**k) for k in range(order)])
    total: list[Expr] = [sympy.Integer(0)] * order
    for row in dense:
        total = multiply(total, series, order, sympy.Integer(0))
        total = [cancel(t + c) for t, c in zip(total, row, strict=True)]
    return total


def _leading_at_infinity(law: AlgebraicLaw, a: Expr, b: Expr) -> Expr:
    """Return the coefficient of the highest power of z in 2 a m + b."""
    top = max(Poly(a, z).degree(), Poly(b, z).degree())
    # in v = 1/z, with a and b multiplied by v^top
    at_infinity = [sympy.expand(v * _v**top).subs(z, 1 / _v) for v in (2 * a, b)]
    series = [sympy.Integer(0), sympy.Integer(-1), *(-c for c in law.moments(_TERMS))]
    signed = _composed([sympy.expand(v) for v in at_infinity], series, _TERMS + 2)
    return next(c for c in signed if c)


def _linear(curve: Expr, unknown: Symbol) -> Expr:
    a, b = Poly(curve, unknown).all_coeffs()
    return cancel(-b / a)


def _tidy(expr: Expr) -> Expr:
    """Return a ratio of polynomials, with the one square root in it as a symbol of its own."""
    factored = expr.replace(_is_root, lambda e: sqrt(sympy.factor(e.base)))
    roots = sorted((e for e in factored.atoms(sympy.Pow) if _is_root(e)), key=str)
    named = [(r, sympy.Dummy()) for r in roots]
    ratio: Any = sympy.factor(cancel(factored.subs(named)))
    return ratio.subs([(d, r) for r, d in named])


def _is_root(expr: Any) -> bool:
    return bool(expr.is_Pow and expr.exp == sympy.Rational(1, 2))


def _no_closed_form(call: str, law: AlgebraicLaw, why: str) -> ConditionError:
    return ConditionError(
        call,
        f"the law of degree {law.degree} has no closed form here",
        why,
        "law.polynomial for the equation, or stieltjes_ball(law.specialize(...), z) for a number",
    )
