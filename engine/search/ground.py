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
from interpreter.digests import grid_digests
from interpreter.grids import GridTable
from interpreter.machine import Machine
from interpreter.symbols import Symbols

# Runs of one batch of the machine, which bounds the memory of outputs.
RUNS = 20_000


@dataclass(frozen=True)
class Proof:
    """What candidates did on their own task's demonstration inputs; arrays of bool but for `behaviours`."""

    valid: npt.NDArray[np.bool_]  # a valid grid for the first demonstration
    identity: npt.NDArray[np.bool_]  # every input as it was
    constant: npt.NDArray[np.bool_]  # one output for all of several inputs
    behaviours: npt.NDArray[np.int64]  # a hash of task and outputs, not 0


class Ground:
    """The demonstration inputs of tasks, and a machine to run candidates on them."""

    def __init__(self, tasks: Sequence[Task], machine: Machine) -> None:
        self._machine = machine
        self._counts = np.array([len(task.inputs) for task in tasks], np.int64)
        self.first = np.cumsum(self._counts) - self._counts  # each task's first input among `grids`
        self.grids = GridTable.pack([grid for task in tasks for grid in task.inputs])
        self._inputs = grid_digests(self.grids)
        names = [hashlib.blake2b(task.id.encode(), digest_size=8).digest() for task in tasks]
        self._names = np.frombuffer(b"".join(names), np.int64)

    def prove(self, programs: Symbols, tasks: npt.NDArray[np.int64]) -> Proof:
        """Run each program on the inputs of its task: an index into the ground's tasks for each program."""
        counts = self._counts[tasks]
        starts = np.cumsum(counts) - counts
        place = np.arange(counts.sum()) - np.repeat(starts, counts)  # of a run among those of its program
        inputs = np.repeat(self.first[tasks], counts) + place
        jobs = np.stack([np.repeat(np.arange(len(programs)), counts), inputs], axis=1).astype(np.int32)
        code = programs.code()
        parts = [self._machine.run(code, self.grids, jobs[low : low + RUNS]) for low in range(0, len(jobs), RUNS)]
        outputs = np.concatenate([np.zeros(0, np.int64), *(grid_digests(part.outputs) for part in parts)])
        with np.errstate(over="ignore"):
            behaviours = (_total(outputs * (2 * place + 3), starts) + self._names[tasks]) | 1
        same_as_first = outputs == np.repeat(outputs[starts], counts)
        return Proof(
            valid=outputs[starts] != 0,
            identity=_all(outputs == self._inputs[inputs], starts),
            constant=_all(same_as_first, starts) & (counts > 1),
            behaviours=behaviours,
        )


def _total(values: npt.NDArray, starts: npt.NDArray[np.int64]) -> npt.NDArray:
    return np.add.reduceat(values, starts) if len(starts) else values


def _all(truths: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.logical_and.reduceat(truths, starts) if len(starts) else truths
