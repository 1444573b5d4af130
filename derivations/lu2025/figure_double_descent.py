"""Figure 1 of Lu et al.: double descent in the number of pretraining sequences."""

from __future__ import annotations

import math

import numpy as np

import derivations
from derivations.figures import Picture, Progress, figure
from derivations.lu2025.figure_data import (
    COLORS,
    Numbers,
    caption,
    linear_attention,
    measured,
    run_studies,
)
from numerics.monte_carlo_sweep import MonteCarloSweep, grid
from numerics.plotting import house_style, logarithmic, new_figure, points

ALPHAS = (1.0, 10.0, 100.0)
TAUS = (0.2, 0.5, 0.85, 1.15, 1.5, 2.0)
KAPPA, RHO, LAM = 0.5, 0.01, 1e-5
RIDGES, RIDGE_ALPHA = (1e-5, 0.1, 1.0), 10.0
TITLES = {
    "icl": r"$e_{\mathrm{ICL}}$, new tasks",
    "idg": r"$e_{\mathrm{IDG}}$, pretraining tasks",
}


@figure("lu2025.fig1")
def double_descent_panels(
    *, size: int, seeds: int, seed: int, progress: Progress | None
) -> Picture:
    """Both errors peak at tau = 1 for every context length; a ridge removes the peak.

    Parameters of the paper: kappa = 0.5, rho = 0.01, alpha = 1, 10, 100; the last panel has a
    fresh task for each sequence (both errors agree) and three ridges.
    """
    curves = MonteCarloSweep(
        "fig1", linear_attention, grid(alpha=ALPHAS, tau=TAUS, kappa=[KAPPA], rho=[RHO], lam=[LAM]),
        [size], seeds, seed,
    )  # fmt: skip
    ridges = MonteCarloSweep(
        "fig1 ridge",
        linear_attention,
        grid(lam=RIDGES, tau=TAUS, alpha=[RIDGE_ALPHA], kappa=[math.inf], rho=[RHO]),
        [size],
        seeds,
        seed,
    )
    simulated, ridged = run_studies([curves, ridges], progress)
    tau = np.concatenate([np.linspace(0.05, 0.99, 189), np.linspace(0.991, 1.009, 37),
                          np.linspace(1.01, 2.2, 239)])  # fmt: skip
    theory = {name: derivations.get(f"lu2025.{name}_error").result for name in TITLES}
    drawing, panels = new_figure(1, 3, width=3.7, height=3.4)
    numbers = Numbers(
        "panel", "source", "alpha", "kappa", "rho", "lam", "tau", "value", "standard_error"
    )

    def draw(panel, title, quantity, held, results, color, label):
        values = theory[quantity](tau=tau, rho=RHO, **held)
        panel.plot(tau, values, color=color, label=label)
        numbers.add(panel=title, source="theory", rho=RHO, **held, tau=tau, value=values)
        at, means, spreads = measured(results, "tau", quantity)
        points(panel, at, means, spreads, color=color)
        numbers.add(
            panel=title, source=f"simulation d={size}", rho=RHO, **held,
            tau=at, value=means, standard_error=spreads,
        )  # fmt: skip

    for i, (alpha, color) in enumerate(zip(ALPHAS, COLORS, strict=False)):
        results = [simulated.result(i * len(TAUS) + j, size) for j in range(len(TAUS))]
        for panel, quantity in zip(panels[0], TITLES, strict=False):
            held = {"alpha": alpha, "kappa": KAPPA, "lam": LAM}
            draw(panel, quantity, quantity, held, results, color, rf"$\alpha={alpha:g}$")
    for i, (lam, color) in enumerate(zip(RIDGES, COLORS[3:], strict=True)):
        results = [ridged.result(i * len(TAUS) + j, size) for j in range(len(TAUS))]
        held = {"alpha": RIDGE_ALPHA, "kappa": math.inf, "lam": lam}
        label = rf"$\lambda=10^{{{math.log10(lam):.0f}}}$" if lam < 0.1 else rf"$\lambda={lam:g}$"
        draw(panels[0, 2], "ridge", "icl", held, results, color, label)
    with house_style():
        titles = [*TITLES.values(), r"$e_{\mathrm{ICL}}=e_{\mathrm{IDG}}$, fresh tasks"]
        shared = rf"$\kappa={KAPPA:g}$, $\rho={RHO:g}$" + "\n" + r"$\lambda=10^{-5}$"
        fresh = r"$\kappa=\infty$, " + rf"$\rho={RHO:g}$" + "\n" + rf"$\alpha={RIDGE_ALPHA:g}$"
        for panel, title, held in zip(panels[0], titles, (shared, shared, fresh), strict=True):
            logarithmic(panel, y=True)
            panel.set_ylim(top=2 * panel.get_ylim()[1])
            panel.set_xlabel(r"$\tau=n/d^2$")
            panel.set_title(title, fontsize=10)
            panel.axvline(1, color="0.8", linewidth=0.8, zorder=0)
            panel.legend(loc="upper right", title=held, title_fontsize=8)
        panels[0, 0].set_ylabel("test error")
        drawing.supxlabel(caption(size, seeds), fontsize=8, color="0.35")
    return Picture(drawing, numbers.columns)
