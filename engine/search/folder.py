"""A search's folder on disk.

    search.json       the settings                        provenance.jsonl   commit, versions and machine of each start
    seeds.jsonl       the seed programs it started with
    search.jsonl      every program that matches the first demonstration of a task, with its scores, as it is found
    curve.jsonl       tasks solved at round numbers of programs
    summary.json      tasks solved, see `engine.evaluation`
    progress.json     the point to go on from: counts, and the lengths of the files above at that point
    keys.i64          hashes of all candidates so far and of their behaviour, so that none is run twice
    .lock             held while a search is in the folder

`progress.json` is the truth, replaced whole after every batch. What stands behind its lengths in the other files is of
a batch that was not finished, and is cut off by `SearchFolder.open`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import UsageError
from engine.files import (
    append_line,
    lock_folder,
    new_folder,
    read_object,
    read_optional,
    resumable,
    rows_of,
    write_json,
    write_lines,
)
from engine.kept_tasks import kept_tasks
from engine.ranking import Entry
from engine.run_folder import provenance
from engine.tasks import Task
from interpreter.language.vocabulary import PROGRAM_TOKENS
from trainer.codec import vocabulary_hash

_VOCABULARY = vocabulary_hash(PROGRAM_TOKENS)  # candidates are told apart by hashes of the ids of their tokens
COLUMNS = ("task", "program", "demonstration_performance", "prediction", "number")  # of a row, at least
_GROWING = ("search.jsonl", "curve.jsonl", "keys.i64")


def is_search(path: Path) -> bool:
    """Whether a folder is of a search."""
    return (path / "search.json").is_file()


def open_search(path: Path, settings: Mapping[str, Any], seeds: Sequence[Mapping[str, Any]]) -> SearchFolder:
    """The folder of a run's search, as it was at the last point to go on from; a new one where there is none.

    What was left of one that was stopped before it was there goes.
    """
    if is_search(path):
        return SearchFolder.open(path, path.parent)
    if path.exists():
        shutil.rmtree(path)
    return SearchFolder.create(path, settings, seeds, path.parent)


def check_is_search(path: Path) -> None:
    """Raise `UsageError` for a folder that is of no search."""
    if not is_search(path):
        raise UsageError(f"{path} is no search folder: it has no search.json")


def search_settings(path: Path) -> dict[str, Any]:
    """The settings that the search of a folder was started with. Raises `UsageError` for a file that is damaged."""
    return read_object(path / "search.json", "tasks", "task_ids", "limit")


def searched_tasks(path: Path) -> list[Task]:
    """The tasks that the search of a folder is about. Raises `UsageError` where they are not there as they were."""
    settings = search_settings(path)
    return kept_tasks(path, settings["tasks"], settings, "start another search")


def found_rows(path: Path) -> Iterator[dict[str, Any]]:
    """What the search of a folder found until the point to go on from: rows behind it are of a batch that is not done,
    and are found again."""
    return rows_of(path / "search.jsonl", *COLUMNS, length=found_bytes(path))


def found_bytes(path: Path) -> int:
    """How much of `search.jsonl` is until the point to go on from."""
    return read_optional(path / "progress.json").get("lengths", {}).get("search.jsonl", 0)


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry that a row of `search.jsonl` stands for."""
    return Entry(row["program"], row["demonstration_performance"], bytes.fromhex(row["prediction"]), row["number"])


class SearchFolder:
    """The folder of one search, locked against a second search in it; `run` is that of the run that it is in."""

    def __init__(self, path: Path, run: Path | None = None) -> None:
        self.path = path
        self._options = None if run is None else f"--run-dir {run}"  # to go on with
        self.seeds = path / "seeds.jsonl"
        self._lock = lock_folder(path)

    @classmethod
    def create(
        cls, path: Path, settings: Mapping[str, Any], seeds: Sequence[Mapping[str, Any]], run: Path | None = None
    ) -> SearchFolder:
        """A new search's folder. Raises `UsageError` if something is in the way."""
        new_folder(path, "--out")
        folder = cls(path, run)
        with folder.writing():
            append_line(path / "provenance.jsonl", provenance())
            write_lines(folder.seeds, list(seeds))
            for name in _GROWING:
                (path / name).touch()
            write_json(path / "search.json", settings)
        return folder

    @classmethod
    def open(cls, path: Path, run: Path | None = None) -> SearchFolder:
        """The folder of an earlier search, as it was at the last point to go on from."""
        check_is_search(path)
        folder = cls(path, run)
        with folder.writing():
            append_line(path / "provenance.jsonl", provenance())
            progress = folder.progress()
            if progress.get("vocabulary", _VOCABULARY) != _VOCABULARY:
                raise UsageError(
                    f"{path} was made with another set of primitives, so that the candidates it tried cannot be told: "
                    "start another search (what was found is in search.jsonl)"
                )
            folder._cut(progress.get("lengths", {}))
        return folder

    def _cut(self, lengths: Mapping[str, int]) -> None:
        """Cut the files to the lengths that they had at the point to go on from, if all of them have as much."""
        for name in _GROWING:
            file, wanted = self.path / name, lengths.get(name, 0)
            found = file.stat().st_size if file.is_file() else 0
            if found < wanted:
                raise UsageError(
                    f"{file} has {found:,} bytes of {wanted:,}: a part of it was lost; put it back from a copy, or "
                    "start another search"
                )
        for name in _GROWING:
            os.truncate(self.path / name, lengths.get(name, 0))

    def settings(self) -> dict[str, Any]:
        """The settings that the search was started with. Raises `UsageError` for a file that is damaged."""
        return search_settings(self.path)

    def progress(self) -> dict[str, Any]:
        """What was committed last; empty for a search that was stopped in its first batch."""
        return read_optional(self.path / "progress.json")

    def rows(self) -> Iterator[dict[str, Any]]:
        """What was found, in order."""
        return rows_of(self.path / "search.jsonl", *COLUMNS)

    def keys(self) -> npt.NDArray[np.int64]:
        """Hashes of all candidates so far: int64 of (n, 2), program and behaviour."""
        return np.fromfile(self.path / "keys.i64", np.int64).reshape(-1, 2)

    def append(self, rows: Sequence[Mapping[str, Any]], keys: npt.NDArray[np.int64]) -> None:
        """Write what a batch found; it counts when `commit` says so."""
        with self.writing():
            with (self.path / "search.jsonl").open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in rows)
            with (self.path / "keys.i64").open("ab") as file:
                file.write(keys.tobytes())

    def append_point(self, row: Mapping[str, Any]) -> None:
        """Write a point of the curve."""
        with self.writing():
            append_line(self.path / "curve.jsonl", row)

    def commit(self, progress: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Make everything that was written the point to go on from."""
        lengths = {name: (self.path / name).stat().st_size for name in _GROWING}
        with self.writing():
            write_json(self.path / "summary.json", summary)
            write_json(self.path / "progress.json", {**progress, "lengths": lengths, "vocabulary": _VOCABULARY})

    def writing(self) -> AbstractContextManager[None]:
        """Turn what a disk refuses into a `UsageError` that says how to go on."""
        return resumable(self.path, "what was found before this batch", self._options)

    def close(self) -> None:
        """Give the folder free."""
        self._lock.close()
