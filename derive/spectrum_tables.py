r"""Spectra that a program runs through in a loop: arrays, power laws, and densities by quadrature.

A trace over a spectrum becomes a sum that stays one object, however many eigenvalues it has, so a
fixed point over it compiles to a loop and is enclosed in balls. Few atoms are written out instead
(:func:`derive.spectrum_values.at_atoms`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import mpmath
import numpy as np
import sympy as sp

from derive.errors import ArgumentsError, ConvergenceError, DomainError
from derive.exact_input import exact
from derive.spectral_trace import SpectralTrace, Spectrum
from numerics.spectral_average import AtomTable, SpectralAverage

MODE = sp.Symbol("k", integer=True, positive=True)
_WEIGHT = sp.Symbol("w_i", nonnegative=True)

# Largest error of the mass of a density that quadrature may leave.
MASS_ERROR = 1e-12


def at_table(
    expression: sp.Expr,
    spectrum: Spectrum,
    eigenvalues: Sequence[Any] | np.ndarray,
    weights: Sequence[Any] | np.ndarray | None = None,
    overlaps: Mapping[sp.Symbol, Sequence[Any] | np.ndarray] | None = None,
) -> sp.Expr:
    r"""Return an expression in traces for a spectrum given as an array, as sums over a table.

    .. math:: \overline{\mathrm{tr}}\,f(\Sigma)\,\Theta\to\sum_i w_i\,\theta_i f(s_i) .

    Parameters
    ----------
    expression : sympy.Expr
        With traces over the spectrum, at most one test matrix in each.
    spectrum : Spectrum
        Which matrix the array belongs to.
    eigenvalues : sequence of numbers, shape (N,)
        Not negative. Floats are taken exactly, as the binary fractions they are.
    weights : sequence of numbers, shape (N,), optional
        Shares, adding to one; equal shares 1/N by default.
    overlaps : mapping, optional
        Test matrix -> its diagonal elements in the eigenbasis, shape (N,).

    Returns
    -------
    sympy.Expr
        With :class:`numerics.spectral_average.SpectralAverage` in place of the traces.

    Raises
    ------
    ArgumentsError
        If lengths differ, or a test matrix has no overlaps.
    DomainError
        If an eigenvalue or a share is negative, or the shares do not add to one.

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa", positive=True)
    >>> s = Sigma.eigenvalue
    >>> mean = at_table(Sigma.trace(s / (s + kappa)), Sigma, [1, 4, 4])
    >>> float(mean.explicit().subs(kappa, 2))
    0.5555555555555556
    """
    places = [_fraction(v) for v in eigenvalues]
    shares = (
        [Fraction(1, len(places))] * len(places)
        if weights is None
        else [_fraction(v) for v in weights]
    )
    diagonals = {test: [_fraction(v) for v in row] for test, row in (overlaps or {}).items()}
    for name, column in (("weights", shares), *((str(t), row) for t, row in diagonals.items())):
        if len(column) != len(places):
            raise ArgumentsError(
                "at_table",
                f"{len(places)} eigenvalues and {len(column)} {name}",
                "each eigenvalue has one entry in every column",
                "at_table(expression, spectrum, eigenvalues, weights, overlaps)",
            )
    if not places or min(places) < 0 or min(shares) < 0:
        raise DomainError(
            "at_table",
            f"the smallest eigenvalue is {float(min(places, default=0)):.3g}, the smallest share "
            f"{float(min(shares, default=0)):.3g}, of {len(places)}",
            "a covariance has non-negative eigenvalues and masses are shares",
            "at_table(expression, spectrum, numpy.linalg.eigvalsh(covariance))",
        )
    if abs(sum(shares) - 1) > Fraction(1, 10**12):
        raise DomainError(
            "at_table",
            f"the shares add to {float(sum(shares)):.15g}",
            "the normalised trace of the identity is 1",
            "divide each share by the sum",
        )

    def value(trace: Any) -> sp.Expr:
        place = trace.places[0]
        columns, variables = [places, shares], [place, _WEIGHT]
        term = _WEIGHT * trace.function
        if trace.tests:
            overlap = sp.Symbol(f"theta_{trace.tests[0]}", real=True)
            columns.append(_overlap_of(trace, diagonals))
            variables.append(overlap)
            term = term * overlap
        table = AtomTable(columns)
        return cast(sp.Expr, SpectralAverage(0, sp.Tuple(term), sp.Tuple(*variables), table))

    return _replaced(expression, spectrum, value)


def at_power_law(
    expression: sp.Expr,
    spectrum: Spectrum,
    eigenvalue: sp.Expr,
    modes: sp.Expr,
    overlaps: Mapping[sp.Symbol, sp.Expr] | None = None,
) -> sp.Expr:
    r"""Return an expression in traces for finitely many modes with a law, as sums over modes.

    .. math:: \overline{\mathrm{tr}}\,f(\Sigma)\to\frac1N\sum_{k=1}^{N}f(s_k),\qquad
       s_k=b\,k^{-\nu}.

    Parameters
    ----------
    expression : sympy.Expr
        With traces over the spectrum, at most one test matrix in each.
    spectrum : Spectrum
        Which matrix the modes belong to.
    eigenvalue : sympy.Expr
        In the mode number :data:`MODE`, e.g. ``b * MODE**-nu``.
    modes : sympy.Expr
        Number N of modes, an integer.
    overlaps : mapping, optional
        Test matrix -> its diagonal element in mode :data:`MODE`.

    Returns
    -------
    sympy.Expr
        With one finite ``sympy.Sum`` in place of each trace; it compiles to a loop.

    Raises
    ------
    ArgumentsError
        If the law does not depend on the mode, or a test matrix has no overlap.

    Validity
    --------
    For infinitely many modes of a power law see :mod:`derive.infinite_power_law`.

    Examples
    --------
    >>> Sigma, nu = Spectrum("Sigma"), sp.Symbol("nu", positive=True)
    >>> at_power_law(Sigma.trace(Sigma.eigenvalue), Sigma, MODE**-nu, sp.Integer(3))
    Sum(k**(-nu), (k, 1, 3))/3
    """
    law, number = exact(eigenvalue, "at_power_law"), exact(modes, "at_power_law")
    if MODE not in law.free_symbols:
        raise ArgumentsError(
            "at_power_law",
            f"the law {law} does not hold the mode number {MODE}",
            "every mode would have the same eigenvalue",
            "at_power_law(expression, spectrum, MODE**-nu, modes)",
        )

    def value(trace: Any) -> sp.Expr:
        term = trace.function.subs(trace.places[0], law)
        if trace.tests:
            term = term * _overlap_of(trace, dict(overlaps or {}))
        return cast(sp.Expr, sp.Sum(term, (MODE, 1, number)) / number)

    return _replaced(expression, spectrum, value)


def quadrature_table(
    density: sp.Expr, variable: sp.Symbol, lower: Any, upper: Any, nodes: int = 64
) -> tuple[list[Fraction], list[Fraction]]:
    r"""Return nodes and weights of a density on an interval, with square-root ends or smooth.

    .. math:: \int_a^b\rho(x)f(x)\,dx\approx\sum_iw_if(x_i),\qquad
       x=a+(b-a)\sin^2\theta,

    by the midpoint rule in theta, which converges exponentially for a density that behaves as
    :math:`\sqrt{(x-a)(b-x)}` times a smooth function, or as its inverse.

    Parameters
    ----------
    density : sympy.Expr
        In the variable, of mass one on the interval.
    variable : sympy.Symbol
    lower, upper : exact numbers
        Ends of the interval.
    nodes : int
        Number of nodes.

    Returns
    -------
    places, weights : list of Fraction
        For :func:`at_table`.

    Raises
    ------
    ConvergenceError
        If the mass of the rule is not one to 1e-12.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> places, weights = quadrature_table(2 * sp.sqrt(1 - x**2) / sp.pi, x, -1, 1, 40)
    >>> round(float(sum(w * p**2 for p, w in zip(places, weights))), 12)
    0.25
    """
    with mpmath.workdps(40):
        a, b = (mpmath.mpf(sp.N(exact(e, "quadrature_table"), 40)) for e in (lower, upper))
        places, weights = [], []
        for i in range(nodes):
            theta = (i + mpmath.mpf(1) / 2) * mpmath.pi / (2 * nodes)
            x = a + (b - a) * mpmath.sin(theta) ** 2
            height = mpmath.mpf(sp.re(sp.N(density.subs(variable, sp.Float(str(x), 40)), 40)))
            step = (b - a) * mpmath.sin(2 * theta) * mpmath.pi / (2 * nodes)
            places.append(_of_mpf(x))
            weights.append(_of_mpf(height * step))
    total = sum(weights, Fraction(0))
    if abs(total - 1) > MASS_ERROR:
        raise ConvergenceError(
            f"quadrature_table({density}, nodes={nodes})",
            f"the mass is {float(total):.15g}",
            "a density has mass one, and the rule must integrate it",
            f"quadrature_table(..., nodes={2 * nodes}), or split the density at its kinks",
        )
    return places, [w / total for w in weights]


def _of_mpf(value: Any) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** int(exponent)


def _fraction(value: Any) -> Fraction:
    if isinstance(value, float | np.floating):
        return Fraction(float(value))
    number = exact(value if not isinstance(value, np.integer) else int(value), "at_table")
    if not isinstance(number, sp.Rational):
        raise ArgumentsError(
            "at_table",
            f"{number} is not a number",
            "a table holds numbers; symbols belong to at_atoms",
            "at_atoms(expression, spectrum, {s_1: p, s_2: 1 - p})",
        )
    return Fraction(int(number.p), int(number.q))


def _overlap_of(trace: Any, overlaps: Mapping[sp.Symbol, Any]) -> Any:
    if len(trace.tests) > 1 or trace.tests[0] not in overlaps:
        raise ArgumentsError(
            "at_table",
            f"the test matrices {trace.tests} in {trace} have no overlap with the modes",
            "one test matrix in a trace is known by its diagonal elements",
            f"overlaps={{{trace.tests[0]}: ...}}",
        )
    return overlaps[trace.tests[0]]


def _replaced(expression: sp.Expr, spectrum: Spectrum, value: Any) -> sp.Expr:
    def over_it(node: Any) -> bool:
        return isinstance(node, SpectralTrace) and node.args[1] == spectrum.matrix

    return cast(sp.Expr, expression.replace(over_it, value))
