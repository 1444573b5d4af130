"""One step of a derivation: what was done, to what, why, and how much it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from derive.domain import Domain
from derive.index_tensor import Tensor
from derive.verdict import Evidence, Verdict


@dataclass(frozen=True)
class Step:
    """A line of a derivation.

    Parameters
    ----------
    kind : str
        ``definition``, ``assumption``, ``derived`` (the engine computed ``after``), ``asserted``
        (a person typed ``after`` and it was checked), ``branch`` (a root was chosen), ``cited``
        (the result of another derivation), ``result`` (a formula handed over, tied to the lines
        it has the value of).
    rule : str
        Name of the operation: average, differentiate, eliminate, expand, limit, rewrite, ...
    before, after : Expr, Eq or None
        The statement the rule was applied to, and the one it gave.
    reason : str
        One sentence.
    evidence : Evidence
        Verdict and how it was reached.
    citing : str
        Source of an assumption.
    name : str
        Left-hand side in LaTeX, where the step defines a quantity.
    again : callable, optional
        Judges another right-hand side.
    given : tuple of (Expr, Expr)
        Substituted, in order, before the check looked.
    domain : Domain or None
        Where the check looked.
    twins : tuple
        Wrong versions besides those of the right-hand side.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> Step("asserted", "rewrite", x + x, 2 * x, "collect", Evidence(Verdict.PROVED, "algebra"))
    [PROVED] rewrite: 2*x  (collect)
    """

    kind: str
    rule: str
    before: Any
    after: Any
    reason: str
    evidence: Evidence
    citing: str = ""
    name: str = ""
    again: Callable[[Any], Evidence] | None = field(default=None, repr=False, compare=False)
    given: tuple[tuple[Any, Any], ...] = ()
    domain: Domain | None = field(default=None, repr=False)
    twins: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """How much the step is worth."""
        return self.evidence.verdict

    def recheck(self, after: Any = None) -> Evidence:
        """Run the check of this step again, on another right-hand side if one is given.

        Parameters
        ----------
        after : Expr, optional
            A right-hand side to judge instead of the asserted one, e.g. a mutant.

        Returns
        -------
        Evidence
            Steps without a check of their own return the evidence they have.
        """
        if self.again is None:
            return self.evidence
        return self.again(self.after if after is None else after)

    def mutants(self) -> tuple[Any, ...]:
        """Return wrong versions of what a person typed or chose: each must be refuted.

        Returns
        -------
        tuple of Expr
            An asserted side with one coefficient, sign or power changed; the opposite of a sign;
            the roots that were not chosen. Empty for steps nobody asserted.
        """
        if self.again is None:
            return ()
        if self.kind == "sign":
            return (-self.before,)
        if self.kind == "branch":
            return tuple(c for c in self.before or () if c != self.after.rhs)
        if self.kind not in ("asserted", "result"):
            return ()
        if isinstance(self.after, Tensor):
            scale = sp.Rational(8, 7)
            parts = [Tensor((term,), self.after.free) for term in self.after.terms]
            return (self.after * scale, -self.after, *(self.after + p / 7 for p in parts))
        target = self.after.rhs if isinstance(self.after, sp.Equality) else self.after
        return (*mutations(sp.sympify(target, strict=True)), *self.twins)

    def latex(self) -> str:
        """Return the step as LaTeX."""
        from derive.latex import step_latex

        return step_latex(self)

    def __repr__(self) -> str:
        return f"[{self.verdict.name}] {self.rule}: {self.after}  ({self.reason})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def mutations(expression: Any) -> list[Any]:
    """Return versions with one coefficient, one sign or one power changed.

    Parameters
    ----------
    expression : Expr
        What is right.

    Returns
    -------
    list of Expr
        All different from it.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> mutations(x)
    [8*x/7, -x]
    """
    scale = sp.Rational(8, 7)
    found: list[Any] = [expression * scale, sp.S.One if expression.is_zero else -expression]
    terms = sp.Add.make_args(expression)
    if len(terms) > 1:
        for term in terms:
            found.append(expression + term / 7)
            found.append(expression - term)
    powers = sorted(
        (p for p in expression.atoms(sp.Pow) if p.exp.is_Rational), key=sp.default_sort_key
    )
    for power in powers[:6]:
        shifted = sp.Pow(power.base, power.exp + 1)
        found.append(expression.xreplace({power: shifted}))
    symbols = sorted(expression.free_symbols, key=sp.default_sort_key)
    for symbol in symbols[:6]:
        found.append(expression.xreplace({symbol: symbol * scale}))
    unique: list[Any] = []
    for candidate in found:
        if candidate != expression and candidate not in unique:
            unique.append(candidate)
    return unique
