"""The expansion of a Stieltjes transform at infinity, which tells the roots of P(m, z) apart.

With w = 1/z, the Stieltjes transform of a law of mass one and moments m_k is

    m = -w u(w),     u(w) = 1 + m_1 w + m_2 w^2 + ...

and P(m, z) = 0 becomes Q(u, w) = 0. Let e be the order in w of the slope dQ/du on the true series.
By Hensel's lemma the first e + 1 coefficients of u decide all the others; with fewer, two
roots of P share what is known, and no root may be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import sympy
from sympy import Expr, Poly, Symbol, construct_domain

from derive.free_cumulants import multiply

Series = list[Any]


@dataclass(frozen=True, eq=False)
class Expansion:
    """The equation Q(u, w) = 0 for u = -z m in powers of w = 1/z, over an exact field.

    Parameters
    ----------
    rows : tuple of dict
        rows[i][k] is the coefficient of u^i w^k.
    field : sympy domain
        Rationals, rational functions of the parameters, or a number field.
    known : list
        The first coefficients of u, u_0 = 1 first.
    """

    rows: tuple[dict[int, Any], ...]
    field: Any
    known: Series

    def _sum(self, rows: Sequence[Series], u: Series, order: int) -> Series:
        """Horner's rule in u for series cut at w^order."""
        zero = self.field.zero
        total: Series = [zero] * order
        for row in reversed(rows):
            total = multiply(total, u, order, zero)
            for k, c in enumerate(row[:order]):
                total[k] += c
        return total

    def _dense(self, row: dict[int, Any]) -> Series:
        series = [self.field.zero] * (max(row, default=-1) + 1)
        for k, c in row.items():
            series[k] = c
        return series

    def defect(self, u: Series, order: int) -> Series:
        """Return Q(u, w) up to w^order."""
        return self._sum([self._dense(r) for r in self.rows], u, order)

    def slope(self, u: Series, order: int) -> Series:
        """Return dQ/du on u, up to w^order."""
        rows = [[c * i for c in self._dense(r)] for i, r in enumerate(self.rows)]
        return self._sum(rows[1:], u, order)

    def separation(self) -> int | None:
        """Return e, the number of moments that single out the root, or None if more are needed."""
        slope = self.slope(self.known, len(self.known))
        return next((k for k, c in enumerate(slope) if c), None)

    def vanishes(self) -> bool:
        """Say whether the known coefficients satisfy the equation as far as they can."""
        order = len(self.known) + (self.separation() or 0)
        return not any(self.defect(self.known, order))

    def extended(self, count: int) -> Series:
        """Return the first ``count`` coefficients of u; needs the root to be singled out."""
        e = self.separation()
        if e is None:
            raise ValueError("the expansion does not single out a root")
        u = list(self.known)
        pivot = self.slope(u, len(u))[e]
        while len(u) < count:
            order = len(u) + e
            u.append(-self.defect(u, order + 1)[order] / pivot)
        return u[:count]

    def blow_up(self) -> tuple[list[Series], Any, Series]:
        """Return B, v(0), T with u = T + w^e v and B(v, w) = Q/w^(2e), a simple root at w = 0."""
        e = self.separation()
        if e is None:
            raise ValueError("the expansion does not single out a root")
        zero, one = self.field.zero, self.field.one
        head = list(self.known[:e])
        powers: list[Series] = [[one]]
        for _ in self.rows[1:]:
            length = len(powers[-1]) + max(len(head) - 1, 0)
            powers.append(multiply(powers[-1], head, length, zero))
        table: list[Series] = []
        for k in range(len(self.rows)):
            total: dict[int, Any] = {}
            for i in range(k, len(self.rows)):
                row, power = self._dense(self.rows[i]), powers[i - k]
                part = multiply(row, power, len(row) + len(power) - 1, zero) if row else []
                for j, c in enumerate(part):
                    if c:
                        total[j + e * k] = total.get(j + e * k, zero) + comb(i, k) * c
            # every term below w^(2e) cancels: T solves the equation to that order for each v
            table.append([total.get(j, zero) for j in range(2 * e, max(total, default=-1) + 1)])
        return table, self.known[e], head


def expansion(poly: Expr, m: Symbol, z: Symbol, moments: Sequence[Expr]) -> Expansion:
    """Return the expansion at infinity of P(m, z) with the given first moments."""
    table = Poly(poly, m, z).terms()
    values = [c for _, c in table]
    numbers = [*values, *moments, sympy.Integer(1)]
    found: Any = construct_domain(numbers, field=True, extension=True)
    field, elements = found[0], list(found[1])
    degree = max(i for (i, _), _ in table)
    shift = max(j - i for (i, j), _ in table)
    rows: list[dict[int, Any]] = [{} for _ in range(degree + 1)]
    for ((i, j), _), c in zip(table, elements, strict=False):
        rows[i][i - j + shift] = c if i % 2 == 0 else -c
    known = [field.one, *elements[len(values) : len(values) + len(moments)]]
    return Expansion(tuple(rows), field, known)
