"""Functions that are never expanded into textbook form, because their stable evaluation differs.

SymPy sees them as functions with derivatives; the lowering prints each in its cancellation-free
form: the resolvent trace of the Marchenko-Pastur law, and sums over the infinitely many modes of a
power law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import sympy as sp

from numerics.errors import ArgumentsError

if TYPE_CHECKING:
    from numerics.program import Builder


class ResolventTrace(sp.Function):
    r"""Normalised trace of the resolvent of a white Wishart matrix, :math:`M_\kappa(u)`.

    .. math:: M_\kappa(u) = \lim \tfrac1d \mathrm{tr}\,(R_k + u)^{-1},\qquad
              R_k=\tfrac1k\sum_{j\le k} w_j w_j^\top,\quad
              \frac1M = u + \frac{1}{1 + M/\kappa},\quad d,k\to\infty,\ k/d\to\kappa .

    Parameters
    ----------
    kappa : Expr
        Samples per dimension k/d, positive; infinity is allowed and gives 1/(1+u).
    u : Expr
        Regularisation, positive.

    Notes
    -----
    Positive root of :math:`\frac u\kappa M^2 + (u+1-\frac1\kappa)M - 1 = 0`. The printed root
    cancels for :math:`\kappa<1` at small u; programs use the conjugate form there.

    References
    ----------
    arXiv 2405.11751, Methods, definition of M_kappa.

    Examples
    --------
    >>> kappa, u = sp.symbols("kappa u", positive=True)
    >>> ResolventTrace(sp.oo, u)
    1/(u + 1)
    >>> sp.simplify(ResolventTrace(kappa, u).definition().subs({kappa: 2, u: sp.Rational(1, 2)}))
    -2 + 2*sqrt(2)
    """

    nargs = 2

    @classmethod
    def eval(cls, *args: Any) -> Any:
        """Return the value at infinite kappa; stay symbolic otherwise."""
        kappa, u = args
        if kappa is sp.oo:
            return 1 / (1 + u)
        return None

    def definition(self) -> sp.Expr:
        """Return the closed form with its square root, for exact algebra only."""
        kappa, u = cast(tuple[Any, Any], self.args)
        b = u + 1 - 1 / kappa
        return 2 / (b + sp.sqrt(b**2 + 4 * u / kappa))

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        """Return the derivative in kappa (1) or in u (2), in subtraction-free form."""
        kappa, u = cast(tuple[Any, Any], self.args)
        m: Any = self
        a = 1 + m / kappa
        b = 1 + u * m**2 / kappa  # b/a = 1 - t^2/kappa at t = m/a, without the subtraction
        if argindex == 2:
            return -(m**2) * a / b
        return -(m**3) / (kappa**2 * a * b)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        kappa, u = self.args
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"M_{{{printer._print(kappa)}}}{power}\!\left({printer._print(u)}\right)"

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _eval_is_extended_real(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition()._eval_evalf(prec)

    @staticmethod
    def lower(builder: Builder, kappa: int, u: int) -> int:
        """Write the two-branch form, accurate to a few ulp over the whole domain.

        b = u + (kappa-1)/kappa; M = 2/(b+s) for b > 0 and (s-b) kappa/(2u) otherwise, with
        s = sqrt(b^2 + 4u/kappa); (kappa-1)/kappa is 1 - 1/kappa for kappa > 2, which is also
        right at kappa = infinity.
        """
        one, two, four = (builder.constant(n) for n in (1, 2, 4))
        op = builder.op
        near = op("div", op("sub", kappa, one), kappa)
        far = op("sub", one, op("div", one, kappa))
        shift = builder.select(op("less", two, kappa), far, near)
        b = op("add", u, shift)
        s = op("sqrt", op("add", op("mul", b, b), op("div", op("mul", four, u), kappa)))
        outer = op("div", two, op("add", b, s))
        inner = op("div", op("mul", op("sub", s, b), kappa), op("mul", two, u))
        return builder.select(op("less", builder.constant(0), b), outer, inner)


class PowerLawSum(sp.Function):
    r"""Sum over infinitely many modes of a power law, with a pole for each resolvent.

    .. math:: S(p,q,m,x)=\sum_{k=1}^\infty\frac{k^{-p}}{(1+x\,k^{-q})^m}.

    Parameters
    ----------
    p : Expr
        Decay of the weights, above 1.
    q : Expr
        Decay of the spectrum, positive.
    m : Expr
        Number of resolvents, positive.
    x : Expr
        Scale of the spectrum over the ridge, not negative.

    Notes
    -----
    Kernels, exported sources and balls add the first modes and an incomplete Beta function with
    Euler-Maclaurin corrections, at a cost that does not depend on x: floats to the rounding of
    their powers, pairs to 31 digits, balls with a bound on what is left out
    (:mod:`numerics.power_law_series`, :mod:`numerics.double_double_power_law`,
    :mod:`numerics.power_law_ball`).  Differentiable in x; balls have derivatives in p, q and m too.

    Examples
    --------
    The degrees of freedom of the spectrum ``c k**-b`` at ridge kappa:

    >>> b, c, kappa = sp.symbols("b c kappa", positive=True)
    >>> x = c / kappa
    >>> df1 = x * PowerLawSum(b, b, sp.Integer(1), x)
    >>> round(float(df1.subs({b: 2, c: 3, kappa: sp.Rational(1, 100)})), 10)
    26.7069904635
    >>> PowerLawSum(b, b, sp.Integer(1), sp.Integer(0))
    zeta(b)
    """

    nargs = 4

    @classmethod
    def eval(cls, *args: Any) -> Any:
        """Return Riemann's zeta where there is no resolvent; stay symbolic otherwise."""
        p, _, m, x = args
        if x.is_zero or m.is_zero:
            return sp.zeta(p)
        return None

    def fdiff(self, argindex: int = 4) -> sp.Expr:
        """Return the derivative in x."""
        p, q, m, x = cast(tuple[Any, ...], self.args)
        if argindex != 4:
            raise ArgumentsError(
                f"diff of {self}",
                f"argument {argindex} is an exponent",
                "its derivative holds logarithms of the modes, which are no PowerLawSum",
                "differentiate in the ridge or in a scale; numerics.audit.condition_number has "
                "certified slopes in exponents too",
            )
        return cast(sp.Expr, -m * PowerLawSum(p + q, q, m + 1, x))

    def definition(self) -> sp.Expr:
        """Return the sum written out."""
        p, q, m, x = cast(tuple[Any, ...], self.args)
        k = sp.Symbol("k", integer=True, positive=True)
        return cast(sp.Expr, sp.Sum(k**-p / (1 + x * k**-q) ** m, (k, 1, sp.oo)))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        p, q, m, x = (printer._print(a) for a in self.args)
        below = rf"\left(1+\left({x}\right)k^{{-{_braced(q)}}}\right)^{{{m}}}"
        shown = rf"\sum_{{k\geq1}}\frac{{k^{{-{_braced(p)}}}}}{{{below}}}"
        return shown if exp is None else rf"\left({shown}\right)^{{{exp}}}"

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _eval_is_extended_real(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _eval_evalf(self, prec: int) -> Any:
        from flint import arb, ctx

        from numerics.power_law_ball import power_law_sum

        values = [sp.N(a, n=int(prec / 3.3) + 3) for a in self.args]
        if not all(v.is_Float or v.is_Rational for v in values):
            return None
        before = ctx.prec
        try:
            ctx.prec = prec + 10
            total = power_law_sum(*(arb(str(v)) for v in values))
            return sp.Float(total.mid().str(int(prec / 3.3) + 2, radius=False), precision=prec)
        finally:
            ctx.prec = before

    @staticmethod
    def lower(builder: Builder, p: int, q: int, m: int, x: int) -> int:
        """Write one operation, which every evaluator has its own series for."""
        return builder.op("power_law_sum", p, q, m, x)


def _braced(shown: str) -> str:
    """Put an exponent of several terms in brackets, so that a sign acts on all of it."""
    return rf"\left({shown}\right)" if any(s in shown for s in "+- ") else shown


def textbook(expression: Any) -> Any:
    """Replace every stable function by its textbook closed form, for exact algebra.

    Parameters
    ----------
    expression : Expr
        Any expression.

    Returns
    -------
    Expr
        The same expression without :class:`ResolventTrace`.

    Examples
    --------
    >>> u = sp.Symbol("u", positive=True)
    >>> textbook(ResolventTrace(sp.Integer(1), u))
    2/(u + sqrt(u**2 + 4*u))
    """
    return expression.replace(
        lambda e: isinstance(e, ResolventTrace), lambda e: textbook_arguments(e)
    )


def textbook_arguments(function: ResolventTrace) -> Any:
    """Return the definition of one stable function with its arguments treated first."""
    return ResolventTrace.definition(
        cast(Any, function.func(*[textbook(a) for a in function.args], evaluate=False))
    )
