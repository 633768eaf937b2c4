"""The tasks of a folder and of those below it.

What other people's collections hold beside tasks is passed over: `metadata.json` beside a folder `tasks` (re-arc),
solutions and a sample submission beside challenges (ARC Prize). In a collection of several folders (ConceptARC), the
folder is the task's concept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engine.errors import UsageError
from engine.files import data_files
from engine.tasks.forms import Choice, read_tasks
from engine.tasks.task import Task


def read_folder(path: Path, choice: Choice) -> list[Task]:
    """All tasks of a folder. Raises `UsageError`, also where two have the same id."""
    files = data_files(path, ".json", deep=True)
    if not files:
        raise UsageError(f"{path}: no .json file in this folder or below it")
    files = list(_of_tasks(files, path))
    concepts = {file: file.parent.relative_to(path).as_posix() for file in files}
    several = len(set(concepts.values())) > 1
    tasks: dict[str, Task] = {}
    origins: dict[str, Path] = {}
    for file in files:
        concept = concepts[file] if several and concepts[file] != "." else None
        for task in read_tasks(file, choice):
            if task.id in tasks:
                raise UsageError(f"{path}: {_twice(task.id, origins[task.id], file)}")
            tasks[task.id], origins[task.id] = replace(task, concept=concept), file
    return list(tasks.values())


def _of_tasks(files: Iterable[Path], path: Path) -> Iterable[Path]:
    """The files that should hold tasks. Raises `UsageError` where that is not clear."""
    challenges = [file for file in files if file.name.endswith("challenges.json")]
    if len(challenges) > 1:
        names = ", ".join(file.relative_to(path).as_posix() for file in challenges[:4])
        raise UsageError(f"{path}: {len(challenges)} files of tasks by id ({names}): name the one that is meant")
    for file in files:
        beside_tasks = file.name == "metadata.json" and (file.parent / "tasks").is_dir()
        beside_challenges = challenges and file.name.endswith(("solutions.json", "sample_submission.json"))
        if not beside_tasks and not beside_challenges:
            yield file


def _twice(id_: str, first: Path, second: Path) -> str:
    if first.stem == second.stem == id_:
        return f"two files are named {id_}.json; a task's id is its file's name"
    return f"the task {id_!r} is in {first} and in {second}"
