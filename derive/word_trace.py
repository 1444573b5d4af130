"""Normalised traces of words, as SymPy scalars, and their form as traces over one spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import sympy as sp
from sympy.core.sorting import default_sort_key

from derive.errors import ArgumentsError
from derive.spectral_trace import SpectralWord, Spectrum
from derive.spectrum_values import numeric_value
from derive.word_operations import evaluate, expand
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


class WordTrace(sp.Expr):
    r"""Normalised trace :math:`\overline{\mathrm{tr}}` of a word, a scalar.

    Linear in the word; a word, its cyclic rotations and its transpose have one trace, and a
    rotation through a rectangular letter brings the ratio of the two sizes.

    Examples
    --------
    >>> A, B = Deterministic("A", 3, 3), Deterministic("B", 3, 3)
    >>> WordTrace(A @ B) == WordTrace(B @ A), WordTrace(2 * Identity(3))
    (True, 2)
    """

    is_commutative = True

    def __new__(cls, word):
        """Expand sums, take scalars out, and choose one rotation."""
        rows, columns = word.shape
        if rows != columns:
            raise ArgumentsError(
                f"WordTrace({word})",
                f"the shape is {rows} x {columns}",
                "only square matrices have a trace",
                "WordTrace(A @ A.T)",
            )
        return sp.Add(*(cls._of_term(t) for t in terms_of(expand(word))))

    @classmethod
    def _of_term(cls, term: Word) -> sp.Expr:
        scalar, factors = coefficient_and_factors(term)
        if not factors:
            return scalar
        size = factors[0].shape[0]
        best = min(_rotations(factors), key=lambda r: default_sort_key(Product(1, *r)))
        ratio = best[0].shape[0] / size
        closed = Product(1, *best)
        if isinstance(closed, Identity):
            return scalar * ratio
        if len(best) > 1 and _cancels_around(best):
            return scalar * cls(closed)
        return scalar * ratio * sp.Expr.__new__(cls, closed)

    @property
    def word(self) -> Word:
        """The word under the trace."""
        return cast(Word, self.args[0])

    def _eval_derivative(self, s):
        from derive.word_operations import differentiate

        return WordTrace(differentiate(self.word, s))

    def _sympystr(self, printer) -> str:
        return f"tr[{printer._print(self.word)}]"

    def _latex(self, printer, exp=None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\overline{{\mathrm{{tr}}}}{power}\left[{printer._print(self.word)}\right]"


def _rotations(factors: list[Word]) -> list[tuple[Word, ...]]:
    mirrored = [f.T for f in reversed(factors)]
    return [tuple(some[k:] + some[:k]) for some in (factors, mirrored) for k in range(len(factors))]


def _cancels_around(factors: tuple[Word, ...]) -> bool:
    """Whether the last factor is the inverse of the first (no rotation chosen cancels them)."""
    return len(coefficient_and_factors(Product(1, factors[-1], factors[0]))[1]) < 2


def trace_values(
    expression: sp.Expr, matrices: Mapping[str, np.ndarray], scalars: Mapping
) -> complex:
    """Return the number an expression in traces of words takes on given arrays.

    Parameters
    ----------
    expression : sympy.Expr
        Rational in scalars and :class:`WordTrace`.
    matrices : mapping
        Name of letter -> array.
    scalars : mapping
        Symbol -> number, the sizes included.

    Returns
    -------
    complex or float

    Examples
    --------
    >>> A = Deterministic("A", 2, 2)
    >>> trace_values(1 + WordTrace(A @ A), {"A": np.diag([1.0, 3.0])}, {})
    6.0
    """

    def number(node, values):
        if isinstance(node, WordTrace):
            array = evaluate(node.word, matrices, values)
            return np.trace(array) / len(array)
        return numeric_value(node, values, number)

    value = complex(number(expression, scalars))
    return value.real if value.imag == 0 else value


def in_spectrum(expression: sp.Expr, letter: Deterministic) -> sp.Expr:
    r"""Return traces of words as traces over the spectrum of one of their letters.

    Words in one symmetric letter, its polynomials and inverses of these commute, so between two
    other letters they are one function of its eigenvalues. Other letters stay, in order.

    Parameters
    ----------
    expression : sympy.Expr
        With traces of words.
    letter : Deterministic
        The symmetric letter whose spectrum is used.

    Returns
    -------
    sympy.Expr
        With :class:`derive.spectral_trace.SpectralTrace` in place of the traces that hold only
        this letter, other deterministic letters, and inverses free of the latter.

    Raises
    ------
    ArgumentsError
        If an inverse holds another letter: its value is then no function of one spectrum.

    Examples
    --------
    >>> Sigma, lam = Deterministic("Sigma", 2, 2), sp.Symbol("lam")
    >>> in_spectrum(WordTrace(Sigma @ (Sigma + lam * Identity(2)).inverse()), Sigma)
    tr[Sigma/(Sigma + lam)]
    """
    spectrum = Spectrum(str(letter.args[0]))

    def convert(word: Word) -> SpectralWord:
        if word == letter:
            return spectrum.function(spectrum.eigenvalue)
        if isinstance(word, Identity):
            return spectrum.test(None)
        if isinstance(word, Zero):
            return SpectralWord(spectrum, ())
        if isinstance(word, Deterministic):
            return spectrum.test(sp.Symbol(str(word.args[0])))
        if isinstance(word, Sum):
            first, *rest = (convert(t) for t in terms_of(word))
            for term in rest:
                first = first + term
            return first
        if isinstance(word, Product):
            out = spectrum.test(None)
            for factor in word.args[1:]:
                out = out @ convert(cast(Word, factor))
            return out.times(word.args[0])
        if isinstance(word, Inverse):
            inner = convert(cast(Word, word.args[0]))
            if not any(tests for _, _, tests in inner.terms):
                total = sp.Add(*(c * f for c, f, _ in inner.terms))
                return spectrum.function(1 / total)
        raise ArgumentsError(
            "in_spectrum",
            f"{word} is no function of the spectrum of {letter}",
            "an inverse (or a letter that is not symmetric) that holds another matrix depends on"
            " how both are placed to each other",
            "keep the trace of the word",
        )

    changed = expression.replace(
        lambda e: isinstance(e, WordTrace), lambda e: convert(e.word).trace()
    )
    return cast(sp.Expr, changed)
