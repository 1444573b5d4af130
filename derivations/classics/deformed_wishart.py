r"""Sample covariances of a population with two eigenvalues: cubic, edges and density."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, eigenvalues_with_shares, gaussian
from derivations.classics.law_notation import (
    LIMIT,
    U,
    V,
    a,
    b,
    c,
    cardano,
    cube_root,
    cubic_density,
    curve,
    delta,
    e_0,
    ell,
    free,
    g,
    h_2,
    letters,
    m,
    moments,
    odds,
    on_curve,
    p,
    r,
    trace_moments,
    x,
    y,
    z,
)
from derive.fixed_point import Branch, FixedPoint
from derive.free_convolution import correlated_wishart, free_product
from derive.law import atoms, marchenko_pastur
from derive.registry import derivation
from derive.support import support
from derive.transforms import s_transform
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult

NAMES = ("c", "a", "b", "p")
SYMBOLS = (c, a, b, p)
# m = sum_i p_i/(a_i k - z) with k = 1 - c - c z m
SHRINK = 1 - c - c * z * m
CUBIC = sp.expand(
    (a * SHRINK - z) * (b * SHRINK - z) * m - p * (b * SHRINK - z) - (1 - p) * (a * SHRINK - z)
)
MEAN = p * a + (1 - p) * b
SECOND = p * a**2 + (1 - p) * b**2
THIRD = p * a**3 + (1 - p) * b**3
MOMENTS = (MEAN, SECOND + c * MEAN**2, THIRD + 3 * c * MEAN * SECOND + c**2 * MEAN**3)


def _atoms():
    return atoms({a: p, b: 1 - p})


def _edges(page):
    """Record the edges of the outermost bulks: one scalar root each, reached monotonically."""
    place = 1 / g + c * (p * a / (1 - a * g) + (1 - p) * b / (1 - b * g))
    slope = page.derive(
        "differentiate", place, lambda e: sp.diff(e, g),
        "the edges are stationary points of z as a function of the companion transform",
    )  # fmt: skip
    residual = c * (p * (a * g / (1 - a * g)) ** 2 + (1 - p) * (b * g / (1 - b * g)) ** 2) - 1
    outside = [Condition("a g != 1", sp.Ne(a * g, 1)), Condition("b g != 1", sp.Ne(b * g, 1))]
    page.rewrite(slope * g**2, residual, "a sum of positive terms, equal to 1",
                 domain=letters.domain(*NAMES, "g", conditions=outside))  # fmt: skip
    shares = {p: odds / (1 + odds)}
    # 1/g = largest eigenvalue + r and 1/g = smallest - r sweep the two outer intervals
    bigger = letters.domain("c", "odds", "b", "r", "y")
    page.positive(
        sp.diff(residual, g, 2).subs({a: b + y}).subs(g, 1 / (b + y + r)),
        "convex and increasing below the pole of the largest eigenvalue, here a = b + y",
        given=shares, domain=bigger,
    )  # fmt: skip
    page.positive(
        -sp.diff(residual, g).subs({b: a + y}).subs(g, 1 / (a * r / (1 + r))),
        "decreasing above the pole of the smallest eigenvalue, here b = a + y",
        given=shares, domain=letters.domain("c", "odds", "a", "r", "y"),
    )  # fmt: skip
    page.positive(
        sp.diff(residual, g, 2).subs({b: a + y}).subs(g, 1 / (a * r / (1 + r))),
        "and convex there: Newton's iteration from the side of the pole is monotone",
        given=shares, domain=letters.domain("c", "odds", "a", "r", "y"),
    )  # fmt: skip
    evidence = page.steps[-1].evidence
    largest, smallest = sp.Max(a, b), sp.Min(a, b)
    top = sp.Piecewise((p, a > b), (1 - p, True))
    bottom = sp.Piecewise((p, a < b), (1 - p, True))
    upper = FixedPoint(
        (g,), (residual,), Branch(region=sp.And(g > 0, g * largest < 1)),
        (1 / (largest * (1 + sp.sqrt(c * top))),),
    )  # fmt: skip
    lower = FixedPoint(
        (g,), (residual,), Branch(region=g * smallest > 1),
        (1 / (smallest * (1 - sp.sqrt(c * bottom))),),
    )  # fmt: skip
    for point, which in ((upper, "upper"), (lower, "lower")):
        page.fixed_point(point, f"{which} edge: the only root on its interval", evidence)
    under = Condition("c < 1", c < 1, "for c > 1 an atom at zero lies below the bulk")
    bounded = letters.domain(*NAMES, conditions=[under])
    page.result("lower_edge", place, SYMBOLS, where=(lower,), domain=bounded, limit=LIMIT,
                symbol="x_-")  # fmt: skip
    page.result("upper_edge", place, SYMBOLS, where=(upper,), domain=letters.domain(*NAMES),
                limit=LIMIT, symbol="x_+")  # fmt: skip


@derivation(
    "classics.atoms_times_wishart",
    reference="Rao & Edelman 2008; Silverstein & Choi 1995",
    limit="size -> oo at fixed ratios",
)
def atoms_times_wishart(page):
    r"""Two eigenvalues times a white Wishart: S-transforms multiply, and the edges are two roots.

    .. math:: S(y)=\frac{S_\Sigma(y)}{1+cy},\qquad
       c\sum_ip_i\Big(\frac{a_ig}{1-a_ig}\Big)^2=1,\quad
       x_\pm=\frac1g+c\sum_i\frac{p_ia_i}{1-a_ig}.
    """
    free(page)
    left, right = _atoms(), marchenko_pastur(c)
    law = free_product(left, right)
    polynomial = page.derive(
        "free product", (curve(left), curve(right)), lambda e: curve(free_product(left, right)),
        "resultant of both curves; the irreducible factor is chosen by its moments",
    )  # fmt: skip
    page.rewrite(polynomial, sp.cancel(CUBIC), "the cubic, as printed",
                 domain=letters.domain(*NAMES, "m", "z"))  # fmt: skip
    page.derive("S-transform", curve(right), lambda e: s_transform(right, y),
                "S-transform of white Wishart")  # fmt: skip
    t = p * a / (a + r) + (1 - p) * b / (b + r)
    ridge = r * (1 - c * t)
    on_curve(
        page,
        polynomial,
        {z: -ridge, m: (1 - t) / ridge},
        "at z = -lam with effective ridge r: lam = r (1 - c df1) and m = (1 - df1)/lam, the "
        "second route, by the deterministic equivalent",
        (*NAMES, "r"),
    )
    values = moments(page, law, polynomial, MOMENTS, NAMES)
    exact = free_product(atoms({1: "1/2", 2: "1/2"}), marchenko_pastur("1/2"))
    page.derive(
        "count bulks",
        curve(exact),
        lambda e: str(support(exact)),
        "eigenvalues 1 and 2, c = 1/2: zeros of the discriminant off the branch are gone",
    )
    _edges(page)
    for k in (1, 2, 3):
        page.result(f"m_{k}", values[k - 1], SYMBOLS, domain=letters.domain(*NAMES), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


@derivation(
    "classics.deformed_marchenko_pastur",
    reference="Marchenko & Pastur 1967; Silverstein 1995",
    limit="size -> oo at fixed ratios",
)
def deformed_marchenko_pastur(page):
    r"""The density of a sample covariance with two population eigenvalues is a cubic root.

    .. math:: m=\sum_i\frac{p_i}{a_i(1-c-czm)-z},\qquad
       \rho(x)=\frac{\sqrt3}{2\pi}\,(U-V)\quad\text{(Cardano)} .
    """
    page.assume(
        "m = int d Sigma(s)/(s(1 - c - c z m) - z)", "Silverstein's equation",
        citing="Silverstein, J. Multivariate Anal. 55 (1995) 331",
    )  # fmt: skip
    law = correlated_wishart(_atoms(), c)
    polynomial = page.derive(
        "correlated Wishart", curve(_atoms()), lambda e: curve(correlated_wishart(_atoms(), c)),
        "the equation put into the curve of the population",
    )  # fmt: skip
    page.rewrite(polynomial, CUBIC, "the cubic, as printed",
                 domain=letters.domain(*NAMES, "m", "z"))  # fmt: skip
    moments(page, law, polynomial, MOMENTS, NAMES)
    page.use("classics.atoms_times_wishart")
    three, two, one, zero = sp.Poly(CUBIC.subs(z, x), m).all_coeffs()
    cardano(page)
    shift = two / (3 * three)
    page.rewrite(
        one / three - 3 * shift**2, (3 * three * one - two**2) / (3 * three**2),
        "linear coefficient of the shifted cubic", domain=letters.domain(*NAMES, "x"),
    )  # fmt: skip
    page.rewrite(
        CUBIC.subs({z: x, m: m - shift}) / three,
        m**3 + ell * m + e_0,
        "shifted so that the quadratic term is gone",
        given={ell: one / three - 3 * h_2**2, e_0: 2 * h_2**3 - h_2 * one / three + zero / three,
               h_2: shift},
        domain=letters.domain(*NAMES, "x", "m"),
    )  # fmt: skip
    page.derive(
        "boundary value", CUBIC, cubic_density,
        "imaginary part over pi of Cardano's root in the upper half-plane",
    )  # fmt: skip
    root = sp.sqrt(sp.Max(delta, 0))  # off the bulk there is no conjugate pair
    first, second = root - e_0 / 2, -root - e_0 / 2
    window = letters.domain(*NAMES, "x", conditions=[Condition("x > 0", x > 0)])
    page.result(
        "density",
        sp.Piecewise((sp.sqrt(3) * (U - V) / (2 * sp.pi), delta > 0), (sp.S.Zero, True)),
        (*SYMBOLS, x),
        where=(
            Let(h_2, shift),
            Let(ell, one / three - 3 * h_2**2),
            Let(e_0, 2 * h_2**3 - h_2 * one / three + zero / three),
            Let(delta, (e_0 / 2) ** 2 + (ell / 3) ** 3),
            Let(U, cube_root(first)),
            Let(V, cube_root(second)),
        ),
        domain=window,
        limit=LIMIT,
        symbol=r"\rho(x)",
    )


def _rows(rng, size, samples, eigenvalues):
    vectors = gaussian(rng, samples, size, 1 / samples) * np.sqrt(eigenvalues)
    return vectors.conj().T @ vectors


@atoms_times_wishart.simulate
def simulate_atoms_times_wishart(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c: float, a: float, b: float, p: float
) -> SimulationResult:
    """Average the moments of sample covariances of two population eigenvalues over seeds."""
    samples = max(1, round(size / c))
    eigenvalues, (share, _) = eigenvalues_with_shares([a, b], [p, 1 - p], size)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        return trace_moments(_rows(rng, size, samples, eigenvalues), (1, 2, 3))

    return averaged(
        "classics.atoms_times_wishart", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c": size / samples, "a": a, "b": b, "p": share}, counts={"n": samples},
    )  # fmt: skip
