"""Spectra given as atoms, as densities or as arrays, put into normalised traces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import numpy as np
import sympy as sp

from derive.errors import ArgumentsError, DomainError
from derive.spectral_trace import SpectralTrace, Spectrum, exact


def at_atoms(
    expression: sp.Expr,
    spectrum: Spectrum,
    atoms: Mapping[object, object],
    overlaps: Mapping[sp.Symbol, Mapping[object, object]] | None = None,
) -> sp.Expr:
    r"""Return the expression for a spectrum made of atoms.

    :math:`\overline{\mathrm{tr}} f(\Sigma) \to \sum_j w_j f(s_j)`, and with one test matrix
    :math:`\overline{\mathrm{tr}} f(\Sigma)\Theta\to\sum_j w_j\theta_j f(s_j)`.

    Parameters
    ----------
    expression : sympy.Expr
        With traces over the spectrum.
    spectrum : Spectrum
        Which matrix the atoms belong to.
    atoms : mapping
        Eigenvalue -> mass; numbers (exact) or symbols. Numbers must add to one.
    overlaps : mapping, optional
        Test matrix -> (eigenvalue -> mean diagonal element of the test matrix in that eigenspace).

    Returns
    -------
    sympy.Expr
        A plain expression without traces over the spectrum.

    Raises
    ------
    DomainError
        If an eigenvalue or a mass is negative, or the masses do not add to one.
    ArgumentsError
        If a test matrix has no overlaps, or two test matrices stand in one trace.

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa")
    >>> s = Sigma.eigenvalue
    >>> at_atoms(Sigma.trace(s / (s + kappa)), Sigma, {1: "1/2", 4: "1/2"})
    2/(kappa + 4) + 1/(2*(kappa + 1))
    """
    exact_atoms = {exact(v, "at_atoms"): exact(w, "at_atoms") for v, w in atoms.items()}
    _check_masses(exact_atoms)
    exact_overlaps = {
        test: {exact(v, "at_atoms"): exact(o, "at_atoms") for v, o in given.items()}
        for test, given in (overlaps or {}).items()
    }

    def value(trace: SpectralTrace) -> sp.Expr:
        weights = dict.fromkeys(exact_atoms, sp.Integer(1))
        if trace.tests:
            weights = _overlaps_of(trace, exact_overlaps, exact_atoms)
        place = trace.places[0]
        return sp.Add(
            *(w * weights[v] * trace.function.subs(place, v) for v, w in exact_atoms.items())
        )

    return _replace(expression, spectrum, value)


def at_density(
    expression: sp.Expr,
    spectrum: Spectrum,
    density: sp.Expr,
    lower: object,
    upper: object,
) -> sp.Expr:
    r"""Return the expression for a spectrum with a density, as integrals.

    Parameters
    ----------
    expression : sympy.Expr
        With traces over the spectrum and without test matrices.
    spectrum : Spectrum
        Which matrix the density belongs to.
    density : sympy.Expr
        A function of ``spectrum.eigenvalue``, of mass one on the interval.
    lower, upper : exact scalars or sympy.oo
        Ends of the interval.

    Returns
    -------
    sympy.Expr
        With one unevaluated ``sympy.Integral`` per trace.

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa", positive=True)
    >>> s = Sigma.eigenvalue
    >>> at_density(Sigma.trace(1 / (s + kappa)), Sigma, sp.Integer(1), 0, 1).doit().subs(kappa, 1)
    log(2)
    """

    def value(trace: SpectralTrace) -> sp.Expr:
        if trace.tests:
            raise ArgumentsError(
                "at_density",
                f"the trace {trace} holds the test matrix {trace.tests[0]}",
                "a density of eigenvalues says nothing about a test matrix",
                "write a commuting test matrix as a function of spectrum.eigenvalue",
            )
        place = trace.places[0]
        weight = exact(density, "at_density").subs(spectrum.eigenvalue, place)
        return sp.Integral(trace.function * weight, (place, lower, upper))

    return _replace(expression, spectrum, value)


def at_matrices(
    expression: sp.Expr,
    matrices: Mapping[str, np.ndarray],
    parameters: Mapping[sp.Symbol, complex] | None = None,
) -> complex:
    """Return the number an expression in traces takes on given matrices.

    Parameters
    ----------
    expression : sympy.Expr
        With traces over named matrices, test matrices between them.
    matrices : mapping
        Name -> square array. A matrix under a trace is symmetric; a test matrix is arbitrary.
    parameters : mapping, optional
        Symbol -> number.

    Returns
    -------
    complex or float

    Raises
    ------
    ArgumentsError
        If a matrix or a parameter has no value.

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa")
    >>> s = Sigma.eigenvalue
    >>> at_matrices(Sigma.trace(s / (s + kappa)), {"Sigma": np.diag([1.0, 4.0])}, {kappa: 1.0})
    0.65
    """
    values = dict(parameters or {})
    frames: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for trace in expression.atoms(SpectralTrace):
        for name in (str(trace.args[1]), *map(str, trace.tests)):
            if name not in matrices:
                raise ArgumentsError(
                    "at_matrices",
                    f"the matrix {name} has no value",
                    f"it stands in {trace}",
                    f"matrices={{'{name}': array, ...}}",
                )
        name = str(trace.args[1])
        if name not in frames:
            frames[name] = np.linalg.eigh(matrices[name])

    def number(node: sp.Expr, local: Mapping) -> np.ndarray | complex:
        if isinstance(node, SpectralTrace):
            return _trace_number(node, frames[str(node.args[1])], matrices, local, number)
        return numeric_value(node, local, number)

    result = complex(number(expression, values))
    return result.real if result.imag == 0 else result


def numeric_value(node: sp.Expr, values: Mapping, recurse=None):
    """Return the value of a rational or elementary expression by walking its tree.

    Parameters
    ----------
    node : sympy.Expr
        Sums, products, powers, numbers and symbols.
    values : mapping
        Symbol -> number or array; arrays broadcast.
    recurse : callable, optional
        Evaluates sub-expressions, for nodes that this function does not know.

    Returns
    -------
    number or numpy.ndarray
    """
    recurse = recurse or numeric_value
    if node in values:
        return values[node]
    if node.is_number:
        return _plain_number(node)
    if isinstance(node, sp.Add):
        return sum(recurse(a, values) for a in node.args)
    if isinstance(node, sp.Mul):
        out = 1.0
        for a in node.args:
            out = out * recurse(a, values)
        return out
    if isinstance(node, sp.Pow):
        return recurse(node.base, values) ** recurse(node.exp, values)
    raise ArgumentsError(
        "numeric_value",
        f"{node} has no value",
        "it is neither a parameter given nor a sum, product or power",
        f"parameters={{{node}: number, ...}}",
    )


@lru_cache(maxsize=1024)  # iterations meet the same coefficients thousands of times
def _plain_number(node: sp.Expr) -> complex:
    plain = complex(node)
    return plain.real if plain.imag == 0 else plain


def _trace_number(trace, frame, matrices, values, number):
    eigenvalues, vectors = frame
    size = len(eigenvalues)
    count = max(1, len(trace.tests))
    grids = dict(values)
    for k, place in enumerate(trace.places):
        shape = [1] * count
        shape[k] = size
        grids[place] = eigenvalues.reshape(shape)
    tensor = np.broadcast_to(np.asarray(number(trace.function, grids)), (size,) * count)
    rotated = [vectors.T @ matrices[str(t)] @ vectors for t in trace.tests]
    if not rotated:
        return tensor.mean()
    letters = "abcdefgh"[:count]
    pairs = [letters[k] + letters[(k + 1) % count] for k in range(count)]
    return np.einsum(f"{letters},{','.join(pairs)}->", tensor, *rotated, optimize=True) / size


def _replace(expression: sp.Expr, spectrum: Spectrum, value) -> sp.Expr:
    def over_it(node) -> bool:
        return isinstance(node, SpectralTrace) and node.args[1] == spectrum.matrix

    return cast(sp.Expr, expression.replace(over_it, value))


def _check_masses(atoms: Mapping[sp.Expr, sp.Expr]) -> None:
    for value, mass in atoms.items():
        if value.is_negative or mass.is_negative:
            raise DomainError(
                f"at_atoms(atoms={{{value}: {mass}}})",
                f"eigenvalue {value} with mass {mass} is negative",
                "a covariance has non-negative eigenvalues and masses are shares",
                "at_atoms(..., {1: '1/2', 4: '1/2'})",
            )
    total = sp.Add(*atoms.values())
    if total.is_number and total != 1:
        raise DomainError(
            "at_atoms",
            f"the masses add to {total}",
            "the normalised trace of the identity is 1",
            "divide each mass by the sum",
        )


def _overlaps_of(trace, overlaps, atoms):
    if len(trace.tests) > 1:
        raise ArgumentsError(
            "at_atoms",
            f"two test matrices stand in {trace}",
            "their product is not fixed by their diagonal elements",
            "at_matrices(expression, {name: array, ...}, parameters)",
        )
    test = trace.tests[0]
    if test not in overlaps or any(v not in overlaps[test] for v in atoms):
        raise ArgumentsError(
            "at_atoms",
            f"the test matrix {test} has no overlap with every eigenspace",
            f"it stands in {trace}",
            f"overlaps={{{test}: {{{', '.join(f'{v}: 1' for v in atoms)}}}}}",
        )
    return overlaps[test]
