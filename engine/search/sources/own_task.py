"""What candidates do on the task that they come from, where they run before they run on any other.

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

from engine.search.candidates import Candidates
from engine.search.sources.source import Proposal, State
from engine.search.workers import Portable, Worker, Workers
from engine.task_grids import TaskGrids
from engine.tasks import Task
from interpreter.grids import GridTable
from interpreter.language.symbols import Symbols
from interpreter.runtime.digests import grid_digests


@dataclass(frozen=True)
class Behaviour:
    """What candidates did on their own task's demonstration inputs; arrays of bool but for `keys`."""

    valid: npt.NDArray[np.bool_]  # a valid grid for the first demonstration
    identity: npt.NDArray[np.bool_]  # every input as it was
    constant: npt.NDArray[np.bool_]  # one output for all of several inputs
    keys: npt.NDArray[np.int64]  # a hash of task and outputs, not 0


class OwnTasks:
    """The tasks that candidates come from, and threads to run them there."""

    def __init__(self, tasks: Sequence[Task], workers: Workers) -> None:
        self.inputs = TaskGrids.pack(tasks)
        self._workers = workers
        self._digests = grid_digests(self.inputs.grids)
        names = [hashlib.blake2b(task.id.encode(), digest_size=8).digest() for task in tasks]
        self._names = np.frombuffer(b"".join(names), np.int64)

    def proposal(
        self,
        programs: Symbols,
        owners: npt.NDArray[np.int64],
        keys: npt.NDArray[np.int64],
        state: State,
        stay: bool = False,
        homes: npt.NDArray[np.int64] | None = None,
    ) -> Proposal:
        """Those of the programs, which come from the tasks `owners`, that do something new there: for all tasks, or,
        if they `stay`, for these alone. `keys` are the programs' hashes, `homes` the numbers that these tasks have in
        the search, -1 for those that are not there."""
        behaviour = self.run(programs, owners)
        repeated = ~state.behaviours.add(behaviour.keys)
        kept = behaviour.valid
        if not state.effort.keep_repeats:
            kept = kept & ~(behaviour.identity | behaviour.constant | repeated)
        counts = {
            "candidates": len(programs),
            "valid": int(behaviour.valid.sum()),
            "identity": int(behaviour.identity.sum()),
            "constant": int((behaviour.constant & behaviour.valid).sum()),
            "repeated": int((repeated & behaviour.valid).sum()),
        }
        return Proposal(
            programs.take(np.flatnonzero(kept)),
            owners[kept] if stay else None,
            keys=np.stack([keys, behaviour.keys], axis=1),
            counts=counts,
            homes=None if homes is None else homes[owners[kept]],
            runs=len(programs),
        )

    def run(self, programs: Symbols, tasks: npt.NDArray[np.int64]) -> Behaviour:
        """Run each program on the inputs of its task, by number.

        Those that fail on the first input do not run on the others.
        """
        candidates = Candidates.of(programs)
        counts = self.inputs.counts[tasks]
        inputs, ends = self.inputs.inputs(tasks)
        starts = ends[:-1]
        outputs = np.zeros(len(inputs), np.int64)
        order = candidates.order
        self._run(candidates, order, tasks, starts, outputs, later=False)
        valid = outputs[starts] != 0
        self._run(candidates, order[valid[order]], tasks, starts, outputs, later=True)
        place = np.arange(len(outputs)) - np.repeat(starts, counts)  # of a run among those of its program
        return Behaviour(
            valid=valid,
            identity=_all(outputs == self._digests[inputs], starts),
            constant=_all(outputs == np.repeat(outputs[starts], counts), starts) & (counts > 1) & valid,
            keys=(_total(outputs * (2 * place + 3), starts) + self._names[tasks]) | 1,
        )

    def _run(
        self,
        candidates: Candidates,
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
            (place, int(self.inputs.first[task]) + place, programs)
            for task, programs in zip(present.tolist(), np.split(grouped, begin[1:]), strict=True)
            for place in (range(1, self.inputs.counts[task]) if later else [0])
        ]

        screening = Portable(_screened, self.inputs.grids, candidates)
        for number, digests in self._workers.run(screening, work):
            place, _, programs = work[number]
            outputs[starts[programs] + place] = digests


def _screened(
    grids: GridTable, candidates: Candidates, worker: Worker, item: tuple[int, int, npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    """What some of the candidates give on one grid."""
    _, grid, programs = item
    return worker.screen.run(candidates.code, grids, grid, programs)


def _total(values: npt.NDArray, starts: npt.NDArray[np.int64]) -> npt.NDArray:
    return np.add.reduceat(values, starts) if len(starts) else values


def _all(truths: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.logical_and.reduceat(truths, starts) if len(starts) else truths
