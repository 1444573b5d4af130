"""A line is computed, or it is typed and says so: neither an operation nor a result hides it."""

from __future__ import annotations

import sympy as sp

import derivations
from derivations.lu2025.notation import alpha, q, rho
from derivations.lu2025.notation import letters as paper
from derive.domain import Notation
from derive.draft import Draft
from derive.gaussian import expectation
from derive.typed_line import is_typed
from derive.verdict import Verdict
from numerics.lower import Condition, Let

letters = Notation()
x = letters.quantity("x", "a length", lower=0)
y = letters.quantity("y", "another length", lower=0)
u = sp.Symbol("u", positive=True)


def page() -> Draft:
    found = Draft("example.lengths")
    found.over(letters, "x", "y")
    return found


def test_an_operation_that_returns_what_was_typed_is_assumed_and_says_so():
    for operation in (lambda line: x + 7 * y, lambda line: sp.limit(x + y / u, u, sp.oo)):
        draft = page()
        draft.derive("expand", (x + y) ** 2, operation, "it looks like an expansion")
        (step,) = draft.steps
        assert step.verdict is Verdict.ASSUMED
        assert step.evidence.method == "typed in the operation: expand"
        assert step.recheck().verdict is Verdict.ASSUMED
        assert step.recheck(y).verdict is Verdict.REFUTED


def test_an_operation_that_looks_at_its_line_or_asks_the_engine_is_computed():
    draft = page()
    draft.derive("expand", (x + y) ** 2, sp.expand, "multiply out")
    draft.derive("differentiate", x**2, lambda e: sp.diff(e, x), "a slope")
    draft.derive("limit", 1 + 1 / u, lambda e: sp.limit(e, u, sp.oo), "a limit")
    assert {s.verdict for s in draft.steps} == {Verdict.PROVED}
    assert not is_typed(lambda line: line, x)
    assert not is_typed(lambda line: expectation(line), x)


def test_a_line_on_part_of_the_domain_bears_no_result_on_all_of_it():
    ordered = letters.domain("x", "y", conditions=[Condition("x > y", x > y)])
    for domain, verdict in ((ordered, Verdict.PROVED), (letters.domain("x", "y"), Verdict.ASSUMED)):
        draft = page()
        draft.rewrite(sp.sqrt((x - y) ** 2), x - y, "where x is the longer one", domain=ordered)
        draft.result("r", x - y, (x, y), domain=domain, limit="none", symbol="r")
        assert draft.steps[-1].verdict is verdict


def test_a_page_says_what_the_derivations_it_cites_assume():
    d = derivations.get("lu2025.icl_error")
    assert not any(s.kind == "assumption" for s in d.steps)
    assumed = {str(step.after) for _, step in d.inherited}
    assert len(assumed) == len(d.inherited), "each is said once"
    assert any("jointly Gaussian" in a for a in assumed)
    said = d.latex()
    assert r"\subsection*{Assumed by what is cited}" in said and "jointly Gaussian" in said
    assert "jointly Gaussian" in d.table()
    assert derivations.get("classics.marchenko_pastur").inherited == ()


def test_a_letter_keeps_the_definition_that_a_cited_result_gives_it():
    for factor, verdict in ((1, Verdict.SUPPORTED), (2, Verdict.ASSUMED)):
        draft = Draft("lu2025.noise")
        draft.over(paper, "q")
        draft.use("lu2025.training_statistics")
        draft.rewrite(q * (1 + q), q + q**2, "multiply out")
        draft.result(
            "r",
            q + q**2,
            (alpha, rho),
            where=(Let(q, (1 + factor * rho) / alpha),),
            domain=paper.domain("alpha", "rho"),
            limit="none",
            symbol="r",
        )
        assert draft.steps[-1].verdict is verdict
    assert "q is defined otherwise" in draft.steps[-1].reason
