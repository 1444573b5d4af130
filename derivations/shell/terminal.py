"""What commands share: results go to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.formula import Formula

Advance = Callable[[int], None]


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print something about the run that is not a result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show a progress bar on standard error while the block runs.

    Parameters
    ----------
    title : str
        What is being done.
    total : int
        Number of units of work.

    Yields
    ------
    callable
        ``advance(units)``.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # a log file gets no control characters
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda units: bar.update(task, advance=units)


def find(id: str) -> Derivation:
    """Return a derivation by the id that was typed."""
    import derivations

    return derivations.get(id)


def chosen_result(derivation: Derivation, name: str | None) -> Formula:
    """Return the result that was asked for, the main one if none was."""
    return derivation.result if name is None else derivation.results[name]


def meanings(formula: Formula) -> dict[str, str]:
    """Return what each argument means, read from the conditions of the program alone."""
    found: dict[str, str] = {}
    for constraint in formula.program.constraints:
        if len(constraint.arguments) == 1:
            (argument,) = constraint.arguments
            meaning = constraint.reason.removeprefix(f"{argument} is ")
            found.setdefault(argument, meaning)
    return found
