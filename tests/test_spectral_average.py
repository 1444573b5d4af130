"""Averages over tables: one loop in every evaluator, equal to the sum written out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from numerics.ball import evaluate
from numerics.errors import ArgumentsError
from numerics.kernel import compile_program
from numerics.lower import Let, Solve, lower
from numerics.spectral_average import AtomTable, averages, explicit

c, w, x, z, kappa = sp.symbols("c w x z kappa", positive=True)
TABLE = AtomTable([[1, 4, Fraction(1, 3), 0], [Fraction(n, 8) for n in (3, 2, 2, 1)]])
TERMS = (w / (c + z), w * c / (c + z) ** 2, w * c)


def test_the_loop_gives_the_sum_written_out_in_every_evaluator():
    total = sum(a * n for n, a in enumerate(averages(TERMS, (c, w), TABLE), start=2))
    looped, plain = (lower([z], [], {"s": e}) for e in (total, explicit(total)))
    assert looped.operations()["table_sum"] == 1  # three sums, one loop
    assert "table_sum" not in plain.operations()
    points = np.geomspace(1e-3, 1e3, 50)
    np.testing.assert_allclose(
        compile_program(looped)(points), compile_program(plain)(points), rtol=1e-14
    )
    ball, other = (evaluate(p, bits=120, z="0.37")["s"] for p in (looped, plain))
    assert abs(ball.midpoint - other.midpoint) <= ball.radius + other.radius
    high, low = compile_program(looped, precision="double-double")(0.375, 0.0)
    exact = evaluate(looped, bits=120, z="3/8")["s"].midpoint
    assert abs(Fraction(float(high)) + Fraction(float(low)) - exact) < Fraction(1, 10**28)


def test_a_loop_inside_a_root_is_iterated():
    # x (1 - tr c/(c + x) / kappa) = z, the effective ridge of a spectrum, by Newton from above
    t, f = averages((w * c / (c + x), w * c**2 / (c + x) ** 2), (c, w), TABLE)
    (mean,) = averages((w * c,), (c, w), TABLE)
    slope, residual = sp.Symbol("slope"), sp.Symbol("residual")
    point = Solve(
        (x,),
        (z + mean / kappa,),
        (Let(residual, x * (1 - t / kappa) - z), Let(slope, 1 - f / kappa)),
        (x - residual / slope,),
        (residual,),
    )
    program = lower([z, kappa], [point], {"x": x})
    for ratio in (0.3, 2.5):
        found = float(compile_program(program)(0.2, ratio))
        atoms = np.array([[float(entry) for entry in column] for column in TABLE.columns])
        share = np.sum(atoms[1] * atoms[0] / (atoms[0] + found))
        assert found * (1 - share / ratio) == pytest.approx(0.2, rel=1e-13)
    ball = evaluate(program, bits=100, z="1/5", kappa="5/2")["x"]
    assert float(ball) == pytest.approx(found, rel=1e-14)
    assert ball.radius < Fraction(1, 10**25)


def test_bound_variables_stay_bound():
    (m,) = averages((w / (c + z),), (c, w), TABLE)
    assert m.free_symbols == {z}
    assert m.subs(c, 3) == m
    assert sp.simplify(m.diff(z).explicit() - sp.diff(m.explicit(), z)) == 0
    assert m.subs(z, 2).explicit() == m.explicit().subs(z, 2)
    with pytest.raises(ArgumentsError, match="summed over by mistake"):
        m.subs(z, c)


def test_bad_tables_are_refused():
    for columns in ([], [[]], [[1, 2], [1]], [[0.5], [1]]):
        with pytest.raises(ArgumentsError):
            AtomTable(columns)
    with pytest.raises(ArgumentsError, match="1 variables for 2 columns"):
        averages((c,), (c,), TABLE)
    assert AtomTable([[1]]) != AtomTable([[2]])
