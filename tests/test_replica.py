"""The replica route of ridge regression and of Kronecker features, against the resolvent route."""

from __future__ import annotations

import pytest
import sympy as sp

from derive.deterministic_equivalent import (
    SampleCovariance,
    resolvent_sample_resolvent,
    two_resolvents,
)
from derive.errors import ArgumentsError, ConditionError
from derive.gaussian import GaussianLaw, gaussian_integral
from derive.index_notation import Field, Space
from derive.index_tensor import ones
from derive.replica import (
    LEFT,
    RIGHT,
    WEIGHT,
    ReplicaSymmetry,
    ReplicatedAction,
    disorder_average,
    mode_mean,
)
from derive.replica_matrix import ReplicaSymmetricMatrix
from derive.replica_saddle import (
    CHI,
    CHI_HAT,
    Q_HAT,
    Q,
    effective_ridge,
    ground_state,
    linear_root,
    zero_temperature_ansatz,
)
from derive.spectral_trace import Spectrum, difference_vanishes

size, d, tau, lam, beta, sigma2, xi = sp.symbols("p d tau lambda beta sigma2 xi", positive=True)
rho, q, h, source = sp.symbols("rho q h pi_s", positive=True)
n, t, c = sp.Symbol("n"), sp.Symbol("t", real=True), sp.Symbol("c", real=True)
replica = Space("replica", n)
(a,) = replica.indices("a")
Sigma, Theta = Spectrum("Sigma"), sp.Symbol("Theta")
TEACHER = Sigma.test(Theta)
s = Sigma.eigenvalue
PENALTY = tau * lam * WEIGHT**2 / 2


def ridge_average():
    """Average the residual of ridge regression with covariance Sigma, noise sigma2."""
    mode = Space("mode", size)
    (k,) = mode.indices("k")
    phi, eta = Field("phi", (mode,)), Field("eta", ())
    weights, teacher = Field("u", (replica, mode)), Field("u0", (mode,))
    covariance = Field("Sigma", (mode, mode), symmetric=True)
    residual = eta() * ones(a)
    residual += (phi(k) * (teacher(k) * ones(a) - weights(a, k))).sum(k) / sp.sqrt(size)
    laws = GaussianLaw(phi, covariances=(covariance,)), GaussianLaw(eta, sigma2)
    return disorder_average(residual, laws, weights, {teacher: t}, covariance, Sigma, size)


def ridge_state(moment, prior=PENALTY):
    """Return the ground state of ridge regression with the teacher's second moment."""
    action = ReplicatedAction(ridge_average(), prior, ((t**2, moment),), tau, beta, Sigma)
    return ground_state(action.symmetric(zero_temperature_ansatz(n, beta)).replica_limit())


def test_overlap_comes_from_the_disorder_average():
    average = ridge_average()
    assert average.noise == sigma2
    assert sp.expand(average.kernel - s * (t - LEFT) * (t - RIGHT)) == 0
    assert average.overlap.terms and len(average.covariance.terms) == 5


def test_free_energy_and_saddle_point_of_ridge_regression():
    state = ridge_state(TEACHER)
    assert "invariant under permutations" in state.free_energy.symmetric.ansatz.statement
    printed = (
        tau * (sigma2 + Q) / (2 * (1 + CHI))
        - Q_HAT * Q / 2
        + CHI_HAT * CHI / 2
        - CHI_HAT / 2 * Sigma.trace(s / (Q_HAT * s + tau * lam))
        + tau * lam / 2 * Sigma.trace(Q_HAT * s / (Q_HAT * s + tau * lam), Theta)
    )
    assert difference_vanishes(state.expression, printed)
    assert not difference_vanishes(state.expression, printed + Q / 1000)
    resolvent = 1 / (Q_HAT * s + tau * lam)
    expected = {
        Q_HAT: tau / (1 + CHI),
        CHI_HAT: tau * (sigma2 + Q) / (1 + CHI) ** 2,
        CHI: Sigma.trace(s * resolvent),
        Q: CHI_HAT * Sigma.trace(s**2 * resolvent**2)
        + (tau * lam) ** 2 * Sigma.trace(s * resolvent**2, Theta),
    }
    saddle = state.saddle_point()
    assert {equation.lhs for equation in saddle} == set(expected)
    for equation in saddle:
        assert difference_vanishes(equation.rhs, expected[equation.lhs])


def test_symmetric_action_equals_the_explicit_one_at_integer_n():
    # Direct Gaussian integration over two and three replicas, no replica algebra.
    prior = PENALTY + source * s * WEIGHT**2 / 2 - h * t * WEIGHT + 3 * h
    action = ReplicatedAction(ridge_average(), prior, ((t**2, TEACHER),), tau, beta, Sigma)
    p_q, q_q, p_r, q_r = sp.symbols("p_q q_q p_r q_r", positive=True)
    ansatz = ReplicaSymmetry(
        ReplicaSymmetricMatrix(p_q, q_q, n), ReplicaSymmetricMatrix(p_r, -q_r, n)
    )
    symmetric = action.symmetric(ansatz)
    names = (p_q, q_q, p_r, q_r, tau, lam, beta, sigma2, s, t, h, source)
    values = "3/7 5/3 11/5 2/9 7/4 3/8 13/6 4/11 6/5 -8/7 1/3 5/8".split()
    point = dict(zip(names, map(sp.Rational, values), strict=True))
    for count in (2, 3):
        explicit = action.explicit(ansatz.overlap.explicit(count), ansatz.conjugate.explicit(count))
        for mine, direct in zip((symmetric.order, symmetric.mode), explicit, strict=True):
            difference = mine.subs(n, count) - direct
            assert abs(sp.N(difference.subs(point), 40)) < sp.Rational(10) ** -35


def test_energy_factor_is_the_gaussian_average_of_the_boltzmann_weight():
    # E exp(-beta (e_1^2 + e_2^2)/2) for any covariance, by direct integration.
    e_1, e_2 = sp.symbols("e_1 e_2", real=True)
    first, second, cross = sp.Rational(7, 3), sp.Rational(5, 2), sp.Rational(4, 5)
    overlap = sp.ImmutableMatrix([[first, cross], [cross, second]])
    action = ReplicatedAction(ridge_average(), PENALTY, ((t**2, TEACHER),), tau, beta, Sigma)
    order, _ = action.explicit(overlap, sp.ImmutableMatrix(sp.zeros(2, 2)))
    covariance = sp.Matrix(overlap) + sigma2 * sp.ones(2, 2)
    vector = sp.Matrix([e_1, e_2])
    weight = -(vector.T * covariance.inv() * vector)[0] / 2
    boltzmann = gaussian_integral(weight - beta * (e_1**2 + e_2**2) / 2, [e_1, e_2]).value
    norm = gaussian_integral(weight, [e_1, e_2]).value
    point = {sigma2: sp.Rational(3, 7), beta: sp.Rational(9, 4), tau: sp.Rational(8, 5)}
    difference = (order - tau * sp.log(boltzmann / norm)).subs(point)
    assert abs(sp.N(difference, 30)) < sp.Rational(10) ** -25


def test_effective_ridge_of_ridge_regression_equals_the_resolvent_route():
    state = ridge_state(TEACHER)
    ridge = effective_ridge(state, xi, lam)
    phi = sp.Symbol("phi", positive=True)
    sample = SampleCovariance(Sigma, phi, lam, xi)
    fixed = sample.effective_ridge.subs(phi, 1 / tau)
    assert difference_vanishes(ridge.fixed_point.rhs, linear_root(fixed.lhs - fixed.rhs, lam))
    population = Sigma.function(s)
    bias = lam**2 * two_resolvents(sample, Theta).trace(population)
    variance = phi * sigma2 * resolvent_sample_resolvent(sample).trace(population)
    # Both routes in terms of xi: the bare ridge is eliminated by the fixed point.
    resolvents = (sigma2 + bias + variance).subs(phi, 1 / tau)
    resolvents = resolvents.subs(lam, ridge.fixed_point.rhs)
    assert difference_vanishes(ridge.error, resolvents)
    assert not difference_vanishes(ridge.error, resolvents + sigma2 / 10**6)


def test_the_bayes_ridge_is_the_best_one():
    # for every spectrum: the error is stationary in the ridge at tau lam = sigma2/rho
    ridge = effective_ridge(ridge_state(rho), xi, lam)
    slope = ridge.error.diff(xi)
    at_bayes = slope.subs(sigma2, rho * tau * ridge.fixed_point.rhs)
    assert difference_vanishes(at_bayes, sp.S.Zero)
    assert not difference_vanishes(
        slope.subs(sigma2, 2 * rho * tau * ridge.fixed_point.rhs), sp.S.Zero
    )


def test_nishimori_at_finite_temperature():
    # Posterior sampling, beta = 1: a saddle point has Q_aa = 2 Q_ab and opposite conjugates.
    p_q, q_q, p_r, q_r = sp.symbols("p_q q_q p_r q_r", positive=True)
    ansatz = ReplicaSymmetry(
        ReplicaSymmetricMatrix(p_q, q_q, n), ReplicaSymmetricMatrix(p_r, -q_r, n)
    )
    average = ridge_average()
    bayes_ridge = sigma2 / rho
    action = ReplicatedAction(
        average, bayes_ridge * WEIGHT**2 / 2, ((t**2, rho),), tau, beta, Sigma
    )
    free = action.symmetric(ansatz).replica_limit()
    posterior = {beta: 1 / sigma2}
    nishimori = {p_q: q_q, p_r: q_r}
    derivatives = {}
    for name in (p_q, q_q, p_r, q_r):
        mode = free.mode.diff(name).subs(posterior).subs(nishimori)
        order = free.order.diff(name).subs(posterior).subs(nishimori)
        derivatives[name] = order + mode_mean(mode, action.moments, Sigma)
    # Two independent conditions fix Q_ab and its conjugate; the other two then hold.
    conjugate = linear_root(derivatives[q_q], q_r)
    assert sp.cancel(derivatives[p_q].subs(q_r, conjugate)) == 0
    overlap = linear_root(derivatives[q_r], q_q)
    assert difference_vanishes(derivatives[p_r].subs(q_q, overlap), sp.S.Zero)
    assert sp.cancel(conjugate - tau / (sigma2 + q_q)) == 0


def test_refusals():
    average = ridge_average()
    with pytest.raises(ConditionError, match="quadratic"):
        ReplicatedAction(average, WEIGHT**4, (), tau, beta, Sigma)
    unscaled = ReplicaSymmetry(ReplicaSymmetricMatrix(CHI, Q, n), ReplicaSymmetricMatrix(Q, CHI, n))
    action = ReplicatedAction(average, PENALTY, ((t**2, TEACHER),), tau, beta, Sigma)
    free = action.symmetric(unscaled).replica_limit()
    with pytest.raises(ConditionError, match="overlap differences"):
        ground_state(free)
    missing = ReplicatedAction(
        average, PENALTY - h * c * WEIGHT, ((c * t, TEACHER),), tau, beta, Sigma
    )
    with pytest.raises(ConditionError, match="moment of"):
        _ = missing.symmetric(zero_temperature_ansatz(n, beta)).replica_limit().expression
    with pytest.raises(ConditionError, match="for all modes"):
        effective_ridge(ridge_state(TEACHER, PENALTY + s * WEIGHT**2 / 2), xi, lam)
    three = ReplicaSymmetricMatrix(p=CHI, q=Q, n=sp.Integer(3))
    with pytest.raises(ArgumentsError, match="symbol"):
        action.symmetric(ReplicaSymmetry(three, three)).replica_limit()


def test_disorder_average_refuses_what_is_no_overlap():
    mode = Space("mode", size)
    (k,) = mode.indices("k")
    phi, psi = Field("phi", (mode,)), Field("psi", (mode,))
    weights, covariance = Field("u", (replica, mode)), Field("S", (mode, mode), symmetric=True)
    law = GaussianLaw(phi, covariances=(covariance,))

    def averaged(residual, scale=size):
        return disorder_average(residual, (law,), weights, {}, covariance, Sigma, scale)

    good = (phi(k) * weights(a, k)).sum(k) / sp.sqrt(size)
    assert averaged(good).kernel == s * LEFT * RIGHT
    with pytest.raises(ConditionError, match="no weight, amplitude"):
        averaged((psi(k) * weights(a, k)).sum(k))
    with pytest.raises(ConditionError, match="joined by the covariance"):
        averaged((phi(k) * weights(a, k) * weights(a, k)).sum(k))
    with pytest.raises(ConditionError, match="number of modes"):
        averaged(good, size**2)
    with pytest.raises(ArgumentsError, match="exactly one index"):
        averaged((phi(k) * phi(k)).sum(k))
