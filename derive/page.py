"""A derivation as a LaTeX document: statement, steps, results, every letter, references.

Compiles with plain pdflatex in one run: references are numbered here, not by LaTeX.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from derive.domain import Notation, Quantity
from derive.errors import ConditionError
from derive.latex import (
    Printer,
    definition_latex,
    displayed,
    displayed_definitions,
    equation_latex,
    step_latex,
)
from derive.prose import escape, is_plain_mathematics, sentence
from derive.registry import cards, lookup

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.formula import Formula
    from derive.step import Step

PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{amsmath,amssymb,graphicx,array,longtable}
\emergencystretch=2em
\newsavebox{\derivebox}
\newcommand{\fitted}[1]{\sbox{\derivebox}{$\displaystyle #1$}%
  \ifdim\wd\derivebox>0.93\linewidth\resizebox{0.93\linewidth}{!}{\usebox{\derivebox}}%
  \else\usebox{\derivebox}\fi}
\newcommand{\verdict}[1]{\textsc{\small #1}}
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt}
\allowdisplaybreaks
\raggedbottom
"""

# Functions that the printed mathematics may contain: how they look and what they mean.
FUNCTIONS = {
    "SpectralTrace": (
        r"\overline{\mathrm{tr}}\left[f(R)\right]",
        "normalised trace, the mean of $f$ over the eigenvalues of the matrix",
    ),
    "WordTrace": (r"\overline{\mathrm{tr}}", "normalised trace"),
    "ResolventTrace": (
        r"M_{\kappa}(u)",
        r"normalised trace of the resolvent $(R+u)^{-1}$ of a white Wishart matrix with "
        r"$k/d=\kappa$: the positive root of $uM^2+(\kappa u+\kappa-1)M=\kappa$",
    ),
}


def derivation_latex(derivation: Derivation, standalone: bool = False) -> str:
    """Return a derivation as LaTeX.

    Parameters
    ----------
    derivation : Derivation
        What to print; its steps are run.
    standalone : bool
        With preamble and ``document``.

    Returns
    -------
    str
        Statement, steps, results, symbols, references.
    """
    outcome = derivation.outcome
    known = meanings(derivation)
    names = {n: shown for n, (shown, _) in known.items()}
    printer = Printer(names)
    sources = [derivation.reference]
    steps = _steps(derivation, printer, names, sources)
    results = _results(outcome.results, printer, names)
    text = "\n".join(
        [
            rf"\section*{{{escape(derivation.id)}}}",
            rf"\textit{{{sentence(derivation.statement, names)}}}",
            "",
            rf"Limit: {sentence(derivation.limit, names)}. "
            rf"Verdict: \verdict{{{derivation.status.name.lower()}}}, that of the weakest step.",
            *steps,
            *_inherited(derivation, names, sources),
            *results,
            *_symbols(printer, known, names),
            r"\subsection*{References}",
            r"\begin{enumerate}",
            *(rf"\item {_source(s)}" for s in sources),
            r"\end{enumerate}",
        ]
    )
    if not standalone:
        return text + "\n"
    return PREAMBLE + "\\begin{document}\n" + text + "\n\\end{document}\n"


def formula_document(formula: Formula, values: Sequence[Sequence[str]]) -> str:
    """Return one formula as a document: equation, definitions, every letter, a table of values.

    Parameters
    ----------
    formula : Formula
        What to print.
    values : sequence of sequence of str
        Rows of the table: the arguments in order and the value, as numbers in LaTeX.

    Returns
    -------
    str
        Compiles with plain pdflatex.
    """
    id, _, name = formula.name.partition(":")
    body = formula.body
    known = meanings(lookup(id)) if id in cards() else {}
    known |= {
        str(q.symbol): (q.latex, q.meaning)
        for q in body.domain.quantities
        if str(q.symbol) not in known
    }
    names = {n: shown for n, (shown, _) in known.items()} | dict(body.latex)
    printer = Printer(names)
    results = _results({name or id: formula}, printer, names)
    heads = " & ".join([*(printer.show(x) for x in body.symbols), body.symbol])
    rows = "\\\\\n".join(" & ".join(row) for row in values)
    limit = rf"Limit: {sentence(body.limit, names)}." if body.limit else ""
    lines = [
        rf"\section*{{{escape(formula.name)}}}",
        *([rf"\textit{{{sentence(cards()[id].statement, names)}}}", ""] if id in cards() else []),
        limit,
        *results,
        *_symbols(printer, known, names),
        r"\subsection*{Reference values}",
        "Rounded from certified enclosures.",
        rf"\[\fitted{{\begin{{array}}{{{'l' * (len(body.symbols) + 1)}}}",
        rf"{heads}\\\hline",
        rows,
        r"\end{array}}\]",
    ]
    return PREAMBLE + "\\begin{document}\n" + "\n".join(lines) + "\n\\end{document}\n"


def meanings(derivation: Derivation) -> dict[str, tuple[str, str]]:
    """Return how each letter of a derivation is printed and what it means.

    Parameters
    ----------
    derivation : Derivation
        Its steps are run.

    Returns
    -------
    dict of str to tuple of str
        The notation of the paper, and the results of other derivations under their own names.
    """
    found = dict(derivation.outcome.notation)
    letters = getattr(sys.modules.get(derivation.card.module), "letters", None)
    if isinstance(letters, Notation):  # the notation of the file, where a page did not name it
        for name, quantity in letters.items():
            found.setdefault(name, (quantity.latex, quantity.meaning))
    for step in derivation.steps:
        if step.kind == "cited" and isinstance(step.after, sp.Equality):
            name = str(step.after.lhs)
            found.setdefault(name, (name, f"main result of {step.citing}"))
    return found


def printed_letters(derivation: Derivation) -> list[str]:
    """Return the names of all letters on the printed page, in the order they appear.

    Parameters
    ----------
    derivation : Derivation
        Its steps are run.

    Returns
    -------
    list of str
        Each of them must have a meaning.
    """
    names = {n: shown for n, (shown, _) in meanings(derivation).items()}
    printer = Printer(names)
    _steps(derivation, printer, names, [])
    _results(derivation.outcome.results, printer, names)
    return printer.letters


def _steps(
    derivation: Derivation, printer: Printer, names: Mapping[str, str], sources: list[str]
) -> list[str]:
    if not derivation.steps:
        return []
    lines = [r"\subsection*{Derivation}", r"\begin{enumerate}"]
    previous: Any = None
    for step in derivation.steps:
        lines += _step(step, printer, names, sources, previous)
        previous = step.after
    return [*lines, r"\end{enumerate}"]


def _step(
    step: Step, printer: Printer, names: Mapping[str, str], sources: list[str], previous: Any
) -> list[str]:
    cite = ""
    if step.citing:
        if step.citing not in sources:
            sources.append(step.citing)
        cite = f" [{sources.index(step.citing) + 1}]"
    rule = step.rule
    if step.kind == "cited":
        rule = "cite"
    lines = [
        rf"\item \textbf{{{sentence(rule, names)}}} \verdict{{{step.verdict.name.lower()}}}: "
        rf"{sentence(step.reason, names)}{cite}"
    ]
    if isinstance(step.after, str):
        lines.append(r"\par " + sentence(step.after, names))
    elif step.after is not None and step.kind != "result":  # results have a section of their own
        shown = step_latex(step, names, previous, printer)
        if shown:
            lines.append(displayed(shown))
    return lines


def _inherited(derivation: Derivation, names: Mapping[str, str], sources: list[str]) -> list[str]:
    """Say what the cited derivations assume, so that no page hides what it rests on."""
    if not derivation.inherited:
        return []
    lines = [r"\subsection*{Assumed by what is cited}", r"\begin{itemize}"]
    for id, step in derivation.inherited:
        if step.citing not in sources:
            sources.append(step.citing)
        said = sentence(step.after if isinstance(step.after, str) else step.reason, names)
        lines.append(
            rf"\item[--] \texttt{{{escape(id)}}}: {said} [{sources.index(step.citing) + 1}]"
        )
    return [*lines, r"\end{itemize}"]


def _results(results: Mapping[str, Formula], printer: Printer, names: Mapping[str, str]) -> list:
    if not results:
        return []
    lines = [rf"\subsection*{{{'Results' if len(results) > 1 else 'Result'}}}"]
    said: list[str] = []
    for name, formula in results.items():
        body = formula.body
        lines.append(rf"\textbf{{{escape(name)}}}, for ${_domain(formula, printer)}$:")
        if not is_plain_mathematics(body.symbol):
            raise ConditionError(
                "latex()",
                f"the left-hand side {body.symbol[:60]!r} of {name} cannot be typeset",
                "it is printed as plain mathematics: Greek letters, fractions, accents, subscripts",
                r'page.result(..., symbol=r"e_{\mathrm{ICL}}")',
            )
        lines.append(displayed(equation_latex(body.symbol, body.expr, printer)))
        fresh = []
        for definition in body.where:
            shown = definition_latex(definition, body.latex, printer)
            if shown not in said:
                said.append(shown)
                fresh.append(shown)
        if fresh:
            lines += ["where", displayed_definitions(fresh)]
        elif body.where:
            lines.append("with the definitions above.")
    return lines


def _domain(formula: Formula, printer: Printer) -> str:
    r"""Return the domain as intervals, ``\tau\in(0,\infty)``, and the joint conditions."""
    domain = formula.body.domain
    shown = [_interval(q, printer) for q in domain.quantities]
    shown += [printer.show(c.relation) for c in domain.joint]
    return r",\ ".join(shown) or r"\text{all arguments}"


def _interval(quantity: Quantity, printer: Printer) -> str:
    left = "(" if quantity.lower_open or quantity.lower is -sp.oo else "["
    right = ")" if quantity.upper_open else "]"
    ends = f"{printer.show(quantity.lower)},{printer.show(quantity.upper)}"
    return rf"{printer.show(quantity.symbol)}\in{left}{ends}{right}"


def _symbols(
    printer: Printer, notation: Mapping[str, tuple[str, str]], names: Mapping[str, str]
) -> list[str]:
    rows = [
        rf"${shown}$ & {sentence(meaning, names)} \\"
        for name, (shown, meaning) in notation.items()
        if name in printer.letters
    ]
    rows += [
        rf"${shown}$ & {sentence(meaning, names)} \\"
        for shown, meaning in printer.fields.items()
        if meaning
    ]
    rows += [
        rf"${shown}$ & an eigenvalue of ${matrix}$ \\"
        for shown, matrix in printer.eigenvalues.items()
    ]
    rows += [
        rf"${FUNCTIONS[f][0]}$ & {sentence(FUNCTIONS[f][1], names)} \\" for f in printer.functions
    ]
    if not rows:
        return []
    return [
        r"\subsection*{Symbols}",
        r"\begin{longtable}{@{}l>{\raggedright\arraybackslash}p{0.75\linewidth}@{}}",
        *rows,
        r"\end{longtable}",
    ]


def _source(source: str) -> str:
    """An id of this catalogue is set as such; anything else is printed as it is."""
    if source.isascii() and source.replace(".", "_").isidentifier() and "." in source:
        return rf"\texttt{{{escape(source)}}}"
    return escape(source)
