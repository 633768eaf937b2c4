"""What was found, ranked: task by task, so that memory goes with the programs of some tasks, not of all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.evaluation.folder import FOUND, EvaluationFolder, Row
from engine.ranking import Candidate, Entry, Method, rank

CUMULATIVE, POLICY = "cumulative", "policy"
BUCKET_BYTES, MAX_BUCKETS = 16 << 20, 256  # of rows that are in memory at a time


_BUCKETS = ".rank-"


class TaskRows:
    """All rows of one task, in order of discovery."""

    def __init__(self, rows: Sequence[Row], sampled: frozenset[int]) -> None:
        self.rows = rows
        self._sampled = sampled  # sources that are this evaluation's samples
        self._by_number = {row.found: row for row in rows}

    def first(self, of_board: Sequence[Row] | None = None) -> list[Row]:
        """The first row of each program; a program counts once."""
        return list({row.program: row for row in reversed(self.rows if of_board is None else of_board)}.values())[::-1]

    def board(self, name: str) -> list[Row]:
        """The rows that count on a board, each program once."""
        return self.first([row for row in self.rows if name == CUMULATIVE or row.source in self._sampled])

    def of_origin(self, origin: str) -> list[Row]:
        """The rows of an origin, each program once."""
        return self.first([row for row in self.rows if row.origin == origin])

    def row(self, entry: Entry) -> Row:
        """The row that an entry was made of."""
        return self._by_number[entry.found]


def attempts(rows: Sequence[Row], method: Method, most: int) -> list[Candidate]:
    """The first attempts at a task, by what its rows say."""
    entries = (Entry(row.program, row.performance, bytes.fromhex(row.prediction), row.found) for row in rows)
    return rank(entries, method)[:most]


def rows_by_task(
    folder: EvaluationFolder, tasks: Sequence[str], sampled: frozenset[int]
) -> Iterator[tuple[str, TaskRows]]:
    """The rows of each task, tasks without one included, in no order that means anything."""
    buckets = min(MAX_BUCKETS, 1 + (folder.path / FOUND).stat().st_size // BUCKET_BYTES)
    bucket_of = {task: number % buckets for number, task in enumerate(tasks)}
    for left in folder.path.glob(f"{_BUCKETS}*"):  # by a kill
        shutil.rmtree(left)
    with TemporaryDirectory(dir=folder.path, prefix=_BUCKETS) as name:
        files = [Path(name) / f"{number}.jsonl" for number in range(buckets)]
        _distribute(folder, files, bucket_of)
        for bucket, file in enumerate(files):
            rows: dict[str, list[Row]] = {task: [] for task in tasks if bucket_of[task] == bucket}
            with file.open("rb") as lines:
                for line in lines:
                    row = Row(*json.loads(line))
                    rows[row.task].append(row)
            file.unlink()
            for task, some in rows.items():
                yield task, TaskRows(some, sampled)


def _distribute(folder: EvaluationFolder, files: Sequence[Path], bucket_of: dict[str, int]) -> None:
    with ExitStack() as stack, folder.writing():
        handles = [stack.enter_context(file.open("w", encoding="utf-8")) for file in files]
        for row in folder.rows():
            handles[bucket_of[row.task]].write(json.dumps(row) + "\n")
