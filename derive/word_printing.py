"""Products of matrices as text and as LaTeX, and why a power of a matrix is none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from derive.errors import ArgumentsError


def printed_product(
    scalar: Any,
    factors: Sequence[tuple[Any, bool]],
    printer: Any,
    signs: tuple[str, str, str, str],
) -> str:
    """Return a product in words of a printer.

    Parameters
    ----------
    scalar : sympy.Expr
        In front.
    factors : sequence of (Word, bool)
        In order, with whether each is a sum and needs brackets.
    printer : sympy.printing.printer.Printer
    signs : tuple of str
        Between matrices, after the scalar, and both brackets.

    Returns
    -------
    str
    """
    chain, times, opening, closing = signs
    body = chain.join(
        opening + printer._print(f) + closing if is_sum else printer._print(f)
        for f, is_sum in factors
    )
    if not body:
        return printer._print(scalar)
    if abs(scalar) == 1:
        return ("-" if scalar == -1 else "") + body
    front = printer._print(scalar)
    return (opening + front + closing if scalar.is_Add else front) + times + body


def no_power(word: Any, other: Any) -> ArgumentsError:
    """Return the error for a power of a matrix, or a quotient with one."""
    return ArgumentsError(
        f"a power or quotient of {word} and {other}",
        "it is not a word",
        "a pencil exists for sums, products and inverses of matrices (rational expressions), and "
        "an inverse has a place among the factors",
        "a @ a for a square, a @ b.inverse() for a quotient, a * Rational(1, 2) for a scalar; "
        "a root is a Deterministic letter of its own",
    )
