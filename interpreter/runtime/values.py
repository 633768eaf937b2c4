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

from interpreter.runtime import layout
from interpreter.runtime.native import inline
from interpreter.runtime.outcome import Outcome

NONE, INTEGER, PAIR, CELL, PRIMITIVE, GRID, TUPLE, SET, CLOSURE = range(9)
SHIFT = 56
PAYLOAD = (1 << SHIFT) - 1
NOTHING = 1  # tag NONE: Python's None, and what a failed operation returns

# Payloads hold numbers biased, so that they order as the numbers do: an INTEGER, row | column of a PAIR, and
# row | column | colour of a CELL.
INTEGER_BIAS = 1 << 40
INTEGER_LIMIT = 1 << 30
COORDINATE_BITS = 20
COORDINATE_BIAS = 1 << (COORDINATE_BITS - 1)
COORDINATE_MASK = (1 << COORDINATE_BITS) - 1
LOCATION_MASK = (1 << 2 * COORDINATE_BITS) - 1
COLOR_BITS = 8
COLOR_BIAS = 64
COLOR_MASK = (1 << COLOR_BITS) - 1
COLOR_LIMIT = COLOR_MASK - COLOR_BIAS
CELL_COLUMN = COLOR_BITS  # how far left the column of a CELL lies
CELL_ROW = COLOR_BITS + COORDINATE_BITS  # and its row

TYPE_MISMATCH = int(Outcome.TYPE_MISMATCH)
OUT_OF_FUEL = int(Outcome.OUT_OF_FUEL)
OUT_OF_MEMORY = int(Outcome.OUT_OF_MEMORY)
OUT_OF_RANGE = int(Outcome.OUT_OF_RANGE)
EMPTY_CONTAINER = int(Outcome.EMPTY)
ZERO_DIVISION = int(Outcome.ZERO_DIVISION)
ARITY_MISMATCH = int(Outcome.ARITY_MISMATCH)
TOO_DEEP = int(Outcome.TOO_DEEP)

SCAN_SHIFT = 3  # comparing costs a unit of fuel for eight words
CHECK_SHIFT = 2  # searching and checking cost one for four
HELPER_COST = 2  # of a helper that calls itself or is called for each item, however little there is to look at

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
    """Charge fuel for `steps` steps of a growing loop; False when the run has failed.

    Nothing is charged after a failure, when a primitive may go on over cells that were never filled.
    """
    if A[ERROR] != 0:
        return False
    A[FUEL] -= steps
    if A[FUEL] < 0:
        fail(A, OUT_OF_FUEL)
    return A[ERROR] == 0


@inline
def failed(A):
    """Whether the run has failed; ask it where a loop's length does not come from a block."""
    return A[ERROR] != 0


# ------------------------------------------------------------------------------------- inline values


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
def is_grid(x):
    return (x >> SHIFT) == GRID


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
def small(v):
    """The INTEGER of a number that is known to fit."""
    return handle(INTEGER, v + INTEGER_BIAS)


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
    return handle(PAIR, ((i + COORDINATE_BIAS) << COORDINATE_BITS) | (j + COORDINATE_BIAS))


@inline
def cell_of(A, color, i, j):
    """The CELL (color, (i, j))."""
    if color < -COLOR_BIAS or color > COLOR_LIMIT or not coordinates_fit(i, j):
        return fail(A, OUT_OF_RANGE)
    place = ((i + COORDINATE_BIAS) << CELL_ROW) | ((j + COORDINATE_BIAS) << CELL_COLUMN)
    return handle(CELL, place | (color + COLOR_BIAS))


@inline
def int_of(x):
    """The number in an INTEGER handle."""
    return (x & PAYLOAD) - INTEGER_BIAS


@inline
def row_of(x):
    """The row of a PAIR handle."""
    return ((x >> COORDINATE_BITS) & COORDINATE_MASK) - COORDINATE_BIAS


@inline
def column_of(x):
    """The column of a PAIR handle."""
    return (x & COORDINATE_MASK) - COORDINATE_BIAS


@inline
def color_of(x):
    """The colour of a CELL handle."""
    return (x & COLOR_MASK) - COLOR_BIAS


@inline
def location_of(x):
    """The PAIR of a CELL handle."""
    return handle(PAIR, (x >> CELL_COLUMN) & LOCATION_MASK)


# ------------------------------------------------------------------------------------ checked access


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
    return handle(PAIR, (COORDINATE_BIAS << COORDINATE_BITS) | COORDINATE_BIAS)
