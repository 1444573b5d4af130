r"""The effective ridge xi: from the features' deterministic equivalent to a unique root."""

from __future__ import annotations

import sympy as sp

from derivations.lu2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    M,
    alpha,
    b_2,
    delta,
    kappa,
    lam,
    letters,
    q,
    r,
    rho,
    t,
    tasks,
    tau,
    v,
    w,
    xi,
    z,
)
from derive.deterministic_equivalent import SampleCovariance
from derive.fixed_point import Branch, FixedPoint
from derive.registry import derivation
from derive.spectral_trace import Spectrum
from derive.verdict import Evidence, weakest
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let

UNIVERSALITY = (
    "Conditionally on the tasks, label and features may be replaced by a jointly Gaussian vector "
    "with the same first two moments; the mixture over tasks acts through its mean covariance"
)

# The rational parametrisation of the Marchenko-Pastur curve at u = z removes every square root.
IN_T = {
    M: kappa * t / (kappa - t),
    z: (1 - t) * (kappa - t) / (kappa * t),
}
WINDOW = (
    Condition("t < 1", t < 1),
    Condition("t < kappa", t < kappa),
)

# Stable pieces at z = q + xi, in order; every one is a sum or quotient of positive terms.
PIECES = (
    Let(z, q + xi),
    Let(M, ResolventTrace(kappa, z)),
    Let(v, 1 / (1 + M / kappa)),
    Let(t, M * v),
    Let(w, v + t * z * M / kappa),
    Let(b_2, (t**2 + q * M**2) / w),
)


def lower_bound():
    """Return a lower bound of xi that is sharp both for small tau and for small ridge.

    Two functions lie above the increasing left side F of the fixed point: F with M frozen at
    xi = 0, because M decreases; and F with s replaced by its Cauchy-Schwarz bound
    s >= (tr B)^2 / tr B(B + xi) = a/(a' + xi). The larger of their roots starts the iteration.
    """
    frozen = _positive_root(ResolventTrace(kappa, q), delta, tau * lam)
    a = 1 + q
    spread = a + 1 / (kappa * a)
    schwarz = _positive_root(tau, tau * (spread - lam) - a, tau * lam * spread)
    return sp.Max(frozen, schwarz)


def _positive_root(first, second, third):
    """Return the root of first x^2 + second x - third in the form that does not cancel."""
    discriminant = sp.sqrt(second**2 + 4 * first * third)
    return sp.Piecewise(
        (2 * third / (second + discriminant), second > 0),
        ((discriminant - second) / (2 * first), True),
    )


def ridge_fixed_point() -> FixedPoint:
    """Return xi as an implicit quantity: equation, branch, start and monotone iteration."""
    slope, excess = sp.Symbol("slope", real=True), sp.Symbol("excess", real=True)
    trace = sp.Symbol("trace", real=True)
    tangent = sp.Piecewise(
        (delta + (xi * M) ** 2 / w, xi * M < sp.Rational(1, 2)),
        (tau - (t + q * M + xi * b_2), True),
    )
    return FixedPoint(
        (xi,),
        ((xi * M + delta) * xi - tau * lam,),
        Branch(region=sp.Ge(sp.Symbol("xi", real=True), lam)),
        (lower_bound(),),
        where=(*PIECES, Let(slope, b_2), Let(excess, tangent), Let(trace, tau * lam)),
        step=(_positive_root(slope, excess, trace),),
    )


@derivation(
    "lu2025.effective_ridge",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Definition of xi",
)
def effective_ridge(page):
    r"""Ridge regression on Kronecker features acts with an effective ridge xi, a unique root.

    .. math:: \xi M_\kappa(q+\xi)-\frac{\tau\lambda}{\xi}=1-\tau,\qquad q=\frac{1+\rho}{\alpha}.
    """
    page.over(letters, "tau", "kappa", "q", "xi", "lam")
    page.use("lu2025.training_statistics")
    page.assume(
        UNIVERSALITY,
        "features are a mixture of Gaussian products; tested by simulation",
        citing="Lu et al., arXiv 2405.11751, supplementary information; Hu & Lu, "
        "Universality laws for high-dimensional learning with random features, IEEE T-IT 2023",
    )
    features = Spectrum("B")
    sample = SampleCovariance(features, 1 / tau, lam, xi)
    equation = page.derive(
        "leave one out",
        sample,
        lambda e: e.effective_ridge,
        "one-resolvent equivalent for n sequences and d^2 features of covariance I x B",
    )
    page.assume(
        "B = q + R: the limit of the training second moment",
        "law of large numbers over the k tasks",
        citing="lu2025.training_statistics",
    )
    in_tasks = page.derive(
        "put in the spectrum",
        equation,
        lambda e: e.subs(
            features.trace(features.eigenvalue / (features.eigenvalue + xi)),
            tasks.trace((q + r) / (q + r + xi)),
        ),
        "eigenvalues of B are q + r",
    )
    page.parametrise({}, {tasks: sp.S.One})
    box = letters.domain("tau", "q", "xi", "lam")
    resolvent = tasks.trace(1 / (r + q + xi))
    with_trace = page.rewrite(
        in_tasks.rhs,
        lam + xi * (1 - xi * resolvent) / tau,
        "tr B/(B + xi) = 1 - xi tr 1/(B + xi)",
        domain=box,
    )
    page.use("classics.marchenko_pastur")
    at_z = page.derive(
        "put in the spectrum",
        with_trace,
        lambda e: e.subs(resolvent, M),
        "the resolvent trace of the tasks at z = q + xi is M",
    )
    page.parametrise({})
    F = page.rewrite(
        tau * (at_z - lam) / xi - tau * (xi - lam) / xi,
        -(xi * M - tau * lam / xi - (1 - tau)),
        "multiply by tau/xi: the fixed point of the paper, F = 0",
        domain=letters.domain("tau", "xi", "lam", "M"),
    )
    polynomial = page.derive(
        "eliminate",
        (sp.numer(sp.together(F)), z * M**2 + (kappa * z + kappa - 1) * M - kappa),
        _eliminated,
        "eliminate M by its quadratic at z = q + xi",
    )
    page.rewrite(
        polynomial,
        _quartic(),
        "the quartic of the effective ridge",
        domain=letters.domain("tau", "kappa", "q", "xi", "lam"),
    )
    slope_of_F = b_2 + tau * lam / xi**2
    implicit = {
        b_2: kappa * (t**2 + q * M**2) / (kappa - t**2),
        q: z - xi,
        **IN_T,
    }
    quadratic = z * M**2 + (kappa * z + kappa - 1) * M - kappa
    rate = -sp.diff(quadratic, z) / sp.diff(quadratic, M)
    derivative = page.derive(
        "differentiate",
        xi * M - tau * lam / xi,
        lambda e: sp.diff(e, xi) + sp.diff(e, M) * rate,
        "derivative of the left side in xi, M moving along its quadratic",
    )
    space = letters.domain("tau", "kappa", "t", "xi", "lam", conditions=WINDOW)
    page.rewrite(derivative, slope_of_F, "slope of the left side", given=implicit, domain=space)
    page.positive(
        slope_of_F,
        "the left side increases in xi: at most one root",
        domain=letters.domain("tau", "lam", "xi", "b_2"),
        given={},
    )
    page.rewrite(
        1 - xi * M,
        t + q * M,
        "s = tr B/(B + xi) lies in (0, 1): the left side is negative at xi = lam",
        given={q: z - xi, **IN_T},
        domain=space,
    )
    a = 1 + q
    # At xi* = lam + a/tau: tau(1 - lam/xi*) = a tau/(tau lam + a) >= s because s <= a/(xi* + ...).
    page.positive(
        (a / (lam + a / tau)) - a / (a + lam + a / tau),
        "s <= tr B/xi makes the left side positive at lam + (1+q)/tau: at least one root",
        domain=letters.domain("tau", "q", "lam"),
        given={},
    )
    concave = page.derive(
        "differentiate",
        tasks.trace(xi / (r + q + xi)),
        lambda e: sp.diff(e, xi, 2),
        "second derivative of xi M = tr xi/(B + xi)",
    )
    page.parametrise({}, {tasks: sp.S.One})
    page.rewrite(
        concave,
        -2 * tasks.trace((q + r) / (r + q + xi) ** 3),
        "minus a trace of a positive matrix: xi M is concave",
        domain=letters.domain("q", "xi"),
    )
    page.parametrise({})
    spread = a + 1 / (kappa * a)
    page.positive(
        t + q * M - a / (spread + xi),
        "Cauchy-Schwarz: s >= (tr B)^2/(tr B(B + xi)), a lower bound of xi to start from",
        given={xi: z - q, **IN_T},
        domain=letters.domain(
            "kappa", "t", "q", conditions=(*WINDOW, Condition("q < z", q < IN_T[z]))
        ),
    )
    point = ridge_fixed_point()
    x = xi
    tangent_root = page.derive(
        "linearise",
        b_2 * (sp.Symbol("X") - x) + x * M + delta - tau * lam / sp.Symbol("X"),
        lambda e: sp.expand(e * sp.Symbol("X")),
        "tangent to the concave part xi M at xi, the hyperbola kept exact",
    )
    page.rewrite(
        tangent_root.subs(sp.Symbol("X"), x),
        (x * M + delta) * x - tau * lam,
        "the tangent touches F at xi: a fixed point of the step is a root of F, and because xi M "
        "is concave the step increases monotonically from a lower bound to the root",
        domain=letters.domain("tau", "lam", "xi", "M", "b_2", "delta"),
    )
    page.rewrite(
        delta + x * M - x * b_2,
        delta + (x * M) ** 2 * kappa / (kappa - t**2),
        "constant of the tangent, subtraction-free for xi M < 1/2",
        given={b_2: implicit[b_2], q: z - xi, **IN_T},
        domain=letters.domain("kappa", "t", "xi", "delta", conditions=WINDOW),
    )
    page.rewrite(
        delta + x * M - x * b_2,
        tau - (t + q * M + x * b_2),
        "the same for xi M > 1/2, with tau - 1 = delta",
        given={delta: tau - 1, q: z - xi, **IN_T},
        domain=letters.domain("tau", "kappa", "t", "xi", "b_2", conditions=WINDOW),
    )
    page.fixed_point(
        point,
        "unique root in [lam, lam + (1+q)/tau], reached monotonically from below",
        Evidence(
            weakest(step.verdict for step in page.steps if step.kind == "sign"),
            "the increasing left side changes sign once on the bracket",
        ),
    )
    page.result(
        "xi",
        xi,
        PARAMETERS,
        where=(Let(q, (1 + rho) / alpha), Let(delta, tau - 1), point),
        domain=letters.domain(*NAMES),
        limit=LIMIT,
        symbol=r"\xi",
    )


def _eliminated(pair):
    """Return the resultant in M as a polynomial in xi with a leading coefficient of plus sign."""
    resultant = sp.resultant(pair[0], pair[1].subs(z, q + xi), M)
    polynomial = sp.Poly(resultant, xi).primitive()[1].as_expr()
    leading = sp.LC(polynomial, xi)
    return -polynomial if leading.could_extract_minus_sign() else polynomial


def _quartic():
    """Return the quartic of xi with its printed coefficients."""
    k = kappa
    c_4 = k * tau
    c_3 = -k * lam * tau + k * tau * q + k * tau - k * q - k - tau**2 + tau
    c_2 = (
        -k * lam * tau * q
        - k * lam * tau
        + 2 * lam * tau**2
        - tau**2 * q
        - lam * tau
        + 2 * tau * q
        - q
    )
    c_1 = -(lam**2) * tau**2 + 2 * lam * tau**2 * q - 2 * lam * tau * q
    c_0 = -(lam**2) * tau**2 * q
    return c_4 * xi**4 + c_3 * xi**3 + c_2 * xi**2 + c_1 * xi + c_0


__all__ = [
    "IN_T",
    "PIECES",
    "UNIVERSALITY",
    "WINDOW",
    "effective_ridge",
    "ridge_fixed_point",
]
