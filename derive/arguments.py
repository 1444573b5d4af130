"""What a user may hand to a compiled formula, and the words when a point is bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.errors import ArgumentsError, ConvergenceError, DomainError
from numerics.mask import constraint_masks
from numerics.program import Block, Program


def operands(
    name: str, arguments: Sequence[str], values: Mapping[str, Any], out: Any = None
) -> list[Any]:
    """Return the arguments in order, as things a ufunc takes.

    Parameters
    ----------
    name : str
        Of the formula, for the message.
    arguments : sequence of str
        Order of the operands.
    values : mapping of str to float or array
        What the user gave; real numbers, arrays, and labelled or lazy arrays that speak ufunc.
    out : array, optional
        Where the result goes; its shape must fit.

    Returns
    -------
    list
        One operand per argument.

    Raises
    ------
    ArgumentsError
        For text, complex numbers, objects, or shapes that do not broadcast.
    """
    found = [_operand(name, a, values[a]) for a in arguments]
    shapes = {f.shape for f in found if isinstance(f, np.ndarray)}
    try:  # equal shapes need no broadcasting, which takes as long as a thousand points
        shape = np.broadcast_shapes(*shapes) if len(shapes) != 1 else next(iter(shapes))
    except ValueError:
        listed = ", ".join(f"{a}{np.shape(f)}" for a, f in zip(arguments, found, strict=True))
        raise ArgumentsError(
            f"{name}(...)",
            f"shapes do not broadcast: {listed}",
            "NumPy aligns shapes from the right and stretches axes of length 1",
            f"{name}({arguments[0]}=x[:, None], ...) to span a grid",
        ) from None
    if out is not None:
        _check_writable(name, out, shape)
    known = all(isinstance(f, _PLAIN) for f in found)
    if isinstance(out, np.ndarray) and out.shape != shape and known:
        raise ArgumentsError(
            f"{name}(..., out=...)",
            f"out has shape {out.shape}, the result has shape {shape}",
            "the result is written in place and is never stretched",
            f"{name}(..., out=numpy.empty({shape}))",
        )
    return found


def _check_writable(name: str, out: Any, shape: tuple[int, ...]) -> None:
    for o in out if isinstance(out, tuple) else (out,):
        if isinstance(o, np.ndarray) and o.dtype.kind == "f" and o.flags.writeable:
            continue
        what = type(o).__name__
        if isinstance(o, np.ndarray):
            what = "read-only" if o.dtype.kind == "f" else f"an array of {o.dtype}"
        raise ArgumentsError(
            f"{name}(..., out=...)",
            f"out is {what}, not an array of floats that may be written",
            "the result is written in place",
            f"{name}(..., out=numpy.empty({shape}))",
        )


_PLAIN = (np.ndarray, float)
_NUMBERS = (float, int, np.floating, np.integer, Fraction)
_FLOAT = np.dtype(np.float64)


def _operand(name: str, argument: str, value: Any) -> Any:
    if type(value) is float or (type(value) is np.ndarray and value.dtype is _FLOAT):
        return value
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return _double(name, argument, value)
    if hasattr(value, "__array_ufunc__") and not isinstance(value, (np.ndarray, np.generic)):
        return value  # labelled and lazy arrays take the ufunc themselves
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentsError(
            f"{name}({argument}=...)",
            f"{argument} is a masked array",
            "every entry is evaluated, those behind the mask as well",
            f"{name}({argument}={argument}.compressed(), ...)",
        )
    array = np.asarray(value) if isinstance(value, list | tuple | np.ndarray | range) else None
    if array is not None and array.dtype.kind in "iuf" and array.dtype.itemsize <= 8:
        return np.asarray(array, dtype=np.float64)
    shown = repr(value)
    raise ArgumentsError(
        f"{name}({argument}={shown[:40]})",
        f"{argument} is {type(value).__name__}, not a real number or an array of them",
        "kernels take float64; exact decimal text belongs to ball()",
        f"{name}({argument}=0.5, ...) or {name[:60]}.ball({argument}='0.5', ...)",
    )


def _double(name: str, argument: str, value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ArgumentsError(
            f"{name}({argument}=...)",
            f"{argument} is larger than every float64",
            "kernels take float64, which ends at 1.8e308",
            f"{name[:60]}.ball({argument}=..., ...)",
        ) from None


def explain_failure(
    name: str, program: Program, arrays: Sequence[Any], result: Any, tell_all: bool = True
) -> None:
    """Raise the error of the first point that is outside the domain or did not converge.

    Parameters
    ----------
    name : str
        Of the formula.
    program : Program
        Its constraints are the domain.
    arrays : sequence of float or array
        The operands.
    result : array or tuple of array
        What the kernel returned; in double-double the high and the low parts.

    Raises
    ------
    DomainError
        With the first bad index and value, or if an end of a sum is no whole number.
    ConvergenceError
        If every point is inside the domain but a root did not converge.
    """
    full = np.broadcast_arrays(*[np.asarray(a, dtype=np.float64) for a in arrays])
    shape: tuple[int, ...] = full[0].shape
    if tell_all and program.constraints:
        masks = constraint_masks(program, full)
        inside = np.logical_and.reduce([np.broadcast_to(m, shape) for m in masks])
        if not inside.all():
            where: tuple[int, ...] = tuple(int(i) for i in np.argwhere(~inside)[0]) if shape else ()
            position = int((~inside).sum())
            constraint = next(
                c
                for c, mask in zip(program.constraints, masks, strict=True)
                if not np.broadcast_to(mask, shape)[where]
            )
            shown = ", ".join(
                f"{a} = {float(f[where])!r}"
                for a, f in zip(program.arguments, full, strict=True)
                if a in constraint.arguments
            )
            index = f" at index {', '.join(map(str, where))}" if where else ""
            more = f" ({position} such points)" if position > 1 else ""
            raise DomainError(
                f"{name}({', '.join(constraint.arguments)}=...)",
                f"{shown}{index} violates {constraint.text}{more}",
                constraint.reason or "the formula was derived under this condition",
                f'{name}(..., invalid="nan") to evaluate the other points'
                if shape
                else f"{name}(...) with {constraint.text}",
            )
    bad = np.argwhere(np.isnan(result[0] if isinstance(result, tuple) else result))
    if len(bad) == 0:  # it was a point of another thread
        return
    where = tuple(int(i) for i in bad[0]) if len(bad) else ()
    shown = ", ".join(
        f"{a} = {float(f[where])!r}" for a, f in zip(program.arguments, full, strict=True)
    )
    _check_ends(name, program, [float(f[where]) for f in full])
    raise ConvergenceError(
        f"{name}(...)",
        f"the root did not converge at {shown}",
        "the iteration reached its limit before successive values agreed",
        f'{name}(..., invalid="nan"), or {name}.ball(...) for a certified value',
    )


def _check_ends(name: str, program: Program, point: Sequence[float]) -> None:
    """Raise if an argument that is an end of a sum is no whole number, or too large."""
    from numerics.emit_iterations import MAXIMUM_TERMS

    for k in sorted(_ends_of_sums(program)):
        a, value = program.arguments[k], point[k]
        if value % 1 == 0 and value <= MAXIMUM_TERMS:
            continue
        wrong = "is too many terms" if value % 1 == 0 else "is not a whole number"
        raise DomainError(
            f"{name}({a}=...)",
            f"{a} = {value!r} {wrong}",
            f"it is an end of a sum, which has {MAXIMUM_TERMS} terms at most",
            f"{name}(..., {a}={min(max(round(min(value, 1e9)), 1), MAXIMUM_TERMS)})",
        )


def _ends_of_sums(program: Program) -> set[int]:
    """Return which arguments are ends of sums over an index."""
    arguments: dict[int, int] = {}
    found: set[int] = set()

    def read(block: Block) -> None:
        for i in block.instructions:
            if i.op == "argument":
                arguments[i.results[0]] = i.attribute
            if i.op == "sum":
                found.update(arguments[v] for v in i.inputs if v in arguments)
            if i.block is not None:
                read(i.block)

    read(program.body)
    return found
