"""Where a result comes from: the lines of the page it agrees with, under its own definitions.

A result is typed by a person, in the form that is evaluated. Its definitions give every letter a
value at a point of its domain. There, a line of the page must have the value of the result; the
substitutions under which that line was checked must hold for these values, and so must the
conditions; and each root must satisfy equations of the page, and not satisfy them beside the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from derive.domain import Domain
from derive.fixed_point import FixedPoint
from derive.formula import Formula
from derive.letters import Letters, Relation, vanishing
from derive.spectral_trace import SpectralTrace
from derive.step import Step, mutations
from derive.verdict import Evidence, Verdict
from numerics.errors import LoweringError
from numerics.lower import Let

POINTS, REQUIRED, SEED = 24, 20, 31
TWINS = 3  # wrong versions of each definition
MOVED = sp.Rational(8, 7)
LONGEST = 3000  # operations of a line that is looked at


@dataclass(frozen=True)
class Recipe:
    """An expression with the definitions it is evaluated by, as a result states them.

    Parameters
    ----------
    expression : Expr
        Over the arguments and the definitions.
    symbols : tuple of Symbol
        The arguments.
    where : tuple of Let or FixedPoint
        Definitions in order.
    domain : Domain
        Of the arguments.
    """

    expression: Any
    symbols: tuple[sp.Symbol, ...]
    where: tuple[Let | FixedPoint, ...]
    domain: Domain

    @cached_property
    def points(self) -> list[dict[sp.Symbol, sp.Rational]]:
        """The points of the domain at which the result is looked at."""
        points = self.domain.sample(POINTS, SEED) if self.domain.quantities else [{}]
        lines = [self.expression, *(w.expression for w in self.where if isinstance(w, Let))]
        if any(e.has(sp.Piecewise, sp.Max, sp.Min, sp.Abs) for e in lines):
            points = [*points, *self.domain.crossings(SEED + 1)]
        return points

    @cached_property
    def letters(self) -> Letters:
        """The values of all letters at the sample points."""
        return Letters(self.symbols, self.where, self.points)

    def needed(self, *others: Any) -> list[Let | FixedPoint]:
        """Return the definitions that the expression and the others depend on."""
        free = set().union(*(e.free_symbols for e in (self.expression, *others)))
        found: list[Let | FixedPoint] = []
        for definition in reversed(self.where):
            names = {definition.symbol} if isinstance(definition, Let) else set(definition.unknowns)
            if not names & free:
                continue
            found.append(definition)
            if isinstance(definition, Let):
                free |= definition.expression.free_symbols
            else:
                free |= set(definition.parameters)
        return found[::-1]

    def __str__(self) -> str:
        lets = (f"{w.symbol} = {w.expression}" for w in self.where if isinstance(w, Let))
        return f"{self.expression} with {', '.join(lets)}"


@dataclass(frozen=True)
class Line:
    """One line of a page: a value, the relations it was checked under, and where.

    Parameters
    ----------
    number : int
        Of the step.
    value : Expr
        One side of it.
    relations : tuple of Relation
        Under which it was checked.
    domain : Domain or None
        Where it was checked.
    unknown : Symbol or None
        Of a root, if the line says what the root equals; else the line says what vanishes.
    points : tuple of FixedPoint
        Roots that the line speaks of; it is of use only where the same roots are meant.
    """

    number: int
    value: Any
    relations: tuple[Relation, ...] = ()
    domain: Domain | None = None
    unknown: sp.Symbol | None = None
    points: tuple[FixedPoint, ...] = ()

    @property
    def equation(self) -> Relation:
        """What holds at a root."""
        if self.unknown is None:
            return vanishing(self.value)
        return Relation(self.unknown, self.value)


def page_lines(steps: Sequence[Step], cited: Iterable[tuple[int, Formula]]) -> list[Line]:
    """Return what a page has shown, latest first.

    Parameters
    ----------
    steps : sequence of Step
        The page so far.
    cited : iterable of (int, Formula)
        Formulas of other derivations with the number of the step that cites them.

    Returns
    -------
    list of Line
        Right sides before left sides.
    """
    named = tuple(Relation(s.after.lhs, s.after.rhs) for s in steps if s.kind == "definition")
    found: list[Line] = []
    for number, step in reversed(list(enumerate(steps, 1))):
        if step.kind not in ("derived", "asserted", "branch") or step.before is None:
            continue
        given = tuple(Relation(k, v) for k, v in step.given)
        for side in (step.after, step.before):
            for value in _values(side):
                found.append(Line(number, value, given + named, step.domain))
    for number, formula in cited:
        body = formula.body
        lets = tuple(Relation(w.symbol, w.expression) for w in body.where if isinstance(w, Let))
        points = tuple(w for w in body.where if isinstance(w, FixedPoint))
        found.append(Line(number, body.expr, lets + named, body.domain, points=points))
    return [line for line in found if sp.count_ops(line.value) <= LONGEST]


def _values(side: Any) -> Iterator[Any]:
    if isinstance(side, sp.Equality):
        if isinstance(side.rhs, sp.Expr):
            yield side.rhs
            yield side.lhs - side.rhs
    elif isinstance(side, sp.Expr) and not side.has(SpectralTrace):
        yield side


@dataclass(frozen=True)
class Provenance:
    """What a result rests on; judges wrong versions of it.

    Parameters
    ----------
    lines : tuple of Line
        Of these, one has the value of the result at every point.
    roots : tuple of Line
        They vanish at the roots that the result uses.
    relations : tuple of Relation
        What other lines say of the letters of these lines.
    """

    lines: tuple[Line, ...]
    roots: tuple[Line, ...] = ()
    relations: tuple[Relation, ...] = ()

    def judge(self, recipe: Recipe) -> Evidence:
        """Judge a result: REFUTED at the first point where no line has its value."""
        satisfying = agreeing = 0
        letters = recipe.letters
        for index in range(len(letters.points)):
            if letters.at(index) is None:
                continue
            satisfying += 1
            judged = [self._agrees(line, recipe, index) for line in self.lines]
            rest = [letters.holds(r, index) for r in self.relations]
            rest += [self._vanishes(line, recipe, index) for line in self.roots]
            if False in rest or all(j is False for j in judged):
                return Evidence(
                    Verdict.REFUTED,
                    "no line of the page has this value",
                    len(letters.points),
                    satisfying,
                    agreeing,
                    point=tuple((str(s), str(v)) for s, v in letters.points[index].items()),
                    note=self.words,
                )
            agreeing += True in judged and None not in rest
        enough = agreeing >= min(REQUIRED, len(letters.points))
        return Evidence(
            Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE,
            self.words,
            len(letters.points),
            satisfying,
            agreeing,
            letters.bits,
        )

    @property
    def words(self) -> str:
        """Return the numbers of the lines, in words."""
        told = _numbers(line.number for line in self.lines)
        if self.roots:
            told += f"; its roots solve {_numbers(line.number for line in self.roots)}"
        return f"the value of line {told}"

    def _agrees(self, line: Line, recipe: Recipe, index: int) -> bool | None:
        same = Relation(recipe.expression, line.value)
        return recipe.letters.all_hold((same,), line.relations, line.domain, index)

    def _vanishes(self, line: Line, recipe: Recipe, index: int) -> bool | None:
        zero = line.equation
        return recipe.letters.all_hold((zero,), line.relations, line.domain, index)


def _numbers(numbers: Iterable[int]) -> str:
    return " or ".join(str(n) for n in dict.fromkeys(numbers))


def provenance(recipe: Recipe, lines: Sequence[Line]) -> Provenance | None:
    """Find the lines of a page that a result rests on.

    Parameters
    ----------
    recipe : Recipe
        The result.
    lines : sequence of Line
        Of the page, as :func:`page_lines` gives them.

    Returns
    -------
    Provenance or None
        None if the result has, at some point, the value of no line.
    """
    letters = recipe.letters
    usable = [
        line
        for line in (_reachable(n) for n in lines)
        if letters.knows(line) and all(p in recipe.where for p in line.points)
    ]
    told = [n for n in usable if not _says_nothing(n, recipe)]
    chosen: list[Line] = []
    trial = Provenance(())
    for index in range(len(letters.points)):
        if letters.at(index) is None:
            continue
        preferred = chosen + [line for line in told if line not in chosen]
        agreeing = next((n for n in preferred if trial._agrees(n, recipe, index)), None)
        if agreeing is None:
            return None
        if agreeing not in chosen:
            chosen.append(agreeing)
    if not chosen:
        return None
    roots = _roots(recipe, usable, chosen)
    related = [r for n in (*chosen, *roots) for r in n.relations]
    spoken = {s for n in (*chosen, *roots) for s in n.value.free_symbols}
    free = spoken.union(*(r.free_symbols for r in related)) - {r.left for r in related}
    further = {r for n in usable for r in n.relations if r.free_symbols & free}
    kept = tuple(sorted((r for r in further if letters.always_holds(r)), key=lambda r: str(r.left)))
    return Provenance(tuple(chosen), tuple(roots), kept)


def _says_nothing(line: Line, recipe: Recipe) -> bool:
    """Tell whether a line is a bare letter that only the result itself gives a value."""
    return (
        line.value == recipe.expression
        and line.value.is_Symbol
        and not line.points
        and not any(line.value in r.free_symbols for r in line.relations)
    )


def _reachable(line: Line) -> Line:
    """Keep the relations that act on the line, directly or through one another."""
    free, size = set(line.value.free_symbols), -1
    while len(free) > size:  # a definition may stand before or after those it is used in
        size = len(free)
        kept = [r for r in line.relations if not r.left.is_Symbol or r.left in free]
        free = free.union(*(r.right.free_symbols for r in kept))
    return replace(line, relations=tuple(kept))


def _roots(recipe: Recipe, lines: Sequence[Line], chosen: Sequence[Line]) -> list[Line]:
    """Return independent lines that vanish at the roots of the result, and not beside them."""
    found: list[Line] = []
    needed = recipe.needed(*(n.value for n in chosen))
    for point in (w for w in needed if isinstance(w, FixedPoint)):
        slopes: list[list[float]] = []
        sides = [replace(n, unknown=u) for n in lines for u in point.unknowns if n.value != u]
        for line in reversed([*sides, *lines]):  # an equation is derived before it is used
            if not recipe.letters.always_holds(line.equation, line):
                continue
            row = recipe.letters.slopes(line.equation, point, MOVED)
            if row is None:
                continue
            if np.linalg.matrix_rank(np.array([*slopes, row]), tol=1e-9) > len(slopes):
                slopes.append(row)
                found.append(line)
            if len(slopes) == len(point.unknowns):
                break
    return found


def result_step(
    id: str, name: str, symbol: str, recipe: Recipe, steps: Sequence[Step], cited: Sequence[Any]
) -> Step:
    """Return the step that says what a result rests on.

    Parameters
    ----------
    id, name, symbol : str
        Of the derivation; of the result; its left-hand side in LaTeX.
    recipe : Recipe
        What is handed over.
    steps : sequence of Step
        The page so far.
    cited : sequence of (int, Formula)
        Formulas of other derivations.

    Returns
    -------
    Step
        SUPPORTED with the numbers of the lines and wrong versions that must be refuted, or ASSUMED
        if it has the value of no line, or a root of it solves no line.
    """
    after = sp.Eq(sp.Symbol(symbol), recipe.expression, evaluate=False)
    same = (n for n in page_lines(steps, ()) if n.value == recipe.expression and not n.relations)
    exact = next((n for n in same if _covers(n.domain, recipe)), None)
    if exact is not None and not recipe.needed():
        evidence = Evidence(Verdict.PROVED, f"it is line {exact.number}")
        return Step("result", name, exact.value, after, "handed over as a formula", evidence)
    try:
        found = provenance(recipe, page_lines(steps, cited))
    except LoweringError:
        found = None
    if found is None:
        return _typed(name, after, "it has the value of no line above")
    otherwise = _defined_otherwise(recipe, [f for _, f in cited if _paper(f.name) == _paper(id)])
    if otherwise:
        return _typed(name, after, f"{otherwise} is defined otherwise in a result that is cited")
    inherited = [w for _, formula in cited for w in formula.body.where]
    needed = recipe.needed(*(n.value for n in found.lines))
    own = [w for w in needed if isinstance(w, FixedPoint) and w not in inherited]
    if own and len(found.roots) < sum(len(w.unknowns) for w in own):
        unknowns = ", ".join(str(u) for w in own for u in w.unknowns)
        return _typed(name, after, f"the equation of {unknowns} is on no line above")

    def again(candidate: Any) -> Evidence:
        if isinstance(candidate, Recipe):
            return found.judge(candidate)
        value = candidate.rhs if isinstance(candidate, sp.Equality) else candidate
        wrong = replace(recipe, expression=value)
        wrong.__dict__["letters"] = recipe.letters
        return found.judge(wrong)

    twins, free = [], []
    for let in (w for w in needed if isinstance(w, Let)):
        if let in inherited:
            continue  # its wrong versions are refuted on the page that is cited
        # not the sign alone: a letter may enter by its size, and a root by its square
        wrong = [m for m in mutations(let.expression) if m != -let.expression][:TWINS]
        versions = [_twin(recipe, let, m) for m in wrong]
        if found.judge(versions[0]).verdict is Verdict.REFUTED:
            twins.extend(versions)
        else:
            free.append(str(let.symbol))
    evidence = again(recipe.expression)
    if free:
        evidence = replace(
            evidence, note=f"letters defined here and nowhere else: {', '.join(free)}"
        )
    reason = f"{found.words}, in the form that is evaluated"
    line = found.lines[0].value
    return Step("result", name, line, after, reason, evidence, again=again, twins=tuple(twins))


def _paper(id: str) -> str:
    return id.partition(".")[0]


def _defined_otherwise(recipe: Recipe, formulas: Sequence[Formula]) -> str:
    """Return a letter that a cited result defines by the same arguments with another value."""
    own = {w.symbol for w in recipe.where if isinstance(w, Let)}
    for formula in formulas:  # of the same paper, where a letter has one meaning
        for let in (w for w in formula.body.where if isinstance(w, Let)):
            if let.symbol not in own or not let.expression.free_symbols <= set(recipe.symbols):
                continue
            same = Relation(let.symbol, let.expression)
            if any(
                recipe.letters.holds(same, i) is False for i in range(len(recipe.letters.points))
            ):
                return str(let.symbol)
    return ""


def _covers(domain: Domain | None, recipe: Recipe) -> bool:
    """Tell whether a line was checked wherever the result is to hold."""
    if domain is None:
        return True
    indices = range(len(recipe.letters.points))
    return all(recipe.letters.all_hold((), (), domain, i) is True for i in indices)


def _typed(name: str, after: Any, why: str) -> Step:
    evidence = Evidence(Verdict.ASSUMED, f"typed by hand: {why}")
    return Step("result", name, None, after, f"handed over as a formula; {why}", evidence)


def _twin(recipe: Recipe, let: Let, wrong: Any) -> Recipe:
    where = tuple(Let(let.symbol, wrong) if w is let else w for w in recipe.where)
    twin = replace(recipe, where=where)
    twin.__dict__["points"] = recipe.points  # drawn once: a wrong version is judged where it was
    return twin
