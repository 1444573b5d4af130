"""The generated source: what it says, what it refuses, and the order of its passes."""

import ast
from fractions import Fraction

import numpy as np
import pytest
from kernel_programs import Floats, effective_ridge, interpret, marchenko_pastur, nested, sums

from numerics.emit import emit
from numerics.errors import ArgumentsError, LoweringError
from numerics.kernel import compile_program
from numerics.program import Builder, Program
from numerics.schedule import plan

PRECISIONS = ("float64", "double-double")


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_DERIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("program", [marchenko_pastur(), effective_ridge(), sums(), nested()])
def test_source_is_python_with_numbered_locals(program, precision):
    source = emit(program, precision)
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert not names & (set(program.arguments) - {"n", "x", "m"})
    assert not any(isinstance(n, ast.Import | ast.Attribute) for n in ast.walk(tree))
    assert source == emit(Program.from_json(program.to_json()), precision)


def test_what_does_not_change_leaves_the_loop():
    schedule = plan(effective_ridge()).schedule
    (loop,) = schedule.iterations
    inside = [i.op for i in loop.body.last.instructions]
    before = [i.op for i in loop.before.instructions]
    # Of the comparisons only that of q + xi + (kappa-1)/kappa with 0 depends on xi; those of the
    # four arguments, of kappa with 2 and the two of the starting value are done once.
    assert inside.count("less") == 1 and before.count("less") == 4 + 3
    assert "sqrt" in inside and before.count("sqrt") == 2


def test_dead_code_and_residuals_are_dropped():
    b = Builder(("x",))
    x = b.argument("x")
    b.op("exp", x)
    (z,) = b.open(1)
    new = b.op("sqrt", b.op("add", x, z))
    residual = b.op("sub", b.op("mul", z, z), b.op("add", x, z))
    (root,) = b.close("root", (z,), (new, residual), (x,), (-50, 100), 1)
    source = emit(b.program({"z": root}))
    assert "exp(" not in source and " * v" not in source.replace("* z", "")


@pytest.mark.parametrize(
    "name",
    [
        *(
            'x"""\nimport os',
            "x\ny",
            "",
            "1x",
            "_x",
            "x" * 65,
            "x;y",
            "x#",
            "é",
            "x.y",
            "a b",
            "x\n",
        ),
        *("__import__('os')", "x\\", "x'", '"', "x\r", "x\x00"),
    ],
)
def test_hostile_names_are_refused(name):
    b = Builder((name,))
    program = b.program({"y": b.op("neg", b.argument(name))})
    with pytest.raises(ArgumentsError, match="plain name"):
        emit(program)
    b = Builder(("x",))
    with pytest.raises(ArgumentsError, match="plain name"):
        emit(b.program({name: b.argument("x")}))


def test_names_that_are_words_of_the_source_are_harmless():
    names = ("n", "steps", "inf", "sqrt", "loop", "a0", "v1")
    b = Builder(names)
    total = b.argument("n")
    for name in names[1:]:
        total = b.op("add", total, b.argument(name))
    kernel = compile_program(b.program({"data": b.op("sqrt", total)}))
    assert kernel(1, 2, 3, 4, 5, 6, 7) == np.sqrt(28)


@pytest.mark.parametrize("constant", [Fraction(10) ** 400, Fraction(1, 10**400)])
def test_constants_outside_the_range_are_refused(constant):
    b = Builder(("x",))
    program = b.program({"y": b.op("mul", b.argument("x"), b.constant(constant))})
    for precision in PRECISIONS:
        with pytest.raises(LoweringError, match="outside the range"):
            emit(program, precision)


def test_constraint_on_a_root_is_refused():
    b = Builder(("x",))
    x = b.argument("x")
    (z,) = b.open(1)
    (root,) = b.close("root", (z,), (b.op("sqrt", z), z), (x,), (-50, 9), 1)
    b.require("root below 2", ("x",), b.op("less", root, b.constant(2)))
    with pytest.raises(LoweringError, match="root below 2"):
        emit(b.program({"y": x}))


def test_unknown_operations_are_refused():
    b = Builder(("x",))
    program = b.program({"y": b.op("bessel", b.argument("x"))})
    for precision in PRECISIONS:
        with pytest.raises(LoweringError, match="bessel"):
            emit(program, precision)


def test_too_many_operands_are_refused():
    b = Builder(tuple(f"x{k}" for k in range(32)))
    program = b.program({"y": b.argument("x0")})
    emit(program)
    with pytest.raises(LoweringError, match="66 operands"):
        emit(program, "double-double")


def random_program(seed: int, length: int) -> Program:
    """A dense program over every exact operation; each value is an output."""
    rng = np.random.default_rng(seed)
    b = Builder(("x", "y", "z"))
    numbers = [b.argument(a) for a in b.arguments]
    numbers += [b.constant(Fraction(int(p), int(q))) for p, q in rng.integers(1, 9, (3, 2))]
    numbers.append(b.constant("inf"))
    masks = [b.op("less", numbers[0], numbers[1])]
    outputs = {}
    while len(outputs) < length:
        op = rng.choice(
            ["add", "sub", "mul", "div", "neg", "abs", "sqrt", "power", "minimum", "maximum"]
            + ["select", "less", "less_equal", "equal", "and", "or", "not", "is_infinite"]
        )
        p, q = (int(v) for v in rng.choice(numbers, 2))
        s, t = (int(v) for v in rng.choice(masks, 2))
        if op in ("less", "less_equal", "equal"):
            masks.append(b.op(op, p, q))
        elif op in ("and", "or"):
            masks.append(b.op(op, s, t))
        elif op == "not":
            masks.append(b.op(op, s))
        elif op == "is_infinite":
            masks.append(b.op(op, p))
        else:
            if op == "power":
                value = b.op("power", p, attribute=int(rng.integers(-9, 10)))
            elif op == "select":
                value = b.select(s, p, q)
            else:
                value = b.op(op, *((p,) if op in ("neg", "abs", "sqrt") else (p, q)))
            numbers.append(value)
            outputs[f"v{len(outputs)}"] = value
    return b.program(outputs)


def test_random_programs_agree_bit_for_bit_with_an_interpreter():
    program = random_program(seed=5, length=55)
    kernel = compile_program(program)
    rng = np.random.default_rng(6)
    special = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, 5e-324, 1e308, -2.5])
    points = rng.choice(special, (3, 120))
    points[:, ::2] = np.exp(rng.normal(0, 3, (3, 60))) * rng.choice([-1, 1], (3, 60))
    got = np.array(kernel(*points))
    compared = 0
    for column, point in zip(got.T, points.T, strict=True):
        with np.errstate(all="ignore"):
            expected = np.array(interpret(program, Floats(), *point))
        # Where a comparison met a NaN the kernel says NaN and the interpreter takes a side.
        same = (column == expected) | np.isnan(column)
        assert same.all(), (point, column[~same], expected[~same])
        compared += np.sum(~np.isnan(column))
        assert not np.any(np.isnan(expected) & ~np.isnan(column))
    assert compared > 2500
