"""A grid cut into blocks of bounded size, in the order of its memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Block = tuple[slice, ...]


def grid_blocks(shape: Sequence[int], limit: int) -> Iterator[Block]:
    """Yield the blocks of a grid, none of more than so many points, each contiguous in memory.

    Parameters
    ----------
    shape : sequence of int
        Of the grid.
    limit : int
        Most points of a block.

    Yields
    ------
    tuple of slice
        One slice per axis; together they cover the grid once, in C order.

    Examples
    --------
    >>> list(grid_blocks((3, 4), 8))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(0, 4, None))]
    >>> len(list(grid_blocks((2, 100), 30))), list(grid_blocks((), 5))
    (8, [()])
    """
    if 0 in shape:
        return
    cut = 0  # the axis that is cut; those before it are taken one index at a time
    while cut < len(shape) - 1 and math.prod(shape[cut + 1 :]) > limit:
        cut += 1
    if not shape:
        yield ()
        return
    length = max(1, limit // math.prod(shape[cut + 1 :]))
    rest = tuple(slice(0, n) for n in shape[cut + 1 :])
    for index in np.ndindex(*shape[:cut]):
        head = tuple(slice(k, k + 1) for k in index)
        for first in range(0, shape[cut], length):
            yield (*head, slice(first, min(first + length, shape[cut])), *rest)


def block_of(array: Any, block: Block) -> Any:
    """Return the part of an array that broadcasts to one block of the grid.

    Parameters
    ----------
    array : array or float
        Broadcasts to the grid; aligned from the right as NumPy does.
    block : tuple of slice
        Of the grid.

    Returns
    -------
    array or float
        A view; axes of length 1 stay of length 1.

    Examples
    --------
    >>> block_of(np.arange(4.0), (slice(0, 1), slice(1, 3)))
    array([1., 2.])
    """
    if np.ndim(array) == 0:
        return array
    own = block[len(block) - array.ndim :]
    return array[tuple(s if n > 1 else slice(None) for s, n in zip(own, array.shape, strict=True))]
