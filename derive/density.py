"""Numbers of an algebraic law: transform, density and averages, from proved boundary values."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from math import cosh, exp, log, pi, sinh
from typing import Any

import numpy as np
import sympy
from flint import acb, arb, ctx
from numpy.typing import ArrayLike

from derive.algebraic_law import AlgebraicLaw, coefficients_in_z, m, needs_numbers, z
from derive.algebraic_number import AlgebraicNumber
from derive.errors import BranchError, ConvergenceError, DomainError
from derive.exact_input import exact
from derive.free_convolution import put_in_equation
from derive.polynomial_ring import Exact
from derive.support import Bulk, boundary_branch, discriminant_in_z, support
from numerics.algebraic_branch import AlgebraicBranch, complex_roots

#: Stages of 2^-20 by which a point is approached; enough to reach the smallest float from one.
_MOST_STAGES = 56
#: Relative change at which the quadrature stops.
_ACCURACY = 1e-10


def stieltjes_ball(law: AlgebraicLaw, point: complex | acb, bits: int = 64) -> acb:
    """Return a ball proved to hold the Stieltjes transform of a law at a point.

    ``m(z) = int rho(dx)/(x - z)``; on the support the value is the limit m(x + i0) from above.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    point : complex or acb
        z; a complex float is taken exactly. Any value but a branch point or an atom.
    bits : int
        Working precision.

    Returns
    -------
    acb

    Raises
    ------
    BranchError
        The point is an edge or an atom, or lies too near one.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> print(stieltjes_ball(semicircle(), 1j).imag)
    [0.618033988749895 +/- 1.52e-16]
    """
    needs_numbers(law, "stieltjes_ball(law, point)")
    place = acb(point)
    if not place.is_exact():
        raise DomainError(
            f"stieltjes_ball(law, {place})",
            "the point is a ball of positive radius",
            "the walk along the curve ends at an exact point",
            "stieltjes_ball(law, point.mid())",
        )
    work = max(bits + 32, _precision(law))
    branch = law.branch()
    if place.imag < 0:
        return stieltjes_ball(law, place.conjugate(), bits).conjugate()
    above = acb(place.real, place.imag.max(branch.start.imag))
    return branch.moved(above, work).moved(place, work).root


def _precision(law: AlgebraicLaw) -> int:
    return 96 if law.degree <= 8 else 128


def density_ball(law: AlgebraicLaw, x: Exact, bits: int = 64) -> arb:
    """Return a ball proved to hold the density of the continuous part of a law at a rational point.

    ``rho(x) = Im m(x + i0)/pi``.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    x : exact rational
        A dyadic point, or any rational (then the ball also covers its rounding to ``bits``).
    bits : int
        Precision asked for.

    Returns
    -------
    arb

    Raises
    ------
    BranchError
        x is an edge, an atom or a cusp.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> print(density_ball(semicircle(), 0))
    [0.318309886183791 +/- 3.29e-16]
    """
    needs_numbers(law, f"density_ball(law, {x})")
    value = exact(x, f"density_ball(law, {x})")
    if not value.is_Rational:
        raise DomainError(
            f"density_ball(law, {x})",
            f"{value} is not a rational number",
            "the walk along the curve ends at a rational point",
            "density_ball(law, Rational(...))",
        )
    numerator, denominator = value.as_numer_denom()
    work = max(bits + 48, _precision(law))
    if int(denominator) & (int(denominator) - 1):
        raise DomainError(
            f"density_ball(law, {x})",
            f"{value} is not a binary fraction",
            "the walk along the curve ends at an exact binary point",
            f"density_ball(law, Rational({float(value)!r}))",
        )
    with ctx.workprec(max(work, int(numerator).bit_length() + 64)):
        place = arb(int(numerator)) / int(denominator)
    there = boundary_branch(law.branch(), place, work)
    with ctx.workprec(work):
        return there.root.imag / arb.pi()


def density(law: AlgebraicLaw, x: ArrayLike) -> Any:
    """Return the density of the continuous part of a law, correct to float64 rounding.

    ``rho(x) = Im m(x + i0)/pi``, on the branch carried from infinity by interval Newton steps.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    x : array_like of float
        Any shape; each entry is taken as an exact binary number.

    Returns
    -------
    float or array of float64
        Zero off the bulks and at soft edges, infinity at hard edges; NaN for NaN.

    Raises
    ------
    BranchError
        A point lies within float64 resolution of a cusp.

    Validity
    --------
    Limit of infinite size; the mass of the atoms is not included.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> density(marchenko_pastur(1), [1.0, 5.0]).round(6).tolist()
    [0.275664, 0.0]
    """
    needs_numbers(law, "density(law, x)")
    points = np.asarray(x, dtype=float)
    flat = points.ravel()
    values = np.where(np.isnan(flat), np.nan, 0.0)
    for bulk in support(law).bulks:
        for left, right in pairwise((bulk.lower, *bulk.breaks, bulk.upper)):
            low, high = left.ball(256), right.ball(256)
            inside = [
                i for i in np.argsort(flat, kind="stable") if _within(float(flat[i]), low, high)
            ]
            if inside:
                found = _density_on_segment(law, low, high, [arb(float(flat[i])) for i in inside])
                values[inside] = [float(v.mid()) for v in found]
            for edge, side in ((left, 1), (right, -1)):
                here = flat == float(edge)
                # an irrational edge is never a float: the rounded value lies on one side of it
                if here.any() and len(edge.coefficients) == 2:
                    values[here] = _at_edge(law, bulk, edge, side)
    return values.reshape(points.shape)[()]  # a number for a number


def _within(x: float, low: arb, high: arb) -> bool:
    return bool(np.isfinite(x)) and bool(arb(x) > low) and bool(arb(x) < high)


def _at_edge(law: AlgebraicLaw, bulk: Bulk, edge: AlgebraicNumber, side: int) -> float:
    """Return the limit of the density at a rational edge: zero or infinity."""
    if edge in bulk.breaks:
        raise BranchError(
            f"density(law, {float(edge)!r})",
            "the point is a cusp or pole of the density",
            "two roots of P(m, z) meet there, so no branch is followed through it",
            "density(law, x) on either side of it",
        )
    low, high = bulk.lower.ball(256), bulk.upper.ball(256)
    with ctx.workprec(256):
        steps = [side * (high - low) * arb(2) ** -k for k in (16, 32)]
        points = sorted((arb((edge.ball(256) + step).mid()) for step in steps), key=float)
    rho = _density_on_segment(law, low, high, points)
    near, far = (rho[0], rho[1]) if side > 0 else (rho[1], rho[0])
    return float("inf") if near > far else 0.0


def _density_on_segment(law: AlgebraicLaw, low: arb, high: arb, points: list[arb]) -> list[arb]:
    """Carry the branch along the real axis from the middle of a smooth segment outwards."""
    bits = _precision(law)
    with ctx.workprec(256):
        middle = arb(((low + high) / 2).mid())
    centre = boundary_branch(_continuous_branch(law), middle, bits)
    found: list[arb] = [arb(0)] * len(points)
    upper = [i for i, x in enumerate(points) if x >= middle]
    lower = [i for i, x in enumerate(points) if not x >= middle]
    for order in (upper, lower[::-1]):
        here = centre
        for i in order:
            shared = max(_shared_bits(end, points[i]) for end in (low, high))
            here = _carried(here, points[i], bits + shared)
            with ctx.workprec(bits):
                found[i] = here.root.imag / arb.pi()
    return found


def _shared_bits(edge: arb, x: arb) -> int:
    """Return the leading bits that a point shares with an edge: what telling them apart costs."""
    with ctx.workprec(1024):
        gap = abs(edge - x)
        return (
            0
            if x == 0 or not gap > 0
            else max(0, round(float((abs(x) / gap).log().mid()) / log(2)))
        )


@lru_cache(maxsize=32)
def _continuous_branch(law: AlgebraicLaw) -> AlgebraicBranch:
    """Return the branch of the law less its atoms at rational points, which has the same density.

    Next to an atom all roots m share its pole, and subtracting it keeps them apart.
    """
    poles = [
        a for a in support(law).atoms if a.place.exact.is_Rational and a.mass.exact.is_Rational
    ]
    branch = law.branch()
    if not poles:
        return branch
    share = sum((a.mass.exact / (a.place.exact - z) for a in poles), sympy.Integer(0))
    coefficients = coefficients_in_z(put_in_equation(law, m + share, z))
    with ctx.workprec(256):
        known = branch.refined(256)
        for atom in poles:
            known -= atom.mass.ball(256) / (atom.place.ball(256) - branch.start)
    return AlgebraicBranch(coefficients, branch.start, known)


def _carried(branch: AlgebraicBranch, x: arb, bits: int) -> AlgebraicBranch:
    """Carry the branch to a point that may lie very near an edge, the last bit by bit."""
    here = branch
    for _ in range(_MOST_STAGES):
        try:
            return here.moved(acb(x), bits)
        except BranchError:
            bits += 16
        with ctx.workprec(8 * bits):
            nearer = arb((x + (here.start.real - x) * arb(2) ** -20).mid())
        here = here.moved(acb(nearer), bits)
    return here.moved(acb(x), bits)


def bulk_average(law: AlgebraicLaw, bulk: Bulk, function: Callable[[float], float]) -> float:
    """Return the integral of a function over one bulk, by double-exponential quadrature.

    The substitution removes any algebraic singularity at the edges.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    bulk : Bulk
        One of ``support(law).bulks``.
    function : callable
        A smooth function of the eigenvalue.

    Returns
    -------
    float

    References
    ----------
    Takahasi & Mori, Publ. RIMS 9 (1974) 721.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> law = semicircle()
    >>> round(bulk_average(law, support(law).bulks[0], lambda x: x**2), 10)
    1.0
    """
    total = 0.0
    for low, high in pairwise(_pieces(law, bulk)):
        before, change = float("nan"), float("inf")
        for level in range(2, 9):
            value = _piece_average(law, low, high, function, 2.0**-level)
            change = abs(value - before)
            if change <= _ACCURACY * (1 + abs(value)):
                break
            before = value
        else:
            raise ConvergenceError(
                "bulk_average(law, bulk, function)",
                f"the quadrature still moves by {change:.1e} at step 2^-8",
                "the density or the function has a sharp feature inside the bulk",
                "average a smoother function",
            )
        total += value
    return total


def _pieces(law: AlgebraicLaw, bulk: Bulk) -> list[arb]:
    """Return the ends of pieces of a bulk, cut below each branch point near the real axis.

    A pair of complex branch points just off the axis is a near-cusp; the quadrature crowds its
    nodes at the ends of a piece, so it must end there.
    """
    ends = [e.ball(1024) for e in (bulk.lower, *bulk.breaks, bulk.upper)]
    low, high = ends[0], ends[-1]
    cuts: list[arb] = []
    with ctx.workprec(1024):
        near = float((high - low).mid()) / 8
    for root in _complex_branch_points(law):
        place, height = float(root.real.mid()), abs(float(root.imag.mid()))
        free = all(abs(place - float(e.mid())) > height for e in ends)
        apart = all(abs(place - float(c)) > height for c in cuts)
        if height < near and bool(root.real > low) and bool(root.real < high) and free and apart:
            cuts.append(arb(place))
    return sorted(ends + cuts, key=lambda e: float(e.mid()))


@lru_cache(maxsize=32)
def _complex_branch_points(law: AlgebraicLaw) -> list[acb]:
    factors = discriminant_in_z(law).factor()[1] if law.degree > 1 else []
    roots = [r for factor, _ in factors for r in complex_roots(factor) if r.imag > 0]
    return sorted(roots, key=lambda r: float(r.imag.mid()))


def _piece_average(
    law: AlgebraicLaw, low: arb, high: arb, function: Callable[[float], float], step: float
) -> float:
    """Return one double-exponential sum over a smooth piece."""
    leading = _continuous_branch(law).coefficients[-1]
    # next to a square-root edge the density is small and 2^-52 of the width holds no mass
    hard = [bool(leading(end).contains(0)) for end in (low, high)]
    points, weights = [], []
    count = round(4.75 / step)
    with ctx.workprec(1024):
        width = high - low
        for k in range(-count, count + 1):
            s = pi / 2 * sinh(abs(k) * step)
            distance = exp(-s) / (2 * cosh(s))
            if distance < 2.0**-52 and not hard[k > 0]:
                continue
            # the distance to the nearer edge keeps its relative precision down to 1e-100
            place = low + width * distance if k < 0 else high - width * distance
            points.append(arb(place.mid()))
            weights.append(step * pi / 4 * cosh(k * step) / cosh(s) ** 2)
    rho = _density_on_segment(law, low, high, points)
    terms = zip(weights, rho, points, strict=True)
    mass = sum(w * float(v.mid()) * function(float(x.mid())) for w, v, x in terms)
    return float(width.mid()) * mass


def average(law: AlgebraicLaw, function: Callable[[float], float]) -> float:
    """Return the average of a function over the law, bulks by quadrature and atoms exactly.

    ``int f(x) rho(dx)``.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    function : callable
        Smooth on the bulks.

    Returns
    -------
    float

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> round(average(marchenko_pastur(4), lambda x: x**2), 9)
    5.0
    """
    found = support(law)
    bulks = sum(bulk_average(law, bulk, function) for bulk in found.bulks)
    return bulks + sum(float(a.mass) * function(float(a.place)) for a in found.atoms)


def total_mass(law: AlgebraicLaw) -> float:
    """Return the mass of all bulks and atoms; one, if the density lies on the right root.

    Examples
    --------
    >>> from derive.law import fuss_catalan
    >>> round(total_mass(fuss_catalan(2)), 9)
    1.0
    """
    return average(law, lambda x: 1.0)
