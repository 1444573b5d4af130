"""Cases 18 and 19: replica saddle points, their symmetries and their numbers by two routes."""

from __future__ import annotations

import acceptance_samples as samples
import mpmath
import numpy as np
import pytest
import sympy as sp
from sympy import Rational

import derivations
from derivations.classics.gaussian_covariates import resolvent_root, saddle_point_roots
from derivations.classics.ridge_replica import Theta, h, pi_s
from derivations.classics.ridge_replica import ridge as replica_ridge
from derive.spectral_trace import Spectrum, difference_vanishes
from derive.spectrum_tables import at_table
from derive.spectrum_values import at_atoms
from numerics.extrapolation import compare

SPECTRUM = Spectrum("Sigma")


def test_case_18_nishimori_and_homogeneity():
    tau, lam, rho, sigma2, xi = sp.symbols("tau lam rho sigma2 xi", positive=True)
    scale = sp.Symbol("scale", positive=True)
    ridge = replica_ridge()
    overlap, self_overlap = -ridge.response(h), 2 * ridge.response(pi_s)
    bayes = {sigma2: rho * tau * ridge.fixed_point.rhs}
    assert difference_vanishes(self_overlap.subs(bayes), overlap.subs(bayes))
    assert not difference_vanishes(self_overlap, overlap)
    scaled = ridge.error.subs({rho: scale * rho, sigma2: scale * sigma2}, simultaneous=True)
    assert difference_vanishes(scaled, scale * ridge.error)
    risk = at_atoms(ridge.error - sigma2 - (rho - 2 * overlap + self_overlap), SPECTRUM, {1: 1})
    assert sp.cancel(risk) == 0
    # teacher norm 2, where a peer is wrong: closed form and posterior fixed point
    at = {tau: Rational(5, 2), lam: Rational(3, 50), rho: 2, sigma2: Rational(3, 10)}
    equation = at_atoms(ridge.fixed_point.rhs - lam, SPECTRUM, {1: 1}).subs(at)
    (root,) = [r for r in sp.solve(equation, xi) if r > 0]
    values = [
        float(at_atoms(e, SPECTRUM, {1: 1}).subs(at).subs(xi, root))
        for e in (overlap, self_overlap)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    precision = 1.0
    for _ in range(200):  # posterior precision of a weight: prior and 2.5 looks at noise plus error
        precision = 1 / 2 + 2.5 / (0.3 + 1 / precision)
    assert values[0] == pytest.approx(2 - 1 / precision, rel=1e-12)
    assert np.all(abs(samples.z_scores(samples.overlaps, values, seeds=64)) < 4)


def test_case_19_power_law_spectrum_both_ways():
    modes, ridge, noise = 400, 0.003, 0.2
    index = np.arange(1, modes + 1)
    eigenvalues, teacher = 2.5 * index**-1.5, 2.0 * index**-0.7

    def put(expression):
        return at_table(expression, SPECTRUM, eigenvalues, None,
                        {Theta: teacher})  # fmt: skip

    ratios = np.array([0.05, 0.375, 1.0, 4.0])
    chi = saddle_point_roots(put).solve(tau=ratios, lam=ridge, sigma2=noise)
    xi = resolvent_root(put).solve(tau=ratios, lam=ridge)["xi"]
    assert np.allclose(ridge * (1 + chi["chi"]), xi, rtol=1e-12, atol=0)
    share = eigenvalues / (eigenvalues + xi[:, None])
    bias = np.mean((1 - share) ** 2 * eigenvalues * teacher, axis=1)
    error = (noise + bias) / (1 - np.mean(share**2, axis=1) / ratios)
    assert np.allclose(noise + chi["Q"], error, rtol=1e-12, atol=0)
    with mpmath.workdps(30):
        at = [mpmath.mpf(float(v)) for v in eigenvalues]
        root = mpmath.findroot(
            lambda x: x * (1 - mpmath.fsum(v / (v + x) for v in at) / 150) - mpmath.mpf(ridge),
            mpmath.mpf(float(xi[1])),
        )
        assert abs(xi[1] / root - 1) < 1e-14


def test_case_19_in_simulation():
    point = {"tau": 0.5, "lam": 0.02, "sigma2": 0.2, "a": 0.7, "b": 1.5, "c": 2.5, "v": 2.0}
    page = derivations.get("classics.gaussian_covariates")
    # modes repeated: the same spectrum at every size
    runs = [page.simulate(size=size, seeds=32, seed=2, N=16, **point) for size in (32, 64, 128)]
    place = np.arange(1, 17)
    spectrum, teacher, xi = 2.5 * place**-1.5, 2.0 * place**-0.7, 0.02
    for _ in range(300):
        xi = 0.02 + xi * np.mean(spectrum / (spectrum + xi)) / 0.5
    share = spectrum / (spectrum + xi)
    error = 0.2 + np.mean((1 - share) ** 2 * spectrum * teacher)
    error = error / (1 - np.mean(share**2) / 0.5)
    comparison = compare(lambda **_: error, runs, quantity="error")
    assert comparison.difference.standard_error < 0.03 * error
    assert abs(comparison.z_score) < 4
