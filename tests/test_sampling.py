"""Tasks and prompts: the O(d) sampler has the law of the token-by-token one."""

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from numerics.errors import ArgumentsError, DomainError
from numerics.prompts import (
    Prompts,
    sample_fresh_prompts,
    sample_prompts,
    sample_prompts_token_by_token,
)
from numerics.sampling import (
    balanced_assignment,
    covariance_root,
    draw_tasks,
    random_generator,
    uniform_assignment,
)

COUNT = 20_000


def statistics(prompts: Prompts) -> np.ndarray:
    """All products up to fourth order that the errors, the solver or the theory use."""
    x, h, y = prompts.queries, prompts.contexts, prompts.labels[:, None]
    n, d = x.shape
    upper = np.triu_indices(d + 1)
    return np.hstack(
        [
            h,
            h[:, upper[0]] * h[:, upper[1]],
            (y[:, :, None] * x[:, :, None] * h[:, None, :]).reshape(n, -1),
            x**2,
            y**2,
            h[:, -1:] ** 3,
            h[:, -1:] * h[:, :d] ** 2,
        ]
    )


def p_value(a: np.ndarray, b: np.ndarray) -> float:
    return float(ks_2samp(a, b)[1])  # pyright: ignore[reportArgumentType, reportIndexIssue]


def largest_z(first: Prompts, second: Prompts) -> float:
    a, b = statistics(first), statistics(second)
    spread = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
    return float(np.max(np.abs(a.mean(axis=0) - b.mean(axis=0)) / np.maximum(spread, 1e-300)))


@pytest.mark.parametrize(
    ("length", "noise"), [(3, 0.4), (11, 0.4), (7, 0.0)], ids=["short", "long", "noiseless"]
)
def test_the_fast_sampler_has_the_law_of_the_slow_one(length, noise):
    tasks = 1.3 * draw_tasks(3, 4, 1)
    assignment = uniform_assignment(COUNT, 3, 2)
    fast = sample_prompts(tasks, assignment, length, noise, 3)
    slow = sample_prompts_token_by_token(tasks, assignment, length, noise, 4)
    assert largest_z(fast, slow) < 4.5
    for task in range(3):
        mine = assignment == task
        direction = tasks[task] / np.linalg.norm(tasks[task])
        across = np.linalg.svd(direction[None])[2][1]
        for vector in (direction, across):
            a, b = (prompts.contexts[mine, :4] @ vector for prompts in (fast, slow))
            assert p_value(a, b) > 1e-4
        assert p_value(fast.contexts[mine, 4], slow.contexts[mine, 4]) > 1e-4
        assert p_value(fast.labels[mine], slow.labels[mine]) > 1e-4


def test_the_comparison_can_fail():
    tasks = draw_tasks(3, 4, 1)
    assignment = uniform_assignment(COUNT, 3, 2)
    slow = sample_prompts_token_by_token(tasks, assignment, 5, 0.4, 4)
    assert largest_z(sample_prompts(tasks, assignment, 5, 0.5, 3), slow) > 6
    assert largest_z(sample_prompts(tasks, assignment, 6, 0.4, 3), slow) > 6


def test_without_noise_labels_are_exact():
    tasks = draw_tasks(2, 6, 1)
    assignment = uniform_assignment(50, 2, 2)
    prompts = sample_prompts(tasks, assignment, 5, 0.0, 3)
    exact = np.einsum("ij,ij->i", prompts.queries, tasks[assignment])
    np.testing.assert_allclose(prompts.labels, exact, rtol=1e-13)


def test_a_zero_task_gives_pure_noise_contexts():
    zero = np.zeros((1, 4))
    uses = np.zeros(COUNT, dtype=int)
    fast = sample_prompts(zero, uses, 6, 0.7, 3)
    slow = sample_prompts_token_by_token(zero, uses, 6, 0.7, 4)
    assert largest_z(fast, slow) < 4.5


def test_cost_does_not_depend_on_the_length():
    prompts = sample_prompts(draw_tasks(1, 4, 0), np.zeros(10, dtype=int), 10**15, 0.2, 1)
    variance = (draw_tasks(1, 4, 0) ** 2).sum() / 4 + 0.2
    np.testing.assert_allclose(prompts.contexts[:, 4], variance, rtol=1e-6)


@pytest.mark.parametrize("law", ["gaussian", "spherical"])
def test_tasks_have_the_covariance_asked_for(law):
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((4, 4))
    covariance = mixing @ mixing.T / 4
    tasks = draw_tasks(60_000, 4, 1, law=law, covariance=covariance)
    empirical = tasks.T @ tasks / len(tasks)
    spread = np.sqrt(((tasks[:, :, None] * tasks[:, None, :]).var(axis=0)) / len(tasks))
    assert np.max(np.abs(empirical - covariance) / spread) < 4
    eigenvalues = np.array([0.0, 1.0, 4.0, 9.0])
    tasks = draw_tasks(100, 4, 1, law=law, covariance=eigenvalues)
    np.testing.assert_array_equal(tasks[:, 0], 0)
    np.testing.assert_allclose(tasks, draw_tasks(100, 4, 1, law=law) * [0, 1, 2, 3])


def test_spherical_tasks_have_one_length():
    assert np.ptp(np.linalg.norm(draw_tasks(20, 9, 0, law="spherical"), axis=1)) < 1e-14 * 9
    assert np.ptp(np.linalg.norm(draw_tasks(20, 9, 0), axis=1)) > 0.1


def test_root_of_a_rank_deficient_matrix_squares_back():
    rng = np.random.default_rng(0)
    half = rng.standard_normal((6, 2))
    root = covariance_root(half @ half.T, 6)
    assert root is not None
    np.testing.assert_allclose(root @ root, half @ half.T, atol=1e-13)


def test_balanced_assignment_is_balanced_up_to_one():
    uses = np.bincount(balanced_assignment(17, 5, 0), minlength=5)
    assert sorted(uses) == [3, 3, 3, 4, 4]
    assert {tuple(np.bincount(balanced_assignment(17, 5, s))) for s in range(20)} != {tuple(uses)}
    assert np.bincount(balanced_assignment(3, 5, 0), minlength=5).max() == 1
    assert np.ptp(np.bincount(uniform_assignment(500, 5, 0))) > 1


def test_fresh_prompts_are_a_mixture_over_tasks():
    fresh = sample_fresh_prompts(COUNT, 3, 5, 0.3, 1, law="spherical")
    tasks = draw_tasks(COUNT, 3, 2, law="spherical")
    slow = sample_prompts_token_by_token(tasks, np.arange(COUNT), 5, 0.3, 3)
    assert largest_z(fresh, slow) < 4.5


def test_same_seed_same_prompts_and_a_generator_advances():
    tasks, uses = draw_tasks(2, 3, 0), np.array([0, 1, 1])
    a, b = (sample_prompts(tasks, uses, 4, 0.1, 7) for _ in range(2))
    np.testing.assert_array_equal(a.contexts, b.contexts)
    rng = random_generator(np.random.SeedSequence(7))
    c, e = (sample_prompts(tasks, uses, 4, 0.1, rng) for _ in range(2))
    assert not np.array_equal(c.contexts, e.contexts)


@pytest.mark.parametrize(
    "call",
    [
        lambda: draw_tasks(0, 3, 0),
        lambda: draw_tasks(2, 3, 0, covariance=np.array([1.0, 2.0])),
        lambda: draw_tasks(2, 2, 0, covariance=np.array([1.0, -2.0])),
        lambda: draw_tasks(2, 2, 0, covariance=np.array([[1.0, 0.5], [0.0, 1.0]])),
        lambda: draw_tasks(2, 2, 0, covariance=np.array([[1.0, 2.0], [2.0, 1.0]])),
        lambda: draw_tasks(2, 2, 0, covariance=np.array([1.0, math.nan])),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0, 2]), 4, 0.1, 0),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0, -1]), 4, 0.1, 0),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0.0]), 4, 0.1, 0),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0]), 0, 0.1, 0),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0]), 4, -0.1, 0),
        lambda: sample_prompts(np.ones((2, 3)), np.array([0]), 4, math.nan, 0),
        lambda: sample_prompts(np.full((2, 3), math.inf), np.array([0]), 4, 0.1, 0),
        lambda: sample_fresh_prompts(5, 0, 4, 0.1, 0),
        lambda: uniform_assignment(5, 0, 0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(DomainError, match=r"Why: .* Do: "):
        call()


@pytest.mark.parametrize("seed", [None, -1, 1.5, True, "0"])
def test_what_is_not_a_seed_is_refused(seed):
    with pytest.raises(ArgumentsError, match="seed"):
        random_generator(seed)


def test_an_unknown_law_is_refused():
    with pytest.raises(ArgumentsError, match="laplace"):
        draw_tasks(2, 3, 0, law="laplace")  # pyright: ignore[reportArgumentType]
