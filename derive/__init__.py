r"""The derivation calculus: from what a paper says to numbers that can be traced to it.

One straight line, stage by stage, with what goes in and what comes out::

    a paper's statement   the data model and the claim, as written in its section
      -> Derivation       in: a page of rules applied to lines (assume, derive, rewrite, branch)
                          out: Steps, each with a Verdict and the evidence for it
      -> Formula          in: the last line, its definitions in order, its domain, its limit
                          out: an expression over fixed points, each with the branch of its root
      -> Program          in: the formula; stable functions are lowered to cancellation-free form
                          out: straight-line code with loops for roots, hashable
      -> Kernel           in: the program and a precision (float64 or double-double)
                          out: a NumPy ufunc, compiled once and kept on disk
      -> evaluate | ball | latex | plot | simulate
                          numbers in bulk, certified enclosures, the printed page, pictures, and
                          the finite-size Monte Carlo that the limit is held against

Three layers, one direction: ``numerics`` (programs, kernels, balls, sampling) is below ``derive``
(symbols, domains, formulas, steps, and the calculus: Gaussian and Haar averages, deterministic
equivalents, linear pencils, free probability, replicas, power laws), and that is below
``derivations`` (claims of papers). Importing this package imports neither SymPy nor numba: a name
is loaded when it is first used.

Examples
--------
>>> import derive
>>> letters = derive.Notation()
>>> tau = letters.quantity("tau", "samples per parameter", lower=0)
>>> page = derive.Draft("example.saturation")
>>> page.over(letters, "tau")
>>> slope = page.derive("differentiate", tau / (1 + tau), lambda e: e.diff(tau), "slope in tau")
>>> closed = page.rewrite(slope, 1 / (1 + tau) ** 2, "one fraction")
>>> formula = page.result("slope", closed, (tau,), domain=letters.domain("tau"),
...                       limit="exact", symbol="s'")
>>> float(formula(tau=1.0))
0.25
>>> formula.ball(bits=64, tau="1/3").contains("9/16")
True
>>> [step.verdict.name for step in page.steps]
['PROVED', 'PROVED', 'PROVED']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.algebraic_law import AlgebraicLaw as AlgebraicLaw
    from derive.deterministic_equivalent import SampleCovariance as SampleCovariance
    from derive.deterministic_equivalent import one_resolvent as one_resolvent
    from derive.deterministic_equivalent import two_resolvents as two_resolvents
    from derive.domain import Domain as Domain
    from derive.domain import Notation as Notation
    from derive.domain import Quantity as Quantity
    from derive.draft import Draft as Draft
    from derive.errors import DeriveError as DeriveError
    from derive.errors import RefutedError as RefutedError
    from derive.fixed_point import Branch as Branch
    from derive.fixed_point import FixedPoint as FixedPoint
    from derive.formula import Formula as Formula
    from derive.gaussian import GaussianLaw as GaussianLaw
    from derive.gaussian import expectation as expectation
    from derive.haar import haar_average as haar_average
    from derive.index_notation import Field as Field
    from derive.index_notation import Space as Space
    from derive.pencil import linear_pencil as linear_pencil
    from derive.power_law import SourceCapacity as SourceCapacity
    from derive.registry import register_root as register_root
    from derive.replica import disorder_average as disorder_average
    from derive.spectral_trace import Spectrum as Spectrum
    from derive.step import Step as Step
    from derive.verdict import Evidence as Evidence
    from derive.verdict import Verdict as Verdict

# A name that is also a submodule (derivation, support, ...) is imported from its module.
_HOME = {
    "AlgebraicLaw": "algebraic_law",
    "SampleCovariance": "deterministic_equivalent",
    "one_resolvent": "deterministic_equivalent",
    "two_resolvents": "deterministic_equivalent",
    "Domain": "domain",
    "Notation": "domain",
    "Quantity": "domain",
    "Draft": "draft",
    "DeriveError": "errors",
    "RefutedError": "errors",
    "Branch": "fixed_point",
    "FixedPoint": "fixed_point",
    "Formula": "formula",
    "GaussianLaw": "gaussian",
    "expectation": "gaussian",
    "haar_average": "haar",
    "Field": "index_notation",
    "Space": "index_notation",
    "linear_pencil": "pencil",
    "SourceCapacity": "power_law",
    "register_root": "registry",
    "disorder_average": "replica",
    "Spectrum": "spectral_trace",
    "Step": "step",
    "Evidence": "verdict",
    "Verdict": "verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'derive' has no attribute {name!r}")
    return getattr(import_module(f"derive.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)


__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
