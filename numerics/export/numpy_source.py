"""Plain NumPy: a function of floats or arrays that broadcasts, and needs NumPy alone."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numerics.arithmetic import float_constant
from numerics.export import special_arrays
from numerics.export.source import MAXIMUM_TERMS, Function, Root, Series, Table, indented

INFIX = {
    **{"add": "+", "sub": "-", "mul": "*", "div": "/", "less": "<", "less_equal": "<="},
    **{"equal": "==", "and": "&", "or": "|"},
}
SPECIAL = ("zeta", "power_law_sum")
_TAKEN = frozenset({"np", "jnp", "jax", "lax", "range", "int", "abs", "zero", "REFERENCE"})
CALLS = {
    **{"abs": "abs", "sqrt": "sqrt", "pow": "power", "exp": "exp", "log": "log", "sin": "sin"},
    **{"cos": "cos", "atan": "arctan", "minimum": "minimum", "maximum": "maximum"},
    **{"is_infinite": "isinf", "is_nan": "isnan", "not": "logical_not", "select": "where"},
}


def number(value: float, module: str) -> str:
    """Return a float as Python text.

    Parameters
    ----------
    value : float
        Any, infinite and NaN included.
    module : str
        Where ``inf`` and ``nan`` are found.

    Returns
    -------
    str
        An expression.

    Examples
    --------
    >>> number(0.1, "np"), number(float("inf"), "np")
    ('0.1', 'np.inf')
    """
    if value != value:
        return f"{module}.nan"
    if value in (float("inf"), float("-inf")):
        return f"{module}.inf" if value > 0 else f"(-{module}.inf)"
    return repr(value) if value >= 0 else f"({value!r})"


def python_parameter(name: str) -> str:
    """Return the name of an argument as a Python parameter.

    Parameters
    ----------
    name : str
        Letters, digits and underscores.

    Returns
    -------
    str
        The name, changed where it means something else in the file.

    Examples
    --------
    >>> python_parameter("tau"), python_parameter("lambda")
    ('tau', 'lambda_argument')
    """
    return f"{name}_argument" if keyword.iskeyword(name) or name in _TAKEN else name


@dataclass(frozen=True)
class NumpySource:
    """Python with NumPy arrays."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument."""
        return python_parameter(name)

    def constant(self, attribute: Fraction | str) -> str:
        """Write a constant."""
        return number(float_constant(attribute), "np")

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation."""
        if op in INFIX:
            return f"({f' {INFIX[op]} '.join(operands)})"
        if op in CALLS:
            return f"np.{CALLS[op]}({', '.join(operands)})"
        if op in SPECIAL or op == "gamma":
            return f"special_{op}({', '.join(operands)})"
        return f"(-{operands[0]})" if op == "neg" else None

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        return special_arrays.NUMPY.get(op, "")

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        return [f"{name} = {text}"]

    def root(self, root: Root) -> list[str]:
        """Write an iteration in which every element stops by itself."""
        n = root.number
        lines = [f"{x} = {s} + zero" for x, s in zip(root.unknowns, root.start, strict=True)]
        lines += [f"k{n} = zero == 0.0", f"s{n} = zero + np.inf"]
        inner = [*root.body, f"t{n}, x{n} = True, zero"]
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner += [
                f"n{n} = np.abs({new} - {old})",
                f"t{n} = t{n} & (n{n} <= {root.found!r} * np.abs({new}))",
                f"x{n} = np.maximum(x{n}, np.where(n{n} == 0.0, 0.0, n{n} / np.abs({new})))",
            ]
        inner.append(f"t{n} = t{n} | ((x{n} <= {root.stalled!r}) & (x{n} >= s{n}))")
        for new, old in zip(root.new, root.unknowns, strict=True):
            # a step that is not finite has lost the root
            inner.append(f"{old} = np.where(k{n}, np.where(x{n} < np.inf, {new}, np.nan), {old})")
        inner += [
            f"s{n} = np.where(k{n}, x{n}, s{n})",
            f"k{n} = k{n} & ~t{n} & (x{n} < np.inf)",
            f"if not k{n}.any():",
            "    break",
        ]
        lines += [f"for _ in range({root.maximum}):", *indented(inner)]
        for result, x in zip(root.results, root.unknowns, strict=True):
            lines.append(f"{result} = np.where(k{n}, np.nan, {x})")
        return lines

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index; ends that are not integers give NaN."""
        n, low, high = series.number, series.low, series.high
        lines = [
            f"x{n} = {high} - {low} + 1.0 + zero",
            f"t{n} = (np.floor({low}) == {low}) & (np.floor({high}) == {high})",
            f"t{n} = t{n} & (x{n} <= {MAXIMUM_TERMS}.0)",
            *(f"{t} = np.where(t{n}, zero, np.nan)" for t in series.totals),
            f"for k{n} in range(int(np.max(np.where(t{n}, x{n}, 0.0), initial=0.0))):",
        ]
        inner = [f"{series.index} = {low} + k{n}", *series.body]
        for t, v in zip(series.totals, series.terms, strict=True):
            inner.append(f"{t} = np.where(k{n} < x{n}, {t} + {v}, {t})")
        return [*lines, *indented(inner)]

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        n = table.number
        names = ", ".join(column for column, _ in table.columns)
        rows = zip(*(entries for _, entries in table.columns), strict=True)
        texts = [f"({', '.join(self.constant(e) for e in row)},)," for row in rows]
        lines = [f"{t} = zero" for t in table.totals]
        lines += [f"x{n} = (", *indented(texts), ")", f"for ({names},) in x{n}:"]
        inner = [*table.body]
        inner += [f"{t} = {t} + {v}" for t, v in zip(table.totals, table.terms, strict=True)]
        return [*lines, *indented(inner)]

    def module(self, function: Function) -> str:
        """Write the file."""
        arguments = ", ".join(function.arguments)
        missing = " | ".join(f"np.isnan({a})" for a in function.arguments) or "False"
        valid = f" & {function.valid}" if function.valid else ""
        arrays = [f"{a} = np.asarray({a}, dtype=float)" for a in function.arguments]
        zero = " + ".join(f"0.0 * np.isnan({a})" for a in function.arguments) or "np.zeros(())"
        return "\n".join(
            [
                '"""',
                *function.title,
                "",
                "Needs NumPy. Run this file to compare with the reference values below.",
                '"""',
                "",
                "import numpy as np",
                "",
                "",
                *(f"{text}\n" for text in function.special),
                f"def {function.name}({arguments}):",
                *indented(arrays),
                f"    zero = {zero}",
                '    with np.errstate(all="ignore"):',
                *indented(function.body, 2),
                f"        return np.where(~({missing}){valid}, {function.result}, np.nan)[()]",
                "",
                "",
                *reference_table(function, "np"),
                "",
                'if __name__ == "__main__":',
                "    for *point, wanted, allowed in REFERENCE:",
                f"        found = float({function.name}(*point))",
                "        print(repr(found), repr(wanted))",
                "        if not abs(found - wanted) <= allowed * abs(wanted):",
                '            raise SystemExit(f"wrong at {point}: {found!r}, not {wanted!r}")',
                "",
            ]
        )


def reference_table(function: Function, module: str) -> list[str]:
    """Return the reference values as a Python tuple of tuples.

    Parameters
    ----------
    function : Function
        With its references.
    module : str
        Where ``inf`` and ``nan`` are found.

    Returns
    -------
    list of str
        Statements.
    """
    rows = [
        f"    ({', '.join(number(x, module) for x in (*r.point, r.value, r.tolerance))}),"
        for r in function.references
    ]
    return [
        "# Reference values, rounded from certified enclosures: the arguments in order, the value,",
        "# and the relative error allowed.",
        "REFERENCE = (",
        *rows,
        ")",
    ]
