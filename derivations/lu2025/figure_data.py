"""What the figures of Lu et al. share: their ensembles, their studies, the table of numbers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np

from numerics.cache import cache_folder
from numerics.monte_carlo import discrete_bayes, in_context_errors
from numerics.monte_carlo_sweep import MonteCarloSweep, SweepResult
from numerics.simulation import SimulationResult, worker_processes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
# Below this dimension a simulation is over before a second process has started.
SEVERAL_PROCESSES = 32


def linear_attention(*, size: int, seeds: int, seed: int, **at: float) -> SimulationResult:
    """Pretrain linear attention on the authors' ensemble: spherical tasks, each used as often."""
    return in_context_errors(
        size,
        at["tau"],
        at["alpha"],
        at["kappa"],
        at["rho"],
        at["lam"],
        seeds=seeds,
        seed=seed,
        tasks="spherical",
        balanced=True,
    )


def listed_tasks(
    *, size: int, seeds: int, seed: int, alpha: float, kappa: float, rho: float, trials: float
) -> SimulationResult:
    """Average the Bayes estimator for the list of pretraining tasks over contexts."""
    return discrete_bayes(
        size, alpha, kappa, rho, trials=int(trials), seeds=seeds, seed=seed, tasks="spherical"
    )


def run_studies(
    studies: Sequence[MonteCarloSweep],
    progress: Callable[[int, int], None] | None,
    *,
    keep: bool = True,
) -> list[SweepResult]:
    """Run studies one after the other with the same processes; finished cells are found again.

    Parameters
    ----------
    studies : sequence of MonteCarloSweep
        What to simulate.
    progress : callable or None
        Called as ``progress(done, total)`` over the cells of all studies.
    keep : bool
        Whether finished cells are kept in the cache of the user, so that a killed run goes on
        where it was; without it everything is computed.

    Returns
    -------
    list of SweepResult
    """
    folder = cache_folder() / "studies" / "lu2025"
    total = sum(len(s.cells()) for s in studies)
    count = available_processes() if max(max(s.sizes) for s in studies) >= SEVERAL_PROCESSES else 1
    results: list[SweepResult] = []
    before = 0
    with worker_processes(count) if count > 1 else nullcontext(1) as workers:
        for study in studies:
            start = before

            def report(done: int, _: int, start: int = start) -> None:
                if progress is not None:
                    progress(start + done, total)

            # A folder each, since one process at a time works in a folder: two figures at once.
            own = folder / hashlib.sha256(study.study.encode()).hexdigest()[:32] if keep else None
            results.append(study.run(own, workers=workers, progress=report))
            before += len(study.cells())
    return results


def available_processes() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def measured(
    results: Sequence[SimulationResult], parameter: str, quantity: str
) -> tuple[list[float], list[float], list[float]]:
    """Return the realised parameter, the mean and its standard error of each simulation."""
    estimates = [r[quantity] for r in results]
    return (
        [r.parameters[parameter] for r in results],
        [e.mean for e in estimates],
        [e.standard_error for e in estimates],
    )


class Numbers:
    """The table beside a picture: columns that grow together."""

    def __init__(self, *names: str):
        self.columns: dict[str, list[float | str]] = {name: [] for name in names}

    def add(self, **values: float | str | np.ndarray | Sequence[float]) -> None:
        """Append rows; single values are repeated along the arrays."""
        rows = max(np.size(v) for v in values.values())
        for name in self.columns:
            value = values.get(name, "")
            if isinstance(value, str):
                self.columns[name] += [value] * rows
            else:
                column = np.broadcast_to(np.asarray(value, np.float64).reshape(-1), (rows,))
                self.columns[name] += column.tolist()


def caption(size: int, seeds: int, extra: str = "") -> str:
    """Return the line below a picture that says what lines and points are."""
    return (
        f"lines: theory; points: simulations at d = {size}, {seeds} seeds, one standard error"
        f"{extra}"
    )


__all__ = [
    "COLORS",
    "Numbers",
    "available_processes",
    "caption",
    "linear_attention",
    "listed_tasks",
    "measured",
    "run_studies",
]
