"""The ridge problem of linear attention: conjugate gradients against normal equations."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from numerics.khatri_rao import KhatriRaoFeatures
from numerics.population import training_task_moments
from numerics.prompts import sample_prompts
from numerics.ridge import (
    second_moment_preconditioner,
    solve_by_conjugate_gradient,
    solve_by_normal_equations,
)
from numerics.sampling import draw_tasks, uniform_assignment

from .pairing import Contender, Spread, interleave
from .table import Row, at_least, at_most
from .workloads import Setting

TAU, ALPHA, KAPPA, RHO, LAM = 2.0, 1.0, 0.5, 0.01, 0.1


def conjugate_gradients(setting: Setting) -> list[Row]:
    """One pretraining set at d = 80 (d = 40 in a quick run), preconditioned by the population."""
    d = 80 if setting.points >= 1_000_000 else 40
    tasks = draw_tasks(round(KAPPA * d), d, 1)
    n, length = round(TAU * d * d), round(ALPHA * d)
    prompts = sample_prompts(tasks, uniform_assignment(n, len(tasks), 2), length, RHO, 3)
    second = training_task_moments(tasks, length, RHO).second
    features = KhatriRaoFeatures(prompts.queries, prompts.contexts)
    labels = prompts.labels

    def steps():
        preconditioner = second_moment_preconditioner(features, second, LAM)
        return solve_by_conjugate_gradient(features, labels, LAM, preconditioner=preconditioner)

    def factorise():
        return solve_by_normal_equations(features, labels, LAM)

    tracemalloc.start()
    try:
        found = steps()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(found.gamma, factorise().gamma, atol=1e-6)
    paired = interleave(
        {"steps": Contender(steps), "factorisation": Contender(factorise)},
        min(setting.rounds, 3),
        0.0,
        time.process_time,
    )
    words = f"ridge estimator, d = {d}, tau = 2, lam = 0.1, one thread"
    return [
        Row(
            "ridge",
            f"{words}: {found.report.iterations} conjugate-gradient steps",
            "blocked normal equations and Cholesky",
            paired.ratio("factorisation", "steps"),
            "x faster",
            at_least(15.0 if d == 80 else 4.0),
        ),
        Row(
            "ridge-memory",
            f"{words}: memory beyond the data",
            f"the matrix of the normal equations, {8 * features.count**2 / 2**20:.0f} MiB",
            Spread(peak, peak, peak),
            "MiB",
            at_most(64.0),
        ),
    ]
