"""Reading stored experiences: all that memory has to know of them, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import lmdb
import numpy as np
import numpy.typing as npt

from interpreter.grids import Grid
from replay.blocks import Block, Blocks
from replay.environment import Databases
from replay.experience import Experience, ReplayError, unpack_experience, unpack_inputs, unpack_insertion
from replay.index import OLD, Entries, Index
from replay.rows import RANK, Rows, pack_ranks, pack_rows

MAX_TASK_BYTES = 255
UNNUMBERED = 1 << 31
"""the first number in memory of tasks that have none in the store, in which no block refers to them"""


@dataclass(frozen=True)
class Snapshot:
    """What a transaction sees."""

    txn: lmdb.Transaction
    databases: Databases
    index: Index
    tasks: Mapping[int, str]
    """ids by number"""

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.txn, self.databases)

    def rows(self, slots: npt.NDArray[np.int64]) -> Rows:
        """The rows of some slots of the index, copied. Raises `ReplayError` where they are damaged."""
        blocks, rows = (self.index.column(name)[slots] for name in ("block", "row"))
        order = np.argsort(blocks, kind="stable")  # neighbours in a block share its pages
        numbers, firsts = np.unique(blocks[order], return_index=True)
        pieces: list[bytes | memoryview] = []
        for number, some in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=bool(len(slots))):
            if number == OLD:
                pieces += pack_rows([self.old(key) for key in self.index.keys(slots[some])])
            else:
                pieces += self.blocks[number].pieces(rows[some])
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        starts, ends = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64)
        ends[order] = np.cumsum(lengths)
        starts[order] = ends[order] - lengths
        return Rows(np.frombuffer(b"".join(pieces), np.uint8), starts, ends, self.index.ranks(slots), self.tasks)

    def old(self, key: np.void) -> Experience:
        """The experience in a record of an earlier version."""
        return unpack_experience(key.tobytes(), self.txn.get(key.tobytes(), db=self.databases.experiences))


def scan(txn: lmdb.Transaction, databases: Databases) -> Snapshot:
    """The index of all that a transaction sees. Raises `ReplayError` where something cannot be read."""
    tasks = read_numbers(txn, databases)
    parts = []
    blocks = Blocks(txn, databases)
    for number, raw in blocks:
        ranks = Block.of(number, raw).ranks
        left = np.flatnonzero(blocks.left(number, len(ranks)))
        some = ranks if len(left) == len(ranks) else ranks[left]
        parts.append(Entries(some, np.full(len(left), number), left))
    parts.append(_old_entries(txn, databases, tasks))
    return Snapshot(txn, databases, Index(parts), tasks)


def read_numbers(txn: lmdb.Transaction, databases: Databases) -> dict[int, str]:
    """The ids of tasks by number."""
    if databases.numbers is None:
        return {}
    with txn.cursor(databases.numbers) as cursor:
        return {int.from_bytes(raw): bytes(key).decode() for key, raw in cursor}


def _old_entries(txn: lmdb.Transaction, databases: Databases, tasks: dict[int, str]) -> Entries:
    """What is stored as records of an earlier version; its tasks are numbered in memory."""
    numbers: dict[str, int] = {}
    experiences, keys, insertions = [], [], []
    with txn.cursor(databases.experiences) as cursor:
        for key, raw in cursor:
            key, raw = bytes(key), bytes(raw)
            experience = unpack_experience(key, raw)
            numbers.setdefault(experience.task, UNNUMBERED + len(numbers))
            experiences.append(experience)
            keys.append(key)
            insertions.append(unpack_insertion(key, raw))
    tasks.update({number: task for task, number in numbers.items()})
    ranks = pack_ranks(keys, experiences, insertions, numbers) if keys else np.empty(0, RANK)
    return Entries(ranks, np.full(len(keys), OLD), np.zeros(len(keys), np.int64))


def read_inputs(txn: lmdb.Transaction, databases: Databases, task: str, where: object) -> list[Grid]:
    """Demonstration inputs of a task of the store at `where`. Raises `ReplayError` if it is unknown."""
    record = txn.get(task_key(task), db=databases.tasks)
    if record is None:
        raise ReplayError(f"task {task} is not in {where}; add it with put_tasks first")
    return unpack_inputs(task, bytes(record))


def task_key(task: str) -> bytes:
    """What a task is stored under. Raises `ReplayError` for an id that is too long or empty."""
    key = task.encode()
    if not 1 <= len(key) <= MAX_TASK_BYTES:
        raise ReplayError(f"a task id must have 1 to {MAX_TASK_BYTES} bytes, not {len(key)}: {task[:40]!r}")
    return key
