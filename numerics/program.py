"""Straight-line programs: what a formula becomes before it is printed in any precision.

A :class:`Program` is the one description from which the float64 kernel, the double-double kernel,
the certified ball evaluator and every exported source are printed, so that they cannot drift
apart. It is a list of instructions in single-assignment form. Two instructions hold a nested block:
``root`` (a fixed-point or Newton iteration) and ``sum`` (over an index range or a table).

Nothing here imports SymPy or numba: a cached program is read, checked and evaluated without them.

Operations (``b`` marks a boolean result)::

    argument   constant   add sub mul div neg abs sqrt power(integer attribute) pow exp log
    sin cos atan gamma zeta  minimum maximum
    power_law_sum(p, q, m, x) = sum over k >= 1 of k**-p (1 + x k**-q)**-m
    less(b) less_equal(b) equal(b) and(b) or(b) not(b) is_infinite(b)  select(mask, yes, no)
    root       inputs = starting values, block parameters = unknowns, block yields = improved
               unknowns followed by one residual per unknown; results = unknowns
    sum        inputs = lower, upper (integers, inclusive); block parameter = index; yields = terms
    table_sum  attribute = columns of exact constants; block parameters = one entry per column
    intermediate  an operand computed by an earlier stage of a grid (numerics.stages only)
    steady        the same, standing still along the innermost axis (numerics.stages only)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

NAMED_CONSTANTS = ("pi", "e", "euler_gamma", "inf", "nan")

BOOLEAN = frozenset({"less", "less_equal", "equal", "and", "or", "not", "is_infinite"})

COST_FREE = frozenset({"argument", "constant"})


@dataclass(frozen=True)
class Block:
    """A list of instructions with parameters (bound by the owner) and yielded values.

    Parameters
    ----------
    parameters : tuple of int
        Value numbers bound by the owner of the block (unknowns of a root, index of a sum).
    instructions : tuple of Instruction
        In order; an instruction may use any value defined before it, here or outside.
    yields : tuple of int
        Values handed back to the owner.
    """

    parameters: tuple[int, ...]
    instructions: tuple[Instruction, ...]
    yields: tuple[int, ...]


@dataclass(frozen=True)
class Instruction:
    """One assignment ``results = op(inputs)``.

    Parameters
    ----------
    op : str
        One of the operations in the module docstring.
    results : tuple of int
        Value numbers defined here (one, except for ``root`` and ``sum``).
    inputs : tuple of int
        Value numbers used.
    attribute : str, int, Fraction, tuple or None
        ``argument``: its position; ``constant``: a Fraction or a name of NAMED_CONSTANTS;
        ``power``: the integer exponent; ``root``: (relative tolerance exponent of two, maximum
        number of iterations); ``table_sum``: tuple of columns, each a tuple of Fractions.
    block : Block or None
        The body of ``root``, ``sum`` and ``table_sum``.
    """

    op: str
    results: tuple[int, ...]
    inputs: tuple[int, ...] = ()
    attribute: Any = None
    block: Block | None = None


@dataclass(frozen=True)
class Constraint:
    """One condition on the arguments: its words, the arguments it speaks of, its boolean value."""

    text: str
    arguments: tuple[str, ...]
    value: int
    reason: str = ""


@dataclass(frozen=True)
class Program:
    """A formula as straight-line code.

    Parameters
    ----------
    arguments : tuple of str
        Names, in the order of the kernel's operands.
    body : Block
        No parameters; yields one value per output.
    outputs : tuple of str
        Names of the outputs.
    constraints : tuple of Constraint
        Conditions under which the outputs mean something; a kernel returns NaN elsewhere.

    Examples
    --------
    >>> b = Builder(("x", "y"))
    >>> p = b.program({"z": b.op("add", b.op("mul", b.argument("x"), b.argument("x")),
    ...                          b.argument("y"))})
    >>> p.operations()
    {'mul': 1, 'add': 1}
    >>> Program.from_json(p.to_json()).key == p.key
    True
    """

    arguments: tuple[str, ...]
    body: Block
    outputs: tuple[str, ...]
    constraints: tuple[Constraint, ...] = ()

    def operations(self) -> dict[str, int]:
        """Count the operations of the program, those inside loops once.

        Returns
        -------
        dict
            Operation name to count, arguments and constants left out.
        """
        counts: dict[str, int] = {}
        for instruction in walk(self.body):
            if instruction.op not in COST_FREE:
                counts[instruction.op] = counts.get(instruction.op, 0) + 1
        return counts

    @cached_property
    def key(self) -> str:
        """Hexadecimal SHA-256 of the canonical text: equal keys mean equal programs."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the canonical text of the program.

        Returns
        -------
        str
            JSON without spaces, keys sorted; Fractions written as ``"p/q"``.
        """
        record = {
            "arguments": self.arguments,
            "outputs": self.outputs,
            "constraints": [
                [c.text, list(c.arguments), c.value, c.reason] for c in self.constraints
            ],
            "body": _block_record(self.body),
        }
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Program:
        """Read a program written by :meth:`to_json`.

        Parameters
        ----------
        text : str
            The canonical text.

        Returns
        -------
        Program
            Equal to the one written.
        """
        record = json.loads(text)
        return cls(
            arguments=tuple(record["arguments"]),
            body=_block_from(record["body"]),
            outputs=tuple(record["outputs"]),
            constraints=tuple(
                Constraint(text, tuple(names), value, reason)
                for text, names, value, reason in record["constraints"]
            ),
        )


def walk(block: Block) -> Iterator[Instruction]:
    """Yield every instruction of a block, those of nested blocks after their owner.

    Parameters
    ----------
    block : Block
        Where to start.

    Yields
    ------
    Instruction
        In program order.
    """
    for instruction in block.instructions:
        yield instruction
        if instruction.block is not None:
            yield from walk(instruction.block)


def _block_record(block: Block) -> list[Any]:
    return [
        list(block.parameters),
        [
            [
                i.op,
                list(i.results),
                list(i.inputs),
                _attribute_record(i.attribute),
                None if i.block is None else _block_record(i.block),
            ]
            for i in block.instructions
        ],
        list(block.yields),
    ]


def _attribute_record(attribute: Any) -> Any:
    if isinstance(attribute, Fraction):
        return {"q": f"{attribute.numerator}/{attribute.denominator}"}
    if isinstance(attribute, tuple):
        return [_attribute_record(a) for a in attribute]
    return attribute


def _attribute_from(record: Any) -> Any:
    if isinstance(record, dict):
        numerator, denominator = record["q"].split("/")
        return Fraction(int(numerator), int(denominator))
    if isinstance(record, list):
        return tuple(_attribute_from(r) for r in record)
    return record


def _block_from(record: list[Any]) -> Block:
    parameters, instructions, yields = record
    return Block(
        tuple(parameters),
        tuple(
            Instruction(
                op,
                tuple(results),
                tuple(inputs),
                _attribute_from(attribute),
                None if block is None else _block_from(block),
            )
            for op, results, inputs, attribute, block in instructions
        ),
        tuple(yields),
    )


class Builder:
    """Write a program instruction by instruction; equal instructions are written once.

    Parameters
    ----------
    arguments : tuple of str
        Names of the operands.

    Examples
    --------
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> b.op("sqrt", x) == b.op("sqrt", x)
    True
    """

    def __init__(self, arguments: tuple[str, ...]):
        self.arguments = arguments
        self._blocks: list[list[Instruction]] = [[]]
        self._known: list[dict[Any, tuple[int, ...]]] = [{}]
        self._constraints: list[Constraint] = []
        self._depth: list[int] = []

    def fresh(self, depth: int) -> int:
        """Return a new value number that belongs to a block at this depth."""
        self._depth.append(depth)
        return len(self._depth) - 1

    def argument(self, name: str) -> int:
        """Return the value of an operand."""
        return self.op("argument", attribute=self.arguments.index(name))

    def constant(self, value: int | Fraction | str) -> int:
        """Return an exact rational or a named constant."""
        return self.op("constant", attribute=value if isinstance(value, str) else Fraction(value))

    def op(self, op: str, *inputs: int, attribute: Any = None) -> int:
        """Return the value of a simple operation."""
        return self._emit(op, inputs, attribute, None, 1)[0]

    def select(self, mask: int, yes: int, no: int) -> int:
        """Return ``yes`` where the mask holds and ``no`` elsewhere (both are evaluated)."""
        return yes if yes == no else self.op("select", mask, yes, no)

    def open(self, parameters: int) -> tuple[int, ...]:
        """Open a nested block with so many parameters; instructions go there until `close`."""
        self._blocks.append([])
        self._known.append({})
        return tuple(self.fresh(len(self._blocks) - 1) for _ in range(parameters))

    def close(
        self,
        op: str,
        parameters: tuple[int, ...],
        yields: tuple[int, ...],
        inputs: tuple[int, ...],
        attribute: Any,
        results: int,
    ) -> tuple[int, ...]:
        """Close the innermost block and return the values of the instruction that owns it."""
        block = Block(parameters, tuple(self._blocks.pop()), yields)
        self._known.pop()
        return self._emit(op, inputs, attribute, block, results)

    def require(self, text: str, arguments: tuple[str, ...], value: int, reason: str = "") -> None:
        """Add a condition on the arguments."""
        self._constraints.append(Constraint(text, arguments, value, reason))

    def program(self, outputs: dict[str, int]) -> Program:
        """Return the finished program with the named outputs."""
        body = Block((), tuple(self._blocks[0]), tuple(outputs.values()))
        return Program(self.arguments, body, tuple(outputs), tuple(self._constraints))

    def _emit(
        self, op: str, inputs: tuple[int, ...], attribute: Any, block: Block | None, count: int
    ) -> tuple[int, ...]:
        key = (op, inputs, attribute, block)
        for known in self._known:
            if key in known:
                return known[key]
        # What does not depend on a loop is written outside of it.
        depth = max((self._depth[i] for i in inputs), default=0)
        if block is not None:
            depth = len(self._blocks) - 1
        results = tuple(self.fresh(depth) for _ in range(count))
        self._blocks[depth].append(Instruction(op, results, inputs, attribute, block))
        self._known[depth][key] = results
        return results
