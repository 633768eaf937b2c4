"""What memory knows of the stored experiences: their keys, what they are drawn and evicted by, and where they lie.

Columns, an entry an experience, in order of insertion: the same generator makes the same draw before and after a
restart. An entry that is no more stays as a gap, without an origin, until there are many. A commit changes an index
only once its transaction is on disk (`Change`), so that memory never runs ahead of the store.

At ten million experiences it takes 0.6 GB; nothing of a commit goes through all entries, but for evictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from replay.draw import Weight, race, victims
from replay.experience import Origin
from replay.keys import KeyTable
from replay.rows import ORIGINS, RANK

NO_ORIGIN = 255
OLD = -1
"""The block of an entry whose record is one of an earlier version, under its key."""

FIELDS = tuple(name for name in RANK.names or () if name != "key")
_COLUMNS = {
    "first": np.dtype("u8"),  # the halves of the key
    "second": np.dtype("u8"),
    **{name: RANK[name] for name in FIELDS},
    "block": np.dtype("i4"),
    "row": np.dtype("u2"),
}
_GROWTH = 1.25
_GAPS = 0.25  # the share of entries that are no more, above which they go

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Ranks, and in which row of which block each experience lies."""

    ranks: npt.NDArray[np.void]
    blocks: Integers
    rows: Integers


@dataclass(frozen=True)
class Change:
    """What a commit does to an index: which entries go, which lie elsewhere now, and which come, inserted after all."""

    removed: Integers
    moved: Integers
    moved_blocks: Integers
    moved_rows: Integers
    added: Entries


class Index:
    """The entries, by slot; a slot holds for as long as nothing is committed."""

    def __init__(self, parts: Sequence[Entries] = ()) -> None:
        self.size = sum(len(part.ranks) for part in parts)
        self._columns = {name: np.empty(self.size, dtype) for name, dtype in _COLUMNS.items()}
        start = 0
        for part in parts:
            self._write(start, part)
            start += len(part.ranks)
        insertion = self._columns["insertion"]
        if (insertion[1:] < insertion[:-1]).any():
            order = np.argsort(insertion)
            for name in _COLUMNS:
                self._columns[name] = self._columns[name][order]
        self._alive = self.size
        blocks, counts = np.unique(self._columns["block"], return_counts=True)
        self.live = dict(zip(blocks.tolist(), counts.tolist(), strict=True))
        """by block, how many of its rows are entries"""

    def __len__(self) -> int:
        return self._alive

    def column(self, name: str) -> np.ndarray:
        """A column of all slots, gaps included."""
        return self._columns[name][: self.size]

    @property
    def next_insertion(self) -> int:
        """An insertion number after all others."""
        return int(self.column("insertion")[-1]) + 1 if self.size else 0

    def alive(self) -> npt.NDArray[np.bool_]:
        """Whether each slot has an entry."""
        return self.column("origin") != NO_ORIGIN

    def counts(self) -> dict[Origin, int]:
        """Number of entries of each origin, zeros included."""
        counts = np.bincount(self.column("origin"), minlength=len(ORIGINS))
        return {origin: int(count) for origin, count in zip(ORIGINS, counts, strict=False)}

    def keys(self, slots: Integers) -> npt.NDArray[np.void]:
        """The keys of some slots."""
        words = np.column_stack([self.column("first")[slots], self.column("second")[slots]])
        return np.ascontiguousarray(words).view(RANK["key"]).reshape(-1)

    def ranks(self, slots: Integers) -> npt.NDArray[np.void]:
        """The ranks of some slots."""
        ranks = np.empty(len(slots), RANK)
        ranks["key"] = self.keys(slots)
        for name in FIELDS:
            ranks[name] = self.column(name)[slots]
        return ranks

    def in_order_of_keys(self) -> Integers:
        """All slots with an entry, in order of their keys."""
        slots = np.flatnonzero(self.alive())
        first, second = (self.column(name)[slots].byteswap() for name in ("first", "second"))
        return slots[np.lexsort((second, first))]

    def find(self, keys: npt.NDArray[np.void]) -> Integers:
        """The slots of some keys, -1 where there is none."""
        first, second = _words(keys)
        origins = self.column("origin")
        words = self.column("first"), self.column("second")
        return self._table.find(first, second, words, lambda slots: origins[slots] != NO_ORIGIN)

    def draw(
        self, generator: np.random.Generator, n: int, origin: Origin, weight: Weight, most: int | None = None
    ) -> Integers:
        """Slots of `n` entries of `origin`, fewer if there are fewer, without replacement, in order of the draw.

        In proportion to `weight`, at most `most` of a task. Raises ValueError if `n` is negative.
        """
        return self.race(generator, n, origin, weight, most)[0]

    def race(
        self, generator: np.random.Generator, n: int, origin: Origin, weight: Weight, most: int | None = None
    ) -> tuple[Integers, npt.NDArray[np.float64]]:
        """The slots that `draw` gives, and the chance that each had to be among them, see `replay.draw.race`."""
        if n < 0:
            raise ValueError(f"cannot draw {n} experiences")
        slots = np.flatnonzero(self.column("origin") == ORIGINS.index(origin))
        tasks = None if most is None else self.column("task")[slots]
        drawn, chances = race(generator, weight(_Fields(self, slots)), n, tasks, most)
        return slots[drawn], chances

    def evicted(self, gone: Integers, added: npt.NDArray[np.float64], capacity: int | None) -> Integers:
        """What goes, so that at most `capacity` entries stay (None: all), if those at `gone` go and others with the
        priorities `added` come: slots, and the size of the index and on for those that come."""
        excess = 0 if capacity is None else len(self) - len(gone) + len(added) - capacity
        if excess <= 0:
            return np.zeros(0, np.int64)
        priorities = np.concatenate([self.column("priority"), added])
        priorities[: self.size][~self.alive()] = np.inf
        priorities[gone] = np.inf
        return victims(priorities, excess)

    def apply(self, change: Change) -> None:
        """Adopt a change that is on disk."""
        self._count(-1, self.column("block")[change.removed], self.column("block")[change.moved])
        self._count(1, change.moved_blocks, change.added.blocks)
        self.column("origin")[change.removed] = NO_ORIGIN
        self.column("block")[change.moved] = change.moved_blocks
        self.column("row")[change.moved] = change.moved_rows
        added = len(change.added.ranks)
        self._alive += added - len(change.removed)
        if self.size - self._alive + added > _GAPS * (self.size + added) + 1024:
            self._close_gaps()
        self._reserve(self.size + added)
        start, self.size = self.size, self.size + added
        self._write(start, change.added)
        if "_table" in self.__dict__:
            if self._table.has_room(added):
                self._table.enter(self.column("first")[start:], np.arange(start, self.size))
            else:
                del self._table

    def _count(self, sign: int, *blocks: Integers) -> None:
        for block, count in zip(*np.unique(np.concatenate(blocks), return_counts=True), strict=True):
            self.live[int(block)] = self.live.get(int(block), 0) + sign * int(count)
        self.live = {block: count for block, count in self.live.items() if count}

    @cached_property
    def _table(self) -> KeyTable:
        """Made when a key is first looked for."""
        slots = np.flatnonzero(self.alive())
        table = KeyTable(int(1.1 * len(slots)))
        table.enter(self.column("first")[slots], slots)
        return table

    def _write(self, start: int, entries: Entries) -> None:
        end = start + len(entries.ranks)
        first, second = _words(entries.ranks["key"])
        columns = {"first": first, "second": second, "block": entries.blocks, "row": entries.rows}
        for name, column in self._columns.items():
            column[start:end] = columns[name] if name in columns else entries.ranks[name]

    def _reserve(self, size: int) -> None:
        """Room for so many entries, one column after the other, so that little is there twice."""
        if size > len(self._columns["first"]):
            room = max(size, int(_GROWTH * self.size))
            for name, column in self._columns.items():
                larger = np.empty(room, column.dtype)
                larger[: self.size] = column[: self.size]
                self._columns[name] = larger

    def _close_gaps(self) -> None:
        alive = self.alive().copy()
        for name in _COLUMNS:
            self._columns[name] = self.column(name)[alive]
        self.size = int(alive.sum())
        self.__dict__.pop("_table", None)


class _Fields(dict[str, np.ndarray]):
    """The columns of some slots, each taken when it is asked for."""

    def __init__(self, index: Index, slots: Integers) -> None:
        super().__init__()
        self._index, self._slots = index, slots

    def __missing__(self, name: str) -> np.ndarray:
        if name not in FIELDS:
            raise KeyError(f"no stored field {name!r}: there are {', '.join(FIELDS)}")
        self[name] = self._index.column(name)[self._slots]
        return self[name]


def _words(keys: npt.NDArray[np.void]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The halves of keys."""
    words = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    return words[:, 0], words[:, 1]


def keys_of(keys: Iterable[bytes]) -> npt.NDArray[np.void]:
    """Keys as an array."""
    return np.frombuffer(b"".join(keys), RANK["key"])
