"""Attacks on the checks: false statements dressed so that a careless judge would let them pass."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from derive import checks, record, registry
from derive.derivation import Card, Derivation, Outcome
from derive.domain import Domain, Notation, Quantity
from derive.draft import Draft
from derive.errors import BranchError, ConditionError
from derive.exact_zero import exactly_zero
from derive.fixed_point import Branch, FixedPoint
from derive.formula import Formula
from derive.step import mutations
from derive.verdict import Verdict
from numerics.ball import enclose
from numerics.errors import LoweringError
from numerics.lower import Condition, Let, lower

letters = Notation()
x = letters.quantity("x", "a length", lower=0)
y = letters.quantity("y", "another length", lower=0)
rho = letters.quantity("rho", "a noise, zero allowed", lower=0, lower_open=False)
u = letters.quantity("u", "any real number")
s = letters.quantity("s", "a third length", lower=0)
REAL_S = sp.Symbol("s", real=True)
box = letters.domain("x", "y")
NOWHERE = letters.domain("x", conditions=[Condition("x < -1", sp.Lt(x, -1, evaluate=False))])


def test_zero_by_zero_equals_nothing():
    above = (sp.sqrt(x) + 1) ** 2 - x - 2 * sp.sqrt(x) - 1
    below = (sp.sqrt(x) + 2) ** 2 - x - 4 * sp.sqrt(x) - 4
    assert not exactly_zero(above / below - 5)
    assert checks.equal(above / below, sp.Integer(5), box).verdict is Verdict.INCONCLUSIVE


def test_a_statement_about_no_point_is_not_proved():
    left, right = (x + 1) ** 2, x**2 + 2 * x + 1
    assert checks.equal(left, right, box).verdict is Verdict.PROVED
    assert checks.equal(left, right, NOWHERE).verdict is Verdict.INCONCLUSIVE
    assert checks.positive(1 + x, NOWHERE).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("zero_at_the_end", [rho, rho / (1 + rho), sp.sqrt(rho), rho / x])
def test_what_vanishes_at_an_end_that_belongs_is_not_positive(zero_at_the_end):
    evidence = checks.positive(zero_at_the_end, letters.domain("rho", "x"))
    assert evidence.verdict is Verdict.REFUTED
    assert dict(evidence.point)["rho"] == "0"
    assert checks.positive(1 / rho + rho, letters.domain("rho")).verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sp.Abs(x - 500), 500 - x),
        (sp.Piecewise((x, x < 1000), (sp.S.Zero, True)), x),
        (sp.Max(x, sp.Rational(1, 2000)), x),
        (sp.Piecewise((rho, rho > 0), (sp.S.One, True)), rho),
    ],
)
def test_equal_on_two_decades_is_not_equal(left, right):
    assert checks.equal(left, right, letters.domain("x", "rho")).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sp.sqrt(u**2), u),
        (sp.atan(u) + sp.atan(1 / u), sp.pi / 2),
        (sp.sqrt((u - 1) ** 2), u - 1),
        (sp.log(u**2), 2 * sp.log(u)),
        (((u - 1) ** 3) ** sp.Rational(1, 3), u - 1),
    ],
)
def test_identities_of_one_branch_do_not_pass_on_the_whole_line(left, right):
    verdict = checks.equal(left, right, letters.domain("u")).verdict
    assert verdict in (Verdict.REFUTED, Verdict.INCONCLUSIVE)


def test_symbols_of_one_name_are_never_given_one_value():
    twin = sp.Symbol("x", real=True)
    other = Quantity(twin, "another x", -sp.oo, sp.oo, True, True, "x")
    with pytest.raises(ConditionError, match="called x"):
        Domain((letters["x"], other))
    with pytest.raises(LoweringError, match="called x"):
        lower([x, twin], [], {"f": x - twin})
    with pytest.raises(LoweringError, match="called x"):
        checks.equal(x, twin, box)


def test_text_and_relations_are_refused():
    with pytest.raises(ConditionError, match="never parsed"):
        checks.equal("1 + 1", sp.Integer(2), box)
    with pytest.raises(ConditionError, match="not a quantity"):
        checks.equal(sp.Eq(x, 1), sp.Eq(x, 1), box)
    with pytest.raises(sp.SympifyError):
        lower([x], [], {"f": "x + 1"})


def test_a_symbol_has_one_value_in_a_program():
    with pytest.raises(LoweringError, match="defined twice"):
        lower([x], [Let(y, x + 1), Let(x, sp.Integer(5))], {"f": x + 1})
    with pytest.raises(LoweringError, match="defined twice"):
        lower([x], [Let(y, x + 1), Let(y, x + 2)], {"f": y})
    # the index of a sum is not the argument of the same name, even where the term was met before
    k = sp.Symbol("k", positive=True)
    program = lower([k, x], [Let(y, k * x)], {"f": y + sp.Sum(k * x, (k, 1, 3))})
    assert enclose(program, k=10, x=1)["f"].contains(16)


def test_a_branch_that_asks_nothing_chooses_nothing():
    with pytest.raises(BranchError, match="nothing is asked"):
        Branch().select([x], u, box)
    with pytest.raises(BranchError, match="nothing is asked"):
        Branch(region=u < 0).select([x], u, NOWHERE)
    page = Draft("example.branch")
    page.over(letters, "x")
    page.branch((x, -x), u, Branch(region=u > 0), "positive root")
    assert page.steps[-1].verdict is Verdict.SUPPORTED  # tried at points, not proved


def test_a_region_may_speak_of_an_unknown_without_its_sign():
    root = sp.Symbol("root", positive=True)
    plain = sp.Symbol("root", real=True)
    high = FixedPoint((root,), (root**2 - x,), Branch(region=plain > 0), (1 + x,))
    assert high.ball(x=4)["root"].contains(2)
    low = FixedPoint((root,), (root**2 - x,), Branch(region=plain > 0), (-1 - x,))
    with pytest.raises(BranchError):
        low.ball(x=4)
    assert not low.solve(x=4.0).converged


@pytest.fixture
def page():
    """A page that has derived the positive root of its equation and may hand it over."""
    draft = Draft("example.result")
    draft.over(letters, "x", "y")
    draft.rewrite((x + y) ** 2 / x, x + 2 * y + y**2 / x, "multiply out")
    return draft


def hand_over(page, expression, where=(), names="xy"):
    page.result(
        "r", expression, tuple(letters[n].symbol for n in names), where=where,
        domain=letters.domain(*names), limit="none", symbol="r",
    )  # fmt: skip
    return page.steps[-1]


def test_a_result_is_tied_to_a_line_and_its_wrong_versions_are_refuted(page):
    step = hand_over(page, x * s**2, (Let(s, 1 + y / x),))
    assert step.kind == "result" and step.verdict is Verdict.SUPPORTED
    assert step.evidence.decided >= 20 and "line 1" in step.evidence.method
    assert len(step.mutants()) >= 5 and step.twins
    for mutant in step.mutants():
        assert step.recheck(mutant).verdict is Verdict.REFUTED, mutant


def test_a_result_that_is_a_line_is_proved(page):
    assert hand_over(page, x + 2 * y + y**2 / x).verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("expression", "where"),
    [
        ((x + y) ** 2 / (2 * x), ()),
        (x * s**2, (Let(s, 1 + 2 * y / x),)),
        (s, (Let(s, x + y),)),
    ],
)
def test_a_result_no_line_gives_is_shown_as_assumed(page, expression, where):
    step = hand_over(page, expression, where)
    assert step.verdict is Verdict.ASSUMED and "no line" in step.evidence.method


def test_definitions_must_obey_the_substitutions_of_the_line():
    for factor, verdict in ((1, Verdict.SUPPORTED), (2, Verdict.ASSUMED)):
        draft = Draft("example.given")
        draft.over(letters, "x", "y")
        draft.rewrite(s**2 / x, (x + y) ** 2 / x, "s is the sum", given={s: x + y})
        draft.rewrite(s**2 / x + 1, s**2 / x + 1 + s - x - y, "in s", given={s: x + y})
        where = (Let(s, factor * (x + y)),)
        assert hand_over(draft, s**2 / x + 1, where).verdict is verdict


def root_page(residual):
    draft = Draft("example.root")
    draft.over(letters, "x", "y")
    equation = draft.derive("expand", s * (s + y) - x, sp.expand, "the equation of s")
    draft.rewrite(equation, s * (s + y) - x, "factored", domain=letters.domain("x", "y", "s"))
    draft.rewrite(s**2 + s, s * (s + 1), "a value", domain=letters.domain("s"))
    where = (FixedPoint((s,), (residual,), Branch(region=REAL_S > 0), (1 + x,)),)
    return hand_over(draft, s * (1 + s), where)


def test_a_root_must_solve_an_equation_of_the_page():
    assert root_page(s**2 + y * s - x).verdict is Verdict.SUPPORTED
    wrong = root_page(s**2 + 2 * y * s - x)
    assert wrong.verdict is Verdict.ASSUMED and "the equation of s" in wrong.evidence.method


def random_expression(rng, depth=3):
    if depth == 0:
        return rng.choice([x, y, sp.Integer(rng.randint(1, 5)), x + 1, y + 2])
    left, right = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    return rng.choice([left + right, left * right, left / (1 + right), sp.sqrt(left + right)])


def rewritten(rng, expression):
    """Return the same function in another form."""
    kind = rng.randrange(4)
    if kind == 0:
        return sp.expand(expression)
    if kind == 1:
        return sp.together(expression)
    if kind == 2:
        return (expression**2 - x**2) / (expression + x) + x
    return 1 / (1 / (expression + y) * 1) - y + sp.expand((x - y) ** 2) - (x - y) ** 2


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_random_identities_pass_and_their_mutants_are_refuted(count):
    rng = random.Random(20)
    for _ in range(count):
        expression = random_expression(rng, 2)
        again = rewritten(rng, expression)
        verdict = checks.equal(expression, again, box).verdict
        assert verdict >= Verdict.SUPPORTED, (expression, again)
        wrong = rng.choice(mutations(sp.sympify(again)))
        if sp.simplify(wrong - again) == 0:
            continue
        assert checks.equal(expression, wrong, box).verdict is Verdict.REFUTED, (expression, wrong)


def test_an_edit_in_a_running_process_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_roots", [("trusted", tmp_path)])
    page_file = tmp_path / "page.py"
    page_file.write_text("first = 1\n")
    assert not record.edited_since_found()
    page_file.write_text("first = 2\n")
    assert record.edited_since_found()
    outcome = Outcome((), {}, {}, ())
    record.write_record("trusted.page", outcome, Verdict.PROVED)
    assert record.read_record("trusted.page") is None


def test_a_function_of_one_name_declares_one_derivation(tmp_path, monkeypatch):
    declared = '@derivation("trusted.{}", reference="r", limit="l")\ndef same(page): ...\n'
    (tmp_path / "page.py").write_text(declared.format("one") + declared.format("two"))
    monkeypatch.setattr(registry, "_roots", [("trusted", tmp_path)])
    with pytest.raises(ConditionError, match="one body would be lost"):
        registry._declared()


def test_a_result_does_not_rest_on_itself():
    card = Card("trusted.circle", "A circle.", "r", "l", "", "m", "f")
    circle = Derivation(card, lambda: (lambda page: circle.outcome, None))
    with pytest.raises(ConditionError, match=r"trusted\.circle cites trusted\.circle"):
        _ = circle.outcome


@pytest.mark.parametrize("name", ["out", "invalid", "bits"])
def test_arguments_are_not_called_like_keywords(name):
    symbol = Notation().quantity(name, "a number", lower=0)
    with pytest.raises(ConditionError, match="keyword"):
        Formula.define("f", (symbol,), symbol, domain=Domain(()))


def test_a_definition_keeps_the_sign_its_letter_was_declared_with():
    letters = Notation()
    x = letters.quantity("x", "a length", lower=0)
    gap = letters.quantity("gap", "declared positive, though it changes sign", lower=0)
    page = Draft("trusted.sign")
    page.over(letters, "x")
    line = page.derive("subtract", x, lambda e: e - 1, "the distance from one")
    with pytest.raises(ConditionError, match="gap is declared positive and is -"):
        page.result("line", gap, (x,), where=(Let(gap, line),), domain=letters.domain("x"),
                    limit="exact", symbol="g")  # fmt: skip
