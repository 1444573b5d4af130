"""The computer as LLVM sees it, and LLVM's in-process linker for what ours does not read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import llvmlite.binding as llvm


@cache
def target_machine() -> Any:
    """Return LLVM's description of this computer, for code at full optimisation."""
    return _fresh_machine()


def linked(data: bytes, entry: str, outside: Mapping[str, int]) -> tuple[int, Any]:
    """Load object code through LLVM.

    Parameters
    ----------
    data : bytes
        Object file of any format that LLVM knows.
    entry : str
        The function to call.
    outside : mapping of str to int
        Addresses of the functions that the object may call.

    Returns
    -------
    tuple of int and object
        Address of the function, 0 if the object lacks it, and what has to stay referenced.
    """
    for name, address in outside.items():
        llvm.add_symbol(name, address)
    # an execution engine takes ownership of the target machine that it is given
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _fresh_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine.get_function_address(entry), engine


def _fresh_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )
