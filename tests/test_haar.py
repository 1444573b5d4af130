"""Haar averages against an exact oracle, sampled rotations and free probability."""

from __future__ import annotations

import math

import haarpy
import numpy as np
import pytest
import sympy as sp

from derive.errors import ArgumentsError, ConditionError
from derive.gaussian import GaussianLaw, expectation
from derive.haar import (
    OrthogonalHaar,
    UnitaryHaar,
    haar_average,
    orthogonal_weingarten,
    unitary_weingarten,
)
from derive.index_notation import Field, Space
from derive.index_tensor import delta
from derive.spectral_trace import exact

d = sp.Symbol("d", positive=True)
space = Space("component", d)
a, b, c, e, f, g, h, k = space.indices("a b c e f g h k")
O = Field("O", (space, space))  # noqa: E741
U, V = Field("U", (space, space)), Field("Ubar", (space, space))
A, B = Field("A", (space, space), symmetric=True), Field("B", (space, space), symmetric=True)
ROTATION, UNITARY = OrthogonalHaar(O), UnitaryHaar(U, V)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_weingarten_functions_equal_the_oracle(order):
    oracle_d = sp.Symbol("d")
    for mine, oracle in (
        (orthogonal_weingarten, haarpy.weingarten_orthogonal),
        (unitary_weingarten, haarpy.weingarten_unitary),
    ):
        table = mine(order, d)
        assert len(table) == sp.functions.combinatorial.numbers.partition(order)
        for kind, value in table.items():
            expected = exact(oracle(kind, oracle_d), "oracle").subs(oracle_d, d)
            assert sp.cancel(value - expected) == 0


def test_entries_equal_the_oracle_at_a_finite_dimension():
    small = Space("component", sp.Integer(4))
    matrix = Field("O", (small, small))
    names = small.indices("a b c e f g h k")
    product = 1
    for row, column in zip(names[::2], names[1::2], strict=True):
        product = matrix(row, column) * product
    values = haar_average(product, OrthogonalHaar(matrix)).after.evaluate({}, {})
    order = haar_average(product, OrthogonalHaar(matrix)).after.free
    rng = np.random.default_rng(8)
    for _ in range(40):
        rows, columns = rng.integers(0, 3, 4), rng.integers(0, 3, 4)
        point = dict(zip(names[::2], rows, strict=True)) | dict(
            zip(names[1::2], columns, strict=True)
        )
        oracle = haarpy.haar_integral_orthogonal(
            (tuple(int(r) for r in rows), tuple(int(s) for s in columns)), 4
        )
        assert values[tuple(point[i] for i in order)] == pytest.approx(float(oracle), abs=1e-14)


def rotated(left, right):
    """Return (O B O^T)_{left right}."""
    return (O(left, g) * B(g, h) * O(right, h)).sum(g, h)


def test_rotated_traces_are_exact_at_finite_dimension():
    # E Tr (O B O^T A)^2, exactly; the free value follows as d grows.
    word = rotated(a, b) * A(b, c) * rotated(c, e) * A(e, a)
    average = haar_average(word.sum(a, b, c, e), ROTATION)
    assert average.order == 2
    rng = np.random.default_rng(4)
    size, draws = 4, 20_000
    eigenvalues = np.array([0.2, 1.0, 1.7, 3.1]), np.array([2.0, 0.5, 0.9, 0.1])
    first, second = np.diag(eigenvalues[0]), np.diag(eigenvalues[1])
    value = average.after.evaluate({A: first, B: second}, {d: size})
    q, r = np.linalg.qr(rng.normal(size=(draws, size, size)))
    q = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    m = q @ second @ q.transpose(0, 2, 1) @ first
    drawn = np.trace(m @ m, axis1=1, axis2=2)
    assert abs(drawn.mean() - value) < 4 * drawn.std() / math.sqrt(draws)
    # Freeness at large dimension: tr BABA = tr B^2 (tr A)^2 + (tr B)^2 tr A^2 - (tr B tr A)^2.
    t_a, t_b, s_a, s_b = sp.symbols("t_a t_b s_a s_b", positive=True)
    traces = {A: (t_a, s_a), B: (t_b, s_b)}
    tensor = average.after
    for field, (first_moment, second_moment) in traces.items():
        tensor = tensor.with_invariant(field(a, a).sum(a), d * first_moment)
        tensor = tensor.with_invariant((field(a, b) * field(a, b)).sum(a, b), d * second_moment)
    limit = sp.limit(tensor.scalar() / d, d, sp.oo)
    assert sp.expand(limit - (s_b * t_a**2 + t_b**2 * s_a - t_b**2 * t_a**2)) == 0


def test_orthogonality_is_an_identity_of_the_average():
    # sum_b O_ab O_cb = delta_ac inside any average.
    pair = O(e, f) * O(g, h)
    inside = haar_average((O(a, b) * O(c, b)).sum(b) * pair, ROTATION).after
    outside = haar_average(pair, ROTATION).after
    assert inside.equals(delta(a, c) * outside)
    inside = haar_average((U(a, b) * V(c, b)).sum(b) * U(e, f) * V(g, h), UNITARY).after
    outside = haar_average(U(e, f) * V(g, h), UNITARY).after
    assert inside.equals(delta(a, c) * outside)
    assert not inside.equals(outside * delta(a, c) * 2)


def test_unitary_entries_equal_the_oracle():
    # E |U_00|^4 = 2/(d(d+1)) and a mixed moment, through symbolic indices set equal.
    fourth = haar_average(U(a, b) * U(a, b) * V(a, b) * V(a, b), UNITARY).after
    value = fourth.evaluate({}, {d: 5})[0, 0]
    assert value == pytest.approx(2 / (5 * 6), abs=1e-15)
    mixed = haar_average(U(a, b) * U(c, e) * V(a, e) * V(c, b), UNITARY).after
    order = mixed.free
    point = {a: 0, b: 0, c: 1, e: 1}
    oracle = haarpy.haar_integral_unitary(((0, 1), (0, 1)), ((0, 1), (1, 0)), 5)
    got = mixed.evaluate({}, {d: 5})[tuple(point[i] for i in order)]
    assert got == pytest.approx(float(oracle), abs=1e-15)
    assert not haar_average(U(a, b) * U(c, e), UNITARY).after.terms


def test_large_rotations_are_gaussian():
    # sqrt(d) O has Gaussian entries to leading order: compare fourth moments.
    fourth = haar_average(O(a, b) * O(a, e) * O(c, b) * O(c, e), ROTATION).after
    gaussian = expectation(O(a, b) * O(a, e) * O(c, b) * O(c, e), GaussianLaw(O, 1 / d))
    closed = [tensor.sum(a, b, c, e).scalar() for tensor in (fourth, gaussian)]
    assert sp.cancel(closed[0] - d) == 0  # Tr (O^T O)^2 = d exactly
    assert sp.expand(closed[1]) == 2 * d + 1  # the Gaussian matrix is not orthogonal


def test_refusals():
    with pytest.raises(ConditionError, match="singular"):
        orthogonal_weingarten(2, 1)
    with pytest.raises(ConditionError, match="singular"):
        unitary_weingarten(3, 2)
    with pytest.raises(ArgumentsError, match="order 5"):
        orthogonal_weingarten(5, d)
    with pytest.raises(ArgumentsError, match="square matrix"):
        haar_average(O(a, b), OrthogonalHaar(Field("X", (space, Space("sample", d)))))
    assert not haar_average(O(a, b), ROTATION).after.terms
    assert haar_average(A(a, b), ROTATION).after.equals(A(a, b))
