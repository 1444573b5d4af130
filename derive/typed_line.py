"""Tells a line that the engine computed from one that a person typed into an operation.

``page.derive`` hands the line before to an operation and prints what it returns as computed. An
operation that neither looks at that line nor asks anything of the engine returns what was typed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

ENGINE = ("derive.", "numerics.")


class _Blank:
    """Nothing can be done with it: whoever looks at the line before notices."""

    __slots__ = ()


class _Asked(BaseException):
    """The engine was asked; not an Exception, so that no handler of the operation takes it."""


def is_typed(operation: Callable[[Any], Any], after: Any) -> bool:
    """Tell whether an operation returns its line without a line before and without the engine.

    Parameters
    ----------
    operation : callable
        As given to ``page.derive``; called once more, on nothing, until it looks or asks.
    after : object
        What it returned.

    Returns
    -------
    bool
        True if it returns the same from nothing, and no function of the engine was called.

    Notes
    -----
    Against a slip, not against a liar: an operation may look at its input and return something
    else, and the check of the next typed line is what would notice.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x")
    >>> is_typed(sp.expand, x**2 + x)
    False
    >>> is_typed(lambda line: 3 * x, 3 * x)
    True
    """
    before = sys.getprofile()
    sys.setprofile(_watch)
    try:
        again = operation(_Blank())
    except (_Asked, Exception):  # any failure shows that the line before was missed
        return False
    finally:
        sys.setprofile(before)
    return bool(again == after)


def _watch(frame: FrameType, event: str, _: Any) -> None:
    own = frame.f_globals.get("__name__", "")
    if event == "call" and own.startswith(ENGINE) and own != __name__:
        raise _Asked
