"""Exact population errors against brute-force tests, and the published misprint."""

import dataclasses

import numpy as np
import pytest

from numerics.errors import ArgumentsError, DomainError
from numerics.population import PromptMoments, new_task_moments, training_task_moments
from numerics.prompts import Prompts, sample_fresh_prompts, sample_prompts
from numerics.sampling import draw_tasks, uniform_assignment

D, LENGTH, NOISE, COUNT = 3, 4, 0.6, 150_000


def gamma() -> np.ndarray:
    rng = np.random.default_rng(11)
    return 0.4 * np.eye(D, D + 1) + 0.3 * rng.standard_normal((D, D + 1))


def z_scores(prompts: Prompts, moments: PromptMoments) -> np.ndarray:
    """Return z-scores of the error and of every entry of B, against sampled prompts."""
    x, h, y = prompts.queries, prompts.contexts, prompts.labels
    squares = (y - np.einsum("ni,ij,nj->n", x, gamma(), h)) ** 2
    products = (h[:, :, None] * h[:, None, :]).reshape(len(y), -1)
    cross = D * (y[:, None, None] * x[:, :, None] * h[:, None, :]).reshape(len(y), -1)
    samples = np.column_stack([squares, products, cross, y**2])
    exact = np.concatenate(
        [
            [moments.error(gamma())],
            moments.second.ravel(),
            moments.cross.ravel(),
            [moments.label_variance],
        ]
    )
    return (samples.mean(axis=0) - exact) * np.sqrt(len(y)) / samples.std(axis=0)


COVARIANCES = {
    "isotropic": None,
    "eigenvalues": np.array([0.2, 1.0, 2.5]),
    "matrix": np.array([[1.0, 0.5, 0.0], [0.5, 2.0, 0.3], [0.0, 0.3, 0.4]]),
}


@pytest.mark.parametrize("law", ["gaussian", "spherical"])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_error_on_new_tasks_is_the_average_over_prompts(law, covariance):
    structure = COVARIANCES[covariance]
    prompts = sample_fresh_prompts(COUNT, D, LENGTH, NOISE, 5, law=law, covariance=structure)
    moments = new_task_moments(D, LENGTH, NOISE, law=law, covariance=structure)
    assert np.abs(z_scores(prompts, moments)).max() < 4.5


def test_error_on_training_tasks_is_the_average_over_prompts():
    tasks = 1.2 * draw_tasks(4, D, 1)
    prompts = sample_prompts(tasks, uniform_assignment(COUNT, 4, 2), LENGTH, NOISE, 3)
    assert np.abs(z_scores(prompts, training_task_moments(tasks, LENGTH, NOISE))).max() < 4.5


def test_the_published_last_entry_is_a_misprint():
    # printed: 1 + rho^2; right: (1 + rho)^2.  Sampling tells them apart.
    prompts = sample_fresh_prompts(COUNT, D, LENGTH, NOISE, 5)
    right = new_task_moments(D, LENGTH, NOISE)
    assert right.second[D, D] == pytest.approx((1 + 2 / LENGTH) * ((1 + NOISE) ** 2 + 2 / D))
    printed = right.second.copy()
    printed[D, D] = (1 + 2 / LENGTH) * (1 + NOISE**2 + 2 / D)
    wrong = dataclasses.replace(right, second=printed)
    assert np.abs(z_scores(prompts, right)).max() < 4.5
    assert np.abs(z_scores(prompts, wrong)).max() > 30
    assert abs(wrong.error(gamma()) - right.error(gamma())) > 1e-3


def test_the_two_laws_differ_in_the_last_entry_only():
    gaussian, spherical = (
        new_task_moments(5, 9, 0.3, law=law) for law in ("gaussian", "spherical")
    )
    assert spherical.second[5, 5] == pytest.approx((1 + 2 / 9) * 1.3**2, rel=1e-14)
    difference = gaussian.second - spherical.second
    assert difference[5, 5] == pytest.approx((1 + 2 / 9) * 2 / 5)
    difference[5, 5] = 0
    np.testing.assert_array_equal(difference, 0)


def test_a_matrix_covariance_is_its_eigenvalues_in_another_basis():
    values = np.array([0.3, 1.1, 2.0])
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3)))[0]
    rotated = new_task_moments(3, 5, 0.2, covariance=(rotation * values) @ rotation.T)
    diagonal = new_task_moments(3, 5, 0.2, covariance=values)
    wide = np.eye(4)
    wide[:3, :3] = rotation
    turned = rotation @ gamma() @ wide.T
    assert rotated.error(turned) == pytest.approx(diagonal.error(gamma()), rel=1e-13)


def test_many_training_tasks_are_new_tasks():
    tasks = draw_tasks(400_000, D, 1)
    known, new = training_task_moments(tasks, LENGTH, NOISE), new_task_moments(D, LENGTH, NOISE)
    np.testing.assert_allclose(known.second, new.second, atol=0.05)
    assert known.error(gamma()) == pytest.approx(new.error(gamma()), rel=0.01)


def test_the_optimum_is_stationary_and_its_error_is_explicit():
    moments = training_task_moments(draw_tasks(4, D, 1), LENGTH, NOISE)
    best = moments.optimum()
    explicit = moments.label_variance - np.sum(best * moments.cross) / D
    assert moments.error(best) == pytest.approx(explicit, rel=1e-12)
    for direction in np.eye(D * (D + 1)).reshape(-1, D, D + 1):
        step = 1e-3 * direction
        assert moments.error(best + step) > moments.error(best)
        assert moments.error(best + step) == pytest.approx(moments.error(best - step), rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: new_task_moments(3, 0, 0.1),
        lambda: new_task_moments(3, 4, -0.1),
        lambda: new_task_moments(3, 4, 0.1, covariance=np.ones(4)),
        lambda: new_task_moments(3, 4, 0.1, law="cubic"),  # pyright: ignore[reportArgumentType]
        lambda: training_task_moments(np.ones(3), 4, 0.1),
        lambda: training_task_moments(np.full((2, 3), np.nan), 4, 0.1),
        lambda: new_task_moments(3, 4, 0.1).error(np.zeros((3, 3))),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises((ArgumentsError, DomainError), match=r"Why: .* Do: "):
        call()
