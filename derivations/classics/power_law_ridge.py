r"""Ridgeless regression on power-law spectra: the effective ridge and the error it leaves."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.classics.power_law_notation import (
    EQUIVALENT,
    LIMIT,
    RIDGELESS,
    P,
    X,
    a,
    b,
    c,
    d,
    h,
    k,
    kappa,
    lam,
    letters,
    n,
    packing,
    phi,
    q,
    s,
    simulated,
    w,
    y,
)
from derive.asymptotic_series import Term
from derive.asymptotics import crossover
from derive.deterministic_equivalent import SampleCovariance, definition
from derive.fixed_point import Branch, FixedPoint
from derive.infinite_power_law import as_power_law_sum
from derive.mellin import resolvent
from derive.plateau import context_plateau, effective_ridge
from derive.power_law import SourceCapacity
from derive.registry import derivation
from derive.spectral_trace import Spectrum
from derive.spectrum_tables import MODE, at_power_law
from numerics.functions import PowerLawSum
from numerics.lower import Condition, Let
from numerics.simulation import SimulationResult

population = Spectrum("Sigma")
sample = SampleCovariance(population, phi, lam, kappa)
LAW = SourceCapacity.from_bordelon2024(a, b, spectrum_scale=c, source_scale=h)
SQUARE = SourceCapacity(2, 1, spectrum_scale=c)
PHASE: dict[Any, Any] = {a: sp.Rational(11, 5), b: sp.Rational(3, 2)}
FOLLOWS = Condition("a < 2 b + 1", a < 2 * b + 1, "the spectrum's pole comes first")
SATURATED = Condition("a > 2 b + 1", a > 2 * b + 1, "the kernel's pole comes first")
SHORT = Condition("a < 2 b", a < 2 * b, "else the next order is that of the kernel")


def samples_as_modes(page, eigenvalue: sp.Expr) -> sp.Equality:
    """Write the equation of the ridgeless effective ridge as a sum over modes on a page."""
    page.assume(RIDGELESS, "deterministic equivalent of the resolvent of a sample covariance",
                citing=EQUIVALENT)  # fmt: skip
    equation = page.derive(
        "leave one out",
        definition(kappa, sample.effective_ridge.rhs),
        lambda e: sp.Eq(sp.expand(e.rhs.subs(lam, 0) / kappa), 1, evaluate=False),
        "the equation of the effective ridge at ridge zero",
    )
    return page.derive(
        "put in the spectrum",
        equation,
        lambda e: sp.Eq(n * at_power_law(e.lhs, population, eigenvalue, d).subs(phi, d / n), n,
                        evaluate=False),
        "a sum over modes; the number of modes goes to infinity first",
    )  # fmt: skip


@derivation(
    "classics.inverse_square_spectrum",
    reference="Bordelon, Canatar & Pehlevan, arXiv 2002.02561; Euler 1748",
    limit="d -> oo, then n large",
)
def inverse_square_spectrum(page):
    r"""On an inverse-square spectrum n samples act as a ridge known beyond all powers of n.

    .. math:: \kappa=c\left(\frac{\pi}{2n+1}\right)^2\left[1+4e^{-2(2n+1)}+\dots\right].
    """
    page.over(letters, "y", "n", "c")
    equation = samples_as_modes(page, c * MODE**-2)
    decay = sp.exp(-2 * sp.pi * y)
    coth = (1 + decay) / (1 - decay)
    total = SQUARE.degrees_of_freedom(1, X)
    summed = page.derive(
        "add the modes", equation, lambda e: as_power_law_sum(total).subs(X, y**2 / c),
        "all of them, with y^2 = c/kappa",
    )  # fmt: skip
    modes = page.rewrite(summed, (sp.pi * y * coth - 1) / 2,
                         "Euler's partial fractions of the hyperbolic cotangent")  # fmt: skip
    powers = page.derive(
        "Mellin transform",
        total.transform,
        lambda e: total.expansion({}, 3).expression,
        "the same from the poles: a power and half a mode, and no further pole",
    )
    page.rewrite(powers.subs(X, y**2 / c), modes.subs(decay, 0), "what the exponential leaves")
    excess = page.derive(
        "equate with n", modes, lambda e: sp.expand(2 * e) - 2 * n, "twice the number of samples"
    )
    equation = page.rewrite(excess, sp.pi * y * coth - (2 * n + 1), "one equation for y")
    slope = page.derive(
        "differentiate", sp.pi * y * coth, lambda e: sp.diff(e, y), "slope of the left side"
    )
    z = sp.pi * y
    page.rewrite(
        slope,
        4 * sp.pi * decay * ((sp.exp(2 * z) - sp.exp(-2 * z)) / 4 - z) / (1 - decay) ** 2,
        "the sign is that of sinh(2 z)/2 - z",
    )
    page.positive(slope, "the degrees of freedom rise with y: one root for every n")
    rising = page.steps[-1].evidence
    point = FixedPoint((y,), (equation,), Branch(region=y > 0), ((2 * n + 1) / sp.pi,))
    page.fixed_point(point, "convex: Newton's iteration falls from the ridge below", rising)
    ridge = page.derive("invert", sp.Eq(y**2, c / kappa), lambda e: c / e.lhs, "the ridge again")
    page.result("kappa_exact", ridge, (c, n), where=(point,), domain=letters.domain("c", "n"),
                limit="d -> oo", symbol=r"\kappa_{\mathrm{exact}}")  # fmt: skip
    signless = sp.Symbol("y")
    roots = page.derive(
        "solve", (z * coth) ** 2 - (2 * n + 1) ** 2,
        lambda e: tuple(sp.solve(e.subs(decay, 0).subs(y, signless), signless)),
        "both roots without the exponential",
    )  # fmt: skip
    root = page.branch(roots, y, Branch(region=signless > 0), "y is a square root")
    least = page.derive("insert", ridge, lambda e: e.subs(y, root), "the ridge beyond all powers")
    closed = page.rewrite(least, c * (sp.pi / (2 * n + 1)) ** 2, "as printed")
    ratio = page.derive(
        "expand", coth**2 - 1, lambda e: sp.series(e.subs(decay, q), q, 0, 2).removeO(),
        "relative defect, the square of (2 n + 1)/(pi y) less one, in q = exp(-2 pi y)",
    )  # fmt: skip
    defect = page.derive("insert", ratio, lambda e: e.subs(q, sp.exp(-2 * (2 * n + 1))),
                         "first order in what is smaller than every power")  # fmt: skip
    page.rewrite(defect, 4 * sp.exp(-2 * (2 * n + 1)), "the defect", domain=letters.domain("n"))
    page.result("defect", defect, (n,), domain=letters.domain("n"), limit=LIMIT,
                symbol=r"\kappa_{\mathrm{exact}}/\kappa-1")  # fmt: skip
    page.result("kappa", closed, (c, n), domain=letters.domain("c", "n"), limit=LIMIT,
                symbol=r"\kappa")  # fmt: skip


@inverse_square_spectrum.simulate
def simulate_inverse_square(
    *, size: int = 400, seeds: int = 16, seed: int = 0, c: float, n: float
) -> SimulationResult:
    """Invert Gram matrices of n samples with so many modes."""
    return simulated("classics.inverse_square_spectrum", "kappa", size, seeds, seed, b=2.0, c=c,
                     n=n)  # fmt: skip


@derivation(
    "classics.power_law_ridge",
    reference="Bordelon, Canatar & Pehlevan, arXiv 2002.02561; Cui et al., arXiv 2105.15004",
    limit="d -> oo, then n large",
)
def power_law_ridge(page):
    r"""On a power-law spectrum the error follows the target until the spectrum's power is spent.

    .. math:: \kappa\,n^b\to c\left(\frac{\pi/b}{\sin(\pi/b)}\right)^b,\qquad
       \mathcal E\,n^{a-1}\to h\left(\frac{\pi/b}{\sin(\pi/b)}\right)^{a-1}
       \Gamma(2-s)\Gamma(s),\quad s=\frac{a-1}b<2 .
    """
    page.over(letters, "b", "c", "n", "kappa", "k", "w")
    equation = samples_as_modes(page, c * MODE**-b)
    degrees = LAW.degrees_of_freedom(1, X)
    mode = w**b / (w**b + k**b)
    page.positive(sp.diff(mode, w), "each mode rises with w, from 0 to 1: one w for every n")
    rising = page.steps[-1].evidence
    modes = page.derive(
        "add the modes", equation, lambda e: as_power_law_sum(degrees).subs(X, w**b / c),
        "all of them, with w^b = c/kappa",
    )  # fmt: skip
    count = page.derive("equate with n", modes, lambda e: e - n, "the number of samples")
    point = FixedPoint((w,), (count,), Branch(region=w > 0), (n / packing(),))
    page.fixed_point(point, "a unique root; the sum is nearly linear in w", rising)
    found = page.derive("invert", sp.Eq(w**b, c / kappa), lambda e: c / e.lhs, "the ridge again")
    page.result("kappa_exact", found, (b, c, n), where=(point,),
                domain=letters.domain("b", "c", "n"), limit="d -> oo",
                symbol=r"\kappa_{\mathrm{exact}}")  # fmt: skip
    page.derive("strip", degrees.transform, lambda e: degrees.existence,
                "the sum over modes converges if its poles leave a strip: b > 1")  # fmt: skip
    page.define(P, packing(), "packing of the modes around the ridge")
    page.define(s, (a - 1) / b, "where the spectrum has its pole")
    df1 = page.derive(
        "Mellin transform", degrees.transform,
        lambda e: degrees.expansion(PHASE, 3).expression.subs(X, 1 / kappa),
        "residues right of the strip: spectrum, half a mode, first pole of the kernel",
    )  # fmt: skip
    named: dict[Any, Any] = {P: packing(), s: (a - 1) / b}
    page.rewrite(df1, P * (c / kappa) ** (1 / b) - sp.Rational(1, 2) - sp.zeta(-b) * kappa / c,
                 "by the reflection formula", given=named)  # fmt: skip
    mirrored = -2 * (2 * sp.pi) ** (-b - 1) * sp.sin(sp.pi * b / 2) * sp.gamma(1 + b)
    mirrored = mirrored * sp.zeta(1 + b)
    page.rewrite(sp.zeta(-b), mirrored, "functional equation of zeta",
                 domain=letters.domain("b"))  # fmt: skip
    half = n + sp.Rational(1, 2)
    expanded = page.derive(
        "solve for the ridge", df1,
        lambda e: sp.Add(*(t.expression(half) for t in effective_ridge(LAW, n).shifted.terms)),
        "leading power of n + 1/2 and one correction",
    )  # fmt: skip
    leading = c * (P / half) ** b
    shifted = page.rewrite(
        expanded, leading * (1 - b * mirrored * P**b / half ** (b + 1)), "as printed", given=named
    )
    first = page.derive("keep the first", effective_ridge(LAW, n).cases[0].leading.expression(n),
                        sp.powsimp, "the law itself")  # fmt: skip
    law = page.rewrite(first, c * (P / n) ** b, "as printed", given=named)
    packed = (Let(P, packing()),)
    page.result("kappa_next", shifted, (b, c, n), where=packed,
                domain=letters.domain("b", "c", "n"), limit=LIMIT,
                symbol=r"\kappa_{\mathrm{next}}")  # fmt: skip
    page.result("kappa", law, (b, c, n), where=packed, domain=letters.domain("b", "c", "n"),
                limit=LIMIT, symbol=r"\kappa")  # fmt: skip


@power_law_ridge.simulate
def simulate_ridge(
    *, size: int = 400, seeds: int = 16, seed: int = 0, b: float, c: float, n: float
) -> SimulationResult:
    """Invert Gram matrices of n samples with so many modes."""
    return simulated("classics.power_law_ridge", "kappa", size, seeds, seed, b=b, c=c, n=n)


@derivation(
    "classics.power_law_error",
    reference="Bordelon, Canatar & Pehlevan, arXiv 2002.02561; Cui et al., arXiv 2105.15004",
    limit="d -> oo, then n large",
)
def power_law_error(page):
    r"""The error falls as the target asks, until the exponent sticks at twice the spectrum's.

    .. math:: \mathcal E\,n^{a-1}\to h\left(\frac{\pi/b}{\sin(\pi/b)}\right)^{a-1}
       \Gamma(2-s)\Gamma(s),\quad s=\frac{a-1}b<2;\qquad \mathcal E\sim n^{-2b},\quad s>2 .
    """
    page.over(letters, "a", "b", "c", "h", "n", "kappa", conditions=[FOLLOWS])
    page.use("classics.power_law_ridge")
    page.assume(
        "The error is the bias at the effective ridge over one minus the second degrees of freedom "
        "per sample", "two-resolvent equivalent at ridge zero", citing=EQUIVALENT,
    )  # fmt: skip
    _every_mode(page)
    page.define(P, packing(), "packing of the modes around the ridge")
    page.define(s, (a - 1) / b, "where the spectrum has its pole")
    named: dict[Any, Any] = {P: packing(), s: (a - 1) / b}
    total, second = LAW.sum(resolvent(2), X), LAW.degrees_of_freedom(2, X)
    page.derive("strip", total.transform, lambda e: sp.And(total.existence, 0 < total.pair.upper),
                "the bias is finite for a > 1, its kernel has its first pole at 2")  # fmt: skip
    bias = page.derive(
        "Mellin transform", total.transform,
        lambda e: total.expansion(PHASE, 1).expression.subs(X, 1 / kappa),
        "kappa^2 Tr Omega Lambda/(Lambda + kappa)^2: the pole of the spectrum",
    )  # fmt: skip
    page.rewrite(bias, h * (kappa / c) ** s * sp.gamma(s) * sp.gamma(2 - s) / b, "as printed",
                 given=named)  # fmt: skip
    spread = page.derive(
        "Mellin transform", second.transform,
        lambda e: 1 - second.expansion(PHASE, 1).expression.subs(X, 1 / kappa) / n,
        "one minus the second degrees of freedom per sample",
    )  # fmt: skip
    onto: dict[Any, Any] = {kappa: c * (P / n) ** b, **named}
    page.rewrite(spread, 1 / b, "the variance multiplies the bias by b", given=onto,
                 domain=letters.domain("b", "c", "n"))  # fmt: skip
    inserted = page.derive("insert", bias * b, lambda e: e.subs(kappa, onto[kappa]),
                           "bias over one minus gamma, at the effective ridge")  # fmt: skip
    printed = h * (P / n) ** (a - 1) * sp.gamma(2 - s) * sp.gamma(s)
    page.rewrite(inserted, printed, "the scale of the spectrum drops out", given=named)
    _phases(page, printed, named)


def _every_mode(page) -> None:
    """Write the error at finite n, with all modes, on the page."""
    first, second, total = (
        as_power_law_sum(e).subs(X, w**b / c)
        for e in (LAW.degrees_of_freedom(1, X), LAW.degrees_of_freedom(2, X),
                  LAW.sum(resolvent(2), X))
    )  # fmt: skip
    count = page.derive("equate with n", first, lambda e: e - n, "degrees of freedom, all modes")
    point = FixedPoint((w,), (count,), Branch(region=w > 0), (n / packing(),))
    left = page.rewrite(
        first - second, w**b * PowerLawSum(b, b, sp.Integer(2), w**b),
        "n less the second degrees of freedom, without the subtraction",
        domain=letters.domain("b", "w"),
    )  # fmt: skip
    exact = page.derive("divide", total, lambda e: n * e / left, "bias over one minus gamma")
    page.result("error_exact", exact, (a, b, h, n), where=(point,),
                domain=letters.domain("a", "b", "h", "n"), limit="d -> oo",
                symbol=r"\mathcal E_{\mathrm{exact}}")  # fmt: skip


def _phases(page, printed: sp.Expr, named: dict[Any, Any]) -> None:
    """Write the phases of the error, the next order and the crossover on the page."""
    plateau = context_plateau(LAW, n)
    follow, logarithm, stuck = plateau.cases
    route = page.derive("plateau", follow.leading.expression(n), sp.expand,
                        "the engine's own composition of the same sums")  # fmt: skip
    page.rewrite(route, printed, "second route", given=named)
    arguments, lets = (a, b, h, n), (Let(P, packing()), Let(s, (a - 1) / b))
    box = letters.domain("a", "b", "h", "n", conditions=[FOLLOWS])
    short = letters.domain("a", "b", "h", "n", conditions=[SHORT])
    late = letters.domain("a", "b", "h", "n", conditions=[SATURATED])
    half = n + sp.Rational(1, 2)
    two = page.derive(
        "next order", route,
        lambda e: sp.Add(*(
            term.expression(half) for term in plateau.shifted.series(PHASE, 2).terms
        )).subs(c, 1),
        "in n + 1/2; the variance factor is exact to this order",
    )  # fmt: skip
    refined = page.rewrite(
        two, h * P ** (a - 1) * sp.gamma(2 - s) * sp.gamma(s) * n / half**a,
        "for a < 2 b the next order is half a sample", given=named, domain=short,
    )  # fmt: skip
    sticking = page.derive("saturate", stuck.leading.expression(n), sp.expand,
                           "beyond a = 2 b + 1 the kernel's pole at 2 comes first")  # fmt: skip
    saturated = page.rewrite(sticking, b * h * (P / n) ** (2 * b) * sp.zeta(a - 2 * b),
                             "the exponent no longer follows the target", given=named,
                             domain=late)  # fmt: skip
    meeting = page.derive("let the poles meet", logarithm.leading.expression(n), sp.expand,
                          "at a = 2 b + 1 a double pole leaves a logarithm")  # fmt: skip
    log = page.rewrite(meeting, b * h * (P / n) ** (2 * b) * sp.log(n), "as printed", given=named,
                       domain=letters.domain("b", "c", "h", "n"))  # fmt: skip
    window = [SATURATED, Condition("a < 3 b + 1", a < 3 * b + 1, "one pole between the two")]
    between = letters.domain("a", "b", conditions=window)
    place = page.derive(
        "cross over", (follow.leading.expression(n), stuck.leading.expression(n)),
        lambda pair: crossover(
            Term(-follow.leading.coefficient.subs({c: 1, h: 1}), follow.leading.exponent),
            Term(stuck.leading.coefficient.subs({c: 1, h: 1}), stuck.leading.exponent),
        ),
        "number of samples at which both terms have one size",
    )  # fmt: skip
    size = P ** (a - 1) * sp.gamma(3 - s) * sp.gamma(s) / ((s - 2) * b * P ** (2 * b))
    scale = page.rewrite(place, (size / sp.zeta(a - 2 * b)) ** (1 / (a - 1 - 2 * b)),
                         "before it the error looks unsaturated", given=named,
                         domain=between)  # fmt: skip
    page.result("crossover", scale, (a, b), where=lets, domain=between, limit=LIMIT,
                symbol=r"n_\times")  # fmt: skip
    page.result("error_at_saturation", log, (b, h, n), where=lets[:1],
                domain=letters.domain("b", "h", "n"), limit=LIMIT,
                symbol=r"\mathcal E_{2b+1}")  # fmt: skip
    page.result("error_saturated", saturated, arguments, where=lets[:1], domain=late, limit=LIMIT,
                symbol=r"\mathcal E_{>}")  # fmt: skip
    page.result("error_next", refined, arguments, where=lets, domain=short, limit=LIMIT,
                symbol=r"\mathcal E_{\mathrm{next}}")  # fmt: skip
    page.result("error", printed, arguments, where=lets, domain=box, limit=LIMIT,
                symbol=r"\mathcal E")  # fmt: skip


@power_law_error.simulate
def simulate_error(
    *, size: int = 400, seeds: int = 16, seed: int = 0, a: float, b: float, h: float, n: float
) -> SimulationResult:
    """Fit a power-law target without ridge, with so many modes."""
    return simulated("classics.power_law_error", "error", size, seeds, seed, a=a, b=b, h=h, n=n)
