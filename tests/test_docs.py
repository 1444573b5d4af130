"""The documents are true: every example runs, the catalogue in the README is current."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import derivations
import derive
import numerics
from derivations.cli import run
from derivations.shell.listing import markdown_table

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    name
    for package in (numerics, derive, derivations)
    for name in (
        package.__name__,
        *(
            m.name
            for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
            if not m.name.endswith("__main__")
        ),
    )
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TABLE = re.compile(r"<!-- derive list --markdown -->\n(.*?)\n<!-- end -->", re.S)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_examples_in_the_readme(out):
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    names: dict = {}
    for number, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"README block {number}", "README.md", 0)
        assert example.examples, block
        runner.run(example, clear_globs=False)
        names.update(example.globs)
    assert runner.summarize(verbose=False).failed == 0


def _commands(text: str) -> list[str]:
    found, language = [], None
    for line in text.splitlines():
        if line.startswith("```"):
            language = None if language is not None else line[3:]
        elif language == "sh":
            found.append(line.split("#")[0].strip())
    return found


@pytest.mark.parametrize("command", _commands(README))
def test_commands_in_the_readme(command, out, capsys):
    words = shlex.split(command)[1:]
    if words[0] == "figure":
        words.append("--quick")  # the same picture from a smaller simulation
    assert run(words) == 0, capsys.readouterr().err
    for name in re.findall(r"\S+\.(?:tex|npz|csv|png)", command):
        assert (out / name).stat().st_size > 0


def test_every_command_is_in_the_readme():
    said = {c.split()[1] for c in _commands(README)}
    assert {"list", "show", "check", "latex", "eval", "simulate", "figure"} <= said


def _without_verdicts(table: str) -> list[str]:
    return [line[:-1].rpartition("|")[0] for line in table.splitlines()]


def test_the_catalogue_of_the_readme_is_current(update_golden):
    catalogue = derivations.catalog()
    if update_golden:
        for d in catalogue:
            d.check()
        fresh = markdown_table(catalogue.rows())
        new = TABLE.sub(lambda m: m[0].replace(m[1], fresh) if m[1] else m[0], README)
        (ROOT / "README.md").write_text(new, encoding="utf-8")
        return
    (table,) = TABLE.findall(README)
    assert _without_verdicts(table) == _without_verdicts(markdown_table(catalogue.rows())), (
        "run: pytest tests/test_docs.py -k catalogue --update-golden"
    )


@pytest.mark.parametrize(
    "id",
    [
        pytest.param(i, marks=pytest.mark.xdist_group(i))
        for i in (d.id for d in derivations.catalog())
    ],
)
def test_the_verdict_of_the_readme_is_current(id):
    row = re.search(rf"^\| `{re.escape(id)}` \|.*\| ([a-z]+) \|$", README, re.M)
    if row is None:
        return  # the test of the whole table says what to do
    assert row.group(1) == derivations.get(id).status.name.lower()


def test_the_one_file_of_contributing_is_enough(tmp_path):
    """A fresh process finds the file that the text tells a newcomer to write."""
    (source,) = [
        b for b in re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.S) if "@derivation(" in b
    ]
    paper = tmp_path / "papers" / "example2026"
    paper.mkdir(parents=True)
    (paper.parent / "__init__.py").write_text('"""Papers."""\n')
    (paper / "__init__.py").write_text('"""Stein 1956."""\n')
    (paper / "shrinkage.py").write_text(source)
    probe = """
import sys
from pathlib import Path
import derivations
from derivations.cli import run
from derive.registry import register_root
register_root("papers", Path("papers").resolve())
d = derivations.get("example2026.shrinkage")
assert d.check().name == "PROVED", d.table()
assert d.result.ball(bits=80, nu="1/2").contains("1/3")
assert run(["check", "example2026.shrinkage", "--mutants"]) == 0
assert run(["latex", "example2026.shrinkage", "-o", "shrinkage.tex"]) == 0
assert run(["eval", "example2026.shrinkage", "--nu", "0.1:10:5", "-o", "e.csv"]) == 0
assert run(["simulate", "example2026.shrinkage", "--nu", "0.3", "--size", "64,128,256"]) == 0
assert any(row[0] == "example2026.shrinkage" for row in derivations.catalog().rows())
"""
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "z = " in done.stdout and "refuted" in done.stdout
    assert (tmp_path / "e.csv").read_text().startswith("nu,error\n0.1,")


def test_names_of_derive_are_loaded_when_used():
    submodules = {m.name for m in pkgutil.iter_modules(derive.__path__)}
    for name in derive.__all__:
        assert getattr(derive, name) is not None
        assert name not in submodules, "a submodule of that name would hide it"
    with pytest.raises(AttributeError):
        derive.no_such_name  # noqa: B018


def test_nothing_in_the_repository_speaks_of_this_machine():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".cff", ".yaml", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not re.search("/" + r"(home|root|work|Users)/", text), name
