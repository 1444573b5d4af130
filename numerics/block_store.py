"""Results of a long computation, block by block: a killed run loses only what was in flight.

Every block is one verified record (:mod:`numerics.cache`): written to a temporary name, flushed,
renamed, and checked by its digest when it is read. A run resumes from the blocks that verify, never
from a note of what should be there; a damaged block is computed again. One process at a time holds
the store; the hold ends with the process, however it ends.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from numerics.cache import Store
from numerics.errors import CacheWarning
from numerics.files import OutputError

_KIND = "block"


@dataclass(frozen=True)
class BlockStore:
    """Arrays and numbers of the blocks of one study.

    Parameters
    ----------
    folder : Path
        Holds nothing else; it is made when needed and removed by :meth:`remove`.
    study : str
        Hexadecimal digest of everything that determines the results. Blocks of another study in
        the same folder are not seen.

    Examples
    --------
    >>> import tempfile
    >>> store = BlockStore(Path(tempfile.mkdtemp()) / "study.blocks", "0f" * 16)
    >>> store.write(3, {"f": np.array([1.0, 2.0])}, {"failed": 0})
    >>> arrays, numbers = store.read(3)
    >>> arrays["f"], numbers, store.read(4) is None
    (array([1., 2.]), {'failed': 0}, True)
    >>> store.remove()
    """

    folder: Path
    study: str

    def read(self, index: int) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return the arrays and numbers of a block, None if it is missing or damaged.

        Parameters
        ----------
        index : int
            Number of the block.

        Returns
        -------
        tuple of dict, or None
            What was written.
        """
        with warnings.catch_warnings():
            # A damaged block is computed again; that is the whole story.
            warnings.simplefilter("ignore", CacheWarning)
            content = self._records.read(_KIND, self._key(index))
        if content is None:
            return None
        head, _, data = content.partition(b"\n")
        record = json.loads(head)
        arrays, start = {}, 0
        for name, kind, shape in record["arrays"]:
            dtype = np.dtype(kind)
            count = math.prod(shape)
            piece = np.frombuffer(data, dtype, count, start)
            arrays[name] = piece.reshape(shape)
            start += count * dtype.itemsize
        return arrays, record["numbers"]

    def write(
        self, index: int, arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]
    ) -> None:
        """Write a block, whole or not at all.

        Parameters
        ----------
        index : int
            Number of the block.
        arrays : mapping of str to ndarray
            Of float or integer type; in total at most 255 MiB.
        numbers : mapping
            Anything JSON can hold.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        contiguous = {n: np.asarray(a, order="C") for n, a in arrays.items()}
        head = {
            "arrays": [[n, a.dtype.str, list(a.shape)] for n, a in contiguous.items()],
            "numbers": dict(numbers),
        }
        data = b"".join(
            [json.dumps(head, sort_keys=True).encode(), b"\n"]
            + [a.tobytes() for a in contiguous.values()]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            written = self._records.write(_KIND, self._key(index), data)
        if not written:
            raise OutputError(
                f"block {index} of {str(self.folder)!r}",
                "it cannot be written",
                "the disk is full, or the folder is read-only or open to others",
                "make room and run again: the blocks that are there are kept",
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes out while this one writes.

        Raises
        ------
        OutputError
            If another process is at work on the same study, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "ab")
        except OSError as error:
            raise OutputError(
                f"study in {str(self.folder)!r}",
                f"it cannot be written: {error.strerror}",
                "blocks are kept beside the result until all are there",
                "a path in a folder of your own",
            ) from error
        with lock as file:
            if not _lock(file):
                raise OutputError(
                    f"study in {str(self.folder)!r}",
                    "another process is at work on it",
                    "both would compute the same blocks",
                    "wait for it, or give another path",
                )
            yield

    def count(self) -> int:
        """Return how many blocks are there."""
        return len(self._records.entries())

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _records(self) -> Store:
        return Store(self.folder)

    def _key(self, index: int) -> str:
        return f"{self.study[:32]}-{index:08d}"


def _lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # no advisory locks on this system
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # The folder may have been removed by the process that held it before.
    return os.fstat(file.fileno()).st_nlink > 0
