"""Points that carry a share of the eigenvalues, with the share as an exact number."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from flint import acb, acb_poly, arb, ctx, fmpq_poly, fmpz_mpoly, fmpz_poly

from derive.algebraic_law import AlgebraicLaw, coefficients_in_z, m, z
from derive.algebraic_number import AlgebraicNumber, algebraic_roots
from derive.errors import BranchError
from derive.polynomial_ring import PolynomialRing
from numerics.algebraic_branch import complex_roots


@dataclass(frozen=True)
class Atom:
    """A point that carries a positive share of the eigenvalues."""

    place: AlgebraicNumber
    mass: AlgebraicNumber

    def __str__(self) -> str:
        return f"{self.mass} at {self.place}"


def atom_mass(law: AlgebraicLaw, place: AlgebraicNumber) -> AlgebraicNumber:
    """Return the share of eigenvalues exactly at a point, zero included.

    With q = (z - x) m the equation becomes B(q, z - x) = 0 and the mass is one of the roots p of
    B(-p, 0). A circle around each root on which B has no zero down to z = x keeps q inside.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.
    place : AlgebraicNumber
        The point.

    Returns
    -------
    AlgebraicNumber

    Raises
    ------
    BranchError
        No circle could be proved at the highest precision.

    Examples
    --------
    >>> from derive.law import atoms
    >>> str(atom_mass(atoms({2: "1/3", 5: "2/3"}), AlgebraicNumber((-2, 1), 0)))
    '1/3'
    """
    local = _LocalEquation.at(law, place)
    masses = [p for p in local.masses() if p >= 0 and p <= 1]
    if masses == [0]:
        return masses[0]
    branch = law.branch()
    radius = local.separation()
    for power in (4, 8, 12, 16, 24, 32, 48, 64):
        with ctx.workprec(256):
            x = place.ball(256)
            end = acb(x.mid(), arb(2) ** -power)
            near = branch.moved(acb(x.mid(), branch.start.imag), 128).moved(end, 128)
            offset = end - x
            q = offset * near.root
            for p in masses:
                inside = bool(abs(q + p.ball(256)) < radius)
                if inside and local.no_zero_on_circle(p, radius, offset):
                    return p
    raise BranchError(
        f"atom_mass(law, {place})",
        "the share of eigenvalues at this point stays undecided",
        "no circle around a candidate mass is free of zeros down to distance 2^-64",
        "check that the law is given by an irreducible polynomial, law_from_equation(...)",
    )


@dataclass(frozen=True, eq=False)
class _LocalEquation:
    """B(q, t) = 0 for q = t m and t = z - x near a real algebraic point x.

    The coefficient of m^i is ``factors[i] f^orders[i]`` with f the minimal polynomial of x.
    """

    place: AlgebraicNumber
    factors: tuple[fmpq_poly, ...]
    orders: tuple[int, ...]

    @classmethod
    def at(cls, law: AlgebraicLaw, place: AlgebraicNumber) -> _LocalEquation:
        minimal = fmpq_poly(place.polynomial)
        factors, orders = [], []
        for coefficient in coefficients_in_z(law.polynomial):
            rest, order = fmpq_poly(coefficient), 0
            while rest != 0 and rest % minimal == 0:
                rest, order = rest // minimal, order + 1
            factors.append(rest)
            orders.append(order)
        return cls(place, tuple(factors), tuple(orders))

    @property
    def lowest(self) -> int:
        """The power of t divided out."""
        return min(v - i for i, v in enumerate(self.orders) if self.factors[i] != 0)

    def masses_polynomial(self) -> fmpz_poly:
        """Return a polynomial with the root -q for each root q of B(., 0)."""
        ring = PolynomialRing((m, z))
        q, x = ring.gen(m), ring.gen(z)
        minimal = _lifted(fmpq_poly(self.place.polynomial), x)
        slope = _lifted(fmpq_poly(self.place.polynomial.derivative()), x)
        scale = lcm(*(int(f.denom()) for f in self.factors))
        edge = ring.context.constant(0)
        for i, (factor, order) in enumerate(zip(self.factors, self.orders, strict=True)):
            if factor != 0 and order - i == self.lowest:
                edge += _lifted(factor * scale, x) * slope**order * (-q) ** i
        norm = ring.resultant(minimal, edge, z).to_dict()
        dense = [0] * (max(i for i, _ in norm) + 1)
        for (i, _), c in norm.items():
            dense[i] = int(c)
        whole = fmpz_poly(dense)
        return whole // whole.gcd(whole.derivative()) if whole.degree() > 0 else whole

    def masses(self) -> list[AlgebraicNumber]:
        """Return the real candidates for the mass."""
        return algebraic_roots(self.masses_polynomial())

    def separation(self) -> arb:
        """Return a third of the smallest distance between two candidates, complex ones included."""
        with ctx.workprec(128):
            roots = complex_roots(self.masses_polynomial())
            gaps = [abs(a - b).lower() for k, a in enumerate(roots) for b in roots[:k]]
            smallest = arb(1)
            for gap in gaps:
                smallest = smallest.min(gap)
            return arb((smallest / 3).mid())

    def no_zero_on_circle(self, mass: AlgebraicNumber, radius: arb, offset: acb) -> bool:
        """Say whether B(q, t) has no zero with |q + mass| = radius for t between 0 and offset."""
        x = self.place.ball(ctx.prec)
        t = acb(offset.real.union(arb(0)), offset.imag.union(arb(0)))
        minimal = acb_poly(self.place.polynomial)
        slope, ratio, factorial = minimal, acb(0), 1
        for k in range(1, minimal.degree() + 1):
            slope = slope.derivative()
            factorial *= k
            ratio += slope(acb(x)) / factorial * t ** (k - 1)
        equation = acb_poly(
            [
                acb_poly(factor)(x + t) * ratio**order * t ** (order - i - self.lowest)
                if factor != 0
                else acb(0)
                for i, (factor, order) in enumerate(zip(self.factors, self.orders, strict=True))
            ]
        )
        centre, arcs = -mass.ball(ctx.prec), 64
        for k in range(arcs):
            low = acb(arb(2 * k) / arcs).exp_pi_i()
            high = acb(arb(2 * k + 2) / arcs).exp_pi_i()
            # the arc bulges out of the hull of its ends by less than the square of its angle
            bulge = arb(0, 0.01)
            arc = acb(low.real.union(high.real) + bulge, low.imag.union(high.imag) + bulge)
            if equation(centre + radius * arc).contains(0):
                return False
        return True


def _lifted(polynomial: fmpq_poly, x: fmpz_mpoly) -> fmpz_mpoly:
    total = x.context().constant(0)
    for c in reversed(polynomial.coeffs()):
        total = total * x + int(c.numer())
    return total
