"""From SymPy to a :class:`~numerics.program.Program`: the expression as written, nothing expanded.

The definitions of a formula arrive in order (``xi`` solves this, ``M`` is that, ...). Each is
translated term by term, so that the cancellation-free form a derivation has proved is the form that
runs. Common subexpressions and reciprocals are shared and powers become products; an expression
with no straight-line form is a :class:`~numerics.errors.LoweringError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from numerics.division import share_reciprocals
from numerics.errors import LoweringError
from numerics.program import Builder, Program

TOLERANCE_EXPONENT = -50
# What rounding may put on the wrong side of a branch's end, relative to the two sides.
BRANCH_MARGIN = Fraction(1, 2**20)
MAXIMUM_ITERATIONS = 200


@dataclass(frozen=True)
class Let:
    """``symbol`` stands for ``expression`` from here on."""

    symbol: sp.Symbol
    expression: Any


@dataclass(frozen=True)
class Solve:
    """``unknowns`` are the limit of ``step`` iterated from ``start``, a zero of ``residual``.

    Parameters
    ----------
    unknowns : tuple of Symbol
        What is solved for.
    start : tuple of Expr
        Starting values, free of the unknowns.
    locals : tuple of Let
        Abbreviations that depend on the unknowns, used by step and residual.
    step : tuple of Expr
        Improved unknowns.
    residual : tuple of Expr
        Expressions that vanish at the solution, one per unknown; differentiable there.
    branch : Boolean
        Conditions on the unknowns that hold at the solution and not at others. Another root is
        no number; the ends of the region belong to it, and rounding is allowed for.
    """

    unknowns: tuple[sp.Symbol, ...]
    start: tuple[Any, ...]
    locals: tuple[Let, ...]
    step: tuple[Any, ...]
    residual: tuple[Any, ...]
    branch: Any = sp.true
    tolerance_exponent: int = TOLERANCE_EXPONENT
    maximum_iterations: int = MAXIMUM_ITERATIONS


@dataclass(frozen=True)
class Condition:
    """A relation between the arguments, in words and as a SymPy boolean."""

    text: str
    relation: Any
    reason: str = ""


def lower(
    arguments: Sequence[sp.Symbol],
    definitions: Sequence[Let | Solve],
    outputs: Mapping[str, Any],
    conditions: Sequence[Condition] = (),
) -> Program:
    """Translate a formula into a program.

    Parameters
    ----------
    arguments : sequence of Symbol
        Operands in order.
    definitions : sequence of Let or Solve
        In dependency order.
    outputs : mapping of str to Expr
        What is computed.
    conditions : sequence of Condition
        Domain of the arguments.

    Returns
    -------
    Program
        Straight-line code with the root iterations in place.

    Raises
    ------
    LoweringError
        If an expression contains a Float, an unknown symbol, or a function without a program; if
        two arguments share a name, or a symbol is defined twice.

    Examples
    --------
    >>> x, y = sp.symbols("x y", positive=True)
    >>> lower([x], [Let(y, sp.sqrt(1 + x))], {"f": y**3 / x}).operations()
    {'add': 1, 'sqrt': 1, 'power': 1, 'div': 1}
    """
    listed = [str(a) for a in arguments]
    twice = next((n for n in listed if listed.count(n) > 1), None)
    if twice is not None:
        raise LoweringError(
            "lower(...)",
            f"two arguments are called {twice}",
            "symbols of one name and different assumptions would be one operand",
            "give them different names",
        )
    builder = Builder(tuple(listed))
    values: dict[sp.Basic, int] = {a: builder.argument(str(a)) for a in arguments}
    scope = _Scope(builder, values)
    for condition in conditions:
        names = tuple(sorted(str(s) for s in condition.relation.free_symbols))
        builder.require(condition.text, names, scope.value(condition.relation), condition.reason)
    for definition in definitions:
        if isinstance(definition, Let):
            scope.define(definition)
        else:
            scope.solve(definition)
    exact = {name: sp.sympify(e, strict=True) for name, e in outputs.items()}
    return share_reciprocals(builder.program({n: scope.value(e) for n, e in exact.items()}))


_UNARY = {
    sp.exp: "exp",
    sp.log: "log",
    sp.sin: "sin",
    sp.cos: "cos",
    sp.atan: "atan",
    sp.Abs: "abs",
    sp.gamma: "gamma",
    sp.zeta: "zeta",
}
_NAMED = {sp.pi: "pi", sp.E: "e", sp.EulerGamma: "euler_gamma", sp.oo: "inf", sp.nan: "nan"}
_RELATIONS = {
    sp.StrictLessThan: ("less", False),
    sp.LessThan: ("less_equal", False),
    sp.StrictGreaterThan: ("less", True),
    sp.GreaterThan: ("less_equal", True),
    sp.Equality: ("equal", False),
}


_ORDERS = (sp.StrictLessThan, sp.LessThan, sp.StrictGreaterThan, sp.GreaterThan)


class _Scope:
    """Values known so far, and the translation of expressions into them."""

    def __init__(self, builder: Builder, values: dict[sp.Basic, int]):
        self.builder, self.values = builder, values

    def define(self, let: Let) -> None:
        self._require_new(let.symbol)
        self.values[let.symbol] = self.value(let.expression)

    def _require_new(self, symbol: sp.Symbol) -> None:
        if symbol in self.values:
            raise LoweringError(
                "lower(...)",
                f"{symbol} is defined twice",
                "a symbol has one value in a formula",
                "use another symbol for the second quantity",
            )

    def solve(self, solve: Solve) -> None:
        builder = self.builder
        start = tuple(self.value(s) for s in solve.start)
        for unknown in solve.unknowns:
            self._require_new(unknown)
        parameters = builder.open(len(solve.unknowns))
        inner = self.inside(dict(zip(solve.unknowns, parameters, strict=True)))
        for let in solve.locals:
            inner.define(let)
        yields = tuple(inner.value(e) for e in (*solve.step, *solve.residual))
        roots = builder.close(
            "root",
            parameters,
            yields,
            start,
            (solve.tolerance_exponent, solve.maximum_iterations),
            len(solve.unknowns),
        )
        if solve.branch is not sp.true:
            # A region may write an unknown without its sign, which SymPy would take for granted.
            called = {u.name: root for u, root in zip(solve.unknowns, roots, strict=True)}
            letters = {*solve.unknowns, *solve.branch.free_symbols}
            found = self.inside({s: called[s.name] for s in letters if s.name in called})
            mask, nan = found.loosely(solve.branch), builder.constant("nan")
            roots = tuple(builder.select(mask, root, nan) for root in roots)
        self.values.update(zip(solve.unknowns, roots, strict=True))

    def loosely(self, condition: Any) -> int:
        """Return the mask of a region with its ends and a margin for rounding."""
        if isinstance(condition, sp.And | sp.Or):
            op = "and" if isinstance(condition, sp.And) else "or"
            masks = [self.loosely(c) for c in sorted(condition.args, key=sp.default_sort_key)]
            result = masks[0]
            for mask in masks[1:]:
                result = self.builder.op(op, result, mask)
            return result
        if type(condition) not in _ORDERS:
            raise LoweringError(
                "lower(...)",
                f"the region {condition} of a branch is no order relation",
                "a root is compared with the ends of its region",
                "write the region with <, <=, >, >=, And, Or",
            )
        small, large = condition.args[:: -1 if _RELATIONS[type(condition)][1] else 1]
        op, sides = self.builder.op, (self.value(small), self.value(large))
        if small == 0 or large == 0:
            return op("less_equal", *sides)
        size = op("add", *(op("abs", v) for v in sides))
        margin = op("mul", self.builder.constant(BRANCH_MARGIN), size)
        return op("less_equal", sides[0], op("add", sides[1], margin))

    def inside(self, bound: Mapping[sp.Basic, int]) -> _Scope:
        """Return the scope of a nested block that binds these symbols.

        What was computed outside with another meaning of a bound symbol is forgotten.
        """
        kept = {e: v for e, v in self.values.items() if not (e.free_symbols & bound.keys())}
        return _Scope(self.builder, {**kept, **bound})

    def value(self, expression: Any) -> int:
        """Return the value number of an expression."""
        if expression in self.values:
            return self.values[expression]
        value = self._translate(expression)
        if not expression.has(sp.Sum):
            self.values[expression] = value
        return value

    def _translate(self, e: Any) -> int:
        builder = self.builder
        if isinstance(e, sp.Rational):
            return builder.constant(Fraction(int(e.p), int(e.q)))
        if e in _NAMED:
            return builder.constant(_NAMED[e])
        if e is sp.S.NegativeInfinity:
            return builder.op("neg", builder.constant("inf"))
        if isinstance(e, sp.Add):
            return self._sum(e)
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if type(e) in _UNARY and len(e.args) == 1:
            return builder.op(_UNARY[type(e)], self.value(e.args[0]))
        if isinstance(e, sp.Max | sp.Min):
            op = "maximum" if isinstance(e, sp.Max) else "minimum"
            values = [self.value(a) for a in e.args]
            result = values[0]
            for v in values[1:]:
                result = builder.op(op, result, v)
            return result
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if type(e) in _RELATIONS:
            op, swap = _RELATIONS[type(e)]
            left, right = (self.value(a) for a in e.args)
            return builder.op(op, *((right, left) if swap else (left, right)))
        if isinstance(e, sp.And | sp.Or):
            op = "and" if isinstance(e, sp.And) else "or"
            values = [self.value(a) for a in sorted(e.args, key=sp.default_sort_key)]
            result = values[0]
            for v in values[1:]:
                result = builder.op(op, result, v)
            return result
        if isinstance(e, sp.Not):
            return builder.op("not", self.value(e.args[0]))
        if isinstance(e, sp.Unequality):
            return builder.op("not", self.value(sp.Eq(*e.args)))
        if isinstance(e, sp.Sum):
            return self._series(e)
        if hasattr(e, "lower_into"):  # binds variables of its own, as a sum over a table does
            return e.lower_into(self)
        write = getattr(type(e), "lower", None)
        if write is not None:
            return write(builder, *(self.value(a) for a in e.args))
        raise LoweringError(
            "lower(...)",
            f"{e} of type {type(e).__name__} has no program",
            "only arithmetic, roots, elementary functions, Piecewise, finite sums and the stable "
            "functions of numerics.functions can be compiled"
            + ("; a Float hides its exact value" if isinstance(e, sp.Float) else ""),
            "define the symbol among the definitions, or rewrite with sympy.Rational"
            if isinstance(e, sp.Symbol | sp.Float)
            else "rewrite the expression with those functions",
        )

    def _sum(self, e: Any) -> int:
        builder = self.builder
        positive, negative = [], []
        for term in e.args:
            (negative if term.could_extract_minus_sign() else positive).append(term)
        if not positive:
            return builder.op("neg", self.value(-e))
        result = self.value(positive[0])
        for term in positive[1:]:
            result = builder.op("add", result, self.value(term))
        for term in negative:
            result = builder.op("sub", result, self.value(-term))
        return result

    def _product(self, e: Any) -> int:
        builder = self.builder
        above: list[int] = []
        below: list[int] = []
        sign = 1
        for factor in e.args:
            if isinstance(factor, sp.Rational):
                if factor < 0:
                    sign = -1
                p, q = abs(int(factor.p)), int(factor.q)
                if p != 1:
                    above.append(builder.constant(p))
                if q != 1:
                    below.append(builder.constant(q))
            elif isinstance(factor, sp.Pow) and self._divides(factor):
                below.append(self.value(1 / factor))
            else:
                above.append(self.value(factor))
        result = self._chain(above)
        if below:
            result = builder.op("div", result, self._chain(below))
        return builder.op("neg", result) if sign < 0 else result

    def _chain(self, values: list[int]) -> int:
        if not values:
            return self.builder.constant(1)
        result = values[0]
        for v in values[1:]:
            result = self.builder.op("mul", result, v)
        return result

    def _divides(self, e: sp.Pow) -> bool:
        """Tell whether a power is written as a quotient: its exponent is negative.

        A mode k**-b stays a power: k**b may overflow where k**-b only is nothing.
        """
        negative = bool(e.exp.could_extract_minus_sign())
        return negative and (e.exp.is_number or 1 / e in self.values)

    def _power(self, e: Any) -> int:
        builder, (base, exponent) = self.builder, e.args
        if base is sp.E:
            return builder.op("exp", self.value(exponent))
        if self._divides(e):
            return builder.op("div", builder.constant(1), self.value(1 / e))
        if isinstance(exponent, sp.Integer):
            n = int(exponent)
            return builder.op("power", self.value(base), attribute=n)
        if isinstance(exponent, sp.Rational) and exponent.q == 2:
            root = builder.op("sqrt", self.value(base))
            return root if exponent.p == 1 else builder.op("power", root, attribute=int(exponent.p))
        result = builder.op("pow", self.value(base), self.value(exponent))
        if isinstance(base, sp.Add) and sp.S.One in base.args and not exponent.is_number:
            return self._compounded(result, base, exponent)
        return result

    def _compounded(self, power: int, base: sp.Add, exponent: Any) -> int:
        """Return (1 + x)**n with what the sum has lost in rounding, which n would magnify.

        The float w = 1 + x leaves x - (w - 1) behind, exactly: (1 + x)**n is w**n times
        exp(n (x - (w - 1))/w). Above w = 2 the condition of the power is as large as the loss.
        """
        op, one = self.builder.op, self.builder.constant(1)
        w, x = self.value(base), self.value(base - 1)
        lost = op("div", op("sub", x, op("sub", w, one)), w)
        lost = self.builder.select(
            op("less", w, self.builder.constant(2)), lost, self.builder.constant(0)
        )
        return op("mul", power, op("exp", op("mul", self.value(exponent), lost)))

    def _piecewise(self, e: Any) -> int:
        builder = self.builder
        pieces = list(e.args)
        last_value, last_condition = pieces[-1]
        result = self.value(last_value)
        if last_condition is not sp.true:
            nan = builder.constant("nan")
            result = builder.select(self.value(last_condition), result, nan)
        for value, condition in reversed(pieces[:-1]):
            result = builder.select(self.value(condition), self.value(value), result)
        return result

    def _series(self, e: Any) -> int:
        term, (index, lower_end, upper_end) = e.args
        builder = self.builder
        ends = (self.value(lower_end), self.value(upper_end))
        (parameter,) = builder.open(1)
        inner = self.inside({index: parameter})
        value = inner.value(term)
        (total,) = builder.close("sum", (parameter,), (value,), ends, None, 1)
        return total
