"""Programs that were written elsewhere, each for one task: what a policy sampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock
from interpreter.language.program import Program
from interpreter.language.symbols import Symbols


class Given:
    """One batch of (number of a task, program). Those that match any demonstration of their task are remembered."""

    repeats = False

    def __init__(self, state: State, programs: Sequence[tuple[int, Program]]) -> None:
        self._state = state
        self._programs = programs

    def proposals(self, batch: int, clock: Clock) -> Iterator[Proposal]:
        """All of them, whatever the number of the batch."""
        tasks = np.array([task for task, _ in self._programs], np.int64)
        yield Proposal(
            Symbols.pack([program for _, program in self._programs]),
            owners=tasks,
            screened={task: range(self._state.demonstrations.counts[task]) for task in np.unique(tasks).tolist()},
            counts={"given": len(self._programs)},
        )
