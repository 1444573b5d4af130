"""``derive study ID --tau 0.5,2 ... --folder F``: Monte Carlo over a grid, resumable."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from derivations.shell.ranges import check_size, parse_arguments, parse_range, parse_sizes
from derivations.shell.simulating import check_parameters
from derivations.shell.terminal import find, note, progress, say


def study(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    folder: Annotated[
        Path, typer.Option("--folder", help="Keeps the cells; the same folder resumes the study.")
    ],
    size: Annotated[
        str, typer.Option("--size", help="Dimension, or several such as 16,32,64.")
    ] = "64",
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Replicas of every point.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the study.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv file, one row a replica.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
) -> None:
    """Simulate a result over a grid of points, sizes and seeds: --NAME RANGE for every parameter.

    Random numbers follow from the study and the cell alone: order, processes and interruptions
    change nothing, and a run that was killed goes on where it was.
    """
    from numerics.files import check_writable, write_whole
    from numerics.monte_carlo_sweep import MonteCarloSweep, grid

    command = f"derive study {id}"
    if output is not None:
        check_writable(output, overwrite=force)
    derivation = find(id)
    ranges = {
        name: parse_range(name, text).values.reshape(-1)
        for name, text in parse_arguments(command, context.args).items()
    }
    check_parameters(command, derivation, {n: float(v[0]) for n, v in ranges.items()})
    sizes = parse_sizes(size)
    check_size(command, math.prod(len(v) for v in ranges.values()) * len(sizes) * seeds)
    points = grid(**ranges)
    sweep = MonteCarloSweep(id, derivation.simulator, points, sizes, seeds, seed)
    with progress(id, len(sweep.cells())) as advance:
        shown = 0

        def report(done: int, total: int) -> None:
            nonlocal shown
            advance(done - shown)
            shown = done

        result = sweep.run(folder, workers=workers, progress=report)
    for failure in result.failures:
        note(f"failed: {failure}")
    good = {(o.cell.parameters, o.cell.size) for o in result.outcomes if not o.failure}
    for i, point in enumerate(points):
        for each in sizes:
            if (tuple(point.items()), each) in good:
                say(repr(result.result(i, each)))
    if output is not None:
        write_whole(output, result.table(), overwrite=force)
        note(f"wrote {output}")
    if not good:
        raise typer.Exit(1)
