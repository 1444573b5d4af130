"""Pairs of floats against exact rationals, in Python and as compiled code."""

import math
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_programs import effective_ridge

from numerics import double_double as dd
from numerics import double_double_functions as functions
from numerics.compile import fast_math_lines, optimised_module
from numerics.emit import emit
from numerics.kernel import compile_program
from numerics.program import Builder

U = Fraction(1, 2**53)
quick = settings(derandomize=True, deadline=None, max_examples=150)
ordinary = st.builds(
    lambda m, e, s: s * math.ldexp(m, e),
    st.floats(1.0, 2.0, exclude_max=True),
    st.integers(-60, 60),
    st.sampled_from([-1.0, 1.0]),
)
pairs = st.builds(
    lambda h, t: dd.quick_two_sum(h, h * t * 2.0**-54), ordinary, st.floats(-1.0, 1.0)
)


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_DERIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@quick
@given(ordinary, ordinary)
def test_transforms_are_error_free(a, b):
    for transform, exact in (
        (dd.two_sum, Fraction(a) + Fraction(b)),
        (dd.two_product, Fraction(a) * Fraction(b)),
    ):
        high, low = transform(a, b)
        assert Fraction(high) + Fraction(low) == exact
        assert high == float(exact)


def test_fast_transform_needs_its_order():
    """The test can fail: with the operands exchanged Dekker's sum is not exact."""
    high, low = dd.quick_two_sum(1.0, 2.0**53 + 2.0)
    assert Fraction(high) + Fraction(low) != 2**53 + 3
    high, low = dd.quick_two_sum(2.0**53 + 2.0, 1.0)
    assert Fraction(high) + Fraction(low) == 2**53 + 3


def relative(pair, exact):
    return abs(dd.join(*pair) - exact) / abs(exact) if exact else abs(dd.join(*pair))


@quick
@given(pairs, pairs)
def test_bounds_of_the_operations(a, b):
    x, y = dd.join(*a), dd.join(*b)
    assert relative(dd.add(*a, *b), x + y) <= 3 * U**2 + 13 * U**3
    assert relative(dd.add_float(*a, b[0]), x + Fraction(b[0])) <= 2 * U**2 + 4 * U**3
    assert relative(dd.multiply(*a, *b), x * y) <= 5 * U**2
    assert relative(dd.multiply_float(*a, b[0]), x * Fraction(b[0])) <= 2 * U**2 + 4 * U**3
    assert relative(dd.square(*a), x * x) <= 5 * U**2
    assert relative(dd.divide(*a, *b), x / y) <= 15 * U**2 + 56 * U**3
    assert relative(dd.reciprocal(*b), 1 / y) <= 8 * U**2 + 30 * U**3
    root = dd.join(*dd.square_root(abs(a[0]), a[1] if a[0] > 0 else -a[1]))
    assert abs(root * root - abs(x)) <= 2 * 4 * U**2 * abs(x)
    results = [f(*a, *b) for f in (dd.add, dd.add_rounded, dd.multiply, dd.divide)]
    for result in (*results, dd.reciprocal(*b)):
        assert result[0] + result[1] == result[0]  # normalised


last_places = st.integers(-4, 4).map(lambda k: k * 2.0**-52)
halves = st.sampled_from([-1.0, -0.999, -0.5, 0.0, 2.0**-40, 0.5, 0.999, 1.0])
binades = st.sampled_from([0.5, 1.0, 2.0])
near_one = st.builds(
    lambda scale, h, t: tuple(scale * v for v in dd.quick_two_sum(1.0 + h, t * 2.0**-53)),
    binades,
    last_places,
    halves,
)


@quick
@given(st.one_of(pairs, near_one), st.one_of(pairs, near_one), st.sampled_from([-1.0, 1.0]))
def test_the_cheaper_sum_is_as_good_as_its_operands(a, b, sign):
    """Pairs near 1, with high parts that cancel to a few last places or altogether, included."""
    b = sign * b[0], sign * b[1]
    x, y = dd.join(*a), dd.join(*b)
    result = dd.add_rounded(*a, *b)
    assert abs(dd.join(*result) - (x + y)) <= (3 * U**2 + 9 * U**3) * (abs(x) + abs(y))
    assert result[0] + result[1] == result[0]


def test_the_cheaper_sum_is_worse_where_exact_operands_cancel():
    """The bound holds relative to the operands, not to the sum: what exact ones need is `add`."""
    a, b = (1.0, (1 + 2.0**-52) * 2.0**-54), (-1.0, 2.0**-108)
    exact = dd.join(*a) + dd.join(*b)
    assert relative(dd.add(*a, *b), exact) <= 3 * U**2
    assert relative(dd.add_rounded(*a, *b), exact) > 1000 * U**2


def test_what_is_exact_is_added_without_loss():
    b = Builder(("x", "y", "z"))
    x, y, z = (b.argument(n) for n in "xyz")
    one, op = b.constant(1), b.op
    outputs = {
        "exact": op("sub", op("sub", x, one), op("sub", y, one)),
        "rounded": op("sub", op("mul", x, z), y),
        "root": op("add", op("sqrt", x), op("add", y, z)),
    }
    program = b.program(outputs)
    assert emit(program, "double-double").count("= add_rounded(") == 2
    kernel = compile_program(program, "double-double")
    x, y, z = (1.0, 2.0**-80), (1.0, 3 * 2.0**-90), (0.75, 2.0**-60)
    out = [float(v) for v in kernel(x[0], y[0], z[0], x[1], y[1], z[1])]
    assert dd.join(*out[:2]) == dd.join(*x) - dd.join(*y)
    assert tuple(out[2:4]) == dd.add_rounded(*dd.multiply(*x, *z), -y[0], -y[1])
    assert tuple(out[4:]) == dd.add_rounded(*dd.square_root(*x), *dd.add(*y, *z))


@quick
@given(st.floats(-600, 600), st.floats(-1, 1))
def test_exponential_and_logarithm(x, t):
    with mpmath.workprec(1400):
        a = dd.quick_two_sum(x, x * t * 2.0**-54)
        exact = mpmath.exp(mpmath.mpf(a[0]) + mpmath.mpf(a[1]))
        high, low = functions.exponential(*a)
        error = abs((mpmath.mpf(high) + mpmath.mpf(low)) / exact - 1)
        assert error <= 1.5e-31 * max(1.0, abs(x))
        if high > 0:
            exact = mpmath.log(mpmath.mpf(high) + mpmath.mpf(low))
            result = functions.logarithm(high, low)
            error = abs(mpmath.mpf(result[0]) + mpmath.mpf(result[1]) - exact)
            assert error <= 1e-30 * abs(exact)


BOXES = {
    "sin": (functions.sine, (-900.0, 900.0), 1e-31),
    "cos": (functions.cosine, (-900.0, 900.0), 1e-31),
    "atan": (functions.arctangent, (-50.0, 50.0), 1e-31),
    "zeta": (functions.zeta_function, (0.02, 40.0), 2e-30),
    "gamma": (functions.gamma_function, (0.02, 60.0), 1e-29),
}


@pytest.mark.parametrize("name", BOXES)
def test_functions_against_mpmath(name):
    function, (low, high), bound = BOXES[name]
    rng = np.random.default_rng(8)
    b = Builder(("x",))
    kernel = compile_program(b.program({name: b.op(name, b.argument("x"))}), "double-double")
    x = rng.uniform(low, high, 60)
    x[:2] = (math.pi, math.pi / 2) if low < 0 else (1.5, 0.05)
    tail = x * rng.uniform(-1, 1, 60) * 2.0**-54
    highs, lows = kernel(x, tail)
    for point, lower, h, t in zip(x, tail, highs, lows, strict=True):
        with mpmath.workprec(400):
            exact = getattr(mpmath, name)(mpmath.mpf(point) + mpmath.mpf(lower))
            error = abs((mpmath.mpf(h) + mpmath.mpf(t)) / exact - 1)
        assert error < bound, (point, float(error))
    assert function(x[7], tail[7]) == (highs[7], lows[7])


def test_special_values_of_functions():
    assert functions.arctangent(math.inf, 0.0)[0] == math.pi / 2
    assert functions.arctangent(-math.inf, 0.0)[0] == -math.pi / 2
    assert functions.zeta_function(1.0, 0.0)[0] == math.inf
    assert functions.gamma_function(171.7, 0.0)[0] == math.inf
    assert functions.gamma_function(5.0, 0.0)[0] == 24.0
    refused = [functions.sine(1e7, 0.0), functions.cosine(math.inf, 0.0)]
    refused += [functions.gamma_function(-0.5, 0.0), functions.zeta_function(-1.0, 0.0)]
    refused += [functions.zeta_function(math.nan, 0.0), functions.arctangent(math.nan, 0.0)]
    assert all(math.isnan(high) for high, _ in refused)


def test_special_values():
    inf, nan = math.inf, math.nan
    assert dd.divide(1.0, 0.0, inf, 0.0) == (0.0, 0.0)
    assert dd.divide(1.0, 0.0, 0.0, 0.0) == (inf, 0.0)
    assert dd.divide(-1.0, 0.0, 0.0, 0.0) == (-inf, 0.0)
    assert dd.reciprocal(inf, 0.0) == (0.0, 0.0)
    assert dd.reciprocal(0.0, 0.0) == (inf, 0.0)
    assert dd.reciprocal(-0.0, 0.0) == (-inf, 0.0)
    assert dd.add_rounded(-inf, 0.0, 1.0, 1e-17) == (-inf, 0.0)
    assert dd.add_rounded(1e308, 1e291, 1e308, 0.0) == (inf, 0.0)
    assert dd.divide(1.0, 0.0, 1e308, 0.0)[0] == 1e-308
    assert dd.divide(inf, 0.0, 3.0, 1e-17) == (inf, 0.0)
    assert dd.add(inf, 0.0, 1.0, 1e-17) == (inf, 0.0)
    assert dd.add_float(-inf, 0.0, 1.0) == (-inf, 0.0)
    assert dd.multiply(1e200, 1e183, 1e200, 0.0) == (inf, 0.0)
    assert dd.square_root(0.0, 0.0) == (0.0, 0.0)
    assert dd.square_root(inf, 0.0) == (inf, 0.0)
    assert functions.exponential(inf, 0.0) == (inf, 0.0)
    assert functions.exponential(-inf, 0.0) == (0.0, 0.0)
    assert functions.logarithm(0.0, 0.0) == (-inf, 0.0)
    assert functions.logarithm(inf, 0.0) == (inf, 0.0)
    for high, low in (
        dd.add(inf, 0.0, -inf, 0.0),
        dd.multiply(0.0, 0.0, inf, 0.0),
        dd.divide(0.0, 0.0, 0.0, 0.0),
        dd.divide(inf, 0.0, inf, 0.0),
        dd.divide(1e-310, 0.0, 1e-310, 0.0),  # 1/b overflows: refused, not wrong
        dd.reciprocal(1e-310, 0.0),
        dd.add_rounded(inf, 0.0, -inf, 0.0),
        dd.square_root(-1.0, 0.0),
        functions.exponential(nan, 0.0),
        functions.logarithm(-1.0, 0.0),
    ):
        assert math.isnan(high) and low == 0.0


def arithmetic_kernel():
    b = Builder(("x", "y"))
    x, y, op = b.argument("x"), b.argument("y"), b.op
    third = b.constant(Fraction(1, 3))
    return b.program(
        {
            "sum": op("add", x, y),
            "product": op("mul", x, y),
            "ratio": op("div", x, y),
            "root": op("sqrt", op("abs", x)),
            "shifted": op("sub", op("mul", x, b.constant(3)), b.constant(5)),
            "seventh": op("power", y, attribute=7),
            "inverse": op("power", x, attribute=-3),
            "third": op("mul", x, third),
            "eighth": op("div", x, b.constant(8)),
            "logarithm": op("log", op("abs", x)),
            "real_power": op("pow", op("abs", x), op("div", y, op("add", op("abs", y), third))),
            "least": op("minimum", x, y),
            "greatest": op("maximum", x, y),
        }
    )


def test_compiled_operations_against_exact_rationals():
    kernel = compile_program(arithmetic_kernel(), "double-double")
    rng = np.random.default_rng(11)
    size = 400
    x, y = np.exp2(rng.uniform(-30, 30, (2, size))) * rng.choice([-1, 1], (2, size))
    low_x, low_y = x * rng.uniform(-1, 1, size) * 2.0**-54, y * rng.uniform(-1, 1, size) * 2.0**-54
    low_x[::4], low_y[::4] = 0.0, 0.0
    out = kernel(x, y, low_x, low_y)
    parts = dict(zip(kernel.program.outputs, zip(out[::2], out[1::2], strict=True), strict=True))
    for i in range(size):
        a, b = dd.join(x[i], low_x[i]), dd.join(y[i], low_y[i])
        got = {name: dd.join(high[i], low[i]) for name, (high, low) in parts.items()}
        if i % 4 == 0:  # floats: the compiled transforms are exact
            assert got["sum"] == a + b
            assert got["product"] == a * b
        assert got["eighth"] == a / 8
        assert got["least"] == min(a, b) and got["greatest"] == max(a, b)
        assert abs(got["sum"] - (a + b)) <= 3 * U**2 * abs(a + b)
        assert abs(got["product"] - a * b) <= 5 * U**2 * abs(a * b)
        assert abs(got["ratio"] * b - a) <= 15 * U**2 * abs(a)
        assert abs(got["root"] ** 2 - abs(a)) <= 8 * U**2 * abs(a)
        shifted = 3 * a - 5
        assert abs(got["shifted"] - shifted) <= 4 * U**2 * (3 * abs(a) + abs(shifted))
        assert abs(got["seventh"] - b**7) <= 40 * U**2 * abs(b**7)
        assert abs(got["inverse"] * a**3 - 1) <= 40 * U**2
        assert abs(got["third"] * 3 - a) <= 8 * U**2 * abs(a)
        with mpmath.workprec(300):
            big = mpmath.mpf(abs(a).numerator) / abs(a).denominator
            exponent = b / (abs(b) + Fraction(1, 3))
            power = big ** (mpmath.mpf(exponent.numerator) / exponent.denominator)
            for name, exact in (("logarithm", mpmath.log(big)), ("real_power", power)):
                value = mpmath.mpf(got[name].numerator) / got[name].denominator
                scale = max(1, abs(mpmath.log(big)))
                assert abs(value / exact - 1) <= 1e-30 * scale


def test_compiled_pairs_equal_the_python_functions_bit_for_bit():
    kernel = compile_program(arithmetic_kernel(), "double-double")
    rng = np.random.default_rng(12)
    for _ in range(50):
        (a, b), (al, bl) = rng.normal(0, 5, 2), rng.normal(0, 1e-17, 2)
        a, al = dd.quick_two_sum(float(a), float(al))
        b, bl = dd.quick_two_sum(float(b), float(bl))
        out = [float(v) for v in kernel(a, b, al, bl)]
        assert tuple(out[0:2]) == dd.add(a, al, b, bl)
        assert tuple(out[2:4]) == dd.multiply(a, al, b, bl)
        assert tuple(out[4:6]) == dd.divide(a, al, b, bl)
        assert tuple(out[6:8]) == dd.square_root(abs(a), al if a > 0 else -al)


def test_the_emitted_code_carries_no_fast_math_flags():
    text = str(optimised_module(emit(effective_ridge(), "double-double")))
    assert len(re.findall(r"\bfmul\b", text)) > 100
    assert len(re.findall(r"call .*@llvm\.fma", text)) > 50
    assert fast_math_lines(text) == []


def test_the_search_for_flags_finds_them():
    numba = pytest.importorskip("numba")
    for flags in (True, {"contract"}, {"reassoc"}, {"nnan"}):

        @numba.njit("f8(f8, f8)", fastmath=flags, error_model="numpy")
        def product(a, b):
            return a * b + b

        (text,) = product.inspect_llvm().values()
        assert fast_math_lines(text)


def test_comparisons_read_low_parts_only_where_they_decide():
    b = Builder(("x",))
    x, op = b.argument("x"), b.op
    bounds = {"zero": b.constant(0), "one": b.constant(1), "infinite": b.constant("inf")}
    outputs = {}
    for name, bound in bounds.items():
        outputs[f"above_{name}"] = op("less", bound, x)
        outputs[f"from_{name}"] = op("less_equal", bound, x)
        outputs[f"is_{name}"] = op("equal", bound, x)
        outputs[f"below_{name}"] = op("less", x, bound)
    program = b.program(outputs)
    assert emit(program, "double-double").count("l0") == 4 + 1  # those with 1, and the load
    kernel = compile_program(program, "double-double")
    values = [(v, 0.0) for v in (0.0, -0.0, 5e-324, -5e-324, math.inf, -math.inf)]
    values += [(1.0, 2.0**-60), (1.0, -(2.0**-60)), (1.0, 0.0), (1.0, 5e-324), (1e308, 1e291)]
    for high, low in values:
        out = [bool(v) for v in kernel(high, low)[::2]]
        at = dict(zip(outputs, out, strict=True))
        value = dd.join(high, low) if math.isfinite(high) else high
        for name, bound in (("zero", 0), ("one", 1), ("infinite", math.inf)):
            assert at[f"above_{name}"] == (bound < value), (high, low, name)
            assert at[f"from_{name}"] == (bound <= value)
            assert at[f"is_{name}"] == (bound == value)
            assert at[f"below_{name}"] == (value < bound)


def test_pairs_that_are_not_normalised_are_invalid():
    kernel = compile_program(arithmetic_kernel(), "double-double")
    before = kernel.invalid_count()
    good = kernel(1.0, 2.0, 2.0**-54, 0.0)
    assert np.isfinite(good).all() and kernel.invalid_count() == before
    for low in (1.0, math.nan, math.inf):
        assert np.isnan(kernel(1.0, 2.0, low, 0.0)).all()
    assert kernel.invalid_count() == before + 3


def test_split_and_join():
    third = dd.split(Fraction(1, 3))
    assert abs(dd.join(*third) - Fraction(1, 3)) < U**2 / 3
    assert dd.split(0.1) == (0.1, 0.0)
    assert dd.split(7) == (7.0, 0.0)
