"""Seed programs: the project's own, or a JSONL file with `task` and `program` on each line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.errors import UsageError
from engine.tasks import Task
from interpreter.program import Program, ProgramError, parse


@dataclass(frozen=True)
class Seed:
    """A program that is known to solve a training task. `origin`: search, hand or import."""

    task: str
    program: Program
    origin: str

    @property
    def row(self) -> dict[str, str]:
        """The seed as a line of the JSONL form that `load_seeds` reads."""
        return {"task": self.task, "program": self.program.text, "origin": self.origin}


def load_seeds(source: str | None, tasks: Mapping[str, Task]) -> list[Seed]:
    """The embedded seeds (`source` None) or those of a JSONL file.

    Raises `UsageError` with the line for a file that cannot be read, a broken program, or a task that is not
    among `tasks`.
    """
    if source is None:
        text = files("engine").joinpath("data/seeds.jsonl").read_text(encoding="utf-8")
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read seeds from {source}: {error}") from None
    where = source or "embedded seeds"
    seeds = [
        _seed(row, f"{where}, line {number}", tasks) for number, row in enumerate(text.splitlines(), 1) if row.strip()
    ]
    if not seeds:
        raise UsageError(f"{where}: no seed program")
    return seeds


def _seed(row: str, where: str, tasks: Mapping[str, Task]) -> Seed:
    try:
        record = json.loads(row)
        task, text = record["task"], record["program"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise UsageError(f'{where}: right is {{"task": "...", "program": "..."}}') from None
    if task not in tasks:
        raise UsageError(f"{where}: task {task!r} is not among the {len(tasks)} training tasks")
    try:
        program = parse(text).pruned()
    except ProgramError as error:
        raise UsageError(f"{where}: in the program, {error}") from None
    return Seed(task, program, record.get("origin", "import"))
