r"""From raw Dyson equations to the short form a theorist writes.

Three operations, each returning a new system and a record of what was done: unknowns that are
equal (or opposite) are merged, so that duplicates and transposed twins go; unknowns with an
explicit or a linear equation are eliminated; and what is left is named, as an effective ridge with
its degrees of freedom, or as polynomials in chosen quantities (:mod:`derive.elimination`).

Merging rests on uniqueness: if the equations are consistent with ``x = y`` put in everywhere, then
the solution of the shorter system solves the longer one, and the branch analytic in the variances
is unique.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import sympy as sp

from derive.deterministic_equivalent import (
    NamedResult,
    SampleCovariance,
    name_degrees_of_freedom,
)
from derive.dyson import DysonSolution, DysonSystem, solve_numerically
from derive.errors import ArgumentsError, ConditionError
from derive.spectral_trace import SpectralTrace, difference_vanishes, substituted
from derive.word_trace import WordTrace, in_spectrum
from derive.words import Deterministic, Word


@dataclass(frozen=True)
class ReductionStep:
    """One change of a system of equations.

    Parameters
    ----------
    rule : str
        What was done, in words.
    removed : dict of sympy.Symbol to sympy.Expr
        Each unknown that went, with what it is equal to.
    before, after : int
        Number of unknowns.
    """

    rule: str
    removed: dict[sp.Symbol, sp.Expr]
    before: int
    after: int


@dataclass(frozen=True)
class ReducedSystem:
    """Equations after reduction, with the steps that led to them.

    Parameters
    ----------
    equations : dict of sympy.Symbol to sympy.Expr
        ``unknown = right side``.
    outputs : dict of str to sympy.Expr
        The traces asked for, in the unknowns left.
    steps : tuple of ReductionStep
    """

    equations: dict[sp.Symbol, sp.Expr]
    outputs: dict[str, sp.Expr]
    steps: tuple[ReductionStep, ...]


def witness(system: DysonSystem, seed: int = 0) -> tuple[dict[sp.Symbol, float], DysonSolution]:
    """Return random scalars and the solution there, every deterministic letter being a number.

    Parameters
    ----------
    system : DysonSystem
    seed : int
        Of the random numbers.

    Returns
    -------
    scalars : dict
        Symbol -> number, sizes equal to one.
    solution : DysonSolution
        Its ``converged`` says whether it may be used.
    """
    sides = [*system.equations.values(), *system.outputs.values()]
    words = [cast(WordTrace, t).word for side in sides for t in side.atoms(WordTrace)]
    sizes = {s for w in words for p in _subwords(w) for side in p.shape for s in side.free_symbols}
    symbols = set().union(*(s.free_symbols for s in sides)) - set(system.equations)
    letters = sorted({str(x.args[0]) for w in words for x in w.letters()})
    rng = np.random.default_rng(seed)
    # a frequency among the scalars must lie outside a spectrum: later seeds reach further
    low, high = (0.5, 2.0) if seed % 12 < 3 else (0.1, 12.0)

    def draw() -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    scalars: dict[sp.Symbol, float] = {
        cast(sp.Symbol, s): 1.0 if s in sizes else draw() for s in sorted(symbols | sizes, key=str)
    }
    matrices = {name: np.array([[draw()]]) for name in letters}
    return scalars, solve_numerically(system, matrices, scalars, tolerance=1e-14, most=600)


def merge_unknowns(system: DysonSystem, spectrum: Deterministic | None = None) -> ReducedSystem:
    r"""Return the system with equal and opposite unknowns merged.

    Candidates are read off the numbers at a random point, where each matrix is a number; each is
    then checked exactly on the equations, for all matrices, and dropped if it does not hold.

    Parameters
    ----------
    system : DysonSystem
    spectrum : Deterministic, optional
        Letter over whose spectrum traces are written first.

    Returns
    -------
    ReducedSystem

    Examples
    --------
    >>> from derive.dyson import dyson_equations
    >>> from derive.words import Gaussian, Identity
    >>> n, d, phi, lam = sp.symbols("n d phi lam", positive=True)
    >>> X = Gaussian("X", n, d, 1 / n)
    >>> R = (X.T @ X + lam * Identity(d)).inverse()
    >>> system = dyson_equations({"tr R^2": R @ R}, {d: phi * n})
    >>> len(system.equations), len(merge_unknowns(system).equations)
    (6, 4)
    """
    equations, outputs = dict(system.equations), dict(system.outputs)
    if spectrum is not None:
        equations = {k: in_spectrum(e, spectrum) for k, e in equations.items()}
        outputs = {k: in_spectrum(e, spectrum) for k, e in outputs.items()}
    candidates = _candidates(system)
    merged = _consistent(equations, candidates or {})
    kept = {k: _put(e, merged) for k, e in equations.items() if k not in merged}
    rule = "equal or opposite unknowns merged"
    if candidates is None:
        rule = "nothing merged: the fixed point converged at no random point"
    step = ReductionStep(rule, merged, len(equations), len(kept))
    return ReducedSystem(kept, {k: _put(e, merged) for k, e in outputs.items()}, (step,))


def eliminate(system: ReducedSystem, unknowns: Iterable[sp.Symbol] | None = None) -> ReducedSystem:
    """Return the system with unknowns removed whose equations are explicit or linear in them.

    Parameters
    ----------
    system : ReducedSystem
    unknowns : iterable of sympy.Symbol, optional
        Which ones, in order. By default all with a right side free of traces, then all that stand
        linearly and outside inverses in their own equation.

    Returns
    -------
    ReducedSystem

    Raises
    ------
    ConditionError
        If an unknown named does not stand linearly in its own equation.
    """
    if unknowns is not None:
        for unknown in unknowns:
            value = _own_value(unknown, system.equations[unknown])
            if value is None:
                raise ConditionError(
                    f"eliminate(..., [{unknown}])",
                    f"{unknown} stands under an inverse in its own equation",
                    "its equation is neither explicit nor linear",
                    "eliminate another unknown, or derive.elimination.eliminate_to_polynomials",
                )
            system = _without(system, unknown, value)
        return system
    while True:
        choice = _next_unknown(system)
        if choice is None:
            return system
        system = _without(system, *choice)


def rename(system: ReducedSystem, names: Mapping[sp.Symbol, sp.Expr]) -> ReducedSystem:
    r"""Return the system in new unknowns.

    Parameters
    ----------
    system : ReducedSystem
    names : mapping
        Old unknown -> expression in one new symbol, e.g. ``{x2: p1 * e1}``.

    Returns
    -------
    ReducedSystem
    """
    equations: dict[sp.Symbol, sp.Expr] = {}
    for unknown, side in system.equations.items():
        if unknown not in names:
            equations[unknown] = _put(side, names)
            continue
        new = [s for s in names[unknown].free_symbols if not _stands_in(s, system)]
        if len(new) != 1:
            raise ArgumentsError(
                f"rename({{{unknown}: {names[unknown]}}})",
                f"{len(new)} new symbols stand in {names[unknown]}",
                "each unknown gets one new name",
                f"rename(system, {{{unknown}: p * e}})",
            )
        target = sp.Dummy()
        (value,) = sp.solve(names[unknown] - target, new[0])
        equations[cast(sp.Symbol, new[0])] = _put(value.subs(target, side), names)
    outputs = {k: _put(e, names) for k, e in system.outputs.items()}
    count = len(equations)
    step = ReductionStep("unknowns renamed", dict(names), count, count)
    return ReducedSystem(equations, outputs, (*system.steps, step))


def ridge_form(system: ReducedSystem, sample: SampleCovariance) -> dict[str, NamedResult]:
    r"""Return the outputs in the names kappa, df1, df2 and gamma of a sample covariance.

    The one unknown left stands in denominators :math:`a+b\,s`; the effective ridge is
    :math:`\kappa=a/b`. That the equation left is then the effective-ridge equation of the sample
    is checked exactly, for every spectrum.

    Parameters
    ----------
    system : ReducedSystem
        With one unknown, in traces over the spectrum of the sample.
    sample : SampleCovariance
        Gives meaning to the names.

    Returns
    -------
    dict of str to NamedResult

    Raises
    ------
    ConditionError
        If more unknowns are left, no ratio can be named, or the equation is another one.
    """
    if len(system.equations) != 1:
        raise ConditionError(
            "ridge_form",
            f"{len(system.equations)} unknowns are left: {', '.join(map(str, system.equations))}",
            "one effective ridge describes one unknown",
            "merge_unknowns and eliminate first; several covariances have no two-line form",
        )
    ((unknown, side),) = system.equations.items()
    place = sample.spectrum.eigenvalue
    ratios = {
        sp.factor(poly.nth(0) / poly.nth(1))
        for trace in (unknown - side).atoms(SpectralTrace)
        for base in _denominators(cast(SpectralTrace, trace).function, place)
        if (poly := sp.Poly(base, place)).degree() == 1 and base.has(unknown)
    }
    if len(ratios) != 1:
        raise ConditionError(
            "ridge_form",
            f"{len(ratios)} different resolvents stand in the equation of {unknown}",
            "the effective ridge is the ratio a/b of the one denominator a + b s",
            "write the traces over one spectrum: merge_unknowns(system, spectrum=Sigma)",
        )
    (value,) = sp.solve(sp.numer(sp.together(ratios.pop() - sample.kappa)), unknown)
    ridge: dict[sp.Basic, sp.Basic] = {sample.lam: sample.kappa * (1 - sample.phi * sample.df1)}
    equation = substituted(_put(unknown - side, {unknown: value}), ridge)
    if not difference_vanishes(equation, sp.Integer(0)):
        raise ConditionError(
            "ridge_form",
            f"the equation of {unknown} is not that of the effective ridge of {sample}",
            "it does not vanish at lambda = kappa (1 - phi df1)",
            "check the variance of the letter (1/n) and the ratios ({d: phi * n})",
        )
    return {
        name: name_degrees_of_freedom(_monic(_put(output, {unknown: value}), place), sample)
        for name, output in system.outputs.items()
    }


def _candidates(system: DysonSystem) -> dict[sp.Symbol, sp.Expr] | None:
    for seed in range(6):
        _, solution = witness(system, seed)
        if solution.converged:
            break
    else:
        return None
    values = solution.unknowns
    scale = max((abs(v) for v in values.values()), default=1.0)
    merged: dict[sp.Symbol, sp.Expr] = {}
    kept: list[sp.Symbol] = []
    for unknown, value in values.items():
        if abs(value) < 1e-11 * scale:
            merged[unknown] = sp.Integer(0)
            continue
        for other in kept:
            for sign in (1, -1):
                if abs(value - sign * values[other]) < 1e-9 * abs(value):
                    merged[unknown] = sign * other
                    break
            if unknown in merged:
                break
        else:
            kept.append(unknown)
    return merged


def _consistent(
    equations: dict[sp.Symbol, sp.Expr], merged: dict[sp.Symbol, sp.Expr]
) -> dict[sp.Symbol, sp.Expr]:
    """Drop candidates until each one left holds on the equations with all of them put in."""
    while True:
        wrong = []
        for unknown, value in merged.items():
            side = _put(equations[unknown], merged)
            expected: sp.Expr = sp.Integer(0)
            for other in value.free_symbols:
                whole = _put(equations[cast(sp.Symbol, other)], merged)
                expected = substituted(value, {other: whole})
            if not _equal(side, expected):
                wrong.append(unknown)
        if not wrong:
            return merged
        merged = {k: v for k, v in merged.items() if k not in wrong}


def _equal(left: sp.Expr, right: sp.Expr) -> bool:
    names: dict[sp.Basic, sp.Expr] = {t: sp.Dummy() for t in (left - right).atoms(WordTrace)}
    return difference_vanishes(_put(left, names), _put(right, names))


def _put(expression: sp.Expr, values: Mapping[Any, sp.Expr]) -> sp.Expr:
    return cast(sp.Expr, expression.xreplace(dict(values)))


def _own_value(unknown: sp.Symbol, side: sp.Expr) -> sp.Expr | None:
    """Solve ``unknown = side`` when the unknown stands in it linearly or not at all."""
    if not side.has(unknown):
        return side
    opened = side.replace(
        lambda e: isinstance(e, SpectralTrace) and e.has(unknown), lambda e: e.expand(trace=True)
    )
    names = {t: sp.Dummy() for t in opened.atoms(SpectralTrace, WordTrace)}
    if any(t.has(unknown) for t in names):
        return None
    plain = sp.cancel(sp.together(opened.xreplace(names)))
    slope = sp.cancel(plain.diff(unknown))
    if slope.has(unknown):
        return None
    value = sp.factor(sp.cancel(plain.subs(unknown, 0)) / (1 - slope))
    return cast(sp.Expr, value.xreplace({d: t for t, d in names.items()}))


def _next_unknown(system: ReducedSystem) -> tuple[sp.Symbol, sp.Expr] | None:
    unknowns = set(system.equations)
    ordered = sorted(
        system.equations.items(),
        key=lambda item: (
            bool(item[1].atoms(SpectralTrace, WordTrace)),
            item[1].has(item[0]),
            sp.count_ops(item[1]),
            str(item[0]),
        ),
    )
    for unknown, side in ordered:
        traces = side.atoms(SpectralTrace, WordTrace)
        explicit = not side.has(unknown)
        # an explicit right side with traces of other unknowns would nest traces in inverses
        if explicit and traces and any(t.free_symbols & unknowns for t in traces):
            inside = any(
                t.has(unknown) for e in system.equations.values() for t in _traces(e)
            ) or any(t.has(unknown) for e in system.outputs.values() for t in _traces(e))
            if inside:
                continue
        value = _own_value(unknown, side)
        if value is not None and len(system.equations) > 1:
            return unknown, value
    return None


def _traces(expression: sp.Expr) -> set:
    return expression.atoms(SpectralTrace, WordTrace)


def _without(system: ReducedSystem, unknown: sp.Symbol, value: sp.Expr) -> ReducedSystem:
    names = {unknown: value}
    equations = {k: _put(e, names) for k, e in system.equations.items() if k != unknown}
    outputs = {k: _put(e, names) for k, e in system.outputs.items()}
    step = ReductionStep("unknown eliminated", names, len(system.equations), len(equations))
    return ReducedSystem(equations, outputs, (*system.steps, step))


def _stands_in(symbol: sp.Basic, system: ReducedSystem) -> bool:
    return any(e.has(symbol) for e in (*system.equations.values(), *system.outputs.values()))


def _denominators(function: sp.Expr, place: sp.Symbol) -> list[sp.Expr]:
    denominator = sp.fraction(sp.together(function))[1]
    bases = [f.as_base_exp()[0] for f in sp.Mul.make_args(cast(sp.Expr, sp.factor(denominator)))]
    return [b for b in bases if b.has(place) and b.is_polynomial(place)]


def _monic(expression: sp.Expr, place: sp.Symbol) -> sp.Expr:
    """Write denominators a + b s under traces as b (s + a/b), with b taken out of the trace."""

    def function(trace: SpectralTrace) -> sp.Expr:
        out = sp.Integer(1)
        for factor in sp.Mul.make_args(cast(sp.Expr, sp.factor(sp.together(trace.function)))):
            base, power = factor.as_base_exp()
            if base.has(place) and base.is_polynomial(place):
                lead = sp.Poly(base, place).LC()
                factor = lead**power * sp.expand(sp.cancel(base / lead)) ** power
            out *= factor
        return trace.func(out, *trace.args[1:])

    changed = expression.replace(lambda e: isinstance(e, SpectralTrace), function)
    return cast(sp.Expr, changed)


def _subwords(word: Word) -> list[Word]:
    return [cast(Word, w) for w in sp.preorder_traversal(word) if isinstance(w, Word)]
