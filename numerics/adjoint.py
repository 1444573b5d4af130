r"""Derivatives of a program by one backward pass, written as instructions of another program.

The adjoint of a value is the derivative of the result in it. What happens in a branch counts only
where the branch is taken, so an adjoint carries the :data:`Guard` under which it holds: inside the
branch nothing is masked, and one selection is written where branches meet. A root is a fixed point
x = G(x, p) of its step, so that x' = (1 - G_x)^(-1) G_p; a sum has the sum of the slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from numerics.errors import LoweringError
from numerics.program import BOOLEAN, Block, Builder, Instruction
from numerics.schedule import uses

MOST_UNKNOWNS = 4
MILLIONTH = Fraction(1, 2**20)
# Infinite, or no number, where an operand (the first of a quotient) is infinite.
_INFINITE = frozenset({"add", "sub", "mul", "div", "neg", "abs", "sqrt"})

Values = dict[int, int]
Guard = frozenset[tuple[int, bool]]
"""Masks that must hold (True) or fail (False) for a slope to count."""

ALWAYS: Guard = frozenset()


@dataclass(frozen=True)
class Slope:
    """An adjoint: its value, and where it holds; elsewhere it is zero whatever the value."""

    value: int
    guard: Guard = ALWAYS


Slopes = dict[int, Slope]


@dataclass(frozen=True)
class RootStep:
    """One step of an iteration, followed at the root.

    Parameters
    ----------
    values : dict
        Values of the step at the root.
    slopes : dict
        Derivative of the result in every value of the step, feedback included.
    """

    values: Values
    slopes: Slopes


class Tape:
    """Writes values and their adjoints to a builder.

    Parameters
    ----------
    builder : Builder
        Receives the instructions.
    constants : set of int
        Values of the original program that have no derivative.
    """

    def __init__(self, builder: Builder, constants: set[int]):
        self.builder, self.constants = builder, constants
        self.limits: dict[int, int] = {}
        self.zero, self.one = builder.constant(0), builder.constant(1)

    # ---- forward

    def follow_limits(
        self, instructions: Sequence[Instruction], values: Values, bounded: set[int]
    ) -> None:
        """Find where values are infinite because an argument is, by masks without doubt.

        What an overflow made infinite is not found, nor what the blocks of loops hold. An argument
        is its position in `bounded` if it cannot be infinite.
        """
        op = self.op
        for i in instructions:
            if i.block is not None:
                continue
            known = [self.limits.get(v) for v in i.inputs[: 1 if i.op == "div" else None]]
            masks = [m for m in known if m is not None]
            mask: int | None = None
            if i.op == "argument" and i.attribute not in bounded:
                mask = op("is_infinite", values[i.results[0]])
            elif i.op == "select" and masks:
                taken = values[i.inputs[0]]
                sides = (taken, op("not", taken))
                both = [
                    op("and", side, m)
                    for side, m in zip(sides, known[1:], strict=True)
                    if m is not None
                ]
                mask = both[0] if len(both) == 1 else op("or", *both)
            elif masks and (i.op in _INFINITE or (i.op == "power" and i.attribute > 0)):
                mask = masks[0] if len(masks) == 1 else op("or", *masks)
            if mask is not None:
                self.limits[i.results[0]] = mask

    def copy(self, instructions: Sequence[Instruction], values: Values) -> None:
        """Write instructions again, with the values known so far."""
        for i in instructions:
            if i.block is None:
                inputs = [values[v] for v in i.inputs]
                if i.op == "select":
                    values[i.results[0]] = self.builder.select(inputs[0], inputs[1], inputs[2])
                else:
                    values[i.results[0]] = self.builder.op(i.op, *inputs, attribute=i.attribute)
                continue
            block = i.block

            def body(inner: Values, block: Block = block) -> tuple[int, ...]:
                self.copy(block.instructions, inner)
                return tuple(inner[y] for y in block.yields)

            results = self.loop(i, block, values, body, len(i.results))
            values.update(zip(i.results, results, strict=True))

    def loop(
        self,
        i: Instruction,
        block: Block,
        values: Values,
        body: Callable[[Values], tuple[int, ...]],
        results: int | None = None,
    ) -> tuple[int, ...]:
        """Write a loop like instruction i with another body, and return its results."""
        parameters = self.builder.open(len(block.parameters))
        inner = {**values, **dict(zip(block.parameters, parameters, strict=True))}
        yields = body(inner)
        inputs = tuple(values[v] for v in i.inputs)
        count = len(yields) if results is None else results
        return self.builder.close(i.op, parameters, yields, inputs, i.attribute, count)

    # ---- backward

    def adjoints(
        self, instructions: Sequence[Instruction], values: Values, seeds: Slopes
    ) -> Slopes:
        """Return the derivative of the seeded combination in every value it depends on."""
        slopes = dict(seeds)
        for i in reversed(instructions):
            if not any(r in slopes for r in i.results) or i.op in BOOLEAN:
                continue
            if i.block is None:
                parts = self._simple(i, values, slopes[i.results[0]])
                pairs = ((v, self.flat(i, part)) for v, part in parts)
            elif i.op == "root":
                inside = self.root_step(i, i.block, values, slopes).slopes
                pairs = ((v, inside[v]) for v in sorted(free_values(i) & inside.keys()))
            else:
                pairs = self._sum(i, i.block, values, slopes)
            for value, slope in pairs:
                if value not in self.constants:
                    self.add(slopes, value, slope)
        return slopes

    def flat(self, i: Instruction, slope: Slope) -> Slope:
        """Return a slope through a value, zero where that is infinite: what follows is constant."""
        limit = self.limits.get(i.results[0])
        if limit is None:
            return slope
        return Slope(self.builder.select(limit, self.zero, slope.value), slope.guard)

    def _simple(self, i: Instruction, values: Values, slope: Slope) -> Iterator[tuple[int, Slope]]:
        """Yield each input with the slope that reaches it."""
        op, v, g = self.op, values[i.results[0]], slope.value
        x = [values[k] for k in i.inputs]
        parts: list[int] = []
        match i.op:
            case "argument" | "constant":
                return
            case "add":
                parts = [g, g]
            case "sub":
                parts = [g, op("neg", g)]
            case "mul":
                parts = [op("mul", g, x[1]), op("mul", g, x[0])]
            case "div":
                share = op("div", g, x[1])
                parts = [share, op("neg", op("mul", share, v))]
            case "neg":
                parts = [op("neg", g)]
            case "abs":
                below = op("less", x[0], self.zero)
                parts = [self.builder.select(below, op("neg", g), g)]
            case "sqrt":
                half = self.builder.constant(Fraction(1, 2))
                parts = [op("div", op("mul", half, g), v)]
            case "power":
                n = i.attribute
                rest = self.builder.op("power", x[0], attribute=n - 1) if n != 1 else self.one
                parts = [op("mul", op("mul", self.builder.constant(n), g), rest)]
            case "pow":
                parts = [op("div", op("mul", g, op("mul", x[1], v)), x[0]), self.zero]
                if i.inputs[1] not in self.constants:
                    parts[1] = op("mul", g, op("mul", v, op("log", x[0])))
            case "exp":
                parts = [op("mul", g, v)]
            case "log":
                parts = [op("div", g, x[0])]
            case "sin":
                parts = [op("mul", g, op("cos", x[0]))]
            case "cos":
                parts = [op("neg", op("mul", g, op("sin", x[0])))]
            case "atan":
                parts = [op("div", g, op("add", self.one, op("mul", x[0], x[0])))]
            case "gamma" | "zeta" | "power_law_sum":
                parts = [op("mul", g, part) for part in self.partials(i, values)]
            case "minimum" | "maximum":
                smaller = op("less", x[0], x[1])
                for value, taken in zip(i.inputs, (True, False), strict=True):
                    yield value, Slope(g, slope.guard | {(smaller, taken == (i.op == "minimum"))})
                return
            case "select":
                for value, taken in zip(i.inputs[1:], (True, False), strict=True):
                    yield value, Slope(g, slope.guard | {(x[0], taken)})
                return
            case other:
                raise LoweringError(
                    "sensitivity_program(program)",
                    f"the operation {other!r} has no derivative here",
                    "rounding errors are followed by derivatives of every operation",
                    'evaluate with precision="double-double" or with ball()',
                )
        for value, part in zip(i.inputs, parts, strict=True):
            yield value, Slope(part, slope.guard)

    def partials(self, i: Instruction, values: Values) -> list[int]:
        """Return the derivatives of a special function in its operands.

        Those in exponents are differences over a millionth of the way to the singularity: enough
        for the size of an error.
        """
        op, v, x = self.op, values[i.results[0]], [values[k] for k in i.inputs]
        shift = self.builder.constant(int(i.op != "gamma"))
        rooms = [op("sub", x[0], shift), *x[1:3]]
        found: list[int] = []
        for k, room in enumerate(rooms):
            if i.inputs[k] in self.constants:
                found.append(self.zero)
                continue
            moved = [*x]
            moved[k] = op("add", x[k], op("mul", room, self.builder.constant(MILLIONTH)))
            rise, run = op("sub", op(i.op, *moved), v), op("sub", moved[k], x[k])
            found.append(op("div", rise, run))
        if i.op == "power_law_sum":
            p, q, m, at = x
            steeper = op(i.op, op("add", p, q), q, op("add", m, self.one), at)
            found.append(op("neg", op("mul", m, steeper)))
        return found

    def root_step(self, i: Instruction, block: Block, values: Values, slopes: Slopes) -> RootStep:
        """Follow one step at the root, given the slopes of the root."""
        count = len(i.results)
        if count > MOST_UNKNOWNS:
            raise LoweringError(
                "sensitivity_program(program)",
                f"a root has {count} unknowns",
                f"adjoint equations are written out for at most {MOST_UNKNOWNS}",
                'evaluate with precision="double-double" or with ball()',
            )
        roots = (values[r] for r in i.results)
        inner = {**values, **dict(zip(block.parameters, roots, strict=True))}
        self.copy(block.instructions, inner)
        unit = Slope(self.one)
        rows = [self.adjoints(block.instructions, inner, {y: unit}) for y in block.yields]
        # (1 - G_x)^T s = g
        matrix = [
            [
                self.op("sub", self.one if k == j else self.zero, self.solid(row.get(p)))
                for k, row in enumerate(rows)
            ]
            for j, p in enumerate(block.parameters)
        ]
        shares = self._solve(matrix, [self.solid(slopes.get(r)) for r in i.results])
        inside: Slopes = {}
        for share, row in zip(shares, rows, strict=True):
            for value, slope in row.items():
                product = share if slope == unit else self.op("mul", share, slope.value)
                self.add(inside, value, Slope(product, slope.guard))
        return RootStep(inner, inside)

    def _solve(self, rows: list[list[int]], right: list[int]) -> list[int]:
        """Solve linear equations by elimination; a small pivot only inflates the estimate."""
        op, n = self.op, len(right)
        rows = [[*row, r] for row, r in zip(rows, right, strict=True)]
        for k in range(n):
            for j in range(k + 1, n):
                factor = op("div", rows[j][k], rows[k][k])
                pairs = zip(rows[k], rows[j], strict=True)
                rows[j] = [op("sub", b, op("mul", factor, a)) for a, b in pairs]
        found = [self.zero] * n
        for k in reversed(range(n)):
            rest = rows[k][n]
            for j in range(k + 1, n):
                rest = op("sub", rest, op("mul", rows[k][j], found[j]))
            found[k] = op("div", rest, rows[k][k])
        return found

    def _sum(
        self, i: Instruction, block: Block, values: Values, slopes: Slopes
    ) -> Iterator[tuple[int, Slope]]:
        """Yield the free values of a sum with the sums of their slopes."""
        reached: list[int] = []

        def body(inner: Values) -> tuple[int, ...]:
            inside = self.term_slopes(i, block, inner, slopes)
            reached.extend(v for v in sorted(free_values(i)) if v in inside)
            return tuple(self.solid(inside[v]) for v in reached) or (self.zero,)

        totals = self.loop(i, block, values, body)
        yield from zip(reached, (Slope(t) for t in totals), strict=False)

    def term_slopes(self, i: Instruction, block: Block, inner: Values, slopes: Slopes) -> Slopes:
        """Return the slopes inside one term of a sum, given the slopes of its totals."""
        self.copy(block.instructions, inner)
        seeds: Slopes = {}
        for result, term in zip(i.results, block.yields, strict=True):
            if result in slopes:
                self.add(seeds, term, Slope(self.solid(slopes[result])))
        return self.adjoints(block.instructions, inner, seeds)

    # ---- slopes under guards

    def op(self, op: str, *inputs: int) -> int:
        """Write a simple operation."""
        if op == "mul" and self.one in inputs:
            return inputs[1] if inputs[0] == self.one else inputs[0]
        return self.builder.op(op, *inputs)

    def add(self, slopes: Slopes, value: int, slope: Slope) -> None:
        """Add to the slope of a value."""
        known = slopes.get(value)
        slopes[value] = slope if known is None else self._merged(known, slope)

    def _merged(self, a: Slope, b: Slope) -> Slope:
        if a.guard == b.guard:
            return Slope(self.op("add", a.value, b.value), a.guard)
        mine, yours = a.guard - b.guard, b.guard - a.guard
        if len(mine) == len(yours) == 1:
            ((mask, taken),) = mine
            if (mask, not taken) in yours:  # the two sides of one branch
                first, second = (a, b) if taken else (b, a)
                merged = self.builder.select(mask, first.value, second.value)
                return Slope(merged, a.guard & b.guard)
        common = a.guard & b.guard
        left = self.solid(Slope(a.value, mine))
        return Slope(self.op("add", left, self.solid(Slope(b.value, yours))), common)

    def solid(self, slope: Slope | None) -> int:
        """Return a slope as one value, zero where its guard fails."""
        if slope is None:
            return self.zero
        value = slope.value
        for mask, taken in sorted(slope.guard):
            yes, no = (value, self.zero) if taken else (self.zero, value)
            value = self.builder.select(mask, yes, no)
        return value


def free_values(instruction: Instruction) -> frozenset[int]:
    """Return the values the block of an instruction takes from outside.

    Parameters
    ----------
    instruction : Instruction
        A root or a sum.

    Returns
    -------
    frozenset of int
        Inputs of the instruction only where the block uses them too.
    """
    return uses(replace(instruction, inputs=()))
