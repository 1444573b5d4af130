"""Running exported sources with the tools they are written for, where these are installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WOLFRAM = shutil.which("wolframscript")

_MATHICS = """
import sys
from mathics.core.load_builtin import import_and_load_builtins
import_and_load_builtins()
from mathics.session import MathicsSession
session = MathicsSession(add_builtin=True, catch_interrupt=False)
session.evaluate("$IterationLimit = 1000000")  # counts the rounds of every loop here
for path, test in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    session.evaluate(open(path).read())
    print(str(session.evaluate(test + "[]")).removeprefix("System`"), flush=True)
"""

_JAX = """
import sys
for path, name in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    namespace = {"__name__": "exported"}
    exec(compile(open(path).read(), path, "exec"), namespace)
    rows = namespace["REFERENCE"]
    wrong = [p for *p, y, e in rows if not abs(float(namespace[name](*p)) - y) <= e * abs(y)]
    print(bool(rows) and not wrong, flush=True)
"""


def present(package: str) -> bool:
    """Return whether a Python package is installed."""
    return importlib.util.find_spec(package) is not None


def mathematica_answers(sources: Sequence[str]) -> list[str]:
    """Return what the test inside each source says, by Mathics or else by a Wolfram kernel."""
    names = [re.findall(r"(\w+Test)\[\] :=", text)[-1] for text in sources]
    paths = _written(sources, ".wl")
    if WOLFRAM is None:
        return _lines([sys.executable, "-W", "ignore", "-c", _MATHICS, *_paired(paths, names)])
    found = []
    for path, name in zip(paths, names, strict=True):
        Path(path).write_text(f"{Path(path).read_text()}\nPrint[{name}[]];\n")
        found += _lines([WOLFRAM, "-file", path])[-1:]
    return found


def jax_answers(sources: Sequence[str]) -> list[str]:
    """Return for each JAX source whether it reproduces every reference value."""
    names = [re.search(r"@jax.jit\ndef (\w+)\(", text)[1] for text in sources]
    paths = _written(sources, ".py")
    return _lines([sys.executable, "-W", "ignore", "-c", _JAX, *_paired(paths, names)])


def _written(sources: Sequence[str], ending: str) -> list[str]:
    paths = [f"exported{k}{ending}" for k in range(len(sources))]
    for path, text in zip(paths, sources, strict=True):
        Path(path).write_text(text)
    return paths


def _paired(paths: Sequence[str], names: Sequence[str]) -> list[str]:
    return [word for pair in zip(paths, names, strict=True) for word in pair]


def _lines(command: Sequence[str]) -> list[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return run.stdout.split()
