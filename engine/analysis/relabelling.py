"""Relabelling: how much of what the policy writes there is something to learn from.

With hindsight relabelling every program that gives a grid is a correct example of what it did; without, only those
that are right on all demonstrations. {"steps": [meta-iteration, ...], "samples": {"with": [share, ...], "without":
[share or null, ...]}, shares of all samples of a step, null in runs of versions that did not count them,
"distinct": {"with": [number, ...], "partly": [...], "without": [...]}}: programs of replay that are new in a step,
those right on a demonstration at least, and those right on all.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.analysis.subject import Subject
from engine.run_folder import open_replay
from replay.experience import Origin


def relabelling(subject: Subject) -> dict[str, Any]:
    """Of a run."""
    rows = subject.run("relabelling").metrics()
    counts: dict[str, Counter[int]] = {"with": Counter(), "partly": Counter(), "without": Counter()}
    with open_replay(subject.path) as store:
        for experience in store.in_order():
            step = experience.finders.get(Origin.POLICY)
            if step is not None and experience.task in subject.tasks:
                counts["with"][step] += 1
                counts["partly"][step] += experience.priority > 0
                counts["without"][step] += experience.priority == 1.0
    steps = [row["meta_iteration"] for row in rows]
    return {
        "steps": steps,
        "samples": {
            "with": [row["valid_share"] for row in rows],
            "without": [row.get("right_share") for row in rows],
        },
        "distinct": {name: [numbers[step] for step in steps] for name, numbers in counts.items()},
    }
