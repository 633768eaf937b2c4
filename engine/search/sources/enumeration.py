"""The cheapest programs that are right on a task's demonstrations, or on some, built bottom-up on its own inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from engine.search.sources.source import Enumerated, Proposal, State
from engine.search.workers import Clock, Worker
from interpreter.enumeration.enumerator import Enumerator, Stage
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols
from interpreter.mutation.mutator import program_keys

# Calls between two looks at the clock.
SLICE = 50_000


@dataclass(frozen=True)
class _Result:
    """What an enumeration gave; `is_complete` unless the clock stopped it."""

    programs: list[Program]
    done: Enumerated
    is_complete: bool


class Enumerate:
    """Enumeration of the tasks that nothing solves yet, in rounds: all tasks, then all of them with more calls.

    Where a batch is a number of tasks, their programs run on all tasks, in order. Where it is a whole round, those of
    each task run on that task as soon as they are there, the promising tasks come first, and an enumeration that the
    clock stops counts as not begun.
    """

    repeats = False

    def __init__(self, state: State) -> None:
        self._state = state

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """What the tasks of a batch give, unless they are solved, or were enumerated as far before."""
        state, effort = self._state, self._state.effort
        at_once = effort.enumerated_at_once or len(state.tasks)
        level, turn = divmod(batch, -(-len(state.tasks) // at_once))
        if level >= len(effort.calls) or clock.is_over():
            return
        tasks = self._tasks(turn * at_once, at_once, effort.calls[level])
        work = partial(self._enumerate, effort.calls[level], clock)
        if effort.enumerated_at_once is not None:
            yield self._for_all(state.workers.map(work, tasks))
            return
        tasks.sort(key=lambda task: -state.population.promise(task))
        for _, result in state.workers.run(work, tasks):
            if result.is_complete:
                yield self._for_its_own(result)

    def _tasks(self, first: int, count: int, calls: int) -> list[int]:
        population = self._state.population
        return [
            task for task in self._state.open_tasks()
            if first <= task < first + count and task not in population.ended and population.calls.get(task, 0) < calls
        ]  # fmt: skip

    def _enumerate(self, calls: int, clock: Clock, worker: Worker, task: int) -> _Result:
        """Enumerate one task until a program is accepted, `calls` were tried, or the time is over."""
        if clock.is_over():
            return _Result([], Enumerated(task, 0, Stage.GROWING.name.lower(), ended=False), is_complete=False)
        state = self._state
        enumerator = Enumerator(state.tasks[task].inputs, state.tasks[task].outputs)
        progress = enumerator.progress
        solutions: list[Program] = []
        seen = 0
        while not solutions and progress.tried < calls and progress.stage is not Stage.ENDED and not clock.is_over():
            progress = enumerator.advance(min(SLICE, calls - progress.tried))
            new = enumerator.solutions[seen:]
            seen += len(new)
            solutions = [program for program in new if state.acceptance.accepts(worker, task, program)]
        ended = progress.stage is Stage.ENDED
        near = [miss.program for miss in enumerator.near_misses[: state.effort.near]]
        return _Result(
            [program.pruned() for program in [*solutions, *near]],
            Enumerated(task, progress.tried, progress.stage.name.lower(), ended),
            is_complete=bool(solutions) or ended or progress.tried >= calls,
        )

    def _for_all(self, results: list[_Result]) -> Proposal:
        """New programs of several enumerations."""
        distinct = dict.fromkeys(program for result in results for program in result.programs)
        programs = Symbols.pack(list(distinct))
        keys = program_keys(programs)
        new = np.flatnonzero(self._state.programs.add(keys))
        return Proposal(
            programs.take(new),
            keys=np.stack([keys, keys], axis=1)[new],
            counts={"enumerated": len(distinct)},
            enumerated=[result.done for result in results if result.is_complete],
        )

    def _for_its_own(self, result: _Result) -> Proposal:
        """The programs of one enumeration, looked at wherever they are right."""
        task = result.done.task
        return Proposal(
            Symbols.pack(result.programs),
            owners=np.full(len(result.programs), task),
            screened={task: range(self._state.demonstrations.counts[task])},
            counts={"enumerated": len(result.programs)},
            enumerated=[result.done],
        )
