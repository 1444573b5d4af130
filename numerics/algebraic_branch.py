"""One root m(z) of a polynomial P(m, z), followed from a known point inside proved balls.

A polynomial equation has as many roots as its degree and only one of them is the function wanted.
Here the root is carried along a straight segment by interval Newton steps: on a box Z of points z
and a box M of values m, the inclusion

    m0 - P(m0, Z) / P_m(M, Z)  inside  M

proves that each z in Z has exactly one root in M, so the root known at one end of Z is the root
found at the other end. Nothing is sorted, matched or guessed; where two roots cannot be told
apart the walk stops with a BranchError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flint import acb, acb_poly, arb, ctx, fmpz_poly

from numerics.errors import BranchError

#: A step shorter than this share of the path means two roots that touch; well above one ulp of 1,
#: so that a step always moves.
FINEST_STEP = 2.0**-45
_MOST_STEPS = 5_000


def _midpoint(ball: acb) -> acb:
    return acb(ball.real.mid(), ball.imag.mid())


def _box(centre: acb, radius: arb) -> acb:
    spread = arb(0, radius.abs_upper())
    return acb(centre.real + spread, centre.imag + spread)


def _hull(start: acb, end: acb) -> acb:
    return acb(start.real.union(end.real), start.imag.union(end.imag))


def complex_roots(polynomial: fmpz_poly) -> list[acb]:
    """Return the distinct complex roots of an integer polynomial, as proved disjoint balls.

    A real root has an imaginary part that is exactly zero.

    Examples
    --------
    >>> [float(r.real.mid()) for r in complex_roots(fmpz_poly([-2, 1]))]
    [2.0]
    """
    pairs: Any = polynomial.complex_roots()
    return [root for root, _ in pairs]


@dataclass(frozen=True, eq=False)
class Enclosure:
    """A box holding exactly one root, and a smaller ball inside it that holds that root."""

    region: acb
    root: acb


def newton_enclosure(
    polynomial: acb_poly, guess: acb, covering: acb | None = None
) -> Enclosure | None:
    """Return a box proved to hold exactly one root of every polynomial in a ball of polynomials.

    Interval Newton: ``N = m0 - p(m0)/p'(M)`` inside the interior of M proves existence and
    uniqueness in M, for each polynomial whose coefficients lie in the given balls.

    Parameters
    ----------
    polynomial : acb_poly
        Coefficients as balls, lowest degree first.
    guess : acb
        A value near the root; only its midpoint m0 is used.
    covering : acb, optional
        A ball that M must contain, so that a root known to lie there is the root found.

    Returns
    -------
    Enclosure or None
        The box M and the ball N, or None where the inclusion fails.

    References
    ----------
    Moore, Interval Analysis (1966); Neumaier, Interval Methods (1990), chapter 5.

    Examples
    --------
    >>> from flint import acb, acb_poly
    >>> found = newton_enclosure(acb_poly([-2, 0, 1]), acb(1.4142135))
    >>> float(found.root.real) ** 2 - 2 < 1e-12
    True
    """
    centre = _midpoint(guess)
    slope = polynomial.derivative()
    at_centre = slope(centre)
    if at_centre.contains(0):
        return None
    value = polynomial(centre)
    size = (value / at_centre).abs_upper()
    floor = arb(2) ** (8 - ctx.prec) * (1 + centre.abs_upper())
    if covering is not None:
        floor = floor + 2 * (covering - centre).abs_upper()
    for stretch in (1.5, 3.0):
        region = _box(centre, stretch * size + floor)
        slopes = slope(region)
        if slopes.contains(0):
            continue
        image = centre - value / slopes
        if region.contains_interior(image):
            return Enclosure(region, image)
    return None


@dataclass(frozen=True, eq=False)
class AlgebraicBranch:
    """The root m(z) of sum_i a_i(z) m^i = 0 that takes a proved value at one point.

    Parameters
    ----------
    coefficients : tuple of fmpz_poly
        The polynomials a_i(z), lowest power of m first.
    start : acb
        An exact point.
    root : acb
        A ball holding m(start) and no other root of P(., start).

    Examples
    --------
    The branch of m^2 + z m + 1 = 0 (semicircle) that starts near -1/z:

    >>> from flint import acb, fmpz_poly
    >>> one, z = fmpz_poly([1]), fmpz_poly([0, 1])
    >>> branch = AlgebraicBranch((one, z, one), acb(0, 8), acb(0, "0.123 +/- 0.01"))
    >>> round(float(branch.at(acb(0)).imag.mid()), 12)
    1.0
    """

    coefficients: tuple[fmpz_poly, ...]
    start: acb
    root: acb

    def polynomial_at(self, z: acb) -> acb_poly:
        """Return P(., z) at an exact point."""
        return acb_poly([a(z) for a in self.coefficients])

    def _along_tangent(self, centre: acb, value: acb, spread: acb) -> tuple[acb_poly, acb] | None:
        """Return P(value + s t + q, centre + t) as a polynomial in q, for each t in a box about 0.

        s is the slope dm/dz at the centre. All is expanded about the centre before the box is put
        in, so that the large terms of P cancel as numbers, and the term linear in t drops out of
        the constant coefficient: the box only sees the curvature of the branch.
        """
        shift = acb_poly([centre, 1])
        rows = [acb_poly(a)(shift) if a.degree() > 0 else acb_poly(a) for a in self.coefficients]
        powers = max(row.degree() for row in rows) + 1
        shift = acb_poly([value, 1])
        columns = [acb_poly([row[k] for row in rows])(shift) for k in range(powers)]
        if columns[0][1].contains(0):
            return None
        slope = -_midpoint(columns[1][0] / columns[0][1]) if powers > 1 else acb(0)
        total = columns[-1]
        for column in reversed(columns[:-1]):
            total = total * spread + column
        total = total(acb_poly([slope * spread, 1]))
        constant = acb_poly([])
        tangent = acb_poly([0, slope])
        for column in reversed(columns):
            constant = constant * acb_poly([0, 1]) + column(tangent)
        total[0] = constant(spread)
        return total, slope

    def _refined(self, z: acb, guess: acb) -> acb | None:
        """Newton's method at one exact point, then a proof; a ball with one root in it."""
        polynomial = self.polynomial_at(z)
        slope = polynomial.derivative()
        centre = _midpoint(guess)
        for _ in range(60):
            step = polynomial(centre) / slope(centre)
            if not step.is_finite():
                return None
            centre = _midpoint(centre - step)
            small = step.abs_upper() < arb(2) ** (10 - ctx.prec) * (1 + centre.abs_upper())
            if bool(small) or step.contains(0):  # below rounding, no further step is of use
                break
        found = newton_enclosure(polynomial, centre)
        return None if found is None else found.root

    def _anchored(self) -> acb | None:
        """Enclose the anchored root anew, in a box of uniqueness that covers the known ball."""
        polynomial = self.polynomial_at(self.start)
        found = newton_enclosure(polynomial, self.root, covering=self.root)
        if found is None:
            return None
        sharp = self._refined(self.start, found.root)
        return sharp if sharp is not None and found.region.contains(sharp) else None

    def moved(self, end: acb, bits: int = 64, finest: float = FINEST_STEP) -> AlgebraicBranch:
        """Return the same branch anchored at another point, carried along the straight segment.

        Parameters
        ----------
        end : acb
            Exact end point of the segment.
        bits : int
            Working precision of the walk.
        finest : float
            The share of the segment below which a step is given up.

        Returns
        -------
        AlgebraicBranch
            Anchored at ``end``.

        Raises
        ------
        BranchError
            Two roots meet on the segment, or too near it for the precision.
        """
        with ctx.workprec(bits):
            return self._walk(end, finest)

    def _walk(self, end: acb, finest: float = FINEST_STEP) -> AlgebraicBranch:
        here = self.start
        root = self._anchored()
        if root is None:
            raise self._stuck(here, end, "the starting root is not isolated at this precision")
        share, done = 1.0, 0.0
        for _ in range(_MOST_STEPS):
            if done >= 1.0:
                return AlgebraicBranch(self.coefficients, end, root)
            share = min(share, 1.0 - done)
            if share < finest:
                break
            last = done + share >= 1.0
            there = end if last else _midpoint(self.start + (end - self.start) * (done + share))
            reached = self._step(here, root, there)
            if reached is None:
                share /= 2
                continue
            here, root, done = there, reached, 1.0 if last else done + share
            share *= 2
        raise self._stuck(here, end, "two roots come together there")

    def _step(self, here: acb, root: acb, there: acb) -> acb | None:
        middle = _midpoint((here + there) / 2)
        centred = self._refined(middle, root)
        if centred is None:
            return None
        value = _midpoint(centred)
        local = self._along_tangent(middle, value, _hull(here, there) - middle)
        if local is None:
            return None
        equation, slope = local
        known = root - value - slope * (here - middle)
        # on a step below the resolution of the root the box must still hold the root's ball
        blur = _box(acb(0), known.real.rad() + known.imag.rad())
        found = newton_enclosure(equation, acb(0), covering=blur)
        if found is None or not found.region.contains(known):
            return None
        reached = self._refined(there, value + slope * (there - middle))
        # contained in the box of uniqueness, hence the same root
        if reached is None:
            return None
        place = reached - value - slope * (there - middle)
        return reached if found.region.contains(place) else None

    def _stuck(self, here: acb, end: acb, reason: str) -> BranchError:
        place = complex(here)
        return BranchError(
            f"branch.moved(end={complex(end):.6g})",
            f"the branch cannot be followed past z = {place:.6g}",
            f"{reason} (working precision {ctx.prec} bits)",
            f"branch.moved(end, bits={2 * ctx.prec}), or end the path off the branch point",
        )

    def at(self, z: acb, bits: int = 64) -> acb:
        """Return a ball holding m(z), the branch carried along the straight segment to z."""
        return self.moved(z, bits).root

    def refined(self, bits: int) -> acb:
        """Return a ball for the anchored value at a higher precision."""
        with ctx.workprec(bits):
            root = self._anchored()
            if root is None:
                raise self._stuck(self.start, self.start, "the root is not isolated")
            return root


def branch_from_infinity(
    coefficients: Sequence[fmpz_poly],
    blow_up: Sequence[Sequence[arb]],
    first: arb,
    head: Sequence[arb],
    reach: int,
    bits: int = 64,
) -> AlgebraicBranch:
    """Return the branch given by an expansion at infinity, anchored at z = 2^reach i.

    With w = 1/z the branch reads m = -w u, u = head(w) + w^K v(w), K the length of head, where
    B(v(w), w) = 0 and v(0) = first is a simple root of B(., 0). An interval Newton step on the
    whole disc |w| <= 2^-k proves that v(w) is the only root of B(., w) near ``first`` there; from
    the rim of the disc u is followed inwards, where it hardly moves.

    Parameters
    ----------
    coefficients : sequence of fmpz_poly
        P(m, z) by powers of m.
    blow_up : sequence of sequences of arb
        B(v, w) = sum_ij blow_up[i][j] v^i w^j.
    first : arb
        The value v(0).
    head : sequence of arb
        The known part of u as a polynomial in w.
    reach : int
        The anchor is z = 2^reach i, best a few times the radius of the support.
    bits : int
        Working precision.

    Returns
    -------
    AlgebraicBranch

    Raises
    ------
    BranchError
        No disc could be proved, so v(0) is not a simple root.
    """
    at_infinity = _in_inverse(coefficients)
    with ctx.workprec(bits):
        for k in range(max(reach, 2), reach + 60):
            radius = arb(0, arb(2) ** -k)
            wide = _root_of_blow_up(blow_up, first, acb(radius, radius))
            w = acb(0, -(arb(2) ** -k))
            thin = _root_of_blow_up(blow_up, first, w)
            if wide is None or thin is None or not wide.region.contains(thin.root):
                continue
            u = sum((acb(h) * w**j for j, h in enumerate(head)), acb(0))
            u += w ** len(head) * thin.root
            rim = AlgebraicBranch(at_infinity, w, u)
            if rim._anchored() is None:
                continue
            end = acb(0, -(arb(2) ** -reach))
            u = rim._walk(end).root
            branch = AlgebraicBranch(tuple(coefficients), acb(0, arb(2) ** reach), -end * u)
            root = branch._anchored()
            if root is not None:
                return AlgebraicBranch(branch.coefficients, branch.start, root)
    raise BranchError(
        "branch_from_infinity(...)",
        "no disc around infinity isolates the branch",
        "the expansion given is a multiple root of the equation at infinity",
        "give more moments, so that the root is simple",
    )


def _in_inverse(coefficients: Sequence[fmpz_poly]) -> tuple[fmpz_poly, ...]:
    """Return the coefficients, by powers of u, of w^J P(-w u, 1/w)."""
    shift = max(a.degree() - i for i, a in enumerate(coefficients) if a != 0)
    rows = []
    for i, a in enumerate(coefficients):
        row = [0] * (i + shift + 1)
        for j, c in enumerate(a.coeffs()):
            row[i - j + shift] = int(c) * (-1) ** i
        rows.append(fmpz_poly(row))
    return tuple(rows)


def _root_of_blow_up(blow_up: Sequence[Sequence[arb]], first: arb, w: acb) -> Enclosure | None:
    """Enclose the root of B(., w) continued from B(first, 0) = 0, for each w in a ball about 0."""
    rows = []
    for row in blow_up:
        total = acb(0)
        for entry in reversed(row):
            total = total * w + acb(entry)
        rows.append(total)
    return newton_enclosure(acb_poly(rows), acb(first), covering=acb(first))
