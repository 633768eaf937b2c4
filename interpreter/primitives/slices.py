"""Parts and sums of tuples as Python takes them: slices, `zip`, `+`; of grids, strided walks over their cells.

A grid is a tuple of rows, so that what turns, joins and cuts grids works on other tuples too. There it is
done item by item, as Python does it; on a grid it is one walk.
"""

from interpreter.runtime.blocks import (
    append,
    area,
    finish_grid,
    finish_tuple,
    get,
    items,
    new_grid,
    new_items,
    push,
    put,
)
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    EMPTY,
    SIZE,
    TYPE_MISMATCH,
    fail,
    failed,
    int_of,
    integer,
    is_grid,
    is_integer,
    is_set,
    offset,
)

# ------------------------------------------------------------------------------------- strided walks


@outlined
def walk(A, grid, start, down, across):
    """Fill a fresh grid block from the words at `start + i * down + j * across`; returns its value."""
    at = grid + 2
    for i in range(A[grid]):
        source = start + i * down
        for j in range(A[grid + 1]):
            A[at + j] = A[source + j * across]
        at += A[grid + 1]
    return finish_grid(A, grid)


@inline
def from_start(bound, n):
    """A bound of a slice of `n` items as Python takes it, counted from the start: 0..n."""
    return min(max(bound + n if bound < 0 else bound, 0), n)


@inline
def window(A, block, top, bottom, left, right):
    """Rows top..bottom - 1 of columns left..right - 1 of a grid block, taken as Python's slices are."""
    height = A[block]
    width = A[block + 1]
    top = from_start(top, height)
    left = from_start(left, width)
    grid = new_grid(A, from_start(bottom, height) - top, from_start(right, width) - left)
    return walk(A, grid, block + 2 + top * width + left, width, 1)


# --------------------------------------------------------------------------- tuples that are no grids


@inline
def sequence(A, x):
    """The block of the items of a tuple; fails on a set, which has no order."""
    if is_set(x):
        fail(A, TYPE_MISMATCH)
        return EMPTY
    return items(A, x)


@outlined
def backward(A, x):
    """Python's `x[::-1]`."""
    block = sequence(A, x)
    result = new_items(A, A[block])
    for k in range(A[block]):
        push(A, result, A[block + A[block] - k])
    return finish_tuple(A, result)


@outlined
def each_backward(A, x):
    """Each item of a tuple `backward`."""
    block = sequence(A, x)
    result = new_items(A, A[block])
    for k in range(A[block]):
        push(A, result, backward(A, A[block + 1 + k]))
        if failed(A):
            break
    return finish_tuple(A, result)


@outlined
def transposed(A, x):
    """Python's `tuple(zip(*x))`."""
    block = sequence(A, x)
    rows = new_items(A, A[block])
    width = A[SIZE] if A[block] > 0 else 0
    for k in range(A[block]):
        row = items(A, A[block + 1 + k])
        push(A, rows, row)
        width = min(width, A[row])
    result = new_items(A, width)
    for j in range(width):
        column = new_items(A, A[rows])
        for k in range(A[rows]):
            push(A, column, A[A[rows + 1 + k] + 1 + j])
        push(A, result, finish_tuple(A, column))
        if failed(A):
            break
    return finish_tuple(A, result)


@outlined
def slice_of(A, x, start, stop):
    """Python's `x[start:stop]`."""
    if is_grid(x):
        return window(A, offset(x), start, stop, 0, A[offset(x) + 1])
    block = sequence(A, x)
    start = from_start(start, A[block])
    stop = from_start(stop, A[block])
    result = new_items(A, max(stop - start, 0))
    for k in range(start, stop):
        push(A, result, A[block + 1 + k])
    return finish_tuple(A, result)


@outlined
def slice_of_each(A, x, start, stop):
    """Python's `y[start:stop]` of each item `y` of a tuple."""
    block = sequence(A, x)
    result = new_items(A, A[block])
    for k in range(A[block]):
        push(A, result, slice_of(A, A[block + 1 + k], start, stop))
        if failed(A):
            break
    return finish_tuple(A, result)


@inline
def stacked(A, above, below):
    """The grid of two grid blocks of the same width, one above the other."""
    grid = new_grid(A, A[above] + A[below], A[above + 1])
    middle = min(area(A, above), area(A, grid))
    for k in range(middle):
        put(A, grid, k, get(A, above, k))
    for k in range(middle, area(A, grid)):
        put(A, grid, k, get(A, below, k - middle))
    return finish_grid(A, grid)


@outlined
def concatenated(A, a, b):
    """Python's `a + b`, of tuples or integers."""
    if is_integer(a) and is_integer(b):
        return integer(A, int_of(a) + int_of(b))
    if is_grid(a) and is_grid(b) and A[offset(a) + 1] == A[offset(b) + 1]:
        return stacked(A, offset(a), offset(b))
    first = sequence(A, a)
    second = sequence(A, b)
    result = append(A, new_items(A, A[first] + A[second]), first)
    return finish_tuple(A, append(A, result, second))
