r"""The root at vanishing ridge: degrees of freedom below and above the interpolation threshold."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sympy as sp

from derivations.lu2025.degrees_of_freedom import (
    RESIDUAL,
    RIDGE,
    TRACE,
    T,
    curve,
    threshold_polynomial,
)
from derivations.lu2025.notation import (
    M,
    N,
    alpha,
    delta,
    kappa,
    lam,
    letters,
    q,
    rho,
    t,
    tau,
    v,
    w,
    xi,
    z,
)
from derive.asymptotics import AlgebraicQuantity
from derive.fixed_point import Branch
from derive.puiseux import PuiseuxSeries, expand_along
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let

t_0 = letters.quantity("t_0", "degrees of freedom at vanishing ridge", lower=0)

RIDGELESS = (tau, alpha, kappa, rho)
RIDGELESS_NAMES = tuple(str(p) for p in RIDGELESS)
ZERO_RIDGE = (
    "d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> 0 at tau != 1"
)
SIDES = {
    "above": (sp.S.One, {tau: 2, kappa: 3, t_0: sp.Rational(1, 3), rho: sp.Rational(1, 5)}),
    "below": (
        tau,
        {tau: sp.Rational(1, 2), kappa: 3, t_0: sp.Rational(1, 3), rho: sp.Rational(1, 5)},
    ),
}

# Ridgeless errors on each side as functions of t, with q on the curve P_T(t) = 0.
NOISE_LEVEL = {
    "above": (1 - t) * (kappa - t) / (kappa * t),
    "below": (tau - t) * (kappa - t) / (kappa * t),
}
WINDOW = {
    "above": (Condition("t < 1", t < 1), Condition("t < kappa", t < kappa), Condition("", tau > 1)),
    "below": (
        Condition("t < tau", t < tau),
        Condition("t < kappa", t < kappa),
        Condition("", tau < 1),
    ),
}

# The evaluation that subtracts nothing but tau - 1, on both sides at once.
RECIPE = (
    Let(q, (1 + rho) / alpha),
    Let(delta, tau - 1),
    Let(T, sp.Min(tau, 1)),
    Let(M, T * ResolventTrace(kappa / T, q)),
    Let(xi, sp.Max(-delta, 0) / M),
    Let(z, q + xi),
    Let(v, 1 / (1 + M / kappa)),
    Let(t, M * v),
    Let(w, v + t * z * M / kappa),
    Let(N, rho + q * t + z * xi * t**2 / w),
)


def ridgeless_curve(
    expression: Any, side: str, variable: sp.Symbol, given: Mapping[Any, Any] | None = None
) -> AlgebraicQuantity:
    """Return a ridgeless error on one side of the threshold as an algebraic quantity.

    Parameters
    ----------
    expression : Expr
        In t and the parameters, e.g. an entry of ``ICL_SIDE``.
    side : {"above", "below"}
        Of the interpolation threshold tau = 1.
    variable : Symbol
        What goes to a limit.
    given : mapping, optional
        Substituted in order.

    Returns
    -------
    AlgebraicQuantity
        With the relation P_T(t) = 0 and the region of its smaller root.
    """
    top = SIDES[side][0]
    parts = [sp.sympify(expression), threshold_polynomial(top), sp.Lt(t, top), sp.Lt(t, kappa)]
    for symbol, value in (given or {}).items():
        parts = [part.subs(symbol, value) for part in parts]
    return AlgebraicQuantity(parts[0], variable, t, parts[1], tuple(parts[2:]))


def vanishing_ridge(side: str) -> PuiseuxSeries:
    """Expand the physical root of the quartic as the ridge vanishes; the first term is t_0."""
    return curve(t, lam, {q: _level(side)}).branch(SIDES[side][1], 2).series


# On the page of an error the root is that of the page it cites: expanded once.
_known_root = cache(vanishing_ridge)


def zero_ridge(expression: Any, side: str) -> Any:
    """Return the limit of an expression of the curve as the ridge vanishes, in t_0."""
    return _first_term(expression.subs(q, _level(side)), _known_root(side))


def _first_term(expression: Any, root: PuiseuxSeries) -> Any:
    return expand_along(expression, {t: root}, lam, sp.S.One).cut_to(1).expression()


def _level(side: str) -> Any:
    top = SIDES[side][0]
    return (top - t_0) * (kappa - t_0) / (kappa * t_0)


# The definitions of the recipe on the curve of each side, as substitutions in order.
IN_CURVE = {
    side: {
        w: v + t * z * M / kappa,
        v: t / M,
        z: q + xi,
        xi: (1 - top) / M,
        M: TRACE,
        delta: tau - 1,
        q: NOISE_LEVEL[side],
    }
    for side, (top, _) in SIDES.items()
}


@derivation(
    "lu2025.ridgeless_root",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> 0",
    equation="Definition of xi, ridgeless",
)
def ridgeless_root(page):
    r"""Without ridge the degrees of freedom saturate at what min(tau, 1) allows.

    .. math:: (\hat\tau-t)(\kappa-t)=\kappa qt,\qquad t=\frac{\kappa M}{\kappa+M},\quad
              M=\hat\tau M_{\kappa/\hat\tau}(q),\quad \hat\tau=\min(\tau,1).
    """
    page.over(letters, "tau", "kappa", "q")
    page.use("lu2025.degrees_of_freedom")
    page.define(T, sp.Min(tau, 1), "what limits the degrees of freedom: samples or dimensions")
    for side, (top, _) in SIDES.items():
        words = f"{side} the threshold"
        page.over(letters, "tau", "kappa", "q", conditions=[WINDOW[side][2]])
        page.derive(
            "expand",
            t,
            lambda e, side=side: _first_term(e, vanishing_ridge(side)),
            f"physical root of the quartic as lam -> 0 {words}: t_0, where P_T(t_0) = 0",
        )
        roots = page.derive(
            "solve",
            threshold_polynomial(top),
            lambda e: tuple(sp.solve(e, t)),
            f"both roots of P_T {words}",
        )
        root = page.branch(
            roots, t, Branch(region=sp.Lt(t, sp.Min(top, kappa))), "t lies below T and kappa"
        )
        page.rewrite(
            root,
            M * v,
            f"the same root without a subtraction, M = T M_(kappa/T)(q) {words}",
            given={v: 1 / (1 + M / kappa), M: top * ResolventTrace(kappa / top, q)},
        )
    page.rewrite(
        (T - t) * (kappa - t),
        kappa * q * t,
        "one recipe for both sides: t = M v is the root of P_T with M = T M_(kappa/T)(q)",
        given={
            t: M * v,
            v: 1 / (1 + M / kappa),
            M: T * ResolventTrace(kappa / T, q),
            T: sp.Min(tau, 1),
        },
        domain=letters.domain("tau", "kappa", "q"),
    )
    box = letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["below"])
    page.rewrite(
        RIDGE,
        (1 - T) / M,
        "effective ridge below the threshold, T = tau",
        given={T: tau, M: TRACE, q: NOISE_LEVEL["below"]},
        domain=box,
    )
    page.rewrite(
        RIDGE,
        sp.S.Zero,
        "effective ridge above the threshold: it vanishes with lam",
        given={q: NOISE_LEVEL["above"]},
        domain=letters.domain("tau", "kappa", "t", conditions=WINDOW["above"]),
    )
    page.rewrite(
        RESIDUAL,
        rho + q * t,
        "residual above the threshold",
        given={q: NOISE_LEVEL["above"]},
        domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["above"]),
    )
    page.rewrite(
        RESIDUAL,
        rho + q * t + z * xi * t**2 / w,
        "residual and bias below the threshold, a sum of positive terms",
        given=IN_CURVE["below"],
        domain=box,
    )
    for name, letter in (("xi", xi), ("N", N), ("degrees_of_freedom", t)):
        page.result(
            name,
            letter,
            RIDGELESS,
            where=RECIPE,
            domain=letters.domain(*RIDGELESS_NAMES),
            limit=ZERO_RIDGE,
            symbol=letters[str(letter)].latex,
        )
