"""Values of a run: handles, construction, inspection, order.

A value is one int64 handle: eight bits of tag, 56 bits of payload. Numbers, pairs, cells and primitives
are inline; the rest is the offset of a block in the arena:

    TUPLE, SET   [capacity] -> [length, item, item, ...]     the handle points at the length
    GRID         [capacity] -> [height, width, cell, ...]    the handle points at the height; row-major
    CLOSURE      [kind, first, second, third]

Each value has one representation only, so that equal inline handles are equal values: a tuple of two
small integers is a PAIR, (colour, (row, column)) is a CELL, a tuple of equally long, non-empty tuples of
integers is a GRID. Booleans are the integers 0 and 1. The items of a SET are in canonical order: reading
order for cells and pairs, (row, column, colour), ties to the smallest.

Failure is sticky. `fail` writes the first outcome into the arena and returns NOTHING, which every accessor
treats as an empty container, an empty grid or zero; nothing is written after a failed allocation, because
its block is the permanent empty one. Primitives therefore need no error checks of their own: the machine
looks once a call.
"""

from __future__ import annotations

from interpreter import layout
from interpreter.native import inline, outlined
from interpreter.outcome import Outcome

NONE, INTEGER, PAIR, CELL, PRIMITIVE, GRID, TUPLE, SET, CLOSURE = range(9)
SHIFT = 56
PAYLOAD = (1 << SHIFT) - 1
NOTHING = 1  # tag NONE: Python's None, and what a failed operation returns

INTEGER_BIAS = 1 << 40
INTEGER_LIMIT = 1 << 30
COORDINATE_BIAS = 1 << 19
COORDINATE_MASK = (1 << 20) - 1
COLOR_BIAS = 64
COLOR_LIMIT = 191

TYPE_MISMATCH = int(Outcome.TYPE_MISMATCH)
OUT_OF_FUEL = int(Outcome.OUT_OF_FUEL)
OUT_OF_MEMORY = int(Outcome.OUT_OF_MEMORY)
OUT_OF_RANGE = int(Outcome.OUT_OF_RANGE)
EMPTY_CONTAINER = int(Outcome.EMPTY)
ZERO_DIVISION = int(Outcome.ZERO_DIVISION)
TOO_DEEP = int(Outcome.TOO_DEEP)

SCAN_SHIFT = 3  # comparing and searching cost a unit of fuel for eight words

TOP, FUEL, ERROR, SIZE, EMPTY = layout.TOP, layout.FUEL, layout.ERROR, layout.SIZE, layout.EMPTY
DEPTH, MAX_DEPTH = layout.DEPTH, layout.MAX_DEPTH
TOP_ROW, LEFT_COLUMN = layout.TOP_ROW, layout.LEFT_COLUMN
BOTTOM_ROW, RIGHT_COLUMN = layout.BOTTOM_ROW, layout.RIGHT_COLUMN


# ------------------------------------------------------------------------------------------- failure


@inline
def fail(A, outcome):
    """End the run with `outcome`, unless it already failed; returns NOTHING."""
    if A[ERROR] == 0:
        A[ERROR] = outcome
    return NOTHING


@inline
def burn(A, steps):
    """Charge fuel for `steps` steps of a growing loop; False when the run has failed."""
    A[FUEL] -= steps
    if A[FUEL] < 0:
        fail(A, OUT_OF_FUEL)
    return A[ERROR] == 0


# ------------------------------------------------------------------------------------------- handles


@inline
def tag(x):
    return x >> SHIFT


@inline
def offset(x):
    return x & PAYLOAD


@inline
def handle(tag, payload):
    return (tag << SHIFT) | payload


@inline
def is_inline(x):
    return (x >> SHIFT) < GRID


@inline
def is_integer(x):
    return (x >> SHIFT) == INTEGER


@inline
def is_pair(x):
    return (x >> SHIFT) == PAIR


@inline
def is_cell(x):
    return (x >> SHIFT) == CELL


@inline
def is_set(x):
    return (x >> SHIFT) == SET


@inline
def is_function(x):
    return (x >> SHIFT) == PRIMITIVE or (x >> SHIFT) == CLOSURE


@inline
def boolean(truth):
    return handle(INTEGER, INTEGER_BIAS + (1 if truth else 0))


@inline
def integer(A, v):
    if v < -INTEGER_LIMIT or v > INTEGER_LIMIT:
        return fail(A, OUT_OF_RANGE)
    return handle(INTEGER, v + INTEGER_BIAS)


@inline
def coordinates_fit(i, j):
    return -COORDINATE_BIAS <= i < COORDINATE_BIAS and -COORDINATE_BIAS <= j < COORDINATE_BIAS


@inline
def pair_of(A, i, j):
    """The PAIR (i, j). (`pair` is a primitive.)"""
    if not coordinates_fit(i, j):
        return fail(A, OUT_OF_RANGE)
    return handle(PAIR, ((i + COORDINATE_BIAS) << 20) | (j + COORDINATE_BIAS))


@inline
def cell_of(A, color, i, j):
    """The CELL (color, (i, j))."""
    if color < -COLOR_BIAS or color > COLOR_LIMIT or not coordinates_fit(i, j):
        return fail(A, OUT_OF_RANGE)
    return handle(CELL, ((i + COORDINATE_BIAS) << 28) | ((j + COORDINATE_BIAS) << 8) | (color + COLOR_BIAS))


@inline
def int_of(x):
    """The number in an INTEGER handle."""
    return (x & PAYLOAD) - INTEGER_BIAS


@inline
def row_of(x):
    """The row of a PAIR handle."""
    return ((x >> 20) & COORDINATE_MASK) - COORDINATE_BIAS


@inline
def column_of(x):
    """The column of a PAIR handle."""
    return (x & COORDINATE_MASK) - COORDINATE_BIAS


@inline
def color_of(x):
    """The colour of a CELL handle."""
    return (x & 255) - COLOR_BIAS


@inline
def location_of(x):
    """The PAIR of a CELL handle."""
    return handle(PAIR, (x >> 8) & ((1 << 40) - 1))


# ---------------------------------------------------------------------------------- checked accessors


@inline
def as_integer(A, x):
    """The number in `x`; fails (and returns 0) if `x` is no integer."""
    if not is_integer(x):
        fail(A, TYPE_MISMATCH)
        return 0
    return int_of(x)


@inline
def as_pair(A, x):
    """`x` if it is a PAIR; fails (and returns (0, 0)) if not."""
    if is_pair(x):
        return x
    fail(A, TYPE_MISMATCH)
    return handle(PAIR, (COORDINATE_BIAS << 20) | COORDINATE_BIAS)


@inline
def location(A, x):
    """The PAIR of a patch's item, which is a CELL or a PAIR; fails (and returns (0, 0)) if not."""
    return location_of(x) if is_cell(x) else as_pair(A, x)


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

    Pairs, cells and grids are unpacked into a fresh block of numbers, pairs or rows.
    """
    if tag(x) == TUPLE or tag(x) == SET:
        return offset(x)
    return unpack(A, x)


@inline
def as_grid(A, x):
    """The block [height, width, cell, ...] of a grid; fails (and returns the empty grid) if `x` is none.

    A tuple of empty tuples is a grid without columns, the empty tuple the empty grid.
    """
    return offset(x) if tag(x) == GRID else hollow_block(A, x)


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
    rows = offset(x) if tag(x) == TUPLE else EMPTY
    if tag(x) != TUPLE:
        fail(A, TYPE_MISMATCH)
    for k in range(1, A[rows] + 1):
        if tag(A[rows + k]) != TUPLE or A[offset(A[rows + k])] != 0:
            fail(A, TYPE_MISMATCH)
            return EMPTY
    return new_grid(A, A[rows], 0)


# ------------------------------------------------------------------------------------- construction


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
def push(A, block, item):
    """Append `item`; does nothing on a full block, so that a failed `new_items` stays empty."""
    n = A[block]
    if n < A[block - 1]:
        A[block + 1 + n] = item
        A[block] = n + 1


@inline
def failed(A):
    """Whether the run has failed; ask it where a loop's length does not come from a block."""
    return A[ERROR] != 0


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
    for _ in range(height):
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
    for j in range(width):
        push(A, row, integer(A, get_at(A, grid, i, j)))
    return handle(TUPLE, row)


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
        for i in range(A[grid]):
            push(A, block, row_value(A, grid, i))
        return block
    fail(A, TYPE_MISMATCH)
    return EMPTY


@outlined
def grid_of_rows(A, block):
    """The GRID that a block of rows is, or NOTHING if the rows are not equally long tuples of integers."""
    first = A[block + 1]
    if tag(first) != PAIR and tag(first) != TUPLE:
        return NOTHING
    width = 2 if is_pair(first) else A[offset(first)]
    if width == 0:
        return NOTHING
    for i in range(A[block]):
        row = A[block + 1 + i]
        if is_pair(row):
            if width != 2:
                return NOTHING
        else:
            if tag(row) != TUPLE or A[offset(row)] != width:
                return NOTHING
            if not burn(A, width >> SCAN_SHIFT):
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


@outlined
def finish_set(A, block):
    """The value of a block as a SET: sorts the items canonically, in place, and drops repeated ones."""
    sort(A, block)
    kept = 0
    for k in range(A[block]):
        x = A[block + 1 + k]
        if kept > 0 and same(A, A[block + kept], x):
            continue
        A[block + 1 + kept] = x
        kept += 1
    if kept > 0:
        A[block] = kept
    return handle(SET, block)


@inline
def ordered_set(block):
    """The SET of a block whose items are already in canonical order, without repetition."""
    return handle(SET, block)


@inline
def finish_like(A, x, block):
    """The value of a block as a container of the type of `x`: Python's `type(x)(...)`."""
    return finish_set(A, block) if is_set(x) else finish_tuple(A, block)


# ------------------------------------------------------------------------------------------- order


@outlined
def compare(A, a, b):
    """Canonical total order of values: negative, zero or positive. Zero exactly where Python says `==`.

    Inline values by handle, then grids (height, width, cells), tuples and sets (lexicographic).
    """
    if a == b:
        return 0
    if is_inline(a) or is_inline(b) or tag(a) != tag(b) or tag(a) == CLOSURE:
        return -1 if a < b else 1
    p = offset(a)
    q = offset(b)
    words = area(A, p) if tag(a) == GRID else min(A[p], A[q])
    if not burn(A, 1 + (words >> SCAN_SHIFT)):
        return 0
    if tag(a) == GRID:
        for k in range(2 + area(A, p)):
            if A[p + k] != A[q + k]:
                return -1 if A[p + k] < A[q + k] else 1
        return 0
    if A[DEPTH] >= MAX_DEPTH:
        fail(A, TOO_DEEP)
        return 0
    A[DEPTH] += 1
    result = compare_items(A, p, q)
    A[DEPTH] -= 1
    return result


@inline
def compare_items(A, p, q):
    """Lexicographic `compare` of two blocks of items."""
    for k in range(1, min(A[p], A[q]) + 1):
        if A[p + k] != A[q + k]:
            c = compare_nested(A, A[p + k], A[q + k])
            if c != 0:
                return c
    return A[p] - A[q]


@inline
def compare_nested(A, a, b):
    """`compare`, without the call where a handle decides."""
    if is_inline(a) or is_inline(b):
        return -1 if a < b else 1
    return compare(A, a, b)


@inline
def same(A, a, b):
    """Python's `==`."""
    return a == b or (not is_inline(a) and not is_inline(b) and compare(A, a, b) == 0)


@outlined
def sort(A, block):
    """Sort a block's items canonically, in place, by merging runs of a scratch copy; returns 0."""
    n = A[block]
    inline_only = True
    ascending = True
    for k in range(1, n + 1):
        if not is_inline(A[block + k]):
            inline_only = False
        if k > 1 and A[block + k - 1] > A[block + k]:
            ascending = False
    if inline_only and (ascending or n <= 20):
        if not ascending:
            insertion_sort(A, block, n)
        return 0
    mark = A[TOP]
    source = block + 1
    target = allocate(A, n)
    if target == 0:
        return 0
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle = min(low + width, n)
            high = min(low + 2 * width, n)
            left = low
            right = middle
            for k in range(low, high):
                take_left = left < middle
                if take_left and right < high:
                    x = A[source + left]
                    y = A[source + right]
                    take_left = x == y or (x < y if inline_only else compare_nested(A, x, y) <= 0)
                if take_left:
                    A[target + k] = A[source + left]
                    left += 1
                else:
                    A[target + k] = A[source + right]
                    right += 1
        source, target = target, source
        width *= 2
    if source != block + 1:
        for k in range(n):
            A[block + 1 + k] = A[source + k]
    A[TOP] = mark
    return 0


@inline
def insertion_sort(A, block, n):
    """Sort inline items by handle."""
    for k in range(2, n + 1):
        x = A[block + k]
        j = k - 1
        while j >= 1 and A[block + j] > x:
            A[block + j + 1] = A[block + j]
            j -= 1
        A[block + j + 1] = x


@outlined
def find(A, block, x):
    """Index of an item equal to `x` in a block, or -1."""
    if not burn(A, A[block] >> SCAN_SHIFT):
        return -1
    for k in range(A[block]):
        if same(A, A[block + 1 + k], x):
            return k
    return -1


# ------------------------------------------------------------------------------------------- patches


@outlined
def bounds(A, x):
    """Write the bounding box of a patch into TOP_ROW, LEFT_COLUMN, BOTTOM_ROW, RIGHT_COLUMN.

    Returns 1, or 0 where the patch is empty (the box is then 0, 0, 0, 0); fails on what is no patch.
    """
    block = items(A, x)
    burn(A, A[block])
    top = left = COORDINATE_BIAS
    bottom = right = -COORDINATE_BIAS
    for k in range(1, A[block] + 1):
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
