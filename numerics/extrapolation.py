r"""From several finite sizes to the limit: weighted fits in ``1/d`` and comparison with a theory.

A simulation at one size is off the limit by order ``1/d``, usually by more than its own error
bar, so a theory of the limit is compared with the intercept of a fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from numerics.errors import ArgumentsError, DomainError
from numerics.sampling import FloatArray
from numerics.simulation import SimulationResult


@dataclass(frozen=True, eq=False)
class Extrapolation:
    r"""The limit of a quantity known at several sizes, :math:`a` in :math:`a + b/d (+ c/d^2)`.

    Parameters
    ----------
    coefficients : ndarray, shape (order + 1,)
        :math:`a, b` (and :math:`c`).
    covariance : ndarray, shape (order + 1, order + 1)
        Their covariance, from the standard errors given and not from the scatter.
    chi2 : float
        Weighted sum of squared residuals of the fit.
    degrees_of_freedom : int
        Sizes minus coefficients; 0 means that the fit passes through every point.

    Examples
    --------
    >>> fit = extrapolate([10, 20, 40], [1.2, 1.1, 1.05], [0.01, 0.01, 0.01])
    >>> fit
    1 +- 0.012 as d -> oo (chi2 = 0 for 1 degree of freedom)
    """

    coefficients: FloatArray
    covariance: FloatArray
    chi2: float
    degrees_of_freedom: int

    @property
    def estimate(self) -> float:
        """Value in the limit."""
        return float(self.coefficients[0])

    @property
    def standard_error(self) -> float:
        """Standard error of the value in the limit."""
        return math.sqrt(float(self.covariance[0, 0]))

    @property
    def p_value(self) -> float:
        """Probability of a larger chi2 if the fit is right; NaN without degrees of freedom.

        A tiny value says that the next power of ``1/d`` is missing or the error bars are wrong.
        """
        if self.degrees_of_freedom == 0:
            return math.nan
        return float(gammaincc(self.degrees_of_freedom / 2, self.chi2 / 2))

    def z_score(self, theory: float) -> float:
        """Return the distance of the limit from a theory in standard errors.

        Parameters
        ----------
        theory : float
            Value of the theory.

        Returns
        -------
        float
            ``(estimate - theory) / standard_error``.
        """
        return (self.estimate - theory) / self.standard_error

    def __repr__(self) -> str:
        freedom = self.degrees_of_freedom
        return (
            f"{self.estimate:.6g} +- {self.standard_error:.2g} as d -> oo (chi2 = "
            f"{round(self.chi2, 2):.3g} for {freedom} degree{'' if freedom == 1 else 's'} of "
            "freedom)"
        )


def extrapolate(
    sizes: Sequence[float] | FloatArray,
    values: Sequence[float] | FloatArray,
    standard_errors: Sequence[float] | FloatArray,
    *,
    order: int = 1,
) -> Extrapolation:
    r"""Fit :math:`a + b/d` (``order=1``) or :math:`a + b/d + c/d^2` (``order=2``).

    Weighted least squares with the weights of the standard errors:
    :math:`\min\sum_i [v_i - a - b/d_i - \dots]^2/s_i^2`.

    Parameters
    ----------
    sizes : sequence of float
        Dimensions, above 0, at least ``order + 1`` different ones.
    values : sequence of float
        Value at each size.
    standard_errors : sequence of float
        Standard error of each, above 0.
    order : {1, 2}
        Highest power of ``1/d``.

    Returns
    -------
    Extrapolation

    Raises
    ------
    ArgumentsError
        If the three do not have the same length, or ``order`` is not 1 or 2.
    DomainError
        If a size or an error is not positive, a value is not finite, or there are too few sizes.

    Validity
    --------
    Errors must be independent between sizes.  ``chi2`` and ``p_value`` say whether the order is
    enough for the sizes used.

    References
    ----------
    Weighted linear least squares, e.g. Press et al., Numerical Recipes, section 15.4.

    Examples
    --------
    >>> round(extrapolate([10, 20], [1.2, 1.1], [0.01, 0.01]).estimate, 12)
    1.0
    """
    d, v, s = (np.asarray(x, np.float64) for x in (sizes, values, standard_errors))
    call = "extrapolate(sizes, values, standard_errors)"
    do = "extrapolate([16, 32, 64], values, standard_errors, order=1)"
    if order not in (1, 2):
        raise ArgumentsError(call, f"order = {order!r}", "the fit is in 1/d or also in 1/d^2", do)
    if d.ndim != 1 or d.shape != v.shape or d.shape != s.shape:
        raise ArgumentsError(
            call,
            f"the shapes are {d.shape}, {v.shape} and {s.shape}",
            "there is one value and one standard error for each size",
            do,
        )
    if not (np.all(np.isfinite(v)) and np.all(np.isfinite(d)) and np.all(d > 0)):
        raise DomainError(
            call,
            f"a value or a size is not usable: sizes {d.tolist()}, values {v.tolist()}",
            "a value is NaN when a seed could not be solved: see result.failures",
            do,
        )
    if not (np.all(np.isfinite(s)) and np.all(s > 0)):
        raise DomainError(
            call,
            f"the standard errors {s.tolist()} are not all positive numbers",
            "they are the weights; one seed alone has no standard error",
            "simulate with seeds=8 or more",
        )
    if np.unique(d).size < order + 1:
        raise DomainError(
            call,
            f"{np.unique(d).size} different sizes for {order + 1} coefficients",
            "a fit needs at least as many sizes as coefficients",
            do,
        )
    # in units of the smallest size every column is of order one
    scale = float(d.min())
    design = (scale / d[:, None]) ** np.arange(order + 1) / s[:, None]
    q, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    unit = inverse @ (q.T @ (v / s))
    powers = scale ** np.arange(order + 1)
    spread = powers[:, None] * (inverse @ inverse.T) * powers
    chi2 = float(np.sum((v / s - design @ unit) ** 2))
    return Extrapolation(unit * powers, spread, chi2, int(d.size - order - 1))


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far simulations of several sizes end up from a theory of the limit.

    Parameters
    ----------
    quantity : str
        What was compared.
    sizes : ndarray
        Dimensions.
    simulated, standard_errors : ndarray
        Mean and its standard error at each size.
    theory : ndarray
        Theory at the realised ratios of each size.
    difference : Extrapolation
        Fit of ``simulated - theory``; zero in the limit if the theory holds.
    """

    quantity: str
    sizes: FloatArray
    simulated: FloatArray
    standard_errors: FloatArray
    theory: FloatArray
    difference: Extrapolation

    @property
    def z_score(self) -> float:
        """Extrapolated difference in standard errors; beyond 4 the theory is in trouble."""
        return self.difference.z_score(0.0)

    @property
    def relative_standard_error(self) -> float:
        """Resolution of the comparison: standard error of the difference over the theory.

        A small z-score says little if this is large.
        """
        return self.difference.standard_error / float(np.abs(self.theory[np.argmax(self.sizes)]))

    def __repr__(self) -> str:
        rows = [
            f"  d = {size:g}: simulated {mean:.6g} +- {error:.2g}, theory {value:.6g}"
            for size, mean, error, value in zip(
                self.sizes, self.simulated, self.standard_errors, self.theory, strict=True
            )
        ]
        last = (
            f"  simulated - theory = {self.difference}; z = {self.z_score:.2f}, "
            f"resolution {self.relative_standard_error:.1%}"
        )
        return "\n".join([f"{self.quantity}:", *rows, last])


def compare(
    theory: Callable[..., float],
    results: Sequence[SimulationResult],
    *,
    quantity: str,
    order: int = 1,
) -> Comparison:
    """Compare a theory of the limit with simulations at several sizes, at their realised ratios.

    The theory is evaluated at the ratios each simulation really had, so that rounding of whole
    numbers does not enter; the difference is fitted in ``1/d`` and its limit compared with zero.

    Parameters
    ----------
    theory : callable
        ``theory(**result.parameters)`` returns the value of the limit.
    results : sequence of SimulationResult
        At least ``order + 1`` different sizes, two seeds or more each.
    quantity : str
        Which number of the results, e.g. ``"icl"``.
    order : {1, 2}
        Highest power of ``1/d`` in the fit.

    Returns
    -------
    Comparison

    Raises
    ------
    ArgumentsError, DomainError
        As :func:`extrapolate`, or if a result does not have the quantity.

    Examples
    --------
    >>> def simulated(d):
    ...     values = 2.0 + 3.0 / d + np.array([-0.01, 0.0, 0.01])
    ...     return SimulationResult("demo", d, {"tau": 2.0}, {"n": 2 * d * d}, {"e": values}, 0)
    >>> comparison = compare(lambda tau: tau, [simulated(d) for d in (8, 16, 32)], quantity="e")
    >>> abs(comparison.z_score) < 1e-6, round(float(comparison.difference.coefficients[1]), 6)
    (True, 3.0)
    """
    sizes = np.array([result.size for result in results], np.float64)
    estimates = [result[quantity] for result in results]
    simulated = np.array([estimate.mean for estimate in estimates])
    errors = np.array([estimate.standard_error for estimate in estimates])
    limits = np.array([float(theory(**result.parameters)) for result in results])
    fit = extrapolate(sizes, simulated - limits, errors, order=order)
    return Comparison(quantity, sizes, simulated, errors, limits, fit)
