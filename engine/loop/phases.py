"""The phases of a meta-iteration: shown, timed, and watched.

Phases may run at the same time in several threads. What has not moved for a while is named, in the log and with the
stack of every thread in a file, because something that waits for ever says nothing itself.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.loop.rollout import Update
from engine.progress import Display

log = logging.getLogger(__name__)


@dataclass
class _Phase:
    name: str
    began: float
    moved: float
    """When it last said how far it is."""
    due: float
    """How long it may stand still before that is said."""
    state: str = "it has reported nothing"


class Phases:
    """What a run is doing. A context manager: it watches until it is closed.

    A phase that has not moved for `limit` seconds (0: any time) is reported, again after twice as long and so on, with
    the threads' stacks in `stacks`.
    """

    def __init__(self, display: Display, limit: float, stacks: Path) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._began = time.perf_counter()
        self._display = display
        self._limit = limit
        self._stacks = stacks
        self._running: list[_Phase] = []
        self._terminal = -1
        self._is_closed = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Phases:
        if self._limit:
            self._terminal = os.dup(2)
            self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        if self._limit:
            self._watching.join()
            os.close(self._terminal)

    def restart(self) -> None:
        """Forget how long phases took: a meta-iteration begins."""
        self.seconds, self._began = defaultdict(float), time.perf_counter()

    def elapsed(self) -> float:
        """Seconds since the meta-iteration began."""
        return time.perf_counter() - self._began

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Update]:
        """A phase, from here to the end of the block; yields what shows its progress."""
        start = time.perf_counter()
        try:
            with self.watched(name, total) as update:
                yield update
        finally:
            self.seconds[name] += time.perf_counter() - start

    @contextmanager
    def watched(self, name: str, total: int | None = None) -> Iterator[Update]:
        """The same for what is no phase of its own: it is not timed."""
        start = time.perf_counter()
        running = _Phase(name, start, start, self._limit)
        self._running.append(running)
        try:
            with self._display.phase(name, total) as shown:

                def update(done: int, total: int | None = total, note: str = "") -> None:
                    running.moved, running.due = time.perf_counter(), self._limit
                    running.state = f"it was at {done} of {total or '?'} {note}".strip()
                    shown(done, total, note)

                yield update
        finally:
            self._running.remove(running)

    def rounded(self) -> dict[str, float]:
        """Seconds of each phase."""
        return {name: round(seconds, 3) for name, seconds in self.seconds.items()}

    def _watch(self) -> None:
        while not self._is_closed.wait(min(5.0, self._limit / 4)):
            now = time.perf_counter()
            for phase in list(self._running):
                still = now - phase.moved
                if still >= phase.due:
                    phase.due = 2 * still
                    self._report(phase, now)

    def _report(self, phase: _Phase, now: float) -> None:
        with self._stacks.open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {phase.name} stands still\n")
            file.flush()
            faulthandler.dump_traceback(file)
            file.write("\n")
        text = (
            f"the phase {phase.name} stands still: nothing has moved for {now - phase.moved:.0f} s (it began "
            f"{now - phase.began:.0f} s ago; {phase.state}); all stacks: {self._stacks}"
        )
        log.warning("%s", text)
        if not os.path.sameopenfile(2, self._terminal):  # an engine that starts has the output to itself
            os.write(self._terminal, f"{text}\n".encode())
