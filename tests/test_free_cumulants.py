"""Moments, free cumulants and S-coefficients: combinatorial identities over any field."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

from derive.errors import ConditionError
from derive.free_cumulants import (
    free_cumulants_from_moments,
    moments_from_free_cumulants,
    moments_from_s_coefficients,
    s_coefficients_from_moments,
)

quick = settings(max_examples=25, derandomize=True, deadline=None)
rationals = st.fractions(min_value=-3, max_value=3, max_denominator=7).map(
    lambda f: Rational(f.numerator, f.denominator)
)
series = st.lists(rationals, min_size=1, max_size=6)


def test_fourth_cumulant_is_the_textbook_one():
    m1, m2, m3, m4 = sympy.symbols("m1:5")
    found = free_cumulants_from_moments([m1, m2, m3, m4])
    # Nica & Speicher (2006), lecture 11: the classical formula would have -3 m2^2 and -6 m1^4
    expected = m4 - 4 * m1 * m3 - 2 * m2**2 + 10 * m1**2 * m2 - 5 * m1**4
    assert sympy.expand(found[3] - expected) == 0


def test_free_cumulants_count_noncrossing_partitions():
    # all cumulants one: the Catalan numbers, not the Bell numbers
    assert moments_from_free_cumulants([sympy.Integer(1)] * 6) == [1, 2, 5, 14, 42, 132]


@given(series)
@quick
def test_cumulants_invert(moments):
    assert moments_from_free_cumulants(free_cumulants_from_moments(moments)) == moments


@given(series.filter(lambda m: m[0] != 0))
@quick
def test_s_coefficients_invert(moments):
    assert moments_from_s_coefficients(s_coefficients_from_moments(moments)) == moments


@given(series, st.fractions(min_value=1, max_value=5, max_denominator=3))
@quick
def test_cumulants_are_homogeneous(moments, scale):
    a = Rational(scale.numerator, scale.denominator)
    scaled = [v * a ** (k + 1) for k, v in enumerate(moments)]
    plain = free_cumulants_from_moments(moments)
    assert free_cumulants_from_moments(scaled) == [v * a ** (k + 1) for k, v in enumerate(plain)]


@pytest.mark.parametrize("call", [s_coefficients_from_moments, moments_from_s_coefficients])
def test_mean_zero_has_no_s_transform(call):
    with pytest.raises(ConditionError, match="first moment is zero"):
        call([sympy.Integer(0), sympy.Integer(1)])
