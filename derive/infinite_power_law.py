r"""Spectra with infinitely many modes of a power law, in a form that compiles and is certified.

A trace of a rational function over the modes :math:`s_k=c\,k^{-b}`, :math:`k=1,2,\dots`, is a sum
of a few :class:`~numerics.functions.PowerLawSum`, one for each power of the eigenvalue and each
pole.  A fixed point over such a spectrum is then like any other: kernels, balls and exports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import sympy as sp

from derive.errors import ArgumentsError, ConditionError
from derive.exact_input import exact
from derive.harmonic_sum import HarmonicSum
from derive.mellin import x as kernel_variable
from derive.spectral_trace import SpectralTrace, Spectrum
from derive.spectrum_tables import MODE
from numerics.functions import PowerLawSum


def at_infinite_power_law(
    expression: sp.Expr,
    spectrum: Spectrum,
    eigenvalue: sp.Expr,
    modes: sp.Symbol,
    overlaps: Mapping[sp.Symbol, sp.Expr] | None = None,
) -> sp.Expr:
    r"""Return an expression in traces for infinitely many modes of a power law.

    .. math:: \overline{\mathrm{tr}}\,f(\Sigma)\to\frac1d\sum_{k=1}^{\infty}f(c\,k^{-b}) .

    Parameters
    ----------
    expression : sympy.Expr
        With traces of rational functions of the eigenvalue, at most one test matrix in each.
    spectrum : Spectrum
        Which matrix the modes belong to.
    eigenvalue : sympy.Expr
        A power of the mode number :data:`~derive.spectrum_tables.MODE`, e.g. ``c * MODE**-b``.
    modes : sympy.Symbol
        The number d that normalises the trace; it drops out where the trace comes with d/n.
    overlaps : mapping, optional
        Test matrix -> its diagonal element in mode ``MODE``, a power as well.

    Returns
    -------
    sympy.Expr
        With :class:`~numerics.functions.PowerLawSum` in place of the traces.

    Raises
    ------
    ArgumentsError
        If the eigenvalue or an overlap is no power of the mode, or the function is not rational.
    ConditionError
        If the sum over modes is known to diverge.

    Validity
    --------
    ``b j + t > 1`` for the least power j of the eigenvalue in the function and the decay t of the
    overlap: a trace of the identity has no limit.

    Examples
    --------
    The effective ridge of n samples, with certified digits:

    >>> from derive.deterministic_equivalent import SampleCovariance
    >>> from derive.ridge_fixed_point import effective_ridge_in_traces
    >>> phi, lam, kappa, b, c, d, n = sp.symbols("phi lam kappa b c d n", positive=True)
    >>> Sigma = Spectrum("Sigma")
    >>> point = effective_ridge_in_traces(SampleCovariance(Sigma, phi, lam, kappa)).at(
    ...     lambda e: at_infinite_power_law(e, Sigma, c * MODE**-b, d).subs(phi, d / n))
    >>> point.solve(b=1.5, c=2.0, lam=0.01, n=20.0).converged
    True
    >>> point.ball(bits=100, b="3/2", c="2", lam="1/100", n="20")["kappa"].digits(20)
    '0.095299571532425329001'
    """
    call = "at_infinite_power_law"
    scale, decay = _power(exact(eigenvalue, call), call)
    if decay.is_nonpositive:
        raise ConditionError(
            call, f"the eigenvalues grow like k**({-decay})", "their sum diverges",
            "at_infinite_power_law(expression, spectrum, c * MODE**-b, d) with b > 0",
        )  # fmt: skip
    matrices = dict(overlaps or {})

    def value(trace: Any) -> sp.Expr:
        weight: Any = sp.S.One
        if trace.tests:
            if len(trace.tests) > 1 or trace.tests[0] not in matrices:
                raise ArgumentsError(
                    call, f"the test matrices {trace.tests} in {trace} have no overlap with the "
                    "modes", "one test matrix in a trace is known by its diagonal elements",
                    f"overlaps={{{trace.tests[0]}: MODE**-t}}",
                )  # fmt: skip
            weight = exact(matrices[trace.tests[0]], call)
        amplitude, fall = _power(weight, call)
        total = _sum(trace.function, trace.places[0], scale, decay, fall, call)
        return cast(sp.Expr, amplitude * total / modes)

    def over_it(node: Any) -> bool:
        return isinstance(node, SpectralTrace) and node.args[1] == spectrum.matrix

    return cast(sp.Expr, expression.replace(over_it, value))


def as_power_law_sum(total: HarmonicSum) -> sp.Expr:
    r"""Return a harmonic sum with a resolvent kernel in a form that compiles.

    .. math:: \sum_k a\,k^{-p}\,\frac{(b k^{-q}X)^j}{(1+b k^{-q}X)^m}=a\,(bX)^j\,S(p+jq,q,m,bX).

    Parameters
    ----------
    total : HarmonicSum
        With the kernel ``x**j/(1 + x)**m``: a resolvent, degrees of freedom, or their shifts.

    Returns
    -------
    sympy.Expr
        Exact, where ``expansion`` gives the first powers.

    Raises
    ------
    ArgumentsError
        If the kernel is another one.

    Examples
    --------
    >>> from derive.power_law import SourceCapacity
    >>> b, c, X = sp.symbols("b c X", positive=True)
    >>> df2 = SourceCapacity(b, 1, spectrum_scale=c).degrees_of_freedom(2, X)
    >>> as_power_law_sum(df2)
    X**2*c**2*PowerLawSum(2*b, b, 2, X*c)
    """
    kernel: Any = sp.factor(total.pair.kernel)
    powers: dict[Any, Any] = kernel.as_powers_dict()
    shift = powers.pop(kernel_variable, sp.S.Zero)
    poles = -powers.pop(1 + kernel_variable, sp.S.Zero)
    left = sp.Mul(*(base**power for base, power in powers.items()))
    if left.has(kernel_variable) or not poles.is_positive:
        raise ArgumentsError(
            "as_power_law_sum",
            f"the kernel {total.pair.kernel} is no power of x/(1 + x) and x",
            "only resolvents of a power law have a certified sum",
            "total.exact(at, values) adds any kernel to high precision",
        )
    argument = total.scale * total.variable
    decay = sp.expand(total.decay + shift * total.rate)
    summed = PowerLawSum(decay, total.rate, poles, argument)
    return cast(sp.Expr, left * total.amplitude * argument**shift * summed)


def _power(law: Any, call: str) -> tuple[Any, Any]:
    """Return scale and decay of ``scale * MODE**-decay``."""
    decay = sp.simplify(-MODE * sp.diff(law, MODE) / law)
    if decay.has(MODE):
        raise ArgumentsError(
            call,
            f"{law} is no power of the mode number {MODE}",
            "sums over other laws have no certified tail here",
            "at_power_law(expression, spectrum, law, N) for finitely many modes of any law",
        )
    return law.subs(MODE, 1), decay


def _sum(function: Any, place: sp.Symbol, scale: Any, decay: Any, fall: Any, call: str) -> Any:
    """Add a rational function of the eigenvalue over the modes, term by term."""
    above, below = sp.fraction(sp.together(function))
    if not (above.is_polynomial(place) and below.is_polynomial(place)):
        raise ArgumentsError(
            call,
            f"{function} is not rational in the eigenvalue",
            "only powers and resolvents have a certified sum over infinitely many modes",
            "SourceCapacity.sum(pair, variable).exact(...) for exponentials and other kernels",
        )
    found: Any = sp.factor_list(below, place)
    constant, factors = found
    poles = [(f, m) for f, m in factors if f.has(place)]
    if len(poles) > 1:  # one power of the eigenvalue stays outside, so that each part converges
        parts = sp.Add.make_args(sp.apart(sp.cancel(function / place), place))
        if any(sp.fraction(sp.together(part))[1].subs(place, 0) == 0 for part in parts):
            raise _divergent(function, call)
        return sum((_sum(p * place, place, scale, decay, fall, call) for p in parts), sp.S.Zero)
    outside = constant * sp.Mul(*(f**m for f, m in factors if not f.has(place)))
    base, order = poles[0] if poles else (sp.S.One, 0)
    pole = sp.Poly(base, place)
    if pole.degree() > 1 or base.subs(place, 0) == 0:
        if base != place:
            raise ArgumentsError(
                call, f"the pole {base} is not linear in the eigenvalue",
                "a resolvent is 1/(s + kappa)", "factor the denominator first",
            )  # fmt: skip
        pole, order, shift = sp.Poly(1, place), 0, order
    else:
        shift = 0
    offset, slope = pole.nth(0), pole.nth(1)
    total = sp.S.Zero
    for (j,), coefficient in sp.Poly(above, place).terms():
        power = sp.expand(fall + (j - shift) * decay)
        if (power - 1).is_nonpositive:
            raise _divergent(function, call)
        weight = coefficient * scale ** (j - shift) / offset**order
        argument = slope * scale / offset if order else sp.S.Zero
        total += weight * PowerLawSum(power, decay, sp.Integer(order), argument)
    return total / outside


def _divergent(function: Any, call: str) -> ConditionError:
    return ConditionError(
        call,
        f"the sum of {function} over infinitely many modes diverges",
        "far modes have eigenvalue 0, where the function must vanish fast enough",
        "write what vanishes at 0, such as s/(s + kappa) for 1 - kappa/(s + kappa)",
    )
