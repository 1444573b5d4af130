r"""Scalar Dyson equations eliminated to polynomials in chosen quantities.

Unknowns go one at a time, from an equation linear in them where there is one and by a resultant
otherwise. Each elimination brings factors that vanish on other branches or nowhere; the factor kept
is the one that vanishes at the solution of the original fixed point, computed at two random points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import sympy as sp

from derive.dyson import DysonSystem
from derive.errors import ArgumentsError, BranchError, ConditionError
from derive.polynomial_ring import irreducible_factors
from derive.reduction import ReductionStep, merge_unknowns, witness
from derive.spectral_trace import SpectralTrace, substituted
from derive.spectrum_values import numeric_value
from derive.word_trace import WordTrace


@dataclass(frozen=True)
class PolynomialSystem:
    """Polynomials that vanish on the physical branch, with the way they were reached.

    Parameters
    ----------
    polynomials : tuple of sympy.Expr
        In the chosen quantities and the parameters; irreducible.
    steps : tuple of ReductionStep
    residual : float
        Largest relative value of a polynomial at fresh solutions of the fixed point.
    """

    polynomials: tuple[sp.Expr, ...]
    steps: tuple[ReductionStep, ...]
    residual: float


Point = dict[sp.Basic, complex]


def eliminate_to_polynomials(
    system: DysonSystem, quantities: Mapping[str, sp.Symbol]
) -> PolynomialSystem:
    r"""Return irreducible polynomials in the outputs of a Dyson system without matrices.

    Parameters
    ----------
    system : DysonSystem
        Whose deterministic blocks are all multiples of the identity.
    quantities : mapping
        Output name -> symbol. As many polynomials as quantities remain, or one for one quantity.

    Returns
    -------
    PolynomialSystem

    Raises
    ------
    ConditionError
        If a trace of a matrix stands in the equations: they are then not polynomial.
    BranchError
        If the fixed point could not be solved at enough random points to tell factors apart.

    References
    ----------
    Adlam & Pennington, arXiv 2011.03321 (the two polynomials of random features).

    Examples
    --------
    >>> from derive.dyson import dyson_equations
    >>> from derive.words import Gaussian, Identity
    >>> n, d, phi, lam, m = sp.symbols("n d phi lam m", positive=True)
    >>> X = Gaussian("X", n, d, 1 / n)
    >>> R = (X.T @ X + lam * Identity(d)).inverse()
    >>> system = dyson_equations({"tr R": R}, {d: phi * n})
    >>> eliminate_to_polynomials(system, {"tr R": m}).polynomials
    (lam*m**2*phi + lam*m - m*phi + m - 1,)
    """
    _check_scalar(system)
    missing = [q for q in quantities if q not in system.outputs]
    if missing:
        raise ArgumentsError(
            "eliminate_to_polynomials",
            f"there is no output {missing[0]!r}",
            f"the outputs are {', '.join(system.outputs)}",
            f"{{'{next(iter(system.outputs))}': symbol}}",
        )
    points = _points(system, quantities)
    reduced = merge_unknowns(system)
    sides = {k: k - e for k, e in reduced.equations.items()}
    targets = {q: s - reduced.outputs[q] for q, s in quantities.items()}
    squares = _square_roots([*sides.values(), *targets.values()])
    for point in points:
        point.update({r: point[s] ** 0.5 for s, r in squares.items()})
    rational = {s: r**2 for s, r in squares.items()}
    polynomials = [
        _select(_rooted(side, rational), points) for side in (*sides.values(), *targets.values())
    ]
    unknowns, steps = list(reduced.equations), list(reduced.steps)
    while unknowns:
        unknown, value, polynomials = _eliminate_one(polynomials, unknowns, points)
        unknowns.remove(unknown)
        back = {r: sp.sqrt(s) for s, r in squares.items()}
        steps.append(
            ReductionStep(
                "unknown eliminated" if value is not None else "unknown eliminated by a resultant",
                {} if value is None else {unknown: cast(sp.Expr, value.subs(back))},
                len(unknowns) + 1,
                len(unknowns),
            )
        )
    final = [_oriented(p.subs({r: sp.sqrt(s) for s, r in squares.items()})) for p in polynomials]
    fresh = _points(system, quantities, first_seed=50)
    residual = max(_relative(p, point) for p in final for point in fresh)
    return PolynomialSystem(tuple(final), tuple(steps), residual)


def _check_scalar(system: DysonSystem) -> None:
    for side in (*system.equations.values(), *system.outputs.values()):
        for trace in side.atoms(WordTrace, SpectralTrace):
            raise ConditionError(
                "eliminate_to_polynomials",
                f"the trace {trace} stands in the equations",
                "for a general matrix it is no polynomial in the unknowns",
                "reduction.merge_unknowns and reduction.ridge_form, or give the spectrum as atoms",
            )


def _points(
    system: DysonSystem, quantities: Mapping[str, sp.Symbol], first_seed: int = 0
) -> list[Point]:
    points: list[Point] = []
    for seed in range(first_seed, first_seed + 12):
        scalars, solution = witness(system, seed)
        if solution.converged:
            named = {s: solution.outputs[q] for q, s in quantities.items()}
            points.append({**scalars, **solution.unknowns, **named})
        if len(points) == 2:
            return points
    raise BranchError(
        "eliminate_to_polynomials",
        f"the fixed point converged at {len(points)} of 12 random points",
        "two are needed to tell the physical factor from the others",
        "check the system with dyson.solve_numerically at parameters of your own",
    )


def _square_roots(expressions: list[sp.Expr]) -> dict[sp.Symbol, sp.Symbol]:
    roots = {
        power.base
        for e in expressions
        for power in e.atoms(sp.Pow)
        if power.base.is_Symbol and (2 * power.exp).is_Integer and not power.exp.is_Integer
    }
    return {cast(sp.Symbol, s): sp.Dummy(f"r_{s}", positive=True) for s in sorted(roots, key=str)}


def _rooted(expression: sp.Expr, rational: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    rooted = substituted(expression, rational)
    return cast(sp.Expr, sp.powdenest(rooted, force=True))


def _select(expression: sp.Expr, points: list[Point]) -> sp.Expr:
    """Return the irreducible factor of the numerator that vanishes at the solutions."""
    # SymPy draws at random where to begin, and sometimes takes minutes instead of milliseconds
    letters = tuple(sorted(cast(set[sp.Symbol], expression.free_symbols), key=str))
    factors = irreducible_factors(letters, expression)
    vanishing = [f for f in factors if all(_relative(f, p) < 1e-7 for p in points)]
    if not vanishing:
        raise BranchError(
            "eliminate_to_polynomials",
            "no factor vanishes at the solution of the fixed point",
            f"the {len(factors)} factors were evaluated at {len(points)} random points",
            "check the system with dyson.solve_numerically",
        )
    return cast(sp.Expr, min(vanishing, key=sp.count_ops))


def _relative(polynomial: sp.Expr, point: Point) -> float:
    terms = [complex(numeric_value(t, point)) for t in sp.Add.make_args(sp.expand(polynomial))]
    return abs(sum(terms)) / max(1e-300, *(abs(t) for t in terms))


def _eliminate_one(polynomials: list[sp.Expr], unknowns: list[sp.Symbol], points: list[Point]):
    """Eliminate the unknown whose removal is cheapest; return it, its value, and what is left."""
    costs = []
    for k, polynomial in enumerate(polynomials):
        for unknown in unknowns:
            if polynomial.has(unknown):
                elsewhere = sum(_degree(p, unknown) for j, p in enumerate(polynomials) if j != k)
                nonlinear = _degree(polynomial, unknown) != 1
                costs.append((nonlinear, sp.count_ops(polynomial) * (1 + elsewhere), str(unknown)))
    chosen = min(costs)[2]
    (unknown,) = [u for u in unknowns if str(u) == chosen]
    # each equation that is linear in it gives an equivalent system: keep the shortest
    holders = [p for p in polynomials if p.has(unknown)]
    linear = [p for p in holders if _degree(p, unknown) == 1]
    ways = []
    for pivot in linear or [min(holders, key=lambda p: (_degree(p, unknown), sp.count_ops(p)))]:
        left = [_reduced(p, pivot, unknown, points) for p in polynomials if p is not pivot]
        left = [p for p in left if p != 0]
        ways.append((sum(map(sp.count_ops, left)), len(ways), pivot, left))
    _, _, pivot, left = min(ways, key=lambda w: w[:2])
    value = None
    if linear:
        poly = sp.Poly(pivot, unknown)
        value = sp.cancel(-poly.nth(0) / poly.nth(1))
    return unknown, value, left


def _reduced(
    polynomial: sp.Expr, pivot: sp.Expr, unknown: sp.Symbol, points: list[Point]
) -> sp.Expr:
    if not polynomial.has(unknown):
        return polynomial
    eliminated = cast(sp.Expr, sp.expand(sp.resultant(polynomial, pivot, unknown)))
    return eliminated if eliminated == 0 else _select(eliminated, points)


def _degree(polynomial: sp.Expr, unknown: sp.Symbol) -> int:
    return int(sp.Poly(polynomial, unknown).degree())


def _oriented(polynomial: sp.Expr) -> sp.Expr:
    expanded = sp.expand(polynomial)
    return -expanded if sp.Poly(expanded).LC().could_extract_minus_sign() else expanded
