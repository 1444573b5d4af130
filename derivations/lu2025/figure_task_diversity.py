"""Figure 4 of Lu et al.: from memorisation to generalisation as tasks become diverse."""

from __future__ import annotations

from typing import Any

import numpy as np

import derivations
from derivations.figures import Picture, Progress, figure
from derivations.lu2025.figure_data import (
    COLORS,
    Numbers,
    linear_attention,
    listed_tasks,
    measured,
    run_studies,
)
from numerics.monte_carlo_sweep import MonteCarloSweep
from numerics.plotting import house_style, new_figure, points

RATIO, RHO, LAM = 0.2, 0.01, 1e-6
ALPHAS = (6.0, 10.0, 20.0, 40.0)
KAPPAS = tuple(float(k) for k in np.geomspace(0.2, 32, 8).round(4))
TRIALS = 100


@figure("lu2025.fig4")
def task_diversity(*, size: int, seeds: int, seed: int, progress: Progress | None) -> Picture:
    """The gap between new and known tasks closes above kappa = 1 for linear attention only.

    Left: g_task = e_ICL - e_IDG against kappa at rho = 0.01, tau = 0.2 alpha; the Bayes estimator
    for the list of tasks (dMMSE) never closes it, ridge regression on the context (Bayes for
    Gaussian tasks) has none. Right: the errors themselves at alpha = 20.
    """
    linear = MonteCarloSweep(
        "fig4",
        linear_attention,
        [
            {"alpha": a, "kappa": k, "tau": RATIO * a, "rho": RHO, "lam": LAM}
            for a in ALPHAS
            for k in KAPPAS
        ],
        [size],
        seeds,
        seed,
    )
    listed = MonteCarloSweep(
        "fig4 dmmse",
        listed_tasks,
        [{"alpha": a, "kappa": k, "rho": RHO, "trials": TRIALS} for a in ALPHAS for k in KAPPAS],
        [size],
        seeds,
        seed,
    )
    simulated, bayes = run_studies([linear, listed], progress)
    gap = derivations.get("lu2025.task_generalization_gap").result
    kappa = np.geomspace(0.1, 60, 300)
    drawing, panels = new_figure(1, 2, width=4.6, height=3.8)
    numbers = Numbers(
        "quantity", "source", "alpha", "tau", "rho", "lam", "kappa", "value", "standard_error"
    )
    left, right = panels[0]
    for i, (alpha, color) in enumerate(zip(ALPHAS, COLORS, strict=False)):
        held: dict[str, Any] = {"alpha": alpha, "tau": RATIO * alpha, "rho": RHO, "lam": LAM}
        values = gap(kappa=kappa, **held)
        left.plot(kappa, values, color=color, label=rf"$\alpha={alpha:g}$")
        numbers.add(quantity="g_task", source="theory", **held, kappa=kappa, value=values)
        for result, marker, style in ((simulated, "o", "none"), (bayes, "s", ":")):
            at = [result.result(i * len(KAPPAS) + j, size) for j in range(len(KAPPAS))]
            x, means, spreads = measured(at, "kappa", "g_task")
            left.plot(x, means, linestyle=style, color=color, linewidth=1)
            points(left, x, means, spreads, color=color, marker=marker)
            model = "linear attention" if result is simulated else "dMMSE"
            numbers.add(
                quantity="g_task", source=f"{model}, simulation d={size}", **held,
                kappa=x, value=means, standard_error=spreads,
            )  # fmt: skip
    _errors(right, numbers, size, simulated, bayes, kappa)
    with house_style():
        from matplotlib.lines import Line2D

        for panel in panels[0]:
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.axvline(1, color="0.8", linewidth=0.8, zorder=0)
            panel.set_xlabel(r"$\kappa=k/d$")
        left.set_ylabel(r"$g_{\mathrm{task}}=e_{\mathrm{ICL}}-e_{\mathrm{IDG}}$")
        left.set_ylim(2e-5, 10)
        left.set_title("new tasks against pretraining tasks", fontsize=10)
        right.set_ylim(4e-3, 4)
        right.set_ylabel("test error")
        right.set_title(rf"errors at $\alpha=20$, $\tau={RATIO * 20:g}$", fontsize=10)
        models = [
            Line2D([], [], color="0.3", marker="o", markerfacecolor="white"),
            Line2D([], [], color="0.3", linestyle=":", marker="s", markerfacecolor="white"),
        ]
        handles, labels = left.get_legend_handles_labels()
        left.legend([*handles, *models], [*labels, "linear attention", "dMMSE"], loc="lower left")
        right.legend(loc="lower right", bbox_to_anchor=(1.0, 0.13), fontsize=8, labelspacing=0.3)
        drawing.supxlabel(
            f"lines: theory (dotted: through the simulated dMMSE); points: simulations at "
            f"d = {size}, {seeds} seeds, one standard error; rho = {RHO:g}, tau = {RATIO:g} alpha",
            fontsize=8,
            color="0.35",
        )
    return Picture(drawing, numbers.columns)


def _errors(panel, numbers, size, simulated, bayes, kappa) -> None:
    """Draw both errors of both estimators at alpha = 20, and ridge regression on the context."""
    alpha = 20.0
    first = ALPHAS.index(alpha) * len(KAPPAS)
    held: dict[str, Any] = {"alpha": alpha, "tau": RATIO * alpha, "rho": RHO, "lam": LAM}
    shown = {"icl": (r"$e_{\mathrm{ICL}}$", COLORS[0]), "idg": (r"$e_{\mathrm{IDG}}$", COLORS[1])}
    for name, (symbol, color) in shown.items():
        values = derivations.get(f"lu2025.{name}_error").result(kappa=kappa, **held)
        panel.plot(kappa, values, color=color, label=f"{symbol}, linear attention")
        numbers.add(quantity=name, source="theory", **held, kappa=kappa, value=values)
        for result, marker, model in ((simulated, "o", "linear attention"), (bayes, "s", "dMMSE")):
            at = [result.result(first + j, size) for j in range(len(KAPPAS))]
            x, means, spreads = measured(at, "kappa", name)
            if model == "dMMSE":
                panel.plot(x, means, ":", color=color, linewidth=1, label=f"{symbol}, dMMSE")
            points(panel, x, means, spreads, color=color, marker=marker)
            numbers.add(
                quantity=name, source=f"{model}, simulation d={size}", **held,
                kappa=x, value=means, standard_error=spreads,
            )  # fmt: skip
    bayes_ridge = float(derivations.get("lu2025.bayes_ridge_error").result(alpha=alpha, rho=RHO))
    panel.axhline(
        bayes_ridge, color="0.4", linestyle="--", linewidth=1, label="ridge on the context (Bayes)"
    )
    numbers.add(quantity="ridge", source="theory", **held, value=bayes_ridge)
