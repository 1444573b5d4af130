"""Free convolutions: theorems as properties, and what is refused (cases: test_acceptance)."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from flint import acb
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

from derive.algebraic_law import AlgebraicLaw, m, z
from derive.density import stieltjes_ball
from derive.errors import ConditionError, DomainError
from derive.free_convolution import (
    correlated_wishart,
    free_compression,
    free_power,
    free_product,
    free_sum,
)
from derive.law import atoms, inverse_marchenko_pastur, marchenko_pastur, semicircle
from derive.law_image import affine, square
from derive.spectrum_law import EmpiricalLaw, PowerLaw
from derive.support import support

c, s, t = sympy.symbols("c s t", positive=True)
quick = settings(max_examples=8, derandomize=True, deadline=None)
COIN = atoms({-1: "1/2", 1: "1/2"})
HALF = marchenko_pastur("1/2")


@st.composite
def discrete_laws(draw, positive=False):
    """Two or three atoms at small rationals, none with mean zero."""
    low = 1 if positive else -3
    places = draw(st.lists(st.integers(low, 6), min_size=2, max_size=3, unique=True))
    weights = draw(st.lists(st.integers(1, 4), min_size=len(places), max_size=len(places)))
    if sum(x * w for x, w in zip(places, weights, strict=True)) == 0:
        weights[0] += 1
    scale = draw(st.sampled_from([1, Fraction(1, 2), Fraction(4, 3)]))
    total = sum(weights)
    return atoms({x * scale: Fraction(w, total) for x, w in zip(places, weights, strict=True)})


def test_case_9_moments_by_words():
    # E tr of (T W)^k: tr T^2 + c (tr T)^2, and the five pairings of order three
    a, b, p = sympy.symbols("a b p", positive=True)
    law = correlated_wishart(atoms({a: p, b: 1 - p}), c)
    t1, t2, t3 = (p * a**k + (1 - p) * b**k for k in (1, 2, 3))
    by_hand = [t1, t2 + c * t1**2, t3 + 3 * c * t1 * t2 + c**2 * t1**3]
    assert [sympy.expand(u - v) for u, v in zip(law.moments(3), by_hand, strict=True)] == [0] * 3


def test_five_plus_five_atoms():
    left = atoms({1: "1/4", 2: "1/8", 4: "1/4", 7: "1/4", 9: "1/8"})
    right = atoms({0: "1/8", 3: "1/4", -4: "1/8", 17: "3/8", 23: "1/8"})
    law = free_sum(left, right)
    assert law.degree == 17
    cumulants = [
        a + b for a, b in zip(left.free_cumulants(6), right.free_cumulants(6), strict=True)
    ]
    assert law.free_cumulants(6) == cumulants
    # subordination by fixed point: m(z) = m_left(w1) = m_right(w2), w1 + w2 = z - 1/m
    point = 5 + 3j
    first = second = point

    def transform(weights, place):
        return sum(p / (x - place) for x, p in weights.items())

    one = {1: 0.25, 2: 0.125, 4: 0.25, 7: 0.25, 9: 0.125}
    two = {0: 0.125, 3: 0.25, -4: 0.125, 17: 0.375, 23: 0.125}
    for _ in range(4000):
        second = point - first - 1 / transform(one, first)
        first = point - second - 1 / transform(two, second)
    assert abs(complex(stieltjes_ball(law, point)) - transform(one, first)) < 1e-12


@given(discrete_laws(), discrete_laws())
@quick
def test_r_adds(left, right):
    whole = free_sum(left, right)
    parts = zip(left.free_cumulants(5), right.free_cumulants(5), strict=True)
    assert whole.free_cumulants(5) == [a + b for a, b in parts]
    assert whole == free_sum(right, left)


@given(discrete_laws(positive=True), discrete_laws())
@quick
def test_product_moments_by_freeness(left, right):
    # tr AB = a1 b1, tr ABAB = a2 b1^2 + a1^2 b2 - a1^2 b1^2
    whole = free_product(left, right)
    a1, a2 = left.moments(2)
    b1, b2 = right.moments(2)
    assert whole.moments(2) == [a1 * b1, a2 * b1**2 + a1**2 * b2 - a1**2 * b1**2]


@given(discrete_laws(positive=True), st.fractions(Fraction(1, 5), 3, max_denominator=5))
@quick
def test_correlated_wishart_is_a_product(population, ratio):
    assert correlated_wishart(population, ratio) == free_product(
        population, marchenko_pastur(ratio)
    )


@given(discrete_laws(), st.fractions(Fraction(1, 4), 1, max_denominator=4))
@quick
def test_compression_is_a_free_power(law, share):
    # Nica & Speicher (1996): the corner of X is the sum of 1/share free copies of share X
    assert free_compression(law, share) == free_power(affine(law, share), 1 / share)


@given(discrete_laws(), discrete_laws(), st.fractions(Fraction(1, 3), 3, max_denominator=3))
@quick
def test_sum_is_homogeneous(left, right, scale):
    assert free_sum(affine(left, scale), affine(right, scale)) == affine(
        free_sum(left, right), scale
    )


@given(
    discrete_laws(),
    discrete_laws(),
    st.complex_numbers(max_magnitude=8, allow_nan=False, allow_infinity=False),
)
@quick
def test_stieltjes_maps_the_upper_half_plane_to_itself(left, right, place):
    point = complex(place.real, abs(place.imag) + 0.05)
    law = free_sum(left, right)
    value = stieltjes_ball(law, point)
    assert value.imag > 0
    # and |m| <= 1/Im z
    assert bool(abs(value) * acb(point).imag <= 1)
    # subordination: Im F >= Im z for F = -1/m
    assert bool((-1 / value).imag >= acb(point).imag)


@given(discrete_laws(positive=True), st.fractions(Fraction(1, 4), 3, max_denominator=4))
@quick
def test_products_and_corners_are_herglotz_too(law, ratio):
    point = acb(1.5, 0.25)
    corner = free_compression(law, min(ratio, 1))
    for image in (corner, correlated_wishart(law, ratio)):
        value = stieltjes_ball(image, point)
        assert value.imag > 0 and bool(abs(value) * point.imag <= 1)
        # a positive law: z m is Herglotz as well
        assert (point * value).imag > 0


def test_symbolic_triple_sum():
    law = free_sum(free_sum(semicircle(s), semicircle(t)), atoms({c: 1}))
    assert law == semicircle(s + t, mean=c)


def test_product_with_mean_zero_is_refused():
    with pytest.raises(ConditionError, match="mean zero"):
        free_product(HALF, semicircle())


def test_product_of_indefinite_laws_is_refused():
    with pytest.raises(ConditionError, match="nonnegative"):
        free_product(atoms({-1: "1/4", 2: "3/4"}), semicircle(1, mean=1))
    with pytest.raises(ConditionError, match="nonnegative"):
        free_product(semicircle(s, mean=3), semicircle(t, mean=1))


@pytest.mark.parametrize(
    "operation",
    [
        lambda law: free_sum(HALF, law),
        lambda law: free_product(law, HALF),
        lambda law: free_compression(law, "1/2"),
        lambda law: free_power(law, 2),
        lambda law: correlated_wishart(law, "1/2"),
        lambda law: affine(law, 3),
        square,
        support,
    ],
)
@pytest.mark.parametrize("law", [PowerLaw(2), EmpiricalLaw([1.0, 4.0])])
def test_a_law_without_a_polynomial_is_refused(operation, law):
    with pytest.raises(ConditionError, match=f"a {type(law).__name__} has no polynomial"):
        operation(law)


def test_a_shifted_semicircle_that_is_positive_is_accepted():
    law = free_product(semicircle(1, mean=3), semicircle(1, mean="1/2"))
    assert law.moments(1) == [Rational(3, 2)]


def test_compression_outside_its_domain():
    for share in (0, "-1/2", "3/2"):
        with pytest.raises(DomainError):
            free_compression(COIN, share)
    with pytest.raises(DomainError):
        free_power(COIN, "1/2")
    with pytest.raises(DomainError):
        correlated_wishart(COIN, 0)


def test_conditions_travel_through_operations():
    law = free_sum(inverse_marchenko_pastur(c), semicircle(s))
    with pytest.raises(DomainError):
        law.specialize(c="3/2", s=1)


def test_a_wrong_equation_is_refuted():
    # a mutant of case 8 (3 in place of 4) is not the sum of two coins
    assert free_sum(COIN, COIN) != AlgebraicLaw(m**2 * (z**2 - 3) - 1)
