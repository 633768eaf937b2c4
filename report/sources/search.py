"""The folder of a search, see `engine.search.folder`: read as it stands, while the search goes on or after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.files import read_lines, read_optional
from engine.search.folder import entry_of, found_rows, search_settings, searched_tasks
from report.model import Limits, Puzzle, Source
from report.sources.chronicle import Chronicle
from report.sources.facts import provenance_facts

# Where a program comes from, by the method of the search that found it.
_ORIGINS = {"mutate": "mutation", "remutate": "mutation", "policy": "policy"}
_STEPS = (1, 2, 5)  # a point of the history at 1, 2, 5, 10, 20, 50, ... thousand programs
_FIRST = 1000


def read_search(path: Path) -> Source:
    """What a search found so far. Raises `UsageError` for what is damaged, or tasks that are not what they were."""
    puzzles = [Puzzle.of(task) for task in searched_tasks(path)]
    settings = search_settings(path)
    chronicle = Chronicle(puzzles)
    progress = read_optional(path / "progress.json")
    programs = progress.get("programs", 0)
    _follow(chronicle, path, programs)
    summary = read_optional(path / "summary.json")
    return Source(
        name=path.resolve().name,
        path=path,
        kind="search",
        task_set=settings["tasks"],
        puzzles=puzzles,
        results=chronicle.results(),
        summary=summary,
        clock="program",
        points=chronicle.points,
        generalization=chronicle.generalization(),
        curve=[row for row in read_lines(path / "curve.jsonl", "programs", "solved") if row["programs"] <= programs],
        notes=() if programs else ("This search has not finished its first batch yet.",),
        facts={"programs run": f"{programs:,}", "seed": str(settings.get("seed", "")), **_time(summary),
               **provenance_facts(path)},
        limits=Limits(settings.get("fuel", 200_000)),
    )  # fmt: skip


def _follow(chronicle: Chronicle, path: Path, programs: int) -> None:
    """Take in all rows, with points of the history at round numbers of programs and at the end."""
    due = _round_numbers()
    point = next(due)
    for row in found_rows(path):
        while row["number"] >= point:
            chronicle.point(point)
            point = next(due)
        origin = _ORIGINS.get(row.get("method", "mutate"), "search")
        chronicle.add(row["task"], entry_of(row), row["number"], origin)
    while point < programs:
        chronicle.point(point)
        point = next(due)
    if programs or chronicle.results():
        chronicle.point(max(programs, *chronicle.points, 0))


def _round_numbers() -> Iterator[int]:
    scale = _FIRST
    while True:
        yield from (scale * step for step in _STEPS)
        scale *= 10


def _time(summary: Mapping[str, Any]) -> dict[str, str]:
    return {"minutes": f"{summary['seconds'] / 60:,.1f}"} if "seconds" in summary else {}
