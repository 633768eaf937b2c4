"""The one ranking of a task's programs, used by loop, search and evaluation.

It knows what a program did on the demonstrations and what it predicts for the test inputs; it never sees test
outputs. Two methods, both always reported:

    paper      demonstration performance, then shortness, then first found (CodeIt, section 3.3)
    distinct   programs with the same predictions are one candidate: best demonstration performance, then the support
               of its programs that perform so, then shortness; three programs with the same wrong prediction should
               not cost three attempts. A program of n lines supports what it predicts by 1/n^2: many short programs
               that agree are rarely wrong, while long ones agree by what they share. Chosen on training tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

SUPPORT_DIGITS = 9


class Method(StrEnum):
    """How candidates are ranked."""

    PAPER = "paper"
    DISTINCT = "distinct"


@dataclass(frozen=True)
class Entry:
    """A program that ran on a task."""

    program: str  # canonical text
    performance: float  # share of demonstrations whose output matches exactly
    prediction: bytes  # digest of its outputs on the test inputs; equal digests are equal predictions
    found: int  # order of discovery
    votes: int = 1  # programs that it stands for: itself, and others with the same prediction
    others: float = 0.0  # the support of those others that perform as it does

    @property
    def support(self) -> float:
        """How much the programs that it stands for say for their prediction."""
        return (1 + self.program.count("\n")) ** -2 + self.others


@dataclass(frozen=True)
class Candidate:
    """One attempt at a task: its best program, and the number and the support of programs that predict the same."""

    entry: Entry
    votes: int
    support: float


def rank(entries: Iterable[Entry], method: Method) -> list[Candidate]:
    """The attempts at a task, best first."""
    ordered = best(entries)
    groups: dict[bytes, list[Entry]] = {}
    for entry in ordered:
        groups.setdefault(entry.prediction, []).append(entry)
    if method is Method.PAPER:
        known = {prediction: (_votes(group), _support(group)) for prediction, group in groups.items()}
        return [Candidate(entry, *known[entry.prediction]) for entry in ordered]
    candidates = [Candidate(group[0], _votes(group), _support(group)) for group in groups.values()]
    return sorted(candidates, key=_distinct_key)


def best(entries: Iterable[Entry]) -> list[Entry]:
    """The programs of a task in the paper's order, best first: for whatever keeps, prunes or draws by it."""
    return sorted(entries, key=_paper_key)


class Leaders:
    """What the first `attempts` of both rankings need of a task's programs, however many there are.

    It keeps the best programs of each prediction, and how many others there were: memory goes with the number of
    different predictions, not with that of programs.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._groups: dict[bytes, list[Entry]] = {}
        self.programs = 0

    def add(self, entry: Entry) -> None:
        """Take in one more program; the last of its group that is kept stands for those that are not."""
        self.programs += entry.votes
        group = best([*self._groups.get(entry.prediction, []), entry])
        kept, dropped = group[: self._attempts], group[self._attempts :]
        last = kept[-1]
        equals = [entry.support for entry in dropped if entry.performance == last.performance]
        kept[-1] = replace(last, votes=last.votes + _votes(dropped), others=last.others + sum(equals))
        self._groups[entry.prediction] = kept

    def entries(self) -> list[Entry]:
        """Entries whose ranking begins as that of all programs does."""
        return [entry for group in self._groups.values() for entry in group]


def _votes(entries: Iterable[Entry]) -> int:
    return sum(entry.votes for entry in entries)


def _support(group: list[Entry]) -> float:
    """That of the programs which perform as the first does; rounded, so that the order of adding does not decide."""
    return round(sum(entry.support for entry in group if entry.performance == group[0].performance), SUPPORT_DIGITS)


def _paper_key(entry: Entry) -> tuple[float, int, int]:
    return (-entry.performance, len(entry.program), entry.found)


def _distinct_key(candidate: Candidate) -> tuple[float, float, int, int]:
    entry = candidate.entry
    return (-entry.performance, -candidate.support, len(entry.program), entry.found)
