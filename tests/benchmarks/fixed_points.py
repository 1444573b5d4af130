"""A root and the error over it, in bulk: against C and against SciPy's root finders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize

from .c_source import LANES, VECTOR_WIDTHS, c_source, compiled, compiler
from .pairing import Contender, interleave
from .table import Row, at_least, at_most, skipped
from .workloads import (
    Setting,
    error_at_root,
    root_below,
    root_condition,
    root_form,
    root_slope,
    scattered,
)

TITLE = "root and error in bulk, one thread"


def against_c(setting: Setting) -> list[Row]:
    """Blocks of points in C, the whole block iterated until its slowest lane has arrived."""
    title = TITLE, "C, blocks of lanes"
    if compiler() is None:
        return [skipped("c-root", *title, "no C compiler")]
    formula = root_form()
    count = min(setting.points, 200_000)  # beyond memory traffic at this cost per point
    points = scattered(formula, count)
    operands = list(points.values())
    out, theirs = np.empty(count), np.empty(count)
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for width in VECTOR_WIDTHS:
            for lanes in LANES:
                source = c_source(formula.program, lanes)
                found[f"C {width} bit, {lanes} lanes"] = compiled(
                    source, Path(folder), f"root{width}_{lanes}", width
                )
        trial = interleave(
            {n: Contender.of(c, count, operands, theirs) for n, c in found.items()}, 3, 0.0
        )
        anchor = trial.fastest()
        call = found[anchor]
        call(operands, theirs)
        np.testing.assert_allclose(formula(out=out, **points), theirs, rtol=1e-8)
        paired = interleave(
            {
                "derive": Contender.of(formula, count, out=out, **points),
                anchor: Contender.of(call, count, operands, theirs),
            },
            setting.rounds,
            setting.seconds,
        )
    return [
        Row(
            "c-root",
            *title,
            paired.ratio("derive", anchor),
            target=at_most(1.3),
            note=f"{count} points; the fastest of {len(found)} variants, here {anchor}, stopping "
            "at a relative step of 1e-9",
            nanoseconds={n: paired.nanoseconds(n) for n in paired.seconds},
        )
    ]


def against_scipy(setting: Setting) -> list[Row]:
    """SciPy's vectorised Newton from the same lower bound, and its bracketing in a Python loop."""
    formula = root_form()
    points = scattered(formula, min(setting.points, 100_000))
    operands = list(points.values())
    count = len(operands[0])
    out = np.empty(count)

    def newton(start: np.ndarray) -> Any:
        # from below Newton climbs to the root of a concave function without overshooting it
        root = optimize.newton(root_condition, start, root_slope, tuple(operands), tol=1e-10)
        return error_at_root(root, *operands)

    def from_bracket() -> Any:
        return newton(operands[-1])

    def from_bound() -> Any:
        return newton(root_below(*operands))

    some = [o[:200] for o in operands]

    def bracket() -> Any:
        tau, alpha, _, rho, lam = some
        low, high = lam * (1 - 1e-12) + 1e-300, lam + (1 + (1 + rho) / alpha) / tau
        roots = [
            optimize.brentq(root_condition, a, b, args=tuple(p), xtol=1e-14, rtol=1e-12)
            for a, b, p in zip(low, high, np.transpose(some), strict=True)
        ]
        return error_at_root(np.array(roots), *some)

    expected = formula(out=out, **points)
    np.testing.assert_allclose(from_bracket(), expected, rtol=1e-4)
    np.testing.assert_allclose(from_bound(), expected, rtol=1e-4)
    np.testing.assert_allclose(bracket(), expected[:200], rtol=1e-4)
    paired = interleave(
        {
            "derive": Contender.of(formula, count, out=out, **points),
            "newton": Contender(from_bracket, count),
            "newton, our start": Contender(from_bound, count),
            "brentq": Contender(bracket, 200),
        },
        min(setting.rounds, 5),
        0.0,
    )
    times = {n: paired.nanoseconds(n) for n in paired.seconds}
    return [
        Row(
            "newton",
            TITLE,
            "scipy.optimize.newton, vectorised, from xi = lam",
            paired.ratio("newton", "derive"),
            "x faster",
            at_least(50.0),
            note=f"{count} points; with the exact slope, from the lower end of the bracket of the "
            "root, whence it converges; fewer digits near cancellations",
            nanoseconds=times,
        ),
        Row(
            "newton-ours",
            TITLE,
            "scipy.optimize.newton, vectorised, from the start that the kernel uses",
            paired.ratio("newton, our start", "derive"),
            "x faster",
        ),
        Row(
            "brentq",
            TITLE,
            "scipy.optimize.brentq, point by point",
            paired.ratio("brentq", "derive"),
            "x faster",
            note="200 points from the bracket [lam, lam + (1 + q)/tau]",
        ),
    ]
