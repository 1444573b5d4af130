"""``derive check [ID...]``: run every step again, and its mutants on request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derivations.shell.terminal import find, note, progress, say

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.step import Step


def check(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Derivations to check; all if none is named.")
    ] = None,
    mutants: Annotated[
        bool,
        typer.Option(
            "--mutants",
            help="Change one coefficient, sign or power of each asserted step at a time; every "
            "such mutant must be refuted.",
        ),
    ] = False,
) -> None:
    """Run every step of derivations again; exit with 1 if one is refuted or inconclusive."""
    import derivations
    from derive.display import text_table
    from derive.errors import DeriveError
    from derive.verdict import Verdict

    chosen = [find(id) for id in ids] if ids else list(derivations.catalog())
    rows, failures = [], []
    with progress("checking", len(chosen)) as advance:
        for derivation in chosen:
            began = time.perf_counter()
            try:
                status = derivation.check()
            except DeriveError as error:
                failures.append(str(error))
                rows.append((derivation.id, "refuted", "", "", _seconds(began)))
                advance(1)
                continue
            if status <= Verdict.INCONCLUSIVE:
                failures += [
                    f"{derivation.id}: {s}" for s in derivation.steps if s.verdict == status
                ]
            refuted = ""
            if mutants:
                judged = list(judged_mutants(derivation))
                wrong = [j for j in judged if j[2] is not Verdict.REFUTED]
                failures += [
                    f"{derivation.id}: the mutant {m} of {s.after} is {v.name.lower()}"
                    for s, m, v in wrong
                ]
                refuted = f"{len(judged) - len(wrong)} of {len(judged)}"
            rows.append(
                (
                    derivation.id,
                    status.name.lower(),
                    str(len(derivation.steps)),
                    refuted,
                    _seconds(began),
                )
            )
            advance(1)
    head = ("id", "verdict", "steps", "mutants refuted", "seconds")
    if not mutants:
        head, rows = head[:3] + head[4:], [r[:3] + r[4:] for r in rows]
    say(text_table(head, rows, (60, 14, 6, 16, 8)[: len(head)]))
    for failure in failures:
        note(failure)
    if failures:
        raise typer.Exit(1)


def judged_mutants(derivation: Derivation) -> Iterator[tuple[Step, Any, Any]]:
    """Judge the mutants of every asserted step.

    Parameters
    ----------
    derivation : Derivation
        Its steps are run.

    Yields
    ------
    tuple
        Step, wrong right-hand side, verdict on it.
    """
    for step in derivation.steps:
        for mutant in step.mutants():
            yield step, mutant, step.recheck(mutant).verdict


def _seconds(began: float) -> str:
    return f"{time.perf_counter() - began:.1f}"
