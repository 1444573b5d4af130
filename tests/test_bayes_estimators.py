"""Bayes estimators from sufficient statistics against contexts written out token by token."""

import math

import numpy as np
import pytest

from numerics.bayes_estimators import (
    context_triangles,
    discrete_bayes_errors,
    ridge_bayes_errors,
)
from numerics.errors import ArgumentsError, DomainError
from numerics.monte_carlo import discrete_bayes, ridge_bayes
from numerics.sampling import draw_tasks, uniform_assignment


def z_score(a: np.ndarray, b: np.ndarray) -> float:
    return float((a.mean() - b.mean()) / math.sqrt(a.var() / len(a) + b.var() / len(b)))


def contexts(trials: int, d: int, length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((trials, length, d)) / math.sqrt(d)


@pytest.mark.parametrize(("d", "length"), [(5, 12), (5, 5), (6, 3), (1, 4), (4, 1)])
def test_triangles_give_the_gram_matrix_of_a_context(d, length):
    triangles = context_triangles(20_000, d, length, 1)
    assert triangles.shape == (20_000, d, min(d, length))
    gram = triangles @ triangles.transpose(0, 2, 1)
    tokens = contexts(20_000, d, length, 2)
    direct = np.einsum("tli,tlj->tij", tokens, tokens)
    for statistic in (
        lambda s: np.trace(s, axis1=1, axis2=2),
        lambda s: np.einsum("tij,tji->t", s, s),
        lambda s: s[:, 0, -1] * s[:, -1, 0],
        lambda s: np.linalg.slogdet(s + 0.3 * np.eye(d))[1],
        lambda s: s[:, -1, -1] ** 2,
    ):
        assert abs(z_score(statistic(gram), statistic(direct))) < 4


@pytest.mark.parametrize(("d", "length"), [(5, 12), (6, 3), (1, 4), (4, 1), (7, 7)])
@pytest.mark.parametrize("noise", [0.02, 0.7])
def test_ridge_error_is_that_of_the_estimator_itself(d, length, noise):
    tokens = contexts(20_000, d, length, 3)
    gram = np.einsum("tli,tlj->tij", tokens, tokens) + noise * np.eye(d)
    exact = noise + noise * np.trace(np.linalg.inv(gram), axis1=1, axis2=2) / d
    fast = ridge_bayes_errors(20_000, d, length, noise, 4)
    assert abs(z_score(exact, fast)) < 4
    assert abs(z_score(exact**2, fast**2)) < 4
    rng = np.random.default_rng(5)
    w, kick = rng.standard_normal((20_000, d)), rng.standard_normal((20_000, length))
    y = np.einsum("tli,ti->tl", tokens, w) + math.sqrt(noise) * kick
    estimate = np.linalg.solve(gram, np.einsum("tli,tl->ti", tokens, y)[..., None])[..., 0]
    assert abs(z_score(noise + ((w - estimate) ** 2).mean(axis=1), fast)) < 4


def test_ridge_error_has_its_closed_form_in_the_limit():
    alpha, rho = 1.6, 0.3
    b = rho + alpha - 1
    limit = rho + 2 * rho / (b + math.sqrt(b * b + 4 * rho))
    result = ridge_bayes(400, alpha, rho, trials=40, seeds=8)
    # the bias is of order 1/d^2 times a constant of order one here: below the error bar
    assert abs(result["ridge"].mean - limit) < 4 * result["ridge"].standard_error + 1e-4
    assert result["ridge"].standard_error < 2e-4


def direct_discrete(tasks, w, length, noise, seed):
    rng = np.random.default_rng(seed)
    d = tasks.shape[1]
    errors = np.empty(len(w))
    for trial, true in enumerate(w):
        x = rng.standard_normal((length, d)) / math.sqrt(d)
        y = x @ true + math.sqrt(noise) * rng.standard_normal(length)
        exponents = -((y[:, None] - x @ tasks.T) ** 2).sum(axis=0) / (2 * noise)
        weights = np.exp(exponents - exponents.max())
        estimate = weights @ tasks / weights.sum()
        errors[trial] = noise + ((true - estimate) ** 2).mean()
    return errors


@pytest.mark.parametrize(("d", "length"), [(4, 9), (6, 3)])
def test_dmmse_is_the_posterior_mean_over_the_list(d, length):
    tasks, trials, noise = draw_tasks(7, d, 1), 6000, 0.4
    new, truths = draw_tasks(trials, d, 2), uniform_assignment(trials, 7, 3)
    icl, idg = discrete_bayes_errors(tasks, new, truths, length, noise, 4)
    assert abs(z_score(icl, direct_discrete(tasks, new, length, noise, 5))) < 4
    assert abs(z_score(idg, direct_discrete(tasks, tasks[truths], length, noise, 6))) < 4
    # and it tells a wrong temperature
    assert abs(z_score(idg, direct_discrete(tasks, tasks[truths], length, 2 * noise, 6))) > 6


def test_dmmse_does_not_depend_on_the_batch(monkeypatch):
    tasks, new = draw_tasks(9, 5, 1), draw_tasks(40, 5, 2)
    truths = uniform_assignment(40, 9, 3)
    whole = discrete_bayes_errors(tasks, new, truths, 8, 0.2, 4)
    monkeypatch.setattr("numerics.bayes_estimators._WORKSPACE", 8 * 9 * 5 * 3)
    parts = discrete_bayes_errors(tasks, new, truths, 8, 0.2, 4)
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


def test_dmmse_with_hardly_any_noise_picks_the_true_task():
    result = discrete_bayes(12, 2.0, 3.0, 1e-6, trials=50, seeds=2, tasks="spherical")
    assert result["idg"].mean == pytest.approx(1e-6, rel=1e-9)
    assert 0.5 < result["icl"].mean < 2.0
    assert np.isfinite(result.values["icl"]).all()


def test_dmmse_of_very_many_tasks_is_ridge():
    ridge = ridge_bayes(3, 2.0, 0.5, trials=4000, seeds=4)["ridge"]
    discrete = discrete_bayes(3, 2.0, 1000.0, 0.5, trials=2000, seeds=4)
    for quantity in ("icl", "idg"):
        estimate = discrete[quantity]
        spread = math.hypot(estimate.standard_error, ridge.standard_error)
        assert abs(estimate.mean - ridge.mean) < 4 * spread


@pytest.mark.parametrize(
    "call",
    [
        lambda: discrete_bayes(8, 1.0, 1.0, 0.0, seeds=1),
        lambda: discrete_bayes(8, 1.0, math.inf, 0.1, seeds=1),
        lambda: discrete_bayes(8, 1.0, 0.01, 0.1, seeds=1),
        lambda: ridge_bayes(8, 1.0, -0.1),
        lambda: ridge_bayes(8, 1.0, 0.1, trials=0),
        lambda: discrete_bayes(8, 1.0, 1.0, 0.1, tasks="odd"),  # pyright: ignore
        lambda: discrete_bayes_errors(
            np.ones((2, 3)), np.ones((4, 2)), np.zeros(4, int), 5, 0.1, 0
        ),
        lambda: discrete_bayes_errors(np.ones((2, 3)), np.ones((1, 3)), np.array([2]), 5, 0.1, 0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises((ArgumentsError, DomainError), match=r"Why: .* Do: "):
        call()
