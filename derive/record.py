"""What a derivation gave the last time it ran on these very sources: verdict and programs.

Kept in the verified store, so that a second process evaluates a result without importing SymPy.
The key holds the text of all sources, so an edit anywhere makes the record unfindable, never wrong.
A process that was started before an edit runs the old text while the disk holds the new one: it
keeps no record.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from numerics.cache import store
from numerics.errors import DeriveError
from numerics.versions import installed_version

if TYPE_CHECKING:
    from derive.derivation import Card, Outcome
    from derive.verdict import Verdict

KIND, CATALOGUE = "derivation", "catalogue"
BUILT_ON = {"sympy": "sympy", "python-flint": "flint"}  # what verdicts rest on besides the sources


def sources_digest() -> str:
    """Return one hash of the sources of the engine and of every registered derivation.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    from derive.registry import _roots

    return _digest(tuple((package, str(folder)) for package, folder in _roots))


@cache
def _digest(roots: tuple[tuple[str, str], ...]) -> str:
    here = os.path.dirname(os.path.abspath(__file__))
    engine = (("derive", here), ("numerics", os.path.join(os.path.dirname(here), "numerics")))
    digest = hashlib.sha256(sys.version.encode())
    for built_on, module in BUILT_ON.items():
        digest.update(f"{built_on} {installed_version(built_on, module)}\0".encode())
    for package, folder in (*engine, *roots):
        for name, path in sorted(_python_files(folder, package)):
            with open(path, "rb") as file:
                text = file.read()
            # names and lengths, so that no text can pass for two files
            digest.update(f"{name}\0{len(text)}\0".encode())
            digest.update(text)
    return digest.hexdigest()


def _python_files(folder: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield dotted name and path of every source below a folder; much faster than a glob."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield f"{package}.{entry.name[:-3]}", entry.path
            elif entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
                yield from _python_files(entry.path, f"{package}.{entry.name}")


def read_catalogue() -> list[Card] | None:
    """Return the declarations found in these sources, or None if nobody has read them yet.

    Returns
    -------
    list of Card or None
        Sorted by id.
    """
    from derive.derivation import Card

    text = store().read(CATALOGUE, sources_digest())
    return None if text is None else [Card(*words) for words in json.loads(text)]


def write_catalogue(found: list[Card]) -> None:
    """Keep the declarations found in these sources.

    Parameters
    ----------
    found : list of Card
        Sorted by id.
    """
    from dataclasses import astuple

    store().write(CATALOGUE, sources_digest(), json.dumps([astuple(c) for c in found]).encode())


def edited_since_found() -> bool:
    """Tell whether a source changed since the derivations were found, before they were imported."""
    from derive.registry import _roots

    roots = tuple((package, str(folder)) for package, folder in _roots)
    return _digest.__wrapped__(roots) != sources_digest()


def _key(id: str) -> str:
    return hashlib.sha256(f"{id}\0{sources_digest()}".encode()).hexdigest()


def read_record(id: str) -> dict[str, Any] | None:
    """Return the record of a derivation, or None if these sources have not run yet.

    Parameters
    ----------
    id : str
        Of the derivation.

    Returns
    -------
    dict or None
        ``status`` and ``results`` (name to program).
    """
    text = store().read(KIND, _key(id))
    return None if text is None else json.loads(text)


def write_record(id: str, outcome: Outcome, status: Verdict) -> None:
    """Keep the verdict and the programs of an outcome, unless a source was edited meanwhile.

    Parameters
    ----------
    id : str
        Of the derivation.
    outcome : Outcome
        What its body produced.
    status : Verdict
        The weakest verdict.
    """
    if edited_since_found():
        return
    results: dict[str, Any] = {}
    for name, formula in outcome.results.items():
        try:
            results[name] = json.loads(formula.program.to_json())
        except DeriveError:
            return  # a result without a program is read from its body every time
    record = {"status": status.name, "results": results}
    store().write(KIND, _key(id), json.dumps(record).encode())
