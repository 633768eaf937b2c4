"""Which programs are right on which demonstrations of tasks, by the digests of what they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.symbols import Symbols
from interpreter.machine.screening import Screen
from interpreter.runtime.digests import grid_digests


class Demonstrations:
    """The demonstrations of tasks. A task is its number, a demonstration its place in its task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.inputs = TaskGrids.pack(tasks)
        self.counts = self.inputs.counts.tolist()
        outputs = [output for task in tasks for output in task.outputs]
        self._wanted = grid_digests(GridTable.pack(outputs))
        self._cells = [[a.size + b.size for a, b in task.demonstrations] for task in tasks]

    def matches(
        self, screen: Screen, code: Code, order: npt.NDArray[np.int64], task: int, demonstration: int
    ) -> npt.NDArray[np.int64]:
        """Those of the programs `order` (see `order_by_lines`) that are right on a demonstration, in that order."""
        place = self.inputs.first[task] + demonstration
        return order[screen.run(code, self.inputs.grids, place, order) == self._wanted[place]]

    def right(self, screen: Screen, programs: Symbols, task: int) -> npt.NDArray[np.bool_]:
        """Whether each program is right on each demonstration of a task: bool of (demonstrations, programs)."""
        code = programs.code()
        order = order_by_lines(code)
        right = np.zeros((self.counts[task], len(programs)), np.bool_)
        for demonstration in range(len(right)):
            right[demonstration, self.matches(screen, code, order, task, demonstration)] = True
        return right

    def smallest(self, task: int) -> int:
        """The demonstration of a task whose grids are smallest."""
        return int(np.argmin(self._cells[task]))
