"""Formulas with some arguments fixed exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from derive.domain import Domain
from derive.errors import DomainError
from derive.fixed_point import FixedPoint
from derive.formula import Formula
from derive.spectral_trace import exact
from numerics.lower import Condition, Let


def specialized(formula: Formula, values: Mapping[str, Any]) -> Formula:
    """Return a formula of the remaining arguments.

    Parameters
    ----------
    formula : Formula
        Of all arguments.
    values : mapping of str to int, str or Fraction
        Exact values of some; ``"inf"`` where the domain includes it.

    Returns
    -------
    Formula
        With the values inserted in every definition.

    Raises
    ------
    DomainError
        If a value lies outside the domain.
    """
    body = formula.body
    by_name = {str(s): s for s in body.symbols}
    fixed = {
        by_name[n]: sp.oo if str(v) in ("inf", "oo") else exact(v, f"{formula.name}.specialize")
        for n, v in values.items()
    }
    for quantity in body.domain.quantities:
        if quantity.symbol in fixed:
            _require_inside(formula.name, quantity.conditions(), fixed)
    joint = tuple(Condition(c.text, c.relation.subs(fixed), c.reason) for c in body.domain.joint)
    for condition in joint:
        if condition.relation is sp.false:
            _require_inside(formula.name, (condition,), fixed)
    domain = Domain(
        tuple(q for q in body.domain.quantities if q.symbol not in fixed),
        tuple(c for c in joint if c.relation is not sp.true),
    )
    where = tuple(
        Let(w.symbol, w.expression.subs(fixed)) if isinstance(w, Let) else _fixed(w, fixed)
        for w in body.where
    )
    rest = ", ".join(f"{n}={v}" for n, v in values.items())
    return Formula.define(
        f"{formula.name}[{rest}]",
        tuple(s for s in body.symbols if s not in fixed),
        sp.sympify(body.expr, strict=True).subs(fixed),
        where=where,
        domain=domain,
        limit=body.limit,
        latex=body.latex,
        symbol=body.symbol,
    )


def _fixed(point: FixedPoint, values: Mapping[sp.Symbol, Any]) -> FixedPoint:
    return point.subs(values)


def _require_inside(
    name: str, conditions: tuple[Condition, ...], fixed: Mapping[sp.Symbol, Any]
) -> None:
    for condition in conditions:
        if condition.relation.subs(fixed) is sp.false or condition.relation is sp.false:
            shown = ", ".join(f"{s}={v}" for s, v in fixed.items())
            raise DomainError(
                f"{name}.specialize({shown})",
                f"{shown} violates {condition.text}",
                condition.reason or "the formula was derived under this condition",
                f"{name}.specialize(...) with {condition.text}",
            )
