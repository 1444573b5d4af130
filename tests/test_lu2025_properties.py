"""Properties of the errors of Lu et al. over their whole domain."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import derivations

QUICK = settings(derandomize=True, deadline=None, max_examples=30)


def decades(low, high):
    """Doubles spread evenly over powers of ten."""
    return st.floats(low, high).map(lambda x: float(10.0**x))


tau, alpha, kappa = decades(-2, 2), decades(-2, 3), decades(-2, 2)
rho, lam = decades(-3, 1), st.one_of(st.just(0.0), decades(-6, 1))
away = tau.filter(lambda x: abs(x - 1) > 1e-3)


def formula(id, name=None):
    d = derivations.get(f"lu2025.{id}")
    return d.result if name is None else d.results[name]


@QUICK
@given(tau=away, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
def test_errors_exceed_the_residual_of_the_optimum(tau, alpha, kappa, rho, lam):
    point = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
    icl, idg = (float(formula(f"{n}_error")(**point)) for n in ("icl", "idg"))
    residual = float(formula("training_statistics")(alpha=alpha, kappa=kappa, rho=rho))
    # The residual of the population optimum bounds every estimator on the pretraining tasks.
    assert idg >= residual * (1 - 1e-14) > rho * (1 - 1e-14)
    # On new tasks the best linear attention is that of infinitely many tasks.
    q = (1 + rho) / alpha
    assert icl >= (rho + q / (1 + q)) * (1 - 1e-14)


@QUICK
@given(tau=away, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
def test_the_gap_is_the_difference_of_the_errors(tau, alpha, kappa, rho, lam):
    point = {k: F(v) for k, v in dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho, lam=lam).items()}
    icl, idg, gap = (
        formula(n).ball(bits=120, **point)
        for n in ("icl_error", "idg_error", "task_generalization_gap")
    )
    difference = icl.midpoint - idg.midpoint
    assert abs(gap.midpoint - difference) <= gap.radius + icl.radius + idg.radius
    double = float(formula("task_generalization_gap")(**{k: float(v) for k, v in point.items()}))
    assert double == pytest.approx(float(gap), rel=1e-9, abs=1e-12)


@QUICK
@given(tau=away, alpha=alpha, kappa=kappa, rho=rho)
def test_a_vanishing_ridge_is_no_ridge(tau, alpha, kappa, rho):
    point = dict(tau=F(tau), alpha=F(alpha), kappa=F(kappa), rho=F(rho))
    for name in ("icl", "idg"):
        limit = formula(f"{name}_error_ridgeless").ball(bits=140, **point).midpoint
        errors = [
            formula(f"{name}_error").ball(bits=140, lam=F(1, 10**k), **point).midpoint - limit
            for k in (24, 25)
        ]
        # first order in lam: a ridge that is ten times smaller is ten times closer
        assert abs(errors[0] / errors[1] - 10) < F(1, 10**3)


@QUICK
@given(tau=away, alpha=alpha, rho=rho, lam=lam)
def test_many_tasks_make_both_errors_one(tau, alpha, rho, lam):
    point = dict(tau=F(tau), alpha=F(alpha), rho=F(rho), lam=F(lam))
    one = formula("fresh_tasks").ball(bits=120, **point).midpoint
    for name in ("icl", "idg"):
        at_infinity = formula(f"{name}_error").ball(bits=120, kappa="inf", **point)
        assert abs(at_infinity.midpoint - one) <= one / 2**100
    gaps = [
        formula("task_generalization_gap").ball(bits=120, kappa=F(10) ** k, **point).midpoint
        for k in (8, 9)
    ]
    assert formula("task_generalization_gap").ball(kappa="inf", **point).midpoint == 0
    assert abs(gaps[1]) < abs(gaps[0]) < one / 10**4 or gaps[0] == 0


@QUICK
@given(tau=away, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
def test_all_evaluators_agree(tau, alpha, kappa, rho, lam):
    point = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho, lam=lam)
    exact = {k: F(v) for k, v in point.items()}
    for id in ("icl_error", "idg_error"):
        ball = formula(id).ball(bits=150, **exact).midpoint
        double = F(float(formula(id)(**point)))
        high, low = _double_double(id)(**point)
        assert abs(double - ball) <= ball * F(1, 10**13)
        assert abs(F(float(high)) + F(float(low)) - ball) <= ball * F(1, 10**27)


_KERNELS = {}


def _double_double(id):
    if id not in _KERNELS:
        _KERNELS[id] = formula(id).compile(precision="double-double")
    return _KERNELS[id]


@QUICK
@given(alpha=alpha, rho=rho, tau=away, kappa=kappa)
def test_nothing_beats_bayes(alpha, rho, tau, kappa):
    bayes = float(formula("bayes_ridge_error")(alpha=alpha, rho=rho))
    assert rho < bayes < 1 + rho
    error = float(formula("icl_error_ridgeless")(tau=tau, alpha=alpha, kappa=kappa, rho=rho))
    assert error >= bayes * (1 - 1e-14)


@QUICK
@given(alpha=alpha, kappa=kappa, rho=rho, tau=decades(0.01, 2))
def test_longer_contexts_help_on_pretraining_tasks_above_the_threshold(alpha, kappa, rho, tau):
    error = formula("idg_error_ridgeless")
    point = dict(tau=tau, kappa=kappa, rho=rho)
    values = error(alpha=alpha * np.array([1.0, 1.1, 2.0]), **point)
    assert np.all(np.diff(values) < 0)


def test_the_replica_route_is_the_resolvent_route():
    for name in ("icl_error", "idg_error"):
        assert formula("replica_route", name).program.key == formula(name).program.key
