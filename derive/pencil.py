r"""From a rational expression in non-commuting matrices to a linear pencil.

A linear pencil of an expression :math:`r` is a block matrix :math:`P`, each block with at most one
Gaussian letter per term, of which one block of the inverse is the expression,
:math:`(P^{-1})_{ij} = r`. It is built from the descriptor form

.. math:: r = D + u\,Q^{-1} v

by three rules (sum, product, inverse), then trimmed: a state whose diagonal block is a multiple of
the identity is eliminated whenever all blocks stay linear. Each pencil is compared with the
expression on random matrices before it is returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import sympy as sp

from derive.errors import ArgumentsError, ConditionError, DomainError, RefutedError
from derive.word_operations import evaluate, expand, whole_size
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
    coefficient_and_factors,
    terms_of,
)

Blocks = dict[tuple[int, int], Word]


@dataclass(frozen=True)
class Pencil:
    r"""A block matrix, linear in the Gaussian letters, with the expression in its inverse.

    Parameters
    ----------
    sizes : tuple of sympy.Expr
        Size of each block row, which is that of the block column.
    blocks : tuple of ((int, int), Word)
        The blocks that are not zero.
    row, column : int
        The block of the inverse that is the expression.
    expression : Word
        What the pencil was made from.
    residual : float
        Relative difference between both sides on random matrices.
    """

    sizes: tuple[sp.Expr, ...]
    blocks: tuple[tuple[tuple[int, int], Word], ...]
    row: int
    column: int
    expression: Word
    residual: float

    def table(self) -> list[list[Word]]:
        """Return the block matrix as a list of rows, zeros included."""
        full: Blocks = dict(self.blocks)
        return [
            [full.get((i, j), Zero(a, b)) for j, b in enumerate(self.sizes)]
            for i, a in enumerate(self.sizes)
        ]

    def array(self, matrices: Mapping[str, np.ndarray], scalars: Mapping) -> np.ndarray:
        """Return the pencil on given arrays."""
        return np.block([[evaluate(w, matrices, scalars) for w in row] for row in self.table()])


@dataclass(frozen=True)
class _Descriptor:
    """The form D + u Q^-1 v."""

    through: Word
    left: dict[int, Word]
    blocks: Blocks
    right: dict[int, Word]
    sizes: tuple[sp.Expr, ...]


def linear_pencil(expression: Word, seed: int = 0) -> Pencil:
    r"""Return a linear pencil whose inverse holds the expression as one of its blocks.

    Parameters
    ----------
    expression : Word
        Rational in Gaussian letters and deterministic words.
    seed : int
        Seed of the random matrices on which the pencil is checked.

    Returns
    -------
    Pencil

    Raises
    ------
    ArgumentsError
        If the expression is not a word, hence not rational in its letters.
    ConditionError
        If two Gaussian letters of one name differ.
    DomainError
        If an inverse in the expression does not exist.
    RefutedError
        If the pencil does not equal the expression on random matrices.

    Examples
    --------
    >>> n, d, lam = sp.symbols("n d lam", positive=True)
    >>> X = Gaussian("X", n, d, 1 / n)
    >>> pencil = linear_pencil((X.T @ X + lam * Identity(d)).inverse())
    >>> pencil.table()
    [[1, -X], [X', lam]]
    >>> pencil.row, pencil.column
    (1, 1)
    """
    if not isinstance(expression, Word):
        raise ArgumentsError(
            "linear_pencil",
            f"{expression!r} is not a word",
            "a pencil exists for sums, products and inverses of matrices (rational expressions)",
            "build it from Gaussian and Deterministic letters with +, @, .T and .inverse()",
        )
    check_letters([expression])
    form = _trim(_descriptor(expression))
    sizes, blocks, row, column = _as_block_of_inverse(form, expression.shape)
    pencil = Pencil(tuple(sizes), tuple(sorted(blocks.items())), row, column, expression, 0.0)
    draws = (schur_residual(pencil, seed + k) for k in range(8))
    residual = next((r for r in draws if not np.isnan(r)), None)
    if residual is None:
        raise DomainError(
            "linear_pencil",
            f"{expression} is singular at 8 random draws of sizes and matrices",
            "an inverse in it does not exist",
            "add a ridge under the inverse",
        )
    if not residual < 1e-8:
        raise RefutedError(
            "linear_pencil",
            f"the pencil of {expression} differs from it by {residual:.1e}",
            "the block of the inverse must equal the expression on random matrices",
            "report this expression",
        )
    return Pencil(pencil.sizes, pencil.blocks, row, column, expression, residual)


def is_linear(word: Word) -> bool:
    """Tell whether every term of an expanded word has at most one Gaussian letter, not inverted."""
    for term in terms_of(word):
        _, factors = coefficient_and_factors(term)
        random = [f for f in factors if f.is_random]
        if len(random) > 1 or not all(isinstance(f, Gaussian | Transpose) for f in random):
            return False
    return True


def schur_residual(pencil: Pencil, seed: int) -> float:
    """Return the relative difference of the block of the inverse and the expression.

    Parameters
    ----------
    pencil : Pencil
    seed : int
        Of the random sizes, scalars and matrices.

    Returns
    -------
    float
        Not a number where the pencil is singular to working precision, which decides nothing.
    """
    words = [pencil.expression, *(w for _, w in pencil.blocks)]
    matrices, scalars = random_values(words, pencil.sizes, seed)
    array = pencil.array(matrices, scalars)
    if not np.linalg.cond(array) < 1e9:
        return float("nan")
    direct = evaluate(pencil.expression, matrices, scalars)
    inverse = np.linalg.inv(array)
    edges = np.cumsum([0, *(whole_size(s, scalars) for s in pencil.sizes)])
    rows = slice(edges[pencil.row], edges[pencil.row + 1])
    columns = slice(edges[pencil.column], edges[pencil.column + 1])
    return float(np.linalg.norm(inverse[rows, columns] - direct) / np.linalg.norm(direct))


def random_values(
    words: list[Word], sizes: tuple[sp.Expr, ...], seed: int
) -> tuple[dict[str, np.ndarray], dict[sp.Symbol, float]]:
    """Return small random arrays for all letters and random numbers for all scalars.

    Parameters
    ----------
    words : list of Word
        Whose letters and scalars get values.
    sizes : tuple of sympy.Expr
        Further sizes.
    seed : int

    Returns
    -------
    matrices : dict
        Name -> array; symmetric letters get symmetric positive matrices.
    scalars : dict
        Symbol -> number; symbols that are a size get distinct small integers.
    """
    rng = np.random.default_rng(seed)
    shapes = {s for w in words for part in _parts(w) for s in part.shape} | set(sizes)
    symbols = sorted(
        cast(
            set[sp.Symbol],
            set().union(*(w.free_symbols for w in words), *(s.free_symbols for s in shapes)),
        ),
        key=str,
    )
    scalars: dict[sp.Symbol, float] = {s: float(rng.uniform(0.6, 1.4)) for s in symbols}
    plain = [s for s in symbols if s in shapes]
    for size, symbol in zip(rng.permutation(len(plain)) + 4, plain, strict=True):
        scalars[symbol] = int(size)
    matrices = {}
    for letter in sorted(set().union(*(w.letters() for w in words)), key=str):
        rows, columns = (whole_size(s, scalars) for s in letter.shape)
        array = rng.normal(size=(rows, columns))
        if isinstance(letter, Deterministic) and letter.T == letter:
            array = array @ array.T / rows + 0.3 * np.eye(rows)
        elif letter.T == letter:
            array = array + array.T
        matrices[str(letter.args[0])] = array
    return matrices, scalars


def _parts(word: Word) -> list[Word]:
    return [cast(Word, w) for w in sp.preorder_traversal(word) if isinstance(w, Word)]


def check_letters(words: list[Word]) -> None:
    """Refuse two different letters of one name: they would be dependent, not independent.

    Raises
    ------
    ConditionError
    """
    seen: dict[str, Word] = {}
    for letter in set().union(*(w.letters() for w in words)):
        name = str(letter.args[0])
        if seen.setdefault(name, letter) != letter:
            raise ConditionError(
                "check_letters",
                f"two different letters are named {name}",
                "letters of different variance, shape or covariance are taken as independent,"
                " and one name would make them dependent",
                "give them different names, or the same definition",
            )


def _descriptor(word: Word) -> _Descriptor:
    expanded = expand(word)
    if is_linear(expanded):
        return _Descriptor(expanded, {}, {}, {}, ())
    if isinstance(word, Sum):
        forms = [_descriptor(t) for t in terms_of(word)]
        total = forms[0]
        for form in forms[1:]:
            total = _add(total, form)
        return total
    if isinstance(word, Inverse):
        return _trim(_invert(_descriptor(cast(Word, word.args[0]))))
    scalar, factors = cast(sp.Expr, word.args[0]), cast(tuple[Word, ...], word.args[1:])
    total = _descriptor(factors[0])
    for factor in factors[1:]:
        total = _trim(_multiply(total, _descriptor(factor)))
    scaled = {k: Product(scalar, w) for k, w in total.left.items()}
    through = Product(scalar, total.through)
    return _Descriptor(through, scaled, total.blocks, total.right, total.sizes)


def _moved(blocks: Blocks, by: int) -> Blocks:
    return {(i + by, j + by): w for (i, j), w in blocks.items()}


def _add(a: _Descriptor, b: _Descriptor) -> _Descriptor:
    shift = len(a.sizes)
    return _Descriptor(
        Sum(a.through, b.through),
        a.left | {k + shift: w for k, w in b.left.items()},
        a.blocks | _moved(b.blocks, shift),
        a.right | {k + shift: w for k, w in b.right.items()},
        a.sizes + b.sizes,
    )


def _multiply(a: _Descriptor, b: _Descriptor) -> _Descriptor:
    # (D1 + u1 Q1^-1 v1)(D2 + u2 Q2^-1 v2), with the state y = D2 + u2 Q2^-1 v2 between them
    middle, shift = len(a.sizes), len(a.sizes) + 1
    size = b.through.shape[0]
    blocks = a.blocks | {(middle, middle): cast(Word, Identity(size))} | _moved(b.blocks, shift)
    blocks |= {(i, middle): Product(-1, w) for i, w in a.right.items()}
    blocks |= {(middle, j + shift): Product(-1, w) for j, w in b.left.items()}
    left, right = dict(a.left), {k + shift: w for k, w in b.right.items()}
    if not isinstance(a.through, Zero):
        left[middle] = a.through
    if not isinstance(b.through, Zero):
        right[middle] = b.through
    through = Zero(a.through.shape[0], b.through.shape[1])
    return _Descriptor(through, left, blocks, right, (*a.sizes, size, *b.sizes))


def _invert(a: _Descriptor) -> _Descriptor:
    # (D + u Q^-1 v)^-1 is the last block of the inverse of [[Q, -v], [u, D]]
    last, size = len(a.sizes), a.through.shape[0]
    blocks = dict(a.blocks)
    blocks |= {(i, last): Product(-1, w) for i, w in a.right.items()}
    blocks |= {(last, j): w for j, w in a.left.items()}
    if not isinstance(a.through, Zero):
        blocks[last, last] = a.through
    one = {last: cast(Word, Identity(size))}
    return _Descriptor(Zero(size, size), one, blocks, dict(one), (*a.sizes, size))


def _trim(form: _Descriptor) -> _Descriptor:
    """Eliminate states with a scalar diagonal block while all blocks stay linear."""
    for state in range(len(form.sizes)):
        pivot = form.blocks.get((state, state))
        if pivot is None:
            continue
        scalar, factors = coefficient_and_factors(pivot)
        if factors or isinstance(pivot, Zero | Sum):
            continue
        shorter = _without(form, state, 1 / scalar)
        if shorter is not None:
            return _trim(shorter)
    return form


def _without(form: _Descriptor, state: int, inverse: sp.Expr) -> _Descriptor | None:
    rows = {i: w for (i, j), w in form.blocks.items() if j == state and i != state}
    columns = {j: w for (i, j), w in form.blocks.items() if i == state and j != state}
    blocks = {ij: w for ij, w in form.blocks.items() if state not in ij}
    left = {k: w for k, w in form.left.items() if k != state}
    right = {k: w for k, w in form.right.items() if k != state}
    through = form.through
    out, into = form.left.get(state), form.right.get(state)

    def plus(old: Word | None, sign: int, a: Word, b: Word) -> Word:
        change = Product(sign * inverse, a, b)
        return expand(change if old is None else Sum(old, change))

    for i, a in rows.items():
        for j, b in columns.items():
            blocks[i, j] = plus(blocks.get((i, j)), -1, a, b)
        if into is not None:
            right[i] = plus(right.get(i), -1, a, into)
    if out is not None:
        for j, b in columns.items():
            left[j] = plus(left.get(j), -1, out, b)
        if into is not None:
            through = plus(through, 1, out, into)
    if not all(map(is_linear, (*blocks.values(), *left.values(), *right.values(), through))):
        return None

    def renumber(k: int) -> int:
        return k - (k > state)

    return _Descriptor(
        through,
        {renumber(k): w for k, w in left.items() if not isinstance(w, Zero)},
        {(renumber(i), renumber(j)): w for (i, j), w in blocks.items() if not isinstance(w, Zero)},
        {renumber(k): w for k, w in right.items() if not isinstance(w, Zero)},
        form.sizes[:state] + form.sizes[state + 1 :],
    )


def _as_block_of_inverse(form: _Descriptor, shape: tuple[sp.Expr, sp.Expr]):
    """Border the descriptor form with identities, unless it already is one block."""
    selects = [
        len(side) == 1 and isinstance(next(iter(side.values())), Identity)
        for side in (form.left, form.right)
    ]
    if all(selects) and isinstance(form.through, Zero):
        return form.sizes, form.blocks, next(iter(form.left)), next(iter(form.right))
    last = len(form.sizes) + 1
    blocks = _moved(form.blocks, 1) | {
        (0, 0): cast(Word, Identity(shape[0])),
        (last, last): cast(Word, Identity(shape[1])),
    }
    blocks |= {(0, j + 1): Product(-1, w) for j, w in form.left.items()}
    blocks |= {(i + 1, last): Product(-1, w) for i, w in form.right.items()}
    if not isinstance(form.through, Zero):
        blocks[0, last] = Product(-1, form.through)
    return (shape[0], *form.sizes, shape[1]), blocks, 0, last
