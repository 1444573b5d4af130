"""Transforms in closed form: they invert, add, multiply, scale, and agree with proved balls."""

from __future__ import annotations

import cmath

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol

from derive.algebraic_law import z
from derive.density import stieltjes_ball
from derive.errors import ArgumentsError, ConditionError
from derive.free_convolution import free_product, free_sum
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
from derive.law_from_transform import (
    law_from_r_transform,
    law_from_s_transform,
    law_from_tau_transform,
)
from derive.law_image import affine
from derive.spectrum_law import PowerLaw
from derive.transforms import (
    moment_transform,
    r_polynomial,
    r_transform,
    s_transform,
    stieltjes_transform,
    tau_transform,
)

c, c1, c2, d, s, g, y, w = sympy.symbols("c c1 c2 d s g y w", positive=True)
quick = settings(max_examples=20, derandomize=True, deadline=None)
TWO = atoms({1: "1/3", 4: "2/3"})
NUMERIC = {
    "mp": marchenko_pastur("1/3", "3/2"),
    "mp wide": marchenko_pastur("5/2", "2/3"),
    "semicircle": semicircle("9/4", mean=-1),
    "two atoms": TWO,
    "kesten-mckay": kesten_mckay(3),
    "fisher": fisher("1/2", "1/3"),
    "wachter": wachter("1/2", "1/3"),
    "inverse mp": inverse_marchenko_pastur("2/5"),
}
plane = st.complex_numbers(max_magnitude=9, allow_nan=False, allow_infinity=False)


def _number(expr, **values):
    named = {v: values[v.name] for v in expr.free_symbols}
    return complex(
        sympy.lambdify(list(named), expr, "mpmath")(*map(mpmath.mpmathify, named.values()))
    )


def test_variance_enters_r_and_s_as_a_scale():
    law = marchenko_pastur(c, s)
    assert sympy.simplify(r_transform(law, g) - s / (1 - c * s * g)) == 0
    assert sympy.simplify(s_transform(law, y) - 1 / (s * (1 + c * y))) == 0


def test_wachter_s_transforms():
    assert sympy.simplify(s_transform(fisher(c1, c2), y) - (1 - c2 - c2 * y) / (1 + c1 * y)) == 0
    expected = (c1 + c2 + c1 * c2 * y) / (c2 * (1 + c1 * y))
    assert sympy.simplify(s_transform(wachter(c1, c2), y) - expected) == 0


@pytest.mark.parametrize("name", NUMERIC)
@given(place=plane)
@quick
def test_closed_stieltjes_lies_in_the_ball(name, place):
    point = complex(place.real, abs(place.imag) + 0.03125)
    closed = _number(stieltjes_transform(NUMERIC[name]), z=point)
    assert abs(complex(stieltjes_ball(NUMERIC[name], point)) - closed) < 1e-12 * (1 + abs(closed))
    # in the lower half-plane the closed form is the conjugate: its cut is the bulk only
    below = _number(stieltjes_transform(NUMERIC[name]), z=point.conjugate())
    assert abs(below - closed.conjugate()) < 1e-12 * (1 + abs(closed))


@pytest.mark.parametrize("name", ["mp", "mp wide", "two atoms", "fisher", "wachter", "inverse mp"])
@pytest.mark.parametrize("ridge", [0.25, 1.0, 7.5])
def test_tau_is_one_minus_z_m(name, ridge):
    law = NUMERIC[name]
    tau = _number(tau_transform(law), z=ridge)
    assert abs(tau - (1 + -ridge * complex(stieltjes_ball(law, -ridge)))) < 1e-12


@pytest.mark.parametrize("name", NUMERIC)
def test_moment_transform_generates_the_moments(name):
    series = sympy.series(moment_transform(NUMERIC[name], w), w, 0, 5).removeO()
    found = [sympy.nsimplify(series.coeff(w, k)) for k in range(5)]
    assert [sympy.simplify(v) for v in found] == [0, *NUMERIC[name].moments(4)]


@pytest.mark.parametrize("name", NUMERIC)
def test_r_inverts_minus_stieltjes(name):
    law = NUMERIC[name]
    point = 40 + 3j
    value = _number(stieltjes_transform(law), z=point)
    closed = r_transform(law, Symbol("g"))
    assert abs(_number(closed, g=-value) - 1 / value - point) < 1e-10


@pytest.mark.parametrize("name", ["mp", "mp wide", "two atoms", "fisher", "wachter", "semicircle"])
def test_s_inverts_the_moment_transform(name):
    law, point = NUMERIC[name], 40 + 3j
    yy = -1 - point * _number(stieltjes_transform(law), z=point)
    closed = s_transform(law, Symbol("y"))
    assert abs(_number(closed, y=yy) * yy / (1 + yy) - 1 / point) < 1e-10


def test_r_adds_in_closed_form():
    left, right = marchenko_pastur(c, s), semicircle(d)
    whole = r_transform(free_sum(left, right), g)
    assert sympy.simplify(whole - r_transform(left, g) - r_transform(right, g)) == 0


def test_s_multiplies_in_closed_form():
    left, right = marchenko_pastur(c, s), inverse_marchenko_pastur(d)
    whole = s_transform(free_product(left, right), y)
    assert sympy.simplify(whole - s_transform(left, y) * s_transform(right, y)) == 0


def test_scale_homogeneity():
    law = fisher(c1, c2)
    scaled = affine(law, s)
    assert sympy.simplify(s_transform(scaled, y) - s_transform(law, y) / s) == 0
    plain = marchenko_pastur(c)
    scaled = affine(plain, s)
    assert sympy.simplify(r_transform(scaled, g) - s * r_transform(plain, s * g)) == 0
    assert sympy.simplify(tau_transform(scaled, s * z) - tau_transform(plain, z)) == 0


def test_r_of_two_atoms_from_its_quadratic():
    closed = r_transform(TWO, g)
    series = sympy.series(closed, g, 0, 4).removeO()
    assert [series.coeff(g, k) for k in range(4)] == TWO.free_cumulants(4)


def test_r_polynomial_where_there_is_no_closed_form():
    three = atoms({1: "1/2", 2: "1/4", 4: "1/4"})
    value = Symbol("R")
    curve = r_polynomial(three, value, g)
    start = sum(k * g**n for n, k in enumerate(three.free_cumulants(5)))
    low = sympy.Poly(sympy.expand(curve.subs(value, start)), g)
    assert all(low.coeff_monomial(g**k) == 0 for k in range(5))
    with pytest.raises(ConditionError, match="degree 3"):
        r_transform(three, g)


@pytest.mark.parametrize(
    "law",
    [marchenko_pastur(c, s), semicircle(s, mean=d), atoms({s: 1})],
    ids=["mp", "semicircle", "point"],
)
def test_law_of_r_inverts(law):
    assert law_from_r_transform(r_transform(law, g), g) == law


@pytest.mark.parametrize(
    "law",
    [marchenko_pastur(c, s), fisher(c1, c2), wachter(c1, c2), inverse_marchenko_pastur(c)],
    ids=["mp", "fisher", "wachter", "inverse mp"],
)
def test_law_of_s_inverts(law):
    assert law_from_s_transform(s_transform(law, y), y) == law


def test_law_of_tau_inverts():
    law = atoms({1: "1/3", s: "2/3"})
    assert law_from_tau_transform(tau_transform(law)) == law


def test_fuss_catalan_s():
    assert sympy.simplify(s_transform(fuss_catalan(3), y) * (1 + y) ** 3 - 1) == 0


def test_the_product_cut_is_the_bulk_and_not_the_cut_of_one_root():
    # sqrt((z-e1)(z-e2)) has the wrong sign at Re z < (e1+e2)/2
    closed = _number(stieltjes_transform(semicircle()), z=-3 + 0.5j)
    wrong = (-(-3 + 0.5j) + cmath.sqrt((-3 + 0.5j) ** 2 - 4)) / 2
    assert abs(closed - complex(stieltjes_ball(semicircle(), -3 + 0.5j))) < 1e-13
    assert abs(wrong - closed) > 1


def test_laws_without_the_transform():
    with pytest.raises(ConditionError, match="first moment is zero"):
        s_transform(semicircle(s), y)
    with pytest.raises(ConditionError, match="not known to be nonnegative"):
        tau_transform(semicircle(s))
    with pytest.raises(ConditionError, match="degree 3"):
        stieltjes_transform(fuss_catalan(2))
    for call in (r_transform, s_transform, moment_transform):
        with pytest.raises(ConditionError, match="PowerLaw has no such transform"):
            call(PowerLaw(2), y)


def test_series_that_are_none():
    with pytest.raises(ConditionError, match="pole"):
        law_from_r_transform(1 / g, g)
    with pytest.raises(ConditionError, match="first moment is zero"):
        law_from_s_transform(y, y)
    with pytest.raises(ArgumentsError, match="not rational"):
        law_from_r_transform(sympy.exp(g), g)


def test_a_mutant_is_refuted():
    # R = 1/(1 + c g) is the wrong sign convention, not Marchenko-Pastur
    assert law_from_r_transform(1 / (1 + c * g), g) != marchenko_pastur(c)
    assert Rational(1) == marchenko_pastur(c).moments(1)[0]
