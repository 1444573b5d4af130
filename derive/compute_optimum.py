"""How to spend a compute budget when each resource leaves its own power law behind.

The loss is a sum of power laws, the budget a product of powers. In logarithms a sum of exponentials
is minimised on a hyperplane: strictly convex, so the stationary point is the global minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from derive.errors import ArgumentsError, ConditionError
from derive.high_precision import (
    Expression,
    Values,
    exact_number,
    exact_point,
    reject_floats,
    value,
)


@dataclass(frozen=True)
class Resource:
    """One resource: what it leaves in the loss and what it costs.

    Contributes ``amplitude * x**-exponent`` to the loss and ``x**price`` to the budget product.

    Parameters
    ----------
    symbol : sympy.Symbol
        The amount ``x``, positive.
    amplitude, exponent, price : sympy.Expr
        All positive.
    """

    symbol: sp.Symbol
    amplitude: Expression
    exponent: Expression
    price: Expression

    def __post_init__(self):
        for name in ("amplitude", "exponent", "price"):
            (number,) = reject_floats("Resource", getattr(self, name))
            object.__setattr__(self, name, number)
            if number.is_positive is False or (number.is_number and not number.is_positive):
                raise ConditionError(
                    f"Resource({self.symbol})",
                    f"{name} = {number} is not positive",
                    "a resource must lower the loss and cost something, "
                    "else the optimum is at 0 or infinity",
                    f"leave {self.symbol} out of the optimisation",
                )


@dataclass(frozen=True)
class ComputeOptimum:
    r"""The best split of a budget, and the loss it reaches.

    ``loss = multiplier/exponent``, ``x_i = (c_i e_i/(multiplier p_i))**(1/e_i)``.

    Parameters
    ----------
    resources : tuple of Resource
        What was optimised.
    budget : sympy.Symbol
        The budget ``C``.
    exponent : sympy.Expr
        ``r = 1/sum(p_i/e_i)``: the loss falls like ``C**-r``.
    multiplier : sympy.Expr
        Lagrange multiplier of the logarithmic constraint.
    """

    resources: tuple[Resource, ...]
    budget: sp.Symbol
    exponent: Expression
    multiplier: Expression

    @property
    def loss(self) -> Expression:
        """Least loss at the budget."""
        return self.multiplier / self.exponent

    @property
    def amplitude(self) -> Expression:
        """Least loss times ``C**r``."""
        return self.multiplier.subs(self.budget, 1) / self.exponent

    def allocation(self, symbol: sp.Symbol) -> Expression:
        """Best amount of one resource."""
        part = self._resource(symbol)
        base = part.amplitude * part.exponent / (self.multiplier * part.price)
        return base ** (1 / part.exponent)

    def allocation_exponent(self, symbol: sp.Symbol) -> Expression:
        """Exponent ``r/e_i`` with which a resource should grow with the budget."""
        return sp.cancel(self.exponent / self._resource(symbol).exponent)

    def relation_exponent(self, symbol: sp.Symbol, reference: sp.Symbol) -> Expression:
        """Exponent of one optimal resource in another, ``e_reference/e_symbol``."""
        return sp.cancel(self._resource(reference).exponent / self._resource(symbol).exponent)

    def check(self) -> dict[str, bool]:
        """Verify the optimum exactly: stationary, on the budget, loss as claimed.

        Returns
        -------
        dict
            ``stationary``: ``e_i c_i x_i**-e_i = multiplier p_i`` for every resource;
            ``budget``: the exponents of every amplitude and of ``C`` in the product of prices;
            ``loss``: the sum of the parts equals ``multiplier/r``.
        """
        logs = {symbol: sp.Symbol(f"log_{symbol}") for symbol in self._letters()}
        multiplier = self._logarithm(self.multiplier, logs)
        stationary, cost, total = True, sp.Integer(0), sp.Integer(0)
        for part in self.resources:
            log_c = self._logarithm(part.amplitude * part.exponent / part.price, logs)
            log_x = (log_c - multiplier) / part.exponent
            slope = self._logarithm(part.exponent * part.amplitude / part.price, logs)
            stationary &= sp.simplify(slope - part.exponent * log_x - multiplier) == 0
            cost += part.price * log_x
            total += part.price / part.exponent
        budget = sp.simplify(sp.expand(cost - self._logarithm(self.budget, logs))) == 0
        loss = sp.simplify(total - 1 / self.exponent) == 0
        return {"stationary": bool(stationary), "budget": bool(budget), "loss": bool(loss)}

    def evidence(self, values: Values, step: object = sp.Rational(1, 100)) -> dict[str, object]:
        """Walk away from the optimum on the budget surface: the loss must rise every time.

        Parameters
        ----------
        values : mapping
            Exact values of every symbol, the budget included.
        step : sympy.Rational
            Relative size of the steps in the logarithms.

        Returns
        -------
        dict
            ``budget_error``: relative error of the constraint; ``rises``: relative increase of
            the loss per exchanged pair and direction; ``passed``.
        """
        import mpmath

        point = exact_point("ComputeOptimum.evidence", values)
        with mpmath.workdps(40):
            budget = value(self.budget, point)
            amounts = {r.symbol: value(self.allocation(r.symbol), point) for r in self.resources}
            price = {r.symbol: value(r.price, point) for r in self.resources}
            spent = mpmath.fprod(amounts[s] ** price[s] for s in amounts)

            def loss(at):
                return mpmath.fsum(
                    value(r.amplitude, point) * at[r.symbol] ** -value(r.exponent, point)
                    for r in self.resources
                )

            best, rises = loss(amounts), []
            size = value(exact_number(step), {})
            for first in amounts:
                for second in amounts:
                    if first != second:
                        moved = dict(amounts)
                        moved[first] *= mpmath.exp(size / price[first])
                        moved[second] *= mpmath.exp(-size / price[second])
                        rises.append(loss(moved) / best - 1)
            error = abs(spent / budget - 1)
            agrees = abs(best / value(self.loss, point) - 1)
            passed = error < mpmath.mpf(10) ** -30 and agrees < mpmath.mpf(10) ** -30
            passed = passed and all(rise > 0 for rise in rises)
        return {"budget_error": error, "rises": tuple(rises), "passed": bool(passed)}

    def _resource(self, symbol: sp.Symbol) -> Resource:
        for part in self.resources:
            if part.symbol == symbol:
                return part
        names = ", ".join(str(part.symbol) for part in self.resources)
        raise ArgumentsError(
            f"allocation({symbol})",
            f"{symbol} is not a resource",
            f"the resources are {names}",
            f"allocation({self.resources[0].symbol})",
        )

    def _letters(self) -> list[sp.Symbol]:
        parts = [e for r in self.resources for e in (r.amplitude, r.exponent, r.price)]
        return sorted(set().union(*(p.free_symbols for p in parts)) | {self.budget}, key=str)

    def _logarithm(self, expression: Expression, logs: dict) -> Expression:
        """Logarithm of a product of powers, factor by factor: exact for positive symbols."""
        total = sp.Integer(0)
        for factor in sp.Mul.make_args(expression):
            base, power = factor.as_base_exp()
            if isinstance(base, sp.Mul):
                total += power * self._logarithm(base, logs)
            else:
                total += power * logs.get(base, sp.log(base))
        return total


def compute_optimum(resources: Sequence[Resource], budget: sp.Symbol) -> ComputeOptimum:
    r"""Minimise a sum of power laws under a product constraint (Lagrange, exact).

    Minimise ``sum_i c_i x_i**-e_i`` subject to ``prod_i x_i**p_i = C``:
    ``r = 1/sum(p_i/e_i)``, ``multiplier = C**-r prod_i (c_i e_i/p_i)**(r p_i/e_i)``.

    Parameters
    ----------
    resources : sequence of Resource
        At least one.
    budget : sympy.Symbol
        ``C``, positive.

    Returns
    -------
    ComputeOptimum
        Exponents, amplitudes, allocations.

    Raises
    ------
    ArgumentsError
        When there is no resource, or two share a symbol.

    Notes
    -----
    Validity: the loss is the *sum* of the separate laws. For finite width and context together
    this holds as a scaling statement only; near ``N = P`` the true loss diverges.

    References
    ----------
    Bordelon, Letey, Pehlevan, arXiv:2510.01098, section 5.

    Examples
    --------
    >>> t, n, c, a, b = sp.symbols("t N C a b", positive=True)
    >>> best = compute_optimum([Resource(t, a, 1, 1), Resource(n, b, 2, 2)], c)
    >>> best.exponent, best.loss, best.allocation(t)
    (1/2, 2*sqrt(a)*sqrt(b)/sqrt(C), sqrt(C)*sqrt(a)/sqrt(b))
    """
    listed = tuple(resources)
    symbols = [part.symbol for part in listed]
    if not listed or len(set(symbols)) < len(symbols):
        raise ArgumentsError(
            "compute_optimum",
            f"resources {symbols}",
            "at least one resource, and each of them once",
            "compute_optimum([Resource(t, ...), Resource(N, ...)], C)",
        )
    exponent = sp.cancel(1 / sp.Add(*(part.price / part.exponent for part in listed)))
    multiplier = budget**-exponent * sp.Mul(
        *(
            (part.amplitude * part.exponent / part.price) ** (exponent * part.price / part.exponent)
            for part in listed
        )
    )
    return ComputeOptimum(listed, budget, exponent, multiplier)
