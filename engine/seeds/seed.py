"""Seed programs: the project's own, or those of a file or folder in any form that `seed_files` reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.errors import UsageError
from engine.seeds.files import Entry, read_entries, read_rows
from engine.tasks import Task
from interpreter.language.program import Program

SHOWN = 10  # tasks that a message names

log = logging.getLogger(__name__)


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


def load_seeds(source: str | Path | None, tasks: Mapping[str, Task], limit: int | None = None) -> list[Seed]:
    """The embedded seeds (`source` None) or those of a file or folder; with `limit`, the first in order of task.

    Seeds of tasks that are not among `tasks` are left out, and a warning counts them. Raises `UsageError` with the
    place for what cannot be read, a broken program, or where no seed is left.
    """
    if source is None:
        text = files("engine").joinpath("data/seeds.jsonl").read_text(encoding="utf-8")
        entries = list(read_rows(text, "embedded seeds"))
    else:
        entries = read_entries(Path(source))
    if not entries:
        raise UsageError(f"{source}: no seed program")
    seeds = [_seed(entry) for entry in entries]
    foreign = [(entry, seed) for entry, seed in zip(entries, seeds, strict=True) if seed.task not in tasks]
    if len(foreign) == len(seeds):
        entry, seed = foreign[0]
        raise UsageError(f"{entry.where}: task {seed.task!r} is not among the {len(tasks)} training tasks")
    if foreign:
        names = sorted({seed.task for _, seed in foreign})
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        log.warning(
            "%s: %d of %d seeds left out, whose tasks (%s) are not among the %d training tasks",
            source or "embedded seeds", len(foreign), len(seeds), shown, len(tasks),
        )  # fmt: skip
    seeds = [seed for seed in seeds if seed.task in tasks]
    return seeds if limit is None else sorted(seeds, key=lambda seed: seed.task)[:limit]


def _seed(entry: Entry) -> Seed:
    if isinstance(entry.program, str):
        raise UsageError(f"{entry.where}: {entry.program}")
    return Seed(entry.task, entry.program, entry.origin)
