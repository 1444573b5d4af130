"""Sweeps that survive being killed: same bytes in any order, from any number of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from derivations.cli import run
from numerics.errors import ArgumentsError, ConvergenceError, DomainError
from numerics.files import OutputError
from numerics.monte_carlo import in_context_errors
from numerics.monte_carlo_sweep import MonteCarloSweep, grid
from numerics.simulation import SimulationResult

POINTS = grid(tau=[0.5, 2.0], kappa=[0.5, np.inf])


def errors(*, size, seeds, seed, tau, kappa):
    """Simulate at fixed other parameters."""
    return in_context_errors(size, tau, 1.5, kappa, 0.1, 0.05, seeds=seeds, seed=seed)


def slow_errors(*, size, seeds, seed, tau, kappa):
    """Take long enough to be killed half-way."""
    time.sleep(0.15)
    return errors(size=size, seeds=seeds, seed=seed, tau=tau, kappa=kappa)


def moody(*, size, seeds, seed, x):
    """Fail at one point in an error, at another with a value that is not finite."""
    if x == 1:
        raise ValueError("x = 1 has no answer")
    value = np.nan if x == 2 else x + seed % 7
    return SimulationResult("moody", size, {"x": x}, {"n": size}, {"y": np.array([value])}, seed)


def deadly(*, size, seeds, seed, x):
    """End the process."""
    if x == 3:
        os._exit(1)
    return moody(size=size, seeds=seeds, seed=seed, x=x)


def study(simulate=errors, name="study", seed=4, points=POINTS, sizes=(6, 8), replicas=2):
    return MonteCarloSweep(name, simulate, points, sizes, replicas, seed)


def test_order_and_processes_do_not_matter(tmp_path):
    alone = study().run().table()
    together = study().run(tmp_path / "cells", workers=2).table()
    backwards = study(points=POINTS[::-1], sizes=(8, 6)).run().table()
    assert together == alone
    assert sorted(backwards.splitlines()) == sorted(alone.splitlines())
    assert study(seed=5).run().table() != alone
    assert study(name="other").run().table() != alone


def test_cells_are_independent_and_their_seeds_differ():
    sweep = study()
    seeds = {sweep.cell_seed(cell) for cell in sweep.cells()}
    assert len(seeds) == len(sweep.cells()) == 16
    result = sweep.run().result(0, 8)
    assert result.seeds == 2
    assert len(set(result.values["idg"].tolist())) == 2
    assert result.parameters["tau"] == pytest.approx(0.5)


def test_a_study_is_extended_without_computing_again(tmp_path):
    study().run(tmp_path)
    seen: list[tuple[int, int]] = []
    wider = study(points=grid(tau=[0.5, 2.0, 3.0], kappa=[0.5, np.inf]), replicas=3)
    table = wider.run(tmp_path, progress=lambda done, total: seen.append((done, total))).table()
    assert seen[0] == (16, 36)
    assert len(seen) == 1 + 20
    assert table == wider.run().table()


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_monte_carlo_sweep import slow_errors, study
if __name__ == "__main__":
    study(simulate=slow_errors).run({folder!r}, workers={workers})
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, workers):
    folder, script = tmp_path / "cells", tmp_path / "run.py"
    here = str(Path(__file__).parent)
    script.write_text(SCRIPT.format(tests=here, folder=str(folder), workers=workers))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, start_new_session=True
    )
    limit = time.monotonic() + 60
    while not _files(folder) and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.3)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = _files(folder)
    assert 0 < len(kept) < 16
    # what was half-written when the machine died is computed again
    victim = kept[0]
    victim.write_bytes(victim.read_bytes()[:-3])
    seen: list[int] = []
    sweep = study(simulate=slow_errors)
    table = sweep.run(folder, progress=lambda done, total: seen.append(done)).table()
    assert seen[0] in (len(kept) - 1, 1)
    assert table == sweep.run().table()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 200)


def test_failed_cells_are_recorded_with_their_reason(tmp_path):
    sweep = study(moody, points=grid(x=[0, 1, 2, 5]), sizes=[6], replicas=2)
    for result in (sweep.run(tmp_path), sweep.run(tmp_path)):
        assert len(result.failures) == 4
        assert "ValueError: x = 1 has no answer" in result.failures[0]
        assert "x = 1 at size 6, replica 0" in result.failures[0]
        assert "not finite: y = nan" in result.failures[2]
        assert result.result(3, 6).seeds == 2
        with pytest.raises(ConvergenceError, match="none of the 2 replicas"):
            result.result(1, 6)
        assert result.table().count("has no answer") == 2


def test_a_dead_process_is_an_error_and_the_rest_is_kept(tmp_path):
    sweep = study(deadly, points=grid(x=[0, 5, 6, 3]), sizes=[6], replicas=1)
    with pytest.raises(ConvergenceError, match="ended without an answer"):
        sweep.run(tmp_path, workers=2)
    assert len(_files(tmp_path)) >= 1


def test_one_process_at_a_time_works_in_a_folder(tmp_path):
    sweep = study(moody, points=grid(x=[0]), sizes=[6], replicas=1)

    def second(done, total):
        with pytest.raises(OutputError, match="another process"):
            sweep.run(tmp_path)

    sweep.run(tmp_path, progress=second)


def test_the_shell_resumes_a_study_and_writes_the_same_table(tmp_path, capsys):
    words = "study classics.marchenko_pastur --kappa 0.5,2 --u 0.3 --size 6,8 --seeds 2".split()
    words += ["--folder", str(tmp_path / "cells"), "--workers", "1"]
    for name in ("first.csv", "second.csv"):
        assert run([*words, "-o", str(tmp_path / name)]) == 0
    table = (tmp_path / "first.csv").read_text()
    assert table == (tmp_path / "second.csv").read_text()
    assert len(table.splitlines()) == 1 + 2 * 2 * 2
    assert "size = 8, 2 seeds" in capsys.readouterr().out
    assert run([*words, "--u", "0.1", "--v", "1"]) == 2


def test_bad_studies_are_refused():
    with pytest.raises(ArgumentsError, match="occurs twice"):
        study(points=[{"tau": 1.0}, {"tau": 1.0}])
    with pytest.raises(ArgumentsError, match="same parameters"):
        study(points=[{"tau": 1.0}, {"kappa": 1.0}])
    with pytest.raises(DomainError, match="replicas"):
        study(replicas=0)
    with pytest.raises(DomainError, match="size_1"):
        study(sizes=(4, 0))
