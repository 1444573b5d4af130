r"""Ridge regression on Khatri-Rao features, by three routes that give the same estimator.

.. math::

    \hat\Gamma = \arg\min_\Gamma\ \sum_{\mu\le n}(y_\mu - \langle\Gamma, x_\mu h_\mu^\top\rangle)^2
    + \tfrac nd\lambda\,|\Gamma|_F^2 .

* :func:`solve_by_conjugate_gradient`: ``O(n d)`` memory, ``4 n d m`` operations a step;
* :func:`solve_by_dual_cholesky`: one ``n x n`` kernel, exact also at ``lam = 0`` when ``n <= p``;
* :func:`solve_by_normal_equations`: one ``p x p`` matrix, the plain reference.

:func:`numerics.ridge.ridge_estimator` chooses among them by counting operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.blas import dsyrk  # pyright: ignore[reportAttributeAccessIssue]
from scipy.linalg.lapack import dpotrf  # pyright: ignore[reportAttributeAccessIssue]

from numerics.errors import ArgumentsError, DomainError
from numerics.khatri_rao import KhatriRaoFeatures
from numerics.sampling import FloatArray

TOLERANCE = 1e-10
"""Relative residual at which a ridge problem counts as solved."""

_MOST_STEPS = 3000


@dataclass(frozen=True)
class SolverReport:
    r"""How one ridge problem was solved, and how well.

    Parameters
    ----------
    method : str
        Name of the route.
    iterations : int
        Conjugate-gradient steps, or refinements of a factorisation.
    relative_residual : float
        :math:`|\Phi^\top(y - \Phi\theta) - \frac nd\lambda\theta|\,/\,|\Phi^\top y|`, recomputed
        from the data after the solution was found, the same quantity for every route.
    converged : bool
        Whether that is at most :data:`TOLERANCE` (or the tolerance asked for).
    sentence : str
        The same for a human.
    """

    method: str
    iterations: int
    relative_residual: float
    converged: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class RidgeSolution:
    """A ridge estimator with the report of its solver.

    Parameters
    ----------
    gamma : ndarray, shape (d, m)
        The estimator; all NaN if a factorisation broke down.
    report : SolverReport
        How it was found; look at ``report.converged`` before using ``gamma``.
    """

    gamma: FloatArray
    report: SolverReport

    def __repr__(self) -> str:
        return f"RidgeSolution(gamma of shape {self.gamma.shape}; {self.report.sentence})"


def ridge_weight(call: str, features: KhatriRaoFeatures, labels: FloatArray, lam: float) -> float:
    r"""Check a ridge problem and return the weight :math:`n\lambda/d` of its penalty.

    Parameters
    ----------
    call : str
        The call to name in an error.
    features, labels, lam
        As in :func:`solve_by_conjugate_gradient`.

    Returns
    -------
    float

    Raises
    ------
    ArgumentsError, DomainError
        For labels of another shape or a negative ridge.
    """
    if labels.shape != (len(features),) or not np.all(np.isfinite(labels)):
        raise ArgumentsError(
            f"{call}(features, labels, lam)",
            f"labels has shape {labels.shape} or an entry that is not finite",
            f"there are {len(features)} prompts with one label each",
            f"{call}(features, prompts.labels, lam)",
        )
    if not (math.isfinite(lam) and lam >= 0):
        raise DomainError(
            f"{call}(features, labels, {lam!r})",
            f"lam = {lam!r} is outside lam >= 0",
            "a negative ridge has no minimum",
            f"{call}(features, labels, 0.1)",
        )
    return lam * len(features) / features.shape[0]


def _solution(
    method: str,
    gamma: FloatArray,
    iterations: int,
    residual: float,
    tolerance: float = TOLERANCE,
) -> RidgeSolution:
    converged = bool(residual <= tolerance)
    state = "solved" if converged else "NOT solved"
    sentence = (
        f"{state} by {method}: relative residual {residual:.1e} "
        f"(asked {tolerance:.0e}) after {iterations} steps"
    )
    return RidgeSolution(gamma, SolverReport(method, iterations, residual, converged, sentence))


def _broken(method: str, shape: tuple[int, int]) -> RidgeSolution:
    sentence = (
        f"NOT solved by {method}: the matrix is not positive definite in float64 "
        "(the ridge is too small for it)"
    )
    report = SolverReport(method, 0, math.inf, False, sentence)
    return RidgeSolution(np.full(shape, np.nan), report)


def _gradient(
    features: KhatriRaoFeatures, labels: FloatArray, ridge: float, gamma: FloatArray
) -> FloatArray:
    return features.weighted_sum(labels - features.predictions(gamma)) - ridge * gamma


def second_moment_preconditioner(
    features: KhatriRaoFeatures, second: FloatArray, lam: float
) -> Callable[[FloatArray], FloatArray]:
    r"""Return the inverse of the normal matrix with its randomness averaged out.

    The average of the normal matrix is :math:`\frac nd\,I\otimes(B + \lambda)`, so its inverse
    is :math:`\Gamma\mapsto\frac dn\Gamma(B + \lambda)^{-1}`: one ``m x m`` product, after which the
    spectrum is that of a Marchenko-Pastur law of ratio ``p / n`` whatever the tasks are.

    Parameters
    ----------
    features : KhatriRaoFeatures
        ``n`` prompts with queries of covariance ``I / d``.
    second : ndarray, shape (m, m)
        :math:`B = E[h h^\top]` over the training prompts, e.g.
        ``training_task_moments(tasks, l, rho).second``.
    lam : float
        Ridge, at least 0.

    Returns
    -------
    callable
        Maps an array of shape (d, m) to one of the same shape.

    Raises
    ------
    ArgumentsError
        If ``second`` is not a positive-definite m x m matrix.

    References
    ----------
    arXiv:2405.11751 for the population covariance of the features.
    """
    d, m = features.shape
    second = np.asarray(second, dtype=np.float64)
    factor, status = (
        dpotrf(second + lam * np.eye(m), lower=1)
        if second.shape == (m, m) and np.all(np.isfinite(second))
        else (second, -1)
    )
    if status != 0:
        raise ArgumentsError(
            f"second_moment_preconditioner(features, array of shape {second.shape}, {lam!r})",
            f"it is not a positive-definite matrix of shape ({m}, {m})",
            "it is the second moment of the context statistics",
            "second_moment_preconditioner(features, moments.second, lam)",
        )
    inverse = cho_solve((factor, True), np.eye(m)) * (d / len(features))
    return lambda gamma: gamma @ inverse


def empirical_second_moment(features: KhatriRaoFeatures) -> FloatArray:
    r"""Return :math:`\frac1n\sum_\mu h_\mu h_\mu^\top`, which needs no knowledge of the tasks.

    Parameters
    ----------
    features : KhatriRaoFeatures

    Returns
    -------
    ndarray, shape (m, m)
    """
    return features.contexts.T @ features.contexts / len(features)


def solve_by_conjugate_gradient(
    features: KhatriRaoFeatures,
    labels: FloatArray,
    lam: float,
    *,
    preconditioner: Callable[[FloatArray], FloatArray] | None = None,
    tolerance: float = TOLERANCE,
    most_steps: int = _MOST_STEPS,
) -> RidgeSolution:
    r"""Solve the ridge problem without forming any large matrix.

    Conjugate gradients from zero on
    :math:`\sum_\mu\langle\Gamma,H_\mu\rangle H_\mu + \frac nd\lambda\Gamma = \sum_\mu y_\mu H_\mu`.

    Parameters
    ----------
    features : KhatriRaoFeatures
        ``n`` prompts.
    labels : ndarray, shape (n,)
        Query labels.
    lam : float
        Ridge, at least 0.  At 0 with ``n < p`` and no preconditioner the limit is the
        interpolator of least norm, which is the ridgeless estimator.
    preconditioner : callable, optional
        Approximate inverse, e.g. :func:`second_moment_preconditioner`; pays for ``n > p``.
    tolerance : float
        Relative residual to stop at.
    most_steps : int
        Steps after which the problem is reported unsolved.

    Returns
    -------
    RidgeSolution
        Not converging is data: see ``report``.

    Raises
    ------
    ArgumentsError, DomainError
        For labels of another shape or a negative ridge.

    Validity
    --------
    Away from ``n = p`` the steps do not grow with ``d``; at ``lam -> 0`` and ``n -> p`` they grow
    as the root of the condition number, :math:`(1+\sqrt{p/n})/|1-\sqrt{p/n}|`.

    References
    ----------
    M. R. Hestenes and E. Stiefel, J. Res. NBS 49, 409 (1952).

    Examples
    --------
    >>> features = KhatriRaoFeatures(np.eye(2), np.eye(2))
    >>> solve_by_conjugate_gradient(features, np.array([2.0, 4.0]), 1.0).gamma
    array([[1., 0.],
           [0., 2.]])
    """
    labels = np.asarray(labels, dtype=np.float64)
    ridge = ridge_weight("solve_by_conjugate_gradient", features, labels, lam)
    name = "conjugate gradients" + (" with second-moment preconditioner" if preconditioner else "")
    apply = preconditioner if preconditioner is not None else np.copy
    gamma = np.zeros(features.shape)
    rest = features.weighted_sum(labels)
    scale = float(np.linalg.norm(rest))
    if scale == 0.0:
        return _solution(name, gamma, 0, 0.0, tolerance)
    steps, relative = 0, 1.0
    # The recursive residual drifts from the true one by rounding: when it has met the tolerance
    # the true one is recomputed, and a second pass starts from there if that has not met it.
    for _ in range(4):
        guess = apply(rest)
        direction = guess
        overlap = float(np.vdot(rest, guess))
        while steps < most_steps and np.linalg.norm(rest) > 0.5 * tolerance * scale:
            image = features.normal_product(direction) + ridge * direction
            curvature = float(np.vdot(direction, image))
            if not curvature > 0:
                break
            length = overlap / curvature
            gamma += length * direction
            rest -= length * image
            guess = apply(rest)
            overlap, previous = float(np.vdot(rest, guess)), overlap
            direction = guess + (overlap / previous) * direction
            steps += 1
        rest = _gradient(features, labels, ridge, gamma)
        relative = float(np.linalg.norm(rest)) / scale
        if relative <= tolerance or steps >= most_steps:
            break
    return _solution(name, gamma, steps, relative, tolerance)


def solve_by_dual_cholesky(
    features: KhatriRaoFeatures, labels: FloatArray, lam: float
) -> RidgeSolution:
    r"""Solve the ridge problem through the kernel of the prompts, exact for ``n <= p``.

    :math:`\hat\Gamma = \sum_\mu\psi_\mu H_\mu` with
    :math:`(K + \frac nd\lambda)\psi = y`, :math:`K = (XX^\top)\odot(HH^\top)`.

    Parameters
    ----------
    features, labels, lam
        As in :func:`solve_by_conjugate_gradient`; at ``lam = 0`` this is the least-norm
        interpolator, which exists for ``n <= p``.

    Returns
    -------
    RidgeSolution

    Raises
    ------
    ArgumentsError, DomainError
        For labels of another shape, a negative ridge, or no ridge with ``n > p``.

    Validity
    --------
    For ``n > p`` the kernel is singular and the dual variables are of order ``1 / lam``: with a
    small ridge they cancel, and the report says that the tolerance was not reached.

    References
    ----------
    C. Saunders, A. Gammerman and V. Vovk, ICML 1998 (ridge regression in dual variables).

    Examples
    --------
    >>> features = KhatriRaoFeatures(np.eye(2), np.eye(2))
    >>> solve_by_dual_cholesky(features, np.array([2.0, 4.0]), 1.0).report.converged
    True
    """
    labels = np.asarray(labels, dtype=np.float64)
    ridge = ridge_weight("solve_by_dual_cholesky", features, labels, lam)
    if ridge == 0 and len(features) > features.count:
        raise DomainError(
            "solve_by_dual_cholesky(features, labels, 0.0)",
            f"n = {len(features)} prompts on p = {features.count} features have a singular kernel",
            "without a ridge the dual problem needs n <= p",
            "solve_by_normal_equations(features, labels, 0.0)",
        )
    kernel = features.gram_matrix()
    kernel[np.diag_indices_from(kernel)] += ridge
    # the transpose is in Fortran order, so LAPACK factorises in place
    factor, status = dpotrf(kernel.T, lower=1, clean=0, overwrite_a=1)
    if status != 0:
        return _broken("dual Cholesky", features.shape)
    dual = cho_solve((factor, True), labels)
    gamma = features.weighted_sum(dual)
    rest = labels - features.predictions(gamma) - ridge * dual
    # one refinement with the matrix-free kernel removes the rounding of the factorisation
    dual += cho_solve((factor, True), rest)
    gamma = features.weighted_sum(dual)
    return _verified("dual Cholesky", features, labels, ridge, gamma, 1)


def solve_by_normal_equations(
    features: KhatriRaoFeatures, labels: FloatArray, lam: float
) -> RidgeSolution:
    r"""Solve the ridge problem the plain way: form the ``p x p`` normal matrix and factorise it.

    :math:`(\Phi^\top\Phi + \frac nd\lambda)\,\mathrm{vec}\,\hat\Gamma = \Phi^\top y`, the matrix
    accumulated over blocks of prompts; ``n p^2 + p^3 / 3`` operations, ``8 p^2`` bytes.

    Parameters
    ----------
    features, labels, lam
        As in :func:`solve_by_conjugate_gradient`; ``lam = 0`` needs ``n >= p``.

    Returns
    -------
    RidgeSolution

    Raises
    ------
    ArgumentsError, DomainError
        For labels of another shape, a negative ridge, or no ridge with ``n < p``.

    Examples
    --------
    >>> features = KhatriRaoFeatures(np.eye(2), np.eye(2))
    >>> solve_by_normal_equations(features, np.array([2.0, 4.0]), 1.0).report.converged
    True
    """
    labels = np.asarray(labels, dtype=np.float64)
    ridge = ridge_weight("solve_by_normal_equations", features, labels, lam)
    n, p = len(features), features.count
    if ridge == 0 and n < p:
        raise DomainError(
            "solve_by_normal_equations(features, labels, 0.0)",
            f"n = {n} prompts on p = {p} features have a singular normal matrix",
            "without a ridge the primal problem needs n >= p",
            "solve_by_dual_cholesky(features, labels, 0.0)",
        )
    normal = np.zeros((p, p), order="F")
    rows = max(1, (16 << 20) // (8 * p))
    for start in range(0, n, rows):
        block = features.feature_rows(slice(start, start + rows))
        normal = dsyrk(1.0, block.T, beta=1.0, c=normal, lower=1, overwrite_c=1)
    normal[np.diag_indices(p)] += ridge
    factor, status = dpotrf(normal, lower=1, clean=0, overwrite_a=1)
    if status != 0:
        return _broken("normal equations", features.shape)
    gamma = cho_solve((factor, True), features.weighted_sum(labels).ravel())
    rest = _gradient(features, labels, ridge, gamma.reshape(features.shape))
    gamma += cho_solve((factor, True), rest.ravel())
    return _verified("normal equations", features, labels, ridge, gamma.reshape(features.shape), 1)


def _verified(
    method: str,
    features: KhatriRaoFeatures,
    labels: FloatArray,
    ridge: float,
    gamma: FloatArray,
    steps: int,
) -> RidgeSolution:
    scale = float(np.linalg.norm(features.weighted_sum(labels)))
    rest = float(np.linalg.norm(_gradient(features, labels, ridge, gamma)))
    return _solution(method, gamma, steps, rest / scale if scale > 0 else rest)
