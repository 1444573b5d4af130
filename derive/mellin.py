"""Mellin transforms with their strips, and the poles that turn them into asymptotic series.

``f*(s) = int_0^oo f(x) x**(s-1) dx`` converges for ``lower < Re s < upper``, the strip: ``f`` is
``O(x**-lower)`` at 0 and ``O(x**-upper)`` at infinity. Poles to the right of the strip give the
expansion at infinity, poles to the left the one at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from derive.errors import ConditionError
from derive.high_precision import Expression, Values, reject_floats

s = sp.Symbol("s")
x = sp.Symbol("x", positive=True)


@dataclass(frozen=True)
class MellinTransform:
    r"""A function of one positive variable together with its Mellin transform and strip.

    ``f*(s) = int_0^oo f(x) x**(s-1) dx`` for ``lower < Re s < upper``.

    Parameters
    ----------
    kernel : sympy.Expr
        The function, of the symbol ``derive.mellin.x``.
    transform : sympy.Expr
        Its transform, of the symbol ``derive.mellin.s``: sums of products of Gamma functions of
        linear arguments, powers and polynomials.
    lower, upper : sympy.Expr
        The strip.

    Notes
    -----
    Validity: the constructors below state classical pairs; ``quadrature`` checks any of them.

    References
    ----------
    Flajolet, Gourdon, Dumas, "Mellin transforms and asymptotics: harmonic sums", TCS 144 (1995).

    Examples
    --------
    >>> exponential().scaled(2).transform
    gamma(s)/2**s
    >>> resolvent(2).strip
    (0, 2)
    """

    kernel: Expression
    transform: Expression
    lower: Expression
    upper: Expression

    @property
    def strip(self) -> tuple[Expression, Expression]:
        """The two real parts between which the integral converges."""
        return self.lower, self.upper

    def scaled(self, factor: object) -> MellinTransform:
        """Stretch the argument: ``f(a x)`` has transform ``a**-s f*(s)``, ``a > 0``."""
        (a,) = reject_floats("scaled", factor)
        _require_positive("scaled", a)
        return MellinTransform(
            self.kernel.subs(x, a * x), a**-s * self.transform, self.lower, self.upper
        )

    def times(self, factor: object) -> MellinTransform:
        """Multiply the function by a constant."""
        (a,) = reject_floats("times", factor)
        return MellinTransform(a * self.kernel, a * self.transform, self.lower, self.upper)

    def shifted(self, power: object) -> MellinTransform:
        """Multiply by a power: ``x**a f(x)`` has transform ``f*(s + a)``."""
        (a,) = reject_floats("shifted", power)
        return MellinTransform(
            x**a * self.kernel, self.transform.subs(s, s + a), self.lower - a, self.upper - a
        )

    def raised(self, power: object) -> MellinTransform:
        """Change the variable: ``f(x**r)`` has transform ``f*(s/r)/r``, ``r > 0``."""
        (r,) = reject_floats("raised", power)
        _require_positive("raised", r)
        return MellinTransform(
            self.kernel.subs(x, x**r), self.transform.subs(s, s / r) / r, self.lower * r,
            self.upper * r,
        )  # fmt: skip

    def logarithmic_derivative(self) -> MellinTransform:
        """Apply ``x d/dx``: the transform is multiplied by ``-s`` (the derivative rule)."""
        return MellinTransform(
            sp.simplify(x * sp.diff(self.kernel, x)), -s * self.transform, self.lower, self.upper
        )

    def plus(self, other: MellinTransform) -> MellinTransform:
        """Add two functions on the common part of their strips.

        Raises
        ------
        ConditionError
            When the strips do not overlap.
        """
        lower, upper = sp.Max(self.lower, other.lower), sp.Min(self.upper, other.upper)
        if (lower < upper) == sp.false:
            raise ConditionError(
                "MellinTransform.plus",
                f"the strips {self.strip} and {other.strip} do not meet",
                "a sum has a Mellin transform only where both integrals converge",
                "expand the two sums separately and add the series",
            )
        return MellinTransform(
            self.kernel + other.kernel, self.transform + other.transform, lower, upper
        )

    def without_constant(self) -> MellinTransform:
        """Subtract the value at 0, which moves the strip one pole to the left.

        Raises
        ------
        ConditionError
            When the strip does not end at 0, i.e. the function has no finite value at 0.
        """
        if self.lower != 0:
            raise ConditionError(
                "without_constant",
                f"the strip starts at {self.lower}",
                "only a function with a finite value at 0 has its strip start at 0",
                "shifted(...) first",
            )
        at_zero = sp.limit(self.kernel, x, 0)
        # Right of the new strip nothing changes: the pole at 0 now belongs to the other side.
        left = [pole for pole in gamma_poles(self.transform, 3) if (pole < 0) == sp.true]
        lower = max(left, default=-sp.oo)
        return MellinTransform(self.kernel - at_zero, self.transform, lower, sp.Integer(0))

    def decay(self) -> Expression:
        """Exponential rate at which the transform falls along vertical lines."""
        return min(_vertical_decay(part) for part in sp.Add.make_args(sp.expand(self.transform)))

    def quadrature(self, at: object, values: Values, digits: int = 20):
        """Integrate the definition numerically at a point of the strip.

        Returns
        -------
        tuple of mpmath.mpf
            The integral and the closed form; they must agree.
        """
        import mpmath

        from derive.high_precision import evaluator, exact_point, value

        point = exact_point("quadrature", {s: at, **values})
        with mpmath.workdps(digits + 10):
            numbers = {symbol: value(number, {}) for symbol, number in point.items()}
            function = evaluator(self.kernel)

            def integrand(u):
                t = mpmath.exp(u)
                return function({**numbers, x: t}) * mpmath.exp(numbers[s] * u)

            small = mpmath.mpf(10) ** -(digits + 5)
            edges = []
            for direction in (-1, 1):
                edge = mpmath.mpf(0)
                while abs(integrand(edge)) > small and abs(edge) < 10**4:
                    edge += 2 * direction
                edges.append(edge)
            panels = mpmath.linspace(*edges, 2 + int((edges[1] - edges[0]) / 8))
            return mpmath.quad(integrand, panels), evaluator(self.transform)(numbers)


def exponential() -> MellinTransform:
    """Relaxation ``exp(-x)``: transform ``Gamma(s)`` on ``Re s > 0`` (Euler)."""
    return MellinTransform(sp.exp(-x), sp.gamma(s), sp.Integer(0), sp.oo)


def resolvent(power: object = 1) -> MellinTransform:
    """Resolvent power ``(1 + x)**-m``: ``Gamma(s) Gamma(m - s)/Gamma(m)`` on ``0 < Re s < m``.

    Parameters
    ----------
    power : sympy expression, positive
        The exponent ``m``.

    Returns
    -------
    MellinTransform
        The pair.

    Examples
    --------
    >>> resolvent().transform
    gamma(s)*gamma(1 - s)
    """
    (m,) = reject_floats("resolvent", power)
    _require_positive("resolvent", m)
    transform = sp.gamma(s) * sp.gamma(m - s) / sp.gamma(m)
    return MellinTransform((1 + x) ** -m, transform, sp.Integer(0), m)


def degrees_of_freedom(power: object = 1) -> MellinTransform:
    """Effective degrees of freedom of one mode, ``(x/(1+x))**m``; strip ``-m < Re s < 0``.

    With ``x = lambda_k/kappa`` the sum over modes is ``df_m = Tr [Lambda/(Lambda+kappa)]**m``.
    """
    return resolvent(power).shifted(power)


@dataclass(frozen=True)
class Pole:
    """A pole of a transform and what the inverse Mellin integral picks up there.

    Parameters
    ----------
    location : sympy.Expr
        Where, on the real axis.
    laurent : tuple of sympy.Expr
        Coefficients of ``1/(s - location)``, ``1/(s - location)**2``, ...
    origin : str
        ``"kernel"`` or ``"spectrum"``: which factor is singular; both when they collide.
    """

    location: Expression
    laurent: tuple[Expression, ...]
    origin: str


def gamma_poles(transform: Expression, count: int) -> tuple[Expression, ...]:
    """List the first poles of every Gamma family in the numerators of a transform."""
    found: list[Expression] = []
    for part in sp.Add.make_args(sp.expand(transform)):
        for factor in sp.Mul.make_args(part):
            base, power = factor.as_base_exp()
            if isinstance(base, sp.gamma) and base.has(s) and power.is_positive:
                a, b = _linear(base.args[0])
                found += [sp.expand((-n - b) / a) for n in range(count)]
            elif base.has(s) and power.is_negative and base.is_polynomial(s):
                found += list(sp.roots(base, s))
    return tuple(dict.fromkeys(found))


def _linear(argument: Any) -> tuple[Expression, Expression]:
    """Coefficients of ``a s + b``."""
    a = sp.diff(argument, s)
    return a, sp.expand(argument - a * s)


def _vertical_decay(product: Expression) -> Expression:
    """Rate r in |f*(c + i t)| ~ exp(-r |t|): each Gamma(a s + b) contributes |a| pi/2."""
    rate = sp.Integer(0)
    for factor in sp.Mul.make_args(product):
        base, power = factor.as_base_exp()
        if isinstance(base, sp.gamma) and base.has(s):
            rate += power * sp.Abs(_linear(base.args[0])[0]) * sp.pi / 2
    return rate


def _require_positive(call: str, number: Expression) -> None:
    if number.is_positive is False or (number.is_number and not number.is_positive):
        raise ConditionError(
            f"{call}({number})",
            f"{number} is not positive",
            "stretching, raising and resolvent powers keep x on the positive axis",
            f"{call}({sp.Abs(number)})",
        )


def strip_condition(lower: Expression, upper: Expression) -> Expression:
    """The inequality that makes a strip non-empty."""
    return sp.Lt(lower, upper)
