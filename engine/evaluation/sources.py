"""What is evaluated: sources of programs, read one program at a time, in order of discovery.

    run          what policy and search of a run found   checkpoint   nothing stored: its policy is sampled
    search       what a search found                     replay       all experiences of a replay store
    programs     a file or folder of programs: JSONL with `program` and, if it is for one task alone, `task`, or
                 whatever `seeds import` reads; of an evaluation, what it found

A program with a task runs on that task alone, others on all. Samples of a policy are JSONL, too, once they are drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.files import read_optional
from engine.run_folder import RunFolder, open_replay
from engine.search.folder import found_bytes, is_search, search_settings
from engine.seeds.files import TASK_KEYS, read_entries
from interpreter.language.program import Program, quoted
from trainer.checkpoint import MANIFEST

RUN, CHECKPOINT, SEARCH, REPLAY, PROGRAMS = "run", "checkpoint", "search", "replay", "programs"
POLICY, MUTATED, FOUND, FILE = "policy", "mutated", "search", "file"  # origins of programs

_FORM = 'right is {"program": "...", "task": "..."}, the task only where it is for that one alone'
_RIGHT = "right is a run, a checkpoint, the folder of a search or an evaluation, a replay store, or a file of programs"


@dataclass(frozen=True)
class Stored:
    """A program of a source: its text, or the program itself; or what is wrong with it, or why it does not count."""

    program: str | Program
    task: str | None = None
    origin: str = FILE
    meta_iteration: int | None = None
    problem: str | None = None
    left_out: str | None = None


@dataclass(frozen=True)
class Source:
    """One source. `fuel` is what its programs ran with, None where that is not known."""

    kind: str
    path: Path
    fuel: int | None = None
    samples: Path | None = None
    """where the samples of its policy are, if it is these that count"""

    @property
    def origin(self) -> str:
        """Where its programs come from, unless they say so themselves."""
        return {RUN: POLICY, CHECKPOINT: POLICY, SEARCH: FOUND}.get(self.kind, FILE)

    def programs(self, skip: int = 0) -> Iterator[Stored]:
        """Its programs in order, without the first `skip`. Raises `UsageError` and `ReplayError`."""
        if self.samples is not None:
            return islice(_lines(self.samples), skip, None)
        if self.kind in (RUN, REPLAY):
            return islice(_experiences(self.path, all_origins=self.kind == REPLAY), skip, None)
        if self.kind == SEARCH:
            return islice(_search(self.path), skip, None)
        if self.kind == PROGRAMS and self.path.suffix == ".jsonl":
            return islice(_lines(self.path), skip, None)
        return islice(_entries(self.path), skip, None)

    def state(self) -> dict[str, Any]:
        """How many programs it has, as far as that is known, and what tells whether it has changed."""
        if self.samples is not None or self.path.suffix == ".jsonl":
            file = self.samples or self.path
            with file.open("rb") as lines:
                return {"programs": sum(1 for _ in lines), "bytes": file.stat().st_size}
        if self.kind in (RUN, REPLAY):
            with open_replay(self.path) as store:
                return {"programs": len(store)}
        if self.kind == SEARCH:
            return {"bytes": found_bytes(self.path)}
        return {}


def find_source(path: Path) -> Source:
    """The source that a path is. Raises `UsageError` where it is none."""
    if (path / "config.toml").is_file():
        return Source(RUN, path, RunFolder(path).config().interpreter.fuel)
    if is_search(path):
        return Source(SEARCH, path, search_settings(path).get("fuel"))
    if (path / "data.mdb").is_file() or (path / "replay" / "data.mdb").is_file():
        return Source(REPLAY, path)
    if (path / MANIFEST).is_file():
        return Source(CHECKPOINT, path)
    if (path / "evaluation.json").is_file() and (path / "found.jsonl").is_file():
        return Source(PROGRAMS, path / "found.jsonl", _evaluated_fuel(path))
    if path.is_file() or (path.is_dir() and (any(path.glob("*.py")) or any(path.glob("*.json")))):
        return Source(PROGRAMS, path)
    raise UsageError(f"{path}: {'nothing to evaluate' if path.exists() else 'no such file or folder'}; {_RIGHT}")


def _evaluated_fuel(evaluation: Path) -> int | None:
    """The most that a source of an evaluation ran with, None where it does not say: it is old, or not done."""
    sources = read_optional(evaluation / "summary.json").get("sources", [])
    return max((source["fuel"] for source in sources if "fuel" in source), default=None)


# -------------------------------------------------------------------------------------------- readers


def _experiences(path: Path, all_origins: bool) -> Iterator[Stored]:
    """Each program of a task once for each that found it, of policy and search."""
    with open_replay(path) as store:
        for experience in store.in_order():
            for meta_iteration, origin in experience.discoveries:
                yield Stored(experience.program, experience.task, origin.value, meta_iteration)
            if experience.discoveries:
                continue
            if all_origins:
                yield Stored(experience.program, experience.task, MUTATED, experience.meta_iteration)
            else:
                yield Stored("", left_out="of seeds and mutants")


def _search(path: Path) -> Iterator[Stored]:
    """The rows of a search that are committed: others are of a batch that is not done."""
    left = found_bytes(path)
    with (path / "search.jsonl").open("rb") as lines:
        for line in lines:
            left -= len(line)
            if left < 0:
                return
            yield _stored(line)


def _lines(file: Path) -> Iterator[Stored]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _stored(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _stored(line: bytes) -> Stored:
    """The program of a line, or what is wrong with the line."""
    try:
        row = json.loads(line)
    except RecursionError:
        return Stored("", problem="not JSON that can be read: nested too deeply")
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        return Stored("", problem=f"not JSON: {error}")
    if not isinstance(row, dict) or not isinstance(row.get("program"), str):
        return Stored("", problem=_FORM)
    task = next((row[key] for key in TASK_KEYS if row.get(key)), None)
    if task is not None and not isinstance(task, str):
        return Stored("", problem=f'"task" must be a text, not {quoted(str(task))}')
    number = row.get("meta_iteration")
    number = number if isinstance(number, int) else None
    return Stored(row["program"], task, _origin(row, number), number)


def _origin(row: dict[str, Any], meta_iteration: int | None) -> str:
    """What a row says of where its program comes from, or what shows of it."""
    if row.get("origin") in (POLICY, MUTATED, FOUND, FILE):
        return row["origin"]
    if row.get("method") == POLICY:  # in the search of a run
        return POLICY
    if meta_iteration is not None:
        return POLICY
    return FOUND if "prediction" in row else FILE


def _entries(path: Path) -> Iterator[Stored]:
    for entry in read_entries(path):
        if isinstance(entry.program, str):
            yield Stored("", problem=f"{entry.where}: {entry.program}")
        else:
            yield Stored(entry.program, entry.task or None)
