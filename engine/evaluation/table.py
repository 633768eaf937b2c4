"""`programs.parquet`: every program that is ranked, for data frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from engine.evaluation.ranked import TaskRows
from engine.execution import digest
from engine.tasks import Task

PROGRAMS = pa.schema(
    [
        ("task", pa.string()), ("program", pa.string()), ("origin", pa.string()), ("source", pa.int64()),
        ("found", pa.int64()), ("meta_iteration", pa.int64()), ("characters", pa.int32()),
        ("performance", pa.float64()), ("prediction", pa.string()), ("right", pa.bool_()), ("first", pa.bool_()),
    ]
)  # fmt: skip


def program_rows(task: Task, rows: TaskRows) -> Iterable[dict[str, Any]]:
    """The rows of a task's programs."""
    wanted = digest(task.test_outputs).hex() if task.is_scored else None
    first = {row.found for row in rows.first()}
    for row in rows.rows:
        yield {
            "task": row.task,
            "program": row.program,
            "origin": row.origin,
            "source": row.source,
            "found": row.found,
            "meta_iteration": row.meta_iteration,
            "characters": len(row.program),
            "performance": row.performance,
            "prediction": row.prediction,
            "right": None if wanted is None else row.prediction == wanted,
            "first": row.found in first,
        }
