"""Where a long pass over the lanes is cut, so that the processor works on several points at once.

The operations on pairs depend on one another in long chains. A processor hides their latency with
the next lanes as far as it looks ahead, some five hundred instructions; a pass longer than that
waits for every chain in turn. Several short passes, each over the whole tile, overlap instead. What
one of them defines and a later one uses goes through a tile of its own, so a cut is best where few
values are alive.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from numerics.program import Instruction


def cut_into_passes(
    instructions: tuple[Instruction, ...], effort: Callable[[Instruction], int], longest: int
) -> tuple[tuple[Instruction, ...], ...]:
    """Cut straight-line code into passes with as few values as possible between them.

    Parameters
    ----------
    instructions : tuple of Instruction
        Without loops, in order.
    effort : callable
        Machine instructions that one of them takes.
    longest : int
        Effort of a pass; only a single instruction may exceed it.

    Returns
    -------
    tuple of tuple of Instruction
        At least one; in order, together the instructions given.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> y = x = b.argument("x")
    >>> for _ in range(4):
    ...     y = b.op("sqrt", b.op("mul", y, y))
    >>> code = tuple(i for i in b.program({"y": y}).body.instructions if i.op != "argument")
    >>> [[i.op for i in part] for part in cut_into_passes(code, lambda i: 10, 45)]
    [['mul', 'sqrt', 'mul', 'sqrt'], ['mul', 'sqrt', 'mul', 'sqrt']]
    """
    count = len(instructions)
    spent = list(accumulate((effort(i) for i in instructions), initial=0))
    alive = _alive(instructions)
    # The cheapest way to cut what comes before each position, and where its last pass begins.
    cost, begin = [0] + [0] * count, [0] * (count + 1)
    for end in range(1, count + 1):
        start = best = end - 1
        while start > 0 and spent[end] - spent[start - 1] <= longest:
            start -= 1
            if cost[start] + alive[start] < cost[best] + alive[best]:
                best = start
        cost[end], begin[end] = cost[best] + alive[best], best
    parts: list[tuple[Instruction, ...]] = []
    end = count
    while end:
        parts.append(instructions[begin[end] : end])
        end = begin[end]
    return tuple(reversed(parts)) or ((),)


def _alive(instructions: tuple[Instruction, ...]) -> list[int]:
    """Count the values that cross each position, and one for the pass that begins there."""
    last = {v: k for k, i in enumerate(instructions) for v in i.inputs}
    steps = [0] * (len(instructions) + 1)
    for k, i in enumerate(instructions):
        for result in i.results:
            if last.get(result, k) > k:
                steps[k + 1] += 1
                steps[last[result] + 1] -= 1
    return [0, *(n + 1 for n in list(accumulate(steps))[1:])]
