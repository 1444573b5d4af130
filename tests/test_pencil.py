"""Linear pencils: the Schur complement is the expression, for every expression."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import block_inverse as block_inverse_module
from derive import pencil as pencil_module
from derive.block_inverse import block_inverse
from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.pencil import Pencil, is_linear, linear_pencil, random_values, schur_residual
from derive.word_operations import evaluate
from derive.words import Deterministic, Gaussian, Identity, Product, Word, Zero

N, D, M, LAM, MU = sp.symbols("n d m lambda mu", positive=True)
A, B = Deterministic("A", D, D), Deterministic("B", D, D, symmetric=False)
X = Gaussian("X", N, D, 1 / N)
Y = Gaussian("Y", M, D, 3 / M)
ONE = Identity(D)
R = (X.T @ X + LAM * ONE).inverse()


@pytest.mark.parametrize("module", [pencil_module, block_inverse_module])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("expression", "blocks"),
    [
        (R, 2),
        (R @ A @ R, 4),
        (X.T @ X + Y.T @ Y, 4),
        ((X.T @ X + MU * (Y.T @ Y) + A).inverse(), 3),
        (X.T @ (X @ A @ X.T + MU * Identity(N)).inverse() @ X, None),
        ((R + MU * B).inverse() @ Y.T, None),
        (R @ (Y.T @ Y + A).inverse() @ B.T, None),
    ],
)
def test_schur_complement_is_the_expression(expression, blocks):
    made = linear_pencil(expression)
    assert made.residual < 1e-12
    assert max(schur_residual(made, seed) for seed in (1, 2, 3)) < 1e-11
    assert all(is_linear(w) for _, w in made.blocks)
    if blocks is not None:
        assert len(made.sizes) == blocks


def rational_word(choices: list[int], depth: int = 3) -> Word:
    """Build a square random word: sums, products, regularised inverses."""
    letters = [X.T @ X, Y.T @ Y, A, B, X.T @ X @ A]
    kind = choices.pop() if choices else 0
    if depth == 0 or kind % 4 == 0:
        return letters[(choices.pop() if choices else 0) % len(letters)]
    left = rational_word(choices, depth - 1)
    if kind % 4 == 1:
        return (left @ left.T + LAM * ONE).inverse()
    right = rational_word(choices, depth - 1)
    return left - MU * right if kind % 4 == 2 else Product(LAM, left, right)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=12))
def test_every_rational_word_has_its_pencil(choices):
    word = rational_word(list(choices), 2)
    made = linear_pencil(word)  # refuses a wrong pencil by itself
    assert schur_residual(made, 7) < 1e-8
    assert all(is_linear(w) for _, w in made.blocks)


def test_a_wrong_pencil_is_seen():
    made = linear_pencil(R)
    (place, word), *rest = made.blocks
    for mutant in (2 * word, -word):
        wrong = Pencil(made.sizes, ((place, mutant), *rest), made.row, made.column, R, 0.0)
        assert schur_residual(wrong, 0) > 1e-2
    other = Pencil(made.sizes, made.blocks, 1, 1, X.T @ X, 0.0)
    assert schur_residual(other, 0) > 1e-2


def test_an_inverse_that_does_not_exist_is_refused():
    with pytest.raises(DomainError, match="singular"):
        linear_pencil((X @ X.T @ (X @ X.T).inverse() - Identity(N)).inverse())


def test_an_inverse_that_exists_for_some_sizes_is_checked_there():
    projector = X.T @ (X @ X.T).inverse() @ X
    assert linear_pencil(projector).residual < 1e-10


def test_what_is_not_rational_is_refused():
    with pytest.raises(ArgumentsError, match="not a word"):
        linear_pencil(sp.exp(sp.Symbol("x")))  # type: ignore[arg-type]
    for root in (lambda: A ** sp.Rational(1, 2), lambda: A**2, lambda: 1 / A, lambda: A / B):
        with pytest.raises(ArgumentsError, match=r"not a word\. Why: a pencil exists"):
            root()


def test_dependent_letters_of_one_name_are_refused():
    other = Gaussian("X", N, D, 2 / N)
    with pytest.raises(ConditionError, match="named X"):
        linear_pencil(X.T @ X + other.T @ other)


def test_block_inverse_keeps_the_order_of_factors():
    blocks = {(0, 0): A, (0, 1): B, (1, 0): A @ B, (1, 1): LAM * ONE}
    sizes = (D, D)
    inverse = block_inverse(blocks, sizes)
    matrices, scalars = random_values(list(blocks.values()), sizes, 5)
    size = round(scalars[D])
    rows = [[evaluate(blocks[i, j], matrices, scalars) for j in (0, 1)] for i in (0, 1)]
    direct = np.linalg.inv(np.block(rows))
    zero = Zero(D, D)
    got = [[evaluate(inverse.get((i, j), zero), matrices, scalars) for j in (0, 1)] for i in (0, 1)]
    assert np.allclose(np.block(got), direct, atol=1e-9)
    assert size > 1


def test_singular_block_matrix_is_refused():
    with pytest.raises(DomainError, match="pivot"):
        block_inverse({(0, 0): A, (1, 0): A}, (D, D))
