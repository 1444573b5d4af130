"""Certified digits: a program evaluated in ball arithmetic, to as many bits as asked for.

A :class:`~numerics.ball_record.Ball` encloses the true value at the exact arguments given. The
working precision is doubled until every output is as tight as asked; what cannot be decided is an
error, never a guess.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx

from numerics.ball_operations import Inconclusive, Mask, UnprovedRoot, infinite, plain
from numerics.ball_program import ball as as_ball
from numerics.ball_program import run, run_columns
from numerics.ball_record import Ball, BallColumn, nearest, tight, to_ball
from numerics.errors import (
    ArgumentsError,
    BranchError,
    ConvergenceError,
    DeriveError,
    DomainError,
)
from numerics.exact import Exact, exact
from numerics.exact_masks import exact_mask
from numerics.program import Program

GUARD_BITS = 32
LEAST_GUARD_BITS = 20
WORD = 64  # FLINT keeps two words of a mantissa in place and asks for memory for more
DOUBLINGS = 6
MAXIMUM_BITS = 100_000
TILE = 512

# FLINT's precision is one number for the whole process; nobody else may change it meanwhile.
_LOCK = threading.RLock()


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Hold FLINT at a precision, for this thread alone, and put the old one back."""
    with _LOCK:
        before = ctx.prec
        ctx.prec = bits
        try:
            yield
        finally:
            ctx.prec = before


def evaluate(program: Program, bits: int = 128, **arguments: Any) -> dict[str, Ball]:
    r"""Enclose the outputs of a program at exact arguments.

    The working precision starts at ``bits + 32`` and doubles until every output obeys
    :math:`r \le 2^{-\mathrm{bits}}\,|x|`. An output that cannot be told from zero at the highest
    precision is returned if :math:`r\le2^{-\mathrm{bits}}`.

    Parameters
    ----------
    program : Program
        What to evaluate.
    bits : int
        Relative accuracy, 2 to 100,000.
    **arguments : int, Fraction, float or str
        Taken exactly: ``"0.1"`` is one tenth, ``0.1`` the float nearest to it; ``"inf"`` allowed.

    Returns
    -------
    dict of str to Ball
        One ball per output.

    Raises
    ------
    ArgumentsError
        If an argument is missing, unknown or not a number.
    DomainError
        If a constraint of the program fails there, or an argument is NaN.
    BranchError
        If a root cannot be proved at any precision tried.
    ConvergenceError
        If 64 times the first working precision does not give the accuracy.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> p = b.program({"root": b.op("sqrt", b.argument("x"))})
    >>> evaluate(p, bits=64, x="2")["root"].digits(18)
    '1.41421356237309505'
    """
    point = _point(program, arguments)
    _check_bits(bits)
    found = _adaptive(program, point, bits, bits + GUARD_BITS)
    return {name: to_ball(x, bits) for name, x in found.items()}


def enclose(program: Program, precision: int = 128, **arguments: Any) -> dict[str, Ball]:
    """Enclose the outputs in one run at a fixed working precision, however wide the balls.

    Meant for checks such as "does zero lie in the ball of this residual".

    Parameters
    ----------
    program : Program
        What to evaluate.
    precision : int
        Working precision in bits, 2 to 100,000.
    **arguments : int, Fraction, float or str
        As for :func:`evaluate`.

    Returns
    -------
    dict of str to Ball
        One ball per output, all finite or exactly infinite.

    Raises
    ------
    ArgumentsError, DomainError
        As for :func:`evaluate`.
    ConvergenceError, BranchError
        If an output or a constraint is undecided at this precision.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> p = b.program({"zero": b.op("sub", b.op("power", b.op("sqrt", x), attribute=2), x)})
    >>> enclose(p, x=2)["zero"].contains(0)
    True
    """
    point = _point(program, arguments)
    _check_bits(precision)
    with working_precision(precision):
        attempt = _attempt(program, point)
    if isinstance(attempt, Inconclusive):
        raise _refusal(attempt, point, precision)
    return {name: to_ball(x, precision) for name, x in attempt.items()}


def evaluate_many(
    program: Program, points: Mapping[str, Sequence[Any] | Any], bits: int = 106
) -> dict[str, BallColumn]:
    """Enclose the outputs of a program at many points.

    Each operation runs over a tile of points before the next, at 20 to 32 bits more than asked for;
    points that are not tight enough then are evaluated again one by one, as by :func:`evaluate`.

    Parameters
    ----------
    program : Program
        What to evaluate.
    points : mapping of str to sequence, array or number
        Exact arguments, one-dimensional and of equal length, or single numbers for all points.
    bits : int
        Relative accuracy.

    Returns
    -------
    dict of str to BallColumn
        One column per output. A point without a value (outside the domain, inconclusive) is in
        `failures` with its error, and NaN among the values.

    Raises
    ------
    ArgumentsError
        If an argument is missing, unknown, not a number, or the lengths differ.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> p = b.program({"root": b.op("sqrt", b.argument("x"))})
    >>> evaluate_many(p, {"x": [2.0, -1.0, "9"]})["root"]
    BallColumn(root: 3 balls, 1 failures)
    """
    _check_bits(bits)
    _check_names(program, points)
    columns, count = _columns(program, points)
    values: list[list[arb]] = [[] for _ in program.outputs]
    failures: dict[int, DeriveError] = {}
    with working_precision(_bulk_precision(bits)):
        for first in range(0, count, TILE):
            size = min(TILE, count - first)
            operands = [_operand(c[first : first + size]) for c in columns]
            found = run_columns(program.body, operands, size)
            outputs = [found[v] for v in program.body.yields]
            masks = [found[c.value] for c in program.constraints]
            unsettled = {i for mask in masks for i in _not_met(mask)}
            unsettled |= {i for output in outputs for i in _too_wide(output, bits)}
            for i in sorted(unsettled):
                again = _again(program, [c[first + i] for c in columns], bits)
                if isinstance(again, DeriveError):
                    failures[first + i] = again
                    again = [arb.nan()] * len(outputs)
                for output, x in zip(outputs, again, strict=True):
                    output[i] = x
            for total, output in zip(values, outputs, strict=True):
                total.extend(output)
    return {
        name: BallColumn(name, tuple(column), bits, failures)
        for name, column in zip(program.outputs, values, strict=True)
    }


def _bulk_precision(bits: int) -> int:
    """Return a precision of whole words if one leaves guard bits enough."""
    words = (bits + GUARD_BITS) // WORD * WORD
    return words if words >= bits + LEAST_GUARD_BITS else bits + GUARD_BITS


def _not_met(mask: list[Mask]) -> list[int]:
    """Return where a condition does not surely hold."""
    if mask.count(True) == len(mask):
        return []
    return [i for i, m in enumerate(mask) if m is not True]


def _too_wide(column: list[arb], bits: int) -> list[int]:
    """Return which balls are not certain to so many bits."""
    accuracy = min(map(arb.rel_accuracy_bits, column))
    if accuracy >= bits + 2 and all(map(arb.is_finite, column)):
        return []
    return [i for i, x in enumerate(column) if not tight(x, bits)]


def _check_bits(bits: int) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int) or not 2 <= bits <= MAXIMUM_BITS:
        raise ArgumentsError(
            f"evaluate(program, bits={bits!r}, ...)",
            f"bits = {bits!r} is not an integer from 2 to {MAXIMUM_BITS}",
            "it is the number of bits of the result",
            "evaluate(program, bits=128, ...)",
        )


def _point(program: Program, arguments: Mapping[str, Any]) -> dict[str, Exact]:
    _check_names(program, arguments)
    return {n: exact(arguments[n], n, "evaluate(program, ...)") for n in program.arguments}


def _check_names(program: Program, arguments: Mapping[str, Any]) -> None:
    missing = [n for n in program.arguments if n not in arguments]
    unknown = [n for n in arguments if n not in program.arguments]
    if missing or unknown:
        wrong = [f"missing {n}" for n in missing] + [f"unknown {n}" for n in unknown]
        raise ArgumentsError(
            "evaluate(program, ...)",
            ", ".join(wrong),
            f"the program has the arguments {', '.join(program.arguments)}",
            f"evaluate(program, {', '.join(f'{n}=...' for n in program.arguments)})",
        )


def _attempt(program: Program, point: Mapping[str, Exact]) -> dict[str, arb] | Inconclusive:
    """Run once at the precision in force; every output finite or infinite, every constraint met."""
    values: dict[int, Any] = {}
    try:
        run(program.body, values, [as_ball(point[n]) for n in program.arguments])
        check_constraints(program, point, {c.value: values[c.value] for c in program.constraints})
    except Inconclusive as inconclusive:
        # A point outside the domain is told apart from one whose root was not found.
        for c in program.constraints:
            if exact_mask(program, c.value, point) is False:
                raise _outside(program, c.value, point) from None
        return inconclusive
    outputs = {
        n: plain(values[v]) for n, v in zip(program.outputs, program.body.yields, strict=True)
    }
    for name, x in outputs.items():
        if not (x.is_finite() or infinite(x)):
            return Inconclusive(f"{name} is not a number or not bounded: a pole, 0/0 or inf-inf")
    return outputs


def check_constraints(
    program: Program, point: Mapping[str, Exact], masks: Mapping[int, Mask]
) -> None:
    """Raise DomainError if a constraint fails at the point, Inconclusive if one is undecided."""
    for constraint in program.constraints:
        mask = masks[constraint.value]
        if mask is None:
            mask = exact_mask(program, constraint.value, point)
        if mask is None:
            raise Inconclusive(f"the condition {constraint.text} is undecided")
        if not mask:
            raise _outside(program, constraint.value, point)


def _outside(program: Program, value: int, point: Mapping[str, Exact]) -> DomainError:
    constraint = next(c for c in program.constraints if c.value == value)
    return DomainError(
        f"evaluate(program, {_words(point)})",
        f"{constraint.text} fails",
        constraint.reason or "the formula holds under this condition only",
        f"evaluate(program, ...) with {constraint.text}",
    )


def _adaptive(
    program: Program, point: Mapping[str, Exact], bits: int, precision: int
) -> dict[str, arb]:
    attempt: dict[str, arb] | Inconclusive = Inconclusive("nothing was tried")
    limit = precision << DOUBLINGS
    while precision <= limit:
        with working_precision(precision):
            attempt = _attempt(program, point)
            if not isinstance(attempt, Inconclusive) and all(
                tight(x, bits) for x in attempt.values()
            ):
                return attempt
        precision *= 2
    if isinstance(attempt, Inconclusive):
        raise _refusal(attempt, point, limit)
    for name, x in attempt.items():
        if not (tight(x, bits) or (x.contains(0) and x.rad() <= arb(2) ** -bits)):
            raise _refusal(Inconclusive(f"{name} is known to {x.str(5)} only"), point, limit)
    return attempt


def _refusal(
    inconclusive: Inconclusive, point: Mapping[str, Exact], precision: int
) -> ConvergenceError | BranchError:
    kind = BranchError if isinstance(inconclusive, UnprovedRoot) else ConvergenceError
    return kind(
        f"evaluate(program, {_words(point)})",
        f"at {precision} bits of working precision {inconclusive}",
        "a certified value needs every step decided, and a wider ball would only be a guess",
        "evaluate(program, ...) at a point away from the singularity",
    )


def _columns(
    program: Program, points: Mapping[str, Sequence[Any] | Any]
) -> tuple[list[list[Exact]], int]:
    """Return the arguments as columns of exact numbers, single numbers repeated."""
    given: list[Any] = []
    for name in program.arguments:
        column = points[name]
        column = (
            np.asarray(column).tolist() if isinstance(column, np.ndarray | np.generic) else column
        )
        given.append(list(column) if isinstance(column, list | tuple) else column)
    lengths = {len(c) for c in given if isinstance(c, list)}
    if len(lengths) > 1:
        raise ArgumentsError(
            "evaluate_many(program, points)",
            f"the columns have different lengths {sorted(lengths)}",
            "each argument is a single number or has one entry per point",
            "evaluate_many(program, {name: array of one common length})",
        )
    count = lengths.pop() if lengths else 1
    columns = []
    for name, column in zip(program.arguments, given, strict=True):
        column = column if isinstance(column, list) else [column] * count
        # Floats stay floats, NaN among them: the latter becomes a failure of its own point.
        columns.append([x if type(x) is float else exact(x, name) for x in column])
    return columns, count


def _operand(column: list[Any]) -> list[arb]:
    if set(map(type, column)) == {float}:
        return list(map(arb, column))
    return [arb(x) if type(x) is float else as_ball(x) for x in column]


def _again(program: Program, operands: list[Exact], bits: int) -> list[arb] | DeriveError:
    """Evaluate one point of a batch with more precision, or return the error."""
    try:
        point = _point(program, dict(zip(program.arguments, operands, strict=True)))
        return list(_adaptive(program, point, bits, bits + GUARD_BITS).values())
    except DeriveError as error:
        return error


def _words(point: Mapping[str, Exact]) -> str:
    return ", ".join(f"{n}={_word(x)}" for n, x in point.items())


def _word(x: Exact) -> str:
    text = str(x)
    return text if len(text) <= 40 or isinstance(x, float) else repr(nearest(Fraction(x)))
