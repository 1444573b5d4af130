"""Wishart trace moments: three exact routes, printed formulas, and sampling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy as sp

from derive.errors import ArgumentsError, DomainError
from derive.gaussian import GaussianLaw, expectation
from derive.index_notation import Field, Space
from derive.wishart import (
    complex_wishart_trace_moment,
    wishart_loop_equation,
    wishart_trace_moment,
)

D, P, sigma2 = sp.symbols("D P sigma2", positive=True)

# arXiv 2510.01098, trace moments of the exact finite-size recursion: P^K times the moment.
PRINTED = {
    (1,): P * D,
    (2,): P * D * (P + D + 1),
    (1, 1): P * D * (P * D + 2),
    (3,): P * D * (P**2 + D**2 + 3 * P * D + 3 * P + 3 * D + 4),
    (2, 1): (P * D + 4) * P * D * (P + D + 1),
    (4,): P
    * D
    * (P**3 + D**3 + 6 * P * D * (P + D) + 6 * (P**2 + D**2) + 17 * P * D + 21 * (P + D) + 20),
    (2, 2): P
    * D
    * (
        P * D * (P**2 + D**2)
        + 2 * P**2 * D**2
        + 2 * P * D * (P + D)
        + 8 * (P**2 + D**2)
        + 21 * P * D
        + 20 * (P + D)
        + 20
    ),
}


@pytest.mark.parametrize("powers", PRINTED)
def test_printed_moments(powers):
    value = wishart_trace_moment(powers, D, P)
    assert sp.expand(value * P ** sum(powers) - PRINTED[powers]) == 0


@pytest.mark.parametrize(
    "powers", [(1,), (2, 1), (3,), (2, 2), (3, 1), (4,), (2, 1, 1), (5,), (3, 2), (2, 2, 1)]
)
def test_pairings_equal_loop_equations(powers):
    difference = wishart_trace_moment(powers, D, P) - wishart_loop_equation(powers, D, P)
    assert sp.expand(difference) == 0


def test_order_six_by_pairings_and_high_order_by_loop_equations():
    assert sp.expand(wishart_trace_moment([6], D, P) - wishart_loop_equation([6], D, P)) == 0
    # Limit of E tr W^8 / D at D/P = q: the Narayana polynomial.
    q = sp.Symbol("q", positive=True)
    value = sp.expand(wishart_loop_equation([8], q * P, P) / (q * P))
    narayana = sum(
        q**j * sp.binomial(8, j + 1) * sp.binomial(8, j) / sp.Integer(8) for j in range(8)
    )
    assert sp.expand(sp.limit(value, P, sp.oo) - narayana) == 0


def test_index_notation_gives_the_same_moments():
    component, sample = Space("component", D), Space("sample", P)
    a, b, c = component.indices("a b c")
    (i,) = sample.indices("i")
    x = Field("X", (component, sample))
    w = (x(a, i) * x(b, i)).sum(i) / P
    square = (w * w.rename({a: b, b: c})).sum(b)
    trace = square.rename({c: a}).sum(a)
    law = GaussianLaw(x)
    fourth = (square * square.rename({a: c, c: a})).sum(a, c)
    for tensor, powers in ((trace, (2,)), (fourth, (4,)), (trace * trace, (2, 2))):
        value = expectation(tensor, law).scalar()
        assert sp.expand(value - wishart_trace_moment(powers, D, P)) == 0


def test_gradient_moments_of_the_finite_size_recursion():
    # E |b|^2 |bhat|^2, E (b.bhat) |bhat|^2 and E |bhat|^4 for bhat = X y / P, b ~ N(0, I/D).
    component, sample = Space("component", D), Space("sample", P)
    a, b = component.indices("a b")
    (i,) = sample.indices("i")
    x, teacher, noise = (
        Field("X", (component, sample)),
        Field("b", (component,)),
        Field("epsilon", (sample,)),
    )
    y = (x(b, i) * teacher(b)).sum(b) + noise(i)
    estimate = (x(a, i) * y).sum(i) / P
    square, overlap = (estimate * estimate).sum(a), (teacher(a) * estimate).sum(a)
    length = (teacher(a) * teacher(a)).sum(a)
    laws = GaussianLaw(teacher, 1 / D), GaussianLaw(noise, sigma2), GaussianLaw(x)

    def w(*powers):
        return wishart_trace_moment(powers, D, P)

    expected = {
        length * square: (D + 2) / D**2 * w(2) + sigma2 / P * w(1),
        overlap * square: (w(2, 1) + 2 * w(3)) / D**2
        + (2 * sigma2 * w(2) + sigma2 * w(1, 1)) / (P * D),
        square * square: (w(2, 2) + 2 * w(4)) / D**2
        + 2 * sigma2 / (D * P) * (w(2, 1) + 2 * w(3))
        + sigma2**2 / P**2 * (w(1, 1) + 2 * w(2)),
    }
    for tensor, formula in expected.items():
        assert sp.cancel(expectation(tensor, *laws).scalar() - formula) == 0


def test_correlated_moments_against_sampling():
    rng = np.random.default_rng(11)
    eigenvalues, samples, draws = np.array([2.0, 0.7, 0.4]), 5, 60_000
    root = np.sqrt(eigenvalues)[:, None]
    data = root * rng.normal(size=(draws, eigenvalues.size, samples))
    w = data @ data.transpose(0, 2, 1) / samples
    square = w @ w
    traces = {
        1: np.trace(w, axis1=1, axis2=2),
        2: np.trace(square, axis1=1, axis2=2),
        3: np.trace(square @ w, axis1=1, axis2=2),
    }

    def exact_trace(k):
        return sum(sp.Rational(str(value)) ** k for value in eigenvalues)

    for powers in ((2,), (3,), (2, 1), (1, 1, 1), (2, 2)):
        drawn = np.prod([traces[k] for k in powers], axis=0)
        value = float(wishart_trace_moment(powers, 3, samples, exact_trace))
        assert abs(drawn.mean() - value) < 4 * drawn.std() / math.sqrt(draws), powers


def test_complex_moments_against_sampling():
    rng = np.random.default_rng(3)
    draws, size, samples = 40_000, 3, 4
    parts = rng.normal(size=(2, draws, size, samples)) / math.sqrt(2)
    data = parts[0] + 1j * parts[1]
    w = data @ data.conj().transpose(0, 2, 1) / samples
    for powers in ((3,), (2, 1)):
        drawn = np.ones(draws)
        for k in powers:
            drawn = drawn * np.trace(np.linalg.matrix_power(w, k), axis1=1, axis2=2).real
        value = float(complex_wishart_trace_moment(powers, size, samples))
        assert abs(drawn.mean() - value) < 4 * drawn.std() / math.sqrt(draws)


def test_scale_of_the_covariance_is_homogeneous():
    c = sp.Symbol("c", positive=True)
    for powers in ((2,), (2, 1), (3, 1)):
        scaled = wishart_trace_moment(powers, D, P, lambda k: c**k * D)
        assert sp.expand(scaled - c ** sum(powers) * wishart_trace_moment(powers, D, P)) == 0


def test_one_dimension_is_chi_squared():
    for order in range(1, 6):
        expected = sp.prod([P + 2 * j for j in range(order)]) / P**order
        assert sp.cancel(wishart_trace_moment([order], 1, P) - expected) == 0
    for first, second in itertools.product((1, 2), repeat=2):
        joint = wishart_trace_moment([first, second], 1, P)
        assert sp.cancel(joint - wishart_trace_moment([first + second], 1, P)) == 0


def test_refusals():
    with pytest.raises(ArgumentsError, match="positive integers"):
        wishart_trace_moment([2, 0], D, P)
    with pytest.raises(ArgumentsError, match="loop_equation"):
        wishart_trace_moment([7], D, P)
    for count in (0, -3, sp.Rational(7, 2)):
        with pytest.raises(DomainError, match="no positive integer"):
            wishart_trace_moment([2], D, count)
        with pytest.raises(DomainError, match="no positive integer"):
            wishart_loop_equation([2], count, P)
    with pytest.raises(ArgumentsError, match="floating-point"):
        wishart_trace_moment([2], D, sp.Float(0.5))
