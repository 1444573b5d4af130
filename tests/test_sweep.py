"""Sweeps: the same numbers as a call, labelled, in files that are whole and the same every time."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import derivations
from derive.domain import Notation
from derive.formula import Formula
from derive.grid_sweep import read_sweep, sweep
from numerics.block_store import BlockStore
from numerics.errors import ArgumentsError, DomainError
from numerics.files import OutputError
from numerics.sweep import Study, compute_block, run_study
from numerics.sweep_files import Labels, study_of, write_sweep

xarray = pytest.importorskip("xarray")
FORMATS = ["nc", "zarr", "parquet"]
KAPPA, U = np.geomspace(0.1, 10.0, 30), np.geomspace(0.03, 30.0, 41)


@pytest.fixture(scope="module")
def trace() -> Formula:
    return derivations.get("classics.marchenko_pastur").result


def digest(path: Path) -> str:
    """Hash a file, or every file of a folder with its name."""
    total = hashlib.sha256()
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_file():
            total.update(str(part.relative_to(path.parent)).encode() + part.read_bytes())
    return total.hexdigest()


def test_a_sweep_is_the_formula_with_labels(trace):
    data = sweep(trace, u=U, kappa=KAPPA)
    assert tuple(data.M.dims) == ("kappa", "u")  # the order of the arguments
    assert np.array_equal(data.M.values, trace(kappa=KAPPA[:, None], u=U))
    assert data.kappa.attrs == {"long_name": "samples per dimension, k/d", "units": "1"}
    attributes = data.attrs
    assert attributes["formula"] == "classics.marchenko_pastur"
    assert attributes["limit"] == "d, k -> oo with k/d -> kappa"
    assert attributes["program"] == trace.program.key
    assert attributes["reference"] == "Marchenko & Pastur 1967"
    assert "numpy " + np.__version__ in attributes["versions"]
    assert attributes["precision"] == "float64" and attributes["points"] == 30 * 41
    one = sweep(trace, kappa=np.inf, u=0.25)
    assert one.M.dims == () and one.M.item() == 0.8 and one.kappa.item() == np.inf


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("precision", ["float64", "double-double", "auto"])
def test_files_hold_what_memory_holds(trace, out, ending, precision):
    whole = sweep(trace, kappa=KAPPA, u=U, precision=precision)
    for points in (41, 100):
        path = f"sweep{points}.{ending}"
        written = sweep(
            trace, kappa=KAPPA, u=U, precision=precision, path=path, block_points=points
        )
        assert written.equals(whole)
        assert set(written.coords) == {"kappa", "u"}
        assert written.M.attrs == whole.M.attrs and written.u.attrs == whole.u.attrs
        assert {k: v for k, v in written.attrs.items() if k != "study"} == {
            k: v for k, v in whole.attrs.items() if k != "study"
        }
        written.close()
    if precision == "double-double":
        assert float(abs(whole.M_low_part / whole.M).max()) < 2.0**-53
    assert sorted(p.name for p in out.iterdir()) == sorted(f"sweep{n}.{ending}" for n in (41, 100))
    along = sweep(trace, kappa=np.inf, u=U, precision=precision, path=f"line.{ending}")
    assert along.equals(sweep(trace, kappa=np.inf, u=U, precision=precision))
    assert along.kappa.item() == np.inf


@pytest.mark.parametrize("ending", FORMATS)
def test_the_same_bytes_again_and_after_damage(trace, out, ending):
    labels = Labels({"value": "M"}, {}, {"formula": "M"})
    study = Study.of(trace.program, {"kappa": KAPPA, "u": U}, "float64", 100)
    first = write_sweep(f"first.{ending}", study, labels)
    assert study_of(first) == study.digest

    class Stop(Exception):
        pass

    def stop(index, computed):
        if index == 7:
            raise Stop

    second = Path(f"second.{ending}")
    with pytest.raises(Stop):
        write_sweep(second, study, labels, finished=stop)
    assert not second.exists()
    blocks = sorted((out / f".second.{ending}.blocks" / "block").iterdir())
    assert len(blocks) == 8
    content = bytearray(blocks[2].read_bytes())
    content[-5] ^= 1  # one bit of one number
    blocks[2].write_bytes(content)
    blocks[4].write_bytes(blocks[4].read_bytes()[:60])
    blocks[5].write_bytes(blocks[6].read_bytes())
    done = []
    write_sweep(second, study, labels, finished=lambda i, c: done.append(i))
    assert sorted(done) == list(range(len(study.blocks)))
    assert done[:5] == [0, 1, 3, 6, 7]  # what verified; the others were computed again
    assert digest(second) == digest_as(first, second)
    assert sorted(p.name for p in out.iterdir()) == [f"first.{ending}", f"second.{ending}"]
    # a finished sweep is not computed again
    write_sweep(second, study, labels, finished=lambda i, c: pytest.fail("computed again"))


def digest_as(path: Path, name: Path) -> str:
    """Hash a file as if it had another name."""
    moved = path.rename(path.with_name("moved"))
    kept = name.rename(name.with_name("kept"))
    moved.rename(name)
    try:
        return digest(name)
    finally:
        name.rename(path)
        kept.rename(name)


def test_blocks_of_another_study_are_not_used(trace, out):
    labels = Labels({"value": "M"}, {}, {})
    studies = [
        Study.of(trace.program, {"kappa": 0.5, "u": axis}, precision, 10, versions)
        for axis in (U, 2 * U)
        for precision in ("float64", "auto")
        for versions in ("1", "2")
    ]
    assert len({s.digest for s in studies}) == len(studies)
    write_sweep("a.nc", studies[0], labels)
    with pytest.raises(OutputError, match="taken by something else"):
        write_sweep("a.nc", studies[4], labels)
    write_sweep("a.nc", studies[4], labels, overwrite=True)
    assert np.array_equal(read_sweep("a.nc").M, trace(kappa=0.5, u=2 * U))
    Path("b.zarr").mkdir()
    Path("b.zarr/precious").write_text("")
    with pytest.raises(OutputError, match="taken by something else"):
        write_sweep("b.zarr", studies[0], labels)


def test_bad_points_are_refused_by_name_or_left_empty(trace, out):
    axis = np.array([1.0, -2.0, 3.0, np.nan])
    with pytest.raises(DomainError, match=r"u = -2\.0 violates u > 0"):
        sweep(trace, kappa=KAPPA, u=axis)
    with pytest.raises(DomainError, match=r"u = -2\.0 violates u > 0"):
        sweep(trace, kappa=KAPPA, u=axis, path="bad.nc", block_points=2)
    assert not Path("bad.nc").exists()
    data = sweep(trace, kappa=KAPPA, u=axis, invalid="nan")
    assert data.attrs["outside"] == 60 and data.attrs["undefined"] == 0
    assert np.isnan(data.M.values).sum() == 60


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"kappa": 0.5}, "missing u"),
        ({"kappa": 0.5, "u": 1.0, "tau": 2.0}, "unknown tau"),
        ({"kappa": 0.5, "u": [[1.0]]}, "shape"),
        ({"kappa": 0.5, "u": "1"}, "u has"),
        ({"kappa": 0.5, "u": []}, "at least one"),
        ({"kappa": 0.5, "u": 1 + 1j}, "u has"),
        ({"kappa": 0.5, "u": 1.0, "precision": "quad"}, "precision='quad'"),
        ({"kappa": 0.5, "u": 1.0, "invalid": "maybe"}, "invalid='maybe'"),
        ({"kappa": 0.5, "u": 1.0, "block_points": 0}, "block_points"),
        ({"kappa": 0.5, "u": 1.0, "path": "a.txt"}, r"'\.txt' is not known"),
        ({"kappa": np.ones(40_000), "u": np.ones(40_000)}, "GiB of memory"),
    ],
)
def test_bad_input_is_an_error_that_says_what_to_write(trace, out, keywords, words):
    with pytest.raises(ArgumentsError, match=words):
        sweep(trace, **keywords)
    assert not list(out.iterdir())


def test_a_missing_folder_and_a_missing_library_are_said(trace, out, monkeypatch):
    with pytest.raises(OutputError, match="does not exist"):
        sweep(trace, kappa=0.5, u=U, path="no/such/a.nc")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ArgumentsError, match=r"zarr is not installed.*icl-derive\[sweep\]"):
        sweep(trace, kappa=0.5, u=U, path="a.zarr")
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ArgumentsError, match="xarray is not installed"):
        sweep(trace, kappa=0.5, u=U)


def test_an_argument_and_a_result_may_share_a_letter(out):
    letters = Notation()
    x = letters.quantity("x", "a length", lower=0)
    square = Formula.define("x", (x,), x**2, domain=letters.domain("x"))
    data = sweep(square, x=[1.0, 3.0])
    assert data.x_value.values.tolist() == [1.0, 9.0]
    assert data.x.attrs["long_name"] == "a length"


def test_only_one_process_writes_a_study(trace, out):
    study = Study.of(trace.program, {"kappa": 0.5, "u": U}, "float64", 10)
    store = BlockStore(out / ".a.nc.blocks", study.digest)
    with store.hold():
        with pytest.raises(OutputError, match="another process is at work"):
            write_sweep("a.nc", study, Labels({"value": "M"}, {}, {}))
    write_sweep("a.nc", study, Labels({"value": "M"}, {}, {}))


def test_more_points_than_there_is_room_for(trace, out):
    wide = np.linspace(1.0, 2.0, 2 * 10**6)
    with pytest.raises(ArgumentsError, match=r"4e\+12 points need .* memory.*path="):
        sweep(trace, kappa=wide, u=wide)
    with pytest.raises(OutputError, match=r"4e\+12 points need .* GiB left"):
        sweep(trace, path="a.zarr", kappa=wide, u=wide)
    with pytest.raises(DomainError):
        sweep(trace, path="a.nc", kappa=[-1.0, 1.0], u=U)
    assert not list(out.iterdir())


def test_a_folder_that_cannot_be_made_is_said(out):
    (out / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"cannot be written: .*a path in a folder of your own"):
        with BlockStore(out / "file" / ".a.nc.blocks", "0" * 64).hold():
            pass


def test_a_full_disk_stops_the_sweep_and_keeps_what_is_done(trace, out, monkeypatch):
    study = Study.of(trace.program, {"kappa": 0.5, "u": U}, "float64", 10)
    real = os.write

    def full(descriptor, data):
        full.count += 1
        if full.count > 2:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    full.count = 0
    with monkeypatch.context() as patch:
        patch.setattr("numerics.cache.os.write", full)
        with pytest.raises(OutputError, match="make room and run again"):
            write_sweep("a.nc", study, Labels({"value": "M"}, {}, {}))
    assert len(list((out / ".a.nc.blocks" / "block").iterdir())) == 2
    write_sweep("a.nc", study, Labels({"value": "M"}, {}, {}))
    assert [p.name for p in out.iterdir()] == ["a.nc"]


WORKER = """
import sys
from pathlib import Path
from numerics.program import Program
from numerics.sweep import Study
from numerics.sweep_files import Labels, write_sweep
program = Program.from_json(Path(sys.argv[1]).read_text())
import numpy as np
axes = {"kappa": np.geomspace(0.1, 10.0, 150), "u": np.geomspace(0.03, 30.0, 41)}
study = Study.of(program, axes, "float64", 41)
labels = Labels({"value": "M"}, {"u": {"units": "1"}}, {"formula": "M"})
print("ready", flush=True)
write_sweep(sys.argv[2], study, labels)
"""


def killed_runs(trace, out: Path, ending: str, kills: int, seed: int) -> None:
    (out / "program.json").write_text(trace.program.to_json())
    trace.kernel()  # cached on disk, so that the workers start quickly

    def start(path: str) -> subprocess.Popen:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, "program.json", path],
            stdout=subprocess.PIPE,
            text=True,
            cwd=out,
        )
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        return worker

    (out / "calm").mkdir()
    begin = time.perf_counter()
    assert start(f"calm/a.{ending}").wait() == 0
    duration = time.perf_counter() - begin
    rng = random.Random(seed)
    (out / "rough").mkdir()
    died = 0
    for _ in range(kills):
        worker = start(f"rough/a.{ending}")
        time.sleep(rng.uniform(0.0, duration / 2))
        worker.send_signal(signal.SIGKILL)
        died += worker.wait() == -signal.SIGKILL
        if not (out / f"rough/a.{ending}").exists():
            assert {p.name for p in (out / "rough").iterdir()} <= {f".a.{ending}.blocks"}
        elif rng.random() < 0.5:  # begin anew
            done = out / f"rough/a.{ending}"
            assert digest(done) == digest(out / f"calm/a.{ending}")
            done.rename(out / "rough" / "old")
            subprocess.run(["rm", "-r", str(out / "rough")], check=True)
            (out / "rough").mkdir()
    assert start(f"rough/a.{ending}").wait() == 0
    assert digest(out / f"rough/a.{ending}") == digest(out / f"calm/a.{ending}")
    assert [p.name for p in (out / "rough").iterdir()] == [f"a.{ending}"]
    assert died > 0


@pytest.mark.parametrize("ending", FORMATS)
def test_a_killed_sweep_is_finished_by_the_next_run(trace, out, ending):
    killed_runs(trace, out, ending, kills=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_sweeps_killed_at_many_moments(trace, out, ending):
    killed_runs(trace, out, ending, kills=70, seed=2)


def test_a_cluster_of_two_processes_gives_the_same_bytes(trace, out):
    distributed = pytest.importorskip("distributed")
    alone = sweep(trace, kappa=KAPPA, u=U, precision="auto", path="alone.nc", block_points=50)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        shared = sweep(
            trace,
            kappa=KAPPA,
            u=U,
            precision="auto",
            path="shared.nc",
            block_points=50,
            client=client,
        )
        memory = sweep(trace, kappa=KAPPA, u=U, client=client, block_points=50)
        # a compiled formula travels to the workers by itself
        evaluator = trace.compile()
        far = client.submit(lambda: evaluator(kappa=0.5, u=[1.0, 2.0])).result()
    assert shared.equals(alone) and np.array_equal(memory.M, alone.M)
    assert Path("shared.nc").read_bytes() == Path("alone.nc").read_bytes()
    assert np.array_equal(far, trace(kappa=0.5, u=[1.0, 2.0]))


def test_every_block_is_a_function_of_the_study_alone(trace):
    study = Study.of(trace.program, {"kappa": KAPPA, "u": U}, "auto", 64)
    found = dict(run_study(study, None))
    for index in reversed(range(len(study.blocks))):
        arrays, numbers = compute_block(study, index)
        assert arrays["value"].tobytes() == found[index][0]["value"].tobytes()
        assert numbers == found[index][1]
    assert sum(n["points"] for _, n in found.values()) == study.size


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_hundred_million_points_in_bounded_memory(trace, out):
    text = WORKER.replace("np.geomspace(0.1, 10.0, 150)", "np.geomspace(0.1, 10.0, 10_000)")
    text = text.replace("np.geomspace(0.03, 30.0, 41)", "np.geomspace(0.03, 30.0, 10_000)")
    text = text.replace('"float64", 41)', '"float64")')
    # not ru_maxrss, which remembers the process that forked
    text += "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    (out / "program.json").write_text(trace.program.to_json())
    run = subprocess.run(
        [sys.executable, "-c", text, "program.json", "a.zarr"],
        capture_output=True,
        text=True,
        cwd=out,
        check=True,
    )
    assert int(run.stdout.split()[-1]) < 600 * 1024  # KiB; the results alone are 780 MiB
    data = read_sweep("a.zarr")
    assert data.M.size == 10**8
    point = data.M[1234, 8765]
    assert point.item() == trace(kappa=point.kappa.item(), u=point.u.item())
