"""The tasks of several sources side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from report.model import Puzzle, Result, Source


@dataclass(frozen=True, eq=False)
class Case:
    """A task, with what each source found for it: None where the source has nothing, or not this task.

    `has` says which of the sources were asked it.
    """

    key: str
    puzzle: Puzzle
    results: tuple[Result | None, ...]
    has: tuple[bool, ...]


def catalogue(sources: Sequence[Source]) -> list[Case]:
    """The tasks of all sources, in order of id. What has the same id but other grids is another task."""
    known: dict[str, list[str]] = {}  # id -> keys of what has it
    names: dict[tuple[int, str], str] = {}  # source, id -> key
    puzzles: dict[str, Puzzle] = {}
    for number, source in enumerate(sources):
        for puzzle in source.puzzles:
            alike = known.setdefault(puzzle.id, [])
            key = next((key for key in alike if puzzle.is_like(puzzles[key])), None)
            if key is None:
                key = puzzle.id if not alike else f"{puzzle.id} ({source.task_set})"
                if key in puzzles:  # of the same name, too
                    key = f"{puzzle.id} ({source.task_set}, {len(alike) + 1})"
                alike.append(key)
                puzzles[key] = puzzle
            names[number, puzzle.id] = key
    cases = []
    for key in sorted(puzzles):
        puzzle = puzzles[key]
        has = tuple(names.get((number, puzzle.id)) == key for number in range(len(sources)))
        results = tuple(
            source.results.get(puzzle.id) if there else None for source, there in zip(sources, has, strict=True)
        )
        cases.append(Case(key, puzzle, results, has))
    return cases
