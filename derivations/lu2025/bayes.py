r"""Bayes estimators that set the scale: ridge for Gaussian tasks, dMMSE for a list of tasks."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.lu2025.notation import M, alpha, kappa, letters, q, rho, t, v, w, z
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Let
from numerics.monte_carlo import discrete_bayes, ridge_bayes
from numerics.simulation import SimulationResult

h = letters.quantity(
    "S", "eigenvalue of the second moment of the context's tokens, $X^\\top X/\\alpha$", lower=0
)
gain = letters.quantity("f", "shrinkage of the least-squares estimate in one direction")
excess = letters.quantity("x_B", "excess error $e_{ridge}-\\rho$ of the Bayes estimator", lower=0)

_SHIFT = rho + alpha - 1
_RADICAL = sp.sqrt(_SHIFT**2 + 4 * rho)
EXCESS = sp.Piecewise((2 * rho / (_SHIFT + _RADICAL), _SHIFT > 0), ((_RADICAL - _SHIFT) / 2, True))


@derivation(
    "lu2025.bayes_ridge_error",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l -> oo with l/d -> alpha",
    equation="Bayes-optimal ridge estimator",
)
def bayes_ridge_error(page):
    r"""The Bayes error for Gaussian tasks is that of ridge regression on the context alone.

    .. math:: e_{ridge}=\rho\Big(1+\tfrac1\alpha M_\alpha(\rho/\alpha)\Big)
              =\rho+\frac{2\rho}{\rho+\alpha-1+\sqrt{(\rho+\alpha-1)^2+4\rho}} .
    """
    page.over(letters, "alpha", "rho", "S")
    page.use("classics.marchenko_pastur")
    page.assume(
        "X^T X = alpha R with R the second moment of l independent Gaussian vectors in d "
        "dimensions",
        "entries of the context are N(0, 1/d): the definition of the model",
        citing="Lu et al., arXiv 2405.11751, Model",
    )
    # In one eigendirection the context shows w plus noise of variance rho/(alpha S).
    risk = (1 - gain) ** 2 + gain**2 * rho / (alpha * h)
    best = page.derive(
        "minimise",
        risk,
        lambda e: sp.solve(sp.diff(e, gain), gain)[0],
        "shrinkage in one direction of the context, prior variance 1",
    )
    page.rewrite(
        best, alpha * h / (alpha * h + rho), "the posterior mean is ridge regression, ridge rho"
    )
    page.rewrite(
        risk.subs(gain, best),
        rho / alpha / (h + rho / alpha),
        "posterior variance: the excess error is (rho/alpha) tr (R + rho/alpha)^-1",
    )
    u = sp.Symbol("u", positive=True)
    page.over(letters, "alpha", "rho")
    error = page.rewrite(
        rho + rho / alpha * ResolventTrace(alpha, rho / alpha),
        rho + 2 * rho / (_SHIFT + _RADICAL),
        "the closed form, as printed",
    )
    closed = error - rho
    page.rewrite(
        error,
        rho + (_RADICAL - _SHIFT) / 2,
        "the same without cancellation where rho + alpha < 1, and right at rho = 0",
    )
    series = page.derive(
        "expand",
        closed.subs(alpha, 1 / u),
        lambda e: sp.limit(sp.diff(e, u).subs(rho, RHO), u, 0).subs(RHO, rho),
        "coefficient of 1/alpha at long context",
    )
    page.rewrite(series, rho, "e_ridge - rho = rho/alpha + ...", domain=letters.domain("rho"))
    fresh = page.use("lu2025.many_samples", "icl")
    linear = page.derive(
        "limit",
        fresh.body.expr,
        _fresh_tasks_long_context,
        "alpha (e_ICL - rho) as alpha -> oo for linear attention with all the data in the world: "
        "tau -> oo, kappa -> oo, lam = 0",
    )
    page.rewrite(linear, 1 + rho, "against rho for Bayes", domain=letters.domain("rho"))
    page.rewrite(
        linear - series, sp.S.One, "the gap to Bayes is 1/alpha", domain=letters.domain("rho")
    )
    page.result(
        "bayes_ridge_error",
        rho + excess,
        (alpha, rho),
        where=(Let(excess, EXCESS),),
        domain=letters.domain("alpha", "rho"),
        limit="d, l -> oo with l/d -> alpha",
        symbol=r"e_{\mathrm{ridge}}",
    )


RHO = sp.Symbol("rho", positive=True)


def _fresh_tasks_long_context(expression: Any) -> Any:
    """Return the limit of alpha (e - rho) at infinite kappa and zero ridge, R = 1."""
    at_one = {w: v + t * z * M / kappa, v: 1, t: M, M: 1 / (1 + z), z: q, kappa: sp.oo}
    for symbol, value in at_one.items():
        expression = expression.subs(symbol, value)
    return sp.limit(alpha * (expression - rho).subs(q, (1 + rho) / alpha), alpha, sp.oo)


@bayes_ridge_error.simulate
def simulate_bayes_ridge(
    *, size: int = 64, seeds: int = 8, seed: int = 0, alpha: float, rho: float, **trials: Any
) -> SimulationResult:
    """Average the exact posterior variance over contexts of length ``alpha * size``."""
    return ridge_bayes(size, alpha, rho, seeds=seeds, seed=seed, **trials)


@derivation(
    "lu2025.dmmse",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k -> oo with l/d -> alpha, k/d -> kappa",
    equation="dMMSE estimator",
)
def dmmse(page):
    r"""The Bayes estimator for a finite list of tasks memorises it: no closed form, a slow limit.

    .. math:: \hat w=\sum_jP_jw_j,\qquad P_j\propto e^{-|y-X_{ctx}w_j|^2/2\rho},\qquad
              e_{IDG}\to\rho,\quad e_{ICL}\to\rho+2,

    with a deficit of order :math:`\sqrt{(\log k)/d}`: escaping memorisation takes k exponential
    in d, where linear attention needs k of order d.
    """
    page.over(letters, "rho", "kappa", "alpha")
    page.assume(
        "w_hat = sum_j P_j w_j with P_j proportional to exp(-|y - X w_j|^2/(2 rho))",
        "posterior mean under the uniform law on the k pretraining tasks",
        citing="Lu et al., arXiv 2405.11751; Raventos et al., arXiv 2306.15063",
    )
    page.assume(
        "At fixed kappa and alpha the weight of the true pretraining task tends to 1, and for a "
        "new task the weight of one pretraining task tends to 1",
        "the log-weights differ by terms of order d and the largest of k = kappa d of them stands "
        "out; tested by simulation, which approaches it only as sqrt(log(k)/d)",
        citing="Random energy picture of Lu et al., arXiv 2405.11751",
    )
    first, second = sp.symbols("w_j w_new")
    risk = page.derive(
        "average",
        (second - first) ** 2,
        lambda e: sp.expand(e).subs({first**2: 1, second**2: 1, first * second: 0}),
        "squared distance per direction between a new task and an unrelated pretraining task",
    )
    page.rewrite(rho + risk, rho + 2, "limit of e_ICL: worse than the null predictor's 1 + rho")
    page.rewrite(
        (rho + risk) - rho,
        sp.Integer(2),
        "limit of the gap e_ICL - e_IDG at every fixed kappa",
        domain=letters.domain("rho"),
    )


@dmmse.simulate
def simulate_dmmse(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    alpha: float,
    kappa: float,
    rho: float,
    **ensemble: Any,
) -> SimulationResult:
    """Average the dMMSE error over contexts, exactly over the query; new and pretraining tasks."""
    return discrete_bayes(size, alpha, kappa, rho, seeds=seeds, seed=seed, **ensemble)


__all__ = ["bayes_ridge_error", "dmmse"]
