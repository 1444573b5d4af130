r"""Low moments of a Haar matrix, exact at every dimension, and how freeness sets in."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations.classics.ensembles import averaged
from derive.domain import Notation
from derive.gaussian import GaussianLaw, expectation
from derive.haar import OrthogonalHaar, haar_average, orthogonal_weingarten
from derive.haar_entries import orthogonal_moment, unitary_moment
from derive.index_notation import Field, Space
from derive.registry import derivation
from numerics.lower import Condition
from numerics.simulation import SimulationResult

letters = Notation()
d = letters.quantity("d", "dimension", lower=2, lower_open=False)
a_1 = letters.quantity("a_1", "normalised trace of A")
a_2 = letters.quantity("a_2", "normalised trace of $A^2$", lower=0)
b_1 = letters.quantity("b_1", "normalised trace of B")
b_2 = letters.quantity("b_2", "normalised trace of $B^2$", lower=0)

LIMIT = "none: exact at every dimension"
CORNER = [(1, 1), (1, 1)]
SPREAD = (
    Condition("a_2 > a_1**2", a_2 > a_1**2, "a variance is positive"),
    Condition("b_2 > b_1**2", b_2 > b_1**2, "a variance is positive"),
)
ENTRIES = {
    "fourth": ([*CORNER, *CORNER], 3 / (d * (d + 2)), r"\mathbb E\,O_{11}^4"),
    "row": ([*CORNER, (1, 2), (1, 2)], 1 / (d * (d + 2)), r"\mathbb E\,O_{11}^2O_{12}^2"),
    "crossed": ([(1, 1), (2, 2), (1, 2), (2, 1)], -1 / ((d - 1) * d * (d + 2)),
                r"\mathbb E\,O_{11}O_{22}O_{12}O_{21}"),
    "apart": ([*CORNER, (2, 2), (2, 2)], (d + 1) / ((d - 1) * d * (d + 2)),
              r"\mathbb E\,O_{11}^2O_{22}^2"),
}  # fmt: skip


@derivation(
    "classics.haar_entries",
    reference="Weingarten 1978; Collins & Sniady 2006",
    limit="none: exact at every dimension",
)
def haar_entries(page):
    r"""Four entries of a random rotation correlate at every dimension, beyond their variances.

    .. math:: \mathbb E\,O_{11}^4=\frac3{d(d+2)},\quad
       \mathbb E\,O_{11}^2O_{22}^2=\frac{d+1}{(d-1)d(d+2)},\quad
       \mathbb E\,O_{11}O_{22}O_{12}O_{21}=\frac{-1}{(d-1)d(d+2)} .
    """
    page.over(letters, "d")
    gram = page.derive(
        "Gram matrix", (d**2, d), lambda e: orthogonal_weingarten(2, d)[(1, 1)],
        "inverse of dimension^loops over the pairings of four points: the Weingarten function",
    )  # fmt: skip
    page.rewrite(gram, (d + 1) / ((d - 1) * d * (d + 2)), "for equal pairings")
    found = {}
    for name, (entries, printed, _) in ENTRIES.items():
        value = page.derive("average", gram, lambda e, at=entries: orthogonal_moment(at, d),
                            "sum over the pairings that join equal indices")  # fmt: skip
        found[name] = page.rewrite(value, printed, f"{name}, as printed")
    component = Space("component", d)
    (i,) = component.indices("i")
    x = Field("x", (component,))
    length = (x(i) * x(i)).sum(i)
    wick = page.derive(
        "Wick", length * length,
        lambda e: 3 / expectation(e, GaussianLaw(x)).scalar(),
        "second route: a column is a Gaussian vector over its length, E x^4 = E O^4 E |x|^4",
    )  # fmt: skip
    page.rewrite(wick, found["fourth"], "the same")
    page.rewrite(found["fourth"] + (d - 1) * found["row"], 1 / d, "a row has length one")
    page.rewrite(found["row"] + (d - 1) * found["apart"], 1 / d, "so has a column")
    page.rewrite(found["row"] + (d - 1) * found["crossed"], sp.S.Zero, "rows are orthogonal")
    box = letters.domain("d")
    for name, (_, _, symbol) in ENTRIES.items():
        page.result(name, found[name], (d,), domain=box, limit=LIMIT, symbol=symbol)


@derivation(
    "classics.haar_unitary",
    reference="Weingarten 1978; Collins 2003",
    limit="none: exact at every dimension",
)
def haar_unitary(page):
    r"""Four entries of a random unitary matrix correlate less than those of a rotation.

    .. math:: \mathbb E|U_{11}|^4=\frac2{d(d+1)},\quad
       \mathbb E|U_{11}|^2|U_{22}|^2=\frac1{d^2-1},\quad
       \mathbb E\,U_{11}U_{22}\bar U_{12}\bar U_{21}=\frac{-1}{d(d^2-1)} .
    """
    page.over(letters, "d")
    corner, row, other, turned = (1, 1), (1, 2), (2, 2), (2, 1)
    cases = {
        "fourth": ([corner] * 2, [corner] * 2, 2 / (d * (d + 1))),
        "row": ([corner, row], [corner, row], 1 / (d * (d + 1))),
        "crossed": ([corner, other], [row, turned], -1 / ((d - 1) * d * (d + 1))),
        "apart": ([corner, other], [corner, other], 1 / ((d - 1) * (d + 1))),
    }
    found = {}
    for name, (entries, conjugates, printed) in cases.items():
        value = page.derive(
            "average", (d, name), lambda e, u=entries, v=conjugates: unitary_moment(u, v, d),
            "sum over the permutations that send each index to an equal one",
        )  # fmt: skip
        found[name] = page.rewrite(value, printed, f"{name}, as printed")
    page.rewrite(found["fourth"] + (d - 1) * found["row"], 1 / d, "a row has length one")
    page.rewrite(found["row"] + (d - 1) * found["apart"], 1 / d, "so has a column")
    page.rewrite(found["row"] + (d - 1) * found["crossed"], sp.S.Zero, "rows are orthogonal")
    symbols = {
        "fourth": r"\mathbb E|U_{11}|^4",
        "row": r"\mathbb E|U_{11}|^2|U_{12}|^2",
        "crossed": r"\mathbb E\,U_{11}U_{22}\bar U_{12}\bar U_{21}",
        "apart": r"\mathbb E|U_{11}|^2|U_{22}|^2",
    }
    for name, symbol in symbols.items():
        page.result(name, found[name], (d,), domain=letters.domain("d"), limit=LIMIT,
                    symbol=symbol)  # fmt: skip


@derivation(
    "classics.haar_rotated_trace",
    reference="Collins & Sniady 2006; Voiculescu 1991",
    limit="none: exact at every dimension",
)
def haar_rotated_trace(page):
    r"""A rotated matrix is free of a fixed one, up to corrections known at every dimension.

    .. math:: \overline{\mathrm{tr}}\,(OBO^\top A)^2\to a_2b_1^2+a_1^2b_2-a_1^2b_1^2 .
    """
    page.over(letters, "d", "a_1", "a_2", "b_1", "b_2", conditions=SPREAD)
    space = Space("component", d)
    i, j, k, m, p, q = space.indices("i j k m p q")
    rotation = Field("O", (space, space))
    first = Field("A", (space, space), symmetric=True)
    second = Field("B", (space, space), symmetric=True)

    def rotated(left, right):
        return (rotation(left, p) * second(p, q) * rotation(right, q)).sum(p, q)

    word = (rotated(i, j) * first(j, k) * rotated(k, m) * first(m, i)).sum(i, j, k, m) / d
    average = page.derive("Haar average", word,
                          lambda e: haar_average(e, OrthogonalHaar(rotation)).after,
                          "pairings of the rows times pairings of the columns")  # fmt: skip

    def in_moments(tensor):
        for field, mean, square in ((first, a_1, a_2), (second, b_1, b_2)):
            tensor = tensor.with_invariant(field(i, i).sum(i), d * mean)
            tensor = tensor.with_invariant((field(i, j) * field(i, j)).sum(i, j), d * square)
        return sp.factor(tensor.scalar())

    exact = page.derive("name the traces", average, in_moments,
                        "only the first two moments of A and B are left")  # fmt: skip
    free = a_2 * b_1**2 + a_1**2 * (b_2 - b_1**2)
    limit = page.derive("limit", exact, lambda e: sp.expand(sp.limit(e, d, sp.oo)), "d -> oo")
    page.rewrite(limit, free, "the value for free matrices",
                 domain=letters.domain("a_1", "a_2", "b_1", "b_2", conditions=SPREAD))  # fmt: skip
    spread = (a_2 - a_1**2) * (b_2 - b_1**2)
    printed = page.rewrite(exact, free + (d - 2) * spread / ((d - 1) * (d + 2)),
                           "the correction is the product of both variances")  # fmt: skip
    arguments = (d, a_1, a_2, b_1, b_2)
    box = letters.domain(*map(str, arguments), conditions=SPREAD)
    page.result("free", free, arguments[1:], limit="d -> oo", symbol=r"m_\infty",
                domain=letters.domain("a_1", "a_2", "b_1", "b_2", conditions=SPREAD))  # fmt: skip
    page.result("trace", printed, arguments, domain=box, limit=LIMIT,
                symbol=r"\overline{\mathrm{tr}}\,(OBO^\top A)^2")  # fmt: skip


def _rotations(rng: np.random.Generator, draws: int, size: int, unitary: bool) -> np.ndarray:
    """Return Haar matrices: the unitary factor of Gaussian ones, its phases fixed."""
    matrix: np.ndarray = rng.standard_normal((draws, size, size))
    if unitary:
        matrix = matrix + 1j * rng.standard_normal((draws, size, size))
    turn, upper = np.linalg.qr(matrix)
    diagonal = np.diagonal(upper, axis1=1, axis2=2)
    return turn * (diagonal / np.abs(diagonal))[:, None, :]


def _products(turns: np.ndarray, unitary: bool) -> dict[str, float]:
    one, two, three, four = turns[:, 0, 0], turns[:, 1, 1], turns[:, 0, 1], turns[:, 1, 0]
    square = [np.abs(e) ** 2 for e in (one, two, three)]
    crossed = one * two * (np.conj(three * four) if unitary else three * four)
    found = {"fourth": square[0] ** 2, "row": square[0] * square[2], "crossed": np.real(crossed),
             "apart": square[0] * square[1]}  # fmt: skip
    return {name: float(np.mean(v)) for name, v in found.items()}


@haar_entries.simulate
def simulate_entries(
    *, size: int = 400, seeds: int = 16, seed: int = 0, d: float
) -> SimulationResult:
    """Draw so many rotations of dimension d in each seed."""
    return averaged(
        "classics.haar_entries",
        lambda rng: _products(_rotations(rng, size, round(d), False), False),
        size=size, seeds=seeds, seed=seed, parameters={"d": round(d)}, counts={"draws": size},
    )  # fmt: skip


@haar_unitary.simulate
def simulate_unitary(
    *, size: int = 400, seeds: int = 16, seed: int = 0, d: float
) -> SimulationResult:
    """Draw so many unitary matrices of dimension d in each seed."""
    return averaged(
        "classics.haar_unitary",
        lambda rng: _products(_rotations(rng, size, round(d), True), True),
        size=size, seeds=seeds, seed=seed, parameters={"d": round(d)}, counts={"draws": size},
    )  # fmt: skip


@haar_rotated_trace.simulate
def simulate_trace(
    *, size: int = 400, seeds: int = 16, seed: int = 0, d: float, a_1: float, a_2: float,
    b_1: float, b_2: float,
) -> SimulationResult:  # fmt: skip
    """Rotate matrices of two eigenvalues, of even dimension, so many times in each seed."""
    even = 2 * max(1, round(d / 2))
    signs = np.where(np.arange(even) % 2, 1.0, -1.0)
    left, right = a_1 + signs * np.sqrt(a_2 - a_1**2), b_1 + signs * np.sqrt(b_2 - b_1**2)

    def sampler(rng: np.random.Generator) -> dict[str, float]:
        turns = _rotations(rng, size, even, False)
        word = (turns * right) @ np.swapaxes(turns, 1, 2) * left
        traces: np.ndarray = np.einsum("kij,kji->k", word, word)
        return {"trace": float(np.mean(traces)) / even}

    return averaged(
        "classics.haar_rotated_trace", sampler, size=size, seeds=seeds, seed=seed,
        parameters={"d": even, "a_1": a_1, "a_2": a_2, "b_1": b_1, "b_2": b_2},
        counts={"draws": size},
    )  # fmt: skip
