"""Checks that can fail: equality and sign over a domain, with the evidence they leave.

Order: balls first, at exact points of the domain, because they refute in milliseconds; then exact
algebra (rational functions, square roots and resolvent traces as algebraic elements, traces in
partial fractions). ``simplify`` is never asked.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from derive.domain import Domain
from derive.errors import ConditionError, RefutedError
from derive.exact_zero import ALGEBRA_LIMIT, exactly_zero
from derive.index_tensor import Tensor
from derive.spectral_trace import SpectralTrace, Spectrum
from derive.spectrum_values import at_atoms
from derive.verdict import Evidence, Verdict
from numerics.ball import Ball, enclose
from numerics.errors import BranchError, ConvergenceError, DomainError
from numerics.lower import lower

POINTS = 24
BITS = 160
REQUIRED = 20
# Balls wider than this, against both sides, decide nothing.
NARROW = Fraction(1, 10**12)
# How many random spectra a statement about traces is tried on.
SPECTRA = 4
# Points that count for nothing but can refute: many decades away, and on ends that belong.
FAR_POINTS, FAR_DECADES = 6, 7
# How near to the border of a case a check looks, and at how many borders at most.
CLOSE, BORDERS = sp.Rational(1, 1009), 24


def equal(
    left: Any,
    right: Any,
    domain: Domain,
    given: Mapping[Any, Any] | None = None,
    spectra: Mapping[Spectrum, Any] | None = None,
    seed: int = 1,
) -> Evidence:
    """Judge whether two expressions are equal everywhere on a domain.

    Parameters
    ----------
    left, right : Expr
        Both sides.
    domain : Domain
        Of the symbols left after the substitution.
    given : mapping, optional
        Substituted in order, e.g. a rational parametrisation of a fixed point.
    spectra : mapping of Spectrum to Expr, optional
        Mean of each spectrum under a trace (None for free); numeric checks use random atoms.
    seed : int
        Of the sample points.

    Returns
    -------
    Evidence
        PROVED, SUPPORTED, INCONCLUSIVE, or REFUTED with the exact point.

    Examples
    --------
    >>> from derive.domain import Notation
    >>> letters = Notation()
    >>> x = letters.quantity("x", "a number", lower=0)
    >>> box = letters.domain("x")
    >>> equal((x + 1) ** 2, x**2 + 2 * x + 1, box).verdict.name
    'PROVED'
    >>> print(equal((x + 1) ** 2, x**2 + 3 * x + 1, box).verdict.name)
    REFUTED
    """
    if isinstance(left, Tensor):
        return _tensors_equal(left, right)
    left, right = (inserted(_exact(e), given) for e in (left, right))
    balls = _ball_check(left, right, domain, spectra or {}, seed)
    if balls.verdict is Verdict.REFUTED:
        return balls
    # What is defined nowhere is not true: a proof by algebra wants a point where it speaks.
    if balls.satisfying and exactly_zero(left - right, spectra):
        return Evidence(
            Verdict.PROVED,
            "exact algebra gives zero",
            balls.tried,
            balls.satisfying,
            balls.decided,
            balls.bits,
            balls.radius,
        )
    return balls


def _tensors_equal(left: Tensor, right: Tensor) -> Evidence:
    """Tensors in index notation have a canonical form: equal or not, for all dimensions."""
    if left.equals(right):
        return Evidence(Verdict.PROVED, "equal canonical forms in index notation")
    return Evidence(
        Verdict.REFUTED,
        "canonical forms differ",
        note=f"the difference is {left - right}",
        point=(("every", "dimension"),),
    )


def require_equal(left: Any, right: Any, domain: Domain, what: str, **how: Any) -> Evidence:
    """Return the evidence of an equality, or raise if it is refuted.

    Parameters
    ----------
    left, right : Expr
        Both sides.
    domain : Domain
        Where.
    what : str
        The statement, for the message.
    **how
        As for :func:`equal`.

    Returns
    -------
    Evidence
        Never REFUTED.

    Raises
    ------
    RefutedError
        With the exact point.
    """
    evidence = equal(left, right, domain, **how)
    if evidence.verdict is Verdict.REFUTED:
        at = ", ".join(f"{n} = {v}" for n, v in evidence.point)
        raise RefutedError(
            what,
            f"the two sides differ at {at}",
            evidence.note or "the ball of their difference excludes zero",
            "correct the asserted side, or state the condition under which it holds",
        )
    return evidence


def positive(
    expression: Any, domain: Domain, given: Mapping[Any, Any] | None = None, seed: int = 2
) -> Evidence:
    """Judge whether an expression is positive everywhere on a domain.

    Parameters
    ----------
    expression : Expr
        Real on the domain.
    domain : Domain
        Of its symbols.
    given : mapping, optional
        Substituted in order.
    seed : int
        Of the sample points.

    Returns
    -------
    Evidence
        PROVED if it is a sum of products of positive terms, SUPPORTED if every ball is positive.

    Examples
    --------
    >>> from derive.domain import Notation
    >>> letters = Notation()
    >>> x = letters.quantity("x", "a number", lower=0)
    >>> positive(1 + x**2, letters.domain("x")).verdict.name
    'PROVED'
    >>> positive(1 - x, letters.domain("x")).verdict.name
    'REFUTED'
    """
    expression = inserted(_exact(expression), given)
    satisfying = decided = 0
    points = domain.sample(POINTS, seed) if domain.quantities else [{}]
    enclosures = _Enclosures([expression])
    for place, point in enumerate([*points, *_further(domain, seed, expression)]):
        value = enclosures.at(point)
        if value is None:
            continue
        satisfying += place < len(points)
        if value[0].lower > 0:
            decided += place < len(points)
        elif value[0].upper <= 0:
            return Evidence(
                Verdict.REFUTED,
                "a ball is not positive",
                len(points),
                satisfying,
                decided,
                BITS,
                point=_shown(point),
                note=f"the value there is {float(value[0]):.10g}",
            )
    if satisfying and _positive_terms(expression):
        return Evidence(
            Verdict.PROVED, "a sum of positive terms", len(points), satisfying, decided, BITS
        )
    enough = decided >= (REQUIRED if domain.quantities else 1)
    return Evidence(
        Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE,
        "every ball is positive",
        len(points),
        satisfying,
        decided,
        BITS,
    )


def _ball_check(
    left: Any, right: Any, domain: Domain, spectra: Mapping[Spectrum, Any], seed: int
) -> Evidence:
    points = domain.sample(POINTS, seed) if domain.quantities else [{}]
    rng = random.Random(seed)
    further = _further(domain, seed, left, right)
    numbered = [*enumerate(points), *((None, p) for p in further)]
    lots = [numbered[i::SPECTRA] for i in range(SPECTRA)] if spectra else [numbered]
    if spectra and not domain.quantities:
        lots = [numbered] * SPECTRA
    satisfying = decided = 0
    largest = Fraction(0)
    for lot in lots:
        sides = _at_random_atoms((left, right), spectra, rng)
        enclosures = _Enclosures([sides[0] - sides[1], sides[0], sides[1]])
        for number, point in lot:
            value = enclosures.at(point)
            if value is None:
                continue
            satisfying += number is not None
            difference, a, b = value
            if not difference.contains(0):
                return Evidence(
                    Verdict.REFUTED,
                    "the ball of the difference excludes zero",
                    len(points),
                    satisfying,
                    decided,
                    BITS,
                    point=_shown(point),
                    note=f"left = {float(a):.10g}, right = {float(b):.10g}",
                )
            size = abs(a.midpoint) + abs(b.midpoint)
            radius = difference.radius / size if size > 0 else difference.radius
            if radius < NARROW and number is not None:
                decided += 1
                largest = max(largest, radius)
    enough = decided >= (REQUIRED if domain.quantities else 1)
    return Evidence(
        Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE,
        "zero lies in every ball of the difference",
        len(points),
        satisfying,
        decided,
        BITS,
        f"{float(largest):.1e}",
    )


def _at_random_atoms(
    sides: Sequence[Any], spectra: Mapping[Spectrum, Any], rng: random.Random
) -> list[Any]:
    """Put one random law of three atoms, with the required mean, into every trace."""
    out = list(sides)
    for spectrum, mean in spectra.items():
        places = [sp.Rational(rng.randint(1, 60), 17) for _ in range(3)]
        places = [p + sp.Rational(i, 1009) for i, p in enumerate(places)]
        cuts = sorted(rng.sample(range(1, 96), 2))
        masses = [sp.Rational(n, 97) for n in (cuts[0], cuts[1] - cuts[0], 97 - cuts[1])]
        average = sum((p * m for p, m in zip(places, masses, strict=True)), sp.S.Zero)
        if mean is not None:
            places = [p * mean / average for p in places]
        atoms: dict[object, object] = dict(zip(places, masses, strict=True))
        tests = sorted(
            {t for e in out for x in e.atoms(SpectralTrace) for t in x.tests},
            key=sp.default_sort_key,
        )
        # a test matrix between functions of one matrix enters through its diagonal alone
        overlaps: dict[sp.Symbol, dict[object, object]] = {
            t: {p: sp.Rational(rng.randint(1, 60), 19) for p in places} for t in tests
        }
        out = [at_atoms(e, spectrum, atoms, overlaps) if e.has(SpectralTrace) else e for e in out]
    return out


class _Enclosures:
    """Balls of several expressions, lowered once, at one exact point after another."""

    def __init__(self, expressions: Sequence[Any]):
        symbols: set[Any] = set()
        for e in expressions:
            symbols |= e.free_symbols
        self.symbols = sorted(symbols, key=sp.default_sort_key)
        self.program = lower(self.symbols, [], {f"e{i}": e for i, e in enumerate(expressions)})

    def at(self, point: Mapping[sp.Symbol, Any]) -> list[Ball] | None:
        """Return the balls, or None where an expression is not defined or not decided."""
        missing = [s for s in self.symbols if s not in point]
        if missing:
            raise ConditionError(
                "check",
                f"no values for {', '.join(map(str, missing))}",
                "every symbol of a checked statement needs a domain",
                "add it to the domain, or substitute it by given={...}",
            )
        values = {str(s): Fraction(int(point[s].p), int(point[s].q)) for s in self.symbols}
        try:
            balls = list(enclose(self.program, BITS, **values).values())
        except (BranchError, ConvergenceError, DomainError):
            return None
        return None if any(ball.infinity for ball in balls) else balls


def _further(domain: Domain, seed: int, *sides: Any) -> list[dict[sp.Symbol, Any]]:
    """Return points that can refute but support nothing: far away, on ends, beside cases."""
    if not domain.quantities:
        return []
    points = [*domain.sample(FAR_POINTS, seed + 1, FAR_DECADES), *domain.ends(seed + 2)]
    if any(side.has(sp.Piecewise, sp.Max, sp.Min, sp.Abs) for side in sides):
        points += domain.crossings(seed + 3)
        points += _beside_borders(domain, seed + 4, sides)
    return points


def _beside_borders(domain: Domain, seed: int, sides: Sequence[Any]) -> list[dict[sp.Symbol, Any]]:
    """Return points just on either side of where the cases of an expression change."""
    borders = {r.lhs - r.rhs for e in sides for r in e.atoms(sp.core.relational.Relational)}
    borders |= {a - b for e in sides for m in e.atoms(sp.Max, sp.Min) for a, b in _pairs(m.args)}
    borders |= {a.args[0] for e in sides for a in e.atoms(sp.Abs)}
    moved = [
        (b, s)
        for b in sorted(borders, key=sp.default_sort_key)
        for s in sorted(b.free_symbols & set(domain.symbols), key=sp.default_sort_key)
        if not s.is_integer and b.is_polynomial(s) and sp.degree(b, s) == 1
    ][:BORDERS]
    points = []
    for (border, symbol), point in zip(moved, domain.sample(len(moved), seed), strict=False):
        slope = border.diff(symbol)
        others = {s: value for s, value in point.items() if s != symbol}
        at = (symbol - border / slope).expand().xreplace(others)
        if not at.is_Rational:
            continue
        near = ({**point, symbol: at * f if at else f - 1} for f in (1 + CLOSE, 1 - CLOSE))
        points += [p for p in near if domain.contains(p)]
    return points


def _pairs(things: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(a, b) for i, a in enumerate(things) for b in things[:i]]


def inserted(expression: Any, given: Mapping[Any, Any] | None) -> Any:
    """Return an expression with the given substitutions made, one after the other."""
    for symbol, value in (given or {}).items():
        expression = expression.subs(symbol, value)
    return expression


def _positive_terms(expression: Any) -> bool:
    """Tell whether an expression, or its expanded quotient, is built of positive terms."""
    # A quotient is not defined where a letter below vanishes, so there that letter is positive.
    below = {
        x
        for p in expression.atoms(sp.Pow)
        if p.exp.is_negative
        for x in p.base.free_symbols
        if p.base.subs(x, 0) == 0
    }
    expression = expression.xreplace(
        {x: sp.Dummy(x.name, positive=True) for x in below if x.is_nonnegative}
    )
    if expression.is_positive:
        return True
    if sp.count_ops(expression) > ALGEBRA_LIMIT or expression.has(sp.Function, sp.Piecewise):
        return False
    above, below = sp.fraction(sp.together(expression))
    return bool(sp.expand(above).is_positive and sp.expand(below).is_positive)


def _exact(expression: Any) -> Any:
    """Return an expression as SymPy holds it, text and Floats refused."""
    try:
        found = sp.sympify(expression, strict=True)
    except sp.SympifyError:
        raise ConditionError(
            "check",
            f"{str(expression)[:60]!r} is {type(expression).__name__}, not an expression",
            "text is never parsed, because a parser runs what it reads",
            "build the expression from symbols",
        ) from None
    if found.has(sp.Float):
        raise ConditionError(
            "check",
            f"the statement contains the Float {next(iter(found.atoms(sp.Float)))}",
            "a Float hides its exact value, and the symbolic core is exact",
            "write sympy.Rational('0.1') instead of 0.1",
        )
    if not isinstance(found, sp.Expr):
        raise ConditionError(
            "check",
            f"{found} is a {type(found).__name__}, not a quantity",
            "only quantities are compared or have a sign",
            "write both sides of a relation as left and right",
        )
    return found


def _shown(point: Mapping[sp.Symbol, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(s), str(v)) for s, v in point.items())
