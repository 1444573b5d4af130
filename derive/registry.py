"""Derivations found by reading the tree: no import list, nothing run, duplicates refused.

A file declares a derivation with the :func:`derivation` decorator; its arguments are literals, so
the catalogue is read from the text of the files without importing them. What was read is kept until
a source changes: a second process parses nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from derive.derivation import Card, Derivation
from derive.errors import ConditionError, UnknownNameError

_roots: list[tuple[str, Path]] = []


class Registration:
    """The body of a derivation as written in its file, with the simulator attached to it.

    Parameters
    ----------
    body : callable
        Takes a :class:`~derive.draft.Draft`.
    """

    def __init__(self, body: Callable[..., None]):
        self.body = body
        self.simulator: Callable[..., Any] | None = None
        self.__doc__ = body.__doc__
        self.__name__ = body.__name__

    def simulate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Attach the finite-size simulator of this result (a decorator)."""
        self.simulator = function
        return function


def derivation(
    id: str, *, reference: str, limit: str, equation: str = ""
) -> Callable[[Callable[..., None]], Registration]:
    """Declare the decorated function to be the body of a derivation.

    Parameters
    ----------
    id : str
        ``paper.result``, a literal.
    reference : str
        The paper, a literal.
    limit : str
        The limit taken with its scalings, a literal.
    equation : str
        Section or equation, a literal.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> @derivation("example.nothing", reference="nobody", limit="none")
    ... def nothing(d):
    ...     \"\"\"Nothing follows from nothing.\"\"\"
    >>> nothing.__doc__
    'Nothing follows from nothing.'
    """
    return Registration


def register_root(package: str, folder: Path) -> None:
    """Add a package whose files declare derivations.

    Parameters
    ----------
    package : str
        Import name.
    folder : Path
        Its folder.
    """
    if (package, folder) not in _roots:
        _roots.append((package, folder))
        cards.cache_clear()
        lookup.cache_clear()


@cache
def cards() -> dict[str, Card]:
    """Return every declared derivation by id, sorted, without importing any file.

    Returns
    -------
    dict of str to Card
        The catalogue.

    Raises
    ------
    ConditionError
        If two functions declare the same id; both places are named.
    """
    from derive.record import read_catalogue, write_catalogue

    known = read_catalogue()
    if known is None:
        known = _declared()
        write_catalogue(known)
    return {card.id: card for card in known}


def _declared() -> list[Card]:
    """Read every declaration from the text of the files."""
    found: dict[str, Card] = {}
    for package, folder in _roots:
        for path in sorted(folder.rglob("*.py")):
            relative = path.relative_to(folder).with_suffix("")
            module = ".".join((package, *relative.parts))
            for card in _cards_of(path, module):
                if card.id in found:
                    other = found[card.id]
                    raise ConditionError(
                        f"derivation({card.id!r})",
                        f"the id is declared in {other.module}.{other.function} and in "
                        f"{card.module}.{card.function}",
                        "an id names one derivation",
                        f'@derivation("{card.id}_2", ...) in one of them',
                    )
                same = [
                    c for c in found.values() if (c.module, c.function) == (module, card.function)
                ]
                if same:
                    raise ConditionError(
                        f"derivation({card.id!r})",
                        f"{module}.{card.function} declares {same[0].id!r} as well",
                        "Python keeps the last function of a name, so one body would be lost",
                        f"def {card.function}_2(page): ...",
                    )
                found[card.id] = card
    return [found[id] for id in sorted(found)]


def _cards_of(path: Path, module: str) -> Iterator[Card]:
    import ast

    text = path.read_text(encoding="utf-8")
    if "@derivation(" not in text:
        return
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == (
                "derivation"
            ):
                words = {k.arg: ast.literal_eval(k.value) for k in decorator.keywords}
                doc = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
                yield Card(
                    ast.literal_eval(decorator.args[0]),
                    doc,
                    words.get("reference", ""),
                    words.get("limit", ""),
                    words.get("equation", ""),
                    module,
                    node.name,
                )


@cache
def lookup(id: str) -> Derivation:
    """Return a derivation by id.

    Parameters
    ----------
    id : str
        ``paper.result``.

    Returns
    -------
    Derivation
        Its body runs only when something needs it.

    Raises
    ------
    UnknownNameError
        With the nearest known ids.
    """
    known = cards()
    if id not in known:
        import difflib

        near = difflib.get_close_matches(str(id), known, n=3, cutoff=0.3) or list(known)[:3]
        raise UnknownNameError(
            f"derivations.get({str(id)[:80]!r})",
            "no derivation has this id",
            f"the nearest are {', '.join(near)}",
            f'derivations.get("{near[0]}")' if near else "derivations.catalog()",
        )
    card = known[id]

    def load() -> tuple[Callable, Callable | None]:
        registration = getattr(importlib.import_module(card.module), card.function)
        return registration.body, registration.simulator

    return Derivation(card, load)
