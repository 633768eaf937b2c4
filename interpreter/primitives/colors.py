"""Colours of elements: grids and objects."""

from interpreter.primitives.table import prim
from interpreter.primitives.types import Element, Integer, Object, Objects, Set
from interpreter.runtime.blocks import (
    allocate,
    area,
    block_of,
    get,
    item_at,
    items,
    length,
    new_items,
    new_row,
    push,
    put,
    scan,
)
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import finish_set, ordered_set, same
from interpreter.runtime.values import (
    EMPTY,
    EMPTY_CONTAINER,
    GRID,
    TOP,
    TYPE_MISMATCH,
    as_integer,
    as_pair,
    color_of,
    fail,
    integer,
    is_cell,
    is_pair,
    is_set,
    offset,
    row_of,
    tag,
)


@inline
def first_part(A, x):
    """The colour of a cell, the row of a pair, the first item of any other tuple."""
    if is_cell(x):
        return integer(A, color_of(x))
    if is_pair(x):
        return integer(A, row_of(x))
    if is_set(x):
        return fail(A, TYPE_MISMATCH)
    return item_at(A, block_of(A, x), 0)


# ----------------------------------------------------------------------------------- counting colours

LANES = 4  # neighbouring cells are counted apart, because adding to one word again and again makes each wait
FEW = 16  # for up to so many colours


@outlined
def flattened(A, element):
    """A grid block that holds the colours of an element, as often as they occur: a grid itself, else one row.

    As in arc-dsl, the first part of a pair stands for its colour.
    """
    if tag(element) == GRID:
        return offset(element)
    block = items(A, element)
    if is_set(element):
        row = new_row(A, A[block])
        for k in range(area(A, row)):
            x = A[block + 1 + k]
            put(A, row, k, color_of(x) if is_cell(x) else row_of(as_pair(A, x)))
        return row
    width = 0
    for k in range(A[block]):
        width += length(A, A[block + 1 + k])
    row = new_row(A, width)
    end = 0
    for k in range(A[block]):
        inner = items(A, A[block + 1 + k])
        for m in range(min(A[inner], area(A, row) - end)):
            put(A, row, end, as_integer(A, A[inner + 1 + m]))
            end += 1
    return row


@outlined
def histogram(A, element):
    """How often each colour occurs: a block [c, n, count of colour c, of c + 1, ..., of c + n - 1].

    No colour outside c, ..., c + n - 1 occurs; n is 0 where there are no colours.
    """
    grid = scan(A, flattened(A, element))
    cells = area(A, grid)
    if cells == 0:
        return EMPTY
    low, high = color_range(A, grid)
    n = high - low + 1
    lanes = LANES if n <= FEW and cells > 4 * FEW else 1
    block = allocate(A, lanes * n + 2)
    if block == 0:
        return EMPTY
    A[block] = low
    A[block + 1] = n
    counts = block + 2
    for k in range(lanes * n):
        A[counts + k] = 0
    for k in range(cells):
        A[counts + (k & (lanes - 1)) * n + get(A, grid, k) - low] += 1
    for lane in range(1, lanes):
        for k in range(n):
            A[counts + k] += A[counts + lane * n + k]
    return block


@inline
def color_range(A, grid):
    """A range that all colours of a grid block lie in: 0 to 15 if it can be, which is quickly seen."""
    bits = 0
    for k in range(area(A, grid)):
        bits |= get(A, grid, k)
    if 0 <= bits < FEW:
        return 0, FEW - 1
    low = high = get(A, grid, 0)
    for k in range(area(A, grid)):
        low = min(low, get(A, grid, k))
        high = max(high, get(A, grid, k))
    return low, high


@outlined
def common_color(A, element, sign):
    """The most common colour (sign 1) or the least common one (sign -1), of equals the smallest."""
    mark = A[TOP]
    block = histogram(A, element)
    best = -1
    for k in range(A[block + 1]):
        count = A[block + 2 + k]
        if count > 0 and (best < 0 or sign * count > sign * A[block + 2 + best]):
            best = k
    color = A[block] + best
    A[TOP] = mark
    return integer(A, color) if best >= 0 else fail(A, EMPTY_CONTAINER)


@prim
def mostcolor(A, element: Element) -> Integer:
    """The most common colour of `element`."""
    return common_color(A, element, 1)


@prim
def leastcolor(A, element: Element) -> Integer:
    """The least common of the colours that occur in `element`."""
    return common_color(A, element, -1)


@prim
def colorcount(A, element: Element, value: Integer) -> Integer:
    """The number of cells of colour `value`."""
    grid = scan(A, flattened(A, element))
    count = 0
    for k in range(area(A, grid)):
        count += integer(A, get(A, grid, k)) == value
    return integer(A, count)


@prim
def palette(A, element: Element) -> Set:
    """The set of colours that occur in `element`."""
    block = histogram(A, element)
    colors = new_items(A, A[block + 1])
    for k in range(A[block + 1]):
        if A[block + 2 + k] > 0:
            push(A, colors, integer(A, A[block] + k))
    return ordered_set(colors)


@prim
def numcolors(A, element: Element) -> Integer:
    """The number of different colours in `element`."""
    return integer(A, length(A, palette(A, element)))


# --------------------------------------------------------------------------------- colour of objects


@prim
def color(A, obj: Object) -> Integer:
    """The colour of `obj`, which is that of its first cell."""
    return first_part(A, item_at(A, block_of(A, obj), 0))


@prim
def colorfilter(A, objs: Objects, value: Integer) -> Objects:
    """The objects of colour `value`."""
    block = items(A, objs)
    result = new_items(A, A[block])
    for k in range(1, A[block] + 1):
        if same(A, color(A, A[block + k]), value):
            push(A, result, A[block + k])
    return ordered_set(result) if is_set(objs) else finish_set(A, result)
