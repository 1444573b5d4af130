"""Finite sums of powers with symbolic exponents, known down to a stated order.

Exponents such as ``-nu*beta`` and ``-nu`` cannot be ordered without values, so the order is decided
at an exact point of a phase and returned as the inequalities that make it so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import sympy as sp

from derive.asymptotic_series import AsymptoticSeries, Term
from derive.errors import ConditionError
from derive.high_precision import Expression, Values, exact_number, exact_point
from derive.laurent import tidy


@dataclass(frozen=True)
class PowerSum:
    """A sum of powers of one large variable, with the exponents where knowledge ends.

    ``sum_i c_i X**e_i (log X)**j_i + O(X**u)`` for every ``u`` in ``unknown``, ``X -> oo``.

    Parameters
    ----------
    variable : sympy.Symbol
        The large positive variable.
    terms : tuple of Term
        In any order; exponents may be symbolic.
    unknown : tuple of sympy.Expr
        Exponents of what was left out; empty when the rest is smaller than every power.

    Examples
    --------
    >>> y, a = sp.symbols("y a", positive=True)
    >>> law = PowerSum(y, (Term(a, sp.Integer(-1)),), ()).shifted(sp.Rational(1, 2), 2)
    >>> [(term.coefficient, term.exponent) for term in law.terms]
    [(a, -1), (-a/2, -2)]
    """

    variable: sp.Symbol
    terms: tuple[Term, ...]
    unknown: tuple[Expression, ...]

    @classmethod
    def of(cls, series: AsymptoticSeries) -> PowerSum:
        """Read a series at infinity; its next term only says where knowledge ends."""
        unknown = () if series.next is None else (series.next.exponent,)
        return cls(series.variable, series.terms, unknown)

    def times(self, other: PowerSum) -> PowerSum:
        """Multiply two sums of the same variable."""
        product = [
            Term(a.coefficient * b.coefficient, a.exponent + b.exponent, a.log_power + b.log_power)
            for a in self.terms
            for b in other.terms
        ]
        unknown = [u + b.exponent for u in self.unknown for b in other.terms]
        unknown += [u + a.exponent for u in other.unknown for a in self.terms]
        return _kept(self.variable, product, unknown)

    def inverse(self, variable: sp.Symbol) -> PowerSum:
        """Solve ``Y = c X**e + d X**f`` for large ``X``: the leading law and one correction.

        ``X = (Y/c)**(1/e) [1 - d/(c e) (Y/c)**((f - e)/e) + ...]``.

        Raises
        ------
        ConditionError
            When the sum has more than two terms or a logarithm: constants belong into ``Y``.
        """
        count = len(self.terms)
        if count > 2 or any(term.log_power for term in self.terms):
            raise ConditionError(
                "PowerSum.inverse",
                f"{len(self.terms)} terms",
                "the inverse is computed from a leading power and one correction",
                "absorb the constant into the new variable, keep two terms",
            )
        lead, *rest = self.terms
        c, e = lead.coefficient, lead.exponent
        terms = [Term(sp.powsimp(c ** (-1 / e)), 1 / e)]
        unknown = [(1 + u - e) / e for u in self.unknown]
        for second in rest:
            relative = (second.exponent - e) / e
            coefficient = -second.coefficient / (c * e) * c ** (-1 / e - relative)
            terms.append(Term(sp.powsimp(coefficient), 1 / e + relative))
            unknown.append(1 / e + 2 * relative)
        return PowerSum(variable, tuple(terms), tuple(sp.expand(u) for u in unknown))

    def after(self, inner: PowerSum) -> PowerSum:
        """Substitute ``X = C Y**n (1 + d Y**-m)`` into the sum, to first order in ``d``.

        Raises
        ------
        ConditionError
            When a term has a logarithm to a power above one.
        """
        lead, *rest = inner.terms
        c, n = lead.coefficient, lead.exponent
        drift = rest[0] if rest else None
        collected: list[Term] = []
        unknown = [n * u for u in self.unknown]
        for term in self.terms:
            if term.log_power > 1:
                raise ConditionError(
                    "PowerSum.after",
                    f"log**{term.log_power} in a term",
                    "substitution is implemented up to the first power of the logarithm",
                    "treat the triple collision of poles separately",
                )
            e, size = term.exponent, term.coefficient * c**term.exponent
            # log X = log C + n log Y
            logs = [(size * sp.log(c), 0), (size * n, 1)] if term.log_power else [(size, 0)]
            collected += [Term(coefficient, n * e, power) for coefficient, power in logs]
            if drift is not None:
                d, m = drift.coefficient / c, drift.exponent - n
                collected += [Term(e * d * k, n * e + m, power) for k, power in logs]
                if term.log_power:
                    collected.append(Term(size * d, n * e + m))
            unknown += [n * e + u - n for u in inner.unknown]
        return _kept(inner.variable, collected, unknown)

    def shifted(self, shift: Expression, count: int) -> PowerSum:
        """Rewrite a sum in ``Y = r + shift`` as a sum in ``r``, ``count`` binomial terms each."""
        if any(term.log_power for term in self.terms):
            raise ConditionError(
                "PowerSum.shifted",
                "a term has a logarithm",
                "the binomial expansion of (r + shift)**e log(r + shift) is not implemented",
                "keep the shifted variable, or ask for the leading term",
            )
        terms = [
            Term(term.coefficient * sp.ff(term.exponent, j) / sp.factorial(j) * shift**j,
                 term.exponent - j)
            for term in self.terms
            for j in range(count)
        ]  # fmt: skip
        unknown = list(self.unknown) + [term.exponent - count for term in self.terms]
        return _kept(self.variable, terms, unknown)

    def series(
        self, at: Values, terms: int, conditions: tuple[Expression, ...] = ()
    ) -> AsymptoticSeries:
        """Put the terms in the order they have at a point, and say where that order holds.

        Raises
        ------
        ConditionError
            When fewer than ``terms`` terms are known above the unknown ones, or when two terms
            that are symbolically apart have the same exponent at the point.
        """
        point = exact_point("PowerSum.series", at)

        def number(exponent):
            return sp.nsimplify(exact_number(exponent).subs(point))

        ordered = sorted(self.terms, key=lambda t: (number(t.exponent), t.log_power), reverse=True)
        limit = max((number(u) for u in self.unknown), default=-sp.oo)
        known = [term for term in ordered if number(term.exponent) > limit]
        if len(known) < terms:
            raise ConditionError(
                "PowerSum.series",
                f"only {len(known)} terms are known here, {terms} were asked for",
                f"what was left out is of order {self.variable}**({limit})",
                f"terms={len(known)}",
            )
        listed = known[: terms + 1]
        order = list(conditions)
        for first, second in pairwise(listed):
            gap = sp.simplify(first.exponent - second.exponent)
            if number(gap) == 0 and first.log_power == second.log_power:
                raise ConditionError(
                    "PowerSum.series",
                    f"the exponents {first.exponent} and {second.exponent} coincide here",
                    "where two terms meet, a logarithm may appear",
                    "substitute the value before expanding",
                )
            order.append(sp.simplify(sp.Gt(gap, 0)) if gap != 0 else sp.true)
        last = listed[-1].exponent
        for smaller in [term.exponent for term in ordered[len(listed) :]] + list(self.unknown):
            gap = sp.expand(last - smaller)
            if gap.is_positive is not True:
                order.append(sp.simplify(sp.Gt(gap, 0)))
        return AsymptoticSeries(
            self.variable,
            sp.oo,
            tuple(listed[:terms]),
            listed[terms] if len(listed) > terms else None,
            tuple(c for c in dict.fromkeys(order) if c != sp.true),
        )


def _kept(variable: sp.Symbol, terms: list[Term], unknown: list[Expression]) -> PowerSum:
    """Add equal powers and drop what is surely smaller than something unknown."""
    bounds: list[Expression] = []
    for bound in dict.fromkeys(sp.expand(u) for u in unknown):
        if not any(_below(bound, other) for other in bounds):
            bounds = [other for other in bounds if not _below(other, bound)] + [bound]
    table: dict[tuple[Expression, int], Expression] = {}
    for term in terms:
        key = (sp.expand(term.exponent), term.log_power)
        if not any(_below(key[0], bound) for bound in bounds):
            table[key] = table.get(key, sp.Integer(0)) + term.coefficient
    listed = [Term(tidy(c), exponent, power) for (exponent, power), c in table.items()]
    return PowerSum(variable, tuple(t for t in listed if t.coefficient != 0), tuple(bounds))


def _below(exponent: Expression, bound: Expression) -> bool:
    """Whether one power is at most another for all positive values of the parameters."""
    return sp.expand(bound - exponent).is_nonnegative is True
