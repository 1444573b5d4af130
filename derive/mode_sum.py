"""Sums over infinitely many modes to high precision: the independent route of every exponent.

The first modes are added one by one; the rest is an integral plus Euler-Maclaurin corrections. No
Mellin transform is used, so agreement with an asymptotic series means something.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath

from derive.errors import ConvergenceError
from derive.high_precision import Expression, Real, evaluator
from derive.mellin import x


def sum_over_modes(
    kernel: Expression,
    decay: Real,
    rate: Real,
    argument: Real,
    order_at_zero: Real,
    modes: int | None = None,
    digits: int = 30,
) -> Real:
    """Add ``k**-decay * f(argument * k**-rate)`` over the modes ``k = 1, 2, ...``.

    Parameters
    ----------
    kernel : sympy.Expr
        The function ``f`` of ``derive.mellin.x``, all parameters substituted.
    decay, rate, argument : Real
        Exponents ``p`` and ``q > 0``, and the positive number ``y`` in ``f(y k**-q)``.
    order_at_zero : Real
        Exponent ``c`` of ``f(x) = O(x**c)`` at 0; ``p + q c > 1``.
    modes : int, optional
        Number of modes; left out, infinitely many.
    digits : int
        Wanted digits.

    Returns
    -------
    mpmath.mpf
        The sum; two numbers of explicitly added modes agree to ``digits`` digits.

    Raises
    ------
    ConvergenceError
        When they do not agree up to 4096 explicit modes.

    Examples
    --------
    >>> import sympy as sp
    >>> one = mpmath.mpf(1)
    >>> basel = sum_over_modes(sp.Integer(1), 2 * one, one, one, 0 * one, digits=15)
    >>> print(mpmath.nstr(basel, 12), mpmath.nstr(mpmath.zeta(2), 12))
    1.64493406685 1.64493406685
    """
    guard = digits + 10
    with mpmath.workdps(guard):
        function = evaluator(kernel)

        def mode(k):
            return k**-decay * function({x: argument * k**-rate})

        if modes is not None and modes <= 512:
            return mpmath.fsum(mode(mpmath.mpf(k)) for k in range(1, modes + 1))

        def integral(upper: Real, lower: Real) -> Real:
            # The summand changes over decades of k, hence the logarithmic variable.
            low: Real = mpmath.log(lower)
            high: Real = mpmath.log(upper)
            bounds = mpmath.linspace(low, high, 1 + int(mpmath.ceil(mpmath.log(upper / lower) / 3)))
            return mpmath.quad(lambda u: mpmath.exp(u) * mode(mpmath.exp(u)), bounds)

        previous, explicit, start, upto = None, mpmath.mpf(0), 1, 16
        corner = max(mpmath.mpf(2 * upto), (2 * argument) ** (1 / rate))
        rest = integral(corner, upto)
        if modes is None:
            rest += _beyond(function, corner, decay, rate, argument, order_at_zero)
        else:
            # Euler-Maclaurin at the far end as well: sum up to and including the last mode.
            rest += integral(modes, corner) if modes > corner else -integral(corner, modes)
            rest += mode(mpmath.mpf(modes)) / 2 + _bernoulli(mode, modes)
        while upto <= 4096:
            explicit += mpmath.fsum(mode(mpmath.mpf(k)) for k in range(start, upto))
            total = explicit + rest + mode(mpmath.mpf(upto)) / 2 - _bernoulli(mode, upto)
            if previous is not None:
                if abs(total - previous) <= abs(total) * mpmath.mpf(10) ** -digits:
                    return total
            rest -= integral(2 * upto, upto)
            previous, start, upto = total, upto, 2 * upto
    raise ConvergenceError(
        "sum_over_modes",
        f"{digits} digits were not reached with 4096 explicit modes",
        "Euler-Maclaurin corrections need a summand that varies slowly from mode to mode",
        f"sum_over_modes(..., digits={digits // 2})",
    )


def _beyond(
    function: Callable[..., Real],
    corner: Real,
    decay: Real,
    rate: Real,
    argument: Real,
    order_at_zero: Real,
) -> Real:
    """Integrate the summand from the corner, where its argument is small, to infinity."""
    # With w = (k/corner)**-excess the integrand is regular at w = 0.
    excess = decay + rate * order_at_zero - 1
    inner = argument * corner**-rate
    least = mpmath.mpf(10) ** (-3 * mpmath.mp.dps)

    def regular(w):
        reduced = max(w ** (rate / excess), least)
        return function({x: inner * reduced}) * reduced**-order_at_zero

    return corner ** (1 - decay) / excess * mpmath.quad(regular, [0, mpmath.mpf("0.5"), 1])


def _bernoulli(mode: Callable[[Real], Real], at: int) -> Real:
    """Euler-Maclaurin sum ``sum_j B_2j/(2j)! g^(2j-1)`` at an integer."""
    order = 24
    derivatives = mpmath.taylor(mode, mpmath.mpf(at), order)
    # taylor gives g^(2j-1)/(2j-1)!
    return mpmath.fsum(
        mpmath.bernoulli(2 * j) / (2 * j) * derivatives[2 * j - 1] for j in range(1, order // 2 + 1)
    )
