r"""The letters of Lu et al., arXiv 2405.11751: one meaning each, with scaling and interval."""

from __future__ import annotations

import sympy as sp

from derive.domain import Notation
from derive.spectral_trace import Spectrum

letters = Notation()

tau = letters.quantity(
    "tau", "number of pretraining sequences per squared dimension, n/d^2", lower=0, latex=r"\tau"
)
alpha = letters.quantity("alpha", "context length per dimension, l/d", lower=0, latex=r"\alpha")
kappa = letters.quantity(
    "kappa",
    "number of pretraining tasks per dimension, k/d (infinity: a fresh task per sequence)",
    lower=0,
    upper_open=False,
    latex=r"\kappa",
)
rho = letters.quantity(
    "rho", "variance of the label noise", lower=0, lower_open=False, latex=r"\rho"
)
lam = letters.quantity(
    "lam",
    "ridge parameter per sequence and dimension; 0 is the ridgeless limit",
    lower=0,
    lower_open=False,
    latex=r"\lambda",
)

d = letters.quantity("d", "dimension of a token", lower=0)
l = letters.quantity("l", "context length", lower=0, latex=r"\ell")  # noqa: E741
k = letters.quantity("k", "number of pretraining tasks", lower=0)
n = letters.quantity("n", "number of pretraining sequences", lower=0)

q = letters.quantity("q", "context-noise level $(1+\\rho)/\\alpha$", lower=0)
xi = letters.quantity("xi", "effective ridge", lower=0, lower_open=False, latex=r"\xi")
z = letters.quantity("z", "resolvent argument $q+\\xi$", lower=0)
M = letters.quantity("M", "resolvent trace $M_\\kappa(z)$", lower=0)
t = letters.quantity("t", "degrees of freedom $1-zM$ of the tasks at $z$", lower=0)
delta = letters.quantity(
    "delta", "distance to the interpolation threshold, $\\tau-1$", latex=r"\delta"
)
v = letters.quantity("v", "ratio $t/M=\\kappa/(\\kappa+M)$", lower=0)
w = letters.quantity("w", "$1-t^2/\\kappa$, as a sum of positive terms", lower=0)
b_2 = letters.quantity("b_2", "normalised trace of $BG^2$, $M+\\xi M'$", lower=0)
s = letters.quantity("s", "normalised trace of $BG$, $t+qM$", lower=0)
y = letters.quantity("y", "$\\tau\\lambda/\\xi=\\tau-1+\\xi M$", lower=0, lower_open=False)
N = letters.quantity("N", "training residual and bias", lower=0, lower_open=False)
D = letters.quantity(
    "D", "variance denominator $\\tau-\\overline{\\mathrm{tr}}\\,B^2G^2$", lower=0, lower_open=False
)
sigma_q2 = letters.quantity(
    "sigma_q2", "residual variance of the population optimum", lower=0, latex=r"\sigma_q^2"
)
omega = letters.quantity("omega", "leave-one-out factor $1+\\chi_\\pi$", lower=0, latex=r"\omega")
varpi = letters.quantity("pi_s", "strength of the source", lower=0, latex=r"\pi")
T_0 = letters.quantity("T_0", "identity part of the test matrix $T=T_0+T_1R$", lower=0)
T_1 = letters.quantity("T_1", "task part of the test matrix $T=T_0+T_1R$", lower=0)

tasks = Spectrum("R")
r = tasks.eigenvalue
letters.quantity("R", "second moment of the pretraining tasks, $\\frac1k\\sum_jw_jw_j^\\top$")
letters.quantity("B", "second moment of the context statistics, $q+R$")
letters.quantity("X", "a trial value of the effective ridge")
letters.quantity("E(pi)", "Schur complement of the extended resolvent", latex=r"E(\pi)")
letters.quantity("omega'", "derivative of $\\omega$ in $\\pi$ at 0", latex=r"\omega'")
letters.quantity("w_j", "component of a pretraining task")
letters.quantity("w_new", "component of a new task", latex=r"w_{\rm new}")
letters.quantity("u_a", "weight of a mode in one replica", latex="u_a")
letters.quantity("u_b", "weight of the mode in another replica", latex="u_b")

PARAMETERS = (tau, alpha, kappa, rho, lam)
NAMES = tuple(str(p) for p in PARAMETERS)
LIMIT = "d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau"
PAPER = "Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751"
HALF = sp.Rational(1, 2)
