"""Divided differences of expressions in traces, without quotients that become 0/0."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derive.errors import ArgumentsError
from derive.spectral_trace import SpectralTrace


def divided_difference(expression: sp.Expr, move: dict[sp.Symbol, sp.Symbol]) -> sp.Expr:
    r"""Return :math:`\big(f(z)-f(z')\big)/(z-z')` without the quotient, valid at :math:`z'=z`.

    Parameters
    ----------
    expression : sympy.Expr
        Sums, products and integer powers of rational functions and traces of them.
    move : dict
        ``{z: z'}``, one entry.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> from derive.spectral_trace import Spectrum
    >>> Sigma = Spectrum("Sigma")
    >>> kappa, other = sp.symbols("kappa kappa'")
    >>> t = Sigma.trace(Sigma.eigenvalue / (Sigma.eigenvalue + kappa))
    >>> divided_difference(kappa * (1 - t), {kappa: other})
    kappa'*tr[Sigma/((Sigma + kappa)*(Sigma + kappa'))] - tr[Sigma/(Sigma + kappa)] + 1
    """
    if len(move) != 1:
        raise ArgumentsError(
            "divided_difference",
            f"{len(move)} variables move",
            "a divided difference is taken in one variable",
            "divided_difference(expression, {kappa: kappa_prime})",
        )
    ((old, new),) = move.items()
    return _difference(expression, old, new)


def _difference(node: Any, old: sp.Symbol, new: sp.Symbol) -> Any:
    if not node.has(old):
        return sp.Integer(0)
    if isinstance(node, SpectralTrace):
        return node.func(_difference(node.function, old, new), *node.args[1:])
    if not node.has(SpectralTrace):
        return sp.factor(sp.cancel((node - node.subs(old, new)) / (old - new)))
    if isinstance(node, sp.Add):
        return sp.Add(*(_difference(a, old, new) for a in node.args))
    if isinstance(node, sp.Mul):
        first, rest = node.args[0], sp.Mul(*node.args[1:])
        return _difference(first, old, new) * rest + first.subs(old, new) * _difference(
            rest, old, new
        )
    if isinstance(node, sp.Pow) and node.exp.is_Integer:
        power, base = abs(int(node.exp)), node.base
        moved = base.subs(old, new)
        chain = sp.Add(*(base**k * moved ** (power - 1 - k) for k in range(power)))
        slope = chain * _difference(base, old, new)
        return slope if node.exp > 0 else -slope / (base * moved) ** power
    raise ArgumentsError(
        "divided_difference",
        f"{node} is not a sum, product or integer power",
        "the divided difference of other functions has no closed form here",
        "write it with a name and give the name's own divided difference",
    )
