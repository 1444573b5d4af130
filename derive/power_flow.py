"""Power-law dynamics: dominant balance of ordinary differential equations.

In ``sum of monomials in (t, y, y', y'') = 0`` a solution ``y ~ A t**p`` needs two monomials that
balance while all others are smaller; for gradient flow on a power-law loss this gives the exponent
of time, its amplitude and the next order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from derive.asymptotic_series import AsymptoticSeries, RatioEvidence, Term
from derive.errors import ConditionError
from derive.high_precision import (
    Expression,
    Real,
    Values,
    exact_number,
    exact_point,
    reject_floats,
    value,
)
from derive.mellin import exponential
from derive.power_law import SourceCapacity
from derive.power_sum import PowerSum


@dataclass(frozen=True)
class Balance:
    """One power-law solution of a differential equation, to leading order.

    Parameters
    ----------
    exponent, amplitude : sympy.Expr
        ``y ~ amplitude * t**exponent``.
    dominant : tuple of sympy.Expr
        The monomials that balance.
    conditions : tuple of sympy Boolean
        The other monomials are smaller, the amplitude is positive.
    """

    exponent: Expression
    amplitude: Expression
    dominant: tuple[Expression, ...]
    conditions: tuple[Expression, ...]


def dominant_balances(
    equation: Expression, unknown: sp.Function, time: sp.Symbol, at: Values, point: object = sp.oo
) -> tuple[Balance, ...]:
    r"""Find every power law ``y ~ A t**p`` that solves an equation to leading order.

    Parameters
    ----------
    equation : sympy.Expr
        Sum of monomials in ``t``, ``y(t)`` and its derivatives, equal to zero; exponents may be
        symbolic.
    unknown : applied sympy function
        ``y(t)``, positive.
    time : sympy.Symbol
        ``t``, positive.
    at : mapping
        Exact values of the exponents, which decide what is small. Amplitudes stay symbolic.
    point : sympy expression
        ``oo`` for late times, ``0`` for early ones.

    Returns
    -------
    tuple of Balance
        Balances with a positive amplitude at ``at`` (when it can be decided).

    Raises
    ------
    ConditionError
        When the equation is not a sum of monomials.

    Examples
    --------
    >>> t, k, b = sp.symbols("t K b", positive=True)
    >>> g = sp.Function("gamma")(t)
    >>> (law,) = dominant_balances(g.diff(t) - k * g**-b, g, t, {b: 2})
    >>> law.exponent, law.amplitude
    (1/(b + 1), (K*(b + 1))**(1/(b + 1)))
    """
    sample = exact_point("dominant_balances", at)
    reject_floats("dominant_balances", equation)
    p = sp.Symbol("p")
    late = point == sp.oo
    monomials = [_monomial(part, unknown, time, p) for part in _split(equation)]
    found = []
    for first, second in combinations(range(len(monomials)), 2):
        (c1, e1, d1, m1), (c2, e2, d2, m2) = monomials[first], monomials[second]
        solved = sp.solve(sp.Eq(e1, e2), p)
        if len(solved) != 1 or sp.simplify(d1 - d2) == 0:
            continue
        exponent = sp.factor(solved[0])
        # All monomials of this size take part: c1 A**d1 + c2 A**d2 = 0.
        conditions, smaller = [], True
        for index, (_, e, _, _) in enumerate(monomials):
            if index in (first, second):
                continue
            gap: Any = sp.simplify((e1 - e).subs(p, exponent))
            size = gap.subs(sample)
            if gap == 0 or (size > 0) != late or size == 0:
                smaller = False
                break
            conditions.append(sp.simplify(sp.Gt(gap, 0) if late else sp.Lt(gap, 0)))
        ratio: Any = sp.factor(sp.simplify((-c2 / c1).subs(p, exponent)))
        if not smaller or ratio.subs(sample).is_positive is False or ratio == 0:
            continue
        if ratio.is_positive is not True:
            conditions.append(sp.Gt(ratio, 0))
        degree = sp.simplify(d1 - d2)
        if degree.subs(sample).is_negative:
            ratio, degree = sp.factor(1 / ratio), sp.expand(-degree)
        amplitude = sp.powsimp(ratio ** (1 / degree))
        kept = tuple(c for c in dict.fromkeys(conditions) if c != sp.true)
        found.append(Balance(exponent, amplitude, (m1, m2), kept))
    return tuple(found)


def _split(equation: Expression) -> list[Expression]:
    expanded: Any = sp.expand_mul(equation.doit())
    return list(sp.Add.make_args(expanded))


def _monomial(part: Expression, unknown: sp.Function, time: sp.Symbol, p: sp.Symbol):
    """Coefficient, exponent of t, degree in A of a monomial with y = A t**p put in."""
    coefficient, exponent, degree = sp.Integer(1), sp.Integer(0), sp.Integer(0)
    for factor in sp.Mul.make_args(part):
        base, power = factor.as_base_exp()
        if base == time:
            exponent += power
        elif base == unknown:
            exponent += p * power
            degree += power
        elif isinstance(base, sp.Derivative) and base.expr == unknown:
            order = base.derivative_count
            coefficient *= sp.ff(p, order) ** power
            exponent += (p - order) * power
            degree += power
        elif factor.has(time):
            raise ConditionError(
                "dominant_balances",
                f"the factor {factor} is not a power of t, y or a derivative of y",
                "only sums of monomials have power-law balances",
                "expand the right-hand side for large y first",
            )
        else:
            coefficient *= factor
    return coefficient, sp.expand(exponent), degree, part


@dataclass(frozen=True)
class PowerFlow:
    r"""Growth at a rate that is a power of the grown quantity, with one correction.

    ``dy/dt = rate * y**-decay * (1 + correction * y**-gap + ...)``, ``y -> oo``.

    Parameters
    ----------
    rate, decay : sympy.Expr
        ``K > 0`` and ``b > -1``.
    correction, gap : sympy.Expr
        ``c`` (0 when the rate is exact up to terms smaller than every power) and ``d > 0``.

    Raises
    ------
    ConditionError
        When ``b <= -1``: growth is exponential or ends in finite time.

    Examples
    --------
    >>> k, b, t = sp.symbols("K b t", positive=True)
    >>> law = PowerFlow(k, b).expansion(t, {b: 2})
    >>> law.exponent, law.amplitude, law.next.exponent
    (1/(b + 1), (K*(b + 1))**(1/(b + 1)), -b/(b + 1))
    """

    rate: Expression
    decay: Expression
    correction: Expression = sp.S.Zero
    gap: Expression = sp.oo

    def __post_init__(self):
        names = ("rate", "decay", "correction", "gap")
        given = reject_floats("PowerFlow", *(getattr(self, name) for name in names))
        for name, number in zip(names, given, strict=True):
            object.__setattr__(self, name, number)
        if self.decay.is_number and self.decay <= -1:
            what = "exponentially" if self.decay == -1 else "to infinity in finite time"
            raise ConditionError(
                "PowerFlow",
                f"decay = {self.decay} is not above -1",
                f"the solution then grows {what}, not as a power of t",
                "PowerFlow(rate, decay) with decay > -1",
            )

    def expansion(self, time: sp.Symbol, at: Values) -> AsymptoticSeries:
        """Late-time solution: leading power, and the correction that comes first.

        The correction of the rate gives ``c (Y**-d)/(b + 1 - d)`` relative to
        ``Y = ((b+1) K t)**(1/(b+1))``; the initial condition enters at relative order ``1/t``, with
        the constant ``t_0`` (a symbol), and a logarithm appears when ``d = b + 1``.
        """
        point = exact_point("PowerFlow.expansion", at)
        b1 = self.decay + 1
        if (exact_number(self.gap).subs(point) <= 0) == sp.true:
            raise ConditionError(
                "PowerFlow.expansion",
                f"gap = {self.gap} is not positive here",
                "the correction must be smaller than the leading rate as y grows",
                "exchange the roles of the two terms of the rate",
            )
        base = b1 * self.rate
        lead = Term(base ** (1 / b1), 1 / b1)
        start = Term(lead.coefficient * sp.Symbol("t_0") / b1, sp.factor(1 / b1 - 1))
        if self.correction == 0:
            return AsymptoticSeries(time, sp.oo, (lead,), start, ())
        difference = sp.simplify(b1 - self.gap)
        size = difference.subs(point)
        if difference == 0:
            term = Term(lead.coefficient * self.correction / (b1 * base), sp.factor(1 / b1 - 1), 1)
            return AsymptoticSeries(time, sp.oo, (lead,), term, ())
        if size == 0:
            raise ConditionError(
                "PowerFlow.expansion",
                f"the gap {self.gap} equals b + 1 here",
                "correction and initial condition then meet in a logarithm",
                "substitute the value into the flow before expanding",
            )
        if size < 0:
            return AsymptoticSeries(time, sp.oo, (lead,), start, (sp.Lt(difference, 0),))
        term = Term(
            lead.coefficient * self.correction / difference * base ** (-self.gap / b1),
            (1 - self.gap) / b1,
        )
        return AsymptoticSeries(time, sp.oo, (lead,), term, (sp.Gt(difference, 0),))


@dataclass(frozen=True)
class TimeLaw:
    """Loss against training time, with the flow it comes from.

    Parameters
    ----------
    series : AsymptoticSeries
        ``loss ~ amplitude * t**exponent``; ``next`` holds the relative order ``1/t`` set by the
        initial condition through the symbol ``t_0``.
    flow : PowerFlow
        Growth of the weight.
    law : SourceCapacity
        Spectrum and target.
    clock : sympy.Expr
        ``c`` in ``d gamma/dt = -(c/2) dl/d gamma``.
    """

    series: AsymptoticSeries
    flow: PowerFlow
    law: SourceCapacity
    clock: Expression

    def exact(self, gammas: Sequence[object], values: Values, digits: int = 12):
        """Times and losses at given weights, by quadrature of ``dt = d gamma/rate``.

        Returns
        -------
        list of (time, loss)
            Both computed from the sums over modes, from ``gamma(0) = 0``.
        """
        variable = sp.Symbol("g", positive=True)
        loss = self.law.sum(exponential().scaled(2), variable)
        slope = self.law.sum(exponential().scaled(2), variable, weight=(1, 1))
        with mpmath.workdps(digits + 5):
            clock = value(self.clock, values)
            result, total, last = [], mpmath.mpf(0), mpmath.mpf(0)
            for gamma in gammas:
                upper = value(exact_number(gamma), {})

                def inverse_rate(g: Real) -> Real:
                    return 1 / (clock * slope.exact(g, values, digits=digits + 2))

                total += _log_quad(inverse_rate, last, upper)
                last = upper
                result.append((total, loss.exact(upper, values, digits=digits)))
            return result

    def evidence(self, values: Values, gammas: Sequence[object], digits: int = 12) -> RatioEvidence:
        """Compare the law with the integrated flow: the ratio tends to 1 like ``1/t``."""
        point = exact_point("TimeLaw.evidence", values)
        listed = self.exact(gammas, point, digits)
        with mpmath.workdps(digits):
            lead = self.series.leading
            ratios = tuple(
                loss / value(lead.expression(self.series.variable), {**point,
                             self.series.variable: t}) for t, loss in listed
            )  # fmt: skip
            gaps = [abs(r - 1) for r in ratios]
            measured = mpmath.log(gaps[-1] / gaps[-2]) / mpmath.log(listed[-1][0] / listed[-2][0])
        passed = bool(abs(measured + 1) < mpmath.mpf("0.1") and gaps[-1] < gaps[0])
        sentence = (
            f"ratio - 1 = {mpmath.nstr(gaps[-1], 3)}, falling like t**{mpmath.nstr(measured, 4)}"
        )
        times, losses = (tuple(column) for column in zip(*listed, strict=True))
        return RatioEvidence(times, losses, (ratios,), measured, sp.Integer(-1), passed, sentence)


def rotated_flow(law: SourceCapacity, time: sp.Symbol, clock: object = 2) -> TimeLaw:
    r"""Training time law with randomly rotated contexts, at infinite depth and context.

    ``l = sum omega lambda exp(-2 gamma lambda) ~ C gamma**-beta`` and
    ``d gamma/dt = -(c/2) dl/d gamma`` give ``l ~ C [(c/2) C beta (beta+2) t]**(-beta/(beta+2))``.

    Parameters
    ----------
    law : SourceCapacity
        Spectrum and target.
    time : sympy.Symbol
        ``t``, positive.
    clock : sympy expression
        ``c``: 2 for plain gradient flow, 1 for the half gradient.

    Returns
    -------
    TimeLaw
        Exponent, amplitude, next order.

    References
    ----------
    arXiv:2510.01098, section 3.

    Examples
    --------
    >>> nu, beta, t = sp.symbols("nu beta t", positive=True)
    >>> rotated_flow(SourceCapacity(nu, beta), t).series.exponent
    -beta/(beta + 2)
    """
    (c,) = reject_floats("rotated_flow", clock)
    gamma = sp.Symbol("gamma", positive=True)
    loss = law.sum(exponential().scaled(2), gamma).expansion({}, 1)
    lead = loss.leading
    slope = -lead.exponent
    flow = PowerFlow(sp.powsimp(c / 2 * lead.coefficient * slope), sp.expand(slope + 1))
    growth = flow.expansion(time, {})
    weight = PowerSum(time, (growth.leading,), ())
    power = PowerSum(gamma, (lead,), ()).after(weight).terms[0]
    power = Term(power.coefficient, sp.factor(power.exponent))
    start = Term(power.exponent * power.coefficient * sp.Symbol("t_0"), power.exponent - 1)
    return TimeLaw(AsymptoticSeries(time, sp.oo, (power,), start, ()), flow, law, c)


def _log_quad(function: Callable[[Real], Real], lower: Real, upper: Real) -> Real:
    """Integrate by 20-node Gauss-Legendre pieces, each two e-folds long beyond 1."""
    nodes, weights = np.polynomial.legendre.leggauss(20)

    def piece(integrand, a, b):
        middle, half = (a + b) / 2, (b - a) / 2
        return half * mpmath.fsum(
            mpmath.mpf(w) * integrand(middle + half * mpmath.mpf(u))
            for u, w in zip(nodes, weights, strict=True)
        )

    total, edge = mpmath.mpf(0), lower
    if lower == 0:
        edge = min(upper, mpmath.mpf(1))
        total += piece(function, mpmath.mpf(0), edge)
    count = int(mpmath.ceil(mpmath.log(upper / edge) / 2))
    bounds = mpmath.linspace(mpmath.log(edge), mpmath.log(upper), count + 1) if count else []
    for a, b in pairwise(bounds):
        total += piece(lambda u: mpmath.exp(u) * function(mpmath.exp(u)), a, b)
    return total
