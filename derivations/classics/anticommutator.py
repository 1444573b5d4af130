r"""The anticommutator of two free semicirculars: by a linear pencil, and by free cumulants."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, wigner
from derivations.classics.law_notation import (
    LIMIT,
    U,
    V,
    cardano,
    cubic_density,
    curve,
    free,
    g,
    letters,
    m,
    moments,
    on_curve,
    s,
    t,
    trace_moments,
    v,
    w,
    x,
    z,
)
from derivations.classics.ridge_notation import DYSON, UNIVERSALITY
from derive.algebraic_law import AlgebraicLaw, law_from_equation
from derive.algebraic_law import m as law_m
from derive.algebraic_law import z as law_z
from derive.deterministic_equivalent import definition
from derive.domain import Notation
from derive.dyson import DysonSystem, dyson_equations
from derive.elimination import eliminate_to_polynomials
from derive.free_convolution import free_sum
from derive.law import semicircle
from derive.law_image import affine, square
from derive.registry import derivation
from derive.support import support
from derive.transforms import r_transform
from derive.words import Gaussian, Identity
from numerics.lower import Let
from numerics.simulation import SimulationResult

pencil = Notation()
d = pencil.quantity("d", "dimension", lower=0)
pencil.quantity("H_1", "the first Wigner matrix")
pencil.quantity("H_2", "the second Wigner matrix")
for _k in range(12):
    pencil.quantity(f"x{_k}", "scalar unknown of the matrix Dyson equation", latex=f"x_{{{_k}}}")

H_1 = Gaussian("H_1", d, d, v / d, symmetric=True)
H_2 = Gaussian("H_2", d, d, w / d, symmetric=True)
RESOLVENT = (Identity(d) * z - H_1 @ H_2 - H_2 @ H_1).inverse()
CUBIC = (z * m + 1) * (v * w * m**2 - 1) - 2 * v * w * m**2
GOLDEN = (11 + 5 * sp.sqrt(5)) / 2


@cache
def _system() -> DysonSystem:
    return dyson_equations({"g": RESOLVENT})


def _by_pencil() -> sp.Expr:
    (polynomial,) = eliminate_to_polynomials(_system(), {"g": g}).polynomials
    return polynomial


def _by_cumulants() -> AlgebraicLaw:
    """Return the law for equal variances s, from XY + YX = ((X + Y)^2 - (X - Y)^2)/2."""
    poisson = affine(square(semicircle(2 * s)), "1/2")
    return free_sum(poisson, affine(poisson, -1))


@cache
def _law() -> AlgebraicLaw:
    """Return the law on the curve that the pencil gives."""
    plain: dict[Any, Any] = {g: -law_m, z: law_z}
    return law_from_equation(_by_pencil().subs(plain, simultaneous=True), (0, 2 * v * w))


@derivation(
    "classics.anticommutator",
    reference="Nica & Speicher, Duke Math. J. 92 (1998) 553; Helton, Rashidi Far & Speicher 2007",
    limit="size -> oo",
)
def anticommutator(page):
    r"""The anticommutator of two Wigner matrices has a rational R-transform and a golden edge.

    .. math:: R(g)=\frac{2vwg}{1-vwg^2},\qquad x_+^2=\frac{11+5\sqrt5}2\,vw,\qquad
       \rho(x)=\frac{3\sqrt{1+11t-t^2}}{\pi\sqrt{vw}\,(U^2+UV+V^2)},\quad t=\frac{x^2}{vw} .
    """
    page.letters(pencil)
    page.assume(UNIVERSALITY, "self-averaging of large pencils", citing=DYSON)
    page.derive(
        "linearise and average", RESOLVENT,
        lambda e: tuple(definition(k, side) for k, side in _system().equations.items()),
        "a linear pencil of z - XY - YX and its matrix Dyson equation",
    )  # fmt: skip
    found = page.derive("eliminate", RESOLVENT, lambda e: _by_pencil(),
                        "the scalar unknowns go, g is the trace of the resolvent")  # fmt: skip
    names = ("v", "w")
    # the sign of m = -g is that of the project's convention
    sign = page.derive("change sign", found, lambda e: sp.expand(e.subs(g, -m)), "m = -g")
    polynomial = page.rewrite(sign, _oriented(sign), "the cubic, as printed",
                              domain=letters.domain(*names, "m", "z"))  # fmt: skip
    free(page)
    square_route = page.derive(
        "free sum", curve(semicircle(2 * s)), lambda e: curve(_by_cumulants()),
        "XY + YX = ((X + Y)^2 - (X - Y)^2)/2 with X + Y and X - Y free semicirculars: the second "
        "route, for equal variances s",
    )  # fmt: skip
    page.rewrite(square_route, sp.expand(CUBIC.subs({v: s, w: s})), "the same cubic",
                 domain=letters.domain("s", "m", "z"))  # fmt: skip
    transform = page.derive(
        "R-transform", curve(_law()), lambda e: r_transform(_law(), g), "inverse of -m, less 1/g"
    )
    printed = 2 * v * w * g / (1 - v * w * g**2)
    regular = letters.domain(*names, "g")
    page.rewrite(transform, printed, "the R-transform, as printed", domain=regular)
    on_curve(page, polynomial, {m: -g, z: printed + 1 / g}, "z = R(g) + 1/g at m = -g",
             (*names, "g"))  # fmt: skip
    values = moments(
        page, _law(), polynomial,
        (0, 2 * v * w, 0, 10 * (v * w) ** 2, 0, 66 * (v * w) ** 3), names,
    )  # fmt: skip
    inner = page.derive("discriminant", polynomial, lambda e: sp.factor(sp.discriminant(e, m)),
                        "edges are among its zeros")  # fmt: skip
    page.rewrite(inner, 4 * v * w * (z**4 - 11 * v * w * z**2 - (v * w) ** 2),
                 "quadratic in z^2", domain=letters.domain(*names, "z"))  # fmt: skip
    edge = page.derive("edges", inner, _largest_zero, "the one positive zero")
    edge = page.rewrite(edge, sp.sqrt(GOLDEN * v * w), "the upper edge, as printed",
                        domain=letters.domain(*names))  # fmt: skip
    page.derive("count bulks", curve(_law()), lambda e: str(support(_law().specialize(v=2, w=3))),
                "variances 2 and 3, branch followed from infinity: one bulk")  # fmt: skip
    page.result("upper_edge", edge, (v, w), domain=letters.domain(*names), limit=LIMIT,
                symbol="x_+")  # fmt: skip
    for k in (2, 4, 6):
        page.result(f"m_{k}", values[k - 1], (v, w), domain=letters.domain(*names), limit=LIMIT,
                    symbol=f"m_{k}")  # fmt: skip
    cardano(page)
    page.derive("boundary value", polynomial, cubic_density,
                "imaginary part over pi of Cardano's root in the upper half-plane")  # fmt: skip
    radical = 1 + 11 * t - t**2
    first = sp.cbrt(1 + 18 * t + sp.sqrt(27 * t * radical))
    page.result(
        "density",
        sp.Piecewise(
            (3 * sp.sqrt(radical) / (sp.pi * sp.sqrt(v * w) * (U**2 + U * V + V**2)), radical > 0),
            (sp.S.Zero, True),
        ),
        (v, w, x),
        where=(Let(t, x**2 / (v * w)), Let(U, first), Let(V, (1 + 3 * t) / U)),
        domain=letters.domain(*names, "x"), limit=LIMIT, symbol=r"\rho(x)",
    )  # fmt: skip


def _oriented(polynomial: sp.Expr) -> Any:
    """Return the cubic with the sign of a given one."""
    leading = sp.Poly(polynomial, m).LC() / sp.Poly(CUBIC, m).LC()
    return leading * CUBIC


def _largest_zero(inner: sp.Expr) -> sp.Expr:
    at: dict[Any, Any] = {v: 2, w: 3}
    real = [root for root in sp.solve(inner, z) if root.subs(at).is_real]
    return max(real, key=lambda root: root.subs(at))


@anticommutator.simulate
def simulate_anticommutator(
    *, size: int = 96, seeds: int = 16, seed: int = 0, v: float, w: float
) -> SimulationResult:
    """Average the moments of the anticommutator of two Wigner matrices over seeds."""

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        first, second = wigner(rng, size, v), wigner(rng, size, w)
        return trace_moments(first @ second + second @ first, (2, 4, 6))

    return averaged(
        "classics.anticommutator", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"v": v, "w": w}, counts={"d": size},
    )  # fmt: skip
