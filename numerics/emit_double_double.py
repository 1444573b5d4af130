"""How the values of a program are written in the source of a kernel: pairs of float64.

The value ``12`` is held as ``h12 + l12``. Additions and products with a constant that is a float
need fewer operations than those of two pairs; with a power of two they are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from numerics.arithmetic import Facts, float_constant, literal, logic
from numerics.double_double import split
from numerics.errors import LoweringError
from numerics.passes import cut_into_passes
from numerics.program import COST_FREE, Instruction

_NAMED = {
    "pi": (math.pi, 1.2246467991473532e-16),
    "e": (math.e, 1.4456468917292502e-16),
    "euler_gamma": (0.5772156649015329, -4.942915152430645e-18),
    "inf": (math.inf, 0.0),
    "nan": (math.nan, 0.0),
}
_ROUNDED = {
    **{"sqrt": "square_root", "exp": "exponential", "log": "logarithm", "sin": "sine"},
    **{"cos": "cosine", "atan": "arctangent", "gamma": "gamma_function", "zeta": "zeta_function"},
}
_COMPARISONS = {"less": "<", "less_equal": "<=", "equal": "=="}
# exact where the operands are, but for the last digit of a pair
_CARRIED = frozenset({"add", "sub", "neg", "abs", "minimum", "maximum"})
_SHORT = 4
# about how many machine instructions an operation takes, and how many a pass may have
_INSTRUCTIONS = {"add": 14, "sub": 14, "mul": 11, "div": 18, "sqrt": 13}
_INSTRUCTIONS |= dict.fromkeys((*_ROUNDED, "pow", "power_law_sum"), 500) | {"sqrt": 13}
_LONGEST = 90


@dataclass(frozen=True)
class DoubleDouble:
    """Two floats per value."""

    parts: tuple[str, ...] = ("h", "l")
    tiles: tuple[str, ...] = ("t", "u")
    opening: tuple[str, ...] = ("full_width()",)

    def passes(self, instructions: tuple[Instruction, ...]) -> tuple[tuple[Instruction, ...], ...]:
        """Cut into loops of which several fit into what a processor looks ahead."""
        return cut_into_passes(instructions, _machine_instructions, _LONGEST)

    def constant(self, attribute: Fraction | str) -> tuple[str, ...]:
        """Write a constant."""
        return tuple(literal(part) for part in _pair(attribute))

    def operation(self, instruction: Instruction, facts: Facts) -> list[str]:
        """Write a simple instruction."""
        op, inputs, r = instruction.op, instruction.inputs, instruction.results[0]
        target = f"h{r}, l{r}"
        pairs = [f"h{n}, l{n}" for n in inputs]
        if op in ("add", "sub"):
            return _sum(target, op == "sub", inputs, facts)
        if op == "mul":
            return _product(target, inputs, facts)
        if op == "div":
            scale = _float_constant(inputs[1], facts)
            if scale is not None and _is_power_of_two(scale):
                return [f"{target} = h{inputs[0]} / {scale!r}, l{inputs[0]} / {scale!r}"]
            if _float_constant(inputs[0], facts) == 1.0:
                return [f"{target} = reciprocal({pairs[1]})"]
            return [f"{target} = divide({pairs[0]}, {pairs[1]})"]
        if op == "neg":
            return [f"{target} = -h{inputs[0]}, -l{inputs[0]}"]
        if op == "abs":
            (n,) = inputs
            return [f"{target} = absolute(h{n}), where(h{n} < 0.0, -l{n}, l{n})"]
        if op in _ROUNDED:
            return [f"{target} = {_ROUNDED[op]}({pairs[0]})"]
        if op == "pow":
            return [
                f"h{r}, l{r} = logarithm({pairs[0]})",
                f"h{r}, l{r} = multiply(h{r}, l{r}, {pairs[1]})",
                f"h{r}, l{r} = exponential(h{r}, l{r})",
            ]
        if op == "power_law_sum":
            return [f"{target} = power_law_pair({', '.join(pairs)})"]
        if op == "power":
            return _power(r, inputs[0], instruction.attribute)
        if op in ("minimum", "maximum"):
            a, b = inputs
            return [
                f"x = {_compare(a, b, 'less', facts)}",
                f"h{r} = {op}(h{a}, h{b})",
                f"l{r} = where(x, l{a if op == 'minimum' else b}, l{b if op == 'minimum' else a})",
            ]
        if op in _COMPARISONS:
            lines = [f"b{r} = {_compare(inputs[0], inputs[1], op, facts)}"]
            if r in facts.undecidable:
                lines.append(f"q{r} = unordered(h{inputs[0]}, h{inputs[1]})")
            return lines
        if op == "is_infinite":
            lines = [f"b{r} = absolute(h{inputs[0]}) == inf"]
            if r in facts.undecidable:
                lines.append(f"q{r} = unordered(h{inputs[0]}, h{inputs[0]})")
            return lines
        if r in facts.plan.booleans:
            return logic(instruction, facts)
        if op == "select":
            mask, yes, no = inputs
            lines = [f"{p}{r} = where(b{mask}, {p}{yes}, {p}{no})" for p in self.parts]
            if facts.unsettled(instruction):
                lines += [f"{p}{r} = where(q{mask}, nan, {p}{r})" for p in self.parts]
            return lines
        raise LoweringError(
            'compile_program(precision="double-double")',
            f"{op!r} has no double-double form",
            "pairs of floats have the operations of numerics.double_double only",
            'use precision="float64", or ball() for more digits',
        )

    def difference(self, new: int, old: int) -> list[str]:
        """Write the size of a step."""
        return [
            f"d, z = add(h{new}, l{new}, -h{old}, -l{old})",
            "d = absolute(d)",
            f"z = absolute(h{new})",
        ]

    def accumulate(self, total: int, term: int, condition: str) -> list[str]:
        """Write the addition of a term."""
        lines = [f"x, w = add(t{total}[i], u{total}[i], h{term}, l{term})"]
        if condition:
            lines.append(f"going = {condition}")
            lines += [
                f"{n} = where(going, {n}, {t}{total}[i])" for n, t in (("x", "t"), ("w", "u"))
            ]
        return [*lines, f"t{total}[i] = x", f"u{total}[i] = w"]

    def accuracy(self, exponent: int) -> tuple[int, int]:
        """Return twice the digits of float64; a step below 2**-60 may stall."""
        return 2 * exponent - 2, -60


def _machine_instructions(instruction: Instruction) -> int:
    if instruction.op == "power":
        return 12 * abs(instruction.attribute).bit_length()
    return _INSTRUCTIONS.get(instruction.op, 2)


def _pair(attribute: Fraction | str) -> tuple[float, float]:
    if isinstance(attribute, str):
        return _NAMED[attribute]
    float_constant(attribute)  # refuses what lies outside the range
    return split(attribute)


def _float_constant(value: int, facts: Facts) -> float | None:
    """Return the value of a constant that is a float, None for anything else."""
    instruction = facts.plan.definitions.get(value)
    if instruction is None or instruction.op != "constant":
        return None
    high, low = _pair(instruction.attribute)
    return high if low == 0.0 and math.isfinite(high) else None


def _is_power_of_two(value: float) -> bool:
    return value != 0.0 and abs(math.frexp(value)[0]) == 0.5 and 2.0**-100 < abs(value) < 2.0**100


def _sum(target: str, minus: bool, inputs: tuple[int, ...], facts: Facts) -> list[str]:
    a, b = inputs
    left, right = (_float_constant(v, facts) for v in inputs)
    sign = "-" if minus else ""
    if right is not None:
        return [f"{target} = add_float(h{a}, l{a}, {sign}h{b})"]
    if left is not None:
        return [f"{target} = add_float({sign}h{b}, {sign}l{b}, h{a})"]
    # What is rounded has lost the digits that the dearer sum would keep where the two cancel.
    exact = _exact(a, facts) and _exact(b, facts)
    name = "add" if exact else "add_rounded"
    return [f"{target} = {name}(h{a}, l{a}, {sign}h{b}, {sign}l{b})"]


def _exact(value: int, facts: Facts) -> bool:
    """Tell whether a value is an argument, a constant, or a short sum of them.

    Short: of so few operations that no stage of a grid computes it beforehand; a kernel and the
    stages it was cut into must add the same values in the same way.
    """
    return _effort(value, facts) <= _SHORT


def _effort(value: int, facts: Facts) -> int:
    instruction = facts.plan.definitions.get(value)
    if instruction is None:  # bound by a loop
        return 0 if facts.plan.parameters[value].op != "root" else _SHORT + 1
    if instruction.op in COST_FREE:
        return 0
    if instruction.op not in _CARRIED:
        return _SHORT + 1
    effort = 1
    for operand in instruction.inputs:
        effort += _effort(operand, facts) if effort <= _SHORT else 0
    return effort


def _product(target: str, inputs: tuple[int, ...], facts: Facts) -> list[str]:
    a, b = inputs
    if a == b:
        return [f"{target} = square(h{a}, l{a})"]
    for constant, other in ((a, b), (b, a)):
        value = _float_constant(constant, facts)
        if value is not None and _is_power_of_two(value):
            return [f"{target} = h{other} * h{constant}, l{other} * h{constant}"]
        if value is not None:
            return [f"{target} = multiply_float(h{other}, l{other}, h{constant})"]
    return [f"{target} = multiply(h{a}, l{a}, h{b}, l{b})"]


def _power(r: int, base: int, exponent: int) -> list[str]:
    if exponent == 0:
        return [f"h{r}, l{r} = 1.0, 0.0"]
    lines: list[str] = []
    factor, current, bit, rest = "", f"{base}", 1, abs(exponent)
    while rest:
        if rest & 1:
            if factor:
                lines.append(f"h{r}, l{r} = multiply({factor}, h{current}, l{current})")
                factor = f"h{r}, l{r}"
            else:
                factor = f"h{current}, l{current}"
        rest >>= 1
        if rest:
            bit *= 2
            lines.append(f"h{r}_{bit}, l{r}_{bit} = square(h{current}, l{current})")
            current = f"{r}_{bit}"
    if exponent < 0:
        return [*lines, f"h{r}, l{r} = divide(1.0, 0.0, {factor})"]
    return [*lines, f"h{r}, l{r} = {factor}"]


def _compare(a: int, b: int, op: str, facts: Facts) -> str:
    # A pair that is normalised has no low part where its high part is zero or infinite.
    if any(_float_constant(v, facts) == 0.0 or facts.is_infinity(v) for v in (a, b)):
        return f"h{a} {_COMPARISONS[op]} h{b}"
    if op == "equal":
        return f"(h{a} == h{b}) & (l{a} == l{b})"
    return f"(h{a} < h{b}) | ((h{a} == h{b}) & (l{a} {_COMPARISONS[op]} l{b}))"
