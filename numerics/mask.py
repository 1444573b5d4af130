"""Which points satisfy the constraints of a program, one mask per constraint, with NumPy.

Kernels only count bad points, because counting costs nothing; this slow second look is taken
when there are some, to say which and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.errors import LoweringError
from numerics.program import Program

_NAMED = {"pi": np.pi, "e": np.e, "euler_gamma": np.euler_gamma, "inf": np.inf, "nan": np.nan}

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "pow": np.power,
    "exp": np.exp,
    "log": np.log,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "is_infinite": np.isinf,
    "select": np.where,
}


def constraint_masks(program: Program, arrays: Sequence[Any]) -> list[Any]:
    """Evaluate every constraint of a program.

    Parameters
    ----------
    program : Program
        Its constraints must be free of roots and sums.
    arrays : sequence of float or array
        The operands in order.

    Returns
    -------
    list of bool array
        True where the constraint holds; a NaN operand holds nowhere.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> b.require("x > 0", ("x",), b.op("less", b.constant(0), x))
    >>> constraint_masks(b.program({"y": x}), [np.array([1.0, -1.0, np.nan])])
    [array([ True, False, False])]
    """
    wanted = {c.value for c in program.constraints}
    producers = {i.results[0]: i for i in program.body.instructions if len(i.results) == 1}
    values: dict[int, Any] = {}

    def value(number: int) -> Any:
        if number not in values:
            values[number] = _evaluate(producers[number])
        return values[number]

    def _evaluate(instruction: Any) -> Any:
        if instruction.op == "argument":
            return np.asarray(arrays[instruction.attribute])
        if instruction.op == "constant":
            a = instruction.attribute
            return float(a) if isinstance(a, Fraction) else _NAMED[a]
        inputs = [value(i) for i in instruction.inputs]
        if instruction.op == "power":
            return inputs[0] ** instruction.attribute
        if instruction.op not in _OPERATIONS:
            raise LoweringError(
                "constraint_masks(program, ...)",
                f"a constraint uses {instruction.op}",
                "constraints are simple conditions on the arguments",
                "state the domain without roots and sums",
            )
        return _OPERATIONS[instruction.op](*inputs)

    with np.errstate(all="ignore"):
        for number in sorted(wanted):
            value(number)
    return [values[c.value] for c in program.constraints]
