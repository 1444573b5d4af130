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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from numerics.kernel import SMALLEST_GRID, span
from numerics.program import BOOLEAN, COST_FREE, Block, Instruction, Program, walk
from numerics.schedule import normal_form, uses

LEAST_REDUCTION = 4  # a stage must have so many times fewer points than the grid
LEAST_GAIN = 0.2  # stages are not worth their trouble for less
HEAVY = 5.0  # cost above which a value is worth an operand
NANOSECONDS = 0.15  # per unit of cost and point
COMPILE_NANOSECONDS = 1.5e9  # per stage

CHECK_SHARE = 8  # conditions are looked at beforehand if they span so few of the points
_COST = {
    "div": 6.0,
    "sqrt": 6.0,
    "pow": 60.0,
    "gamma": 60.0,
    "zeta": 600.0,
    "power_law_sum": 6000.0,
}
_COST |= dict.fromkeys(("exp", "log", "sin", "cos", "atan"), 25.0)
_ROUNDS = {"root": 8, "sum": 30}


@dataclass(frozen=True)
class Stage:
    """One program of a cut: the values that depend on one set of axes.

    Parameters
    ----------
    mask : int
        Bit j is set if the stage depends on axis j.
    program : Program
        Takes some arguments, then values of earlier stages.
    arguments : tuple of int
        Positions of the arguments it takes.
    values : tuple of int
        Value numbers of earlier stages it takes.
    results : tuple of int
        Value numbers it provides; empty for the last stage.
    cost : float
        Per point.
    """

    mask: int
    program: Program
    arguments: tuple[int, ...]
    values: tuple[int, ...]
    results: tuple[int, ...]
    cost: float
    kernels: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass
class Savings:
    """What a cut would have saved so far, in nanoseconds; have its stages been compiled."""

    total: float = 0.0
    compiled: bool | None = None


@dataclass(frozen=True)
class Cut:
    """Stages in order, the last one on the whole grid.

    Parameters
    ----------
    stages : tuple of Stage
        Smallest sets of axes first.
    whole : float
        Cost per point of the program in one piece.
    unchecked : Stage
        The last stage for points that are known to be valid.
    """

    stages: tuple[Stage, ...]
    whole: float
    unchecked: Stage
    savings: Savings = field(default_factory=Savings, compare=False, repr=False)

    def saving(self, shape: Sequence[int]) -> float:
        """Return the expected gain on a grid, in nanoseconds; zero if it is hardly any."""
        whole = cost = self.whole * math.prod(shape)
        for stage in self.stages:
            operands = len(stage.arguments) + len(stage.values) + max(1, len(stage.results))
            cost -= (stage.cost + operands) * _points(stage.mask, shape)
        return cost * NANOSECONDS if cost > LEAST_GAIN * whole else 0.0


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
    key = masks, _too_large(masks, shape)
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


# ---- cutting


def cut_program(
    program: Program, masks: tuple[int, ...], barred: frozenset[int], parts: int = 1
) -> Cut | None:
    """Cut a program into stages.

    Parameters
    ----------
    program : Program
        The whole.
    masks : tuple of int
        For each argument the axes along which it varies, as bits.
    barred : frozenset of int
        Sets of axes that get no stage of their own.
    parts : int
        Floats per number.

    Returns
    -------
    Cut or None
        None if there is nothing worth a stage.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x", "y"))
    >>> root = b.op("exp", b.op("sqrt", b.argument("x")))
    >>> cut = cut_program(b.program({"f": b.op("mul", root, b.argument("y"))}), (1, 2), frozenset())
    >>> [(stage.mask, stage.program.operations()) for stage in cut.stages]
    [(1, {'sqrt': 1, 'exp': 1}), (3, {'intermediate': 1, 'mul': 1})]
    """
    cutter = _Cutter(program, masks, barred)
    stages = cutter.stages()
    if len(stages) < 2:
        return None
    for stage in stages:
        operands = len(stage.arguments) + len(stage.values) + len(stage.program.outputs)
        if operands * parts > 64:
            return None
    whole = sum(_cost(i) for i in cutter.instructions)
    return Cut(stages, whole, _without_checks(stages[-1]))


def _without_checks(stage: Stage) -> Stage:
    """Return a last stage that takes every operand as valid, and only those it computes with."""
    program, count = stage.program, len(stage.arguments)
    kept = normal_form(replace(program, constraints=()))
    used = sorted(i.attribute for i in kept if i.op in ("argument", "intermediate"))
    written = tuple(
        replace(i, op="intermediate", attribute=used.index(i.attribute))
        if i.op in ("argument", "intermediate")
        else i
        for i in kept
    )
    return Stage(
        stage.mask,
        Program(
            tuple(program.arguments[k] for k in used),
            replace(program.body, instructions=written),
            program.outputs,
        ),
        tuple(stage.arguments[k] for k in used if k < count),
        tuple(stage.values[k - count] for k in used if k >= count),
        (),
        stage.cost,
    )


class _Cutter:
    """Assigns every value to a set of axes and writes one program for each set."""

    def __init__(self, program: Program, masks: tuple[int, ...], barred: frozenset[int]):
        self.program, self.full = program, 0
        for mask in masks:
            self.full |= mask
        self.instructions = normal_form(program)
        self.definitions = {r: i for i in self.instructions for r in i.results}
        self.mask: dict[int, int] = {}
        self.effort: dict[int, float] = {}  # to compute a value again where it is needed
        self.booleans: set[int] = set()
        for instruction in self.instructions:
            self._classify(instruction, masks, barred)

    def _classify(
        self, instruction: Instruction, masks: tuple[int, ...], barred: frozenset[int]
    ) -> None:
        if instruction.op == "argument":
            mask = masks[instruction.attribute]
        else:
            mask = 0
            for value in uses(instruction):
                mask |= self.mask[value]
        if mask in barred:
            mask = self.full
        effort = _cost(instruction) + sum(
            1.0 if self._heavy(v) else self.effort[v] for v in uses(instruction)
        )
        for result in instruction.results:
            self.mask[result], self.effort[result] = mask, effort
        if instruction.op in BOOLEAN or (
            instruction.op == "select" and instruction.inputs[1] in self.booleans
        ):
            self.booleans |= set(instruction.results)

    def _heavy(self, value: int) -> bool:
        return (
            self.mask[value] != self.full
            and self.effort[value] > HEAVY
            and value not in self.booleans
        )

    def stages(self) -> tuple[Stage, ...]:
        """Write the stages, the largest sets of axes first; return them in order of evaluation."""
        last = (*self.program.body.yields, *(c.value for c in self.program.constraints))
        wanted: dict[int, set[int]] = {}
        done = [self._stage(self.full, last, wanted)]
        while wanted:
            mask = max(wanted, key=lambda m: (m.bit_count(), m))
            done.append(self._stage(mask, tuple(sorted(wanted.pop(mask))), wanted))
        return tuple(reversed(done))

    def _stage(self, mask: int, targets: tuple[int, ...], wanted: dict[int, set[int]]) -> Stage:
        final = mask == self.full
        inside: set[int] = set()
        taken: set[int] = set()
        pending = list(targets)
        while pending:
            value = pending.pop()
            if value in inside or value in taken:
                continue
            if self.mask[value] != mask and self._heavy(value):
                taken.add(value)
                wanted.setdefault(self.mask[value], set()).add(value)
                continue
            instruction = self.definitions[value]
            inside |= set(instruction.results)
            pending += uses(instruction)
        chosen = [i for i in self.instructions if inside & set(i.results)]
        used = {i.attribute for i in chosen if i.op == "argument"}
        # The last stage takes every argument: it decides which points are valid.
        arguments = tuple(k for k in range(len(self.program.arguments)) if final or k in used)
        values = tuple(sorted(taken))
        written = [
            Instruction("intermediate", (v,), attribute=len(arguments) + k)
            for k, v in enumerate(values)
        ]
        for i in chosen:
            if i.op == "argument":
                i = Instruction("argument", i.results, attribute=arguments.index(i.attribute))
            written.append(i)
        names = tuple(self.program.arguments[k] for k in arguments)
        program = Program(
            (*names, *(f"value_{v}" for v in values)),
            Block((), tuple(written), self.program.body.yields if final else targets),
            self.program.outputs if final else tuple(f"value_{v}" for v in targets),
            self.program.constraints if final else (),
        )
        cost = sum(_cost(i) for i in chosen)
        return Stage(mask, program, arguments, values, () if final else targets, cost)


def _cost(instruction: Instruction) -> float:
    if instruction.op in COST_FREE:
        return 0.0
    if instruction.block is None:
        return _COST.get(instruction.op, 1.0)
    rounds = _ROUNDS.get(instruction.op) or len(instruction.attribute[0])
    return rounds * sum(_COST.get(i.op, 1.0) for i in walk(instruction.block))


def _mask(array: Any, shape: tuple[int, ...]) -> int:
    """Return the axes of the grid along which an operand varies, as bits."""
    offset = len(shape) - array.ndim
    return sum(1 << (offset + k) for k, length in enumerate(array.shape) if length > 1)


def _points(mask: int, shape: Sequence[int]) -> int:
    return math.prod(length for k, length in enumerate(shape) if mask >> k & 1)


def _too_large(masks: tuple[int, ...], shape: tuple[int, ...]) -> frozenset[int]:
    """Return the sets of axes that are hardly smaller than the grid."""
    unions = {0}
    for mask in masks:
        unions |= {mask | union for union in unions}
    size = math.prod(shape)
    return frozenset(m for m in unions if _points(m, shape) * LEAST_REDUCTION > size)
