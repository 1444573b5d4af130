"""The engine: the numbers, their record, and their agreement with the theory of the limit."""

import math
import os
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest

import numerics.monte_carlo as monte_carlo
from numerics.errors import ArgumentsError, ConvergenceError, DomainError
from numerics.extrapolation import Comparison, compare
from numerics.khatri_rao import KhatriRaoFeatures
from numerics.monte_carlo import in_context_errors, realised_count
from numerics.population import new_task_moments, training_task_moments
from numerics.prompts import sample_prompts_token_by_token
from numerics.ridge import RidgeSolution, SolverReport, solve_by_normal_equations
from numerics.sampling import draw_tasks, uniform_assignment
from numerics.simulation import (
    SeedOutcome,
    SimulationResult,
    run_over_seeds,
    worker_processes,
)


def limit(quantity, tau, alpha, kappa, rho, lam, test_slope=1.0):
    """Limit theory of arXiv:2405.11751 in its textbook form, 40 digits; a mutant if slope != 1."""
    with mpmath.workdps(40):
        tau, alpha, rho, lam = (mpmath.mpf(v) for v in (tau, alpha, rho, lam))
        inverse = mpmath.mpf(0) if math.isinf(kappa) else 1 / mpmath.mpf(kappa)
        q = (1 + rho) / alpha

        def trace(u):
            b = u + 1 - inverse
            return 2 / (b + mpmath.sqrt(b * b + 4 * u * inverse))

        def gap(log_xi):
            xi = mpmath.exp(log_xi)
            return xi * trace(q + xi) - tau * lam / xi - 1 + tau

        bracket = (mpmath.log(lam), mpmath.log(lam + (1 + q) / tau))
        xi = mpmath.exp(mpmath.findroot(gap, bracket, solver="anderson", tol=1e-50))
        z = q + xi
        m, slope = trace(z), mpmath.diff(trace, z)
        w = 1 - 2 * z * m - z * z * slope
        error = tau * (rho + z - z * z * m - xi * w) / (tau - 1 + 2 * xi * m + xi**2 * slope)
        if quantity == "idg":
            return float(error)
        spread = w + error / tau * (m + xi * slope)
        return float(1 + rho - 2 * (1 - z * m) + (1 + test_slope * q) * spread)


def against_theory(quantity, sizes, point, **options) -> Comparison:
    results = [in_context_errors(d, *point, seeds=seeds, **options) for d, seeds in sizes]
    return compare(partial(limit, quantity), results, quantity=quantity)


def test_the_limit_of_the_simulation_is_the_theory():
    point = (2.0, 1.0, 0.5, 0.1, 0.1)
    results = [
        in_context_errors(d, *point, seeds=seeds)
        for d, seeds in [(12, 300), (16, 240), (24, 120), (32, 50)]
    ]
    for quantity in ("icl", "idg"):
        good = compare(partial(limit, quantity), results, quantity=quantity)
        assert abs(good.z_score) < 4, good
        assert good.relative_standard_error < 0.05
        assert good.difference.p_value > 1e-3
    mutant = compare(partial(limit, "icl", test_slope=1.2), results, quantity="icl")
    assert abs(mutant.z_score) > 6


LONG = [(12, 400), (16, 300), (24, 160), (32, 100), (48, 40)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "options"),
    [
        ((0.5, 2.0, 1.5, 0.2, 0.05), {}),
        ((2.0, 3.0, 2.0, 0.3, 0.2), {"tasks": "spherical", "balanced": True}),
        ((1.5, 2.0, math.inf, 0.2, 0.5), {}),
        ((0.7, 4.0, 0.4, 0.05, 0.3), {"tasks": "spherical"}),
    ],
    ids=["dual", "balanced", "fresh", "few tasks"],
)
@pytest.mark.parametrize("quantity", ["icl", "idg"])
def test_the_limit_of_a_long_simulation_is_the_theory(point, options, quantity):
    comparison = against_theory(quantity, LONG, point, **options)
    assert abs(comparison.z_score) < 4, comparison
    assert comparison.relative_standard_error < 0.015


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["icl", "idg"])
def test_hardly_any_ridge_needs_the_second_order(quantity):
    sizes = [(12, 600), (16, 500), (24, 300), (32, 160), (48, 80), (64, 40)]
    results = [in_context_errors(d, 0.5, 2.0, 1.5, 0.2, 1e-6, seeds=s) for d, s in sizes]
    comparison = compare(partial(limit, quantity), results, quantity=quantity, order=2)
    assert abs(comparison.z_score) < 4, comparison
    assert comparison.relative_standard_error < 0.02


def test_one_seed_is_the_model_written_out():
    """The whole chain against tokens drawn one by one and the plain solver, at one finite size."""
    d, tau, alpha, kappa, rho, lam = 5, 1.4, 1.6, 0.8, 0.3, 0.2
    fast = in_context_errors(d, tau, alpha, kappa, rho, lam, seeds=300)
    slow = {"icl": [], "idg": []}
    for seed in range(300):
        tasks = draw_tasks(4, d, 1000 + seed)
        uses = uniform_assignment(35, 4, 2000 + seed)
        prompts = sample_prompts_token_by_token(tasks, uses, 8, rho, 3000 + seed)
        features = KhatriRaoFeatures(prompts.queries, prompts.contexts)
        gamma = solve_by_normal_equations(features, prompts.labels, lam).gamma
        slow["icl"].append(new_task_moments(d, 8, rho).error(gamma))
        slow["idg"].append(training_task_moments(tasks, 8, rho).error(gamma))
    for quantity, values in slow.items():
        a, b = np.log(fast.values[quantity]), np.log(values)
        z = (a.mean() - b.mean()) / math.sqrt(a.var() / 300 + b.var() / 300)
        assert abs(z) < 4


def test_numbers_do_not_depend_on_the_workers():
    run = partial(in_context_errors, 16, 1.5, 2.0, 0.7, 0.2, 0.05, seeds=5, seed=3)
    alone = run()
    calls = []
    two = run(workers=2, progress=lambda *now: calls.append(now))
    with worker_processes(2) as pool:
        shared = [run(workers=pool) for _ in range(2)]
    for other in (two, *shared):
        for quantity in alone.quantities:
            assert other.values[quantity].tobytes() == alone.values[quantity].tobytes()
        assert other.reports == alone.reports
    assert calls == [(done, 5) for done in range(1, 6)]


def test_first_seeds_stay_and_other_seeds_and_sizes_differ():
    point = (1.5, 2.0, 0.7, 0.2, 0.05)
    few, many = (in_context_errors(8, *point, seeds=n, seed=3) for n in (2, 4))
    np.testing.assert_array_equal(few.values["icl"], many.values["icl"][:2])
    other = in_context_errors(8, *point, seeds=2, seed=4)
    assert not np.any(other.values["icl"] == few.values["icl"])

    def first(child):
        return SeedOutcome({"x": np.random.default_rng(child).standard_normal()})

    assert run_over_seeds(first, seeds=1, seed=0, size=8) != run_over_seeds(
        first, seeds=1, seed=0, size=9
    )


def test_realised_ratios_are_recorded():
    result = in_context_errors(7, 1.23, 0.9, 0.5, 0.1, 0.2, seeds=2, test_alpha=2.0, test_rho=0.4)
    assert result.counts == {"l": 6, "k": 4, "n": 60, "l_te": 14}
    expected = {"tau": 60 / 49, "alpha": 6 / 7, "kappa": 4 / 7, "rho": 0.1, "lam": 0.2}
    assert result.parameters == expected | {"alpha_te": 2.0, "rho_te": 0.4}
    assert result.size == 7 and result.seeds == 2
    text = repr(result)
    assert "tau = 1.22449" in text and "icl = " in text and "dual Cholesky" not in text


def test_the_gap_is_paired_and_means_are_means():
    result = in_context_errors(8, 1.5, 2.0, 0.7, 0.2, 0.05, seeds=6)
    icl, idg = result.values["icl"], result.values["idg"]
    np.testing.assert_array_equal(result.values["g_task"], icl - idg)
    assert result.mean == result["icl"].mean == icl.mean()
    assert result.of("idg").mean == idg.mean() and result.of("idg").per_seed is not icl
    assert result["icl"].standard_error == pytest.approx(icl.std(ddof=1) / math.sqrt(6))
    assert math.isnan(in_context_errors(8, 1.5, 2, 0.7, 0.2, 0.05, seeds=1)["icl"].standard_error)
    with pytest.raises(ValueError, match="read-only"):
        icl[0] = 0.0
    with pytest.raises(ArgumentsError, match="ooo"):
        result["ooo"]


def test_options_do_what_they_say():
    point, seeds = (8, 1.5, 2.0, 0.7, 0.2, 0.05), 40
    base = in_context_errors(*point, seeds=seeds)
    ones = np.ones(8)
    same = in_context_errors(
        *point,
        seeds=seeds,
        training_covariance=np.eye(8),
        test_covariance=ones,
        test_alpha=2.0,
        test_rho=0.2,
    )
    np.testing.assert_allclose(same.values["icl"], base.values["icl"], rtol=1e-9)
    np.testing.assert_allclose(same.values["idg"], base.values["idg"], rtol=1e-9)
    noisy = in_context_errors(*point, seeds=seeds, test_rho=0.9)
    np.testing.assert_array_equal(noisy.values["idg"], base.values["idg"])
    assert np.all(noisy.values["icl"] > base.values["icl"])
    for name, options in {
        "spherical": {"tasks": "spherical"},
        "balanced": {"balanced": True},
        "covariance": {"training_covariance": np.linspace(0.1, 2, 8)},
    }.items():
        changed = in_context_errors(*point, seeds=seeds, **options)
        assert not np.any(changed.values["idg"] == base.values["idg"]), name
    fresh = in_context_errors(8, 1.5, 2.0, math.inf, 0.2, 0.05, seeds=2)
    np.testing.assert_array_equal(fresh.values["g_task"], 0)
    assert fresh.parameters["kappa"] == math.inf and "k" not in fresh.counts


def test_training_on_the_test_covariance_beats_training_on_another():
    spread = np.repeat([0.2, 1.8], 8)
    aligned, crossed = (
        in_context_errors(
            16, 3.0, 2.0, 4.0, 0.1, 0.01, seeds=6, training_covariance=c, test_covariance=spread
        )
        for c in (spread, spread[::-1])
    )
    assert np.all(aligned.values["icl"] < crossed.values["icl"])


def test_an_unsolved_seed_is_nan_and_says_so(monkeypatch):
    def refuse(features, labels, lam):
        report = SolverReport("none", 7, 0.5, False, "NOT solved by none")
        return RidgeSolution(np.ones(features.shape), report)

    monkeypatch.setattr(monte_carlo, "ridge_estimator", refuse)
    result = in_context_errors(8, 1.5, 2.0, 0.7, 0.2, 0.05, seeds=2)
    assert math.isnan(result["icl"].mean)
    assert result.failures == ("seed 0: NOT solved by none", "seed 1: NOT solved by none")
    assert "NOT solved" in repr(result)
    with pytest.raises(DomainError, match=r"result\.failures"):
        compare(partial(limit, "icl"), [result, result], quantity="icl")


def die(child):
    os._exit(3)


def complain(child):
    raise DomainError("f()", "it is wrong", "so it is", "g()")


def test_a_dead_worker_is_said_and_an_error_travels():
    with pytest.raises(ConvergenceError, match="ended without an answer"):
        run_over_seeds(die, seeds=2, seed=0, workers=2)
    with pytest.raises(DomainError, match=r"it is wrong\. Why: so it is\. Do: g"):
        run_over_seeds(complain, seeds=2, seed=0, workers=2)


def test_a_record_needs_one_value_a_seed():
    for per_seed in ({}, {"a": np.zeros(2), "b": np.zeros(3)}):
        with pytest.raises(ArgumentsError, match="seed"):
            SimulationResult("x", 4, {}, {}, per_seed, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"d": 0},
        {"tau": 0.0},
        {"tau": math.nan},
        {"tau": 1e-3},
        {"alpha": -1.0},
        {"alpha": math.inf},
        {"kappa": 0.01},
        {"kappa": -math.inf},
        {"rho": -0.1},
        {"rho": math.nan},
        {"lam": -0.1},
        {"lam": math.inf},
        {"seeds": 0},
        {"seed": -1},
        {"seed": None},
        {"workers": 0},
        {"tasks": "cubic"},
        {"test_rho": -1.0},
        {"test_alpha": 0.0},
        {"test_covariance": np.ones(3)},
        {"training_covariance": -np.ones(8)},
    ],
)
def test_bad_input_is_refused(changes):
    arguments: dict[str, Any] = dict(d=8, tau=1.5, alpha=2.0, kappa=0.7, rho=0.2, lam=0.05, seeds=1)
    with pytest.raises((ArgumentsError, DomainError), match=r"Why: .* Do: "):
        in_context_errors(**(arguments | changes))


def test_counts_are_rounded_to_the_nearest():
    assert realised_count("tau", 1.3, 3, 2) == 12
    assert realised_count("kappa", 0.1, 6) == 1


def structured_limit(training, test, tau, alpha, kappa, rho, lam, alpha_te, rho_te):
    """Error on new tasks of covariance ``test`` after training on ``training`` (eigenvalues)."""

    def fixed_point(z):
        low, high = 0.0, 1.0
        for _ in range(200):
            r = (low + high) / 2
            if r * (1 + np.mean(training / (r * training + z)) / kappa) < 1:
                low = r
            else:
                high = r
        f = 1 / (low * training + z)
        return f, float(np.mean(f))

    q = (rho + training.mean()) / alpha
    low, high = math.log(lam), math.log(lam + (q + training.mean()) / tau)
    for _ in range(200):
        xi = math.exp((low + high) / 2)
        if xi * fixed_point(q + xi)[1] - tau * lam / xi < 1 - tau:
            low = math.log(xi)
        else:
            high = math.log(xi)
    z = q + xi
    f, m = fixed_point(z)
    weighted = float(np.mean(training * f**2)) / kappa
    slope = -(float(np.mean(f**2)) + m * weighted) / (1 + z * weighted)
    f2 = f * (1 + (m + z * slope) / kappa * training) * f
    w = 1 - 2 * z * m - z * z * slope
    ratio = (rho + z - z * z * m - xi * w) / (tau * lam / xi + xi * (m + xi * slope))
    q_te = (rho_te + test.mean()) / alpha_te
    aligned = ratio * np.mean(test * f) + (z * z - ratio * xi) * np.mean(test * f2)
    return float(rho_te + q_te * (w + ratio * (m + xi * slope)) + aligned)


@pytest.mark.slow
def test_the_limit_of_misaligned_training_is_the_structured_theory():
    def spectra(d):
        return np.repeat([0.3, 1.9], d // 2), np.repeat([1.5, 0.7], d // 2)

    results = [
        in_context_errors(
            d,
            *(1.6, 2.0, 1.5, 0.2, 0.1),
            seeds=seeds,
            training_covariance=spectra(d)[0],
            test_covariance=spectra(d)[1],
            test_alpha=4.0,
            test_rho=0.5,
        )
        for d, seeds in LONG
    ]
    training, test = spectra(2)
    good = compare(partial(structured_limit, training, test), results, quantity="icl")
    assert abs(good.z_score) < 4, good
    assert good.relative_standard_error < 0.01
    swapped = compare(partial(structured_limit, test, training), results, quantity="icl")
    assert abs(swapped.z_score) > 6
    isotropic = partial(structured_limit, np.ones(2), np.ones(2))
    point = dict(tau=1.6, alpha=2.0, kappa=1.5, rho=0.2, lam=0.1)
    assert isotropic(**point, alpha_te=2.0, rho_te=0.2) == pytest.approx(
        limit("icl", **point), rel=1e-9
    )
