"""Priorities of the stored experiences, in memory: draws in proportion to them, and eviction by them.

A `Priorities` is a value: a commit makes the next one and adopts it only once the transaction is on disk, so
that memory never runs ahead of the store. Entries are in order of insertion, whatever order they were read
in: the same generator makes the same draw before and after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replay.experience import KEY_BYTES, Origin, Rank

PRIORITY_FLOOR = 1e-6
"""added to every priority, so that programs that match nothing are drawn too, rarely"""

_ORIGINS = tuple(Origin)
_ENTRY = np.dtype([("key", f"V{KEY_BYTES}"), ("insertion", "i8"), ("priority", "f8"), ("origin", "u1")], align=True)


def weighted_order(generator: np.random.Generator, weights: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.intp]:
    """Indices of up to `n` draws without replacement in proportion to positive `weights`, in order of the draw.

    Each draw is in proportion to the weights of what is left. With E exponential, the n smallest E / weight are
    exactly such a sequence (Efraimidis and Spirakis, 2006), in time linear in the number of weights.
    """
    times = generator.standard_exponential(len(weights)) / weights
    first = np.argpartition(times, n)[:n] if n < len(times) else np.arange(len(times))
    return first[np.argsort(times[first])]


@dataclass(frozen=True)
class Priorities:
    """The keys of all experiences, and what they are drawn and evicted by."""

    entries: npt.NDArray[np.void]
    """a structured array (key, insertion, priority, origin as index into `Origin`), insertion ascending"""

    @classmethod
    def of(cls, ranks: Iterable[tuple[bytes, Rank]]) -> Priorities:
        """From keys and ranks in any order."""
        rows = ((key, rank.insertion, rank.priority, _ORIGINS.index(rank.origin)) for key, rank in ranks)
        entries = np.fromiter(rows, _ENTRY)
        return cls(entries[np.argsort(entries["insertion"])])

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def next_insertion(self) -> int:
        """An insertion number after all others."""
        return int(self.entries["insertion"][-1]) + 1 if len(self) else 0

    def counts(self) -> dict[Origin, int]:
        """Number of entries of each origin, zeros included."""
        counts = np.bincount(self.entries["origin"], minlength=len(_ORIGINS))
        return {origin: int(count) for origin, count in zip(_ORIGINS, counts, strict=True)}

    def draw(self, generator: np.random.Generator, n: int, origin: Origin) -> list[bytes]:
        """Keys of `n` entries of `origin`, fewer if there are fewer, without replacement.

        In proportion to priority + 1e-6, in order of the draw. Raises ValueError if `n` is negative.
        """
        if n < 0:
            raise ValueError(f"cannot draw {n} experiences")
        candidates = self.entries[self.entries["origin"] == _ORIGINS.index(origin)]
        order = weighted_order(generator, candidates["priority"] + PRIORITY_FLOOR, n)
        return candidates["key"][order].tolist()

    def with_entries(self, ranks: Iterable[tuple[bytes, Rank]]) -> Priorities:
        """With more entries, all inserted later than those that are here."""
        return Priorities(np.concatenate([self.entries, Priorities.of(ranks).entries]))

    def without(self, insertions: Sequence[int]) -> Priorities:
        """Without the entries that have these insertion numbers; each must be here."""
        slots = np.searchsorted(self.entries["insertion"], np.array(insertions, np.int64))
        assert np.array_equal(self.entries["insertion"][slots], insertions)
        return Priorities(np.delete(self.entries, slots))

    def evict(self, capacity: int | None) -> tuple[Priorities, set[bytes]]:
        """At most `capacity` entries (None: all), and the keys that had to go: lowest priority, then oldest."""
        if capacity is None or len(self) <= capacity:
            return self, set()
        excess = len(self) - capacity
        slots = np.argsort(self.entries["priority"], kind="stable")[:excess]  # stable: equals in order of insertion
        return Priorities(np.delete(self.entries, slots)), set(self.entries["key"][slots].tolist())
