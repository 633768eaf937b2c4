"""Where copies of an object lie in a grid: all columns of a row at once, as the bits of a word."""

from interpreter.runtime.blocks import allocate, get, get_at, in_grid, new_items, push, scan
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    EMPTY,
    ERROR,
    LEFT_COLUMN,
    TOP_ROW,
    TYPE_MISMATCH,
    burn,
    color_of,
    column_of,
    fail,
    is_cell,
    is_pair,
    location_of,
    pair_of,
    row_of,
)

COLORS = 10  # 0 to 9: those that have bits
MAX_COLUMNS = 62  # of a grid whose rows are words of bits


@outlined
def copies(A, grid, obj, rows, columns):
    """A block of the locations, at most `rows` down and `columns` across, where all cells of the items block `obj`
    are cells of a grid block; its bounds are in the header."""
    top = A[TOP_ROW]
    left = A[LEFT_COLUMN]
    found = new_items(A, max(rows, 0) * max(columns, 0))
    if found == EMPTY or rows <= 0 or columns <= 0:
        return found
    if not is_plain(A, obj, A[grid] - rows, A[grid + 1] - columns) or A[grid + 1] > MAX_COLUMNS:
        for i in range(rows):
            for j in range(columns):
                if occurs(A, grid, obj, i - top, j - left):
                    push(A, found, pair_of(A, i, j))
                elif A[ERROR] != 0:
                    return EMPTY
        return found
    bits = bits_of_rows(A, grid)
    for i in range(rows if bits != 0 else 0):
        starts = starts_in_row(A, bits + i - top, A[grid], obj, (1 << columns) - 1)
        if A[ERROR] != 0:
            return EMPTY
        for j in range(columns if starts != 0 else 0):
            if (starts >> j) & 1:
                push(A, found, pair_of(A, i, j))
    return found


@inline
def is_plain(A, obj, down, across):
    """Whether an object has only cells of colours with bits, none further down or across than that from its corner."""
    if not burn(A, A[obj]):
        return False
    top = A[TOP_ROW]
    left = A[LEFT_COLUMN]
    for k in range(A[obj]):
        cell = A[obj + 1 + k]
        if not (is_cell(cell) and 0 <= color_of(cell) < COLORS):
            return False
        at = location_of(cell)
        if not (0 <= row_of(at) - top <= down and 0 <= column_of(at) - left <= across):
            return False
    return A[obj] > 0


@inline
def bits_of_rows(A, grid):
    """Where row i of colour c is, at word c * height + i: bit j is set where the cell in column j has it."""
    grid = scan(A, grid)
    height = A[grid]
    width = A[grid + 1]
    bits = allocate(A, COLORS * height)
    if bits == 0:
        return 0
    for k in range(COLORS * height):
        A[bits + k] = 0
    for i in range(height):
        for j in range(width):
            color = get(A, grid, i * width + j)
            if 0 <= color < COLORS:
                A[bits + color * height + i] |= 1 << j
    return bits


@inline
def starts_in_row(A, bits, height, obj, starts):
    """Those of the columns `starts`, as bits, from which all cells are there; `bits` is of the row that the object's
    row 0 lies on. Charges a step for each cell looked at."""
    left = A[LEFT_COLUMN]
    k = 0
    while k < A[obj] and starts != 0:
        cell = A[obj + 1 + k]
        at = location_of(cell)
        starts &= A[bits + color_of(cell) * height + row_of(at)] >> (column_of(at) - left)
        k += 1
    return starts if burn(A, k + 1) else 0


@inline
def occurs(A, grid, obj, down, across):
    """Whether all cells, shifted, are cells of the grid block; charges a step for each one looked at."""
    for k in range(A[obj]):
        cell = A[obj + 1 + k]
        if not is_cell(cell):  # a location, or a location with what no grid holds
            if is_pair(cell):
                fail(A, TYPE_MISMATCH)
            return False
        at = location_of(cell)
        i = row_of(at) + down
        j = column_of(at) + across
        if not in_grid(A, grid, i, j) or get_at(A, grid, i, j) != color_of(cell):
            burn(A, k + 1)
            return False
    return burn(A, A[obj] + 1)
