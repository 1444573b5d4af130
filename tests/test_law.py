"""Named laws against their closed-form densities, edges and moments."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from derive.density import average, density, total_mass
from derive.errors import DomainError
from derive.free_convolution import free_power, free_product
from derive.law import (
    atoms,
    fisher,
    fuss_catalan,
    inverse_marchenko_pastur,
    kesten_mckay,
    marchenko_pastur,
    semicircle,
    wachter,
)
from derive.law_image import affine, inverse, moebius, square
from derive.support import support

c, c1, c2, d, s = sympy.symbols("c c1 c2 d s", positive=True)


def _inside(law, count=9):
    bulk = support(law).bulks[0]
    low, high = float(bulk.lower), float(bulk.upper)
    return np.linspace(low, high, count + 2)[1:-1], low, high


@pytest.mark.parametrize("ratio", ["1/3", "5/2"])
def test_marchenko_pastur_density(ratio):
    law = marchenko_pastur(ratio, "3/2")
    x, low, high = _inside(law)
    value = float(sympy.Rational(ratio))
    assert np.isclose(low, 1.5 * (1 - np.sqrt(value)) ** 2, rtol=1e-14)
    closed = np.sqrt((high - x) * (x - low)) / (2 * np.pi * value * 1.5 * x)
    assert np.allclose(density(law, x), closed, rtol=1e-12)


def test_semicircle_density():
    law = semicircle("1/4", mean=3)
    x, low, high = _inside(law)
    assert (low, high) == (2.0, 4.0)
    assert np.allclose(density(law, x), 2 / np.pi * np.sqrt(1 - (x - 3) ** 2), rtol=1e-12)


def test_kesten_mckay_is_a_free_sum_of_coins():
    assert free_power(atoms({-1: "1/2", 1: "1/2"}), d) == kesten_mckay(d)


@pytest.mark.parametrize("factors", [1, 2, 3])
def test_fuss_catalan_numbers(factors):
    expected = [sympy.binomial((factors + 1) * k, k) / (factors * k + 1) for k in range(1, 6)]
    assert fuss_catalan(factors).moments(5) == expected


def test_fuss_catalan_is_a_product():
    single = marchenko_pastur(1)
    assert free_product(single, single) == fuss_catalan(2)
    assert free_product(single, free_product(single, single)) == fuss_catalan(3)


def test_fisher_density():
    law = fisher("1/2", "1/3")
    x, low, high = _inside(law)
    closed = (2 / 3) * np.sqrt((high - x) * (x - low)) / (2 * np.pi * x * (1 / 2 + x / 3))
    assert np.allclose(density(law, x), closed, rtol=1e-12)


def test_wachter_density_and_moebius_route():
    law = wachter("1/2", "1/3")
    x, low, high = _inside(law)
    closed = 5 * np.sqrt((high - x) * (x - low)) / (2 * np.pi * x * (1 - x))
    assert np.allclose(density(law, x), closed, rtol=1e-12)
    assert moebius(fisher("1/2", "1/3"), "2/3", 0, "2/3", 1) == law


def test_wachter_atom():
    # d/n1 = 2: half of the eigenvalues of A/(A+B) vanish
    found = support(wachter(2, "1/3"))
    assert [(str(a.place), str(a.mass)) for a in found.atoms] == [("0", "1/2")]


def test_inverse_law():
    assert inverse(marchenko_pastur(c)) == inverse_marchenko_pastur(c)
    law = inverse_marchenko_pastur("1/2")
    assert np.isclose(average(law, lambda x: 1 / x), 1.0, rtol=1e-9)


def test_square_of_semicircle_is_free_poisson():
    assert square(semicircle(s)) == marchenko_pastur(1, s)


def test_scale_is_homogeneous():
    assert affine(marchenko_pastur(c), s) == marchenko_pastur(c, s)
    assert affine(semicircle(), 3, 2) == semicircle(9, mean=2)


@pytest.mark.parametrize(
    "law",
    [
        marchenko_pastur("1/3", 2),
        marchenko_pastur(4, "1/3"),
        semicircle("1/4", mean=3),
        atoms({1: "1/3", 2: "2/3"}),
        kesten_mckay(4),
        fuss_catalan(2),
        fisher("1/2", "1/3"),
        wachter(2, "1/3"),
        inverse_marchenko_pastur("2/5"),
    ],
    ids=lambda law: str(law.polynomial),
)
def test_total_mass_is_one_and_moments_agree(law):
    assert abs(total_mass(law) - 1) < 1e-9
    exact = [float(v) for v in law.moments(2)]
    found = [average(law, lambda x: x), average(law, lambda x: x**2)]
    assert np.allclose(found, exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: marchenko_pastur(0),
        lambda: marchenko_pastur(1, -1),
        lambda: inverse_marchenko_pastur(1),
        lambda: semicircle(0),
        lambda: atoms({1: "1/2", 2: "1/3"}),
        lambda: atoms({1: "3/2", 2: "-1/2"}),
        lambda: atoms({1: "1/2", "1.0": "1/2"}),
        lambda: kesten_mckay(1),
        lambda: fuss_catalan(0),
        lambda: fuss_catalan(True),
        lambda: fisher("1/2", 1),
        lambda: wachter("-1/2", "1/3"),
    ],
)
def test_parameters_outside_the_domain_are_refused(call):
    with pytest.raises(DomainError):
        call()
