"""Trials: programs on all pairs of their tasks, demonstrations and tests. For scoring alone, as all tests are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.tasks import Task
from interpreter.grids import Grid, GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.machine import Machine
from interpreter.runtime.outcome import Outcome

WRONG_GRID = "wrong_grid"


@dataclass(frozen=True)
class Trial:
    """How one program did: on how many pairs it failed, by outcome (`wrong_grid` where it gave another grid)."""

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
    first: dict[str, int] = {}
    inputs: list[Grid] = []
    for task, _ in work:
        if task.id not in first:
            first[task.id] = len(inputs)
            inputs += [*task.inputs, *task.test_inputs]
    targets = [(*task.outputs, *task.test_outputs) for task, _ in work]
    jobs = [(k, first[task.id] + i) for k, (task, _) in enumerate(work) for i in range(len(targets[k]))]
    code = Code.assemble([program for _, program in work])
    runs = machine.run(code, GridTable.pack(inputs), np.array(jobs, np.int32).reshape(-1, 2))
    results = zip(runs.outcomes, runs.outputs, strict=True)
    return [_trial([(*next(results), target) for target in wanted]) for wanted in targets]


def _trial(pairs: Sequence[tuple[int, Grid | None, Grid]]) -> Trial:
    failures: Counter[str] = Counter()
    for outcome, output, target in pairs:
        if outcome != Outcome.OK:
            failures[Outcome(outcome).label] += 1
        elif not np.array_equal(output, target):
            failures[WRONG_GRID] += 1
    return Trial(len(pairs), dict(failures))
