"""The end of an evaluation: what was found is ranked, scored and written, the summary last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from engine.evaluation.evaluator import Evaluator
from engine.evaluation.figures import Score, figures, score
from engine.evaluation.folder import BENCHMARK, SUBMISSION, SUMMARY, TABLE, TASKS, EvaluationFolder
from engine.evaluation.ranked import CUMULATIVE, POLICY, rows_by_task
from engine.evaluation.scoring import Attempts, as_rows
from engine.evaluation.sources import Source
from engine.evaluation.submission import benchmark_record, submission
from engine.evaluation.table import PROGRAMS, program_rows
from engine.files import write_json, write_text
from engine.parquet import ParquetTable
from engine.progress import Display
from engine.ranking import Method
from engine.tasks import Task
from interpreter.machine.machine import Machine


def write_results(
    folder: EvaluationFolder,
    task_set: str,
    tasks: Sequence[Task],
    sources: Sequence[Source],
    evaluator: Evaluator,
    display: Display,
) -> dict[str, Any]:
    """Write all results; the content of `summary.json`."""
    sampled = frozenset(number for number, source in enumerate(sources) if source.samples is not None)
    boards = [CUMULATIVE, POLICY] if sampled else [CUMULATIVE]
    machine = cache(Machine)  # one of each fuel
    by_id = {task.id: task for task in tasks}
    end = datetime.now(UTC)
    start = end - timedelta(seconds=evaluator.seconds)
    scores: dict[str, Score] = {}
    submitted: dict[str, Any] = {}
    for kind in (TASKS, BENCHMARK):
        shutil.rmtree(folder.path / kind, ignore_errors=True)  # of an evaluation that was stopped here
    with (
        folder.writing(),
        ParquetTable(folder.path / TABLE, PROGRAMS) as table,
        display.phase("rank", len(tasks)) as watch,
    ):
        for id_, rows in rows_by_task(folder, list(by_id), sampled):
            task = by_id[id_]
            attempts = Attempts(task, rows, boards, lambda number: machine(evaluator.fuel(number)))
            folder.write_task(TASKS, id_, {**_task_record(task), **{board: attempts.record(board) for board in boards}})
            table.add(program_rows(task, rows))
            best = attempts.of(CUMULATIVE, Method.DISTINCT)
            submitted[id_] = submission(task, best)
            folder.write_task(BENCHMARK, id_, benchmark_record(task, best, task_set, start, end))
            scores[id_] = score(attempts, boards)
            watch(len(scores), len(tasks))
    ordered = {id_: submitted[id_] for id_ in by_id}
    summary = {
        "task_set": task_set,
        "tasks": len(tasks),
        "seconds": round(evaluator.seconds, 1),
        **figures([scores[id_] for id_ in by_id], boards),
        "sources": [_source_record(source, evaluator, number) for number, source in enumerate(sources)],
        "runs": (runs := sum(tally.runs for tally in evaluator.tallies)),
        "runs_per_s": round(runs / max(evaluator.seconds, 1e-9), 1),
    }
    with folder.writing():
        write_text(folder.path / SUBMISSION, json.dumps(ordered) + "\n")
        write_json(folder.path / SUMMARY, summary)
    return summary


def _task_record(task: Task) -> dict[str, Any]:
    return {
        "task": task.id,
        "concept": task.concept,
        "demonstrations": len(task.inputs),
        "tests": len(task.test_inputs),
        "scored": task.is_scored,
        "train": [{"input": as_rows(a), "output": as_rows(b)} for a, b in task.demonstrations],
        "test": [
            {"input": as_rows(a), "output": as_rows(b)}
            for a, b in zip(task.test_inputs, task.test_outputs, strict=True)
        ],
    }


def _source_record(source: Source, evaluator: Evaluator, number: int) -> dict[str, Any]:
    tally = evaluator.tallies[number]
    return {
        "kind": source.kind,
        "path": str(source.path),
        "origin": source.origin,
        "policy": source.samples is not None,
        "fuel": evaluator.fuel(number),
        "programs": tally.programs,
        "ranked": tally.ranked,
        "runs": tally.runs,
        "left_out": tally.left_out,
    }
