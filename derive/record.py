"""What a derivation gave the last time it ran on these very sources: verdict and programs.

Kept in the verified store, so that a second process evaluates a result without importing SymPy.
The key holds the text of all sources, so an edit anywhere makes the record unfindable, never wrong.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive.verdict import Verdict
from numerics.cache import store
from numerics.errors import DeriveError

if TYPE_CHECKING:
    from derive.derivation import Outcome

KIND = "derivation"


@cache
def sources_digest() -> str:
    """Return one hash of the sources of the engine and of every registered derivation.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    from derive.registry import _roots

    here = Path(__file__).resolve().parent
    folders = [here, here.parent / "numerics", *(folder for _, folder in _roots)]
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


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
    """Keep the verdict and the programs of an outcome.

    Parameters
    ----------
    id : str
        Of the derivation.
    outcome : Outcome
        What its body produced.
    status : Verdict
        The weakest verdict.
    """
    results: dict[str, Any] = {}
    for name, formula in outcome.results.items():
        try:
            results[name] = json.loads(formula.program.to_json())
        except DeriveError:
            return  # a result without a program is read from its body every time
    record = {"status": status.name, "results": results}
    store().write(KIND, _key(id), json.dumps(record).encode())
