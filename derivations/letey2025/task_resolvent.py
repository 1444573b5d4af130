r"""The pretraining tasks through their covariance: deterministic equivalents of one and two G.

With :math:`R=\frac1k\sum_jw_jw_j^\top`, :math:`w_j\sim N(0,C_{tr})` and :math:`G=(R+z)^{-1}`, every
trace that the errors need becomes a trace over the population covariance at its effective ridge
:math:`\zeta`, written as sums of positive terms.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.letey2025.fixed_points import task_ridge_fixed_point
from derivations.letey2025.joint_spectrum import TWO_ATOMS, two_atoms
from derivations.letey2025.notation import (
    TEST,
    M,
    W,
    b_2,
    c,
    f_2,
    g_2,
    kappa,
    letters,
    population,
    q,
    r,
    t,
    tasks,
    v,
    w,
    z,
    zeta,
)
from derive.deterministic_equivalent import SampleCovariance, one_resolvent, two_resolvents
from derive.registry import derivation
from derive.spectral_trace import partial_fractions
from derive.verdict import Evidence, weakest

C = population
SAMPLE = SampleCovariance(C, 1 / kappa, z, zeta)

# Traces over the pretraining covariance at its effective ridge.
FREE = C.trace(c / (c + zeta))
RESOLVENT = C.trace(1 / (c + zeta))
RESOLVENT_2 = C.trace(1 / (c + zeta) ** 2)
MIXED = C.trace(c / (c + zeta) ** 2)
FREE_2 = C.trace(c**2 / (c + zeta) ** 2)
TEST_RESOLVENT = C.trace(1 / (c + zeta), TEST)
TEST_RESOLVENT_2 = C.trace(1 / (c + zeta) ** 2, TEST)
TEST_MIXED = C.trace(c / (c + zeta) ** 2, TEST)

# What the errors are made of, every term positive: v = z/zeta and w = dz/dzeta.
POSITIVE = {
    w: v + zeta * MIXED / kappa,
    M: RESOLVENT / v,
    t: FREE,
    W: (v * FREE_2 + zeta * FREE * MIXED / kappa) / w,
    b_2: (MIXED + q * (RESOLVENT_2 + M * MIXED / kappa) / v) / w,
    g_2: (TEST_RESOLVENT_2 + TEST_RESOLVENT * MIXED / (kappa * v)) / (v * w),
    f_2: TEST_MIXED / w + q * g_2,
}
# On the curve of the effective ridge: z and the letters above as functions of zeta.
ON_CURVE = {
    W: POSITIVE[W],
    f_2: POSITIVE[f_2],
    b_2: POSITIVE[b_2],
    g_2: POSITIVE[g_2],
    M: POSITIVE[M],
    t: POSITIVE[t],
    w: POSITIVE[w],
    v: z / zeta,
    z: zeta * (1 - FREE / kappa),
}
G = 1 / (r + z)
# Traces over the tasks that remain after partial fractions, and what they are equivalent to.
EQUIVALENT: dict[Any, Any] = {
    tasks.trace(G): M,
    tasks.trace(G, TEST): TEST_RESOLVENT / v,
    tasks.trace(G**2): (M - MIXED / w) / z,
    tasks.trace(G**2, TEST): g_2,
    tasks.trace(sp.S.One, TEST): C.trace(sp.S.One, TEST),
    tasks.trace(r): C.trace(c),
}


@derivation(
    "letey2025.task_resolvent",
    reference="Letey, Zavatone-Veth, Lu & Pehlevan 2025, pretrain-test task alignment",
    limit="d, k -> oo with k/d -> kappa",
    equation="Deterministic equivalents",
)
def task_resolvent(page):
    r"""Structured pretraining tasks act as their covariance with an effective ridge zeta.

    .. math:: (R+z)^{-1}\simeq\frac{\zeta}{z}\,(C_{tr}+\zeta)^{-1},\qquad
              \zeta=z+\frac{\zeta}{\kappa}\,\overline{\mathrm{tr}}\,C_{tr}(C_{tr}+\zeta)^{-1}.
    """
    page.over(letters, "kappa", "zeta", "q")
    page.assume(
        "(L + R)^-1 and (L + b C_tr)^-1 are equivalent under traces against fixed matrices, with "
        "b = 1/(1 + tr C_tr (L + b C_tr)^-1 / kappa)",
        "quadratic forms of independent Gaussian tasks concentrate",
        citing="Bai & Silverstein, Spectral Analysis of Large Dimensional Random Matrices, Ch. 3",
    )
    ridge = page.derive(
        "leave one out",
        SAMPLE,
        lambda e: e.effective_ridge,
        "one-resolvent equivalent for k tasks of covariance C_tr",
    )
    page.parametrise(ON_CURVE, {C: None})
    page.rewrite(
        ridge.rhs - zeta,
        sp.S.Zero,
        "z = zeta (1 - t/kappa) parametrises the curve: zeta is chosen, z is read off",
        rule="parametrise",
    )
    convex = page.derive(
        "differentiate",
        zeta * (1 - FREE / kappa),
        lambda e: sp.diff(e, zeta, 2),
        "second derivative of z(zeta)",
    )
    page.rewrite(
        convex,
        2 * C.trace(c**2 / (c + zeta) ** 3) / kappa,
        "positive: z is convex in zeta and vanishes at 0, so z > 0 is reached once, with positive "
        "slope, and Newton's iteration from above decreases to the root",
    )
    slope = page.derive(
        "differentiate",
        zeta * (1 - FREE / kappa),
        lambda e: sp.diff(e, zeta),
        "slope dz/dzeta",
    )
    page.rewrite(slope, 1 - FREE_2 / kappa, "one minus the second degrees of freedom per task")
    page.rewrite(slope, v + zeta * MIXED / kappa, "w, without the subtraction")
    one = page.derive(
        "trace against the test covariance",
        one_resolvent(SAMPLE),
        lambda e: e.trace(C.test(TEST)),
        "tr C_te G",
    )
    page.rewrite(one, TEST_RESOLVENT / v, "the alignment of test tasks with pretraining tasks")
    two = page.derive(
        "trace of two resolvents",
        SAMPLE,
        lambda e: two_resolvents(e, TEST).trace(),
        "tr G C_te G by the two-resolvent rule",
    )
    derivative = page.derive(
        "differentiate",
        one,
        lambda e: -SAMPLE.total_derivative(e),
        "the same as minus the derivative in z, zeta moving along its fixed point",
    )
    page.rewrite(two, derivative, "both routes agree")
    page.rewrite(two, g_2, "g_2 in positive terms")

    def in_population(expression):
        return partial_fractions(expression).subs(EQUIVALENT)

    page.rewrite(
        C.trace(sp.S.One) * (M - MIXED / w) / z,
        two_resolvents(SAMPLE).trace(),
        "tr G^2 is the same with the identity as test covariance",
    )
    for function, letter, words in (
        (r * G, t, "tr RG, the trace of the mean estimator"),
        (r**2 * G**2, W, "tr R^2 G^2"),
        ((q + r) * G**2, b_2, "tr B G^2"),
    ):
        page.rewrite(
            page.derive(
                "put in the spectrum", tasks.trace(function), in_population, f"{words} in traces"
            ),
            letter,
            f"{words} in positive terms",
        )
    page.rewrite(
        page.derive(
            "put in the spectrum",
            tasks.trace((q + r) * G**2, TEST),
            in_population,
            "tr C_te B G^2 in traces",
        ),
        f_2,
        "tr C_te B G^2 in positive terms",
    )
    page.parametrise({})
    page.derive(
        "put in the spectrum",
        ridge,
        lambda e: sp.Eq(e.lhs, two_atoms(e.rhs), evaluate=False),
        "the effective ridge for two eigenspaces",
    )
    point = two_atoms(task_ridge_fixed_point(zeta, z))
    page.fixed_point(
        point,
        "unique root in (z, z + c_tr/kappa], reached monotonically from above",
        Evidence(
            weakest(step.verdict for step in page.steps if step.kind == "asserted"),
            "a convex function that vanishes at 0 takes each positive value once",
        ),
    )
    page.result(
        "task_ridge",
        zeta,
        (kappa, z, *TWO_ATOMS[:3]),
        where=(point,),
        domain=letters.domain("kappa", "z", "p_1", "c_1", "c_2"),
        limit="d, k -> oo with k/d -> kappa",
        symbol=r"\zeta",
    )
