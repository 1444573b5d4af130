"""One and two resolvents of O B O^T A: identities, special cases, and Haar simulation."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import brentq

from derive import rotated_product
from derive.deterministic_equivalent import (
    SampleCovariance,
    resolvent_sample_resolvent,
    two_resolvents,
)
from derive.errors import ArgumentsError
from derive.rotated_product import (
    RotatedProduct,
    rotated_one_resolvent,
    rotated_two_resolvents,
    self_energy_difference,
    transform_difference,
)
from derive.spectral_trace import Spectrum, difference_vanishes
from derive.spectrum_values import at_atoms, at_matrices

A, B = Spectrum("A"), Spectrum("B")
Z, PSI, Z_B, Z2, PSI2, Z_B2 = sp.symbols("z Psi z_B z' Psi' z_B'", positive=True)
Q, W = sp.symbols("Q W")
PRODUCT = RotatedProduct(A, B, Z, PSI, Z_B)
TWIN = RotatedProduct(A, B, Z2, PSI2, Z_B2)


def self_energy(a: np.ndarray, b: np.ndarray, z: float) -> tuple[float, float]:
    """Solve tr A/(z + Psi A) = tr 1/(z_B + B), Psi = 1/g - z_B, by bisection in Psi."""

    def rotated_frequency(g: float) -> float:
        return brentq(lambda x: np.mean(1 / (x + b)) - g, -b.min() + 1e-13, 1e13, xtol=1e-15)

    def gap(psi: float) -> float:
        g = np.mean(a / (z + psi * a))
        return psi - (1 / g - rotated_frequency(g))

    low, high = 1e-9, b.max()
    psi = brentq(gap, low, high, xtol=1e-15, rtol=1e-15)
    return psi, rotated_frequency(np.mean(a / (z + psi * a)))


def values_at(a, b, z: float, z2: float) -> dict:
    psi, z_b = self_energy(a, b, z)
    psi2, z_b2 = self_energy(a, b, z2)
    return {Z: z, PSI: psi, Z_B: z_b, Z2: z2, PSI2: psi2, Z_B2: z_b2}


def test_docstring_examples():
    assert doctest.testmod(rotated_product).failed == 0


def test_product_rule_of_the_tau_transforms():
    # tau = tr A F' s response times Psi; z_A z_B = (1 - tau)/tau z, with z_A = z/Psi
    a, b = np.array([0.5, 1.0, 3.0, 4.0]), np.array([0.2, 0.9, 2.0, 5.0])
    psi, z_b = self_energy(a, b, 0.7)
    tau = np.mean(a / (0.7 / psi + a))
    assert tau == pytest.approx(np.mean(b / (z_b + b)), rel=1e-10)
    assert 0.7 / psi * z_b == pytest.approx((1 - tau) / tau * 0.7, rel=1e-10)


def test_projector_has_its_closed_form():
    share = sp.Rational(2, 5)
    tau = sp.Symbol("tau", positive=True)
    g = at_atoms(PRODUCT.rotated_response, B, {0: 1 - share, 1: share})
    # with z_B = (1/tau - 1) Psi and g = tau/Psi
    equation = sp.together((g - tau / PSI).subs(Z_B, (1 / tau - 1) * PSI))
    (root,) = [r for r in sp.solve(sp.fraction(equation)[0], PSI) if r != 0]
    assert sp.simplify(root - (share - tau) / (1 - tau)) == 0


def test_difference_of_the_transform_is_a_divided_difference():
    rate = transform_difference(PRODUCT, TWIN)
    own = 1 / PRODUCT.rotated_response - Z_B
    other = 1 / TWIN.rotated_response - Z_B2
    gap = TWIN.rotated_response - PRODUCT.rotated_response
    assert difference_vanishes(rate * gap, own - other)
    assert not difference_vanishes(-rate * gap, own - other)


def test_self_energy_difference_matches_the_numbers_and_the_derivative():
    a, b = np.array([0.5, 1.0, 3.0, 4.0]), np.array([0.2, 0.9, 2.0, 5.0])
    matrices = {"A": np.diag(a), "B": np.diag(b)}
    values = values_at(a, b, 0.7, 1.9)
    slope = at_matrices(self_energy_difference(PRODUCT, TWIN), matrices, values)
    assert slope == pytest.approx((values[PSI] - values[PSI2]) / (0.7 - 1.9), rel=1e-9)
    step = 1e-4
    low, high = (self_energy(a, b, 0.7 + h)[0] for h in (-step, step))
    same = at_matrices(self_energy_difference(PRODUCT, PRODUCT), matrices, values)
    assert same == pytest.approx((high - low) / (2 * step), rel=1e-6)


def test_boxed_form_of_the_two_point_rule():
    # Phi = (Delta Psi/Delta z) tr A F Q F' A / tr A F F'
    after = rotated_two_resolvents(PRODUCT, Q, TWIN).trace(A.test(W))
    a = A.eigenvalue
    pair = PRODUCT.resolvent * TWIN.resolvent
    phi = self_energy_difference(PRODUCT, TWIN) * A.trace(a**2 * pair, Q) / A.trace(a * pair)
    left, right = A.function(PRODUCT.resolvent), A.function(TWIN.resolvent)
    boxed = (left @ (A.test(Q) + A.test(None).times(phi)) @ right @ A.test(W)).trace()
    assert difference_vanishes(after, boxed)
    half = (left @ (A.test(Q) + A.test(None).times(phi / 2)) @ right @ A.test(W)).trace()
    assert not difference_vanishes(after, half)


def test_inverse_of_the_fixed_matrix_gives_the_resolvent_identity():
    # Q = 1/A: (z + SA)^-1 A^-1 (z' + AS)^-1 = -A^-1 (F - F')/(z - z')
    inside = A.function(1 / A.eigenvalue)
    after = rotated_two_resolvents(PRODUCT, inside, TWIN).trace(A.test(W))
    a, b = np.array([0.5, 1.0, 3.0, 4.0]), np.array([0.2, 0.9, 2.0, 5.0])
    values = values_at(a, b, 0.7, 1.9)
    weight = np.random.default_rng(0).normal(size=(4, 4))
    got = at_matrices(after, {"A": np.diag(a), "B": np.diag(b), "W": weight}, values)
    f, f2 = (1 / (z + values[p] * a) for z, p in ((0.7, PSI), (1.9, PSI2)))
    expected = np.mean(np.diag(weight) / a * -(f - f2) / (0.7 - 1.9))
    assert got == pytest.approx(expected, rel=1e-9)


def test_identity_rotated_is_no_randomness():
    after = rotated_two_resolvents(PRODUCT, Q, TWIN).trace(A.test(W))
    bare = at_atoms(after, B, {1: 1})
    left, right = A.function(PRODUCT.resolvent), A.function(TWIN.resolvent)
    assert difference_vanishes(bare, (left @ A.test(Q) @ right @ A.test(W)).trace())


def test_scale_of_either_factor_is_homogeneous():
    a, b = np.array([0.5, 1.0, 3.0, 4.0]), np.array([0.2, 0.9, 2.0, 5.0])
    after = rotated_two_resolvents(PRODUCT, Q, TWIN).trace(A.test(W))
    rng = np.random.default_rng(3)
    tests = {"Q": rng.normal(size=(4, 4)), "W": rng.normal(size=(4, 4))}
    base = at_matrices(after, {"A": np.diag(a), "B": np.diag(b)} | tests, values_at(a, b, 0.7, 1.9))
    for c_a, c_b in ((3.0, 1.0), (1.0, 0.4), (2.0, 5.0)):
        c = c_a * c_b
        values = values_at(c_a * a, c_b * b, 0.7 * c, 1.9 * c)
        scaled = at_matrices(after, {"A": np.diag(c_a * a), "B": np.diag(c_b * b)} | tests, values)
        assert scaled * c**2 == pytest.approx(base, rel=1e-9)


def test_stranger_is_refused():
    with pytest.raises(ArgumentsError, match="one random matrix"):
        rotated_two_resolvents(PRODUCT, Q, RotatedProduct(Spectrum("C"), B, Z2, PSI2, Z_B2))


def haar_unitary(rng: np.random.Generator, size: int) -> np.ndarray:
    z = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    q, r = np.linalg.qr(z)
    return q * (np.diag(r) / np.abs(np.diag(r)))


def test_haar_simulation_with_noncommuting_test_matrices():
    rng = np.random.default_rng(17)
    size, z, z2 = 50, 0.6, 1.7
    frame = np.linalg.qr(rng.normal(size=(size, size)))[0]
    a, b = rng.uniform(0.2, 3, size), np.where(np.arange(size) < 20, 0.0, rng.uniform(1, 4, size))
    fixed = (frame * a) @ frame.T
    q = rng.normal(size=(size, size))
    q, w = q @ q.T / size, fixed @ q @ fixed / size + np.eye(size)
    values = values_at(a, b, z, z2)
    matrices = {"A": fixed, "B": np.diag(b), "Q": q, "W": w}
    pair = rotated_two_resolvents(PRODUCT, Q, TWIN).trace(A.test(W))
    single = rotated_one_resolvent(PRODUCT).trace(A.test(W))
    theory = np.real([at_matrices(e, matrices, values) for e in (single, pair)])
    draws = []
    for _ in range(80):
        o = haar_unitary(rng, size)
        s = (o * b) @ o.conj().T
        left = np.linalg.inv(z * np.eye(size) + s @ fixed)
        right = np.linalg.inv(z2 * np.eye(size) + fixed @ s)
        draws.append([np.trace(left @ w), np.trace(left @ q @ right @ w)])
    draws = np.real(np.array(draws)) / size
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - theory) < 4 * error)
    f, f2 = (np.linalg.inv(x * np.eye(size) + values[p] * fixed) for x, p in ((z, PSI), (z2, PSI2)))
    naive = np.trace(f @ q @ f2 @ w) / size
    assert abs(draws[:, 1].mean() - naive) > 20 * error[1]


def test_width_and_context_kernel_of_the_in_context_model():
    """Rotate B against a sample covariance: compose both rules, compare with the closed kernel."""
    rng = np.random.default_rng(4)
    size, width, context, z, z2 = 40, 26, 31, 0.37, 1.21
    lam, omega = rng.uniform(0.1, 3, size), rng.uniform(0.1, 2, size)

    def closed(z, kappa):
        t = np.sum(lam / (kappa + lam))
        psi, s = (width - t) / (size - t), 1 - t / context
        return t, psi, s, kappa * s * psi - z

    def kappa_of(z):
        low = brentq(lambda k: np.sum(lam / (k + lam)) - min(width, context), 1e-12, 1e9)
        return brentq(lambda k: closed(z, k)[3], low, 1e9, xtol=1e-15, rtol=1e-14)

    kappa, kappa2 = kappa_of(z), kappa_of(z2)
    (t, psi, s, _), (t2, psi2, s2, _) = closed(z, kappa), closed(z2, kappa2)
    # the closed kernel
    r, r2 = 1 / (kappa + lam), 1 / (kappa2 + lam)
    big_t, chi = np.sum(lam * r * r2), np.sum(lam**2 * r * r2) / context
    a_, b_ = np.sum(omega * lam * r * r2), np.sum(omega * lam**2 * r * r2)
    slope = -big_t * (width - size) / ((size - t) * (size - t2))
    dz = (1 - chi) * psi + kappa2 * s2 * slope
    first = a_ / (1 - chi)
    kernel = first + slope / dz * (b_ + kappa * kappa2 * big_t / context * first)
    kernel /= psi * psi2 * s * s2
    # composed from the rules of the engine: hat F = (1/Psi)(z/Psi + sample)^-1
    population = Spectrum("Lambda")
    names = sp.symbols("phi l kappa l2 kappa2", positive=True)
    one = SampleCovariance(population, *names[:3])
    two = SampleCovariance(population, names[0], *names[3:])
    omega_symbol = sp.Symbol("Omega")
    point = {names[0]: size / context, names[1]: z / psi, names[2]: kappa}
    point |= {names[3]: z2 / psi2, names[4]: kappa2}
    matrices = {"Lambda": np.diag(lam), "Omega": np.diag(omega)}

    def number(expression):
        return size * at_matrices(sp.sympify(expression), matrices, point) / (psi * psi2)

    weight = population.function(population.eigenvalue)
    teacher = number(two_resolvents(one, omega_symbol, two).trace(weight))
    plain = number(two_resolvents(one, None, two).trace(weight))
    trained = number(resolvent_sample_resolvent(one, two).trace())
    # Omega hat F' sample^2 hat F = Omega (1 - z' R')(1 - z R)/(Psi Psi'), cyclically
    from derive.deterministic_equivalent import one_resolvent

    identity = population.function(sp.Integer(1))
    square = identity - one_resolvent(one).after.times(names[1])
    square = square - one_resolvent(two).after.times(names[3])
    square = square + two_resolvents(two, None, one).after.times(names[1] * names[3])
    numerator = number((square @ population.test(omega_symbol)).trace())
    quotient = (psi - psi2) / (z - z2)
    assert teacher + quotient * numerator / trained * plain == pytest.approx(kernel, rel=1e-9)
