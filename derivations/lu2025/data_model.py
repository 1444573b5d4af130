r"""Section "Model": what the data model says of the features, by Gaussian averages.

Tokens :math:`x_i\sim N(0,I_d/d)`, labels :math:`y_i=\langle x_i,w\rangle+\epsilon_i`, context
statistics :math:`h=[\frac d\ell\sum_{i\le\ell}y_ix_i^\top,\ \frac1\ell\sum_{i\le\ell}y_i^2]`.
"""

from __future__ import annotations

import sympy as sp

from derivations.lu2025.notation import (
    LIMIT,
    M,
    alpha,
    d,
    kappa,
    l,
    letters,
    q,
    r,
    rho,
    tasks,
)
from derive.gaussian import GaussianLaw, expectation
from derive.index_notation import Field, Space
from derive.index_tensor import delta
from derive.registry import derivation
from numerics.functions import ResolventTrace
from numerics.lower import Let

v_w = letters.quantity("v_w", "label variance given the task, $|w|^2/d+\\rho$", lower=0)
gamma_r = letters.quantity("Gamma", "attention matrix on one eigenvector of $R$", latex=r"\Gamma")

component, token = Space("component", d), Space("token", l)
a, b, c, e, f = component.indices("a b c e f")
(i,) = token.indices("i")
x, w, noise = Field("x", (token, component)), Field("w", (component,)), Field("epsilon", (token,))
x_query, h = Field("x_query", (component,)), Field("h", (component,))
TOKENS, NOISE = GaussianLaw(x, 1 / d), GaussianLaw(noise, rho)
QUERY, TASK = GaussianLaw(x_query, 1 / d), GaussianLaw(w)
# The attention matrix acts on all d + 1 context statistics, the label power included.
statistic = Space("statistic", d + 1)
(s,) = statistic.indices("s")
attention, all_h = Field("Gamma", (component, statistic)), Field("h", (statistic,))
noise_query = Field("epsilon_query", ())


@derivation(
    "lu2025.training_statistics",
    reference="Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751",
    limit="d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau",
    equation="Model",
)
def training_statistics(page):
    r"""The features of linear attention have Kronecker covariance I x (q + R) and an optimum.

    .. math:: E\,\mathrm{vec}H\,\mathrm{vec}H^\top=\tfrac1dI\otimes(q+R),\qquad
              \Gamma_0=R(q+R)^{-1},\qquad \sigma_q^2=\rho+q\,\overline{\mathrm{tr}}R(q+R)^{-1}.
    """
    page.over(letters, "alpha", "kappa", "rho")
    norm = (w(c) * w(c)).sum(c)
    label = (x(i, c) * w(c)).sum(c) + noise(i)
    h_1 = (label * x(i, a)).sum(i) * (d / l)
    h_2 = (label * label).sum(i) / l

    def given_task(tensor):
        return expectation(tensor, TOKENS, NOISE).with_invariant(norm, d * (v_w - rho))

    page.rewrite(
        page.derive("average", h_1, given_task, "mean context statistics given the task (Wick)"),
        w(a),
        "the context statistics point along the task",
    )
    second = page.derive(
        "average", h_1 * h_1.rename({a: b}), given_task, "second moment given the task (Wick)"
    )
    page.rewrite(
        second,
        delta(a, b) * (d / l * v_w) + w(a) * w(b) * (1 + 1 / l),
        "an isotropic part from the finite context and the task itself",
    )
    page.rewrite(
        page.derive("average", h_1 * h_2, given_task, "mixed moment with the label power (Wick)"),
        w(a) * ((1 + 2 / l) * v_w),
        "mixed moment, exact in d and l",
    )
    last = page.derive(
        "average", h_2 * h_2, lambda t: given_task(t).scalar(), "fourth moment of the labels (Wick)"
    )
    page.rewrite(
        last,
        (1 + 2 / l) * v_w**2,
        "last diagonal entry, exact in l",
        domain=letters.domain("l", "v_w"),
    )
    page.rewrite(
        page.derive(
            "average",
            h_2 * h_2,
            lambda t: expectation(expectation(t, TOKENS, NOISE), TASK).scalar(),
            "the same for new Gaussian tasks",
        ),
        (1 + 2 / l) * ((1 + rho) ** 2 + 2 / d),
        "last diagonal entry for Gaussian tasks, exact in d and l",
        domain=letters.domain("d", "l", "rho"),
    )
    page.derive(
        "insert",
        (1 + 2 / l) * v_w**2,
        lambda entry: entry.subs(v_w, 1 + rho),
        "the same for spherical tasks, |w|^2 = d",
    )
    fresh = page.derive(
        "average",
        h_1 * h_1.rename({a: b}),
        lambda t: expectation(expectation(t, TOKENS, NOISE), TASK),
        "second moment for a new Gaussian task",
    )
    page.rewrite(
        fresh,
        delta(a, b) * (d / l * (1 + rho) + 1 + 1 / l),
        "test moment of a new task, exact in d and l",
    )
    spread = page.derive(
        "limit",
        d / l * (1 + rho) + 1 + 1 / l,
        lambda entry: sp.limit(entry.subs(l, alpha * d), d, sp.oo),
        "proportional limit of the test moment",
    )
    page.rewrite(spread, 1 + q, "B for a new task is (1 + q) I", given={q: (1 + rho) / alpha})
    feature = page.derive(
        "average",
        x_query(a) * h(e) * x_query(b) * h(f),
        lambda t: expectation(t, QUERY),
        "covariance of the feature matrix x h^T over the query",
    )
    page.rewrite(
        feature,
        delta(a, b) * h(e) * h(f) / d,
        "Kronecker form (1/d) I x E[h h^T]; averaged over the k tasks, I x (q + R) / d",
    )
    answer = (x_query(a) * attention(a, s) * all_h(s)).sum(a, s)
    miss = (x_query(a) * w(a)).sum(a) + noise_query() - answer
    remainder = w(a) - (attention(a, s) * all_h(s)).sum(s)
    page.rewrite(
        page.derive(
            "average",
            miss * miss - noise_query() * noise_query(),
            lambda t: expectation(t, QUERY, GaussianLaw(noise_query, rho)),
            "squared error of any attention matrix above the label noise, over the query (Wick)",
        ),
        (remainder * remainder).sum(a) / d,
        "linear attention estimates the task by Gamma h, on all d + 1 statistics; with the moments "
        "above the population error is exact in d and l",
    )
    page.parametrise({}, {tasks: sp.S.One})
    risk = (
        1 + rho - 2 * gamma_r * r + gamma_r**2 * (q + r)
    )  # one eigenvector of R carries one column of Gamma
    optimum = page.derive(
        "minimise",
        risk,
        lambda e_: sp.solve(sp.diff(e_, gamma_r), gamma_r)[0],
        "population error of a fixed attention matrix, minimised on each eigenvector of R",
    )
    residual = 1 + rho - tasks.trace(r * optimum)
    page.rewrite(
        residual,
        rho + q * tasks.trace(r / (q + r)),
        "residual variance of the optimum, with tr R = 1",
        domain=letters.domain("rho", "q"),
    )
    page.use("classics.marchenko_pastur")
    trace = ResolventTrace(kappa, q)
    page.rewrite(
        (rho + q * tasks.trace(r / (q + r))).subs(tasks.trace(r / (q + r)), 1 - q * M),
        rho + q * (M / (1 + M / kappa)),
        "tr R/(q+R) = 1 - q M_kappa(q) in its subtraction-free form",
        given={M: trace},
        domain=letters.domain("rho", "q", "kappa"),
    )
    box = letters.domain("alpha", "kappa", "rho")
    page.result(
        "sigma_q2",
        rho + q * M / (1 + M / kappa),
        (alpha, kappa, rho),
        where=(Let(q, (1 + rho) / alpha), Let(M, trace)),
        domain=box,
        limit=LIMIT,
        symbol=r"\sigma_q^2",
    )
