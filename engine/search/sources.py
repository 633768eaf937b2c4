"""Where candidates come from. A source proposes batch after batch; the same seed and batch give the same candidates.

mutate      mutants of the seeds, one change deep (the paper's baseline)
remutate    mutants of what matched a demonstration somewhere, on all tasks: mutations of mutants
recombine   mutants and crossings of what matched demonstrations of one task, on that task alone
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.search.ground import Ground
from engine.seeds import Seed
from engine.tasks import Task
from interpreter.kinds import observed_kinds
from interpreter.mutation import Mutator, Rates, Seen, program_keys
from interpreter.program import Program, parse
from interpreter.screening import ScreenPool
from interpreter.symbols import Symbols

# Candidates of the first batch of mutants, and at most: each batch has twice as many as the one before. Large batches
# share more work, small searches need none, and a search that is stopped loses at most one.
FIRST_BATCH, LARGEST_BATCH = 25_000, 200_000
# Programs that are mutated again at most: the latest.
PARENTS = 20_000
# Programs of one task that are recombined at most: the best.
ELITE = 200


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

    def propose(self, batch: int) -> Proposal:
        """The candidates of a batch; no programs where there are none left."""

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

    def mutants(self, batch: int) -> Proposal:
        """New mutants, those that their own task proves; none where there are none left."""
        n = min(FIRST_BATCH << min(batch, 10), LARGEST_BATCH)
        made = self._mutator.mutants(n, (self._settings.seed, batch))
        return self._proved(made.programs, self._owners[made.parents], made.keys)

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

    def propose(self, batch: int) -> Proposal:
        return self._nursery.mutants(batch) if batch else self._nursery.parents()

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Mutants of the seeds do not depend on what is found."""


class Found:
    """What matched a demonstration, by task: the parents of deeper search."""

    repeats = False

    def __init__(self, tasks: Sequence[Task], settings: Settings) -> None:
        self._index = {task.id: k for k, task in enumerate(tasks)}
        self._ground = Ground(tasks, settings.pool)
        self._settings = settings
        self._programs: dict[int, dict[str, tuple[float, int]]] = defaultdict(dict)  # task, text: performance, number

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take notice of what was found."""
        for row in rows:
            score = (row["demonstration_performance"], row["number"])
            self._programs[self._index[row["task"]]][row["program"]] = score

    def _mutants(self, parents: Sequence[tuple[int, str]], batch: int) -> Proposal:
        """Mutants of (task, text)."""
        programs, owners = [parse(text) for _, text in parents], [task for task, _ in parents]
        return Nursery(programs, owners, self._ground, self._settings).mutants(batch)


class Remutate(Found):
    """Mutants of what matched a demonstration of any task, on all tasks."""

    def propose(self, batch: int) -> Proposal:
        found = ((n, task, text) for task, programs in self._programs.items() for text, (_, n) in programs.items())
        latest = sorted(found)[-PARENTS:]
        return self._mutants([(task, text) for _, task, text in latest], batch) if latest else NOTHING


class Recombine(Found):
    """Mutants and crossings of what matched some, but not all demonstrations of a task, on that task alone."""

    def propose(self, batch: int) -> Proposal:
        unsolved = [
            task for task, found in sorted(self._programs.items()) if max(score for score, _ in found.values()) < 1.0
        ]
        if not unsolved:
            return NOTHING
        task = unsolved[batch % len(unsolved)]
        best = sorted(self._programs[task].items(), key=lambda item: (-item[1][0], len(item[0]), item[1][1]))[:ELITE]
        return replace(self._mutants([(task, text) for text, _ in best], batch), tasks=np.array([task], np.int64))


NOTHING = Proposal(Symbols.pack([]), np.zeros((0, 2), np.int64), {})
METHODS = {"mutate": Mutate, "remutate": Remutate, "recombine": Recombine}
