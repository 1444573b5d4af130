"""Puiseux series: powers with rational exponents, coefficients exact in the parameters.

SymPy's ``series`` and ``limit`` can be slow or wrong on algebraic functions with parameters. Here
a series is a short list of exact terms, and every operation knows how far its result is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from derive.coefficient_field import CoefficientField
from derive.errors import ConditionError
from derive.high_precision import Expression

_RATIONALS = CoefficientField()


@dataclass(frozen=True)
class PuiseuxSeries:
    """A truncated series ``sum_i c_i e**p_i + O(e**order)`` for small positive ``e``.

    Parameters
    ----------
    variable : sympy.Symbol
        The small variable.
    elements : tuple of (sympy.Rational, element of the field)
        Exponents, increasing, with their non-zero coefficients.
    field : CoefficientField
        Where the coefficients live.
    order : sympy.Expr
        First unknown exponent; ``oo`` when the series is exact.

    Examples
    --------
    >>> e, a = sp.symbols("e a", positive=True)
    >>> PuiseuxSeries.of_polynomial(a + e, e).power(sp.Rational(-1), sp.Integer(3)).terms
    ((0, 1/a), (1, -1/a**2), (2, a**(-3)))
    """

    variable: sp.Symbol
    elements: tuple[tuple[Any, Any], ...]
    field: CoefficientField = _RATIONALS
    order: Expression = sp.oo

    @classmethod
    def constant(cls, expression: Expression, variable: sp.Symbol) -> PuiseuxSeries:
        """Take an expression free of the variable as an exact series."""
        field = CoefficientField.of((expression,))
        element = field.element(expression)
        return cls(variable, ((sp.Integer(0), element),) if element else (), field)

    @classmethod
    def of_polynomial(cls, expression: Expression, variable: sp.Symbol) -> PuiseuxSeries:
        """Read a sum of rational powers of the variable with constant coefficients.

        Raises
        ------
        ConditionError
            When the variable occurs otherwise than in a rational power.
        """
        total = cls(variable, ())
        for term in sp.Add.make_args(sp.expand(expression)):
            coefficient, power = term.as_independent(variable, as_Add=False)
            base, exponent = sp.powsimp(power).as_base_exp()
            if power == 1:
                exponent = sp.Integer(0)
            elif base != variable or not exponent.is_Rational:
                raise ConditionError(
                    "PuiseuxSeries.of_polynomial",
                    f"the factor {power} is not a rational power of {variable}",
                    "a Puiseux series is a sum of rational powers",
                    "expand(...)",
                )
            total = total.plus(cls.constant(coefficient, variable).moved(exponent))
        return total

    @property
    def terms(self) -> tuple[tuple[Expression, Expression], ...]:
        """Exponents and coefficients, written out."""
        return tuple((p, sp.factor(self.field.expression(c))) for p, c in self.elements)

    @property
    def valuation(self) -> Expression:
        """Exponent of the first term; the order itself when no term is known."""
        return self.elements[0][0] if self.elements else self.order

    def expression(self) -> Expression:
        """Sum of the known terms."""
        return sp.Add(*(c * self.variable**p for p, c in self.terms))

    def moved(self, exponent: Expression) -> PuiseuxSeries:
        """Multiply by a power of the variable."""
        elements = tuple((p + exponent, c) for p, c in self.elements)
        return replace(self, elements=elements, order=self.order + exponent)

    def cut(self, order: Expression) -> PuiseuxSeries:
        """Forget everything from an exponent on."""
        elements = tuple((p, c) for p, c in self.elements if p < order)
        return replace(self, elements=elements, order=min(self.order, order))

    def cut_to(self, count: int) -> PuiseuxSeries:
        """Keep the first terms only."""
        if len(self.elements) <= count:
            return self
        return self.cut(self.elements[count][0])

    def plus(self, other: PuiseuxSeries) -> PuiseuxSeries:
        """Add two series."""
        field, left, right = _common(self, other)
        order = min(self.order, other.order)
        table: dict[Any, Any] = {}
        for exponent, element in left + right:
            if exponent < order:
                table[exponent] = table[exponent] + element if exponent in table else element
        return PuiseuxSeries(self.variable, _sorted(table), field, order)

    def times(self, other: PuiseuxSeries) -> PuiseuxSeries:
        """Multiply two series."""
        field, left, right = _common(self, other)
        if (not left and self.order == sp.oo) or (not right and other.order == sp.oo):
            return PuiseuxSeries(self.variable, (), field)
        order = min(self.order + other.valuation, other.order + self.valuation)
        table: dict[Any, Any] = {}
        for p, a in left:
            for q, b in right:
                if p + q < order:
                    product = a * b
                    table[p + q] = table[p + q] + product if p + q in table else product
        table = {p: field.normal(c) for p, c in table.items()}
        return PuiseuxSeries(self.variable, _sorted(table), field, order)

    def power(self, exponent: Expression, reach: Expression) -> PuiseuxSeries:
        """Raise to a rational power.

        Parameters
        ----------
        exponent : sympy.Rational
            The power.
        reach : sympy.Rational
            Relative exponent at which the binomial series of an exact input is cut.

        Raises
        ------
        ConditionError
            When no term of the series is known.
        """
        if exponent.is_Integer and exponent >= 0:
            total = PuiseuxSeries.constant(sp.Integer(1), self.variable)
            for _ in range(int(exponent)):
                total = total.times(self)
            return total
        if not self.elements:
            raise ConditionError(
                "PuiseuxSeries.power",
                f"no term is known below {self.variable}**{self.order}",
                "the leading term decides the power",
                "expand to more terms",
            )
        (p0, c0), *rest = self.elements
        field = self.field
        # (1 + u)**r with u = rest/leading term, cut at the relative order that is known.
        u = PuiseuxSeries(
            self.variable, tuple((p - p0, field.normal(c / c0)) for p, c in rest), field,
            self.order - p0,
        ).cut(reach)  # fmt: skip
        if exponent.is_Integer:
            lead = field.normal(c0 ** int(exponent))
        else:
            field, root = field.root(c0, int(exponent.q))
            lead = field.normal(root ** int(exponent.p))
        total = PuiseuxSeries.constant(sp.Integer(1), self.variable)
        step = total
        if not rest and self.order == sp.oo:
            u = PuiseuxSeries(self.variable, (), field)
        j = 0
        while u.elements or u.order != sp.oo:
            j += 1
            factor = PuiseuxSeries.constant((exponent - j + 1) / sp.Integer(j), self.variable)
            step = step.times(u).times(factor).cut(u.order)
            total = total.plus(step)
            if not step.elements:
                break
        leading = PuiseuxSeries(self.variable, ((p0 * exponent, lead),), field)
        return total.times(leading)


def expand_along(
    expression: Expression,
    curve: Mapping[Any, PuiseuxSeries],
    variable: sp.Symbol,
    reach: Expression,
) -> PuiseuxSeries:
    """Expand an algebraic expression when some of its symbols are Puiseux series.

    Parameters
    ----------
    expression : sympy.Expr
        Sums, products and rational powers; other symbols are constants.
    curve : mapping
        Series of the symbols that move.
    variable : sympy.Symbol
        The small variable.
    reach : sympy.Rational
        Relative order at which inverses of exact series are cut.

    Returns
    -------
    PuiseuxSeries
        With its own order: cancellations shorten what is known and are accounted for.

    Raises
    ------
    ConditionError
        When a moving symbol sits inside a function that is not algebraic.
    """
    moving = set(curve) | {variable}
    if not expression.free_symbols & moving:
        return PuiseuxSeries.constant(expression, variable)
    if expression == variable:
        return PuiseuxSeries.constant(sp.Integer(1), variable).moved(sp.Integer(1))
    if expression in curve:
        return curve[expression]
    parts = expression.args
    if isinstance(expression, sp.Add | sp.Mul):
        total = expand_along(parts[0], curve, variable, reach)
        for part in parts[1:]:
            other = expand_along(part, curve, variable, reach)
            total = total.plus(other) if isinstance(expression, sp.Add) else total.times(other)
        return total
    if isinstance(expression, sp.Pow) and expression.exp.is_Rational:
        return expand_along(expression.base, curve, variable, reach).power(expression.exp, reach)
    raise ConditionError(
        "expand_along",
        f"{expression} is not algebraic in {sorted(map(str, moving))}",
        "only sums, products and rational powers have Puiseux series",
        "replace the function by its own expansion first",
    )


def _common(left: PuiseuxSeries, right: PuiseuxSeries) -> tuple[CoefficientField, tuple, tuple]:
    """Bring two series to one field."""
    field = left.field.merged(right.field)
    lifted = [
        tuple((p, field.lifted(c, series.field)) for p, c in series.elements)
        for series in (left, right)
    ]
    return field, lifted[0], lifted[1]


def _sorted(table: dict[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """Sort by exponent and drop exact zeros."""
    return tuple(sorted(((e, c) for e, c in table.items() if c), key=lambda item: item[0]))
