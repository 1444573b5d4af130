"""Plateaus of a finite resource: the loss that is left at width N or context length P.

The route is the one a theorist takes: the degrees of freedom fix the effective ridge, the ridge
goes into a spectral sum, and the smaller exponent wins. Half a mode of shift, ``r + 1/2``, comes
out of ``zeta(0) = -1/2`` and makes the law good from the first few modes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import sympy as sp

from derive.asymptotic_series import AsymptoticSeries, RatioEvidence, Term
from derive.errors import ConditionError
from derive.harmonic_sum import SaturationCase
from derive.high_precision import Expression, Real, Values, exact_number, exact_point, value
from derive.mellin import resolvent
from derive.power_law import SourceCapacity
from derive.power_sum import PowerSum

_SHIFT = sp.Rational(1, 2)
_PACKING = sp.Symbol("k", positive=True)


@dataclass(frozen=True)
class ResourceLaw:
    """How a quantity depends on a finite resource, with everything needed to check it.

    ``quantity = sum of c_i (r + 1/2)**e_i + next``, for large ``r``.

    Parameters
    ----------
    name : str
        What it is the law of.
    resource : sympy.Symbol
        The resource ``r`` (width, context length, samples).
    shifted : PowerSum
        The law in ``r + 1/2``.
    cases : tuple of SaturationCase
        Leading term in each phase, in the resource itself.
    exact : callable
        ``exact(r, values, digits)``: the quantity without any asymptotics.
    """

    name: str
    resource: sp.Symbol
    shifted: PowerSum
    cases: tuple[SaturationCase, ...]
    exact: Callable[[Real, Values, int], Real]

    @property
    def exponent(self) -> Expression:
        """Leading exponent in every phase at once, e.g. ``Max(-nu, -beta*nu)``."""
        return sp.Max(*(case.leading.exponent for case in self.cases))

    def series(self, at: Values, terms: int = 1) -> AsymptoticSeries:
        """Expand in ``r + 1/2``, where few terms go far."""
        return self.shifted.series(at, terms)

    def resource_series(self, at: Values, terms: int = 1) -> AsymptoticSeries:
        """Expand in the resource itself: what a plot against ``r`` shows."""
        plain = PowerSum(self.resource, self.shifted.terms, self.shifted.unknown)
        return plain.shifted(_SHIFT, terms + 2).series(at, terms)

    def evidence(
        self, at: Values, resources: Sequence[object], terms: int = 2, digits: int = 25
    ) -> RatioEvidence:
        """Compare the law with the exact quantity at several resources."""
        series = self.series(at, terms)
        scales = [exact_number(r) + _SHIFT for r in resources]
        return series.evidence(
            lambda y: self.exact(y - mpmath.mpf(1) / 2, at, digits), at, scales, digits
        )


def solve_effective_ridge(
    law: SourceCapacity, resource: Real, values: Values, digits: int = 25
) -> Real:
    """Solve ``Tr Lambda/(Lambda + kappa) = r`` for ``kappa`` with exact sums over modes.

    Parameters
    ----------
    law : SourceCapacity
        Spectrum, ``nu > 1``.
    resource : mpmath.mpf
        Positive number of degrees of freedom.
    values : mapping
        Exact values of the parameters of the law.
    digits : int
        Wanted relative accuracy.

    Returns
    -------
    mpmath.mpf
        The effective ridge.

    Examples
    --------
    >>> law = SourceCapacity(2, sp.Rational(1, 2))
    >>> kappa = solve_effective_ridge(law, mpmath.mpf(20), {})
    >>> print(mpmath.nstr(kappa * 41**2 / mpmath.pi**2, 15))
    1.0
    """
    inverse = sp.Symbol("X", positive=True)
    total = law.degrees_of_freedom(1, inverse)
    with mpmath.workdps(digits + 5):
        nu, scale = (value(e, values) for e in (law.nu, law.spectrum_scale))
        amplitude = mpmath.pi / nu / mpmath.sin(mpmath.pi / nu)
        # Only the starting point is asymptotic; the sums decide.
        start = mpmath.log(((resource + mpmath.mpf(1) / 2) / amplitude) ** nu / scale)

        def excess(log_inverse):
            sum_here = total.exact(mpmath.exp(log_inverse), values, digits=digits + 3)
            return mpmath.log(sum_here / resource)

        tolerance = mpmath.mpf(10) ** (-2 * digits)
        root = mpmath.findroot(
            excess, (start, start + mpmath.mpf("1e-4")), tol=tolerance, maxsteps=30, verify=False
        )
        return mpmath.exp(-root)


def inverse_ridge(law: SourceCapacity, shifted: sp.Symbol) -> PowerSum:
    """Expand ``1/kappa`` in ``y = r + 1/2`` from the degrees of freedom.

    ``Tr Lambda/(Lambda+kappa) = (pi/nu)/sin(pi/nu) (b/kappa)**(1/nu) - 1/2 - zeta(-nu) kappa/b``.

    Raises
    ------
    ConditionError
        When ``nu <= 1``: the trace of the spectrum diverges.
    """
    if (law.nu - 1).is_nonpositive:
        raise ConditionError(
            "inverse_ridge",
            f"the spectrum falls like k**({-law.nu})",
            "its trace diverges, so any finite number of samples leaves infinitely many modes",
            "SourceCapacity(nu, ...) with nu > 1",
        )
    inverse = sp.Symbol("X", positive=True)
    total = law.degrees_of_freedom(1, inverse)
    witness = _witness(law)
    full = PowerSum.of(total.expansion(witness, 3))
    halves = [t for t in full.terms if t.exponent == 0]
    if [t.coefficient for t in halves] != [-_SHIFT]:
        raise ConditionError(
            "inverse_ridge",
            f"the constant term of the degrees of freedom is {halves}",
            "the shift by half a mode is zeta(0)",
            "SourceCapacity with eigenvalues b k**-nu for k >= 1",
        )
    lead, *rest = [t for t in full.terms if t.exponent != 0]
    # One positive letter for (pi/nu)/sin(pi/nu) keeps powers of powers together.
    factor = law.spectrum_scale ** (1 / law.nu)
    if sp.simplify(_reflected(lead.coefficient, law) / factor / _unpacked(_PACKING, law)) != 1:
        raise ConditionError(
            "inverse_ridge",
            f"the leading coefficient is {lead.coefficient}",
            "Gamma(1 - 1/nu) Gamma(1/nu)/nu is (pi/nu)/sin(pi/nu) by reflection",
            "SourceCapacity with eigenvalues b k**-nu for k >= 1",
        )
    kept = (Term(_PACKING * factor, lead.exponent), *rest)
    return PowerSum(inverse, kept, full.unknown).inverse(shifted)


def _unpacked(coefficient: Expression, law: SourceCapacity) -> Expression:
    """Write the packing constant (pi/nu)/sin(pi/nu) out."""
    return coefficient.subs(_PACKING, sp.pi / law.nu / sp.sin(sp.pi / law.nu))


def _written_out(total: PowerSum, law: SourceCapacity) -> PowerSum:
    """Write the packing constant out in every term."""
    terms = tuple(Term(_unpacked(t.coefficient, law), t.exponent, t.log_power) for t in total.terms)
    return PowerSum(total.variable, terms, total.unknown)


def effective_ridge(law: SourceCapacity, resource: sp.Symbol) -> ResourceLaw:
    r"""Ridge that a finite number of samples or features puts on a power-law spectrum.

    ``kappa_r = b [(pi/nu)/sin(pi/nu)]**nu (r + 1/2)**-nu [1 + O(r**-(nu+1))]``; for ``nu = 2`` the
    relative error is smaller than every power and ``kappa = b (pi/(2r+1))**2``.

    Parameters
    ----------
    law : SourceCapacity
        Spectrum, ``nu > 1``.
    resource : sympy.Symbol
        The resource ``r``, positive.

    Returns
    -------
    ResourceLaw
        Law of ``kappa``, the positive solution of ``Tr Lambda/(Lambda + kappa) = r``.

    References
    ----------
    arXiv:2510.01098, section 5.

    Examples
    --------
    >>> n = sp.Symbol("n", positive=True)
    >>> law = effective_ridge(SourceCapacity(2, 1), n).series({})
    >>> law.amplitude, law.exponent, law.next is None
    (pi**2/4, -2, True)
    """
    y = sp.Symbol("y", positive=True)
    given, law, back = law, *_canonical(law)
    inner = inverse_ridge(law, y)
    ridge = PowerSum(inner.variable, (Term(sp.Integer(1), sp.Integer(-1)),), ()).after(inner)
    ridge = _returned(_written_out(ridge, law), back)
    case = SaturationCase(sp.Gt(given.nu, 1), ridge.terms[0])
    return ResourceLaw(
        "effective ridge",
        resource,
        ridge,
        (case,),
        lambda r, values, digits: solve_effective_ridge(given, r, values, digits),
    )


def width_plateau(law: SourceCapacity, resource: sp.Symbol) -> ResourceLaw:
    r"""Loss left by a random projection to width N, at infinite context and depth.

    ``l_N = kappa_N Tr Omega Lambda (kappa_N + Lambda)**-1``; the exponent is
    ``nu min(beta, 1)``, with a logarithm at ``beta = 1``.

    Parameters
    ----------
    law : SourceCapacity
        Spectrum and target, ``nu > 1``.
    resource : sympy.Symbol
        The width, positive.

    Returns
    -------
    ResourceLaw
        The plateau.

    References
    ----------
    arXiv:2510.01098, section 5 and plateaus of section 4.
    """
    return _plateau(law, resource, "width plateau", 1)


def context_plateau(law: SourceCapacity, resource: sp.Symbol) -> ResourceLaw:
    r"""Loss left by P samples: ridgeless regression on a power-law spectrum, noise-free.

    ``l_P = kappa_P**2 Tr Omega Lambda (kappa_P + Lambda)**-2 / (1 - df_2/P)``; the exponent is
    ``nu min(beta, 2)``, with a logarithm at ``beta = 2``.

    Parameters
    ----------
    law : SourceCapacity
        Spectrum and target, ``nu > 1``.
    resource : sympy.Symbol
        The number of samples, positive.

    Returns
    -------
    ResourceLaw
        The plateau.

    References
    ----------
    arXiv:2510.01098, section 5; Bordelon, Canatar, Pehlevan, arXiv:2002.02561.
    """
    return _plateau(law, resource, "context plateau", 2)


def _plateau(law: SourceCapacity, resource: sp.Symbol, name: str, order: int) -> ResourceLaw:
    """Share the route of both plateaus: spectral sum, effective ridge, variance factor."""
    y = sp.Symbol("y", positive=True)
    given, law, back = law, *_canonical(law)
    inner = inverse_ridge(law, y)
    inverse = inner.variable
    total = law.sum(resolvent(order), inverse)
    witness = _witness(law)
    expanded = PowerSum.of(total.expansion(witness, 4)).after(inner)
    if order == 2:
        expanded = expanded.times(_variance_factor(law, inner, y))
    cases = []
    parameter = law.beta
    if isinstance(parameter, sp.Symbol):
        prefactor = law.nu if order == 2 else sp.Integer(1)
        for case in total.saturation(parameter):
            outer = PowerSum(inverse, (case.leading,), ()).after(inner).terms
            top = max(outer, key=lambda term: term.log_power)
            amplitude = _unpacked(prefactor * top.coefficient, law)
            leading = Term(amplitude, top.exponent, top.log_power).subs(back)
            cases.append(SaturationCase(case.condition.subs(back), leading))
    source = given.sum(resolvent(order), inverse)

    def exact(r: Real, values: Values, digits: int) -> Real:
        kappa = solve_effective_ridge(given, r, values, digits + 3)
        with mpmath.workdps(digits + 5):
            loss = source.exact(1 / kappa, values, digits=digits)
            if order == 1:
                return loss
            second = given.degrees_of_freedom(2, inverse).exact(1 / kappa, values, digits=digits)
            return loss / (1 - second / r)

    final = _returned(_written_out(expanded, law), back)
    return ResourceLaw(name, resource, final, tuple(cases), exact)


def _variance_factor(law: SourceCapacity, inner: PowerSum, y: sp.Symbol) -> PowerSum:
    """Expand ``1/(1 - df_2/P)`` in ``y = P + 1/2``: ``nu (1 - 1/(2y))`` and one correction."""
    inverse = inner.variable
    second = PowerSum.of(law.degrees_of_freedom(2, inverse).expansion(_witness(law), 3))
    spread = second.after(inner)
    spread = PowerSum(y, tuple(replace(t, coefficient=_reflected(t.coefficient, law))
                               for t in spread.terms), spread.unknown)  # fmt: skip
    # P - df_2 = y - 1/2 - df_2 = y/nu + d y**-nu: the constants cancel.
    terms = [Term(sp.Integer(1), sp.Integer(1)), Term(-_SHIFT, sp.Integer(0))]
    table: dict[Expression, Expression] = {}
    for term in terms + [Term(-t.coefficient, t.exponent) for t in spread.terms]:
        table[term.exponent] = sp.expand(table.get(term.exponent, 0) + term.coefficient)
    left = {exponent: c for exponent, c in table.items() if c != 0}
    lead = left.pop(sp.Integer(1))
    corrections = [Term(-c / lead**2, sp.expand(exponent - 2)) for exponent, c in left.items()]
    reciprocal = PowerSum(
        y, (Term(1 / lead, sp.Integer(-1)), *corrections),
        tuple(sp.expand(u - 2) for u in spread.unknown),
    )  # fmt: skip
    samples = PowerSum(y, (Term(sp.Integer(1), sp.Integer(1)), Term(-_SHIFT, sp.Integer(0))), ())
    return samples.times(reciprocal)


def _canonical(law: SourceCapacity) -> tuple[SourceCapacity, dict[Any, Any]]:
    """Replace composite exponents by the canonical letters, which are known to be positive."""
    letters = {"nu": sp.Symbol("nu", positive=True), "beta": sp.Symbol("beta", positive=True)}
    back = {
        letter: getattr(law, name)
        for name, letter in letters.items()
        if getattr(law, name).free_symbols
    }
    return replace(law, **{letter.name: letter for letter in back}), back


def _returned(total: PowerSum, back: dict[Any, Any]) -> PowerSum:
    """Put the exponents of the given convention back."""
    terms = tuple(term.subs(back) for term in total.terms)
    return PowerSum(total.variable, terms, tuple(u.subs(back) for u in total.unknown))


def _reflected(coefficient: Expression, law: SourceCapacity) -> Expression:
    """Apply ``Gamma(1 - 1/nu) Gamma(1/nu) = pi/sin(pi/nu)``, for symbols and numbers alike."""
    reduced = sp.expand_func(sp.powsimp(_unpacked(coefficient, law)))
    other = sp.pi / sp.sin(sp.pi / law.nu) / sp.gamma(1 / law.nu)
    return sp.simplify(reduced.subs(sp.gamma(1 - 1 / law.nu), other))


def _witness(law: SourceCapacity) -> dict[Expression, Expression]:
    """Point at which poles are listed; the order of the final terms is decided by the caller."""
    point: dict[Expression, Expression] = {}
    if isinstance(law.nu, sp.Symbol):
        point[law.nu] = sp.Rational(3, 2)
    if isinstance(law.beta, sp.Symbol):
        point[law.beta] = sp.Rational(4, 5)
    return exact_point("plateau", point)
