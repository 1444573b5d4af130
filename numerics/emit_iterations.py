"""The loops of a kernel over a whole tile: roots, sums over an index, sums over a table.

Root: every lane iterates until its own relative step is below the tolerance (or, once small, stops
shrinking: rounding has been reached); it then keeps its value while its neighbours go on. The tile
``e`` holds the last step of a lane, -1 where the root is found and -2 where it was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from numerics.arithmetic import Arithmetic, Float64, literal
from numerics.program import Block, Instruction
from numerics.schedule import Iteration

MAXIMUM_TERMS = 10_000_000
TABLES = ("table", "table_low")  # prefixes of the parts of a column of constants


@dataclass(frozen=True)
class Ending:
    """What a pass does last: write results, start a loop, or finish one round of it.

    Parameters
    ----------
    uses : tuple of int
        Values it needs.
    lines : tuple of str
        Text inside the pass.
    before : tuple of str
        Text before the pass.
    needs_validity : bool
        Does the text speak of ``ok``?
    """

    uses: tuple[int, ...]
    lines: tuple[str, ...]
    before: tuple[str, ...] = ()
    needs_validity: bool = False


@dataclass(frozen=True)
class Phase:
    """One loop over the body: the text around it and its arithmetic."""

    arithmetic: Arithmetic
    before: tuple[str, ...]
    head: tuple[str, ...]
    tail: tuple[str, ...]


def open_loop(iteration: Iteration, arithmetic: Arithmetic) -> Ending:
    """Return how the pass before a loop sets its starting values.

    Parameters
    ----------
    iteration : Iteration
        The loop.
    arithmetic : Arithmetic
        Precision of the pass.

    Returns
    -------
    Ending
        Stores to the loop's tiles.
    """
    loop, name = iteration.instruction, iteration.name
    places = list(zip(arithmetic.parts, arithmetic.tiles, strict=True))
    if loop.op == "root":
        lines = [
            f"{tile}{unknown}[i] = {part}{start}"
            for unknown, start in zip(_block(loop).parameters, loop.inputs, strict=True)
            for part, tile in places
        ]
        lines.append(f"e{name}[i] = where(ok, inf, -2.0)")
        return Ending(loop.inputs, tuple(lines), needs_validity=True)
    if loop.op == "table_sum":
        lines = [f"{tile}{total}[i] = 0.0" for total in loop.results for _, tile in places]
        return Ending((), tuple(lines))
    low, high = (f"{arithmetic.parts[0]}{v}" for v in loop.inputs)
    (index,) = _block(loop).parameters
    lines = [
        f"x = {high} - {low} + 1.0",
        f"w = (floor({low}) == {low}) & (floor({high}) == {high}) & (x <= {MAXIMUM_TERMS}.0)",
        *(
            f"w = w & ({part}{v} == 0.0)"  # an integer has no low part
            for v in loop.inputs
            for part in arithmetic.parts[1:]
        ),
        f"t{index}[i] = {low}",
        f"e{name}[i] = where(w & ok, x, 0.0)",
        *(f"{tile}{total}[i] = where(w, 0.0, nan)" for total in loop.results for _, tile in places),
        f"terms{name} = max(terms{name}, int(where(w & ok, x, 0.0)))",
    ]
    return Ending(loop.inputs, tuple(lines), (f"terms{name} = 0",), needs_validity=True)


def repeat(iteration: Iteration, arithmetic: Arithmetic) -> Iterator[Phase]:
    """Yield the loops over the body of an iteration.

    A double-double root is found in float64 first and polished in pairs afterwards.

    Parameters
    ----------
    iteration : Iteration
        The loop.
    arithmetic : Arithmetic
        Precision of the result.

    Yields
    ------
    Phase
        In order.
    """
    loop, name = iteration.instruction, iteration.name
    if loop.op == "root":
        maximum = loop.attribute[1]
        single = Float64()
        restart: tuple[str, ...] = ()
        for phase in (single,) if len(arithmetic.parts) == 1 else (single, arithmetic):
            yield Phase(
                phase,
                restart,
                (f"for k{name} in range({maximum}):",),
                (f"if active{name} == 0:", "    break"),
            )
            restart = (
                "for i in range(m):",
                *(f"    u{unknown}[i] = 0.0" for unknown in _block(loop).parameters),
                f"    e{name}[i] = where(e{name}[i] == -1.0, inf, -2.0)",
            )
    elif loop.op == "sum":
        head = (f"for k{name} in range(terms{name}):", f"    j{name} = float(k{name})")
        yield Phase(arithmetic, (), head, ())
    else:
        columns = _block(loop).parameters
        head = (
            f"for k{name} in range({len(loop.attribute[0])}):",
            *(
                f"    {part}{column} = {table}{column}[k{name}]"
                for column in columns
                for part, table in zip(arithmetic.parts, TABLES, strict=False)
            ),
        )
        yield Phase(arithmetic, (), head, ())


def close_loop(iteration: Iteration, arithmetic: Arithmetic) -> Ending:
    """Return how the last pass of the body finishes one round.

    Parameters
    ----------
    iteration : Iteration
        The loop.
    arithmetic : Arithmetic
        Precision of this phase.

    Returns
    -------
    Ending
        Newton update, or addition of a term.
    """
    loop, name = iteration.instruction, iteration.name
    yields = iteration.body.yields
    if loop.op == "root":
        lines = _root_step(loop, name, yields, arithmetic)
        return Ending((*yields, *_block(loop).parameters), lines, (f"active{name} = 0",))
    condition = f"j{name} < e{name}[i]" if loop.op == "sum" else ""
    lines = [
        line
        for total, term in zip(loop.results, yields, strict=True)
        for line in arithmetic.accumulate(total, term, condition)
    ]
    return Ending(yields, tuple(lines))


def _root_step(
    loop: Instruction, name: int, yields: tuple[int, ...], arithmetic: Arithmetic
) -> tuple[str, ...]:
    found, stall = arithmetic.accuracy(loop.attribute[0])
    unknowns = _block(loop).parameters
    several = len(unknowns) > 1
    lines = [f"r = e{name}[i]", "going = r >= 0.0"]
    for k, (new, old) in enumerate(zip(yields, unknowns, strict=True)):
        lines += arithmetic.difference(new, old)
        lines.append(f"done = {'done & ' if k else ''}(d <= {literal(2.0**found)} * z)")
        if several:  # steps of different unknowns are compared relative to their size
            lines.append("d = where(d == 0.0, 0.0, d / z)")
            lines.append("step = maximum(step, d)" if k else "step = d")
    if several:
        lines.append(f"stalled = (step <= {literal(2.0**stall)}) & (step >= r)")
    else:
        lines += ["step = d", f"stalled = (d <= {literal(2.0**stall)} * z) & (d >= r)"]
    for new, old in zip(yields, unknowns, strict=True):
        for part, tile in zip(arithmetic.parts, arithmetic.tiles, strict=True):
            lines.append(f"{tile}{old}[i] = where(going, {part}{new}, {part}{old})")
    return (
        *lines,
        "step = where(done | stalled, -1.0, where(step < inf, step, -2.0))",
        "r = where(going, step, r)",
        f"e{name}[i] = r",
        f"active{name} += r >= 0.0",
    )


def result_load(loop: Instruction, value: int, arithmetic: Arithmetic, *, bound: bool) -> list[str]:
    """Write the load of a loop's result, or of what it binds inside its body.

    Parameters
    ----------
    loop : Instruction
        The loop.
    value : int
        A result, or a parameter of the block.
    arithmetic : Arithmetic
        Precision of the pass.
    bound : bool
        Is the value a parameter of the block?

    Returns
    -------
    list of str
        Assignments.
    """
    name = loop.results[0]
    places = list(zip(arithmetic.parts, arithmetic.tiles, strict=True))
    if not bound:
        if loop.op != "root":
            return [f"{part}{value} = {tile}{value}[i]" for part, tile in places]
        unknown = _block(loop).parameters[loop.results.index(value)]
        return [
            f"{part}{value} = where(e{name}[i] == -1.0, {tile}{unknown}[i], nan)"
            for part, tile in places
        ]
    if loop.op == "root":
        return [f"{part}{value} = {tile}{value}[i]" for part, tile in places]
    if loop.op == "sum":
        return [
            f"{arithmetic.parts[0]}{value} = t{value}[i] + j{name}",
            *(f"{part}{value} = 0.0" for part in arithmetic.parts[1:]),
        ]
    return []  # columns of a table are scalars, assigned at the head of the loop


def _block(loop: Instruction) -> Block:
    if loop.block is None:
        raise ValueError(f"{loop.op} without a block")
    return loop.block
