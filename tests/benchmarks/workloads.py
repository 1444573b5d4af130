"""The formulas that are timed, their points, and what a user would write instead of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

import derivations
from derive.formula import Formula

CLOSED = "lu2025.icl_error_ridgeless"  # both sides of the threshold, without a ridge
ROOT = "lu2025.icl_error"  # over the root xi
BOX = {"tau": (0.1, 10.0), "alpha": (0.1, 10.0), "kappa": (0.1, 10.0), "rho": (0.01, 1.0)}
BOX |= {"lam": (1e-6, 10.0)}


@dataclass(frozen=True)
class Setting:
    """How much is measured.

    Parameters
    ----------
    points : int
        Of the large arrays.
    rounds : int
        Of the alternation.
    seconds : float
        Least length of a visit.
    """

    points: int = 1_000_000
    rounds: int = 11
    seconds: float = 0.02

    @property
    def side(self) -> int:
        """Length of the axes of a square grid of about so many points."""
        return round(self.points**0.5)

    def fewer(self, points: int, rounds: int | None = None) -> Setting:
        """Return the setting for a slower contender."""
        return Setting(min(points, self.points), min(rounds or self.rounds, self.rounds), 0.0)


FULL = Setting()
QUICK = Setting(points=200_000, rounds=5, seconds=0.005)


@cache
def closed_form() -> Formula:
    """Return the closed form in one piece for both sides of the threshold."""
    return derivations.get(CLOSED).result


@cache
def printed_form() -> Formula:
    """Return the closed form above the threshold as the paper prints it."""
    return derivations.get(CLOSED).results["above"]


@cache
def root_form() -> Formula:
    """Return the error over its fixed point."""
    return derivations.get(ROOT).result


def scattered(
    formula: Formula, count: int, seed: int = 20261122, box: Mapping[str, Any] = BOX
) -> dict[str, Any]:
    """Draw points log-uniformly from a box, every argument a contiguous array.

    Parameters
    ----------
    formula : Formula
        Whose arguments are drawn; above the threshold tau starts at 1.1.
    count : int
        Number of points.
    seed : int
        Of the generator.
    box : mapping of str to pair of float
        Range of every argument.

    Returns
    -------
    dict of str to ndarray
        In the order of the arguments.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for name in formula.args:
        low, high = box[name]
        if name == "tau" and formula.name.endswith(":above"):
            low = 1.1
        found[name] = np.exp(rng.uniform(np.log(low), np.log(high), count))
    return found


def resolvent_trace(kappa: Any, u: Any) -> tuple[Any, Any]:
    """Return M and its slope as a user writes them in NumPy, from the printed root."""
    b = u + 1 - 1 / kappa
    s = np.sqrt(b**2 + 4 * u / kappa)
    m = 2 / (b + s)
    return m, -(m**2 / kappa + m) / s


def root_condition(xi: Any, tau: Any, alpha: Any, kappa: Any, rho: Any, lam: Any) -> Any:
    """Return the left side of the fixed point as a user writes it, zero at the root."""
    m, _ = resolvent_trace(kappa, (1 + rho) / alpha + xi)
    return xi * m - tau * lam / xi + tau - 1


def root_slope(xi: Any, tau: Any, alpha: Any, kappa: Any, rho: Any, lam: Any) -> Any:
    """Return the derivative of the fixed point in xi."""
    m, slope = resolvent_trace(kappa, (1 + rho) / alpha + xi)
    return m + xi * slope + tau * lam / xi**2


@cache
def root_by_sympy() -> tuple[Any, Any, Any]:
    """Return the fixed point, its slope and the error at the root as lambdify makes them."""
    xi, tau, alpha, kappa, rho, lam = symbols = sp.symbols("xi tau alpha kappa rho lam")
    u, q = sp.Symbol("u"), (1 + rho) / alpha
    b = u + 1 - 1 / kappa
    trace = 2 / (b + sp.sqrt(b**2 + 4 * u / kappa))
    z = q + xi
    m, slope = (e.subs(u, z) for e in (trace, sp.diff(trace, u)))
    condition = xi * m - tau * lam / xi + tau - 1
    w = 1 - 2 * z * m - z**2 * slope
    denominator = tau - (1 - 2 * xi * m - xi**2 * slope)
    variance = (rho + z - z**2 * m - xi * w) / denominator * (m + xi * slope)
    error = 1 + rho - 2 * (1 - z * m) + (1 + q) * (w + variance)
    lines = (condition, sp.diff(condition, xi), error)
    condition, slope, error = (sp.lambdify(symbols, e, modules="numpy", cse=True) for e in lines)
    return condition, slope, error


def root_below(tau: Any, alpha: Any, kappa: Any, rho: Any, lam: Any) -> Any:
    """Return a lower bound of the root: M frozen at xi = 0 leaves a quadratic."""
    m, _ = resolvent_trace(kappa, (1 + rho) / alpha)
    b = 1 - tau
    s = np.sqrt(b**2 + 4 * m * tau * lam)
    return np.where(b > 0, (b + s) / (2 * m), 2 * tau * lam / (s - b))


def error_at_root(xi: Any, tau: Any, alpha: Any, kappa: Any, rho: Any, lam: Any) -> Any:
    """Return the error at a known root as a user writes it, from the printed formulas."""
    q = (1 + rho) / alpha
    z = q + xi
    m, slope = resolvent_trace(kappa, z)
    w = 1 - 2 * z * m - z**2 * slope
    residual = rho + z - z**2 * m - xi * w
    denominator = tau - (1 - 2 * xi * m - xi**2 * slope)
    variance = residual / denominator * (m + xi * slope)
    return 1 + rho - 2 * (1 - z * m) + (1 + q) * (w + variance)
