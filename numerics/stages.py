"""Stages of a program on a grid: one for each set of axes, smallest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numerics.program import BOOLEAN, COST_FREE, Block, Instruction, Program, walk
from numerics.schedule import normal_form, uses

LEAST_REDUCTION = 4  # a stage must have so many times fewer points than the grid
LEAST_GAIN = 0.2  # stages are not worth their trouble for less
HEAVY = 5.0  # cost above which a value is worth an operand
NANOSECONDS = 0.15  # per unit of cost and point
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


def barred_sets(masks: tuple[int, ...], shape: tuple[int, ...]) -> frozenset[int]:
    """Return the sets of axes that are hardly smaller than the grid.

    Parameters
    ----------
    masks : tuple of int
        For each argument the axes along which it varies, as bits.
    shape : tuple of int
        Of the grid.

    Returns
    -------
    frozenset of int
        Sets of axes as bits.

    Examples
    --------
    >>> sorted(barred_sets((1, 2), (1000, 2)))
    [1, 3]
    """
    unions = {0}
    for mask in masks:
        unions |= {mask | union for union in unions}
    size = math.prod(shape)
    return frozenset(m for m in unions if _points(m, shape) * LEAST_REDUCTION > size)


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
    last = stages[-1]
    moving = [masks[k] for k in last.arguments] + [cutter.mask[v] for v in last.values]
    innermost = cutter.full.bit_length() - 1
    steady = frozenset(k for k, mask in enumerate(moving) if not mask >> innermost & 1)
    return Cut(stages, whole, _without_checks(last, steady))


def _without_checks(stage: Stage, steady: frozenset[int]) -> Stage:
    """Return a last stage that takes every operand as valid, and only those it computes with."""
    program, count = stage.program, len(stage.arguments)
    kept = normal_form(replace(program, constraints=()))
    used = sorted(i.attribute for i in kept if i.op in ("argument", "intermediate"))
    written = tuple(
        replace(
            i,
            op="steady" if i.attribute in steady else "intermediate",
            attribute=used.index(i.attribute),
        )
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


def _points(mask: int, shape: Sequence[int]) -> int:
    return math.prod(length for k, length in enumerate(shape) if mask >> k & 1)
