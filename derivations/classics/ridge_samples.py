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
