"""The figures of an evaluation: what is solved within k attempts, by task and by test output, with intervals.

Intervals are percentile bootstrap intervals (Efron, 1979) over scored tasks: a resample draws as many tasks as there
are, with replacement. A count of test outputs is resampled by task, too, since outputs of one task are not independent,
and as a share of the outputs that were drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.evaluation.ranked import attempts
from engine.evaluation.scoreboard import ATTEMPTS
from engine.evaluation.scoring import MOST, Attempt, Attempts
from engine.execution import digest
from engine.ranking import Method
from engine.tasks import Task

CONFIDENCE, RESAMPLES, AT_ONCE = 0.95, 10_000, 500

NEVER = MOST + 1

Counts = dict[str, dict[str, Any]]  # by method and pass@k
Needed = dict[tuple[str, str], int]  # by board or origin, and method: the attempts until it is right, or NEVER


@dataclass(frozen=True)
class Score:
    """What the figures need of one task."""

    concept: str | None
    is_scored: bool
    tests: int
    needed: Needed
    outputs: dict[tuple[str, str], list[int]]
    """the same for each test output that is known"""
    arc_prize: dict[str, float]
    """share of its test outputs right within two attempts"""
    best: dict[str, float]
    """demonstration performance of the best program"""
    origins: Needed
    programs: int


def score(attempts_: Attempts, boards: Sequence[str]) -> Score:
    """The score of a task's attempts."""
    task = attempts_.task
    needed: Needed = {}
    outputs: dict[tuple[str, str], list[int]] = {}
    for board in boards:
        for method in Method:
            ranked = attempts_.of(board, method)
            needed[board, method] = _first(attempt.right(task) for attempt in ranked)
            outputs[board, method] = _outputs_needed(ranked, task)
    return Score(
        concept=task.concept,
        is_scored=task.is_scored,
        tests=len(task.test_outputs),
        needed=needed,
        outputs=outputs,
        arc_prize={board: _share(outputs[board, Method.DISTINCT]) for board in boards if task.is_scored},
        best={board: max((row.performance for row in attempts_.programs[board]), default=0.0) for board in boards},
        origins=_origins(attempts_) if task.is_scored else {},
        programs=len(attempts_.programs[boards[0]]),
    )


def _origins(attempts_: Attempts) -> Needed:
    """The attempts needed with the programs of one origin alone."""
    right = digest(attempts_.task.test_outputs)
    return {
        (origin, method): _first(
            candidate.entry.prediction == right
            for candidate in attempts(attempts_.rows.of_origin(origin), method, MOST)
        )
        for origin in sorted({row.origin for row in attempts_.rows.rows})
        for method in Method
    }


def _first(right: Iterable[bool | None]) -> int:
    return next((k for k, is_right in enumerate(right, 1) if is_right), NEVER)


def _outputs_needed(ranked: Sequence[Attempt], task: Task) -> list[int]:
    rights = [attempt.right_outputs(task) for attempt in ranked]
    known = [k for k, target in enumerate(task.test_outputs) if target is not None]
    return [_first(right[k] for right in rights) for k in known]


def _share(needed: Sequence[int]) -> float:
    return mean(float(k <= 2) for k in needed)


def figures(scores: Sequence[Score], boards: Sequence[str]) -> dict[str, Any]:
    """What `summary.json` has of all tasks, see `folder`; `boards` begins with the cumulative one."""
    scored = [one for one in scores if one.is_scored]
    known = len([k for one in scores for k in one.outputs[boards[0], Method.PAPER]])
    origins = sorted({origin for one in scored for origin, _ in one.origins})
    return {
        "programs": sum(one.programs for one in scores),
        "solved": {board: _solved(scored, board) for board in boards},
        "solved_interval": {board: _intervals(scored, board, by_output=False) for board in boards},
        "outputs": known,
        "solved_outputs": {board: _solved_outputs(scores, board) for board in boards},
        "solved_outputs_interval": {board: _intervals(scores, board, by_output=True) for board in boards},
        "unscored": {"tasks": len(scores) - len(scored), "outputs": sum(one.tests for one in scores) - known},
        "arc_prize": {board: _mean(one.arc_prize[board] for one in scored) for board in boards},
        "demonstrations": {
            board: {
                "right": sum(one.best[board] == 1.0 for one in scores),
                "performance": _mean(one.best[board] for one in scores),
            }
            for board in boards
        },
        "concepts": _concepts(scores, boards),
        "origins": {origin: _counts(_origin(scored, origin)) for origin in origins} if len(origins) > 1 else {},
    }


def _concepts(scores: Sequence[Score], boards: Sequence[str]) -> dict[str, Any]:
    result = {}
    for concept in sorted({one.concept for one in scores if one.concept is not None}):
        some = [one for one in scores if one.concept == concept]
        scored = [one for one in some if one.is_scored]
        result[concept] = {
            "tasks": len(some),
            "scored": len(scored),
            "outputs": sum(len(one.outputs[boards[0], Method.PAPER]) for one in some),
            "solved": {board: _solved(scored, board) for board in boards},
            "solved_outputs": {board: _solved_outputs(some, board) for board in boards},
        }
    return result


def _solved(scores: Sequence[Score], board: str) -> Counts:
    return _counts({method: [one.needed[board, method] for one in scores] for method in Method})


def _solved_outputs(scores: Sequence[Score], board: str) -> Counts:
    return _counts({method: [k for one in scores for k in one.outputs[board, method]] for method in Method})


def _origin(scores: Sequence[Score], origin: str) -> Mapping[Method, Sequence[int]]:
    return {method: [one.origins.get((origin, method), NEVER) for one in scores] for method in Method}


def _counts(needed: Mapping[Method, Sequence[int]]) -> Counts:
    return {
        str(method): {f"pass@{k}": sum(n <= k for n in numbers) for k in ATTEMPTS} for method, numbers in needed.items()
    }


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return round(mean(numbers), 4) if numbers else None


# ------------------------------------------------------------------------------------------ intervals


def _intervals(scores: Sequence[Score], board: str, by_output: bool) -> Counts:
    """The interval of each count: by task, or by test output."""
    columns = [(method, k) for method in Method for k in ATTEMPTS]
    needed = [
        {method: one.outputs[board, method] if by_output else [one.needed[board, method]] for method in Method}
        for one in scores
    ]
    solved = np.array([[sum(n <= k for n in row[method]) for method, k in columns] for row in needed], np.float64)
    sizes = np.array([len(row[Method.PAPER]) for row in needed], np.float64)
    low, high = bootstrap(solved.reshape(len(needed), len(columns)), sizes)
    found: Counts = {str(method): {} for method in Method}
    for at, (method, k) in enumerate(columns):
        found[str(method)][f"pass@{k}"] = [round(float(low[at]), 1), round(float(high[at]), 1)]
    return found


def bootstrap(
    solved: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The bounds of the sum of each column of `solved` (tasks, columns), of which a task has at most `sizes[task]`."""
    tasks, total = len(solved), sizes.sum()
    if not total:
        return np.zeros(solved.shape[1]), np.zeros(solved.shape[1])
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(0, RESAMPLES, AT_ONCE):
        drawn = generator.multinomial(tasks, np.full(tasks, 1 / tasks), AT_ONCE).astype(np.float64)
        parts.append(total * (drawn @ solved) / np.maximum(drawn @ sizes, 1)[:, None])
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(np.concatenate(parts), [tail, 100 - tail], axis=0)
    return low, high
