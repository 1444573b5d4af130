"""The audit measures errors exactly, finds planted ones, and looks where code breaks."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from numerics.audit import Maximum, audit, search
from numerics.audit_points import Axis, edge_points, nudge, scatter_points
from numerics.ball import evaluate
from numerics.condition import condition_number
from numerics.errors import ArgumentsError
from numerics.functions import ResolventTrace
from numerics.kernel import compile_program
from numerics.program import Builder, Program

BOX = {"kappa": Axis(1e-3, 1e6, special=(math.inf,)), "u": Axis(1e-8, 1e6)}


def trace_program() -> Program:
    b = Builder(("kappa", "u"))
    kappa, u = b.argument("kappa"), b.argument("u")
    for name, value in (("kappa", kappa), ("u", u)):
        b.require(f"{name} > 0", (name,), b.op("less", b.constant(0), value))
    return b.program({"M": ResolventTrace.lower(b, kappa, u)})


def stable(kappa, u):
    """The two-branch form, in NumPy."""
    with np.errstate(all="ignore"):
        shift = np.where(kappa > 2, 1 - 1 / kappa, (kappa - 1) / kappa)
        b = u + shift
        s = np.sqrt(b * b + 4 * u / kappa)
        value = np.where(b > 0, 2 / (b + s), (s - b) * kappa / (2 * u))
        return np.where((kappa > 0) & (u > 0), value, np.nan)


def textbook(kappa, u):
    """The printed root, which cancels for kappa < 1 at small u."""
    with np.errstate(all="ignore"):
        b = u + 1 - 1 / kappa
        return 2 / (b + np.sqrt(b * b + 4 * u / kappa))


def product_and_ratio() -> Program:
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    return b.program({"product": b.op("mul", x, y), "ratio": b.op("div", x, y)})


def root_program(op: str = "sqrt") -> Program:
    b = Builder(("x",))
    return b.program({"y": b.op(op, b.argument("x"))})


# --- points


def test_scatter_points():
    points = scatter_points(BOX, 2000, seed=3)
    again = scatter_points(BOX, 2000, seed=3)
    assert all(np.array_equal(points[n], again[n]) for n in BOX)
    kappa = points["kappa"]
    assert 100 < np.isinf(kappa).sum() < 300
    finite = np.log10(kappa[np.isfinite(kappa)])
    assert finite.min() >= -3 and finite.max() <= 6 and abs(finite.mean() - 1.5) < 0.2
    linear = scatter_points({"x": Axis(-2.0, 3.0)}, 1000, seed=4)["x"]
    assert linear.min() >= -2 and linear.max() <= 3 and linear.std() > 1


def test_edge_points_reach_every_edge():
    box = {
        "tau": Axis(5e-324, 1.7976931348623157e308),
        "kappa": Axis(1e-3, 1e6),
        "lam": Axis(1e-12, 10.0, (0.0,)),
    }
    points = edge_points(
        box, 500, seed=9, transitions=[("tau", 1.0), ("kappa", 1.0), ("kappa", "tau")]
    )
    assert all(len(c) == 500 for c in points.values())
    for k in range(-3, 4):
        assert (points["tau"] == nudge(1.0, k)).any()
        assert (points["kappa"] == nudge(1.0, k)).any()
        assert (points["kappa"] == nudge(1e-3, k)).any()
        assert (points["kappa"] == nudge(1e6, k)).any()
        near = [
            x == nudge(float(t), k) for x, t in zip(points["kappa"], points["tau"], strict=True)
        ]
        assert any(near)
    for value in (5e-324, 2.0**-1022, 1.7976931348623157e308):
        assert (points["tau"] == value).any()
    assert (points["lam"] == 0).any() and not (points["kappa"] < 9e-4).any()
    with pytest.raises(ArgumentsError, match="alpha"):
        edge_points(box, 5, seed=9, transitions=[("kappa", "alpha")])
    for low, high in ((2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(ArgumentsError):
            Axis(low, high)


# --- conditioning


@pytest.mark.parametrize(("x", "c"), [("5/4", 5.0), ("1001/1000", 1001.0), ("-3", 0.75)])
def test_condition_of_a_difference(x, c):
    b = Builder(("x",))
    program = b.program({"d": b.op("sub", b.argument("x"), b.constant(1))})
    assert condition_number(program, x=x) == pytest.approx(c, rel=1e-14)


def test_condition_of_the_resolvent_trace():
    # kappa M_kappa and u M_u from the subtraction-free derivatives, in floats.
    kappa, u = 0.7, 0.03
    m = float(evaluate(trace_program(), kappa=kappa, u=u)["M"])
    t = m / (1 + m / kappa)
    slope = 1 - t * t / kappa
    truth = abs(u * m / slope) + abs(kappa * (t / kappa) ** 2 / slope)
    assert condition_number(trace_program(), kappa=kappa, u=u) == pytest.approx(truth, rel=1e-12)
    at_infinity = condition_number(trace_program(), kappa="inf", u="3/2")
    assert at_infinity == pytest.approx(0.6, rel=1e-12)


def test_condition_where_there_is_none():
    b = Builder(("x",))
    x = b.argument("x")
    assert condition_number(b.program({"y": b.op("sub", x, b.constant(1))}), x=1) == math.inf
    assert condition_number(b.program({"y": b.op("add", x, b.constant(1))}), x=0) == 0.0
    assert math.isnan(condition_number(b.program({"y": b.op("div", x, b.constant(0))}), x=2))
    two = Builder(("k", "x"))
    k, x = two.argument("k"), two.argument("x")
    share = two.op("div", two.constant(1), two.op("mul", k, x))
    limit = two.program({"y": two.op("add", x, share)})  # x at infinite k
    assert condition_number(limit, k="inf", x=2) == 1.0


# --- audit


def test_square_root_is_correctly_rounded():
    x = np.concatenate([10.0 ** np.linspace(-300, 300, 800), [5e-324, 2.0**-1030, 4.0]])
    report = audit(root_program(), lambda x: np.sqrt(x), {"x": x})
    assert report.passed and 0.45 < report.maximum <= 0.5 + 2.0**-17
    assert 0.2 < report.mean < 0.3 and report.compared == report.points == 803


@pytest.mark.parametrize("steps", [1, 3, 40])
def test_planted_errors_are_measured_in_ulp(steps):
    x = np.linspace(1.5, 900, 300)
    values = np.sqrt(x)
    values[123] = nudge(float(values[123]), steps)
    report = audit(root_program(), values, {"x": x})
    assert report.worst is not None and report.worst.point == {"x": float(x[123])}
    assert abs(report.maximum - steps) <= 0.5 + 1e-6
    # Condition 1/2: 8 + 2 ulp are allowed.
    assert report.worst.condition == pytest.approx(0.5)
    assert len(report.beyond) == (steps > 10) and report.passed == (steps <= 10)
    assert report.percentile_99 <= 0.51


def test_stable_form_passes_and_textbook_form_fails():
    points = scatter_points(BOX, 3000, seed=20)
    good = audit(trace_program(), stable, points)
    assert good.passed and good.maximum <= 8 and good.inconclusive == 0
    bad = audit(trace_program(), textbook, points)
    assert not bad.passed and len(bad.beyond) > 30 and bad.beyond[0].ratio > 1e6
    assert bad.beyond[0].point["kappa"] < 1
    assert "beyond" in repr(bad) and "ulp at kappa=" in repr(bad)


def test_stable_form_on_the_edges():
    points = edge_points(BOX, 600, seed=21, transitions=[("kappa", 1.0), ("kappa", "u")])
    report = audit(trace_program(), stable, points)
    assert report.passed, report
    assert report.points == 600


def test_points_without_a_value():
    x = np.array([4.0, -1.0, 2.0, np.nan, 9.0])
    b = Builder(("x",))
    value = b.argument("x")
    b.require("x > 0", ("x",), b.op("less", b.constant(0), value))
    program = b.program({"y": b.op("sqrt", value)})
    good = audit(program, np.array([2.0, np.nan, np.sqrt(2), np.nan, 3.0]), {"x": x})
    assert good.passed and good.agreed == 2 and good.compared == 3
    spurious = audit(program, np.array([2.0, 1.0, np.sqrt(2), np.nan, 3.0]), {"x": x})
    assert not spurious.passed and spurious.spurious == (({"x": -1.0}, 1.0),)
    missing = audit(program, np.array([np.nan, np.nan, np.sqrt(2), np.nan, 3.0]), {"x": x})
    assert not missing.passed and missing.maximum == math.inf
    assert missing.beyond[0].point == {"x": 4.0}


def test_overflow_underflow_and_poles():
    b = Builder(("x",))
    x = b.argument("x")
    program = b.program({"y": b.op("div", b.op("mul", x, x), b.op("sub", x, b.constant(1)))})

    def kernel(x):
        with np.errstate(all="ignore"):
            return x * x / (x - 1)

    square = b.program({"y": b.op("mul", x, x)})
    with np.errstate(all="ignore"):
        report = audit(square, lambda x: x * x, {"x": np.array([1e200, 1e-170, -1e180, 3.0])})
    assert report.passed and report.agreed == 2 and report.compared == 2
    wrong = audit(square, np.array([-np.inf]), {"x": np.array([1e200])})
    assert wrong.maximum == math.inf
    pole = audit(program, kernel, {"x": np.array([1.0, 2.0])})
    assert pole.passed and pole.agreed == 1
    number_at_pole = audit(program, np.array([7.0, 4.0]), {"x": np.array([1.0, 2.0])})
    assert not number_at_pole.passed and number_at_pole.inconclusive == 1


def test_infinite_values_must_be_infinite():
    b = Builder(("x",))
    program = b.program({"y": b.op("add", b.argument("x"), b.constant("inf"))})
    assert audit(program, np.array([np.inf]), {"x": np.array([2.0])}).agreed == 1
    assert audit(program, np.array([1.0]), {"x": np.array([2.0])}).maximum == math.inf


def test_pairs_are_audited_as_double_double():
    x = np.linspace(1.5, 99.0, 50)
    exact = [evaluate(root_program(), bits=250, x=float(v))["y"].midpoint for v in x]
    high = np.array([float(q) for q in exact])
    low = np.array([float(q - Fraction(h)) for q, h in zip(exact, high, strict=True)])
    pair = audit(root_program(), (high, low), {"x": x}, bits=140, significand=106)
    assert pair.passed and pair.maximum <= 1
    low[7] += high[7] * 2.0**-98
    worse = audit(root_program(), (high, low), {"x": x}, bits=140, significand=106)
    assert 100 < worse.maximum < 600 and not worse.passed
    with pytest.raises(ArgumentsError, match="too wide"):
        audit(root_program(), (high, low), {"x": x}, bits=106, significand=106)


@pytest.mark.parametrize("precision", ["float64", "double-double"])
def test_compiled_kernels(precision):
    kernel = compile_program(trace_program(), precision)
    significand, bits = (53, 106) if precision == "float64" else (104, 160)
    points = scatter_points(BOX, 1000, seed=23)
    report = audit(trace_program(), kernel, points, bits=bits, significand=significand)
    assert report.passed, report


def test_one_of_several_outputs():
    program = product_and_ratio()
    x, y = np.linspace(1, 3, 40), np.linspace(7, 5, 40)
    for kernel in (lambda x, y: (x * y, x / y), lambda x, y: (x * y, 0 * x, x / y, 0 * x)):
        for output in program.outputs:
            report = audit(program, kernel, {"x": x, "y": y}, output=output)
            assert report.output == output and report.maximum <= 0.5 + 1e-6
    swapped = audit(program, lambda x, y: (x / y, x * y), {"x": x, "y": y}, output="ratio")
    assert not swapped.passed
    with pytest.raises(ArgumentsError, match="arrays"):
        audit(program, lambda x, y: tuple([x] * 6), {"x": x, "y": y})


def test_wrong_shapes():
    with pytest.raises(ArgumentsError, match="shapes"):
        audit(root_program(), np.ones(3), {"x": np.ones(4)})


def test_a_maximum_of_unknown_condition_is_not_excused():
    assert Maximum({"x": 1.0}, 1.0, 9.0, math.nan).ratio == math.inf
    assert Maximum({"x": 1.0}, 1.0, 4.0, math.nan).ratio == 0.5
    assert Maximum({"x": 1.0}, 1.0, 40.0, 8.0).ratio == 1.0


# --- search


def test_search_finds_a_planted_region():
    # Wrong by 1e-9 in a window of 2 % around u = 0.5: 600 random points would often miss its peak.
    def planted(kappa, u):
        bump = np.exp(-(((np.log(u / 0.5)) / 0.02) ** 2))
        return stable(kappa, u) * (1 + 1e-9 * bump)

    box = {"kappa": Axis(0.1, 10.0), "u": Axis(0.05, 5.0)}
    found = search(trace_program(), planted, box, restarts=25, seed=2)
    assert abs(found[0].point["u"] - 0.5) < 0.005 and found[0].error > 3e6
    again = search(trace_program(), planted, box, restarts=25, seed=2)
    assert found == again
    assert all(a.ratio >= b.ratio for a, b in itertools.pairwise(found))


def test_search_clears_the_stable_form():
    found = search(trace_program(), stable, BOX, restarts=25, seed=6)
    assert 0 < found[0].ratio < 1 and found[0].error < 8
