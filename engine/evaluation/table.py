"""`programs.parquet`: every program that is ranked, for data frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from engine.evaluation.ranked import TaskRows
from engine.execution import digest
from engine.tasks import Task

GROUP = 50_000  # rows that are in memory at a time

PROGRAMS = pa.schema(
    [
        ("task", pa.string()), ("program", pa.string()), ("origin", pa.string()), ("source", pa.int64()),
        ("found", pa.int64()), ("meta_iteration", pa.int64()), ("characters", pa.int32()),
        ("performance", pa.float64()), ("prediction", pa.string()), ("right", pa.bool_()), ("first", pa.bool_()),
    ]
)  # fmt: skip


class Table:
    """A Parquet file that is written row by row, under another name until it is whole. A context manager."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._unfinished = file.with_name(file.name + ".tmp")
        self._writer = parquet.ParquetWriter(self._unfinished, schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write rows, by the names of the schema."""
        for row in rows:
            self._rows.append(row)
            if len(self._rows) == GROUP:
                self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows.clear()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._rows:
            self._flush()
        self._writer.close()
        if error is None:
            self._unfinished.replace(self._file)
        else:
            self._unfinished.unlink(missing_ok=True)


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
