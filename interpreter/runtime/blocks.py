"""Blocks of the arena: allocation, containers and grids.

Fuel bounds time because a loop is as long as something that was charged for: a fresh block (`allocate` charges its
words), a container that was reached by `items`, or a grid that was reached by `scan`. All three give the empty block
once a run has failed, so that nothing is looked at or written any more. What takes more than a few steps an item, or
goes over the same items again (sorting, searching, comparing), charges these steps itself, with `burn`.

See `interpreter.runtime.values` for what a block looks like, and for what happens after a failure.
"""

from __future__ import annotations

from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    CELL,
    CHECK_SHIFT,
    EMPTY,
    EMPTY_CONTAINER,
    ERROR,
    GRID,
    INTEGER,
    NONE,
    NOTHING,
    OUT_OF_MEMORY,
    OUT_OF_RANGE,
    PAIR,
    SET,
    SIZE,
    TOP,
    TUPLE,
    TYPE_MISMATCH,
    as_integer,
    burn,
    cell_of,
    color_of,
    column_of,
    fail,
    handle,
    int_of,
    integer,
    is_integer,
    is_pair,
    location_of,
    offset,
    pair_of,
    row_of,
    tag,
)

# ---------------------------------------------------------------------------------------- allocation


@inline
def allocate(A, words):
    """The offset of `words` fresh words, or 0 after a failure. Costs a unit of fuel a word."""
    words = max(words, 0)
    start = A[TOP]
    if words > A[SIZE] - start:
        fail(A, OUT_OF_MEMORY)
        return 0
    if not burn(A, words):
        return 0
    A[TOP] = start + words
    return start


@inline
def new_items(A, capacity):
    """A fresh block of length 0 for up to `capacity` items; the empty block after a failure."""
    start = allocate(A, capacity + 2)
    if start == 0:
        return EMPTY
    A[start] = capacity
    A[start + 1] = 0
    return start + 1


@inline
def capacity(A, block):
    """How many items a fresh block was made for: 0 where its allocation was refused."""
    return A[block - 1]


@inline
def push(A, block, item):
    """Append `item`; does nothing on a full block, so that a failed `new_items` stays empty."""
    n = A[block]
    if n < A[block - 1]:
        A[block + 1 + n] = item
        A[block] = n + 1


# ---------------------------------------------------------------------------------------- containers


@inline
def length(A, x):
    """Python's `len`; fails (and returns 0) if `x` has none."""
    t = tag(x)
    if t == PAIR or t == CELL:
        return 2
    if t == GRID or t == TUPLE or t == SET:
        return A[offset(x)]
    fail(A, TYPE_MISMATCH)
    return 0


@inline
def truth(A, x):
    """Python's `bool`."""
    t = tag(x)
    if t == INTEGER:
        return int_of(x) != 0
    if t == TUPLE or t == SET:
        return A[offset(x)] != 0
    return t != NONE


@inline
def items(A, x):
    """The block [length, item, ...] of any container; fails (and returns the empty block) if `x` is none.

    Pairs, cells and grids are unpacked into a fresh block of numbers, pairs or rows. Costs a unit of fuel an item.
    """
    block = block_of(A, x)
    return block if burn(A, 1 + A[block]) else EMPTY


@inline
def block_of(A, x):
    """Like `items`, without its price: for a look at a few of them, or at many where each look is charged."""
    if tag(x) == TUPLE or tag(x) == SET:
        return offset(x)
    return unpack(A, x)


@outlined
def append(A, block, source):
    """Push all items of the block `source`; returns `block`."""
    n = A[block]
    count = min(A[source], A[block - 1] - n)
    for k in range(1, count + 1):
        A[block + n + k] = A[source + k]
    if count > 0:
        A[block] = n + count
    return block


@inline
def item_at(A, block, index):
    """Item `index` of a block; fails where the block is empty."""
    if A[block] == 0:
        return fail(A, EMPTY_CONTAINER)
    return A[block + 1 + index]


@outlined
def unpack(A, x):
    """The items of a PAIR, CELL or GRID in a fresh block; fails on anything else."""
    t = tag(x)
    if t == PAIR:
        block = new_items(A, 2)
        push(A, block, integer(A, row_of(x)))
        push(A, block, integer(A, column_of(x)))
        return block
    if t == CELL:
        block = new_items(A, 2)
        push(A, block, integer(A, color_of(x)))
        push(A, block, location_of(x))
        return block
    if t == GRID:
        grid = offset(x)
        block = new_items(A, A[grid])
        for i in range(capacity(A, block)):
            push(A, block, row_value(A, grid, i))
        return block
    fail(A, TYPE_MISMATCH)
    return EMPTY


# --------------------------------------------------------------------------------------------- grids


@inline
def new_grid(A, height, width):
    """A fresh, unfilled grid block; the empty grid after a failure, so loop over the block's own size.

    Negative sizes count as 0.
    """
    height = max(height, 0)
    width = max(width, 0)
    if height > 1 << 15 or width > 1 << 15:
        fail(A, OUT_OF_MEMORY)
        return EMPTY
    return new_cells(A, height, width)


@inline
def new_row(A, width):
    """A fresh, unfilled grid block of one row, however long; the empty grid after a failure."""
    return new_cells(A, 1, width)


@inline
def new_cells(A, height, width):
    """A fresh, unfilled grid block whose size is known to be sound."""
    cells = height * width
    start = allocate(A, cells + 3)
    if start == 0:
        return EMPTY
    A[start] = cells
    A[start + 1] = height
    A[start + 2] = width
    return start + 1


@inline
def area(A, grid):
    """Number of cells of a grid block."""
    return A[grid] * A[grid + 1]


@inline
def scan(A, grid):
    """A grid block whose cells are to be looked at, for a unit of fuel a cell; the empty grid after a failure."""
    return grid if burn(A, area(A, grid)) else EMPTY


@inline
def get(A, grid, k):
    """Cell `k` of a grid block, in reading order."""
    return A[grid + 2 + k]


@inline
def put(A, grid, k, color):
    """Set cell `k` of a grid block, in reading order."""
    A[grid + 2 + k] = color


@inline
def get_at(A, grid, i, j):
    """Cell (i, j) of a grid block."""
    return A[grid + 2 + i * A[grid + 1] + j]


@inline
def in_grid(A, grid, i, j):
    return 0 <= i < A[grid] and 0 <= j < A[grid + 1]


@inline
def as_grid(A, x):
    """The block [height, width, cell, ...] of a grid; fails (and returns the empty grid) if `x` is none.

    A tuple of empty tuples is a grid without columns, the empty tuple the empty grid.
    """
    return offset(x) if tag(x) == GRID else hollow_block(A, x)


@inline
def as_rectangle(A, x):
    """Like `as_solid_grid`, of rows cut to the length of the first; fails where one is shorter."""
    return offset(x) if tag(x) == GRID else cut_rows(A, x)


@outlined
def cut_rows(A, x):
    """The block of a grid made of rows of integers, cut to the length of the first; fails on anything else."""
    rows = items(A, x) if tag(x) == TUPLE else EMPTY
    if A[rows] == 0:
        fail(A, EMPTY_CONTAINER if tag(x) == TUPLE else TYPE_MISMATCH)
        return EMPTY
    width = length(A, A[rows + 1])
    grid = new_grid(A, A[rows], width)
    for i in range(A[grid]):
        row = items(A, A[rows + 1 + i])
        if A[row] < width:
            fail(A, OUT_OF_RANGE)
        for j in range(min(width, A[row])):
            put(A, grid, i * width + j, as_integer(A, A[row + 1 + j]))
        if A[ERROR] != 0:
            return EMPTY
    return grid


@inline
def as_solid_grid(A, x):
    """Like `as_grid`; fails also on the empty tuple, which has no first row to tell its width."""
    grid = as_grid(A, x)
    if A[grid] == 0:
        fail(A, EMPTY_CONTAINER)
    return grid


@outlined
def hollow_block(A, x):
    """The block of a grid without columns; fails on anything else."""
    if tag(x) != TUPLE:
        fail(A, TYPE_MISMATCH)
        return EMPTY
    rows = items(A, x)
    for k in range(1, A[rows] + 1):
        if tag(A[rows + k]) != TUPLE or A[offset(A[rows + k])] != 0:
            fail(A, TYPE_MISMATCH)
            return EMPTY
    return new_grid(A, A[rows], 0)


@inline
def finish_grid(A, grid):
    """The value of a filled grid block: a GRID, or a tuple of empty rows where it has no cells."""
    if area(A, grid) > 0:
        return handle(GRID, grid)
    return hollow_grid(A, A[grid])


@outlined
def hollow_grid(A, height):
    """A grid without cells: a tuple of `height` empty tuples."""
    empty = handle(TUPLE, EMPTY)
    rows = new_items(A, height)
    for _ in range(capacity(A, rows)):
        push(A, rows, empty)
    return handle(TUPLE, rows)


@outlined
def copy_grid(A, grid):
    """A fresh copy of a grid block."""
    copy = new_grid(A, A[grid], A[grid + 1])
    for k in range(area(A, copy)):
        put(A, copy, k, get(A, grid, k))
    return copy


@inline
def row_value(A, grid, i):
    """Row `i` of a grid block as a value: a PAIR or a TUPLE of integers."""
    width = A[grid + 1]
    if width == 2:
        return pair_of(A, get_at(A, grid, i, 0), get_at(A, grid, i, 1))
    row = new_items(A, width)
    for j in range(capacity(A, row)):
        push(A, row, integer(A, get_at(A, grid, i, j)))
    return handle(TUPLE, row)


@outlined
def grid_of_rows(A, block):
    """The GRID that a block of rows is, or NOTHING if the rows are not equally long tuples of integers."""
    first = A[block + 1]
    if tag(first) != PAIR and tag(first) != TUPLE:
        return NOTHING
    width = 2 if is_pair(first) else A[offset(first)]
    if width == 0 or not burn(A, A[block]):
        return NOTHING
    for i in range(A[block]):
        row = A[block + 1 + i]
        if is_pair(row):
            if width != 2:
                return NOTHING
        else:
            if tag(row) != TUPLE or A[offset(row)] != width:
                return NOTHING
            if not burn(A, width >> CHECK_SHIFT):
                return NOTHING
            for j in range(width):
                if not is_integer(A[offset(row) + 1 + j]):
                    return NOTHING
    grid = new_grid(A, A[block], width)
    for i in range(A[grid]):
        row = A[block + 1 + i]
        if is_pair(row):
            put(A, grid, i * 2, row_of(row))
            put(A, grid, i * 2 + 1, column_of(row))
        else:
            for j in range(width):
                put(A, grid, i * width + j, int_of(A[offset(row) + 1 + j]))
    return handle(GRID, grid) if A[ERROR] == 0 else NOTHING


# -------------------------------------------------------------------------------------------- tuples


@inline
def finish_tuple(A, block):
    """The value of a block as a tuple, in its one representation (PAIR, CELL, GRID or TUPLE)."""
    n = A[block]
    if n == 0:
        return handle(TUPLE, block)
    first = A[block + 1]
    if n == 2 and is_integer(first):
        second = A[block + 2]
        if is_integer(second):
            return pair_of(A, int_of(first), int_of(second))
        if is_pair(second):
            return cell_of(A, int_of(first), row_of(second), column_of(second))
    if tag(first) == PAIR or tag(first) == TUPLE:
        grid = grid_of_rows(A, block)
        if grid != NOTHING:
            return grid
    return handle(TUPLE, block)
