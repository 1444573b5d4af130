"""Programs written by hand, and a plain interpreter: the second route for the kernel tests."""

import math
from fractions import Fraction

import mpmath
import numpy as np

from numerics.program import Builder, Program


def resolvent_trace(b: Builder, kappa: int, u: int) -> int:
    one, two, four = (b.constant(n) for n in (1, 2, 4))
    near = b.op("div", b.op("sub", kappa, one), kappa)
    far = b.op("sub", one, b.op("div", one, kappa))
    shift = b.op("add", u, b.select(b.op("less", two, kappa), far, near))
    disc = b.op("add", b.op("mul", shift, shift), b.op("div", b.op("mul", four, u), kappa))
    root = b.op("sqrt", disc)
    outer = b.op("div", two, b.op("add", shift, root))
    inner = b.op("div", b.op("mul", b.op("sub", root, shift), kappa), b.op("mul", two, u))
    return b.select(b.op("less", b.constant(0), shift), outer, inner)


def positive(b: Builder, *names: str) -> None:
    for name in names:
        b.require(f"{name} > 0", (name,), b.op("less", b.constant(0), b.argument(name)))


def marchenko_pastur() -> Program:
    """M_kappa(u), two-branch form."""
    b = Builder(("kappa", "u"))
    positive(b, "kappa", "u")
    return b.program({"M": resolvent_trace(b, b.argument("kappa"), b.argument("u"))})


def effective_ridge() -> Program:
    """xi M(q + xi) - tau lam/xi = 1 - tau by Newton from M frozen at xi = 0; outputs xi and M."""
    b = Builder(("tau", "q", "kappa", "lam"))
    positive(b, *b.arguments)
    tau, q, kappa, lam = (b.argument(a) for a in b.arguments)
    zero, one, two, four = (b.constant(n) for n in (0, 1, 2, 4))
    op = b.op
    gap, source = op("sub", one, tau), op("mul", tau, lam)
    frozen = resolvent_trace(b, kappa, q)
    disc = op("sqrt", op("add", op("mul", gap, gap), op("mul", four, op("mul", frozen, source))))
    above = op("div", op("add", gap, disc), op("mul", two, frozen))
    below = op("div", op("mul", two, source), op("sub", disc, gap))
    start = b.select(op("less", zero, gap), above, below)
    (xi,) = b.open(1)
    u = op("add", q, xi)
    m = resolvent_trace(b, kappa, u)
    t = op("div", m, op("add", one, op("div", m, kappa)))
    slope = op("add", op("div", t, m), op("div", op("mul", op("mul", t, u), m), kappa))
    prime = op("neg", op("div", op("mul", m, m), slope))
    over = op("div", source, xi)
    residual = op("sub", op("sub", op("mul", xi, m), over), gap)
    rate = op("add", op("add", m, op("mul", xi, prime)), op("div", over, xi))
    step = op("sub", xi, op("div", residual, rate))
    (root,) = b.close("root", (xi,), (step, residual), (start,), (-50, 200), 1)
    return b.program({"xi": root, "M": resolvent_trace(b, kappa, op("add", q, root))})


def two_unknowns() -> Program:
    """x = sqrt(a + y), y = sqrt(b + x) by plain iteration; outputs x, y and x < y chosen."""
    b = Builder(("a", "b"))
    positive(b, "a", "b")
    first, second = b.argument("a"), b.argument("b")
    x, y = b.open(2)
    op = b.op
    new = (op("sqrt", op("add", first, y)), op("sqrt", op("add", second, x)))
    residual = (op("sub", new[0], x), op("sub", new[1], y))
    one = b.constant(1)
    rx, ry = b.close("root", (x, y), (*new, *residual), (one, one), (-50, 400), 2)
    smaller = b.select(op("less", rx, ry), rx, ry)
    return b.program({"x": rx, "y": ry, "smaller": smaller})


def sums() -> Program:
    """sum_{k=m}^{n} 1/(k + x), and a table sum of w_j/(x + c_j), inside and outside a root."""
    b = Builder(("x", "m", "n"))
    positive(b, "x")
    x, m, n = (b.argument(a) for a in b.arguments)
    op = b.op
    (k,) = b.open(1)
    term = op("div", b.constant(1), op("add", k, op("sqrt", x)))
    (total,) = b.close("sum", (k,), (term,), (m, n), None, 1)
    table = tuple(
        tuple(Fraction(p, q) for p, q in column)
        for column in (((1, 3), (2, 7), (5, 11)), ((1, 10), (3, 2), (7, 5)))
    )

    def weighted(at: int) -> int:
        w, c = b.open(2)
        value = op("div", w, op("add", at, c))
        return b.close("table_sum", (w, c), (value,), (), table, 1)[0]

    # y = x + sum_j w_j/(y + c_j): a contraction
    (y,) = b.open(1)
    new = op("add", x, weighted(y))
    (root,) = b.close("root", (y,), (new, op("sub", new, y)), (x,), (-50, 200), 1)
    return b.program({"series": total, "table": weighted(x), "root": root})


def nested() -> Program:
    """sum_{k=1}^{n} z_k, z_k = sqrt(x + k/(1 + z_k)): a root inside a sum, and a root in that."""
    b = Builder(("x", "n"))
    positive(b, "x")
    x, n, one = b.argument("x"), b.argument("n"), b.constant(1)
    op = b.op
    (k,) = b.open(1)
    (z,) = b.open(1)
    (v,) = b.open(1)  # v = 1 + z, solved for again as v = (v + (1 + z)^2/v)/2
    square = op("power", op("add", one, z), attribute=2)
    new = op("div", op("add", v, op("div", square, v)), b.constant(2))
    (inner,) = b.close("root", (v,), (new, op("sub", new, v)), (one,), (-50, 100), 1)
    new = op("sqrt", op("add", x, op("div", k, inner)))
    (outer,) = b.close("root", (z,), (new, op("sub", new, z)), (x,), (-50, 200), 1)
    (total,) = b.close("sum", (k,), (outer,), (one, n), None, 1)
    return b.program({"total": total})


def no_root() -> Program:
    """x -> x + 1/x has no fixed point; the mask x < y must not hide that."""
    b = Builder(("y", "flag"))
    y, flag, one = b.argument("y"), b.argument("flag"), b.constant(1)
    (x,) = b.open(1)
    new = b.op("add", x, b.op("div", one, x))
    (root,) = b.close("root", (x,), (new, b.op("sub", new, x)), (one,), (-50, 30), 1)
    hidden = b.select(b.op("less", b.constant(0), flag), y, root)
    masked = b.select(b.op("less", root, y), one, y)
    outputs = {"hidden": hidden, "masked": masked, "least": b.op("minimum", root, y)}
    outputs["turned"] = b.select(b.op("less_equal", y, root), one, y)
    doubt = b.op("and", b.op("less", y, b.constant(9)), b.op("not", b.op("equal", y, root)))
    outputs["chain"] = b.select(b.op("or", doubt, b.op("is_infinite", root)), y, one)
    return b.program(outputs)


class Floats:
    """IEEE 754 arithmetic of NumPy scalars."""

    number = staticmethod(np.float64)
    nan = np.float64("nan")

    def constant(self, attribute):
        if isinstance(attribute, str):
            named = {"pi": math.pi, "e": math.e, "euler_gamma": np.euler_gamma}
            return np.float64(named.get(attribute) or attribute)
        return np.float64(attribute.numerator / attribute.denominator)

    def call(self, name, *values):
        return np.float64(getattr(np, name)(*values))

    def finite(self, value):
        return bool(np.isfinite(value))


class Digits:
    """mpmath numbers at the current precision."""

    nan = mpmath.nan

    def number(self, value):
        return mpmath.mpf(value)

    def constant(self, attribute):
        if isinstance(attribute, str):
            return {"euler_gamma": +mpmath.euler, "pi": +mpmath.pi, "e": +mpmath.e}.get(
                attribute
            ) or mpmath.mpf(attribute)
        return mpmath.mpf(attribute.numerator) / attribute.denominator

    def call(self, name, *values):
        name = {"arctan": "atan", "absolute": "fabs"}.get(name, name)
        return getattr(mpmath, name)(*values)

    def finite(self, value):
        return bool(mpmath.isfinite(value))


_CALLS = {"sqrt": "sqrt", "exp": "exp", "log": "log", "sin": "sin", "cos": "cos"}
_CALLS |= {"atan": "arctan", "abs": "absolute"}


def interpret(program: Program, arithmetic, *point):
    """Evaluate at one point; a violated constraint or NaN argument gives NaN everywhere."""
    values = {}
    arguments = [arithmetic.number(x) for x in point]
    with np.errstate(all="ignore"):
        _run(program.body, values, arguments, arithmetic)
    valid = all(values[c.value] for c in program.constraints)
    valid = valid and not any(x != x for x in arguments)
    return tuple(values[y] if valid else arithmetic.nan for y in program.body.yields)


def _run(block, values, arguments, a):
    for i in block.instructions:
        inputs = [values[v] for v in i.inputs]
        if i.block is None:
            values[i.results[0]] = _simple(i, inputs, arguments, a)
        elif i.op == "root":
            state = inputs
            tiny = a.number(10) ** (-14 if isinstance(a, Floats) else -(mpmath.mp.dps - 8))
            for _ in range(3000):
                values.update(zip(i.block.parameters, state, strict=True))
                _run(i.block, values, arguments, a)
                new = [values[y] for y in i.block.yields[: len(state)]]
                settled = all(abs(n - s) <= tiny * abs(n) for n, s in zip(new, state, strict=True))
                state = new
                if settled:
                    break
            else:
                state = [a.nan] * len(state)
            values.update(zip(i.results, state, strict=True))
        elif i.op == "sum":
            total = a.number(0)
            for k in range(int(inputs[0]), int(inputs[1]) + 1):
                values[i.block.parameters[0]] = a.number(k)
                _run(i.block, values, arguments, a)
                total = total + values[i.block.yields[0]]
            values[i.results[0]] = total
        else:
            total = a.number(0)
            for row in zip(*i.attribute, strict=True):
                entries = [a.constant(entry) for entry in row]
                values.update(zip(i.block.parameters, entries, strict=True))
                _run(i.block, values, arguments, a)
                total = total + values[i.block.yields[0]]
            values[i.results[0]] = total


def _simple(i, x, arguments, a):
    op = i.op
    if op == "argument":
        return arguments[i.attribute]
    if op == "constant":
        return a.constant(i.attribute)
    if op in _CALLS:
        return a.call(_CALLS[op], *x)
    if op == "power":
        return _products(x[0], i.attribute, a)
    if op == "div" and isinstance(a, Digits) and x[1] == 0:
        return a.nan if x[0] == 0 else mpmath.sign(x[0]) * mpmath.inf
    if op in ("minimum", "maximum"):
        return x[0] + x[1] if x[0] != x[0] or x[1] != x[1] else (min if op == "minimum" else max)(x)
    return {
        "add": lambda: x[0] + x[1],
        "sub": lambda: x[0] - x[1],
        "mul": lambda: x[0] * x[1],
        "div": lambda: x[0] / x[1],
        "neg": lambda: -x[0],
        "pow": lambda: x[0] ** x[1],
        "less": lambda: bool(x[0] < x[1]),
        "less_equal": lambda: bool(x[0] <= x[1]),
        "equal": lambda: bool(x[0] == x[1]),
        "and": lambda: x[0] and x[1],
        "or": lambda: x[0] or x[1],
        "not": lambda: not x[0],
        "is_infinite": lambda: not a.finite(x[0]) and x[0] == x[0],
        "select": lambda: x[1] if x[0] else x[2],
    }[op]()


def _products(base, exponent, a):
    result, square, rest = None, base, abs(exponent)
    while rest:
        if rest & 1:
            result = square if result is None else result * square
        rest >>= 1
        square = square * square
    if result is None:
        return a.number(1)
    return result if exponent >= 0 else a.number(1) / result
