"""Edges, gaps and atoms: exact numbers, spurious zeros removed, impostors refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from flint import acb, fmpz_poly
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.algebraic_law import AlgebraicLaw, law_from_equation, m, z
from derive.algebraic_number import AlgebraicNumber, algebraic_roots
from derive.atom import atom_mass
from derive.density import average, density, density_ball, stieltjes_ball, total_mass
from derive.errors import ArgumentsError, BranchError, DomainError
from derive.free_convolution import correlated_wishart, free_compression, free_sum
from derive.law import atoms, marchenko_pastur, semicircle
from derive.law_image import affine
from derive.support import critical_points, discriminant_in_z, support

quick = settings(max_examples=10, derandomize=True, deadline=None)
fractions = st.fractions(Fraction(1, 6), 4, max_denominator=6)


@given(fractions, fractions)
@quick
def test_marchenko_pastur_edges_are_exact(c, variance):
    found = support(marchenko_pastur(c, variance))
    root, s = sympy.sqrt(sympy.Rational(c)), sympy.Rational(variance)
    closed = [s * (1 - root) ** 2, s * (1 + root) ** 2]
    assert [sympy.expand(e.exact - v) for e, v in zip(found.edges, closed, strict=True)] == [0, 0]
    masses = [a.mass.exact for a in found.atoms]
    assert masses == ([1 - 1 / sympy.Rational(c)] if c > 1 else [])


def test_spurious_zeros_of_the_discriminant_are_dropped():
    law = correlated_wishart(atoms({1: "1/3", 2: "1/3", 3: "1/3"}), "1/2")
    assert len(critical_points(law)) > len(support(law).edges)
    assert len(support(law).bulks) == 1


def test_discriminant_agrees_with_sympy():
    law = free_sum(semicircle("3/2"), atoms({-1: "1/3", 2: "2/3"}))
    direct = sympy.Poly(sympy.discriminant(law.polynomial, m), z)
    ours = sympy.Poly([int(v) for v in reversed(discriminant_in_z(law).coeffs())], z)
    assert sympy.expand(direct.primitive()[1].as_expr() - ours.primitive()[1].as_expr()) == 0


def test_atoms_of_a_free_sum():
    # Bercovici & Voiculescu (1998): an atom at a + b of mass p + q - 1 where positive
    law = free_sum(atoms({1: "3/4", 2: "1/4"}), atoms({0: "2/3", 5: "1/3"}))
    found = support(law)
    pairs = [(a.place.exact, a.mass.exact) for a in found.atoms]
    assert pairs == [(1, sympy.Rational(5, 12)), (6, sympy.Rational(1, 12))]
    assert abs(total_mass(law) - 1) < 1e-10


def test_atom_next_to_a_hard_edge():
    # a double root of the mass equation: an atom of 1/2 under an inverse square root
    half = sympy.Rational(1, 2)
    free_poisson = m**2 * z + m * z + 1
    mixed = free_poisson.subs(m, 2 * (m + half / z))
    law = law_from_equation(sympy.together(mixed))
    found = support(law)
    assert [(str(a.place), str(a.mass)) for a in found.atoms] == [("0", "1/2")]
    assert [str(e) for e in found.edges] == ["0", "4"]
    assert abs(total_mass(law) - 1) < 1e-9


def test_irrational_atoms():
    # eigenvalues +-sqrt(2), half each, and a point mass at 1
    law = law_from_equation(
        m - sympy.Rational(2, 3) * z / (2 - z**2) - sympy.Rational(1, 3) / (1 - z)
    )
    pairs = [(a.place.exact, a.mass.exact) for a in support(law).atoms]
    third = sympy.Rational(1, 3)
    assert pairs == [(-sympy.sqrt(2), third), (1, third), (sympy.sqrt(2), third)]


def test_compression_makes_an_atom():
    law = free_compression(atoms({1: "1/4", 3: "3/4"}), "1/2")
    assert [(str(a.place), str(a.mass)) for a in support(law).atoms] == [("3", "1/2")]


def test_a_point_without_atom_has_mass_zero():
    law = marchenko_pastur(1)
    assert atom_mass(law, AlgebraicNumber((0, 1), 0)) == 0
    assert atom_mass(law, AlgebraicNumber((-7, 1), 0)) == 0


def test_transform_of_no_law_is_refused():
    # MP with c = 3 in place of its own domain: the inverse equation at c > 1 has negative mass
    c = 3
    s = 1 + z * m
    impostor = law_from_equation(c * z * s**2 - (1 + (c - 1) * z) * s + 1)
    assert impostor.moments(1) == [sympy.Rational(-1, 2)]
    with pytest.raises(BranchError, match="transform of no law"):
        support(impostor)
    # a semicircle of negative variance: eigenvalues on the imaginary axis
    with pytest.raises(BranchError, match="Hankel"):
        support(AlgebraicLaw(m**2 - z * m - 1))
    # R = -2 g/(1 - g^2), the anticommutator with its sign wrong
    with pytest.raises(BranchError, match="Hankel"):
        support(law_from_equation((z * m + 1) * (m**2 - 1) + 2 * m**2))
    # third moment too large for the second: R = g + 9 g^2, no law of X with kappa = (0, 1, 9)
    with pytest.raises(BranchError):
        support(law_from_equation(-m + 9 * m**2 - 1 / m - z))


def test_touching_bulks_keep_a_break():
    # semicircle of critical variance between two atoms: the density vanishes at zero as |x|^(1/3)
    law = free_sum(semicircle(1), atoms({-1: "1/2", 1: "1/2"}))
    found = support(law)
    assert len(found.bulks) == 1
    assert [str(b) for b in found.bulks[0].breaks] == ["0"]
    small = density(law, [1e-9, 8e-9])
    assert np.isclose(small[1] / small[0], 2, rtol=1e-4)
    with pytest.raises(BranchError, match="cusp"):
        density(law, [0.0])
    assert abs(total_mass(law) - 1) < 1e-9


def test_gap_closes_at_the_critical_variance():
    coin = atoms({-1: "1/2", 1: "1/2"})
    assert len(support(free_sum(semicircle("9/10"), coin)).gaps) == 1
    assert len(support(free_sum(semicircle("11/10"), coin)).gaps) == 0


def test_density_shapes_and_special_values():
    law = marchenko_pastur(1)
    found = density(law, [[np.nan, 0.0], [np.inf, -1.0]])
    assert found.shape == (2, 2)
    assert np.isnan(found[0, 0]) and np.isinf(found[0, 1])
    assert found[1].tolist() == [0.0, 0.0]
    assert density(law, 1.0).shape == ()
    tiny = 1e-200
    assert np.isclose(density(law, tiny), 1 / (np.pi * np.sqrt(tiny)), rtol=1e-13)


def test_density_ball_contains_the_float():
    law = correlated_wishart(atoms({1: "1/4", 5: "3/4"}), "2/3")
    for x in (0.5, 3.0, 7.25):
        ball = density_ball(law, sympy.Rational(x), bits=200)
        assert ball.rel_accuracy_bits() > 150
        assert abs(density(law, x) - float(ball.mid())) <= 2e-16 * float(ball.mid())


def test_density_ball_wants_a_binary_fraction():
    with pytest.raises(DomainError, match="binary"):
        density_ball(semicircle(), "1/3")


def test_stieltjes_of_the_lower_half_plane_is_the_conjugate():
    law = marchenko_pastur("1/3", 2)
    assert stieltjes_ball(law, 1 - 1j).overlaps(stieltjes_ball(law, 1 + 1j).conjugate())


def test_an_edge_has_no_transform():
    with pytest.raises(BranchError):
        stieltjes_ball(semicircle(), 2)
    with pytest.raises(DomainError):
        stieltjes_ball(semicircle(), acb("1 +/- 0.1"))


def test_symbols_are_refused():
    with pytest.raises(ArgumentsError, match="specialize"):
        support(marchenko_pastur(sympy.Symbol("c", positive=True)))


def test_average_scales():
    law = affine(marchenko_pastur("1/2"), 3)
    assert np.isclose(average(law, lambda x: x**2), 13.5, rtol=1e-9)


def test_algebraic_numbers_are_ordered_and_hashed():
    roots = algebraic_roots(fmpz_poly([-2, 0, 1]) * fmpz_poly([-7, 5]) * fmpz_poly([-2, 0, 1]))
    assert [str(r) for r in roots] == ["-sqrt(2)", "7/5", "sqrt(2)"]
    assert len({*roots, *roots}) == 3
    assert roots[1] > 1 and roots[1] != 1 and roots[2].ball(200).rel_accuracy_bits() > 150
    cubic = algebraic_roots(fmpz_poly([-2, 0, 0, 1]))[0]
    assert abs(float(cubic) - 2 ** (1 / 3)) < 1e-15
    assert abs(float(cubic.exact.evalf()) - float(cubic)) < 1e-15
