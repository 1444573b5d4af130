"""Asymptotic series: terms, the condition under which they hold, the next order, the evidence.

A statement such as ``l(N) ~ c N**(-nu*beta)`` is kept together with what makes it checkable: the
first term left out, and the inequalities that put the terms in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import mpmath
import sympy as sp

from derive.errors import ConditionError
from derive.high_precision import Expression, Real, Values, exact_number, exact_point, value


@dataclass(frozen=True)
class Term:
    """One term ``coefficient * variable**exponent * log(variable)**log_power``.

    Parameters
    ----------
    coefficient : sympy.Expr
        Amplitude, free of the variable.
    exponent : sympy.Expr
        Power of the variable.
    log_power : int
        Power of the logarithm, 0 unless two poles meet.
    """

    coefficient: Expression
    exponent: Expression
    log_power: int = 0

    def expression(self, variable: Expression) -> Expression:
        """Write the term at a value of the variable."""
        return self.coefficient * variable**self.exponent * sp.log(variable) ** self.log_power

    def subs(self, values: Values) -> Term:
        """Put values of the parameters into the term."""
        return Term(
            exact_number(self.coefficient).subs(values),
            exact_number(self.exponent).subs(values),
            self.log_power,
        )


@dataclass(frozen=True)
class RatioEvidence:
    """What the numbers said about an asymptotic series.

    Parameters
    ----------
    scales : tuple of mpmath.mpf
        Values of the variable, approaching the limit.
    exact : tuple of mpmath.mpf
        Independent values of the expanded quantity there.
    ratios : tuple of tuple of mpmath.mpf
        ``ratios[m][i] = (exact - sum of the terms before m) / term m`` at ``scales[i]``; each row
        must tend to 1. The last row belongs to the first term left out.
    measured : Real
        Local exponent of the error of the kept terms between the two last scales.
    claimed : sympy.Expr or None
        Exponent of the first term left out; None if the error is smaller than every power.
    passed : bool
        Whether every row tends to 1 at the rate that the next term dictates.
    sentence : str
        The same in words.
    """

    scales: tuple[Real, ...]
    exact: tuple[Real, ...]
    ratios: tuple[tuple[Real, ...], ...]
    measured: Real
    claimed: Expression | None
    passed: bool
    sentence: str


@dataclass(frozen=True)
class AsymptoticSeries:
    """The first terms of an asymptotic expansion, in the order in which they matter.

    ``quantity = sum of terms + next + smaller``, as ``variable`` tends to ``point`` (0 or oo).

    Parameters
    ----------
    variable : sympy.Symbol
        Positive variable.
    point : sympy.Expr
        ``0`` or ``oo``.
    terms : tuple of Term
        Kept terms, the largest first.
    next : Term or None
        First term left out; None: the error is smaller than every power of the variable.
    conditions : tuple of sympy Boolean
        Inequalities on the parameters under which the terms are these, in this order.

    Examples
    --------
    >>> x, b = sp.symbols("x beta", positive=True)
    >>> series = AsymptoticSeries(x, sp.oo, (Term(sp.gamma(b), -b),), None, (b > 0,))
    >>> series.exponent, series.amplitude
    (-beta, gamma(beta))
    """

    variable: sp.Symbol
    point: Expression
    terms: tuple[Term, ...]
    next: Term | None
    conditions: tuple[Expression, ...] = ()

    @property
    def leading(self) -> Term:
        """The dominant term."""
        return self.terms[0]

    @property
    def exponent(self) -> Expression:
        """Exponent of the dominant term."""
        return self.terms[0].exponent

    @property
    def amplitude(self) -> Expression:
        """Coefficient of the dominant term."""
        return self.terms[0].coefficient

    @property
    def correction(self) -> Term | None:
        """The second term divided by the first: relative size of what the leading law misses."""
        second = self.terms[1] if len(self.terms) > 1 else self.next
        if second is None:
            return None
        first = self.leading
        return Term(
            sp.powsimp(second.coefficient / first.coefficient),
            sp.simplify(second.exponent - first.exponent),
            second.log_power - first.log_power,
        )

    @property
    def crossover(self) -> Expression:
        """Scale at which the second term is as large as the first: the law holds beyond it.

        ``x = |c_2/c_1|**(1/(e_1 - e_2))``; on the other side of it another law rules.

        Raises
        ------
        ConditionError
            When there is no second power, or a logarithm separates the terms.
        """
        ratio = self.correction
        if ratio is None or ratio.log_power or ratio.exponent == 0:
            raise ConditionError(
                "AsymptoticSeries.crossover",
                "the first two terms do not differ by a power"
                if ratio is not None
                else "what is left out is smaller than every power",
                "only two different powers cross at one scale",
                "compare the terms themselves",
            )
        return sp.powsimp(sp.Abs(ratio.coefficient) ** (-1 / ratio.exponent))

    @property
    def expression(self) -> Expression:
        """Sum of the kept terms."""
        return sp.Add(*(term.expression(self.variable) for term in self.terms))

    def subs(self, values: Values) -> AsymptoticSeries:
        """Put values of the parameters into the terms, refusing values outside the conditions."""
        exact = exact_point("AsymptoticSeries.subs", values)
        self.require(exact)
        return replace(
            self,
            terms=tuple(term.subs(exact) for term in self.terms),
            next=None if self.next is None else self.next.subs(exact),
            conditions=tuple(exact_number(condition).subs(exact) for condition in self.conditions),
        )

    def require(self, values: Values) -> None:
        """Raise a ConditionError naming the first condition that fails at these values."""
        for condition in self.conditions:
            if exact_number(condition).subs(values) == sp.false:
                given = ", ".join(f"{symbol} = {number}" for symbol, number in values.items())
                raise ConditionError(
                    "AsymptoticSeries",
                    f"the condition {condition} fails at {given}",
                    "outside it another term dominates, or the sum diverges",
                    "ask for the series at these values: the terms and their order change",
                )

    def evidence(
        self,
        exact: Callable[[Real], Real],
        values: Values,
        scales: Sequence[object],
        digits: int = 30,
    ) -> RatioEvidence:
        """Compare the series with independent values: every ratio must tend to 1 on time.

        Parameters
        ----------
        exact : callable
            The expanded quantity, computed without the series, to ``digits`` digits.
        values : mapping
            Exact values of the parameters, inside the conditions.
        scales : sequence
            Three or more exact values of the variable, in the order in which they approach the
            limit.
        digits : int
            Working precision.

        Returns
        -------
        RatioEvidence
            ``passed`` is False when a ratio stays away from 1 or arrives at the wrong rate.
        """
        point = exact_point("AsymptoticSeries.evidence", values)
        self.require(point)
        listed = [*self.terms, *([] if self.next is None else [self.next])]
        vanishing = [term for term in listed if exact_number(term.coefficient).subs(point) == 0]
        if vanishing:
            raise ConditionError(
                "AsymptoticSeries.evidence",
                f"the coefficient {vanishing[0].coefficient} vanishes at these values",
                "a term that is not there has no ratio to test, and the next order changes",
                "substitute the values before expanding",
            )
        with mpmath.workdps(digits):
            at = [value(exact_number(scale), {}) for scale in scales]
            truth = [exact(scale) for scale in at]
            sizes = [
                [value(term.expression(self.variable), {**point, self.variable: s}) for s in at]
                for term in listed
            ]
            ratios, rest = [], list(truth)
            for size in sizes:
                ratios.append(tuple(r / t for r, t in zip(rest, size, strict=True)))
                rest = [r - t for r, t in zip(rest, size, strict=True)]
            kept = sizes[: len(self.terms)]
            error = [t - mpmath.fsum(c) for t, *c in zip(truth, *kept, strict=True)]
            slopes = [_local_exponent(at, error, i, truth, digits) for i in range(len(at) - 1)]
            noise = mpmath.mpf(10) ** (5 - digits) * abs(truth[-1])
            faults = _rate_faults(sizes, ratios, noise)
            if self.next is None:
                floor = max(abs(slope) for slope in slopes) > 20 + abs(
                    value(self.terms[-1].exponent, point)
                )
                if not floor:
                    faults.append("the error decays like a power, where none was claimed")
        claimed = None if self.next is None else self.next.exponent
        sentence = (
            "; ".join(faults)
            or f"{len(ratios)} ratios tend to 1 as predicted over {len(at)} scales"
        )
        return RatioEvidence(
            tuple(at), tuple(truth), tuple(ratios), slopes[-1], claimed, not faults, sentence
        )


def _local_exponent(at, error, i: int, truth, digits: int) -> Real:
    """Measure the slope of log|error| in log(scale); infinite once the error is pure rounding."""
    if abs(error[i + 1]) <= abs(truth[i + 1]) * mpmath.mpf(10) ** (5 - digits):
        return -mpmath.inf
    return mpmath.log(abs(error[i + 1] / error[i])) / mpmath.log(at[i + 1] / at[i])


def _rate_faults(sizes, ratios, noise) -> list[str]:
    """List the terms whose ratio does not tend to 1 at the rate set by the term that follows.

    A wrong amplitude shows as a ratio that stops at a constant; a wrong exponent as a ratio that
    runs away; a missing intermediate term as an approach slower than announced.
    """
    faults = []
    for m, row in enumerate(ratios):
        gaps = [abs(ratio - 1) for ratio in row]
        if m + 1 < len(sizes):
            announced = abs(sizes[m + 1][-1] / sizes[m][-1])
            if not announced / 3 <= gaps[-1] <= 3 * announced:
                faults.append(
                    f"term {m}: ratio - 1 is {mpmath.nstr(gaps[-1], 3)} at the last scale, "
                    f"the next term announces {mpmath.nstr(announced, 3)}"
                )
        elif gaps[-1] > noise / abs(sizes[m][-1]):
            # Nothing announces this rate, but a wrong amplitude would stop the fall.
            if not (gaps[-1] < mpmath.mpf("0.75") * gaps[-2] and gaps[-1] < mpmath.mpf("0.2")):
                faults.append(
                    f"term {m}: the ratio does not settle at 1 "
                    f"(ratio - 1 = {', '.join(str(mpmath.nstr(gap, 3)) for gap in gaps)})"
                )
    return faults
