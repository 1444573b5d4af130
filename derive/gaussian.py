"""Gaussian averages: Isserlis' theorem in index notation, scalar moments, Gaussian integrals.

The average of a product of centred jointly Gaussian variables is the sum over pairings of products
of covariances.  In index notation every covariance is a product of Kronecker deltas and symmetric
matrices, so that the average is again a tensor, exact in all the dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.index_notation import DELTA, Exact, Factor, Field, Index, factored
from derive.index_tensor import RawTerm, Tensor
from derive.spectral_trace import exact


@dataclass(frozen=True)
class GaussianLaw:
    r"""A centred Gaussian field whose covariance is a product over its indices.

    ``E[g_{ai} g_{bj}] = variance * C1_{ab} * C2_{ij}``; the identity where no matrix is given.
    Fields under different laws are independent.

    Parameters
    ----------
    field : Field
    variance : sympy.Expr
        Scale of the covariance, non-negative; ``1/d`` for tokens of unit length.
    covariances : tuple of (Field or None), optional
        A symmetric matrix for each index, ``None`` for the identity.

    Examples
    --------
    >>> from derive.index_notation import Space
    >>> d, l = sp.symbols("d l", positive=True)
    >>> component, token = Space("component", d), Space("token", l)
    >>> x = Field("x", (token, component))
    >>> i, = token.indices("i")
    >>> a, b = component.indices("a b")
    >>> expectation(x(i, a) * x(i, b), GaussianLaw(x, 1 / d)).sum(i)
    (l/d)*delta_ab
    """

    field: Field
    variance: sp.Expr = sp.S.One
    covariances: tuple[Field | None, ...] = ()

    def __post_init__(self) -> None:
        call = f"GaussianLaw({self.field.name}, ...)"
        object.__setattr__(self, "variance", exact(self.variance, call))
        if self.variance.is_negative:
            raise DomainError(
                call,
                f"variance = {self.variance} is negative",
                "a variance is the mean of a square",
                f"GaussianLaw({self.field.name}, {-self.variance})",
            )
        matrices = self.covariances or (None,) * len(self.field.spaces)
        object.__setattr__(self, "covariances", matrices)
        if len(matrices) != len(self.field.spaces):
            raise ArgumentsError(
                call,
                f"{len(matrices)} covariances for {len(self.field.spaces)} indices",
                "each index has its own covariance",
                "give one matrix or None for each index",
            )
        for matrix, space in zip(matrices, self.field.spaces, strict=True):
            if matrix is not None and (not matrix.symmetric or matrix.spaces[0] != space):
                raise ArgumentsError(
                    call,
                    f"{matrix.name} is not a symmetric matrix on {space.name!r}",
                    "a covariance is symmetric and lives on the space of its index",
                    f'Field("{matrix.name}", (space, space), symmetric=True)',
                )

    def covariance_factors(self, left: Sequence[Index], right: Sequence[Index]) -> list[Factor]:
        """Return the deltas and matrices that join two components, the variance left out."""
        return [
            (DELTA if matrix is None else matrix, (a, b))
            for matrix, a, b in zip(self.covariances, left, right, strict=True)
        ]


@dataclass(frozen=True)
class GaussianAverage:
    """A record of one average over Gaussian fields: what went in, what came out.

    Parameters
    ----------
    before, after : Tensor
    laws : tuple of GaussianLaw
    pairings : int
        Number of Wick pairings that were summed.
    """

    before: Tensor
    after: Tensor
    laws: tuple[GaussianLaw, ...]
    pairings: int


def pairings(items: Sequence[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the perfect matchings of a sequence; there are (2n-1)!! for 2n items, none if odd.

    Examples
    --------
    >>> len(list(pairings(range(6))))
    15
    """
    if not items:
        yield ()
        return
    first, rest = items[0], items[1:]
    for k, partner in enumerate(rest):
        for others in pairings([*rest[:k], *rest[k + 1 :]]):
            yield ((first, partner), *others)


def gaussian_average(tensor: Tensor, *laws: GaussianLaw) -> GaussianAverage:
    r"""Average a polynomial of Gaussian fields by Isserlis' theorem.

    ``E[g_1 ... g_2n] = sum over pairings of prod E[g_a g_b]``, exact at every finite dimension;
    fields without a law here are held fixed (conditioned upon).

    Parameters
    ----------
    tensor : Tensor
    *laws : GaussianLaw
        One for each field to average over.

    Returns
    -------
    GaussianAverage
        With the averaged tensor in ``after``.

    Raises
    ------
    ArgumentsError
        When a field has two laws, or a law's covariance matrix has a law itself.

    Validity
    --------
    The fields are centred and jointly Gaussian, and independent across laws.

    References
    ----------
    Isserlis 1918, Biometrika 12, 134; Wick 1950.

    Examples
    --------
    The context label and token of in-context regression, given the task w:

    >>> from derive.index_notation import Space
    >>> d, rho = sp.symbols("d rho", positive=True)
    >>> component, label = Space("component", d), Space("label", sp.Integer(1))
    >>> a, b, c = component.indices("a b c")
    >>> x, w = Field("x", (component,)), Field("w", (component,))
    >>> epsilon = Field("epsilon", ())
    >>> y = (x(c) * w(c)).sum(c) + epsilon()
    >>> laws = GaussianLaw(x, 1 / d), GaussianLaw(epsilon, rho)
    >>> gaussian_average(y * x(a), *laws).after
    (1/d)*w_a
    """
    seen: set[Field] = set()
    matrices = {matrix for law in laws for matrix in law.covariances if matrix is not None}
    for law in laws:
        if law.field in seen or law.field in matrices:
            raise ArgumentsError(
                "gaussian_average(...)",
                f"{law.field.name} has two laws, or is also used as a covariance",
                "each field is averaged once, and a random covariance must be averaged last",
                "average in two calls, the inner fields first",
            )
        seen.add(law.field)
    raw: list[RawTerm] = []
    for term in tensor.terms:
        fixed = [factor for factor in term.factors if factor[0] not in seen]
        contracted: list[tuple[sp.Expr, list[Factor]]] = [(term.coefficient, fixed)]
        for law in laws:
            slots = [ids for field, ids in term.factors if field == law.field]
            scale = law.variance ** (len(slots) // 2)
            matchings = [
                [f for i, j in matching for f in law.covariance_factors(slots[i], slots[j])]
                for matching in pairings(range(len(slots)))
            ]
            contracted = [
                (coefficient * scale, factors + chosen)
                for coefficient, factors in contracted
                for chosen in matchings
            ]
        raw += [(coefficient, factors, term.bound) for coefficient, factors in contracted]
    return GaussianAverage(tensor, Tensor.build(raw), laws, len(raw))


def expectation(tensor: Tensor, *laws: GaussianLaw) -> Tensor:
    """Return the average of a polynomial of Gaussian fields; see :func:`gaussian_average`.

    Examples
    --------
    The fourth moment of an isotropic vector is ``E |x|^4 = d (d + 2)`` at unit variance:

    >>> from derive.index_notation import Space
    >>> d, v = sp.symbols("d v", positive=True)
    >>> component = Space("component", d)
    >>> a, = component.indices("a")
    >>> x = Field("x", (component,))
    >>> square = (x(a) * x(a)).sum(a)
    >>> expectation(square * square, GaussianLaw(x, v))
    d*v**2*(d + 2)
    """
    return gaussian_average(tensor, *laws).after


def gaussian_moment(
    polynomial: Exact,
    covariance: Mapping[sp.Symbol, Exact] | Mapping[tuple[sp.Symbol, sp.Symbol], Exact],
    mean: Mapping[sp.Symbol, Exact] | None = None,
) -> sp.Expr:
    r"""Average a polynomial of a few scalar Gaussian variables.

    ``E[x_i f(x)] = mu_i E[f] + sum_j C_ij E[df/dx_j]`` (Stein), applied until nothing is left; a
    second route to Isserlis' sum over pairings.

    Parameters
    ----------
    polynomial : sympy.Expr
        Polynomial in the variables; other symbols are constants.
    covariance : mapping
        Variances ``{x: v}`` of independent variables, or covariances ``{(x, y): c}``, each pair
        once; pairs left out are zero.
    mean : mapping, optional
        Means; variables left out are centred.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ArgumentsError
        When the expression is not a polynomial in the variables.
    DomainError
        When the covariances given as numbers belong to no Gaussian.

    References
    ----------
    Isserlis 1918; Stein 1981, Ann. Stat. 9, 1135.

    Examples
    --------
    >>> x, y = sp.symbols("x y")
    >>> v, c = sp.symbols("v c")
    >>> gaussian_moment(x**4, {x: v})
    3*v**2
    >>> gaussian_moment(x**2 * y**2, {(x, x): v, (y, y): v, (x, y): c})
    2*c**2 + v**2
    """
    call = "gaussian_moment(...)"
    table: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {}
    for key, value in covariance.items():
        x, y = key if isinstance(key, tuple) else (key, key)
        if (x, y) in table:
            raise ArgumentsError(
                call, f"({x}, {y}) is given twice", "a covariance is symmetric", "give it once"
            )
        table[x, y] = table[y, x] = exact(value, call)
    _require_covariance(table, call)
    means = {x: exact(value, call) for x, value in (mean or {}).items()}
    variables = tuple(dict.fromkeys([x for x, _ in table] + list(means)))
    expression = sp.expand(exact(polynomial, call))
    if not expression.is_polynomial(*variables):
        raise ArgumentsError(
            call,
            f"{expression} is not a polynomial in {', '.join(str(x) for x in variables)}",
            "only polynomial averages reduce to covariances",
            "use gaussian_integral for exponentials of quadratic forms",
        )
    cache: dict[tuple[int, ...], sp.Expr] = {(0,) * len(variables): sp.S.One}

    def moment(powers: tuple[int, ...]) -> sp.Expr:
        if powers not in cache:
            first = next(k for k, power in enumerate(powers) if power)
            rest = _lowered(powers, first)
            total = means.get(variables[first], sp.S.Zero) * moment(rest)
            for k, power in enumerate(rest):
                link = table.get((variables[first], variables[k]), sp.S.Zero)
                if power and link != 0:
                    total += power * link * moment(_lowered(rest, k))
            cache[powers] = sp.expand(total)
        return cache[powers]

    terms = sp.Poly(expression, *variables).terms()
    return sp.expand(sp.Add(*[coefficient * moment(powers) for powers, coefficient in terms]))


def _require_covariance(table: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr], call: str) -> None:
    """Refuse covariances that are no covariances, as far as they are numbers."""
    known = [x for x, y in table if x == y and table[x, y].is_number]
    numbers = [x for x in known if all(table.get((x, y), sp.S.Zero).is_number for y in known)]
    matrix = sp.Matrix([[table.get((x, y), sp.S.Zero) for y in numbers] for x in numbers])
    missing = next((x for x, y in table if (x, x) not in table and table[x, y] != 0), None)
    negative = next((x for x, y in table if x == y and table[x, y].is_negative), None)
    if negative is None and missing is None and (not numbers or matrix.is_positive_semidefinite):
        return
    wrong = f"the covariance of {', '.join(map(str, numbers))} has a negative eigenvalue"
    if negative is not None:
        wrong = f"the variance of {negative} is {table[negative, negative]}"
    if missing is not None:
        wrong = f"{missing} has a covariance and no variance"
    raise DomainError(
        call,
        wrong,
        "c^2 <= v w for every pair, and a variance is the mean of a square",
        "{(x, x): v, (y, y): w, (x, y): c} with c**2 <= v*w",
    )


def _lowered(powers: tuple[int, ...], k: int) -> tuple[int, ...]:
    return (*powers[:k], powers[k] - 1, *powers[k + 1 :])


@dataclass(frozen=True)
class GaussianIntegral:
    """The integral of the exponential of a quadratic form, with the Gaussian it defines.

    Parameters
    ----------
    exponent : sympy.Expr
        The exponent that was integrated.
    variables : tuple of Symbol
    precision : sympy.ImmutableMatrix
        The matrix A of ``-x.A.x/2``.
    mean, covariance : sympy.ImmutableMatrix
        ``A^-1 b`` and ``A^-1``.
    value : sympy.Expr
        ``(2 pi)^(n/2) det(A)^(-1/2) exp(b.A^-1.b/2 + c)``.
    conditions : tuple of sympy.Expr
        The leading minors of A, which must be positive for the integral to converge.
    """

    exponent: sp.Expr
    variables: tuple[sp.Symbol, ...]
    precision: sp.ImmutableMatrix
    mean: sp.ImmutableMatrix
    covariance: sp.ImmutableMatrix
    value: sp.Expr
    conditions: tuple[sp.Expr, ...]


def gaussian_integral(exponent: Exact, variables: Sequence[sp.Symbol]) -> GaussianIntegral:
    r"""Integrate the exponential of a quadratic form over all real values of the variables.

    ``int exp(-x.A.x/2 + b.x + c) dx = (2 pi)^(n/2) det(A)^(-1/2) exp(b.A^-1.b/2 + c)``.

    Parameters
    ----------
    exponent : sympy.Expr
        ``-x.A.x/2 + b.x + c``, a polynomial of degree two in the variables.
    variables : sequence of Symbol
        Integrated over the whole real line.

    Returns
    -------
    GaussianIntegral
        With the convergence conditions as positive leading minors of A.

    Raises
    ------
    ArgumentsError
        When the exponent is not quadratic.
    ConditionError
        When a leading minor of A is known not to be positive, so that the integral diverges.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> a, b = sp.symbols("a b", positive=True)
    >>> gaussian_integral(-a * x**2 / 2 + b * x, [x]).value
    sqrt(2)*sqrt(pi)*exp(b**2/(2*a))/sqrt(a)
    """
    call = "gaussian_integral(...)"
    form = sp.expand(exact(exponent, call))
    if not form.is_polynomial(*variables) or sp.Poly(form, *variables).total_degree() > 2:
        raise ArgumentsError(
            call,
            f"{form} is not quadratic in {', '.join(str(x) for x in variables)}",
            "only a quadratic exponent is a Gaussian",
            "expand to second order first, and say so in the derivation",
        )
    origin = {x: sp.S.Zero for x in variables}
    precision = sp.ImmutableMatrix(-sp.hessian(form, list(variables)))
    linear = sp.ImmutableMatrix([form.diff(x).xreplace(origin) for x in variables])
    constant = form.xreplace(origin)
    size = len(variables)
    minors = [sp.Matrix(precision)[:k, :k] for k in range(1, size + 1)]
    conditions = tuple(factored(exact(sp.Matrix(minor).det(), call)) for minor in minors)
    for minor in conditions:
        if minor.is_nonpositive:
            raise ConditionError(
                call,
                f"a leading minor of A is {minor}, not positive",
                "the exponential grows along some direction and the integral diverges",
                "check the sign of the quadratic form: the exponent is -x.A.x/2 + b.x",
            )
    covariance = sp.ImmutableMatrix(precision.inv().applyfunc(sp.cancel))
    mean = sp.ImmutableMatrix((covariance * linear).applyfunc(sp.cancel))
    growth = sp.cancel((linear.T * mean)[0, 0] / 2 + constant)
    prefactor = (2 * sp.pi) ** sp.Rational(size, 2) / sp.sqrt(conditions[-1])
    return GaussianIntegral(
        form, tuple(variables), precision, mean, covariance, prefactor * sp.exp(growth), conditions
    )
