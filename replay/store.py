"""The replay store: an LMDB folder with the tasks, the experiences, and how far the run has come.

On disk (records: see `replay.experience`):

    tasks        task id                 -> record: the demonstration inputs, once for a task
    numbers      task id                 -> its number, u4, big-endian
    blocks       number                  -> up to 1024 experiences, see `replay.blocks`
    removed      number of a block       -> a bit a row that is no more
    meta         `format`                -> record: what says that this is a replay store
                 `progress`              -> record: the progress record of the last commit
    experiences  hash(task, program)     -> record: an experience that an earlier version wrote; read, never written

Invariants. One process writes (`writer.lock`), any number read. A commit is one transaction: experiences,
evictions and progress record are all there or not at all, whenever the process is killed. Every experience's
task is known, and its key is there once. What a commit keeps stands in `replay.commit`. No store is used across a
fork, or by two threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import lmdb
import numpy as np
import numpy.typing as npt

from interpreter.grids import Grid
from replay.commit import write as write_commit
from replay.draw import Weight, by_demonstrations
from replay.environment import DATA_FILE, Databases, claim, open_databases, open_environment, refusals
from replay.experience import (
    Experience,
    Origin,
    ReplayError,
    best_by_key,
    check_inputs,
    check_pairs,
    experience_key,
    pack,
    summarize,
    unpack,
)
from replay.index import Change, Index, keys_of
from replay.reading import Snapshot, read_inputs, scan, task_key
from replay.rows import Rows
from replay.verification import VerifyReport, verify

MAP_SIZE = 1 << 36  # bytes of address space, not of disk
BATCH = 1024  # experiences a read transaction when all are read


T = TypeVar("T")


class ReplayStore:
    """The replay store in the folder `path`.

    The writer makes the folder if it is missing. `capacity` is its limit of experiences (None: no limit), kept by
    every commit; it is not stored. With `readonly` the store must exist; a reader sees every commit made so far,
    also while the writer lives in another process. `map_size` is the address space in bytes to start with.

    Raises `ReplayError` for a folder that is no replay store, or that another process writes.
    """

    def __init__(
        self, path: str | Path, capacity: int | None = None, readonly: bool = False, *, map_size: int = MAP_SIZE
    ) -> None:
        if capacity is not None and capacity < 1:
            raise ReplayError(f"capacity must be at least 1 (or None for no limit), not {capacity}")
        self.path = Path(path)
        self.capacity = capacity
        self.readonly = readonly
        self._pid = os.getpid()
        with ExitStack() as resources:
            if not readonly:
                resources.callback(claim(self.path).release)
            self._env = resources.enter_context(closing(open_environment(self.path, readonly, map_size)))
            self._databases = open_databases(self._env, self.path, readonly)
            self._closed = False
            self._scanned = -1  # the transaction that a reader's index was read at
            self._index, self._numbered = Index(), dict[int, str]()
            if not readonly:
                with self._read() as txn:
                    self._scan(txn)
            self._resources = resources.pop_all()

    def close(self) -> None:
        """Close the files and let another writer in. A closed store may be closed again."""
        self._check_process()
        self._closed = True
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Tasks

    def put_tasks(self, tasks: Mapping[str, Sequence[Grid]]) -> None:
        """Add tasks with their demonstration inputs; known tasks with the same inputs are left as they are.

        Raises `ReplayError`, and adds nothing, for other inputs of a known task, no inputs, or an invalid grid.
        """
        for task, inputs in tasks.items():
            check_inputs(task, inputs)
        records = {task_key(task): pack(list(inputs)) for task, inputs in tasks.items()}
        database = self._databases.tasks

        def write(txn: lmdb.Transaction) -> None:
            for key, record in records.items():
                known = txn.get(key, db=database)
                if known is None:
                    txn.put(key, record, db=database)
                elif known[1:] != record[1:]:  # of whatever version
                    raise ReplayError(
                        f"task {key.decode()} is in {self.path} with other demonstration inputs; "
                        "use another store, or another id for the changed task"
                    )

        self._transact(write)

    def tasks(self) -> list[str]:
        """Ids of all tasks, in order."""
        with self._read() as txn, txn.cursor(self._databases.tasks) as cursor:
            return [bytes(key).decode() for key in cursor.iternext(values=False)]

    def inputs(self, task: str) -> list[Grid]:
        """Demonstration inputs of a task, read-only arrays. Raises `ReplayError` if the task is unknown."""
        with self._read() as txn:
            return read_inputs(txn, self._databases, task, self.path)

    # Experiences

    def commit(self, experiences: Iterable[Experience], progress: dict[str, Any] | None) -> int:
        """Store experiences and a progress record (None: the last one stays) in one transaction; then evict.

        Returns how many experiences are in the store afterwards whose key was not in it before. Raises
        `ReplayError`, and stores nothing, if a task is unknown, a pair is out of its range or a grid is invalid.
        """
        best = best_by_key(experiences)
        progress_record = None if progress is None else pack(progress)

        def write(txn: lmdb.Transaction) -> tuple[Change, int]:
            sizes = {
                task: len(read_inputs(txn, self._databases, task, self.path))
                for task in {e.task for e in best.values()}
            }
            for experience in best.values():
                check_pairs(experience, sizes[experience.task])
            change, new = self._write_experiences(txn, best, list(sizes))
            if progress_record is not None:
                txn.put(b"progress", progress_record, db=self._databases.meta)
            return change, new

        change, new = self._transact(write)
        self._index.apply(change)
        return new

    def _write_experiences(
        self, txn: lmdb.Transaction, best: Mapping[bytes, Experience], tasks: Sequence[str]
    ) -> tuple[Change, int]:
        """The change that is in the transaction now, and the number of new keys. Tasks get the numbers they lack."""
        numbers = {}
        for task in tasks:
            raw = txn.get(task_key(task), db=self._databases.numbers)
            numbers[task] = txn.stat(self._databases.numbers)["entries"] if raw is None else int.from_bytes(raw)
            if raw is None:
                txn.put(task_key(task), numbers[task].to_bytes(4), db=self._databases.numbers)
        self._numbered.update({number: task for task, number in numbers.items()})
        return write_commit(Snapshot(txn, self._databases, self._index, self._numbered), best, numbers, self.capacity)

    def draw(self, generator: np.random.Generator, n: int, origin: Origin) -> list[Experience]:
        """The experiences that `draw_rows` gives, as objects."""
        return list(self.draw_rows(generator, n, origin))

    def draw_rows(
        self, generator: np.random.Generator, n: int, origin: Origin, weight: Weight = by_demonstrations
    ) -> Rows:
        """`n` experiences of `origin`, fewer if there are fewer, without replacement.

        In proportion to a weight (priority + 1e-6), in order of the draw (so not shuffled: high priorities tend to be
        first). The same generator state and the same commits give the same draw, in any process.
        """
        return self.race_rows(generator, n, origin, weight)[0]

    def race_rows(
        self, generator: np.random.Generator, n: int, origin: Origin, weight: Weight, most: int | None = None
    ) -> tuple[Rows, npt.NDArray[np.float64]]:
        """As `draw_rows`, with at most `most` experiences of a task, and the chance that each had to be drawn."""
        with self._read() as txn:
            stored = self._snapshot(txn)
            slots, chances = stored.index.race(generator, n, Origin(origin), weight, most)
            return stored.rows(slots), chances

    def __iter__(self) -> Iterator[Experience]:
        """All experiences that there are now, in order of their keys; as `in_order` reads them."""
        with self._read() as txn:
            index = self._snapshot(txn).index
            keys = index.keys(index.in_order_of_keys())
        return self._each(keys)

    def in_order(self, skip: int = 0) -> Iterator[Experience]:
        """All experiences that there are now, in order of insertion, without the first `skip`.

        They are read in short transactions; what is evicted meanwhile is passed over.
        """
        with self._read() as txn:
            index = self._snapshot(txn).index
            keys = index.keys(np.flatnonzero(index.alive())[skip:])
        return self._each(keys)

    def _each(self, keys: npt.NDArray[np.void]) -> Iterator[Experience]:
        for start in range(0, len(keys), BATCH):
            with self._read() as txn:
                stored = self._snapshot(txn)
                slots = stored.index.find(keys[start : start + BATCH])
                rows = stored.rows(slots[slots >= 0])
            yield from rows

    def __contains__(self, item: tuple[str, str]) -> bool:
        """Whether there is an experience for a task id and a canonical program."""
        with self._read() as txn:
            return bool(self._snapshot(txn).index.find(keys_of([experience_key(*item)]))[0] >= 0)

    @property
    def is_full(self) -> bool:
        """Whether a new experience takes another's place."""
        return self.capacity is not None and len(self) >= self.capacity

    def __len__(self) -> int:
        with self._read() as txn:
            return len(self._snapshot(txn).index)

    def counts(self) -> dict[Origin, int]:
        """Number of experiences of each origin, zeros included."""
        with self._read() as txn:
            return self._snapshot(txn).index.counts()

    def progress(self) -> dict[str, Any] | None:
        """The progress record of the last commit that had one (tuples as lists), or None."""
        with self._read() as txn:
            record = txn.get(b"progress", db=self._databases.meta)
        return None if record is None else unpack(record, "progress record", dict)

    def clear(self) -> None:
        """Remove all tasks, all experiences and the progress record, in one transaction."""

        def write(txn: lmdb.Transaction) -> None:
            all_ = self._databases
            for database in (all_.tasks, all_.experiences, all_.numbers, all_.blocks, all_.removed):
                txn.drop(database, delete=False)
            txn.delete(b"progress", db=all_.meta)

        self._transact(write)
        self._index, self._numbered = Index(), {}

    # Inspection

    def disk_bytes(self) -> int:
        """The bytes that the store takes on disk."""
        return (self.path / DATA_FILE).stat().st_blocks * 512

    def stats(self) -> dict[str, Any]:
        """Figures for people, fit for JSON: those of `summarize`, the number of tasks and the bytes on disk."""
        return {**summarize(self), "tasks": len(self.tasks()), "disk_bytes": self.disk_bytes()}

    def verify(self) -> VerifyReport:
        """Read everything and report all that is wrong, instead of raising at the first.

        Every record and row decodes; every key is the hash of task and program and is there once; every task is known
        and has the experience's pairs; every grid is valid; no two insertion numbers are equal.
        """
        with self._read() as txn:
            return verify(txn, self._databases, self.path)

    # Transactions

    @contextmanager
    def _read(self) -> Iterator[lmdb.Transaction]:
        """A short read transaction: no caller's code runs inside it."""
        self._check_usable()
        with refusals(self.path):
            if self._databases.blocks is None:  # a writer of this version may have added them
                self._databases = Databases.open(self._env)
            try:
                txn = self._env.begin(buffers=True)
            except lmdb.MapResizedError:  # the writer has grown the map
                self._env.set_mapsize(0)
                txn = self._env.begin(buffers=True)
            with txn:
                yield txn

    def _transact(self, write: Callable[[lmdb.Transaction], T]) -> T:
        """Run `write` in one write transaction, all of it again in a larger map if the map is full."""
        self._check_usable()
        if self.readonly:
            raise ReplayError(f"{self.path} is open read-only; open it with readonly=False to write")
        with refusals(self.path):
            while True:
                try:
                    with self._env.begin(write=True, buffers=True) as txn:
                        result = write(txn)
                    return result
                except lmdb.MapFullError:
                    self._env.set_mapsize(2 * self._env.info()["map_size"])

    def _scan(self, txn: lmdb.Transaction) -> None:
        stored = scan(txn, self._databases)
        self._index, self._numbered = stored.index, dict(stored.tasks)

    def _snapshot(self, txn: lmdb.Transaction) -> Snapshot:
        """What `txn` sees: the writer's own index, or a reader's, scanned again after each commit."""
        if self.readonly and self._scanned != txn.id():
            self._scan(txn)
            self._scanned = txn.id()
        return Snapshot(txn, self._databases, self._index, self._numbered)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise ReplayError(
                f"{self.path} was opened by process {self._pid}, before the fork of this one; "
                "open the store in the process that uses it"
            )

    def _check_usable(self) -> None:
        self._check_process()
        if self._closed:
            raise ReplayError(f"{self.path} is closed; open the store again")
