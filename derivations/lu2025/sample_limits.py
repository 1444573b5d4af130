r"""Few and many pretraining sequences, and a strong ridge: the two ends of the sample axis."""

from __future__ import annotations

import sympy as sp

from derivations.lu2025.degrees_of_freedom import ICL, IDG, curve, expanded
from derivations.lu2025.notation import (
    M,
    N,
    alpha,
    kappa,
    lam,
    letters,
    q,
    rho,
    t,
    tau,
    v,
    w,
    z,
)
from derivations.lu2025.ridgeless_root import RIDGELESS, t_0
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let

LEVEL = Let(q, (1 + rho) / alpha)
HERE = {
    tau: sp.Rational(1, 2),
    lam: sp.Rational(1, 10),
    kappa: sp.Integer(3),
    q: sp.Rational(1, 3),
    t_0: sp.Rational(1, 3),
    rho: sp.Rational(1, 5),
}
SYMBOLS = {"idg": r"e_{\mathrm{IDG}}", "icl": r"e_{\mathrm{ICL}}"}
ERRORS = {"idg": IDG, "icl": ICL}


def _at(*names):
    """Return the sample point that selects the root, without the moving parameters."""
    return {symbol: value for symbol, value in HERE.items() if str(symbol) in names}


@derivation(
    "lu2025.few_samples",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then tau -> 0",
    equation="Results 1 and 2 at small tau",
)
def few_samples(page):
    r"""With few sequences both errors start at the null predictor, with slopes free of the ridge.

    .. math:: e_{ICL}=1+\rho+\tau\Big[1+\rho-\frac2{1+q}\Big]+O(\tau^2),

    so that pretraining helps at first if and only if :math:`(1+\rho)(1+q)<2`.
    """
    names = ("alpha", "kappa", "rho", "tau")
    page.over(letters, "q", "kappa", "rho", "tau")
    page.use("lu2025.degrees_of_freedom")
    printed = {
        "idg": (q - 1 - 2 / kappa) / (1 + q) - 1 + (1 + rho) * (1 + 1 / (kappa * (1 + q) ** 2)),
        "icl": 1 + rho - 2 / (1 + q),
    }
    slopes, laws = {}, {}
    for name, error in ERRORS.items():
        limit, following = expanded(
            page,
            curve(error, tau),
            _at("lam", "kappa", "q", "rho"),
            f"e_{name.upper()} as tau -> 0 at fixed ridge: the ridge drops out of both terms",
        )
        page.rewrite(limit, 1 + rho, "the null predictor")
        slopes[name] = page.rewrite(following / tau, printed[name], "slope in tau")
        laws[name] = limit + following
    for name in ERRORS:
        page.rewrite(laws[name], 1 + rho + tau * slopes[name], f"e_{name.upper()} of few samples")
    page.rewrite(
        slopes["icl"],
        ((1 + rho) * (1 + q) - 2) / (1 + q),
        "negative if and only if (1 + rho)(1 + q) < 2; independent of kappa and lam",
    )
    for name in ERRORS:
        page.result(
            f"{name}_slope",
            slopes[name],
            (alpha, kappa, rho),
            where=(LEVEL,),
            domain=letters.domain("alpha", "kappa", "rho"),
            limit=LIMIT_FEW,
            symbol=r"\partial_\tau " + SYMBOLS[name],
        )
    for name in ERRORS:
        page.result(
            name,
            1 + rho + tau * slopes[name],
            RIDGELESS,
            where=(LEVEL,),
            domain=letters.domain(*names),
            limit=LIMIT_FEW,
            symbol=SYMBOLS[name],
        )


LIMIT_FEW = "proportional limit, then tau -> 0 at fixed lam, relative error O(tau^2)"
LIMIT_STRONG = "proportional limit, then lam -> oo, relative error O(1/lam^2)"
LIMIT_MANY = "proportional limit, then tau -> oo at fixed lam, relative error O(1/tau)"


@derivation(
    "lu2025.strong_ridge",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then lam -> oo",
    equation="Results 1 and 2 at large lam",
)
def strong_ridge(page):
    r"""A strong ridge returns the null predictor, approached from below as the inverse ridge.

    .. math:: e_{ICL}=1+\rho-\frac2\lambda+O(\lambda^{-2}),\qquad
              e_{IDG}=1+\rho-\frac2\lambda\Big(1+\frac1\kappa\Big)+O(\lambda^{-2}).
    """
    page.over(letters, "kappa", "rho", "lam")
    page.use("lu2025.degrees_of_freedom")
    printed = {"idg": 1 + rho - 2 / lam * (1 + 1 / kappa), "icl": 1 + rho - 2 / lam}
    for name, error in ERRORS.items():
        law, _ = expanded(
            page,
            curve(error, lam),
            _at("tau", "kappa", "q", "rho"),
            f"e_{name.upper()} as lam -> oo",
            point=sp.oo,
            terms=2,
        )
        page.rewrite(law, printed[name], "null predictor and first gain; tau and alpha drop out")
    for name in ERRORS:
        page.result(
            name,
            printed[name],
            (kappa, rho, lam),
            domain=letters.domain("kappa", "rho", "lam", conditions=[WITH_RIDGE]),
            limit=LIMIT_STRONG,
            symbol=SYMBOLS[name],
        )


WITH_RIDGE = Condition("lam > 0", lam > 0, "a large ridge is not zero")


@derivation(
    "lu2025.many_samples",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau, then tau -> oo",
    equation="Results 1 and 2 at large tau",
)
def many_samples(page):
    r"""With many sequences the estimator is its mean with the bare ridge: no variance is left.

    .. math:: e_{IDG}\to\rho+qt+\frac{\kappa z\lambda t^2}{\kappa-t^2},\qquad
              e_{ICL}\to\rho+\frac{q\,t^2(\kappa+1-2t)+\kappa(1-t)^2}{\kappa-t^2},\qquad
              z=q+\lambda .
    """
    box = letters.domain("kappa", "rho", "t", "lam", conditions=INSIDE_MANY)
    page.over(letters, "kappa", "rho", "t", "lam", conditions=INSIDE_MANY)
    page.use("lu2025.degrees_of_freedom")
    level = (1 - t_0) * (kappa - t_0) / (kappa * t_0) - lam
    at_t = {q: level.subs(t_0, t)}
    printed = {
        "idg": rho + q * t + kappa * (q + lam) * lam * t**2 / (kappa - t**2),
        "icl": rho + (q * t**2 * (kappa + 1 - 2 * t) + kappa * (1 - t) ** 2) / (kappa - t**2),
    }
    stable = {
        "idg": rho + q * t + z * lam * t**2 / w,
        "icl": rho + (q * t**2 * (v + z * M / kappa) + (z * M) ** 2) / w,
    }
    root, _ = expanded(
        page,
        curve(t, tau, {q: level}),
        _at("lam", "kappa", "t_0", "rho"),
        "degrees of freedom as tau -> oo: t_0 with z = q + lam, the effective ridge is bare",
        point=sp.oo,
    )
    page.rewrite(root, t_0, "the curve P_1(t) = lam kappa t", domain=letters.domain("t_0"))
    for name, error in ERRORS.items():
        limit, _ = expanded(
            page,
            curve(error, tau, {q: level}),
            _at("lam", "kappa", "t_0", "rho"),
            f"e_{name.upper()} as tau -> oo at fixed ridge",
            point=sp.oo,
        )
        page.rewrite(limit.subs(t_0, t), printed[name], "bias of the mean estimator", given=at_t)
        page.rewrite(
            printed[name],
            stable[name],
            "the form that is evaluated: sums of positive terms",
            given={
                w: v + t * z * M / kappa,
                v: t / M,
                z: q + lam,
                M: kappa * t / (kappa - t),
                **at_t,
            },
            domain=box,
        )
    page.rewrite(
        printed["idg"],
        rho + q * t,
        "without ridge the limit is the residual variance of the population optimum",
        given={**at_t, lam: sp.S.Zero},
        domain=letters.domain("kappa", "rho", "t", conditions=INSIDE_MANY[:2]),
    )
    where = (
        LEVEL,
        Let(z, q + lam),
        Let(M, ResolventTrace(kappa, z)),
        Let(v, 1 / (1 + M / kappa)),
        Let(t, M * v),
        Let(w, v + t * z * M / kappa),
    )
    for name in ERRORS:
        page.result(
            name,
            stable[name],
            (alpha, kappa, rho, lam),
            where=where,
            domain=letters.domain("alpha", "kappa", "rho", "lam"),
            limit=LIMIT_MANY,
            symbol=SYMBOLS[name],
        )


INSIDE_MANY = (
    Condition("t < 1", t < 1),
    Condition("t < kappa", t < kappa),
    Condition("q > 0", (1 - t) * (kappa - t) > lam * kappa * t),
)

__all__ = ["ERRORS", "LEVEL", "SYMBOLS", "N", "few_samples", "many_samples", "strong_ridge"]
