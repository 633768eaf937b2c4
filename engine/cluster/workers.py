"""`Workers` and a pool on a cluster. The crew, who do their work, are the session's: they stay when these close."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from engine.cluster.crew import Crew, Lost
from engine.search.workers import Item, Portable, Result, Worker, Workers
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine import screening
from interpreter.machine.machine import DEFAULT_FUEL, Runs
from interpreter.machine.pool import CHUNK
from interpreter.runtime.outcome import Outcome

MESSAGES = 2  # chunks of a batch of runs for each thread, where it has no more than these can take


class ClusterWorkers(Workers):
    """What is portable is done by the crew, all else by threads of this machine."""

    def __init__(self, crew: Crew, workers: int, screen_fuel: int, machine_fuel: int = DEFAULT_FUEL) -> None:
        super().__init__(workers, screen_fuel, machine_fuel)
        self._crew, self._fuel = crew, (screen_fuel, machine_fuel)

    def run(self, work: Callable[[Worker, Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result]]:
        if isinstance(work, Portable):
            return self._crew.run(self._fuel, work, items)
        return super().run(work, items)


class CrewPool:
    """What `interpreter.machine.pool.Pool` is on one machine; `limits` are fuel and words of a machine.

    A program that kills its process again and again is given the outcome `crashed`, as there. One that hangs, which
    only a bug can do, is waited for as long as any work of the crew.
    """

    def __init__(self, crew: Crew, grids: GridTable, limits: tuple[int, int]) -> None:
        self._crew, self._grids, self._limits = crew, grids, (screening.DEFAULT_FUEL, *limits)

    def run(self, code: Code, jobs: npt.NDArray[np.int32]) -> Runs:
        """The results of a batch, in the order of its jobs: (n, 2), index of a program, index of its input."""
        if not len(jobs):
            return Runs.failed(0, Outcome.CRASHED)
        size = min(CHUNK, math.ceil(len(jobs) / (MESSAGES * max(self._crew.threads, 1))))
        chunks = np.split(jobs, range(size, len(jobs), size))
        try:
            found = dict(self._crew.run(self._limits, Portable(_run, self._grids, code), chunks))
        except Lost:
            return self._one_by_one(code, jobs)
        return Runs.concatenate([found[number] for number in range(len(chunks))])

    def close(self) -> None:
        """Nothing is left behind."""

    def _one_by_one(self, code: Code, jobs: npt.NDArray[np.int32]) -> Runs:
        """The same, a program at a time: whoever takes its process with it even so is to blame."""
        programs = np.unique(jobs[:, 0])
        if len(programs) == 1:
            return Runs.failed(len(jobs), Outcome.CRASHED)
        rows = [np.flatnonzero(jobs[:, 0] == program) for program in programs]
        runs = Runs.concatenate([self.run(code, jobs[some]) for some in rows])
        return runs.take(np.argsort(np.concatenate(rows)))


def _run(grids: GridTable, code: Code, worker: Worker, jobs: npt.NDArray[np.int32]) -> Runs:
    return worker.machine.run(code, grids, jobs)
