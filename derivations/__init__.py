"""Results of papers, one package per paper, one file per section of it; found, never listed.

>>> import derivations
>>> d = derivations.get("lu2025.icl_error")
>>> print(d.reference)
Lu, Letey, Zavatone-Veth, Maiti & Pehlevan, arXiv 2405.11751, Result 1
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from derive.registry import cards, lookup, register_root

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.display import Catalog

register_root("derivations", Path(__file__).resolve().parent)


def get(id: str) -> Derivation:
    """Return a derivation by id; nothing runs yet.

    Parameters
    ----------
    id : str
        ``paper.result``, as listed by :func:`catalog`.

    Returns
    -------
    Derivation
        With ``steps``, ``status``, ``result``, ``latex()``, ``simulate()``.

    Raises
    ------
    UnknownNameError
        Suggesting the nearest ids.
    """
    return lookup(id)


def catalog() -> Catalog:
    """Return the table of all derivations: id, statement, paper, equation, verdict.

    Returns
    -------
    Catalog
        Prints as a table; iterates over cards. The verdict is that of the last run on these
        sources, or "not run yet".
    """
    from derive.display import Catalog

    return Catalog([lookup(id) for id in cards()])


__all__ = ["catalog", "get"]
