"""What is profiled: programs, each with its inputs.

a JSONL file                       lines {"program": ..., "inputs": [grid, ...]}, or {"task": ..., "program": ...}
a run, a search, an evaluation     of the programs that it holds for its tasks some, drawn evenly
a task set                         seed programs on the tasks that they are for; where no seed is for any of them,
                                   each on some of the tasks
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.analysis.subject import Subject
from engine.commands.execute import read_line, read_record
from engine.errors import UsageError
from engine.evaluation.folder import SETTINGS
from engine.evaluation.sources import Stored, find_source
from engine.seeds.seed import load_seeds
from engine.seeds.solver_source import SourceError, read_program
from engine.tasks import TASK_SETS, Task, load_tasks
from interpreter.grids import Grid
from interpreter.language.program import Program, ProgramError

KNOWN_SETS = ("arc1-train", "arc1-eval")  # whose tasks a file may name
FOLDER, FILE, TASKS = "the folder of a run, a search or an evaluation", "a JSONL file", "a task set"
SPREAD = 5  # tasks that a program without one of its own runs on

_FOLDERS = ("config.toml", "search.json", SETTINGS)


@dataclass(frozen=True)
class Work:
    """A program and its inputs; `line` is its place in what it comes from, from 1."""

    line: int
    task: str | None
    program: Program
    inputs: Sequence[Grid]


def find_work(what: str, programs: int, seeds: str | None) -> Iterator[Work | str]:
    """The work that a path or the name of a task set stands for; a text for what cannot be run.

    `programs` bounds what is drawn of a folder, `seeds` names the programs for a task set. Raises `UsageError`.
    """
    kind = kind_of(what)
    if kind == FOLDER:
        return _of_folder(Path(what), programs)
    if kind == FILE:
        return _of_file(Path(what))
    return _of_tasks(load_tasks(what), seeds)


def kind_of(what: str) -> str:
    """What a path or a name stands for: `FOLDER`, `FILE` or `TASKS`. Raises `UsageError`."""
    path = Path(what)
    if any((path / name).is_file() for name in _FOLDERS):
        return FOLDER
    if path.is_file() and path.suffix != ".json":
        return FILE
    if what in TASK_SETS or path.exists() or "=" in what:
        return TASKS
    raise UsageError(
        f"{what}: no such file; right is {FILE}, {FOLDER}, or {TASKS} ({', '.join(TASK_SETS)}, or a file or folder of "
        "tasks)"
    )


def _of_file(path: Path) -> Iterator[Work | str]:
    tasks = {task.id: task for name in KNOWN_SETS for task in load_tasks(name)}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _read(number, line, tasks)


def _read(number: int, line: bytes, tasks: Mapping[str, Task]) -> Work | str:
    """The work of a line, or what is wrong with it."""
    record = read_record(line)
    if isinstance(record, str):
        return f"line {number}: {record}"
    if "inputs" in record or "task" not in record:
        work = read_line(line)
        return f"line {number}: {work}" if isinstance(work, str) else Work(number, None, *work)
    task = tasks.get(record["task"]) if isinstance(record["task"], str) else None
    if task is None:
        return f"line {number}: task {record['task']!r} is not among the {len(tasks)} of ARC-AGI-1"
    try:
        return Work(number, task.id, read_program(str(record["program"])), _inputs(task))
    except (ProgramError, SourceError) as error:
        return f"line {number}: {error}"


def _of_folder(path: Path, most: int) -> Iterator[Work | str]:
    """A sample of the programs of a folder, in their order."""
    tasks = Subject(path).tasks
    drawn: list[tuple[int, Stored]] = []
    random = Random(0)
    count = 0
    for number, stored in enumerate(find_source(path).programs(), 1):
        if stored.task not in tasks or stored.problem is not None:
            continue
        count += 1
        if len(drawn) < most:
            drawn.append((number, stored))
        elif (place := random.randrange(count)) < most:  # each of the first `count` with equal chance
            drawn[place] = number, stored
    for number, stored in sorted(drawn, key=lambda one: one[0]):
        try:
            program = stored.program if isinstance(stored.program, Program) else read_program(stored.program)
        except (ProgramError, SourceError) as error:
            yield f"program {number}: {error}"
            continue
        yield Work(number, stored.task, program, _inputs(tasks[stored.task]))


def _of_tasks(tasks: Sequence[Task], seeds: str | None) -> Iterator[Work]:
    by_id = {task.id: task for task in tasks}
    known = {task.id: task for task in load_tasks(KNOWN_SETS[0])} | by_id
    found = load_seeds(seeds, known)
    own = [(number, seed) for number, seed in enumerate(found, 1) if seed.task in by_id]
    for number, seed in own:
        yield Work(number, seed.task, seed.program, _inputs(by_id[seed.task]))
    if not own:
        some = tasks[:: max(len(tasks) // SPREAD, 1)][:SPREAD]
        inputs = [grid for task in some for grid in _inputs(task)]
        yield from (Work(number, None, seed.program, inputs) for number, seed in enumerate(found, 1))


def _inputs(task: Task) -> list[Grid]:
    return [*task.inputs, *task.test_inputs]
