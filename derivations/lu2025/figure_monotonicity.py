"""Figure 3 of Lu et al.: where longer contexts hurt, over task diversity and label noise."""

from __future__ import annotations

import math

import numpy as np

import derivations
from derivations.figures import Picture, Progress, figure
from derivations.lu2025.figure_context_length import simulated_size
from derivations.lu2025.figure_data import Numbers, linear_attention, run_studies
from numerics.monte_carlo_sweep import MonteCarloSweep
from numerics.plotting import house_style, new_figure

PANELS = (("icl", 0.5), ("icl", 20.0), ("idg", 0.5))
KAPPAS, RHOS = (0.1, 2.1), (0.01, 1.0)
ALPHAS = (1e-2, 1e3)
SIMULATED_KAPPAS, SIMULATED_RHOS = (0.25, 0.75, 1.25, 1.75), (0.03, 0.1, 0.4)
LAM = 1e-6
TURNS = 1.001  # a curve that rises by less than this counts as monotone
SURE = 3.0  # standard errors between the two simulated contexts


def rise(error: str, tau: float, kappa, rho, alpha: np.ndarray):
    """Return the error at the longest context over the least, and the best context."""
    formula = derivations.get(f"lu2025.{error}_error_ridgeless").result
    values = formula(
        tau=tau, kappa=np.asarray(kappa)[..., None], rho=np.asarray(rho)[..., None], alpha=alpha
    )
    best = np.argmin(values, axis=-1)
    return values[..., -1] / np.min(values, axis=-1), alpha[best]


@figure("lu2025.fig3")
def monotonicity(*, size: int, seeds: int, seed: int, progress: Progress | None) -> Picture:
    """Below the line kappa = min(tau, 1) the error has a best context length and then rises.

    Colour: error at alpha = 1000 over the least error, for alpha in [0.01, 1000], without ridge.
    Triangles: whether simulations at the two contexts say the same. For tau > 1 the error on
    pretraining tasks always falls with alpha.
    """
    alpha = np.geomspace(*ALPHAS, 251)
    kappa, rho = np.linspace(*KAPPAS, 161), np.geomspace(*RHOS, 61)
    spots = [(k, r) for k in SIMULATED_KAPPAS for r in SIMULATED_RHOS]
    studies, best_contexts = [], []
    for error, tau in PANELS:
        best = [float(np.clip(rise(error, tau, k, r, alpha)[1], 1, 100)) for k, r in spots]
        best_contexts.append(best)
        studies.append(
            MonteCarloSweep(
                f"fig3 {error} tau={tau:g}",
                linear_attention,
                [
                    {"kappa": k, "rho": r, "alpha": a, "tau": tau, "lam": LAM}
                    for (k, r), short in zip(spots, best, strict=True)
                    for a in (short, ALPHAS[1])
                ],
                [simulated_size(size, tau)],
                seeds,
                seed,
            )
        )
    results = run_studies(studies, progress)
    drawing, panels = new_figure(1, 3, width=3.9, height=3.4)
    numbers = Numbers("error", "tau", "source", "kappa", "rho", "alpha", "rise", "standard_error")
    maps = []
    for error, tau in PANELS:
        ratio, best = rise(error, tau, kappa[:, None], rho[None, :], alpha)
        maps.append((ratio, best))
        for i, k in enumerate(kappa):
            numbers.add(
                error=error, tau=tau, source="theory", kappa=float(k), rho=rho,
                alpha=best[i], rise=ratio[i],
            )  # fmt: skip
    top = max(float(np.max(ratio)) for ratio, _ in maps)
    with house_style():
        from matplotlib.colors import LogNorm

        shade = None
        for panel, (error, tau), (ratio, _), simulated in zip(
            panels[0], PANELS, maps, results, strict=True
        ):
            shown = np.where(ratio > TURNS, ratio, np.nan)
            shade = panel.pcolormesh(
                kappa, rho, shown.T, norm=LogNorm(1.0, top), cmap="viridis_r", rasterized=True
            )
            panel.contour(kappa, rho, ratio.T, levels=[TURNS], colors="0.25", linewidths=0.8)
            panel.axvline(min(tau, 1), color="#D55E00", linestyle="--", linewidth=1.2)
            panel.set_yscale("log")
            panel.set_xlabel(r"$\kappa=k/d$")
            panel.set_title(rf"$e_{{\mathrm{{{error.upper()}}}}}$, $\tau={tau:g}$", fontsize=10)
            _mark(panel, numbers, error, tau, spots, simulated, simulated_size(size, tau))
        panels[0, 0].set_ylabel(r"label noise $\rho$")
        bar = drawing.colorbar(shade, ax=list(panels[0]), pad=0.01, aspect=25)
        bar.set_label(r"$e(\alpha=10^3)\,/\,\min_\alpha e$")
        sizes = ", ".join(f"d = {simulated_size(size, t)} at tau = {t:g}" for t in (0.5, 20.0))
        drawing.supxlabel(
            "white: the longest context is best; dashed: kappa = min(tau, 1); triangles up (down): "
            f"simulated error rises (falls) to alpha = 1000\nby more than {SURE:g} standard "
            f"errors, circles: neither; {sizes}, {seeds} seeds; "
            r"not shown: $e_{\mathrm{IDG}}$ at $\tau=20$, which always falls",
            fontsize=8,
            color="0.35",
        )
    return Picture(drawing, numbers.columns)


def _mark(panel, numbers, error, tau, spots, simulated, d) -> None:
    """Draw what the simulations say at each spot."""
    for i, (kappa, rho) in enumerate(spots):
        short, long = (simulated.result(2 * i + j, d)[error] for j in (0, 1))
        spread = math.hypot(short.standard_error, long.standard_error)
        distance = (long.mean - short.mean) / spread
        marker = "o" if abs(distance) < SURE else "^" if distance > 0 else "v"
        panel.plot(kappa, rho, marker, color="black", markerfacecolor="white", markersize=6)
        ratio = long.mean / short.mean
        numbers.add(
            error=error, tau=tau, source=f"simulation d={d}", kappa=kappa, rho=rho,
            alpha=float(simulated.sweep.points[2 * i]["alpha"]), rise=ratio,
            standard_error=ratio * math.hypot(
                short.standard_error / short.mean, long.standard_error / long.mean
            ),
        )  # fmt: skip
