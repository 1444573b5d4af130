"""Sweeps on disk: netCDF, Zarr or Parquet, written block by block from verified blocks.

The same blocks give the same bytes, whoever computed them and however often the run was cut short.
The file takes its name only when it is complete.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numerics.block_store import BlockStore
from numerics.errors import ArgumentsError, DeriveError
from numerics.files import OutputError
from numerics.sweep import Computed, Numbers, Study, add_counts, run_study

Blocks = Iterable[tuple[int, Computed]]


@dataclass(frozen=True)
class Labels:
    """What a reader of the file must know.

    Parameters
    ----------
    outputs : mapping of str to str
        Name in the file of every array of the study.
    variables : mapping of str to mapping
        Attributes of every argument and output.
    attributes : mapping of str to str or int
        Of the whole: formula, limit, versions, precision.
    """

    outputs: Mapping[str, str]
    variables: Mapping[str, Mapping[str, str]]
    attributes: Mapping[str, str | int]


def write_sweep(
    path: str | Path,
    study: Study,
    labels: Labels,
    client: Any = None,
    finished: Callable[[int, Computed], None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Compute a study and write it, resuming from what an earlier run left.

    Parameters
    ----------
    path : str or Path
        Ends in ``.nc`` (netCDF 4), ``.zarr`` or ``.parquet``.
    study : Study
        What is computed.
    labels : Labels
        What is written beside the numbers.
    client : dask.distributed.Client, optional
        Computes the blocks on its workers.
    finished : callable, optional
        Called with the number and the content of every finished block; an exception stops the
        sweep, and what is finished is kept.
    overwrite : bool
        Whether something else at the path may be replaced.

    Returns
    -------
    Path
        The file or, for Zarr, the folder.

    Raises
    ------
    OutputError
        If the path is taken, cannot be written, or is being written by another process.
    ArgumentsError
        If the ending is not known or its library is not installed.

    Validity
    --------
    Unfinished work is kept in ``.NAME.blocks`` beside the path until the file is complete. Memory
    holds a few blocks, whatever the size of the grid.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix)
    if write is None:
        raise ArgumentsError(
            f"sweep(..., path={str(path)!r})",
            f"the ending {target.suffix!r} is not known",
            f"sweeps are written as {', '.join(_WRITERS)}",
            f"path={str(target.with_suffix('.nc'))!r}",
        )
    if not target.parent.is_dir():
        raise OutputError(
            f"sweep(..., path={str(path)!r})",
            f"the folder {str(target.parent)!r} does not exist",
            "folders are not made silently, a slip of the pen would make one",
            f"mkdir -p {str(target.parent)!r}",
        )
    _check_room(target, study)
    store = BlockStore(target.with_name(f".{target.name}.blocks"), study.digest)
    if target.exists():
        if study_of(target) == study.digest:  # complete; only the blocks may be left to remove
            store.remove()
            return target
        if not overwrite:
            raise OutputError(
                f"sweep(..., path={str(path)!r})",
                "the path is taken by something else",
                "it may hold results of another run",
                "another path, or overwrite=True (--force in a shell) to replace it",
            )
    assembled = store.folder / f"assembled{target.suffix}"
    with store.hold():
        _delete(assembled)
        try:
            for index, computed in run_study(study, store, client):
                if finished is not None:
                    finished(index, computed)
        except DeriveError:
            if store.count() <= 1:  # refused at the first block: there is nothing to resume
                store.remove()
            raise
        write(assembled, study, labels, _stored(study, store))
        _flush(assembled)
        if target.exists():
            os.replace(target, store.folder / "replaced")
        os.replace(assembled, target)
        store.remove()
    return target


def _check_room(target: Path, study: Study) -> None:
    free = shutil.disk_usage(target.parent).free
    # Numbers hardly compress, and the blocks are kept until the file is whole.
    need = 8 * study.size * len(study.outputs)
    if need > free:
        raise OutputError(
            f"sweep(..., path={str(target)!r})",
            f"{study.size:.6g} points need {need / 2**30:.3g} GiB",
            f"the disk of {str(target.parent)!r} has {free / 2**30:.3g} GiB left",
            "a coarser grid, or one sweep for each part of it",
        )


def study_of(path: str | Path) -> str:
    """Return the digest of the study in a file, empty if there is none.

    Parameters
    ----------
    path : str or Path
        Written by :func:`write_sweep`, or anything else.

    Returns
    -------
    str
        Hexadecimal.
    """
    try:
        if Path(path).suffix == ".parquet":
            from pyarrow import parquet

            metadata = parquet.read_metadata(path).metadata or {}
            return str(json.loads(metadata[b"sweep"])["study"])
        if Path(path).suffix == ".zarr":
            import zarr

            return str(zarr.open_group(store=str(path), mode="r").attrs["study"])
        with _netcdf()(str(path), "r") as file:
            return str(file.getncattr("study"))
    except (OSError, KeyError, ValueError, AttributeError, ImportError):
        return ""


def _stored(study: Study, store: BlockStore) -> Blocks:
    for index in range(len(study.blocks)):
        computed = store.read(index)
        if computed is None:
            raise OutputError(
                f"block {index} of {str(store.folder)!r}",
                "it was there and is not any more",
                "the folder was changed by someone else, or the disk is failing",
                "run again: the blocks that verify are kept",
            )
        yield index, computed


def _chunk(study: Study) -> tuple[int, ...]:
    return tuple(s.stop - s.start for s in study.blocks[0])


def _summary(study: Study, labels: Labels, total: Numbers) -> dict[str, str | int]:
    return {**labels.attributes, "study": study.digest, **total}


def _write_netcdf(path: Path, study: Study, labels: Labels, blocks: Blocks) -> None:
    with _netcdf()(str(path), "w") as file:
        for name, x in study.coordinates.items():
            file.createDimension(name, len(x))
            axis = file.createVariable(name, "f8", (name,))
            axis.setncatts(dict(labels.variables.get(name, {})))
            axis[:] = x
        for name, x in study.fixed:
            scalar = file.createVariable(name, "f8", ())
            scalar.setncatts(dict(labels.variables.get(name, {})))
            scalar[...] = x
        dimensions = tuple(study.coordinates)
        variables = {}
        for output, name in labels.outputs.items():
            chunk = _chunk(study) if dimensions else None
            variables[output] = file.createVariable(name, "f8", dimensions, chunksizes=chunk)
            variables[output].setncatts(_described(study, labels, name))
        total: Numbers = {}
        for index, (arrays, numbers) in blocks:
            for output, piece in arrays.items():
                variables[output][study.blocks[index] or ...] = piece
            add_counts(total, numbers)
        file.setncatts(_summary(study, labels, total))


def _described(study: Study, labels: Labels, name: str) -> dict[str, str]:
    """Return the attributes of an output; fixed arguments are its scalar coordinates."""
    fixed = " ".join(n for n, _ in study.fixed)
    return {**labels.variables.get(name, {}), **({"coordinates": fixed} if fixed else {})}


def _write_zarr(path: Path, study: Study, labels: Labels, blocks: Blocks) -> None:
    zarr = _library("zarr")
    root = zarr.open_group(store=str(path), mode="w", zarr_format=3)

    def array(name: str, shape: tuple, chunks: tuple, names: tuple, attributes: Any) -> Any:
        return root.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype="float64",
            dimension_names=names,
            attributes=dict(attributes),
            fill_value=float("nan"),
        )

    for name, x in study.coordinates.items():
        axis = array(name, x.shape, x.shape, (name,), labels.variables.get(name, {}))
        axis[...] = x
    for name, x in study.fixed:
        array(name, (), (), (), labels.variables.get(name, {}))[...] = x
    variables = {
        output: array(
            name,
            study.shape,
            _chunk(study),
            tuple(study.coordinates),
            _described(study, labels, name),
        )
        for output, name in labels.outputs.items()
    }
    total: Numbers = {}
    for index, (arrays, numbers) in blocks:
        for output, piece in arrays.items():
            variables[output][study.blocks[index] or ...] = piece if piece.ndim else float(piece)
        add_counts(total, numbers)
    root.attrs.update(_summary(study, labels, total))


def _write_parquet(path: Path, study: Study, labels: Labels, blocks: Blocks) -> None:
    pyarrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    fixed = dict(study.fixed)
    arguments = [*study.coordinates, *fixed]
    fields = [
        pyarrow.field(n, pyarrow.float64(), metadata=dict(labels.variables.get(n, {})))
        for n in (*arguments, *labels.outputs.values())
    ]
    schema = pyarrow.schema(fields)
    with parquet.ParquetWriter(
        str(path), schema, compression="zstd", use_dictionary=arguments
    ) as file:
        total: Numbers = {}
        for index, (arrays, numbers) in blocks:
            shape = arrays["value"].shape
            columns = []
            for position, (_, x) in enumerate(study.coordinates.items()):
                along = [1] * len(shape)
                along[position] = shape[position]
                piece = x[study.blocks[index][position]].reshape(along)
                columns.append(np.broadcast_to(piece, shape).ravel())
            columns += [np.full(arrays["value"].size, x) for x in fixed.values()]
            columns += [arrays[output].ravel() for output in labels.outputs]
            file.write_table(pyarrow.table([pyarrow.array(c) for c in columns], schema=schema))
            add_counts(total, numbers)
        geometry = {
            "axes": [[n, base64.b64encode(data).decode()] for n, data in study.axes],
            "fixed": fixed,
            "block_points": study.block_points,
        }
        summary = json.dumps(geometry | _summary(study, labels, total), sort_keys=True)
        file.add_key_value_metadata({"sweep": summary})


_WRITERS: dict[str, Callable[[Path, Study, Labels, Blocks], None]] = {
    ".nc": _write_netcdf,
    ".zarr": _write_zarr,
    ".parquet": _write_parquet,
}


def _netcdf() -> Any:
    """Return a class that opens netCDF 4 files."""
    return _library("netCDF4").Dataset


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise ArgumentsError(
            "sweep(...)",
            f"the library {name.partition('.')[0]} is not installed",
            "files of sweeps need libraries that the rest of the package does without",
            'python -m pip install "icl-derive[sweep]"',
        ) from None


def _flush(path: Path) -> None:
    """Bring a file, or every file of a folder, to the disk."""
    for part in [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]:
        with open(part, "rb") as file:
            os.fsync(file.fileno())


def _delete(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
