"""Tauberian theorems: from how a measure accumulates at 0 to its transforms, and back.

Only the amount of target below an eigenvalue matters for the leading law; the spectrum need not be
an exact power.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from derive.asymptotic_series import Term
from derive.errors import ConditionError
from derive.high_precision import Expression, Values, exact_number, exact_point, reject_floats
from derive.mellin import MellinTransform, s
from derive.power_law import SourceCapacity


@dataclass(frozen=True)
class Accumulation:
    r"""A positive measure that accumulates at 0 like a power.

    ``U(e) = measure([0, e]) ~ amplitude * e**exponent`` as ``e -> 0``.

    Parameters
    ----------
    exponent, amplitude : sympy.Expr
        Both positive.

    References
    ----------
    Karamata 1931; Bingham, Goldie, Teugels, "Regular variation", theorems 1.7.1 and 1.7.4.

    Examples
    --------
    >>> from derive.mellin import exponential
    >>> b, c = sp.symbols("beta c", positive=True)
    >>> Accumulation(b, c).average(exponential(), {b: 1}).coefficient
    beta*c*gamma(beta)
    """

    exponent: Expression
    amplitude: Expression

    def __post_init__(self):
        for name, number in (("exponent", self.exponent), ("amplitude", self.amplitude)):
            reject_floats("Accumulation", number)
            if number.is_positive is False:
                raise ConditionError(
                    "Accumulation",
                    f"{name} = {number} is not positive",
                    "the theorems hold for positive measures that vanish at 0",
                    f"Accumulation({name}={sp.Abs(number)})",
                )

    @classmethod
    def of_source(cls, law: SourceCapacity) -> Accumulation:
        """Target variance carried by eigenvalues below ``e``."""
        return cls(*law.cumulative())

    def average(self, pair: MellinTransform, at: Values) -> Term:
        """Abelian direction: ``int f(x u) dU(u) ~ amplitude exponent f*(exponent) x**-exponent``.

        Parameters
        ----------
        pair : MellinTransform
            The function ``f`` with its strip.
        at : mapping
            Exact values of the exponents.

        Returns
        -------
        Term
            Leading term in the large ``x``; the theorem gives no rate, hence no next order.

        Raises
        ------
        ConditionError
            When the exponent is outside the strip of ``f``: the average is then dominated by the
            bulk of the measure (saturation), not by its accumulation at 0.
        """
        self._inside(pair, at)
        coefficient = self.amplitude * self.exponent * pair.transform.subs(s, self.exponent)
        return Term(coefficient, -self.exponent)

    @classmethod
    def from_average(
        cls, exponent: object, amplitude: object, pair: MellinTransform, at: Values
    ) -> Accumulation:
        """Tauberian direction: read the measure off ``int f(x u) dU(u) ~ a x**-exponent``.

        Valid for positive measures when ``f*`` has no zero on the line ``Re s = exponent``
        (Wiener); ``exp(-x)`` and ``(1+x)**-m`` have none.
        """
        rho, a = reject_floats("from_average", exponent, amplitude)
        unit = cls(rho, sp.Integer(1))
        unit._inside(pair, at)
        return cls(rho, sp.simplify(a / (rho * pair.transform.subs(s, rho))))

    def _inside(self, pair: MellinTransform, at: Values) -> None:
        point = exact_point("Accumulation", at)
        low, high = pair.strip
        conditions = (sp.Lt(low, self.exponent), sp.Lt(self.exponent, high))
        for condition in conditions:
            if exact_number(condition).subs(point) == sp.false:
                raise ConditionError(
                    "Accumulation",
                    f"the exponent {self.exponent} is not inside the strip {pair.strip}",
                    "outside it the average does not follow the accumulation at 0",
                    f"an exponent between {low} and {high}, or the saturated law of HarmonicSum",
                )
