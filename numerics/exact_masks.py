"""Conditions decided in exact rational arithmetic, where balls of any width cannot.

``3 x <= 1`` at x = 1/3 is true, but a binary ball of one third overlaps both sides at every
precision. A condition that is a rational function of the arguments is decided exactly here.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from numerics.ball_operations import conjunction, disjunction, negation
from numerics.exact import Exact
from numerics.program import Instruction, Program

MAXIMUM_BITS = 1_000_000


class _NotRational(Exception):
    """The value is not a rational number that can be computed in reasonable time."""


def exact_mask(program: Program, value: int, point: Mapping[str, Exact]) -> bool | None:
    """Decide one condition of a program exactly.

    Parameters
    ----------
    program : Program
        Holds the condition.
    value : int
        Its value number.
    point : mapping of str to Fraction or infinity
        The arguments.

    Returns
    -------
    bool or None
        None if the condition is not a rational one at this point.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> mask = b.op("less_equal", b.op("mul", b.constant(3), b.argument("x")), b.constant(1))
    >>> b.require("3 x <= 1", ("x",), mask)
    >>> p = b.program({"x": b.argument("x")})
    >>> exact_mask(p, mask, {"x": Fraction(1, 3)})
    True
    """
    defined = {i.results[0]: i for i in program.body.instructions if i.block is None}
    arguments = [point[n] for n in program.arguments]
    try:
        result = _value(value, defined, arguments, {})
    except _NotRational:
        return None
    return result if isinstance(result, bool) else None


def _value(
    number: int, defined: Mapping[int, Instruction], arguments: list[Exact], known: dict[int, Any]
) -> Any:
    if number not in known:
        if number not in defined:
            raise _NotRational
        i = defined[number]
        if i.op in ("and", "or"):
            # One undecidable side does not spoil a condition that the other side settles.
            sides = [_mask(k, defined, arguments, known) for k in i.inputs]
            result: Any = (conjunction if i.op == "and" else disjunction)(*sides)
            if result is None:
                raise _NotRational
        elif i.op == "select":
            mask, yes, no = i.inputs
            chosen = yes if _value(mask, defined, arguments, known) else no
            result = _value(chosen, defined, arguments, known)
        else:
            result = _apply(i, [_value(k, defined, arguments, known) for k in i.inputs], arguments)
        if isinstance(result, Fraction) and (
            max(result.numerator.bit_length(), result.denominator.bit_length()) > MAXIMUM_BITS
        ):
            raise _NotRational
        known[number] = result
    return known[number]


def _mask(
    number: int, defined: Mapping[int, Instruction], arguments: list[Exact], known: dict[int, Any]
) -> bool | None:
    try:
        return _value(number, defined, arguments, known)
    except _NotRational:
        return None


def _apply(i: Instruction, inputs: list[Any], arguments: list[Exact]) -> Any:
    op = i.op
    if op == "argument":
        return arguments[i.attribute]
    if op == "constant" and (isinstance(i.attribute, Fraction) or i.attribute == "inf"):
        return i.attribute if isinstance(i.attribute, Fraction) else float("inf")
    if op == "not":
        return negation(inputs[0])
    if op == "is_infinite":
        return isinstance(inputs[0], float)
    if op in ("less", "less_equal", "equal"):
        a, b = inputs
        return {"less": a < b, "less_equal": a <= b, "equal": a == b}[op]
    # Arithmetic with infinities is left to the balls.
    if not all(isinstance(x, Fraction) for x in inputs):
        raise _NotRational
    return _arithmetic(op, inputs, i.attribute)


def _arithmetic(op: str, inputs: list[Any], attribute: Any) -> Fraction:
    if op == "power":
        size = max(inputs[0].numerator.bit_length(), inputs[0].denominator.bit_length())
        if abs(attribute) * size <= MAXIMUM_BITS and (inputs[0] or attribute >= 0):
            return inputs[0] ** attribute
    elif op in ("neg", "abs"):
        return -inputs[0] if op == "neg" else abs(inputs[0])
    elif op in ("minimum", "maximum"):
        return min(inputs) if op == "minimum" else max(inputs)
    elif op in ("add", "sub", "mul", "div"):
        a, b = inputs
        if op == "add":
            return a + b
        if op == "sub":
            return a - b
        if op == "mul":
            return a * b
        if b:
            return a / b
    raise _NotRational
