r"""One and two resolvents of the product of a rotated matrix and a fixed one.

:math:`M = S A` with :math:`S = O B O^\top`, :math:`O` Haar (freely rotating), :math:`A` symmetric
non-negative. One rule is assumed, subordination in operator-valued form:

.. math:: (z + S A)^{-1} \simeq (z + \Psi A)^{-1},\qquad \Psi = \mathcal R_B(-g),\qquad
   g = \overline{\mathrm{tr}}\,A(z+\Psi A)^{-1},

for :math:`z` a number or a 2 x 2 matrix (then :math:`g`, :math:`\Psi` are 2 x 2 matrices), with
:math:`\mathcal R_B` the R-transform of :math:`B`. On an upper triangular argument a function acts
by its divided difference off the diagonal; this gives the two-resolvent rule, without any 0/0 at
equal frequencies. Traces are normalised, :math:`\overline{\mathrm{tr}}=\frac1D\mathrm{Tr}`.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from derive.deterministic_equivalent import Equivalence, definition
from derive.divided_difference import divided_difference
from derive.errors import ArgumentsError
from derive.spectral_trace import SpectralWord, Spectrum


@dataclass(frozen=True)
class RotatedProduct:
    r"""The resolvent :math:`(z+M)^{-1}` of :math:`M=OBO^\top A` at one frequency.

    Parameters
    ----------
    fixed : Spectrum
        The matrix :math:`A`.
    rotated : Spectrum
        The matrix :math:`B` that is rotated by a Haar matrix.
    z : sympy.Symbol
        The frequency, outside minus the spectrum of the product.
    Psi : sympy.Symbol
        Name of the self-energy.
    z_B : sympy.Symbol
        Name of the frequency at which the resolvent of :math:`B` has the same response.

    Examples
    --------
    >>> z, Psi, z_B = sp.symbols("z Psi z_B")
    >>> product = RotatedProduct(Spectrum("A"), Spectrum("B"), z, Psi, z_B)
    >>> for equation in product.equations:
    ...     print(equation)
    Eq(tr[A/(A*Psi + z)], tr[1/(B + z_B)])
    Eq(Psi, -z_B + 1/tr[1/(B + z_B)])
    """

    fixed: Spectrum
    rotated: Spectrum
    z: sp.Symbol
    Psi: sp.Symbol
    z_B: sp.Symbol

    @property
    def resolvent(self) -> sp.Expr:
        r"""The scalar function :math:`1/(z+\Psi a)` of the fixed matrix."""
        return 1 / (self.z + self.Psi * self.fixed.eigenvalue)

    @property
    def response(self) -> sp.Expr:
        r"""The response :math:`g=\overline{\mathrm{tr}}\,A(z+\Psi A)^{-1}`."""
        return self.fixed.trace(self.fixed.eigenvalue * self.resolvent)

    @property
    def rotated_response(self) -> sp.Expr:
        r"""The same response from :math:`B`: :math:`\overline{\mathrm{tr}}(z_B+B)^{-1}`."""
        return self.rotated.trace(1 / (self.z_B + self.rotated.eigenvalue))

    @property
    def equations(self) -> tuple[sp.Eq, sp.Eq]:
        r"""The two equations of :math:`(\Psi, z_B)`.

        The R-transform is defined by :math:`\mathcal R(\overline{\mathrm{tr}}(x-B)^{-1})
        = x - 1/\overline{\mathrm{tr}}(x-B)^{-1}`; at :math:`x=-z_B` it reads
        :math:`\mathcal R(-g) = 1/g - z_B`.
        """
        return (
            definition(self.response, self.rotated_response),
            definition(self.Psi, 1 / self.rotated_response - self.z_B),
        )


def rotated_one_resolvent(product: RotatedProduct) -> Equivalence:
    r"""Return the deterministic equivalent of one resolvent of a rotated product.

    .. math:: (z+OBO^\top A)^{-1}\simeq(z+\Psi A)^{-1},\qquad D\to\infty.

    Parameters
    ----------
    product : RotatedProduct
        The two spectra and the frequency.

    Returns
    -------
    Equivalence

    Validity
    --------
    ``O`` Haar and independent of ``A``; both matrices bounded.

    References
    ----------
    Bordelon, Letey & Pehlevan, arXiv 2510.01098; Voiculescu 1987 (multiplicative convolution).

    Examples
    --------
    >>> z, Psi, z_B = sp.symbols("z Psi z_B")
    >>> rotated_one_resolvent(RotatedProduct(Spectrum("A"), Spectrum("B"), z, Psi, z_B)).trace()
    tr[1/(A*Psi + z)]
    """
    return Equivalence(
        r"(z+OBO^\top A)^{-1}",
        product.fixed.function(product.resolvent),
        product.equations,
        "subordination: Psi = R_B(-g)",
    )


def transform_difference(product: RotatedProduct, twin: RotatedProduct) -> sp.Expr:
    r"""Return the divided difference of the R-transform between two responses.

    .. math:: \frac{\mathcal R(-g)-\mathcal R(-g')}{-g+g'} = \frac1{gg'}-\frac1{\mathcal B},\qquad
       \mathcal B=\overline{\mathrm{tr}}\,(z_B+B)^{-1}(z_B'+B)^{-1}.

    Parameters
    ----------
    product, twin : RotatedProduct
        The two frequencies.

    Returns
    -------
    sympy.Expr
        Derived from :math:`\mathcal R(-g)=1/g-z_B` and the divided difference of :math:`g` in
        :math:`z_B`; at equal frequencies it is the derivative.

    Examples
    --------
    >>> z, Psi, z_B = sp.symbols("z Psi z_B")
    >>> product = RotatedProduct(Spectrum("A"), Spectrum("B"), z, Psi, z_B)
    >>> transform_difference(product, product)
    tr[1/(B + z_B)]**(-2) - 1/tr[(B + z_B)**(-2)]
    """
    g, g_twin = product.rotated_response, twin.rotated_response
    other = sp.Dummy("z_B'")
    slope = divided_difference(g, {product.z_B: other}).subs(other, twin.z_B)
    # -(1/g - 1/g' - (z_B - z_B'))/(g - g'), and (g - g') = slope (z_B - z_B')
    return 1 / (g * g_twin) + 1 / slope


def self_energy_difference(product: RotatedProduct, twin: RotatedProduct) -> sp.Expr:
    r"""Return the divided difference of the self-energy, :math:`(\Psi-\Psi')/(z-z')`.

    Parameters
    ----------
    product, twin : RotatedProduct
        The two frequencies; at equal ones this is :math:`d\Psi/dz`.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> z, Psi, z_B = sp.symbols("z Psi z_B")
    >>> product = RotatedProduct(Spectrum("A"), Spectrum("B"), z, Psi, z_B)
    >>> self_energy_difference(product, product).has(sp.zoo, sp.nan)
    False
    """
    a = product.fixed.eigenvalue
    pair = product.resolvent * twin.resolvent
    rate = transform_difference(product, twin)
    # g - g' = -(z - z') tr A F F' - (Psi - Psi') tr A^2 F F'   and   Psi - Psi' = -rate (g - g')
    return rate * product.fixed.trace(a * pair) / (1 - rate * product.fixed.trace(a**2 * pair))


def rotated_two_resolvents(
    product: RotatedProduct,
    test: sp.Symbol | SpectralWord | None = None,
    twin: RotatedProduct | None = None,
) -> Equivalence:
    r"""Return the deterministic equivalent of two resolvents of a rotated product.

    .. math:: (z+SA)^{-1}\,Q\,(z'+AS)^{-1}\simeq F\,[Q+\Phi]\,F',\qquad F=(z+\Psi A)^{-1},

    .. math:: \Phi=\frac{\Psi-\Psi'}{z-z'}\,
       \frac{\overline{\mathrm{tr}}\,A F Q F' A}{\overline{\mathrm{tr}}\,A F F'},

    as :math:`D\to\infty`, for :math:`S=OBO^\top`; the quotient is a divided difference, so equal
    frequencies need no limit.

    Parameters
    ----------
    product : RotatedProduct
        The left resolvent.
    test : sympy.Symbol or SpectralWord, optional
        The matrix ``Q``; it need not commute with ``A``. Default identity.
    twin : RotatedProduct, optional
        The right, transposed resolvent at another frequency. Default: the same frequency.

    Returns
    -------
    Equivalence

    Raises
    ------
    ArgumentsError
        If the twin is a product of other matrices.

    Validity
    --------
    ``O`` Haar, independent of ``A`` and ``Q``; bounded matrices.

    References
    ----------
    Bordelon, Letey & Pehlevan, arXiv 2510.01098, two-point rule.

    Examples
    --------
    >>> z, Psi, z_B = sp.symbols("z Psi z_B")
    >>> product = RotatedProduct(Spectrum("A"), Spectrum("B"), z, Psi, z_B)
    >>> len(rotated_two_resolvents(product, sp.Symbol("Q")).after.terms)
    2
    """
    twin = twin or product
    if (twin.fixed, twin.rotated) != (product.fixed, product.rotated):
        raise ArgumentsError(
            "rotated_two_resolvents",
            f"the twin is a product of {twin.rotated.name} and {twin.fixed.name}",
            "both resolvents belong to one random matrix",
            f"RotatedProduct(Spectrum('{product.fixed.name}'), Spectrum('{product.rotated.name}'),"
            " z2, Psi2, z_B2)",
        )
    A = product.fixed
    inside = test if isinstance(test, SpectralWord) else A.test(test)
    population = A.function(A.eigenvalue)
    left, right = A.function(product.resolvent), A.function(twin.resolvent)
    # (z' + A S)^-1 = A (z' + S A)^-1 A^-1, so the corner source is Q A; the corner of the
    # equivalent is F (Q A - Psi_12 A) F', with Psi_12 = -rate tr A (corner) linear in itself.
    rate = transform_difference(product, twin)
    source = (population @ left @ inside @ right @ population).trace()
    loop = A.trace(A.eigenvalue**2 * product.resolvent * twin.resolvent)
    scalar = rate * source / (1 - rate * loop)
    after = left @ (inside + A.function(sp.Integer(1)).times(scalar)) @ right
    return Equivalence(
        r"(z+OBO^\top A)^{-1}\,Q\,(z'+A\,OBO^\top)^{-1}",
        after,
        product.equations + (twin.equations if twin != product else ()),
        "upper right block of subordination for an upper triangular 2 x 2 frequency",
    )
