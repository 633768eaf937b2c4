"""What a piece (a grid or a patch) measures, and how patches lie to each other."""

from interpreter.primitives.patches import EMPTY_TUPLE, REACH, locations, normalize
from interpreter.primitives.table import prim
from interpreter.primitives.types import Boolean, Grid, Integer, Object, Pair, Patch, Piece
from interpreter.runtime.blocks import finish_tuple, get_at, items, length, new_items, push, scan
from interpreter.runtime.layout import CALL_COST
from interpreter.runtime.locations import bounds, location, patch_items
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import finish_set
from interpreter.runtime.values import (
    BOTTOM_ROW,
    CELL_COLUMN,
    CELL_ROW,
    COORDINATE_BIAS,
    COORDINATE_MASK,
    EMPTY_CONTAINER,
    GRID,
    HELPER_COST,
    LEFT_COLUMN,
    RIGHT_COLUMN,
    TOP_ROW,
    TUPLE,
    TYPE_MISMATCH,
    as_pair,
    boolean,
    burn,
    column_of,
    fail,
    integer,
    is_cell,
    is_set,
    offset,
    pair_of,
    row_of,
    tag,
)

FAR = 1 << 40


# --------------------------------------------------------------------------------------------- sizes


@outlined
def tall(A, piece):
    """The height of a piece, as a number; the length of a tuple."""
    if not is_set(piece):
        return length(A, piece)
    return A[BOTTOM_ROW] - A[TOP_ROW] + 1 if bounds(A, piece) else 0


@outlined
def row_length(A, grid):
    """The length of the first row of a grid, or of the first item of a tuple, as a number."""
    if tag(grid) == GRID:
        return A[offset(grid) + 1]
    if tag(grid) == TUPLE:
        if A[offset(grid)] > 0:
            return length(A, A[offset(grid) + 1])
        fail(A, EMPTY_CONTAINER)
        return 0
    fail(A, TYPE_MISMATCH)
    return 0


@outlined
def wide(A, piece):
    """The width of a piece, as a number."""
    if not is_set(piece):
        return row_length(A, piece) if length(A, piece) > 0 else 0
    return A[RIGHT_COLUMN] - A[LEFT_COLUMN] + 1 if bounds(A, piece) else 0


@prim
def height(A, piece: Piece) -> Integer:
    """The number of rows of a grid or of a patch's bounding box."""
    return integer(A, tall(A, piece))


@prim
def width(A, piece: Piece) -> Integer:
    """The number of columns of a grid or of a patch's bounding box."""
    return integer(A, wide(A, piece))


@prim
def shape(A, piece: Piece) -> Pair:
    """Height and width."""
    return pair_of(A, tall(A, piece), wide(A, piece))


@prim
def portrait(A, piece: Piece) -> Boolean:
    """Whether `piece` is higher than wide."""
    return boolean(tall(A, piece) > wide(A, piece))


@prim
def square(A, piece: Piece) -> Boolean:
    """Whether `piece` is a square; of a patch, a filled one."""
    if not is_set(piece):
        return boolean(length(A, piece) == row_length(A, piece))
    side = tall(A, piece)
    return boolean(side == wide(A, piece) and side * side == length(A, piece))


@prim
def vline(A, patch: Patch) -> Boolean:
    """Whether `patch` is an unbroken vertical line."""
    return boolean(tall(A, patch) == length(A, patch) and wide(A, patch) == 1)


@prim
def hline(A, patch: Patch) -> Boolean:
    """Whether `patch` is an unbroken horizontal line."""
    return boolean(wide(A, patch) == length(A, patch) and tall(A, patch) == 1)


# ------------------------------------------------------------------------------- edges and corners


@inline
def edge(A, patch, side):
    """One coordinate of the bounding box; fails on an empty patch."""
    return integer(A, A[side]) if bounds(A, patch) else fail(A, EMPTY_CONTAINER)


@inline
def corner(A, patch, row_side, column_side):
    """One corner of the bounding box; the empty tuple where the patch is empty."""
    return pair_of(A, A[row_side], A[column_side]) if bounds(A, patch) else EMPTY_TUPLE


@inline
def is_wide_grid(A, x):
    """Whether `x` is a grid of three or more columns, which arc-dsl takes for a patch of rows instead of pairs."""
    return tag(x) == GRID and A[offset(x) + 1] > 2


@outlined
def column_extremes(A, grid, sign):
    """The tuple of the largest (1) or smallest (-1) colour of each column of a grid block."""
    grid = scan(A, grid)
    result = new_items(A, A[grid + 1])
    for j in range(A[grid + 1]):
        best = get_at(A, grid, 0, j)
        for i in range(1, A[grid]):
            best = max(best * sign, get_at(A, grid, i, j) * sign) * sign
        push(A, result, integer(A, best))
    return finish_tuple(A, result)


@prim
def uppermost(A, patch: Patch) -> Integer:
    """The first row of `patch`."""
    return edge(A, patch, TOP_ROW)


@prim
def lowermost(A, patch: Patch) -> Integer:
    """The last row of `patch`."""
    return edge(A, patch, BOTTOM_ROW)


@prim
def leftmost(A, patch: Patch) -> Integer:
    """The first column of `patch`."""
    return edge(A, patch, LEFT_COLUMN)


@prim
def rightmost(A, patch: Patch) -> Integer:
    """The last column of `patch`."""
    return edge(A, patch, RIGHT_COLUMN)


@prim
def ulcorner(A, patch: Patch) -> Pair:
    """The upper left corner of the bounding box."""
    if is_wide_grid(A, patch):
        return column_extremes(A, offset(patch), -1)
    return corner(A, patch, TOP_ROW, LEFT_COLUMN)


@prim
def urcorner(A, patch: Patch) -> Pair:
    """The upper right corner of the bounding box."""
    return corner(A, patch, TOP_ROW, RIGHT_COLUMN)


@prim
def llcorner(A, patch: Patch) -> Pair:
    """The lower left corner of the bounding box."""
    return corner(A, patch, BOTTOM_ROW, LEFT_COLUMN)


@prim
def lrcorner(A, patch: Patch) -> Pair:
    """The lower right corner of the bounding box."""
    if is_wide_grid(A, patch):
        return column_extremes(A, offset(patch), 1)
    return corner(A, patch, BOTTOM_ROW, RIGHT_COLUMN)


@prim
def center(A, patch: Patch) -> Pair:
    """The middle of the bounding box, rounded down and right."""
    if bounds(A, patch) == 0:
        return fail(A, EMPTY_CONTAINER)
    top = A[TOP_ROW]
    left = A[LEFT_COLUMN]
    return pair_of(A, top + tall(A, patch) // 2, left + wide(A, patch) // 2)


@prim
def centerofmass(A, patch: Patch) -> Pair:
    """The mean location, rounded down; the empty tuple where the patch is empty."""
    block = items(A, locations(A, patch))
    if A[block] == 0:
        return EMPTY_TUPLE
    i = j = 0
    for k in range(1, A[block] + 1):
        at = as_pair(A, A[block + k])
        i += row_of(at)
        j += column_of(at)
    n = length(A, patch)
    return pair_of(A, i // n, j // n) if n > 0 else EMPTY_TUPLE


# ------------------------------------------------------------------------------------- two patches


@outlined
def coordinates(A, patch, columns):
    """The block of the set of rows of a patch, or of its columns."""
    block = patch_items(A, patch)
    result = new_items(A, A[block])
    for k in range(1, A[block] + 1):
        at = location(A, A[block + k])
        push(A, result, integer(A, column_of(at) if columns else row_of(at)))
    return offset(finish_set(A, result))


@outlined
def matching(A, a, b, columns):
    """Whether two patches have a row (or column) in common: a walk along both in order."""
    ours = coordinates(A, a, columns)
    theirs = coordinates(A, b, columns)
    p = q = 1
    while p <= A[ours] and q <= A[theirs]:
        if A[ours + p] == A[theirs + q]:
            return 1
        if A[ours + p] < A[theirs + q]:
            p += 1
        else:
            q += 1
    return 0


@prim
def hmatching(A, a: Patch, b: Patch) -> Boolean:
    """Whether two patches have cells in the same row."""
    return boolean(matching(A, a, b, False))


@prim
def vmatching(A, a: Patch, b: Patch) -> Boolean:
    """Whether two patches have cells in the same column."""
    return boolean(matching(A, a, b, True))


@outlined
def distance(A, a, b, direction):
    """The smallest Manhattan distance between patch `a` moved by a pair and patch `b`, as a number.

    Fails (and returns 0) if one is empty. Cells that are farther from the box of `b` than the nearest
    pair so far are not compared with the cells of `b`.
    """
    burn(A, CALL_COST)  # `gravitate` comes here again and again
    if bounds(A, a) == 0 or bounds(A, b) == 0:
        fail(A, EMPTY_CONTAINER)
        return 0
    top, left, bottom, right = A[TOP_ROW], A[LEFT_COLUMN], A[BOTTOM_ROW], A[RIGHT_COLUMN]
    ours = items(A, a)
    theirs = items(A, b)
    nearest = FAR
    for p in range(1, A[ours] + 1):
        i = row_of(location(A, A[ours + p])) + row_of(direction)
        j = column_of(location(A, A[ours + p])) + column_of(direction)
        if max(top - i, i - bottom, 0) + max(left - j, j - right, 0) < nearest:
            if not burn(A, A[theirs]):
                return 0
            for q in range(1, A[theirs] + 1):
                at = location(A, A[theirs + q])
                nearest = min(nearest, abs(row_of(at) - i) + abs(column_of(at) - j))
    return nearest


@prim
def manhattan(A, a: Patch, b: Patch) -> Integer:
    """The smallest Manhattan distance between cells of two patches."""
    return integer(A, distance(A, a, b, pair_of(A, 0, 0)))


@prim
def adjacent(A, a: Patch, b: Patch) -> Boolean:
    """Whether two patches touch along a side without overlapping."""
    return boolean(distance(A, a, b, pair_of(A, 0, 0)) == 1)


@prim
def bordering(A, patch: Patch, grid: Grid) -> Boolean:
    """Whether `patch` touches the border of `grid`."""
    if bounds(A, patch) == 0:
        return fail(A, EMPTY_CONTAINER)
    if A[TOP_ROW] == 0 or A[LEFT_COLUMN] == 0 or A[BOTTOM_ROW] == length(A, grid) - 1:
        return boolean(True)
    return boolean(A[RIGHT_COLUMN] == row_length(A, grid) - 1)


@prim
def position(A, a: Patch, b: Patch) -> Pair:
    """The direction in which `b` lies, seen from `a`, by their centers."""
    here = center(A, locations(A, a))
    there = center(A, locations(A, b))
    down = row_of(there) - row_of(here)
    right = column_of(there) - column_of(here)
    i = 0 if down == 0 else 1 if down > 0 else -1
    j = 1 if right > 0 else 0 if right == 0 and down != 0 else -1
    return pair_of(A, i, j)


@prim
def gravitate(A, source: Patch, destination: Patch) -> Pair:
    """How far `source` must move, down or up if they share a column, else sideways, to touch `destination`."""
    here = center(A, source)
    there = center(A, destination)
    i = j = 0
    if matching(A, source, destination, True):
        i = 1 if row_of(here) < row_of(there) else -1
    else:
        j = 1 if column_of(here) < column_of(there) else -1
    steps = 0
    while steps < REACH and distance(A, source, destination, pair_of(A, i * steps, j * steps)) != 1:
        steps += 1
    return pair_of(A, i * steps, j * steps)


# ------------------------------------------------------------------------------------------ periods


@inline
def repeats(A, block, p, shift):
    """Whether each cell of a normalized object whose coordinate is at least `p` also occurs `p` before it."""
    q = 1
    for k in range(1, A[block] + 1):
        x = A[block + k]
        if not is_cell(x):
            fail(A, TYPE_MISMATCH)
            return False
        if ((x >> shift) & COORDINATE_MASK) - COORDINATE_BIAS >= p:
            while A[block + q] < x - (p << shift):  # ends at q = k at the latest
                q += 1
            if A[block + q] != x - (p << shift):
                return False
    return True


@outlined
def period(A, normalized, extent, shift):
    """The smallest period of a normalized object along the coordinate at bit `shift`, at most its extent."""
    block = items(A, normalized)
    for p in range(1, extent):
        if not burn(A, HELPER_COST + A[block]) or repeats(A, block, p, shift):
            return p
    return extent


@prim
def hperiod(A, obj: Object) -> Integer:
    """The smallest number of columns after which `obj` repeats itself; its width if it does not."""
    normalized = normalize(A, obj)
    return integer(A, period(A, normalized, wide(A, normalized), CELL_COLUMN))


@prim
def vperiod(A, obj: Object) -> Integer:
    """The smallest number of rows after which `obj` repeats itself; its height if it does not."""
    normalized = normalize(A, obj)
    return integer(A, period(A, normalized, tall(A, normalized), CELL_ROW))
