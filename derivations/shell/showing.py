"""``derive show ID``: one derivation, its steps and its results."""

from __future__ import annotations

from typing import Annotated

import typer

from derivations.shell.terminal import find, say


def show(id: Annotated[str, typer.Argument(help="As listed by `derive list`.")]) -> None:
    """Show one derivation: statement, numbered steps with verdicts and reasons, results."""
    derivation = find(id)
    say(repr(derivation))
    say("")
    say(derivation.table())
    for name in derivation.results:
        say("")
        say(repr(derivation.outcome.results[name]))
