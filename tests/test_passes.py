"""Long straight-line code in several loops: the same bits, and few values between them."""

import dataclasses
import re

import numpy as np
import pytest
from kernel_programs import effective_ridge, marchenko_pastur
from test_emit import random_program
from test_grid import both, closed_form, operands

from numerics import emit_double_double
from numerics.compile import optimised_module
from numerics.emit import PRECISIONS, emit
from numerics.emit_double_double import DoubleDouble
from numerics.kernel import compile_program
from numerics.passes import cut_into_passes
from numerics.program import Instruction
from numerics.schedule import plan


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_DERIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def effort(instruction: Instruction) -> int:
    return 3 + len(instruction.op)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("longest", [1, 20, 60, 10_000])
def test_passes_are_the_instructions_in_order(seed, longest):
    code = plan(random_program(seed, 60)).schedule.last.instructions
    parts = cut_into_passes(code, effort, longest)
    assert tuple(i for part in parts for i in part) == code
    assert all(len(part) == 1 or sum(map(effort, part)) <= longest for part in parts)
    assert (len(parts) == 1) == (longest == 10_000)


def test_a_cut_is_where_few_values_are_alive():
    """Two bushes joined by one value: the cut is at the joint, though not in the middle."""
    code = [Instruction("mul", (k,), (100 + k, 200 + k)) for k in range(4)]
    code += [Instruction("add", (10 + k,), (a, b)) for k, (a, b) in enumerate([(0, 1), (2, 3)])]
    code += [Instruction("add", (12,), (10, 11))]
    code += [Instruction("mul", (20 + k,), (12, 300 + k)) for k in range(3)]
    code += [Instruction("add", (30,), (20, 21)), Instruction("add", (31,), (30, 22))]
    parts = cut_into_passes(tuple(code), lambda i: 1, 8)
    assert [len(part) for part in parts] == [7, 5]
    assert cut_into_passes((), lambda i: 1, 8) == ((),)


@pytest.mark.parametrize(
    "program",
    [
        marchenko_pastur(),
        pytest.param(closed_form(), marks=pytest.mark.slow),
        pytest.param(effective_ridge(), marks=pytest.mark.slow),
        pytest.param(random_program(7, 24), marks=pytest.mark.slow),
    ],
)
def test_a_program_in_many_passes_gives_the_bits_of_one(program, monkeypatch):
    """Masks, validity and roots cross from pass to pass."""
    points = np.exp(np.random.default_rng(3).uniform(-2, 2, (len(program.arguments), 70)))
    points[0, :5] = -1.0, np.nan, 0.0, np.inf, 1.0
    points[-1, 5] = np.nan
    results = []
    for longest in (40, 10**6):
        monkeypatch.setattr(emit_double_double, "_LONGEST", longest)
        # the cache is keyed by the text of the generator, which has not changed
        renamed = tuple(f"{o}_{longest}" for o in program.outputs)
        kernel = compile_program(dataclasses.replace(program, outputs=renamed), "double-double")
        loops = kernel.source.count("for i in range(m):")
        results.append((loops, kernel(*points), kernel.invalid_count()))
    (many, bits, invalid), (few, same, refused) = results
    assert many > few and invalid == refused
    assert np.array_equal(bits, same, equal_nan=True)


@pytest.mark.slow
def test_stages_of_a_grid_add_pairs_in_the_same_way():
    kernel = compile_program(closed_form(), "double-double")
    both(kernel, operands((30, 12, 200), [(0,), (1,), (1,), (2,)], 4))


def test_pairs_run_at_the_full_width_of_the_processor():
    text = str(optimised_module(emit(marchenko_pastur(), "double-double")))
    wide = [line for line in text.splitlines() if '"prefer-vector-width"="512"' in line]
    assert len(wide) == 1
    (group,) = re.findall(r"#\d+", wide[0])
    (body,) = re.findall(rf"define[^\n]*{group} .*?\n}}", text, flags=re.S)
    assert body.count("llvm.fma") > 10
    assert "prefer-vector-width" not in str(optimised_module(emit(marchenko_pastur())))
    assert PRECISIONS["double-double"] == DoubleDouble()
