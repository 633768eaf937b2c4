"""Making patches: sets of cells (objects) or of locations (indices).

A patch's locations may lie anywhere, outside of every grid too. Patches made here are in canonical order.
"""

from interpreter.primitives.arithmetic import tuple_of
from interpreter.primitives.table import prim
from interpreter.primitives.types import Indices, Integer, Object, Pair, Patch
from interpreter.runtime.blocks import block_of, capacity, items, length, new_items, push
from interpreter.runtime.locations import bounds, column_shift, location, patch_items
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import finish_set, ordered_set
from interpreter.runtime.values import (
    BOTTOM_ROW,
    COORDINATE_BIAS,
    COORDINATE_BITS,
    COORDINATE_MASK,
    EMPTY,
    EMPTY_CONTAINER,
    GRID,
    LEFT_COLUMN,
    NOTHING,
    OUT_OF_RANGE,
    RIGHT_COLUMN,
    SET,
    SHIFT,
    TOP_ROW,
    TUPLE,
    TYPE_MISMATCH,
    as_integer,
    as_pair,
    cell_of,
    color_of,
    column_of,
    coordinates_fit,
    fail,
    failed,
    int_of,
    is_cell,
    is_integer,
    is_pair,
    is_set,
    offset,
    pair_of,
    row_of,
    small,
    tag,
)

# How `affine` turns a location before it moves it; they add up. Swapping comes first.
KEEP, NEGATE_ROW, NEGATE_COLUMN, SWAP = 0, 1, 2, 4

OWN = 0  # instead of a colour to paint with: each cell's own
ANYWHERE = 0  # instead of a colour to paint on: any

STRAIGHT, DIAGONAL = 1, 2  # neighbours by squared distance; they add up

EMPTY_SET = (SET << SHIFT) | EMPTY
EMPTY_TUPLE = (TUPLE << SHIFT) | EMPTY

REACH = 42  # how far `shoot` and `gravitate` go
FRONTIER = 30  # how long a frontier is, which always starts at 0


# ------------------------------------------------------------------------------------ moving patches


@outlined
def part_of(A, x, k):
    """Item `k` of a tuple; fails where there is none."""
    block = block_of(A, x)
    return A[block + 1 + k] if k < A[block] and not is_set(x) else fail(A, TYPE_MISMATCH)


@inline
def moved(A, x, turn, di, dj):
    """An item of a patch at (i, j) turned and moved to (di + i, dj + j)."""
    at = location(A, x)
    i = column_of(at) if turn & SWAP else row_of(at)
    j = row_of(at) if turn & SWAP else column_of(at)
    i = di - i if turn & NEGATE_ROW else di + i
    j = dj - j if turn & NEGATE_COLUMN else dj + j
    if is_cell(x):
        return cell_of(A, color_of(x), i, j)
    return pair_of(A, i, j) if is_pair(x) else tuple_of(A, part_of(A, x, 0), pair_of(A, i, j))


@outlined
def affine(A, patch, turn, di, dj):
    """The set of a patch's items, each turned by `turn` and then moved by the numbers (di, dj).

    (i, j) goes to (di + i, dj + j), with SWAP to (di + j, dj + i); NEGATE_ROW makes it di - ...,
    NEGATE_COLUMN dj - .... Mirroring the columns of a box is `affine(A, patch, NEGATE_COLUMN, 0, left + right)`.
    """
    block = patch_items(A, patch)
    n = A[block]
    result = new_items(A, n)
    shift = column_shift(A, patch, block)
    if turn == KEEP and shift >= 0 and capacity(A, result) == n:
        return shifted(A, block, result, n, shift, di, dj)
    for k in range(1, n + 1):
        push(A, result, moved(A, A[block + k], turn, di, dj))
    return ordered_set(result) if turn == KEEP and is_set(patch) else finish_set(A, result)


@inline
def shifted(A, block, result, n, shift, di, dj):
    """Write the items of a set of cells, or of locations, to the block `result`, moved; the set."""
    step = (di << (shift + COORDINATE_BITS)) + (dj << shift)
    wrong = not coordinates_fit(
        ((A[block + 1] >> (shift + COORDINATE_BITS)) & COORDINATE_MASK) - COORDINATE_BIAS + di,
        ((A[block + n] >> (shift + COORDINATE_BITS)) & COORDINATE_MASK) - COORDINATE_BIAS + di,
    )
    for k in range(1, n + 1):
        j = ((A[block + k] >> shift) & COORDINATE_MASK) + dj
        wrong |= (j < 0) | (j > COORDINATE_MASK)
        A[result + k] = A[block + k] + step
    A[result] = n
    return fail(A, OUT_OF_RANGE) if wrong else ordered_set(result)


@prim
def shift(A, patch: Patch, direction: Pair) -> Patch:
    """`patch` moved by `direction`."""
    if length(A, patch) == 0:
        return patch
    by = as_pair(A, direction)
    return affine(A, patch, KEEP, row_of(by), column_of(by))


@prim
def normalize(A, patch: Patch) -> Patch:
    """`patch` moved so that its bounding box starts at (0, 0)."""
    if bounds(A, patch) == 0:
        return patch
    return affine(A, patch, KEEP, -A[TOP_ROW], -A[LEFT_COLUMN])


# ---------------------------------------------------------------------------- locations and colours


@outlined
def locations(A, patch):
    """The set of the locations of a patch of cells; a patch of locations itself."""
    if tag(patch) == GRID:
        return patch if A[offset(patch) + 1] > 1 else fail(A, OUT_OF_RANGE)
    block = block_of(A, patch)
    if A[block] == 0:
        return EMPTY_SET
    if is_pair(A[block + 1]):
        return patch
    result = new_items(A, A[block])
    for k in range(1, capacity(A, result) + 1):
        if is_pair(A[block + k]):
            return fail(A, TYPE_MISMATCH)
        push(A, result, location(A, A[block + k]))
    return finish_set(A, result)


@prim
def toindices(A, patch: Patch) -> Indices:
    """The locations of `patch`, without colours."""
    return locations(A, patch)


@outlined
def colored(A, value, patch):
    """The set of (`value`, item) for each item of a set of locations, where `value` may be anything."""
    block = items(A, patch)
    found = new_items(A, A[block])
    for k in range(1, A[block] + 1):
        push(A, found, tuple_of(A, value, A[block + k]))
    return finish_set(A, found)


@prim
def recolor(A, value: Integer, patch: Patch) -> Object:
    """The locations of `patch` as cells of colour `value`."""
    if not is_integer(value):
        return colored(A, value, locations(A, patch))
    block = items(A, locations(A, patch))
    result = new_items(A, A[block])
    for k in range(1, A[block] + 1):
        at = as_pair(A, A[block + k])
        push(A, result, cell_of(A, int_of(value), row_of(at), column_of(at)))
    return finish_set(A, result)


# --------------------------------------------------------------------------------------- neighbours


@inline
def as_leading_pair(A, x):
    """`x` if it is a PAIR, else the first two items of a longer tuple of integers; fails on anything else."""
    return x if is_pair(x) else leading_pair(A, x)


@outlined
def leading_pair(A, x):
    """The PAIR of the first two items of a tuple; fails (and returns (0, 0)) on anything else."""
    if tag(x) != TUPLE or A[offset(x)] < 2:
        return as_pair(A, x)
    return as_pair(A, pair_of(A, as_integer(A, A[offset(x) + 1]), as_integer(A, A[offset(x) + 2])))


@outlined
def around(A, center, kinds):
    """The locations next to a pair, of the given kinds."""
    at = as_leading_pair(A, center)
    result = new_items(A, 8)
    for di in range(-1, 2):
        for dj in range(-1, 2):
            if (di * di + dj * dj) & kinds:
                push(A, result, pair_of(A, row_of(at) + di, column_of(at) + dj))
    return ordered_set(result)


@prim
def dneighbors(A, location: Pair) -> Indices:
    """The four locations that share a side with `location`."""
    return around(A, location, STRAIGHT)


@prim
def ineighbors(A, location: Pair) -> Indices:
    """The four locations that share only a corner with `location`."""
    return around(A, location, DIAGONAL)


@prim
def neighbors(A, location: Pair) -> Indices:
    """The eight locations around `location`."""
    return around(A, location, STRAIGHT | DIAGONAL)


# -------------------------------------------------------------------------------------------- lines


@outlined
def line(A, start, end):
    """The locations from one pair to another, both included; none if they share no row, column or diagonal."""
    a = min(start, end)
    b = max(start, end)
    di = row_of(b) - row_of(a)
    dj = column_of(b) - column_of(a)
    if di != 0 and dj != 0 and di != abs(dj):
        return EMPTY_SET
    steps = max(di, abs(dj))
    result = new_items(A, steps + 1)
    if failed(A):
        return NOTHING
    for k in range(steps + 1):
        i = row_of(a) + (k if di > 0 else 0)
        j = column_of(a) + (k if dj > 0 else -k if dj < 0 else 0)
        push(A, result, pair_of(A, i, j))
    return ordered_set(result)


@prim
def connect(A, start: Pair, end: Pair) -> Indices:
    """The straight or diagonal line between two locations, both included; empty if there is none."""
    return line(A, as_pair(A, start), as_pair(A, end))


@prim
def shoot(A, start: Pair, direction: Pair) -> Indices:
    """The line from `start` that goes 42 times `direction` far."""
    a = as_pair(A, start)
    d = as_leading_pair(A, direction)
    return line(A, a, as_pair(A, pair_of(A, row_of(a) + REACH * row_of(d), column_of(a) + REACH * column_of(d))))


@outlined
def frontier(A, part, down):
    """The set of (k, `part`) (`down`) or (`part`, k) for k from 0 to 29, where `part` may be anything."""
    result = new_items(A, FRONTIER)
    for k in range(FRONTIER):
        push(A, result, tuple_of(A, small(k), part) if down else tuple_of(A, part, small(k)))
    return finish_set(A, result)


@prim
def vfrontier(A, location: Pair) -> Indices:
    """Rows 0 to 29 of the column of `location`."""
    if not is_pair(location):
        return frontier(A, part_of(A, location, 1), True)
    j = column_of(location)
    return line(A, pair_of(A, 0, j), pair_of(A, FRONTIER - 1, j))


@prim
def hfrontier(A, location: Pair) -> Indices:
    """Columns 0 to 29 of the row of `location`."""
    if not is_pair(location):
        return frontier(A, part_of(A, location, 0), False)
    i = row_of(location)
    return line(A, pair_of(A, i, 0), pair_of(A, i, FRONTIER - 1))


# -------------------------------------------------------------------------------------------- boxes


@outlined
def box_without(A, hole):
    """The locations in the box that `bounds` found last, but not those in the block `hole` of a set."""
    top, left, bottom, right = A[TOP_ROW], A[LEFT_COLUMN], A[BOTTOM_ROW], A[RIGHT_COLUMN]
    result = new_items(A, (bottom - top + 1) * (right - left + 1))
    if failed(A):
        return NOTHING
    skipped = 0
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            at = pair_of(A, i, j)
            if skipped < A[hole] and A[hole + 1 + skipped] == at:
                skipped += 1
            else:
                push(A, result, at)
    return ordered_set(result)


@prim
def backdrop(A, patch: Patch) -> Indices:
    """All locations in the bounding box of `patch`."""
    return box_without(A, EMPTY) if bounds(A, patch) else EMPTY_SET


@prim
def delta(A, patch: Patch) -> Indices:
    """The locations in the bounding box of `patch` that are not in `patch`."""
    if bounds(A, patch) == 0:
        return EMPTY_SET
    indices = locations(A, patch)
    return box_without(A, offset(indices)) if is_set(indices) else fail(A, TYPE_MISMATCH)


@outlined
def outline(A, top, left, bottom, right):
    """The locations on the border of a box of rows top..bottom and columns left..right."""
    result = new_items(A, 2 * (bottom - top + right - left + 2))
    if failed(A):
        return NOTHING
    for i in range(top, bottom + 1):
        step = 1 if i in (top, bottom) else max(right - left, 1)
        for j in range(left, right + 1, step):
            push(A, result, pair_of(A, i, j))
    return ordered_set(result)


@inline
def frame(A, patch, margin):
    """The border of a patch's bounding box made larger by `margin` on each side; fails on an empty patch.

    A box made smaller than nothing is turned inside out.
    """
    if bounds(A, patch) == 0:
        return fail(A, EMPTY_CONTAINER)
    top = A[TOP_ROW] - margin
    left = A[LEFT_COLUMN] - margin
    bottom = A[BOTTOM_ROW] + margin
    right = A[RIGHT_COLUMN] + margin
    return outline(A, min(top, bottom), min(left, right), max(top, bottom), max(left, right))


@prim
def inbox(A, patch: Patch) -> Indices:
    """The border of the bounding box of `patch` made smaller by one on each side."""
    return frame(A, patch, -1)


@prim
def outbox(A, patch: Patch) -> Indices:
    """The border of the bounding box of `patch` made larger by one on each side."""
    return frame(A, patch, 1)


@prim
def box(A, patch: Patch) -> Indices:
    """The border of the bounding box of `patch`."""
    return patch if length(A, patch) == 0 else frame(A, patch, 0)


@prim
def corners(A, patch: Patch) -> Indices:
    """The corners of the bounding box of `patch`."""
    result = new_items(A, 4)
    if bounds(A, patch):
        push(A, result, pair_of(A, A[TOP_ROW], A[LEFT_COLUMN]))
        push(A, result, pair_of(A, A[TOP_ROW], A[RIGHT_COLUMN]))
        push(A, result, pair_of(A, A[BOTTOM_ROW], A[LEFT_COLUMN]))
        push(A, result, pair_of(A, A[BOTTOM_ROW], A[RIGHT_COLUMN]))
    else:
        push(A, result, EMPTY_TUPLE)
    return finish_set(A, result)
