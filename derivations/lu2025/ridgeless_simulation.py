"""Finite-size Monte Carlo without ridge: least squares of least norm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numerics.monte_carlo import in_context_errors
from numerics.simulation import SimulationResult


def ridgeless_icl_simulation(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    tau: float,
    alpha: float,
    kappa: float,
    rho: float,
    **ensemble: Any,
) -> SimulationResult:
    """Pretrain linear attention without ridge (least squares of least norm); error on new tasks."""
    result = in_context_errors(
        size, tau, alpha, kappa, rho, 0.0, seeds=seeds, seed=seed, **ensemble
    )
    ratios = {name: value for name, value in result.parameters.items() if name != "lam"}
    return replace(result, parameters=ratios).of("icl")


def ridgeless_idg_simulation(**parameters: Any) -> SimulationResult:
    """Pretrain linear attention without ridge; exact error on the pretraining tasks."""
    return ridgeless_icl_simulation(**parameters).of("idg")
