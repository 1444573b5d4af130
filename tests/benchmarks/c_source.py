"""C99 as one writes it by hand for speed, printed from the program that the kernel runs.

Values are named, tests of the domain are left out (nobody writes them in a loop like this), and a
root is found for a block of points at a time: the whole block iterates until its slowest lane has
arrived, so that every pass is a loop that a compiler turns into vector instructions.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from numerics.arithmetic import FLOAT_CONSTANTS
from numerics.program import Instruction, Program
from numerics.schedule import Lanes, Plan, plan

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=gnu99")
VECTOR_WIDTHS = (256, 512)  # bits; which is faster depends on the processor
LANES = (32, 64, 128)  # points of a block; the same
STEP = -30  # power of two of the last relative step: Newton's next error is its square

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "less": "<", "less_equal": "<="}
_INFIX |= {"equal": "==", "and": "&&", "or": "||"}
_CALLS = {"abs": "fabs", "sqrt": "sqrt", "exp": "exp", "log": "log", "pow": "pow"}
_NAMED = {"inf": "INFINITY", "nan": "NAN"}

Arrays = Sequence[np.ndarray]


def c_source(program: Program, lanes: int = 64) -> str:
    """Write one C function ``evaluate(n, arguments..., out)`` for a program with one output.

    Parameters
    ----------
    program : Program
        Closed, or over roots; sums are not needed here.
    lanes : int
        Points of a block, where there is a root.

    Returns
    -------
    str
        C99.
    """
    arranged = plan(replace(program, constraints=()))
    operands = [f"const double *restrict a{k}" for k in range(len(program.arguments))]
    head = [
        "#include <math.h>",
        f"void evaluate(long n, {', '.join(operands)}, double *restrict out)",
        "{",
    ]
    if not arranged.schedule.iterations:
        body = [
            "for (long i = 0; i < n; i++) {",
            *_lanes(arranged, arranged.schedule.last, "i"),
            f"out[i] = v{arranged.schedule.yields[0]};",
            "}",
        ]
    else:
        body = _blocks(arranged, lanes)
    return "\n".join([*head, *body, "}"]) + "\n"


def _blocks(arranged: Plan, lanes: int) -> list[str]:
    loops = [iteration.instruction for iteration in arranged.schedule.iterations]
    kept = sorted(arranged.tiled | {p for loop in loops for p in loop.block.parameters})
    lines = [f"double {', '.join(f't{v}[{lanes}]' for v in kept)};"]
    lines += [f"for (long start = 0; start < n; start += {lanes}) {{"]
    lines += [f"int m = n - start < {lanes} ? (int)(n - start) : {lanes};"]
    every = "for (int i = 0; i < m; i++) {"
    for iteration in arranged.schedule.iterations:
        loop = iteration.instruction
        most = loop.attribute[1]
        unknowns = loop.block.parameters
        lines += [every, *_lanes(arranged, iteration.before, "start + i")]
        lines += [f"t{u}[i] = v{s};" for u, s in zip(unknowns, loop.inputs, strict=True)]
        lines += ["}", f"for (int k = 0; k < {most}; k++) {{", "long moving = 0;", every]
        lines += _lanes(arranged, iteration.body.last, "start + i", unknowns)
        for new, old in zip(iteration.body.yields, unknowns, strict=True):
            lines.append(f"moving += fabs(v{new} - v{old}) > {2.0**STEP!r} * fabs(v{new});")
            lines.append(f"t{old}[i] = v{new};")
        lines += ["}", "if (!moving) break;", "}"]
    lines += [every, *_lanes(arranged, arranged.schedule.last, "start + i")]
    return [*lines, f"out[start + i] = v{arranged.schedule.yields[0]};", "}", "}"]


def _lanes(arranged: Plan, lanes: Lanes, index: str, bound: tuple[int, ...] = ()) -> list[str]:
    """Write one pass: loads of what it takes from elsewhere, its assignments, stores to blocks."""
    own = {r for i in lanes.instructions for r in i.results}
    wanted = {v for i in lanes.instructions for v in i.inputs} | set(bound)
    if lanes is arranged.schedule.last:
        wanted |= set(arranged.schedule.yields)
    lines = [_load(arranged, v, index) for v in sorted(wanted - own)]
    lines += [_assignment(arranged, i) for i in lanes.instructions]
    return lines + [f"t{v}[i] = v{v};" for v in sorted(own & arranged.tiled)]


def _load(arranged: Plan, value: int, index: str) -> str:
    instruction = arranged.definitions.get(value)
    if instruction is None:
        return f"double v{value} = t{value}[i];"
    if instruction.op == "argument":
        return f"double v{value} = a{instruction.attribute}[{index}];"
    if instruction.op == "constant":
        return f"double v{value} = {_constant(instruction.attribute)};"
    if instruction.op == "root":
        unknown = instruction.block.parameters[instruction.results.index(value)]
        return f"double v{value} = t{unknown}[i];"
    return f"double v{value} = t{value}[i];"


def _constant(attribute: object) -> str:
    if isinstance(attribute, str):
        return _NAMED.get(attribute) or repr(FLOAT_CONSTANTS[attribute])
    return repr(float(attribute))


def _assignment(arranged: Plan, instruction: Instruction) -> str:
    op, (result,) = instruction.op, instruction.results
    kind = "int" if result in arranged.booleans else "double"
    names = [f"v{v}" for v in instruction.inputs]
    if op in _INFIX:
        text = f"{names[0]} {_INFIX[op]} {names[1]}"
    elif op == "neg":
        text = f"-{names[0]}"
    elif op in ("minimum", "maximum"):
        sign = "<" if op == "minimum" else ">"
        text = f"{names[0]} {sign} {names[1]} ? {names[0]} : {names[1]}"
    elif op == "select":
        text = f"{names[0]} ? {names[1]} : {names[2]}"
    elif op == "power":
        text = " * ".join(names * abs(instruction.attribute))
        text = text if instruction.attribute > 0 else f"1.0 / ({text})"
    else:
        text = f"{_CALLS[op]}({', '.join(names)})"
    return f"{kind} v{result} = {text};"


def compiler() -> str | None:
    """Return the C compiler of this machine, None if there is none."""
    return shutil.which("gcc") or shutil.which("cc")


def compiled(
    source: str, folder: Path, name: str, width: int = 256
) -> Callable[[Arrays, np.ndarray], None]:
    """Compile and load a function written by :func:`c_source`.

    Parameters
    ----------
    source : str
        C99.
    folder : Path
        Where the files go.
    name : str
        Of the files; a library is loaded once per name.
    width : int
        Vector length to prefer, in bits; ignored where the processor has no choice.

    Returns
    -------
    callable
        ``(contiguous arguments, out) -> None``.
    """
    text, library = folder / f"{name}.c", folder / f"{name}.so"
    text.write_text(source, encoding="utf-8")
    wide = (f"-mprefer-vector-width={width}",) if _has_512_bits() else ()
    command = [compiler() or "cc", *FLAGS, *wide, "-shared", "-fPIC", text, "-o", library, "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    function = ctypes.CDLL(str(library)).evaluate
    function.restype = None

    def call(arguments: Arrays, out: np.ndarray) -> None:
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arguments, out)]
        function(ctypes.c_long(out.size), *pointers)

    return call


def _has_512_bits() -> bool:
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
