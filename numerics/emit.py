"""Program -> the source text of a kernel: the inner loop of a ufunc, in tiles of lanes.

The text is Python for numba's eyes. Values are numbered locals (``v12``), so that no name from
outside can enter; a comment says which operand is which argument. The frame (operands, validity,
passes, results) is the same in every precision; an :class:`~numerics.arithmetic.Arithmetic` writes
the values and :mod:`numerics.emit_iterations` the loops.

A lane's result depends on that lane's operands alone, never on its neighbours, so that scalar,
scattered, strided and threaded calls agree bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from numerics.arithmetic import Arithmetic, Facts, Float64
from numerics.emit_double_double import DoubleDouble
from numerics.emit_iterations import TABLES, Ending, close_loop, open_loop, repeat, result_load
from numerics.errors import ArgumentsError, LoweringError
from numerics.program import Instruction, Program
from numerics.schedule import GIVEN, ITERATIONS, Iteration, Lanes, Schedule, plan

PRECISIONS: dict[str, Arithmetic] = {"float64": Float64(), "double-double": DoubleDouble()}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")
_MAXIMUM_OPERANDS = 64  # NPY_MAXARGS of NumPy 2
_TILE_BYTES = 40960  # tiles beside the operands in place should stay in the first-level cache


def emit(program: Program, precision: str = "float64") -> str:
    """Write the source of the kernel of a program.

    Parameters
    ----------
    program : Program
        What to compute.
    precision : {"float64", "double-double"}
        How numbers are held; in double-double every argument and output is a pair.

    Returns
    -------
    str
        A Python module with one function ``loop(args, dimensions, steps, data)``.

    Raises
    ------
    LoweringError
        If an operation has no form in this precision.
    ArgumentsError
        If an argument is not a plain name.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> print([line for line in emit(b.program({"y": b.op("mul", x, x)})).splitlines()
    ...        if "v1 =" in line][0].strip())
    v1 = v0 * v0
    """
    for name in (*program.arguments, *program.outputs):
        if not _NAME.match(name):
            raise ArgumentsError(
                "compile_program(...)",
                f"{name!r} is not a plain name",
                "names go into comments of generated code: letters, digits and _ only, 64 at most",
                "rename it",
            )
    arithmetic = PRECISIONS[precision]
    operands = (len(program.arguments) + len(program.outputs)) * len(arithmetic.parts)
    if operands > _MAXIMUM_OPERANDS:
        raise LoweringError(
            "compile_program(...)",
            f"{operands} operands are more than the {_MAXIMUM_OPERANDS} of a NumPy ufunc",
            "every argument and output is one operand, in double-double two",
            "split the formula",
        )
    return _Frame(program, arithmetic, precision).text()


@dataclass(frozen=True)
class _Validity:
    """The pass that decides which points are valid, and its text."""

    lanes: int
    uses: tuple[int, ...]
    lines: tuple[str, ...]
    kept: bool


class _Frame:
    """Collects the lines of one kernel."""

    def __init__(self, program: Program, arithmetic: Arithmetic, precision: str):
        self.program, self.arithmetic, self.precision = program, arithmetic, precision
        self.plan = plan(program)
        self.facts = Facts.of(self.plan)
        schedule = self.plan.schedule
        first = schedule.iterations[0].before if schedule.iterations else schedule.last
        self.lines: list[str] = []
        self.depth = 0
        self.held: set[int] = set()  # values that the surrounding text has loaded
        self.crossing: set[int] = set()  # values that one loop over the lanes leaves to another
        self.validity = self._validity(first)

    def text(self) -> str:
        """Return the module."""
        streams = self._streams()
        body = self._body()
        lanes = self._lane_count()
        head = [
            '"""Generated kernel; do not edit.',
            "",
            f"program {self.program.key}, {self.precision}",
            *(f"a{k} = {name}" for k, name in enumerate(self._operand_names())),
            '"""',
            *self._tables(),
            "",
            "",
            "def loop(args, dimensions, steps, data):",
            "    n = dimensions[0]",
            *(f"    {line}" for line in self.arithmetic.opening),
            "    status = tile(1)",
            "    save_status(status)  # branches not taken leave no floating-point warning",
            *(f"    {name} = tile({lanes})" for name in self._tile_names()),
            *(f"    s{k} = steps[{k}]" for k in range(len(self._operand_names()))),
            "    invalid = 0",
            "    undefined = 0",
            *streams,
            *("    " * bool(streams) + line for line in self._tiles(body, lanes)),
            "    count(data, 0, invalid)",
            "    count(data, 1, undefined)",
            "    restore_status(status)",
        ]
        return "\n".join(head) + "\n"

    def _tiles(self, body: list[str], lanes: int) -> list[str]:
        """Return the loop over tiles, for operands that lie anywhere."""
        inputs = range(self._input_count())
        outputs = range(self._input_count(), len(self._operand_names()))
        return [
            *(f"    splat(c{k}, args[{k}], s{k}, min(n, {lanes}))" for k in inputs),
            f"    for start in range(0, n, {lanes}):",
            f"        m = min({lanes}, n - start)",
            *(f"        a{k} = operand(args[{k}], start, s{k}, c{k}, m)" for k in inputs),
            *body,
            *(f"        deliver(args[{k}], start, s{k}, y{k}, m)" for k in outputs),
        ]

    def _streams(self) -> list[str]:
        """Return the loop over operands that lie one after the other, or stand still as foreseen.

        Nothing is copied and what stands still stays in a register; the operations are the same.
        """
        if self.plan.schedule.iterations or len(self.arithmetic.parts) > 1:
            return []
        inputs = range(self._input_count())
        outputs = range(self._input_count(), len(self._operand_names()))
        steady = {i.attribute for i in self.plan.definitions.values() if i.op == "steady"}
        # an operand that is overwritten while it is read goes through tiles
        condition = " & ".join(
            [f"(s{k} == {0 if k in steady else 8})" for k in (*inputs, *outputs)]
            + [f"apart(args[{k}], args[{j}])" for j in outputs for k in inputs]
        )
        held = [
            line
            for value, i in sorted(self.plan.definitions.items())
            if i.op == "steady"
            for line in self._load(value, self.arithmetic)
        ]
        self.held = {v for v, i in self.plan.definitions.items() if i.op == "steady"}
        body = self._body()
        self.held = set()
        return [
            f"    if {condition}:",
            "        m = n",
            *(f"        a{k} = offset(args[{k}], 0)" for k in inputs),
            *(f"        y{k} = offset(args[{k}], 0)" for k in outputs),
            *(f"        {line.replace('[i]', '[0]')}" for line in held),
            *body,
            "    else:",
        ]

    # ---- operands, tiles and tables

    def _input_count(self) -> int:
        return len(self.program.arguments) * len(self.arithmetic.parts)

    def _operand_names(self) -> list[str]:
        if len(self.arithmetic.parts) == 1:
            return [*self.program.arguments, *self.program.outputs]
        return [
            *(f"{a}, high part" for a in self.program.arguments),
            *(f"{a}, low part" for a in self.program.arguments),
            *(f"{o}, {p} part" for o in self.program.outputs for p in ("high", "low")),
        ]

    def _tile_names(self) -> list[str]:
        inputs, operands = self._input_count(), len(self._operand_names())
        names = [f"c{k}" for k in range(inputs)] + [f"y{k}" for k in range(inputs, operands)]
        if self.validity.kept:
            names.append("valid")
        kept = self.plan.tiled | self.crossing
        for loop in {id(i): i for i in self.plan.parameters.values()}.values():
            name = loop.results[0]
            if loop.op != "table_sum":
                names.append(f"e{name}")
            if loop.op != "table_sum" and loop.block is not None:
                kept |= set(loop.block.parameters)
            if loop.op != "root":
                kept |= set(loop.results)
        return names + [f"{t}{value}" for value in sorted(kept) for t in self.arithmetic.tiles]

    def _lane_count(self) -> int:
        loops = {i.op for i in self.plan.parameters.values()}
        # A tile waits for its slowest root: the fewer lanes the shorter the wait.
        lanes = 32 if "root" in loops else 256
        while lanes > 64 and len(self._tile_names()) * lanes * 8 > _TILE_BYTES:
            lanes //= 2
        return lanes

    def _tables(self) -> list[str]:
        lines = []
        for parameter, loop in sorted(self.plan.parameters.items()):
            if loop.op == "table_sum" and loop.block is not None:
                column = loop.attribute[loop.block.parameters.index(parameter)]
                entries = [self.arithmetic.constant(entry) for entry in column]
                for table, texts in zip(TABLES, zip(*entries, strict=True), strict=False):
                    lines.append(f"{table}{parameter} = array([{', '.join(texts)}])")
        return lines

    # ---- validity

    def _validity(self, lanes: Lanes) -> _Validity:
        conditions: list[str] = []
        covered: set[int] = set()
        values = tuple(c.value for c in self.program.constraints)
        for value in values:
            conditions.append(f"b{value}")
            if value in self.facts.undecidable:
                conditions.append(f"(not q{value})")
            covered |= self._covered(value)
        count = len(self.program.arguments)
        given = {i.attribute for i in self.plan.definitions.values() if i.op in GIVEN}
        checked = [k for k in range(count) if k not in given]
        if len(self.arithmetic.parts) == 2:
            # A pair is normalised, and neither part is NaN, if hi + lo rounds to hi.
            conditions += [f"(a{k}[i] + a{k + count}[i] == a{k}[i])" for k in checked]
        else:
            left = [k for k in checked if k not in covered]
            for k, other in zip(left[::2], [*left[1::2], *left[-1:]], strict=False):
                conditions.append(f"(not unordered(a{k}[i], a{other}[i]))")
        line = f"ok = {' & '.join(conditions) if conditions else 'n > 0'}"
        kept = bool(self.plan.schedule.iterations)
        kept |= len(self._loops(lanes, self.arithmetic)) > 1
        store = ["valid[i] = where(ok, 1.0, 0.0)"] if kept else []
        return _Validity(lanes.number, values, (line, *store), kept)

    def _covered(self, value: int) -> set[int]:
        """Positions of the arguments that a condition already refuses when they are NaN."""
        instruction = self.plan.definitions[value]
        if instruction.op == "and":
            return set().union(*(self._covered(v) for v in instruction.inputs))
        if instruction.op in ("less", "less_equal", "equal"):
            found = (self.plan.definitions.get(v) for v in instruction.inputs)
            return {i.attribute for i in found if i is not None and i.op == "argument"}
        return set()

    # ---- passes

    def _body(self) -> list[str]:
        self.lines, self.depth = [], 2
        arithmetic = self.arithmetic
        self._run(self.plan.schedule, arithmetic, self._results(arithmetic))
        return self.lines

    def _results(self, arithmetic: Arithmetic) -> Ending:
        lines = ["invalid += not ok"]
        operand = self._input_count()
        yields = self.program.body.yields
        missing = []
        for value in yields:
            if value in self.plan.booleans:
                lines.append(f"{arithmetic.parts[0]}{value} = where(b{value}, 1.0, 0.0)")
                lines += [f"{part}{value} = 0.0" for part in arithmetic.parts[1:]]
            main = f"{arithmetic.parts[0]}{value}"
            missing.append(f"unordered({main}, {main})")
            for part in arithmetic.parts:
                lines.append(f"y{operand}[i] = where(ok, {part}{value}, nan)")
                operand += 1
        lines.append(f"undefined += ok & ({' | '.join(missing)})")
        return Ending(yields, tuple(lines), needs_validity=True)

    def _run(self, schedule: Schedule, arithmetic: Arithmetic, ending: Ending) -> None:
        for iteration in schedule.iterations:
            self._lanes(iteration.before, arithmetic, open_loop(iteration, arithmetic))
            self._iterate(iteration, arithmetic)
        self._lanes(schedule.last, arithmetic, ending)

    def _iterate(self, iteration: Iteration, arithmetic: Arithmetic) -> None:
        for phase in repeat(iteration, arithmetic):
            self._write(phase.before)
            self._write(phase.head)
            self.depth += 1
            ending = close_loop(iteration, phase.arithmetic)
            self._run(iteration.body, phase.arithmetic, ending)
            self._write(phase.tail)
            self.depth -= 1

    def _lanes(self, lanes: Lanes, arithmetic: Arithmetic, ending: Ending) -> None:
        decides = lanes.number == self.validity.lanes
        passes = self._loops(lanes, arithmetic)
        last = len(passes) - 1
        home = {r: k for k, part in enumerate(passes) for i in part for r in i.results}
        decided = max((home.get(v, 0) for v in self.validity.uses), default=0) if decides else -1
        wanted = [[v for i in part for v in i.inputs] for part in passes]
        wanted[last] += ending.uses
        if decides:
            wanted[decided] += self.validity.uses
        crossing = {v for k, used in enumerate(wanted) for v in used if home.get(v, k) < k}
        self.crossing |= crossing
        self._write(ending.before)
        for k, part in enumerate(passes):
            self._write(["for i in range(m):"])
            self.depth += 1
            own = {r for i in part for r in i.results}
            for value in dict.fromkeys(v for v in wanted[k] if v not in own | self.held):
                self._write(self._load(value, arithmetic))
            for instruction in part:
                self._write(arithmetic.operation(instruction, self.facts))
            for value in sorted(own & (self.plan.tiled | crossing)):
                self._write(self._store(value, arithmetic))
            if k == decided:
                self._write(self.validity.lines)
            if k == last:
                if ending.needs_validity and k != decided:
                    self._write(["ok = valid[i] != 0.0"])
                self._write(ending.lines)
            self.depth -= 1

    def _loops(self, lanes: Lanes, arithmetic: Arithmetic) -> tuple[tuple[Instruction, ...], ...]:
        # Beside a root or a sum, what is done once does not repay the compilation of more loops.
        if self.plan.schedule.iterations and self.depth <= 2:
            return (lanes.instructions,)
        return arithmetic.passes(lanes.instructions)

    def _load(self, value: int, arithmetic: Arithmetic) -> list[str]:
        instruction: Instruction | None = self.plan.definitions.get(value)
        places = list(zip(arithmetic.parts, arithmetic.tiles, strict=True))
        if instruction is None:  # bound by a loop
            return result_load(self.plan.parameters[value], value, arithmetic, bound=True)
        if instruction.op in ("argument", *GIVEN):
            count = len(self.program.arguments)
            return [
                f"{part}{value} = a{instruction.attribute + count * k}[i]"
                for k, part in enumerate(arithmetic.parts)
            ]
        if instruction.op == "constant":
            texts = arithmetic.constant(instruction.attribute)
            return [
                f"{part}{value} = {text}"
                for part, text in zip(arithmetic.parts, texts, strict=True)
            ]
        if instruction.op in ITERATIONS:
            return result_load(instruction, value, arithmetic, bound=False)
        if value in self.plan.booleans:
            lines = [f"x = t{value}[i]", f"b{value} = x == 1.0"]
            return lines + [f"q{value} = unordered(x, x)"] * (value in self.facts.undecidable)
        return [f"{part}{value} = {tile}{value}[i]" for part, tile in places]

    def _store(self, value: int, arithmetic: Arithmetic) -> list[str]:
        if value in self.plan.booleans:
            text = f"where(b{value}, 1.0, 0.0)"
            doubt = value in self.facts.undecidable
            return [f"t{value}[i] = " + (f"where(q{value}, nan, {text})" if doubt else text)]
        return [
            f"{tile}{value}[i] = {part}{value}"
            for part, tile in zip(arithmetic.parts, arithmetic.tiles, strict=True)
        ]

    def _write(self, lines: Iterable[str]) -> None:
        self.lines += ["    " * self.depth + line for line in lines]
