"""Exported sources: compiled or run where the tool is present, and held to the formula."""

import ast
import ctypes
import importlib.util
import math
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import kernel_programs
import numpy as np
import pytest
from export_tools import WOLFRAM, jax_answers, mathematica_answers, present

import derivations
from derive.export import ENDINGS, LANGUAGES, export_formula
from numerics.errors import ArgumentsError, LoweringError
from numerics.export.references import reference_values
from numerics.export.source import Reference, plain_text, write_source
from numerics.kernel import compile_program
from numerics.program import Builder, Program

GCC = shutil.which("gcc")
FORMULAS = ["classics.marchenko_pastur", "lu2025.icl_error"]


def single(program: Program, index: int) -> Program:
    body = replace(program.body, yields=(program.body.yields[index],))
    return replace(program, body=body, outputs=(program.outputs[index],))


PROGRAMS = {
    "root": single(kernel_programs.effective_ridge(), 0),
    "two_unknowns": single(kernel_programs.two_unknowns(), 2),
    "series": single(kernel_programs.sums(), 0),
    "table": single(kernel_programs.sums(), 1),
    "table_in_root": single(kernel_programs.sums(), 2),
    "nested": kernel_programs.nested(),
    "hidden": single(kernel_programs.no_root(), 0),
    "masked": single(kernel_programs.no_root(), 1),
    "least": single(kernel_programs.no_root(), 2),
}


def elementary() -> Program:
    b = Builder(("x", "gamma"))
    x, y = b.argument("x"), b.argument("gamma")
    terms = [b.op(f, x) for f in ("exp", "log", "sin", "cos", "atan", "abs", "neg", "sqrt")]
    terms += [b.op("pow", x, y), b.op("power", x, attribute=-5), b.op("minimum", x, y)]
    terms += [b.op("maximum", x, y), b.op("power", y, attribute=0), b.constant("pi")]
    mask = b.op("or", b.op("less_equal", x, y), b.op("not", b.op("equal", y, b.constant(2))))
    terms.append(b.select(b.op("and", mask, b.op("not", b.op("is_infinite", y))), x, y))
    total = terms[0]
    for t in terms[1:]:
        total = b.op("add", total, t)
    return b.program({"f": total})


PROGRAMS["elementary"] = elementary()
UNUSUAL = ("hidden", "masked", "least")  # NaN almost everywhere: no reference values


@cache
def references(name: str) -> tuple[Reference, ...]:
    if name in FORMULAS:
        return tuple(reference_values(program_of(name)))
    return tuple(reference_values(PROGRAMS[name], 4)) if name not in UNUSUAL else ()


@cache
def exported(name: str, language: str) -> str:
    if name in FORMULAS:
        return derivations.get(name).result.export(language)
    return write_source(PROGRAMS[name], LANGUAGES[language], name, [name], references(name))


def program_of(name: str) -> Program:
    return derivations.get(name).result.program if name in FORMULAS else PROGRAMS[name]


def points_for(name: str, count: int) -> list[np.ndarray]:
    program = program_of(name)
    rng = np.random.default_rng(len(name))
    columns = [np.exp2(rng.uniform(-5, 5, count)) for _ in program.arguments]
    columns[-1][::3] = np.ceil(columns[-1][::3])
    if name == "series":
        columns[1], columns[2] = np.floor(columns[1]), np.ceil(columns[2])
    if name == "lu2025.icl_error":
        columns[2][::5] = np.inf
        columns[4][::7] = 0.0
    columns[0][3], columns[0][4] = np.nan, -1.0
    return columns


@pytest.mark.skipif(GCC is None, reason="no gcc")
@pytest.mark.parametrize("name", [*FORMULAS, *PROGRAMS])
def test_c_compiles_without_warning_and_agrees_with_the_kernel(name, out):
    Path("f.c").write_text(exported(name, "c99"))
    strict = [str(GCC), "-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    strict += ["-Wno-unused-variable", "-ffp-contract=off", "f.c", "-lm"]
    subprocess.run([*strict, "-shared", "-fPIC", "-o", "f.so"], check=True)
    if "{\n};" not in Path("f.c").read_text():
        subprocess.run([*strict, "-DSELF_TEST", "-o", "test"], check=True)
        tested = subprocess.run(["./test"], check=True, capture_output=True, text=True)
        assert len(tested.stdout.splitlines()) >= 4
    program = program_of(name)
    function = getattr(ctypes.CDLL(str(out / "f.so")), re.sub(r"\W+", "_", name))
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * len(program.arguments)
    columns = points_for(name, 300)
    found = np.array([function(*(float(x) for x in p)) for p in zip(*columns, strict=True)])
    wanted = np.asarray(compile_program(program)(*columns))
    assert np.isnan(wanted[3])
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    assert np.allclose(found, wanted, rtol=1e-13, atol=0, equal_nan=True)


@pytest.mark.skipif(GCC is None, reason="no gcc")
def test_the_test_inside_an_export_can_fail(out):
    text = derivations.get("classics.marchenko_pastur").result.export("c99")
    wrong = text.replace("const double v15 = (b14 ? v13 : v11);", "const double v15 = v13 + 1e-9;")
    wrong = wrong if wrong != text else re.sub(r"sqrt\((v\d+)\)", r"sqrt(\1 + 1e-9)", text, count=1)
    assert wrong != text
    Path("f.c").write_text(wrong)
    build = [str(GCC), "-std=c99", "-O2", "-DSELF_TEST", "f.c", "-o", "test", "-lm"]
    subprocess.run(build, check=True)
    assert subprocess.run(["./test"], capture_output=True).returncode == 1


@pytest.mark.parametrize("name", [*FORMULAS, *PROGRAMS])
def test_numpy_source_needs_nothing_else_and_agrees(name, out):
    text = exported(name, "numpy")
    Path("exported.py").write_text(text)
    imported = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert [a.name for n in imported for a in n.names] == ["numpy"]
    if name in FORMULAS:
        run = subprocess.run(
            [sys.executable, "-W", "error", "-I", "exported.py"], check=True, capture_output=True
        )
        assert len(run.stdout.splitlines()) >= 8
    specification = importlib.util.spec_from_file_location("exported", out / "exported.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    function = getattr(module, re.sub(r"\W+", "_", name))
    columns = points_for(name, 200)
    wanted = np.asarray(compile_program(program_of(name))(*columns))
    found = function(*columns)
    assert np.allclose(found, wanted, rtol=1e-13, atol=0, equal_nan=True)
    scalar = function(*(float(c[0]) for c in columns))
    assert np.isclose(scalar, wanted[0], rtol=1e-13, atol=0, equal_nan=True)
    grid = function(columns[0][:4, None], *(c[:5] for c in columns[1:]))
    assert grid.shape == (4, 5)


@pytest.mark.skipif(not present("jax"), reason="JAX is not installed")
@pytest.mark.parametrize("name", [*FORMULAS, "root", "table_in_root", "nested"])
def test_jax_source_reproduces_its_references(name, out):
    text = exported(name, "jax")
    assert jax_answers([text]) == ["True"]
    wrong = re.sub(r" / ", " / (1.0 + 1e-9) / ", text, count=1)
    assert wrong != text and jax_answers([wrong]) == ["False"]


@pytest.mark.skipif(shutil.which("julia") is None, reason="Julia is not installed")
@pytest.mark.parametrize("name", [*FORMULAS, *(n for n in PROGRAMS if n != "hidden")])
def test_julia_source_reproduces_its_references(name, out):
    Path("exported.jl").write_text(exported(name, "julia"))
    subprocess.run(["julia", "--startup-file=no", "exported.jl"], check=True)


@pytest.mark.skipif(not present("tree_sitter_julia"), reason="no grammar: tree-sitter-julia")
@pytest.mark.parametrize("name", [*FORMULAS, *PROGRAMS])
def test_julia_source_parses(name):
    import tree_sitter
    import tree_sitter_julia

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_julia.language()))
    assert not parser.parse(exported(name, "julia").encode()).root_node.has_error
    assert parser.parse(
        exported(name, "julia").replace("\nend", "", 1).encode()
    ).root_node.has_error


@pytest.mark.skipif(
    not (WOLFRAM or present("mathics")), reason="neither Wolfram kernel nor Mathics"
)
@pytest.mark.parametrize("name", [*FORMULAS, "root", "table_in_root", "nested"])
def test_mathematica_source_reproduces_its_references(name, out):
    text = exported(name, "mathematica")
    assert mathematica_answers([text]) == ["True"]
    wrong = re.sub(r"/ ", "/ (1 + 10^-9) / ", text, count=1)
    assert wrong != text and mathematica_answers([wrong]) == ["False"]


@pytest.mark.parametrize("language", [n for n in ENDINGS if n != "latex"])
@pytest.mark.parametrize("name", [*FORMULAS, *PROGRAMS])
def test_every_language_is_balanced_and_holds_its_references(name, language):
    """What can be said of a source without its tool: nothing is left open, every value is there."""
    text = exported(name, language)
    code = re.sub(r"/\*.*?\*/|\(\*.*?\*\)|^ *#.*?$|\"\"\".*?\"\"\"", "", text, flags=re.S | re.M)
    for opening, closing in ("()", "[]", "{}"):
        assert code.count(opening) == code.count(closing)
    assert text.isascii() and text.endswith("\n")
    for reference in references(name):
        assert repr(abs(reference.value)).partition("e")[0] in text


def test_latex_is_a_document_with_the_closed_form_its_letters_and_its_values():
    formula = derivations.get("classics.marchenko_pastur").result
    text = formula.export("latex")
    assert "\\[M_\\kappa(u) = \\frac{2}{" in text and "$u$ & " in text
    rows = re.findall(r"^([\d.]+) & ([\d.]+) & ([\d.]+)", text, flags=re.M)
    assert len(rows) >= 8 and r"\infty & " in text
    kappa, u, value = map(float, rows[0])
    assert math.isclose(formula(kappa=kappa, u=u), value, rel_tol=1e-14)
    root = derivations.get("lu2025.icl_error").result.export("latex")
    assert r"\begin{align*}" in root and "effective ridge" in root


def test_references_allow_for_the_rounding_of_what_cannot_escalate():
    """(x + delta/2^20) - x is well-conditioned, and rounded all the same."""
    b = Builder(("x", "delta"))
    x, delta = b.argument("x"), b.argument("delta")
    far = b.op("mul", delta, b.constant(Fraction(1, 2**20)))
    program = b.program({"y": b.op("sub", b.op("add", x, far), x)})
    found = reference_values(program)
    assert len(found) >= 8
    missed = 0
    for r in found:
        error = abs(((r.point[0] + r.point[1] / 2**20) - r.point[0]) - r.value)
        assert error <= r.tolerance * abs(r.value) and r.tolerance < 1e-6
        missed += error > 12 * 2.0**-52 * abs(r.value)
    assert missed >= 4  # 8 + 4 condition numbers would have been broken by plain arithmetic


def test_references_are_certified_and_include_the_limits():
    program = derivations.get("lu2025.icl_error").result.program
    found = reference_values(program)
    assert any(math.isinf(r.point[2]) for r in found)  # kappa
    assert any(r.point[4] == 0.0 for r in found) and any(r.point[3] == 0.0 for r in found)
    kernel = compile_program(program)
    for r in found:
        assert abs(float(kernel(*r.point)) - r.value) <= r.tolerance * r.value
        assert r.tolerance < 1e-12


def hostile_names(count: int) -> list[str]:
    rng = random.Random(7)
    seeds = ["*/ system(x)", '"""', "a;b", "x]", "${x}", "__import__('os')", "a b", "é", "\\input"]
    seeds += ["x\n#", "1x", "", "a" * 65, "f(x)", "x}", "x\x00", "a-b", "π", "(*", "//", "x`y"]
    while len(seeds) < count:
        letters = "abcXYZ019_*/()[]{}'\"\\;#$`\n \t.,&|<>é"
        seeds.append("".join(rng.choice(letters) for _ in range(rng.randrange(1, 12))))
    return seeds


def test_no_name_reaches_a_source_as_it_was_typed():
    plain = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")
    for name in hostile_names(1000):
        b = Builder((name,))
        program = b.program({"y": b.op("sqrt", b.argument(name))})
        for language in LANGUAGES.values():
            if plain.match(name):
                write_source(program, language, "f", [], [])
            else:
                with pytest.raises(ArgumentsError, match="not a plain name"):
                    write_source(program, language, "f", [], [])
        title = plain_text(name)
        assert not re.search(r"\*/|\*\)|\"|\\|\n|`", title) and title.isascii()


@pytest.mark.parametrize("language", LANGUAGES)
def test_reserved_words_and_words_that_collide_become_parameters(language, out):
    names = ("double", "lambda", "end", "v1", "x_y", "xY", "E", "np", "zero", "Module", "sqrt")
    b = Builder(names)
    total = b.argument(names[0])
    for name in names[1:]:
        total = b.op("add", total, b.op("mul", b.argument(name), b.constant(2)))
    program = b.program({"f": total})
    text = write_source(
        program, LANGUAGES[language], "f", ["*/ *) # "], reference_values(program, 3)
    )
    if language == "numpy":
        Path("f.py").write_text(text)
        subprocess.run([sys.executable, "-I", "f.py"], check=True)
    if language == "c99" and GCC:
        Path("f.c").write_text(text)
        build = [str(GCC), "-std=c99", "-DSELF_TEST", "f.c", "-o", "test", "-lm"]
        subprocess.run(build, check=True)
        subprocess.run(["./test"], check=True)
    if language == "mathematica":
        assert not re.search(r"\b[A-Za-z]*[A-Za-z]_[A-Za-z]", text)


def test_what_cannot_be_exported_is_said():
    formula = derivations.get("classics.marchenko_pastur").result
    with pytest.raises(ArgumentsError, match=r"'fortran'.*not known.*c99"):
        export_formula(formula, "fortran")
    with pytest.raises(ArgumentsError, match="2 outputs"):
        write_source(kernel_programs.effective_ridge(), LANGUAGES["c99"], "f", [], [])
    b = Builder(("x",))
    program = b.program({"z": b.op("erf", b.argument("x"))})
    with pytest.raises(LoweringError, match="C99 has no operation 'erf'"):
        write_source(program, LANGUAGES["c99"], "f", [], [])
