"""LaTeX of formulas, steps and whole derivations; prose is escaped, mathematics comes from SymPy.

The document compiles with plain pdflatex in one run: references are numbered here, not by LaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from derive.errors import ConditionError
from numerics.lower import Let

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.fixed_point import FixedPoint
    from derive.formula import Formula
    from derive.step import Step

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    '"': "''",
}

PREAMBLE = r"""\documentclass[11pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb,graphicx,array,longtable}
\newsavebox{\derivebox}
\newcommand{\fitted}[1]{\sbox{\derivebox}{$\displaystyle #1$}%
  \ifdim\wd\derivebox>\linewidth\resizebox{\linewidth}{!}{\usebox{\derivebox}}%
  \else\usebox{\derivebox}\fi}
\newcommand{\verdict}[1]{\textsc{\small #1}}
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt}
\raggedbottom
"""


def escape(prose: str) -> str:
    r"""Return prose with every character LaTeX would act on made harmless; ``$...$`` is kept.

    Parameters
    ----------
    prose : str
        A sentence; mathematics between dollar signs is passed through if it is plain.

    Returns
    -------
    str
        Safe to typeset.

    Examples
    --------
    >>> print(escape("k/d -> kappa, 50% of $x_i$"))
    k/d $\to$ kappa, 50\% of $x_i$
    >>> print(escape(r"\input{secret}"))
    \textbackslash{}input\{secret\}
    """
    parts = re.split(r"(\$[^$]*\$)", prose)
    out = []
    for part in parts:
        if len(part) > 1 and part.startswith("$") and part.endswith("$") and _harmless(part):
            out.append(part)
            continue
        text = "".join(r"\$" if c == "$" else _SPECIAL.get(c, c) for c in part)
        text = text.replace("-$>$", r"$\to$")
        out.append(re.sub(r"\boo\b", lambda _: r"$\infty$", text))
    return "".join(out).encode("ascii", "backslashreplace").decode().replace("\\x", "x")


_FORBIDDEN = re.compile(
    r"\\(input|include|write|read|open|catcode|def|let|csname|immediate|special)"
)


def _harmless(mathematics: str) -> bool:
    return not _FORBIDDEN.search(mathematics) and "^^" not in mathematics


class _Printer(LatexPrinter):
    """SymPy's printer with the paper's letters; a name without letters of its own is escaped."""

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        names: Mapping[str, str] = self._settings["symbol_names"]
        if expr.name in names:
            return names[expr.name]
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_']{0,63}", expr.name):
            if expr.name and _looks_typeset(expr.name):
                return expr.name
            raise ConditionError(
                "latex()",
                f"the symbol {expr.name[:60]!r} cannot be typeset",
                "names of letters, digits and underscores only are printed as they are",
                'notation.quantity("name", "meaning", latex=...)',
            )
        return super()._print_Symbol(expr, style)

    _print_Dummy = _print_Symbol


def _looks_typeset(name: str) -> bool:
    return (
        bool(re.fullmatch(r"[A-Za-z0-9_{}\\^',;:()\s/|+\-=!.]*", name))
        and _harmless(name)
        and name.count("{") == name.count("}")
    )


def expression_latex(expression: Any, names: Mapping[str, str] | None = None) -> str:
    r"""Return an expression as LaTeX with the given letters.

    Parameters
    ----------
    expression : Expr, Eq, str or object
        Text is typeset as text; an object may print itself by ``_latex_``.
    names : mapping of str to str, optional
        LaTeX of symbols by name.

    Returns
    -------
    str
        Without dollar signs.

    Examples
    --------
    >>> print(expression_latex(sp.Symbol("tau") / 2, {"tau": r"\tau"}))
    \frac{\tau}{2}
    """
    if expression is None:
        return ""
    if isinstance(expression, str):
        return r"\text{" + escape(expression) + "}"
    if isinstance(expression, tuple | list):
        return r",\quad ".join(expression_latex(e, names) for e in expression)
    if isinstance(expression, dict):
        pairs = [sp.Eq(k, v, evaluate=False) for k, v in expression.items()]
        return r",\quad ".join(expression_latex(p, names) for p in pairs)
    own = getattr(expression, "latex", None)
    if not isinstance(expression, sp.Basic | sp.MatrixBase):
        if callable(own):
            return str(own())
        return r"\text{" + escape(str(expression)) + "}"
    printer = _Printer({"symbol_names": dict(names or {}), "fold_short_frac": False})
    return printer.doprint(expression)


def definition_latex(definition: Let | FixedPoint, names: Mapping[str, str]) -> str:
    """Return one definition of a formula as LaTeX.

    Parameters
    ----------
    definition : Let or FixedPoint
        An abbreviation, or unknowns with their equations and branch.
    names : mapping of str to str
        LaTeX of symbols.

    Returns
    -------
    str
        One displayed line.
    """
    if isinstance(definition, Let):
        return expression_latex(
            sp.Eq(definition.symbol, definition.expression, evaluate=False), names
        )
    equations = r",\ ".join(
        expression_latex(sp.Eq(definition.expanded(r), 0, evaluate=False), names)
        for r in definition.residuals
    )
    region = definition.branch.region
    unknowns = ", ".join(expression_latex(u, names) for u in definition.unknowns)
    if region is None or region in (sp.true, sp.false):
        return rf"{unknowns}:\quad {equations}"
    return rf"{unknowns}:\quad {equations},\quad {expression_latex(region, names)}"


def formula_latex(formula: Formula) -> str:
    r"""Return a formula as LaTeX: the result, then each definition it uses.

    Parameters
    ----------
    formula : Formula
        What to print.

    Returns
    -------
    str
        An ``aligned``-free list of lines joined by ``\quad\text{with}\quad`` and commas.
    """
    body = formula.body
    head = f"{body.symbol} = {expression_latex(body.expr, body.latex)}"
    lines = [definition_latex(w, body.latex) for w in body.where]
    if not lines:
        return head
    return head + r",\qquad\text{with}\quad " + r",\quad ".join(lines)


def step_latex(step: Step, names: Mapping[str, str] | None = None) -> str:
    """Return the statement of a step as LaTeX.

    Parameters
    ----------
    step : Step
        What to print.
    names : mapping of str to str, optional
        LaTeX of symbols.

    Returns
    -------
    str
        ``before = after`` where both are expressions of moderate length, else ``after``.
    """
    after = expression_latex(step.after, names)
    if step.kind in ("asserted", "derived") and isinstance(step.before, sp.Expr):
        before = expression_latex(step.before, names)
        if len(before) + len(after) < 700 and isinstance(step.after, sp.Expr):
            return (
                rf"{before} \;\longrightarrow\; {after}"
                if step.kind == "derived"
                else (rf"{before} = {after}")
            )
    return after


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
    names = {n: shown for n, (shown, _) in derivation.outcome.notation.items()}
    lines = [
        rf"\section*{{{escape(derivation.id)}}}",
        escape(derivation.statement),
        "",
        rf"Limit: {escape(derivation.limit)}. "
        rf"Verdict: \verdict{{{derivation.status.name.lower()}}} (the weakest step).",
        r"\subsection*{Derivation}",
        r"\begin{enumerate}",
    ]
    sources = [derivation.reference]
    for step in derivation.steps:
        cite = ""
        if step.citing:
            if step.citing not in sources:
                sources.append(step.citing)
            cite = f" [{sources.index(step.citing) + 1}]"
        lines.append(
            rf"\item \textbf{{{escape(step.rule)}}} \verdict{{{step.verdict.name.lower()}}}: "
            rf"{escape(step.reason)}{cite}"
        )
        if isinstance(step.after, str):
            lines.append(r"\par " + escape(step.after))
        elif step.after is not None:
            lines.append(rf"\[\fitted{{{step_latex(step, names)}}}\]")
    lines += [r"\end{enumerate}", r"\subsection*{Result}"]
    for name, formula in derivation.outcome.results.items():
        body = formula.body
        head = f"{body.symbol} = {expression_latex(body.expr, body.latex)}"
        lines.append(rf"{escape(name)}, for {escape(_conditions(formula))}:")
        lines.append(rf"\[\fitted{{{head}}}\]")
        if body.where:
            lines.append("where")
            for definition in body.where:
                lines.append(rf"\[\fitted{{{definition_latex(definition, body.latex)}}}\]")
    lines += [
        r"\subsection*{Symbols}",
        r"\begin{longtable}{@{}l>{\raggedright\arraybackslash}p{0.75\linewidth}@{}}",
    ]
    used = _letters_used(derivation)
    for name, (shown, meaning) in derivation.outcome.notation.items():
        if name in used:
            lines.append(rf"${shown}$ & {escape(meaning)} \\")
    lines += [r"\end{longtable}", r"\subsection*{References}", r"\begin{enumerate}"]
    lines += [rf"\item {escape(source)}" for source in sources]
    lines.append(r"\end{enumerate}")
    text = "\n".join(lines) + "\n"
    if not standalone:
        return text
    return PREAMBLE + "\\begin{document}\n" + text + "\\end{document}\n"


def _conditions(formula: Formula) -> str:
    return ", ".join(c.text for c in formula.body.domain.conditions()) or "all arguments"


def _letters_used(derivation: Derivation) -> set[str]:
    used: set[str] = set()

    def collect(thing: Any) -> None:
        if isinstance(thing, sp.Basic):
            used.update(str(s) for s in thing.free_symbols)
            used.update(str(s) for s in thing.atoms(sp.Symbol))
        elif isinstance(thing, tuple | list):
            for t in thing:
                collect(t)

    for step in derivation.steps:
        collect(step.before)
        collect(step.after)
    for formula in derivation.outcome.results.values():
        collect(formula.body.expr)
        used.update(str(s) for s in formula.body.symbols)
        for definition in formula.body.where:
            if isinstance(definition, Let):
                collect(definition.symbol)
                collect(definition.expression)
            else:
                collect(definition.unknowns)
                collect(definition.residuals)
    return used
