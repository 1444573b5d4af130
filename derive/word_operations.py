"""Expansion, differentiation and numerical evaluation of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import sympy as sp

from derive.errors import ArgumentsError
from derive.spectrum_values import numeric_value
from derive.words import (
    Deterministic,
    Gaussian,
    Identity,
    Inverse,
    Product,
    Sum,
    Transpose,
    Word,
    Zero,
    terms_of,
)


def expand(word: Word) -> Word:
    """Return the word with products of sums multiplied out, inverses left whole.

    Examples
    --------
    >>> A, B = (Deterministic(name, 2, 2) for name in "AB")
    >>> expand((A + B) @ (A - B)) == A @ A - A @ B + B @ A - B @ B
    True
    """
    if isinstance(word, Sum):
        return Sum(*(expand(t) for t in terms_of(word)))
    if isinstance(word, Product):
        partial: list[Word] = [Product(word.args[0], Identity(word.shape[0]))]
        for factor in cast(tuple[Word, ...], word.args[1:]):
            inner = terms_of(expand(factor)) if isinstance(factor, Sum) else (factor,)
            partial = [Product(1, left, right) for left in partial for right in inner]
        return Sum(*partial)
    return word


def differentiate(word: Word, parameter: sp.Symbol) -> Word:
    r"""Return the derivative in a scalar, with :math:`dA^{-1}=-A^{-1}\,dA\,A^{-1}`.

    Examples
    --------
    >>> lam, A = sp.Symbol("lam"), Deterministic("A", 2, 2)
    >>> differentiate((A + lam * Identity(2)).inverse(), lam)
    -(A + lam)^-1@(A + lam)^-1
    """
    if isinstance(word, Sum):
        return Sum(*(differentiate(t, parameter) for t in terms_of(word)))
    if isinstance(word, Product):
        scalar, *factors = word.args
        pieces = [Product(sp.diff(scalar, parameter), *factors)]
        for k, factor in enumerate(factors):
            slope = differentiate(cast(Word, factor), parameter)
            pieces.append(Product(scalar, *factors[:k], slope, *factors[k + 1 :]))
        return Sum(*pieces)
    if isinstance(word, Inverse):
        inner = differentiate(cast(Word, word.args[0]), parameter)
        return Product(-1, word, inner, word)
    return Zero(*word.shape)


def evaluate(
    word: Word, matrices: Mapping[str, np.ndarray], scalars: Mapping[sp.Symbol, complex]
) -> np.ndarray:
    """Return the array a word takes for given letters and scalars.

    Parameters
    ----------
    word : Word
    matrices : mapping
        Name of letter -> array.
    scalars : mapping
        Symbol -> number; the symbols of the dimensions included.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> A = Deterministic("A", 2, 2)
    >>> evaluate(2 * A.inverse(), {"A": np.diag([1.0, 4.0])}, {}).tolist()
    [[2.0, 0.0], [0.0, 0.5]]
    """
    if isinstance(word, Deterministic | Gaussian):
        name = str(word.args[0])
        if name not in matrices:
            raise ArgumentsError(
                "evaluate",
                f"the letter {name} has no value",
                f"it stands in {word}",
                f"matrices={{'{name}': array, ...}}",
            )
        return matrices[name]
    if isinstance(word, Transpose):
        return evaluate(word.letter, matrices, scalars).T
    if isinstance(word, Identity | Zero):
        rows, columns = (whole_size(side, scalars) for side in word.shape)
        return np.eye(rows) if isinstance(word, Identity) else np.zeros((rows, columns))
    if isinstance(word, Sum):
        arrays = [evaluate(t, matrices, scalars) for t in terms_of(word)]
        return np.sum(arrays, axis=0)
    if isinstance(word, Inverse):
        return np.linalg.inv(evaluate(cast(Word, word.args[0]), matrices, scalars))
    out = numeric_value(cast(sp.Expr, word.args[0]), scalars)
    first, *rest = (evaluate(cast(Word, f), matrices, scalars) for f in word.args[1:])
    out = out * first
    for array in rest:
        out = out @ array
    return out


def whole_size(size: sp.Expr, scalars: Mapping) -> int:
    """Return a size as a positive integer."""
    return max(1, round(float(np.real(numeric_value(size, scalars)))))
