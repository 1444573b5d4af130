"""Case 22: position and overlap of the outlier, symbolic, against simulation."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from derive.density import stieltjes_ball
from derive.errors import ConditionError, DomainError
from derive.law import atoms, inverse_marchenko_pastur, marchenko_pastur, semicircle
from derive.spike import additive_spike, multiplicative_spike
from derive.support import support

c, ell, s, t = sympy.symbols("c ell s t", positive=True)


def test_spiked_covariance():
    found = multiplicative_spike(marchenko_pastur(c, s), ell)
    # Baik & Silverstein (2006), Paul (2007)
    assert sympy.simplify(found.position - s * ell * (1 + c / (ell - 1))) == 0
    printed = (1 - c / (ell - 1) ** 2) / (1 + c / (ell - 1))
    assert sympy.simplify(found.overlap - printed) == 0


def test_threshold_is_where_the_outlier_meets_the_bulk():
    found = multiplicative_spike(marchenko_pastur(c), ell)
    at = ell, 1 + sympy.sqrt(c)
    assert sympy.simplify(found.overlap.subs(*at)) == 0
    assert sympy.simplify(found.position.subs(*at) - (1 + sympy.sqrt(c)) ** 2) == 0
    assert found.condition.subs({c: sympy.Rational(1, 4), ell: 2}) == True  # noqa: E712
    assert found.condition.subs({c: 4, ell: 2}) == False  # noqa: E712


def test_additive_spike_on_a_semicircle():
    found = additive_spike(semicircle(s), t)
    assert sympy.simplify(found.position - (t + s / t)) == 0
    assert sympy.simplify(found.overlap - (1 - s / t**2)) == 0


@pytest.mark.parametrize("strength", [3, 5])
def test_outlier_solves_the_secular_equation(strength):
    # v^T (W - z)^-1 v = m(z): the pole of the resolvent, by the certified transform
    law = atoms({-1: "1/4", 1: "3/4"})
    found = additive_spike(law, strength)
    place = float(found.position)
    assert place > float(support(law).highest)
    assert abs(complex(stieltjes_ball(law, place)) + 1 / strength) < 1e-13
    step = 1e-5
    slope = (
        complex(stieltjes_ball(law, place + step)) - complex(stieltjes_ball(law, place - step))
    ) / (2 * step)
    assert abs(float(found.overlap) - 1 / (strength**2 * slope.real)) < 1e-7


def _z_score(values, expected):
    mean, error = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    return (mean - expected) / error, error


@pytest.mark.parametrize(("ratio", "strength"), [("1/2", 3), ("3/2", 5)])
def test_simulation_of_a_spiked_covariance(ratio, strength):
    rng = np.random.default_rng(22)
    found = multiplicative_spike(marchenko_pastur(ratio), strength)
    d = 240
    n = round(d / float(sympy.Rational(ratio)))
    tops, overlaps = [], []
    for _ in range(40):
        x = rng.standard_normal((n, d)) + 1j * rng.standard_normal((n, d))
        x[:, 0] *= np.sqrt(strength)
        values, vectors = np.linalg.eigh(x.conj().T @ x / (2 * n))
        tops.append(values[-1])
        overlaps.append(abs(vectors[0, -1]) ** 2)
    position, error = _z_score(tops, float(found.position))
    assert abs(position) < 4.5 and error < 0.02 * float(found.position)
    overlap, error = _z_score(overlaps, float(found.overlap))
    assert abs(overlap) < 4.5 and error < 0.01


def test_no_spike_is_refused():
    for strength in (1, 0, -2):
        with pytest.raises(DomainError):
            multiplicative_spike(marchenko_pastur(c), strength)
    with pytest.raises(DomainError):
        additive_spike(semicircle(), 0)
    with pytest.raises(ConditionError):
        multiplicative_spike(semicircle(), 2)


def test_spike_on_an_inverse_wishart():
    found = multiplicative_spike(inverse_marchenko_pastur("1/3"), 6)
    law = inverse_marchenko_pastur("1/3")
    place = float(found.position)
    assert place > float(support(law).highest)
    assert abs(complex(stieltjes_ball(law, place)) * place + 6 / 5) < 1e-12
