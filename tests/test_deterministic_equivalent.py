"""One and two resolvents of a sample covariance: statement, number, and finite-size simulation."""

from __future__ import annotations

import doctest
import sys

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import deterministic_equivalent
from derive.deterministic_equivalent import (
    SampleCovariance,
    name_degrees_of_freedom,
    one_resolvent,
    resolvent_sample_resolvent,
    two_resolvents,
)
from derive.divided_difference import divided_difference
from derive.errors import ArgumentsError
from derive.spectral_trace import Spectrum, difference_vanishes, partial_fractions
from derive.spectrum_values import at_atoms, at_matrices

SIGMA = Spectrum("Sigma")
S = SIGMA.eigenvalue
PHI, LAM, KAPPA, LAM2, KAPPA2 = sp.symbols("phi lambda kappa lambda' kappa'", positive=True)
DF1, DF2, GAMMA = sp.symbols("df1 df2 gamma", positive=True)
THETA, B = sp.symbols("Theta B")
RIDGE = SampleCovariance(SIGMA, PHI, LAM, KAPPA)
TWIN = SampleCovariance(SIGMA, PHI, LAM2, KAPPA2)
POPULATION = SIGMA.function(S)
ATOMS = {1: "1/2", 4: "1/2"}
POINT = {PHI: sp.Rational(3, 2), LAM: sp.Rational(1, 10)}


def kappa_at(eigenvalues, phi: float, lam: float) -> float:
    """Bisect the increasing function kappa (1 - phi df1) = lam: a route without the engine."""
    low, high = lam, lam + phi * float(np.mean(eigenvalues))
    for _ in range(200):
        middle = (low + high) / 2
        value = middle * (1 - phi * np.mean(eigenvalues / (eigenvalues + middle)))
        low, high = (middle, high) if value < lam else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize(
    "module", [deterministic_equivalent, sys.modules[divided_difference.__module__]]
)
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


# ---- the effective ridge: peers' cases 1 and 2 ---------------------------------------------


def test_effective_ridge_is_derived_in_its_named_form():
    equation = RIDGE.effective_ridge
    assert equation == sp.Eq(KAPPA, LAM + PHI * KAPPA * SIGMA.trace(S / (S + KAPPA)))
    b = LAM / KAPPA
    leave_one_out = b * (1 + PHI * SIGMA.trace(S / (LAM + b * S))) - 1
    on_shell = KAPPA * (1 - PHI * SIGMA.trace(S / (S + KAPPA)))
    assert difference_vanishes(leave_one_out.subs(LAM, on_shell), sp.Integer(0))
    assert not difference_vanishes(leave_one_out.subs(LAM, 2 * on_shell), sp.Integer(0))


def test_marchenko_pastur_number_by_three_routes():
    equation = at_atoms(RIDGE.effective_ridge.lhs - RIDGE.effective_ridge.rhs, SIGMA, {1: 1})
    polynomial = sp.fraction(sp.together(equation.subs(POINT)))[0]
    (kappa,) = [r for r in sp.Poly(polynomial, KAPPA).nroots(n=30) if r > 0]
    trace = (LAM * one_resolvent(RIDGE).trace()).subs(LAM, POINT[LAM])
    tau = at_atoms(trace, SIGMA, {1: 1}).subs(KAPPA, kappa)
    assert abs(tau - sp.Rational("0.423926596236")) < 1e-12
    # the peer's two equations, by iteration
    t = mp.mpf(1)
    for _ in range(400):
        t = mp.mpf("0.1") / (mp.mpf("0.1") + mp.mpf("0.1") / (mp.mpf("0.1") + mp.mpf("1.5") * t))
    assert abs(t - mp.mpf(str(tau))) < 1e-14


def test_anisotropic_number_by_polynomial_and_by_bisection():
    equation = at_atoms(RIDGE.effective_ridge.lhs - RIDGE.effective_ridge.rhs, SIGMA, ATOMS)
    polynomial = sp.fraction(sp.together(equation.subs(POINT)))[0]
    (kappa,) = [r for r in sp.Poly(polynomial, KAPPA).nroots(n=30) if r > 0]
    assert abs(float(kappa) - kappa_at(np.array([1.0, 4.0]), 1.5, 0.1)) < 1e-13


def test_derivative_of_effective_ridge():
    assert RIDGE.derivative_of_effective_ridge == 1 / (1 - GAMMA)
    eigenvalues, step = np.array([1.0, 4.0, 0.3]), 1e-5
    slope = (kappa_at(eigenvalues, 0.8, 0.4 + step) - kappa_at(eigenvalues, 0.8, 0.4 - step)) / (
        2 * step
    )
    kappa = kappa_at(eigenvalues, 0.8, 0.4)
    gamma = 0.8 * np.mean((eigenvalues / (eigenvalues + kappa)) ** 2)
    assert slope == pytest.approx(1 / (1 - gamma), rel=1e-8)


@settings(derandomize=True, deadline=None, max_examples=6)
@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=6, unique=True),
    st.integers(1, 30),
    st.integers(1, 200),
)
def test_learnabilities_and_the_ridge_share_the_samples(eigenvalues, phi, lam):
    # sum over modes of s/(s + kappa) is n (1 - lam/kappa): n without ridge, for every spectrum
    ratio, ridge = sp.Rational(phi, 10), sp.Rational(lam, 100)
    share = sp.Rational(1, len(eigenvalues))
    table = dict.fromkeys(eigenvalues, share)
    equation = at_atoms(RIDGE.effective_ridge.lhs - RIDGE.effective_ridge.rhs, SIGMA, table)
    polynomial = sp.Poly(sp.numer(sp.together(equation.subs({PHI: ratio, LAM: ridge}))), KAPPA)
    (kappa,) = [r for r in polynomial.nroots(n=30, maxsteps=200) if r.is_real and r > ridge]
    learned = sum(s / (s + kappa) for s in eigenvalues)
    samples = len(eigenvalues) / ratio
    assert abs(learned / samples + ridge / kappa - 1) < 1e-20
    # and the effective ridge rises faster than the ridge
    slope = RIDGE.derivative_of_effective_ridge.subs(
        GAMMA, ratio * share * sum((s / (s + kappa)) ** 2 for s in eigenvalues)
    )
    assert slope > 1


# ---- ridge bias and variance: peers' cases 3 and 4 -----------------------------------------


def test_ridge_bias_comes_out_in_its_two_line_form():
    bias = LAM**2 * two_resolvents(RIDGE, THETA).trace(POPULATION)
    result = name_degrees_of_freedom(bias, RIDGE)
    assert result.expression == KAPPA**2 * SIGMA.trace(S / (S + KAPPA) ** 2, THETA) / (1 - GAMMA)
    names = dict((e.lhs, e.rhs) for e in result.where)
    assert names[GAMMA] == PHI * SIGMA.trace(S**2 / (S + KAPPA) ** 2)
    assert names[KAPPA] == LAM + PHI * KAPPA * SIGMA.trace(S / (S + KAPPA))


def test_ridge_bias_number():
    bias = LAM**2 * two_resolvents(RIDGE).trace(POPULATION)
    kappa = kappa_at(np.array([1.0, 4.0]), 1.5, 0.1)
    value = at_atoms(bias, SIGMA, ATOMS).subs(POINT).subs(KAPPA, kappa)
    assert float(value) == pytest.approx(0.636622043018, abs=2e-12)
    # second route: lambda^2 d kappa/d lambda stands in the trace of R itself,
    # tr R^2 Sigma = -d/d lambda tr R Sigma, by differences of the one-resolvent value
    step = 1e-5
    values = []
    for lam in (0.1 - step, 0.1 + step):
        k = kappa_at(np.array([1.0, 4.0]), 1.5, lam)
        values.append(k / lam * np.mean(np.array([1.0, 4.0]) / (np.array([1.0, 4.0]) + k)))
    assert -0.01 * (values[1] - values[0]) / (2 * step) == pytest.approx(0.636622043018, rel=1e-7)


def test_ridge_variance_comes_out_named():
    variance = LAM * resolvent_sample_resolvent(RIDGE).trace(POPULATION)
    result = name_degrees_of_freedom(variance, RIDGE)
    assert result.expression == LAM * DF2 / (1 - GAMMA)
    # kappa'(lam) = 1/(1 - gamma), so this is lam kappa' df2


def test_same_ridge_rule_is_minus_the_derivative_of_one_resolvent():
    one = one_resolvent(RIDGE).trace(SIGMA.test(B))
    slope = -RIDGE.total_derivative(one)
    pair = two_resolvents(RIDGE).trace(SIGMA.test(B))
    on_shell = {LAM: KAPPA * (1 - PHI * RIDGE.df1)}
    assert difference_vanishes(slope.subs(on_shell), pair.subs(on_shell))
    assert not difference_vanishes((2 * slope).subs(on_shell), pair.subs(on_shell))


def test_two_ridges_satisfy_the_resolvent_identity():
    # R R' = (R - R')/(lam' - lam) holds exactly before and after
    pair = two_resolvents(RIDGE, None, TWIN).trace(SIGMA.test(B))
    single = one_resolvent(RIDGE).trace(SIGMA.test(B)) - one_resolvent(TWIN).trace(SIGMA.test(B))
    on_shell = {LAM: KAPPA * (1 - PHI * RIDGE.df1), LAM2: KAPPA2 * (1 - PHI * TWIN.df1)}
    assert difference_vanishes(((LAM2 - LAM) * pair).subs(on_shell), single.subs(on_shell))
    wrong = on_shell | {LAM2: KAPPA2 * (1 + PHI * TWIN.df1)}
    assert not difference_vanishes(((LAM2 - LAM) * pair).subs(wrong), single.subs(wrong))


def test_two_ridges_become_one_without_zero_over_zero():
    pair = two_resolvents(RIDGE, THETA, TWIN).trace(SIGMA.test(B))
    same = two_resolvents(RIDGE, THETA).trace(SIGMA.test(B))
    assert difference_vanishes(pair.subs({LAM2: LAM, KAPPA2: KAPPA}), same)


def test_divided_difference_of_the_ridge_is_one_minus_chi():
    ridge = KAPPA * (1 - PHI * SIGMA.trace(S / (S + KAPPA)))
    chi = PHI * SIGMA.trace(S**2 / ((S + KAPPA) * (S + KAPPA2)))
    assert difference_vanishes(divided_difference(ridge, {KAPPA: KAPPA2}), 1 - chi)
    assert divided_difference(sp.Integer(3), {KAPPA: KAPPA2}) == 0
    power = divided_difference(SIGMA.trace(1 / (S + KAPPA)) ** -3, {KAPPA: KAPPA2})
    quotient = SIGMA.trace(1 / (S + KAPPA)) ** -3 - SIGMA.trace(1 / (S + KAPPA2)) ** -3
    assert difference_vanishes((KAPPA - KAPPA2) * power, quotient)
    with pytest.raises(ArgumentsError, match="one variable"):
        divided_difference(ridge, {})
    with pytest.raises(ArgumentsError, match="integer power"):
        divided_difference(sp.sqrt(SIGMA.trace(1 / (S + KAPPA))), {KAPPA: KAPPA2})


@pytest.mark.parametrize("scale", [sp.Rational(1, 3), sp.Integer(5)])
def test_homogeneity_in_the_scale_of_the_population(scale):
    # Sigma -> c Sigma, lam -> c lam: kappa -> c kappa and the risk tr[R Theta R Sigma] -> 1/c
    pair = two_resolvents(RIDGE, THETA, TWIN).trace(POPULATION)
    overlaps = {THETA: {1: 3, 4: 7}}
    scaled_overlaps = {THETA: {scale: 3, 4 * scale: 7}}
    base = at_atoms(pair, SIGMA, ATOMS, overlaps)
    scaled = at_atoms(pair, SIGMA, {scale: "1/2", 4 * scale: "1/2"}, scaled_overlaps)
    scaled = scaled.subs({s: scale * s for s in (LAM, LAM2, KAPPA, KAPPA2)}, simultaneous=True)
    assert sp.cancel(sp.together(scaled * scale - base)) == 0


def test_twin_of_another_population_is_refused():
    stranger = SampleCovariance(Spectrum("Omega"), PHI, LAM2, KAPPA2)
    with pytest.raises(ArgumentsError, match="population Omega"):
        two_resolvents(RIDGE, THETA, stranger)


def test_naming_leaves_higher_poles_in_traces():
    third = SIGMA.trace(1 / (S + KAPPA) ** 3)
    result = name_degrees_of_freedom(third * KAPPA, RIDGE)
    assert difference_vanishes(result.expression, third * KAPPA)
    assert partial_fractions(third) == third


def complex_rows(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Complex Gaussian entries: the 1/d correction of real ones is absent, so z-scores are fair."""
    return (rng.normal(size=(rows, columns)) + 1j * rng.normal(size=(rows, columns))) / np.sqrt(2)


@pytest.mark.parametrize(("rows", "seed"), [(40, 1), (90, 2)])
def test_two_ridges_and_noncommuting_tests_in_simulation(rows, seed):
    rng = np.random.default_rng(seed)
    size, lam, lam2 = 60, 0.35, 1.4
    frame = np.linalg.qr(rng.normal(size=(size, size)))[0]
    eigenvalues = rng.uniform(0.2, 3.0, size)
    sigma = (frame * eigenvalues) @ frame.T
    root = (frame * np.sqrt(eigenvalues)) @ frame.T
    theta, b = (rng.normal(size=(size, size)) + 2 * np.eye(size) for _ in range(2))
    theta, b = theta @ theta.T / size, b @ b.T / size + sigma @ theta
    matrices = {"Sigma": sigma, "Theta": theta, "B": b}
    values = {PHI: size / rows, LAM: lam, LAM2: lam2}
    values[KAPPA] = kappa_at(eigenvalues, size / rows, lam)
    values[KAPPA2] = kappa_at(eigenvalues, size / rows, lam2)
    pair = two_resolvents(RIDGE, THETA, TWIN).trace(SIGMA.test(B))
    single = one_resolvent(RIDGE).trace(SIGMA.test(B))
    draws = []
    for _ in range(60):
        x = complex_rows(rng, rows, size) @ root
        sample = x.conj().T @ x / rows
        left = np.linalg.inv(sample + lam * np.eye(size))
        right = np.linalg.inv(sample + lam2 * np.eye(size))
        draws.append([np.trace(left @ b), np.trace(left @ theta @ right @ b)])
    draws = np.real(np.array(draws)) / size
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    theory = np.real([at_matrices(e, matrices, values) for e in (single, pair)])
    assert np.all(np.abs(draws.mean(axis=0) - theory) < 4 * error)
    # the test has power: dropping the second term of the rule is seen at many standard errors
    g, g2 = (np.linalg.inv(sigma + values[k] * np.eye(size)) for k in (KAPPA, KAPPA2))
    naive = np.trace(g @ theta @ g2 @ b) / size * values[KAPPA] * values[KAPPA2] / (lam * lam2)
    assert abs(draws[:, 1].mean() - naive) > 20 * error[1]
