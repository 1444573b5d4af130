"""The accuracy table: audits of formulas, and a ratchet that turns one way."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import derivations
from derive.accuracy_table import (
    KEPT,
    Row,
    axes_of,
    box_of,
    measure,
    read_table,
    table_text,
)
from derive.domain import Notation
from derive.formula import Formula
from numerics.audit_points import Axis
from numerics.errors import ArgumentsError

TABLE = Path(__file__).parent / "golden" / "accuracy.json"
RECORDED = read_table(TABLE.read_text()) if TABLE.exists() else {}
# compiled in seconds, and one of every kind: closed form, branches, root
QUICK = ["classics.marchenko_pastur", "classics.marchenko_pastur:slope", "lu2025.effective_ridge"]


def formula_of(name: str) -> Formula:
    id, _, result = name.partition(":")
    found = derivations.get(id)
    return found.results[result] if result else found.result


@pytest.mark.parametrize("name", [n for n in QUICK if n in RECORDED])
def test_a_sample_is_no_worse_than_the_table(name):
    old = RECORDED[name]
    row = measure(formula_of(name), old.box, old.kept, scattered=100, edges=50, restarts=0)
    assert not row.worse_than(old)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in RECORDED if n.startswith("lu2025.")])
def test_a_sample_keeps_the_promise_of_the_table(name):
    old = RECORDED[name]
    formula = formula_of(name)
    assert {n: tuple(b) for n, b in box_of(formula).items()} == dict(old.box)
    row = measure(formula, old.box, old.kept, old.scattered // 10, old.edges // 5, restarts=0)
    # other points, other conditions: units of the last place compare on the same points only
    assert row.beyond == 0 and row.compared > 0


# What takes longest is begun first, so that the workers end together; results of one page are
# measured by one worker, which derives it once.
LONGEST = (
    "gaussian_covariates",
    "power_law",
    "structured_error",
    "estimator_moments",
    "two_groups",
)


def by_length(names):
    def place(name):
        return next((i for i, words in enumerate(LONGEST) if words in name), len(LONGEST))

    return [
        pytest.param(name, marks=pytest.mark.xdist_group(name.partition(":")[0]))
        for name in sorted(names, key=place)
    ]


@pytest.mark.table
@pytest.mark.parametrize("name", by_length(RECORDED))
def test_no_result_is_worse_than_the_table(name):
    old = RECORDED[name]
    row = measure(formula_of(name), old.box, old.kept, old.scattered, old.edges, restarts=4)
    assert not row.worse_than(old)


@pytest.mark.slow
def test_every_result_is_in_the_table():
    names = {d.results[n].name for d in derivations.catalog() for n in d.results}
    assert names == set(RECORDED), (
        "run: derive accuracy --table tests/golden/accuracy.json --update"
    )


def test_the_table_keeps_its_promise():
    assert RECORDED, f"{TABLE} is missing"
    for row in RECORDED.values():
        assert row.scattered >= 10_000 and row.edges >= 500
        assert row.beyond == 0 and row.compared > 0
        assert max(row.mean, row.percentile_99) <= row.maximum < math.inf
        assert table_text({row.result: row}) in table_text({row.result: row})
    assert table_text(RECORDED) == TABLE.read_text()


def test_a_row_reads_back_exactly_and_only_worse_is_worse():
    letters = Notation()
    x = letters.quantity("x", "a length", lower=0)
    square = Formula.define("square", (x,), x**2 / 3, domain=letters.domain("x"))
    row = measure(square, box_of(square), scattered=50, edges=30, restarts=2)
    text = table_text({"square": row})
    assert read_table(text) == {"square": row} and json.loads(text)["square"]["edges"] == 30
    assert row.beyond == 0 and row.maximum < 2 and len(row.kept) <= KEPT
    assert row.compared > 40 and row.balls > 0  # x**2 underflows where x is subnormal
    assert not row.worse_than(row)
    for name in ("maximum", "percentile_99", "mean", "float64_maximum"):
        assert name in replace(row, **{name: 10.0}).worse_than(row)
        assert name in replace(row, **{name: math.inf}).worse_than(row)
        assert name in replace(row, **{name: math.nan}).worse_than(row)
        assert not replace(row, **{name: 0.0}).worse_than(row)
    assert "beyond" in replace(row, beyond=1).worse_than(row)


def test_a_formula_that_cancels_is_told_from_one_that_does_not():
    letters = Notation()
    x = letters.quantity("x", "a length", lower=0)
    from sympy import sqrt

    domain = letters.domain("x")
    bad = Formula.define("bad", (x,), sqrt(1 + x) - 1, domain=domain)
    good = Formula.define("good", (x,), x / (1 + sqrt(1 + x)), domain=domain)
    # the reader of formulas keeps both as they are written
    worse = measure(bad, box_of(bad), scattered=200, edges=40, restarts=2)
    better = measure(good, box_of(good), scattered=200, edges=40, restarts=2)
    assert worse.float64_maximum > 1e6 > 10 > better.float64_maximum
    assert worse.maximum < 10 and worse.beyond == 0  # escalation repairs it
    assert worse.double_double + worse.balls > better.double_double + better.balls
    assert "float64_maximum" in replace(worse, result="good").worse_than(better)


def test_boxes_follow_the_domain():
    from sympy import Rational

    letters = Notation()
    symbols = [
        letters.quantity("a", "free"),
        letters.quantity("b", "half open", lower=0, upper=1, lower_open=False),
        letters.quantity("c", "above one", lower=1),
        letters.quantity("n", "a count", lower=1, lower_open=False, integer=True),
        letters.quantity("k", "a ratio", lower=0, upper_open=False),
    ]
    total = sum(symbols[1:], symbols[0]) * Rational(1, 3)
    formula = Formula.define("f", symbols, total, domain=letters.domain(*"abcnk"))
    box = box_of(formula)
    assert box["a"] == (-1e3, 1e3, (), False)
    low, high, special, _ = box["b"]
    assert 0 < low < 1e-5 and 1 - 1e-5 < high < 1 and special == (0.0,)
    assert box["c"][0] == 1 + 1e-6 and box["n"][:2] == (1.0, 17.0) and box["n"][3]
    assert math.inf in box["k"][2] and 0.0 not in box["k"][2] and math.ulp(0.0) in box["k"][2]
    assert axes_of(box)["c"] == Axis(1 + 1e-6, 1e6)
    with pytest.raises(ArgumentsError, match="the arguments are a, b, c, n, k"):
        measure(formula, {"a": box["a"]})


def test_audits_of_formulas_over_axes_and_grids():
    trace = derivations.get("classics.marchenko_pastur").result
    over = trace.audit(kappa=Axis(1e-3, 1e3), u=[0.5, 1.0], sample=300, seed=4)
    assert over.passed and over.points == 300 and over.worst.point["u"] in (0.5, 1.0)
    grid = trace.audit(kappa=np.geomspace(0.1, 10, 40)[:, None], u=np.geomspace(0.1, 10, 50))
    assert grid.passed and 500 < grid.points <= 1000
    whole = trace.audit(kappa=np.geomspace(0.1, 10, 4)[:, None], u=np.geomspace(0.1, 10, 5))
    assert whole.points == 20
    assert trace.audit(kappa=0.5, u=0.25).points == 1
    pairs = trace.audit(kappa=Axis(0.1, 10.0), u=Axis(0.1, 10.0), precision="double-double")
    assert pairs.significand == 106 and pairs.passed and pairs.maximum < 100
    auto = trace.audit(kappa=0.5, u=Axis(1e-300, 1e300), precision="auto", sample=200)
    assert auto.passed
    for keywords, words in [
        ({"sample": 0}, "sample = 0"),
        ({"precision": "quad"}, "'quad'"),
        ({"u": np.ones(3), "kappa": np.ones(2)}, "do not span a grid"),
    ]:
        with pytest.raises(ArgumentsError, match=words):
            trace.audit(**{"kappa": 0.5, "u": 1.0, **keywords})
    with pytest.raises(ArgumentsError, match="missing u"):
        trace.audit(kappa=0.5)


def test_the_row_type_is_what_the_file_says():
    fields = set(Row.__dataclass_fields__)
    for record in json.loads(TABLE.read_text()).values() if TABLE.exists() else ():
        assert set(record) == fields
