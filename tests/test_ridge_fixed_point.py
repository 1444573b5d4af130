"""The effective ridge as a compiled-ready fixed point: branch, start, monotone iteration."""

from __future__ import annotations

import doctest
from itertools import pairwise

import pytest
import sympy as sp

from derive import ridge_fixed_point
from derive.deterministic_equivalent import SampleCovariance
from derive.ridge_fixed_point import effective_ridge_fixed_point
from derive.spectral_trace import Spectrum

PHI, LAM, KAPPA = sp.symbols("phi lambda kappa", positive=True)
RIDGE = SampleCovariance(Spectrum("Sigma"), PHI, LAM, KAPPA)
ATOMS = {1: "1/2", 4: "1/2"}


def test_docstring_examples():
    assert doctest.testmod(ridge_fixed_point).failed == 0


@pytest.mark.parametrize("phi", ["1/5", "1", "3/2", "20"])
@pytest.mark.parametrize("lam", ["1/100000", "1/10", "50"])
def test_newton_from_the_start_decreases_to_the_root_in_the_region(phi, lam):
    point = {PHI: sp.Rational(phi), LAM: sp.Rational(lam)}
    fixed = effective_ridge_fixed_point(RIDGE, ATOMS)
    (residual,), (start,) = fixed.residuals, fixed.start
    newton = KAPPA - residual / fixed.jacobian()[0, 0]
    values = [sp.Float(start.subs(point), 40)]
    for _ in range(60):
        values.append(newton.subs(point).subs(KAPPA, values[-1]))
    drops = [a - b for a, b in pairwise(values)]
    assert all(d > -1e-35 for d in drops)
    assert abs(residual.subs(point).subs(KAPPA, values[-1])) < 1e-35
    assert values[-1] > point[LAM]
    polynomial = sp.Poly(sp.numer(sp.together(residual.subs(point))), KAPPA)
    inside = [r for r in polynomial.nroots(n=40) if r.is_real and r > point[LAM]]
    assert len(inside) == 1
    assert abs(inside[0] - values[-1]) < 1e-30


def test_the_wrong_root_is_outside_the_region():
    point = {PHI: sp.Rational(3, 2), LAM: sp.Rational(1, 10)}
    (residual,) = effective_ridge_fixed_point(RIDGE, {2: 1}).residuals
    roots = sp.solve(sp.numer(sp.together(residual.subs(point))), KAPPA)
    everything = sp.Poly(sp.numer(sp.together(residual.subs(point))), KAPPA).nroots()
    assert len(everything) == 2
    assert sum(bool(r > point[LAM]) for r in everything) == 1
    assert len(roots) <= 2
