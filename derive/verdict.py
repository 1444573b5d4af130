"""How much a step is worth: verdicts, ordered so that the weakest wins, and the evidence kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Verdict(IntEnum):
    """What is known of a step, from worst to best; the weakest step decides for a derivation.

    REFUTED
        Both sides differ at an exact point; raises at once.
    INCONCLUSIVE
        Too few usable samples, a time-out, an undecided ball: never a pass.
    ASSUMED
        A cited theorem or an ansatz (Gaussian universality, replica symmetry), never hidden.
    SUPPORTED
        Zero lies in every ball at 20 or more exact points of the domain.
    PROVED
        Exact symbolic zero, or a guaranteed sign.

    Examples
    --------
    >>> print(min(Verdict.PROVED, Verdict.ASSUMED))
    ASSUMED
    """

    REFUTED = 0
    INCONCLUSIVE = 1
    ASSUMED = 2
    SUPPORTED = 3
    PROVED = 4

    def __str__(self) -> str:
        return self.name


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the weakest of several verdicts; of none, PROVED.

    Parameters
    ----------
    verdicts : iterable of Verdict
        Verdicts of the steps.

    Returns
    -------
    Verdict
        Their minimum.

    Examples
    --------
    >>> weakest([Verdict.PROVED, Verdict.SUPPORTED]).name
    'SUPPORTED'
    """
    return min(verdicts, default=Verdict.PROVED)


@dataclass(frozen=True)
class Evidence:
    """Why a step has its verdict.

    Parameters
    ----------
    verdict : Verdict
        The judgement.
    method : str
        How it was reached, in a few words.
    tried, satisfying, decided : int
        Sample points drawn, those that satisfied the assumptions, those at which the check could
        tell right from wrong (a ball narrow against the size of both sides).
    bits : int
        Working precision of the balls.
    radius : str
        Largest relative radius among the deciding balls.
    point : tuple of (str, str)
        The exact point that refutes, if any.
    note : str
        Anything a reader should know.
    """

    verdict: Verdict
    method: str
    tried: int = 0
    satisfying: int = 0
    decided: int = 0
    bits: int = 0
    radius: str = ""
    point: tuple[tuple[str, str], ...] = field(default=())
    note: str = ""

    def __str__(self) -> str:
        parts = [f"{self.verdict.name}: {self.method}"]
        if self.tried:
            parts.append(
                f"{self.decided} of {self.tried} points decided, {self.bits} bits, "
                f"largest relative radius {self.radius}"
            )
        if self.point:
            parts.append("at " + ", ".join(f"{n} = {v}" for n, v in self.point))
        if self.note:
            parts.append(self.note)
        return "; ".join(parts)
