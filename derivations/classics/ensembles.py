"""Finite-size samples for the classic results: complex Gaussian matrices and averages over seeds.

Complex entries have the same limit as real ones and no correction of relative order 1/size, so a
comparison with the limit at moderate size tests the limit and not its first correction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from numerics.simulation import SeedOutcome, SimulationResult, run_over_seeds

Sampler = Callable[[np.random.Generator], Mapping[str, float]]


def gaussian(
    rng: np.random.Generator, rows: int, columns: int, variance: float = 1.0
) -> np.ndarray:
    """Return a rows x columns matrix of independent complex Gaussian entries.

    Examples
    --------
    >>> gaussian(np.random.default_rng(0), 2, 3, variance=0.5).shape
    (2, 3)
    """
    parts = rng.standard_normal((2, rows, columns))
    return np.sqrt(variance / 2) * (parts[0] + 1j * parts[1])


def wigner(rng: np.random.Generator, size: int, variance: float = 1.0) -> np.ndarray:
    """Return a Hermitian matrix whose spectrum tends to the semicircle of the given variance."""
    square = gaussian(rng, size, size, variance / size)
    return (square + square.conj().T) / np.sqrt(2)


def wishart(rng: np.random.Generator, size: int, samples: int) -> np.ndarray:
    """Return the second moment of ``samples`` white vectors in dimension ``size``."""
    vectors = gaussian(rng, samples, size)
    return vectors.conj().T @ vectors / samples


def rotation(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return a Haar unitary matrix."""
    q, r = np.linalg.qr(gaussian(rng, size, size))
    phases = np.diagonal(r)
    return q * (phases / np.abs(phases))


def eigenvalues_with_shares(
    values: Sequence[float], shares: Sequence[float], size: int
) -> tuple[np.ndarray, list[float]]:
    """Return ``size`` eigenvalues with the given shares, and the shares that were realised.

    Examples
    --------
    >>> eigenvalues_with_shares([1.0, 4.0], [0.25, 0.75], 4)
    (array([1., 4., 4., 4.]), [0.25, 0.75])
    """
    counts = [max(1, round(share * size)) for share in shares[:-1]]
    counts.append(size - sum(counts))
    return np.repeat(np.asarray(values, float), counts), [c / size for c in counts]


def averaged(
    id: str,
    sampler: Sampler,
    *,
    size: int,
    seeds: int,
    seed: int,
    parameters: Mapping[str, float],
    counts: Mapping[str, int],
) -> SimulationResult:
    """Average the numbers a sampler returns over independent seeds.

    Parameters
    ----------
    id : str
        Of the derivation.
    sampler : callable
        From a Generator to named numbers.
    size, seeds, seed : int
        Dimension, number of seeds, and the seed of the whole run.
    parameters : mapping
        At the realised ratios.
    counts : mapping
        The integers behind the ratios.
    """

    def one(child: np.random.SeedSequence) -> SeedOutcome:
        return SeedOutcome(dict(sampler(np.random.default_rng(child))))

    outcomes = run_over_seeds(one, seeds=seeds, seed=seed, size=size)
    per_seed = {name: np.array([o.values[name] for o in outcomes]) for name in outcomes[0].values}
    return SimulationResult(
        id, size, {k: float(v) for k, v in parameters.items()}, dict(counts), per_seed, seed
    )
