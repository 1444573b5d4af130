r"""Vanishing ridge: closed forms below and above the interpolation threshold, and one for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from derivations.lu2025.degrees_of_freedom import (
    ABOVE,
    BELOW,
    BIAS,
    ICL,
    IDG,
    RESIDUAL,
    RIDGE,
    SQUARE,
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
from derivations.lu2025.ridgeless_simulation import (
    ridgeless_icl_simulation,
    ridgeless_idg_simulation,
)
from derive.asymptotics import AlgebraicQuantity
from derive.fixed_point import Branch
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let

t_0 = letters.quantity("t_0", "degrees of freedom at vanishing ridge", lower=0)
m = letters.quantity("m", "resolvent trace $M_\\kappa(q)$ without ridge", lower=0)
m_slope = letters.quantity(
    "m_prime", "derivative $M_\\kappa'(q)$ of the resolvent trace", latex="m'"
)
m_bar = letters.quantity(
    "m_bar", "product $qM_{\\kappa/\\tau}(q)$ below the threshold", lower=0, latex=r"\bar m"
)

RIDGELESS = (tau, alpha, kappa, rho)
RIDGELESS_NAMES = tuple(str(p) for p in RIDGELESS)
ZERO_RIDGE = (
    "d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> 0 at tau != 1"
)
FINITE_KAPPA = Condition(
    "kappa < inf",
    sp.StrictLessThan(kappa, sp.oo, evaluate=False),
    "the printed form divides by kappa/(kappa - t^2) - 1",
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
IDG_SIDE = {
    "above": tau * (rho + q * t) / (tau - 1),
    "below": tau * RESIDUAL * (kappa - t**2) / ((1 - tau) * (kappa * tau - t**2)),
}
ICL_SIDE = {
    "above": rho + BIAS + (1 + q) * TRACE * (rho + q * t) / (tau - 1),
    "below": rho + BIAS + (1 + q) * TRACE * RESIDUAL / (1 - tau),
}
WINDOW = {
    "above": (Condition("t < 1", t < 1), Condition("t < kappa", t < kappa), Condition("", tau > 1)),
    "below": (
        Condition("t < tau", t < tau),
        Condition("t < kappa", t < kappa),
        Condition("", tau < 1),
    ),
}

TRACE_AT_Q: Any = ResolventTrace(kappa, q)
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
IDG_BELOW = -tau * N * w / (delta * (tau * v + t * q * M / kappa))
# Exactly at tau = 1 both errors are infinite, with the rate of interpolation_threshold.
IDG_STABLE = sp.Piecewise((sp.oo, sp.Eq(delta, 0)), (tau * N / delta, delta > 0), (IDG_BELOW, True))
ICL_STABLE = sp.Piecewise(
    (sp.oo, sp.Eq(delta, 0)),
    (
        rho + (q * t**2 * (v + z * M / kappa) + (z * M) ** 2) / w + (1 + q) * M * N / sp.Abs(delta),
        True,
    ),
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


def zero_ridge(expression: Any, side: str) -> Any:
    """Return the limit of an expression of the curve as the ridge vanishes, in t_0."""
    top, at = SIDES[side]
    level = (top - t_0) * (kappa - t_0) / (kappa * t_0)
    return curve(expression, lam, {q: level}).expansion(at).expression


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
    for side, (top, _) in SIDES.items():
        words = f"{side} the threshold"
        page.over(letters, "tau", "kappa", "q", conditions=[WINDOW[side][2]])
        page.derive(
            "expand",
            t,
            lambda e, side=side: zero_ridge(e, side),
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
    box = letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["below"])
    page.rewrite(
        RIDGE,
        (1 - tau) / M,
        "effective ridge below the threshold; above it vanishes with lam",
        given={M: TRACE, q: NOISE_LEVEL["below"]},
        domain=box,
    )
    page.rewrite(
        RESIDUAL,
        rho + q * t + z * xi * t**2 / w,
        "residual and bias below the threshold, a sum of positive terms; above it is rho + q t",
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


def _zero_ridge_on_both_sides(page, error, targets):
    """Take lam -> 0 of one error on both sides."""
    for side in SIDES:
        limit = page.derive(
            "expand",
            error,
            lambda e, side=side: zero_ridge(e, side),
            f"the error as lam -> 0 {side} the threshold, along the physical root",
        )
        page.rewrite(
            limit.subs(t_0, t),
            targets[side],
            f"the limit {side} the threshold in t = t_0",
            given={q: NOISE_LEVEL[side]},
            domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW[side]),
        )


@derivation(
    "lu2025.idg_error_ridgeless",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> 0",
    equation="Result 2, ridgeless",
)
def idg_error_ridgeless(page):
    r"""The ridgeless error on the pretraining tasks diverges as 1/|tau - 1| on both sides.

    .. math:: e_{IDG}=\frac{\tau}{\tau-1}\big[\rho+q(1-qm)\big]\quad(\tau>1),\qquad
              m=M_\kappa(q),\quad q=\frac{1+\rho}\alpha .
    """
    page.over(letters, *RIDGELESS_NAMES)
    page.use("lu2025.ridgeless_root")
    _zero_ridge_on_both_sides(page, IDG, IDG_SIDE)
    above = page.rewrite(
        IDG_SIDE["above"],
        tau / (tau - 1) * (rho + q * (1 - q * m)),
        "the printed form above the threshold",
        given={m: TRACE, q: NOISE_LEVEL["above"]},
        domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["above"]),
    )
    ratio = 1 / (1 - kappa / (1 + kappa * xi / (1 - tau)) ** 2)
    below = page.rewrite(
        IDG_SIDE["below"],
        tau
        / (1 - tau)
        * (
            tau * m_bar * (q + xi) ** 2 / q
            + (rho + q - 2 * q * (1 - tau) * (q / xi + 1)) / (1 - (1 - tau) * ratio)
        ),
        "the printed form below the threshold",
        given={
            xi: (1 - tau) * q / (tau * m_bar),
            m_bar: q * M / tau,
            q: NOISE_LEVEL["below"],
            M: TRACE,
        },
        domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["below"]),
    )
    page.rewrite(
        IDG_SIDE["below"].subs(RESIDUAL, N),
        IDG_BELOW,
        "the form that is evaluated below the threshold: sums of positive terms",
        given=IN_CURVE["below"],
        domain=letters.domain("tau", "kappa", "t", "N", conditions=WINDOW["below"]),
    )
    level = Let(q, (1 + rho) / alpha)
    page.result(
        "below",
        below,
        RIDGELESS,
        where=(
            level,
            Let(m_bar, q * ResolventTrace(kappa / tau, q)),
            Let(xi, (1 - tau) * q / (tau * m_bar)),
        ),
        domain=letters.domain(
            *RIDGELESS_NAMES, conditions=[Condition("tau < 1", tau < 1), FINITE_KAPPA]
        ),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{IDG}}",
    )
    page.result(
        "above",
        above,
        RIDGELESS,
        where=(level, Let(m, TRACE_AT_Q)),
        domain=letters.domain(*RIDGELESS_NAMES, conditions=[Condition("tau > 1", tau > 1)]),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{IDG}}",
    )
    page.result(
        "idg_error",
        IDG_STABLE,
        RIDGELESS,
        where=RECIPE,
        domain=letters.domain(*RIDGELESS_NAMES),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{IDG}}",
    )


@derivation(
    "lu2025.icl_error_ridgeless",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> 0",
    equation="Result 1, ridgeless",
)
def icl_error_ridgeless(page):
    r"""The ridgeless error on new tasks: bias of the mean estimator and a double descent in tau.

    .. math:: e_{ICL}=(1+q)\Big[1-2qm-q^2m'+\frac{m(\rho+q-q^2m)}{\tau-1}\Big]-2(1-qm)+1+\rho
              \quad(\tau>1),\qquad m=M_\kappa(q).
    """
    page.over(letters, *RIDGELESS_NAMES)
    page.use("lu2025.ridgeless_root")
    _zero_ridge_on_both_sides(page, ICL, ICL_SIDE)
    above = page.rewrite(
        ICL_SIDE["above"],
        (1 + q) * (1 - 2 * q * m - q**2 * m_slope + m * (rho + q - q**2 * m) / (tau - 1))
        - 2 * (1 - q * m)
        + 1
        + rho,
        "the printed form above the threshold",
        given={m_slope: -kappa * m**2 / (kappa - t**2), m: TRACE, q: NOISE_LEVEL["above"]},
        domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["above"]),
    )
    below = page.rewrite(
        ICL_SIDE["below"],
        tau * (1 + q) / (1 - tau) * (1 - tau * (1 - m_bar) ** 2 + m_bar * (rho / q - 1))
        - 2 * tau * (1 - m_bar)
        + 1
        + rho,
        "the printed form below the threshold",
        given={m_bar: q * M / tau, q: NOISE_LEVEL["below"], M: TRACE},
        domain=letters.domain("tau", "kappa", "rho", "t", conditions=WINDOW["below"]),
    )
    for side in SIDES:
        page.rewrite(
            BIAS,
            (q * t**2 * (v + z * M / kappa) + (z * M) ** 2) / w,
            f"bias and context noise of the mean estimator {side} the threshold, "
            "sums of positive terms",
            given=IN_CURVE[side],
            domain=letters.domain("tau", "kappa", "t", conditions=WINDOW[side]),
        )
    level = Let(q, (1 + rho) / alpha)
    page.result(
        "below",
        below,
        RIDGELESS,
        where=(level, Let(m_bar, q * ResolventTrace(kappa / tau, q))),
        domain=letters.domain(*RIDGELESS_NAMES, conditions=[Condition("tau < 1", tau < 1)]),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{ICL}}",
    )
    page.result(
        "above",
        above,
        RIDGELESS,
        where=(
            level,
            Let(m, TRACE_AT_Q),
            Let(m_slope, TRACE_AT_Q.fdiff(2)),
        ),
        domain=letters.domain(*RIDGELESS_NAMES, conditions=[Condition("tau > 1", tau > 1)]),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{ICL}}",
    )
    page.result(
        "icl_error",
        ICL_STABLE,
        RIDGELESS,
        where=RECIPE,
        domain=letters.domain(*RIDGELESS_NAMES),
        limit=ZERO_RIDGE,
        symbol=r"e_{\mathrm{ICL}}",
    )


icl_error_ridgeless.simulate(ridgeless_icl_simulation)
idg_error_ridgeless.simulate(ridgeless_idg_simulation)


__all__ = [
    "ABOVE",
    "BELOW",
    "ICL_SIDE",
    "ICL_STABLE",
    "IDG_SIDE",
    "IDG_STABLE",
    "NOISE_LEVEL",
    "RECIPE",
    "RIDGE",
    "RIDGELESS",
    "RIDGELESS_NAMES",
    "SQUARE",
    "ZERO_RIDGE",
    "icl_error_ridgeless",
    "idg_error_ridgeless",
    "m",
    "ridgeless_curve",
    "ridgeless_root",
    "zero_ridge",
]
