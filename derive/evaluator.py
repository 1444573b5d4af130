"""A compiled formula: called by name of argument, with errors that name the first bad point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from numerics.array_libraries import lifted
from numerics.errors import ArgumentsError
from numerics.program import Program

if TYPE_CHECKING:
    from numerics.escalation import Escalated, EscalatingKernel
    from numerics.kernel import Kernel


def check_names(name: str, arguments: Sequence[str], values: Mapping[str, Any]) -> None:
    """Raise unless exactly the arguments are given.

    Parameters
    ----------
    name : str
        Of the formula, for the message.
    arguments : sequence of str
        What it takes.
    values : mapping
        What was given.

    Raises
    ------
    ArgumentsError
        Naming the missing and the unknown arguments and the call to write.
    """
    missing = [a for a in arguments if a not in values]
    unknown = [v for v in values if v not in arguments]
    if not missing and not unknown:
        return
    words = []
    if missing:
        words.append(f"missing {', '.join(missing)}")
    if unknown:
        words.append(f"unknown {', '.join(unknown)}")
    example = ", ".join(f"{a}={values.get(a, '...')!s:.12}" for a in arguments)
    raise ArgumentsError(
        f"{name}({', '.join(f'{k}=...' for k in values)})",
        " and ".join(words),
        f"the arguments are {', '.join(arguments)}, all by name",
        f"{name}({example})",
    )


class Evaluator:
    """A compiled formula: broadcasting, ``out=``, and an error that names the first bad point.

    Parameters
    ----------
    name : str
        Of the formula.
    program : Program
        What is evaluated; its constraints are the domain.
    kernel : Kernel or EscalatingKernel
        What computes.
    """

    def __init__(self, name: str, program: Program, kernel: Kernel | EscalatingKernel):
        self.name, self.program, self.kernel = name, program, kernel

    @property
    def escalated(self) -> Escalated:
        """How many points so far needed more than float64; for ``precision="auto"`` only."""
        from numerics.escalation import EscalatingKernel

        if isinstance(self.kernel, EscalatingKernel):
            return self.kernel.escalated
        raise ArgumentsError(
            f"{self.name}.compile(precision={self.kernel.precision!r}).escalated",
            "no point is ever escalated",
            f"every point is computed in {self.kernel.precision}",
            f'{self.name}.compile(precision="auto").escalated',
        )

    def __call__(self, *, out: Any = None, invalid: str = "raise", **values: Any) -> Any:
        """Evaluate.

        Parameters
        ----------
        out : array, optional
            Where to write.
        invalid : {"raise", "nan"}
            Raise at the first point outside the domain, or return NaN there and evaluate the rest.
        **values : float or array
            The arguments by name, broadcast against each other. Labelled arrays of xarray are
            aligned by their labels; lazy arrays of dask stay lazy, and their points are refused
            when they are computed.

        Returns
        -------
        float or array
            NaN only where ``invalid="nan"`` allows it.

        Raises
        ------
        ArgumentsError
            A missing or unknown argument, or shapes that do not broadcast.
        DomainError
            With the first bad index and value.
        """
        from derive.arguments import operands

        if invalid not in ("raise", "nan"):
            raise ArgumentsError(
                f"{self.name}(invalid={invalid!r})",
                f"invalid={invalid!r} is not known",
                "bad points either raise or give NaN",
                f'{self.name}(..., invalid="nan")',
            )
        check_names(self.name, self.program.arguments, values)
        arrays = operands(self.name, self.program.arguments, values, out)
        if out is None:
            outputs = 2 if self.kernel.precision == "double-double" else 1
            found = lifted(partial(self._evaluate, invalid=invalid), arrays, outputs)
            if found is not None:
                return found
        return self._evaluate(*arrays, out=out, invalid=invalid)

    def _evaluate(self, *arrays: Any, out: Any = None, invalid: str) -> Any:
        from derive.arguments import explain_failure

        kernel = self.kernel
        before = kernel.invalid_count(), kernel.unconverged_count()
        result = kernel(*arrays) if out is None else kernel(*arrays, out=out)
        after = kernel.invalid_count(), kernel.unconverged_count()
        if after != before and invalid == "raise":
            explain_failure(self.name, self.program, arrays, result)
        return result

    def __repr__(self) -> str:
        return f"<{self.name} compiled in {self.kernel.precision}>"
