"""The scores of a run, kept apart: what the policy's samples solve, what search solves, and both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.evaluation import Scoreboard, summary_record
from engine.execution import Execution
from engine.ranking import Entry, Method
from engine.search.limits import Spent
from engine.tasks import Task
from replay.experience import Origin

# What the columns `solved_...` of the metrics count; `summary.json` has both rankings and all k.
HEADLINE = (str(Method.PAPER), "pass@3")


class Boards:
    """All programs found so far. A program counts on the board of each that found it, once."""

    def __init__(self, tasks: Sequence[Task], has_search: bool) -> None:
        self.cumulative = Scoreboard(tasks)
        self.samples = Scoreboard(tasks) if has_search else self.cumulative
        self.search = Scoreboard(tasks) if has_search else None

    def add(self, execution: Execution, origin: Origin) -> Entry | None:
        """Take in what the policy or search found; its entry where it is the first that any of them found."""
        own = self.search if origin is Origin.SEARCH else self.samples
        if own is not None and own is not self.cumulative:
            own.add(execution)
        return self.cumulative.add(execution)

    def summary(self, task_set: str, tasks: int, policy: Scoreboard, spent: Spent, seconds: float) -> dict[str, Any]:
        """The content of `summary.json`: `policy` is of the samples of the last meta-iteration.

        With search `search` has what each found so far, the tasks that one alone solves, and what search cost:
        {"programs", "runs", "seconds", "solved": {"policy": ..., "search": ..., "both": ...}, "only": {ranking:
        {"policy": tasks, "search": tasks}}}, the latter at pass@3.
        """
        record = summary_record(task_set, policy, self.cumulative, tasks, seconds)
        if self.search is None:
            return record
        boards = {"policy": self.samples, "search": self.search, "both": self.cumulative}
        solved = {name: board.solved() for name, board in boards.items()}
        search = {
            "programs": spent.programs,
            "runs": spent.runs,
            "seconds": round(spent.seconds, 1),
            "solved": {name: board.summary() for name, board in boards.items()},
            "only": {
                method: {
                    one: len(solved[one][method].keys() - solved[other][method].keys())
                    for one, other in (("policy", "search"), ("search", "policy"))
                }
                for method in map(str, Method)
            },
        }
        return {**record, "search": search}

    def solved(self) -> dict[str, Any]:
        """The tasks that are solved, with the attempts needed, as `solved.jsonl` has them."""
        rows = {"cumulative": self.cumulative.solved()}
        if self.search is not None:
            rows |= {"samples": self.samples.solved(), "search": self.search.solved()}
        return rows

    def columns(self, summary: Mapping[str, Any]) -> dict[str, int | None]:
        """The columns of the metrics that a summary has."""
        ranking, attempts = HEADLINE
        search = summary.get("search", {})
        so_far = search.get("solved", {"policy": summary["solved"]["cumulative"]})
        return {
            "solved_policy": summary["solved"]["policy"][ranking][attempts],
            "solved_samples": so_far["policy"][ranking][attempts],
            "solved_search": so_far["search"][ranking][attempts] if search else None,
            "solved_cumulative": summary["solved"]["cumulative"][ranking][attempts],
            "search_programs": search.get("programs"),
            "search_runs": search.get("runs"),
        }
