"""Dominant balance of algebraic equations: the Newton polygon gives every branch and its terms.

In ``sum c_ij e**i y**j = 0`` with ``y ~ A e**p`` two terms must balance and all others be smaller:
the slopes of the lower hull of the points ``(j, i)`` are the possible ``-p``, and the terms on an
edge give the equation of ``A``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import sympy as sp

from derive.coefficient_field import CoefficientField
from derive.errors import ArgumentsError, BranchError, ConditionError
from derive.high_precision import Expression, Values, exact_number, exact_point, value
from derive.puiseux import PuiseuxSeries

Points = dict[tuple[int, Any], Any]


@dataclass(frozen=True)
class Branch:
    """One solution of an algebraic equation near the origin.

    Parameters
    ----------
    series : PuiseuxSeries
        Its expansion.
    multiplicity : int
        How many solutions share the known terms; 1 once the branch stands alone.
    balances : tuple of sympy.Expr
        Characteristic polynomials solved on the way, in the letter ``A``.
    pivots : tuple of sympy.Expr
        Coefficients at the corners of the polygon, assumed non-zero.
    """

    series: PuiseuxSeries
    multiplicity: int
    balances: tuple[Expression, ...]
    pivots: tuple[Expression, ...]


AMPLITUDE = sp.Symbol("A")


def branches(
    polynomial: Expression, unknown: sp.Symbol, variable: sp.Symbol, terms: int = 2
) -> tuple[Branch, ...]:
    r"""All solutions ``y(e)`` of ``P(e, y) = 0`` as Puiseux series, ``e -> 0+``.

    Parameters
    ----------
    polynomial : sympy.Expr
        Polynomial in the unknown and in rational powers of the variable; other symbols are
        generic parameters.
    unknown, variable : sympy.Symbol
        ``y`` and the small positive ``e``.
    terms : int
        Number of terms wanted in each branch.

    Returns
    -------
    tuple of Branch
        All of them; where ``A**n = c`` with ``n > 2``, only the real roots for ``c > 0``.

    Raises
    ------
    ConditionError
        When a characteristic equation has no solution in radicals that is implemented.

    Notes
    -----
    Validity: the parameters are generic, i.e. no ``pivot`` vanishes.

    References
    ----------
    Newton's polygon; R. J. Walker, "Algebraic Curves", chapter IV.

    Examples
    --------
    >>> e, y, k = sp.symbols("e y kappa", positive=True)
    >>> for branch in branches((1 - y) * (k - y) - k * e * y, y, e, 2):
    ...     print(branch.series.terms)
    ((0, 1), (1, -kappa/(kappa - 1)))
    ((0, kappa), (1, kappa**2/(kappa - 1)))
    """
    field = CoefficientField()
    points: Points = {}
    for (j,), coefficient in sp.Poly(sp.expand(polynomial), unknown).terms():
        series = PuiseuxSeries.of_polynomial(coefficient, variable)
        field = field.merged(series.field)
        for i, element in series.elements:
            points[(j, i)] = (element, series.field)
    if not points:
        raise ConditionError(
            "branches", "the polynomial is zero", "every y solves it", "check the relation"
        )
    start = {key: field.lifted(element, source) for key, (element, source) in points.items()}
    return tuple(_grow(start, field, variable, terms, ()))


def _edges(points: Points) -> list[tuple[Any, list[tuple[int, Any]]]]:
    """Edges of the lower hull as pairs of ``p`` and ``[(j - left end, coefficient)]``."""
    lowest: dict[int, Any] = {}
    for j, i in points:
        lowest[j] = min(i, lowest.get(j, i))
    hull: list[tuple[int, Any]] = []
    for j in sorted(lowest):
        i = lowest[j]
        while len(hull) >= 2:
            (ja, ia), (jb, ib) = hull[-2:]
            if (ib - ia) * (j - ja) < (i - ia) * (jb - ja):
                break
            hull.pop()
        hull.append((j, i))
    edges = []
    for (ja, ia), (jb, ib) in pairwise(hull):
        p = sp.Rational(ia - ib) / (jb - ja)
        level = ia + p * ja
        on = [(j - ja, c) for (j, i), c in points.items() if i + p * j == level]
        edges.append((p, sorted(on, key=lambda item: item[0])))
    return edges


def _grow(
    points: Points, field: CoefficientField, variable: sp.Symbol, left: int, found: tuple
) -> list[Branch]:
    """Find the next term of every branch, and recurse; ``found`` holds what is known so far.

    The last entry of a step is its exponent: later exponents must exceed it.
    """
    results = []
    zeros = min(j for j, _ in points)
    if zeros:
        # y = 0 solves exactly: the terms so far are the whole series.
        results.append(_branch(found, field, variable, sp.oo, zeros))
    edges = [edge for edge in _edges(points) if not found or edge[0] > found[-1][0]]
    if left == 0:
        if edges:
            count = sum(on[-1][0] for _, on in edges)
            results.append(_branch(found, field, variable, min(p for p, _ in edges), count))
        return results
    for p, on in edges:
        balance = sp.Add(*(field.expression(c) * AMPLITUDE**n for n, c in on))
        pivots = tuple(field.expression(c) for c in (on[0][1], on[-1][1]))
        for root, larger in characteristic_roots(on, field):
            lifted = {key: larger.lifted(c, field) for key, c in points.items()}
            shifted = _shift(lifted, larger, p, root)
            step = (p, root, larger, balance, pivots)
            results += _grow(shifted, larger, variable, left - 1, (*found, step))
    return results


def _branch(found, field, variable, order, count) -> Branch:
    elements = tuple((p, field.lifted(root, source)) for p, root, source, _, _ in found)
    pivots = tuple(pivot for step in found for pivot in step[4] if pivot.free_symbols)
    return Branch(
        PuiseuxSeries(variable, elements, field, order),
        count,
        tuple(step[3] for step in found),
        tuple(dict.fromkeys(pivots)),
    )


def _shift(points: Points, field: CoefficientField, p: Any, root: Any) -> Points:
    """Substitute ``y -> A e**p + y``."""
    top = max(j for j, _ in points)
    powers = [field.domain.one]
    for _ in range(top):
        powers.append(field.normal(powers[-1] * root))
    table: Points = {}
    for (j, i), c in points.items():
        for m in range(j + 1):
            key = (m, i + p * (j - m))
            term = c * powers[j - m] * int(sp.binomial(j, m))
            table[key] = table[key] + term if key in table else term
    normal = {key: field.normal(c) for key, c in table.items()}
    return {key: c for key, c in normal.items() if c}


def characteristic_roots(
    balance: list[tuple[int, Any]], field: CoefficientField
) -> list[tuple[Any, CoefficientField]]:
    """Non-zero roots ``A`` of a balance of two or more terms, each with the field it needs.

    Raises
    ------
    ConditionError
        When a factor has degree above two and is not a binomial.
    """
    if len(balance) == 2 and balance[1][0] - balance[0][0] == 1:
        return [(field.normal(-balance[0][1] / balance[1][1]), field)]
    written = sp.Add(*(field.domain.to_sympy(c) * AMPLITUDE**n for n, c in balance))
    found: list[tuple[Any, CoefficientField]] = []
    for factor, _ in sp.factor_list(sp.numer(sp.together(written)), AMPLITUDE)[1]:
        poly = sp.Poly(factor, AMPLITUDE)
        n = int(poly.degree())
        if factor == AMPLITUDE or n == 0:
            continue
        c = [field.normal(field.domain.from_sympy(x)) for x in poly.all_coeffs()]
        if n == 1:
            found.append((field.normal(-c[1] / c[0]), field))
        elif len(poly.terms()) == 2:
            larger, root = field.root(-c[-1] / c[0], n)
            found += [(root, larger)] + ([(-root, larger)] if n % 2 == 0 else [])
        elif n == 2:
            larger, root = field.root(field.normal(c[1] ** 2 - 4 * c[0] * c[2]), 2)
            a, b = larger.lifted(c[0], field), larger.lifted(c[1], field)
            found += [(larger.normal((-b + sign * root) / (2 * a)), larger) for sign in (1, -1)]
        else:
            raise ConditionError(
                "branches",
                f"the balance {factor} = 0 is of degree {n}",
                "its roots have no short exact form in the parameters",
                "parametrise the curve by that root, so that it becomes rational",
            )
    return found


def physical_branch(
    candidates: Sequence[Branch],
    unknown: sp.Symbol,
    region: Sequence[Expression],
    at: Values,
) -> Branch:
    """Pick the one branch that lies in a region for small values of the variable.

    Parameters
    ----------
    candidates : sequence of Branch
        Solutions of one equation.
    unknown : sympy.Symbol
        The unknown, as it is called in the region.
    region : sequence of sympy relational
        Strict inequalities between the unknown, the variable and the parameters.
    at : mapping
        Exact point of the parameters.

    Returns
    -------
    Branch
        The only one inside.

    Raises
    ------
    BranchError
        When none or several lie inside: the inequalities do not tell the roots apart.
    """
    point = exact_point("physical_branch", at)
    inside = []
    with mpmath.workdps(60):
        for branch in candidates:
            variable = branch.series.variable
            if all(_holds(branch, unknown, region, point, variable, n) for n in (8, 10, 12)):
                inside.append(branch)
    if len(inside) == 1:
        return inside[0]
    raise BranchError(
        f"physical_branch({unknown})",
        f"{len(inside)} of {len(candidates)} branches satisfy {list(region)} at {point}",
        "a root is returned only when the inequalities single it out",
        "add the inequality that holds for the physical root, or ask for more terms",
    )


def _holds(branch, unknown, region, point, variable, decade) -> bool:
    small = mpmath.mpf(10) ** -decade
    numbers = {s: value(v, {}) for s, v in point.items()} | {variable: small}
    root = value(branch.series.expression(), numbers)
    if abs(mpmath.im(root)) > mpmath.mpf(10) ** -40 * abs(root):
        return False
    numbers[unknown] = mpmath.re(root)
    return satisfied(region, numbers)


def satisfied(region: Sequence[Expression], numbers: Values) -> bool:
    """Whether strict inequalities hold at a point, numerically.

    Raises
    ------
    ArgumentsError
        When an entry is not a strict inequality.
    """
    for given in region:
        inequality: Any = exact_number(given)
        if inequality in (sp.true, sp.false):
            if inequality == sp.false:
                return False
        elif not isinstance(inequality, sp.StrictLessThan | sp.StrictGreaterThan):
            raise ArgumentsError(
                "satisfied",
                f"{inequality} is not a strict inequality",
                "a root is told from its rivals by strict inequalities",
                "sympy.Lt(t, 1)",
            )
        elif not value(inequality.gts, numbers) > value(inequality.lts, numbers):
            return False
    return True
