"""What a commit does to a store: which experiences come, which go, and where their rows are written.

A stored key keeps the record with the higher priority, the earlier one among equals, and the finders of both; a
replacement counts as inserted anew. What is beyond the capacity goes: the lowest priority first, then the oldest.

Rows that are replaced or evicted are marked; a block with less than half of its rows left is written anew with what
comes, so that a store never takes twice its room, and small commits share blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from replay.blocks import BLOCK_ROWS
from replay.environment import set_format
from replay.experience import Experience, merged_finders
from replay.index import OLD, Change, Entries, keys_of
from replay.reading import Snapshot
from replay.rows import RANK, pack_ranks, pack_rows

Integers = npt.NDArray[np.int64]
Finders = dict[int, dict[str, int]]

FEW_ROWS = BLOCK_ROWS // 2
MERGED_AT_ONCE = 256
"""blocks that a commit writes anew at most, which bounds its memory"""


def write(
    stored: Snapshot, best: Mapping[bytes, Experience], numbers: Mapping[str, int], capacity: int | None
) -> tuple[Change, int]:
    """Write what is better than what is stored, and what goes; the change, and how many keys are new.

    `best` are experiences by key, `numbers` those of their tasks. Raises `ReplayError` for an invalid grid.
    """
    set_format(stored.txn, stored.databases.meta)
    index, keys, some = stored.index, list(best), list(best.values())
    found = index.find(keys_of(keys))
    priorities = np.fromiter((experience.priority for experience in some), np.float64, len(some))
    known = found >= 0
    better = ~known
    better[known] = priorities[known] > index.column("priority")[found[known]]
    before, after = _finders(stored, some, found)

    accepted = np.flatnonzero(better)
    replaced = found[better & known]
    goes = index.evicted(replaced, priorities[accepted], capacity)
    evicted, rejected = goes[goes < index.size], goes[goes >= index.size] - index.size
    added = np.delete(accepted, rejected)
    stays = known & ~better & ~np.isin(found, evicted)
    told = [k for k in np.flatnonzero(stays).tolist() if after[k] != before[k]]

    experiences = [replace(some[k], finders=after[k]) if known[k] else some[k] for k in added.tolist()]
    if told:
        others = stored.rows(found[told])
        experiences += [replace(other, finders=after[k]) for k, other in zip(told, others, strict=True)]
    insertions = [*range(index.next_insertion, index.next_insertion + len(added))]
    insertions += index.column("insertion")[found[told]].tolist()
    written = [keys[k] for k in (*added.tolist(), *told)]
    ranks = pack_ranks(written, experiences, insertions, numbers)
    gone = np.concatenate([replaced, evicted])
    return _place(stored, ranks, pack_rows(experiences), found[told], gone), int((~known[added]).sum())


def _finders(stored: Snapshot, some: list[Experience], found: Integers) -> tuple[Finders, Finders]:
    """Of the experiences that are stored already: the finders that are stored, and those with what comes."""
    known = np.flatnonzero(found >= 0).tolist()
    rows = stored.rows(found[known])
    before = {k: rows.finders(row) for row, k in enumerate(known)}
    return before, {k: merged_finders(finders, some[k].finders) for k, finders in before.items()}


def _place(stored: Snapshot, ranks: np.ndarray, rows: list[bytes], told: Integers, gone: Integers) -> Change:
    """Write rows, of which the last are of the slots `told`; the slots `gone` go. Blocks with few rows go along."""
    index, blocks = stored.index, stored.blocks
    leaving = np.concatenate([gone, told])
    places = index.column("block")[leaving]
    for key in index.keys(leaving[places == OLD]):
        stored.txn.delete(key.tobytes(), db=stored.databases.experiences)
    left_rows = _by_block(places[places != OLD], index.column("row")[leaving[places != OLD]])
    few = [
        number for number, live in index.live.items()
        if number != OLD and live - len(left_rows.get(number, ())) < FEW_ROWS
    ] if len(leaving) or len(rows) else []  # fmt: skip
    added, merged = len(rows) - len(told), [np.empty(0, RANK)]
    for number in few[:MERGED_AT_ONCE]:
        block = blocks[number]
        left = blocks.left(number, len(block.ranks))
        left[left_rows.pop(number, np.zeros(0, np.int64))] = False
        merged.append(block.ranks[left])
        rows += map(bytes, block.pieces(np.flatnonzero(left)))
        blocks.delete(number)
    for number, some in left_rows.items():
        blocks.remove(number, some)
    others = np.concatenate(merged)
    numbers, places = blocks.append(np.concatenate([ranks, others]), rows)
    moved = np.concatenate([told, index.find(others["key"])])
    return Change(gone, moved, numbers[added:], places[added:], Entries(ranks[:added], numbers[:added], places[:added]))


def _by_block(blocks: Integers, rows: Integers) -> dict[int, Integers]:
    """The rows of each block."""
    order = np.argsort(blocks, kind="stable")
    numbers, firsts = np.unique(blocks[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(rows[order], firsts[1:]), strict=False))
