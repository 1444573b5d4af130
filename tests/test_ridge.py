"""Three routes, one ridge estimator; and reports that do not flatter."""

import math
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numerics.ridge as ridge_module
from numerics.errors import ArgumentsError, DomainError
from numerics.khatri_rao import KhatriRaoFeatures
from numerics.population import training_task_moments
from numerics.prompts import sample_prompts
from numerics.ridge import (
    RidgeSolution,
    empirical_second_moment,
    predicted_steps,
    ridge_estimator,
    second_moment_preconditioner,
    solve_by_conjugate_gradient,
    solve_by_dual_cholesky,
    solve_by_normal_equations,
)
from numerics.sampling import draw_tasks, uniform_assignment


def random_problem(d: int, m: int, n: int, seed: int) -> tuple[KhatriRaoFeatures, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = KhatriRaoFeatures(rng.standard_normal((n, d)), rng.standard_normal((n, m)))
    return features, rng.standard_normal(n)


def in_context_problem(
    d: int, tau: float, alpha: float = 3.0, kappa: float = 0.7, rho: float = 0.2, seed: int = 0
) -> tuple[KhatriRaoFeatures, np.ndarray, np.ndarray]:
    tasks = draw_tasks(round(kappa * d), d, seed)
    n, length = round(tau * d * d), round(alpha * d)
    prompts = sample_prompts(
        tasks, uniform_assignment(n, len(tasks), seed + 1), length, rho, seed + 2
    )
    second = training_task_moments(tasks, length, rho).second
    return KhatriRaoFeatures(prompts.queries, prompts.contexts), prompts.labels, second


def explicit(features: KhatriRaoFeatures, labels: np.ndarray, lam: float) -> np.ndarray:
    """The estimator from the definition, with np.kron rows and an augmented least squares."""
    d, m = features.shape
    rows = [np.kron(x, h) for x, h in zip(features.queries, features.contexts, strict=True)]
    weight = math.sqrt(lam * len(labels) / d)
    design = np.vstack([rows, weight * np.eye(d * m)])
    target = np.concatenate([labels, np.zeros(d * m)])
    return np.linalg.lstsq(design, target, rcond=None)[0].reshape(d, m)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    d=st.integers(1, 5),
    m=st.integers(1, 6),
    n=st.integers(1, 60),
    lam=st.sampled_from([1e-3, 0.1, 2.0, 50.0]),
    seed=st.integers(0, 10**6),
)
def test_every_route_is_the_definition(d, m, n, lam, seed):
    features, labels = random_problem(d, m, n, seed)
    expected = explicit(features, labels, lam)
    for solution in (
        solve_by_conjugate_gradient(features, labels, lam),
        solve_by_dual_cholesky(features, labels, lam),
        solve_by_normal_equations(features, labels, lam),
        ridge_estimator(features, labels, lam),
    ):
        assert solution.report.converged, solution.report.sentence
        np.testing.assert_allclose(solution.gamma, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("tau", [0.4, 1.7, 6.0])
@pytest.mark.parametrize("lam", [1e-6, 0.3])
def test_routes_agree_on_in_context_problems(tau, lam):
    features, labels, second = in_context_problem(12, tau)
    reference = solve_by_normal_equations(features, labels, lam)
    preconditioned = solve_by_conjugate_gradient(
        features,
        labels,
        lam,
        preconditioner=second_moment_preconditioner(features, second, lam),
    )
    routes = [ridge_estimator(features, labels, lam)]
    routes += [preconditioned] if tau > 1 else [solve_by_conjugate_gradient(features, labels, lam)]
    if tau < 1 or lam > 0.1:
        routes.append(solve_by_dual_cholesky(features, labels, lam))
    for solution in routes:
        assert solution.report.converged, solution.report.sentence
        np.testing.assert_allclose(solution.gamma, reference.gamma, rtol=0, atol=1e-7)


def test_the_singular_kernel_of_many_prompts_is_owned_up_to():
    # n > p and hardly any ridge: the dual variables are of order 1/lam and cancel
    features, labels, _ = in_context_problem(12, 6.0)
    report = solve_by_dual_cholesky(features, labels, 1e-8).report
    assert not report.converged
    assert report.relative_residual > 1e-10
    assert ridge_estimator(features, labels, 1e-8).report.converged


@pytest.mark.parametrize("n", [30, 400])
def test_without_ridge_it_is_the_least_norm_least_squares(n):
    features, labels = random_problem(5, 6, n, 3)
    expected = explicit(features, labels, 0.0)
    plain = solve_by_conjugate_gradient(features, labels, 0.0)
    automatic = ridge_estimator(features, labels, 0.0)
    for solution in (plain, automatic):
        np.testing.assert_allclose(solution.gamma, expected, atol=1e-8)
    if n < features.count:
        np.testing.assert_allclose(features.predictions(automatic.gamma), labels, atol=1e-9)


def test_operators_are_kronecker_rows_in_row_major_order():
    features, labels = random_problem(3, 4, 700, 1)
    rows = np.array(
        [np.kron(x, h) for x, h in zip(features.queries, features.contexts, strict=True)]
    )
    gamma = np.random.default_rng(2).standard_normal((3, 4))
    np.testing.assert_allclose(features.predictions(gamma), rows @ gamma.ravel())
    np.testing.assert_allclose(features.weighted_sum(labels).ravel(), rows.T @ labels, atol=1e-10)
    np.testing.assert_allclose(
        features.normal_product(gamma).ravel(), rows.T @ (rows @ gamma.ravel()), atol=1e-9
    )
    np.testing.assert_allclose(features.gram_matrix(), rows @ rows.T, atol=1e-10)
    np.testing.assert_array_equal(features.feature_rows(slice(5, 9)), rows[5:9])


def test_preconditioning_saves_most_steps_and_needs_no_tasks():
    features, labels, second = in_context_problem(24, 10.0, alpha=10.0, kappa=0.5, rho=0.01)
    plain = solve_by_conjugate_gradient(features, labels, 1e-6)
    exact, empirical = (
        solve_by_conjugate_gradient(
            features,
            labels,
            1e-6,
            preconditioner=second_moment_preconditioner(features, moment, 1e-6),
        )
        for moment in (second, empirical_second_moment(features))
    )
    assert plain.report.iterations > 4 * exact.report.iterations
    assert exact.report.iterations <= 30
    assert abs(exact.report.iterations - empirical.report.iterations) <= 3
    np.testing.assert_allclose(plain.gamma, exact.gamma, atol=1e-6)


def test_each_rule_of_the_choice(monkeypatch):
    few, few_labels, _ = in_context_problem(8, 0.5)
    assert ridge_estimator(few, few_labels, 0.1).report.method == "dual Cholesky"
    many, many_labels, _ = in_context_problem(24, 4.0)
    chosen = ridge_estimator(many, many_labels, 0.1).report.method
    assert chosen == "conjugate gradients with second-moment preconditioner"
    n = 8 * 9 + 1
    near, near_labels = random_problem(8, 9, n, 1)
    assert ridge_estimator(near, near_labels, 1e-9).report.method == "normal equations"
    monkeypatch.setattr(ridge_module, "_CHEAP_KERNEL", 10)
    assert ridge_estimator(few, few_labels, 0.1).report.method == "conjugate gradients"


@pytest.mark.parametrize("tau", [0.5, 4.0])
def test_a_failed_iteration_falls_back_on_a_factorisation(monkeypatch, tau):
    features, labels, _ = in_context_problem(24, tau)
    expected = ridge_estimator(features, labels, 0.1).gamma

    def impatient(*arguments, **keywords) -> RidgeSolution:
        return solve_by_conjugate_gradient(*arguments, **keywords, most_steps=2)

    monkeypatch.setattr(ridge_module, "_CHEAP_KERNEL", 10)
    monkeypatch.setattr(ridge_module, "solve_by_conjugate_gradient", impatient)
    rescued = ridge_estimator(features, labels, 0.1)
    assert rescued.report.converged
    assert rescued.report.method == ("normal equations" if tau > 1 else "dual Cholesky")
    np.testing.assert_allclose(rescued.gamma, expected, atol=1e-7)
    monkeypatch.setattr(ridge_module, "_LARGEST_MATRIX", 10)
    lost = ridge_estimator(features, labels, 0.1)
    assert not lost.report.converged
    assert "NOT solved" in lost.report.sentence


def test_too_few_steps_is_reported_and_the_residual_is_true():
    features, labels, _ = in_context_problem(12, 2.0)
    solution = solve_by_conjugate_gradient(features, labels, 0.1, most_steps=5)
    report = solution.report
    assert not report.converged
    assert report.iterations == 5
    rest = features.weighted_sum(labels) - features.normal_product(solution.gamma)
    rest -= 0.1 * len(labels) / 12 * solution.gamma
    true = np.linalg.norm(rest) / np.linalg.norm(features.weighted_sum(labels))
    assert report.relative_residual == pytest.approx(true, rel=1e-10)
    assert "NOT solved" in repr(solution)


def test_a_broken_factorisation_gives_no_number():
    x, h = np.ones((5, 2)), np.ones((5, 3))
    x[1:], h[1:] = 0.0, 0.0
    for route in (solve_by_dual_cholesky, solve_by_normal_equations):
        features = (
            KhatriRaoFeatures(x, h)
            if route is solve_by_dual_cholesky
            else (KhatriRaoFeatures(np.vstack([x, x]), np.vstack([h, h])))
        )
        solution = route(features, np.ones(len(features)), 0.0)
        assert not solution.report.converged
        assert np.isnan(solution.gamma).all()
        assert solution.report.relative_residual == math.inf


def test_dependent_contexts_without_ridge_find_the_least_norm():
    rng = np.random.default_rng(0)
    x, h = rng.standard_normal((200, 3)), rng.standard_normal((200, 2))
    features = KhatriRaoFeatures(x, np.column_stack([h, h[:, 0] + h[:, 1]]))
    labels = rng.standard_normal(200)
    np.testing.assert_allclose(
        ridge_estimator(features, labels, 0.0).gamma, explicit(features, labels, 0.0), atol=1e-8
    )


def test_zero_labels_give_zero():
    features, labels = random_problem(3, 4, 30, 0)
    for route in (solve_by_conjugate_gradient, solve_by_dual_cholesky, solve_by_normal_equations):
        solution = route(features, 0 * labels, 0.2)
        assert solution.report.converged
        np.testing.assert_array_equal(solution.gamma, 0)


def test_predicted_steps_have_the_right_size():
    features, labels, _ = in_context_problem(24, 3.0)
    second = empirical_second_moment(features)
    largest = float(np.linalg.norm(second, 2))
    predicted = predicted_steps(len(labels), features.count, 0.1, largest)
    steps = ridge_estimator(features, labels, 0.1).report.iterations
    assert 0.5 < steps / predicted < 2
    assert predicted_steps(9, 9, 0.0, 1.0) == math.inf


def test_memory_beyond_the_data_stays_small():
    features, labels, _ = in_context_problem(80, 2.0)
    tracemalloc.start()
    solution = ridge_estimator(features, labels, 0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.report.converged
    assert peak < 8 * 2**20  # the target is 64 MiB


@pytest.mark.slow
def test_conjugate_gradients_beat_the_normal_equations():
    features, labels, _ = in_context_problem(80, 2.0, alpha=1.0, kappa=0.5, rho=0.01)
    start = time.process_time()
    fast = ridge_estimator(features, labels, 0.1)
    middle = time.process_time()
    slow = solve_by_normal_equations(features, labels, 0.1)
    ratio = (time.process_time() - middle) / (middle - start)
    np.testing.assert_allclose(fast.gamma, slow.gamma, atol=1e-7)
    assert ratio > 7  # measured 20 to 28 with one thread; half the target as slack


@pytest.mark.parametrize(
    "call",
    [
        lambda f, y: ridge_estimator(f, y, -1.0),
        lambda f, y: ridge_estimator(f, y, math.nan),
        lambda f, y: ridge_estimator(f, y[:-1], 0.1),
        lambda f, y: ridge_estimator(f, np.where(y > 0, math.inf, y), 0.1),
        lambda f, y: solve_by_conjugate_gradient(f, y, math.inf),
        lambda f, y: solve_by_normal_equations(f, y, 0.0),
        lambda f, y: solve_by_dual_cholesky(KhatriRaoFeatures(f.queries[:, :1], f.queries), y, 0.0),
        lambda f, y: second_moment_preconditioner(f, -np.eye(4), 0.1),
        lambda f, y: second_moment_preconditioner(f, np.eye(3), 0.1),
        lambda f, y: KhatriRaoFeatures(f.queries[1:], f.contexts),
        lambda f, y: KhatriRaoFeatures(f.queries[0], f.contexts),
        lambda f, y: KhatriRaoFeatures(np.nan * f.queries, f.contexts),
    ],
)
def test_bad_input_is_refused(call):
    features, labels = random_problem(3, 4, 10, 0)
    with pytest.raises((ArgumentsError, DomainError), match=r"Why: .* Do: "):
        call(features, labels)
