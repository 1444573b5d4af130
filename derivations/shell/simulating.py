"""``derive simulate ID --size 16,32,64 ...``: finite-size Monte Carlo against the theory."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derivations.shell.evaluating import check_suffix
from derivations.shell.ranges import parse_arguments, parse_range, parse_sizes
from derivations.shell.terminal import find, note, progress, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.derivation import Derivation
    from numerics.simulation import SimulationResult


def simulate(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As listed by `derive list`.")],
    size: Annotated[
        str, typer.Option("--size", help="Dimension, or several such as 16,32,64.")
    ] = "64",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the whole run.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv or .npz file, one row a seed.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
) -> None:
    """Simulate a result at finite size: --NAME VALUE for every parameter.

    With three sizes or more the distance to the theory is fitted in 1/size and its limit printed
    in standard errors.
    """
    from numerics.errors import ArgumentsError
    from numerics.files import check_writable

    command = f"derive simulate {id}"
    if output is not None:
        check_suffix(output)
        check_writable(output, overwrite=force)
    derivation = find(id)
    parameters: dict[str, float] = {}
    for name, text in parse_arguments(command, context.args).items():
        values = parse_range(name, text).values
        if values.ndim:
            raise ArgumentsError(
                command,
                f"--{name} has several values",
                "a simulation is one point",
                f"{command} --{name} {float(values[0]):g}",
            )
        parameters[name] = float(values)
    check_parameters(command, derivation, parameters)
    sizes = parse_sizes(size)
    results = []
    with progress(f"{id}, {seeds} seeds a size", len(sizes)) as advance:
        for each in sizes:
            results.append(derivation.simulate(size=each, seeds=seeds, seed=seed, **parameters))
            advance(1)
    for result in results:
        say(repr(result))
    comparison = against_theory(derivation, results)
    if comparison is not None:
        say(repr(comparison))
    if output is not None:
        write_seeds(output, results, force)
        note(f"wrote {output}")


def check_parameters(command: str, derivation: Derivation, parameters: Mapping[str, float]) -> None:
    """Raise if a parameter of the simulation is missing or unknown."""
    from numerics.errors import ArgumentsError

    known = inspect.signature(derivation.simulator).parameters.values()
    named = [p for p in known if p.kind is p.KEYWORD_ONLY and p.name not in ("seeds", "seed")]
    wanted = [p.name for p in named if p.default is p.empty]
    if not named:  # all keywords are handed on: those of the result
        wanted = list(derivation.result.args)
    missing = [w for w in wanted if w not in parameters]
    unknown = [p for p in parameters if p not in wanted and p not in {n.name for n in named}]
    if missing or unknown:
        words = [f"missing --{m}" for m in missing] + [f"unknown --{u}" for u in unknown]
        raise ArgumentsError(
            command,
            ", ".join(words),
            f"the parameters are {', '.join(wanted)}",
            f"{command} " + " ".join(f"--{w} {parameters.get(w, 0.5):g}" for w in wanted),
        )


def against_theory(derivation: Derivation, results: Sequence[SimulationResult]) -> Any:
    """Compare with the main result in the limit, or return None where that cannot be done."""
    from numerics.extrapolation import compare

    if len(results) < 2 or not derivation.results or any(r.seeds < 2 for r in results):
        return None
    formula = derivation.result
    if set(results[0].parameters) != set(formula.args):
        return None
    return compare(lambda **point: float(formula(**point)), results, quantity=results[0].quantity)


def write_seeds(output: Path, results: Sequence[SimulationResult], force: bool) -> None:
    """Write size, realised parameters and every quantity of every seed."""
    import numpy as np

    from numerics.files import whole_file

    columns: dict[str, list[float]] = {"size": [], "seed_index": []}
    for result in results:
        columns["size"] += [result.size] * result.seeds
        columns["seed_index"] += list(range(result.seeds))
        for name, value in result.parameters.items():
            columns.setdefault(name, []).extend([value] * result.seeds)
        for name, values in result.values.items():
            columns.setdefault(name, []).extend(values.tolist())
    with whole_file(output, overwrite=force) as file:
        if output.suffix == ".npz":
            np.savez(file, allow_pickle=False, **{n: np.array(c) for n, c in columns.items()})
        else:
            rows = zip(*columns.values(), strict=True)
            lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
            file.write(("\n".join(lines) + "\n").encode())
