r"""The whole theory as a curve: every error is rational in the degrees of freedom t of the tasks.

With :math:`P_T(t)=(T-t)(\kappa-t)-\kappa qt` the fixed point of the effective ridge reads
:math:`P_1(t)P_\tau(t)=\tau\lambda\kappa t(\kappa-t)`, a polynomial whose two factors are the two
sides of the interpolation threshold. Every limit of the paper is an expansion of this curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp

from derivations.lu2025.effective_ridge import IN_T, WINDOW
from derivations.lu2025.error import DEFINITIONS
from derivations.lu2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    D,
    M,
    N,
    b_2,
    delta,
    kappa,
    lam,
    letters,
    q,
    rho,
    t,
    tau,
    v,
    w,
    xi,
    y,
    z,
)
from derive.asymptotic_series import AsymptoticSeries
from derive.asymptotics import AlgebraicQuantity
from derive.puiseux import expand_along
from derive.registry import derivation
from numerics.lower import Condition

T = letters.quantity("tau_hat", "smaller of $\\tau$ and 1", lower=0, latex=r"\hat\tau")
t_1 = letters.quantity("t_1", r"distance $\hat\tau-t$, positive at the physical root", lower=0)
t_kappa = letters.quantity(
    "t_kappa", "distance $\\kappa-t$, positive at the physical root", lower=0, latex=r"t_\kappa"
)


def threshold_polynomial(top: Any) -> Any:
    """Return ``P_T(t) = (T - t)(kappa - t) - kappa q t``, positive below its smaller root."""
    return (top - t) * (kappa - t) - kappa * q * t


ABOVE, BELOW = threshold_polynomial(sp.S.One), threshold_polynomial(tau)
# The fixed point of the effective ridge as a polynomial in t, and where its root lies.
RELATION = ABOVE * BELOW - tau * lam * kappa * t * (kappa - t)
REGION = (sp.Gt(ABOVE, 0), sp.Gt(BELOW, 0), sp.Lt(t, 1), sp.Lt(t, kappa))

# Everything else as a function of t, with the parameters.
TRACE = kappa * t / (kappa - t)
RIDGE = ABOVE / (kappa * t)
SHARE = BELOW / (kappa - t)  # tau lam/xi
SQUARE = kappa * (t**2 + q * TRACE**2) / (kappa - t**2)
RESIDUAL = rho + q * t + kappa * (q + RIDGE) * RIDGE * t**2 / (kappa - t**2)
BIAS = (q * t**2 * (kappa + 1 - 2 * t) + kappa * (1 - t) ** 2) / (kappa - t**2)
IDG = tau * RESIDUAL / (SHARE + RIDGE * SQUARE)
ICL = rho + BIAS + (1 + q) * RESIDUAL * SQUARE / (SHARE + RIDGE * SQUARE)

INSIDE = (
    *WINDOW,
    Condition("xi > 0", RIDGE > 0),
    Condition("lam > 0", SHARE > 0),
)


def curve(
    expression: Any, variable: sp.Symbol, given: Mapping[Any, Any] | None = None
) -> AlgebraicQuantity:
    """Return an error as an algebraic quantity of one variable that goes to a limit.

    Parameters
    ----------
    expression : Expr
        In t and the parameters.
    variable : Symbol
        What goes to 0 or to infinity.
    given : mapping, optional
        Substituted in order, e.g. a scaling of the other parameters with the variable.

    Returns
    -------
    AlgebraicQuantity
        With the relation of the effective ridge and the region of its physical root.
    """
    parts = [expression, RELATION, *REGION]
    for symbol, value in (given or {}).items():
        parts = [part.subs(symbol, value) for part in parts]
    return AlgebraicQuantity(parts[0], variable, t, parts[1], tuple(parts[2:]))


@derivation(
    "lu2025.degrees_of_freedom",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Results 1 and 2, parametrised",
)
def degrees_of_freedom(page):
    r"""All errors are rational in the degrees of freedom of the tasks, the root of a quartic.

    .. math:: P_1(t)\,P_\tau(t)=\tau\lambda\,\kappa t(\kappa-t),\qquad
              P_T(t)=(T-t)(\kappa-t)-\kappa qt,\qquad t=\overline{\mathrm{tr}}R(R+q+\xi)^{-1}.
    """
    space = letters.domain("tau", "kappa", "q", "t", "rho", conditions=INSIDE)
    page.over(letters, "tau", "kappa", "q", "t", "rho", conditions=INSIDE)
    page.use("lu2025.effective_ridge")
    in_t = {delta: tau - 1, **IN_T}
    page.rewrite(
        M * v, t, "degrees of freedom on the curve", given={v: 1 / (1 + M / kappa), **in_t}
    )
    page.rewrite(z - q, RIDGE, "effective ridge xi = z - q on the curve", given=in_t)
    page.rewrite(
        delta + xi * M,
        SHARE,
        "tau lam/xi on the curve, by the fixed point",
        given={xi: z - q, **in_t},
    )
    page.rewrite(
        (xi * M + delta) * xi - tau * lam,
        ABOVE * BELOW / (kappa * t * (kappa - t)) - tau * lam,
        "the fixed point factorises: one factor for each side of the threshold",
        given={xi: z - q, **in_t},
        domain=letters.domain("tau", "kappa", "q", "t", "lam", conditions=INSIDE),
    )
    # Both factors are positive at the root, so t lies below the smaller root of each; at lam = 0
    # one factor vanishes, and it is the one with the smaller root.
    root_rate = page.derive(
        "differentiate",
        threshold_polynomial(T),
        lambda e: -sp.diff(e, T) / sp.diff(e, t),
        "rate at which the smaller root of P_T moves with T",
    )
    page.positive(
        root_rate,
        "the smaller root of P_T increases with T: at lam = 0 it is that of T = min(tau, 1)",
        given={T: t + t_1, kappa: t + t_kappa},
        domain=letters.domain("q", "t", "t_1", "t_kappa"),
    )
    pieces = {
        D: y + xi * b_2,
        N: rho + q * t + z * xi * t**2 / w,
        b_2: (t**2 + q * M**2) / w,
        w: v + t * z * M / kappa,
        v: t / M,
        y: delta + xi * M,
        xi: z - q,
        **in_t,
    }
    for id, printed in (("lu2025.idg_error", IDG), ("lu2025.icl_error", ICL)):
        cited = page.use(id)
        page.rewrite(
            cited.body.expr, printed, "rational in t and the parameters", given=pieces, domain=space
        )
    page.result(
        "degrees_of_freedom",
        t,
        PARAMETERS,
        where=DEFINITIONS,
        domain=letters.domain(*NAMES),
        limit=LIMIT,
        symbol="t",
    )


def expanded(
    page,
    quantity: AlgebraicQuantity,
    at: Mapping[Any, Any],
    words: str,
    *,
    point: Any = 0,
    terms: int = 1,
) -> tuple[Any, Any]:
    """Write the first terms of an expansion on the page, and the first term left out.

    Parameters
    ----------
    page : Draft
        Where the two steps go.
    quantity : AlgebraicQuantity
        From :func:`curve` or :func:`derivations.lu2025.ridgeless.ridgeless_curve`.
    at : mapping
        An exact point of the phase; it selects the physical root and nothing else.
    words : str
        What is expanded, and where.
    point : Expr
        0 or oo.
    terms : int
        How many are kept.

    Returns
    -------
    tuple of Expr
        The sum of the terms kept, and the next term.
    """

    def first(series: AsymptoticSeries) -> Any:
        return series.expression

    def left_out(series: AsymptoticSeries) -> Any:
        return series.next.expression(quantity.variable) if series.next else sp.S.Zero

    # Both steps begin from one expansion; when a step is checked again it is made again.
    known = quantity.expansion(at, terms, point)
    made: dict[Callable[[AsymptoticSeries], Any], list[Any]] = {
        pick: [pick(known)] for pick in (first, left_out)
    }

    def part(pick: Callable[[AsymptoticSeries], Any]) -> Callable[[Any], Any]:
        def operation(expression: Any) -> Any:
            if made[pick]:
                return made[pick].pop()
            return pick(replace(quantity, expression=expression).expansion(at, terms, point))

        return operation

    kept = page.derive("expand", quantity.expression, part(first), words)
    if known.next is None:
        return kept, sp.S.Zero
    following = page.derive(
        "next order", quantity.expression, part(left_out), f"first term left out: {words}"
    )
    return kept, following


def leading(page, quantities: Mapping[str, AlgebraicQuantity], at: Mapping[Any, Any], words: str):
    """Write the leading terms of several quantities on the page, along one expansion of the root.

    For quantities whose next order is long: only two terms of the root are computed.

    Parameters
    ----------
    page : Draft
        Where the steps go.
    quantities : mapping of str to AlgebraicQuantity
        By name; all of the same curve.
    at : mapping
        An exact point of the phase, to select the root.
    words : str
        Where the expansion is made.

    Returns
    -------
    dict of str to Expr
        Leading terms by name.
    """
    depth = 2
    made = [next(iter(quantities.values())).branch(at, depth)] * len(quantities)

    def first_term(quantity: AlgebraicQuantity, expression: Any) -> Any:
        branch = made.pop() if made else quantity.branch(at, depth)
        along = {quantity.unknown: branch.series}
        found = expand_along(expression, along, quantity.variable, sp.Integer(depth))
        return found.cut_to(1).expression()

    return {
        name: page.derive(
            "expand",
            quantity.expression,
            lambda e, quantity=quantity: first_term(quantity, e),
            f"{name} {words}",
        )
        for name, quantity in quantities.items()
    }
