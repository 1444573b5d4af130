"""Values an exported source must reproduce: scattered points, and those at infinity and zero."""

from __future__ import annotations

import math

import numpy as np

from numerics.ball import enclose, evaluate
from numerics.condition import condition_number
from numerics.errors import DeriveError
from numerics.export.source import Reference
from numerics.program import Program

COUNT = 8
_ATTEMPTS = 400
_BITS = 80
_PRECISIONS = (53, 64, 80, 112)  # at which rounding is followed, until all is decided
_ULP = 2.0**-52


def reference_values(program: Program, count: int = COUNT, seed: int = 0) -> list[Reference]:
    """Return points of the domain with certified values.

    Parameters
    ----------
    program : Program
        With one output.
    count : int
        Number of scattered points; for each argument one more at infinity and one at zero follow
        where the domain allows them.
    seed : int
        Of the points.

    Returns
    -------
    list of Reference
        Values rounded from balls. The error allowed is 8 + 4 condition numbers ulp, as for a
        kernel that escalates; an exported source cannot, so where the rounding of its operations
        may amount to more, that is allowed.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> b.require("x > 0", ("x",), b.op("less", b.constant(0), x))
    >>> found = reference_values(b.program({"y": b.op("div", b.constant(1), x)}), 2)
    >>> [r.value == 1 / r.point[0] for r in found]
    [True, True, True]
    """
    rng = np.random.default_rng(seed)
    names = program.arguments
    found: list[Reference] = []

    def attempt(point: list[float]) -> bool:
        given = dict(zip(names, point, strict=True))
        try:
            (ball,) = evaluate(program, bits=_BITS, **given).values()
        except DeriveError:
            return False
        value = float(ball)
        if not math.isfinite(value):
            return False
        if 0 < abs(value) < 1e-290:  # near underflow nothing is promised
            return False
        tolerance = 0.0
        if value:
            condition = condition_number(program, None, **given)
            if not math.isfinite(condition):  # the formula is the limit taken there
                condition = 0.0
            rounding = _rounding(program, given, value)
            tolerance = max((8 + 4 * condition) * _ULP, rounding)
        found.append(Reference(tuple(point), value, tolerance))
        return True

    for trial in range(_ATTEMPTS):
        if len(found) == count:
            break
        point = [float(f"{x:.3g}") for x in np.exp2(rng.uniform(-4, 4, len(names)))]
        if trial >= count:  # an argument may have to be an integer
            point = [math.ceil(x) if rng.integers(2) else x for x in point]
        attempt([float(x) for x in point])
    if found:
        for position in range(len(names)):
            for special in (math.inf, 0.0):
                point = list(found[0].point)
                point[position] = special
                attempt(point)
    return found


def _rounding(program: Program, given: dict[str, float], value: float) -> float:
    """Return how much the rounding errors of all operations in float64 may amount to, relatively.

    The radius of a ball grows by the rounding error of every operation: their sum, as
    J. H. Wilkinson, Rounding Errors in Algebraic Processes (1963), takes it by hand. Where a root
    or a comparison is not decided with 53 bits, more are taken and the radius is scaled back.
    """
    for precision in _PRECISIONS:
        try:
            (ball,) = enclose(program, precision=precision, **given).values()
        except DeriveError:
            continue
        return float(ball.radius) / abs(value) * 2.0 ** (precision - 53)
    return 0.0
