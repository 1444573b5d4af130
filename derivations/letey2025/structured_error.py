r"""The test error of linear attention on structured tasks, for any pair of task covariances.

The second moment of the estimator at :math:`T=q_{te}+C_{te}`, with the deterministic equivalents
of :mod:`derivations.letey2025.task_resolvent`, is the error as sums of positive terms.
"""

from __future__ import annotations

import sympy as sp

from derivations.letey2025.estimator_moments import (
    DEFINITIONS,
    MEAN,
    B,
    C,
    G,
    define_letters,
    into_population,
)
from derivations.letey2025.fixed_points import (
    SLOPE,
    TAKEN,
    excess_fixed_point,
)
from derivations.letey2025.joint_spectrum import two_atoms
from derivations.letey2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    TEST,
    D,
    M,
    N,
    W,
    Y,
    b_2,
    c,
    c_te,
    c_tr,
    delta,
    f_2,
    g_2,
    kappa,
    letters,
    population,
    q,
    q_te,
    rho,
    rho_te,
    t,
    tasks,
    tau,
    v,
    w,
    xi,
    z,
    zeta,
    zeta_q,
)
from derivations.letey2025.task_resolvent import (
    FREE,
    MIXED,
    ON_CURVE,
    TEST_RESOLVENT,
)
from derive.registry import derivation
from derive.spectral_trace import SpectralTrace
from derive.spectrum_values import at_atoms
from derive.verdict import Evidence, weakest
from numerics.monte_carlo import in_context_errors
from numerics.simulation import SimulationResult

RISK = rho_te + q_te * W + z**2 * g_2 + Y * (q_te * b_2 + f_2)
ALIGNMENT = TEST_RESOLVENT / v


@derivation(
    "letey2025.structured_error",
    reference="Letey, Zavatone-Veth, Lu & Pehlevan 2025, pretrain-test task alignment",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Test error",
)
def structured_error(page):
    r"""The test error for tasks of one covariance after pretraining on tasks of another.

    .. math:: e_{test}=\rho_{te}+q_{te}W+z^2\,\overline{\mathrm{tr}}C_{te}G^2
              +\frac ND\big[q_{te}\,\overline{\mathrm{tr}}BG^2
              +\overline{\mathrm{tr}}C_{te}BG^2\big].

    The results are at two eigenspaces of shares :math:`p_1` and :math:`1-p_1`, variances
    :math:`c_1,c_2` in pretraining and :math:`e_1,e_2` in the test. For spectra with any number of
    eigenspaces, or two covariance matrices that need not commute, call
    :func:`derivations.letey2025.structured_error_of`.
    """
    page.over(letters, "kappa", "zeta", "q", "rho_te", "q_te", "Y")
    page.use("letey2025.estimator_moments")
    page.use("letey2025.task_resolvent")
    page.assume(
        "test moments A = C_te and B = q_te + C_te",
        "the average over w with covariance C_te of the moments given the task, in the limit",
        citing="lu2025.training_statistics",
    )
    page.parametrise({}, {tasks: None})
    general = rho_te + tasks.trace(sp.S.One, TEST) - 2 * tasks.trace(MEAN, TEST)
    general += q_te * tasks.trace(MEAN**2) + tasks.trace(MEAN**2, TEST)
    general += Y * (q_te * tasks.trace(B * G**2) + tasks.trace(B * G**2, TEST))
    bias = page.rewrite(
        general,
        rho_te
        + q_te * tasks.trace(MEAN**2)
        + (q + xi) ** 2 * tasks.trace(G**2, TEST)
        + Y * (q_te * tasks.trace(B * G**2) + tasks.trace(B * G**2, TEST)),
        "population error of the estimator: its bias on the test tasks is 1 - RG = zG",
        domain=letters.domain("q", "xi", "rho_te", "q_te", "Y"),
    )
    page.parametrise({xi: z - q, **ON_CURVE}, {population: None})
    closed = page.derive(
        "put in the spectrum", bias, into_population, "in traces over the pretraining covariance"
    )
    page.rewrite(closed, RISK, "the form that is evaluated: sums of positive terms only")
    _equation_of_xi(page)
    _isotropic(page)
    _same_law(page)
    page.parametrise({})
    define_letters(page, (c_tr, c_te, q, q_te, delta, z, v, w, M, t, W, b_2, g_2, f_2, N, D, Y))
    where = two_atoms(DEFINITIONS)
    box = letters.domain(*NAMES)
    for name, expression, shown in (
        ("idg_error", tau * N / D, r"e_{\mathrm{IDG}}"),
        ("alignment", ALIGNMENT, r"\overline{\mathrm{tr}}\,C_{\rm te}G"),
        ("structured_error", RISK, r"e_{\mathrm{test}}"),
    ):
        line = page.derive(
            "put in the spectrum",
            expression,
            two_atoms,
            f"{name.replace('_', ' ')} for two eigenspaces",
        )
        page.result(
            name,
            line,
            PARAMETERS,
            where=where,
            domain=box,
            limit=LIMIT,
            symbol=shown,
        )


def _equation_of_xi(page):
    """Check what makes the root of xi unique, and its iteration monotone."""
    given = {xi: z - q, **ON_CURVE}
    page.rewrite(
        FREE + q * M + xi * M,
        sp.S.One,
        "s = tr BG = t + qM = 1 - xi M",
        given=given,
    )
    page.rewrite(
        1 - xi * M,
        TAKEN,
        "the same over z: sums of positive terms, for few samples",
        given=given,
    )
    falling = page.derive(
        "differentiate",
        FREE + q * C.trace(1 / (c + zeta)) / (1 - FREE / kappa),
        lambda e: sp.diff(e, zeta),
        "slope of s in zeta, M = tr (C + zeta)^-1/(1 - t/kappa)",
    )
    page.rewrite(
        -falling,
        SLOPE,
        "s decreases: xi (tau - s) = tau lam has one root with tau - s >= 0, and one only",
        given=given,
    )
    page.parametrise({}, {tasks: None})
    page.rewrite(
        page.derive(
            "differentiate",
            xi * tau - tasks.trace(xi * B * G),
            lambda e: sp.diff(e, xi, 2),
            "second derivative of xi (tau - s), the left side, in xi",
        ),
        2 * tasks.trace(B**2 * G**3),
        "positive: convex in xi, and xi = z - q is convex in zeta, so where the left side rises it "
        "is convex in the excess and Newton's iteration from above decreases to the root",
        domain=letters.domain("q", "xi"),
    )
    page.parametrise({}, {population: c_tr})
    page.rewrite(
        C.trace(1 / (c + xi)) - 1 / (c_tr + xi),
        C.trace((c - c_tr) ** 2 / (c + xi)) / (c_tr + xi) ** 2,
        "Jensen, for any spectrum: xi M >= xi/(tr B + xi) bounds the root from above",
        domain=letters.domain("xi", "c_tr"),
    )
    page.parametrise(given, {population: None})
    page.rewrite(
        zeta * (1 - FREE / kappa) - zeta_q * (1 - FREE.subs(zeta, zeta_q) / kappa),
        (zeta - zeta_q)
        * (
            (1 - FREE.subs(zeta, zeta_q) / kappa)
            + zeta * C.trace(c / ((c + zeta) * (c + zeta_q))) / kappa
        ),
        "xi = z - q = epsilon h, the divided difference without a subtraction",
        domain=letters.domain("kappa", "zeta", "zeta_q"),
        given={},
    )
    page.fixed_point(
        two_atoms(excess_fixed_point()),
        "unique root, reached monotonically from above",
        Evidence(
            weakest(step.verdict for step in page.steps if step.kind == "asserted"),
            "increasing and convex where tau - s >= 0",
        ),
    )


def _white(expression):
    """Put identity covariances into an expression."""
    return at_atoms(expression, population, {sp.S.One: 1}, {TEST: {sp.S.One: 1}})


def _isotropic(page):
    """Check that identity covariances give the error of Lu et al."""
    curve = {xi: z - q, **ON_CURVE}
    isotropic = RISK
    for symbol, value in curve.items():
        isotropic = isotropic.subs(symbol, value)
    in_t = page.derive(
        "put in the spectrum",
        isotropic.subs({rho_te: rho, q_te: q}),
        lambda e: sp.factor(_white(e).subs(zeta, (1 - t) / t)),
        "C_tr = C_te = I, same noise and context: zeta = (1-t)/t",
    )
    x = (1 - t) * (kappa - t) / (kappa * t)
    m = kappa * t / (kappa - t)
    page.rewrite(
        in_t,
        rho
        + (q * t**2 * (kappa + 1 - 2 * t) + kappa * (1 - t) ** 2) / (kappa - t**2)
        + (1 + q) * Y * kappa * (t**2 + q * m**2) / (kappa - t**2),
        "the in-context-learning error of Lu et al., lu2025.icl_error, with Y = N/D",
        given={},
        domain=letters.domain("kappa", "q", "rho", "Y", "t"),
    )
    page.rewrite(
        _white(zeta * (1 - FREE / kappa)).subs(zeta, (1 - t) / t),
        x,
        "the curve of zeta is the rational parametrisation of Marchenko and Pastur",
        given={},
        domain=letters.domain("kappa", "t"),
    )


def _same_law(page):
    """Check that with a fresh task per sequence a test on the training law is e_IDG."""
    fresh = RISK.subs({rho_te: rho, q_te: q, Y: (rho + q * t + z * xi * MIXED / w) / D})
    for symbol, value in {xi: z - q, **ON_CURVE}.items():
        fresh = fresh.subs(symbol, value)
    # The residual variance of the test is that of pretraining because C_te = C_tr.
    same = fresh.replace(
        lambda e: isinstance(e, SpectralTrace) and bool(e.tests),
        lambda e: C.trace(e.function * e.places[0]),
    )
    at_infinity = page.derive(
        "limit",
        same,
        lambda e: e.subs(1 / kappa, 0),
        "kappa -> oo: a fresh task for each sequence, C_te = C_tr",
    )
    total = tau - C.trace((q + c) ** 2 / (c + zeta) ** 2)
    page.rewrite(
        at_infinity,
        tau * (rho + q * C.trace(c / (c + zeta)) + zeta * (zeta - q) * MIXED) / D,
        "then a new task is as good as a pretraining task: e_test = tau N/D = e_IDG",
        given={D: total},
        domain=letters.domain("tau", "zeta", "q", "rho"),
    )


@structured_error.simulate
def simulate_structured_errors(
    *,
    size: int = 64,
    seeds: int = 8,
    seed: int = 0,
    tau: float,
    alpha: float,
    kappa: float,
    rho: float,
    lam: float,
    alpha_te: float,
    rho_te: float,
    p_1: float,
    c_1: float,
    c_2: float,
    e_1: float,
    e_2: float,
    **options,
) -> SimulationResult:
    """Pretrain linear attention on structured tasks at dimension ``size``; both exact errors."""
    import numpy as np

    first = round(p_1 * size)
    blocks = np.arange(size) < first
    result = in_context_errors(
        size,
        tau,
        alpha,
        kappa,
        rho,
        lam,
        seeds=seeds,
        seed=seed,
        training_covariance=np.where(blocks, c_1, c_2),
        test_covariance=np.where(blocks, e_1, e_2),
        test_alpha=alpha_te,
        test_rho=rho_te,
        **options,
    )
    from dataclasses import replace

    spectrum = {"p_1": first / size, "c_1": c_1, "c_2": c_2, "e_1": e_1, "e_2": e_2}
    return replace(result, parameters={**result.parameters, **spectrum})
