r"""The letters of ridge regression on a sample covariance, one meaning each."""

from __future__ import annotations

import sympy as sp

from derive.deterministic_equivalent import SampleCovariance
from derive.domain import Notation
from derive.spectral_trace import Spectrum
from derive.words import Deterministic, Gaussian, Identity

letters = Notation()

phi = letters.quantity("phi", "dimensions per sample, d/n", lower=0, latex=r"\phi")
lam = letters.quantity("lam", "ridge parameter", lower=0, latex=r"\lambda")
kappa = letters.quantity("kappa", "effective ridge", lower=0, latex=r"\kappa")
tau = letters.quantity(
    "tau",
    "normalised trace of the regularised resolvent, $\\lambda\\,\\overline{\\mathrm{tr}}\\,R$",
    lower=0,
    latex=r"\tau",
)
g = letters.quantity("g", "leave-one-out factor $1/(1+\\phi\\,\\overline{\\mathrm{tr}}R)$", lower=0)
s_1 = letters.quantity("s_1", "first eigenvalue of the population covariance", lower=0)
s_2 = letters.quantity("s_2", "second eigenvalue of the population covariance", lower=0)
p = letters.quantity("p", "share of the first eigenvalue", lower=0, upper=1)
theta_1 = letters.quantity(
    "theta_1", "mean of the test matrix in the first eigenspace", lower=0, latex=r"\theta_1"
)
theta_2 = letters.quantity(
    "theta_2", "mean of the test matrix in the second eigenspace", lower=0, latex=r"\theta_2"
)
gamma = letters.quantity("gamma", "overfitting coefficient $\\phi\\,\\mathrm{df}_2$", lower=0,
                         upper=1, latex=r"\gamma")  # fmt: skip
v = letters.quantity("v", "$1-\\gamma$ as a sum of positive terms", lower=0)
odds = letters.quantity("odds", "odds of the first eigenvalue, $p/(1-p)$", lower=0,
                        latex="o")  # fmt: skip
df1 = letters.quantity("df1", "first degrees of freedom", lower=0, latex=r"\mathrm{df}_1")
df2 = letters.quantity("df2", "second degrees of freedom", lower=0, latex=r"\mathrm{df}_2")
n = letters.quantity("n", "number of samples", lower=0)
d = letters.quantity("d", "dimension of a sample", lower=0)
letters.quantity("Sigma", "population covariance", latex=r"\Sigma")
letters.quantity("Theta", "test matrix, second moment of the teacher", latex=r"\Theta")
letters.quantity("X", "data matrix, n rows of covariance $\\Sigma$")
letters.quantity("t", "normalised trace that is asked for")
letters.quantity("root", "square root of the discriminant", latex=r"\sqrt{\Delta}")
for _k in range(12):
    letters.quantity(f"x{_k}", "scalar unknown of the matrix Dyson equation", latex=f"x_{_k}")

Sigma = Deterministic("Sigma", d, d)
Theta = Deterministic("Theta", d, d)
X = Gaussian("X", n, d, 1 / n, right=Sigma)
ONE = Identity(d)
R = (X.T @ X + ONE * lam).inverse()
RATIOS = {d: phi * n}

population = Spectrum("Sigma")
s = population.eigenvalue
sample = SampleCovariance(population, phi, lam, kappa)
TWO_ATOMS: dict[object, object] = {s_1: p, s_2: 1 - p}
OVERLAPS: dict[sp.Symbol, dict[object, object]] = {sp.Symbol("Theta"): {s_1: theta_1, s_2: theta_2}}
LIMIT = "d, n -> oo with d/n -> phi"
UNIVERSALITY = (
    "The inverse of a linear pencil with independent Gaussian blocks is equivalent, under traces "
    "against fixed matrices, to the solution of the matrix Dyson equation"
)
DYSON = "Erdos, The matrix Dyson equation, arXiv 1903.10060"
