"""Whole examples in one pass: from experiences as bytes to prompts and programs as ids, packed.

A row is an experience: bytes of a buffer that hold its program, the numbers of its task's inputs, and a compact grid
for each of these. The inputs of a task are written once and copied. Demonstrations leave a prompt as `keep_fitting` of
`trainer.codec` has it: whole, the longest first, the later of equals, and then all after the first `most`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.encoding.grids import (
    COLORS,
    MAX_CELLS,
    MAX_GRID_TOKENS,
    UNCHANGED,
    GridTokens,
    mask_unchanged,
    unpack_cells,
    write_content,
    write_grid,
)
from interpreter.encoding.programs import (
    MAX_PROGRAM_TOKENS,
    MAX_VARIABLES,
    NOT_CANONICAL,
    names,
    write_program,
)
from interpreter.grids import MAX_COLOR, MAX_SIDE, GridTable
from interpreter.runtime.native import LEARNING, cells_pointer, entry, inline

# What becomes of a row: an example; none, because no demonstration or not the whole program fits; or whatever the
# readable codec says.
WRITTEN, PROMPT_TOO_LONG, PROGRAM_TOO_LONG, LEFT_TO_READABLE = 0, 1, 2, 3
MAX_DEMONSTRATION = 2 * MAX_GRID_TOKENS


class Rows(NamedTuple):
    """Where each row's parts are in `buffer` (uint8, read-only), int64 of (n,) each."""

    buffer: npt.NDArray[np.uint8]
    texts: npt.NDArray[np.int64]
    text_ends: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.int64]
    """where the pairs stand, two bytes each; then the shapes, two bytes each, and the compact grids"""
    counts: npt.NDArray[np.int64]
    """of pairs"""
    ends: npt.NDArray[np.int64]
    tasks: npt.NDArray[np.int64]
    """indices into the tasks of `Inputs`"""


class Inputs(NamedTuple):
    """The demonstration inputs of tasks: those of task k are the grids `first[k]` to `first[k + 1]`."""

    first: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    token_starts: npt.NDArray[np.int64]
    """of each grid's tokens, mark included; none where it is no valid grid"""


class Room(NamedTuple):
    """What a pass writes on, for rows of up to `lengths` demonstrations."""

    tokens: npt.NDArray[np.int32]
    edit: npt.NDArray[np.int32]
    program: npt.NDArray[np.int32]
    used: npt.NDArray[np.bool_]
    wanted: npt.NDArray[np.int8]
    changed: npt.NDArray[np.int8]
    counts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, pairs: int) -> Room:
        """Room for rows of at most so many pairs."""
        return cls(
            np.empty(pairs * MAX_DEMONSTRATION, np.int32),
            np.empty(MAX_GRID_TOKENS, np.int32),
            np.empty(MAX_PROGRAM_TOKENS, np.int32),
            np.empty(MAX_VARIABLES + 1, np.bool_),
            np.empty(MAX_CELLS, np.int8),
            np.empty(MAX_CELLS, np.int8),
            np.empty(COLORS, np.int64),
            np.empty(pairs, np.int64),
        )


class Written(NamedTuple):
    """Examples one after the other: `tokens`, where each starts, how many of its tokens are the prompt's, and of each
    row what became of it."""

    tokens: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    prompts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    """of which row an example is"""
    outcomes: npt.NDArray[np.int8]

    @classmethod
    def of(cls, rows: int, tokens: int) -> Written:
        return cls(
            np.empty(tokens, np.int32), np.zeros(rows + 1, np.int64), np.empty(rows, np.int64),
            np.empty(rows, np.int64), np.empty(rows, np.int8),
        )  # fmt: skip

    def with_room(self) -> Written:
        """The same with room for twice as many tokens."""
        return self._replace(tokens=np.concatenate([self.tokens, np.empty_like(self.tokens)]))


_IDS = GridTokens(*range(len(GridTokens._fields)))


def _arguments_of_inputs() -> tuple:
    """Arguments of `write_inputs`, for their types."""
    grids = GridTable.pack([np.zeros((1, 1), np.int8)])
    row = np.zeros(2, np.int64)
    return grids.cells, grids.starts, grids.shapes, _IDS, np.zeros(COLORS, np.int64), np.zeros(1, np.int32), row


def _arguments_of_write() -> tuple:
    """Arguments of `write_examples`, for their types."""
    one, grids = np.zeros(1, np.int64), GridTable.pack([np.zeros((1, 1), np.int8)])
    rows = Rows(np.frombuffer(bytes(1), np.uint8), one, one, one, one, one, one)
    inputs = Inputs(one, grids.cells, grids.starts, grids.shapes, np.zeros(1, np.int32), one)
    return rows, inputs, _IDS, names(), 0, 0, 0, Room.of(1), Written.of(1, 1), 0, 0


@entry(_arguments_of_inputs, group=LEARNING)
def write_inputs(cells, starts, shapes, ids, counts, tokens, token_starts):
    """Write the tokens of each grid as an input; `tokens` has room for `MAX_GRID_TOKENS` a grid."""
    n = 0
    for k in range(len(starts) - 1):
        token_starts[k] = n
        height, width = np.int64(shapes[k, 0]), np.int64(shapes[k, 1])
        valid = 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE
        for at in range(starts[k], starts[k + 1]):
            valid = valid and 0 <= cells[at] <= MAX_COLOR
        if valid:
            tokens[n] = ids.given
            given, end = cells_pointer(cells.ctypes.data + starts[k]), len(tokens)
            n = write_grid(given, height, width, ids, tokens, n + 1, end, counts)
    token_starts[len(starts) - 1] = n


@inline
def u16(buffer, at):
    return np.int64(buffer[at]) | np.int64(buffer[at + 1]) << 8


@inline
def write_demonstration(inputs, grid, wanted, height, width, ids, room, n):
    """Append a demonstration: input `grid`, and the output whose cells are `wanted`. Returns how many tokens then."""
    out, start = room.tokens, inputs.token_starts[grid]
    for at in range(start, inputs.token_starts[grid + 1]):
        out[n] = inputs.tokens[at]
        n += 1
    edit = MAX_GRID_TOKENS + 1
    if inputs.shapes[grid, 0] == height and inputs.shapes[grid, 1] == width:
        changed = cells_pointer(room.changed.ctypes.data)
        mask_unchanged(cells_pointer(inputs.cells.ctypes.data + inputs.starts[grid]), wanted, changed, height * width)
        room.edit[0] = ids.edit
        edit = write_content(changed, height, width, UNCHANGED, ids, room.edit, 1, MAX_GRID_TOKENS)
    out[n] = ids.wanted
    # A whole grid of as many tokens is not taken, so that it need not be written.
    whole = write_grid(wanted, height, width, ids, out, n + 1, n + edit, room.counts) - n
    if whole < edit:
        return n + whole
    for k in range(edit):
        out[n + k] = room.edit[k]
    return n + edit


@inline
def write_demonstrations(rows, row, inputs, ids, room):
    """Write all demonstrations of a row and their lengths; False where they are not what they should be."""
    buffer, count, end = rows.buffer, rows.counts[row], rows.ends[row]
    pair_at = rows.pairs[row]
    shape_at = pair_at + 2 * count
    cells_at = shape_at + 2 * count
    first, last = inputs.first[rows.tasks[row]], inputs.first[rows.tasks[row] + 1]
    if count == 0 or cells_at > end:
        return False
    wanted = cells_pointer(room.wanted.ctypes.data)
    n, before = 0, first - 1
    for k in range(count):
        grid = first + u16(buffer, pair_at + 2 * k)
        height, width = np.int64(buffer[shape_at + 2 * k]), np.int64(buffer[shape_at + 2 * k + 1])
        size = height * width
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE) or cells_at + (size + 1) // 2 > end:
            return False
        if not before < grid < last or inputs.token_starts[grid] == inputs.token_starts[grid + 1]:
            return False
        if not unpack_cells(cells_pointer(buffer.ctypes.data + cells_at), size, wanted):
            return False
        cells_at += (size + 1) // 2
        before, start = grid, n
        n = write_demonstration(inputs, grid, wanted, height, width, ids, room, start)
        room.lengths[k] = n - start
    return True


@inline
def keep_fitting(lengths, count, limit, most, kept):
    """Mark the demonstrations that stay, at most `most`; their tokens together."""
    total = 0
    for k in range(count):
        kept[k] = True
        total += lengths[k]
    while total > limit:
        longest = -1
        for k in range(count):
            if kept[k] and (longest < 0 or lengths[k] >= lengths[longest]):
                longest = k
        kept[longest] = False
        total -= lengths[longest]
    left = most
    for k in range(count):
        if kept[k] and left == 0:
            kept[k] = False
            total -= lengths[k]
        elif kept[k]:
            left -= 1
    return total


@entry(_arguments_of_write, group=LEARNING)
def write_examples(rows, inputs, ids, names, max_prompt, most, max_program, room, written, row, examples):
    """Write the examples of the rows from `row` on behind the `examples` that are there.

    Returns the row before which the room for tokens ended, or the number of rows, and the number of examples.
    """
    kept = np.empty(len(room.lengths), np.bool_)
    while row < len(rows.texts):
        outcome, prompt, length = LEFT_TO_READABLE, 0, 0
        if write_demonstrations(rows, row, inputs, ids, room):
            prompt = keep_fitting(room.lengths, rows.counts[row], max_prompt - 1, most, kept)
            if prompt == 0:
                outcome = PROMPT_TOO_LONG
            else:
                length = write_program(
                    rows.buffer, rows.texts[row], rows.text_ends[row], names, room.used, room.program
                )
                if length != NOT_CANONICAL:
                    outcome = WRITTEN if length <= max_program else PROGRAM_TOO_LONG
        if outcome == WRITTEN:
            n = written.starts[examples]
            if n + prompt + 1 + length > len(written.tokens):
                break
            at = 0
            for k in range(rows.counts[row]):
                if kept[k]:
                    for token in range(at, at + room.lengths[k]):
                        written.tokens[n] = room.tokens[token]
                        n += 1
                at += room.lengths[k]
            written.tokens[n] = ids.end
            n += 1
            written.prompts[examples] = n - written.starts[examples]
            for token in range(length):
                written.tokens[n + token] = room.program[token]
            written.rows[examples] = row
            examples += 1
            written.starts[examples] = n + length
        written.outcomes[row] = outcome
        row += 1
    return row, examples
