r"""Sums of free matrices: Wigner plus Wishart, two fair coins, a semicircle on three atoms."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations.classics.ensembles import (
    averaged,
    eigenvalues_with_shares,
    rotation,
    wigner,
    wishart,
)
from derivations.classics.law_notation import (
    LIMIT,
    a,
    c,
    curve,
    eliminated,
    free,
    g,
    letters,
    m,
    moments,
    omega,
    on_curve,
    quadratic_density,
    r,
    s,
    trace_moments,
    x,
    z,
)
from derive.fixed_point import Branch, FixedPoint
from derive.free_convolution import free_sum
from derive.law import atoms, marchenko_pastur, semicircle
from derive.polynomial_ring import Exact
from derive.registry import derivation
from derive.support import support
from derive.transforms import r_transform
from numerics.lower import Condition
from numerics.simulation import SimulationResult

HALF, QUARTER = sp.Rational(1, 2), sp.Rational(1, 4)
THREE_ATOMS: dict[Exact, Exact] = {-2: "1/2", -1: "1/4", 1: "1/4"}


@derivation(
    "classics.wigner_plus_wishart",
    reference="Rao & Edelman 2008; Voiculescu 1986",
    limit="size -> oo at fixed ratios",
)
def wigner_plus_wishart(page):
    r"""The spectrum of a Wigner plus a white Wishart matrix solves a cubic.

    .. math:: cs\,m^3+(cz+s)\,m^2+(c+z-1)\,m+1=0,\qquad R(g)=sg+\frac1{1-cg}.
    """
    free(page)
    left, right = semicircle(s), marchenko_pastur(c)
    law = free_sum(left, right)
    names = ("c", "s")
    polynomial = eliminated(
        page, "free sum", (left, right), lambda: free_sum(left, right),
        c * s * m**3 + (c * z + s) * m**2 + (c + z - 1) * m + 1, names,
    )  # fmt: skip
    transform = page.derive(
        "R-transform",
        polynomial,
        lambda e: r_transform(left, g) + r_transform(right, g),
        "R-transforms add",
    )
    pole = Condition("c g < 1", c * g < 1)
    page.rewrite(transform, s * g + 1 / (1 - c * g), "the R-transform, as printed",
                 domain=letters.domain("c", "s", "g", conditions=[pole]))  # fmt: skip
    place = transform + 1 / g
    page.rewrite(
        polynomial, sp.S.Zero, "z = R(g) + 1/g at m = -g lies on the cubic: the second route",
        given={m: -g, z: place}, domain=letters.domain("c", "s", "g", conditions=[pole]),
        rule="parametrise",
    )  # fmt: skip
    printed = moments(
        page, law, polynomial,
        (1, 1 + c + s, 1 + 3 * c + c**2 + 3 * s,
         1 + 6 * c + 6 * c**2 + c**3 + (6 + 4 * c) * s + 2 * s**2),
        names,
    )  # fmt: skip
    slope = page.derive(
        "differentiate", place, lambda e: sp.diff(e, g),
        "the upper edge is the minimum of z over 0 < g < 1/c",
    )  # fmt: skip
    residual = page.rewrite(
        slope * g**2, (s + c / (1 - c * g) ** 2) * g**2 - 1, "stationary point",
        domain=letters.domain("c", "s", "g", conditions=[pole]),
    )  # fmt: skip
    inside = {g: 1 / (c + r)}
    page.positive(
        sp.diff(residual, g), "the left side increases on (0, 1/c)",
        given=inside, domain=letters.domain("c", "s", "r"),
    )  # fmt: skip
    page.positive(
        sp.diff(residual, g, 2), "and is convex: one root, reached from the right by Newton",
        given=inside, domain=letters.domain("c", "s", "r"),
    )  # fmt: skip
    start = 1 / (c + sp.sqrt(c))
    page.rewrite(residual.subs(g, start), s * start**2, "positive at the start",
                 domain=letters.domain("c", "s"))  # fmt: skip
    point = FixedPoint((g,), (residual,), Branch(region=sp.And(g > 0, c * g < 1)), (start,))
    page.fixed_point(point, "unique minimum of z on (0, 1/c)", page.steps[-2].evidence)
    domain = letters.domain(*names)
    page.result("upper_edge", place, (c, s), where=(point,), domain=domain, limit=LIMIT,
                symbol="x_+")  # fmt: skip
    for k in (2, 3, 4):
        page.result(f"m_{k}", printed[k - 1], (c, s), domain=domain, limit=LIMIT, symbol=f"m_{k}")


@wigner_plus_wishart.simulate
def simulate_wigner_plus_wishart(
    *, size: int = 96, seeds: int = 16, seed: int = 0, c: float, s: float
) -> SimulationResult:
    """Average the moments of a Wigner plus a Wishart matrix over seeds."""
    samples = max(1, round(size / c))

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        return trace_moments(wigner(rng, size, s) + wishart(rng, size, samples), (2, 3, 4))

    return averaged(
        "classics.wigner_plus_wishart", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c": size / samples, "s": s}, counts={"n": samples},
    )  # fmt: skip


@derivation(
    "classics.bernoulli_sum",
    reference="Voiculescu 1986",
    limit="size -> oo",
)
def bernoulli_sum(page):
    r"""The sum of two free fair coins follows the arcsine law.

    .. math:: m^2(z^2-4a^2)=1,\qquad \rho(x)=\frac{1}{\pi\sqrt{4a^2-x^2}}\quad(|x|<2a).
    """
    free(page)
    coin = atoms({-a: "1/2", a: "1/2"})
    law = free_sum(coin, coin)
    names = ("a",)
    polynomial = eliminated(
        page, "free sum", (coin, coin), lambda: free_sum(coin, coin),
        m**2 * (z**2 - 4 * a**2) - 1, names,
    )  # fmt: skip
    transform = page.derive(
        "R-transform", polynomial, lambda e: 2 * r_transform(coin, g), "R-transforms add"
    )
    printed = page.rewrite(
        transform, 4 * a**2 * g / (1 + sp.sqrt(1 + 4 * a**2 * g**2)),
        "twice the R-transform of a coin, without cancellation",
        domain=letters.domain("a", "g"),
    )  # fmt: skip
    on_curve(
        page, polynomial, {m: -g, z: printed + 1 / g},
        "z = R(g) + 1/g at m = -g: the second route", ("a", "g"),
    )  # fmt: skip
    values = moments(page, law, polynomial, (0, 2 * a**2, 0, 6 * a**4, 0, 20 * a**6), names)
    inside = Condition("x**2 < 4 a**2", x**2 < 4 * a**2)
    window = letters.domain("a", "x", conditions=[inside])
    height = 1 / (sp.pi * sp.sqrt(4 * a**2 - x**2))
    boundary = page.derive(
        "boundary value", polynomial, lambda e: quadratic_density(-e),
        "both roots are imaginary on the bulk, the law's is in the upper half-plane",
    )  # fmt: skip
    page.rewrite(boundary, height, "the density, as printed", domain=window)
    page.positive(height, "the density is the positive root", domain=window)
    page.result("density", height, (a, x), domain=window, limit=LIMIT, symbol=r"\rho(x)")
    for k in (2, 4, 6):
        page.result(f"m_{k}", values[k - 1], (a,), domain=letters.domain("a"), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


@bernoulli_sum.simulate
def simulate_bernoulli_sum(
    *, size: int = 96, seeds: int = 16, seed: int = 0, a: float
) -> SimulationResult:
    """Average the moments of two coins, one of them rotated, over seeds."""
    signs = a * np.where(np.arange(size) < size // 2, 1.0, -1.0)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        turn = rotation(rng, size)
        return trace_moments(np.diag(signs) + (turn * signs) @ turn.conj().T, (2, 4, 6))

    return averaged(
        "classics.bernoulli_sum", sampler, size=size - size % 2, seeds=seeds, seed=seed,
        parameters={"a": a}, counts={"d": size},
    )  # fmt: skip


@derivation(
    "classics.semicircle_plus_atoms",
    reference="Pastur 1972; Brezin, Hikami & Zee 1995",
    limit="size -> oo",
)
def semicircle_plus_atoms(page):
    r"""A semicircle on three atoms has two bulks, and the gap between them has exact ends.

    .. math:: m=\sum_i\frac{p_i}{a_i-\omega},\quad z=\omega+s\sum_i\frac{p_i}{\omega-a_i},
       \qquad s\sum_i\frac{p_i}{(\omega-a_i)^2}=1\ \text{at an edge}.
    """
    free(page)
    left, right = semicircle(s), atoms(THREE_ATOMS)
    law = free_sum(left, right)
    trace = HALF / (omega + 2) + QUARTER / (omega + 1) + QUARTER / (omega - 1)
    polynomial = eliminated(
        page, "free sum", (left, right), lambda: free_sum(left, right),
        _printed_quartic(), ("s",),
    )  # fmt: skip
    outside = [Condition(f"omega != {k}", sp.Ne(omega, k)) for k in (-2, -1, 1)]
    space = letters.domain("s", "omega", conditions=outside)
    page.rewrite(
        polynomial, sp.S.Zero, "subordination lies on the quartic: the second route",
        given={m: -trace, z: omega + s * trace}, domain=space, rule="parametrise",
    )  # fmt: skip
    printed = moments(
        page, law, polynomial,
        (-1, s + sp.Rational(5, 2), -3 * s - 4, 2 * s**2 + 12 * s + sp.Rational(17, 2)), ("s",),
    )  # fmt: skip
    slope = page.derive(
        "differentiate", omega + s * trace, lambda e: sp.diff(e, omega), "edges: dz/domega = 0"
    )
    sum_of_squares = (
        HALF / (omega + 2) ** 2 + QUARTER / (omega + 1) ** 2 + QUARTER / (omega - 1) ** 2
    )
    residual = page.rewrite(1 - slope, s * sum_of_squares, "a sum of positive terms, equal to 1",
                            domain=space) - 1  # fmt: skip
    page.positive(
        sp.diff(residual, omega, 2), "convex between atoms: Newton from the side of an atom, "
        "where it is above one, is monotone", domain=space,
    )  # fmt: skip
    convex = page.steps[-1].evidence
    page.derive(
        "count bulks", curve_at_one(), lambda e: str(support(_at_one())),
        "exact edges at variance one, branch followed from infinity",
    )  # fmt: skip
    # the sum at omega = 1/25, near its smallest value between the atoms -1 and 1
    gap = Condition(
        "s*h(1/25) < 1",
        s * sum_of_squares.subs(omega, sp.Rational(1, 25)) < 1,
        "the gap between the bulks of -1 and of 1 closes at s = 1.606",
    )
    root = sp.sqrt(s)
    edges = (
        ("lower_edge", -2 - root / sp.sqrt(2), omega < -2, "x_1"),
        ("upper_edge", 1 + root / 2, omega > 1, "x_4"),
        ("gap_lower", -1 + root / 2, sp.And(omega > -1, omega < 1), "x_2"),
        ("gap_upper", 1 - 3 * root / 8, sp.And(omega > -1, omega < 1), "x_3"),
    )
    domain = letters.domain("s", conditions=[gap])
    for name, start, region, symbol in edges:
        point = FixedPoint((omega,), (residual,), Branch(region=region), (start,))
        page.fixed_point(point, f"{name}: reached from its atom", convex)
        page.result(name, omega + s * trace, (s,), where=(point,), domain=domain, limit=LIMIT,
                    symbol=symbol)  # fmt: skip
    for k in (2, 3, 4):
        page.result(f"m_{k}", printed[k - 1], (s,), domain=letters.domain("s"), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip


def _at_one():
    return free_sum(semicircle(1), atoms(THREE_ATOMS))


def curve_at_one() -> sp.Expr:
    """Return the quartic at variance one."""
    return curve(_at_one())


def _printed_quartic() -> sp.Expr:
    inner = z + s * m
    return sp.expand(
        2 * m * (inner + 2) * (inner + 1) * (inner - 1)
        + (inner + 1) * (inner - 1)
        + HALF * (inner + 2) * (inner - 1)
        + HALF * (inner + 2) * (inner + 1)
    )


@semicircle_plus_atoms.simulate
def simulate_semicircle_plus_atoms(
    *, size: int = 96, seeds: int = 16, seed: int = 0, s: float
) -> SimulationResult:
    """Average the moments of a Wigner matrix on three atoms over seeds."""
    whole = size - size % 4
    places, _ = eigenvalues_with_shares([-2.0, -1.0, 1.0], [0.5, 0.25, 0.25], whole)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        return trace_moments(wigner(rng, whole, s) + np.diag(places), (2, 3, 4))

    return averaged(
        "classics.semicircle_plus_atoms", sampler, size=whole, seeds=seeds, seed=seed,
        parameters={"s": s}, counts={"d": whole},
    )  # fmt: skip
