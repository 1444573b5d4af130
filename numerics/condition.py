"""How much a formula magnifies relative errors of its arguments, certified at one point."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from flint import arb

from numerics.ball import working_precision
from numerics.ball_operations import Inconclusive, Jet, jet
from numerics.ball_program import ball, run
from numerics.exact import exact
from numerics.program import Program


def condition_number(program: Program, output: str | None = None, **arguments: Any) -> float:
    """Return by how much relative errors of the arguments are magnified, at one point.

    Derivatives are taken by automatic differentiation in balls, through roots by the implicit
    function theorem.

    Parameters
    ----------
    program : Program
        The formula.
    output : str, optional
        Which output; by default the first.
    **arguments : int, Fraction, float or str
        The point. Arguments at zero or infinity have no relative error and count nothing.

    Returns
    -------
    float
        The sum over the arguments of abs(x f' / f); infinite at a zero of f, NaN where undecided.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> p = b.program({"d": b.op("sub", b.argument("x"), b.constant(1))})
    >>> condition_number(p, x="1.25")
    5.0
    """
    index = program.outputs.index(output) if output is not None else 0
    numbers = [exact(arguments[n], n, "condition_number(program, ...)") for n in program.arguments]
    for precision in (128, 256, 1024):
        with working_precision(precision):
            operands = [
                Jet(ball(x), {k: arb(1)}) if isinstance(x, Fraction) and x else ball(x)
                for k, x in enumerate(numbers)
            ]
            try:
                values: dict[int, Any] = {}
                run(program.body, values, operands)
            except Inconclusive:
                continue
            result = jet(values[program.body.yields[index]])
            if result.value.is_zero():
                return math.inf
            total = arb(0)
            for k, slope in result.slopes.items():
                total += abs(ball(numbers[k]) * slope / result.value)
            if total.is_finite() and total.rel_accuracy_bits() > 20:
                return float(total)
            if total.is_zero():
                return 0.0
    return math.nan
