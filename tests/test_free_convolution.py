"""Free convolutions: the statements of cases 7-12, 14, 16 and 17, and theorems as properties."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from flint import acb
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

from derive.algebraic_law import AlgebraicLaw, m, z
from derive.density import average, density, density_ball, stieltjes_ball, total_mass
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


def _companion_edges(places, weights, ratio):
    """Silverstein & Choi: extrema of z(g) = -1/g + c sum w x/(1 + x g), at 30 digits."""
    g = sympy.Symbol("g")
    inverse = -1 / g + ratio * sum(
        w * x / (1 + x * g) for x, w in zip(places, weights, strict=True)
    )
    top = sympy.Poly(sympy.fraction(sympy.together(sympy.diff(inverse, g)))[0], g)
    with mpmath.workdps(30):
        roots = mpmath.polyroots(
            [mpmath.mpf(v.p) / v.q for v in top.all_coeffs()], maxsteps=500, extraprec=200
        )
        real = [r.real for r in roots if abs(r.imag) < mpmath.mpf(10) ** -20]
        law = sympy.lambdify(g, inverse, "mpmath")
        return sorted(float(law(r)) for r in real)


def test_case_7_wigner_plus_wishart():
    law = free_sum(semicircle(s), marchenko_pastur(c, t))
    # R = s g + t/(1 - c t g) at g = -m, by hand
    assert sympy.expand(law.polynomial - ((z * m + 1 + s * m**2) * (1 + c * t * m) - t * m)) == 0
    plain = law.specialize(t=1, s=1).moments(4)
    by_hand = [1, c + 2, c**2 + 3 * c + 4, c**3 + 6 * c**2 + 10 * c + 9]
    assert [sympy.expand(a - b) for a, b in zip(plain, by_hand, strict=True)] == [0] * 4


def test_case_7_number_by_fixed_point():
    law = free_sum(semicircle("1/2"), marchenko_pastur("1/3", 2))
    point, value = -1 + 0.5j, 0.5j
    for _ in range(500):
        value = 1 / (2 / (1 + 2 * value / 3) - point - value / 2)
    assert abs(complex(stieltjes_ball(law, point)) - value) < 1e-13


def test_case_8_two_coins_make_the_arcsine_law():
    law = free_sum(COIN, COIN)
    assert sympy.expand(law.polynomial - (m**2 * (z**2 - 4) - 1)) == 0
    x = np.array([-1.5, 0.0, 0.25, 1.9])
    assert np.allclose(density(law, x), 1 / (np.pi * np.sqrt(4 - x**2)), rtol=1e-13)
    assert [str(e) for e in support(law).edges] == ["-2", "2"]
    assert np.isinf(density(law, [-2.0, 2.0])).all()


def test_case_9_atoms_times_wishart():
    two = atoms({1: "1/2", 2: "1/2"})
    law = free_product(two, HALF)
    assert law == correlated_wishart(two, "1/2")
    assert law.moments(3) == [Rational(3, 2), Rational(29, 8), Rational(351, 32)]
    found = support(law)
    by_extrema = _companion_edges([1, 2], [Rational(1, 2)] * 2, Rational(1, 2))
    assert len(found.bulks) == 1
    assert np.allclose([float(e) for e in found.edges], by_extrema, rtol=1e-13)


def test_case_9_moments_by_words():
    # E tr of (T W)^k: tr T^2 + c (tr T)^2, and the five pairings of order three
    a, b, p = sympy.symbols("a b p", positive=True)
    law = correlated_wishart(atoms({a: p, b: 1 - p}), c)
    t1, t2, t3 = (p * a**k + (1 - p) * b**k for k in (1, 2, 3))
    by_hand = [t1, t2 + c * t1**2, t3 + 3 * c * t1 * t2 + c**2 * t1**3]
    assert [sympy.expand(u - v) for u, v in zip(law.moments(3), by_hand, strict=True)] == [0] * 3


def test_case_10_compression():
    law = free_compression(atoms({1: "1/2", 2: "1/2"}), "1/2")
    assert sympy.expand(law.polynomial - (m**2 * (z - 1) * (z - 2) - 1)) == 0
    x = np.array([1.1, 1.5, 1.75])
    closed = 1 / (np.pi * np.sqrt((x - 1) * (2 - x)))
    assert np.allclose(density(law, x), closed, rtol=1e-13)


@pytest.fixture(scope="module")
def triple():
    return free_product(free_product(HALF, HALF), HALF)


def test_case_12_statement(triple):
    # S = (1 + y/2)^-3, so z y = (1 + y)(1 + y/2)^3 at y = -1 - z m
    y = -1 - z * m
    by_hand = sympy.expand(sympy.cancel((z * y - (1 + y) * (1 + y / 2) ** 3) * 8 / z))
    assert (
        sympy.expand(triple.polynomial - by_hand) == 0
        or sympy.expand(triple.polynomial + by_hand) == 0
    )
    assert triple.degree == 4


def test_case_12_branch_trap(triple):
    ball = density_ball(triple, 1, bits=128)
    # second route: follow the root y of z y = (1 + y)(1 + y/2)^3 down from z = 1 + 40 i
    with mpmath.workdps(30):
        y = mpmath.mpc(0)
        for height in mpmath.linspace(40, 0, 4001):
            place = mpmath.mpc(1, height)
            y = mpmath.findroot(
                lambda v, p=place: p * v - (1 + v) * (1 + v / 2) ** 3, y or 1 / place
            )
        followed = mpmath.im(-(1 + y)) / mpmath.pi
    assert abs(float(ball.mid()) - float(followed)) < 1e-14
    assert f"{float(ball.mid()):.4f}" == "0.2249"
    # the rival root, with the largest imaginary part, is excluded
    assert not ball.contains(0.5790)
    roots = np.roots([1, -3, 3, 7, 8])
    assert np.isclose(max(roots.imag) / np.pi, 0.5790, atol=1e-4)


def test_case_12_mass(triple):
    assert abs(total_mass(triple) - 1) < 1e-10
    assert abs(average(triple, lambda x: x**3) - float(triple.moments(3)[2])) < 1e-8


def test_case_14_deformed_marchenko_pastur():
    law = correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2")
    found = support(law)
    by_extrema = _companion_edges([1, 4], [Rational(1, 2)] * 2, Rational(1, 2))
    assert np.allclose([float(e) for e in found.edges], by_extrema, rtol=1e-14)
    assert f"{float(found.edges[0]):.12f}" == "0.122224141676"
    assert f"{float(found.edges[1]):.11f}" == "9.29994995024"
    # second route to density(1): the one root of the cubic in the upper half-plane
    with mpmath.workdps(30):
        cubic = [mpmath.mpf(int(v)) for v in sympy.Poly(law.polynomial.subs(z, 1), m).all_coeffs()]
        rho = max(mpmath.im(r) for r in mpmath.polyroots(cubic, extraprec=100)) / mpmath.pi
    ball = density_ball(law, 1, bits=128)
    assert abs(float(ball.mid()) - float(rho)) < 1e-15
    assert f"{float(rho):.12f}" == "0.285613387357"


def test_case_14_number_by_fixed_point():
    law = correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2")
    point, value = -0.7, 1.0
    for _ in range(2000):
        shrink = 1 - 0.5 - 0.5 * point * value
        value = 0.5 / (shrink - point) + 0.5 / (4 * shrink - point)
    assert abs(complex(stieltjes_ball(law, point)) - value) < 1e-13


def test_case_16_anticommutator():
    # ab + ba = [(a + b)^2 - (a - b)^2]/2 with free semicirculars a +- b of variance 2
    poisson = affine(square(semicircle(2)), "1/2")
    law = free_sum(poisson, affine(poisson, -1))
    # R = 2 g/(1 - g^2)
    assert sympy.expand(law.polynomial - ((z * m + 1) * (m**2 - 1) - 2 * m**2)) == 0
    upper = support(law).highest
    with mpmath.workdps(40):
        printed = mpmath.sqrt((11 + 5 * mpmath.sqrt(5)) / 2)
        assert abs(mpmath.mpf(str(upper.exact.evalf(35))) - printed) < mpmath.mpf(10) ** -33
    assert abs(total_mass(law) - 1) < 1e-10


def test_case_17_two_bulks_and_a_gap():
    law = free_sum(semicircle(), atoms({-2: "1/2", -1: "1/4", 1: "1/4"}))
    found = support(law)
    assert len(found.bulks) == 2 and len(found.gaps) == 1 and not found.atoms
    # second route: extrema of z(w) = w - m_0(w), Pastur's subordination
    w = sympy.Symbol("w")
    inverse = w + Rational(1, 2) / (w + 2) + Rational(1, 4) / (w + 1) + Rational(1, 4) / (w - 1)
    slope = sympy.Poly(sympy.fraction(sympy.together(sympy.diff(inverse, w)))[0], w)
    extrema = sorted(float(inverse.subs(w, r)) for r in slope.nroots(n=30) if r.is_real)
    assert np.allclose([float(e) for e in found.edges], extrema, rtol=1e-13)
    low, high = (float(e) for e in found.gaps[0])
    assert density(law, [low + 1e-3, (low + high) / 2, high - 1e-3]).tolist() == [0.0] * 3
    assert (density(law, [low - 1e-3, high + 1e-3]) > 0).all()
    assert abs(total_mass(law) - 1) < 1e-10


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
