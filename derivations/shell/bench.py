"""``derive bench``: speed side by side with the usual tools, as ratios measured in one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer points and rounds.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A group of rows; may be repeated.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write every number here.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of the README.")
    ] = False,
) -> None:
    """Measure speed against C, lambdify, SciPy, mpmath and others; ratios, never promises.

    What is measured against (lambdify among it) has no place in the packages: it is part of the
    repository, and so this command needs it.
    """
    command = [sys.executable, "-m", "tests.benchmarks"]
    command += ["--quick"] * quick + ["--markdown"] * markdown
    command += ["--only", *only] if only else []
    command += ["--json", str(json.absolute())] if json else []
    code = subprocess.run(command, cwd=repository(), check=False).returncode
    if code:
        raise typer.Exit(code)


def repository() -> Path:
    """Return the folder that holds the packages and the benchmarks.

    Returns
    -------
    Path
        With ``tests/benchmarks`` in it.

    Raises
    ------
    ArgumentsError
        If the packages are installed without the repository.
    """
    from numerics.errors import ArgumentsError

    folder = Path(__file__).resolve().parents[2]
    if (folder / "tests" / "benchmarks" / "__main__.py").is_file():
        return folder
    raise ArgumentsError(
        "derive bench",
        "tests/benchmarks is not beside the packages",
        "the tools measured against are no part of what is installed, only of the repository",
        "make bench, in a clone of the repository",
    )
