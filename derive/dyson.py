r"""From a linear pencil with Gaussian blocks to its fixed-point equations.

For a pencil :math:`P = P_0 + W` with deterministic :math:`P_0` (blocks that need not commute) and
:math:`W` linear in independent Gaussian letters, the inverse is equivalent, as all sizes grow
together, to the block matrix that solves the matrix Dyson equation

.. math:: G = \big(P_0 - \mathbb E[W G W]\big)^{-1}.

For entries :math:`A\,g\,B` and :math:`A'\,g^\top B'` of one letter
:math:`g = L^{1/2}ZR^{1/2}` with entry variance :math:`v`,
:math:`\mathbb E[A g B\,G_{ce}\,A' g^\top B'] = v\,\mathrm{Tr}[R\,B\,G_{ce}\,A']\;A\,L\,B'`, so the
unknowns are finitely many scalars :math:`v\,\mathrm{Tr}[\cdot]`. Pairings of :math:`g` with
:math:`g` are smaller by one size and are dropped, unless :math:`g` is symmetric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import sympy as sp

from derive.block_inverse import block_inverse
from derive.errors import ArgumentsError, ConditionError
from derive.pencil import Blocks, Pencil, check_letters, linear_pencil
from derive.spectral_trace import substituted
from derive.word_trace import WordTrace, trace_values
from derive.words import (
    Gaussian,
    Identity,
    Product,
    Sum,
    Transpose,
    Word,
    Zero,
    coefficient_and_factors,
    terms_of,
)


@dataclass(frozen=True)
class SelfEnergyTerm:
    """One pairing: unknown times ``matrix`` in block ``place`` of the self-energy.

    Parameters
    ----------
    place : (int, int)
        Block of the self-energy.
    inner : (int, int)
        Block of the inverse whose trace is the unknown.
    weight : Word
        ``A' R B``, under the trace with the inner block.
    variance : sympy.Expr
    matrix : Word
        ``A L B'`` with the scalars of both entries.
    """

    place: tuple[int, int]
    inner: tuple[int, int]
    weight: Word
    variance: sp.Expr
    matrix: Word


@dataclass(frozen=True)
class DysonSystem:
    r"""Scalar unknowns with their equations ``unknown = right side``, and what they determine.

    Parameters
    ----------
    equations : dict of sympy.Symbol to sympy.Expr
        Right sides hold unknowns as scalars inside inverses under traces of deterministic words.
    outputs : dict of str to sympy.Expr
        Normalised traces asked for, in the unknowns.
    self_energies : tuple of (sympy.Symbol, SelfEnergyTerm)
        What each unknown stands for.
    """

    equations: dict[sp.Symbol, sp.Expr]
    outputs: dict[str, sp.Expr]
    self_energies: tuple[tuple[sp.Symbol, SelfEnergyTerm], ...] = field(default=())


@dataclass(frozen=True)
class DysonSolution:
    """Numbers of the unknowns and outputs, with status as data."""

    unknowns: dict[sp.Symbol, complex]
    outputs: dict[str, complex]
    residual: float
    iterations: int
    converged: bool
    sentence: str


def dyson_equations(
    traces: Mapping[str, Word],
    ratios: Mapping[sp.Symbol, sp.Expr] | None = None,
    average: Iterable[Word] | None = None,
) -> DysonSystem:
    r"""Return the fixed-point equations of normalised traces of rational expressions.

    Parameters
    ----------
    traces : mapping
        Name -> square word; deterministic factors at the ends are put under the trace as weights.
    ratios : mapping, optional
        Size -> multiple of another size, e.g. ``{d: phi * n}``; then all sizes must cancel.
    average : iterable of Word, optional
        The letters to average over; all Gaussian ones by default.

    Returns
    -------
    DysonSystem

    Raises
    ------
    ConditionError
        If a letter to average is not Gaussian, or a Gaussian letter would stay, or the variances do
        not scale so that the sizes cancel.

    Validity
    --------
    Leading order as all sizes grow at fixed ratios; independent entries of finite fourth moment.
    Each inverse must exist with a bounded norm: an expression such as ``(X @ X.T).inverse()`` has
    no finite trace where the matrix is singular, and its equations say nothing there.

    References
    ----------
    Erdos, arXiv 1903.10060 (matrix Dyson equation); Mingo & Speicher, Free Probability and Random
    Matrices, chapter 9-10 (linearisation, operator-valued semicirculars).

    Examples
    --------
    >>> n, d, phi, lam = sp.symbols("n d phi lam", positive=True)
    >>> X = Gaussian("X", n, d, 1 / n)
    >>> R = (X.T @ X + lam * Identity(d)).inverse()
    >>> system = dyson_equations({"tr R": R}, {d: phi * n})
    >>> for unknown, side in system.equations.items():
    ...     print(unknown, "=", side)
    x0 = phi/(lam + x1)
    x1 = 1/(x0 + 1)
    """
    check_letters(list(traces.values()))
    _check_average(traces, average)
    equations: dict[sp.Symbol, sp.Expr] = {}
    outputs: dict[str, sp.Expr] = {}
    terms: list[tuple[sp.Symbol, SelfEnergyTerm]] = []
    for name, word in traces.items():
        left, core, right = _split_ends(word)
        pencil = linear_pencil(core)
        named, inverse = _solve_pencil(pencil, len(terms))
        for symbol, term in named:
            inner = inverse.get(term.inner)
            weighted = term.weight @ inner if inner is not None else Zero(*term.weight.shape)
            value = term.variance * weighted.shape[0] * WordTrace(weighted)
            equations[symbol] = _at_ratios(value, ratios)
        block = inverse.get((pencil.row, pencil.column), Zero(*core.shape))
        outputs[name] = _at_ratios(WordTrace(Product(1, left, block, right)), ratios)
        terms.extend(named)
    return DysonSystem(equations, outputs, tuple(terms))


def solve_numerically(
    system: DysonSystem,
    matrices: Mapping[str, np.ndarray],
    scalars: Mapping[sp.Symbol, complex],
    tolerance: float = 1e-13,
    most: int = 20000,
) -> DysonSolution:
    """Iterate the equations with averaging of successive values, from zero where that is regular.

    Parameters
    ----------
    system : DysonSystem
    matrices : mapping
        Name of each deterministic letter -> array.
    scalars : mapping
        Symbol -> number, the ratios and the sizes of the arrays included.
    tolerance : float
        On the largest change relative to the largest unknown.
    most : int
        Largest number of iterations.

    Returns
    -------
    DysonSolution
        ``converged`` and a sentence say whether the tolerance was reached; outputs are not numbers
        where it was not.
    """
    trouble = ""
    # zero is the start of the expansion in the variances; where it is singular (an inverse without
    # a ridge) ones keep all self-energies of the right sign
    for start in (0.0, 1.0):
        unknowns: dict[sp.Symbol, complex] = dict.fromkeys(system.equations, complex(start))
        residual, count = np.inf, 0
        try:
            while count < most and not residual < tolerance:
                count += 1
                values = {**scalars, **unknowns}
                new = {k: trace_values(e, matrices, values) for k, e in system.equations.items()}
                scale = max(1e-300, *(abs(v) for v in new.values())) if new else 1.0
                residual = max((abs(new[k] - unknowns[k]) / scale for k in new), default=0.0)
                unknowns = {k: (new[k] + unknowns[k]) / 2 for k in new}
            values = {**scalars, **unknowns}
            outputs = {k: trace_values(e, matrices, values) for k, e in system.outputs.items()}
            trouble = ""
            break
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            trouble, residual, outputs = f" ({error})", np.inf, {}
    converged = bool(residual < tolerance)
    if not converged:
        outputs = dict.fromkeys(system.outputs, complex("nan"))
    sentence = (
        f"The largest change is {residual:.1e} of the largest unknown after {count} iterations"
        + ("." if converged else f", above the tolerance {tolerance:.0e}{trouble}.")
    )
    return DysonSolution(unknowns, outputs, float(residual), count, converged, sentence)


def pairings(pencil: Pencil) -> list[SelfEnergyTerm]:
    """Return every pairing of a Gaussian letter with its transpose between two blocks.

    Parameters
    ----------
    pencil : Pencil

    Returns
    -------
    list of SelfEnergyTerm
    """
    entries = []
    for place, word in pencil.blocks:
        for term in terms_of(word):
            scalar, factors = coefficient_and_factors(term)
            for k, factor in enumerate(factors):
                if factor.is_random:
                    before = Product(1, Identity(factor.shape[0]), *factors[:k])
                    if factors[:k]:
                        before = Product(1, *factors[:k])
                    after = Identity(factor.shape[1])
                    if factors[k + 1 :]:
                        after = Product(1, *factors[k + 1 :])
                    entries.append((place, scalar, before, factor, after))
    out = []
    for (a, c), scalar, before, letter, after in entries:
        for (e, b), other_scalar, other_before, other_letter, other_after in entries:
            if other_letter != letter.T:
                continue
            plain = letter if isinstance(letter, Gaussian) else cast(Transpose, letter).letter
            gaussian = cast(Gaussian, plain)
            row_side, column_side = gaussian.left, gaussian.right
            if isinstance(letter, Transpose):
                row_side, column_side = column_side, row_side
            weight = Product(1, other_before, column_side, after)
            matrix = Product(scalar * other_scalar, before, row_side, other_after)
            out.append(SelfEnergyTerm((a, b), (c, e), weight, gaussian.variance, matrix))
    return out


def _solve_pencil(pencil: Pencil, offset: int):
    """Return the unknowns that are not zero and the blocks of the inverse in them."""
    terms = _reachable(pencil, pairings(pencil))
    keys: dict[tuple, sp.Symbol] = {}
    named = []
    blocks: Blocks = {place: _deterministic_part(word) for place, word in pencil.blocks}
    for term in terms:
        key = (term.inner, term.weight, term.variance)
        if key not in keys:
            keys[key] = sp.Symbol(f"x{offset + len(keys)}")
            named.append((keys[key], term))
        change = Product(-keys[key], term.matrix)
        old = blocks.get(term.place)
        blocks[term.place] = change if old is None else Sum(old, change)
    blocks = {ij: w for ij, w in blocks.items() if not isinstance(w, Zero)}
    return named, block_inverse(blocks, pencil.sizes)


def _deterministic_part(word: Word) -> Word:
    kept = [t for t in terms_of(word) if not t.is_random]
    return Sum(*kept) if kept else Zero(*word.shape)


def _reachable(pencil: Pencil, terms: list[SelfEnergyTerm]) -> list[SelfEnergyTerm]:
    """Keep the pairings whose inner block is not zero in the expansion in the variances.

    The expansion starts at the inverse of the deterministic part; a block that no path of blocks
    reaches stays zero at every order, hence on the branch that is analytic in the variances.
    """
    size = len(pencil.sizes)
    links = {ij for ij, w in pencil.blocks if not isinstance(_deterministic_part(w), Zero)}
    active: set[int] = set()
    while True:
        reach = np.eye(size, dtype=bool)
        for i, j in links | {terms[k].place for k in active}:
            reach[i, j] = True
        for k in range(size):
            reach |= np.outer(reach[:, k], reach[k, :])
        grown = {k for k, t in enumerate(terms) if reach[t.inner]}
        if grown == active:
            return [terms[k] for k in sorted(active)]
        active = grown


def _split_ends(word: Word) -> tuple[Word, Word, Word]:
    """Split deterministic factors off both ends, so that the pencil is made of the rest."""
    if word.shape[0] != word.shape[1]:
        raise ArgumentsError(
            "dyson_equations",
            f"{word} has shape {word.shape}",
            "only square matrices have a trace",
            "multiply it so that it becomes square",
        )
    if not word.is_random:
        return Identity(word.shape[0]), Identity(word.shape[0]), word
    scalar, factors = coefficient_and_factors(word)
    left: Word = Product(scalar, Identity(word.shape[0]))
    right: Word = Identity(word.shape[1])
    while not factors[0].is_random:
        left, factors = Product(1, left, factors[0]), factors[1:]
    while not factors[-1].is_random:
        right, factors = Product(1, factors[-1], right), factors[:-1]
    return left, Product(1, *factors), right


def _check_average(traces: Mapping[str, Word], average: Iterable[Word] | None) -> None:
    if average is None:
        return
    wanted = set(average)
    for letter in wanted:
        if not isinstance(letter, Gaussian):
            raise ConditionError(
                f"dyson_equations(average=[{letter}])",
                f"{letter} is not Gaussian",
                "the Dyson equation is the average over independent Gaussian entries",
                f"Gaussian('{letter}', rows, columns, variance)",
            )
    for word in traces.values():
        for letter in word.letters():
            if isinstance(letter, Gaussian) and letter not in wanted:
                raise ConditionError(
                    "dyson_equations",
                    f"the Gaussian letter {letter} would stay random",
                    "the equations have deterministic coefficients",
                    f"average over {letter} too, or make it Deterministic",
                )


def _at_ratios(value: sp.Expr, ratios: Mapping[sp.Symbol, sp.Expr] | None) -> sp.Expr:
    """Put ratios for sizes in front of traces; afterwards no size may be left there."""
    if ratios is None:
        return value
    traces = {t: sp.Dummy() for t in value.atoms(WordTrace)}
    plain = cast(sp.Expr, value.xreplace(traces))
    sizes = set(ratios)
    for _ in ratios:
        plain = substituted(plain, ratios)
    plain = sp.factor(sp.cancel(plain)) if plain.is_Mul or plain.is_Add else plain
    bases = {s for r in ratios.values() for s in r.free_symbols} - sizes
    left = plain.free_symbols & {s for s in bases if _is_size(s, value)}
    if left:
        raise ConditionError(
            "dyson_equations",
            f"the size {sorted(map(str, left))[0]} does not cancel from {plain}",
            "the variance of a Gaussian letter must be of the order of one over a size",
            "Gaussian(name, n, d, variance=1/n)",
        )
    return cast(sp.Expr, plain.xreplace({d: t for t, d in traces.items()}))


def _is_size(symbol: sp.Basic, value: sp.Expr) -> bool:
    return (
        any(
            symbol in side.free_symbols
            for trace in value.atoms(WordTrace)
            for side in cast(WordTrace, trace).word.shape
        )
        or symbol in value.free_symbols
    )
