"""Figure 2 of Lu et al.: dependence on the context length, which need not be monotone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import derivations
from derivations.figures import Picture, Progress, figure
from derivations.lu2025.figure_data import COLORS, Numbers, linear_attention, measured, run_studies
from numerics.monte_carlo_sweep import MonteCarloSweep, grid
from numerics.plotting import house_style, logarithmic, new_figure, points

TAUS = (0.5, 20.0)
KAPPAS = (0.2, 0.5, 1.0, math.inf)
RHO, LAM = 0.1, 1e-6
SIMULATED = (0.5, 2.0, 10.0, 100.0, 1000.0)
NAMES = {"icl": "new tasks", "idg": "pretraining tasks"}


def simulated_size(size: int, tau: float) -> int:
    """Return the dimension simulated at a tau: half as large where tau d^2 sequences are many."""
    return size if tau < 4 else max(size // 2, 4)


@figure("lu2025.fig2")
def context_length(*, size: int, seeds: int, seed: int, progress: Progress | None) -> Picture:
    """Longer contexts help only up to a point when there are fewer tasks than min(tau, 1) d.

    Both errors against alpha at tau = 0.5 and 20, rho = 0.1, several task diversities kappa. The
    minimum of a curve that turns up is marked by a star.
    """
    studies = [
        MonteCarloSweep(
            f"fig2 tau={tau:g}",
            linear_attention,
            grid(kappa=KAPPAS, alpha=SIMULATED, tau=[tau], rho=[RHO], lam=[LAM]),
            [simulated_size(size, tau)],
            seeds,
            seed,
        )
        for tau in TAUS
    ]
    results = run_studies(studies, progress)
    alpha = np.geomspace(0.1, 2e3, 400)
    theory = {name: derivations.get(f"lu2025.{name}_error").result for name in NAMES}
    drawing, panels = new_figure(2, 2, width=4.2, height=3.0)
    numbers = Numbers(
        "error", "source", "tau", "kappa", "rho", "lam", "alpha", "value", "standard_error"
    )
    for column, (tau, simulated) in enumerate(zip(TAUS, results, strict=True)):
        d = simulated_size(size, tau)
        for row, name in enumerate(NAMES):
            panel = panels[row, column]
            for i, (kappa, color) in enumerate(zip(KAPPAS, COLORS, strict=False)):
                held: dict[str, Any] = {"tau": tau, "kappa": kappa, "rho": RHO, "lam": LAM}
                values = theory[name](alpha=alpha, **held)
                label = r"$\kappa=\infty$" if kappa == math.inf else rf"$\kappa={kappa:g}$"
                panel.plot(alpha, values, color=color, label=label)
                numbers.add(error=name, source="theory", **held, alpha=alpha, value=values)
                lowest = int(np.argmin(values))
                if 0 < lowest < len(alpha) - 1 and values[-1] > 1.01 * values[lowest]:
                    star = {"marker": "*", "markersize": 9, "zorder": 4}
                    panel.plot(alpha[lowest], values[lowest], color=color, **star)
                at = [simulated.result(i * len(SIMULATED) + j, d) for j in range(len(SIMULATED))]
                x, means, spreads = measured(at, "alpha", name)
                points(panel, x, means, spreads, color=color)
                numbers.add(
                    error=name, source=f"simulation d={d}", **held,
                    alpha=x, value=means, standard_error=spreads,
                )  # fmt: skip
    with house_style():
        for column, tau in enumerate(TAUS):
            for row, (name, words) in enumerate(NAMES.items()):
                panel = panels[row, column]
                panel.set_xscale("log")
                logarithmic(panel, y=True)
                panel.set_title(
                    rf"$e_{{\mathrm{{{name.upper()}}}}}$, {words}, $\tau={tau:g}$", fontsize=10
                )
                if row == 1:
                    panel.set_xlabel(r"$\alpha=\ell/d$")
            panels[0, column].set_ylim(0.08, 200)
        for row in (0, 1):
            panels[row, 0].set_ylabel("test error")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawing.legend(
            handles, labels, loc="outside right upper", title=rf"$\rho={RHO:g}$, $\lambda\to0$"
        )
        sizes = ", ".join(rf"d = {simulated_size(size, t)} at tau = {t:g}" for t in TAUS)
        drawing.supxlabel(
            f"lines: theory; points: simulations ({sizes}; {seeds} seeds); star: best context",
            fontsize=8,
            color="0.35",
        )
    return Picture(drawing, numbers.columns)
