"""Quantities defined by an equation: the equation, the branch that picks its root, the iteration.

A residual check cannot see a wrong root, so every root has a :class:`Branch`: a limit in which the
right root is known, and a region in which it must lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from derive.domain import Domain
from derive.errors import BranchError, ConditionError
from numerics.functions import textbook
from numerics.lower import Let, Solve


@dataclass(frozen=True)
class Branch:
    """What tells one root from its rivals.

    Parameters
    ----------
    anchor : tuple of (Expr, Symbol, Expr, Expr) or None
        ``(expression, variable, point, value)``: the expression in the unknown tends to ``value``
        as the variable tends to ``point`` on the right branch.
    region : Boolean or None
        A condition on the unknown that holds on the right branch for all parameters.

    Examples
    --------
    >>> m, x = sp.Symbol("m", real=True), sp.Symbol("x", positive=True)
    >>> print(Branch(anchor=(x * m, x, sp.oo, 1), region=m > 0))
    m > 0 and m*x -> 1 as x -> oo
    """

    anchor: tuple[Any, sp.Symbol, Any, Any] | None = None
    region: Any = None

    def __str__(self) -> str:
        words = [] if self.region is None else [str(self.region)]
        if self.anchor is not None:
            expression, variable, point, value = self.anchor
            words.append(f"{expression} -> {value} as {variable} -> {point}")
        return " and ".join(words)

    def select(self, candidates: Sequence[Any], unknown: sp.Symbol, domain: Domain) -> Any:
        """Return the one candidate on the branch.

        Parameters
        ----------
        candidates : sequence of Expr
            Closed-form roots.
        unknown : Symbol
            What they are roots for.
        domain : Domain
            Parameters for which the choice must hold.

        Returns
        -------
        Expr
            The candidate that satisfies the anchor, and the region at every sample point.

        Raises
        ------
        BranchError
            If none or several candidates pass.
        """
        passing = [c for c in candidates if self.accepts(c, unknown, domain)]
        if len(passing) != 1:
            raise BranchError(
                "Branch.select(...)",
                f"{len(passing)} of {len(candidates)} roots for {unknown} satisfy {self}",
                "a root is returned only when the branch condition leaves exactly one",
                "give an anchor limit or a region that separates the roots",
            )
        return passing[0]

    def accepts(self, candidate: Any, unknown: sp.Symbol, domain: Domain) -> bool:
        """Tell whether a closed-form root satisfies the anchor and the region."""
        if self.anchor is not None:
            expression, variable, point, value = self.anchor
            plain = sp.Symbol(variable.name, positive=True)
            along = textbook(expression).subs(unknown, candidate).subs(variable, plain)
            for corner in domain.sample(3, seed=7):
                fixed = {s: v for s, v in corner.items() if s != variable}
                if sp.limit(along.subs(fixed), plain, point) != sp.sympify(value):
                    return False
        if self.region is not None:
            for corner in domain.sample(24, seed=11):
                inside = self.region.subs(unknown, candidate).subs(corner)
                if inside is not sp.true and not (
                    isinstance(inside, sp.core.relational.Relational) and bool(inside)
                ):
                    return False
        return True


@dataclass(frozen=True)
class FixedPoint:
    r"""Unknowns defined by equations, with the branch and the iteration that reaches it.

    .. math:: F(x;\text{parameters}) = 0,\qquad x \leftarrow x - (\partial F)^{-1} F .

    Parameters
    ----------
    unknowns : tuple of Symbol
        What is solved for.
    residuals : tuple of Expr
        Vanish at the solution; one per unknown.
    branch : Branch
        Which solution.
    start : tuple of Expr
        Starting values of the iteration, free of the unknowns.
    where : tuple of Let
        Abbreviations that depend on the unknowns, in order.
    step : tuple of Expr
        Improved unknowns; empty means Newton's step, from the exact Jacobian.

    Examples
    --------
    >>> x, a = sp.symbols("x a", positive=True)
    >>> FixedPoint((x,), (x**2 - a,), Branch(region=x > 0), (1 + a,)).jacobian()
    Matrix([[2*x]])
    """

    unknowns: tuple[sp.Symbol, ...]
    residuals: tuple[Any, ...]
    branch: Branch
    start: tuple[Any, ...]
    where: tuple[Let, ...] = ()
    step: tuple[Any, ...] = field(default=())

    def __post_init__(self) -> None:
        if not len(self.unknowns) == len(self.residuals) == len(self.start):
            raise ConditionError(
                "FixedPoint(...)",
                f"{len(self.unknowns)} unknowns, {len(self.residuals)} residuals, "
                f"{len(self.start)} starting values",
                "a square system needs as many equations as unknowns",
                "FixedPoint(unknowns=(x,), residuals=(F,), branch=Branch(...), start=(x0,))",
            )

    def expanded(self, expression: Any) -> Any:
        """Return an expression with the abbreviations of this fixed point inserted."""
        for let in reversed(self.where):
            expression = expression.subs(let.symbol, let.expression)
        return expression

    def jacobian(self) -> sp.Matrix:
        """Return the matrix of derivatives of the residuals in the unknowns."""
        rows = [self.expanded(r) for r in self.residuals]
        return sp.Matrix([[sp.diff(r, x) for x in self.unknowns] for r in rows])

    def eliminate(self, keep: sp.Symbol) -> Any:
        """Return the polynomial equation that one unknown satisfies alone.

        Parameters
        ----------
        keep : Symbol
            The unknown to keep.

        Returns
        -------
        Expr
            A polynomial in ``keep`` and the parameters that vanishes at the solution.

        Raises
        ------
        ConditionError
            If ``keep`` is not an unknown, or the residuals are not algebraic.
        """
        if keep not in self.unknowns:
            raise ConditionError(
                f"FixedPoint.eliminate({keep})",
                f"{keep} is not an unknown",
                f"the unknowns are {', '.join(map(str, self.unknowns))}",
                f"eliminate({self.unknowns[0]})",
            )
        polynomials = [sp.numer(sp.together(self.expanded(r))) for r in self.residuals]
        for gone in (x for x in self.unknowns if x != keep):
            pivot = min((p for p in polynomials if p.has(gone)), key=sp.count_ops)
            polynomials.remove(pivot)
            polynomials = [sp.resultant(pivot, p, gone) if p.has(gone) else p for p in polynomials]
        return sp.factor_list(polynomials[0])[1][-1][0] if polynomials else sp.S.Zero

    def solver(self) -> Solve:
        """Return the iteration as the lowering wants it."""
        step = self.step
        if not step:
            rows = sp.Matrix([self.expanded(r) for r in self.residuals])
            jacobian = self.jacobian()
            correction = (
                sp.Matrix([rows[0] / jacobian[0, 0]])
                if len(self.unknowns) == 1
                else jacobian.LUsolve(rows)
            )
            step = tuple(x - c for x, c in zip(self.unknowns, correction, strict=True))
        return Solve(self.unknowns, self.start, self.where, step, self.residuals)

    def subs(self, values: Mapping[sp.Symbol, Any]) -> FixedPoint:
        """Return the fixed point with some parameters fixed."""
        lets = tuple(Let(w.symbol, w.expression.subs(values)) for w in self.where)
        return FixedPoint(
            self.unknowns,
            tuple(sp.sympify(r).subs(values) for r in self.residuals),
            self.branch,
            tuple(sp.sympify(s).subs(values) for s in self.start),
            lets,
            tuple(sp.sympify(s).subs(values) for s in self.step),
        )
