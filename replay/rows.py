"""Experiences as rows of bytes: the form in which a store keeps them, and hands them over by the hundred thousand.

A row, little-endian. What draws and eviction know is not in it, but in a `RANK`:

    u4 bytes of the program, u2 pairs, u2 bytes of the finders
    program    canonical text, never opcodes, so that a new primitive leaves every row readable
    pairs      u2 each
    shapes     u1 height, u1 width each
    grids      two cells a byte, see `interpreter.encoding.grids`; each begins at a whole byte
    finders    msgpack of a map; nothing where the origin is the only one

Outputs of all rows are packed in one pass, and read by compiled code where they lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import msgpack
import numpy as np
import numpy.typing as npt

from interpreter.encoding.grids import compact_cells, read_cells
from interpreter.grids import MAX_COLOR, MAX_SIDE, Grid
from replay.experience import KEY_BYTES, Experience, Origin, ReplayError

Integers = npt.NDArray[np.int64]

RANK = np.dtype(
    [
        ("key", f"V{KEY_BYTES}"),
        ("insertion", "<i8"),  # ascending with the time of writing
        ("priority", "<f8"),
        ("task", "<u4"),  # its number in the store
        ("meta_iteration", "<i4"),
        ("policy_version", "<i4"),
        ("origin", "u1"),  # index into ORIGINS
        ("characters", "<u2"),  # of the program, at most MOST_CHARACTERS
    ]
)
MOST_CHARACTERS = 2**16 - 1
ORIGINS = tuple(Origin)
_HEADER = struct.Struct("<IHH")
_PARTS = np.dtype([("program", "<u4"), ("pairs", "<u2"), ("finders", "<u2")])


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a buffer: row k is `buffer[starts[k] : ends[k]]`, its rank `ranks[k]`."""

    buffer: npt.NDArray[np.uint8]
    starts: Integers
    ends: Integers
    ranks: npt.NDArray[np.void]
    tasks: Mapping[int, str]
    """ids of the tasks by their number, of more tasks than there are here perhaps"""

    @classmethod
    def of(cls, experiences: Sequence[Experience]) -> Rows:
        """The rows of experiences, whose tasks are numbered as they come. `ReplayError` for an invalid grid."""
        numbers: dict[str, int] = {}
        for experience in experiences:
            numbers.setdefault(experience.task, len(numbers))
        packed = pack_rows(experiences)
        ends = np.cumsum([0, *map(len, packed)])
        ranks = pack_ranks([e.key for e in experiences], experiences, range(len(experiences)), numbers)
        buffer = np.frombuffer(b"".join(packed), np.uint8)
        return cls(buffer, ends[:-1], ends[1:], ranks, {number: task for task, number in numbers.items()})

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Rows:
        """The rows at some indices, or where a mask is true; the buffer is shared."""
        return Rows(self.buffer, self.starts[rows], self.ends[rows], self.ranks[rows], self.tasks)

    @classmethod
    def concatenate(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of several parts, at least one, of the same store."""
        offsets = np.cumsum([0, *(len(part.buffer) for part in parts)])
        return cls(
            np.concatenate([part.buffer for part in parts]),
            np.concatenate([part.starts + offset for part, offset in zip(parts, offsets, strict=False)]),
            np.concatenate([part.ends + offset for part, offset in zip(parts, offsets, strict=False)]),
            np.concatenate([part.ranks for part in parts]),
            {number: task for part in parts for number, task in part.tasks.items()},
        )

    @cached_property
    def parts(self) -> npt.NDArray[np.void]:
        """Of each row the sizes of its parts (program, pairs, finders). Raises `ReplayError` where one has none."""
        short = self.ends - self.starts < _HEADER.size
        if short.any():
            raise _damaged(self.ranks[int(short.argmax())], "it is too short")
        return self.buffer[self.starts[:, None] + np.arange(_HEADER.size)].view(_PARTS).reshape(-1)

    @property
    def texts(self) -> Integers:
        """Where the programs start in the buffer; the pairs stand behind them."""
        return self.starts + _HEADER.size

    def programs(self) -> list[str]:
        """The texts of all programs. Raises `ReplayError` for one that is damaged."""
        raw = memoryview(self.buffer)
        starts, ends = self.texts, self.texts + self.parts["program"]
        if (long := ends > self.ends).any():
            raise _damaged(self.ranks[int(long.argmax())], "its program is longer than it")
        found: list[str] = []
        try:
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                found.append(str(raw[start:end], "utf-8"))
        except UnicodeDecodeError as error:
            raise _damaged(self.ranks[len(found)], error) from error
        return found

    def task_ids(self) -> set[str]:
        """The ids of all tasks of the rows."""
        return {self.tasks[number] for number in np.unique(self.ranks["task"]).tolist()}

    def finders(self, row: int) -> dict[str, int]:
        """All that found a row's program, with the first meta-iteration of each. Raises `ReplayError`."""
        rank = self.ranks[row]
        try:
            found = finders_of(self.buffer[self.starts[row] : self.ends[row]].tobytes())
            return found or {ORIGINS[rank["origin"]].value: int(rank["meta_iteration"])}
        except (LookupError, ValueError, struct.error) as error:
            raise _damaged(rank, error) from error

    def experience(self, row: int) -> Experience:
        """A row as an object. Raises `ReplayError` where it is damaged."""
        raw = self.buffer[self.starts[row] : self.ends[row]].tobytes()
        return unpack_row(raw, self.ranks[row], self.tasks)

    def __iter__(self) -> Iterator[Experience]:
        return (self.experience(row) for row in range(len(self)))


def pack_ranks(
    keys: Sequence[bytes], experiences: Sequence[Experience], insertions: Iterable[int], numbers: Mapping[str, int]
) -> npt.NDArray[np.void]:
    """The ranks of experiences; `numbers` are those of their tasks."""
    origins = {origin: number for number, origin in enumerate(ORIGINS)}
    lengths = (min(len(e.program), MOST_CHARACTERS) for e in experiences)
    rows = (
        (key, insertion, e.priority, numbers[e.task], e.meta_iteration, e.policy_version, origins[e.origin], length)
        for key, insertion, e, length in zip(keys, insertions, experiences, lengths, strict=True)
    )
    return np.fromiter(rows, RANK, len(keys))


def pack_rows(experiences: Sequence[Experience]) -> list[bytes]:
    """The row of each experience. Raises `ReplayError` for an invalid grid."""
    cells, starts, shapes = _pack_grids([output for experience in experiences for output in experience.outputs])
    firsts = np.cumsum([0, *(len(experience.outputs) for experience in experiences)])
    rows = []
    places = zip(experiences, pairwise(firsts.tolist()), pairwise(starts[firsts].tolist()), strict=True)
    for experience, (first, last), (start, end) in places:
        program, pairs = experience.program.encode(), experience.pairs
        finders = _pack_finders(experience)
        rows.append(
            b"".join(
                (
                    _HEADER.pack(len(program), len(pairs), len(finders)),
                    program,
                    struct.pack(f"<{len(pairs)}H", *pairs),
                    shapes[2 * first : 2 * last],
                    cells[start:end],
                    finders,
                )
            )
        )
    return rows


def program_bytes(buffer: npt.NDArray[np.uint8], starts: npt.NDArray[np.integer]) -> npt.NDArray[np.uint32]:
    """The bytes of the programs of whole rows that begin at `starts` of a buffer."""
    return buffer[starts.astype(np.int64)[:, None] + np.arange(_HEADER.size)].view(_PARTS).reshape(-1)["program"]


def unpack_row(raw: bytes, rank: np.void, tasks: Mapping[int, str]) -> Experience:
    """The experience of a row. Checks sizes, not colours. Raises `ReplayError`."""
    try:
        program, count, _ = _HEADER.unpack_from(raw)
        at = _HEADER.size + program
        pairs = struct.unpack_from(f"<{count}H", raw, at)
        shapes = raw[at + 2 * count : at + 4 * count]
        at += 4 * count
        outputs = []
        for height, width in zip(shapes[0::2], shapes[1::2], strict=True):
            size = (height * width + 1) // 2
            outputs.append(_read_grid(raw[at : at + size], height, width))
            at += size
        origin = ORIGINS[rank["origin"]]
        meta_iteration = int(rank["meta_iteration"])
        return Experience(
            task=tasks[int(rank["task"])],
            program=raw[_HEADER.size : _HEADER.size + program].decode(),
            pairs=pairs,
            outputs=tuple(outputs),
            origin=origin,
            priority=float(rank["priority"]),
            meta_iteration=meta_iteration,
            policy_version=int(rank["policy_version"]),
            finders=finders_of(raw) or {origin.value: meta_iteration},
        )
    except (LookupError, TypeError, ValueError, struct.error) as error:
        raise _damaged(rank, error) from error


def finders_of(raw: bytes) -> dict[str, int]:
    """The finders of a row; none where its origin is the only one. Raises ValueError where they are damaged."""
    size = _HEADER.unpack_from(raw)[2]
    if not size:
        return {}
    found = msgpack.unpackb(raw[len(raw) - size :])
    return {str(name): int(number) for name, number in found.items()}


def _pack_finders(experience: Experience) -> bytes:
    finders = experience.finders
    alone = len(finders) == 1 and finders.get(experience.origin) == experience.meta_iteration
    return b"" if alone else msgpack.packb(dict(finders))


def _read_grid(raw: bytes, height: int, width: int) -> Grid:
    """A read-only grid from its bytes. Raises ValueError where these are too few."""
    grid = read_cells(np.frombuffer(raw, np.uint8), height, width)
    grid.setflags(write=False)
    return grid


def _pack_grids(grids: Sequence[Grid]) -> tuple[bytes, Integers, bytes]:
    """Compact grids one after the other, where each starts, with the end, and all shapes. `ReplayError` for an invalid
    one."""
    for grid in grids:
        if grid.ndim != 2:
            raise _no_grid(grid)
    shapes = np.array([grid.shape for grid in grids], np.int64).reshape(-1, 2)
    wrong = ((shapes < 1) | (shapes > MAX_SIDE)).any(axis=1)
    if wrong.any():
        raise _no_grid(grids[int(wrong.argmax())])
    starts = np.zeros(len(grids) + 1, np.int64)
    np.cumsum(shapes.prod(axis=1), out=starts[1:])
    cells = np.concatenate([np.zeros(0, np.int8), *(grid.ravel() for grid in grids)])
    if cells.dtype != np.int8:  # of which some may not fit
        cells = cells.clip(-1, MAX_COLOR + 1).astype(np.int8)
    compact, compact_starts, invalid = compact_cells(cells, starts)
    if invalid >= 0:
        raise _no_grid(grids[invalid])
    return compact.tobytes(), compact_starts, shapes.astype(np.uint8).tobytes()


def _no_grid(grid: Grid) -> ReplayError:
    return ReplayError(f"not a grid of 1..30 x 1..30 cells with colours 0..9: shape {grid.shape}")


def _damaged(rank: np.void, why: object) -> ReplayError:
    return ReplayError(f"experience {rank['key'].tobytes().hex()}: the record is damaged ({why})")
