"""Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751.

Asymptotic theory of in-context learning by linear attention: one file per section.
``best_context`` finds the context length with the smallest error at a point.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derivations.lu2025.optimal_context import best_context

__all__ = ["best_context"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and SymPy with it, at its first use."""
    if name in __all__:
        return getattr(import_module("derivations.lu2025.optimal_context"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
