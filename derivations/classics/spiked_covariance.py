r"""A spike of rank one: the outlier it sends out of the bulk, and the weight of its eigenvector."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, gaussian, wigner
from derive.domain import Notation
from derive.fixed_point import Branch
from derive.law import marchenko_pastur, semicircle
from derive.registry import derivation
from derive.spike import additive_spike, multiplicative_spike
from derive.transforms import r_transform, s_transform
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult

letters = Notation()
c = letters.quantity("c", "dimensions per sample, d/n", lower=0)
v = letters.quantity("v", "population eigenvalue of the bulk", lower=0)
ell = letters.quantity("ell", "population eigenvalue of the spike", lower=0, latex=r"\ell")
x = letters.quantity("x", "sample eigenvalue outside of the bulk", lower=0)
y = letters.quantity("y", "argument of the S-transform", lower=0)
g = letters.quantity("g", "minus the companion Stieltjes transform", lower=0)
s = letters.quantity("s", "variance of the semicircle", lower=0)
t = letters.quantity("t", "strength of the spike added", lower=0)
m = letters.quantity("m", "Stieltjes transform of the semicircle outside of the bulk")
r = letters.quantity("r", "root of the discriminant", lower=0)

LIMIT = "d, n -> oo with d/n -> c"
BEYOND = (
    Condition("ell > v", ell > v, "the spike lies above the bulk"),
    Condition("(ell - v)**2 > c*v**2", (ell - v) ** 2 > c * v**2, "else it stays in the bulk"),
)
OUTSIDE = (
    Condition("x > v*(1 + c)", x > v * (1 + c), "the upper of the two edges"),
    Condition("(x - v*(1 + c))**2 > 4*c*v**2", (x - v * (1 + c)) ** 2 > 4 * c * v**2,
              "outside of the bulk"),
)  # fmt: skip


@derivation(
    "classics.spiked_covariance",
    reference="Baik & Silverstein 2006; Paul 2007; Benaych-Georges & Nadakuditi 2011",
    limit="d, n -> oo with d/n -> c",
)
def spiked_covariance(page):
    r"""A population eigenvalue above a threshold sends one sample eigenvalue out of the bulk.

    .. math:: x=\ell\left(1+\frac{cv}{\ell-v}\right),\qquad
       |\langle\hat u,u\rangle|^2=\frac{1-cv^2/(\ell-v)^2}{1+cv/(\ell-v)},\qquad
       \ell>v(1+\sqrt c).
    """
    page.over(letters, "c", "v", "ell", conditions=BEYOND)
    page.assume(
        "An eigenvalue x outside of the bulk solves 1/(ell/v - 1) = psi(v/x), psi the moment "
        "transform of the white sample covariance",
        "the resolvent of the bulk is isotropic: the spike sees its trace alone",
        citing="Benaych-Georges & Nadakuditi, Adv. Math. 227 (2011) 494, theorem 2.7",
    )
    law = marchenko_pastur(c)
    transform = page.derive("S-transform", y, lambda e: s_transform(law, e), "of the bulk")
    place = page.derive("invert psi", transform, lambda e: (1 + y) / (y * e),
                        "psi(1/z) = y at z = (1 + y)/(y S(y))")  # fmt: skip
    found = page.derive(
        "insert", place, lambda e: v * sp.factor(e.subs(y, 1 / (ell / v - 1))),
        "at the strength of the spike, on the scale of the bulk",
    )  # fmt: skip
    printed = ell * (1 + c * v / (ell - v))
    position = page.rewrite(found, printed, "the outlier, as printed")
    engine = page.derive(
        "engine", place, lambda e: v * multiplicative_spike(law, ell / v).position,
        "rule for one spike",
    )  # fmt: skip
    page.rewrite(engine, printed, "the engine's own rule")
    companion = page.derive(
        "companion equation", 1 / g + c * v / (1 - v * g), lambda e: e.subs(g, 1 / ell),
        "second route, Silverstein's equation: the pole of a population eigenvalue ell is at "
        "g = 1/ell",
    )  # fmt: skip
    page.rewrite(companion, printed, "the same place")
    residue = page.derive("residue", printed, lambda e: ell * sp.diff(e, ell) / e,
                          "of the resolvent between two copies of the spike")  # fmt: skip
    overlap = page.rewrite(
        residue, (1 - c * v**2 / (ell - v) ** 2) / (1 + c * v / (ell - v)), "as printed"
    )
    other = page.derive(
        "engine", place, lambda e: multiplicative_spike(law, ell / v).overlap,
        "rule for one spike",
    )  # fmt: skip
    page.rewrite(other, overlap, "the engine's own rule")
    page.positive(overlap, "beyond the threshold the eigenvector knows of the spike")
    page.over(letters, "c", "v")
    free = sp.Symbol("ell")
    ends = page.derive(
        "set to zero", overlap,
        lambda e: tuple(sp.solve(sp.numer(sp.together(e.subs(ell, free))), free)),
        "where the overlap vanishes",
    )  # fmt: skip
    least = page.branch(ends, ell, Branch(region=free > v), "the spike above the bulk")
    threshold = page.rewrite(least, v * (1 + sp.sqrt(c)), "the threshold, as printed")
    last = page.derive("insert", printed, lambda e: e.subs(ell, threshold), "where it detaches")
    edge = page.rewrite(last, v * (1 + sp.sqrt(c)) ** 2, "the upper edge of the bulk")
    seen = _strength(page, printed)
    where, box = (c, v), letters.domain("c", "v")
    beyond = letters.domain("c", "v", "ell", conditions=BEYOND)
    page.result("threshold", threshold, where, domain=box, limit=LIMIT, symbol=r"\ell_c")
    page.result("edge", edge, where, domain=box, limit=LIMIT, symbol="x_+")
    page.result("strength", seen, (c, v, x), where=(Let(r, _root()),),
                domain=letters.domain("c", "v", "x", conditions=OUTSIDE), limit=LIMIT,
                symbol=r"\ell(x)")  # fmt: skip
    page.result("overlap", overlap, (c, v, ell), domain=beyond, limit=LIMIT,
                symbol=r"|\langle\hat u,u\rangle|^2")  # fmt: skip
    page.result("position", position, (c, v, ell), domain=beyond, limit=LIMIT, symbol="x")


def _root() -> sp.Expr:
    """Return the root of the discriminant as a product of distances to both edges."""
    side = x - v * (1 + c)
    return sp.sqrt((side - 2 * v * sp.sqrt(c)) * (side + 2 * v * sp.sqrt(c)))


def _strength(page, printed: sp.Expr) -> sp.Expr:
    """Read the population eigenvalue off the sample eigenvalue on the page."""
    page.over(letters, "c", "v", "x", conditions=OUTSIDE)
    free = sp.Symbol("ell")
    roots = page.derive(
        "solve", printed, lambda e: tuple(sp.solve(sp.Eq(e.subs(ell, free), x), free)),
        "two population eigenvalues with one sample eigenvalue",
    )  # fmt: skip
    root = page.branch(
        roots, ell, Branch(anchor=(ell / x, x, sp.oo, 1), region=free > v * (1 + sp.sqrt(c))),
        "the one beyond the threshold; the other would have stayed inside",
    )  # fmt: skip
    stable = (x + v * (1 - c) + r) / 2
    page.rewrite(root, stable.subs(r, _root()), "the spike that was there, from what is seen")
    return stable


@derivation(
    "classics.spiked_wigner",
    reference="Peche 2006; Benaych-Georges & Nadakuditi 2011",
    limit="size -> oo",
)
def spiked_wigner(page):
    r"""A spike added to a Wigner matrix shows only if it is stronger than the noise.

    .. math:: x=t+\frac st,\qquad|\langle\hat u,u\rangle|^2=1-\frac s{t^2},\qquad t>\sqrt s.
    """
    beyond = Condition("t**2 > s", t**2 > s, "else it stays in the bulk")
    outside = Condition("x**2 > 4*s", x**2 > 4 * s, "outside of the bulk")
    page.over(letters, "s", "x", conditions=[outside])
    page.assume(
        "An eigenvalue x outside of the bulk solves m(x) = -1/t",
        "matrix determinant lemma; the resolvent of the bulk is isotropic",
        citing="Benaych-Georges & Nadakuditi, Adv. Math. 227 (2011) 494, theorem 2.1",
    )
    free = sp.Symbol("m")
    roots = page.derive("solve", s * m**2 + x * m + 1,
                        lambda e: tuple(sp.solve(e.subs(m, free), free)),
                        "both Stieltjes transforms of the curve of the semicircle")  # fmt: skip
    root = page.branch(roots, m, Branch(anchor=(x * m, x, sp.oo, -1)), "mass one far outside")
    page.over(letters, "s", "t", conditions=[beyond])
    place = page.derive("R-transform", s * m**2 + x * m + 1,
                        lambda e: r_transform(semicircle(s), g) + 1 / g,
                        "inverse of minus that transform")  # fmt: skip
    found = page.derive("insert", place, lambda e: e.subs(g, 1 / t), "at g = 1/t")
    position = page.rewrite(found, t + s / t, "the outlier, as printed")
    page.rewrite(root.subs(x, position), -1 / t, "it solves the equation on the chosen branch")
    engine = page.derive("engine", place, lambda e: additive_spike(semicircle(s), t).position,
                         "rule for one spike")  # fmt: skip
    page.rewrite(engine, position, "the engine's own rule")
    residue = page.derive("residue", position, lambda e: sp.diff(e, t),
                          "of the resolvent between two copies of the spike")  # fmt: skip
    overlap = page.rewrite(residue, 1 - s / t**2, "as printed")
    other = page.derive("engine", place, lambda e: additive_spike(semicircle(s), t).overlap,
                        "rule for one spike")  # fmt: skip
    page.rewrite(other, overlap, "the engine's own rule")
    page.positive(overlap, "beyond the threshold the eigenvector knows of the spike")
    box = letters.domain("s", "t", conditions=[beyond])
    page.result("overlap", overlap, (s, t), domain=box, limit="size -> oo",
                symbol=r"|\langle\hat u,u\rangle|^2")  # fmt: skip
    page.result("position", position, (s, t), domain=box, limit="size -> oo", symbol="x")


def _top(matrix: np.ndarray) -> dict[str, float]:
    """Return the largest eigenvalue and the weight of its eigenvector on the first axis."""
    values, vectors = np.linalg.eigh(matrix)
    return {"position": float(values[-1]), "overlap": float(np.abs(vectors[0, -1]) ** 2)}


@spiked_covariance.simulate
def simulate_covariance(
    *, size: int = 128, seeds: int = 16, seed: int = 0, c: float, v: float, ell: float
) -> SimulationResult:
    """Diagonalise sample covariances of a population with one large eigenvalue."""
    samples = max(1, round(size / c))
    scale = np.full(size, np.sqrt(v))
    scale[0] = np.sqrt(ell)

    def sampler(rng: np.random.Generator) -> dict[str, Any]:
        rows = gaussian(rng, samples, size) * scale
        return _top(rows.conj().T @ rows / samples)

    return averaged(
        "classics.spiked_covariance", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"c": size / samples, "v": v, "ell": ell}, counts={"n": samples},
    )  # fmt: skip


@spiked_wigner.simulate
def simulate_wigner(
    *, size: int = 128, seeds: int = 16, seed: int = 0, s: float, t: float
) -> SimulationResult:
    """Diagonalise Wigner matrices with one entry of the diagonal raised."""

    def sampler(rng: np.random.Generator) -> dict[str, Any]:
        matrix = wigner(rng, size, s)
        matrix[0, 0] += t
        return _top(matrix)

    return averaged(
        "classics.spiked_wigner", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"s": s, "t": t}, counts={"d": size},
    )  # fmt: skip
