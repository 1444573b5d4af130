"""Formulas: evaluation, refusals, balls, specialisation, and what a second process needs."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import derivations
from derive.domain import Notation
from derive.errors import UnknownNameError
from derive.fixed_point import Branch, FixedPoint
from derive.formula import Formula
from numerics.errors import ArgumentsError, ConvergenceError, DomainError
from numerics.lower import Condition, Let

letters = Notation()
a = letters.quantity("a", "a ratio", lower=0, upper_open=False)
b = letters.quantity("b", "a noise", lower=0, lower_open=False)
x = letters.quantity("x", "the positive root", lower=0)
c = letters.quantity("c", "an abbreviation")
ROOT = FixedPoint((x,), (x**2 + c * x - a,), Branch(region=sp.Ge(x, 0)), (a + 1,))
FORMULA = Formula.define(
    "example.root",
    (a, b),
    x + b / a,
    where=(Let(c, 1 + b), ROOT),
    domain=letters.domain("a", "b", conditions=[Condition("b < 10 a", b < 10 * a, "b is small")]),
)


def exact(alpha, beta):
    c = 1 + beta
    return (-c + np.sqrt(c * c + 4 * alpha)) / 2 + beta / alpha


def test_broadcasting_scalars_and_out():
    values = np.linspace(0.1, 3, 7)
    got = FORMULA(a=values[:, None], b=[0.1, 0.2])
    np.testing.assert_allclose(got, exact(values[:, None], np.array([0.1, 0.2])), rtol=1e-14)
    assert np.ndim(FORMULA(a=2, b=Fraction(1, 2))) == 0
    out = np.empty(7)
    assert FORMULA(a=values, b=0.3, out=out) is out
    np.testing.assert_allclose(out, exact(values, 0.3), rtol=1e-14)
    assert FORMULA(a=np.empty(0), b=1.0).shape == (0,)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"a": 1.0}, ArgumentsError, "missing b"),
        ({"a": 1.0, "b": 1.0, "z": 2.0}, ArgumentsError, "unknown z"),
        ({"a": "1", "b": 1.0}, ArgumentsError, "str, not a real number"),
        ({"a": 1j, "b": 1.0}, ArgumentsError, "complex, not a real number"),
        ({"a": True, "b": 1.0}, ArgumentsError, "bool"),
        ({"a": None, "b": 1.0}, ArgumentsError, "NoneType"),
        ({"a": np.array(["x"]), "b": 1.0}, ArgumentsError, "ndarray"),
        ({"a": np.ones(3), "b": np.ones(2)}, ArgumentsError, r"do not broadcast: a\(3,\), b\(2,\)"),
        ({"a": 1.0, "b": 1.0, "out": np.empty(3)}, ArgumentsError, r"out has shape \(3,\)"),
        ({"a": 1.0, "b": 1.0, "invalid": "ignore"}, ArgumentsError, "'ignore' is not known"),
        ({"a": -1.0, "b": 1.0}, DomainError, "a = -1.0 violates a > 0"),
        ({"a": 1.0, "b": float("nan")}, DomainError, "b = nan violates b >= 0"),
        ({"a": [1.0, 1.0, 0.0], "b": 1.0}, DomainError, "a = 0.0 at index 2 violates a > 0"),
        (
            {"a": [[1.0, 0.01]], "b": 1.0},
            DomainError,
            "at index 0, 1 violates b < 10 a",
        ),
    ],
)
def test_bad_input_is_named(given, error, words):
    with pytest.raises(error, match=words) as caught:
        FORMULA(**given)
    assert " Why: " in str(caught.value) and " Do: " in str(caught.value)


def test_bad_points_do_not_cost_the_good_ones():
    got = FORMULA(a=[1.0, -1.0, 2.0, np.nan], b=0.5, invalid="nan")
    np.testing.assert_allclose(got[[0, 2]], exact(np.array([1.0, 2.0]), 0.5), rtol=1e-14)
    assert np.isnan(got[[1, 3]]).all()


def test_ball_contains_the_float_and_both_precisions_agree():
    ball = FORMULA.ball(bits=120, a="0.7", b="0.3")
    assert float(ball) == pytest.approx(exact(0.7, 0.3), rel=1e-15)
    high, low = FORMULA.compile(precision="double-double")(a=0.75, b=0.25)
    reference = FORMULA.ball(bits=120, a="0.75", b="0.25")
    error = abs(Fraction(float(high)) + Fraction(float(low)) - reference.midpoint)
    assert error < Fraction(1, 10**30)
    with pytest.raises(DomainError, match=r"example\.root\.ball"):
        FORMULA.ball(a="-1", b="0")
    with pytest.raises(ArgumentsError, match="missing b"):
        FORMULA.ball(a="1")


def test_arguments_have_names():
    with pytest.raises(ArgumentsError, match=r"Do: example\.root\(a=\.\.\., b=\.\.\.\)"):
        FORMULA(1.0, 2.0)


def test_specialize_fixes_arguments_exactly():
    one = FORMULA.specialize(b="0.3")
    assert one.args == ("a",)
    assert one(a=0.7) == pytest.approx(exact(0.7, 0.3), rel=1e-14)
    assert "3/10" in str(one.body.where[0].expression)
    with pytest.raises(DomainError, match="violates b >= 0"):
        FORMULA.specialize(b="-1")
    with pytest.raises(ArgumentsError, match="unknown"):
        FORMULA.specialize(q=1)


def test_printing():
    assert str(FORMULA) == "example.root(a, b) = x + b/a"
    assert "x solves" in repr(FORMULA) and "domain: a > 0" in repr(FORMULA)
    assert FORMULA.latex().startswith("example.root =")
    assert FORMULA._repr_latex_().startswith("$")
    assert FORMULA.expr == x + b / a


def test_program_of_a_fixed_point_is_the_quadratic():
    assert ROOT.expanded(ROOT.residuals[0]) == x**2 + c * x - a
    assert ROOT.jacobian() == sp.Matrix([[2 * x + c]])
    assert FORMULA.fixed_points == (ROOT,)


def test_unknown_ids_and_results_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match=r"lu2025\.icl_error"):
        derivations.get("lu2025.icl_eror")
    with pytest.raises(UnknownNameError, match="slope"):
        derivations.get("classics.marchenko_pastur").results["slop"]


def test_icl_error_at_the_reference_point():
    point = {"tau": "0.5", "alpha": 1, "kappa": "0.5", "rho": "0.01", "lam": 0}
    floats = {n: float(v) for n, v in point.items()}
    for name, digits in (
        ("lu2025.icl_error", "1.2610768959342765376873396604163"),
        ("lu2025.idg_error", "0.80184916679435545726406912274962"),
    ):
        formula = derivations.get(name).result
        ball = formula.ball(bits=128, **point)
        assert abs(ball.midpoint - Fraction(digits)) < Fraction(1, 10**30)
        assert formula(**floats) == pytest.approx(float(digits), rel=4e-16)
        high, low = formula.compile(precision="double-double")(**floats | {"rho": 0.0078125})
        reference = formula.ball(bits=128, **point | {"rho": "0.0078125"})
        got = Fraction(float(high)) + Fraction(float(low))
        assert abs(got / reference.midpoint - 1) < Fraction(1, 10**29)


def test_threshold_without_ridge_is_infinite_and_close_to_it_is_right():
    formula = derivations.get("lu2025.icl_error").result
    rest = {"alpha": 1.0, "kappa": 0.5, "rho": 0.01, "lam": 0.0}
    assert formula(tau=1.0, **rest) == np.inf
    near = 1.0 + 2.0**-40
    ball = formula.ball(bits=80, tau=near, **rest)
    assert formula(tau=near, **rest) == pytest.approx(float(ball), rel=1e-13)
    with pytest.raises(ConvergenceError, match="pole"):
        formula.ball(tau=1, **rest)


def test_a_second_process_needs_neither_sympy_nor_numba(tmp_path, monkeypatch):
    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path))
    code = (
        "import sys, derivations\n"
        "f = derivations.get('lu2025.idg_error').result\n"
        "print(f(tau=0.5, alpha=1.0, kappa=0.5, rho=0.01, lam=0.0))\n"
        "print('sympy' in sys.modules, 'numba' in sys.modules)\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for _ in range(2)
    ]
    assert runs[0][0] == runs[1][0]
    assert float(runs[0][0]) == pytest.approx(0.80184916679435545726, rel=4e-16)
    assert runs[0][1] == "True True"
    assert runs[1][1] == "False False"


def test_a_number_beyond_float64_is_refused_by_its_name():
    formula = derivations.get("lu2025.idg_error").result
    rest = {"alpha": 1, "kappa": 1, "rho": 1, "lam": 1}
    for huge in (10**400, 10**9000, Fraction(10**400, 3)):
        with pytest.raises(ArgumentsError, match="tau is larger than every float64"):
            formula(tau=huge, **rest)
    with pytest.raises(ArgumentsError, match=r"Do: lu2025.idg_error.ball\(bits=128, ...\)"):
        formula.ball(bits=10**9, tau=1, **rest)


@pytest.mark.parametrize("id", ["lu2025.icl_error", "lu2025.idg_error"])
def test_a_simulation_without_its_parameters_names_them(id):
    with pytest.raises(ArgumentsError, match="missing kappa, missing rho, missing lam"):
        derivations.get(id).simulate(tau=1, alpha=1)


@pytest.mark.parametrize("wrong", [0, -3, 2.5, "16", True, None])
@pytest.mark.parametrize("name", ["size", "seeds"])
def test_sizes_and_replicas_are_counted(name, wrong):
    d = derivations.get("classics.marchenko_pastur")
    given = {"size": 8, "seeds": 2, "kappa": 0.5, "u": 1.5, name: wrong}
    with pytest.raises(ArgumentsError, match=f"{name} is not a whole number"):
        d.simulate(**given)


def test_an_end_of_a_sum_is_a_whole_number():
    """Once it was a root that did not converge."""
    letters = Notation()
    n, x = letters.quantity("n", "terms", lower=0, integer=True), letters.quantity("x", "", lower=0)
    k = sp.Symbol("k", integer=True, positive=True)
    total = Formula.define(
        "t", (n, x), sp.Sum(x / (k + x), (k, 1, n)), domain=letters.domain("n", "x")
    )
    assert abs(float(total(n=2, x=3.0)) - (3 / 4 + 3 / 5)) < 1e-15
    with pytest.raises(DomainError, match=r"n = 2\.5 is not a whole number.*end of a sum"):
        total(n=np.array([1.0, 2.5]), x=3.0)
    with pytest.raises(DomainError, match=r"n = 100000000\.0 is too many terms.*n=10000000"):
        total(n=1e8, x=3.0)
