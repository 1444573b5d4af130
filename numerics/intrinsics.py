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


@njit(error_model="numpy")
def power_law_sum(p, q, m, x):
    """Sum of k**-p (1 + x k**-q)**-m over k >= 1, for p > 1, q, m > 0, x >= 0 (NaN elsewhere).

    The first modes one by one, then an incomplete Beta function and ten Euler-Maclaurin terms.
    """
    if not (p > 1.0 and q > 0.0 and m > 0.0 and x >= 0.0):
        return math.nan
    # The zeros of 1 + x z**-q lie on rays at an angle pi/q: stay away from them and from 0.
    disc = sin(minimum(math.pi / q, 0.5 * math.pi))
    first = int(minimum((60.0 + p) / (2.0 * math.pi * disc), 4096.0)) + 1
    corner = float(first)
    u = x * pow(corner, -q)
    outer, inner, product = tile(20), tile(20), tile(20)  # pyright: ignore
    outer[0], inner[0], product[0] = u, pow(1.0 + u, -m), 1.0
    for n in range(1, 20):
        outer[n] = outer[n - 1] * (-q - n + 1.0) / n
        product[n] = product[n - 1] * (-p - n + 1.0) / n
        total = 0.0
        for j in range(1, n + 1):
            total += (m * j + n - j) * outer[j] * inner[n - j]
        inner[n] = -total / (n * (1.0 + u))
    tail = 0.5 * inner[0] + corner / q * _incomplete_beta((p - 1.0) / q, m, u)
    scale = 1.0 / corner
    for i, coefficient in enumerate(_CORRECTIONS):
        n, total = 2 * i + 1, 0.0
        for j in range(n + 1):
            total += product[j] * inner[n - j]
        tail -= coefficient * total * scale
        scale /= corner * corner
    total = pow(corner, -p) * tail
    for k in range(first - 1, 0, -1):
        total += pow(float(k), -p) * pow(1.0 + x * pow(float(k), -q), -m)
    return total


@njit(error_model="numpy")
def _incomplete_beta(a, m, u):
    """Integral of v**(a-1) (1 + u v)**-m over v from 0 to 1."""
    if u <= 1.0:
        return _pfaff(a, m, u)
    gap = m - a
    if gap > 0.25 and a < 80.0:
        whole = gamma(a) * gamma(gap) / gamma(m)
        return pow(u, -a) * whole - pow(u, -m) * _pfaff(gap, m, 1.0 / u)
    # Saturated, or nearly: both parts above would cancel. Positive terms in log v instead.
    span = log(u)
    panels = int(span * (1.0 + absolute(gap)) / 8.0 + span / 4.0) + 1
    half = 0.5 * span / panels
    total = 0.0
    for panel in range(panels):
        for node, weight in _GAUSS:
            t = half * (2.0 * panel + 1.0 + node)
            total += weight * exp(-a * t) * pow(1.0 + exp(span - t), -m)
    return pow(u, -a) * _pfaff(a, m, 1.0) + half * total


@njit(error_model="numpy")
def _pfaff(a, m, u):
    """The same for u <= 1 as a series of positive terms in u/(1 + u) <= 1/2."""
    w, term, total = u / (1.0 + u), 1.0, 1.0
    for j in range(400):
        term *= w * (m + j) / (a + 1.0 + j)
        total += term
        if term < 1e-17 * total:
            break
    return total * pow(1.0 + u, -m) / a


_CORRECTIONS = (  # B_2j/(2j)
    *(1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160),
    *(43867 / 14364, -174611 / 6600),
)
_GAUSS = tuple(
    (float(u), float(w)) for u, w in zip(*np.polynomial.legendre.leggauss(16), strict=True)
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
        **{"offset": offset, "apart": apart},
        **{"unordered": unordered, "count": count, "quotient": _quotient},
        "power_law_sum": power_law_sum,
        **{"save_status": save_status, "restore_status": restore_status},
        **{"power_of_two": power_of_two, "nearest_integer": nearest, "square_root_float": sqrt},
        **{"logarithm_float": log, "arctangent_float": atan},
    }
    for module, functions in ((dd, ARITHMETIC), (ddf, FUNCTIONS), (ddp, POWER_LAW)):
        constants = {n: v for n, v in vars(module).items() if n.isupper()}
        for name in functions:
            # The same code as the Python function, with fma, where and quotient of the hardware.
            function = FunctionType(getattr(module, name).__code__, {**names, **constants}, name)
            names[name] = njit(error_model="numpy", forceinline=module is dd)(function)
    return names


ARITHMETIC = (
    *("two_sum", "quick_two_sum", "two_product", "settle", "add", "add_float", "multiply"),
    *("multiply_float", "square", "divide", "square_root", "scale"),
)
FUNCTIONS = (  # each after those it calls
    *("exponential", "logarithm", "sine_and_cosine", "sine", "cosine", "arctangent"),
    *("gamma_function", "zeta_function"),
)
POWER_LAW = (
    *("raised", "resolvent_power", "rising_series", "mean_decay", "far_part", "incomplete_beta"),
    *("corner_corrections", "first_of_tail", "mode", "power_law_pair"),
)
