r"""The letters of spectral laws, and the steps that their derivations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from derive import algebraic_law
from derive.algebraic_law import AlgebraicLaw
from derive.domain import Notation
from numerics.lower import Condition, Let

letters = Notation()
z = letters.quantity("z", "spectral variable")
m = letters.quantity("m", "Stieltjes transform $\\int\\rho(dx)/(x-z)$")
g = letters.quantity("g", "argument of the R-transform, $g=-m$", lower=0)
y = letters.quantity("y", "argument of the S-transform, $y=-1-zm$", lower=0)
x = letters.quantity("x", "an eigenvalue")
c = letters.quantity("c", "dimensions per sample, d/n", lower=0)
c_1 = letters.quantity("c_1", "dimensions per sample of the first matrix", lower=0)
c_2 = letters.quantity("c_2", "dimensions per sample of the second matrix", lower=0)
s = letters.quantity("s", "variance of the semicircle", lower=0)
v = letters.quantity("v", "variance of the first semicircle", lower=0)
w = letters.quantity("w", "variance of the second semicircle", lower=0)
a = letters.quantity("a", "first eigenvalue", lower=0)
b = letters.quantity("b", "second eigenvalue", lower=0)
p = letters.quantity("p", "share of the first eigenvalue", lower=0, upper=1)
d = letters.quantity("d", "number of neighbours of a vertex", lower=2)
q = letters.quantity("q", "number of factors", lower=0)
alpha = letters.quantity("alpha", "size of the corner over size of the matrix", lower=0, upper=1,
                         latex=r"\alpha")  # fmt: skip
mu = letters.quantity("mu", "mass of an atom", latex=r"\mu")
u = letters.quantity("u", "root of the odds of the first eigenvalue", lower=0)
t = letters.quantity("t", "squared eigenvalue over the product of both variances")
odds = letters.quantity("odds", "odds of the first eigenvalue, $p/(1-p)$", lower=0, latex="o")
r = letters.quantity("r", "a positive number", lower=0)
low = letters.quantity("x_lower", "lower edge of the bulk", latex="x_-")
high = letters.quantity("x_upper", "upper edge of the bulk", latex="x_+")
share = letters.quantity(
    "share", "position between the edges, $(x-x_-)/(x_+-x_-)$", lower=0, upper=1, latex="w"
)
omega = letters.quantity("omega", "subordination function", latex=r"\omega")
U = letters.quantity("U", "first real cube root")
V = letters.quantity("V", "second real cube root")
ell = letters.quantity("ell", "linear coefficient of the depressed cubic", latex=r"\ell")
e_0 = letters.quantity("e_0", "constant coefficient of the depressed cubic")
h_2 = letters.quantity("h_2", "a third of the quadratic coefficient over the leading one")
delta = letters.quantity("delta", "minus the discriminant of the cubic, positive on a bulk",
                         latex=r"\Delta")  # fmt: skip

LIMIT = "size -> oo at fixed ratios"
FREENESS = "the matrices are asymptotically free: eigenvectors of one say nothing about the other"
VOICULESCU = "Voiculescu, Dykema & Nica, Free Random Variables, 1992"

POSITIVE = Condition("x > 0", x > 0, "the law lives on positive numbers")


def lets(edges: Mapping[Any, Any]) -> tuple[Let, ...]:
    """Return the edges as definitions of a formula."""
    return tuple(Let(symbol, value) for symbol, value in edges.items())


def on_bulk(height: sp.Expr) -> sp.Expr:
    """Return a density that is zero outside of the edges."""
    return sp.Piecewise((height, sp.And(x > low, x < high)), (sp.S.Zero, True))


def curve(law: AlgebraicLaw) -> sp.Expr:
    """Return the polynomial of a law in the letters m and z."""
    plain: dict[Any, Any] = {algebraic_law.m: m, algebraic_law.z: z}
    return law.polynomial.subs(plain, simultaneous=True)


def free(page) -> None:
    """Write the assumption of freeness on a page."""
    page.assume(FREENESS, "one of them is rotated by a Haar matrix, or Gaussian",
                citing=VOICULESCU)  # fmt: skip


def eliminated(
    page,
    rule: str,
    ingredients: Sequence[AlgebraicLaw],
    operation: Callable[[], AlgebraicLaw],
    printed: sp.Expr,
    names: Sequence[str],
) -> sp.Expr:
    """Let the engine find the polynomial of a law, and check the printed one against it."""
    before = tuple(curve(law) for law in ingredients)
    polynomial = page.derive(
        rule,
        before,
        lambda e: curve(operation()),
        "resultant of the equations of the ingredients; the irreducible factor is chosen by its "
        "moments",
    )
    page.rewrite(polynomial, printed, "the polynomial of the law, as printed",
                 domain=letters.domain(*names, "m", "z"))  # fmt: skip
    return polynomial


def moments(
    page, law: AlgebraicLaw, polynomial: sp.Expr, printed: Sequence[Any], names: Sequence[str]
) -> tuple[sp.Expr, ...]:
    """Let the engine expand at infinity, and check the printed moments."""
    found = page.derive(
        "expand at infinity",
        polynomial,
        lambda e: tuple(law.moments(len(printed))),
        "the root with mass one: m = -1/z - m_1/z^2 - ...",
    )
    domain = letters.domain(*names)
    for k, (value, expected) in enumerate(zip(found, printed, strict=True), start=1):
        if names and value.free_symbols:
            page.rewrite(value, expected, f"moment {k}, as printed", domain=domain)
    return tuple(printed)


def cardano(page) -> None:
    """Write Cardano's complex root of t^3 + ell t + e_0 on a page, and check it."""
    real, imaginary = -(U + V) / 2, sp.sqrt(3) * (U - V) / 2
    given: dict[Any, Any] = {ell: -3 * U * V, e_0: -(U**3) - V**3}
    domain = letters.domain("U", "V")
    for part, which in (
        (real**3 - 3 * real * imaginary**2 + ell * real + e_0, "real part"),
        (3 * real**2 * imaginary - imaginary**3 + ell * imaginary, "imaginary part"),
    ):
        page.rewrite(
            part,
            sp.S.Zero,
            f"{which} of t^3 + ell t + e_0 at t = -(U + V)/2 + i sqrt(3) (U - V)/2: with U > V the "
            "one root in the upper half-plane",
            given=given,
            domain=domain,
            rule="Cardano",
        )
    page.rewrite(
        (e_0 / 2) ** 2 + (ell / 3) ** 3,
        ((U**3 - V**3) / 2) ** 2,
        "it is complex where this is positive",
        given=given,
        domain=domain,
    )


def quadratic_density(polynomial: sp.Expr) -> sp.Expr:
    """Return the density of a law whose curve is quadratic in m and leads with a positive factor.

    On the axis two conjugate roots appear where the discriminant is negative; the law's is the
    one in the upper half-plane, and the density is its imaginary part over pi.
    """
    here = polynomial.subs(z, x)
    inner: Any = -sp.discriminant(here, m)
    height = sp.sqrt(inner) / (2 * sp.pi * sp.Poly(here, m).LC())
    return sp.Piecewise((height, inner > 0), (sp.S.Zero, True))


def cubic_density(polynomial: sp.Expr) -> sp.Expr:
    """Return the density of a law whose curve is cubic in m, by Cardano's complex root."""
    three, two, one, zero = sp.Poly(polynomial.subs(z, x), m).all_coeffs()
    shift = two / (3 * three)
    linear, constant = (
        one / three - 3 * shift**2,
        2 * shift**3 - shift * one / three + zero / three,
    )
    inner = (constant / 2) ** 2 + (linear / 3) ** 3
    roots = [cube_root(sign * sp.sqrt(inner) - constant / 2) for sign in (1, -1)]
    height = sp.sqrt(3) * (roots[0] - roots[1]) / (2 * sp.pi)
    return sp.Piecewise((height, inner > 0), (sp.S.Zero, True))


def cube_root(value: sp.Expr) -> sp.Expr:
    """Return the real cube root of a real expression."""
    third = sp.Rational(1, 3)
    return sp.Piecewise((value**third, value >= 0), (-((-value) ** third), True))


def on_curve(page, polynomial: sp.Expr, point: Mapping[Any, Any], reason: str, names) -> None:
    """Check that a parametrisation lies on the curve: the second route."""
    page.rewrite(polynomial, sp.S.Zero, reason, given=point, domain=letters.domain(*names),
                 rule="parametrise")  # fmt: skip


def trace_moments(matrix: np.ndarray, orders: Sequence[int]) -> dict[str, float]:
    """Return normalised traces of powers of a Hermitian matrix, by its eigenvalues."""
    eigenvalues = np.linalg.eigvalsh(matrix)
    return {f"m_{k}": float(np.mean(eigenvalues**k)) for k in orders}
