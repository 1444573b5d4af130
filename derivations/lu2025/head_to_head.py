"""The authors' public demonstration, timed: g_task against kappa, linear attention and dMMSE.

``python -m derivations.lu2025.head_to_head --size 32`` computes g_task for twelve kappa from 0.2
to 32 (alpha = 10, tau = 10, rho = 0.01, lam = 1e-6, 20 averages) and the same for the Bayes
estimator for the list of tasks (1000 averages); ``--large`` one point at d = 200, tau = 2.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import derivations
from derivations.lu2025.figure_data import (
    available_processes,
    linear_attention,
    listed_tasks,
)
from numerics.monte_carlo_sweep import MonteCarloSweep, grid
from numerics.progress import progress
from numerics.simulation import Estimate, worker_processes

ALPHA, TAU, RHO, LAM = 10.0, 10.0, 0.01, 1e-6
KAPPAS = tuple(float(k) for k in np.geomspace(0.2, 32, 12))
AVERAGES = 20
LISTS, TRIALS = 10, 100  # 1000 averages of the dMMSE error: lists of tasks, contexts for each
LARGE, LARGE_TAU, LARGE_KAPPA = 200, 2.0, 1.0


@dataclass(frozen=True)
class Row:
    """One kappa: realised value, theory, both simulations of g_task."""

    kappa: float
    theory: float
    linear: Estimate
    listed: Estimate


@dataclass(frozen=True)
class Timed:
    """The rows, how long each part took in seconds, and the processor time of all processes."""

    rows: tuple[Row, ...]
    start: float
    linear: float
    listed: float
    processor: float


def head_to_head(size: int, seed: int = 0, processes: int | None = None) -> Timed:
    """Compute the demonstration at one dimension.

    Parameters
    ----------
    size : int
        Dimension.
    seed : int
        Of the run.
    processes : int, optional
        As many as there are cores if absent.

    Returns
    -------
    Timed
    """
    points = grid(kappa=KAPPAS, alpha=[ALPHA], rho=[RHO])
    linear = MonteCarloSweep(
        "head to head",
        linear_attention,
        [{**p, "tau": TAU, "lam": LAM} for p in points],
        [size],
        AVERAGES,
        seed,
    )
    listed = MonteCarloSweep(
        "head to head dmmse",
        listed_tasks,
        [{**p, "trials": TRIALS} for p in points],
        [size],
        LISTS,
        seed,
    )
    begin, used = time.perf_counter(), _processor_time()
    with worker_processes(processes or available_processes()) as pool:
        pool.submit(abs, 0).result()
        started = time.perf_counter()
        with progress(f"linear attention, d = {size}", len(linear.cells())) as advance:
            models = linear.run(workers=pool, progress=lambda done, total: advance(1))
        middle = time.perf_counter()
        with progress(f"dMMSE, d = {size}", len(listed.cells())) as advance:
            bayes = listed.run(workers=pool, progress=lambda done, total: advance(1))
        end = time.perf_counter()
    used = _processor_time() - used  # of processes that have ended, so not earlier
    gap = derivations.get("lu2025.task_generalization_gap").result
    rows = []
    for i in range(len(points)):
        one, other = models.result(i, size), bayes.result(i, size)
        theory = float(gap(**dict[str, Any](one.parameters)))
        rows.append(Row(one.parameters["kappa"], theory, one["g_task"], other["g_task"]))
    return Timed(tuple(rows), started - begin, middle - started, end - middle, used)


def _processor_time() -> float:
    """Return the seconds of processor time used so far, ended processes included."""
    here = os.times()
    return here.user + here.system + here.children_user + here.children_system


def large_point(seed: int = 0) -> tuple[float, float, float]:
    """Simulate one seed at d = 200, tau = 2: both errors and the seconds it took."""
    begin = time.perf_counter()
    result = linear_attention(
        size=LARGE, seeds=1, seed=seed, tau=LARGE_TAU, alpha=ALPHA, kappa=LARGE_KAPPA,
        rho=RHO, lam=LAM,
    )  # fmt: skip
    return result["icl"].mean, result["idg"].mean, time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and the times."""
    parser = argparse.ArgumentParser(prog="derivations.lu2025.head_to_head", description=__doc__)
    parser.add_argument("--size", type=int, default=32, help="dimension")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run")
    parser.add_argument("--processes", type=int, default=None, help="all cores by default")
    parser.add_argument("--large", action="store_true", help="one point at d = 200 instead")
    options = parser.parse_args(arguments)
    if options.large:
        icl, idg, seconds = large_point(options.seed)
        theory = [
            float(derivations.get(f"lu2025.{name}_error").result(
                tau=LARGE_TAU, alpha=ALPHA, kappa=LARGE_KAPPA, rho=RHO, lam=LAM
            ))
            for name in ("icl", "idg")
        ]  # fmt: skip
        _say(f"d = {LARGE}, tau = {LARGE_TAU:g}, kappa = {LARGE_KAPPA:g}: e_ICL = {icl:.6g} "
             f"(theory {theory[0]:.6g}), e_IDG = {idg:.6g} (theory {theory[1]:.6g}), "
             f"{seconds:.1f} s")  # fmt: skip
        return
    timed = head_to_head(options.size, options.seed, options.processes)
    _say(f"{'kappa':>8} {'theory':>11} {'linear attention':>24} {'dMMSE':>20}")
    for row in timed.rows:
        linear = f"{row.linear.mean:.5g} +- {row.linear.standard_error:.2g}"
        listed = f"{row.listed.mean:.5g} +- {row.listed.standard_error:.2g}"
        _say(f"{row.kappa:8.3f} {row.theory:11.5g} {linear:>24} {listed:>20}")
    total = timed.start + timed.linear + timed.listed
    _say(
        f"d = {options.size}: {total:.1f} s (processes {timed.start:.1f} s, linear attention "
        f"{timed.linear:.1f} s, dMMSE {timed.listed:.1f} s), {timed.processor:.1f} s of processor "
        "time"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
