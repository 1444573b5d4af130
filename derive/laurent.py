"""Laurent coefficients of products of Gamma and zeta functions at a pole.

SymPy's residues are slow or wrong on such products with symbolic parameters; each factor has a
classical expansion, so the expansions are multiplied.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from derive.errors import ConditionError
from derive.high_precision import Expression

Coefficients = tuple[int, list[Expression]]
"""Valuation ``v`` and coefficients: ``u**v (c0 + c1 u + c2 u**2 + ...)``."""


def _multiply(a: list[Expression], b: list[Expression], length: int) -> list[Expression]:
    """Truncated product of two Taylor lists."""
    return [
        sp.Add(*(a[i] * b[n - i] for i in range(n + 1) if i < len(a) and n - i < len(b)))
        for n in range(length)
    ]


def _exponential(logarithm: list[Expression], length: int) -> list[Expression]:
    """Taylor list of exp of a list whose constant term is 0, by n e_n = sum k l_k e_(n-k)."""
    result: list[Expression] = [sp.Integer(1)]
    for n in range(1, length):
        result.append(
            sp.Add(*(k * logarithm[k] * result[n - k] for k in range(1, n + 1))) / sp.Integer(n)
        )
    return result


def _gamma(argument: Expression, slope: Expression, length: int) -> Coefficients:
    """Expand Gamma(argument + slope*u); a pole when the argument is 0, -1, -2, ..."""
    if argument.is_integer and argument.is_nonpositive:
        n = int(-argument)
        # Gamma(v - n) = Gamma(1 + v) / [v (v - 1) ... (v - n)], v = slope u.
        taylor = _gamma(sp.Integer(1), slope, length)[1]
        for j in range(1, n + 1):
            taylor = _multiply(taylor, [-(slope**i) / sp.Integer(j) ** (i + 1)
                                        for i in range(length)], length)  # fmt: skip
        return -1, [term / slope for term in taylor]
    logarithm = [sp.Integer(0)] + [
        sp.polygamma(k - 1, argument) * slope**k / sp.factorial(k) for k in range(1, length)
    ]
    return 0, [sp.gamma(argument) * term for term in _exponential(logarithm, length)]


def _zeta(argument: Expression, slope: Expression, length: int) -> Coefficients:
    """Expand zeta(argument + slope*u): a simple pole at 1, simple zeros at -2, -4, ..."""
    if argument == 1:
        stieltjes = [
            (-1) ** n * sp.stieltjes(n) / sp.factorial(n) * slope**n for n in range(length - 1)
        ]
        return -1, [1 / slope] + stieltjes
    value = sp.zeta(argument)
    taylor = [value]
    for n in range(1, length):
        taylor.append(_zeta_derivative(argument, n) * slope**n / sp.factorial(n))
    if value == 0:
        return 1, taylor[1:]
    return 0, taylor


def _zeta_derivative(argument: Expression, order: int) -> Expression:
    """zeta'(0) and zeta'(-2j) are classical; the others are kept as derivatives."""
    if order == 1 and argument == 0:
        return -sp.log(2 * sp.pi) / 2
    if order == 1 and argument.is_integer and argument.is_negative and argument % 2 == 0:
        j = -argument / 2
        return (-1) ** j * sp.factorial(2 * j) * sp.zeta(2 * j + 1) / (2 * (2 * sp.pi) ** (2 * j))
    u = sp.Dummy("u")
    return sp.Subs(sp.Derivative(sp.zeta(u), (u, order)), u, argument)


def _factor(factor: Any, variable: sp.Symbol, at: Expression, length: int) -> Coefficients:
    """Expand one factor of a product at ``variable = at + u``."""
    if not factor.has(variable):
        return 0, [factor] + [sp.Integer(0)] * (length - 1)
    base, power = factor.as_base_exp()
    if not base.has(variable):
        slope = sp.diff(power, variable) * sp.log(base)
        start = base ** sp.expand(power.subs(variable, at))
        return 0, [start * slope**n / sp.factorial(n) for n in range(length)]
    if not power.is_Integer:
        raise ConditionError(
            "laurent",
            f"the factor {factor} is not meromorphic",
            "only integer powers of Gamma, zeta and polynomials have Laurent series",
            "write the transform as a product of Gamma functions",
        )
    if isinstance(base, sp.gamma | sp.zeta) and len(base.args) == 1:
        inner = base.args[0]
        slope = sp.diff(inner, variable)
        start = sp.simplify(sp.expand(inner.subs(variable, at)))
        expand = _gamma if isinstance(base, sp.gamma) else _zeta
        valuation, taylor = expand(start, slope, length + 1)  # a zero uses up one
    elif base.is_polynomial(variable):
        u = sp.Dummy("u")
        shifted = sp.Poly(sp.expand(base.subs(variable, at + u)), u)
        listed = [sp.simplify(c) for c in reversed(shifted.all_coeffs())]
        valuation = next(i for i, c in enumerate(listed) if c != 0)
        taylor = (listed + [sp.Integer(0)] * length)[valuation : valuation + length]
    else:
        raise ConditionError(
            "laurent",
            f"the factor {factor} has no known expansion",
            "the rules cover Gamma, zeta, exponentials and polynomials",
            "write the transform as a product of Gamma functions",
        )
    taylor = (taylor + [sp.Integer(0)] * length)[:length]
    n = int(power)
    if n < 0:
        inverse = [1 / taylor[0]]
        for i in range(1, length):
            inverse.append(
                -sp.Add(*(taylor[k] * inverse[i - k] for k in range(1, i + 1))) / taylor[0]
            )
        taylor = inverse
    result = taylor
    for _ in range(abs(n) - 1):
        result = _multiply(result, taylor, length)
    return valuation * n, result


def principal_part(
    function: Expression, variable: sp.Symbol, at: Expression
) -> tuple[Expression, ...]:
    """Coefficients of ``1/u, 1/u**2, ...`` of a product of Gamma and zeta functions.

    Parameters
    ----------
    function : sympy.Expr
        Sum of products of Gamma, zeta, exponentials and polynomials of ``variable``.
    variable : sympy.Symbol
        The complex variable.
    at : sympy.Expr
        The point; ``u = variable - at``.

    Returns
    -------
    tuple of sympy.Expr
        Empty at a regular point; the first entry is the residue.

    Raises
    ------
    ConditionError
        When a factor has no known expansion.

    Examples
    --------
    >>> z = sp.Symbol("z")
    >>> principal_part(sp.gamma(z) * sp.zeta(1 + z), z, sp.Integer(0))
    (0, 1)
    """
    total: list[Expression] = []
    expanded: Any = sp.expand_mul(function)
    for product in sp.Add.make_args(expanded):
        factors = sp.Mul.make_args(product)
        order = -sum(_factor(factor, variable, at, 1)[0] for factor in factors)
        if order <= 0:
            continue
        taylor: list[Expression] = [sp.Integer(1)] + [sp.Integer(0)] * (order - 1)
        for factor in factors:
            taylor = _multiply(taylor, _factor(factor, variable, at, order)[1], order)
        for index in range(order):
            power = order - index  # coefficient of u**-power
            while len(total) < power:
                total.append(sp.Integer(0))
            total[power - 1] += taylor[index]
    return tuple(tidy(term) for term in total)


def tidy(coefficient: Expression) -> Expression:
    """Collect powers and common factors, leaving Gamma functions as they are.

    ``Gamma(beta) Gamma(2 - beta)`` is regular at ``beta = 1``; its simplified form
    ``pi (1 - beta)/sin(pi beta)`` is 0/0 there, so nothing stronger is used.
    """
    expanded: Any = sp.expand_mul(coefficient)
    return sp.powsimp(sp.factor_terms(expanded))
