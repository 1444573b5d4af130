r"""The effective ridge as a fixed point with its branch, for a spectrum given as atoms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import sympy as sp

from derive.deterministic_equivalent import SampleCovariance
from derive.fixed_point import Branch, FixedPoint
from derive.spectrum_values import at_atoms


def effective_ridge_fixed_point(
    sample: SampleCovariance, atoms: Mapping[object, object]
) -> FixedPoint:
    r"""Return the effective ridge as an equation with a branch and a start that cannot fail.

    .. math:: h(\kappa)=\kappa-\phi\,\overline{\mathrm{tr}}\frac{\kappa\Sigma}{\Sigma+\kappa}
       =\lambda,\qquad \kappa_0=\lambda+\phi\,\overline{\mathrm{tr}}\,\Sigma .

    Each :math:`\kappa s/(s+\kappa)` is concave and below :math:`s`, so :math:`h` is convex for
    :math:`\kappa>0` and :math:`h(\kappa_0)\ge\lambda`. Since :math:`h(0)=0<\lambda`, a convex
    :math:`h` passes :math:`\lambda` once, with positive slope, and Newton's iteration from
    :math:`\kappa_0` decreases monotonically to that root.

    Parameters
    ----------
    sample : SampleCovariance
        The ridge problem.
    atoms : mapping
        Eigenvalue -> mass, numbers or symbols.

    Returns
    -------
    FixedPoint
        In the unknown kappa, on the branch ``kappa > lambda`` with ``kappa/lambda -> 1`` as
        ``lambda -> oo``.

    Validity
    --------
    :math:`\lambda>0`. At :math:`\lambda=0` the equation gains the root 0.

    Examples
    --------
    >>> from derive.spectral_trace import Spectrum
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> ridge = SampleCovariance(Spectrum("Sigma"), phi, lam, kappa)
    >>> effective_ridge_fixed_point(ridge, {1: "1/2", 4: "1/2"}).start
    (lambda + 5*phi/2,)
    """
    spectrum = sample.spectrum
    return effective_ridge_in_traces(sample).at(lambda e: at_atoms(e, spectrum, atoms))


def effective_ridge_in_traces(sample: SampleCovariance) -> FixedPoint:
    r"""Return the same fixed point with traces over the spectrum, which is put in later.

    Parameters
    ----------
    sample : SampleCovariance
        The ridge problem.

    Returns
    -------
    FixedPoint
        Its :meth:`~derive.fixed_point.FixedPoint.at` takes the spectrum as atoms, as an array, as
        a power law or as a density (:mod:`derive.spectrum_tables`).

    Examples
    --------
    >>> from derive.spectral_trace import Spectrum
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> effective_ridge_in_traces(SampleCovariance(Spectrum("Sigma"), phi, lam, kappa)).start
    (lambda + phi*tr[Sigma],)
    """
    equation = sample.effective_ridge
    residual = sample.kappa - cast(sp.Expr, equation.rhs)
    mean = sample.spectrum.trace(sample.spectrum.eigenvalue)
    branch = Branch(
        anchor=(sample.kappa / sample.lam, sample.lam, sp.oo, 1),
        region=sample.kappa > sample.lam,
    )
    return FixedPoint((sample.kappa,), (residual,), branch, (sample.lam + sample.phi * mean,))
