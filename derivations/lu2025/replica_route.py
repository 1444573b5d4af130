r"""The replica route: a second derivation of both errors, from the partition function.

The energy per :math:`d^2` of the Kronecker-feature ridge regression, averaged over Gaussian
features with the replica trick, ends in the fixed point and the errors of the resolvent route.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp

from derivations.lu2025.effective_ridge import UNIVERSALITY
from derivations.lu2025.error import (
    DEFINITIONS,
    DENOMINATOR,
    MEAN,
    NUMERATOR,
    SECOND_MOMENT,
    SIGMA_Q2,
)
from derivations.lu2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    T_0,
    T_1,
    d,
    lam,
    letters,
    q,
    r,
    sigma_q2,
    tasks,
    tau,
    xi,
)
from derive.gaussian import GaussianLaw
from derive.index_notation import Field, Space
from derive.index_tensor import Tensor, ones
from derive.registry import derivation
from derive.replica import (
    WEIGHT,
    DisorderAverage,
    ReplicaSymmetry,
    ReplicatedAction,
    disorder_average,
)
from derive.replica_saddle import (
    CHI,
    CHI_HAT,
    Q_HAT,
    EffectiveRidge,
    GroundState,
    Q,
    effective_ridge,
    ground_state,
    linear_root,
    zero_temperature_ansatz,
)
from derive.spectral_trace import SpectralTrace, Spectrum

letters.quantity(
    "Q",
    "overlap of the weights, $\\overline{\\mathrm{tr}}(\\Gamma-\\Gamma_0)B"
    "(\\Gamma-\\Gamma_0)^\\top$",
    lower=0,
)
letters.quantity("chi", "response $\\beta(Q_{aa}-Q_{ab})$", lower=0, latex=r"\chi")
letters.quantity("Qhat", "conjugate of the response", lower=0, latex=r"\hat Q")
letters.quantity("chihat", "conjugate of the overlap", lower=0, latex=r"\hat\chi")
beta = letters.quantity("beta", "inverse temperature", lower=0, latex=r"\beta")
source = letters.quantity(
    "p_s",
    "strength of the source $\\overline{\\mathrm{tr}}\\,\\Gamma T\\Gamma^\\top/2$",
    lower=0,
    latex=r"\pi",
)
field = letters.quantity(
    "h_s", "strength of the source $-\\overline{\\mathrm{tr}}\\,\\Gamma$", lower=0, latex=r"h"
)

n, t, c = sp.Symbol("n"), sp.Symbol("t", real=True), sp.Symbol("c", real=True)
features = Spectrum("B")
b = features.eigenvalue
TEST = T_0 + T_1 * (b - q)  # test matrix T_0 + T_1 R in the eigenbasis of B = q + R
OPTIMUM = (b - q) / b


replica, row, column = Space("replica", n), Space("row", d), Space("column", d)
phi, eta = Field("phi", (row, column)), Field("eta", ())
gamma, gamma_0 = Field("Gamma", (replica, row, column)), Field("Gamma0", (row, column))
covariance = Field("B", (column, column), symmetric=True)


def _residual() -> Tensor:
    """Return the residual of each replica on one sequence, features in units of root d."""
    (a,), (i,), (j,) = replica.indices("a"), row.indices("i"), column.indices("j")
    features_part = (phi(i, j) * (gamma_0(i, j) * ones(a) - gamma(a, i, j))).sum(i, j)
    return eta() * ones(a) + features_part / d


def _averaged(residual: Tensor) -> DisorderAverage:
    """Average over Gaussian features of covariance I x B and over label noise."""
    laws = (GaussianLaw(phi, covariances=(None, covariance)), GaussianLaw(eta, sigma_q2))
    return disorder_average(residual, laws, gamma, {gamma_0: t}, covariance, features, d**2)


def _ground_state(average: DisorderAverage) -> GroundState:
    """Take n -> 0 and zero temperature of the replica-symmetric action."""
    # t and c are the amplitudes of the optimum and of the constant one on a mode of B.
    moments = ((t**2, OPTIMUM**2), (t * c, OPTIMUM), (c**2, sp.S.One))
    prior = tau * lam * WEIGHT**2 / 2 + source * TEST * WEIGHT**2 / 2 - field * c * WEIGHT
    action = ReplicatedAction(average, prior, moments, tau, beta, features)
    return ground_state(action.symmetric(zero_temperature_ansatz(n, beta)).replica_limit())


def in_tasks(expression: Any) -> Any:
    """Write traces over B as traces over the second moment R of the tasks, B = q + R."""
    return expression.replace(
        lambda e: isinstance(e, SpectralTrace),
        lambda e: tasks.trace(e.function.subs(b, q + r)),
    )


@derivation(
    "lu2025.replica_route",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="second route to Results 1 and 2",
)
def replica_route(page):
    r"""The replica-symmetric saddle point gives the same effective ridge and the same errors.

    .. math:: f=\frac{\tau(\sigma_q^2+Q)}{2(1+\chi)}-\frac{\hat QQ}2+\frac{\hat\chi\chi}2
              -\frac{\hat\chi}2\overline{\mathrm{tr}}\frac B{\hat QB+\tau\lambda}
              +\frac{\tau\lambda}2\overline{\mathrm{tr}}\,\Gamma_0^2
              \frac{\hat QB}{\hat QB+\tau\lambda} .
    """
    page.over(letters, "tau", "lam", "xi", "q", "rho")
    page.use("lu2025.training_statistics")
    page.assume(
        UNIVERSALITY,
        "the same assumption as on the resolvent route",
        citing="Lu et al., arXiv 2405.11751, supplementary information",
    )
    average = _averaged(_residual())
    page.derive(
        "average over disorder",
        _residual(),
        lambda e: _averaged(e).noise + _averaged(e).kernel,
        "covariance of the residuals of two replicas on one mode: residual variance and overlap",
    )
    page.assume(
        ReplicaSymmetry.statement,
        "the energy is convex in the weights",
        citing=ReplicaSymmetry.reference,
    )
    state = _ground_state(average)
    energy = page.derive(
        "replica limit",
        average.kernel,
        lambda e: _ground_state(replace(average, kernel=e)).without((field, source)).expression,
        "free energy per mode, n -> 0 and then zero temperature",
    )
    page.parametrise({}, {features: None})
    ridge_term = Q_HAT * b + tau * lam
    printed = (
        tau * (sigma_q2 + Q) / (2 * (1 + CHI))
        - Q_HAT * Q / 2
        + CHI_HAT * CHI / 2
        - CHI_HAT / 2 * features.trace(b / ridge_term)
        + tau * lam / 2 * features.trace(OPTIMUM**2 * Q_HAT * b / ridge_term)
    )
    order = ("tau", "lam", "q", "sigma_q2", "Q", "chi", "Qhat", "chihat")
    page.rewrite(energy, printed, "the printed free energy", domain=letters.domain(*order))
    for parameter, name, value, words in (
        (Q, Q_HAT, tau / (1 + CHI), "stationarity in Q"),
        (CHI, CHI_HAT, tau * (sigma_q2 + Q) / (1 + CHI) ** 2, "stationarity in chi"),
        (CHI_HAT, CHI, features.trace(b / ridge_term), "stationarity in chihat"),
        (
            Q_HAT,
            Q,
            CHI_HAT * features.trace(b**2 / ridge_term**2)
            + (tau * lam) ** 2 * features.trace(OPTIMUM**2 * b / ridge_term**2),
            "stationarity in Qhat",
        ),
    ):
        line = page.derive(
            "differentiate",
            energy,
            lambda e, parameter=parameter, name=name: linear_root(e.diff(parameter), name),
            f"{words}: solved for {name}",
        )
        page.rewrite(line, value, words, domain=letters.domain(*order))
    page.parametrise({}, {tasks: sp.S.One})

    def ridge() -> EffectiveRidge:
        return effective_ridge(state, xi, lam, (field, source))

    fixed_point = page.derive(
        "eliminate",
        energy,
        lambda _: in_tasks(ridge().fixed_point.rhs),
        "with xi = tau lam/Qhat the order parameters leave one equation for the bare ridge",
    )
    page.rewrite(
        fixed_point,
        xi - xi / tau * (1 - xi * tasks.trace(1 / (r + q + xi))),
        "the fixed point of the resolvent route",
        domain=letters.domain("tau", "xi", "q"),
    )
    box = letters.domain("tau", "xi", "q", "rho")
    error = page.derive(
        "eliminate",
        energy,
        lambda _: in_tasks(ridge().error).subs(sigma_q2, SIGMA_Q2),
        "e_IDG = sigma_q^2 + Q at the saddle point",
    )
    page.rewrite(error, tau * NUMERATOR / DENOMINATOR, "e_IDG of the resolvent route", domain=box)
    first = page.derive(
        "differentiate",
        energy,
        lambda _: in_tasks(-ridge().response(field)),
        "tr Gamma is minus the response of the energy to a linear source",
    )
    page.rewrite(first, tasks.trace(MEAN), "mean estimator", domain=letters.domain("xi", "q"))
    second = page.derive(
        "differentiate",
        energy,
        lambda _: in_tasks(2 * ridge().response(source)).subs(sigma_q2, SIGMA_Q2),
        "tr Gamma T Gamma^T is twice the response to a quadratic source",
    )
    page.rewrite(
        second,
        SECOND_MOMENT,
        "second moment of the resolvent route, for every test matrix T = T_0 + T_1 R",
        domain=letters.domain("tau", "xi", "q", "rho", "T_0", "T_1"),
    )
    known = page.use("lu2025.idg_error")
    for name, formula in (("idg_error", known), ("icl_error", page.use("lu2025.icl_error"))):
        page.result(
            name,
            formula.body.expr,
            PARAMETERS,
            where=DEFINITIONS,
            domain=letters.domain(*NAMES),
            limit=LIMIT,
            symbol=formula.body.symbol,
        )
