"""Balls hold the true value: against exact rationals and against mpmath's interval arithmetic."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.ball import enclose, evaluate, evaluate_many
from numerics.ball_record import Ball
from numerics.errors import ConvergenceError
from numerics.functions import ResolventTrace
from numerics.program import Builder, Program

RATIONAL = ("add", "sub", "mul", "div", "minimum", "maximum")
SMOOTH = ("sqrt", "exp", "log", "sin", "cos", "atan")


def trace_program() -> Program:
    """Two outputs: M and 1 - u M, each in its subtraction-free form."""
    b = Builder(("kappa", "u"))
    op, (kappa, u) = b.op, (b.argument(n) for n in ("kappa", "u"))
    for name, value in (("kappa", kappa), ("u", u)):
        b.require(f"{name} > 0", (name,), op("less", b.constant(0), value), "a ratio of counts")
    one, two = b.constant(1), b.constant(2)
    inverse = op("div", one, kappa)
    gap, wide = op("sub", one, inverse), op("add", one, inverse)
    square = op("add", op("mul", gap, gap), op("mul", op("mul", two, u), wide))
    root = op("sqrt", op("add", square, op("mul", u, u)))
    t = op("div", two, op("add", op("add", wide, u), root))
    return b.program({"M": ResolventTrace.lower(b, kappa, u), "t": t})


def unary_program(*ops: str) -> Program:
    b = Builder(("x",))
    value = b.argument("x")
    for name in ops:
        value = b.op(name, value)
    return b.program({"y": value})


# An interpreter over mpmath intervals and one over fractions; they share nothing with ours.


def interval_values(program: Program, point: dict[str, Fraction], bits: int) -> list:
    iv: Any = mpmath.iv
    iv.prec = bits
    values: dict = {}

    def number(q: Fraction):
        return iv.mpf(q.numerator) / iv.mpf(q.denominator)

    def certain(op, a, b):
        c = {"less": a < b, "less_equal": a <= b, "equal": a == b}[op]
        assert c is not None, "an undecided comparison in the oracle"
        return c

    table = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}
    for i in program.body.instructions:
        x = [values[k] for k in i.inputs]
        if i.op == "argument":
            v = number(point[program.arguments[i.attribute]])
        elif i.op == "constant":
            v = number(i.attribute)
        elif i.op in table:
            v = table[i.op](*x)
        elif i.op in ("less", "less_equal", "equal"):
            v = certain(i.op, *x)
        elif i.op == "select":
            v = x[1] if x[0] else x[2]
        elif i.op == "power":
            v = x[0] ** i.attribute
        elif i.op == "neg":
            v = -x[0]
        elif i.op == "atan":  # not in iv: monotone, so the ends with a margin
            with mpmath.workprec(bits + 40):
                low, high = (mpmath.atan(mpmath.mpf(e)) for e in (x[0].a, x[0].b))
                margin = mpmath.mpf(2) ** (-bits)
                v = iv.mpf([low - margin * abs(low), high + margin * abs(high)])
        else:
            v = getattr(iv, i.op)(x[0])
        values[i.results[0]] = v
    return [values[v] for v in program.body.yields]


def end(raw) -> Fraction:
    sign, mantissa, exponent, _ = raw
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent) * (-1 if sign else 1)


def meets(ball: Ball, interval) -> bool:
    low, high = (end(raw) for raw in interval._mpi_)
    return ball.lower <= high and low <= ball.upper


def fraction_value(program: Program, point: dict[str, Fraction]) -> Fraction:
    values: dict = {}
    table: dict[str, Any] = {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "minimum": min,
        "maximum": max,
        "less": operator.lt,
        "less_equal": operator.le,
        "equal": operator.eq,
        "abs": abs,
        "neg": operator.neg,
    }
    for i in program.body.instructions:
        x = [values[k] for k in i.inputs]
        if i.op == "argument":
            v = point[program.arguments[i.attribute]]
        elif i.op == "constant":
            v = i.attribute
        elif i.op == "select":
            v = x[1] if x[0] else x[2]
        elif i.op == "power":
            v = x[0] ** i.attribute
        else:
            v = table[i.op](*x)
        values[i.results[0]] = v
    return values[program.body.yields[0]]


rationals = st.fractions(-50, 50, max_denominator=997) | st.sampled_from(
    [Fraction(0), Fraction(1), Fraction(1, 3), Fraction(-1), Fraction(10) ** -30, Fraction(7, 2)]
)


@st.composite
def rational_programs(draw) -> Program:
    b = Builder(("x", "y"))
    values = [b.argument("x"), b.argument("y"), b.constant(draw(rationals)), b.constant(1)]
    pick = st.integers(0, 10**6)

    def one() -> int:
        return values[draw(pick) % len(values)]

    for _ in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from((*RATIONAL, "power", "select", "neg", "abs")))
        if kind == "power":
            values.append(b.op("power", one(), attribute=draw(st.integers(0, 5))))
        elif kind == "select":
            mask = b.op(draw(st.sampled_from(("less", "less_equal", "equal"))), one(), one())
            values.append(b.select(mask, one(), one()))
        elif kind in ("neg", "abs"):
            values.append(b.op(kind, one()))
        else:
            values.append(b.op(kind, one(), one()))
    return b.program({"f": values[-1]})


@settings(derandomize=True, deadline=None, max_examples=400)
@given(rational_programs(), rationals, rationals, st.sampled_from((2, 53, 128)))
def test_ball_holds_the_exact_rational(program, x, y, bits):
    try:
        truth = fraction_value(program, {"x": x, "y": y})
    except ZeroDivisionError:
        return
    try:
        ball = evaluate(program, bits=bits, x=x, y=y)["f"]
    except ConvergenceError:
        # Allowed (an unused pole, an undecided jump); wrong is not.
        return
    assert ball.contains(truth)
    assert ball.radius <= abs(truth) * Fraction(1, 2**bits) or truth == 0
    column = evaluate_many(program, {"x": [x], "y": [y]}, bits)["f"]
    assert column[0].contains(truth)
    wide = enclose(program, precision=max(bits, 30), x=x, y=y)["f"] if truth == 0 else ball
    assert wide.contains(truth)


def test_few_rational_programs_are_inconclusive():
    decided = []

    @settings(derandomize=True, deadline=None, max_examples=200)
    @given(rational_programs(), rationals, rationals)
    def count(program, x, y):
        try:
            fraction_value(program, {"x": x, "y": y})
        except ZeroDivisionError:
            return
        try:
            evaluate(program, bits=64, x=x, y=y)
            decided.append(True)
        except ConvergenceError:
            decided.append(False)

    count()
    assert len(decided) > 100
    assert sum(decided) > 0.95 * len(decided)


def test_resolvent_trace_against_interval_arithmetic():
    program, rng = trace_program(), np.random.default_rng(20261)
    tried = 0
    for _ in range(400):
        point = {
            "kappa": Fraction(float(10 ** rng.uniform(-6, 6))),
            "u": Fraction(float(10 ** rng.uniform(-12, 6))),
        }
        balls = evaluate(program, bits=128, **point)
        # b = 0 within 1200 bits does not occur at random points, so the oracle is decided.
        for ball, interval in zip(
            balls.values(), interval_values(program, point, 1200), strict=True
        ):
            assert meets(ball, interval), point
            shifted = Ball(ball.midpoint + 3 * ball.radius, ball.radius, 128)
            assert not meets(shifted, interval), "the check cannot fail"
            tried += 1
    assert tried == 800


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_against_interval_arithmetic(name):
    rng = np.random.default_rng(7)
    program = unary_program(name, "atan", "exp")
    for _ in range(60):
        x = Fraction(float(10 ** rng.uniform(-9, 2)))
        ball = evaluate(program, bits=90, x=x)["y"]
        (interval,) = interval_values(program, {"x": x}, 400)
        assert meets(ball, interval)


def exact_traces(n: int, seed: int) -> tuple[dict[str, list[Fraction]], list[Fraction]]:
    """Return points and exact rational values of M from its rational parametrisation.

    u = (1 - t)(kappa - t)/(kappa t), M = kappa t/(kappa - t) for 0 < t < min(1, kappa).
    """
    rng = np.random.default_rng(seed)
    points: dict[str, list[Fraction]] = {"kappa": [], "u": []}
    values = []
    for _ in range(n):
        kappa = Fraction(int(rng.integers(1, 10**6)), int(rng.integers(1, 10**6)))
        # Close to both ends as well: small u and small M.
        share = Fraction(int(rng.integers(1, 10**6)), 10 ** int(rng.integers(6, 12)))
        t = min(kappa, Fraction(1)) * (share if rng.integers(2) else 1 - share)
        points["kappa"].append(kappa)
        points["u"].append((1 - t) * (kappa - t) / (kappa * t))
        values.append(kappa * t / (kappa - t))
    return points, values


def outside(points: dict[str, list[Fraction]], values: list[Fraction], bits: int) -> int:
    column = evaluate_many(trace_program(), points, bits)["M"]
    assert not column.failures and column.relative_radius() <= 2.0**-bits
    return sum(not column[i].contains(v) for i, v in enumerate(values))


@pytest.mark.parametrize(
    ("n", "bits"), [(5000, 106), (2000, 53), pytest.param(300_000, 106, marks=pytest.mark.slow)]
)
def test_resolvent_trace_holds_exact_rationals(n, bits):
    points, values = exact_traces(n, seed=n)
    assert outside(points, values, bits) == 0
    wrong = [v * (1 + Fraction(1, 2 ** (bits - 3))) for v in values]
    assert outside(points, wrong, bits) == n
