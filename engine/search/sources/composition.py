"""Compositions of macros: mined from the seeds and from what solves tasks so far, applied to what they gave before.

Of the tasks of a batch each is composed for by itself, with what came near its outputs, from whatever source, beside
the macros. What is found runs on that task alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.composition.composer import Budget, Composed, Composer
from engine.search.composition.library import Librarian, Library
from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock, Portable, Worker
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.language.program import Program, parse
from interpreter.language.symbols import Symbols
from interpreter.language.vocabulary import has_tokens
from interpreter.mutation.mutator import program_keys

Made = tuple[list[Composed], int]  # programs for a task, and how many ran on a grid until they were found

# Longer programs are no source of macros: what they have in common is how layers are written.
MINED_LINES = 16


class Compose:
    """Tasks in turn, and again with larger budgets those that nothing solves yet."""

    repeats = False

    def __init__(self, state: State, seeds: Sequence[Seed], training_tasks: Mapping[str, Task]) -> None:
        self._state = state
        sample = list(training_tasks.values()) or state.tasks
        self._librarian = Librarian(sample, state.workers, state.effort.without)
        self._librarian.learn([(training_tasks[seed.task], seed.program) for seed in seeds])

    @property
    def turns(self) -> int:
        """Batches in which every task has its turn."""
        return -(-len(self._state.tasks) // self._state.effort.composed_at_once)

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """What is composed for the tasks whose turn it is, unless they are solved by now."""
        state, effort = self._state, self._state.effort
        level, turn = divmod(batch, self.turns)
        if level >= len(effort.compositions) or clock.is_over():
            return
        first = turn * effort.composed_at_once
        turns = range(first, min(first + effort.composed_at_once, len(state.tasks)))
        wanted = set(state.open_tasks()) if level or state.acceptance.closes else set(turns)
        tasks = [task for task in turns if task in wanted]
        if not tasks:
            yield Proposal(Symbols.pack([]))
            return
        budget = effort.compositions[level]
        how = _How(self.library(), budget, (state.seed, level), state.without_own)
        known = [[parse(entry.program) for entry in state.population.best(task)[: budget.near]] for task in tasks]
        work = Portable(_compose, state.tasks, how)
        yield self._proposal(tasks, state.workers.map(work, list(zip(tasks, known, strict=True))))

    def library(self) -> Library:
        """The macros of the seeds and of what solves tasks by now; of the seeds alone where a task's own seeds are kept
        from it, since what solves another task may come of them."""
        state = self._state
        if not state.without_own:
            solved = ((state.tasks[task], parse(text)) for task, text in sorted(state.population.solved.items()))
            self._librarian.learn([one for one in solved if len(one[1].lines) <= MINED_LINES])
        return self._librarian.library()

    def _proposal(self, tasks: Sequence[int], made: Sequence[Made]) -> Proposal:
        """What is new for its task, and what a policy could write."""
        found = [(task, one.program) for task, (some, _) in zip(tasks, made, strict=True) for one in some]
        found = [one for one in dict.fromkeys(found) if has_tokens(one[1])]
        programs = Symbols.pack([program for _, program in found])
        owners = np.array([task for task, _ in found], np.int64)
        # A program may be found for several tasks; the key of one for a task is no key of the program.
        keys = program_keys(programs) * 31 + owners if len(found) else np.zeros(0, np.int64)
        keys |= 1
        new = np.flatnonzero(self._state.programs.add(keys))
        return Proposal(
            programs.take(new),
            owners[new],
            {task: range(self._state.demonstrations.counts[task]) for task in tasks},
            keys=np.stack([keys, keys], axis=1)[new],
            counts={"composed": len(new)},
            runs=sum(runs for _, runs in made),
        )


@dataclass(frozen=True)
class _How:
    """What the tasks of a batch are composed with."""

    library: Library
    budget: Budget
    seed: tuple[int, ...]
    without_own: bool


def _compose(tasks: Sequence[Task], how: _How, worker: Worker, item: tuple[int, Sequence[Program]]) -> Made:
    """What is composed for a task of which programs are known."""
    task, known = item
    usable = how.library.usable(tasks[task], how.without_own)
    composer = Composer(tasks[task], how.library, usable, known, (*how.seed, task))
    return composer.compose(worker, how.budget), composer.runs
