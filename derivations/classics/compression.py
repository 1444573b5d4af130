r"""A corner of a randomly rotated matrix with two eigenvalues: free compression."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, eigenvalues_with_shares, gaussian
from derivations.classics.law_notation import (
    LIMIT,
    a,
    alpha,
    b,
    curve,
    eliminated,
    free,
    g,
    high,
    lets,
    letters,
    low,
    m,
    moments,
    mu,
    on_bulk,
    p,
    quadratic_density,
    r,
    u,
    x,
    z,
)
from derive.free_convolution import free_compression
from derive.law import atoms
from derive.registry import derivation
from derive.support import support
from derive.transforms import r_transform
from numerics.lower import Condition
from numerics.simulation import SimulationResult

NAMES = ("alpha", "a", "b", "p")
SYMBOLS = (alpha, a, b, p)
ORDER = Condition("a < b", a < b, "the first eigenvalue is the smaller one")
MEAN, VARIANCE = p * a + (1 - p) * b, p * (1 - p) * (b - a) ** 2
SKEW = (2 * p - 1) * (b - a) * VARIANCE
HALF = sp.Rational(1, 2)


def _pair():
    return atoms({a: p, b: 1 - p})


def _edge(sign: int) -> sp.Expr:
    return a + (b - a) * (sp.sqrt(alpha * p) + sign * sp.sqrt((1 - alpha) * (1 - p))) ** 2


@derivation(
    "classics.compression",
    reference="Nica & Speicher 1996; Collins 2005",
    limit="size -> oo at a fixed ratio of the corner to the matrix",
)
def compression(page):
    r"""A corner of a rotated matrix with two eigenvalues has an interval between them, and atoms.

    .. math:: \alpha(z-a)(z-b)\,m^2+\big[z-pb-(1-p)a-(1-\alpha)(2z-a-b)\big]m=1-\alpha,\qquad
       m^2(z-a)(z-b)=1\ \text{at}\ \alpha=p=\tfrac12 .
    """
    free(page)
    law = free_compression(_pair(), alpha)
    bracket = z - p * b - (1 - p) * a - (1 - alpha) * (2 * z - a - b)
    polynomial = eliminated(
        page, "free compression", (_pair(),), lambda: free_compression(_pair(), alpha),
        alpha * (z - a) * (z - b) * m**2 + bracket * m - (1 - alpha), NAMES,
    )  # fmt: skip
    half: dict[Any, Any] = {alpha: HALF, p: HALF}
    page.derive(
        "specialise", polynomial, lambda e: sp.factor_terms(2 * e.subs(half)),
        "half of the matrix, both eigenvalues in equal shares",
    )  # fmt: skip
    page.rewrite(2 * polynomial.subs(half), m**2 * (z - a) * (z - b) - 1,
                 "no linear term is left: the arcsine law between both eigenvalues",
                 domain=letters.domain("a", "b", "m", "z"))  # fmt: skip
    transform = page.derive(
        "R-transform", curve(_pair()), lambda e: r_transform(_pair(), g).subs(g, alpha * g),
        "the corner has R(alpha g)",
    )  # fmt: skip
    page.rewrite(
        polynomial, sp.S.Zero, "z = R(alpha g) + 1/g at m = -g lies on the curve: the second "
        "route", given={m: -g, z: transform + 1 / g}, domain=letters.domain(*NAMES, "g"),
        rule="parametrise",
    )  # fmt: skip
    values = moments(
        page, law, polynomial,
        (MEAN, MEAN**2 + alpha * VARIANCE,
         MEAN**3 + 3 * alpha * MEAN * VARIANCE + alpha**2 * SKEW), NAMES,
    )  # fmt: skip
    inner = page.derive(
        "discriminant", polynomial, lambda e: -sp.discriminant(e.subs(z, x), m),
        "on the bulk both roots are conjugate",
    )  # fmt: skip
    # u, r > 0 with p = u^2/(1 + u^2) and alpha = r^2/(1 + r^2) make the edges rational
    rational = {p: u**2 / (1 + u**2), alpha: r**2 / (1 + r**2)}
    edges = {
        place: a + (b - a) * (u * r + sign) ** 2 / ((1 + u**2) * (1 + r**2))
        for place, sign in ((low, -1), (high, 1))
    }
    page.rewrite(
        inner, (high - x) * (x - low), "its zeros are the edges", given={**edges, **rational},
        domain=letters.domain("a", "b", "u", "r", "x"),
    )  # fmt: skip
    ordered = letters.domain(*NAMES, conditions=[ORDER])
    for sign, which in ((-1, "lower"), (1, "upper")):
        found = page.derive(
            "edges", inner, lambda e, sign=sign: _zeros(e)[(1 + sign) // 2],
            "a zero of the discriminant",
        )  # fmt: skip
        page.rewrite(found, _edge(sign), f"the {which} edge, as printed", domain=ordered)
        page.result(f"{which}_edge", _edge(sign), SYMBOLS, domain=ordered, limit=LIMIT,
                    symbol="x_-" if sign < 0 else "x_+")  # fmt: skip
    for place, share, name in ((a, p, "mass_a"), (b, 1 - p, "mass_b")):
        masses = page.derive(
            "residue", polynomial, lambda e, place=place: _masses(e, place),
            f"m = mu/({place} - z) next to the eigenvalue: both roots",
        )  # fmt: skip
        excess = next(root for root in masses if root != 0)
        page.rewrite(excess, (share + alpha - 1) / alpha,
                     "the dimension by which corner and eigenspace overlap in general position",
                     domain=letters.domain(*NAMES))  # fmt: skip
        mass = page.derive(
            "choose the root", masses, lambda e: sp.Max(*e),
            "subspaces of dimensions that add to more than the whole meet, otherwise they do not",
        )  # fmt: skip
        page.result(name, mass, SYMBOLS, domain=letters.domain(*NAMES), limit=LIMIT,
                    symbol=f"\\mu_{place}")  # fmt: skip
    page.derive(
        "count bulks", curve(_printed()), lambda e: str(support(_printed())),
        "eigenvalues 1 and 3, shares 1/4 and 3/4, half of the matrix: exact edges and the atom",
    )  # fmt: skip
    for k in (2, 3):
        page.result(f"m_{k}", values[k - 1], SYMBOLS, domain=letters.domain(*NAMES), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip
    page.derive("boundary value", -polynomial, quadratic_density,
                "imaginary part over pi of the root in the upper half-plane")  # fmt: skip
    height = sp.sqrt((high - x) * (x - low)) / (2 * sp.pi * alpha * (x - a) * (b - x))
    page.result(
        "density", on_bulk(height), (*SYMBOLS, x), where=lets({low: _edge(-1), high: _edge(1)}),
        domain=letters.domain(*NAMES, "x", conditions=[ORDER]), limit=LIMIT, symbol=r"\rho(x)",
    )  # fmt: skip


def _printed():
    return free_compression(atoms({1: "1/4", 3: "3/4"}), HALF)


def _zeros(inner: sp.Expr) -> list[sp.Expr]:
    """Return the zeros of the discriminant, the smaller first as they are at one point."""
    at: dict[Any, Any] = {alpha: HALF, a: 1, b: 2, p: HALF / 2}
    return sorted(sp.solve(inner, x), key=lambda root: root.subs(at))


def _masses(polynomial: sp.Expr, place: sp.Symbol) -> tuple[Any, ...]:
    """Return the masses that a pole of m at a place can have."""
    near = sp.cancel(polynomial.subs(m, mu / (place - z)) * (place - z))
    return tuple(sp.factor(root) for root in sp.solve(near.subs(z, place), mu))


@compression.simulate
def simulate_compression(
    *, size: int = 96, seeds: int = 16, seed: int = 0, alpha: float, a: float, b: float, p: float
) -> SimulationResult:
    """Average the moments of a corner of a rotated diagonal matrix over seeds."""
    corner = min(size, max(1, round(alpha * size)))
    eigenvalues, (share, _) = eigenvalues_with_shares([a, b], [p, 1 - p], size)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        frame, _ = np.linalg.qr(gaussian(rng, size, corner))
        found = np.linalg.eigvalsh(frame.conj().T @ (eigenvalues[:, None] * frame))
        return {f"m_{k}": float(np.mean(found**k)) for k in (2, 3)}

    return averaged(
        "classics.compression", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"alpha": corner / size, "a": a, "b": b, "p": share}, counts={"d": corner},
    )  # fmt: skip
