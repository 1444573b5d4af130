r"""Random features in their linearised form: six equations, two polynomials, one scalar root."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, gaussian
from derivations.classics.ridge_notation import DYSON, UNIVERSALITY
from derive.deterministic_equivalent import definition
from derive.domain import Notation
from derive.dyson import DysonSystem, dyson_equations
from derive.elimination import eliminate_to_polynomials
from derive.fixed_point import Branch, FixedPoint
from derive.reduction import merge_unknowns
from derive.registry import derivation
from derive.words import Gaussian, Identity
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult

letters = Notation()
phi = letters.quantity("phi", "dimensions per sample, d/n", lower=0, latex=r"\phi")
psi = letters.quantity("psi", "dimensions per feature, d/m", lower=0, latex=r"\psi")
zeta = letters.quantity(
    "zeta", "squared linear coefficient of the activation", lower=0, latex=r"\zeta"
)
eta = letters.quantity("eta", "variance of the activation", lower=0, latex=r"\eta")
gamma = letters.quantity("gamma", "ridge parameter", lower=0, latex=r"\gamma")
tau1 = letters.quantity("tau1", "normalised trace of the resolvent", lower=0, latex=r"\tau_1")
tau2 = letters.quantity(
    "tau2", "normalised trace of the resolvent times the data kernel", lower=0, latex=r"\tau_2"
)
y = letters.quantity("y", "$\\tau_1$ times the trace of the resolvent over features", lower=0)
S = letters.quantity("S", "share of the samples that is fitted, $1-\\gamma\\tau_1$", lower=0)
r = letters.quantity("r", "samples per feature, $\\psi/\\phi$", lower=0)
excess = letters.quantity("excess", "$\\eta-\\zeta$, variance of the nonlinear part", lower=0,
                          latex=r"\delta")  # fmt: skip
n = letters.quantity("n", "number of samples", lower=0)
d = letters.quantity("d", "dimension of a sample", lower=0)
m = letters.quantity("m", "number of features", lower=0)
letters.quantity("W", "first-layer weights")
letters.quantity("Z", "data")
letters.quantity("O", "independent noise in the place of the nonlinear part")
for _k in range(12):
    letters.quantity(f"x{_k}", "scalar unknown of the matrix Dyson equation", latex=f"x_{{{_k}}}")

W, Z, O = Gaussian("W", m, d, 1 / m), Gaussian("Z", d, n, 1 / d), Gaussian("O", m, n, 1 / m)  # noqa: E741
FEATURES = (W @ Z) * sp.sqrt(zeta) + O * sp.sqrt(eta - zeta)
RESOLVENT = (FEATURES.T @ FEATURES + Identity(n) * gamma).inverse()
LIMIT = "d, n, m -> oo with d/n -> phi and d/m -> psi"
NONLINEAR = Condition(
    "eta > zeta", eta > zeta, "the activation has a linear part of coefficient sqrt(zeta)"
)
# the fitted share as a function of y, and what follows from it
SHARE = (eta - zeta) * y + zeta * y / (1 + zeta * y / phi)
OTHER = 1 - psi / phi * S


@cache
def _system() -> DysonSystem:
    traces = {"tau1": RESOLVENT, "tau2": Z.T @ Z @ RESOLVENT}
    return dyson_equations(traces, {d: phi * n, m: phi * n / psi})


def _polynomials(_word) -> tuple[sp.Expr, ...]:
    return eliminate_to_polynomials(_system(), {"tau1": tau1, "tau2": tau2}).polynomials


@derivation(
    "classics.random_features",
    reference="Adlam & Pennington 2020, arXiv 2008.06786; Pennington & Worah 2017",
    limit="d, n, m -> oo with d/n -> phi and d/m -> psi",
)
def random_features(page):
    r"""The kernel of random features is described by two polynomials, and these by one root.

    .. math:: \phi\big(\zeta\tau_1\tau_2+\phi(\tau_2-\tau_1)\big)
       +\zeta\tau_1\tau_2\psi(\gamma\tau_1-1)=0,\quad
       \phi(\tau_1-\tau_2)\big((\eta-\zeta)\tau_1+\zeta\tau_2\big)
       +\zeta\tau_1\tau_2(\gamma\tau_1-1)=0 .
    """
    names = ("phi", "psi", "zeta", "eta", "gamma")
    page.over(letters, *names, "tau1", "tau2")
    page.assume(
        "f(WZ) and sqrt(zeta) W Z + sqrt(eta - zeta) O have the same limiting spectrum",
        "only the linear and the total power of the activation survive the average",
        citing="Pennington & Worah 2017; Peche 2019; Adlam, Levinson & Pennington 2019",
    )
    page.assume(UNIVERSALITY, "self-averaging of large pencils", citing=DYSON)
    page.derive(
        "linearise and average",
        RESOLVENT,
        lambda e: tuple(definition(k, v) for k, v in _system().equations.items()),
        "linear pencil of both traces and its matrix Dyson equation",
    )
    page.derive(
        "merge",
        RESOLVENT,
        lambda e: tuple(definition(k, v) for k, v in merge_unknowns(_system()).equations.items()),
        "equal unknowns are one",
    )
    first, second = page.derive(
        "eliminate",
        RESOLVENT,
        _polynomials,
        "every scalar unknown eliminated, the factor that vanishes at the solution kept",
    )
    one = page.rewrite(
        psi * second - phi * first,
        phi * (zeta * tau1 * tau2 + phi * (tau2 - tau1))
        + zeta * tau1 * tau2 * psi * (gamma * tau1 - 1),
        "the first polynomial, as printed, is a combination of both",
    )
    two = page.rewrite(
        second,
        phi * (tau1 - tau2) * ((eta - zeta) * tau1 + zeta * tau2)
        + zeta * tau1 * tau2 * (gamma * tau1 - 1),
        "the second polynomial, as printed",
    )
    branch = Condition("psi S < phi", psi * SHARE < phi)
    in_y = {
        tau2: tau1 / (1 + zeta * y / phi),
        tau1: y / OTHER,
        gamma: (1 - S) * OTHER / y,
        S: SHARE,
    }
    below = (branch, Condition("S < 1", SHARE < 1))
    space = letters.domain("phi", "psi", "zeta", "eta", "y", conditions=[NONLINEAR, *below])
    for polynomial, which in ((one, "first"), (two, "second")):
        page.rewrite(
            polynomial, sp.S.Zero,
            f"y solves the {which}: gamma y = (1 - S)(1 - r S) with S the share that is fitted",
            given=in_y, domain=space, rule="parametrise",
        )  # fmt: skip
    ratio = page.derive(
        "solve",
        two,
        lambda e: sp.solve(e.subs(tau2, in_y[tau2]).subs(tau1, in_y[tau1]).subs(S, SHARE), gamma)[
            0
        ],
        "the ridge at which y is the root",
    )
    equation = page.derive("equate", definition(gamma, ratio), lambda e: e.lhs - e.rhs,
                           "the equation of y")  # fmt: skip
    page.rewrite(
        equation * y, gamma * y - (1 - SHARE) * (1 - psi / phi * SHARE),
        "the equation of y, as it is solved",
        domain=letters.domain("phi", "psi", "zeta", "eta", "gamma", "y", conditions=[NONLINEAR]),
    )  # fmt: skip
    slope = page.derive(
        "differentiate",
        SHARE.subs(eta, zeta + excess),
        lambda e: sp.diff(e, y),
        "the fitted share as a function of y",
    )
    box = letters.domain("phi", "zeta", "excess", "y")
    page.positive(slope, "the fitted share increases with y", domain=box)
    page.positive(
        -sp.diff(slope, y),
        "and is concave; so gamma y - (1 - S)(1 - r S) is increasing and concave while S and r S "
        "are below one, where both traces are positive: one root, reached from zero by Newton's "
        "iteration from below",
        domain=box,
    )
    point = FixedPoint(
        (y,),
        (gamma * y - (1 - S) * (1 - r * S),),
        Branch(region=sp.And(S < 1, r * S < 1)),
        (sp.S.Zero,),
        where=(Let(S, SHARE),),
    )
    page.fixed_point(point, "unique root with positive traces", page.steps[-1].evidence)
    symbols = (phi, psi, zeta, eta, gamma)
    domain = letters.domain(*names, conditions=[NONLINEAR])
    where = (Let(r, psi / phi), point, Let(S, SHARE))
    # both forms are equal at the root; each avoids the difference of equal numbers on its side
    trace = sp.Piecewise((y / (1 - r * S), r <= 1), ((1 - S) / gamma, True))
    page.rewrite(
        trace,
        y / (1 - r * S),
        "the trace of the resolvent from either side, without cancellation at small ridge",
        given={gamma: (1 - S) * (1 - r * S) / y},
        domain=letters.domain("r", "S", "y", conditions=[
            Condition("S < 1", S < 1), Condition("r S < 1", r * S < 1)]),
    )  # fmt: skip
    shrink = 1 + zeta * y / phi
    page.rewrite(
        tau2, y / OTHER.subs(S, SHARE) / shrink, "the other trace",
        given={tau2: in_y[tau2], tau1: y / OTHER, S: SHARE},
        domain=letters.domain("phi", "psi", "zeta", "eta", "y", conditions=[NONLINEAR, *below]),
    )  # fmt: skip
    page.rewrite(
        tau1, y / OTHER.subs(S, SHARE), "and the trace of the resolvent",
        given={tau1: y / OTHER, S: SHARE},
        domain=letters.domain("phi", "psi", "zeta", "eta", "y", conditions=[NONLINEAR, *below]),
    )  # fmt: skip
    for name, value, symbol in (("tau2", trace / shrink, r"\tau_2"), ("tau1", trace, r"\tau_1")):
        page.result(name, value, symbols, where=where, domain=domain, limit=LIMIT, symbol=symbol)


@random_features.simulate
def simulate_random_features(
    *, size: int = 64, seeds: int = 16, seed: int = 0, phi: float, psi: float, zeta: float,
    eta: float, gamma: float,
) -> SimulationResult:  # fmt: skip
    """Average both traces for Gaussian features with the linearised kernel over seeds."""
    samples, features = max(1, round(size / phi)), max(1, round(size / psi))

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        data = gaussian(rng, size, samples, 1 / size)
        map_ = np.sqrt(zeta) * gaussian(rng, features, size, 1 / features) @ data
        map_ = map_ + np.sqrt(eta - zeta) * gaussian(rng, features, samples, 1 / features)
        inverse = np.linalg.inv(map_.conj().T @ map_ + gamma * np.eye(samples))
        weighted = np.sum((data.conj().T @ data) * inverse.T)
        return {
            "tau1": float(np.trace(inverse).real) / samples,
            "tau2": float(weighted.real) / samples,
        }

    return averaged(
        "classics.random_features", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"phi": size / samples, "psi": size / features, "zeta": zeta, "eta": eta,
                    "gamma": gamma},
        counts={"n": samples, "m": features},
    )  # fmt: skip
