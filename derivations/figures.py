"""Figures found by reading the tree, like derivations: a decorator with a literal id.

A figure is a function that returns a :class:`Picture`, the drawing with the numbers in it, so that
every picture comes with a table.
"""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from derive.errors import ConditionError, UnknownNameError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawing and the numbers that were drawn.

    Parameters
    ----------
    drawing : matplotlib.figure.Figure
        Not shown.
    columns : mapping of str to sequence
        The numbers, one row per point; text columns tell the curves apart.
    """

    drawing: Figure
    columns: Mapping[str, Sequence[float | str]]


class Draw(Protocol):
    """What a figure is: finite size, seeds and seed of its Monte Carlo; where progress goes."""

    def __call__(self, *, size: int, seeds: int, seed: int, progress: Progress | None) -> Picture:
        """Draw; ``progress(done, total)`` is called on the way."""
        ...


@dataclass(frozen=True)
class FigureCard:
    """What is known of a figure without importing its file: id, sentence, place."""

    id: str
    statement: str
    module: str
    function: str

    def load(self) -> Draw:
        """Return the function that draws it."""
        return getattr(importlib.import_module(self.module), self.function)


def figure(id: str) -> Callable[[Draw], Draw]:
    """Declare the decorated function to draw a figure.

    Parameters
    ----------
    id : str
        ``paper.figure``, a literal: the catalogue reads the text of the files.

    Returns
    -------
    callable
        The decorator; it changes nothing.
    """
    return lambda draw: draw


@cache
def figure_cards() -> dict[str, FigureCard]:
    """Return every declared figure by id, sorted, without importing any paper.

    Returns
    -------
    dict of str to FigureCard

    Raises
    ------
    ConditionError
        If two functions declare the same id.

    Examples
    --------
    >>> "lu2025.double_descent" in figure_cards()
    True
    """
    folder = Path(__file__).resolve().parent
    found: dict[str, FigureCard] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        for card in _cards_of(path, ".".join(("derivations", *parts))):
            if card.id in found:
                raise ConditionError(
                    f"figure({card.id!r})",
                    f"the id is declared in {found[card.id].module} and in {card.module}",
                    "an id names one figure",
                    f'@figure("{card.id}_2") in one of them',
                )
            found[card.id] = card
    return dict(sorted(found.items()))


def find_figure(id: str) -> FigureCard:
    """Return a figure by id.

    Parameters
    ----------
    id : str
        ``paper.figure``.

    Returns
    -------
    FigureCard

    Raises
    ------
    UnknownNameError
        With the nearest known ids.
    """
    known = figure_cards()
    if id not in known:
        near = difflib.get_close_matches(id, known, n=3, cutoff=0.3) or list(known)[:3]
        raise UnknownNameError(
            f"derive figure {id[:80]}",
            "no figure has this id",
            f"the figures are {', '.join(known)}",
            f"derive figure {near[0]}",
        )
    return known[id]


def _cards_of(path: Path, module: str) -> Iterator[FigureCard]:
    text = path.read_text(encoding="utf-8")
    if "\n@figure(" not in text:
        return
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "figure":
                doc = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
                yield FigureCard(ast.literal_eval(decorator.args[0]), doc, module, node.name)
