r"""Deterministic equivalents of one and of two resolvents of a sample covariance.

For :math:`\hat\Sigma = X^\top X/n` with independent rows of covariance :math:`\Sigma` (size
:math:`d`), in the limit :math:`d, n\to\infty` with :math:`\phi = d/n`, the resolvent
:math:`R = (\lambda+\hat\Sigma)^{-1}` may be replaced, inside any trace with a bounded test matrix,
by a function of :math:`\Sigma`. One rule is assumed here, the leave-one-out form

.. math:: (L + \hat\Sigma)^{-1} \simeq (L + b\,\Sigma)^{-1},\qquad
   b = \Big(1 + \phi\,\overline{\mathrm{tr}}\,\Sigma (L+b\,\Sigma)^{-1}\Big)^{-1},

for :math:`L` a deterministic matrix, also one of 2 x 2 blocks (then :math:`b` is a 2 x 2 matrix).
Everything else is derived from it: the effective ridge :math:`\kappa`, its derivative, and the
two-resolvent rule, which is the upper right block for :math:`L` upper triangular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import sympy as sp

from derive.errors import ArgumentsError, RefutedError
from derive.spectral_trace import (
    SpectralTrace,
    SpectralWord,
    Spectrum,
    difference_vanishes,
    masked,
    partial_fractions,
    substituted,
)


def definition(name: sp.Basic, value: sp.Basic) -> sp.Eq:
    """Return the equation ``name = value`` without deciding whether it holds."""
    return cast(sp.Eq, sp.Eq(name, value, evaluate=False))


@dataclass(frozen=True)
class Equivalence:
    r"""A statement ``before ~ after`` under every trace, with the scalars it introduces.

    Parameters
    ----------
    before : str
        The random matrix, in LaTeX.
    after : SpectralWord
        The deterministic matrix.
    where : tuple of sympy.Eq
        Defining equation of each scalar in ``after``.
    reason : str
        The rule that was applied.
    """

    before: str
    after: SpectralWord
    where: tuple[sp.Eq, ...]
    reason: str

    def trace(self, *right: SpectralWord) -> sp.Expr:
        """Return the normalised trace of the matrix times the given words, in order."""
        word = self.after
        for factor in right:
            word = word @ factor
        return word.trace()


@dataclass(frozen=True)
class NamedResult:
    """An expression in kappa, df1, df2, gamma with the equations that define these names.

    Parameters
    ----------
    expression : sympy.Expr
        In the named scalars and in traces with test matrices.
    where : tuple of sympy.Eq
        ``name = definition`` for each name that stands in the expression or in a definition.
    """

    expression: sp.Expr
    where: tuple[sp.Eq, ...]


@dataclass(frozen=True)
class SampleCovariance:
    r"""The resolvent :math:`R=(\lambda+X^\top X/n)^{-1}` for rows of covariance :math:`\Sigma`.

    Parameters
    ----------
    spectrum : Spectrum
        The population covariance.
    phi : sympy.Expr
        Number of columns over number of rows, :math:`d/n`.
    lam : sympy.Symbol
        The ridge, positive.
    kappa : sympy.Symbol
        Name of the effective ridge.

    Examples
    --------
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> ridge = SampleCovariance(Spectrum("Sigma"), phi, lam, kappa)
    >>> ridge.effective_ridge
    Eq(kappa, kappa*phi*tr[Sigma/(Sigma + kappa)] + lambda)
    >>> ridge.derivative_of_effective_ridge
    1/(1 - gamma)
    """

    spectrum: Spectrum
    phi: sp.Expr
    lam: sp.Symbol
    kappa: sp.Symbol

    @property
    def resolvent(self) -> sp.Expr:
        r"""The scalar function :math:`1/(s+\kappa)` of the population matrix."""
        return 1 / (self.spectrum.eigenvalue + self.kappa)

    @property
    def df1(self) -> sp.Expr:
        r"""First degrees of freedom, :math:`\overline{\mathrm{tr}}\,\Sigma/(\Sigma+\kappa)`."""
        return self.spectrum.trace(self.spectrum.eigenvalue * self.resolvent)

    @property
    def df2(self) -> sp.Expr:
        r"""Second degrees of freedom, the trace of :math:`\Sigma^2/(\Sigma+\kappa)^2`."""
        return self.spectrum.trace((self.spectrum.eigenvalue * self.resolvent) ** 2)

    @property
    def gamma(self) -> sp.Expr:
        r"""The overfitting coefficient :math:`\gamma=\phi\,\mathrm{df}_2`, below one."""
        return self.phi * self.df2

    @property
    def effective_ridge(self) -> sp.Eq:
        r"""The fixed point :math:`\kappa = \lambda+\phi\kappa\,\mathrm{df}_1`.

        Derived from the leave-one-out form: with :math:`b=\lambda/\kappa` the resolvent is
        :math:`(\kappa/\lambda)/(\Sigma+\kappa)` and the equation of :math:`b` becomes this one.
        """
        b = sp.Dummy("b", positive=True)
        s = self.spectrum.eigenvalue
        equation = b * (1 + self.phi * self.spectrum.trace(s / (self.lam + b * s))) - 1
        in_kappa = partial_fractions(equation.subs(b, self.lam / self.kappa))
        # in partial fractions tr 1/(s + kappa) = (1 - df1)/kappa
        df1 = sp.Dummy("df1")
        first = self.spectrum.trace(self.resolvent)
        scaled = sp.together(in_kappa.subs(first, (1 - df1) / self.kappa))
        ridge = sp.solve(sp.fraction(scaled)[0], self.lam)
        (ridge,) = [root for root in ridge if root != 0]
        other_side = sp.expand(self.lam + self.kappa - ridge)
        return definition(self.kappa, other_side.subs(df1, self.df1))

    @property
    def derivative_of_effective_ridge(self) -> sp.Expr:
        r"""The derivative :math:`\kappa'(\lambda)`, in the name ``gamma``."""
        residual = self.kappa - cast(sp.Expr, self.effective_ridge.rhs)
        slope = -residual.diff(self.lam) / residual.diff(self.kappa)
        return name_degrees_of_freedom(slope, self).expression

    def total_derivative(self, expression: sp.Expr) -> sp.Expr:
        r"""Return :math:`d/d\lambda` of an expression in :math:`\lambda` and :math:`\kappa`.

        Parameters
        ----------
        expression : sympy.Expr
            With traces over the spectrum.

        Returns
        -------
        sympy.Expr
            The partial derivative plus :math:`\kappa'` times the derivative in kappa, with
            :math:`\kappa'=1/(1-\gamma)` written in traces.
        """
        partial = expression.diff(self.lam)
        return partial + expression.diff(self.kappa) / (1 - self.gamma)


def one_resolvent(sample: SampleCovariance) -> Equivalence:
    r"""Return the deterministic equivalent of one resolvent of a sample covariance.

    .. math:: \lambda(\lambda+\hat\Sigma)^{-1}\simeq\kappa(\kappa+\Sigma)^{-1},
       \qquad \kappa=\lambda+\phi\,\kappa\,\overline{\mathrm{tr}}\,\Sigma(\Sigma+\kappa)^{-1}

    as :math:`d,n\to\infty` with :math:`\phi=d/n`.

    Parameters
    ----------
    sample : SampleCovariance
        The population spectrum, the aspect ratio and the ridge.

    Returns
    -------
    Equivalence

    Validity
    --------
    Rows :math:`\Sigma^{1/2}z` with independent entries of finite fourth moment; :math:`\lambda>0`.

    References
    ----------
    Marchenko & Pastur 1967; Bai & Silverstein 1995.

    Examples
    --------
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> Sigma = Spectrum("Sigma")
    >>> one_resolvent(SampleCovariance(Sigma, phi, lam, kappa)).trace()
    kappa*tr[1/(Sigma + kappa)]/lambda
    """
    after = sample.spectrum.function(sample.kappa / sample.lam * sample.resolvent)
    return Equivalence(
        r"(\lambda+\hat\Sigma)^{-1}",
        after,
        (sample.effective_ridge,),
        "leave-one-out form with b = lambda/kappa",
    )


def two_resolvents(
    sample: SampleCovariance,
    test: sp.Symbol | SpectralWord | None = None,
    twin: SampleCovariance | None = None,
) -> Equivalence:
    r"""Return the deterministic equivalent of two resolvents with a test matrix between them.

    .. math:: R\,\Theta\,R' \simeq \frac{\kappa\kappa'}{\lambda\lambda'}\Big[G\,\Theta\,G'
       +\frac{\phi\,\overline{\mathrm{tr}}[\Theta\,G'\Sigma G]}{1-\chi}\,G\,\Sigma\,G'\Big],\qquad
       G=(\Sigma+\kappa)^{-1},\quad \chi=\phi\,\overline{\mathrm{tr}}\,\Sigma^2GG',

    as :math:`d,n\to\infty` with :math:`\phi=d/n`. On the diagonal :math:`\chi=\gamma`.

    Parameters
    ----------
    sample : SampleCovariance
        The left resolvent.
    test : sympy.Symbol or SpectralWord, optional
        The matrix between them; it need not commute with the population matrix. Default identity.
    twin : SampleCovariance, optional
        The right resolvent, of the same sample at another ridge. Default: the same ridge.

    Returns
    -------
    Equivalence

    Raises
    ------
    ArgumentsError
        If the twin has another population or aspect ratio.

    Validity
    --------
    As :func:`one_resolvent`; test matrix bounded and independent of the sample. No 0/0 at equal
    ridges.

    References
    ----------
    Bordelon, Letey & Pehlevan, arXiv 2510.01098 (Wishart layer of the two-point rule); Bach,
    arXiv 2303.01372.

    Examples
    --------
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> Sigma, Theta = Spectrum("Sigma"), sp.Symbol("Theta")
    >>> ridge = SampleCovariance(Sigma, phi, lam, kappa)
    >>> population = Sigma.function(Sigma.eigenvalue)
    >>> bias = lam**2 * two_resolvents(ridge, Theta).trace(population)
    >>> name_degrees_of_freedom(bias, ridge).expression
    kappa**2*tr[Sigma/(Sigma + kappa)**2 Theta]/(1 - gamma)
    """
    twin = twin or sample
    if (twin.spectrum, twin.phi) != (sample.spectrum, sample.phi):
        raise ArgumentsError(
            "two_resolvents",
            f"the twin has population {twin.spectrum.name}, aspect ratio {twin.phi}",
            "both resolvents belong to one sample matrix",
            f"SampleCovariance(Spectrum('{sample.spectrum.name}'), {sample.phi}, lam2, kappa2)",
        )
    inside = test if isinstance(test, SpectralWord) else sample.spectrum.test(test)
    population = sample.spectrum.function(sample.spectrum.eigenvalue)
    left = sample.spectrum.function(sample.kappa / sample.lam * sample.resolvent)
    right = sample.spectrum.function(twin.kappa / twin.lam * twin.resolvent)
    # L = [[lam, -Theta], [0, lam']]: the upper right block of (L + b Sigma)^-1 is
    # left (Theta - b12 Sigma) right, and b = (1 + phi tr Sigma (.))^-1 is linear in b12.
    b, b_twin = sample.lam / sample.kappa, twin.lam / twin.kappa
    off = sp.Dummy("b12")
    corner = left @ (inside - population.times(off)) @ right
    equation = off + b * b_twin * sample.phi * (corner @ population).trace()
    scalar = -_linear_root(equation, off)
    after = left @ (inside + population.times(scalar)) @ right
    return Equivalence(
        r"(\lambda+\hat\Sigma)^{-1}\,\Theta\,(\lambda'+\hat\Sigma)^{-1}",
        after,
        (sample.effective_ridge, twin.effective_ridge),
        "upper right block of the leave-one-out form for an upper triangular 2 x 2 ridge",
    )


def resolvent_sample_resolvent(
    sample: SampleCovariance, twin: SampleCovariance | None = None
) -> Equivalence:
    r"""Return the deterministic equivalent of :math:`R\,\hat\Sigma\,R'`.

    From the exact identity :math:`R\hat\Sigma=1-\lambda R`, so
    :math:`R\hat\Sigma R'=R'-\lambda RR'`.

    Parameters
    ----------
    sample : SampleCovariance
        The left resolvent.
    twin : SampleCovariance, optional
        The right resolvent. Default: the same ridge.

    Returns
    -------
    Equivalence

    Examples
    --------
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> Sigma = Spectrum("Sigma")
    >>> ridge = SampleCovariance(Sigma, phi, lam, kappa)
    >>> population = Sigma.function(Sigma.eigenvalue)
    >>> variance = lam * resolvent_sample_resolvent(ridge).trace(population)
    >>> name_degrees_of_freedom(variance, ridge).expression
    df2*lambda/(1 - gamma)
    """
    second = one_resolvent(twin or sample)
    pair = two_resolvents(sample, None, twin)
    return Equivalence(
        r"(\lambda+\hat\Sigma)^{-1}\,\hat\Sigma\,(\lambda'+\hat\Sigma)^{-1}",
        second.after - pair.after.times(sample.lam),
        pair.where,
        "R Sigma_hat = 1 - lambda R, then one and two resolvents",
    )


def name_degrees_of_freedom(expression: sp.Expr, sample: SampleCovariance) -> NamedResult:
    r"""Return an expression at one ridge in the names kappa, df1, df2 and gamma.

    Traces without test matrices and with poles up to the second order become df1 and df2; then the
    effective ridge is used to remove df1 or lambda, whichever leaves the shorter expression.

    Parameters
    ----------
    expression : sympy.Expr
        Rational in lambda, kappa, phi and traces.
    sample : SampleCovariance
        Gives meaning to the names.

    Returns
    -------
    NamedResult
        The result is equal to the expression on the fixed point; this is checked exactly.

    Examples
    --------
    >>> phi, lam, kappa = sp.symbols("phi lambda kappa", positive=True)
    >>> ridge = SampleCovariance(Spectrum("Sigma"), phi, lam, kappa)
    >>> name_degrees_of_freedom(ridge.spectrum.trace(ridge.resolvent**2), ridge).expression
    -(2*df1 - df2 - 1)/kappa**2
    """
    df1, df2, gamma = sp.symbols("df1 df2 gamma", positive=True)
    first, second = (sample.spectrum.trace(sample.resolvent**k) for k in (1, 2))
    plain = _without_tests(expression)
    named = plain.subs({second: (1 - 2 * df1 + df2) / sample.kappa**2})
    named = named.subs({first: (1 - df1) / sample.kappa})
    nothing: dict[sp.Basic, sp.Basic] = {}
    no_lambda: dict[sp.Basic, sp.Basic] = {sample.lam: sample.kappa * (1 - sample.phi * df1)}
    no_df1: dict[sp.Basic, sp.Basic] = {df1: (1 - sample.lam / sample.kappa) / sample.phi}
    candidates = []
    for step in (nothing, no_lambda, no_df1):
        for last in (nothing, {df2: gamma / sample.phi}, {sample.phi: gamma / df2}):
            short = _tidy(substituted(substituted(named, step), last), gamma)
            candidates.append((sp.count_ops(short), len(candidates), short))
    best = min(candidates)[2]
    definitions = {
        df1: sample.df1,
        df2: sample.df2,
        gamma: sample.gamma,
        sample.kappa: sample.effective_ridge.rhs,
    }
    on_shell = expression.subs(sample.lam, sample.kappa * (1 - sample.phi * sample.df1))
    back = best.subs({df1: sample.df1, df2: sample.df2, gamma: sample.gamma})
    back = back.subs(sample.lam, sample.kappa * (1 - sample.phi * sample.df1))
    if not difference_vanishes(on_shell, back):
        raise RefutedError(
            "name_degrees_of_freedom",
            f"{best} is not {expression} on the fixed point",
            "a rewriting rule of this function is wrong for this expression",
            "keep the expression in traces",
        )
    # kappa stands in every definition, so its equation is part of any result that uses one
    used = [n for n in definitions if best.has(n)]
    if used and sample.kappa not in used:
        used.append(sample.kappa)
    where = tuple(definition(n, definitions[n]) for n in used)
    return NamedResult(best, where)


def _linear_root(equation: sp.Expr, unknown: sp.Symbol) -> sp.Expr:
    """Return the root of an equation that is linear in the unknown, with traces untouched."""
    plain, back = masked(equation)
    slope, rest = plain.diff(unknown), plain.subs(unknown, 0)
    return cast(sp.Expr, sp.cancel(-rest / slope).xreplace(back))


def _without_tests(expression: sp.Expr) -> sp.Expr:
    """Partial fractions of the traces without test matrices; the others keep their form."""
    changed = expression.replace(
        lambda e: isinstance(e, SpectralTrace) and not e.tests, partial_fractions
    )
    return cast(sp.Expr, changed)


def _tidy(expression: sp.Expr, gamma: sp.Symbol) -> sp.Expr:
    """Factor, with the sign chosen so that ``1 - gamma`` and not ``gamma - 1`` is printed."""
    plain, back = masked(expression)
    short = cast(sp.Expr, sp.factor(plain))
    sign, positive = sp.Integer(1), []
    for factor in sp.Mul.make_args(short):
        base, power = factor.as_base_exp()
        if base == gamma - 1 and power.is_Integer:
            sign, factor = sign * (-1) ** power, (1 - gamma) ** power
        positive.append(factor)
    rest = sp.Mul(*(f for f in positive if not f.has(gamma)))
    dependent = sp.Mul(*(f for f in positive if f.has(gamma)))
    if sign == -1 and rest.could_extract_minus_sign():
        sign, rest = sp.Integer(1), -rest
    if sign == -1:
        for factor in positive:
            if isinstance(factor, sp.Add):
                whole = sp.Mul(*(-f if f is factor else f for f in positive))
                return cast(sp.Expr, whole.xreplace(back))
    return cast(sp.Expr, (sign * rest * dependent).xreplace(back))
