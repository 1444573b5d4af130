"""Points at which a kernel is put to the test: scattered over a box, and on its edges.

Floating-point code fails at the ends of its domain, at exact special values, and a few units in the
last place from where a formula changes branch. :func:`edge_points` goes there on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.errors import ArgumentsError

Points = dict[str, np.ndarray]
Transition = tuple[str, float | str]

SMALLEST_SUBNORMAL = math.ulp(0.0)
SMALLEST_NORMAL = 2.0**-1022
LARGEST = math.nextafter(math.inf, 0.0)
NUDGES = (-3, -2, -1, 0, 1, 2, 3)


@dataclass(frozen=True)
class Axis:
    """The range of one argument.

    Parameters
    ----------
    low, high : float
        Ends; scattered points are log-uniform where both are positive, else uniform.
    special : tuple of float
        Exact values outside the range that are allowed too, such as 0 or infinity.

    Examples
    --------
    >>> Axis(1e-12, 10.0, special=(0.0,)).low
    1e-12
    """

    low: float
    high: float
    special: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ArgumentsError(
                f"Axis({self.low!r}, {self.high!r})",
                "the ends are not finite numbers in order",
                "points are scattered between them; infinity goes among the special values",
                "Axis(1e-3, 1e6, special=(math.inf,))",
            )

    def scatter(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n points of the range, log-uniform where it is positive."""
        share = rng.uniform(size=n)
        if self.low <= 0:
            return self.low + (self.high - self.low) * share
        low, high = math.log(self.low), math.log(self.high)
        return np.clip(np.exp(low + (high - low) * share), self.low, self.high)

    def edges(self) -> list[float]:
        """Return the special values, the ends a few ulp either way, subnormal and huge numbers."""
        values = list(self.special)
        for end in (self.low, self.high):
            # Not across zero nor to infinity: those are other domains, given as special values.
            near = [nudge(end, k) for k in NUDGES]
            values += [x for x in near if math.isfinite(x) and (x * end > 0 or x == end)]
        extremes = (SMALLEST_SUBNORMAL, 2 * SMALLEST_SUBNORMAL, 2.0**-1030, SMALLEST_NORMAL)
        values += [x for x in (*extremes, LARGEST / 4, LARGEST) if self.low <= x <= self.high]
        return [v for v in values if not math.isnan(v)]


Box = Mapping[str, Axis]


def nudge(x: float, steps: int) -> float:
    """Return the float so many steps up (or down, if negative) from x.

    Examples
    --------
    >>> nudge(1.0, 1) - 1.0 == 2.0**-52, nudge(1.0, -1) < 1.0
    (True, True)
    """
    for _ in range(abs(steps)):
        x = math.nextafter(x, math.copysign(math.inf, steps))
    return x


def scatter_points(box: Box, n: int, seed: int | np.random.Generator) -> Points:
    """Return points scattered over a box, one coordinate in ten at a special value if it has any.

    Parameters
    ----------
    box : mapping of str to Axis
        Range of every argument.
    n : int
        Number of points.
    seed : int or Generator
        Of the random numbers.

    Returns
    -------
    dict of str to array of shape (n,)
        One column per argument.

    Examples
    --------
    >>> points = scatter_points({"x": Axis(1e-3, 1e6)}, 100, seed=1)
    >>> bool((points["x"] >= 1e-3).all() and (points["x"] <= 1e6).all())
    True
    """
    rng = np.random.default_rng(seed)
    points: Points = {}
    for name, axis in box.items():
        column = axis.scatter(n, rng)
        if axis.special:
            chosen = rng.uniform(size=n) < 0.1
            column = np.where(chosen, rng.choice(np.array(axis.special), size=n), column)
        points[name] = column
    return points


def edge_points(
    box: Box, n: int, seed: int | np.random.Generator, transitions: Sequence[Transition] = ()
) -> Points:
    """Return points on the edges of a box and within three ulp of given transitions.

    Parameters
    ----------
    box : mapping of str to Axis
        Range of every argument. Subnormal and huge values are used where an axis reaches them.
    n : int
        Number of points; every kind of edge occurs if there are at least as many points as kinds.
    seed : int or Generator
        Of the other coordinates, scattered, and of pairs of edges.
    transitions : sequence of (name, float or name)
        ``("tau", 1.0)`` puts tau at 1 and one to three ulp beside it, ``("kappa", "tau")`` kappa at
        the value of tau.

    Returns
    -------
    dict of str to array of shape (n,)
        One column per argument.

    Examples
    --------
    >>> p = edge_points({"tau": Axis(0.1, 10.0)}, 21, seed=1, transitions=[("tau", 1.0)])
    >>> bool((p["tau"] == 1.0).any() and (p["tau"] == nudge(1.0, 1)).any())
    True
    """
    unknown = {t for name, target in transitions for t in (name, target)} - box.keys()
    if any(isinstance(t, str) for t in unknown):
        raise ArgumentsError(
            "edge_points(box, ...)",
            f"transitions name {sorted(str(t) for t in unknown if isinstance(t, str))}",
            f"the box has the axes {', '.join(box)}",
            'edge_points(box, n, seed, transitions=[("tau", 1.0)])',
        )
    rng = np.random.default_rng(seed)
    points = scatter_points(box, n, rng)
    kinds: list[tuple[str, float | str, int]] = [
        (name, value, 0) for name, axis in box.items() for value in axis.edges()
    ]
    kinds += [(name, target, k) for name, target in transitions for k in NUDGES]
    order = rng.permutation(len(kinds))
    for i in range(n):
        _place(points, box, i, kinds[order[i % len(kinds)]])
        # From the second round on, two edges meet in one point.
        if i >= len(kinds):
            _place(points, box, i, kinds[int(rng.integers(len(kinds)))])
    return points


def _place(points: Points, box: Box, i: int, kind: tuple[str, float | str, int]) -> None:
    name, target, steps = kind
    if isinstance(target, str):
        # Both arguments move to a value that lies in the range of both, if there is one.
        low, high = max(box[name].low, box[target].low), min(box[name].high, box[target].high)
        value = min(max(float(points[target][i]), low), high)
        if low > high:
            return
        points[target][i] = value
    else:
        value = target
    points[name][i] = nudge(value, steps)
