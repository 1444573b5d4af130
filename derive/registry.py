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
        _lookup.cache_clear()


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
                place = f"{module}.{node.name}"
                words = {k.arg: _literal(k.value, place) for k in decorator.keywords}
                ids = [_literal(a, place) for a in decorator.args]
                doc = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
                yield Card(
                    words["id"] if "id" in words else "".join(ids),
                    doc,
                    words.get("reference", ""),
                    words.get("limit", ""),
                    words.get("equation", ""),
                    module,
                    node.name,
                )


def _literal(node: Any, place: str) -> str:
    """Return a text that is written out in the decorator of a page."""
    import ast

    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ConditionError(
        f"@derivation({ast.unparse(node)[:60]}, ...) of {place}",
        "an argument is not a text that is written out",
        "the catalogue is read from the files without running them",
        '@derivation("paper.result", reference="...", limit="...")',
    )


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
    if not isinstance(id, str):
        raise UnknownNameError(
            f"derivations.get({str(id)[:80]})",
            f"an id is text, not {type(id).__name__}",
            "a result is named by its paper and a word, as derivations.catalog() lists them",
            "derivations.catalog()",
        )
    return _lookup(id)


def recalled(package: str, id: str) -> Derivation:
    """Return a derivation in a process that has been handed its pickle.

    Parameters
    ----------
    package : str
        The package that declares it.
    id : str
        ``paper.result``.

    Returns
    -------
    Derivation
        As that of the process which sent it, if the sources are the same.
    """
    importlib.import_module(package)
    return lookup(id)


@cache
def _lookup(id: str) -> Derivation:
    known = cards()
    if id not in known:
        import difflib

        near = difflib.get_close_matches(id, known, n=3, cutoff=0.3) or list(known)[:3]
        raise UnknownNameError(
            f"derivations.get({id[:80]!r})",
            "no derivation has this id",
            f"the nearest are {', '.join(near)}",
            f'derivations.get("{near[0]}")' if near else "derivations.catalog()",
        )
    card = known[id]

    def load() -> tuple[Callable, Callable | None]:
        registration = getattr(importlib.import_module(card.module), card.function)
        return registration.body, registration.simulator

    return Derivation(card, load)
