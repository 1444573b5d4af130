"""What the body of a derivation writes to: each call is one step, checked as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from derive import checks
from derive.derivation import Outcome
from derive.domain import Domain, Notation
from derive.errors import ConditionError, RefutedError
from derive.fixed_point import Branch, FixedPoint
from derive.formula import Formula
from derive.provenance import Recipe, result_step
from derive.spectral_trace import Spectrum
from derive.step import Step
from derive.typed_line import is_typed
from derive.verdict import Evidence, Verdict
from numerics.lower import Let


class Draft:
    """The page a derivation is written on.

    Parameters
    ----------
    id : str
        Of the derivation, for messages.

    Examples
    --------
    >>> letters = Notation()
    >>> x = letters.quantity("x", "a number", lower=0)
    >>> d = Draft("example.square")
    >>> d.over(letters, "x")
    >>> square = d.derive("expand", (1 + x) ** 2, sp.expand, "multiply out")
    >>> d.rewrite(square, 1 + x * (2 + x), "Horner form")
    x*(x + 2) + 1
    >>> [s.verdict.name for s in d.steps]
    ['PROVED', 'PROVED']
    """

    def __init__(self, id: str):
        self.id = id
        self.steps: list[Step] = []
        self.results: dict[str, Formula] = {}
        self.domain = Domain(())
        self.given: dict[Any, Any] = {}
        self.spectra: dict[Spectrum, Any] = {}
        self.notation: dict[str, tuple[str, str]] = {}
        self.cites: list[str] = []
        self.cited: list[tuple[int, Formula]] = []

    def over(self, notation: Notation, *names: str, conditions: Sequence[Any] = ()) -> None:
        """Set the letters and the domain that the following checks range over.

        Parameters
        ----------
        notation : Notation
            The letters of the paper; all of them may be printed.
        *names : str
            The letters that vary in numeric checks.
        conditions : sequence of Condition
            Joint conditions.
        """
        self.domain = notation.domain(*names, conditions=conditions)
        self.letters(notation)

    def letters(self, notation: Notation) -> None:
        """Make the meanings of more letters known to the page."""
        self.notation.update({n: (q.latex, q.meaning) for n, q in notation.items()})

    def parametrise(self, given: Mapping[Any, Any], spectra: Mapping | None = None) -> None:
        """Say what the following checks substitute, in order, before they look.

        Parameters
        ----------
        given : mapping
            Symbol to expression, e.g. the rational parametrisation of a fixed point.
        spectra : mapping of Spectrum to Expr, optional
            Means of the spectra under traces.
        """
        self.given = dict(given)
        self.spectra = dict(spectra or {})

    def define(self, name: Any, expression: Any, reason: str) -> Any:
        """Name an expression; return the name.

        Parameters
        ----------
        name : Symbol
            The new letter.
        expression : Expr
            What it stands for.
        reason : str
            One sentence.
        """
        self._add("definition", "define", None, sp.Eq(name, expression, evaluate=False), reason)
        return name

    def assume(self, statement: Any, reason: str, *, citing: str) -> Any:
        """Take a theorem or an ansatz for granted, in the open; return the statement.

        Parameters
        ----------
        statement : Expr, Eq or str
            What is assumed.
        reason : str
            One sentence: why it is believed.
        citing : str
            The source.
        """
        if not citing:
            raise ConditionError(
                f"{self.id}: assume(...)",
                "no source is cited",
                "an assumption nobody stated is an error nobody sees",
                "assume(statement, reason, citing='Author year, theorem')",
            )
        evidence = Evidence(Verdict.ASSUMED, "assumed", note=citing)
        self.steps.append(
            Step("assumption", "assume", None, statement, reason, evidence, citing=citing)
        )
        return statement

    def derive(self, rule: str, before: Any, operation: Callable[[Any], Any], reason: str) -> Any:
        """Let the engine compute the next line; return it.

        Parameters
        ----------
        rule : str
            Name of the operation: average, differentiate, eliminate, solve, limit, ...
        before : Expr
            What it is applied to.
        operation : callable
            The engine's operation.
        reason : str
            One sentence.

        Notes
        -----
        A line that the operation returns without the line before and without the engine is one
        that a person typed: it is ASSUMED, and says so. Such a line belongs to :meth:`rewrite`.
        """
        after = operation(before)
        typed = is_typed(operation, after)
        method = f"typed in the operation: {rule}" if typed else f"computed by the engine: {rule}"
        worth = Verdict.ASSUMED if typed else Verdict.PROVED

        def again(expected: Any) -> Evidence:
            return Evidence(worth if operation(before) == expected else Verdict.REFUTED, method)

        evidence = Evidence(worth, method)
        self.steps.append(Step("derived", rule, before, after, reason, evidence, again=again))
        return after

    def rewrite(
        self,
        before: Any,
        after: Any,
        reason: str,
        *,
        given: Mapping[Any, Any] | None = None,
        domain: Domain | None = None,
        rule: str = "rewrite",
    ) -> Any:
        """Assert that the last line can be written in another way; check it; return the new form.

        Parameters
        ----------
        before : Expr
            A line of the derivation.
        after : Expr
            The same, as a person typed it.
        reason : str
            One sentence.
        given : mapping, optional
            Instead of the substitutions of :meth:`parametrise`.
        domain : Domain, optional
            Instead of the domain of :meth:`over`.
        rule : str
            Name of the step.

        Raises
        ------
        RefutedError
            If the two differ, with the exact point.
        """
        space = self.domain if domain is None else domain
        how: dict[str, Any] = {
            "given": self.given if given is None else given,
            "spectra": self.spectra,
        }

        def again(candidate: Any) -> Evidence:
            return checks.equal(before, candidate, space, **how)

        evidence = checks.require_equal(before, after, space, f"{self.id}: {reason}", **how)
        self.steps.append(
            Step(
                "asserted",
                rule,
                before,
                after,
                reason,
                evidence,
                again=again,
                given=tuple((how["given"] or {}).items()),
                domain=space,
            )
        )
        return after

    def positive(
        self,
        expression: Any,
        reason: str,
        *,
        given: Mapping[Any, Any] | None = None,
        domain: Domain | None = None,
    ) -> Any:
        """Assert that an expression is positive on the domain; check it; return it.

        Parameters
        ----------
        expression : Expr
            The expression.
        reason : str
            One sentence.
        given, domain
            As for :meth:`rewrite`.

        Raises
        ------
        RefutedError
            With a point where it is not positive.
        """
        space = self.domain if domain is None else domain
        inserted = self.given if given is None else given

        def again(candidate: Any) -> Evidence:
            value = candidate.lhs if isinstance(candidate, sp.StrictGreaterThan) else candidate
            return checks.positive(value, space, inserted)

        evidence = again(expression)
        if evidence.verdict is Verdict.REFUTED:
            at = ", ".join(f"{n} = {v}" for n, v in evidence.point)
            raise RefutedError(
                f"{self.id}: {reason}",
                f"{expression} is not positive at {at}",
                evidence.note,
                "state the condition under which it is positive",
            )
        statement = sp.StrictGreaterThan(expression, 0, evaluate=False)
        self.steps.append(
            Step("sign", "sign", expression, statement, reason, evidence, again=again)
        )
        return expression

    def branch(
        self, candidates: Sequence[Any], unknown: sp.Symbol, branch: Branch, reason: str
    ) -> Any:
        """Choose one root by its branch condition; return it.

        Parameters
        ----------
        candidates : sequence of Expr
            All roots.
        unknown : Symbol
            What they solve for.
        branch : Branch
            What tells them apart.
        reason : str
            One sentence.

        Raises
        ------
        BranchError
            If the condition leaves none or several.
        """
        domain = self.domain
        root = branch.select(candidates, unknown, domain)

        def again(candidate: Any) -> Evidence:
            chosen = candidate.rhs if isinstance(candidate, sp.Equality) else candidate
            good = branch.accepts(chosen, unknown, domain)
            # The condition is tried at sample points: more than an opinion, less than a proof.
            return Evidence(
                Verdict.SUPPORTED if good else Verdict.REFUTED,
                f"branch condition: {branch}",
                note=f"one of {len(candidates)} roots",
            )

        evidence = again(root)
        line = sp.Eq(unknown, root, evaluate=False)
        self.steps.append(
            Step(
                "branch", "choose the root", tuple(candidates), line, reason, evidence, again=again
            )
        )
        return root

    def fixed_point(self, point: FixedPoint, reason: str, evidence: Evidence) -> FixedPoint:
        """Record an implicitly defined quantity with the evidence that its root is unique.

        Parameters
        ----------
        point : FixedPoint
            Equations, branch and iteration.
        reason : str
            One sentence.
        evidence : Evidence
            Why there is exactly one root on the branch, e.g. a sign that was checked.
        """
        statement = sp.Eq(point.expanded(point.residuals[0]), 0, evaluate=False)
        self.steps.append(Step("branch", "implicit root", None, statement, reason, evidence))
        return point

    def use(self, id: str, name: str | None = None) -> Formula:
        """Cite the result of another derivation; its verdict counts here.

        Parameters
        ----------
        id : str
            The other derivation.
        name : str, optional
            One of its results; by default the main one.

        Returns
        -------
        Formula
            The cited result.
        """
        from derive.registry import lookup

        other = lookup(id)
        results = other.outcome.results
        formula = results[name] if name is not None else list(results.values())[-1]
        body = formula.body
        evidence = Evidence(other.status, f"result of {id}")
        statement = sp.Eq(sp.Symbol(body.symbol), body.expr, evaluate=False)
        self.steps.append(
            Step("cited", f"use {id}", None, statement, other.statement, evidence, citing=id)
        )
        self.cites.append(id)
        self.cited += [(len(self.steps), f) for f in _results_behind(id)]
        self.notation.update(
            {n: m for n, m in other.outcome.notation.items() if n not in self.notation}
        )
        return formula

    def result(
        self,
        name: str,
        expression: Any,
        symbols: Sequence[sp.Symbol],
        *,
        where: Sequence[Let | FixedPoint] = (),
        domain: Domain,
        limit: str,
        symbol: str,
    ) -> Formula:
        """Hand over a formula, tied to the lines it has the value of; the last is the main result.

        Parameters
        ----------
        name : str
            Name of the result within the derivation.
        expression : Expr
            Over the arguments and the definitions.
        symbols : sequence of Symbol
            Arguments in order.
        where : sequence of Let or FixedPoint
            Definitions in order.
        domain : Domain
            Where it holds.
        limit : str
            The limit it was taken in.
        symbol : str
            LaTeX of the left-hand side.
        """
        latex = {n: shown for n, (shown, _) in self.notation.items()}
        formula = Formula.define(
            f"{self.id}:{name}",
            symbols,
            expression,
            where=where,
            domain=domain,
            limit=limit,
            latex=latex,
            symbol=symbol,
        )
        recipe = Recipe(sp.sympify(expression, strict=True), tuple(symbols), tuple(where), domain)
        self.steps.append(result_step(self.id, name, symbol, recipe, self.steps, self.cited))
        self.results[name] = formula
        return formula

    def outcome(self) -> Outcome:
        """Return what was written."""
        return Outcome(
            tuple(self.steps), dict(self.results), dict(self.notation), tuple(self.cites)
        )

    def _add(self, kind: str, rule: str, before: Any, after: Any, reason: str) -> None:
        evidence = Evidence(Verdict.PROVED, kind)
        self.steps.append(Step(kind, rule, before, after, reason, evidence))


def _results_behind(id: str) -> list[Formula]:
    """Return the results of a derivation and of all it cites, nearest first."""
    from derive.registry import lookup

    outcome = lookup(id).outcome
    return [*outcome.results.values(), *(f for i in outcome.cites for f in _results_behind(i))]
