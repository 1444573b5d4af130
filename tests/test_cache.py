"""Damage, death and company: what happens to the cache must never reach a number."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from kernel_programs import Floats, effective_ridge, interpret, marchenko_pastur

import numerics.cache as cache
import numerics.kernel as kernel_module
from numerics import linker
from numerics.cache import Store, store
from numerics.errors import ArgumentsError, CacheWarning
from numerics.files import OutputError
from numerics.kernel import compile_program, is_compiled, kernel_key
from numerics.linker import ObjectFile
from numerics.object_code import ENTRY, _library, ufunc_from_object
from numerics.processor import description
from numerics.program import Builder

POINT = (0.5, 0.7)
VALUE = float(interpret(marchenko_pastur(), Floats(), *POINT)[0])
EVALUATE = """
import sys, warnings
from numerics.program import Program
from numerics.kernel import compile_program
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    k = compile_program(Program.from_json(sys.argv[1]))
    print(float(k(0.5, 0.7)).hex(), len(caught), *{w.category.__name__ for w in caught},
          "numba" in sys.modules)
"""


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """A private folder, no kernels in memory, and the right to warn again."""
    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kernel_module, "_kernels", {})
    monkeypatch.setattr(cache, "_warned", threading.Lock())


@pytest.fixture(scope="module")
def compiled():
    """The record of one kernel, compiled once for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        with tempfile.TemporaryDirectory() as folder:
            patch.setenv("ICL_DERIVE_CACHE", folder)
            patch.setattr(kernel_module, "_kernels", {})
            kernel = compile_program(marchenko_pastur())
            record = store().read("kernel", kernel.key)
    assert record is not None
    return kernel.key, record


def evaluate(program=None, **environment):
    """Load and evaluate in a fresh process."""
    text = (program or marchenko_pastur()).to_json()
    run = subprocess.run(
        [sys.executable, "-c", EVALUATE, text],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def file_of(key):
    return store().folder / "kernel" / key


# ---- records


def test_records_are_private_verified_and_listed(tmp_path):
    records = store()
    assert records.folder == tmp_path / "cache" and records.entries() == ()
    assert records.read("program", "lu2025.icl_error") is None
    assert records.write("program", "lu2025.icl_error", b"text")
    assert records.write("verdict", "abc", b"")
    assert records.read("program", "lu2025.icl_error") == b"text"
    assert records.read("verdict", "abc") == b""
    assert [(e.kind, e.key, e.size) for e in records.entries()] == [
        ("program", "lu2025.icl_error", 4),
        ("verdict", "abc", 0),
    ]
    if os.name == "posix":
        for path in (records.folder, records.folder / "program"):
            assert path.stat().st_mode & 0o777 == 0o700
        assert (records.folder / "program" / "lu2025.icl_error").stat().st_mode & 0o777 == 0o600
    assert records.clear() == 2 and records.entries() == ()


def test_what_cannot_be_deleted_is_not_said_to_be(monkeypatch):
    store().write("program", "lu2025.icl_error", b"text")
    monkeypatch.setattr(cache, "_unlink", lambda path: None)
    with pytest.raises(OutputError, match=r"1 of 1 files in .* cannot be deleted"):
        store().clear()


@pytest.mark.parametrize("name", ["../x", "", ".x", "a/b", "a\0", "x" * 129, "a\n", "/etc/passwd"])
def test_names_cannot_leave_the_folder(name):
    with pytest.raises(ArgumentsError):
        store().write("kernel", name, b"")
    with pytest.raises(ArgumentsError):
        store().read(name.upper() or "A", "key")


def test_a_record_belongs_to_its_name():
    records = store()
    records.write("kernel", "one", b"1")
    records.write("kernel", "two", b"2")
    one, two = (records.folder / "kernel" / n for n in ("one", "two"))
    content = one.read_bytes(), two.read_bytes()
    one.write_bytes(content[1])
    two.write_bytes(content[0])
    with pytest.warns(CacheWarning, match="damaged"):
        assert records.read("kernel", "one") is None
    assert records.read("kernel", "two") is None  # the second warning is not given
    assert records.entries() == ()


def test_strays_of_dead_writers_are_removed():
    folder = store().folder / "kernel"
    store().write("kernel", "a", b"")
    old, young = folder / ".1-dead.tmp", folder / ".2-busy.tmp"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    Store(store().folder).write("kernel", "b", b"")
    assert not old.exists() and young.exists()
    assert [e.key for e in store().entries()] == ["a", "b"]
    store().clear()
    assert not young.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_folder_that_others_may_write_is_not_used(compiled):
    key, record = compiled
    store().write("kernel", key, record)
    store().folder.chmod(0o777)
    with pytest.warns(CacheWarning, match="others"):
        assert store().read("kernel", key) is None
    assert not store().write("kernel", key, record)


# ---- damage


def test_a_thousand_flips_and_truncations_are_all_noticed(compiled):
    key, record = compiled
    store().write("kernel", key, record)
    data = file_of(key).read_bytes()
    rng = random.Random(1)
    damaged = [data[: rng.randrange(len(data))] for _ in range(100)]
    for _ in range(900):
        place = rng.randrange(8 * len(data))
        copy = bytearray(data)
        copy[place // 8] ^= 1 << place % 8
        damaged.append(bytes(copy))
    damaged += [b"", data + b"\0", data[1:], bytes(len(data)), os.urandom(len(data))]
    assert cache._open("kernel", key, data) == record
    assert [d for d in damaged if cache._open("kernel", key, d) is not None] == []


def test_damaged_kernels_in_fresh_processes(compiled):
    """Full loads: the right number, one warning, a repaired file."""
    key, record = compiled
    rng = random.Random(2)
    for damage in ("flip", "truncate"):
        store().write("kernel", key, record)
        data = bytearray(file_of(key).read_bytes())
        if damage == "flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            del data[rng.randrange(len(data)) :]
        file_of(key).write_bytes(data)
        assert evaluate() == [VALUE.hex(), "1", "CacheWarning", "True"], damage
        assert evaluate() == [VALUE.hex(), "0", "False"], damage


@pytest.mark.slow
def test_damaged_kernels_in_many_fresh_processes(compiled):
    key, record = compiled
    rng = random.Random(3)
    for _ in range(20):
        store().write("kernel", key, record)
        data = bytearray(file_of(key).read_bytes())
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file_of(key).write_bytes(data)
        assert evaluate() == [VALUE.hex(), "1", "CacheWarning", "True"]


def reseal(key, change):
    """Alter the manifest of a stored kernel and sign it again."""
    head, _, code = store().read("kernel", key).partition(b"\n")
    record = json.loads(head)
    change(record)
    store().write("kernel", key, json.dumps(record).encode() + b"\n" + code)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(values=r["values"][:-2] + "00"),
        lambda r: r.update(points=""),
        lambda r: r.update(environment=[*r["environment"][:-1], "+other"]),
        lambda r: r.update(program="0" * 64),
        lambda r: r.pop("values"),
        lambda r: r.update(points=[1]),
        lambda r: r.update(values="zz"),
    ],
)
def test_sentinels_and_manifest_are_checked_after_the_digest(compiled, change, monkeypatch):
    key, record = compiled
    store().write("kernel", key, record)
    reseal(key, change)
    code = record.partition(b"\n")[2]
    monkeypatch.setattr("numerics.compile.object_code", lambda source: code)
    with pytest.warns(CacheWarning, match="sentinel"):
        kernel = compile_program(marchenko_pastur())
    assert float(kernel(*POINT)) == VALUE
    assert store().read("kernel", key) == record  # written again, byte for byte


def test_sentinel_points_are_inside_the_domain(compiled):
    record = json.loads(compiled[1].partition(b"\n")[0])
    assert np.isfinite(np.frombuffer(bytes.fromhex(record["values"]))).sum() == 8
    assert len(set(np.frombuffer(bytes.fromhex(record["values"])))) == 8


def test_objects_with_unknown_symbols_are_refused(compiled):
    ours = ObjectFile.read(compiled[1].partition(b"\n")[2])
    b = Builder(("x",))
    kernel = compile_program(b.program({"y": b.op("atan", b.argument("x"))}))
    code = store().read("kernel", kernel.key).partition(b"\n")[2]
    if ours is None:
        pytest.skip("reads ELF objects")
    assert ours.undefined <= {"memcpy", "memset"}
    assert "atan" in ObjectFile.read(code).undefined
    strange = code.replace(b"\0atan\0", b"\0pawn\0")
    assert "pawn" in ObjectFile.read(strange).undefined
    with pytest.raises(NotImplementedError, match="pawn"):
        ufunc_from_object(strange, "f", 1, 1)


def test_our_linker_gives_what_the_linker_of_llvm_gives(compiled, monkeypatch):
    b = Builder(("x", "y"))
    x, y = b.argument("x"), b.argument("y")
    kernel = compile_program(b.program({"f": b.op("mul", b.op("log", x), b.op("atan", y))}))
    x, y = np.geomspace(1e-3, 1e3, 999), np.linspace(-4, 4, 999)
    expected = kernel(x, y)
    code = store().read("kernel", kernel.key).partition(b"\n")[2]
    if linker.linked(ObjectFile.read(code), ENTRY, _library()) is None:
        pytest.skip("this processor's objects are linked by LLVM")
    monkeypatch.setattr(linker, "linked", lambda *_: None)
    ufunc, _ = ufunc_from_object(code, "f", 2, 1)
    assert np.array_equal(ufunc(x, y), expected)


def test_a_damaged_object_is_refused_before_it_is_linked(compiled):
    code = compiled[1].partition(b"\n")[2]
    whole = ObjectFile.read(code)
    if whole is None:
        pytest.skip("reads ELF objects")
    assert ObjectFile.read(b"MZ" + code) is None and ObjectFile.read(b"") is None
    assert all(ObjectFile.read(code[:n]) is None for n in range(0, len(code), 97))
    # another processor, and a relation that is no absolute address, are left to LLVM
    assert linker.linked(replace(whole, machine=183), ENTRY, {}) is None
    kept = next(s for s in whole.sections if s.kind == 4)
    at = kept.start + 8
    other = code[:at] + (2).to_bytes(4, "little") + code[at + 4 :]
    assert linker.linked(ObjectFile.read(other), ENTRY, _library()) is None


def test_key_depends_on_everything(monkeypatch):
    program = marchenko_pastur()
    keys = {kernel_key(program, "float64"), kernel_key(program, "double-double")}
    keys.add(kernel_key(effective_ridge(), "float64"))
    environment = kernel_module._environment()
    assert any("numba" in e for e in environment) and {*description()} <= {*environment}
    for k in range(len(environment)):
        changed = (*environment[:k], "other", *environment[k + 1 :])
        monkeypatch.setattr(kernel_module, "_environment", lambda changed=changed: changed)
        keys.add(kernel_key(program, "float64"))
    assert len(keys) == 3 + len(environment)


# ---- a folder that cannot be used


@pytest.mark.parametrize("where", ["/proc/icl-derive", "{file}/below", "{loop}"])
def test_unusable_folder_costs_one_warning(where, tmp_path, compiled, monkeypatch):
    if where.startswith("/proc") and not os.path.isdir("/proc"):
        pytest.skip("no /proc")
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    folder = where.format(file=tmp_path / "file", loop=tmp_path / "loop")
    monkeypatch.setenv("ICL_DERIVE_CACHE", folder)
    code = compiled[1].partition(b"\n")[2]
    monkeypatch.setattr("numerics.compile.object_code", lambda source: code)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert float(compile_program(marchenko_pastur())(*POINT)) == VALUE
        monkeypatch.setattr(kernel_module, "_kernels", {})
        assert float(compile_program(marchenko_pastur())(*POINT)) == VALUE
        assert store().entries() == () and store().clear() == 0
    assert [w.category for w in caught] == [CacheWarning]


def test_full_disk_leaves_nothing_behind(compiled):
    """The system refuses to let a file grow: a real failure in the middle of a write."""
    resource = pytest.importorskip("resource")
    key, record = compiled
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store().write("kernel", "before", b"small")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.warns(CacheWarning, match="cannot be written"):
            assert not store().write("kernel", key, record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in (store().folder / "kernel").iterdir()] == ["before"]
    assert store().write("kernel", key, record) and store().read("kernel", key) == record


# ---- company and death

WRITE = """
import sys, random
from numerics.cache import store
rng = random.Random(int(sys.argv[1]))
rounds = int(sys.argv[2])
while rounds:
    name = f"record{rng.randrange(4)}"
    content = name.encode() * 40000
    if rng.random() < 0.5:
        store().write("verdict", name, content)
    else:
        assert store().read("verdict", name) in (None, content)
    rounds -= 1
"""


def writer(seed, rounds):
    command = [sys.executable, "-W", "error", "-c", WRITE, str(seed), str(rounds)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_sixteen_processes_on_one_folder():
    running = [writer(seed, 60) for seed in range(16)]
    for process in running:
        _, error = process.communicate()
        assert process.returncode == 0, error
    for entry in store().entries():
        assert store().read("verdict", entry.key) == entry.key.encode() * 40000
    assert not list(store().folder.glob("*/.*"))


def kill(moments, seed):
    rng = random.Random(seed)
    for moment in range(moments):
        process = writer(moment, -1)
        time.sleep(0.12 + 0.25 * rng.random())
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a torn record would warn
            for entry in store().entries():
                assert store().read("verdict", entry.key) == entry.key.encode() * 40000
    strays = list(store().folder.glob("*/.*.tmp"))
    for stray in strays:
        os.utime(stray, (0, 0))
    assert Store(store().folder).write("verdict", "after", b"")
    assert not list(store().folder.glob("*/.*"))
    return len(strays)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_writers_leave_no_torn_record():
    kill(10, seed=4)
    assert len(store().entries()) > 1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_writers_killed_at_two_hundred_moments():
    kill(200, seed=5)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_compilations_are_completed_with_the_same_bytes(compiled):
    key, record = compiled
    rng = random.Random(6)
    text = marchenko_pastur().to_json()
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", EVALUATE, text],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        time.sleep(0.3 + 3 * rng.random())
        process.kill()
        process.wait()
        assert store().read("kernel", key) in (None, record)
        store().remove("kernel", key)
    assert evaluate()[0] == VALUE.hex()
    assert store().read("kernel", key) == record


def test_cached_kernels_need_neither_numba_nor_sympy(compiled):
    key, record = compiled
    assert not is_compiled(marchenko_pastur())
    store().write("kernel", key, record)
    assert is_compiled(marchenko_pastur())
    assert evaluate() == [VALUE.hex(), "0", "False"]
