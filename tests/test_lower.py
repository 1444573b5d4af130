"""The lowering: expressions as written, roots and sums in place, refusals in words."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from numerics.ball import evaluate
from numerics.errors import ConvergenceError, LoweringError
from numerics.functions import ResolventTrace, textbook
from numerics.kernel import compile_program
from numerics.lower import Condition, Let, Solve, lower
from numerics.program import Program, walk

x, y, a = sp.symbols("x y a", positive=True)
kappa, u = sp.symbols("kappa u", positive=True)


def value(expression, **point):
    symbols = sorted(expression.free_symbols, key=str)
    return float(evaluate(lower(symbols, [], {"v": expression}), bits=60, **point)["v"])


@pytest.mark.parametrize(
    "expression",
    [
        x**3 - 2 * y / x + sp.Rational(3, 7),
        sp.sqrt(x) * y ** sp.Rational(-3, 2),
        -x - y,
        (x + y) ** -2 * 5,
        sp.exp(-x) + sp.log(y) * sp.pi,
        sp.Max(x, y, 1) - sp.Min(x, y),
        sp.Piecewise((x, x < y), (y**2, x < 3 * y), (sp.Integer(7), True)),
        x ** sp.Rational(1, 3) * sp.atan(y) + sp.Abs(x - y),
        sp.E * sp.EulerGamma * x,
    ],
)
def test_value_is_that_of_sympy(expression):
    point = {x: sp.Rational(5, 4), y: sp.Rational(7, 3)}
    names = {str(s): Fraction(int(v.p), int(v.q)) for s, v in point.items()}
    symbols = {str(s) for s in expression.free_symbols}
    got = value(expression, **{n: v for n, v in names.items() if n in symbols})
    assert got == pytest.approx(float(expression.subs(point)), rel=1e-15)


def test_sum_runs_over_an_index_and_its_bound_may_be_an_argument():
    k = sp.Symbol("k", integer=True)
    total = sp.Sum(a / k**2, (k, 1, x))
    got = value(total, a=Fraction(3, 2), x=50)
    assert got == pytest.approx(1.5 * sum(1 / j**2 for j in range(1, 51)), rel=1e-15)


def test_what_does_not_depend_on_the_unknown_is_computed_once_outside_the_loop():
    square = sp.sqrt(a)
    program = lower(
        [a],
        [Solve((x,), (a + 1,), (Let(y, square * 3),), ((x + a / x) / 2 + 0 * y,), (x**2 - a,))],
        {"r": x},
    )
    root = next(i for i in program.body.instructions if i.op == "root")
    assert root.block is not None
    assert "sqrt" not in [i.op for i in root.block.instructions]
    assert float(evaluate(program, bits=60, a=2)["r"]) == pytest.approx(2**0.5, rel=1e-15)


def test_program_text_is_canonical_and_read_back():
    program = lower(
        [a, kappa],
        [Let(y, ResolventTrace(kappa, a))],
        {"r": y**2},
        [Condition("a < 5", a < 5, "a is small")],
    )
    again = Program.from_json(program.to_json())
    assert again == program and again.key == program.key
    assert again.constraints[0].reason == "a is small"
    other = lower([a, kappa], [Let(y, ResolventTrace(kappa, a))], {"r": y**3})
    assert other.key != program.key
    assert all(i.op != "pow" for i in walk(program.body))


@pytest.mark.parametrize("bad", [sp.Float("0.1") * x, sp.besselj(0, x), sp.Symbol("stranger")])
def test_what_cannot_be_lowered_is_refused_in_words(bad):
    with pytest.raises(LoweringError, match=r"Why: .* Do: "):
        lower([x], [], {"v": x + bad})


def test_resolvent_trace_solves_its_equation_and_differentiates():
    m = ResolventTrace(kappa, u)
    for k, v in ((Fraction(1, 3), Fraction(1, 50)), (Fraction(7, 2), Fraction(3, 11)), (1, 2)):
        got = value(m, kappa=k, u=v)
        assert 1 / got == pytest.approx(float(v) + 1 / (1 + got / float(k)), rel=1e-14)
        step = Fraction(1, 10**6)
        slope = (value(m, kappa=k, u=v + step) - value(m, kappa=k, u=v - step)) / (2e-6)
        assert value(m.diff(u), kappa=k, u=v) == pytest.approx(slope, rel=1e-5)
        slope = (value(m, kappa=k + step, u=v) - value(m, kappa=k - step, u=v)) / (2e-6)
        assert value(m.diff(kappa), kappa=k, u=v) == pytest.approx(slope, rel=1e-5)


def test_resolvent_trace_at_infinite_kappa_is_that_of_the_identity():
    assert ResolventTrace(sp.oo, u) == 1 / (1 + u)
    assert value(ResolventTrace(kappa, u), kappa="inf", u=3) == 0.25
    assert textbook(1 + ResolventTrace(kappa, u)).has(ResolventTrace) is False


def test_a_root_outside_the_region_of_its_branch_is_no_number():
    x, a = sp.Symbol("x", real=True), sp.Symbol("a", positive=True)
    newton = ((x + a / x) / 2,)
    for start, region, inside in (
        (-1, x > 0, False),
        (1, x > 0, True),
        (1, sp.And(x > 0, x >= sp.sqrt(a)), True),  # its end belongs to it, rounding or not
        (1, x <= sp.sqrt(a), True),
        (1, sp.Or(x < -a, x > 2 * sp.sqrt(a)), False),
    ):
        solve = Solve((x,), (sp.Integer(start),), (), newton, (x**2 - a,), region)
        program = lower([a], [solve], {"x": x})
        found = compile_program(program)(np.array([0.3, 2.0, 7.0]))
        assert np.isfinite(found).all() if inside else np.isnan(found).all()
        if inside:
            assert abs(evaluate(program, bits=64, a=2)["x"].midpoint ** 2 - 2) < 1e-15
        else:
            with pytest.raises(ConvergenceError):
                evaluate(program, bits=64, a=2)
    with pytest.raises(LoweringError, match="no order relation"):
        lower([a], [Solve((x,), (a,), (), newton, (x**2 - a,), sp.Ne(x, 0))], {"x": x})
