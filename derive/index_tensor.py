"""Tensors in index notation with explicit sums, the language in which a data model is averaged.

A tensor is a sum of terms ``coefficient * product of components``, and every index is either free
or bound by an explicit sum (no Einstein convention: a sample index may appear four times).
Dimensions are symbols, so that a closed loop of Kronecker deltas contributes the dimension itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from sympy.printing.latex import LatexPrinter

from derive.errors import ArgumentsError
from derive.index_notation import (
    DELTA,
    ONES,
    Exact,
    Factor,
    Field,
    Index,
    contract,
    factored,
    ordering_key,
)
from derive.spectral_trace import exact


def delta(a: Index, b: Index) -> Tensor:
    """Return the Kronecker delta of two indices of one space.

    Examples
    --------
    >>> from derive.index_notation import Space
    >>> a, b = Space("component", sp.Symbol("d", positive=True)).indices("a b")
    >>> delta(a, b).sum(b)
    1_a
    >>> delta(a, a).sum(a)
    d
    """
    if a.space != b.space:
        raise ArgumentsError(
            f"delta({a.name}, {b.name})",
            f"the indices belong to {a.space.name!r} and {b.space.name!r}",
            "a Kronecker delta compares two values of one range",
            "take both indices from one space",
        )
    return Tensor.build([(sp.S.One, [(DELTA, (a, b))], ())])


def ones(a: Index) -> Tensor:
    """Return the vector of ones, which carries an index that the rest of a term does not have."""
    return Tensor.build([(sp.S.One, [(ONES, (a,))], ())])


@dataclass(frozen=True)
class Term:
    """One term: a coefficient, components in canonical order, and the indices summed over."""

    coefficient: sp.Expr
    factors: tuple[Factor, ...]
    bound: tuple[Index, ...]


RawTerm = tuple[sp.Expr, Iterable[Factor], Iterable[Index]]


@dataclass(frozen=True)
class Tensor:
    """A sum of index-notation terms in canonical form, so that equal tensors have equal terms.

    Parameters
    ----------
    terms : tuple of Term
        Made by :meth:`build`, which contracts deltas, relabels summed indices and collects.
    free : tuple of Index
        The indices that every term carries.

    Examples
    --------
    >>> from derive.index_notation import Space
    >>> d = sp.Symbol("d", positive=True)
    >>> space = Space("component", d)
    >>> a, b = space.indices("a b")
    >>> w = Field("w", (space,))
    >>> (delta(a, b) * w(b)).sum(b)
    w_a
    >>> (w(a) * w(a)).sum(a).equals((w(b) * w(b)).sum(b))
    True
    """

    terms: tuple[Term, ...]
    free: tuple[Index, ...]

    @staticmethod
    def build(raw: Iterable[RawTerm]) -> Tensor:
        """Return the canonical tensor of terms given as (coefficient, factors, summed indices)."""
        collected: dict[tuple[Factor, ...], list[sp.Expr]] = {}
        bounds: dict[tuple[Factor, ...], tuple[Index, ...]] = {}
        free: frozenset[Index] | None = None
        for coefficient, factors, bound in raw:
            scale, canonical, summed, own_free = contract(list(factors), set(bound))
            if free is not None and own_free != free:
                raise ArgumentsError(
                    "Tensor addition",
                    "terms carry different free indices: "
                    f"{sorted(i.name for i in free)} and {sorted(i.name for i in own_free)}",
                    "a term without an index is not the same as one constant in it",
                    "multiply the term by ones(index), or sum the index",
                )
            free = own_free
            collected.setdefault(canonical, []).append(coefficient * scale)
            bounds[canonical] = summed
        terms = []
        for canonical in sorted(collected, key=ordering_key):
            coefficient = factored(sp.Add(*collected[canonical]))
            if coefficient != 0:
                terms.append(Term(coefficient, canonical, bounds[canonical]))
        return Tensor(tuple(terms), tuple(sorted(free or (), key=Index.key)))

    def _raw(self) -> list[RawTerm]:
        return [(term.coefficient, term.factors, term.bound) for term in self.terms]

    def __add__(self, other: Tensor) -> Tensor:
        if not isinstance(other, Tensor):
            return NotImplemented
        return Tensor.build(self._raw() + other._raw())

    def __neg__(self) -> Tensor:
        return self * sp.S.NegativeOne

    def __sub__(self, other: Tensor) -> Tensor:
        return self + (-other)

    def __mul__(self, other: Tensor | Exact) -> Tensor:
        if not isinstance(other, Tensor):
            scalar = exact(other, "Tensor * scalar")
            raw = [(scalar * c, factors, bound) for c, factors, bound in self._raw()]
            return Tensor.build(raw)
        raw = []
        for left, right in itertools.product(self.terms, other.terms):
            # Summed indices of the two factors share canonical names: move one set apart.
            apart = {index: Index(f"{index.name}'", index.space) for index in right.bound}
            moved = [(f, tuple(apart.get(i, i) for i in ids)) for f, ids in right.factors]
            bound = left.bound + tuple(apart.values())
            raw.append((left.coefficient * right.coefficient, [*left.factors, *moved], bound))
        return Tensor.build(raw)

    __rmul__ = __mul__

    def __truediv__(self, other: Exact) -> Tensor:
        return self * (1 / exact(other, "Tensor / scalar"))

    def sum(self, *indices: Index) -> Tensor:
        """Return the tensor summed over free indices."""
        for index in indices:
            if self.terms and index not in self.free:
                raise ArgumentsError(
                    f"Tensor.sum({index.name})",
                    f"{index.name} is not a free index; free are {[i.name for i in self.free]}",
                    "only a free index can be summed",
                    "multiply by ones(index) first if the sum should give the dimension",
                )
        return Tensor.build([(c, f, (*b, *indices)) for c, f, b in self._raw()])

    def rename(self, names: Mapping[Index, Index]) -> Tensor:
        """Return the tensor with free indices renamed, possibly to equal ones (a diagonal)."""
        raw = [
            (c, [(f, tuple(names.get(i, i) for i in ids)) for f, ids in factors], bound)
            for c, factors, bound in self._raw()
        ]
        return Tensor.build(raw)

    def equals(self, other: Tensor) -> bool:
        """Return whether both are the same tensor, exactly."""
        return not (self - other).terms

    def fields(self) -> frozenset[Field]:
        """Return the fields that occur, deltas and ones left out."""
        found = {field for term in self.terms for field, _ in term.factors}
        return frozenset(found - {DELTA, ONES})

    def with_invariant(self, invariant: Tensor, value: Exact) -> Tensor:
        """Return the tensor with a closed contraction, such as w.w, replaced by an expression.

        Parameters
        ----------
        invariant : Tensor
            A single term without free indices that does not split into factors.
        value : sympy.Expr
        """
        if len(invariant.terms) != 1 or invariant.free or len(_split(invariant.terms[0])[0]) != 1:
            raise ArgumentsError(
                "Tensor.with_invariant(...)",
                f"{invariant} is not one connected contraction",
                "only a single closed contraction can be recognised in a term",
                "give for example (w(a) * w(a)).sum(a)",
            )
        pattern = invariant.terms[0]
        replacement = exact(value, "Tensor.with_invariant(...)") / pattern.coefficient
        raw: list[RawTerm] = []
        for term in self.terms:
            closed, open_factors = _split(term)
            kept, power, gone = list(open_factors), 0, set()
            for component in closed:
                bound = {i for _, ids in component for i in ids}
                if contract(list(component), bound)[1] == pattern.factors:
                    power, gone = power + 1, gone | bound
                else:
                    kept.extend(component)
            raw.append((term.coefficient * replacement**power, kept, set(term.bound) - gone))
        return Tensor.build(raw)

    def scalar(self) -> sp.Expr:
        """Return a tensor without free indices as an expression; contractions become symbols."""
        if self.free:
            raise ArgumentsError(
                "Tensor.scalar()",
                f"free indices {[i.name for i in self.free]} remain",
                "only a fully contracted tensor is a number",
                "sum them, or compare tensors with .equals",
            )
        total = sp.S.Zero
        for term in self.terms:
            value = term.coefficient
            for component in _split(term)[0]:
                bound = {i for _, ids in component for i in ids}
                value *= sp.Symbol(_show_factors(contract(list(component), bound)[1]))
            total += value
        return total

    def evaluate(
        self, arrays: Mapping[Field, np.ndarray], parameters: Mapping[sp.Symbol, float]
    ) -> np.ndarray:
        """Return the float64 array of components, indices in the order of ``free``.

        Parameters
        ----------
        arrays : mapping from Field to array
        parameters : mapping from Symbol to number
            Dimensions included; they must agree with the array shapes.
        """

        def number(expression: sp.Expr) -> float:
            return float(sp.Float(expression.xreplace(dict(parameters))))

        def size(index: Index) -> int:
            return round(number(index.space.dimension))

        total = np.zeros([size(i) for i in self.free])
        for term in self.terms:
            letters: dict[Index, str] = {}
            operands, words = [], []
            for field, ids in term.factors:
                for index in ids:
                    letters.setdefault(index, chr(ord("a") + len(letters)))
                if field in (DELTA, ONES):
                    operands.append((np.eye if field == DELTA else np.ones)(size(ids[0])))
                else:
                    operands.append(np.asarray(arrays[field]))
                words.append("".join(letters[i] for i in ids))
            output = "".join(letters[i] for i in self.free)
            part = np.einsum(",".join(words) + "->" + output, *operands) if operands else 1.0
            total = total + number(term.coefficient) * np.asarray(part)
        return total

    def latex(self) -> str:
        r"""Return the tensor in LaTeX, every sum written out.

        Examples
        --------
        >>> from derive.index_notation import Space
        >>> a, b = Space("component", sp.Symbol("d", positive=True)).indices("a b")
        >>> w = Field("w", (a.space,))
        >>> print((w(b) * w(b) * delta(a, b)).sum(b).latex())
        w_{a} w_{a}
        >>> print((w(b) * w(b)).sum(b).latex())
        \sum_{c} w_{c} w_{c}
        """
        return self._latex(LatexPrinter())

    def _latex(self, printer: LatexPrinter) -> str:
        shown = [_latex_term(term, {i.name for i in self.free}, printer) for term in self.terms]
        return " + ".join(shown) or "0"

    def __repr__(self) -> str:
        if not self.terms:
            return "0"
        return " + ".join(_show_term(term) for term in self.terms)


def _latex_term(term: Term, taken: set[str], printer: LatexPrinter) -> str:
    letters = (letter for letter in "cefghmopruvwxyzabijklnqst" if letter not in taken)
    names = {index: letter for index, letter in zip(term.bound, letters, strict=False)}
    shown = []
    if term.coefficient != 1 or not term.factors:
        value = printer.doprint(term.coefficient)
        shown.append(rf"\left({value}\right)" if term.coefficient.is_Add else value)
    if names:
        shown.append(rf"\sum_{{{' '.join(names.values())}}}")
    for field, ids in term.factors:
        # a printer of pages also keeps what the field means, for its table of symbols
        show = getattr(printer, "field", lambda name, meaning: printer.doprint(sp.Symbol(name)))
        name = r"\delta" if field == DELTA else show(field.name, field.meaning)
        name = f"{{{name}}}" if "_" in name else name
        written = " ".join(names.get(i, i.name) for i in ids)
        shown.append(f"{name}_{{{written}}}" if written else name)
    return " ".join(shown)


def _show_factors(factors: Iterable[Factor]) -> str:
    shown = []
    for field, ids in factors:
        names = "".join(i.name.replace("%", "s") for i in ids)
        shown.append(f"{field.name}_{names}" if names else field.name)
    return "*".join(shown)


def _show_term(term: Term) -> str:
    body = _show_factors(term.factors)
    if not body:
        return str(term.coefficient)
    return body if term.coefficient == 1 else f"({term.coefficient})*{body}"


def _split(term: Term) -> tuple[list[list[Factor]], list[Factor]]:
    """Return the closed connected components of a term, and the factors with free indices."""
    groups: list[tuple[set[Index], list[Factor]]] = []
    for factor in term.factors:
        indices, members = set(factor[1]), [factor]
        linked = set(term.bound)
        joined = [g for g in groups if g[0] & indices & linked]
        for group in joined:
            groups.remove(group)
            indices |= group[0]
            members = group[1] + members
        groups.append((indices, members))
    closed = [members for indices, members in groups if indices <= set(term.bound)]
    opened = [f for indices, members in groups if not indices <= set(term.bound) for f in members]
    return closed, opened
