"""Limits of Lu et al. against the full formulas: right value, right rate, and mutants fail.

Each law is compared with the full formula in balls at several scales of its small parameter; the
error must fall with the power that the first term left out announces.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import mpmath
import pytest
import sympy as sp

import derivations
from derive.verdict import Verdict

BITS = 220


def ball(id, name=None, **point):
    d = derivations.get(f"lu2025.{id}")
    formula = d.result if name is None else d.results[name]
    return mpmath.mpf(1) * _number(formula.ball(bits=BITS, **point).midpoint)


def _number(x):
    return mpmath.mpf(x.numerator) / x.denominator


def full(name, **point):
    return ball(f"{name}_error", **{"lam": F(0), **point})


def gap(**point):
    return ball("task_generalization_gap", **{"lam": F(0), **point})


INF = "inf"
A = dict(alpha=F(3, 2), kappa=F(7, 5), rho=F(1, 5))
B = dict(alpha=F(11), kappa=F(2, 5), rho=F(3, 4))
UNDER, OVER = dict(tau=F(5, 8)), dict(tau=F(9, 4))


def drop(point, *names):
    return {k: v for k, v in point.items() if k not in names}


def cases():
    """Yield label, law(s), exact(s), relative exponent of the error in s."""
    for name in ("icl", "idg"):
        for i, p in enumerate((A, B)):
            for lam in (F(0), F(1, 2), F(5)):
                yield (
                    f"few_samples {name} {i} lam={lam}",
                    lambda s, p=p, name=name: ball("few_samples", name, tau=s, **p),
                    lambda s, p=p, name=name, lam=lam: full(name, tau=s, lam=lam, **p),
                    2,
                )
            for side in (UNDER, OVER):
                yield (
                    f"strong_ridge {name} {i} {side}",
                    lambda s, p=p, name=name: ball(
                        "strong_ridge", name, lam=1 / s, **drop(p, "alpha")
                    ),
                    lambda s, p=p, name=name, side=side: full(name, lam=1 / s, **side, **p),
                    2,
                )
                yield (
                    f"ridgeless {name} {i} {side}",
                    lambda s, p=p, name=name, side=side: ball(
                        f"{name}_error_ridgeless", **side, **p
                    ),
                    lambda s, p=p, name=name, side=side: full(name, lam=s, **side, **p),
                    1,
                )
                yield (
                    f"single_task {name} {i} {side}",
                    lambda s, p=p, name=name, side=side: ball(
                        "single_task", name, **side, **drop(p, "kappa")
                    ),
                    lambda s, p=p, name=name, side=side: full(name, **side, **{**p, "kappa": s}),
                    1,
                )
                yield (
                    f"short_context {name} {i} {side}",
                    lambda s, p=p, side=side: ball("short_context", **side, rho=p["rho"]),
                    lambda s, p=p, name=name, side=side: full(name, **side, **{**p, "alpha": s}),
                    1,
                )
                for lam in (F(0), F(1, 7)):
                    yield (
                        f"fresh_tasks {name} {i} {side} lam={lam}",
                        lambda s, p=p, side=side, lam=lam: ball(
                            "fresh_tasks", "error", lam=lam, **side, **drop(p, "kappa")
                        ),
                        lambda s, p=p, name=name, side=side, lam=lam: full(
                            name, lam=lam, **side, **{**p, "kappa": 1 / s}
                        ),
                        1,
                    )
            for lam in (F(0), F(3, 10)):
                yield (
                    f"many_samples {name} {i} lam={lam}",
                    lambda s, p=p, name=name, lam=lam: ball("many_samples", name, lam=lam, **p),
                    lambda s, p=p, name=name, lam=lam: full(name, tau=1 / s, lam=lam, **p),
                    1,
                )
            for x, ell in ((F(2), F(3)), (F(-1, 2), F(1, 5)), (F(0), F(2)), (F(-1), F(0))):
                point = lambda s, x=x, ell=ell: dict(tau=1 + x * s, lam=ell * s**2)  # noqa: E731
                yield (
                    f"interpolation_threshold {name} {i} x={x} ell={ell}",
                    lambda s, p=p, name=name, point=point: ball(
                        "interpolation_threshold", name, **point(s), **p
                    ),
                    lambda s, p=p, name=name, point=point: full(name, **point(s), **p),
                    1,
                )
        for side, top in ((UNDER, F(5, 8)), (OVER, F(1))):
            saturated = name == "idg" and side is OVER
            for kappa, power in ((top * F(2, 3), 1), (top, F(1, 2)), (top * 2, 1)):
                p = dict(kappa=kappa, rho=F(3, 4), **side)
                law, known = (name, p) if kappa != top else (f"{name}_critical", drop(p, "kappa"))
                yield (
                    f"long_context {name} {side} kappa={kappa}",
                    lambda s, law=law, known=known: ball("long_context", law, alpha=1 / s, **known),
                    lambda s, p=p, name=name: full(name, alpha=1 / s, **p),
                    1 if saturated else power,
                )
    rho = F(2, 5)
    for kappa, power, first in ((F(1, 3), 1, 2), (F(1), F(1, 2), 1), (F(5, 2), 1, 1)):
        p = dict(kappa=kappa, rho=rho)
        known, suffix = (p, "") if kappa != 1 else (dict(rho=rho), "_critical")
        for gamma in (F(1, 5), F(3)):
            yield (
                f"transition kappa={kappa} gamma={gamma}",
                lambda s, known=known, suffix=suffix, gamma=gamma: ball(
                    "task_diversity_transition",
                    "g_task" + suffix,
                    alpha=1 / s,
                    gamma=gamma,
                    **known,
                ),
                lambda s, p=p, gamma=gamma: gap(tau=gamma / s, alpha=1 / s, **p),
                power,
            )
        yield (
            f"transition, tau first, kappa={kappa}",
            lambda s, known=known, suffix=suffix: ball(
                "task_diversity_transition", "tau_first" + suffix, alpha=1 / s, **known
            ),
            lambda s, p=p: gap(tau=F(10) ** 60, alpha=1 / s, **p),
            first,
        )
    for shift in (F(-2), F(0), F(3, 2)):
        # s = q / (1 + rho): kappa - 1 = Delta sqrt(q) must stay exact, so q is a square.
        point = lambda s, shift=shift: dict(  # noqa: E731
            alpha=(1 + F(3, 4)) / s**2, rho=F(3, 4), kappa=1 + shift * s
        )
        yield (
            f"window Delta={shift}",
            lambda s, point=point: ball(
                "task_diversity_transition", "window", gamma=F(1, 2), **point(s)
            ),
            lambda s, point=point: gap(tau=point(s)["alpha"] / 2, **point(s)),
            1,
        )


CASES = list(cases())
SCALES = (F(1, 10**10), F(1, 10**11))


def measured(law, exact, factor=1):
    """Return the local exponent of the relative error between two scales."""
    with mpmath.workdps(60):
        errors = [abs(factor * law(s) / exact(s) - 1) for s in SCALES]
        return float(mpmath.log10(errors[0] / errors[1]))


@pytest.mark.parametrize(
    ("law", "exact", "power"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_error_of_a_law_falls_as_its_next_order(law, exact, power):
    assert measured(law, exact) == pytest.approx(float(power), abs=0.02)
    # A coefficient that is off by one part in a thousand leaves an error that does not fall.
    assert measured(law, exact, factor=1 + mpmath.mpf(1) / 1000) < 0.1


def test_slopes_in_tau_do_not_depend_on_the_ridge():
    """The ridge enters the errors of few samples at second order in tau only."""
    p = dict(tau=F(1, 10**6), **A)
    with mpmath.workdps(50):
        slopes = [
            (full("icl", lam=lam, **p) - 1 - mpmath.mpf("0.2")) / mpmath.mpf("1e-6")
            for lam in (F(0), F(1), F(10))
        ]
        expected = ball("few_samples", "icl_slope", **A)
    for slope in slopes:
        assert abs(slope - expected) < 3e-5


@pytest.mark.parametrize("side", ["above", "below"])
@pytest.mark.parametrize("phase", ["few", "many", "critical"])
@pytest.mark.parametrize("name", ["icl", "idg"])
def test_the_next_order_of_long_contexts_has_its_coefficient(name, phase, side):
    from derivations.lu2025.notation import kappa, q, rho, tau
    from derivations.lu2025.ridgeless_root import ridgeless_curve
    from derivations.lu2025.task_limits import SIDE_ERRORS

    top = {"above": sp.S.One, "below": tau}[side]
    at = {
        tau: {"above": sp.Rational(7, 3), "below": sp.Rational(3, 7)}[side],
        rho: sp.Rational(2, 9),
    }
    given = {}
    if phase == "critical":
        given = {kappa: top}
        value = top.subs(at)
    else:
        value = top.subs(at) * {"few": sp.Rational(2, 5), "many": sp.Rational(9, 4)}[phase]
        at[kappa] = value
    series = ridgeless_curve(SIDE_ERRORS[name][side], side, q, given).expansion(at)
    gaps = []
    assert series.next is not None
    with mpmath.workdps(50):
        for scale in (10**4, 10**6):
            level = sp.Rational(1, scale)  # a square, so that its root is exact
            point = dict(
                tau=F(str(at[tau])), kappa=F(str(value)), rho=F(2, 9), alpha=F(11, 9) * scale
            )
            kept, left = (
                mpmath.mpf(sp.N(e.subs({**at, q: level}), 50))
                for e in (series.expression, series.next.expression(q))
            )
            gaps.append(abs((full(name, **point) - kept) / left - 1))
    assert gaps[1] < gaps[0] / 8 + mpmath.mpf("1e-30")
    assert gaps[1] < 0.05


def test_limits_that_do_not_commute():
    point = dict(kappa=F(1, 4), rho=F(1, 2))
    big, bigger = F(10) ** 4, F(10) ** 12
    with mpmath.workdps(40):
        # alpha -> oo first: the error on new tasks is of order alpha/tau and unbounded.
        alpha_first = full("icl", tau=big, alpha=bigger, **point)
        tau_first = full("icl", tau=bigger, alpha=big, **point)
        assert alpha_first > 10**6
        assert abs(tau_first - (F(1, 2) + 1 - F(1, 4)).numerator / mpmath.mpf(4)) < 1e-3
        # kappa -> 0 and alpha -> 0
        tau, tiny, small = F(3), F(1, 10**12), F(1, 10**5)
        few_first = full("icl", tau=tau, alpha=small, kappa=tiny, rho=F(1, 2))
        short_first = full("icl", tau=tau, alpha=tiny, kappa=small, rho=F(1, 2))
        assert abs(short_first - few_first - mpmath.mpf(1) / 2) < 1e-3  # min(tau,1)/|tau-1|
        # lam -> 0 and tau -> 1
        ridge_first = full("idg", tau=1 + small, lam=tiny * tiny, **A)
        threshold_first = full("idg", tau=1 + tiny * tiny, lam=small, **A)
        sigma = ball("training_statistics", **A)
        assert abs(ridge_first * _number(small) / sigma - 1) < 1e-3
        assert threshold_first * _number(tiny * tiny) / sigma < 1e-15


def test_the_sentence_about_helpful_pretraining():
    """Pretraining helps at first iff (1 + rho)(1 + q) < 2."""
    slope = derivations.get("lu2025.few_samples").results["icl_slope"]
    for alpha, rho in ((0.5, 0.1), (1.2, 0.1), (3.0, 0.4), (100.0, 1.1), (10.0, 0.8)):
        value = float(slope(alpha=alpha, kappa=0.7, rho=rho))
        assert (value < 0) == ((1 + rho) * (1 + (1 + rho) / alpha) < 2)


LIMITS = ("few_samples", "long_context", "single_task", "fresh_tasks", "optimal_context")


@pytest.mark.parametrize("id", LIMITS)
def test_a_limit_is_taken_again_when_it_is_checked_again(id, monkeypatch):
    """An engine that expands wrongly would be noticed by the steps that a page keeps."""
    from derive.asymptotics import AlgebraicQuantity

    steps = [s for s in derivations.get(f"lu2025.{id}").steps if s.rule in ("expand", "next order")]
    assert len(steps) >= 2
    right = AlgebraicQuantity.expansion

    def wrong(self, *arguments, **named):
        series = right(self, *arguments, **named)
        terms = tuple(replace(t, coefficient=2 * t.coefficient) for t in series.terms)
        following = series.next and replace(series.next, coefficient=-series.next.coefficient)
        return replace(series, terms=terms, next=following)

    step, following = steps[0], next(s for s in steps if s.rule == "next order")
    assert step.recheck().verdict is following.recheck().verdict is Verdict.PROVED
    monkeypatch.setattr(AlgebraicQuantity, "expansion", wrong)
    assert step.recheck().verdict is following.recheck().verdict is Verdict.REFUTED


def test_the_replica_steps_are_computed_again_when_they_are_checked_again(monkeypatch):
    from derivations.lu2025 import replica_route
    from derivations.lu2025.notation import sigma_q2

    steps = [s for s in derivations.get("lu2025.replica_route").steps if s.kind == "derived"]
    assert len(steps) == 10
    right = replica_route.effective_ridge

    def wrong(state, *arguments):
        found = right(state, *arguments)
        zero = [replace(e, value=2 * e.value) for e in found.steps]
        return replace(found, steps=tuple(zero))

    monkeypatch.setattr(replica_route, "effective_ridge", wrong)
    judged = [s.recheck().verdict for s in steps if s.rule == "eliminate"]
    assert judged == [Verdict.REFUTED, Verdict.REFUTED]
    energy = next(s for s in steps if s.rule == "replica limit")
    assert energy.recheck().verdict is Verdict.PROVED
    assert energy.recheck(energy.after + sigma_q2 / 7).verdict is Verdict.REFUTED
