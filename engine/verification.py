"""Whether programs solve their tasks: each on all pairs, demonstrations and tests, whose outputs are known.

It looks at test outputs: for seeds, whose tasks are training tasks, and never to choose among programs of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import Grid
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.machine import Machine
from interpreter.runtime.outcome import Outcome

WRONG_GRID = "wrong_grid"


@dataclass(frozen=True)
class Trial:
    """How one program did on its `pairs` with a known output: on how many it failed, by outcome (`wrong_grid` where it
    gave another grid)."""

    pairs: int
    failures: dict[str, int]

    @property
    def solves(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        if self.solves:
            return f"solves all {self.pairs} pairs"
        labels = ", ".join(f"{label} {count}" for label, count in self.failures.items())
        return f"fails on {sum(self.failures.values())} of {self.pairs} pairs ({labels})"


def try_programs(work: Sequence[tuple[Task, Program]], machine: Machine) -> list[Trial]:
    """The trial of each (task, program), in order."""
    tasks = {task.id: task for task, _ in work}
    numbers = {id_: number for number, id_ in enumerate(tasks)}
    inputs = TaskGrids.pack(list(tasks.values()), tests=True)
    owners = np.array([numbers[task.id] for task, _ in work], np.int64)
    code = Code.assemble([program for _, program in work])
    runs = machine.run(code, inputs.grids, inputs.jobs(np.arange(len(work)), owners))
    targets = [(*task.outputs, *task.test_outputs) for task, _ in work]
    results = zip(runs.outcomes, runs.outputs, strict=True)
    return [_trial([(*next(results), target) for target in wanted]) for wanted in targets]


def _trial(pairs: Sequence[tuple[int, Grid | None, Grid | None]]) -> Trial:
    failures: Counter[str] = Counter()
    known = [(outcome, output, target) for outcome, output, target in pairs if target is not None]
    for outcome, output, target in known:
        if outcome != Outcome.OK:
            failures[Outcome(outcome).label] += 1
        elif not np.array_equal(output, target):
            failures[WRONG_GRID] += 1
    return Trial(len(known), dict(failures))
