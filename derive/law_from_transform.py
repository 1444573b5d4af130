"""The law that has a given R-, S- or tau-transform, the inverse of :mod:`derive.transforms`."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Poly, Symbol, cancel, fraction, together

from derive.algebraic_law import AlgebraicLaw, law_from_equation, m, z
from derive.errors import ArgumentsError, ConditionError
from derive.free_cumulants import moments_from_free_cumulants, moments_from_s_coefficients

#: Coefficients compared when the factor is chosen.
_TERMS = 6


def law_from_r_transform(r: Expr, variable: Symbol, conditions: Sequence = ()) -> AlgebraicLaw:
    """Return the law with a given rational R-transform.

    ``z = R(-m) - 1/m``.

    Parameters
    ----------
    r : sympy.Expr
        R(g), rational in g and regular at zero.
    variable : sympy.Symbol
        g.
    conditions : sequence of sympy relationals
        The domain of the parameters, e.g. that of positivity of the law.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    ConditionError
        R is not a power series at zero.

    Validity
    --------
    That a positive law with this R exists is proved only when its support is worked out.

    Examples
    --------
    >>> g = Symbol("g")
    >>> law_from_r_transform(2*g/(1 - g**2), g).moments(4)
    [0, 2, 0, 10]
    """
    call = f"law_from_r_transform({r}, {variable})"
    cumulants = _taylor(call, r, variable, _TERMS)
    moments = moments_from_free_cumulants(cumulants)
    equation = r.subs(variable, -m) - 1 / m - z
    return law_from_equation(equation, moments, conditions=conditions)


def law_from_s_transform(s: Expr, variable: Symbol, conditions: Sequence = ()) -> AlgebraicLaw:
    """Return the law with a given rational S-transform.

    ``z = (1 + y)/(y S(y))`` with y = -1 - z m.

    Parameters
    ----------
    s : sympy.Expr
        S(y), rational in y, regular and not zero at y = 0.
    variable : sympy.Symbol
        y.
    conditions : sequence of sympy relationals
        The domain of the parameters.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    ConditionError
        S is not a power series at zero, or S(0) = 0.

    Validity
    --------
    That a positive law with this S exists is proved only when its support is worked out.

    Examples
    --------
    >>> y = Symbol("y")
    >>> law_from_s_transform(1/(1 + y)**2, y).moments(3)
    [1, 3, 12]
    """
    call = f"law_from_s_transform({s}, {variable})"
    moments = moments_from_s_coefficients(_taylor(call, s, variable, _TERMS))
    y = -1 - z * m
    equation = z * y * s.subs(variable, y) - (1 + y)
    return law_from_equation(equation, moments, conditions=conditions)


def law_from_tau_transform(tau: Expr, variable: Symbol = z) -> AlgebraicLaw:
    """Return the law with a given rational degrees-of-freedom function tau(z).

    ``m(z) = (1 - tau(-z))/(-z)``, the inverse of tau(z) = 1 - z m(-z).

    Examples
    --------
    >>> law_from_tau_transform(1/(1 + z)).moments(2)
    [1, 1]
    """
    return law_from_equation(z * m + 1 - tau.subs(variable, -z), nonnegative=False)


def _taylor(call: str, expr: Expr, variable: Symbol, count: int) -> list[Expr]:
    top, low = fraction(together(expr))
    if not (top.is_polynomial(variable) and low.is_polynomial(variable)):
        raise ArgumentsError(
            call,
            f"{expr} is not rational in {variable}",
            "the law is found by clearing denominators",
            "law_from_equation(equation) with a polynomial equation in m and z",
        )
    if cancel(low.subs(variable, 0)) == 0:
        raise ConditionError(
            call,
            f"{expr} has a pole at {variable} = 0",
            "R and S are power series at zero",
            "check which transform is meant, see derive.transforms",
        )
    upper, lower = Poly(top, variable), Poly(low, variable)
    series: list[Expr] = []
    for n in range(count):
        known = sum(lower.coeff_monomial(variable**k) * series[n - k] for k in range(1, n + 1))
        value = upper.coeff_monomial(variable**n) - known
        series.append(cancel(value / lower.coeff_monomial(1)))
    return series
