"""``make demo``: the errors of linear attention, derived, checked, printed, evaluated, simulated.

Writes everything below ``out/`` and ends by naming the files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

import derivations
from derivations.shell.checking import judged_mutants
from derive.derivation import Derivation
from derive.verdict import Verdict
from numerics.files import whole_file, write_whole

MAIN = ("lu2025.icl_error", "lu2025.idg_error")
QUANTITY = {"lu2025.icl_error": "icl", "lu2025.idg_error": "idg"}
# ridge 0.1: near the interpolation threshold small sizes are far from the limit
POINT = {"tau": 0.5, "alpha": 1.0, "kappa": 0.5, "rho": 0.01, "lam": 0.1}
EXACT_POINT = {"tau": "0.5", "alpha": "1", "kappa": "0.5", "rho": "0.01", "lam": "0"}
SIZES, SEEDS = (24, 32, 48), 24
WORST_Z = 4.0

console = Console(highlight=False)


class DemoError(Exception):
    """A part of the demonstration did not come out as it must."""


def main() -> int:
    """Run the demonstration and return the exit code."""
    began = time.perf_counter()
    out = Path("out")
    out.mkdir(exist_ok=True)
    try:
        files = [
            *derive_and_print(out),
            bulk_evaluation(out),
            monte_carlo(out),
            *picture(out),
        ]
    except DemoError as failure:
        console.print(f"[bold red]{failure}")
        return 1
    console.rule(f"written in {time.perf_counter() - began:.0f} s")
    for path in files:
        console.print(f"  {path}  ({path.stat().st_size / 1024:.0f} KiB)")
    return 0


def with_cited(ids: tuple[str, ...]) -> list[Derivation]:
    """Return derivations and all that they rest on, what is cited first."""
    found: dict[str, Derivation] = {}

    def visit(id: str) -> None:
        if id not in found:
            derivation = derivations.get(id)
            for cited in derivation.outcome.cites:
                visit(cited)
            found[id] = derivation

    for id in ids:
        visit(id)
    return list(found.values())


def derive_and_print(out: Path) -> list[Path]:
    """Execute the derivations, refute a wrong version of each, print them."""
    console.rule("1. derive and check")
    files = []
    table = Table("derivation", "steps", "weakest verdict", "seconds")
    with console.status("running every step of the derivations"):
        began = time.perf_counter()
        chain = with_cited(MAIN)
        seconds = time.perf_counter() - began
    for derivation in chain:
        table.add_row(
            derivation.id,
            str(len(derivation.steps)),
            derivation.status.name,
            f"{seconds:.1f} in all" if derivation is chain[-1] else "",
        )
        if derivation.status <= Verdict.INCONCLUSIVE:
            raise DemoError(f"{derivation.id} is {derivation.status.name}")
    console.print(table)
    for id in MAIN:
        judged = list(
            track(judged_mutants(derivations.get(id)), f"mutants of {id}", transient=True)
        )
        step, mutant, verdict = judged[-1]
        console.print(f"{id}: {len(judged)} wrong versions of its steps, one of them")
        console.print(f"   right: {step.after}\n   wrong: {mutant}\n   -> {verdict.name}")
        if any(v is not Verdict.REFUTED for _, _, v in judged):
            raise DemoError(f"a mutant of {id} survived")
    console.rule("2. print")
    for id in MAIN:
        target = write_whole(
            out / f"{id}.tex", derivations.get(id).latex(standalone=True), overwrite=True
        )
        files.append(target)
        files += typeset(target)
    return files


def typeset(source: Path) -> list[Path]:
    """Return the PDF of a LaTeX file, or nothing where pdflatex is not installed."""
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        console.print(f"{source}: pdflatex is not installed, so there is no PDF")
        return []
    command = [pdflatex, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error"]
    with console.status(f"pdflatex {source.name}"):
        done = subprocess.run(
            [*command, source.name], cwd=source.parent, capture_output=True, timeout=120
        )
    for suffix in (".aux", ".log"):
        source.with_suffix(suffix).unlink(missing_ok=True)
    if done.returncode:
        raise DemoError(f"pdflatex failed on {source}:\n{done.stdout.decode(errors='replace')}")
    console.print(f"{source.with_suffix('.pdf')} compiled")
    return [source.with_suffix(".pdf")]


def bulk_evaluation(out: Path) -> Path:
    """Evaluate a million points with root finding; certify one of them."""
    console.rule("3. evaluate and certify")
    axes = {"tau": np.linspace(0.1, 5, 1000), "alpha": np.geomspace(0.1, 100, 1000)}
    grid: dict[str, Any] = {"tau": axes["tau"][:, None], "alpha": axes["alpha"][None, :]}
    rest: dict[str, Any] = {"kappa": 0.5, "rho": 0.01, "lam": 1e-6}
    columns: dict[str, np.ndarray] = {}
    for id in MAIN:
        formula = derivations.get(id).result
        with console.status(f"compiling {id}"):
            began = time.perf_counter()
            formula(tau=1.0, alpha=1.0, **rest)
            compiled = time.perf_counter() - began
        began = time.perf_counter()
        columns[id.rpartition(".")[2]] = formula(**rest | grid)
        seconds = time.perf_counter() - began
        ball = formula.ball(bits=128, **EXACT_POINT)
        floats: dict[str, Any] = {n: float(v) for n, v in EXACT_POINT.items()}
        ours = float(formula(**floats))
        console.print(
            f"{id}: compiled or loaded in {compiled:.2f} s; "
            f"1,000,000 points, each with a root, in {seconds:.3f} s"
        )
        console.print(f"   certified {ball.digits()}\n   float64   {ours!r}")
        if not np.isfinite(columns[id.rpartition(".")[2]]).all():
            raise DemoError(f"{id}: a value is not finite")
    target = out / "errors.npz"
    with whole_file(target, overwrite=True) as file:
        np.savez(file, allow_pickle=False, **axes, **{k: np.array(v) for k, v in rest.items()},
                 **columns)  # fmt: skip
    return target


def monte_carlo(out: Path) -> Path:
    """Simulate at several sizes and compare the limit with the theory."""
    from numerics.extrapolation import compare

    console.rule("4. simulate")
    results = [
        derivations.get(MAIN[0]).simulate(size=size, seeds=SEEDS, seed=20, **POINT)
        for size in track(SIZES, "pretraining linear attention", transient=True)
    ]
    lines = [repr(r) for r in results]
    for id in MAIN:
        formula = derivations.get(id).result
        comparison = compare(lambda f=formula, **p: float(f(**p)), results, quantity=QUANTITY[id])
        lines.append(repr(comparison))
        console.print(repr(comparison))
        if abs(comparison.z_score) > WORST_Z:
            raise DemoError(f"{id}: theory and simulation differ by {comparison.z_score:.1f} sigma")
    return write_whole(out / "simulation.txt", "\n".join(lines) + "\n", overwrite=True)


def picture(out: Path) -> list[Path]:
    """Draw the double descent."""
    from derivations.figures import find_figure
    from numerics.plotting import save, write_columns

    console.rule("5. draw")
    card = find_figure("lu2025.double_descent")
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("simulating the points", total=None)
        drawn = card.load()(
            size=32,
            seeds=6,
            seed=0,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    image = save(drawn.drawing, out / f"{card.id}.png", overwrite=True)
    return [image, write_columns(drawn.columns, image.with_suffix(".csv"), overwrite=True)]


if __name__ == "__main__":
    sys.exit(main())
