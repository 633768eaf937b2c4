"""Scoring: programs that match a demonstration of a task, on all inputs of that task.

A row of `search.jsonl` is what comes of it. Test outputs are looked at for `right` alone, which chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evaluation import Scoreboard
from engine.execution import digest
from engine.ranking import Entry
from engine.tasks import Task
from interpreter.grids import Grid, GridTable
from interpreter.language.symbols import Symbols
from interpreter.machine.machine import Machine
from replay.experience import demonstration_performance

# Programs that run at a time, which bounds the memory of outputs.
CHUNK = 2_000


class Scorer:
    """Runs programs on all inputs of tasks, and keeps the scores."""

    def __init__(self, tasks: Sequence[Task], machine: Machine) -> None:
        self.board = Scoreboard(tasks)
        self._tasks = tasks
        self._machine = machine
        grids: list[Grid] = []
        self._first: list[int] = []
        for task in tasks:
            self._first.append(len(grids))
            grids += [*task.inputs, *task.test_inputs]
        self._grids = GridTable.pack(grids)

    def score(
        self, programs: Symbols, hits: Sequence[tuple[int, int]], first_number: int, method: str
    ) -> list[dict[str, Any]]:
        """The row of each hit (program, task), in order; program k has the number `first_number + k`."""
        return [
            row
            for low in range(0, len(hits), CHUNK)
            for row in self._score(programs, hits[low : low + CHUNK], first_number, method)
        ]

    def _score(
        self, programs: Symbols, hits: Sequence[tuple[int, int]], first_number: int, method: str
    ) -> list[dict[str, Any]]:
        needed, local = np.unique([program for program, _ in hits], return_inverse=True)
        code = programs.take(needed).code()
        runs = self._machine.run(code, self._grids, self._jobs(local, [task for _, task in hits]))
        outputs = iter(runs.outputs)
        rows = []
        for program, index in hits:
            task = self._tasks[index]
            results = [next(outputs) for _ in task.inputs]
            prediction = digest([next(outputs) for _ in task.test_inputs])
            entry = Entry(
                program=programs.program(program).text,
                performance=demonstration_performance(results, task.outputs),
                prediction=prediction,
                found=first_number + program,
            )
            rows.append(self._row(task.id, entry, method))
        return rows

    def _jobs(self, programs: npt.NDArray[np.int64], tasks: Sequence[int]) -> npt.NDArray[np.int32]:
        """Each program on all inputs of its task."""
        return np.array(
            [
                (program, self._first[task] + k)
                for program, task in zip(programs.tolist(), tasks, strict=True)
                for k in range(len(self._tasks[task].inputs) + len(self._tasks[task].test_inputs))
            ],
            np.int32,
        ).reshape(-1, 2)

    def _row(self, task: str, entry: Entry, method: str) -> dict[str, Any]:
        return {
            "number": entry.found,
            "task": task,
            "program": entry.program,
            "demonstration_performance": round(entry.performance, 4),
            "right": self.board.is_right(task, entry),
            "prediction": entry.prediction.hex(),
            "method": method,
        }

    def take(self, row: dict[str, Any]) -> None:
        """Enter a row into the scores."""
        entry = Entry(row["program"], row["demonstration_performance"], bytes.fromhex(row["prediction"]), row["number"])
        self.board.take(row["task"], entry)
