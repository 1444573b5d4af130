"""The traversal that all exports share: a program as named statements, loops included.

A language says how a constant, an operation, an assignment and a loop are written; the order of
operations is that of the kernel. Values are numbered locals; names of arguments pass one regular
expression, so that nothing typed by a person reaches the source as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from numerics.arithmetic import Facts
from numerics.errors import ArgumentsError, LoweringError
from numerics.program import Block, Instruction, Program
from numerics.schedule import normal_form, plan

MAXIMUM_TERMS = 10_000_000
_LOCAL = re.compile(r"[a-z][0-9]|special")  # special functions have names that begin so
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")


@dataclass(frozen=True)
class Root:
    """An iteration x <- G(x) to its fixed point.

    Parameters
    ----------
    number : int
        Makes names unique.
    unknowns, start, new, results : tuple of str
        Locals of x, their starting values, the improved values, and where the root goes.
    body : tuple of str
        Statements from unknowns to improved values.
    found, stalled : float
        Relative step at which the root is found, and below which a step that stops shrinking has
        reached rounding.
    maximum : int
        Of rounds.
    """

    number: int
    unknowns: tuple[str, ...]
    start: tuple[str, ...]
    new: tuple[str, ...]
    results: tuple[str, ...]
    body: tuple[str, ...]
    found: float
    stalled: float
    maximum: int


@dataclass(frozen=True)
class Series:
    """A sum over an integer index from low to high, both included."""

    number: int
    index: str
    low: str
    high: str
    terms: tuple[str, ...]
    totals: tuple[str, ...]
    body: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A sum over the rows of a table of constants."""

    number: int
    columns: tuple[tuple[str, tuple[Fraction, ...]], ...]
    terms: tuple[str, ...]
    totals: tuple[str, ...]
    body: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """One point, its value rounded from a certified enclosure, and the relative error allowed."""

    point: tuple[float, ...]
    value: float
    tolerance: float


@dataclass(frozen=True)
class Function:
    """Everything a language needs to write a file.

    Parameters
    ----------
    name : str
        Of the function: letters, digits and underscores.
    title : tuple of str
        Lines of the comment at the head, plain ASCII.
    arguments : tuple of str
        Names of the parameters.
    body : tuple of str
        Statements.
    result : str
        Local that holds the value.
    valid : str
        Boolean expression that holds inside the domain; empty if it always does.
    references : tuple of Reference
        Written below the function.
    special : tuple of str
        Definitions of the special functions that the language lacks.
    """

    name: str
    title: tuple[str, ...]
    arguments: tuple[str, ...]
    body: tuple[str, ...]
    result: str
    valid: str
    references: tuple[Reference, ...]
    special: tuple[str, ...] = ()


class Language(Protocol):
    """How one language writes what a program does."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument: letters, digits and underscores, no reserved word."""
        ...

    def constant(self, attribute: Fraction | str) -> str:
        """Write a constant."""
        ...

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation, ``and`` and ``or`` of any number; None if there is none."""
        ...

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        ...

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        ...

    def root(self, root: Root) -> list[str]:
        """Write an iteration."""
        ...

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index."""
        ...

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        ...

    def module(self, function: Function) -> str:
        """Write the whole file."""
        ...


def write_source(
    program: Program,
    language: Language,
    name: str,
    title: Sequence[str],
    references: Sequence[Reference],
) -> str:
    """Write a program with one output as a file of another language.

    Parameters
    ----------
    program : Program
        What is computed.
    language : Language
        How it is written.
    name : str
        Of the function; anything but letters, digits and underscores is replaced.
    title : sequence of str
        Lines of the comment at the head; kept to plain ASCII without comment signs.
    references : sequence of Reference
        Values the source must reproduce.

    Returns
    -------
    str
        The file.

    Raises
    ------
    ArgumentsError
        If the program has several outputs, or an argument is not a plain name.
    LoweringError
        If the language has no form for an operation.
    """
    if len(program.outputs) != 1:
        raise ArgumentsError(
            "export(program, ...)",
            f"the program has {len(program.outputs)} outputs",
            "an exported function returns one value",
            "export each output separately",
        )
    for argument in program.arguments:
        if not _NAME.match(argument):
            raise ArgumentsError(
                "export(program, ...)",
                f"{argument[:80]!r} is not a plain name",
                "names become parameters: letters, digits and _ only, 64 at most",
                "rename it",
            )
    writer = _Writer(program, language)
    body = writer.statements(normal_form(program))
    valid = list(dict.fromkeys(writer.name(c.value) for c in program.constraints))
    joined = writer.text("and", valid, None) if valid else ""
    clean = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60]
    special = [language.special(op) for op in sorted(program.operations())]
    return language.module(
        Function(
            clean if _NAME.match(clean) and not clean.startswith("special") else f"f_{clean}",
            tuple(plain_text(line) for line in title),
            tuple(writer.arguments),
            tuple(body),
            writer.name(program.body.yields[0]),
            joined,
            tuple(references),
            tuple(text for text in special if text),
        )
    )


def plain_text(line: str) -> str:
    """Return a line that can stand in a comment of any language.

    Parameters
    ----------
    line : str
        Anything.

    Returns
    -------
    str
        One line of ASCII letters, digits and harmless signs: nothing that ends a comment.

    Examples
    --------
    >>> plain_text("ratio k/d **/ done")
    'ratio k/d / done'
    """
    return " ".join(re.sub(r"[^A-Za-z0-9 .,;:()/=+<>^_|$&-]+", " ", line).split())


def indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    """Return lines moved to the right.

    Parameters
    ----------
    lines : sequence of str
        Statements.
    depth : int
        In steps of four spaces.

    Returns
    -------
    list of str
        The same statements.
    """
    return ["    " * depth + line for line in lines]


class _Writer:
    """Turns instructions into statements of one language."""

    def __init__(self, program: Program, language: Language):
        self.language = language
        self.plan = plan(program)
        self.undecidable = Facts.of(self.plan).undecidable
        # Locals are a letter and a number; nothing typed may look like one.
        self.arguments = [
            language.parameter(a) if not _LOCAL.match(a) else language.parameter(f"{a}_argument")
            for a in program.arguments
        ]
        if len(set(self.arguments)) < len(self.arguments):
            self.arguments = [f"argument{k}" for k in range(len(program.arguments))]
        self.direct: dict[int, str] = {}

    def name(self, value: int) -> str:
        """Return the local of a value, or its text where it needs no local."""
        if value in self.direct:
            return self.direct[value]
        return f"b{value}" if value in self.plan.booleans else f"v{value}"

    def statements(self, instructions: Sequence[Instruction]) -> list[str]:
        """Write instructions in order."""
        lines: list[str] = []
        for i in instructions:
            result = i.results[0]
            if i.op == "argument":
                self.direct[result] = self.arguments[i.attribute]
            elif i.op == "constant":
                self.direct[result] = self.language.constant(i.attribute)
            elif i.block is None:
                lines += self._simple(i)
            else:
                lines += self._loop(i, i.block)
        return lines

    def text(self, op: str, operands: Sequence[str], attribute: Any) -> str:
        """Write one operation."""
        found = self.language.expression(op, operands, attribute)
        if found is None:
            raise LoweringError(
                "export(program, ...)",
                f"{type(self.language).__name__} has no operation {op!r}",
                "an exported file needs nothing but the language itself",
                "another language, or the compiled formula",
            )
        return found

    def _simple(self, i: Instruction) -> list[str]:
        result, operands = i.results[0], [self.name(v) for v in i.inputs]
        boolean = result in self.plan.booleans
        if i.op == "power":
            return self._power(self.name(result), operands[0], i.attribute)
        text = self.text(i.op, operands, i.attribute)
        assign = self.language.assign
        if i.op == "select" and not boolean and i.inputs[0] in self.undecidable:
            # A failed root never becomes a number by losing a comparison.
            nan = self.language.constant("nan")
            text = self.text("select", [f"q{i.inputs[0]}", nan, text], None)
        lines = assign(self.name(result), text, boolean)
        if result in self.undecidable:
            doubts = [f"q{v}" for v in i.inputs if v in self.undecidable]
            if not doubts:
                doubts = [self.text("is_nan", [x], None) for x in dict.fromkeys(operands)]
            lines += assign(f"q{result}", self.text("or", doubts, None), True)
        return lines

    def _power(self, name: str, base: str, exponent: int) -> list[str]:
        """Write an integer power as products, in the order of the kernel."""
        assign, lines, factors = self.language.assign, [], []
        current, bit, rest = base, 1, abs(exponent)
        while rest:
            if rest & 1:
                factors.append(current)
            rest >>= 1
            if rest:
                bit *= 2
                lines += assign(f"{name}p{bit}", self.text("mul", [current, current], None), False)
                current = f"{name}p{bit}"
        one = self.language.constant(Fraction(1))
        product = factors[0] if factors else one
        for factor in factors[1:]:
            product = self.text("mul", [product, factor], None)
        if exponent < 0:
            product = self.text("div", [one, product], None)
        return [*lines, *assign(name, product, False)]

    def _loop(self, i: Instruction, block: Block) -> list[str]:
        number = i.results[0]
        parameters = tuple(self.name(p) for p in block.parameters)
        body = tuple(self.statements(block.instructions))
        yields = tuple(self.name(y) for y in block.yields)
        results = tuple(self.name(r) for r in i.results)
        inputs = tuple(self.name(v) for v in i.inputs)
        if i.op == "root":
            exponent, maximum = i.attribute
            found, stalled = 2.0**exponent, 2.0 ** (exponent // 2)
            return self.language.root(
                Root(number, parameters, inputs, yields, results, body, found, stalled, maximum)
            )
        if i.op == "sum":
            return self.language.series(
                Series(number, parameters[0], inputs[0], inputs[1], yields, results, body)
            )
        columns = tuple(zip(parameters, i.attribute, strict=True))
        return self.language.table(Table(number, columns, yields, results, body))
