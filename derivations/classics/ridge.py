r"""Ridge regression on a sample covariance: resolvent, effective ridge, bias and variance."""

from __future__ import annotations

from functools import cache

import sympy as sp

from derivations.classics.ridge_notation import (
    DYSON,
    LIMIT,
    ONE,
    OVERLAPS,
    RATIOS,
    TWO_ATOMS,
    UNIVERSALITY,
    R,
    Sigma,
    Theta,
    X,
    d,
    df1,
    df2,
    g,
    gamma,
    kappa,
    lam,
    letters,
    n,
    odds,
    p,
    phi,
    population,
    s,
    s_1,
    s_2,
    sample,
    tau,
    theta_1,
    theta_2,
    v,
)
from derivations.classics.ridge_samples import simulated_ridge
from derive.deterministic_equivalent import (
    definition,
    name_degrees_of_freedom,
    one_resolvent,
    resolvent_sample_resolvent,
    two_resolvents,
)
from derive.dyson import DysonSystem, dyson_equations
from derive.fixed_point import Branch, FixedPoint
from derive.reduction import eliminate, merge_unknowns, ridge_form
from derive.registry import derivation
from derive.ridge_fixed_point import effective_ridge_fixed_point
from derive.spectrum_values import at_atoms
from derive.words import Gaussian, Word
from numerics.lower import Let
from numerics.simulation import SimulationResult

PAIR = {d: phi * n}
DF1 = population.trace(s / (s + kappa))
DF2 = population.trace((s / (s + kappa)) ** 2)
RIDGE_LINE = lam + phi * kappa * DF1
SPREAD = phi * kappa * population.trace(s / (s + kappa) ** 2)


@cache
def dyson(word: Word) -> DysonSystem:
    """Return the Dyson equations of one trace, computed once."""
    return dyson_equations({"t": word}, RATIOS)


def lines(equations) -> tuple[sp.Eq, ...]:
    """Return unknowns with their right sides as equations one can print."""
    return tuple(definition(k, e) for k, e in equations.items())


def two_line_form(word: Word) -> tuple[sp.Eq, ...]:
    """Merge and eliminate the Dyson equations of a trace, and name what is left."""
    named = ridge_form(eliminate(merge_unknowns(dyson(word), Sigma)), sample)["t"]
    return (definition(sp.Symbol("t"), named.expression), *named.where)


def reduced(page, word: Word, count: int) -> sp.Expr:
    """Write the way from a trace of a rational word to its two-line form on a page."""
    page.assume(
        UNIVERSALITY, "the self-energy of a Gaussian pencil is Gaussian at leading order",
        citing=DYSON,
    )  # fmt: skip
    page.derive(
        "linearise and average",
        word,
        lambda w: lines(dyson(w).equations),
        "linear pencil made from the expression, its matrix Dyson equation in scalar unknowns",
    )
    page.derive(
        "merge",
        word,
        lambda w: lines(merge_unknowns(dyson(w), Sigma).equations),
        "equal unknowns and transposed twins are one",
    )
    value, *names = page.derive(
        "eliminate and name",
        word,
        two_line_form,
        f"{count} equations become the effective ridge and its degrees of freedom",
    )
    page.parametrise({}, {population: None})
    (ridge,) = [e.rhs for e in names if e.lhs == kappa]
    page.rewrite(ridge, RIDGE_LINE, "the effective ridge, as printed")
    return value.rhs


def inflation(page) -> Let:
    """Write 1 - gamma as a sum of positive terms on the page, and return its definition."""
    page.rewrite(
        1 - phi * DF2,
        lam / kappa + SPREAD,
        "1 - gamma without a subtraction, by the equation of the effective ridge",
        given={lam: kappa * (1 - phi * DF1)},
        domain=letters.domain("phi", "kappa"),
    )
    return Let(v, lam / kappa + at_atoms(SPREAD, population, TWO_ATOMS))


def ridge_point(page) -> FixedPoint:
    """Record that the effective ridge of two atoms is a unique root, and return it."""
    point = effective_ridge_fixed_point(sample, TWO_ATOMS)
    slope = page.derive(
        "differentiate",
        kappa - phi * kappa * DF1,
        lambda e: sp.diff(e, kappa, 2),
        "second derivative of the ridge as a function of the effective ridge",
    )
    convex = page.rewrite(
        slope,
        2 * phi * population.trace(s**2 / (s + kappa) ** 3),
        "the ridge is a convex function of the effective ridge that vanishes at zero",
    )
    page.positive(
        at_atoms(convex, population, TWO_ATOMS),
        "strictly convex: the ridge passes each positive value once, and Newton's iteration from "
        "above decreases to that root",
        given={p: odds / (1 + odds)},
        domain=letters.domain("phi", "kappa", "s_1", "s_2", "odds"),
    )
    evidence = page.steps[-1].evidence
    page.derive(
        "put in the spectrum",
        definition(kappa, RIDGE_LINE),
        lambda e: definition(kappa, at_atoms(e.rhs, population, TWO_ATOMS)),
        "two population eigenvalues",
    )
    return page.fixed_point(point, "unique root above the ridge", evidence)


def on_atoms(page, value: sp.Expr) -> sp.Expr:
    """Put two atoms into a value on the page; return it in the stable form that is evaluated."""
    traces = {gamma: phi * DF2, df2: DF2, df1: DF1}
    plain = page.derive(
        "put in the spectrum",
        value,
        lambda e: at_atoms(e.subs(traces), population, TWO_ATOMS, OVERLAPS),
        "two population eigenvalues",
    )
    stable = at_atoms(value.subs({gamma: 1 - v, df2: DF2}), population, TWO_ATOMS, OVERLAPS)
    spread = at_atoms(SPREAD, population, TWO_ATOMS)
    line = at_atoms(DF1, population, TWO_ATOMS)
    names = [str(q) for q in letters if q in map(str, plain.free_symbols) and q != "lam"]
    page.rewrite(
        plain,
        stable.subs(v, lam / kappa + spread),
        "in the form that is evaluated: 1 - gamma as a sum of positive terms",
        given={lam: kappa * (1 - phi * line)},
        domain=letters.domain(*dict.fromkeys([*names, "phi", "kappa", "s_1", "s_2", "p"])),
    )
    return stable


@derivation(
    "classics.resolvent_pair",
    reference="Marchenko & Pastur 1967; pencil form as in arXiv 2504.10754",
    limit="d, n -> oo with d/n -> phi",
)
def resolvent_pair(page):
    r"""The white sample covariance obeys a pair of equations, one for each side of the data.

    .. math:: \tau=\frac{\lambda}{\lambda+g},\qquad g=\frac{\lambda}{\lambda+\phi\tau},\qquad
       \tau=\lim\lambda\,\overline{\mathrm{tr}}\,(X^\top X/n+\lambda)^{-1}.
    """
    page.over(letters, "phi", "lam")
    page.assume(UNIVERSALITY, "self-averaging of large pencils", citing=DYSON)
    white = Gaussian("X", n, d, 1 / n)
    word = (white.T @ white + ONE * lam).inverse() * lam
    system = dyson_equations({"t": word}, PAIR)
    page.derive(
        "linearise and average",
        word,
        lambda w: lines(dyson_equations({"t": w}, PAIR).equations),
        "linear pencil and its matrix Dyson equation",
    )
    row, column = system.equations  # traces of the two diagonal blocks
    first = page.derive(
        "name", system.outputs["t"], lambda e: e.subs(column, g), "g is the leave-one-out factor"
    )
    second = page.derive(
        "name",
        system.equations[column],
        lambda e: e.subs(row, phi * tau / lam),
        "the first unknown is phi tr R = phi tau/lam",
    )
    page.rewrite(
        system.equations[row].subs(column, g),
        phi * first / lam,
        "it is that trace indeed",
        domain=letters.domain("phi", "lam", "g"),
    )
    page.rewrite(first, lam / (lam + g), "first line", domain=letters.domain("lam", "g"))
    page.rewrite(second, lam / (lam + phi * tau), "second line",
                 domain=letters.domain("phi", "lam", "tau"))  # fmt: skip
    quadratic = page.derive(
        "eliminate",
        (tau * (lam + g) - lam, g * (lam + phi * tau) - lam),
        lambda pair: sp.expand(sp.resultant(*reversed(pair), g)),
        "eliminate g",
    )
    page.rewrite(
        quadratic,
        phi * lam * tau**2 + (lam**2 + lam - phi * lam) * tau - lam**2,
        "one quadratic",
        domain=letters.domain("phi", "lam", "tau"),
    )
    roots = page.derive("solve", quadratic, lambda e: tuple(sp.solve(e, tau)), "both roots")
    root = page.branch(
        roots,
        tau,
        Branch(anchor=(tau, lam, sp.oo, 1), region=tau > 0),
        "tau is a positive trace and tends to one for a large ridge",
    )
    b = lam + 1 - phi
    closed = page.rewrite(root, 2 * lam / (b + sp.sqrt(b**2 + 4 * phi * lam)), "conjugate form")
    # both forms of the root, each where it does not subtract equal numbers
    root_of = sp.Symbol("root", positive=True)
    stable = sp.Piecewise((2 * lam / (b + root_of), b > 0), ((root_of - b) / (2 * phi), True))
    page.rewrite(
        stable.subs(root_of, sp.sqrt(b**2 + 4 * phi * lam)), closed, "cancellation-free form"
    )
    page.result(
        "tau",
        stable,
        (phi, lam),
        where=(Let(root_of, sp.sqrt(b**2 + 4 * phi * lam)),),
        domain=letters.domain("phi", "lam"),
        limit=LIMIT,
        symbol=r"\tau",
    )


@derivation(
    "classics.anisotropic_marchenko_pastur",
    reference="Marchenko & Pastur 1967; Silverstein 1995",
    limit="d, n -> oo with d/n -> phi",
)
def anisotropic_marchenko_pastur(page):
    r"""A sample covariance acts as its population covariance with a larger, effective ridge.

    .. math:: \kappa=\lambda+\phi\,\kappa\,\overline{\mathrm{tr}}\,\frac{\Sigma}{\Sigma+\kappa},
       \qquad\tau=\overline{\mathrm{tr}}\,\frac{\kappa}{\Sigma+\kappa}.
    """
    page.over(letters, "phi", "lam", "kappa")
    value = reduced(page, R * lam, 2)
    printed = population.trace(kappa / (s + kappa))
    page.rewrite(value.subs(df1, DF1), printed, "trace of the resolvent, as printed")
    page.rewrite(
        sample.effective_ridge.rhs, RIDGE_LINE, "the leave-one-out rule gives the same equation"
    )
    page.rewrite(
        lam * one_resolvent(sample).trace(), printed, "and the same trace: the second route"
    )
    point = ridge_point(page)
    on_two = page.derive(
        "put in the spectrum", printed, lambda e: at_atoms(e, population, TWO_ATOMS), "two atoms"
    )
    two = letters.domain("phi", "lam", "s_1", "s_2", "p")
    symbols = (phi, lam, s_1, s_2, p)
    page.result("kappa", kappa, symbols, where=(point,), domain=two, limit=LIMIT,
                symbol=r"\kappa")  # fmt: skip
    page.result("tau", on_two, symbols, where=(point,),
                domain=two, limit=LIMIT, symbol=r"\tau")  # fmt: skip


@derivation(
    "classics.ridge_bias",
    reference="Hastie, Montanari, Rosset & Tibshirani 2022; Bach, arXiv 2303.01372",
    limit="d, n -> oo with d/n -> phi",
)
def ridge_bias(page):
    r"""The bias of ridge regression is that of the population at the effective ridge, inflated.

    .. math:: \lambda^2\,\overline{\mathrm{tr}}\,R\Theta R\Sigma\to\frac{\kappa^2\,
       \overline{\mathrm{tr}}[\Sigma\Theta/(\Sigma+\kappa)^2]}{1-\gamma},\qquad
       \gamma=\phi\,\overline{\mathrm{tr}}\frac{\Sigma^2}{(\Sigma+\kappa)^2}.
    """
    page.over(letters, "phi", "lam", "kappa", conditions=())
    value = reduced(page, (R @ Theta @ R @ Sigma) * lam**2, 6)
    overlap = population.trace(s / (s + kappa) ** 2, sp.Symbol("Theta"))
    box = letters.domain("phi", "kappa", "gamma", "s_1", "s_2", "p", "theta_1", "theta_2")
    page.parametrise({})
    page.rewrite(
        at_atoms(value, population, TWO_ATOMS, OVERLAPS),
        at_atoms(kappa**2 * overlap / (1 - gamma), population, TWO_ATOMS, OVERLAPS),
        "the two-line form, as printed, on a spectrum of two atoms",
        domain=box,
    )
    population_word = population.function(s)
    second = page.derive(
        "two resolvents",
        lam**2 * two_resolvents(sample, sp.Symbol("Theta")).trace(population_word),
        lambda e: name_degrees_of_freedom(e, sample).expression,
        "the two-resolvent rule, a second route",
    )
    page.rewrite(
        at_atoms(value - second, population, TWO_ATOMS, OVERLAPS),
        sp.S.Zero,
        "both routes agree",
        domain=box,
    )
    page.parametrise({}, {population: None})
    point = ridge_point(page)
    stable = inflation(page)
    page.result(
        "bias",
        on_atoms(page, kappa**2 * overlap / (1 - gamma)),
        (phi, lam, s_1, s_2, p, theta_1, theta_2),
        where=(point, stable),
        domain=letters.domain("phi", "lam", "s_1", "s_2", "p", "theta_1", "theta_2"),
        limit=LIMIT,
        symbol=r"\lambda^2\,\overline{\mathrm{tr}}\,R\Theta R\Sigma",
    )


@derivation(
    "classics.ridge_variance",
    reference="Hastie, Montanari, Rosset & Tibshirani 2022; Bach, arXiv 2303.01372",
    limit="d, n -> oo with d/n -> phi",
)
def ridge_variance(page):
    r"""The variance of ridge regression is its second degrees of freedom, inflated.

    .. math:: \lambda\,\overline{\mathrm{tr}}\,\hat\Sigma R^2\Sigma\to\lambda\,\kappa'(\lambda)\,
       \overline{\mathrm{tr}}\frac{\Sigma^2}{(\Sigma+\kappa)^2},\qquad
       \kappa'(\lambda)=\frac1{1-\gamma}.
    """
    page.over(letters, "phi", "lam", "kappa")
    value = reduced(page, (X.T @ X @ R @ R @ Sigma) * lam, 9)
    page.parametrise({})
    box = letters.domain("lam", "gamma", "df2")
    page.rewrite(value, lam * df2 / (1 - gamma), "the two-line form, as printed", domain=box)
    slope = page.derive(
        "differentiate",
        sample,
        lambda e: e.derivative_of_effective_ridge,
        "derivative of the effective ridge in the ridge, from its equation",
    )
    page.rewrite(slope, 1 / (1 - gamma), "the inflation is that derivative", domain=box)
    second = page.derive(
        "two resolvents",
        lam * resolvent_sample_resolvent(sample).trace(population.function(s)),
        lambda e: name_degrees_of_freedom(e, sample).expression,
        "R Sigma_hat R by the exact identity and the two-resolvent rule, a second route",
    )
    page.rewrite(value - second, sp.S.Zero, "both routes agree", domain=box)
    page.parametrise({}, {population: None})
    point = ridge_point(page)
    page.result(
        "variance",
        on_atoms(page, lam * df2 / (1 - gamma)),
        (phi, lam, s_1, s_2, p),
        where=(point, inflation(page)),
        domain=letters.domain("phi", "lam", "s_1", "s_2", "p"),
        limit=LIMIT,
        symbol=r"\lambda\,\overline{\mathrm{tr}}\,\hat\Sigma R^2\Sigma",
    )


@resolvent_pair.simulate
def simulate_resolvent_pair(
    *, size: int = 96, seeds: int = 16, seed: int = 0, phi: float, lam: float
) -> SimulationResult:
    """Average the regularised resolvent of white samples over seeds."""
    return simulated_ridge(
        "classics.resolvent_pair", "tau", size, seeds, seed, phi, lam, [1.0, 1.0], 0.5
    )


@anisotropic_marchenko_pastur.simulate
def simulate_anisotropic(
    *, size: int = 96, seeds: int = 16, seed: int = 0, phi: float, lam: float, s_1: float,
    s_2: float, p: float,
) -> SimulationResult:  # fmt: skip
    """Average the regularised resolvent of samples with two population eigenvalues."""
    return simulated_ridge(
        "classics.anisotropic_marchenko_pastur", "tau", size, seeds, seed, phi, lam, [s_1, s_2], p
    )


@ridge_bias.simulate
def simulate_ridge_bias(
    *, size: int = 96, seeds: int = 16, seed: int = 0, phi: float, lam: float, s_1: float,
    s_2: float, p: float, theta_1: float, theta_2: float,
) -> SimulationResult:  # fmt: skip
    """Average the bias over seeds, with a test matrix diagonal in the frame of the population."""
    return simulated_ridge(
        "classics.ridge_bias", "bias", size, seeds, seed, phi, lam, [s_1, s_2], p,
        [theta_1, theta_2],
    )  # fmt: skip


@ridge_variance.simulate
def simulate_ridge_variance(
    *, size: int = 96, seeds: int = 16, seed: int = 0, phi: float, lam: float, s_1: float,
    s_2: float, p: float,
) -> SimulationResult:  # fmt: skip
    """Average the variance over seeds."""
    return simulated_ridge(
        "classics.ridge_variance", "variance", size, seeds, seed, phi, lam, [s_1, s_2], p
    )


__all__ = [
    "anisotropic_marchenko_pastur",
    "resolvent_pair",
    "ridge_bias",
    "ridge_variance",
]
