"""Formulas among arrays of others: xarray, dask, threads, pickles, in every precision."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import derivations
from derive.evaluator import Evaluator
from numerics.errors import ArgumentsError, ConvergenceError, DomainError

KAPPA, U = np.geomspace(0.1, 10.0, 13), np.geomspace(0.01, 100.0, 17)


@pytest.fixture(scope="module")
def trace():
    return derivations.get("classics.marchenko_pastur").result


@pytest.fixture(scope="module")
def evaluators(trace) -> dict[str, Evaluator]:
    return {p: trace.compile(precision=p) for p in ("float64", "auto")}


@pytest.mark.parametrize("precision", ["float64", "auto"])
def test_labelled_arrays_keep_their_labels(trace, evaluators, precision):
    xarray = pytest.importorskip("xarray")
    kappa = xarray.DataArray(KAPPA, dims="kappa", coords={"kappa": KAPPA})
    u = xarray.DataArray(U, dims="u", coords={"u": U})
    wanted = trace(kappa=KAPPA[:, None], u=U)
    evaluate = evaluators[precision]
    direct = evaluate(kappa=kappa, u=u)
    assert isinstance(direct, xarray.DataArray) and direct.dims == ("kappa", "u")
    assert np.array_equal(direct, wanted) and direct.sel(kappa=KAPPA[3]).shape == (17,)
    swapped = evaluate(u=u, kappa=kappa.isel(kappa=2))
    assert swapped.dims == ("u",) and np.array_equal(swapped, wanted[2])
    applied = xarray.apply_ufunc(evaluate.kernel, kappa, u)
    assert np.array_equal(applied.transpose("kappa", "u"), wanted)
    data = xarray.Dataset({"u": u})
    assert np.array_equal(xarray.apply_ufunc(evaluate.kernel, 0.5, data.u), trace(kappa=0.5, u=U))


@pytest.mark.parametrize("precision", ["float64", "auto"])
def test_lazy_arrays_stay_lazy(trace, evaluators, precision):
    dask_array = pytest.importorskip("dask.array")
    kappa = dask_array.from_array(KAPPA, chunks=5)[:, None]
    u = dask_array.from_array(U, chunks=7)
    lazy = evaluators[precision](kappa=kappa, u=u)
    assert isinstance(lazy, dask_array.Array) and lazy.shape == (13, 17)
    wanted = trace(kappa=KAPPA[:, None], u=U)
    for scheduler in ("synchronous", "threads"):
        assert np.array_equal(lazy.compute(scheduler=scheduler), wanted)
    assert np.array_equal(evaluators[precision](kappa=0.5, u=u).compute(), trace(kappa=0.5, u=U))


def test_labelled_lazy_arrays_are_both(trace):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("dask")
    u = xarray.DataArray(U, dims="u").chunk(u=4)
    lazy = trace(kappa=2.0, u=u)
    assert lazy.chunks == ((4, 4, 4, 4, 1),)
    assert np.array_equal(lazy.compute(), trace(kappa=2.0, u=U))


@pytest.mark.parametrize("precision", ["float64", "double-double"])
def test_labels_of_two_axes_may_be_lazy_and_nothing_runs_before_it_is_asked_for(trace, precision):
    """Once every block was computed at the call, and axes of two names did not broadcast."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("dask")
    evaluate = trace.compile(precision=precision)
    kappa, u = xarray.DataArray(KAPPA, dims="kappa"), xarray.DataArray(U, dims="u").chunk(u=4)
    before = evaluate.kernel.invalid_count()
    lazy = evaluate(kappa=kappa, u=u)
    high = lazy[0] if isinstance(lazy, tuple) else lazy
    assert high.dims == ("kappa", "u") and high.chunks == ((13,), (4, 4, 4, 4, 1))
    plain = evaluate(kappa=KAPPA[:, None], u=U)
    assert np.array_equal(high.compute(), plain[0] if isinstance(plain, tuple) else plain)
    lazy = evaluate(kappa=kappa, u=-u)
    assert evaluate.kernel.invalid_count() == before
    with pytest.raises(DomainError, match=r"u = -.* violates u > 0"):
        (lazy[0] if isinstance(lazy, tuple) else lazy).compute()
    with pytest.raises(DomainError, match=r"u = -0\.01 at index 0, 0"):
        evaluate(kappa=kappa, u=-u.compute())


def test_one_thread_is_not_blamed_for_a_point_of_another(trace):
    """The counts of a kernel are shared, so each call looks at its own points."""
    from derive.arguments import explain_failure

    explain_failure("M", trace.program, [0.5, 1.0], np.float64(0.7))
    with pytest.raises(ConvergenceError, match=r"u = 2\.0"):
        pair = np.array([0.7, np.nan]), np.zeros(2)
        explain_failure("M", trace.program, [0.5, np.array([1.0, 2.0])], pair)


def test_bad_points_among_labels_are_refused(trace):
    xarray = pytest.importorskip("xarray")
    u = xarray.DataArray([1.0, -1.0], dims="u")
    with pytest.raises(DomainError, match=r"u = -1\.0"):
        trace(kappa=0.5, u=u)
    assert np.isnan(trace(kappa=0.5, u=u, invalid="nan")).values.tolist() == [False, True]


@pytest.mark.parametrize("precision", ["float64", "auto"])
def test_threads_share_a_kernel(trace, evaluators, precision):
    u = np.geomspace(1e-3, 1e3, 40_000)
    wanted = trace(kappa=0.7, u=u)
    pieces = np.array_split(u, 16)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: evaluators[precision](kappa=0.7, u=x), pieces))
    assert np.array_equal(np.concatenate(found), wanted)


def test_out_and_shapes(trace):
    out = np.full((13, 17), np.nan)
    assert trace(kappa=KAPPA[:, None], u=U, out=out) is out and not np.isnan(out).any()
    assert trace(kappa=KAPPA[:0], u=1.0).shape == (0,)
    assert np.ndim(trace(kappa=0.5, u=1.0)) == 0
    strided = np.repeat(U, 2)[::2]
    assert np.array_equal(trace(kappa=0.5, u=strided), trace(kappa=0.5, u=U))
    assert np.array_equal(trace(kappa=0.5, u=U[::-1]), trace(kappa=0.5, u=U)[::-1])
    assert np.array_equal(trace(kappa=0.5, u=U.astype(np.float32)).shape, U.shape)


@pytest.mark.parametrize("bad", [[1.0], np.empty(17, int), "readonly"])
def test_out_must_be_an_array_that_can_be_written(trace, bad):
    if isinstance(bad, str):
        bad = np.empty(17)
        bad.setflags(write=False)
    with pytest.raises(ArgumentsError, match=r"out is .*written"):
        trace(kappa=0.5, u=U, out=bad)
    with pytest.raises(ArgumentsError, match="masked"):
        trace(kappa=0.5, u=np.ma.array([1.0, 2.0], mask=[True, False]))


def test_formulas_and_derivations_travel_by_name(trace):
    copy = pickle.loads(pickle.dumps(trace))
    assert copy.args == trace.args and copy(kappa=0.5, u=0.25) == trace(kappa=0.5, u=0.25)
    d = derivations.get("classics.marchenko_pastur")
    assert pickle.loads(pickle.dumps(d)) is d and len(pickle.dumps(trace)) < 1000
    fixed = trace.specialize(kappa="1/2")
    assert pickle.loads(pickle.dumps(fixed))(u=0.25) == fixed(u=0.25)


@pytest.mark.parametrize("precision", ["float64", "double-double", "auto"])
def test_evaluators_and_kernels_travel_in_pickles(trace, precision):
    evaluate = trace.compile(precision=precision)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(evaluate, protocol))
        assert np.array_equal(copy(kappa=0.5, u=U), evaluate(kappa=0.5, u=U))
    kernel = pickle.loads(pickle.dumps(evaluate.kernel))
    assert np.array_equal(kernel(0.5, U), evaluate.kernel(0.5, U))


def test_another_process_reads_the_pickle_without_numba_or_sympy(trace, out):
    (out / "evaluator").write_bytes(pickle.dumps(trace.compile()))
    code = (
        "import pickle, sys; e = pickle.load(open('evaluator', 'rb'));"
        "print(float(e(kappa=0.5, u=0.25)).hex(), 'numba' in sys.modules, 'sympy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [float(trace(kappa=0.5, u=0.25)).hex(), "False", "False"]
