"""Cases 20 to 22: the statement out of the engine, its number by two routes, and a simulation."""

from __future__ import annotations

from fractions import Fraction

import haarpy
import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.optimize import brentq

import derivations
from derive.errors import ConditionError, DeriveError
from derive.plateau import context_plateau, effective_ridge
from derive.power_law import SourceCapacity

a, b, c, h, n, v, ell, d = sp.symbols("a b c h n v ell d", positive=True)
P = sp.pi / b / sp.sin(sp.pi / b)
ACCURACY = 0.05  # a simulation whose error bar is wider sees nothing


def results(id: str):
    return derivations.get(f"classics.{id}").results


def value(id: str, name: str, **at: float) -> float:
    """Evaluate a result in balls: certified, and nothing to compile for a few points."""
    exact = {argument: Fraction(number) for argument, number in at.items()}
    return float(results(id)[name].ball(bits=60, **exact).midpoint)


def z_score(id: str, quantity: str, against: str | None = None, **how) -> float:
    """Return the distance of a simulated mean from a result, in standard errors."""
    derivation = derivations.get(f"classics.{id}")
    run = derivation.simulate(**how)
    values = run.values[quantity]
    name = against or quantity
    arguments = derivation.results[name].args
    expected = value(id, name, **{argument: run.parameters[argument] for argument in arguments})
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < ACCURACY * abs(expected), "too few draws to see a wrong number"
    return float((values.mean() - expected) / error)


def ridge_by_modes(count: float, power: float, scale: float, modes: int = 20_000) -> float:
    """Solve Tr Lambda/(Lambda + kappa) = n with the modes one by one and a first-order tail."""
    spectrum = scale * np.arange(1, modes + 1.0) ** -power
    tail = scale * float(mpmath.zeta(power, modes + 1))
    return brentq(
        lambda k: np.sum(spectrum / (spectrum + k)) + tail / k - count, 1e-12, 1e3, xtol=1e-16,
        rtol=1e-13,
    )  # fmt: skip


# Case 20: spectrum k^-2 without ridge


def test_case_20_states_the_ridge_on_an_inverse_square_spectrum():
    found = results("inverse_square_spectrum")
    assert sp.simplify(found["kappa"].expr - c * (sp.pi / (2 * n + 1)) ** 2) == 0
    series = effective_ridge(SourceCapacity(2, 1, spectrum_scale=c), n).series({})
    assert series.next is None, "no power of n corrects it"


@pytest.mark.parametrize("count", [1, 4, 9])
def test_case_20_by_two_routes(count):
    """Mittag-Leffler in closed form, all modes in balls, and modes one by one."""
    at = {"c": "5/2", "n": str(count)}
    closed = results("inverse_square_spectrum")["kappa_exact"].ball(bits=120, **at)
    modes = results("power_law_ridge")["kappa_exact"].ball(bits=120, b="2", **at)
    assert abs(closed.midpoint - modes.midpoint) <= closed.radius + modes.radius
    law = results("inverse_square_spectrum")["kappa"].ball(bits=120, **at)
    defect = float(closed.midpoint / law.midpoint - 1)
    first = value("inverse_square_spectrum", "defect", n=count)
    assert defect == pytest.approx(first, rel=20 * first)
    summed = ridge_by_modes(count, 2.0, 2.5)
    assert summed == pytest.approx(float(closed.midpoint), rel=1e-6)


def test_case_20_simulated():
    how = {"size": 400, "seeds": 48, "seed": 3, "c": 2.5, "n": 12.0}
    assert abs(z_score("inverse_square_spectrum", "kappa", **how)) < 4
    values = derivations.get("classics.inverse_square_spectrum").simulate(**how).values["kappa"]
    error = values.std(ddof=1) / np.sqrt(len(values))
    without_half_a_mode = 2.5 * (np.pi / 24) ** 2
    assert abs(values.mean() - without_half_a_mode) > 6 * error, "the half mode is seen"


# Case 21: capacity b and source a


def test_case_21_states_both_laws_and_the_scale_drops_out_of_the_error():
    law = SourceCapacity.from_bordelon2024(a, b, spectrum_scale=c, source_scale=h)
    assert law.bordelon2024() == (a, b)
    at = {a: sp.Rational(11, 5), b: sp.Rational(3, 2), c: sp.Rational(5, 2), n: 7, h: 3}
    text = {str(letter): str(number) for letter, number in at.items()}

    def digits(formula):
        found = formula.ball(bits=100, **{name: text[name] for name in formula.args}).midpoint
        return sp.Rational(found.numerator, found.denominator)

    ridge = results("power_law_ridge")["kappa"]
    assert abs(sp.N(digits(ridge) - (c * (P / n) ** b).subs(at), 30)) < 1e-25
    error = results("power_law_error")["error"]
    assert error.args == ("a", "b", "h", "n"), "no scale of the spectrum"
    s = (a - 1) / b
    expected = h * (P / n) ** (a - 1) * sp.gamma(2 - s) * sp.gamma(s)
    assert abs(sp.N(digits(error) - expected.subs(at), 30)) < 1e-25


@pytest.mark.parametrize(("power", "scale"), [(1.5, 2.5), (3.0, 0.4)])
def test_case_21_the_ridge_approaches_its_law_on_time(power, scale):
    ratios = []
    for count in (50.0, 100.0, 200.0):
        at = {"b": power, "c": scale}
        exact = value("power_law_ridge", "kappa_exact", n=count, **at)
        summed = ridge_by_modes(count, power, scale)
        assert exact == pytest.approx(summed, rel=1e-4 if power < 2 else 1e-8)
        shifted = value("power_law_ridge", "kappa", n=count + 0.5, **at)
        ratios.append(exact / shifted - 1)
        refined = value("power_law_ridge", "kappa_next", n=count, **at) / shifted - 1
        assert ratios[-1] == pytest.approx(refined, rel=2 * count**-power)
    rate = np.log2(ratios[1] / ratios[2])
    assert rate == pytest.approx(power + 1, abs=0.05)


def test_case_21_homogeneity_in_both_scales():
    at = {"b": 1.5, "n": 7.0}
    one = value("power_law_ridge", "kappa_exact", c=2.5, **at)
    assert value("power_law_ridge", "kappa_exact", c=7.5, **at) == pytest.approx(3 * one, rel=1e-15)
    loss = value("power_law_error", "error_exact", a=2.2, h=0.7, **at)
    other = value("power_law_error", "error_exact", a=2.2, h=2.1, **at)
    assert other == pytest.approx(3 * loss, rel=1e-15)


@pytest.mark.parametrize(("source", "power"), [(2.2, 1.5), (3.5, 2.5)])
def test_case_21_the_error_follows_the_source(source, power):
    at = {"a": source, "b": power, "h": 0.7}
    gaps = []
    for count in (200.0, 400.0):
        names = ("error_exact", "error", "error_next")
        exact, law, refined = (value("power_law_error", e, n=count, **at) for e in names)
        gaps.append(exact / law - 1)
        assert abs(exact / refined - 1) < 0.02 * abs(gaps[-1]), "the next order is half a sample"
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.02), "and so falls as 1/n"


def test_case_21_the_exponent_sticks():
    """Beyond a = 2 b + 1 the error falls as n^(-2b), and there a logarithm appears."""
    at = {"a": 6.0, "b": 1.5, "h": 0.7}
    gaps = []
    for count in (1e3, 1e4):
        names = ("error_exact", "error_saturated")
        exact, law = (value("power_law_error", e, n=count, **at) for e in names)
        gaps.append(exact / law - 1)
    assert abs(gaps[1]) < 0.12 * abs(gaps[0]) and abs(gaps[1]) < 1e-3
    first, second = (
        value("power_law_error", "error_exact", a=4.0, b=1.5, h=0.7, n=count) * count**3
        for count in (1e4, 2e4)
    )
    unit = value("power_law_error", "error_at_saturation", b=1.5, h=0.7, n=10.0) * 10.0**3
    slope = (second - first) / np.log(2)
    assert slope == pytest.approx(unit / np.log(10), rel=2e-3)
    with pytest.raises(ConditionError):
        context_plateau(SourceCapacity.from_bordelon2024(a, b), n).series(
            {a: 4, b: sp.Rational(3, 2)}
        )


def test_case_21_the_crossover_is_where_both_terms_are_one():
    at = {"a": 4.4, "b": 1.5}
    place = value("power_law_error", "crossover", **at)
    late = value("power_law_error", "error_saturated", h=0.7, n=place, **at)
    s = 3.4 / 1.5
    packing = np.pi / 1.5 / np.sin(np.pi / 1.5)
    early = 0.7 * (packing / place) ** 3.4 * float(mpmath.gamma(2 - s) * mpmath.gamma(s))
    assert late == pytest.approx(-early, rel=1e-12)
    assert place > 1


@pytest.mark.parametrize(("source", "power", "count"), [(2.2, 1.5, 24.0), (5.0, 1.5, 16.0)])
def test_case_21_simulated(source, power, count):
    how = {"size": 400, "seeds": 240, "seed": 5, "n": count}
    at = {"a": source, "b": power, "h": 0.7}
    assert abs(z_score("power_law_error", "error", "error_exact", **how, **at)) < 4
    ridge = {"b": power, "c": 2.5}
    assert abs(z_score("power_law_ridge", "kappa", "kappa_exact", **how, **ridge)) < 4


# Case 22: spikes, and Haar moments


def companion(x: float, ratio: float, scale: float, power: int) -> float:
    """Integrate 1/(t - x)^power over the companion Marchenko-Pastur law, by quadrature."""
    low, high = (scale * (1 + sign * np.sqrt(ratio)) ** 2 for sign in (-1, 1))

    def bulk(angle: float) -> float:
        t = low + (high - low) * np.sin(angle) ** 2
        height = np.sqrt((high - t) * (t - low)) / (2 * np.pi * scale * t)
        return height * (high - low) * np.sin(2 * angle) / (t - x) ** power

    inside, _ = quad(bulk, 0, np.pi / 2, epsabs=1e-13, epsrel=1e-12)
    return inside + (1 - ratio) * (-x) ** -power


def test_case_22_states_position_overlap_and_threshold():
    found = results("spiked_covariance")
    position = ell * (1 + c * v / (ell - v))
    overlap = (1 - c * v**2 / (ell - v) ** 2) / (1 + c * v / (ell - v))
    for name, expected in (("position", position), ("overlap", overlap),
                           ("threshold", v * (1 + sp.sqrt(c))),
                           ("edge", v * (1 + sp.sqrt(c)) ** 2)):  # fmt: skip
        assert sp.simplify(found[name].expr - expected) == 0
    scaled = {v: 3 * v, ell: 3 * ell}
    assert sp.simplify(found["position"].expr.subs(scaled, simultaneous=True) - 3 * position) == 0


@pytest.mark.parametrize(("ratio", "scale", "spike"), [(0.5, 1.5, 6.0), (0.8, 0.7, 2.0)])
def test_case_22_by_the_resolvent_of_the_bulk(ratio, scale, spike):
    """Second route: 1 + ell m(x) = 0 with the companion law integrated, overlap 1/(x ell m')."""
    id, at = "spiked_covariance", {"c": ratio, "v": scale, "ell": spike}
    edge = value(id, "edge", c=ratio, v=scale)
    place = brentq(lambda x: 1 + spike * companion(x, ratio, scale, 1), edge + 1e-6, 40, rtol=1e-14)
    assert place == pytest.approx(value(id, "position", **at), rel=1e-10)
    weight = 1 / (place * spike * companion(place, ratio, scale, 2))
    assert weight == pytest.approx(value(id, "overlap", **at), rel=1e-8)
    assert value(id, "strength", c=ratio, v=scale, x=place) == pytest.approx(spike, rel=1e-9)


@pytest.mark.parametrize("quantity", ["position", "overlap"])
def test_case_22_simulated(quantity):
    how = {"size": 128, "seeds": 48, "seed": 2}
    z = z_score("spiked_covariance", quantity, **how, c=0.5, v=1.5, ell=6.0)
    assert abs(z) < 4
    assert abs(z_score("spiked_wigner", quantity, **how, s=2.0, t=3.0)) < 4


def test_case_22_below_the_threshold_nothing_leaves():
    run = derivations.get("classics.spiked_covariance").simulate(
        size=128, seeds=16, seed=4, c=0.5, v=1.5, ell=2.0
    )
    edge = value("spiked_covariance", "edge", c=0.5, v=1.5)
    assert run.values["position"].mean() < 1.02 * edge
    assert run.values["overlap"].mean() < 0.15
    with pytest.raises(DeriveError, match="else it stays in the bulk"):
        value("spiked_covariance", "position", c=0.5, v=1.5, ell=2.0)


CORNER = (1, 1)
ROTATION = {
    "fourth": [CORNER] * 4,
    "row": [CORNER, CORNER, (1, 2), (1, 2)],
    "crossed": [CORNER, (2, 2), (1, 2), (2, 1)],
    "apart": [CORNER, CORNER, (2, 2), (2, 2)],
}
UNITARY = {
    "fourth": ([CORNER] * 2, [CORNER] * 2),
    "row": ([CORNER, (1, 2)], [CORNER, (1, 2)]),
    "crossed": ([CORNER, (2, 2)], [(1, 2), (2, 1)]),
    "apart": ([CORNER, (2, 2)], [CORNER, (2, 2)]),
}


def sides(entries):
    return tuple(tuple(entry[side] - 1 for entry in entries) for side in (0, 1))


@pytest.mark.parametrize("name", ROTATION)
def test_case_22_haar_moments_equal_the_exact_weingarten_values(name):
    plain = sp.Symbol("d")
    first = results("haar_entries")[name].expr
    oracle = haarpy.haar_integral_orthogonal(sides(ROTATION[name]), plain)
    assert sp.cancel(first.subs({s: plain for s in first.free_symbols}) - oracle) == 0
    second = results("haar_unitary")[name].expr
    entries, conjugates = UNITARY[name]
    oracle = haarpy.haar_integral_unitary(sides(entries), sides(conjugates), plain)
    assert sp.cancel(second.subs({s: plain for s in second.free_symbols}) - oracle) == 0


@pytest.mark.parametrize("name", ["fourth", "crossed", "apart"])
def test_case_22_haar_moments_simulated(name):
    for id, seed in (("haar_entries", 6), ("haar_unitary", 7)):
        assert abs(z_score(id, name, size=1500, seeds=32, seed=seed, d=3.0)) < 4


def test_case_22_rotated_trace_at_finite_size_and_free():
    at = {"a_1": 0.5, "a_2": 1.7, "b_1": -0.4, "b_2": 0.9}
    how = {"size": 300, "seeds": 32, "seed": 8}
    assert abs(z_score("haar_rotated_trace", "trace", **how, d=4.0, **at)) < 4
    free = value("haar_rotated_trace", "free", **at)
    gap = [value("haar_rotated_trace", "trace", d=size, **at) - free for size in (1e3, 2e3)]
    assert gap[0] / gap[1] == pytest.approx(2, rel=1e-2), "freeness sets in as 1/d"
