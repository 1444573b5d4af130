"""The algebra of words: shapes, normal forms, and equality with matrix arithmetic."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import exact_input, word_operations, word_trace, words
from derive.errors import ArgumentsError, DomainError
from derive.spectral_trace import Spectrum
from derive.word_operations import differentiate, evaluate, expand
from derive.word_trace import WordTrace, in_spectrum, trace_values
from derive.words import Deterministic, Gaussian, Identity, Product, Sum, Word, Zero

N, D = sp.symbols("n d", positive=True)
LAM, MU = sp.symbols("lambda mu", positive=True)
A, B, S = (Deterministic(name, D, D) for name in "ABS")
C = Deterministic("C", D, D, symmetric=False)
X = Gaussian("X", N, D, 1 / N)
SCALARS = {N: 5, D: 4, LAM: 0.7, MU: 1.3}


def arrays(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    out = {"C": rng.normal(size=(4, 4)), "X": rng.normal(size=(5, 4))}
    for name in "ABS":
        root = rng.normal(size=(4, 4))
        out[name] = root @ root.T / 4 + 0.5 * np.eye(4)
    return out


@pytest.mark.parametrize("module", [words, word_operations, word_trace, exact_input])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def test_nothing_commutes_but_like_terms_collect():
    assert A @ B != B @ A
    assert A @ B + B @ A - A @ B == B @ A
    assert A - A == Zero(D, D)
    assert (2 * A) @ (3 * B) == 6 * (A @ B)
    assert sp.cancel((LAM / (1 + LAM) + 1 / (1 + LAM)) - 1) == 0
    assert (LAM / (1 + LAM)) * A + (1 / (1 + LAM)) * A == A


def test_inverse_rules():
    assert A @ A.inverse() == Identity(D)
    assert (A @ B @ C).inverse() == C.inverse() @ B.inverse() @ A.inverse()
    assert (2 * A).inverse().inverse() == 2 * A
    assert (C.inverse()).T == C.T.inverse()
    assert Identity(D).inverse() == Identity(D)
    gram = X.T @ X
    assert gram.inverse() @ gram != Identity(D)  # opaque, but equal in value
    assert (3 * gram).inverse() == sp.Rational(1, 3) * gram.inverse()


def test_transposes_reach_the_letters():
    assert (A @ C @ X.T).T == X @ C.T @ A
    assert (C.T).T == C
    assert (A + LAM * C).T == A + LAM * C.T


def test_wrong_shapes_and_inverses_are_refused():
    with pytest.raises(ArgumentsError, match="do not chain"):
        X @ X
    with pytest.raises(ArgumentsError, match="differ"):
        X + X.T
    with pytest.raises(ArgumentsError, match="square"):
        X.inverse()
    with pytest.raises(DomainError, match="0 has no inverse"):
        (A - A).inverse()
    with pytest.raises(ArgumentsError, match="symmetric matrices are square"):
        Deterministic("Y", N, D)
    with pytest.raises(ArgumentsError, match="@"):
        A * B
    with pytest.raises(ArgumentsError, match="right covariance"):
        Gaussian("Y", N, D, 1 / N, right=Deterministic("K", N, N))
    with pytest.raises(ArgumentsError, match="deterministic"):
        Gaussian("Y", N, D, 1 / N, right=X.T @ X)
    with pytest.raises(ArgumentsError, match="trace"):
        WordTrace(X)
    with pytest.raises(ArgumentsError, match="exact"):
        sp.Float(0.5) * A


@pytest.mark.parametrize("name", ["", "2A", r"\\input{x}", "A B", "A;rm", "A" * 80])
def test_names_that_would_print_as_something_else_are_refused(name):
    with pytest.raises(ArgumentsError, match="no name of a matrix"):
        Deterministic(name, D, D)
    with pytest.raises(ArgumentsError, match="no name of a matrix"):
        Spectrum(name)


def test_text_is_no_size():
    with pytest.raises(ArgumentsError, match="not a number"):
        Identity("__import__('os')")


def test_symmetric_gaussian_letters():
    wigner = Gaussian("H", D, D, 1 / D, symmetric=True)
    assert wigner.T == wigner
    with pytest.raises(ArgumentsError, match="isotropic"):
        Gaussian("H", N, D, 1 / D, symmetric=True)
    with pytest.raises(ArgumentsError, match="isotropic"):
        Gaussian("H", D, D, 1 / D, right=A, symmetric=True)


LETTERS = [A, B, C, X.T @ X, Identity(D)]


def random_word(choices: list[int], depth: int = 3) -> Word:
    """Build a square word from a list of small integers."""
    kind = choices.pop() if choices else 0
    if depth == 0 or kind % 5 == 0:
        return LETTERS[(choices.pop() if choices else 0) % len(LETTERS)]
    left = random_word(choices, depth - 1)
    if kind % 5 == 1:
        return (left @ left.T + LAM * Identity(D)).inverse()
    right = random_word(choices, depth - 1)
    if kind % 5 == 2:
        return Sum(left, Product(-MU, right))
    if kind % 5 == 3:
        return left.T @ right
    return Product(LAM, left, right)


def literal(choices: list[int], given_: dict[str, np.ndarray], depth: int = 3) -> np.ndarray:
    """The same recursion with arrays, without the algebra."""
    one, x = np.eye(4), given_["X"]
    values = [given_["A"], given_["B"], given_["C"], x.T @ x, one]
    kind = choices.pop() if choices else 0
    if depth == 0 or kind % 5 == 0:
        return values[(choices.pop() if choices else 0) % len(values)]
    left = literal(choices, given_, depth - 1)
    if kind % 5 == 1:
        return np.linalg.inv(left @ left.T + 0.7 * one)
    right = literal(choices, given_, depth - 1)
    if kind % 5 == 2:
        return left - 1.3 * right
    return left.T @ right if kind % 5 == 3 else 0.7 * left @ right


CHOICES = st.lists(st.integers(0, 9), min_size=4, max_size=14)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CHOICES)
def test_words_equal_matrix_arithmetic(choices):
    given_ = arrays(3)
    word = random_word(list(choices))
    expected = literal(list(choices), given_)
    for same in (word, expand(word), word.T.T):
        got = evaluate(same, given_, SCALARS)
        assert np.allclose(got, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@settings(derandomize=True, deadline=None, max_examples=25)
@given(CHOICES, CHOICES)
def test_traces_are_cyclic_and_transposition_invariant(first, second):
    left, right = random_word(list(first), 2), random_word(list(second), 2)
    given_ = arrays(4)
    numbers = [
        trace_values(sp.sympify(WordTrace(w)), given_, SCALARS)
        for w in (left @ right, right @ left, (left @ right).T)
    ]
    exact = np.trace(evaluate(left, given_, SCALARS) @ evaluate(right, given_, SCALARS)) / 4
    assert np.allclose(numbers, exact, rtol=1e-9, atol=1e-9)


def test_trace_through_a_rectangular_letter_brings_the_ratio():
    assert sp.simplify(WordTrace(X @ A @ X.T) * N / D - WordTrace(X.T @ X @ A)) == 0


def test_derivative_of_an_inverse():
    word = (A + LAM * B).inverse() @ C
    given_, step = arrays(6), 1e-6
    low, high = (evaluate(word, given_, {**SCALARS, LAM: 0.7 + h}) for h in (-step, step))
    slope = evaluate(differentiate(word, LAM), given_, SCALARS)
    assert np.allclose(slope, (high - low) / (2 * step), rtol=1e-7, atol=1e-8)
    trace = WordTrace(word).diff(LAM)
    assert trace_values(trace, given_, SCALARS) == pytest.approx(np.trace(slope) / 4, rel=1e-12)


def test_traces_over_one_spectrum():
    resolvent = (S + LAM * Identity(D)).inverse()
    expression = WordTrace(resolvent @ A @ S @ resolvent @ B)
    spectral = in_spectrum(expression, S)
    from derive.spectrum_values import at_matrices

    given_ = arrays(8)
    assert at_matrices(spectral, given_, SCALARS) == pytest.approx(
        trace_values(expression, given_, SCALARS), rel=1e-12
    )
    with pytest.raises(ArgumentsError, match="no function of the spectrum"):
        in_spectrum(WordTrace((S + A).inverse()), S)


def test_letter_without_value_is_named():
    with pytest.raises(ArgumentsError, match="B has no value"):
        evaluate(A @ B, {"A": np.eye(4)}, SCALARS)


def test_printing():
    assert str((X.T @ X + LAM * Identity(D)).inverse()) == "(lambda + X'@X)^-1"
    assert sp.latex(A @ (B + C.T)) == r"A\,\left(B + C^{\top}\right)"
    assert sp.latex(WordTrace(A @ B)) == r"\overline{\mathrm{tr}}\left[A\,B\right]"
