r"""The resolvent trace of a white Wishart matrix, from the one-resolvent equivalent to its root."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from derive.deterministic_equivalent import SampleCovariance, one_resolvent
from derive.domain import Notation
from derive.fixed_point import Branch
from derive.registry import derivation
from derive.spectral_trace import Spectrum
from derive.spectrum_values import at_atoms
from numerics.functions import ResolventTrace
from numerics.lower import Condition, Let
from numerics.monte_carlo import realised_count
from numerics.simulation import SeedOutcome, SimulationResult, run_over_seeds

letters = Notation()
kappa = letters.quantity(
    "kappa", "samples per dimension, k/d", lower=0, upper_open=False, latex=r"\kappa"
)
u = letters.quantity("u", "regularisation of the resolvent", lower=0)
m = letters.quantity("m", "normalised trace of the resolvent, $M_\\kappa(u)$")
kappa_e = letters.quantity("kappa_e", "effective ridge", lower=0, latex=r"\kappa_{\rm e}")
t = letters.quantity("t", "degrees of freedom $1-um$", lower=0)
letters.quantity("I", "identity, the covariance of the vectors")

LIMIT = "d, k -> oo with k/d -> kappa"


@derivation(
    "classics.marchenko_pastur",
    reference="Marchenko & Pastur 1967",
    limit="d, k -> oo with k/d -> kappa",
)
def marchenko_pastur(d):
    r"""The normalised trace of the resolvent of a white Wishart matrix has a closed form.

    .. math:: M_\kappa(u)=\lim\tfrac1d\mathrm{tr}\Big(\tfrac1k\sum_jw_jw_j^\top+u\Big)^{-1}.
    """
    d.over(letters, "kappa", "u")
    white = Spectrum("I")
    sample = SampleCovariance(white, 1 / kappa, u, kappa_e)
    equivalence = one_resolvent(sample)
    d.assume(
        "u (u + R)^-1 and kappa_e (kappa_e + I)^-1 are equivalent under traces against fixed "
        "matrices, for R the second moment of k independent vectors with unit covariance",
        "quadratic forms of independent vectors concentrate",
        citing="Bai & Silverstein, Spectral Analysis of Large Dimensional Random Matrices, Ch. 3",
    )
    ridge = d.derive(
        "put in the spectrum",
        sample.effective_ridge,
        lambda e: sp.Eq(e.lhs, at_atoms(e.rhs, white, {1: 1}), evaluate=False),
        "leave-one-out equation of the effective ridge, every eigenvalue of the covariance is 1",
    )
    trace = d.derive(
        "put in the spectrum",
        equivalence.trace(),
        lambda e: at_atoms(e, white, {1: 1}),
        "trace of the equivalent",
    )
    quadratic = d.derive(
        "eliminate",
        (sp.numer(sp.together(ridge.lhs - ridge.rhs)), sp.numer(sp.together(m - trace))),
        lambda pair: sp.collect(
            [f for f, _ in sp.factor_list(sp.resultant(*pair, kappa_e))[1] if f.has(m)][-1], m
        ),
        "eliminate the effective ridge",
    )
    d.rewrite(
        quadratic,
        u * m**2 + (kappa * u + kappa - 1) * m - kappa,
        "the quadratic of the resolvent trace",
        domain=letters.domain("kappa", "u", "m"),
    )
    roots = d.derive(
        "solve", quadratic, lambda e: tuple(sp.solve(e, m)), "both roots of the quadratic"
    )
    root = d.branch(
        roots,
        m,
        Branch(anchor=(u * m, u, sp.oo, 1), region=m > 0),
        "a resolvent trace is positive and behaves as 1/u at large u",
    )
    b = u + 1 - 1 / kappa
    conjugate = d.rewrite(
        root, 2 / (b + sp.sqrt(b**2 + 4 * u / kappa)), "conjugate form, as printed"
    )
    d.rewrite(conjugate, ResolventTrace(kappa, u), "name of the function, from here on")
    in_t = {
        u: (1 - t) * (kappa - t) / (kappa * t),
        m: kappa * t / (kappa - t),
    }
    window = letters.domain(
        "kappa", "t", conditions=[Condition("t < 1", t < 1), Condition("t < kappa", t < kappa)]
    )
    d.rewrite(
        quadratic,
        sp.S.Zero,
        "t = 1 - u m parametrises the curve rationally: u = (1-t)(kappa-t)/(kappa t)",
        given=in_t,
        domain=window,
        rule="parametrise",
    )
    d.rewrite(1 - u * m, t, "t is the degrees of freedom", given=in_t, domain=window)
    slope = d.derive(
        "differentiate",
        quadratic,
        lambda e: -sp.diff(e, u) / sp.diff(e, m),
        "derivative in u, implicitly",
    )
    d.rewrite(
        slope,
        -(m**2) * kappa / (kappa - t**2),
        "in terms of the degrees of freedom",
        given={**in_t},
        domain=window,
    )
    box = letters.domain("kappa", "u")
    trace_of: Any = ResolventTrace(kappa, u)
    pieces = (Let(m, trace_of), Let(t, m / (1 + m / kappa)))
    d.result(
        "slope",
        -(m**2) / (t / m + t * u * m / kappa),
        (kappa, u),
        where=pieces,
        domain=box,
        limit=LIMIT,
        symbol=r"M_\kappa'(u)",
    )
    d.result(
        "degrees_of_freedom",
        t,
        (kappa, u),
        where=pieces,
        domain=box,
        limit=LIMIT,
        symbol="t",
    )
    d.result("M", trace_of, (kappa, u), domain=box, limit=LIMIT, symbol=r"M_\kappa(u)")


@marchenko_pastur.simulate
def trace_of_resolvent(
    *, size: int = 128, seeds: int = 8, seed: int = 0, kappa: float, u: float
) -> SimulationResult:
    """Average the trace of the resolvent of k = kappa d Gaussian vectors over seeds."""
    count = realised_count("kappa", kappa, size)
    outcomes = run_over_seeds(
        partial(_one_seed, size=size, count=count, u=u), seeds=seeds, seed=seed, size=size
    )
    return SimulationResult(
        "classics.marchenko_pastur",
        size,
        {"kappa": count / size, "u": float(u)},
        {"k": count},
        {"M": np.array([o.values["M"] for o in outcomes])},
        seed,
    )


def _one_seed(child: np.random.SeedSequence, *, size: int, count: int, u: float) -> SeedOutcome:
    vectors = np.random.default_rng(child).standard_normal((size, count))
    eigenvalues = np.linalg.eigvalsh(vectors @ vectors.T / count)
    return SeedOutcome({"M": float(np.mean(1 / (eigenvalues + u)))})
