"""Fits in 1/d: exact on exact data, calibrated on noisy data, and able to refute."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.errors import ArgumentsError, DomainError
from numerics.extrapolation import compare, extrapolate
from numerics.simulation import SimulationResult

SIZES = np.array([12.0, 16.0, 24.0, 32.0, 48.0])
ERRORS = np.array([0.02, 0.015, 0.01, 0.012, 0.02])


@settings(derandomize=True, deadline=None)
@given(
    coefficients=st.lists(st.floats(-10, 10), min_size=3, max_size=3), order=st.sampled_from([1, 2])
)
def test_exact_data_give_exact_coefficients(coefficients, order):
    coefficients = np.array(coefficients[: order + 1]) * 7.0 ** np.arange(order + 1)
    values = (1 / SIZES[:, None]) ** np.arange(order + 1) @ coefficients
    fit = extrapolate(SIZES, values, ERRORS, order=order)
    np.testing.assert_allclose(fit.coefficients, coefficients, rtol=1e-9, atol=1e-9)
    assert fit.chi2 < 1e-15
    assert fit.degrees_of_freedom == 4 - order


def test_against_the_textbook_normal_equations():
    rng = np.random.default_rng(0)
    values = 1 + 5 / SIZES + ERRORS * rng.standard_normal(5)
    fit = extrapolate(SIZES, values, ERRORS)
    s, sx, sxx = (np.sum(SIZES**-power / ERRORS**2) for power in (0.0, 1.0, 2.0))
    sy, sxy = (np.sum(values * SIZES**-power / ERRORS**2) for power in (0.0, 1.0))
    determinant = s * sxx - sx**2
    assert fit.estimate == pytest.approx((sxx * sy - sx * sxy) / determinant, rel=1e-12)
    assert fit.standard_error == pytest.approx(math.sqrt(sxx / determinant), rel=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_standard_errors_and_chi2_are_calibrated(order):
    rng = np.random.default_rng(1)
    fits = [
        extrapolate(SIZES, 2 + 3 / SIZES + ERRORS * rng.standard_normal(5), ERRORS, order=order)
        for _ in range(4000)
    ]
    z = np.array([fit.z_score(2.0) for fit in fits])
    assert abs(z.mean()) < 4 / math.sqrt(4000)
    assert abs(z.std() - 1) < 4 / math.sqrt(8000)
    freedom = 4 - order
    chi2 = np.array([fit.chi2 for fit in fits])
    assert abs(chi2.mean() - freedom) < 4 * math.sqrt(2 * freedom / 4000)
    p_values = np.array([fit.p_value for fit in fits])
    assert abs(p_values.mean() - 0.5) < 4 / math.sqrt(12 * 4000)


def test_a_missing_power_shows_in_the_p_value():
    values = 1 + 5 / SIZES - 200 / SIZES**2
    assert extrapolate(SIZES, values, ERRORS / 5).p_value < 1e-6
    assert extrapolate(SIZES, values, ERRORS / 5, order=2).p_value > 0.9


def test_as_many_sizes_as_coefficients_have_no_p_value():
    fit = extrapolate(SIZES[:2], [1.0, 2.0], ERRORS[:2])
    assert fit.degrees_of_freedom == 0
    assert math.isnan(fit.p_value)


def simulated(d: int, slope: float, offset: float = 0.0) -> SimulationResult:
    tau = round(1.37 * d * d) / d**2
    noise = np.random.default_rng(d).standard_normal(20) * 0.05
    values = tau**2 + offset + slope / d + noise
    return SimulationResult("toy", d, {"tau": tau, "rho": 0.3}, {"n": 1}, {"e": values}, 0)


def test_comparison_uses_realised_ratios_and_can_refute():
    def theory(tau: float, rho: float) -> float:
        assert rho == 0.3
        return tau**2

    results = [simulated(d, 4.0) for d in (6, 10, 20, 40)]
    comparison = compare(theory, results, quantity="e")
    assert abs(comparison.z_score) < 3
    assert comparison.difference.p_value > 0.01
    assert comparison.relative_standard_error < 0.02
    assert list(comparison.theory) == [r.parameters["tau"] ** 2 for r in results]
    assert "z = " in repr(comparison) and "d = 40" in repr(comparison)
    wrong = [simulated(d, 4.0, offset=0.2) for d in (6, 10, 20, 40)]
    assert compare(theory, wrong, quantity="e").z_score > 6


@pytest.mark.parametrize(
    ("sizes", "values", "errors", "order"),
    [
        ([8], [1.0], [0.1], 1),
        ([8, 8], [1.0, 1.0], [0.1, 0.1], 1),
        ([8, 16], [1.0, 1.0], [0.1, 0.1], 2),
        ([8, 16], [1.0, math.nan], [0.1, 0.1], 1),
        ([8, 16], [1.0, 1.0], [0.1, 0.0], 1),
        ([8, 16], [1.0, 1.0], [0.1, math.nan], 1),
        ([0, 16], [1.0, 1.0], [0.1, 0.1], 1),
        ([8, 16], [1.0], [0.1, 0.1], 1),
        ([8, 16], [1.0, 1.0], [0.1, 0.1], 3),
    ],
)
def test_bad_input_is_refused(sizes, values, errors, order):
    with pytest.raises((ArgumentsError, DomainError), match=r"Why: .* Do: "):
        extrapolate(sizes, values, errors, order=order)
