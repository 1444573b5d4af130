r"""Figures of Lu et al., arXiv 2405.11751: theory as curves, simulations as points."""

from __future__ import annotations

import numpy as np

import derivations
from derivations.figures import Picture, Progress, figure
from numerics.monte_carlo import in_context_errors
from numerics.plotting import house_style, logarithmic, new_figure, points

ALPHAS = (1.0, 10.0, 100.0)
KAPPA, RHO, LAM = 0.5, 0.01, 1e-3
TAUS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
ERRORS = {"icl": "new tasks", "idg": "pretraining tasks"}


@figure("lu2025.double_descent")
def double_descent(*, size: int, seeds: int, seed: int, progress: Progress | None) -> Picture:
    r"""Both test errors against the number of sequences tau peak at tau = 1 and descend again.

    Theory curves at kappa = 0.5, rho = 0.01 and a small ridge for several context lengths alpha;
    points are simulations at finite dimension, mean and one standard error over seeds.
    """
    theory = {name: derivations.get(f"lu2025.{name}_error").result for name in ERRORS}
    tau = np.linspace(0.05, 2.2, 431)
    drawing, panels = new_figure(1, 2, width=4.2, height=3.5)
    columns: dict[str, list[float | str]] = {
        "error": [], "source": [], "alpha": [], "tau": [], "value": [], "standard_error": []
    }  # fmt: skip

    def record(error: str, source: str, alpha: float, x, y, spread) -> None:
        columns["error"] += [error] * len(x)
        columns["source"] += [source] * len(x)
        columns["alpha"] += [alpha] * len(x)
        columns["tau"] += [float(v) for v in x]
        columns["value"] += [float(v) for v in y]
        columns["standard_error"] += [float(v) for v in spread]

    colors = ("#0072B2", "#D55E00", "#009E73")
    done, total = 0, len(ALPHAS) * len(TAUS)
    for alpha, color in zip(ALPHAS, colors, strict=True):
        for panel, (name, formula) in zip(panels[0], theory.items(), strict=True):
            values = formula(tau=tau, alpha=alpha, kappa=KAPPA, rho=RHO, lam=LAM)
            panel.plot(tau, values, color=color, label=rf"$\alpha={alpha:g}$")
            record(name, "theory", alpha, tau, values, np.zeros_like(tau))
        results = []
        for each in TAUS:
            results.append(
                in_context_errors(size, each, alpha, KAPPA, RHO, LAM, seeds=seeds, seed=seed)
            )
            done += 1
            if progress is not None:
                progress(done, total)
        realised = [r.parameters["tau"] for r in results]
        for panel, name in zip(panels[0], theory, strict=True):
            means = [r[name].mean for r in results]
            spreads = [r[name].standard_error for r in results]
            points(panel, realised, means, spreads, color=color)
            record(name, f"simulation d={size}", alpha, realised, means, spreads)
    with house_style():
        for panel, (name, words) in zip(panels[0], ERRORS.items(), strict=True):
            logarithmic(panel, y=True)
            panel.set_xlabel(r"$\tau=n/d^2$")
            panel.set_title(rf"$e_{{\mathrm{{{name.upper()}}}}}$: test on {words}", fontsize=10)
            panel.axvline(1, color="0.8", linewidth=0.8, zorder=0)
        panels[0, 0].set_ylabel("test error")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        held = "\n".join((rf"$\kappa={KAPPA:g}$", rf"$\rho={RHO:g}$", rf"$\lambda={LAM:g}$"))
        drawing.legend(handles, labels, loc="outside right upper", title=held)
        drawing.supxlabel(
            f"lines: theory; points: simulations at d = {size}, {seeds} seeds, one standard error",
            fontsize=8,
            color="0.35",
        )
    return Picture(drawing, columns)
