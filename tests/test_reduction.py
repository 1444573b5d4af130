"""Dyson equations reduced to the statements of the literature."""

from __future__ import annotations

import doctest
import functools

import numpy as np
import pytest
import sympy as sp

from derive import elimination, reduction
from derive.deterministic_equivalent import SampleCovariance
from derive.dyson import dyson_equations, solve_numerically
from derive.elimination import eliminate_to_polynomials
from derive.errors import ArgumentsError, ConditionError
from derive.reduction import eliminate, merge_unknowns, rename, ridge_form
from derive.spectral_trace import Spectrum, difference_vanishes
from derive.word_trace import WordTrace
from derive.words import Deterministic, Gaussian, Identity

N, D, M, PHI, PSI, LAM, KAPPA = sp.symbols("n d m phi psi lambda kappa", positive=True)
ONE = Identity(D)
SIGMA, THETA = Deterministic("Sigma", D, D), Deterministic("Theta", D, D)
X = Gaussian("X", N, D, 1 / N, right=SIGMA)
R = (X.T @ X + LAM * ONE).inverse()
SPECTRUM = Spectrum("Sigma")
S = SPECTRUM.eigenvalue
SAMPLE = SampleCovariance(SPECTRUM, PHI, LAM, KAPPA)
RATIOS = {D: PHI * N}


@pytest.mark.parametrize("module", [reduction, elimination])
def test_docstring_examples(module):
    assert doctest.testmod(module).failed == 0


def reduced(word, spectrum=SIGMA):
    return eliminate(merge_unknowns(dyson_equations({"t": word}, RATIOS), spectrum))


# ---- peers' cases 1 to 4 from the pencil alone ---------------------------------------------


def test_marchenko_pastur_pair_of_equations():
    """Case 1: tau = lam/(lam + g), g = lam/(lam + phi tau) with Sigma = 1."""
    Z = Gaussian("Z", N, D, 1 / N)
    system = dyson_equations({"t": LAM * (Z.T @ Z + LAM * ONE).inverse()}, RATIOS)
    tau = sp.Symbol("tau")
    (polynomial,) = eliminate_to_polynomials(system, {"t": tau}).polynomials
    g = LAM / (LAM + PHI * tau)
    expected = sp.numer(sp.together(tau - LAM / (LAM + g)))
    assert sp.cancel(polynomial / expected).is_number
    point = {PHI: sp.Rational(3, 2), LAM: sp.Rational(1, 10)}
    roots = [r for r in sp.Poly(polynomial.subs(point), tau).nroots(n=20) if 0 < r < 1]
    assert abs(roots[0] - sp.Rational("0.423926596236")) < 1e-12
    iterated = solve_numerically(system, {}, {PHI: 1.5, LAM: 0.1, D: 1})
    assert iterated.outputs["t"] == pytest.approx(float(roots[0]), rel=1e-11)


def test_anisotropic_resolvent():
    """Case 2: tau = tr kappa/(Sigma + kappa), kappa = lam + phi kappa tr Sigma/(Sigma + kappa)."""
    result = ridge_form(reduced(LAM * R), SAMPLE)["t"]
    df1 = sp.Symbol("df1", positive=True)
    where = dict((e.lhs, e.rhs) for e in result.where)
    value = result.expression.subs(df1, where[df1])
    assert difference_vanishes(value, SPECTRUM.trace(KAPPA / (S + KAPPA)))
    assert where[KAPPA] == LAM + PHI * KAPPA * SPECTRUM.trace(S / (S + KAPPA))


def test_ridge_bias_in_two_lines():
    """Case 3: the peer prints seven equations."""
    system = dyson_equations({"t": LAM**2 * R @ THETA @ R @ SIGMA}, RATIOS)
    assert len(system.equations) == 6
    merged = merge_unknowns(system, SIGMA)
    assert len(merged.equations) == 4
    short = eliminate(merged)
    assert len(short.equations) == 1
    gamma = sp.Symbol("gamma", positive=True)
    result = ridge_form(short, SAMPLE)["t"]
    overlap = SPECTRUM.trace(S / (S + KAPPA) ** 2, sp.Symbol("Theta"))
    assert result.expression == KAPPA**2 * overlap / (1 - gamma)
    where = dict((e.lhs, e.rhs) for e in result.where)
    assert where[gamma] == PHI * SPECTRUM.trace(S**2 / (S + KAPPA) ** 2)
    assert where[KAPPA] == LAM + PHI * KAPPA * SPECTRUM.trace(S / (S + KAPPA))
    assert [s.after for s in short.steps] == [4, 3, 2, 1]


def test_ridge_bias_number_from_the_raw_equations():
    system = dyson_equations({"t": LAM**2 * R @ THETA @ R @ SIGMA}, RATIOS)
    scalars = {PHI: 1.5, LAM: 0.1, D: 2}
    solution = solve_numerically(
        system, {"Sigma": np.diag([1.0, 4.0]), "Theta": np.eye(2)}, scalars
    )
    assert solution.outputs["t"] == pytest.approx(0.636622043018, abs=2e-12)


def test_ridge_variance_named():
    """Case 4: lam tr M R^2 Sigma = lam kappa'(lam) df2, with kappa' = 1/(1 - gamma)."""
    result = ridge_form(reduced(LAM * X.T @ X @ R @ R @ SIGMA), SAMPLE)["t"]
    df2, gamma = sp.symbols("df2 gamma", positive=True)
    assert result.expression == LAM * df2 / (1 - gamma)
    assert SAMPLE.derivative_of_effective_ridge == 1 / (1 - gamma)


def test_two_groups_of_rows():
    """Case 5: e_k = 1/(1 + phi tr Sigma_k D^-1), D = p1 e1 Sigma1 + p2 e2 Sigma2 + lam."""
    p1, p2, e1, e2 = sp.symbols("p1 p2 e1 e2", positive=True)
    s1, s2 = Deterministic("Sigma1", D, D), Deterministic("Sigma2", D, D)
    x1 = Gaussian("X1", p1 * N, D, 1 / N, right=s1)
    x2 = Gaussian("X2", p2 * N, D, 1 / N, right=s2)
    word = (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()
    system = merge_unknowns(dyson_equations({"t": word}, RATIOS))
    loops = [k for k, side in system.equations.items() if side.has(WordTrace)]
    names = dict(zip([k for k in system.equations if k not in loops], (p1 * e1, p2 * e2),
                     strict=True))  # fmt: skip
    short = rename(eliminate(system, loops), names)
    inverse = (p1 * e1 * s1 + p2 * e2 * s2 + LAM * ONE).inverse()
    assert set(short.equations) == {e1, e2}
    for unknown, sigma in ((e1, s1), (e2, s2)):
        expected = 1 / (1 + PHI * WordTrace(sigma @ inverse))
        assert sp.cancel(short.equations[unknown] - expected) == 0
        assert sp.cancel(short.equations[unknown] - expected.subs(PHI, 2 * PHI)) != 0
    assert short.outputs["t"] == WordTrace(inverse)


# ---- case 6: linearised random features ----------------------------------------------------

ZETA, ETA, RIDGE = sp.symbols("zeta eta gamma", positive=True)


@functools.cache
def random_features():
    weights = Gaussian("W", M, D, 1 / M)
    data = Gaussian("Z", D, N, 1 / D)
    noise = Gaussian("O", M, N, 1 / M)
    features = sp.sqrt(ZETA) * weights @ data + sp.sqrt(ETA - ZETA) * noise
    inverse = (features.T @ features + RIDGE * Identity(N)).inverse()
    return dyson_equations(
        {"tau1": inverse, "tau2": data.T @ data @ inverse}, {D: PHI * N, M: PHI * N / PSI}
    )


@functools.cache
def random_features_polynomials():
    t1, t2 = sp.symbols("tau1 tau2")
    return eliminate_to_polynomials(random_features(), {"tau1": t1, "tau2": t2})


def test_random_features_eliminate_to_two_polynomials():
    t1, t2 = sp.symbols("tau1 tau2")
    result = random_features_polynomials()
    first, second = result.polynomials
    assert result.residual < 1e-10
    # the two printed polynomials are in the ideal of ours, with constant multipliers
    printed = (
        PHI * (ZETA * t1 * t2 + PHI * (t2 - t1)) + ZETA * t1 * t2 * PSI * (RIDGE * t1 - 1),
        PHI * (t1 - t2) * ((ETA - ZETA) * t1 + ZETA * t2) + ZETA * t1 * t2 * (RIDGE * t1 - 1),
    )
    assert sp.expand(second - printed[1]) == 0
    assert sp.expand(PSI * second - PHI * first - printed[0]) == 0
    wrong = printed[0].subs(PSI, 2 * PSI)
    assert sp.expand(PSI * second - PHI * first - wrong) != 0


def test_random_features_number_by_fixed_point_and_by_polynomials():
    t1, t2 = sp.symbols("tau1 tau2")
    system = random_features()
    point = {PHI: 0.8, PSI: 0.5, ZETA: 0.6, ETA: 1.7, RIDGE: 0.3, D: 1, N: 1, M: 1}
    solution = solve_numerically(system, {}, point)
    first, second = random_features_polynomials().polynomials
    values = {k: sp.Rational(str(v)) for k, v in point.items()}
    start = [float(np.real(solution.outputs[k])) * 1.05 for k in ("tau1", "tau2")]
    roots = sp.nsolve([first.subs(values), second.subs(values)], [t1, t2], start, prec=20)
    for k, root in zip(("tau1", "tau2"), roots, strict=True):
        assert solution.outputs[k] == pytest.approx(float(root), rel=1e-10)


def test_random_features_in_simulation():
    rng = np.random.default_rng(6)
    n, d, m = 60, 48, 96
    zeta, eta, ridge = 0.6, 1.7, 0.3
    point = {PHI: d / n, PSI: d / m, ZETA: zeta, ETA: eta, RIDGE: ridge, D: 1, N: 1, M: 1}
    solution = solve_numerically(random_features(), {}, point)

    def gaussian(rows, columns, variance):
        z = rng.normal(size=(rows, columns)) + 1j * rng.normal(size=(rows, columns))
        return np.sqrt(variance / 2) * z

    draws = []
    for _ in range(60):
        data = gaussian(d, n, 1 / d)
        f = np.sqrt(zeta) * gaussian(m, d, 1 / m) @ data
        f = f + np.sqrt(eta - zeta) * gaussian(m, n, 1 / m)
        inverse = np.linalg.inv(f.conj().T @ f + ridge * np.eye(n))
        draws.append([np.trace(inverse).real, np.trace(data.conj().T @ data @ inverse).real])
    draws = np.array(draws) / n
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    theory = np.real([solution.outputs["tau1"], solution.outputs["tau2"]])
    assert np.all(np.abs(draws.mean(axis=0) - theory) < 4 * error)
    assert np.all(error < 5e-3 * theory)


def test_anticommutator_of_two_wigner_matrices():
    """R(g) = 2 v w g/(1 - v w g^2) for variances v and w: z = R(g) + 1/g."""
    z, v, w, g = sp.symbols("z v w g", positive=True)
    one, two = (Gaussian(name, D, D, s / D, symmetric=True) for name, s in (("H1", v), ("H2", w)))
    word = (z * ONE - one @ two - two @ one).inverse()
    result = eliminate_to_polynomials(dyson_equations({"g": word}), {"g": g})
    (polynomial,) = result.polynomials
    transform = 2 * v * w * g / (1 - v * w * g**2)
    expected = sp.numer(sp.together(z - transform - 1 / g))
    assert sp.cancel(polynomial / expected).is_number
    edges = sp.discriminant(polynomial.subs({v: 1, w: 1}), g)
    upper = max(r for r in sp.Poly(edges, z).nroots() if r.is_real)
    assert abs(upper**2 - (11 + 5 * sp.sqrt(5)) / 2) < 1e-12


# ---- what is refused -----------------------------------------------------------------------


def test_merging_is_checked_on_the_equations():
    system = dyson_equations({"t": R @ THETA @ R}, RATIOS)
    merged = merge_unknowns(system, SIGMA)
    solution = solve_numerically(
        system, {"Sigma": np.diag([1.0, 3.0]), "Theta": np.diag([2.0, 5.0])},
        {PHI: 0.6, LAM: 0.5, D: 2},
    )  # fmt: skip
    for unknown, value in merged.steps[0].removed.items():
        number = complex(value.subs(solution.unknowns))
        assert solution.unknowns[unknown] == pytest.approx(number, rel=1e-10)


def test_equal_covariances_by_accident_are_not_merged():
    """Two rows groups of different covariance have different unknowns, whatever one point says."""
    s1, s2 = Deterministic("Sigma1", D, D), Deterministic("Sigma2", D, D)
    x1 = Gaussian("X1", N, D, 1 / N, right=s1)
    x2 = Gaussian("X2", N, D, 1 / N, right=s2)
    word = (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()
    assert len(merge_unknowns(dyson_equations({"t": word}, RATIOS)).equations) == 4
    x2 = Gaussian("X2", N, D, 1 / N, right=s1)
    word = (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()
    assert len(merge_unknowns(dyson_equations({"t": word}, RATIOS)).equations) == 2


def test_wrong_variance_is_not_called_ridge():
    wrong = Gaussian("X", N, D, 2 / N, right=SIGMA)
    system = reduced((wrong.T @ wrong + LAM * ONE).inverse())
    with pytest.raises(ConditionError, match="not that of the effective ridge"):
        ridge_form(system, SAMPLE)


def test_several_unknowns_have_no_two_line_form():
    system = merge_unknowns(dyson_equations({"t": R @ THETA @ R}, RATIOS), SIGMA)
    with pytest.raises(ConditionError, match="4 unknowns are left"):
        ridge_form(system, SAMPLE)
    with pytest.raises(ConditionError, match="0 different resolvents"):
        ridge_form(eliminate(merge_unknowns(dyson_equations({"t": R}, RATIOS))), SAMPLE)


def test_matrices_in_polynomials_are_refused():
    system = dyson_equations({"t": R}, RATIOS)
    with pytest.raises(ConditionError, match="no polynomial"):
        eliminate_to_polynomials(system, {"t": sp.Symbol("tau")})
    with pytest.raises(ArgumentsError, match="no output 'u'"):
        eliminate_to_polynomials(random_features(), {"u": sp.Symbol("tau")})
