"""Monte Carlo over a grid of parameters, sizes and replicas as a labelled data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics.errors import ArgumentsError, DomainError
from numerics.monte_carlo_sweep import MonteCarloSweep, SweepResult, grid

if TYPE_CHECKING:
    import xarray

    from derive.derivation import Derivation


def sweep_simulation(
    derivation: Derivation,
    *,
    sizes: Sequence[int],
    replicas: int,
    seed: int = 0,
    folder: str | Path | None = None,
    workers: int = 1,
    client: Any = None,
    progress: bool = False,
    **values: float | Sequence[float] | np.ndarray,
) -> xarray.Dataset:
    """Simulate a result on the grid its parameters span, for several sizes and replicas.

    Parameters
    ----------
    derivation : Derivation
        With a simulator, ``derivations.get(id)``.
    sizes : sequence of int
        Dimensions.
    replicas : int
        Independent replicas of every point and size.
    seed : int
        Of the study; with the id it decides the random numbers.
    folder : str or Path, optional
        Keeps finished cells, so that the same call resumes a run that was cut short and extends
        one that is complete.
    workers : int
        Processes of this machine, each with one linear-algebra thread.
    client : dask.distributed.Client, optional
        Runs the cells on its workers instead.
    progress : bool
        Show a bar with the time left on standard error.
    **values : float or array of shape (n,)
        Parameters by name; arrays become axes, in the order given.

    Returns
    -------
    xarray.Dataset
        One variable per simulated quantity over (axes, size, replica), NaN where a cell failed, and
        ``realised_NAME``, the ratios that the integers gave, over (axes, size).

    Raises
    ------
    ConditionError
        If the derivation has no simulator.
    ArgumentsError
        If a parameter is missing or unknown, an axis is not one-dimensional, or a size is no whole
        number.
    DomainError
        If no cell at all has a value.

    Examples
    --------
    >>> import derivations
    >>> d = derivations.get("classics.marchenko_pastur")
    >>> data = sweep_simulation(d, sizes=[16, 32], replicas=3, kappa=[0.5, 2.0], u=0.3)
    >>> dict(data.sizes)
    {'kappa': 2, 'size': 2, 'replica': 3}
    """
    call = f"sweep_simulation({derivation.id}, ...)"
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray) or len(sizes) == 0:
        raise ArgumentsError(
            call,
            f"sizes = {str(sizes)[:40]} is not a list of dimensions",
            "every point is simulated at each of them",
            f"sweep_simulation({derivation.id}, sizes=[16, 32, 64], ...)",
        )
    for size in sizes:
        derivation.check_parameters({**values, "size": size, "seeds": replicas})
    arrays = {}
    for name, value in values.items():
        arrays[name] = array = np.asarray(value)
        if array.ndim > 1 or array.size == 0 or array.dtype.kind not in "iuf":
            raise ArgumentsError(
                call,
                f"{name} has shape {array.shape} and type {array.dtype}",
                "every parameter is a number or a one-dimensional axis",
                f"sweep_simulation(..., {name}=[0.5, 1.0, 2.0])",
            )
        arrays[name] = array.astype(float)
    points = grid(**{n: a.reshape(-1) for n, a in arrays.items()})
    study = MonteCarloSweep(derivation.id, derivation.simulator, points, sizes, replicas, seed)
    context = nullcontext(lambda cells: None)
    if progress:
        from numerics.progress import progress as bar

        context = bar(derivation.id, len(study.cells()))
    with context as advance:
        done = 0

        def report(finished: int, cells: int) -> None:
            nonlocal done
            advance(finished - done)
            done = finished

        pool = workers if client is None else client.get_executor()
        result = study.run(folder, workers=pool, progress=report)
    if len(result.failures) == len(result.outcomes):
        raise DomainError(
            call,
            f"none of {len(result.outcomes)} cells has a value",
            f"the first of them: {result.failures[0]}",
            f"sweep_simulation({derivation.id}, ...) at points of the domain",
        )
    return _dataset(derivation, result, arrays)


def _dataset(
    derivation: Derivation, result: SweepResult, arrays: dict[str, np.ndarray]
) -> xarray.Dataset:
    from derive.grid_sweep import require_xarray, software_versions

    xarray = require_xarray()
    study = result.sweep
    axes = {n: a for n, a in arrays.items() if a.ndim}
    shape = (*(len(a) for a in axes.values()), len(study.sizes), study.replicas)
    cells = np.array(result.outcomes, dtype=object).reshape(shape)
    whole = (*axes, "size", "replica")

    def column(kind: str, name: str) -> np.ndarray:
        numbers = [getattr(c, kind).get(name, math.nan) for c in cells.ravel()]
        return np.array(numbers, dtype=float).reshape(shape)

    quantities = list(dict.fromkeys(q for c in cells.ravel() for q in c.values))
    realised = list(dict.fromkeys(r for c in cells.ravel() for r in c.realised))
    variables: dict[str, Any] = {
        q: (whole, column("values", q), {"long_name": f"{q}, simulated"}) for q in quantities
    }
    with np.errstate(invalid="ignore"):
        for name in realised:
            # the integers depend on the point and the size alone; a failed replica has none
            several = np.fmax.reduce(column("realised", name), axis=-1)
            words = {"long_name": f"{name} at the integers that were simulated", "units": "1"}
            variables[f"realised_{name}"] = (whole[:-1], several, words)
    coordinates: dict[str, Any] = {n: ((n,) if a.ndim else (), a) for n, a in arrays.items()}
    coordinates["size"] = (("size",), np.asarray(study.sizes, dtype=int), {"long_name": "d"})
    coordinates["replica"] = (("replica",), np.arange(study.replicas))
    attributes = {
        "derivation": derivation.id,
        "reference": derivation.reference,
        "limit": derivation.limit,
        "seed": study.seed,
        "cells": cells.size,
        "failed": len(result.failures),
        "first_failure": result.failures[0] if result.failures else "",
        "versions": software_versions(),
    }
    return xarray.Dataset(variables, coordinates, attributes)
