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
    known: dict[str, list[Puzzle]] = {}
    names: dict[tuple[int, str], str] = {}  # source, id -> key
    puzzles: dict[str, Puzzle] = {}
    for number, source in enumerate(sources):
        for puzzle in source.puzzles:
            alike = known.setdefault(puzzle.id, [])
            same = next((k for k, other in enumerate(alike) if puzzle.is_like(other)), None)
            if same is None:
                same = len(alike)
                alike.append(puzzle)
            key = puzzle.id if same == 0 else f"{puzzle.id} ({source.task_set})"
            names[number, puzzle.id] = key
            puzzles.setdefault(key, puzzle)
    cases = []
    for key in sorted(puzzles):
        puzzle = puzzles[key]
        has = tuple(names.get((number, puzzle.id)) == key for number in range(len(sources)))
        results = tuple(
            source.results.get(puzzle.id) if there else None for source, there in zip(sources, has, strict=True)
        )
        cases.append(Case(key, puzzle, results, has))
    return cases
