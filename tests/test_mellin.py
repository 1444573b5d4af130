"""Mellin pairs against quadrature, the rules as theorems, harmonic sums against the sums."""

from dataclasses import replace

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.errors import ArgumentsError, ConditionError
from derive.harmonic_sum import HarmonicSum
from derive.high_precision import evaluator
from derive.laurent import principal_part
from derive.mellin import (
    MellinTransform,
    degrees_of_freedom,
    exponential,
    gamma_poles,
    resolvent,
    s,
    x,
)
from derive.mode_sum import sum_over_modes

R = sp.Rational
nu, beta, a, b = sp.symbols("nu beta a b", positive=True)
t = sp.Symbol("t", positive=True)
VALUES = {nu: R(3, 2), beta: R(4, 5), a: R(3, 7), b: R(5, 2)}
quick = settings(derandomize=True, deadline=None, max_examples=25)
fractions = st.fractions(min_value="1/5", max_value=5, max_denominator=12).map(
    lambda f: R(f.numerator, f.denominator)
)


@pytest.mark.parametrize(
    ("pair", "at"),
    [
        (exponential(), R(2, 3)),
        (resolvent(), R(1, 3)),
        (resolvent(R(8, 7)), R(3, 7)),
        (degrees_of_freedom(), R(-2, 5)),
        (degrees_of_freedom(2), R(-6, 5)),
        (exponential().scaled(R(7, 3)), R(1, 2)),
        (exponential().raised(R(3, 2)), R(1, 2)),
        (resolvent(2).times(R(5, 3)).shifted(R(1, 2)), R(2, 3)),
        (resolvent(2).logarithmic_derivative(), R(3, 4)),
        (exponential().plus(resolvent(3)), R(5, 4)),
        (exponential().without_constant(), R(-1, 3)),
        (resolvent().without_constant(), R(-1, 4)),
    ],
)
def test_every_pair_agrees_with_its_integral(pair, at):
    integral, closed = pair.quadrature(at, {})
    assert abs(integral - closed) < mpmath.mpf(10) ** -12 * abs(closed)


def test_a_wrong_pair_is_seen_by_the_integral():
    wrong = replace(resolvent(), transform=2 * sp.gamma(s) * sp.gamma(1 - s))
    integral, closed = wrong.quadrature(R(1, 3), {})
    assert abs(integral - closed) > mpmath.mpf("0.1") * abs(closed)


@quick
@given(fractions, fractions)
def test_scaling_is_a_homomorphism(u, v):
    once = exponential().scaled(u).scaled(v)
    both = exponential().scaled(u * v)
    assert sp.simplify(once.transform / both.transform) == 1


@quick
@given(fractions, fractions)
def test_shift_and_raise_move_the_strip(u, v):
    pair = resolvent(u).shifted(v)
    assert pair.strip == (-v, u - v)
    assert resolvent(u).raised(v).strip == (0, u * v)


def test_derivative_rule_is_integration_by_parts():
    # -x d/dx exp(-x) = x exp(-x): the transform s Gamma(s) must be Gamma(s + 1).
    left = exponential().logarithmic_derivative().times(-1)
    right = exponential().shifted(1)
    assert sp.gammasimp(left.transform - right.transform) == 0
    assert sp.simplify(left.kernel - right.kernel) == 0


def test_strips_that_do_not_meet_are_refused():
    with pytest.raises(ConditionError, match="do not meet"):
        exponential().plus(degrees_of_freedom(1))


def test_constant_can_only_be_taken_off_a_strip_that_starts_at_zero():
    with pytest.raises(ConditionError, match="strip starts at -1"):
        degrees_of_freedom(1).without_constant()


def test_floats_are_refused():
    with pytest.raises(ArgumentsError, match="float"):
        resolvent(0.5)
    with pytest.raises(ArgumentsError, match="float"):
        exponential().scaled(sp.Float("0.3"))
    with pytest.raises(ArgumentsError, match="text"):
        resolvent("1/2")


def test_poles_of_gamma_families():
    assert set(gamma_poles(sp.gamma(s) * sp.gamma(2 - s) ** 2, 2)) == {0, -1, 2, 3}


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (sp.gamma(s) * sp.zeta(1 + R(3, 2) * s), 0),
        (sp.gamma(s) * sp.gamma(1 - s) * sp.zeta(R(5, 2) - R(3, 2) * s), 1),
        (sp.gamma(s) ** 2 * sp.zeta(s) * R(5, 2) ** -s, 0),
        (sp.gamma(s) ** 2 * sp.zeta(s) / sp.gamma(s + R(1, 2)), -1),
        (sp.gamma(s) ** 2 * sp.zeta(s - R(7, 3)), -2),
        (sp.gamma(s) ** 3 * sp.zeta(2 * s), -1),
        (sp.gamma(3 - s) * (s - 3) * (s + 1) * sp.gamma(s), 4),
    ],
)
def test_principal_parts_against_a_contour_integral(function, at):
    numeric = evaluator(function)
    radius = mpmath.mpf(1) / 4
    for order, coefficient in enumerate(principal_part(function, s, sp.Integer(at)), start=1):
        with mpmath.workdps(25):
            total = mpmath.mpf(0)
            for k in range(64):
                u = radius * mpmath.expjpi(mpmath.mpf(2 * k) / 64)
                total += numeric({s: at + u}) * u**order / 64
            assert abs(total - evaluator(coefficient)({})) < mpmath.mpf(10) ** -12


def test_no_principal_part_where_zeta_cancels_the_pole():
    assert principal_part(sp.gamma(s) * sp.zeta(2 * s), s, sp.Integer(-1)) == ()


def test_mode_sum_is_zeta_and_respects_a_finite_number_of_modes():
    one = mpmath.mpf(1)
    with mpmath.workdps(30):
        everything = sum_over_modes(sp.Integer(1), 3 * one / 2, one, one, 0 * one)
        assert abs(everything - mpmath.zeta(3 * one / 2)) < mpmath.mpf(10) ** -28
        many = sum_over_modes(1 / (1 + x), 2 * one, one, 7 * one, 0 * one, modes=2000, digits=25)
        direct = mpmath.fsum(one / (k * k * (1 + 7 * one / k)) for k in range(1, 2001))
        assert abs(many - direct) < mpmath.mpf(10) ** -24


@pytest.mark.parametrize("pair", [resolvent(), resolvent(2), resolvent(R(8, 7))])
@pytest.mark.parametrize("source", [R(2, 5), R(4, 5), R(7, 3)])
def test_three_terms_of_a_harmonic_sum_against_the_sum(pair, source):
    total = HarmonicSum(pair, nu * beta + 1, nu, a, b, t)
    proof = total.evidence({**VALUES, beta: source}, [10**3, 10**5, 10**7], terms=2)
    assert proof.passed, proof.sentence


def test_exponential_kernel_has_no_further_powers():
    total = HarmonicSum(exponential(), nu * beta + 1, nu, a, b, t)
    series = total.expansion({}, 1)
    assert series.next is None
    assert sp.simplify(series.amplitude - a * b**-beta * sp.gamma(beta) / nu) == 0
    proof = total.evidence(VALUES, [10**3, 10**4, 10**5], terms=1)
    assert proof.passed, proof.sentence


def test_small_argument_expansion_is_the_taylor_series():
    total = HarmonicSum(exponential(), nu * beta + 1, nu, a, b, t)
    series = total.expansion(VALUES, 3, point=0)
    assert [term.exponent for term in series.terms] == [0, 1, 2]
    assert sp.simplify(series.terms[1].coefficient + a * b * sp.zeta(nu * beta + nu + 1)) == 0
    proof = series.evidence(lambda y: total.exact(y, VALUES), VALUES, [R(1, 10), R(1, 100)])
    assert proof.passed, proof.sentence


def test_saturation_with_the_logarithm_at_the_boundary():
    total = HarmonicSum(resolvent(), nu * beta + 1, nu, a, b, t)
    below, at, above = total.saturation(beta)
    assert (below.condition, at.condition, above.condition) == (
        beta < 1,
        sp.Eq(beta, 1),
        beta > 1,
    )
    assert sp.gammasimp(
        below.leading.coefficient - a * b**-beta * sp.pi / nu / sp.sin(sp.pi * beta)
    ).equals(0)
    assert at.leading.log_power == 1 and sp.simplify(at.leading.coefficient - a / b / nu) == 0
    assert above.leading.exponent == -1
    assert sp.simplify(above.leading.coefficient - a * sp.zeta(1 + nu * beta - nu) / b) == 0
    proof = total.evidence({**VALUES, beta: 1}, [10**3, 10**5, 10**7], terms=2)
    assert proof.passed, proof.sentence


def test_no_saturation_for_a_kernel_without_poles():
    total = HarmonicSum(exponential(), nu * beta + 1, nu, a, b, t)
    assert len(total.saturation(beta)) == 1


def test_a_sum_outside_its_strip_names_the_condition():
    total = HarmonicSum(degrees_of_freedom(), sp.Integer(0), nu, sp.Integer(1), b, t)
    with pytest.raises(ConditionError, match="-1/nu > -1 fails"):
        total.expansion({nu: R(3, 4)})
    with pytest.raises(ConditionError, match="strip is empty"):
        total.exact(10, {nu: R(3, 4), b: 2})


def test_an_open_exponent_is_named():
    total = HarmonicSum(degrees_of_freedom(), sp.Integer(0), nu, sp.Integer(1), b, t)
    with pytest.raises(ConditionError, match="which pole is nearest depends on nu"):
        total.expansion({})


def test_poles_that_meet_are_refused_until_substituted():
    total = HarmonicSum(resolvent(), nu * beta + 1, nu, a, b, t)
    with pytest.raises(ConditionError, match="meet at 1"):
        total.expansion({nu: R(3, 2), beta: 1}, 2)


def test_a_transform_that_does_not_fall_is_refused():
    flat = MellinTransform(x, sp.Integer(1), sp.Integer(0), sp.oo)
    with pytest.raises(ConditionError, match="vertical lines"):
        HarmonicSum(flat, sp.Integer(2), nu, a, b, t).expansion({nu: R(3, 2)})


@quick
@given(fractions, fractions)
def test_homogeneity_in_both_scales(u, v):
    """Amplitude scales the sum, scale rescales the variable: exactly, at every order."""
    base = HarmonicSum(resolvent(2), R(11, 5), R(3, 2), sp.Integer(1), sp.Integer(1), t)
    moved = replace(base, amplitude=u, scale=v)
    plain, scaled = base.expansion({}, 3), moved.expansion({}, 3)
    for first, second in zip(plain.terms, scaled.terms, strict=True):
        expected = u * first.coefficient * v**first.exponent
        assert sp.N(second.coefficient / expected - 1, 20, chop=True) == pytest.approx(0, abs=1e-15)


def test_additivity_of_kernels():
    pair = resolvent(2).plus(resolvent(3).times(R(2, 7)))
    values = [
        HarmonicSum(p, R(11, 5), R(3, 2), R(3, 4), R(5, 2), t).exact(R(37, 3), {})
        for p in (pair, resolvent(2), resolvent(3).times(R(2, 7)))
    ]
    assert abs(values[0] - values[1] - values[2]) < mpmath.mpf(10) ** -13
    both = HarmonicSum(pair, R(11, 5), R(3, 2), R(3, 4), R(5, 2), t)
    assert both.evidence({}, [10**3, 10**5, 10**7], terms=2).passed


@pytest.mark.parametrize("mutant", ["amplitude", "exponent", "second", "next", "log"])
def test_mutants_of_an_expansion_are_refuted(mutant):
    total = HarmonicSum(resolvent(), nu * beta + 1, nu, a, b, t)
    series = total.subs(VALUES).expansion({}, 2)
    first, second = series.terms
    wrong = {
        "amplitude": (replace(first, coefficient=first.coefficient * R(101, 100)), second),
        "exponent": (replace(first, exponent=first.exponent + R(1, 50)), second),
        "second": (first, replace(second, coefficient=-second.coefficient)),
        "next": (first, second),
        "log": (replace(first, log_power=1), second),
    }[mutant]
    follow = series.next
    if mutant == "next":
        follow = replace(follow, coefficient=follow.coefficient * R(3, 2))
    bad = replace(series, terms=wrong, next=follow)
    proof = bad.evidence(lambda y: total.exact(y, VALUES), {}, [10**3, 10**5, 10**7])
    assert not proof.passed


def test_claiming_no_further_powers_is_refuted_where_there_are_some():
    total = HarmonicSum(resolvent(), nu * beta + 1, nu, a, b, t)
    series = replace(total.subs(VALUES).expansion({}, 2), next=None)
    assert not series.evidence(lambda y: total.exact(y, VALUES), {}, [10**3, 10**5, 10**7]).passed


@pytest.mark.parametrize("hostile", ["__import__('os')", 0.25, "1/3", None, [1]])
def test_nothing_but_exact_numbers_enters(hostile):
    total = HarmonicSum(resolvent(), nu * beta + 1, nu, a, b, t)
    with pytest.raises(ArgumentsError):
        total.evidence(VALUES, [hostile, 10**5, 10**7])
    with pytest.raises(ArgumentsError):
        total.expansion({nu: hostile, beta: R(1, 2)})
    with pytest.raises(ArgumentsError):
        resolvent(hostile)
