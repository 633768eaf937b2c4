"""Changing cells: filling, painting, recolouring, making canvases."""

from interpreter.primitives.colors import mostcolor
from interpreter.primitives.containers import repeat
from interpreter.primitives.objects import (
    color_sought,
    column_is_uniform,
    row_is_uniform,
)
from interpreter.primitives.patches import ANYWHERE, OWN, as_leading_pair, shift
from interpreter.primitives.table import prim
from interpreter.primitives.tables import agreed, brushed, replaced
from interpreter.primitives.types import Grid, Integer, Object, Pair, Patch
from interpreter.runtime.blocks import (
    area,
    as_grid,
    as_rectangle,
    copy_grid,
    finish_grid,
    get,
    get_at,
    in_grid,
    new_grid,
    new_items,
    push,
    put,
    scan,
)
from interpreter.runtime.locations import location, patch_items
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.values import (
    NOTHING,
    OUT_OF_RANGE,
    TYPE_MISMATCH,
    as_integer,
    as_pair,
    color_of,
    column_of,
    fail,
    int_of,
    integer,
    is_cell,
    is_grid,
    is_integer,
    offset,
    row_of,
    small,
)


@outlined
def brush(A, grid, patch, color, under):
    """Paint a patch on a fresh grid block, where its cells have colour `under`; the grid's value.

    `color` and `under` are INTEGER handles, or OWN and ANYWHERE. A cell outside the grid is left out.
    """
    cells = patch_items(A, patch)
    n = A[cells]
    height, width = A[grid], A[grid + 1]  # words that the compiler would read again after each cell that is put
    for k in range(1, n + 1):
        item = A[cells + k]
        if color == OWN and not is_cell(item):
            fail(A, TYPE_MISMATCH)
            break
        at = location(A, item)
        i = row_of(at)
        j = column_of(at)
        if 0 <= i < height and 0 <= j < width:
            place = i * width + j
            if under == ANYWHERE or get(A, grid, place) == as_integer(A, under):
                put(A, grid, place, color_of(item) if color == OWN else as_integer(A, color))
    return finish_grid(A, grid)


@inline
def painted(A, grid, patch, color, under):
    """A copy of `grid` under the `brush`."""
    if is_grid(grid) and (color == OWN or is_integer(color)):
        return brush(A, copy_grid(A, offset(grid)), patch, color, under)
    return brushed(A, grid, patch, color, under)


@prim
def fill(A, grid: Grid, color: Integer, patch: Patch) -> Grid:
    """`grid` with `color` at the locations of `patch`."""
    return painted(A, grid, patch, color, ANYWHERE)


@prim
def paint(A, grid: Grid, obj: Object) -> Grid:
    """`grid` with the cells of `obj`."""
    return painted(A, grid, obj, OWN, ANYWHERE)


@prim
def underfill(A, grid: Grid, color: Integer, patch: Patch) -> Grid:
    """`grid` with `color` at those locations of `patch` that have the most common colour."""
    return painted(A, grid, patch, color, mostcolor(A, grid))


@prim
def underpaint(A, grid: Grid, obj: Object) -> Grid:
    """`grid` with those cells of `obj` that fall on the most common colour."""
    return painted(A, grid, obj, OWN, mostcolor(A, grid))


@prim
def cover(A, grid: Grid, patch: Patch) -> Grid:
    """`grid` with the most common colour at the locations of `patch`."""
    return painted(A, grid, patch, mostcolor(A, grid), ANYWHERE)


@prim
def move(A, grid: Grid, obj: Object, direction: Pair) -> Grid:
    """`grid` with `obj` covered, and painted again `direction` further."""
    covered = as_grid(A, cover(A, grid, obj))
    return brush(A, covered, shift(A, obj, direction), OWN, ANYWHERE)


@prim
def replace(A, grid: Grid, old: Integer, new: Integer) -> Grid:
    """`grid` with colour `old` turned into `new`."""
    if not is_grid(grid) or not is_integer(new):
        return replaced(A, grid, old, new)
    block = copy_grid(A, offset(grid))
    sought = color_sought(old)
    for k in range(area(A, block)):
        if get(A, block, k) == sought:
            put(A, block, k, as_integer(A, new))
    return finish_grid(A, block)


@prim
def switch(A, grid: Grid, a: Integer, b: Integer) -> Grid:
    """`grid` with colours `a` and `b` exchanged."""
    block = copy_grid(A, as_grid(A, grid))
    first = color_sought(a)
    second = color_sought(b)
    for k in range(area(A, block)):
        color = get(A, block, k)
        if color == first:
            put(A, block, k, as_integer(A, b))
        elif color == second:
            put(A, block, k, as_integer(A, a))
    return finish_grid(A, block)


@prim
def cellwise(A, a: Grid, b: Grid, fallback: Integer) -> Grid:
    """The cells on which `a` and `b` agree, and `fallback` elsewhere; `b` must be as large as `a`."""
    if not (is_grid(a) and is_grid(b) and is_integer(fallback)):
        return agreed(A, a, b, fallback)
    block = copy_grid(A, offset(a))
    other = offset(b)
    if A[other] < A[block] or A[other + 1] < A[block + 1]:
        return fail(A, OUT_OF_RANGE)
    for i in range(A[block]):
        for j in range(A[block + 1]):
            if get_at(A, block, i, j) != get_at(A, other, i, j):
                put(A, block, i * A[block + 1] + j, as_integer(A, fallback))
    return finish_grid(A, block)


@prim
def canvas(A, color: Integer, dimensions: Pair) -> Grid:
    """A grid of one colour."""
    size = as_leading_pair(A, dimensions)
    if not is_integer(color):
        return repeat(A, repeat(A, color, small(column_of(size))), small(row_of(size)))
    block = new_grid(A, row_of(size), column_of(size))
    for k in range(area(A, block)):
        put(A, block, k, int_of(color))
    return finish_grid(A, block)


@prim
def index(A, grid: Grid, place: Pair) -> Integer:
    """The colour at `place`; None outside the grid."""
    block = as_rectangle(A, grid)
    at = as_pair(A, place)
    if not in_grid(A, block, row_of(at), column_of(at)):
        return NOTHING
    return integer(A, get_at(A, block, row_of(at), column_of(at)))


@prim
def compress(A, grid: Grid) -> Grid:
    """`grid` without the rows and columns that have one colour."""
    block = scan(A, scan(A, as_grid(A, grid)))  # its rows, and its columns
    rows = new_items(A, A[block])
    for i in range(A[block]):
        if not row_is_uniform(A, block, i):
            push(A, rows, i)
    columns = new_items(A, A[block + 1])
    for j in range(A[block + 1]):
        if not column_is_uniform(A, block, j):
            push(A, columns, j)
    kept = new_grid(A, A[rows], A[columns])
    for i in range(A[kept]):
        for j in range(A[kept + 1]):
            put(A, kept, i * A[kept + 1] + j, get_at(A, block, A[rows + 1 + i], A[columns + 1 + j]))
    return finish_grid(A, kept)
