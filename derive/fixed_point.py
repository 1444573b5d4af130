"""Quantities defined by an equation: the equation, the branch that picks its root, the iteration.

A residual check cannot see a wrong root, so every root has a :class:`Branch`: a limit in which the
right root is known, and a region in which it must lie.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sympy as sp

from derive.domain import Domain
from derive.errors import BranchError, ConditionError
from numerics.functions import textbook
from numerics.lower import Condition, Let, Solve, lower
from numerics.program import Program

if TYPE_CHECKING:
    from derive.solution import Solution
    from numerics.ball import Ball
    from numerics.kernel import Kernel

# Relative size below which a factor vanishes at a float64 solution.
NEARLY = 1e-9


@dataclass(frozen=True)
class Branch:
    """What tells one root from its rivals.

    Parameters
    ----------
    anchor : tuple of (Expr, Symbol, Expr, Expr) or None
        ``(expression, variable, point, value)``: the expression in the unknown tends to ``value``
        as the variable tends to ``point`` on the right branch.
    region : Boolean or None
        A condition on the unknown that holds on the right branch for all parameters.

    Examples
    --------
    >>> m, x = sp.Symbol("m", real=True), sp.Symbol("x", positive=True)
    >>> print(Branch(anchor=(x * m, x, sp.oo, 1), region=m > 0))
    m > 0 and m*x -> 1 as x -> oo
    """

    anchor: tuple[Any, sp.Symbol, Any, Any] | None = None
    region: Any = None

    def __str__(self) -> str:
        words = [] if self.region is None else [str(self.region)]
        if self.anchor is not None:
            expression, variable, point, value = self.anchor
            words.append(f"{expression} -> {value} as {variable} -> {point}")
        return " and ".join(words)

    def select(self, candidates: Sequence[Any], unknown: sp.Symbol, domain: Domain) -> Any:
        """Return the one candidate on the branch.

        Parameters
        ----------
        candidates : sequence of Expr
            Closed-form roots.
        unknown : Symbol
            What they are roots for.
        domain : Domain
            Parameters for which the choice must hold.

        Returns
        -------
        Expr
            The candidate that satisfies the anchor, and the region at every sample point.

        Raises
        ------
        BranchError
            If none or several candidates pass.
        """
        passing = [c for c in candidates if self.accepts(c, unknown, domain)]
        if len(passing) != 1:
            raise BranchError(
                "Branch.select(...)",
                f"{len(passing)} of {len(candidates)} roots for {unknown} satisfy {self}",
                "a root is returned only when the branch condition leaves exactly one",
                "give an anchor limit or a region that separates the roots",
            )
        return passing[0]

    def accepts(self, candidate: Any, unknown: sp.Symbol, domain: Domain) -> bool:
        """Tell whether a closed-form root satisfies the anchor and the region.

        Raises
        ------
        BranchError
            If there is no condition, or no point of the domain to try it at.
        """
        if (self.anchor is None and self.region is None) or not domain.sample(1, seed=7):
            raise BranchError(
                "Branch.accepts(...)",
                f"nothing is asked of a root for {unknown}",
                "a branch without anchor and region, or a domain without points, takes any root",
                "Branch(anchor=(x*m, x, oo, 1)) or Branch(region=m > 0), on a domain with points",
            )
        if self.anchor is not None:
            expression, variable, point, value = self.anchor
            plain = sp.Symbol(variable.name, positive=True)
            along = textbook(expression).subs(unknown, candidate).subs(variable, plain)
            for corner in domain.sample(3, seed=7):
                fixed = {s: v for s, v in corner.items() if s != variable}
                if sp.limit(along.subs(fixed), plain, point) != sp.sympify(value):
                    return False
        if self.region is not None:
            root = {s: candidate for s in self.region.free_symbols if s.name == unknown.name}
            for corner in domain.sample(24, seed=11):
                inside = self.region.subs(root).subs(corner)
                if inside is not sp.true and not (
                    isinstance(inside, sp.core.relational.Relational) and bool(inside)
                ):
                    return False
        return True


@dataclass(frozen=True)
class FixedPoint:
    r"""Unknowns defined by equations, with the branch and the iteration that reaches it.

    .. math:: F(x;\text{parameters}) = 0,\qquad x \leftarrow x - (\partial F)^{-1} F .

    Parameters
    ----------
    unknowns : tuple of Symbol
        What is solved for.
    residuals : tuple of Expr
        Vanish at the solution; one per unknown.
    branch : Branch
        Which solution.
    start : tuple of Expr
        Starting values of the iteration, free of the unknowns.
    where : tuple of Let
        Abbreviations that depend on the unknowns, in order.
    step : tuple of Expr
        Improved unknowns; empty means Newton's step, from the exact Jacobian.

    Examples
    --------
    >>> x, a = sp.symbols("x a", positive=True)
    >>> FixedPoint((x,), (x**2 - a,), Branch(region=x > 0), (1 + a,)).jacobian()
    Matrix([[2*x]])
    """

    unknowns: tuple[sp.Symbol, ...]
    residuals: tuple[Any, ...]
    branch: Branch
    start: tuple[Any, ...]
    where: tuple[Let, ...] = ()
    step: tuple[Any, ...] = field(default=())

    def __post_init__(self) -> None:
        if not len(self.unknowns) == len(self.residuals) == len(self.start):
            raise ConditionError(
                "FixedPoint(...)",
                f"{len(self.unknowns)} unknowns, {len(self.residuals)} residuals, "
                f"{len(self.start)} starting values",
                "a square system needs as many equations as unknowns",
                "FixedPoint(unknowns=(x,), residuals=(F,), branch=Branch(...), start=(x0,))",
            )

    def expanded(self, expression: Any) -> Any:
        """Return an expression with the abbreviations of this fixed point inserted."""
        for let in reversed(self.where):
            expression = expression.subs(let.symbol, let.expression)
        return expression

    def region(self) -> tuple[Any, tuple[Let, ...]]:
        """Return the region of the branch, and what its symbols stand for.

        A region may speak of an unknown by a symbol of the same name without its sign, because
        SymPy would take the sign of the unknown itself for granted.

        Returns
        -------
        region : Boolean
            True where the branch has none.
        names : tuple of Let
            The symbols of the region that stand for unknowns.
        """
        if self.branch.region is None:
            return sp.true, ()
        inside = self.expanded(self.branch.region)
        called = {u.name: u for u in self.unknowns}
        free = sorted(inside.free_symbols - set(self.unknowns), key=str)
        return inside, tuple(Let(s, called[s.name]) for s in free if s.name in called)

    def jacobian(self) -> sp.Matrix:
        """Return the matrix of derivatives of the residuals in the unknowns."""
        rows = [self.expanded(r) for r in self.residuals]
        return sp.Matrix([[sp.diff(r, x) for x in self.unknowns] for r in rows])

    def eliminate(self, keep: sp.Symbol) -> Any:
        """Return the polynomial equation that one unknown satisfies alone.

        Parameters
        ----------
        keep : Symbol
            The unknown to keep.

        Returns
        -------
        Expr
            A polynomial in ``keep`` and the parameters that vanishes at the solution.

        Raises
        ------
        ConditionError
            If ``keep`` is not an unknown, or the residuals are not algebraic.
        """
        if keep not in self.unknowns:
            raise ConditionError(
                f"FixedPoint.eliminate({keep})",
                f"{keep} is not an unknown",
                f"the unknowns are {', '.join(map(str, self.unknowns))}",
                f"eliminate({self.unknowns[0]})",
            )
        polynomials: list[Any] = [sp.numer(sp.together(self.expanded(r))) for r in self.residuals]
        for gone in (x for x in self.unknowns if x != keep):
            pivot = min((p for p in polynomials if p.has(gone)), key=sp.count_ops)
            polynomials.remove(pivot)
            polynomials = [sp.resultant(pivot, p, gone) if p.has(gone) else p for p in polynomials]
        if not polynomials or polynomials[0] == 0:
            raise ConditionError(
                f"FixedPoint.eliminate({keep})",
                "the equations do not determine it",
                "the resultant of the residuals vanishes identically",
                "check that the residuals are independent",
            )
        factors = [f for f, _ in sp.factor_list(polynomials[0])[1] if f.has(keep)]
        return factors[0] if len(factors) == 1 else self._vanishing(factors, keep)

    def _vanishing(self, factors: list[Any], keep: sp.Symbol) -> Any:
        """Return the factor that vanishes at the solution, or the product if none was reached."""
        rng = random.Random(5)
        left = list(factors)
        for _ in range(8):
            draw = {s: sp.Rational(rng.randint(20, 400), 97) for s in self.parameters}
            given: dict[str, Any] = {str(s): float(v) for s, v in draw.items()}
            solution = self.solve(**given)
            if not solution.converged:
                continue
            exact: dict[Any, Any] = {**draw, keep: sp.Float(solution[str(keep)], 30)}
            sizes = []
            for factor in left:
                terms = [t.subs(exact) for t in sp.Add.make_args(sp.expand(factor))]
                sizes.append(abs(sp.Add(*terms)) / max(abs(t) for t in terms))
            left = [f for f, size in zip(left, sizes, strict=True) if size < NEARLY]
            if len(left) == 1:
                return left[0]
        return sp.Mul(*factors)

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """The symbols that the equations leave free, by name."""
        lines = (*self.residuals, *self.start, *self.step, *(w.expression for w in self.where))
        bound = {*self.unknowns, *(w.symbol for w in self.where)}
        free = set().union(*(sp.sympify(line).free_symbols for line in lines)) - bound
        return tuple(sorted(free, key=str))

    def improved(self) -> tuple[Any, ...]:
        """Return the improved unknowns: the step that was given, or Newton's."""
        if self.step:
            return self.step
        rows: Any = sp.Matrix([self.expanded(r) for r in self.residuals])
        jacobian: Any = self.jacobian()
        correction: Any = (
            [rows[0] / jacobian[0, 0]] if len(self.unknowns) == 1 else list(jacobian.LUsolve(rows))
        )
        return tuple(x - c for x, c in zip(self.unknowns, correction, strict=True))

    def solver(self) -> Solve:
        """Return the iteration as the lowering wants it."""
        signs = [sp.Ge(sp.Symbol(u.name, real=True), 0) for u in self.unknowns if u.is_nonnegative]
        lines = (self.start, self.where, self.improved(), self.residuals)
        return Solve(self.unknowns, *lines, sp.And(self.region()[0], *signs))

    def solve(self, *, most: int = 200, **values: Any) -> Solution:
        """Return numbers for the unknowns; what did not converge is said in words, not raised.

        Parameters
        ----------
        most : int
            Largest number of iterations.
        **values : float or array
            Every parameter by name; arrays broadcast.

        Returns
        -------
        Solution
            Values, ``converged``, ``residual``, ``iterations`` and a sentence. A value is not a
            number where the iteration did not settle, stands off a root, or left the branch.

        Raises
        ------
        ArgumentsError
            For a missing or unknown parameter, or one that is not a real number.

        Examples
        --------
        >>> x, a = sp.symbols("x a", positive=True)
        >>> root = FixedPoint((x,), (x**2 - a,), Branch(region=x > 0), (1 + a,))
        >>> solution = root.solve(a=2.0)
        >>> solution.converged, round(solution["x"], 12)
        (True, 1.414213562373)
        >>> root.solve(a=2.0, most=2).converged
        False
        """
        from derive.solution import solve

        return solve(self, values, most)

    def program(self, *conditions: Condition) -> Program:
        """Return the program from the parameters to the unknowns, for every evaluator.

        Parameters
        ----------
        *conditions : Condition
            The domain of the parameters, tested by the evaluators.

        Returns
        -------
        Program
            Arguments in the order of :attr:`parameters`, one output for each unknown.
        """
        outputs = {str(u): u for u in self.unknowns}
        return lower(self.parameters, [self.solver()], outputs, conditions)

    def compile(self, precision: str = "float64") -> Kernel:
        """Return the compiled kernel, a NumPy ufunc with one output for each unknown.

        Parameters
        ----------
        precision : {"float64", "double-double"}
            In double-double each unknown is a pair, high and low.
        """
        from numerics.kernel import compile_program

        return compile_program(self.program(), precision)

    def ball(self, *, bits: int = 128, **values: int | str | Any) -> dict[str, Ball]:
        """Enclose the unknowns: a root proved by interval Newton and on the branch.

        Parameters
        ----------
        bits : int
            Relative accuracy asked for.
        **values : int, str or Fraction
            Exact parameters.

        Returns
        -------
        dict of str to Ball
            One for each unknown.

        Raises
        ------
        BranchError
            If no root can be proved, or it does not lie in the region of the branch.
        """
        from numerics.ball import enclose, evaluate

        bare = replace(self.solver(), branch=sp.true)  # to tell no root from one elsewhere
        outputs = {str(u): u for u in self.unknowns}
        found = evaluate(lower(self.parameters, [bare], outputs), bits=bits, **values)
        if self.branch.region is not None:
            inside, names = self.region()
            outputs = {"inside": sp.Piecewise((sp.S.One, inside), (sp.S.Zero, True))}
            checked = lower(self.parameters, [bare, *names], outputs)
            if enclose(checked, bits + 32, **values)["inside"].midpoint != 1:
                place = ", ".join(f"{name} = {value}" for name, value in values.items())
                raise BranchError(
                    f"FixedPoint.ball({place})",
                    f"the root {found} is outside {self.branch.region}",
                    "the iteration reached a root of another branch",
                    "start the iteration nearer to the branch",
                )
        return found

    def at(self, put: Callable[[Any], Any]) -> FixedPoint:
        """Return the fixed point with an operation applied to each of its lines.

        Parameters
        ----------
        put : callable
            From expression to expression, e.g. traces over a spectrum to sums over its atoms.

        Examples
        --------
        >>> from derive.spectral_trace import Spectrum
        >>> from derive.spectrum_values import at_atoms
        >>> x, Sigma = sp.Symbol("x", positive=True), Spectrum("Sigma")
        >>> mean = Sigma.trace(Sigma.eigenvalue)
        >>> point = FixedPoint((x,), (x - mean,), Branch(region=x > 0), (mean,))
        >>> point.at(lambda e: at_atoms(e, Sigma, {1: "1/4", 5: "3/4"})).start
        (4,)
        """
        lets = tuple(Let(w.symbol, put(w.expression)) for w in self.where)
        lines = (self.residuals, self.start, self.step)
        residuals, start, step = (tuple(put(sp.sympify(e)) for e in line) for line in lines)
        return FixedPoint(self.unknowns, residuals, self.branch, start, lets, step)

    def subs(self, values: Mapping[sp.Symbol, Any]) -> FixedPoint:
        """Return the fixed point with some parameters fixed."""
        return self.at(lambda e: e.subs(values))
