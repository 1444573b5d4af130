r"""Task diversity: the gap between new and pretraining tasks, and its transition at kappa = 1.

Below as many tasks as dimensions the model memorises its pretraining tasks; above it generalises.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.lu2025.context_limits import gamma
from derivations.lu2025.degrees_of_freedom import (
    ICL,
    IDG,
    INSIDE,
    RIDGE,
    SHARE,
    TRACE,
    expanded,
)
from derivations.lu2025.error import DEFINITIONS, simulate_icl_error
from derivations.lu2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    D,
    M,
    N,
    alpha,
    b_2,
    kappa,
    letters,
    q,
    r,
    rho,
    t,
    tasks,
    tau,
    v,
    w,
    xi,
    y,
    z,
)
from derivations.lu2025.ridgeless import ICL_SIDE, IDG_SIDE
from derivations.lu2025.ridgeless_root import ridgeless_curve
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult

GAP = M * t / (kappa * w) * (z**2 * (M + t) + N / D * (w - xi * (M + t)))

Delta = letters.quantity(
    "Delta", "window variable $(\\kappa-1)/\\sqrt q$ of the transition", latex=r"\Delta"
)
nu = letters.quantity("nu", "positive root of $\\nu^2+\\Delta\\nu=1$", lower=0, latex=r"\nu")
root_q = letters.quantity("eps_q", "square root of the context-noise level", lower=0)


@derivation(
    "lu2025.task_generalization_gap",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Definition of g_task",
)
def task_generalization_gap(page):
    r"""The gap between new tasks and pretraining tasks is the tasks' deviation from isotropy.

    .. math:: g_{task}=e_{ICL}-e_{IDG}=z^2X+\frac ND\Big(\frac{Mt}\kappa-\xi X\Big),\qquad
              X=\overline{\mathrm{tr}}(1-R)G^2=\frac{Mt(M+t)}{\kappa-t^2},

    every term with a factor :math:`1/\kappa`: no difference of two nearly equal errors is left.
    """
    names = ("tau", "kappa", "q", "t", "rho")
    page.over(letters, *names, conditions=INSIDE)
    page.use("lu2025.icl_error")
    page.use("lu2025.idg_error")
    page.use("lu2025.degrees_of_freedom")
    resolvent = 1 / (r + z)
    page.parametrise({}, {tasks: sp.S.One})
    first = page.rewrite(
        tasks.trace(resolvent) - tasks.trace(r * resolvent),
        (1 + z) * tasks.trace(resolvent) - 1,
        "tr (1 - R) G in resolvent traces",
        domain=letters.domain("z"),
    )
    box = letters.domain("kappa", "z")
    page.parametrise({})
    trace = ResolventTrace(kappa, z)
    overlap = page.rewrite(
        first.subs(tasks.trace(resolvent), M),
        M * t / kappa,
        "tr (1 - R) G = M t/kappa: positive, and zero for isotropic tasks",
        given={t: M / (1 + M / kappa), M: trace},
        domain=box,
    )
    slope = page.derive(
        "differentiate",
        overlap.subs(t, M / (1 + M / kappa)).subs(M, trace),
        lambda e: -sp.diff(e, z),
        "X = tr (1 - R) G^2 is minus the derivative in z",
    )
    page.rewrite(
        slope,
        M * t * (M + t) / (kappa * w),
        "X as a product of positive terms",
        given={
            w: v + t * z * M / kappa,
            v: 1 / (1 + M / kappa),
            t: M / (1 + M / kappa),
            M: trace,
        },
        domain=box,
    )
    page.rewrite(
        ICL - IDG,
        GAP,
        "difference of the two errors: z^2 X from the mean estimator, N/D (M t/kappa - xi X) "
        "from its variance",
        given={
            D: y + xi * b_2,
            N: rho + q * t + z * xi * t**2 / w,
            b_2: (t**2 + q * M**2) / w,
            w: v + t * z * M / kappa,
            v: t / M,
            y: SHARE,
            z: q + xi,
            xi: RIDGE,
            M: TRACE,
        },
    )
    page.result(
        "g_task",
        GAP,
        PARAMETERS,
        where=DEFINITIONS,
        domain=letters.domain(*NAMES),
        limit=LIMIT,
        symbol=r"g_{\mathrm{task}}",
    )


@task_generalization_gap.simulate
def simulate_gap(**parameters: Any) -> SimulationResult:
    """Pretrain linear attention; difference of its exact errors on new and pretraining tasks."""
    return simulate_icl_error(**parameters).of("g_task")


ABOVE_GAP = ICL_SIDE["above"] - IDG_SIDE["above"]
JOINT = {tau: gamma * (1 + rho) / q}
HERE = {rho: sp.Rational(1, 5), gamma: sp.Rational(1, 2)}
FINITE = Condition(
    "kappa < inf",
    sp.StrictLessThan(kappa, sp.oo, evaluate=False),
    "at infinite kappa the gap is zero",
)
LIMIT_JOINT = "proportional limit, lam -> 0, then alpha -> oo with tau = gamma alpha"
LIMIT_TAU_FIRST = "proportional limit, lam -> 0, tau -> oo, then alpha -> oo"


@derivation(
    "lu2025.task_diversity_transition",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo, lam -> 0, then alpha -> oo with tau = gamma alpha or tau first",
    equation="Task-diversity transition",
)
def task_diversity_transition(page):
    r"""The gap to new tasks closes at as many tasks as dimensions, a transition from memory.

    .. math:: g_{task}\simeq(1-\kappa)\Big[1+\frac{\rho}{(1+\rho)\gamma}\Big]\ (\kappa<1),\qquad
              g_{task}\simeq\frac{\rho}{\gamma(\kappa-1)\alpha}\ (\kappa>1),

    and in the window :math:`\kappa=1+\Delta\sqrt q`, with :math:`\nu^2+\Delta\nu=1`,
    :math:`g_{task}\simeq\sqrt q\,[\nu^3/(1+\nu^2)+\rho\nu/((1+\rho)\gamma)]`.
    """
    page.over(letters, "kappa", "rho", "gamma", "q")
    page.use("lu2025.task_generalization_gap")
    page.use("lu2025.ridgeless_root")
    share = rho / ((1 + rho) * gamma)
    low = letters.domain("kappa", "rho", "gamma", "q", conditions=[Condition("", kappa < 1)])
    high = letters.domain("kappa", "rho", "gamma", "q", conditions=[Condition("", kappa > 1)])
    middle = letters.domain("rho", "gamma", "q")
    one = {kappa: sp.S.One}
    plan = (
        ("below", {}, {kappa: sp.Rational(1, 3)}, (1 - kappa) * (1 + share), 1 - kappa, low),
        ("at", one, {}, sp.sqrt(q) * (sp.Rational(1, 2) + share), sp.sqrt(q) / 2, middle),
        (
            "above",
            {},
            {kappa: sp.Integer(3)},
            q * share / (kappa - 1),
            kappa * (2 * kappa - 1) / (kappa - 1) ** 3 * q**2,
            high,
        ),
    )
    # With tau first the variance is gone: the terms in 1/(tau - 1) drop out.
    bias_gap = sp.limit(ABOVE_GAP, tau, sp.oo)
    joint, first = {}, {}
    for phase, given, at, printed, printed_first, box in plan:
        law, _ = expanded(
            page,
            ridgeless_curve(ABOVE_GAP, "above", q, {**JOINT, **given}),
            {**HERE, **at},
            f"gap {phase} kappa = 1 as q -> 0 with tau = gamma alpha",
        )
        joint[phase] = page.rewrite(law, printed, f"{phase} the transition", domain=box)
        law, _ = expanded(
            page,
            ridgeless_curve(bias_gap, "above", q, given),
            {**HERE, **at},
            f"gap {phase} kappa = 1 as q -> 0 with tau -> oo first",
        )
        first[phase] = page.rewrite(
            law, printed_first, f"{phase} the transition, tau first", domain=box
        )
    window = {kappa: 1 + Delta * root_q, Delta: 1 / nu - nu}
    law, _ = expanded(
        page,
        ridgeless_curve(ABOVE_GAP, "above", root_q, {**JOINT, q: root_q**2, **window}),
        {**HERE, nu: sp.Rational(2, 3)},
        "gap in the critical window kappa = 1 + Delta sqrt(q), Delta = 1/nu - nu",
    )
    scaling = nu**3 / (1 + nu**2) + share * nu
    page.rewrite(
        law.subs(root_q, sp.sqrt(q)),
        sp.sqrt(q) * scaling,
        "scaling function of the transition, eps_q = sqrt(q)",
        domain=letters.domain("rho", "gamma", "q", "nu"),
    )
    page.rewrite(
        (nu**2 + Delta * nu - 1).subs(nu, _NU),
        sp.S.Zero,
        "nu as a function of Delta, without cancellation for Delta > 0",
        domain=letters.domain("Delta"),
    )
    page.rewrite(
        scaling.subs(nu, 1),
        sp.Rational(1, 2) + share,
        "at the centre Delta = 0 the scaling function joins the law at kappa = 1",
        domain=letters.domain("rho", "gamma"),
    )
    level = Let(q, (1 + rho) / alpha)
    below = sp.StrictLessThan(kappa, 1)
    off_critical = Condition(
        "kappa != 1",
        sp.Ne(kappa, 1),
        "at the transition the law is another one, the result of the same name with _critical; "
        "near it the window holds",
    )
    away = letters.domain("alpha", "kappa", "rho", conditions=[FINITE, off_critical])
    page.result(
        "tau_first_critical",
        first["at"],
        (alpha, rho),
        where=(level,),
        domain=letters.domain("alpha", "rho"),
        limit=LIMIT_TAU_FIRST + ", kappa = 1",
        symbol=r"g_{\mathrm{task}}",
    )
    page.result(
        "tau_first",
        sp.Piecewise((first["below"], below), (first["above"], True)),
        (alpha, kappa, rho),
        where=(level,),
        domain=away,
        limit=LIMIT_TAU_FIRST,
        symbol=r"g_{\mathrm{task}}",
    )
    page.define(Delta, _DISTANCE, "distance from the transition on the scale of the window")
    page.define(nu, _NU_BOTH, "without cancellation on both sides of the transition")
    page.result(
        "window",
        sp.sqrt(q) * scaling,
        (alpha, kappa, rho, gamma),
        where=(
            level,
            Let(Delta, _DISTANCE),
            Let(nu, _NU_BOTH),
        ),
        domain=letters.domain("alpha", "kappa", "rho", "gamma", conditions=[FINITE]),
        limit=LIMIT_JOINT + ", at fixed (kappa - 1)/sqrt(q)",
        symbol=r"g_{\mathrm{task}}",
    )
    page.result(
        "g_task_critical",
        joint["at"],
        (alpha, rho, gamma),
        where=(level,),
        domain=letters.domain("alpha", "rho", "gamma"),
        limit=LIMIT_JOINT + ", kappa = 1",
        symbol=r"g_{\mathrm{task}}",
    )
    page.result(
        "g_task",
        sp.Piecewise((joint["below"], below), (joint["above"], True)),
        (alpha, kappa, rho, gamma),
        where=(level,),
        domain=letters.domain("alpha", "kappa", "rho", "gamma", conditions=[FINITE, off_critical]),
        limit=LIMIT_JOINT,
        symbol=r"g_{\mathrm{task}}",
    )


_NU = 2 / (Delta + sp.sqrt(Delta**2 + 4))
_NU_BELOW = (sp.sqrt(Delta**2 + 4) - Delta) / 2
_NU_BOTH = sp.Piecewise((_NU, Delta > 0), (_NU_BELOW, True))
_DISTANCE = (kappa - 1) / sp.sqrt(q)

__all__ = ["GAP", "task_diversity_transition", "task_generalization_gap"]
