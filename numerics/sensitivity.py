r"""How rounding errors reach a result: a program that estimates its own error, by adjoints.

To first order a computed value differs from the exact one by
:math:`\sum_i \bar v_i v_i\delta_i`, where :math:`v_i` are the intermediate values,
:math:`\bar v_i=\partial f/\partial v_i` their adjoints and :math:`|\delta_i|\le u=2^{-53}` their
rounding errors. One backward pass (:mod:`numerics.adjoint`) gives every :math:`\bar v_i`, and with
them the condition number :math:`c=\sum_j|x_j\bar x_j/f|` of the formula in its arguments. Errors of
a result below the smallest normal number count in units of its last place, like those of that
number, so that an exact zero has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

from numerics.adjoint import ALWAYS, Guard, Slope, Slopes, Tape, Values
from numerics.arithmetic import float_constant
from numerics.branch_doubt import BranchDoubt
from numerics.program import BOOLEAN, Block, Builder, Instruction, Program, walk
from numerics.schedule import normal_form

SUBNORMAL = Fraction(1, 2**1021)  # times u it is the absolute error of an underflow
_EXACT = frozenset({"argument", "neg", "abs", "select", "minimum", "maximum"}) | BOOLEAN
_LIBRARY = frozenset({"exp", "log", "sin", "cos", "atan", "pow"})  # errors of libm, below 1 ulp
_SERIES = {"gamma": 4, "zeta": 4, "power_law_sum": 16}  # what is measured, in squares
_NEVER_UNDERFLOW = frozenset({"add", "sub", "constant", "sqrt"})  # subnormal sums are exact
NORMAL = Fraction(1, 2**1022)
SMALL = Fraction(1, 2**500)  # adjoints relative to smaller values would overflow
# Below exp(-1500) < 2**-2164 what underflows is nothing even 2**1024 times as large.
VANISHED = -1500


def sensitivity_program(program: Program, output: str | None = None) -> Program:
    r"""Return a program for one output together with estimates of its rounding error.

    Parameters
    ----------
    program : Program
        The formula.
    output : str, optional
        Which output; by default the first.

    Returns
    -------
    Program
        With the outputs ``value``; ``bound`` :math:`=\sum|\bar v_iv_i/f|` and ``spread``
        :math:`=\sqrt{\sum(\bar v_iv_i/f)^2}`, of the relative error in units of :math:`u`;
        ``condition``, the condition number. All are relative to the smallest normal number where
        the value is smaller. For kernels only: residuals of roots are left out.

    Raises
    ------
    LoweringError
        If an operation has no derivative here.

    Validity
    --------
    First order in :math:`u`. Where the comparison that picks a branch is closer than its own
    rounding error, the error is infinite (outside of loops); of two values that are so close, the
    smaller or larger one has their difference for an error.

    References
    ----------
    S. Linnainmaa, Taylor expansion of the accumulated rounding error, BIT 16 (1976) 146.

    Examples
    --------
    >>> from numerics.kernel import compile_program
    >>> b = Builder(("x",))
    >>> p = b.program({"f": b.op("sub", b.argument("x"), b.constant(1))})
    >>> value, bound, spread, condition = compile_program(sensitivity_program(p))(1.25)
    >>> float(value), float(bound), float(condition)
    (0.25, 1.0, 5.0)
    """
    estimate = estimate_error(program, output)
    return estimate.builder.program(
        {
            "value": estimate.value,
            "bound": estimate.bound,
            "spread": estimate.spread,
            "condition": estimate.condition,
        }
    )


@dataclass(frozen=True)
class Estimate:
    """Numbers of the values that hold a result and the estimates of its error.

    Parameters
    ----------
    builder : Builder
        Where the instructions are; more may follow.
    value, bound, spread, condition : int
        As the outputs of :func:`sensitivity_program`.
    """

    builder: Builder
    value: int
    bound: int
    spread: int
    condition: int


def estimate_error(program: Program, output: str | None = None) -> Estimate:
    """Write a program for one output and the estimates of its error, unfinished.

    Parameters
    ----------
    program : Program
        The formula.
    output : str, optional
        Which output; by default the first.

    Returns
    -------
    Estimate
        To be finished by ``estimate.builder.program({name: value})``.
    """
    instructions = normal_form(program)
    index = program.outputs.index(output) if output is not None else 0
    builder = Builder(program.arguments)
    exact = {i.results[0] for i in instructions if i.op == "constant" and not roundings(i)}
    exact |= _exponents(instructions, program.body.yields)
    tape = _Charging(builder, exact)
    values: Values = {}
    tape.copy(instructions, values)
    tape.follow_limits(instructions, values, _bounded(program))
    for c in program.constraints:
        builder.require(c.text, c.arguments, values[c.value], c.reason)
    target = program.body.yields[index]
    size = _at_least(builder, values[target], SMALL)
    scale = builder.op("div", size, _at_least(builder, values[target], NORMAL))
    relative = Slope(builder.op("div", builder.constant(1), size))
    slopes = tape.adjoints(instructions, values, {target: relative})
    with tape.collect() as charges:
        tape.charge(instructions, values, slopes)
        tape.charge_branches(instructions, values, slopes)
    bound, variance = charges.totals(tape)
    terms = []
    for i in instructions:
        if i.op == "argument" and i.results[0] in slopes:
            x = values[i.results[0]]
            part = builder.op("abs", builder.op("mul", x, tape.solid(slopes[i.results[0]])))
            # An argument at infinity stands for a limit: it has no relative error.
            terms.append(builder.select(builder.op("is_infinite", x), tape.zero, part))
    sizes = (bound, builder.op("sqrt", variance), _sum(tape, terms))
    return Estimate(builder, values[target], *(builder.op("mul", scale, x) for x in sizes))


def _at_least(builder: Builder, value: int, least: Fraction) -> int:
    """Return the size of a value, or something in its place if that is larger; NaN stays NaN."""
    size, floor = builder.op("abs", value), builder.constant(least)
    return builder.select(builder.op("less", size, floor), floor, size)


@dataclass
class _Charges:
    """Contributions to the error under each guard: their sizes, and their squares."""

    sizes: dict[Guard, list[int]] = field(default_factory=dict)
    squares: dict[Guard, list[int]] = field(default_factory=dict)

    def add(self, guard: Guard, size: int, square: int) -> None:
        self.sizes.setdefault(guard, []).append(size)
        self.squares.setdefault(guard, []).append(square)

    def totals(self, tape: Tape) -> tuple[int, int]:
        """Return the sum of the contributions and the sum of their squares."""
        both = []
        for groups in (self.sizes, self.squares):
            groups = sorted(groups.items(), key=lambda item: sorted(item[0]))
            both.append(_sum(tape, [tape.solid(Slope(_sum(tape, v), g)) for g, v in groups]))
        return both[0], both[1]


class _Charging(Tape):
    """A tape that also writes what the rounding of every instruction contributes."""

    def __init__(self, builder: Builder, constants: set[int]):
        super().__init__(builder, constants)
        self.charges = _Charges()

    @contextmanager
    def collect(self) -> Iterator[_Charges]:
        """Collect the charges of a block separately."""
        outside, self.charges = self.charges, _Charges()
        try:
            yield self.charges
        finally:
            self.charges = outside

    def charge(self, instructions: Sequence[Instruction], values: Values, slopes: Slopes) -> None:
        """Add the contributions of some instructions, given their adjoints."""
        for i in instructions:
            if not any(r in slopes for r in i.results):
                continue
            if i.block is None:
                count = roundings(i)
                if count:
                    slope = self.flat(i, slopes[i.results[0]])
                    self._add(slope, self._rounded(i, values), count)
                if i.op == "zeta":  # below 1 the twelve first terms cancel the integral of the rest
                    s, slope = values[i.inputs[0]], slopes[i.results[0]]
                    rest = self.op("pow", self.builder.constant(12), self.op("sub", self.one, s))
                    rest = self.op("div", rest, self.op("sub", s, self.one))
                    self._add(slope, rest, 4)
                if i.op == "power_law_sum":  # powers of x and of 1 + x k**-q round inside
                    at, slope = values[i.inputs[3]], slopes[i.results[0]]
                    inside = self.op("mul", slope.value, self.partials(i, values)[3])
                    self._add(Slope(inside, slope.guard), at, 4)
                    times = self.op("mul", slope.value, values[i.inputs[2]])
                    self._add(Slope(times, slope.guard), values[i.results[0]], 1)
            elif i.op == "root":
                step = self.root_step(i, i.block, values, slopes)
                self.charge(i.block.instructions, step.values, step.slopes)
                # The iteration ends with a relative step of 2^exponent, not zero.
                count = max(1, 2 ** (53 + i.attribute[0]))
                for result, parameter in zip(i.results, i.block.parameters, strict=True):
                    if parameter in step.slopes:
                        self._add(step.slopes[parameter], values[result], count)
            else:
                self._charge_sum(i, i.block, values, slopes)

    def charge_branches(
        self, instructions: Sequence[Instruction], values: Values, slopes: Slopes
    ) -> None:
        """Add what a selection may be wrong by whose mask may have been decided by rounding.

        That is the difference of the two for an extremum, and anything for other branches.
        """
        simple = [i for i in instructions if i.block is None]
        doubt = BranchDoubt(
            self,
            {r: i for i in instructions for r in i.results},
            values,
            {i.results[0]: roundings(i) for i in simple},
        )
        for i in simple:
            slope = slopes.get(i.results[0])
            if i.op not in ("select", "minimum", "maximum") or slope is None:
                continue
            mask = doubt.of(i.inputs[0]) if i.op == "select" else doubt.close(*i.inputs)
            if mask is None:
                continue
            if i.op == "select":  # the other side may be steep there, such as a square root
                jump = self.builder.constant("inf")
            else:
                yes, no = (values[v] for v in i.inputs)
                jump = self.op("mul", slope.value, self.op("sub", yes, no))
            guarded = Slope(jump, slope.guard | {(mask, True)})
            self._add(guarded, self.builder.constant(2**53), 1)  # in units of u

    def _charge_sum(self, i: Instruction, block: Block, values: Values, slopes: Slopes) -> None:
        """Add the contributions inside the terms, and those of the additions."""
        op = self.op

        def body(inner: Values) -> tuple[int, ...]:
            inside = self.term_slopes(i, block, inner, slopes)
            with self.collect() as charges:
                self.charge(block.instructions, inner, inside)
                if i.op == "table_sum":  # the entries of a table have been rounded
                    for parameter in block.parameters:
                        if parameter in inside:
                            self._add(inside[parameter], inner[parameter], 1)
            sizes = [
                op("abs", op("mul", self.solid(slopes[r]), inner[y]))
                for r, y in zip(i.results, block.yields, strict=True)
                if r in slopes
            ]
            return (_sum(self, sizes), *charges.totals(self))

        size, bound, variance = self.loop(i, block, values, body)
        if i.op == "sum":
            lower, upper = (values[v] for v in i.inputs)
            number = op("add", op("sub", upper, lower), self.one)
        else:
            number = self.builder.constant(len(i.attribute[0]))
        # Every addition rounds a partial sum, and no partial sum exceeds the sum of the sizes.
        self.charges.add(ALWAYS, bound, variance)
        self.charges.add(ALWAYS, op("mul", number, size), op("mul", number, op("mul", size, size)))

    def _rounded(self, i: Instruction, values: Values) -> int:
        """Return what the rounding errors of an instruction are relative to."""
        value, limit = values[i.results[0]], self.limits.get(i.results[0])
        if limit is not None:
            value = self.builder.select(limit, self.zero, value)
        if i.op in _NEVER_UNDERFLOW:
            return value
        least = self.builder.constant(SUBNORMAL)
        if i.op == "exp":
            vanished = self.op("less", values[i.inputs[0]], self.builder.constant(VANISHED))
            least = self.builder.select(vanished, self.zero, least)
        return self.op("add", self.op("abs", value), least)

    def _add(self, slope: Slope, value: int, count: int) -> None:
        product = self.op("mul", slope.value, value)
        size, square = self.op("abs", product), self.op("mul", product, product)
        weight = self.builder.constant(count)
        self.charges.add(slope.guard, self.op("mul", weight, size), self.op("mul", weight, square))


def _exponents(instructions: Sequence[Instruction], yields: Sequence[int]) -> set[int]:
    """Return the constants that are exponents only: kernels make up for their rounding."""
    constants: set[int] = set()
    others = set(yields)
    for i in walk(Block((), tuple(instructions), ())):
        if i.op == "constant" and isinstance(i.attribute, Fraction):
            constants.update(i.results)
        others.update(i.inputs[:1] if i.op == "pow" else i.inputs)
        others.update(i.block.yields if i.block is not None else ())
    return constants - others


def _bounded(program: Program) -> set[int]:
    """Return the positions of the arguments that the domain keeps finite."""
    definitions = {r: i for i in walk(program.body) for r in i.results}
    bounded = set()
    for constraint in program.constraints:
        mask = definitions[constraint.value]
        if mask.op == "less":
            below, above = (definitions[v] for v in mask.inputs)
            if below.op == "argument" and above.op == "constant":
                bounded.add(below.attribute)
    return bounded


def roundings(instruction: Instruction) -> int:
    """Return how many rounding errors of size u one simple instruction makes.

    Parameters
    ----------
    instruction : Instruction
        Without a block.

    Returns
    -------
    int
        Zero for what is exact in binary arithmetic.

    Examples
    --------
    >>> roundings(Instruction("power", (1,), (0,), -5))
    4
    """
    if instruction.op in _EXACT:
        return 0
    if instruction.op == "constant":
        a = instruction.attribute
        if isinstance(a, str):
            return int(a in ("pi", "e", "euler_gamma"))
        value = float_constant(a)
        return int(math.isfinite(value) and Fraction(value) != a)
    if instruction.op == "power":
        n = abs(instruction.attribute)
        products = n.bit_length() - 1 + n.bit_count() - 1 if n else 0
        return products + int(instruction.attribute < 0)
    if instruction.op in _SERIES:
        return _SERIES[instruction.op]
    return 2 if instruction.op in _LIBRARY else 1


def _sum(tape: Tape, terms: Sequence[int]) -> int:
    total = terms[0] if terms else tape.zero
    for term in terms[1:]:
        total = tape.op("add", total, term)
    return total
