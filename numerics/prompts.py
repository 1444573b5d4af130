"""Exact samplers of the linear-regression prompts on which linear attention is pretrained.

A prompt is ``l`` labelled tokens and one query.  Reduced linear attention reads it only through
the query ``x``, its label ``y`` and the context statistics ``h``, so those three are what is
drawn: :func:`sample_prompts` draws them from their exact joint law in ``O(d)`` operations a
prompt, whatever ``l`` is; :func:`sample_prompts_token_by_token` draws every token, ``O(l d)``,
and is the reference the first is tested against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from numerics.errors import DomainError
from numerics.sampling import (
    FloatArray,
    IntArray,
    Seed,
    TaskLaw,
    check_counts,
    check_noise,
    random_generator,
    task_sampler,
)

# Rows drawn at a time.  A constant, because it fixes the order in which a Generator is read.
_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Prompts:
    r"""The part of ``n`` prompts that reduced linear attention can see.

    The prediction of ``y`` is :math:`\langle\Gamma, x h^\top\rangle` with
    :math:`h = [\frac dl\sum_{i\le l} y_i x_i^\top,\ \frac1l\sum_{i\le l} y_i^2]`.

    Parameters
    ----------
    queries : ndarray, shape (n, d)
        Query tokens, entries of order ``d**-0.5``.
    contexts : ndarray, shape (n, d + 1)
        Context statistics ``h``, entries of order one.
    labels : ndarray, shape (n,)
        Query labels, of order one.

    References
    ----------
    arXiv:2405.11751, section "Model" (reduced linear attention).
    """

    queries: FloatArray
    contexts: FloatArray
    labels: FloatArray

    def __len__(self) -> int:
        return self.labels.shape[0]

    def __repr__(self) -> str:
        return f"Prompts({len(self)} prompts, d = {self.queries.shape[1]})"


def _fill(
    block: slice,
    tasks: FloatArray,
    length: int,
    noise: float,
    rng: np.random.Generator,
    out: Prompts,
) -> None:
    rows, d = tasks.shape
    norm = np.linalg.norm(tasks, axis=1)
    # w = 0 leaves no direction: the projector below is then the identity, as it should be
    unit = tasks / np.where(norm > 0, norm, 1.0)[:, None]
    sigma = norm / math.sqrt(d)
    chi_square = rng.chisquare(length, rows)
    sum_yy = (sigma**2 + noise) * chi_square
    sum_ya = sigma * chi_square + np.sqrt(noise * chi_square) * rng.standard_normal(rows)
    h1 = rng.standard_normal((rows, d))
    h1 -= np.einsum("ij,ij->i", h1, unit)[:, None] * unit
    h1 *= (math.sqrt(d) / length * np.sqrt(sum_yy))[:, None]
    h1 += (math.sqrt(d) / length * sum_ya)[:, None] * unit
    out.contexts[block, :d] = h1
    out.contexts[block, d] = sum_yy / length
    x = rng.standard_normal((rows, d)) / math.sqrt(d)
    out.queries[block] = x
    out.labels[block] = np.einsum("ij,ij->i", x, tasks)
    out.labels[block] += math.sqrt(noise) * rng.standard_normal(rows)


def _empty(n: int, d: int) -> Prompts:
    return Prompts(np.empty((n, d)), np.empty((n, d + 1)), np.empty(n))


def sample_prompts(
    tasks: FloatArray, assignment: IntArray, context_length: int, noise: float, seed: Seed
) -> Prompts:
    r"""Draw ``(x, h, y)`` of each prompt from its exact law, at a cost free of the length ``l``.

    With :math:`\bar w = w/|w|`, :math:`\sigma_w^2 = |w|^2/d`, :math:`v_w = \sigma_w^2 + \rho`,
    and independent :math:`V\sim\chi^2_l`, :math:`\zeta_0\sim N(0,1)`,
    :math:`\zeta_\perp\sim N(0, I_d)`,

    .. math::

        h = \Big[\tfrac{\sqrt d}{l}\big((\sigma_w V + \sqrt{\rho V}\,\zeta_0)\,\bar w
            + \sqrt{v_w V}\,(I - \bar w\bar w^\top)\zeta_\perp\big),\ \tfrac1l v_w V\Big].

    Given the labels, the component of ``x_i`` along ``w`` is Gaussian with mean proportional to
    ``y_i`` and the others are independent of them, so sums over the context have this law at
    every finite ``d`` and ``l``, also at :math:`\rho = 0`.

    Parameters
    ----------
    tasks : ndarray, shape (k, d)
        Task vectors, entries of order one.
    assignment : ndarray of int, shape (n,)
        Row of ``tasks`` used by each prompt.
    context_length : int
        ``l``, at least 1.
    noise : float
        Label-noise variance ``rho``, at least 0.
    seed : int, SeedSequence or Generator
        Source of randomness.

    Returns
    -------
    Prompts
        ``n`` queries, context statistics and labels.

    Raises
    ------
    DomainError
        If a count is below one, the noise negative, or an index names no task.

    References
    ----------
    arXiv:2405.11751, section "Model", for the law of a prompt.

    Examples
    --------
    >>> from numerics.sampling import draw_tasks, uniform_assignment
    >>> tasks = draw_tasks(3, 8, 0)
    >>> sample_prompts(tasks, uniform_assignment(100, 3, 1), 10**9, 0.1, 2)
    Prompts(100 prompts, d = 8)
    """
    rng = random_generator(seed)
    tasks, assignment = _checked(tasks, assignment, context_length, noise)
    out = _empty(assignment.shape[0], tasks.shape[1])
    for start in range(0, len(out), _ROWS):
        block = slice(start, start + _ROWS)
        _fill(block, tasks[assignment[block]], context_length, noise, rng, out)
    return out


def sample_fresh_prompts(
    n: int,
    d: int,
    context_length: int,
    noise: float,
    seed: Seed,
    *,
    law: TaskLaw = "gaussian",
    covariance: FloatArray | None = None,
) -> Prompts:
    r"""Draw prompts each with a task of its own: unlimited task diversity, :math:`\kappa=\infty`.

    Parameters
    ----------
    n, d, context_length : int
        Numbers of prompts, token dimension and length ``l``, at least 1.
    noise : float
        Label-noise variance ``rho``, at least 0.
    seed : int, SeedSequence or Generator
        Source of randomness.
    law, covariance
        Law of the tasks, as in :func:`draw_tasks`.

    Returns
    -------
    Prompts
        ``n`` queries, context statistics and labels; the law is that of :func:`sample_prompts`.

    Raises
    ------
    ArgumentsError, DomainError
        As :func:`draw_tasks` and :func:`sample_prompts`.

    Examples
    --------
    >>> sample_fresh_prompts(50, 4, 12, 0.1, 0, law="spherical")
    Prompts(50 prompts, d = 4)
    """
    call = f"sample_fresh_prompts({n!r}, {d!r}, {context_length!r}, {noise!r}, seed)"
    check_counts(call, n=n, d=d, context_length=context_length)
    check_noise(call, noise)
    rng, draw = random_generator(seed), task_sampler(d, law=law, covariance=covariance)
    out = _empty(n, d)
    for start in range(0, n, _ROWS):
        block = slice(start, min(start + _ROWS, n))
        _fill(block, draw(rng, block.stop - start), context_length, noise, rng, out)
    return out


def sample_prompts_token_by_token(
    tasks: FloatArray, assignment: IntArray, context_length: int, noise: float, seed: Seed
) -> Prompts:
    r"""Draw every token and label of every context and add them up, as the model is written.

    :math:`x_i\sim N(0, I/d)`, :math:`y_i = \langle x_i, w\rangle + \epsilon_i`,
    :math:`\epsilon_i\sim N(0,\rho)`, ``i = 1..l+1``; costs ``O(n l d)``.

    Parameters
    ----------
    tasks, assignment, context_length, noise, seed
        As in :func:`sample_prompts`, whose law this is.

    Returns
    -------
    Prompts
        ``n`` queries, context statistics and labels.

    Raises
    ------
    DomainError
        As :func:`sample_prompts`.

    Examples
    --------
    >>> from numerics.sampling import draw_tasks
    >>> sample_prompts_token_by_token(draw_tasks(2, 4, 0), np.array([0, 1, 1]), 5, 0.1, 1)
    Prompts(3 prompts, d = 4)
    """
    rng = random_generator(seed)
    tasks, assignment = _checked(tasks, assignment, context_length, noise)
    n, d, length = assignment.shape[0], tasks.shape[1], context_length
    out = _empty(n, d)
    for row, task in enumerate(tasks[assignment]):
        x = rng.standard_normal((length + 1, d)) / math.sqrt(d)
        y = x @ task + math.sqrt(noise) * rng.standard_normal(length + 1)
        out.contexts[row, :d] = d / length * (y[:length] @ x[:length])
        out.contexts[row, d] = y[:length] @ y[:length] / length
        out.queries[row], out.labels[row] = x[length], y[length]
    return out


def _checked(
    tasks: FloatArray, assignment: IntArray, context_length: int, noise: float
) -> tuple[FloatArray, IntArray]:
    tasks, assignment = np.asarray(tasks, dtype=np.float64), np.asarray(assignment)
    call = f"sample_prompts(tasks, assignment, {context_length!r}, {noise!r}, seed)"
    check_counts(call, context_length=context_length)
    check_noise(call, noise)
    if tasks.ndim != 2 or tasks.size == 0 or not np.all(np.isfinite(tasks)):
        raise DomainError(
            call,
            f"tasks has shape {tasks.shape} or an entry that is not finite",
            "tasks are k rows of d real numbers",
            "sample_prompts(draw_tasks(k, d, seed), ...)",
        )
    k = tasks.shape[0]
    if (
        assignment.ndim != 1
        or assignment.size == 0
        or not np.issubdtype(assignment.dtype, np.integer)
        or assignment.min() < 0
        or assignment.max() >= k
    ):
        raise DomainError(
            call,
            f"assignment is not a list of indices below k = {k}",
            "it names the task of each prompt",
            "sample_prompts(tasks, uniform_assignment(n, k, seed), ...)",
        )
    return tasks, assignment
