"""Fewer divisions: a vector unit makes one in the time of ten products.

A selection of two quotients becomes one quotient of selections, the same bit for bit; this is done
where a kernel is written. Several quotients by one divisor, or a quotient inside a loop by a
divisor from outside it, become products with one reciprocal; that is one rounding more, so it is
done once and for all where a program is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from numerics.program import Block, Instruction, Program, walk


def merge_quotients(
    instructions: tuple[Instruction, ...], wanted: Sequence[int]
) -> tuple[Instruction, ...]:
    """Turn selections of quotients that nobody else needs into quotients of selections.

    Parameters
    ----------
    instructions : tuple of Instruction
        A normal form.
    wanted : sequence of int
        Values used outside of it: outputs and conditions.

    Returns
    -------
    tuple of Instruction
        The same values under the same numbers, and some new ones. The attribute of a new selection
        holds, for each side, the other part of its quotient.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x", "y"))
    >>> x, y = (b.argument(n) for n in "xy")
    >>> f = b.select(b.op("less", x, y), b.op("div", x, y), b.op("div", y, x))
    >>> merged = merge_quotients(b.program({"f": f}).body.instructions, [f])
    >>> [i.op for i in merged if i.op != "argument"]
    ['less', 'select', 'select', 'div']
    """
    whole = Block((), instructions, tuple(wanted))
    return _merge(whole, _use_counts(whole), _Names.after(whole)).instructions


def share_reciprocals(program: Program) -> Program:
    """Turn quotients by a shared divisor into products with its reciprocal.

    Parameters
    ----------
    program : Program
        As it was written.

    Returns
    -------
    Program
        The same values up to a rounding.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x", "y", "k"))
    >>> x, y, k = (b.argument(n) for n in "xyk")
    >>> total = b.op("add", b.op("div", x, k), b.op("div", y, k))
    >>> share_reciprocals(b.program({"f": total})).operations()
    {'div': 1, 'mul': 2, 'add': 1}
    """
    return replace(program, body=_share(program.body, _Names.after(program.body)))


@dataclass
class _Names:
    """Fresh value numbers."""

    next: int

    @classmethod
    def after(cls, block: Block) -> _Names:
        known = list(walk(block))
        numbers = [r for i in known for r in i.results]
        numbers += [p for i in known if i.block is not None for p in i.block.parameters]
        return cls(max(numbers, default=-1) + 1)

    def fresh(self) -> int:
        self.next += 1
        return self.next - 1


def _use_counts(block: Block) -> Counter[int]:
    counts = Counter(block.yields)
    for i in block.instructions:
        counts.update(i.inputs)
        if i.block is not None:
            counts.update(_use_counts(i.block))
    return counts


def _merge(block: Block, counts: Counter[int], names: _Names) -> Block:
    """Turn ``select(m, a/b, c/d)`` into ``select(m, a, c) / select(m, b, d)``."""
    quotients: dict[int, Instruction] = {}
    written: list[Instruction] = []
    for i in block.instructions:
        if i.block is not None:
            i = replace(i, block=_merge(i.block, counts, names))
        pair = [quotients.get(v) for v in i.inputs[1:]] if i.op == "select" else []
        yes, no = pair if len(pair) == 2 else (None, None)
        if yes is not None and no is not None and yes is not no:
            written = [w for w in written if w is not yes and w is not no]
            parts = []
            # Where the mask is undecided, a side may be NaN by either of its two parts.
            partners = (yes.inputs[::-1], no.inputs[::-1])
            for a, b, *beside in zip(yes.inputs, no.inputs, *partners, strict=True):
                if a != b:
                    inputs, attribute = (i.inputs[0], a, b), tuple(beside)
                    chosen = Instruction("select", (names.fresh(),), inputs, attribute)
                    written.append(chosen)
                    a = chosen.results[0]
                parts.append(a)
            i = Instruction("div", i.results, tuple(parts))
        if i.op == "div" and counts[i.results[0]] == 1:
            quotients[i.results[0]] = i
        written.append(i)
    return replace(block, instructions=tuple(written))


@dataclass
class _Divisors:
    """Where values are defined and divided by, by depth of the loop."""

    depth: dict[int, int] = field(default_factory=dict)
    constants: set[int] = field(default_factory=set)
    ones: set[int] = field(default_factory=set)
    uses: dict[int, list[tuple[int, Instruction]]] = field(default_factory=dict)

    def read(self, block: Block, depth: int = 0) -> None:
        self.depth.update(dict.fromkeys(block.parameters, depth))
        for i in block.instructions:
            if i.block is not None:
                self.read(i.block, depth + 1)
            self.depth.update(dict.fromkeys(i.results, depth))
            if i.op == "constant":
                self.constants.add(i.results[0])
                if i.attribute == 1:
                    self.ones.add(i.results[0])
            elif i.op == "div":
                self.uses.setdefault(i.inputs[1], []).append((depth, i))

    def shared(self) -> Iterator[int]:
        """Yield the divisors worth one reciprocal."""
        for divisor, uses in self.uses.items():
            if divisor in self.constants:  # a compiler knows when its reciprocal is exact
                continue
            inside = any(depth > self.depth[divisor] for depth, _ in uses)
            if len(uses) > 1 or (inside and uses[0][1].inputs[0] not in self.ones):
                yield divisor


def _share(whole: Block, names: _Names) -> Block:
    """Turn quotients by a shared divisor into products with its reciprocal."""
    divisors = _Divisors()
    divisors.read(whole)
    shared = {divisor: names.fresh() for divisor in divisors.shared()}
    if not shared:
        return whole
    one = min(divisors.ones, default=None)
    head: list[Instruction] = []
    if one is None or divisors.depth[one] > 0:
        one = names.fresh()
    else:
        head = [i for i in whole.instructions if one in i.results]
        whole = replace(whole, instructions=tuple(i for i in whole.instructions if i not in head))
    head = head or [Instruction("constant", (one,), (), Fraction(1))]
    return _write(replace(whole, instructions=(*head, *whole.instructions)), shared, one, divisors)


def _write(block: Block, shared: dict[int, int], one: int, divisors: _Divisors) -> Block:
    written: list[Instruction] = []

    def invert(values: Sequence[int]) -> None:
        for v in values:
            if v in shared:
                written.append(Instruction("div", (shared[v],), (one, v)))

    invert(block.parameters)
    for i in block.instructions:
        if i.block is not None:
            i = replace(i, block=_write(i.block, shared, one, divisors))
        elif i.op == "div" and i.inputs[1] in shared:
            # a quotient of one is the reciprocal under another name
            i = Instruction("mul", i.results, (i.inputs[0], shared[i.inputs[1]]))
        written.append(i)
        invert(i.results)
    return replace(block, instructions=tuple(written))
