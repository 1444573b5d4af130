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
    root_by_sympy,
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
    """SciPy's vectorised Newton on lambdified or handwritten functions, and a bracket per point."""
    formula = root_form()
    points = scattered(formula, setting.points)
    operands = list(points.values())
    count = len(operands[0])
    out = np.empty(count)

    def newton(functions: tuple[Any, Any, Any], start: np.ndarray) -> Any:
        condition, slope, error = functions
        # from below Newton climbs to the root of a concave function without overshooting it
        root = optimize.newton(condition, start, slope, tuple(operands), tol=1e-10)
        return error(root, *operands)

    by_hand = root_condition, root_slope, error_at_root
    by_sympy = root_by_sympy()
    lowest = operands[-1]  # lam: the lower end of the bracket of the root, whence it converges
    few = 200
    some = [o[:few] for o in operands]

    def bracket() -> Any:
        tau, alpha, _, rho, lam = some
        low, high = lam * (1 - 1e-12) + 1e-300, lam + (1 + (1 + rho) / alpha) / tau
        roots = [
            optimize.brentq(root_condition, a, b, args=tuple(p), xtol=1e-14, rtol=1e-12)
            for a, b, p in zip(low, high, np.transpose(some), strict=True)
        ]
        return error_at_root(np.array(roots), *some)

    calls = {
        "newton": lambda: newton(by_sympy, lowest),
        "newton-hand": lambda: newton(by_hand, lowest),
        "newton-ours": lambda: newton(by_hand, root_below(*operands)),
        "newton-one": lambda: newton(by_sympy, np.ones(count)),
    }
    expected = formula(out=out, **points)
    for name in ("newton", "newton-hand", "newton-ours"):
        np.testing.assert_allclose(calls[name](), expected, rtol=1e-4)
    np.testing.assert_allclose(bracket(), expected[:few], rtol=1e-4)
    lost = float(np.mean(~np.isclose(calls["newton-one"](), expected, rtol=1e-4)))
    entries = {"derive": Contender.of(formula, count, out=out, **points)}
    entries |= {name: Contender(call, count) for name, call in calls.items()}
    entries["brentq"] = Contender(bracket, few)
    paired = interleave(entries, min(setting.rounds, 3), 0.0)
    words = {
        "newton": ("scipy.optimize.newton, vectorised, on lambdified functions, from xi = lam", ""),
        "newton-hand": (
            "the same with functions by hand that share what they have in common",
            "with the exact slope; fewer digits near cancellations",
        ),
        "newton-ours": ("the same from the lower bound that a person may derive", ""),
        "newton-one": (
            "scipy.optimize.newton, vectorised, on lambdified functions, from xi = 1",
            f"wrong or no value at {lost:.0%} of the points",
        ),
        "brentq": (
            "scipy.optimize.brentq, point by point",
            f"{few} points from the bracket [lam, lam + (1 + q)/tau]",
        ),
    }
    return [
        Row(
            name,
            TITLE,
            peer,
            paired.ratio(name, "derive"),
            "x faster",
            at_least(50.0) if name == "newton" else None,
            note=note or f"{count} points, error at the root included",
            nanoseconds={n: paired.nanoseconds(n) for n in ("derive", name)},
        )
        for name, (peer, note) in words.items()
    ]
