"""The ridge estimator of linear attention, by whichever exact route is cheapest.

The rule, with ``n`` prompts and ``p = d m`` features:

1. ``n <= p`` and ``n <= 4096``: the ``n x n`` kernel is factorised, at any ridge including none.
2. ``n <= p``, larger: plain conjugate gradients.  From zero they never leave the span of the
   data, so the small ridge of the other directions does not slow them; a preconditioner would.
3. ``n > p``: conjugate gradients preconditioned with the second moment of the contexts, unless
   the steps that the Marchenko-Pastur edges predict cost more than forming and factorising the
   ``p x p`` matrix (``n`` near ``p`` with hardly any ridge) and that has at most 8192 rows.
4. If conjugate gradients did not converge, the smaller of the two matrices is factorised when it
   has at most 8192 rows (512 MiB); otherwise the report says that there is no solution.
"""

from __future__ import annotations

import math

import numpy as np

from numerics.khatri_rao import KhatriRaoFeatures
from numerics.ridge_routes import (
    TOLERANCE,
    RidgeSolution,
    SolverReport,
    empirical_second_moment,
    ridge_weight,
    second_moment_preconditioner,
    solve_by_conjugate_gradient,
    solve_by_dual_cholesky,
    solve_by_normal_equations,
)
from numerics.sampling import FloatArray

_CHEAP_KERNEL = 4096  # rows; 128 MiB
_LARGEST_MATRIX = 8192  # rows; 512 MiB
# Thin products run at about half the speed of a large rank-k update (41 against 75 Gflop/s).
_THIN_PRODUCT_COST = 2.0


def predicted_steps(n: int, p: int, lam: float, largest_moment: float) -> float:
    r"""Predict the conjugate-gradient steps of a preconditioned ridge problem with ``n > p``.

    :math:`\tfrac12\sqrt c\,\ln(2/\epsilon)` with
    :math:`c = \frac{(1+\sqrt{p/n})^2 b + \lambda}{(1-\sqrt{p/n})^2 b + \lambda}`, the condition
    number at the edges of the Marchenko-Pastur law and :math:`b` the largest second moment.

    Parameters
    ----------
    n, p : int
        Numbers of prompts and features.
    lam : float
        Ridge, at least 0.
    largest_moment : float
        Largest eigenvalue of the second moment of the contexts.

    Returns
    -------
    float
        Steps to :data:`~numerics.ridge_routes.TOLERANCE`; infinite at ``n = p`` without a ridge.

    References
    ----------
    Y. Saad, Iterative Methods for Sparse Linear Systems (2003), eq. (6.128).

    Examples
    --------
    >>> round(predicted_steps(2000, 1000, 0.0, 1.0))
    69
    """
    root = math.sqrt(p / n)
    low = (1 - root) ** 2 * largest_moment + lam
    if low == 0:
        return math.inf
    condition = ((1 + root) ** 2 * largest_moment + lam) / low
    return 0.5 * math.sqrt(condition) * math.log(2 / TOLERANCE)


def ridge_estimator(features: KhatriRaoFeatures, labels: FloatArray, lam: float) -> RidgeSolution:
    r"""Return the ridge estimator of reduced linear attention from its pretraining prompts.

    .. math::

        \hat\Gamma = \arg\min_\Gamma\ \sum_{\mu\le n}
        (y_\mu - \langle\Gamma, x_\mu h_\mu^\top\rangle)^2 + \tfrac nd\lambda\,|\Gamma|_F^2 .

    Parameters
    ----------
    features : KhatriRaoFeatures
        ``n`` prompts, queries with entries of order ``d**-0.5``.
    labels : ndarray, shape (n,)
        Query labels.
    lam : float
        Ridge, at least 0.  ``lam = 0`` with ``n <= p`` is the interpolator of least norm.

    Returns
    -------
    RidgeSolution
        ``gamma`` of shape (d, m) and the report of the solver.

    Raises
    ------
    ArgumentsError, DomainError
        For labels of another shape or a negative ridge.

    Validity
    --------
    Every route reaches a relative residual of 1e-10 in the same normal equations, or the report
    says that it did not.

    References
    ----------
    arXiv:2405.11751, section "Model" (ridge estimator, penalty ``n lam / d``).

    Examples
    --------
    >>> features = KhatriRaoFeatures(np.eye(2), np.eye(2))
    >>> ridge_estimator(features, np.array([2.0, 4.0]), 1.0).report.method
    'dual Cholesky'
    """
    labels = np.asarray(labels, dtype=np.float64)
    ridge_weight("ridge_estimator", features, labels, lam)
    n, p = len(features), features.count
    if n <= p:
        if n <= _CHEAP_KERNEL:
            return solve_by_dual_cholesky(features, labels, lam)
        solution = solve_by_conjugate_gradient(features, labels, lam)
        if solution.report.converged or n > _LARGEST_MATRIX:
            return solution
        return solve_by_dual_cholesky(features, labels, lam)
    second = empirical_second_moment(features)
    moments = np.linalg.eigvalsh(second)
    if moments[0] + lam <= 1e-12 * moments[-1]:
        # dependent contexts and no ridge: plain steps from zero find the solution of least norm
        return solve_by_conjugate_gradient(features, labels, lam)
    steps = predicted_steps(n, p, lam, float(moments[-1]))
    factorisation = n * p**2 + p**3 / 3
    if p <= _LARGEST_MATRIX and factorisation < _THIN_PRODUCT_COST * 4 * n * p * steps:
        return solve_by_normal_equations(features, labels, lam)
    preconditioner = second_moment_preconditioner(features, second, lam)
    solution = solve_by_conjugate_gradient(features, labels, lam, preconditioner=preconditioner)
    if solution.report.converged or p > _LARGEST_MATRIX:
        return solution
    return solve_by_normal_equations(features, labels, lam)


__all__ = [
    "TOLERANCE",
    "KhatriRaoFeatures",
    "RidgeSolution",
    "SolverReport",
    "empirical_second_moment",
    "predicted_steps",
    "ridge_estimator",
    "second_moment_preconditioner",
    "solve_by_conjugate_gradient",
    "solve_by_dual_cholesky",
    "solve_by_normal_equations",
]
