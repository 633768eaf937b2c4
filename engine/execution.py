"""Running programs on tasks: every distinct program on all of its task's inputs, in one batch of the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from engine.config import InterpreterConfig
from engine.tasks import Task
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
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


class Executor:
    """A pool that has loaded the inputs of `tasks`."""

    def __init__(self, tasks: Sequence[Task], config: InterpreterConfig) -> None:
        self._demonstrations = {task.id: len(task.inputs) for task in tasks}
        self._first: dict[str, int] = {}
        self._inputs: dict[str, int] = {}
        grids: list[Grid] = []
        for task in tasks:
            self._first[task.id] = len(grids)
            grids += [*task.inputs, *task.test_inputs]
            self._inputs[task.id] = len(task.inputs) + len(task.test_inputs)
        self._pool = Pool(GridTable.pack(grids), config.workers, config.fuel, config.arena_words)

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the pool's processes."""
        self._pool.close()

    def runs(self, work: Sequence[tuple[str, Program]]) -> int:
        """How many runs `run` makes of this work."""
        return sum(self._inputs[task] for task, _ in work)

    def run(self, work: Sequence[tuple[str, Program]]) -> list[Execution]:
        """Run each (task, program), in order."""
        code = Code.assemble([program for _, program in work])
        jobs = np.array(
            [(k, self._first[task] + i) for k, (task, _) in enumerate(work) for i in range(self._inputs[task])],
            np.int32,
        ).reshape(-1, 2)
        outputs = iter(self._pool.run(code, jobs).outputs)
        executions = []
        for task, program in work:
            grids = tuple(next(outputs) for _ in range(self._inputs[task]))
            split = self._demonstrations[task]
            executions.append(Execution(task, program.text, grids[:split], grids[split:]))
        return executions
