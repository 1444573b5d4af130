"""Source and capacity: converters, plateaus of width and context, Tauberian laws."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.errors import ConditionError
from derive.mellin import exponential, resolvent
from derive.plateau import context_plateau, effective_ridge, solve_effective_ridge, width_plateau
from derive.power_law import SourceCapacity
from derive.tauberian import Accumulation

R = sp.Rational
nu, beta, a, b, A, B, n = sp.symbols("nu beta a b A B n", positive=True)
t = sp.Symbol("t", positive=True)
LAW = SourceCapacity(nu, beta, B, A)
VALUES = {nu: R(3, 2), beta: R(4, 5), A: R(3, 7), B: R(5, 2)}
K_NU = (sp.pi / nu / sp.sin(sp.pi / nu)) ** nu
quick = settings(derandomize=True, deadline=None, max_examples=25)
fractions = st.fractions(min_value="1/5", max_value=5, max_denominator=12).map(
    lambda f: R(f.numerator, f.denominator)
)


def close(left, right, values, tolerance=1e-25):
    ratio = sp.N((left / right).subs(values), 40)
    return abs(ratio - 1) < tolerance


@quick
@given(fractions, fractions, fractions)
def test_converters_invert(u, v, w):
    law = SourceCapacity(1 + u, v, w, u)
    scales = {"spectrum_scale": w, "source_scale": u}
    assert SourceCapacity.from_bordelon2024(*law.bordelon2024(), **scales) == law
    assert SourceCapacity.from_cui2021(*law.cui2021(), **scales) == law
    assert SourceCapacity.from_caponnetto2007(*law.caponnetto2007(), **scales) == law
    teacher, student = law.spigler2020(w)
    assert SourceCapacity.from_spigler2020(teacher, student, w, **scales) == law
    assert SourceCapacity.from_paquette2024(*law.paquette2024(), **scales) == law
    assert SourceCapacity.from_lin2024(*law.lin2024(), **scales) == law
    if v <= 1:
        assert SourceCapacity.from_steinwart2009(*law.steinwart2009(), **scales) == law
    else:
        with pytest.raises(ConditionError, match="exceeds 1"):
            SourceCapacity.from_steinwart2009(*law.steinwart2009(), **scales)
    flat = SourceCapacity.from_maloney2022(u, **scales)
    assert flat.maloney2022() == u


@pytest.mark.parametrize("k", [1, 3, 10])
def test_conventions_describe_the_same_modes(k):
    """Each convention's own definition of its exponents, mode by mode."""
    law = SourceCapacity(R(3, 2), R(4, 5), R(5, 2), R(3, 7))
    k = sp.Integer(k)
    source, capacity = law.bordelon2024()
    assert law.eigenvalue(k) == R(5, 2) * k**-capacity
    assert law.source(k) == R(3, 7) * k**-source
    alpha, r = law.cui2021()
    assert sp.simplify(law.source(k) - R(3, 7) * k ** -(1 + 2 * r * alpha)) == 0
    a_lin, b_lin = law.lin2024()
    assert law.eigenvalue(k) == R(5, 2) * k**-a_lin and law.source(k) == R(3, 7) * k**-b_lin
    alpha, slope = law.paquette2024()
    weight = law.source(k) / law.eigenvalue(k)
    assert sp.simplify(weight - R(6, 35) * k ** (-2 * slope)) == 0
    assert sp.simplify(law.eigenvalue(k) - R(5, 2) * k ** (-2 * alpha)) == 0


def test_flat_teacher_is_required_by_the_one_exponent_convention():
    with pytest.raises(ConditionError, match="flat"):
        SourceCapacity(R(3, 2), R(4, 5)).maloney2022()


@pytest.mark.parametrize("bad", [(-1, 1), (1, 0), (R(3, 2), -R(1, 2))])
def test_exponents_must_be_positive(bad):
    with pytest.raises(ConditionError, match="is not positive"):
        SourceCapacity(*bad)


def test_cumulative_source_is_the_tail_sum():
    exponent, amplitude = SourceCapacity(R(3, 2), R(4, 5), R(5, 2), R(3, 7)).cumulative()
    first = 4000
    edge = R(5, 2) * sp.Integer(first) ** -R(3, 2)
    with mpmath.workdps(20):
        tail = mpmath.mpf(3) / 7 * mpmath.zeta(mpmath.mpf("2.2"), first)
        ratio = tail / mpmath.mpf(sp.N(amplitude * edge**exponent, 20))
    # Half a mode at the edge: relative error nu*beta/(2 k).
    assert abs(ratio - 1 - mpmath.mpf("0.6") / first) < 1e-6


def test_case_20_ridgeless_on_an_inverse_square_spectrum():
    """Case 20: kappa = b (pi/(2n+1))^2 beyond all powers; the defect is 4 exp(-2(2n+1))."""
    law = effective_ridge(SourceCapacity(2, beta, B), n)
    series = law.series({})
    assert series.next is None
    kappa = series.expression.subs(series.variable, n + R(1, 2))
    assert sp.simplify(kappa - B * (sp.pi / (2 * n + 1)) ** 2) == 0
    for count in (3, 4, 5):
        with mpmath.workdps(35):
            found = law.exact(mpmath.mpf(count), {B: R(5, 2)}, 30)
            defect = found / (mpmath.mpf(5) / 2 * (mpmath.pi / (2 * count + 1)) ** 2) - 1
            assert abs(defect * mpmath.exp(4 * count + 2) - 4) < 1e-2


def test_case_21_source_and_capacity_in_their_own_letters():
    """Case 21: kappa n^b and E n^(a-1) with their amplitudes, s = (a-1)/b."""
    law = SourceCapacity.from_bordelon2024(a, b)
    amplitude = sp.pi / b / sp.sin(sp.pi / b)
    ridge = effective_ridge(law, n).series({b: R(3, 2)})
    assert ridge.exponent == -b and sp.simplify(ridge.amplitude - amplitude**b) == 0
    error = context_plateau(law, n)
    s = (a - 1) / b
    series = error.series({a: R(11, 5), b: R(3, 2)})
    assert sp.simplify(series.exponent - (1 - a)) == 0
    expected = amplitude ** (a - 1) * sp.gamma(2 - s) * sp.gamma(s)
    assert close(series.amplitude, expected, {a: R(11, 5), b: R(3, 2)})
    assert close(series.amplitude, expected, {a: R(7, 3), b: R(9, 5)})
    assert error.cases[0].condition == ((a - 1) / b < 2)
    proof = error.evidence({a: R(11, 5), b: R(3, 2)}, [32, 128, 512], digits=18)
    assert proof.passed, proof.sentence


def test_effective_ridge_next_order():
    law = effective_ridge(LAW, n)
    proof = law.evidence({nu: R(3, 2), B: R(5, 2)}, [20, 80, 320], terms=1)
    assert proof.passed and abs(proof.measured + 4) < 0.01, proof.sentence


def test_case_19_deterministic_equivalent_by_two_summations():
    """Ridge regression on a power-law spectrum: mode sum against explicit eigenvalues."""
    law = SourceCapacity(R(3, 2), R(4, 5), R(5, 2), R(3, 7))
    modes, samples = 300, 40
    inverse = sp.Symbol("X", positive=True)
    first = law.degrees_of_freedom(1, inverse)
    with mpmath.workdps(20):
        kappa = mpmath.findroot(
            lambda k: first.exact(1 / k, {}, modes=modes, digits=20) - samples,
            (mpmath.mpf("0.02"), mpmath.mpf("0.03")),
        )
        eigenvalues = [mpmath.mpf("2.5") * mpmath.mpf(k) ** -1.5 for k in range(1, modes + 1)]
        assert abs(mpmath.fsum(e / (e + kappa) for e in eigenvalues) - samples) < 1e-12
        risk = law.sum(resolvent(2), inverse).exact(1 / kappa, {}, modes=modes)
        direct = mpmath.fsum(
            mpmath.mpf(3) / 7 * mpmath.mpf(k) ** mpmath.mpf("-2.2") * (kappa / (e + kappa)) ** 2
            for k, e in enumerate(eigenvalues, start=1)
        )
        assert abs(risk / direct - 1) < 1e-12


@pytest.mark.parametrize(
    ("plateau", "source", "terms", "resources"),
    [
        # At beta = 2/5 the powers -2 nu and -(beta + 1) nu - 1 nearly meet: keep both.
        pytest.param(width_plateau, R(2, 5), 3, [32, 128, 512], marks=pytest.mark.slow),
        (width_plateau, R(4, 5), 2, [32, 128, 512]),
        (width_plateau, 1, 2, [32, 128, 512]),
        (width_plateau, R(7, 5), 2, [32, 128, 512]),
        (context_plateau, R(4, 5), 2, [32, 128, 512]),
        (context_plateau, 1, 2, [32, 128, 512]),
        (context_plateau, R(7, 5), 2, [32, 128, 512]),
        pytest.param(context_plateau, R(13, 5), 3, [10**3, 10**4, 10**5], marks=pytest.mark.slow),
    ],
)
def test_plateaus_against_exact_sums(plateau, source, terms, resources):
    values = {**VALUES, beta: source}
    law = plateau(LAW.subs({beta: source}) if source == 1 else LAW, n)
    proof = law.evidence(values, resources, terms=terms, digits=20)
    assert proof.passed, proof.sentence


@pytest.mark.parametrize("capacity", [R(6, 5), R(3, 2), R(9, 5), R(2), R(5, 2), R(3)])
@pytest.mark.parametrize("plateau", [width_plateau, context_plateau])
def test_numbers_and_symbols_give_the_same_law(plateau, capacity):
    values = {**VALUES, nu: capacity}
    symbolic = plateau(LAW, n).series(values, 2)
    numeric = plateau(LAW.subs({nu: capacity, beta: R(4, 5)}), n).series({}, 2)
    for first, second in zip(symbolic.terms, numeric.terms, strict=True):
        assert first.subs(values).exponent == second.exponent
        assert close(first.coefficient.subs(values), second.coefficient, values)


@pytest.mark.parametrize(
    ("plateau", "source", "leading", "percent"),
    [
        (context_plateau, R(4, 5), -0.4, 0.05),
        (context_plateau, R(7, 5), -1.6, 0.05),
        (width_plateau, R(2, 5), -0.5, 0.05),
        (width_plateau, R(4, 5), -19, 0.5),
    ],
)
def test_published_distance_from_the_leading_term(plateau, source, leading, percent):
    """Deviation of the plateau at 256 from its leading term, in percent, as tabulated."""
    law = plateau(SourceCapacity(R(3, 2), source), n)
    series = law.series({}, 2)
    ratio = law.exact(mpmath.mpf(256), {}, 15) / mpmath.mpf(
        sp.N(series.leading.expression(sp.Integer(256)), 20)
    )
    assert abs(100 * (ratio - 1) - leading) < percent


def test_two_uniform_terms_of_the_width_plateau_are_good_to_1e_5():
    law = width_plateau(SourceCapacity(R(3, 2), R(4, 5)), n)
    series = law.series({}, 2)
    two = sp.N(series.expression.subs(series.variable, R(513, 2)), 20)
    assert abs(law.exact(mpmath.mpf(256), {}, 15) / mpmath.mpf(two) - 1) < 1e-5


def test_width_plateau_is_the_uniform_form_with_its_saturation():
    law = width_plateau(LAW, n)
    series = law.series(VALUES, 2)
    first = A * K_NU**beta * sp.pi / nu / sp.sin(sp.pi * beta)
    second = A * K_NU * sp.zeta(1 + nu * beta - nu)
    third = -A * K_NU**2 * sp.zeta(1 + nu * beta - 2 * nu)
    found = [*series.terms, series.next]
    for term, expected in zip(found, (first, second, third), strict=True):
        assert close(term.coefficient, expected, VALUES)
    assert [term.exponent for term in found] == [-beta * nu, -nu, -2 * nu]
    assert (nu * (1 - beta) > 0) in series.conditions
    assert law.exponent == sp.Max(-nu, -beta * nu)
    _, at, above = law.cases
    assert at.leading.log_power == 1 and close(at.leading.coefficient, A * K_NU, VALUES)
    assert above.leading.exponent == -nu


def test_width_plateau_at_the_boundary_has_the_constant_beside_the_logarithm():
    series = width_plateau(LAW.subs({beta: 1}), n).series({nu: R(3, 2)}, 2)
    log, constant = series.terms
    assert (log.log_power, constant.log_power) == (1, 0)
    expected = A * K_NU * (sp.EulerGamma - sp.log(K_NU) / nu)
    assert close(constant.coefficient, expected, {**VALUES, nu: R(3, 2)})


def test_context_plateau_saturates_at_two():
    below, at, above = context_plateau(LAW, n).cases
    assert (below.condition, above.condition) == (beta < 2, beta > 2)
    assert at.leading.log_power == 1
    expected = A * nu * K_NU**2 * sp.zeta(1 + nu * beta - 2 * nu)
    assert close(above.leading.coefficient, expected, {**VALUES, beta: R(13, 5)})
    assert above.leading.exponent == -2 * nu


def test_series_in_the_resource_itself_shows_the_half_mode():
    law = width_plateau(LAW, n)
    values = {**VALUES, beta: R(1, 4)}
    series = law.resource_series(values, 2)
    proof = series.evidence(
        lambda r: law.exact(r, values, 20), values, [200, 2000, 20000], digits=20
    )
    assert proof.passed, proof.sentence
    assert sp.simplify(series.terms[1].exponent - (-beta * nu - 1)) == 0


@pytest.mark.parametrize("plateau", [width_plateau, context_plateau])
def test_homogeneity_of_the_plateaus(plateau):
    """The spectrum scale drops out, the source scale multiplies: no scale is left at one."""
    series = plateau(LAW, n).series(VALUES, 2)
    for term in series.terms:
        doubled = term.coefficient.subs(A, 2 * A) / term.coefficient
        assert close(doubled, sp.Integer(2), VALUES)
        assert close(term.coefficient.subs(B, 7 * B), term.coefficient, VALUES)
    with mpmath.workdps(20):
        exact = plateau(LAW, n).exact
        one = exact(mpmath.mpf(50), VALUES, 15)
        other = exact(mpmath.mpf(50), {**VALUES, B: R(1, 3), A: R(6, 7)}, 15)
        assert abs(other / one - 2) < 1e-12


def test_outside_the_phase_the_condition_is_named():
    series = width_plateau(LAW, n).series(VALUES, 2)
    with pytest.raises(ConditionError, match=r"nu\*\(1 - beta\) > 0 fails"):
        series.subs({beta: R(7, 5), nu: R(3, 2)})
    with pytest.raises(ConditionError, match="its trace diverges"):
        effective_ridge(SourceCapacity(R(4, 5), 1), n)


@pytest.mark.parametrize("mutant", ["no half mode", "squared width", "no variance factor"])
def test_plausible_wrong_plateaus_are_refuted(mutant):
    law = width_plateau(LAW, n) if mutant != "no variance factor" else context_plateau(LAW, n)
    series = law.series(VALUES, 2)
    shift = mpmath.mpf(1) / 2
    if mutant == "no half mode":
        shift = mpmath.mpf(0)
    if mutant == "squared width":
        lead = replace(series.leading, exponent=2 * series.leading.exponent)
        series = replace(series, terms=(lead, series.terms[1]))
    if mutant == "no variance factor":
        lead = replace(series.leading, coefficient=series.leading.coefficient / nu)
        series = replace(series, terms=(lead, series.terms[1]))
    scales = [32 + R(1, 2), 128 + R(1, 2), 512 + R(1, 2)]
    proof = series.evidence(lambda y: law.exact(y - shift, VALUES, 20), VALUES, scales, 20)
    assert not proof.passed


def test_solver_of_the_ridge_inverts_the_degrees_of_freedom():
    law = SourceCapacity(R(13, 10), R(1, 2), R(7, 3))
    inverse = sp.Symbol("X", positive=True)
    with mpmath.workdps(25):
        kappa = solve_effective_ridge(law, mpmath.mpf(17), {}, 20)
        back = law.degrees_of_freedom(1, inverse).exact(1 / kappa, {}, digits=22)
        assert abs(back / 17 - 1) < 1e-18


def test_fixed_covariance_time_law_of_every_depth():
    """Sheet of the fixed-covariance flow: rate omega lambda^3, amplitude Beta(.,.)/d_t."""
    clock = sp.Symbol("c", positive=True)
    d_t = nu * beta + 2 * nu + 1
    theta = nu * beta / d_t
    for depth in (2, 8):
        power = R(depth, depth - 1)
        pair = resolvent(power).scaled(2 * clock * (1 - R(1, depth)))
        total = SourceCapacity(nu, beta).sum(pair, t, argument=(1, 2))
        series = total.expansion(VALUES)
        expected = sp.gamma(power - theta) * sp.gamma(theta) / sp.gamma(power) / d_t
        expected *= (2 * clock * (1 - R(1, depth))) ** -theta
        assert sp.simplify(series.exponent + theta) == 0
        assert close(series.amplitude, expected, {**VALUES, clock: R(9, 4)})
    total = LAW.sum(exponential().scaled(2 * clock), t, argument=(1, 2))
    series = total.expansion({})
    assert sp.simplify(series.exponent + theta) == 0 and series.next is None
    values = {**VALUES, clock: R(9, 4)}
    # Corrections are exp(-c x**(1/(d_t+1))): smaller than every power, but not at once.
    proof = total.evidence(values, [10**10, 10**12, 10**14], terms=1)
    assert proof.passed, proof.sentence
    # The wrong exponent beta/(nu + nu beta + 1) of erratum E2 is refuted.
    wrong = replace(series.leading, exponent=-beta / (nu + nu * beta + 1))
    bad = replace(series, terms=(wrong,)).evidence(
        lambda y: total.exact(y, values), values, [10**4, 10**6, 10**8]
    )
    assert not bad.passed


@quick
@given(fractions, fractions)
def test_tauberian_directions_invert(rho, c):
    unit = Accumulation(rho, c)
    for pair in (exponential().scaled(R(3, 2)), resolvent(6)):
        term = unit.average(pair, {})
        back = Accumulation.from_average(-term.exponent, term.coefficient, pair, {})
        assert back.exponent == rho and sp.simplify(back.amplitude - c) == 0


def test_tauberian_law_needs_no_exact_power():
    """Modes b k^-nu (1 + 1/k): same leading law, read off the accumulated source."""
    law = SourceCapacity(R(3, 2), R(4, 5), R(5, 2), R(3, 7))
    term = Accumulation.of_source(law).average(exponential(), {})
    ratios = []
    for scale in (10**3, 10**5):
        total = sum(
            3 / 7 * k**-2.2 * float(mpmath.exp(-scale * 2.5 * k**-1.5 * (1 + 1 / k)))
            for k in range(1, 60001)
        )
        total += 3 / 7 * float(mpmath.zeta(mpmath.mpf("2.2"), 60001))
        ratios.append(total / float(sp.N(term.coefficient * sp.Integer(scale) ** term.exponent)))
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1) < 0.05


def test_tauberian_exponent_outside_the_strip_is_refused():
    with pytest.raises(ConditionError, match="not inside the strip"):
        Accumulation(beta, A).average(resolvent(1), {beta: R(3, 2)})


def test_the_scale_where_two_laws_cross():
    """At beta < 1 the width plateau follows the source; before the crossover nu rules."""
    series = width_plateau(LAW, n).series({**VALUES, beta: R(1, 2)}, 2)
    scale = series.crossover.subs({**VALUES, beta: R(1, 2)})
    first, second = (t.expression(scale).subs({**VALUES, beta: R(1, 2)}) for t in series.terms)
    assert abs(sp.N(first / second, 30) ** 2 - 1) < 1e-20
    with pytest.raises(ConditionError, match="smaller than every power"):
        _ = LAW.sum(exponential(), t).expansion({}).crossover


def test_the_approximation_error_has_the_exponent_it_is_named_for():
    """Steinwart's A(e) by its own definition, mode by mode: min over f of e|f|^2 + |f - g|^2."""
    law = SourceCapacity.from_steinwart2009(R(2, 3), R(2, 5))
    place = np.arange(1.0, 2e6)
    spectrum = np.power(place, -float(law.nu))
    target = np.power(place, -float(law.nu * law.beta + 1))
    errors = [np.sum(target * e / (spectrum + e)) for e in (1e-4, 1e-5)]
    assert np.log10(errors[0] / errors[1]) == pytest.approx(0.4, abs=0.01)
