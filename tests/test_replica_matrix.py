"""Replica-symmetric matrices against explicit ones, and the two limits against known functions."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from derive.errors import ArgumentsError, ConditionError
from derive.replica_matrix import (
    ReplicaSymmetricMatrix,
    replica_limit,
    zero_temperature_limit,
)

p, q, r, s, beta, x = sp.symbols("p q r s beta x", positive=True)
n = sp.Symbol("n")
numbers = st.fractions(Fraction(1, 5), 5, max_denominator=7)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(size=st.integers(1, 4), values=st.tuples(numbers, numbers, numbers, numbers))
def test_algebra_equals_that_of_explicit_matrices(size, values):
    exact = [sp.Rational(v.numerator, v.denominator) for v in values]
    exact[1] *= -1  # a negative off-diagonal entry
    assume(exact[0] + size * exact[1] != 0)
    point = dict(zip((p, q, r, s), exact, strict=True))
    left, right = ReplicaSymmetricMatrix(p, q, n), ReplicaSymmetricMatrix(r, s, n)

    def given_values(matrix):
        return matrix.explicit(size).subs(point)

    first, second = given_values(left), given_values(right)
    assert given_values(left @ right) == first * second
    assert given_values(left + right) == first + second
    assert given_values(left - right * 3) == first - 3 * second
    assert given_values(left.inverse()) == first.inv()
    assert given_values(left.function(lambda z: z**3)) == first**3
    numeric = {**point, n: size}
    assert left.determinant().subs(numeric) == first.det()
    assert left.trace().subs(numeric) == first.trace()
    assert left.total().subs(numeric) == sum(first)
    assert "1 1^{\\top}" in sp.latex(left)
    entries = ReplicaSymmetricMatrix.from_entries(p + q, q, n)
    assert entries == left and entries.diagonal == p + q
    assert ReplicaSymmetricMatrix.identity(n).explicit(size) == sp.eye(size)


def test_inverse_times_matrix_is_the_identity_for_every_n():
    matrix = ReplicaSymmetricMatrix(p, q, n)
    product = matrix @ matrix.inverse()
    assert sp.cancel(product.p) == 1 and sp.cancel(product.q) == 0
    # The exponential of the logarithm of the determinant is the determinant at integer n.
    for size in (1, 2, 5):
        difference = matrix.log_determinant() - sp.log(matrix.determinant())
        assert sp.expand_log(difference.subs(n, size), force=True).expand() == 0


def test_replica_limit_of_a_gaussian_moment():
    # Z = exp(h) with h ~ N(a, v): E log Z = a from log E Z^n = n a + n^2 v/2.
    a, v = sp.symbols("a v", positive=True)
    record = replica_limit(n * a + n**2 * v / 2, n)
    assert record.after == a and record.before == n * a + n**2 * v / 2
    matrix = ReplicaSymmetricMatrix(p, q, n)
    assert replica_limit(matrix.log_determinant(), n).after == sp.log(p) + q / p
    assert replica_limit(matrix.inverse().total(), n).after == 1 / p
    with pytest.raises(ConditionError, match=r"Z\^0 = 1"):
        replica_limit(1 + n, n)


def test_zero_temperature_limit():
    expression = (beta**2 * x + beta) / (p * beta**2 + 1) + sp.log(beta * x + 3) / beta
    assert zero_temperature_limit(expression, beta).after == x / p
    assert zero_temperature_limit(x / beta, beta).after == 0
    for wrong in (beta * x, sp.log(beta * x), beta * sp.log(1 + beta)):
        with pytest.raises(ConditionError, match="grows"):
            zero_temperature_limit(wrong, beta)
    with pytest.raises(ConditionError):
        zero_temperature_limit(sp.log(beta) ** 2 / beta, beta)
    with pytest.raises(ConditionError, match="rational"):
        zero_temperature_limit(sp.sqrt(beta) / beta, beta)


def test_refusals():
    with pytest.raises(ArgumentsError, match="different sizes"):
        ReplicaSymmetricMatrix(p, q, n) + ReplicaSymmetricMatrix(p, q, n + 1)
    with pytest.raises(ConditionError, match="singular"):
        ReplicaSymmetricMatrix(sp.S.Zero, q, n).inverse()
    with pytest.raises(ArgumentsError, match="floating-point"):
        ReplicaSymmetricMatrix(sp.Float(0.5), q, n)
