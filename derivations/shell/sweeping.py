"""``derive sweep ID --tau 0.1:5:1000 ... -o sweep.nc``: a result on a grid of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from derivations.shell.ranges import match_arguments, parse_arguments
from derivations.shell.terminal import chosen_result, find, meanings, note


def sweep(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .nc, .zarr or .parquet path to write.")
    ],
    result: Annotated[
        str | None, typer.Option("--result", help="Which result; the main one if absent.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float64, double-double, or auto.")
    ] = "float64",
    invalid: Annotated[
        str, typer.Option("--invalid", help="Points outside the domain: raise, or nan.")
    ] = "raise",
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=1024, help="Processes of this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a dask.distributed scheduler.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Evaluate a result on a grid, block by block, into a labelled file.

    The same command finishes a run that was cut short. Arguments are given as for `derive eval`.
    """
    from contextlib import ExitStack

    from derive import grid_sweep as sweeping

    command = f"derive sweep {id}"
    _, formula = chosen_result(find(id), result)
    typed = parse_arguments(command, context.args)
    ranges = match_arguments(command, formula.args, typed, meanings(formula))
    values: dict[str, Any] = {n: r.values for n, r in ranges.items()}
    with ExitStack() as stack:
        client = None
        if scheduler is not None or processes > 1:
            from distributed import Client, LocalCluster

            address = scheduler or stack.enter_context(
                LocalCluster(
                    n_workers=processes,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,  # type: ignore[arg-type]
                )
            )
            client = stack.enter_context(Client(address))
        data = sweeping.sweep(
            formula,
            path=output,
            precision=precision,
            invalid=invalid,
            client=client,
            progress=True,
            overwrite=force,
            **values,
        )
    words = [f"{data.attrs['points']} points"]
    for name in ("outside", "undefined", "double_double", "balls"):
        if data.attrs.get(name):
            words.append(f"{data.attrs[name]} {name.replace('_', '-')}")
    data.close()
    note(f"wrote {output}: {', '.join(words)}")
