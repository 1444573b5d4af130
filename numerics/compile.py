"""Source of a kernel -> object code, by numba and LLVM.

Imported only when something is compiled; a cached kernel never comes here. Guarantees checked on
every object: no fast-math flag anywhere in the call tree (error-free transforms and the stable
forms depend on IEEE arithmetic as written), and no symbol that the loader could not resolve.
"""

from __future__ import annotations

import re
from typing import Any

import llvmlite.binding as llvm
from numba import cfunc, types
from numba.core.errors import NumbaError

from numerics.errors import LoweringError
from numerics.intrinsics import FLOAT, namespace
from numerics.linker import ObjectFile
from numerics.llvm_target import target_machine
from numerics.object_code import ENTRY, RESOLVABLE

_SIGNATURE = types.void(
    types.CPointer(FLOAT),
    types.CPointer(types.intp),
    types.CPointer(types.intp),
    types.CPointer(types.int64),
)
_FAST = re.compile(
    r"= (?:tail |musttail |notail )?(?:fadd|fsub|fmul|fdiv|frem|fneg|fcmp|call|select|phi)"
    r"(?: (?:fast|nnan|ninf|nsz|arcp|contract|afn|reassoc))+ "
)


def object_code(source: str) -> bytes:
    """Compile the source of a kernel.

    Parameters
    ----------
    source : str
        Text written by :func:`numerics.emit.emit`, never by a person.

    Returns
    -------
    bytes
        A relocatable object file that defines the function named ``ENTRY``.

    Raises
    ------
    LoweringError
        If the object would need a symbol from outside, or carries fast-math flags.
    """
    module = optimised_module(source)
    flagged = fast_math_lines(str(module))
    data = target_machine().emit_object(module)
    code = ObjectFile.read(data)
    foreign = code.undefined - RESOLVABLE if code else frozenset()
    declared = {f.name for f in module.functions if f.is_declaration}
    foreign |= {n for n in declared if not n.startswith("llvm.")} - RESOLVABLE
    if flagged or foreign:
        raise LoweringError(
            "compile_program(...)",
            f"the compiled kernel has {len(flagged)} fast-math instructions and needs the symbols "
            f"{sorted(foreign)}",
            "a kernel uses IEEE arithmetic and the C mathematics library only",
            "report the formula as a defect of numerics.compile",
        )
    return data


def optimised_module(source: str) -> Any:
    """Return the LLVM module of a kernel after optimisation.

    Parameters
    ----------
    source : str
        Text written by :func:`numerics.emit.emit`.

    Returns
    -------
    llvmlite.binding.ModuleRef
        One external function, everything else inlined or internal.
    """
    names = dict(namespace())
    exec(compile(source, "<kernel>", "exec"), names)  # the one code generator; text from IR only
    try:
        compiled = cfunc(_SIGNATURE, error_model="numpy")(names["loop"])
    except NumbaError as error:
        raise LoweringError(
            "compile_program(...)",
            f"numba refuses the generated source ({str(error).splitlines()[0]})",
            "the generator wrote something outside the part of Python it may use",
            "report the formula as a defect of numerics.emit",
        ) from error
    module = llvm.parse_assembly(compiled.inspect_llvm())
    for function in module.functions:
        if function.name == compiled.native_name:
            function.name = ENTRY
        elif not function.is_declaration:
            function.linkage = "internal"
    for variable in module.global_variables:
        if variable.linkage.name not in ("external", "private"):
            variable.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(3)
    builder = llvm.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(module, builder)
    return module


def fast_math_lines(text: str) -> list[str]:
    """Return the instructions of an LLVM module that carry fast-math flags.

    Parameters
    ----------
    text : str
        The module.

    Returns
    -------
    list of str
        Offending lines.
    """
    return [line for line in text.splitlines() if _FAST.search(line)]
