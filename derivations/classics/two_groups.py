r"""Rows from two groups with their own covariances: two effective weights instead of one ridge."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged, eigenvalues_with_shares, gaussian
from derivations.classics.ridge_notation import DYSON, LIMIT, ONE, UNIVERSALITY, d, lam, n, phi
from derive.deterministic_equivalent import definition
from derive.domain import Notation
from derive.dyson import DysonSystem, dyson_equations
from derive.fixed_point import Branch, FixedPoint
from derive.joint_spectrum import at_joint_atoms
from derive.reduction import ReducedSystem, eliminate, merge_unknowns, rename
from derive.registry import derivation
from derive.word_trace import WordTrace
from derive.words import Deterministic, Gaussian
from numerics.simulation import SimulationResult

letters = Notation()
letters.quantity("phi", "dimensions per sample, d/n", lower=0, latex=r"\phi")
letters.quantity("lam", "ridge parameter", lower=0, latex=r"\lambda")
p_1 = letters.quantity("p_1", "share of rows in the first group", lower=0, upper=1)
p_2 = letters.quantity("p_2", "share of rows in the second group", lower=0)
e_1 = letters.quantity("e_1", "effective weight of a row of the first group", lower=0, upper=1)
e_2 = letters.quantity("e_2", "effective weight of a row of the second group", lower=0, upper=1)
w = letters.quantity("w", "share of the first joint eigenspace", lower=0, upper=1)
a_1 = letters.quantity("a_1", "eigenvalue of $\\Sigma_1$ in the first eigenspace", lower=0)
a_2 = letters.quantity("a_2", "eigenvalue of $\\Sigma_1$ in the second eigenspace", lower=0)
b_1 = letters.quantity("b_1", "eigenvalue of $\\Sigma_2$ in the first eigenspace", lower=0)
b_2 = letters.quantity("b_2", "eigenvalue of $\\Sigma_2$ in the second eigenspace", lower=0)
odds = letters.quantity("odds", "odds of the first eigenspace, $w/(1-w)$", lower=0, latex="o")
odds_1 = letters.quantity("odds_1", "odds of the first group", lower=0, latex="o_1")
letters.quantity("Sigma_1", "covariance of the first group", latex=r"\Sigma_1")
letters.quantity("Sigma_2", "covariance of the second group", latex=r"\Sigma_2")
letters.quantity("X_1", "rows of the first group")
letters.quantity("X_2", "rows of the second group")
for _k in range(6):
    letters.quantity(f"x{_k}", "scalar unknown of the matrix Dyson equation", latex=f"x_{_k}")

Sigma_1, Sigma_2 = Deterministic("Sigma_1", d, d), Deterministic("Sigma_2", d, d)
X_1 = Gaussian("X_1", p_1 * n, d, 1 / n, right=Sigma_1)
X_2 = Gaussian("X_2", p_2 * n, d, 1 / n, right=Sigma_2)
WORD = (X_1.T @ X_1 + X_2.T @ X_2 + ONE * lam).inverse()
INVERSE = (Sigma_1 * (p_1 * e_1) + Sigma_2 * (p_2 * e_2) + ONE * lam).inverse()
NAMES = ("phi", "lam", "p_1", "w", "a_1", "a_2", "b_1", "b_2")


def _system() -> DysonSystem:
    return dyson_equations({"t": WORD}, {d: phi * n})


def _named(system: DysonSystem) -> ReducedSystem:
    """Merge, eliminate the loops, and name what is left after the groups."""
    merged = merge_unknowns(system)
    loops = [k for k, side in merged.equations.items() if side.has(WordTrace)]
    weights = [k for k in merged.equations if k not in loops]
    names = dict(zip(weights, (p_1 * e_1, p_2 * e_2), strict=True))
    return rename(eliminate(merged, loops), names)


def _lines(system) -> tuple[sp.Eq, ...]:
    return tuple(definition(k, v) for k, v in system.equations.items())


def at_atoms_of_both(expression: sp.Expr) -> sp.Expr:
    """Put two joint eigenspaces into traces over both covariances."""
    table = {Sigma_1: [a_1, a_2], Sigma_2: [b_1, b_2]}
    return at_joint_atoms(expression, [w, 1 - w], table).subs(p_2, 1 - p_1)


@derivation(
    "classics.two_groups",
    reference="arXiv 2504.10754; Couillet & Debbah, Random Matrix Methods, Ch. 6",
    limit="d, n -> oo with d/n -> phi and shares p_1, p_2 of the rows in two groups",
)
def two_groups(page):
    r"""Two groups of rows with their own covariances act with two weights, one for each group.

    .. math:: e_k=\frac{1}{1+\phi\,\overline{\mathrm{tr}}\,\Sigma_kD^{-1}},\qquad
       D=p_1e_1\Sigma_1+p_2e_2\Sigma_2+\lambda .
    """
    page.over(letters, "phi", "lam", "p_1", "p_2", "e_1", "e_2")
    page.assume(UNIVERSALITY, "self-averaging of large pencils", citing=DYSON)
    page.derive("linearise and average", WORD, lambda e: _lines(_system()),
                "matrix Dyson equation; the covariances need not commute")  # fmt: skip
    named = _named(_system())
    equations = page.derive(
        "merge, eliminate and name",
        WORD,
        lambda e: _lines(_named(_system())),
        "what multiplies a covariance under the inverse is the share times the weight",
    )
    for equation, sigma in zip(equations, (Sigma_1, Sigma_2), strict=True):
        trace = sp.Symbol(f"t_{sigma.args[0]}", positive=True)
        inside = {WordTrace(sigma @ INVERSE): trace}
        known = Notation()
        known.quantity("phi", "dimensions per sample, d/n", lower=0)
        known.quantity(trace.name, "normalised trace", lower=0)
        page.letters(known)
        page.rewrite(
            equation.rhs.xreplace(inside),
            1 / (1 + phi * trace),
            f"the equation of the group, as printed, with the trace of {sigma.args[0]} over D",
            domain=known.domain("phi", trace.name),
        )
    page.derive("read off", named, lambda e: e.outputs["t"], "the resolvent is the inverse of D")
    space = letters.domain(*NAMES, "e_1", "e_2")
    sides = []
    positive_shares = {w: odds / (1 + odds), p_1: odds_1 / (1 + odds_1)}
    for equation in equations:
        side = page.derive(
            "put in the spectrum",
            equation.rhs,
            at_atoms_of_both,
            "two joint eigenspaces of both covariances",
        )
        loss = side - e_1 * sp.diff(side, e_1) - e_2 * sp.diff(side, e_2)
        small = letters.domain("phi", "lam", "odds_1", "odds", "a_1", "a_2", "b_1", "b_2", "e_1",
                               "e_2")  # fmt: skip
        for weight in (e_1, e_2):
            page.positive(
                sp.diff(side, weight), "each right side increases in both weights",
                given=positive_shares, domain=small,
            )  # fmt: skip
        page.positive(
            loss,
            "and less than proportionally: a standard interference function, so there is exactly "
            "one fixed point (Yates 1995), and the right sides, harmonic means, are concave",
            given=positive_shares,
            domain=small,
        )
        sides.append(side)
    point = FixedPoint(
        (e_1, e_2),
        tuple(e - side for e, side in zip((e_1, e_2), sides, strict=True)),
        Branch(region=sp.And(*(sp.Symbol(e.name, real=True) > 0 for e in (e_1, e_2)))),
        (sp.S.One, sp.S.One),
    )
    page.fixed_point(
        point,
        "unique positive weights; Newton's iteration from ones decreases to them",
        page.steps[-1].evidence,
    )
    # the equation of the sum over rows: lam tr D^-1 + sum_k p_k e_k tr Sigma_k D^-1 = 1
    resolvent = at_atoms_of_both(WordTrace(INVERSE))
    used = at_atoms_of_both(
        p_1 * e_1 * WordTrace(Sigma_1 @ INVERSE) + p_2 * e_2 * WordTrace(Sigma_2 @ INVERSE)
    )
    page.rewrite(lam * resolvent, 1 - used, "the shares of the trace add to one", domain=space)
    symbols = (phi, lam, p_1, w, a_1, a_2, b_1, b_2)
    box = letters.domain(*NAMES)
    for name, value, symbol in (
        ("e_1", e_1, "e_1"),
        ("e_2", e_2, "e_2"),
        ("tau", lam * resolvent, r"\lambda\,\overline{\mathrm{tr}}\,D^{-1}"),
    ):
        page.result(name, value, symbols, where=(point,), domain=box, limit=LIMIT, symbol=symbol)


@two_groups.simulate
def simulate_two_groups(
    *, size: int = 96, seeds: int = 16, seed: int = 0, phi: float, lam: float, p_1: float,
    w: float, a_1: float, a_2: float, b_1: float, b_2: float,
) -> SimulationResult:  # fmt: skip
    """Average the regularised resolvent of two groups of rows over seeds."""
    samples = max(2, round(size / phi))
    first = min(samples - 1, max(1, round(p_1 * samples)))
    one, (share, _) = eigenvalues_with_shares([a_1, a_2], [w, 1 - w], size)
    two, _ = eigenvalues_with_shares([b_1, b_2], [w, 1 - w], size)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        rows = np.vstack(
            [
                gaussian(rng, first, size) * np.sqrt(one),
                gaussian(rng, samples - first, size) * np.sqrt(two),
            ]
        )
        eigenvalues = np.linalg.eigvalsh(rows.conj().T @ rows / samples)
        return {"tau": float(np.mean(lam / (eigenvalues + lam)))}

    parameters = {"phi": size / samples, "lam": lam, "p_1": first / samples, "w": share}
    parameters |= {"a_1": a_1, "a_2": a_2, "b_1": b_1, "b_2": b_2}
    return averaged(
        "classics.two_groups", sampler, size=size, seeds=seeds, seed=seed,
        parameters=parameters, counts={"n": samples, "n_1": first},
    )  # fmt: skip
