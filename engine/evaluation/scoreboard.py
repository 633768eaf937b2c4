"""Scoring: which tasks are solved within k attempts, by which ranking.

Of a loop and a search this is the one place that looks at test outputs, after `engine.ranking.rank` has chosen the
attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.execution import Execution, digest
from engine.ranking import Candidate, Entry, Leaders, Method, rank
from engine.tasks import Task
from replay.experience import demonstration_performance

ATTEMPTS = (1, 2, 3)


class Scoreboard:
    """All programs found for some tasks, ranked and scored. A program counts once a task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._right = {task.id: digest(task.test_outputs) for task in tasks if task.is_scored}
        self._known: dict[str, set[str]] = {task.id: set() for task in tasks}
        self._leaders = {task.id: Leaders(max(ATTEMPTS)) for task in tasks}

    def add(self, execution: Execution) -> Entry | None:
        """Take in a program with at least one valid demonstration output.

        Returns its entry if it is new, None if it is known or has no valid output.
        """
        known = self._known[execution.task]
        if execution.program in known or not execution.is_valid:
            return None
        entry = Entry(
            program=execution.program,
            performance=demonstration_performance(execution.outputs, self._tasks[execution.task].outputs),
            prediction=digest(execution.predictions),
            found=len(known),
        )
        known.add(execution.program)
        self.take(execution.task, entry)
        return entry

    def take(self, task: str, entry: Entry) -> None:
        """Take in a program that is known to be new, and is not remembered: for searches among very many."""
        self._leaders[task].add(entry)

    @property
    def programs(self) -> int:
        """Distinct (task, program) taken in."""
        return sum(leaders.programs for leaders in self._leaders.values())

    def attempts(self, task: str, method: Method) -> list[Candidate]:
        """The ranked attempts at a task: the first ones are those of all its programs."""
        return rank(self._leaders[task].entries(), method)

    def performances(self) -> dict[str, float]:
        """Of each task the best demonstration performance of its programs, 0 without any."""
        first = {task: self.attempts(task, Method.PAPER)[:1] for task in self._tasks}
        return {task: some[0].entry.performance if some else 0.0 for task, some in first.items()}

    @property
    def unscored(self) -> dict[str, int]:
        """Tasks with a test output that is not known, so that it is not known either whether they are solved; and how
        many outputs these are."""
        unknown = [sum(output is None for output in task.test_outputs) for task in self._tasks.values()]
        return {"tasks": sum(count > 0 for count in unknown), "outputs": sum(unknown)}

    def is_right(self, task: str, entry: Entry) -> bool | None:
        """Whether a program's predictions are the task's test outputs, all of them; None where these are not known."""
        return entry.prediction == self._right[task] if task in self._right else None

    def solved(self) -> dict[str, dict[str, int]]:
        """The tasks solved within three attempts, and the attempts needed: `{"paper": {task: 1, ...}, ...}`."""
        return {
            str(method): {
                task: needed for task in self._right if (needed := self._attempts_needed(task, method)) is not None
            }
            for method in Method
        }

    def summary(self) -> dict[str, dict[str, int]]:
        """Number of tasks solved: `{"paper": {"pass@1": n, ...}, "distinct": {...}}`."""
        counts, solved = {}, self.solved()
        for method in Method:
            needed = solved[str(method)].values()
            counts[str(method)] = {f"pass@{k}": sum(n <= k for n in needed) for k in ATTEMPTS}
        return counts

    def _attempts_needed(self, task: str, method: Method) -> int | None:
        """The number of attempts until the first right one; None if the first ones are wrong."""
        attempts = enumerate(self.attempts(task, method)[: max(ATTEMPTS)], 1)
        return next((k for k, candidate in attempts if self.is_right(task, candidate.entry)), None)


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
        **({"unscored": cumulative.unscored} if cumulative.unscored["tasks"] else {}),
        "programs": cumulative.programs,
        "seconds": round(seconds, 1),
        "solved": {**solved, "cumulative": cumulative.summary()},
    }


def verdict(summary: dict[str, Any]) -> str:
    """The figures of a summary in a few lines, for people."""
    lines = [f"{summary['tasks']} tasks of {summary['task_set']}, {summary['programs']} programs found"]
    unscored = summary.get("unscored", {}).get("tasks", 0)
    if unscored:
        lines.append(f"  {unscored} of the tasks are not scored: a test output is not known")
    if unscored == summary["tasks"]:
        return "\n".join(lines)
    lines += _counted(summary, "solved", "")
    lines += _apart(summary.get("search"))
    if summary.get("origins"):  # of an evaluation of programs that several have found
        lines += _counted({"solved": summary["origins"]}, "solved", " by its programs alone")
    if "solved_outputs" in summary:
        lines += _counted(summary, "solved_outputs", f" of {summary['outputs']} test outputs")
    lines += [f"  {who:<10} ARC Prize's score {score:.1%}" for who, score in summary.get("arc_prize", {}).items()]
    return "\n".join(lines)


def _apart(search: dict[str, Any] | None) -> list[str]:
    """What policy and search of a run found so far, each for itself."""
    if search is None:
        return []
    solved = {"samples": search["solved"]["policy"], "search": search["solved"]["search"]}
    only = [f"{counts['search']} and {counts['policy']} ({method})" for method, counts in search["only"].items()]
    return [
        *_counted({"solved": solved}, "solved", ""),
        f"  tasks that search alone solves, and that samples alone do, at pass@{max(ATTEMPTS)}: {', '.join(only)}",
    ]


def _counted(summary: dict[str, Any], name: str, of: str) -> list[str]:
    """The counts of a summary, with their intervals where it has them."""
    intervals = summary.get(f"{name}_interval", {})
    lines = []
    for who, rankings in summary[name].items():
        for method, counts in rankings.items():
            bounds = intervals.get(who, {}).get(method, {})
            spans = {key: f" ({low:.0f} to {high:.0f})" for key, (low, high) in bounds.items()}
            figures = ", ".join(f"{key} {count}{spans.get(key, '')}" for key, count in counts.items())
            lines.append(f"  {who:<10} {method:<8} {figures}{of}")
    return lines
