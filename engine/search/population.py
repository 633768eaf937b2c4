"""What a search knows of each task: the best programs, how far enumeration went, and what solves it.

A near miss is a program that is right on some demonstrations of a task, not on all. Near misses, and what solves
other tasks, are the parents of mutants and the pieces of whatever else is built from programs. The order is that of
`engine.ranking`.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.ranking import Entry, best


class Population:
    """The programs found for tasks, by number of the task: of each at least the `kept` best."""

    def __init__(self, kept: int) -> None:
        self.solved: dict[int, str] = {}
        """the first program that counts as a solution, by task"""
        self.calls: dict[int, int] = {}
        """calls that the enumeration of a task has tried"""
        self.ended: set[int] = set()
        """tasks whose enumeration has nothing left"""
        self._kept = kept
        self._seen: set[int] = set()  # hashes of all programs with their tasks
        self._entries: dict[int, dict[str, Entry]] = {}

    def add(self, task: int, entry: Entry) -> bool:
        """Remember a program that was found, and say whether it is the first time: sources can find the same one.

        Twice as many as are kept lead to the worse half being forgotten.
        """
        key = hash((task, entry.program))
        if key in self._seen:
            return False
        self._seen.add(key)
        entries = self._entries.setdefault(task, {})
        entries[entry.program] = entry
        if len(entries) > 2 * self._kept:
            for worse in best(entries.values())[self._kept :]:
                del entries[worse.program]
        return True

    def solve(self, task: int, program: str) -> None:
        """Remember that a task is solved."""
        self.solved.setdefault(task, program)

    def best(self, task: int) -> list[Entry]:
        """The best programs of a task, at most `kept`."""
        return best(self._entries.get(task, {}).values())[: self._kept]

    def near_misses(self, task: int) -> list[Entry]:
        """Those of the best programs of a task that are right on some demonstrations, not on all."""
        return [entry for entry in self.best(task) if 0.0 < entry.performance < 1.0]

    def promise(self, task: int) -> float:
        """The largest share of demonstrations that a program of a task is right on."""
        return max((entry.performance for entry in self._entries.get(task, {}).values()), default=0.0)

    def all(self) -> Iterator[tuple[int, Entry]]:
        """Every program that is remembered, with the number of its task."""
        return ((task, entry) for task, entries in self._entries.items() for entry in entries.values())
