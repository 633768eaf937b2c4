"""Blocks: up to `BLOCK_ROWS` experiences in one value of LMDB, read where they lie.

    u1 schema version, 3 bytes of nothing, u4 rows
    ranks     `RANK` each; of schema version 2 without `characters`, which are counted when they are read
    starts    u4 each, and the end: where each row begins in what follows
    rows      see `replay.rows`

Blocks are numbered as they are written. A block is never changed: which of its rows are no more stands beside it, a bit
each. Its pages follow each other, so that a transaction writes few pages, and a reader's arrays are views of the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import lmdb
import numpy as np
import numpy.typing as npt

from replay.environment import Databases
from replay.experience import SCHEMA_VERSION, ReplayError, check_version
from replay.rows import MOST_CHARACTERS, RANK, program_bytes

BLOCK_ROWS = 1024
FIRST_VERSION = 2  # with blocks
_RANK_2 = np.dtype([(name, RANK[name]) for name in RANK.names or () if name != "characters"])
_START = np.dtype([("version", "u1"), ("nothing", "V3"), ("rows", "<u4")])


@dataclass(frozen=True)
class Block:
    """A block as it lies in the map: good for as long as the transaction is open."""

    ranks: npt.NDArray[np.void]
    starts: npt.NDArray[np.uint32]
    """(rows + 1,)"""
    rows: memoryview

    @classmethod
    def of(cls, number: int, raw: bytes | memoryview) -> Block:
        """The block in the bytes of a value. Raises `ReplayError`."""
        check_version(raw, f"block {number}", FIRST_VERSION)
        try:
            rows = int(np.frombuffer(raw, _START, 1)["rows"][0])
            ranks = np.frombuffer(raw, _RANK_2 if raw[0] == FIRST_VERSION else RANK, rows, _START.itemsize)
            starts = np.frombuffer(raw, "<u4", rows + 1, _START.itemsize + ranks.nbytes)
        except ValueError as error:
            raise ReplayError(f"block {number}: it is damaged ({error})") from error
        body = memoryview(raw)[_START.itemsize + ranks.nbytes + starts.nbytes :]
        if (starts[1:] < starts[:-1]).any() or starts[-1] != len(body):
            raise ReplayError(f"block {number}: it is damaged (its rows are not where it says)")
        return cls(ranks if ranks.dtype == RANK else _with_characters(number, ranks, starts, body), starts, body)

    def row(self, row: int) -> memoryview:
        return self.rows[self.starts[row] : self.starts[row + 1]]

    def pieces(self, rows: npt.NDArray[np.int64]) -> list[memoryview]:
        """Some rows, one after the other."""
        starts, ends = self.starts[rows].tolist(), self.starts[rows + 1].tolist()
        return [self.rows[start:end] for start, end in zip(starts, ends, strict=True)]


def pack_block(ranks: npt.NDArray[np.void], rows: Sequence[bytes | memoryview]) -> bytes:
    """The bytes of a block."""
    start = np.zeros(1, _START)
    start["version"], start["rows"] = SCHEMA_VERSION, len(rows)
    starts = np.fromiter(accumulate(map(len, rows), initial=0), "<u4", len(rows) + 1)
    return b"".join((start.tobytes(), ranks.tobytes(), starts.tobytes(), *rows))


def _with_characters(
    number: int, ranks: npt.NDArray[np.void], starts: npt.NDArray[np.uint32], body: memoryview
) -> npt.NDArray[np.void]:
    """Ranks of schema version 2 as ranks. Canonical text is ASCII: its bytes are its characters."""
    found = np.empty(len(ranks), RANK)
    for name in _RANK_2.names or ():
        found[name] = ranks[name]
    try:
        sizes = program_bytes(np.frombuffer(body, np.uint8), starts[:-1])
    except IndexError as error:
        raise ReplayError(f"block {number}: it is damaged (its last row is too short)") from error
    found["characters"] = np.minimum(sizes, MOST_CHARACTERS)
    return found


def _key(number: int) -> bytes:
    return number.to_bytes(8)


@dataclass(frozen=True)
class Blocks:
    """The blocks that a transaction sees; there are none in a store of an earlier version."""

    txn: lmdb.Transaction
    databases: Databases

    def __getitem__(self, number: int) -> Block:
        raw = self.txn.get(_key(number), db=self.databases.blocks)
        if raw is None:
            raise ReplayError(f"block {number}: it is not there; the store may be damaged")
        return Block.of(number, raw)

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """All numbers and values, in order."""
        if self.databases.blocks is not None:
            with self.txn.cursor(self.databases.blocks) as cursor:
                for key, raw in cursor:
                    yield int.from_bytes(key), raw

    def left(self, number: int, rows: int) -> npt.NDArray[np.bool_]:
        """Which of the rows of a block are still there."""
        raw = self.txn.get(_key(number), db=self.databases.removed)
        if raw is None:
            return np.ones(rows, np.bool_)
        removed = np.unpackbits(np.frombuffer(raw, np.uint8))[:rows]
        if len(removed) < rows:
            raise ReplayError(f"block {number}: what is removed of it is damaged")
        return removed == 0

    def remove(self, number: int, rows: npt.NDArray[np.int64]) -> None:
        """Note that some rows of a block are no more."""
        left = self.left(number, len(self[number].ranks))
        left[rows] = False
        self.txn.put(_key(number), np.packbits(~left).tobytes(), db=self.databases.removed)

    def delete(self, number: int) -> None:
        self.txn.delete(_key(number), db=self.databases.blocks)
        self.txn.delete(_key(number), db=self.databases.removed)

    def append(self, ranks: npt.NDArray[np.void], rows: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], ...]:
        """Write rows as new blocks; in which block each of them is, and in which of its rows."""
        with self.txn.cursor(self.databases.blocks) as cursor:
            next_number = int.from_bytes(cursor.key()) + 1 if cursor.last() else 0
        for start in range(0, len(rows), BLOCK_ROWS):
            end = start + BLOCK_ROWS
            block = pack_block(ranks[start:end], rows[start:end])
            number = next_number + start // BLOCK_ROWS
            self.txn.put(_key(number), block, db=self.databases.blocks, append=True)
        places = np.arange(len(rows))
        return next_number + places // BLOCK_ROWS, places % BLOCK_ROWS
