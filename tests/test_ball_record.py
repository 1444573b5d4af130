"""A ball as an exact record: digits that are certain, floats rounded outward."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.ball import evaluate
from numerics.ball_record import Ball
from numerics.errors import ConvergenceError
from numerics.program import Builder


def test_digits_are_correctly_rounded():
    b = Builder(("x",))
    ball = evaluate(b.program({"y": b.op("sqrt", b.argument("x"))}), bits=200, x=2)["y"]
    for n in (1, 2, 5, 17, 50):
        with mpmath.workdps(80):
            assert mpmath.mpf(ball.digits(n)) == mpmath.mpf(mpmath.nstr(mpmath.sqrt(2), n))
    with pytest.raises(ConvergenceError, match="does not decide"):
        ball.digits(80)
    assert Ball(Fraction(999999, 10**6), Fraction(1, 10**9), 30).digits(3) == "1.00"
    assert Ball(Fraction(-1, 3 * 10**9), Fraction(1, 10**30), 30).digits(4) == "-3.333e-10"
    assert Ball(Fraction(0), Fraction(0), 30).digits(4) == "0"
    assert "±" in repr(Ball(Fraction(0), Fraction(1, 7), 30))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.fractions(), st.fractions(0, 1))
def test_float_interval_is_outward(midpoint, radius):
    ball = Ball(midpoint, radius, 53)
    low, high = ball.float_interval()
    assert low <= ball.lower and ball.upper <= high
    assert Fraction(math.nextafter(low, math.inf)) > ball.lower
    assert Fraction(math.nextafter(high, -math.inf)) < ball.upper
    assert ball.contains(midpoint) and ball.contains(ball.upper)
    assert not ball.contains(ball.upper + Fraction(1, 10**40))


def test_float_interval_overflow():
    huge = Ball(Fraction(10) ** 400, Fraction(1), 53)
    low, high = huge.float_interval()
    assert low == math.nextafter(math.inf, 0.0) and high == math.inf and float(huge) == math.inf
