"""What each operation of a program does to balls, to jets of balls, and to three-valued masks.

A mask is True or False when every point of the balls agrees, and None when the balls are too wide
to say. A NaN ball is never compared: it makes the mask None. A :class:`Jet` carries a ball and its
partial derivatives, for interval Newton and for condition numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flint import arb, arb_series

Mask = bool | None

ZERO, ONE = arb(0), arb(1)


class Inconclusive(Exception):
    """The balls are too wide to decide at this precision; the message says what was undecided."""


class UnprovedRoot(Inconclusive):
    """An iteration leads somewhere, but no root can be proved there at this precision."""


def infinite(x: arb) -> bool:
    """Return whether the ball is exactly plus or minus infinity."""
    # inf plus an inexact number is inf with a finite radius: still that one point.
    return not x.is_finite() and not x.is_nan() and not x.mid().is_finite()


def integer_power(x: Any, n: int) -> Any:
    """Return x to the integer power n by multiplication.

    FLINT's own integer power of a ball around zero is NaN, which would lose [-1, 1]**2.

    Examples
    --------
    >>> bool(integer_power(arb(0, 1), 2).is_finite())
    True
    """
    if n < 0:
        return 1 / integer_power(x, -n)
    result: Any = None
    base = x
    while n:
        if n & 1:
            result = base if result is None else result * base
        n >>= 1
        if n:
            base = square(base)
    return ONE if result is None else result


def square(x: Any) -> Any:
    """Return x**2, which is not negative even where the ball of x holds zero."""
    return x.square() if isinstance(x, Jet) else (x * x).nonnegative_part()


def plain(x: Any) -> Any:
    """Return the ball of a jet, and anything else as it is."""
    return x.value if isinstance(x, Jet) else x


def less(x: Any, y: Any) -> Mask:
    """Return whether x < y for all points of the balls, for none, or undecided (None)."""
    a, b = plain(x), plain(y)
    return True if a < b else (False if a >= b else None)


def less_equal(x: Any, y: Any) -> Mask:
    """Return whether x <= y for all points of the balls, for none, or undecided (None)."""
    a, b = plain(x), plain(y)
    return True if a <= b else (False if a > b else None)


def equal(x: Any, y: Any) -> Mask:
    """Return True for the same exact point, False for balls that do not meet, else None."""
    a, b = plain(x), plain(y)
    return True if a == b else (False if a != b else None)


def is_infinite(x: Any) -> Mask:
    """Return whether the value is infinite; undecided for NaN and for unbounded balls."""
    a = plain(x)
    return False if a.is_finite() else (True if infinite(a) else None)


def negation(mask: Mask) -> Mask:
    """Return the three-valued not."""
    return None if mask is None else not mask


def conjunction(a: Mask, b: Mask) -> Mask:
    """Return the three-valued and."""
    return False if a is False or b is False else (None if a is None or b is None else True)


def disjunction(a: Mask, b: Mask) -> Mask:
    """Return the three-valued or."""
    return True if a is True or b is True else (None if a is None or b is None else False)


def choose(mask: Mask, yes: Any, no: Any) -> Any:
    """Return the selected value, or a ball that holds both where the mask is undecided.

    If the two do not even overlap there is a jump, and a NaN ball says that nothing is decided: no
    root may be read off a change of sign across it, and no derivative taken.
    """
    if mask is not None:
        return yes if mask else no
    if yes is None or isinstance(yes, bool):  # a selection of masks
        return yes if yes is no else None
    if isinstance(yes, Jet) or isinstance(no, Jet):
        a, b = jet(yes), jet(no)
        return Jet(choose(None, a.value, b.value), _slope_hulls(a, b))
    return hull(yes, no) if yes.overlaps(no) else arb.nan()


def hull(x: arb, y: arb) -> arb:
    """Return a ball that holds both; NaN if either is not finite."""
    if not (x.is_finite() and y.is_finite()):
        return arb.nan()
    # The exact ball is its own hull with itself: a union would round it.
    return x if x == y else x.union(y)


def _slope_hulls(a: Jet, b: Jet) -> dict[int, arb]:
    keys = a.slopes.keys() | b.slopes.keys()
    return {k: hull(a.slopes.get(k, ZERO), b.slopes.get(k, ZERO)) for k in keys}


def jet(x: Any) -> Jet:
    """Return a jet; a plain ball has no slopes."""
    return x if isinstance(x, Jet) else Jet(x, {})


@dataclass(frozen=True, slots=True)
class Jet:
    """A ball and its partial derivatives, those that are zero left out.

    Parameters
    ----------
    value : arb
        Enclosure of the value.
    slopes : mapping of int to arb
        Enclosure of the derivative in each variable, numbered by the caller.

    Examples
    --------
    >>> x = Jet(arb(3), {0: arb(1)})
    >>> (x * x + 2 / x).slopes[0].contains(6 - arb(2) / 9)
    True
    """

    value: arb
    slopes: Mapping[int, arb]

    def _scaled(self, value: arb, factor: arb) -> Jet:
        return Jet(value, {k: factor * s for k, s in self.slopes.items()})

    def __add__(self, other: Any) -> Jet:
        b = jet(other)
        slopes = dict(self.slopes)
        for k, s in b.slopes.items():
            slopes[k] = slopes[k] + s if k in slopes else s
        return Jet(self.value + b.value, slopes)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet(-self.value, {k: -s for k, s in self.slopes.items()})

    def __sub__(self, other: Any) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Any) -> Jet:
        return (-self) + other

    def __mul__(self, other: Any) -> Jet:
        b = jet(other)
        slopes = {k: s * b.value for k, s in self.slopes.items()}
        for k, s in b.slopes.items():
            term = self.value * s
            slopes[k] = slopes[k] + term if k in slopes else term
        return Jet(self.value * b.value, slopes)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Jet:
        b = jet(other)
        value = self.value / b.value
        slopes = {k: s / b.value for k, s in self.slopes.items()}
        if infinite(b.value):  # a limit: its slopes, 0 times infinity here, are nothing
            return Jet(value, slopes)
        for k, s in b.slopes.items():
            term = value * s / b.value
            slopes[k] = slopes[k] - term if k in slopes else -term
        return Jet(value, slopes)

    def __rtruediv__(self, other: Any) -> Jet:
        return jet(other) / self

    def __abs__(self) -> Jet:
        if self.value >= 0:
            return self
        if self.value <= 0:
            return -self
        slopes = {k: s.union(-s) for k, s in self.slopes.items()}
        return Jet(abs(self.value), slopes)

    def __pow__(self, other: Any) -> Jet:
        b = jet(other)
        value = self.value**b.value
        slopes = {k: b.value * self.value ** (b.value - 1) * s for k, s in self.slopes.items()}
        for k, s in b.slopes.items():
            term = value * self.value.log() * s
            slopes[k] = slopes[k] + term if k in slopes else term
        return Jet(value, slopes)

    def __rpow__(self, other: Any) -> Jet:
        return jet(other) ** self

    def square(self) -> Jet:
        """Return the square."""
        return self._scaled(square(self.value), 2 * self.value)

    def sqrt(self) -> Jet:
        """Return the square root."""
        value = self.value.sqrt()
        return self._scaled(value, 1 / (2 * value)) if self.slopes else Jet(value, {})

    def exp(self) -> Jet:
        """Return the exponential."""
        value = self.value.exp()
        return self._scaled(value, value)

    def log(self) -> Jet:
        """Return the natural logarithm."""
        return self._scaled(self.value.log(), 1 / self.value)

    def sin(self) -> Jet:
        """Return the sine."""
        return self._scaled(self.value.sin(), self.value.cos())

    def cos(self) -> Jet:
        """Return the cosine."""
        return self._scaled(self.value.cos(), -self.value.sin())

    def atan(self) -> Jet:
        """Return the inverse tangent."""
        return self._scaled(self.value.atan(), 1 / (1 + square(self.value)))

    def gamma(self) -> Jet:
        """Return Euler's gamma function."""
        value = self.value.gamma()
        return self._scaled(value, value * self.value.digamma())

    def zeta(self) -> Jet:
        """Return Riemann's zeta function."""
        series = arb_series([self.value, 1], prec=2).zeta()
        return self._scaled(self.value.zeta(), series[1])

    def min(self, other: Any) -> Jet:
        """Return the smaller of two."""
        return _extremum(less(self, other), self, other, arb.min)

    def max(self, other: Any) -> Jet:
        """Return the larger of two."""
        return _extremum(less(other, self), self, other, arb.max)


def _extremum(first: Mask, x: Jet, other: Any, op: Callable[[arb, arb], arb]) -> Jet:
    y = jet(other)
    if first is not None:
        return x if first else y
    # Continuous and Lipschitz: the hull of the slopes bounds every difference quotient.
    return Jet(op(x.value, y.value), _slope_hulls(x, y))


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two balls or jets."""
    return jet(x).min(y) if isinstance(y, Jet) else x.min(y)


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two balls or jets."""
    return jet(x).max(y) if isinstance(y, Jet) else x.max(y)


def _method(name: str) -> Callable[[Any], Any]:
    # A direct arb method is the fastest thing to map over a column; jets go by name.
    direct = getattr(arb, name)

    def apply(x: Any) -> Any:
        return direct(x) if isinstance(x, arb) else getattr(x, name)()

    return apply


UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "abs": abs,
    "is_infinite": is_infinite,
    "not": negation,
    **{n: _method(n) for n in ("sqrt", "exp", "log", "sin", "cos", "atan", "gamma", "zeta")},
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "minimum": minimum,
    "maximum": maximum,
    "less": less,
    "less_equal": less_equal,
    "equal": equal,
    "and": conjunction,
    "or": disjunction,
}
