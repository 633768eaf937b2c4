"""Seed programs: the project's own, or those of a file or folder in any form that `seed_files` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.errors import UsageError
from engine.seeds.files import Entry, read_entries, read_rows
from engine.tasks import Task
from interpreter.language.program import Program


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


def load_seeds(source: str | None, tasks: Mapping[str, Task], limit: int | None = None) -> list[Seed]:
    """The embedded seeds (`source` None) or those of a file or folder; with `limit`, the first in order of task.

    Raises `UsageError` with the place for what cannot be read, a broken program, or a task that is not among
    `tasks`.
    """
    if source is None:
        text = files("engine").joinpath("data/seeds.jsonl").read_text(encoding="utf-8")
        entries = list(read_rows(text, "embedded seeds"))
    else:
        entries = read_entries(Path(source))
    if not entries:
        raise UsageError(f"{source}: no seed program")
    seeds = [_seed(entry, tasks) for entry in entries]
    return seeds if limit is None else sorted(seeds, key=lambda seed: seed.task)[:limit]


def _seed(entry: Entry, tasks: Mapping[str, Task]) -> Seed:
    if isinstance(entry.program, str):
        raise UsageError(f"{entry.where}: {entry.program}")
    if entry.task not in tasks:
        raise UsageError(f"{entry.where}: task {entry.task!r} is not among the {len(tasks)} training tasks")
    return Seed(entry.task, entry.program, entry.origin)
