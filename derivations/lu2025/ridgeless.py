r"""Vanishing ridge: closed forms below and above the interpolation threshold, and one for both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp

from derivations.lu2025.degrees_of_freedom import (
    BIAS,
    ICL,
    IDG,
    RESIDUAL,
    TRACE,
)
from derivations.lu2025.notation import (
    M,
    N,
    alpha,
    delta,
    kappa,
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
from derivations.lu2025.ridgeless_root import (
    IN_CURVE,
    NOISE_LEVEL,
    RECIPE,
    RIDGELESS,
    RIDGELESS_NAMES,
    SIDES,
    WINDOW,
    ZERO_RIDGE,
    t_0,
    zero_ridge,
)
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let
from numerics.monte_carlo import in_context_errors
from numerics.simulation import SimulationResult

m = letters.quantity("m", "resolvent trace $M_\\kappa(q)$ without ridge", lower=0)
m_slope = letters.quantity(
    "m_prime", "derivative $M_\\kappa'(q)$ of the resolvent trace", latex="m'"
)
m_bar = letters.quantity(
    "m_bar", "product $qM_{\\kappa/\\tau}(q)$ below the threshold", lower=0, latex=r"\bar m"
)


FINITE_KAPPA = Condition(
    "kappa < inf",
    sp.StrictLessThan(kappa, sp.oo, evaluate=False),
    "the printed form divides by kappa/(kappa - t^2) - 1",
)
IDG_SIDE = {
    "above": tau * (rho + q * t) / (tau - 1),
    "below": tau * RESIDUAL * (kappa - t**2) / ((1 - tau) * (kappa * tau - t**2)),
}
ICL_SIDE = {
    "above": rho + BIAS + (1 + q) * TRACE * (rho + q * t) / (tau - 1),
    "below": rho + BIAS + (1 + q) * TRACE * RESIDUAL / (1 - tau),
}
TRACE_AT_Q: Any = ResolventTrace(kappa, q)
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


@icl_error_ridgeless.simulate
def simulate_icl_error_ridgeless(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    tau: float,
    alpha: float,
    kappa: float,
    rho: float,
    **ensemble: Any,
) -> SimulationResult:
    """Pretrain linear attention without ridge (least squares of least norm); error on new tasks."""
    result = in_context_errors(
        size, tau, alpha, kappa, rho, 0.0, seeds=seeds, seed=seed, **ensemble
    )
    ratios = {name: value for name, value in result.parameters.items() if name != "lam"}
    return replace(result, parameters=ratios).of("icl")


@idg_error_ridgeless.simulate
def simulate_idg_error_ridgeless(**parameters: Any) -> SimulationResult:
    """Pretrain linear attention without ridge; exact error on the pretraining tasks."""
    return simulate_icl_error_ridgeless(**parameters).of("idg")
