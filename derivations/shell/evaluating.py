"""``derive eval ID --tau 0.1:5:1000 ...``: a result on a grid, with a progress bar."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derivations.shell.ranges import Range, check_size, match_arguments, parse_arguments
from derivations.shell.terminal import chosen_result, find, meanings, note, progress, say

if TYPE_CHECKING:
    import numpy as np

    from derive.formula import Formula

BLOCK = 1 << 20  # points between two updates of the bar: well below a second of work
ROWS = 1 << 17  # rows of a .csv written at once
LARGE = 1 << 28  # bytes from which the memory needed is stated first
SHOWN = 20  # rows printed when no file is asked for


def evaluate(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .npz or .csv file to write.")
    ] = None,
    result: Annotated[
        str | None, typer.Option("--result", help="Which result; the main one if absent.")
    ] = None,
    bits: Annotated[
        int, typer.Option("--bits", help="Certified value at one point, to this many bits.")
    ] = 0,
    invalid: Annotated[
        str, typer.Option("--invalid", help="Points outside the domain: raise, or nan.")
    ] = "raise",
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
) -> None:
    """Evaluate a result: --NAME VALUE for every argument, ranges span a grid.

    A value is a number, a:b:n (n points from a to b), log:a:b:n (with constant ratio), a list
    a,b,c, or inf. The axes of the grid are in the order of the formula's arguments.
    """
    from numerics.files import check_writable

    if output is not None:
        check_suffix(output)
        check_writable(output, overwrite=force)
    name, formula = chosen_result(find(id), result)
    typed = parse_arguments(f"derive eval {id}", context.args)
    ranges = match_arguments(f"derive eval {id}", formula.args, typed, meanings(formula))
    if bits:
        say(certified(formula, ranges, bits))
        return
    shape = tuple(len(r.values) for r in ranges.values() if r.values.ndim)
    check_size(f"derive eval {id}", math.prod(shape))
    if 8 * math.prod(shape) >= LARGE:
        note(f"{math.prod(shape)} points: {8 * math.prod(shape) / 2**20:.0f} MiB for the results")
    values = on_grid(formula, ranges, invalid)
    if output is None:
        say(shown_table(name, ranges, values))
    else:
        write_grid(output, formula.name, name, ranges, values, force)
        note(f"wrote {output}: {values.size} values, {output.stat().st_size} bytes")


def check_suffix(output: Path) -> None:
    """Raise unless the file is one of the kinds that can be written."""
    from numerics.errors import ArgumentsError

    if output.suffix not in (".npz", ".csv"):
        raise ArgumentsError(
            f"-o {output}",
            f"the suffix {output.suffix!r} is not known",
            "numbers are written as .npz (arrays, read with numpy.load) or .csv (one row a point)",
            f"-o {output.stem or 'errors'}.npz",
        )


def certified(formula: Formula, ranges: dict[str, Range], bits: int) -> str:
    """Return the enclosure at one point; what was typed is taken as exact decimals."""
    from numerics.errors import ArgumentsError

    wide = [n for n, r in ranges.items() if r.values.ndim]
    if wide or not 2 <= bits <= 100_000:
        raise ArgumentsError(
            f"derive eval --bits {bits}",
            f"--{wide[0]} has several values" if wide else f"{bits} bits",
            "a certified value is for one point, with 2 to 100000 bits",
            f"--{wide[0]} 0.5 --bits 128" if wide else "--bits 128",
        )
    return str(formula.ball(bits=bits, **{n: r.text.strip() for n, r in ranges.items()}))


def on_grid(formula: Formula, ranges: dict[str, Range], invalid: str) -> np.ndarray:
    """Evaluate on the grid that the ranges span, block by block."""
    import numpy as np

    from numerics.errors import DomainError

    axes = [n for n, r in ranges.items() if r.values.ndim]
    shape = tuple(len(ranges[n].values) for n in axes)
    evaluator = formula.compile()
    fixed = {n: float(r.values) for n, r in ranges.items() if not r.values.ndim}
    if not shape:
        return np.asarray(evaluator(invalid=invalid, **fixed))
    values = np.empty(shape)
    with progress(formula.name, values.size) as advance:
        for block in blocks(shape, BLOCK):
            inside: dict[str, Any] = dict(fixed)
            for position, name in enumerate(axes):
                along = [1] * len(axes)
                piece = ranges[name].values[block[position]]
                along[position] = len(piece)
                inside[name] = piece.reshape(along)
            view = values[block]
            try:
                evaluator(out=view, invalid=invalid, **inside)
            except DomainError as error:
                # index and count are those of the block, not of the grid that was asked for
                wrong = re.sub(r" at index (\([^)]*\)|\d+)| \(\d+ such points\)", "", error.wrong)
                raise DomainError(error.call, wrong, error.why, "--invalid nan") from None
            advance(view.size)
    return values


def blocks(shape: Sequence[int], size: int) -> Iterator[tuple[slice, ...]]:
    """Cut a grid into blocks of about a given number of points, in memory order.

    Parameters
    ----------
    shape : sequence of int
        Of the grid.
    size : int
        Largest number of points in a block, unless one row alone has more.

    Yields
    ------
    tuple of slice
        Together they cover every point once.

    Examples
    --------
    >>> list(blocks((2, 3), 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    if not shape:
        yield ()
        return
    rest = math.prod(shape[1:])
    if rest > size:
        for i in range(shape[0]):
            for block in blocks(shape[1:], size):
                yield (slice(i, i + 1), *block)
        return
    step = max(1, size // rest)
    for low in range(0, shape[0], step):
        yield (slice(low, min(low + step, shape[0])), *(slice(0, n) for n in shape[1:]))


def rows_of(ranges: dict[str, Range], values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return arguments and value of the points ``low`` to ``high`` in memory order, as columns."""
    import numpy as np

    index = np.unravel_index(np.arange(low, high), values.shape) if values.ndim else ()
    columns, axis = [], 0
    for entry in ranges.values():
        if entry.values.ndim:
            columns.append(entry.values[index[axis]])
            axis += 1
        else:
            columns.append(np.full(high - low, float(entry.values)))
    return np.column_stack([*columns, values.reshape(-1)[low:high]])


def shown_table(name: str, ranges: dict[str, Range], values: np.ndarray) -> str:
    """Return the first rows as text."""
    from derive.display import text_table

    if not values.ndim:
        return repr(float(values))
    shown = min(SHOWN, values.size)
    cells = [
        [f"{x:.10g}" for x in row[:-1]] + [repr(float(row[-1]))]
        for row in rows_of(ranges, values, 0, shown)
    ]
    lines = [text_table((*ranges, name), cells, (24,) * (len(ranges) + 1))]
    if values.size > shown:
        lines.append(f"... {values.size - shown} more; -o FILE.csv or FILE.npz writes all")
    return "\n".join(lines)


def write_grid(
    output: Path, id: str, name: str, ranges: dict[str, Range], values: np.ndarray, force: bool
) -> None:
    """Write the grid as .npz or .csv, whole or not at all."""
    import numpy as np

    from numerics.files import whole_file

    with whole_file(output, overwrite=force) as file:
        if output.suffix == ".npz":
            arrays = {n: r.values for n, r in ranges.items()}
            np.savez(file, allow_pickle=False, id=np.array(id), **arrays, **{name: values})
            return
        file.write((",".join([*ranges, name]) + "\n").encode())
        with progress(f"writing {output.name}", values.size) as advance:
            for low in range(0, values.size, ROWS):
                high = min(low + ROWS, values.size)
                lines = [
                    ",".join(map(repr, row)) for row in rows_of(ranges, values, low, high).tolist()
                ]
                file.write(("\n".join(lines) + "\n").encode())
                advance(high - low)
