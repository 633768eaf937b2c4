"""All sources by turns: they share what is known, so that near misses of one are parents and pieces of others.

A cycle has a batch for every part of the tasks of composition, and some of the others in between; what comes when does
not depend on the machine, nor on what is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.search.sources.composition import Compose
from engine.search.sources.mutation import Mutate, Remutate
from engine.search.sources.recombination import Recombine
from engine.search.sources.source import Proposal, Source, State
from engine.search.workers import Clock
from engine.seeds.seed import Seed
from engine.tasks import Task
from interpreter.language.symbols import Symbols

# Batches of a cycle, after those of composition.
MUTATE, RECOMBINE, REMUTATE = 4, 60, 1


class Combined:
    """Composition of all tasks, mutants of the seeds, mutants for tasks that are nearly solved, mutants of mutants."""

    repeats = False

    def __init__(self, state: State, seeds: Sequence[Seed], training_tasks: Mapping[str, Task]) -> None:
        compose = Compose(state, seeds, training_tasks)
        self._plan: list[tuple[Source, int]] = [
            (compose, compose.turns),
            (Mutate(state, seeds, training_tasks), MUTATE),
            (Recombine(state), RECOMBINE),
            (Remutate(state), REMUTATE),
        ]

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """The batch of the source whose turn it is; an empty proposal where that has nothing."""
        cycle, place = divmod(batch, sum(count for _, count in self._plan))
        for source, count in self._plan:
            if place < count:
                yield from source.proposals(cycle * count + place, clock)
                yield Proposal(Symbols.pack([]))
                return
            place -= count
