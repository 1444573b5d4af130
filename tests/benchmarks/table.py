"""Rows of the table: what was measured, against what, the target, and whether it was met."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .pairing import Spread

PACKAGES = ("numpy", "scipy", "sympy", "numba", "llvmlite", "python-flint", "mpmath", "gmpy2")
PACKAGES += ("numexpr", "symengine", "heyoka", "jax")


@dataclass(frozen=True)
class Target:
    """A bound on a value: ``at most`` or ``at least`` so much."""

    words: str
    value: float

    def met(self, value: float) -> bool:
        """Tell whether a value keeps the bound."""
        return value <= self.value if self.words == "at most" else value >= self.value


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    name : str
        By which the row is chosen on the command line and in tests.
    what, against : str
        What was measured, and the anchor.
    value : Spread or None
        None where the row was skipped; the note says why.
    unit : str
        ``x`` (times as long), ``x faster``, ``B/point``, ``points/s``, ``MiB``.
    target : Target or None
        None where the row is there for orientation.
    note : str
        Conditions in a few words.
    nanoseconds : mapping of str to float
        Median time per point of every contender; only the ratios mean something.
    """

    name: str
    what: str
    against: str
    value: Spread | None
    unit: str = "x"
    target: Target | None = None
    note: str = ""
    nanoseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, ``skipped``, or nothing where there is no target."""
        if self.value is None:
            return "skipped"
        if self.target is None:
            return ""
        return "met" if self.target.met(self.value.median) else "missed"


def at_most(value: float) -> Target:
    """Return an upper bound."""
    return Target("at most", value)


def at_least(value: float) -> Target:
    """Return a lower bound."""
    return Target("at least", value)


def skipped(name: str, what: str, against: str, why: str) -> Row:
    """Return a row that says why nothing was measured."""
    return Row(name, what, against, None, note=why)


def machine() -> dict[str, Any]:
    """Describe the machine as far as it matters: processor, cores, load, versions; no names."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_at_start": round(load, 2),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    entries = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), value.strip())
    model = entries.get("model name", platform.machine())
    number = entries.get("model")
    return f"{model} (family {entries.get('cpu family')}, model {number})" if number else model


def markdown(rows: Sequence[Row], where: Mapping[str, Any]) -> str:
    """Write the table of the README.

    Parameters
    ----------
    rows : sequence of Row
        In order.
    where : mapping
        From :func:`machine`.

    Returns
    -------
    str
        A Markdown table and one line about the machine.
    """
    lines = [
        "| measured | against | median (quartiles) | target | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        target = "" if row.target is None else f"{row.target.words} {_number(row.target.value)}"
        verdict = {"met": "met", "missed": "**missed**", "": ""}.get(row.verdict, row.verdict)
        lines.append(f"| {row.what} | {row.against} | {_shown(row)} | {target} | {verdict} |")
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    lines += [
        "",
        f"{where['processor']}, {where['cores']} cores, load {where['load_at_start']} at the start "
        f"({where['system']}); {versions}.",
    ]
    return "\n".join(lines)


def terminal_text(rows: Sequence[Row], where: Mapping[str, Any]) -> str:
    """Write the table for a terminal, with the notes and the times per point."""
    lines = [
        f"{where['processor']}, {where['cores']} cores, load {where['load_at_start']} at the start",
        "",
    ]
    for row in rows:
        target = (
            "" if row.target is None else f"  ({row.target.words} {_number(row.target.value)}: "
        )
        end = f"{target}{row.verdict.upper()})" if target else ""
        lines.append(f"{row.what}, against {row.against}: {_shown(row)}{end}")
        if row.note and row.value is not None:
            lines.append(f"    {row.note}")
        if row.nanoseconds:
            times = ", ".join(f"{k} {_number(v)}" for k, v in row.nanoseconds.items())
            lines.append(f"    ns per point: {times}")
    return "\n".join(lines)


def _shown(row: Row) -> str:
    if row.value is None:
        return f"skipped: {row.note}"
    v = row.value
    suffix = row.unit if row.unit.startswith("x") else f" {row.unit}"
    return f"{_number(v.median)}{suffix} ({_number(v.low)}-{_number(v.high)})"


def _number(value: float) -> str:
    if value >= 1e5 or (value != 0 and value < 1e-3):
        return f"{value:.2g}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def record(rows: Sequence[Row], where: Mapping[str, Any]) -> str:
    """Return everything as JSON."""
    table = [{**asdict(row), "verdict": row.verdict} for row in rows]
    return json.dumps({"machine": where, "command": sys.argv[1:], "rows": table}, indent=1) + "\n"
