"""Submissions: two attempts a test input, in the forms of ARC Prize and of its benchmarking tool.

ARC Prize (`submission.json`): {id: [{"attempt_1": grid, "attempt_2": grid}, one for each test input]}.

The benchmarking tool (https://github.com/arcprize/arc-agi-benchmarking, its `schemas.py`): a file `<id>.json` a task
with [{"attempt_1": ATTEMPT, "attempt_2": ATTEMPT}, ...], where ATTEMPT has an `answer` and `metadata` of a language
model's call: here nothing was called, so that costs and tokens are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.evaluation.scoring import Attempt, as_rows
from engine.tasks import Task

NOTHING = [[0]]  # what is handed in where there is no attempt
SUBMITTED = 2

_NO_TOKENS = {
    "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
    "completion_tokens_details": {
        "reasoning_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
    },
}  # fmt: skip
_NO_COST = {"prompt_cost": 0.0, "completion_cost": 0.0, "reasoning_cost": 0.0, "total_cost": 0.0}


def submission(task: Task, attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """The answers to a task, as ARC Prize takes them."""
    return [
        {f"attempt_{k + 1}": _answer(attempts, k, test) for k in range(SUBMITTED)}
        for test in range(len(task.test_inputs))
    ]


def benchmark_record(
    task: Task, attempts: Sequence[Attempt], name: str, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """The answers to a task, as the benchmarking tool writes them; `name` stands for the model."""
    return [
        {
            attempt: {"answer": answer, "metadata": _metadata(task, test, attempt, name, start, end)}
            for attempt, answer in answers.items()
        }
        for test, answers in enumerate(submission(task, attempts))
    ]


def _answer(attempts: Sequence[Attempt], k: int, test: int) -> list[list[int]]:
    return (as_rows(attempts[k].predictions[test]) if k < len(attempts) else None) or NOTHING


def _metadata(task: Task, test: int, attempt: str, name: str, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "model": name, "provider": "codeit", "start_timestamp": start.isoformat(), "end_timestamp": end.isoformat(),
        "choices": [], "reasoning_summary": None, "kwargs": {"attempt": attempt}, "usage": _NO_TOKENS,
        "cost": _NO_COST, "task_id": task.id, "pair_index": test, "test_id": name,
    }  # fmt: skip
