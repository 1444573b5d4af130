"""Object code -> a true NumPy ufunc, with NumPy and ctypes only.

A cached kernel takes this path alone: neither LLVM nor numba nor SymPy is imported. Every symbol
an object may need is listed here and resolved before it is loaded, so that an unexpected one is an
error instead of a crash.

References
----------
NumPy C-API, ``PyUFunc_FromFuncAndData``.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy._core import _multiarray_umath  # pyright: ignore[reportAttributeAccessIssue]

from numerics import linker
from numerics.errors import LoweringError

ENTRY = "icl_derive_loop"
RESOLVABLE = frozenset(
    {
        *("exp", "exp2", "exp10", "log", "log2", "log10", "log1p", "expm1", "pow", "cbrt"),
        *("sin", "cos", "sincos", "tan", "atan", "atan2", "tgamma", "fma", "floor", "rint"),
        *("fmin", "fmax", "sqrt", "ldexp", "feclearexcept", "memcpy", "memset", "memmove"),
    }
)

# A ufunc keeps raw pointers to its loop, name, types and counters: they live as long as we do.
_ALIVE: list[Any] = []
_LOCK = threading.Lock()


class Counters:
    """Two counters that a kernel raises while it runs.

    Points outside the domain, and points inside it without a value. They only grow, and all
    threads share them; compare before and after a call.
    """

    def __init__(self) -> None:
        self._memory = (ctypes.c_int64 * 2)()

    @property
    def address(self) -> int:
        """Where the kernel finds them."""
        return ctypes.addressof(self._memory)

    def reset(self) -> None:
        """Forget the points at which the kernel was checked, before anybody uses it."""
        self._memory[0] = self._memory[1] = 0

    def add(self, invalid: int, undefined: int) -> None:
        """Count points on behalf of a kernel that was evaluated in stages."""
        with _LOCK:
            self._memory[0] += invalid
            self._memory[1] += undefined

    @property
    def invalid(self) -> int:
        """Points so far at which a constraint failed or an argument was NaN."""
        return int(self._memory[0])

    @property
    def undefined(self) -> int:
        """Valid points so far at which a root was not found or an output was NaN."""
        return int(self._memory[1])


def ufunc_from_object(
    data: bytes, name: str, inputs: int, outputs: int, documentation: str = ""
) -> tuple[np.ufunc, Counters]:
    """Link object code and wrap its loop as a ufunc.

    Parameters
    ----------
    data : bytes
        Object file written by :func:`numerics.compile.object_code` on this computer.
    name, documentation : str
        Name and docstring of the ufunc.
    inputs, outputs : int
        Numbers of float64 operands.

    Returns
    -------
    tuple
        The ufunc and its counters.

    Raises
    ------
    LoweringError
        If the object needs a symbol that is not in the C mathematics library.
    """
    code = linker.ObjectFile.read(data)
    foreign = code.undefined - _library().keys() if code else frozenset()
    if foreign:
        raise LoweringError(
            "ufunc_from_object(...)",
            f"the object needs the unknown symbols {sorted(foreign)}",
            "calling them would end the program",
            "clear the cache: numerics.cache.store().clear()",
        )
    counters = Counters()
    with _LOCK:
        found = linker.linked(code, ENTRY, _library()) if code else None
        if found is None:
            from numerics import llvm_target

            found = llvm_target.linked(data, ENTRY, _library())
    address, memory = found
    if not address:
        raise LoweringError(
            "ufunc_from_object(...)",
            f"the object does not define {ENTRY}",
            "it was not written by numerics.compile",
            "clear the cache: numerics.cache.store().clear()",
        )
    functions = (ctypes.c_void_p * 1)(address)
    arguments = (ctypes.c_void_p * 1)(counters.address)
    types = ctypes.create_string_buffer(bytes([np.dtype(np.float64).num] * (inputs + outputs)))
    label = ctypes.create_string_buffer(name.encode())
    text = ctypes.create_string_buffer(documentation.encode())
    ufunc = _constructor()(
        ctypes.addressof(functions),
        ctypes.addressof(arguments),
        ctypes.addressof(types),
        1,
        inputs,
        outputs,
        -1,  # PyUFunc_None: no identity
        ctypes.addressof(label),
        ctypes.addressof(text),
        0,
    )
    _ALIVE.append((memory, functions, arguments, types, label, text, counters, ufunc))
    return ufunc, counters


@cache
def _constructor() -> Any:
    """Return ``PyUFunc_FromFuncAndData``, slot 1 of NumPy's ufunc table."""
    capsule = _multiarray_umath._UFUNC_API
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))
    address = table[1]
    if not address:
        raise ImportError("NumPy's ufunc table has no constructor")
    integer, memory = ctypes.c_int, ctypes.c_void_p
    return ctypes.PYFUNCTYPE(
        *(ctypes.py_object, memory, memory, memory, integer, integer, integer, integer),
        *(memory, memory, integer),
    )(address)


@cache
def _library() -> dict[str, int]:
    """Return where the functions of the C library are."""
    process = ctypes.CDLL(None)
    found = {}
    for name in RESOLVABLE:
        function = getattr(process, name, None)
        address = ctypes.cast(function, ctypes.c_void_p).value if function is not None else None
        if address:
            found[name] = address
    return found
