"""Numbers and ranges as typed in a shell: ``0.5``, ``0.1:5:1000``, ``log:0.1:100:1000``, ``1,2``.

The text is matched against a grammar of decimal numbers; nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numerics.errors import ArgumentsError, DomainError

if TYPE_CHECKING:
    import numpy as np

LONGEST_TEXT = 65_536
MOST_POINTS = 10**8

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,80})?|\.\d{1,80})(?:[eE][+-]?\d{1,4})?\Z", re.A)
_COUNT = re.compile(r"\d{1,400}\Z", re.A)
_NAME = re.compile(r"--([A-Za-z][A-Za-z0-9_]{0,63})(?:=(.*))?\Z", re.S)

FORMS = "0.5, a:b:n, log:a:b:n, a,b,c or inf"


@dataclass(frozen=True)
class Range:
    """What was typed for one argument.

    Parameters
    ----------
    text : str
        As typed; for a single number, its exact decimal value.
    values : ndarray, shape () or (n,)
        The points in float64; zero-dimensional for a single number.
    """

    text: str
    values: np.ndarray


def parse_range(name: str, text: str) -> Range:
    """Read the values of one argument.

    Parameters
    ----------
    name : str
        The argument, for the message.
    text : str
        ``a``, ``inf``, ``a,b,c``, ``a:b:n`` (n equidistant points, ends included) or ``log:a:b:n``
        (n points with constant ratio).

    Returns
    -------
    Range

    Raises
    ------
    ArgumentsError
        If the text has none of these forms.
    DomainError
        If a range is too long, or logarithmic through zero.

    Examples
    --------
    >>> parse_range("tau", "0:1:3").values
    array([0. , 0.5, 1. ])
    >>> parse_range("tau", "log:0.01:100:3").values
    array([1.e-02, 1.e+00, 1.e+02])
    >>> parse_range("tau", "__import__('os')")
    Traceback (most recent call last):
    ...
    numerics.errors.ArgumentsError: --tau __import__('os'): "__import__('os')" is not a number. \
Why: a value is one of 0.5, a:b:n, log:a:b:n, a,b,c or inf. Do: --tau 0.5
    """
    import numpy as np

    shown = text if len(text) <= 60 else text[:57] + "..."
    call = f"--{name} {shown}"
    if len(text) > LONGEST_TEXT:
        raise ArgumentsError(
            call, f"{len(text)} characters", f"at most {LONGEST_TEXT} are read", f"--{name} 0:1:101"
        )
    if ":" not in text:
        items = text.split(",")
        numbers = [_number(call, name, item) for item in items]
        return Range(text, np.array(numbers if len(items) > 1 else numbers[0], np.float64))
    parts = text.split(":")
    logarithmic = parts[0] == "log"
    ends = parts[1:] if logarithmic else parts
    if len(ends) != 3 or not _COUNT.match(ends[2]) or int(ends[2]) < 1:
        raise ArgumentsError(
            call,
            f"{shown!r} is not a range",
            "a range has two ends and a number of points",
            f"--{name} 0.1:5:1000 or --{name} log:0.1:100:1000",
        )
    low, high, count = _number(call, name, ends[0]), _number(call, name, ends[1]), int(ends[2])
    check_size(call, count)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DomainError(
            call,
            "an end of the range is infinite",
            "no finite number of equidistant points reaches it",
            f"--{name} inf alone, or a list such as --{name} 1,10,inf",
        )
    if logarithmic and not (low > 0 and high > 0):
        raise DomainError(
            call,
            f"the ends {low:g} and {high:g} are not both positive",
            "a logarithmic range has a constant ratio between its points",
            f"--{name} log:1e-6:1:100, or --{name} 0:1:100",
        )
    if count == 1 and low != high:
        raise DomainError(
            call,
            "one point cannot be both ends",
            f"the ends are {low:g} and {high:g}",
            f"--{name} {ends[0]}",
        )
    values = np.geomspace(low, high, count) if logarithmic else np.linspace(low, high, count)
    return Range(text, values)


def check_size(call: str, count: int) -> None:
    """Raise if a grid has more points than one call evaluates.

    Parameters
    ----------
    call : str
        For the message.
    count : int
        Number of points.

    Raises
    ------
    DomainError
        Above 10^8 points.
    """
    if count > MOST_POINTS:
        raise DomainError(
            call,
            f"{count:.6g} points need {_gibibytes(count)} for the results alone",
            f"one call evaluates at most {MOST_POINTS}",
            "fewer points, or several calls with a part of the range each",
        )


def _gibibytes(count: int) -> str:
    return f"{8 * count / 2**30:.3g} GiB" if count < 10**300 else "more memory than there is"


def parse_sizes(text: str) -> list[int]:
    """Read the dimensions of a simulation.

    Parameters
    ----------
    text : str
        As for :func:`parse_range`.

    Returns
    -------
    list of int
        Each at least 1.

    Raises
    ------
    ArgumentsError
        If one is not a whole number.

    Examples
    --------
    >>> parse_sizes("16,32,64")
    [16, 32, 64]
    """
    values = parse_range("size", text).values.reshape(-1).tolist()
    bad = [v for v in values if not (1 <= v < 2**53 and v == int(v))]
    if bad:
        raise ArgumentsError(
            f"--size {text[:60]}",
            f"{bad[0]:g} is not a whole number from 1",
            "a matrix has so many rows",
            "--size 16,32,64",
        )
    return [int(v) for v in values]


def _number(call: str, name: str, item: str) -> float:
    text = item.strip()
    if text in ("inf", "+inf"):
        return float("inf")
    if not _NUMBER.match(text):
        shown = item if len(item) <= 60 else item[:57] + "..."
        raise ArgumentsError(
            call,
            f"{shown!r} is not a number",
            f"a value is one of {FORMS}",
            f"--{name} 0.5",
        )
    return float(text)


def parse_arguments(command: str, tokens: Sequence[str]) -> dict[str, str]:
    """Read ``--name value`` and ``--name=value`` pairs.

    Parameters
    ----------
    command : str
        For the message.
    tokens : sequence of str
        What the shell passed on.

    Returns
    -------
    dict of str to str
        Texts by name, in the order typed.

    Raises
    ------
    ArgumentsError
        For a value without a name, a name without a value, or a name given twice.

    Examples
    --------
    >>> parse_arguments("derive eval", ["--tau", "0.5", "--rho=0:1:3"])
    {'tau': '0.5', 'rho': '0:1:3'}
    """
    found: dict[str, str] = {}
    waiting = iter(tokens)
    for token in waiting:
        match = _NAME.match(token)
        if match is None:
            raise ArgumentsError(
                command,
                f"{token[:60]!r} is not an argument",
                "arguments are given by name",
                f"{command} --tau 0.5 ...",
            )
        name, value = match.group(1), match.group(2)
        if value is None:
            value = next(waiting, None)
        if value is None:
            raise ArgumentsError(
                command, f"--{name} has no value", f"a value is one of {FORMS}", f"--{name} 0.5"
            )
        if name in found:
            raise ArgumentsError(
                command,
                f"--{name} is given twice",
                "each argument spans one axis",
                f"--{name} {found[name][:30]},{value[:30]}",
            )
        found[name] = value
    return found


def match_arguments(
    command: str, arguments: Sequence[str], typed: Mapping[str, str], letters: Mapping[str, str]
) -> dict[str, Range]:
    """Return the ranges in the order of the formula's arguments.

    Parameters
    ----------
    command : str
        As typed, with the id.
    arguments : sequence of str
        What the formula takes.
    typed : mapping of str to str
        What was given.
    letters : mapping of str to str
        Meaning of the arguments, for the message.

    Returns
    -------
    dict of str to Range

    Raises
    ------
    ArgumentsError
        Naming what is missing and what is unknown.
    """
    missing = [a for a in arguments if a not in typed]
    unknown = [t for t in typed if t not in arguments]
    if missing or unknown:
        words = [f"missing --{m}" for m in missing] + [f"unknown --{u}" for u in unknown]
        meanings = "; ".join(f"{a}: {letters[a]}" if a in letters else a for a in arguments)
        example = " ".join(f"--{a} {typed.get(a, '0.5')[:40]}" for a in arguments)
        raise ArgumentsError(
            command, ", ".join(words), f"the arguments are {meanings}", f"{command} {example}"
        )
    return {a: parse_range(a, typed[a]) for a in arguments}
