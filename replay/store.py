"""The replay store: an LMDB folder with the tasks, the experiences, and how far the run has come.

On disk (every value is a record, see `replay.experience`):

    tasks        task id                 -> the demonstration inputs, once for a task
    experiences  hash(task, program)     -> experience and insertion number
    meta         `format`                -> what says that this is a replay store
                 `progress`              -> the progress record of the last commit

Invariants. One process writes (`writer.lock`), any number read. A commit is one transaction: experiences,
evictions and progress record are all there or not at all, whenever the process is killed. Every experience's
task is known. A stored key keeps the record with the higher priority, the earlier one among equals, and the finders
of both; a replacement counts as inserted anew. No store is used across a fork, or by two threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import lmdb
import numpy as np

from interpreter.grids import Grid, is_valid
from replay.draw import Priorities
from replay.environment import DATA_FILE, claim, open_databases, open_environment, refusals
from replay.experience import (
    Experience,
    Origin,
    Rank,
    ReplayError,
    best_by_key,
    check_inputs,
    check_pairs,
    experience_key,
    merged_finders,
    pack,
    pack_experience,
    summarize,
    unpack,
    unpack_experience,
    unpack_finders,
    unpack_inputs,
    unpack_rank,
)

MAP_SIZE = 1 << 36  # bytes of address space, not of disk
MAX_TASK_BYTES = 255
BATCH = 1024  # records a read transaction when all are read


T = TypeVar("T")


@dataclass(frozen=True)
class VerifyReport:
    """What `ReplayStore.verify` read, and what is wrong with it: one line a problem."""

    tasks: int
    experiences: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


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
            self._tasks, self._experiences, self._meta = open_databases(self._env, self.path, readonly)
            self._closed = False
            self._scanned = -1  # the transaction that the priorities were read at
            if not readonly:
                with self._read() as txn:
                    self._priorities = self._scan(txn)
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
        records = {_task_key(task): pack(list(inputs)) for task, inputs in tasks.items()}

        def write(txn: lmdb.Transaction) -> None:
            for key, record in records.items():
                known = txn.get(key, db=self._tasks)
                if known is None:
                    txn.put(key, record, db=self._tasks)
                elif known != record:
                    raise ReplayError(
                        f"task {key.decode()} is in {self.path} with other demonstration inputs; "
                        "use another store, or another id for the changed task"
                    )

        self._transact(write)

    def tasks(self) -> list[str]:
        """Ids of all tasks, in order."""
        return [key.decode() for batch in self._batches(self._tasks) for key, _ in batch]

    def inputs(self, task: str) -> list[Grid]:
        """Demonstration inputs of a task, read-only arrays. Raises `ReplayError` if the task is unknown."""
        with self._read() as txn:
            return self._inputs(txn, task)

    # Experiences

    def commit(self, experiences: Iterable[Experience], progress: dict[str, Any] | None) -> int:
        """Store experiences and a progress record (None: the last one stays) in one transaction; then evict.

        Returns how many experiences are in the store afterwards whose key was not in it before. Raises
        `ReplayError`, and stores nothing, if a task is unknown, a pair is out of its range or a grid is invalid.
        """
        best = best_by_key(experiences)
        progress_record = None if progress is None else pack(progress)

        def write(txn: lmdb.Transaction) -> tuple[Priorities, int]:
            sizes = {task: len(self._inputs(txn, task)) for task in {e.task for e in best.values()}}
            for experience in best.values():
                check_pairs(experience, sizes[experience.task])
            priorities, new = self._write_experiences(txn, best)
            if progress_record is not None:
                txn.put(b"progress", progress_record, db=self._meta)
            return priorities, new

        self._priorities, new = self._transact(write)
        return new

    def _write_experiences(self, txn: lmdb.Transaction, best: Mapping[bytes, Experience]) -> tuple[Priorities, int]:
        """Write what is better than what is stored, delete what is evicted; the priorities after that."""
        records = {key: record for key in best if (record := txn.get(key, db=self._experiences)) is not None}
        stored = {key: unpack_rank(key, record) for key, record in records.items()}
        accepted = [key for key in best if key not in stored or best[key].priority > stored[key].priority]
        kept = self._priorities.without([stored[key].insertion for key in accepted if key in stored])
        ranks = {
            key: Rank(insertion, best[key].priority, best[key].origin)
            for insertion, key in enumerate(accepted, kept.next_insertion)
        }
        priorities, evicted = kept.with_entries(ranks.items()).evict(self.capacity)
        for key in evicted:
            txn.delete(key, db=self._experiences)
        written = ranks.keys() - evicted
        for key in sorted(best.keys() - evicted):  # neighbours share pages
            record = _updated(key, best[key], ranks.get(key), records.get(key))
            if record != records.get(key):
                txn.put(key, record, db=self._experiences)
        return priorities, len(written - stored.keys())

    def draw(self, generator: np.random.Generator, n: int, origin: Origin) -> list[Experience]:
        """`n` experiences of `origin`, fewer if there are fewer, without replacement.

        In proportion to priority + 1e-6, in order of the draw (so not shuffled: high priorities tend to be first).
        The same generator state and the same commits give the same draw, in any process.
        """
        with self._read() as txn:
            keys = self._priorities_at(txn).draw(generator, n, Origin(origin))
            records = [(key, txn.get(key, db=self._experiences)) for key in keys]
        return [unpack_experience(key, record) for key, record in records]

    def __iter__(self) -> Iterator[Experience]:
        """All experiences in order of their keys, read in short transactions: later commits may show."""
        for batch in self._batches(self._experiences):
            for key, record in batch:
                yield unpack_experience(key, record)

    def in_order(self, skip: int = 0) -> Iterator[Experience]:
        """All experiences that there are now, in order of insertion, without the first `skip`.

        They are read in short transactions; what another process evicts meanwhile is passed over.
        """
        with self._read() as txn:
            keys = self._priorities_at(txn).entries["key"][skip:]
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH].tolist()
            with self._read() as txn:
                records = [(key, txn.get(key, db=self._experiences)) for key in batch]
            yield from (unpack_experience(key, record) for key, record in records if record is not None)

    def __contains__(self, item: tuple[str, str]) -> bool:
        """Whether there is an experience for a task id and a canonical program."""
        with self._read() as txn:
            return txn.get(experience_key(*item), db=self._experiences) is not None

    def __len__(self) -> int:
        with self._read() as txn:
            return txn.stat(self._experiences)["entries"]

    def counts(self) -> dict[Origin, int]:
        """Number of experiences of each origin, zeros included."""
        with self._read() as txn:
            return self._priorities_at(txn).counts()

    def progress(self) -> dict[str, Any] | None:
        """The progress record of the last commit that had one (tuples as lists), or None."""
        with self._read() as txn:
            record = txn.get(b"progress", db=self._meta)
        return None if record is None else unpack(record, "progress record", dict)

    def clear(self) -> None:
        """Remove all tasks, all experiences and the progress record, in one transaction."""

        def write(txn: lmdb.Transaction) -> None:
            for database in (self._tasks, self._experiences):
                txn.drop(database, delete=False)
            txn.delete(b"progress", db=self._meta)

        self._transact(write)
        self._priorities = Priorities.of(())

    # Inspection

    def stats(self) -> dict[str, Any]:
        """Figures for people, fit for JSON: those of `summarize`, the number of tasks and the bytes on disk."""
        disk_bytes = (self.path / DATA_FILE).stat().st_blocks * 512
        return {**summarize(self), "tasks": len(self.tasks()), "disk_bytes": disk_bytes}

    def verify(self) -> VerifyReport:
        """Read everything and report all that is wrong, instead of raising at the first.

        Every record decodes; every key is the hash of task and program; every task is known and has the
        experience's pairs; every grid is valid; no two insertion numbers are equal.
        """
        problems: list[str] = []
        tasks = experiences = 0
        with _noted(problems):
            for batch in self._batches(self._tasks):
                for key, record in batch:
                    tasks += 1
                    with _noted(problems):
                        check_inputs(key.decode(), unpack_inputs(key.decode(), record))
        sizes: dict[str, int] = {}
        insertions: set[int] = set()
        with _noted(problems):
            for batch in self._batches(self._experiences):
                for key, record in batch:
                    experiences += 1
                    with _noted(problems):
                        self._verify_experience(key, record, sizes, insertions)
        with _noted(problems):
            self.progress()
        return VerifyReport(tasks, experiences, tuple(problems))

    def _verify_experience(self, key: bytes, record: bytes, sizes: dict[str, int], insertions: set[int]) -> None:
        """Raise `ReplayError` unless a stored record is right; `sizes` and `insertions` are of those before it."""
        what = f"experience {key.hex()}"
        experience = unpack_experience(key, record)
        if experience.key != key:
            raise ReplayError(f"{what}: the hash of its task and program is {experience.key.hex()}")
        if experience.task not in sizes:
            sizes[experience.task] = len(self.inputs(experience.task))
        check_pairs(experience, sizes[experience.task])
        if not all(is_valid(output) for output in experience.outputs):
            raise ReplayError(f"{what}: an output is no valid grid")
        insertion = unpack_rank(key, record).insertion
        if insertion in insertions:
            raise ReplayError(f"{what}: insertion number {insertion} is taken by another experience")
        insertions.add(insertion)

    # Transactions

    @contextmanager
    def _read(self) -> Iterator[lmdb.Transaction]:
        """A short read transaction: no caller's code runs inside it."""
        self._check_usable()
        with refusals(self.path):
            try:
                txn = self._env.begin()
            except lmdb.MapResizedError:  # the writer has grown the map
                self._env.set_mapsize(0)
                txn = self._env.begin()
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
                    with self._env.begin(write=True) as txn:
                        result = write(txn)
                    return result
                except lmdb.MapFullError:
                    self._env.set_mapsize(2 * self._env.info()["map_size"])

    def _batches(self, database: lmdb._Database) -> Iterator[list[tuple[bytes, bytes]]]:
        """All (key, record) of a database in order of the keys, one short read transaction a batch."""
        start = b""
        while True:
            with self._read() as txn, txn.cursor(database) as cursor:
                batch = list(islice(cursor, BATCH)) if cursor.set_range(start) else []
            if not batch:
                return
            yield batch
            start = batch[-1][0] + b"\0"

    def _scan(self, txn: lmdb.Transaction) -> Priorities:
        with txn.cursor(self._experiences) as cursor:
            return Priorities.of((key, unpack_rank(key, record)) for key, record in cursor)

    def _priorities_at(self, txn: lmdb.Transaction) -> Priorities:
        """The priorities that `txn` sees: the writer's own, or a reader's, scanned again after each commit."""
        if self.readonly and self._scanned != txn.id():
            self._priorities, self._scanned = self._scan(txn), txn.id()
        return self._priorities

    def _inputs(self, txn: lmdb.Transaction, task: str) -> list[Grid]:
        record = txn.get(_task_key(task), db=self._tasks)
        if record is None:
            raise ReplayError(f"task {task} is not in {self.path}; add it with put_tasks first")
        return unpack_inputs(task, record)

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


# Records


def _task_key(task: str) -> bytes:
    key = task.encode()
    if not 1 <= len(key) <= MAX_TASK_BYTES:
        raise ReplayError(f"a task id must have 1 to {MAX_TASK_BYTES} bytes, not {len(key)}: {task[:40]!r}")
    return key


def _updated(key: bytes, found: Experience, rank: Rank | None, record: bytes | None) -> bytes:
    """The record of what was found, whose rank is None where the stored `record` stays, but for its finders."""
    if record is None:
        assert rank is not None
        return pack_experience(found, rank.insertion)
    known = unpack_finders(key, record)
    finders = merged_finders(known, found.finders)
    if rank is not None:
        return pack_experience(replace(found, finders=finders), rank.insertion)
    if finders == known:
        return record
    return pack_experience(replace(unpack_experience(key, record), finders=finders), unpack_rank(key, record).insertion)


@contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    """Note a failure to read as a problem, and go on behind the block."""
    try:
        yield
    except (ValueError, lmdb.Error) as error:
        problems.append(str(error))
