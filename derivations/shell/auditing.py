"""``derive audit`` and ``derive accuracy``: bulk values against certified ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from derivations.shell.ranges import match_arguments, parse_arguments
from derivations.shell.terminal import chosen_result, find, meanings, note, progress, say


def audit(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    result: Annotated[
        str | None, typer.Option("--result", help="Which result; the main one if absent.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float64, double-double, or auto.")
    ] = "float64",
    sample: Annotated[int, typer.Option("--sample", help="Most points compared.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample.")] = 0,
) -> None:
    """Compare a result on a grid with certified values, in units of the last place.

    Arguments are given as for `derive eval`; a larger grid is sampled. Exit code 1 if an error
    exceeds 8 + 4 condition numbers.
    """
    command = f"derive audit {id}"
    _, formula = chosen_result(find(id), result)
    typed = parse_arguments(command, context.args)
    ranges = match_arguments(command, formula.args, typed, meanings(formula))
    # one axis for every argument that has several values
    axes = [n for n, r in ranges.items() if r.values.ndim]
    values: dict[str, Any] = {
        n: r.values.reshape([-1 if a == n else 1 for a in axes]) if r.values.ndim else r.values
        for n, r in ranges.items()
    }
    report = formula.audit(sample=sample, seed=seed, precision=precision, **values)
    say(repr(report))
    if not report.passed:
        raise typer.Exit(1)


def accuracy(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids; all results if absent.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="The table to compare with, a JSON file.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was measured to the table.")
    ] = False,
    points: Annotated[int, typer.Option("--points", min=1, help="Points inside.")] = 10_000,
    edges: Annotated[int, typer.Option("--edges", min=0, help="Points on edges.")] = 500,
    restarts: Annotated[
        int, typer.Option("--restarts", min=0, help="Searches for bad inputs.")
    ] = 32,
) -> None:
    """Measure every result over its box, and say what got worse than the table by more than 2x."""
    import derivations
    from derive.accuracy_table import box_of, measure, read_table, table_text
    from derive.display import text_table
    from numerics.files import write_whole

    known = read_table(table.read_text()) if table is not None and table.exists() else {}
    chosen = [find(id) for id in ids] if ids else list(derivations.catalog())
    formulas = [d.results[name] for d in chosen for name in d.results]
    rows, worse = dict(known), []
    with progress("accuracy", len(formulas)) as advance:
        for formula in formulas:
            old = known.get(formula.name)
            row = measure(
                formula,
                box_of(formula),
                old.kept if old else (),
                points,
                edges,
                restarts,
            )
            words = row.worse_than(old) if old else f"{row.beyond} beyond" * bool(row.beyond)
            if words:
                worse.append(f"{formula.name}: {words}")
            rows[formula.name] = row
            if update and table is not None:
                write_whole(table, table_text(rows), overwrite=True)
            advance(1)
    measured = [rows[f.name] for f in formulas]
    cells = [
        (
            r.result,
            f"{r.maximum:.2f}",
            f"{r.percentile_99:.2f}",
            f"{r.mean:.2f}",
            f"{r.float64_maximum:.3g}",
            f"{r.double_double + r.balls}/{r.scattered + r.edges}",
        )
        for r in measured
    ]
    head = ("result", "max", "p99", "mean", "float64 max", "escalated")
    say(text_table(head, cells, (44, 10, 10, 10, 12, 16)))
    for line in worse:
        note(line)
    if worse:
        raise typer.Exit(1)
