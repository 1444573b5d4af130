"""Contenders measured in turn, round after round, and compared round by round.

Other programs share the machine and clocks change speed: a time says little, the ratio of two times
taken in the same instant says much. Every round visits each contender once, in alternating order,
and what is reported is the median of the ratios within rounds, with their quartiles. The clock is
that of the processor time of this process, which stands still while others have the core; only
where several threads or processes are compared is it the clock on the wall.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Parameters
    ----------
    call : callable
        What is timed; takes nothing.
    points : int
        Over how many points its time is spread.
    """

    call: Callable[[], object]
    points: int = 1

    @classmethod
    def of(cls, function: Callable[..., object], points: int, *operands: Any, **named: Any) -> Self:
        """Return a contender that calls a function with these operands.

        Parameters
        ----------
        function : callable
            What is timed.
        points : int
            Over how many points its time is spread.
        *operands, **named : Any
            What it is called with.

        Returns
        -------
        Contender
            Ready to be timed.
        """
        return cls(partial(function, *operands, **named), points)


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise some values.

        Parameters
        ----------
        values : list of float
            At least one.

        Returns
        -------
        Spread
            Median and quartiles.

        Examples
        --------
        >>> Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
        Spread(median=3.0, low=2.0, high=4.0)
        """
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Paired:
    """Seconds per point of every contender in every round."""

    seconds: Mapping[str, tuple[float, ...]]

    def ratio(self, of: str, to: str) -> Spread:
        """Return how many times longer one contender takes than another, round by round.

        Parameters
        ----------
        of, to : str
            Numerator and denominator.

        Returns
        -------
        Spread
            Of the ratios within rounds.

        Examples
        --------
        >>> Paired({"a": (2.0, 6.0), "b": (1.0, 2.0)}).ratio("a", "b")
        Spread(median=2.5, low=2.25, high=2.75)
        """
        pairs = zip(self.seconds[of], self.seconds[to], strict=True)
        return Spread.of([a / b for a, b in pairs])

    def nanoseconds(self, of: str) -> float:
        """Return the median time per point."""
        return 1e9 * statistics.median(self.seconds[of])

    def fastest(self) -> str:
        """Return the contender with the smallest median."""
        return min(self.seconds, key=self.nanoseconds)


def interleave(
    contenders: Mapping[str, Contender],
    rounds: int,
    least_seconds: float = 0.02,
    clock: Callable[[], float] = time.process_time,
) -> Paired:
    """Time contenders in alternation.

    Parameters
    ----------
    contenders : mapping of str to Contender
        Each is called once before, so that nothing is compiled or loaded while the clock runs.
    rounds : int
        How often everyone is visited.
    least_seconds : float
        Quick contenders are repeated within a visit until it lasts so long.
    clock : callable
        Processor time, or ``time.perf_counter``.

    Returns
    -------
    Paired
        Times per point.

    Examples
    --------
    >>> paired = interleave({"a": Contender(lambda: sum(range(100)), 100)}, 3, 1e-5)
    >>> len(paired.seconds["a"])
    3
    """
    repeats = {}
    for name, contender in contenders.items():
        contender.call()
        began = clock()
        contender.call()
        once = max(clock() - began, 1e-7)
        repeats[name] = max(1, round(least_seconds / once))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        order = list(contenders.items())
        for name, contender in order if turn % 2 == 0 else reversed(order):
            call, count = contender.call, repeats[name]
            began = clock()
            for _ in range(count):
                call()
            spent = clock() - began
            found[name].append(spent / count / contender.points)
    return Paired({name: tuple(times) for name, times in found.items()})
