"""Monte Carlo over a grid of parameters, sizes and seeds: resumable, in several processes.

The unit of work is a cell: one point, one size, one replica. Its random numbers follow from the
name of the study and the cell alone, so neither the order of the cells, nor the number of
processes, nor an interruption changes a result; a killed run loses the cells in flight. Cells are
kept by content in a :class:`~numerics.block_store.BlockStore`: a study can be extended by points,
sizes and replicas, and what is there already is not computed again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from numerics.block_store import BlockStore
from numerics.errors import ArgumentsError, ConvergenceError
from numerics.sampling import check_counts
from numerics.simulation import Progress, SimulationResult, Workers, worker_processes

Simulator = Callable[..., SimulationResult]
IN_FLIGHT = 2  # cells per process that wait or run at one time


@dataclass(frozen=True)
class Cell:
    """One replica at one point and one size.

    Parameters
    ----------
    parameters : tuple of (str, float)
        Arguments of the simulator by name, in the order of the study.
    size : int
        Dimension.
    replica : int
        Number of the replica, from 0.
    """

    parameters: tuple[tuple[str, float], ...]
    size: int
    replica: int

    def digest(self, study: str) -> str:
        """Return the SHA-256 that names this cell within a study, in hexadecimal."""
        point = sorted((name, float(value).hex()) for name, value in self.parameters)
        text = json.dumps([study, point, self.size, self.replica])
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        point = ", ".join(f"{n} = {v:g}" for n, v in self.parameters)
        return f"{point} at size {self.size}, replica {self.replica}"


@dataclass(frozen=True, eq=False)
class CellOutcome:
    """What one cell gave: named numbers at the realised parameters, or why there are none.

    Parameters
    ----------
    cell : Cell
        Which one.
    values : mapping of str to float
        Empty for a failed cell.
    realised : mapping of str to float
        Parameters at the ratios that the integers gave.
    counts : mapping of str to int
        The integers.
    failure : str
        Why the cell has no values; empty if it has.
    quantity : str
        The number the simulation speaks of.
    """

    cell: Cell
    values: Mapping[str, float]
    realised: Mapping[str, float]
    counts: Mapping[str, int]
    failure: str = ""
    quantity: str = ""


@dataclass(frozen=True, eq=False)
class MonteCarloSweep:
    """A study: a simulator over a grid of points, sizes and replicas.

    Parameters
    ----------
    name : str
        Of the study; with ``seed`` it decides the random numbers.
    simulate : callable
        ``simulate(size=..., seeds=1, seed=..., **parameters)`` returns a SimulationResult; a
        function at the top level of a module, so that it travels to other processes.
    points : sequence of mapping of str to float
        Arguments of the simulator, the same names at every point.
    sizes : sequence of int
        Dimensions.
    replicas : int
        Independent replicas of every point and size.
    seed : int
        Seed of the study.

    Raises
    ------
    ArgumentsError
        If the points do not have the same parameters, or one occurs twice.

    Examples
    --------
    >>> from numerics.monte_carlo_sweep import MonteCarloSweep, grid
    >>> from numerics.monte_carlo import ridge_bayes
    >>> def simulate(*, size, seeds, seed, **at):
    ...     return ridge_bayes(size, seeds=seeds, seed=seed, **at)
    >>> study = MonteCarloSweep("bayes", simulate, grid(alpha=[1, 2], rho=[0.1]), [8, 16], 3)
    >>> result = study.run()
    >>> len(result.outcomes), result.result(0, 16).seeds, result.failures
    (12, 3, ())
    """

    name: str
    simulate: Simulator
    points: Sequence[Mapping[str, float]]
    sizes: Sequence[int]
    replicas: int
    seed: int = 0

    def __post_init__(self) -> None:
        call = f"MonteCarloSweep({self.name!r}, ...)"
        check_counts(call, replicas=self.replicas, points=len(self.points), sizes=len(self.sizes))
        check_counts(call, **{f"size_{i}": size for i, size in enumerate(self.sizes)})
        names = {tuple(sorted(point)) for point in self.points}
        cells = self.cells()
        if len(names) != 1 or len(set(cells)) != len(cells):
            raise ArgumentsError(
                call,
                "the points do not all have the same parameters, or one occurs twice",
                "a study is a table with one row for each point, size and replica",
                "MonteCarloSweep(name, simulate, grid(tau=[0.5, 2], alpha=[1]), [16, 32], 8)",
            )

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells in the order of the table: points, then sizes, then replicas."""
        points = [tuple((n, float(v)) for n, v in p.items()) for p in self.points]
        numbers = range(self.replicas)
        return tuple(Cell(*at) for at in product(points, map(int, self.sizes), numbers))

    def cell_seed(self, cell: Cell) -> int:
        """Return the seed of one cell, a hash of the study and the cell."""
        return int(cell.digest(f"{self.name} seed {self.seed}")[:15], 16)

    @property
    def study(self) -> str:
        """What decides the numbers of a cell besides the cell: name, seed, simulator, sources."""
        function = f"{self.simulate.__module__}.{getattr(self.simulate, '__qualname__', '')}"
        return f"{self.name} seed {self.seed} {function} {_sources()}"

    def run(
        self,
        folder: str | Path | None = None,
        *,
        workers: Workers = 1,
        progress: Progress | None = None,
    ) -> SweepResult:
        """Compute the cells that are not kept yet and return all of them.

        Parameters
        ----------
        folder : str or Path, optional
            Where cells are kept, one verified file each; nothing is kept if absent.
        workers : int or pool of worker_processes
            Processes, each with one linear-algebra thread; the numbers do not depend on them.
        progress : callable, optional
            Called as ``progress(done, cells)``, with the cells found in the folder first.

        Returns
        -------
        SweepResult

        Raises
        ------
        ConvergenceError
            If a process died; the cells that were ready are kept.
        OutputError
            If the folder cannot be written or another process is at work in it.
        """
        cells = self.cells()
        ready: dict[Cell, CellOutcome] = {}
        keep = None if folder is None else _Keep(Path(folder), self.study)
        with keep.store.hold() if keep is not None else nullcontext():
            if keep is not None:
                ready = {c: found for c in cells if (found := keep.read(c)) is not None}
            if progress is not None and ready:
                progress(len(ready), len(cells))
            missing = [c for c in cells if c not in ready]
            for outcome in self._outcomes(missing, workers):
                if keep is not None:
                    keep.write(outcome)
                ready[outcome.cell] = outcome
                if progress is not None:
                    progress(len(ready), len(cells))
        return SweepResult(self, tuple(ready[c] for c in cells))

    def _outcomes(self, cells: Sequence[Cell], workers: Workers) -> Iterator[CellOutcome]:
        if workers == 1 or not cells:
            for cell in cells:
                yield one_cell(self.simulate, cell, self.cell_seed(cell))
            return
        if isinstance(workers, int):
            with worker_processes(min(workers, len(cells))) as pool:
                yield from self._in_pool(pool, workers, cells)
        else:
            yield from self._in_pool(workers, getattr(workers, "_max_workers", 2), cells)

    def _in_pool(
        self, pool: ProcessPoolExecutor, count: int, cells: Sequence[Cell]
    ) -> Iterator[CellOutcome]:
        waiting = iter(cells)
        running: set[Future[CellOutcome]] = set()
        try:
            while True:
                for cell in waiting:
                    running.add(pool.submit(one_cell, self.simulate, cell, self.cell_seed(cell)))
                    if len(running) >= IN_FLIGHT * count:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as broken:
            raise ConvergenceError(
                f"MonteCarloSweep({self.name!r}, ...).run(...)",
                "a worker process ended without an answer",
                "it was killed or ran out of memory; the cells that were ready are kept",
                "run it again with the same folder, and with workers=1 if memory is short",
            ) from broken
        finally:
            for future in running:
                future.cancel()


def one_cell(simulate: Simulator, cell: Cell, seed: int) -> CellOutcome:
    """Run one cell; an error becomes the reason of a failed cell.

    Parameters
    ----------
    simulate : callable
        The simulator.
    cell : Cell
        What to run.
    seed : int
        Its seed.

    Returns
    -------
    CellOutcome
    """
    try:
        result = simulate(size=cell.size, seeds=1, seed=seed, **dict(cell.parameters))
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        return CellOutcome(cell, {}, {}, {}, f"{type(error).__name__}: {error}"[:2000])
    values = {name: float(numbers[0]) for name, numbers in result.values.items()}
    failure = "; ".join(result.failures)
    if not failure and not all(math.isfinite(v) for v in values.values()):
        failure = "a value is not finite: " + ", ".join(f"{n} = {v}" for n, v in values.items())
    return CellOutcome(
        cell,
        {} if failure else values,
        dict(result.parameters),
        dict(result.counts),
        failure,
        result.quantity,
    )


@dataclass(frozen=True, eq=False)
class SweepResult:
    """All cells of a study in the order of its table.

    Parameters
    ----------
    sweep : MonteCarloSweep
        The study.
    outcomes : tuple of CellOutcome
        One for each cell.
    """

    sweep: MonteCarloSweep
    outcomes: tuple[CellOutcome, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """Why cells have no values, one sentence each."""
        return tuple(f"{o.cell}: {o.failure}" for o in self.outcomes if o.failure)

    def result(self, point: int, size: int) -> SimulationResult:
        """Return the replicas of one point and size as one simulation; failed ones left out.

        Parameters
        ----------
        point : int
            Number of the point.
        size : int
            Dimension.

        Returns
        -------
        SimulationResult

        Raises
        ------
        ConvergenceError
            If every replica failed.
        """
        parameters = tuple((n, float(v)) for n, v in self.sweep.points[point].items())
        mine = [o for o in self.outcomes if (o.cell.parameters, o.cell.size) == (parameters, size)]
        good = [o for o in mine if not o.failure]
        if not good:
            raise ConvergenceError(
                f"SweepResult.result({point}, {size})",
                f"none of the {len(mine)} replicas has values",
                mine[0].failure if mine else "the study has no such point and size",
                "look at SweepResult.failures",
            )
        first = good[0]
        return SimulationResult(
            self.sweep.name,
            size,
            first.realised,
            first.counts,
            {n: np.array([o.values[n] for o in good]) for n in first.values},
            self.sweep.seed,
            quantity=first.quantity,
        )

    def table(self) -> str:
        """Return all cells as CSV with floats in full: the same study gives the same bytes."""
        names = [n for n, _ in self.outcomes[0].cell.parameters]
        quantities = list(dict.fromkeys(q for o in self.outcomes for q in o.values))
        counts = sorted({c for o in self.outcomes for c in o.counts})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "size", "replica", *counts, *quantities, "failure"])
        for o in self.outcomes:
            point = [repr(v) for _, v in o.cell.parameters]
            integers = [o.counts.get(c, "") for c in counts]
            numbers = [repr(o.values[q]) if q in o.values else "" for q in quantities]
            row = [*point, o.cell.size, o.cell.replica, *integers, *numbers, o.failure]
            writer.writerow(row)
        return text.getvalue()


class _Keep:
    """Cells in a folder, each under its own digest."""

    def __init__(self, folder: Path, study: str):
        self.study = study
        self.folder = folder
        self.store = BlockStore(folder, hashlib.sha256(study.encode()).hexdigest())

    def _of(self, cell: Cell) -> BlockStore:
        return BlockStore(self.folder, cell.digest(self.study))

    def read(self, cell: Cell) -> CellOutcome | None:
        found = self._of(cell).read(0)
        if found is None or found[1]["cell"] != cell.digest(self.study):
            return None
        arrays, record = found
        names = record["values"], record["realised"]
        values, realised = (
            dict(zip(n, arrays[key].tolist(), strict=True))
            for n, key in zip(names, ("values", "realised"), strict=True)
        )
        return CellOutcome(
            cell, values, realised, dict(record["counts"]), record["failure"], record["quantity"]
        )

    def write(self, outcome: CellOutcome) -> None:
        self._of(outcome.cell).write(
            0,
            {
                "values": np.array(list(outcome.values.values()), np.float64),
                "realised": np.array(list(outcome.realised.values()), np.float64),
            },
            {
                "cell": outcome.cell.digest(self.study),
                "values": list(outcome.values),
                "realised": list(outcome.realised),
                "counts": list(outcome.counts.items()),
                "failure": outcome.failure,
                "quantity": outcome.quantity,
            },
        )


def grid(**axes: Sequence[float] | np.ndarray) -> tuple[dict[str, float], ...]:
    """Return the points of a grid spanned by axes, the last axis fastest.

    Parameters
    ----------
    **axes : sequence of float
        Values of each parameter.

    Returns
    -------
    tuple of dict

    Examples
    --------
    >>> grid(tau=[0.5, 2], alpha=[1])
    ({'tau': 0.5, 'alpha': 1.0}, {'tau': 2.0, 'alpha': 1.0})
    """
    names = tuple(axes)
    values = [[float(v) for v in np.atleast_1d(axis)] for axis in axes.values()]
    return tuple(dict(zip(names, point, strict=True)) for point in product(*values))


@cache
def _sources() -> str:
    """Return a digest of the numerics, so that an edit never mixes with older cells."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


__all__ = ["Cell", "CellOutcome", "MonteCarloSweep", "SweepResult", "grid", "one_cell"]
