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
    from derive.algebraic_law import law_from_equation as law_from_equation
    from derive.algebraic_law import law_from_moments as law_from_moments
    from derive.algebraic_number import AlgebraicNumber as AlgebraicNumber
    from derive.asymptotics import AlgebraicQuantity as AlgebraicQuantity
    from derive.asymptotics import crossover as crossover
    from derive.atom import Atom as Atom
    from derive.atom import atom_mass as atom_mass
    from derive.compute_optimum import ComputeOptimum as ComputeOptimum
    from derive.compute_optimum import Resource as Resource
    from derive.density import average as average
    from derive.density import density_ball as density_ball
    from derive.density import stieltjes_ball as stieltjes_ball
    from derive.density import total_mass as total_mass
    from derive.deterministic_equivalent import SampleCovariance as SampleCovariance
    from derive.deterministic_equivalent import name_degrees_of_freedom as name_degrees_of_freedom
    from derive.deterministic_equivalent import one_resolvent as one_resolvent
    from derive.deterministic_equivalent import (
        resolvent_sample_resolvent as resolvent_sample_resolvent,
    )
    from derive.deterministic_equivalent import two_resolvents as two_resolvents
    from derive.domain import Domain as Domain
    from derive.domain import Notation as Notation
    from derive.domain import Quantity as Quantity
    from derive.draft import Draft as Draft
    from derive.dyson import DysonSystem as DysonSystem
    from derive.dyson import dyson_equations as dyson_equations
    from derive.dyson import solve_numerically as solve_numerically
    from derive.elimination import eliminate_to_polynomials as eliminate_to_polynomials
    from derive.errors import DeriveError as DeriveError
    from derive.errors import RefutedError as RefutedError
    from derive.fixed_point import Branch as Branch
    from derive.fixed_point import FixedPoint as FixedPoint
    from derive.formula import Formula as Formula
    from derive.free_convolution import correlated_wishart as correlated_wishart
    from derive.free_convolution import free_compression as free_compression
    from derive.free_convolution import free_power as free_power
    from derive.free_convolution import free_product as free_product
    from derive.free_convolution import free_sum as free_sum
    from derive.free_cumulants import free_cumulants_from_moments as free_cumulants_from_moments
    from derive.free_cumulants import moments_from_free_cumulants as moments_from_free_cumulants
    from derive.gaussian import GaussianLaw as GaussianLaw
    from derive.gaussian import expectation as expectation
    from derive.gaussian import gaussian_average as gaussian_average
    from derive.gaussian import gaussian_integral as gaussian_integral
    from derive.gaussian import gaussian_moment as gaussian_moment
    from derive.grid_sweep import read_sweep as read_sweep
    from derive.grid_sweep import sweep as sweep
    from derive.haar import OrthogonalHaar as OrthogonalHaar
    from derive.haar import UnitaryHaar as UnitaryHaar
    from derive.haar import haar_average as haar_average
    from derive.haar import orthogonal_weingarten as orthogonal_weingarten
    from derive.haar import unitary_weingarten as unitary_weingarten
    from derive.haar_entries import orthogonal_moment as orthogonal_moment
    from derive.haar_entries import unitary_moment as unitary_moment
    from derive.harmonic_sum import HarmonicSum as HarmonicSum
    from derive.index_notation import Field as Field
    from derive.index_notation import Space as Space
    from derive.infinite_power_law import as_power_law_sum as as_power_law_sum
    from derive.infinite_power_law import at_infinite_power_law as at_infinite_power_law
    from derive.joint_spectrum import at_joint_atoms as at_joint_atoms
    from derive.law import atoms as atoms
    from derive.law import fisher as fisher
    from derive.law import fuss_catalan as fuss_catalan
    from derive.law import inverse_marchenko_pastur as inverse_marchenko_pastur
    from derive.law import kesten_mckay as kesten_mckay
    from derive.law import marchenko_pastur as marchenko_pastur
    from derive.law import semicircle as semicircle
    from derive.law import wachter as wachter
    from derive.law_from_transform import law_from_r_transform as law_from_r_transform
    from derive.law_from_transform import law_from_s_transform as law_from_s_transform
    from derive.law_from_transform import law_from_tau_transform as law_from_tau_transform
    from derive.law_image import affine as affine
    from derive.law_image import inverse as inverse
    from derive.law_image import moebius as moebius
    from derive.law_image import square as square
    from derive.mellin import MellinTransform as MellinTransform
    from derive.pencil import Pencil as Pencil
    from derive.pencil import linear_pencil as linear_pencil
    from derive.plateau import context_plateau as context_plateau
    from derive.plateau import solve_effective_ridge as solve_effective_ridge
    from derive.plateau import width_plateau as width_plateau
    from derive.power_flow import PowerFlow as PowerFlow
    from derive.power_flow import dominant_balances as dominant_balances
    from derive.power_flow import rotated_flow as rotated_flow
    from derive.power_law import SourceCapacity as SourceCapacity
    from derive.reduction import eliminate as eliminate
    from derive.reduction import merge_unknowns as merge_unknowns
    from derive.reduction import rename as rename
    from derive.reduction import ridge_form as ridge_form
    from derive.registry import register_root as register_root
    from derive.replica import ReplicaSymmetry as ReplicaSymmetry
    from derive.replica import ReplicatedAction as ReplicatedAction
    from derive.replica import disorder_average as disorder_average
    from derive.replica_matrix import ReplicaSymmetricMatrix as ReplicaSymmetricMatrix
    from derive.replica_matrix import replica_limit as replica_limit
    from derive.replica_saddle import ground_state as ground_state
    from derive.replica_saddle import zero_temperature_ansatz as zero_temperature_ansatz
    from derive.ridge_fixed_point import effective_ridge_fixed_point as effective_ridge_fixed_point
    from derive.ridge_fixed_point import effective_ridge_in_traces as effective_ridge_in_traces
    from derive.rotated_product import RotatedProduct as RotatedProduct
    from derive.rotated_product import rotated_one_resolvent as rotated_one_resolvent
    from derive.rotated_product import rotated_two_resolvents as rotated_two_resolvents
    from derive.simulation_sweep import sweep_simulation as sweep_simulation
    from derive.spectral_trace import SpectralTrace as SpectralTrace
    from derive.spectral_trace import Spectrum as Spectrum
    from derive.spectral_trace import difference_vanishes as difference_vanishes
    from derive.spectral_trace import partial_fractions as partial_fractions
    from derive.spectrum_law import EmpiricalLaw as EmpiricalLaw
    from derive.spectrum_law import PowerLaw as PowerLaw
    from derive.spectrum_tables import at_power_law as at_power_law
    from derive.spectrum_tables import at_table as at_table
    from derive.spectrum_tables import quadrature_table as quadrature_table
    from derive.spectrum_values import at_atoms as at_atoms
    from derive.spectrum_values import at_density as at_density
    from derive.spectrum_values import at_matrices as at_matrices
    from derive.spike import Outlier as Outlier
    from derive.spike import additive_spike as additive_spike
    from derive.spike import multiplicative_spike as multiplicative_spike
    from derive.step import Step as Step
    from derive.support import critical_points as critical_points
    from derive.tauberian import Accumulation as Accumulation
    from derive.transforms import moment_transform as moment_transform
    from derive.transforms import r_polynomial as r_polynomial
    from derive.transforms import r_transform as r_transform
    from derive.transforms import s_transform as s_transform
    from derive.transforms import stieltjes_transform as stieltjes_transform
    from derive.transforms import tau_transform as tau_transform
    from derive.verdict import Evidence as Evidence
    from derive.verdict import Verdict as Verdict
    from derive.wishart import complex_wishart_trace_moment as complex_wishart_trace_moment
    from derive.wishart import wishart_trace_moment as wishart_trace_moment
    from derive.word_trace import WordTrace as WordTrace
    from derive.words import Deterministic as Deterministic
    from derive.words import Gaussian as Gaussian
    from derive.words import Identity as Identity

# A name that is also a submodule (derivation, support, ...) is imported from its module.
_HOME = {
    "AlgebraicLaw": "algebraic_law",
    "law_from_equation": "algebraic_law",
    "law_from_moments": "algebraic_law",
    "AlgebraicNumber": "algebraic_number",
    "AlgebraicQuantity": "asymptotics",
    "crossover": "asymptotics",
    "Atom": "atom",
    "atom_mass": "atom",
    "ComputeOptimum": "compute_optimum",
    "Resource": "compute_optimum",
    "average": "density",
    "density_ball": "density",
    "stieltjes_ball": "density",
    "total_mass": "density",
    "SampleCovariance": "deterministic_equivalent",
    "name_degrees_of_freedom": "deterministic_equivalent",
    "one_resolvent": "deterministic_equivalent",
    "resolvent_sample_resolvent": "deterministic_equivalent",
    "two_resolvents": "deterministic_equivalent",
    "Domain": "domain",
    "Notation": "domain",
    "Quantity": "domain",
    "Draft": "draft",
    "DysonSystem": "dyson",
    "dyson_equations": "dyson",
    "solve_numerically": "dyson",
    "eliminate_to_polynomials": "elimination",
    "DeriveError": "errors",
    "RefutedError": "errors",
    "Branch": "fixed_point",
    "FixedPoint": "fixed_point",
    "Formula": "formula",
    "correlated_wishart": "free_convolution",
    "free_compression": "free_convolution",
    "free_power": "free_convolution",
    "free_product": "free_convolution",
    "free_sum": "free_convolution",
    "free_cumulants_from_moments": "free_cumulants",
    "moments_from_free_cumulants": "free_cumulants",
    "GaussianLaw": "gaussian",
    "expectation": "gaussian",
    "gaussian_average": "gaussian",
    "gaussian_integral": "gaussian",
    "gaussian_moment": "gaussian",
    "read_sweep": "grid_sweep",
    "sweep": "grid_sweep",
    "OrthogonalHaar": "haar",
    "UnitaryHaar": "haar",
    "haar_average": "haar",
    "orthogonal_weingarten": "haar",
    "unitary_weingarten": "haar",
    "orthogonal_moment": "haar_entries",
    "unitary_moment": "haar_entries",
    "HarmonicSum": "harmonic_sum",
    "Field": "index_notation",
    "Space": "index_notation",
    "as_power_law_sum": "infinite_power_law",
    "at_infinite_power_law": "infinite_power_law",
    "at_joint_atoms": "joint_spectrum",
    "atoms": "law",
    "fisher": "law",
    "fuss_catalan": "law",
    "inverse_marchenko_pastur": "law",
    "kesten_mckay": "law",
    "marchenko_pastur": "law",
    "semicircle": "law",
    "wachter": "law",
    "law_from_r_transform": "law_from_transform",
    "law_from_s_transform": "law_from_transform",
    "law_from_tau_transform": "law_from_transform",
    "affine": "law_image",
    "inverse": "law_image",
    "moebius": "law_image",
    "square": "law_image",
    "MellinTransform": "mellin",
    "Pencil": "pencil",
    "linear_pencil": "pencil",
    "context_plateau": "plateau",
    "solve_effective_ridge": "plateau",
    "width_plateau": "plateau",
    "PowerFlow": "power_flow",
    "dominant_balances": "power_flow",
    "rotated_flow": "power_flow",
    "SourceCapacity": "power_law",
    "eliminate": "reduction",
    "merge_unknowns": "reduction",
    "rename": "reduction",
    "ridge_form": "reduction",
    "register_root": "registry",
    "ReplicaSymmetry": "replica",
    "ReplicatedAction": "replica",
    "disorder_average": "replica",
    "ReplicaSymmetricMatrix": "replica_matrix",
    "replica_limit": "replica_matrix",
    "ground_state": "replica_saddle",
    "zero_temperature_ansatz": "replica_saddle",
    "effective_ridge_fixed_point": "ridge_fixed_point",
    "effective_ridge_in_traces": "ridge_fixed_point",
    "RotatedProduct": "rotated_product",
    "rotated_one_resolvent": "rotated_product",
    "rotated_two_resolvents": "rotated_product",
    "sweep_simulation": "simulation_sweep",
    "SpectralTrace": "spectral_trace",
    "Spectrum": "spectral_trace",
    "difference_vanishes": "spectral_trace",
    "partial_fractions": "spectral_trace",
    "EmpiricalLaw": "spectrum_law",
    "PowerLaw": "spectrum_law",
    "at_power_law": "spectrum_tables",
    "at_table": "spectrum_tables",
    "quadrature_table": "spectrum_tables",
    "at_atoms": "spectrum_values",
    "at_density": "spectrum_values",
    "at_matrices": "spectrum_values",
    "Outlier": "spike",
    "additive_spike": "spike",
    "multiplicative_spike": "spike",
    "Step": "step",
    "critical_points": "support",
    "Accumulation": "tauberian",
    "moment_transform": "transforms",
    "r_polynomial": "transforms",
    "r_transform": "transforms",
    "s_transform": "transforms",
    "stieltjes_transform": "transforms",
    "tau_transform": "transforms",
    "Evidence": "verdict",
    "Verdict": "verdict",
    "complex_wishart_trace_moment": "wishart",
    "wishart_trace_moment": "wishart",
    "WordTrace": "word_trace",
    "Deterministic": "words",
    "Gaussian": "words",
    "Identity": "words",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'derive' has no attribute {name!r}")
    return getattr(import_module(f"derive.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)


__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]
