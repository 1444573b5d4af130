"""Every classic result with a simulator against it, at one point drawn from its domain."""

from __future__ import annotations

import inspect

import pytest

import derivations
from derive.registry import cards
from numerics.extrapolation import compare

# Large numbers of samples, not large sizes, are their limit: see test_acceptance_power_laws.
ASYMPTOTIC = {"classics.power_law_error", "classics.power_law_ridge"}
# Integrated, not sampled: its error is that of the steps.
INTEGRATED = "classics.power_law_growth"
IDS = [i for i in cards() if i.startswith("classics.") and i not in {*ASYMPTOTIC, INTEGRATED}]


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_simulation_agrees_with_the_results(id):
    page = derivations.get(id)
    _, simulator = page._load()
    if simulator is None:
        pytest.skip("its results are checked by quadrature and balls")
    names = set(inspect.signature(simulator).parameters) - {"size", "seeds", "seed"}
    formula = next(f for f in page.results.values() if names <= set(f.args))
    (sample,) = formula.domain.sample(1, seed=3, decades=0.4)
    point = {str(s): float(v) for s, v in sample.items() if str(s) in names}
    runs = [page.simulate(size=size, seeds=16, seed=1, **point) for size in (32, 64, 96)]
    for quantity in runs[0].values:
        result = page.results[quantity]

        def theory(result=result, **parameters):
            return float(result(**{k: v for k, v in parameters.items() if k in result.args}))

        assert abs(compare(theory, runs, quantity=quantity).z_score) < 4


@pytest.mark.slow
def test_an_integrated_growth_is_the_closed_form():
    page = derivations.get(INTEGRATED)
    point = {"K": 0.6, "r": 4.5, "g_0": 0.5, "t": 2.1}
    found = page.simulate(seeds=4, **point).per_seed
    exact = float(page.results["growth_exact"](**point))
    assert abs(found / exact - 1).max() < 1e-8  # ten times the tolerance of a step
