"""Estimates of rounding errors: conditions against balls, bounds against certified errors."""

import math
from fractions import Fraction

import kernel_programs
import numpy as np
import pytest
from flint import arb

from numerics.ball import evaluate_many, working_precision
from numerics.condition import condition_number
from numerics.errors import LoweringError
from numerics.kernel import compile_program
from numerics.program import Builder, Program
from numerics.sensitivity import roundings, sensitivity_program

U = 2.0**-53


def relative_errors(program: Program, points, values) -> np.ndarray:
    column = next(iter(evaluate_many(program, points, 100).values()))
    with working_precision(160):
        return np.array(
            [
                float(abs((arb(float(v)) - x) / x))
                for v, x in zip(values, column.values, strict=True)
            ]
        )


def elementary() -> Program:
    """One of every operation with a derivative, branches included."""
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    op = b.op
    third = b.constant(Fraction(1, 3))
    a = op("add", op("exp", op("neg", x)), op("log", op("add", y, b.constant(2))))
    c = op("mul", op("sin", x), op("cos", op("mul", third, y)))
    d = op("add", op("atan", y), op("pow", y, op("add", third, op("div", x, b.constant(10)))))
    e = op("add", b.op("power", x, attribute=5), op("sqrt", y))
    f = op("minimum", op("maximum", a, op("abs", c)), op("add", d, b.constant("pi")))
    g = b.select(op("less", x, y), op("sub", e, op("div", x, y)), op("mul", d, a))
    h = b.op("power", op("add", f, b.constant(1)), attribute=-3)
    return b.program({"f": op("add", op("mul", f, g), h)})


def special() -> Program:
    """Functions whose derivatives are differences: gamma, zeta, and a sum over a power law."""
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    op, one = b.op, b.constant(1)
    p = op("add", one, x)
    total = op("power_law_sum", p, op("add", y, x), op("mul", x, y), op("exp", op("neg", y)))
    fixed = op("power_law_sum", b.constant(2), op("add", y, one), one, op("mul", y, y))
    total = op("add", op("mul", total, op("gamma", y)), op("mul", fixed, op("zeta", p)))
    return b.program({"f": total})


PROGRAMS = {
    "special": (special(), 0.05, 6.0),
    "marchenko_pastur": (kernel_programs.marchenko_pastur(), 1e-3, 1e3),
    "effective_ridge": (kernel_programs.effective_ridge(), 1e-2, 1e2),
    "two_unknowns": (kernel_programs.two_unknowns(), 0.1, 10.0),
    "elementary": (elementary(), 0.05, 3.0),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n == "special")) for n in PROGRAMS],
)
def test_conditions_agree_with_derivatives_in_balls_and_errors_stay_below_the_bound(name):
    program, low, high = PROGRAMS[name]
    rng = np.random.default_rng(5)
    n = 150
    points = {a: np.exp(rng.uniform(np.log(low), np.log(high), n)) for a in program.arguments}
    operands = [points[a] for a in program.arguments]
    value, bound, spread, condition = compile_program(sensitivity_program(program))(*operands)
    plain = np.asarray(compile_program(program)(*operands))
    plain = plain if plain.ndim == 1 else plain[0]
    assert np.array_equal(value, plain)  # the same operations in the same order
    for i in range(0, n, 10):
        here = {a: float(points[a][i]) for a in program.arguments}
        exact = condition_number(program, **here)
        assert math.isclose(condition[i], exact, rel_tol=1e-5 if name == "special" else 1e-9)
    error = relative_errors(program, points, value)
    assert (error <= bound * U * (1 + 1e-6) + 1e-40).all()
    assert (error <= 2.5 * spread * U).all()
    # The estimate is worth something: it is not far above what happens.
    assert np.median(bound) * U < 100 * np.median(error) + 200 * U
    assert (spread <= bound * (1 + 1e-9)).all()


def test_sums_and_tables_are_charged():
    program = kernel_programs.sums()
    for output in program.outputs:
        estimator = compile_program(sensitivity_program(program, output))
        x, m, n = np.array([0.3, 1.7, 9.0]), np.array([1.0, 2.0, 3.0]), np.array([5.0, 80.0, 4.0])
        value, bound, _, condition = estimator(x, m, n)
        column = evaluate_many(program, {"x": x, "m": m, "n": n}, 100)[output]
        with working_precision(160):
            pairs = zip(value.tolist(), column.values, strict=True)
            error = [float(abs((arb(v) - ball) / ball)) for v, ball in pairs]
        assert (error <= bound * U).all() and (bound > 0).all() and np.isfinite(condition).all()
        # x f'/f by central differences; the ends of the series are integers and have no slope
        step = 1e-6
        up, down = (estimator(x * (1 + s), m, n)[0] for s in (step, -step))
        slope = np.abs(up - down) / (2 * step) / np.abs(value)
        assert np.allclose(slope, condition, rtol=1e-4)


def test_a_root_inside_a_sum_is_followed():
    program = kernel_programs.nested()
    value, bound, _, condition = compile_program(sensitivity_program(program))(
        np.array([0.4, 3.0]), np.array([3.0, 7.0])
    )
    assert np.isfinite(value).all() and (bound > 0).all() and (condition > 0).all()
    error = relative_errors(program, {"x": [0.4, 3.0], "n": [3.0, 7.0]}, value)
    assert (error <= bound * U).all()


def test_a_cancellation_is_seen_though_the_formula_is_well_conditioned():
    b = Builder(("x",))
    x = b.argument("x")
    f = b.op("sub", b.op("sqrt", b.op("add", b.constant(1), x)), b.constant(1))
    value, bound, spread, condition = compile_program(sensitivity_program(b.program({"f": f})))(
        np.array([1e-10])
    )
    assert condition[0] == pytest.approx(1.0, rel=1e-4)
    assert bound[0] > 1e9 and spread[0] > 1e9
    true = 1e-10 / (1 + math.sqrt(1 + 1e-10))
    assert 1e5 * U < abs(value[0] / true - 1) <= bound[0] * U


def test_branches_not_taken_and_arguments_at_infinity_are_silent():
    program = kernel_programs.marchenko_pastur()
    kernel = compile_program(sensitivity_program(program))
    value, bound, _, condition = kernel(np.inf, 0.7)
    assert value == 1 / 1.7 and np.isfinite(bound) and condition == pytest.approx(0.7 / 1.7)


def test_outside_the_domain_there_is_no_estimate():
    kernel = compile_program(sensitivity_program(kernel_programs.marchenko_pastur()))
    assert np.isnan(kernel(-1.0, 0.7)).all() and np.isnan(kernel(np.nan, 0.7)).all()


def test_what_has_no_derivative_is_refused():
    b = Builder(("x",))
    program = b.program({"f": b.op("erf", b.argument("x"))})
    with pytest.raises(LoweringError, match="erf"):
        sensitivity_program(program)


def test_exact_operations_cost_nothing():
    from numerics.program import Instruction

    def constant(value):
        return roundings(Instruction("constant", (0,), attribute=value))

    assert constant(Fraction(1, 2)) == 0 and constant(Fraction(1, 3)) == 1
    assert constant("pi") == 1 and constant("inf") == 0
    assert roundings(Instruction("neg", (1,), (0,))) == 0
    assert [roundings(Instruction("power", (1,), (0,), n)) for n in (0, 1, 2, 3, 7)] == [
        0,
        0,
        1,
        2,
        4,
    ]
