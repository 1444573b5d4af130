"""Checks that can fail: true statements pass, every kind of wrong one is refuted."""

from __future__ import annotations

import pytest
import sympy as sp

from derive import checks
from derive.domain import Notation
from derive.draft import Draft
from derive.errors import BranchError, ConditionError, RefutedError
from derive.fixed_point import Branch
from derive.spectral_trace import Spectrum
from derive.step import Step
from derive.verdict import Evidence, Verdict, weakest
from numerics.functions import ResolventTrace
from numerics.lower import Condition

letters = Notation()
x = letters.quantity("x", "a length", lower=0)
y = letters.quantity("y", "another length", lower=0)
kappa = letters.quantity("kappa", "a ratio", lower=0)
box = letters.domain("x", "y")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3),
        (1 / (sp.sqrt(x + y) - sp.sqrt(x)), (sp.sqrt(x + y) + sp.sqrt(x)) / y),
        (sp.sqrt(x**2 * y), x * sp.sqrt(y)),
        (sp.sqrt(x / y), sp.sqrt(x * y) / y),
    ],
)
def test_true_identities_are_proved(left, right):
    assert checks.equal(left, right, box).verdict is Verdict.PROVED


def test_transcendental_identities_are_supported_with_their_counts():
    evidence = checks.equal(sp.exp(x) * sp.exp(y), sp.exp(x + y, evaluate=False), box)
    assert evidence.verdict >= Verdict.SUPPORTED
    evidence = checks.equal(sp.log(x * y), sp.log(x) + sp.log(y), box)
    assert evidence.verdict is Verdict.SUPPORTED
    assert evidence.tried == evidence.satisfying == evidence.decided == 24


@pytest.mark.parametrize(
    "wrong",
    [
        x**2 + 3 * x * y + y**2,
        x**2 + 2 * x * y - y**2,
        sp.Rational(10**12 + 1, 10**12) * (x + y) ** 2,
    ],
)
def test_wrong_identities_are_refuted_at_an_exact_point(wrong):
    evidence = checks.equal((x + y) ** 2, wrong, box)
    assert evidence.verdict is Verdict.REFUTED
    point = {sp.Symbol(n, positive=True): sp.Rational(v) for n, v in evidence.point}
    values = {s: v for s, v in point.items()}
    rename = {x: values[sp.Symbol("x", positive=True)], y: values[sp.Symbol("y", positive=True)]}
    assert ((x + y) ** 2 - wrong).subs(rename) != 0


def test_empty_domain_and_undefined_points_are_inconclusive_never_a_pass():
    nowhere = letters.domain("x", conditions=[Condition("x < 0", sp.Lt(x, -1, evaluate=False))])
    assert checks.equal(
        sp.log(x), sp.log(x) + sp.log(1 + x) * 0 + sp.sin(x) ** 2 - sp.sin(x) ** 2, nowhere
    ).verdict in (Verdict.INCONCLUSIVE, Verdict.PROVED)
    undefined = checks.equal(sp.sqrt(-x - y), 2 * sp.sqrt(-x - y), box)
    assert undefined.verdict is Verdict.INCONCLUSIVE


def test_a_relation_between_the_letters_is_inserted_first():
    given = {y: x**2}
    assert checks.equal(y, x**2, letters.domain("x"), given=given).verdict is Verdict.PROVED
    assert checks.equal(y, x**3, letters.domain("x"), given=given).verdict is Verdict.REFUTED


def test_traces_are_compared_for_every_spectrum():
    R = Spectrum("R")
    r = R.eigenvalue
    left = R.trace(r / (r + x))
    right = 1 - x * R.trace(1 / (r + x))
    spectra = {R: None}
    assert checks.equal(left, right, box, spectra=spectra).verdict is Verdict.PROVED
    assert checks.equal(left, 1 - R.trace(1 / (r + x)), box, spectra=spectra).verdict is (
        Verdict.REFUTED
    )
    mean = {R: sp.S.One}
    assert checks.equal(R.trace(r), sp.S.One, box, spectra=mean).verdict is Verdict.PROVED
    assert checks.equal(R.trace(r**2), sp.S.One, box, spectra=mean).verdict is Verdict.REFUTED


def test_resolvent_traces_are_algebraic_elements():
    m = ResolventTrace(kappa, x)
    where = letters.domain("kappa", "x")
    assert checks.equal(1 / m, x + 1 / (1 + m / kappa), where).verdict is Verdict.PROVED
    assert checks.equal(1 / m, x + 1 / (1 + 2 * m / kappa), where).verdict is Verdict.REFUTED


def test_signs():
    assert checks.positive(1 + x * y, box).verdict is Verdict.PROVED
    assert checks.positive(x**2 - x * y + y**2, box).verdict is Verdict.SUPPORTED
    assert checks.positive(x - y, box).verdict is Verdict.REFUTED


def test_floats_are_refused():
    with pytest.raises(ConditionError, match="Rational"):
        checks.equal(sp.Float("0.5") * x, x / 2, box)


def test_a_symbol_without_domain_is_an_error():
    with pytest.raises(ConditionError, match="no values for z"):
        checks.equal(sp.Symbol("z"), x, box)


def test_page_refuses_a_wrong_line_and_keeps_the_right_ones():
    page = Draft("example.page")
    page.over(letters, "x", "y")
    page.rewrite((x + y) ** 2, x**2 + 2 * x * y + y**2, "binomial")
    with pytest.raises(RefutedError, match="differ at x = "):
        page.rewrite((x + y) ** 2, x**2 + y**2, "freshman")
    with pytest.raises(RefutedError, match="not positive"):
        page.positive(x - y, "wrong sign")
    assert len(page.steps) == 1
    for mutant in page.steps[0].mutants():
        assert page.steps[0].recheck(mutant).verdict is Verdict.REFUTED


def test_assumptions_need_a_source_and_show_in_the_verdict():
    page = Draft("example.page")
    page.over(letters, "x")
    with pytest.raises(ConditionError, match="no source"):
        page.assume("replica symmetry", "hope", citing="")
    page.assume("replica symmetry", "hope", citing="folklore")
    page.rewrite(x + x, 2 * x, "collect")
    assert weakest(s.verdict for s in page.steps) is Verdict.ASSUMED


def test_the_wrong_root_passes_every_residual_check_and_is_refused_by_its_branch():
    m = sp.Symbol("m", real=True)
    equation = x * m**2 + (kappa * x + kappa - 1) * m - kappa
    where = letters.domain("kappa", "x")
    roots = sp.solve(equation, m)
    for root in roots:
        assert checks.equal(equation.subs(m, root), sp.S.Zero, where).verdict is Verdict.PROVED
    branch = Branch(anchor=(x * m, x, sp.oo, 1), region=m > 0)
    right = branch.select(roots, m, where)
    (wrong,) = [r for r in roots if r != right]
    assert not branch.accepts(wrong, m, where)
    with pytest.raises(BranchError, match="0 of 1"):
        branch.select([wrong], m, where)
    with pytest.raises(BranchError, match="nothing is asked"):
        Branch().select(roots, m, where)


def test_steps_print_themselves():
    step = Step("asserted", "rewrite", x + x, 2 * x, "collect", Evidence(Verdict.PROVED, "algebra"))
    assert step.latex() == "2 x = 2 x"
    assert "PROVED" in repr(step) and step._repr_latex_().startswith("$")


@pytest.mark.parametrize(
    "wrong",
    [
        sp.Piecewise((x, sp.Or(x < 5, x > sp.Rational(51, 10))), (x + 1, True)),
        sp.Piecewise((x + 1, sp.And(x > y / 7, x < y / 7 + y / 90)), (x, True)),
        x + sp.Max(sp.Min(x - 31 * y, 32 * y - x), 0),
        x + sp.Max(1 - sp.Abs(x - 977), 0),
    ],
)
def test_cases_between_narrow_borders_are_looked_at(wrong):
    assert checks.equal(x, wrong, box).verdict is Verdict.REFUTED


def test_true_cases_hold_beside_their_borders():
    larger = sp.Piecewise((x, x > 3 * y), (3 * y, True))
    assert checks.equal(sp.Max(x, 3 * y), larger, box).verdict >= Verdict.SUPPORTED
