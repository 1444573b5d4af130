r"""Words: the algebra of matrices that do not commute, with shapes, transposes and inverses.

A word is a letter (a deterministic matrix, or a Gaussian one with its shape and variance), a sum,
a product with a scalar in front, or an inverse. Words know their shape and refuse to be added or
multiplied otherwise. Only identities that hold for all matrices are used: transposes go down to
the letters, like terms are collected, ``w`` next to its inverse cancels, and the inverse of a
product of square words is the product of inverses in reverse order. Nothing is ever commuted;
SymPy serves for the scalars and as the tree underneath, not for non-commutative algebra.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import sympy as sp
from sympy.core.sorting import default_sort_key
from sympy.core.symbol import Str

from derive.errors import ArgumentsError, DomainError
from derive.exact_input import exact, matrix_name
from derive.word_printing import no_power, printed_product


class Word(sp.Basic):
    """A matrix expression; the interface shared by letters, sums, products and inverses."""

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        raise NotImplementedError

    @property
    def T(self) -> Word:
        """The transpose, carried down to the letters."""
        raise NotImplementedError

    def __add__(self, other: Word) -> Word:
        """Return the sum."""
        return cast(Word, Sum(self, other))

    def __sub__(self, other: Word) -> Word:
        """Return the difference."""
        return Sum(self, Product(-1, other))

    def __neg__(self) -> Word:
        """Return the negative."""
        return Product(-1, self)

    def __matmul__(self, other: Word) -> Word:
        """Return the matrix product."""
        return Product(1, self, other)

    def __mul__(self, other: object) -> Word:
        """Return the word times a scalar; matrices are multiplied with ``@``."""
        if isinstance(other, Word):
            raise ArgumentsError(
                f"{self} * {other}", "both factors are matrices", "* is for scalars", "a @ b"
            )
        return Product(exact(other, "word * scalar"), self)

    __rmul__ = __mul__

    def __pow__(self, other: object) -> Word:
        """Refuse powers and quotients: whole ones are written as products and inverses."""
        raise no_power(self, other)

    __truediv__ = __rtruediv__ = _eval_power = __pow__  # sympy.sqrt asks for the last

    def inverse(self) -> Word:
        """Return the inverse of a square word."""
        return cast(Word, Inverse(self))

    def letters(self) -> set[Word]:
        """Return the deterministic and Gaussian letters that stand in the word."""
        return cast(set[Word], self.atoms(Deterministic, Gaussian))

    @property
    def is_random(self) -> bool:
        """Whether a Gaussian letter stands in the word."""
        return self.has(Gaussian)


class Deterministic(Word):
    """A fixed matrix that need not commute with any other.

    Parameters
    ----------
    name : str
    rows, columns : sympy.Expr or int
    symmetric : bool
        Whether the matrix is its own transpose (then it is square).

    Examples
    --------
    >>> d = sp.Symbol("d")
    >>> A, B = Deterministic("A", d, d), Deterministic("B", d, d)
    >>> A @ B == B @ A, (A @ B).T == B @ A
    (False, True)
    """

    def __new__(cls, name, rows, columns, symmetric=True):
        """Check that a symmetric matrix is square."""
        rows, columns = exact(rows, name), exact(columns, name)
        if symmetric and rows != columns:
            raise ArgumentsError(
                f"Deterministic({name!r}, {rows}, {columns})",
                f"a symmetric matrix of shape {rows} x {columns}",
                "symmetric matrices are square",
                f"Deterministic({name!r}, {rows}, {columns}, symmetric=False)",
            )
        flag = sp.true if symmetric else sp.false
        return sp.Basic.__new__(cls, Str(matrix_name(name)), rows, columns, flag)

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(tuple[sp.Expr, sp.Expr], self.args[1:3])

    @property
    def T(self) -> Word:
        """The transpose; a symmetric matrix is its own."""
        return self if self.args[3] == sp.true else Transpose(self)

    def _sympystr(self, printer) -> str:
        return str(self.args[0])

    def _latex(self, printer) -> str:
        return printer._print(sp.Symbol(str(self.args[0])))


class Gaussian(Word):
    r"""A matrix of centred Gaussian entries, :math:`L^{1/2} Z R^{1/2}` with variance per entry.

    Parameters
    ----------
    name : str
    rows, columns : sympy.Expr or int
    variance : sympy.Expr
        Variance of an entry of ``Z``, e.g. ``1/n``. Letters of different names are independent.
    left, right : Word, optional
        Symmetric covariances of the rows' and of the columns' index. Default identity.
    symmetric : bool
        Whether the matrix is its own transpose (a Wigner matrix); it then has no covariances and
        the variance is that of the entries off the diagonal.

    Examples
    --------
    >>> n, d = sp.symbols("n d", positive=True)
    >>> X = Gaussian("X", n, d, 1 / n, right=Deterministic("Sigma", d, d))
    >>> (X.T @ X).shape
    (d, d)
    """

    def __new__(cls, name, rows, columns, variance, left=None, right=None, symmetric=False):
        """Check the shapes of the covariances."""
        rows, columns = exact(rows, name), exact(columns, name)
        left, right = left or Identity(rows), right or Identity(columns)
        for side, size, which in ((left, rows, "left"), (right, columns, "right")):
            if side.shape != (size, size) or side.is_random or side.T != side:
                raise ArgumentsError(
                    f"Gaussian({name!r}, {rows}, {columns}, ...)",
                    f"the {which} covariance {side} has shape {side.shape}",
                    f"it must be deterministic, symmetric and {size} x {size}",
                    f"{which}=Deterministic('Sigma', {size}, {size})",
                )
        isotropic = left == right == Identity(rows)
        if symmetric and not isotropic:
            raise ArgumentsError(
                f"Gaussian({name!r}, {rows}, {columns}, ..., symmetric=True)",
                f"shape {rows} x {columns} with covariances {left} and {right}",
                "a symmetric Gaussian matrix is square and isotropic here",
                f"root @ Gaussian({name!r}, {rows}, {rows}, variance, symmetric=True) @ root",
            )
        flag, scale = (sp.true if symmetric else sp.false), exact(variance, "Gaussian")
        label = Str(matrix_name(name))
        return sp.Basic.__new__(cls, label, rows, columns, scale, left, right, flag)

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(tuple[sp.Expr, sp.Expr], self.args[1:3])

    @property
    def variance(self) -> sp.Expr:
        """Variance of an entry before the covariances."""
        return cast(sp.Expr, self.args[3])

    @property
    def left(self) -> Word:
        """Covariance of the row index."""
        return cast(Word, self.args[4])

    @property
    def right(self) -> Word:
        """Covariance of the column index."""
        return cast(Word, self.args[5])

    @property
    def T(self) -> Word:
        """The transpose."""
        return self if self.args[6] == sp.true else Transpose(self)

    def _sympystr(self, printer) -> str:
        return str(self.args[0])

    def _latex(self, printer) -> str:
        return printer._print(sp.Symbol(str(self.args[0])))


class Identity(Word):
    """The identity matrix of a given size."""

    def __new__(cls, size):
        """Hold the size."""
        return sp.Basic.__new__(cls, exact(size, "Identity"))

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(tuple[sp.Expr, sp.Expr], (self.args[0], self.args[0]))

    @property
    def T(self) -> Word:
        """The identity is symmetric."""
        return self

    def _sympystr(self, printer) -> str:
        return "1"

    _latex = _sympystr


class Zero(Word):
    """The zero matrix of a given shape."""

    def __new__(cls, rows, columns):
        """Hold the shape."""
        return sp.Basic.__new__(cls, exact(rows, "Zero"), exact(columns, "Zero"))

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(tuple[sp.Expr, sp.Expr], self.args)

    @property
    def T(self) -> Word:
        """The zero matrix of the transposed shape."""
        return Zero(self.args[1], self.args[0])

    def _sympystr(self, printer) -> str:
        return "0"

    _latex = _sympystr


class Transpose(Word):
    """The transpose of one letter; made by ``word.T``."""

    @property
    def letter(self) -> Word:
        """The letter that is transposed."""
        return cast(Word, self.args[0])

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        rows, columns = self.letter.shape
        return columns, rows

    @property
    def T(self) -> Word:
        """The letter itself."""
        return self.letter

    def _sympystr(self, printer) -> str:
        return f"{printer._print(self.letter)}'"

    def _latex(self, printer) -> str:
        return rf"{printer._print(self.letter)}^{{\top}}"


class Product(Word):
    """A scalar times matrices in order; made by ``@`` and ``*``."""

    def __new__(cls, scalar, *factors):
        """Flatten, drop identities, and cancel neighbours that are inverse to each other."""
        scalar, flat = exact(scalar, "Product"), []
        for factor in factors:
            inner_scalar, inner = coefficient_and_factors(factor)
            scalar = scalar * inner_scalar
            flat.extend(inner)
        for left, right in pairwise(factors):
            if left.shape[1] != right.shape[0]:
                raise ArgumentsError(
                    f"{left} @ {right}",
                    f"shapes {left.shape} and {right.shape} do not chain",
                    f"{left.shape[1]} columns meet {right.shape[0]} rows",
                    f"({left}) @ ({right}).T or another order",
                )
        rows, columns = factors[0].shape[0], factors[-1].shape[1]
        if scalar == 0 or any(isinstance(f, Zero) for f in flat):
            return Zero(rows, columns)
        kept: list[Word] = []
        for factor in flat:
            if kept and _are_inverse(kept[-1], factor):
                kept.pop()
            else:
                kept.append(factor)
        if not kept:
            kept = [Identity(rows)]
        if scalar == 1 and len(kept) == 1:
            return kept[0]
        return sp.Basic.__new__(cls, scalar, *kept)

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        first, last = cast(Word, self.args[1]), cast(Word, self.args[-1])
        return first.shape[0], last.shape[1]

    @property
    def T(self) -> Word:
        """The transposed factors in reverse order."""
        return Product(self.args[0], *(cast(Word, f).T for f in reversed(self.args[1:])))

    def _sympystr(self, printer) -> str:
        return self._printed(printer, ("@", "*", "(", ")"))

    def _latex(self, printer) -> str:
        return self._printed(printer, (r"\,", r"\,", r"\left(", r"\right)"))

    def _printed(self, printer, signs: tuple[str, str, str, str]) -> str:
        scalar, factors = coefficient_and_factors(self)
        return printed_product(scalar, [(f, isinstance(f, Sum)) for f in factors], printer, signs)


class Sum(Word):
    """A sum of words of one shape; made by ``+``."""

    def __new__(cls, *terms):
        """Flatten, collect like terms, and fix the order of terms."""
        shape = terms[0].shape
        totals: dict[tuple[Word, ...], sp.Expr] = {}
        for term in terms:
            if term.shape != shape:
                raise ArgumentsError(
                    f"{terms[0]} + {term}",
                    f"shapes {shape} and {term.shape} differ",
                    "only matrices of one shape are added",
                    "check the transposes",
                )
            parts = term.args if isinstance(term, Sum) else (term,)
            for part in parts:
                scalar, factors = coefficient_and_factors(cast(Word, part))
                key = tuple(factors) or (Identity(shape[0]),)
                totals[key] = totals.get(key, sp.Integer(0)) + scalar
        cleaned = ((sp.cancel(c) if c.is_Add else c, f) for f, c in totals.items())
        parts = [Product(c, *f) for c, f in cleaned if c != 0 and not isinstance(f[0], Zero)]
        if not parts:
            return Zero(*shape)
        if len(parts) == 1:
            return parts[0]
        return sp.Basic.__new__(cls, *sorted(parts, key=default_sort_key))

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(Word, self.args[0]).shape

    @property
    def T(self) -> Word:
        """The sum of the transposes."""
        return Sum(*(cast(Word, t).T for t in self.args))

    def _sympystr(self, printer) -> str:
        return " + ".join(map(printer._print, self.args)).replace("+ -", "- ")

    _latex = _sympystr


class Inverse(Word):
    """The inverse of a square word; made by ``word.inverse()``."""

    def __new__(cls, word):
        """Take scalars out and invert products of square words factor by factor."""
        rows, columns = word.shape
        if rows != columns:
            raise ArgumentsError(
                f"({word}).inverse()",
                f"the shape is {rows} x {columns}",
                "only square matrices have an inverse",
                "(A.T @ A).inverse() @ A.T for a pseudo-inverse",
            )
        if isinstance(word, Zero):
            raise DomainError(
                "inverse()", "the word is zero", "0 has no inverse", "check cancellations"
            )
        if isinstance(word, Inverse):
            return word.args[0]
        if isinstance(word, Identity):
            return word
        if isinstance(word, Product):
            scalar = cast(sp.Expr, word.args[0])
            factors = cast(tuple[Word, ...], word.args[1:])
            if all(f.shape[0] == f.shape[1] for f in factors):
                return Product(1 / scalar, *(Inverse(f) for f in reversed(factors)))
            if scalar != 1:
                return Product(1 / scalar, Inverse(Product(1, *factors)))
        return sp.Basic.__new__(cls, word)

    @property
    def shape(self) -> tuple[sp.Expr, sp.Expr]:
        """Number of rows and of columns."""
        return cast(Word, self.args[0]).shape

    @property
    def T(self) -> Word:
        """The inverse of the transpose."""
        return cast(Word, Inverse(cast(Word, self.args[0]).T))

    def _sympystr(self, printer) -> str:
        return f"({printer._print(self.args[0])})^-1"

    def _latex(self, printer) -> str:
        return rf"\left({printer._print(self.args[0])}\right)^{{-1}}"


def coefficient_and_factors(word: Word) -> tuple[sp.Expr, list[Word]]:
    """Return the scalar in front of a word and its factors; the identity has none."""
    scalar, factors = sp.Integer(1), (word,)
    if isinstance(word, Product):
        scalar, factors = cast(sp.Expr, word.args[0]), cast(tuple[Word, ...], word.args[1:])
    return scalar, [f for f in factors if not isinstance(f, Identity)]


def terms_of(word: Word) -> tuple[Word, ...]:
    """Return the terms of a sum, or the word alone."""
    if isinstance(word, Zero):
        return ()
    return cast(tuple[Word, ...], word.args) if isinstance(word, Sum) else (word,)


def _are_inverse(left: Word, right: Word) -> bool:
    return (isinstance(left, Inverse) and left.args[0] == right) or (
        isinstance(right, Inverse) and right.args[0] == left
    )
