r"""Replica-symmetric matrices, with the number of replicas n a symbol.

A matrix of n replicas that is invariant under their permutations is ``p I + q 1 1^T``.  Such
matrices commute, with eigenvalue p (n - 1 times) and p + n q (once, on the vector of ones), so
that determinants, inverses, products and functions are exact expressions in n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp
from sympy.printing.latex import LatexPrinter

from derive.errors import ArgumentsError, ConditionError
from derive.index_notation import Exact
from derive.spectral_trace import exact


@dataclass(frozen=True)
class ReplicaSymmetricMatrix:
    r"""The matrix ``p I + q 1 1^T`` of n replicas.

    Parameters
    ----------
    p : sympy.Expr
        Diagonal minus off-diagonal entry.
    q : sympy.Expr
        Off-diagonal entry.
    n : sympy.Expr
        Number of replicas, usually a symbol.

    References
    ----------
    Edwards & Anderson 1975; Mezard, Parisi & Virasoro, Spin Glass Theory and Beyond, 1987.

    Examples
    --------
    >>> p, q, n = sp.symbols("p q n", positive=True)
    >>> overlap = ReplicaSymmetricMatrix(p, q, n)
    >>> overlap.inverse()
    ReplicaSymmetricMatrix(p=1/p, q=-q/(p*(n*q + p)), n=n)
    >>> overlap.determinant()
    p**(n - 1)*(n*q + p)
    """

    p: sp.Expr
    q: sp.Expr
    n: sp.Expr

    def __post_init__(self) -> None:
        for name in ("p", "q", "n"):
            value = exact(getattr(self, name), "ReplicaSymmetricMatrix(...)")
            object.__setattr__(self, name, value)

    @staticmethod
    def from_entries(diagonal: Exact, off_diagonal: Exact, n: Exact) -> ReplicaSymmetricMatrix:
        """Return the matrix with these entries on and off the diagonal."""
        call = "ReplicaSymmetricMatrix.from_entries(...)"
        off = exact(off_diagonal, call)
        return ReplicaSymmetricMatrix(exact(diagonal, call) - off, off, exact(n, call))

    @staticmethod
    def identity(n: Exact) -> ReplicaSymmetricMatrix:
        """Return the identity of n replicas."""
        return ReplicaSymmetricMatrix(sp.S.One, sp.S.Zero, exact(n, "identity(n)"))

    @property
    def diagonal(self) -> sp.Expr:
        """The diagonal entry, p + q."""
        return self.p + self.q

    @property
    def uniform_eigenvalue(self) -> sp.Expr:
        """The eigenvalue on the vector of ones, p + n q."""
        return self.p + self.n * self.q

    def _same(self, other: ReplicaSymmetricMatrix) -> None:
        if self.n != other.n:
            raise ArgumentsError(
                "ReplicaSymmetricMatrix arithmetic",
                f"the numbers of replicas are {self.n} and {other.n}",
                "matrices of different sizes do not add or multiply",
                "build both with the same n",
            )

    def __add__(self, other: ReplicaSymmetricMatrix) -> ReplicaSymmetricMatrix:
        self._same(other)
        return ReplicaSymmetricMatrix(self.p + other.p, self.q + other.q, self.n)

    def __sub__(self, other: ReplicaSymmetricMatrix) -> ReplicaSymmetricMatrix:
        return self + other * -1

    def __mul__(self, scalar: Exact) -> ReplicaSymmetricMatrix:
        factor = exact(scalar, "ReplicaSymmetricMatrix * scalar")
        return ReplicaSymmetricMatrix(self.p * factor, self.q * factor, self.n)

    __rmul__ = __mul__

    def __matmul__(self, other: ReplicaSymmetricMatrix) -> ReplicaSymmetricMatrix:
        self._same(other)
        q = self.p * other.q + self.q * other.p + self.n * self.q * other.q
        return ReplicaSymmetricMatrix(self.p * other.p, sp.expand(q), self.n)

    def inverse(self) -> ReplicaSymmetricMatrix:
        """Return ``I/p - q/(p (p + n q)) 1 1^T``."""
        for value in (self.p, self.uniform_eigenvalue):
            if value.is_zero:
                raise ConditionError(
                    f"{self}.inverse()",
                    "the matrix is singular",
                    f"its eigenvalues are {self.p} and {self.uniform_eigenvalue}",
                    "keep the diagonal entry different from the off-diagonal one",
                )
        q = -self.q / (self.p * self.uniform_eigenvalue)
        return ReplicaSymmetricMatrix(1 / self.p, q, self.n)

    def function(self, f: Callable[[sp.Expr], sp.Expr]) -> ReplicaSymmetricMatrix:
        """Return a function of the matrix, from its two eigenvalues."""
        bulk, uniform = f(self.p), f(self.uniform_eigenvalue)
        return ReplicaSymmetricMatrix(bulk, (uniform - bulk) / self.n, self.n)

    def trace(self) -> sp.Expr:
        """Return the trace ``n (p + q)``."""
        return self.n * self.diagonal

    def total(self) -> sp.Expr:
        """Return the sum of all entries, the quadratic form of the vector of ones."""
        return self.n * self.uniform_eigenvalue

    def determinant(self) -> sp.Expr:
        """Return ``p^(n-1) (p + n q)``."""
        return self.p ** (self.n - 1) * self.uniform_eigenvalue

    def log_determinant(self) -> sp.Expr:
        """Return ``(n-1) log p + log(p + n q)``."""
        return (self.n - 1) * sp.log(self.p) + sp.log(self.uniform_eigenvalue)

    def _latex(self, printer: LatexPrinter) -> str:
        p, q = printer.doprint(self.p), printer.doprint(self.q)
        return rf"\left({p}\right) I + \left({q}\right) 1 1^{{\top}}"

    def explicit(self, size: int) -> sp.ImmutableMatrix:
        """Return the matrix of an integer number of replicas."""
        p, q = (exact(v.subs(self.n, size), "explicit(...)") for v in (self.p, self.q))
        return sp.ImmutableMatrix(p * sp.eye(size) + q * sp.ones(size, size))


@dataclass(frozen=True)
class ReplicaLimit:
    """A record of the limit n -> 0 of the logarithm of a replicated average.

    Parameters
    ----------
    before : sympy.Expr
        ``log E Z^n`` per degree of freedom, as a function of n.
    after : sympy.Expr
        ``E log Z`` per degree of freedom, its derivative at n = 0.
    n : sympy.Symbol
    """

    before: sp.Expr
    after: sp.Expr
    n: sp.Symbol


def replica_limit(log_average: sp.Expr, n: sp.Symbol) -> ReplicaLimit:
    r"""Take the replica limit ``E log Z = lim_{n->0} d/dn log E Z^n``.

    Parameters
    ----------
    log_average : sympy.Expr
        Analytic in n at 0 and zero there, since Z^0 = 1.
    n : sympy.Symbol
        Number of replicas.

    Returns
    -------
    ReplicaLimit

    Raises
    ------
    ConditionError
        When the expression does not vanish at n = 0.

    Validity
    --------
    The continuation from integer n and its exchange with the large-size limit are assumed.

    Examples
    --------
    >>> p, q, n = sp.symbols("p q n", positive=True)
    >>> replica_limit(ReplicaSymmetricMatrix(p, q, n).log_determinant(), n).after
    log(p) + q/p
    """
    at_zero = log_average.subs(n, 0)
    if sp.expand(sp.expand_log(at_zero)) != 0 and sp.simplify(at_zero) != 0:
        raise ConditionError(
            f"replica_limit(..., {n})",
            f"the expression is {at_zero} at {n} = 0, not 0",
            "Z^0 = 1, so the logarithm of its average vanishes",
            "divide by the terms that do not depend on n before the limit",
        )
    return ReplicaLimit(log_average, sp.expand(log_average.diff(n).subs(n, 0)), n)


@dataclass(frozen=True)
class ZeroTemperatureLimit:
    """A record of the limit of vanishing temperature.

    Parameters
    ----------
    before, after : sympy.Expr
    beta : sympy.Symbol
        Inverse temperature.
    """

    before: sp.Expr
    after: sp.Expr
    beta: sp.Symbol


def zero_temperature_limit(expression: sp.Expr, beta: sp.Symbol) -> ZeroTemperatureLimit:
    r"""Take beta -> infinity of a sum of rational functions of beta times logarithms of them.

    Parameters
    ----------
    expression : sympy.Expr
    beta : sympy.Symbol
        Inverse temperature; everything else is held fixed.

    Returns
    -------
    ZeroTemperatureLimit

    Raises
    ------
    ConditionError
        When the limit is infinite: the order parameters were not scaled with beta.

    Examples
    --------
    >>> a, b, beta = sp.symbols("a b beta", positive=True)
    >>> zero_temperature_limit(sp.log(a * beta) / beta + (a * beta + 1) / (b * beta), beta).after
    a/b
    """
    logarithms = {node: sp.Dummy() for node in expression.atoms(sp.log) if node.has(beta)}
    masked = sp.expand(expression.xreplace(logarithms))
    rest = masked
    for node, dummy in logarithms.items():
        coefficient = masked.coeff(dummy)
        rest -= sp.expand(coefficient * dummy)
        growth = _growth(coefficient, beta)
        if growth >= 0:
            raise ConditionError(
                f"zero_temperature_limit(..., {beta})",
                f"the coefficient of {node} grows as {beta}^{growth}",
                "a logarithm of the inverse temperature does not vanish",
                "divide the free energy by the inverse temperature",
            )
        _growth(node.args[0], beta)
    if logarithms and rest.has(*logarithms.values()):
        raise ConditionError(
            f"zero_temperature_limit(..., {beta})",
            "a logarithm of the inverse temperature stands inside another function",
            "only sums of rational functions times logarithms are treated",
            "expand the expression first",
        )
    return ZeroTemperatureLimit(expression, _leading(sp.expand(rest), beta), beta)


def _growth(expression: sp.Expr, beta: sp.Symbol) -> int:
    numerator, denominator = sp.fraction(sp.together(expression))
    if numerator == 0:
        return -1
    if not (numerator.is_polynomial(beta) and denominator.is_polynomial(beta)):
        raise ConditionError(
            f"zero_temperature_limit(..., {beta})",
            f"{expression} is not a rational function of {beta}",
            "its growth is read off from degrees",
            "scale the order parameters with integer powers of the inverse temperature",
        )
    return int(sp.Poly(numerator, beta).degree()) - int(sp.Poly(denominator, beta).degree())


def _leading(expression: sp.Expr, beta: sp.Symbol) -> sp.Expr:
    numerator, denominator = sp.fraction(sp.cancel(sp.together(expression)))
    growth = _growth(expression, beta)
    if growth > 0:
        raise ConditionError(
            f"zero_temperature_limit(..., {beta})",
            f"the expression grows as {beta}^{growth}",
            "overlap differences must shrink as 1/beta for the limit to exist",
            "hold chi = beta (Q_aa - Q_ab) fixed, and scale the conjugates",
        )
    if growth < 0:
        return sp.S.Zero
    top, bottom = sp.Poly(numerator, beta), sp.Poly(denominator, beta)
    return exact(top.LC() / bottom.LC(), "zero_temperature_limit(...)")
