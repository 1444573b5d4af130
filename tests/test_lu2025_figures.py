"""Figures 1 to 4: curves are the theory, points are simulations, the table holds both."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

import derivations
from derivations.figures import Picture, find_figure
from derivations.lu2025 import figure_monotonicity
from derivations.lu2025.figure_data import Numbers, run_studies
from derivations.lu2025.head_to_head import KAPPAS, LISTS, TRIALS, head_to_head
from numerics.files import OutputError
from numerics.monte_carlo_sweep import MonteCarloSweep, grid
from numerics.plotting import save, write_columns
from numerics.simulation import SimulationResult

IDS = ("lu2025.fig1", "lu2025.fig2", "lu2025.fig3", "lu2025.fig4")
TINY = {"size": 6, "seeds": 2, "seed": 3}
# two workers on one study would get in each other's way, and say so
pytestmark = pytest.mark.xdist_group("figures of lu2025")


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    return {id: find_figure(id).load()(progress=None, **TINY) for id in IDS}


def rows(picture: Picture, **where) -> list[dict[str, float | str]]:
    names = list(picture.columns)
    table = [
        dict(zip(names, row, strict=True)) for row in zip(*picture.columns.values(), strict=True)
    ]
    return [r for r in table if all(r[n] == v for n, v in where.items())]


@pytest.mark.parametrize("id", IDS)
def test_a_figure_is_written_with_its_numbers(pictures, id, tmp_path: Path):
    picture = pictures[id]
    save(picture.drawing, tmp_path / "figure.png")
    write_columns(picture.columns, tmp_path / "figure.csv")
    with open(tmp_path / "figure.csv", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(rows(picture)) > 100
    sources = {r["source"] for r in read}
    assert "theory" in sources
    assert any("simulation d=6" in s for s in sources)
    assert (tmp_path / "figure.png").stat().st_size > 20_000


def test_curves_of_figure_one_are_the_theory_and_peak_at_the_threshold(pictures):
    picture = pictures["lu2025.fig1"]
    formulas = {n: derivations.get(f"lu2025.{n}_error").result for n in ("icl", "idg")}
    for panel, formula in formulas.items():
        for alpha in (1.0, 10.0, 100.0):
            curve = rows(picture, panel=panel, source="theory", alpha=alpha)
            tau, value = (np.array([r[n] for r in curve], float) for n in ("tau", "value"))
            late = tau > 0.7  # with little ridge and long contexts the null predictor is worse
            assert abs(tau[late][np.argmax(value[late])] - 1) < 0.005
            i = len(tau) // 3
            expected = formula(tau=tau[i], alpha=alpha, kappa=0.5, rho=0.01, lam=1e-5)
            assert value[i] == pytest.approx(float(expected), rel=1e-12)
    strong = rows(picture, panel="ridge", source="theory", lam=1.0)
    values = [float(r["value"]) for r in strong]
    assert values == sorted(values, reverse=True)  # a large ridge leaves no peak
    assert all(r["kappa"] == math.inf for r in strong)


def test_figure_two_turns_up_below_the_boundary_only(pictures):
    picture = pictures["lu2025.fig2"]

    def curve(error, tau, kappa):
        found = rows(picture, error=error, source="theory", tau=tau, kappa=kappa)
        return np.array([r["value"] for r in found], float)

    for tau, kappa, turns in ((0.5, 0.2, True), (0.5, math.inf, False), (20.0, 0.5, True)):
        values = curve("icl", tau, kappa)
        assert (values[-1] > 1.05 * values.min()) == turns
    falling = curve("idg", 20.0, 0.5)
    assert np.all(np.diff(falling) < 0)
    turning = curve("idg", 0.5, 0.5)
    assert turning[-1] > 1.5 * turning.min()


def test_phase_diagram_agrees_with_the_derivatives_at_long_context():
    alpha = np.geomspace(1e-2, 1e3, 251)
    for error, tau, kappa, rho, rises in (
        ("icl", 0.5, 0.3, 0.1, True),
        ("icl", 20.0, 0.9, 0.02, True),
        ("icl", 20.0, 1.8, 0.02, False),
        ("icl", 0.5, 1.9, 0.02, False),
        ("idg", 20.0, 0.9, 0.5, False),
        ("idg", 0.5, 0.5, 0.5, True),
    ):
        ratio, best = figure_monotonicity.rise(error, tau, kappa, rho, alpha)
        assert (ratio > figure_monotonicity.TURNS) == rises
        assert (best < 1e3) == rises
        # the sign of the slope at the end of the window, by another route
        formula = derivations.get(f"lu2025.{error}_error_ridgeless").result
        ends = [
            formula.ball(tau=str(tau), alpha=a, kappa=str(kappa), rho=str(rho)).midpoint
            for a in (990, 1000)
        ]
        assert (ends[1] > ends[0]) == rises


def test_figure_four_compares_linear_attention_with_its_rivals(pictures):
    picture = pictures["lu2025.fig4"]
    gap = rows(picture, quantity="g_task", source="theory", alpha=40.0)
    ratio = float(gap[0]["value"]) / float(gap[-1]["value"])
    assert ratio > 1e3  # memorisation to generalisation
    listed = rows(picture, quantity="g_task", source="dMMSE, simulation d=6", alpha=40.0)
    assert min(float(r["value"]) for r in listed) > 0.2
    (ridge,) = rows(picture, quantity="ridge")
    assert 0.01 < float(ridge["value"]) < 0.011


def constant(*, size, seeds, seed, x):
    """Return a number at once."""
    return SimulationResult("constant", size, {"x": x}, {"n": 1}, {"y": np.array([x])}, seed)


def test_studies_report_progress_over_all_and_find_their_cells_again(tmp_path, monkeypatch):
    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path))
    studies = [MonteCarloSweep(n, constant, grid(x=[1, 2]), [4], 2) for n in ("a", "b")]
    for first in (1, 4):
        seen: list[tuple[int, int]] = []
        run_studies(studies, lambda done, total, seen=seen: seen.append((done, total)))
        assert seen[0] == (first, 8)
        assert seen[-1] == (8, 8)


def test_one_figure_is_simulated_while_another_one_is(tmp_path, monkeypatch):
    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path))
    one, other = (MonteCarloSweep(n, constant, grid(x=[1, 2]), [4], 2) for n in ("a", "b"))
    seen: list[int] = []

    def meanwhile(done: int, total: int) -> None:
        seen.append(len(run_studies([other], None)[0].outcomes))

    run_studies([one], meanwhile)
    assert seen == [4, 4, 4, 4]
    with pytest.raises(OutputError, match="another process"):
        run_studies([one], lambda done, total: [run_studies([one], None)] and None)


def test_numbers_grow_together():
    numbers = Numbers("a", "b", "c")
    numbers.add(a="x", b=np.array([1.0, 2.0]))
    numbers.add(a="y", b=3.0, c=[4.0])
    assert numbers.columns == {"a": ["x", "x", "y"], "b": [1.0, 2.0, 3.0], "c": ["", "", 4.0]}


def test_head_to_head_gives_the_authors_table():
    timed = head_to_head(8, processes=1)
    assert len(timed.rows) == len(KAPPAS) == 12
    assert LISTS * TRIALS == 1000
    assert all(r.linear.seeds == 20 and r.listed.seeds == LISTS for r in timed.rows)
    assert timed.rows[0].linear.mean > 20 * timed.rows[-1].linear.mean
    assert timed.rows[-1].listed.mean > 0.3
    assert timed.processor > 0


@pytest.mark.slow
def test_the_demonstration_at_32_dimensions_fits_its_budget_on_two_cores():
    timed = head_to_head(32)
    # processor time, so that other work on the machine does not count
    assert timed.processor < 2 * 15
    for row in timed.rows[6:]:
        bias = 0.15 * row.theory  # finite size
        assert abs(row.linear.mean - row.theory) < bias + 4 * row.linear.standard_error
