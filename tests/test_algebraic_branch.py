"""Certified continuation: the walk carries one root, and refuses at a branch point."""

from __future__ import annotations

import cmath

import pytest
from flint import acb, acb_poly, arb, fmpz_poly
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.algebraic_branch import AlgebraicBranch, branch_from_infinity, newton_enclosure
from numerics.errors import BranchError

quick = settings(max_examples=30, derandomize=True, deadline=None)
SQUARE_ROOT = (fmpz_poly([0, -1]), fmpz_poly([]), fmpz_poly([1]))  # m^2 = z


def test_square_root_changes_sign_around_its_branch_point():
    start = AlgebraicBranch(SQUARE_ROOT, acb(4), acb(2))
    here = start
    for corner in (acb(0, 4), acb(-4), acb(0, -4), acb(4)):
        here = here.moved(corner)
    assert here.root.overlaps(acb(-2))
    assert not here.root.overlaps(acb(2))


@given(st.complex_numbers(min_magnitude=0.1, max_magnitude=9, allow_nan=False))
@quick
def test_square_root_agrees_with_the_library_in_the_right_half_plane(z):
    if z.real < 0.05:
        return
    found = AlgebraicBranch(SQUARE_ROOT, acb(4), acb(2)).at(acb(z))
    assert abs(complex(found) - cmath.sqrt(z)) < 1e-12
    assert (found**2).overlaps(acb(z))


def test_a_branch_point_is_refused():
    with pytest.raises(BranchError, match="two roots come together"):
        AlgebraicBranch(SQUARE_ROOT, acb(4), acb(2)).at(acb(0))


def test_a_path_through_a_branch_point_is_refused():
    with pytest.raises(BranchError):
        AlgebraicBranch(SQUARE_ROOT, acb(4), acb(2)).at(acb(-4))


def test_a_root_that_is_none_is_refused():
    with pytest.raises(BranchError, match="not isolated"):
        AlgebraicBranch(SQUARE_ROOT, acb(4), acb(1)).at(acb(5))


def test_newton_enclosure_refuses_a_double_root():
    assert newton_enclosure(acb_poly([1, -2, 1]), acb(1)) is None


def test_newton_enclosure_covers_all_polynomials_of_a_ball():
    found = newton_enclosure(acb_poly([acb(arb(-2, 0.01)), 0, 1]), acb(1.4))
    assert found is not None
    for square in (1.99, 2.0, 2.01):
        assert found.root.contains(acb(arb(square).sqrt()))


def test_precision_is_what_is_asked_for():
    branch = AlgebraicBranch(SQUARE_ROOT, acb(4), acb(2))
    fine = branch.at(acb(2), bits=300)
    assert fine.rel_accuracy_bits() > 250
    assert fine.overlaps(acb(arb("1.41421356237309504880168872420969807857 +/- 1e-37")))


def test_expansion_at_infinity_gives_the_semicircle():
    one, z = fmpz_poly([1]), fmpz_poly([0, 1])
    blow_up = [[arb(1)], [arb(-1)], [arb(0), arb(0), arb(1)]]  # 1 - u + w^2 u^2
    branch = branch_from_infinity((one, z, one), blow_up, arb(1), [], reach=2)
    exact = (-4j + cmath.sqrt((4j) ** 2 - 4)) / 2
    assert abs(complex(branch.root) - exact) < 1e-12
