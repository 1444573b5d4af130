r"""Pretraining tasks that live in a subspace: what long contexts and much data leave unlearned.

Ridgeless, :math:`\alpha=\alpha_{te}\to\infty` with :math:`\tau=\gamma\alpha`, the same noise in
training and test, and :math:`C_{tr}` proportional to a projector of rank :math:`f_Cd`.
"""

from __future__ import annotations

import sympy as sp

from derivations.letey2025.notation import (
    TEST,
    Y,
    c_1,
    e_in,
    e_out,
    f_C,
    gamma,
    kappa,
    letters,
    population,
    q,
    q_te,
    rho,
    rho_te,
    t,
    xi,
    z,
    zeta,
)
from derivations.letey2025.structured_error import RISK
from derivations.letey2025.task_resolvent import FREE, ON_CURVE
from derive.registry import derivation
from derive.spectrum_values import at_atoms
from numerics.lower import Condition

VARIANCE = f_C * c_1  # tr C_tr
ARGUMENTS = (kappa, rho, gamma, f_C, c_1, e_in, e_out)
NAMES = tuple(str(a) for a in ARGUMENTS)
LIMIT = "d, l, k, n -> oo, lam -> 0, then alpha = alpha_te -> oo with tau = gamma alpha"


def projector(expression):
    """Put a pretraining covariance c_1 times a projector of rank f_C d into an expression."""
    atoms: dict[object, object] = {c_1: f_C, sp.S.Zero: 1 - f_C}
    return at_atoms(expression, population, atoms, {TEST: {c_1: e_in, sp.S.Zero: e_out}})


def on_curve(expression):
    """Write the excess error as a function of zeta, above the threshold and without ridge."""
    # xi = 0, z = q, tau - 1 = gamma alpha to leading order, alpha = (rho + tr C)/q
    ratio = q * (rho + q * t) / (gamma * (rho + VARIANCE))
    inserted = expression.subs({rho_te: rho, q_te: q, Y: ratio}).subs(xi, 0).subs(q, z)
    for symbol, value in ON_CURVE.items():
        if symbol is not z:
            inserted = inserted.subs(symbol, value.subs(q, z))
    return projector(inserted.subs(z, ON_CURVE[z]))


@derivation(
    "letey2025.rank_deficient_tasks",
    reference="Letey, Zavatone-Veth, Lu & Pehlevan 2025, pretrain-test task alignment",
    limit="d, l, k, n -> oo, lam -> 0, then alpha = alpha_te -> oo with tau = gamma alpha",
    equation="Low-rank pretraining",
)
def rank_deficient_tasks(page):
    r"""With tasks in a subspace the error stays at the test variance that pretraining never saw.

    .. math:: e_{test}-\rho\to\overline{\mathrm{tr}}\,C_{te}\Pi_0
              \Big[1+\frac{\rho}{(\rho+c_{tr})\gamma}\Big]\quad(\kappa>f_C),\qquad
              \gamma=\lim\frac\tau\alpha .
    """
    page.over(letters, *NAMES, conditions=[Condition("f_C < kappa", f_C < kappa)])
    page.use("letey2025.structured_error")
    excess = page.derive(
        "put in the spectrum",
        RISK - rho_te,
        on_curve,
        "excess error for C_tr = c_1 on a share f_C of the dimensions, on the curve of zeta",
    )
    edge = page.derive(
        "limit",
        zeta * (1 - FREE / kappa),
        lambda e: sp.factor(sp.diff(projector(e), zeta).subs(zeta, 0)),
        "more tasks than dimensions of the subspace: z = 0 is reached at zeta = 0",
    )
    page.rewrite(edge, 1 - f_C / kappa, "with a positive slope: the root is at zeta = 0")
    above = page.derive(
        "limit",
        excess,
        lambda e: sp.factor(sp.cancel(sp.together(e)).subs(zeta, 0)),
        "alpha -> oo at kappa > f_C, that is zeta -> 0",
    )
    page.rewrite(
        above,
        (1 - f_C) * e_out * (1 + rho / ((rho + VARIANCE) * gamma)),
        "the test variance outside of the subspace, and what fitting noise there adds",
    )
    white = {e_in: sp.S.One, e_out: sp.S.One}
    share = 1 + rho / ((rho + VARIANCE) * gamma)
    page.rewrite(above.subs(white), (1 - f_C) * share, "for C_te = I")
    inside = c_1 * (f_C - kappa) / kappa
    page.over(letters, *NAMES, conditions=[Condition("kappa < f_C", kappa < f_C)])
    page.rewrite(
        projector(1 - FREE / kappa).subs(zeta, inside),
        sp.S.Zero,
        "fewer tasks than dimensions of the subspace: z = 0 at zeta = c_1(f_C - kappa)/kappa",
        rule="solve",
    )
    below = page.derive(
        "limit",
        excess,
        lambda e: sp.factor(sp.cancel(sp.together(e)).subs(zeta, inside)),
        "alpha -> oo at kappa < f_C",
    )
    unseen = (f_C - kappa) * e_in + (1 - f_C) * e_out
    page.rewrite(
        below,
        unseen * (1 + rho / ((rho + VARIANCE) * gamma)),
        "only kappa d directions of the subspace have been seen",
    )
    page.rewrite(below.subs(white), (1 - kappa) * share, "for C_te = I, whatever the rank")
    box = letters.domain(*NAMES)
    page.result(
        "identity_test",
        (1 - sp.Min(kappa, f_C)) * share,
        (kappa, rho, gamma, f_C, c_1),
        domain=letters.domain(*NAMES[:5]),
        limit=LIMIT,
        symbol=r"e_{\mathrm{test}}-\rho\ (C_{\rm te}=I)",
    )
    page.result(
        "excess_error",
        (sp.Max(f_C - kappa, 0) * e_in + (1 - f_C) * e_out) * share,
        ARGUMENTS,
        domain=box,
        limit=LIMIT,
        symbol=r"e_{\mathrm{test}}-\rho",
    )
