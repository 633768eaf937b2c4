"""Mutants and crossings of the best programs of a task that nothing solves yet, for that task alone.

Parents are what is right on some of its demonstrations; they can borrow fragments from each other, and from what solves
other tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.effort import CROSSING
from engine.search.sources.own_task import OwnTasks
from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock, Worker
from interpreter.language.program import Program, parse
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.mutation.mutator import Mutants, Mutator, Seen

# Tasks whose mutants are in memory at a time.
TOGETHER = 32
# A parent of the task is drawn as often as so many donors.
WEIGHT = 4


@dataclass(frozen=True)
class _Turn:
    """A task whose parents have their turn: how many mutants, by which seed, and what they may borrow from."""

    task: int
    mutants: int
    seed: tuple[int, ...]
    donors: Sequence[Program]


@dataclass(frozen=True)
class _Made:
    """Mutants for a task, and the demonstration that they are tried on first, where that is not left to acceptance."""

    task: int
    mutants: Mutants
    screened: int | None


class Recombine:
    """For one open task a batch, or for all of them."""

    repeats = False

    def __init__(self, state: State) -> None:
        self._state = state
        self._home = OwnTasks(state.tasks, state.workers)
        self._seen: dict[int, Seen] = {}

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """Mutants for the tasks whose turn it is, until there were some for as many as a batch has."""
        turns = self._turns(batch)
        left = self._state.effort.crossed_at_once or len(turns)
        while turns and left and not clock.is_over():
            size = 1 if self._state.effort.on_own_task else TOGETHER  # candidates of one are known to the next
            some, turns = turns[:size], turns[size:]
            made = [one for one in self._state.workers.map(self._make, some) if len(one.mutants.keys)]
            left -= min(len(made), left)
            if made:
                yield self._proposal(made)

    def _turns(self, batch: int) -> list[_Turn]:
        """The open tasks that have parents; where a batch has not all of them, each begins with another."""
        state, one_a_batch = self._state, self._state.effort.crossed_at_once is not None
        tasks = [task for task in state.open_tasks() if state.population.best(task)]
        if one_a_batch and tasks:
            tasks = tasks[batch % len(tasks) :] + tasks[: batch % len(tasks)]
        donors = [parse(text) for text in dict.fromkeys(text for _, text in sorted(state.population.solved.items()))]
        mutants = state.effort.crossings.at(batch)
        seeds = [(state.seed, batch) if one_a_batch else (state.seed, batch, 1 + task) for task in tasks]
        return [_Turn(task, mutants, seed, donors) for task, seed in zip(tasks, seeds, strict=True)]

    def _make(self, worker: Worker, turn: _Turn) -> _Made:
        state, effort = self._state, self._state.effort
        own = [parse(entry.program) for entry in state.population.best(turn.task)]
        order = np.random.default_rng(turn.seed).permutation(len(turn.donors))
        donors = [turn.donors[k] for k in order[: effort.donors]]
        programs = Symbols.pack([*own, *donors])
        first = np.full(len(programs), self._home.inputs.first[turn.task])
        kinds = observed_kinds(programs, self._home.inputs.grids, first)
        seen = state.programs if effort.on_own_task else self._seen.setdefault(turn.task, Seen())
        mutator = Mutator(programs, kinds, CROSSING, effort.max_lines, seen)
        drawn = np.repeat(np.arange(len(programs)), [WEIGHT] * len(own) + [1] * len(donors)) if donors else None
        mutants = mutator.mutants(turn.mutants, turn.seed, parents=drawn)
        hardest = None
        if effort.screen_hardest:
            right = state.demonstrations.right(worker.screen, Symbols.pack(own), turn.task)
            hardest = int(np.argmin(right.sum(axis=1)))
        return _Made(turn.task, mutants, hardest)

    def _proposal(self, made: Sequence[_Made]) -> Proposal:
        programs = Symbols.concatenate([one.mutants.programs for one in made])
        owners = np.repeat([one.task for one in made], [len(one.mutants.keys) for one in made])
        if self._state.effort.on_own_task:
            keys = np.concatenate([one.mutants.keys for one in made])
            return self._home.proposal(programs, owners, keys, self._state, stay=True)
        screened = {one.task: [one.screened] for one in made if one.screened is not None}
        return Proposal(programs, owners, screened, counts={"candidates": len(programs)})
