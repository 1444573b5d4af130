"""Sums over infinitely many modes in pairs of floats, against balls over the whole domain."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import arb

import derivations
from derive.export import LANGUAGES
from numerics import double_double_power_law as pairs
from numerics import power_law_series as floats
from numerics.audit import audit
from numerics.ball import working_precision
from numerics.ball_operations import Inconclusive, Jet
from numerics.condition import condition_number
from numerics.escalation import EscalatingKernel
from numerics.export.references import reference_values
from numerics.export.source import write_source
from numerics.functions import PowerLawSum
from numerics.kernel import compile_program
from numerics.lower import lower
from numerics.power_law_ball import power_law_sum
from numerics.program import Builder, Program

p, q, m, x = sp.symbols("p q m x", positive=True)
PROGRAM = lower([p, q, m, x], [], {"S": PowerLawSum(p, q, m, x)})


def pair(*at: float, low: tuple[float, ...] = (0.0,) * 4) -> tuple[float, float]:
    """Return the value of the functions that a kernel calls, run by Python."""
    return pairs.power_law_pair(*(part for v in zip(at, low, strict=True) for part in v))


def enclosed(*at: float) -> arb:
    return power_law_sum(*(arb(v) for v in at))


def condition(*at: float) -> float:
    """Sum of abs(v S_v / S) over p, q, m and x, by differences of balls."""
    total = 0.0
    with working_precision(200):
        for i, v in enumerate(at):
            if v:
                moved = [arb(a) for a in at]
                moved[i] *= 1 + arb(2) ** -60
                total += abs(float((power_law_sum(*moved) / enclosed(*at) - 1) * 2**60))
    return total


def scattered(rng, size):
    """Points of the whole domain: p near 1 and large, any q, m no integer, x of any size."""
    decay = 1 + 10 ** rng.uniform(-9, 2, size)
    rate = 10 ** rng.uniform(-1.5, 1.3, size)
    power = np.where(
        rng.random(size) < 0.4, rng.integers(1, 5, size), 10 ** rng.uniform(-1, 1, size)
    )
    at = 10 ** rng.uniform(-8, 16, size)
    decay[::7], decay[3::7] = 1 + rate[::7], 2 + 2 * rate[3::7]  # as in degrees of freedom
    rate[::7], rate[3::7] = 1 + rate[::7], 1 + rate[3::7]
    at[::11], at[1::13] = 0.0, 10 ** rng.uniform(-320, 250, len(at[1::13]))
    return decay, rate, power.astype(float), at


def worst_of(columns) -> int:
    """Compare pairs with balls at every point and return how many could be compared."""
    compared = 0
    for at in zip(*(c.tolist() for c in columns), strict=True):
        try:
            high, low = pair(*at)
            for bits in (160, 320):
                with working_precision(bits):
                    error = abs((arb(high) + arb(low)) / enclosed(*at) - 1)
                if error.is_nan() or error.rad() < 1e-33:
                    break
        except Inconclusive:
            continue
        if math.isnan(high):  # refused, but never an ordinary point
            assert at[3] > 1e50 or float(enclosed(*at)) < 1e-280
            continue
        compared += 1
        assert error < 1e-30 or error < 1e-30 + 1.3e-32 * condition(*at), at
    return compared


def test_pairs_lie_where_the_balls_say():
    assert worst_of(scattered(np.random.default_rng(11), 16)) > 10


@pytest.mark.slow
def test_pairs_lie_where_the_balls_say_at_many_points():
    assert worst_of(scattered(np.random.default_rng(12), 400)) > 360


def test_single_floats_lie_where_the_balls_say():
    """Over the whole domain, near and beyond saturation included, 8 + 4 condition numbers ulp."""
    compared = 0
    for at in zip(*(c.tolist() for c in scattered(np.random.default_rng(21), 60)), strict=True):
        try:
            with working_precision(100):
                exact = enclosed(*at)
        except Inconclusive:
            continue
        if exact.is_finite() and exact > 1e-290 and at[3] < 1e50:
            compared += 1
            error = float(abs(arb(floats.power_law_sum(*at)) / exact - 1)) / 2.0**-52
            assert error < 8 or error < 8 + 4 * condition(*at), at
    assert compared > 40


def test_low_parts_of_the_operands_count():
    tail = 2.0**-56
    high, low = pair(1.5, 1.25, 2.5, 40.0, low=(tail, -tail, tail, 3 * tail))
    with working_precision(160):
        at = (arb(1.5) + tail, arb(1.25) - tail, arb(2.5) + tail, arb(40) + 3 * tail)
        assert abs((arb(high) + arb(low)) / power_law_sum(*at) - 1) < 1e-30
        assert abs((arb(high) + arb(low)) / enclosed(1.5, 1.25, 2.5, 40.0) - 1) > 1e-18


@pytest.mark.slow
def test_the_text_is_what_a_kernel_calls():
    kernel = compile_program(PROGRAM, "double-double")
    columns = scattered(np.random.default_rng(13), 40)
    for at, high, low in zip(zip(*columns, strict=True), *kernel(*columns), strict=True):
        assert np.array_equal(pair(*map(float, at)), (high, low), equal_nan=True)


def test_what_cannot_be_done_is_no_number():
    inf, nan = math.inf, math.nan
    for bad in ((1.0, 1.0, 1.0, 1.0), (0.5, 1.0, 1.0, 1.0), (2.0, -1.0, 1.0, 1.0),
                (2.0, 1.0, 1.0, -1.0), (2.0, 1.0, 0.0, 1.0), (2.0, 1.0, 1.0, inf),
                (nan, 1.0, 1.0, 1.0), (2.0, 1.0, nan, 1.0), (inf, 1.0, 1.0, 1.0),
                (3.0, 1.0, 2.0, 1e200), (5e4, 1.0, 1.0, 1.0)):  # fmt: skip
        assert math.isnan(pair(*bad)[0]), bad
    assert math.isfinite(pair(1.0, 2.0, 1.0, 3.0, low=(2.0**-54, 0.0, 0.0, 0.0))[0])  # p above 1


def test_corrections_that_do_not_fall_are_refused(monkeypatch):
    """The check can fail: begun too early the tail has no 31 digits, and says so."""
    assert math.isfinite(pair(2.0, 1.5, 1.0, 30.0)[0])
    monkeypatch.setattr(pairs, "first_of_pairs", lambda *_: 5.0)
    assert math.isnan(pair(2.0, 1.5, 1.0, 30.0)[0])


def module_of(text: str) -> dict:
    names: dict = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), names)  # what the package itself has written
    return names


def special() -> Program:
    """A sum, and the functions that C, NumPy or Julia lack beside it."""
    b = Builder(("p", "q", "m", "x"))
    p, q, m, x = map(b.argument, "pqmx")
    b.require("p > 1", ("p",), b.op("less", b.constant(1), p))
    total = b.op("add", b.op("gamma", m), b.op("zeta", p))
    return b.program({"f": b.op("mul", b.op("power_law_sum", p, q, m, x), total)})


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_c_has_the_sums(out):
    text = write_source(special(), LANGUAGES["c99"], "f", ["f"], reference_values(special(), 4))
    Path("f.c").write_text(text)
    strict = (
        "gcc -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -Wno-unused-variable f.c -lm".split()
    )
    subprocess.run([*strict, "-ffp-contract=off", "-shared", "-fPIC", "-o", "f.so"], check=True)
    subprocess.run([*strict, "-ffp-contract=off", "-DSELF_TEST", "-o", "test"], check=True)
    subprocess.run(["./test"], check=True)
    wrong = text.replace("-691.0 / 32760.0", "-692.0 / 32760.0").replace("60.0 + 4.0", "20.0 + 0.0")
    Path("f.c").write_text(wrong)
    subprocess.run([*strict, "-DSELF_TEST", "-o", "wrong"], check=True)
    assert wrong != text and subprocess.run(["./wrong"], capture_output=True).returncode == 1
    function = ctypes.CDLL(str(out / "f.so")).f
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 4
    for at in zip(*(c.tolist() for c in scattered(np.random.default_rng(31), 60)), strict=True):
        other = math.gamma(at[2]) + float(mpmath.zeta(at[0]))
        assert math.isclose(function(*at), floats.power_law_sum(*at) * other, rel_tol=1e-12)
    for bad in ((1.0, 1.0, 1.0, 1.0), (2.0, -1.0, 1.0, 1.0), (2.0, 1.0, 1.0, -1.0)):
        assert math.isnan(function(*bad))


def test_numpy_has_the_sums():
    text = write_source(special(), LANGUAGES["numpy"], "f", ["f"], reference_values(special(), 4))
    names = module_of(text)
    for *point, wanted, allowed in names["REFERENCE"]:
        assert abs(names["f"](*point) - wanted) <= allowed * abs(wanted)
    columns = scattered(np.random.default_rng(32), 20)
    found = names["special_power_law_sum"](*columns)
    alone = [floats.power_law_sum(*map(float, at)) for at in zip(*columns, strict=True)]
    assert np.array_equal(found, alone, equal_nan=True)
    x = np.array([-1.5, -0.25, 1e-9, 0.3, 0.5, 1.0, 1.4616, 2.5, 9.9, 20.5, 100.25, 170.5])
    assert np.allclose(names["special_gamma"](x), [math.gamma(v) for v in x], rtol=2e-15, atol=0)
    with np.errstate(all="ignore"):
        assert np.isnan(names["special_gamma"](np.array([0.0, -3.0]))).all()
        assert np.isnan(names["special_zeta"](-1.0)) and names["special_zeta"](np.inf) == 1
    s = np.array([0.0, 0.5, 1.25, 3.0, 60.0])
    assert np.allclose(names["special_zeta"](s), [float(mpmath.zeta(v)) for v in s], rtol=1e-14)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_sums_and_is_balanced(language):
    text = write_source(special(), LANGUAGES[language], "special", ["f"], [])
    code = re.sub(r"/\*.*?\*/|\(\*.*?\*\)|#.*?$|\"\"\".*?\"\"\"", "", text, flags=re.S | re.M)
    for opening, closing in ("()", "[]", "{}"):
        assert code.count(opening) == code.count(closing)
    assert text.isascii()
    head = "f_special" if language != "mathematica" else "fSpecial"
    assert re.search(rf"\b{head}[(\[]", text)  # no name of a helper is taken


def jets(at, radius: float = 0.0):
    return [Jet(arb(v) + arb(0, radius), {k: arb(1)}) for k, v in enumerate(at)]


@pytest.mark.parametrize(
    "at", [(1.5, 1.25, 1, 50), (3, 1.5, 2.5, 1e6), (1.01, 1.01, 1, 0.3), (7, 8, 1.5, 1e3)]
)
def test_derivatives_in_exponents(at):
    """Against sums with logarithms of the modes, added by mpmath."""
    p_, q_, m_, x_ = (mpmath.mpf(v) for v in at)
    terms = (
        lambda k: -mpmath.log(k) * k**-p_ * (1 + x_ * k**-q_) ** -m_,
        lambda k: m_ * x_ * mpmath.log(k) * k ** (-p_ - q_) * (1 + x_ * k**-q_) ** (-m_ - 1),
        lambda k: -mpmath.log1p(x_ * k**-q_) * k**-p_ * (1 + x_ * k**-q_) ** -m_,
    )
    with working_precision(128):
        slopes = power_law_sum(*jets(at)).slopes
    assert all(slopes[k].rel_accuracy_bits() > 90 for k in range(4))
    with mpmath.workdps(25):
        for k, term in enumerate(terms):
            # Euler-Maclaurin by hand: modes, integral in log k, half a mode and two corrections
            K, total = 60, mpmath.mpf(0)
            total += mpmath.fsum(term(mpmath.mpf(n)) for n in range(1, K))
            total += mpmath.quad(
                lambda t, f=term: f(mpmath.exp(t)) * mpmath.exp(t),
                [mpmath.log(K), 6, 10, 20, 60, 200, 1000, 6000],
            )
            total += term(mpmath.mpf(K)) / 2
            for order, weight in ((1, -12), (3, 720), (5, -30240)):
                total += mpmath.diff(term, mpmath.mpf(K), order) / weight
            assert abs(float(slopes[k]) / float(total) - 1) < 1e-13


def test_derivatives_of_wide_balls_hold_those_inside():
    at, radius = (2.5, 1.75, 1.5, 40.0), 2.0**-30
    with working_precision(128):
        wide = power_law_sum(*jets(at, radius)).slopes
        for side in (-1, 1):
            inside = power_law_sum(*jets([v + side * radius for v in at])).slopes
            for k in range(4):
                assert wide[k].contains(inside[k].mid())
                assert wide[k].rad() > 1e6 * inside[k].rad()
        assert not wide[0].contains(power_law_sum(*jets((2.501, 1.75, 1.5, 40.0))).slopes[0].mid())
    with working_precision(64):  # what a difference leaves is in its ball
        rough = power_law_sum(*jets(at)).slopes
    assert all(rough[k].overlaps(inside[k] + arb(0, 1e-8)) for k in range(4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "result", "at"),
    [
        ("classics.power_law_ridge", "kappa_exact", {"b": "7/4", "c": "3", "n": "40"}),
        (
            "classics.power_law_error",
            "error_exact",
            {"a": "9/2", "b": "3/2", "h": "0.7", "n": "300"},
        ),
    ],
)
def test_conditions_in_the_exponents_of_a_page(page, result, at):
    formula = derivations.get(page).results[result]
    exact = {name: Fraction(v) for name, v in at.items()}
    value, total, step = formula.ball(bits=100, **exact).midpoint, 0.0, Fraction(1, 2**40)
    for name, v in exact.items():
        moved = formula.ball(bits=100, **{**exact, name: v * (1 + step)}).midpoint
        total += abs(float((moved / value - 1) / step))
    assert math.isclose(condition_number(formula.program, None, **exact), total, rel_tol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "result", "at"),
    [
        ("classics.power_law_ridge", "kappa_exact", {"b": 1.75, "c": 3.0, "n": 40.0}),
        ("classics.power_law_error", "error_exact", {"a": 4.5, "b": 1.5, "h": 0.7, "n": 300.0}),
    ],
)
def test_roots_over_the_sums_in_pairs(page, result, at):
    formula = derivations.get(page).results[result]
    high, low = formula.kernel("double-double")(*at.values())
    exact = formula.ball(bits=120, **at).midpoint
    assert abs((Fraction(float(high)) + Fraction(float(low))) / exact - 1) < Fraction(1, 10**30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "result", "box"),
    [
        ("classics.power_law_ridge", "kappa_exact", {"b": (1, 8), "c": (1e-6, 1e6), "n": (1, 1e6)}),
        (
            "classics.power_law_error",
            "error_exact",
            {"a": (1, 17), "b": (1, 8), "h": (1e-6, 1e6), "n": (1, 1e6)},
        ),
    ],
)
def test_few_points_escalate_and_all_keep_the_promise(page, result, box):
    formula = derivations.get(page).results[result]
    rng = np.random.default_rng(41)
    points = {n: np.exp(rng.uniform(*np.log(ends), 300)) for n, ends in box.items()}
    if "a" in points:
        points["a"] = np.minimum(points["a"], 1.9 * points["b"])
        points["a"] = np.maximum(points["a"], 1.01)
    auto = EscalatingKernel(formula.program)
    report = audit(formula.program, auto, points)
    assert report.passed and report.compared == 300
    assert auto.escalated.balls == 0 and auto.escalated.double_double < 30


@pytest.mark.slow
@pytest.mark.parametrize(("op", "low", "high"), [("zeta", 0.01, 8.0), ("gamma", 0.02, 160.0)])
def test_series_that_cancel_escalate(op, low, high):
    """Zeta below 1 is what twelve terms leave of an integral: float64 loses digits there."""
    b = Builder(("x",))
    program = b.program({"f": b.op(op, b.argument("x"))})
    x = np.random.default_rng(43).uniform(low, high, 300)
    x[:60] = np.linspace(0.02, 0.9, 60)
    auto = EscalatingKernel(program)
    assert audit(program, auto, {"x": x}).passed
    assert (auto.escalated.double_double > 10) == (op == "zeta")
    alone = np.array([float(getattr(mpmath, op)(v)) for v in x])
    lost = np.abs(compile_program(program)(x) / alone - 1).max()
    assert (lost > 1e-15 * 5) == (op == "zeta")  # without estimates the promise would be broken
