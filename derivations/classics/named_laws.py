r"""Laws with names: Marchenko-Pastur moments, Kesten-McKay, Wachter, Fuss-Catalan."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, gaussian, rotation, wishart
from derivations.classics.law_notation import (
    LIMIT,
    POSITIVE,
    U,
    V,
    c,
    cardano,
    curve,
    d,
    e_0,
    eliminated,
    ell,
    free,
    g,
    high,
    lets,
    letters,
    low,
    m,
    moments,
    on_bulk,
    on_curve,
    r,
    share,
    trace_moments,
    x,
    y,
    z,
)
from derive.domain import Domain
from derive.free_convolution import free_power, free_product
from derive.law import atoms, fuss_catalan, kesten_mckay, marchenko_pastur
from derive.registry import derivation
from derive.support import support
from derive.transforms import r_transform, s_transform
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult


def _density(page, polynomial: sp.Expr, edges, printed: sp.Expr, domain: Domain) -> None:
    """Derive the density of a quadratic law, and check the printed one with its edges."""
    square = page.derive(
        "boundary value",
        polynomial,
        lambda e: sp.factor(
            sp.discriminant(e.subs(z, x), m) / (2 * sp.pi * sp.Poly(e.subs(z, x), m).LC()) ** 2
        ),
        "two conjugate roots on the bulk: minus the square of the density",
    )
    page.rewrite(
        -square,
        printed**2,
        "square of the density, as printed; x sweeps the bulk",
        given={x: low + (high - low) * share, **edges},
        domain=domain,
    )


@derivation(
    "classics.marchenko_pastur_transforms",
    reference="Marchenko & Pastur 1967; Nica & Speicher, Lectures, 2006",
    limit="size -> oo at fixed ratios",
)
def marchenko_pastur_transforms(page):
    r"""The Marchenko-Pastur law has simple transforms, and its moments are Narayana polynomials.

    .. math:: R(g)=\frac1{1-cg},\quad S(y)=\frac1{1+cy},\quad
       m_k=\sum_{j=1}^k\frac1k\binom kj\binom k{j-1}c^{\,k-j},\quad
       \rho(x)=\frac{\sqrt{(x_+-x)(x-x_-)}}{2\pi cx}.
    """
    law = marchenko_pastur(c)
    page.assume(
        "1/m = -z + 1/(1 + c m)", "quadratic forms of independent vectors concentrate",
        citing="Marchenko & Pastur, Mat. Sb. 72 (1967) 507",
    )  # fmt: skip
    polynomial = page.derive("clear denominators", 1 / m + z - 1 / (1 + c * m),
                             lambda e: curve(law), "the curve of the law")  # fmt: skip
    page.rewrite(polynomial, c * z * m**2 + (c + z - 1) * m + 1, "as printed",
                 domain=letters.domain("c", "m", "z"))  # fmt: skip
    transform = page.derive("R-transform", polynomial, lambda e: r_transform(law, g),
                            "inverse of -m, less 1/g")  # fmt: skip
    pole = Condition("c g < 1", c * g < 1)
    with_pole = letters.domain("c", "g", conditions=[pole])
    page.rewrite(transform, 1 / (1 - c * g), "R, as printed", domain=with_pole)
    page.rewrite(polynomial, sp.S.Zero, "z = R(g) + 1/g at m = -g", domain=with_pole,
                 given={m: -g, z: 1 / (1 - c * g) + 1 / g}, rule="parametrise")  # fmt: skip
    multiplicative = page.derive("S-transform", polynomial, lambda e: s_transform(law, y),
                                 "inverse of the moment transform")  # fmt: skip
    page.rewrite(multiplicative, 1 / (1 + c * y), "S, as printed", domain=letters.domain("c", "y"))
    on_curve(page, polynomial, {m: -(1 + y) / z, z: (1 + y) * (1 + c * y) / y},
             "z = (1 + y)/(y S(y)) at y = -1 - z m", ("c", "y"))  # fmt: skip
    narayana = [
        sum(
            (sp.binomial(k, j) * sp.binomial(k, j - 1) * c ** (k - j) / k for j in range(1, k + 1)),
            sp.S.Zero,
        )
        for k in range(1, 7)
    ]
    values = moments(page, law, polynomial, narayana, ("c",))
    root = sp.sqrt(c)
    edges = {low: (1 - root) ** 2, high: (1 + root) ** 2}
    height = sp.sqrt((high - x) * (x - low)) / (2 * sp.pi * c * x)
    _density(page, polynomial, edges, height, letters.domain("c", "share"))
    page.result("density", on_bulk(height), (c, x), where=lets(edges),
                domain=letters.domain("c", "x", conditions=[POSITIVE]), limit=LIMIT,
                symbol=r"\rho(x)")  # fmt: skip
    for k in (3, 4, 6):
        page.result(f"m_{k}", values[k - 1], (c,), domain=letters.domain("c"), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


@marchenko_pastur_transforms.simulate
def simulate_marchenko_pastur(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c: float
) -> SimulationResult:
    """Average the moments of a white Wishart matrix over seeds."""
    samples = max(1, round(size / c))
    return averaged(
        "classics.marchenko_pastur_transforms",
        lambda rng: trace_moments(wishart(rng, size, samples), (3, 4, 6)),
        size=size, seeds=seeds, seed=seed, parameters={"c": size / samples},
        counts={"n": samples},
    )  # fmt: skip


@derivation(
    "classics.kesten_mckay",
    reference="Kesten 1959; McKay 1981",
    limit="size -> oo at fixed ratios",
)
def kesten_mckay_law(page):
    r"""A random regular graph has the law of a free sum of coins, one for each neighbour.

    .. math:: \rho(x)=\frac{d\sqrt{4(d-1)-x^2}}{2\pi(d^2-x^2)},\qquad |x|<2\sqrt{d-1}.
    """
    page.assume(
        "the adjacency matrix is a sum of d free perfect matchings",
        "large random graphs are locally trees",
        citing="McKay, Linear Algebra Appl. 40 (1981) 203",
    )
    coin = atoms({-1: "1/2", 1: "1/2"})
    polynomial = eliminated(
        page, "free power", (coin,), lambda: free_power(coin, d),
        (z**2 - d**2) * m**2 - (d - 2) * z * m - (d - 1), ("d",),
    )  # fmt: skip
    law = kesten_mckay(d)
    page.derive("named law", polynomial, lambda e: str(free_power(coin, d) == law),
                "the cavity equation of the tree gives the same curve")  # fmt: skip
    values = moments(page, law, polynomial,
                     (0, d, 0, d * (2 * d - 1), 0, d * (5 * d**2 - 6 * d + 2)), ("d",))  # fmt: skip
    inside = Condition("x**2 < 4 (d - 1)", x**2 < 4 * (d - 1))
    window = letters.domain("d", "x", conditions=[inside])
    height = d * sp.sqrt(4 * (d - 1) - x**2) / (2 * sp.pi * (d**2 - x**2))
    doubled = page.derive(
        "boundary value", polynomial,
        lambda e: sp.factor(
            sp.discriminant(e.subs(z, x), m) / (2 * sp.pi * sp.Poly(e.subs(z, x), m).LC()) ** 2
        ),
        "two conjugate roots on the bulk: minus the square of the density",
    )  # fmt: skip
    page.rewrite(-doubled, height**2, "square of the density, as printed", domain=window)
    page.result("upper_edge", 2 * sp.sqrt(d - 1), (d,), domain=letters.domain("d"), limit=LIMIT,
                symbol="x_+")  # fmt: skip
    for k in (4, 6):
        page.result(f"m_{k}", values[k - 1], (d,), domain=letters.domain("d"), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip
    page.result("density", height, (d, x), domain=window, limit=LIMIT, symbol=r"\rho(x)")


@kesten_mckay_law.simulate
def simulate_kesten_mckay(
    *, size: int = 96, seeds: int = 16, seed: int = 0, d: float
) -> SimulationResult:
    """Average the moments of a sum of d rotated coins over seeds."""
    count = max(2, round(d))
    signs = np.where(np.arange(size) < size // 2, 1.0, -1.0)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        total = np.zeros((size, size), complex)
        for _ in range(count):
            turn = rotation(rng, size)
            total = total + (turn * signs) @ turn.conj().T
        return trace_moments(total, (4, 6))

    return averaged(
        "classics.kesten_mckay", sampler, size=size - size % 2, seeds=seeds, seed=seed,
        parameters={"d": count}, counts={"d": count},
    )  # fmt: skip


@derivation(
    "classics.fuss_catalan",
    reference="Penson & Zyczkowski 2011; Banica et al. 2011",
    limit="size -> oo at fixed ratios",
)
def fuss_catalan_law(page):
    r"""Squared singular values of a product of two square Gaussian matrices: Fuss-Catalan.

    .. math:: z^2m^3-zm-1=0,\qquad m_k=\frac{r^k}{2k+1}\binom{3k}k,\qquad
       \rho(x)=\frac{\sqrt3}{2\pi r}\,(U-V),\quad 0<x<\tfrac{27}4r .
    """
    free(page)
    one = marchenko_pastur(1)
    law = fuss_catalan(2)
    polynomial = eliminated(
        page, "free product", (one, one), lambda: free_product(one, one), z**2 * m**3 - z * m - 1,
        (),
    )  # fmt: skip
    page.derive("named law", polynomial, lambda e: str(free_product(one, one) == law),
                "the curve of the Fuss-Catalan numbers")  # fmt: skip
    numbers = tuple(sp.binomial(3 * k, k) / (2 * k + 1) for k in range(1, 7))
    found = page.derive("expand at infinity", polynomial, lambda e: tuple(law.moments(6)),
                        "the root with mass one")  # fmt: skip
    scale = letters.domain("r")
    for k, (value, printed) in enumerate(zip(found, numbers, strict=True), start=1):
        page.rewrite(value * r**k, printed * r**k, f"moment {k} of the law scaled by r",
                     domain=scale)  # fmt: skip
    page.derive("count bulks", polynomial, lambda e: str(support(law)), "exact edges")
    cardano(page)
    page.rewrite(
        polynomial.subs(z, x) / x**2, m**3 + ell * m + e_0, "no quadratic term on the axis",
        given={ell: -1 / x, e_0: -1 / x**2},
        domain=letters.domain("m", "x", conditions=[Condition("x > 0", x > 0)]),
    )  # fmt: skip
    window = letters.domain("x", conditions=[Condition("x > 0", x > 0),
                                             Condition("4 x < 27", 4 * x < 27)])  # fmt: skip
    third = sp.Rational(1, 3)
    first = (1 / (2 * x**2) + sp.sqrt(1 / (4 * x**4) - 1 / (27 * x**3))) ** third
    radical = 27 + 3 * sp.sqrt(81 - 12 * x)
    page.rewrite(
        sp.sqrt(3) / (2 * sp.pi) * (first - 1 / (3 * x * first)),
        sp.sqrt(3) * 2**third * (2**third * radical ** (2 * third) - 6 * x**third)
        / (12 * sp.pi * x ** (2 * third) * radical**third),
        "the density as printed by Penson and Zyczkowski, with U V = 1/(3 x)",
        domain=window,
    )  # fmt: skip
    bulk = (Condition("x > 0", x > 0), Condition("4 x < 27 r", 4 * x < 27 * r))
    inside = letters.domain("r", "x", conditions=bulk)
    at = x / r
    for k in (1, 2, 3):
        page.result(f"m_{k}", numbers[k - 1] * r**k, (r,), domain=scale, limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip
    page.result("upper_edge", sp.Rational(27, 4) * r, (r,), domain=scale, limit=LIMIT,
                symbol="x_+")  # fmt: skip
    page.result(
        "density",
        sp.sqrt(3) * (U - V) / (2 * sp.pi * r),
        (r, x),
        where=(
            Let(U, ((1 + sp.sqrt(1 - 4 * at / 27)) / (2 * at**2)) ** third),
            Let(V, 1 / (3 * at * U)),
        ),
        domain=inside,
        limit=LIMIT,
        symbol=r"\rho(x)",
    )


@fuss_catalan_law.simulate
def simulate_fuss_catalan(
    *, size: int = 96, seeds: int = 16, seed: int = 0, r: float
) -> SimulationResult:
    """Average the moments of a product of two square Gaussian matrices over seeds."""

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        product = gaussian(rng, size, size, r / size) @ gaussian(rng, size, size, 1 / size)
        return trace_moments(product @ product.conj().T, (1, 2, 3))

    return averaged(
        "classics.fuss_catalan", sampler, size=size, seeds=seeds, seed=seed, parameters={"r": r},
        counts={"d": size},
    )  # fmt: skip
