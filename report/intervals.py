"""Shares of tasks with intervals, and what the paper reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.ranking import Method
from report.model import ATTEMPTS, Source

RESAMPLES = 10_000
Interval = tuple[float, float]  # low and high, in the unit of the count
_NAMES = tuple(f"pass@{k}" for k in range(1, ATTEMPTS + 1))

# CodeIt (arXiv 2402.04858) on the 400 evaluation tasks of ARC-AGI-1, pass@3 by its own ranking.
PAPER = (("CodeIt", 59), ("its policy alone", 48), ("its mutation baseline, 1.43 million programs", 42))
PAPER_TASKS = 400
PAPER_SET = "arc1-eval"
PAPER_BASELINE = ((9_600, 0.07), (150_000, 0.10), (1_430_000, 0.105))  # programs, share of tasks


def interval(count: int, tasks: int) -> tuple[int, int]:
    """The 95% bootstrap interval over tasks of how many are solved.

    Drawing tasks with replacement from `count` solved ones among `tasks` is a binomial draw. The same for the same
    numbers.
    """
    if tasks == 0:
        return 0, 0
    drawn = np.random.default_rng([count, tasks]).binomial(tasks, count / tasks, RESAMPLES)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return round(low), round(high)


@dataclass(frozen=True)
class Figure:
    """Tasks solved of one source: by the policy alone or all that was found, by a ranking, within so many attempts."""

    board: str
    method: str
    counts: tuple[int, ...]
    intervals: tuple[Interval, ...]
    tasks: int
    unit: str = "tasks"
    """what is counted: tasks, or test outputs, of which `tasks` is then the number"""

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(count / max(self.tasks, 1) for count in self.counts)


def figures(source: Source) -> Iterator[Figure]:
    """The figures of a source: those of its summary, or counted from what is known of its tasks.

    Intervals are those of the summary, where it has them: what an evaluation said stays what its report says.
    """
    tasks = source.scored
    solved = source.summary.get("solved")
    known = source.summary.get("solved_interval", {})
    for board, rankings in {**(solved if isinstance(solved, Mapping) else counted(source)), **_apart(source)}.items():
        for method, counts in rankings.items():
            numbers = tuple(int(counts.get(name, 0)) for name in _NAMES)
            yield Figure(board, method, numbers, _intervals(known, board, method, numbers, tasks), tasks)
    yield from _by_output(source.summary)


def _apart(source: Source) -> Mapping[str, Any]:
    """What policy and search of a run solve, each for itself, where it has both."""
    solved = source.summary.get("search", {}).get("solved")
    return {"samples": solved["policy"], "search": solved["search"]} if solved else {}


def _by_output(summary: Mapping[str, Any]) -> Iterator[Figure]:
    """The figures by test output, where an evaluation has counted them; their intervals are over tasks, too."""
    known = summary.get("solved_outputs_interval", {})
    for board, rankings in summary.get("solved_outputs", {}).items():
        for method, counts in rankings.items():
            numbers, outputs = tuple(counts[name] for name in _NAMES), summary["outputs"]
            intervals = _intervals(known, board, method, numbers, outputs)
            yield Figure(board, method, numbers, intervals, outputs, "test outputs")


def _intervals(
    known: Mapping[str, Any], board: str, method: str, counts: Sequence[int], of: int
) -> tuple[Interval, ...]:
    """The intervals of counts: those that a summary has, or drawn."""
    found = known.get(board, {}).get(method, {})
    bounds = (found.get(name) or interval(count, of) for name, count in zip(_NAMES, counts, strict=True))
    return tuple((low, high) for low, high in bounds)


def counted(source: Source) -> Mapping[str, Any]:
    """How many tasks are solved within k attempts, in the form of a summary."""
    needed = {method: [result.needed(method) for result in source.results.values()] for method in Method}
    return {
        "cumulative": {
            str(method): {f"pass@{k}": sum(0 < n <= k for n in needed[method]) for k in range(1, ATTEMPTS + 1)}
            for method in Method
        }
    }
