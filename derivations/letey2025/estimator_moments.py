r"""The second moment of the estimator on structured tasks, for a test matrix of any kind.

The test matrix need not commute with the second moment of the tasks; only its diagonal in the
eigenbasis of the tasks enters. All definitions of the errors stand here, in order.
"""

from __future__ import annotations

import sympy as sp

from derivations.letey2025.fixed_points import (
    MEAN_TRAIN,
    PIECES,
    SLOPE,
    excess_fixed_point,
    task_ridge_fixed_point,
)
from derivations.letey2025.joint_spectrum import two_atoms
from derivations.letey2025.notation import (
    ANY_TEST,
    LIMIT,
    NAMES,
    PARAMETERS,
    TEST,
    D,
    M,
    N,
    V,
    W,
    Y,
    alpha,
    alpha_te,
    b_2,
    c_te,
    c_tr,
    delta,
    f_2,
    g_2,
    lam,
    letters,
    omega,
    population,
    q,
    q_te,
    r,
    rho,
    rho_te,
    s_1,
    t,
    tasks,
    tau,
    v,
    varpi,
    w,
    xi,
    y,
    z,
    zeta,
    zeta_q,
)
from derivations.letey2025.task_resolvent import (
    EQUIVALENT,
    FREE,
    MIXED,
    ON_CURVE,
    POSITIVE,
    SAMPLE,
)
from derivations.lu2025.effective_ridge import UNIVERSALITY
from derive.deterministic_equivalent import SampleCovariance
from derive.registry import derivation
from derive.spectral_trace import SpectralTrace, Spectrum, masked, partial_fractions
from numerics.lower import Let

C = population
B = q + r
G = 1 / (B + xi)
MEAN = r * G  # the mean estimator, Gamma_0 B G
SIGMA_Q2 = rho + q * tasks.trace(r / B)
DENOMINATOR = tau - tasks.trace(B**2 * G**2)
NUMERATOR = SIGMA_Q2 + xi**2 * tasks.trace(r**2 / B * G**2)

TEST_MEAN = C.trace(sp.S.One, TEST)
# Every quantity of the result in order, over traces of the pretraining covariance.
DEFINITIONS = (
    Let(c_tr, MEAN_TRAIN),
    Let(c_te, TEST_MEAN),
    Let(q, (rho + c_tr) / alpha),
    Let(q_te, (rho_te + c_te) / alpha_te),
    Let(delta, tau - 1),
    task_ridge_fixed_point(zeta_q, q),
    excess_fixed_point(),
    *PIECES,
    Let(t, FREE),
    Let(W, POSITIVE[W]),
    Let(s_1, SLOPE),
    Let(b_2, s_1 / w),
    Let(g_2, POSITIVE[g_2]),
    Let(f_2, POSITIVE[f_2]),
    Let(y, sp.Piecewise((delta + xi * M, sp.Ge(delta, 0)), (tau * lam / xi, True))),
    Let(D, y + xi * b_2),
    Let(N, rho + q * t + z * xi * MIXED / w),
    Let(Y, N / D),
)
# A test matrix among functions of R, at first order: its diagonal in the eigenbasis of R.
DIAGONAL = sp.Function("T")(r)


def into_population(expression):
    """Insert the deterministic equivalents of the traces of G; the traces at q must cancel."""
    at_z = {
        trace.subs(z, q + xi): value.subs(z, q + xi) if trace.has(z) else value
        for trace, value in EQUIVALENT.items()
    }
    plain, back = masked(partial_fractions(expression))
    return sp.expand(plain).xreplace(back).subs(at_z)


def linear_in_test(expression):
    """Move a test matrix, to first order, out of functions of R: tr f'(R) T."""

    def moved(trace):
        place = sp.Dummy("T")
        function = trace.function.subs(DIAGONAL, place)
        slope = sp.diff(function, place)
        return tasks.trace(function.subs(place, 0)) + tasks.trace(slope, ANY_TEST)

    return expression.replace(
        lambda e: isinstance(e, SpectralTrace) and e.function.has(DIAGONAL), moved
    )


def define_letters(page, symbols):
    """Define letters at two eigenspaces by the lines that were shown for any spectrum."""
    closed = {
        c_tr: MEAN_TRAIN,
        c_te: TEST_MEAN,
        q: (rho + c_tr) / alpha,
        q_te: (rho_te + c_te) / alpha_te,
        delta: tau - 1,
        z: q + xi,
        v: z / zeta,
        **POSITIVE,
        N: rho + q * t + z * xi * MIXED / w,
        D: delta + xi * M + xi * b_2,
        Y: N / D,
    }
    for symbol, expression in closed.items():
        if symbol in symbols:
            page.define(symbol, two_atoms(expression), "at two eigenspaces")


def equation_of_xi(page):
    """Derive the equation of the effective ridge from the features of linear attention."""
    features = Spectrum("B")
    sample = SampleCovariance(features, 1 / tau, lam, xi)
    ridge = page.derive(
        "leave one out",
        sample,
        lambda e: e.effective_ridge,
        "one-resolvent equivalent for n sequences and d^2 features of covariance I x B",
    )
    in_tasks = page.derive(
        "put in the spectrum",
        ridge.rhs,
        lambda e: e.subs(
            features.trace(features.eigenvalue / (features.eigenvalue + xi)), tasks.trace(B * G)
        ),
        "B = q + R",
    )
    page.parametrise({}, {tasks: None})
    with_trace = page.rewrite(
        in_tasks,
        lam + xi * (1 - xi * tasks.trace(G)) / tau,
        "tr B/(B + xi) = 1 - xi tr 1/(B + xi)",
        domain=letters.domain("tau", "q", "xi", "lam"),
    )
    page.parametrise({})
    at_z = page.derive(
        "put in the spectrum",
        with_trace,
        lambda e: e.subs(tasks.trace(G), M),
        "the resolvent trace of the tasks at z = q + xi is M",
    )
    page.rewrite(
        tau * (xi - at_z),
        xi * (delta + xi * M) - tau * lam,
        "the equation of xi: xi (tau - 1 + xi M) = tau lam",
        given={delta: tau - 1},
        domain=letters.domain("tau", "xi", "lam", "M"),
    )


@derivation(
    "letey2025.estimator_moments",
    reference="Letey, Zavatone-Veth, Lu & Pehlevan 2025, pretrain-test task alignment",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Extended resolvent",
)
def estimator_moments(page):
    r"""The estimator's second moment against any test matrix is its mean's plus N/D times a trace.

    .. math:: \overline{\mathrm{tr}}\,\hat\Gamma T\hat\Gamma^\top\simeq
              \overline{\mathrm{tr}}\,RGTGR+\frac ND\,\overline{\mathrm{tr}}\,BGTG .
    """
    page.over(letters, "tau", "q", "xi", "rho", "lam")
    page.use("lu2025.training_statistics")
    page.assume(
        UNIVERSALITY,
        "as for isotropic tasks, conditionally on the tasks",
        citing="Lu et al., arXiv 2405.11751, supplementary information",
    )
    equation_of_xi(page)
    page.parametrise({}, {tasks: None})
    page.rewrite(
        rho + tasks.trace(r) - tasks.trace(r**2 / B),
        SIGMA_Q2,
        "label variance = residual variance + explained variance, whatever tr R is",
    )
    source = omega * (lam + varpi * DIAGONAL)
    extended = (rho + tasks.trace(r) - tasks.trace(r**2 / (B + source))) / omega
    page.assume(
        sp.Eq(sp.Symbol("E(pi)"), extended, evaluate=False),
        "one-resolvent equivalent of the extended resolvent of (y, phi); used to order pi only, "
        "where the order of T among functions of R does not matter under the trace",
        citing="Bai & Silverstein, Ch. 3, applied to the vector (y, phi)",
    )
    moving = sp.Function("omega")(varpi)
    rate = sp.Symbol("omega'")

    def at_origin(expression):
        along = expression.subs(omega, moving).diff(varpi)
        along = along.subs(sp.Derivative(moving, varpi), rate).subs(moving, omega).subs(varpi, 0)
        return linear_in_test(along.subs(omega, xi / lam))

    equation = page.derive(
        "differentiate",
        omega - 1 - omega / tau * tasks.trace(B / (B + source)),
        at_origin,
        "fixed point with a source of strength pi, differentiated at pi = 0, omega = xi/lam",
    )
    omega_rate = page.derive(
        "solve",
        equation,
        lambda e: -e.subs(rate, 0) / e.diff(rate),
        "linear equation for the derivative of omega",
    )
    page.rewrite(
        omega_rate,
        -((xi / lam) ** 2) * tasks.trace(B * G**2, ANY_TEST) / DENOMINATOR,
        "omega' = -omega^2 tr BGTG / D with D = tau - tr B^2 G^2",
    )
    moment = page.derive(
        "differentiate",
        extended,
        lambda e: at_origin(e).subs(rate, -V * (xi / lam) ** 2),
        "second moment of the estimator: derivative of E at pi = 0, omega' = -omega^2 V",
    )
    page.rewrite(
        moment,
        tasks.trace(MEAN**2, ANY_TEST) + NUMERATOR * V,
        "mean estimator Gamma_eq = RG plus N V, with V = tr BGTG / D",
        domain=letters.domain("q", "xi", "rho", "lam", "V"),
    )
    page.parametrise(ON_CURVE | {xi: z - q, z: ON_CURVE[z]}, {population: None})
    space = letters.domain("tau", "kappa", "zeta", "q", "rho")
    page.rewrite(
        page.derive("put in the spectrum", NUMERATOR, into_population, "N in resolvent traces"),
        rho + q * t + z * xi * MIXED / w,
        "N as a sum of positive terms; the traces at q cancel",
        domain=space,
        given={xi: z - q, **ON_CURVE},
    )
    page.rewrite(
        page.derive("put in the spectrum", DENOMINATOR, into_population, "D in resolvent traces"),
        delta + xi * M + xi * b_2,
        "D = tau lam/xi + xi b_2: a sum of positive terms by the fixed point",
        domain=space,
        given={delta: tau - 1, xi: z - q, **ON_CURVE},
    )
    page.parametrise({})
    page.derive(
        "put in the spectrum",
        sp.Eq(zeta_q, SAMPLE.effective_ridge.rhs.subs({zeta: zeta_q, z: q}), evaluate=False),
        lambda e: sp.Eq(e.lhs, two_atoms(e.rhs), evaluate=False),
        "the effective ridge of the tasks at q, two eigenspaces",
    )
    page.derive(
        "put in the spectrum",
        sp.Eq(zeta, SAMPLE.effective_ridge.rhs, evaluate=False),
        lambda e: sp.Eq(e.lhs, two_atoms(e.rhs), evaluate=False),
        "the same at z",
    )
    define_letters(page, (c_tr, q, delta, z, v, w, M, t, b_2))
    for letter, name, line in (
        (N, "N", rho + q * t + z * xi * MIXED / w),
        (D, "D", delta + xi * M + xi * b_2),
    ):
        page.derive("put in the spectrum", line, two_atoms, f"{name} at two eigenspaces")
        page.result(
            name,
            letter,
            PARAMETERS,
            where=two_atoms(DEFINITIONS),
            domain=letters.domain(*NAMES),
            limit=LIMIT,
            symbol=name,
        )
