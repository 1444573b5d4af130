"""What enters the symbolic layer: exact scalars and names that are safe to print."""

from __future__ import annotations

import re

import sympy as sp

from derive.errors import ArgumentsError


def exact(value: object, call: str = "exact") -> sp.Expr:
    """Return the exact SymPy value of an integer, fraction, decimal number or expression.

    Parameters
    ----------
    value : int, float, str, Fraction or sympy.Expr
        A float or a string is read as the decimal number it prints as: ``0.1`` is ``1/10``.
    call : str
        The call named in the error.

    Returns
    -------
    sympy.Expr
        An expression without floating-point atoms.

    Raises
    ------
    ArgumentsError
        If an expression holds floating-point atoms, or the value is not a number.

    Examples
    --------
    >>> exact(0.1), exact("2.50"), exact(sp.Symbol("x") / 2)
    (1/10, 5/2, x/2)
    """
    if isinstance(value, sp.Expr):
        if value.has(sp.Float):
            raise ArgumentsError(
                call,
                f"the expression {value} holds a floating-point number",
                "the symbolic layer is exact",
                "sympy.Rational('0.1') in place of 0.1",
            )
        return value
    if isinstance(value, int):
        return sp.Integer(value)
    try:
        return sp.Rational(str(value))
    except (TypeError, ValueError, ZeroDivisionError):
        raise ArgumentsError(
            call,
            f"{value!r} is not a number or an expression",
            "only exact scalars enter the symbolic layer",
            "an int, a Fraction, a decimal string or a SymPy expression",
        ) from None


def matrix_name(name: object) -> str:
    """Return the name of a matrix, a letter followed by letters, digits, underscores or primes.

    Raises
    ------
    ArgumentsError
        For any other text: names are printed in LaTeX as they are.

    Examples
    --------
    >>> matrix_name("Sigma_1")
    'Sigma_1'
    """
    text = str(name)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}'{0,3}", text) is None:
        raise ArgumentsError(
            f"matrix_name({text!r})",
            "this is no name of a matrix",
            "names are letters, digits and underscores, starting with a letter",
            "matrix_name('Sigma_1')",
        )
    return text
