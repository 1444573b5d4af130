"""Cases 1 to 17: the statement out of the engine, its number by two routes, and a simulation.

Cases 18 and 19 are in ``test_acceptance_replica.py``, 20 to 22 in
``test_acceptance_power_laws.py``.
"""

from __future__ import annotations

import functools

import acceptance_samples as samples
import numpy as np
import pytest
import sympy as sp
from sympy import Rational

from derive.algebraic_law import AlgebraicLaw, m, z
from derive.density import average, density, density_ball, stieltjes_ball, total_mass
from derive.deterministic_equivalent import SampleCovariance
from derive.dyson import dyson_equations, solve_numerically
from derive.elimination import eliminate_to_polynomials
from derive.free_convolution import correlated_wishart, free_compression, free_product, free_sum
from derive.law import (
    atoms,
    fisher,
    fuss_catalan,
    inverse_marchenko_pastur,
    kesten_mckay,
    marchenko_pastur,
    semicircle,
    wachter,
)
from derive.law_image import affine, square
from derive.reduction import eliminate, merge_unknowns, rename, ridge_form
from derive.ridge_fixed_point import effective_ridge_fixed_point
from derive.spectral_trace import Spectrum, difference_vanishes
from derive.spectrum_values import at_atoms
from derive.support import critical_points, support
from derive.transforms import r_transform, s_transform
from derive.word_trace import WordTrace
from derive.words import Deterministic, Gaussian, Identity

N, D, M, PHI, PSI, LAM, KAPPA = sp.symbols("n d m phi psi lam kappa", positive=True)
c, s, t, g, y, a, b = sp.symbols("c s t g y a b", positive=True)
ONE = Identity(D)
SIGMA, THETA = Deterministic("Sigma", D, D), Deterministic("Theta", D, D)
X = Gaussian("X", N, D, 1 / N, right=SIGMA)
R = (X.T @ X + LAM * ONE).inverse()
SPECTRUM = Spectrum("Sigma")
S = SPECTRUM.eigenvalue
SAMPLE = SampleCovariance(SPECTRUM, PHI, LAM, KAPPA)
RATIOS = {D: PHI * N}
ATOMS = {1: "1/2", 4: "1/2"}
AT = {PHI: Rational(3, 2), LAM: Rational(1, 10)}
SCALARS = {PHI: 1.5, LAM: 0.1, D: 2}
MATRICES = {"Sigma": np.diag([1.0, 4.0]), "Theta": np.eye(2)}
DF1, DF2, GAMMA = sp.symbols("df1 df2 gamma", positive=True)
EFFECTIVE = LAM + PHI * KAPPA * SPECTRUM.trace(S / (S + KAPPA))
COIN, HALF = atoms({-1: "1/2", 1: "1/2"}), marchenko_pastur("1/2")


def is_curve(law: AlgebraicLaw, printed: sp.Expr) -> bool:
    """Say whether the polynomial of a law is the printed one, up to a factor."""
    return sp.cancel(law.polynomial / printed).is_number


def seen(law: AlgebraicLaw, sample) -> None:
    """Hold the Stieltjes transform of a law against its matrices."""
    value = complex(stieltjes_ball(law, samples.POINT))
    scores = samples.z_scores(
        lambda rng, d: samples.resolvent(sample(rng, d)), [value.real, value.imag]
    )
    assert np.all(abs(scores) < 4), scores


@functools.cache
def kappa() -> sp.Expr:
    """Return the effective ridge of eigenvalues 1 and 4, by its polynomial."""
    residual = at_atoms(KAPPA - EFFECTIVE, SPECTRUM, ATOMS).subs(AT)
    (root,) = [r for r in sp.Poly(sp.numer(sp.together(residual)), KAPPA).nroots(30) if r > 0]
    return root


def number(expression: sp.Expr, **where: sp.Expr) -> float:
    """Return an expression in traces at eigenvalues 1 and 4, with a test matrix of one."""
    unit = {sp.Symbol("Theta"): {1: 1, 4: 1}}
    return float(at_atoms(expression, SPECTRUM, ATOMS, unit).subs(AT).subs(KAPPA, kappa()))


def reduced(word):
    """Return the Dyson equations of a trace, reduced, with the number of equations before."""
    system = dyson_equations({"t": word}, RATIOS)
    short = eliminate(merge_unknowns(system, SIGMA))
    return system, short, ridge_form(short, SAMPLE)["t"]


def test_case_1_marchenko_pastur_pair():
    white = Gaussian("Z", N, D, 1 / N)
    system = dyson_equations({"tau": LAM * (white.T @ white + LAM * ONE).inverse()}, RATIOS)
    tau, x0, x1 = sp.Symbol("tau", positive=True), *system.equations
    assert system.outputs["tau"].subs(x1, g) == LAM / (LAM + g)
    onto = {x0: PHI * tau / LAM}
    assert sp.cancel(system.equations[x1].subs(onto) - LAM / (LAM + PHI * tau)) == 0
    (polynomial,) = eliminate_to_polynomials(system, {"tau": tau}).polynomials
    (root,) = [r for r in sp.Poly(polynomial.subs(AT), tau).nroots(20) if 0 < r < 1]
    assert abs(root - Rational("0.423926596236")) < 1e-12
    iterated = solve_numerically(system, {}, SCALARS).outputs["tau"]
    assert iterated == pytest.approx(float(root), rel=1e-11)
    assert np.all(abs(samples.z_scores(samples.white_ridge, float(root), size=48)) < 4)


def test_case_2_anisotropic_marchenko_pastur():
    _, _, result = reduced(LAM * R)
    where = {e.lhs: e.rhs for e in result.where}
    tau = SPECTRUM.trace(KAPPA / (S + KAPPA))
    assert difference_vanishes(result.expression.subs(DF1, where[DF1]), tau)
    assert where[KAPPA] == EFFECTIVE
    compiled = effective_ridge_fixed_point(SAMPLE, ATOMS).solve(phi=1.5, lam=0.1)
    assert compiled["kappa"] == pytest.approx(float(kappa()), rel=1e-14)


def test_case_3_ridge_bias_in_two_lines():
    system, short, result = reduced(LAM**2 * R @ THETA @ R @ SIGMA)
    # the peer prints seven equations
    assert (len(system.equations), len(short.equations)) == (6, 1)
    assert [step.after for step in short.steps] == [4, 3, 2, 1]
    overlap = SPECTRUM.trace(S / (S + KAPPA) ** 2, sp.Symbol("Theta"))
    assert result.expression == KAPPA**2 * overlap / (1 - GAMMA)
    where = {e.lhs: e.rhs for e in result.where}
    assert where[GAMMA] == PHI * SPECTRUM.trace(S**2 / (S + KAPPA) ** 2)
    assert where[KAPPA] == EFFECTIVE
    closed = number(result.expression.subs(GAMMA, where[GAMMA]))
    assert closed == pytest.approx(0.636622043018, abs=5e-13)
    raw = solve_numerically(system, MATRICES, SCALARS).outputs["t"]
    assert raw == pytest.approx(closed, rel=1e-11)


def test_case_4_ridge_variance():
    system, _, result = reduced(LAM * X.T @ X @ R @ R @ SIGMA)
    assert result.expression == LAM * DF2 / (1 - GAMMA)
    assert SAMPLE.derivative_of_effective_ridge == 1 / (1 - GAMMA)
    where = {e.lhs: e.rhs for e in result.where}
    closed = number(result.expression.subs(where))
    raw = solve_numerically(system, MATRICES, SCALARS).outputs["t"]
    assert raw == pytest.approx(closed, rel=1e-11)


def test_cases_2_to_4_in_simulation():
    tau = number(SPECTRUM.trace(KAPPA / (S + KAPPA)))
    df2 = SPECTRUM.trace(S**2 / (S + KAPPA) ** 2)
    variance = number(LAM * df2 / (1 - PHI * df2))
    scores = samples.z_scores(samples.ridge, [tau, 0.636622043018, variance], size=36, seeds=32)
    assert np.all(abs(scores) < 4), scores


def test_case_5_two_groups():
    p1, p2, e1, e2 = sp.symbols("p1 p2 e1 e2", positive=True)
    groups = [Deterministic(f"Sigma{k}", D, D) for k in (1, 2)]
    x1, x2 = (
        Gaussian(f"X{k}", p * N, D, 1 / N, right=sigma)
        for k, p, sigma in zip((1, 2), (p1, p2), groups, strict=True)
    )
    system = dyson_equations({"t": (x1.T @ x1 + x2.T @ x2 + LAM * ONE).inverse()}, RATIOS)
    merged = merge_unknowns(system)
    loops = [k for k, side in merged.equations.items() if side.has(WordTrace)]
    weights = [k for k in merged.equations if k not in loops]
    short = rename(eliminate(merged, loops), dict(zip(weights, (p1 * e1, p2 * e2), strict=True)))
    inverse = (p1 * e1 * groups[0] + p2 * e2 * groups[1] + LAM * ONE).inverse()
    for unknown, sigma in zip((e1, e2), groups, strict=True):
        printed = 1 / (1 + PHI * WordTrace(sigma @ inverse))
        assert sp.cancel(short.equations[unknown] - printed) == 0
    assert short.outputs["t"] == WordTrace(inverse)
    spectra = np.array([[1.0, 4.0], [3.0, 0.5]])
    matrices = {f"Sigma{k + 1}": np.diag(spectra[k]) for k in (0, 1)}
    scalars = {**SCALARS, p1: 0.5, p2: 0.5}
    raw = solve_numerically(system, matrices, scalars).outputs["t"].real
    e = np.ones(2)
    for _ in range(500):
        e = 1 / (1 + 1.5 * np.mean(spectra / (0.5 * e @ spectra + 0.1), axis=1))
    assert raw == pytest.approx(np.mean(1 / (0.5 * e @ spectra + 0.1)), rel=1e-11)
    assert np.all(abs(samples.z_scores(samples.two_groups, raw, size=36)) < 4)


def test_case_6_random_features():
    zeta, eta, ridge, t1, t2 = sp.symbols("zeta eta gamma tau1 tau2", positive=True)
    data = Gaussian("Z", D, N, 1 / D)
    features = sp.sqrt(zeta) * Gaussian("W", M, D, 1 / M) @ data
    features = features + sp.sqrt(eta - zeta) * Gaussian("O", M, N, 1 / M)
    inverse = (features.T @ features + ridge * Identity(N)).inverse()
    system = dyson_equations(
        {"tau1": inverse, "tau2": data.T @ data @ inverse}, {D: PHI * N, M: PHI * N / PSI}
    )
    first, second = eliminate_to_polynomials(system, {"tau1": t1, "tau2": t2}).polynomials
    fitted = zeta * t1 * t2 * (ridge * t1 - 1)
    one = PHI * (zeta * t1 * t2 + PHI * (t2 - t1)) + PSI * fitted
    two = PHI * (t1 - t2) * ((eta - zeta) * t1 + zeta * t2) + fitted
    assert sp.expand(second - two) == 0 and sp.expand(PSI * second - PHI * first - one) == 0
    at = {PHI: 4 / 3, PSI: 2 / 3, zeta: 0.6, eta: 1.7, ridge: 0.3, D: 1, N: 1, M: 1}
    found = solve_numerically(system, {}, at).outputs
    start = [found[k].real * 1.05 for k in ("tau1", "tau2")]
    exact = {k: sp.nsimplify(v, rational=True) for k, v in at.items()}
    exact |= {PHI: Rational(4, 3), PSI: Rational(2, 3)}
    roots = sp.nsolve([one.subs(exact), two.subs(exact)], [t1, t2], start, prec=20)
    numbers = [float(r) for r in roots]
    assert [found["tau1"].real, found["tau2"].real] == pytest.approx(numbers, rel=1e-10)
    assert np.all(abs(samples.z_scores(samples.random_features, numbers)) < 4)


def test_case_7_wigner_plus_wishart():
    law = free_sum(semicircle(s), marchenko_pastur(c, t))
    assert is_curve(law, (z * m + 1 + s * m**2) * (1 + c * t * m) - t * m)
    printed = [1, 1 + c + s, 1 + 3 * c + c**2 + 3 * s]
    printed = [t**k * v.subs(s, s / t**2) if k > 1 else t for k, v in enumerate(printed, 1)]
    assert [sp.expand(v - w) for v, w in zip(law.moments(3), printed, strict=True)] == [0] * 3
    law = law.specialize(s="1/2", c="1/3", t=2)
    point, value = -1 + 0.5j, 0.5j
    for _ in range(500):
        value = 1 / (2 / (1 + 2 * value / 3) - point - value / 2)
    assert abs(complex(stieltjes_ball(law, point)) - value) < 1e-13
    seen(law, lambda rng, d: samples.wigner(rng, d, 0.5) + 2 * samples.mp(rng, d, 1 / 3))


def test_case_8_two_coins():
    coin = atoms({-a: "1/2", a: "1/2"})
    assert is_curve(free_sum(coin, coin), m**2 * (z**2 - 4 * a**2) - 1)
    law = free_sum(COIN, COIN)
    x = np.array([-1.5, 0.0, 0.25, 1.9])
    assert np.allclose(density(law, x), 1 / (np.pi * np.sqrt(4 - x**2)), rtol=1e-13)
    assert [str(e) for e in support(law).edges] == ["-2", "2"]
    assert total_mass(law) == pytest.approx(1, abs=1e-10)
    signs = functools.partial(samples.pair, first=-1.0, second=1.0)
    seen(law, lambda rng, d: samples.rotated(rng, signs(d)) + np.diag(signs(d)))


def test_case_9_atoms_times_wishart():
    two = atoms({1: "1/2", 2: "1/2"})
    law = free_product(two, HALF)
    assert law == correlated_wishart(two, "1/2")
    assert law.moments(3) == [Rational(3, 2), Rational(29, 8), Rational(351, 32)]
    found = support(law)
    assert len(critical_points(law)) > len(found.edges) == 2, "spurious zeros are gone"
    edges = samples.companion_edges([1, 2], [Rational(1, 2)] * 2, Rational(1, 2))
    assert np.allclose([float(e) for e in found.edges], edges, rtol=1e-13)
    diagonal = functools.partial(samples.pair, first=1.0, second=2.0)
    seen(law, lambda rng, d: samples.product(np.diag(diagonal(d)), samples.mp(rng, d, 0.5)))


def test_case_10_compression():
    law = free_compression(atoms({a: "1/2", b: "1/2"}), "1/2")
    assert is_curve(law, m**2 * (z - a) * (z - b) - 1)
    law = law.specialize(a=1, b=2)
    x = np.array([1.1, 1.5, 1.75])
    assert np.allclose(density(law, x), 1 / (np.pi * np.sqrt((x - 1) * (2 - x))), rtol=1e-13)
    assert total_mass(law) == pytest.approx(1, abs=1e-10)
    seen(law, lambda rng, d: samples.rotated(rng, samples.pair(2 * d, 1.0, 2.0))[:d, :d])


def test_case_11_marchenko_pastur_transforms():
    law = marchenko_pastur(c)
    assert sp.cancel(r_transform(law, g) - 1 / (1 - c * g)) == 0
    assert sp.cancel(s_transform(law, y) - 1 / (1 + c * y)) == 0
    for k, value in enumerate(law.moments(6), start=1):
        terms = (sp.binomial(k, j) * sp.binomial(k, j - 1) * c ** (k - j) for j in range(1, k + 1))
        assert sp.expand(value - sum(terms) / k) == 0
    law = marchenko_pastur("3/2")
    x, ends = 2.0, [(1 - np.sqrt(1.5)) ** 2, (1 + np.sqrt(1.5)) ** 2]
    closed = np.sqrt((ends[1] - x) * (x - ends[0])) / (2 * np.pi * 1.5 * x)
    assert float(density(law, x)) == pytest.approx(closed, rel=1e-13)
    seen(law, lambda rng, d: samples.mp(rng, d, 1.5))


def test_case_12_triple_product_needs_its_branch():
    law = free_product(free_product(HALF, HALF), HALF)
    u = -1 - z * m
    assert is_curve(law, sp.cancel(((1 + u) * (1 + u / 2) ** 3 - z * u) / z)) and law.degree == 4
    ball = density_ball(law, 1, bits=128)
    # second route: of the two roots above the axis, the one whose subordination function is too
    roots = [complex(r) for r in sp.Poly(law.polynomial.subs(z, 1), m).nroots(30)]
    above = [r for r in roots if r.imag > 0]
    (root,) = [r for r in above if (1 / (1 - (1 + r) / 2) ** 2).imag > 0]
    assert float(ball.mid()) == pytest.approx(root.imag / np.pi, abs=1e-14)
    assert f"{float(ball.mid()):.4f}" == "0.2249"
    # the trap: the largest imaginary part
    trap = max(r.imag for r in above) / np.pi
    assert f"{trap:.4f}" == "0.5790" and not ball.contains(trap)
    assert total_mass(law) == pytest.approx(1, abs=1e-10)
    assert average(law, lambda x: x**3) == pytest.approx(float(law.moments(3)[2]), rel=1e-9)

    def three(rng, d):
        first, second, third = (samples.mp(rng, d, 0.5) for _ in range(3))
        return samples.product(samples.product(first, second), third)

    value = complex(stieltjes_ball(law, samples.POINT))
    rivals = sp.Poly(law.polynomial.subs(z, sp.nsimplify(samples.POINT, rational=True)), m)
    rival = max(float(sp.im(r)) for r in rivals.nroots())

    def with_rival(rng, d):
        real, imaginary = samples.resolvent(three(rng, d))
        return [real, imaginary, imaginary]

    scores = abs(samples.z_scores(with_rival, [value.real, value.imag, rival]))
    assert np.all(scores[:2] < 4) and scores[2] > 20


def test_case_13_f_matrix():
    c1, c2 = sp.symbols("c1 c2", positive=True)
    law = fisher(c1, c2)
    assert free_product(marchenko_pastur(c1), inverse_marchenko_pastur(c2)) == law
    assert sp.cancel(law.moments(1)[0] - 1 / (1 - c2)) == 0
    law = fisher("1/2", "1/3")
    top = ((1 + sp.sqrt(Rational(2, 3))) * Rational(3, 2)) ** 2
    assert sp.expand(support(law).highest.exact - sp.expand(top)) == 0
    assert average(law, lambda x: x) == pytest.approx(1.5, rel=1e-9)
    seen(law, samples.f_matrix)


def test_case_14_deformed_marchenko_pastur():
    law = correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2")
    edges = [float(e) for e in support(law).edges]
    by_extrema = samples.companion_edges([1, 4], [Rational(1, 2)] * 2, Rational(1, 2))
    assert edges == pytest.approx(by_extrema, rel=1e-14)
    assert edges == pytest.approx([0.122224141676, 9.29994995024], abs=5e-12)
    roots = sp.Poly(law.polynomial.subs(z, 1), m).nroots(30)
    (rho,) = [float(sp.im(r) / sp.pi) for r in roots if sp.im(r) > 0]
    assert float(density_ball(law, 1, bits=128).mid()) == pytest.approx(rho, rel=1e-15)
    assert f"{rho:.12f}" == "0.285613387357"
    # the trap: above the axis it is another number
    assert abs(complex(stieltjes_ball(law, 1 + 1e-3j)).imag / np.pi / rho - 1) > 1e-4
    diagonal = functools.partial(samples.pair, first=1.0, second=4.0)
    seen(law, lambda rng, d: samples.product(np.diag(diagonal(d)), samples.mp(rng, d, 0.5)))


@pytest.mark.parametrize("name", ["kesten_mckay", "wachter", "fuss_catalan"])
def test_case_15_named_laws(name):
    x, root = np.array([0.3, 0.5, 0.7]), np.sqrt(2 / 3)
    if name == "kesten_mckay":
        law, ends = kesten_mckay(3), [-2 * np.sqrt(2), 2 * np.sqrt(2)]
        closed = 3 * np.sqrt(8 - x**2) / (2 * np.pi * (9 - x**2))
    elif name == "wachter":
        law = wachter("1/2", "1/3")
        odds = [2 / 3 * ((1 + sign * root) * 1.5) ** 2 for sign in (-1, 1)]
        ends = [v / (1 + v) for v in odds]
        closed = 5 * np.sqrt((ends[1] - x) * (x - ends[0])) / (2 * np.pi * x * (1 - x))
    else:
        law, ends = fuss_catalan(2), [0.0, 27 / 4]
        third = (27 + 3 * np.sqrt(81 - 12 * x)) ** (1 / 3)
        closed = np.sqrt(3) * 2 ** (1 / 3) / (12 * np.pi * x ** (2 / 3) * third)
        closed = closed * (2 ** (1 / 3) * third**2 - 6 * x ** (1 / 3))
    assert [float(e) for e in support(law).edges] == pytest.approx(ends, rel=1e-14)
    assert np.allclose(density(law, x), closed, rtol=1e-12)

    def tree(rng, d):
        return sum(samples.rotated(rng, samples.pair(d, -1.0, 1.0)) for _ in range(3))

    seen(law, {"kesten_mckay": tree, "wachter": samples.manova,
               "fuss_catalan": samples.squared_product}[name])  # fmt: skip


def test_case_16_anticommutator():
    v, w, x = sp.symbols("v w x", positive=True)
    one, two = (Gaussian(n, D, D, e / D, symmetric=True) for n, e in (("H1", v), ("H2", w)))
    system = dyson_equations({"g": (x * ONE - one @ two - two @ one).inverse()})
    (by_pencil,) = eliminate_to_polynomials(system, {"g": g}).polynomials
    printed = 2 * v * w * g / (1 - v * w * g**2)
    assert sp.cancel(by_pencil / sp.numer(sp.together(x - printed - 1 / g))).is_number
    # second route: ((a + b)^2 - (a - b)^2)/2 with free semicirculars a +- b of variance 2 s
    poisson = affine(square(semicircle(2 * s)), "1/2")
    by_cumulants = free_sum(poisson, affine(poisson, -1))
    assert is_curve(by_cumulants, by_pencil.subs({v: s, w: s, x: z, g: -m}))
    assert sp.cancel(r_transform(by_cumulants, g) - printed.subs({v: s, w: s})) == 0
    law = by_cumulants.specialize(s=1)
    upper = support(law).highest
    assert sp.minimal_polynomial(upper.exact, x) == x**4 - 11 * x**2 - 1
    assert float(upper) == pytest.approx(np.sqrt((11 + 5 * np.sqrt(5)) / 2), rel=1e-15)
    assert float(density(law, 0.0)) == pytest.approx(1 / np.pi, rel=1e-13)
    assert total_mass(law) == pytest.approx(1, abs=1e-10)
    seen(law, samples.anticommutator)


def test_case_17_two_bulks_and_the_gap_between():
    law = free_sum(semicircle(), atoms({-2: "1/2", -1: "1/4", 1: "1/4"}))
    found = support(law)
    assert (len(found.bulks), len(found.gaps), len(found.atoms)) == (2, 1, 0)
    w = sp.Symbol("w")
    inverse = w + Rational(1, 2) / (w + 2) + Rational(1, 4) / (w + 1) + Rational(1, 4) / (w - 1)
    slope = sp.Poly(sp.numer(sp.together(sp.diff(inverse, w))), w)
    extrema = sorted(float(inverse.subs(w, r)) for r in slope.nroots(n=30) if r.is_real)
    assert [float(e) for e in found.edges] == pytest.approx(extrema, rel=1e-13)
    low, high = (float(e) for e in found.gaps[0])
    assert density(law, [low + 1e-3, (low + high) / 2, high - 1e-3]).tolist() == [0.0] * 3
    assert (density(law, [low - 1e-3, high + 1e-3]) > 0).all()
    assert total_mass(law) == pytest.approx(1, abs=1e-10)

    def sample(rng, d):
        return samples.wigner(rng, d) + np.diag(np.repeat([-2.0, -2.0, -1.0, 1.0], d // 4))

    seen(law, sample)


def test_a_wrong_ratio_is_refuted_by_the_samples():
    diagonal = functools.partial(samples.pair, first=1.0, second=4.0)

    def sample(rng, d):
        return samples.resolvent(samples.product(np.diag(diagonal(d)), samples.mp(rng, d, 0.5)))

    for ratio, seen_apart in (("1/2", False), ("3/5", True)):
        law = correlated_wishart(atoms(ATOMS), ratio)
        value = complex(stieltjes_ball(law, samples.POINT))
        scores = samples.z_scores(sample, [value.real, value.imag])
        assert bool(np.max(abs(scores)) > 8) == seen_apart
