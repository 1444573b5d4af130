"""JAX: a function of floats or arrays in double precision, to be compiled and mapped by JAX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numerics.arithmetic import float_constant
from numerics.export import special_arrays
from numerics.export.numpy_source import (
    CALLS,
    INFIX,
    SPECIAL,
    number,
    python_parameter,
    reference_table,
)
from numerics.export.source import MAXIMUM_TERMS, Function, Root, Series, Table, indented


@dataclass(frozen=True)
class JaxSource:
    """Python with JAX arrays; loops are those of ``jax.lax``."""

    def parameter(self, name: str) -> str:
        """Write the name of an argument."""
        return python_parameter(name)

    def constant(self, attribute: Fraction | str) -> str:
        """Write a constant."""
        return number(float_constant(attribute), "jnp")

    def expression(self, op: str, operands: Sequence[str], attribute: Any) -> str | None:
        """Write a simple operation."""
        if op in INFIX:
            return f"({f' {INFIX[op]} '.join(operands)})"
        if op in CALLS:
            return f"jnp.{CALLS[op]}({', '.join(operands)})"
        if op == "gamma":
            return f"jax.scipy.special.gamma({', '.join(operands)})"
        if op in SPECIAL:
            return f"special_{op}({', '.join(operands)})"
        return f"(-{operands[0]})" if op == "neg" else None

    def special(self, op: str) -> str:
        """Write the definition of a special function, empty if the language has it."""
        return special_arrays.JAX.get(op, "")

    def assign(self, name: str, text: str, boolean: bool) -> list[str]:
        """Write the definition of a local."""
        return [f"{name} = {text}"]

    def root(self, root: Root) -> list[str]:
        """Write an iteration in which every element stops by itself."""
        n, unknowns = root.number, ", ".join(root.unknowns)
        inner = [f"count, k{n}, s{n}, {unknowns} = state", *root.body, f"t{n}, x{n} = True, zero"]
        for new, old in zip(root.new, root.unknowns, strict=True):
            inner += [
                f"n{n} = jnp.abs({new} - {old})",
                f"t{n} = t{n} & (n{n} <= {root.found!r} * jnp.abs({new}))",
                f"x{n} = jnp.maximum(x{n}, jnp.where(n{n} == 0.0, 0.0, n{n} / jnp.abs({new})))",
            ]
        inner.append(f"t{n} = t{n} | ((x{n} <= {root.stalled!r}) & (x{n} >= s{n}))")
        moved = [
            # a step that is not finite has lost the root
            f"jnp.where(k{n}, jnp.where(x{n} < jnp.inf, {new}, jnp.nan), {old}),"
            for new, old in zip(root.new, root.unknowns, strict=True)
        ]
        inner += [
            "return (",
            "    count + 1,",
            f"    k{n} & ~t{n} & (x{n} < jnp.inf),",
            f"    jnp.where(k{n}, x{n}, s{n}),",
            *indented(moved),
            ")",
        ]
        start = [f"{s} + zero," for s in root.start]
        lines = [
            f"def step{n}(state):",
            *indented(inner),
            f"_, k{n}, s{n}, {unknowns} = jax.lax.while_loop(",
            f"    lambda state: (state[0] < {root.maximum}) & jnp.any(state[1]),",
            f"    step{n},",
            "    (",
            *indented(["0,", "zero == 0.0,", "zero + jnp.inf,", *start], 2),
            "    ),",
            ")",
        ]
        for result, x in zip(root.results, root.unknowns, strict=True):
            lines.append(f"{result} = jnp.where(k{n}, jnp.nan, {x})")
        return lines

    def series(self, series: Series) -> list[str]:
        """Write a sum over an index; ends that are not integers give NaN."""
        n, low, high = series.number, series.low, series.high
        totals = ", ".join(series.totals)
        new = [
            f"jnp.where(k{n} < x{n}, {t} + {v}, {t}),"
            for t, v in zip(series.totals, series.terms, strict=True)
        ]
        inner = [
            f"k{n}, {totals} = state",
            f"{series.index} = {low} + k{n}",
            *series.body,
            "return (",
            f"    k{n} + 1.0,",
            *indented(new),
            ")",
        ]
        return [
            f"x{n} = {high} - {low} + 1.0 + zero",
            f"t{n} = (jnp.floor({low}) == {low}) & (jnp.floor({high}) == {high})",
            f"t{n} = t{n} & (x{n} <= {MAXIMUM_TERMS}.0)",
            f"s{n} = jnp.max(jnp.where(t{n}, x{n}, 0.0), initial=0.0)",
            f"def term{n}(state):",
            *indented(inner),
            f"_, {totals} = jax.lax.while_loop(",
            f"    lambda state: state[0] < s{n},",
            f"    term{n},",
            "    (",
            "        jnp.zeros(()),",
            *indented([f"jnp.where(t{n}, zero, jnp.nan)," for _ in series.totals], 2),
            "    ),",
            ")",
        ]

    def table(self, table: Table) -> list[str]:
        """Write a sum over a table."""
        n, rows = table.number, len(table.columns[0][1])
        totals = ", ".join(table.totals)
        lines = []
        for column, entries in table.columns:
            texts = [f"{self.constant(e)}," for e in entries]
            lines += [f"t{column} = jnp.array(", "    [", *indented(texts, 2), "    ]", ")"]
        new = [f"{t} + {v}," for t, v in zip(table.totals, table.terms, strict=True)]
        inner = [
            f"({totals},) = state",
            *(f"{column} = t{column}[index]" for column, _ in table.columns),
            *table.body,
            "return (",
            *indented(new),
            ")",
        ]
        start = ", ".join("zero" for _ in table.totals)
        return [
            *lines,
            f"def row{n}(index, state):",
            *indented(inner),
            f"({totals},) = jax.lax.fori_loop(0, {rows}, row{n}, ({start},))",
        ]

    def module(self, function: Function) -> str:
        """Write the file."""
        arguments = ", ".join(function.arguments)
        missing = " | ".join(f"jnp.isnan({a})" for a in function.arguments) or "False"
        valid = f" & {function.valid}" if function.valid else ""
        arrays = [f"{a} = jnp.asarray({a}, dtype=jnp.float64)" for a in function.arguments]
        zero = " + ".join(f"0.0 * jnp.isnan({a})" for a in function.arguments)
        return "\n".join(
            [
                '"""',
                *function.title,
                "",
                "Needs JAX. Run this file to compare with the reference values below.",
                '"""',
                "",
                "import jax",
                "import jax.numpy as jnp",
                "",
                'jax.config.update("jax_enable_x64", True)',
                "",
                "",
                *(f"{text}\n" for text in function.special),
                "@jax.jit",
                f"def {function.name}({arguments}):",
                *indented(arrays),
                f"    zero = {zero or 'jnp.zeros(())'}",
                *indented(function.body),
                f"    inside = jnp.logical_not({missing}){valid}",
                f"    return jnp.where(inside, {function.result}, jnp.nan)",
                "",
                "",
                *reference_table(function, "jnp"),
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
