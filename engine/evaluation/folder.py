"""An evaluation's folder on disk, which reports and other people's tools read.

    evaluation.json    the settings: task set, sources, options      found.jsonl     every program that is ranked
    progress.json      the point to go on from                       samples-K.jsonl what the policy of source K wrote
    tasks/NAME.json    one object a task                             submission.json what ARC Prize takes
    benchmark/NAME.json  a file a task, as ARC Prize's benchmarking tool writes them
    programs.parquet   `found.jsonl` as a table                      summary.json    the figures; it is written last
    .lock              held while an evaluation is in the folder

NAME is the task's id where that is a plain name, and escaped otherwise (`engine.files.safe_name`); the id itself stands
in `task`. A folder without `summary.json` is of an evaluation that is not done.

A grid is a list of rows of integers. BOARD is `cumulative` (all that is evaluated) or, where a policy was sampled,
`policy` (this one round of samples); METHOD is `paper` or `distinct` (`engine.ranking`); K is 1, 2 or 3. COUNTS is
{METHOD: {"pass@K": number}}. A task is scored where all its test outputs are known; a test output that is not known
counts nowhere, and is null where it would be true or false.

`tasks/NAME.json`:

    {"task": id, "concept": text or null,
     "demonstrations": number, "tests": number, "scored": whether all test outputs are known,
     "train": [{"input": grid, "output": grid}, ...], "test": [{"input": grid, "output": grid or null}, ...],
     BOARD: {"programs": number of distinct programs ranked,
             "right_found": whether one of them is right, however it ranks; null where the task is not scored,
             "attempts": {METHOD: [ATTEMPT, at most 3, best first]}}}

ATTEMPT:

    {"program": canonical text, "demonstration_performance": 0..1, "votes": programs with the same predictions,
     "right": true, false, or null (not known: no known output is wrong, and not all are known),
     "predictions": [grid or null for each test input], "right_outputs": [true, false or null for each test input],
     "outputs": [grid or null for each demonstration], "failing": [demonstrations that it gets wrong, from 0],
     "origin": "policy", "mutated", "search" or "file", "source": index in the sources of the summary,
     "found": number in order of discovery, "meta_iteration": number or null}

`summary.json`; intervals are 95% bootstrap intervals over tasks, [low, high], in the unit of their count:

    {"task_set": text, "tasks": number, "programs": distinct (task, program) ranked, "seconds": number,
     "solved": {BOARD: COUNTS of tasks}, "solved_interval": the same with intervals for numbers,
     "outputs": number of known test outputs,
     "solved_outputs": {BOARD: COUNTS of test outputs}, "solved_outputs_interval": the same with intervals,
     "unscored": {"tasks": those with an unknown test output, "outputs": unknown test outputs},
     "arc_prize": {BOARD: share of a task's test outputs right within two attempts (distinct), mean over scored tasks;
                          null where there are none},
     "demonstrations": {BOARD: {"right": tasks with a program that is right on all demonstrations,
                                "performance": mean over tasks of the best demonstration performance, 0..1}},
     "concepts": {concept: {"tasks": number, "scored": number, "outputs": number,
                            "solved": {BOARD: COUNTS}, "solved_outputs": {BOARD: COUNTS}}}, empty where there are none,
     "origins": {origin: COUNTS of tasks, of the programs of that origin alone}, where there are several,
     "sources": [{"kind": "run", "checkpoint", "search", "replay" or "programs", "path": text, "origin": text,
                  "policy": whether its policy was sampled, "fuel": of a run of one of its programs,
                  "programs": read, "ranked": entered, "runs": made,
                  "left_out": {reason: number of programs}}, ...],
     "runs": number, "runs_per_s": number}

`programs.parquet`, a row a (task, program) of a source that is ranked: `task`, `program`, `origin` (text), `source`,
`found`, `meta_iteration` (int64, null where not known), `characters` (int32), `performance` (float64), `prediction`
(text, the digest of the predictions in hex), `right` (bool, null where not known), `first` (bool: no earlier row has
the same task and program).

`submission.json` is {id: [{"attempt_1": grid, "attempt_2": grid} for each test input]}: the first two attempts of the
distinct ranking of `cumulative`, [[0]] where there is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import UsageError
from engine.files import (
    lock_folder,
    make_folder,
    read_object,
    read_optional,
    resumable,
    rows_of,
    safe_name,
    write_json,
    write_text,
)
from engine.kept_tasks import kept_tasks
from engine.tasks import Task

SUMMARY, SETTINGS, PROGRESS, FOUND = "summary.json", "evaluation.json", "progress.json", "found.jsonl"
TASKS, BENCHMARK = "tasks", "benchmark"
SUBMISSION, TABLE = "submission.json", "programs.parquet"
# What is written beside settings and summary, which are asked for first.
_WRITTEN = (PROGRESS, FOUND, TASKS, BENCHMARK, SUBMISSION, TABLE)


def evaluation_settings(path: Path) -> dict[str, Any]:
    """What the evaluation of a folder was started with. Raises `UsageError` for a file that is damaged."""
    return read_object(path / SETTINGS, "task_set", "task_ids", "limit")


def evaluated_tasks(path: Path) -> list[Task]:
    """The tasks that the evaluation of a folder is about.

    Raises `UsageError` where they are not there as they were, known test outputs included.
    """
    settings = evaluation_settings(path)
    return kept_tasks(path, settings["task_set"], settings, "evaluate again, to another --out", scored=True)


class Row(NamedTuple):
    """A line of `found.jsonl`: what a program of a source did on a task, without a look at test outputs."""

    found: int
    """number in order of discovery"""
    task: str
    program: str
    performance: float
    prediction: str
    """digest of its predictions, in hex"""
    source: int
    origin: str
    meta_iteration: int | None


class EvaluationFolder:
    """The folder of one evaluation, locked against a second one in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: ExitStack | None = None

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any]) -> EvaluationFolder:
        """The folder of a new evaluation. Raises `UsageError` where it holds one, or cannot be written."""
        if (path / SUMMARY).exists():
            raise UsageError(f"{path} holds an evaluation already: choose another --out")
        if (path / SETTINGS).exists():
            raise UsageError(
                f"{path} holds an evaluation that is not done: go on with --resume, or choose another --out"
            )
        other = next((name for name in ("config.toml", "search.json") if (path / name).exists()), None)
        if other is not None:
            raise UsageError(f"{path} is the folder of a run or a search (it has {other}): choose another --out")
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is no folder: choose another --out")
        foreign = next((name for name in _WRITTEN if (path / name).exists()), None)
        if foreign is not None:
            raise UsageError(f"{path / foreign} is there already, and not of an evaluation: choose another --out")
        make_folder(path)
        folder = cls(path)
        folder._lock = lock_folder(path)
        (path / FOUND).touch()
        write_json(path / SETTINGS, settings)
        return folder

    @classmethod
    def open(cls, path: Path) -> EvaluationFolder:
        """The folder of an evaluation to go on with, as it was at its last point. Raises `UsageError`."""
        if not (path / SETTINGS).is_file():
            raise UsageError(f"{path} holds no evaluation: it has no {SETTINGS}")
        if (path / SUMMARY).exists():
            raise UsageError(f"{path}: nothing to resume, the evaluation is done")
        folder = cls(path)
        folder._lock = lock_folder(path)
        length = folder.progress().get("length", 0)
        size = (path / FOUND).stat().st_size if (path / FOUND).is_file() else 0
        if size < length:
            raise UsageError(f"{path / FOUND} has {size:,} bytes of {length:,}: a part of it was lost; start again")
        if size > length:
            os.truncate(path / FOUND, length)
        return folder

    def settings(self) -> dict[str, Any]:
        """What the evaluation was started with. Raises `UsageError` for a file that is damaged."""
        return evaluation_settings(self.path)

    def progress(self) -> dict[str, Any]:
        """The point to go on from; empty where nothing was done."""
        return read_optional(self.path / PROGRESS)

    def commit(self, rows: Iterable[Row], progress: Mapping[str, Any]) -> None:
        """Write what was found, and make this the point to go on from."""
        with self.writing():
            with (self.path / FOUND).open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row._asdict()) + "\n" for row in rows)
            length = (self.path / FOUND).stat().st_size
            write_json(self.path / PROGRESS, {**progress, "length": length})

    def rows(self) -> Iterator[Row]:
        """All that was found, in order."""
        return (Row(**row) for row in rows_of(self.path / FOUND, *Row._fields))

    def samples(self, source: int) -> Path:
        """Where the samples of the policy of a source are."""
        return self.path / f"samples-{source}.jsonl"

    def write_task(self, kind: str, task: str, record: Any) -> None:
        """Write the file of a task, of `kind` TASKS or BENCHMARK."""
        (self.path / kind).mkdir(exist_ok=True)
        write_text(self.path / kind / f"{safe_name(task)}.json", json.dumps(record) + "\n")  # grids take no line a cell

    def writing(self) -> AbstractContextManager[None]:
        """Turn what a disk refuses into a `UsageError` that says how to go on."""
        return resumable(self.path, "what was done before")

    def discard(self) -> None:
        """Take away what was begun, so that the folder can be used."""
        for name in (SETTINGS, PROGRESS, FOUND):
            (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
