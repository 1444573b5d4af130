"""Programs run on balls: one point at a time with roots and sums, or whole columns of points.

Both runs take their arithmetic from :mod:`numerics.ball_operations`. The run over columns maps each
operation over all points before it goes on to the next, so that the loop over points is FLINT
called from C; it hands roots and sums to the run over one point.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import repeat
from typing import Any

from flint import arb, arb_mat, fmpq

from numerics.ball_operations import (
    BINARY,
    UNARY,
    Inconclusive,
    Jet,
    Mask,
    choose,
    integer_power,
    jet,
    plain,
    square,
)
from numerics.certificate import Certificate, certify_root
from numerics.errors import LoweringError
from numerics.exact import Exact
from numerics.power_law_ball import power_law_sum
from numerics.program import Block, Instruction

MAXIMUM_TERMS = 1_000_000

Values = dict[int, Any]


def ball(value: Exact) -> arb:
    """Return an exact number as a ball at the working precision."""
    if isinstance(value, Fraction):
        return arb(fmpq(value.numerator, value.denominator))
    return arb.pos_inf() if value > 0 else arb.neg_inf()


def constant(attribute: Fraction | str) -> arb:
    """Return a constant of a program as a ball at the working precision."""
    if isinstance(attribute, Fraction):
        return ball(attribute)
    return {
        "pi": arb.pi,
        "e": arb.const_e,
        "euler_gamma": arb.const_euler,
        "inf": arb.pos_inf,
        "nan": arb.nan,
    }[attribute]()


def run(block: Block, values: Values, arguments: Sequence[Any]) -> None:
    """Execute a block at one point; `values` receives every result.

    Parameters
    ----------
    block : Block
        What to execute.
    values : dict
        Values known so far: balls, jets and masks by value number.
    arguments : sequence of arb or Jet
        The operands.

    Raises
    ------
    Inconclusive
        If a root cannot be proved or the number of terms of a sum cannot be told.
    LoweringError
        If the program holds an operation without an enclosure.
    """
    for i in block.instructions:
        op = i.op
        if op in BINARY:
            a, b = i.inputs
            if op == "mul" and a == b:
                values[i.results[0]] = square(values[a])
            else:
                values[i.results[0]] = BINARY[op](values[a], values[b])
        elif op == "constant":
            values[i.results[0]] = constant(i.attribute)
        elif op == "argument":
            values[i.results[0]] = arguments[i.attribute]
        elif op == "select":
            mask, yes, no = i.inputs
            values[i.results[0]] = choose(values[mask], values[yes], values[no])
        elif op == "power":
            values[i.results[0]] = integer_power(values[i.inputs[0]], i.attribute)
        elif op in UNARY:
            values[i.results[0]] = UNARY[op](values[i.inputs[0]])
        else:
            _run_block(i, values, arguments)


def _run_block(i: Instruction, values: Values, arguments: Sequence[Any]) -> None:
    if i.op == "root":
        results: Sequence[Any] = _root(i, values, arguments)
    elif i.op == "sum":
        results = _sum(i, values, arguments)
    elif i.op == "table_sum":
        results = _table_sum(i, values, arguments)
    elif i.op == "power_law_sum":  # slow, and inconclusive at some points
        results = [power_law_sum(*(values[k] for k in i.inputs))]
    else:
        raise LoweringError(
            "evaluate(program, ...)",
            f"the operation {i.op!r} has no enclosure",
            "the ball evaluator knows the operations listed in numerics.program only",
            "write the program with those operations",
        )
    values.update(zip(i.results, results, strict=True))


def _owned(i: Instruction) -> Block:
    if i.block is None:
        raise LoweringError(
            "evaluate(program, ...)",
            f"an instruction {i.op!r} has no block",
            "roots and sums hold their body in a block",
            "write it with Builder.open and Builder.close",
        )
    return i.block


def certify(i: Instruction, values: Values, arguments: Sequence[Any]) -> Certificate:
    """Return the proved root of one ``root`` instruction at plain balls."""
    block = _owned(i)
    count = len(i.results)
    outer = {k: plain(v) for k, v in values.items()}
    operands = [plain(a) for a in arguments]

    step, residual = _part(block, block.yields[:count]), _part(block, block.yields[count:])

    def follow(part: Block, unknowns: Sequence[Any]) -> list[Any]:
        inner = {**outer, **dict(zip(block.parameters, unknowns, strict=True))}
        run(part, inner, operands)
        return [inner[y] for y in part.yields]

    def slopes(unknowns: list[arb]) -> tuple[list[arb], list[list[arb]]]:
        seeded = [Jet(x, {k: arb(1)}) for k, x in enumerate(unknowns)]
        jets = [jet(r) for r in follow(residual, seeded)]
        return [r.value for r in jets], [
            [r.slopes.get(k, arb(0)) for k in range(count)] for r in jets
        ]

    return certify_root(
        lambda x: follow(step, x),
        lambda x: follow(residual, x),
        slopes,
        [plain(values[s]) for s in i.inputs],
        *i.attribute,
    )


def _part(block: Block, yields: tuple[int, ...]) -> Block:
    """Return the block with only what these yields need."""
    wanted, kept = set(yields), []
    for i in reversed(block.instructions):
        if wanted.intersection(i.results):
            kept.append(i)
            wanted |= _uses(i)
    return Block(block.parameters, tuple(reversed(kept)), yields)


def _root(i: Instruction, values: Values, arguments: Sequence[Any]) -> Sequence[Any]:
    block, roots = _owned(i), certify(i, values, arguments).root
    if not any(isinstance(v, Jet) for v in (*values.values(), *arguments)):
        return roots
    # Implicit function: F(x(p), p) = 0 gives x' = -(dF/dx)^(-1) dF/dp. Unknowns are numbered below
    # zero, out of the way of the variables of the jets outside.
    taken = {k for v in (*values.values(), *arguments) if isinstance(v, Jet) for k in v.slopes}
    first = min((*taken, 0)) - len(roots)
    seeded = [Jet(x, {first + k: arb(1)}) for k, x in enumerate(roots)]
    inner = {**values, **dict(zip(block.parameters, seeded, strict=True))}
    run(block, inner, arguments)
    residuals = [jet(inner[y]) for y in block.yields[len(roots) :]]
    outside = sorted(taken)
    jacobian = [[r.slopes.get(first + k, arb(0)) for k in range(len(roots))] for r in residuals]
    columns = {k: _solve(jacobian, [-r.slopes.get(k, arb(0)) for r in residuals]) for k in outside}
    return [Jet(x, {k: columns[k][n] for k in outside}) for n, x in enumerate(roots)]


def _solve(rows: list[list[arb]], right: list[arb]) -> list[arb]:
    if len(right) == 1:
        return [right[0] / rows[0][0]]
    try:
        solution = arb_mat(rows).solve(arb_mat([[r] for r in right]))
    except ZeroDivisionError:
        raise Inconclusive("the Jacobian at a root cannot be told from a singular one") from None
    return [solution[n, 0] for n in range(len(right))]


def _sum(i: Instruction, values: Values, arguments: Sequence[Any]) -> Sequence[Any]:
    block = _owned(i)
    ends = [plain(values[k]).unique_fmpz() for k in i.inputs]
    if None in ends or any(not plain(values[k]).is_exact() for k in i.inputs):
        raise Inconclusive("the ends of a sum are not exact integers")
    lower, upper = (int(e) for e in ends)
    if upper - lower >= MAXIMUM_TERMS:
        raise Inconclusive(f"a sum has {upper - lower + 1} terms, more than {MAXIMUM_TERMS}")
    totals: list[Any] = [arb(0)] * len(block.yields)
    inner = dict(values)
    for index in range(lower, upper + 1):
        inner[block.parameters[0]] = arb(index)
        run(block, inner, arguments)
        totals = [t + inner[y] for t, y in zip(totals, block.yields, strict=True)]
    return totals


def _table_sum(i: Instruction, values: Values, arguments: Sequence[Any]) -> Sequence[Any]:
    block = _owned(i)
    totals: list[Any] = [arb(0)] * len(block.yields)
    inner = dict(values)
    for row in zip(*i.attribute, strict=True):
        inner.update(zip(block.parameters, (ball(Fraction(q)) for q in row), strict=True))
        run(block, inner, arguments)
        totals = [t + inner[y] for t, y in zip(totals, block.yields, strict=True)]
    return totals


def run_columns(block: Block, columns: Sequence[list[arb]], count: int) -> Mapping[int, list[Any]]:
    """Execute the body of a program at many points, operation by operation.

    Parameters
    ----------
    block : Block
        The body.
    columns : sequence of list of arb
        One list per operand, each with `count` entries.
    count : int
        Number of points.

    Returns
    -------
    mapping of int to list
        A column per value number. Where a root or sum was inconclusive its entries are NaN balls.
    """
    values: dict[int, list[Any]] = {}
    for i in block.instructions:
        op = i.op
        inputs = [values[k] for k in i.inputs]
        if op == "mul" and i.inputs[0] == i.inputs[1]:
            column = _squares(inputs[0])
        elif op in _ORDER:
            column = _masks(*_ORDER[op], *inputs)
        elif op in ("minimum", "maximum"):
            column = list(map(arb.min if op == "minimum" else arb.max, *inputs))
        elif op in BINARY:
            column = list(map(BINARY[op], *inputs))
        elif op == "constant":
            column = [constant(i.attribute)] * count
        elif op == "argument":
            column = columns[i.attribute]
        elif op == "select":
            column = _selection(*inputs)
        elif op == "power" and i.attribute == 2:
            column = _squares(inputs[0])
        elif op == "power":
            column = list(map(integer_power, inputs[0], repeat(i.attribute)))
        elif op in UNARY:
            direct = getattr(arb, op, None) if op in _ARB_METHODS else UNARY[op]
            column = list(map(direct or UNARY[op], inputs[0]))
        else:
            values.update(zip(i.results, _by_point(i, values, columns, count), strict=True))
            continue
        values[i.results[0]] = column
    return values


_ORDER = {
    "less": (operator.lt, operator.ge),
    "less_equal": (operator.le, operator.gt),
    "equal": (operator.eq, operator.ne),
}


def _squares(column: list[arb]) -> list[arb]:
    return list(map(arb.nonnegative_part, map(operator.mul, column, column)))


def _masks(
    holds: Callable[[arb, arb], Any],
    fails: Callable[[arb, arb], Any],
    left: list[arb],
    right: list[arb],
) -> list[Mask]:
    """Compare two columns; a comparison of balls is true only where all their points agree."""
    column: list[Mask] = list(map(holds, left, right))
    if column.count(True) == len(column):
        return column
    refuted = map(fails, left, right)
    return [
        True if yes else (False if no else None) for yes, no in zip(column, refuted, strict=True)
    ]


def _selection(mask: list[Mask], yes: list[Any], no: list[Any]) -> list[Any]:
    """Select from two columns, which may be columns of masks."""
    if mask.count(None) == 0:
        return [y if m else n for m, y, n in zip(mask, yes, no, strict=True)]
    return list(map(choose, mask, yes, no))


_ARB_METHODS = frozenset({"sqrt", "exp", "log", "sin", "cos", "atan", "gamma", "zeta"})


def _by_point(
    i: Instruction, values: dict[int, list[Any]], columns: Sequence[list[arb]], count: int
) -> list[list[Any]]:
    """Run one root or sum at each point in turn, with the values of that point only."""
    needed = sorted(_uses(i) & values.keys())
    rows: list[list[Any]] = []
    for point in range(count):
        here: Values = {k: values[k][point] for k in needed}
        try:
            _run_block(i, here, [c[point] for c in columns])
            rows.append([here[r] for r in i.results])
        except Inconclusive:
            rows.append([arb.nan()] * len(i.results))
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in i.results]


def _uses(i: Instruction) -> set[int]:
    used = set(i.inputs)
    if i.block is not None:
        used |= set(i.block.yields)
        for inner in i.block.instructions:
            used |= _uses(inner)
    return used
