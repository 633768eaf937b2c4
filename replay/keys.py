"""Places of keys: a hash table of many at once, in NumPy, for ten million of 16 bytes.

Open addressing with linear probing. A key is a hash already, so that its first word says where it belongs. The table
holds places alone; the caller has the keys, and takes none out: it makes a new table when many are of no use.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Alive = Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]]
"""whether each of some places still counts"""

CHUNK = 1 << 20  # keys that are entered at once, which bounds the memory that it takes
FREE = -1


class KeyTable:
    """Places 0, 1, ... of keys, by the keys."""

    def __init__(self, capacity: int) -> None:
        slots = 1 << max(10, (capacity * 3 // 2).bit_length())
        self._slots = np.full(slots, FREE, np.int32)
        self._used = 0

    def has_room(self, more: int) -> bool:
        """Whether so many more can be entered, so that few slots in a row are taken."""
        return self._used + more <= len(self._slots) // 3 * 2

    def enter(self, first: Words, places: Places) -> None:
        """Enter distinct keys, by their first words, that are not there."""
        for start in range(0, len(places), CHUNK):
            self._enter(first[start : start + CHUNK], places[start : start + CHUNK].astype(np.int32))
        self._used += len(places)

    def _enter(self, first: Words, places: npt.NDArray[np.int32]) -> None:
        slots = self._slots
        at = self._home(first)
        while len(at):
            free = slots[at] == FREE
            slots[at[free]] = places[free]  # of several that want a slot one gets it
            left = slots[at] != places
            at, places = (at[left] + 1) & (len(slots) - 1), places[left]

    def find(self, first: Words, second: Words, keys: tuple[Words, Words], is_alive: Alive) -> Places:
        """The place of each key, -1 where it has none; `keys` are the words by place, of which the living count."""
        found = np.full(len(first), -1, np.int64)
        at, todo = self._home(first), np.arange(len(first))
        while len(todo):
            place = self._slots[at]
            taken = place != FREE
            todo, at, place = todo[taken], at[taken], place[taken]
            same = (keys[0][place] == first[todo]) & (keys[1][place] == second[todo]) & is_alive(place)
            found[todo[same]] = place[same]
            todo, at = todo[~same], (at[~same] + 1) & (len(self._slots) - 1)
        return found

    def _home(self, first: Words) -> Places:
        return (first & np.uint64(len(self._slots) - 1)).astype(np.int64)
