"""Cases 7-17 against matrices of finite size, complex so that the first correction is 1/d^2."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from derive.density import stieltjes_ball
from derive.free_convolution import (
    correlated_wishart,
    free_compression,
    free_product,
    free_sum,
)
from derive.law import (
    atoms,
    fisher,
    fuss_catalan,
    kesten_mckay,
    marchenko_pastur,
    semicircle,
    wachter,
)
from derive.law_from_transform import law_from_r_transform

D, SEEDS = 96, 24


def ginibre(rng, rows, columns):
    pair = rng.standard_normal((2, rows, columns))
    return (pair[0] + 1j * pair[1]) / np.sqrt(2)


def wigner(rng, d, variance=1.0):
    x = ginibre(rng, d, d)
    return (x + x.conj().T) * np.sqrt(variance / (2 * d))


def wishart(rng, d, ratio):
    n = round(d / ratio)
    x = ginibre(rng, n, d)
    return x.conj().T @ x / n


def rotated(rng, values):
    q, r = np.linalg.qr(ginibre(rng, len(values), len(values)))
    q = q * (np.diag(r) / abs(np.diag(r)))
    return (q * values) @ q.conj().T


def product(left, right):
    low = np.linalg.cholesky(left)
    return low.conj().T @ right @ low


def two(d, first=1.0, second=2.0):
    return np.repeat([first, second], d // 2)


def anticommutator(rng, d):
    a, b = wigner(rng, d), wigner(rng, d)
    return a @ b + b @ a


g = sympy.Symbol("g")
HALF = marchenko_pastur("1/2")
COIN = atoms({-1: "1/2", 1: "1/2"})
PAIR = atoms({1: "1/2", 2: "1/2"})
CASES = {
    "7 wigner + wishart": (
        free_sum(semicircle("1/2"), marchenko_pastur("1/3")),
        lambda rng: wigner(rng, D, 0.5) + wishart(rng, D, 1 / 3),
    ),
    "8 two coins": (
        free_sum(COIN, COIN),
        lambda rng: rotated(rng, two(D, -1, 1)) + np.diag(two(D, -1, 1)),
    ),
    "9 atoms x wishart": (
        free_product(PAIR, HALF),
        lambda rng: product(np.diag(two(D)), wishart(rng, D, 0.5)),
    ),
    "10 compression": (
        free_compression(PAIR, "1/2"),
        lambda rng: rotated(rng, two(2 * D))[:D, :D],
    ),
    "11 marchenko-pastur": (marchenko_pastur("3/2"), lambda rng: wishart(rng, D, 1.5)),
    "12 triple product": (
        free_product(free_product(HALF, HALF), HALF),
        lambda rng: product(
            product(wishart(rng, D, 0.5), wishart(rng, D, 0.5)), wishart(rng, D, 0.5)
        ),
    ),
    "13 fisher": (
        fisher("1/2", "1/3"),
        lambda rng: product(np.linalg.inv(wishart(rng, D, 1 / 3)), wishart(rng, D, 0.5)),
    ),
    "14 deformed": (
        correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "1/2"),
        lambda rng: product(np.diag(two(D, 1, 4)), wishart(rng, D, 0.5)),
    ),
    "15 wachter": (
        wachter("1/2", "1/3"),
        lambda rng: _manova(wishart(rng, D, 0.5) * 2 * D, wishart(rng, D, 1 / 3) * 3 * D),
    ),
    "15 kesten-mckay": (
        kesten_mckay(3),
        lambda rng: sum(rotated(rng, two(D, -1, 1)) for _ in range(3)),
    ),
    "15 fuss-catalan": (
        fuss_catalan(2),
        lambda rng: _gram(ginibre(rng, D, D) @ ginibre(rng, D, D) / D),
    ),
    "16 anticommutator": (
        law_from_r_transform(2 * g / (1 - g**2), g),
        lambda rng: anticommutator(rng, D),
    ),
    "17 semicircle + three atoms": (
        free_sum(semicircle(), atoms({-2: "1/2", -1: "1/4", 1: "1/4"})),
        lambda rng: wigner(rng, D) + np.diag(np.repeat([-2.0, -2.0, -1.0, 1.0], D // 4)),
    ),
}


def _gram(x):
    return x.conj().T @ x


def _manova(a, b):
    return product(np.linalg.inv(a + b), a)


@pytest.mark.parametrize("name", CASES)
def test_resolvent_trace(name):
    law, sample = CASES[name]
    rng = np.random.default_rng(sum(name.encode()))
    point = 0.75 + 0.25j
    expected = complex(stieltjes_ball(law, point))
    values = np.array(
        [np.mean(1 / (np.linalg.eigvalsh(sample(rng)) - point)) for _ in range(SEEDS)]
    )
    # 1/d^2 is the first correction of complex ensembles with coefficient one
    for found, exact in ((values.real, expected.real), (values.imag, expected.imag)):
        error = found.std(ddof=1) / np.sqrt(SEEDS)
        assert error < 0.01 * abs(expected), "the sample is too small to see a wrong law"
        assert abs(found.mean() - exact) < 4.5 * error + 1 / D**2


def test_a_wrong_ratio_and_a_wrong_root_are_refuted():
    rng = np.random.default_rng(5)
    sample, point = CASES["14 deformed"][1], 0.75 + 0.25j
    values = [np.mean(1 / (np.linalg.eigvalsh(sample(rng)) - point)).imag for _ in range(SEEDS)]
    error = np.std(values, ddof=1) / np.sqrt(SEEDS)
    mutant = correlated_wishart(atoms({1: "1/2", 4: "1/2"}), "3/5")
    assert abs(np.mean(values) - complex(stieltjes_ball(mutant, point)).imag) > 8 * error
    # the root with the largest imaginary part is not the triple product
    triple, sample = CASES["12 triple product"]
    values = [np.mean(1 / (np.linalg.eigvalsh(sample(rng)) - point)).imag for _ in range(SEEDS)]
    error = np.std(values, ddof=1) / np.sqrt(SEEDS)
    rivals = np.roots([point**3, -3 * point**2, 3 * point, 8 * point - 1, 8])
    assert abs(np.mean(values) - max(rivals.imag)) > 20 * error
    assert min(abs(rivals - complex(stieltjes_ball(triple, point)))) < 1e-12
