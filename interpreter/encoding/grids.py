"""Grids as bytes, two cells each, and as the tokens of a prompt.

A compact grid is its cells row by row, two a byte, the first in the low half; a grid begins at a whole byte. Its height
and width stand elsewhere. Tokens are those that `trainer.codec` documents: header, then bands of equal rows, and in
each its runs of a colour other than the background.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from interpreter.grids import MAX_COLOR, MAX_SIDE
from interpreter.runtime.native import BYTES, CELLS, LEARNING, ROW, entry, inline

MAX_CELLS = MAX_SIDE * MAX_SIDE
# No grid has more: a row of a cell a run takes a token a cell, or two a second cell; and the row with its height two.
MAX_GRID_TOKENS = 4 + MAX_SIDE * (MAX_SIDE + 2)
COLORS = MAX_COLOR + 1
UNCHANGED = -1


class GridTokens(NamedTuple):
    """Ids: marks, and of each family the id that its value 0 has or would have."""

    given: int
    wanted: int
    edit: int
    height: int
    width: int
    background: int
    row: int
    column: int
    color: int
    count: int
    end: int
    """what a prompt ends with"""


@entry(CELLS, ROW, BYTES, ROW, group=LEARNING)
def write_compact(cells, starts, compact, compact_starts):
    """Write many grids as bytes; the first one with a cell that is no colour, or -1."""
    n = 0
    for k in range(len(starts) - 1):
        at, end = starts[k], starts[k + 1]
        while at < end:
            low, high = cells[at], cells[at + 1] if at + 1 < end else np.int8(0)
            if low < 0 or low > MAX_COLOR or high < 0 or high > MAX_COLOR:
                return k
            compact[n] = low | high << 4
            n += 1
            at += 2
        compact_starts[k + 1] = n
    return -1


def compact_cells(
    cells: npt.NDArray[np.int8], starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], int]:
    """The bytes of many grids, one after the other, and where each starts, with the end; the first grid with a cell
    that is no colour, or -1."""
    compact, compact_starts = np.empty((len(cells) + len(starts)) // 2 + 1, np.uint8), np.zeros_like(starts)
    invalid = write_compact.compiled()(cells, starts, compact, compact_starts)
    return compact[: compact_starts[-1]], compact_starts, invalid


def read_cells(raw: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.int8]:
    """The grid in the first bytes of `raw`; colours are not checked."""
    size = height * width
    halves = np.empty(2 * ((size + 1) // 2), np.int8)
    some = raw[: len(halves) // 2]
    halves[0::2], halves[1::2] = some & 15, some >> 4
    return halves[:size].reshape(height, width)


# Cells are read and written by pointers, whose indices are never wrapped: so LLVM can take many at once.


@inline
def unpack_cells(raw, size, cells):
    """Write the cells of a compact grid; False where one is no colour."""
    largest = 0
    for k in range(size >> 1):
        low, high = raw[k] & 15, (raw[k] >> 4) & 15
        largest = max(largest, low, high)
        cells[2 * k] = low
        cells[2 * k + 1] = high
    if size & 1:
        low = raw[size >> 1] & 15
        largest = max(largest, low)
        cells[size - 1] = low
    return largest <= MAX_COLOR


@inline
def mask_unchanged(given, wanted, changed, size):
    """Write the wanted cells, but for those that are as they were given."""
    for k in range(size):
        changed[k] = UNCHANGED if given[k] == wanted[k] else wanted[k]


@inline
def background_of(cells, size, counts):
    """The most frequent colour, the smaller one of a tie; `counts` is room for a number a colour."""
    for color in range(COLORS):
        counts[color] = 0
    first = 0
    while first < size:  # by runs: a count that was just written is slow to read
        color, k = cells[first], first + 1
        while k < size and cells[k] == color:
            k += 1
        counts[color] += k - first
        first = k
    best = 0
    for color in range(1, COLORS):
        if counts[color] > counts[best]:
            best = color
    return best


@inline
def same_rows(cells, top, other, width):
    column = 0
    while column < width and cells[top * width + column] == cells[other * width + column]:
        column += 1
    return column == width


@inline
def write_content(cells, height, width, background, ids, out, n, stop):
    """Append the bands and runs to the `n` tokens of `out`; gives up once there are `stop`. Returns how many."""
    top = 0
    while top < height and n < stop:
        bottom = top + 1
        while bottom < height and same_rows(cells, top, bottom, width):
            bottom += 1
        begun, end, column, first = False, 0, 0, top * width
        while column < width:
            color = cells[first + column]
            right = column + 1
            while right < width and cells[first + right] == color:
                right += 1
            if color != background:
                if not begun:
                    begun = True
                    out[n] = ids.row + top
                    n += 1
                    if bottom - top > 1:
                        out[n] = ids.count + bottom - top
                        n += 1
                if column != end:
                    out[n] = ids.column + column
                    n += 1
                out[n] = ids.color + color
                n += 1
                if right - column > 1:
                    out[n] = ids.count + right - column
                    n += 1
                end = right
            column = right
        top = bottom
    return n


@inline
def write_grid(cells, height, width, ids, out, n, stop, counts):
    """Append a whole grid, as `write_content` does."""
    background = background_of(cells, height * width, counts)
    out[n] = ids.height + height
    out[n + 1] = ids.width + width
    out[n + 2] = ids.background + background
    return write_content(cells, height, width, background, ids, out, n + 3, stop)
