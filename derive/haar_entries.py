"""Moments of given entries of a Haar matrix, exact at every dimension.

The tensors of :mod:`derive.haar` hold every entry at once; here the places are numbers, and only
the pairings (permutations) that join equal indices are added up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import sympy as sp

from derive.errors import ArgumentsError, DomainError
from derive.gaussian import pairings
from derive.haar import Matching, coset_type, cycle_type, orthogonal_weingarten, unitary_weingarten
from derive.index_notation import Exact
from derive.spectral_trace import exact

Entry = tuple[int, int]


def orthogonal_moment(entries: Sequence[Entry], dimension: Exact) -> sp.Expr:
    r"""Average a product of entries of a uniformly distributed orthogonal matrix.

    ``E prod_k O_{i_k j_k} = sum_{p,q} Wg(p, q) delta_p(i) delta_q(j)`` over pairings.

    Parameters
    ----------
    entries : sequence of (int, int)
        Row and column of each factor, from 1 on; at most 8 factors.
    dimension : sympy.Expr or int
        Size d of the matrix, at least the largest index and half the number of factors.

    Returns
    -------
    sympy.Expr
        A rational function of the dimension.

    Raises
    ------
    ArgumentsError
        When a place is not a pair of positive integers, or there are more than 8.
    DomainError
        When the dimension is a number below an index.
    ConditionError
        When the dimension is a number below half the number of factors.

    References
    ----------
    Weingarten 1978; Collins & Sniady 2006, Commun. Math. Phys. 264, 773.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> orthogonal_moment([(1, 1)] * 4, d)
    3/(d*(d + 2))
    >>> orthogonal_moment([(1, 1), (2, 2), (1, 2), (2, 1)], d)
    -1/(d*(d - 1)*(d + 2))
    """
    call = f"orthogonal_moment({list(entries)}, ...)"
    size = _checked(entries, dimension, call)
    if len(entries) % 2:
        return sp.S.Zero
    if not entries:
        return sp.S.One
    weights = orthogonal_weingarten(len(entries) // 2, size)
    rows, columns = (_joining([entry[side] for entry in entries]) for side in (0, 1))
    total = sp.Add(*(weights[coset_type(p, q)] for p, q in itertools.product(rows, columns)))
    return exact(sp.factor(total), call)


def unitary_moment(
    entries: Sequence[Entry], conjugates: Sequence[Entry], dimension: Exact
) -> sp.Expr:
    r"""Average a product of entries of a Haar unitary matrix and of their conjugates.

    ``E prod_k U_{i_k j_k} conj(U_{i'_k j'_k})
    = sum_{sigma,tau} Wg(sigma tau^-1) prod delta(i_k, i'_sigma(k)) delta(j_k, j'_tau(k))``.

    Parameters
    ----------
    entries, conjugates : sequence of (int, int)
        Row and column of each factor, from 1 on; at most 4 of each.
    dimension : sympy.Expr or int
        Size d of the matrix.

    Returns
    -------
    sympy.Expr
        Zero unless there are as many conjugates as entries.

    Raises
    ------
    ArgumentsError, DomainError, ConditionError
        As for :func:`orthogonal_moment`.

    References
    ----------
    Collins 2003, Int. Math. Res. Not. 17, 953.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> unitary_moment([(1, 1), (1, 1)], [(1, 1), (1, 1)], d)
    2/(d*(d + 1))
    >>> unitary_moment([(1, 1), (2, 2)], [(1, 2), (2, 1)], d)
    -1/(d*(d - 1)*(d + 1))
    """
    call = f"unitary_moment({list(entries)}, {list(conjugates)}, ...)"
    size = _checked([*entries, *conjugates], dimension, call)
    if len(entries) != len(conjugates):
        return sp.S.Zero
    if not entries:
        return sp.S.One
    weights = unitary_weingarten(len(entries), size)
    rows, columns = (
        list(_matching([e[side] for e in entries], [e[side] for e in conjugates]))
        for side in (0, 1)
    )
    total = sp.Add(*(weights[cycle_type(p, q)] for p, q in itertools.product(rows, columns)))
    return exact(sp.factor(total), call)


def _joining(indices: Sequence[int]) -> list[Matching]:
    """Return the pairings that join equal indices only."""
    return [
        matching
        for matching in pairings(range(len(indices)))
        if all(indices[i] == indices[j] for i, j in matching)
    ]


def _matching(left: Sequence[int], right: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the permutations that send each index to an equal one."""
    for image in itertools.permutations(range(len(right))):
        if all(left[k] == right[image[k]] for k in range(len(left))):
            yield image


def _checked(entries: Sequence[Entry], dimension: Exact, call: str) -> sp.Expr:
    size = exact(dimension, call)
    for entry in entries:
        if len(entry) != 2 or not all(type(i) is int and i >= 1 for i in entry):
            raise ArgumentsError(
                call,
                f"{entry} is no place in a matrix",
                "rows and columns are counted from 1",
                "orthogonal_moment([(1, 1), (1, 1)], d)",
            )
        if (size - max(entry)).is_negative:
            raise DomainError(
                call,
                f"the entry {entry} lies outside of a matrix of size {size}",
                "indices go from 1 to the dimension",
                f"dimension >= {max(entry)}, or a symbol",
            )
    return size
