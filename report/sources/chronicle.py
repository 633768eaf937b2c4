"""Programs of tasks, ranked as they come: what was solved when, and how each task's best program changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.execution import digest
from engine.ranking import Candidate, Entry, Leaders, Method, rank
from report.model import ATTEMPTS, HEADLINE, Attempt, Puzzle, Result, Step


@dataclass
class _Record:
    """What is known of one task so far; `found` has when and by what each program was found that may still rank."""

    right: bytes | None  # digest of the test outputs
    leaders: Leaders = field(default_factory=lambda: Leaders(ATTEMPTS))
    found: dict[int, tuple[int, str]] = field(default_factory=dict)
    history: list[Step] = field(default_factory=list)
    solved: list[bool] = field(default_factory=list)
    is_found: bool = False


class Chronicle:
    """Takes in programs in order of discovery; `point` closes a moment of the history. Memory goes with what ranks."""

    def __init__(self, puzzles: Sequence[Puzzle]) -> None:
        self._records = {
            puzzle.id: _Record(digest(puzzle.test_outputs) if puzzle.is_scored else None) for puzzle in puzzles
        }
        self._touched: set[str] = set()
        self.points: list[int] = []
        self._perfect: Counter[int] = Counter()
        self._right: Counter[int] = Counter()

    def add(self, task: str, entry: Entry, when: int, origin: str) -> None:
        """A program that is new on its task."""
        record = self._records[task]
        record.leaders.add(entry)
        record.found[entry.found] = (when, origin)
        record.is_found |= entry.prediction == record.right
        if entry.performance == 1.0 and record.right is not None:
            lines = entry.program.count("\n") + 1
            self._perfect[lines] += 1
            self._right[lines] += entry.prediction == record.right
        self._touched.add(task)

    def point(self, number: int) -> None:
        """Note what is solved at this moment."""
        for task in self._touched:
            self._close(self._records[task], len(self.points))
        self._touched.clear()
        self.points.append(number)
        for record in self._records.values():
            if len(record.solved) < len(self.points):
                record.solved.append(record.solved[-1] if record.solved else False)

    def _close(self, record: _Record, point: int) -> None:
        entries = record.leaders.entries()
        ranked = rank(entries, HEADLINE)
        best = ranked[0].entry
        kept = {entry.found for entry in entries}
        record.found = {found: known for found, known in record.found.items() if found in kept}
        if not record.history or record.history[-1].program != best.program:
            record.history.append(Step(record.found[best.found][0], best.program, best.performance))
        record.solved += [record.solved[-1] if record.solved else False] * (point - len(record.solved))
        record.solved.append(any(candidate.entry.prediction == record.right for candidate in ranked[:ATTEMPTS]))

    def generalization(self) -> dict[int, tuple[int, int]]:
        """By lines of a program: how many are right on all demonstrations, and how many of these on the tests."""
        return {lines: (number, self._right[lines]) for lines, number in sorted(self._perfect.items())}

    def results(self) -> dict[str, Result]:
        """What was found for each task that has programs."""
        return {task: self._result(record) for task, record in self._records.items() if record.leaders.programs}

    def _result(self, record: _Record) -> Result:
        attempts = {
            method: tuple(
                self._attempt(record, candidate) for candidate in rank(record.leaders.entries(), method)[:ATTEMPTS]
            )
            for method in Method
        }
        return Result(
            record.leaders.programs, attempts, tuple(record.history), tuple(record.solved), is_found=record.is_found
        )  # fmt: skip

    def _attempt(self, record: _Record, candidate: Candidate) -> Attempt:
        entry = candidate.entry
        when, origin = record.found[entry.found]
        right = None if record.right is None else entry.prediction == record.right
        return Attempt(entry.program, entry.performance, candidate.votes, right, origin, when)
