"""Simulations of Lu et al. extrapolated in 1/d against the theory, over the phase diagram."""

from __future__ import annotations

import math

import numpy as np
import pytest

import derivations
from numerics.extrapolation import compare, extrapolate

SHORT = [(10, 500), (14, 350), (20, 200)]
LONG = [(12, 300), (16, 240), (24, 140), (32, 80), (48, 30)]


def against_theory(name, sizes, order=1, **point):
    d = derivations.get(f"lu2025.{name}")
    results = [d.simulate(size=size, seeds=seeds, seed=11, **point) for size, seeds in sizes]
    return compare(_plain(d.result), results, quantity=results[0].quantity, order=order)


def _plain(formula):
    return lambda **at: float(formula(**at))


QUICK = [
    dict(tau=0.5, alpha=2.0, kappa=0.5, rho=0.2, lam=0.3),
    dict(tau=1.6, alpha=3.0, kappa=2.0, rho=0.3, lam=0.2),
]


@pytest.mark.parametrize("point", QUICK, ids=["few tasks, below", "many tasks, above"])
def test_a_quick_simulation_ends_at_the_theory(point):
    icl = derivations.get("lu2025.icl_error")
    results = [icl.simulate(size=size, seeds=seeds, seed=11, **point) for size, seeds in SHORT]
    errors = {name: derivations.get(f"lu2025.{name}_error").result for name in ("icl", "idg")}
    gap = derivations.get("lu2025.task_generalization_gap").result
    for name, theory in (*errors.items(), ("g_task", gap)):
        comparison = compare(_plain(theory), results, quantity=name, order=2)
        assert abs(comparison.z_score) < 4, comparison
        assert comparison.difference.standard_error < 0.1, comparison
    # The same numbers refute the error of the other kind of test.
    wrong = compare(_plain(errors["idg"]), results, quantity="icl", order=1)
    assert abs(wrong.z_score) > 6


PHASES = {
    "few tasks, below": dict(tau=0.5, alpha=2.0, kappa=0.5, rho=0.1, lam=1e-6),
    "few tasks, above": dict(tau=2.0, alpha=3.0, kappa=0.5, rho=0.2, lam=0.1),
    "few tasks, near": dict(tau=1.0, alpha=2.0, kappa=0.5, rho=0.3, lam=0.3),
    "critical, below": dict(tau=0.6, alpha=4.0, kappa=1.0, rho=0.2, lam=1e-3),
    "critical, near": dict(tau=1.1, alpha=3.0, kappa=1.0, rho=0.2, lam=1.0),
    "critical, above": dict(tau=2.0, alpha=5.0, kappa=1.0, rho=0.1, lam=0.2),
    "many tasks, below": dict(tau=0.4, alpha=3.0, kappa=3.0, rho=0.2, lam=1e-4),
    "many tasks, near": dict(tau=0.95, alpha=2.0, kappa=2.0, rho=0.4, lam=0.5),
    "many tasks, above": dict(tau=1.8, alpha=2.0, kappa=4.0, rho=0.3, lam=0.05),
}


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_the_limit_of_simulations_is_the_theory(phase):
    icl = derivations.get("lu2025.icl_error")
    results = [icl.simulate(size=d, seeds=n, seed=17, **PHASES[phase]) for d, n in LONG]
    for name, id in THEORIES.items():
        theory = _plain(derivations.get(id).result)
        comparison = compare(theory, results, quantity=name, order=2)
        assert abs(comparison.z_score) < 4, comparison
        assert comparison.difference.standard_error < 0.06, comparison


THEORIES = {
    "icl": "lu2025.icl_error",
    "idg": "lu2025.idg_error",
    "g_task": "lu2025.task_generalization_gap",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["icl_error_ridgeless", "idg_error_ridgeless"])
@pytest.mark.parametrize("tau", [0.4, 2.5])
def test_the_limit_of_least_squares_is_the_ridgeless_theory(name, tau):
    comparison = against_theory(name, LONG[:4], order=2, tau=tau, alpha=2.0, kappa=1.5, rho=0.3)
    assert abs(comparison.z_score) < 4, comparison


@pytest.mark.slow
def test_the_limit_of_fresh_tasks():
    comparison = against_theory("fresh_tasks", LONG, order=2, tau=1.5, alpha=2.0, rho=0.2, lam=0.1)
    assert abs(comparison.z_score) < 4, comparison


def test_bayes_ridge_simulated():
    for alpha, rho in ((0.5, 0.3), (2.0, 0.1), (1.0, 0.02)):
        d = derivations.get("lu2025.bayes_ridge_error")
        results = [
            d.simulate(size=size, seeds=8, seed=2, trials=60, alpha=alpha, rho=rho)
            for size in (16, 32, 64)
        ]
        comparison = compare(_plain(d.result), results, quantity="ridge")
        assert abs(comparison.z_score) < 4, comparison
        assert comparison.relative_standard_error < 0.02


def test_bayes_without_noise_needs_as_many_tokens_as_dimensions():
    formula = derivations.get("lu2025.bayes_ridge_error").result
    assert float(formula(alpha=0.25, rho=0.0)) == 0.75
    assert float(formula(alpha=1.0, rho=0.0)) == 0.0
    assert float(formula(alpha=3.0, rho=0.0)) == 0.0
    near = formula(alpha=0.25, rho=1e-12)
    assert float(near) == pytest.approx(0.75, rel=1e-11)


def test_dmmse_memorises_slowly():
    """e_IDG -> rho fast; e_ICL rises to rho + 2, still well below it at accessible sizes."""
    d = derivations.get("lu2025.dmmse")
    assert len(d.results) == 0
    rho, deficits = 0.1, []
    for size in (16, 64):
        result = d.simulate(size=size, seeds=12, seed=5, trials=40, alpha=3.0, kappa=1.5, rho=rho)
        assert result["idg"].mean == pytest.approx(rho, rel=0.2)
        deficits.append(rho + 2 - result["icl"].mean)
        predicted = 2 * math.sqrt(math.log(1.5 * size) / size)
        assert 0.5 * predicted < deficits[-1] < 1.6 * predicted
    # Faster than a logarithm, much slower than 1/d.
    assert 0.35 < deficits[1] / deficits[0] < 0.85


def test_extrapolation_would_notice_a_shift():
    sizes = np.array([10.0, 20.0, 40.0])
    fit = extrapolate(sizes, 1.1 + 2 / sizes, [1e-3] * 3)
    assert abs(fit.z_score(1.0)) > 4
