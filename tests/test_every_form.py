"""Every result of every page has every form: pairs of floats, and source in each language."""

from __future__ import annotations

import pytest
from flint import arb

import derivations
from derive.export import LANGUAGES
from derive.formula import Formula
from numerics.ball_operations import BINARY, UNARY
from numerics.emit import PRECISIONS, emit
from numerics.errors import LoweringError
from numerics.export.source import write_source
from numerics.power_law_ball import power_law_sum
from numerics.program import Builder, Program

IDS = [d.id for d in derivations.catalog()]
EXCEPTIONS: dict[str, str] = {}  # name of a result -> why a form of it cannot be had


def missing_forms(program: Program) -> list[str]:
    """Return the forms that a program does not have, in words."""
    found = []
    for precision in PRECISIONS:
        try:
            emit(program, precision)
        except LoweringError as error:
            found.append(f"{precision}: {error}")
    for name, language in LANGUAGES.items():
        try:
            write_source(program, language, "f", [], [])
        except LoweringError as error:
            found.append(f"{name}: {error}")
    return found


@pytest.mark.parametrize("id", [pytest.param(i, marks=pytest.mark.xdist_group(i)) for i in IDS])
def test_every_result_has_every_form(id):
    for formula in derivations.get(id).results.values():
        assert isinstance(formula, Formula)
        missing = missing_forms(formula.program)
        assert bool(missing) == (formula.name in EXCEPTIONS), missing
        assert "nan" not in formula.latex().lower().split()


def test_exceptions_have_reasons_and_belong_to_results():
    names = {f"{i}:" for i in IDS}
    for name, reason in EXCEPTIONS.items():
        assert f"{name.partition(':')[0]}:" in names and len(reason.split()) > 3


SPECIAL = {"gamma": 1, "zeta": 1, "power_law_sum": 4}
SIMPLE = {"sqrt": 1, "exp": 1, "log": 1, "sin": 1, "cos": 1, "atan": 1, "pow": 2, "minimum": 2}


@pytest.mark.parametrize("op", [*SPECIAL, *SIMPLE])
def test_every_function_has_every_form(op):
    count = {**SPECIAL, **SIMPLE}[op]
    names = tuple("pqmx")[:count]
    b = Builder(names)
    assert not missing_forms(b.program({"f": b.op(op, *map(b.argument, names))}))
    enclosures = {**UNARY, **BINARY, "power_law_sum": power_law_sum}
    assert enclosures[op](*[arb(2)] * count).is_finite()


def test_a_form_that_is_missing_is_found():
    b = Builder(("x",))
    missing = missing_forms(b.program({"f": b.op("erf", b.argument("x"))}))
    assert len(missing) == len(PRECISIONS) + len(LANGUAGES)
    assert all("'erf'" in words for words in missing)
