"""Exact numbers at the door: integers, fractions, decimal text and floats, taken as written.

A float is a dyadic rational and is taken as exactly that number; ``"0.1"`` is one tenth. Text is
read by one regular expression under size limits, so that nothing a user types is ever executed and
no short text can ask for a gigabyte of digits.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Integral, Rational
from typing import Any

from numerics.errors import ArgumentsError, DomainError

MAXIMUM_BITS = 10_000
MAXIMUM_TEXT = 4_000
MAXIMUM_EXPONENT = 3_000

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?:(?P<inf>inf(?:inity)?)"
    r"|(?P<p>[0-9]+)/(?P<q>[0-9]+)"
    r"|(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]{1,9}))?)",
    re.ASCII | re.IGNORECASE,
)

Exact = Fraction | float
"""A Fraction, or one of the two float infinities."""


def exact(value: Any, name: str = "x", call: str = "exact(...)") -> Exact:
    """Read a number exactly as it is written.

    Parameters
    ----------
    value : int, Fraction, float, str, or a NumPy or SymPy number of those kinds
        ``"0.5"``, ``"1e-6"``, ``"1/3"``, ``"inf"``; a float is the dyadic rational it stores.
    name, call : str
        Words for the error message.

    Returns
    -------
    Fraction or float
        A float only for plus or minus infinity.

    Raises
    ------
    ArgumentsError
        If the value is not a number, or is a number of more than 10,000 bits.
    DomainError
        If it is NaN.

    Examples
    --------
    >>> exact("1e-6"), exact("1/3"), exact(0.5), exact("-inf")
    (Fraction(1, 1000000), Fraction(1, 3), Fraction(1, 2), -inf)
    >>> exact(0.1) == exact("0.1")
    False
    """
    if isinstance(value, Fraction):
        result: Exact = value
    elif isinstance(value, str):
        result = _read(value, name, call)
    elif isinstance(value, bool):
        raise _not_a_number(value, name, call)
    elif isinstance(value, Integral):
        result = Fraction(int(value))
    elif isinstance(value, Rational):
        result = Fraction(int(value.numerator), int(value.denominator))
    elif hasattr(value, "as_integer_ratio"):
        result = _from_float(value, name, call)
    else:
        raise _not_a_number(value, name, call)
    if isinstance(result, Fraction):
        size = max(result.numerator.bit_length(), result.denominator.bit_length())
        if size > MAXIMUM_BITS:
            raise ArgumentsError(
                call,
                f"{name} has {size} bits",
                f"exact arguments are limited to {MAXIMUM_BITS} bits so that no input can ask for "
                "unbounded work",
                f"{name}=<a number of at most 3000 digits>",
            )
    return result


def _from_float(value: Any, name: str, call: str) -> Exact:
    try:
        numerator, denominator = value.as_integer_ratio()
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:
        raise _nan(name, call) from None
    return Fraction(int(numerator), int(denominator))


def _read(text: str, name: str, call: str) -> Exact:
    stripped = text.strip()
    if len(stripped) > MAXIMUM_TEXT:
        raise ArgumentsError(
            call,
            f"{name} is a text of {len(stripped)} characters",
            f"numbers are read from at most {MAXIMUM_TEXT} characters",
            f'{name}="0.5"',
        )
    if stripped.lower() in ("nan", "+nan", "-nan"):
        raise _nan(name, call)
    match = _NUMBER.fullmatch(stripped)
    if match is None or not any(match[part] for part in ("inf", "p", "whole", "part")):
        raise _not_a_number(text, name, call)
    sign = -1 if match["sign"] == "-" else 1
    if match["inf"]:
        return sign * math.inf
    digits = (match["p"] or "", match["q"] or "", (match["whole"] or "") + (match["part"] or ""))
    exponent = int(match["exponent"] or 0)
    if max(map(len, digits)) > MAXIMUM_EXPONENT or abs(exponent) > MAXIMUM_EXPONENT:
        raise ArgumentsError(
            call,
            f"{name} = {text[:40]!r} has more than {MAXIMUM_EXPONENT} digits or such an exponent",
            "the exact value would be larger than any parameter of a formula can need",
            f"{name}=<a number of at most {MAXIMUM_EXPONENT} digits>",
        )
    if match["p"]:
        if int(match["q"]) == 0:
            raise DomainError(
                call, f"{name} = {text!r} divides by zero", "p/0 is no number", f'{name}="1/3"'
            )
        return sign * Fraction(int(match["p"]), int(match["q"]))
    value = sign * Fraction(int(digits[2]), 10 ** len(match["part"] or ""))
    return value * Fraction(10) ** exponent


def _nan(name: str, call: str) -> DomainError:
    return DomainError(
        call, f"{name} is NaN", "NaN is not a number, so no ball encloses it", f'{name}="0.5"'
    )


def _not_a_number(value: Any, name: str, call: str) -> ArgumentsError:
    shown = repr(value)
    return ArgumentsError(
        call,
        f"{name} = {shown[:60]} of type {type(value).__name__} is not an exact number",
        "a certified result needs an exact input: int, Fraction, float (taken as the dyadic "
        'rational it stores) or text such as "0.5", "1e-6", "1/3", "inf"',
        f'{name}="0.5"',
    )
