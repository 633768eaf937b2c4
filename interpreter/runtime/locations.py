"""Patches as blocks: their items, where each lies, and the bounding box."""

from __future__ import annotations

from interpreter.runtime.blocks import items, row_value
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    BOTTOM_ROW,
    CELL,
    CELL_COLUMN,
    COORDINATE_BIAS,
    COORDINATE_BITS,
    COORDINATE_MASK,
    GRID,
    HELPER_COST,
    LEFT_COLUMN,
    PAIR,
    RIGHT_COLUMN,
    SET,
    TOP_ROW,
    TUPLE,
    TYPE_MISMATCH,
    as_pair,
    burn,
    column_of,
    fail,
    is_cell,
    is_pair,
    location_of,
    offset,
    row_of,
    tag,
)


@inline
def location(A, x):
    """The PAIR of a patch's item, which is a CELL, a PAIR or a tuple of anything and a PAIR; fails if it is none."""
    if is_cell(x):
        return location_of(x)
    return x if is_pair(x) else inner_location(A, x)


@outlined
def inner_location(A, x):
    """The PAIR in a tuple of anything and a PAIR; fails (and returns (0, 0)) on anything else."""
    burn(A, HELPER_COST)
    if tag(x) == TUPLE and A[offset(x)] == 2:
        return as_pair(A, A[offset(x) + 2])
    if tag(x) == GRID and A[offset(x)] == 2 and A[offset(x) + 1] == 2:
        return row_value(A, offset(x), 1)
    return as_pair(A, x)


@inline
def patch_items(A, x):
    """The `items` of a patch; fails where the first is a location and the last is none, or the reverse.

    In a set, where locations come first, that finds every mixture of locations and cells.
    """
    block = items(A, x)
    if A[block] > 0 and is_pair(A[block + 1]) != is_pair(A[block + A[block]]):
        fail(A, TYPE_MISMATCH)
    return block


@inline
def column_shift(A, x, block):
    """How far left columns lie in the handles of a set's items, which are all cells or all pairs; else -1.

    Rows lie COORDINATE_BITS further left. Canonical order puts items of one kind together, so that the first and the
    last tell.
    """
    n = A[block]
    if tag(x) != SET or n == 0 or tag(A[block + 1]) != tag(A[block + n]):
        return -1
    return CELL_COLUMN if tag(A[block + 1]) == CELL else 0 if tag(A[block + 1]) == PAIR else -1


@outlined
def bounds(A, x):
    """Write the bounding box of a patch into TOP_ROW, LEFT_COLUMN, BOTTOM_ROW, RIGHT_COLUMN.

    Returns 1, or 0 where the patch is empty (the box is then 0, 0, 0, 0); fails on what is no patch.
    """
    block = patch_items(A, x)
    n = A[block]
    top = left = COORDINATE_BIAS
    bottom = right = -COORDINATE_BIAS
    shift = column_shift(A, x, block)
    if shift >= 0:  # the rows are in order
        top = ((A[block + 1] >> (shift + COORDINATE_BITS)) & COORDINATE_MASK) - COORDINATE_BIAS
        bottom = ((A[block + n] >> (shift + COORDINATE_BITS)) & COORDINATE_MASK) - COORDINATE_BIAS
        low = COORDINATE_MASK
        high = 0
        for k in range(1, n + 1):
            j = (A[block + k] >> shift) & COORDINATE_MASK
            low = min(low, j)
            high = max(high, j)
        left = low - COORDINATE_BIAS
        right = high - COORDINATE_BIAS
        n = 0
    for k in range(1, n + 1):
        at = location(A, A[block + k])
        top = min(top, row_of(at))
        bottom = max(bottom, row_of(at))
        left = min(left, column_of(at))
        right = max(right, column_of(at))
    found = bottom >= top
    A[TOP_ROW] = top if found else 0
    A[LEFT_COLUMN] = left if found else 0
    A[BOTTOM_ROW] = bottom if found else 0
    A[RIGHT_COLUMN] = right if found else 0
    return 1 if found else 0
