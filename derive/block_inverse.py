"""Inverse of a block matrix of words by elimination, checked on random matrices each time."""

from __future__ import annotations

from typing import cast

import numpy as np
import sympy as sp

from derive.errors import DomainError, RefutedError
from derive.pencil import Blocks, random_values
from derive.word_operations import evaluate, expand
from derive.words import Identity, Product, Sum, Word, Zero, coefficient_and_factors


def block_inverse(blocks: Blocks, sizes: tuple[sp.Expr, ...], seed: int = 0) -> Blocks:
    """Return the non-zero blocks of the inverse of a block matrix, order of factors kept.

    Parameters
    ----------
    blocks : dict of (int, int) to Word
        The blocks that are not zero.
    sizes : tuple of sympy.Expr
        Sizes of the block rows and columns.
    seed : int
        Of the random matrices on which the inverse is checked.

    Returns
    -------
    dict of (int, int) to Word

    Raises
    ------
    DomainError
        If no block that is left can be inverted.
    RefutedError
        If the product with the inverse is not the identity on random matrices.

    Examples
    --------
    >>> from derive.words import Deterministic
    >>> A, B = Deterministic("A", 2, 2), Deterministic("B", 2, 2)
    >>> block_inverse({(0, 0): A, (0, 1): B, (1, 1): A}, (2, 2))[0, 1]
    -(A)^-1@B@(A)^-1
    """
    count = len(sizes)
    rows = [{j: w for (i, j), w in blocks.items() if i == k} for k in range(count)]
    sides = [{k: cast(Word, Identity(sizes[k]))} for k in range(count)]
    pivot_row: dict[int, int] = {}
    while len(pivot_row) < count:
        row, column = _best_pivot(rows, sizes, pivot_row)
        pivot_row[column] = row
        inverse = rows[row][column].inverse()
        rows[row] = {j: _times(inverse, w) for j, w in rows[row].items() if j != column}
        sides[row] = {j: _times(inverse, w) for j, w in sides[row].items()}
        for other in range(count):
            factor = rows[other].pop(column, None) if other != row else None
            if factor is None:
                continue
            for table in (rows, sides):
                for j, w in table[row].items():
                    change = Product(-1, factor, w)
                    old = table[other].get(j)
                    new = expand(change if old is None else Sum(old, change))
                    if isinstance(new, Zero):
                        table[other].pop(j, None)
                    else:
                        table[other][j] = new
    result = {(c, j): w for c, r in pivot_row.items() for j, w in sides[r].items()}
    _check(blocks, result, sizes, seed)
    return result


def _times(inverse: Word, word: Word) -> Word:
    return expand(Product(1, inverse, word))


def _best_pivot(rows: list[dict[int, Word]], sizes, used: dict[int, int]) -> tuple[int, int]:
    """Choose a square block: a multiple of the identity if there is one, else the shortest."""
    choices = []
    for i, row in enumerate(rows):
        if i in used.values():
            continue
        for j, word in row.items():
            if j in used or sizes[i] != sizes[j]:
                continue
            scalar, factors = coefficient_and_factors(word)
            plain = not factors and not isinstance(word, Sum)
            length = sp.count_ops(scalar) if plain else word.count_ops() + 1000
            choices.append((length + 100 * (i != j), i, j))
    if not choices:
        raise DomainError(
            "block_inverse",
            "no square block is left that can be a pivot",
            "the block matrix is singular for all values of its letters",
            "add a ridge to the expression",
        )
    _, i, j = min(choices)
    return i, j


def _check(blocks: Blocks, result: Blocks, sizes, seed: int) -> None:
    words = [*blocks.values(), *result.values()]
    matrices, scalars = random_values(words, tuple(sizes), seed)

    def array(part: Blocks) -> np.ndarray:
        return np.block(
            [
                [
                    evaluate(part.get((i, j), Zero(a, b)), matrices, scalars)
                    for j, b in enumerate(sizes)
                ]
                for i, a in enumerate(sizes)
            ]
        )

    product = array(blocks) @ array(result)
    residual = float(np.linalg.norm(product - np.eye(len(product))))
    if not residual < 1e-6 * len(product):
        raise RefutedError(
            "block_inverse",
            f"block matrix times its inverse differs from 1 by {residual:.1e}",
            "each elimination must hold on random matrices",
            "report the pencil",
        )
