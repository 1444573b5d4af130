"""Limits of algebraic quantities: leading term, next order, evidence.

A risk formula is a rational function of its parameters and of one root; a limit expands the root
by its Newton polygon, the formula along it, and keeps the first term left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp

from derive.asymptotic_series import AsymptoticSeries, RatioEvidence, Term
from derive.errors import BranchError, ConditionError
from derive.high_precision import (
    Expression,
    Real,
    Values,
    exact_number,
    exact_point,
    reject_floats,
    value,
)
from derive.newton_polygon import Branch, branches, physical_branch, satisfied
from derive.puiseux import PuiseuxSeries, expand_along


@dataclass(frozen=True)
class AlgebraicQuantity:
    r"""A formula that contains one root of an algebraic equation.

    ``Q = expression(variable, unknown)``, ``relation(variable, unknown) = 0``, and the unknown in
    ``region``.

    Parameters
    ----------
    expression : sympy.Expr
        Algebraic in the variable and the unknown.
    variable : sympy.Symbol
        Positive variable that goes to a limit.
    unknown : sympy.Symbol
        The root.
    relation : sympy.Expr
        Polynomial that vanishes at the root.
    region : tuple of sympy relational
        Strict inequalities that single the root out, near the limit.

    Examples
    --------
    >>> e, t, k = sp.symbols("e t kappa", positive=True)
    >>> q = AlgebraicQuantity(1 - t, e, t, (1 - t) * (k - t) - k * e * t, (t < 1, t < k))
    >>> law = q.expansion({k: 3}, phase=(k > 1,))
    >>> law.amplitude, law.exponent, law.conditions
    (kappa/(kappa - 1), 1, (kappa > 1,))
    """

    expression: Expression
    variable: sp.Symbol
    unknown: sp.Symbol
    relation: Expression
    region: tuple[Expression, ...]

    def __post_init__(self):
        reject_floats("AlgebraicQuantity", self.expression, self.relation)

    def branch(self, at: Values, terms: int, point: object = 0) -> Branch:
        """Expand the root itself; at infinity the small variable is ``1/variable``."""
        relation, region = (
            _inverted((self.relation, *self.region), self.variable)
            if point == sp.oo
            else (self.relation, self.region)
        )
        relation = sp.numer(sp.together(relation))
        listed = branches(relation, self.unknown, self.variable, terms)
        return physical_branch(listed, self.unknown, region, at)

    def expansion(
        self,
        at: Values,
        terms: int = 1,
        point: object = 0,
        phase: Sequence[Expression] = (),
    ) -> AsymptoticSeries:
        """Expand the quantity as the variable tends to ``0+`` or ``oo``.

        Parameters
        ----------
        at : mapping
            Exact point of the parameters inside the phase; it selects the root and nothing else.
        terms : int
            Number of terms to keep; one more is computed and reported as ``next``.
        point : sympy expression
            ``0`` or ``oo``.
        phase : sequence of sympy relational
            Conditions on the parameters, true at ``at``; they are returned with the series.

        Returns
        -------
        AsymptoticSeries
            Coefficients exact in the parameters.

        Raises
        ------
        BranchError
            When the region does not single out one root.
        ConditionError
            When a phase condition is false at ``at``, or the terms are not found.
        """
        sample = exact_point("AlgebraicQuantity.expansion", at)
        for condition in phase:
            if exact_number(condition).subs(sample) != sp.true:
                raise ConditionError(
                    "AlgebraicQuantity.expansion",
                    f"the point {sample} is not in the phase {condition}",
                    "the point selects the root, so it must lie where the result is claimed",
                    "give a point that satisfies every condition of the phase",
                )
        expression = self.expression
        if point == sp.oo:
            expression = _inverted((expression,), self.variable)[0]
        depth, sign = terms + 1, (-1 if point == sp.oo else 1)
        while depth <= terms + 20:
            branch = self.branch(at, depth, point)
            curve = {self.unknown: branch.series}
            found = expand_along(expression, curve, self.variable, sp.Integer(depth))
            if len(found.elements) > terms or found.order == sp.oo:
                return self._packed(found, terms, sign, branch, phase)
            depth += 1
        raise ConditionError(
            "AlgebraicQuantity.expansion",
            f"{terms} terms were not reached with {depth - 1} terms of the root",
            "the leading terms cancel, perhaps identically",
            "check whether the expression vanishes on the curve",
        )

    def _packed(
        self,
        found: PuiseuxSeries,
        terms: int,
        sign: int,
        branch: Branch,
        phase: Sequence[Expression],
    ) -> AsymptoticSeries:
        listed = [Term(c, sign * p) for p, c in found.cut_to(terms + 1).terms]
        if not listed:
            listed = [Term(sp.Integer(0), sp.Integer(0))]
        conditions = list(phase)
        for pivot in branch.pivots:
            top: Expression = sp.factor(sp.numer(sp.together(pivot)))
            for factor in [f.as_base_exp()[0] for f in sp.Mul.make_args(top)]:
                implied = any(_forces(condition, factor) for condition in phase)
                if factor.is_nonzero is not True and not implied:
                    conditions.append(sp.Ne(factor, 0))
        return AsymptoticSeries(
            self.variable,
            sp.oo if sign < 0 else sp.Integer(0),
            tuple(listed[:terms]),
            listed[terms] if len(listed) > terms else None,
            tuple(dict.fromkeys(conditions)),
        )

    def exact(self, at: Real, values: Values, digits: int = 40) -> Real:
        """Solve the relation numerically at one value of the variable and evaluate.

        Raises
        ------
        BranchError
            When not exactly one real root lies in the region.
        """
        point = exact_point("AlgebraicQuantity.exact", values)
        with mpmath.workdps(2 * digits):
            numbers = {symbol: value(number, {}) for symbol, number in point.items()}
            numbers[self.variable] = at
            coefficients = sp.Poly(sp.numer(sp.together(self.relation)), self.unknown).all_coeffs()
            listed = mpmath.polyroots(
                [value(c, numbers) for c in coefficients], maxsteps=400, extraprec=400
            )
            inside = []
            for root in listed:
                if abs(mpmath.im(root)) < mpmath.mpf(10) ** -digits * abs(root):
                    here = {**numbers, self.unknown: mpmath.re(root)}
                    if satisfied(self.region, here):
                        inside.append(here)
            if len(inside) != 1:
                raise BranchError(
                    "AlgebraicQuantity.exact",
                    f"{len(inside)} real roots lie in the region at {self.variable} = {at}",
                    "the region must single one out",
                    "strengthen the region, or move closer to the limit",
                )
            return value(self.expression, inside[0])

    def evidence(
        self,
        values: Values,
        scales: Sequence[object],
        terms: int = 2,
        point: object = 0,
        digits: int = 40,
    ) -> RatioEvidence:
        """Check the expansion against the numerically solved relation."""
        series = self.expansion(values, terms, point)
        return series.evidence(lambda at: self.exact(at, values, digits), values, scales, digits)


def crossover(first: Term, second: Term) -> Expression:
    """Scale at which two power laws are equal, ``x = (c_2/c_1)**(1/(e_1 - e_2))``.

    Parameters
    ----------
    first, second : Term
        Two terms of one variable, without logarithms and with different exponents.

    Returns
    -------
    sympy.Expr
        The scale.

    Raises
    ------
    ConditionError
        When the exponents agree or a logarithm is present: there is no such scale.

    Examples
    --------
    >>> a, b = sp.symbols("a b", positive=True)
    >>> crossover(Term(a, sp.Integer(-1)), Term(b, sp.Integer(0)))
    a/b
    """
    gap = sp.simplify(first.exponent - second.exponent)
    if gap == 0 or first.log_power or second.log_power:
        raise ConditionError(
            "crossover",
            f"exponents {first.exponent} and {second.exponent}, with logarithms "
            f"{first.log_power} and {second.log_power}",
            "only two pure powers with different exponents cross at one scale",
            "compare the logarithms instead",
        )
    return sp.powsimp((second.coefficient / first.coefficient) ** (1 / gap))


def _inverted(parts: Sequence[Expression], variable: sp.Symbol):
    """Substitute ``variable -> 1/variable``: first part, then all the others."""
    done = [exact_number(part).subs(variable, 1 / variable) for part in parts]
    return done[0], tuple(done[1:])


def _forces(condition: Expression, factor: Expression) -> bool:
    """Whether a strict inequality keeps a factor away from zero."""
    if not condition.is_Relational or condition.rel_op not in ("<", ">", "!="):
        return False
    quotient = sp.cancel((condition.lhs - condition.rhs) / factor)
    return bool(quotient.is_positive or quotient.is_negative)
