r"""Accuracy of a kernel against certified values, in units of the last place.

The error of a value v at a point with true value f is :math:`|v-f|/\mathrm{ulp}(f)`, with f from
a ball narrower than :math:`2^{-17}` ulp. A kernel can do no better than the conditioning

.. math:: c = \sum_i \Big|\frac{x_i}{f}\frac{\partial f}{\partial x_i}\Big|

of the formula in its rounded arguments, so errors are held against :math:`8 + 4c` ulp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb

from numerics.audit_points import Box, Points, scatter_points
from numerics.ball import evaluate_many, working_precision
from numerics.ball_operations import infinite
from numerics.ball_record import BallColumn
from numerics.condition import condition_number
from numerics.errors import ArgumentsError, DomainError
from numerics.program import Program

Kernel = Callable[..., Any]

CONSTANT_ALLOWANCE = 8.0
CONDITION_ALLOWANCE = 4.0
SPARE_BITS = 24


@dataclass(frozen=True)
class Maximum:
    """One bad input.

    Parameters
    ----------
    point : mapping of str to float
        The arguments.
    value : float
        What the kernel returns there, rounded to float.
    error : float
        Its error in ulp; infinite where the kernel has no number although one exists.
    condition : float
        Conditioning of the formula there.
    """

    point: Mapping[str, float]
    value: float
    error: float
    condition: float

    @property
    def ratio(self) -> float:
        """The error in units of 8 + 4 condition ulp; infinite where the condition is unknown."""
        if math.isnan(self.condition):
            return math.inf if self.error > CONSTANT_ALLOWANCE else self.error / CONSTANT_ALLOWANCE
        return self.error / (CONSTANT_ALLOWANCE + CONDITION_ALLOWANCE * self.condition)

    def __repr__(self) -> str:
        return (
            f"{self.error:.3g} ulp at {_words(self.point)} "
            f"(condition {self.condition:.3g}, {self.ratio:.2g} of 8 + 4 condition)"
        )


@dataclass(frozen=True)
class Audit:
    """Errors of a kernel over a set of points.

    Parameters
    ----------
    output : str
        The output audited.
    points : int
        Number of points.
    compared : int
        Points where both the kernel and the ball have a finite value.
    maximum, percentile_99, mean : float
        Errors in ulp over the points compared and those where the kernel alone has none.
    worst : Maximum or None
        The largest error.
    beyond : tuple of Maximum
        Points whose error exceeds 8 + 4 condition ulp, worst ratio first.
    agreed : int
        Points where neither has a finite value: outside the domain, a pole, or overflow.
    spurious : tuple of (mapping, float)
        Points outside the domain at which the kernel returned a number nevertheless.
    inconclusive : int
        Points where the kernel has a finite value and the ball could not be decided.
    significand : int
        Bits of the format in whose ulp errors are counted.
    """

    output: str
    points: int
    compared: int
    maximum: float
    percentile_99: float
    mean: float
    worst: Maximum | None
    beyond: tuple[Maximum, ...]
    agreed: int
    spurious: tuple[tuple[Mapping[str, float], float], ...]
    inconclusive: int
    significand: int = 53

    @property
    def passed(self) -> bool:
        """Whether every point was decided and lies within 8 + 4 condition ulp."""
        return not (self.beyond or self.spurious or self.inconclusive) and self.compared > 0

    def __repr__(self) -> str:
        lines = [
            f"Audit of {self.output}: {self.points} points, {self.compared} compared, "
            f"{self.agreed} without a value in both, {self.inconclusive} inconclusive, "
            f"{len(self.spurious)} numbers outside the domain",
            f"  error in ulp ({self.significand} bits): max {self.maximum:.3g}, "
            f"p99 {self.percentile_99:.3g}, mean {self.mean:.3g}",
        ]
        if self.worst is not None:
            lines.append(f"  worst: {self.worst!r}")
        lines.append(f"  beyond 8 + 4 condition ulp: {len(self.beyond)} points")
        lines += [f"    {m!r}" for m in self.beyond[:3]]
        return "\n".join(lines)


def audit(
    program: Program,
    kernel: Kernel | Sequence[Any] | np.ndarray | tuple[np.ndarray, np.ndarray],
    points: Mapping[str, Any],
    bits: int = 106,
    output: str | None = None,
    significand: int = 53,
) -> Audit:
    """Compare a kernel with certified values and say where it is worst.

    Parameters
    ----------
    program : Program
        The formula.
    kernel : callable or array or pair of arrays
        A kernel, called with one array per argument in the order of the program, that returns
        one array per output, or a high and a low part per output; or the values of the output
        audited, an array or a pair (high, low).
    points : mapping of str to array
        Arguments, one entry per point.
    bits : int
        Relative accuracy of the balls, at least 17 bits beyond `significand`.
    output : str, optional
        Which output of the program; by default the first.
    significand : int
        Bits of the format audited: 53 for float64, 106 for double-double.

    Returns
    -------
    Audit
        Errors in ulp, with the worst input.

    Raises
    ------
    ArgumentsError
        If the shapes differ or there are too few bits to measure an ulp.

    References
    ----------
    P. Zimmermann et al., Accuracy of mathematical functions in single, double, extended double and
    quadruple precision (2025), for errors in ulp and the search for bad inputs.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> p = b.program({"root": b.op("sqrt", b.argument("x"))})
    >>> report = audit(p, lambda x: np.sqrt(x), {"x": np.linspace(1, 100, 500)})
    >>> report.passed, report.maximum <= 0.5 + 1e-5
    (True, True)
    """
    if bits < significand + 17:
        raise ArgumentsError(
            f"audit(..., bits={bits}, significand={significand})",
            f"balls of {bits} bits are too wide to measure an error of a {significand}-bit format",
            "the reference must be certain to a small part of an ulp",
            f"audit(..., bits={significand + SPARE_BITS}, significand={significand})",
        )
    columns = {n: np.atleast_1d(np.asarray(points[n], dtype=float)) for n in program.arguments}
    columns = dict(zip(columns, np.broadcast_arrays(*columns.values()), strict=True))
    name = output if output is not None else program.outputs[0]
    balls = evaluate_many(program, columns, bits)[name]
    high, low = _kernel_values(program, kernel, columns, name)
    errors, agreed, spurious, unknown = _errors(balls, high, low, significand)
    known = np.flatnonzero(~np.isnan(errors))

    def maximum(i: int) -> Maximum:
        point = {n: float(c[i]) for n, c in columns.items()}
        condition = condition_number(program, name, **point)
        return Maximum(point, float(high[i]), float(errors[i]), condition)

    suspects = [maximum(int(i)) for i in known if errors[i] > CONSTANT_ALLOWANCE]
    beyond = sorted((m for m in suspects if m.ratio > 1), key=lambda m: -m.ratio)
    found = errors[known]
    return Audit(
        output=name,
        points=len(balls),
        compared=int(np.isfinite(found).sum()),
        maximum=float(found.max()) if known.size else math.nan,
        percentile_99=float(np.sort(found)[math.ceil(0.99 * known.size) - 1])
        if known.size
        else math.nan,
        mean=float(found.mean()) if known.size else math.nan,
        worst=maximum(int(known[np.argmax(found)])) if known.size else None,
        beyond=tuple(beyond),
        agreed=agreed,
        spurious=tuple(
            ({n: float(c[i]) for n, c in columns.items()}, float(high[i])) for i in spurious
        ),
        inconclusive=unknown,
        significand=significand,
    )


def point_errors(
    program: Program, values: np.ndarray, points: Mapping[str, Any], bits: int = 77
) -> tuple[Maximum, ...]:
    """Return the error of float64 values at each of a few points, with the conditioning there.

    Parameters
    ----------
    program : Program
        The formula; its first output is audited.
    values : array
        What a kernel gave, one entry per point.
    points : mapping of str to array
        Arguments, one entry per point.
    bits : int
        Relative accuracy of the balls.

    Returns
    -------
    tuple of Maximum
        In the order of the points; those without a value, and without one in the ball, are left
        out.

    Examples
    --------
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> p = b.program({"root": b.op("sqrt", b.argument("x"))})
    >>> [m.error < 1 for m in point_errors(p, np.sqrt([2.0, 3.0]), {"x": [2.0, 3.0]})]
    [True, True]
    """
    columns = {n: np.asarray(points[n], dtype=float) for n in program.arguments}
    high, low = _kernel_values(program, np.asarray(values), columns, program.outputs[0])
    errors = _errors(evaluate_many(program, columns, bits)[program.outputs[0]], high, low, 53)[0]
    found = []
    for i in np.flatnonzero(~np.isnan(errors)):
        point = {n: float(c[i]) for n, c in columns.items()}
        condition = condition_number(program, None, **point)
        found.append(Maximum(point, float(high[i]), float(errors[i]), condition))
    return tuple(found)


def _kernel_values(
    program: Program, kernel: Any, columns: Points, output: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the high and low parts of one output; low parts are zero for a plain kernel."""
    operands = [columns[n] for n in program.arguments]
    values = kernel(*operands) if callable(kernel) else kernel
    parts = values if isinstance(values, tuple) else (values,)
    count, outputs = len(operands[0]), len(program.outputs)
    if callable(kernel) and outputs > 1:
        each, index = len(parts) // outputs, program.outputs.index(output)
        parts = parts[each * index : each * (index + 1)]
    if len(parts) not in (1, 2):
        raise ArgumentsError(
            "audit(program, kernel, points)",
            f"the kernel returned {len(parts)} arrays for the output {output}",
            "an output is one array, or its high and low part",
            "audit(program, compile_program(program), points)",
        )
    high = np.asarray(parts[0], dtype=float)
    low = np.asarray(parts[1], dtype=float) if len(parts) == 2 else np.zeros(count)
    if high.shape != (count,) or low.shape != (count,):
        raise ArgumentsError(
            "audit(program, kernel, points)",
            f"the kernel returned shapes {high.shape} and {low.shape} for {count} points",
            "one value per point is compared with one ball per point",
            "audit(program, kernel, {name: array of shape (n,)})",
        )
    return high, low


def _errors(
    balls: BallColumn, high: np.ndarray, low: np.ndarray, significand: int
) -> tuple[np.ndarray, int, list[int], int]:
    """Return errors in ulp (NaN where not comparable), and the counts of the other cases."""
    errors = np.full(len(balls), math.nan)
    agreed, unknown = 0, 0
    spurious: list[int] = []
    with working_precision(balls.bits + SPARE_BITS):
        largest = arb(math.nextafter(math.inf, 0.0))
        for i, (x, v, w) in enumerate(zip(balls.values, high.tolist(), low.tolist(), strict=True)):
            has_number = math.isfinite(v)
            if i in balls.failures:
                outside = isinstance(balls.failures[i], DomainError)
                if has_number and outside:
                    spurious.append(i)
                elif has_number:
                    unknown += 1
                else:
                    agreed += 1
            elif infinite(x):
                if v == (math.inf if x > 0 else -math.inf):
                    agreed += 1
                else:
                    errors[i] = math.inf
            elif has_number:
                error = abs(arb(v) + arb(w) - x.mid()) if w == w else arb.pos_inf()
                errors[i] = float(error / arb(2) ** _ulp_exponent(x, significand))
            elif abs(x) > largest and v == math.copysign(math.inf, float(x.mid() > 0) - 0.5):
                agreed += 1
            else:
                errors[i] = math.inf
    return errors, agreed, spurious, unknown


def _ulp_exponent(x: arb, significand: int) -> int:
    mantissa, exponent = (int(v) for v in x.mid().man_exp())
    # A float64 has no bits below 2^-1074, and neither has the low part of a pair.
    return max(abs(mantissa).bit_length() + exponent - significand, -1074) if mantissa else -1074


def search(
    program: Program,
    kernel: Kernel,
    box: Box,
    restarts: int,
    seed: int | np.random.Generator,
    output: str | None = None,
    rounds: int = 24,
    significand: int = 53,
) -> tuple[Maximum, ...]:
    """Look for bad inputs by climbing the error from many starting points at once.

    In each round every climber proposes one point, a random step from its best one whose size
    falls from a factor of e to a few ulp; it moves where error / (8 + 4 condition) grows. What is
    found is a lower bound on the largest error.

    Parameters
    ----------
    program : Program
        The formula.
    kernel : callable
        As for :func:`audit`.
    box : mapping of str to Axis
        Where to look.
    restarts : int
        Number of climbers.
    seed : int or Generator
        Of the starting points and steps.
    output : str, optional
        Which output; by default the first.
    rounds : int
        Steps of each climber.
    significand : int
        Bits of the format audited.

    Returns
    -------
    tuple of Maximum
        The best point of each climber, worst ratio first.

    Examples
    --------
    >>> from numerics.audit_points import Axis
    >>> from numerics.program import Builder
    >>> b = Builder(("x",))
    >>> x = b.argument("x")
    >>> p = b.program({"f": b.op("sub", b.op("sqrt", b.op("add", b.constant(1), x)),
    ...                          b.constant(1))})
    >>> found = search(p, lambda x: np.sqrt(1 + x) - 1, {"x": Axis(1e-12, 1.0)}, 4, seed=1)
    >>> found[0].ratio > 1000  # the cancellation at small x
    True
    """
    rng = np.random.default_rng(seed)
    name = output if output is not None else program.outputs[0]
    best: list[Maximum | None] = [None] * restarts
    for k in range(rounds):
        proposal = scatter_points(box, restarts, rng)
        if k:
            proposal = _steps(best, proposal, box, 2.0 ** (-50 * (k / rounds)), rng)
        balls = evaluate_many(program, proposal, significand + SPARE_BITS)[name]
        high, low = _kernel_values(program, kernel, proposal, name)
        errors = _errors(balls, high, low, significand)[0]
        for i in np.flatnonzero(~np.isnan(errors)):
            champion = best[i]
            # The condition only lowers the ratio, so most proposals are turned down without it.
            if champion is None or errors[i] / CONSTANT_ALLOWANCE > champion.ratio:
                point = {n: float(c[i]) for n, c in proposal.items()}
                condition = condition_number(program, name, **point)
                found = Maximum(point, float(high[i]), float(errors[i]), condition)
                if champion is None or found.ratio > champion.ratio:
                    best[i] = found
    return tuple(sorted((m for m in best if m is not None), key=lambda m: -m.ratio))


def _steps(
    best: Sequence[Maximum | None],
    fresh: Points,
    box: Box,
    size: float,
    rng: np.random.Generator,
) -> Points:
    """Return one proposal per climber: relative steps from its best point, within the box."""
    points = {n: c.copy() for n, c in fresh.items()}
    for i, champion in enumerate(best):
        if champion is None:
            continue
        moved = rng.uniform(size=len(box)) < 0.7
        for move, (name, axis) in zip(moved, box.items(), strict=True):
            x = champion.point[name]
            if move and x not in axis.special:
                factor = math.exp(4 * size * rng.standard_normal())
                x = min(max(x * factor, axis.low), axis.high)
            points[name][i] = x
    return points


def _words(point: Mapping[str, float]) -> str:
    return ", ".join(f"{n}={x!r}" for n, x in point.items())
