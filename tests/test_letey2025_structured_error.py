"""Structured tasks against the printed formulas by bisection, Lu et al., limits and simulation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import derivations
from derivations.letey2025.error_at_spectrum import (
    alignment_of,
    structured_error_of,
    training_error_of,
)
from derivations.letey2025.joint_spectrum import JointSpectrum
from derive.errors import DomainError
from numerics.extrapolation import compare
from numerics.monte_carlo import in_context_errors

SPREAD = JointSpectrum.of([3, 1, "1/4"], ["1/2", 2, 1], ["1/5", "1/2", "3/10"])
AT_SPREAD = tuple(make(SPREAD) for make in (structured_error_of, training_error_of, alignment_of))
POINTS: list[dict[str, Any]] = [
    dict(tau="2.5", alpha="3", kappa="0.4", rho="0.2", lam="0.03", alpha_te="5", rho_te="0.7"),
    dict(tau="0.6", alpha="1.5", kappa="2.5", rho="0.05", lam="0.001", alpha_te="1", rho_te="0"),
    dict(tau="1", alpha="8", kappa="1", rho="0.1", lam="0.01", alpha_te="30", rho_te="0.3"),
    dict(tau="1.7", alpha="40", kappa="0.7", rho="1.3", lam="0", alpha_te="9", rho_te="0.1"),
    dict(tau="0.45", alpha="4", kappa="inf", rho="0.3", lam="0", alpha_te="inf", rho_te="0.2"),
]


REGISTERED = derivations.get("letey2025.structured_error")
WHITE: dict[str, Any] = dict(p_1=3 / 7, c_1=1.0, c_2=1.0, e_1=1.0, e_2=1.0)


def value(formula, **point):
    """Return the certified value, without compiling."""
    exact: dict[str, Any] = {n: "inf" if v == np.inf else Fraction(v) for n, v in point.items()}
    return float(formula.ball(**exact))


def printed(spectrum, tau, alpha, kappa, rho, lam, alpha_te, rho_te):
    """Evaluate the formulas as printed, subtractions and all, in 60 digits by bisection."""
    c, e, p = ([mp.mpf(x.numerator) / x.denominator for x in column] for column in spectrum)

    def trace(f):
        return mp.fsum(w * f(a, b) for a, b, w in zip(c, e, p, strict=True))

    c_tr, c_te = trace(lambda a, b: a), trace(lambda a, b: b)
    q, q_te = (rho + c_tr) / alpha, (rho_te + c_te) / alpha_te

    def bisect(f, low, high):
        while high - low > mp.mpf(10) ** -52 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if f(middle) < 0 else (low, middle)
        return (low + high) / 2

    def shape(z):
        if kappa == mp.inf:
            return mp.mpf(1)
        return bisect(
            lambda r: r * (1 + trace(lambda a, b: a / (r * a + z)) / kappa) - 1,
            mp.mpf(0),
            mp.mpf(1),
        )

    def resolvent(z):
        r = shape(z)
        return trace(lambda a, b: 1 / (r * a + z))

    if lam == 0 and tau > 1:
        xi = mp.mpf(0)
    else:
        xi = bisect(
            lambda x: x * resolvent(q + x) - tau * lam / x - 1 + tau,
            lam / 2 + mp.mpf(10) ** -40,
            lam + (q + c_tr) / tau + 1,
        )
    z = q + xi
    r, m = shape(z), resolvent(z)
    g = trace(lambda a, b: a / (r * a + z) ** 2)
    slope = -(trace(lambda a, b: (r * a + z) ** -2) + m / kappa * g) / (1 + z / kappa * g)
    first = trace(lambda a, b: b / (r * a + z))
    second = trace(lambda a, b: b * (1 + (m + z * slope) / kappa * a) / (r * a + z) ** 2)
    y = (rho + z - z**2 * m - xi * (1 - 2 * z * m - z**2 * slope)) / (
        tau - (1 - 2 * xi * m - xi**2 * slope)
    )
    error = rho_te + q_te * (1 - 2 * z * m - z**2 * slope + y * (m + xi * slope))
    return error + y * first + (z**2 - y * xi) * second, tau * y, first


@pytest.mark.xdist_group("letey2025 spectrum")  # one worker compiles the three formulas
@pytest.mark.parametrize("number", range(len(POINTS)))
def test_all_evaluators_agree_with_the_printed_formulas_by_bisection(number):
    point = POINTS[number]
    with mp.workdps(60):
        columns = (SPREAD.training, SPREAD.test, SPREAD.shares)
        values = printed(columns, **{n: mp.mpf(v) for n, v in point.items()})
        floats = {n: float(v) for n, v in point.items()}
        for formula, expected in zip(AT_SPREAD, values, strict=True):
            ball = formula.ball(**point)
            middle = mp.mpf(ball.midpoint.numerator) / ball.midpoint.denominator
            assert abs(middle - expected) < mp.mpf(10) ** -28 * expected
            assert float(formula(**floats)) == pytest.approx(float(expected), rel=2e-14)


@pytest.mark.slow
def test_double_double_agrees_with_the_ball_at_a_spectrum():
    formula = AT_SPREAD[0]
    for point in POINTS:
        floats = {n: float(v) for n, v in point.items()}
        exact: dict[str, Any] = {
            n: "inf" if v == np.inf else Fraction(v) for n, v in floats.items()
        }
        high, low = formula.compile(precision="double-double")(**floats)
        error = Fraction(float(high)) + Fraction(float(low)) - formula.ball(**exact).midpoint
        assert abs(error) < Fraction(1, 10**26)


def test_the_registered_formula_is_the_one_of_two_eigenspaces():
    page = REGISTERED
    assert page.status.name == "ASSUMED"
    assert tuple(page.results) == ("idg_error", "alignment", "structured_error")
    spectrum = JointSpectrum.of([2, "1/3"], ["3/2", 4], ["1/4", "3/4"])
    atoms: dict[str, Any] = dict(p_1="1/4", c_1="2", c_2="1/3", e_1="3/2", e_2="4")
    for point in POINTS:
        one = page.result.ball(**point, **atoms)
        other = structured_error_of(spectrum).ball(**point)
        assert abs(one.midpoint - other.midpoint) <= one.radius + other.radius


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    exponents=st.tuples(
        st.floats(-1, 1.5), st.floats(-2, 6), st.floats(-2, 3), st.floats(-3, 0.5), st.floats(-9, 1)
    ),
    ridgeless=st.booleans(),
    fresh=st.booleans(),
)
def test_identity_covariances_give_lu_et_al(exponents, ridgeless, fresh):
    tau, alpha, kappa, rho, lam = (10.0**x for x in exponents)
    lam = 0.0 if ridgeless and abs(tau - 1) > 1e-3 else lam
    kappa = np.inf if fresh else kappa
    point: dict[str, Any] = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
    same: dict[str, Any] = dict(alpha_te=alpha, rho_te=rho, **WHITE)
    ours = REGISTERED.result(**point, **same)
    known = REGISTERED.results["idg_error"](**point, **same)
    # conditioning in tau - 1 is that of the problem
    loose = 1e-12 + 1e-14 / abs(tau - 1 if tau != 1 else 1e-3)
    assert ours == pytest.approx(derivations.get("lu2025.icl_error").result(**point), rel=loose)
    assert known == pytest.approx(derivations.get("lu2025.idg_error").result(**point), rel=loose)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_float_lies_where_the_ball_says_and_errors_are_above_the_noise(seed):
    rng = np.random.default_rng(seed)
    point: dict[str, Any] = dict(
        tau=10 ** rng.uniform(-1, 1.5), alpha=10 ** rng.uniform(-2, 5),
        kappa=10 ** rng.uniform(-2, 2), rho=rng.random(), lam=10 ** rng.uniform(-10, 1),
        alpha_te=10 ** rng.uniform(-2, 5), rho_te=rng.random(),
    )  # fmt: skip
    atoms: dict[str, Any] = dict(
        p_1=rng.random(), c_1=10 ** rng.uniform(-4, 1), c_2=10 ** rng.uniform(-4, 1)
    )
    point |= atoms | dict(e_1=rng.random(), e_2=rng.random())
    if seed % 3 == 0:
        point["c_2"] = 0.0
    if seed % 5 == 0:
        point["lam"] = 0.0
    ball = REGISTERED.result.ball(**{n: Fraction(v) for n, v in point.items()})
    # conditioning in tau - 1 and, in a gap of the spectrum, in kappa - p_1 is that of the problem
    loose = 1e-12 + 1e-15 / abs(point["tau"] - 1) + 1e-15 / abs(point["kappa"] - point["p_1"])
    assert float(REGISTERED.result(**point)) == pytest.approx(float(ball), rel=loose)
    assert float(ball) > point["rho_te"]


def test_a_fresh_task_of_the_training_law_is_not_a_pretraining_task_unless_all_are_fresh():
    same = JointSpectrum.of([3, "1/2", 0], [3, "1/2", 0])
    point: dict[str, Any] = dict(tau=2.0, alpha=3.0, rho=0.2, lam=0.05, alpha_te=3.0, rho_te=0.2)
    test, train = structured_error_of(same), training_error_of(same)

    def gap(kappa):
        return value(test, kappa=kappa, **point) - value(train, kappa=kappa, **point)

    assert gap(np.inf) == pytest.approx(0, abs=1e-15)
    assert gap(0.5) > 0.2 * value(train, kappa=0.5, **point)
    assert gap(1e4) == pytest.approx(10 * gap(1e5), rel=1e-3)  # closes as 1/kappa


@pytest.mark.xdist_group("letey2025 spectrum")
def test_ridge_is_continuous_where_it_vanishes_and_diverges_at_the_threshold():
    formula = AT_SPREAD[0]
    point: dict[str, Any] = dict(alpha=3.0, kappa=0.6, rho=0.2, alpha_te=4.0, rho_te=0.3)
    for tau in (0.5, 0.9, 1.2, 4.0):
        limit = float(formula(tau=tau, lam=0.0, **point))
        off = [float(formula(tau=tau, lam=x, **point)) - limit for x in (1e-6, 1e-7)]
        assert off[0] / off[1] == pytest.approx(10, rel=2e-3)
    near = [float(formula(tau=1 + x, lam=0.0, **point)) * x for x in (1e-5, 1e-6)]
    assert near[0] == pytest.approx(near[1], rel=1e-3)
    assert np.isinf(formula(tau=1.0, lam=0.0, **point))


@pytest.mark.parametrize("kappa", ["0.2", "0.7", "3"])
def test_rank_deficient_pretraining_approaches_its_limit_with_corrections_in_one_over_alpha(kappa):
    f_C, c_1, e_in, e_out = "2/5", "3/2", "4/5", "7/3"
    spectrum = JointSpectrum.of([c_1, 0], [e_in, e_out], [f_C, "3/5"])
    formula = structured_error_of(spectrum)
    limits = derivations.get("letey2025.rank_deficient_tasks")
    limit = limits.result.ball(
        kappa=kappa, rho="1/10", gamma="1/4", f_C=f_C, c_1=c_1, e_in=e_in, e_out=e_out
    ).midpoint
    gaps = []
    for alpha in (10**6, 10**7):
        ball = formula.ball(
            tau=Fraction(alpha, 4), alpha=alpha, kappa=kappa, rho="1/10", lam=0,
            alpha_te=alpha, rho_te="1/10",
        )  # fmt: skip
        gaps.append(float(ball.midpoint - Fraction(1, 10) - limit))
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=1e-3)
    assert abs(gaps[0]) < 1e-3 * float(limit)


def test_the_half_space_keeps_half_of_the_variance_only_with_enough_tasks_and_sequences():
    identity = derivations.get("letey2025.rank_deficient_tasks").results["identity_test"]
    half: dict[str, Any] = dict(rho=0.1, f_C=0.5, c_1=2.0)
    assert float(identity(kappa=0.7, gamma=np.inf, **half)) == pytest.approx(0.5)
    assert float(identity(kappa=0.3, gamma=np.inf, **half)) == pytest.approx(0.7)
    assert float(identity(kappa=0.7, gamma=0.5, **half)) > 0.55


def test_matrices_that_do_not_commute_enter_through_diagonal_elements():
    rng = np.random.default_rng(3)
    a, b = (x @ x.T / 9 for x in rng.standard_normal((2, 6, 9)))
    spectrum = JointSpectrum.of_covariances(a, b)
    values, vectors = np.linalg.eigh(a)
    assert [float(x) for x in spectrum.training] == pytest.approx(values)
    assert float(sum(x * w for x, w in zip(spectrum.test, spectrum.shares, strict=True))) == (
        pytest.approx(np.trace(b) / 6)
    )
    basis = vectors.T @ b @ vectors
    diagonal = JointSpectrum.of_covariances(np.diag(values), np.diag(np.diag(basis)))
    point: dict[str, Any] = dict(
        tau=2.0, alpha=3.0, kappa=0.6, rho=0.1, lam=0.01, alpha_te=2.0, rho_te=0.2
    )
    one, other = (value(structured_error_of(s), **point) for s in (spectrum, diagonal))
    assert one == pytest.approx(other, rel=1e-12)


def test_bad_spectra_are_refused_with_the_call_to_write():
    for training, test, shares in (
        ([1, -1], [1, 1], None),
        ([1], [1, 1], None),
        ([0, 0], [1, 1], None),
        ([1, 1], [1, 1], ["1/2", "1/3"]),
        ([1, float("nan")], [1, 1], None),
        ([1, "x"], [1, 1], None),
    ):
        with pytest.raises(DomainError, match="JointSpectrum"):
            JointSpectrum.of(training, test, shares)
    with pytest.raises(DomainError, match="symmetric"):
        JointSpectrum.of_covariances(np.eye(2), np.array([[1.0, 2.0], [0.0, 1.0]]))


def simulated(size, point, seeds):
    halves = np.arange(size) < size // 4
    return in_context_errors(
        size,
        *(point[n] for n in ("tau", "alpha", "kappa", "rho", "lam")),
        seeds=seeds,
        seed=11,
        training_covariance=np.where(halves, 2.5, 0.5),
        test_covariance=np.where(halves, 0.4, 1.2),
        test_alpha=point["alpha_te"],
        test_rho=point["rho_te"],
    )


def z_score(point, sizes, seeds, quantity="icl"):
    spectrum = JointSpectrum.of(["5/2", "1/2"], ["2/5", "6/5"], ["1/4", "3/4"])
    formula = {"icl": structured_error_of, "idg": training_error_of}[quantity](spectrum)
    results = [simulated(d, point, seeds) for d in sizes]
    return compare(lambda **at: value(formula, **at), results, quantity=quantity, order=1)


MONTE_CARLO: list[dict[str, Any]] = [
    dict(tau=2.0, alpha=2.0, kappa=0.5, rho=0.1, lam=0.1, alpha_te=4.0, rho_te=0.4),
    dict(tau=0.5, alpha=4.0, kappa=2.0, rho=0.3, lam=0.01, alpha_te=1.0, rho_te=0.05),
    dict(tau=1.0, alpha=1.0, kappa=1.0, rho=0.05, lam=0.3, alpha_te=3.0, rho_te=0.2),
]


def test_simulation_agrees_after_extrapolation():
    comparison = z_score(MONTE_CARLO[0], (16, 24, 32), 12)
    assert abs(comparison.z_score) < 4
    assert comparison.relative_standard_error < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(MONTE_CARLO)))
@pytest.mark.parametrize("quantity", ["icl", "idg"])
def test_simulations_agree_after_extrapolation(number, quantity):
    comparison = z_score(MONTE_CARLO[number], (24, 32, 48, 64), 24, quantity)
    assert abs(comparison.z_score) < 4
    assert comparison.relative_standard_error < 0.03


def test_the_simulator_of_the_page_reports_the_realised_point():
    page = REGISTERED
    point: dict[str, Any] = dict(MONTE_CARLO[0], p_1=0.3, c_1=2.0, c_2=0.5, e_1=1.5, e_2=0.2)
    result = page.simulate(size=12, seeds=3, seed=1, **point)
    assert set(result.parameters) == set(page.result.args)
    assert result.parameters["p_1"] == pytest.approx(4 / 12)
    assert float(page.result(**result.parameters)) > 0
