"""More digits: double-double against float64 and mpmath, certified balls per second, and quad."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from scipy import integrate

import derivations
from derive.formula import Formula
from numerics.ball import evaluate_many

from .pairing import Contender, Spread, interleave
from .table import Row, at_least, at_most
from .workloads import Setting, closed_form, printed_form, root_form, scattered

BITS = 106


def double_double(setting: Setting) -> list[Row]:
    """Pairs of floats: their price over float64, and what mpmath takes for 32 digits."""
    rows = []
    for name, formula in (("closed form", closed_form()), ("root and error", root_form())):
        count = min(setting.points, 100_000)
        points = scattered(formula, count)
        out, pair = np.empty(count), (np.empty(count), np.empty(count))
        pairs = formula.compile(precision="double-double")
        entries = {
            "float64": Contender.of(formula, count, out=out, **points),
            "double-double": Contender.of(pairs, count, out=pair, **points),
        }
        paired = interleave(entries, setting.rounds, setting.seconds)
        worst = _worst_error(formula, points, pairs)
        rows.append(
            Row(
                f"pairs-{name.split()[0]}",
                f"{name} in double-double",
                "the same in float64",
                paired.ratio("double-double", "float64"),
                target=at_most(10.0),
                note=f"{count} points; largest relative error of {WORST} against balls {worst:.1e}",
                nanoseconds={n: paired.nanoseconds(n) for n in entries},
            )
        )
    return [*rows, _against_mpmath(setting), _root_against_mpmath(setting)]


WORST = 200


def _worst_error(formula: Formula, points: dict[str, Any], pairs: Any) -> float:
    """Return the largest relative error of pairs against certified values."""
    few = {name: values[:WORST] for name, values in points.items()}
    high, low = pairs(**few)
    (balls,) = evaluate_many(formula.program, few, bits=200).values()
    worst = 0.0
    for i, (h, l) in enumerate(zip(high, low, strict=True)):  # noqa: E741
        true = (balls[i].lower + balls[i].upper) / 2
        worst = max(worst, abs(float((Fraction(h) + Fraction(l) - true) / true)))
    return worst


def _against_mpmath(setting: Setting) -> Row:
    import mpmath

    formula = printed_form()
    count, few = min(setting.points, 100_000), 200
    points = scattered(formula, count)
    pairs = formula.compile(precision="double-double")
    theirs = sp.lambdify(formula.body.symbols, formula.expr, modules="mpmath", cse=True)
    columns = [[mpmath.mpf(float(v)) for v in p[:few]] for p in points.values()]

    def digits() -> list[Any]:
        with mpmath.workdps(32):
            return [theirs(*point) for point in zip(*columns, strict=True)]

    out = np.empty(count), np.empty(count)
    paired = interleave(
        {
            "double-double": Contender.of(pairs, count, out=out, **points),
            "mpmath": Contender(digits, few),
        },
        setting.rounds,
        setting.seconds,
    )
    high = pairs(**points)[0][:few]
    np.testing.assert_allclose([float(v) for v in digits()], high, rtol=1e-14)
    return Row(
        "mpmath",
        "closed form as printed in double-double",
        f"mpmath at 32 digits ({mpmath.libmp.BACKEND} integers), lambdify with cse",
        paired.ratio("mpmath", "double-double"),
        "x faster",
        at_least(1000.0),
        nanoseconds={n: paired.nanoseconds(n) for n in paired.seconds},
    )


def _root_against_mpmath(setting: Setting) -> Row:
    import mpmath

    formula = root_form()
    count, few = min(setting.points, 100_000), 20
    points = scattered(formula, count)
    pairs = formula.compile(precision="double-double")
    columns = [[mpmath.mpf(float(v)) for v in p[:few]] for p in points.values()]

    def at(tau: Any, alpha: Any, kappa: Any, rho: Any, lam: Any) -> Any:
        q = (1 + rho) / alpha

        def trace(u: Any) -> Any:
            b = u + 1 - 1 / kappa
            return 2 / (b + mpmath.sqrt(b**2 + 4 * u / kappa))

        def steep(u: Any) -> Any:
            m = trace(u)
            return -(m**2 / kappa + m) / mpmath.sqrt((u + 1 - 1 / kappa) ** 2 + 4 * u / kappa)

        xi = mpmath.findroot(
            lambda x: x * trace(q + x) - tau * lam / x + tau - 1,
            lam,
            solver="newton",
            df=lambda x: trace(q + x) + x * steep(q + x) + tau * lam / x**2,
        )
        z, m, slope = q + xi, trace(q + xi), steep(q + xi)
        w = 1 - 2 * z * m - z**2 * slope
        denominator = tau - (1 - 2 * xi * m - xi**2 * slope)
        variance = (rho + z - z**2 * m - xi * w) / denominator * (m + xi * slope)
        return 1 + rho - 2 * (1 - z * m) + (1 + q) * (w + variance)

    def digits() -> list[Any]:
        with mpmath.workdps(32):
            return [at(*point) for point in zip(*columns, strict=True)]

    out = np.empty(count), np.empty(count)
    paired = interleave(
        {
            "double-double": Contender.of(pairs, count, out=out, **points),
            "mpmath": Contender(digits, few),
        },
        min(setting.rounds, 5),
        0.0,
    )
    high = pairs(**points)[0][:few]
    np.testing.assert_allclose([float(v) for v in digits()], high, rtol=1e-12)
    return Row(
        "mpmath-root",
        "root and error in double-double",
        f"mpmath.findroot at 32 digits ({mpmath.libmp.BACKEND} integers), by Newton from xi = lam",
        paired.ratio("mpmath", "double-double"),
        "x faster",
        at_least(1000.0),
        note=f"{few} points with the exact slope, error at the root included",
        nanoseconds={n: paired.nanoseconds(n) for n in paired.seconds},
    )


def certified(setting: Setting) -> list[Row]:
    """Certified enclosures per second at 106 bits, and a plain loop over python-flint."""
    rows = []
    for name, formula, target in (
        ("printed closed form", printed_form(), at_least(1e5)),
        ("closed form", closed_form(), at_least(1e5)),
        ("root and error", root_form(), None),
    ):
        count = min(setting.points, 20_000 if target else 500)
        points = scattered(formula, count)
        entry = Contender.of(evaluate_many, count, formula.program, points, BITS)
        paired = interleave({"balls": entry}, min(setting.rounds, 5), 0.0)
        rates = [1.0 / seconds for seconds in paired.seconds["balls"]]
        rows.append(
            Row(
                f"balls-{name.split()[0]}",
                f"{name}, certified to {BITS} bits",
                "no other tool",
                Spread.of(rates),
                "points/s",
                target,
                note=f"{count} points",
            )
        )
    return rows


def against_quad(setting: Setting) -> list[Row]:
    """The resolvent trace of the Marchenko-Pastur law: closed form against quadrature."""
    formula = derivations.get("classics.marchenko_pastur").result
    few = 50
    rng = np.random.default_rng(7)
    kappa, u = rng.uniform(1.5, 8.0, 100_000), rng.uniform(0.05, 3.0, 100_000)

    def quad() -> list[float]:
        return [_by_quadrature(k, x) for k, x in zip(kappa[:few], u[:few], strict=True)]

    out = np.empty(kappa.size)
    np.testing.assert_allclose(quad(), formula(kappa=kappa, u=u)[:few], rtol=1e-7)
    paired = interleave(
        {
            "derive": Contender.of(formula, kappa.size, kappa=kappa, u=u, out=out),
            "quad": Contender(quad, few),
        },
        min(setting.rounds, 5),
        setting.seconds,
    )
    return [
        Row(
            "quad",
            "resolvent trace of the Marchenko-Pastur law",
            "scipy.integrate.quad over its density",
            paired.ratio("quad", "derive"),
            "x faster",
            nanoseconds={n: paired.nanoseconds(n) for n in paired.seconds},
        )
    ]


def _by_quadrature(kappa: float, u: float) -> float:
    centre, radius = 1 + 1 / kappa, 2 / kappa**0.5

    def density(angle: float) -> float:
        x = centre + radius * np.cos(angle)
        return kappa * (radius * np.sin(angle)) ** 2 / (2 * np.pi * x * (x + u))

    return integrate.quad(density, 0, np.pi, epsabs=0, epsrel=1e-10)[0]
