"""Fixed points as numbers: arrays, balls, pairs; spectra of every kind; and failure as data."""

from __future__ import annotations

import doctest
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp

from derive import fixed_point, joint_spectrum, solution, spectrum_tables
from derive.deterministic_equivalent import SampleCovariance
from derive.errors import (
    ArgumentsError,
    BranchError,
    ConditionError,
    ConvergenceError,
    DomainError,
)
from derive.fixed_point import Branch, FixedPoint
from derive.joint_spectrum import at_joint_atoms
from derive.ridge_fixed_point import effective_ridge_fixed_point, effective_ridge_in_traces
from derive.spectral_trace import Spectrum
from derive.spectrum_tables import MODE, at_power_law, at_table, quadrature_table
from derive.word_trace import WordTrace
from derive.words import Deterministic, Gaussian

PHI, LAM, KAPPA = sp.symbols("phi lam kappa", positive=True)
SIGMA = Spectrum("Sigma")
S = SIGMA.eigenvalue
RIDGE = SampleCovariance(SIGMA, PHI, LAM, KAPPA)
IN_TRACES = effective_ridge_in_traces(RIDGE)
X, Y, A, B = sp.symbols("x y a b", positive=True)


@pytest.mark.parametrize("module", [fixed_point, solution, spectrum_tables, joint_spectrum])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def bisected(eigenvalues, weights, phi, lam):
    """Find the effective ridge by bisection, without the engine."""
    low, high = lam, lam + phi * float(np.dot(weights, eigenvalues))
    for _ in range(200):
        middle = (low + high) / 2
        value = middle * (1 - phi * np.dot(weights, eigenvalues / (eigenvalues + middle)))
        low, high = (middle, high) if value < lam else (low, middle)
    return (low + high) / 2


# ---- solve: numbers, arrays, status as data ------------------------------------------------


def test_case_2_number_by_iteration_kernel_pair_and_ball():
    point = effective_ridge_fixed_point(RIDGE, {1: "1/2", 4: "1/2"})
    found = point.solve(phi=1.5, lam=0.1)
    expected = bisected(np.array([1.0, 4.0]), np.array([0.5, 0.5]), 1.5, 0.1)
    assert found.converged and found["kappa"] == pytest.approx(expected, rel=1e-14)
    assert 0 < found.iterations < 20 and found.residual < 1e-14
    assert "kappa converged in" in found.message
    ball = point.ball(bits=200, phi="3/2", lam="1/10")["kappa"]
    assert abs(float(ball.midpoint) - found["kappa"]) < 1e-15
    assert ball.radius < Fraction(1, 2**190)
    # parameters of the kernel in alphabetical order
    assert [str(s) for s in point.parameters] == ["lam", "phi"]
    assert point.compile()(0.1, 1.5) == pytest.approx(found["kappa"], rel=1e-15)
    high, low = point.compile("double-double")(0.125, 1.5)
    exact = point.ball(bits=160, phi="1.5", lam="1/8")["kappa"]
    pair = Fraction(float(high)) + Fraction(float(low))
    assert abs(pair - exact.midpoint) < Fraction(1, 2**98) * exact.midpoint


def test_arrays_broadcast_and_each_point_has_its_status():
    point = effective_ridge_fixed_point(RIDGE, {"1/3": "1/4", 5: "3/4"})
    phi, lam = np.array([[0.2], [1.0], [7.0]]), np.array([1e-6, 0.3, 40.0])
    found = point.solve(phi=phi, lam=lam)
    assert found["kappa"].shape == found.converged.shape == found.iterations.shape == (3, 3)
    assert found.converged.all()
    for (i, j), value in np.ndenumerate(found["kappa"]):
        expected = bisected(np.array([1 / 3, 5]), np.array([0.25, 0.75]), phi[i, 0], lam[j])
        assert value == pytest.approx(expected, rel=1e-11)
    assert found.iterations.max() > found.iterations.min()


def test_small_system_with_its_jacobian():
    # x y = a, x + y = b on the branch x > y: roots of t^2 - b t + a
    point = FixedPoint((X, Y), (X * Y - A, X + Y - B), Branch(region=X > Y), (B, A / B))
    assert point.jacobian() == sp.Matrix([[Y, X], [1, 1]])
    found = point.solve(a=6.0, b=np.array([5.0, 7.0]))
    assert np.allclose(found["x"], [3, 6], rtol=1e-15) and np.allclose(found["y"], [2, 1])
    balls = point.ball(bits=120, a=6, b=5)
    assert balls["x"].contains(3) and balls["y"].contains(2)
    assert sp.expand(point.eliminate(X) - (X**2 - B * X + A)) in (
        0,
        sp.expand(-2 * (X**2 - B * X + A)),
    )


def test_elimination_keeps_the_factor_of_the_branch():
    # (x - y)(x - 2y) = 0 with y^2 = a: started at x = 3, the branch is x = 2 sqrt(a)
    point = FixedPoint(
        (X, Y), ((X - Y) * (X - 2 * Y), Y**2 - A), Branch(region=X > Y), (3 + A, 1 + A / 2)
    )
    eliminated = point.eliminate(X)
    assert sp.expand(eliminated - (X**2 - 4 * A)) == 0
    with pytest.raises(ConditionError, match="a is not an unknown"):
        point.eliminate(A)
    dependent = FixedPoint((X, Y), (X - Y, 2 * X - 2 * Y), Branch(), (A, A))
    with pytest.raises(ConditionError, match="do not determine"):
        dependent.eliminate(X)


def test_failure_is_data_with_words():
    point = FixedPoint((X,), (X**2 - A,), Branch(region=X > 0), (A,))
    few = point.solve(a=1e12, most=3)
    assert not few.converged and np.isnan(few["x"]) and few.residual > 0
    assert "after 3 iterations the unknowns still change" in few.message
    none = FixedPoint((X,), (X**2 + A,), Branch(), (sp.Integer(2),)).solve(a=1.0)
    assert not none.converged and np.isnan(none["x"])
    singular = FixedPoint((X,), (X**2 - A,), Branch(), (sp.Integer(0),)).solve(a=2.0)
    assert not singular.converged and "left the numbers" in singular.message
    mixed = FixedPoint((X,), (X**2 - A,), Branch(region=X > 1), (1 + A,)).solve(
        a=np.array([4.0, 0.25])
    )
    assert mixed.converged.tolist() == [True, False] and mixed["x"][0] == 2.0
    assert "not on the branch x > 1" in mixed.message and "a = 0.25" in mixed.message


def test_an_iteration_that_stands_still_off_the_root_is_seen():
    wrong = FixedPoint((X,), (X**2 - A,), Branch(), (1 + A,), step=((X + 2 * A / X) / 2,))
    found = wrong.solve(a=2.0)
    assert not found.converged and "stands still at x = 2" in found.message
    right = FixedPoint((X,), (X**2 - A,), Branch(), (1 + A,), step=((X + A / X) / 2,))
    assert right.solve(a=2.0).converged


def test_a_root_of_another_branch_has_no_ball():
    point = FixedPoint((X,), (X**2 - A,), Branch(region=X < 0), (1 + A,))
    with pytest.raises(BranchError, match="outside"):
        point.ball(a=2)
    assert not point.solve(a=2.0).converged


def test_wrong_parameters_are_named():
    point = effective_ridge_fixed_point(RIDGE, {1: 1})
    with pytest.raises(ArgumentsError, match="missing lam"):
        point.solve(phi=1.0)
    with pytest.raises(ArgumentsError, match="unknown tau"):
        point.solve(phi=1.0, lam=1.0, tau=1.0)
    with pytest.raises(ArgumentsError, match="not a real number"):
        point.solve(phi="3/2", lam=1.0)
    with pytest.raises(ArgumentsError, match="do not broadcast"):
        point.solve(phi=np.ones(2), lam=np.ones(3))
    with pytest.raises(ArgumentsError, match="no unknown 'x'"):
        _ = point.solve(phi=1.0, lam=1.0)["x"]


# ---- every kind of spectrum compiles -------------------------------------------------------


def test_spectrum_as_an_array():
    rng = np.random.default_rng(3)
    eigenvalues = rng.uniform(0.1, 3.0, 300)
    weights = rng.integers(1, 9, 300)
    weights = [Fraction(int(w), int(weights.sum())) for w in weights]
    point = IN_TRACES.at(lambda e: at_table(e, SIGMA, eigenvalues, weights))
    assert point.program().operations().get("table_sum", 0) >= 2
    found = point.solve(phi=np.array([0.5, 2.0]), lam=0.07)
    plain = np.array([float(w) for w in weights])
    for phi, value in zip((0.5, 2.0), found["kappa"], strict=True):
        assert value == pytest.approx(bisected(eigenvalues, plain, phi, 0.07), rel=1e-12)
    ball = point.ball(bits=90, phi=2, lam=0.07)["kappa"]
    assert abs(float(ball.midpoint) - found["kappa"][1]) < 1e-14


def test_array_and_atoms_are_one():
    atoms = effective_ridge_fixed_point(RIDGE, {2: "1/3", 7: "2/3"})
    table = IN_TRACES.at(lambda e: at_table(e, SIGMA, [2, 7], ["1/3", "2/3"]))
    point = {"phi": "5/4", "lam": "3/7"}
    left, right = atoms.ball(bits=150, **point)["kappa"], table.ball(bits=150, **point)["kappa"]
    assert abs(left.midpoint - right.midpoint) <= left.radius + right.radius
    shifted = IN_TRACES.at(lambda e: at_table(e, SIGMA, [2, 7], ["2/5", "3/5"]))
    other = shifted.ball(bits=150, **point)["kappa"]
    assert abs(left.midpoint - other.midpoint) > 1000 * (left.radius + other.radius)


def test_case_19_spectrum_as_a_power_law():
    samples, nu, b, modes = sp.symbols("n nu b N", positive=True)
    point = IN_TRACES.at(
        lambda e: at_power_law(e, SIGMA, b * MODE**-nu, modes).subs(PHI, modes / samples)
    )
    values = {"n": 40, "nu": Fraction(3, 2), "b": Fraction(5, 2), "N": 300, "lam": Fraction(1, 50)}
    found = point.solve(**{k: float(v) for k, v in values.items()})
    assert found.converged
    k = np.arange(1, 301)
    expected = bisected(2.5 * k**-1.5, np.full(300, 1 / 300), 300 / 40, 0.02)
    assert found["kappa"] == pytest.approx(expected, rel=1e-12)
    ball = point.ball(bits=80, **values)["kappa"]
    with mpmath.workdps(30):
        spectrum = [mpmath.mpf("2.5") * mpmath.mpf(j) ** mpmath.mpf("-1.5") for j in range(1, 301)]
        root = mpmath.findroot(
            lambda z: (
                z * (1 - mpmath.fsum(v / (v + z) for v in spectrum) / 40) - mpmath.mpf("0.02")
            ),
            mpmath.mpf(found["kappa"]),
        )
        assert (
            abs(mpmath.mpf(ball.midpoint.numerator) / ball.midpoint.denominator / root - 1) < 1e-23
        )


def test_spectrum_as_a_density():
    # Marchenko-Pastur of ratio c as the population: sampling twice, tau solves a cubic
    c, x = sp.Rational(1, 2), sp.Symbol("x", positive=True)
    low, high = (1 - sp.sqrt(c)) ** 2, (1 + sp.sqrt(c)) ** 2
    density = sp.sqrt((high - x) * (x - low)) / (2 * sp.pi * c * x)
    places, weights = quadrature_table(density, x, low, high, 60)
    point = IN_TRACES.at(lambda e: at_table(e, SIGMA, places, weights))
    found = point.solve(phi=1.5, lam=0.1)

    # second route: tr Sigma/(Sigma + kappa) = 1 - kappa m(-kappa) with the closed form of MP
    def residual(kappa):
        b = kappa + 1 - mpmath.mpf(1) / 2
        trace = 2 / (b + mpmath.sqrt(b**2 + 2 * kappa))
        return kappa - mpmath.mpf("1.5") * kappa * (1 - kappa * trace) - mpmath.mpf("0.1")

    expected = mpmath.findroot(residual, 0.9)
    assert found["kappa"] == pytest.approx(float(expected), rel=1e-13)


def test_a_rule_that_misses_mass_is_refused():
    x = sp.Symbol("x", positive=True)
    with pytest.raises(ConvergenceError, match="the mass is"):
        quadrature_table(sp.Rational(9, 10) + 0 * x, x, 0, 1, 200)


def test_wrong_spectra_are_named():
    trace = SIGMA.trace(S)
    with pytest.raises(DomainError, match=r"add to 0\.9"):
        at_table(trace, SIGMA, [1, 2], ["1/2", "2/5"])
    with pytest.raises(DomainError, match="smallest eigenvalue is -1"):
        at_table(trace, SIGMA, [-1, 2])
    with pytest.raises(ArgumentsError, match="2 eigenvalues and 1 weights"):
        at_table(trace, SIGMA, [1, 2], [1])
    with pytest.raises(ArgumentsError, match="no overlap"):
        at_table(SIGMA.trace(S, sp.Symbol("Theta")), SIGMA, [1, 2])
    with pytest.raises(ArgumentsError, match="mode number"):
        at_power_law(trace, SIGMA, sp.Symbol("nu"), sp.Integer(3))


@pytest.mark.parametrize("scale", [Fraction(1, 7), Fraction(12)])
def test_homogeneity_in_the_scale_of_the_population(scale):
    one = IN_TRACES.at(lambda e: at_table(e, SIGMA, [1, 3, 8]))
    other = IN_TRACES.at(lambda e: at_table(e, SIGMA, [scale, 3 * scale, 8 * scale]))
    left = one.ball(bits=120, phi="0.8", lam="0.3")["kappa"].midpoint
    right = other.ball(bits=120, phi="0.8", lam=Fraction(3, 10) * scale)["kappa"].midpoint
    assert abs(right / left / scale - 1) < Fraction(1, 2**110)


# ---- commuting matrices by joint atoms -----------------------------------------------------


def test_joint_atoms_against_diagonal_matrices():
    d = sp.Symbol("d", positive=True)
    one, two = Deterministic("A", d, d), Deterministic("B", d, d)
    word = one @ (two * 3 + one).inverse() @ two
    value = at_joint_atoms(WordTrace(word), ["1/4", "3/4"], {one: [1, 2], two: [3, 5]})
    a, b = np.diag([1.0, 2, 2, 2]), np.diag([3.0, 5, 5, 5])
    assert float(value) == pytest.approx(np.trace(a @ np.linalg.inv(3 * b + a) @ b) / 4)
    with pytest.raises(ArgumentsError, match="B has no eigenvalues"):
        at_joint_atoms(WordTrace(word), [1], {one: [1]})
    with pytest.raises(DomainError, match="add to 3/4"):
        at_joint_atoms(WordTrace(word), ["1/4", "1/2"], {one: [1, 2], two: [3, 5]})
    with pytest.raises(ArgumentsError, match="1 eigenvalues for 2 shares"):
        at_joint_atoms(WordTrace(word), ["1/4", "3/4"], {one: [1], two: [3, 5]})
    noise = Gaussian("Z", d, d, 1 / d)
    with pytest.raises(ArgumentsError, match="random"):
        at_joint_atoms(WordTrace(noise @ noise.T), [1], {one: [1]})
