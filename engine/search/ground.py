"""The proving ground: candidates run on the task that they come from before they run on any other.

A candidate is worth running elsewhere if it gives a valid grid for the first demonstration of its own task (CodeIt,
appendix A: "syntactically valid"). What else is known from there is counted: the input given back, the same output for
every input, and the same outputs as an earlier candidate of that task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.symbols import Symbols
from interpreter.machine.screening import ScreenPool
from interpreter.runtime.digests import grid_digests


@dataclass(frozen=True)
class Proof:
    """What candidates did on their own task's demonstration inputs; arrays of bool but for `behaviours`."""

    valid: npt.NDArray[np.bool_]  # a valid grid for the first demonstration
    identity: npt.NDArray[np.bool_]  # every input as it was
    constant: npt.NDArray[np.bool_]  # one output for all of several inputs
    behaviours: npt.NDArray[np.int64]  # a hash of task and outputs, not 0


class Ground:
    """The demonstration inputs of tasks, and screens to run candidates on them."""

    def __init__(self, tasks: Sequence[Task], pool: ScreenPool) -> None:
        self._pool = pool
        self._counts = np.array([len(task.inputs) for task in tasks], np.int64)
        self.first = np.cumsum(self._counts) - self._counts  # each task's first input among `grids`
        self.grids = GridTable.pack([grid for task in tasks for grid in task.inputs])
        self._inputs = grid_digests(self.grids)
        names = [hashlib.blake2b(task.id.encode(), digest_size=8).digest() for task in tasks]
        self._names = np.frombuffer(b"".join(names), np.int64)

    def prove(self, programs: Symbols, tasks: npt.NDArray[np.int64]) -> Proof:
        """Run each program on the inputs of its task: an index into the ground's tasks for each program.

        Those that fail on the first input do not run on the others.
        """
        code = programs.code()
        order = order_by_lines(code)
        counts = self._counts[tasks]
        starts = np.cumsum(counts) - counts
        outputs = np.zeros(counts.sum(), np.int64)
        self._run(code, order, tasks, starts, outputs, later=False)
        valid = outputs[starts] != 0
        self._run(code, order[valid[order]], tasks, starts, outputs, later=True)
        place = np.arange(len(outputs)) - np.repeat(starts, counts)  # of a run among those of its program
        inputs = np.repeat(self.first[tasks], counts) + place
        return Proof(
            valid=valid,
            identity=_all(outputs == self._inputs[inputs], starts),
            constant=_all(outputs == np.repeat(outputs[starts], counts), starts) & (counts > 1) & valid,
            behaviours=(_total(outputs * (2 * place + 3), starts) + self._names[tasks]) | 1,
        )

    def _run(
        self,
        code: Code,
        order: npt.NDArray[np.int64],
        tasks: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        outputs: npt.NDArray[np.int64],
        later: bool,
    ) -> None:
        """Write the outputs of programs on the first input of their task, or on all later ones."""
        owners = tasks[order]
        grouped = order[np.argsort(owners, kind="stable")]
        present, begin = np.unique(np.sort(owners), return_index=True)
        work = [
            (place, self.first[task] + place, programs)
            for task, programs in zip(present.tolist(), np.split(grouped, begin[1:]), strict=True)
            for place in (range(1, self._counts[task]) if later else [0])
        ]
        for number, digests in self._pool.run(code, self.grids, [(grid, programs) for _, grid, programs in work]):
            place, _, programs = work[number]
            outputs[starts[programs] + place] = digests


def _total(values: npt.NDArray, starts: npt.NDArray[np.int64]) -> npt.NDArray:
    return np.add.reduceat(values, starts) if len(starts) else values


def _all(truths: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.logical_and.reduceat(truths, starts) if len(starts) else truths
