"""Every derivation of the catalogue: it runs, it can fail, and its results are what they say.

A new file under ``derivations/`` is picked up by itself.
"""

from __future__ import annotations

import inspect
from fractions import Fraction

import numpy as np
import pytest

import derivations
from derive.fixed_point import FixedPoint
from derive.registry import cards
from derive.verdict import Verdict

IDS = list(cards())
MUTANTS_PER_STEP = 6  # in the default run; all of them in the slow one
ROUNDING = 1e-12  # relative, at points that are generic: no conditioning to allow for


# Compiled twice, printed and checked twice in the default run; the others in the slow one.
MAIN = {
    "classics.marchenko_pastur",
    "letey2025.structured_error",
    "lu2025.effective_ridge",
    "lu2025.icl_error",
    "lu2025.idg_error_ridgeless",
}


def _each(ids=IDS, quick=frozenset(IDS)):
    # one worker per derivation: its steps run once
    return pytest.mark.parametrize(
        "id",
        [
            pytest.param(
                i, marks=[pytest.mark.xdist_group(i), *([] if i in quick else [pytest.mark.slow])]
            )
            for i in ids
        ],
    )


@_each()
def test_the_card_tells_a_reader_what_is_claimed(id):
    d = derivations.get(id)
    assert d.statement.endswith(".") and len(d.statement) > 30
    assert d.card.reference and d.limit
    assert id.split(".")[0] == d.card.module.split(".")[1], "the id begins with the paper's package"


@_each()
def test_every_step_holds(id):
    d = derivations.get(id)
    assert d.check() >= Verdict.ASSUMED
    for step in d.steps:
        assert step.verdict >= Verdict.ASSUMED, step
        assert step.reason, step
        if step.verdict is Verdict.ASSUMED and step.kind == "assumption":
            assert step.citing, step
        if step.kind == "derived":  # else it is typed, and belongs to a rewrite
            assert step.verdict is Verdict.PROVED, step
        if step.verdict is Verdict.SUPPORTED and step.kind == "asserted":
            # a check that looked at too few points would pass anything
            assert step.evidence.decided >= 20, step.evidence
            assert step.evidence.decided >= 0.9 * step.evidence.satisfying, step.evidence


@_each()
def test_every_result_is_borne_out_by_lines_letter_by_letter(id):
    for step in derivations.get(id).steps:
        if step.kind == "result":
            assert step.verdict >= Verdict.SUPPORTED, step.reason
            assert "nowhere else" not in step.evidence.note, step.evidence.note


@_each(quick=MAIN)
def test_every_step_can_be_checked_again(id):
    for step in derivations.get(id).steps:
        assert step.recheck().verdict == step.verdict, step


def _refute(id: str, most: int | None) -> int:
    count = 0
    for step in derivations.get(id).steps:
        for mutant in step.mutants()[:most]:
            count += 1
            evidence = step.recheck(mutant)
            assert evidence.verdict is Verdict.REFUTED, (step.after, mutant, evidence)
    return count


@_each()
def test_wrong_versions_of_every_asserted_step_are_refuted(id):
    count = _refute(id, MUTANTS_PER_STEP)
    asserted = [s for s in derivations.get(id).steps if s.kind == "asserted"]
    assert count >= 2 * len(asserted)


@pytest.mark.slow
@_each()
def test_all_wrong_versions_of_every_asserted_step_are_refuted(id):
    _refute(id, None)


@_each()
def test_a_wrong_root_is_refused(id):
    for step in derivations.get(id).steps:
        if step.kind == "branch" and step.before is not None:
            chosen = step.after.rhs
            others = [c for c in step.before if c != chosen]
            assert others, "a choice among one root is no choice"
            for other in others:
                assert step.recheck(other).verdict is Verdict.REFUTED


@_each()
def test_every_fixed_point_has_a_branch(id):
    for formula in derivations.get(id).outcome.results.values():
        for definition in formula.where:
            if isinstance(definition, FixedPoint):
                branch = definition.branch
                assert branch.anchor is not None or branch.region is not None
                assert str(branch)


@_each()
def test_the_main_result_lies_where_its_balls_say(id):
    d = derivations.get(id)
    if d.results:
        _lies_in_its_balls(d.result)


@pytest.mark.slow
@_each()
def test_all_results_lie_where_their_balls_say(id):
    for formula in derivations.get(id).results.values():
        _lies_in_its_balls(formula)


def _lies_in_its_balls(formula):
    points = [
        {str(s): float(v) for s, v in point.items()} for point in formula.domain.sample(4, seed=5)
    ]
    points = [{a: point[a] for a in formula.args} for point in points]
    together = formula(**{a: np.array([p[a] for p in points]) for a in formula.args})
    for point, value in zip(points, together, strict=True):
        assert float(formula(**point)) == value, "one point and an array of points agree"
        exact = {a: Fraction(v) for a, v in point.items()}  # a double is an exact rational
        ball = formula.ball(bits=100, **exact)
        error = abs(Fraction(float(value)) - ball.midpoint)
        assert error <= ROUNDING * abs(ball.midpoint), (formula.name, point, value, ball)


@_each(quick=MAIN)
def test_double_double_agrees_with_the_ball(id):
    d = derivations.get(id)
    if not d.results:
        pytest.skip("no formula among its results")
    formula = d.result
    (sample,) = formula.domain.sample(1, seed=6)
    point = {a: float({str(s): v for s, v in sample.items()}[a]) for a in formula.args}
    high, low = formula.compile(precision="double-double")(**point)
    ball = formula.ball(bits=160, **{a: Fraction(v) for a, v in point.items()})
    value = Fraction(float(high)) + Fraction(float(low))
    assert abs(value - ball.midpoint) <= abs(ball.midpoint) / 10**27


@_each()
def test_simulators_take_size_and_seeds(id):
    d = derivations.get(id)
    _, simulator = d._load()
    if simulator is None:
        return
    inspect.signature(simulator).bind_partial(size=8, seeds=2, seed=0)


REFERENCE = {  # at tau = 1/2, alpha = 1, kappa = 1/2, rho = 1/100, lam = 0
    "lu2025.icl_error": "1.2610768959342765376873396604163",
    "lu2025.idg_error": "0.80184916679435545726406912274962",
}


@pytest.mark.parametrize("id", REFERENCE)
def test_reference_values(id):
    formula = derivations.get(id).result
    point = {"tau": "0.5", "alpha": "1", "kappa": "0.5", "rho": "0.01", "lam": "0"}
    ball = formula.ball(bits=128, **point)
    assert ball.radius <= Fraction(1, 10**38)
    assert abs(ball.midpoint - Fraction(REFERENCE[id])) <= Fraction(1, 10**30)
    value = float(formula(**{a: float(v) for a, v in point.items()}))
    assert value == pytest.approx(float(REFERENCE[id]), rel=4e-15)


@pytest.mark.parametrize("id", REFERENCE)
def test_fresh_tasks_are_the_limit_of_many(id):
    formula = derivations.get(id).result
    point = {"tau": 0.7, "alpha": 1.3, "rho": 0.2, "lam": 0.05}
    fresh = float(formula(kappa=np.inf, **point))
    assert np.isfinite(fresh)
    steps = [float(formula(kappa=k, **point)) - fresh for k in (1e3, 1e4, 1e5)]
    assert steps[0] / steps[1] == pytest.approx(10, rel=0.05)
    assert steps[1] / steps[2] == pytest.approx(10, rel=0.05)
