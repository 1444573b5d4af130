r"""Zero temperature, saddle point and effective ridge of a replica-symmetric free energy.

At zero temperature ``chi = beta (Q_aa - Q_ab)`` stays finite and the free energy is a function of
Q, chi and their conjugates.  Its stationarity is four equations; two are explicit in the
conjugates, one becomes the fixed point of the effective ridge xi, and the last is linear in Q.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sympy as sp

from derive.errors import ConditionError
from derive.replica import WEIGHT, FreeEnergy, ReplicaSymmetry, mode_mean
from derive.replica_matrix import ReplicaSymmetricMatrix, zero_temperature_limit
from derive.spectral_trace import exact, masked

Q, CHI = sp.symbols("Q chi", positive=True)
Q_HAT, CHI_HAT = sp.symbols("Qhat chihat", positive=True)


def zero_temperature_ansatz(n: sp.Symbol, beta: sp.Symbol) -> ReplicaSymmetry:
    r"""Return the replica-symmetric ansatz scaled for the ground state of a convex energy.

    ``Q_ab = Q + delta_ab chi / beta`` and ``R_ab = delta_ab beta Qhat - beta^2 chihat``.

    Parameters
    ----------
    n, beta : Symbol
        Number of replicas and inverse temperature.

    Returns
    -------
    ReplicaSymmetry

    Examples
    --------
    >>> n, beta = sp.symbols("n beta", positive=True)
    >>> zero_temperature_ansatz(n, beta).overlap.diagonal
    Q + chi/beta
    """
    return ReplicaSymmetry(
        ReplicaSymmetricMatrix(CHI / beta, Q, n),
        ReplicaSymmetricMatrix(beta * Q_HAT, -(beta**2) * CHI_HAT, n),
    )


@dataclass(frozen=True)
class GroundState:
    """The free energy per mode at zero temperature, with the order parameters Q and chi.

    Parameters
    ----------
    free_energy : FreeEnergy
        At finite temperature, with the ansatz it rests on.
    order, mode : sympy.Expr
        The part in the order parameters, and the part of one mode before the mean over modes.
    """

    free_energy: FreeEnergy
    order: sp.Expr
    mode: sp.Expr

    @property
    def expression(self) -> sp.Expr:
        """The free energy with normalised traces over the spectrum."""
        return self.order + self.mean(self.mode)

    def mean(self, function: sp.Expr) -> sp.Expr:
        """Return the mean of a function of one mode over the modes."""
        action = self.free_energy.symmetric.action
        return mode_mean(function, action.moments, action.spectrum)

    def derivative(self, parameter: sp.Symbol) -> sp.Expr:
        """Return the derivative in an order parameter, or the response to a source."""
        return self.order.diff(parameter) + self.mean(self.mode.diff(parameter))

    def without(self, sources: Sequence[sp.Symbol]) -> GroundState:
        """Return the ground state with sources set to zero."""
        zero = dict.fromkeys(sources, sp.S.Zero)
        return GroundState(self.free_energy, replaced(self.order, zero), replaced(self.mode, zero))

    def saddle_point(self) -> tuple[sp.Eq, ...]:
        """Return the stationarity in Q, chi, Qhat and chihat, as explicit equations.

        The equations are solved for Qhat, chihat, Q and chi in this order.
        """
        solved = ((Q, Q_HAT), (CHI, CHI_HAT), (Q_HAT, Q), (CHI_HAT, CHI))
        return tuple(
            equation(name, linear_root(self.derivative(parameter), name))
            for parameter, name in solved
        )


def ground_state(free_energy: FreeEnergy) -> GroundState:
    """Take the temperature to zero at fixed chi, conjugates scaled accordingly.

    Parameters
    ----------
    free_energy : FreeEnergy
        Under :func:`zero_temperature_ansatz`.

    Returns
    -------
    GroundState

    Raises
    ------
    ConditionError
        When the ansatz is another one, whose overlaps are not scaled with beta.
    """
    beta, ansatz = free_energy.symmetric.action.beta, free_energy.symmetric.ansatz
    n = ansatz.overlap.n
    if not isinstance(n, sp.Symbol) or ansatz != zero_temperature_ansatz(n, beta):
        raise ConditionError(
            "ground_state(...)",
            f"the overlap of the ansatz is {ansatz.overlap}",
            "as beta grows, overlap differences shrink as 1/beta and the conjugates grow",
            "action.symmetric(zero_temperature_ansatz(n, beta))",
        )
    order = zero_temperature_limit(free_energy.order, beta).after
    mode = zero_temperature_limit(free_energy.mode, beta).after
    return GroundState(free_energy, exact(sp.expand(order), "ground_state(...)"), mode)


@dataclass(frozen=True)
class Elimination:
    """A record of one elimination: the equation that was used and what it gives.

    Parameters
    ----------
    equation : sympy.Expr
        Set to zero.
    unknown : Symbol
    value : sympy.Expr
    """

    equation: sp.Expr
    unknown: sp.Symbol
    value: sp.Expr


@dataclass(frozen=True)
class EffectiveRidge:
    r"""The saddle point written with one scalar, the effective ridge xi.

    Parameters
    ----------
    ground : GroundState
    xi : Symbol
        The effective ridge, ``g''/Qhat`` where g'' is the bare curvature of the energy.
    sources : tuple of Symbol
        Set to zero at the saddle point.
    steps : tuple of Elimination
        In order: Qhat, chi, chihat, the bare ridge as a function of xi, Q.
    """

    ground: GroundState
    xi: sp.Symbol
    sources: tuple[sp.Symbol, ...]
    steps: tuple[Elimination, ...]

    @property
    def fixed_point(self) -> sp.Eq:
        """The equation of xi, solved for the bare ridge: ``lam = xi (1 - tr[s/(s + xi)]/tau)``."""
        step = self.steps[3]
        return equation(step.unknown, step.value)

    @property
    def error(self) -> sp.Expr:
        """The mean square residual on fresh data, noise included: noise + Q."""
        return self.reduce(self.ground.free_energy.symmetric.action.average.noise + Q)

    def response(self, source: sp.Symbol) -> sp.Expr:
        """Return the derivative of the ground-state energy in a source, at the saddle point.

        Only the explicit dependence counts, because the energy is stationary in the order
        parameters; a source ``pi * T * u**2 / 2`` gives half the mean of ``T u^2``, and a source
        ``-h * c * u`` gives minus the mean of ``c u``.
        """
        ground = self.ground
        mode = ground.mean(self._at_conjugates(ground.mode.diff(source)))
        return self.reduce(ground.order.diff(source) + mode)

    def reduce(self, expression: sp.Expr) -> sp.Expr:
        """Return an expression in the order parameters at the saddle point, in terms of xi."""
        overlap = self.steps[4]
        # The value of Q holds traces: it goes in last, after the mean over modes.
        value = replaced(self._at_conjugates(expression), {overlap.unknown: overlap.value})
        plain, back = masked(value)
        numerator, denominator = sp.fraction(sp.factor(plain))
        if denominator.subs(dict.fromkeys(back, 0)).is_negative:
            numerator, denominator = -numerator, -denominator
        return replaced(exact(numerator / denominator, "EffectiveRidge.reduce(...)"), back)

    def _at_conjugates(self, expression: sp.Expr) -> sp.Expr:
        result = replaced(expression, dict.fromkeys(self.sources, sp.S.Zero))
        for step in self.steps[:3]:
            result = replaced(result, {step.unknown: step.value})
        return result


def effective_ridge(
    ground: GroundState, xi: sp.Symbol, ridge: sp.Symbol, sources: Sequence[sp.Symbol] = ()
) -> EffectiveRidge:
    r"""Eliminate the order parameters of a ground state in favour of the effective ridge.

    With bare curvature ``c = g''(0)`` the effective ridge is ``xi = c / Qhat``; stationarity in Q
    and chi gives Qhat and chihat, stationarity in chihat becomes the fixed point of xi, and
    stationarity in Qhat is linear in Q.

    Parameters
    ----------
    ground : GroundState
    xi : Symbol
        Name of the effective ridge.
    ridge : Symbol
        The bare ridge, for which the fixed point is solved; the curvature is linear in it.
    sources : sequence of Symbol
        Sources in the energy, zero at the saddle point.

    Returns
    -------
    EffectiveRidge

    Raises
    ------
    ConditionError
        When the curvature of the energy without sources is not one number for all modes.

    References
    ----------
    arXiv 2405.11751 (Kronecker features); Bordelon, Canatar & Pehlevan 2020, arXiv 2002.02561.
    """
    action = ground.free_energy.symmetric.action
    zero = dict.fromkeys(sources, sp.S.Zero)
    curvature = replaced(exact(action.prior.diff(WEIGHT, 2), "effective_ridge(...)"), zero)
    if curvature.has(action.spectrum.eigenvalue) or not curvature.has(ridge):
        raise ConditionError(
            "effective_ridge(...)",
            f"the curvature of the energy of one weight is {curvature}",
            f"one effective ridge exists only for a curvature proportional to {ridge}, the same "
            "for all modes",
            "rescale the features so that the penalty is isotropic",
        )
    free = ground.without(sources)

    def eliminated(condition: sp.Expr, unknown: sp.Symbol) -> Elimination:
        return Elimination(condition, unknown, linear_root(condition, unknown))

    q_hat = Elimination(Q_HAT * xi - curvature, Q_HAT, curvature / xi)
    response = eliminated(replaced(free.derivative(Q), {Q_HAT: q_hat.value}), CHI)
    susceptibility = eliminated(replaced(free.derivative(CHI), {CHI: response.value}), CHI_HAT)
    at_ridge = {Q_HAT: q_hat.value, CHI: response.value}

    def stationary(parameter: sp.Symbol) -> sp.Expr:
        mode = replaced(free.mode.diff(parameter), at_ridge)
        return replaced(free.order.diff(parameter), at_ridge) + free.mean(mode)

    fixed_point = eliminated(stationary(CHI_HAT), ridge)
    overlap_equation = replaced(stationary(Q_HAT), {CHI_HAT: susceptibility.value})
    overlap = eliminated(overlap_equation, Q)
    steps = (q_hat, response, susceptibility, fixed_point, overlap)
    return EffectiveRidge(ground, xi, tuple(sources), steps)


def equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    """Return an equation that is kept as written."""
    return cast(sp.Eq, sp.Eq(left, right, evaluate=False))


def linear_root(condition: sp.Expr, unknown: sp.Symbol) -> sp.Expr:
    """Return the root of an equation whose numerator is linear in the unknown.

    Parameters
    ----------
    condition : sympy.Expr
        Set to zero; rational, traces allowed.
    unknown : Symbol
        Not under a trace.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        When the numerator is not of degree one in the unknown.

    Examples
    --------
    >>> x, a = sp.symbols("x a")
    >>> linear_root(a / x - 2, x)
    a/2
    """
    plain, back = masked(condition)
    numerator, _ = sp.fraction(sp.cancel(sp.together(plain)))
    bound = any(trace.has(unknown) for trace in back.values())
    if bound or not numerator.is_polynomial(unknown) or sp.Poly(numerator, unknown).degree() != 1:
        raise ConditionError(
            f"linear_root(..., {unknown})",
            f"{condition} = 0 is not linear in {unknown}",
            "only a linear unknown has one explicit root",
            "eliminate another unknown first",
        )
    slope, constant = sp.Poly(numerator, unknown).all_coeffs()
    top, bottom = sp.fraction(sp.cancel(-constant / slope))
    value = sp.collect(sp.expand(top), list(back), sp.factor) / sp.factor(bottom)
    return replaced(exact(value, f"linear_root(..., {unknown})"), back)


def replaced(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> sp.Expr:
    """Return an expression with symbols replaced, none of them bound by a trace."""
    return exact(cast(sp.Expr, expression.xreplace(dict(values))), "replaced(...)")
