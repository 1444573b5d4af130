"""Balls at infinities, zeros, poles, jumps and sums, one by one and in columns."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from itertools import product
from typing import Any

import flint
import numpy as np
import pytest

from numerics import ball as bulk
from numerics.ball import enclose, evaluate, evaluate_many
from numerics.ball_operations import Jet, integer_power
from numerics.ball_program import run, run_columns
from numerics.errors import ArgumentsError, ConvergenceError, DomainError, LoweringError
from numerics.functions import ResolventTrace
from numerics.program import Builder, Program

SMOOTH = ("sqrt", "exp", "log", "sin", "cos", "atan")


def trace_program() -> Program:
    b = Builder(("kappa", "u"))
    kappa, u = b.argument("kappa"), b.argument("u")
    for name, value in (("kappa", kappa), ("u", u)):
        b.require(f"{name} > 0", (name,), b.op("less", b.constant(0), value), "a ratio of counts")
    return b.program({"M": ResolventTrace.lower(b, kappa, u)})


def unary_program(*ops: str) -> Program:
    b = Builder(("x",))
    value = b.argument("x")
    for name in ops:
        value = b.op(name, value)
    return b.program({"y": value})


@pytest.mark.parametrize(
    ("op", "x", "digits"),
    [
        ("gamma", "1/3", "2.678938534707747634"),
        ("zeta", "3", "1.202056903159594285"),
        ("exp", "1/2", "1.648721270700128147"),
    ],
)
def test_special_functions(op, x, digits):
    assert evaluate(unary_program(op), bits=80, x=x)["y"].digits(19) == digits


def test_names_are_checked():
    with pytest.raises(ArgumentsError, match="missing u"):
        evaluate(trace_program(), kappa=2)
    with pytest.raises(ArgumentsError, match="unknown lam"):
        evaluate(trace_program(), kappa=2, u=3, lam=0)
    wrong: list[Any] = [0, 1, 10**9, "128", 64.0, True]
    for bits in wrong:
        with pytest.raises(ArgumentsError, match="bits"):
            evaluate(trace_program(), bits=bits, kappa=2, u=3)


# --- domain, infinities, zeros


def test_constraints():
    program = trace_program()
    for kappa in (-1, 0, "-1e-300"):
        with pytest.raises(DomainError, match="kappa > 0 fails"):
            evaluate(program, kappa=kappa, u=2)


def test_infinite_kappa_is_the_limit():
    program = trace_program()
    ball = evaluate(program, bits=100, kappa="inf", u="3/7")
    assert ball["M"].contains(Fraction(7, 10))
    far = evaluate(program, bits=100, kappa="1e2000", u="3/7")["M"]
    assert abs(far.midpoint - Fraction(7, 10)) < Fraction(1, 2**100)


def test_infinities_in_a_program():
    b = Builder(("x",))
    x, inf = b.argument("x"), b.constant("inf")
    quotient, total = b.op("div", x, inf), b.op("add", x, inf)
    capped = b.op("minimum", x, inf)
    program = b.program(
        {"quotient": quotient, "total": total, "capped": capped, "low": b.op("neg", total)}
    )
    balls = evaluate(program, x="1/3")
    assert balls["quotient"].radius == 0 and balls["quotient"].contains(0)
    assert float(balls["total"]) == math.inf and float(balls["low"]) == -math.inf
    assert balls["total"].contains("inf") and not balls["total"].contains("1e300")
    assert repr(balls["low"]) == "Ball(-infinity)"
    assert balls["capped"].contains("1/3")
    with pytest.raises(DomainError):
        _ = balls["total"].lower


@pytest.mark.parametrize("op", ["sub", "div"])
def test_infinity_against_infinity_is_inconclusive(op):
    b = Builder(("x",))
    program = b.program({"y": b.op(op, b.argument("x"), b.constant("inf"))})
    with pytest.raises(ConvergenceError, match="inf-inf"):
        evaluate(program, x=math.inf)


def test_exact_zero_stays_exact():
    b = Builder(("lam", "x"))
    lam, x = b.argument("lam"), b.argument("x")
    program = b.program({"y": b.op("mul", lam, b.op("sqrt", x))})
    ball = evaluate(program, lam=0, x="1/3")["y"]
    assert (ball.midpoint, ball.radius) == (0, 0)


def test_a_value_that_vanishes_by_cancellation():
    b = Builder(("x",))
    x = b.argument("x")
    square = b.op("power", b.op("sqrt", x), attribute=2)
    program = b.program({"zero": b.op("sub", square, x)})
    ball = evaluate(program, bits=100, x="1/3")["zero"]
    assert ball.contains(0) and ball.radius <= Fraction(1, 2**100)
    assert enclose(program, precision=64, x="1/3")["zero"].contains(0)


def test_precision_rises_until_the_digits_are_there():
    b = Builder(("x",))
    x, one = b.argument("x"), b.constant(1)
    program = b.program({"y": b.op("sub", b.op("sqrt", b.op("add", one, x)), one)})
    ball = evaluate(program, bits=64, x="1e-300")["y"]
    # sqrt(1 + x) - 1 = x/2 - x^2/8 + ...
    assert abs(ball.midpoint - Fraction(1, 2 * 10**300)) < ball.radius + Fraction(1, 10**600)
    assert ball.radius * 2**64 <= abs(ball.midpoint)
    # Too close to zero for 64 times the first precision: no digit is claimed.
    nothing = evaluate(program, bits=2, x="1e-2999")["y"]
    assert nothing.contains(0) and nothing.contains(Fraction(1, 2 * 10**2999))
    with pytest.raises(ConvergenceError):
        nothing.digits()


def test_a_pole_is_inconclusive():
    b = Builder(("x",))
    program = b.program({"y": b.op("div", b.constant(2), b.argument("x"))})
    with pytest.raises(ConvergenceError, match="pole"):
        evaluate(program, x=0)
    assert evaluate(program, x="1/3")["y"].contains(6)


def test_undecided_select_is_a_union_or_refused():
    def program(jump: int) -> Program:
        b = Builder(("x",))
        x = b.argument("x")
        root = b.op("sqrt", x)
        mask = b.op("less", b.op("mul", root, root), x)  # never decided unless x is a square
        return b.program(
            {"y": b.select(mask, b.op("mul", root, root), b.op("add", x, b.constant(jump)))}
        )

    assert evaluate(program(0), x="1/3")["y"].contains("1/3")
    with pytest.raises(ConvergenceError):
        evaluate(program(1), x="1/3")


def test_nan_constant_never_passes():
    b = Builder(("x",))
    x = b.argument("x")
    nan = b.constant("nan")
    mask = b.op("less", x, b.constant(1))
    program = b.program({"y": b.select(mask, x, nan)})
    assert evaluate(program, x="1/3")["y"].contains("1/3")
    with pytest.raises(ConvergenceError):
        evaluate(program, x=2)
    b = Builder(("x",))
    x = b.argument("x")
    b.require("nan < x", ("x",), b.op("not", b.op("less", b.constant("nan"), x)))
    with pytest.raises(ConvergenceError, match="undecided"):
        evaluate(b.program({"y": x}), x=2)


def test_integer_power_of_a_ball_around_zero():
    ball = flint.arb(0, 1)
    square = integer_power(ball, 2)
    assert square.is_finite() and square.contains(0) and square.contains(flint.arb(0.81))
    cube = integer_power(ball, 3)
    assert cube.contains(flint.arb(-0.729)) and cube.is_finite()
    assert integer_power(flint.arb(3), -2).contains(flint.fmpq(1, 9))
    assert integer_power(flint.arb(0), 0) == 1


def test_unknown_operation():
    b = Builder(("x",))
    with pytest.raises(LoweringError, match="bessel"):
        evaluate(b.program({"y": b.op("bessel", b.argument("x"))}), x=2)


# --- sums


def harmonic() -> Program:
    b = Builder(("n", "x"))
    n, x = b.argument("n"), b.argument("x")
    (k,) = b.open(1)
    term = b.op("div", x, k)
    (total,) = b.close("sum", (k,), (term,), (b.constant(1), n), None, 1)
    return b.program({"h": total})


def test_sums():
    truth = sum(Fraction(2, 3) / k for k in range(1, 41))
    assert evaluate(harmonic(), n=40, x="2/3")["h"].contains(truth)
    assert evaluate(harmonic(), n=0, x="2/3")["h"].contains(0)
    for n in ("1/2", 10**7, "inf"):
        with pytest.raises(ConvergenceError, match="sum"):
            evaluate(harmonic(), n=n, x=1)
    column = evaluate_many(harmonic(), {"n": [40, "1/2"], "x": "2/3"})["h"]
    assert column[0].contains(truth) and 1 in column.failures


def test_table_sum():
    nodes = (Fraction(1, 3), Fraction(2, 7), Fraction(5))
    weights = (Fraction(1, 2), Fraction(1, 5), Fraction(3, 10))
    b = Builder(("x",))
    x = b.argument("x")
    w, node = b.open(2)
    term = b.op("div", w, b.op("add", node, x))
    (total,) = b.close("table_sum", (w, node), (term,), (), (weights, nodes), 1)
    truth = sum(p / (q + Fraction(1, 9)) for p, q in zip(weights, nodes, strict=True))
    assert evaluate(b.program({"s": total}), x="1/9")["s"].contains(truth)


# --- columns


def test_many_points_agree_with_one():
    program, rng = trace_program(), np.random.default_rng(3)
    kappa, u = 10 ** rng.uniform(-3, 6, 700), 10 ** rng.uniform(-8, 6, 700)
    columns = evaluate_many(program, {"kappa": kappa, "u": u}, bits=106)
    assert columns["M"].relative_radius() <= 2.0**-106
    for i in range(0, 700, 37):
        one = evaluate(program, bits=150, kappa=kappa[i], u=u[i])
        for name, ball in one.items():
            many = columns[name][i]
            assert abs(many.midpoint - ball.midpoint) <= many.radius + ball.radius


def test_columns_decide_what_single_balls_decide():
    """Every pair of exact, wide, infinite and NaN balls; masks and what they select as well."""
    exact = [flint.arb(v) for v in (-1, 0, 1, 2)]
    wide = [flint.arb(0, 1), flint.arb(0.5, 0.5), flint.arb(1, 2.0**-90), flint.arb(0, math.inf)]
    balls = [*exact, *wide, flint.arb.pos_inf(), flint.arb.neg_inf(), flint.arb.nan()]
    left, right = ([pair[k] for pair in product(balls, balls)] for k in (0, 1))
    b = Builder(("x", "y"))
    x, y, op = b.argument("x"), b.argument("y"), b.op
    masks = [op(name, x, y) for name in ("less", "less_equal", "equal")]
    both = b.select(masks[0], masks[1], masks[2])
    chosen = b.select(masks[0], op("mul", x, x), op("power", y, attribute=2))
    yields = (*masks, both, chosen, b.select(op("equal", x, x), x, y))
    body = b.program({f"o{k}": v for k, v in enumerate(yields)}).body
    for rows in (range(len(left)), [k for k, v in enumerate(left) if v == 0]):  # mixed, and alike
        columns = [[side[k] for k in rows] for side in (left, right)]
        values = run_columns(body, columns, len(rows))
        for place, k in enumerate(rows):
            one: dict[int, Any] = {}
            run(body, one, (left[k], right[k]))
            for value in yields[:4]:
                assert values[value][place] is one[value], (left[k], right[k])
            for value in yields[4:]:
                assert repr(values[value][place]) == repr(one[value])


@pytest.mark.parametrize(("bits", "working"), [(106, 128), (53, 85), (96, 128), (110, 142)])
def test_balls_in_bulk_fill_whole_words_with_guard_bits_to_spare(bits, working, monkeypatch):
    seen = []
    monkeypatch.setattr(
        bulk, "run_columns", lambda *a: seen.append(flint.ctx.prec) or run_columns(*a)
    )
    column = evaluate_many(unary_program("sqrt"), {"x": [2.0, "1/3"]}, bits=bits)["y"]
    assert seen == [working] and column.relative_radius() <= 2.0**-bits
    lossy = unary_program("exp", "log")  # log(exp(2^-30)) loses 30 bits: once more, one by one
    column = evaluate_many(lossy, {"x": [1.0, 2.0**-30]}, bits=bits)["y"]
    assert column.relative_radius() <= 2.0**-bits and column[1].contains(Fraction(1, 2**30))


def test_bad_points_of_a_batch_do_not_harm_the_others():
    u = np.array([1.0, -1.0, math.nan, 0.25, 1e300])
    column = evaluate_many(trace_program(), {"kappa": "inf", "u": u})["M"]
    assert set(column.failures) == {1, 2}
    assert "u > 0 fails" in str(column.failures[1]) and "NaN" in str(column.failures[2])
    assert column[3].contains("4/5") and float(column[4]) == 1e-300
    assert np.isnan(column.midpoints()[1])
    with pytest.raises(DomainError):
        _ = column[1]
    with pytest.raises(ArgumentsError, match="lengths"):
        evaluate_many(trace_program(), {"kappa": [1, 2], "u": [1, 2, 3]})


def test_precision_is_no_global_state():
    before = flint.ctx.prec
    evaluate(trace_program(), bits=500, kappa=2, u=3)
    evaluate_many(trace_program(), {"kappa": [2.0], "u": [3.0]}, bits=500)
    with pytest.raises(DomainError):
        evaluate(trace_program(), bits=500, kappa=-2, u=3)
    assert flint.ctx.prec == before


def test_threads_do_not_disturb_each_other():
    failures = []

    def work(bits: int) -> None:
        for k in range(20):
            ball = evaluate(trace_program(), bits=bits, kappa="inf", u=k + 1)["M"]
            if not ball.contains(Fraction(1, k + 2)) or ball.radius * 2**bits > ball.midpoint:
                failures.append((bits, k))

    threads = [threading.Thread(target=work, args=(bits,)) for bits in (30, 100, 400, 900)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_jets_against_difference_quotients():
    x = flint.arb("0.7")
    h = flint.arb(2) ** -20
    for name in (*SMOOTH, "gamma", "square"):
        slope = getattr(Jet(x, {0: flint.arb(1)}), name)().slopes[0]
        ends = [getattr(Jet(x + s * h, {}), name)().value for s in (1, -1)]
        assert abs(slope - (ends[0] - ends[1]) / (2 * h)) < 1e-4
    y = flint.arb(2.5)
    slope = Jet(y, {0: flint.arb(1)}).zeta().slopes[0]
    assert abs(slope - ((y + h).zeta() - (y - h).zeta()) / (2 * h)) < 1e-4
    a, b = Jet(x, {0: flint.arb(1)}), Jet(flint.arb(3), {1: flint.arb(1)})
    power = a**b
    assert abs(power.slopes[0] - 3 * x * x) < 1e-12
    assert abs(power.slopes[1] - x * x * x * x.log()) < 1e-12
    assert abs((2 / a).slopes[0] + 2 / (x * x)) < 1e-12
    assert abs((1 - a).slopes[0] + 1) < 1e-12 and a.min(b) is a and a.max(b) is b
    kink = abs(Jet(flint.arb(0, 1), {0: flint.arb(1)})).slopes[0]
    assert kink.contains(1) and kink.contains(-1)
