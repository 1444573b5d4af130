"""The Kronecker-feature ridge of in-context linear attention, by the replica route.

arXiv 2405.11751: phi = x (x) h with covariance I (x) B, B = q + R, teacher Gamma_0 = R/B and
residual variance sigma_q^2.
"""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from derive.gaussian import GaussianLaw
from derive.index_notation import Field, Space
from derive.index_tensor import ones
from derive.replica import WEIGHT, ReplicatedAction, disorder_average
from derive.replica_saddle import (
    CHI,
    CHI_HAT,
    Q_HAT,
    Q,
    effective_ridge,
    ground_state,
    zero_temperature_ansatz,
)
from derive.spectral_trace import SpectralTrace, Spectrum, difference_vanishes, partial_fractions
from derive.spectrum_values import at_matrices

d, tau, lam, beta, sigma2, xi = sp.symbols("d tau lambda beta sigma2 xi", positive=True)
rho, q, h, source = sp.symbols("rho q h pi_s", positive=True)
n, t, c = sp.Symbol("n"), sp.Symbol("t", real=True), sp.Symbol("c", real=True)
replica = Space("replica", n)
(a,) = replica.indices("a")
PENALTY = tau * lam * WEIGHT**2 / 2
B = Spectrum("B")
b = B.eigenvalue


def kronecker_ridge(test):
    """Return the effective ridge of the Kronecker-feature regression with sources on Gamma."""
    row, column = Space("row", d), Space("column", d)
    (i,), (j,) = row.indices("i"), column.indices("j")
    phi, eta = Field("phi", (row, column)), Field("eta", ())
    gamma, gamma_0 = Field("Gamma", (replica, row, column)), Field("Gamma0", (row, column))
    covariance = Field("B", (column, column), symmetric=True)
    residual = eta() * ones(a)
    residual += (phi(i, j) * (gamma_0(i, j) * ones(a) - gamma(a, i, j))).sum(i, j) / d
    laws = GaussianLaw(phi, covariances=(None, covariance)), GaussianLaw(eta, sigma2)
    average = disorder_average(residual, laws, gamma, {gamma_0: t}, covariance, B, d**2)
    optimum = (b - q) / b
    moments = ((t**2, optimum**2), (t * c, optimum), (c**2, sp.S.One))
    prior = PENALTY + source * test * WEIGHT**2 / 2 - h * c * WEIGHT
    action = ReplicatedAction(average, prior, moments, tau, beta, B)
    state = ground_state(action.symmetric(zero_temperature_ansatz(n, beta)).replica_limit())
    return effective_ridge(state, xi, lam, (h, source))


def in_resolvents(expression):
    """Write traces over B = q + R with M, M' at z = q + xi and m at q, using tr R = 1."""
    m_z, slope, m_q = sp.symbols("M Mp m")
    table = {
        B.trace(b): 1 + q,
        B.trace(1 / (b + xi)): m_z,
        B.trace(1 / (b + xi) ** 2): -slope,
        B.trace(1 / b): m_q,
    }
    return partial_fractions(expression).xreplace(table)


def test_free_energy_of_kronecker_features_with_a_test_source():
    test = sp.Function("T")(b)
    state = kronecker_ridge(test).ground.without((h,))
    curvature = tau * lam + source * test
    optimum = (b - q) / b
    printed = (
        tau * (sigma2 + Q) / (2 * (1 + CHI))
        - Q_HAT * Q / 2
        + CHI_HAT * CHI / 2
        - CHI_HAT / 2 * B.trace(b / (Q_HAT * b + curvature))
        + B.trace(optimum**2 * Q_HAT * b * curvature / (Q_HAT * b + curvature)) / 2
    )
    # Both are linear in traces: equal when the functions under them are.
    assert sp.cancel(under_the_traces(state.expression - printed)) == 0
    assert sp.cancel(under_the_traces(state.expression - printed * sp.Rational(1001, 1000))) != 0


def under_the_traces(expression):
    """Drop the trace signs of an expression that is linear in traces."""
    return expression.replace(lambda e: isinstance(e, SpectralTrace), lambda e: e.function)


def test_kronecker_features_end_in_the_resolvent_errors():
    ridge = kronecker_ridge(1 + q)
    m_z, slope, m_q = sp.symbols("M Mp m")
    z = q + xi
    # The fixed point: xi M - tau lam / xi = 1 - tau.
    bare = in_resolvents(ridge.fixed_point.rhs)
    assert sp.cancel(xi * m_z - tau * bare / xi - (1 - tau)) == 0
    # Errors on the pretraining tasks: e_IDG = tau N / D.
    level = {sigma2: rho + q * (1 - q * m_q)}
    residual = rho + z - z**2 * m_z - xi * (1 - 2 * z * m_z - z**2 * slope)
    denominator = tau - (1 - 2 * xi * m_z - xi**2 * slope)
    e_idg = in_resolvents(ridge.error).subs(level)
    assert sp.cancel(e_idg - tau * residual / denominator) == 0
    assert sp.cancel(e_idg - tau * residual / (denominator + sp.Rational(1, 10**6))) != 0
    # Errors on a new task: e_ICL = 1 + rho - 2 tr Gamma + (1 + q) tr Gamma Gamma^T.
    e_icl = 1 + rho + 2 * in_resolvents(ridge.response(h)).subs(level)
    e_icl += 2 * in_resolvents(ridge.response(source)).subs(level)
    width = 1 - 2 * z * m_z - z**2 * slope
    second = width + residual / denominator * (m_z + xi * slope)
    assert sp.cancel(e_icl - (1 + rho - 2 * (1 - z * m_z) + (1 + q) * second)) == 0


def test_response_to_any_commuting_test_matrix():
    # 2 df/dpi = (e/tau) tr B T G^2 + tr (Gamma_0 B G)^2 T.
    test = sp.Function("T")(b)
    ridge = kronecker_ridge(test)
    expected = ridge.error / tau * B.trace(b * test / (b + xi) ** 2)
    expected += B.trace((b - q) ** 2 * test / (b + xi) ** 2)
    assert difference_vanishes(2 * ridge.response(source), expected)


def test_kronecker_errors_by_sampling():
    # Gaussian features of the assumed law, finite d: exactly the model of the replica action.
    rng = np.random.default_rng(7)
    width, tasks, ratio, bare, noise, alpha = 12, 9, 1.7, 0.08, 0.3, 2.2
    level = (1 + noise) / alpha
    sample_task = rng.normal(size=(width, tasks))
    r = sample_task @ sample_task.T / tasks
    r *= width / np.trace(r)
    covariance = r + level * np.eye(width)
    optimum = r @ np.linalg.inv(covariance)
    residual = noise + level * np.trace(optimum) / width
    eigenvalues, vectors = np.linalg.eigh(covariance)
    ridge = kronecker_ridge(1 + q)
    parameters = {tau: ratio, lam: bare, q: level, sigma2: residual}
    low, high = bare, bare + (1 + level) / ratio
    for _ in range(200):
        middle = (low + high) / 2
        value = at_matrices(ridge.fixed_point.rhs, {"B": covariance}, {**parameters, xi: middle})
        low, high = (middle, high) if value < bare else (low, middle)
    parameters[xi] = (low + high) / 2
    expected = at_matrices(ridge.error, {"B": covariance}, parameters)
    count = round(ratio * width**2)
    root = vectors * np.sqrt(eigenvalues)
    errors = []
    for _ in range(40):
        h_rows = rng.normal(size=(count, width, width)) @ root.T
        features = h_rows.reshape(count, -1)
        labels = features @ optimum.ravel() / math.sqrt(width)
        labels += math.sqrt(residual) * rng.normal(size=count)
        gram = features.T @ features / count + bare * np.eye(width**2)
        weights = np.linalg.solve(gram, features.T @ labels / count)
        miss = (weights - optimum.ravel() / math.sqrt(width)).reshape(width, width)
        errors.append(residual + np.trace(miss @ covariance @ miss.T))
    errors = np.array(errors)
    # With d^2 = 144 modes the limit is off by O(1/d^2), here allowed at 1/144 of the value.
    allowed = 4 * errors.std(ddof=1) / math.sqrt(len(errors)) + expected / width**2
    assert abs(errors.mean() - expected) < allowed
