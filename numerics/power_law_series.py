r"""Sums over the infinitely many modes of a power law, in single floats.

.. math:: S(p,q,m,x)=\sum_{k\ge1}\frac{k^{-p}}{(1+x\,k^{-q})^m}

The first modes one by one, then the integral over the others, with ten Euler-Maclaurin corrections.
The integral is an incomplete Beta function: a series of positive terms up to where x z**-q falls
to a constant, powers of 1/(1 + x z**-q) beyond. The text is plain Python; a kernel calls it
compiled, and :mod:`numerics.double_double_power_law` does the same in pairs.
"""

from __future__ import annotations

from math import cos, exp, inf, log, nan, pi, sin, sqrt

PI = pi
MOST_MODES = 4096.0
MOST_TERMS = 20000
CORRECTIONS = (  # B_2j/(2j)
    *(1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160),
    *(43867 / 14364, -174611 / 6600),
)


def tile(lanes: int) -> list[float]:
    """Return a work space; a kernel takes it from the stack."""
    return [0.0] * lanes


def remainder(a: float, b: float, c: float) -> float:
    """Return a - b c with the product exact, by Dekker's splitting."""
    high, factor = b * 134217729.0, c * 134217729.0
    high, factor = high - (high - b), factor - (factor - c)
    low, rest = b - high, c - factor
    product = b * c
    return (a - product) - (((high * factor - product) + high * rest + low * factor) + low * rest)


def near_integral(a: float, m: float, u: float) -> float:
    r"""Return :math:`\int_0^1v^{a-1}(1+uv)^{-m}dv` by Pfaff's series in u/(1 + u)."""
    w, term, total = u / (1.0 + u), 1.0, 1.0
    for j in range(MOST_TERMS):
        ratio = w * (m + j) / (a + 1.0 + j)
        term *= ratio
        total += term
        if ratio < 1.0:
            # The rest is less than that of a geometric series, and than its sum at w = 1.
            rest = 1.0 + u if m <= a else 1.0 / (1.0 - ratio)
            if a > m + 1.0:
                rest = min(rest, (a + j + 1.0) / (a - m))
            if term * rest < 1e-17 * total:
                return total * pow(1.0 + u, -m) / a
    return nan


def far_integral(a: float, m: float, u: float, cut: float, lost: float) -> float:
    r"""Return :math:`\int_{c/u}^1v^{a-1}(1+uv)^{-m}dv` by powers of z = 1/(1 + u v).

    The integrand is :math:`u^{-a}z^{m-a-1}(1-z)^{a-1}`; the integral of a power is finite at
    m - a + j = 0 too, where its two ends would cancel.
    """
    length = log((1.0 + u) / (1.0 + cut))
    # Prefactors for s = m - a + j < 0, where the near end rules, and for s >= 0.
    near = pow(u / (1.0 + u), -a) * pow(1.0 + u, -m)
    far = pow(u, -a) * pow(1.0 + cut, a - m) * (1.0 - lost * log(u))
    coefficient, total = 1.0, 0.0
    for j in range(400):
        s = m - a - lost + j
        size = abs(s)
        y = size * length
        if y > 0.5:
            part = (1.0 - exp(-y)) / size
        else:
            part = 1.0
            for n in range(13, 1, -1):
                part = 1.0 - part * y / n
            part *= length
        part *= coefficient * (near if s < 0.0 else far)
        total += part
        coefficient *= (j + 1.0 - a) / (j + 1.0)
        near /= 1.0 + u
        far /= 1.0 + cut
        if coefficient == 0.0 or (j > a and s > 0.0 and abs(part) < 1e-17 * abs(total)):
            return total
    return nan


def corner_corrections(p: float, q: float, m: float, u: float, first: float) -> float:
    """Return half a mode and its Euler-Maclaurin corrections at the first mode of the tail.

    The Taylor coefficients g_n of (1 + t)**-p (1 + u (1 + t)**-q)**-m, over (1 + u)**-m, follow
    from (1 + t)(1 + u (1 + t)**-q) g' = (-p + (q m - p) u (1 + t)**-q) g.
    """
    mode, slope, g = tile(20), tile(21), tile(20)
    w = u / (1.0 + u)
    one, two = (q * m - p) * w, w
    for n in range(1, 20):
        one *= (1.0 - n - q) / n
        two *= (2.0 - n - q) / n
        mode[n], slope[n] = one, two
    mode[0], slope[1], g[0] = q * m * w - p, 1.0 - q * w, 1.0
    for n in range(19):
        total = 0.0
        for i in range(n + 1):
            total += (mode[n - i] - i * slope[n + 1 - i]) * g[i]
        g[n + 1] = total / (n + 1.0)
    total, scale, n = 0.5, 1.0 / first, 1
    for weight in CORRECTIONS:
        total -= weight * g[n] * scale
        scale /= first * first
        n += 2
    return total


def first_of_tail(p: float, q: float, m: float, x: float) -> float:
    """Return the mode at which the tail begins, far from the zeros of 1 + x z**-q."""
    power = max(max(p, abs(q * m - p)), m)
    far = (60.0 + 4.0 * power) / (2.0 * PI)
    if q > 2.0 and x > 0.0:
        height = exp(min(log(x) / q, 700.0))
        side = height * sin(PI / q)
        if side < far:
            far = max(far, height * cos(PI / q) + sqrt(far * far - side * side))
    return float(int(min(far, 2.0 * MOST_MODES))) + 1.0


def power_law_sum(p: float, q: float, m: float, x: float) -> float:
    """Return S(p, q, m, x) for p > 1, q, m > 0 and finite x >= 0; NaN elsewhere.

    Examples
    --------
    >>> round(power_law_sum(2.0, 2.0, 1.0, 1.0), 14)  # (pi coth(pi) - 1)/2
    1.07667404746858
    """
    if not (p > 1.0 and q > 0.0 and m > 0.0 and x >= 0.0 and x < inf and p + q + m < inf):
        return nan
    first = first_of_tail(p, q, m, x)
    if first > MOST_MODES:
        return nan
    u, a = x * pow(first, -q), (p - 1.0) / q
    cut = max(1.0, min(a, 100.0))
    if u <= 2.0 * cut or a >= 100.0:
        integral = near_integral(a, m, u)
    else:
        # What a has lost in rounding counts log u times as much in u**-a.
        lost = (remainder(p - 1.0, a, q) + ((p - (p - 1.0)) - 1.0)) / q
        integral = pow(u / cut, -a) * (1.0 - lost * log(u / cut)) * near_integral(a, m, cut)
        integral += far_integral(a, m, u, cut, lost)
    corner = pow(1.0 + u, -m) * corner_corrections(p, q, m, u, first)
    total = 0.0  # apart from the tail, whose last digit equal modes would round one way
    for k in range(int(first) - 1, 0, -1):
        mode = float(k)
        total += pow(mode, -p) * pow(1.0 + x * pow(mode, -q), -m)
    return total + pow(first, -p) * (first / q * integral + corner)
