"""Where the eigenvalues are: bulks, gaps and edges of a law, exact, and its atoms with masses.

A bulk can end only where two roots of P(m, z) meet or one is infinite, that is at a real zero
of the discriminant or of the leading coefficient. Most of those zeros concern other roots. At
one rational point between any two of them the certified branch is either real, which means no
density, or not; so the true edges are told from the spurious ones by a finite number of proofs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import sympy
from flint import acb, arb, ctx, fmpq_poly, fmpz, fmpz_poly

from derive.algebraic_law import AlgebraicLaw, coefficients_in_z, needs_numbers
from derive.algebraic_number import AlgebraicNumber, algebraic_roots, real_roots
from derive.atom import Atom, atom_mass
from derive.errors import BranchError
from numerics.algebraic_branch import AlgebraicBranch, newton_enclosure

_PRECISIONS = (96, 256, 512)


@dataclass(frozen=True)
class Bulk:
    """An interval that carries a density.

    Parameters
    ----------
    lower, upper : AlgebraicNumber
        The edges.
    breaks : tuple of AlgebraicNumber
        Points inside where the density is not proved to be smooth (cusps, poles).
    """

    lower: AlgebraicNumber
    upper: AlgebraicNumber
    breaks: tuple[AlgebraicNumber, ...] = ()

    def __str__(self) -> str:
        return f"[{float(self.lower):.12g}, {float(self.upper):.12g}]"


@dataclass(frozen=True)
class Support:
    """The support of a law: its bulks in increasing order and its atoms."""

    bulks: tuple[Bulk, ...]
    atoms: tuple[Atom, ...]

    @property
    def edges(self) -> tuple[AlgebraicNumber, ...]:
        """The edges of the bulks, in increasing order."""
        return tuple(e for bulk in self.bulks for e in (bulk.lower, bulk.upper))

    @property
    def gaps(self) -> tuple[tuple[AlgebraicNumber, AlgebraicNumber], ...]:
        """The intervals between consecutive bulks (atoms may lie inside)."""
        return tuple((left.upper, right.lower) for left, right in pairwise(self.bulks))

    @property
    def lowest(self) -> AlgebraicNumber:
        """The smallest point of the support."""
        return min([b.lower for b in self.bulks] + [a.place for a in self.atoms])

    @property
    def highest(self) -> AlgebraicNumber:
        """The largest point of the support."""
        return max([b.upper for b in self.bulks] + [a.place for a in self.atoms])

    def __str__(self) -> str:
        parts = [str(b) for b in self.bulks] + [f"atom {a}" for a in self.atoms]
        return " and ".join(parts)


def boundary_branch(branch: AlgebraicBranch, x: arb, bits: int) -> AlgebraicBranch:
    """Return the branch carried to the real point x (an exact ball) from above."""
    above = acb(x, branch.start.imag)
    return branch.moved(above, bits).moved(acb(x), bits)


def is_real_root(branch: AlgebraicBranch, bits: int) -> bool:
    """Say whether the anchored value at a real point is proved real.

    The box is symmetric about the real axis and holds one root; the conjugate of that root is a
    root in the same box, hence the root itself.
    """
    with ctx.workprec(bits):
        polynomial = branch.polynomial_at(branch.start)
        guess = acb(branch.root.real.mid())
        return newton_enclosure(polynomial, guess, covering=branch.root) is not None


def _verdict(there: AlgebraicBranch, bits: int) -> bool | None:
    """Say whether the anchored boundary value shows a density, or None if it stays open."""
    if there.root.imag > 0:
        return True
    if there.root.imag < 0:
        raise BranchError(
            "support(law)",
            f"the branch has a negative imaginary part at x = {float(there.start.real.mid()):.6g}",
            "m(z) of a positive law maps the upper half-plane to itself, so this root of "
            "P(m, z) is the transform of no law",
            "check the parameters against law.conditions",
        )
    return False if is_real_root(there, bits) else None


@lru_cache(maxsize=64)
def support(law: AlgebraicLaw) -> Support:
    """Return the bulks, edges, gaps and atoms of a law, all exact and proved.

    ``rho(x) = Im m(x + i0)/pi`` and ``rho({x}) = lim -i e m(x + i e)`` as e -> 0.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.

    Returns
    -------
    Support
        Edges and masses are :class:`AlgebraicNumber`.

    Raises
    ------
    ArgumentsError
        The law has parameters.
    BranchError
        The root is the transform of no positive law, or a point stays undecided.

    References
    ----------
    Silverstein & Choi, J. Multivariate Anal. 54 (1995) 295.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> found = support(marchenko_pastur(4))
    >>> [str(e) for e in found.edges], [str(a) for a in found.atoms]
    (['1', '9'], ['3/4 at 0'])
    """
    needs_numbers(law, "support(law)")
    _refuse_impostor(law)
    branch = law.branch()
    places = critical_points(law)
    status, smooth = [False], [False]
    anchor: AlgebraicBranch | None = None
    for low, high in _between(places):
        last = anchor
        passed, dense, anchor = _decided(branch, low, high, last)
        if not passed and dense and status[-1] and last is not None:
            passed = _smooth(last, anchor)
        smooth.append(passed)
        status.append(dense)
    status.append(False)
    bulks: list[Bulk] = []
    for i, place in enumerate(places):
        before, after = status[i], status[i + 1]
        if after and not before:
            bulks.append(Bulk(place, place))
        elif before and not after:
            bulks[-1] = Bulk(bulks[-1].lower, place, bulks[-1].breaks)
        elif before and after and not smooth[i + 1]:
            bulks[-1] = Bulk(bulks[-1].lower, place, (*bulks[-1].breaks, place))
    poles = algebraic_roots(coefficients_in_z(law.polynomial)[-1])
    masses = [(pole, atom_mass(law, pole)) for pole in poles]
    atoms = tuple(Atom(pole, mass) for pole, mass in masses if mass != 0)
    return Support(tuple(bulks), atoms)


def _refuse_impostor(law: AlgebraicLaw) -> None:
    """Refuse a curve whose first moments are those of no positive measure on the line."""
    moments = [sympy.Integer(1), *law.moments(4)]
    for size in (2, 3):
        hankel = sympy.Matrix(size, size, lambda i, j: moments[i + j]).det()
        if sympy.N(hankel, 30) < -sympy.Rational(1, 10**20):
            raise BranchError(
                "support(law)",
                f"the Hankel determinant of the first {2 * size - 2} moments is {hankel}",
                "it is the average of a square for a positive law, so this root of P(m, z) is the "
                "transform of no law",
                "check the equation, its signs and law.conditions",
            )


def critical_points(law: AlgebraicLaw) -> list[AlgebraicNumber]:
    """Return the real points where roots m of P(m, z) meet or are infinite; edges are among them.

    Parameters
    ----------
    law : AlgebraicLaw
        Without free parameters.

    Returns
    -------
    list of AlgebraicNumber
        Increasing.

    Examples
    --------
    >>> from derive.law import semicircle
    >>> [str(p) for p in critical_points(semicircle("1/4"))]
    ['-1', '1']
    """
    total = coefficients_in_z(law.polynomial)[-1]
    if law.degree > 1:
        total = total * discriminant_in_z(law)
    return algebraic_roots(total)


def discriminant_in_z(law: AlgebraicLaw) -> fmpz_poly:
    """Return the discriminant of P(m, z) in m, as a polynomial in z.

    Interpolated exactly through integer points: one univariate discriminant each, which at degree
    17 is ten times faster than the bivariate one.
    """
    coefficients = coefficients_in_z(law.polynomial)
    count = 2 * law.degree * max(a.degree() for a in coefficients) + 1
    leading = coefficients[-1]
    # where the leading coefficient vanishes the degree drops and the discriminant is another
    first = 1 + max((int(float(r.mid())) + 1 for r in real_roots(leading)), default=-1)
    values = [
        fmpz_poly([a(fmpz(first + k)) for a in coefficients]).discriminant() for k in range(count)
    ]
    differences: list[fmpz] = []
    while values and any(v != 0 for v in values):
        differences.append(values[0])
        values = [b - a for a, b in pairwise(values)]
    # Newton's forward form, sum_k D_k binomial(z - first, k), by Horner's rule
    total, scale = fmpq_poly([]), len(differences)
    for k in range(scale - 1, -1, -1):
        total = total * fmpq_poly([-first - k, 1]) / (k + 1) + int(differences[k])
    return total.numer()


def _between(places: list[AlgebraicNumber]) -> list[tuple[Fraction, Fraction]]:
    """Return rational intervals strictly between consecutive points."""
    gaps = []
    for left, right in pairwise(places):
        bits = 64
        while True:
            low, high = left.ball(bits), right.ball(bits)
            if low < high:
                gaps.append((_fraction(low.upper()), _fraction(high.lower())))
                break
            bits *= 2
    return gaps


def _fraction(value: arb) -> Fraction:
    mantissa, exponent = value.mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def dyadic(value: Fraction, width: Fraction) -> arb:
    """Return an exact dyadic ball within a small share of the width from a fraction."""
    shift = 4
    while Fraction(1, 2**shift) > width / 16:
        shift += 1
    return arb(round(value * 2**shift)) * arb(2) ** -shift


def _smooth(left: AlgebraicBranch, right: AlgebraicBranch) -> bool:
    """Say whether the branch passes along the real axis from one anchor to the next."""
    try:
        there = left.moved(right.start, _PRECISIONS[1], finest=2.0**-30)
    except BranchError:
        return False
    return bool(there.root.overlaps(right.root))


def _paths(
    branch: AlgebraicBranch, last: AlgebraicBranch | None, x: arb
) -> list[tuple[bool, Callable[[int], AlgebraicBranch]]]:
    """Return ways to the boundary value at x, cheapest first, and whether each is smooth.

    Most critical points concern other roots and the branch passes them on the real axis; over an
    edge it is carried through the upper half-plane, where it has no branch point.
    """

    def along(bits: int) -> AlgebraicBranch:
        assert last is not None
        return last.moved(acb(x), bits, finest=2.0**-10)

    def over(bits: int) -> AlgebraicBranch:
        assert last is not None
        left = last.start.real
        with ctx.workprec(2 * bits):
            height = arb(abs(x - left).mid())
        raised = last.moved(acb(left, height), bits).moved(acb(x, height), bits)
        return raised.moved(acb(x), bits)

    from_above = (False, lambda bits: boundary_branch(branch, x, bits))
    return [from_above] if last is None else [(True, along), (False, over), from_above]


def _decided(
    branch: AlgebraicBranch, low: Fraction, high: Fraction, last: AlgebraicBranch | None
) -> tuple[bool, bool, AlgebraicBranch]:
    """Decide between two critical points: smoothly reached from the last, density, anchor."""
    width = high - low
    # several points, since the density may vanish at one of them by accident
    for share in (Fraction(1, 2), Fraction(5, 13), Fraction(9, 14)):
        with ctx.workprec(1024):
            x = dyadic(low + share * width, width)
        for bits in _PRECISIONS:
            for smooth, path in _paths(branch, last, x):
                try:
                    there = path(bits)
                except BranchError:
                    continue
                dense = _verdict(there, bits)
                if dense is not None:
                    return smooth, dense, there
    raise BranchError(
        "support(law)",
        f"density or gap stays open between {float(low):.6g} and {float(high):.6g}",
        f"no proof at {_PRECISIONS[-1]} bits at three points",
        "check that the law is given by an irreducible polynomial, law_from_equation(...)",
    )
