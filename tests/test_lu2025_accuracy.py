"""The main results in float64 against certified balls over the whole domain, edges included."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import derivations
from numerics.audit import audit
from numerics.audit_points import Axis, edge_points, scatter_points
from numerics.ball import evaluate_many

WIDE = Axis(1e-3, 1e6)
BOX = {
    "tau": WIDE,
    "alpha": WIDE,
    "kappa": Axis(1e-3, 1e6, special=(math.inf,)),
    "rho": Axis(1e-6, 10.0),
    "lam": Axis(1e-12, 10.0, special=(0.0,)),
}
TRANSITIONS = [("tau", 1.0), ("kappa", 1.0), ("kappa", "tau")]
IDS = ("lu2025.icl_error", "lu2025.idg_error")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("ridge", ["ridge", "ridgeless"])
def test_float64_lies_within_1e_12_of_the_ball_after_the_conditioning_in_tau(name, ridge):
    formula = derivations.get(name).result
    points = scatter_points(BOX, 400, seed=3)
    if ridge == "ridgeless":
        points["lam"] = np.zeros(400)
    values = formula(**points)
    (column,) = evaluate_many(formula.program, points, bits=80).values()
    assert not column.failures
    for i, value in enumerate(values):
        # Near tau = 1 without ridge the error itself is conditioned like 1/|tau - 1| in tau.
        condition = 1 + (1 / abs(points["tau"][i] - 1) if points["lam"][i] == 0 else 0)
        centre = column[i].midpoint
        assert abs(Fraction(float(value)) / centre - 1) < 1e-12 + 4 * 2.0**-53 * condition, {
            n: p[i] for n, p in points.items()
        }


@pytest.mark.parametrize("name", IDS)
def test_error_on_edges_is_within_eight_ulp_and_four_condition_numbers(name):
    formula = derivations.get(name).result
    points = edge_points(BOX, 250, seed=5, transitions=TRANSITIONS)
    report = audit(formula.program, formula.kernel(), points)
    assert report.passed, repr(report)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("distance", [1e-12, -1e-12, 1e-9, -1e-9, 2.0**-52, -(2.0**-53)])
def test_tau_close_to_one_is_right_to_the_last_digits(name, distance):
    formula = derivations.get(name).result
    tau = 1.0 + distance
    point = {"tau": tau, "alpha": 3.0, "kappa": 0.4, "rho": 0.02, "lam": 0.0}
    ball = formula.ball(bits=80, **point)
    # tau is exact here, so that its distance to one is exact too and nothing is lost.
    assert formula(**point) == pytest.approx(float(ball), rel=1e-14)


def textbook_errors(tau, alpha, kappa, rho, xi):
    """Evaluate both errors in the textbook form, which subtracts nearly equal numbers."""
    q = (1 + rho) / alpha
    z = q + xi
    b = z + 1 - 1 / kappa
    trace = 2 / (b + math.sqrt(b * b + 4 * z / kappa))
    slope = -kappa * trace**2 / (kappa - (1 - z * trace) ** 2)
    square = 1 - 2 * z * trace - z**2 * slope
    residual = rho + z - z**2 * trace - xi * square
    denominator = tau - (1 - 2 * xi * trace - xi**2 * slope)
    idg = tau * residual / denominator
    spread = square + idg / tau * (trace + xi * slope)
    return 1 + rho - 2 * (1 - z * trace) + (1 + q) * spread, idg


@pytest.mark.parametrize(
    ("point", "corner"),
    [
        (dict(tau=1.0, alpha=4.0, kappa=0.3, rho=0.1, lam=1e-14), True),
        (dict(tau=3.0, alpha=1e12, kappa=0.999, rho=0.1, lam=1e-14), True),
        (dict(tau=3.0, alpha=1e10, kappa=0.4, rho=0.2, lam=1e-9), True),
        (dict(tau=0.7, alpha=2.0, kappa=1.4, rho=0.3, lam=0.2), False),
    ],
    ids=["threshold", "transition", "few tasks, long context", "nothing special"],
)
def test_the_textbook_form_is_the_same_formula_and_loses_digits_in_the_corners(point, corner):
    lost = 0.0
    for factor in (1.0, 1.09, 1.23):
        at = {**point, "alpha": factor * point["alpha"]}
        xi = float(derivations.get("lu2025.effective_ridge").result.ball(**at))
        printed = textbook_errors(at["tau"], at["alpha"], at["kappa"], at["rho"], xi)
        for name, value in zip(IDS, printed, strict=True):
            formula = derivations.get(name).result
            exact = float(formula.ball(**at))
            assert formula(**at) == pytest.approx(exact, rel=1e-14)
            assert value == pytest.approx(exact, rel=0.5), "it is the same formula"
            lost = max(lost, abs(value / exact - 1))
    assert lost > 1e-11 if corner else lost < 1e-13
