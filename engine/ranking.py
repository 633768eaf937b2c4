"""The one ranking of a task's programs, used by loop, search and evaluation.

It knows what a program did on the demonstrations and what it predicts for the test inputs; it never sees test
outputs. Two methods, both always reported:

    paper      demonstration performance, then shortness, then first found (CodeIt, section 3.3)
    distinct   programs with the same predictions are one candidate: best demonstration performance, then number
               of programs that vote for it, then shortness; three programs with the same wrong prediction
               should not cost three attempts
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True)
class Candidate:
    """One attempt at a task: its best program, and the number of programs that predict the same."""

    entry: Entry
    votes: int


def rank(entries: Iterable[Entry], method: Method) -> list[Candidate]:
    """The attempts at a task, best first."""
    ordered = sorted(entries, key=lambda e: (-e.performance, len(e.program), e.found))
    groups: dict[bytes, list[Entry]] = {}
    for entry in ordered:
        groups.setdefault(entry.prediction, []).append(entry)
    if method is Method.PAPER:
        return [Candidate(entry, len(groups[entry.prediction])) for entry in ordered]
    candidates = [Candidate(group[0], len(group)) for group in groups.values()]
    return sorted(candidates, key=_distinct_key)


def _distinct_key(candidate: Candidate) -> tuple[float, int, int, int]:
    entry = candidate.entry
    return (-entry.performance, -candidate.votes, len(entry.program), entry.found)
