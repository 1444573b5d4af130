"""Monte Carlo over a grid as a data set: what the simulator gives, wherever it runs."""

import numpy as np
import pytest

import derivations
from derive.errors import ConditionError
from derive.simulation_sweep import sweep_simulation
from numerics.errors import ArgumentsError, DomainError

xarray = pytest.importorskip("xarray")
GRID = {"kappa": [0.5, 2.0, 3.0], "u": 0.3}


@pytest.fixture(scope="module")
def page():
    return derivations.get("classics.marchenko_pastur")


def test_cells_are_simulations_and_agree_with_theory(page):
    data = sweep_simulation(page, sizes=[16, 64], replicas=6, seed=3, **GRID)
    assert dict(data.sizes) == {"kappa": 3, "size": 2, "replica": 6}
    assert data.u.item() == 0.3 and data.attrs["failed"] == 0 and data.attrs["cells"] == 36
    large = data.M.sel(size=64)
    theory = page.result(kappa=data.realised_kappa.sel(size=64).values, u=0.3)
    spread = large.std("replica", ddof=1).values / np.sqrt(6)
    assert (np.abs(large.mean("replica").values - theory) < 5 * spread + 3 / 64).all()
    # the same seed gives the same numbers, another one others
    again = sweep_simulation(page, sizes=[16, 64], replicas=6, seed=3, **GRID)
    other = sweep_simulation(page, sizes=[16, 64], replicas=6, seed=4, **GRID)
    assert again.identical(data) and not np.isclose(other.M, data.M).any()


def test_a_study_is_kept_extended_and_shared(page, out):
    few = sweep_simulation(page, sizes=[16], replicas=2, folder=out / "kept", **GRID)
    seen = len(list((out / "kept").rglob("*")))
    more = sweep_simulation(page, sizes=[16, 32], replicas=3, folder=out / "kept", **GRID)
    assert len(list((out / "kept").rglob("*"))) > seen
    assert np.array_equal(more.M.sel(size=[16]).isel(replica=slice(2)), few.M)
    fresh = sweep_simulation(page, sizes=[16, 32], replicas=3, workers=2, **GRID)
    assert fresh.identical(more)


def test_a_cluster_runs_the_same_cells(page):
    distributed = pytest.importorskip("distributed")
    alone = sweep_simulation(page, sizes=[12], replicas=4, **GRID)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        shared = sweep_simulation(page, sizes=[12], replicas=4, client=client, **GRID)
    assert np.allclose(shared.M, alone.M, rtol=1e-13) and shared.sizes == alone.sizes


def test_failed_cells_are_nan_and_said(page):
    data = sweep_simulation(page, sizes=[16], replicas=2, kappa=[0.5, -1.0], u=0.3)
    assert data.attrs["failed"] == 2 and "kappa" in data.attrs["first_failure"]
    assert np.isnan(data.M.sel(kappa=-1.0)).all() and not np.isnan(data.M.sel(kappa=0.5)).any()


def test_bad_input_is_refused(page):
    with pytest.raises(ArgumentsError, match=r"shape \(1, 1\)"):
        sweep_simulation(page, sizes=[16], replicas=2, kappa=[[1.0]], u=0.3)
    silent = next(d for d in derivations.catalog() if not _simulates(d))
    with pytest.raises(ConditionError, match="no simulator"):
        sweep_simulation(silent, sizes=[16], replicas=2)


def _simulates(page) -> bool:
    try:
        return page.simulator is not None
    except ConditionError:
        return False


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sizes": 16}, "not a list of dimensions"),
        ({"sizes": []}, "not a list of dimensions"),
        ({"sizes": [16, 2.5]}, "size is not a whole number"),
        ({"replicas": 0}, "seeds is not a whole number"),
        ({"nu": 1.0}, "unknown nu"),
        ({"kappa": "a"}, "kappa has shape"),
        ({"kappa": -1.0}, "none of 4 cells has a value"),
    ],
)
def test_bad_input_is_said_before_or_after_but_said(page, wrong, said):
    with pytest.raises((ArgumentsError, DomainError), match=said):
        sweep_simulation(page, **{"sizes": [8, 12], "replicas": 2, "kappa": 0.5, "u": 0.3, **wrong})
