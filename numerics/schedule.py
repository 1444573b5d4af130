"""The order in which a program runs over a tile of points.

A kernel works on tiles of a few hundred lanes. Straight-line code runs in one pass over the lanes,
which a compiler turns into vector instructions; a root, a sum or a table of constants iterates
over the *whole* tile, so that its body is again a sequence of passes. This module finds those
passes: it drops values nobody uses, moves out of every loop what does not change in it, and lists
the values that must be kept in a tile because one pass defines and another uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from numerics.division import merge_quotients
from numerics.errors import LoweringError
from numerics.program import BOOLEAN, COST_FREE, Block, Instruction, Program, walk

ITERATIONS = frozenset({"root", "sum", "table_sum"})
# Operands computed by an earlier stage of a grid: NaN is not forbidden to them.
GIVEN = frozenset({"intermediate", "steady"})
FREE = COST_FREE | GIVEN


@dataclass(frozen=True)
class Lanes:
    """One pass over the lanes: straight-line instructions without loops.

    Parameters
    ----------
    number : int
        Distinguishes the passes of a program.
    instructions : tuple of Instruction
        In order.
    """

    number: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Iteration:
    """A loop over the whole tile.

    Parameters
    ----------
    instruction : Instruction
        The ``root``, ``sum`` or ``table_sum``.
    before : Lanes
        The pass that prepares its starting values.
    body : Schedule
        What is repeated.
    """

    instruction: Instruction
    before: Lanes
    body: Schedule

    @property
    def name(self) -> int:
        """First result: the number by which the loop's own tiles are called."""
        return self.instruction.results[0]


@dataclass(frozen=True)
class Schedule:
    """Iterations in order, then the pass that yields."""

    iterations: tuple[Iteration, ...]
    last: Lanes
    yields: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A program arranged into passes.

    Parameters
    ----------
    program : Program
        What is computed.
    schedule : Schedule
        The passes.
    definitions : dict
        Value number to the instruction that defines it.
    tiled : frozenset of int
        Values kept in a tile between passes.
    booleans : frozenset of int
        Values that are true or false.
    parameters : dict
        Block parameter to the loop that binds it.
    """

    program: Program
    schedule: Schedule
    definitions: dict[int, Instruction]
    tiled: frozenset[int]
    booleans: frozenset[int]
    parameters: dict[int, Instruction]


def plan(program: Program) -> Plan:
    """Arrange a program into passes over the lanes of a tile.

    Parameters
    ----------
    program : Program
        Any program.

    Returns
    -------
    Plan
        The same operations, in an order that keeps few values between passes.

    Raises
    ------
    LoweringError
        If a constraint depends on a root or a sum.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> p = plan(b.program({"y": b.op("sqrt", b.op("add", x, b.constant(1)))}))
    >>> [i.op for i in p.schedule.last.instructions]
    ['add', 'sqrt']
    """
    constraints = tuple(c.value for c in program.constraints)
    instructions = merge_quotients(normal_form(program), (*program.body.yields, *constraints))
    definitions = {r: i for i in walk(Block((), instructions, ())) for r in i.results}
    _refuse_late_constraints(program, definitions)
    arranger = _Arranger(definitions)
    schedule = arranger.arrange(Block((), instructions, program.body.yields), constraints)
    loops = [i for i in walk(Block((), instructions, ())) if i.block is not None]
    return Plan(
        program,
        schedule,
        definitions,
        frozenset(arranger.tiled),
        _booleans(definitions),
        {p: i for i in loops if i.block is not None for p in i.block.parameters},
    )


def normal_form(program: Program) -> tuple[Instruction, ...]:
    """Return what a program does, without dead code, residuals, and repetition inside loops.

    Parameters
    ----------
    program : Program
        Any program.

    Returns
    -------
    tuple of Instruction
        The outermost block, in order; what does not change in a loop stands before it.
    """
    wanted = (*program.body.yields, *(c.value for c in program.constraints))
    instructions, _ = _hoist(program.body)
    return _prune(instructions, set(wanted))


def uses(instruction: Instruction) -> frozenset[int]:
    """Return every value an instruction takes from outside itself.

    Parameters
    ----------
    instruction : Instruction
        Simple or with a block.

    Returns
    -------
    frozenset of int
        Inputs and free values of the block.
    """
    found = set(instruction.inputs)
    if instruction.block is not None:
        found |= _free(instruction.block)
    return frozenset(found)


def _free(block: Block) -> set[int]:
    bound = set(block.parameters)
    found: set[int] = set()
    for instruction in block.instructions:
        found |= uses(instruction)
        bound |= set(instruction.results)
    return (found | set(block.yields)) - bound


def _hoist(block: Block) -> tuple[tuple[Instruction, ...], Block]:
    """Split a block into what does not depend on its parameters and the rest."""
    changing = set(block.parameters)
    outside: list[Instruction] = []
    inside: list[Instruction] = []
    for instruction in block.instructions:
        candidates = [instruction]
        if instruction.block is not None:
            invariant, inner = _hoist(instruction.block)
            candidates = [*invariant, replace(instruction, block=inner)]
        for candidate in candidates:
            if uses(candidate) & changing:
                inside.append(candidate)
                changing |= set(candidate.results)
            else:
                outside.append(candidate)
    return tuple(outside), replace(block, instructions=tuple(inside))


def _prune(instructions: Iterable[Instruction], wanted: set[int]) -> tuple[Instruction, ...]:
    """Drop instructions whose results are not wanted, and the residuals of roots."""
    kept: list[Instruction] = []
    for instruction in reversed(tuple(instructions)):
        if not wanted & set(instruction.results):
            continue
        if instruction.block is not None:
            block = instruction.block
            count = len(instruction.results)
            yields = block.yields[:count]
            inner = _prune(block.instructions, set(yields))
            instruction = replace(instruction, block=Block(block.parameters, inner, yields))
        kept.append(instruction)
        wanted |= uses(instruction)
    return tuple(reversed(kept))


def _refuse_late_constraints(program: Program, definitions: dict[int, Instruction]) -> None:
    for constraint in program.constraints:
        for instruction in _closure({constraint.value}, definitions):
            if instruction.op in ITERATIONS:
                raise LoweringError(
                    "compile_program(...)",
                    f"the condition {constraint.text!r} depends on a {instruction.op}",
                    "a kernel decides which points are valid before it iterates",
                    "state the condition in the arguments only",
                )


def _closure(wanted: set[int], definitions: dict[int, Instruction]) -> Iterator[Instruction]:
    """Yield the instructions on which some values depend."""
    pending, seen = list(wanted), set(wanted)
    while pending:
        instruction = definitions.get(pending.pop())
        if instruction is None:
            continue
        yield instruction
        fresh = uses(instruction) - seen
        seen |= fresh
        pending.extend(fresh)


def _booleans(definitions: dict[int, Instruction]) -> frozenset[int]:
    found: set[int] = set()
    for value, instruction in definitions.items():  # in program order within each block
        if instruction.op in BOOLEAN or (
            instruction.op == "select" and instruction.inputs[1] in found
        ):
            found.add(value)
    return frozenset(found)


class _Arranger:
    """Cuts blocks into passes and remembers which values cross from one pass to another."""

    def __init__(self, definitions: dict[int, Instruction]):
        self.definitions = definitions
        self.tiled: set[int] = set()
        self._home: dict[int, int] = {}  # value -> number of the pass that defines it
        self._count = 0

    def arrange(self, block: Block, first: tuple[int, ...] = ()) -> Schedule:
        """Return the passes of a block; the values of ``first`` belong to its first pass."""
        simple = [i for i in block.instructions if i.op not in ITERATIONS]
        done: set[int] = set()
        iterations: list[Iteration] = []
        for loop in (i for i in block.instructions if i.op in ITERATIONS):
            # Free values of the body must exist before the loop starts; its inputs are consumed
            # by the pass before it and need no tile.
            before = self._lanes(simple, done, set(uses(loop)) | set(first))
            self._consume(before, (*loop.inputs, *first))
            first = ()
            if loop.block is None:
                raise ValueError(f"{loop.op} without a block")
            iterations.append(Iteration(loop, before, self.arrange(loop.block)))
        last = self._lanes(simple, done, {*block.yields, *first})
        self._consume(last, (*block.yields, *first))
        return Schedule(tuple(iterations), last, block.yields)

    def _lanes(self, simple: list[Instruction], done: set[int], wanted: set[int]) -> Lanes:
        chosen: list[Instruction] = []
        for instruction in reversed(simple):
            if set(instruction.results) & wanted and not set(instruction.results) & done:
                chosen.append(instruction)
                wanted = wanted | set(instruction.inputs)
        chosen.reverse()
        self._count += 1
        lanes = Lanes(
            self._count,
            tuple(instruction for instruction in chosen if instruction.op not in FREE),
        )
        for instruction in chosen:
            done |= set(instruction.results)
            if instruction.op not in FREE:
                self._home.update(dict.fromkeys(instruction.results, lanes.number))
        for instruction in lanes.instructions:
            self._consume(lanes, instruction.inputs)
        return lanes

    def _consume(self, lanes: Lanes, values: Iterable[int]) -> None:
        for value in values:
            if self._home.get(value, lanes.number) != lanes.number:
                self.tiled.add(value)
