r"""Finite-size samples of ridge regression: resolvent, bias and variance at one draw."""

from __future__ import annotations

from functools import partial

import numpy as np

from derivations.classics.ensembles import averaged, eigenvalues_with_shares, gaussian
from numerics.simulation import SimulationResult


def _sample(rng, *, samples, eigenvalues, lam):
    """Return the resolvent and the sample covariance of one draw."""
    rows = gaussian(rng, samples, len(eigenvalues)) * np.sqrt(eigenvalues)
    covariance = rows.conj().T @ rows / samples
    return np.linalg.inv(covariance + lam * np.eye(len(eigenvalues))), covariance


def _numbers(rng, *, samples, eigenvalues, tests, lam):
    resolvent, covariance = _sample(rng, samples=samples, eigenvalues=eigenvalues, lam=lam)
    size = len(eigenvalues)
    squared = np.abs(resolvent) ** 2
    diagonal = np.real(np.diagonal(covariance @ resolvent @ resolvent))
    return {
        "tau": lam * float(np.trace(resolvent).real) / size,
        "bias": lam**2 * float(eigenvalues @ squared @ tests) / size,
        "variance": lam * float(diagonal @ eigenvalues) / size,
    }


def simulated_ridge(
    id: str,
    quantity: str,
    size: int,
    seeds: int,
    seed: int,
    phi: float,
    lam: float,
    values: list[float],
    p: float,
    tests: list[float] | None = None,
) -> SimulationResult:
    """Average tau, the bias or the variance of a population of two eigenvalues over seeds."""
    samples = max(1, round(size / phi))
    eigenvalues, (share, _) = eigenvalues_with_shares(values, [p, 1 - p], size)
    parameters = {"phi": size / samples, "lam": lam}
    if len(set(values)) > 1:
        parameters |= {"s_1": values[0], "s_2": values[1], "p": share}
    diagonal = np.ones(size)
    if tests is not None:
        diagonal, _ = eigenvalues_with_shares(tests, [p, 1 - p], size)
        parameters |= {"theta_1": tests[0], "theta_2": tests[1]}
    draw = partial(_numbers, samples=samples, eigenvalues=eigenvalues, tests=diagonal, lam=lam)
    return averaged(
        id,
        lambda rng: {quantity: draw(rng)[quantity]},
        size=size,
        seeds=seeds,
        seed=seed,
        parameters=parameters,
        counts={"n": samples},
    )


def teacher_student(
    rng: np.random.Generator,
    *,
    samples: int,
    spectrum: np.ndarray,
    teacher: np.ndarray,
    sigma2: float,
    lam: float,
) -> dict[str, float]:
    """Fit one random teacher with given variances of its weights; both overlaps and the error."""
    size = len(spectrum)
    weights = np.sqrt(teacher) * gaussian(rng, 1, size)[0]
    x = gaussian(rng, samples, size, 1 / size) * np.sqrt(spectrum)
    labels = x @ weights + gaussian(rng, samples, 1, sigma2)[:, 0]
    system = x.conj().T @ x + samples / size * lam * np.eye(size)
    student = np.linalg.solve(system, x.conj().T @ labels)
    return {
        "m": float(np.vdot(weights, student).real) / size,
        "q": float(np.vdot(student, student).real) / size,
        "error": sigma2 + float(spectrum @ np.abs(student - weights) ** 2) / size,
    }
