"""Grids: what depends on few axes is computed once per axis, automatically.

On a broadcast grid a subexpression of ``kappa`` and ``alpha`` alone has one value per pair
``(kappa, alpha)``, whatever the length of the other axes. The program is cut into stages, one for
each set of axes, smallest first; a stage is a program of its own whose kernel runs on its reduced
grid, and hands its values to the next as operands. The operations are those of the whole program in
the same order, so the results are the same bit for bit.

Stages have to be compiled. That is done once what they would have saved so far in this process
exceeds the price of compiling them (never more than twice the best possible choice), or at once if
they are in the cache, or when :func:`prepare` is called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from numerics.kernel import SMALLEST_GRID, span
from numerics.program import Program
from numerics.stages import Cut, barred_sets, cut_program

COMPILE_NANOSECONDS = 1.5e9  # per stage
SHORT_ROW = 128  # points; rows are handed over one by one from here
SMALLEST_BUFFER = 16  # points, NumPy's least
CHECK_SHARE = 8  # conditions are looked at beforehand if they span so few of the points


def evaluate(kernel: Any, operands: Sequence[Any], out: Any = None, force: bool = False) -> Any:
    """Evaluate a kernel stage by stage if that pays.

    Parameters
    ----------
    kernel : Kernel
        Whose values are wanted.
    operands : sequence of array_like
        As for the kernel's ufunc.
    out : array or tuple of arrays, optional
        As for a ufunc.
    force : bool
        Compile the stages whatever they cost.

    Returns
    -------
    array, tuple of arrays or None
        None if the kernel should be called in one piece.
    """
    if span(operands) < SMALLEST_GRID:
        return None
    if not all(type(x) is np.ndarray or isinstance(x, int | float) for x in operands):
        return None  # the ufunc dispatches on other arrays
    arrays = [np.asarray(x) for x in operands]
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return None  # the ufunc says why
    size = math.prod(shape)
    if size < SMALLEST_GRID or min(a.size for a in arrays) == size:
        return None
    if not all(np.can_cast(a.dtype, np.float64) for a in arrays):
        return None
    parts = len(arrays) // len(kernel.program.arguments)
    count = len(kernel.program.arguments)
    masks = tuple(
        _mask(arrays[k], shape) | (_mask(arrays[k + count], shape) if parts == 2 else 0)
        for k in range(count)
    )
    key = masks, barred_sets(masks, shape)
    if key not in kernel.cuts:
        kernel.cuts[key] = cut_program(kernel.program, *key, parts)
    cut = kernel.cuts[key]
    if cut is None:
        return None
    saving = cut.saving(shape)
    if not force and (saving == 0.0 or not _affordable(cut, kernel.precision, saving)):
        return None
    return _run(cut, kernel, arrays, out)


def prepare(kernel: Any, *operands: Any) -> bool:
    """Compile the stages of a kernel for a grid now, whatever they cost.

    Parameters
    ----------
    kernel : Kernel
        The whole formula.
    *operands : array_like
        Operands with the shapes that will be used; their values do not matter.

    Returns
    -------
    bool
        False if the grid has no subexpression worth a stage.
    """
    return evaluate(kernel, kernel.complete(operands), force=True) is not None


@contextmanager
def row_by_row(operands: Sequence[Any], out: Any = None) -> Iterator[None]:
    """Let NumPy hand over the rows of a grid as they lie in memory.

    By default it gathers short rows in buffers of some thousand points, which takes as long as a
    closed form. Other types than float64 need its buffers, and so do very short rows.

    Parameters
    ----------
    operands : sequence of array_like
        What the ufunc will be called with.
    out : array or tuple of arrays, optional
        The same.

    Yields
    ------
    None
        Inside, buffers are small.
    """
    outputs = () if out is None else out if isinstance(out, tuple) else (out,)
    arrays = [np.asarray(x) for x in (*operands, *(y for y in outputs if y is not None))]
    plain = all(a.dtype == np.float64 and a.flags.aligned for a in arrays)
    if not plain or max(a.shape[-1] if a.ndim else 1 for a in arrays) < SHORT_ROW:
        yield
        return
    usual = np.setbufsize(SMALLEST_BUFFER)
    try:
        yield
    finally:
        np.setbufsize(usual)


def _affordable(cut: Cut, precision: str, saving: float) -> bool:
    from numerics.kernel import is_compiled

    savings = cut.savings
    savings.total += saving
    if savings.compiled is None:
        last = cut.unchecked if precision == "float64" else cut.stages[-1]
        needed = (*cut.stages[:-1], last)
        savings.compiled = all(is_compiled(stage.program, precision) for stage in needed)
    price = COMPILE_NANOSECONDS * (1 if precision == "float64" else 2) * len(cut.stages)
    savings.compiled = savings.compiled or savings.total > price
    return savings.compiled


def _run(cut: Cut, kernel: Any, arrays: list[Any], out: Any) -> Any:
    from numerics.kernel import compile_program

    count = len(kernel.program.arguments)
    parts = len(arrays) // count
    values: dict[int, tuple[Any, ...]] = {}
    last = cut.unchecked if parts == 1 and _valid(kernel.program, arrays) else cut.stages[-1]
    for stage in (*cut.stages[:-1], last):
        known = [[arrays[p + k * count] for k in range(parts)] for p in stage.arguments]
        known += [values[v] for v in stage.values]
        operands = [pair[k] for k in range(parts) for pair in known]
        compiled = stage.kernels.get(kernel.precision)
        if compiled is None:
            compiled = compile_program(stage.program, kernel.precision)
            stage.kernels[kernel.precision] = compiled
        if not stage.results:
            before = compiled.counters.invalid, compiled.counters.undefined
            with row_by_row(operands, out):
                result = compiled.ufunc(*operands, **({} if out is None else {"out": out}))
            kernel.counters.add(
                compiled.counters.invalid - before[0], compiled.counters.undefined - before[1]
            )
            return result
        results = compiled.ufunc(*operands)
        results = results if isinstance(results, tuple) else (results,)
        for k, value in enumerate(stage.results):
            values[value] = results[parts * k : parts * (k + 1)]
    raise AssertionError("a cut ends with a stage on the whole grid")


def _valid(program: Program, arrays: Sequence[Any]) -> bool:
    """Tell whether every point of a grid is valid, from its axes; False if that would be dear."""
    from numerics.mask import constraint_masks

    size = _span(arrays)
    by_name = dict(zip(program.arguments, arrays, strict=True))
    together = [_span([by_name[n] for n in c.arguments]) for c in program.constraints]
    if any(CHECK_SHARE * points > size for points in (*together, *(a.size for a in arrays))):
        return False
    floats = [np.asarray(a, dtype=float) for a in arrays]
    if any(np.isnan(a).any() for a in floats):
        return False
    return all(bool(np.all(mask)) for mask in constraint_masks(program, floats))


def _span(arrays: Sequence[Any]) -> int:
    """Return the number of points that arrays span by broadcasting."""
    return math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def _mask(array: Any, shape: tuple[int, ...]) -> int:
    """Return the axes of the grid along which an operand varies, as bits."""
    offset = len(shape) - array.ndim
    return sum(1 << (offset + k) for k, length in enumerate(array.shape) if length > 1)
