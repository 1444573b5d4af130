"""The printed page: it compiles, explains every letter, and passes nothing hostile through."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

import derivations
from derive.domain import Notation
from derive.draft import Draft
from derive.errors import ConditionError
from derive.formula import Formula
from derive.latex import definition_latex, displayed, expression_latex, step_latex
from derive.line_breaking import LINE, lines, pieces, width
from derive.page import meanings, printed_letters
from derive.prose import escape, is_plain_mathematics, sentence
from numerics.lower import Let

GOLDEN = Path(__file__).resolve().parent / "golden"
IDS = [d.id for d in derivations.catalog()]
PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed")

_each = pytest.mark.parametrize(
    "id", [pytest.param(i, marks=pytest.mark.xdist_group(i)) for i in IDS]
)


def _compile(source: str, folder: Path) -> str:
    """Return the log of pdflatex, which must succeed."""
    (folder / "page.tex").write_text(source, encoding="utf-8")
    assert PDFLATEX is not None
    done = subprocess.run(
        [PDFLATEX, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=folder,
        capture_output=True,
        timeout=120,
        env={"PATH": str(Path(PDFLATEX).parent) + ":/usr/bin:/bin", "openin_any": "p",
             "HOME": str(folder)},
    )  # fmt: skip
    log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    return log


@needs_latex
@pytest.mark.parametrize("id", ["classics.deformed_marchenko_pastur", "lu2025.icl_error"])
def test_a_page_compiles(id, tmp_path):
    _prints(id, tmp_path)


@pytest.mark.slow
@needs_latex
@_each
def test_every_derivation_compiles(id, tmp_path):
    _prints(id, tmp_path)


def _prints(id: str, tmp_path: Path) -> None:
    log = _compile(derivations.get(id).latex(standalone=True), tmp_path)
    assert "undefined" not in log.lower()
    assert "Missing character" not in log
    wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", log)]
    assert max(wide, default=0.0) < 5, "a line sticks out into the margin"


@_each
def test_every_printed_letter_has_a_meaning(id):
    d = derivations.get(id)
    known = meanings(d)
    unexplained = [letter for letter in printed_letters(d) if letter not in known]
    assert not unexplained, "declare them in the notation of the file, or page.letters(notation)"
    text = d.latex()
    for letter in printed_letters(d):
        shown, meaning = known[letter]
        assert meaning
        assert f"${shown}$ & " in text


@pytest.mark.parametrize(
    "id", ["classics.marchenko_pastur", "lu2025.icl_error", "lu2025.idg_error"]
)
def test_golden_pages(id, update_golden):
    path = GOLDEN / f"{id}.tex"
    text = derivations.get(id).latex(standalone=True)
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "look at it, then pytest --update-golden"


def test_a_page_says_what_it_must():
    text = derivations.get("lu2025.icl_error").latex(standalone=True)
    for words in (
        r"\section*{lu2025.icl\_error}", "assumed", r"\textbf{rewrite}", r"e_{\mathrm{ICL}} =",
        r"\tau\in(0,\infty)", r"\kappa\in(0,\infty]", "effective ridge", "arXiv 2405.11751",
        r"$\ell/d$ $\to$ $\alpha$", r"\texttt{lu2025.estimator\_moments}",
    ):  # fmt: skip
        assert words in text, words


def test_a_line_that_was_just_printed_is_not_repeated():
    d = derivations.get("lu2025.icl_error")
    last = [s for s in d.steps if s.kind == "asserted"][-1]
    names = {n: shown for n, (shown, _) in d.outcome.notation.items()}
    assert step_latex(last, names, last.before).startswith("= ")
    assert not step_latex(last, names).startswith("= ")


# --- breaking lines --------------------------------------------------------------------------


def _bare(latex: str) -> str:
    return re.sub(r"\\left|\\right|\\[Bb]ig[lr]?|\s|\{\}", "", latex)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(2, 40), st.integers(1, 3), st.integers(0, 10**6))
def test_cutting_changes_nothing_but_delimiters(terms, depth, seed):
    import random

    rng = random.Random(seed)
    x, y, kappa = sp.symbols("x y kappa", positive=True)

    def build(level: int):
        total = sum(
            (rng.randint(1, 99) * x ** rng.randint(0, 9) * y ** rng.randint(0, 9) * (-1) ** i
             for i in range(terms)), kappa,
        )  # fmt: skip
        return total if level == 0 else total * build(level - 1) + x

    latex = expression_latex(build(depth))
    cut = lines(latex)
    assert _bare("".join(cut)) == _bare(latex)
    # a stretch between two signs that is wider than a line is left to the document to shrink
    assert all(width(line) <= LINE + 1 for line in cut)
    for line in cut[1:]:
        assert re.match(r"[-+=]|\\longrightarrow|\\Big/", line), line


def test_wide_fractions_become_products():
    x = sp.symbols("x0:60", positive=True)
    top, bottom = sp.Add(*x), sp.Add(*[s**2 for s in x])
    shown = displayed(expression_latex(top / (1 + x[0])))
    assert shown.startswith("\\begin{align*}") and r"\frac{1}{1 + x_{0}}" in shown
    shown = displayed(expression_latex(top / bottom))
    assert r"\Big/" in shown


def test_widths_are_those_of_what_is_seen():
    assert width(r"\frac{a}{bcd}") == pytest.approx(width("bcd") + 3)
    assert width("x^{2}") < width("x2")
    assert [p.kind for p in pieces(r"\left(a - b\right) = -c")].count("sign") == 1


# --- what is printed of expressions ----------------------------------------------------------


def test_positive_terms_come_first():
    rho, t = sp.symbols("rho t", positive=True)
    assert expression_latex(1 + rho - t) == r"1 + \rho - t"
    assert expression_latex(rho - 2) == r"\rho - 2"


def test_short_fractions_inside_fractions_are_set_on_one_line():
    M, kappa = sp.symbols("M kappa", positive=True)
    assert expression_latex(1 / (1 + M / kappa)) == r"\frac{1}{1 + M / \kappa}"
    assert expression_latex(M / kappa) == r"\frac{M}{\kappa}"


def test_formulas_print_their_definitions_and_branches():
    letters = Notation()
    x = letters.quantity("x", "length", lower=0, latex=r"\ell")
    y = sp.Symbol("y", positive=True)
    formula = Formula.define(
        "area", (x,), y**2, where=(Let(y, x + 1),), domain=letters.domain("x"), symbol="A"
    )
    assert formula.latex() == r"A = y^{2},\qquad\text{with}\quad y = 1 + \ell"
    root = derivations.get("lu2025.effective_ridge").result.where[-1]
    del root
    point = derivations.get("lu2025.icl_error").result.fixed_points[0]
    assert r"\geq" in definition_latex(point, {})


# --- hostile names and prose -----------------------------------------------------------------

HOSTILE = [
    r"\input{/etc/passwd}", r"\write18{true}", r"\immediate\write18{true}", r"\catcode`\%=12",
    r"^^5cinput{x}", r"\def\x{y}", r"\csname input\endcsname", r"\openin1=x",
    r"\loop\iftrue\repeat",
    r"\include{x}", "}", "{", r"\end{document}", r"\begin{verbatim}", "$", "$$", "%", "#1", "&",
    r"\\",
    "\\", "a\nb", "~", r"\newcommand{\alpha}{x}", r"\special{x}", r"\url{x}", r"\href{x}{y}",
    r"\usepackage{x}", r"\ExplSyntaxOn", r"\relax", r"\uppercase{x}", r"\hbox{x}", r"\vspace{9cm}",
    r"\verb|x|", r"\text{\input{x}}", "\u202e", "\u03c0", r"\begin{filecontents}{x}",
    r"\mathrm\input x", r"x\ y\input", r"\left\input", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_symbols_are_refused(name):
    with pytest.raises(ConditionError):
        expression_latex(sp.Symbol(name) + 1)
    with pytest.raises(ConditionError):
        expression_latex(sp.Symbol("x") + 1, {"x": name})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_mathematics_is_not_plain(text):
    assert not is_plain_mathematics(text)


def _page(text: str) -> str:
    letters = Notation()
    x = letters.quantity("x", text, lower=0, latex="x")
    page = Draft("example.hostile")
    page.over(letters, "x")
    page.assume(text or "nothing", text, citing=text or "nobody")
    page.rewrite(x + x, 2 * x, text)
    body = [sentence(text), escape(text), sentence(f"${text}$")]
    body += [sentence(s.reason) for s in page.steps] + [expression_latex(text)[6:-1]]
    return "\n\n".join(body)


@needs_latex
def test_hostile_prose_compiles_and_reads_nothing(tmp_path):
    from derive.page import PREAMBLE

    (tmp_path / "x.tex").write_text("STOLEN")
    body = "\n\n".join(_page(text) for text in HOSTILE if len(text) < 100)
    log = _compile(PREAMBLE + "\\begin{document}\n" + body + "\n\\end{document}\n", tmp_path)
    assert "x.tex" not in log.replace("page.tex", "") and "runsystem" not in log


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(max_size=40))
@example("\\input{x}")
@example("$\\alpha$ and $x")
def test_prose_never_passes_a_command_through(text):
    for shown in (escape(text), sentence(text)):
        outside = re.sub(r"\$[^$]*\$", "", shown.replace(r"\$", ""))
        commands = set(re.findall(r"\\([A-Za-z]+|.)", outside))
        assert commands <= {
            "textbackslash", "textasciitilde", "textasciicircum", "textasciigrave", "texttt",
            "{", "}", "&", "%", "#", "_",
        }  # fmt: skip
        for mathematics in re.findall(r"\$([^$]*)\$", shown.replace(r"\$", "")):
            assert is_plain_mathematics(mathematics) or mathematics in "<>|"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("k/d -> kappa", r"$k/d$ $\to$ $\kappa$"),
        ("omega' = -omega^2", r"$\omega'$ = -$\omega^{2}$"),
        ("(u + R)^-1", r"($u$ + $R$)$^{-1}$"),
        ("a matrix A, I think, of A. B. Smith", "a matrix A, I think, of A. B. Smith"),
        ("see lu2025.icl_error", r"see \texttt{lu2025.icl\_error}"),
        ("e.g. this", "e.g. this"),
    ],
)
def test_sentences(text, shown):
    assert sentence(text) == shown
