"""``derive latex ID``: a derivation as a document that pdflatex compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from derivations.shell.terminal import find, note, say


def latex(
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write; standard output if absent."),
    ] = None,
    fragment: Annotated[
        bool, typer.Option("--fragment", help="Without preamble, to be \\input elsewhere.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
) -> None:
    """Write a derivation as LaTeX: statement, steps, results, symbols, references."""
    from numerics.files import check_writable, write_whole

    derivation = find(id)
    if output is not None:
        check_writable(output, overwrite=force)
    text = derivation.latex(standalone=not fragment)
    if output is None:
        say(text.rstrip("\n"))
    else:
        write_whole(output, text, overwrite=force)
        note(f"wrote {output}")
