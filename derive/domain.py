"""Where a statement holds: quantities with their meaning, intervals and joint conditions.

A :class:`Quantity` is a symbol with everything a reader must know about it (meaning, scaling,
interval, LaTeX); a :class:`Notation` is the table of symbols of one paper, the one home of its
letters; a :class:`Domain` is the set of parameter points a formula or a check speaks of.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import sympy as sp

from derive.errors import ConditionError, UnknownNameError
from numerics.exact_masks import exact_mask
from numerics.lower import Condition, lower
from numerics.program import Program

NEAR = sp.Rational(21, 20)
CROSSINGS = 60  # most pairs of points beside the borders of cases


@dataclass(frozen=True)
class Quantity:
    """One letter of a paper.

    Parameters
    ----------
    symbol : Symbol
        Its SymPy symbol; the name is the paper's letter in ASCII.
    meaning : str
        What it is, in the field's words (LaTeX allowed).
    lower, upper : Rational or oo
        Ends of its interval.
    lower_open, upper_open : bool
        Whether an end is left out. An included infinite end is a limit with its own value.
    latex : str
        How it is printed.
    """

    symbol: sp.Symbol
    meaning: str
    lower: Any
    upper: Any
    lower_open: bool
    upper_open: bool
    latex: str

    def conditions(self) -> tuple[Condition, ...]:
        """Return the interval as conditions a program can test."""
        s, found = self.symbol, []
        if self.lower is not -sp.oo:
            relation = sp.StrictGreaterThan if self.lower_open else sp.GreaterThan
            sign = ">" if self.lower_open else ">="
            found.append(
                Condition(
                    f"{s} {sign} {self.lower}",
                    relation(s, self.lower, evaluate=False),
                    f"{s} is {self.meaning}",
                )
            )
        if not (self.upper is sp.oo and not self.upper_open):
            relation = sp.StrictLessThan if self.upper_open else sp.LessThan
            sign = "<" if self.upper_open else "<="
            found.append(
                Condition(
                    f"{s} {sign} {'inf' if self.upper is sp.oo else self.upper}",
                    relation(s, self.upper, evaluate=False),
                    f"{s} is {self.meaning}",
                )
            )
        return tuple(found)


class Notation(Mapping[str, Quantity]):
    """The letters of one paper, each with one meaning.

    Examples
    --------
    >>> letters = Notation()
    >>> tau = letters.quantity("tau", "pretraining sequences, n/d^2", lower=0)
    >>> letters["tau"].meaning
    'pretraining sequences, n/d^2'
    >>> tau.is_positive
    True
    """

    def __init__(self) -> None:
        self._table: dict[str, Quantity] = {}

    def quantity(
        self,
        name: str,
        meaning: str,
        *,
        lower: Any = -sp.oo,
        upper: Any = sp.oo,
        lower_open: bool = True,
        upper_open: bool = True,
        latex: str | None = None,
        integer: bool = False,
    ) -> sp.Symbol:
        """Declare a letter and return its symbol, with the assumptions its interval implies."""
        assumptions: dict[str, bool] = {"real": True}
        if integer:
            assumptions = {"integer": True}
        if lower is not -sp.oo and (lower > 0 or (lower == 0 and lower_open)):
            assumptions["positive"] = True
        elif lower == 0:
            assumptions["nonnegative"] = True
        symbol = sp.Symbol(name, **assumptions)
        entry = Quantity(
            symbol,
            meaning,
            sp.sympify(lower, strict=True),
            sp.sympify(upper, strict=True),
            lower_open,
            upper_open,
            latex if latex is not None else sp.latex(symbol),
        )
        if name in self._table and self._table[name] != entry:
            raise ConditionError(
                f"Notation.quantity({name!r}, ...)",
                f"{name} already means {self._table[name].meaning!r}",
                "a letter has one meaning in a paper",
                "choose another letter, or reuse the symbol already declared",
            )
        self._table[name] = entry
        return symbol

    def __getitem__(self, name: str) -> Quantity:
        try:
            return self._table[name]
        except KeyError:
            raise UnknownNameError(
                f"notation[{name!r}]",
                f"no letter {name!r}",
                f"declared are {', '.join(self._table)}",
                f"notation.quantity({name!r}, meaning=...)",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def domain(self, *names: str, conditions: Iterable[Condition] = ()) -> Domain:
        """Return the domain spanned by these letters, with joint conditions if any."""
        return Domain(tuple(self[name] for name in names), tuple(conditions))


@dataclass(frozen=True)
class Domain:
    """A set of parameter points: intervals for each quantity and joint conditions.

    Parameters
    ----------
    quantities : tuple of Quantity
        In the order of the arguments.
    joint : tuple of Condition
        Relations between several of them.

    Examples
    --------
    >>> letters = Notation()
    >>> x, y = (letters.quantity(n, "a number", lower=0) for n in "xy")
    >>> box = letters.domain("x", "y", conditions=[Condition("x < y", x < y)])
    >>> box.contains({x: 1, y: 2}), box.contains({x: 2, y: 1})
    (True, False)
    >>> all(box.contains(p) for p in box.sample(5, seed=1))
    True
    """

    quantities: tuple[Quantity, ...]
    joint: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        names = [str(q.symbol) for q in self.quantities]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ConditionError(
                "Domain(...)",
                f"two quantities are called {twice}",
                "symbols of one name and different assumptions would be given one value",
                "choose another letter, or leave the second out",
            )

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The symbols, in order."""
        return tuple(q.symbol for q in self.quantities)

    def conditions(self) -> tuple[Condition, ...]:
        """Return all conditions, intervals first."""
        return tuple(c for q in self.quantities for c in q.conditions()) + self.joint

    def contains(self, point: Mapping[sp.Symbol, Any]) -> bool:
        """Tell whether an exact point satisfies every condition."""
        program = _conditions_program(self)
        values = {str(s): _fraction(v) for s, v in point.items() if str(s) in program.arguments}
        inside = {n: v for n, v in values.items() if v is not None}
        if len(inside) == len(values):
            if len(inside) == len(program.arguments):
                masks = [exact_mask(program, c.value, inside) for c in program.constraints]
                if False in masks:
                    return False
                if None not in masks:
                    return True
        exact = {s: sp.sympify(v, strict=True) for s, v in point.items()}
        return all(
            c.relation if c.relation in (sp.true, sp.false) else bool(c.relation.subs(exact))
            for c in self.conditions()
        )

    def sample(self, number: int, seed: int, decades: int = 2) -> list[dict[sp.Symbol, Any]]:
        """Draw exact rational points, spread over several decades inside the domain.

        Parameters
        ----------
        number : int
            How many points.
        seed : int
            Seed of the draw.
        decades : int
            Unbounded positive quantities range over 10^-decades to 10^decades.

        Returns
        -------
        list of dict
            Symbol to Rational; fewer than ``number`` if the joint conditions are nearly empty.
        """
        return [dict(point) for point in _drawn(self, number, seed, decades)]

    def ends(self, seed: int) -> list[dict[sp.Symbol, Any]]:
        """Return points with one quantity at an end of its interval that belongs to it.

        Parameters
        ----------
        seed : int
            Seed of the other quantities.

        Returns
        -------
        list of dict
            At most one point for each closed finite end; none for intervals that are open.

        Examples
        --------
        >>> noise = Notation()
        >>> rho = noise.quantity("rho", "noise", lower=0, lower_open=False)
        >>> noise.domain("rho").ends(seed=1)
        [{rho: 0}]
        """
        found = []
        for q in self.quantities:
            closed = ((q.lower, q.lower_open), (q.upper, q.upper_open))
            for end in (e for e, is_open in closed if not is_open and e.is_finite):
                inside = ({**p, q.symbol: end} for p in self.sample(8, seed))
                found.extend([p for p in inside if self.contains(p)][:1])
        return found

    def crossings(self, seed: int) -> list[dict[sp.Symbol, Any]]:
        """Return points beside the places where definitions by cases usually change.

        Parameters
        ----------
        seed : int
            Seed of the quantities that are not moved.

        Returns
        -------
        list of dict
            One quantity a twentieth above or below another one, or one.

        Examples
        --------
        >>> ratios = Notation()
        >>> tau = ratios.quantity("tau", "a ratio", lower=0)
        >>> ratios.domain("tau").crossings(seed=1)[:2]
        [{tau: 21/20}, {tau: 20/21}]
        """
        real = [q.symbol for q in self.quantities if not q.symbol.is_integer]
        near = [(a, None) for a in real] + [(a, b) for i, a in enumerate(real) for b in real[:i]]
        # several places of the others, because a case may ask two things at once
        near = (4 * near)[:CROSSINGS]
        found = []
        for point, (moved, beside) in zip(self.sample(len(near), seed), near, strict=False):
            place = sp.S.One if beside is None else point[beside]
            shifted = ({**point, moved: place * f} for f in (NEAR, 1 / NEAR))
            found.extend(p for p in shifted if self.contains(p))
        return found


@cache
def _drawn(
    domain: Domain, number: int, seed: int, decades: int
) -> tuple[tuple[tuple[sp.Symbol, Any], ...], ...]:
    """Draw the points of a sample once: many steps of a page look at the same ones."""
    rng = random.Random(seed)
    points: list[tuple[tuple[sp.Symbol, Any], ...]] = []
    for _ in range(200 * number):
        point = {q.symbol: _draw(q, rng, decades) for q in domain.quantities}
        if domain.contains(point):
            points.append(tuple(point.items()))
            if len(points) == number:
                break
    return tuple(points)


@cache
def _conditions_program(domain: Domain) -> Program:
    """Lower the conditions once, so that points are tested in rational arithmetic."""
    symbols = sorted(
        {x for c in domain.conditions() for x in c.relation.free_symbols}, key=sp.default_sort_key
    )
    return lower(symbols, [], {}, domain.conditions())


def _fraction(value: Any) -> Fraction | None:
    exact = sp.sympify(value, strict=True)
    return Fraction(int(exact.p), int(exact.q)) if isinstance(exact, sp.Rational) else None


def _draw(quantity: Quantity, rng: random.Random, decades: int) -> Any:
    """Return one exact rational inside the interval, with small numerator and denominator."""
    low, high = quantity.lower, quantity.upper
    if quantity.symbol.is_integer:
        first = 1 if low is -sp.oo else int(low) + (1 if quantity.lower_open else 0)
        last = first + 40 if high is sp.oo else int(high) - (1 if quantity.upper_open else 0)
        return sp.Integer(rng.randint(first, last))
    if high is not sp.oo and low is not -sp.oo:
        share = Fraction(rng.randint(1, 996), 997)
        return sp.Rational(low) + (sp.Rational(high) - sp.Rational(low)) * sp.Rational(
            share.numerator, share.denominator
        )
    size = Fraction(10 ** rng.uniform(-decades, decades)).limit_denominator(9973)
    if not size:  # beyond four decades down, where limited denominators end
        size = 1 / Fraction(10 ** rng.uniform(4, max(decades, 4))).limit_denominator(9973)
    step = sp.Rational(size.numerator, size.denominator)
    if low is not -sp.oo:
        return sp.Rational(low) + step
    if high is not sp.oo:
        return sp.Rational(high) - step
    return step if rng.random() < 0.5 else -step
