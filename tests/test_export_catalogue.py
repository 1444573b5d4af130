"""Every export of every result reproduces its reference values, in every tool that is present."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from export_tools import WOLFRAM, jax_answers, mathematica_answers, present

import derivations
from numerics.errors import LoweringError

IDS = [d.id for d in derivations.catalog()]

_each = pytest.mark.parametrize(
    "id", [pytest.param(i, marks=pytest.mark.xdist_group(i)) for i in IDS]
)


def sources(id: str, language: str) -> dict[str, str]:
    """Return the exports of all results of a page."""
    found = {}
    for formula in derivations.get(id).results.values():
        try:
            found[re.sub(r"\W+", "_", formula.name)] = formula.export(language)
        except LoweringError:
            continue
    return found


@pytest.mark.slow
@_each
def test_numpy_source_reproduces_its_references(id, out):
    for name, text in sources(id, "numpy").items():
        Path(f"{name}.py").write_text(text)
        subprocess.run([sys.executable, "-W", "error", "-I", f"{name}.py"], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
@pytest.mark.parametrize("options", ["-O2 -ffp-contract=off", "-O3 -march=native"])
@_each
def test_c_source_reproduces_its_references(id, options, out):
    strict = "-std=c99 -Wall -Wextra -Wpedantic -Werror -Wno-unused-variable -DSELF_TEST".split()
    for name, text in sources(id, "c99").items():
        Path(f"{name}.c").write_text(text)
        build = ["gcc", *strict, *options.split(), f"{name}.c", "-o", name, "-lm"]
        subprocess.run(build, check=True)
        subprocess.run([f"./{name}"], check=True)


@pytest.mark.slow
@pytest.mark.skipif(not present("jax"), reason="JAX is not installed: pip install jax")
@_each
def test_jax_source_reproduces_its_references(id, out):
    written = sources(id, "jax")
    answers = jax_answers(list(written.values()))
    assert dict(zip(written, answers, strict=True)) == dict.fromkeys(written, "True")


@pytest.mark.slow
@pytest.mark.skipif(
    not (WOLFRAM or present("mathics")),
    reason="neither a Wolfram kernel nor Mathics: pip install Mathics3",
)
@_each
def test_mathematica_source_reproduces_its_references(id, out):
    written = sources(id, "mathematica")
    answers = mathematica_answers(list(written.values()))
    assert dict(zip(written, answers, strict=True)) == dict.fromkeys(written, "True")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("julia") is None, reason="Julia is not installed")
@_each
def test_julia_source_reproduces_its_references(id, out):
    for name, text in sources(id, "julia").items():
        Path(f"{name}.jl").write_text(text)
        subprocess.run(["julia", "--startup-file=no", f"{name}.jl"], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@_each
def test_latex_compiles_within_the_margins(id, out):
    for name, text in sources(id, "latex").items():
        Path(f"{name}.tex").write_text(text)
        command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error"]
        subprocess.run([*command, f"{name}.tex"], check=True, capture_output=True)
        log = Path(f"{name}.log").read_text(errors="replace")
        assert "Missing character" not in log and "undefined" not in log.lower()
        wide = re.findall(r"Overfull \\hbox \(([0-9.]+)pt", log)
        assert max(map(float, wide), default=0.0) < 5
