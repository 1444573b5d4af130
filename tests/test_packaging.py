"""What is built and installed: the packages, all of them and nothing else, and the command."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numerics", "derive", "derivations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    # built from a copy: building in place would leave files between the sources
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "tests"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    pytest.importorskip("setuptools", "77", reason="building a wheel needs setuptools >= 77")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", str(folder), str(source)],
        check=True,
    )  # fmt: skip
    (built,) = folder.glob("icl_derive-*.whl")
    return built


@pytest.mark.xdist_group("wheel")
def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {n for n in names if ".dist-info/" not in n}
    wanted = {
        p.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for p in (ROOT / package).rglob("*")
        if p.suffix == ".py" or p.name == "py.typed"
    }
    assert shipped == wanted


@pytest.mark.xdist_group("wheel")
def test_the_wheel_gives_the_command(wheel):
    archive = zipfile.ZipFile(wheel)
    (entry,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
    assert "derive = derivations.cli:main" in archive.read(entry).decode()
    (metadata,) = [n for n in archive.namelist() if n.endswith("METADATA")]
    assert "License-Expression: BSD-3-Clause" in archive.read(metadata).decode()


@pytest.mark.xdist_group("wheel")
def test_the_installed_wheel_runs_without_the_sources(wheel, tmp_path):
    # --target keeps the dependencies of this environment and hides the sources
    place = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place),
         "--disable-pip-version-check", str(wheel)],
        check=True,
    )  # fmt: skip
    probe = (
        f"import sys; sys.path.insert(0, {str(place)!r}); import derivations, derive, numerics; "
        "from derivations.cli import run; "
        f"assert all(m.__file__.startswith({str(place)!r}) for m in (derivations, derive)); "
        "sys.exit(run(['list']))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "lu2025.icl_error" in done.stdout


@pytest.mark.slow
def test_pip_install_into_a_fresh_environment_gives_the_command(wheel, tmp_path):
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)],
        check=True,
    )
    done = subprocess.run(
        [str(environment / "bin" / "derive"), "eval", "lu2025.icl_error", "--tau", "0.5",
         "--alpha", "1", "--kappa", "0.5", "--rho", "0.01", "--lam", "0"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1.2610768959342765, rel=1e-14)


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {project['version']}\n" in citation
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_root_holds_the_usual_files_only():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked.stdout.splitlines()}
    assert top <= {
        *PACKAGES, "tests", "pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md",
        "CHANGELOG.md", "CITATION.cff", "LICENSE", ".ci", ".gitignore",
        ".pre-commit-config.yaml", "docs", "SECURITY.md",
    }  # fmt: skip
