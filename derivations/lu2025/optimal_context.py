r"""The context length that is best: the errors are not monotone in alpha.

Without ridge both alpha and the errors are rational in the degrees of freedom t, and alpha
increases with t. So the stationary points are the roots of one polynomial, isolated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import sympy as sp

from derivations.lu2025.degrees_of_freedom import expanded
from derivations.lu2025.notation import M, N, kappa, letters, q, rho, t, tau
from derivations.lu2025.ridgeless import ICL_SIDE, IDG_SIDE
from derivations.lu2025.ridgeless_root import NOISE_LEVEL, WINDOW, ridgeless_curve
from derivations.lu2025.threshold import eps
from derive.errors import DomainError
from derive.registry import derivation
from derive.spectral_trace import exact
from numerics.lower import Condition

ErrorName = Literal["icl", "idg"]
Place = Literal["interior", "alpha -> 0", "alpha -> oo"]
SIDE_ERRORS = {"icl": ICL_SIDE, "idg": IDG_SIDE}
x_q = letters.quantity("x_q", "context-noise level in units of $1/\\sqrt{\\tau-1}$", lower=0)
LIMIT_TAU = "proportional limit, lam -> 0, then tau -> oo at kappa < 1, rho > 0"


@cache
def stationarity(error: ErrorName, side: str) -> Any:
    """Return the polynomial in t whose roots inside the window are the stationary contexts.

    Parameters
    ----------
    error : {"icl", "idg"}
        Which error.
    side : {"above", "below"}
        Of the interpolation threshold.

    Returns
    -------
    Expr
        With the sign of de/dt, hence of de/dalpha, inside the window.
    """
    return slope_polynomial(SIDE_ERRORS[error][side], side)


def slope_polynomial(error: Any, side: str) -> Any:
    """Return the polynomial with the sign of de/dt of an error on one side of the threshold."""
    along = error.subs(q, NOISE_LEVEL[side])
    numerator, denominator = sp.fraction(sp.cancel(sp.diff(sp.together(along), t)))
    # The denominator is a product of squares and of (tau - 1): only that factor has a sign.
    sign = sp.cancel(denominator / (tau - 1))
    return numerator * (tau - 1) if sign.has(t) else numerator


@dataclass(frozen=True)
class StationaryContext:
    """A context length at which the error has zero slope.

    Parameters
    ----------
    kind : {"minimum", "maximum"}
        Of the error as a function of alpha.
    lower, upper : Fraction
        Exact bounds of alpha.
    error : Fraction
        The error there, as accurate as the square of the width of the bounds.
    """

    kind: Literal["minimum", "maximum"]
    lower: Fraction
    upper: Fraction
    error: Fraction

    @property
    def alpha(self) -> float:
        """The context length as a float."""
        return float((self.lower + self.upper) / 2)


@dataclass(frozen=True)
class OptimalContext:
    """The infimum of an error over the context length.

    Parameters
    ----------
    where : {"interior", "alpha -> 0", "alpha -> oo"}
        Where the infimum lies.
    alpha : float
        The minimiser; 0 or inf where the infimum is a limit.
    error : float
        The infimum.
    stationary : tuple of StationaryContext
        All stationary points by increasing alpha.
    """

    where: Place
    alpha: float
    error: float
    stationary: tuple[StationaryContext, ...]

    @property
    def monotone(self) -> bool:
        """Whether the error is monotone in the context length."""
        return not self.stationary


def best_context(
    *, tau: Any, kappa: Any, rho: Any, error: ErrorName = "icl", bits: int = 80
) -> OptimalContext:
    r"""Find the context length with the smallest ridgeless error, with every stationary point.

    .. math:: \frac{d}{d\alpha}\,e(\tau,\alpha,\kappa,\rho)\Big|_{\lambda\to0}=0 .

    Parameters
    ----------
    tau, kappa, rho : int, str or Fraction
        :math:`n/d^2` (not 1), :math:`k/d`, and noise, all positive and finite; decimal strings
        mean that decimal.
    error : {"icl", "idg"}
        New tasks, or the pretraining tasks.
    bits : int
        Relative width of the bounds, in bits.

    Returns
    -------
    OptimalContext

    Raises
    ------
    DomainError
        At tau = 1, or outside positive finite values.

    Validity
    --------
    Root isolation is exact, so no stationary point is missed; an infimum approached only as
    alpha tends to 0 or infinity is named as such.

    References
    ----------
    arXiv 2405.11751, non-monotonicity in context length.

    Examples
    --------
    >>> best = best_context(tau=20, kappa="0.5", rho="0.1")
    >>> best.where, round(best.alpha, 3), round(best.error, 4), len(best.stationary)
    ('interior', 14.896, 0.691, 2)
    """
    call = f"best_context(tau={tau!s:.20}, kappa={kappa!s:.20}, rho={rho!s:.20})"
    values = {name: exact(v, call) for name, v in (("tau", tau), ("kappa", kappa), ("rho", rho))}
    if values["tau"] == 1 or not all(v.is_Rational and v > 0 for v in values.values()):
        raise DomainError(
            call,
            "the point is outside tau, kappa, rho > 0 with tau != 1, all rational",
            "without noise or at the threshold the error has no stationary context to compare",
            "best_context(tau=2, kappa='0.5', rho='0.1')",
        )
    point = {PARAMETER[name]: value for name, value in values.items()}
    side = "above" if values["tau"] > 1 else "below"
    top = min(values["kappa"], sp.S.One if side == "above" else values["tau"])
    found = _stationary_points(error, side, point, top, bits)
    candidates: list[tuple[Any, Place, float]] = [(_short(values), "alpha -> 0", 0.0)]
    long = _long(error, side, values)
    if long is not None:
        candidates.append((long, "alpha -> oo", float("inf")))
    for point_found in found:
        if point_found.kind == "minimum":
            candidates.append((point_found.error, "interior", point_found.alpha))
    value, where, at = min(candidates, key=lambda candidate: candidate[0])
    return OptimalContext(where, at, float(value), found)


PARAMETER = {"tau": tau, "kappa": kappa, "rho": rho}


def _stationary_points(error, side, point, top, bits) -> tuple[StationaryContext, ...]:
    polynomial: Any = sp.Poly(stationarity(error, side).subs(point), t, domain="QQ")
    end = sp.Poly(t - top, t, domain="QQ")
    while polynomial.eval(top) == 0 and not polynomial.is_zero:
        polynomial = polynomial.exquo(end)  # a root at alpha = oo is no stationary point
    odd: Any = sp.Poly(1, t, domain="QQ")
    for factor, power in polynomial.sqf_list()[1]:
        if power % 2:
            odd *= factor
    if odd.degree() == 0:
        return ()
    level = NOISE_LEVEL[side].subs(point)
    along = SIDE_ERRORS[error][side].subs(q, NOISE_LEVEL[side]).subs(point)
    width = top / 2**bits
    found = []
    for (low, high), _ in odd.intervals(eps=width, inf=0, sup=top):
        if high <= 0 or low >= top:
            continue
        # Bounds at which the sign of the slope is decided.
        low, high = max(low - width, low / 2), min(high + width, (high + top) / 2)
        rises = odd.eval(high) * _sign_of_rest(polynomial, odd, high) > 0
        falls = odd.eval(low) * _sign_of_rest(polynomial, odd, low) < 0
        kind = "minimum" if rises and falls else "maximum"
        shortest, longest = (_fraction((1 + point[rho]) / level.subs(t, at)) for at in (low, high))
        middle = along.subs(t, (low + high) / 2)
        found.append(StationaryContext(kind, shortest, longest, _fraction(middle)))
    return tuple(found)


def _sign_of_rest(polynomial, odd, at) -> int:
    """Return the sign of the even factors and of the leading constant."""
    return int(sp.sign(polynomial.exquo(odd).eval(at)))


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _short(values) -> Any:
    top, gap = min(values["tau"], 1), abs(values["tau"] - 1)
    return (1 + values["rho"]) * (1 + top / gap)


def _long(error, side, values) -> Any:
    """Return the limit of the error at infinite context, or None where it diverges."""
    top = sp.S.One if side == "above" else values["tau"]
    point = {PARAMETER[name]: value for name, value in values.items()}
    if values["kappa"] == top:
        return None if (error, side) != ("idg", "above") else _saturated(point)
    if error == "icl" and values["kappa"] < top:
        return None
    # Off the boundary the curve ends at t = min(T, kappa) with a finite value.
    along = sp.cancel(SIDE_ERRORS[error][side].subs(q, NOISE_LEVEL[side]).subs(point))
    return sp.sympify(along.subs(t, min(top, values["kappa"])))


def _saturated(point) -> Any:
    return point[tau] * point[rho] / (point[tau] - 1)


def _boundary(page):
    """Derive where the blow-up of the error on new tasks with the context length ends."""
    growth = page.use("lu2025.long_context", "icl").body.expr.args
    for side, law in (("above", growth[0].expr), ("below", growth[1].expr)):
        page.derive(
            "solve",
            sp.cancel(q * law),
            lambda e: sp.solve(e, kappa)[0],
            f"the rate in alpha of e_ICL vanishes at this kappa {side} the threshold; with fewer "
            "tasks the longest context is never the best",
        )
    page.result(
        "boundary",
        sp.Min(tau, 1),
        (tau,),
        domain=letters.domain("tau", conditions=[Condition("tau != 1", sp.Ne(tau, 1))]),
        limit="proportional limit, lam -> 0, then alpha -> oo",
        symbol=r"\kappa_c",
    )


@derivation(
    "lu2025.optimal_context",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, lam -> 0, then n/d^2 = tau -> oo",
    equation="Non-monotonicity in context length",
)
def optimal_context(page):
    r"""With fewer tasks than dimensions there is a best context length, of order root tau.

    The exact minimiser at a point, with every other stationary context, is
    :func:`derivations.lu2025.best_context`. For :math:`\kappa\le\min(\tau,1)` the error on new
    tasks diverges with the context length; for large :math:`\tau`

    .. math:: \alpha^*\simeq(1+\rho)\sqrt{\frac{\kappa(\tau-1)}{(1-\kappa)\rho}},\qquad
              e_{ICL}^*\simeq\rho+1-\kappa+2\sqrt{\frac{\kappa(1-\kappa)\rho}{\tau-1}}
              \quad(\kappa<1).
    """
    few = Condition(
        "kappa < 1", kappa < 1, "with more tasks the error has a finite long-context limit"
    )
    page.over(letters, "kappa", "rho", "x_q", "eps", conditions=[few])
    page.use("lu2025.icl_error_ridgeless")
    page.use("lu2025.idg_error_ridgeless")
    _boundary(page)
    slope = page.derive(
        "differentiate",
        IDG_SIDE["above"].subs(q, NOISE_LEVEL["above"]),
        lambda e: sp.factor(sp.diff(e, t)),
        "slope of the error on pretraining tasks in t, above the threshold",
    )
    page.rewrite(
        slope,
        -tau * ((1 - t) + (kappa - t)) / (kappa * (tau - 1)),
        "negative: on the pretraining tasks a longer context always helps for tau > 1",
        domain=letters.domain("tau", "kappa", "t", conditions=WINDOW["above"]),
    )
    for error in ("icl", "idg"):
        for side in ("above", "below"):
            page.derive(
                "differentiate",
                SIDE_ERRORS[error][side],
                lambda e, side=side: sp.collect(sp.expand(slope_polynomial(e, side)), t),
                f"stationary contexts of e_{error.upper()} {side} the threshold: roots of this "
                "polynomial with 0 < t < min(tau, 1, kappa)",
            )
    saturated, following = expanded(
        page,
        ridgeless_curve(ICL_SIDE["above"], "above", eps, {q: eps * x_q, tau: 1 + 1 / eps**2}),
        {kappa: sp.Rational(1, 3), rho: sp.Rational(1, 5), x_q: sp.Rational(3, 2)},
        "e_ICL for tau - 1 = 1/eps^2 and q = eps x_q as eps -> 0",
    )
    law = page.rewrite(
        saturated + following,
        rho + 1 - kappa + eps * (kappa * x_q + (1 - kappa) * rho / x_q),
        "context noise against the variance of training",
    )
    best = page.derive(
        "minimise",
        law,
        lambda e: sp.solve(sp.diff(e, x_q), x_q)[-1],
        "balance of the two in x_q",
    )
    page.rewrite(
        best,
        sp.sqrt((1 - kappa) * rho / kappa),
        "best level",
        domain=letters.domain("kappa", "rho", conditions=[few]),
    )
    gap = tau - 1
    # kappa = M/(1 + M) and tau = 1 + N cover kappa < 1 and tau > 1 with positive letters.
    inside = {"given": {kappa: M / (1 + M), tau: 1 + N}, "domain": letters.domain("M", "N", "rho")}
    value = page.rewrite(
        law.subs(x_q, sp.sqrt((1 - kappa) * rho / kappa)).subs(eps, 1 / sp.sqrt(gap)),
        rho + 1 - kappa + 2 * sp.sqrt(kappa * (1 - kappa) * rho / gap),
        "smallest error",
        **inside,
    )
    length = page.rewrite(
        (1 + rho) / (sp.sqrt((1 - kappa) * rho / kappa) / sp.sqrt(gap)),
        (1 + rho) * sp.sqrt(kappa * gap / ((1 - kappa) * rho)),
        "alpha = (1 + rho)/q at the best level",
        **inside,
    )
    noisy = Condition("rho > 0", rho > 0, "without label noise the error has no minimum in alpha")
    box = letters.domain("tau", "kappa", "rho", conditions=[few, noisy, WINDOW["above"][2]])
    for name, form, symbol in (
        ("error", value, r"e_{\mathrm{ICL}}^*"),
        ("alpha", length, r"\alpha^*"),
    ):
        page.result(name, form, (tau, kappa, rho), domain=box, limit=LIMIT_TAU, symbol=symbol)


__all__ = [
    "OptimalContext",
    "StationaryContext",
    "best_context",
    "optimal_context",
    "stationarity",
]
