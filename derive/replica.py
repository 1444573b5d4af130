r"""The replica method for quadratic energies with Gaussian disorder, step by step.

The energy of weights u is ``H(u) = 1/2 sum_mu e_mu(u)^2 + sum_k g(u_k)``, with residuals e linear
in Gaussian disorder and in the weights.  The steps are: average over the disorder
(:func:`disorder_average`), rewrite the average of Z^n in overlaps (:class:`ReplicatedAction`),
insert the replica-symmetric ansatz, an explicit assumption (:meth:`ReplicatedAction.symmetric`),
and take n to 0 (:meth:`SymmetricAction.replica_limit`).  The zero-temperature limit, the saddle
point and the effective ridge follow in :mod:`derive.replica_saddle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from derive.errors import ArgumentsError, ConditionError
from derive.gaussian import GaussianLaw, gaussian_average, gaussian_integral
from derive.index_notation import DELTA, ONES, Field, Index
from derive.index_tensor import Tensor, Term
from derive.replica_matrix import ReplicaSymmetricMatrix, replica_limit
from derive.spectral_trace import SpectralWord, Spectrum, exact

WEIGHT = sp.Symbol("u", real=True)
LEFT, RIGHT = sp.symbols("u_a u_b", real=True)


@dataclass(frozen=True)
class DisorderAverage:
    r"""The covariance of the residuals of two replicas, ``E e_a e_b = noise + Q_ab``.

    Parameters
    ----------
    residual : Tensor
        e_a, with the replica index free.
    laws : tuple of GaussianLaw
        The disorder.
    covariance : Tensor
        ``E e_a e_b``, in which the replicas couple.
    noise : sympy.Expr
        The part without weights.
    overlap : Tensor
        The part with weights, the order parameter Q_ab.
    kernel : sympy.Expr
        Q_ab as a mean over modes: a polynomial in the weights ``u_a, u_b`` of two replicas, the
        fixed amplitudes and the eigenvalue s.
    """

    residual: Tensor
    laws: tuple[GaussianLaw, ...]
    covariance: Tensor
    noise: sp.Expr
    overlap: Tensor
    kernel: sp.Expr


def disorder_average(
    residual: Tensor,
    laws: tuple[GaussianLaw, ...],
    weights: Field,
    amplitudes: Mapping[Field, sp.Symbol],
    covariance: Field,
    spectrum: Spectrum,
    size: sp.Expr,
) -> DisorderAverage:
    r"""Average the residuals of two replicas over the disorder and read off the overlap.

    ``E e_a e_b = sigma^2 + Q_ab`` with ``Q_ab = (1/size) sum_k kernel(u_ak, u_bk)`` in the
    eigenbasis of the covariance.

    Parameters
    ----------
    residual : Tensor
        Linear in the Gaussian fields; its one free index is the replica.
    laws : tuple of GaussianLaw
        Laws of the disorder: features, label noise.
    weights : Field
        The weights; the first index is the replica.
    amplitudes : mapping from Field to Symbol
        The fixed fields (teacher) and the symbol of their amplitude on one mode.
    covariance : Field
        The symmetric matrix in whose eigenbasis the modes are taken.
    spectrum : Spectrum
        Its spectrum; the kernel is written in ``spectrum.eigenvalue``.
    size : sympy.Expr
        Number of modes, the normalisation of the overlap.

    Returns
    -------
    DisorderAverage

    Raises
    ------
    ArgumentsError
        When the residual has another free index than one replica.
    ConditionError
        When the average is not bilinear in the weights of the replicas.

    Validity
    --------
    Exact for Gaussian disorder.  That features may be replaced by Gaussian ones of the same
    covariance is an assumption of the caller.
    """
    call = "disorder_average(...)"
    if len(residual.free) != 1 or residual.free[0].space != weights.spaces[0]:
        raise ArgumentsError(
            call,
            f"the residual has free indices {[i.name for i in residual.free]}",
            f"it must carry exactly one index of {weights.spaces[0].name!r}",
            "write the residual of one sample and one replica",
        )
    (a,) = residual.free
    b = Index(f"{a.name}'", a.space)
    covariances = gaussian_average(residual * residual.rename({a: b}), *laws).after
    noise, kernel, overlap = sp.S.Zero, sp.S.Zero, []
    symbols = {**amplitudes, covariance: spectrum.eigenvalue}
    for term in covariances.terms:
        value, vectors = sp.S.One, 0
        for field, ids in term.factors:
            if field == weights:
                value *= LEFT if ids[0] == a else RIGHT
                vectors += 1
                linked = ids[0] in (a, b)
            elif field in symbols:
                value *= symbols[field]
                vectors += field in amplitudes
                linked = True
            else:
                linked = field in (DELTA, ONES) and set(ids) <= {a, b}
            if not linked or field == DELTA:
                raise ConditionError(
                    call,
                    f"the average contains {field.name}, which is no weight, amplitude or "
                    f"{covariance.name}",
                    "the overlap must be a bilinear form of the weights in the covariance",
                    "average over every other random field, and name the fixed ones in amplitudes",
                )
        if vectors == 0 and not term.bound:
            noise += term.coefficient
        elif vectors == 2 and _is_chain(term):
            kernel += value * term.coefficient * size
            overlap.append((term.coefficient, term.factors, term.bound))
        else:
            raise ConditionError(
                call,
                f"a term of the average is {Tensor((term,), covariances.free)}",
                "a residual linear in the weights gives none or two, joined by the covariance",
                "write the residual as noise plus features times weight differences",
            )
    kernel = exact(sp.factor(kernel), call)
    swapped = kernel.subs({LEFT: RIGHT, RIGHT: LEFT}, simultaneous=True)
    if sp.expand(kernel - swapped) != 0 or kernel.has(*(size.free_symbols or [sp.Dummy()])):
        raise ConditionError(
            call,
            f"the overlap per mode is {kernel}",
            "it must be symmetric in two replicas and independent of the number of modes",
            f"scale the features so that the overlap is a mean over {size} modes",
        )
    return DisorderAverage(residual, laws, covariances, noise, Tensor.build(overlap), kernel)


def _is_chain(term: Term) -> bool:
    """Tell whether the summed indices join the factors, two at a time, into one chain."""
    factors = [(field, ids) for field, ids in term.factors if field != ONES]
    counts = [sum(ids.count(index) for _, ids in factors) for index in term.bound]
    if any(count != 2 for count in counts):
        return False
    reached, pending = {0}, [0]
    while pending:
        here = set(factors[pending.pop()][1]) & set(term.bound)
        for k, (_, ids) in enumerate(factors):
            if k not in reached and here & set(ids):
                reached.add(k)
                pending.append(k)
    return len(reached) == len(factors)


@dataclass(frozen=True)
class ReplicaSymmetry:
    """The replica-symmetric ansatz, an assumption: all pairs of replicas have one overlap.

    Parameters
    ----------
    overlap, conjugate : ReplicaSymmetricMatrix
        Q_ab and its conjugate, on n replicas.
    """

    overlap: ReplicaSymmetricMatrix
    conjugate: ReplicaSymmetricMatrix
    statement: str = (
        "the saddle point is invariant under permutations of the replicas, and the limits of many "
        "modes and of n -> 0 replicas may be exchanged"
    )
    reference: str = "Mezard, Parisi & Virasoro 1987, Spin Glass Theory and Beyond"


@dataclass(frozen=True)
class ReplicatedAction:
    r"""The exponent of ``E Z^n`` per mode, as a function of overlaps and their conjugates.

    ``log E Z^n / size = extr_{Q, R} [ Tr(R Q)/2 - (tau/2) log det(1 + beta (noise + Q))
    + mean over modes of log int du exp(-beta sum_a g(u_a) - sum_ab R_ab kernel(u_a, u_b)/2) ]``,
    with tau samples per mode.

    Parameters
    ----------
    average : DisorderAverage
    prior : sympy.Expr
        The energy g of one weight, a quadratic polynomial in :data:`WEIGHT`; it may contain the
        eigenvalue, the amplitudes and sources.
    moments : tuple of (sympy.Expr, sympy.Expr or SpectralWord)
        Second moments of the fixed amplitudes at a given eigenvalue, as pairs such as
        ``(t**2, function of s)`` or ``(t**2, spectrum.test(Theta))`` with a test matrix.
    tau, beta : sympy.Symbol
        Samples per mode and inverse temperature.
    spectrum : Spectrum
    """

    average: DisorderAverage
    prior: sp.Expr
    moments: tuple[tuple[sp.Expr, sp.Expr | SpectralWord], ...]
    tau: sp.Expr
    beta: sp.Symbol
    spectrum: Spectrum

    def __post_init__(self) -> None:
        for name in ("prior", "tau"):
            object.__setattr__(self, name, exact(getattr(self, name), "ReplicatedAction(...)"))
        if not self.prior.is_polynomial(WEIGHT) or (sp.Poly(self.prior, WEIGHT).degree() > 2):
            raise ConditionError(
                "ReplicatedAction(...)",
                f"the energy of one weight, {self.prior}, is not quadratic in {WEIGHT}",
                "the integral over the weights is Gaussian only for a quadratic energy",
                "give lam * WEIGHT**2 / 2 and at most linear sources",
            )

    def explicit(
        self, overlap: sp.ImmutableMatrix, conjugate: sp.ImmutableMatrix
    ) -> tuple[sp.Expr, sp.Expr]:
        """Return the action of an integer number of replicas, by direct Gaussian integration.

        No ansatz enters: the matrices are arbitrary symmetric ones.

        Returns
        -------
        order, mode : sympy.Expr
            The part in the overlaps, and the part of one mode in the amplitudes and eigenvalue.
        """
        size = overlap.shape[0]
        average = self.average
        covariance = sp.Matrix(overlap) + average.noise * sp.ones(size, size)
        determinant = (sp.eye(size) + self.beta * covariance).det()
        coupling = (sp.Matrix(conjugate) * sp.Matrix(overlap)).trace() / 2
        replicas = sp.symbols(f"u_1:{size + 1}", real=True)
        exponent = sp.S.Zero
        for replica in replicas:
            exponent -= self.beta * self.prior.subs(WEIGHT, replica)
        for a, left in enumerate(replicas):
            for b, right in enumerate(replicas):
                pair = average.kernel.subs({LEFT: left, RIGHT: right}, simultaneous=True)
                exponent -= conjugate[a, b] * pair / 2
        mode = sp.log(gaussian_integral(exponent, replicas).value)
        order = coupling - self.tau / 2 * sp.log(determinant)
        return exact(order, "explicit(...)"), exact(mode, "explicit(...)")

    def symmetric(self, ansatz: ReplicaSymmetry) -> SymmetricAction:
        r"""Insert the replica-symmetric ansatz; the action becomes explicit in the number n.

        With ``kernel = A u_a u_b + B (u_a + u_b) + C`` and ``g = g0 + g1 u + g2 u^2/2`` the weights
        of one mode are Gaussian with precision ``beta g2 + A R`` and field
        ``-beta g1 - B sum_b R_ab``.

        Parameters
        ----------
        ansatz : ReplicaSymmetry

        Returns
        -------
        SymmetricAction
        """
        q, r = ansatz.overlap, ansatz.conjugate
        n, beta = q.n, self.beta
        identity = ReplicaSymmetricMatrix.identity(n)
        uniform = ReplicaSymmetricMatrix(sp.S.Zero, sp.S.One, n)
        energy = identity + (q + uniform * self.average.noise) * beta
        order = (r @ q).trace() / 2 - self.tau / 2 * energy.log_determinant()
        zero = {LEFT: 0, RIGHT: 0}
        kernel = self.average.kernel
        bilinear = kernel.diff(LEFT, RIGHT)
        linear = kernel.diff(LEFT).subs(zero)
        constant = kernel.subs(zero)
        g0, g1 = self.prior.subs(WEIGHT, 0), self.prior.diff(WEIGHT).subs(WEIGHT, 0)
        g2 = self.prior.diff(WEIGHT, 2)
        precision = identity * (beta * g2) + r * bilinear
        field = -beta * g1 - linear * r.uniform_eigenvalue
        mode = (
            n * sp.log(2 * sp.pi) / 2
            - precision.log_determinant() / 2
            + field**2 * precision.inverse().total() / 2
            - n * beta * g0
            - constant * r.total() / 2
        )
        return SymmetricAction(self, ansatz, order, exact(mode, "symmetric(...)"))


@dataclass(frozen=True)
class SymmetricAction:
    """The replicated action under the replica-symmetric ansatz, symbolic in n.

    Parameters
    ----------
    action : ReplicatedAction
    ansatz : ReplicaSymmetry
        The assumption that was made.
    order, mode : sympy.Expr
        The part in the overlaps and the part of one mode.
    """

    action: ReplicatedAction
    ansatz: ReplicaSymmetry
    order: sp.Expr
    mode: sp.Expr

    @property
    def expression(self) -> sp.Expr:
        """The action with normalised traces over the spectrum, as a function of n."""
        return self.order + mode_mean(self.mode, self.action.moments, self.action.spectrum)

    def replica_limit(self) -> FreeEnergy:
        """Take n to 0 and return the free energy per mode, ``-E log Z / (beta size)``."""
        n = self.ansatz.overlap.n
        if not isinstance(n, sp.Symbol):
            raise ArgumentsError(
                "SymmetricAction.replica_limit()",
                f"the number of replicas is {n}",
                "only a symbol can be continued to zero",
                "build the ansatz with sympy.Symbol('n')",
            )
        order, mode = (replica_limit(part, n).after for part in (self.order, self.mode))
        beta = self.action.beta
        return FreeEnergy(self, -order / beta, -mode / beta)


@dataclass(frozen=True)
class FreeEnergy:
    """The replica-symmetric free energy per mode at inverse temperature beta.

    Parameters
    ----------
    symmetric : SymmetricAction
        The action it came from, with its ansatz.
    order, mode : sympy.Expr
        The part in the order parameters, and the part of one mode before the mean over modes.
    """

    symmetric: SymmetricAction
    order: sp.Expr
    mode: sp.Expr

    @property
    def expression(self) -> sp.Expr:
        """The free energy with normalised traces over the spectrum."""
        action = self.symmetric.action
        return self.order + mode_mean(self.mode, action.moments, action.spectrum)


def mode_mean(
    function: sp.Expr,
    moments: tuple[tuple[sp.Expr, sp.Expr | SpectralWord], ...],
    spectrum: Spectrum,
) -> sp.Expr:
    r"""Average a function of eigenvalue and amplitudes over the modes.

    ``(1/size) sum_k F(s_k) t_k c_k = tr_bar[F(s) moment(s)]``, where the moment of a product of
    amplitudes is a function of the eigenvalue or the diagonal of a test matrix.

    Parameters
    ----------
    function : sympy.Expr
        Polynomial of degree two or less in the amplitudes.
    moments : tuple of (monomial, moment)
        Such as ``(t**2, ((s - q)/s)**2)``, or ``(t**2, spectrum.test(Theta))`` for a test matrix,
        which need not commute with the covariance.
    spectrum : Spectrum

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ConditionError
        When a product of amplitudes without a moment occurs.

    Examples
    --------
    >>> Sigma, t = Spectrum("Sigma"), sp.Symbol("t")
    >>> s = Sigma.eigenvalue
    >>> mode_mean(t**2 * s / (s + 1), ((t**2, Sigma.test(sp.Symbol("Theta"))),), Sigma)
    tr[Sigma/(Sigma + 1) Theta]
    """
    table = dict(moments)
    named = {x for monomial in table for x in monomial.atoms(sp.Symbol)}
    amplitudes: list[sp.Symbol] = sorted(named, key=str)
    if not amplitudes:
        return spectrum.trace(exact(sp.factor(function), "mode_mean(...)"))
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(sp.expand(function), *amplitudes).terms():
        monomial = sp.S.One
        for amplitude, power in zip(amplitudes, powers, strict=True):
            monomial *= amplitude**power
        weight = sp.S.One if monomial == 1 else table.get(monomial)
        if weight is None:
            raise ConditionError(
                "mode_mean(...)",
                f"the moment of {monomial} is needed and not given",
                f"moments are known for {', '.join(str(m) for m in table)}",
                f"add ({monomial}, its mean at eigenvalue s) to moments",
            )
        coefficient = exact(sp.factor(coefficient), "mode_mean(...)")
        if isinstance(weight, SpectralWord):
            total += (spectrum.function(coefficient) @ weight).trace()
        else:
            total += spectrum.trace(exact(sp.factor(coefficient * weight), "mode_mean(...)"))
    return total
