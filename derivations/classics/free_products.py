r"""Products of free matrices: atoms times Wishart, several Wisharts, and the F matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import (
    averaged,
    gaussian,
    wishart,
)
from derivations.classics.law_notation import (
    LIMIT,
    POSITIVE,
    c,
    c_1,
    c_2,
    eliminated,
    free,
    high,
    lets,
    letters,
    low,
    m,
    moments,
    on_bulk,
    on_curve,
    q,
    quadratic_density,
    r,
    trace_moments,
    x,
    y,
    z,
)
from derive.density import density_ball, total_mass
from derive.free_convolution import free_product
from derive.law import fisher, inverse_marchenko_pastur, marchenko_pastur
from derive.registry import derivation
from derive.support import support
from derive.transforms import s_transform
from numerics.lower import Condition
from numerics.simulation import SimulationResult

# A point of the domain, to tell two roots apart.
_INSIDE = {c_1: sp.Rational(3, 4), c_2: sp.Rational(1, 4)}


@derivation(
    "classics.wishart_product",
    reference="Muller 2002; Penson & Zyczkowski 2011",
    limit="size -> oo at fixed ratios",
)
def wishart_product(page):
    r"""The product of three free Wishart matrices solves a quartic; its edges have closed forms.

    .. math:: (1+y)(1+cy)^3=zy,\quad y=-1-zm;\qquad
       qcy_\pm^2+(q-1)cy_\pm=1\ \text{at the edges of }q\text{ factors}.
    """
    free(page)
    one = marchenko_pastur(c)
    three = free_product(free_product(one, one), one)
    u = -1 - z * m
    polynomial = eliminated(
        page, "free product", (one, one, one),
        lambda: free_product(free_product(one, one), one),
        sp.cancel(((1 + u) * (1 + c * u) ** 3 - z * u) / z), ("c",),
    )  # fmt: skip
    transform = page.derive(
        "S-transform", polynomial, lambda e: s_transform(one, y) ** 3, "S-transforms multiply"
    )
    page.rewrite(transform, 1 / (1 + c * y) ** 3, "the S-transform, as printed",
                 domain=letters.domain("c", "y"))  # fmt: skip
    place = (1 + y) / (y * transform)
    on_curve(
        page, polynomial, {m: -(1 + y) / z, z: place},
        "z = (1 + y)/(y S(y)) at y = -1 - z m: the second route", ("c", "y"),
    )  # fmt: skip
    values = moments(page, three, polynomial,
                     (1, 1 + 3 * c, 1 + 9 * c + 12 * c**2,
                      1 + 18 * c + 66 * c**2 + 55 * c**3), ("c",))  # fmt: skip
    # q factors at once: z = (1 + y)(1 + c y)^q / y
    general = (1 + y) * (1 + c * y) ** q / y
    slope = page.derive(
        "differentiate", sp.log(1 + y) + q * sp.log(1 + c * y) - sp.log(y),
        lambda e: sp.diff(e, y), "logarithm of z for q factors; edges where it is stationary",
    )  # fmt: skip
    quadratic = page.rewrite(
        slope * y * (1 + y) * (1 + c * y), q * c * y**2 + (q - 1) * c * y - 1,
        "a quadratic, for every number of factors", domain=letters.domain("c", "q", "y"),
    )  # fmt: skip
    width = sp.sqrt(c**2 * (q - 1) ** 2 + 4 * q * c)
    upper = 2 / ((q - 1) * c + width)
    page.rewrite(quadratic.subs(y, upper), sp.S.Zero, "the positive root, without cancellation "
                 "at one factor", domain=letters.domain("c", "q"))  # fmt: skip
    lower = -((q - 1) * c + width) / (2 * q * c)
    page.rewrite(quadratic.subs(y, lower), sp.S.Zero, "the negative root",
                 domain=letters.domain("c", "q"))  # fmt: skip
    for value in (upper, lower):
        page.derive("insert", general, lambda e, value=value: e.subs(y, value),
                    "z at the stationary point: an edge")  # fmt: skip
    small = Condition("c < 1", c < 1, "for c >= 1 the density reaches zero")
    page.positive(
        (1 + c * lower).subs(c, 1 / (1 + r)), "the lower edge lies on the branch 1 + c y > 0",
        domain=letters.domain("q", "r"),
    )  # fmt: skip
    page.derive(
        "count bulks", polynomial,
        lambda e: str(support(three.specialize(c="1/2"))),
        "exact edges at c = 1/2, branch followed from infinity",
    )  # fmt: skip
    _density_at_one(page, three.specialize(c="1/2"), polynomial)
    factors = Condition("q >= 1", sp.Ge(q, 1), "q counts the matrices in the product")
    page.result("lower_edge", general.subs(y, lower), (c, q),
                domain=letters.domain("c", "q", conditions=[small, factors]), limit=LIMIT,
                symbol="x_-")  # fmt: skip
    wide = letters.domain("c", "q", conditions=[factors])
    page.result("upper_edge", general.subs(y, upper), (c, q), domain=wide, limit=LIMIT,
                symbol="x_+")  # fmt: skip
    for k in (2, 3, 4):
        page.result(f"m_{k}", values[k - 1], (c,), domain=letters.domain("c"), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


def _density_at_one(page, half, polynomial) -> None:
    """Record the density of three factors at c = 1/2, x = 1, by two routes, and the mass."""
    there = polynomial.subs({c: sp.Rational(1, 2), z: 1})
    followed = page.derive(
        "boundary value", there, lambda e: _decimal(float(density_ball(half, 1).mid())),
        "density at x = 1 for c = 1/2: the root followed in balls from infinity",
    )  # fmt: skip
    subordinate = page.derive(
        "subordinate", there, _by_subordination,
        "two roots lie in the upper half-plane; only one has w = z/(1 + c y)^2, the argument of "
        "one factor, there too. The other, with the larger imaginary part, is no density",
    )  # fmt: skip
    page.rewrite(followed, subordinate, "both routes choose the same root, to ten digits",
                 domain=letters.domain("c"))  # fmt: skip
    mass = page.derive("integrate", there, lambda e: _decimal(total_mass(half)),
                       "the density over its bulk")  # fmt: skip
    page.rewrite(mass, sp.S.One, "the mass is one, to ten digits", domain=letters.domain("c"))


def _decimal(value: float) -> sp.Expr:
    return sp.Rational(round(value * 10**10), 10**10)


def _by_subordination(quartic: sp.Expr) -> sp.Expr:
    """Return the density at one from the root whose subordination function is a Herglotz one."""
    roots = [complex(root) for root in sp.Poly(quartic, m).nroots(n=30)]
    chosen = [r for r in roots if r.imag > 0 and (1 / (1 - (1 + r) / 2) ** 2).imag > 0]
    (root,) = chosen
    return _decimal(root.imag / np.pi)


@wishart_product.simulate
def simulate_wishart_product(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c: float
) -> SimulationResult:
    """Average the moments of a product of three white Wishart matrices over seeds."""
    samples = max(1, round(size / c))

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        first, second, third = (wishart(rng, size, samples) for _ in range(3))
        # the product is similar to root W_2 W_3 W_2 root with root the square root of W_1
        product = first @ second @ third
        eigenvalues = np.linalg.eigvals(product)
        return {f"m_{k}": float(np.mean(eigenvalues**k).real) for k in (2, 3)}

    return averaged(
        "classics.wishart_product", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c": size / samples}, counts={"n": samples},
    )  # fmt: skip


@derivation(
    "classics.f_matrix",
    reference="Wachter 1980; Silverstein 1985",
    limit="size -> oo at fixed ratios",
)
def f_matrix(page):
    r"""The ratio of two white sample covariances has Wachter's law.

    .. math:: \int x\,\rho=\frac1{1-c_2},\qquad
       x_\pm=\Big(\frac{1\pm\sqrt{c_1+c_2-c_1c_2}}{1-c_2}\Big)^2,\qquad
       \rho(x)=\frac{(1-c_2)\sqrt{(x_+-x)(x-x_-)}}{2\pi x\,(c_1+c_2x)} .
    """
    free(page)
    below = Condition("c_2 < 1", c_2 < 1, "the second matrix must be invertible")
    names = ("c_1", "c_2")
    first, second = marchenko_pastur(c_1), inverse_marchenko_pastur(c_2)
    law = free_product(first, second)
    polynomial = eliminated(
        page, "free product", (first, second), lambda: free_product(first, second),
        z * (c_1 + c_2 * z) * m**2 + (c_1 + c_2 * z + z - 1) * m + 1, names,
    )  # fmt: skip
    page.derive("named law", polynomial, lambda e: str(fisher(c_1, c_2) == law),
                "the law named after Fisher is the same curve")  # fmt: skip
    transform = page.derive(
        "S-transform", polynomial, lambda e: s_transform(first, y) * s_transform(second, y),
        "S-transforms multiply",
    )  # fmt: skip
    page.rewrite(transform, (1 - c_2 - c_2 * y) / (1 + c_1 * y), "the S-transform, as printed",
                 domain=letters.domain(*names, "y"))  # fmt: skip
    values = moments(
        page, law, polynomial, (1 / (1 - c_2), (1 + c_1 - c_1 * c_2) / (1 - c_2) ** 3), names
    )
    inner = page.derive(
        "discriminant", polynomial, _negative_discriminant,
        "on the bulk the two roots are conjugate",
    )  # fmt: skip
    root = sp.sqrt(c_1 + c_2 - c_1 * c_2)
    upper, lower = (((1 + sign * root) / (1 - c_2)) ** 2 for sign in (1, -1))
    domain = letters.domain(*names, conditions=[below])
    page.rewrite(
        inner, (1 - c_2) ** 2 * (upper - x) * (x - lower), "its zeros are the edges",
        domain=letters.domain(*names, "x", conditions=[below]),
    )  # fmt: skip
    largest = page.derive(
        "edges", inner, lambda e: max(sp.solve(e, x), key=lambda root: root.subs(_INSIDE)),
        "the larger zero of the discriminant",
    )  # fmt: skip
    page.rewrite(largest, upper, "upper edge", domain=domain)
    page.derive("boundary value", polynomial, quadratic_density,
                "imaginary part over pi of the root in the upper half-plane")  # fmt: skip
    lower = page.rewrite(
        lower, ((1 - c_1) / (1 + root)) ** 2, "lower edge without cancellation", domain=domain
    )
    page.result("lower_edge", lower, (c_1, c_2), domain=domain, limit=LIMIT, symbol="x_-")
    page.result("upper_edge", upper, (c_1, c_2), domain=domain, limit=LIMIT, symbol="x_+")
    height = (1 - c_2) * sp.sqrt((high - x) * (x - low)) / (2 * sp.pi * x * (c_1 + c_2 * x))
    page.result(
        "density", on_bulk(height), (c_1, c_2, x), where=lets({low: lower, high: upper}),
        domain=letters.domain(*names, "x", conditions=[below, POSITIVE]), limit=LIMIT,
        symbol=r"\rho(x)",
    )  # fmt: skip
    for k in (1, 2):
        page.result(f"m_{k}", values[k - 1], (c_1, c_2), domain=domain, limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


def _negative_discriminant(polynomial: sp.Expr) -> sp.Expr:
    value: Any = sp.factor(sp.discriminant(polynomial, m).subs(z, x))
    return -value


@f_matrix.simulate
def simulate_f_matrix(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c_1: float, c_2: float
) -> SimulationResult:
    """Average the moments of a ratio of two sample covariances over seeds."""
    first, second = max(1, round(size / c_1)), max(size + 1, round(size / c_2))

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        x = gaussian(rng, first, size, 1 / first)
        factor = np.linalg.cholesky(wishart(rng, size, second))
        half = np.linalg.solve(factor, x.conj().T)
        return trace_moments(half @ half.conj().T, (1, 2))

    return averaged(
        "classics.f_matrix", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c_1": size / first, "c_2": size / second},
        counts={"n_1": first, "n_2": second},
    )  # fmt: skip
