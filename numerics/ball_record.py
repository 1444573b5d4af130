"""The results of certified evaluation: one ball as an exact record, or a column of balls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb

from numerics.ball_operations import infinite
from numerics.errors import ConvergenceError, DeriveError, DomainError
from numerics.exact import exact


@dataclass(frozen=True)
class Ball:
    """A real number known to lie within a radius of a midpoint.

    Parameters
    ----------
    midpoint, radius : Fraction
        Exact dyadic rationals; the radius is not negative.
    bits : int
        The relative accuracy asked for, in bits.
    infinity : int
        1 or -1 if the value is plus or minus infinity (midpoint and radius are then 0), else 0.

    Examples
    --------
    >>> b = Ball(Fraction(1, 3), Fraction(1, 10**12), 40)
    >>> b.contains("1/3"), b.contains("0.3334"), b.digits(6)
    (True, False, '0.333333')
    """

    midpoint: Fraction
    radius: Fraction
    bits: int
    infinity: int = 0

    @property
    def lower(self) -> Fraction:
        """The lower end, exactly."""
        return self._finite("lower").midpoint - self.radius

    @property
    def upper(self) -> Fraction:
        """The upper end, exactly."""
        return self._finite("upper").midpoint + self.radius

    def contains(self, x: Any) -> bool:
        """Return whether the exact number x (int, Fraction, float, text) lies in the ball."""
        value = exact(x, "x", "Ball.contains(x)")
        if self.infinity or not isinstance(value, Fraction):
            return value == self.infinity * math.inf if self.infinity else False
        return self.lower <= value <= self.upper

    def __float__(self) -> float:
        """Return the float nearest to the midpoint."""
        return self.infinity * math.inf if self.infinity else nearest(self.midpoint)

    def float_interval(self) -> tuple[float, float]:
        """Return two floats that enclose the ball, each rounded outward.

        Examples
        --------
        >>> low, high = Ball(Fraction(1, 3), Fraction(0), 53).float_interval()
        >>> low < Fraction(1, 3) < high
        True
        """
        if self.infinity:
            return (float(self), float(self))
        low, high = nearest(self.lower), nearest(self.upper)
        if low == math.inf or (math.isfinite(low) and Fraction(low) > self.lower):
            low = math.nextafter(low, -math.inf)
        if high == -math.inf or (math.isfinite(high) and Fraction(high) < self.upper):
            high = math.nextafter(high, math.inf)
        return low, high

    def digits(self, count: int | None = None) -> str:
        """Return the value correctly rounded to so many significant decimal digits.

        Parameters
        ----------
        count : int, optional
            Number of significant digits; by default as many as the ball decides.

        Returns
        -------
        str
            All points of the ball round to it.

        Raises
        ------
        ConvergenceError
            If the ball is too wide for so many digits.

        Examples
        --------
        >>> Ball(Fraction(2, 3), Fraction(1, 2**40), 40).digits()
        '0.66666666667'
        """
        if self.infinity:
            return "inf" if self.infinity > 0 else "-inf"
        most = 2 + math.ceil(self.bits * math.log10(2))
        for n in [count] if count is not None else range(most, 0, -1):
            low = _decimal(self.lower, n)
            if low == _decimal(self.upper, n):
                return low
        raise ConvergenceError(
            f"Ball.digits({'' if count is None else count})",
            f"the ball {float(self.lower)!r} .. {float(self.upper)!r} does not decide them",
            f"it was computed to {self.bits} bits",
            f"evaluate(program, bits={2 * self.bits}, ...)",
        )

    def __repr__(self) -> str:
        if self.infinity:
            return "Ball(" + ("+" if self.infinity > 0 else "-") + "infinity)"
        try:
            value = self.digits()
        except ConvergenceError:
            value = _decimal(self.midpoint, 3)
        return f"Ball({value} ± {_decimal(self.radius, 2, up=True)}, {self.bits} bits)"

    def _finite(self, what: str) -> Ball:
        if self.infinity:
            raise DomainError(
                f"Ball.{what}",
                "the value is infinite",
                "an infinite value has no finite end",
                "float(ball)",
            )
        return self


def nearest(x: Fraction) -> float:
    """Return the float nearest to a fraction, infinite where it overflows."""
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def _decimal(x: Fraction, count: int, up: bool = False) -> str:
    """Write a fraction with so many significant digits, half to even (or away from zero: up)."""
    if x == 0:
        return "0"
    sign, x = ("-" if x < 0 else ""), abs(x)
    # The exponent from bit lengths may be one off either way; the loop mends it.
    size = x.numerator.bit_length() - x.denominator.bit_length()
    exponent = math.floor(size * math.log10(2)) - 1
    while Fraction(10) ** (exponent + 1) <= x:
        exponent += 1
    scaled = x / Fraction(10) ** (exponent - count + 1)
    whole = math.ceil(scaled) if up else round(scaled)
    if whole == 10**count:
        whole, exponent = whole // 10, exponent + 1
    text = str(whole)
    if -5 <= exponent < min(count, 16):
        if exponent < 0:
            return sign + "0." + "0" * (-exponent - 1) + text
        head, tail = text[: exponent + 1], text[exponent + 1 :]
        return sign + head + ("." + tail if tail else "")
    return sign + text[0] + ("." + text[1:] if count > 1 else "") + f"e{exponent:+d}"


def to_ball(x: arb, bits: int) -> Ball:
    """Return the exact record of a finite or infinite FLINT ball."""
    if infinite(x):
        return Ball(Fraction(0), Fraction(0), bits, 1 if x > 0 else -1)
    return Ball(_dyadic(x.mid()), _dyadic(x.rad()), bits)


def _dyadic(x: arb) -> Fraction:
    mantissa, exponent = (int(v) for v in x.man_exp())
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)


def tight(x: arb, bits: int) -> bool:
    """Return whether a ball is certain to the relative accuracy of so many bits."""
    return (x.is_finite() and x.rel_accuracy_bits() >= bits + 2) or infinite(x)


@dataclass(frozen=True)
class BallColumn:
    """One output of a program at many points.

    Parameters
    ----------
    name : str
        The output.
    values : tuple of arb
        FLINT balls, NaN where the evaluation failed.
    bits : int
        The relative accuracy asked for.
    failures : mapping of int to DeriveError
        Index of a point to the error that says why it has no value.
    """

    name: str
    values: tuple[arb, ...]
    bits: int
    failures: Mapping[int, DeriveError]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Ball:
        """Return one value as an exact record; a failed point raises its error."""
        if index in self.failures:
            raise self.failures[index]
        return to_ball(self.values[index], self.bits)

    def midpoints(self) -> np.ndarray:
        """Return the floats nearest to the midpoints, NaN where the evaluation failed."""
        return np.array([float(v) for v in self.values], dtype=float)

    def relative_radius(self) -> float:
        """Return the largest radius relative to its midpoint, over the points with a value."""
        finite = [v for v in self.values if v.is_finite() and not v.is_zero()]
        return max((float(v.rad() / abs(v.mid())) for v in finite), default=0.0)

    def __repr__(self) -> str:
        return f"BallColumn({self.name}: {len(self)} balls, {len(self.failures)} failures)"
