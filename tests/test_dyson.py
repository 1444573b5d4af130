"""Dyson equations of pencils against simulation, two-resolvent rules and direct iteration."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import sympy as sp

from derive import dyson
from derive.deterministic_equivalent import SampleCovariance, two_resolvents
from derive.dyson import dyson_equations, pairings, solve_numerically
from derive.errors import ArgumentsError, ConditionError
from derive.pencil import linear_pencil
from derive.spectral_trace import Spectrum
from derive.spectrum_values import at_matrices
from derive.words import Deterministic, Gaussian, Identity

N, D, PHI, LAM, LAM2 = sp.symbols("n d phi lambda lambda'", positive=True)
P1, P2, KAPPA, KAPPA2 = sp.symbols("p1 p2 kappa kappa'", positive=True)
ONE = Identity(D)
SIGMA, THETA = Deterministic("Sigma", D, D), Deterministic("Theta", D, D)
X = Gaussian("X", N, D, 1 / N, right=SIGMA)
R = (X.T @ X + LAM * ONE).inverse()
R2 = (X.T @ X + LAM2 * ONE).inverse()


def test_docstring_examples():
    assert doctest.testmod(dyson).failed == 0


def test_pairings_of_the_sample_covariance_pencil():
    terms = pairings(linear_pencil(R))
    assert {(t.place, t.inner) for t in terms} == {((0, 0), (1, 1)), ((1, 1), (0, 0))}
    (gram,) = [t for t in terms if t.place == (1, 1)]
    assert gram.matrix == -SIGMA
    assert gram.variance == 1 / N


def positive(rng, size: int) -> np.ndarray:
    root = rng.normal(size=(size, size))
    return root @ root.T / size + 0.2 * np.eye(size)


def complex_gaussian(rng, rows: int, columns: int, variance: float) -> np.ndarray:
    """Complex entries have no correction of relative order one over the size."""
    z = rng.normal(size=(rows, columns)) + 1j * rng.normal(size=(rows, columns))
    return np.sqrt(variance / 2) * z


def root_of(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T


def test_pencil_route_equals_two_resolvent_rule_for_matrices_that_do_not_commute():
    rng = np.random.default_rng(0)
    size = 9
    sigma, theta, b = (positive(rng, size) for _ in range(3))
    system = dyson_equations({"t": R @ THETA @ R2 @ Deterministic("B", D, D)}, {D: PHI * N})
    scalars = {PHI: 0.7, LAM: 0.4, LAM2: 1.1, D: size}
    matrices = {"Sigma": sigma, "Theta": theta, "B": b}
    solution = solve_numerically(system, matrices, scalars)
    assert solution.converged, solution.sentence
    names = (PHI, LAM, KAPPA)
    one = SampleCovariance(Spectrum("Sigma"), *names)
    two = SampleCovariance(Spectrum("Sigma"), PHI, LAM2, KAPPA2)
    rule = two_resolvents(one, sp.Symbol("Theta"), two).trace(one.spectrum.test(sp.Symbol("B")))
    eigenvalues = np.linalg.eigvalsh(sigma)

    def kappa(lam: float) -> float:
        value = lam
        for _ in range(3000):
            value = lam + 0.7 * value * np.mean(eigenvalues / (eigenvalues + value))
        return value

    values = {**scalars, KAPPA: kappa(0.4), KAPPA2: kappa(1.1)}
    assert solution.outputs["t"] == pytest.approx(at_matrices(rule, matrices, values), rel=1e-10)


def test_two_groups_of_rows_in_simulation_and_by_direct_iteration():
    rng = np.random.default_rng(1)
    size, rows = 40, (30, 20)
    total = sum(rows)
    sigmas = [positive(rng, size), 2.5 * positive(rng, size)]
    groups = [
        Gaussian(f"X{k + 1}", p * N, D, 1 / N, right=Deterministic(f"Sigma{k + 1}", D, D))
        for k, p in enumerate((P1, P2))
    ]
    sample = groups[0].T @ groups[0] + groups[1].T @ groups[1]
    resolvent = (sample + LAM * ONE).inverse()
    test = Deterministic("T", D, D)
    system = dyson_equations({"plain": resolvent @ test, "pair": resolvent @ test @ resolvent},
                             {D: PHI * N})  # fmt: skip
    scalars = {PHI: size / total, P1: rows[0] / total, P2: rows[1] / total, LAM: 0.3, D: size}
    weight = positive(rng, size)
    matrices = {"Sigma1": sigmas[0], "Sigma2": sigmas[1], "T": weight}
    solution = solve_numerically(system, matrices, scalars)
    assert solution.converged
    e = np.ones(2)
    for _ in range(2000):
        inverse = np.linalg.inv(
            sum(r / total * x * s for r, x, s in zip(rows, e, sigmas, strict=True))
            + 0.3 * np.eye(size)
        )
        e = np.array([1 / (1 + np.trace(s @ inverse) / total) for s in sigmas])
    assert solution.outputs["plain"] == pytest.approx(np.trace(inverse @ weight) / size, rel=1e-11)
    draws = []
    for _ in range(60):
        gram = np.zeros((size, size), dtype=complex)
        for count, sigma in zip(rows, sigmas, strict=True):
            x = complex_gaussian(rng, count, size, 1 / total) @ root_of(sigma)
            gram += x.conj().T @ x
        r = np.linalg.inv(gram + 0.3 * np.eye(size))
        draws.append([np.trace(r @ weight).real, np.trace(r @ weight @ r).real])
    draws = np.array(draws) / size
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    theory = np.array([solution.outputs["plain"], solution.outputs["pair"]]).real
    assert np.all(np.abs(draws.mean(axis=0) - theory) < 4 * error)
    assert np.all(error < 5e-3 * theory)


def test_covariance_on_both_sides_in_simulation():
    rng = np.random.default_rng(2)
    size, rows = 36, 48
    left, right, inside = positive(rng, rows), positive(rng, size), positive(rng, size)
    K = Deterministic("K", N, N)
    Z = Gaussian("Z", N, D, 2 / N, left=K, right=SIGMA)
    word = (Z.T @ Z + Deterministic("A", D, D) + LAM * ONE).inverse()
    system = dyson_equations({"t": word}, {D: PHI * N})
    scalars = {PHI: size / rows, LAM: 0.25, D: size, N: rows}
    solution = solve_numerically(system, {"K": left, "Sigma": right, "A": inside}, scalars)
    draws = []
    for _ in range(60):
        z = root_of(left) @ complex_gaussian(rng, rows, size, 2 / rows) @ root_of(right)
        gram = z.conj().T @ z + inside + 0.25 * np.eye(size)
        draws.append(np.trace(np.linalg.inv(gram)).real / size)
    error = np.std(draws, ddof=1) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - solution.outputs["t"].real) < 4 * error
    assert error < 2e-3 * np.mean(draws)


def test_what_is_fitted_and_what_is_left_add_to_one():
    # tr M R + lam tr R = 1 holds before the limit; each trace has a pencil and equations of its own
    rng = np.random.default_rng(5)
    system = dyson_equations({"fitted": X.T @ X @ R, "left": LAM * R}, {D: PHI * N})
    scalars = {PHI: 1.7, LAM: 0.3, D: 6}
    found = solve_numerically(system, {"Sigma": positive(rng, 6)}, scalars).outputs
    assert found["fitted"] + found["left"] == pytest.approx(1, rel=1e-11)
    assert 0.05 < found["left"].real < 0.95


@pytest.mark.parametrize("scale", [0.2, 7.0])
def test_homogeneity_in_the_scale_of_the_population(scale):
    rng = np.random.default_rng(3)
    sigma, theta = positive(rng, 6), positive(rng, 6)
    system = dyson_equations({"t": R @ THETA @ R}, {D: PHI * N})
    base, scaled = (
        solve_numerically(
            system, {"Sigma": c * sigma, "Theta": theta}, {PHI: 1.7, LAM: c * 0.3, D: 6}
        ).outputs["t"]
        for c in (1.0, scale)
    )
    assert scaled * scale**2 == pytest.approx(base, rel=1e-10)


def test_failure_of_the_iteration_is_data():
    rng = np.random.default_rng(3)
    system = dyson_equations({"t": R}, {D: PHI * N})
    solution = solve_numerically(
        system, {"Sigma": positive(rng, 4)}, {PHI: 1.7, LAM: 0.3, D: 4}, most=3
    )
    assert not solution.converged
    assert "after 3 iterations, above the tolerance" in solution.sentence


def test_inverse_without_a_ridge_starts_elsewhere_and_says_when_it_does_not_exist():
    Z = Gaussian("Z", N, D, 1 / N)
    system = dyson_equations({"t": (Z @ Z.T).inverse()}, {D: PHI * N})
    good = solve_numerically(system, {}, {PHI: 2.5, N: 1, D: 1})
    assert good.converged
    assert good.outputs["t"] == pytest.approx(1 / 1.5, rel=1e-11)  # 1/(phi - 1)
    singular = solve_numerically(system, {}, {PHI: 0.5, N: 1, D: 1}, most=400)
    assert not singular.converged
    assert "above the tolerance" in singular.sentence
    assert np.isnan(singular.outputs["t"])


def test_wrong_requests_name_the_condition():
    with pytest.raises(ConditionError, match="Sigma is not Gaussian"):
        dyson_equations({"t": R}, {D: PHI * N}, average=[SIGMA])
    Y = Gaussian("Y", N, D, 1 / N)
    with pytest.raises(ConditionError, match="X would stay random"):
        dyson_equations({"t": R @ Y.T @ Y}, {D: PHI * N}, average=[Y])
    big = Gaussian("X", N, D, 1)
    with pytest.raises(ConditionError, match="does not cancel"):
        dyson_equations({"t": (big.T @ big + LAM * ONE).inverse()}, {D: PHI * N})
    with pytest.raises(ArgumentsError, match="square"):
        dyson_equations({"t": R @ X.T})
    with pytest.raises(ConditionError, match="named X"):
        dyson_equations({"t": R, "u": (big.T @ big + LAM * ONE).inverse()})
