"""How accurate the compiled formulas are: audits over boxes and grids against certified values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics.audit import Audit, audit
from numerics.audit_points import Axis, Points, edge_points, scatter_points
from numerics.errors import ArgumentsError
from numerics.escalation import EscalatingKernel
from numerics.kernel import compile_program

if TYPE_CHECKING:
    from derive.formula import Formula

EDGE_SHARE = 20  # one point in so many lies on an edge of the box
SIGNIFICAND = {"float64": 53, "auto": 53, "double-double": 106}


def audit_formula(
    formula: Formula, values: Mapping[str, Any], sample: int, seed: int, precision: str
) -> Audit:
    """Audit a formula over axes or a grid.

    Parameters
    ----------
    formula : Formula
        What is audited.
    values : mapping of str to float, array or Axis
        One entry per argument. With an Axis among them, points are scattered over the axes, one in
        twenty on an edge, and entries of arrays are drawn at random; otherwise the numbers and
        arrays span a grid by broadcasting.
    sample : int
        Most points.
    seed : int
        Of the sample.
    precision : {"float64", "double-double", "auto"}
        What is audited.

    Returns
    -------
    Audit
        Errors in units of the last place of the format, 53 or 106 bits.

    Raises
    ------
    ArgumentsError
        For an unknown precision, no points, or values that do not broadcast.

    Examples
    --------
    >>> import derivations
    >>> M = derivations.get("classics.marchenko_pastur").result
    >>> report = audit_formula(M, {"kappa": Axis(0.1, 10.0), "u": 0.5}, 200, 1, "float64")
    >>> report.passed, report.points
    (True, 200)
    """
    call = f"{formula.name}.audit(...)"
    if precision not in SIGNIFICAND:
        raise ArgumentsError(
            call,
            f"there is no precision {precision!r}",
            f"kernels compute in {', '.join(SIGNIFICAND)}",
            f'{formula.name}.audit(..., precision="float64")',
        )
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        raise ArgumentsError(
            call,
            f"sample = {sample!r} is not a positive integer",
            "it is the number of points compared with certified values",
            f"{formula.name}.audit(..., sample=1000)",
        )
    axes = {n: v for n, v in values.items() if isinstance(v, Axis)}
    rng = np.random.default_rng(seed)
    points = (
        _scattered(values, axes, sample, rng) if axes else _grid_sample(call, values, sample, rng)
    )
    program, significand = formula.program, SIGNIFICAND[precision]
    kernel = (
        EscalatingKernel(program) if precision == "auto" else compile_program(program, precision)
    )
    return audit(program, kernel, points, bits=significand + 24, significand=significand)


def _scattered(
    values: Mapping[str, Any], axes: Mapping[str, Axis], n: int, rng: np.random.Generator
) -> Points:
    edges = n // EDGE_SHARE
    inner, outer = scatter_points(axes, n - edges, rng), edge_points(axes, edges, rng)
    points = {}
    for name, value in values.items():
        if name in axes:
            points[name] = np.concatenate([inner[name], outer[name]])
        else:
            points[name] = rng.choice(np.atleast_1d(np.asarray(value, dtype=float)).ravel(), n)
    return points


def _grid_sample(call: str, values: Mapping[str, Any], n: int, rng: np.random.Generator) -> Points:
    try:
        arrays = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in values.values()))
    except ValueError as error:
        raise ArgumentsError(
            call,
            f"the values do not span a grid ({error})",
            "numbers and arrays broadcast as in a call of the formula",
            f"{call[:-4]}(x=x[:, None], y=y, ...)",
        ) from None
    size = arrays[0].size
    chosen = np.arange(size) if size <= n else np.unique(rng.integers(0, size, n))
    where = np.unravel_index(chosen, arrays[0].shape) if arrays[0].ndim else ()
    return {
        name: np.atleast_1d(np.asarray(a[where], dtype=float))
        for name, a in zip(values, arrays, strict=True)
    }
