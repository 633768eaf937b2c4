"""Reading all of a store, and noting what is wrong instead of raising at the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np

from interpreter.grids import is_valid
from replay.blocks import Block, Blocks
from replay.environment import Databases
from replay.experience import (
    Experience,
    ReplayError,
    check_inputs,
    check_pairs,
    unpack,
    unpack_experience,
    unpack_inputs,
    unpack_insertion,
)
from replay.reading import read_inputs, read_numbers
from replay.rows import unpack_row


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


def verify(txn: lmdb.Transaction, databases: Databases, path: Path) -> VerifyReport:
    """What a transaction sees of the store at `path`."""
    return _Verification(txn, databases, path).report()


class _Verification:
    def __init__(self, txn: lmdb.Transaction, databases: Databases, path: Path) -> None:
        self._txn, self._databases, self._path = txn, databases, path
        self._problems: list[str] = []
        self._experiences = 0
        self._sizes: dict[str, int] = {}
        self._insertions: set[int] = set()
        self._keys: set[bytes] = set()

    def report(self) -> VerifyReport:
        tasks = 0
        with self._noted(), self._txn.cursor(self._databases.tasks) as cursor:
            for key, raw in cursor:
                tasks += 1
                with self._noted():
                    task = bytes(key).decode()
                    check_inputs(task, unpack_inputs(task, bytes(raw)))
        with self._noted():
            self._check_blocks()
        with self._noted(), self._txn.cursor(self._databases.experiences) as cursor:
            for key, raw in cursor:
                self._experiences += 1
                with self._noted():
                    experience = unpack_experience(bytes(key), bytes(raw))
                    self._check(bytes(key), experience, unpack_insertion(bytes(key), bytes(raw)))
        with self._noted():
            record = self._txn.get(b"progress", db=self._databases.meta)
            if record is not None:
                unpack(bytes(record), "progress record", dict)
        return VerifyReport(tasks, self._experiences, tuple(self._problems))

    def _check_blocks(self) -> None:
        tasks, blocks = read_numbers(self._txn, self._databases), Blocks(self._txn, self._databases)
        for number, raw in blocks:
            with self._noted():
                block = Block.of(number, raw)
                for row in np.flatnonzero(blocks.left(number, len(block.ranks))).tolist():
                    self._experiences += 1
                    with self._noted():
                        rank = block.ranks[row]
                        experience = unpack_row(bytes(block.row(row)), rank, tasks)
                        self._check(rank["key"].tobytes(), experience, int(rank["insertion"]))

    def _check(self, key: bytes, experience: Experience, insertion: int) -> None:
        """Raise `ReplayError` unless what is stored under `key` is right, also beside what came before it."""
        what = f"experience {key.hex()}"
        if experience.key != key:
            raise ReplayError(f"{what}: the hash of its task and program is {experience.key.hex()}")
        if key in self._keys:
            raise ReplayError(f"{what}: it is there twice")
        self._keys.add(key)
        if experience.task not in self._sizes:
            self._sizes[experience.task] = len(read_inputs(self._txn, self._databases, experience.task, self._path))
        check_pairs(experience, self._sizes[experience.task])
        if not all(is_valid(output) for output in experience.outputs):
            raise ReplayError(f"{what}: an output is no valid grid")
        if insertion in self._insertions:
            raise ReplayError(f"{what}: insertion number {insertion} is taken by another experience")
        self._insertions.add(insertion)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Note a failure to read as a problem, and go on behind the block."""
        try:
            yield
        except (ValueError, lmdb.Error) as error:
            self._problems.append(str(error))
