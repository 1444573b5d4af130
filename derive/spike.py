"""A spike of rank one on a bulk: where its outlier lies and how far its eigenvector is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr

from derive.algebraic_law import AlgebraicLaw
from derive.errors import DomainError
from derive.exact_input import exact
from derive.polynomial_ring import Exact
from derive.transforms import r_transform, s_transform

_x = sympy.Dummy("x")


@dataclass(frozen=True)
class Outlier:
    """The eigenvalue that a spike pulls out of the bulk.

    Parameters
    ----------
    position : sympy.Expr
        Limit of the eigenvalue.
    overlap : sympy.Expr
        Limit of the squared scalar product of its eigenvector with the spike.
    condition : sympy relational
        The overlap is positive; below it the eigenvalue sticks to the bulk and the overlap is 0.
    """

    position: Expr
    overlap: Expr
    condition: Any


def multiplicative_spike(law: AlgebraicLaw, strength: Exact) -> Outlier:
    """Return the outlier of Sigma^{1/2} W Sigma^{1/2} where Sigma = 1 + (l - 1) v v^T.

    ``psi(1/position) = 1/(l - 1)``, that is position = z(y) = (1 + y)/(y S(y)) at y = 1/(l - 1),
    and ``overlap = -l y^2 z'(y)/z(y)``, the residue of v^T (S - z)^{-1} v.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of W, free of Sigma and with a closed S-transform; white Wishart:
        ``marchenko_pastur(c)``.
    strength : exact number or symbol
        l > 0, the spiked population eigenvalue; different from 1.

    Returns
    -------
    Outlier

    Raises
    ------
    DomainError
        l = 1 is no spike, or l <= 0.
    ConditionError
        The S-transform of the law has no closed form.

    Validity
    --------
    Infinite size, one spike, where the condition holds.

    References
    ----------
    Baik & Silverstein, J. Multivariate Anal. 97 (2006) 1382; Paul, Statist. Sinica 17 (2007) 1617;
    Benaych-Georges & Nadakuditi, Adv. Math. 227 (2011) 494.

    Examples
    --------
    >>> from derive.law import marchenko_pastur
    >>> c, l = sympy.symbols("c l", positive=True)
    >>> multiplicative_spike(marchenko_pastur(c), l).position
    l*(c + l - 1)/(l - 1)
    """
    call = f"multiplicative_spike(law, strength={strength})"
    spike = exact(strength, call)
    if spike == 1 or spike.is_nonpositive:
        raise DomainError(
            call,
            f"the strength is {spike}",
            "a population eigenvalue is positive, and 1 is that of the bulk",
            "multiplicative_spike(law, strength) with strength > 0 other than 1",
        )
    place = (1 + _x) / (_x * s_transform(law, _x))
    at: dict[Any, Any] = {_x: 1 / (spike - 1)}
    overlap = -spike * _x**2 * sympy.diff(place, _x) / place
    return _outlier(place.subs(at), overlap.subs(at))


def additive_spike(law: AlgebraicLaw, strength: Exact) -> Outlier:
    """Return the outlier of W + t v v^T.

    ``-m(position) = 1/t``, that is position = R(g) + 1/g at g = 1/t, and
    ``overlap = -g^2 d(position)/dg``.

    Parameters
    ----------
    law : AlgebraicLaw
        The law of W, with a closed R-transform.
    strength : exact number or symbol
        t, not zero.

    Returns
    -------
    Outlier

    Raises
    ------
    DomainError
        t = 0.
    ConditionError
        The R-transform of the law has no closed form.

    Validity
    --------
    Infinite size, one spike, where the condition holds.

    References
    ----------
    Peche, Probab. Theory Relat. Fields 134 (2006) 127; Benaych-Georges & Nadakuditi (2011).

    Examples
    --------
    >>> from derive.law import semicircle
    >>> t, s = sympy.symbols("t s", positive=True)
    >>> found = additive_spike(semicircle(s), t)
    >>> found.position, found.overlap
    ((s + t**2)/t, -(s - t**2)/t**2)
    """
    call = f"additive_spike(law, strength={strength})"
    spike = exact(strength, call)
    if spike == 0:
        raise DomainError(
            call,
            "the strength is zero",
            "there is no spike",
            "additive_spike(law, strength) with strength other than 0",
        )
    place = r_transform(law, _x) + 1 / _x
    at: dict[Any, Any] = {_x: 1 / spike}
    return _outlier(place.subs(at), (-(_x**2) * sympy.diff(place, _x)).subs(at))


def _outlier(position: Any, overlap: Any) -> Outlier:
    position, overlap = sympy.factor(position), sympy.factor(overlap)
    return Outlier(position, overlap, sympy.Gt(overlap, 0))
