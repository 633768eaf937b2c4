"""Running programs on tasks: every distinct program on all of its task's inputs, in one batch of the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.config import InterpreterConfig
from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.machine import Runs
from interpreter.machine.pool import Pool


@dataclass(frozen=True)
class Execution:
    """What a program gave on a task: a valid grid or None for each input."""

    task: str
    program: str  # canonical text
    outputs: tuple[Grid | None, ...]  # on the demonstration inputs
    predictions: tuple[Grid | None, ...]  # on the test inputs

    @property
    def is_valid(self) -> bool:
        """Whether it gave a valid grid on at least one demonstration."""
        return any(output is not None for output in self.outputs)


def digest(grids: Sequence[Grid | None]) -> bytes:
    """Equal for equal sequences of grids, 16 bytes."""
    state = hashlib.blake2b(digest_size=16)
    for grid in grids:
        state.update(b"none" if grid is None else bytes(grid.shape) + grid.astype(np.int8).tobytes())
    return state.digest()


class RunsBatches(Protocol):
    """What runs programs on grids that it has: `Pool`, or what does so on other machines."""

    def run(self, code: Code, jobs: npt.NDArray[np.int32]) -> Runs:
        """The results of a batch, in order."""

    def close(self) -> None:
        """End what it has begun."""


OpenPool = Callable[[GridTable, int | None, int, int], RunsBatches]
"""Opens one, as `Pool` is: grids, workers, fuel, words."""


class Executor:
    """A pool that has loaded the inputs of `tasks`."""

    def __init__(self, tasks: Sequence[Task], config: InterpreterConfig, open_pool: OpenPool = Pool) -> None:
        self._demonstrations = {task.id: len(task.inputs) for task in tasks}
        self._numbers = {task.id: number for number, task in enumerate(tasks)}
        self._inputs = TaskGrids.pack(tasks, tests=True)
        self._pool = open_pool(self._inputs.grids, config.workers, config.fuel, config.arena_words)

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the pool's processes."""
        self._pool.close()

    def runs(self, work: Sequence[tuple[str, Program]]) -> int:
        """How many runs `run` makes of this work."""
        return int(self._inputs.counts[self._owners(work)].sum())

    def run(self, work: Sequence[tuple[str, Program]]) -> list[Execution]:
        """Run each (task, program), in order."""
        code = Code.assemble([program for _, program in work])
        owners = self._owners(work)
        outputs = iter(self._pool.run(code, self._inputs.jobs(np.arange(len(work)), owners)).outputs)
        executions = []
        for (task, program), count in zip(work, self._inputs.counts[owners].tolist(), strict=True):
            grids = tuple(islice(outputs, count))
            split = self._demonstrations[task]
            executions.append(Execution(task, program.text, grids[:split], grids[split:]))
        return executions

    def _owners(self, work: Sequence[tuple[str, Program]]) -> npt.NDArray[np.int64]:
        """The number of the task of each (task, program)."""
        return np.array([self._numbers[task] for task, _ in work], np.int64)
