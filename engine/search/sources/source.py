"""What a source of programs is, what it proposes, and what it knows.

The same seed, batch and knowledge give the same proposals, for any number of threads. A source may look at
demonstrations and at test inputs, never at test outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.search.acceptance import Acceptance
from engine.search.demonstrations import Demonstrations
from engine.search.effort import Effort
from engine.search.population import Population
from engine.search.workers import Clock, Workers
from engine.tasks import Task
from interpreter.language.symbols import Symbols
from interpreter.mutation.mutator import Seen

NO_KEYS = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Enumerated:
    """How far the enumeration of a task went; it has `ended` where no term is left."""

    task: int
    calls: int
    stage: str
    ended: bool


@dataclass(frozen=True)
class Proposal:
    """Candidates that are worth running."""

    programs: Symbols
    owners: npt.NDArray[np.int64] | None = None
    """the one task that each is run on; None: each is run on all tasks"""
    screened: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """by task, the demonstrations of which a program must match one; for other tasks acceptance says which"""
    keys: npt.NDArray[np.int64] = field(default_factory=NO_KEYS.copy)
    """of all candidates that were made, these and others: (n, 2), program and behaviour"""
    counts: Mapping[str, int] = field(default_factory=dict)
    """what became of candidates"""
    enumerated: Sequence[Enumerated] = ()
    homes: npt.NDArray[np.int64] | None = None
    """the task of the search that each comes from, -1 for none"""
    runs: int = 0
    """of programs on a grid that it took to make them; one that is tried on its own task counts once"""

    def part(self, low: int, high: int) -> Proposal:
        """The same with the programs from `low` to `high` alone."""
        if (low, high) == (0, len(self.programs)):
            return self
        owners = None if self.owners is None else self.owners[low:high]
        homes = None if self.homes is None else self.homes[low:high]
        return replace(self, programs=self.programs.take(np.arange(low, high)), owners=owners, homes=homes)


class Source(Protocol):
    """Something that proposes programs, batch after batch."""

    repeats: bool
    """Whether a batch is the same when it is proposed again later."""

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """The candidates of a batch, as they are made; nothing where none are left, or the time is over."""


@dataclass(frozen=True)
class State:
    """The tasks, and what is known of them: all sources of a search share one."""

    tasks: Sequence[Task]
    demonstrations: Demonstrations
    acceptance: Acceptance
    workers: Workers
    effort: Effort
    seed: int
    population: Population
    without_own: bool = False
    """whether what is made of the seeds of a task is kept from that task"""
    programs: Seen = field(default_factory=Seen)
    """hashes of all programs that were made for all tasks"""
    behaviours: Seen = field(default_factory=Seen)
    """hashes of what they did on their own tasks"""

    def open_tasks(self) -> list[int]:
        """The numbers of the tasks that nothing solves yet."""
        return [task for task in range(len(self.tasks)) if task not in self.population.solved]
