"""The named laws of random-matrix theory, each as a polynomial P(m, z) with its parameters.

Each function takes exact numbers or symbols and returns an :class:`AlgebraicLaw`, in the one
convention m(z) = int rho(dx)/(x - z). Parameters of a matrix of d rows or columns built from n
samples are ratios c = d/n.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr

from derive.algebraic_law import AlgebraicLaw, kept_conditions, law_from_equation, m, z
from derive.errors import DomainError
from derive.exact_input import exact
from derive.polynomial_ring import Exact


def marchenko_pastur(c: Exact, variance: Exact = 1) -> AlgebraicLaw:
    """Return the Marchenko-Pastur law of X^T X / n for X an n x d matrix of independent entries.

    ``1/m = -z + s/(1 + c s m)`` with entries of variance s and d/n -> c.

    Parameters
    ----------
    c : exact number or symbol
        d/n > 0; for c > 1 there is an atom of mass 1 - 1/c at zero.
    variance : exact number or symbol
        s > 0, the variance of the entries.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        c or the variance is not positive.

    Validity
    --------
    n, d -> oo at fixed ratio; edges s (1 +- sqrt(c))^2.

    References
    ----------
    Marchenko & Pastur, Mat. Sb. 72 (1967) 507.

    Examples
    --------
    The moments are the Narayana polynomials:

    >>> marchenko_pastur(sympy.Symbol("c", positive=True)).moments(3)
    [1, c + 1, c**2 + 3*c + 1]
    """
    call = f"marchenko_pastur(c={c}, variance={variance})"
    ratio, s = exact(c, call), exact(variance, call)
    conditions = kept_conditions(call, (sympy.Gt(ratio, 0), sympy.Gt(s, 0)))
    equation = 1 / m + z - s / (1 + ratio * s * m)
    return law_from_equation(equation, nonnegative=True, conditions=conditions)


def inverse_marchenko_pastur(c: Exact) -> AlgebraicLaw:
    """Return the law of the inverse of a white sample covariance, finite for d < n.

    ``c z s^2 - (1 + (c - 1) z) s + 1 = 0`` with s = 1 + z m, d/n -> c < 1.

    Parameters
    ----------
    c : exact number or symbol
        0 < c < 1.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        c is outside (0, 1): the smallest eigenvalue is zero and the inverse is unbounded.

    References
    ----------
    Marchenko & Pastur (1967); Mestre & Lagunas, IEEE Trans. Signal Process. 53 (2005) 901.

    Examples
    --------
    >>> inverse_marchenko_pastur(sympy.Symbol("c", positive=True)).moments(1)
    [-1/(c - 1)]
    """
    call = f"inverse_marchenko_pastur(c={c})"
    ratio = exact(c, call)
    conditions = kept_conditions(call, (sympy.Gt(ratio, 0), sympy.Lt(ratio, 1)))
    s = 1 + z * m
    equation = ratio * z * s**2 - (1 + (ratio - 1) * z) * s + 1
    return law_from_equation(equation, nonnegative=True, conditions=conditions)


def semicircle(variance: Exact = 1, mean: Exact = 0) -> AlgebraicLaw:
    """Return Wigner's semicircle law of a symmetric matrix with independent entries.

    ``s m^2 + (z - a) m + 1 = 0`` for entries of variance s/d around mean a times the identity.

    Parameters
    ----------
    variance : exact number or symbol
        s > 0, the variance of the law.
    mean : exact number or symbol
        a, any real.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        The variance is not positive.

    Validity
    --------
    d -> oo; edges a +- 2 sqrt(s).

    References
    ----------
    Wigner, Ann. Math. 67 (1958) 325.

    Examples
    --------
    >>> semicircle("1/4", mean=3).moments(2)
    [3, 37/4]
    """
    call = f"semicircle(variance={variance}, mean={mean})"
    s, a = exact(variance, call), exact(mean, call)
    conditions = kept_conditions(call, (sympy.Gt(s, 0),))
    return law_from_equation(s * m**2 + (z - a) * m + 1, conditions=conditions)


def atoms(weights: Mapping[Exact, Exact]) -> AlgebraicLaw:
    """Return a law of finitely many eigenvalues with given shares.

    ``m(z) = sum_i p_i / (x_i - z)``.

    Parameters
    ----------
    weights : mapping
        Position x_i to share p_i, exact numbers or symbols; the shares sum to one.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        A share is not positive, two positions coincide or the shares do not sum to one.

    Examples
    --------
    >>> atoms({1: "1/2", 4: "1/2"}).moments(2)
    [5/2, 17/2]
    """
    call = f"atoms({{{', '.join(f'{x}: {p}' for x, p in weights.items())}}})"
    pairs = [(exact(x, call), exact(p, call)) for x, p in weights.items()]
    total = sympy.simplify(sum((p for _, p in pairs), sympy.Integer(0)) - 1)
    if total != 0:
        raise DomainError(
            call,
            f"the shares sum to 1 + ({total})",
            "a law has total mass one",
            "atoms({x: share, ...}) with shares that sum to one",
        )
    if len({x for x, _ in pairs}) < len(pairs):
        raise DomainError(
            call,
            "a position is given twice",
            "its share would be ambiguous",
            "atoms({x: share, ...}) with each position once",
        )
    conditions = kept_conditions(call, [sympy.Gt(p, 0) for _, p in pairs])
    equation = m - sum((p / (x - z) for x, p in pairs), sympy.Integer(0))
    nonnegative = all(x.is_nonnegative for x, _ in pairs)
    return law_from_equation(equation, nonnegative=nonnegative, conditions=conditions)


def kesten_mckay(d: Exact) -> AlgebraicLaw:
    """Return the spectral law of a large random graph with d neighbours at each vertex.

    ``rho(x) = d sqrt(4(d-1) - x^2) / (2 pi (d^2 - x^2))``, the free sum of d Bernoulli(+-1) laws.

    Parameters
    ----------
    d : exact number or symbol
        The degree, d >= 2.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        d < 2.

    Validity
    --------
    Number of vertices -> oo at fixed d; edges +-2 sqrt(d - 1).

    References
    ----------
    Kesten, Trans. Amer. Math. Soc. 92 (1959) 336; McKay, Linear Algebra Appl. 40 (1981) 203.

    Examples
    --------
    >>> kesten_mckay(3).moments(4)
    [0, 3, 0, 15]
    """
    call = f"kesten_mckay(d={d})"
    degree = exact(d, call)
    conditions = kept_conditions(call, (sympy.Ge(degree, 2),))
    # the cavity field g = 1/(z - (d-1) g) and G = 1/(z - d g), G = -m
    equation = (degree**2 - z**2) * m**2 + (degree - 2) * z * m + degree - 1
    return law_from_equation(equation, conditions=conditions)


def fuss_catalan(s: int) -> AlgebraicLaw:
    """Return the law of the squared singular values of a product of s square Gaussian matrices.

    ``(-z m)^(s+1) = -z (1 + z m)``; the k-th moment is the Fuss-Catalan number
    binomial((s+1)k, k)/(sk + 1).

    Parameters
    ----------
    s : int
        Number of factors, s >= 1; s = 1 is Marchenko-Pastur at c = 1.

    Returns
    -------
    AlgebraicLaw

    Raises
    ------
    DomainError
        s is not a positive integer.

    Validity
    --------
    d -> oo at fixed s; support [0, (s+1)^(s+1)/s^s].

    References
    ----------
    Banica, Belinschi, Capitaine & Collins, Canad. J. Math. 63 (2011) 3; Penson & Zyczkowski,
    Phys. Rev. E 83 (2011) 061118.

    Examples
    --------
    >>> fuss_catalan(2).moments(4)
    [1, 3, 12, 55]
    """
    if isinstance(s, bool) or not isinstance(s, int) or s < 1:
        raise DomainError(
            f"fuss_catalan(s={s})",
            f"s = {s!r} is not a positive integer",
            "s counts the matrices in the product",
            "fuss_catalan(2)",
        )
    return law_from_equation((-z * m) ** (s + 1) + z * (1 + z * m), nonnegative=True)


def fisher(c1: Exact, c2: Exact) -> AlgebraicLaw:
    """Return Wachter's law of the F matrix W_1 W_2^{-1} of two white sample covariances.

    ``S(y) = (1 - c2 - c2 y)/(1 + c1 y)``, with d/n_1 -> c1 and d/n_2 -> c2 < 1.

    Parameters
    ----------
    c1, c2 : exact number or symbol
        c1 > 0, 0 < c2 < 1.

    Returns
    -------
    AlgebraicLaw
        Mean 1/(1 - c2), upper edge ((1 + sqrt(c1 + c2 - c1 c2))/(1 - c2))^2.

    Raises
    ------
    DomainError
        The ratios are outside their domain.

    References
    ----------
    Wachter, Ann. Statist. 8 (1980) 937; Silverstein, Ann. Probab. 13 (1985) 1364.

    Examples
    --------
    >>> c1, c2 = sympy.symbols("c1 c2", positive=True)
    >>> fisher(c1, c2).moments(1)
    [-1/(c2 - 1)]
    """
    call = f"fisher(c1={c1}, c2={c2})"
    first, second = exact(c1, call), exact(c2, call)
    conditions = kept_conditions(
        call, (sympy.Gt(first, 0), sympy.Gt(second, 0), sympy.Lt(second, 1))
    )
    y = -1 - z * m
    s: Expr = (1 - second - second * y) / (1 + first * y)
    # z = 1/chi(y) = (1 + y)/(y S(y))
    return law_from_equation(z * y * s - (1 + y), nonnegative=True, conditions=conditions)


def wachter(c1: Exact, c2: Exact) -> AlgebraicLaw:
    """Return Wachter's law of the MANOVA (Jacobi) matrix A/(A + B) of two Wishart matrices.

    ``A = X_1^T X_1, B = X_2^T X_2`` with n_1 and n_2 rows, c1 = d/n_1 and c2 = d/n_2 < 1; the
    Moebius image x -> x/(1 + x) of the F matrix law scaled by c2/c1.

    Parameters
    ----------
    c1, c2 : exact number or symbol
        c1 > 0, 0 < c2 < 1.

    Returns
    -------
    AlgebraicLaw
        On [0, 1], mean c2/(c1 + c2).

    Raises
    ------
    DomainError
        The ratios are outside their domain.

    References
    ----------
    Wachter, Ann. Statist. 8 (1980) 937.

    Examples
    --------
    >>> wachter("1/2", "1/3").moments(1)
    [2/5]
    """
    call = f"wachter(c1={c1}, c2={c2})"
    first, second = exact(c1, call), exact(c2, call)
    conditions = kept_conditions(
        call, (sympy.Gt(first, 0), sympy.Gt(second, 0), sympy.Lt(second, 1))
    )
    scale = second / first
    # x = t/(1 + t), t = scale f: m_F at the preimage of z, from the partial fraction of 1/(x - z)
    place = z / (1 - z) / scale
    value = scale * (1 - z) * ((1 - z) * m - 1)
    law = fisher(first, second)
    equation = law.polynomial.subs({m: value, z: place}, simultaneous=True)
    return law_from_equation(equation, nonnegative=True, conditions=conditions)
