"""Tables on disk as Parquet files, which data frames read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
from pyarrow import parquet

GROUP = 20_000  # rows that are in memory at a time


class ParquetTable:
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

    def __enter__(self) -> ParquetTable:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None and self._rows:
            self._flush()
        self._writer.close()
        if error is None:
            self._unfinished.replace(self._file)
        else:
            self._unfinished.unlink(missing_ok=True)
