"""What commands share: results go to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from numerics.progress import progress

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.formula import Formula


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print something about the run that is not a result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def find(id: str) -> Derivation:
    """Return a derivation by the id that was typed."""
    import derivations

    return derivations.get(id)


def chosen_result(derivation: Derivation, name: str | None) -> tuple[str, Formula]:
    """Return the result that was asked for with its name, the main one if none was."""
    if name is None:
        main = derivation.result  # raises where there is none
        return list(derivation.results)[-1], main
    return name, derivation.results[name]


def meanings(formula: Formula) -> dict[str, str]:
    """Return what each argument means, read from the conditions of the program alone."""
    found: dict[str, str] = {}
    for constraint in formula.program.constraints:
        if len(constraint.arguments) == 1:
            (argument,) = constraint.arguments
            meaning = constraint.reason.removeprefix(f"{argument} is ")
            found.setdefault(argument, meaning)
    return found


__all__ = ["chosen_result", "find", "meanings", "note", "progress", "say"]
