r"""The two implicit quantities of structured tasks, with iterations that cannot miss their root.

First the effective ridge :math:`\zeta_q` of the pretraining covariance at the context noise
``q``; then its excess :math:`\epsilon=\zeta-\zeta_q` at the effective ridge of the features, from
which :math:`\xi=\epsilon h` follows without a subtraction.
"""

from __future__ import annotations

import sympy as sp

from derivations.letey2025.notation import (
    M,
    c,
    delta,
    epsilon,
    h,
    j_2,
    kappa,
    lam,
    population,
    q,
    s_1,
    tau,
    v,
    w,
    xi,
    y,
    z,
    zeta,
    zeta_q,
)
from derive.fixed_point import Branch, FixedPoint
from numerics.lower import Let

C = population
HALF = sp.Rational(1, 2)

MEAN_TRAIN = C.trace(c)
RANK = C.trace(sp.Piecewise((sp.S.One, c > 0), (sp.S.Zero, True)))
CHORD = C.trace(c / ((c + zeta) * (c + zeta_q)))
CURVATURE = C.trace(c**2 / ((c + zeta) ** 2 * (c + zeta_q)))


def mixed(at: sp.Symbol) -> sp.Expr:
    """Return tr C/(C + at)^2."""
    return C.trace(c / (c + at) ** 2)


def positive_root(first, second, third):
    """Return the root of first x^2 + second x - third in the form that does not cancel."""
    discriminant = sp.sqrt(second**2 + 4 * first * third)
    return sp.Piecewise(
        (2 * third / (second + discriminant), second > 0),
        ((discriminant - second) / (2 * first), True),
    )


def task_ridge_fixed_point(unknown: sp.Symbol, argument: sp.Symbol) -> FixedPoint:
    r"""Return the effective ridge of the pretraining covariance at an argument, by Newton.

    .. math:: \zeta\,(1-\overline{\mathrm{tr}}\,C(C+\zeta)^{-1}/\kappa)=z,\qquad
              \zeta_0=z+c_{tr}/\kappa .

    The left side is convex and the start lies above the root, so the iteration decreases to it.
    Near ``kappa`` = rank of C the bracket is a small difference of the exact ``kappa`` and the
    rank, and is written so.
    """
    share = C.trace(c / (c + unknown))
    rest = C.trace(sp.Piecewise((unknown / (c + unknown), c > 0), (sp.S.Zero, True)))
    bracket = sp.Piecewise(
        (1 - share / kappa, sp.Or(kappa < HALF, kappa > 2)),
        ((kappa - RANK) / kappa + rest / kappa, True),
    )
    curve = unknown * mixed(unknown) / kappa
    return FixedPoint(
        (unknown,),
        (unknown * v - argument,),
        Branch(region=sp.Ge(sp.Symbol(unknown.name, real=True), argument)),
        (argument + MEAN_TRAIN / kappa,),
        where=(Let(v, bracket), Let(w, v + curve)),
        step=((argument + unknown * curve) / w,),
    )


# At a given excess epsilon: xi, z and what the equation of xi needs, nothing subtracted.
PIECES = (
    Let(zeta, zeta_q + epsilon),
    Let(h, q / zeta_q + zeta * CHORD / kappa),
    Let(xi, epsilon * h),
    Let(z, q + xi),
    Let(v, z / zeta),
    Let(w, v + zeta * mixed(zeta) / kappa),
    Let(M, C.trace(1 / (c + zeta)) / v),
)
# 1 - xi M as a sum of positive terms: few samples leave tau less that, not tau - 1 + xi M.
TAKEN = (q + xi * C.trace(c / (c + zeta))) / z
SLOPE = mixed(zeta) + q * (C.trace(1 / (c + zeta) ** 2) + M * mixed(zeta) / kappa) / v


def upper_start():
    r"""Return an upper bound of the excess, sharp for small ridge above the threshold.

    Jensen gives :math:`\xi M\ge\xi/(a+\xi)`, :math:`a=q+c_{tr}`, hence an upper bound of xi by a
    quadratic; convexity of z in zeta carries it over to the excess, by the slope at q and by the
    bounded distance of zeta from z.
    """
    a = q + MEAN_TRAIN
    bound = positive_root(tau, delta * a - tau * lam, tau * lam * a)
    slope = q / zeta_q + zeta_q * mixed(zeta_q) / kappa
    return sp.Min(bound / slope, bound + C.trace(c**2 / (c + zeta_q)) / kappa)


def excess_fixed_point() -> FixedPoint:
    r"""Return the excess that solves the equation of the effective ridge, by Newton.

    .. math:: \xi\,(\tau-1+\xi M)=\tau\lambda .

    Above its root the left side increases and is convex in the excess, and the start lies above,
    so the iteration decreases to the root.
    """
    total = sp.Piecewise((tau - TAKEN, tau < HALF), (delta + xi * M, True))
    slope = y * w + xi * s_1
    return FixedPoint(
        (epsilon,),
        (xi * (delta + xi * M) - tau * lam,),
        Branch(region=sp.Ge(sp.Symbol("epsilon", real=True), 0)),
        (upper_start(),),
        where=(*PIECES, Let(s_1, SLOPE), Let(j_2, CURVATURE / kappa), Let(y, total)),
        step=(
            sp.Piecewise(
                ((y * epsilon**2 * j_2 + epsilon * xi * s_1 + tau * lam) / slope, slope > 0),
                (epsilon, True),  # tau = 1 without ridge: the root is 0 and so is the slope
            ),
        ),
    )
