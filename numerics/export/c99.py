"""Standalone C99: one function of doubles, with a test that ``-DSELF_TEST`` compiles in."""

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
    **{"abs": "fabs", "sqrt": "sqrt", "pow": "pow", "exp": "exp", "log": "log", "sin": "sin"},
    **{"cos": "cos", "atan": "atan", "gamma": "tgamma", "is_infinite": "isinf", "is_nan": "isnan"},
    **{"zeta": "special_zeta", "power_law_sum": "special_power_law_sum"},
}
_WORDS = (
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while main y0 y1 yn j0 j1 jn gamma exp log sin cos atan sqrt pow "
    "fabs tgamma isinf isnan floor fmin fmax INFINITY NAN reference"
)


@dataclass(frozen=True)
class C99:
    """The C language of 1999 with its mathematics library."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument."""
        return f"{name}_argument" if name in _WORDS.split() else name

    def constant(self, attribute: Fraction | str) -> str:
        """Write a double that reads back exactly."""
        return double(float_constant(attribute))

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation."""
        if op in _INFIX:
            return f"({f' {_INFIX[op]} '.join(operands)})"
        if op in _CALLS:
            return f"{_CALLS[op]}({', '.join(operands)})"
        a = operands[0]
        if op in ("minimum", "maximum"):  # a NaN wins, unlike in fmin and fmax
            b, sign = operands[1], "<" if op == "minimum" else ">"
            return f"({a} {sign} {b} || isnan({a}) ? {a} : {b})"
        if op == "select":
            return f"({a} ? {operands[1]} : {operands[2]})"
        return {"neg": f"(-{a})", "not": f"(!{a})"}.get(op)

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        return special_compiled.C99.get(op, "")

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        return [f"const {'int' if boolean else 'double'} {name} = {text};"]

    def root(self, root: Root) -> list[str]:
        """Write an iteration that ends in NaN if it does not converge."""
        n = root.number
        pairs = list(zip(root.unknowns, root.start, strict=True))
        lines = [f"double {x} = {s};" for x, s in pairs]
        lines += [f"double s{n} = INFINITY;", f"int n{n} = 0;"]
        lines += [f"for (int k{n} = 0; k{n} < {root.maximum} && !n{n}; k{n}++) {{"]
        inner = [*root.body, f"int t{n} = 1;", f"double x{n} = 0.0;"]
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner += [
                f"const double d{old} = fabs({new} - {old});",
                f"const double r{old} = d{old} == 0.0 ? 0.0 : d{old} / fabs({new});",
                f"t{n} = t{n} && d{old} <= {root.found!r} * fabs({new});",
                f"x{n} = r{old} > x{n} || isnan(r{old}) ? r{old} : x{n};",
            ]
        inner.append(f"n{n} = t{n} || (x{n} <= {root.stalled!r} && x{n} >= s{n});")
        inner.append(f"s{n} = x{n};")
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner.append(f"{old} = {new};")
        inner.append(f"if (!(s{n} < INFINITY)) break;")
        lines += [*indented(inner), "}"]
        for result, x in zip(root.results, root.unknowns, strict=True):
            lines.append(f"const double {result} = n{n} ? {x} : NAN;")
        return lines

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index; ends that are not integers give NaN."""
        n, low, high = series.number, series.low, series.high
        lines = [f"double {t} = 0.0;" for t in series.totals]
        lines += [f"for (double x{n} = {low}; x{n} <= {high}; x{n}++) {{"]
        inner = [
            f"if ({high} - {low} >= {MAXIMUM_TERMS}.0) break;",
            f"const double {series.index} = x{n};",
            *series.body,
        ]
        inner += [f"{t} += {v};" for t, v in zip(series.totals, series.terms, strict=True)]
        lines += [*indented(inner), "}"]
        wrong = (
            f"!(floor({low}) == {low} && floor({high}) == {high} "
            f"&& {high} - {low} < {MAXIMUM_TERMS}.0)"
        )
        lines.append(f"if ({wrong}) {{ {' '.join(f'{t} = NAN;' for t in series.totals)} }}")
        return lines

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        n, rows = table.number, len(table.columns[0][1])
        lines = [f"double {t} = 0.0;" for t in table.totals]
        for column, entries in table.columns:
            texts = ", ".join(self.constant(e) for e in entries)
            lines.append(f"static const double t{column}[{rows}] = {{{texts}}};")
        inner = [f"const double {column} = t{column}[k{n}];" for column, _ in table.columns]
        inner += table.body
        inner += [f"{t} += {v};" for t, v in zip(table.totals, table.terms, strict=True)]
        return [*lines, f"for (int k{n} = 0; k{n} < {rows}; k{n}++) {{", *indented(inner), "}"]

    def module(self, function: Function) -> str:
        """Write the file."""
        arguments = ", ".join(f"double {a}" for a in function.arguments)
        count = len(function.arguments)
        bad = " || ".join(f"isnan({a})" for a in function.arguments)
        guard = f"!({function.valid}) || {bad}" if function.valid else bad
        rows = [
            f"    {{{', '.join(double(x) for x in (*r.point, r.value, r.tolerance))}}},"
            for r in function.references
        ]
        calls = ", ".join(f"reference[i][{k}]" for k in range(count))
        return "\n".join(
            [
                "/*",
                *(f" * {line}".rstrip() for line in function.title),
                " *",
                " * Compile with -std=c99 -O2 -ffp-contract=off -lm; -DSELF_TEST adds a test.",
                " */",
                "#include <math.h>",
                "",
                *function.special,
                f"double {function.name}({arguments}) {{",
                *indented(function.body),
                *([f"    if ({guard}) return NAN;"] if guard else []),
                f"    return {function.result};",
                "}",
                "",
                "/* Reference values, rounded from certified enclosures: the arguments in order,",
                " * the value, and the relative error allowed. */",
                "#ifdef SELF_TEST",
                "#include <stdio.h>",
                f"static const double reference[][{count + 2}] = {{",
                *rows,
                "};",
                "int main(void) {",
                "    int bad = 0;",
                f"    for (int i = 0; i < {len(rows)}; i++) {{",
                f"        const double found = {function.name}({calls});",
                f"        const double wanted = reference[i][{count}];",
                f"        const double allowed = reference[i][{count + 1}] * fabs(wanted);",
                '        printf("%.17g %.17g\\n", found, wanted);',
                "        if (!(fabs(found - wanted) <= allowed)) bad++;",
                "    }",
                "    return bad != 0;",
                "}",
                "#endif",
                "",
            ]
        )


def double(value: float) -> str:
    """Return a double as C text that reads back exactly.

    Parameters
    ----------
    value : float
        Any, infinite and NaN included.

    Returns
    -------
    str
        A constant expression.

    Examples
    --------
    >>> double(0.1), double(-2.0), double(float("inf"))
    ('0.1', '(-2.0)', 'INFINITY')
    """
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "(-INFINITY)"
    return repr(value) if value >= 0 else f"({value!r})"
