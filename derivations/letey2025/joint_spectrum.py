r"""Joint spectra of the pretraining and test covariances, and formulas at one of them.

The errors see :math:`C_{tr}` through its eigenvalues and :math:`C_{te}` through its diagonal
elements in the eigenbasis of :math:`C_{tr}`; the two need not commute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from derivations.letey2025.notation import TEST, c_1, c_2, e_1, e_2, p_1, population
from derive.errors import DomainError
from derive.fixed_point import FixedPoint
from derive.spectral_trace import SpectralTrace
from derive.spectrum_values import at_atoms
from numerics.lower import Let
from numerics.spectral_average import AtomTable, averages

Definition = Let | FixedPoint

TWO_ATOMS = (p_1, c_1, c_2, e_1, e_2)
_EIGENVALUE, _WEIGHT, _OVERLAP = sp.symbols("c_i p_i e_i", nonnegative=True)


@dataclass(frozen=True)
class JointSpectrum:
    r"""Eigenvalues of the pretraining covariance with the test variance along each.

    Parameters
    ----------
    training : tuple of Fraction
        Eigenvalues :math:`c_i\ge0` of :math:`C_{tr}`, not all zero.
    test : tuple of Fraction
        Diagonal elements :math:`e_i\ge0` of :math:`C_{te}` in the eigenspaces.
    shares : tuple of Fraction
        Shares :math:`p_i>0` of the dimensions, adding to one.

    Raises
    ------
    DomainError
        For values outside these ranges, or lengths that differ.

    Examples
    --------
    >>> JointSpectrum.of([2, "1/2"], [1, 1]).shares
    (Fraction(1, 2), Fraction(1, 2))
    """

    training: tuple[Fraction, ...]
    test: tuple[Fraction, ...]
    shares: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        call, do = "JointSpectrum(training, test, shares)", 'JointSpectrum.of([2, "1/2"], [1, 1])'
        if not self.training or not len(self.training) == len(self.test) == len(self.shares):
            raise DomainError(
                call,
                f"{len(self.training)}, {len(self.test)} and {len(self.shares)} entries",
                "every eigenspace has a pretraining variance, a test variance and a share",
                do,
            )
        if min(*self.training, *self.test) < 0 or max(self.training) <= 0 or min(self.shares) <= 0:
            raise DomainError(
                call,
                f"smallest entries {float(min(self.training)):.3g}, {float(min(self.test)):.3g}, "
                f"{float(min(self.shares)):.3g}",
                "variances are not negative, pretraining has some, and shares are positive",
                do,
            )
        if sum(self.shares) != 1:
            raise DomainError(
                call,
                f"the shares add to {float(sum(self.shares)):.17g}",
                "they are the shares of all dimensions, and exact numbers",
                "divide each share by their sum, as Fractions",
            )

    @classmethod
    def of(
        cls, training: Sequence[Any], test: Sequence[Any], shares: Sequence[Any] | None = None
    ) -> JointSpectrum:
        """Return the joint spectrum of arrays or lists of exact numbers.

        Parameters
        ----------
        training, test, shares : sequence of int, str, Fraction or float
            A decimal string means that decimal, a float its binary value; equal shares if absent.

        Returns
        -------
        JointSpectrum

        Raises
        ------
        DomainError
            For entries that are not finite numbers, or as for the class.
        """
        count = len(training)
        given = [Fraction(1, count)] * count if shares is None else shares
        columns = []
        for name, values in (("training", training), ("test", test), ("shares", given)):
            try:
                columns.append(tuple(_exact(x) for x in values))
            except (ValueError, OverflowError, ZeroDivisionError, TypeError) as bad:
                raise DomainError(
                    f"JointSpectrum.of({name}=...)",
                    f"an entry is not a finite number ({bad})",
                    "a spectrum is a list of numbers",
                    'JointSpectrum.of([2, "1/2"], [1, 1])',
                ) from bad
        return cls(*columns)

    @classmethod
    def of_covariances(cls, training: np.ndarray, test: np.ndarray) -> JointSpectrum:
        r"""Return the joint spectrum of two covariance matrices, which need not commute.

        Parameters
        ----------
        training, test : ndarray, shape (d, d)
            :math:`C_{tr}` and :math:`C_{te}`, symmetric and not negative.

        Returns
        -------
        JointSpectrum
            With ``d`` atoms; rounding of either sign at a zero eigenvalue is cut to zero.

        Raises
        ------
        DomainError
            If the matrices are not covariances of one size.

        Examples
        --------
        >>> s = JointSpectrum.of_covariances(np.diag([2.0, 1.0]), np.array([[1.0, 0.5], [0.5, 3]]))
        >>> [float(x) for x in s.training], [float(x) for x in s.test]
        ([1.0, 2.0], [3.0, 1.0])
        """
        a, b = np.asarray(training, np.float64), np.asarray(test, np.float64)
        for matrix in (a, b):
            square = matrix.ndim == 2 and matrix.shape == a.shape and a.shape[0] == a.shape[1]
            if not square or not np.all(np.isfinite(matrix)) or not np.allclose(matrix, matrix.T):
                raise DomainError(
                    f"JointSpectrum.of_covariances(array {a.shape}, array {b.shape})",
                    "they are not two symmetric matrices of one size",
                    "both are covariances of tasks in d dimensions",
                    "JointSpectrum.of_covariances(numpy.eye(4), numpy.eye(4))",
                )
        values, vectors = np.linalg.eigh(a)
        values[np.abs(values) < 1e-13 * a.shape[0] * np.abs(values).max()] = 0.0
        diagonal = np.einsum("ij,ik,kj->j", vectors, b, vectors)
        diagonal[np.abs(diagonal) < 1e-13 * np.abs(b).max()] = 0.0
        return cls.of(values.tolist(), diagonal.tolist())

    @property
    def rank(self) -> Fraction:
        """Share of dimensions in which pretraining tasks vary."""
        pairs = zip(self.shares, self.training, strict=True)
        return sum((p for p, value in pairs if value > 0), Fraction(0))

    def table(self) -> AtomTable:
        """Return eigenvalues, shares and test variances as columns."""
        return AtomTable([self.training, self.shares, self.test])


def _exact(value: Any) -> Fraction:
    if isinstance(value, np.floating | np.integer):
        value = value.item()
    return Fraction(value)


def two_atoms(definition: Any) -> Any:
    """Put the symbolic spectrum of two eigenspaces into an expression or definitions.

    Parameters
    ----------
    definition : Expr, Let, FixedPoint or tuple of these
        With traces over the pretraining covariance.

    Returns
    -------
    the same kind
        Without traces.
    """
    return _mapped(
        definition,
        lambda e: at_atoms(e, population, {c_1: p_1, c_2: 1 - p_1}, {TEST: {c_1: e_1, c_2: e_2}}),
    )


def over_table(definitions: Sequence[Definition], table: AtomTable) -> tuple[Definition, ...]:
    """Put a spectrum given as a table into definitions, one loop for each stage.

    Parameters
    ----------
    definitions : sequence of Let or FixedPoint
        In order, with traces over the pretraining covariance.
    table : AtomTable
        Eigenvalues, shares, test variances.

    Returns
    -------
    tuple of Let or FixedPoint
        With sums over the table in place of traces. Sums that become computable at the same time
        share a loop.
    """
    found: list[Definition] = []
    stage: list[Let] = []
    for definition in definitions:
        if isinstance(definition, Let):
            stage.append(definition)
            continue
        found += _stage(tuple(stage), table)
        stage = []
        start = _stage(tuple(definition.start), table)
        where, residuals, step = definition.where, definition.residuals, definition.step
        inside = _stage((*where, *residuals, *step), table)
        count, ends = len(where), len(where) + len(residuals)
        found.append(
            replace(
                definition,
                start=start,
                where=inside[:count],
                residuals=inside[count:ends],
                step=inside[ends:],
            )
        )
    return (*found, *_stage(tuple(stage), table))


def _stage(parts: tuple[Any, ...], table: AtomTable) -> tuple[Any, ...]:
    groups: dict[frozenset[Any], list[SpectralTrace]] = {}
    for part in parts:
        expression = part.expression if isinstance(part, Let) else part
        for trace in sorted(expression.atoms(SpectralTrace), key=sp.default_sort_key):
            group = groups.setdefault(frozenset(trace.free_symbols), [])
            if trace not in group:
                group.append(trace)
    values: dict[Any, Any] = {}
    for group in groups.values():
        sums = averages([_term(x) for x in group], (_EIGENVALUE, _WEIGHT, _OVERLAP), table)
        values.update(zip(group, sums, strict=True))
    return tuple(_mapped(part, lambda e: e.xreplace(values)) for part in parts)


def _term(trace: SpectralTrace) -> Any:
    function = trace.function.subs(trace.places[0], _EIGENVALUE)
    return _WEIGHT * function * (_OVERLAP if trace.tests else 1)


def _mapped(definition: Any, change: Any) -> Any:
    if isinstance(definition, tuple):
        return tuple(_mapped(d, change) for d in definition)
    if isinstance(definition, Let):
        return Let(definition.symbol, change(definition.expression))
    if isinstance(definition, FixedPoint):
        return replace(
            definition,
            residuals=_mapped(definition.residuals, change),
            start=_mapped(definition.start, change),
            where=_mapped(definition.where, change),
            step=_mapped(definition.step, change),
        )
    return change(definition)
