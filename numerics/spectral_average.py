r"""Averages over a table of atoms, :math:`\sum_i w_i f(c_i, \dots)`, for spectra given as arrays.

A spectrum of hundreds of eigenvalues is not written into a formula term by term: the table stays
one opaque object, and the program runs a loop over its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import sympy as sp

from numerics.errors import ArgumentsError


class AtomTable(sp.Basic):
    """Columns of exact numbers, one row for each atom of a spectrum.

    Parameters
    ----------
    columns : sequence of sequences of Fraction
        Of equal length, at least one row.

    Raises
    ------
    ArgumentsError
        If the columns are empty or of different lengths, or an entry is a float.

    Examples
    --------
    >>> table = AtomTable([[1, 2], [Fraction(1, 4), Fraction(3, 4)]])
    >>> table.rows
    2
    >>> table == AtomTable([[1, 2], [Fraction(1, 4), Fraction(3, 4)]])
    True
    """

    columns: tuple[tuple[Fraction, ...], ...]

    def __new__(cls, columns: Sequence[Sequence[int | Fraction]]) -> AtomTable:
        """Freeze the columns."""
        lengths = {len(c) for c in columns}
        flat = [entry for column in columns for entry in column]
        if len(lengths) != 1 or not flat or any(isinstance(entry, float) for entry in flat):
            raise ArgumentsError(
                "AtomTable(columns)",
                f"{len(columns)} columns of lengths {sorted(lengths)} with floats or without rows",
                "every atom is one exact number in each column",
                "AtomTable([[Fraction(1, 2)], [1]])",
            )
        table = cast(AtomTable, sp.Basic.__new__(cls))
        table.columns = tuple(tuple(Fraction(entry) for entry in column) for column in columns)
        return table

    @property
    def rows(self) -> int:
        """Number of atoms."""
        return len(self.columns[0])

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.columns

    def _sympystr(self, printer: Any) -> str:
        return f"{self.rows} atoms"


class SpectralAverage(sp.Expr):
    r"""One of several sums over the rows of a table, :math:`\sum_i f_j(x_i, y_i, \dots)`.

    Made by :func:`averages`, so that the sums of one loop share what they have in common.

    Parameters
    ----------
    position : Integer
        Which of the terms this is.
    terms : Tuple of Expr
        What is summed, over the column variables and free parameters.
    variables : Tuple of Symbol
        One for each column; bound by the sum.
    table : AtomTable
        The atoms.

    Examples
    --------
    >>> c, w, z = sp.symbols("c w z", positive=True)
    >>> table = AtomTable([[1, 4], [Fraction(1, 2), Fraction(1, 2)]])
    >>> (m,) = averages([w / (c + z)], (c, w), table)
    >>> m.diff(z)
    sum[-w/(c + z)**2 over 2 atoms]
    >>> m.explicit()
    1/(2*(z + 4)) + 1/(2*(z + 1))
    """

    is_commutative = True

    def __new__(cls, position: Any, terms: Any, variables: Any, table: Any) -> SpectralAverage:
        """Hold the sum unevaluated."""
        return cast(
            SpectralAverage, sp.Expr.__new__(cls, sp.Integer(position), terms, variables, table)
        )

    @property
    def term(self) -> Any:
        """What this sum adds up."""
        return self.args[1].args[int(cast(Any, self.args[0]))]

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The variables bound by the sum, one for each column."""
        return cast(tuple[sp.Symbol, ...], self.args[2].args)

    @property
    def table(self) -> AtomTable:
        """The atoms."""
        return cast(AtomTable, self.args[3])

    @property
    def bound_symbols(self) -> list[sp.Symbol]:
        """The variables bound by the sum."""
        return list(self.variables)

    @property
    def free_symbols(self) -> set[Any]:
        """The parameters of this sum."""
        return self.term.free_symbols - set(self.variables)

    def explicit(self) -> Any:
        """Return the sum written out term by term, for small tables.

        Returns
        -------
        Expr
            A plain sum over the rows.
        """
        rows = zip(*self.table.columns, strict=True)
        return sp.Add(
            *(
                self.term.subs(
                    {
                        v: sp.Rational(x.numerator, x.denominator)
                        for v, x in zip(self.variables, row, strict=True)
                    }
                )
                for row in rows
            )
        )

    def lower_into(self, scope: Any) -> int:
        """Write one loop over the table for all terms; return the value of this one.

        Parameters
        ----------
        scope : object
            Values known so far: ``builder``, ``values``, and ``inside(mapping)`` for the body.

        Returns
        -------
        int
            Value number.
        """
        terms = self.args[1].args
        builder = scope.builder
        parameters = builder.open(len(self.variables))
        inner = scope.inside(dict(zip(self.variables, parameters, strict=True)))
        yields = tuple(inner.value(term) for term in terms)
        totals = builder.close("table_sum", parameters, yields, (), self.table.columns, len(terms))
        for position, total in enumerate(totals):
            scope.values[self.func(position, *self.args[1:])] = total
        return totals[int(cast(Any, self.args[0]))]

    def _eval_derivative(self, s: Any) -> Any:
        if s in self.variables:
            return sp.S.Zero
        return self.func(0, sp.Tuple(sp.diff(self.term, s)), *self.args[2:])

    def _eval_subs(self, old: Any, new: Any) -> Any:
        if old in self.variables:
            return self
        if isinstance(new, sp.Expr) and new.free_symbols & set(self.variables):
            raise ArgumentsError(
                f"subs({old}, {new})",
                f"the new value holds {self.variables[0]}, which the sum binds",
                "it would be summed over by mistake",
                "use another symbol",
            )
        terms = sp.Tuple(*(term.subs(old, new) for term in self.args[1].args))
        return self.func(self.args[0], terms, *self.args[2:])

    def _sympystr(self, printer: Any) -> str:
        return f"sum[{printer._print(self.term)} over {self.table.rows} atoms]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\Big\langle {printer._print(self.term)} \Big\rangle{power}"


def averages(
    terms: Sequence[Any],
    variables: Sequence[sp.Symbol],
    table: AtomTable,
) -> tuple[SpectralAverage, ...]:
    r"""Return sums over the rows of one table, computed in one loop.

    Parameters
    ----------
    terms : sequence of Expr
        What each sum adds up; weights are a column like any other.
    variables : sequence of Symbol
        One for each column.
    table : AtomTable
        The atoms.

    Returns
    -------
    tuple of SpectralAverage
        In the order of the terms.

    Raises
    ------
    ArgumentsError
        If there is not one variable for each column.

    Examples
    --------
    >>> c, w = sp.symbols("c w", positive=True)
    >>> table = AtomTable([[1, 4], [Fraction(1, 2), Fraction(1, 2)]])
    >>> [s.explicit() for s in averages([w, w * c], (c, w), table)]
    [1, 5/2]
    """
    if len(variables) != len(table.columns):
        raise ArgumentsError(
            f"averages(terms, {tuple(variables)}, {table})",
            f"{len(variables)} variables for {len(table.columns)} columns",
            "each column is read into one variable",
            "averages([w / (c + z)], (c, w), AtomTable([eigenvalues, weights]))",
        )
    bound, exact = sp.Tuple(*variables), sp.Tuple(*(sp.sympify(t) for t in terms))
    return tuple(SpectralAverage(j, exact, bound, table) for j in range(len(exact)))


def explicit(expression: Any, given: Mapping[Any, Any] | None = None) -> Any:
    """Return an expression with every sum over a table written out.

    Parameters
    ----------
    expression : Expr
        With sums over small tables.
    given : mapping, optional
        Substituted first.

    Returns
    -------
    Expr
        Without :class:`SpectralAverage`.

    Examples
    --------
    >>> c, w = sp.symbols("c w", positive=True)
    >>> (mean,) = averages([w * c], (c, w), AtomTable([[1, 3], [Fraction(1, 2), Fraction(1, 2)]]))
    >>> explicit(1 + mean**2)
    5
    """
    inserted = expression.subs(dict(given)) if given else expression
    return inserted.replace(lambda e: isinstance(e, SpectralAverage), lambda e: e.explicit())


__all__ = ["AtomTable", "SpectralAverage", "averages", "explicit"]
