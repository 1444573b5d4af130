"""The three layers, what importing them costs, and what may not appear in their text."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("numerics", "derive", "derivations")
FILES = [p for layer in LAYERS for p in sorted((ROOT / layer).rglob("*.py"))]
LONGEST = 450

# The one place that turns text into code: it prints programs, never what a user typed.
CODE_GENERATORS = {"numerics/compile.py"}
# Serialised objects of numba's own making would need pickle; none is read or written by us.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "parse_expr", "lambdify", "execfile"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
    return found


def _violations(source: str) -> list[str]:
    """Return what the text of a module must not hold, in words."""
    found = []
    tree = ast.parse(source)
    for module in _imported(tree):
        if module.split(".")[0] in FORBIDDEN_MODULES:
            found.append(f"imports {module}")
        if "sympy.parsing" in module:
            found.append(f"imports {module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [f"imports {a.name}" for a in node.names if a.name in FORBIDDEN_CALLS - {
                "compile"}]  # fmt: skip
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        owner = called.value if isinstance(called, ast.Attribute) else None
        name = getattr(called, "id", getattr(called, "attr", ""))
        # x.eval() and re.compile() are methods of something else; builtins and SymPy's are not
        bare = owner is None or (
            isinstance(owner, ast.Name) and owner.id in {"sp", "sympy", "builtins"}
        )
        if name in FORBIDDEN_CALLS and bare:
            found.append(f"calls {name} in line {node.lineno}")
        if name in ("sympify", "S") and node.args and bare:
            text = node.args[0]
            if isinstance(text, ast.Constant | ast.JoinedStr) and not (
                isinstance(text, ast.Constant) and isinstance(text.value, int)
            ):
                found.append(f"sympifies text in line {node.lineno}")
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg == "allow_pickle" and not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                found.append(f"allows pickle in line {node.lineno}")
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_layers_point_one_way(path):
    above = LAYERS[LAYERS.index(path.relative_to(ROOT).parts[0]) + 1 :]
    for module in _imported(ast.parse(path.read_text(encoding="utf-8"))):
        assert module.split(".")[0] not in above, f"{_name(path)} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if _name(p) not in CODE_GENERATORS], ids=_name)
def test_nothing_evaluates_text(path):
    assert _violations(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "exec('pass')",
        "import pickle",
        "from pickle import loads",
        "sp.lambdify(x, y)",
        "from sympy import lambdify",
        "from sympy.parsing.sympy_parser import parse_expr",
        "sympy.sympify('x + 1')",
        "sp.S('x')",
        "np.load(f, allow_pickle=True)",
        "__import__('os')",
    ],
)
def test_the_check_of_the_text_can_fail(source):
    assert _violations(source)


def test_the_check_of_the_text_lets_ordinary_code_pass():
    assert not _violations("re.compile('a'); sp.sympify(x); sp.S(0); model.eval(); f.subs(x, 1)")


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_modules_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("package", LAYERS)
def test_importing_a_package_is_cheap(package):
    probe = (
        f"import sys, {package}; "
        "print(sorted({'numba', 'sympy', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_catalogue_is_read_without_sympy():
    probe = (
        "import sys, derivations; repr(derivations.catalog()); "
        "print(sorted({'numba', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
