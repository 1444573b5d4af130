"""A formula over a grid as a labelled data set: in memory, or in a file of any size."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.evaluator import check_names
from derive.formula import PRECISIONS
from numerics.errors import ArgumentsError
from numerics.sweep import BLOCK_POINTS, Computed, Study, gather
from numerics.sweep_files import Labels, write_sweep

if TYPE_CHECKING:
    import xarray

    from derive.formula import Formula


def sweep(
    formula: Formula,
    *,
    path: str | Path | None = None,
    precision: str = "float64",
    invalid: str = "raise",
    client: Any = None,
    progress: bool = False,
    overwrite: bool = False,
    block_points: int = BLOCK_POINTS,
    **values: Any,
) -> xarray.Dataset:
    """Evaluate a formula on the grid its arguments span, and label what comes out.

    Parameters
    ----------
    formula : Formula
        A result of a derivation, ``derivations.get(id).result``.
    path : str or Path, optional
        Where to write: ``.nc`` (netCDF 4), ``.zarr`` or ``.parquet``. Memory then holds a few
        blocks only, and the same call resumes a run that was cut short, to the same bytes.
    precision : {"float64", "double-double", "auto"}
        Of the numbers; double-double adds a variable with the low parts.
    invalid : {"raise", "nan"}
        Raise at the first block with a point outside the domain or without a value, or leave NaN.
    client : dask.distributed.Client, optional
        Computes the blocks on its workers.
    progress : bool
        Show a bar with the time left on standard error.
    overwrite : bool
        Whether something else at the path may be replaced.
    block_points : int
        Most points of a block, and of a chunk of the file.
    **values : float or array of shape (n,)
        The arguments by name. Arrays become axes, in the order of the arguments.

    Returns
    -------
    xarray.Dataset
        Axes with meaning and scaling; attributes say which formula, program, versions and
        precision made it, and how many points have no value. With a path it is read lazily.

    Raises
    ------
    ArgumentsError
        A missing or unknown argument, an axis that is not one-dimensional, a missing library.
    DomainError, ConvergenceError
        At the first bad point, unless ``invalid="nan"``.

    Examples
    --------
    >>> import derivations
    >>> M = derivations.get("classics.marchenko_pastur").result
    >>> data = sweep(M, kappa=[0.5, 1.0], u=[0.1, 1.0, 10.0])
    >>> dict(data.sizes), data.attrs["formula"]
    ({'kappa': 2, 'u': 3}, 'classics.marchenko_pastur')
    >>> data.M.sel(kappa=1.0, u=1.0).item() == float(M(kappa=1.0, u=1.0))
    True
    """
    xarray = require_xarray()
    study = _study(formula, precision, invalid, block_points, values)
    labels = labels_of(formula, precision, study)
    if path is None:
        _check_memory(formula, study)
    if progress:
        from numerics.progress import progress as bar

        context = bar(formula.name, study.size)
    else:
        context = nullcontext(lambda points: None)
    with context as advance:

        def finished(index: int, computed: Computed) -> None:
            if invalid == "raise":
                _refuse(formula, study, index, computed)
            advance(computed[1]["points"])

        if path is not None:
            return read_sweep(write_sweep(path, study, labels, client, finished, overwrite))
        arrays, counts = gather(study, client, finished)
    dimensions = tuple(study.coordinates)
    variables = {
        name: xarray.Variable(dimensions, arrays[output], labels.variables[name])
        for output, name in labels.outputs.items()
    }
    coordinates = {
        name: xarray.Variable((name,) if np.ndim(x) else (), x, labels.variables[name])
        for name, x in (*study.coordinates.items(), *study.fixed)
    }
    attributes = {**labels.attributes, "study": study.digest, **counts}
    return xarray.Dataset(variables, coordinates, attributes)


def _check_memory(formula: Formula, study: Study) -> None:
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no such question on this system
        return
    need = 8 * study.size * len(study.outputs)
    if need > there:
        raise ArgumentsError(
            f"sweep({formula.name}, ...)",
            f"{study.size:.6g} points need {need / 2**30:.3g} GiB",
            f"this machine has {there / 2**30:.3g} GiB of memory",
            f'sweep({formula.name}, ..., path="points.zarr"), or a coarser grid',
        )


def read_sweep(path: str | Path) -> xarray.Dataset:
    """Open a sweep that was written to a file.

    Parameters
    ----------
    path : str or Path
        As given to :func:`sweep`.

    Returns
    -------
    xarray.Dataset
        Values are read when they are used.
    """
    xarray = require_xarray()
    name = str(path)
    if name.endswith(".parquet"):
        return _read_parquet(xarray, name)
    if name.endswith(".zarr"):
        return xarray.open_dataset(name, engine="zarr", consolidated=False, decode_times=False)
    return xarray.open_dataset(name, decode_times=False)


def _study(
    formula: Formula, precision: str, invalid: str, block_points: int, values: Mapping[str, Any]
) -> Study:
    call = f"sweep({formula.name}, ...)"
    for word, chosen, known in (
        ("precision", precision, PRECISIONS),
        ("invalid", invalid, ("raise", "nan")),
    ):
        if chosen not in known:
            raise ArgumentsError(
                call,
                f"{word}={chosen!r} is not known",
                f"it is one of {', '.join(known)}",
                f'{word}="{known[0]}"',
            )
    if not isinstance(block_points, int) or not 1 <= block_points <= 1 << 23:
        raise ArgumentsError(
            call,
            f"block_points = {block_points!r} is not an integer from 1 to {1 << 23}",
            "a block is computed in memory and written as one record",
            f"block_points={BLOCK_POINTS}",
        )
    check_names(f"sweep({formula.name})", formula.args, values)
    arrays: dict[str, float | np.ndarray] = {}
    for name, value in values.items():
        array = np.asarray(value)
        if array.ndim > 1 or array.dtype.kind not in "iuf" or array.size == 0:
            raise ArgumentsError(
                call,
                f"{name} has shape {array.shape} and type {array.dtype}",
                "an argument is a real number or a one-dimensional axis with at least one entry",
                f"{name}=numpy.linspace(0.1, 1.0, 10)",
            )
        arrays[name] = array.astype(float)
    return Study.of(formula.program, arrays, precision, block_points, software_versions())


def software_versions() -> str:
    """Return the versions of what the numbers depend on.

    Returns
    -------
    str
        Written beside every sweep.
    """
    packages = ("icl-derive", "numpy", "numba")
    return ", ".join(f"{package} {version(package)}" for package in packages)


def _refuse(formula: Formula, study: Study, index: int, computed: Computed) -> None:
    """Raise the error of the first point without a value, in the words of the formula."""
    arrays, numbers = computed
    if not numbers["outside"] and not numbers["undefined"]:
        return
    from derive.arguments import explain_failure

    where = tuple(int(k) for k in np.argwhere(np.isnan(arrays["value"]))[0])
    position = iter(zip(where, study.blocks[index], strict=True))
    point = []
    fixed = dict(study.fixed)
    for name in formula.args:
        if name in fixed:
            point.append(fixed[name])
        else:
            offset, along = next(position)
            point.append(float(study.coordinates[name][along.start + offset]))
    name = f"sweep({formula.name})"
    explain_failure(name, formula.program, point, arrays["value"][where])


def labels_of(formula: Formula, precision: str, study: Study) -> Labels:
    """Return the words written beside the numbers of a sweep.

    Parameters
    ----------
    formula : Formula
        What is evaluated.
    precision : str
        Of the numbers.
    study : Study
        On which grid.

    Returns
    -------
    Labels
        Meaning of every argument, and where the numbers come from.
    """
    from derive.registry import cards

    meanings = argument_meanings(formula)
    main = formula.program.outputs[0].removeprefix("r_")
    if main in formula.args:
        main = f"{main}_value"
    card = cards().get(formula.name.partition(":")[0])
    variables = {n: {"long_name": meanings.get(n, n), "units": "1"} for n in formula.args}
    variables[main] = {"long_name": formula.name, "units": "1"}
    outputs = {"value": main}
    if "low_part" in study.outputs:
        outputs["low_part"] = f"{main}_low_part"
        variables[f"{main}_low_part"] = {
            "long_name": f"{formula.name}, to be added to {main}",
            "units": "1",
        }
    attributes = {
        "formula": formula.name,
        "reference": card.reference if card else "",
        "equation": card.equation if card else "",
        "limit": card.limit if card else formula.limit,
        "program": formula.program.key,
        "precision": precision,
        "versions": study.versions,
    }
    return Labels(outputs, variables, attributes)


def argument_meanings(formula: Formula) -> dict[str, str]:
    """Return what every argument of a formula means, with its scaling.

    Parameters
    ----------
    formula : Formula
        Any formula.

    Returns
    -------
    dict of str to str
        From the conditions of the program, and from the derivation where those are silent.
    """
    found: dict[str, str] = {}
    for constraint in formula.program.constraints:
        if len(constraint.arguments) == 1:
            (name,) = constraint.arguments
            found.setdefault(name, constraint.reason.removeprefix(f"{name} is "))
    if set(formula.args) - set(found):
        found = {str(q.symbol): q.meaning for q in formula.domain.quantities} | found
    return found


def _read_parquet(xarray: Any, path: str) -> xarray.Dataset:
    """Read a table back as a grid: a row group is a block of the grid."""
    import dask.array
    from dask.delayed import delayed
    from pyarrow import parquet

    from numerics.block_grid import grid_blocks

    file = parquet.ParquetFile(path)
    summary = json.loads(file.metadata.metadata[b"sweep"])
    axes = {n: np.frombuffer(base64.b64decode(x), "<f8") for n, x in summary.pop("axes")}
    points = summary.pop("block_points")
    fields = {f.name: f for f in file.schema_arrow}
    described = {n: _words(f.metadata) for n, f in fields.items()}
    shape = tuple(len(x) for x in axes.values())
    blocks = list(grid_blocks(shape, points))
    counts = [len({b[k].start for b in blocks}) for k in range(len(shape))]
    fixed = summary.pop("fixed")
    variables = {}
    for name in fields:
        if name in axes or name in fixed:
            continue

        def piece(group: int, name: str = name) -> np.ndarray:
            size = tuple(s.stop - s.start for s in blocks[group])
            column = parquet.ParquetFile(path).read_row_group(group, [name])[name]
            return column.to_numpy().reshape(size)

        parts = np.empty(counts or 1, dtype=object)
        for group, block in enumerate(blocks):
            size = tuple(s.stop - s.start for s in block)
            parts.flat[group] = dask.array.from_delayed(delayed(piece)(group), size, dtype=float)
        lazy = dask.array.block(parts.tolist()) if shape else parts.flat[0]
        variables[name] = xarray.Variable(tuple(axes), lazy, described[name])
    coordinates = {n: xarray.Variable((n,), x, described[n]) for n, x in axes.items()}
    coordinates |= {n: xarray.Variable((), x, described[n]) for n, x in fixed.items()}
    return xarray.Dataset(variables, coordinates, summary)


def _words(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in (metadata or {}).items()}


def require_xarray() -> Any:
    """Return the library xarray, which is an optional dependency.

    Returns
    -------
    module
        Imported.

    Raises
    ------
    ArgumentsError
        With the command that installs it.
    """
    try:
        import xarray
    except ImportError:
        raise ArgumentsError(
            "sweep(...)",
            "the library xarray is not installed",
            "a sweep is an xarray.Dataset; the rest of the package does without it",
            'python -m pip install "icl-derive[sweep]"',
        ) from None
    return xarray
