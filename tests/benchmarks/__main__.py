"""``python -m tests.benchmarks [--quick] [--only NAME] [--json FILE] [--markdown]``."""

from __future__ import annotations

import os

# before NumPy is imported: every row but one is about one thread
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

from . import closed_form, fixed_points, memory, precision, ridge, start_up  # noqa: E402
from .table import machine, markdown, record, terminal_text  # noqa: E402
from .workloads import FULL, QUICK  # noqa: E402

GROUPS = {
    "c": closed_form.against_c,
    "c-root": fixed_points.against_c,
    "grid": closed_form.on_grids,
    "lambdify": closed_form.against_lambdify,
    "scipy": fixed_points.against_scipy,
    "compilers": closed_form.against_compilers,
    "pairs": precision.double_double,
    "balls": precision.certified,
    "quad": precision.against_quad,
    "start": start_up.second_process,
    "memory": memory.beyond_inputs,
    "threads": memory.two_threads,
    "ridge": ridge.conjugate_gradients,
}


def main() -> int:
    """Measure, print, and return how many targets were missed (at most 100)."""
    parser = argparse.ArgumentParser(prog="derive bench", description="Ratios measured in pairs.")
    parser.add_argument("--quick", action="store_true", help="fewer points and rounds")
    parser.add_argument("--only", nargs="+", choices=GROUPS, help="some groups of rows")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--markdown", action="store_true", help="print the table of the README")
    chosen = parser.parse_args()
    where = machine()
    setting = QUICK if chosen.quick else FULL
    rows = []
    for name in chosen.only or GROUPS:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # textbook forms divide by zero now and then
            rows += GROUPS[name](setting)
        print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    print(markdown(rows, where) if chosen.markdown else terminal_text(rows, where))
    if chosen.json:
        chosen.json.write_text(record(rows, where), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
