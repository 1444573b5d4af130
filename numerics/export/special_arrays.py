"""Special functions for NumPy, JAX and Mathematica, as far as these lack them.

The sum over a power law is that of :mod:`numerics.power_law_series`, for NumPy word for word; zeta
an Euler-Maclaurin sum over twelve terms, gamma Stirling's series.
"""

from __future__ import annotations

import inspect
from textwrap import indent

from numerics import power_law_series

_ZETA = """\
def special_zeta(s):
    total = 0.0
    for n in range(1, 12):
        total = total + float(n) ** -s
    last = 12.0**-s
    total = total + last * 12.0 / (s - 1.0) + 0.5 * last
    factor = s * last / 12.0
    for k, b in enumerate(
        (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
         1 / 74724249600, -3617 / 10670622842880000)
    ):
        total = total + b * factor
        factor = factor * (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0) / 144.0
    return MODULE.where(s == MODULE.inf, 1.0, MODULE.where(s >= 0.0, total, MODULE.nan))
"""

_GAMMA = """\
def special_gamma(x):
    # Stirling's series from 10 on, and ten steps down to smaller numbers
    z = np.where(x < 0.5, 1.0 - x, x)
    low = z < 10.0
    y = np.where(low, z + 10.0, z)
    total, power = 0.0, 1.0 / y
    for b in (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156):
        total = total + b * power
        power = power / (y * y)
    half = y ** (0.5 * y - 0.25) * np.exp(-0.5 * y)
    found = 2.5066282746310002 * half * np.exp(total) * half
    product = 1.0
    for k in range(10):
        product = product * (z + k)
    lost = z - (y - 10.0)  # by rounding y
    found = np.where(low, found * (1.0 + lost * np.log(y)) / product, found)
    found = np.where(x < 0.5, np.pi / (np.sin(np.pi * x) * found), found)
    found = np.where((x <= 0.0) & (np.floor(x) == x), np.nan, found)
    return np.where(x > 171.7, np.inf, found)
"""

_JAX_SUM = """\
def special_near(a, m, u):
    # integral of v^(a-1) (1 + u v)^-m from 0 to 1, as a series of positive terms
    w = u / (1.0 + u)

    def step(state):
        j, term, total, going = state
        ratio = w * (m + j) / (a + 1.0 + j)
        term = jnp.where(going, term * ratio, term)
        total = jnp.where(going, total + term, total)
        rest = jnp.where(m <= a, 1.0 + u, 1.0 / (1.0 - ratio))
        rest = jnp.where(a > m + 1.0, jnp.minimum(rest, (a + j + 1.0) / (a - m)), rest)
        return j + 1.0, term, total, going & ~((ratio < 1.0) & (term * rest < 1e-17 * total))

    one = jnp.ones_like(a)
    state = jax.lax.while_loop(
        lambda s: (s[0] < 20000.0) & jnp.any(s[3]), step, (jnp.zeros(()), one, one, one > 0.0)
    )
    return jnp.where(state[3], jnp.nan, state[2] * (1.0 + u) ** -m / a)


def special_far(a, m, u, cut):
    # the same from cut/u to 1, as powers of 1/(1 + u v)
    length = jnp.log((1.0 + u) / (1.0 + cut))

    def step(state):
        j, near, far, coefficient, total, going = state
        s = m - a + j
        y = jnp.abs(s) * length
        mean = jnp.where(y > 0.0, -jnp.expm1(-y) / jnp.where(y > 0.0, y, 1.0), 1.0)
        part = coefficient * jnp.where(s < 0.0, near, far) * length * mean
        total = jnp.where(going, total + part, total)
        coefficient = coefficient * (j + 1.0 - a) / (j + 1.0)
        done = (j > a) & (s > 0.0) & (jnp.abs(part) < 1e-17 * jnp.abs(total))
        done = done | (coefficient == 0.0)
        return j + 1.0, near / (1.0 + u), far / (1.0 + cut), coefficient, total, going & ~done

    near = (u / (1.0 + u)) ** -a * (1.0 + u) ** -m
    far = u**-a * (1.0 + cut) ** (a - m)
    start = (jnp.zeros(()), near, far, jnp.ones_like(a), jnp.zeros_like(a), a > 0.0)
    state = jax.lax.while_loop(lambda s: (s[0] < 400.0) & jnp.any(s[5]), step, start)
    return jnp.where(state[5], jnp.nan, state[4])


def special_corrections(p, q, m, u, first):
    # half a mode and ten Euler-Maclaurin corrections, from Taylor coefficients g
    w = u / (1.0 + u)
    one, two = (q * m - p) * w, w
    mode, slope, g = [q * m * w - p], [None], [jnp.ones_like(p)]
    for n in range(1, 20):
        one = one * (1.0 - n - q) / n
        two = two * (2.0 - n - q) / n
        mode.append(one)
        slope.append(two)
    slope[1] = 1.0 - q * w
    for n in range(19):
        total = sum((mode[n - i] - i * slope[n + 1 - i]) * g[i] for i in range(n + 1))
        g.append(total / (n + 1.0))
    total, scale = 0.5, 1.0 / first
    for j, b in enumerate(
        (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160,
         43867 / 14364, -174611 / 6600)
    ):
        total = total - b * g[2 * j + 1] * scale
        scale = scale / (first * first)
    return total


def special_power_law_sum(p, q, m, x):
    # sum of k^-p (1 + x k^-q)^-m over all k >= 1
    p, q, m, x = jnp.broadcast_arrays(*(jnp.asarray(v, dtype=jnp.float64) for v in (p, q, m, x)))
    good = (p > 1.0) & (q > 0.0) & (m > 0.0) & (x >= 0.0) & (x < jnp.inf) & (p + q + m < jnp.inf)
    p, q, m, x = (jnp.where(good, v, 2.0) for v in (p, q, m, x))
    power = jnp.maximum(jnp.maximum(p, jnp.abs(q * m - p)), m)
    first = (60.0 + 4.0 * power) / (2.0 * jnp.pi)
    # far from the zeros of 1 + x k^-q
    height = jnp.exp(jnp.log(x) / q)
    side = height * jnp.sin(jnp.pi / q)
    near = (q > 2.0) & (x > 0.0) & (side < first)
    beyond = height * jnp.cos(jnp.pi / q)
    beyond = beyond + jnp.sqrt(jnp.where(near, first * first - side * side, 0.0))
    first = jnp.floor(jnp.where(near, jnp.maximum(first, beyond), first)) + 1.0
    good = good & (first <= 4096.0)
    first = jnp.where(good, first, 16.0)
    u, a = x * first**-q, (p - 1.0) / q
    cut = jnp.clip(a, 1.0, 100.0)
    direct = (u <= 2.0 * cut) | (a >= 100.0)
    integral = special_near(a, m, jnp.where(direct, u, cut))
    far = special_far(a, m, jnp.where(direct, 3.0 * cut, u), cut)
    whole = jnp.where(direct, 1.0, (u / cut) ** -a) * integral
    integral = jnp.where(direct, integral, whole + far)
    corner = (1.0 + u) ** -m * special_corrections(p, q, m, u, first)

    def add(state):
        k, total = state
        return k - 1.0, total + jnp.where(k < first, k**-p * (1.0 + x * k**-q) ** -m, 0.0)

    start = (jnp.max(first, initial=1.0) - 1.0, jnp.zeros_like(first))
    _, total = jax.lax.while_loop(lambda state: state[0] >= 1.0, add, start)
    total = total + first**-p * (first / q * integral + corner)
    return jnp.where(good, total, jnp.nan)
"""

MATHEMATICA = {
    "power_law_sum": """\
(* Sum of k^-p (1 + x k^-q)^-m over all k >= 1: modes up to first, the integral over the others,
   and Euler-Maclaurin corrections from Taylor coefficients g, to the digits of the arguments. *)
specialPowerLawSum[p_, q_, m_, x_] := Module[
    {digits, order, first, height, side, u, w, a, one, two, mode, slope, g, corner},
    If[!(TrueQ[p > 1] && TrueQ[q > 0] && TrueQ[m > 0] && TrueQ[x >= 0] && TrueQ[x < Infinity]),
        Return[Indeterminate, Module]];
    digits = Max[16, N[Precision[p + q + m + x]]];
    If[!TrueQ[digits < 10000], digits = 16];
    order = 2 Ceiling[6/10 digits];
    first = (4 digits + 4 Max[p, Abs[q m - p], m])/(2 N[Pi]);
    If[TrueQ[q > 2] && TrueQ[x > 0],
        height = x^(1/q); side = height Sin[N[Pi]/q];
        If[TrueQ[side < first],
            first = Max[first, height Cos[N[Pi]/q] + Sqrt[first^2 - side^2]]]];
    If[!TrueQ[first < 10^5], Return[Indeterminate, Module]];
    first = Floor[first] + 1;
    u = x first^(-q); w = u/(1 + u); a = (p - 1)/q;
    one = (q m - p) w; two = w;
    mode = Table[0, {order}]; slope = Table[0, {order}]; g = Table[0, {order}];
    Do[one = one (1 - n - q)/n; two = two (2 - n - q)/n;
        mode[[n + 1]] = one; slope[[n + 1]] = two,
        {n, 1, order - 1}];
    mode[[1]] = q m w - p; slope[[2]] = 1 - q w; g[[1]] = 1;
    Do[g[[n + 2]] = Sum[(mode[[n - i + 1]] - i slope[[n - i + 2]]) g[[i + 1]], {i, 0, n}]/(n + 1),
        {n, 0, order - 2}];
    corner = 1/2 - Sum[BernoulliB[2 j]/(2 j) g[[2 j]] first^(1 - 2 j), {j, 1, order/2}];
    Sum[k^(-p) (1 + x k^(-q))^(-m), {k, 1, first - 1}]
        + first^(-p) (first Hypergeometric2F1[m, a, a + 1, -u]/(p - 1) + (1 + u)^(-m) corner)];
""",
}


def _numpy_sum() -> str:
    """Return the very text of the kernel, over arrays."""
    names = ("remainder", "near_integral", "far_integral", "corner_corrections", "first_of_tail")
    functions = [getattr(power_law_series, n) for n in ("tile", *names, "power_law_sum")]
    texts = [
        f"PI = {power_law_series.PI!r}",
        f"MOST_MODES, MOST_TERMS = {power_law_series.MOST_MODES}, {power_law_series.MOST_TERMS}",
        "CORRECTIONS = (",
        *(f"    {weight!r}," for weight in power_law_series.CORRECTIONS),
        ")",
        "exp, log, sin, cos, sqrt = np.exp, np.log, np.sin, np.cos, np.sqrt",
        "inf, nan = np.inf, np.nan",
        *("\n" + inspect.getsource(f).rstrip() for f in functions),
        "\nreturn np.vectorize(power_law_sum, otypes=[float])",
    ]
    body = indent("\n".join(texts), "    ")
    name = "special_power_law_sum"
    return f"def {name}():\n{body}\n\n\n{name} = {name}()\n"


NUMPY = {
    "gamma": _GAMMA,
    "zeta": _ZETA.replace("MODULE", "np"),
    "power_law_sum": _numpy_sum(),
}
JAX = {"zeta": _ZETA.replace("MODULE", "jnp"), "power_law_sum": _JAX_SUM}
