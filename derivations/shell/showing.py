"""``derive show ID``: one derivation, its steps and its results."""

from __future__ import annotations

from typing import Annotated

import typer

from derivations.shell.terminal import find, say


def show(id: Annotated[str, typer.Argument(help="As listed by `derive list`.")]) -> None:
    """Show one derivation: statement, numbered steps with verdicts and reasons, results."""
    derivation = find(id)
    steps = derivation.table()  # runs it, so that the line above the steps has its verdict
    say(repr(derivation))
    say("")
    say(steps)
    for name in derivation.results:
        say("")
        say(repr(derivation.outcome.results[name]))
