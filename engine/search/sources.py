"""Where candidates come from. A source proposes batch after batch; the same seed and batch give the same candidates.

mutate      mutants of the seeds, one change deep (the paper's baseline)
remutate    mutants of what matched a demonstration somewhere, on all tasks: mutations of mutants
recombine   mutants and crossings of what matched demonstrations of one task, on that task alone
enumerate   the cheapest programs that are right on a task's demonstrations, built bottom-up on its own inputs
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.search.ground import Ground
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.enumeration.enumerator import Enumerator, Stage
from interpreter.language.program import Program, parse
from interpreter.language.symbols import Symbols
from interpreter.machine.kinds import observed_kinds
from interpreter.machine.pool import default_workers
from interpreter.machine.screening import ScreenPool
from interpreter.mutation.mutator import Mutator, Rates, Seen, program_keys

# Candidates of the first batch of mutants, and at most: each batch has twice as many as the one before. Large batches
# share more work, small searches need none, and a search that is stopped loses at most one.
FIRST_BATCH, LARGEST_BATCH = 25_000, 200_000
# Programs that are mutated again at most: the latest.
PARENTS = 20_000
# Programs of one task that are parents at most: the best.
ELITE = 200
# How programs of a task are recombined: fragments of one in another, several changes.
RECOMBINATION = Rates(argument=0.25, function=0.2, definition=0.25, cut=0.05, splice=0.2, constant=0.05, again=0.35)
# Calls of primitives that a task's enumeration may take, each time; tasks of a batch, and near misses taken of a task.
ENUMERATED, AT_ONCE, NEAR = (300_000, 3_000_000, 30_000_000), 10, 8


@dataclass(frozen=True)
class Proposal:
    """Candidates that are worth running: on all tasks, or on those of `tasks` alone."""

    programs: Symbols
    keys: npt.NDArray[np.int64]  # of all candidates that were made, these and others: (n, 2), program and behaviour
    counts: dict[str, int]
    tasks: npt.NDArray[np.int64] | None = None


class Source(Protocol):
    """Something that proposes candidates."""

    repeats: bool
    """Whether a batch is the same when it is proposed again later."""

    def propose(self, batch: int) -> Proposal | None:
        """The candidates of a batch; None where there are none left."""

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take notice of what was found."""


@dataclass(frozen=True)
class Settings:
    """What all sources go by, and the memory that they share."""

    pool: ScreenPool
    rates: Rates
    seed: int
    keep_repeats: bool  # also run what does nothing new on its own task
    programs: Seen
    behaviours: Seen


class Nursery:
    """Mutants of programs that each belong to a task, proved there."""

    def __init__(self, programs: Sequence[Program], owners: Sequence[int], ground: Ground, settings: Settings) -> None:
        self.programs = Symbols.pack(programs)
        self._owners = np.asarray(owners, np.int64)
        self._ground = ground
        self._settings = settings
        kinds = observed_kinds(self.programs, ground.grids, ground.first[self._owners])
        self._mutator = Mutator(self.programs, kinds, settings.rates, seen=settings.programs)

    def parents(self) -> Proposal:
        """The programs themselves, proved like candidates; those of several tasks once."""
        keys, first = np.unique(program_keys(self.programs), return_index=True)
        order = np.argsort(first)
        return self._proved(self.programs.take(first[order]), self._owners[first[order]], keys[order])

    def mutants(self, batch: int) -> Proposal | None:
        """New mutants, those that their own task proves; None where there are none left."""
        n = min(FIRST_BATCH << min(batch, 10), LARGEST_BATCH)
        made = self._mutator.mutants(n, (self._settings.seed, batch))
        return self._proved(made.programs, self._owners[made.parents], made.keys) if len(made.keys) else None

    def _proved(self, programs: Symbols, owners: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> Proposal:
        proof = self._ground.prove(programs, owners)
        repeated = ~self._settings.behaviours.add(proof.behaviours)
        kept = proof.valid
        if not self._settings.keep_repeats:
            kept = kept & ~(proof.identity | proof.constant | repeated)
        counts = {
            "candidates": len(programs),
            "valid": int(proof.valid.sum()),
            "identity": int(proof.identity.sum()),
            "constant": int((proof.constant & proof.valid).sum()),
            "repeated": int((repeated & proof.valid).sum()),
        }
        return Proposal(programs.take(np.flatnonzero(kept)), np.stack([keys, proof.behaviours], axis=1), counts)


class Mutate:
    """The seeds themselves, then mutants of them."""

    repeats = True

    def __init__(self, seeds: Sequence[Seed], training_tasks: Mapping[str, Task], settings: Settings) -> None:
        names = sorted({seed.task for seed in seeds})
        ground = Ground([training_tasks[name] for name in names], settings.pool)
        owners = [names.index(seed.task) for seed in seeds]
        self._nursery = Nursery([seed.program for seed in seeds], owners, ground, settings)

    def propose(self, batch: int) -> Proposal | None:
        return self._nursery.mutants(batch) if batch else self._nursery.parents()

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Mutants of the seeds do not depend on what is found."""


class Found:
    """The best of what matched a demonstration, by task: the parents of deeper search."""

    repeats = False

    def __init__(self, tasks: Sequence[Task], settings: Settings) -> None:
        self._tasks = tasks
        self._index = {task.id: k for k, task in enumerate(tasks)}
        self._ground = Ground(tasks, settings.pool)
        self._settings = settings
        self._programs: dict[int, dict[str, tuple[float, int]]] = defaultdict(dict)  # task, text: performance, number

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take notice of what was found."""
        for row in rows:
            found = self._programs[self._index[row["task"]]]
            found[row["program"]] = (row["demonstration_performance"], row["number"])
            if len(found) > 2 * ELITE:
                for text in self._best(found)[ELITE:]:
                    del found[text]

    @staticmethod
    def _best(found: Mapping[str, tuple[float, int]]) -> list[str]:
        """The programs of a task, best first, as the paper's ranking has it."""
        return sorted(found, key=lambda text: (-found[text][0], len(text), found[text][1]))

    def _scores(self, task: int) -> list[float]:
        """The demonstration performance of each program that was found for a task."""
        return [score for score, _ in self._programs.get(task, {}).values()]

    def _mutants(self, parents: Sequence[tuple[int, str]], batch: int) -> Proposal | None:
        """Mutants of (task, text); None where there are none left."""
        programs, owners = [parse(text) for _, text in parents], [task for task, _ in parents]
        return Nursery(programs, owners, self._ground, self._settings).mutants(batch)


class Remutate(Found):
    """Mutants of what matched a demonstration of any task, on all tasks."""

    def propose(self, batch: int) -> Proposal | None:
        found = ((n, task, text) for task, programs in self._programs.items() for text, (_, n) in programs.items())
        latest = sorted(found)[-PARENTS:]
        return self._mutants([(task, text) for _, task, text in latest], batch) if latest else None


class Recombine(Found):
    """Mutants and crossings of what matched some, but not all demonstrations of a task, on that task alone."""

    def __init__(self, tasks: Sequence[Task], settings: Settings) -> None:
        super().__init__(tasks, replace(settings, rates=RECOMBINATION))

    def propose(self, batch: int) -> Proposal | None:
        unsolved = [task for task in sorted(self._programs) if max(self._scores(task)) < 1.0]
        for turn in range(len(unsolved)):
            task = unsolved[(batch + turn) % len(unsolved)]
            best = self._best(self._programs[task])[:ELITE]
            proposal = self._mutants([(task, text) for text in best], batch)
            if proposal is not None:
                return replace(proposal, tasks=np.array([task], np.int64))
        return None


class Enumerate(Found):
    """Programs that enumeration finds for tasks that nothing solves yet, a few tasks a batch.

    Each time that all tasks had their turn, they get more calls.
    """

    def propose(self, batch: int) -> Proposal | None:
        turns = -(-len(self._tasks) // AT_ONCE)
        if batch >= len(ENUMERATED) * turns:
            return None
        first = batch % turns * AT_ONCE
        chosen = range(first, min(first + AT_ONCE, len(self._tasks)))
        unsolved = [self._tasks[k] for k in chosen if max(self._scores(k), default=0.0) < 1.0]
        with ThreadPoolExecutor(default_workers()) as threads:
            found = list(threads.map(partial(_enumerated, calls=ENUMERATED[batch // turns]), unsolved))
        distinct = dict.fromkeys(program.pruned() for some in found for program in some)
        programs = Symbols.pack(list(distinct))
        keys = program_keys(programs)
        new = np.flatnonzero(self._settings.programs.add(keys))
        return Proposal(programs.take(new), np.stack([keys, keys], axis=1)[new], {"enumerated": len(distinct)})


def _enumerated(task: Task, calls: int) -> list[Program]:
    """What is right on all demonstrations of a task or on some, after `calls` calls of primitives."""
    enumerator = Enumerator(task.inputs, task.outputs)
    progress = enumerator.progress
    while progress.tried < calls and progress.stage is not Stage.ENDED and not enumerator.solutions:
        progress = enumerator.advance(calls - progress.tried)
    return [*enumerator.solutions, *(miss.program for miss in enumerator.near_misses[:NEAR])]


METHODS = {"mutate": Mutate, "remutate": Remutate, "recombine": Recombine, "enumerate": Enumerate}
