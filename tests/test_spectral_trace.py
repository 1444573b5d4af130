"""Normalised traces: linearity, derivatives, cyclicity, exact zero test, and their values."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import spectral_trace, spectrum_values
from derive.errors import ArgumentsError, DomainError
from derive.spectral_trace import (
    SpectralTrace,
    SpectralWord,
    Spectrum,
    difference_vanishes,
    exact,
    partial_fractions,
)
from derive.spectrum_values import at_atoms, at_density, at_matrices

SIGMA = Spectrum("Sigma")
S = SIGMA.eigenvalue
KAPPA, OTHER = sp.symbols("kappa mu", positive=True)
T, U, V = sp.symbols("T U V")


def matrices(seed: int, size: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    out = {"Sigma": root @ root.T / size + 0.1 * np.eye(size)}
    for name in "TUV":
        out[name] = rng.normal(size=(size, size))
    return out


def function_of(matrix: np.ndarray, f) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * f(values)) @ vectors.T


@pytest.mark.parametrize("module", [spectral_trace, spectrum_values])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def test_trace_is_linear_and_normalised():
    f, g = S / (S + KAPPA), 1 / (S + KAPPA) ** 2
    whole = SIGMA.trace(3 * f - 2 * KAPPA * g).expand(trace=True)
    assert sp.expand(whole - 3 * SIGMA.trace(f) + 2 * KAPPA * SIGMA.trace(g)) == 0
    assert SIGMA.trace(sp.Integer(5)) == 5
    assert SIGMA.trace(KAPPA, T) == KAPPA * SIGMA.trace(sp.Integer(1), T)


def test_bound_variable_is_not_substituted_and_capture_is_refused():
    trace = SIGMA.trace(1 / (S + KAPPA))
    assert trace.subs(S, 3) == trace
    assert trace.free_symbols == {KAPPA}
    assert trace.diff(S) == 0
    with pytest.raises(ArgumentsError, match="binds"):
        trace.subs(KAPPA, S)


def test_cyclic_rotations_are_one_object_and_reversals_are_not():
    G = SIGMA.function(1 / (S + KAPPA))
    H = SIGMA.function(1 / (S + OTHER))
    t, u, v = (SIGMA.test(x) for x in (T, U, V))
    assert (G @ t @ H @ u @ v).trace() == (u @ v @ G @ t @ H).trace()
    assert (G @ t @ H @ u @ v).trace() != (G @ v @ u @ H @ t).trace()


@pytest.mark.parametrize("seed", range(3))
def test_words_and_traces_equal_matrix_products(seed):
    given_ = matrices(seed)
    a, b = 0.7, 1.9
    G, H = (function_of(given_["Sigma"], lambda s, k=k: 1 / (s + k)) for k in (a, b))
    word = SIGMA.function(1 / (S + KAPPA)) @ SIGMA.test(T) @ SIGMA.function(S / (S + OTHER))
    word = word @ SIGMA.test(U) + SIGMA.test(V).times(3)
    direct = G @ given_["T"] @ given_["Sigma"] @ H @ given_["U"] + 3 * given_["V"]
    got = at_matrices(word.trace(), given_, {KAPPA: a, OTHER: b})
    assert got == pytest.approx(np.trace(direct) / 7, rel=1e-12)


def test_three_test_matrices_keep_their_order():
    given_ = matrices(5)
    trace = (SIGMA.test(T) @ SIGMA.test(U) @ SIGMA.test(V)).trace()
    assert at_matrices(trace, given_) == pytest.approx(
        np.trace(given_["T"] @ given_["U"] @ given_["V"]) / 7, rel=1e-12
    )
    swapped = np.trace(given_["U"] @ given_["T"] @ given_["V"]) / 7
    assert abs(at_matrices(trace, given_) - swapped) > 1e-3


def test_derivative_matches_finite_difference():
    given_ = matrices(2)
    trace = SIGMA.trace(S**2 / (S + KAPPA) ** 2)
    step = 1e-5
    low, high = (at_matrices(trace, given_, {KAPPA: 0.8 + h}) for h in (-step, step))
    slope = at_matrices(trace.diff(KAPPA), given_, {KAPPA: 0.8})
    assert slope == pytest.approx((high - low) / (2 * step), rel=1e-8)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    st.lists(st.integers(-3, 3), min_size=3, max_size=3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_partial_fractions_keep_the_value(coefficients, power, first, second):
    function = sum(c * S**k for k, c in enumerate(coefficients)) * S**power
    trace = SIGMA.trace(function / ((S + KAPPA) ** first * (2 * S + 3 * OTHER) ** second), T)
    given_ = matrices(11)
    point = {KAPPA: 0.6, OTHER: 1.7}
    reduced = partial_fractions(sp.sympify(trace))
    assert at_matrices(reduced, given_, point) == pytest.approx(
        at_matrices(sp.sympify(trace), given_, point), rel=1e-9, abs=1e-9
    )
    for piece in reduced.atoms(SpectralTrace):
        assert sum(d.has(S) for d in sp.Mul.make_args(piece.function)) <= 1


def test_partial_fractions_with_an_unknown_overlap_function():
    theta = sp.Function("theta")
    left = SIGMA.trace(S * theta(S) / (S + KAPPA)) + KAPPA * SIGMA.trace(theta(S) / (S + KAPPA))
    assert difference_vanishes(left, SIGMA.trace(theta(S)))
    assert not difference_vanishes(left, 2 * SIGMA.trace(theta(S)))


def test_zero_test_accepts_identities_and_refuses_mutants():
    df1, df2 = SIGMA.trace(S / (S + KAPPA)), SIGMA.trace(S**2 / (S + KAPPA) ** 2)
    slope = -KAPPA * df1.diff(KAPPA)
    assert difference_vanishes(slope, df1 - df2)
    for mutant in (df1 + df2, df1 - 2 * df2, df1**2 - df2, KAPPA * df1 - df2):
        assert not difference_vanishes(slope, mutant)


def test_atoms_density_and_arrays_agree():
    trace = SIGMA.trace(S**2 / (S + KAPPA) ** 2)
    atoms = at_atoms(trace, SIGMA, {1: "1/4", "2.5": "0.75"})
    arrays = at_matrices(trace, {"Sigma": np.diag([1, 2.5, 2.5, 2.5])}, {KAPPA: 0.3})
    assert float(atoms.subs(KAPPA, sp.Rational(3, 10))) == pytest.approx(arrays, rel=1e-14)
    uniform = at_density(SIGMA.trace(S), SIGMA, sp.Rational(1, 2), 0, 2).doit()
    assert uniform == 1
    overlap = at_atoms(SIGMA.trace(S, T), SIGMA, {1: "1/2", 4: "1/2"}, {T: {1: 3, 4: 5}})
    assert overlap == sp.Rational(23, 2)


def test_wrong_spectra_are_refused():
    trace = SIGMA.trace(S / (S + KAPPA), T)
    with pytest.raises(DomainError, match="masses add to 3/4"):
        at_atoms(trace, SIGMA, {1: "1/2", 4: "1/4"})
    with pytest.raises(DomainError, match="negative"):
        at_atoms(trace, SIGMA, {-1: 1})
    with pytest.raises(ArgumentsError, match="no overlap"):
        at_atoms(trace, SIGMA, {1: 1})
    with pytest.raises(ArgumentsError, match="two test matrices"):
        at_atoms((SIGMA.test(T) @ SIGMA.test(U)).trace(), SIGMA, {1: 1}, {T: {1: 1}, U: {1: 1}})
    with pytest.raises(ArgumentsError, match="T has no value"):
        at_matrices(trace, {"Sigma": np.eye(2)}, {KAPPA: 1.0})
    with pytest.raises(ArgumentsError, match="test matrix"):
        at_density(trace, SIGMA, sp.Integer(1), 0, 1)


def test_no_floating_point_enters():
    assert exact(0.1) == sp.Rational(1, 10)
    with pytest.raises(ArgumentsError, match="exact"):
        SIGMA.trace(S * sp.Float(0.5))
    with pytest.raises(ArgumentsError, match="not a number"):
        exact("kappa + 1")


def test_printing_shows_the_matrix():
    trace = SIGMA.trace(S / (S + KAPPA) ** 2, T)
    assert str(trace) == "tr[Sigma/(Sigma + kappa)**2 T]"
    assert sp.latex(trace) == (
        r"\overline{\mathrm{tr}}\left[\frac{\Sigma}{\left(\Sigma + \kappa\right)^{2}}\,T\right]"
    )


def test_like_terms_of_words_are_collected():
    word = SIGMA.test(T) + SIGMA.test(T).times(2) - SIGMA.test(T).times(3)
    assert word == SpectralWord(SIGMA, ())
    assert word.trace() == 0
