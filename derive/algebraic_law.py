"""A spectral law held as an irreducible polynomial P(m, z) and its expansion at infinity.

One sign convention for the whole project: the Stieltjes transform of a law rho is

    m(z) = int rho(dx) / (x - z),        m = -1/z - m_1/z^2 - ...  at infinity,

so m maps the upper half-plane to itself. A polynomial P(m, z) has several roots m; the law is
the one whose expansion has mass one and, where that does not decide, the given first moments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, log2
from typing import Any

import sympy
from flint import arb, ctx, fmpq, fmpz_poly
from sympy import Expr, Poly, Symbol, symbols
from sympy.core.relational import Relational

from derive.errors import ArgumentsError, BranchError, ConditionError, DomainError
from derive.exact_input import exact
from derive.expansion import expansion
from derive.free_cumulants import free_cumulants_from_moments
from derive.polynomial_ring import (
    Exact,
    PolynomialRing,
    irreducible_factors,
)
from numerics.algebraic_branch import AlgebraicBranch, branch_from_infinity, complex_roots

m, z = symbols("m z")

#: Orders of the expansion compared before the choice of a factor is given up.
_ORDERS = (0, 1, 2, 4, 8, 16, 32)

MomentSource = Callable[[int, Mapping[Any, Any]], Sequence[Expr]]


@dataclass(frozen=True)
class AlgebraicLaw:
    """A compactly supported spectral law whose Stieltjes transform solves a polynomial equation.

    ``P(m(z), z) = 0`` with ``m(z) = int rho(dx)/(x - z)`` and m = -1/z - m_1/z^2 - ... .

    Parameters
    ----------
    polynomial : sympy.Expr
        P(m, z), irreducible over the rationals, in the symbols ``m`` and ``z`` of this module;
        every other symbol is a parameter.
    given_moments : tuple of sympy.Expr
        As many first moments as tell m from the other roots at infinity; often none.
    nonnegative : bool
        True where the construction shows that no eigenvalue is negative.
    conditions : tuple of sympy relationals
        The domain of the parameters, e.g. ``c < 1``.

    Raises
    ------
    BranchError
        The moments given do not single out one root, or are not those of a root.

    Notes
    -----
    Two laws are equal when they compare equal: polynomial and moments are put in normal form.

    References
    ----------
    Rao & Edelman, Found. Comput. Math. 8 (2008) 649.

    Examples
    --------
    >>> semicircle = AlgebraicLaw(m**2 + z*m + 1)
    >>> semicircle.moments(4)
    [0, 1, 0, 2]
    """

    polynomial: Expr
    given_moments: tuple[Expr, ...] = ()
    nonnegative: bool = field(default=False, compare=False)
    conditions: tuple[Any, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        factors = _factors_with_m(self.polynomial)
        if len(factors) != 1:
            raise BranchError(
                "AlgebraicLaw(polynomial)",
                f"the polynomial has {len(factors)} factors that contain m",
                "a law is one irreducible curve",
                "law_from_equation(equation, moments=...), which chooses the factor",
            )
        found = expansion(factors[0], m, z, self.given_moments)
        count = found.separation()
        if count is None or not found.vanishes():
            known = ", ".join(str(v) for v in self.given_moments) or "none"
            raise BranchError(
                f"AlgebraicLaw(polynomial, given_moments=({known}))",
                "no root of the polynomial is singled out by mass one and these moments",
                "two roots agree on them"
                if count is None
                else "m = -1/z - m_1/z^2 - ... does not solve P(m, z) = 0",
                "give the next moment, or check the sign convention m(z) = int rho(dx)/(x - z)",
            )
        object.__setattr__(self, "polynomial", factors[0])
        object.__setattr__(self, "given_moments", tuple(self.given_moments[:count]))

    @property
    def parameters(self) -> tuple[Symbol, ...]:
        """The parameters of the law, by name."""
        return _parameters(self.polynomial, *self.given_moments)

    @property
    def degree(self) -> int:
        """The number of roots m of P(m, z), the sheets of the curve."""
        return int(Poly(self.polynomial, m).degree())

    def moments(self, count: int) -> list[Expr]:
        """Return the moments m_1 ... m_count, exact in the parameters.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        list of sympy.Expr

        Examples
        --------
        >>> AlgebraicLaw(m**2*z**2 - 4*m**2 - 1).moments(6)
        [0, 2, 0, 6, 0, 20]
        """
        return list(_moments(self.polynomial, self.given_moments, count))

    def free_cumulants(self, count: int) -> list[Expr]:
        """Return the free cumulants kappa_1 ... kappa_count, the coefficients of R(g)."""
        return free_cumulants_from_moments(self.moments(count))

    def specialize(self, **values: Exact) -> AlgebraicLaw:
        """Return the law at given values of some of its parameters.

        Parameters
        ----------
        **values : int, str, Fraction or sympy.Expr
            Exact values by parameter name.

        Returns
        -------
        AlgebraicLaw

        Raises
        ------
        ArgumentsError
            An unknown parameter or an inexact value.
        DomainError
            A condition of the law fails at these values.
        """
        call = f"law.specialize({', '.join(f'{k}={v}' for k, v in values.items())})"
        named = {s.name: s for s in self.parameters}
        unknown = sorted(set(values) - set(named))
        if unknown:
            raise ArgumentsError(
                call,
                f"the law has no parameter {', '.join(unknown)}",
                f"its parameters are {', '.join(named) or 'none'}",
                "law.specialize() with these names only",
            )
        point: dict[Any, Any] = {named[name]: exact(value, call) for name, value in values.items()}
        kept = kept_conditions(call, [c.subs(point) for c in self.conditions])

        def moments_at(count: int, inner: Mapping[Any, Any]) -> list[Expr]:
            return [v.subs(point).subs(inner) for v in self.moments(count)]

        relation = self.polynomial.subs(point)
        return law_from_moments(call, relation, moments_at, self.nonnegative, kept)

    def branch(self) -> AlgebraicBranch:
        """Return the root m(z) in proved balls, anchored near infinity; numbers only.

        Raises
        ------
        ArgumentsError
            The law still has parameters.
        """
        needs_numbers(self, "law.branch()")
        return _branch(self.polynomial, self.given_moments)


def needs_polynomial(call: str, *laws: object) -> None:
    """Refuse a law that is not given by a polynomial, such as a power law."""
    for law in laws:
        if not isinstance(law, AlgebraicLaw):
            raise ConditionError(
                call,
                f"a {type(law).__name__} has no polynomial P(m, z)",
                "free sums and products, maps, densities and supports are eliminations from the "
                "polynomials of compactly supported laws",
                "atoms({...}) for a few eigenvalues, or at_table(...) and at_power_law(...) in the "
                "equations of a sample covariance",
            )


def needs_numbers(law: AlgebraicLaw, call: str) -> None:
    """Refuse a law that still has parameters."""
    needs_polynomial(call, law)
    if law.parameters:
        names = ", ".join(f"{s.name}=..." for s in law.parameters)
        raise ArgumentsError(
            call,
            f"the law depends on {', '.join(s.name for s in law.parameters)}",
            "balls are balls of numbers",
            f"law.specialize({names}) first",
        )


def kept_conditions(call: str, conditions: Sequence[Any]) -> tuple[Any, ...]:
    """Return the conditions still open; refuse one that is false."""
    kept = []
    for condition in conditions:
        verdict = sympy.simplify(condition) if isinstance(condition, Relational) else condition
        if verdict is sympy.false or verdict is False:
            raise DomainError(
                call,
                f"the condition {condition} fails",
                "outside its domain the equation holds but is not that of a compact law of mass 1",
                "choose parameters inside the domain, see law.conditions",
            )
        if verdict is not sympy.true and verdict is not True and condition not in kept:
            kept.append(condition)
    return tuple(kept)


def law_from_equation(
    equation: Expr,
    moments: Sequence[Exact] = (),
    nonnegative: bool = False,
    conditions: Sequence[Any] = (),
) -> AlgebraicLaw:
    """Return the law whose Stieltjes transform solves a rational equation in m and z.

    Parameters
    ----------
    equation : sympy.Expr
        An expression in m, z and parameters that vanishes on the law.
    moments : sequence
        First moments, as many as are needed to choose the factor and the root.
    nonnegative : bool
        True where the law is known to have no negative eigenvalue.
    conditions : sequence of sympy relationals
        The domain of the parameters.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    BranchError
        No factor, or more than one, agrees with mass one and the moments given.

    Examples
    --------
    >>> c = Symbol("c", positive=True)
    >>> law_from_equation(1/m + z - 1/(1 + c*m)).moments(3)
    [1, c + 1, c**2 + 3*c + 1]
    """
    call = "law_from_equation(equation, moments=...)"
    known = [exact(v, call) for v in moments]

    def moments_at(count: int, point: Mapping[Any, Any]) -> list[Expr]:
        return [v.subs(point) for v in known[:count]]

    law = law_from_moments(call, equation, moments_at, nonnegative, tuple(conditions))
    for order, (given, found) in enumerate(zip(known, law.moments(len(known)), strict=True), 1):
        if sympy.simplify(given - found) != 0:
            raise BranchError(
                call,
                f"the moment of order {order} is {found} on the curve, not {given}",
                "each moment given must be that of the law",
                "check the equation, its sign convention and the moments",
            )
    return law


def law_from_moments(
    call: str,
    equation: Expr,
    moments_at: MomentSource,
    nonnegative: bool = False,
    conditions: tuple[Any, ...] = (),
) -> AlgebraicLaw:
    """Choose the irreducible factor of an equation on which the moments of a law lie.

    The true series solves the equation, hence exactly one irreducible factor. A factor that
    fails on the first moments, at one exact value of the parameters, is excluded for good; the
    choice is proved when one factor is left whose root these moments single out.

    Parameters
    ----------
    call : str
        The call to name in errors.
    equation : sympy.Expr
        Rational in m, z and the parameters.
    moments_at : callable
        ``moments_at(count, point)``: the first moments with the parameters put at ``point``.
    nonnegative : bool
        As in :class:`AlgebraicLaw`.
    conditions : tuple
        As in :class:`AlgebraicLaw`.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    BranchError
        More than one factor is left, or none.
    """
    factors = list(_factors_with_m(equation))
    parameters = _parameters(equation)
    point: dict[Any, Any] = dict(zip(parameters, _generic_values(), strict=False))
    left = 0
    for order in _ORDERS:
        values = list(moments_at(order, point))
        if any(not v.is_finite for v in values):
            raise _not_compact(call)
        tried = [(f, expansion(f.subs(point), m, z, values)) for f in factors]
        tried = [(f, found) for f, found in tried if found.vanishes()]
        factors, left = [f for f, _ in tried], len(tried)
        if not tried:
            break
        separation = tried[0][1].separation()
        if left == 1 and separation is not None:
            given = tuple(moments_at(separation, {}))
            return AlgebraicLaw(factors[0], given, nonnegative, conditions)
        if len(values) < order:
            break
    raise BranchError(
        call,
        f"{left} factors of the equation agree with the moments known",
        "the law must lie on exactly one irreducible factor, told apart by its expansion "
        "m = -1/z - m_1/z^2 - ...",
        "law_from_equation(equation, moments=...) with more moments"
        if left
        else "check the equation and the sign convention m(z) = int rho(dx)/(x - z)",
    )


def _not_compact(call: str) -> ConditionError:
    return ConditionError(
        call,
        "a moment is infinite at these values",
        "the law is not compactly supported there, so it has no expansion at infinity",
        "choose parameters inside the domain, see law.conditions",
    )


def _parameters(*expressions: Expr) -> tuple[Symbol, ...]:
    found: set[Any] = set().union(*(e.free_symbols for e in expressions)) - {m, z}
    clash = sorted(s.name for s in found if s.name in ("m", "z"))
    if clash:
        raise ArgumentsError(
            "AlgebraicLaw(polynomial)",
            f"a parameter is called {clash[0]}",
            "m is the Stieltjes transform and z the spectral variable",
            "from derive.algebraic_law import m, z, and name the parameter otherwise",
        )
    return tuple(sorted(found, key=lambda s: s.name))


def _factors_with_m(equation: Expr) -> tuple[Expr, ...]:
    parameters = _parameters(equation)
    return tuple(f for f in irreducible_factors((m, z, *parameters), equation) if f.has(m))


def _generic_values() -> list[Expr]:
    """Rationals between 0 and 1 without a simple relation between them."""
    pairs = ((7, 23), (11, 37), (5, 13), (17, 41), (3, 29), (19, 67), (23, 71), (29, 83))
    return [sympy.Rational(p, q) for p, q in pairs]


@lru_cache(maxsize=256)
def _moments(polynomial: Expr, given: tuple[Expr, ...], count: int) -> tuple[Expr, ...]:
    found = expansion(polynomial, m, z, given)
    series = found.extended(count + 1)[1 : count + 1]
    return tuple(found.field.to_sympy(v) for v in series)


@lru_cache(maxsize=128)
def _branch(polynomial: Expr, given: tuple[Expr, ...]) -> AlgebraicBranch:
    found = expansion(polynomial, m, z, given)
    table, first, head = found.blow_up()
    size = found.extended(9)[8]
    with ctx.workprec(256):
        to_ball = _balls(found.field)
        blow_up = [[to_ball(c) for c in row] for row in table]
        # (m_8)^(1/8) is a little below the radius of the support
        scale = abs(float(to_ball(size).mid())) ** 0.125
        reach = max(1, ceil(log2(2 * scale + 1)))
        known = [to_ball(c) for c in head]
        coefficients = coefficients_in_z(polynomial)
        return branch_from_infinity(coefficients, blow_up, to_ball(first), known, reach, 128)


def _balls(number_field: Any) -> Callable[[Any], arb]:
    """Return the map from an exact field of real numbers to balls at the current precision."""
    if not number_field.is_Algebraic:
        return lambda c: arb(fmpq(int(c.numerator), int(c.denominator)))
    minimal = Poly(number_field.mod.to_list(), Symbol("x"), domain="QQ").clear_denoms()[1]
    near = float(number_field.ext.as_expr().evalf(30))
    roots = complex_roots(fmpz_poly([int(c) for c in reversed(minimal.all_coeffs())]))
    generator = min(
        (r.real for r in roots if r.imag.is_zero()),
        key=lambda r: abs(float(r.mid()) - near),
    )

    def ball(c: Any) -> arb:
        total = arb(0)
        for q in c.to_list():
            total = total * generator + arb(fmpq(int(q.numerator), int(q.denominator)))
        return total

    return ball


@lru_cache(maxsize=128)
def coefficients_in_z(polynomial: Expr) -> tuple[fmpz_poly, ...]:
    """Return the coefficients of P by powers of m, as polynomials in z; numbers only."""
    ring = PolynomialRing((m, z))
    table: dict[int, dict[int, int]] = {}
    for (i, j), c in ring.numerator(polynomial).to_dict().items():
        table.setdefault(i, {})[j] = int(c)
    rows = []
    for i in range(max(table) + 1):
        row = table.get(i, {})
        rows.append(fmpz_poly([row.get(j, 0) for j in range(max(row, default=-1) + 1)]))
    return tuple(rows)
