r"""Commuting population matrices given by joint eigenvalues, put into traces of words.

Matrices that share their eigenvectors are described by one list of joint eigenvalues with shares,

.. math:: \overline{\mathrm{tr}}\,w(A,B,\dots)=\sum_j p_j\,w(a_j,b_j,\dots).

Traces of words in matrices that do not commute have no such form; keep them as traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sympy as sp

from derive.errors import ArgumentsError, DomainError
from derive.exact_input import exact
from derive.word_trace import WordTrace
from derive.words import (
    Deterministic,
    Identity,
    Inverse,
    Product,
    Sum,
    Word,
    Zero,
    coefficient_and_factors,
    terms_of,
)


def at_joint_atoms(
    expression: sp.Expr,
    shares: Sequence[object],
    eigenvalues: Mapping[Deterministic, Sequence[object]],
) -> sp.Expr:
    r"""Return an expression in traces of words for commuting matrices given by joint atoms.

    Parameters
    ----------
    expression : sympy.Expr
        With traces of words in deterministic letters.
    shares : sequence
        Share of each joint eigenspace; exact numbers or symbols. Numbers must add to one.
    eigenvalues : mapping
        Letter -> its eigenvalue in each joint eigenspace.

    Returns
    -------
    sympy.Expr
        A plain expression without these traces.

    Raises
    ------
    ArgumentsError
        If a letter has no eigenvalues, is random or not symmetric, or the lengths differ.
    DomainError
        If the shares do not add to one.

    Validity
    --------
    All letters are symmetric and commute.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> A, B = Deterministic("A", d, d), Deterministic("B", d, d)
    >>> trace = WordTrace(A @ (B + A).inverse())
    >>> at_joint_atoms(trace, ["1/4", "3/4"], {A: [1, 2], B: [3, 0]})
    13/16
    """
    weights = [exact(share, "at_joint_atoms") for share in shares]
    total = sp.Add(*weights)
    if total.is_number and total != 1:
        raise DomainError(
            "at_joint_atoms",
            f"the shares add to {total}",
            "the normalised trace of the identity is 1",
            "divide each share by the sum",
        )
    table = {k: [exact(x, "at_joint_atoms") for x in v] for k, v in eigenvalues.items()}
    for letter, values in table.items():
        if len(values) != len(weights):
            raise ArgumentsError(
                "at_joint_atoms",
                f"{letter} has {len(values)} eigenvalues for {len(weights)} shares",
                "a joint eigenspace has one eigenvalue of each matrix",
                f"{{{letter}: [one eigenvalue for each share]}}",
            )

    def value(trace: Any) -> sp.Expr:
        word = cast(WordTrace, trace).word
        return sp.Add(
            *(
                share * scalar_value(word, {k: v[j] for k, v in table.items()})
                for j, share in enumerate(weights)
            )
        )

    return cast(sp.Expr, expression.replace(lambda e: isinstance(e, WordTrace), value))


def scalar_value(word: Word, values: Mapping[Deterministic, sp.Expr]) -> sp.Expr:
    """Return a word with numbers in place of commuting symmetric letters.

    Parameters
    ----------
    word : Word
        In deterministic letters.
    values : mapping
        Letter -> number or symbol.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> A = Deterministic("A", 2, 2)
    >>> scalar_value((A @ A + 2 * A).inverse(), {A: sp.Symbol("a")})
    1/(a**2 + 2*a)
    """
    if isinstance(word, Deterministic) and word in values:
        return values[word]
    if isinstance(word, Identity):
        return sp.S.One
    if isinstance(word, Zero):
        return sp.S.Zero
    if isinstance(word, Sum):
        return sp.Add(*(scalar_value(t, values) for t in terms_of(word)))
    if isinstance(word, Inverse):
        return 1 / scalar_value(cast(Word, word.args[0]), values)
    if isinstance(word, Product):
        scalar, factors = coefficient_and_factors(word)
        return sp.Mul(scalar, *(scalar_value(f, values) for f in factors))
    raise ArgumentsError(
        "at_joint_atoms",
        f"the letter {word} has no eigenvalues",
        "it is random, not symmetric, or was not given",
        f"eigenvalues={{{word}: [...], ...}}",
    )
