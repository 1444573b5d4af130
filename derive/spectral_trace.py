r"""Normalised traces of functions of a matrix, as SymPy objects.

A population matrix :math:`\Sigma` (size :math:`d`) enters a deterministic equivalent only through
linear functionals of functions of its spectrum, with test matrices inserted:

.. math:: \overline{\mathrm{tr}}[f_1(\Sigma) T_1 f_2(\Sigma) T_2\cdots f_p(\Sigma) T_p]
   = \frac1d\sum_{i_1\dots i_p} F(s_{i_1},\dots,s_{i_p})\,(T_1)_{i_1i_2}\cdots(T_p)_{i_pi_1},

written in the eigenbasis of :math:`\Sigma`, with :math:`F = f_1\cdots f_p` here and any function
of the eigenvalues in general. The test matrices need not commute with :math:`\Sigma`: the order is
kept. Nothing is said of the spectrum until it is given as atoms, as a density or as arrays
(:mod:`derive.spectrum_values`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sympy as sp
from sympy.core.sorting import default_sort_key

from derive.errors import ArgumentsError
from derive.exact_input import exact, matrix_name


@dataclass(frozen=True)
class Spectrum:
    r"""The eigenvalues of a symmetric non-negative matrix of which only the name is known.

    Parameters
    ----------
    name : str
        Name of the matrix, e.g. ``"Sigma"``.

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa", positive=True)
    >>> s = Sigma.eigenvalue
    >>> Sigma.trace(s / (s + kappa)).diff(kappa)
    -tr[Sigma/(Sigma + kappa)**2]
    """

    name: str

    def __post_init__(self) -> None:
        matrix_name(self.name)

    @property
    def matrix(self) -> sp.Symbol:
        """The symbol that stands for the matrix in print."""
        return sp.Symbol(self.name)

    @property
    def eigenvalue(self) -> sp.Symbol:
        """The variable of functions of the matrix: write ``s/(s + kappa)``."""
        return self.eigenvalue_at(0)

    def eigenvalue_at(self, place: int) -> sp.Symbol:
        """Return the eigenvalue variable at one place between test matrices."""
        return sp.Symbol(f"s_{self.name}_{place}", nonnegative=True)

    def trace(self, function: sp.Expr, *tests: sp.Symbol) -> sp.Expr:
        r"""Return :math:`\overline{\mathrm{tr}}[F\,T_1\cdots T_p]` for a function of eigenvalues.

        Parameters
        ----------
        function : sympy.Expr
            In :attr:`eigenvalue` for at most one test matrix; in ``eigenvalue_at(0)``, ...,
            ``eigenvalue_at(p - 1)`` for ``p`` of them.
        *tests : sympy.Symbol
            The test matrices in order.

        Returns
        -------
        sympy.Expr
            Scalar factors are taken out; the trace of 1 is 1.
        """
        places = [self.eigenvalue_at(k) for k in range(max(1, len(tests)))]
        return SpectralTrace(exact(function, "trace"), self.matrix, sp.Tuple(*places), tests)

    def function(self, function: sp.Expr) -> SpectralWord:
        """Return the matrix that is this function of the matrix."""
        return SpectralWord(self, ((sp.Integer(1), exact(function, "function"), ()),))

    def test(self, matrix: sp.Symbol | None) -> SpectralWord:
        """Return a test matrix as a word; None is the identity."""
        if matrix is None:
            return self.function(sp.Integer(1))
        return SpectralWord(self, ((sp.Integer(1), sp.Integer(1), (matrix,)),))


class SpectralTrace(sp.Expr):
    """Normalised trace of functions of one matrix with test matrices between them.

    Made by :meth:`Spectrum.trace`; linear in the function, differentiable in every parameter, and
    equal to each of its cyclic rotations.
    """

    is_commutative = True

    def __new__(cls, function, spectrum, places, tests=()):
        """Take scalar factors out and choose one cyclic rotation."""
        function = exact(function, "SpectralTrace")
        places, tests = sp.Tuple(*places), sp.Tuple(*tests)
        if function.is_zero:
            return sp.Integer(0)
        scalar, function = function.as_independent(*places, as_Add=False)
        if not tests and not function.has(*places):
            return scalar * function
        function, tests = _smallest_rotation(function, places, tests)
        if not (scalar - 1).is_zero:
            return scalar * cls(function, spectrum, places, tests)
        return sp.Expr.__new__(cls, function, spectrum, places, tests)

    @property
    def function(self) -> sp.Expr:
        """The function of the eigenvalues."""
        return cast(sp.Expr, self.args[0])

    @property
    def spectrum(self) -> Spectrum:
        """The matrix whose eigenvalues are averaged."""
        return Spectrum(str(self.args[1]))

    @property
    def places(self) -> tuple[sp.Symbol, ...]:
        """The eigenvalue variables, bound by the trace."""
        return cast(tuple[sp.Symbol, ...], self.args[2].args)

    @property
    def tests(self) -> tuple[sp.Symbol, ...]:
        """The test matrices in order."""
        return cast(tuple[sp.Symbol, ...], self.args[3].args)

    @property
    def bound_symbols(self) -> list[sp.Symbol]:
        """The variables that the trace binds."""
        return list(self.places)

    @property
    def free_symbols(self) -> set:
        """The scalar parameters; the names of matrices are labels."""
        return self.function.free_symbols - set(self.places)

    def _eval_derivative(self, s):
        if s in self.places:
            return sp.Integer(0)
        return self.func(sp.diff(self.function, s), *self.args[1:])

    def _eval_subs(self, old, new):
        if old in self.places:
            return self
        if isinstance(new, sp.Expr) and new.free_symbols & set(self.places):
            raise ArgumentsError(
                f"subs({old}, {new})",
                f"the new value holds the eigenvalue {self.places[0]} that the trace binds",
                "it would be averaged over by mistake",
                "use another symbol",
            )
        return None

    def _eval_expand_trace(self, **hints):
        function = sp.expand(self.function)
        return sp.Add(*(self.func(term, *self.args[1:]) for term in sp.Add.make_args(function)))

    def _matrix_form(self) -> list[sp.Expr]:
        """Return the factors in matrix order, each eigenvalue written as the matrix."""
        matrix, factors, rest = self.spectrum.matrix, [], self.function
        for place, test in zip(self.places, self.tests or (None,), strict=True):
            others, here = rest.as_independent(place, as_Add=False)
            rest = others
            factors.append(here.subs({p: matrix for p in self.places}))
            if test is not None:
                factors.append(test)
        return [f for f in factors if f != 1]

    def _sympystr(self, printer):
        return f"tr[{' '.join(printer._print(f) for f in self._matrix_form())}]"

    def _latex(self, printer, exp=None):
        body = r"\,".join(printer._print(f) for f in self._matrix_form())
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\overline{{\mathrm{{tr}}}}{power}\left[{body}\right]"


def _smallest_rotation(function, places, tests):
    if len(tests) < 2:
        return function, tests
    candidates = []
    for turn in range(len(tests)):
        rename = {places[(k + turn) % len(tests)]: places[k] for k in range(len(tests))}
        turned = sp.Tuple(*tests[turn:], *tests[:turn])
        candidates.append((function.xreplace(rename), turned))
    return min(candidates, key=lambda c: (default_sort_key(c[1]), default_sort_key(c[0])))


@dataclass(frozen=True)
class SpectralWord:
    r"""A matrix :math:`c\,F(s_{i_0},\dots,s_{i_p})(T_1)_{i_0i_1}\cdots(T_p)_{i_{p-1}i_p}`, summed.

    Parameters
    ----------
    spectrum : Spectrum
        The matrix whose eigenbasis is used.
    terms : tuple of (sympy.Expr, sympy.Expr, tuple of sympy.Symbol)
        Each term: scalar coefficient, function of the eigenvalues at places ``0..p``, and the
        ``p`` test matrices.

    Examples
    --------
    >>> Sigma, Theta, kappa = Spectrum("Sigma"), sp.Symbol("Theta"), sp.Symbol("kappa")
    >>> G = Sigma.function(1 / (Sigma.eigenvalue + kappa))
    >>> (G @ Sigma.test(Theta) @ G).trace()
    tr[(Sigma + kappa)**(-2) Theta]
    """

    spectrum: Spectrum
    terms: tuple[tuple[sp.Expr, sp.Expr, tuple[sp.Symbol, ...]], ...]

    def __add__(self, other: SpectralWord) -> SpectralWord:
        """Return the sum, like terms collected."""
        totals: dict[tuple[sp.Expr, tuple[sp.Symbol, ...]], sp.Expr] = {}
        for scalar, function, tests in self.terms + other.terms:
            totals[function, tests] = totals.get((function, tests), sp.Integer(0)) + scalar
        return SpectralWord(self.spectrum, tuple((c, f, t) for (f, t), c in totals.items() if c))

    def __sub__(self, other: SpectralWord) -> SpectralWord:
        """Return the difference."""
        return self + other.times(-1)

    def times(self, scalar: object) -> SpectralWord:
        """Return the word multiplied by a scalar."""
        factor = exact(scalar, "times")
        return SpectralWord(self.spectrum, tuple((factor * c, f, t) for c, f, t in self.terms))

    def __matmul__(self, other: SpectralWord) -> SpectralWord:
        """Return the matrix product: the places of the right factor follow those of the left."""
        product = SpectralWord(self.spectrum, ())
        for c, left, left_tests in self.terms:
            for k, right, right_tests in other.terms:
                moved = _shift(right, self.spectrum, len(right_tests), len(left_tests))
                term = ((c * k, left * moved, left_tests + right_tests),)
                product = product + SpectralWord(self.spectrum, term)
        return product

    def trace(self) -> sp.Expr:
        """Return the normalised trace: the last place is closed onto the first."""
        total = sp.Integer(0)
        for scalar, function, tests in self.terms:
            ends = {self.spectrum.eigenvalue_at(len(tests)): self.spectrum.eigenvalue_at(0)}
            closed = cast(sp.Expr, function.xreplace(ends)) if tests else function
            total += scalar * self.spectrum.trace(closed, *tests)
        return total


def _shift(function: sp.Expr, spectrum: Spectrum, last: int, by: int) -> sp.Expr:
    moves = {spectrum.eigenvalue_at(k): spectrum.eigenvalue_at(k + by) for k in range(last + 1)}
    return cast(sp.Expr, function.xreplace(moves))


def partial_fractions(expression: sp.Expr) -> sp.Expr:
    r"""Return the expression with every trace of a rational function in partial fractions.

    The traces left are of :math:`s^k` and :math:`(s+\kappa)^{-k}`; they are linearly independent
    functionals for a general spectrum, so two expressions in traces are equal for all spectra if
    and only if their partial fractions are equal as rational functions of these traces.

    Parameters
    ----------
    expression : sympy.Expr
        With traces of rational functions; unknown functions of an eigenvalue may be factors.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa")
    >>> s = Sigma.eigenvalue
    >>> partial_fractions(Sigma.trace(s**2 / (s + kappa) ** 2))
    kappa**2*tr[(Sigma + kappa)**(-2)] - 2*kappa*tr[1/(Sigma + kappa)] + 1
    """
    reduced = expression.replace(lambda e: isinstance(e, SpectralTrace), _apart_trace)
    return cast(sp.Expr, reduced)


def _apart_trace(trace: SpectralTrace) -> sp.Expr:
    terms: Sequence[sp.Expr] = [trace.function]
    for place in trace.places:
        terms = [piece for term in terms for piece in _apart_in(term, place)]
    return sp.Add(*(trace.func(term, *trace.args[1:]) for term in terms))


def _apart_in(term: sp.Expr, place: sp.Symbol) -> list[sp.Expr]:
    unknown = sorted(
        (a for a in term.atoms(sp.Function) if place in a.free_symbols), key=default_sort_key
    )
    masks = {a: sp.Dummy() for a in unknown}
    masked = sp.together(term.xreplace(masks))
    if not unknown:
        pieces = [(sp.Integer(1), masked)]
    else:
        numerator, denominator = sp.fraction(masked)
        poly = sp.Poly(numerator, *masks.values())
        back = {d: a for a, d in masks.items()}
        pieces = [
            (sp.Mul(*(g**k for g, k in zip(poly.gens, powers, strict=True))).xreplace(back), c)
            for powers, c in ((p, c / denominator) for p, c in poly.terms())
        ]
    out = []
    for weight, rational in pieces:
        for piece in sp.Add.make_args(sp.apart(sp.factor(rational), place)):
            out.append(weight * _monic(sp.factor(piece), place))
    return out


def _monic(piece: Any, place: sp.Symbol) -> sp.Expr:
    """Write a pole a/(b s + c)^k as (a/b^k)/(s + c/b)^k, so that equal poles look equal."""
    out = sp.Integer(1)
    for factor in sp.Mul.make_args(piece):
        base, power = factor.as_base_exp()
        if place in base.free_symbols and base.is_polynomial(place):
            poly = sp.Poly(base, place)
            lead = poly.LC()
            monic = sp.Add(*(sp.factor(c / lead) * place**k for (k,), c in poly.terms()))
            factor = lead**power * monic**power
        out *= factor
    return out


def difference_vanishes(left: sp.Expr, right: sp.Expr) -> bool:
    """Tell whether two expressions in traces are equal for every spectrum, exactly.

    Parameters
    ----------
    left, right : sympy.Expr
        Rational in their parameters and traces.

    Returns
    -------
    bool

    Examples
    --------
    >>> Sigma, kappa = Spectrum("Sigma"), sp.Symbol("kappa")
    >>> s = Sigma.eigenvalue
    >>> difference_vanishes(1 - kappa * Sigma.trace(1 / (s + kappa)), Sigma.trace(s / (s + kappa)))
    True
    """
    reduced, _ = masked(partial_fractions(left - right))
    return sp.expand(sp.fraction(sp.together(reduced))[0]) == 0


def masked(expression: sp.Expr) -> tuple[sp.Expr, dict[sp.Expr, sp.Expr]]:
    """Return the expression with one plain symbol for each trace, and the way back.

    SymPy's rational algebra would otherwise rewrite the functions under the traces.

    Parameters
    ----------
    expression : sympy.Expr
        With traces.

    Returns
    -------
    expression : sympy.Expr
        Without traces.
    back : dict
        For ``xreplace``.

    Examples
    --------
    >>> Sigma = Spectrum("Sigma")
    >>> plain, back = masked(2 * Sigma.trace(Sigma.eigenvalue))
    >>> plain.xreplace(back)
    2*tr[Sigma]
    """
    traces = sorted(expression.atoms(SpectralTrace), key=default_sort_key)
    names = {t: sp.Dummy(f"t{k}") for k, t in enumerate(traces)}
    return cast(sp.Expr, expression.xreplace(names)), {d: t for t, d in names.items()}


def substituted(expression: sp.Expr, values: Mapping[Any, Any]) -> sp.Expr:
    """Return the expression with each key replaced by its value, one after the other.

    Parameters
    ----------
    expression : sympy.Expr
    values : mapping
        Symbol or sub-expression -> expression.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> x, y = sp.symbols("x y")
    >>> substituted(x + y, {x: y})
    2*y
    """
    return cast(sp.Expr, expression.subs(list(values.items())))
