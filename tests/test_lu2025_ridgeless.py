"""The ridgeless errors against the full formulas, their printed forms, and published mistakes."""

from __future__ import annotations

import itertools
from fractions import Fraction as F

import numpy as np
import pytest

import derivations
from numerics.population import new_task_moments
from numerics.prompts import sample_prompts_token_by_token
from numerics.sampling import draw_tasks

NAMES = ("icl", "idg")


def full(name):
    return derivations.get(f"lu2025.{name}_error").result


def ridgeless(name):
    return derivations.get(f"lu2025.{name}_error_ridgeless")


def agree(a, b):
    return abs(a.midpoint - b.midpoint) <= a.radius + b.radius


GRID = list(
    itertools.product(
        ("0.2", "0.97", "1.125", "7"), ("0.01", "3", "1e6"), ("0.1", "1", "3", "inf"), ("0", "0.3")
    )
)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_is_the_full_formula_at_zero_ridge(name):
    for tau, alpha, kappa, rho in GRID:
        point = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho)
        a = ridgeless(name).result.ball(bits=120, **point)
        assert a.radius < a.midpoint / 2**110
        assert agree(a, full(name).ball(bits=120, lam=0, **point)), point


@pytest.mark.parametrize("name", NAMES)
def test_the_printed_forms_are_the_recipe(name):
    for tau, alpha, kappa, rho in GRID:
        if kappa == "inf":
            continue
        point = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho)
        a = ridgeless(name).result.ball(bits=120, **point)
        side = "below" if float(tau) < 1 else "above"
        assert agree(a, ridgeless(name).results[side].ball(bits=120, **point)), point
        wrong = "above" if side == "below" else "below"
        with pytest.raises(ValueError, match=r"tau [<>] 1"):
            ridgeless(name).results[wrong].ball(bits=120, **point)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_keeps_all_digits_where_the_printed_form_loses_them(name):
    rng = np.random.default_rng(5)
    count = 400
    point = dict(
        tau=np.exp(rng.uniform(-4, 4, count)),
        alpha=10 ** rng.uniform(-6, 12, count),
        kappa=10 ** rng.uniform(-3, 4, count),
        rho=10 ** rng.uniform(-3, 1, count),
    )
    values = ridgeless(name).result(**point)
    worst = 0.0
    for i in range(count):
        ball = ridgeless(name).result.ball(bits=90, **{k: F(v[i]) for k, v in point.items()})
        worst = max(worst, abs(float((F(float(values[i])) - ball.midpoint) / ball.midpoint)))
    assert worst < 3e-15
    hard = dict(tau=24.0, alpha=1e-6, kappa=0.067, rho=0.225)
    exact = ridgeless("icl").result.ball(**{k: F(v) for k, v in hard.items()})
    printed = float(ridgeless("icl").results["above"](**hard))
    recipe = float(ridgeless("icl").result(**hard))
    assert abs(recipe / float(exact) - 1) < 1e-15
    assert abs(printed / float(exact) - 1) > 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_both_errors_are_infinite_at_the_threshold(name):
    point = dict(tau=1, alpha=2, kappa=3, rho="0.1")
    assert ridgeless(name).result.ball(**point).infinity == 1
    assert ridgeless(name).result(**{k: float(v) for k, v in point.items()}) == np.inf


def test_the_root_saturates_at_what_the_samples_allow():
    root = derivations.get("lu2025.ridgeless_root")
    for tau, alpha, kappa, rho in GRID:
        if kappa == "inf":
            continue
        point = dict(tau=tau, alpha=alpha, kappa=kappa, rho=rho)
        t = root.results["degrees_of_freedom"].ball(bits=120, **point)
        top = min(F(tau), F(1))
        q = (1 + F(rho)) / F(alpha)
        residue = (top - t.midpoint) * (F(kappa) - t.midpoint) - F(kappa) * q * t.midpoint
        scale = top * F(kappa) + F(kappa) * q * t.midpoint
        assert abs(residue) < scale / 2**100
        assert t.midpoint < min(top, F(kappa))
        with_ridge = derivations.get("lu2025.degrees_of_freedom").result
        assert agree(t, with_ridge.ball(bits=120, lam=0, **point))


# Misprints of published formulas: the printed version must fail where ours holds.


def test_the_printed_limit_of_few_tasks_is_wrong():
    """Published: 1 + rho - rho tau/(tau-1) alpha/(1+rho), which falls with the context length."""
    alpha, rho, tau = 4.0, 0.5, 3.0
    exact = float(ridgeless("icl").result(tau=tau, alpha=alpha, kappa=1e-9, rho=rho))
    law = float(derivations.get("lu2025.single_task").results["icl"](tau=tau, alpha=alpha, rho=rho))
    printed = 1 + rho - rho * tau / (tau - 1) * alpha / (1 + rho)
    assert law == pytest.approx(exact, rel=1e-7)
    assert abs(printed / exact - 1) > 0.5
    assert printed < 0 or printed < 1 + rho < law


def test_a_small_effective_ridge_is_not_the_ridge():
    """At small lam and tau > 1 the effective ridge is lam tau/(tau-1), not lam."""
    formula = derivations.get("lu2025.effective_ridge").result
    tau, lam = F(3, 2), F(1, 10**9)
    xi = formula.ball(tau=tau, alpha=2, kappa="0.7", rho="0.2", lam=lam).midpoint
    assert abs(xi / (lam * tau / (tau - 1)) - 1) < F(1, 10**7)
    assert abs(xi / lam - 1) > 1


def test_the_pretraining_error_is_not_its_share_of_tau():
    """A published calculation calls e_IDG/tau the error on the pretraining tasks."""
    point = dict(tau=3.0, alpha=2.0, kappa=0.7, rho=0.2)
    error = float(ridgeless("idg").result(**point))
    floor = float(
        derivations.get("lu2025.training_statistics").result(alpha=2.0, kappa=0.7, rho=0.2)
    )
    assert error > floor > error / 3.0


def test_the_last_moment_of_spherical_tasks_has_a_squared_sum():
    """E h_2^2 = (1 + 2/l)(1 + rho)^2, and not with 1 + rho^2 as printed."""
    d, length, rho, count = 6, 9, 0.7, 40_000
    tasks = draw_tasks(count, d, 3, law="spherical")
    prompts = sample_prompts_token_by_token(tasks, np.arange(count), length, rho, 4)
    squares = prompts.contexts[:, -1] ** 2
    mean, error = squares.mean(), squares.std() / np.sqrt(count)
    ours = (1 + 2 / length) * (1 + rho) ** 2
    printed = (1 + 2 / length) * (1 + rho**2)
    assert abs(mean - ours) < 4 * error
    assert abs(mean - printed) > 20 * error
    known = new_task_moments(d, length, rho, law="spherical")
    assert known.second[-1, -1] == pytest.approx(ours)


def test_the_page_of_the_model_holds_the_exact_moments():
    """The lines of the page at integers are the moments that the simulator uses."""
    import sympy as sp

    from derivations.lu2025.notation import d, l, rho

    numbers = {d: 6, l: 9, rho: sp.Rational(7, 10)}
    steps = derivations.get("lu2025.training_statistics").steps
    for law, words in (("gaussian", "for Gaussian tasks"), ("spherical", "for spherical tasks")):
        (line,) = [s.after for s in steps if words in s.reason and isinstance(s.after, sp.Expr)]
        known = new_task_moments(6, 9, 0.7, law=law).second[-1, -1]
        assert float(line.subs(numbers)) == pytest.approx(known, rel=1e-14)
        printed = (1 + sp.Rational(2, 9)) * (1 + numbers[rho] ** 2)
        assert abs(float(printed) / known - 1) > 0.4


def test_the_effective_ridge_is_neither_rounded_nor_replaced_by_the_ridge():
    """Published: rounded to six decimals, and replaced by lam below 0.027.

    Several real roots of the quartic lie above the ridge; M > 0 holds at one of them.
    """
    import sympy as sp

    from derivations.lu2025.effective_ridge import _quartic
    from derivations.lu2025.notation import kappa, lam, q, tau, xi

    formula = derivations.get("lu2025.effective_ridge").result
    for values in (
        ("1.06", "71", "0.07", "1.52", "0.0036"),
        ("3.21", "4.1", "0.18", "0.65", "0.0033"),
        ("6.83", "0.1", "0.52", "0.11", "0.0002"),
    ):
        point = dict(zip(("tau", "alpha", "kappa", "rho", "lam"), values, strict=True))
        exact = {name: sp.Rational(value) for name, value in point.items()}
        at = {tau: exact["tau"], kappa: exact["kappa"], lam: exact["lam"]}
        at[q] = (1 + exact["rho"]) / exact["alpha"]
        roots = sp.Poly(_quartic().subs(at), xi).nroots(n=40)
        above = [r for r in roots if abs(sp.im(r)) < 1e-30 and sp.re(r) > at[lam]]
        assert len(above) == 3
        (right,) = [r for r in above if 1 - at[tau] + at[tau] * at[lam] / r > 0]
        ours = float(formula.ball(**point))
        assert ours == pytest.approx(float(right), rel=1e-12)
        assert abs(round(ours, 6) / ours - 1) > 1e-5
        assert ours < 0.027 and abs(float(at[lam]) / ours - 1) > 0.1


def test_the_last_sample_over_their_number_is_no_mean():
    """Published tables hold the last sample divided by the number of samples."""
    result = ridgeless("icl").simulate(
        size=10, seeds=12, seed=2, tau=0.5, alpha=2.0, kappa=1.5, rho=0.2
    )
    printed = result.per_seed[-1] / result.seeds
    assert abs(printed - result.mean) > 10 * result.standard_error


def test_simulation_speaks_of_the_ridgeless_arguments():
    result = ridgeless("icl").simulate(size=10, seeds=3, tau=0.5, alpha=2.0, kappa=1.5, rho=0.2)
    assert set(result.parameters) == {"tau", "alpha", "kappa", "rho"}
    assert result.quantity == "icl" and np.isfinite(result.mean)
    assert float(ridgeless("icl").result(**result.parameters)) > 0
