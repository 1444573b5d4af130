"""Files are there whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from numerics.files import OutputError, check_writable, whole_file, write_whole

ROOT = Path(__file__).resolve().parents[1]


def test_an_error_while_writing_leaves_the_old_file(out):
    write_whole("a.txt", "old")
    with pytest.raises(RuntimeError), whole_file("a.txt", overwrite=True) as file:
        file.write(b"half")
        raise RuntimeError
    assert (out / "a.txt").read_text() == "old"
    assert [p.name for p in out.iterdir()] == ["a.txt"]


def test_a_full_disk_is_said_and_leaves_nothing(out):
    write_whole("a.txt", "old")
    with pytest.raises(OutputError, match=r"a\.txt.*No space left.*make room"):
        with whole_file("a.txt", overwrite=True) as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), whole_file("a.txt", overwrite=True):
        open("another that was to be read")
    assert (out / "a.txt").read_text() == "old"
    assert [p.name for p in out.iterdir()] == ["a.txt"]


def test_nothing_is_seen_before_the_end(out):
    with whole_file("a.txt") as file:
        file.write(b"half")
        file.flush()
        assert not (out / "a.txt").exists()
        file.write(b" and half")
    assert (out / "a.txt").read_bytes() == b"half and half"


def test_someone_quicker_is_not_overwritten(out):
    with pytest.raises(OutputError, match="another process"), whole_file("a.txt") as file:
        file.write(b"mine")
        (out / "a.txt").write_text("theirs")
    assert (out / "a.txt").read_text() == "theirs"
    assert [p.name for p in out.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("path", ["", ".", "..", "folder", "/dev/null", "no/such/a.txt", "a\0b"])
def test_what_is_no_place_for_a_file(out, path):
    (out / "folder").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError) as caught:
            check_writable(path, overwrite=overwrite)
        assert " Do: " in str(caught.value)


def test_a_link_is_replaced_not_followed(out):
    (out / "secret").write_text("secret")
    (out / "a.txt").symlink_to(out / "secret")
    with pytest.raises(OutputError):
        write_whole("a.txt", "new")
    write_whole("a.txt", "new", overwrite=True)
    assert (out / "secret").read_text() == "secret"
    assert not (out / "a.txt").is_symlink()


def test_a_dangling_link_is_not_followed(out):
    (out / "a.txt").symlink_to(out / "elsewhere")
    with pytest.raises(OutputError):
        write_whole("a.txt", "new")
    assert not (out / "elsewhere").exists()


def test_strays_of_killed_writers_are_removed(out):
    old, fresh, other = ".a.txt.1-aa.part", ".a.txt.2-bb.part", ".b.txt.1-aa.part"
    for name in (old, fresh, other):
        (out / name).write_bytes(b"half")
    for name in (old, other):
        os.utime(out / name, (time.time() - 7200,) * 2)
    write_whole("a.txt", "new")
    assert {p.name for p in out.iterdir()} == {"a.txt", fresh, other}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(out):
    (out / "folder").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(out / "folder" / "a.txt")


@pytest.mark.slow
def test_killed_writers_leave_whole_files(out):
    script = """
import sys
from numerics.files import write_whole
print("ready", flush=True)
for i in range(10_000):
    write_whole("a.bin", bytes([i % 256]) * 300_000, overwrite=True)
"""
    rng = np.random.default_rng(3)
    for delay in rng.uniform(0, 0.15, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=out, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        if (out / "a.bin").exists():
            data = (out / "a.bin").read_bytes()
            assert len(data) == 300_000 and len(set(data)) == 1
