"""LaTeX of expressions, definitions, formulas and steps; the whole page is in :mod:`derive.page`.

Mathematics comes from SymPy's printer with the letters of the paper; names that are not plain
identifiers are refused, so that nothing in them can act on the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from derive.errors import ConditionError
from derive.line_breaking import LINE, lines, width
from derive.prose import escape, is_plain_mathematics, sentence
from numerics.functions import textbook
from numerics.lower import Let

if TYPE_CHECKING:
    from derive.fixed_point import FixedPoint
    from derive.formula import Formula
    from derive.step import Step

_EIGENVALUE = re.compile(r"s_([A-Za-z][A-Za-z0-9_]*)_([0-3])")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}'{0,3}")
LONGEST_PAIR = 900.0  # points; a longer left side is not repeated


class Printer(LatexPrinter):
    """SymPy's printer with the letters of a paper; it remembers the letters it printed.

    Parameters
    ----------
    names : mapping of str to str, optional
        LaTeX of symbols by name.
    """

    def __init__(self, names: Mapping[str, str] | None = None):
        super().__init__({"symbol_names": dict(names or {}), "fold_short_frac": False})
        self.letters: list[str] = []
        self.functions: list[str] = []
        self.eigenvalues: dict[str, str] = {}  # LaTeX of a bound eigenvalue -> its matrix
        self.fields: dict[str, str] = {}  # LaTeX of a field -> its meaning
        self._inside = 0  # depth of fractions around what is printed

    def show(self, thing: Any) -> str:
        """Return anything a step may hold as LaTeX."""
        if thing is None:
            return ""
        if isinstance(thing, str):
            return r"\text{" + sentence(thing, self._settings["symbol_names"]) + "}"
        if isinstance(thing, tuple | list):
            return r",\quad ".join(self.show(t) for t in thing)
        if isinstance(thing, dict):
            return r",\quad ".join(
                self.show(sp.Eq(sp.sympify(k), sp.sympify(v), evaluate=False))
                for k, v in thing.items()
            )
        if not isinstance(thing, sp.Basic | sp.MatrixBase):
            own = getattr(thing, "_latex", None)
            if callable(own):
                return str(own(self))
            return r"\text{" + escape(str(thing)) + "}"
        return self.doprint(thing)

    def _print(self, expr: Any, **kwargs: Any) -> str:
        name = type(expr).__name__
        if name in ("SpectralTrace", "ResolventTrace", "WordTrace") and name not in self.functions:
            self.functions.append(name)
        return super()._print(expr, **kwargs)

    def field(self, name: str, meaning: str) -> str:
        """Print the name of a field of index notation, whose letters are its own."""
        shown = super()._print_Symbol(sp.Symbol(name))
        self.fields[shown] = meaning
        return shown

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        """Put a positive number first and negative terms last: 1 + rho - t, not -t + rho + 1."""
        terms = super()._as_ordered_terms(expr, order=order)

        def place(term: Any) -> int:
            return 2 * bool(term.could_extract_minus_sign()) + bool(
                term.is_Number == bool(term.could_extract_minus_sign())
            )

        return sorted(terms, key=place)

    def _print_Mul(self, expr: Any) -> str:
        """Print a fraction inside a fraction on one line where its parts are short."""
        before, inside = self._settings["fold_short_frac"], self._inside
        self._settings["fold_short_frac"] = inside > 0
        self._inside += sp.fraction(expr, exact=True)[1] != 1
        try:
            return super()._print_Mul(expr)
        finally:
            self._settings["fold_short_frac"], self._inside = before, inside

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        names: Mapping[str, str] = self._settings["symbol_names"]
        bound = _EIGENVALUE.fullmatch(expr.name)
        if bound is not None and expr.name not in names:
            matrix = super()._print_Symbol(sp.Symbol(bound[1]))
            shown = f"s_{{{matrix}}}" + "'" * int(bound[2])
            self.eigenvalues[shown] = matrix
            return shown
        if expr.name not in self.letters:
            self.letters.append(expr.name)
        shown = names.get(expr.name)
        if shown is not None and is_plain_mathematics(shown):
            return shown
        if shown is None and _IDENTIFIER.fullmatch(expr.name):
            return super()._print_Symbol(expr, style)
        if shown is None and is_plain_mathematics(expr.name):
            return expr.name
        raise ConditionError(
            "latex()",
            f"the symbol {(shown or expr.name)[:60]!r} cannot be typeset",
            "names of letters, digits and underscores, and plain mathematics, are printed",
            'notation.quantity("name", "meaning", latex=...)',
        )

    _print_Dummy = _print_Symbol


def expression_latex(expression: Any, names: Mapping[str, str] | None = None) -> str:
    r"""Return an expression as LaTeX with the given letters.

    Parameters
    ----------
    expression : Expr, Eq, str or object
        Text is typeset as text; an object may print itself by ``_latex``.
    names : mapping of str to str, optional
        LaTeX of symbols by name.

    Returns
    -------
    str
        Without dollar signs.

    Raises
    ------
    ConditionError
        For a symbol whose name could act on the document.

    Examples
    --------
    >>> print(expression_latex(sp.Symbol("tau") / 2, {"tau": r"\tau"}))
    \frac{\tau}{2}
    """
    return Printer(names).show(expression)


def displayed(latex: str) -> str:
    r"""Return an equation as a display, cut into lines if it is long.

    Parameters
    ----------
    latex : str
        Mathematics without dollar signs.

    Returns
    -------
    str
        ``\[...\]`` or an ``align*`` of several lines; a line that is still too wide is shrunk by
        ``\fitted``, which the preamble of :mod:`derive.page` defines.

    Examples
    --------
    >>> print(displayed("a = b"))
    \[a = b\]
    """
    cut = [_guarded(line) for line in lines(latex)]
    if len(cut) == 1:
        return rf"\[{cut[0]}\]"
    return (
        "\\begin{align*}\n" + "\\\\\n".join(f"&{_indent(c)}{c}" for c in cut) + ("\n\\end{align*}")
    )


def displayed_definitions(definitions: Sequence[str]) -> str:
    r"""Return definitions below each other, aligned at their first relation.

    Parameters
    ----------
    definitions : sequence of str
        Each ``a = b`` or ``x:\quad equations``.

    Returns
    -------
    str
        One ``align*``.

    Examples
    --------
    >>> print(displayed_definitions(["a = b", "c = d"]))
    \begin{align*}
    a &= b\\
    c &= d
    \end{align*}
    """
    rows = []
    for definition in definitions:
        mark = re.search(r":\\quad | = ", definition)
        left, right = (definition[: mark.start()], definition[mark.start() :]) if mark else (
            "", definition)  # fmt: skip
        first, *rest = lines(right.strip(), LINE - width(left))
        rows.append(f"{left} &{_guarded(first)}")
        rows += [f"&\\quad{{}}{_guarded(line)}" for line in rest]
    return "\\begin{align*}\n" + "\\\\\n".join(rows) + "\n\\end{align*}"


def _guarded(line: str) -> str:
    """Let the document shrink a line that may be too wide."""
    if width(line) <= 0.85 * LINE:
        return line
    # in a box of its own a sign is binary only if something stands before it
    return rf"\fitted{{{{}}{line}}}" if re.match(r"[-+=<>\\]", line) else rf"\fitted{{{line}}}"


def _indent(line: str) -> str:
    inner = line.removeprefix(r"\fitted{").removeprefix("{}")
    if re.match(r"[-+](?!\w)", inner):
        return r"\quad{}"
    return "{}" if re.match(r"=|\\longrightarrow", inner) else ""


def definition_latex(
    definition: Let | FixedPoint, names: Mapping[str, str], printer: Printer | None = None
) -> str:
    """Return one definition of a formula as LaTeX.

    Parameters
    ----------
    definition : Let or FixedPoint
        An abbreviation, or unknowns with their equations and branch.
    names : mapping of str to str
        LaTeX of symbols.
    printer : Printer, optional
        Remembers the letters.

    Returns
    -------
    str
        One displayed line.
    """
    printer = printer or Printer(names)
    if isinstance(definition, Let):
        return printer.show(sp.Eq(definition.symbol, definition.expression, evaluate=False))
    equations = r",\quad ".join(
        printer.show(sp.Eq(definition.expanded(r), 0, evaluate=False)) for r in definition.residuals
    )
    region = definition.branch.region
    conditions = [] if region is None or region in (sp.true, sp.false) else [printer.show(region)]
    if definition.branch.anchor is not None:
        expression, variable, point, value = definition.branch.anchor
        conditions.append(
            f"{printer.show(expression)} \\to {printer.show(sp.sympify(value))}"
            f"\\ \\text{{as}}\\ {printer.show(variable)} \\to {printer.show(sp.sympify(point))}"
        )
    unknowns = ",".join(printer.show(u) for u in definition.unknowns)
    return rf"{unknowns}:\quad " + r",\quad ".join([equations, *conditions])


def formula_latex(formula: Formula) -> str:
    r"""Return a formula as LaTeX: the result, then each definition it uses.

    Parameters
    ----------
    formula : Formula
        What to print.

    Returns
    -------
    str
        One line: the result, ``with``, and the definitions separated by commas.
    """
    body = formula.body
    head = equation_latex(body.symbol, body.expr, Printer(body.latex))
    defined = [definition_latex(w, body.latex) for w in body.where]
    if not defined:
        return head
    return head + r",\qquad\text{with}\quad " + r",\quad ".join(defined)


def equation_latex(symbol: str, expression: Any, printer: Printer) -> str:
    r"""Return an equation that says something: a function by its own name becomes its closed form.

    Parameters
    ----------
    symbol : str
        LaTeX of the left side.
    expression : Expr
        The right side.
    printer : Printer
        Prints it.

    Returns
    -------
    str
        ``symbol = expression``.

    Examples
    --------
    >>> from numerics.functions import ResolventTrace
    >>> trace = ResolventTrace(sp.Integer(1), sp.Symbol("u", positive=True))
    >>> equation_latex("M", trace, Printer())
    'M = M_{1}\\!\\left(u\\right)'
    >>> equation_latex("M_1(u)", trace, Printer())
    'M_1(u) = \\frac{2}{u + \\sqrt{u^{2} + 4 u}}'
    """
    shown = printer.show(expression)
    if _bare(symbol) == _bare(shown):
        shown = printer.show(textbook(expression))
    return f"{symbol} = {shown}"


def step_latex(
    step: Step,
    names: Mapping[str, str] | None = None,
    previous: Any = None,
    printer: Printer | None = None,
) -> str:
    r"""Return the statement of a step as LaTeX.

    Parameters
    ----------
    step : Step
        What to print.
    names : mapping of str to str, optional
        LaTeX of symbols.
    previous : Expr, optional
        The line printed just before; it is not repeated.
    printer : Printer, optional
        Remembers the letters.

    Returns
    -------
    str
        ``before = after`` for what was typed, an arrow for what the engine computed; only
        ``after`` where the left side is the line before or is too long to repeat.
    """
    printer = printer or Printer(names)
    after, before = step.after, step.before
    if step.kind == "cited" and isinstance(after, sp.Equality):
        return _cited(after, printer)
    relation = {"asserted": "=", "derived": r"\longrightarrow"}.get(step.kind)
    shown = printer.show(after)
    if relation is None or before is None or isinstance(after, sp.Equality | str):
        return shown
    if _same(before, previous):
        return rf"{relation} {shown}"
    if not _printable(before):
        return shown
    letters, functions = list(printer.letters), list(printer.functions)
    left = printer.show(before)
    if width(left) > LONGEST_PAIR:
        printer.letters, printer.functions = letters, functions  # it is not printed
        return rf"\ldots {relation} {shown}"
    return rf"{left} {relation} {shown}"


def _cited(statement: Any, printer: Printer) -> str:
    """Print a cited result; one that is called by its own name is printed as its closed form."""
    left, right = printer.show(statement.lhs), printer.show(statement.rhs)
    if _bare(left) == _bare(right):
        right = printer.show(textbook(statement.rhs))
    return "" if _bare(left) == _bare(right) else f"{left} = {right}"


def _bare(latex: str) -> str:
    return re.sub(r"\\left|\\right|\\!|[{}\s]", "", latex)


def _same(before: Any, previous: Any) -> bool:
    if previous is None or type(before) is not type(previous):
        return False
    return bool(before == previous)


def _printable(thing: Any) -> bool:
    if isinstance(thing, tuple | list):
        return all(_printable(t) for t in thing)
    return isinstance(thing, sp.Basic | sp.MatrixBase) or callable(getattr(thing, "_latex", None))
