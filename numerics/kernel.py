"""Program -> Kernel: a true NumPy ufunc, from the cache where possible.

A cached kernel costs NumPy alone; numba and LLVM are imported only to compile. Before a cached
kernel is used its record is verified (:mod:`numerics.cache`), it must have been compiled by these
versions for this processor, and eight sentinel points must give the stored bits.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from numerics.cache import store, warn_once
from numerics.errors import ArgumentsError
from numerics.object_code import Counters, ufunc_from_object
from numerics.processor import description
from numerics.program import Program
from numerics.versions import installed_version

PARTS = {"float64": 1, "double-double": 2}  # floats per number
SENTINELS = 8
SMALLEST_GRID = 1 << 16  # points below which cutting a grid costs too little to bother
# Modules that decide what is compiled: a change in any of them changes every key.
_GENERATOR = (
    *("division", "schedule", "passes", "arithmetic", "emit", "emit_iterations"),
    *("emit_double_double", "double_double", "double_double_functions"),
    *("double_double_power_law", "intrinsics", "power_law_series", "compile", "llvm_target"),
)


@dataclass(frozen=True)
class Kernel:
    r"""A formula compiled for bulk evaluation.

    Parameters
    ----------
    program : Program
        What it computes.
    precision : {"float64", "double-double"}
        How numbers are held.
    key : str
        Hash of program, precision, versions and processor.
    ufunc : numpy.ufunc
        One float64 operand per argument and output; in double-double the high parts of all
        arguments, then their low parts, and for every output its high and its low part.

    Notes
    -----
    A point at which a constraint fails or an argument is NaN gives NaN and raises
    :attr:`invalid_count`; a valid point at which a root is not found, or an output is NaN, gives
    NaN and raises :attr:`unconverged_count`.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x", "y"))
    >>> x, y = b.argument("x"), b.argument("y")
    >>> kernel = compile_program(b.program({"ratio": b.op("div", x, y)}))
    >>> float(kernel(1.0, 4.0))
    0.25
    >>> kernel([1.0, 2.0], 4.0)
    array([0.25, 0.5 ])
    """

    program: Program
    precision: str
    key: str
    ufunc: np.ufunc = field(compare=False, repr=False)
    counters: Counters = field(compare=False, repr=False)
    cuts: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, *operands: Any, **keywords: Any) -> Any:
        """Evaluate, with the broadcasting and the keywords of a ufunc.

        Parameters
        ----------
        *operands : array_like
            One per argument, in the order of ``program.arguments``. In double-double the low parts
            of all arguments may follow; they are zero otherwise.
        **keywords : Any
            ``out``, ``where`` and the other keywords of a ufunc.

        Returns
        -------
        ndarray, scalar or tuple
            One per output; in double-double a high and a low part per output.

        Raises
        ------
        ArgumentsError
            If the number of operands is wrong.
        """
        operands = self.complete(operands)
        shapes = {getattr(x, "shape", ()) for x in operands}
        spans = len(shapes) > 1 and span(operands) >= SMALLEST_GRID
        if spans and not keywords.keys() - {"out"}:
            from numerics import grid  # a process that needs one value does not pay for it

            out = keywords.get("out")
            result = grid.evaluate(self, operands, out)
            if result is not None:
                return result
            with grid.row_by_row(operands, out):
                return self.ufunc(*operands, **keywords)
        return self.ufunc(*operands, **keywords)

    def complete(self, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the operands of the ufunc: in double-double, low parts of zero where left out.

        Parameters
        ----------
        operands : tuple
            One per argument, or one per argument and its low part.

        Returns
        -------
        tuple
            As many as the ufunc takes.

        Raises
        ------
        ArgumentsError
            If the number of operands is wrong.
        """
        count = len(self.program.arguments)
        if self.precision == "double-double" and len(operands) == count:
            operands = (*operands, *([0.0] * count))
        if len(operands) != self.ufunc.nin:
            names = ", ".join(self.program.arguments)
            raise ArgumentsError(
                f"kernel(...) with {len(operands)} operands",
                f"it takes {count}: {names}",
                "operands are positional, in the order of the arguments",
                f"kernel({names})",
            )
        return operands

    def __repr__(self) -> str:
        names = f"{', '.join(self.program.outputs)}({', '.join(self.program.arguments)})"
        return f"<Kernel {names}, {self.precision}, {self.key[:12]}>"

    def invalid_count(self) -> int:
        """Return how many points so far violated a constraint or had a NaN argument.

        Returns
        -------
        int
            Grows monotonically; compare before and after a call.
        """
        return self.counters.invalid

    def unconverged_count(self) -> int:
        """Return how many valid points so far had a root that was not found, or a NaN output.

        Returns
        -------
        int
            Grows monotonically; compare before and after a call.
        """
        return self.counters.undefined

    @cached_property
    def source(self) -> str:
        """The generated source, as numba read it."""
        from numerics.emit import emit

        return emit(self.program, self.precision)

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return _from_text, (self.program.to_json(), self.precision)


def compile_program(program: Program, precision: str = "float64") -> Kernel:
    """Compile a program, or load it from the cache.

    Parameters
    ----------
    program : Program
        What to compute.
    precision : {"float64", "double-double"}
        How numbers are held.

    Returns
    -------
    Kernel
        A ufunc and its counters; the same object for equal programs within a process.

    Raises
    ------
    LoweringError
        If an operation has no form in this precision.
    ArgumentsError
        If the precision or a name is not acceptable.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> square = compile_program(b.program({"y": b.op("power", b.argument("x"), attribute=2)}))
    >>> float(square(1.5))
    2.25
    """
    if precision not in PARTS:
        raise ArgumentsError(
            f"compile_program(precision={precision!r})",
            f"there is no precision {precision!r}",
            "kernels hold numbers as float64 or as pairs of float64",
            'use precision="float64" or precision="double-double"',
        )
    key = kernel_key(program, precision)
    kernel = _kernels.get(key)
    if kernel is None:
        with _lock:
            kernel = _kernels.get(key) or _load(program, precision, key)
            if kernel is None:
                kernel = _compile(program, precision, key)
            _kernels[key] = kernel
    return kernel


def is_compiled(program: Program, precision: str = "float64") -> bool:
    """Tell whether a kernel is in memory or on disk, without compiling it.

    Parameters
    ----------
    program : Program
        What would be computed.
    precision : {"float64", "double-double"}
        How numbers would be held.

    Returns
    -------
    bool
        True if :func:`compile_program` would be quick.
    """
    key = kernel_key(program, precision)
    return key in _kernels or store().read("kernel", key) is not None


def kernel_key(program: Program, precision: str) -> str:
    """Return the name under which a kernel is cached.

    Parameters
    ----------
    program : Program
        What is computed.
    precision : {"float64", "double-double"}
        How numbers are held.

    Returns
    -------
    str
        SHA-256 over program, precision, versions of everything that writes code, and processor.
    """
    text = json.dumps([program.key, precision, *_environment()])
    return hashlib.sha256(text.encode()).hexdigest()


def span(operands: Iterable[Any]) -> int:
    """Return the largest number of points that operands can span by broadcasting.

    Parameters
    ----------
    operands : iterable
        Numbers and arrays.

    Returns
    -------
    int
        The product of their sizes.

    Examples
    --------
    >>> span([1.0, np.ones((5, 1)), np.ones(7)])
    35
    """
    return math.prod([getattr(x, "size", 1) for x in operands])


_kernels: dict[str, Kernel] = {}
_lock = threading.RLock()


def _from_text(text: str, precision: str) -> Kernel:
    return compile_program(Program.from_json(text), precision)


@cache
def _environment() -> tuple[str, ...]:
    return (
        f"generator {_generator_digest()}",
        f"numba {installed_version('numba', 'numba')}",
        f"llvmlite {installed_version('llvmlite', 'llvmlite')}",
        f"numpy {np.__version__}",
        f"python {sys.version.split()[0]}",
        *description(),
    )


def _generator_digest() -> str:
    """Hash the text of the generator, so that nobody has to remember a version number."""
    digest = hashlib.sha256()
    folder = os.path.dirname(__file__)
    for module in _GENERATOR:
        with open(os.path.join(folder, f"{module}.py"), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _ufunc(program: Program, precision: str, data: bytes) -> tuple[np.ufunc, Counters]:
    width = PARTS[precision]
    inputs, outputs = len(program.arguments) * width, len(program.outputs) * width
    name = "_".join(program.outputs)[:64]
    text = f"{', '.join(program.outputs)} of {', '.join(program.arguments)} ({precision})"
    return ufunc_from_object(data, name, inputs, outputs, text)


def _load(program: Program, precision: str, key: str) -> Kernel | None:
    """Return the cached kernel if there is one and it still gives the stored bits."""
    content = store().read("kernel", key)
    if content is None:
        return None
    head, _, data = content.partition(b"\n")
    try:
        record = json.loads(head)
        right = record["environment"] == list(_environment()) and record["key"] == key
        right = right and record["program"] == program.key and record["precision"] == precision
        points, expected = bytes.fromhex(record["points"]), bytes.fromhex(record["values"])
    except (ValueError, KeyError, TypeError):
        right, points, expected = False, b"", b""
    if right:
        ufunc, counters = _ufunc(program, precision, data)
        if _values(ufunc, points) == expected:
            counters.reset()
            return Kernel(program, precision, key, ufunc, counters)
    warn_once(f"the cached kernel {key[:12]} does not reproduce its sentinel points")
    store().remove("kernel", key)
    return None


def _compile(program: Program, precision: str, key: str) -> Kernel:
    from numerics.emit import emit

    source = emit(program, precision)
    from numerics.compile import object_code  # numba is imported here, and only here

    data = object_code(source)
    ufunc, counters = _ufunc(program, precision, data)
    points = _sentinels(ufunc, precision, key)
    record = {
        "key": key,
        "program": program.key,
        "precision": precision,
        "environment": _environment(),
        "points": points.hex(),
        "values": _values(ufunc, points).hex(),
    }
    store().write("kernel", key, json.dumps(record, sort_keys=True).encode() + b"\n" + data)
    counters.reset()
    return Kernel(program, precision, key, ufunc, counters)


def _sentinels(ufunc: np.ufunc, precision: str, key: str) -> bytes:
    """Choose points at which the kernel has values, from 512 candidates fixed by its key."""
    candidates = np.frombuffer(
        hashlib.shake_256(key.encode()).digest(512 * ufunc.nin * 8), dtype=np.uint64
    )
    scattered = np.exp2(candidates.reshape(ufunc.nin, 512) * 2.0**-64 * 8.0 - 4.0)
    scattered[:, 256:384] = np.floor(scattered[:, 256:384]) + 1.0
    if precision == "double-double":  # low parts, half of them zero
        half = ufunc.nin // 2
        scattered[half:] = scattered[:half] * 2.0**-55 * (scattered[half:] / 16.0)
        scattered[half:, ::2] = 0.0
    values = ufunc(*scattered)
    values = values if isinstance(values, tuple) else (values,)
    good = np.flatnonzero(np.all(np.isfinite(values), axis=0))
    rest = np.setdiff1d(np.arange(512), good)
    chosen = np.concatenate([good, rest])[:SENTINELS]
    return np.ascontiguousarray(scattered[:, chosen]).tobytes()


def _values(ufunc: np.ufunc, points: bytes) -> bytes:
    """Return the bits of the outputs at packed points, every NaN written alike."""
    if not points or len(points) % (8 * ufunc.nin):
        return b""
    operands = np.frombuffer(points).reshape(ufunc.nin, -1)
    values = np.atleast_2d(ufunc(*operands))
    return np.where(np.isnan(values), np.nan, values).tobytes()
