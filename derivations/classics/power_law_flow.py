r"""Gradient flow on power laws: how a loss falls with time, and how a weight grows by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from derivations.classics.ensembles import averaged
from derive.domain import Notation
from derive.mellin import exponential
from derive.power_flow import PowerFlow, dominant_balances, rotated_flow
from derive.power_law import SourceCapacity
from derive.registry import derivation
from numerics.lower import Let
from numerics.simulation import SimulationResult

letters = Notation()
b = letters.quantity("b", "capacity: $\\lambda_k=c\\,k^{-b}$", lower=sp.Rational(1, 2), upper=8)
a = letters.quantity("a", "source: mode $k$ carries $h\\,k^{-a}$ of the target's variance",
                     lower=1, upper=12)  # fmt: skip
c = letters.quantity("c", "scale of the spectrum, its largest eigenvalue", lower=0)
h = letters.quantity("h", "scale of the target, the variance in its largest mode", lower=0)
k = letters.quantity("k", "number of a mode", lower=0, integer=True)
N = letters.quantity("N", "number of modes", lower=0, integer=True)
t = letters.quantity("t", "training time", lower=0)
s = letters.quantity("s", "exponent of the loss, $(a-1)/b$", lower=0)
E = letters.quantity("E", "loss in one mode", lower=0)
r = letters.quantity("r", "power with which growth slows down", lower=0, upper=8)
K = letters.quantity("K", "rate of growth", lower=0)
g_0 = letters.quantity("g_0", "weight at the start", lower=0, latex=r"\gamma_0")
A = letters.quantity("A", "amplitude of the loss in the weight", lower=0)
g = letters.quantity("g", "weight", lower=0, latex=r"\gamma")
letters.quantity("t_0", "time to which the initial weight corresponds")

LAW = SourceCapacity.from_bordelon2024(a, b, spectrum_scale=c, source_scale=h)
PHASE: dict[Any, Any] = {a: sp.Rational(11, 5), b: sp.Rational(3, 2)}


@derivation(
    "classics.power_law_flow",
    reference="Velikanov & Yarotsky, arXiv 2105.00507; Bordelon et al., arXiv 2402.01092",
    limit="N -> oo, then t large",
)
def power_law_flow(page):
    r"""Gradient flow on a power law lowers the loss by a power of time, up to what is beyond all.

    .. math:: \sum_{k\ge1}h\,k^{-a}e^{-2ck^{-b}t}=\frac{h\,\Gamma(s)}{b\,(2ct)^{s}}+O(t^{-\infty}),
       \qquad s=\frac{a-1}b .
    """
    page.over(letters, "a", "b", "c", "h", "t", "k")
    spectrum, source = c * k**-b, h * k**-a
    at: Any = sp.Function("E")(t)
    rate = sp.Symbol("rate", positive=True)
    mode = page.derive(
        "solve the flow", source,
        lambda e: e * sp.dsolve(at.diff(t) + 2 * rate * at, at, ics={at.subs(t, 0): 1})
        .rhs.subs(rate, spectrum),
        "the error of a mode falls at its eigenvalue, its loss twice as fast",
    )  # fmt: skip
    page.rewrite(mode, h * k**-a * sp.exp(-2 * c * k**-b * t), "as printed")
    summed = page.derive("add the modes", mode, lambda e: sp.Sum(e, (k, 1, N)), "up to mode N")
    total = LAW.sum(exponential().scaled(2), t)
    page.define(s, (a - 1) / b, "where the spectrum has its pole")
    page.derive("strip", total.transform, lambda e: total.existence,
                "the loss at the start is finite: a > 1")  # fmt: skip
    found = page.derive(
        "Mellin transform", total.transform, lambda e: total.expansion(PHASE, 1).expression,
        "the pole of the spectrum; the exponential has none beside it, so nothing corrects it",
    )  # fmt: skip
    law = page.rewrite(found, h * sp.gamma(s) / (b * (2 * c * t) ** s), "as printed",
                       given={s: (a - 1) / b})  # fmt: skip
    slope = page.derive("slope", law, lambda e: sp.simplify(t * sp.diff(e, t) / e), "on log scales")
    page.rewrite(slope, -s, "the exponent", domain=letters.domain("s"), given={})
    spent = page.derive(
        "last mode", 2 * spectrum * t, lambda e: sp.solve(e.subs(k, N) - 1, t)[0],
        "from here on the last mode decays, and with N modes the law ends",
    )  # fmt: skip
    modes = ("a", "b", "c", "h", "t", "N")
    page.result("end", spent, (b, c, N), domain=letters.domain("b", "c", "N"),
                limit="N -> oo", symbol="t_N")  # fmt: skip
    page.result("loss_modes", summed, (a, b, c, h, t, N), domain=letters.domain(*modes),
                limit="none: exact for N modes", symbol="L_N")  # fmt: skip
    page.result("loss", law, (a, b, c, h, t), where=(Let(s, (a - 1) / b),),
                domain=letters.domain(*modes[:-1]), limit="N -> oo, then t large",
                symbol="L")  # fmt: skip


@derivation(
    "classics.power_law_growth",
    reference="Bender & Orszag 1978, ch. 4; Bordelon, Letey & Pehlevan, arXiv 2510.01098",
    limit="t large",
)
def power_law_growth(page):
    r"""A weight that grows at a falling rate grows as a power, and the loss falls as another.

    .. math:: \dot\gamma=K\gamma^{-r}\Rightarrow\gamma\simeq[(r+1)Kt]^{1/(r+1)};\qquad
       L=A\gamma^{-s},\ \dot\gamma=-L'(\gamma)\Rightarrow
       L\simeq A\,[A\,s(s+2)\,t]^{-s/(s+2)} .
    """
    page.over(letters, "K", "r", "t", "g_0")
    weight: Any = sp.Function("gamma")(t)
    equation = weight.diff(t) - K * weight**-r

    def balanced(line: Any) -> Any:
        (balance,) = dominant_balances(line.lhs - line.rhs, weight, t, {})
        return balance.amplitude * t**balance.exponent

    lead = page.derive(
        "balance", sp.Eq(weight.diff(t), K * weight**-r), balanced,
        "the only power law at which both sides are of one size",
    )  # fmt: skip
    growth = page.rewrite(lead, ((r + 1) * K * t) ** (1 / (r + 1)), "as printed")
    exact = (g_0 ** (r + 1) + (r + 1) * K * t) ** (1 / (r + 1))
    slope = page.derive("differentiate", exact, lambda e: sp.diff(e, t), "with an initial weight")
    page.rewrite(slope, K * exact**-r, "it solves the equation at all times")
    start = sp.Symbol("t_0")

    def two_terms(line):
        series = PowerFlow(K, r).expansion(t, {})
        return sp.Add(*(term.expression(t) for term in (series.leading, series.next) if term))

    two = page.derive(
        "next order", equation,
        lambda e: two_terms(e).subs(start, g_0 ** (r + 1) / ((r + 1) * K)),
        "the initial weight shifts the time by t_0",
    )  # fmt: skip
    page.rewrite(two, growth * (1 + g_0 ** (r + 1) / ((r + 1) ** 2 * K * t)), "as printed")
    page.over(letters, "A", "s", "t", "g")
    fall = page.derive("differentiate", A * g**-s, lambda e: -sp.diff(e, g), "the force on it")
    page.rewrite(fall, A * s * g ** -(s + 1), "a rate K = A s at r = s + 1")
    spent = page.derive(
        "insert", growth, lambda e: A * e.subs({K: A * s, r: s + 1}) ** -s, "the loss at time t"
    )
    loss = page.rewrite(spent, A * (A * s * (s + 2) * t) ** (-s / (s + 2)), "as printed")
    beta = sp.Symbol("beta", positive=True)
    amplitude = page.derive(
        "engine", spent,
        lambda e: rotated_flow(SourceCapacity(1, beta, 1, beta), t)
        .series.leading.expression(t).subs(beta, s),
        "second route, from the sum over modes, whose amplitude is A = Gamma(s + 1) 2^-s",
    )  # fmt: skip
    page.rewrite(amplitude, loss, "the same", given={A: sp.gamma(s + 1) * 2**-s},
                 domain=letters.domain("s", "t"))  # fmt: skip
    page.result("growth_exact", exact, (K, r, g_0, t), limit="none: exact",
                domain=letters.domain("K", "r", "g_0", "t"), symbol=r"\gamma(t)")  # fmt: skip
    page.result("growth", growth, (K, r, t), domain=letters.domain("K", "r", "t"),
                limit="t large", symbol=r"\gamma")  # fmt: skip
    page.result("loss", loss, (A, s, t), domain=letters.domain("A", "s", "t"), limit="t large",
                symbol="L")  # fmt: skip


@power_law_flow.simulate
def simulate_flow(
    *, size: int = 400, seeds: int = 16, seed: int = 0, a: float, b: float, c: float, h: float,
    t: float,
) -> SimulationResult:  # fmt: skip
    """Follow gradient flow towards random teachers on so many modes, step by step."""
    place = np.arange(1, size + 1)
    spectrum, spread = c * place**-b, np.sqrt(h / c * place ** (b - a))

    def sampler(rng: np.random.Generator) -> dict[str, Any]:
        teacher = spread * rng.standard_normal(size)
        flow = solve_ivp(lambda _, error: -spectrum * error, (0, t), teacher, rtol=1e-6, atol=1e-9)
        return {"loss_modes": float(spectrum @ flow.y[:, -1] ** 2)}

    return averaged(
        "classics.power_law_flow", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"a": a, "b": b, "c": c, "h": h, "t": t, "N": size}, counts={"N": size},
    )  # fmt: skip


@power_law_growth.simulate
def simulate_growth(
    *, size: int = 1, seeds: int = 4, seed: int = 0, K: float, r: float, g_0: float, t: float
) -> SimulationResult:
    """Integrate the growth of a weight by Runge-Kutta steps of a random first length."""

    def sampler(rng: np.random.Generator) -> dict[str, Any]:
        first = t * rng.uniform(1e-4, 1e-3)
        flow = solve_ivp(
            lambda _, y: K * y**-r, (0, t), [g_0], first_step=first, rtol=1e-9, atol=1e-12
        )
        return {"growth_exact": float(flow.y[0, -1])}

    return averaged(
        "classics.power_law_growth", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"K": K, "r": r, "g_0": g_0, "t": t}, counts={},
    )  # fmt: skip
