"""Finite-size samples for the acceptance cases, with a z-score that allows for their bias.

Entries are complex, so the first correction of a normalised trace is 1/size^2; two sizes, one twice
the other, remove it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from derivations.classics.ensembles import gaussian, rotation, wigner, wishart

POINT = 0.75 + 0.25j


def z_scores(
    sample: Callable[[np.random.Generator, int], object],
    expected: object,
    size: int = 32,
    seeds: int = 24,
    seed: int = 1,
    accuracy: float = 0.02,
) -> np.ndarray:
    """Return the distance of extrapolated means from expected numbers, in standard errors."""
    rng = np.random.default_rng(seed)
    means, errors = [], []
    for d in (size, 2 * size):
        values = np.array([np.atleast_1d(sample(rng, d)) for _ in range(seeds)])
        means.append(values.mean(axis=0))
        errors.append(values.std(axis=0, ddof=1) / np.sqrt(seeds))
    found = (4 * means[1] - means[0]) / 3
    error = np.sqrt(16 * errors[1] ** 2 + errors[0] ** 2) / 3
    exact = np.atleast_1d(expected)
    assert np.all(error < accuracy * np.max(abs(exact))), "too few draws to see a wrong number"
    return (found - exact) / error


def resolvent(matrix: np.ndarray) -> list[float]:
    """Return real and imaginary part of the Stieltjes transform of a sample at one point."""
    value = np.mean(1 / (np.linalg.eigvalsh(matrix) - POINT))
    return [value.real, value.imag]


def rotated(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Return a randomly rotated diagonal matrix."""
    turn = rotation(rng, len(values))
    return (turn * values) @ turn.conj().T


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return a Hermitian matrix similar to the product of two, the first one positive."""
    low = np.linalg.cholesky(left)
    return low.conj().T @ right @ low


def mp(rng: np.random.Generator, d: int, ratio: float) -> np.ndarray:
    """Return a white Wishart matrix with d/n = ratio."""
    return wishart(rng, d, round(d / ratio))


def pair(d: int, first: float, second: float) -> np.ndarray:
    """Return d eigenvalues, half of them of each value."""
    return np.repeat([first, second], d // 2)


def f_matrix(rng: np.random.Generator, d: int) -> np.ndarray:
    """Return a sample of the F matrix at ratios 1/2 and 1/3."""
    return product(np.linalg.inv(mp(rng, d, 1 / 3)), mp(rng, d, 1 / 2))


def manova(rng: np.random.Generator, d: int) -> np.ndarray:
    """Return A/(A + B) at ratios 1/2 and 1/3."""
    first, second = 2 * mp(rng, d, 1 / 2), 3 * mp(rng, d, 1 / 3)
    return product(np.linalg.inv(first + second), first)


def squared_product(rng: np.random.Generator, d: int) -> np.ndarray:
    """Return the squared singular values of a product of two square Gaussian matrices."""
    both = gaussian(rng, d, d, 1 / d) @ gaussian(rng, d, d, 1 / d)
    return both.conj().T @ both


def anticommutator(rng: np.random.Generator, d: int) -> np.ndarray:
    """Return XY + YX for Wigner matrices of variances 2 and 1/2."""
    first, second = wigner(rng, d, 2.0), wigner(rng, d, 0.5)
    return first @ second + second @ first


def rows(rng: np.random.Generator, n: int, spectrum: np.ndarray) -> np.ndarray:
    """Return n rows with a diagonal covariance."""
    return gaussian(rng, n, len(spectrum)) * np.sqrt(spectrum)


def ridge(rng: np.random.Generator, d: int) -> list[float]:
    """Return tau, bias and variance at phi = 3/2, lam = 1/10, eigenvalues 1 and 4."""
    n, lam, spectrum = round(d / 1.5), 0.1, pair(d, 1.0, 4.0)
    x = rows(rng, n, spectrum)
    covariance = x.conj().T @ x / n
    inverse = np.linalg.inv(covariance + lam * np.eye(d))
    squared = (inverse @ inverse).diagonal().real
    variance = (covariance @ inverse @ inverse).diagonal().real
    return [
        lam * float(np.trace(inverse).real) / d,
        lam**2 * float(spectrum @ squared) / d,
        lam * float(spectrum @ variance) / d,
    ]


def white_ridge(rng: np.random.Generator, d: int) -> float:
    """Return tau at phi = 3/2, lam = 1/10 for a white population."""
    return float(np.mean(0.1 / (np.linalg.eigvalsh(mp(rng, d, 1.5)) + 0.1)))


def two_groups(rng: np.random.Generator, d: int) -> float:
    """Return tr R for n = 2 d/3 rows, half with eigenvalues (1, 4), half with (3, 1/2)."""
    n = round(d / 1.5) // 2
    x = np.vstack([rows(rng, n, pair(d, 1.0, 4.0)), rows(rng, n, pair(d, 3.0, 0.5))])
    return float(np.mean(1 / (np.linalg.eigvalsh(x.conj().T @ x / (2 * n)) + 0.1)))


def random_features(rng: np.random.Generator, d: int) -> list[float]:
    """Return tau1 and tau2 at phi = 4/3, psi = 2/3, zeta = 3/5, eta = 17/10, gamma = 3/10."""
    n, m, zeta, eta = 3 * d // 4, 3 * d // 2, 0.6, 1.7
    data = gaussian(rng, d, n, 1 / d)
    features = np.sqrt(zeta) * gaussian(rng, m, d, 1 / m) @ data
    features = features + np.sqrt(eta - zeta) * gaussian(rng, m, n, 1 / m)
    inverse = np.linalg.inv(features.conj().T @ features + 0.3 * np.eye(n))
    kernel = data.conj().T @ data @ inverse
    return [float(np.trace(v).real) / n for v in (inverse, kernel)]


def overlaps(rng: np.random.Generator, d: int) -> list[float]:
    """Return m and q of ridge regression at the Bayes point, teacher norm 2, noise 3/10."""
    norm, noise, n = 2.0, 0.3, round(2.5 * d)
    teacher = gaussian(rng, d, 1)[:, 0]
    teacher *= np.sqrt(norm * d) / np.linalg.norm(teacher)
    x = gaussian(rng, n, d, 1 / d)
    labels = x @ teacher + gaussian(rng, n, 1, noise)[:, 0]
    student = np.linalg.solve(x.conj().T @ x + noise / norm * np.eye(d), x.conj().T @ labels)
    return [float(np.vdot(teacher, student).real) / d, float(np.vdot(student, student).real) / d]


def companion_edges(places: list, weights: list, ratio: sp.Expr) -> list[float]:
    """Return the extrema of z(g) = -1/g + c sum w x/(1 + x g): Silverstein & Choi."""
    g = sp.Symbol("g")
    inverse = -1 / g + ratio * sum(
        w * x / (1 + x * g) for x, w in zip(places, weights, strict=True)
    )
    top = sp.Poly(sp.numer(sp.together(sp.diff(inverse, g))), g)
    return sorted(float(inverse.subs(g, r)) for r in top.nroots(n=30) if r.is_real)
