"""Kernels as users call them: values, ufunc manners, refusals, threads and pickles."""

import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
from kernel_programs import (
    Digits,
    Floats,
    effective_ridge,
    interpret,
    marchenko_pastur,
    nested,
    no_root,
    sums,
    two_unknowns,
)

from numerics.compile import optimised_module
from numerics.errors import ArgumentsError
from numerics.kernel import compile_program
from numerics.llvm_target import target_machine
from numerics.program import Builder

BOX = {"float64": 2e-15, "double-double": 1e-30}


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_DERIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def scatter(rng, n, *ranges):
    return [np.exp(rng.uniform(np.log(low), np.log(high), n)) for low, high in ranges]


def errors(kernel, points):
    """Largest relative error of each output against mpmath at 45 digits."""
    out = kernel(*points)
    out = np.array(out if isinstance(out, tuple) else (out,))
    step = len(out) // len(kernel.program.outputs)
    worst = np.zeros(len(kernel.program.outputs))
    with mpmath.workdps(45):
        for column, point in zip(out.T, np.transpose(points), strict=True):
            exact = interpret(kernel.program, Digits(), *point)
            for k, reference in enumerate(exact):
                value = sum(mpmath.mpf(v) for v in column[k * step : (k + 1) * step])
                worst[k] = max(worst[k], float(abs(value - reference) / abs(reference)))
    return worst


@pytest.mark.parametrize("precision", BOX)
def test_roots_against_mpmath(precision):
    kernel = compile_program(effective_ridge(), precision)
    before = kernel.invalid_count(), kernel.unconverged_count()
    points = scatter(np.random.default_rng(1), 40, *[(0.1, 10)] * 3, (1e-6, 10))
    # near tau = 1 and small lam the root is worse conditioned than its operands by up to 10
    assert (errors(kernel, points) < 10 * BOX[precision]).all()
    assert (kernel.invalid_count(), kernel.unconverged_count()) == before


@pytest.mark.parametrize("precision", BOX)
def test_two_unknowns_by_plain_iteration(precision):
    kernel = compile_program(two_unknowns(), precision)
    points = scatter(np.random.default_rng(2), 30, (0.05, 20), (0.05, 20))
    assert (errors(kernel, points) < BOX[precision]).all()


@pytest.mark.parametrize("precision", BOX)
def test_sums_and_tables_inside_and_outside_roots(precision):
    kernel = compile_program(sums(), precision)
    rng = np.random.default_rng(3)
    low = rng.integers(1, 9, 40)
    points = [*scatter(rng, 40, (0.1, 10)), low * 1.0, low + rng.integers(0, 30, 40)]
    assert (errors(kernel, points) < BOX[precision]).all()
    assert kernel(2.0, 5, 4)[0] == 0.0  # an empty range
    before = kernel.unconverged_count()
    for bad in ((2.0, 1.5, 4), (2.0, 1, 4.5), (2.0, 1, np.inf), (2.0, 1, 1e8), (2.0, -np.inf, 3)):
        assert np.isnan(kernel(*bad)[0]) and not np.isnan(kernel(*bad)[-1])
    assert kernel.unconverged_count() == before + 10


@pytest.mark.parametrize("precision", BOX)
def test_roots_inside_sums_inside_roots(precision):
    kernel = compile_program(nested(), precision)
    rng = np.random.default_rng(4)
    points = [*scatter(rng, 12, (0.2, 5)), rng.integers(1, 6, 12) * 1.0]
    assert (errors(kernel, points) < BOX[precision]).all()


def test_closed_form_is_the_interpreter_bit_for_bit():
    kernel = compile_program(marchenko_pastur())
    points = scatter(np.random.default_rng(5), 300, (1e-6, 1e6), (1e-9, 1e6))
    points[0][:5], points[1][5:9] = np.inf, 1e-300
    expected = [interpret(kernel.program, Floats(), *p)[0] for p in np.transpose(points)]
    assert np.array_equal(kernel(*points), expected)
    assert kernel(np.inf, 0.25) == 0.8


def test_a_lane_does_not_depend_on_its_neighbours():
    for precision in BOX:
        kernel = compile_program(effective_ridge(), precision)
        points = np.array(scatter(np.random.default_rng(6), 701, *[(0.1, 10)] * 3, (1e-9, 10)))
        whole = np.array(kernel(*points))
        alone = np.array([kernel(*p) for p in points.T]).T
        assert np.array_equal(whole, alone)
        order = np.random.default_rng(7).permutation(701)
        assert np.array_equal(np.array(kernel(*points[:, order])), whole[:, order])


def test_operands_of_every_layout():
    kernel = compile_program(marchenko_pastur())
    kappa, u = scatter(np.random.default_rng(8), 1500, (0.1, 10), (0.1, 10))
    expected = kernel(kappa, u)
    for view in (np.s_[::2], np.s_[::-1], np.s_[3::7], np.s_[:513], np.s_[5:5]):
        wide = np.repeat(kappa, 2)[::2]
        assert np.array_equal(kernel(kappa[view], u[view]), expected[view])
        assert np.array_equal(kernel(wide[view], u[view]), expected[view])
    assert np.array_equal(kernel(kappa, 0.5), kernel(kappa, np.full(1500, 0.5)))
    assert np.array_equal(kernel(2, u), kernel(np.full(1500, 2.0), u))
    grid = kernel(kappa[:40, None], u[None, :30])
    full = kernel(*np.broadcast_arrays(kappa[:40, None], u[None, :30]))
    assert grid.shape == (40, 30) and np.array_equal(grid, full)
    fortran = np.asfortranarray(grid * 0 + kappa[:40, None])
    assert np.array_equal(kernel(fortran, u[None, :30]), grid)
    assert np.array_equal(kernel(kappa.astype(">f8"), u), expected)
    assert isinstance(kernel(1, 2), float) and isinstance(kernel(np.float32(1), 2), float)
    assert kernel(np.zeros((0, 3)), 1.0).shape == (0, 3)


def test_out_where_and_in_place():
    kernel = compile_program(marchenko_pastur())
    kappa, u = scatter(np.random.default_rng(9), 2000, (0.1, 10), (0.1, 10))
    expected = kernel(kappa, u)
    out = np.zeros(4000)[::2]
    assert kernel(kappa, u, out=out) is out and np.array_equal(out, expected)
    mask = kappa > 1
    out = np.full(2000, 7.0)
    kernel(kappa, u, out=out, where=mask)
    assert np.array_equal(out, np.where(mask, expected, 7.0))
    same = u.copy()
    kernel(kappa, same, out=same)
    assert np.array_equal(same, expected)
    shifted = np.append(u, 0.0)
    kernel(kappa, shifted[:-1], out=shifted[1:])
    assert np.array_equal(shifted[1:], expected)
    several = compile_program(effective_ridge())
    operands = [kappa, u, u.copy(), kappa.copy()]
    expected = several(*operands)
    results = several(*operands, out=(operands[0], operands[1]))
    assert all(np.array_equal(r, e) for r, e in zip(results, expected, strict=True))
    with pytest.raises(TypeError):
        kernel(kappa + 1j, u)
    with pytest.raises(ValueError, match="broadcast"):
        kernel(kappa, u[:7])
    with pytest.raises(ArgumentsError, match="kappa, u"):
        kernel(kappa)
    with pytest.raises(ArgumentsError, match="quadruple"):
        compile_program(kernel.program, "quadruple")


def test_invalid_points_are_nan_and_counted():
    for precision in BOX:
        kernel = compile_program(effective_ridge(), precision)
        points = np.array(scatter(np.random.default_rng(10), 1000, *[(0.2, 5)] * 4))
        good = np.array(kernel(*points))
        assert np.isfinite(good).all()
        bad = np.random.default_rng(11).permutation(1000)[:5]
        for row, column, value in zip(
            (0, 1, 2, 3, 2), bad, (np.nan, -1, 0, -np.inf, np.nan), strict=True
        ):
            points[row, column] = value
        before = kernel.invalid_count(), kernel.unconverged_count()
        out = np.array(kernel(*points))
        assert kernel.invalid_count() == before[0] + 5
        assert kernel.unconverged_count() == before[1]
        assert np.isnan(out[:, bad]).all()
        rest = np.setdiff1d(np.arange(1000), bad)
        assert np.array_equal(out[:, rest], good[:, rest])


def test_every_argument_is_checked_for_nan():
    b = Builder(("x", "y", "z"))
    kernel = compile_program(b.program({"x": b.argument("x")}))
    before = kernel.invalid_count()
    assert kernel(1, 2, 3) == 1
    for k in range(3):
        point = [1.0, 2.0, 3.0]
        point[k] = np.nan
        assert np.isnan(kernel(*point))
    assert kernel.invalid_count() == before + 3


def test_a_lost_root_never_becomes_a_number():
    kernel = compile_program(no_root())
    lost, invalid = kernel.unconverged_count(), kernel.invalid_count()
    hidden, *others = kernel([2.0, 3.0, 3.0], [1.0, 1.0, -1.0])
    assert hidden[0] == 2.0 and hidden[1] == 3.0 and np.isnan(hidden[2])
    assert len(others) == 4 and np.isnan(others).all()
    assert kernel.unconverged_count() == lost + 3 and kernel.invalid_count() == invalid


def test_branches_not_taken_leave_no_warning():
    kernel = compile_program(marchenko_pastur())
    with np.errstate(all="raise"):
        assert kernel(1e-3, 1e-300) > 0
        assert np.isnan(kernel(-1.0, 1.0))
        kernel(np.array([np.inf, 1.0, np.nan]), 0.5)
    with pytest.warns(RuntimeWarning):
        np.sqrt(np.array([-1.0]))


def test_elementary_functions_against_mpmath():
    b = Builder(("x", "s"))
    x, s = b.argument("x"), b.argument("s")
    names = ("exp", "log", "sin", "cos", "atan", "gamma")
    outputs = {name: b.op(name, x) for name in names}
    outputs["zeta"] = b.op("zeta", s)
    outputs["pow"] = b.op("pow", x, s)
    outputs["circle"] = b.op("mul", b.constant("pi"), x)
    outputs["twice"] = b.op("mul", b.constant("euler_gamma"), b.constant("e"))
    kernel = compile_program(b.program(outputs))
    rng = np.random.default_rng(12)
    points = [rng.uniform(0.1, 20, 60), rng.uniform(0.05, 30, 60)]
    values = dict(zip(outputs, kernel(*points), strict=True))
    for k in range(60):
        p, q = (mpmath.mpf(v[k]) for v in points)
        exact = {name: getattr(mpmath, name)(p) for name in names}
        exact |= {"zeta": mpmath.zeta(q), "pow": p**q, "circle": mpmath.pi * p}
        exact["twice"] = mpmath.euler * mpmath.e
        for name, value in exact.items():
            error = abs(float((mpmath.mpf(values[name][k]) - value) / value))
            assert error < (1e-13 if name in ("zeta", "gamma") else 1e-15), (name, p, q)
    assert np.isnan(kernel(1.0, -0.5)[6]) and kernel(1.0, 1.0)[6] == np.inf


def test_threads_share_a_kernel_and_its_counters():
    kernel = compile_program(effective_ridge())
    points = np.array(scatter(np.random.default_rng(13), 20000, *[(0.2, 5)] * 4))
    points[0, ::100] = np.nan
    expected = kernel(*points)
    before = kernel.invalid_count()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: kernel(*points), range(16)))
    for result in results:
        assert np.array_equal(result, expected, equal_nan=True)
    assert kernel.invalid_count() == before + 16 * 200


def test_one_kernel_per_program_and_process():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(compile_program(two_unknowns())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(k) for k in found}) == 1


def test_pickles_to_another_process(monkeypatch):
    # a kernel that an earlier test compiled may be kept in the folder of that test only
    monkeypatch.setattr("numerics.kernel._kernels", {})
    kernel = compile_program(marchenko_pastur())
    assert pickle.loads(pickle.dumps(kernel)) is kernel
    code = (
        "import pickle, sys; k = pickle.loads(sys.stdin.buffer.read()); "
        "print(float(k(0.5, 0.7)).hex(), 'numba' in sys.modules, 'sympy' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(kernel), capture_output=True, check=True
    )
    assert run.stdout.decode().split() == [float(kernel(0.5, 0.7)).hex(), "False", "False"]


def test_loops_become_vector_instructions():
    machine = target_machine()
    if "x86_64" not in machine.triple:
        pytest.skip("reads x86 assembly")
    kernel = compile_program(effective_ridge())
    text = machine.emit_assembly(optimised_module(kernel.source))
    packed = sum(text.count(op) for op in ("vdivpd", "divpd"))
    assert packed >= 12 and text.count("sqrtpd") >= 3


@pytest.mark.parametrize("precision", BOX)
def test_infinite_arguments_take_their_limits(precision):
    kernel = compile_program(marchenko_pastur(), precision)
    before = kernel.unconverged_count()
    assert np.asarray(kernel(np.inf, 0.25)).ravel()[0] == 0.8
    assert kernel.unconverged_count() == before


def test_labelled_and_lazy_arrays():
    xarray = pytest.importorskip("xarray")
    dask = pytest.importorskip("dask.array")
    kernel = compile_program(marchenko_pastur())
    kappa = xarray.DataArray(np.linspace(0.5, 2, 30), dims="kappa")
    u = xarray.DataArray(np.linspace(0.1, 3, 40), dims="u")
    expected = kernel(kappa.values[:, None], u.values)
    for result in (kernel(kappa, u), xarray.apply_ufunc(kernel, kappa, u)):
        assert result.dims == ("kappa", "u") and np.array_equal(result.values, expected)
    lazy = kernel(dask.from_array(kappa.values[:, None], chunks=7), dask.from_array(u.values))
    assert isinstance(lazy, dask.Array)
    assert np.array_equal(lazy.compute(scheduler="threads", num_workers=2), expected)


def test_kernel_is_a_record():
    program = marchenko_pastur()
    kernel = compile_program(program)
    assert kernel == compile_program(marchenko_pastur())
    assert kernel != compile_program(program, "double-double")
    assert isinstance(kernel.ufunc, np.ufunc) and kernel.ufunc.__name__ == "M"
    assert "a0 = kappa" in kernel.source
    assert repr(kernel) == f"<Kernel M(kappa, u), float64, {kernel.key[:12]}>"
    with pytest.raises(AttributeError):
        kernel.key = "other"
