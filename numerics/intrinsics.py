"""What generated kernels may call, as numba intrinsics: tiles, selections, hardware floats.

Imported only when something is compiled. Each function becomes a few LLVM instructions without
fast-math flags; nothing here allocates, raises or calls Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from numerics import double_double as dd
from numerics import double_double_functions as ddf
from numerics import double_double_power_law as ddp
from numerics import power_law_series as pls

FLOAT = types.CPointer(types.float64)
_DOUBLE = ir.DoubleType()
_INTEGER = ir.IntType(64)
_POINTER = ir.PointerType(_DOUBLE)


def _intrinsic(name: str, arity: int) -> Callable[..., Any]:
    """Return a numba function that calls the LLVM intrinsic ``llvm.<name>.f64``."""

    def typing(context: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * arity)
            function = builder.module.declare_intrinsic(f"llvm.{name}", [_DOUBLE], kind)
            return builder.call(function, values)

        return types.float64(*[types.float64] * arity), generate

    return _with_arity(typing, arity)


def _external(name: str, arity: int) -> Callable[..., Any]:
    """Return a numba function that calls a function of the C mathematics library."""

    def typing(context: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * arity)
            known = builder.module.globals.get(name)
            function = ir.Function(builder.module, kind, name) if known is None else known
            return builder.call(function, values)

        return types.float64(*[types.float64] * arity), generate

    return _with_arity(typing, arity)


def _with_arity(typing: Callable[..., Any], arity: int) -> Callable[..., Any]:
    # numba reads the number of parameters from the signature of the typing function.
    if arity == 1:

        @intrinsic
        def one(context: Any, a: Any) -> Any:
            return typing(context, a)

        return one
    if arity == 2:

        @intrinsic
        def two(context: Any, a: Any, b: Any) -> Any:
            return typing(context, a, b)

        return two

    @intrinsic
    def three(context: Any, a: Any, b: Any, c: Any) -> Any:
        return typing(context, a, b, c)

    return three


sqrt = _intrinsic("sqrt", 1)
absolute = _intrinsic("fabs", 1)
floor = _intrinsic("floor", 1)
nearest = _intrinsic("rint", 1)
exp = _intrinsic("exp", 1)
log = _intrinsic("log", 1)
sin = _intrinsic("sin", 1)
cos = _intrinsic("cos", 1)
pow = _intrinsic("pow", 2)
minimum = _intrinsic("minimum", 2)  # IEEE 754-2019: NaN if either operand is
maximum = _intrinsic("maximum", 2)
fma = _intrinsic("fma", 3)
atan = _external("atan", 1)
gamma = _external("tgamma", 1)


@intrinsic(prefer_literal=True)
def tile(context: Any, lanes: Any) -> Any:
    """Reserve floats on the stack, once per call, aligned to a cache line."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(_DOUBLE, lanes.literal_value))
            memory.align = 64
        return builder.bitcast(memory, _POINTER)

    return FLOAT(lanes), generate


@intrinsic
def full_width(context: Any) -> Any:
    """Let the kernel use the widest vectors there are.

    LLVM prefers half of them on processors whose clock they once slowed down. A kernel that waits
    for its own results gains by twice the lanes in flight; one of divisions only does not. The
    function is not inlined because the wish would stay behind.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        attributes = builder.function.attributes
        attributes.add("noinline")
        set.add(attributes, '"prefer-vector-width"="512"')  # not among those llvmlite knows
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def offset(context: Any, pointer: Any, distance: Any) -> Any:
    """Move a pointer by a number of bytes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = builder.bitcast(values[0], ir.PointerType(ir.IntType(8)))
        return builder.bitcast(builder.gep(start, [values[1]]), _POINTER)

    return pointer(pointer, types.intp), generate


@intrinsic
def apart(context: Any, a: Any, b: Any) -> Any:
    """Tell whether two operands begin at different places."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.icmp_unsigned("!=", *(builder.ptrtoint(v, _INTEGER) for v in values))

    return types.boolean(a, b), generate


@intrinsic
def where(context: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Select without a branch."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(*values)

    return yes(types.boolean, yes, yes), generate


@intrinsic
def unordered(context: Any, a: Any, b: Any) -> Any:
    """Tell whether one of the two is a NaN."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fcmp_unordered("uno", *values)

    return types.boolean(types.float64, types.float64), generate


@intrinsic
def count(context: Any, data: Any, index: Any, number: Any) -> Any:
    """Add a number to a counter shared by all threads."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, index, number = values
        place = builder.gep(pointer, [index])
        with builder.if_then(builder.icmp_signed("!=", number, ir.Constant(_INTEGER, 0))):
            builder.atomic_rmw("add", place, number, "monotonic")
        return context.get_dummy_value()

    return types.void(data, types.intp, types.intp), generate


@intrinsic
def power_of_two(context: Any, k: Any) -> Any:
    """Write the exponent bits of 2**k, -1022 <= k <= 1023."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        biased = builder.fptosi(builder.fadd(values[0], ir.Constant(_DOUBLE, 1023.0)), _INTEGER)
        return builder.bitcast(builder.shl(biased, ir.Constant(_INTEGER, 52)), _DOUBLE)

    return types.float64(types.float64), generate


def _status_call(name: str) -> Any:
    """Save (``stmxcsr``) or restore (``ldmxcsr``) the floating-point status on x86."""

    @intrinsic
    def call(context: Any, memory: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            module = builder.module
            if module.triple.startswith(("x86_64", "i686", "i386")):
                kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(ir.IntType(8))])
                full = f"llvm.x86.sse.{name}"
                known = module.globals.get(full)
                function = ir.Function(module, kind, full) if known is None else known
                builder.call(function, [builder.bitcast(values[0], kind.args[0])])
            elif name == "ldmxcsr":
                kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
                known = module.globals.get("feclearexcept")
                function = ir.Function(module, kind, "feclearexcept") if known is None else known
                builder.call(function, [ir.Constant(ir.IntType(32), 31)])
            return context.get_dummy_value()

        return types.void(memory), generate

    return call


save_status = _status_call("stmxcsr")
restore_status = _status_call("ldmxcsr")


def _copy(name: str, address: Callable[..., tuple[Any, Any]]) -> Any:
    """Return a numba function that copies lanes; one loop per kernel, called for every operand.

    ``address(builder, pointer, start, stride, tile, lane)`` returns where to read and to write.
    """

    @intrinsic
    def call(context: Any, pointer: Any, start: Any, stride: Any, memory: Any, lanes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            module = builder.module
            function = module.globals.get(name)
            if function is None:
                kinds = [_POINTER, _INTEGER, _INTEGER, _POINTER, _INTEGER]
                function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
                function.linkage = "internal"
                function.attributes.add("noinline")
                inner = ir.IRBuilder(function.append_basic_block())
                *where_from, count = function.args
                with cgutils.for_range(inner, count) as loop:
                    source, target = address(inner, *where_from, loop.index)
                    inner.store(inner.load(source), target)
                inner.ret_void()
            builder.call(function, values)
            return context.get_dummy_value()

        return types.void(pointer, types.intp, types.intp, memory, types.intp), generate

    return call


def _place(builder: Any, pointer: Any, start: Any, stride: Any, lane: Any) -> Any:
    """Return the address of a lane of an operand."""
    distance = builder.mul(builder.add(start, lane), stride)
    first = builder.bitcast(pointer, ir.PointerType(ir.IntType(8)))
    return builder.bitcast(builder.gep(first, [distance]), _POINTER)


gather = _copy(
    "gather",
    lambda b, p, start, stride, memory, i: (_place(b, p, start, stride, i), b.gep(memory, [i])),
)
scatter = _copy(
    "scatter",
    lambda b, p, start, stride, memory, i: (b.gep(memory, [i]), _place(b, p, start, stride, i)),
)
scatter_contiguous = _copy(
    "scatter_contiguous",
    lambda b, p, start, stride, memory, i: (
        b.gep(memory, [i]),
        b.gep(b.gep(p, [start]), [i]),
    ),
)


@njit(error_model="numpy", forceinline=True)
def splat(memory, pointer, stride, n):
    """Fill a tile with the one value of an operand that does not move."""
    if stride == 0:
        gather(pointer, 0, 0, memory, n)  # pyright: ignore


@njit(error_model="numpy", forceinline=True)
def operand(pointer, start, stride, memory, m):
    """Return where the lanes of an operand lie one after the other."""
    if stride == 8:
        return offset(pointer, start * 8)  # pyright: ignore
    if stride != 0:
        gather(pointer, start, stride, memory, m)  # pyright: ignore
    return memory


@njit(error_model="numpy", forceinline=True)
def deliver(pointer, start, stride, memory, m):
    """Copy the lanes of a result to where the caller wants them."""
    if stride == 8:
        scatter_contiguous(pointer, start, stride, memory, m)  # pyright: ignore
    else:
        scatter(pointer, start, stride, memory, m)  # pyright: ignore


@njit(error_model="numpy", forceinline=True)
def zeta(s):
    """Riemann zeta for real s >= 0 by Euler-Maclaurin summation with 12 terms (NaN below)."""
    if not (s >= 0.0):
        return math.nan
    total = 0.0
    for n in range(1, 12):
        total += pow(float(n), -s)
    last = pow(12.0, -s)
    total += last * 12.0 / (s - 1.0) + 0.5 * last
    # Bernoulli terms B_2k/(2k)! s (s+1) ... (s+2k-2) 12^(-s-2k+1), k = 1..8
    factor = s * last / 12.0
    for k, coefficient in enumerate(_BERNOULLI):
        total += coefficient * factor
        j = 2.0 * k + 1.0
        factor *= (s + j) * (s + j + 1.0) / 144.0
    return total


_BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
)


@njit(error_model="numpy", forceinline=True)
def _quotient(a, b):
    return a / b


@cache
def namespace() -> dict[str, Any]:
    """Return every name that generated source may use (one dictionary: copy it before adding).

    Returns
    -------
    dict
        Intrinsics, the double-double functions, and the two special values.
    """
    names: dict[str, Any] = {
        "__builtins__": {"range": range, "float": float, "int": int, "max": max, "min": min},
        **{"inf": math.inf, "nan": math.nan, "array": np.array, "abs": absolute},
        **{"sqrt": sqrt, "absolute": absolute, "floor": floor, "exp": exp, "log": log},
        **{"sin": sin, "cos": cos, "atan": atan, "pow": pow, "gamma": gamma, "zeta": zeta},
        **{"minimum": minimum, "maximum": maximum, "fma": fma, "where": where},
        **{"tile": tile, "splat": splat, "operand": operand, "deliver": deliver},
        **{"offset": offset, "apart": apart, "full_width": full_width},
        **{"unordered": unordered, "count": count, "quotient": _quotient},
        **{"save_status": save_status, "restore_status": restore_status},
        **{"power_of_two": power_of_two, "nearest_integer": nearest, "square_root_float": sqrt},
        **{"logarithm_float": log, "arctangent_float": atan},
    }
    texts = ((dd, ARITHMETIC), (ddf, FUNCTIONS), (pls, SERIES), (ddp, PAIR_SERIES))
    for module, functions in texts:
        constants = {n: v for n, v in vars(module).items() if n.isupper()}
        for name in functions:
            # The same code as the Python function, with fma, where and quotient of the hardware.
            function = FunctionType(getattr(module, name).__code__, {**names, **constants}, name)
            names[name] = njit(error_model="numpy", forceinline=module is dd)(function)
    return names


ARITHMETIC = (
    *("two_sum", "quick_two_sum", "two_product", "settle", "add", "add_rounded", "add_float"),
    *("multiply", "multiply_float", "square", "divide", "reciprocal", "square_root", "scale"),
)
FUNCTIONS = (  # each after those it calls
    *("exponential", "logarithm", "sine_and_cosine", "sine", "cosine", "arctangent"),
    *("gamma_function", "zeta_function"),
)
SERIES = (
    *("remainder", "near_integral", "far_integral", "corner_corrections", "first_of_tail"),
    "power_law_sum",
)
PAIR_SERIES = (
    *("raised", "resolvent_power", "rising_series", "mean_decay", "far_part", "incomplete_beta"),
    *("pair_corrections", "first_of_pairs", "mode", "power_law_pair"),
)
