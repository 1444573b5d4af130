"""Numbers of a fixed point at given parameters: the iteration, and what became of it in words.

A failure is data: it carries the residual, the number of iterations and a sentence, and no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from derive.errors import ArgumentsError
from derive.formula import check_names
from numerics.kernel import compile_program
from numerics.lower import lower

if TYPE_CHECKING:
    from derive.fixed_point import FixedPoint

TOLERANCE = 2.0**-50
# Rounding keeps some iterations moving: changes this small that no longer shrink are converged.
DITHER = 2.0**-40
# Newton's estimate of the distance to the root, for iterations that stand still off a root.
NEAR = 1e-6


@dataclass(frozen=True)
class Solution:
    """What the iteration of a fixed point found, at one or at many parameter points.

    Parameters
    ----------
    values : mapping of str to float or ndarray
        Each unknown; not a number where the iteration failed.
    converged : bool or ndarray
        Whether the unknowns stand still at a root on the branch.
    residual : float or ndarray
        Largest absolute residual at the last iterate.
    iterations : int or ndarray
        How many steps were taken.
    message : str
        What happened, in one sentence.

    Examples
    --------
    >>> Solution({"x": 2.0}, True, 0.0, 5, "x converged in 5 iterations.")["x"]
    2.0
    """

    values: Mapping[str, Any]
    converged: Any
    residual: Any
    iterations: Any
    message: str

    def __getitem__(self, name: str) -> Any:
        if name not in self.values:
            raise ArgumentsError(
                f"solution[{name!r}]",
                f"there is no unknown {name!r}",
                f"the unknowns are {', '.join(self.values)}",
                f'solution["{next(iter(self.values))}"]',
            )
        return self.values[name]


def solve(point: FixedPoint, values: Mapping[str, Any], most: int) -> Solution:
    """Iterate a fixed point from its start until nothing moves; see :meth:`FixedPoint.solve`."""
    names = [str(s) for s in point.parameters]
    check_names("FixedPoint.solve", names, values)
    arrays = [_real(name, values[name]) for name in names]
    try:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        listed = ", ".join(f"{n}{a.shape}" for n, a in zip(names, arrays, strict=True))
        raise ArgumentsError(
            "FixedPoint.solve(...)",
            f"shapes do not broadcast: {listed}",
            "NumPy aligns shapes from the right and stretches axes of length 1",
            f"solve({names[0]}=x[:, None], ...)",
        ) from None
    flat = [np.broadcast_to(a, shape).reshape(-1) for a in arrays]
    count = flat[0].size if flat else 1
    start, step = _kernels(point)
    with np.errstate(all="ignore"):
        x = [np.broadcast_to(np.asarray(v, float), (count,)).copy() for v in _call(start, flat)]
        state = _State(point, step, flat, x, most)
        state.run()
    return state.solution(shape)


def _real(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ArgumentsError(
            f"FixedPoint.solve({name}={value!r:.40})",
            f"{name} is {type(value).__name__}, not a real number or an array of them",
            "the iteration runs in float64; exact decimal text belongs to ball()",
            f"solve({name}=0.5, ...)",
        )
    return array.astype(np.float64)


def _call(kernel: Any, operands: list[Any]) -> tuple[Any, ...]:
    result = kernel(*operands)
    return result if isinstance(result, tuple) else (result,)


def _kernels(point: FixedPoint) -> tuple[Any, Any]:
    """Compile the start, and one step with residual, Jacobian and the condition of the branch."""
    parameters = list(point.parameters)
    start = lower(parameters, [], {f"start_{i}": s for i, s in enumerate(point.start)})
    outputs: dict[str, Any] = {}
    for i, improved in enumerate(point.improved()):
        outputs[f"step_{i}"] = improved
    for i, residual in enumerate(point.residuals):
        outputs[f"residual_{i}"] = residual
    for (i, j), entry in np.ndenumerate(point.jacobian()):
        outputs[f"slope_{i}_{j}"] = entry
    inside, names = point.region()
    outputs["inside"] = sp.Piecewise((sp.S.One, inside), (sp.S.Zero, True))
    whole = lower([*parameters, *point.unknowns], [*point.where, *names], outputs)
    return compile_program(start), compile_program(whole)


@dataclass
class _State:
    """All points of one call, each frozen when it has converged."""

    point: FixedPoint
    step: Any
    parameters: list[np.ndarray]
    x: list[np.ndarray]
    most: int

    def __post_init__(self) -> None:
        shape = (self.x[0].size,)
        self.active = np.ones(shape, bool)
        self.still = np.zeros(shape, bool)
        self.iterations = np.zeros(shape, int)
        self.change = np.full(shape, np.inf)

    def run(self) -> None:
        number = len(self.x)
        for _ in range(self.most):
            index = np.flatnonzero(self.active)
            if not index.size:
                break
            old = [v[index] for v in self.x]
            new = self._outputs(index)[:number]
            size = np.maximum.reduce([np.abs(v) for v in new])
            moved = np.maximum.reduce([np.abs(a - b) for a, b in zip(new, old, strict=True)])
            change = np.where(moved == 0, 0.0, moved / np.where(size > 0, size, 1.0))
            self.iterations[index] += 1
            dither = (change <= DITHER) & (change >= self.change[index])
            still = (change <= TOLERANCE) | dither
            broken = ~np.isfinite(change)
            for value, improved in zip(self.x, new, strict=True):
                value[index] = improved
            self.change[index] = change
            self.still[index] = still
            self.active[index] = ~(still | broken)

    def _outputs(self, index: np.ndarray) -> list[np.ndarray]:
        operands = [p[index] for p in self.parameters] + [v[index] for v in self.x]
        shape = index.shape
        return [np.broadcast_to(o, shape) for o in _call(self.step, operands)]

    def solution(self, shape: tuple[int, ...]) -> Solution:
        number = len(self.x)
        index = np.arange(self.x[0].size)
        rest = self._outputs(index)[number:]
        residuals, slopes, inside = rest[:number], rest[number:-1], rest[-1] == 1
        residual = np.maximum.reduce([np.abs(r) for r in residuals])
        at_root = self._distance(residuals, slopes) < NEAR
        good = self.still & at_root & inside
        names = [str(u) for u in self.point.unknowns]
        message = self._sentence(names, good, at_root, inside, residual)
        values = {
            name: _shaped(np.where(good, v, np.nan), shape)
            for name, v in zip(names, self.x, strict=True)
        }
        return Solution(
            values,
            _shaped(good, shape),
            _shaped(residual, shape),
            _shaped(self.iterations, shape),
            message,
        )

    def _distance(self, residuals: list[np.ndarray], slopes: list[np.ndarray]) -> np.ndarray:
        """Return Newton's estimate of the relative distance to the root."""
        number = len(residuals)
        matrix = np.moveaxis(np.array(slopes).reshape(number, number, -1), -1, 0)
        size = np.maximum.reduce([np.abs(v) for v in self.x])
        distance = np.full(size.shape, np.inf)
        for k, (jacobian, vector) in enumerate(zip(matrix, np.array(residuals).T, strict=True)):
            if not np.isfinite(jacobian).all() or not np.isfinite(vector).all():
                continue
            move = np.abs(np.linalg.lstsq(jacobian, vector, rcond=None)[0]).max()
            distance[k] = move / size[k] if size[k] > 0 else move
        return distance

    def _sentence(
        self,
        names: list[str],
        good: np.ndarray,
        at_root: np.ndarray,
        inside: np.ndarray,
        residual: np.ndarray,
    ) -> str:
        what = " and ".join(names)
        if good.all():
            return (
                f"{what} converged in {int(self.iterations.max())} iterations; the largest "
                f"residual is {float(residual.max()):.1e}."
            )
        k = int(np.flatnonzero(~good)[0])
        place = ", ".join(
            f"{s} = {float(p[k])!r}"
            for s, p in zip(self.point.parameters, self.parameters, strict=True)
        )
        last = ", ".join(f"{n} = {float(v[k]):.6g}" for n, v in zip(names, self.x, strict=True))
        if not np.isfinite(self.change[k]):
            why = f"the iteration left the numbers after {self.iterations[k]} steps"
        elif not self.still[k]:
            why = (
                f"after {self.iterations[k]} iterations the unknowns still change by "
                f"{float(self.change[k]):.1e} of their size, near {last}"
            )
        elif not at_root[k]:
            why = f"the iteration stands still at {last}, where the residual is {residual[k]:.1e}"
        else:
            why = f"the root {last} is not on the branch {self.point.branch}"
        more = int((~good).sum()) - 1
        others = f" ({more} more points failed)" if more else ""
        return f"{what} not found at {place}: {why}{others}."


def _shaped(values: np.ndarray, shape: tuple[int, ...]) -> Any:
    return values.reshape(shape) if shape else values[0].item()
