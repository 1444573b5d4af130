r"""Short and long contexts: the error on new tasks blows up with context when tasks are too few."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.lu2025.degrees_of_freedom import T, expanded
from derivations.lu2025.notation import alpha, delta, kappa, lam, letters, q, rho, tau
from derivations.lu2025.ridgeless_root import RIDGELESS, RIDGELESS_NAMES, SIDES, ridgeless_curve
from derivations.lu2025.sample_limits import LEVEL, SYMBOLS
from derivations.lu2025.task_limits import AT_SIDE, OFF_THRESHOLD, SIDE_ERRORS, THRESHOLD
from derive.registry import derivation
from numerics.lower import Condition, Let

# kappa against min(tau, 1): a sample point of each phase, and its condition.
PHASES = {
    "few_tasks": (sp.Rational(1, 3), "kappa < min(tau, 1)"),
    "critical": (None, "kappa = min(tau, 1)"),
    "many_tasks": (sp.Integer(3), "kappa > min(tau, 1)"),
}
LIMIT_LONG = "proportional limit, lam -> 0, then alpha -> oo at fixed tau != 1, rho > 0"
LIMIT_SHORT = "proportional limit, lam -> 0, then alpha -> 0 at fixed tau != 1"


def _conditions(phase: str, side: str) -> list[Condition]:
    top = SIDES[side][0]
    relation = {"few_tasks": sp.Lt(kappa, top), "many_tasks": sp.Gt(kappa, top)}
    here = [THRESHOLD[side]]
    if phase in relation:
        here.append(Condition(PHASES[phase][1], relation[phase], "the law of this phase"))
    return here


def _printed(top: Any) -> dict[tuple[str, str, str], Any]:
    """Return the laws in q as printed, by error, phase and side (top is tau below)."""
    memory = rho + (1 - tau) ** 2 * (kappa - tau) ** 2 / (kappa * (kappa - tau**2))
    saturated = tau * rho / (tau - 1)
    return {
        ("icl", "few_tasks", "above"): rho * (1 - kappa) / ((tau - 1) * q),
        ("icl", "few_tasks", "below"): rho * (tau - kappa) / ((1 - tau) * q),
        ("icl", "critical", "above"): rho / ((tau - 1) * sp.sqrt(q)),
        ("icl", "critical", "below"): tau * rho / ((1 - tau) * sp.sqrt(q)),
        ("icl", "many_tasks", "above"): rho * (1 + kappa / ((kappa - 1) * (tau - 1))),
        ("icl", "many_tasks", "below"): rho
        + kappa * (1 - tau) ** 2 / (kappa - tau**2)
        + kappa * tau * memory / ((kappa - tau) * (1 - tau)),
        ("idg", "few_tasks", "above"): saturated,
        ("idg", "few_tasks", "below"): tau * rho * (1 - kappa) / ((1 - tau) * (tau - kappa)),
        ("idg", "critical", "above"): saturated,
        ("idg", "critical", "below"): rho / (2 * sp.sqrt(q)),
        ("idg", "many_tasks", "above"): saturated,
        ("idg", "many_tasks", "below"): memory * (kappa - tau**2) / ((1 - tau) * (kappa - tau)),
    }


@derivation(
    "lu2025.long_context",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, lam -> 0, alpha -> oo",
    equation="Results 1 and 2 at large alpha",
)
def long_context(page):
    r"""With too few tasks the error on new tasks grows linearly with the context length.

    .. math:: e_{ICL}\simeq\frac{\rho}{1+\rho}\,\frac{\hat\tau-\kappa}{|\tau-1|}\,\alpha
              \quad(\kappa<\hat\tau=\min(\tau,1)),

    as the square root of the context length at :math:`\kappa=\hat\tau`, and stays finite above.
    """
    page.over(letters, "tau", "kappa", "rho", "q")
    page.use("lu2025.ridgeless_root")
    laws: dict[tuple[str, str, str], Any] = {}
    for (name, phase, side), printed in _printed(None).items():
        top = SIDES[side][0]
        many, words = PHASES[phase]
        at = {**AT_SIDE[side], kappa: many}
        given: dict[Any, Any] = {}
        if many is None:
            del at[kappa]
            given = {kappa: top}
        del at[q]
        law, _ = expanded(
            page,
            ridgeless_curve(SIDE_ERRORS[name][side], side, q, given),
            at,
            f"e_{name.upper()} as q -> 0 for {words}, {side} the threshold",
        )
        laws[name, phase, side] = page.rewrite(
            law,
            printed,
            f"the law for {words}, {side} the threshold",
            given=given,
            domain=letters.domain("tau", "kappa", "rho", "q", conditions=_conditions(phase, side)),
        )
    _two_orders(page)
    finite = Condition(
        "kappa < inf",
        sp.StrictLessThan(kappa, sp.oo, evaluate=False),
        "at infinite kappa the error of fresh_tasks holds",
    )
    off_boundary = Condition(
        "kappa != min(tau, 1)",
        sp.Ne(kappa, sp.Min(tau, 1)),
        "on the boundary the law is another one, the result of the same name with _critical",
    )
    above, few = sp.StrictGreaterThan(tau, 1), sp.StrictLessThan(kappa, T)
    for name in SIDE_ERRORS:
        page.result(
            f"{name}_critical",
            sp.Piecewise(
                (laws[name, "critical", "above"], above), (laws[name, "critical", "below"], True)
            ),
            (tau, alpha, rho),
            where=(LEVEL,),
            domain=letters.domain("tau", "alpha", "rho", conditions=[OFF_THRESHOLD]),
            limit=LIMIT_LONG + ", kappa = min(tau, 1)",
            symbol=SYMBOLS[name],
        )
    for name in SIDE_ERRORS:
        page.result(
            name,
            sp.Piecewise(
                (laws[name, "few_tasks", "above"], sp.And(few, above)),
                (laws[name, "few_tasks", "below"], few),
                (laws[name, "many_tasks", "above"], above),
                (laws[name, "many_tasks", "below"], True),
            ),
            RIDGELESS,
            where=(LEVEL, Let(T, sp.Min(tau, 1))),
            domain=letters.domain(
                *RIDGELESS_NAMES, conditions=[OFF_THRESHOLD, finite, off_boundary]
            ),
            limit=LIMIT_LONG,
            symbol=SYMBOLS[name],
        )


def _two_orders(page):
    """Compute alpha -> oo and tau -> oo in both orders, and jointly at tau = gamma alpha."""
    at = {kappa: sp.Rational(1, 3), rho: sp.Rational(1, 5)}
    tau_first, _ = expanded(
        page,
        ridgeless_curve(SIDE_ERRORS["icl"]["above"].subs(tau, 1 / lam).subs(lam, 0), "above", q),
        at,
        "tau -> oo before alpha -> oo for kappa < 1: finite",
    )
    few = letters.domain("kappa", "rho", "gamma", conditions=[Condition("kappa < 1", kappa < 1)])
    page.rewrite(tau_first, rho + 1 - kappa, "the memorised fraction is lost", domain=few)
    joint, _ = expanded(
        page,
        ridgeless_curve(SIDE_ERRORS["icl"]["above"], "above", q, {tau: gamma * (1 + rho) / q}),
        {**at, gamma: sp.Rational(1, 2)},
        "both together, tau = gamma alpha, for kappa < 1",
    )
    page.rewrite(
        joint,
        rho + (1 - kappa) * (1 + rho / ((1 + rho) * gamma)),
        "the two limits do not commute: gamma -> oo is tau first, gamma -> 0 is alpha first and "
        "diverges",
        domain=few,
    )


gamma = letters.quantity("gamma", "ratio $\\tau/\\alpha$ held fixed", lower=0, latex=r"\gamma")


@derivation(
    "lu2025.short_context",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, lam -> 0, alpha -> 0",
    equation="Results 1 and 2 at small alpha",
)
def short_context(page):
    r"""With a short context both errors exceed the null predictor by the variance of training.

    .. math:: e_{ICL},\,e_{IDG}\to(1+\rho)\Big(1+\frac{\hat\tau}{|\tau-1|}\Big),\qquad
              \hat\tau=\min(\tau,1).
    """
    page.over(letters, "tau", "kappa", "rho", "q")
    page.use("lu2025.ridgeless_root")
    for side, (top, _) in SIDES.items():
        gap = tau - 1 if side == "above" else 1 - tau
        at = {**AT_SIDE[side], kappa: sp.Rational(1, 3)}
        del at[q]
        for name, error in SIDE_ERRORS.items():
            law, _ = expanded(
                page,
                ridgeless_curve(error[side], side, q),
                at,
                f"e_{name.upper()} as alpha -> 0 without ridge, {side} the threshold",
                point=sp.oo,
            )
            page.rewrite(
                law,
                (1 + rho) * (1 + top / gap),
                f"the law {side} the threshold: independent of kappa",
                domain=letters.domain("tau", "rho", conditions=[THRESHOLD[side]]),
            )
    page.result(
        "error",
        (1 + rho) * (1 + T / sp.Abs(delta)),
        (tau, rho),
        where=(Let(delta, tau - 1), Let(T, sp.Min(tau, 1))),
        domain=letters.domain("tau", "rho", conditions=[OFF_THRESHOLD]),
        limit=LIMIT_SHORT,
        symbol="e",
    )


__all__ = ["gamma", "long_context", "short_context"]
