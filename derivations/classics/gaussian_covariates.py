r"""Ridge regression on Gaussian covariates with a power-law spectrum: the saddle point as it is."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged
from derivations.classics.ridge_replica import (
    DF1,
    DF2,
    LIMIT,
    TEACHER,
    TRACE,
    D,
    N,
    Sigma,
    Theta,
    a,
    b,
    c,
    h,
    lam,
    letters,
    pi_s,
    replica_steps,
    ridge,
    s,
    sample,
    sigma2,
    state,
    tau,
    v,
    xi,
)
from derivations.classics.ridge_samples import teacher_student
from derive.deterministic_equivalent import definition
from derive.fixed_point import Branch, FixedPoint
from derive.registry import derivation
from derive.replica_saddle import CHI, CHI_HAT, Q_HAT, Q, replaced
from derive.ridge_fixed_point import effective_ridge_in_traces
from derive.spectrum_tables import MODE, at_power_law
from numerics.lower import Let
from numerics.simulation import SimulationResult

NAMES = ("tau", "lam", "sigma2", "a", "b", "c", "v", "N")
SYMBOLS = (tau, lam, sigma2, a, b, c, v, N)
BIAS = Sigma.trace(s * xi**2 / (s + xi) ** 2, Theta)


def modes(expression: sp.Expr) -> sp.Expr:
    """Put power laws of the spectrum and of the teacher into traces, as finite sums."""
    return at_power_law(expression, Sigma, c * MODE**-b, N, {Theta: v * MODE**-a})


def saddle_point() -> tuple[sp.Expr, sp.Expr]:
    """Return the right sides for chi and Q after both conjugates are put in, in traces."""
    saddle: dict[Any, Any] = {
        e.lhs: e.rhs for e in state(TEACHER).without((h, pi_s)).saddle_point()
    }
    conjugates = {name: saddle[name] for name in (Q_HAT, CHI_HAT)}
    return replaced(saddle[CHI], conjugates), replaced(saddle[Q], conjugates)


def saddle_point_roots(spectrum) -> FixedPoint:
    """Return chi and Q as the root of two equations, on the spectrum that a function puts in.

    The equation of chi is that of the effective ridge lam (1 + chi), convex, and Newton's
    iteration falls to its root; the other equation is linear in Q.
    """
    sides = tuple(spectrum(side) for side in saddle_point())
    start = (
        spectrum(Sigma.trace(s)) / (tau * lam),
        spectrum(Sigma.trace(s, Theta)),
    )
    residuals = tuple(x - side for x, side in zip((CHI, Q), sides, strict=True))
    inside = sp.And(*(sp.Symbol(x.name, real=True) > 0 for x in (CHI, Q)))
    return FixedPoint((CHI, Q), residuals, Branch(region=inside), start)


def resolvent_root(spectrum) -> FixedPoint:
    """Return the effective ridge as the root of its equation on a spectrum."""
    per_sample: dict[Any, Any] = {sample.phi: 1 / tau}
    return effective_ridge_in_traces(sample).at(spectrum).subs(per_sample)


@derivation(
    "classics.gaussian_covariates",
    reference="Loureiro et al. 2021, arXiv 2102.08127; Bordelon, Canatar & Pehlevan 2020",
    limit="d, n -> oo with n/d -> tau",
)
def gaussian_covariates(page):
    r"""On a power-law spectrum the saddle point of the replicas is the deterministic equivalent.

    .. math:: \chi=\overline{\mathrm{tr}}\frac{\Sigma}{\hat Q\Sigma+\tau\lambda},\quad
       \hat Q=\frac\tau{1+\chi},\quad \xi=\lambda(1+\chi),\quad
       s_k=c\,k^{-b},\ \theta_k=v\,k^{-a},\ k\le N .
    """
    page.over(letters, *NAMES)
    replica_steps(page, TEACHER)
    page.parametrise({})
    chi_side, q_side = page.derive(
        "eliminate", tuple(definition(x, e) for x, e in zip((CHI, Q), saddle_point(), strict=True)),
        lambda e: saddle_point(), "both conjugates put into the saddle point",
    )  # fmt: skip
    chi_line, q_line = (
        page.derive("put in the spectrum", definition(x, side),
                    lambda e: definition(e.lhs, modes(e.rhs)), f"the equation of {x}, over modes")
        for x, side in ((CHI, chi_side), (Q, q_side))
    )  # fmt: skip
    page.derive("put in the spectrum", definition(xi, lam + xi * DF1 / tau),
                lambda e: definition(e.lhs, modes(e.rhs)),
                "the effective ridge, over modes")  # fmt: skip
    page.use("classics.ridge_two_routes")
    evidence = page.steps[-1].evidence
    onto: dict[Any, Any] = {CHI: xi / lam - 1, lam: xi * (1 - modes(DF1) / tau)}
    page.derive(
        "insert", definition(xi, tau * lam / Q_HAT),
        lambda e: definition(e.lhs, sp.cancel(e.rhs.subs(Q_HAT, tau / (1 + CHI)))),
        "the effective ridge by the susceptibility",
    )  # fmt: skip
    space = letters.domain("tau", "xi", "sigma2", "a", "b", "c", "v", "N", "Q")
    page.rewrite(
        chi_line.rhs, CHI, "lam (1 + chi) is the effective ridge: the first equation is its own",
        given=onto, domain=space,
    )  # fmt: skip
    page.rewrite(
        q_line.rhs, (modes(DF2) * (sigma2 + Q)) / tau + modes(BIAS),
        "the second is linear: what is fitted of error and noise, and the bias",
        given=onto, domain=space,
    )  # fmt: skip
    error = page.derive("eliminate", sigma2 + Q, lambda e: modes(ridge(TEACHER).error),
                        "the error in terms of the effective ridge, over modes")  # fmt: skip
    printed = (sigma2 + modes(BIAS)) / (1 - modes(DF2) / tau)
    page.rewrite(error, printed, "the error, as printed",
                 domain=letters.domain("tau", "xi", "sigma2", "a", "b", "c", "v", "N"))  # fmt: skip
    stable = page.rewrite(
        1 - modes(DF2) / tau, lam / xi + modes(xi * TRACE) / tau,
        "1 - df2/tau without a subtraction", given=onto, domain=space,
    )  # fmt: skip
    saddle = page.fixed_point(saddle_point_roots(modes), "chi, then Q: one root", evidence)
    point = page.fixed_point(resolvent_root(modes), "the effective ridge: one root", evidence)
    domain = letters.domain(*NAMES)
    for name, value, where, symbol in (
        ("error_by_replicas", sigma2 + Q, (saddle,), r"\sigma^2+Q"),
        ("error", (sigma2 + modes(BIAS)) / D, (point, Let(D, stable)), "e"),
    ):
        page.result(name, value, SYMBOLS, where=where, domain=domain, limit=LIMIT, symbol=symbol)


@gaussian_covariates.simulate
def simulate_gaussian_covariates(
    *, size: int = 96, seeds: int = 24, seed: int = 0, tau: float, lam: float, sigma2: float,
    a: float, b: float, c: float, v: float, N: float,
) -> SimulationResult:  # fmt: skip
    """Fit ridge regression over seeds, each of N modes repeated as often as the size allows."""
    place = np.repeat(np.arange(1, round(N) + 1), max(1, round(size / N)))
    samples = max(1, round(tau * len(place)))
    draw = partial(teacher_student, samples=samples, spectrum=c * place ** -float(b),
                   teacher=v * place ** -float(a), sigma2=sigma2, lam=lam)  # fmt: skip
    return averaged(
        "classics.gaussian_covariates", lambda rng: {"error": draw(rng)["error"]},
        size=len(place), seeds=seeds, seed=seed,
        parameters={"tau": samples / len(place), "lam": lam, "sigma2": sigma2, "a": a, "b": b,
                    "c": c, "v": v, "N": round(N)},
        counts={"n": samples},
    )  # fmt: skip
