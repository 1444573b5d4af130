"""Standalone Julia: one function of numbers, to be broadcast with a dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numerics.arithmetic import float_constant
from numerics.export import special_compiled
from numerics.export.source import MAXIMUM_TERMS, Function, Root, Series, Table, indented

_INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "div": "/", "less": "<", "less_equal": "<="},
    **{"equal": "==", "and": "&&", "or": "||"},
}
_CALLS = {
    **{"abs": "abs", "sqrt": "safe_sqrt", "pow": "safe_pow", "exp": "exp", "log": "safe_log"},
    **{"sin": "safe_sin", "cos": "safe_cos", "atan": "atan", "minimum": "min", "maximum": "max"},
    **{"is_infinite": "isinf", "is_nan": "isnan"},
    **{"gamma": "special_gamma", "zeta": "special_zeta"},
    **{"power_law_sum": "special_power_law_sum"},
}
_WORDS = frozenset(
    "baremodule begin break catch const continue do else elseif end export false finally for "
    "function global if import in isa let local macro module quote return struct true try using "
    "where while abs exp atan min max isinf isnan floor Inf NaN pi im safe_sqrt safe_log safe_pow "
    "safe_sin safe_cos REFERENCE".split()
)
# Julia throws where IEEE arithmetic has NaN; a branch not taken must not stop the function.
_SAFE = [
    "safe_sqrt(x) = x < 0 ? NaN : sqrt(x)",
    "safe_log(x) = x < 0 ? NaN : log(x)",
    "safe_pow(x, y) = x < 0 && !isinteger(y) ? NaN : x^y",
    "safe_sin(x) = isinf(x) ? NaN : sin(x)",
    "safe_cos(x) = isinf(x) ? NaN : cos(x)",
]


@dataclass(frozen=True)
class Julia:
    """Julia, version 1."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument."""
        return f"{name}_argument" if name in _WORDS else name

    def constant(self, attribute: Fraction | str) -> str:
        """Write a constant."""
        return literal(float_constant(attribute))

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation."""
        if op in _INFIX:
            return f"({f' {_INFIX[op]} '.join(operands)})"
        if op in _CALLS:
            return f"{_CALLS[op]}({', '.join(operands)})"
        if op == "select":
            return f"({operands[0]} ? {operands[1]} : {operands[2]})"
        return {"neg": f"(-{operands[0]})", "not": f"(!{operands[0]})"}.get(op)

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        return special_compiled.JULIA.get(op, "")

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        return [f"{name} = {text}"]

    def root(self, root: Root) -> list[str]:
        """Write an iteration that ends in NaN if it does not converge."""
        n = root.number
        lines = [f"{x} = {s}" for x, s in zip(root.unknowns, root.start, strict=True)]
        lines += [f"s{n} = Inf", f"n{n} = false", f"for _ in 1:{root.maximum}"]
        inner = [*root.body, f"t{n} = true", f"x{n} = 0.0"]
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner += [
                f"d{old} = abs({new} - {old})",
                f"t{n} = t{n} && d{old} <= {literal(root.found)} * abs({new})",
                f"x{n} = max(x{n}, d{old} == 0.0 ? 0.0 : d{old} / abs({new}))",
            ]
        inner.append(f"n{n} = t{n} || (x{n} <= {literal(root.stalled)} && x{n} >= s{n})")
        inner.append(f"s{n} = x{n}")
        inner += [f"{old} = {new}" for new, old in zip(root.new, root.unknowns, strict=True)]
        inner += [f"if n{n} || !(s{n} < Inf)", "    break", "end"]
        lines += [*indented(inner), "end"]
        for result, x in zip(root.results, root.unknowns, strict=True):
            lines.append(f"{result} = n{n} ? {x} : NaN")
        return lines

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index; ends that are not integers give NaN."""
        n, low, high = series.number, series.low, series.high
        whole = (
            f"floor({low}) == {low} && floor({high}) == {high} "
            f"&& {high} - {low} < {MAXIMUM_TERMS}.0"
        )
        lines = [f"n{n} = {whole}"]
        lines += [f"{t} = n{n} ? 0.0 : NaN" for t in series.totals]
        inner = [f"{series.index} = {low} + k{n}", *series.body]
        inner += [f"{t} += {v}" for t, v in zip(series.totals, series.terms, strict=True)]
        last = f"(n{n} ? Int({high} - {low}) : -1)"
        return [*lines, f"for k{n} in 0:{last}", *indented(inner), "end"]

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        names = ", ".join(column for column, _ in table.columns)
        rows = zip(*(entries for _, entries in table.columns), strict=True)
        texts = ", ".join(f"({', '.join(self.constant(e) for e in row)},)" for row in rows)
        lines = [f"{t} = 0.0" for t in table.totals]
        inner = [*table.body]
        inner += [f"{t} += {v}" for t, v in zip(table.totals, table.terms, strict=True)]
        return [*lines, f"for ({names},) in ({texts},)", *indented(inner), "end"]

    def module(self, function: Function) -> str:
        """Write the file."""
        arguments = ", ".join(function.arguments)
        bad = " || ".join(f"isnan({a})" for a in function.arguments)
        guard = f"!({function.valid}) || {bad}" if function.valid else bad
        rows = [
            f"    ({', '.join(literal(x) for x in (*r.point, r.value, r.tolerance))}),"
            for r in function.references
        ]
        count = len(function.arguments)
        return "\n".join(
            [
                *(f"# {line}".rstrip() for line in function.title),
                "#",
                "# Run this file to compare with the reference values below.",
                "",
                *_SAFE,
                "",
                *function.special,
                f"function {function.name}({arguments})",
                *indented([f"{a} = Float64({a})" for a in function.arguments]),
                *indented(function.body),
                *([f"    if {guard}", "        return NaN", "    end"] if guard else []),
                f"    return {function.result}",
                "end",
                "",
                "# Reference values, rounded from certified enclosures: the arguments in order,",
                "# the value, and the relative error allowed.",
                "const REFERENCE = [",
                *rows,
                "]",
                "",
                "if abspath(PROGRAM_FILE) == @__FILE__",
                "    for row in REFERENCE",
                f"        found = {function.name}(row[1:{count}]...)",
                f"        wanted, allowed = row[{count + 1}], row[{count + 2}]",
                '        println(found, " ", wanted)',
                "        if !(abs(found - wanted) <= allowed * abs(wanted))",
                '            error("wrong at $(row): $(found)")',
                "        end",
                "    end",
                "end",
                "",
            ]
        )


def literal(value: float) -> str:
    """Return a float as Julia text that reads back exactly.

    Parameters
    ----------
    value : float
        Any, infinite and NaN included.

    Returns
    -------
    str
        An expression.

    Examples
    --------
    >>> literal(0.1), literal(float("-inf"))
    ('0.1', '(-Inf)')
    """
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "(-Inf)"
    return repr(value) if value >= 0 else f"({value!r})"
