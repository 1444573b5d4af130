r"""The two ends of task diversity: a fresh task for every sequence, and vanishingly few tasks.

Fresh tasks are the limit :math:`\kappa\to\infty`, where new tasks and pretraining tasks are the
same thing; few tasks are :math:`\kappa\to0`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp

from derivations.lu2025.degrees_of_freedom import T, curve, expanded
from derivations.lu2025.notation import (
    D,
    N,
    alpha,
    b_2,
    delta,
    kappa,
    lam,
    letters,
    q,
    rho,
    t,
    tau,
    xi,
    y,
    z,
)
from derivations.lu2025.ridgeless import ICL_SIDE, IDG_SIDE
from derivations.lu2025.ridgeless_root import SIDES, ridgeless_curve, t_0
from derivations.lu2025.sample_limits import ERRORS, LEVEL, SYMBOLS
from derive.fixed_point import Branch
from derive.registry import derivation
from numerics.lower import Condition, Let
from numerics.monte_carlo import in_context_errors
from numerics.simulation import SimulationResult

FRESH = (tau, alpha, rho, lam)
SIDE_ERRORS = {"idg": IDG_SIDE, "icl": ICL_SIDE}
AT_SIDE = {
    "above": {tau: sp.Rational(3, 2), q: sp.Rational(1, 3), rho: sp.Rational(1, 5)},
    "below": {tau: sp.Rational(1, 2), q: sp.Rational(1, 3), rho: sp.Rational(1, 5)},
}
THRESHOLD = {
    "above": Condition("tau > 1", tau > 1, "the law of this side of the threshold"),
    "below": Condition("tau < 1", tau < 1, "the law of this side of the threshold"),
}
OFF_THRESHOLD = Condition(
    "tau != 1", sp.Ne(tau, 1), "without ridge the errors diverge at the interpolation threshold"
)

# The root of the quadratic a xi^2 + b xi - c without cancellation, a, c >= 0.
_LINEAR = delta * (1 + q) - tau * lam
_ROOT = sp.sqrt(_LINEAR**2 + 4 * tau**2 * lam * (1 + q))
_ROOTS = (2 * tau * lam * (1 + q) / (_LINEAR + _ROOT), (_ROOT - _LINEAR) / (2 * tau))
FRESH_ROOT = sp.Piecewise((_ROOTS[0], _LINEAR > 0), (_ROOTS[1], True))
FRESH_ERROR = tau * N / D
FRESH_PIECES = (
    LEVEL,
    Let(delta, tau - 1),
    Let(xi, FRESH_ROOT),
    Let(z, q + xi),
    Let(t, 1 / (1 + z)),
    Let(y, sp.Piecewise((delta + xi * t, sp.Ge(delta, 0)), (tau * lam / xi, True))),
    Let(b_2, (1 + q) * t**2),
    Let(D, y + xi * b_2),
    Let(N, rho + q * t + z * xi * t**2),
)
INSIDE_FRESH = (
    Condition("t_0 < 1/(1 + q)", t_0 * (1 + q) < 1),
    Condition("t_0 < tau/(1 + q)", t_0 * (1 + q) < tau),
)


@derivation(
    "lu2025.fresh_tasks",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then kappa -> oo",
    equation="Results 1 and 2 at infinite task diversity",
)
def fresh_tasks(page):
    r"""With a fresh task for every sequence, new tasks and pretraining tasks have one error.

    .. math:: e_{ICL}=e_{IDG}=\frac{\tau\,[\rho+qt+z\xi t^2]}{\tau\lambda/\xi+\xi(1+q)t^2},\qquad
              t=\frac1{1+z},\quad z=q+\xi,\quad
              \tau\xi^2-[\tau\lambda+(1-\tau)(1+q)]\xi-\tau\lambda(1+q)=0 .
    """
    page.over(letters, "tau", "q", "rho", "t_0", conditions=INSIDE_FRESH)
    page.use("lu2025.degrees_of_freedom")
    ridge = (1 - t_0 - q * t_0) * (tau - t_0 - q * t_0) / (tau * t_0)
    at = {
        tau: sp.Rational(3, 2),
        q: sp.Rational(1, 3),
        t_0: sp.Rational(1, 3),
        rho: sp.Rational(1, 5),
    }
    xi_0 = 1 / t_0 - 1 - q
    quadratic = tau * xi**2 - (tau * lam + (1 - tau) * (1 + q)) * xi - tau * lam * (1 + q)
    page.rewrite(
        quadratic,
        sp.S.Zero,
        "the effective ridge xi = 1/t_0 - 1 - q solves a quadratic",
        given={xi: xi_0, lam: ridge},
    )
    laws = {}
    for name, error in ERRORS.items():
        laws[name], _ = expanded(
            page,
            curve(error, kappa, {lam: ridge}),
            at,
            f"e_{name.upper()} as kappa -> oo, lam written in the limit t_0 of t",
            point=sp.oo,
        )
    printed = tau * N / (tau - (1 + q) ** 2 * t**2)
    in_t = {N: rho + q * t + z * xi * t**2, z: q + xi, xi: xi_0, t: t_0}
    page.rewrite(laws["idg"], printed, "one eigenvalue, R = 1", given=in_t)
    page.rewrite(laws["icl"], laws["idg"], "both errors agree in the limit")
    page.rewrite(
        tau - (1 + q) ** 2 * t**2,
        tau * lam / xi + xi * (1 + q) * t**2,
        "denominator as a sum of positive terms",
        given={lam: ridge, xi: xi_0, t: t_0},
    )
    page.over(letters, "tau", "lam", "q")
    roots = page.derive(
        "solve", quadratic, lambda e: tuple(sp.solve(e, xi)), "both roots of the quadratic"
    )
    page.branch(
        roots,
        xi,
        Branch(region=sp.Gt(xi, 0)),
        "the effective ridge is positive",
    )
    for words, root in zip(("> 0", "<= 0"), _ROOTS, strict=True):
        page.rewrite(
            quadratic.subs(xi, root),
            sp.S.Zero,
            f"the positive root in the form that does not cancel for delta(1+q) - tau lam {words}",
            given={delta: tau - 1},
        )
    ridgeless = {
        "above": tau / (tau - 1) * (rho + q / (1 + q)),
        "below": (1 + rho - tau * (2 - tau) / (1 + q)) / (1 - tau),
    }
    for side, (top, _) in SIDES.items():
        page.rewrite(
            laws["idg"].subs(t_0, top / (1 + q)),
            ridgeless[side],
            f"without ridge, {side} the threshold",
            domain=letters.domain("tau", "q", "rho", conditions=[THRESHOLD[side]]),
        )
    limit = "proportional limit, then kappa -> oo, relative error O(1/kappa)"
    domain = letters.domain("tau", "alpha", "rho", "lam")
    page.result("xi", xi, FRESH, where=FRESH_PIECES[:3], domain=domain, limit=limit, symbol=r"\xi")
    page.result(
        "error",
        sp.Piecewise((sp.oo, sp.Eq(D, 0)), (FRESH_ERROR, True)),
        FRESH,
        where=FRESH_PIECES,
        domain=domain,
        limit=limit,
        symbol="e",
    )


@fresh_tasks.simulate
def simulate_fresh_tasks(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    tau: float,
    alpha: float,
    rho: float,
    lam: float,
    **ensemble: Any,
) -> SimulationResult:
    """Pretrain linear attention with a fresh task for every sequence; exact error."""
    result = in_context_errors(
        size, tau, alpha, float("inf"), rho, lam, seeds=seeds, seed=seed, **ensemble
    )
    ratios = {name: value for name, value in result.parameters.items() if name != "kappa"}
    return replace(result, parameters=ratios).of("icl")


@derivation(
    "lu2025.single_task",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, lam -> 0, kappa -> 0",
    equation="Results 1 and 2 at vanishing task diversity",
)
def single_task(page):
    r"""With few tasks linear attention memorises them and fails on new ones, even without noise.

    .. math:: e_{IDG}\to\rho\,\frac{\max(\tau,1)}{|\tau-1|},\qquad
              e_{ICL}\to1+\rho+\rho\Big(1+\frac\alpha{1+\rho}\Big)\frac{\min(\tau,1)}{|\tau-1|}.
    """
    page.over(letters, "tau", "q", "rho", "alpha")
    page.use("lu2025.ridgeless_root")
    names = ("tau", "q", "rho")
    laws: dict[tuple[str, str], Any] = {}
    for side, (top, _) in SIDES.items():
        box = letters.domain(*names, conditions=[THRESHOLD[side]])
        gap = tau - 1 if side == "above" else 1 - tau
        largest = tau if side == "above" else sp.S.One
        printed = {
            "idg": rho * largest / gap,
            "icl": 1 + rho + rho * (1 + 1 / q) * top / gap,
        }
        for name, error in SIDE_ERRORS.items():
            law, _ = expanded(
                page,
                ridgeless_curve(error[side], side, kappa),
                AT_SIDE[side],
                f"e_{name.upper()} as kappa -> 0 without ridge, {side} the threshold",
            )
            laws[name, side] = page.rewrite(
                law, printed[name], f"the law {side} the threshold", domain=box
            )
        order = page.derive(
            "limit",
            laws["icl", side],
            lambda e: sp.limit(e, q, sp.oo),
            f"kappa -> 0 first, then alpha -> 0 {side} the threshold",
        )
        other, _ = expanded(
            page,
            ridgeless_curve(ICL_SIDE[side], side, q),
            {tau: AT_SIDE[side][tau], kappa: sp.Rational(1, 3), rho: sp.Rational(1, 5)},
            f"alpha -> 0 first at fixed kappa, {side} the threshold; independent of kappa",
            point=sp.oo,
        )
        page.rewrite(
            other - order,
            top / gap,
            "the two limits do not commute: alpha -> 0 first costs the variance of a unit signal",
            domain=box,
        )
    limit = "proportional limit, lam -> 0, then kappa -> 0 with kappa << min(q, 1)"
    distance = sp.Abs(delta)
    where = (LEVEL, Let(delta, tau - 1), Let(T, sp.Min(tau, 1)))
    forms = {
        "idg": rho * sp.Max(tau, 1) / distance,
        "icl": 1 + rho + rho * (1 + 1 / q) * T / distance,
    }
    for name, form in forms.items():
        page.result(
            name,
            form,
            (tau, alpha, rho),
            where=where,
            domain=letters.domain("tau", "alpha", "rho", conditions=[OFF_THRESHOLD]),
            limit=limit,
            symbol=SYMBOLS[name],
        )


__all__ = ["AT_SIDE", "SIDE_ERRORS", "THRESHOLD", "fresh_tasks", "single_task"]
