"""A law as a polynomial: the choice of factor and root, moments, and refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, catalan

from derive.algebraic_law import AlgebraicLaw, law_from_equation, m, z
from derive.errors import ArgumentsError, BranchError, DomainError
from derive.law import atoms, inverse_marchenko_pastur, marchenko_pastur, semicircle

c, s = sympy.symbols("c s", positive=True)
quick = settings(max_examples=15, derandomize=True, deadline=None)


def test_narayana_polynomials():
    # case 11; Narayana numbers N(n, k) = binom(n, k) binom(n, k-1)/n
    for n, moment in enumerate(marchenko_pastur(c, s).moments(6), start=1):
        narayana = sum(
            sympy.binomial(n, k) * sympy.binomial(n, k - 1) / n * c ** (k - 1)
            for k in range(1, n + 1)
        )
        assert sympy.expand(moment - narayana * s**n) == 0


def test_semicircle_moments_are_catalan_numbers():
    moments = semicircle(s).moments(8)
    assert moments[::2] == [0] * 4
    assert moments[1::2] == [catalan(k) * s**k for k in range(1, 5)]


def test_the_other_factor_is_dropped():
    relation = (m**2 + z * m + 1) * (m - z) * (z**2 + 7)
    assert law_from_equation(relation) == semicircle()


def test_reducible_polynomial_is_refused():
    with pytest.raises(BranchError, match="2 factors"):
        AlgebraicLaw((m**2 + z * m + 1) * (m - z))


def test_other_sign_convention_is_refused():
    # G = -m would have expansion +1/z
    with pytest.raises(BranchError, match="sign convention"):
        AlgebraicLaw(m**2 - z * m + 1)


def test_two_roots_of_equal_mass_need_a_moment():
    # (z + 1/m)^2 = 2: point masses at +-sqrt(2), one curve with two roots m ~ -1/z
    curve = (z * m + 1) ** 2 - 2 * m**2
    with pytest.raises(BranchError):
        AlgebraicLaw(curve)
    chosen = law_from_equation(curve, moments=[sympy.sqrt(2)])
    assert sympy.expand(chosen.moments(3)[2] - 2 * sympy.sqrt(2)) == 0
    with pytest.raises(BranchError):
        law_from_equation(curve, moments=[Rational(7, 5)])


def test_wrong_moments_are_refused():
    with pytest.raises(BranchError, match="moment of order 1"):
        law_from_equation(m**2 + z * m + 1, moments=[1])


def test_superfluous_moments_do_not_change_a_law():
    assert law_from_equation(m**2 + z * m + 1, moments=[0, 1, 0, 2]) == semicircle()


@given(st.fractions(min_value=Fraction(1, 9), max_value=4, max_denominator=9))
@quick
def test_specializing_commutes_with_construction(value):
    assert marchenko_pastur(c, s).specialize(c=value, s="2/3") == marchenko_pastur(value, "2/3")


def test_specializing_keeps_the_conditions():
    law = inverse_marchenko_pastur(c)
    assert law.specialize(c="1/2").moments(2) == [2, 8]
    with pytest.raises(DomainError, match="fails"):
        law.specialize(c=2)
    with pytest.raises(DomainError):
        law.specialize(c=1)


def test_unknown_parameter_is_named():
    with pytest.raises(ArgumentsError, match="no parameter d"):
        marchenko_pastur(c).specialize(d=1)


def test_a_ball_needs_numbers():
    with pytest.raises(ArgumentsError, match=r"specialize\(c="):
        marchenko_pastur(c).branch()


def test_a_parameter_may_not_be_called_z():
    with pytest.raises(ArgumentsError, match="is called z"):
        marchenko_pastur(Symbol("z", positive=True))


def test_floats_inside_expressions_are_refused():
    with pytest.raises(ArgumentsError):
        marchenko_pastur(c * sympy.Float(0.5))


def test_irrational_coefficients_are_refused():
    with pytest.raises(ArgumentsError, match="rational"):
        law_from_equation(m**2 + sympy.sqrt(z) * m + 1)


def test_mean_and_variance_of_symbolic_atoms():
    a, b, p = sympy.symbols("a b p", positive=True)
    law = atoms({a: p, b: 1 - p})
    first, second = law.moments(2)
    assert sympy.expand(first - p * a - (1 - p) * b) == 0
    assert sympy.expand(second - p * a**2 - (1 - p) * b**2) == 0
