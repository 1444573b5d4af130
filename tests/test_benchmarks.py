"""The benchmarks run, their anchors compute the same numbers, and nothing is far off its target."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.c_source import c_source, compiled, compiler
from benchmarks.pairing import Contender, Paired, Spread, interleave
from benchmarks.table import Row, at_least, at_most, machine, markdown, record, skipped
from benchmarks.workloads import (
    error_at_root,
    root_below,
    root_condition,
    root_form,
    scattered,
)

import derivations
from derivations.shell import bench
from numerics.errors import ArgumentsError
from numerics.program import Builder

REPOSITORY = Path(__file__).resolve().parents[1]
needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler")
# On a shared machine a ratio may be off by so much: tests ask for no more than twice the target.
SLACK = 2.0
# Against array languages the gain depends on the processor (how dear is a division?): these are
# printed with their targets and not tested.
PROCESSOR = {"lambdify-scattered", "lambdify-tau", "lambdify-alpha", "newton", "mpmath"}


def test_ratios_are_taken_within_rounds():
    # the second round ran on a machine ten times slower: the ratio does not notice
    paired = Paired({"ours": (1.0, 10.0, 1.0), "theirs": (2.0, 20.0, 2.0)})
    assert paired.ratio("theirs", "ours") == Spread(2.0, 2.0, 2.0)
    assert paired.fastest() == "ours"
    assert paired.nanoseconds("ours") == 1e9


def test_a_slower_contender_is_seen_to_be_slower():
    numbers = list(range(3000))
    paired = interleave(
        {"once": Contender.of(sum, 1, numbers), "twice": Contender.of(sum, 1, numbers * 2)},
        rounds=5,
        least_seconds=1e-3,
    )
    assert 1.5 < paired.ratio("twice", "once").median < 3.0


def test_a_missed_target_is_called_missed():
    slow = Row("a", "ours", "theirs", Spread(1.2, 1.1, 1.3), target=at_most(1.1))
    fast = Row("b", "ours", "theirs", Spread(30.0, 20.0, 40.0), "x faster", at_least(20.0))
    absent = skipped("c", "ours", "theirs", "not installed")
    assert [r.verdict for r in (slow, fast, absent)] == ["missed", "met", "skipped"]
    table = markdown([slow, fast, absent], machine())
    assert "| 1.2x (1.1-1.3) | at most 1.1 | **missed** |" in table
    assert "skipped: not installed" in table
    assert [r["verdict"] for r in json.loads(record([slow, fast], machine()))["rows"]] == [
        "missed",
        "met",
    ]


@needs_compiler
def test_the_anchor_in_c_computes_every_operation(tmp_path):
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    one = b.constant(1)
    parts = [
        b.op("sqrt", b.op("abs", b.op("sub", x, y))),
        b.op("power", x, attribute=3),
        b.op("power", y, attribute=-2),
        b.op("minimum", x, y),
        b.op("maximum", b.op("neg", x), y),
        b.select(b.op("less", x, one), b.op("div", y, x), b.op("exp", b.op("neg", x))),
        b.op("mul", x, b.op("log", y)),
    ]
    total = parts[0]
    for part in parts[1:]:
        total = b.op("add", b.op("mul", total, b.constant(2)), part)
    program = b.program({"f": total})
    rng = np.random.default_rng(5)
    operands = [rng.uniform(0.3, 3.0, 777), rng.uniform(0.3, 3.0, 777)]
    u, v = operands
    expected = np.sqrt(abs(u - v))
    for part in (
        u**3,
        v**-2.0,
        np.minimum(u, v),
        np.maximum(-u, v),
        np.where(u < 1, v / u, np.exp(-u)),
        u * np.log(v),
    ):
        expected = 2 * expected + part
    out = np.empty(777)
    compiled(c_source(program), tmp_path, "operations")(operands, out)
    np.testing.assert_allclose(out, expected, rtol=1e-13)


@needs_compiler
def test_a_closed_form_keeps_up_with_c(tmp_path):
    formula = derivations.get("classics.marchenko_pastur").result
    rng = np.random.default_rng(3)
    points = {"kappa": rng.uniform(0.2, 5.0, 50_000), "u": rng.uniform(0.1, 4.0, 50_000)}
    out, theirs = np.empty(50_000), np.empty(50_000)
    call = compiled(c_source(formula.program), tmp_path, "trace")
    paired = interleave(
        {
            "derive": Contender.of(formula, 50_000, out=out, **points),
            "C": Contender.of(call, 50_000, list(points.values()), theirs),
        },
        rounds=7,
        least_seconds=0.005,
    )
    np.testing.assert_allclose(out, theirs, rtol=1e-14)
    assert paired.ratio("derive", "C").median < 1.3 * SLACK


@needs_compiler
@pytest.mark.parametrize("lanes", [32, 128])
def test_roots_in_c_and_in_numpy_are_those_of_the_kernel(tmp_path, lanes):
    formula = root_form()
    points = scattered(formula, 1000)
    operands = list(points.values())
    out = np.empty(1000)
    compiled(c_source(formula.program, lanes), tmp_path, f"root{lanes}")(operands, out)
    np.testing.assert_allclose(out, formula(**points), rtol=1e-12)
    low, high = root_below(*operands), operands[-1] + (1 + (1 + operands[3]) / operands[1])
    assert np.all(root_condition(low, *operands) <= 1e-9)
    for _ in range(200):
        middle = (low + high) / 2
        below = root_condition(middle, *operands) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
        high = np.where(root_condition(high, *operands) < 0, 2 * high, high)
    np.testing.assert_allclose(error_at_root(low, *operands), out, rtol=1e-5)


def test_without_the_repository_the_command_says_how(monkeypatch, tmp_path):
    assert bench.repository() == REPOSITORY
    elsewhere = tmp_path / "derivations" / "shell" / "bench.py"
    monkeypatch.setattr(bench, "__file__", str(elsewhere))
    with pytest.raises(ArgumentsError, match="make bench, in a clone of the repository"):
        bench.repository()


@pytest.mark.slow
def test_every_row_is_measured_and_none_is_far_off(tmp_path):
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert len(rows) > 30
    far = []
    for row in rows:
        target, value = row["target"], row["value"]
        if target is None or value is None or row["name"] in PROCESSOR:
            continue
        if row["name"].startswith("threads"):  # others may hold the second core
            continue
        ratio = value["median"] / target["value"]
        if (ratio if target["words"] == "at most" else 1 / ratio) > SLACK:
            far.append((row["name"], value["median"], target["value"]))
    assert not far
