"""Infinitely many modes of a power law: enclosures, kernels, fixed points and traces."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from derive.deterministic_equivalent import SampleCovariance
from derive.errors import ArgumentsError, ConditionError
from derive.fixed_point import Branch, FixedPoint
from derive.infinite_power_law import as_power_law_sum, at_infinite_power_law
from derive.mellin import exponential, resolvent
from derive.mellin import x as X
from derive.mode_sum import sum_over_modes
from derive.power_law import SourceCapacity
from derive.ridge_fixed_point import effective_ridge_in_traces
from derive.spectral_trace import Spectrum
from derive.spectrum_tables import MODE
from derive.spectrum_values import numeric_value
from numerics.ball import evaluate
from numerics.ball_operations import Jet
from numerics.functions import PowerLawSum
from numerics.kernel import compile_program
from numerics.lower import lower
from numerics.power_law_ball import power_law_sum

R = sp.Rational
p, q, m, x = sp.symbols("p q m x", positive=True)
b, c, d, h, kappa, lam, n, phi = sp.symbols("b c d h kappa lam n phi", positive=True)
PROGRAM = lower([p, q, m, x], [], {"S": PowerLawSum(p, q, m, x)})
Sigma = Spectrum("Sigma")
s = Sigma.eigenvalue
POINTS = [
    ("1.5", "1.5", 1, "1000"),
    ("3", "1.5", 2, "1e6"),
    ("2.2", "1.5", 2, "37.5"),
    ("4", "1.5", 2, "1e3"),  # at saturation: the two parts of the integral both diverge
    ("7", "1.5", 2, "1e8"),  # beyond it
    ("3.1", "8", 1, "1e5"),
    ("24", "8", 3, "20"),
    ("1.01", "1.01", 1, "0.3"),
]


@pytest.fixture(scope="module")
def kernel():
    return compile_program(PROGRAM)


@pytest.mark.parametrize("point", POINTS)
def test_enclosures_hold_the_sum_added_up_another_way(point):
    """Adaptive quadrature and Euler-Maclaurin by differences, in mpmath, against the ball."""
    decay, rate, power, at = point
    with mpmath.workdps(40):
        added = sum_over_modes(
            (1 + X) ** -power, *(mpmath.mpf(v) for v in (decay, rate, at)), mpmath.mpf(0), digits=28
        )
        text = mpmath.nstr(added, 32)
    ball = evaluate(PROGRAM, bits=120, p=decay, q=rate, m=power, x=Fraction(at))["S"]
    assert abs(ball.midpoint - Fraction(text)) <= ball.midpoint / 10**27
    assert ball.radius <= ball.midpoint / 2**118


def test_the_remainder_is_a_bound_and_not_a_habit():
    """More modes and more corrections give a narrower ball inside the wider one."""
    before = ctx.prec
    try:
        for point in POINTS:
            ctx.prec = 400
            fine = power_law_sum(*(arb(str(v)) for v in point))
            ctx.prec = 40
            rough = power_law_sum(*(arb(str(v)) for v in point))
            ctx.prec = 400
            assert rough.contains(fine.mid()) and rough.rad() > 1000 * fine.rad()
    finally:
        ctx.prec = before


def test_closed_forms():
    ball = evaluate(PROGRAM, bits=100, p=2, q=2, m=1, x=Fraction(9, 4))["S"]
    with mpmath.workdps(40):
        root = mpmath.mpf(3) / 2
        closed = (mpmath.pi * root * mpmath.coth(mpmath.pi * root) - 1) / (2 * root**2)
        assert abs(Fraction(mpmath.nstr(closed, 35)) - ball.midpoint) < Fraction(1, 10**28)
    assert PowerLawSum(p, q, m, sp.S.Zero) == sp.zeta(p)
    value = PowerLawSum(R(2), R(2), R(1), R(9, 4)).evalf(30)
    assert abs(value - sp.Float(mpmath.nstr(closed, 35), 30)) < 1e-28


def test_the_kernel_lies_where_the_ball_says(kernel):
    rng = np.random.default_rng(3)
    size = 60
    at = {
        "p": 1 + 10 ** rng.uniform(-2, 1.2, size),
        "q": 10 ** rng.uniform(-0.5, 0.95, size),
        "m": rng.integers(1, 5, size).astype(float),
        "x": 10 ** rng.uniform(-3, 12, size),
    }
    values = kernel(*at.values())
    for i, value in enumerate(values):
        point = {name: Fraction(float(column[i])) for name, column in at.items()}
        ball = evaluate(PROGRAM, bits=70, **point)["S"]
        assert abs(Fraction(float(value)) - ball.midpoint) <= ball.midpoint * Fraction(1, 10**14)


def test_nothing_plausible_outside_of_the_domain(kernel):
    for bad in ((1.0, 1.0, 1.0, 1.0), (0.5, 1.0, 1.0, 1.0), (2.0, -1.0, 1.0, 1.0),
                (2.0, 1.0, 1.0, -1.0), (2.0, 1.0, 0.0, 1.0)):  # fmt: skip
        assert np.isnan(kernel(*bad))
        assert power_law_sum(*(arb(v) for v in bad)).is_nan()


def test_derivatives_in_the_ridge():
    shifted = arb(30) + arb(2) ** -20
    jet = power_law_sum(arb(2), arb("1.5"), arb(2), Jet(arb(30), {0: arb(1)}))
    quotient = (power_law_sum(arb(2), arb("1.5"), arb(2), shifted) - jet.value) * arb(2) ** 20
    assert abs(quotient / jet.slopes[0] - 1) < 1e-5
    symbolic = PowerLawSum(p, q, m, x).diff(x)
    assert symbolic == -m * PowerLawSum(p + q, q, m + 1, x)
    with pytest.raises(ArgumentsError, match="exponent"):
        PowerLawSum(p, q, m, x).diff(q)


@pytest.mark.parametrize(
    "function",
    [
        s / (s + kappa),
        s**2 / (s + kappa) ** 2,
        s / ((s + kappa) * (s + lam)),
        s**2 / (s + kappa),
        (s**2 + 3 * s) / (2 * s + kappa) ** 2,
        kappa**2 * s / (s + kappa) ** 2,
        s,
    ],
)
def test_traces_equal_their_modes(function):
    law = R(5, 2) * MODE ** -R(9, 4)
    value = {kappa: R(3, 10), lam: R(7, 10)}
    total = at_infinite_power_law(Sigma.trace(function), Sigma, law, d) * d
    spectrum = 2.5 * np.arange(1, 20_000.0) ** -2.25
    direct = numeric_value(function, {s: spectrum, kappa: 0.3, lam: 0.7}).sum()
    rest = 1.0 if function == s else float(sp.diff(function, s).subs(s, 0).subs(value))
    tail = 2.5 * rest * float(mpmath.zeta(2.25, 20_000))
    assert float(total.subs(value).evalf()) == pytest.approx(direct + tail, rel=1e-12)


def test_overlaps_shift_the_decay():
    teacher = sp.Symbol("Theta")
    a = sp.Symbol("a", positive=True)
    bias = Sigma.trace(kappa**2 * s / (s + kappa) ** 2, teacher)
    total = at_infinite_power_law(bias, Sigma, c * MODE**-b, d, {teacher: h / c * MODE ** (b - a)})
    assert sp.simplify(total - h * PowerLawSum(a, b, 2, c / kappa) / d) == 0
    law = SourceCapacity.from_bordelon2024(a, b, spectrum_scale=c, source_scale=h)
    assert as_power_law_sum(law.sum(resolvent(2), x)) == h * PowerLawSum(a, b, 2, c * x)


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        (1 / (s + kappa), ConditionError, "diverges"),
        (1 / ((s + kappa) * (s + lam)), ConditionError, "diverges"),
        (1 / s, ConditionError, "diverges"),
        (s * sp.exp(-s), ArgumentsError, "not rational"),
        (s / (s**2 + kappa), ArgumentsError, "not linear"),
    ],
)
def test_sums_without_a_value_are_refused(function, error, match):
    with pytest.raises(error, match=match):
        at_infinite_power_law(Sigma.trace(function), Sigma, c * MODE**-b, d)


def test_laws_that_are_no_powers_are_refused():
    with pytest.raises(ArgumentsError, match="no power"):
        at_infinite_power_law(Sigma.trace(s), Sigma, c / (1 + MODE), d)
    with pytest.raises(ArgumentsError, match="certified"):
        as_power_law_sum(SourceCapacity(b, 1).sum(exponential(), x))


def test_the_effective_ridge_of_infinitely_many_modes():
    """A fixed point over a power law: kernel, ball, and the residual added up by mpmath."""
    point = effective_ridge_in_traces(SampleCovariance(Sigma, phi, lam, kappa)).at(
        lambda e: at_infinite_power_law(e, Sigma, c * MODE**-b, d).subs(phi, d / n)
    )
    at = {"b": "3/2", "c": "2", "lam": "1/100", "n": "20"}
    ball = point.ball(bits=100, **at)["kappa"]
    solution = point.solve(**{name: float(Fraction(v)) for name, v in at.items()})
    assert solution.converged
    assert abs(Fraction(float(solution["kappa"])) / ball.midpoint - 1) < Fraction(1, 10**14)
    with mpmath.workdps(35):
        ridge = mpmath.mpf(ball.midpoint.numerator) / ball.midpoint.denominator
        df1 = sum_over_modes(
            X / (1 + X), mpmath.mpf(0), mpmath.mpf("1.5"), 2 / ridge, mpmath.mpf(1), digits=25
        )
        assert abs(ridge - mpmath.mpf("0.01") - ridge * df1 / 20) < 1e-25
    many = point.solve(b=1.5, c=2.0, lam=0.01, n=np.array([5.0, 20.0, 1e5]))
    assert many.converged.all() and (np.diff(many["kappa"]) < 0).all()


def test_ridgeless_ridge_and_a_spectrum_whose_root_is_known():
    """Case 20 over infinitely many modes: kappa = c (pi/(2n+1))^2 up to 4 exp(-2(2n+1))."""
    law = SourceCapacity(2, 1, spectrum_scale=c)
    df1 = as_power_law_sum(law.degrees_of_freedom(1, x)).subs(x, 1 / kappa)
    root = FixedPoint((kappa,), (1 / df1 - 1 / n,), Branch(region=kappa > 0), (c / n**2,))
    ball = root.ball(bits=120, c="5/2", n="6")["kappa"]
    with mpmath.workdps(40):
        ridge = mpmath.mpf(ball.midpoint.numerator) / ball.midpoint.denominator
        defect = ridge / (mpmath.mpf(5) / 2 * (mpmath.pi / 13) ** 2) - 1
        assert abs(defect / (4 * mpmath.exp(-26)) - 1) < 1e-9
