"""Exact finite-size trace moments of Wishart matrices, by pairings and by loop equations.

The sample covariance is ``W = X X^T / P`` with X of shape D x P, columns independent Gaussian with
covariance Sigma.  A product of traces of powers of W is a polynomial in the entries of X; each
pairing of the entries closes loops of the row index, which carry traces of powers of Sigma, and
loops of the column index, which carry the number of samples P each.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import sympy as sp

from derive.errors import ArgumentsError, DomainError
from derive.gaussian import pairings
from derive.index_notation import Exact
from derive.spectral_trace import exact

LARGEST_ORDER = 6


def wishart_trace_moment(
    powers: Sequence[int],
    dimension: Exact,
    samples: Exact,
    covariance_trace: Callable[[int], sp.Expr] | None = None,
) -> sp.Expr:
    r"""Average a product of traces of powers of a real Wishart matrix, exactly at finite size.

    ``E prod_i Tr W^{k_i} = P^-K sum_pairings P^{column loops} prod_{row loops} Tr Sigma^length``,
    with ``K = sum k_i`` and (2K-1)!! pairings.

    Parameters
    ----------
    powers : sequence of int
        The ``k_i >= 1``; ``(2, 2)`` is ``E (Tr W^2)^2`` and ``(2, 1)`` is ``E Tr W^2 Tr W``.
    dimension : sympy.Expr
        D, the size of W.
    samples : sympy.Expr
        P, the number of columns that were averaged.
    covariance_trace : callable, optional
        Gives the unnormalised ``Tr Sigma^k``; left out, Sigma is the identity.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ArgumentsError
        When a power is not a positive integer, or K exceeds 6 (10395 pairings).
    DomainError
        When the dimension or the number of samples is a number but no positive integer.

    References
    ----------
    Hanlon, Stanley & Stembridge 1992; arXiv 2510.01098 (trace moments of the finite-size
    recursion).

    Examples
    --------
    >>> D, P = sp.symbols("D P", positive=True)
    >>> wishart_trace_moment([2], D, P)
    D*(D + P + 1)/P
    >>> wishart_trace_moment([1, 1], D, P)
    D*(D*P + 2)/P
    """
    return _by_pairings(powers, dimension, samples, covariance_trace, _real_pairings)


def complex_wishart_trace_moment(
    powers: Sequence[int],
    dimension: Exact,
    samples: Exact,
    covariance_trace: Callable[[int], sp.Expr] | None = None,
) -> sp.Expr:
    r"""Average a product of traces of powers of a complex Wishart matrix ``X X^dagger / P``.

    Only an entry and a conjugate entry pair, so that K! pairings remain of the (2K-1)!! real ones.

    Parameters
    ----------
    powers, dimension, samples, covariance_trace
        As for :func:`wishart_trace_moment`, with ``E |X_ai|^2 = 1`` where Sigma is the identity.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> D, P = sp.symbols("D P", positive=True)
    >>> complex_wishart_trace_moment([2], D, P)
    D*(D + P)/P
    """
    return _by_pairings(powers, dimension, samples, covariance_trace, _complex_pairings)


def wishart_loop_equation(powers: Sequence[int], dimension: Exact, samples: Exact) -> sp.Expr:
    r"""Average a product of traces of powers of a real Wishart matrix by integration by parts.

    ``P E Tr W^k F = (P+k-1) E Tr W^{k-1} F + sum_{j=1}^{k-1} E Tr W^j Tr W^{k-1-j} F
    + 2 sum_m m E Tr W^{k+m-1} F/Tr W^m`` for ``F = prod Tr W^m``, with ``Tr W^0 = D``; Sigma is the
    identity.

    Parameters
    ----------
    powers, dimension, samples
        As for :func:`wishart_trace_moment`; any order.

    Returns
    -------
    sympy.Expr

    Validity
    --------
    Exact at every finite size; a route independent of the pairings, and much shorter than them at
    high order.

    References
    ----------
    Stein 1981, Ann. Stat. 9, 1135; Haff 1979, J. Multivariate Anal. 9, 531.

    Examples
    --------
    >>> D, P = sp.symbols("D P", positive=True)
    >>> wishart_loop_equation([2], D, P)
    D*(D + P + 1)/P
    """
    call = f"wishart_loop_equation({list(powers)}, ...)"
    size, count = _counts(dimension, samples, call)

    @cache
    def moment(orders: tuple[int, ...]) -> sp.Expr:
        if orders and orders[-1] == 0:
            return sp.expand(size * moment(orders[:-1]))
        if not orders:
            return sp.S.One
        k, rest = orders[0], orders[1:]
        total = (count + k - 1) * moment(_sorted((k - 1, *rest)))
        for j in range(1, k):
            total += moment(_sorted((j, k - 1 - j, *rest)))
        for place, m in enumerate(rest):
            others = (*rest[:place], *rest[place + 1 :])
            total += 2 * m * moment(_sorted((k + m - 1, *others)))
        return sp.expand(total / count)

    return _factored(moment(_sorted(_checked(powers, call))))


def _sorted(powers: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(powers, reverse=True))


def _checked(powers: Sequence[int], call: str) -> tuple[int, ...]:
    if any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in powers):
        raise ArgumentsError(
            call,
            f"powers = {list(powers)} are not all positive integers",
            "negative moments are not polynomial and Tr W^0 is the dimension itself",
            "give for example [2, 1] for E Tr W^2 Tr W",
        )
    return tuple(powers)


def _counts(dimension: Exact, samples: Exact, call: str) -> tuple[sp.Expr, sp.Expr]:
    size, count = exact(dimension, call), exact(samples, call)
    for name, value in (("dimension", size), ("samples", count)):
        if value.is_nonpositive or value.is_integer is False:
            raise DomainError(
                call,
                f"{name} = {value} is no positive integer",
                "it is a count, and a polynomial between counts is the average of nothing",
                f"give {name} as a positive integer or a symbol",
            )
    return size, count


def _by_pairings(
    powers: Sequence[int],
    dimension: Exact,
    samples: Exact,
    covariance_trace: Callable[[int], sp.Expr] | None,
    matchings: Callable[[int], Iterator[tuple[tuple[int, int], ...]]],
) -> sp.Expr:
    call = f"wishart_trace_moment({list(powers)}, ...)"
    size, count = _counts(dimension, samples, call)
    orders = _checked(powers, call)
    total_order = sum(orders)
    if total_order > LARGEST_ORDER:
        raise ArgumentsError(
            call,
            f"the order is {total_order}, above {LARGEST_ORDER}",
            f"there are {sp.factorial2(2 * total_order - 1)} pairings to sum",
            f"wishart_loop_equation({list(powers)}, dimension, samples)",
        )

    def power_trace(k: int) -> sp.Expr:
        return size if covariance_trace is None else exact(covariance_trace(k), call)

    # Entry 2m is the left X of the m-th W, entry 2m+1 the right one; they share a column.
    successor, start = [], 0
    for k in orders:
        successor += [start + (m + 1) % k for m in range(k)]
        start += k
    rows = [0] * (2 * total_order)
    for m, following in enumerate(successor):
        rows[2 * m + 1], rows[2 * following] = 2 * following, 2 * m + 1
    columns = [entry ^ 1 for entry in range(2 * total_order)]
    loops = Counter(
        (tuple(_loop_lengths(matching, rows)), len(_loop_lengths(matching, columns)))
        for matching in matchings(total_order)
    )
    total = sp.S.Zero
    for (lengths, column_loops), number in loops.items():
        total += number * count**column_loops * sp.prod([power_trace(k) for k in lengths])
    return _factored(sp.expand(total) / count**total_order)


def _real_pairings(order: int) -> Iterator[tuple[tuple[int, int], ...]]:
    yield from pairings(range(2 * order))


def _complex_pairings(order: int) -> Iterator[tuple[tuple[int, int], ...]]:
    for image in itertools.permutations(range(order)):
        yield tuple((2 * m, 2 * image[m] + 1) for m in range(order))


def _loop_lengths(matching: Sequence[tuple[int, int]], link: Sequence[int]) -> list[int]:
    """Return the lengths of the loops that alternate between a matching and fixed links."""
    partner = dict(matching) | {j: i for i, j in matching}
    unseen, lengths = set(partner), []
    while unseen:
        entry, length = unseen.pop(), 0
        first = entry
        while True:
            other = link[entry]
            unseen.discard(entry)
            unseen.discard(other)
            length += 1
            entry = partner[other]
            if entry == first:
                break
        lengths.append(length)
    return sorted(lengths)


def _factored(expression: sp.Expr) -> sp.Expr:
    return exact(sp.factor(expression), "wishart_trace_moment(...)")
