"""Automatic precision: what is promised holds, and what is told about it is true."""

import pickle
from fractions import Fraction

import kernel_programs
import numpy as np
import pytest

import derivations
from numerics.audit import audit
from numerics.audit_points import Axis, edge_points, scatter_points
from numerics.block_grid import block_of, grid_blocks
from numerics.errors import ArgumentsError, ConvergenceError, DomainError, LoweringError
from numerics.escalation import BLOCK, EscalatingKernel
from numerics.kernel import compile_program
from numerics.program import Builder, Program


def textbook_trace() -> Program:
    """M_kappa(u) as printed in textbooks: right on paper, hopeless in floating point."""
    b = Builder(("kappa", "u"))
    kernel_programs.positive(b, "kappa", "u")
    k, u = b.argument("kappa"), b.argument("u")
    one, two, four = (b.constant(n) for n in (1, 2, 4))
    op = b.op
    shift = op("sub", op("add", u, one), op("div", one, k))
    root = op("sqrt", op("add", op("mul", shift, shift), op("div", op("mul", four, u), k)))
    return b.program({"M": op("div", op("mul", op("sub", root, shift), k), op("mul", two, u))})


def test_a_formula_that_cancels_is_repaired_point_by_point():
    program = textbook_trace()
    box = {"kappa": Axis(1e-8, 1e8), "u": Axis(1e-8, 1e8)}
    inner, outer = scatter_points(box, 500, 1), edge_points(box, 100, 2)
    points = {n: np.concatenate([inner[n], outer[n]]) for n in box}
    plain = audit(program, compile_program(program), points)
    assert not plain.passed and plain.maximum > 1e6  # the test would notice if nothing happened
    kernel = EscalatingKernel(program)
    report = audit(program, kernel, points)
    assert report.passed and report.compared == 600
    counts = kernel.escalated
    assert counts.points == 600
    assert 100 < counts.double_double < 500 and 0 < counts.balls < 200
    # what was not escalated is the float64 value, bit for bit; what was differs or was confirmed
    operands = [points[a] for a in program.arguments]
    differing = np.sum(kernel(*operands) != compile_program(program)(*operands))
    assert 0 < differing <= counts.double_double + counts.balls
    # the stable form of the same function is hardly ever escalated
    stable = EscalatingKernel(kernel_programs.marchenko_pastur())
    again = stable(points["kappa"], points["u"])
    assert stable.escalated.double_double + stable.escalated.balls < 6
    assert np.allclose(again, kernel(*operands), rtol=1e-14)


def test_zeros_and_limits_at_infinity_are_no_doubt_but_overflows_are():
    b = Builder(("k", "x"))
    op, k, x = b.op, b.argument("k"), b.argument("x")
    one, zero = b.constant(1), b.constant(0)
    b.require("x < inf", ("x",), op("less", x, b.constant("inf")), "")
    share = op("div", one, op("add", one, op("mul", op("mul", k, x), x)))
    f = op("add", op("mul", share, op("maximum", zero, op("sub", one, x))), op("exp", op("neg", x)))
    program = b.program({"f": op("sub", f, op("exp", op("neg", x)))})
    at_limit = EscalatingKernel(b.program({"f": op("mul", share, op("add", one, x))}))
    assert at_limit(np.array([np.inf, np.inf]), np.array([0.3, 2.0])).tolist() == [0.0, 0.0]
    assert at_limit.escalated.balls + at_limit.escalated.double_double == 0
    at_limit(1e308, 1e5)  # k x overflows: the value is no limit
    assert at_limit.escalated.balls == 1
    vanishing = EscalatingKernel(b.program({"f": op("mul", k, op("exp", op("neg", x)))}))
    assert vanishing(np.array([3.0, 1e6]), np.array([1e4, 1e12])).tolist() == [0.0, 0.0]
    assert vanishing.escalated.balls == 0
    assert vanishing(1e6, 750.0) > 0 and vanishing.escalated.balls == 1  # exp(-750) underflows
    cancelled = EscalatingKernel(program)
    assert cancelled(0.5, 2.0) == 0.0  # zero by cancellation, not by a factor
    assert cancelled.escalated.double_double + cancelled.escalated.balls == 1


@pytest.mark.slow
def test_a_root_of_what_cancels_is_not_taken_for_zero():
    """sqrt(max(0, d)) where d > 0: its computed value may be below zero, and flat there."""
    b = Builder(("x", "y"))
    op, x, y, zero = b.op, b.argument("x"), b.argument("y"), b.constant(0)
    square = b.op("power", op("add", x, y), attribute=2)
    d = op("sub", op("sub", op("sub", square, op("mul", x, x)), op("mul", y, y)), op("mul", x, y))
    f = b.select(op("less", zero, d), op("sqrt", op("maximum", zero, d)), zero)
    program = b.program({"f": f})
    rng = np.random.default_rng(3)
    points = {"x": 10 ** rng.uniform(6, 10, 300), "y": 10 ** rng.uniform(-8, -4, 300)}
    float64 = compile_program(program)(points["x"], points["y"])
    assert (float64 == 0).sum() > 30
    assert audit(program, EscalatingKernel(program), points).passed


@pytest.mark.slow
def test_a_constant_exponent_is_as_good_as_its_rational():
    b = Builder(("x",))
    program = b.program({"f": b.op("pow", b.argument("x"), b.constant(Fraction(-2, 3)))})
    x = np.geomspace(1e-300, 1e300, 400)
    assert audit(program, compile_program(program), {"x": x}).maximum < 2
    kernel = EscalatingKernel(program)
    kernel(x)
    assert kernel.escalated.double_double + kernel.escalated.balls == 0
    ends = compile_program(program)(np.array([0.0, np.inf, -1.0]))
    assert ends[:2].tolist() == [np.inf, 0.0] and np.isnan(ends[2])


@pytest.mark.slow
def test_what_a_large_power_of_one_plus_little_loses_is_made_up_for():
    import sympy as sp

    from numerics.lower import lower

    x, n = sp.symbols("x n", positive=True)
    program = lower([x, n], [], {"f": (1 + x / 3) ** n})
    rng = np.random.default_rng(4)
    points = {"x": 10 ** rng.uniform(-9, 1, 300), "n": 10 ** rng.uniform(0, 8, 300)}
    inside = points["x"] * points["n"] < 300
    points = {name: column[inside] for name, column in points.items()}
    assert audit(program, compile_program(program), points).passed
    w = Builder(("x", "n"))
    sum_ = w.op("add", w.constant(1), w.op("div", w.argument("x"), w.constant(3)))
    plain = w.program({"f": w.op("pow", sum_, w.argument("n"))})
    assert not audit(plain, compile_program(plain), points).passed


@pytest.mark.parametrize("id", ["lu2025.icl_error"])
def test_results_with_roots_keep_the_promise(id):
    formula = derivations.get(id).result
    special = {"kappa": (np.inf,), "rho": (0.0,), "lam": (0.0,)}
    box = {a: Axis(1e-6, 1e6, special.get(a, ())) for a in formula.args}
    inner, outer = scatter_points(box, 100, 3), edge_points(box, 30, 4)
    points = {n: np.concatenate([inner[n], outer[n]]) for n in box}
    auto = formula.compile(precision="auto")
    assert audit(formula.program, auto.kernel, points).passed
    assert auto.escalated.points == 130
    assert str(auto.escalated).startswith("130 points, ")


def test_without_an_estimate_every_point_is_computed_again(monkeypatch):
    def refuse(program):
        raise LoweringError("doubt_program", "no derivative", "as of too many unknowns", "none")

    monkeypatch.setattr("numerics.escalation.doubt_program", refuse)
    b = Builder(("x",))
    x = b.argument("x")
    b.require("x > 0", ("x",), b.op("less", b.constant(0), x))
    program = b.program({"f": b.op("mul", b.op("gamma", x), b.constant(Fraction(1, 3)))})
    kernel = EscalatingKernel(program)
    report = audit(program, kernel, {"x": np.array([0.5, 1.0, 3.25, 20.0])})
    assert report.maximum <= 0.5001
    assert kernel.escalated.double_double + kernel.escalated.balls == 4
    assert np.isnan(kernel(-1.0)) and kernel.invalid_count() == 1


def test_underflow_and_overflow_of_intermediate_values_are_noticed():
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    program = b.program({"f": b.op("div", b.op("mul", b.op("mul", x, x), y), x)})
    kernel = EscalatingKernel(program)
    points = np.array([1e-200, 1e-160, 1e200, 1.0]), np.array([3.0, 7.0, 1e-150, 3.0])
    assert np.allclose(kernel(*points), points[0] * points[1], rtol=4e-16, atol=0)
    assert kernel.escalated.balls == 3


def test_a_condition_does_not_fail_because_its_squares_underflow():
    b = Builder(("a", "x"))
    a, x = b.argument("a"), b.argument("x")
    squares = b.op("mul", x, x), b.op("mul", a, a)
    b.require("x^2 < a^2", ("a", "x"), b.op("less", *squares))
    program = b.program({"f": b.op("sqrt", b.op("sub", squares[1], squares[0]))})
    kernel = EscalatingKernel(program)
    found = kernel(np.array([5e-200, 3e-200, 5.0]), np.array([3e-200, 5e-200, 3.0]))
    assert np.isnan(compile_program(program)(5e-200, 3e-200))
    assert found[0] == pytest.approx(4e-200, rel=1e-15) and np.isnan(found[1]) and found[2] == 4.0
    assert kernel.invalid_count() == 1


def test_errors_are_those_of_the_formula():
    auto = derivations.get("classics.marchenko_pastur").result.compile(precision="auto")
    with pytest.raises(DomainError, match=r"u = -1\.0 at index 1"):
        auto(kappa=0.5, u=[1.0, -1.0])
    values = auto(kappa=0.5, u=[1.0, -1.0, np.nan], invalid="nan")
    assert np.isnan(values).tolist() == [False, True, True]
    plain = derivations.get("classics.marchenko_pastur").result.compile()
    with pytest.raises(ArgumentsError, match="no point is ever escalated"):
        _ = plain.escalated


def test_a_root_that_does_not_exist_gives_no_number():
    b = Builder(("y",))
    y, one = b.argument("y"), b.constant(1)
    (x,) = b.open(1)
    new = b.op("add", x, b.op("div", y, x))
    (root,) = b.close("root", (x,), (new, b.op("sub", new, x)), (one,), (-50, 30), 1)
    program = b.program({"root": root})
    kernel = EscalatingKernel(program)
    assert np.isnan(kernel(1.0)) and kernel.unconverged_count() == 1
    from derive.evaluator import Evaluator

    with pytest.raises(ConvergenceError):
        Evaluator("nothing", program, kernel)(y=1.0)


def test_shapes_out_and_pickles():
    program = kernel_programs.marchenko_pastur()
    kernel = EscalatingKernel(program)
    kappa, u = np.geomspace(0.1, 10, 300)[:, None], np.geomspace(1e-3, 1e3, 500)
    grid = kernel(kappa, u)
    assert grid.shape == (300, 500) and grid.size > 2 * BLOCK
    assert np.array_equal(grid, compile_program(program)(kappa, u))
    out = np.empty((300, 500))
    assert kernel(kappa, u, out=out) is out and np.array_equal(out, grid)
    assert isinstance(kernel(0.5, 1.0), float) and kernel(np.ones(0), 1.0).shape == (0,)
    assert np.array_equal(pickle.loads(pickle.dumps(kernel))(kappa, u), grid)
    with pytest.raises(ArgumentsError, match="out is"):
        kernel(kappa, u, out=np.empty(3))
    with pytest.raises(ArgumentsError, match="2 outputs"):
        EscalatingKernel(kernel_programs.effective_ridge())


def test_blocks_cover_a_grid_once_in_order():
    for shape in [(), (5,), (0, 3), (3, 4), (2, 3, 4, 5), (1, 7), (7, 1)]:
        for limit in (1, 2, 5, 7, 60, 1000):
            ids = np.arange(int(np.prod(shape))).reshape(shape)
            blocks = list(grid_blocks(shape, limit))
            parts = [np.asarray(ids[b]).ravel() for b in blocks]
            assert np.array_equal(np.concatenate([*parts, np.zeros(0, int)]), ids.ravel())
            assert all(1 <= len(p) <= limit for p in parts)
    row = np.arange(5.0)
    assert block_of(row, (slice(0, 1), slice(2, 4))).tolist() == [2.0, 3.0]
    assert block_of(row[:, None], (slice(1, 3), slice(0, 9))).tolist() == [[1.0], [2.0]]
    assert block_of(2.5, (slice(0, 1),)) == 2.5


@pytest.mark.slow
def test_the_spread_is_never_beaten_by_far():
    """Half a million points of a rounding-rich formula: 2.5 spreads are not reached."""
    from numerics.sensitivity import sensitivity_program

    program = kernel_programs.marchenko_pastur()
    box = {"kappa": Axis(1e-3, 1e3), "u": Axis(1e-3, 1e3)}
    points = scatter_points(box, 500_000, 9)
    operands = points["kappa"], points["u"]
    value, _, spread, _ = compile_program(sensitivity_program(program))(*operands)
    high, low = compile_program(program, "double-double")(*operands)
    error = np.abs((value - high) - low) / np.abs(high) / 2.0**-53
    assert np.max(error / spread) < 2.0


def test_a_branch_picked_by_rounding_is_decided_by_more_digits():
    b = Builder(("x",))
    x = b.argument("x")
    third = b.op("div", b.constant(1), b.constant(3))
    product = b.op("mul", x, third)  # rounds to one for some x beside three
    taken = b.select(b.op("less", product, b.constant(1)), b.constant(5), b.constant(7))
    kernel = EscalatingKernel(b.program({"f": b.op("mul", taken, x)}))
    near = 3 + np.arange(-4, 5) * 2.0**-51
    exact = np.where(near < 3, 5.0, 7.0) * near
    decided = kernel(near)
    assert np.array_equal(decided[near != 3], exact[near != 3])
    assert kernel.escalated.balls >= 3
    far = np.linspace(1, 2, 100)
    before = kernel.escalated
    kernel(far)
    assert kernel.escalated.balls == before.balls  # nobody doubts a comparison that is clear
    clipped = b.op("maximum", b.constant(0), b.op("sub", b.constant(1), product))
    kernel = EscalatingKernel(b.program({"g": clipped}))
    wide = 3 * (1 - 2.0 ** -np.arange(30.0, 52.0))
    found = kernel(wide)
    true = [max(0.0, float(1 - Fraction(v) / 3)) for v in wide]
    np.testing.assert_allclose(found, true, rtol=1e-15)
