"""``derive export ID c99 -o icl_error.c``: a result as standalone source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from derivations.shell.terminal import chosen_result, find, note, say


def export(
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    language: Annotated[
        str, typer.Argument(help="latex, c99, julia, mathematica, jax or numpy.")
    ] = "c99",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write; printed if absent.")
    ] = None,
    result: Annotated[
        str | None, typer.Option("--result", help="Which result; the main one if absent.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
) -> None:
    """Write a result as source that needs nothing from here, with values it must reproduce."""
    from numerics.files import check_writable, write_whole

    if output is not None:
        check_writable(output, overwrite=force)
    _, formula = chosen_result(find(id), result)
    text = formula.export(language)
    if output is None:
        say(text.rstrip("\n"))
    else:
        write_whole(output, text, overwrite=force)
        note(f"wrote {output}: {len(text.splitlines())} lines")
