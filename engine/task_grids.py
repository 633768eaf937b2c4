"""The input grids of tasks in one table, and the runs of programs on them as arrays.

Of each task stand first the demonstration inputs, then, with `tests`, the test inputs; outputs are not here. A task is
known by its number: its place in the order in which the tasks were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.tasks import Task
from interpreter.grids import GridTable, pieces

Indices = npt.NDArray[np.integer]


@dataclass(frozen=True)
class TaskGrids:
    """`grids`, and where each task's inputs lie in it: int64 `starts` of tasks + 1 offsets."""

    grids: GridTable
    starts: npt.NDArray[np.int64]

    @classmethod
    def pack(cls, tasks: Sequence[Task], tests: bool = False) -> TaskGrids:
        """The demonstration inputs of tasks; with `tests`, the test inputs, too."""
        inputs = [(*task.inputs, *task.test_inputs) if tests else task.inputs for task in tasks]
        starts = np.zeros(len(tasks) + 1, np.int64)
        starts[1:] = np.cumsum([len(grids) for grids in inputs])
        return cls(GridTable.pack([grid for grids in inputs for grid in grids]), starts)

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """The index in `grids` of each task's first input."""
        return self.starts[:-1]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many inputs each task has."""
        return np.diff(self.starts)

    def inputs(self, tasks: Indices) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The indices in `grids` of the inputs of tasks, one task after the other, and the starts of these, with the
        end: inputs `starts[k]` to `starts[k + 1]` are those of `tasks[k]`."""
        return pieces(self.starts, tasks)

    def jobs(self, programs: Indices, tasks: Indices) -> npt.NDArray[np.int32]:
        """The runs of `programs[k]` on all inputs of `tasks[k]`, for each k, in order.

        They are what `Machine.run` and `Pool.run` take: (n, 2), the index of a program and of its input.
        """
        inputs, starts = self.inputs(tasks)
        return np.stack([np.repeat(programs, np.diff(starts)), inputs], axis=1).astype(np.int32)
