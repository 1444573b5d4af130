"""Monte Carlo over seeds, and the record that every simulation returns.

A simulator is one function of one seed that returns named numbers.  :func:`run_over_seeds` calls
it for each seed, in this process or in several, and the numbers do not depend on which: each seed
is a child of one :class:`numpy.random.SeedSequence`, each call uses one linear-algebra thread, and
results are put in the order of the seeds.  Nothing is written to disk.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from numerics.blas_threads import one_thread, use_one_thread
from numerics.errors import ArgumentsError, ConvergenceError
from numerics.ridge_routes import SolverReport
from numerics.sampling import FloatArray, check_counts

Progress: TypeAlias = Callable[[int, int], None]
Workers: TypeAlias = int | ProcessPoolExecutor


@dataclass(frozen=True)
class SeedOutcome:
    """What one seed of a simulation gave.

    Parameters
    ----------
    values : mapping of str to float
        Named numbers; NaN for one that could not be computed.
    report : SolverReport, optional
        How the linear problem of this seed was solved, where there is one.
    """

    values: Mapping[str, float]
    report: SolverReport | None = None


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error over independent seeds.

    Parameters
    ----------
    mean : float
        Average over seeds.
    standard_error : float
        Standard deviation over seeds divided by the root of their number; NaN for one seed.
    seeds : int
        Number of seeds.

    Examples
    --------
    >>> print(Estimate(1.25, 0.5, 8))
    1.25 +- 0.5 (8 seeds)
    """

    mean: float
    standard_error: float
    seeds: int

    def __str__(self) -> str:
        if self.seeds == 1:
            return f"{self.mean:.6g} (one seed: no standard error)"
        return f"{self.mean:.6g} +- {self.standard_error:.2g} ({self.seeds} seeds)"


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """Numbers of a finite-size simulation, at the ratios it really had.

    Parameters
    ----------
    name : str
        What was simulated.
    size : int
        The dimension whose limit the theory takes.
    parameters : mapping of str to float
        Arguments of the theory at the *realised* ratios, so ``theory(**parameters)`` is the value
        to compare with.
    counts : mapping of str to int
        The integers behind the ratios.
    values : mapping of str to ndarray, shape (seeds,)
        Every number of every seed.
    seed : int
        The seed of the whole run.
    reports : tuple of SolverReport
        Solver report of each seed, empty where nothing was solved.
    quantity : str
        The number that `mean`, `standard_error` and `per_seed` speak of; the first by default.

    Examples
    --------
    >>> values = {"error": np.array([1.0, 2.0, 3.0])}
    >>> result = SimulationResult("demo", 16, {"tau": 0.5}, {"n": 128}, values, 0)
    >>> result.mean, round(result.standard_error, 4), result.per_seed.tolist()
    (2.0, 0.5774, [1.0, 2.0, 3.0])
    >>> result
    demo: size = 16, 3 seeds from seed 0
      at tau = 0.5 (n = 128)
      error = 2 +- 0.58 (3 seeds)
    """

    name: str
    size: int
    parameters: Mapping[str, float]
    counts: Mapping[str, int]
    values: Mapping[str, FloatArray]
    seed: int
    reports: tuple[SolverReport, ...] = field(default=())
    quantity: str = ""

    def __post_init__(self) -> None:
        frozen = {name: np.array(values, np.float64) for name, values in self.values.items()}
        if not frozen or len({values.shape for values in frozen.values()}) != 1:
            raise ArgumentsError(
                "SimulationResult(values=...)",
                "the quantities do not have one value for each of the same seeds",
                "they are averaged, and compared with each other, seed by seed",
                "SimulationResult(..., values={'error': numbers})",
            )
        for values in frozen.values():
            values.flags.writeable = False
        object.__setattr__(self, "values", MappingProxyType(frozen))
        object.__setattr__(self, "quantity", self.quantity or next(iter(frozen)))
        self[self.quantity]  # an unknown quantity is an error here, not later
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return next(iter(self.values.values())).shape[0]

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the numbers that were simulated."""
        return tuple(self.values)

    def __getitem__(self, quantity: str) -> Estimate:
        if quantity not in self.values:
            raise ArgumentsError(
                f"result[{quantity!r}]",
                f"this simulation has no quantity {quantity!r}",
                f"it has {', '.join(self.values)}",
                f"result[{self.quantities[0]!r}]",
            )
        values = self.values[quantity]
        count = values.shape[0]
        spread = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
        return Estimate(float(values.mean()), spread, count)

    def of(self, quantity: str) -> SimulationResult:
        """Return the same record speaking of another quantity."""
        return replace(self, quantity=quantity)

    @property
    def mean(self) -> float:
        """Average over the seeds."""
        return self[self.quantity].mean

    @property
    def standard_error(self) -> float:
        """Standard error of the average; NaN for a single seed."""
        return self[self.quantity].standard_error

    @property
    def per_seed(self) -> FloatArray:
        """The number of every seed."""
        return self.values[self.quantity]

    @property
    def residual(self) -> float:
        """Largest relative residual among the solvers; 0 where nothing was solved."""
        return max((report.relative_residual for report in self.reports), default=0.0)

    @property
    def failures(self) -> tuple[str, ...]:
        """What the solvers said of the seeds that they could not solve (their values are NaN)."""
        return tuple(
            f"seed {index}: {report.sentence}"
            for index, report in enumerate(self.reports)
            if not report.converged
        )

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name} = {value:.6g}" for name, value in self.parameters.items())
        counts = ", ".join(f"{name} = {value}" for name, value in self.counts.items())
        lines = [
            f"{self.name}: size = {self.size}, {self.seeds} seeds from seed {self.seed}",
            f"  at {parameters} ({counts})",
        ]
        lines += [f"  {name} = {self[name]}" for name in self.values]
        if self.reports:
            methods = ", ".join(sorted({report.method for report in self.reports}))
            lines.append(f"  solved by {methods}; largest relative residual {self.residual:.1e}")
        lines += [f"  {sentence}" for sentence in self.failures]
        return "\n".join(lines)


def worker_processes(count: int) -> ProcessPoolExecutor:
    """Start processes for many simulations, each with one linear-algebra thread.

    Starting a process costs about a second, so a sweep of short simulations shares them::

        with worker_processes(2) as pool:
            results = [in_context_errors(..., workers=pool) for kappa in kappas]

    Parameters
    ----------
    count : int
        Number of processes, at least 1.

    Returns
    -------
    concurrent.futures.ProcessPoolExecutor
        To be used in a ``with`` block, which ends the processes.

    Raises
    ------
    DomainError
        If ``count`` is below one.
    """
    check_counts(f"worker_processes({count!r})", count=count)
    # spawn, not fork: a forked OpenBLAS has lost its threads; and the initializer is imported
    # from a module without NumPy, so its environment is set before NumPy is loaded
    return ProcessPoolExecutor(
        count, mp_context=multiprocessing.get_context("spawn"), initializer=use_one_thread
    )


def run_over_seeds(
    one_seed: Callable[[np.random.SeedSequence], SeedOutcome],
    *,
    seeds: int,
    seed: int,
    size: int = 0,
    workers: Workers = 1,
    progress: Progress | None = None,
) -> list[SeedOutcome]:
    """Call a simulator once for each of several independent seeds, in the order of the seeds.

    Parameters
    ----------
    one_seed : callable
        Function of one SeedSequence.  With several workers it travels to other processes: a
        function at the top level of a module, or :func:`functools.partial` of one.
    seeds : int
        How many, at least 1.  The first seeds are the same whatever the number.
    seed : int
        Seed of the whole run, at least 0.
    size : int
        Dimension simulated; sizes of one seed are independent of each other, as a fit over sizes
        assumes, while other parameters at one size share their random numbers.
    workers : int or pool of worker_processes
        Number of processes, started for this call; 1 stays in this one.  Or processes started
        once for many calls.  The values are the same to the last bit.
    progress : callable, optional
        Called as ``progress(done, seeds)`` in this process after each seed.

    Returns
    -------
    list of SeedOutcome

    Raises
    ------
    ArgumentsError, DomainError
        For a seed that is not a non-negative integer, or a count below one.
    ConvergenceError
        If a worker process died.

    Validity
    --------
    Byte-identical for any number of workers on one machine, with the OpenBLAS of the NumPy and
    SciPy wheels (see :func:`numerics.blas_threads.one_thread` for others).

    Examples
    --------
    >>> def one_seed(child):
    ...     return SeedOutcome({"x": np.random.default_rng(child).standard_normal()})
    >>> a, b = (run_over_seeds(one_seed, seeds=n, seed=1) for n in (2, 3))
    >>> a == b[:2]
    True
    """
    call = f"run_over_seeds(..., seeds={seeds!r}, seed={seed!r}, workers={workers!r})"
    check_counts(call, seeds=seeds, size=size + 1)
    if not isinstance(workers, ProcessPoolExecutor):
        check_counts(call, workers=workers)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentsError(
            call,
            f"seed = {seed!r} is not a non-negative integer",
            "the record keeps the seed, and it must bring the same numbers back",
            "run_over_seeds(..., seed=0)",
        )
    children = np.random.SeedSequence(int(seed), spawn_key=(int(size),)).spawn(seeds)
    if workers == 1:
        outcomes: list[SeedOutcome] = []
        for child in children:
            outcomes.append(_with_one_thread(one_seed, child))
            if progress is not None:
                progress(len(outcomes), seeds)
        return outcomes
    if isinstance(workers, int):
        with worker_processes(min(workers, seeds)) as pool:
            return _in_pool(pool, one_seed, children, progress, call)
    return _in_pool(workers, one_seed, children, progress, call)


def _with_one_thread(
    one_seed: Callable[[np.random.SeedSequence], SeedOutcome], child: np.random.SeedSequence
) -> SeedOutcome:
    with one_thread():
        return one_seed(child)


def _in_pool(
    pool: ProcessPoolExecutor,
    one_seed: Callable[[np.random.SeedSequence], SeedOutcome],
    children: list[np.random.SeedSequence],
    progress: Progress | None,
    call: str,
) -> list[SeedOutcome]:
    futures: list[Future[SeedOutcome]] = []
    try:
        futures += [pool.submit(_with_one_thread, one_seed, child) for child in children]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if progress is not None:
                progress(done, len(children))
    except BrokenProcessPool as broken:
        raise ConvergenceError(
            call,
            "a worker process ended without an answer",
            "it was killed, ran out of memory, or the script starts workers while it is being "
            "imported",
            "put the call under `if __name__ == '__main__':`, or write workers=1",
        ) from broken
    finally:
        for future in futures:
            future.cancel()
    return [future.result() for future in futures]
