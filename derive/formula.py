"""A result one can read, print, evaluate in bulk and certify.

A formula keeps the definitions of its paper in order (``xi`` solves this, ``M`` is that, ...), so
that what is printed, what is compiled and what is enclosed in balls is the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from derive.errors import ConditionError
from derive.evaluator import Evaluator, check_names
from numerics.errors import ArgumentsError, DeriveError, DomainError
from numerics.program import Program

if TYPE_CHECKING:
    import sympy as sp

    from derive.domain import Domain
    from derive.fixed_point import FixedPoint
    from numerics.audit import Audit
    from numerics.audit_points import Axis
    from numerics.ball import Ball
    from numerics.kernel import Kernel
    from numerics.lower import Let


def _given(body: Body) -> Body:
    return body


# Keywords of the calls by which a formula is evaluated.
PRECISIONS = ("float64", "double-double", "auto")
RESERVED = frozenset({"out", "invalid", "bits", "sample", "seed", "precision"})


@dataclass(frozen=True)
class Body:
    """The symbolic content of a formula.

    Parameters
    ----------
    symbols : tuple of Symbol
        The arguments in order.
    expr : Expr
        The result, over the arguments and the symbols defined in ``where``.
    where : tuple of Let or FixedPoint
        Definitions in order; each uses arguments and earlier definitions.
    domain : Domain
        Where the formula holds.
    limit : str
        The limit it was taken in, with its scalings.
    latex : mapping of str to str
        How each symbol is printed, by name.
    symbol : str
        LaTeX of the quantity the formula gives.
    """

    symbols: tuple[sp.Symbol, ...]
    expr: Any
    where: tuple[Let | FixedPoint, ...]
    domain: Domain
    limit: str
    latex: Mapping[str, str]
    symbol: str

    def program(self, name: str) -> Program:
        """Return the straight-line program of the formula."""
        from derive.fixed_point import FixedPoint
        from numerics.lower import lower

        definitions = [w.solver() if isinstance(w, FixedPoint) else w for w in self.where]
        output = re.sub(r"[^A-Za-z0-9]+", "_", name.split(":")[-1]).strip("_")[:60]
        return lower(
            self.symbols, definitions, {f"r_{output}": self.expr}, self.domain.conditions()
        )


class Formula:
    """A closed form, possibly over fixed points, with its domain and the limit it was taken in.

    Calling it evaluates the compiled kernel with NumPy broadcasting.

    Parameters
    ----------
    name : str
        Id of the derivation, and the name of the result where there are several.
    body : callable
        Returns the :class:`Body`; called once, on first use.
    program : callable, optional
        Returns the :class:`~numerics.program.Program`; by default lowered from the body.

    Examples
    --------
    >>> from derive.domain import Notation
    >>> letters = Notation()
    >>> x = letters.quantity("x", "a length", lower=0)
    >>> area = Formula.define("area", (x,), x**2, domain=letters.domain("x"))
    >>> area.args
    ('x',)
    >>> float(area(x=3.0))
    9.0
    >>> print(area)
    area(x) = x**2
    """

    def __init__(
        self,
        name: str,
        body: Callable[[], Body],
        program: Callable[[], Program] | None = None,
    ):
        self.name = name
        self._load_body = body
        self._load_program = program

    @classmethod
    def define(
        cls,
        name: str,
        symbols: Sequence[sp.Symbol],
        expr: Any,
        *,
        where: Sequence[Let | FixedPoint] = (),
        domain: Domain,
        limit: str = "",
        latex: Mapping[str, str] | None = None,
        symbol: str = "",
    ) -> Formula:
        """Make a formula from symbols, definitions and a domain.

        Parameters
        ----------
        name : str
            What it is called in errors and exports.
        symbols : sequence of Symbol
            Arguments in order.
        expr : Expr
            The result.
        where : sequence of Let or FixedPoint
            Definitions in order.
        domain : Domain
            Where it holds.
        limit : str
            The limit it was taken in.
        latex : mapping of str to str, optional
            LaTeX of symbols; the letters of the domain are known already.
        symbol : str
            LaTeX of the left-hand side.

        Returns
        -------
        Formula
            Ready to be called.
        """
        taken = sorted({str(x) for x in symbols} & RESERVED)
        if taken:
            raise ConditionError(
                f"Formula.define({name!r}, ...)",
                f"an argument is called {taken[0]}",
                "that keyword of the evaluators means something else",
                "choose another letter",
            )
        names = {str(q.symbol): q.latex for q in domain.quantities} | dict(latex or {})
        body = Body(tuple(symbols), expr, tuple(where), domain, limit, names, symbol or name)
        return cls(name, partial(_given, body))

    def __reduce__(self) -> tuple[Any, ...]:
        return Formula, (self.name, self._load_body, self._load_program)

    @cached_property
    def body(self) -> Body:
        """The symbolic content."""
        return self._load_body()

    @cached_property
    def program(self) -> Program:
        """The straight-line program that every evaluator runs."""
        if self._load_program is not None:
            return self._load_program()
        return self.body.program(self.name)

    @property
    def args(self) -> tuple[str, ...]:
        """Names of the arguments, the paper's letters in ASCII."""
        return self.program.arguments

    @property
    def domain(self) -> Domain:
        """Where the formula holds."""
        return self.body.domain

    @property
    def limit(self) -> str:
        """The limit it was taken in, with scalings."""
        return self.body.limit

    @property
    def where(self) -> tuple[Let | FixedPoint, ...]:
        """Definitions in order."""
        return self.body.where

    @property
    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """The quantities defined by an equation."""
        from derive.fixed_point import FixedPoint

        return tuple(w for w in self.where if isinstance(w, FixedPoint))

    @cached_property
    def expr(self) -> Any:
        """The closed form over the arguments and the fixed-point unknowns, as SymPy."""
        from numerics.functions import textbook
        from numerics.lower import Let

        expression = self.body.expr
        for definition in reversed(self.where):
            if isinstance(definition, Let):
                expression = expression.subs(definition.symbol, definition.expression)
        return textbook(expression)

    def kernel(self, precision: str = "float64") -> Kernel:
        """Return the compiled kernel, a NumPy ufunc with positional operands in ``args`` order."""
        from numerics.kernel import compile_program

        return compile_program(self.program, precision=precision)

    def compile(self, precision: str = "float64") -> Evaluator:
        """Return the formula as a callable in a given precision.

        Parameters
        ----------
        precision : {"float64", "double-double", "auto"}
            Arithmetic of the kernel. Double-double returns a pair of arrays, high and low; auto
            returns float64 and computes the points that need it with more digits.

        Returns
        -------
        Evaluator
            Called with keyword arguments like the formula itself.
        """
        if precision not in PRECISIONS:
            raise ArgumentsError(
                f"{self.name}.compile(precision={str(precision)[:40]!r})",
                "this precision is not known",
                f"it is one of {', '.join(PRECISIONS)}",
                f'{self.name}.compile(precision="auto")',
            )
        if precision == "auto":
            from numerics.escalation import EscalatingKernel

            return Evaluator(self.name, self.program, EscalatingKernel(self.program))
        return Evaluator(self.name, self.program, self.kernel(precision))

    @cached_property
    def _evaluator(self) -> Evaluator:
        return self.compile()

    def __call__(
        self, *positional: Any, out: Any = None, invalid: str = "raise", **values: Any
    ) -> Any:
        """Evaluate in float64 with broadcasting; see :class:`Evaluator`."""
        if positional:
            raise ArgumentsError(
                f"{self.name}({', '.join('...' for _ in positional)})",
                f"{len(positional)} arguments without a name",
                "orders differ between papers, so every argument is given by its letter",
                f"{self.name}({', '.join(f'{a}=...' for a in self.args)})",
            )
        return self._evaluator(out=out, invalid=invalid, **values)

    def ball(self, *, bits: int = 128, **values: int | str | Any) -> Ball:
        """Enclose the exact value: a midpoint and a radius that are certified.

        Parameters
        ----------
        bits : int
            Relative accuracy asked for.
        **values : int, str or Fraction
            Exact input; a decimal string means that decimal.

        Returns
        -------
        Ball
            Contains the true value, roots included.

        Raises
        ------
        DomainError
            Outside the domain.
        ConvergenceError
            If the accuracy is not reached.
        """
        from numerics.ball import evaluate

        self._check_names(values)
        try:
            return next(iter(evaluate(self.program, bits=bits, **values).values()))
        except DeriveError as error:
            raise type(error)(
                error.call.replace("evaluate(program", f"{self.name}.ball(...", 1),
                error.wrong,
                error.why,
                error.do.replace("evaluate(program, bits", f"{self.name}.ball(bits", 1).replace(
                    "evaluate(program", f"{self.name}.ball(bits={bits}", 1
                ),
            ) from None

    def audit(
        self,
        *,
        sample: int = 1000,
        seed: int = 0,
        precision: str = "float64",
        **values: float | Sequence[float] | Axis,
    ) -> Audit:
        """Compare bulk values with certified ones on a sample, in units of the last place.

        Parameters
        ----------
        sample : int
            Most points; a larger grid is sampled at random.
        seed : int
            Of the sample.
        precision : {"float64", "double-double", "auto"}
            What is audited.
        **values : float, array or Axis
            The arguments by name: numbers, arrays that span a grid by broadcasting, or
            :class:`~numerics.audit_points.Axis` over which points are scattered.

        Returns
        -------
        Audit
            Largest, 99th-percentile and mean error, where it is worst, and every point beyond
            8 + 4 condition numbers.
        """
        from derive.accuracy import audit_formula

        check_names(self.name, self.args, values)
        return audit_formula(self, values, sample, seed, precision)

    def export(self, language: str) -> str:
        """Return the formula as standalone source, with the values it must reproduce below.

        Parameters
        ----------
        language : {"latex", "c99", "julia", "mathematica", "jax", "numpy"}
            What is written; roots are found by the exported text itself.

        Returns
        -------
        str
            A file that needs nothing from here.
        """
        from derive.export import export_formula

        return export_formula(self, language)

    def latex(self) -> str:
        """Return the closed form and its definitions as LaTeX."""
        from derive.latex import formula_latex

        return formula_latex(self)

    def specialize(self, **values: Any) -> Formula:
        """Return the formula with some arguments fixed exactly.

        Parameters
        ----------
        **values : int, str or Fraction
            Exact values; a decimal string means that decimal.

        Returns
        -------
        Formula
            A formula of the remaining arguments.

        Raises
        ------
        ArgumentsError
            For an unknown argument.
        """
        from derive.specialize import specialized

        unknown = [n for n in values if n not in self.args]
        if unknown:
            self._check_names(values)
        return specialized(self, values)

    def _check_names(self, values: Mapping[str, Any]) -> None:
        check_names(self.name, self.args, values)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.args)}) = {self.body.expr}"

    def __repr__(self) -> str:
        from derive.display import formula_text

        return formula_text(self)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle " + self.latex() + "$"


__all__ = ["Body", "DomainError", "Evaluator", "Formula", "check_names"]
