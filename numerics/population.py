r"""Exact error of any fixed attention matrix, at finite dimension and context length.

Averaging over prompts and test tasks is done by hand, so a simulation has randomness left only
in its training data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.errors import ArgumentsError
from numerics.sampling import (
    FloatArray,
    TaskLaw,
    check_counts,
    check_noise,
    check_task_law,
    covariance_root,
)


@dataclass(frozen=True, eq=False)
class PromptMoments:
    r"""The second moments of prompts that fix the squared error of linear attention.

    :math:`e(\Gamma) = E\,y^2 - \frac2d\mathrm{tr}(\Gamma A^\top)
    + \frac1d\mathrm{tr}(\Gamma B\Gamma^\top)` with :math:`A = E[w\,h^\top]` and
    :math:`B = E[h h^\top]`, exact at finite ``d`` and ``l``.

    Parameters
    ----------
    label_variance : float
        :math:`E\,y^2`, label noise included: the error of the null predictor.
    cross : ndarray, shape (d, d + 1)
        :math:`A`; ``cross / d`` is the second moment of ``y`` with the features.
    second : ndarray, shape (d + 1, d + 1)
        :math:`B`; :math:`\frac1d I\otimes B` is the covariance of the row-major features.

    References
    ----------
    arXiv:2405.11751, supplement, "test error of linear attention"; the last diagonal entry is
    printed there with ``1 + rho**2`` in place of ``(1 + rho)**2``.
    """

    label_variance: float
    cross: FloatArray
    second: FloatArray

    def __repr__(self) -> str:
        return f"PromptMoments(d = {self.cross.shape[0]}, E y^2 = {self.label_variance:.6g})"

    def error(self, gamma: FloatArray) -> float:
        r"""Return the mean squared error of the prediction :math:`\langle\Gamma, x h^\top\rangle`.

        Parameters
        ----------
        gamma : ndarray, shape (d, d + 1)
            Reduced attention matrix, entries of order ``d**-0.5``, diagonal of order one.

        Returns
        -------
        float
            Squared error, of order one, label noise included.

        Raises
        ------
        ArgumentsError
            If ``gamma`` has another shape.

        Examples
        --------
        >>> new_task_moments(4, 8, 0.5).error(np.zeros((4, 5)))
        1.5
        """
        gamma = np.asarray(gamma, dtype=np.float64)
        d = self.cross.shape[0]
        if gamma.shape != self.cross.shape:
            raise ArgumentsError(
                f"PromptMoments.error(array of shape {gamma.shape})",
                f"the attention matrix of these moments has shape {self.cross.shape}",
                "it maps the d + 1 context statistics to the d entries of a task",
                f"moments.error(numpy.zeros({self.cross.shape}))",
            )
        linear = np.einsum("ij,ij->", gamma, self.cross)
        quadratic = np.einsum("ij,ij->", gamma @ self.second, gamma)
        return float(self.label_variance - 2.0 / d * linear + quadratic / d)

    def optimum(self) -> FloatArray:
        r"""Return the best attention matrix for these prompts, :math:`\Gamma = A B^{-1}`.

        Returns
        -------
        ndarray, shape (d, d + 1)

        Examples
        --------
        >>> moments = new_task_moments(4, 8, 0.5)
        >>> best = moments.optimum()
        >>> bool(moments.error(best) < moments.error(0.99 * best))
        True
        """
        return np.asarray(np.linalg.solve(self.second, self.cross.T).T, dtype=np.float64)


def _check(call: str, d: int, context_length: int, noise: float) -> None:
    check_counts(call, d=d, context_length=context_length)
    check_noise(call, noise)


def new_task_moments(
    d: int,
    context_length: int,
    noise: float,
    *,
    law: TaskLaw = "gaussian",
    covariance: FloatArray | None = None,
) -> PromptMoments:
    r"""Average over prompts with a new task each: the in-context-learning (ICL) test.

    With :math:`c = \overline{\mathrm{tr}}\,C` and :math:`v = |w|^2/d + \rho`:
    :math:`E y^2 = c + \rho`, :math:`A = [C, 0]`,
    :math:`B = \mathrm{diag}\big(\frac dl(c+\rho) I + (1+\frac1l) C,\ (1+\frac2l) E v^2\big)`, where
    :math:`E v^2 = (c+\rho)^2 + \frac2d\overline{\mathrm{tr}}\,C^2` for Gaussian tasks and
    :math:`(c+\rho)^2 + \frac{2}{d+2}(\overline{\mathrm{tr}}\,C^2 - c^2)` for spherical ones.

    Parameters
    ----------
    d, context_length : int
        Token dimension and test context length, at least 1.
    noise : float
        Test label-noise variance ``rho``, at least 0.
    law : {"gaussian", "spherical"}
        Law of the test tasks.
    covariance : ndarray, optional
        Second moment ``C`` of a test task: eigenvalues (d,) or a matrix (d, d); identity if
        absent.

    Returns
    -------
    PromptMoments

    Raises
    ------
    ArgumentsError, DomainError
        For an unknown law, a count below one, negative noise, or something not a covariance.

    Validity
    --------
    Exact for every finite ``d`` and ``l``; the last row and column matter at order ``1/d`` only.

    References
    ----------
    arXiv:2405.11751, supplement (with ``1 + rho**2`` corrected to ``(1 + rho)**2``); the
    structured covariance is the natural extension and agrees with it at ``C = I``.

    Examples
    --------
    >>> float(round(new_task_moments(10, 20, 0.5).second[10, 10], 6))  # 1.1 * (1.5**2 + 0.2)
    2.695
    """
    _check(f"new_task_moments({d!r}, {context_length!r}, {noise!r})", d, context_length, noise)
    check_task_law(law)
    root = covariance_root(covariance, d)
    if root is None:
        root = np.ones(d)
    if root.ndim == 1:
        structure = np.diag(root * root)
    else:
        structure = root @ root
    trace, square = float(np.trace(structure)) / d, float(np.sum(structure**2)) / d
    variance = trace + noise
    # Var(u'Cu)/d^2 of the quadratic form of the white vector behind the task
    spread = 2 / d * square if law == "gaussian" else 2 / (d + 2) * (square - trace**2)
    inflation = 1 + 1 / context_length
    second = np.zeros((d + 1, d + 1))
    second[:d, :d] = inflation * structure
    second[np.arange(d), np.arange(d)] += d / context_length * variance
    second[d, d] = (1 + 2 / context_length) * (variance**2 + max(spread, 0.0))
    cross = np.zeros((d, d + 1))
    cross[:, :d] = structure
    return PromptMoments(variance, cross, second)


def training_task_moments(tasks: FloatArray, context_length: int, noise: float) -> PromptMoments:
    r"""Average over prompts whose task is one of the pretraining tasks: the IDG test.

    With :math:`v_j = |w_j|^2/d + \rho` and all averages over the ``k`` tasks:
    :math:`E y^2 = \frac1k\sum_j v_j`, :math:`A = \frac1k\sum_j w_j[w_j^\top, v_j]`,
    :math:`B = \frac1k\sum_j\begin{pmatrix}\frac dl v_j I + (1+\frac1l) w_jw_j^\top &
    (1+\frac2l) v_j w_j\\ \cdot & (1+\frac2l) v_j^2\end{pmatrix}`.

    Parameters
    ----------
    tasks : ndarray, shape (k, d)
        Pretraining tasks, entries of order one.
    context_length : int
        ``l``, at least 1.
    noise : float
        Label-noise variance ``rho``, at least 0.

    Returns
    -------
    PromptMoments
        ``second`` is also the exact second moment of the training contexts given the tasks.

    Raises
    ------
    ArgumentsError, DomainError
        If ``tasks`` is not a matrix of real numbers, ``l`` below 1 or the noise negative.

    Validity
    --------
    Exact for every finite ``d``, ``l`` and ``k``.

    References
    ----------
    arXiv:2405.11751, supplement (in-distribution generalisation, IDG).

    Examples
    --------
    >>> training_task_moments(np.ones((1, 4)), 8, 0.5)
    PromptMoments(d = 4, E y^2 = 1.5)
    """
    tasks = np.asarray(tasks, dtype=np.float64)
    if tasks.ndim != 2 or tasks.size == 0 or not np.all(np.isfinite(tasks)):
        raise ArgumentsError(
            "training_task_moments(tasks, ...)",
            f"tasks has shape {tasks.shape} or an entry that is not finite",
            "tasks are k rows of d real numbers",
            "training_task_moments(draw_tasks(k, d, seed), context_length, noise)",
        )
    k, d = tasks.shape
    _check(f"training_task_moments(tasks, {context_length!r}, {noise!r})", d, context_length, noise)
    wishart = tasks.T @ tasks / k
    variances = np.einsum("ij,ij->i", tasks, tasks) / d + noise
    weighted = variances @ tasks / k
    second = np.empty((d + 1, d + 1))
    second[:d, :d] = (1 + 1 / context_length) * wishart
    second[np.arange(d), np.arange(d)] += d / context_length * variances.mean()
    second[:d, d] = second[d, :d] = (1 + 2 / context_length) * weighted
    second[d, d] = (1 + 2 / context_length) * np.mean(variances**2)
    cross = np.empty((d, d + 1))
    cross[:, :d], cross[:, d] = wishart, weighted
    return PromptMoments(float(variances.mean()), cross, second)
