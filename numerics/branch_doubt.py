r"""Where a formula may have taken the wrong branch because a comparison was rounded.

A computed difference a - b decides a branch wrongly only if it is smaller than its own rounding
error. That error is followed forward through the operands, :math:`E(ab)=E(a)|b|+|a|E(b)+|ab|` and
so on in units of u, which is pessimistic and cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from numerics.adjoint import Tape, Values
from numerics.program import BOOLEAN, Instruction

SAFETY = 4
UNIT = Fraction(1, 2**53)
LOOP_ROUNDINGS = 64  # taken for a root or a sum, whose error is not followed here


class BranchDoubt:
    """Writes, for selections of a program, whether their mask is in doubt.

    Parameters
    ----------
    tape : Tape
        Writes the operations.
    definitions : mapping of int to Instruction
        The outermost instructions of the program, by result.
    values : dict
        Where the tape holds their values.
    rounded : mapping of int to int
        Number of roundings of every simple value.
    """

    def __init__(
        self,
        tape: Tape,
        definitions: Mapping[int, Instruction],
        values: Values,
        rounded: Mapping[int, int],
    ):
        self.tape, self.definitions, self.values, self.rounded = tape, definitions, values, rounded
        self._errors: dict[int, int | None] = {}
        self._doubts: dict[int, int | None] = {}

    def of(self, mask: int) -> int | None:
        """Return the value that tells whether a mask may be wrong, None if it cannot be."""
        if mask not in self._doubts:
            self._doubts[mask] = self._doubt(self.definitions[mask])
        return self._doubts[mask]

    def _doubt(self, i: Instruction) -> int | None:
        if i.op in ("less", "less_equal", "equal"):
            return self.close(*i.inputs)
        if i.op == "is_infinite":
            return None
        found = [self.of(v) for v in i.inputs if self.definitions[v].op in BOOLEAN]
        doubts = [d for d in found if d is not None]
        result = doubts[0] if doubts else None
        for d in doubts[1:]:
            result = self.tape.op("or", result, d) if result is not None else d
        return result

    def close(self, a: int, b: int) -> int | None:
        """Return the value that tells whether two values differ by less than their errors."""
        op, errors = self.tape.op, [e for e in (self.error(a), self.error(b)) if e is not None]
        if not errors:
            return None
        total = errors[0] if len(errors) == 1 else op("add", *errors)
        width = op("mul", self.tape.builder.constant(SAFETY * UNIT), total)
        distance = op("abs", op("sub", self.values[a], self.values[b]))
        return op("less", distance, width)

    def error(self, value: int) -> int | None:
        """Return the value that bounds the rounding error in units of u, None where it is zero."""
        if value not in self._errors:
            self._errors[value] = self._error(value, self.definitions[value])
        return self._errors[value]

    def _error(self, value: int, i: Instruction) -> int | None:
        limit = self.tape.limits.get(value)
        total = self._total(value, i)
        if limit is None or total is None:
            return total
        return self.tape.builder.select(limit, self.tape.zero, total)

    def _total(self, value: int, i: Instruction) -> int | None:
        op, size = self.tape.op, self.tape.op("abs", self.values[value])
        if i.block is not None:
            return op("mul", self.tape.builder.constant(LOOP_ROUNDINGS), size)
        x = [self.values[v] for v in i.inputs]
        errors = [None if self.definitions[v].op in BOOLEAN else self.error(v) for v in i.inputs]
        if i.op == "select":
            _, yes, no = (self.tape.zero if e is None else e for e in errors)
            return None if yes == no == self.tape.zero else self.tape.builder.select(x[0], yes, no)
        total: int | None = None
        for e, slope in zip(errors, self._slopes(i, x, self.values[value]), strict=True):
            if e is not None:
                part = e if slope is None else op("mul", e, op("abs", slope))
                total = part if total is None else op("add", total, part)
        count = self.rounded[value]
        if count:
            own = size if count == 1 else op("mul", self.tape.builder.constant(count), size)
            total = own if total is None else op("add", total, own)
        return total

    def _slopes(self, i: Instruction, x: list[int], v: int) -> list[int | None]:
        """Return the derivative of an operation in each operand, None for one."""
        op, constant = self.tape.op, self.tape.builder.constant
        match i.op:
            case "mul":
                return [x[1], x[0]]
            case "div":
                share = op("div", self.tape.one, x[1])
                return [share, op("mul", share, v)]
            case "sqrt":
                return [op("div", constant(Fraction(1, 2)), v)]
            case "power":
                n = i.attribute
                rest = self.tape.builder.op("power", x[0], attribute=n - 1) if n != 1 else None
                return [constant(n) if rest is None else op("mul", constant(n), rest)]
            case "pow":
                exponent = None if i.inputs[1] in self.tape.constants else op("log", x[0])
                steep = op("div", op("mul", x[1], v), x[0])
                return [steep, self.tape.zero if exponent is None else op("mul", v, exponent)]
            case "exp":
                return [v]
            case "log":
                return [op("div", self.tape.one, x[0])]
            case "power_law_sum":
                steep = op("mul", constant(LOOP_ROUNDINGS), v)
                return [op("div", steep, operand) for operand in x]
            case "gamma" | "zeta":
                return [op("mul", constant(LOOP_ROUNDINGS), v)]
            case _:  # sums, signs, extrema, sine, cosine, arctangent
                return [None] * len(x)
