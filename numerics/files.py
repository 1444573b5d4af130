"""Files that are there whole or not at all: a hidden temporary file, flushed, then renamed.

A reader sees the old file, the new one or none, whatever interrupts the writer.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from numerics.errors import DeriveError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
STRAY_AGE = 3600.0  # seconds after which a temporary file belongs to a writer that was killed


class OutputError(DeriveError, OSError):
    """A file cannot be written where it was asked for, or one is there already."""

    __str__ = DeriveError.__str__


def check_writable(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path if a file may be written there; call it before a long computation.

    Parameters
    ----------
    path : str or Path
        Where the file will be.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The path as given.

    Raises
    ------
    OutputError
        If the folder is missing or read-only, the path is a folder or a device, or a file is
        there and ``overwrite`` was not asked for.

    Examples
    --------
    >>> check_writable("/no/such/folder/errors.npz")
    Traceback (most recent call last):
    ...
    numerics.files.OutputError: write('/no/such/folder/errors.npz'): the folder '/no/such/folder' \
does not exist. Why: folders are not made silently, a slip of the pen would make one. \
Do: mkdir -p '/no/such/folder'
    """
    target = Path(path)
    shown = str(path)
    if not target.name or "\0" in shown:
        raise OutputError(f"write({shown!r})", "no file name", "one file is written", "errors.npz")
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(
            f"write({shown!r})",
            f"the folder {str(folder)!r} does not exist",
            "folders are not made silently, a slip of the pen would make one",
            f"mkdir -p {str(folder)!r}",
        )
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise OutputError(
            f"write({shown!r})",
            "this is a folder or a device, not a file",
            "the file takes the place of what is there",
            f"{str(target / 'errors.npz')!r}",
        )
    if target.exists() and not overwrite:
        raise OutputError(
            f"write({shown!r})",
            "the file exists",
            "it may hold results of another run",
            "another name, or --force (overwrite=True) to replace it",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"write({shown!r})",
            f"the folder {str(folder)!r} cannot be written",
            "it belongs to someone else or is read-only",
            "a folder of your own",
        )
    return target


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        Where the file will be.
    overwrite : bool
        Whether a file that is there may be replaced.

    Yields
    ------
    binary file
        Write to it; an exception, Ctrl-C included, leaves nothing behind.

    Raises
    ------
    OutputError
        As :func:`check_writable`; also if the disk is full, or another process made the file in
        the meantime.

    Validity
    --------
    A writer killed by the system (SIGKILL) leaves a hidden ``.name.*.part``; the next writer of
    the same name removes it after an hour.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "numbers.csv"
    >>> with whole_file(target) as file:
    ...     _ = file.write(b"1,2")
    ...     target.exists()
    False
    >>> target.read_bytes()
    b'1,2'
    """
    target = check_writable(path, overwrite=overwrite)
    _sweep(target)
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(6).hex()}.part")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, target, overwrite)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise OutputError(
            f"write({str(target)!r})",
            f"the file cannot be written: {error.strerror}",
            "nothing of it is kept, rather than a part",
            "make room, or give a path on another disk",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes | str, *, overwrite: bool = False) -> Path:
    """Write a text or bytes, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where the file will be.
    content : bytes or str
        Text is encoded as UTF-8.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The file.
    """
    with whole_file(path, overwrite=overwrite) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


def _publish(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)  # unlike a rename, fails if someone else was quicker
    except FileExistsError:
        raise OutputError(
            f"write({str(target)!r})",
            "another process made the file in the meantime",
            "it may hold results of another run",
            "another name, or --force (overwrite=True) to replace it",
        ) from None
    except OSError:  # a file system without hard links
        os.replace(temporary, target)


def _sweep(target: Path) -> None:
    now = time.time()
    for stray in target.parent.glob(".*.part"):
        if stray.name.startswith(f".{target.name[:100]}."):
            try:
                if now - stray.stat().st_mtime > STRAY_AGE:
                    stray.unlink()
            except OSError:
                continue
