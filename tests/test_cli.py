"""The command line: what it prints, what it writes, what it refuses, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import derivations
from derivations.cli import run
from derivations.shell import evaluating
from derivations.shell.evaluating import blocks
from derivations.shell.ranges import parse_arguments, parse_range
from numerics.errors import DeriveError, DomainError

ROOT = Path(__file__).resolve().parents[1]
POINT = ["--tau", "0.5", "--alpha", "1", "--kappa", "0.5", "--rho", "0.01", "--lam", "0"]
EVAL = ["eval", "lu2025.icl_error"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _derive(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "derivations.cli", *words],
        capture_output=True, text=True, env=ENVIRONMENT, **options,
    )  # fmt: skip


# --- what is typed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5", 0.5),
        ("-2e-3", -0.002),
        (".25", 0.25),
        ("3.", 3.0),
        ("inf", np.inf),
        ("1,2,inf", [1, 2, np.inf]),
        ("0:1:5", [0, 0.25, 0.5, 0.75, 1]),
        ("2:1:3", [2, 1.5, 1]),
        ("log:0.01:100:5", [0.01, 0.1, 1, 10, 100]),
        ("3:3:1", [3]),
    ],
)
def test_ranges(text, values):
    found = parse_range("tau", text).values
    assert found.shape == np.shape(values)
    np.testing.assert_allclose(found, values, rtol=1e-15)


def test_ends_of_a_range_are_exact():
    values = parse_range("tau", "log:0.3:0.7:1001").values
    assert values[0] == 0.3 and values[-1] == 0.7


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "nan", "NaN", "infinity", "1e99999", "0x10", "1_000", "1j", "a", "1:2", "1:2:0",
        "1:2:-3", "1:2:3:4", "1:2:x", "1:2:1e3", "log:1:2", "log:0:1:5", "log:-1:1:5", "inf:1:3",
        "1:inf:3", "1,", ",1", "1,,2", "1:2:1", "log(2)", "2**3", "9**9**9**9", "tau", "1;2",
        "__import__('os').system('true')", "1:2:1000000000", "1:2:999999999999999999999",
        "\u0661", "\uff11", "1\x00", "1\n2", "0" * 50, "1" * 70_000,
    ],
)  # fmt: skip
def test_bad_ranges_are_refused_at_once(text):
    began = time.perf_counter()
    with pytest.raises(DeriveError) as caught:
        parse_range("tau", text)
    assert time.perf_counter() - began < 0.5
    assert ". Why: " in str(caught.value) and " Do: " in str(caught.value)
    assert len(str(caught.value)) < 500


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.text(alphabet="0123456789.eE+-:,logifn _xj\n\t", max_size=30))
@example("log:1:2:3")
def test_any_text_is_numbers_or_a_named_error(text):
    try:
        values = parse_range("tau", text).values
    except DeriveError:
        return
    assert values.dtype == np.float64 and values.size <= 10**8 and not np.isnan(values).any()


@settings(derandomize=True, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_are_arguments_or_a_named_error(words):
    try:
        found = parse_arguments("derive eval x", words)
    except DeriveError:
        return
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in found)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (1, 1, 9), (4, 1, 6), (2, 3, 4, 5)])
@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_blocks_cover_a_grid_once(shape, size):
    count = np.zeros(shape, int)
    for block in blocks(shape, size):
        assert count[block].size <= max(size, 1)
        count[block] += 1
    assert (count == 1).all()


# --- evaluation ------------------------------------------------------------------------------


def test_one_point_prints_the_number(capsys):
    assert run([*EVAL, *POINT]) == 0
    assert float(capsys.readouterr().out) == pytest.approx(1.2610768959342765, rel=1e-14)


def test_certified_value(capsys):
    assert run([*EVAL, *POINT, "--bits", "128"]) == 0
    assert "1.2610768959342765376873396604163" in capsys.readouterr().out


@pytest.mark.parametrize("block", [7, 1 << 20])
def test_grid_files_hold_what_the_library_gives(out, monkeypatch, block):
    monkeypatch.setattr(evaluating, "BLOCK", block)
    monkeypatch.setattr(evaluating, "ROWS", block)
    words = ["--alpha", "log:0.1:10:5", "--tau=0.2:2:3", "--kappa", "0.5,inf", "--rho", "0.1"]
    for name in ("e.npz", "e.csv"):
        assert run([*EVAL, *words, "--lam", "0.01", "-o", name]) == 0
    stored = np.load(out / "e.npz", allow_pickle=False)
    values = stored["icl_error"]
    assert values.shape == (3, 5, 2), "axes in the order of the formula's arguments"
    formula = derivations.get("lu2025.icl_error").result
    wanted = formula(
        tau=np.linspace(0.2, 2, 3)[:, None, None],
        alpha=np.geomspace(0.1, 10, 5)[None, :, None],
        kappa=np.array([0.5, np.inf])[None, None, :],
        rho=0.1,
        lam=0.01,
    )
    np.testing.assert_array_equal(values, wanted)
    assert str(stored["id"]) == "lu2025.icl_error"
    lines = (out / "e.csv").read_text().splitlines()
    assert lines[0] == "tau,alpha,kappa,rho,lam,icl_error"
    table = np.array([[float(c) for c in line.split(",")] for line in lines[1:]])
    np.testing.assert_array_equal(table[:, -1], values.ravel())  # written in full
    np.testing.assert_array_equal(np.unique(table[:, 1]), stored["alpha"])


def test_a_million_points_take_well_under_a_second(out):
    tau, alpha = np.linspace(0.1, 5, 1000)[:, None], np.geomspace(0.1, 100, 1000)[None, :]
    formula = derivations.get("lu2025.icl_error").result
    rest = {"kappa": 0.5, "rho": 0.01, "lam": 1e-6}
    formula(tau=tau[:2], alpha=alpha, **rest)
    best = np.inf
    for _ in range(3):
        began = time.perf_counter()
        formula(tau=tau, alpha=alpha, **rest)
        best = min(best, time.perf_counter() - began)
    assert best < 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval", "lu2025.icl_eror", *POINT], "lu2025.icl_error"),
        ([*EVAL, *POINT[:-2]], "missing --lam"),
        ([*EVAL, *POINT, "--nu", "1"], "unknown --nu"),
        ([*EVAL, *POINT, "--tau", "1"], "given twice"),
        ([*EVAL, *POINT, "7"], "'7' is not an argument"),
        ([*EVAL, *POINT, "-o", "e.txt"], "suffix"),
        ([*EVAL, *POINT, "-o", "nowhere/e.npz"], "does not exist"),
        ([*EVAL, *POINT, "-o", "."], "suffix"),
        ([*EVAL, *POINT, "--result", "gap"], "no result 'gap'"),
        ([*EVAL, *POINT, "--bits", "1"], "bits"),
        ([*EVAL, *POINT, "--invalid", "ignore"], "invalid"),
        ([*EVAL, "--tau", "-1", *POINT[2:]], "tau > 0"),
        ([*EVAL, "--tau", "nan", *POINT[2:]], "not a number"),
        ([*EVAL, "--tau", "1:2:100000", "--alpha", "1:2:100000", *POINT[4:]], "GiB"),
        ([*EVAL, "--tau", "1:2:99999999999", *POINT[2:]], "1e+11 points need 745 GiB"),
        (["simulate", "lu2025.icl_error", *POINT, "--size", "0"], "0 is not a whole number"),
        (["simulate", "lu2025.icl_error", *POINT, "--size", "16:17:3"], "16.5 is not a whole"),
        (["show", "no.such"], "no derivation"),
        (["latex", "../../etc/passwd"], "no derivation"),
        (["simulate", "lu2025.icl_error", "--tau", "1"], "missing --alpha"),
        (["simulate", "lu2025.icl_error", *POINT, "--tay", "1"], "--tay"),
        (["figure", "lu2025.double_decent"], "lu2025.double_descent"),
        (["figure", "lu2025.double_descent", "-o", "x.exe"], "suffix"),
        (["evl"], "eval"),
        (["check", "--mutant"], "--mutants"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(words, said, out, capsys):
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err and "Traceback" not in captured.err
    assert not list(out.iterdir())


def test_points_outside_the_domain_can_be_nan(out):
    words = ["--tau", "-1,0.5", *POINT[2:], "-o", "e.csv", "--invalid", "nan"]
    assert run([*EVAL, *words]) == 0
    last = [line.split(",")[-1] for line in (out / "e.csv").read_text().splitlines()[1:]]
    assert last[0] == "nan" and float(last[1]) > 1


def test_the_index_of_a_block_is_not_passed_off_as_that_of_the_grid(out, monkeypatch, capsys):
    monkeypatch.setattr(evaluating, "BLOCK", 4)
    assert run([*EVAL, "--tau", "3:-1:9", *POINT[2:], "-o", "e.csv"]) == 2
    error = capsys.readouterr().err
    assert "tau = 0.0 violates tau > 0" in error and "index" not in error
    assert not list(out.iterdir())


def test_a_file_is_replaced_only_on_request(out, capsys):
    (out / "e.npz").write_bytes(b"precious")
    assert run([*EVAL, *POINT, "-o", "e.npz"]) == 2
    assert "the file exists" in capsys.readouterr().err
    assert (out / "e.npz").read_bytes() == b"precious"
    assert run([*EVAL, *POINT, "-o", "e.npz", "--force"]) == 0
    assert np.load(out / "e.npz")["icl_error"] == pytest.approx(1.2610768959342765)


def test_interruption_leaves_nothing_behind(out, monkeypatch, capsys):
    calls = 0

    def interrupted(*words):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return rows_of(*words)

    rows_of = evaluating.rows_of
    monkeypatch.setattr(evaluating, "rows_of", interrupted)
    monkeypatch.setattr(evaluating, "ROWS", 16)
    assert run([*EVAL, "--tau", "0.1:2:100", *POINT[2:], "-o", "e.csv"]) == 130
    assert calls == 3 and not list(out.iterdir())
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_at_any_moment_leaves_a_whole_file_or_none(tmp_path):
    rng = np.random.default_rng(11)
    words = [*EVAL, "--tau", "0.1:5:1000", "--alpha", "log:0.1:100:300", *POINT[4:], "-o", "e.csv"]
    whole = None
    for delay in [None, *rng.uniform(0.05, 2.5, 12)]:
        process = subprocess.Popen(
            [sys.executable, "-m", "derivations.cli", *words],
            cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        if delay is not None:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        written = list(tmp_path.iterdir())
        assert [p.name for p in written] in ([], ["e.csv"])
        if delay is None:
            assert process.returncode == 0
            whole = written[0].read_bytes()
        elif written:
            assert written[0].read_bytes() == whole
        for path in written:
            path.unlink()


# --- the other commands ----------------------------------------------------------------------


def test_list_is_quick_and_cheap():
    began = time.perf_counter()
    done = _derive("list")
    assert time.perf_counter() - began < 3  # under one second on an idle machine
    assert "lu2025.icl_error" in done.stdout and done.returncode == 0 and done.stderr == ""
    probe = (
        "import sys; from derivations.cli import run; run(['--help']); run(['list']); "
        "sys.exit(bool({'sympy', 'numba', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], env=ENVIRONMENT).returncode == 0


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m derivations.cli list | head -n 1",
        shell=True, capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_list_as_markdown(capsys):
    assert run(["list", "--markdown"]) == 0
    assert "| `lu2025.icl_error` | The in-context-learning error" in capsys.readouterr().out


def test_show(capsys):
    assert run(["show", "classics.marchenko_pastur"]) == 0
    shown = capsys.readouterr().out
    assert "choose the root" in shown and "domain: kappa > 0" in shown


def test_check_with_mutants(capsys):
    assert run(["check", "classics.marchenko_pastur", "--mutants"]) == 0
    assert "refuted" in capsys.readouterr().out


def test_a_refuted_step_is_exit_code_1(monkeypatch, capsys):
    from derivations.classics import marchenko_pastur as page
    from derive.draft import Draft

    d = derivations.get("classics.marchenko_pastur")

    def wrong(draft: Draft) -> None:
        draft.over(page.letters, "kappa", "u")
        draft.rewrite(page.kappa / page.u, 2 * page.kappa / page.u, "off by a factor two")

    monkeypatch.setattr(d, "_load", lambda: (wrong, None))
    try:
        assert run(["check", "classics.marchenko_pastur"]) == 1
    finally:
        d.__dict__.pop("outcome", None)
    captured = capsys.readouterr()
    assert "refuted" in captured.out and "off by a factor two" in captured.err


def test_latex_goes_to_a_file_or_to_the_screen(out, capsys):
    assert run(["latex", "classics.marchenko_pastur", "-o", "mp.tex"]) == 0
    assert run(["latex", "classics.marchenko_pastur", "--fragment"]) == 0
    text = (out / "mp.tex").read_text()
    assert text.startswith("\\documentclass") and text.endswith("\\end{document}\n")
    assert "\\documentclass" not in capsys.readouterr().out


def test_simulation_against_theory(out, capsys):
    words = ["--tau", "0.5", "--alpha", "2", "--kappa", "0.7", "--rho", "0.3", "--lam", "0.2"]
    assert run(["simulate", "lu2025.idg_error", "--size", "8,12,16", "--seeds", "6", *words,
                "-o", "s.csv"]) == 0  # fmt: skip
    assert "z = " in capsys.readouterr().out
    lines = (out / "s.csv").read_text().splitlines()
    assert len(lines) == 19 and lines[0].startswith("size,seed_index,tau,alpha,kappa,rho,lam,icl")


def test_the_version_is_said(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("icl-derive ")


def test_cache_commands(capsys, tmp_path, monkeypatch):
    from numerics.cache import store

    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path / "cache"))
    store().write("program", "example", b"x" * 2048)
    assert run(["cache", "list"]) == 0
    assert "example" in capsys.readouterr().out
    assert run(["cache", "clear"]) == 0
    assert "deleted 1" in capsys.readouterr().out
    assert store().entries() == ()


def test_simulation_refuses_several_points(capsys):
    assert run(["simulate", "lu2025.icl_error", "--tau", "0:1:3"]) == 2
    assert "several values" in capsys.readouterr().err


def test_ranges_through_zero_are_domain_errors():
    with pytest.raises(DomainError):
        parse_range("tau", "log:0:1:3")
