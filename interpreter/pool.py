"""A pool of worker processes, each with a machine of its own.

Inputs are put into shared memory once (`load`); a batch goes over as arrays of bytecode and jobs, and results
come back as arrays, in order, the same for any number of workers. A worker that dies is replaced and its part of
the batch is run again one program at a time; a program that goes on killing workers when it is alone is given
the outcome `crashed`. Nothing else is lost. Fuel bounds a run; a watchdog, far beyond it, is for bugs only.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.machine import DEFAULT_FUEL, DEFAULT_WORDS, Code, Machine, Runs, check_jobs, warm_up
from interpreter.outcome import Outcome

log = logging.getLogger(__name__)

# Programs of one message to a worker: large enough to hide the message, small enough to balance the load.
CHUNK = 256
# A chunk is given up after this many seconds, and this many for each unit of fuel that its runs may use: about three
# hundred times what a unit takes.
PATIENCE, PATIENCE_PER_FUEL = 60.0, 1e-6
# Workers that a program may lose, alone, before it is thought guilty: a worker can be killed from outside, too.
TRIES = 3


@dataclass(frozen=True)
class _Chunk:
    """A part of a batch: programs first..last - 1 with their jobs, whose results go to `rows`."""

    code: Code
    jobs: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    deaths: int = 0  # of workers that ran this chunk when it was a single program

    def split(self) -> list[_Chunk]:
        """One chunk a program."""
        return list(_chunks(self.code, self.jobs, self.rows, size=1))


@dataclass
class _Worker:
    """A process, and what it is doing: nothing yet (not `ready`), nothing, or a chunk until `deadline`."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    ready: bool = False
    chunk: _Chunk | None = None
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
        self._grids = len(grids)
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._memory: SharedMemory | None = None
        warm_up()  # compile in the parent: a worker that compiles must not be killed
        try:
            self._shared = self._share(grids)
            for _ in range(workers or default_workers()):
                self._workers.append(self._start())
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
        `RuntimeError` where the pool is closed or a worker cannot start. Any exception closes the pool.
        """
        if not self._workers:
            raise RuntimeError("the pool is closed")
        check_jobs(jobs, len(code), self._grids)
        order = np.argsort(jobs[:, 0], kind="stable")
        size = max(1, min(CHUNK, math.ceil(len(code) / (4 * len(self._workers)))))
        todo = deque(_chunks(code, jobs[order], order, size))
        parts: list[_Part] = []
        try:
            while todo or any(worker.chunk for worker in self._workers):
                for worker in self._workers:
                    if worker.ready and worker.chunk is None and todo:
                        self._send(worker, todo)
                self._wait(todo, parts)
        except BaseException:
            self.close()
            raise
        return _in_order(parts, len(jobs))

    def close(self) -> None:
        """End the workers and free the shared memory. Idempotent."""
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()
        if self._memory is not None:
            self._memory.close()
            self._memory.unlink()
            self._memory = None

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def _share(self, grids: GridTable) -> tuple[str, int, int]:
        parts = [grids.starts.tobytes(), grids.shapes.tobytes(), grids.cells.tobytes()]
        data = b"".join(parts)
        self._memory = SharedMemory(create=True, size=max(len(data), 1))
        self._memory.buf[: len(data)] = data
        return self._memory.name, len(grids), len(grids.cells)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs, self._shared, self._limits), daemon=True)
        # Ctrl-C is the parent's to handle: a worker inherits the mask, and so ignores it from its first moment.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        return _Worker(process, ours)

    def _send(self, worker: _Worker, todo: deque[_Chunk]) -> None:
        chunk = todo.popleft()
        try:
            worker.connection.send((chunk.code.rows, chunk.code.starts, chunk.jobs))
        except OSError:  # it died while it was idle: the chunk is not to blame
            todo.appendleft(chunk)
            self._replace(worker)
            return
        worker.chunk = chunk
        worker.deadline = time.monotonic() + PATIENCE + PATIENCE_PER_FUEL * self._limits[0] * len(chunk.jobs)

    def _wait(self, todo: deque[_Chunk], parts: list[_Part]) -> None:
        """Wait until a worker is ready, has a result, dies, or is overdue."""
        waiting = [worker for worker in self._workers if worker.chunk or not worker.ready]
        patience = min((worker.deadline for worker in waiting), default=0.0) - time.monotonic()
        answered = wait([worker.connection for worker in waiting], None if patience == math.inf else max(patience, 0))
        for worker in waiting:
            if worker.connection in answered:
                self._receive(worker, todo, parts)
            elif time.monotonic() > worker.deadline:
                worker.process.kill()
                self._recover(worker, todo, parts)

    def _receive(self, worker: _Worker, todo: deque[_Chunk], parts: list[_Part]) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._recover(worker, todo, parts)
            return
        if worker.chunk is None:
            worker.ready = True
            return
        parts.append((worker.chunk.rows, Runs.from_arrays(message)))
        worker.chunk = None
        worker.deadline = math.inf

    def _replace(self, worker: _Worker) -> None:
        """Start another process in place of a dead one. Raises `RuntimeError` if that one never got ready."""
        worker.connection.close()
        worker.process.join()
        if not worker.ready:
            raise RuntimeError(f"a worker could not start (exit code {worker.process.exitcode})")
        self._workers[self._workers.index(worker)] = self._start()

    def _recover(self, worker: _Worker, todo: deque[_Chunk], parts: list[_Part]) -> None:
        """Replace a dead worker and put its chunk back, program by program; a single one may be the guilty one."""
        self._replace(worker)
        chunk = worker.chunk
        if chunk is None:
            return
        if len(chunk.code) > 1:
            log.warning("a worker died; its %d programs run again, one at a time", len(chunk.code))
            todo.extendleft(reversed(chunk.split()))
        elif chunk.deaths + 1 < TRIES:
            todo.appendleft(replace(chunk, deaths=chunk.deaths + 1))
        else:
            log.error("a program kills its worker; its outcome is `crashed`: bytecode %s", chunk.code.rows.tolist())
            parts.append((chunk.rows, Runs.failed(len(chunk.rows), Outcome.CRASHED)))


_Part = tuple[npt.NDArray[np.int64], Runs]  # results, and the rows of the batch that they belong to


def _chunks(code: Code, jobs: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], size: int) -> Iterable[_Chunk]:
    """Cut a batch, whose jobs are sorted by program, into chunks of `size` programs."""
    for first in range(0, len(code), size):
        last = min(first + size, len(code))
        low, high = np.searchsorted(jobs[:, 0], [first, last])
        if low < high:
            part = jobs[low:high] - np.array([first, 0], np.int32)
            yield _Chunk(code.slice(first, last), part, rows[low:high])


def _in_order(parts: Sequence[_Part], n: int) -> Runs:
    """The results of all parts, each with the rows it belongs to, in the order of rows."""
    if n == 0:
        return Runs.failed(0, Outcome.CRASHED)
    rows = np.concatenate([rows for rows, _ in parts])
    assert len(rows) == n
    runs = Runs.concatenate([runs for _, runs in parts])
    return runs.take(np.argsort(rows, kind="stable"))


def work(connection: Connection, shared: tuple[str, int, int], limits: tuple[int, int]) -> None:
    """A worker's life: run what arrives until the parent hangs up."""
    name, count, cells = shared
    memory = SharedMemory(name=name)  # the parent alone unlinks it: spawned children share its tracker
    starts_size, shapes_size = 8 * (count + 1), 8 * count
    grids = GridTable(
        cells=np.frombuffer(memory.buf, np.int8, cells, starts_size + shapes_size).copy(),
        starts=np.frombuffer(memory.buf, np.int64, count + 1).copy(),
        shapes=np.frombuffer(memory.buf, np.int32, 2 * count, starts_size).reshape(count, 2).copy(),
    )
    memory.close()
    machine = Machine(*limits)
    connection.send("ready")
    while True:
        try:
            rows, starts, jobs = connection.recv()
            connection.send(machine.run(Code(rows, starts), grids, jobs).arrays())
        except (EOFError, OSError):
            return
