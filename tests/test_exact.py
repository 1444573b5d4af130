"""Numbers are read as written or refused, and rational conditions are decided exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from numerics.ball import evaluate
from numerics.errors import ArgumentsError, ConvergenceError, DomainError
from numerics.exact import exact
from numerics.exact_masks import exact_mask
from numerics.program import Builder


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", Fraction(1, 2)),
        ("1e-6", Fraction(1, 10**6)),
        ("1/3", Fraction(1, 3)),
        (" -7/2 ", Fraction(-7, 2)),
        (".25E1", Fraction(5, 2)),
        ("12.", Fraction(12)),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        (7, Fraction(7)),
        (np.float64(0.1), Fraction(0.1)),
        (np.float32(0.1), Fraction(float(np.float32(0.1)))),
        (np.int64(3), Fraction(3)),
        (-0.0, Fraction(0)),
        (math.inf, math.inf),
        (np.float64("-inf"), -math.inf),
    ],
)
def test_exact_arguments(text, value):
    assert exact(text) == value


@pytest.mark.parametrize(
    "text",
    ["", ".", "e5", "1/", "/2", "1e", "--1", "1_0", "0x10", "1 2", "1/2/3", "1.5/2", "٣", "1e5.0"]
    + ["9**9**9", "__import__('os')", "pi", "1;2", "1e999999", "9" * 3500, "1e-3001", "1" * 5000]
    + [None, True, 1j, [1], b"1", {"x": 1}],
)
def test_bad_arguments_are_refused(text):
    with pytest.raises(ArgumentsError):
        exact(text)


@pytest.mark.parametrize("value", ["nan", "-NaN", math.nan, np.float64("nan"), np.float32("nan")])
def test_nan_is_refused(value):
    with pytest.raises(DomainError, match="NaN"):
        exact(value)


def test_huge_numbers_are_refused_at_once():
    for value in (10**5000, Fraction(1, 10**5000), "1/0"):
        with pytest.raises((ArgumentsError, DomainError)):
            exact(value)


def test_condition_at_a_boundary_that_balls_cannot_decide():
    b = Builder(("x",))
    x, one = b.argument("x"), b.constant(1)
    b.require("3 x <= 1", ("x",), b.op("less_equal", b.op("mul", b.constant(3), x), one))
    program = b.program({"x": x})
    assert evaluate(program, x="1/3")["x"].contains("1/3")
    with pytest.raises(DomainError):
        evaluate(program, x=Fraction(1, 3) + Fraction(1, 10**200))


def test_masks_of_every_kind():
    b = Builder(("x", "y"))
    op, x, y = b.op, b.argument("x"), b.argument("y")
    third, two = b.constant(Fraction(1, 3)), b.constant(2)
    wide = op("less", op("maximum", x, y), two)
    equal = op("equal", op("div", x, third), op("neg", op("abs", y)))
    infinite = op("is_infinite", b.constant("inf"))
    chosen = b.select(wide, op("power", y, attribute=3), op("sqrt", y))
    masks = {
        "wide": wide,
        "equal": equal,
        "infinite": infinite,
        "both": op("and", wide, op("not", equal)),
        "chosen": op("less_equal", chosen, op("sub", x, op("add", y, y))),
        "irrational": op("less", op("sqrt", x), y),
        "saved": op("or", op("less", op("sqrt", x), y), wide),
        "pole": op("less", op("div", x, op("sub", y, y)), y),
        "huge": op("less", op("power", y, attribute=10**7), x),
    }
    program = b.program({"x": x})
    point = {"x": Fraction(-2, 3), "y": Fraction(-2)}
    truth = {"wide": True, "equal": True, "infinite": True, "both": False, "chosen": True}
    truth |= {"irrational": None, "saved": True, "pole": None, "huge": None}
    assert {n: exact_mask(program, v, point) for n, v in masks.items()} == truth
    other = {"x": Fraction(5, 3), "y": Fraction(3)}
    assert exact_mask(program, masks["wide"], other) is False
    assert exact_mask(program, masks["chosen"], other) is None
    assert exact_mask(program, x, point) is None


def test_an_irrational_condition_that_stays_open():
    b = Builder(("x",))
    x = b.argument("x")
    square = b.op("power", b.op("sqrt", x), attribute=2)
    b.require("sqrt(x)^2 <= x", ("x",), b.op("less_equal", square, x))
    program = b.program({"y": x})
    assert evaluate(program, x=4)["y"].contains(4)
    with pytest.raises(ConvergenceError, match="undecided"):
        evaluate(program, x="1/3")
