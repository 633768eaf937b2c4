"""Running programs on tasks, to be ranked.

A program for one task runs on all of its inputs, and counts where it gives a valid grid on a demonstration. One for all
tasks is screened first: on a task it runs only where the digest of what it gives on the first demonstration (or on any,
where that is asked) is that of the output. Nothing here knows a test output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.evaluation.batches import Batch
from engine.execution import digest
from engine.search.candidates import Candidates
from engine.search.demonstrations import Demonstrations
from engine.search.workers import Portable, Worker, Workers
from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.symbols import Symbols
from interpreter.machine.machine import Machine
from interpreter.runtime.digests import grid_digests

CHUNK = 2_000  # programs whose outputs are in memory at a time, for each thread

Watch = Callable[[int, int], None]
Item = tuple[int | None, npt.NDArray[np.int64]]  # a task to screen for, or None; programs of the batch


@dataclass(frozen=True)
class Finding:
    """What a program of a batch did on a task: numbers of both, and the digest of its predictions in hex."""

    program: int
    task: int
    performance: float
    prediction: str


@dataclass(frozen=True)
class _Asked:
    """What the items of a batch are about: `shared` are those of the programs that are for all tasks."""

    programs: Symbols
    owners: npt.NDArray[np.int64]
    shared: Candidates


class Questions:
    """Tasks without their test outputs, and their grids as arrays."""

    def __init__(self, tasks: Sequence[Task], exhaustive: bool = False) -> None:
        self.tasks = [replace(task, test_outputs=(None,) * len(task.test_outputs)) for task in tasks]
        self.numbers = {task.id: number for number, task in enumerate(tasks)}
        self.inputs = TaskGrids.pack(self.tasks, tests=True)
        self._exhaustive = exhaustive
        self._demonstrations = Demonstrations(self.tasks)
        outputs = [grid_digests(GridTable.pack(task.outputs)) for task in self.tasks]
        unknown = [np.zeros(len(task.test_inputs), np.int64) for task in self.tasks]
        parts = [part for pair in zip(outputs, unknown, strict=True) for part in pair]
        self._wanted = np.concatenate(parts)  # of each input; 0 for those of tests

    def run(self, batch: Batch, workers: Workers, watch: Watch) -> tuple[list[Finding], int]:
        """What is to be ranked of a batch, in order of program and task, and the number of runs."""
        owned, free = np.flatnonzero(batch.owners >= 0), np.flatnonzero(batch.owners < 0)
        items: list[Item] = [(None, owned[low : low + CHUNK]) for low in range(0, len(owned), CHUNK)]
        shared = batch.programs.take(free)
        if len(free):
            items += [(task, free) for task in range(len(self.tasks))]
        work = Portable(Questions._work, self, _Asked(batch.programs, batch.owners, Candidates.of(shared)))
        findings: list[Finding] = []
        runs = 0
        for done, (_, (found, ran)) in enumerate(workers.run(work, items), 1):
            findings += found
            runs += ran
            watch(done, len(items))
        return sorted(findings, key=lambda finding: (finding.program, finding.task)), runs

    def _work(self, asked: _Asked, worker: Worker, item: Item) -> tuple[list[Finding], int]:
        task, programs = item
        if task is None:
            return self._judged(worker.machine, asked.programs, programs, asked.owners[programs])
        screened = range(len(self.tasks[task].inputs) if self._exhaustive else 1)
        code, order = asked.shared.code, asked.shared.order
        matches = [self._demonstrations.matches(worker.screen, code, order, task, k) for k in screened]
        hits = programs[np.unique(np.concatenate(matches))]
        findings, runs = [], len(programs) * len(matches)
        for low in range(0, len(hits), CHUNK):
            some = hits[low : low + CHUNK]
            found, ran = self._judged(worker.machine, asked.programs, some, np.full(len(some), task))
            findings += found
            runs += ran
        return findings, runs

    def _judged(
        self, machine: Machine, programs: Symbols, some: npt.NDArray[np.int64], tasks: npt.NDArray[np.int64]
    ) -> tuple[list[Finding], int]:
        """Run each of `some` on all inputs of its task; those that give a valid grid on a demonstration."""
        jobs = self.inputs.jobs(np.arange(len(some)), tasks)
        outputs = machine.run(programs.take(some).code(), self.inputs.grids, jobs).outputs
        wanted, given = self._wanted[jobs[:, 1]], grid_digests(outputs)
        starts = np.concatenate([[0], np.cumsum(self.inputs.counts[tasks])])
        right = np.add.reduceat((wanted != 0) & (given == wanted), starts[:-1], dtype=np.int64)
        valid = np.add.reduceat((wanted != 0) & (given != 0), starts[:-1], dtype=np.int64)
        findings = []
        for k in np.flatnonzero(valid).tolist():
            task = int(tasks[k])
            demonstrations = len(self.tasks[task].inputs)
            predictions = [outputs[at] for at in range(int(starts[k]) + demonstrations, int(starts[k + 1]))]
            performance = int(right[k]) / demonstrations
            findings.append(Finding(int(some[k]), task, performance, digest(predictions).hex()))
        return findings, len(jobs)
