"""A private folder of verified records: compiled kernels, programs, verdicts.

One file per record. It begins with the SHA-256 of everything that follows and of the record's own
kind and key, so that a flipped bit, a truncation or two exchanged files are noticed *before* the
content is used. Files are written to a temporary name, flushed to the disk and renamed: a reader
sees the old record, the new one or none. A folder that cannot be used never stops a computation; it
costs one :class:`~numerics.errors.CacheWarning` per process.

The digest stops accidents. Against other users the folder is private (mode 0700, owned by the
user); nothing here defends against a program that runs as the same user.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from numerics.errors import ArgumentsError, CacheWarning

MAGIC = b"icl-derive record 1\n"
STRAY_AGE = 3600.0  # seconds after which a temporary file belongs to a writer that died
MAXIMUM_SIZE = 1 << 28

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_DIGEST = 32

_warned = threading.Lock()  # taken once, never released: one warning per process


@dataclass(frozen=True)
class Entry:
    """One record of the store: its kind, key, size in bytes and time of writing."""

    kind: str
    key: str
    size: int
    written: float


@dataclass(frozen=True)
class Store:
    """Verified records in one folder.

    Parameters
    ----------
    folder : Path
        Created with mode 0700 at the first write.

    Examples
    --------
    >>> import tempfile
    >>> records = Store(Path(tempfile.mkdtemp()) / "records")
    >>> records.write("program", "classics.example", b"content")
    True
    >>> records.read("program", "classics.example")
    b'content'
    >>> [entry.key for entry in records.entries()]
    ['classics.example']
    >>> records.clear()
    1
    """

    folder: Path
    _swept: set[str] = field(default_factory=set, repr=False, compare=False)

    def read(self, kind: str, key: str) -> bytes | None:
        """Return the content of a record, None if there is none.

        A record that fails its digest is removed, with a warning.

        Parameters
        ----------
        kind, key : str
            Name of the record.

        Returns
        -------
        bytes or None
            Exactly what was written.
        """
        path = self._path(kind, key)
        try:
            if not self._private(path.parent):
                return None
            with open(path, "rb") as file:
                data = file.read(MAXIMUM_SIZE + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            warn_once(f"the cache {self.folder} cannot be read ({error.strerror})")
            return None
        content = _open(kind, key, data)
        if content is None:
            warn_once(f"the cached {kind} {key} was damaged; it is computed again")
            self.remove(kind, key)
        return content

    def write(self, kind: str, key: str, content: bytes) -> bool:
        """Write a record, whole or not at all.

        Parameters
        ----------
        kind, key : str
            Name of the record.
        content : bytes
            At most 256 MiB.

        Returns
        -------
        bool
            False if the folder cannot be written (one warning per process says why).
        """
        path = self._path(kind, key)
        data = _seal(kind, key, content)
        temporary = path.with_name(f".{os.getpid()}-{os.urandom(8).hex()}.tmp")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if not self._private(path.parent):
                return False
            self._sweep(path.parent)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except OSError as error:
            _unlink(temporary)
            warn_once(f"the cache {self.folder} cannot be written ({error.strerror})")
            return False
        return True

    def remove(self, kind: str, key: str) -> None:
        """Delete a record if it is there.

        Parameters
        ----------
        kind, key : str
            Name of the record.
        """
        _unlink(self._path(kind, key))

    def entries(self) -> tuple[Entry, ...]:
        """List the records, unverified, sorted by kind and key.

        Returns
        -------
        tuple of Entry
            Empty if the folder does not exist.
        """
        found = []
        for path in sorted(self._files()):
            if _KEY.match(path.name) and _KIND.match(path.parent.name):
                try:
                    status = path.stat()
                except OSError:
                    continue
                size = max(0, status.st_size - len(MAGIC) - _DIGEST)
                found.append(Entry(path.parent.name, path.name, size, status.st_mtime))
        return tuple(found)

    def clear(self) -> int:
        """Delete every record.

        Returns
        -------
        int
            How many records were deleted.

        Raises
        ------
        OutputError
            If a record cannot be deleted.
        """
        paths = [p for p in self._files() if _KIND.match(p.parent.name)]
        for path in paths:
            _unlink(path)
        left = [p for p in paths if p.exists()]
        if left:
            from numerics.files import OutputError

            raise OutputError(
                "cache.clear()",
                f"{len(left)} of {len(paths)} files in {str(self.folder)!r} cannot be deleted",
                "the folder is read-only or belongs to someone else",
                "clear it as its owner, or set ICL_DERIVE_CACHE to a folder of your own",
            )
        return sum(bool(_KEY.match(p.name)) for p in paths)

    def _files(self) -> list[Path]:
        return [p for p in self.folder.glob("*/*") if p.is_file() and not p.is_symlink()]

    def _path(self, kind: str, key: str) -> Path:
        if not _KIND.match(kind) or not _KEY.match(key):
            raise ArgumentsError(
                f"store.read({kind!r}, {key!r})",
                "kind or key is not a plain name",
                "they become file names",
                "use letters, digits, '.', '_' and '-' only, beginning with a letter or digit",
            )
        return self.folder / kind / key

    def _private(self, folder: Path) -> bool:
        """Is the folder ours alone? Others could plant code in it otherwise."""
        for place in (self.folder, folder):
            status = place.stat()
            if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
                warn_once(
                    f"the cache {place} belongs to or may be written by others and is not used; "
                    "make it private with chmod 700 or set ICL_DERIVE_CACHE"
                )
                return False
        return True

    def _sweep(self, folder: Path) -> None:
        """Remove what writers that were killed left behind, once per process and kind."""
        if folder.name in self._swept:
            return
        self._swept.add(folder.name)
        now = time.time()
        for path in folder.glob(".*.tmp"):
            try:
                if now - path.stat().st_mtime > STRAY_AGE:
                    path.unlink()
            except OSError:
                continue


def store() -> Store:
    """Return the store of this user.

    Returns
    -------
    Store
        In the folder of the environment variable ``ICL_DERIVE_CACHE`` if it is set, else in the
        user's cache folder.

    Examples
    --------
    >>> isinstance(store().entries(), tuple)
    True
    """
    return _store_at(cache_folder())


def cache_folder() -> Path:
    """Return where the records are kept.

    Returns
    -------
    Path
        ``ICL_DERIVE_CACHE``, or the platform's user cache folder.
    """
    chosen = os.environ.get("ICL_DERIVE_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("icl-derive"))


_stores: dict[Path, Store] = {}


def _store_at(folder: Path) -> Store:
    return _stores.setdefault(folder, Store(folder))


def warn_once(message: str) -> None:
    """Warn that the cache could not be used, at most once per process.

    Parameters
    ----------
    message : str
        What happened.
    """
    if _warned.acquire(blocking=False):
        warnings.warn(f"{message}; results are not affected", CacheWarning, stacklevel=3)


def _digest(kind: str, key: str, content: bytes) -> bytes:
    return hashlib.sha256(f"{kind}\0{key}\0".encode() + content).digest()


def _seal(kind: str, key: str, content: bytes) -> bytes:
    return MAGIC + _digest(kind, key, content) + content


def _open(kind: str, key: str, data: bytes) -> bytes | None:
    start = len(MAGIC) + _DIGEST
    content = data[start:]
    if data[: len(MAGIC)] != MAGIC or data[len(MAGIC) : start] != _digest(kind, key, content):
        return None
    return content


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass
