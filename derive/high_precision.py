"""Expressions evaluated with mpmath, to as many digits as an asymptotic statement needs.

An asymptotic series is judged by what is left after subtracting its terms, so its numbers need
twenty digits where a plot needs three. The map from functions to mpmath is a closed table: an
expression with any other head is refused, nothing is evaluated by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from numbers import Rational
from typing import Any, TypeAlias

import mpmath
import sympy as sp

from derive.errors import ArgumentsError

Expression: TypeAlias = Any
"""A SymPy expression (SymPy's inferred types widen most operations to Basic)."""

Real: TypeAlias = Any
"""An mpmath number."""

Values: TypeAlias = Mapping[Any, Any]
"""Numbers (exact, or of mpmath) for the symbols of an expression."""

Evaluator = Callable[[Values], Real]

_CONSTANTS: dict[object, Callable[[], Any]] = {
    sp.pi: lambda: +mpmath.pi,
    sp.E: lambda: +mpmath.e,
    sp.EulerGamma: lambda: +mpmath.euler,
    sp.I: lambda: mpmath.mpc(0, 1),
}

_FUNCTIONS: dict[object, Callable[..., Real]] = {
    sp.exp: mpmath.exp,
    sp.log: mpmath.log,
    sp.sin: mpmath.sin,
    sp.cos: mpmath.cos,
    sp.tan: mpmath.tan,
    sp.tanh: mpmath.tanh,
    sp.coth: mpmath.coth,
    sp.Abs: abs,
    sp.gamma: mpmath.gamma,
    sp.zeta: mpmath.zeta,
    sp.polygamma: mpmath.polygamma,
    sp.digamma: mpmath.digamma,
    sp.beta: mpmath.beta,
    sp.factorial: mpmath.factorial,
    sp.stieltjes: lambda n: mpmath.stieltjes(int(n)),
    sp.Min: min,
    sp.Max: max,
}


def exact_number(number: object) -> Expression:
    """Turn an exact number into a SymPy one; SymPy objects pass unchanged.

    Parameters
    ----------
    number : int, Fraction or SymPy object
        Text is not accepted: nothing is ever parsed.

    Returns
    -------
    sympy object
        The same value.

    Raises
    ------
    ArgumentsError
        For text, floats, and anything else that is not exact.

    Examples
    --------
    >>> from fractions import Fraction
    >>> exact_number(Fraction(3, 6)), exact_number(7)
    (1/2, 7)
    """
    if isinstance(number, sp.Basic):
        return number
    if isinstance(number, bool):
        return sp.true if number else sp.false
    if isinstance(number, Rational):
        return sp.Rational(int(number.numerator), int(number.denominator))
    kind = "text" if isinstance(number, str) else type(number).__name__
    raise ArgumentsError(
        f"exact_number({number!r})",
        f"{number!r} is a {kind}" if kind != "text" else f"{number!r} is text",
        "exponents are compared exactly, and expressions are never parsed",
        "sympy.Rational(1, 10), or a Fraction",
    )


def reject_floats(call: str, *expressions: object) -> tuple[Any, ...]:
    """Give the exact expressions, refusing every binary floating-point number.

    Raises
    ------
    ArgumentsError
        When an argument is a float, contains one, or is text.
    """
    listed = []
    for given in expressions:
        expression = exact_number(given)
        if expression.has(sp.Float):
            raise ArgumentsError(
                call,
                f"{expression} contains a float",
                "exponents are compared exactly, and 0.1 is not one tenth",
                "sympy.Rational(1, 10), or a Fraction",
            )
        listed.append(expression)
    return tuple(listed)


@cache
def evaluator(expression: Expression) -> Evaluator:
    """Compile an expression once into nested mpmath calls.

    Parameters
    ----------
    expression : sympy.Expr
        Built from rationals, symbols, sums, products, powers and the functions of the table.

    Returns
    -------
    callable
        Maps a dictionary from symbols to mpmath numbers to the value at the working precision.

    Raises
    ------
    ArgumentsError
        When the expression contains a function with no entry in the table.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> print(mpmath.nstr(evaluator(sp.gamma(x) / 2)({x: mpmath.mpf(5)}), 6))
    12.0
    """
    if isinstance(expression, sp.Symbol):
        return lambda point: point[expression]
    if isinstance(expression, sp.Rational):
        p, q = int(expression.p), int(expression.q)
        return lambda point: mpmath.mpf(p) / q
    if isinstance(expression, sp.Float):
        return lambda point: mpmath.mpf(expression)
    if expression in _CONSTANTS:
        constant = _CONSTANTS[expression]
        return lambda point: constant()
    if isinstance(expression, sp.Subs):
        return _zeta_derivative(expression)
    parts = [evaluator(argument) for argument in expression.args]
    if isinstance(expression, sp.Add):
        return lambda point: mpmath.fsum(part(point) for part in parts)
    if isinstance(expression, sp.Mul):
        return lambda point: mpmath.fprod(part(point) for part in parts)
    if isinstance(expression, sp.Pow):
        base, power = parts
        if isinstance(expression.exp, sp.Integer):
            n = int(expression.exp)
            return lambda point: base(point) ** n
        return lambda point: base(point) ** power(point)
    if expression.func in _FUNCTIONS:
        function = _FUNCTIONS[expression.func]
        return lambda point: function(*(part(point) for part in parts))
    raise ArgumentsError(
        f"evaluator({expression})",
        f"{type(expression).__name__} has no high-precision evaluation",
        "only the functions of a closed table are evaluated",
        "rewrite it with exp, log, gamma and zeta",
    )


def _zeta_derivative(expression: sp.Subs) -> Evaluator:
    """Evaluate a derivative of zeta at a point, the one unevaluated derivative that occurs."""
    inner = expression.expr
    if (
        isinstance(inner, sp.Derivative)
        and isinstance(inner.expr, sp.zeta)
        and len(inner.variables) == inner.derivative_count
        and inner.expr.args == expression.variables
    ):
        order, argument = inner.derivative_count, evaluator(expression.args[2].args[0])
        return lambda point: mpmath.zeta(argument(point), 1, order)
    raise ArgumentsError(
        f"evaluator({expression})",
        "only derivatives of zeta are evaluated",
        "no other derivative is left unevaluated by the expansions",
        "call doit() first",
    )


def exact_point(call: str, values: Values) -> dict[Any, Any]:
    """Check that a point is exact and give it as SymPy numbers."""
    return {symbol: reject_floats(call, value)[0] for symbol, value in values.items()}


def value(expression: Expression, values: Values) -> Real:
    """Evaluate an expression at a point, at the working precision of mpmath.

    Parameters
    ----------
    expression : sympy.Expr
        What to evaluate.
    values : mapping
        One exact number (int, Fraction, SymPy number) or mpmath number per free symbol.

    Returns
    -------
    mpmath.mpf
        The value, with rounding errors of the working precision.

    Raises
    ------
    ArgumentsError
        When a symbol has no value.
    """
    missing = sorted(str(symbol) for symbol in expression.free_symbols - set(values))
    if missing:
        raise ArgumentsError(
            f"value({expression})",
            f"no value for {', '.join(missing)}",
            "every free symbol needs a number",
            f"value(..., {{{missing[0]}: Rational(1, 2)}})",
        )
    point = {}
    for symbol, given in values.items():
        if isinstance(given, mpmath.mpf | mpmath.mpc):
            point[symbol] = given
        else:
            exact = reject_floats("value", given)[0]
            point[symbol] = evaluator(exact)({})
    return evaluator(expression)(point)
