"""How the values of a program are written in the source of a kernel: float64.

A value ``12`` is held in the local ``v12``; a boolean in ``b12``, with ``q12`` beside it where an
operand of the comparison may be NaN. A selection by such an undecidable mask is NaN: a failed root
never turns into a plausible number by losing a comparison.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from numerics.errors import LoweringError
from numerics.program import Instruction
from numerics.schedule import Plan

FLOAT_CONSTANTS = {
    "pi": math.pi,
    "e": math.e,
    "euler_gamma": 0.5772156649015329,
    "inf": math.inf,
    "nan": math.nan,
}
LARGEST = sys.float_info.max
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_CALLS = {
    **{"abs": "absolute", "sqrt": "sqrt", "exp": "exp", "log": "log", "sin": "sin", "cos": "cos"},
    **{"atan": "atan", "gamma": "gamma", "zeta": "zeta", "minimum": "minimum"},
    **{"maximum": "maximum", "pow": "pow", "power_law_sum": "power_law_sum"},
}
# what is NaN where an operand is
_CARRY = frozenset({*_INFIX, "neg", "power", *_CALLS}) - {"pow"}
_COMPARISONS = {"less": "<", "less_equal": "<=", "equal": "=="}


class Arithmetic(Protocol):
    """How values of one precision are written.

    ``parts`` are the prefixes of the locals that hold a value, ``tiles`` those of its tiles;
    ``opening`` are lines at the head of a kernel.
    """

    @property
    def parts(self) -> tuple[str, ...]:
        """Prefixes of locals."""
        ...

    @property
    def tiles(self) -> tuple[str, ...]:
        """Prefixes of tiles."""
        ...

    @property
    def opening(self) -> tuple[str, ...]:
        """Lines at the head."""
        ...

    def passes(self, instructions: tuple[Instruction, ...]) -> tuple[tuple[Instruction, ...], ...]:
        """Cut what is done over the lanes into loops of a length that suits the processor."""
        ...

    def constant(self, attribute: Fraction | str) -> tuple[str, ...]:
        """Write the parts of a constant."""
        ...

    def operation(self, instruction: Instruction, facts: Facts) -> list[str]:
        """Write a simple instruction."""
        ...

    def difference(self, new: int, old: int) -> list[str]:
        """Write ``d``, the size of a step of a root."""
        ...

    def accumulate(self, total: int, term: int, condition: str) -> list[str]:
        """Write the addition of a term to the tile of a sum."""
        ...

    def accuracy(self, exponent: int) -> tuple[int, int]:
        """Return powers of two: relative step at which a root is found, and may stall."""
        ...


@dataclass(frozen=True)
class Facts:
    """What is known of the values of a plan.

    Parameters
    ----------
    plan : Plan
        The arranged program.
    undecidable : frozenset of int
        Booleans that compare values which may be NaN at a valid point.
    carriers : dict
        What is NaN wherever a value is, as far as it was asked for.
    """

    plan: Plan
    undecidable: frozenset[int]
    carriers: dict[int, set[int]] = field(default_factory=dict, compare=False, repr=False)

    def is_infinity(self, value: int) -> bool:
        """Tell whether a value is the constant infinity."""
        instruction = self.plan.definitions.get(value)
        return instruction is not None and (instruction.op, instruction.attribute) == (
            "constant",
            "inf",
        )

    def unsettled(self, selection: Instruction) -> bool:
        """Tell whether a selection has to be made NaN where its mask is undecided.

        Not if both sides are NaN wherever a NaN left the mask undecided.
        """
        mask = selection.inputs[0]
        if mask not in self.undecidable:
            return False
        return not all(_both(selection, self._carriers(v)) for v in self._sources(mask))

    def _sources(self, mask: int) -> set[int]:
        """Values whose NaN leaves a mask undecided."""
        instruction = self.plan.definitions[mask]
        if instruction.op in _COMPARISONS or instruction.op == "is_infinite":
            return {v for v in instruction.inputs if not _is_number(self.plan, v)}
        return set().union(*(self._sources(v) for v in instruction.inputs if v in self.undecidable))

    def _carriers(self, source: int) -> set[int]:
        """Values that are surely NaN where another one is."""
        if source not in self.carriers:
            found = {source}
            for value, i in self.plan.definitions.items():
                if i.op == "select":
                    carries = all(v in found for v in i.inputs[1:])
                elif i.op == "div":
                    parts = [self.plan.definitions.get(v) for v in i.inputs]
                    merged = [p for p in parts if p is not None and p.op == "select"]
                    carries = any(v in found for v in i.inputs)
                    carries |= any(_both(p, found) for p in merged if p.attribute is not None)
                elif i.op == "constant":
                    carries = i.attribute == "nan"
                else:
                    carries = i.op in _CARRY and any(v in found for v in i.inputs)
                    carries = carries and not (i.op == "power" and i.attribute == 0)
                if carries:
                    found.add(value)
            self.carriers[source] = found
        return self.carriers[source]

    @classmethod
    def of(cls, plan: Plan) -> Facts:
        """Find the undecidable booleans of a plan."""
        found: set[int] = set()
        for value, instruction in plan.definitions.items():
            if value not in plan.booleans:
                continue
            if instruction.op in _COMPARISONS or instruction.op == "is_infinite":
                if not all(_is_number(plan, v) for v in instruction.inputs):
                    found.add(value)
            elif found & set(instruction.inputs):
                found.add(value)
        return cls(plan, frozenset(found))


def _both(selection: Instruction, carriers: set[int]) -> bool:
    """Tell whether both sides of a selection are NaN, by themselves or by what they meet."""
    sides, partners = selection.inputs[1:], selection.attribute or selection.inputs[1:]
    pairs = zip(sides, partners, strict=True)
    return all(side in carriers or partner in carriers for side, partner in pairs)


def _is_number(plan: Plan, value: int) -> bool:
    """Tell whether a value is surely not NaN at a valid point."""
    instruction = plan.definitions.get(value)
    if instruction is None:
        return False
    if instruction.op in ("neg", "abs", "minimum", "maximum"):
        return all(_is_number(plan, v) for v in instruction.inputs)
    if instruction.op in ("add", "sub"):  # never infinity less infinity
        a, b = instruction.inputs
        pairs = ((a, b), (b, a))
        return any(_is_finite(plan, x) and _is_number(plan, y) for x, y in pairs)
    return instruction.op == "argument" or (
        instruction.op == "constant" and instruction.attribute != "nan"
    )


def _is_finite(plan: Plan, value: int) -> bool:
    instruction = plan.definitions.get(value)
    return instruction is not None and (
        instruction.op == "constant" and instruction.attribute not in ("nan", "inf")
    )


def float_constant(attribute: Fraction | str) -> float:
    """Return the float nearest to an exact constant.

    Parameters
    ----------
    attribute : Fraction or str
        Exact rational, or one of the named constants.

    Returns
    -------
    float
        Correctly rounded.

    Raises
    ------
    LoweringError
        If a rational lies outside the range of float64.

    Examples
    --------
    >>> float_constant(Fraction(1, 3))
    0.3333333333333333
    """
    if isinstance(attribute, str):
        return FLOAT_CONSTANTS[attribute]
    try:
        value = float(attribute)
    except OverflowError:
        value = math.inf
    if math.isinf(value) or (attribute != 0 and abs(value) < 2.0**-1022):
        raise LoweringError(
            "compile_program(...)",
            f"a constant near 10^{len(str(attribute.numerator)) - len(str(attribute.denominator))}"
            " is outside the range of float64",
            "float64 holds numbers from about 1e-308 to 1e308",
            "rescale the formula, or evaluate it with ball()",
        )
    return value


def exponent_rest(instruction: Instruction | None) -> float:
    """Return what a constant exponent has lost in rounding: x**(1/3) loses log(x) times as much.

    Parameters
    ----------
    instruction : Instruction or None
        What defines the exponent.

    Returns
    -------
    float
        The exact constant less the float nearest to it; 0 for an exponent that is no constant.

    Examples
    --------
    >>> exponent_rest(Instruction("constant", (0,), (), Fraction(1, 3))) * 3 * 2**54
    1.0
    >>> exponent_rest(Instruction("constant", (0,), (), Fraction(1, 2)))
    0.0
    """
    if (
        instruction is None
        or instruction.op != "constant"
        or isinstance(instruction.attribute, str)
    ):
        return 0.0
    value = float_constant(instruction.attribute)
    return float(instruction.attribute - Fraction(value))


def literal(value: float) -> str:
    """Return the text of a float: exact, with the names ``inf`` and ``nan``."""
    return repr(value)


def product(name: str, base: str, exponent: int) -> list[str]:
    """Write an integer power as products.

    Parameters
    ----------
    name : str
        Local to assign.
    base : str
        Local to raise.
    exponent : int
        Any integer.

    Returns
    -------
    list of str
        Assignments.

    Examples
    --------
    >>> product("v3", "v1", 5)
    ['v3_2 = v1 * v1', 'v3_4 = v3_2 * v3_2', 'v3 = v1 * v3_4']
    """
    if exponent == 0:
        return [f"{name} = 1.0"]
    lines: list[str] = []
    factors: list[str] = []
    current, bit, rest = base, 1, abs(exponent)
    while rest:
        if rest & 1:
            factors.append(current)
        rest >>= 1
        if rest:
            bit *= 2
            lines.append(f"{name}_{bit} = {current} * {current}")
            current = f"{name}_{bit}"
    value = " * ".join(factors)
    return [*lines, f"{name} = {value}" if exponent > 0 else f"{name} = 1.0 / ({value})"]


def logic(instruction: Instruction, facts: Facts) -> list[str]:
    """Write ``and``, ``or``, ``not`` and the selection of a boolean; the same in any precision.

    Parameters
    ----------
    instruction : Instruction
        With boolean result.
    facts : Facts
        Tells which masks may be undecidable.

    Returns
    -------
    list of str
        Assignments of ``b`` and, where needed, ``q``.
    """
    result, inputs = instruction.results[0], instruction.inputs
    if instruction.op == "select":
        mask, yes, no = inputs
        lines = [f"b{result} = where(b{mask}, b{yes}, b{no})"]
    elif instruction.op == "not":
        lines = [f"b{result} = not b{inputs[0]}"]
    else:
        symbol = "&" if instruction.op == "and" else "|"
        lines = [f"b{result} = b{inputs[0]} {symbol} b{inputs[1]}"]
    doubts = [f"q{v}" for v in inputs if v in facts.undecidable]
    if doubts:
        lines.append(f"q{result} = {' | '.join(doubts)}")
    return lines


@dataclass(frozen=True)
class Float64:
    """One float per value."""

    parts: tuple[str, ...] = ("v",)
    tiles: tuple[str, ...] = ("t",)
    opening: tuple[str, ...] = ()

    def passes(self, instructions: tuple[Instruction, ...]) -> tuple[tuple[Instruction, ...], ...]:
        """Leave one loop: its chains are short."""
        return (instructions,)

    def constant(self, attribute: Fraction | str) -> tuple[str, ...]:
        """Write a constant."""
        return (literal(float_constant(attribute)),)

    def operation(self, instruction: Instruction, facts: Facts) -> list[str]:
        """Write a simple instruction."""
        op, inputs, (r,) = instruction.op, instruction.inputs, instruction.results
        values = [f"v{n}" for n in inputs]
        if op == "pow" and (rest := exponent_rest(facts.plan.definitions.get(inputs[1]))):
            x, y = values
            return [
                f"v{r}_0 = pow({x}, {y})",
                f"v{r}_1 = v{r}_0 + v{r}_0 * ({literal(rest)} * log({x}))",
                f"v{r} = where((v{r}_0 > 0.0) & (v{r}_0 < inf), v{r}_1, v{r}_0)",
            ]
        if op in _INFIX:
            return [f"v{r} = {values[0]} {_INFIX[op]} {values[1]}"]
        if op == "neg":
            return [f"v{r} = -{values[0]}"]
        if op in _CALLS:
            return [f"v{r} = {_CALLS[op]}({', '.join(values)})"]
        if op == "power":
            return product(f"v{r}", values[0], instruction.attribute)
        if op in _COMPARISONS:
            lines = [f"b{r} = {values[0]} {_COMPARISONS[op]} {values[1]}"]
            if op == "less" and facts.is_infinity(inputs[1]):
                # LLVM turns 0 < x < inf into ten integer operations, 0 < x <= LARGEST into two
                lines = [f"b{r} = {values[0]} <= {LARGEST}"]
            if r in facts.undecidable:
                lines.append(f"q{r} = unordered({values[0]}, {values[1]})")
            return lines
        if op == "is_infinite":
            lines = [f"b{r} = absolute({values[0]}) == inf"]
            if r in facts.undecidable:
                lines.append(f"q{r} = unordered({values[0]}, {values[0]})")
            return lines
        if r in facts.plan.booleans:
            return logic(instruction, facts)
        if op == "select":
            mask = inputs[0]
            lines = [f"v{r} = where(b{mask}, {values[1]}, {values[2]})"]
            if facts.unsettled(instruction):
                lines.append(f"v{r} = where(q{mask}, nan, v{r})")
            return lines
        raise LoweringError(
            "compile_program(...)",
            f"the operation {op!r} is not known to the float64 kernel",
            "a kernel knows the operations of numerics.program only",
            "write the program with those operations",
        )

    def difference(self, new: int, old: int) -> list[str]:
        """Write the size of a step."""
        return [f"d = absolute(v{new} - v{old})", f"z = absolute(v{new})"]

    def accumulate(self, total: int, term: int, condition: str) -> list[str]:
        """Write the addition of a term."""
        value = f"x + v{term}"
        value = f"where({condition}, {value}, x)" if condition else value
        return [f"x = t{total}[i]", f"t{total}[i] = {value}"]

    def accuracy(self, exponent: int) -> tuple[int, int]:
        """Return the tolerance of the program, and its square root for a step that stalls."""
        return exponent, exponent // 2
