"""Zero tests that are proofs: radicals and resolvent traces as elements with their polynomials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from derive.spectral_trace import SpectralTrace, Spectrum, masked, partial_fractions
from numerics.functions import ResolventTrace, textbook

# Above this many operations exact algebra is not attempted: balls alone decide.
ALGEBRA_LIMIT = 4000


def exactly_zero(expression: Any, spectra: Mapping[Spectrum, Any] | None = None) -> bool:
    """Tell whether exact algebra reduces an expression to zero (False may mean undecided).

    Parameters
    ----------
    expression : Expr
        Rational in its symbols, in square roots, in resolvent traces M and in spectral traces.
    spectra : mapping of Spectrum to Expr, optional
        Mean of each spectrum.

    Returns
    -------
    bool
        True only if the expression vanishes identically.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> exactly_zero(sp.sqrt(x + 1) * sp.sqrt(x + 1) - x - 1)
    True
    >>> k = sp.Symbol("k", positive=True)
    >>> M = ResolventTrace(k, x)
    >>> exactly_zero(1 / M - x - 1 / (1 + M / k))
    True
    """
    if expression == 0:
        return True
    if sp.count_ops(expression) > ALGEBRA_LIMIT:
        return False
    if expression.has(SpectralTrace):
        expression = partial_fractions(expression)
        for spectrum, mean in (spectra or {}).items():
            if mean is not None:
                expression = expression.subs(spectrum.trace(spectrum.eigenvalue), mean)
        expression, _ = masked(expression)
    if expression.has(ResolventTrace) and any(
        not p.exp.is_Integer for p in expression.atoms(sp.Pow)
    ):
        expression = textbook(expression)
    relations: list[tuple[sp.Symbol, Any]] = []
    expression = _algebraic(expression, relations)
    if expression.atoms(sp.Function, sp.Piecewise, sp.Max, sp.Min, sp.Abs):
        return False
    numerator, denominator = sp.fraction(sp.together(expression))
    # 0/0 is no zero: the quotient must be defined before its numerator can decide.
    return _remainder(numerator, relations) == 0 and _remainder(denominator, relations) != 0


def _remainder(polynomial: Any, relations: list[tuple[sp.Symbol, Any]]) -> Any:
    """Reduce by the relations, innermost last; NaN where it is no polynomial in an element."""
    for symbol, relation in reversed(relations):
        polynomial = sp.expand(polynomial)
        if not polynomial.is_polynomial(symbol):
            return sp.nan
        degree: Any = sp.degree
        if degree(polynomial, symbol) < degree(relation, symbol):
            continue  # prem fails on zero and on lower degrees
        polynomial = sp.numer(sp.together(sp.prem(polynomial, relation, symbol)))
    return sp.expand(polynomial)


def _algebraic(expression: Any, relations: list[tuple[sp.Symbol, Any]]) -> Any:
    """Replace radicals and resolvent traces by symbols with their polynomial relations."""
    known: dict[Any, sp.Symbol] = {}

    def visit(e: Any) -> Any:
        if not e.args or isinstance(e, sp.Rational):
            return e
        args = [visit(a) for a in e.args]
        if isinstance(e, sp.Pow) and isinstance(e.exp, sp.Rational) and not e.exp.is_Integer:
            outside, inside = _square_free(args[0]) if e.exp.q == 2 else (sp.S.One, args[0])
            key = ("root", inside, e.exp.q)
            if key not in known:
                symbol = sp.Dummy("r", positive=True)
                known[key] = symbol
                p, q = sp.fraction(sp.together(inside))
                relations.append((symbol, q * symbol**e.exp.q - p))
            return outside**e.exp.p * known[key] ** e.exp.p
        if isinstance(e, ResolventTrace):
            key = ("trace", *args)
            if key not in known:
                symbol = sp.Dummy("m", positive=True)
                known[key] = symbol
                kappa, u = args
                relation = u * symbol**2 + (kappa * u + kappa - 1) * symbol - kappa
                relations.append((symbol, sp.numer(sp.together(relation))))
            return known[key]
        return e.func(*args) if tuple(args) != e.args else e

    return visit(expression)


def _square_free(radicand: Any) -> tuple[Any, Any]:
    """Return a and b with sqrt(radicand) = a sqrt(b), a positive and b free of square factors."""
    above, below = sp.fraction(sp.together(radicand))
    if not below.is_positive:
        return sp.S.One, radicand
    split: Any = sp.factor_list(above * below)
    coefficient, factors = split
    outside, inside = sp.S.One, coefficient
    for factor, power in factors:
        if factor.is_positive:
            outside *= factor ** (power // 2)
            inside *= factor ** (power % 2)
        else:
            inside *= factor**power
    return outside / below, sp.expand(inside)
