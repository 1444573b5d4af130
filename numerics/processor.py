"""What decides which machine instructions may run here: part of the key of every cached kernel."""

from __future__ import annotations

import os
import sys
from functools import cache

_TELLING = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
_ENOUGH = 1 << 14  # bytes: the first processor of the list


@cache
def description() -> tuple[str, ...]:
    """Return the system, the processor and the instructions that it offers.

    Returns
    -------
    tuple of str
        From the kernel's own list where there is one, else from LLVM, which takes longer to ask.

    Examples
    --------
    >>> len(description()) >= 2
    True
    """
    lines: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", "rb") as file:
            text = file.read(_ENOUGH).decode("ascii", "replace")
        for line in text.partition("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            if name.strip() in _TELLING:
                lines[name.strip()] = value.strip()
    except OSError:
        pass
    system = f"{sys.platform} {os.uname().machine if hasattr(os, 'uname') else os.name}"
    if "flags" in lines or "Features" in lines:
        return (system, *(f"{name}: {value}" for name, value in lines.items()))
    import llvmlite.binding as llvm

    return (
        system,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
