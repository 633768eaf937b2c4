"""Length and generalisation: of programs that are right on all demonstrations, how many are right on the tests.

{"programs", "right", "tasks": with such a program, "by_lines": [BIN, ...], "by_cells": [BIN, ...], by the cells of
the task's largest demonstration input}, where BIN is {"from", "to" (null: no end), "programs", "right", "share",
"tasks"}. Tasks with a test output that is not known are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.analysis.subject import Judged, Subject

LINES = (1, 2, 3, 4, 5, 6, 8, 11, 16, 21)  # where bins begin
CELLS = (1, 26, 101, 197, 325, 577)


def length(subject: Subject) -> dict[str, Any]:
    """Of a run, a search or an evaluation."""
    cells = {id_: max(grid.size for grid in task.inputs) for id_, task in subject.tasks.items()}
    return by_length(subject.programs(), lambda one: cells[one.task])


def by_length(programs: Iterable[Judged], cells: Callable[[Judged], int]) -> dict[str, Any]:
    """The figures of programs."""
    fitting = [one for one in programs if one.is_fitting and one.right is not None]
    return {
        "programs": len(fitting),
        "right": sum(bool(one.right) for one in fitting),
        "tasks": len({one.task for one in fitting}),
        "by_lines": binned(fitting, LINES, lambda one: one.program.count("\n") + 1),
        "by_cells": binned(fitting, CELLS, cells),
    }


def binned(programs: Sequence[Judged], starts: Sequence[int], value: Callable[[Judged], int]) -> list[dict[str, Any]]:
    """The share of right programs in each bin; bins without a program are left out."""
    bins = []
    for start, after in zip(starts, [*starts[1:], None], strict=True):
        some = [one for one in programs if start <= value(one) and (after is None or value(one) < after)]
        right = sum(bool(one.right) for one in some)
        if some:
            bins.append(
                {
                    "from": start,
                    "to": None if after is None else after - 1,
                    "programs": len(some),
                    "right": right,
                    "share": round(right / len(some), 4),
                    "tasks": len({one.task for one in some}),
                }
            )
    return bins
