"""Structured tasks: how the alignment of pretraining and test tasks governs in-context learning.

The extension of Lu et al. to task covariances of pretraining and of test, after Letey et al. 2025.
At two eigenspaces the errors are results of ``letey2025.structured_error``; for spectra or matrices
of any size:

>>> import numpy as np
>>> from derivations.letey2025 import JointSpectrum, structured_error_of
>>> training, test = np.diag([2.0, 0.5]), np.array([[1.0, 0.3], [0.3, 0.4]])
>>> error = structured_error_of(JointSpectrum.of_covariances(training, test))
>>> point = dict(tau=2, alpha=3, kappa="0.5", rho="0.1", lam="0.01", alpha_te=5, rho_te="0.2")
>>> error.ball(**point).digits(6)
'0.852284'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derivations.letey2025.error_at_spectrum import (
        alignment_of,
        structured_error_of,
        training_error_of,
    )
    from derivations.letey2025.joint_spectrum import JointSpectrum

__all__ = ["JointSpectrum", "alignment_of", "structured_error_of", "training_error_of"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and SymPy with it, at its first use."""
    if name in __all__:
        module = "joint_spectrum" if name == "JointSpectrum" else "error_at_spectrum"
        return getattr(import_module(f"derivations.letey2025.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
