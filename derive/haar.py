"""Haar averages of low order over the orthogonal and unitary groups (Weingarten calculus).

The average of a product of entries of a Haar matrix is a double sum over pairings (orthogonal) or
permutations (unitary): one for the row indices, one for the column indices, weighted by the
Weingarten function, the inverse of the Gram matrix ``dimension^loops``.  Exact at every dimension.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache

import sympy as sp

from derive.errors import ArgumentsError, ConditionError
from derive.gaussian import pairings
from derive.index_notation import DELTA, Exact, Factor, Field, Index
from derive.index_tensor import RawTerm, Tensor
from derive.spectral_trace import exact

LARGEST_ORDER = 4
Partition = tuple[int, ...]
Matching = tuple[tuple[int, int], ...]


def orthogonal_weingarten(order: int, dimension: Exact) -> dict[Partition, sp.Expr]:
    r"""Return the orthogonal Weingarten function of an order, by coset type.

    ``sum_q Wg(p, q) dimension^{loops(q, r)} = 1 if p = r else 0`` over the pairings q of 2 order
    points; the coset type lists half the lengths of the loops of ``p`` and ``q``.

    Parameters
    ----------
    order : int
        Half the number of matrix entries, 1 to 4.
    dimension : sympy.Expr or int
        At least the order where it is a number.

    Returns
    -------
    dict
        From partitions of the order, largest part first, to rational functions.

    Raises
    ------
    ConditionError
        When the dimension is a number at which the Gram matrix is singular.

    References
    ----------
    Weingarten 1978; Collins & Sniady 2006, Commun. Math. Phys. 264, 773.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> orthogonal_weingarten(2, d)[(1, 1)]
    (d + 1)/(d*(d - 1)*(d + 2))
    """
    everything = list(pairings(range(2 * _checked(order))))
    size = exact(dimension, f"orthogonal_weingarten({order}, ...)")
    return _inverse_gram(everything, coset_type, size, f"orthogonal_weingarten({order}, {size})")


def unitary_weingarten(order: int, dimension: Exact) -> dict[Partition, sp.Expr]:
    r"""Return the unitary Weingarten function of an order, by cycle type.

    ``sum_tau Wg(sigma, tau) dimension^{cycles(tau rho^-1)} = 1 if sigma = rho else 0`` over the
    permutations of the order.

    Parameters
    ----------
    order : int
        Number of entries of U, as many as of its conjugate, 1 to 4.
    dimension : sympy.Expr or int

    Returns
    -------
    dict

    Raises
    ------
    ConditionError
        When the dimension is a number at which the Gram matrix is singular.

    References
    ----------
    Weingarten 1978; Collins 2003, Int. Math. Res. Not. 17, 953.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> unitary_weingarten(2, d)[(2,)]
    -1/(d*(d - 1)*(d + 1))
    """
    everything = list(itertools.permutations(range(_checked(order))))
    size = exact(dimension, f"unitary_weingarten({order}, ...)")
    return _inverse_gram(everything, cycle_type, size, f"unitary_weingarten({order}, {size})")


def coset_type(left: Matching, right: Matching) -> Partition:
    """Return half the loop lengths of two pairings, largest first.

    Examples
    --------
    >>> coset_type(((0, 1), (2, 3)), ((0, 2), (1, 3)))
    (2,)
    """
    first = dict(left) | {j: i for i, j in left}
    second = dict(right) | {j: i for i, j in right}
    unseen, lengths = set(first), []
    while unseen:
        start = point = min(unseen)
        length = 0
        while True:
            other = first[point]
            unseen -= {point, other}
            length += 1
            point = second[other]
            if point == start:
                break
        lengths.append(length)
    return tuple(sorted(lengths, reverse=True))


def cycle_type(left: Sequence[int], right: Sequence[int]) -> Partition:
    """Return the cycle lengths of one permutation times the inverse of another, largest first.

    Examples
    --------
    >>> cycle_type((1, 2, 0), (0, 1, 2))
    (3,)
    """
    image = {right[k]: left[k] for k in range(len(left))}
    unseen, lengths = set(image), []
    while unseen:
        point, length = min(unseen), 0
        while point in unseen:
            unseen.discard(point)
            length += 1
            point = image[point]
        lengths.append(length)
    return tuple(sorted(lengths, reverse=True))


@dataclass(frozen=True)
class OrthogonalHaar:
    """A uniformly distributed orthogonal matrix.

    Parameters
    ----------
    field : Field
        With twice the same index space.
    """

    field: Field


@dataclass(frozen=True)
class UnitaryHaar:
    """A uniformly distributed unitary matrix, with its complex conjugate as a second field.

    Parameters
    ----------
    field, conjugate : Field
        Both with twice the same index space; ``conjugate(a, b)`` is the conjugate of the entry
        ``field(a, b)``, not of its transpose.
    """

    field: Field
    conjugate: Field


@dataclass(frozen=True)
class HaarAverage:
    """A record of one Haar average: what went in, what came out, and the order reached.

    Parameters
    ----------
    before, after : Tensor
    law : OrthogonalHaar or UnitaryHaar
    order : int
        Largest order of the Weingarten function that was needed.
    """

    before: Tensor
    after: Tensor
    law: OrthogonalHaar | UnitaryHaar
    order: int


def haar_average(tensor: Tensor, law: OrthogonalHaar | UnitaryHaar) -> HaarAverage:
    r"""Average a polynomial of the entries of a Haar matrix, exactly in the dimension.

    ``E prod O_{i_k j_k} = sum_{p,q} Wg(p, q) delta_p(i) delta_q(j)`` over pairings, and
    ``E prod U_{i_k j_k} conj(U)_{i'_k j'_k}
    = sum_{sigma,tau} Wg(sigma tau^-1) prod delta(i_k, i'_sigma(k)) delta(j_k, j'_tau(k))``.

    Parameters
    ----------
    tensor : Tensor
    law : OrthogonalHaar or UnitaryHaar

    Returns
    -------
    HaarAverage

    Raises
    ------
    ArgumentsError
        When a term has more than 8 entries of the matrix.
    ConditionError
        When the dimension is a number below the order.

    Validity
    --------
    Everything but the matrix is independent of it and held fixed.

    References
    ----------
    Collins & Sniady 2006, Commun. Math. Phys. 264, 773.

    Examples
    --------
    A rotated matrix has a multiple of the identity as its mean:

    >>> from derive.index_notation import Space
    >>> d = sp.Symbol("d", positive=True)
    >>> space = Space("component", d)
    >>> a, b, c, e = space.indices("a b c e")
    >>> O, B = Field("O", (space, space)), Field("B", (space, space), symmetric=True)
    >>> rotated = (O(a, c) * B(c, e) * O(b, e)).sum(c, e)
    >>> haar_average(rotated, OrthogonalHaar(O)).after
    (1/d)*B_s00s00*delta_ab
    """
    fields = [law.field] if isinstance(law, OrthogonalHaar) else [law.field, law.conjugate]
    for field in fields:
        if len(field.spaces) != 2 or len(set(field.spaces)) != 1:
            raise ArgumentsError(
                "haar_average(...)",
                f"{field.name} has index spaces {[space.name for space in field.spaces]}",
                "a rotation is a square matrix",
                f'Field("{field.name}", (space, space))',
            )
    size = law.field.spaces[0].dimension
    raw: list[RawTerm] = []
    largest = 0
    for term in tensor.terms:
        kept = [factor for factor in term.factors if factor[0] not in fields]
        entries = [[ids for f, ids in term.factors if f == field] for field in fields]
        count = len(entries[0])
        if isinstance(law, OrthogonalHaar):
            order, vanishes = count // 2, bool(count % 2)
        else:
            order, vanishes = count, count != len(entries[1])
        if vanishes:
            continue
        largest = max(largest, order)
        if order == 0:
            raw.append((term.coefficient, term.factors, term.bound))
            continue
        if isinstance(law, OrthogonalHaar):
            weights = orthogonal_weingarten(order, size)
            joined = _orthogonal_terms(entries[0], weights)
        else:
            weights = unitary_weingarten(order, size)
            joined = _unitary_terms(entries[0], entries[1], weights)
        raw += [(term.coefficient * weight, kept + deltas, term.bound) for weight, deltas in joined]
    return HaarAverage(tensor, Tensor.build(raw), law, largest)


def _orthogonal_terms(
    entries: list[tuple[Index, ...]], weights: dict[Partition, sp.Expr]
) -> list[tuple[sp.Expr, list[Factor]]]:
    matchings = list(pairings(range(len(entries))))
    terms = []
    for p, q in itertools.product(matchings, repeat=2):
        deltas: list[Factor] = [(DELTA, (entries[i][0], entries[j][0])) for i, j in p]
        deltas += [(DELTA, (entries[i][1], entries[j][1])) for i, j in q]
        terms.append((weights[coset_type(p, q)], deltas))
    return terms


def _unitary_terms(
    entries: list[tuple[Index, ...]],
    conjugates: list[tuple[Index, ...]],
    weights: dict[Partition, sp.Expr],
) -> list[tuple[sp.Expr, list[Factor]]]:
    images = list(itertools.permutations(range(len(entries))))
    terms = []
    for rows, columns in itertools.product(images, repeat=2):
        deltas: list[Factor] = []
        for k, entry in enumerate(entries):
            deltas.append((DELTA, (entry[0], conjugates[rows[k]][0])))
            deltas.append((DELTA, (entry[1], conjugates[columns[k]][1])))
        terms.append((weights[cycle_type(rows, columns)], deltas))
    return terms


def _checked(order: int) -> int:
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= LARGEST_ORDER:
        raise ArgumentsError(
            f"Haar average of order {order}",
            f"order {order} is not in 1..{LARGEST_ORDER}",
            "the number of pairings grows as (2 order - 1)!!",
            "average fewer entries at a time, or use the large-dimension free calculus",
        )
    return order


@cache
def _gram_system(order: int, kind: Callable[[Hashable, Hashable], Partition]) -> tuple:
    """Return the types, and for each representative the counts of (type, loops) against it."""
    if kind is coset_type:
        everything: list = list(pairings(range(2 * order)))
    else:
        everything = list(itertools.permutations(range(order)))
    representatives: dict[Partition, Hashable] = {}
    for element in everything:
        representatives.setdefault(kind(everything[0], element), element)
    rows = []
    for target in representatives.values():
        counts: dict[tuple[Partition, int], int] = {}
        for element in everything:
            key = kind(everything[0], element), len(kind(element, target))
            counts[key] = counts.get(key, 0) + 1
        rows.append((target == everything[0], counts))
    return tuple(representatives), tuple(rows)


def _inverse_gram(
    everything: list,
    kind: Callable[..., Partition],
    size: sp.Expr,
    call: str,
) -> dict[Partition, sp.Expr]:
    """Solve for the first row of the inverse Gram matrix, a function of the type alone."""
    order = sum(kind(everything[0], everything[0]))
    types, rows = _gram_system(order, kind)
    matrix = sp.zeros(len(types), len(types))
    right = sp.zeros(len(types), 1)
    for r, (own, counts) in enumerate(rows):
        right[r] = sp.Integer(1 if own else 0)
        for (name, loops), number in counts.items():
            matrix[r, types.index(name)] += number * size**loops
    determinant = sp.factor(matrix.det())
    if determinant == 0:
        raise ConditionError(
            call,
            f"the Gram matrix of order {order} is singular at dimension {size}",
            "the pairings are linearly dependent when the dimension is below the order",
            f"take dimension >= {order}, or a symbol",
        )
    solution = matrix.adjugate() * right / determinant
    return {
        name: exact(sp.factor(value), call) for name, value in zip(types, solution, strict=True)
    }
