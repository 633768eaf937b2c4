"""`codeit macros`: what solving programs have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from engine.commands.options.macros import MacrosOptions
from engine.errors import printable
from engine.files import write_new
from engine.progress import compile_interpreter
from engine.search.composition.macro import Macro, Miner
from engine.search.folder import check_is_search, found_rows, searched_tasks
from engine.seeds.seed import load_seeds
from engine.tables import as_text
from engine.tasks import Task, load_tasks
from interpreter.language.program import Program, parse

SHOWN_TASKS = 4


@dataclass(frozen=True)
class _Row:
    macro: Macro
    is_new: bool

    @property
    def uses(self) -> int:
        return sum(self.macro.colors.values())

    @property
    def saved(self) -> int:
        """Lines that go if each use is one call, less those of the definition."""
        lines = len(self.macro.pattern.lines)
        return self.uses * (lines - 1) - lines

    def as_json(self) -> dict[str, Any]:
        macro = self.macro
        return {
            "pattern": macro.pattern.text,
            "slots": macro.slots,
            "colors": [list(colors) for colors, _ in macro.colors.most_common()] if macro.slots else [],
            "lines": len(macro.pattern.lines),
            "uses": self.uses,
            "saved_lines": self.saved,
            "tasks": sorted(macro.tasks),
            "new": self.is_new,
        }


def macros(options: MacrosOptions) -> None:
    """List the macros of seeds, and of what a search found, those first that save most."""
    tasks, source = {task.id: task for task in load_tasks(options.tasks)}, options.seeds
    found: list[tuple[Task, Program]] = []
    if options.search is not None:
        check_is_search(options.search)
        searched = {task.id: task for task in searched_tasks(options.search)}
        found = list(_found(options.search, searched))
        tasks = searched | tasks  # one's own tasks may have seeds, too
        source = source or str(options.search / "seeds.jsonl")
    seeds = [(tasks[seed.task], seed.program) for seed in load_seeds(source, tasks)]
    compile_interpreter()
    known, miner = Miner(), Miner()
    known.learn(seeds)
    miner.learn([*seeds, *found])
    rows = [_Row(macro, text not in known.macros) for text, macro in miner.macros.items()]
    rows.sort(key=lambda row: (-row.saved, -len(row.macro.tasks), row.macro.pattern.text))
    if options.new:
        rows = [row for row in rows if row.is_new]
    if options.out is not None:
        write_new(options.out, (json.dumps(row.as_json()) + "\n" for row in rows))
    if options.as_json:
        sys.stdout.write(json.dumps([row.as_json() for row in rows[: options.n]]) + "\n")
    else:
        sys.stdout.write(as_text(_table(rows[: options.n])))
        sys.stdout.write(f"{len(rows):,} macros, {sum(len(row.macro.tasks) > 1 for row in rows):,} of several tasks\n")


def _found(search: Path, tasks: Mapping[str, Task]) -> Iterator[tuple[Task, Program]]:
    """The first program of each task that a search found right on all demonstrations."""
    seen: set[str] = set()
    for row in found_rows(search):
        if row["demonstration_performance"] == 1.0 and row["task"] not in seen:
            seen.add(row["task"])
            yield tasks[row["task"]], parse(row["program"])


def _table(rows: Sequence[_Row]) -> Table:
    table = Table("tasks", "uses", "saves", "macro", "of")
    for row in rows:
        tasks = sorted(row.macro.tasks)
        more = f" and {len(tasks) - SHOWN_TASKS} more" if len(tasks) > SHOWN_TASKS else ""
        text = row.macro.pattern.text + ("  (new)" if row.is_new else "")
        table.add_row(
            str(len(tasks)), str(row.uses), str(row.saved), printable(text),
            printable(", ".join(tasks[:SHOWN_TASKS])) + more,
        )  # fmt: skip
    return table
