r"""Letters of the theory of structured tasks; those of Lu et al. keep their meaning."""

from __future__ import annotations

import sympy as sp

from derivations.lu2025 import notation as lu
from derive.domain import Notation
from derive.spectral_trace import Spectrum

letters = Notation()


def _same(name: str) -> sp.Symbol:
    """Take a letter over from Lu et al. with its meaning and interval."""
    q = lu.letters[name]
    return letters.quantity(
        name,
        q.meaning,
        lower=q.lower,
        upper=q.upper,
        lower_open=q.lower_open,
        upper_open=q.upper_open,
        latex=q.latex,
    )


tau, alpha, kappa, rho, lam = map(_same, ("tau", "alpha", "kappa", "rho", "lam"))
xi, delta, omega, varpi = map(_same, ("xi", "delta", "omega", "pi_s"))

alpha_te = letters.quantity(
    "alpha_te",
    "context length of the test per dimension",
    lower=0,
    upper_open=False,
    latex=r"\alpha_{\rm te}",
)
rho_te = letters.quantity(
    "rho_te",
    "variance of the label noise in the test",
    lower=0,
    lower_open=False,
    latex=r"\rho_{\rm te}",
)

# A joint spectrum of two eigenspaces of the pretraining covariance.
p_1 = letters.quantity("p_1", "share of dimensions in the first eigenspace", lower=0, upper=1)
c_1 = letters.quantity(
    "c_1", "pretraining variance of a task in the first eigenspace", lower=0, lower_open=False
)
c_2 = letters.quantity(
    "c_2", "pretraining variance of a task in the second eigenspace", lower=0, lower_open=False
)
e_1 = letters.quantity(
    "e_1", "test variance of a task in the first eigenspace", lower=0, lower_open=False
)
e_2 = letters.quantity(
    "e_2", "test variance of a task in the second eigenspace", lower=0, lower_open=False
)

c_tr = letters.quantity(
    "c_tr", "normalised trace of the pretraining covariance", lower=0, latex=r"c_{\rm tr}"
)
c_te = letters.quantity(
    "c_te",
    "normalised trace of the test covariance",
    lower=0,
    lower_open=False,
    latex=r"c_{\rm te}",
)
q = letters.quantity("q", "context-noise level $(\\rho+c_{\\rm tr})/\\alpha$", lower=0)
q_te = letters.quantity(
    "q_te",
    "context-noise level of the test, $(\\rho_{\\rm te}+c_{\\rm te})/\\alpha_{\\rm te}$",
    lower=0,
    lower_open=False,
    latex=r"q_{\rm te}",
)
z = letters.quantity("z", "resolvent argument $q+\\xi$", lower=0)
zeta = letters.quantity(
    "zeta", "effective ridge of the pretraining covariance at $z$", lower=0, latex=r"\zeta"
)
zeta_q = letters.quantity("zeta_q", "the same at $q$", lower=0, latex=r"\zeta_q")
epsilon = letters.quantity(
    "epsilon", "$\\zeta-\\zeta_q$", lower=0, lower_open=False, latex=r"\epsilon"
)
h = letters.quantity("h", "ratio $\\xi/\\epsilon$", lower=0)
v = letters.quantity("v", "ratio $z/\\zeta=1-t/\\kappa$", lower=0)
w = letters.quantity("w", "slope $dz/d\\zeta$, as a sum of positive terms", lower=0)
M = letters.quantity("M", "resolvent trace of the pretraining tasks at $z$", lower=0)
t = letters.quantity("t", "degrees of freedom $\\overline{\\mathrm{tr}}\\,RG=1-zM$", lower=0)
W = letters.quantity("W", "trace of $R^2G^2$, the squared mean estimator", lower=0)
b_2 = letters.quantity("b_2", "trace of $BG^2$", lower=0)
f_2 = letters.quantity(
    "f_2", "trace of $C_{\\rm te}BG^2$, variance seen by the test covariance", lower=0
)
g_2 = letters.quantity("g_2", "trace of $C_{\\rm te}G^2$", lower=0)
y = letters.quantity("y", "$\\tau\\lambda/\\xi=\\tau-1+\\xi M$", lower=0, lower_open=False)
N = letters.quantity("N", "training residual and bias", lower=0, lower_open=False)
D = letters.quantity(
    "D", "variance denominator $\\tau-\\overline{\\mathrm{tr}}\\,B^2G^2$", lower=0, lower_open=False
)
Y = letters.quantity("Y", "ratio $N/D$, pretraining error per sequence", lower=0, lower_open=False)
V = letters.quantity("V", "$\\overline{\\mathrm{tr}}\\,BGTG/D$, variance per residual", lower=0)
s_1 = letters.quantity("s_1", "slope of $\\xi M$ in $\\zeta$", lower=0)
j_2 = letters.quantity("j_2", "curvature term of the effective ridge", lower=0, lower_open=False)
gamma = letters.quantity(
    "gamma",
    "pretraining sequences per context length, $\\lim\\tau/\\alpha$",
    lower=0,
    upper_open=False,
    latex=r"\gamma",
)
f_C = letters.quantity(
    "f_C", "rank of the pretraining covariance per dimension", lower=0, upper=1, latex="f_C"
)
e_in = letters.quantity(
    "e_in",
    "test variance of a task within the range of the pretraining covariance",
    lower=0,
    lower_open=False,
    latex=r"e_{\rm in}",
)
e_out = letters.quantity(
    "e_out",
    "test variance of a task outside of the range of the pretraining covariance",
    lower=0,
    lower_open=False,
    latex=r"e_{\rm out}",
)
letters.quantity("R", "second moment of the pretraining tasks, $\\frac1k\\sum_jw_jw_j^\\top$")
letters.quantity("C_tr", "covariance of the pretraining tasks", latex=r"C_{\rm tr}")
letters.quantity("C_te", "covariance of the test tasks", latex=r"C_{\rm te}")
letters.quantity("T", "test matrix")
letters.quantity("E(pi)", "Schur complement of the extended resolvent", latex=r"E(\pi)")
letters.quantity("omega'", "derivative of $\\omega$ in $\\pi$ at 0", latex=r"\omega'")

tasks, population = Spectrum("R"), Spectrum("C_tr")
r, c = tasks.eigenvalue, population.eigenvalue
TEST, ANY_TEST = sp.Symbol("C_te"), sp.Symbol("T")

PARAMETERS = (tau, alpha, kappa, rho, lam, alpha_te, rho_te, p_1, c_1, c_2, e_1, e_2)
NAMES = tuple(str(p) for p in PARAMETERS)
LIMIT = "d, l, k, n -> oo with l/d -> alpha, k/d -> kappa, n/d^2 -> tau"
