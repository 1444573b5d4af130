"""Random task vectors and who uses them: the quenched disorder of in-context learning.

Every sampler takes a seed or a Generator; none has a hidden global state.  The prompts that are
built on these tasks are drawn in :mod:`numerics.prompts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from numerics.errors import ArgumentsError, DomainError

FloatArray: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator
TaskLaw: TypeAlias = Literal["gaussian", "spherical"]


def random_generator(seed: Seed) -> np.random.Generator:
    """Return the random generator that a seed names, or the generator itself.

    Parameters
    ----------
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        A non-negative integer, a seed sequence, or a generator (which is then advanced).

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ArgumentsError
        If ``seed`` is ``None`` or of another kind: every number must be reproducible.

    Examples
    --------
    >>> int(random_generator(3).integers(10)), int(random_generator(3).integers(10))
    (8, 8)
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.SeedSequence):
        return np.random.default_rng(seed)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentsError(
            f"random_generator({seed!r})",
            f"{seed!r} is not a seed",
            "a run is repeatable only from a non-negative integer, a SeedSequence or a Generator",
            "random_generator(0)",
        )
    return np.random.default_rng(int(seed))


def covariance_root(covariance: FloatArray | None, d: int) -> FloatArray | None:
    r"""Return what turns white noise into tasks of a given covariance: :math:`C^{1/2}`.

    Parameters
    ----------
    covariance : ndarray or None
        Eigenvalues, shape (d,), of a diagonal covariance; or a symmetric non-negative matrix,
        shape (d, d); or ``None`` for the identity.
    d : int
        Token dimension.

    Returns
    -------
    ndarray or None
        Square roots of the eigenvalues, shape (d,); or the symmetric root, shape (d, d).

    Raises
    ------
    DomainError
        If the covariance has another shape, is not finite, not symmetric or not non-negative.

    Examples
    --------
    >>> covariance_root(np.array([4.0, 9.0]), 2)
    array([2., 3.])
    """
    if covariance is None:
        return None
    matrix = np.asarray(covariance, dtype=np.float64)
    call = f"covariance_root(array of shape {matrix.shape}, {d})"
    do = "covariance_root(numpy.ones(d), d)"
    if matrix.shape not in ((d,), (d, d)):
        raise DomainError(call, f"the shape is not ({d},) or ({d}, {d})", "C acts on tasks", do)
    if not np.all(np.isfinite(matrix)):
        raise DomainError(call, "an entry is not finite", "a covariance is a real matrix", do)
    if matrix.ndim == 1:
        if matrix.min() < 0:
            raise DomainError(
                call, f"an eigenvalue is {matrix.min():.3g}", "a variance is never negative", do
            )
        return np.sqrt(matrix)
    scale = float(np.abs(matrix).max())
    if np.abs(matrix - matrix.T).max() > 1e-12 * scale:
        raise DomainError(call, "it is not symmetric", "a covariance is symmetric", do)
    values, vectors = np.linalg.eigh(matrix)
    # eigh of a rank-deficient covariance leaves rounding of either sign at zero
    if values[0] < -1e-12 * d * scale:
        raise DomainError(
            call, f"an eigenvalue is {values[0]:.3g}", "a variance is never negative", do
        )
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _gaussian(rng: np.random.Generator, count: int, d: int) -> FloatArray:
    return rng.standard_normal((count, d))


def _spherical(rng: np.random.Generator, count: int, d: int) -> FloatArray:
    tasks = rng.standard_normal((count, d))
    tasks *= math.sqrt(d) / np.linalg.norm(tasks, axis=1)[:, None]
    return tasks


_LAWS: dict[str, Callable[[np.random.Generator, int, int], FloatArray]] = {
    "gaussian": _gaussian,
    "spherical": _spherical,
}


def check_task_law(law: str) -> None:
    """Refuse a law of tasks that has no sampler.

    Parameters
    ----------
    law : str
        ``"gaussian"`` or ``"spherical"``.

    Raises
    ------
    ArgumentsError
        For any other word.

    Examples
    --------
    >>> check_task_law("spherical")
    """
    if law not in _LAWS:
        raise ArgumentsError(
            f"draw_tasks(..., law={law!r})",
            f"there is no law of tasks called {law!r}",
            f"tasks are drawn from one of {sorted(_LAWS)}",
            "draw_tasks(count, d, seed, law='gaussian')",
        )


def check_counts(call: str, **counts: int) -> None:
    """Refuse a number of things that is not a positive integer.

    Parameters
    ----------
    call : str
        The call to name in the error.
    **counts : int
        The numbers, by the name of the argument.

    Raises
    ------
    DomainError
        If one is not an integer of at least 1.

    Examples
    --------
    >>> check_counts("f(n=2)", n=2)
    """
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise DomainError(
                call, f"{name} = {value!r}", f"{name} counts things", f"write {name}=1 or more"
            )


def check_noise(call: str, noise: float) -> None:
    """Refuse a variance of the label noise that is negative or not a number.

    Parameters
    ----------
    call : str
        The call to name in the error.
    noise : float
        Label-noise variance ``rho``.

    Raises
    ------
    DomainError
        If it is negative or not finite.

    Examples
    --------
    >>> check_noise("f(noise=0)", 0.0)
    """
    if not (math.isfinite(noise) and noise >= 0):
        raise DomainError(
            call,
            f"noise = {noise!r} is outside noise >= 0",
            "it is the variance of the label noise",
            "write noise=0.01",
        )


def draw_tasks(
    count: int,
    d: int,
    seed: Seed,
    *,
    law: TaskLaw = "gaussian",
    covariance: FloatArray | None = None,
) -> FloatArray:
    r"""Draw task vectors :math:`w = C^{1/2}u`, with ``u`` Gaussian or on the sphere.

    Parameters
    ----------
    count, d : int
        Number of tasks and token dimension, at least 1.
    seed : int, SeedSequence or Generator
        Source of randomness.
    law : {"gaussian", "spherical"}
        :math:`u\sim N(0, I_d)`, or uniform on the sphere of radius :math:`\sqrt d`.
    covariance : ndarray, optional
        Second moment ``C`` of a task: eigenvalues (d,) or a matrix (d, d); identity if absent.

    Returns
    -------
    ndarray, shape (count, d)
        Tasks, entries of order one.

    Raises
    ------
    ArgumentsError, DomainError
        For an unknown law, a count below one, or something that is not a covariance.

    References
    ----------
    arXiv:2405.11751, section "Pretraining data" (the authors use the sphere).

    Examples
    --------
    >>> tasks = draw_tasks(5, 16, 0, law="spherical")
    >>> bool(abs((tasks**2).sum(axis=1) / 16 - 1).max() < 1e-14)
    True
    """
    check_counts(f"draw_tasks({count!r}, {d!r}, seed)", count=count, d=d)
    return task_sampler(d, law=law, covariance=covariance)(random_generator(seed), count)


def task_sampler(
    d: int, *, law: TaskLaw = "gaussian", covariance: FloatArray | None = None
) -> Callable[[np.random.Generator, int], FloatArray]:
    """Return the sampler of one law of tasks, for drawing in several portions.

    Parameters
    ----------
    d : int
        Token dimension.
    law, covariance
        As in :func:`draw_tasks`.

    Returns
    -------
    callable
        ``sampler(generator, count)`` gives tasks of shape (count, d).

    Raises
    ------
    ArgumentsError, DomainError
        As :func:`draw_tasks`.

    Examples
    --------
    >>> task_sampler(4)(np.random.default_rng(0), 3).shape
    (3, 4)
    """
    check_task_law(law)
    white, root = _LAWS[law], covariance_root(covariance, d)
    if root is None:
        return lambda rng, count: white(rng, count, d)
    if root.ndim == 1:
        return lambda rng, count: white(rng, count, d) * root
    return lambda rng, count: white(rng, count, d) @ root


def uniform_assignment(n: int, k: int, seed: Seed) -> IntArray:
    """Let each of ``n`` prompts pick one of ``k`` tasks uniformly, with replacement.

    Parameters
    ----------
    n, k : int
        Numbers of prompts and tasks, at least 1.
    seed : int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    ndarray of int, shape (n,)
        Index of the task of each prompt.

    Examples
    --------
    >>> uniform_assignment(4, 1, 0)
    array([0, 0, 0, 0])
    """
    check_counts(f"uniform_assignment({n!r}, {k!r}, seed)", n=n, k=k)
    return random_generator(seed).integers(k, size=n)


def balanced_assignment(n: int, k: int, seed: Seed) -> IntArray:
    """Use every one of ``k`` tasks ``n // k`` times, and a random ``n % k`` of them once more.

    Parameters
    ----------
    n, k : int
        Numbers of prompts and tasks, at least 1.
    seed : int, SeedSequence or Generator
        Source of randomness (it chooses which tasks are used once more).

    Returns
    -------
    ndarray of int, shape (n,)
        Index of the task of each prompt, sorted.

    Examples
    --------
    >>> balanced_assignment(6, 3, 0)
    array([0, 0, 1, 1, 2, 2])
    """
    check_counts(f"balanced_assignment({n!r}, {k!r}, seed)", n=n, k=k)
    uses = np.full(k, n // k)
    uses[random_generator(seed).permutation(k)[: n % k]] += 1
    return np.repeat(np.arange(k), uses)
