"""Harmonic sums over power-law spectra: exponents and amplitudes from the poles.

``G(x) = sum_k a k**-p f(b k**-q x)`` has the transform ``a b**-s zeta(p - q s) f*(s)``. The pole of
zeta carries the exponent of the spectrum, the poles of ``f*`` those of the kernel; whichever comes
first dominates, which is all there is to saturation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import mpmath
import sympy as sp

from derive.asymptotic_series import AsymptoticSeries, RatioEvidence, Term
from derive.errors import ConditionError
from derive.high_precision import (
    Expression,
    Real,
    Values,
    exact_number,
    exact_point,
    reject_floats,
    value,
)
from derive.laurent import principal_part, tidy
from derive.mellin import MellinTransform, Pole, gamma_poles, s
from derive.mode_sum import sum_over_modes


@dataclass(frozen=True)
class SaturationCase:
    """One phase of the leading law: its condition and its dominant term.

    Parameters
    ----------
    condition : sympy Boolean
        Which pole comes first.
    leading : Term
        Dominant term in that phase; at the boundary it carries a logarithm.
    """

    condition: Expression
    leading: Term


@dataclass(frozen=True)
class HarmonicSum:
    r"""A sum over modes of one function at power-law rates.

    ``G(x) = sum_{k=1}^oo amplitude * k**-decay * f(scale * k**-rate * x)``, ``x > 0``.

    Parameters
    ----------
    pair : MellinTransform
        The function ``f`` with its transform and strip.
    decay, rate : sympy.Expr
        Exponents ``p`` (any sign) and ``q > 0``.
    amplitude, scale : sympy.Expr
        Prefactors ``a`` and ``b > 0``.
    variable : sympy.Symbol
        The positive variable ``x``.

    Notes
    -----
    Validity: the sum converges when the strip of ``f`` meets the half-plane ``s < (p - 1)/q`` of
    the Dirichlet series; ``f*`` falls exponentially along vertical lines.

    References
    ----------
    Flajolet, Gourdon, Dumas, TCS 144 (1995), Theorem 5; Bordelon, Letey, Pehlevan,
    arXiv:2510.01098, section 3.

    Examples
    --------
    >>> from derive.mellin import exponential
    >>> nu, beta = sp.symbols("nu beta", positive=True)
    >>> t = sp.Symbol("t", positive=True)
    >>> total = HarmonicSum(exponential(), nu * beta + 1, nu, sp.Integer(1), sp.Integer(1), t)
    >>> law = total.expansion({nu: sp.Rational(3, 2), beta: sp.Rational(4, 5)})
    >>> law.exponent, law.amplitude, law.next is None
    (-beta, gamma(beta)/nu, True)
    """

    pair: MellinTransform
    decay: Expression
    rate: Expression
    amplitude: Expression
    scale: Expression
    variable: sp.Symbol

    def __post_init__(self):
        reject_floats("HarmonicSum", self.decay, self.rate, self.amplitude, self.scale)
        for name, number in (("rate", self.rate), ("scale", self.scale)):
            if number.is_positive is False:
                raise ConditionError(
                    "HarmonicSum",
                    f"{name} = {number} is not positive",
                    "the argument scale * k**-rate * x must fall to 0 from above",
                    f"HarmonicSum({name}={sp.Abs(number)})",
                )

    @property
    def abscissa(self) -> Expression:
        """Pole ``(p - 1)/q`` of the Dirichlet series: the exponent the spectrum asks for."""
        return sp.simplify((self.decay - 1) / self.rate)

    @property
    def transform(self) -> Expression:
        """Mellin transform of the sum, ``a b**-s zeta(p - q s) f*(s)``."""
        dirichlet = sp.zeta(sp.expand(self.decay - self.rate * s))
        return self.amplitude * self.scale**-s * dirichlet * self.pair.transform

    @property
    def strip(self) -> tuple[Expression, Expression]:
        """Where the transform of the sum converges."""
        return self.pair.lower, sp.Min(self.pair.upper, self.abscissa)

    @property
    def existence(self) -> Expression:
        """The inequality under which the sum converges."""
        return sp.Gt(self.abscissa, self.pair.lower)

    def subs(self, values: Values) -> HarmonicSum:
        """Put values of the parameters into the sum."""
        exact = exact_point("HarmonicSum.subs", values)
        pair = self.pair
        new_pair = MellinTransform(
            *(exact_number(e).subs(exact) for e in (pair.kernel, pair.transform, *pair.strip))
        )
        return replace(
            self,
            pair=new_pair,
            decay=self.decay.subs(exact),
            rate=self.rate.subs(exact),
            amplitude=exact_number(self.amplitude).subs(exact),
            scale=exact_number(self.scale).subs(exact),
        )

    def poles(self, at: Values, count: int, side: int = 1) -> tuple[Pole, ...]:
        """List the first poles beside the strip, the nearest first.

        Parameters
        ----------
        at : mapping
            Exact values of the exponents, which decide the order; the poles stay symbolic.
        count : int
            How many to return at most.
        side : int
            ``+1``: right of the strip (large ``x``); ``-1``: left of it (small ``x``).

        Returns
        -------
        tuple of Pole
            Poles with a non-vanishing principal part.

        Raises
        ------
        ConditionError
            When the sum diverges at ``at``, when the order is open there, when two poles meet
            there that are symbolically apart, or when the transform does not fall along vertical
            lines.
        """
        point = exact_point("HarmonicSum.poles", at)
        self._require_existence(point)
        if exact_number(self.pair.decay()).subs(point).is_positive is not True:
            raise ConditionError(
                "HarmonicSum.poles",
                "the transform does not fall along vertical lines",
                "the inverse Mellin integral may then not be moved across poles",
                "use a kernel with an analytic continuation off the positive axis",
            )
        border = exact_number(self.strip[1] if side > 0 else self.strip[0]).subs(point)
        candidates = [(pole, "kernel") for pole in gamma_poles(self.pair.transform, count + 3)]
        candidates.append((self.abscissa, "spectrum"))
        located: dict[Expression, tuple[Expression, str]] = {}
        for location, origin in candidates:
            number = sp.nsimplify(exact_number(location).subs(point))
            beside = (number >= border) if side > 0 else (number <= border)
            if beside not in (sp.true, sp.false):
                raise _unordered(number - border)
            if beside:
                if number in located and sp.simplify(located[number][0] - location) != 0:
                    raise ConditionError(
                        "HarmonicSum.poles",
                        f"the poles {located[number][0]} and {location} meet at {number}",
                        "two poles that meet make a double pole and a logarithm",
                        "substitute the value first: subs({...}).expansion({...})",
                    )
                located.setdefault(number, (location, origin))
        open_places = [number for number in located if number.free_symbols]
        if open_places and len(located) > 1:
            raise _unordered(sp.Add(*open_places))
        found = []
        for number in sorted(located, key=lambda n: side * n):
            location, origin = located[number]
            laurent = principal_part(self.transform, s, location)
            if any(c != 0 for c in laurent):
                found.append(Pole(location, laurent, origin))
            if len(found) == count:
                break
        return tuple(found)

    def expansion(self, at: Values, terms: int = 1, point: object = sp.oo) -> AsymptoticSeries:
        """Expand the sum for large (or small) ``x``, with the conditions of the phase.

        Parameters
        ----------
        at : mapping
            An exact point of the phase: it decides which pole is nearest. Empty when the
            exponents are numbers.
        terms : int
            Number of terms to keep; one more is computed and reported as ``next``.
        point : sympy expression
            ``oo`` (default) or ``0``.

        Returns
        -------
        AsymptoticSeries
            Its conditions are the inequalities that put the poles in this order.

        Raises
        ------
        ConditionError
            When the sum diverges, or two poles meet.
        """
        side = 1 if point == sp.oo else -1
        # A pole with a logarithm makes more than one term, so as many poles always suffice.
        poles = self.poles(at, terms + 1, side)
        listed: list[Term] = []
        for pole in poles:
            listed += _terms_of(pole, side)
        conditions = [self.existence]
        for left, right in pairwise(poles):
            first, second = (left, right) if side > 0 else (right, left)
            conditions.append(sp.Lt(first.location, second.location))
        return AsymptoticSeries(
            self.variable,
            sp.oo if side > 0 else sp.Integer(0),
            tuple(listed[:terms]),
            listed[terms] if len(listed) > terms else None,
            tuple(c for c in dict.fromkeys(map(sp.simplify, conditions)) if c != sp.true),
        )

    def saturation(self, parameter: sp.Symbol) -> tuple[SaturationCase, ...]:
        """State when the exponent follows the spectrum and when it sticks to the kernel.

        Parameters
        ----------
        parameter : sympy.Symbol
            The exponent (of the source) to solve the boundary for.

        Returns
        -------
        tuple of SaturationCase
            Below the boundary, at it (with its logarithm), above it. One case when the kernel
            has no pole: the exponent then never saturates.
        """
        kernel = self.pair.upper
        follow = Term(*_single(principal_part(self.transform, s, self.abscissa)), -self.abscissa)
        if kernel == sp.oo:
            return (SaturationCase(self.existence, follow),)
        boundary = sp.solve(sp.Eq(self.abscissa, kernel), parameter)
        if len(boundary) != 1:
            raise ConditionError(
                f"saturation({parameter})",
                f"the boundary {self.abscissa} = {kernel} has {len(boundary)} solutions",
                f"{parameter} must enter the exponent of the spectrum linearly",
                "saturation(beta)",
            )
        stick = Term(*_single(principal_part(self.transform, s, kernel)), -kernel)
        at_boundary = principal_part(self.transform.subs(parameter, boundary[0]), s, kernel)
        double = Pole(kernel, at_boundary, "both")
        return (
            SaturationCase(sp.Lt(parameter, boundary[0]), follow),
            SaturationCase(sp.Eq(parameter, boundary[0]), _terms_of(double, 1)[0]),
            SaturationCase(sp.Gt(parameter, boundary[0]), stick),
        )

    def exact(
        self,
        at: object,
        values: Values,
        modes: int | None = None,
        digits: int = 30,
    ) -> Real:
        """Sum the series itself, with no use of its Mellin transform.

        Parameters
        ----------
        at : number
            Value of the variable (exact, or an mpmath number).
        values : mapping
            Exact values of every parameter.
        modes : int, optional
            Number of modes; left out, all of them.
        digits : int
            Wanted relative accuracy.

        Returns
        -------
        mpmath.mpf
            Direct summation of the first modes, Euler-Maclaurin for the rest.
        """
        point = exact_point("HarmonicSum.exact", values)
        self._require_existence(point)
        with mpmath.workdps(digits):
            numbers = {symbol: value(number, {}) for symbol, number in point.items()}
            where = at if isinstance(at, mpmath.mpf) else value(exact_number(at), {})
            p, q, a, b, low = (
                value(exact_number(e), numbers)
                for e in (self.decay, self.rate, self.amplitude, self.scale, self.pair.lower)
            )
            kernel = self.pair.kernel.subs(point)
            return a * sum_over_modes(kernel, p, q, b * where, -low, modes, digits)

    def evidence(
        self,
        values: Values,
        scales: Sequence[object],
        terms: int = 2,
        digits: int = 30,
    ) -> RatioEvidence:
        """Check the large-``x`` expansion at these values against the sum itself.

        The values go in first, so that colliding poles give their logarithm and terms that
        vanish there do not appear.
        """
        series = self.subs(values).expansion({}, terms)
        return series.evidence(lambda at: self.exact(at, values, digits=digits), {}, scales, digits)

    def _require_existence(self, point: Values) -> None:
        if exact_number(self.existence).subs(point) == sp.false:
            given = ", ".join(f"{symbol} = {number}" for symbol, number in point.items())
            raise ConditionError(
                "HarmonicSum",
                f"the strip is empty{f' at {given}' if given else ''}: "
                f"{self.abscissa} > {self.pair.lower} fails",
                "the kernel does not fall fast enough at small argument, so the sum over modes "
                "diverges",
                f"choose exponents with {self.abscissa} > {self.pair.lower}"
                if self.abscissa.free_symbols
                else f"choose decay and rate with (decay - 1)/rate > {self.pair.lower}",
            )


def _unordered(gap: Expression) -> ConditionError:
    """Say that the order of the poles needs values, and of which symbols."""
    names = sorted(str(symbol) for symbol in gap.free_symbols)
    return ConditionError(
        "HarmonicSum.poles",
        f"which pole is nearest depends on {', '.join(names)}",
        "the poles stay symbolic, but their order is that of one exact point of the phase",
        f"expansion({{{', '.join(f'{name}: Rational(3, 2)' for name in names)}}}), or "
        "saturation(...) for every phase",
    )


def _single(laurent: tuple[Expression, ...]) -> tuple[Expression]:
    """Amplitude picked up at a simple pole right of the strip."""
    return (tidy(-laurent[0]),)


def _terms_of(pole: Pole, side: int) -> list[Term]:
    """Terms ``-Res x**-s f*(s)`` of a pole: an m-fold pole gives powers of the logarithm.

    The residue of ``x**-s c_j (s - s0)**-j`` is ``c_j x**-s0 (-log x)**(j-1)/(j-1)!``.
    """
    sign = -1 if side > 0 else 1
    listed = []
    for j in range(len(pole.laurent), 0, -1):
        coefficient = sign * pole.laurent[j - 1] * (-1) ** (j - 1) / sp.factorial(j - 1)
        if coefficient != 0:
            listed.append(Term(tidy(coefficient), sp.simplify(-pole.location), j - 1))
    return listed
