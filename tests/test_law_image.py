"""Images of a law: affine, Moebius, square, with irrational moments carried exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.density import average, density, total_mass
from derive.errors import ConditionError, DomainError
from derive.free_convolution import correlated_wishart
from derive.law import atoms, kesten_mckay, marchenko_pastur, semicircle
from derive.law_image import affine, inverse, moebius, square
from derive.support import support

c, s = sympy.symbols("c s", positive=True)
quick = settings(max_examples=12, derandomize=True, deadline=None)
small = st.fractions(Fraction(1, 4), 3, max_denominator=4)


def test_inverse_with_irrational_mean():
    law = inverse(semicircle(1, mean=3))
    root = sympy.sqrt(5)
    assert sympy.expand(law.moments(1)[0] - (3 - root) / 2) == 0
    assert [str(e) for e in support(law).edges] == ["1/5", "1"]
    assert abs(total_mass(law) - 1) < 1e-10
    x = np.array([0.25, 0.5, 0.9])
    assert np.allclose(density(law, x), density(semicircle(1, mean=3), 1 / x) / x**2, rtol=1e-12)


def test_moebius_with_a_cubic_moment():
    population = correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2")
    law = moebius(population, 1, 0, 1, "1/3")
    direct = average(population, lambda x: x / (x + 1 / 3))
    assert abs(float(law.moments(1)[0]) - direct) < 1e-9
    assert abs(total_mass(law) - 1) < 1e-10


@given(small, small)
@quick
def test_inverse_is_an_involution(ratio, shift):
    law = affine(marchenko_pastur(ratio), 1, shift)
    assert inverse(inverse(law)) == law


@given(small, small, st.integers(-2, 2))
@quick
def test_moebius_maps_compose(a, d, b):
    law = affine(marchenko_pastur("1/3"), 1, 3)
    first = moebius(law, a, b, 1, d)
    second = moebius(affine(first, 1, 5), 2, 1, 0, 3)
    whole = moebius(law, *(2 * (a + 5) + 1, 2 * (b + 5 * d) + d, 3, 3 * d))
    assert second == whole


def test_affine_is_exact_in_symbols():
    law = affine(kesten_mckay(c), s, -1)
    assert [sympy.expand(v) for v in law.moments(2)] == [-1, sympy.expand(c * s**2 + 1)]


def test_square_of_a_shifted_law():
    law = square(semicircle(1, mean="1/2"))
    assert law.moments(2) == [sympy.Rational(5, 4), sympy.Rational(57, 16)]
    x = np.array([0.5, 1.5, 3.0, 5.0])
    base = semicircle(1, mean="1/2")
    root = np.sqrt(x)
    closed = (density(base, root) + density(base, -root)) / (2 * root)
    assert np.allclose(density(law, x), closed, rtol=1e-11)
    assert abs(total_mass(law) - 1) < 1e-9


def test_square_of_atoms():
    law = square(atoms({-2: "1/4", 1: "1/4", 2: "1/2"}))
    assert law == atoms({1: "1/4", 4: "3/4"})


def test_a_pole_in_the_support_is_refused():
    for law in (marchenko_pastur(1), semicircle(), atoms({0: "1/2", 1: "1/2"})):
        with pytest.raises(ConditionError, match="pole"):
            inverse(law)
    with pytest.raises(ConditionError, match="pole"):
        moebius(marchenko_pastur(4), 1, 1, 1, 0)


def test_degenerate_maps_are_refused():
    with pytest.raises(DomainError, match="constant"):
        moebius(semicircle(), 1, 2, 2, 4)
    with pytest.raises(DomainError):
        affine(semicircle(), 0, 1)
