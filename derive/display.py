"""How objects look in a terminal and in a notebook: text tables, and HTML that is escaped."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.formula import Formula
    from derive.step import Step

WIDTH = 100
LONGEST = 6  # lines of one equation


class Catalog(Sequence["Derivation"]):
    """All derivations as a table that prints itself.

    Parameters
    ----------
    derivations : sequence of Derivation
        In order of their ids.
    """

    def __init__(self, derivations: Sequence[Derivation]):
        self._derivations = tuple(derivations)

    def __getitem__(self, index):
        """Return one derivation, or a shorter catalogue."""
        found = self._derivations[index]
        return Catalog(found) if isinstance(index, slice) else found

    def __len__(self) -> int:
        return len(self._derivations)

    def __iter__(self) -> Iterator[Derivation]:
        return iter(self._derivations)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return id, statement, paper, equation and verdict of every derivation."""
        return [
            (d.id, d.statement, d.card.reference, d.card.equation, verdict_word(d))
            for d in self._derivations
        ]

    def __repr__(self) -> str:
        head = ("id", "verdict", "statement", "paper, equation")
        rows = [(i, v, s, f"{p}, {e}" if e else p) for i, s, p, e, v in self.rows()]
        return text_table(head, rows, (36, 14, 60, 40))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{h}</th>" for h in ("id", "statement", "paper", "equation", "verdict"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def verdict_word(derivation: Derivation) -> str:
    """Return the verdict of the last run on these sources, or that there was none.

    Parameters
    ----------
    derivation : Derivation
        Not run by this.

    Returns
    -------
    str
        Lower case.
    """
    status = derivation.known_status
    return "not run yet" if status is None else status.name.lower()


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], widest: Sequence[int]) -> str:
    """Return a plain table; long cells are wrapped.

    Parameters
    ----------
    head : sequence of str
        Column titles.
    rows : sequence of sequence of str
        Cells.
    widest : sequence of int
        Largest width of each column.

    Returns
    -------
    str
        Lines of text.

    Examples
    --------
    >>> print(text_table(("a", "b"), [("one", "two words")], (5, 5)))
    a    b
    ---  -----
    one  two
         words
    """
    columns = len(head)
    widths = [
        min(widest[i], max([len(head[i]), *(len(r[i]) for r in rows)])) for i in range(columns)
    ]
    lines = ["  ".join(h.ljust(w) for h, w in zip(head, widths, strict=True)).rstrip()]
    lines.append("  ".join("-" * w for w in widths))
    for row in rows:
        cells = [textwrap.wrap(c, w) or [""] for c, w in zip(row, widths, strict=True)]
        for k in range(max(len(c) for c in cells)):
            line = "  ".join(
                (c[k] if k < len(c) else "").ljust(w) for c, w in zip(cells, widths, strict=True)
            )
            lines.append(line.rstrip())
    return "\n".join(lines)


def steps_text(derivation: Derivation) -> str:
    """Return the steps of a derivation as readable text.

    Parameters
    ----------
    derivation : Derivation
        Its steps are run.

    Returns
    -------
    str
        Number, verdict, rule and reason of every step, and below it what it says: ``= ...`` for
        what was typed and checked, ``-> ...`` for what the engine computed.
    """
    lines: list[str] = []
    previous = None
    for i, step in enumerate(derivation.steps, 1):
        head = f"{i:3}  {step.verdict.name.lower():<9}  {step.rule}: {step.reason}"
        lines += textwrap.wrap(head, WIDTH, subsequent_indent=" " * 16)
        if step.kind != "cited":
            said = textwrap.wrap(_said(step, previous), WIDTH - 16, break_long_words=False)
            if len(said) > LONGEST:
                said = [*said[: LONGEST - 1], f"... ({len(said)} lines; steps[{i - 1}].after)"]
            lines += [" " * 16 + line for line in said]
        previous = step.after
    if derivation.inherited:
        lines.append("assumed by what is cited:")
    for id, step in derivation.inherited:
        said = step.after if isinstance(step.after, str) else step.reason
        lines += textwrap.wrap(
            f"{id}: {said}", WIDTH, initial_indent="     ", subsequent_indent=" " * 16
        )
    return "\n".join(lines)


def _said(step: Step, previous: Any) -> str:
    after, before = step.after, step.before
    if isinstance(after, str):
        return after
    if getattr(after, "is_Equality", False):
        return f"{after.lhs} = {after.rhs}"
    said = ", ".join(map(str, after)) if isinstance(after, tuple | list) else str(after)
    if step.kind not in ("derived", "asserted"):
        return said
    left = "" if before is None or before == previous else f"{before} "
    if len(left) > WIDTH:
        left = "... "
    return f"{left}{'->' if step.kind == 'derived' else '='} {said}"


def formula_text(formula: Formula) -> str:
    """Return a formula as readable text: result, definitions, domain, limit.

    Parameters
    ----------
    formula : Formula
        What to print.

    Returns
    -------
    str
        Several lines.
    """
    from numerics.lower import Let

    body = formula.body
    lines = [f"{formula.name}({', '.join(map(str, body.symbols))}) = {body.expr}"]
    for definition in body.where:
        if isinstance(definition, Let):
            lines.append(f"    {definition.symbol} = {definition.expression}")
        else:
            unknowns = ", ".join(map(str, definition.unknowns))
            equations = "; ".join(f"{definition.expanded(r)} = 0" for r in definition.residuals)
            lines.append(f"    {unknowns} solves {equations}, branch {definition.branch}")
    conditions = ", ".join(c.text for c in body.domain.conditions())
    if conditions:
        lines.append(f"  domain: {conditions}")
    if body.limit:
        lines.append(f"  limit: {body.limit}")
    return "\n".join(
        textwrap.fill(line, WIDTH, subsequent_indent="        ", break_long_words=False)
        for line in lines
    )


def derivation_text(derivation: Derivation) -> str:
    """Return a derivation as readable text without running it.

    Parameters
    ----------
    derivation : Derivation
        What to print.

    Returns
    -------
    str
        Statement, reference, limit, verdict.
    """
    return "\n".join(
        [
            f"{derivation.id}  [{verdict_word(derivation)}]",
            textwrap.fill(derivation.statement, WIDTH, initial_indent="  ", subsequent_indent="  "),
            f"  {derivation.reference}",
            f"  limit: {derivation.limit}",
        ]
    )


def derivation_html(derivation: Derivation) -> str:
    """Return a derivation for a notebook: statement, and each step with its mathematics.

    Parameters
    ----------
    derivation : Derivation
        Its steps are run.

    Returns
    -------
    str
        Escaped HTML; mathematics in dollar signs.
    """
    from derive.latex import step_latex

    names = {n: shown for n, (shown, _) in derivation.outcome.notation.items()}
    rows = []
    for i, step in enumerate(derivation.steps, 1):
        if isinstance(step.after, str):
            line = html.escape(step.after)
        else:
            line = "$\\displaystyle " + html.escape(step_latex(step, names)) + "$"
        rows.append(
            f"<tr><td>{i}</td><td>{html.escape(step.rule)}</td>"
            f"<td>{step.verdict.name.lower()}</td><td>{html.escape(step.reason)}<br>{line}</td></tr>"
        )
    return (
        f"<h4>{html.escape(derivation.id)}</h4><p>{html.escape(derivation.statement)}<br>"
        f"{html.escape(derivation.reference)}. Limit: {html.escape(derivation.limit)}. "
        f"Verdict: {derivation.status.name.lower()}.</p><table>{''.join(rows)}</table>"
    )
