"""Exact coefficients: rational functions of parameters with a few roots adjoined.

Series coefficients must have a zero that is visibly zero and must stay small under arithmetic.
SymPy's fields of fractions do both; roots such as ``sqrt(Delta**2 + 4)`` are letters reduced by
their defining power.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from derive.errors import ConditionError
from derive.high_precision import Expression, exact_number


@dataclass(frozen=True)
class Root:
    """A root ``base**(1/order)``, with a polynomial base in the parameters.

    Parameters
    ----------
    base : sympy.Expr
        Expanded polynomial.
    order : int
        2 for a square root.
    """

    base: Expression
    order: int

    @property
    def letter(self) -> sp.Symbol:
        """The letter that stands for the root in the field."""
        return sp.Symbol(f"root({self.base},{self.order})")

    @property
    def expression(self) -> Expression:
        """The root written out."""
        return self.base ** sp.Rational(1, self.order)


@dataclass(frozen=True)
class CoefficientField:
    """Rational functions of the parameters, with roots adjoined.

    Parameters
    ----------
    parameters : tuple of sympy.Symbol
        Sorted by name.
    roots : tuple of Root
        Each with a base in the parameters only.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> field = CoefficientField.of((2 / (d + sp.sqrt(d**2 + 4)),))
    >>> field.expression(field.element(2 / (d + sp.sqrt(d**2 + 4))))
    -d/2 + sqrt(d**2 + 4)/2
    """

    parameters: tuple[sp.Symbol, ...] = ()
    roots: tuple[Root, ...] = ()

    @classmethod
    def of(cls, expressions: tuple[Expression, ...]) -> CoefficientField:
        """Smallest field that holds some algebraic expressions.

        Raises
        ------
        ConditionError
            When an expression is not algebraic, or has a root inside a root.
        """
        symbols: set[Any] = set()
        roots: set[Root] = set()
        for expression in map(exact_number, expressions):
            symbols |= expression.free_symbols
            for power in expression.atoms(sp.Pow):
                if power.exp.is_Integer:
                    continue
                if not power.exp.is_Rational:
                    raise ConditionError(
                        "CoefficientField",
                        f"{power} is not algebraic",
                        "coefficients are rational functions and roots of the parameters",
                        "give the exponent as a number",
                    )
                roots.add(_root(power.base, int(power.exp.q))[0])
            if expression.has(sp.I):
                roots.add(Root(sp.Integer(-1), 2))
        return cls(_sorted(symbols), tuple(sorted(roots, key=str)))

    def merged(self, other: CoefficientField) -> CoefficientField:
        """Smallest field that holds two fields."""
        if self == other:
            return self
        symbols = set(self.parameters) | set(other.parameters)
        roots = set(self.roots) | set(other.roots)
        return CoefficientField(_sorted(symbols), tuple(sorted(roots, key=str)))

    @cached_property
    def domain(self) -> Any:
        """SymPy's field of fractions in parameters and letters."""
        letters = [root.letter for root in self.roots]
        generators = [*letters, *self.parameters]
        return sp.QQ.frac_field(*generators) if generators else sp.QQ

    def element(self, expression: Expression) -> Any:
        """Convert an expression of the field."""
        written = exact_number(expression)
        table = {}
        for power in written.atoms(sp.Pow):
            if not power.exp.is_Integer:
                root, factor = _root(power.base, int(power.exp.q))
                table[power] = (root.letter * factor) ** power.exp.p
        written = written.xreplace(table).subs(sp.I, Root(sp.Integer(-1), 2).letter)
        return self.normal(self.domain.from_sympy(written))

    def expression(self, element: Any) -> Expression:
        """Write an element out."""
        written = self.domain.to_sympy(element)
        return written.subs({root.letter: root.expression for root in self.roots})

    def lifted(self, element: Any, source: CoefficientField) -> Any:
        """Convert an element of a smaller field."""
        return (
            element if source == self else self.domain.from_sympy(source.domain.to_sympy(element))
        )

    def normal(self, element: Any) -> Any:
        """Reduce powers of the roots and clear square roots from the denominator."""
        for index, root in enumerate(self.roots):
            ring = self.domain.field.ring
            base = ring.from_expr(root.base)
            numerator = _reduced(element.numer, index, root.order, base)
            denominator = _reduced(element.denom, index, root.order, base)
            if root.order == 2:
                conjugate = _conjugate(denominator, index)
                if conjugate != denominator:
                    numerator = _reduced(numerator * conjugate, index, 2, base)
                    denominator = _reduced(denominator * conjugate, index, 2, base)
            element = self.domain.field(numerator) / self.domain.field(denominator)
        return element

    def root(self, element: Any, order: int) -> tuple[CoefficientField, Any]:
        """Adjoin ``element**(1/order)`` and return it in the larger field."""
        written = self.domain.to_sympy(element)
        if any(written.has(root.letter) for root in self.roots):
            raise ConditionError(
                "CoefficientField.root",
                f"a root of {self.expression(element)}",
                "roots inside roots are not represented",
                "parametrise the relation by the inner root",
            )
        root, factor = _root(written, order)
        roots = set(self.roots) | ({root} if root.base != 1 else set())
        larger = CoefficientField(self.parameters, tuple(sorted(roots, key=str)))
        letter = root.letter if root.base != 1 else sp.Integer(1)
        return larger, larger.domain.from_sympy(letter * factor)


def _sorted(symbols: set[Any]) -> tuple[sp.Symbol, ...]:
    return tuple(sorted(symbols, key=str))


def _root(base: Expression, order: int) -> tuple[Root, Expression]:
    """Split ``base**(1/order)`` into a root of a polynomial and a rational factor."""
    numerator, denominator = sp.fraction(sp.together(base))
    # (n/d)**(1/m) = (n d**(m-1))**(1/m) / d for positive d; signs stay inside the root.
    outside, inside = 1 / denominator, sp.Integer(1)
    split: Any = sp.factor_list(numerator * denominator ** (order - 1))
    content, factors = split
    factors = [*factors, *((sp.Integer(p), e) for p, e in sp.factorint(content).items())]
    for factor, multiplicity in factors:
        free, left = divmod(multiplicity, order) if factor.is_positive else (0, multiplicity)
        outside *= factor**free
        inside *= factor**left
    return Root(sp.expand(inside), order), outside


def _reduced(polynomial: Any, index: int, order: int, base: Any) -> Any:
    """Replace ``letter**order`` by the base."""
    ring = polynomial.ring
    total = ring.zero
    for monomial, coefficient in polynomial.terms():
        times, left = divmod(monomial[index], order)
        rest = (*monomial[:index], left, *monomial[index + 1 :])
        total += ring.from_dict({rest: coefficient}) * base**times
    return total


def _conjugate(polynomial: Any, index: int) -> Any:
    """Change the sign of a square root."""
    return polynomial.ring.from_dict(
        {m: (-c if m[index] % 2 else c) for m, c in polynomial.terms()}
    )
