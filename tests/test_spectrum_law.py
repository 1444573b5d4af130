"""Power-law and empirical spectra: integrals, finite sums, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import sympy

from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.law import atoms
from derive.spectrum_law import EmpiricalLaw, PowerLaw
from derive.transforms import tau_transform

nu, s, z = sympy.symbols("nu s z", positive=True)


@pytest.mark.parametrize(("exponent", "scale", "ridge"), [(2, 3, 5), ("1/2", "2/3", "1/7")])
def test_tau_is_the_integral(exponent, scale, ridge):
    value = PowerLaw(exponent, scale).tau_transform(ridge)
    a, b, x = (float(sympy.Rational(v)) for v in (exponent, scale, ridge))
    direct, _ = scipy.integrate.quad(lambda u: 1 / (1 + x / b * u**a), 0, 1)
    assert abs(float(value) - direct) < 1e-12


def test_tau_of_a_long_list():
    law = PowerLaw("3/2", 2)
    listed = law.spectrum(20_000).tau_transform(0.75)
    assert abs(float(law.tau_transform("3/4")) - listed) < 1e-7


def test_stieltjes_follows_from_tau():
    law = PowerLaw(2, 3)
    direct, _ = scipy.integrate.quad(lambda u: 1 / (3 / u**2 + 5), 0, 1)
    assert abs(float(law.stieltjes_transform(-5)) - direct) < 1e-12


def test_scale_homogeneity():
    law = PowerLaw(nu, s)
    assert sympy.simplify(law.tau_transform(s * z) - PowerLaw(nu).tau_transform(z)) == 0


def test_moments_and_their_limit():
    assert PowerLaw("1/4", 3).moments(3) == [4, 18, 108]
    with pytest.raises(ConditionError, match="order 4"):
        PowerLaw("1/4").moments(4)
    with pytest.raises(ConditionError):
        PowerLaw(nu).moments(1)


def test_empirical_law_agrees_with_atoms():
    exact = atoms({1: "1/3", 4: "2/3"})
    listed = EmpiricalLaw([1.0, 4.0], [1 / 3, 2 / 3])
    ridges = np.array([0.5, 2.0])
    closed = [float(tau_transform(exact).subs(sympy.Symbol("z"), r)) for r in ridges]
    assert np.allclose(listed.tau_transform(ridges), closed, rtol=1e-14)
    assert np.allclose(listed.moments(2), [float(v) for v in exact.moments(2)])
    assert np.allclose(1 + -ridges * listed.stieltjes_transform(-ridges), closed, rtol=1e-14)


def test_bad_spectra_are_refused():
    for values, weights in (
        ([], None),
        ([np.nan], None),
        ([1.0, 2.0], [0.5, 0.4]),
        ([1.0, 2.0], [1.5, -0.5]),
        ([1.0, 2.0], [1.0]),
    ):
        with pytest.raises(DomainError):
            EmpiricalLaw(values, weights)
    for wrong in ((0, 1), (2, -1)):
        with pytest.raises(DomainError):
            PowerLaw(*wrong)
    with pytest.raises(ArgumentsError):
        PowerLaw(nu).spectrum(5)
