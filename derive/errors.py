"""Errors of the symbolic layer; the template is that of :class:`numerics.errors.DeriveError`."""

from __future__ import annotations

from numerics.errors import (
    ArgumentsError,
    BranchError,
    ConvergenceError,
    DeriveError,
    DomainError,
    LoweringError,
)


class UnknownNameError(DeriveError, KeyError):
    """No derivation, result or symbol has this name."""

    __str__ = DeriveError.__str__


class RefutedError(DeriveError, AssertionError):
    """A statement is false: the error carries the exact point at which both sides differ."""


class ConditionError(DeriveError, ValueError):
    """A theorem was asked for where one of its conditions fails (freeness, strip, branch, ...)."""


__all__ = [
    "ArgumentsError",
    "BranchError",
    "ConditionError",
    "ConvergenceError",
    "DeriveError",
    "DomainError",
    "LoweringError",
    "RefutedError",
    "UnknownNameError",
]
