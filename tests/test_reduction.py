"""Dyson equations reduced: what is checked and what is refused (statements: test_acceptance)."""

from __future__ import annotations

import doctest
import functools

import numpy as np
import pytest
import sympy as sp

from derive import elimination, reduction
from derive.deterministic_equivalent import SampleCovariance
from derive.dyson import dyson_equations, solve_numerically
from derive.elimination import eliminate_to_polynomials
from derive.errors import ArgumentsError, ConditionError
from derive.reduction import eliminate, merge_unknowns, ridge_form
from derive.spectral_trace import Spectrum
from derive.words import Deterministic, Gaussian, Identity

N, D, M, PHI, PSI, LAM, KAPPA = sp.symbols("n d m phi psi lambda kappa", positive=True)
ONE = Identity(D)
SIGMA, THETA = Deterministic("Sigma", D, D), Deterministic("Theta", D, D)
X = Gaussian("X", N, D, 1 / N, right=SIGMA)
R = (X.T @ X + LAM * ONE).inverse()
SPECTRUM = Spectrum("Sigma")
S = SPECTRUM.eigenvalue
SAMPLE = SampleCovariance(SPECTRUM, PHI, LAM, KAPPA)
RATIOS = {D: PHI * N}


@pytest.mark.parametrize("module", [reduction, elimination])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def reduced(word, spectrum=SIGMA):
    return eliminate(merge_unknowns(dyson_equations({"t": word}, RATIOS), spectrum))


# ---- linearised random features ------------------------------------------------------------

ZETA, ETA, RIDGE = sp.symbols("zeta eta gamma", positive=True)


@functools.cache
def random_features():
    weights = Gaussian("W", M, D, 1 / M)
    data = Gaussian("Z", D, N, 1 / D)
    noise = Gaussian("O", M, N, 1 / M)
    features = sp.sqrt(ZETA) * weights @ data + sp.sqrt(ETA - ZETA) * noise
    inverse = (features.T @ features + RIDGE * Identity(N)).inverse()
    return dyson_equations(
        {"tau1": inverse, "tau2": data.T @ data @ inverse}, {D: PHI * N, M: PHI * N / PSI}
    )


# ---- what is refused -----------------------------------------------------------------------


def test_merging_is_checked_on_the_equations():
    system = dyson_equations({"t": R @ THETA @ R}, RATIOS)
    merged = merge_unknowns(system, SIGMA)
    solution = solve_numerically(
        system, {"Sigma": np.diag([1.0, 3.0]), "Theta": np.diag([2.0, 5.0])},
        {PHI: 0.6, LAM: 0.5, D: 2},
    )  # fmt: skip
    for unknown, value in merged.steps[0].removed.items():
        number = complex(value.subs(solution.unknowns))
        assert solution.unknowns[unknown] == pytest.approx(number, rel=1e-10)


def test_equal_covariances_by_accident_are_not_merged():
    """Two rows groups of different covariance have different unknowns, whatever one point says."""
    s1, s2 = Deterministic("Sigma1", D, D), Deterministic("Sigma2", D, D)
    x1 = Gaussian("X1", N, D, 1 / N, right=s1)
    x2 = Gaussian("X2", N, D, 1 / N, right=s2)
    word = (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()
    assert len(merge_unknowns(dyson_equations({"t": word}, RATIOS)).equations) == 4
    x2 = Gaussian("X2", N, D, 1 / N, right=s1)
    word = (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()
    assert len(merge_unknowns(dyson_equations({"t": word}, RATIOS)).equations) == 2


def test_wrong_variance_is_not_called_ridge():
    wrong = Gaussian("X", N, D, 2 / N, right=SIGMA)
    system = reduced((wrong.T @ wrong + LAM * ONE).inverse())
    with pytest.raises(ConditionError, match="not that of the effective ridge"):
        ridge_form(system, SAMPLE)


def test_several_unknowns_have_no_two_line_form():
    system = merge_unknowns(dyson_equations({"t": R @ THETA @ R}, RATIOS), SIGMA)
    with pytest.raises(ConditionError, match="4 unknowns are left"):
        ridge_form(system, SAMPLE)
    with pytest.raises(ConditionError, match="0 different resolvents"):
        ridge_form(eliminate(merge_unknowns(dyson_equations({"t": R}, RATIOS))), SAMPLE)


def test_matrices_in_polynomials_are_refused():
    system = dyson_equations({"t": R}, RATIOS)
    with pytest.raises(ConditionError, match="no polynomial"):
        eliminate_to_polynomials(system, {"t": sp.Symbol("tau")})
    with pytest.raises(ArgumentsError, match="no output 'u'"):
        eliminate_to_polynomials(random_features(), {"u": sp.Symbol("tau")})
