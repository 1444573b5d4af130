r"""Roots with a proof: existence and local uniqueness from interval Newton, or no root at all.

An approximate zero is found by iterating, then proved. For a residual F with parameters p in given
balls and a box X around a point m,

.. math:: K(X) = m - C F(m) + (1 - C\,F'(X))(X - m) \subset \mathrm{int}\,X

implies that for every p in the balls X holds exactly one zero, and that it lies in K(X) (Krawczyk
1969; for one unknown the tighter :math:`N(X) = m - F(m)/F'(X)`). Nothing is returned unproved.

Validity: residuals are continuous. Where a case distinction stays undecided over the box, its two
values must overlap there, so a jump larger than the box is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flint import arb, arb_mat, ctx

from numerics.ball_operations import ZERO, Inconclusive, UnprovedRoot

Point = list[arb]
Residual = Callable[[Point], Point]
Slopes = Callable[[Point], tuple[Point, list[Point]]]

# How far, relative to itself, the proved root may lie from where the iteration of the program led.
DRIFT_EXPONENT = -10
SETTLED_EXPONENT = -20
INFLATIONS = 8


@dataclass(frozen=True)
class Certificate:
    """A proved root.

    Parameters
    ----------
    root : tuple of arb
        Balls that hold the root, one per unknown.
    method : str
        ``"interval Newton"``, ``"Krawczyk"``: exactly one root in the box that was examined;
        ``"exact zero"``: the residual is exactly zero at this exact point;
        ``"sign change"``: at least one root in the ball, uniqueness not shown.
    iterations : int
        Iterations of the program's step until it settled.
    """

    root: tuple[arb, ...]
    method: str
    iterations: int


def certify_root(
    improve: Residual,
    residual: Residual,
    slopes: Slopes,
    start: Sequence[arb],
    tolerance_exponent: int,
    maximum_iterations: int,
) -> Certificate:
    """Follow an iteration to where it settles and prove that a root is there.

    Parameters
    ----------
    improve : callable
        One step of the iteration, balls in, balls out.
    residual : callable
        What vanishes at the root.
    slopes : callable
        The residual and its Jacobian, row i holding the derivatives of residual i.
    start : sequence of arb
        Where the iteration starts.
    tolerance_exponent : int
        The iteration has settled when a step changes no unknown by more than two to this power,
        relative.
    maximum_iterations : int
        Upper limit on the number of steps.

    Returns
    -------
    Certificate
        The root in balls about as tight as the working precision allows.

    Raises
    ------
    Inconclusive
        If the iteration does not settle at this precision.
    UnprovedRoot
        If it settles where no root can be proved at this precision.

    References
    ----------
    R. Krawczyk, Computing 4 (1969) 187; R. E. Moore, SIAM J. Numer. Anal. 14 (1977) 611.

    Examples
    --------
    >>> def step(x): return [(x[0] + 2 / x[0]) / 2]
    >>> def f(x): return [x[0] * x[0] - 2]
    >>> c = certify_root(step, f, lambda x: (f(x), [[2 * x[0]]]), [arb(1)], -40, 50)
    >>> c.method, c.root[0].contains(arb(2).sqrt().mid()), bool(c.root[0].rad() < 1e-14)
    ('interval Newton', True, True)
    """
    place, iterations = _iterate(
        improve, residual, list(start), tolerance_exponent, maximum_iterations
    )
    if _exactly_zero(residual(place)):
        return Certificate(tuple(place), "exact zero", iterations)
    point = _polish(slopes, place)
    if any(abs(p - q) > _scale(q, DRIFT_EXPONENT) for p, q in zip(point, place, strict=True)):
        raise UnprovedRoot(
            "the zero of the residual that Newton's method finds is not the one the iteration "
            f"of the program leads to ({_words(point)} against {_words(place)})"
        )
    if _exactly_zero(residual(point)):
        return Certificate(tuple(point), "exact zero", iterations)
    if len(point) == 1:
        root, method = _newton_box(residual, slopes, point[0])
    else:
        root, method = _krawczyk_box(residual, slopes, point), "Krawczyk"
    return Certificate(tuple(root), method, iterations)


def _scale(x: arb, exponent: int) -> arb:
    return abs(x).mid() * arb(2) ** exponent


def _words(point: Sequence[arb]) -> str:
    return ", ".join(x.str(8, radius=False) for x in point)


def _exactly_zero(values: Sequence[arb]) -> bool:
    return all(v.is_zero() for v in values)


def _midpoints(values: Sequence[arb], what: str) -> Point:
    if not all(v.is_finite() for v in values):
        raise Inconclusive(f"{what} is not a finite number")
    return [v.mid() for v in values]


def _iterate(
    improve: Residual, residual: Residual, x: Point, tolerance: int, limit: int
) -> tuple[Point, int]:
    """Follow midpoints until they settle; a sequence that dwindles to an exact zero gives it."""
    x = _midpoints(x, "the starting value of a root")
    if _exactly_zero(residual(x)):
        # Newton's step may be 0/0 at a double root; the root is known all the same.
        return x, 0
    origin = [ZERO] * len(x)
    tiny = arb(2) ** (-16 * ctx.prec)
    new = previous = x
    for count in range(1, limit + 1):
        new = _midpoints(improve(x), "a step of a root iteration")
        if all(abs(v) < tiny for v in new) and _exactly_zero(residual(origin)):
            return origin, count
        done = all(
            abs(b - a) <= _scale(b, tolerance) or a == b for a, b in zip(x, new, strict=True)
        )
        if done:
            return new, count
        x, previous = new, x
    settled = all(
        abs(b - a) <= _scale(b, SETTLED_EXPONENT) for a, b in zip(previous, new, strict=True)
    )
    if settled:
        return new, limit
    shrinking = all(4 * abs(b) <= 3 * abs(a) or b == 0 for a, b in zip(previous, new, strict=True))
    if shrinking and _exactly_zero(residual(origin)):
        return origin, limit
    raise Inconclusive(f"a root iteration has not settled after {limit} steps, at {_words(new)}")


def _polish(slopes: Slopes, place: Point) -> Point:
    """Newton steps in midpoints, to the working precision and for as long as they get shorter."""
    point, last = place, None
    for _ in range(ctx.prec.bit_length() + 4):
        values, rows = slopes(point)
        try:
            # Balls of one row each are enough here: the proof comes later.
            step = _solve([[s.mid() for s in row] for row in rows], [v.mid() for v in values])
        except ZeroDivisionError:
            return point
        if not all(s.is_finite() for s in step):
            return point
        length = max((abs(s) for s in step), key=float)
        if last is not None and length >= last:
            return point
        point, last = [(p - s).mid() for p, s in zip(point, step, strict=True)], length
        if all(abs(s) <= _scale(p, 8 - ctx.prec) for p, s in zip(point, step, strict=True)):
            return point
    return point


def _solve(rows: list[Point], right: Point) -> Point:
    if len(right) == 1:
        if rows[0][0].is_zero():
            raise ZeroDivisionError
        return [right[0] / rows[0][0]]
    solution = arb_mat(rows).solve(arb_mat([[r] for r in right]))
    return [solution[i, 0] for i in range(len(right))]


def _jacobian(slopes: Slopes, box: Point) -> list[Point]:
    """Return the Jacobian over a box, NaN where the residual itself has no value all over it."""
    values, rows = slopes(box)
    if all(v.is_finite() for v in values):
        return rows
    # A pole or an undecided jump in the box: the mean value theorem does not hold.
    return [[arb.nan()] * len(box)] * len(box)


def _box(point: Point, radii: Sequence[arb]) -> Point:
    return [arb(m, r) for m, r in zip(point, radii, strict=True)]


def _newton_box(residual: Residual, slopes: Slopes, m: arb) -> tuple[Point, str]:
    (value,) = residual([m])
    slope = slopes([m])[1][0][0]
    guess = abs(value / slope).upper() if value.is_finite() else arb.nan()
    if guess.is_finite():
        radius = 2 * guess + _scale(m, 2 - ctx.prec)
        for _ in range(INFLATIONS):
            box = arb(m, radius)
            inside = m - value / _jacobian(slopes, [box])[0][0]
            if inside.is_finite() and box.contains_interior(inside):
                # One more pass over the smaller box gives the tight enclosure.
                tight = m - value / _jacobian(slopes, [inside.union(m)])[0][0]
                return [tight.intersection(inside)], "interval Newton"
            radius = 4 * radius
    return _sign_change(residual, slopes, m), "sign change"


def _sign_change(residual: Residual, slopes: Slopes, m: arb) -> Point:
    for divisor in (1, 2, 3, 4, 6, 8):
        radius = _scale(m, -max(ctx.prec // divisor - 8, 16))
        left, right = residual([(m - radius).lower()])[0], residual([(m + radius).upper()])[0]
        if left * right < 0:
            box = arb(m, radius).union((m - radius).lower()).union((m + radius).upper())
            # Finite over the whole box: no pole hides behind the change of sign.
            if slopes([box])[0][0].is_finite():
                return [box]
    raise UnprovedRoot(
        f"near {_words([m])} no root could be proved: the derivative of the residual cannot be "
        "told from zero and the residual does not change sign"
    )


def _krawczyk_box(residual: Residual, slopes: Slopes, point: Point) -> Point:
    n = len(point)
    refusal = UnprovedRoot(
        f"near ({_words(point)}) no root could be proved: the Jacobian of the residuals cannot "
        "be told from a singular one"
    )
    value, rows = residual(point), slopes(point)[1]
    try:
        inverse = arb_mat([[s.mid() for s in row] for row in rows]).inv()
    except ZeroDivisionError:
        raise refusal from None
    inverse = arb_mat([[inverse[i, j].mid() for j in range(n)] for i in range(n)])
    shift = inverse * arb_mat([[v] for v in value])
    size = max((abs(p) for p in point), key=float)
    # A coordinate at zero has no scale of its own, and its box must not be empty.
    scales = [size if p.is_zero() else p for p in point]
    radii = [2 * abs(shift[i, 0]).upper() + _scale(scales[i], 2 - ctx.prec) for i in range(n)]
    for _ in range(INFLATIONS):
        if not all(r.is_finite() for r in radii):
            break
        box = _box(point, radii)
        image = _krawczyk(slopes, point, box, inverse, shift)
        if all(b.contains_interior(k) for b, k in zip(box, image, strict=True)):
            smaller = [k.union(m) for k, m in zip(image, point, strict=True)]
            again = _krawczyk(slopes, point, smaller, inverse, shift)
            return [a.intersection(k) for a, k in zip(again, image, strict=True)]
        radii = [4 * r for r in radii]
    raise refusal


def _krawczyk(slopes: Slopes, point: Point, box: Point, inverse: arb_mat, shift: arb_mat) -> Point:
    n = len(point)
    contraction = inverse * arb_mat(_jacobian(slopes, box))
    image = []
    for i in range(n):
        total = point[i] - shift[i, 0]
        for j in range(n):
            entry = (1 if i == j else 0) - contraction[i, j]
            total += entry * (box[j] - point[j])
        image.append(total)
    return image
