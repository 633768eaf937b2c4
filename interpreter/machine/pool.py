"""A pool of worker processes, each with a machine of its own.

Inputs, bytecode, jobs and results lie in shared memory (`transport`); pipes carry a few words a chunk.
Results come in order, the same for any number of workers. Each worker has its next chunk before it is done with one.

A worker that dies is replaced, and what it was running is run again one program at a time; a program that goes on
killing workers when it is alone is given the outcome `crashed`. Nothing else is lost. Fuel bounds a run; a watchdog,
far beyond it, is for bugs only.
"""

from __future__ import annotations

import logging
import math
import os
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from types import TracebackType

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, Runs, check_jobs, warm_up
from interpreter.machine.transport import SharedGrids, Slot
from interpreter.machine.worker import SLOTS, start, work
from interpreter.runtime.outcome import Outcome

log = logging.getLogger(__name__)

Batch = tuple[Code, npt.NDArray[np.int32]]  # programs, and jobs of (n, 2): index of a program, index of its input

# Runs of one message to a worker: enough to hide the message, few enough to balance the load.
CHUNK = 1024
# A chunk is given up after this many seconds, and this many for each unit of fuel that its runs may use: about three
# hundred times what a unit takes.
PATIENCE, PATIENCE_PER_FUEL = 60.0, 1e-6
LONGEST_WAIT = 3600.0  # seconds between two looks at workers that have longer: the system cannot wait for years
# Workers that a program may lose, alone, before it is thought guilty: a worker can be killed from outside, too.
TRIES = 3
# Workers that may be killed, one after the other, before they are ready.
STARTS = 20


@dataclass(eq=False)
class _Pending:
    """A batch of `n` runs on its way: the results so far, each with the rows of the batch that they belong to."""

    n: int
    parts: list[tuple[npt.NDArray[np.int64], Runs]] = field(default_factory=list)
    done: int = 0

    def add(self, rows: npt.NDArray[np.int64], runs: Runs) -> None:
        self.parts.append((rows, runs))
        self.done += len(rows)

    def result(self) -> Runs:
        """All results, in the order of the batch."""
        assert self.done == self.n
        if self.n == 0:
            return Runs.failed(0, Outcome.CRASHED)
        self.parts.sort(key=lambda part: part[0][0])
        rows = np.concatenate([rows for rows, _ in self.parts])
        runs = Runs.concatenate([runs for _, runs in self.parts])
        in_order = bool((rows[1:] > rows[:-1]).all())  # always, unless a chunk was split
        return runs if in_order else runs.take(np.argsort(rows))


@dataclass(frozen=True, eq=False)
class _Chunk:
    """A part of a batch: some of its programs and of their jobs, whose results go to `rows`."""

    batch: _Pending
    code: Code
    jobs: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    deaths: int = 0  # of workers that ran this chunk when it was a single program

    def split(self) -> Iterator[_Chunk]:
        """One chunk a program."""
        return (self.part(np.flatnonzero(self.jobs[:, 0] == program)) for program in range(len(self.code)))

    def part(self, which: slice | npt.NDArray[np.int64]) -> _Chunk:
        """Some of the jobs, with the programs that they need."""
        programs, renumbered = np.unique(self.jobs[which, 0], return_inverse=True)
        jobs = np.stack([renumbered, self.jobs[which, 1]], axis=1).astype(np.int32)
        return replace(self, code=self.code.take(programs), jobs=jobs, rows=self.rows[which])


@dataclass(eq=False)
class _Worker:
    """A process, and what it has to do: the chunk in the first busy slot runs until `deadline`, the other is next."""

    process: subprocess.Popen[bytes]
    connection: Connection
    free: deque[Slot]
    ready: bool = False
    busy: deque[tuple[Slot, _Chunk]] = field(default_factory=deque)
    deadline: float = math.inf


def default_workers() -> int:
    """The number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Pool:
    """`workers` processes (default: one a processor) that run programs on the loaded grids.

    Close it, or use it as a context manager; an exception or Ctrl-C in the parent leaves no process behind.
    """

    def __init__(
        self,
        grids: GridTable,
        workers: int | None = None,
        fuel: int = DEFAULT_FUEL,
        words: int = DEFAULT_WORDS,
    ) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"a pool needs at least 1 worker, not {workers}")
        self._limits = (fuel, words)
        self._workers: list[_Worker] = []
        self._todo: deque[_Chunk] = deque()
        self._streaming = False
        self._closed = False
        self._killed_starts = 0  # one after the other
        warm_up()  # compile in the parent: a worker that compiles must not be killed
        self._grids = SharedGrids(grids)
        try:
            for _ in range(workers or default_workers()):
                self._workers.append(self._start(deque(map(Slot, range(SLOTS)))))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(self, code: Code, jobs: npt.NDArray[np.int32]) -> Runs:
        """Run `jobs`, int32 of (n, 2): index of a program in `code`, index of its input among the grids.

        Results are in the order of the jobs. Raises `IndexError` for a job that names what is not there, and
        `RuntimeError` where the pool is closed or workers cannot start.
        """
        [runs] = self.stream([(code, jobs)])
        return runs

    def stream(self, batches: Iterable[Batch], ahead: int = 4) -> Iterator[Runs]:
        """Run batch after batch; yields the results of each, in order.

        At most `ahead` batches are taken that are not yielded yet, however many there are and however slow the
        consumer is. The pool stays usable where the consumer stops early and where `batches` raises; an exception of
        its own closes it. One stream at a time.
        """
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")
        if self._streaming:
            raise RuntimeError("the pool runs another stream: finish or close that one first")
        source = iter(batches)
        pending: deque[_Pending] = deque()
        self._streaming = True
        try:
            while True:
                while len(pending) < ahead and (batch := next(source, None)) is not None:
                    pending.append(self._take(batch))
                if not pending:
                    return
                self._finish(pending[0])
                yield pending.popleft().result()
        finally:
            self._todo.clear()  # what workers have begun of a stream that stopped is thrown away when it comes
            self._streaming = False

    def close(self) -> None:
        """End the workers and free the shared memory. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.wait()
            for slot in (*worker.free, *(slot for slot, _ in worker.busy)):
                slot.close()
        self._workers.clear()
        self._grids.close()

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid for worker in self._workers]

    def _take(self, batch: Batch) -> _Pending:
        """Cut a batch into chunks to do."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        code, jobs = batch
        check_jobs(jobs, len(code), self._grids.sizes[0])
        pending = _Pending(len(jobs))
        whole = _Chunk(pending, code, jobs, np.arange(len(jobs)))
        size = max(1, min(CHUNK, math.ceil(len(jobs) / (2 * SLOTS * len(self._workers)))))
        self._todo.extend(whole.part(slice(low, low + size)) for low in range(0, len(jobs), size))
        return pending

    def _finish(self, batch: _Pending) -> None:
        """Keep the workers busy until a batch is done."""
        if self._closed:
            raise RuntimeError("the pool is closed")
        try:
            while batch.done < batch.n:
                for worker in self._workers:
                    while worker.ready and worker.free and self._todo:
                        self._send(worker)
                self._wait()
        except BaseException:
            self.close()
            raise

    def _start(self, slots: deque[Slot]) -> _Worker:
        for slot in slots:
            slot.move()
        process, connection = start(work, *self._limits)
        with suppress(OSError):  # a worker that died at once is seen when it is waited for
            self._grids.send(connection)
        return _Worker(process, connection, slots)

    def _send(self, worker: _Worker) -> None:
        chunk = self._todo.popleft()
        slot = worker.free[0]
        try:
            slot.ask(worker.connection, chunk.code, chunk.jobs)
        except OSError:  # it has died, which is not this chunk's fault
            self._todo.appendleft(chunk)
            self._recover(worker)
            return
        worker.busy.append((worker.free.popleft(), chunk))
        if len(worker.busy) == 1:
            self._set_deadline(worker)

    def _set_deadline(self, worker: _Worker) -> None:
        """Give the chunk that the worker runs now, if any, its time."""
        worker.deadline = math.inf
        if worker.busy:
            _, chunk = worker.busy[0]
            worker.deadline = time.monotonic() + PATIENCE + PATIENCE_PER_FUEL * self._limits[0] * len(chunk.jobs)

    def _wait(self) -> None:
        """Wait until a worker is ready, has a result, dies, or is overdue."""
        waiting = [worker for worker in self._workers if worker.busy or not worker.ready]
        patience = min((worker.deadline for worker in waiting), default=0.0) - time.monotonic()
        patience = min(max(patience, 0), LONGEST_WAIT)
        answered = wait([worker.connection for worker in waiting], patience)
        for worker in waiting:
            if worker.connection in answered:
                self._receive(worker)
            elif time.monotonic() > worker.deadline:
                worker.process.kill()
                self._recover(worker)

    def _receive(self, worker: _Worker) -> None:
        try:
            worker.connection.recv()
        except (EOFError, OSError):
            self._recover(worker)
            return
        if not worker.ready:
            worker.ready = True
            self._killed_starts = 0
            return
        slot, chunk = worker.busy.popleft()
        chunk.batch.add(chunk.rows, slot.take())
        worker.free.append(slot)
        self._set_deadline(worker)

    def _recover(self, worker: _Worker) -> None:
        """Put another process in place of a dead one, and its chunks back; the one it was running program by program.

        Raises `RuntimeError` if a worker fails before it is ready, or if one after the other is killed there.
        """
        worker.connection.close()
        status = worker.process.wait()
        self._killed_starts += not worker.ready
        if not worker.ready and (status >= 0 or self._killed_starts == STARTS):
            raise RuntimeError(f"workers cannot start (exit code {status})")
        worker.free.extend(slot for slot, _ in worker.busy)
        self._workers[self._workers.index(worker)] = self._start(deque(worker.free))
        worker.free.clear()
        running, *following = (chunk for _, chunk in worker.busy) if worker.busy else [None]
        self._todo.extendleft(reversed(following))
        if running is not None:
            self._blame(running)

    def _blame(self, chunk: _Chunk) -> None:
        """Put a chunk whose worker died back, each of its programs alone; give up a single one in the end."""
        if len(chunk.code) > 1:
            log.warning("a worker died; its %d programs run again, one at a time", len(chunk.code))
            self._todo.extendleft(reversed(list(chunk.split())))
        elif chunk.deaths + 1 < TRIES:
            self._todo.appendleft(replace(chunk, deaths=chunk.deaths + 1))
        else:
            log.error("a program kills its worker; its outcome is `crashed`: bytecode %s", chunk.code.rows.tolist())
            chunk.batch.add(chunk.rows, Runs.failed(len(chunk.rows), Outcome.CRASHED))
