"""A formula as standalone source: LaTeX, C99, Julia, Mathematica, JAX or NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numerics.errors import ArgumentsError, ConvergenceError
from numerics.export.c99 import C99
from numerics.export.jax_source import JaxSource
from numerics.export.julia import Julia
from numerics.export.mathematica import Mathematica
from numerics.export.numpy_source import NumpySource
from numerics.export.references import reference_values
from numerics.export.source import Language, Reference, write_source

if TYPE_CHECKING:
    from derive.formula import Formula

LANGUAGES: Mapping[str, Language] = {
    "c99": C99(),
    "julia": Julia(),
    "mathematica": Mathematica(),
    "jax": JaxSource(),
    "numpy": NumpySource(),
}
ENDINGS = {
    **{"c99": ".c", "julia": ".jl", "mathematica": ".wl", "jax": ".py", "numpy": ".py"},
    **{"latex": ".tex"},
}


def export_formula(formula: Formula, language: str) -> str:
    """Write a formula as a file of another language, roots found by the file itself.

    Parameters
    ----------
    formula : Formula
        A result of a derivation.
    language : {"latex", "c99", "julia", "mathematica", "jax", "numpy"}
        What is written.

    Returns
    -------
    str
        The file, with the values it must reproduce below.

    Raises
    ------
    ArgumentsError
        For another language.
    LoweringError
        If the language has no form for an operation.
    ConvergenceError
        If no reference value can be certified.

    Examples
    --------
    >>> import derivations
    >>> text = export_formula(derivations.get("classics.marchenko_pastur").result, "c99")
    >>> [line for line in text.splitlines() if line.startswith("double")]
    ['double classics_marchenko_pastur(double kappa, double u) {']
    """
    if language not in ENDINGS:
        raise ArgumentsError(
            f"{formula.name}.export({str(language)[:40]!r})",
            "this language is not known",
            f"formulas leave as {', '.join(ENDINGS)}",
            f'{formula.name}.export("c99")',
        )
    references = reference_values(formula.program)
    if not references:
        raise ConvergenceError(
            f"{formula.name}.export({language!r})",
            "no reference value could be certified",
            "an exported file is delivered with values it must reproduce",
            f"{formula.name}.ball(...) at a point of the domain, to see why",
        )
    if language == "latex":
        return latex_file(formula, references)
    from derive.grid_sweep import argument_meanings
    from derive.registry import cards

    card = cards().get(formula.name.partition(":")[0])
    meanings = argument_meanings(formula)
    title = [
        formula.name,
        *([card.statement, f"{card.reference} {card.equation}".strip()] if card else []),
        f"Limit: {card.limit if card else formula.limit}",
        "",
        *(f"{name}: {meanings.get(name, 'a number')}" for name in formula.args),
        *(f"Condition: {c.text}" for c in formula.program.constraints),
    ]
    return write_source(formula.program, LANGUAGES[language], formula.name, title, references)


def latex_file(formula: Formula, references: list[Reference]) -> str:
    """Write the closed form as a document, with every letter and a table of reference values.

    Parameters
    ----------
    formula : Formula
        A result of a derivation.
    references : list of Reference
        Values of the closed form.

    Returns
    -------
    str
        Compiles with plain pdflatex.
    """
    from derive.page import formula_document

    rows = [[_number(x) for x in (*r.point, r.value)] for r in references]
    return formula_document(formula, rows)


def _number(value: float) -> str:
    """Return a float in LaTeX, every digit kept."""
    if value == float("inf"):
        return r"\infty"
    digits, _, exponent = repr(value).removesuffix(".0").partition("e")
    return rf"{digits}\cdot 10^{{{int(exponent)}}}" if exponent else digits
