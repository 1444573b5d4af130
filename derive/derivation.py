"""A derivation: steps from a statement to its results, each with a verdict.

:class:`Draft` is what the body of a derivation writes to; :class:`Derivation` is what users hold.
Metadata is read without running anything; the body runs on first use of ``steps`` or ``status``;
the program of a result comes from the verified store when the sources have not changed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from derive.errors import ArgumentsError, ConditionError, UnknownNameError
from derive.formula import Body, Formula
from derive.verdict import Evidence, Verdict, weakest
from numerics.program import Program

if TYPE_CHECKING:
    from derive.step import Step
    from numerics.monte_carlo import SimulationResult


_running: list[str] = []  # ids whose bodies are open, in the order of their citations


@dataclass(frozen=True)
class Card:
    """What the catalogue knows of a derivation without running it.

    Parameters
    ----------
    id : str
        ``paper.result``.
    statement : str
        One sentence.
    reference : str
        The paper.
    limit : str
        The limit taken, with scalings.
    equation : str
        Section or equation in the paper.
    module, function : str
        Where the body is.
    """

    id: str
    statement: str
    reference: str
    limit: str
    equation: str
    module: str
    function: str


@dataclass(frozen=True)
class Outcome:
    """What a body produced: its steps, its results, and the letters it used."""

    steps: tuple[Step, ...]
    results: Mapping[str, Formula]
    notation: Mapping[str, tuple[str, str]]
    cites: tuple[str, ...]


class Results(Mapping[str, Formula]):
    """Results of a derivation by name; an unknown name suggests the known ones."""

    def __init__(self, id: str, names: Sequence[str], make: Callable[[str], Formula]):
        self._id, self._names, self._make = id, tuple(names), make

    def __getitem__(self, name: str) -> Formula:
        if name not in self._names:
            raise UnknownNameError(
                f"{self._id}.results[{name!r}]",
                f"no result {name!r}",
                f"the results are {', '.join(self._names)}",
                f'derivations.get("{self._id}").results["{self._names[0]}"]'
                if self._names
                else f'derivations.get("{self._id}").steps',
            )
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"Results({', '.join(self._names)})"


class Derivation:
    """A result of a paper, executed and checked step by step.

    Parameters
    ----------
    card : Card
        Metadata.
    load : callable
        Returns the body and the simulator (or None); called when something must run.

    Examples
    --------
    >>> import derivations
    >>> d = derivations.get("classics.marchenko_pastur")
    >>> d.limit
    'd, k -> oo with k/d -> kappa'
    """

    def __init__(self, card: Card, load: Callable[[], tuple[Callable, Callable | None]]):
        self.card, self._load = card, load
        self._formulas: dict[str, Formula] = {}

    @property
    def id(self) -> str:
        """``paper.result``."""
        return self.card.id

    @property
    def statement(self) -> str:
        """One sentence a physicist would say."""
        return self.card.statement

    @property
    def reference(self) -> str:
        """The paper and, where there is one, the equation."""
        return ", ".join(p for p in (self.card.reference, self.card.equation) if p)

    @property
    def limit(self) -> str:
        """The limit the result was taken in, with its scalings."""
        return self.card.limit

    @cached_property
    def outcome(self) -> Outcome:
        """Steps and results; runs the body once."""
        from derive.draft import Draft

        if self.id in _running:
            raise ConditionError(
                f"derivations.get({self.id!r}).outcome",
                f"{' cites '.join([*_running, self.id])}",
                "a result that rests on itself rests on nothing",
                "derive one of them without the other",
            )
        body, _ = self._load()
        draft = Draft(self.id)
        _running.append(self.id)
        try:
            body(draft)
        finally:
            _running.remove(self.id)
        outcome = draft.outcome()
        self._remember(outcome)
        return outcome

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order."""
        return self.outcome.steps

    @property
    def inherited(self) -> tuple[tuple[str, Step], ...]:
        """What the cited derivations assume, and those that they cite: id and step, once each."""
        from derive.registry import lookup

        found: dict[str, tuple[str, Step]] = {}
        for id in self.outcome.cites:
            other = lookup(id)
            own = [(id, s) for s in other.steps if s.kind == "assumption"]
            for where, step in (*other.inherited, *own):
                found.setdefault(str(step.after), (where, step))
        return tuple(found.values())

    @property
    def status(self) -> Verdict:
        """The weakest verdict of all steps, cited derivations included."""
        return weakest(s.verdict for s in self.steps)

    @property
    def known_status(self) -> Verdict | None:
        """The status if the steps have run on these sources before, else None; runs nothing."""
        if "outcome" in self.__dict__:
            return self.status
        record = self._record
        return None if record is None else Verdict[record["status"]]

    def check(self) -> Verdict:
        """Run every step again and return the weakest verdict.

        Returns
        -------
        Verdict
            Never REFUTED: a refuted step raises.

        Raises
        ------
        RefutedError
            With the exact point at which an asserted step fails.
        """
        self.__dict__.pop("outcome", None)
        return self.status

    @cached_property
    def _record(self) -> dict[str, Any] | None:
        from derive.record import read_record

        return read_record(self.id)

    def _remember(self, outcome: Outcome) -> None:
        from derive.record import write_record

        write_record(self.id, outcome, weakest(s.verdict for s in outcome.steps))

    def _names(self) -> tuple[str, ...]:
        if "outcome" not in self.__dict__ and self._record is not None:
            return tuple(self._record["results"])
        return tuple(self.outcome.results)

    def _formula(self, name: str) -> Formula:
        if name not in self._formulas:
            title = self.id if name == self._names()[-1] else f"{self.id}:{name}"
            body, program = partial(self._body_of, name), partial(self._program_of, name)
            self._formulas[name] = Formula(title, body, program)
        return self._formulas[name]

    def _body_of(self, name: str) -> Body:
        return self.outcome.results[name].body

    def _program_of(self, name: str) -> Program:
        record = self._record
        if "outcome" not in self.__dict__ and record is not None:
            return Program.from_json(json.dumps(record["results"][name]))
        return self.outcome.results[name].program

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        # its text is on the other side as well: only the id travels
        from derive.registry import recalled

        return recalled, (self.card.module.partition(".")[0], self.id)

    @property
    def results(self) -> Results:
        """All results by name, in the order the derivation reached them."""
        return Results(self.id, self._names(), self._formula)

    @property
    def result(self) -> Formula:
        """The main result: the last one the derivation reached."""
        names = self._names()
        if not names:
            raise ConditionError(
                f"{self.id}.result",
                "this derivation has no formula as a result",
                "its statement is the chain of its steps",
                f'derivations.get("{self.id}").steps',
            )
        return self._formula(names[-1])

    def latex(self, standalone: bool = False) -> str:
        """Return the derivation as LaTeX.

        Parameters
        ----------
        standalone : bool
            With preamble, so that pdflatex compiles it as it is.

        Returns
        -------
        str
            Statement, numbered steps with reasons and verdicts, results, symbols, references.
        """
        from derive.page import derivation_latex

        return derivation_latex(self, standalone=standalone)

    def table(self) -> str:
        """Return the steps as text: number, verdict, rule, reason, and what each says."""
        from derive.display import steps_text

        return steps_text(self)

    def simulate(self, **parameters: Any) -> SimulationResult:
        """Run the finite-size Monte Carlo of this result.

        Parameters
        ----------
        **parameters : float or int
            ``size``, ``seeds`` and the parameters of the result; see the simulator.

        Returns
        -------
        SimulationResult
            Mean, standard error and per-seed values.

        Raises
        ------
        ConditionError
            If the derivation has no simulator.
        ArgumentsError
            If a parameter is missing or unknown, or a count is no whole number.
        """
        self.check_parameters(parameters)
        return self.simulator(**parameters)

    def check_parameters(self, given: Mapping[str, Any]) -> None:
        """Raise unless these are parameters with which :meth:`simulate` can be called.

        Parameters
        ----------
        given : mapping
            ``size``, ``seeds`` and the parameters of the result.

        Raises
        ------
        ArgumentsError
            If a parameter is missing or unknown, or a count is no whole number.
        """
        simulator = self.simulator
        for name in ("size", "seeds"):
            count = given.get(name, 1)
            if not hasattr(count, "__index__") or isinstance(count, bool) or count < 1:
                raise ArgumentsError(
                    f"{self.id}.simulate({name}={str(count)[:40]}, ...)",
                    f"{name} is not a whole number from 1",
                    "it counts the dimensions or the replicas of a simulation",
                    f"{self.id}.simulate({name}=16, ...)",
                )
        known = inspect.signature(simulator).parameters.values()
        named = {p.name: p.default is p.empty for p in known if p.kind is p.KEYWORD_ONLY}
        wanted = [n for n, needed in named.items() if needed]
        if not named and self._names():  # all are handed on to the simulator of another result
            wanted = list(self.result.args)
        words = [f"missing {n}" for n in wanted if n not in given]
        if named and not any(p.kind is p.VAR_KEYWORD for p in known):
            words += [f"unknown {n}" for n in given if n not in named]
        if words:
            raise ArgumentsError(
                f"{self.id}.simulate({', '.join(f'{n}=...' for n in given)})",
                ", ".join(words),
                f"the parameters are {', '.join(wanted)}, all by name",
                f'derivations.get("{self.id}").simulate('
                + ", ".join(f"{n}={given.get(n, '...')!s:.20}" for n in wanted)
                + ")",
            )

    @property
    def simulator(self) -> Callable[..., SimulationResult]:
        """The function behind :meth:`simulate`; its keywords are the parameters of the result."""
        _, simulator = self._load()
        if simulator is None:
            raise ConditionError(
                f"{self.id}.simulate(...)",
                "this derivation has no simulator",
                "its statement is not an average over a finite-size ensemble",
                f'derivations.get("{self.id}").check()',
            )
        return simulator

    def plot(self, **parameters: Any) -> Any:
        """Draw the result against its one free argument.

        Parameters
        ----------
        **parameters : float or array
            All arguments; exactly one is an array and becomes the horizontal axis.

        Returns
        -------
        matplotlib.figure.Figure
            Not shown; call ``savefig`` on it.
        """
        from numerics.plotting import curve

        return curve(self.result, parameters)

    def __str__(self) -> str:
        return f"{self.id}: {self.statement}"

    def __repr__(self) -> str:
        from derive.display import derivation_text

        return derivation_text(self)

    def _repr_html_(self) -> str:
        from derive.display import derivation_html

        return derivation_html(self)


__all__ = ["Card", "Derivation", "Evidence", "Outcome", "Results"]
