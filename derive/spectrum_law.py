"""Laws that are not algebraic: power-law spectra and given lists of eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import ArrayLike
from sympy import Expr, hyper

from derive.algebraic_law import kept_conditions
from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.exact_input import exact
from derive.polynomial_ring import Exact


@dataclass(frozen=True)
class PowerLaw:
    """The law of eigenvalues s (k/N)^-nu, k = 1 ... N, as N -> oo.

    ``x = s u^-nu`` with u uniform on (0, 1): the density is (1/nu) s^(1/nu) x^(-1-1/nu), x > s.

    Parameters
    ----------
    nu : exact number or symbol
        Decay exponent, nu > 0.
    scale : exact number or symbol
        s > 0, the smallest eigenvalue.

    Raises
    ------
    DomainError
        nu or the scale is not positive.

    Validity
    --------
    The support is [s, oo): only moments below 1/nu exist, and no R- or S-transform is a power
    series at zero.

    References
    ----------
    Clauset, Shalizi & Newman, SIAM Rev. 51 (2009) 661 (Pareto law, tail index 1/nu).

    Examples
    --------
    >>> PowerLaw("1/3", scale=2).moments(2)
    [3, 12]
    """

    nu: Expr
    scale: Expr

    def __init__(self, nu: Exact, scale: Exact = 1):
        call = f"PowerLaw(nu={nu}, scale={scale})"
        object.__setattr__(self, "nu", exact(nu, call))
        object.__setattr__(self, "scale", exact(scale, call))
        kept_conditions(call, (sympy.Gt(self.nu, 0), sympy.Gt(self.scale, 0)))

    def tau_transform(self, z: Exact | Expr) -> Expr:
        """Return tr X (z + X)^-1 = int_0^1 du / (1 + (z/s) u^nu), z > 0.

        Examples
        --------
        >>> PowerLaw(2, scale=3).tau_transform(5).evalf(10)
        0.7062294434
        """
        point = exact(z, "PowerLaw.tau_transform(z)")  # type: ignore[arg-type]
        power = 1 / self.nu
        return hyper((1, power), (1 + power,), -point / self.scale)

    def stieltjes_transform(self, z: Exact | Expr) -> Expr:
        """Return m(z) = int rho(dx)/(x - z) = [tau(-z) - 1]/z off the support."""
        point = exact(z, "PowerLaw.stieltjes_transform(z)")  # type: ignore[arg-type]
        return (self.tau_transform(-point) - 1) / point

    def moments(self, count: int) -> list[Expr]:
        """Return s^n/(1 - n nu) for n = 1 ... count.

        Raises
        ------
        ConditionError
            A moment is infinite, or it is not known whether it is.
        """
        if not (self.nu * count < 1) == True:  # noqa: E712  (an undecided relation is not True)
            raise ConditionError(
                f"PowerLaw(nu={self.nu}).moments({count})",
                f"the moment of order {count} is not known to be finite",
                f"int x^n rho(dx) converges for n nu < 1 only, and nu = {self.nu}",
                "tau_transform(z), which exists for each nu > 0",
            )
        return [self.scale**n / (1 - n * self.nu) for n in range(1, count + 1)]

    def spectrum(self, size: int) -> EmpiricalLaw:
        """Return the N eigenvalues s ((k - 1/2)/N)^-nu as a list, for checks at finite size."""
        if self.nu.free_symbols or self.scale.free_symbols:
            raise ArgumentsError(
                "PowerLaw.spectrum(size)",
                "the law has free parameters",
                "a list of eigenvalues is numeric",
                "PowerLaw(nu, scale) with numbers",
            )
        places = (np.arange(size) + 0.5) / size
        return EmpiricalLaw(float(self.scale) * places ** -float(self.nu))


@dataclass(frozen=True, eq=False)
class EmpiricalLaw:
    """The law of a given list of eigenvalues, in float64.

    ``rho = sum_i w_i delta(x - x_i)``.

    Parameters
    ----------
    eigenvalues : array_like of float, shape (d,)
        Finite.
    weights : array_like of float, shape (d,), optional
        Positive with sum one; equal by default.

    Raises
    ------
    DomainError
        An entry is not finite, or the weights are not positive with sum one.

    Validity
    --------
    Numbers only. For exact free convolutions use :func:`derive.law.atoms`.

    Examples
    --------
    >>> EmpiricalLaw([1.0, 3.0]).moments(2).tolist()
    [2.0, 5.0]
    """

    eigenvalues: np.ndarray
    weights: np.ndarray

    def __init__(self, eigenvalues: ArrayLike, weights: ArrayLike | None = None):
        values = np.array(eigenvalues, dtype=float).ravel()
        shares = (
            np.full(values.shape, 1.0 / max(values.size, 1))
            if weights is None
            else np.array(weights, dtype=float).ravel()
        )
        fine = values.size > 0 and np.isfinite(values).all() and shares.shape == values.shape
        if not fine or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-12:
            raise DomainError(
                "EmpiricalLaw(eigenvalues, weights)",
                "the eigenvalues or weights do not make a law",
                "eigenvalues are finite, weights positive with sum 1, of the same length",
                "EmpiricalLaw(eigenvalues) for equal weights",
            )
        object.__setattr__(self, "eigenvalues", values)
        object.__setattr__(self, "weights", shares)

    def stieltjes_transform(self, z: ArrayLike) -> np.ndarray:
        """Return m(z) = sum_i w_i/(x_i - z), any shape of z.

        Examples
        --------
        >>> EmpiricalLaw([1.0, 3.0]).stieltjes_transform(-1.0).item()
        0.375
        """
        points = np.asarray(z)[..., None]
        return (self.weights / (self.eigenvalues - points)).sum(axis=-1)

    def tau_transform(self, z: ArrayLike) -> np.ndarray:
        """Return tr X (z + X)^-1 = sum_i w_i x_i/(z + x_i), any shape of z."""
        points = np.asarray(z)[..., None]
        return (self.weights * self.eigenvalues / (points + self.eigenvalues)).sum(axis=-1)

    def moments(self, count: int) -> np.ndarray:
        """Return the moments m_1 ... m_count."""
        powers = self.eigenvalues[None, :] ** np.arange(1, count + 1)[:, None]
        return powers @ self.weights
