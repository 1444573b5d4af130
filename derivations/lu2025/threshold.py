r"""The interpolation threshold: the double-descent peak of both errors and its scaling function."""

from __future__ import annotations

import sympy as sp

from derivations.lu2025.degrees_of_freedom import ICL, IDG, RIDGE, curve, leading
from derivations.lu2025.error import simulate_icl_error
from derivations.lu2025.notation import (
    NAMES,
    PARAMETERS,
    alpha,
    delta,
    kappa,
    lam,
    letters,
    q,
    rho,
    sigma_q2,
    t,
    tau,
    v,
)
from derivations.lu2025.ridgeless import TRACE_AT_Q, m
from derivations.lu2025.ridgeless_root import t_0
from derive.registry import derivation
from numerics.lower import Condition, Let

eps = letters.quantity("eps", "size of the critical region, $\\sqrt\\lambda$", lower=0)
xi_1 = letters.quantity("xi_1", "effective ridge in that unit", lower=0, latex=r"\xi_1")
y_1 = letters.quantity("y_1", "$\\tau\\lambda/\\xi$ in that unit", lower=0)
breadth = letters.quantity(
    "Delta_t", "width $\\sqrt{(\\tau-1)^2+4\\lambda m}$ of the peak", lower=0, latex=r"\Delta_\tau"
)

NEAR = "proportional limit, then tau -> 1 and lam -> 0 at fixed (tau-1)/sqrt(lam)"
# In the critical region tau - 1 = eps (y_1 - m xi_1) and lam = eps^2 xi_1 y_1, m at q: the root of
# the scaling function is rational in its own leading terms.
AT_Q = {m: kappa * t_0 / (kappa - t_0), q: (1 - t_0) * (kappa - t_0) / (kappa * t_0)}
SCALED = {tau: 1 + (y_1 - m * xi_1) * eps, lam: xi_1 * y_1 * eps**2, **AT_Q}
HERE = {
    xi_1: sp.Rational(3, 2),
    y_1: sp.Rational(5, 3),
    kappa: sp.Integer(3),
    t_0: sp.Rational(1, 3),
    rho: sp.Rational(1, 5),
}
INSIDE = (Condition("t_0 < 1", t_0 < 1), Condition("t_0 < kappa", t_0 < kappa))


@derivation(
    "lu2025.interpolation_threshold",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then tau -> 1, lam -> 0",
    equation="Results 1 and 2 at the interpolation threshold",
)
def interpolation_threshold(page):
    r"""Both errors diverge at tau = 1 with exponent one, and the ridge rounds the peak off.

    .. math:: e_{IDG}\simeq\frac{\sigma_q^2}{\sqrt{(\tau-1)^2+4\lambda m}},\qquad
              e_{ICL}\simeq(1+q)\,m\,e_{IDG},\qquad m=M_\kappa(q).
    """
    page.over(letters, "kappa", "rho", "t_0", "xi_1", "y_1", "eps", conditions=INSIDE)
    page.use("lu2025.degrees_of_freedom")
    residual = rho + q * (1 - q * m)
    offset, ridge = y_1 - m * xi_1, xi_1 * y_1  # (tau - 1)/eps and lam/eps^2
    critical = {"xi": RIDGE, "idg": IDG, "icl": ICL}
    laws = leading(
        page,
        {name: curve(expression, eps, SCALED) for name, expression in critical.items()},
        HERE,
        "at tau - 1 = eps (y_1 - m xi_1) and lam = eps^2 xi_1 y_1 as eps -> 0",
    )
    page.rewrite(laws["xi"], eps * xi_1, "xi_1 is the effective ridge of the critical region")
    page.rewrite(
        (y_1 + m * xi_1) ** 2,
        offset**2 + 4 * ridge * m,
        "with m xi^2 + (tau - 1) xi = lam, the sum y + m xi is the width of the peak",
        given={},
        domain=letters.domain("m", "xi_1", "y_1"),
    )
    page.rewrite(
        laws["idg"],
        residual / (eps * (y_1 + m * xi_1)),
        "residual variance over the width: exponent one on both sides",
        given=AT_Q,
    )
    ratio = page.rewrite(
        laws["icl"] / laws["idg"],
        (1 + q) * m,
        "the variance that diverges is seen by new tasks through tr BG^2 = m",
        given=AT_Q,
    )
    page.over(letters, "xi_1", "y_1", "m")
    relative = offset / (y_1 + m * xi_1)
    first = page.derive(
        "limit",
        relative,
        lambda e: sp.limit(e, xi_1, 0),
        "(tau - 1) e_IDG/sigma_q^2 with lam -> 0 before tau -> 1+: at fixed tau - 1, xi_1 -> 0",
    )
    second = page.derive(
        "limit",
        relative,
        lambda e: sp.limit(e.subs(y_1, m * xi_1), xi_1, 0),
        "the same with tau -> 1 before lam -> 0: y_1 = m xi_1",
    )
    page.rewrite(first - second, sp.S.One, "the two limits do not commute")
    page.rewrite(
        (y_1 + m * xi_1) ** 2 / ridge,
        4 * m,
        "at tau = 1 the peak has the height sigma_q^2/(2 sqrt(lam m))",
        given={y_1: m * xi_1},
        domain=letters.domain("m", "xi_1"),
    )
    # In the distance and the ridge themselves, with the width of the peak for y_1 + m xi_1.
    page.rewrite(
        (eps * (y_1 + m * xi_1)) ** 2,
        delta**2 + 4 * lam * m,
        "square of the width in the distance and the ridge",
        given={delta: eps * offset, lam: eps**2 * ridge},
        domain=letters.domain("m", "xi_1", "y_1", "eps"),
    )
    page.define(breadth, sp.sqrt(delta**2 + 4 * lam * m), "the width of the peak, a positive root")
    wide = {xi_1: (breadth - delta) / (2 * m * eps), y_1: (breadth + delta) / (2 * eps)}
    everything = letters.domain("m", "Delta_t", "delta", "eps", "rho", "q")
    page.rewrite(
        eps * xi_1,
        (breadth - delta) / (2 * m),
        "effective ridge near the threshold",
        given=wide,
        domain=everything,
    )
    for name, law in (
        ("idg", sigma_q2 / breadth),
        ("icl", (1 + q) * m * sigma_q2 / breadth),
    ):
        page.rewrite(
            (1 if name == "idg" else ratio) * residual / (eps * (y_1 + m * xi_1)),
            law,
            f"e_{name.upper()} near the threshold",
            given={**wide, sigma_q2: residual},
            domain=everything,
        )
    where = (
        Let(q, (1 + rho) / alpha),
        Let(delta, tau - 1),
        Let(m, TRACE_AT_Q),
        Let(v, 1 / (1 + m / kappa)),
        Let(t, m * v),
        Let(sigma_q2, rho + q * t),
        Let(breadth, sp.sqrt(delta**2 + 4 * lam * m)),
    )
    domain = letters.domain(*NAMES)
    page.result(
        "xi",
        sp.Piecewise((2 * lam / (delta + breadth), delta > 0), ((breadth - delta) / (2 * m), True)),
        PARAMETERS,
        where=where,
        domain=domain,
        limit=NEAR,
        symbol=r"\xi",
    )
    idg = sigma_q2 / breadth
    for name, law in (("idg", idg), ("icl", ratio * idg)):
        page.result(
            name,
            sp.Piecewise((sp.oo, sp.Eq(breadth, 0)), (law, True)),
            PARAMETERS,
            where=where,
            domain=domain,
            limit=NEAR,
            symbol=rf"e_{{\mathrm{{{name.upper()}}}}}",
        )


interpolation_threshold.simulate(simulate_icl_error)
