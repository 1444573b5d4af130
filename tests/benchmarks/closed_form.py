"""Closed forms in float64: against C, on grids, against array languages and their compilers."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from derive.formula import Formula
from numerics import grid

from .c_source import VECTOR_WIDTHS, c_source, compiled, compiler
from .pairing import Contender, interleave
from .table import Row, at_least, at_most, skipped
from .workloads import Setting, closed_form, printed_form, scattered

NAMES = {"closed": "closed form, both sides of tau = 1", "printed": "closed form as printed"}


CACHED = 100_000  # points that a core keeps near it: arithmetic alone is compared


def against_c(setting: Setting) -> list[Row]:
    """Scattered points: the same operations in C that a compiler turns into vectors."""
    return [
        _against_c(setting, name, formula, count)
        for name, formula in (("closed", closed_form()), ("printed", printed_form()))
        for count in sorted({CACHED, setting.points})
    ]


def _against_c(setting: Setting, name: str, formula: Formula, count: int) -> Row:
    row = f"c-{name}-{'cached' if count == CACHED else 'large'}"
    title = f"{NAMES[name]}: {count} scattered points", "C, gcc -O3 -march=native"
    if compiler() is None:
        return skipped(row, *title, "no C compiler")
    points = scattered(formula, count)
    operands = list(points.values())
    out, theirs = np.empty(count), np.empty(count)
    with tempfile.TemporaryDirectory() as folder:
        entries = {"derive": Contender.of(formula, count, out=out, **points)}
        for width in VECTOR_WIDTHS:
            call = compiled(c_source(formula.program), Path(folder), f"{row}{width}", width)
            entries[f"C {width} bit"] = Contender.of(call, count, operands, theirs)
        paired = interleave(entries, setting.rounds, setting.seconds)
    np.testing.assert_allclose(out, theirs, rtol=1e-8)
    anchor = min((n for n in entries if n != "derive"), key=paired.nanoseconds)
    return Row(
        row,
        *title,
        paired.ratio("derive", anchor),
        target=at_most(1.1),
        note=f"one thread; the faster of two vector widths, here {anchor}; C tests no domain",
        nanoseconds={n: paired.nanoseconds(n) for n in entries},
    )


def on_grids(setting: Setting) -> list[Row]:
    """A grid by broadcasting, in one piece and cut by axes, against contiguous operands."""
    rows = []
    side = setting.side
    for name, formula, axes in (
        ("closed", closed_form(), ("tau", "kappa")),
        ("printed", printed_form(), ("tau", "kappa")),
    ):
        grid_points = _grid(formula, axes, side)
        kernel = formula.kernel()
        operands = [np.asarray(grid_points[a]) for a in formula.args]
        full = [np.ascontiguousarray(np.broadcast_to(o, (side, side))) for o in operands]
        out, whole = np.empty((side, side)), np.empty((side, side))
        grid.prepare(kernel, *operands)
        hoists = any(c is not None and c.saving((side, side)) > 0.0 for c in kernel.cuts.values())
        entries = {
            "contiguous": Contender.of(kernel.ufunc, out.size, *full, out=whole),
            "broadcast": Contender.of(kernel.ufunc, out.size, *operands, out=out),
        }
        if hoists:
            staged = np.empty((side, side))
            entries["hoisted"] = Contender.of(formula, out.size, out=staged, **grid_points)
        paired = interleave(entries, setting.rounds, setting.seconds)
        assert np.array_equal(out, whole)
        words = f"{NAMES[name]}: {side} x {side} grid in {' and '.join(axes)}"
        times = {n: paired.nanoseconds(n) for n in entries}
        rows.append(
            Row(
                f"grid-{name}",
                f"{words}, by broadcasting",
                "its kernel on contiguous operands",
                paired.ratio("broadcast", "contiguous"),
                target=at_most(1.3),
                nanoseconds=times,
            )
        )
        if hoists:
            assert np.array_equal(staged, whole)
            rows.append(
                Row(
                    f"hoisted-{name}",
                    f"{words}, cut by axes",
                    "its kernel on contiguous operands",
                    paired.ratio("hoisted", "contiguous"),
                    target=at_most(1.0),
                )
            )
    return rows


def against_lambdify(setting: Setting) -> list[Row]:
    """The printed form by lambdify with cse: scattered, and on broadcast grids."""
    formula = printed_form()
    theirs = in_numpy(formula)
    rows = [_scattered_against_lambdify(setting, formula, theirs)]
    for axes in (("tau", "kappa"), ("alpha", "kappa")):
        points = _grid(formula, axes, setting.side)
        values = [np.asarray(points[a]) for a in formula.args]
        grid.prepare(formula.kernel(), *values)
        out = np.empty((setting.side, setting.side))
        np.testing.assert_allclose(theirs(*values), formula(out=out, **points), rtol=1e-6)
        paired = interleave(
            {
                "derive": Contender.of(formula, out.size, out=out, **points),
                "lambdify": Contender.of(theirs, out.size, *values),
            },
            setting.rounds,
            setting.seconds,
        )
        rows.append(
            Row(
                f"lambdify-{axes[0]}",
                f"{NAMES['printed']}: {setting.side} x {setting.side} grid in {' and '.join(axes)}",
                LAMBDIFY,
                paired.ratio("lambdify", "derive"),
                "x faster",
                at_least(6.0),
                nanoseconds={n: paired.nanoseconds(n) for n in paired.seconds},
            )
        )
    return rows


LAMBDIFY = "lambdify with NumPy and cse"


def _scattered_against_lambdify(
    setting: Setting, formula: Formula, theirs: Callable[..., Any]
) -> Row:
    points = scattered(formula, setting.points)
    operands, out = list(points.values()), np.empty(setting.points)
    np.testing.assert_allclose(theirs(*operands), formula(out=out, **points), rtol=1e-6)
    entries = {
        "derive": Contender.of(formula, out.size, out=out, **points),
        "lambdify": Contender.of(theirs, out.size, *operands),
    }
    note = "no C compiler to compare with"
    with tempfile.TemporaryDirectory() as folder:
        if compiler() is not None:
            call = compiled(c_source(formula.program), Path(folder), "lambdify")
            entries["C"] = Contender.of(call, out.size, operands, out)
        paired = interleave(entries, setting.rounds, setting.seconds)
    if "C" in entries:
        note = f"C itself is {paired.ratio('lambdify', 'C').median:.3g}x faster than lambdify here"
    return Row(
        "lambdify-scattered",
        f"{NAMES['printed']}: {setting.points} scattered points",
        LAMBDIFY,
        paired.ratio("lambdify", "derive"),
        "x faster",
        at_least(20.0),
        note=note,
        nanoseconds={n: paired.nanoseconds(n) for n in entries},
    )


def against_compilers(setting: Setting) -> list[Row]:
    """The printed form by numexpr, symengine, heyoka and JAX, where they are installed."""
    formula = printed_form()
    points = scattered(formula, setting.points)
    out = expected = formula(**points)
    rows = []
    for name, make in PEERS.items():
        title = f"{NAMES['printed']}: scattered, one thread", name
        if importlib.util.find_spec(name) is None:
            rows.append(skipped(name, *title, f"{name} is not installed"))
            continue
        call = make(formula, points)
        np.testing.assert_allclose(np.asarray(call()).reshape(-1), expected, rtol=1e-10)
        paired = interleave(
            {
                "derive": Contender.of(formula, setting.points, out=out, **points),
                name: Contender(call, setting.points),
            },
            setting.rounds,
            0.0,
        )
        times = {n: paired.nanoseconds(n) for n in paired.seconds}
        ratio = paired.ratio(name, "derive")
        rows.append(Row(name, *title, ratio, "x faster", note=PEERS_NOTE, nanoseconds=times))
    return rows


PEERS_NOTE = "at their fastest settings; they test no domain"


def in_numpy(formula: Formula) -> Callable[..., Any]:
    """Return the textbook expression as a NumPy function made by SymPy."""
    return sp.lambdify(formula.body.symbols, formula.expr, modules="numpy", cse=True)


def _grid(formula: Formula, axes: tuple[str, str], side: int) -> dict[str, Any]:
    fixed: dict[str, Any] = {"tau": 2.0, "alpha": 1.5, "kappa": 0.5, "rho": 0.01}
    spans = {"tau": np.linspace(1.1, 10.0, side), "kappa": np.geomspace(0.1, 10.0, side)}
    spans["alpha"] = spans["kappa"]
    found = {a: fixed[a] for a in formula.args}
    found[axes[0]], found[axes[1]] = spans[axes[0]][:, None], spans[axes[1]]
    return found


def _numexpr(formula: Formula, points: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    import numexpr

    numexpr.set_num_threads(1)
    text = str(formula.expr)
    numexpr.evaluate(text, local_dict=dict(points))
    return lambda: numexpr.re_evaluate(local_dict=dict(points))


def _symengine(formula: Formula, points: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    import symengine

    symbols = [symengine.sympify(s) for s in formula.body.symbols]
    expression = [symengine.sympify(formula.expr)]
    call = symengine.Lambdify(symbols, expression, backend="llvm", cse=True)
    stacked = np.ascontiguousarray(np.column_stack(list(points.values())))
    out = np.empty((len(stacked), 1))

    def run() -> Any:
        call(stacked, out=out)
        return out

    return run


def _heyoka(formula: Formula, points: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    import heyoka

    names = {str(s): v for s, v in zip(formula.args, heyoka.make_vars(*formula.args), strict=True)}
    expression = heyoka.from_sympy(formula.expr)
    call = heyoka.cfunc([expression], vars=[names[a] for a in formula.args], fast_math=True)
    stacked = np.ascontiguousarray(np.vstack(list(points.values())))
    out = np.empty((1, stacked.shape[1]))
    return lambda: call(stacked, outputs=out)


def _jax(formula: Formula, points: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    call = jax.jit(sp.lambdify(formula.body.symbols, formula.expr, modules="jax", cse=True))
    operands = [jax.numpy.asarray(p) for p in points.values()]
    return lambda: np.asarray(call(*operands))


PEERS: dict[str, Callable[..., Callable[[], Any]]] = {
    "numexpr": _numexpr,
    "symengine": _symengine,
    "heyoka": _heyoka,
    "jax": _jax,
}
