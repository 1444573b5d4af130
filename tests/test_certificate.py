"""Roots are proved or refused: against mpmath at high precision, and against wrong programs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx

from numerics.ball import evaluate, evaluate_many, working_precision
from numerics.ball_operations import Inconclusive, UnprovedRoot
from numerics.certificate import Certificate, certify_root
from numerics.condition import condition_number
from numerics.errors import BranchError, ConvergenceError
from numerics.functions import ResolventTrace
from numerics.program import Builder, Program

NAMES = ("tau", "alpha", "kappa", "rho", "lam")


def effective_ridge(wrong: bool = False) -> Program:
    """xi of arXiv 2405.11751: xi M(q + xi) - tau lam / xi = 1 - tau, q = (1 + rho)/alpha.

    The left side is increasing and concave, so Newton's method from below climbs to the root. The
    start freezes M at xi = 0. `wrong` changes a coefficient of the residual and of the step alike.
    """
    b = Builder(NAMES)
    op = b.op
    tau, alpha, kappa, rho, lam = (b.argument(n) for n in NAMES)
    zero, one, two, four = (b.constant(n) for n in (0, 1, 2, 4))
    q = op("div", op("add", one, rho), alpha)
    m0 = ResolventTrace.lower(b, kappa, q)
    delta = op("sub", tau, one)
    source = op("mul", tau, lam)
    if wrong:
        source = op("mul", b.constant(Fraction(1001, 1000)), source)
    s = op("sqrt", op("add", op("mul", delta, delta), op("mul", four, op("mul", m0, source))))
    small = op("div", op("mul", two, source), op("add", delta, s))
    large = op("div", op("sub", s, delta), op("mul", two, m0))
    start = b.select(op("less", zero, delta), small, large)
    (xi,) = b.open(1)
    m = ResolventTrace.lower(b, kappa, op("add", q, xi))
    residual = op("sub", op("mul", xi, op("add", op("mul", xi, m), delta)), source)
    pull = op("div", source, xi)
    t = op("div", m, op("add", one, op("div", m, kappa)))
    slope = op("sub", one, op("div", op("mul", t, t), kappa))
    dm = op("div", op("mul", m, m), slope)  # -M'
    value = op("sub", op("add", op("mul", xi, m), delta), pull)
    change = op("add", op("sub", m, op("mul", xi, dm)), op("div", pull, xi))
    step = op("sub", xi, op("div", value, change))
    (root,) = b.close("root", (xi,), (step, residual), (start,), (-50, 200), 1)
    return b.program({"xi": root, "M": ResolventTrace.lower(b, kappa, op("add", q, root))})


def oracle(tau, alpha, kappa, rho, lam) -> Any:
    """Solve for xi with mpmath at 120 digits by bisection; shares nothing with the program."""
    tau, alpha, kappa, rho, lam = (
        mpmath.mpf(Fraction(x).numerator) / Fraction(x).denominator
        for x in (tau, alpha, kappa, rho, lam)
    )
    q = (1 + rho) / alpha

    def left(log_xi):
        xi = mpmath.exp(log_xi)
        b = q + xi + 1 - 1 / kappa
        root = mpmath.sqrt(b * b + 4 * (q + xi) / kappa)
        m = 2 / (b + root) if b > 0 else (root - b) * kappa / (2 * (q + xi))
        return xi * m - tau * lam / xi - 1 + tau

    low = mpmath.log(lam) - 1
    high = mpmath.log(lam + (1 + q) / tau) + 1
    return mpmath.exp(
        mpmath.findroot(left, (low, high), solver="anderson", tol=1e-200, maxsteps=900)
    )


def draw(rng: np.random.Generator) -> dict[str, float]:
    return {
        "tau": float(10 ** rng.uniform(-3, 3)),
        "alpha": float(10 ** rng.uniform(-3, 6)),
        "kappa": float(10 ** rng.uniform(-3, 6)),
        "rho": float(10 ** rng.uniform(-6, 1)),
        "lam": float(10 ** rng.uniform(-12, 1)),
    }


def holds(ball, x: Any) -> bool:
    sign, mantissa, exponent, _ = x._mpf_
    value = Fraction(int(mantissa)) * Fraction(2) ** int(exponent) * (-1 if sign else 1)
    # The oracle is good to some 100 digits, far finer than the ball.
    slack = abs(value) * Fraction(1, 10**80)
    return ball.lower - slack <= value <= ball.upper + slack


def test_effective_ridge_against_high_precision_root_finding():
    program, mutant, rng = effective_ridge(), effective_ridge(wrong=True), np.random.default_rng(5)
    with mpmath.workdps(120):
        for k in range(40):
            point = draw(rng)
            if k % 5 == 0:  # close to the transition
                point["tau"] = float(1 + 10 ** rng.uniform(-15, -1) * rng.choice([-1, 1]))
            truth = oracle(**point)
            assert holds(evaluate(program, bits=128, **point)["xi"], truth), point
            assert not holds(evaluate(mutant, bits=128, **point)["xi"], truth), point


def test_effective_ridge_on_a_wide_domain():
    rng = np.random.default_rng(11)
    points = [draw(rng) for _ in range(150)]
    columns = {n: [p[n] for p in points] for n in NAMES}
    found = evaluate_many(effective_ridge(), columns, bits=106)
    assert not found["xi"].failures
    assert found["xi"].relative_radius() <= 2.0**-106
    # Substituted into xi = lam + (xi/tau) (1 - xi M), in plain balls.
    with working_precision(106):
        for p, xi, m in zip(points, found["xi"].values, found["M"].values, strict=True):
            total = arb(p["lam"]) + xi / p["tau"] * (1 - xi * m)
            assert total.overlaps(xi) and xi > p["lam"]


def exact_ridges(n: int, seed: int) -> tuple[dict[str, list[Fraction]], list[Fraction]]:
    """Return points at which xi is a known rational: choose xi, read off lam = xi (1 - s/tau).

    With z = (1 - t)(kappa - t)/(kappa t) and M = kappa t/(kappa - t): s = 1 - xi M, q = z - xi.
    """
    rng = np.random.default_rng(seed)

    def number(low: float, high: float) -> Fraction:
        return Fraction(float(10 ** rng.uniform(low, high))).limit_denominator(10**9)

    points: dict[str, list[Fraction]] = {n: [] for n in NAMES}
    roots = []
    while len(roots) < n:
        kappa, rho = number(-3, 4), number(-4, 1)
        t = min(kappa, Fraction(1)) * Fraction(int(rng.integers(1, 10**6)), 10**6 + 1)
        z, m = (1 - t) * (kappa - t) / (kappa * t), kappa * t / (kappa - t)
        xi = z * Fraction(int(rng.integers(1, 10**6)), 10**6 + 1)
        s = 1 - xi * m
        tau = s * (1 + number(-6, 2))
        q = z - xi
        for name, value in zip(
            NAMES, (tau, (1 + rho) / q, kappa, rho, xi * (1 - s / tau)), strict=True
        ):
            points[name].append(value)
        roots.append(xi)
    return points, roots


@pytest.mark.parametrize("n", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_effective_ridge_holds_exact_rationals(n):
    points, roots = exact_ridges(n, seed=n)
    found = evaluate_many(effective_ridge(), points, bits=106)["xi"]
    assert not found.failures and found.relative_radius() <= 2.0**-106
    mutant = evaluate_many(effective_ridge(wrong=True), points, bits=106)["xi"]
    for i, xi in enumerate(roots):
        assert found[i].contains(xi)
        assert not mutant[i].contains(xi)


@pytest.mark.parametrize("tau", ["1/2", "1", "3"])
def test_ridgeless_limits(tau):
    point = {"tau": tau, "alpha": "7/3", "kappa": "2/5", "rho": "1/9", "lam": 0}
    balls = evaluate(effective_ridge(), bits=100, **point)
    if tau == "1/2":
        # xi M = 1 - tau there.
        product = balls["xi"].midpoint * balls["M"].midpoint
        assert abs(product - Fraction(1, 2)) < Fraction(1, 2**98)
    else:
        assert (balls["xi"].midpoint, balls["xi"].radius) == (0, 0)
    nearly = evaluate(effective_ridge(), bits=100, **{**point, "lam": "1e-90"})["xi"]
    assert abs(nearly.midpoint - balls["xi"].midpoint) < Fraction(1, 10**40)


def test_fresh_tasks_are_the_limit_of_many_tasks():
    point = {"tau": "4/3", "alpha": "5/2", "rho": "1/7", "lam": "1/50"}
    at_infinity = evaluate(effective_ridge(), bits=100, kappa="inf", **point)["xi"]
    far = evaluate(effective_ridge(), bits=100, kappa="1e80", **point)["xi"]
    assert abs(at_infinity.midpoint - far.midpoint) < Fraction(1, 10**70)


# --- single roots by hand


def rooted(step, residual, start="3/2", limit=200) -> Program:
    """Build a program whose one unknown x follows `step` and should satisfy `residual`."""
    b = Builder(("a",))
    first = b.constant(Fraction(start))
    (x,) = b.open(1)
    yields = (step(b, x), residual(b, x))
    (root,) = b.close("root", (x,), yields, (first,), (-50, limit), 1)
    return b.program({"x": root})


def heron(b: Builder, x: int) -> int:
    return b.op("div", b.op("add", x, b.op("div", b.argument("a"), x)), b.constant(2))


def gap(b: Builder, x: int) -> int:
    return b.op("sub", b.op("mul", x, x), b.argument("a"))


def test_square_root_by_iteration():
    ball = evaluate(rooted(heron, gap), bits=150, a="2/3")["x"]
    assert ball.lower**2 <= Fraction(2, 3) <= ball.upper**2
    assert ball.radius * 2**150 <= ball.midpoint


def test_the_branch_is_the_one_the_iteration_leads_to():
    negative = rooted(heron, gap, start="-3/2")
    assert evaluate(negative, a="2/3")["x"].upper < 0


def test_a_slow_iteration_is_finished_by_newton():
    def relax(b: Builder, x: int) -> int:
        return b.op("sub", x, b.op("mul", b.constant(Fraction(1, 10)), gap(b, x)))

    ball = evaluate(rooted(relax, gap), bits=150, a="2/3")["x"]
    assert ball.lower**2 <= Fraction(2, 3) <= ball.upper**2


def test_an_exact_root_is_exact():
    ball = evaluate(rooted(heron, gap), a="9/4")["x"]
    assert (ball.midpoint, ball.radius) == (Fraction(3, 2), 0)


def test_a_step_that_does_not_lead_to_the_root_is_refused():
    def other(b: Builder, x: int) -> int:  # iterates to sqrt(a + 1/100)
        a = b.op("add", b.argument("a"), b.constant(Fraction(1, 100)))
        return b.op("div", b.op("add", x, b.op("div", a, x)), b.constant(2))

    with pytest.raises(BranchError, match="not the one the iteration"):
        evaluate(rooted(other, gap), a="2/3")


def test_no_root_is_refused():
    def above(b: Builder, x: int) -> int:
        return b.op("add", b.op("mul", x, x), b.argument("a"))

    def newton(b: Builder, x: int) -> int:
        return b.op("sub", x, b.op("div", above(b, x), b.op("mul", b.constant(2), x)))

    def shrink(b: Builder, x: int) -> int:
        return b.op("div", x, b.constant(2))

    with pytest.raises(ConvergenceError, match="settled"):
        evaluate(rooted(newton, above), bits=53, a="2/3")
    with pytest.raises((BranchError, ConvergenceError)):
        evaluate(rooted(shrink, above), bits=53, a="2/3")
    with pytest.raises(ConvergenceError, match="finite"):
        evaluate(rooted(newton, above, start="0"), bits=53, a="2/3")


def test_a_double_root_cannot_be_proved():
    def squared(b: Builder, x: int) -> int:
        return b.op("power", gap(b, x), attribute=2)

    with pytest.raises(BranchError, match="derivative"):
        evaluate(rooted(heron, squared), bits=53, a="2/3")


def test_a_triple_root_is_bracketed_by_its_change_of_sign():
    def cubed(b: Builder, x: int) -> int:
        return b.op("power", gap(b, x), attribute=3)

    ball = evaluate(rooted(heron, cubed), bits=53, a="2/3")["x"]
    assert ball.lower**2 <= Fraction(2, 3) <= ball.upper**2


@pytest.mark.parametrize("kind", ["jump", "pole"])
def test_a_change_of_sign_without_a_root_is_refused(kind):
    def residual(b: Builder, x: int) -> int:
        difference = gap(b, x)
        if kind == "pole":
            return b.op("div", b.constant(1), difference)
        positive = b.op("less", b.constant(0), difference)
        return b.select(positive, b.constant(1), b.constant(-1))

    with pytest.raises((BranchError, ConvergenceError)):
        evaluate(rooted(heron, residual), bits=53, a="2/3")


def test_a_sequence_that_dwindles_to_an_exact_root_at_zero():
    def product(b: Builder, x: int) -> int:
        return b.op("mul", x, b.op("mul", x, b.argument("a")))

    def newton(b: Builder, x: int) -> int:
        return b.op("div", x, b.constant(2))

    ball = evaluate(rooted(newton, product), a="2/3")["x"]
    assert (ball.midpoint, ball.radius) == (0, 0)


def sphere_and_plane() -> Program:
    """x^2 + y^2 = a, x = y b: two unknowns, with a Newton step written out."""
    b = Builder(("a", "s"))
    op = b.op
    a, s = b.argument("a"), b.argument("s")
    two = b.constant(2)
    x, y = b.open(2)
    f = op("sub", op("add", op("mul", x, x), op("mul", y, y)), a)
    g = op("sub", x, op("mul", y, s))
    # Jacobian [[2x, 2y], [1, -s]]
    determinant = op("neg", op("mul", two, op("add", op("mul", x, s), y)))
    dx = op(
        "div", op("sub", op("neg", op("mul", s, f)), op("mul", op("mul", two, y), g)), determinant
    )
    dy = op("div", op("sub", op("mul", op("mul", two, x), g), f), determinant)
    yields = (op("sub", x, dx), op("sub", y, dy), f, g)
    roots = b.close("root", (x, y), yields, (b.constant(1), b.constant(1)), (-50, 100), 2)
    return b.program({"x": roots[0], "y": roots[1]})


def test_two_unknowns():
    balls = evaluate(sphere_and_plane(), bits=150, a="7/3", s="5/4")
    # y = sqrt(a / (1 + s^2)), x = s y
    square = Fraction(7, 3) / (1 + Fraction(25, 16))
    assert balls["y"].lower ** 2 <= square <= balls["y"].upper ** 2
    assert balls["x"].lower <= Fraction(5, 4) * balls["y"].upper
    assert balls["x"].radius * 2**150 <= balls["x"].midpoint
    # At s = 0 the plane is x = 0: an exact zero beside an irrational.
    flat = evaluate(sphere_and_plane(), bits=53, a="7/3", s=0)
    assert flat["x"].contains(0) and flat["y"].lower ** 2 <= Fraction(7, 3) <= flat["y"].upper ** 2


def test_condition_through_roots():
    # x = sqrt(a): condition 1/2. y = sqrt(a/(1+s^2)): 1/2 + s^2/(1+s^2).
    assert condition_number(rooted(heron, gap), a="2/3") == pytest.approx(0.5, abs=1e-14)
    s2 = 25 / 16
    found = condition_number(sphere_and_plane(), "y", a="7/3", s="5/4")
    assert found == pytest.approx(0.5 + s2 / (1 + s2), abs=1e-14)


def nested() -> Program:
    """y solves y^2 = 1 + sqrt(a y), the inner square root by an iteration of its own."""
    b = Builder(("a",))
    op = b.op
    a, two, one = b.argument("a"), b.constant(2), b.constant(1)
    (y,) = b.open(1)
    product = op("mul", a, y)
    (x,) = b.open(1)
    step = op("div", op("add", x, op("div", product, x)), two)
    (inner,) = b.close(
        "root", (x,), (step, op("sub", op("mul", x, x), product)), (y,), (-50, 90), 1
    )
    outer = op("sub", op("sub", op("mul", y, y), one), inner)
    improved = op("sqrt", op("add", one, inner))
    (root,) = b.close("root", (y,), (improved, outer), (two,), (-50, 90), 1)
    return b.program({"y": root})


def test_a_root_within_a_root():
    ball = evaluate(nested(), bits=120, a="3/7")["y"]
    with mpmath.workdps(80):
        a = mpmath.mpf(3) / 7
        truth = mpmath.findroot(lambda y: y**2 - 1 - mpmath.sqrt(a * y), 1.5)
        assert holds(ball, truth)
        slope = mpmath.diff(
            lambda p: mpmath.findroot(lambda y: y**2 - 1 - mpmath.sqrt(p * y), 1.5), a
        )
        assert condition_number(nested(), a="3/7") == pytest.approx(float(a * slope / truth), 1e-9)


# --- certificates directly


def certificate(f, slope, start, step=None, limit=60) -> Certificate:
    def newton(x):
        return [x[0] - f(x[0]) / slope(x[0])]

    return certify_root(
        (lambda x: [step(x[0])]) if step else newton,
        lambda x: [f(x[0])],
        lambda x: ([f(x[0])], [[slope(x[0])]]),
        [arb(start)],
        -40,
        limit,
    )


def test_methods_are_named():
    with working_precision(100):
        newton = certificate(lambda x: x * x - 2, lambda x: 2 * x, 1)
        assert newton.method == "interval Newton" and newton.root[0].overlaps(arb(2).sqrt())
        assert newton.root[0].rel_accuracy_bits() > 90 and 3 <= newton.iterations <= 8
        exact = certificate(lambda x: x * x - 4, lambda x: 2 * x, 1)
        assert exact.method == "exact zero" and exact.root[0] == 2
        flat = certificate(
            lambda x: (x * x - 2) * (x * x - 2) * (x * x - 2),
            lambda x: 6 * x * (x * x - 2) * (x * x - 2),
            1,
            step=lambda x: (x + 2 / x) / 2,
        )
        assert flat.method == "sign change" and flat.root[0].overlaps(arb(2).sqrt())
    assert ctx.prec == 53


def test_a_parameter_ball_is_covered_by_the_root():
    # For every p in [2, 3] the root sqrt(p) must lie in the certified ball.
    with working_precision(100):
        p = arb(2.5, 0.5)
        root = certificate(lambda x: x * x - p, lambda x: 2 * x, 1.5).root[0]
        for k in range(11):
            assert root.contains((2 + arb(k) / 10).sqrt().mid())


def test_refusals():
    with working_precision(100):
        with pytest.raises(UnprovedRoot):
            certificate(lambda x: x * x + 1, lambda x: 2 * x, 1, step=lambda x: arb("1e-30"))
        with pytest.raises(Inconclusive, match="settled"):
            certificate(lambda x: x - 1, lambda x: arb(1), 3, step=lambda x: -x)
        with pytest.raises(Inconclusive, match="finite"):
            certificate(lambda x: x - 1, lambda x: arb(1), arb.nan())
        # Singular Jacobian of two equal equations.
        with pytest.raises(UnprovedRoot, match="singular"):
            certify_root(
                lambda x: x,
                lambda x: [x[0] + x[1] - 2 * arb(2).sqrt()] * 2,
                lambda x: ([x[0] + x[1] - 2 * arb(2).sqrt()] * 2, [[arb(1), arb(1)]] * 2),
                [arb(2).sqrt(), arb(2).sqrt()],
                -40,
                9,
            )
