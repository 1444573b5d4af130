"""Exact polynomials with integer coefficients, held by FLINT, read from and written to SymPy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from math import lcm

import sympy
from flint import Ordering, fmpz, fmpz_mpoly, fmpz_mpoly_ctx
from sympy import Expr, Poly, Symbol

from derive.errors import ArgumentsError

#: What is accepted as an exact number or parameter; a float counts as the decimal it prints.
Exact = int | float | str | Fraction | Expr


@dataclass(frozen=True)
class PolynomialRing:
    """The integer polynomials in a fixed list of symbols.

    Parameters
    ----------
    symbols : tuple of sympy.Symbol
        The variables; their order is the order of the exponents.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> ring = PolynomialRing((x, y))
    >>> ring.write(ring.numerator(x / y - y / 2))
    2*x - y**2
    """

    symbols: tuple[Symbol, ...]

    @property
    def context(self) -> fmpz_mpoly_ctx:
        """The FLINT context."""
        # positions, not names: a symbol may print as anything
        names = [f"x{i}" for i in range(len(self.symbols))]
        return fmpz_mpoly_ctx.get(names, Ordering.lex)

    def place(self, symbol: Symbol) -> int:
        """Return the position of a symbol."""
        return self.symbols.index(symbol)

    def gen(self, symbol: Symbol) -> fmpz_mpoly:
        """Return a symbol as a polynomial."""
        return self.context.gens()[self.place(symbol)]

    def numerator(self, expr: Expr) -> fmpz_mpoly:
        """Return the primitive numerator of a rational expression.

        Raises
        ------
        ArgumentsError
            The expression is not rational in the symbols with rational coefficients.
        """
        return self.fraction(expr)[0].primitive()[1]

    def fraction(self, expr: Expr) -> tuple[fmpz_mpoly, fmpz_mpoly]:
        """Return numerator and denominator of a rational expression, as polynomials."""
        upper, lower = sympy.fraction(sympy.together(expr))
        (top, top_scale), (bottom, bottom_scale) = self._read(upper), self._read(lower)
        return top * bottom_scale, bottom * top_scale

    def _read(self, expr: Expr) -> tuple[fmpz_mpoly, int]:
        try:
            poly = Poly(expr, *self.symbols, domain="QQ")
        except sympy.PolynomialError as err:
            raise self._not_rational(expr) from err
        except sympy.CoercionFailed as err:
            raise self._not_rational(expr) from err
        terms = poly.terms()
        scale = reduce(lcm, (int(c.q) for _, c in terms), 1)
        return self.context.from_dict({e: int(c * scale) for e, c in terms}), scale

    def _not_rational(self, expr: Expr) -> ArgumentsError:
        names = ", ".join(s.name for s in self.symbols)
        return ArgumentsError(
            "PolynomialRing.numerator(expr)",
            f"{expr} is not a ratio of polynomials in {names} with rational coefficients",
            "elimination is exact only over the rationals",
            "write irrational constants as symbols, and decimals as Rational",
        )

    def write(self, polynomial: fmpz_mpoly) -> Expr:
        """Return a polynomial as an expanded SymPy expression."""
        terms = {exponents: int(c) for exponents, c in polynomial.to_dict().items()}
        return Poly.from_dict(terms, *self.symbols).as_expr() if terms else sympy.Integer(0)

    def substituted(
        self, polynomial: fmpz_mpoly, values: dict[Symbol, tuple[fmpz_mpoly, fmpz_mpoly]]
    ) -> fmpz_mpoly:
        """Return the numerator of a polynomial with ratios put in for some of its symbols."""
        degrees = polynomial.degrees()
        powers = {
            self.place(s): (
                _powers(top, degrees[self.place(s)]),
                _powers(low, degrees[self.place(s)]),
            )
            for s, (top, low) in values.items()
        }
        total = self.context.constant(0)
        for exponents, coefficient in polynomial.to_dict().items():
            rest = tuple(0 if i in powers else e for i, e in enumerate(exponents))
            term = self.context.from_dict({rest: coefficient})
            for i, (tops, lows) in powers.items():
                term *= tops[exponents[i]] * lows[degrees[i] - exponents[i]]
            total += term
        # the common denominator may cancel in part; what is left over would be a spurious factor
        for _, low in values.values():
            common = total.gcd(low)
            while not common.is_constant():
                total = total // common
                common = total.gcd(low)
        return total

    def resultant(self, p: fmpz_mpoly, q: fmpz_mpoly, symbol: Symbol) -> fmpz_mpoly:
        """Return Res(p, q) with respect to a symbol: zero where both vanish together."""
        return p.resultant(q, f"x{self.place(symbol)}")

    def with_sign(self, p: fmpz_mpoly) -> fmpz_mpoly:
        """Return the primitive polynomial with positive leading coefficient."""
        p = p.primitive()[1]
        return -p if p.leading_coefficient() < fmpz(0) else p


def _powers(base: fmpz_mpoly, highest: int) -> list[fmpz_mpoly]:
    powers = [base.context().constant(1)]
    for _ in range(highest):
        powers.append(powers[-1] * base)
    return powers


@lru_cache(maxsize=512)
def irreducible_factors(symbols: tuple[Symbol, ...], expr: Expr) -> tuple[Expr, ...]:
    """Return the distinct irreducible factors, over the rationals, of a rational expression.

    Parameters
    ----------
    symbols : tuple of sympy.Symbol
        The variables, every free symbol of the expression.
    expr : sympy.Expr
        A rational expression; only its numerator counts.

    Returns
    -------
    tuple of sympy.Expr
        Primitive, with positive leading coefficient.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> irreducible_factors((x, y), x**2 - y**2)
    (x + y, x - y)
    """
    ring = PolynomialRing(symbols)
    _, pairs = ring.numerator(expr).factor()
    factors = [ring.write(ring.with_sign(p)) for p, _ in pairs]
    return tuple(sorted(factors, key=lambda f: (len(f.args), str(f))))
