"""A program on the grid spanned by its axes: in blocks, resumable, on one process or a cluster.

The study fixes everything that decides the numbers: program, precision, axes and blocks. Whoever
computes a block, in whatever order, gets the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from numerics.block_grid import Block, grid_blocks
from numerics.block_store import BlockStore
from numerics.errors import ArgumentsError
from numerics.escalation import EscalatingKernel
from numerics.kernel import compile_program
from numerics.mask import constraint_masks
from numerics.program import Program

BLOCK_POINTS = 1 << 20
IN_FLIGHT = 3  # blocks per worker that are computed or on their way at one time
_FORMAT = "sweep 1"

Numbers = dict[str, int]
Computed = tuple[dict[str, np.ndarray], Numbers]


@dataclass(frozen=True)
class Study:
    """What is computed, where, and in which precision.

    Parameters
    ----------
    program : str
        Canonical text of the program, which has one output.
    precision : {"float64", "double-double", "auto"}
        Of the kernel.
    axes : tuple of (str, bytes)
        Name and float64 values of every argument that varies, in the order of the program.
    fixed : tuple of (str, float)
        Name and value of the others.
    block_points : int
        Most points of a block.
    versions : str
        Of the software: blocks of other versions are not mixed with these.
    """

    program: str
    precision: str
    axes: tuple[tuple[str, bytes], ...]
    fixed: tuple[tuple[str, float], ...]
    block_points: int
    versions: str

    @classmethod
    def of(
        cls,
        program: Program,
        values: Mapping[str, float | np.ndarray],
        precision: str,
        block_points: int = BLOCK_POINTS,
        versions: str = "",
    ) -> Study:
        """Return the study of a program on the grid of one-dimensional axes and fixed numbers.

        Parameters
        ----------
        program : Program
            With one output.
        values : mapping of str to float or array of shape (n,)
            One entry per argument.
        precision : str
            Of the kernel.
        block_points : int
            Most points of a block.
        versions : str
            Of the software.

        Returns
        -------
        Study
            The axes of its grid are in the order of the arguments.
        """
        arrays = {n: np.asarray(values[n], dtype="<f8") for n in program.arguments}
        return cls(
            program.to_json(),
            precision,
            tuple((n, a.tobytes()) for n, a in arrays.items() if a.ndim),
            tuple((n, float(a)) for n, a in arrays.items() if not a.ndim),
            block_points,
            versions,
        )

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray]:
        """The values of every axis."""
        return {name: np.frombuffer(data, "<f8") for name, data in self.axes}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the grid."""
        return tuple(len(x) for x in self.coordinates.values())

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the arrays: the value, and its low part in double-double."""
        return ("value", "low_part") if self.precision == "double-double" else ("value",)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the grid in order."""
        return tuple(grid_blocks(self.shape, self.block_points))

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything above."""
        head = [_FORMAT, self.program, self.precision, self.block_points, self.versions]
        axes = [[n, hashlib.sha256(data).hexdigest()] for n, data in self.axes]
        fixed = [[n, x.hex()] for n, x in self.fixed]
        return hashlib.sha256(json.dumps([*head, axes, fixed]).encode()).hexdigest()


def compute_block(study: Study, index: int) -> Computed:
    """Compute one block; a function of its arguments alone.

    Parameters
    ----------
    study : Study
        What is computed.
    index : int
        Number of the block.

    Returns
    -------
    tuple of dict
        The arrays of the block, and counts: ``points``, those ``outside`` the domain and those
        ``undefined`` (no value found), and how many points were escalated.
    """
    kernel = _kernel(study.program, study.precision)
    block = study.blocks[index]
    fixed = dict(study.fixed)
    operands: list[Any] = []
    position = 0
    for name in kernel.program.arguments:
        if name in fixed:
            operands.append(fixed[name])
            continue
        along = [1] * len(block)
        piece = study.coordinates[name][block[position]]
        along[position] = len(piece)
        operands.append(piece.reshape(along))
        position += 1
    if isinstance(kernel, EscalatingKernel):
        kernel = EscalatingKernel(kernel.program)  # with counters of its own
    result = kernel(*operands)
    parts = result if isinstance(result, tuple) else (result,)
    arrays = {n: np.asarray(p) for n, p in zip(study.outputs, parts, strict=True)}
    outside, undefined = _without_value(kernel.program, operands, arrays["value"])
    numbers = {"points": int(arrays["value"].size), "outside": outside, "undefined": undefined}
    if isinstance(kernel, EscalatingKernel):
        escalated = kernel.escalated
        numbers |= {"double_double": escalated.double_double, "balls": escalated.balls}
    return arrays, numbers


def _without_value(program: Program, operands: list[Any], value: np.ndarray) -> tuple[int, int]:
    """Count the points outside the domain and the others without a value."""
    where = np.nonzero(np.atleast_1d(np.isnan(value)))
    if not len(where[0]):
        return 0, 0
    full = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in operands))
    points = [np.atleast_1d(x)[where] for x in full]
    inside = ~np.isnan(points).any(axis=0)
    for mask in constraint_masks(program, points):
        inside &= mask
    return int((~inside).sum()), int(inside.sum())


@lru_cache(maxsize=8)
def _kernel(program: str, precision: str) -> Any:
    if precision == "auto":
        return EscalatingKernel(Program.from_json(program))
    return compile_program(Program.from_json(program), precision)


def run_study(
    study: Study, store: BlockStore | None, client: Any = None
) -> Iterator[tuple[int, Computed]]:
    """Compute the blocks of a study that are not in the store yet.

    Parameters
    ----------
    study : Study
        What is computed.
    store : BlockStore or None
        Where finished blocks are, and go.
    client : dask.distributed.Client, optional
        Computes the blocks on its workers; by default this process does.

    Yields
    ------
    tuple of int and (dict, dict)
        Every block once, those of the store first, with arrays and counts; with a client in order
        of completion.
    """
    missing = []
    for index in range(len(study.blocks)):
        known = store.read(index) if store is not None else None
        if known is None:
            missing.append(index)
        else:
            yield index, known
    for index, computed in (
        _locally(study, missing) if client is None else _distributed(study, missing, client)
    ):
        if store is not None:
            store.write(index, *computed)
        yield index, computed


def _locally(study: Study, missing: list[int]) -> Iterator[tuple[int, Computed]]:
    for index in missing:
        yield index, compute_block(study, index)


def _distributed(study: Study, missing: list[int], client: Any) -> Iterator[tuple[int, Computed]]:
    """Keep a few blocks per worker in flight, so that memory stays bounded everywhere."""
    from distributed import as_completed

    workers = max(1, sum(client.ncores().values()))
    waiting = iter(missing)
    index_of = {}

    def submit() -> Any:
        index = next(waiting, None)
        if index is None:
            return None
        future = client.submit(compute_block, study, index, pure=False)
        index_of[future.key] = index
        return future

    first = [f for f in (submit() for _ in range(IN_FLIGHT * workers)) if f is not None]
    finished = as_completed(first)
    for future in finished:
        computed = future.result()
        index = index_of.pop(future.key)
        following = submit()
        if following is not None:
            finished.add(following)
        yield index, computed


def gather(
    study: Study, client: Any = None, finished: Callable[[int, Computed], None] | None = None
) -> Computed:
    """Compute a study in memory.

    Parameters
    ----------
    study : Study
        What is computed.
    client : dask.distributed.Client, optional
        Computes the blocks on its workers.
    finished : callable, optional
        Called with the number and the content of every finished block.

    Returns
    -------
    tuple of dict
        Arrays of the whole grid, and the counts.

    Raises
    ------
    ArgumentsError
        If the results would take more than 8 GiB.
    """
    needed = 8 * study.size * len(study.outputs)
    if needed > 1 << 33:
        raise ArgumentsError(
            "sweep(formula, ...)",
            f"{study.size} points need {needed / 2**30:.1f} GiB of memory",
            "without a path the results are kept in memory",
            'sweep(formula, ..., path="sweep.zarr"), which needs memory for a few blocks only',
        )
    arrays = {n: np.empty(study.shape) for n in study.outputs}
    total: Numbers = {}
    for index, (pieces, numbers) in run_study(study, None, client):
        for name, piece in pieces.items():
            arrays[name][study.blocks[index] or ...] = piece
        add_counts(total, numbers)
        if finished is not None:
            finished(index, (pieces, numbers))
    return arrays, total


def add_counts(total: Numbers, numbers: Mapping[str, int]) -> None:
    """Add the counts of a block to a total.

    Parameters
    ----------
    total : dict
        Changed in place.
    numbers : mapping of str to int
        Of one block.
    """
    for name, count in numbers.items():
        total[name] = total.get(name, 0) + count
