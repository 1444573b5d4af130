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
from derive.index_tensor import Tensor
from derive.spectral_trace import SpectralTrace, Spectrum, masked, partial_fractions
from derive.spectrum_values import at_atoms
from derive.verdict import Evidence, Verdict
from numerics.ball import Ball, enclose
from numerics.errors import BranchError, ConvergenceError, DomainError
from numerics.functions import ResolventTrace, textbook
from numerics.lower import lower

POINTS = 24
BITS = 160
REQUIRED = 20
# Balls wider than this, against both sides, decide nothing.
NARROW = Fraction(1, 10**12)
# How many random spectra a statement about traces is tried on.
SPECTRA = 4
# Above this many operations exact algebra is not attempted: balls alone decide.
ALGEBRA_LIMIT = 4000


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
    left, right = (_given(sp.sympify(e), given) for e in (left, right))
    _no_floats(left)
    _no_floats(right)
    balls = _ball_check(left, right, domain, spectra or {}, seed)
    if balls.verdict is Verdict.REFUTED:
        return balls
    if exactly_zero(left - right, spectra):
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
    expression = _given(sp.sympify(expression), given)
    _no_floats(expression)
    satisfying = decided = 0
    points = domain.sample(POINTS, seed)
    enclosures = _Enclosures([expression])
    for point in points:
        value = enclosures.at(point)
        if value is None:
            continue
        satisfying += 1
        if value[0].lower > 0:
            decided += 1
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
    if _positive_terms(expression):
        return Evidence(
            Verdict.PROVED, "a sum of positive terms", len(points), satisfying, decided, BITS
        )
    enough = decided >= min(REQUIRED, POINTS)
    return Evidence(
        Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE,
        "every ball is positive",
        len(points),
        satisfying,
        decided,
        BITS,
    )


def exactly_zero(expression: Any, spectra: Mapping[Spectrum, Any] | None = None) -> bool:
    """Tell whether exact algebra reduces an expression to zero (False may mean undecided).

    Parameters
    ----------
    expression : Expr
        Rational in its symbols, in square roots, in resolvent traces M and in spectral traces.
    spectra : mapping of Spectrum to Expr, optional
        Mean of each spectrum.

    Returns
    -------
    bool
        True only if the expression vanishes identically.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> exactly_zero(sp.sqrt(x + 1) * sp.sqrt(x + 1) - x - 1)
    True
    >>> k = sp.Symbol("k", positive=True)
    >>> M = ResolventTrace(k, x)
    >>> exactly_zero(1 / M - x - 1 / (1 + M / k))
    True
    """
    if expression == 0:
        return True
    if sp.count_ops(expression) > ALGEBRA_LIMIT:
        return False
    if expression.has(SpectralTrace):
        expression = partial_fractions(expression)
        for spectrum, mean in (spectra or {}).items():
            if mean is not None:
                expression = expression.subs(spectrum.trace(spectrum.eigenvalue), mean)
        expression, _ = masked(expression)
    if expression.has(ResolventTrace) and any(
        not p.exp.is_Integer for p in expression.atoms(sp.Pow)
    ):
        expression = textbook(expression)
    relations: list[tuple[sp.Symbol, Any]] = []
    expression = _algebraic(expression, relations)
    if expression.atoms(sp.Function, sp.Piecewise, sp.Max, sp.Min, sp.Abs):
        return False
    numerator = sp.numer(sp.together(expression))
    for symbol, relation in reversed(relations):
        numerator = sp.expand(numerator)
        if not numerator.is_polynomial(symbol):
            return False
        numerator = sp.prem(numerator, relation, symbol)
        numerator = sp.numer(sp.together(numerator))
    return sp.expand(numerator) == 0


def _algebraic(expression: Any, relations: list[tuple[sp.Symbol, Any]]) -> Any:
    """Replace radicals and resolvent traces by symbols with their polynomial relations."""
    known: dict[Any, sp.Symbol] = {}

    def visit(e: Any) -> Any:
        if not e.args or isinstance(e, sp.Rational):
            return e
        args = [visit(a) for a in e.args]
        if isinstance(e, sp.Pow) and isinstance(e.exp, sp.Rational) and not e.exp.is_Integer:
            outside, inside = _square_free(args[0]) if e.exp.q == 2 else (sp.S.One, args[0])
            key = ("root", inside, e.exp.q)
            if key not in known:
                symbol = sp.Dummy("r", positive=True)
                known[key] = symbol
                p, q = sp.fraction(sp.together(inside))
                relations.append((symbol, q * symbol**e.exp.q - p))
            return outside**e.exp.p * known[key] ** e.exp.p
        if isinstance(e, ResolventTrace):
            key = ("trace", *args)
            if key not in known:
                symbol = sp.Dummy("m", positive=True)
                known[key] = symbol
                kappa, u = args
                relation = u * symbol**2 + (kappa * u + kappa - 1) * symbol - kappa
                relations.append((symbol, sp.numer(sp.together(relation))))
            return known[key]
        return e.func(*args) if tuple(args) != e.args else e

    return visit(expression)


def _square_free(radicand: Any) -> tuple[Any, Any]:
    """Return a and b with sqrt(radicand) = a sqrt(b), a positive and b free of square factors."""
    above, below = sp.fraction(sp.together(radicand))
    if not below.is_positive:
        return sp.S.One, radicand
    coefficient, factors = sp.factor_list(above * below)
    outside, inside = sp.S.One, coefficient
    for factor, power in factors:
        if factor.is_positive:
            outside *= factor ** (power // 2)
            inside *= factor ** (power % 2)
        else:
            inside *= factor**power
    return outside / below, sp.expand(inside)


def _ball_check(
    left: Any, right: Any, domain: Domain, spectra: Mapping[Spectrum, Any], seed: int
) -> Evidence:
    points = domain.sample(POINTS, seed) if domain.quantities else [{}]
    rng = random.Random(seed)
    lots = [points[i::SPECTRA] for i in range(SPECTRA)] if spectra else [points]
    if spectra and not domain.quantities:
        lots = [[{}]] * SPECTRA
    satisfying = decided = 0
    largest = Fraction(0)
    for lot in lots:
        sides = _at_random_atoms((left, right), spectra, rng)
        enclosures = _Enclosures([sides[0] - sides[1], sides[0], sides[1]])
        for point in lot:
            value = enclosures.at(point)
            if value is None:
                continue
            satisfying += 1
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
            if radius < NARROW:
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


def _given(expression: Any, given: Mapping[Any, Any] | None) -> Any:
    for symbol, value in (given or {}).items():
        expression = expression.subs(symbol, value)
    return expression


def _positive_terms(expression: Any) -> bool:
    """Tell whether an expression, or its expanded quotient, is built of positive terms."""
    # A quotient is not defined where a letter below vanishes, so there that letter is positive.
    below = {x for p in expression.atoms(sp.Pow) if p.exp.is_negative for x in p.base.free_symbols}
    expression = expression.xreplace(
        {x: sp.Dummy(x.name, positive=True) for x in below if x.is_nonnegative}
    )
    if expression.is_positive:
        return True
    if sp.count_ops(expression) > ALGEBRA_LIMIT or expression.has(sp.Function, sp.Piecewise):
        return False
    above, below = sp.fraction(sp.together(expression))
    return bool(sp.expand(above).is_positive and sp.expand(below).is_positive)


def _no_floats(expression: Any) -> None:
    if expression.has(sp.Float):
        raise ConditionError(
            "check",
            f"the statement contains the Float {next(iter(expression.atoms(sp.Float)))}",
            "a Float hides its exact value, and the symbolic core is exact",
            "write sympy.Rational('0.1') instead of 0.1",
        )


def _shown(point: Mapping[sp.Symbol, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(s), str(v)) for s, v in point.items())
