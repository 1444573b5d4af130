"""Fewer divisions: the same values, and a NaN where nothing is decided."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_programs import Floats, interpret

from numerics.division import merge_quotients, share_reciprocals
from numerics.emit import emit
from numerics.kernel import compile_program
from numerics.lower import Solve, lower
from numerics.program import Builder, Program, walk
from numerics.schedule import normal_form


def branches() -> Program:
    """Two nested selections of quotients, one of them needed twice."""
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    one, two = b.constant(1), b.constant(2)
    inner = b.select(b.op("less", x, y), b.op("div", x, b.op("add", y, two)), b.op("div", y, x))
    shared = b.op("div", one, b.op("add", x, y))
    outer = b.select(b.op("less", one, x), inner, b.op("div", b.op("sub", x, y), y))
    other = b.select(b.op("less", one, y), shared, b.op("div", two, y))
    return b.program({"f": outer, "g": b.op("add", other, shared)})


def count(text: str) -> int:
    return text.count(" / ")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_selections_of_quotients_keep_their_bits(x, y):
    program = branches()
    with np.errstate(all="ignore"):
        expected = np.array(interpret(program, Floats(), np.float64(x), np.float64(y)))
        got = np.array(compile_program(program)(x, y))
    assert np.array_equal(got, expected, equal_nan=True)


def test_merging_saves_divisions_and_leaves_what_others_use():
    program = branches()
    written = merge_quotients(normal_form(program), program.body.yields)
    assert [i.op for i in normal_form(program)].count("div") == 5
    # the three quotients of the outer selection become one; the shared one stays
    assert [i.op for i in written].count("div") == 3
    assert count(emit(program)) == 2 * 3  # over streams, and over tiles


def test_shared_divisors_become_one_reciprocal_a_rounding_away():
    b = Builder(("x", "y", "k"))
    x, y, k = (b.argument(n) for n in "xyk")
    total = b.op("add", b.op("div", x, k), b.op("mul", y, b.op("div", y, k)))
    program = b.program({"f": total})
    shared = share_reciprocals(program)
    assert shared.operations() == {"div": 1, "mul": 3, "add": 1}
    rng = np.random.default_rng(3)
    points = np.exp(rng.normal(0, 20, (3, 1000)))
    before, after = compile_program(program)(*points), compile_program(shared)(*points)
    np.testing.assert_allclose(after, before, rtol=4 * 2.0**-53)
    assert float(compile_program(shared)(1.0, 2.0, np.inf)) == 0.0
    b = Builder(("x", "k"))
    alone = b.program({"f": b.op("div", b.argument("x"), b.argument("k"))})
    assert share_reciprocals(alone) == alone  # nothing to gain, nothing to round


def test_a_divisor_from_outside_a_loop_is_inverted_outside():
    x, a = sp.symbols("x a", positive=True)
    solve = Solve((x,), (a + 1,), (), ((x + a * sp.sqrt(x) / (1 + a)) / 2,), (x - a,))
    program = lower([a], [solve], {"x": x})
    (loop,) = [i for i in program.body.instructions if i.op == "root"]
    inside = [i.op for i in walk(loop.block)]
    assert inside.count("div") <= 1  # the half is a power of two, left to the compiler
    assert any(i.op == "div" for i in program.body.instructions)


@pytest.mark.parametrize("precision", ["float64", "double-double"])
def test_an_undecided_mask_gives_no_number(precision):
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    gap = b.op("sub", x, y)  # NaN at infinity
    one, two = b.constant(1), b.constant(2)
    mask = b.op("less", b.constant(0), gap)
    programs = [
        b.program({"f": b.select(mask, one, two)}),  # neither side would say so
        b.program({"f": b.select(mask, b.op("div", one, gap), b.op("div", two, x))}),
        b.program({"f": b.select(mask, b.op("div", gap, two), b.op("div", one, gap))}),
        b.program({"f": b.select(mask, gap, b.op("neg", gap))}),
    ]
    for program in programs:
        kernel = compile_program(program, precision)
        found = kernel(np.inf, np.inf)
        assert np.isnan(found if precision == "float64" else found[0])
        found = kernel(3.0, 1.0)
        assert np.isfinite(found if precision == "float64" else found[0])
    # where both sides carry the NaN nothing is spent on it
    assert "where(q" in emit(programs[0], precision)
    assert "where(q" not in emit(programs[2], precision)
