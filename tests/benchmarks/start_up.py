"""A second process: from nothing to the first value, with warm caches, against plain imports."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from .pairing import Spread
from .table import Row, at_most
from .workloads import ROOT, Setting

VALUE = (
    "import derivations; "
    f"derivations.get('{ROOT}').result(tau=0.5, alpha=1.0, kappa=0.5, rho=0.01, lam=0.001)"
)
PROGRAMS = {"derive": VALUE, "import numpy": "import numpy", "import sympy": "import sympy"}
PROGRAMS |= {"import numpy and llvmlite": "import numpy, llvmlite.binding"}
REPOSITORY = Path(__file__).resolve().parents[2]


def second_process(setting: Setting) -> list[Row]:
    """Fresh processes in alternation; the first of each fills the caches and is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    processor: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for turn in range(setting.rounds + 1):
        order = list(PROGRAMS)
        for name in order if turn % 2 else reversed(order):
            seconds, work = _run(PROGRAMS[name])
            if turn:
                wall[name].append(seconds)
                processor[name].append(work)
    rows = []
    for clock, times in (("processor time", processor), ("wall clock", wall)):
        for anchor, bound in (("import numpy", 1.6), ("import sympy", 1.5)):
            pairs = zip(times["derive"], times[anchor], strict=True)
            rows.append(
                Row(
                    f"start-{anchor.split()[1]}-{clock.split()[0]}",
                    f"second process to its first value, {clock}",
                    anchor,
                    Spread.of([a / b for a, b in pairs]),
                    target=at_most(bound),
                    note="milliseconds: "
                    + ", ".join(
                        f"{n} {1e3 * sorted(t)[len(t) // 2]:.0f}" for n, t in times.items()
                    ),
                )
            )
    return rows


def _run(program: str) -> tuple[float, float]:
    """Run a fresh interpreter; return its wall time and its processor time."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = "1"  # a library that starts threads at import is not what is timed
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # all that is compared has been compiled
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=REPOSITORY)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
