"""The accuracy of every result over its box: a table that may only get better.

Each row holds the box, how many points were compared, the errors in units of the last place against
certified values, the worst input, and how many points needed more than float64. Bad inputs once
found stay in the table and are tried again for ever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics.audit import Maximum, audit, point_errors, search
from numerics.audit_points import (
    LARGEST,
    SMALLEST_NORMAL,
    Axis,
    Points,
    edge_points,
    scatter_points,
)
from numerics.errors import ArgumentsError
from numerics.escalation import EscalatingKernel
from numerics.kernel import compile_program
from numerics.mask import constraint_masks

if TYPE_CHECKING:
    from derive.domain import Quantity
    from derive.formula import Formula
    from numerics.program import Program

SCATTERED, EDGES, RESTARTS = 10_000, 500, 32
WIDTH = 1e6  # positive arguments range over 1/WIDTH to WIDTH
DRAWS = 20  # of as many points each, for those that lie in the domain
COUNTS = 16.0  # how far an integer argument goes beyond its smallest value
KEPT = 8
SINGLED_OUT = 40  # scattered points at which float64 alone is measured
BITS = 77  # of the reference: a small part of an ulp
GROWTH = 2.0  # an entry may not get worse by more
FLOOR = 1.0  # ulp below which nothing is called worse
EXTREMES = (math.ulp(0.0), 2.0**-1030, SMALLEST_NORMAL, 2.0**-960, 2.0**960, LARGEST / 4, LARGEST)


@dataclass(frozen=True)
class Row:
    """One result of the table.

    Parameters
    ----------
    result : str
        Name of the formula.
    box : mapping of str to (low, high, special values, integer)
        Where the points lie.
    scattered, edges : int
        Number of points of each kind.
    compared : int
        Those where a value exists; the others lie outside the domain or overflow.
    maximum, percentile_99, mean : float
        Errors in ulp with automatic precision.
    worst : mapping of str to float
        Where the largest error was found.
    condition : float
        Conditioning of the formula there.
    beyond : int
        Points whose error exceeds 8 + 4 condition ulp, or that could not be decided.
    double_double, balls : int
        Points that needed more than float64.
    float64_maximum : float
        Largest error of the float64 kernel alone, at scattered and kept points; infinite where it
        has no number although one exists.
    kept : tuple of mapping
        Bad inputs found so far.
    """

    result: str
    box: Mapping[str, tuple[float, float, tuple[float, ...], bool]]
    scattered: int
    edges: int
    compared: int
    maximum: float
    percentile_99: float
    mean: float
    worst: Mapping[str, float]
    condition: float
    beyond: int
    double_double: int
    balls: int
    float64_maximum: float
    kept: tuple[Mapping[str, float], ...]

    def to_record(self) -> dict[str, Any]:
        """Return the row as JSON can hold it; floats as text that reads back exactly."""
        return {name: _plain(value) for name, value in vars(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Row:
        """Read a row written by :meth:`to_record`."""
        box = {
            n: (float(low), float(high), tuple(map(float, special)), bool(integer))
            for n, (low, high, special, integer) in record["box"].items()
        }
        numbers = ("maximum", "percentile_99", "mean", "condition", "float64_maximum")
        return cls(
            **{
                **record,
                **{n: float(record[n]) for n in numbers},
                "box": box,
                "worst": _floats(record["worst"]),
                "kept": tuple(_floats(p) for p in record["kept"]),
            }
        )

    def worse_than(self, old: Row) -> str:
        """Return in what this row is worse than an older one by more than a factor of two.

        Parameters
        ----------
        old : Row
            The recorded row.

        Returns
        -------
        str
            Empty if nothing is.
        """
        words = [f"{self.beyond} points beyond 8 + 4 condition ulp"] * bool(self.beyond)
        for name in ("maximum", "percentile_99", "mean", "float64_maximum"):
            mine, recorded = getattr(self, name), getattr(old, name)
            if not mine <= GROWTH * max(recorded, FLOOR):
                words.append(f"{name} {mine:.3g} ulp, recorded {recorded:.3g}")
        return ", ".join(words)


def box_of(formula: Formula) -> dict[str, tuple[float, float, tuple[float, ...], bool]]:
    """Return the box a formula is tested over: its domain, cut to twelve decades.

    Parameters
    ----------
    formula : Formula
        A result of a derivation.

    Returns
    -------
    dict
        Low end, high end, special values (closed ends, limits, subnormal and huge numbers), and
        whether the argument is an integer.
    """
    letters = {str(q.symbol): q for q in formula.domain.quantities}
    return {name: _range_of(letters.get(name)) for name in formula.args}


def _range_of(q: Quantity | None) -> tuple[float, float, tuple[float, ...], bool]:
    if q is None:
        return -1e3, 1e3, (), False
    low, high = float(q.lower), float(q.upper)
    special = [low] * (math.isfinite(low) and not q.lower_open)
    special += [high] * (not q.upper_open)
    if q.symbol.is_integer:
        first = low + 1 if q.lower_open else low
        first = first if math.isfinite(first) else -50.0
        return first, min(high, first + COUNTS), tuple(s for s in special if math.isfinite(s)), True
    if math.isinf(low):
        return -1e3 if math.isinf(high) else high - 1e3, min(high, 1e3), tuple(special), False
    if math.isinf(high):
        if low == 0:
            return 1 / WIDTH, WIDTH, (*special, *EXTREMES), False
        return low + abs(low) / WIDTH, WIDTH, tuple(special), False
    margin = (high - low) / WIDTH
    return low + margin, high - margin, tuple(special), False


def measure(
    formula: Formula,
    box: Mapping[str, tuple[float, float, tuple[float, ...], bool]],
    kept: Sequence[Mapping[str, float]] = (),
    scattered: int = SCATTERED,
    edges: int = EDGES,
    restarts: int = RESTARTS,
    seed: int = 0,
) -> Row:
    """Measure the accuracy of a formula over a box.

    Parameters
    ----------
    formula : Formula
        A result of a derivation.
    box : mapping
        As returned by :func:`box_of`.
    kept : sequence of mapping
        Bad inputs found before; they are tried again.
    scattered, edges : int
        Points inside the box, and on its edges and at special values.
    restarts : int
        Climbers that look for inputs bad for the float64 kernel; 0 for none.
    seed : int
        Of the points.

    Returns
    -------
    Row
        To be compared with the recorded one.

    Raises
    ------
    ArgumentsError
        If the box does not have the arguments of the formula.
    """
    if set(box) != set(formula.args):
        raise ArgumentsError(
            f"measure({formula.name}, box)",
            f"the box has {', '.join(box)}",
            f"the arguments are {', '.join(formula.args)}",
            f"measure({formula.name}, box_of({formula.name}))",
        )
    axes, program = axes_of(box), formula.program
    # What float64 alone is measured on has no subnormal and no huge numbers.
    ordinary = {n: Axis(a.low, a.high, _ordinary(a)) for n, a in axes.items()}
    auto, single = EscalatingKernel(program), compile_program(program)
    inner = _inside(program, ordinary, box, scattered, seed)
    found = [dict(p) for p in kept]
    if restarts:
        climbed = search(program, single, ordinary, restarts, seed + 1, rounds=16)
        found += [dict(m.point) for m in climbed[:KEPT]]
    extra = _integers({n: np.array([p[n] for p in found]) for n in formula.args}, box)
    outer = _integers(edge_points(axes, edges, seed + 2), box)
    points = {n: np.concatenate([inner[n], outer[n], extra[n]]) for n in formula.args}
    operands = [points[a] for a in program.arguments]
    automatic, plain = np.asarray(auto(*operands)), np.asarray(single(*operands))
    report = audit(program, automatic, points, BITS)
    worst = _apart(plain[:scattered], automatic[:scattered])
    chosen = np.concatenate([worst, np.arange(len(plain) - len(found), len(plain))])
    alone = point_errors(program, plain[chosen], {n: x[chosen] for n, x in points.items()}, BITS)
    alone = sorted(alone, key=lambda m: -m.ratio)
    worst = report.worst or Maximum({}, math.nan, math.nan, math.nan)
    return Row(
        formula.name,
        box,
        scattered,
        edges,
        report.compared,
        report.maximum,
        report.percentile_99,
        report.mean,
        worst.point,
        worst.condition,
        len(report.beyond) + len(report.spurious) + report.inconclusive,
        auto.escalated.double_double,
        auto.escalated.balls,
        max((m.error for m in alone), default=0.0),
        _distinct([*(_floats(p) for p in kept), *(m.point for m in alone[:KEPT])]),
    )


def _distinct(points: Sequence[Mapping[str, float]]) -> tuple[Mapping[str, float], ...]:
    """Return the points once each, in order."""
    return tuple({tuple(sorted(point.items())): point for point in points}.values())


def axes_of(box: Mapping[str, tuple[float, float, tuple[float, ...], bool]]) -> dict[str, Axis]:
    """Return a box as axes.

    Parameters
    ----------
    box : mapping
        As returned by :func:`box_of`.

    Returns
    -------
    dict of str to Axis
        One per argument.
    """
    return {n: Axis(low, high, special) for n, (low, high, special, _) in box.items()}


def _ordinary(axis: Axis) -> tuple[float, ...]:
    return tuple(s for s in axis.special if s == 0 or math.isinf(s) or s not in EXTREMES)


def _inside(
    program: Program,
    axes: Mapping[str, Axis],
    box: Mapping[str, tuple],
    count: int,
    seed: int,
) -> Points:
    """Scatter points of the domain: most of a box may lie outside, where nothing is measured.

    If fewer are found in the draws, points outside fill up: they must have no value.
    """
    rng = np.random.default_rng(seed)
    kept: list[Points] = []
    found = 0
    points: Points = {}
    for _ in range(DRAWS):
        points = _integers(scatter_points(axes, count, rng), box)
        inside = np.ones(count, dtype=bool)
        for mask in constraint_masks(program, [points[n] for n in program.arguments]):
            inside &= mask
        kept.append({n: x[inside] for n, x in points.items()})
        found += int(inside.sum())
        if found >= count:
            break
    kept.append(points)
    return {n: np.concatenate([k[n] for k in kept])[:count] for n in points}


def _integers(points: Points, box: Mapping[str, tuple]) -> Points:
    return {n: np.round(x) if box[n][3] else x for n, x in points.items()}


def _apart(single: np.ndarray, auto: np.ndarray) -> np.ndarray:
    """Return where float64 alone is farthest from the automatic value, right to a few ulp."""
    with np.errstate(all="ignore"):
        apart = np.abs(single / auto - 1)
    apart = np.where(single == auto, 0.0, np.nan_to_num(apart, nan=np.inf))
    apart = np.where(np.isnan(auto), -1.0, apart)
    return np.argsort(-apart)[:SINGLED_OUT]


def read_table(text: str) -> dict[str, Row]:
    """Read a table.

    Parameters
    ----------
    text : str
        JSON written by :func:`table_text`.

    Returns
    -------
    dict of str to Row
        By name of the result.
    """
    return {name: Row.from_record(record) for name, record in json.loads(text).items()}


def table_text(rows: Mapping[str, Row]) -> str:
    """Return a table as JSON, sorted, floats exact.

    Parameters
    ----------
    rows : mapping of str to Row
        By name of the result.

    Returns
    -------
    str
        The text of the golden file.
    """
    records = {name: rows[name].to_record() for name in sorted(rows)}
    return json.dumps(records, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {n: _plain(v) for n, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return repr(float(value)) if isinstance(value, float) else value


def _floats(point: Mapping[str, Any]) -> dict[str, float]:
    return {n: float(x) for n, x in point.items()}
