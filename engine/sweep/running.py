"""The runs of a sweep: `codeit run` in a process each, so many at the same time; what is done is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError
from engine.files import make_folder, read_lines, read_object
from engine.run_folder import RunFolder
from engine.sweep.plan import OPTIONS, Run, write_options
from interpreter.machine.pool import default_workers

POLL = 0.2  # seconds between looks at what runs
_PATIENCE = 30.0  # seconds that a run has to close what is open when the sweep is interrupted


@dataclass(frozen=True, eq=False)
class Place:
    """Where a run of a sweep lies."""

    run: Run
    sweep: Path
    seeds: str | None = None
    """seed programs, as `codeit run --seeds` has them"""

    @property
    def folder(self) -> Path:
        return self.sweep / "runs" / self.run.name

    @property
    def log(self) -> Path:
        return self.sweep / "logs" / f"{self.run.name}.txt"

    def is_done(self) -> bool:
        """Whether the run has its last meta-iteration, and says so."""
        rows = read_lines(self.folder / "metrics.jsonl", "meta_iteration")
        is_last = bool(rows) and rows[-1]["meta_iteration"] >= self.run.config.loop.meta_iterations
        return is_last and (self.folder / "summary.json").is_file()

    def seconds(self) -> float:
        """What a run took that is done, all its parts together, without what came before its first meta-iteration's
        clock and after its last: imports, and the report."""
        return float(read_object(self.folder / "summary.json", "seconds")["seconds"])

    def command(self, threads: int) -> list[str]:
        """The command that begins the run, or goes on with it."""
        words = [sys.executable, "-m", "engine.cli", "run", "--run-dir", str(self.folder)]
        if (self.folder / "config.toml").is_file():
            words.append("--resume")
        else:
            words += [word for preset in self.run.presets for word in ("--preset", preset)]
            words += [
                "--config",
                str(write_options(self.run, self.sweep, self.seeds)),
                "--loop.seed",
                str(self.run.seed),
            ]
            words += [] if self.seeds is None else ["--seeds", self.seeds]
        config = self.run.config
        words += ["--loop.threads", str(config.loop.threads or threads)]
        return [*words, "--interpreter.workers", str(config.interpreter.workers or threads)]


@dataclass(frozen=True)
class Ended:
    """A run that ended: its exit status, and the seconds since the sweep started it."""

    place: Place
    status: int
    seconds: float

    @property
    def last_words(self) -> str:
        """The last line that the run said."""
        lines = self.place.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


def run_all(places: Sequence[Place], parallel: int, ended: Callable[[Ended], None]) -> None:
    """Run what is not done, `parallel` at a time; `ended` is told of each that ends. One that fails stops no other.

    An exception, Ctrl-C included, ends those that run: they close what is open and go on with the next sweep.
    """
    threads = max(1, default_workers() // parallel)
    waiting = [place for place in places if not place.is_done()]
    working: dict[subprocess.Popen[bytes], tuple[Place, float]] = {}
    try:
        while waiting or working:
            while waiting and len(working) < parallel:
                place = waiting.pop(0)
                working[_start(place, threads)] = place, time.monotonic()
            time.sleep(POLL)
            for process in [process for process in working if process.poll() is not None]:
                place, start = working.pop(process)
                ended(Ended(place, process.returncode, time.monotonic() - start))
    finally:
        for process in working:
            process.terminate()
        for process in working:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def check_is_sweep(folder: Path) -> None:
    """Raise `UsageError` for a folder that is of no sweep."""
    if not (folder / OPTIONS).is_dir():
        raise UsageError(f"{folder} is no sweep's folder: it has no {OPTIONS}/")


def check_folders(places: Sequence[Place]) -> None:
    """Raise `UsageError` where what a run is given differs from what it was given before, or its folder is damaged."""
    for place in places:
        write_options(place.run, place.sweep, place.seeds)
        if (place.folder / "config.toml").is_file():
            RunFolder(place.folder).config()


def _start(place: Place, threads: int) -> subprocess.Popen[bytes]:
    make_folder(place.log.parent)
    make_folder(place.folder.parent)
    environment = {**os.environ, "OMP_NUM_THREADS": str(place.run.config.loop.threads or threads)}
    with place.log.open("ab") as log:
        return subprocess.Popen(
            place.command(threads), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
