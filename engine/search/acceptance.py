"""What counts in a search: which programs are looked at closer, and what is a solution.

Ranked   all that match a demonstration run on all inputs, to be ranked; for what is tried next, a task counts as solved
         by a program that is right on its demonstrations. Test outputs are not looked at here.
Solving  programs of training tasks that could be seeds: right on all demonstrations and, looked at only then, on the
         tests; others that are right on some demonstrations are parents of new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.execution import digest
from engine.ranking import Entry
from engine.search.demonstrations import Demonstrations
from engine.search.workers import Worker
from engine.task_grids import TaskGrids
from engine.tasks import Task
from engine.verification import try_programs
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from replay.experience import demonstration_performance

# Programs that run at a time, which bounds the memory of outputs.
CHUNK = 2_000
# Digits of a performance in a row: a search that goes on must rank as one that was never stopped.
DIGITS = 4
# Programs of one task and proposal that could be a seed and are looked at: of the shortest CHUNK those that are right
# on most demonstrations, the shorter ones first.
LOOKED_AT = 64


@dataclass(frozen=True)
class Finding:
    """A program that was found for a task, by number, and whether the task is solved by it."""

    task: int
    entry: Entry
    solves: bool


class Acceptance(Protocol):
    """What decides. Threads call it, so that it keeps no state."""

    closes: bool
    """Whether a task that is solved is done with."""

    def screened(self, task: int) -> Sequence[int]:
        """The demonstrations of a task of which a program must match one to be judged."""

    def judge(
        self, worker: Worker, task: int, programs: Symbols, matches: npt.NDArray[np.int64], first: int
    ) -> list[Finding]:
        """What to remember of programs that match; program k has the number `first + k`."""

    def accepts(self, worker: Worker, task: int, program: Program) -> bool:
        """Whether a program that is right on all demonstrations ends the enumeration of its task."""


class Ranked:
    """For `codeit search`: `exhaustive` looks at what matches any demonstration, not only the first."""

    closes = False

    def __init__(self, tasks: Sequence[Task], exhaustive: bool) -> None:
        self._tasks = tasks
        self._inputs = TaskGrids.pack(tasks, tests=True)
        self._exhaustive = exhaustive

    def screened(self, task: int) -> Sequence[int]:
        return range(len(self._tasks[task].inputs) if self._exhaustive else 1)

    def judge(
        self, worker: Worker, task: int, programs: Symbols, matches: npt.NDArray[np.int64], first: int
    ) -> list[Finding]:
        return [
            finding
            for low in range(0, len(matches), CHUNK)
            for finding in self._judged(worker, task, programs, matches[low : low + CHUNK], first)
        ]

    def _judged(
        self, worker: Worker, task: int, programs: Symbols, matches: npt.NDArray[np.int64], first: int
    ) -> list[Finding]:
        some = programs.take(matches)
        jobs = self._inputs.jobs(np.arange(len(some)), np.full(len(some), task))
        outputs = iter(worker.machine.run(some.code(), self._inputs.grids, jobs).outputs)
        findings = []
        for k, number in enumerate(matches.tolist()):
            performance = demonstration_performance(
                list(islice(outputs, len(self._tasks[task].inputs))), self._tasks[task].outputs
            )
            prediction = digest(list(islice(outputs, len(self._tasks[task].test_inputs))))
            entry = Entry(some.program(k).text, round(performance, DIGITS), prediction, first + number)
            findings.append(Finding(task, entry, performance == 1.0))
        return findings

    def accepts(self, worker: Worker, task: int, program: Program) -> bool:
        return True


class Solving:
    """For `codeit seeds discover`."""

    closes = True

    def __init__(self, tasks: Sequence[Task], demonstrations: Demonstrations) -> None:
        self._tasks = tasks
        self._demonstrations = demonstrations

    def screened(self, task: int) -> Sequence[int]:
        return [self._demonstrations.smallest(task)]

    def judge(
        self, worker: Worker, task: int, programs: Symbols, matches: npt.NDArray[np.int64], first: int
    ) -> list[Finding]:
        lengths = np.diff(programs.starts)[matches]
        matches = matches[np.argsort(lengths, kind="stable")[:CHUNK]]
        some = programs.take(matches)
        right = self._demonstrations.right(worker.screen, some, task).sum(axis=0)
        findings = []
        for k in np.argsort(-right, kind="stable")[:LOOKED_AT].tolist():
            program, number, count = some.program(k), int(matches[k]), int(right[k])
            entry = Entry(program.text, count / self._demonstrations.counts[task], b"", first + number)
            if count < self._demonstrations.counts[task]:
                findings.append(Finding(task, entry, solves=False))
            elif self.accepts(worker, task, program):
                return [Finding(task, entry, solves=True)]
        return findings

    def accepts(self, worker: Worker, task: int, program: Program) -> bool:
        return try_programs([(self._tasks[task], program)], worker.machine)[0].solves
