"""Indices, fields and the canonical form of a contraction.

Two products of components are equal when one becomes the other by renaming summed indices.
The form chosen here contracts the deltas, drops idle vectors of ones, names summed indices by
colour refinement and sorts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import sympy as sp

from derive.errors import ArgumentsError
from derive.spectral_trace import exact

if TYPE_CHECKING:
    from derive.index_tensor import Tensor

Exact = sp.Expr | int | float | Fraction
Factor = tuple["Field", tuple["Index", ...]]


def factored(expression: sp.Expr) -> sp.Expr:
    """Return a rational function in lowest terms, factored; zero exactly when it vanishes."""
    return exact(sp.factor(expression), "factored(...)")


@dataclass(frozen=True)
class Space:
    """A range of index values whose dimension is a symbol, such as the d components of a token.

    Parameters
    ----------
    name : str
        Names the space; two spaces with different names never contract.
    dimension : sympy.Expr or int
        Number of index values.

    Examples
    --------
    >>> d = sp.Symbol("d", positive=True)
    >>> a, b = Space("component", d).indices("a b")
    >>> a.name, b.space.dimension
    ('a', d)
    """

    name: str
    dimension: sp.Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", exact(self.dimension, f"Space({self.name!r}, ...)"))

    def indices(self, names: str) -> tuple[Index, ...]:
        """Return indices of this space, one for each blank-separated name."""
        for name in names.split():
            if not name.isidentifier():
                raise ArgumentsError(
                    f"Space.indices({names!r})",
                    f"{name!r} is not a name",
                    "other characters are kept for summed indices",
                    'write space.indices("a b")',
                )
        return tuple(Index(name, self) for name in names.split())


@dataclass(frozen=True)
class Index:
    """One index of a space; make them with :meth:`Space.indices`."""

    name: str
    space: Space

    def key(self) -> tuple[str, str]:
        """Return the ordering key: space name, then index name."""
        return self.space.name, self.name


@dataclass(frozen=True)
class Field:
    """A named array, random or fixed, with one index per space.

    Parameters
    ----------
    name : str
    spaces : tuple of Space
        One for each index.
    symmetric : bool
        True for a symmetric matrix, whose two indices may be exchanged.
    meaning : str
        What it is, for the table of symbols of a printed page.

    Examples
    --------
    >>> space = Space("component", sp.Symbol("d", positive=True))
    >>> a, b = space.indices("a b")
    >>> w = Field("w", (space,))
    >>> w(a) * w(b)
    w_a*w_b
    """

    name: str
    spaces: tuple[Space, ...]
    symmetric: bool = False
    meaning: str = dataclasses.field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.spaces and self.name in ("delta", "1"):
            raise ArgumentsError(
                f"Field({self.name!r}, ...)",
                f"the name {self.name!r} is taken",
                "it is the Kronecker delta or the vector of ones",
                "choose another name",
            )
        if self.symmetric and (len(self.spaces) != 2 or len(set(self.spaces)) != 1):
            raise ArgumentsError(
                f"Field({self.name!r}, ...)",
                "only a square matrix can be symmetric",
                f"its index spaces are {[space.name for space in self.spaces]}",
                "give the same space twice, or leave symmetric out",
            )

    def __call__(self, *indices: Index) -> Tensor:
        """Return the component with these indices, a tensor of one term."""
        from derive.index_tensor import Tensor  # the tensor of one component is built there

        if tuple(index.space for index in indices) != self.spaces:
            raise ArgumentsError(
                f"{self.name}({', '.join(index.name for index in indices)})",
                f"index spaces are {[index.space.name for index in indices]}",
                f"{self.name} lives on {[space.name for space in self.spaces]}",
                "take each index from the space of its slot",
            )
        return Tensor.build([(sp.S.One, [(self, indices)], ())])


DELTA = Field("delta", ())
ONES = Field("1", ())


def ordering_key(factors: Iterable[Factor]) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return the key by which products of components are ordered."""
    return tuple((field.name, tuple(i.key() for i in ids)) for field, ids in factors)


def contract(
    factors: list[Factor], bound: set[Index]
) -> tuple[sp.Expr, tuple[Factor, ...], tuple[Index, ...], frozenset[Index]]:
    """Contract deltas, drop idle vectors of ones and relabel summed indices.

    Parameters
    ----------
    factors : list of (Field, indices)
    bound : set of Index
        The indices summed over.

    Returns
    -------
    scale : sympy.Expr
        Product of the dimensions of summed indices that no component carries any more.
    factors : tuple of (Field, indices)
        In canonical order.
    bound : tuple of Index
        The summed indices that remain, under canonical names.
    free : frozenset of Index
    """
    free = frozenset(i for _, ids in factors for i in ids if i not in bound)
    parent: dict[Index, Index] = {}

    def root(index: Index) -> Index:
        while index in parent:
            index = parent[index]
        return index

    def rank(index: Index) -> tuple[bool, tuple[str, str]]:
        return index not in free, index.key()

    for field, ids in factors:
        if field == DELTA and root(ids[0]) != root(ids[1]):
            first, second = sorted((root(ids[0]), root(ids[1])), key=rank)
            parent[second] = first
    # Each class is written with its first free index; its other free ones keep a delta to it.
    solid: list[Factor] = [
        (field, tuple(root(i) for i in ids)) for field, ids in factors if field not in (DELTA, ONES)
    ]
    solid += [(DELTA, (root(i), i)) for i in free if i in parent]
    used = {i for _, ids in solid for i in ids}
    solid += [(ONES, (i,)) for i in free - used]
    scale = sp.S.One
    for index in bound - used:
        if index not in parent:
            scale *= index.space.dimension
    summed = sorted(bound & used, key=Index.key)
    ordered, names = _relabel(solid, summed)
    return scale, ordered, names, free


def _relabel(
    factors: list[Factor], summed: list[Index]
) -> tuple[tuple[Factor, ...], tuple[Index, ...]]:
    """Give summed indices canonical names by colour refinement, ties broken by exhaustion."""
    colour: dict[Index, tuple] = {
        i: (0, *i.key()) for _, ids in factors for i in ids if i not in summed
    }
    colour |= {i: (1, i.space.name, str(i.space.dimension), 0) for i in summed}
    best = _refined(factors, summed, colour)
    names = {i for _, ids in best for i in ids if i.name.startswith("%")}
    return best, tuple(sorted(names, key=Index.key))


def _refined(
    factors: list[Factor], summed: list[Index], colour: dict[Index, tuple]
) -> tuple[Factor, ...]:
    classes = -1
    while len({colour[i] for i in summed}) != classes:
        classes = len({colour[i] for i in summed})
        signature: dict[Index, list] = {i: [] for i in summed}
        for field, ids in factors:
            seen = [colour[i] for i in ids]
            around = tuple(sorted(seen) if field.symmetric else seen)
            for position, index in enumerate(ids):
                if index in signature:
                    place = 0 if field.symmetric else position
                    signature[index].append((field.name, place, around))
        ranked = {i: (colour[i], tuple(sorted(signature[i]))) for i in summed}
        ranks = {value: k for k, value in enumerate(sorted(set(ranked.values())))}
        # Ranks order space first, so that the names below never depend on the input names.
        for index in summed:
            space = index.space
            colour[index] = (1, space.name, str(space.dimension), ranks[ranked[index]])
    tied: dict[tuple, list[Index]] = {}
    for index in summed:
        tied.setdefault(colour[index], []).append(index)
    for value in sorted(tied):
        if len(tied[value]) > 1:
            options = []
            for index in tied[value]:
                trial = dict(colour)
                trial[index] = (*value[:3], -1)
                options.append(_refined(factors, summed, trial))
            return min(options, key=ordering_key)
    order = sorted(summed, key=lambda i: colour[i])
    names = {i: Index(f"%{k:02d}", i.space) for k, i in enumerate(order)}
    written = []
    for field, ids in factors:
        new = tuple(names.get(i, i) for i in ids)
        written.append((field, tuple(sorted(new, key=Index.key)) if field.symmetric else new))
    return tuple(sorted(written, key=lambda f: ordering_key([f])))
