r"""Errors of the Bayes-optimal in-context learners, trial by trial, averaged exactly over queries.

A context of ``l`` tokens enters the posterior through :math:`S = X^\top X` and :math:`X^\top y`
only.  With :math:`S = LL^\top` (Bartlett's triangle) and
:math:`X^\top\epsilon = \sqrt\rho\,L z`, :math:`z\sim N(0, I)`, a trial costs a sample of ``L``
and ``z``, whatever ``l`` is: observing a context is observing
:math:`L^\top w + \sqrt\rho\,z`.
"""

from __future__ import annotations

import math

import numpy as np

from numerics.errors import DomainError
from numerics.sampling import FloatArray, Seed, check_counts, check_noise, random_generator

_WORKSPACE = 32 << 20  # bytes of projected tasks held at a time


def context_triangles(trials: int, d: int, context_length: int, seed: Seed) -> FloatArray:
    r"""Draw Bartlett's factor ``L`` of the Gram matrix :math:`X^\top X = LL^\top` of a context.

    ``X`` has ``l`` rows of entries ``N(0, 1/d)``.  :math:`\sqrt d\,L` is lower trapezoidal with
    :math:`\chi_{l}, \chi_{l-1},\dots` on the diagonal and standard normals below it.

    Parameters
    ----------
    trials, d, context_length : int
        Numbers of contexts, token dimension and length ``l``, at least 1.
    seed : int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (trials, d, min(d, l))

    Raises
    ------
    DomainError
        If a count is below one.

    References
    ----------
    M. S. Bartlett, Proc. R. Soc. Edinb. 53, 260 (1933).

    Examples
    --------
    >>> context_triangles(2, 5, 3, 0).shape
    (2, 5, 3)
    """
    call = f"context_triangles({trials!r}, {d!r}, {context_length!r}, seed)"
    check_counts(call, trials=trials, d=d, context_length=context_length)
    rng = random_generator(seed)
    rank = min(d, context_length)
    factors = np.tril(rng.standard_normal((trials, d, rank)))
    diagonal = np.arange(rank)
    factors[:, diagonal, diagonal] = np.sqrt(
        rng.chisquare(context_length - diagonal, (trials, rank))
    )
    return factors / math.sqrt(d)


def ridge_bayes_errors(
    trials: int, d: int, context_length: int, noise: float, seed: Seed
) -> FloatArray:
    r"""Error of the Bayes estimator for Gaussian tasks, ridge regression on the context.

    Given the context, averaged over task, noise and query:
    :math:`e = \rho + \rho\,\overline{\mathrm{tr}}\,(X^\top X + \rho)^{-1}`.  The spectrum of
    :math:`X^\top X` is that of a bidiagonal matrix of independent chi variables, and the trace is
    a recurrence of positive terms: ``O(d)`` a trial, without cancellation.

    Parameters
    ----------
    trials, d, context_length : int
        Numbers of contexts, token dimension and length ``l``, at least 1.
    noise : float
        Label-noise variance ``rho``, at least 0.
    seed : int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (trials,)
        One error a context, label noise included.

    Raises
    ------
    DomainError
        If a count is below one or the noise negative.

    References
    ----------
    I. Dumitriu and A. Edelman, J. Math. Phys. 43, 5830 (2002); arXiv:2405.11751 for the estimator.

    Examples
    --------
    >>> float(ridge_bayes_errors(1, 4, 2, 0.0, 0)[0])  # no noise: the unseen half of the space
    0.5
    """
    call = f"ridge_bayes_errors({trials!r}, {d!r}, {context_length!r}, {noise!r}, seed)"
    check_counts(call, trials=trials, d=d, context_length=context_length)
    check_noise(call, noise)
    rng = random_generator(seed)
    small, large = min(d, context_length), max(d, context_length)
    diagonal = rng.chisquare(large - np.arange(small), (trials, small)) / d
    below = rng.chisquare(np.arange(small - 1, 0, -1), (trials, small - 1)) / d
    unseen = (d - small) / d
    if noise == 0:
        return np.full(trials, unseen)
    # Pivots of T + rho by the differential qd recurrence, with their derivative in rho:
    # tr (T + rho)^-1 = sum of pivot' / pivot, and every term is positive.
    shift, slope = np.full(trials, noise), np.ones(trials)
    trace = np.zeros(trials)
    for i in range(small):
        pivot = shift + diagonal[:, i]
        trace += slope / pivot
        if i + 1 < small:
            ratio = below[:, i] / pivot
            slope = ratio * slope * diagonal[:, i] / pivot + 1.0
            shift = shift * ratio + noise
    return noise + noise * trace / d + unseen


def discrete_bayes_errors(
    tasks: FloatArray,
    new_tasks: FloatArray,
    truths: np.ndarray,
    context_length: int,
    noise: float,
    seed: Seed,
) -> tuple[FloatArray, FloatArray]:
    r"""Errors of the Bayes estimator for a finite list of tasks (dMMSE), on new and known tasks.

    :math:`\hat w = \sum_j P_j w_j`, :math:`P_j\propto e^{-|y - Xw_j|^2/2\rho}`; the error given
    the context, averaged over query and label, is :math:`\rho + |w - \hat w|^2/d`.  Both tests see
    the same contexts, so their difference has less noise than either.

    Parameters
    ----------
    tasks : ndarray, shape (k, d)
        Tasks that the estimator knows, entries of order one.
    new_tasks : ndarray, shape (trials, d)
        True task of each trial in the test on new tasks (ICL).
    truths : ndarray of int, shape (trials,)
        Row of ``tasks`` that is true in the test on known tasks (IDG).
    context_length : int
        ``l``, at least 1.
    noise : float
        Label-noise variance ``rho``, above 0.
    seed : int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    new, known : ndarray, shape (trials,)
        One error a trial in each test, label noise included.

    Raises
    ------
    DomainError
        If the length is below one, the noise not positive, or the shapes disagree.

    Validity
    --------
    Exact for every finite ``d, l, k``.  The approach to the limit is slow: the deficit of the
    error on new tasks falls as the root of ``log(k) / d``.

    References
    ----------
    A. Raventos et al., arXiv:2306.15063 (discrete MMSE estimator); arXiv:2405.11751.

    Examples
    --------
    >>> one = np.ones((1, 4))
    >>> new, known = discrete_bayes_errors(one, np.zeros((1, 4)), np.array([0]), 8, 0.1, 0)
    >>> float(known[0]), float(new[0])
    (0.1, 1.1)
    """
    tasks, new_tasks = np.asarray(tasks, np.float64), np.asarray(new_tasks, np.float64)
    truths = np.asarray(truths)
    call = f"discrete_bayes_errors(tasks, new_tasks, truths, {context_length!r}, {noise!r}, seed)"
    check_counts(call, context_length=context_length)
    check_noise(call, noise)
    if noise == 0:
        raise DomainError(
            call,
            "noise = 0 leaves no posterior for a task outside the list",
            "every listed task then has likelihood zero",
            "write noise=1e-6 for the limit of small noise",
        )
    if (
        tasks.ndim != 2
        or new_tasks.shape != (*truths.shape, tasks.shape[-1])
        or truths.ndim != 1
        or not np.all((truths >= 0) & (truths < tasks.shape[0]))
    ):
        raise DomainError(
            call,
            f"the shapes {tasks.shape}, {new_tasks.shape}, {truths.shape} do not fit or an index "
            "names no task",
            "they are (k, d), (trials, d), (trials,) with indices below k",
            "discrete_bayes_errors(tasks, draw_tasks(trials, d, seed), "
            "uniform_assignment(trials, k, seed), context_length, noise, seed)",
        )
    rng = random_generator(seed)
    (k, d), trials, rank = tasks.shape, truths.shape[0], min(tasks.shape[1], context_length)
    new, known = np.empty(trials), np.empty(trials)
    factors = context_triangles(trials, d, context_length, rng)
    kicks = math.sqrt(noise) * rng.standard_normal((trials, rank))
    batch = max(1, _WORKSPACE // (8 * k * rank))
    for start in range(0, trials, batch):
        part = slice(start, min(start + batch, trials))
        factor = factors[part]
        size = factor.shape[0]
        # one product for the whole batch: row j, trial t holds L_t' w_j
        projected = tasks @ factor.transpose(1, 0, 2).reshape(d, size * rank)
        projected = projected.reshape(k, size, rank)
        lengths = np.einsum("ktm,ktm->kt", projected, projected)
        for true, out in ((new_tasks[part], new), (tasks[truths[part]], known)):
            seen = np.einsum("tdm,td->tm", factor, true) + kicks[part]
            exponents = tasks @ np.einsum("tdm,tm->dt", factor, seen)
            exponents -= 0.5 * lengths
            exponents -= exponents.max(axis=0)
            weights = np.exp(exponents / noise)
            weights /= weights.sum(axis=0)
            missed = true - weights.T @ tasks
            out[part] = noise + np.einsum("td,td->t", missed, missed) / d
    return new, known
