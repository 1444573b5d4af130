"""Compute-optimal allocation: the Lagrange solution against direct minimisation."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from derive.compute_optimum import ComputeOptimum, Resource, compute_optimum
from derive.errors import ArgumentsError, ConditionError

R = sp.Rational
nu, beta, t, N, P, L, C = sp.symbols("nu beta t N P L C", positive=True)
c_t, c_N, c_P, c_L = sp.symbols("c_t c_N c_P c_L", positive=True)
quick = settings(derandomize=True, deadline=None, max_examples=12)
fractions = st.fractions(min_value="1/4", max_value=4, max_denominator=9).map(
    lambda f: R(f.numerator, f.denominator)
)


def paper(width_exponent, context_exponent):
    return compute_optimum(
        [
            Resource(t, c_t, beta / (2 + beta), 1),
            Resource(N, c_N, width_exponent, 2),
            Resource(P, c_P, context_exponent, 2),
            Resource(L, c_L, beta, 1),
        ],
        C,
    )


NUMBERS = {
    nu: R(3, 2), beta: R(4, 5), c_t: R(1, 3), c_N: R(2, 5), c_P: R(1, 9), c_L: R(7, 3), C: 10**9,
}  # fmt: skip


def test_exponents_of_the_paper():
    best = paper(nu * beta, nu * beta)
    cost = nu * beta + 3 * nu + 4
    assert sp.cancel(best.exponent - nu * beta / cost) == 0
    expected = {t: nu * (2 + beta), N: 1, P: 1, L: nu}
    for symbol, top in expected.items():
        assert sp.cancel(best.allocation_exponent(symbol) - top / cost) == 0
    assert best.relation_exponent(L, N) == nu
    assert best.check() == {"stationary": True, "budget": True, "loss": True}
    assert best.evidence(NUMBERS)["passed"]


def test_saturated_width_changes_the_shape():
    """For beta > 1 the width law is N**-nu, so L grows like N**(nu min(beta, 1)/beta)."""
    best = paper(nu, nu * beta)
    assert sp.cancel(best.relation_exponent(L, N) - nu / beta) == 0
    assert best.evidence({**NUMBERS, beta: R(7, 5)})["passed"]


def test_full_attention_exponent():
    """gamma = w**5: e_t = 5 beta/(5 beta + 2), r = 5 nu beta/(5 nu beta + 7 nu + 20)."""
    best = compute_optimum(
        [
            Resource(t, c_t, 5 * beta / (5 * beta + 2), 1),
            Resource(N, c_N, nu * beta, 2),
            Resource(P, c_P, nu * beta, 2),
            Resource(L, c_L, beta, 1),
        ],
        C,
    )
    assert sp.cancel(best.exponent - 5 * nu * beta / (5 * nu * beta + 7 * nu + 20)) == 0


def test_minimum_found_by_a_numerical_optimiser():
    best = paper(nu * beta, nu * beta)
    parts = [
        [float(part.subs(NUMBERS)) for part in (r.amplitude, sp.S(r.exponent), sp.S(r.price))]
        for r in best.resources
    ]
    c, e, p = np.array(parts).T
    budget = np.log(1e9)

    def loss(free):
        logs = np.append(free, (budget - p[:-1] @ free) / p[-1])
        return np.log(np.sum(c * np.exp(-e * logs)))

    found = minimize(loss, np.full(3, 2.0), method="BFGS", options={"gtol": 1e-10})
    assert abs(np.exp(found.fun) / float(best.loss.subs(NUMBERS)) - 1) < 1e-12
    for symbol, log in zip((t, N, P), found.x, strict=True):
        assert abs(log - float(sp.log(best.allocation(symbol).subs(NUMBERS)))) < 1e-5


@quick
@given(st.lists(st.tuples(fractions, fractions, fractions), min_size=1, max_size=4), fractions)
def test_random_problems_pass_both_checks(rows, scale):
    symbols = [t, N, P, L][: len(rows)]
    best = compute_optimum([Resource(x, *row) for x, row in zip(symbols, rows, strict=True)], C)
    assert all(best.check().values())
    if len(rows) > 1:
        assert best.evidence({C: 1000 * scale})["passed"]
    # Homogeneity: scaling every amplitude scales the loss and leaves the allocation alone.
    scaled = compute_optimum(
        [Resource(x, scale * a, e, p) for x, (a, e, p) in zip(symbols, rows, strict=True)], C
    )
    at = {C: R(12345, 7)}
    assert abs(sp.N(scaled.loss.subs(at) / best.loss.subs(at), 25) / scale - 1) < 1e-20
    ratio = scaled.allocation(t).subs(at) / best.allocation(t).subs(at)
    assert abs(sp.N(ratio, 25) - 1) < 1e-20


def test_wrong_multiplier_is_refuted():
    best = paper(nu * beta, nu * beta)
    wrong = ComputeOptimum(best.resources, C, best.exponent, 2 * best.multiplier)
    assert not wrong.check()["budget"]
    assert not wrong.evidence(NUMBERS)["passed"]
    skewed = ComputeOptimum(best.resources, C, best.exponent * R(9, 10), best.multiplier)
    assert not skewed.check()["loss"]


def test_bad_resources_are_refused():
    with pytest.raises(ConditionError, match="exponent = 0"):
        Resource(t, c_t, 0, 1)
    with pytest.raises(ArgumentsError, match="float"):
        Resource(t, c_t, 0.5, 1)
    with pytest.raises(ArgumentsError, match="each of them once"):
        compute_optimum([Resource(t, c_t, 1, 1), Resource(t, c_t, 2, 1)], C)
    with pytest.raises(ArgumentsError, match="is not a resource"):
        compute_optimum([Resource(t, c_t, 1, 1)], C).allocation(N)
