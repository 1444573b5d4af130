r"""Teacher-student ridge regression by replicas: overlaps, the Bayes point, and both routes."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, eigenvalues_with_shares
from derivations.classics.ridge_samples import teacher_student
from derive.deterministic_equivalent import (
    SampleCovariance,
    definition,
    resolvent_sample_resolvent,
    two_resolvents,
)
from derive.domain import Notation
from derive.fixed_point import FixedPoint
from derive.gaussian import GaussianLaw
from derive.index_notation import Field, Space
from derive.index_tensor import ones
from derive.registry import derivation
from derive.replica import WEIGHT, DisorderAverage, ReplicatedAction, disorder_average
from derive.replica_saddle import (
    Q_HAT,
    EffectiveRidge,
    GroundState,
    Q,
    effective_ridge,
    ground_state,
    zero_temperature_ansatz,
)
from derive.ridge_fixed_point import effective_ridge_fixed_point
from derive.spectral_trace import SpectralWord, Spectrum
from derive.spectrum_values import at_atoms
from numerics.lower import Let
from numerics.simulation import SimulationResult

letters = Notation()
tau = letters.quantity("tau", "samples per dimension, n/d", lower=0, latex=r"\tau")
lam = letters.quantity("lam", "ridge parameter per sample", lower=0, latex=r"\lambda")
rho = letters.quantity("rho", "variance of a teacher weight", lower=0, latex=r"\rho")
sigma2 = letters.quantity("sigma2", "variance of the label noise", lower=0, latex=r"\sigma^2")
s_1 = letters.quantity("s_1", "first eigenvalue of the covariance", lower=0)
s_2 = letters.quantity("s_2", "second eigenvalue of the covariance", lower=0)
p = letters.quantity("p", "share of the first eigenvalue", lower=0, upper=1)
theta_1 = letters.quantity(
    "theta_1", "teacher variance in the first eigenspace", lower=0, latex=r"\theta_1"
)
theta_2 = letters.quantity(
    "theta_2", "teacher variance in the second eigenspace", lower=0, latex=r"\theta_2"
)
N = letters.quantity("N", "number of modes", lower=1, lower_open=False, integer=True)
k = letters.quantity("k", "number of a mode", lower=0, integer=True)
a = letters.quantity("a", "exponent of the teacher, variance $v\\,k^{-a}$ in mode $k$", lower=0)
b = letters.quantity("b", "exponent of the spectrum, eigenvalue $c\\,k^{-b}$", lower=0)
c = letters.quantity("c", "largest eigenvalue", lower=0)
v = letters.quantity("v", "variance of the teacher in the first mode", lower=0)
xi = letters.quantity("xi", "effective ridge", lower=0, latex=r"\xi")
T = letters.quantity("T", "$\\overline{\\mathrm{tr}}\\,\\Sigma/(\\Sigma+\\xi)^2$", lower=0)
df1 = letters.quantity("df1", "first degrees of freedom", lower=0, latex=r"\mathrm{df}_1")
df2 = letters.quantity("df2", "second degrees of freedom", lower=0, latex=r"\mathrm{df}_2")
D = letters.quantity("D", "denominator of the variance as a sum of positive terms", lower=0)
g = letters.quantity("g", "factor of scale", lower=0)
d = letters.quantity("d", "dimension, number of modes", lower=0)
beta = letters.quantity("beta", "inverse temperature", lower=0, latex=r"\beta")
n = sp.Symbol("n")
h = letters.quantity("h", "source of the overlap with the teacher", lower=0)
pi_s = letters.quantity("pi_s", "source of the self-overlap", lower=0, latex=r"\pi")
t = letters.quantity("t", "a teacher weight", latex="t")
letters.quantity("Q", "generalisation error without noise", lower=0)
letters.quantity("chi", "susceptibility $\\beta(Q_{aa}-Q_{ab})$", lower=0, latex=r"\chi")
letters.quantity("Qhat", "conjugate of $\\chi$", lower=0, latex=r"\hat Q")
letters.quantity("chihat", "conjugate of $Q$", lower=0, latex=r"\hat\chi")
letters.quantity("u", "weight of one mode")
letters.quantity("u_a", "weight of one mode in replica a")
letters.quantity("u_b", "weight of one mode in replica b")
letters.quantity("Sigma", "covariance of the features", latex=r"\Sigma")
letters.quantity("n", "number of replicas")

Sigma = Spectrum("Sigma")
s = Sigma.eigenvalue
Theta = letters.quantity("Theta", "second moment of the teacher", latex=r"\Theta")
TEACHER = Sigma.test(Theta)
LIMIT = "d, n -> oo with n/d -> tau"
NAMES = ("tau", "lam", "rho", "sigma2", "s_1", "s_2", "p")
ATOMS: dict[object, object] = {s_1: p, s_2: 1 - p}
sample = SampleCovariance(Sigma, sp.Symbol("phi", positive=True), lam, xi)
letters.quantity("phi", "dimensions per sample, $1/\\tau$", lower=0, latex=r"\phi")
TRACE = Sigma.trace(s / (s + xi) ** 2)
DF1, DF2 = Sigma.trace(s / (s + xi)), Sigma.trace((s / (s + xi)) ** 2)
PRIOR = tau * lam * WEIGHT**2 / 2 + pi_s * WEIGHT**2 / 2 - h * t * WEIGHT


def residual_average() -> DisorderAverage:
    """Average the residuals of ridge regression over Gaussian features and noise."""
    replica, mode = Space("replica", n), Space("mode", d)
    (a,), (k,) = replica.indices("a"), mode.indices("k")
    feature, noise = Field("x", (mode,)), Field("eta", ())
    weights, teacher = Field("u", (replica, mode)), Field("u0", (mode,))
    covariance = Field("Sigma", (mode, mode), symmetric=True)
    residual = noise() * ones(a)
    residual += (feature(k) * (teacher(k) * ones(a) - weights(a, k))).sum(k) / sp.sqrt(d)
    laws = GaussianLaw(feature, covariances=(covariance,)), GaussianLaw(noise, sigma2)
    return disorder_average(residual, laws, weights, {teacher: t}, covariance, Sigma, d)


@cache
def state(teacher: sp.Expr | SpectralWord = rho) -> GroundState:
    """Return the replica-symmetric ground state with sources of both overlaps."""
    moments = ((t**2, teacher),)
    action = ReplicatedAction(residual_average(), PRIOR, moments, tau, beta, Sigma)
    return ground_state(action.symmetric(zero_temperature_ansatz(n, beta)).replica_limit())


@cache
def ridge(teacher: sp.Expr | SpectralWord = rho) -> EffectiveRidge:
    """Return the saddle point in terms of the effective ridge."""
    return effective_ridge(state(teacher), xi, lam, (h, pi_s))


def ridge_point() -> FixedPoint:
    """Return the effective ridge of two atoms with its start."""
    point = effective_ridge_fixed_point(sample, ATOMS)
    return point.subs({sp.Symbol("phi", positive=True): 1 / tau})


def recorded_point(page) -> FixedPoint:
    """Record the effective ridge of two atoms with its equation, and return it."""
    page.use("classics.anisotropic_marchenko_pastur")
    evidence = page.steps[-1].evidence
    page.derive(
        "put in the spectrum",
        definition(xi, lam + xi * DF1 / tau),
        lambda e: definition(xi, at_atoms(e.rhs, Sigma, ATOMS)),
        "the equation of the effective ridge on two atoms",
    )
    return page.fixed_point(ridge_point(), "the effective ridge is a unique root", evidence)


def replica_steps(page, teacher: sp.Expr | SpectralWord = rho) -> None:
    """Write the steps from the energy to the saddle point on a page."""
    average = residual_average()
    free = state(teacher).without((h, pi_s))
    page.derive(
        "average over disorder",
        average.residual,
        lambda e: residual_average().covariance,
        "covariance of the residuals of two replicas: noise and overlap",
    )
    page.assume(
        "Q_ab = Q + delta_ab chi/beta: the overlaps are invariant under permutations of replicas",
        "the energy is convex, so its Gibbs measure has one pure state",
        citing="Mezard, Parisi & Virasoro, Spin Glass Theory and Beyond, 1987",
    )
    page.derive(
        "replica and zero-temperature limit",
        average.kernel,
        lambda e: free.expression,
        "n -> 0, then beta -> oo at fixed chi: the energy per mode",
    )
    page.derive(
        "differentiate",
        free.expression,
        lambda e: tuple(free.saddle_point()),
        "the saddle point, each equation solved for one order parameter",
    )
    value = page.derive(
        "eliminate",
        definition(Q_HAT, tau * lam / xi),
        lambda e: ridge(teacher).fixed_point.rhs,
        "order parameters eliminated in favour of the effective ridge: the bare ridge",
    )
    page.parametrise({}, {Sigma: None})
    page.rewrite(value, xi * (1 - DF1 / tau), "equation of the effective ridge, as printed",
                 domain=letters.domain("tau", "xi"))  # fmt: skip


@derivation(
    "classics.ridge_replica",
    reference="Krogh & Hertz 1992; Dobriban & Wager 2018",
    limit="d, n -> oo with n/d -> tau",
)
def ridge_replica(page):
    r"""At the Bayes-optimal ridge the student overlaps with the teacher as much as with itself.

    .. math:: m=\lim\tfrac1d\,u\cdot u_0=\rho\,\mathrm{df}_1,\qquad
       q=\lim\tfrac1d\,u\cdot u=m\quad\text{at}\quad\tau\lambda=\sigma^2/\rho .
    """
    page.over(letters, "tau", "xi", "rho", "sigma2")
    replica_steps(page)
    overlap = page.derive(
        "respond to a source", PRIOR, lambda e: -ridge().response(h),
        "derivative of the energy in the source of the overlap with the teacher",
    )  # fmt: skip
    self_overlap = page.derive(
        "respond to a source", PRIOR, lambda e: 2 * ridge().response(pi_s),
        "derivative of the energy in the source of the self-overlap",
    )  # fmt: skip
    error = page.derive(
        "eliminate", sigma2 + Q, lambda e: ridge().error, "error on fresh data, noise included"
    )
    m = page.rewrite(overlap, rho * DF1, "overlap with the teacher")
    denominator = tau - DF2
    e = page.rewrite(error, tau * (sigma2 + rho * xi**2 * TRACE) / denominator, "error, as printed")
    q = page.rewrite(
        self_overlap,
        rho * DF2 + TRACE * (sigma2 + rho * xi**2 * TRACE) / denominator,
        "self-overlap: signal and fitted noise",
    )
    bare = xi * (1 - DF1 / tau)
    bayes = {sigma2: rho * tau * bare}
    page.rewrite(
        q.subs(bayes), m, "Nishimori: q = m at tau lam = sigma2/rho, for every spectrum",
        domain=letters.domain("tau", "xi", "rho"),
    )  # fmt: skip
    scaled = {rho: g * rho, sigma2: g * sigma2}
    page.rewrite(
        e.subs(scaled, simultaneous=True), g * e,
        "homogeneous in the norm of the teacher and the noise together",
        domain=letters.domain("tau", "xi", "rho", "sigma2", "g"),
    )  # fmt: skip
    page.rewrite(
        (rho - 2 * m + q).subs(sigma2, 0),
        rho * Sigma.trace(xi**2 / (s + xi) ** 2) + rho * (xi * TRACE) ** 2 / denominator,
        "distance to the teacher without noise: a sum of positive terms",
        domain=letters.domain("tau", "xi", "rho"),
    )
    stable = page.rewrite(
        denominator, tau * lam / xi + xi * TRACE, "tau - df2 without a subtraction",
        given={lam: bare}, domain=letters.domain("tau", "xi"),
    )  # fmt: skip

    def two(expression: sp.Expr) -> sp.Expr:
        return at_atoms(expression, Sigma, ATOMS)

    point = recorded_point(page)
    for value, what in ((q, "self-overlap"), (m, "overlap with the teacher"), (e, "error")):
        page.derive("put in the spectrum", value, two, f"{what} on two atoms")
    where = (
        point,
        Let(T, two(TRACE)),
        Let(df1, two(DF1)),
        Let(df2, two(DF2)),
        Let(D, stable.subs(TRACE, T)),
    )
    symbols = (tau, lam, rho, sigma2, s_1, s_2, p)
    total = tau * (sigma2 + rho * xi**2 * T) / D
    for name, value, symbol in (
        ("q", rho * df2 + T * total / tau, "q"),
        ("m", rho * df1, "m"),
        ("error", total, "e"),
    ):
        page.result(name, value, symbols, where=where, domain=letters.domain(*NAMES),
                    limit=LIMIT, symbol=symbol)  # fmt: skip


@derivation(
    "classics.ridge_two_routes",
    reference="Bordelon, Canatar & Pehlevan 2020, arXiv 2002.02561; Loureiro et al. 2021",
    limit="d, n -> oo with n/d -> tau",
)
def ridge_two_routes(page):
    r"""Replicas and resolvents give the same error for every covariance and every teacher.

    .. math:: e=\frac{\sigma^2+\xi^2\,\overline{\mathrm{tr}}\,\Theta\Sigma/(\Sigma+\xi)^2}
       {1-\frac1\tau\overline{\mathrm{tr}}\,\Sigma^2/(\Sigma+\xi)^2} .
    """
    page.over(letters, "tau", "xi", "sigma2")
    replica_steps(page, TEACHER)
    replica = page.derive(
        "eliminate", sigma2 + Q, lambda e: ridge(TEACHER).error, "the replica route"
    )
    population = Sigma.function(s)
    phi = sample.phi
    page.assume(
        "lam (lam + X'X/n)^-1 and xi (xi + Sigma)^-1 are equivalent under traces",
        "quadratic forms of independent vectors concentrate",
        citing="Bai & Silverstein, Spectral Analysis of Large Dimensional Random Matrices, Ch. 3",
    )
    resolvents = page.derive(
        "two resolvents",
        sample.resolvent,
        lambda e: (
            sigma2
            + lam**2 * two_resolvents(sample, Theta).trace(population)
            + phi * sigma2 * resolvent_sample_resolvent(sample).trace(population)
        ),
        "bias and variance by the two-resolvent rule: the other route",
    )
    page.rewrite(
        sample.effective_ridge.rhs,
        lam + xi * DF1 / tau,
        "the resolvent's effective ridge solves the equation of the replicas",
        given={phi: 1 / tau},
        domain=letters.domain("tau", "xi", "lam"),
    )

    def two(expression: sp.Expr) -> sp.Expr:
        return at_atoms(expression, Sigma, ATOMS, {Theta: {s_1: theta_1, s_2: theta_2}})

    page.parametrise({})
    space = letters.domain("tau", "xi", "sigma2", "s_1", "s_2", "p", "theta_1", "theta_2")
    page.rewrite(
        two(resolvents),
        two(replica),
        "both routes agree, on a spectrum of two atoms with a teacher of its own",
        given={lam: xi * (1 - phi * two(DF1)), phi: 1 / tau},
        domain=space,
    )
    bias = Sigma.trace(s * xi**2 / (s + xi) ** 2, Theta)
    page.rewrite(
        two(replica),
        (sigma2 + two(bias)) / (1 - two(DF2) / tau),
        "the error, as printed",
        domain=space,
    )
    point = recorded_point(page)
    spread = two(xi * TRACE)
    stable = page.rewrite(
        1 - two(DF2) / tau, lam / xi + spread / tau, "1 - df2/tau without a subtraction",
        given={lam: xi * (1 - two(DF1) / tau)}, domain=space,
    )  # fmt: skip
    page.result(
        "error",
        (sigma2 + two(bias)) / D,
        (tau, lam, sigma2, s_1, s_2, p, theta_1, theta_2),
        where=(point, Let(D, stable)),
        domain=letters.domain("tau", "lam", "sigma2", "s_1", "s_2", "p", "theta_1", "theta_2"),
        limit=LIMIT,
        symbol="e",
    )


@ridge_replica.simulate
def simulate_ridge_replica(
    *, size: int = 96, seeds: int = 24, seed: int = 0, tau: float, lam: float, rho: float,
    sigma2: float, s_1: float, s_2: float, p: float,
) -> SimulationResult:  # fmt: skip
    """Fit ridge regression to a random teacher over seeds; both overlaps and the error."""
    samples = max(1, round(tau * size))
    spectrum, (share, _) = eigenvalues_with_shares([s_1, s_2], [p, 1 - p], size)
    draw = partial(teacher_student, samples=samples, spectrum=spectrum,
                   teacher=np.full(size, rho), sigma2=sigma2, lam=lam)  # fmt: skip
    return averaged(
        "classics.ridge_replica", draw, size=size, seeds=seeds, seed=seed,
        parameters={"tau": samples / size, "lam": lam, "rho": rho, "sigma2": sigma2, "s_1": s_1,
                    "s_2": s_2, "p": share},
        counts={"n": samples},
    )  # fmt: skip


@ridge_two_routes.simulate
def simulate_ridge_two_routes(
    *, size: int = 96, seeds: int = 24, seed: int = 0, tau: float, lam: float, sigma2: float,
    s_1: float, s_2: float, p: float, theta_1: float, theta_2: float,
) -> SimulationResult:  # fmt: skip
    """Fit ridge regression to a teacher with a variance in each eigenspace over seeds."""
    samples = max(1, round(tau * size))
    spectrum, (share, _) = eigenvalues_with_shares([s_1, s_2], [p, 1 - p], size)
    teacher, _ = eigenvalues_with_shares([theta_1, theta_2], [p, 1 - p], size)
    draw = partial(teacher_student, samples=samples, spectrum=spectrum, teacher=teacher,
                   sigma2=sigma2, lam=lam)  # fmt: skip
    return averaged(
        "classics.ridge_two_routes", lambda rng: {"error": draw(rng)["error"]}, size=size,
        seeds=seeds, seed=seed,
        parameters={"tau": samples / size, "lam": lam, "sigma2": sigma2, "s_1": s_1, "s_2": s_2,
                    "p": share, "theta_1": theta_1, "theta_2": theta_2},
        counts={"n": samples},
    )  # fmt: skip
