"""The best context length against brute force, and its law for many sequences."""

from __future__ import annotations

from fractions import Fraction as F
from itertools import pairwise

import mpmath
import numpy as np
import pytest

import derivations
from derivations.lu2025 import best_context
from derive.errors import DomainError

POINTS = [
    (F(20), F(1, 2), F(1, 10), "icl"),
    (F(1, 2), F(3, 10), F(1, 10), "icl"),
    (F(3, 5), F(1, 2), F(1, 10), "idg"),
    (F(20), F(1, 10), F(3), "icl"),
    (F(20), F(11, 10), F(1, 2), "icl"),
    (F(6, 5), F(1, 20), F(1, 2), "icl"),
    (F(20), F(1), F(1, 10), "icl"),
    (F(1, 2), F(1, 2), F(1, 10), "icl"),
    (F(1, 2), F(1, 2), F(1, 10), "idg"),
    (F(1, 2), F(2), F(1, 10), "idg"),
]
IDS = [f"{e} tau={t} kappa={k} rho={r}" for t, k, r, e in POINTS]


@pytest.mark.parametrize(("tau", "kappa", "rho", "error"), POINTS, ids=IDS)
def test_no_context_on_a_fine_grid_is_better(tau, kappa, rho, error):
    best = best_context(tau=tau, kappa=kappa, rho=rho, error=error)
    formula = derivations.get(f"lu2025.{error}_error_ridgeless").result
    alphas = np.logspace(-3, 5, 4001)
    values = formula(tau=float(tau), alpha=alphas, kappa=float(kappa), rho=float(rho))
    assert best.error <= values.min() * (1 + 1e-12)
    slopes = np.sign(np.diff(values))
    turns = alphas[1:-1][slopes[1:] * slopes[:-1] < 0]
    assert len(turns) == len(best.stationary)
    for turn, point in zip(turns, best.stationary, strict=True):
        assert abs(np.log(turn / point.alpha)) < 0.01
        assert point.lower < point.upper
        assert float((point.upper - point.lower) / point.lower) < 1e-20
    kinds = [s.kind for s in best.stationary]
    assert all(a != b for a, b in pairwise(kinds)), "they alternate"
    assert best.monotone == (not kinds)
    if best.where == "interior":
        at = float(formula(tau=float(tau), alpha=best.alpha, kappa=float(kappa), rho=float(rho)))
        assert at == pytest.approx(best.error, rel=1e-13)


def test_the_slope_changes_sign_inside_the_bounds():
    point = dict(tau=F(20), kappa=F(1, 2), rho=F(1, 10))
    minimum = best_context(**point).stationary[-1]
    assert minimum.kind == "minimum"
    formula = derivations.get("lu2025.icl_error_ridgeless").result
    step = 1 + F(1, 10**9)
    left, middle, right = (
        formula.ball(bits=160, alpha=a, **point).midpoint
        for a in (minimum.lower / step, minimum.lower, minimum.upper * step)
    )
    assert left > middle < right


def test_noise_and_few_tasks_make_the_shortest_context_best():
    best = best_context(tau=20, kappa="0.1", rho=3)
    assert best.where == "alpha -> 0" and best.alpha == 0
    assert best.error == pytest.approx(4 * (1 + 1 / 19))
    assert [s.kind for s in best.stationary] == ["maximum", "minimum"]


def test_pretraining_tasks_want_the_longest_context_above_the_threshold():
    for kappa in ("0.3", "1", "4"):
        best = best_context(tau=3, kappa=kappa, rho="0.2", error="idg")
        assert best.where == "alpha -> oo" and best.monotone
        assert best.error == pytest.approx(3 * 0.2 / 2)


def test_the_law_for_many_sequences_holds_to_its_order():
    page = derivations.get("lu2025.optimal_context")
    # The first correction of the length has a factor 2 kappa - 1.
    for kappa, rho, fall in ((F(1, 5), F(1, 10), 10), (F(4, 5), F(3, 5), 10), (F(1, 2), F(2), 100)):
        relative, height = [], []
        with mpmath.workdps(40):
            for tau in (F(10) ** 8, F(10) ** 10):
                best = best_context(tau=tau, kappa=kappa, rho=rho).stationary[-1]
                point = dict(tau=tau, kappa=kappa, rho=rho)
                alpha = page.result.ball(bits=160, **point).midpoint
                error = page.results["error"].ball(bits=160, **point).midpoint
                floor = rho + 1 - kappa
                relative.append(float(abs(alpha / best.lower - 1)))
                height.append(float(abs((error - floor) / (best.error - floor) - 1)))
        # right to relative order tau^-1/2; the length at kappa = 1/2 to order 1/tau
        assert relative[0] / relative[1] == pytest.approx(fall, rel=0.03)
        assert height[0] / height[1] == pytest.approx(10, rel=0.03)
        assert relative[1] < 1e-3


@pytest.mark.parametrize("bad", [dict(tau=1), dict(kappa=0), dict(rho=0), dict(kappa=-1)])
def test_points_without_an_answer_are_refused(bad):
    point = {"tau": 2, "kappa": "0.5", "rho": "0.1", **bad}
    with pytest.raises(DomainError, match="best_context"):
        best_context(**point)


@pytest.mark.parametrize("tau", ["0.4", "5"])
def test_the_boundary_is_where_the_longest_context_stops_being_infinitely_bad(tau):
    page = derivations.get("lu2025.optimal_context")
    boundary = page.results["boundary"].ball(tau=tau).midpoint
    assert abs(boundary - min(F(tau), 1)) < F(1, 2**120)
    boundary = min(F(tau), F(1))
    for factor, diverges in ((F(99, 100), True), (1, True), (F(101, 100), False)):
        best = best_context(tau=tau, kappa=boundary * factor, rho="0.1")
        formula = derivations.get("lu2025.icl_error_ridgeless").result
        point = dict(tau=tau, kappa=boundary * factor, rho="0.1")
        far, farther = (formula.ball(alpha=a, **point).midpoint for a in (10**9, 10**11))
        assert (farther > 5 * far) == diverges
        assert best.where == "interior"
