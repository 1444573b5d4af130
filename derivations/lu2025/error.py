r"""The test errors on new tasks and on the pretraining tasks, from the estimator's second moment.

The second moment :math:`\overline{\mathrm{tr}}\,\hat\Gamma T\hat\Gamma^\top` is the derivative of
an extended resolvent in a source; the test matrix is :math:`T=T_0+T_1R`, which holds both errors:
:math:`T=q+R` for the pretraining tasks, :math:`T=1+q` for new ones.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.lu2025.effective_ridge import IN_T, PIECES, UNIVERSALITY, WINDOW, ridge_fixed_point
from derivations.lu2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    T_0,
    T_1,
    D,
    M,
    N,
    alpha,
    b_2,
    delta,
    kappa,
    lam,
    letters,
    omega,
    q,
    r,
    rho,
    t,
    tasks,
    tau,
    v,
    varpi,
    w,
    xi,
    y,
    z,
)
from derive.registry import derivation
from numerics.lower import Condition, Let
from numerics.monte_carlo import in_context_errors
from numerics.simulation import SimulationResult

B = q + r
G = 1 / (B + xi)
T = T_0 + T_1 * r
OPTIMUM = r / B
MEAN = r * G  # the mean estimator, Gamma_0 B G
SIGMA_Q2 = rho + q * tasks.trace(r / B)

# Denominator and numerator as traces; both errors are built from them.
DENOMINATOR = tau - tasks.trace(B**2 * G**2)
NUMERATOR = SIGMA_Q2 + xi**2 * tasks.trace(r**2 / B * G**2)

variance = letters.quantity(
    "V", "$\\overline{\\mathrm{tr}}\\,BGTG/D$, variance per training residual", lower=0
)
SECOND_MOMENT = tasks.trace(MEAN**2 * T) + NUMERATOR / DENOMINATOR * tasks.trace(B * G**2 * T)
SLOPE = kappa * (t**2 + q * M**2) / (kappa - t**2)  # b_2 = tr BG^2

# The same on the curve of the degrees of freedom, before any rearrangement for evaluation.
N_CLOSED = rho + q * t + kappa * z * xi * t**2 / (kappa - t**2)
D_CLOSED = tau - 1 + xi * M + xi * SLOPE

# Stable pieces after the root: tau lam/xi without 0/0, then denominator and numerator.
ratio = letters.quantity("c_e", "ratio $N/D=e_{IDG}/\\tau$", lower=0)
ERROR_PIECES = (
    *PIECES,
    Let(y, sp.Piecewise((delta + xi * M, sp.Ge(delta, 0)), (tau * lam / xi, True))),
    Let(D, y + xi * b_2),
    Let(N, rho + q * t + z * xi * t**2 / w),
)
DEFINITIONS = (Let(q, (1 + rho) / alpha), Let(delta, tau - 1), ridge_fixed_point(), *ERROR_PIECES)


def in_marchenko_pastur(expression):
    """Insert tr 1/(R+u) = M_kappa(u) and tr 1/(R+u)^2 = -M'(u) at u = q and u = z."""
    m_q, slope_q, slope_z = sp.symbols("m_q slope_q slope_z")
    at: dict[Any, Any] = {
        tasks.trace(1 / (r + q)): m_q,
        tasks.trace(1 / (r + q) ** 2): -slope_q,
        tasks.trace(G): M,
        tasks.trace(G**2): -slope_z,
        tasks.trace(r): sp.S.One,
    }
    from derive.spectral_trace import partial_fractions

    reduced = sp.expand(partial_fractions(expression).subs(at))
    return reduced.subs(slope_z, -kappa * M**2 / (kappa - t**2))


@derivation(
    "lu2025.estimator_moments",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Supplementary information, extended resolvent",
)
def estimator_moments(page):
    r"""The second moment of the ridge estimator is that of its mean plus N/D times a variance.

    .. math:: \overline{\mathrm{tr}}\,\hat\Gamma T\hat\Gamma^\top\simeq
              \overline{\mathrm{tr}}\,\Gamma_{eq}T\Gamma_{eq}^\top
              +\frac ND\,\overline{\mathrm{tr}}\,BGTG .
    """
    page.over(letters, "tau", "q", "xi", "rho", "T_0", "T_1")
    page.use("lu2025.training_statistics")
    page.use("lu2025.effective_ridge")
    page.assume(
        UNIVERSALITY,
        "the same assumption as for the effective ridge, now for the extended vector (y, phi)",
        citing="Lu et al., arXiv 2405.11751, supplementary information",
    )
    page.parametrise({}, {tasks: sp.S.One})
    box = letters.domain("q", "rho")
    page.rewrite(
        1 + rho - tasks.trace(OPTIMUM**2 * B),
        SIGMA_Q2,
        "label variance = residual variance + explained variance, tr R = 1",
        domain=box,
    )
    source = omega * (lam + varpi * T)
    extended = (1 + rho - tasks.trace(OPTIMUM**2 * B**2 / (B + source))) / omega
    page.assume(
        sp.Eq(sp.Symbol("E(pi)"), extended, evaluate=False),
        "one-resolvent equivalent of the extended resolvent; E(pi) is its Schur complement and "
        "E'(0) = tr Gamma T Gamma^T exactly",
        citing="Bai & Silverstein, Ch. 3, applied to the vector (y, phi)",
    )
    moving = sp.Function("omega")(varpi)
    fixed = omega - 1 - omega / tau * tasks.trace(B / (B + source))
    rate = sp.Symbol("omega'")

    def at_origin(expression):
        along = expression.subs(omega, moving).diff(varpi)
        return along.subs(sp.Derivative(moving, varpi), rate).subs(moving, omega).subs(varpi, 0)

    equation = page.derive(
        "differentiate",
        fixed,
        lambda e: at_origin(e).subs(omega, xi / lam),
        "fixed point with a source of strength pi, differentiated at pi = 0, omega = xi/lam",
    )
    omega_rate = page.derive(
        "solve",
        equation,
        lambda e: -e.subs(rate, 0) / e.diff(rate),
        "linear equation for the derivative of omega",
    )
    everything = letters.domain("tau", "q", "xi", "rho", "lam", "T_0", "T_1")
    page.rewrite(
        omega_rate,
        -((xi / lam) ** 2) * tasks.trace(B * G**2 * T) / DENOMINATOR,
        "omega' = -omega^2 tr BGTG / D with D = tau - tr B^2 G^2",
        domain=everything,
    )
    moment = page.derive(
        "differentiate",
        extended,
        lambda e: at_origin(e).subs(omega, xi / lam).subs(rate, -variance * (xi / lam) ** 2),
        "second moment of the estimator: derivative of E at pi = 0, omega' = -omega^2 V",
    )
    page.rewrite(
        moment,
        tasks.trace(MEAN**2 * T) + NUMERATOR * variance,
        "mean estimator Gamma_eq = RG plus N V, with V = tr BGTG / D",
        domain=letters.domain("q", "xi", "rho", "lam", "T_0", "T_1", "V"),
    )
    space = letters.domain(
        "tau", "kappa", "t", "q", "rho", conditions=(*WINDOW, Condition("q < z", q < IN_T[z]))
    )
    in_t = {xi: z - q, **IN_T}
    page.parametrise({}, {tasks: sp.S.One})
    n_closed = page.derive(
        "put in the spectrum", NUMERATOR, in_marchenko_pastur, "N in resolvent traces"
    )
    page.parametrise(in_t)
    page.rewrite(
        n_closed,
        N_CLOSED,
        "N as a sum of positive terms; the traces at q cancel",
        domain=space,
    )
    d_closed = page.derive(
        "put in the spectrum", DENOMINATOR, in_marchenko_pastur, "D in resolvent traces"
    )
    page.rewrite(
        d_closed,
        D_CLOSED,
        "D = tau lam/xi + xi b_2: a sum of positive terms by the fixed point",
        domain=space,
    )
    page.rewrite(
        kappa - t**2,
        kappa * (v + t * z * M / kappa),
        "kappa - t^2 without the subtraction, v = t/M",
        given={v: t / M, **in_t},
        domain=space,
    )
    for letter, name in ((N, "N"), (D, "D")):
        page.result(
            name,
            letter,
            PARAMETERS,
            where=DEFINITIONS,
            domain=letters.domain(*NAMES),
            limit=LIMIT,
            symbol=name,
        )


@derivation(
    "lu2025.idg_error",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Result 2",
)
def idg_error(page):
    r"""The test error on the pretraining tasks of ridge-regularised linear attention.

    .. math:: e_{IDG}=\tau N/D,\qquad D=\tau\lambda/\xi+\xi\,\overline{\mathrm{tr}}BG^2 .
    """
    page.over(letters, "tau", "q", "xi", "rho")
    page.use("lu2025.training_statistics")
    page.use("lu2025.estimator_moments")
    page.parametrise({}, {tasks: sp.S.One})
    risk = page.derive(
        "choose the test matrix",
        1 + rho - 2 * tasks.trace(MEAN * r) + SECOND_MOMENT,
        lambda e: e.subs({T_0: q, T_1: 1}),
        "mean population error of an attention matrix Gamma, A = R and T = B = q + R",
    )
    page.rewrite(
        risk,
        tau * NUMERATOR / DENOMINATOR,
        "everything collapses: N + (N/D)(tau - D) = tau N/D",
        domain=letters.domain("tau", "q", "xi", "rho"),
    )
    collapsed = page.derive(
        "put in the spectrum",
        (NUMERATOR, DENOMINATOR),
        lambda pair: tau * in_marchenko_pastur(pair[0]) / in_marchenko_pastur(pair[1]),
        "error in resolvent traces",
    )
    page.rewrite(
        collapsed,
        tau * N_CLOSED / D_CLOSED,
        "on the curve of the degrees of freedom",
        given={xi: z - q, **IN_T},
        domain=letters.domain(
            "tau", "kappa", "t", "q", "rho", conditions=(*WINDOW, Condition("q < z", q < IN_T[z]))
        ),
    )
    page.result(
        "idg_error",
        tau * N / D,
        PARAMETERS,
        where=DEFINITIONS,
        domain=letters.domain(*NAMES),
        limit=LIMIT,
        symbol=r"e_{\mathrm{IDG}}",
    )


@derivation(
    "lu2025.icl_error",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Result 1",
)
def icl_error(page):
    r"""The in-context-learning error of ridge-regularised linear attention on new tasks.

    .. math:: e_{ICL}=\rho+\frac{q\,t^2(\kappa+1-2t)+\kappa(1-t)^2}{\kappa-t^2}
              +(1+q)\frac{N}{D}\,\overline{\mathrm{tr}}BG^2 .
    """
    page.over(letters, "tau", "q", "xi", "rho")
    page.use("lu2025.training_statistics")
    page.use("lu2025.estimator_moments")
    page.parametrise({}, {tasks: sp.S.One})
    risk = page.derive(
        "choose the test matrix",
        1 + rho - 2 * tasks.trace(MEAN) + SECOND_MOMENT,
        lambda e: e.subs({T_0: 1 + q, T_1: 0}),
        "mean population error of an attention matrix Gamma, A = I and T = (1 + q) I",
    )
    closed = page.derive(
        "put in the spectrum",
        risk,
        lambda e: in_marchenko_pastur(e.subs(NUMERATOR / DENOMINATOR, ratio)),
        "error in resolvent traces",
    )
    space = letters.domain(
        "kappa", "t", "q", "rho", "c_e", conditions=(*WINDOW, Condition("q < z", q < IN_T[z]))
    )
    page.parametrise({xi: z - q, **IN_T})
    page.define(ratio, N_CLOSED / D_CLOSED, "N/D as found for the second moment of the estimator")
    positive = page.rewrite(
        closed,
        rho
        + (q * t**2 * (kappa + 1 - 2 * t) + kappa * (1 - t) ** 2) / (kappa - t**2)
        + (1 + q) * ratio * SLOPE,
        "the printed form: noise, bias of the mean estimator, variance",
        domain=space,
    )
    page.rewrite(
        positive,
        rho
        + (q * t**2 * (v + z * M / kappa) + (z * M) ** 2) / w
        + (1 + q) * ratio * (t**2 + q * M**2) / w,
        "the form that is evaluated: sums of positive terms only",
        given={w: v + t * z * M / kappa, v: t / M, xi: z - q, **IN_T},
        domain=space,
    )
    page.result(
        "icl_error",
        rho + (q * t**2 * (v + z * M / kappa) + (z * M) ** 2) / w + (1 + q) * N * b_2 / D,
        PARAMETERS,
        where=DEFINITIONS,
        domain=letters.domain(*NAMES),
        limit=LIMIT,
        symbol=r"e_{\mathrm{ICL}}",
    )


@icl_error.simulate
def simulate_icl_error(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    tau: float,
    alpha: float,
    kappa: float,
    rho: float,
    lam: float,
    **ensemble: Any,
) -> SimulationResult:
    """Pretrain linear attention at dimension ``size``; exact error on new tasks."""
    return in_context_errors(
        size, tau, alpha, kappa, rho, lam, seeds=seeds, seed=seed, **ensemble
    ).of("icl")


@idg_error.simulate
def simulate_idg_error(**parameters: Any) -> SimulationResult:
    """Pretrain linear attention as for the other error; exact error on the pretraining tasks."""
    return simulate_icl_error(**parameters).of("idg")
