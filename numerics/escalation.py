r"""Precision where it is needed: float64 everywhere, more digits at the points that lose them.

Beside each value a kernel computes the spread of its rounding error and the conditioning of the
formula (:mod:`numerics.sensitivity`). Rounding errors are at most u each, and are taken to be
independent; a point is accepted if 2.5 times the spread stays below :math:`8 + 4c` ulp, which is
five standard deviations, because the root mean square of a rounding error is less than u/2. The
others are computed again in double-double; where the float64 value had hardly a digit left, or
pairs are not enough, in balls.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.block_grid import block_of, grid_blocks
from numerics.errors import ArgumentsError, LoweringError
from numerics.kernel import Kernel, compile_program
from numerics.mask import constraint_masks
from numerics.program import Program
from numerics.sensitivity import estimate_error

CONSTANT_ALLOWANCE = 8
CONDITION_ALLOWANCE = 4
DEVIATIONS = Fraction(5, 2)
NO_DIGIT = 2.0**52  # error, in u, of a value of which nothing is right
TRUSTED = 2.0**46  # error of the float64 value, in u, up to which its estimate is good
SMALLEST_NORMAL = 2.0**-1022  # to which errors of smaller values are relative
BLOCK = 1 << 16
BALL_BITS = 80


@dataclass(frozen=True)
class Escalated:
    """How many points were evaluated, and how many of them in double-double and in balls."""

    points: int
    double_double: int
    balls: int

    def __str__(self) -> str:
        return (
            f"{self.points} points, {self.double_double} escalated to double-double, "
            f"{self.balls} to balls"
        )


@dataclass
class _Tally:
    points: int = 0
    double_double: int = 0
    balls: int = 0
    invalid: int = 0
    undefined: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        with self.lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class EscalatingKernel:
    """A formula evaluated in float64, and with more digits where float64 loses too many.

    Parameters
    ----------
    program : Program
        With one output.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> p = b.program({"f": b.op("sub", b.op("sqrt", b.op("add", b.constant(1), x)),
    ...                          b.constant(1))})
    >>> kernel = EscalatingKernel(p)
    >>> print(kernel([100.0, 2.0**-60]), kernel.escalated)
    [9.04987562e+00 4.33680869e-19] 2 points, 0 escalated to double-double, 1 to balls
    """

    precision = "auto"

    def __init__(self, program: Program):
        if len(program.outputs) != 1:
            raise ArgumentsError(
                'compile(precision="auto")',
                f"the program has {len(program.outputs)} outputs",
                "points are escalated for the sake of one value",
                "compile each output separately",
            )
        self.program = program
        self._tally = _Tally()
        try:
            self._single, self._estimates = compile_program(doubt_program(program)), True
        except LoweringError:
            self._single, self._estimates = compile_program(program), False
        try:
            self._pairs: Kernel | None = compile_program(program, "double-double")
        except LoweringError:
            self._pairs = None

    @property
    def escalated(self) -> Escalated:
        """How many points so far were evaluated in which precision."""
        return Escalated(self._tally.points, self._tally.double_double, self._tally.balls)

    def invalid_count(self) -> int:
        """Return how many points so far violated a constraint or had a NaN argument."""
        return self._tally.invalid

    def unconverged_count(self) -> int:
        """Return how many valid points so far have no value in any precision."""
        return self._tally.undefined

    def __call__(self, *operands: Any, out: Any = None) -> Any:
        """Evaluate with the broadcasting of a ufunc.

        Parameters
        ----------
        *operands : array_like
            One per argument, in the order of the program; labelled and lazy arrays are kept.
        out : array, optional
            Where to write.

        Returns
        -------
        ndarray or float
            Float64; NaN outside the domain and where no precision decides.
        """
        lifted = _lifted(self, operands)
        if lifted is not None:
            return lifted
        arrays = [np.asarray(x, dtype=float) for x in operands]
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        result = np.empty(shape) if out is None else (out[0] if isinstance(out, tuple) else out)
        if result.shape != shape or result.dtype != np.float64:
            raise ArgumentsError(
                "kernel(..., out=...)",
                f"out is {result.dtype}{result.shape}, the result is float64{shape}",
                "the result is written in place",
                f"kernel(..., out=numpy.empty({shape}))",
            )
        for block in grid_blocks(shape, BLOCK):
            self._block([block_of(a, block) for a in arrays], result[block or ...])
        return result if shape or out is not None else result[()]

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _from_text, (self.program.to_json(),)

    def __repr__(self) -> str:
        return f"<EscalatingKernel {self.program.outputs[0]}: {self.escalated}>"

    def _block(self, arrays: list[np.ndarray], result: np.ndarray) -> None:
        if self._estimates:
            error, allowance = np.empty(result.shape), np.empty(result.shape)
            self._single(*arrays, out=(result, error, allowance))
            # From units of u to ulp is a factor from 1/2 to 1, looked up only where it matters.
            suspect = ~_accepted(error, allowance)
            if suspect.any():
                with np.errstate(invalid="ignore"):  # 0 times infinity is a doubt like any other
                    size = np.maximum(np.abs(result), SMALLEST_NORMAL)
                    suspect = ~_accepted(np.frexp(size)[0] * error, allowance)
        else:
            self._single(*arrays, out=result)
            error = np.full(result.shape, np.nan)
            suspect = np.ones(result.shape, dtype=bool)
        self._tally.add(points=result.size)
        if not suspect.any():
            return
        where = np.nonzero(np.atleast_1d(suspect))
        full = [np.atleast_1d(a) for a in np.broadcast_arrays(*arrays)]
        points = [a[where] for a in full]
        inside = np.ones(len(points[0]), dtype=bool)
        # A condition such as x**2 < 4 a**2 must not fail because its squares underflow.
        extended = [p.astype(np.longdouble) for p in points]
        for mask in constraint_masks(self.program, extended):
            inside &= mask
        for p in points:
            inside &= ~np.isnan(p)
        self._tally.add(invalid=int((~inside).sum()))
        found = np.full(len(inside), np.nan)
        if inside.any():
            found[inside] = self._again(
                [p[inside] for p in points],
                np.atleast_1d(result)[where][inside],
                np.atleast_1d(error)[where][inside],
            )
        np.atleast_1d(result)[where] = found
        if result.ndim == 0:
            result[...] = found[0]

    def _again(self, points: list[np.ndarray], single: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Evaluate some points in double-double, and what that cannot decide in balls."""
        found, left = np.full(len(single), np.nan), np.ones(len(single), dtype=bool)
        if self._pairs is not None:
            high = np.asarray(self._pairs(*points)[0])
            with np.errstate(invalid="ignore", over="ignore"):
                # Without an estimate, a float64 value that agrees to 20 bits vouches for the pair.
                close = np.abs(high - single) <= 2.0**-20 * np.abs(high)
                trusted = error <= TRUSTED if self._estimates else close
            good = trusted & np.isfinite(high) & _roomy(high)
            for p in points:  # low parts must not underflow
                good &= (p == 0.0) | np.isinf(p) | _roomy(p)
            found[good], left = high[good], ~good
            self._tally.add(double_double=int(good.sum()))
        if left.any():
            found[left] = self._certified([p[left] for p in points])
            undefined = int(np.isnan(found[left]).sum())
            self._tally.add(balls=int(left.sum()), undefined=undefined)
        return found

    def _certified(self, points: list[np.ndarray]) -> np.ndarray:
        from numerics.ball import evaluate_many

        columns = dict(zip(self.program.arguments, points, strict=True))
        (balls,) = evaluate_many(self.program, columns, BALL_BITS).values()
        return balls.midpoints()


def _roomy(x: np.ndarray) -> np.ndarray:
    """Tell which numbers are so far from the ends of float64 that pairs hold all their digits."""
    return (np.abs(x) > 2.0**-960) & (np.abs(x) < 2.0**960)


def _accepted(error: np.ndarray, allowance: np.ndarray) -> np.ndarray:
    """Tell which estimates are small enough; no condition allows a value without a digit.

    Nor does an infinite one: what overflowed is the estimate of it.
    """
    allowed = (error <= allowance) & (error < NO_DIGIT) & (allowance < np.inf)
    return (error <= CONSTANT_ALLOWANCE) | allowed


def doubt_program(program: Program) -> Program:
    r"""Return a program for a value, 2.5 spreads of its error, and the error promised.

    Parameters
    ----------
    program : Program
        With one output.

    Returns
    -------
    Program
        Outputs ``value``; ``error`` :math:`=2.5s`, relative, in units of u; ``allowance``
        :math:`=8+4c`.

    Raises
    ------
    LoweringError
        If an operation has no derivative.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> doubt_program(b.program({"y": b.op("sqrt", b.argument("x"))})).outputs
    ('value', 'error', 'allowance')
    """
    estimate = estimate_error(program)
    op, constant = estimate.builder.op, estimate.builder.constant
    error = op("mul", constant(DEVIATIONS), estimate.spread)
    scaled = op("mul", constant(CONDITION_ALLOWANCE), estimate.condition)
    allowance = op("add", constant(CONSTANT_ALLOWANCE), scaled)
    outputs = {"value": estimate.value, "error": error, "allowance": allowance}
    return estimate.builder.program(outputs)


def _from_text(text: str) -> EscalatingKernel:
    return EscalatingKernel(Program.from_json(text))


def _lifted(kernel: EscalatingKernel, operands: Sequence[Any]) -> Any:
    """Apply the kernel to labelled or lazy arrays through their own libraries."""
    modules = {type(x).__module__.partition(".")[0] for x in operands}
    if "xarray" in modules:
        import xarray

        return xarray.apply_ufunc(kernel, *operands, dask="allowed", keep_attrs=False)
    if "dask" in modules:
        from dask.array.core import elemwise

        return elemwise(kernel, *operands, dtype=np.float64)
    return None
