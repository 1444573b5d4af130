"""One linear-algebra thread a process, so that many processes share a machine and agree to the bit.

Importing this module imports nothing but the standard library: a worker process can call
:func:`use_one_thread` before NumPy is loaded, when the environment still decides.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_SYMBOLS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
)


def _bundled_libraries() -> Iterator[ctypes.CDLL]:
    """Yield the OpenBLAS that the NumPy and SciPy wheels brought, where they are loaded."""
    for package in ("numpy", "scipy"):
        origin = getattr(sys.modules.get(package), "__file__", None)
        if origin is None:
            continue
        root = Path(origin).parent
        for folder in (root.parent / f"{package}.libs", root / ".dylibs"):
            for path in sorted(folder.glob("*openblas*")):
                try:
                    # NOLOAD: only a handle on what is in use already, never a second copy
                    yield ctypes.CDLL(str(path), mode=getattr(os, "RTLD_NOLOAD", 0))
                except OSError:
                    continue


def _controls() -> list[tuple[Callable[[], int], Callable[[int], None]]]:
    found = []
    for library in _bundled_libraries():
        for read, write in _SYMBOLS:
            if hasattr(library, read) and hasattr(library, write):
                found.append((getattr(library, read), getattr(library, write)))
                break
    return found


def use_one_thread() -> None:
    """Make this process use one linear-algebra thread from now on.

    The environment variables decide for libraries not loaded yet; an OpenBLAS from a wheel of
    NumPy or SciPy that is loaded already is told directly.
    """
    for variable in _VARIABLES:
        os.environ[variable] = "1"
    for _, write in _controls():
        write(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one linear-algebra thread within a ``with`` block, and the former number after it.

    Acts on the OpenBLAS inside the wheels of NumPy and SciPy.  For another library (MKL,
    Accelerate, a system OpenBLAS) set ``OMP_NUM_THREADS=1`` before Python starts.

    Yields
    ------
    None

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    controls = [(write, read()) for read, write in _controls()]
    for write, _ in controls:
        write(1)
    try:
        yield
    finally:
        for write, threads in controls:
            write(threads)
