"""Mathematica: one function of numbers, machine precision or more, with exact constants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numerics.export import special_arrays
from numerics.export.source import MAXIMUM_TERMS, Function, Root, Series, Table, indented

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&&", "or": "||"}
_TESTS = {"less": "<", "less_equal": "<=", "equal": "=="}
_CALLS = {
    **{"abs": "Abs", "sqrt": "Sqrt", "pow": "Power", "exp": "Exp", "log": "Log", "sin": "Sin"},
    **{"cos": "Cos", "atan": "ArcTan", "gamma": "Gamma", "zeta": "Zeta", "select": "If"},
    **{"not": "Not", "is_nan": "noNumberQ", "power_law_sum": "specialPowerLawSum"},
}
_NAMED = {
    **{"pi": "Pi", "e": "E", "euler_gamma": "EulerGamma", "inf": "Infinity"},
    **{"nan": "Indeterminate"},
}
_HELPERS = [
    "noNumberQ[x_] := !(x === Infinity || x === -Infinity || (NumericQ[x] && TrueQ[Im[x] == 0]))",
    "infiniteQ[x_] := x === Infinity || x === -Infinity",
    "smaller[x_, y_] := If[noNumberQ[x] || noNumberQ[y], Indeterminate, Min[x, y]]",
    "larger[x_, y_] := If[noNumberQ[x] || noNumberQ[y], Indeterminate, Max[x, y]]",
    "inexact[x_] := If[Precision[x] === Infinity, N[x], x]",
]


@dataclass(frozen=True)
class Mathematica:
    """The Wolfram Language; all its own symbols begin with a capital, ours do not."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument; an underscore would be a pattern."""
        head, *rest = name.split("_")
        joined = head + "".join(word.capitalize() for word in rest)
        return joined if joined[0].islower() else f"argument{joined}"

    def constant(self, attribute: Fraction | str) -> str:
        """Write a constant, exactly."""
        if isinstance(attribute, str):
            return _NAMED[attribute]
        text = str(attribute)
        return text if attribute >= 0 and attribute.denominator == 1 else f"({text})"

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation."""
        if op in _INFIX:
            return f"({f' {_INFIX[op]} '.join(operands)})"
        if op in _TESTS:
            return f"TrueQ[{operands[0]} {_TESTS[op]} {operands[1]}]"
        if op in _CALLS:
            return f"{_CALLS[op]}[{', '.join(operands)}]"
        special = {"minimum": "smaller", "maximum": "larger", "is_infinite": "infiniteQ"}
        if op in special:
            return f"{special[op]}[{', '.join(operands)}]"
        return f"(-{operands[0]})" if op == "neg" else None

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        return special_arrays.MATHEMATICA.get(op, "")

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        return [f"{name} = {text};"]

    def root(self, root: Root) -> list[str]:
        """Write an iteration that ends in Indeterminate if it does not converge."""
        n = root.number
        found = self.constant(Fraction(root.found))
        stalled = self.constant(Fraction(root.stalled))
        lines = [f"{x} = {s};" for x, s in zip(root.unknowns, root.start, strict=True)]
        lines += [f"s{n} = Infinity;", f"n{n} = False;", "Do["]
        inner = [*root.body, f"t{n} = True;", f"x{n} = 0;"]
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner += [
                f"d{old} = Abs[{new} - {old}];",
                f"t{n} = t{n} && TrueQ[d{old} <= {found} * Abs[{new}]];",
                f"x{n} = larger[x{n}, If[TrueQ[d{old} == 0], 0, d{old} / Abs[{new}]]];",
            ]
        inner.append(f"n{n} = t{n} || (TrueQ[x{n} <= {stalled}] && TrueQ[x{n} >= s{n}]);")
        inner.append(f"s{n} = x{n};")
        inner += [f"{old} = {new};" for new, old in zip(root.new, root.unknowns, strict=True)]
        inner.append(f"If[n{n} || noNumberQ[s{n}], Break[]],")
        lines += [*indented(inner), f"    {{{root.maximum}}}", "];"]
        for result, x in zip(root.results, root.unknowns, strict=True):
            lines.append(f"{result} = If[n{n}, {x}, Indeterminate];")
        return lines

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index; ends that are not integers give Indeterminate."""
        n, low, high = series.number, series.low, series.high
        lines = [
            f"n{n} = TrueQ[Floor[{low}] == {low}] && TrueQ[Floor[{high}] == {high}] "
            f"&& TrueQ[{high} - {low} < {MAXIMUM_TERMS}];",
            *(f"{t} = If[n{n}, 0, Indeterminate];" for t in series.totals),
            "Do[",
        ]
        inner = [f"{series.index} = {low} + k{n};", *series.body]
        inner += [f"{t} = {t} + {v};" for t, v in zip(series.totals, series.terms, strict=True)]
        inner[-1] = inner[-1][:-1] + ","
        last = f"If[n{n}, Round[{high} - {low}], -1]"
        return [*lines, *indented(inner), f"    {{k{n}, 0, {last}}}", "];"]

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        n, rows = table.number, len(table.columns[0][1])
        lines = [f"{t} = 0;" for t in table.totals]
        for column, entries in table.columns:
            lines.append(f"t{column} = {{{', '.join(self.constant(e) for e in entries)}}};")
        inner = [f"{column} = t{column}[[k{n}]];" for column, _ in table.columns]
        inner += table.body
        inner += [f"{t} = {t} + {v};" for t, v in zip(table.totals, table.terms, strict=True)]
        inner[-1] = inner[-1][:-1] + ","
        return [*lines, "Do[", *indented(inner), f"    {{k{n}, 1, {rows}}}", "];"]

    def module(self, function: Function) -> str:
        """Write the file."""
        head, *rest = function.name.split("_")
        name = head.lower() + "".join(word.capitalize() for word in rest)
        patterns = ", ".join(f"{a}Given_" for a in function.arguments)
        starts = [f"{a} = inexact[{a}Given]" for a in function.arguments]
        found = (re.match(r"\s*([a-z]\w*) = ", line) for line in function.body)
        locals_ = list(dict.fromkeys(m.group(1) for m in found if m))
        bad = [f"noNumberQ[{a}]" for a in function.arguments]
        guard = " || ".join([f"!({function.valid})"] * bool(function.valid) + bad) or "False"
        rows = [
            f"    {{{', '.join(machine_number(x) for x in (*r.point, r.value, r.tolerance))}}}"
            for r in function.references
        ]
        count = len(function.arguments)
        return "\n".join(
            [
                "(*",
                *(f"   {line}".rstrip() for line in function.title),
                "",
                f"   {name}Test[] compares with the reference values below.",
                "*)",
                "",
                *(f"{line};" for line in _HELPERS),
                "",
                *function.special,
                f"{name}[{patterns}] := Quiet[Module[{{{', '.join([*starts, *locals_])}}},",
                *indented(function.body),
                f"    If[{guard}, Indeterminate, {function.result}]",
                "]];",
                "",
                "(* Reference values, rounded from certified enclosures: the arguments in order,",
                "   the value, and the relative error allowed. *)",
                f"{name}Reference = {{",
                *",\n".join(rows).split("\n"),
                "};",
                "",
                f"{name}Test[] := AllTrue[{name}Reference, Function[row,",
                f"    TrueQ[Abs[{name} @@ Take[row, {count}] - row[[{count + 1}]]]",
                f"        <= row[[{count + 2}]] * Abs[row[[{count + 1}]]]]]];",
                "",
            ]
        )


def machine_number(value: float) -> str:
    """Return a float as a machine-precision number that reads back exactly.

    Parameters
    ----------
    value : float
        Any, infinite and NaN included.

    Returns
    -------
    str
        With a backquote, because more than 16 digits would mean more than machine precision.

    Examples
    --------
    >>> machine_number(0.1), machine_number(1.5e-7), machine_number(float("inf"))
    ('0.1`', '1.5`*^-7', 'Infinity')
    """
    if value != value:
        return "Indeterminate"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "(-Infinity)"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}."
    text = f"{mantissa}`" + (f"*^{int(exponent)}" if exponent else "")
    return text if value >= 0 else f"(-{text})"
