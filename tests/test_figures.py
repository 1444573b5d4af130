"""Figures are found, drawn without a display, and come with their numbers."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import derivations
from derivations.cli import run
from derivations.figures import figure_cards
from numerics.errors import ArgumentsError
from numerics.plotting import curve, save

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("id", list(figure_cards()))
@pytest.mark.parametrize("suffix", [".png"])
def test_every_figure_is_drawn_with_its_numbers(id, suffix, out):
    assert run(["figure", id, "--quick", "-o", f"drawn{suffix}"]) == 0
    assert (out / f"drawn{suffix}").stat().st_size > 10_000
    rows = list(csv.DictReader((out / "drawn.csv").open()))
    assert len(rows) > 100
    assert figure_cards()[id].statement.endswith(".")


def test_double_descent_draws_theory_and_simulation(out):
    assert run(["figure", "lu2025.double_descent", "--quick", "--seed", "3"]) == 0
    rows = list(csv.DictReader((out / "lu2025.double_descent.csv").open()))
    formula = derivations.get("lu2025.icl_error").result
    theory = [r for r in rows if r["source"] == "theory" and r["error"] == "icl"]
    assert {float(r["alpha"]) for r in theory} == {1.0, 10.0, 100.0}
    for row in theory[::97]:
        value = formula(
            tau=float(row["tau"]), alpha=float(row["alpha"]), kappa=0.5, rho=0.01, lam=1e-3
        )
        assert float(row["value"]) == value
    simulated = [r for r in rows if r["source"] != "theory"]
    assert {r["error"] for r in simulated} == {"icl", "idg"}
    assert all(float(r["standard_error"]) > 0 for r in simulated)
    peak = [float(r["value"]) for r in theory if float(r["alpha"]) == 1.0]
    at_peak = float(theory[int(np.argmax(peak))]["tau"])
    assert abs(at_peak - 1) < 0.05, "the peak is at the interpolation threshold"


def test_drawing_needs_no_display(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    probe = (
        "import derivations, numpy as np; from numerics.plotting import save; "
        "f = derivations.get('classics.marchenko_pastur').plot(kappa=0.5, u=np.linspace(.1, 2, 9));"
        "save(f, 'm.svg')"
    )
    subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, check=True,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (tmp_path / "m.svg").read_text().lstrip().startswith("<?xml")


def test_the_same_drawing_gives_the_same_bytes(out):
    d = derivations.get("classics.marchenko_pastur")
    for suffix in ("png", "svg", "pdf"):
        for name in ("a", "b"):
            save(d.plot(kappa=np.array([0.5, 1.0, 2.0]), u=0.3), f"{name}.{suffix}")
        assert (out / f"a.{suffix}").read_bytes() == (out / f"b.{suffix}").read_bytes()


def test_a_curve_has_one_free_argument():
    formula = derivations.get("classics.marchenko_pastur").result
    with pytest.raises(ArgumentsError, match="exactly one"):
        curve(formula, {"kappa": 0.5, "u": 1.0})
    with pytest.raises(ArgumentsError, match="exactly one"):
        curve(formula, {"kappa": np.ones(3), "u": np.ones(3)})


def test_wide_curves_are_drawn_on_logarithmic_axes():
    formula = derivations.get("classics.marchenko_pastur").result
    panel = curve(formula, {"kappa": 2.0, "u": np.geomspace(1e-3, 1e3, 50)}).axes[0]
    assert panel.get_xscale() == "log" and panel.get_yscale() == "log"
    assert panel.get_xlabel() == "u" and "kappa = 2" in panel.get_title()
