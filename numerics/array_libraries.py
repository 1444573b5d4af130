"""Functions of plain arrays applied to labelled and lazy ones, block by block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any


def lifted(function: Callable[..., Any], operands: Sequence[Any], outputs: int = 1) -> Any:
    """Apply a function of arrays through xarray or dask, if an operand is one of theirs.

    Parameters
    ----------
    function : callable
        Takes plain arrays that broadcast; returns one float64 array, or a tuple of them.
    operands : sequence
        Numbers, arrays, labelled or lazy arrays.
    outputs : int
        How many arrays the function returns.

    Returns
    -------
    DataArray, dask array, tuple of them, or None
        Lazy if an operand is: the function then runs over blocks, when these are computed, and so
        does every error it raises. None if all operands are plain.

    Examples
    --------
    >>> import xarray
    >>> x = xarray.DataArray([1.0, 2.0], dims="x")
    >>> y = xarray.DataArray([10.0, 20.0, 30.0], dims="y")
    >>> lifted(lambda a, b: a + b, [x, y]).sizes
    Frozen({'x': 2, 'y': 3})
    >>> lifted(lambda a, b: a + b, [1.0, 2.0]) is None
    True
    """
    # A library that has not been imported cannot have made an operand.
    xarray, dask = sys.modules.get("xarray"), sys.modules.get("dask.array")
    if xarray is not None:
        labelled = (xarray.DataArray, xarray.Dataset, xarray.Variable)
        if any(isinstance(x, labelled) for x in operands):
            return xarray.apply_ufunc(
                function,
                *operands,
                output_core_dims=[()] * outputs,
                dask="parallelized",
                output_dtypes=[float] * outputs,
            )
    if dask is not None and any(isinstance(x, dask.Array) for x in operands):
        signature = ",".join(["()"] * len(operands)) + "->" + ",".join(["()"] * outputs)
        dtypes = float if outputs == 1 else [float] * outputs
        return dask.apply_gufunc(function, signature, *operands, output_dtypes=dtypes)
    return None
