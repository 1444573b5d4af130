"""``derive list``: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from derivations.shell.terminal import say


def catalogue(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As a Markdown table, for the README.")
    ] = False,
) -> None:
    """List all derivations: id, statement, paper, equation, verdict of the last run."""
    import derivations

    table = derivations.catalog()
    say(markdown_table(table.rows()) if markdown else repr(table))


def markdown_table(rows: list[tuple[str, str, str, str, str]]) -> str:
    """Return the catalogue as Markdown.

    Parameters
    ----------
    rows : list of tuple of str
        Id, statement, paper, equation, verdict.

    Returns
    -------
    str
        A table; a bar inside a cell is escaped.

    Examples
    --------
    >>> print(markdown_table([("a.b", "One is one.", "Peano", "1", "proved")]))
    | id | statement | paper | equation | verdict |
    | --- | --- | --- | --- | --- |
    | `a.b` | One is one. | Peano | 1 | proved |
    """
    head = ("id", "statement", "paper", "equation", "verdict")
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for id, *cells in rows:
        shown = [f"`{id}`", *(c.replace("|", "\\|") for c in cells)]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)
