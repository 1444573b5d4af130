"""Moments, free cumulants and the coefficients of the S-transform, turned into each other.

With psi(w) = sum_{k>=1} m_k w^k and C(w) = sum_{k>=1} kappa_k w^k = w R(w):

    1 + psi(w) = 1 + C(w (1 + psi(w)))                  (free cumulants)
    S(y) = (1 + y)/y chi(y),  psi(chi(y)) = y            (S-transform)

All three are identities of formal power series, so they hold over any field of coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Expr, construct_domain

from derive.errors import ConditionError


def _field(values: Sequence[Expr]) -> tuple[Any, list[Any]]:
    """Return the smallest field holding the values, and the values in it."""
    if not values:
        return sympy.QQ, []
    domain, elements = construct_domain(list(values), field=True, extension=True)
    if domain.is_EX:
        domain, elements = construct_domain([sympy.radsimp(v) for v in values], field=True)
    return domain, list(elements)


def multiply(left: Sequence[Any], right: Sequence[Any], order: int, zero: Any) -> list[Any]:
    """Return the first ``order`` coefficients of a product of two power series."""
    product = [zero] * order
    for i, a in enumerate(left[:order]):
        if a:
            for j, b in enumerate(right[: order - i]):
                product[i + j] += a * b
    return product


def reciprocal(series: Sequence[Any], order: int, zero: Any) -> list[Any]:
    """Return the first ``order`` coefficients of one over a power series with series[0] != 0."""
    one = series[0] / series[0]
    inverse = [one / series[0]]
    for n in range(1, order):
        total = zero
        for k in range(1, min(n, len(series) - 1) + 1):
            total += series[k] * inverse[n - k]
        inverse.append(-total / series[0])
    return inverse[:order]


def cumulants_in_field(moments: Sequence[Any], field: Any) -> list[Any]:
    """Return the free cumulants of elements of a field."""
    count = len(moments)
    series = [field.one, *moments]
    cumulants: list[Any] = []
    # m_n = sum_s kappa_s [w^(n-s)] (1 + psi)^s; the term s = n is kappa_n itself
    powers = [series]
    for _ in range(count - 1):
        powers.append(multiply(powers[-1], series, count, field.zero))
    for n in range(1, count + 1):
        known = field.zero
        for s in range(1, n):
            known += cumulants[s - 1] * powers[s - 1][n - s]
        cumulants.append(moments[n - 1] - known)
    return cumulants


def moments_in_field(cumulants: Sequence[Any], field: Any) -> list[Any]:
    """Return the moments that belong to free cumulants in a field."""
    count = len(cumulants)
    moments: list[Any] = []
    for n in range(1, count + 1):
        series = [field.one, *moments]
        total = field.zero
        power = [field.one]
        for s in range(1, n + 1):
            power = multiply(power, series, n, field.zero)
            if n - s < len(power):
                total += cumulants[s - 1] * power[n - s]
        moments.append(total)
    return moments


def s_series_in_field(moments: Sequence[Any], field: Any) -> list[Any]:
    """Return the coefficients of S(y), by Lagrange inversion of psi."""
    count = len(moments)
    ratio = reciprocal(moments, count, field.zero)  # w / psi(w)
    chi = []
    power = [field.one]
    for n in range(1, count + 1):
        power = multiply(power, ratio, count, field.zero)
        chi.append((power[n - 1] if n - 1 < len(power) else field.zero) / field.convert(n))
    # S = (1 + y) chi / y
    return [chi[k] + (chi[k - 1] if k else field.zero) for k in range(count)]


def moments_of_s_in_field(coefficients: Sequence[Any], field: Any) -> list[Any]:
    """Return the moments that belong to the coefficients of S(y)."""
    count = len(coefficients)
    # chi/y = S/(1 + y), then invert the series chi
    ratio = []
    carry = field.zero
    for c in coefficients:
        carry = c - carry
        ratio.append(carry)
    inverse = reciprocal(ratio, count, field.zero)
    moments = []
    power = [field.one]
    for n in range(1, count + 1):
        power = multiply(power, inverse, count, field.zero)
        moments.append(power[n - 1] / field.convert(n))
    return moments


def free_cumulants_from_moments(moments: Sequence[Expr]) -> list[Expr]:
    """Turn moments into free cumulants, the Taylor coefficients of the R-transform.

    ``R(g) = sum_{n>=1} kappa_n g^(n-1)``.

    Parameters
    ----------
    moments : sequence of sympy.Expr
        m_1, m_2, ... (dimensionless powers of the eigenvalue), any symbols.

    Returns
    -------
    list of sympy.Expr
        kappa_1, kappa_2, ...

    References
    ----------
    Speicher, Math. Ann. 298 (1994) 611; Nica & Speicher, Lectures (2006), lecture 11.

    Examples
    --------
    >>> a, b = sympy.symbols("a b")
    >>> free_cumulants_from_moments([a, b])
    [a, -a**2 + b]
    """
    field, elements = _field(moments)
    return [field.to_sympy(k) for k in cumulants_in_field(elements, field)]


def moments_from_free_cumulants(cumulants: Sequence[Expr]) -> list[Expr]:
    """Turn free cumulants into moments, the sum over non-crossing partitions.

    Parameters
    ----------
    cumulants : sequence of sympy.Expr
        kappa_1, kappa_2, ...

    Returns
    -------
    list of sympy.Expr
        m_1, m_2, ...

    References
    ----------
    Speicher, Math. Ann. 298 (1994) 611.

    Examples
    --------
    All free cumulants equal to c give the Narayana polynomials (free Poisson law):

    >>> c = sympy.Symbol("c")
    >>> moments_from_free_cumulants([c, c, c])
    [c, c**2 + c, c**3 + 3*c**2 + c]
    """
    field, elements = _field(cumulants)
    return [field.to_sympy(m) for m in moments_in_field(elements, field)]


def _needs_mean(moments: Sequence[Expr], call: str) -> None:
    if not moments or sympy.cancel(moments[0]) == 0:
        raise ConditionError(
            call,
            "the first moment is zero",
            "S(y) = (1+y)/y chi(y) needs the inverse chi of psi(w) = m_1 w + ..., "
            "which exists only for m_1 != 0",
            "shift the law first, or use free cumulants and the free sum",
        )


def s_coefficients_from_moments(moments: Sequence[Expr]) -> list[Expr]:
    """Turn moments into the Taylor coefficients of the S-transform.

    Parameters
    ----------
    moments : sequence of sympy.Expr
        m_1 != 0, m_2, ...

    Returns
    -------
    list of sympy.Expr
        s_0 = 1/m_1, s_1, ... with S(y) = s_0 + s_1 y + ...

    Raises
    ------
    ConditionError
        The mean is zero.

    References
    ----------
    Voiculescu, J. Operator Theory 18 (1987) 223.

    Examples
    --------
    >>> s_coefficients_from_moments([sympy.Integer(2), sympy.Integer(4)])
    [1/2, 0]
    """
    _needs_mean(moments, "s_coefficients_from_moments(moments)")
    field, elements = _field(moments)
    return [field.to_sympy(s) for s in s_series_in_field(elements, field)]


def moments_from_s_coefficients(coefficients: Sequence[Expr]) -> list[Expr]:
    """Turn the Taylor coefficients of the S-transform into moments.

    Parameters
    ----------
    coefficients : sequence of sympy.Expr
        s_0 != 0, s_1, ...

    Returns
    -------
    list of sympy.Expr
        m_1 = 1/s_0, m_2, ...

    References
    ----------
    Voiculescu, J. Operator Theory 18 (1987) 223.

    Examples
    --------
    >>> moments_from_s_coefficients([sympy.Integer(1), sympy.Integer(-1)])
    [1, 2]
    """
    _needs_mean(coefficients, "moments_from_s_coefficients(coefficients)")
    field, elements = _field(coefficients)
    return [field.to_sympy(m) for m in moments_of_s_in_field(elements, field)]
