"""The tasks that a folder is about: whether they are there as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.execution import digest
from engine.tasks import Task, load_tasks


def hash_of(tasks: Sequence[Task], scored: bool = False) -> str:
    """What tells whether tasks are the same: ids, demonstrations, test inputs, if `scored` test outputs, in order."""
    state = hashlib.sha256()
    for task in tasks:
        tests = [*task.test_inputs, *(task.test_outputs if scored else ())]
        state.update(f"{task.id}\n".encode() + digest([*task.inputs, *task.outputs, *tests]))
    return state.hexdigest()


def kept_tasks(
    folder: Path, source: str, settings: Mapping[str, Any], otherwise: str, scored: bool = False
) -> list[Task]:
    """The tasks of the set `source` that a folder's `settings` choose (`task_ids`, `limit`).

    Raises `UsageError` where their `tasks_hash` says that they are not what they were: to be put back, or `otherwise`.
    Settings of earlier versions have none.
    """
    tasks = load_tasks(source, settings.get("task_ids"), settings.get("limit"))
    check_same(folder, source, settings.get("tasks_hash"), hash_of(tasks, scored), otherwise)
    return tasks


def check_same(folder: Path, source: str, known: str | None, found: str, otherwise: str) -> None:
    """Raise `UsageError` as `kept_tasks` does, where the hash of a folder's tasks is known and another one is found."""
    if known and known != found:
        raise UsageError(
            f"{folder} is about {source} as it was, and tasks were added, changed or removed since: put them back, or "
            f"{otherwise}"
        )
