"""Scoring: which tasks are solved within k attempts, by which ranking.

This is the one place that looks at test outputs, after `engine.ranking.rank` has chosen the attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.execution import Execution, digest
from engine.ranking import Candidate, Entry, Method, rank
from engine.run_folder import write_json
from engine.tasks import Task
from replay.experience import demonstration_performance

ATTEMPTS = (1, 2, 3)


class Scoreboard:
    """All programs found for some tasks, ranked and scored. A program counts once a task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._right = {task.id: digest(task.test_outputs) for task in tasks}
        self._entries: dict[str, dict[str, Entry]] = {task.id: {} for task in tasks}

    def add(self, execution: Execution) -> Entry | None:
        """Take in a program with at least one valid demonstration output.

        Returns its entry if it is new, None if it is known or has no valid output.
        """
        entries = self._entries[execution.task]
        if execution.program in entries or not execution.is_valid:
            return None
        entry = Entry(
            program=execution.program,
            performance=demonstration_performance(execution.outputs, self._tasks[execution.task].outputs),
            prediction=digest(execution.predictions),
            found=len(entries),
        )
        entries[execution.program] = entry
        return entry

    @property
    def programs(self) -> int:
        """Distinct (task, program) taken in."""
        return sum(len(entries) for entries in self._entries.values())

    def attempts(self, task: str, method: Method) -> list[Candidate]:
        """The ranked attempts at a task."""
        return rank(self._entries[task].values(), method)

    def is_right(self, task: str, candidate: Candidate) -> bool:
        """Whether a candidate's predictions are the task's test outputs, all of them."""
        return candidate.entry.prediction == self._right[task]

    def summary(self) -> dict[str, dict[str, int]]:
        """Number of tasks solved: `{"paper": {"pass@1": n, ...}, "distinct": {...}}`."""
        counts = {}
        for method in Method:
            needed = [self._attempts_needed(task, method) for task in self._tasks]
            counts[str(method)] = {f"pass@{k}": sum(n is not None and n <= k for n in needed) for k in ATTEMPTS}
        return counts

    def _attempts_needed(self, task: str, method: Method) -> int | None:
        """The number of attempts until the first right one; None if there is none."""
        attempts = enumerate(self.attempts(task, method), 1)
        return next((k for k, candidate in attempts if self.is_right(task, candidate)), None)

    def task_report(self, task: str) -> dict[str, Any]:
        """What is known of one task: its first attempts by each ranking, and whether they are right."""
        return {
            "programs": len(self._entries[task]),
            "attempts": {
                str(method): [
                    {
                        "program": candidate.entry.program,
                        "demonstration_performance": candidate.entry.performance,
                        "votes": candidate.votes,
                        "right": self.is_right(task, candidate),
                    }
                    for candidate in self.attempts(task, method)[: max(ATTEMPTS)]
                ]
                for method in Method
            },
        }


def write_evaluation(
    folder: Path, boards: Mapping[str, Scoreboard], tasks: Sequence[Task], summary: Mapping[str, Any]
) -> None:
    """Write one JSON file a task (`tasks/<id>.json`) and, last, `summary.json`."""
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for task in tasks:
        report = {name: board.task_report(task.id) for name, board in boards.items()}
        write_json(folder / "tasks" / f"{task.id}.json", {"task": task.id, **report})
    write_json(folder / "summary.json", summary)


def summary_record(
    task_set: str,
    policy: Scoreboard | None,
    cumulative: Scoreboard,
    tasks: int,
    seconds: float,
) -> dict[str, Any]:
    """The content of `summary.json`. `policy` counts one round of samples, `cumulative` all that was found."""
    solved = {} if policy is None else {"policy": policy.summary()}
    return {
        "task_set": task_set,
        "tasks": tasks,
        "programs": cumulative.programs,
        "seconds": round(seconds, 1),
        "solved": {**solved, "cumulative": cumulative.summary()},
    }
