"""Versions of installed packages, from the names of their metadata folders.

The machinery of the standard library takes longer than all else that a second process does.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec


@cache
def installed_version(distribution: str, module: str) -> str:
    """Return the version of a distribution.

    Parameters
    ----------
    distribution : str
        Its name on the package index, such as ``python-flint``.
    module : str
        A module of it, which is found but not imported.

    Returns
    -------
    str
        As in its metadata.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If it is not installed.

    Examples
    --------
    >>> installed_version("numba", "numba").split(".")[0]
    '0'
    """
    spec = find_spec(module)
    folder = os.path.dirname(os.path.dirname(spec.origin)) if spec and spec.origin else ""
    start = distribution.replace("-", "_").lower() + "-"
    try:
        names = [n for n in os.listdir(folder) if n.lower().startswith(start)]
    except OSError:
        names = []
    found = [n for n in names if n.endswith(".dist-info")]
    if len(found) == 1:
        return found[0][len(start) :].removesuffix(".dist-info")
    from importlib.metadata import version

    return version(distribution)
