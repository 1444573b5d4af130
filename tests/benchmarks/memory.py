"""Memory beyond the inputs, and two threads against one."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .closed_form import in_numpy
from .pairing import Contender, Spread, interleave
from .table import Row, at_least, at_most, skipped
from .workloads import Setting, closed_form, printed_form, root_form, scattered


def beyond_inputs(setting: Setting) -> list[Row]:
    """Bytes per point that a call holds at its worst moment, its result included."""
    count = setting.points
    closed, root = scattered(closed_form(), count), scattered(root_form(), count)
    printed = scattered(printed_form(), count)
    pairs = closed_form().compile(precision="double-double")
    theirs = in_numpy(printed_form())
    calls: list[tuple[str, str, Callable[[], Any], float | None]] = [
        ("float64", "closed form in float64", lambda: closed_form()(**closed), 9.0),
        ("root", "root and error in float64", lambda: root_form()(**root), 9.0),
        ("pairs", "closed form in double-double", lambda: pairs(**closed), 17.0),
        ("lambdify", "the same by lambdify with cse", lambda: theirs(*printed.values()), None),
    ]
    rows = []
    for name, what, call, bound in calls:
        call()
        tracemalloc.start()
        try:
            result = call()
            peak = tracemalloc.get_traced_memory()[1] / count
        finally:
            tracemalloc.stop()
        del result
        rows.append(
            Row(
                f"memory-{name}",
                f"memory beyond the inputs: {what}",
                "the result, 8 or 16 B/point",
                Spread(peak, peak, peak),
                "B/point",
                None if bound is None else at_most(bound),
            )
        )
    return rows


def two_threads(setting: Setting) -> list[Row]:
    """Two threads on halves of the points against one, by the clock on the wall."""
    rows = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for name, formula in (("closed form", closed_form()), ("root and error", root_form())):
        title = f"{name}: two threads", "one thread"
        if (cores or 1) < 2:
            rows.append(skipped(f"threads-{name.split()[0]}", *title, "one core only"))
            continue
        points = scattered(formula, setting.points)
        out = np.empty(setting.points)
        half = setting.points // 2
        parts = [
            ({n: p[s] for n, p in points.items()}, out[s])
            for s in (slice(0, half), slice(half, None))
        ]
        with ThreadPoolExecutor(2) as pool:

            def both(f: Any = formula, p: Any = parts, pool: Any = pool) -> None:
                list(pool.map(lambda part: f(out=part[1], **part[0]), p))

            paired = interleave(
                {
                    "one thread": Contender.of(formula, 1, out=out, **points),
                    "two threads": Contender(both),
                },
                setting.rounds,
                setting.seconds,
                time.perf_counter,
            )
        rows.append(
            Row(
                f"threads-{name.split()[0]}",
                *title,
                paired.ratio("one thread", "two threads"),
                "x faster",
                at_least(1.5),
                note=f"wall clock, {setting.points} points; a load of {load:.1f} on {cores} cores "
                "before the run: the target holds on a quiet machine",
            )
        )
    return rows
