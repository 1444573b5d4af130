"""Source and capacity: how fast the spectrum falls, and how the target is spread over it.

One canonical pair is used, that of Bordelon, Letey and Pehlevan: ``lambda_k = b k**-nu``
(capacity) and ``omega_k lambda_k = a k**-(nu*beta + 1)`` (source), ``k = 1, 2, ...``. The exponent
``beta`` does not depend on how the modes are counted: modes with eigenvalue below ``e`` carry a
share ``e**beta`` of the variance of the target. Other conventions are converted, under the name of
their paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from derive.errors import ConditionError
from derive.harmonic_sum import HarmonicSum
from derive.high_precision import Expression, Values, exact_point, reject_floats
from derive.mellin import MellinTransform, degrees_of_freedom

_ONE = sp.Integer(1)


@dataclass(frozen=True)
class SourceCapacity:
    r"""A power-law spectrum and a power-law target, in the canonical convention.

    ``lambda_k = spectrum_scale * k**-nu``,
    ``omega_k lambda_k = source_scale * k**-(nu*beta + 1)``, for all ``k >= 1``.

    Parameters
    ----------
    nu : sympy.Expr
        Capacity exponent, positive; plateaus of finite resources need ``nu > 1``.
    beta : sympy.Expr
        Source exponent, positive.
    spectrum_scale, source_scale : sympy.Expr
        Positive prefactors of the two laws.

    Raises
    ------
    ConditionError
        When an exponent or a scale is not positive.

    References
    ----------
    Bordelon, Letey, Pehlevan, arXiv:2510.01098, section 3 (scales there equal 1).

    Examples
    --------
    >>> nu, beta = sp.symbols("nu beta", positive=True)
    >>> SourceCapacity(nu, beta).bordelon2024()
    (beta*nu + 1, nu)
    >>> SourceCapacity.from_cui2021(sp.Rational(3, 2), sp.Rational(1, 4)).beta
    1/2
    """

    nu: Expression
    beta: Expression
    spectrum_scale: Expression = _ONE
    source_scale: Expression = _ONE

    def __post_init__(self):
        names = ("nu", "beta", "spectrum_scale", "source_scale")
        exact = reject_floats("SourceCapacity", *(getattr(self, name) for name in names))
        for name, number in zip(names, exact, strict=True):
            object.__setattr__(self, name, number)
            if number.is_positive is False or (number.is_number and not number.is_positive):
                raise ConditionError(
                    "SourceCapacity",
                    f"{name} = {number} is not positive",
                    "eigenvalues must fall, the target must have finite variance, "
                    "variances are positive",
                    f"SourceCapacity({name}=Rational(3, 2), ...)",
                )

    @classmethod
    def from_bordelon2024(cls, a: object, b: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-b``, ``omega_k lambda_k ~ k**-a`` (arXiv:2402.01092)."""
        a, b = reject_floats("from_bordelon2024", a, b)
        return cls(b, (a - 1) / b, **scales)  # type: ignore[arg-type]

    @classmethod
    def from_cui2021(cls, alpha: object, r: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-alpha``, target variance ``~ k**-(1+2 r alpha)`` (2105.15004)."""
        alpha, r = reject_floats("from_cui2021", alpha, r)
        return cls(alpha, 2 * r, **scales)  # type: ignore[arg-type]

    @classmethod
    def from_caponnetto2007(cls, b: object, c: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-b`` and the source condition ``c`` (Caponnetto & De Vito 2007).

        There ``c`` is the largest exponent for which ``sum omega_k lambda_k**(1-c)`` stays finite
        on the boundary, so it is ``beta`` itself.
        """
        b, c = reject_floats("from_caponnetto2007", b, c)
        return cls(b, c, **scales)  # type: ignore[arg-type]

    @classmethod
    def from_spigler2020(
        cls, alpha_teacher: object, alpha_student: object, d: object, **scales: object
    ) -> SourceCapacity:
        """Read kernel eigenvalues ``k**-(alpha_S/d)``, target ``k**-(alpha_T/d)`` (1905.10843)."""
        teacher, student, d = reject_floats("from_spigler2020", alpha_teacher, alpha_student, d)
        return cls(student / d, (teacher - d) / student, **scales)  # type: ignore[arg-type]

    @classmethod
    def from_maloney2022(cls, alpha: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-(1+alpha)`` with a flat teacher (2210.16859; also Bahri 2021)."""
        (alpha,) = reject_floats("from_maloney2022", alpha)
        return cls(1 + alpha, alpha / (1 + alpha), **scales)  # type: ignore[arg-type]

    @classmethod
    def from_paquette2024(cls, alpha: object, beta: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_j ~ j**-(2 alpha)``, teacher ``b_j ~ j**-beta`` (arXiv:2405.15074)."""
        alpha, beta = reject_floats("from_paquette2024", alpha, beta)
        return cls(2 * alpha, (2 * alpha + 2 * beta - 1) / (2 * alpha), **scales)  # type: ignore[arg-type]

    @classmethod
    def from_steinwart2009(cls, p: object, beta: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-(1/p)``, approximation error ``A(e) ~ e**beta`` (COLT 2009).

        There ``A(e) = min e |f|**2 + |f - f_target|**2``, which follows the target for
        ``beta <= 1`` only; beyond, it says no more than ``beta = 1``.

        Raises
        ------
        ConditionError
            When ``beta`` exceeds 1.
        """
        exponent, source = reject_floats("from_steinwart2009", p, beta)
        if (source - 1).is_positive:
            raise ConditionError(
                "from_steinwart2009",
                f"beta = {source} exceeds 1",
                "the approximation error of a ridge saturates at its first power",
                "from_cui2021(alpha, r), whose source r is not limited",
            )
        return cls(1 / exponent, source, **scales)  # type: ignore[arg-type]

    @classmethod
    def from_lin2024(cls, a: object, b: object, **scales: object) -> SourceCapacity:
        """Read ``lambda_k ~ k**-a``, target variance ``~ k**-b`` (arXiv:2406.08466)."""
        a, b = reject_floats("from_lin2024", a, b)
        return cls(a, (b - 1) / a, **scales)  # type: ignore[arg-type]

    def bordelon2024(self) -> tuple[Expression, Expression]:
        """Give ``(a, b)`` with ``omega_k lambda_k ~ k**-a``, ``lambda_k ~ k**-b``."""
        return sp.expand(self.nu * self.beta + 1), self.nu

    def cui2021(self) -> tuple[Expression, Expression]:
        """Give capacity ``alpha`` and source ``r`` of arXiv:2105.15004."""
        return self.nu, self.beta / 2

    def caponnetto2007(self) -> tuple[Expression, Expression]:
        """Give ``(b, c)`` of Caponnetto & De Vito."""
        return self.nu, self.beta

    def spigler2020(self, d: object) -> tuple[Expression, Expression]:
        """Give ``(alpha_T, alpha_S)`` in dimension ``d``."""
        (d,) = reject_floats("spigler2020", d)
        return sp.expand(d * (self.nu * self.beta + 1)), d * self.nu

    def maloney2022(self) -> Expression:
        """Give ``alpha``; the teacher must be flat, ``nu beta + 1 = nu``.

        Raises
        ------
        ConditionError
            When the teacher is not flat.
        """
        if sp.simplify(self.nu * self.beta + 1 - self.nu) != 0:
            slope = sp.simplify(self.nu - self.nu * self.beta - 1)
            raise ConditionError(
                "maloney2022",
                f"the teacher variance falls like k**({slope})",
                "this convention has one exponent because the teacher is flat",
                "bordelon2024()",
            )
        return self.nu - 1

    def paquette2024(self) -> tuple[Expression, Expression]:
        """Give ``(alpha, beta)`` of arXiv:2405.15074."""
        return self.nu / 2, sp.expand((self.nu * self.beta + 1 - self.nu) / 2)

    def steinwart2009(self) -> tuple[Expression, Expression]:
        """Give ``(p, beta)``; the approximation error follows the target for ``beta <= 1``."""
        return 1 / self.nu, self.beta

    def lin2024(self) -> tuple[Expression, Expression]:
        """Give ``(a, b)`` with ``lambda_k ~ k**-a``, ``omega_k lambda_k ~ k**-b``."""
        return self.nu, sp.expand(self.nu * self.beta + 1)

    def eigenvalue(self, k: Expression) -> Expression:
        """Eigenvalue ``lambda_k``."""
        return self.spectrum_scale * k**-self.nu

    def source(self, k: Expression) -> Expression:
        """Target variance ``omega_k lambda_k`` carried by mode ``k``."""
        return self.source_scale * k ** -(self.nu * self.beta + 1)

    def subs(self, values: Values) -> SourceCapacity:
        """Put values of the parameters into the law."""
        point = exact_point("SourceCapacity.subs", values)
        return replace(
            self,
            nu=self.nu.subs(point),
            beta=self.beta.subs(point),
            spectrum_scale=self.spectrum_scale.subs(point),
            source_scale=self.source_scale.subs(point),
        )

    def sum(
        self,
        pair: MellinTransform,
        variable: sp.Symbol,
        weight: tuple[object, object] = (1, 0),
        argument: tuple[object, object] = (0, 1),
    ) -> HarmonicSum:
        """Write a spectral sum ``sum_k w_k f(x u_k)`` as a harmonic sum.

        Parameters
        ----------
        pair : MellinTransform
            The function ``f``.
        variable : sympy.Symbol
            Its large parameter ``x``, positive.
        weight, argument : pair of exponents
            ``(i, j)`` stands for ``(omega_k lambda_k)**i lambda_k**j``: ``(1, 0)`` is the source,
            ``(0, 1)`` the eigenvalue, ``(1, 2)`` the rate ``omega lambda**3`` of the flow at
            fixed covariance.

        Returns
        -------
        HarmonicSum
            With ``decay``, ``rate`` and both scales read off the law.
        """
        decay, amplitude = self._monomial(weight)
        rate, scale = self._monomial(argument)
        return HarmonicSum(pair, decay, rate, amplitude, scale, variable)

    def degrees_of_freedom(self, order: int, variable: sp.Symbol) -> HarmonicSum:
        """Effective degrees of freedom ``Tr [Lambda/(Lambda+kappa)]**order``, ``x = 1/kappa``."""
        return self.sum(degrees_of_freedom(order), variable, weight=(0, 0))

    def cumulative(self) -> tuple[Expression, Expression]:
        """Exponent and amplitude of ``sum_{lambda_k <= e} omega_k lambda_k ~ c e**beta``."""
        amplitude = self.source_scale / (self.nu * self.beta) * self.spectrum_scale**-self.beta
        return self.beta, amplitude

    def _monomial(self, powers: tuple[object, object]) -> tuple[Expression, Expression]:
        """Exponent and scale of ``(omega lambda)**i lambda**j``."""
        i, j = reject_floats("SourceCapacity.sum", *powers)
        exponent = sp.expand(i * (self.nu * self.beta + 1) + j * self.nu)
        return exponent, self.source_scale**i * self.spectrum_scale**j
