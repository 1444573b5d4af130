r"""The letters of ridge regression on a power-law spectrum, and finite samples of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.special import zeta

from derivations.classics.ensembles import averaged, gaussian
from derive.domain import Notation
from numerics.simulation import SimulationResult

letters = Notation()
b = letters.quantity("b", "capacity: $\\lambda_k=c\\,k^{-b}$", lower=1, upper=8)
a = letters.quantity("a", "source: mode $k$ carries $h\\,k^{-a}$ of the target's variance",
                     lower=1, upper=24)  # fmt: skip
c = letters.quantity("c", "scale of the spectrum, its largest eigenvalue", lower=0)
h = letters.quantity("h", "scale of the target, the variance in its largest mode", lower=0)
n = letters.quantity("n", "number of samples", lower=1, lower_open=False)
k = letters.quantity("k", "number of a mode", lower=0, integer=True)
kappa = letters.quantity("kappa", "effective ridge", lower=0, latex=r"\kappa")
y = letters.quantity("y", "root of spectrum over ridge, $\\sqrt{c/\\kappa}$", lower=0)
w = letters.quantity("w", "modes above the ridge, $(c/\\kappa)^{1/b}$", lower=0)
q = letters.quantity("q", "what is smaller than every power, $e^{-2(2n+1)}$", lower=0)
s = letters.quantity("s", "share of the spectrum's exponent, $(a-1)/b$", lower=0)
P = letters.quantity("P", "packing constant of the modes, $(\\pi/b)/\\sin(\\pi/b)$")
phi = letters.quantity("phi", "dimensions per sample, d/n", lower=0, latex=r"\phi")
d = letters.quantity("d", "number of modes", lower=0)
lam = letters.quantity("lam", "ridge parameter", lower=0, latex=r"\lambda")
X = letters.quantity("X", "inverse of the effective ridge, $1/\\kappa$", lower=0)
letters.quantity("Sigma", "population covariance", latex=r"\Sigma")

LIMIT = "d -> oo, then n large"
RIDGELESS = (
    "Without ridge, n samples act as the ridge at which the degrees of freedom of the population "
    "equal n"
)
EQUIVALENT = "Bach, arXiv 2303.01372, section 3; Bordelon, Canatar & Pehlevan, arXiv 2002.02561"


def sampled(rng: np.random.Generator, *, modes: int, **at: float) -> dict[str, float]:
    """Return the effective ridge and the test error of one draw of ridgeless regression.

    The modes beyond those sampled act by their total variance: as a ridge, and as noise.
    """
    place = np.arange(1, modes + 1)
    spectrum, target = at["c"] * place ** -at["b"], at["h"] * place ** -at["a"]
    ridge, left = at["c"] * zeta(at["b"], modes + 1), at["h"] * zeta(at["a"], modes + 1)
    rows = gaussian(rng, round(at["n"]), modes) * np.sqrt(spectrum)
    gram = rows @ rows.conj().T + ridge * np.eye(len(rows))
    teacher = np.sqrt(target / spectrum)
    labels = rows @ teacher + gaussian(rng, len(rows), 1, left)[:, 0]
    error = teacher - rows.conj().T @ np.linalg.solve(gram, labels)
    return {
        "kappa": 1 / float(np.trace(np.linalg.inv(gram)).real),
        "error": float(spectrum @ np.abs(error) ** 2) + left,
    }


def simulated(
    id: str, quantity: str, size: int, seeds: int, seed: int, **at: float
) -> SimulationResult:
    """Average one number of ridgeless regression over seeds, with so many modes."""
    known: dict[str, Any] = {"a": 3.0, "c": 1.0, "h": 1.0, **at}
    return averaged(
        id,
        lambda rng: {quantity: sampled(rng, modes=size, **known)[quantity]},
        size=size,
        seeds=seeds,
        seed=seed,
        parameters={**at, "n": float(round(at["n"]))},
        counts={"n": round(at["n"])},
    )


def packing() -> sp.Expr:
    r"""Return ``(pi/b)/sin(pi/b)``, with the complement under the sine: right down to b = 1."""
    return sp.pi / (b * sp.sin(sp.pi * (b - 1) / b))
