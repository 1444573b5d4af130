"""A real algebraic number: an irreducible integer polynomial and which of its real roots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, total_ordering

import sympy
from flint import arb, ctx, fmpz, fmpz_poly
from sympy import CRootOf, Expr, Poly, Rational, Symbol

from derive.errors import ConvergenceError
from numerics.algebraic_branch import complex_roots

_x = Symbol("x")
_MOST_BITS = 1 << 14


@total_ordering
@dataclass(frozen=True, eq=False)
class AlgebraicNumber:
    """An exact real number: the ``index``-th real root of an irreducible integer polynomial.

    Parameters
    ----------
    coefficients : tuple of int
        Of the primitive minimal polynomial, lowest power first.
    index : int
        Rank of the root among the real roots, in increasing order, from 0.

    Examples
    --------
    >>> golden = AlgebraicNumber((-1, -1, 1), 1)
    >>> golden.exact
    1/2 + sqrt(5)/2
    >>> float(golden)
    1.618033988749895
    """

    coefficients: tuple[int, ...]
    index: int

    @cached_property
    def polynomial(self) -> fmpz_poly:
        """The minimal polynomial."""
        return fmpz_poly(list(self.coefficients))

    def ball(self, bits: int = 64) -> arb:
        """Return a ball of at most about 2^-bits relative radius that holds the number."""
        if len(self.coefficients) == 2:
            with ctx.workprec(bits):
                return -arb(self.coefficients[0]) / arb(self.coefficients[1])
        return _real_roots_at(self.coefficients, bits)[self.index]

    @cached_property
    def exact(self) -> Expr:
        """The number as a SymPy expression: a rational, a quadratic surd, or a CRootOf."""
        a = self.coefficients
        if len(a) == 2:
            return Rational(-a[0], a[1])
        if len(a) == 3:
            centre, width = Rational(-a[1], 2 * a[2]), sympy.Integer(a[1] ** 2 - 4 * a[0] * a[2])
            half = sympy.sqrt(width) / (2 * abs(a[2]))
            return centre + half if self.index == 1 else centre - half
        return CRootOf(Poly(list(reversed(a)), _x), self.index)

    def __float__(self) -> float:
        # 200 bits: the midpoint rounds correctly but in astronomically unlikely ties
        return float(self.ball(200).mid())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AlgebraicNumber):
            return (self.coefficients, self.index) == (other.coefficients, other.index)
        if isinstance(other, int):
            return self.coefficients == (-other, 1)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.coefficients, self.index))

    def __lt__(self, other: AlgebraicNumber | int) -> bool:
        if self == other:
            return False
        bits = 64
        while bits <= _MOST_BITS:
            mine = self.ball(bits)
            theirs = other.ball(bits) if isinstance(other, AlgebraicNumber) else arb(other)
            if not mine.overlaps(theirs):
                return bool(mine < theirs)
            bits *= 2
        raise ConvergenceError(
            "AlgebraicNumber.__lt__",
            "two numbers agree to thousands of digits",
            "their polynomials differ, so they are not equal, but balls cannot order them",
            "compare .exact",
        )

    def __str__(self) -> str:
        return str(self.exact)


@lru_cache(maxsize=4096)
def _real_roots_at(coefficients: tuple[int, ...], bits: int) -> list[arb]:
    with ctx.workprec(bits):
        return real_roots(fmpz_poly(list(coefficients)))


def real_roots(polynomial: fmpz_poly) -> list[arb]:
    """Return the distinct real roots of an integer polynomial, increasing, as proved balls."""
    if polynomial.degree() < 1:
        return []
    # FLINT returns a real root with an imaginary part that is exactly zero
    found = [r.real for r in complex_roots(polynomial) if r.imag.is_zero()]
    return sorted(found, key=lambda r: r.mid())


def algebraic_roots(polynomial: fmpz_poly) -> list[AlgebraicNumber]:
    """Return the distinct real roots of an integer polynomial, in increasing order.

    Parameters
    ----------
    polynomial : fmpz_poly
        Not zero; multiple roots are returned once.

    Returns
    -------
    list of AlgebraicNumber

    Examples
    --------
    >>> from flint import fmpz_poly
    >>> [str(r) for r in algebraic_roots(fmpz_poly([0, -2, 0, 1]))]
    ['-sqrt(2)', '0', 'sqrt(2)']
    """
    numbers = []
    for factor, _ in polynomial.factor()[1]:
        if factor.leading_coefficient() < fmpz(0):
            factor = -factor
        coefficients = tuple(int(c) for c in factor.coeffs())
        count = 1 if factor.degree() == 1 else len(_real_roots_at(coefficients, 64))
        numbers += [AlgebraicNumber(coefficients, i) for i in range(count)]
    return sorted(numbers)
