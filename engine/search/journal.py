"""What a search for seeds writes, so that an interrupt loses nothing: one row at a time, unbuffered.

    OUT.jsonl            {"task": ..., "program": ..., "origin": "search"}: the seeds, as they are found
    OUT.progress.jsonl   {"tasks": ..., "seed": ..., "tasks_hash": ...}: what it is, first
                         {"task": ..., "calls": n, "stage": ..., "near": [[program, demonstrations right], ...]}
                         {"round": k}: mutants of round k are done
                         {"composed": k}: batch k of composition is done

A last row that was cut off is dropped when a search goes on. Near misses are in the order of `engine.ranking`, which is
that in which they were found where nothing else tells them apart. A hidden file beside OUT is locked by whoever writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Self

from engine.errors import UsageError
from engine.files import cut_unfinished, lock_file
from engine.kept_tasks import check_same
from engine.seeds.seed import Seed
from engine.tasks.task_set import lasting
from interpreter.language.program import Program, parse

Near = list[tuple[Program, int]]


@dataclass
class Found:
    """What files say: a program for each solved task; of the others, how many calls were tried, whether all terms
    were, and near misses, best first; `rounds` of mutants and batches of composition that are done."""

    programs: dict[str, Program] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    near: dict[str, Near] = field(default_factory=dict)
    rounds: int = 0
    composed: int = 0

    def read(self, row: dict[str, Any]) -> None:
        """Add a row of the progress file."""
        if "round" in row:
            self.rounds = row["round"] + 1
        elif "composed" in row:
            self.composed = row["composed"] + 1
        else:
            self.calls[row["task"]] = row["calls"]
            self.near[row["task"]] = [(parse(text), right) for text, right in row["near"]]
            if row["stage"] == "ended":
                self.ended.add(row["task"])


class Journal:
    """The two files of a search for seeds, and what they said when it began.

    Raises `UsageError` where they cannot be read or written.
    """

    def __init__(self, out: Path, header: dict[str, Any], resume: bool) -> None:
        self.out = out
        progress = out.with_suffix(".progress.jsonl")
        if resume and not out.is_file():
            raise UsageError(f"{out}: no discovery to resume")
        if not resume and (out.exists() or progress.exists()):
            raise UsageError(f"{out} exists already: go on with --resume, or choose another --out")
        if not out.parent.is_dir():
            raise UsageError(f"{out.parent}: no such folder")
        self.found = Found()
        with ExitStack() as stack:  # closes what is open if a later step fails
            try:
                stack.enter_context(lock_file(out))
                self._seeds, self._progress = (stack.enter_context(_open(file)) for file in (out, progress))
                self._read(out, progress, header)
            except OSError as error:
                raise UsageError(f"cannot write {error.filename or out}: {error.strerror}") from None
            self._open = stack.pop_all()

    def _read(self, out: Path, progress: Path, header: dict[str, Any]) -> None:
        rows = _rows(progress)
        if not rows:
            self._write(self._progress, header)
        else:
            self._check(out, rows[0], header)
        try:
            for row in rows[1:]:
                self.found.read(row)
            for row in _rows(out):
                self.found.programs[row["task"]] = parse(row["program"])
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{out} or {progress.name} is no file of a discovery: {error}") from None

    def _check(self, out: Path, first: dict[str, Any], header: dict[str, Any]) -> None:
        """Raise `UsageError` where the first row says that the files are of another discovery."""
        known = first.get("tasks_hash", "")
        made = {name: value for name, value in first.items() if name != "tasks_hash"}
        same = {name: lasting(value) if name == "tasks" else value for name, value in made.items()}
        asked = same.keys() | (header.keys() & {"tasks", "seed"})  # files of an earlier version say no more
        if any(same.get(name) != header.get(name) for name in asked):
            shown = {name: ",".join(value) if isinstance(value, list) else value for name, value in made.items()}
            given = (f"--{name.replace('_', '-')} {value}" for name, value in shown.items() if value not in (None, ""))
            options = ", ".join(given)
            raise UsageError(f"{out} was made with {options}: --resume needs the same")
        check_same(out, header.get("tasks", ""), known, header.get("tasks_hash", ""), "choose another --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def solved(self, task: str, program: Program) -> None:
        """Record the program of a task."""
        self._write(self._seeds, Seed(task, program, "search").row)

    def searched(self, task: str, calls: int, stage: str, near: Sequence[tuple[Program, int]]) -> None:
        """Record how far the enumeration of a task went."""
        row = {"task": task, "calls": calls, "stage": stage, "near": [(program.text, right) for program, right in near]}
        self._write(self._progress, row)

    def mutated(self, number: int) -> None:
        """Record a round of mutants."""
        self._write(self._progress, {"round": number})

    def composed(self, number: int) -> None:
        """Record a batch of composition."""
        self._write(self._progress, {"composed": number})

    def _write(self, file: FileIO, row: dict[str, Any]) -> None:
        line = (json.dumps(row) + "\n").encode()
        try:
            reason = "the disk is full" if file.write(line) < len(line) else None
        except OSError as error:
            reason = error.strerror
        if reason is not None:
            raise UsageError(f"cannot write {file.name}: {reason} (what was found is kept: --resume goes on)")


def _open(path: Path) -> FileIO:
    """Open to append whole rows: a last row without its end is cut off."""
    file = FileIO(path, "a+")
    cut_unfinished(file)
    return file


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path}: not JSON lines: {error}") from None
