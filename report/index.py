"""What the gallery of a page knows of all tasks before one is opened: what it filters, sorts and shows by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.ranking import Method
from report.catalogue import Case
from report.model import Result, Source

NEAR = 0.5  # share of the demonstrations from which an unsolved task is a near miss


def index(sources: Sequence[Source], cases: Sequence[Case]) -> dict[str, Any]:
    """{"sources": [...], "tasks": [...]}; a task's `results` has null for a source that was not asked it."""
    return {
        "methods": [str(method) for method in Method],
        "sources": [_source(source) for source in sources],
        "tasks": [_task(case) for case in cases],
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "path": str(source.path),
        "kind": source.kind,
        "set": source.task_set,
        "clock": source.clock,
        "points": list(source.points),
        "tasks": len(source.puzzles),
    }


def _task(case: Case) -> dict[str, Any]:
    puzzle = case.puzzle
    return {
        "id": case.key,
        "concept": puzzle.concept or "",
        "demonstrations": len(puzzle.inputs),
        "tests": len(puzzle.test_inputs),
        "scored": puzzle.is_scored,
        "results": [
            _result(result, puzzle.is_scored) if there else None
            for there, result in zip(case.has, case.results, strict=True)
        ],
    }


def _result(result: Result | None, is_scored: bool) -> dict[str, Any]:
    if result is None or result.best is None:
        return {"status": "nothing" if is_scored else "unscored", "programs": 0}
    best = result.best
    needed = {str(method): result.needed(method) for method in Method}
    winner = next((a for rows in result.attempts.values() for a in rows if a.right), best)
    return {
        "status": _status(result, is_scored),
        "needed": needed,
        "programs": result.programs,
        "performance": round(best.performance, 4),
        "lines": winner.program.count("\n") + 1,
        "origin": winner.origin,
        "lost": result.is_lost,
        "forgotten": result.is_forgotten,
        "changes": len(result.history),
    }


def _status(result: Result, is_scored: bool) -> str:
    """solved, low (a right program was found, and ranks too low), near, wrong, or unscored."""
    if not is_scored:
        return "unscored"
    if any(result.needed(method) for method in Method):
        return "solved"
    if result.is_found:
        return "low"
    return "near" if result.best.performance >= NEAR else "wrong"
