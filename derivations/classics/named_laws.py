r"""Laws with names: Marchenko-Pastur moments, Kesten-McKay, Wachter, Fuss-Catalan."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, gaussian, rotation, wishart
from derivations.classics.law_notation import (
    LIMIT,
    POSITIVE,
    U,
    V,
    c,
    c_1,
    c_2,
    cardano,
    cubic_density,
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
    quadratic_density,
    r,
    trace_moments,
    x,
    y,
    z,
)
from derive.domain import Domain
from derive.free_convolution import free_power, free_product
from derive.law import atoms, fisher, fuss_catalan, kesten_mckay, marchenko_pastur, wachter
from derive.registry import derivation
from derive.support import support
from derive.transforms import r_transform, s_transform
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult


def _edge(polynomial: sp.Expr, upper: bool) -> sp.Expr:
    """Return a zero of the discriminant, told from the other by its value at one point."""
    at = {c_1: sp.Rational(3, 4), c_2: sp.Rational(1, 4)}
    return sorted(sp.solve(sp.discriminant(polynomial, m), z), key=lambda e: e.subs(at))[upper]


def _density(page, polynomial: sp.Expr, edges, scale: Any, leading: Any, domain: Domain) -> Any:
    """Derive the density of a quadratic law from its discriminant, with its edges checked.

    The curve is given with a leading coefficient that is positive on the bulk.
    """
    inner = page.derive(
        "discriminant",
        polynomial,
        lambda e: -sp.discriminant(e.subs(z, x), m),
        "where it is positive the two roots are conjugate, and the upper one is the law's",
    )
    page.rewrite(inner, scale**2 * (high - x) * (x - low), "its zeros are the edges",
                 given=edges, domain=domain)  # fmt: skip
    page.derive(
        "boundary value", polynomial, quadratic_density,
        "imaginary part over pi: root of the discriminant over twice the leading coefficient",
    )  # fmt: skip
    return scale * sp.sqrt((high - x) * (x - low)) / (2 * sp.pi * leading)


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
                             lambda e: sp.expand(sp.numer(sp.together(e))),
                             "the curve of the law")  # fmt: skip
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
    height = _density(page, polynomial, edges, sp.S.One, c * x, letters.domain("c", "x"))
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
    density = page.derive(
        "boundary value", polynomial, lambda e: quadratic_density(-e),
        "imaginary part over pi of the root in the upper half-plane",
    )  # fmt: skip
    page.rewrite(density, height, "the density, as printed", domain=window)
    edge = page.derive(
        "edges", polynomial, lambda e: sp.solve(sp.discriminant(e, m), z)[-1],
        "zero of the discriminant",
    )  # fmt: skip
    page.rewrite(edge, 2 * sp.sqrt(d - 1), "the upper edge", domain=letters.domain("d"))
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
    "classics.wachter",
    reference="Wachter 1980",
    limit="size -> oo at fixed ratios",
)
def wachter_law(page):
    r"""The MANOVA matrix A/(A+B) of two Wishart matrices lives on an interval inside [0, 1].

    .. math:: \frac{x_\pm}{1-x_\pm}=\frac{c_2}{c_1}
       \Big(\frac{1\pm\sqrt{c_1+c_2-c_1c_2}}{1-c_2}\Big)^2,
       \qquad\rho(x)=\frac{(c_1+c_2)\sqrt{(x_+-x)(x-x_-)}}{2\pi c_1c_2\,x(1-x)} .
    """
    free(page)
    names = ("c_1", "c_2")
    law = wachter(c_1, c_2)
    polynomial = page.derive(
        "Moebius map", curve(fisher(c_1, c_2)), lambda e: curve(wachter(c_1, c_2)),
        "x -> t/(1 + t) of the F matrix scaled by t = (c_2/c_1) x",
    )  # fmt: skip
    page.rewrite(
        polynomial,
        c_1 * c_2 * z * (z - 1) * m**2
        + (2 * c_1 * c_2 * z - c_1 * c_2 - (c_1 + c_2) * z + c_2) * m
        + (c_1 * c_2 - c_1 - c_2),
        "the curve, as printed",
        domain=letters.domain(*names, "m", "z"),
    )
    values = moments(
        page, law, polynomial,
        (c_2 / (c_1 + c_2), c_2 * (c_1**2 * c_2 + c_1 * c_2 + c_2**2) / (c_1 + c_2) ** 3), names,
    )  # fmt: skip

    def edge(root: sp.Expr, sign: int) -> sp.Expr:
        top = c_2 * (1 + sign * root) ** 2
        return top / (top + c_1 * (1 - c_2) ** 2)

    root = sp.sqrt(c_1 + c_2 - c_1 * c_2)
    edges = {low: edge(root, -1), high: edge(root, 1)}
    below = Condition("c_2 < 1", c_2 < 1, "B must be invertible")
    box = letters.domain(*names, conditions=[below])
    # the root as a parameter instead of c_1 makes the check rational
    rational = {low: edge(r, -1), high: edge(r, 1), c_1: (r**2 - c_2) / (1 - c_2)}
    inside = letters.domain(
        "c_2", "r", "x", conditions=[below, Condition("r**2 > c_2", r**2 > c_2)]
    )
    upright = page.derive("change sign", polynomial, lambda e: -e,
                          "the leading coefficient is positive on the bulk")  # fmt: skip
    height = _density(page, upright, rational, c_1 + c_2, c_1 * c_2 * x * (1 - x), inside)
    for name, key, symbol in (("lower_edge", low, "x_-"), ("upper_edge", high, "x_+")):
        found = page.derive(
            "edges", upright, lambda e, upper=key == high: _edge(e, upper),
            "a zero of the discriminant",
        )  # fmt: skip
        page.rewrite(found, edges[key], f"{name.replace('_', ' ')}", domain=box)
        page.result(name, edges[key], (c_1, c_2), domain=box, limit=LIMIT, symbol=symbol)
    for k in (1, 2):
        page.result(f"m_{k}", values[k - 1], (c_1, c_2), domain=box, limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip
    page.result("density", on_bulk(height), (c_1, c_2, x), where=lets(edges),
                domain=letters.domain(*names, "x", conditions=[below, POSITIVE]), limit=LIMIT,
                symbol=r"\rho(x)")  # fmt: skip


@wachter_law.simulate
def simulate_wachter(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c_1: float, c_2: float
) -> SimulationResult:
    """Average the moments of A/(A + B) over seeds."""
    first, second = max(1, round(size / c_1)), max(size + 1, round(size / c_2))

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        x = gaussian(rng, first, size)
        y = gaussian(rng, second, size)
        one, two = x.conj().T @ x, y.conj().T @ y
        half = np.linalg.solve(np.linalg.cholesky(one + two), x.conj().T)
        return trace_moments(half @ half.conj().T, (1, 2))

    return averaged(
        "classics.wachter", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c_1": size / first, "c_2": size / second},
        counts={"n_1": first, "n_2": second},
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
    page.derive(
        "scale", polynomial, lambda e: cubic_density(e).subs(x, x / r) / r,
        "Cardano's root of the curve, for the law scaled by r",
    )  # fmt: skip
    page.derive(
        "edges", polynomial, lambda e: r * max(sp.solve(sp.discriminant(e, m), z)),
        "zero of the discriminant, for the law scaled by r",
    )  # fmt: skip
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
