"""Scoring: which attempts are right. Test outputs are looked at from here on, after the ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.evaluation.ranked import TaskRows, attempts
from engine.evaluation.scoreboard import ATTEMPTS
from engine.execution import digest
from engine.ranking import Candidate, Method
from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import Grid
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine

MOST = max(ATTEMPTS)

Grids = Sequence[Grid | None]


@dataclass(frozen=True)
class Attempt:
    """One attempt at a task: its place in the ranking, and what its program gives on all inputs."""

    candidate: Candidate
    outputs: Grids
    predictions: Grids

    def failing(self, task: Task) -> list[int]:
        """The demonstrations that it gets wrong."""
        pairs = zip(self.outputs, task.outputs, strict=True)
        return [k for k, (output, target) in enumerate(pairs) if not _equal(output, target)]

    def right_outputs(self, task: Task) -> list[bool | None]:
        """Whether each prediction is right; None where that is not known."""
        pairs = zip(self.predictions, task.test_outputs, strict=True)
        return [None if target is None else _equal(prediction, target) for prediction, target in pairs]

    def right(self, task: Task) -> bool | None:
        """Whether all predictions are right; None where nothing is known to be wrong, and not all is known."""
        right = self.right_outputs(task)
        return False if False in right else None if None in right else True


class Attempts:
    """The first attempts at a task by both rankings, of several boards; their programs run once more."""

    def __init__(self, task: Task, rows: TaskRows, boards: Sequence[str], machine: Callable[[int], Machine]) -> None:
        """`machine` is that of a source."""
        self.task = task
        self.rows = rows
        self.programs = {board: rows.board(board) for board in boards}
        ranked = {
            (board, method): attempts(self.programs[board], method, MOST) for board in boards for method in Method
        }
        given: dict[tuple[str, int], tuple[Grids, Grids]] = {}
        for candidates in ranked.values():
            for candidate in candidates:
                row = rows.row(candidate.entry)
                if (key := (row.program, row.source)) not in given:
                    given[key] = _run(machine(row.source), task, row.program)
        self._ranked = {
            key: [Attempt(each, *given[(row := rows.row(each.entry)).program, row.source]) for each in candidates]
            for key, candidates in ranked.items()
        }

    def of(self, board: str, method: Method) -> list[Attempt]:
        """The attempts of a board by a ranking, best first."""
        return self._ranked[board, method]

    def record(self, board: str) -> dict[str, Any]:
        """What `tasks/NAME.json` has of a board."""
        return {
            "programs": len(self.programs[board]),
            "right_found": self._right_found(board),
            "attempts": {str(method): [self._attempt(each) for each in self.of(board, method)] for method in Method},
        }

    def _right_found(self, board: str) -> bool | None:
        """Whether a program of a board is right, however it ranks; None where not all test outputs are known."""
        if not self.task.is_scored:
            return None
        right = digest(self.task.test_outputs).hex()
        return any(row.prediction == right for row in self.programs[board])

    def _attempt(self, attempt: Attempt) -> dict[str, Any]:
        entry, row = attempt.candidate.entry, self.rows.row(attempt.candidate.entry)
        return {
            "program": entry.program,
            "demonstration_performance": entry.performance,
            "votes": attempt.candidate.votes,
            "right": attempt.right(self.task),
            "predictions": [as_rows(grid) for grid in attempt.predictions],
            "right_outputs": attempt.right_outputs(self.task),
            "outputs": [as_rows(grid) for grid in attempt.outputs],
            "failing": attempt.failing(self.task),
            "origin": row.origin,
            "source": row.source,
            "found": row.found,
            "meta_iteration": row.meta_iteration,
        }


def as_rows(grid: Grid | None) -> list[list[int]] | None:
    """A grid as JSON has it."""
    return None if grid is None else grid.tolist()


def _run(machine: Machine, task: Task, program: str) -> tuple[Grids, Grids]:
    inputs = TaskGrids.pack([task], tests=True)
    runs = machine.run(Code.assemble([parse(program)]), inputs.grids, inputs.jobs(np.zeros(1, int), np.zeros(1, int)))
    outputs = iter(runs.outputs)
    return tuple(islice(outputs, len(task.inputs))), tuple(outputs)


def _equal(output: Grid | None, target: Grid) -> bool:
    return output is not None and np.array_equal(output, target)
