"""Newton polygons, Puiseux series, and the limits of an algebraic in-context risk."""

from dataclasses import replace

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.asymptotic_series import Term
from derive.asymptotics import AlgebraicQuantity, crossover
from derive.coefficient_field import CoefficientField
from derive.errors import ArgumentsError, BranchError, ConditionError
from derive.newton_polygon import branches
from derive.puiseux import PuiseuxSeries, expand_along

R = sp.Rational
e, t, y, q, k, tau, rho, alpha, lam = sp.symbols(
    "e t y q kappa tau rho alpha lambda", positive=True
)
gam, delta, d = sp.symbols("gamma Delta delta", positive=True)
quick = settings(derandomize=True, deadline=None, max_examples=20)
small = st.integers(-4, 4)


def field_equal(left, right):
    difference = sp.together(left - right)
    return CoefficientField.of((difference,)).element(difference) == 0


@quick
@given(st.lists(st.tuples(small, st.integers(0, 3)), min_size=2, max_size=3, unique=True), small)
def test_branches_of_a_product_are_its_factors(curves, extra):
    """P = prod (y - c e**p): every factor must come back, nothing else."""
    curves = [(R(c) + R(1, 3), p) for c, p in curves]
    polynomial = sp.expand(sp.prod([y - c * e**p for c, p in curves]) * (1 + extra**2))
    found = branches(polynomial, y, e, 1)
    assert sum(branch.multiplicity for branch in found) == len(curves)
    leading = {branch.series.terms[0][::-1] for branch in found}
    assert leading == {(c, p) for c, p in curves}


@pytest.mark.parametrize(
    "polynomial",
    [
        y**2 - e * (1 + e),
        y**3 - e**2 - e * y,
        (1 - y) * (k - y) - k * e * y,
        e * y**2 - y + k,
        y**2 - 2 * y + 1 - e * (1 + rho),
        y**2 + delta * e * y - e**2 * (1 - e),
        y**4 - e**3 * k,
    ],
)
def test_branches_solve_their_equation(polynomial):
    """The residual along each branch vanishes to an order that grows with the terms."""
    values = {k: R(7, 3), rho: R(2, 5), delta: R(1, 3)}
    for terms in (2, 3):
        for branch in branches(polynomial, y, e, terms):
            with mpmath.workdps(60):
                sizes = []
                for n in (6, 8):
                    point = {**values, e: R(1, 10**n)}
                    root = sp.N(branch.series.expression().subs(point), 50)
                    slope = sp.diff(polynomial, y).subs(point).subs(y, root)
                    sizes.append(abs(sp.N(polynomial.subs(point).subs(y, root) / slope, 50)))
                if branch.series.order == sp.oo:
                    assert sizes[1] < 1e-45
                else:
                    order = sp.log(sizes[0] / sizes[1]) / sp.log(100)
                    assert order > branch.series.order - R(1, 20)


def test_multiple_roots_are_separated_by_the_next_term():
    polynomial = (y - 1) ** 2 - e * k
    (one,) = branches(polynomial, y, e, 1)
    assert one.multiplicity == 2
    assert {b.series.terms[1] for b in branches(polynomial, y, e, 2)} == {
        (R(1, 2), sp.sqrt(k)),
        (R(1, 2), -sp.sqrt(k)),
    }


def test_balances_without_a_short_root_are_refused():
    with pytest.raises(ConditionError, match="degree 5"):
        branches(y**5 + y + k + e, y, e, 1)
    with pytest.raises(ConditionError, match="roots inside roots"):
        branches((y**2 - 2 * y - k) ** 2 - e * (y + 1), y, e, 2)


def test_field_reduces_roots():
    root = sp.sqrt(d**2 + 4)
    assert field_equal(2 / (d + root), (root - d) / 2)
    assert not field_equal(2 / (d + root), (root + d) / 2)
    assert field_equal(sp.sqrt(k**2 * rho / (1 + rho)), k * sp.sqrt(rho * (1 + rho)) / (1 + rho))


@quick
@given(st.integers(1, 6), st.integers(1, 6), st.integers(-3, 3))
def test_powers_of_series_multiply(a, b, n):
    series = PuiseuxSeries.of_polynomial(k * (a + b * e + e**2), e)
    product = series.power(R(n, 2), sp.Integer(4)).times(series.power(R(-n, 2), sp.Integer(4)))
    assert product.terms[:1] == ((0, 1),)
    assert all(p >= 4 for p, _ in product.terms[1:])


def test_cancellation_shortens_what_is_known():
    curve = {t: PuiseuxSeries.of_polynomial(1 - e + e**2, e).cut(sp.Integer(3))}
    found = expand_along((1 - t) / e - 1, curve, e, sp.Integer(4))
    assert found.terms == ((1, -1),) and found.order == 2
    with pytest.raises(ConditionError, match="not algebraic"):
        expand_along(sp.exp(t), curve, e, sp.Integer(4))


def test_root_in_the_wrong_region_is_refused():
    relation = (1 - t) * (k - t) - k * e * t
    with pytest.raises(BranchError, match="2 of 2"):
        AlgebraicQuantity(t, e, t, relation, (t > 0,)).expansion({k: R(1, 3)})
    with pytest.raises(BranchError, match="0 of 2"):
        AlgebraicQuantity(t, e, t, relation, (t > 2, k > t)).expansion({k: R(1, 3)})
    with pytest.raises(ConditionError, match="not in the phase"):
        AlgebraicQuantity(t, e, t, relation, (t < 1, t < k)).expansion({k: R(1, 3)}, phase=(k > 1,))
    with pytest.raises(ArgumentsError, match="strict"):
        AlgebraicQuantity(t, e, t, relation, (t <= 1,)).expansion({k: R(1, 3)})
    with pytest.raises(ArgumentsError, match="float"):
        AlgebraicQuantity(0.5 * t, e, t, relation, (t < 1,))


def risk(q, kappa, tau, gap):
    """Ridgeless in-context risks as rational functions of the root t (both sides of tau = 1).

    ``gap = tau - 1`` decides the side: positive above the threshold.
    """
    hat, above = (sp.Integer(1), True) if gap == tau - 1 else (tau, False)
    big = kappa * t / (kappa - t)
    xi = sp.Integer(0) if above else (1 - tau) / big
    z = q + xi
    t1, t_kappa = (1 - t) if above else z * big, kappa - t
    t2 = t_kappa + t * t1
    noise = rho + q * t + kappa * z * xi * t**2 / t2
    size = (tau - 1) if above else (1 - tau)
    icl = rho + (q * t**2 * (t_kappa + t1) + kappa * t1**2) / t2 + (1 + q) * big * noise / size
    idg = tau * noise / size * (1 if above else t2 / (tau * t_kappa + t * q * big))
    relation = (hat - t) * (kappa - t) - kappa * q * t
    return icl, idg, relation, (t < hat, t < kappa)


def check(quantity, at, terms, point, expected, scales, phase=()):
    series = quantity.expansion(at, 1, point, phase)
    assert field_equal(series.amplitude, expected), series.amplitude
    proof = quantity.evidence(at, scales, terms, point)
    assert proof.passed, proof.sentence
    return series


LARGE = [10**4, 10**6, 10**8]
SMALL = [R(1, 10**4), R(1, 10**6), R(1, 10**8)]
ABOVE, BELOW = {tau: 2, rho: R(1, 3)}, {tau: R(1, 2), rho: R(1, 3)}


def test_large_context_below_the_boundary():
    phases = ((k < 1, {**ABOVE, k: R(1, 2)}, 1), (k < tau, {**BELOW, k: R(1, 4)}, -1))
    for phase, at, side in phases:
        gap = tau - 1 if side > 0 else 1 - tau
        hat = sp.Integer(1) if side > 0 else tau
        icl, idg, relation, region = risk((1 + rho) / alpha, k, tau, gap)
        quantity = AlgebraicQuantity(icl, alpha, t, relation, region)
        expected = rho * (hat - k) / ((1 + rho) * gap)
        series = check(quantity, at, 2, sp.oo, expected, LARGE, (phase,))
        assert series.exponent == 1 and series.conditions == (phase,)
        assert series.correction.exponent == -1
        limit = tau * rho / (tau - 1)
        if side < 0:
            limit = tau * rho * (1 - k) / ((1 - tau) * (tau - k))
        quantity = AlgebraicQuantity(idg, alpha, t, relation, region)
        assert check(quantity, at, 1, sp.oo, limit, LARGE).exponent == 0


def test_large_context_above_the_boundary():
    icl, idg, relation, region = risk((1 + rho) / alpha, k, tau, 1 - tau)
    noise = rho + (1 - tau) ** 2 * (k - tau) ** 2 / (k * (k - tau**2))
    at = {**BELOW, k: R(5, 2)}
    expected = rho + k * (1 - tau) ** 2 / (k - tau**2)
    expected += k * tau * noise / ((k - tau) * (1 - tau))
    check(AlgebraicQuantity(icl, alpha, t, relation, region), at, 1, sp.oo, expected, LARGE)
    expected = noise * (k - tau**2) / ((1 - tau) * (k - tau))
    check(AlgebraicQuantity(idg, alpha, t, relation, region), at, 1, sp.oo, expected, LARGE)
    icl, idg, relation, region = risk((1 + rho) / alpha, k, tau, tau - 1)
    at = {**ABOVE, k: R(5, 2)}
    expected = rho * (1 + k / ((k - 1) * (tau - 1)))
    check(AlgebraicQuantity(icl, alpha, t, relation, region), at, 1, sp.oo, expected, LARGE)


def test_large_context_on_the_boundary_grows_like_a_square_root():
    for at, side in ((ABOVE, 1), (BELOW, -1)):
        hat = sp.Integer(1) if side > 0 else tau
        gap = tau - 1 if side > 0 else 1 - tau
        icl, idg, relation, region = risk((1 + rho) / alpha, hat, tau, gap)
        quantity = AlgebraicQuantity(icl, alpha, t, relation, region[:1])
        series = check(quantity, at, 1, sp.oo, hat * rho / gap / sp.sqrt(1 + rho), LARGE)
        assert (series.exponent, series.correction.exponent) == (R(1, 2), -R(1, 2))
        quantity = AlgebraicQuantity(idg, alpha, t, relation, region[:1])
        if side < 0:
            series = check(quantity, at, 1, sp.oo, rho / 2 / sp.sqrt(1 + rho), LARGE)
            assert series.exponent == R(1, 2)


def test_threshold_has_one_coefficient_on_both_sides():
    """tau -> 1 from both sides, with q parametrised by the root at q."""
    t_q = sp.Symbol("t_q", positive=True)
    at_q = (1 - t_q) * (k - t_q) / (k * t_q)
    m = k * t_q / (k - t_q)
    residual = rho + at_q * (1 - at_q * m)
    at = {t_q: R(1, 5), k: R(1, 2), rho: R(1, 3)}
    for side in (1, -1):
        here = 1 + side * e
        icl, idg, relation, region = risk(at_q, k, tau, tau - 1 if side > 0 else 1 - tau)
        icl, idg, relation = (part.subs(tau, here) for part in (icl, idg, relation))
        region = (t < k, t < 1 if side > 0 else t < 1 - e)
        check(AlgebraicQuantity(idg, e, t, relation, region), at, 2, 0, residual, SMALL)
        expected = (1 + at_q) * m * residual
        series = check(AlgebraicQuantity(icl, e, t, relation, region), at, 2, 0, expected, SMALL)
        assert series.exponent == -1 and series.correction.exponent == 1


def test_ridge_at_threshold_is_a_square_root_of_the_ridge():
    """At tau = 1: xi ~ sqrt(lambda/m), from xi M - tau lambda/xi = 1 - tau, in the root t."""
    t_q = sp.Symbol("t_q", positive=True)
    m = k * t_q / (k - t_q)
    xi = (1 - t) * (k - t) / (k * t) - (1 - t_q) * (k - t_q) / (k * t_q)
    relation = sp.numer(sp.together(xi**2 * k * t / (k - t) - lam))
    quantity = AlgebraicQuantity(xi, lam, t, relation, (t < t_q,))
    at = {t_q: R(1, 5), k: R(1, 2)}
    series = quantity.expansion(at, 1)
    assert series.exponent == R(1, 2)
    assert sp.simplify(series.amplitude**2 - 1 / m) == 0
    proof = quantity.evidence(at, SMALL, 1)
    assert proof.passed, proof.sentence


def test_few_tasks_are_worse_than_the_null_predictor():
    """kappa -> 0: the limit and the linear correction."""
    for at, side in ((ABOVE, 1), (BELOW, -1)):
        gap = tau - 1 if side > 0 else 1 - tau
        hat = sp.Integer(1) if side > 0 else tau
        icl, idg, relation, region = risk((1 + rho) / alpha, k, tau, gap)
        at = {**at, alpha: R(9, 4)}
        expected = 1 + rho + rho * (1 + alpha / (1 + rho)) * hat / gap
        quantity = AlgebraicQuantity(icl, k, t, relation, region)
        series = check(quantity, at, 1, 0, expected, SMALL)
        assert series.correction.exponent == 1
        expected = rho * (tau if side > 0 else 1) / gap
        check(AlgebraicQuantity(idg, k, t, relation, region), at, 1, 0, expected, SMALL)


def test_task_diversity_transition():
    """g_task with tau = gamma alpha: constant, square root and inverse; window between them."""
    icl, idg, relation, region = risk((1 + rho) / alpha, k, gam * alpha, gam * alpha - 1)
    quantity = AlgebraicQuantity(icl - idg, alpha, t, relation, region)
    at = {gam: R(2, 5), rho: R(1, 7), k: R(1, 2)}
    expected = (1 - k) * (1 + rho / (1 + rho) / gam)
    assert check(quantity, at, 1, sp.oo, expected, LARGE, (k < 1,)).exponent == 0
    at = {**at, k: R(5, 2)}
    expected = rho / (gam * (k - 1))
    assert check(quantity, at, 1, sp.oo, expected, LARGE, (k > 1,)).exponent == -1
    window = 1 + delta * e
    icl, idg, relation, region = risk(
        e**2, window, gam * (1 + rho) / e**2, gam * (1 + rho) / e**2 - 1
    )
    quantity = AlgebraicQuantity(icl - idg, e, t, relation, (t < 1, t < window))
    nu = 2 / (delta + sp.sqrt(delta**2 + 4))
    expected = nu**3 / (1 + nu**2) + rho / (1 + rho) / gam * nu
    at = {gam: R(2, 5), rho: R(1, 7), delta: R(1, 3)}
    series = check(quantity, at, 1, 0, expected, [R(1, 10**n) for n in (2, 3, 4)])
    assert (series.exponent, series.correction.exponent) == (1, 1)


def test_task_diversity_with_infinite_pretraining_first():
    """tau -> oo before alpha -> oo: 1 - kappa, sqrt(q)/2, kappa (2 kappa - 1) q^2/(kappa-1)^3."""
    icl = rho + (q * t**2 * (k + 1 - 2 * t) + k * (1 - t) ** 2) / (k - t**2)
    gap = icl - (rho + q * t)
    relation = (1 - t) * (k - t) - k * q * t
    quantity = AlgebraicQuantity(gap, q, t, relation, (t < 1, t < k))
    assert check(quantity, {k: R(1, 2)}, 1, 0, 1 - k, SMALL).exponent == 0
    expected = k * (2 * k - 1) / (k - 1) ** 3
    assert check(quantity, {k: R(5, 2)}, 1, 0, expected, SMALL).exponent == 2
    at_one = AlgebraicQuantity(gap.subs(k, 1), q, t, relation.subs(k, 1), (t < 1,))
    assert check(at_one, {}, 1, 0, R(1, 2), SMALL).exponent == R(1, 2)


@pytest.mark.parametrize("mutant", ["amplitude", "exponent", "branch"])
def test_wrong_limits_are_refuted(mutant):
    icl, _, relation, region = risk((1 + rho) / alpha, k, tau, tau - 1)
    quantity = AlgebraicQuantity(icl, alpha, t, relation, region)
    at = {**ABOVE, tau: 3, k: R(1, 2)}
    series = quantity.expansion(at, 1, sp.oo)
    lead = series.leading
    if mutant == "amplitude":
        series = replace(series, terms=(replace(lead, coefficient=lead.coefficient * R(99, 100)),))
    if mutant == "exponent":
        series = replace(series, terms=(replace(lead, exponent=R(99, 100)),))
    if mutant == "branch":
        other = AlgebraicQuantity(icl, alpha, t, relation, (t > 1, t > k))
        series = other.expansion(at, 1, sp.oo)
    assert not series.evidence(lambda s: quantity.exact(s, at), at, LARGE, 40).passed


@quick
@given(st.fractions("1/9", 9), st.fractions("1/9", 9), st.integers(1, 5), st.integers(-4, 0))
def test_crossover_is_where_both_laws_agree(a, b, m, n):
    first, second = Term(sp.nsimplify(a), sp.Integer(m)), Term(sp.nsimplify(b), sp.Integer(n))
    scale = crossover(first, second)
    assert abs(sp.N(first.expression(scale) / second.expression(scale), 25) - 1) < 1e-20


def test_laws_with_one_exponent_never_cross():
    with pytest.raises(ConditionError, match="cross"):
        crossover(Term(k, sp.Integer(-1)), Term(rho, sp.Integer(-1)))
