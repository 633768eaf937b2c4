"""Forgetting: which tasks the policy's samples solve in each meta-iteration, and which it loses again.

The run's `solved.jsonl` says it; samples that are stored already show nowhere else. {"unit", "ranking", "within":
attempts, "steps": [meta-iteration, ...], "solved", "gained", "lost", "regained", "cumulative": a number for each
step (gained is for the first time), "tasks": {id: [steps in which it is solved]}, "ever", "at_end": tasks,
"lost_at_end": [id, ...]}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.analysis.subject import META_ITERATION, Subject
from engine.errors import UsageError
from engine.ranking import Method

RANKING = str(Method.PAPER)  # of the two, that of the paper's figure; within three attempts


def forgetting(subject: Subject) -> dict[str, Any]:
    """Raises `UsageError` for a run of a version that did not note which tasks were solved."""
    folder = subject.run("forgetting")
    rows = folder.solved()
    if not rows:
        raise UsageError(
            f"{subject.path}: nothing in solved.jsonl, which says what each meta-iteration solves: the run has done "
            "none yet, or is of an earlier version"
        )
    return history(
        [row["meta_iteration"] for row in rows],
        [row["policy"][RANKING] for row in rows],
        [len(row["cumulative"][RANKING]) for row in rows],
    )


def history(steps: Sequence[int], solved: Sequence[Mapping[str, int]], cumulative: Sequence[int]) -> dict[str, Any]:
    """The figures of the tasks solved in each step."""
    counts: dict[str, list[int]] = {"gained": [], "lost": [], "regained": []}
    ever: set[str] = set()
    before: set[str] = set()
    for now in map(set, solved):
        counts["gained"].append(len(now - ever))
        counts["regained"].append(len((now - before) & ever))
        counts["lost"].append(len(before - now))
        ever |= now
        before = now
    return {
        "unit": META_ITERATION,
        "ranking": RANKING,
        "within": 3,
        "steps": list(steps),
        "solved": [len(some) for some in solved],
        **counts,
        "cumulative": list(cumulative),
        "tasks": {
            task: [step for step, some in zip(steps, solved, strict=True) if task in some] for task in sorted(ever)
        },
        "ever": len(ever),
        "at_end": len(before),
        "lost_at_end": sorted(ever - before),
    }
