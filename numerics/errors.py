"""The words in which every error of the project is said.

One template: what is wrong and at which values, why, and the exact call to write instead.
"""

from __future__ import annotations


class DeriveError(Exception):
    """Base of every error the project raises on purpose.

    Parameters
    ----------
    call : str
        The call the user made, e.g. ``"formula(tau=-1)"``.
    wrong : str
        What is wrong, with the offending values.
    why : str
        The reason, with the numbers.
    do : str
        The exact call to write instead.

    Examples
    --------
    >>> print(DeriveError("f(tau=-1)", "tau = -1 is outside tau > 0",
    ...                   "tau = n/d^2 is a ratio of counts", "f(tau=0.5)"))
    f(tau=-1): tau = -1 is outside tau > 0. Why: tau = n/d^2 is a ratio of counts. Do: f(tau=0.5)
    """

    def __init__(self, call: str, wrong: str, why: str, do: str):
        self.call, self.wrong, self.why, self.do = call, wrong, why, do
        super().__init__(call, wrong, why, do)

    def __str__(self) -> str:
        return f"{self.call}: {self.wrong}. Why: {self.why}. Do: {self.do}"


class DomainError(DeriveError, ValueError):
    """A parameter lies outside the domain of a formula, or is not a number."""


class ArgumentsError(DeriveError, TypeError):
    """An argument is missing, unknown, or of the wrong kind or shape."""


class LoweringError(DeriveError, NotImplementedError):
    """An expression has no straight-line program, so it cannot be compiled."""


class BranchError(DeriveError, ArithmeticError):
    """A root could not be told from its rivals, so none is returned."""


class ConvergenceError(DeriveError, ArithmeticError):
    """A numerical method did not reach its tolerance."""


class CacheWarning(UserWarning):
    """A cached kernel could not be used and was recompiled, or the cache cannot be written."""
