r"""The letters of spectral laws, and the steps that their derivations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from derive import algebraic_law
from derive.algebraic_law import AlgebraicLaw
from derive.domain import Notation

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
odds = letters.quantity("odds", "odds of the first eigenvalue, $p/(1-p)$", lower=0, latex="o")
r = letters.quantity("r", "a positive number", lower=0)
omega = letters.quantity("omega", "subordination function", latex=r"\omega")

LIMIT = "size -> oo at fixed ratios"
FREENESS = "the matrices are asymptotically free: eigenvectors of one say nothing about the other"
VOICULESCU = "Voiculescu, Dykema & Nica, Free Random Variables, 1992"


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


def on_curve(page, polynomial: sp.Expr, point: Mapping[Any, Any], reason: str, names) -> None:
    """Check that a parametrisation lies on the curve: the second route."""
    page.rewrite(polynomial, sp.S.Zero, reason, given=point, domain=letters.domain(*names),
                 rule="parametrise")  # fmt: skip


def trace_moments(matrix: np.ndarray, orders: Sequence[int]) -> dict[str, float]:
    """Return normalised traces of powers of a Hermitian matrix, by its eigenvalues."""
    eigenvalues = np.linalg.eigvalsh(matrix)
    return {f"m_{k}": float(np.mean(eigenvalues**k)) for k in orders}
