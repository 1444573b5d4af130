"""``derive figure ID``: a picture with its numbers beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from derivations.shell.terminal import note, progress

QUICK = {"size": 16, "seeds": 2}


def figure(
    id: Annotated[str, typer.Argument(help="Such as lu2025.double_descent.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A .png, .pdf or .svg file; ID.png if absent."),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=4, help="Dimension of the simulation.")] = 64,
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Seeds of every point.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the whole run.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A small simulation, for a look.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files.")] = False,
) -> None:
    """Draw a figure of a paper, theory and simulation, and write the numbers as .csv beside it."""
    from derivations.figures import find_figure
    from numerics.files import check_writable
    from numerics.plotting import check_picture, save, write_columns

    card = find_figure(id)
    target = check_picture(output if output is not None else Path(f"{card.id}.png"))
    numbers = target.with_suffix(".csv")
    for path in (target, numbers):
        check_writable(path, overwrite=force)
    if quick:
        size, seeds = QUICK["size"], QUICK["seeds"]
    with progress(card.id, 1000) as advance:
        shown = 0

        def report(done: int, total: int) -> None:
            nonlocal shown
            now = 1000 * done // total
            advance(now - shown)
            shown = now

        picture = card.load()(size=size, seeds=seeds, seed=seed, progress=report)
    save(picture.drawing, target, overwrite=force)
    write_columns(picture.columns, numbers, overwrite=force)
    note(f"wrote {target} and {numbers}")
