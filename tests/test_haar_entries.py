"""Moments of given entries of Haar matrices against an exact oracle and sum rules."""

from __future__ import annotations

import haarpy
import numpy as np
import pytest
import sympy as sp

from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.haar_entries import orthogonal_moment, unitary_moment

d = sp.Symbol("d", positive=True)
PLAIN = sp.Symbol("d")


def same(mine, oracle) -> bool:
    return sp.cancel(mine.subs(d, PLAIN) - oracle) == 0


def sides(entries):
    return tuple(tuple(entry[side] - 1 for entry in entries) for side in (0, 1))


def test_rotations_equal_the_oracle_up_to_eight_entries():
    rng = np.random.default_rng(2)
    decided = 0
    for count in (2, 4, 4, 6, 6, 6, 6, 8):
        rows = rng.permutation(np.repeat(rng.integers(1, 4, count // 2), 2))
        columns = rng.permutation(np.repeat(rng.integers(1, 4, count // 2), 2))
        entries = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]
        mine = orthogonal_moment(entries, d)
        decided += mine != 0
        assert same(mine, haarpy.haar_integral_orthogonal(sides(entries), PLAIN)), entries
    assert decided >= 6


def test_unitaries_equal_the_oracle_up_to_eight_entries():
    rng = np.random.default_rng(3)
    decided = 0
    for count in (1, 2, 2, 3, 3, 4):
        rows, columns = rng.integers(1, 3, (2, count))
        entries = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]
        other = [(int(i), int(j)) for i, j in zip(rng.permutation(rows), rng.permutation(columns),
                                                  strict=True)]  # fmt: skip
        mine = unitary_moment(entries, other, d)
        decided += mine != 0
        oracle = haarpy.haar_integral_unitary(sides(entries), sides(other), PLAIN)
        assert same(mine, oracle), (entries, other)
    assert decided >= 5


def test_a_row_has_length_one_whatever_stands_beside_it():
    beside = [(2, 1), (2, 1)]
    total = orthogonal_moment([(1, 1), (1, 1), *beside], d)
    total += (d - 1) * orthogonal_moment([(1, 2), (1, 2), *beside], d)
    assert sp.cancel(total - orthogonal_moment(beside, d)) == 0


def test_what_vanishes_and_what_is_refused():
    assert orthogonal_moment([(1, 1)] * 3, d) == 0
    assert orthogonal_moment([(1, 1), (1, 2)], d) == 0
    assert orthogonal_moment([], d) == 1 and unitary_moment([], [], d) == 1
    assert unitary_moment([(1, 1)], [], d) == 0
    with pytest.raises(ArgumentsError, match="no place"):
        orthogonal_moment([(0, 1), (0, 1)], d)
    with pytest.raises(DomainError, match="outside"):
        unitary_moment([(1, 3)], [(1, 3)], 2)
    with pytest.raises(ConditionError, match="singular"):
        orthogonal_moment([(1, 1)] * 6, 2)
    with pytest.raises(ArgumentsError, match="is not in 1"):
        orthogonal_moment([(1, 1)] * 10, d)
