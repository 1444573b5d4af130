"""Stages on reduced grids: the same bits, and only when it pays."""

import numpy as np
import pytest
from kernel_programs import effective_ridge, no_root, resolvent_trace, sums

import numerics.kernel as kernel_module
from numerics import grid
from numerics.kernel import compile_program
from numerics.program import Builder, Program


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_DERIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def closed_form() -> Program:
    """(rho + q t + tau M)/(tau + 1), t = q M, q = (1 + rho)/alpha: M needs no tau."""
    b = Builder(("tau", "alpha", "kappa", "rho"))
    for name in b.arguments:
        b.require(name, (name,), b.op("less", b.constant(0), b.argument(name)))
    tau, alpha, kappa, rho = (b.argument(a) for a in b.arguments)
    op, one = b.op, b.constant(1)
    q = op("div", op("add", one, rho), alpha)
    m = resolvent_trace(b, kappa, q)
    inner = op("add", rho, op("mul", q, op("mul", q, m)))
    error = op("div", op("add", inner, op("mul", tau, m)), op("add", tau, one))
    flag = b.select(op("less", m, tau), inner, error)
    return b.program({"error": error, "flag": flag, "m": m})


def operands(shape, axes, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for axis in axes:
        size = [1] * len(shape)
        for k in axis:
            size[k] = shape[k]
        found.append(np.exp(rng.uniform(-2, 2, size)) if axis else float(rng.uniform(0.2, 2)))
    return found


def both(kernel, points, **keywords):
    whole = kernel.ufunc(*kernel.complete(tuple(points)))
    staged = grid.evaluate(kernel, kernel.complete(tuple(points)), force=True, **keywords)
    assert staged is not None
    whole, staged = (x if isinstance(x, tuple) else (x,) for x in (whole, staged))
    for x, y in zip(whole, staged, strict=True):
        assert np.shape(x) == np.shape(y) and np.array_equal(x, y, equal_nan=True)
    return staged


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((300, 250), [(0,), (), (1,), ()]),
        ((300, 250), [(1,), (0,), (), ()]),
        ((20, 18, 16, 14), [(0,), (1,), (2,), (3,)]),
        ((70000,), [(0,), (), (), ()]),
        ((40, 50, 40), [(0, 1), (2,), (2,), ()]),
    ],
)
def test_stages_give_the_same_bits(shape, axes):
    kernel = compile_program(closed_form())
    points = operands(shape, axes)
    assert grid.prepare(kernel, *points)
    before = kernel.invalid_count()
    both(kernel, points)
    assert kernel.invalid_count() == before
    # NaN and points outside the domain: the same NaN, the same counts
    for point in points:
        if np.ndim(point):
            point.flat[3] = np.nan
            point.flat[1] = -1.0
    whole = kernel.invalid_count(), kernel.unconverged_count()
    kernel.ufunc(*points)
    once = kernel.invalid_count() - whole[0], kernel.unconverged_count() - whole[1]
    assert once[0] > 0
    both(kernel, points)
    again = kernel.invalid_count() - whole[0], kernel.unconverged_count() - whole[1]
    assert again == tuple(3 * x for x in once)


def test_double_double_roots_in_a_stage():
    kernel = compile_program(effective_ridge(), "double-double")
    both(kernel, operands((20, 4000), [(0,), (0,), (0,), (0,)], 1)[:3] + [np.full((1, 4000), 0.5)])
    cut = next(iter(kernel.cuts.values()))
    assert len(cut.stages) == 2


def test_masks_that_meet_nan_in_an_early_stage():
    kernel = compile_program(no_root())
    y = np.linspace(1, 2, 300)[:, None]
    flag = np.where(np.arange(300) % 2, 1.0, -1.0)
    hidden, *others = both(kernel, (y, flag))
    assert np.isfinite(hidden).sum() == 150 * 300
    assert len(others) == 4 and np.isnan(others).all()


def test_sums_in_a_stage():
    kernel = compile_program(sums())
    x = np.linspace(0.1, 3, 40)[:, None]
    both(kernel, (x, 1.0, np.arange(2000.0) % 7))


def test_a_stage_holds_what_depends_on_its_axes_alone():
    cut = grid.cut_program(closed_form(), (1, 2, 4, 2), frozenset())
    assert cut is not None
    assert [stage.mask for stage in cut.stages] == [2, 4, 6, 7]
    *early, last = cut.stages
    assert all(not stage.program.constraints for stage in early)
    assert len(last.program.constraints) == 4
    assert "sqrt" not in last.program.operations()
    assert sum(stage.program.operations().get("sqrt", 0) for stage in early) == 1
    # four lengths: the pair (alpha, kappa) is no smaller than the grid if tau has one value
    assert grid.cut_program(closed_form(), (0, 1, 2, 1), frozenset({3})) is not None
    assert grid.cut_program(closed_form(), (1, 1, 1, 1), frozenset()) is None


def test_out_is_filled():
    kernel = compile_program(closed_form())
    points = operands((300, 250), [(0,), (), (1,), ()], 2)
    out = tuple(np.empty((300, 250)) for _ in range(3))
    results = both(kernel, points, out=out)
    assert all(a is b for a, b in zip(results, out, strict=True))


def test_only_when_it_pays(monkeypatch):
    monkeypatch.setattr(kernel_module, "_kernels", {})
    kernel = compile_program(closed_form())
    compiled = []
    monkeypatch.setattr(
        kernel_module,
        "compile_program",
        lambda program, precision: compiled.append(program) or compile_program(program, precision),
    )
    monkeypatch.setattr(kernel_module, "is_compiled", lambda program, precision: False)
    few = operands((10, 20), [(0,), (), (1,), ()])
    grown = operands((301, 251), [(0,), (), (1,), ()])
    scattered = [np.ones(70000) * 0.5] * 4
    for points in (few, scattered, grown):
        kernel(*points)
    assert compiled == []  # too small, nothing to save, not yet worth the compilation
    (cut,) = [c for c in kernel.cuts.values() if c is not None]
    price = grid.COMPILE_NANOSECONDS * len(cut.stages)
    assert 0 < cut.savings.total < price
    cut.savings.total = price
    expected = kernel.ufunc(*grown)
    got = kernel(*grown)
    assert len(compiled) == len(cut.stages) >= 2
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
    with pytest.raises(ValueError, match="broadcast"):
        kernel(np.ones((300, 300)), np.ones(299), 1.0, 1.0)
    with pytest.raises(TypeError):
        kernel(np.ones((300, 300)) * 1j, np.ones(300), 1.0, 1.0)


def test_cached_stages_are_used_at_once(monkeypatch):
    points = operands((300, 250), [(0,), (), (1,), ()])
    grid.prepare(compile_program(closed_form()), *points)
    monkeypatch.setattr(kernel_module, "_kernels", {})
    kernel = compile_program(closed_form())
    kernel(*points)
    (cut,) = kernel.cuts.values()
    assert cut.savings.compiled and cut.unchecked.kernels


def test_rows_are_taken_where_they_lie_and_numpy_keeps_its_buffers():
    usual = np.getbufsize()
    row, column = np.ones(500), np.ones((400, 1))
    inside = {}
    for name, operands in {
        "long rows": (row, column, 2.0),
        "short rows": (np.ones(7), column),
        "integers": (row, np.ones((400, 1), dtype=int)),
    }.items():
        with grid.row_by_row(operands, np.empty((400, 500))):
            inside[name] = np.getbufsize()
    assert inside["long rows"] < inside["integers"] == usual
    with pytest.raises(ZeroDivisionError), grid.row_by_row((row,)):
        raise ZeroDivisionError
    assert np.getbufsize() == usual


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_stands_still_along_a_row_stays_in_a_register_bit_for_bit(order):
    kernel = compile_program(closed_form())
    points = operands((300, 400), [(0,), (), (1,), ()], seed=8)
    out = tuple(np.empty((300, 400), order=order) for _ in range(3))
    both(kernel, points, out=out)
    steady = [c.unchecked.program.operations().get("steady", 0) for c in kernel.cuts.values() if c]
    assert max(steady) >= 2


def test_an_operand_may_be_overwritten_by_the_result():
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    kernel = compile_program(b.program({"f": b.op("div", b.op("add", x, y), b.op("sub", x, y))}))
    x, y = np.linspace(1, 2, 5000), np.linspace(3, 5, 5000)
    expected = (x + y) / (x - y)
    assert np.array_equal(kernel(x.copy(), y), expected)
    for k in range(2):
        points = [x.copy(), y.copy()]
        assert np.array_equal(kernel(*points, out=points[k]), expected)
    overlapping = np.concatenate([x, [0.0]])
    assert np.array_equal(kernel(overlapping[:-1], y, out=overlapping[1:]), expected)
