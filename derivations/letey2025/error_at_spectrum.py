r"""Errors and alignment at a joint spectrum with any number of eigenspaces."""

from __future__ import annotations

import sympy as sp

from derivations.letey2025.estimator_moments import DEFINITIONS
from derivations.letey2025.joint_spectrum import JointSpectrum, over_table
from derivations.letey2025.notation import (
    LIMIT,
    NAMES,
    PARAMETERS,
    Y,
    letters,
    tau,
)
from derivations.letey2025.structured_error import ALIGNMENT, RISK
from derive.formula import Formula
from numerics.lower import Let


def structured_error_of(spectrum: JointSpectrum) -> Formula:
    r"""Return the test error at a joint spectrum of any number of eigenspaces.

    .. math:: e_{test}=\rho_{te}+q_{te}W+z^2\,\overline{\mathrm{tr}}C_{te}G^2
              +\tfrac ND[q_{te}\,\overline{\mathrm{tr}}BG^2+\overline{\mathrm{tr}}C_{te}BG^2].

    Parameters
    ----------
    spectrum : JointSpectrum
        Eigenvalues of :math:`C_{tr}`, test variances along them, shares of the dimensions.

    Returns
    -------
    Formula
        Of tau, alpha, kappa, rho, lam, alpha_te, rho_te; ``kappa`` and ``alpha_te`` may be
        infinite, ``lam`` zero.

    Validity
    --------
    The limit d, l, k, n -> oo at fixed ratios, under the Gaussian universality of the features.
    float64 keeps 13 digits or more away from tau = 1 without ridge; where kappa lies within the
    rounding of a gap of the spectrum (other than the gap at zero), it is as ill-conditioned as
    the problem.

    References
    ----------
    arXiv 2405.11751 for identity covariances.

    Examples
    --------
    >>> error = structured_error_of(JointSpectrum.of([2, "1/2", 0], [1, 1, 1]))
    >>> error.args
    ('tau', 'alpha', 'kappa', 'rho', 'lam', 'alpha_te', 'rho_te')
    >>> point = dict(tau=2.0, alpha=3.0, kappa=0.5, rho=0.1, lam=0.01)
    >>> round(float(error(alpha_te=5.0, rho_te=0.2, **point)), 6)
    1.301919
    """
    return _at_spectrum(spectrum, "structured_error", RISK, r"e_{\mathrm{test}}")


def training_error_of(spectrum: JointSpectrum) -> Formula:
    """Return the error on the pretraining tasks themselves, e_IDG, at a joint spectrum.

    Parameters
    ----------
    spectrum : JointSpectrum
        Its test variances do not matter here.

    Returns
    -------
    Formula
        Of the same arguments as :func:`structured_error_of`.
    """
    return _at_spectrum(spectrum, "idg_error", tau * Y, r"e_{\mathrm{IDG}}")


def alignment_of(spectrum: JointSpectrum) -> Formula:
    r"""Return the alignment :math:`\overline{\mathrm{tr}}\,C_{te}(R+z)^{-1}` at a joint spectrum.

    Small where pretraining has covered the directions of the test tasks.

    Parameters
    ----------
    spectrum : JointSpectrum
        Joint spectrum of the two covariances.

    Returns
    -------
    Formula
        Of the same arguments as :func:`structured_error_of`.
    """
    shown = r"\overline{\mathrm{tr}}\,C_{\rm te}G"
    return _at_spectrum(spectrum, "alignment", ALIGNMENT, shown)


def _at_spectrum(spectrum: JointSpectrum, name: str, expression: sp.Expr, shown: str) -> Formula:
    symbols = PARAMETERS[:7]
    answer = sp.Symbol("answer")
    *where, last = over_table((*DEFINITIONS, Let(answer, expression)), spectrum.table())
    assert isinstance(last, Let)
    return Formula.define(
        f"letey2025.{name}_of",
        symbols,
        last.expression,
        where=where,
        domain=letters.domain(*NAMES[:7]),
        limit=LIMIT,
        latex={n: quantity.latex for n, quantity in letters.items()},
        symbol=shown,
    )
