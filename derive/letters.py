"""Values of the letters of a formula at points of its domain, and what holds between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp
from flint import arb

from derive.domain import Domain
from derive.errors import ConditionError
from derive.fixed_point import FixedPoint
from numerics.ball import enclose, working_precision
from numerics.ball_operations import Inconclusive, plain
from numerics.ball_program import ball as exact_ball
from numerics.ball_program import run
from numerics.errors import DeriveError, LoweringError
from numerics.lower import Let, lower
from numerics.program import Program

if TYPE_CHECKING:
    from derive.provenance import Line

BITS = 160
NARROW = Fraction(1, 10**12)
SHORT = 60  # operations of a relation that is solved for a letter
LONG = 500  # operations beyond which a sum is not multiplied out


@dataclass(frozen=True)
class Relation:
    """Two expressions that are equal."""

    left: Any
    right: Any

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """The letters it speaks of."""
        return self.left.free_symbols | self.right.free_symbols


def decided(difference: arb, left: arb, right: arb) -> bool | None:
    """Tell whether two balls are equal, None if they are too wide to tell."""
    if not difference.is_finite():
        return None
    if not difference.contains(0):
        return False
    size = abs(left).mid() + abs(right).mid()
    narrow = difference.rad() <= size * arb(NARROW.numerator) / NARROW.denominator
    return True if narrow or difference.is_zero() else None


class Letters:
    """All letters of a formula at a list of points, roots proved.

    Parameters
    ----------
    symbols : sequence of Symbol
        The arguments.
    where : sequence of Let or FixedPoint
        Definitions in order.
    points : sequence of dict
        Exact arguments.
    """

    bits = BITS

    def __init__(
        self,
        symbols: Sequence[sp.Symbol],
        where: Sequence[Let | FixedPoint],
        points: Sequence[Mapping[sp.Symbol, Any]],
    ):
        self.symbols, self.points = tuple(symbols), list(points)
        self.where = _spelled_out(where)
        self._known: dict[int, list[arb] | None] = {}
        self._programs: dict[Any, Program | None] = {}
        self._truth: dict[Any, bool | None] = {}
        lets = [w.symbol for w in self.where if isinstance(w, Let)]
        roots = [u for w in self.where if isinstance(w, FixedPoint) for u in w.unknowns]
        self.names = [*self.symbols, *lets, *roots]
        # A root of the wrong sign is to be seen here, so no branch is asked for.
        definitions = [
            replace(w.solver(), branch=sp.true) if isinstance(w, FixedPoint) else w
            for w in self.where
        ]
        self._program = lower(
            self.symbols, definitions, {f"v{i}": s for i, s in enumerate(self.names)}
        )

    def at(self, index: int) -> list[arb] | None:
        """Return the letters at one point, None where they are not all defined."""
        if index not in self._known:
            point = self.points[index]
            values = {str(s): Fraction(int(point[s].p), int(point[s].q)) for s in self.symbols}
            try:
                balls = list(enclose(self._program, BITS, **values).values())
            except DeriveError:
                balls = []
            finite = balls and not any(b.infinity for b in balls)
            with working_precision(BITS):
                self._known[index] = (
                    [arb(exact_ball(b.midpoint), exact_ball(b.radius)) for b in balls]
                    if finite
                    else None
                )
            self._check_signs(index)
        return self._known[index]

    def _check_signs(self, index: int) -> None:
        """Refuse a definition whose value has not the sign its letter was declared with.

        SymPy has decided relations and roots by that sign before any value was known.
        """
        for name, value in zip(self.names, self._known[index] or (), strict=False):
            if (name.is_positive and value <= 0) or (name.is_nonnegative and value < 0):
                at = ", ".join(f"{s} = {v}" for s, v in self.points[index].items())
                raise ConditionError(
                    f"page.result(..., where=[Let({name}, ...)])",
                    f"{name} is declared positive and is {float(value.mid()):.4g} at {at}",
                    "relations and roots are decided by the declared sign",
                    f'letters.quantity("{name}", ...) with the range that it has',
                )

    def knows(self, line: Line) -> bool:
        """Tell whether the letters of a line have values, or follow from its relations."""
        free = set(line.value.free_symbols).union(*(r.free_symbols for r in line.relations))
        return self._resolved(free - set(self.names), line.relations) is not None

    def _resolved(self, missing: set[sp.Symbol], relations: Sequence[Relation]) -> list[Let] | None:
        """Return definitions of letters that only the relations hold, None if they do not tell."""
        found: list[Let] = []
        missing = set(missing)
        progress = True
        while missing and progress:
            progress = False
            for relation in relations:
                unknown = relation.free_symbols & missing
                if len(unknown) != 1:
                    continue
                (letter,) = unknown
                if relation.left == letter and not relation.right.has(letter):
                    value = relation.right
                else:
                    value = _linear_root(relation, letter)
                    if value is None:
                        continue
                found.append(Let(letter, value))
                missing.discard(letter)
                progress = True
        return None if missing else found

    def holds(self, relation: Relation, index: int) -> bool | None:
        """Tell whether a relation holds at a point, None if that is not decided."""
        return self.all_hold((relation,), (), None, index)

    def always_holds(self, relation: Relation, line: Line | None = None) -> bool:
        """Tell whether a relation holds at every point at which the letters are defined."""
        others, domain = ((), None) if line is None else (line.relations, line.domain)
        somewhere = [i for i in range(len(self.points)) if self.at(i) is not None]
        return bool(somewhere) and all(
            self.all_hold((relation,), others, domain, i) for i in somewhere
        )

    def all_hold(
        self,
        asked: Sequence[Relation],
        given: Sequence[Relation],
        domain: Domain | None,
        index: int,
    ) -> bool | None:
        """Tell whether relations and conditions hold at a point, None if not decided.

        Parameters
        ----------
        asked, given : sequence of Relation
            All must hold; letters without a value follow from those given, never from those asked.
        domain : Domain or None
            Conditions that must hold too.
        index : int
            Of the point.
        """
        key = (tuple(asked), tuple(given), domain, index)
        if key not in self._truth:
            self._truth[key] = self._judged(*key)
        return self._truth[key]

    def _judged(
        self,
        asked: tuple[Relation, ...],
        given: tuple[Relation, ...],
        domain: Domain | None,
        index: int,
    ) -> bool | None:
        values = self.at(index)
        program = self._compiled(asked, given, domain)
        if values is None or program is None:
            return None
        outputs = self._run(program, values)
        if outputs is None:
            return None
        truths: list[bool | None] = []
        count = 3 * (len(asked) + len(given))
        for i in range(0, count, 3):
            truths.append(decided(*outputs[i : i + 3]))
        for mask in outputs[count:]:
            truths.append(True if mask == 1 else False if mask == 0 else None)
        return False if False in truths else None if None in truths else True

    def _compiled(
        self, asked: tuple[Relation, ...], given: tuple[Relation, ...], domain: Domain | None
    ) -> Program | None:
        key = (asked, given, domain)
        if key not in self._programs:
            self._programs[key] = self._lowered(*key)
        return self._programs[key]

    def _lowered(
        self, asked: tuple[Relation, ...], given: tuple[Relation, ...], domain: Domain | None
    ) -> Program | None:
        relations = (*asked, *given)
        free = set().union(*(r.free_symbols for r in relations))
        extra = self._resolved(free - set(self.names), given)
        if extra is None:
            return None
        known = {*self.names, *(let.symbol for let in extra)}
        outputs: dict[str, Any] = {}
        for i, r in enumerate(relations):
            outputs |= {f"d{i}": r.left - r.right, f"l{i}": r.left, f"r{i}": r.right}
        for i, condition in enumerate(domain.conditions() if domain is not None else ()):
            if condition.relation.free_symbols <= known:
                one_or_zero = sp.Piecewise((sp.S.One, condition.relation), (sp.S.Zero, True))
                outputs[f"c{i}"] = one_or_zero
        try:
            return lower(self.names, extra, outputs)
        except LoweringError:
            return None

    def _run(self, program: Program, arguments: Sequence[arb]) -> list[arb] | None:
        values: dict[int, Any] = {}
        with working_precision(BITS):
            try:
                run(program.body, values, list(arguments))
            except Inconclusive:
                return None
            return [plain(values[v]) for v in program.body.yields]

    def slopes(self, equation: Relation, point: FixedPoint, factor: Any) -> list[float] | None:
        """Return by how much an equation fails as each unknown of a root is multiplied.

        Parameters
        ----------
        equation : Relation
            Holds at the root.
        point : FixedPoint
            Its letters follow each unknown.
        factor : Rational
            What an unknown is multiplied by.

        Returns
        -------
        list of float or None
            One entry for each unknown, the largest 1 in size; None if it holds beside the root.
        """
        index = next((i for i in range(len(self.points)) if self.at(i) is not None), None)
        if index is None:
            return None
        roots = [u for w in self.where if isinstance(w, FixedPoint) for u in w.unknowns]
        given = [*self.symbols, *roots]
        lets = [w for w in self.where if isinstance(w, Let)]
        try:
            program = lower(given, lets, {"value": equation.left - equation.right})
        except LoweringError:
            return None
        values = dict(zip(self.names, self.at(index) or [], strict=True))
        row = []
        for unknown in point.unknowns:
            moved = {**values, unknown: values[unknown] * int(factor.p) / int(factor.q)}
            outputs = self._run(program, [moved[s] for s in given])
            if outputs is None or not outputs[0].is_finite():
                return None
            row.append(0.0 if outputs[0].contains(0) else float(outputs[0].mid()))
        largest = max(abs(r) for r in row)
        return [r / largest for r in row] if largest else None


def _spelled_out(where: Sequence[Let | FixedPoint]) -> list[Let | FixedPoint]:
    """Add the abbreviations of each root that the formula does not define itself."""
    found = list(where)
    for point in (w for w in where if isinstance(w, FixedPoint)):
        defined = {w.symbol for w in found if isinstance(w, Let)}
        found.extend(w for w in point.where if w.symbol not in defined)
    return found


def vanishing(value: Any) -> Relation:
    """Return the relation that an expression is zero, as two sides of some size."""
    terms = sp.Add.make_args(sp.expand(value) if sp.count_ops(value) < LONG else value)
    minus = [t for t in terms if t.could_extract_minus_sign()]
    plus = [t for t in terms if t not in minus]
    return Relation(sp.Add(*plus), -sp.Add(*minus))


def _linear_root(relation: Relation, letter: sp.Symbol) -> Any:
    """Return the value of a letter that enters a short rational relation linearly, else None."""
    difference = relation.left - relation.right
    if sp.count_ops(difference) > SHORT or not difference.is_rational_function(letter):
        return None
    equation = sp.expand(sp.numer(sp.together(difference)))
    slope = sp.diff(equation, letter)
    if slope == 0 or slope.has(letter):
        return None
    return -equation.subs(letter, 0) / slope
