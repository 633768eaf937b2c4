"""Moving cells: turning, mirroring, scaling, joining and cutting grids; turning and scaling patches.

A turned, mirrored or cut grid is a strided walk over the cells of the old one. Tuples that are no grids
are turned, concatenated and cut as Python's slices, sums and `zip` do it.
"""

from interpreter.primitives.patches import EMPTY_TUPLE, NEGATE_COLUMN, NEGATE_ROW, SWAP, affine, as_leading_pair
from interpreter.primitives.shapes import shape, ulcorner
from interpreter.primitives.slices import (
    backward,
    concatenated,
    each_backward,
    slice_of,
    slice_of_each,
    transposed,
    walk,
    window,
)
from interpreter.primitives.table import prim
from interpreter.primitives.tables import stretched, thinned
from interpreter.primitives.types import Element, Grid, Integer, Pair, Patch, Piece, Tuple
from interpreter.runtime.blocks import (
    area,
    as_solid_grid,
    finish_grid,
    finish_tuple,
    items,
    length,
    new_grid,
    new_items,
    push,
)
from interpreter.runtime.locations import bounds
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import finish_set
from interpreter.runtime.values import (
    BOTTOM_ROW,
    EMPTY_CONTAINER,
    LEFT_COLUMN,
    RIGHT_COLUMN,
    TOP_ROW,
    TYPE_MISMATCH,
    ZERO_DIVISION,
    as_integer,
    cell_of,
    color_of,
    column_of,
    fail,
    failed,
    is_cell,
    is_grid,
    is_set,
    location_of,
    offset,
    pair_of,
    row_of,
)

LARGEST_FACTOR = 1 << 16  # a larger one fails as this one does, and its square overflows


# --------------------------------------------------------------------------------- turning, mirroring


@inline
def upright(A, block, first, down, across):
    """A grid of the same shape, walked through from cell `first`."""
    return walk(A, new_grid(A, A[block], A[block + 1]), block + 2 + first, down, across)


@inline
def sideways(A, block, first, down, across):
    """A grid with height and width exchanged, walked through from cell `first`."""
    return walk(A, new_grid(A, A[block + 1], A[block]), block + 2 + first, down, across)


@prim
def rot90(A, grid: Grid) -> Grid:
    """`grid` turned by a quarter, clockwise."""
    if not is_grid(grid):
        return transposed(A, backward(A, grid))
    block = offset(grid)
    width = A[block + 1]
    return sideways(A, block, area(A, block) - width, 1, -width)


@prim
def rot180(A, grid: Grid) -> Grid:
    """`grid` turned by a half."""
    if not is_grid(grid):
        return each_backward(A, backward(A, grid))
    block = offset(grid)
    return upright(A, block, area(A, block) - 1, -A[block + 1], -1)


@prim
def rot270(A, grid: Grid) -> Grid:
    """`grid` turned by a quarter, counterclockwise."""
    if not is_grid(grid):
        return backward(A, each_backward(A, transposed(A, backward(A, grid))))
    block = offset(grid)
    width = A[block + 1]
    return sideways(A, block, width - 1, -1, width)


@inline
def find_box(A, patch):
    """`bounds`, which fails on an empty patch."""
    if bounds(A, patch) == 0:
        fail(A, EMPTY_CONTAINER)


@prim
def hmirror(A, piece: Piece) -> Piece:
    """`piece` upside down."""
    if is_set(piece):
        find_box(A, piece)
        return affine(A, piece, NEGATE_ROW, A[TOP_ROW] + A[BOTTOM_ROW], 0)
    if not is_grid(piece):
        return backward(A, piece)
    block = offset(piece)
    width = A[block + 1]
    return upright(A, block, area(A, block) - width, -width, 1)


@prim
def vmirror(A, piece: Piece) -> Piece:
    """`piece` with left and right exchanged."""
    if is_set(piece):
        find_box(A, piece)
        return affine(A, piece, NEGATE_COLUMN, 0, A[LEFT_COLUMN] + A[RIGHT_COLUMN])
    if not is_grid(piece):
        return each_backward(A, piece)
    block = offset(piece)
    width = A[block + 1]
    return upright(A, block, width - 1, width, -1)


@prim
def dmirror(A, piece: Piece) -> Piece:
    """`piece` mirrored at the diagonal that starts at its upper left corner."""
    if is_set(piece):
        find_box(A, piece)
        down = A[TOP_ROW] - A[LEFT_COLUMN]
        return affine(A, piece, SWAP, down, -down)
    if not is_grid(piece):
        return transposed(A, piece)
    block = offset(piece)
    return sideways(A, block, 0, 1, A[block + 1])


@prim
def cmirror(A, piece: Piece) -> Piece:
    """`piece` mirrored at the diagonal that starts at its upper right corner."""
    if is_set(piece):
        find_box(A, piece)
        turn = SWAP | NEGATE_ROW | NEGATE_COLUMN
        return affine(A, piece, turn, A[TOP_ROW] + A[RIGHT_COLUMN], A[LEFT_COLUMN] + A[BOTTOM_ROW])
    if not is_grid(piece):
        return transposed(A, each_backward(A, backward(A, piece)))
    block = offset(piece)
    return sideways(A, block, area(A, block) - 1, -1, -A[block + 1])


# ------------------------------------------------------------------------------------------ scaling


@outlined
def enlarged(A, grid, down, across):
    """Each cell of a grid block `down` times in each column and `across` times in each row."""
    result = new_grid(A, A[grid] * max(down, 0), A[grid + 1] * max(across, 0))
    width = A[result + 1]
    source = grid + 2
    at = result + 2
    for i in range(A[result]):
        if i % down != 0:
            for j in range(at, at + width):
                A[j] = A[j - width]
            at += width
            continue
        for j in range(A[grid + 1]):
            for _ in range(across):
                A[at] = A[source + j]
                at += 1
        source += A[grid + 1]
    return finish_grid(A, result)


@inline
def scaled(A, x, down, across):
    """Each cell of a grid, or entry of a table, `down` times in each column and `across` times in each row."""
    return enlarged(A, offset(x), down, across) if is_grid(x) else stretched(A, x, down, across)


@prim
def hupscale(A, grid: Grid, factor: Integer) -> Grid:
    """`grid` with each cell `factor` times as wide."""
    return scaled(A, grid, 1, as_integer(A, factor))


@prim
def vupscale(A, grid: Grid, factor: Integer) -> Grid:
    """`grid` with each cell `factor` times as high."""
    return scaled(A, grid, as_integer(A, factor), 1)


@outlined
def enlarged_object(A, obj, factor):
    """An object with each cell a square of side `factor`; its upper left corner stays."""
    cells = items(A, obj)
    bounds(A, obj)
    top = A[TOP_ROW]
    left = A[LEFT_COLUMN]
    factor = min(max(factor, 0), LARGEST_FACTOR)
    result = new_items(A, A[cells] * factor * factor)
    for k in range(A[cells]):
        cell = A[cells + 1 + k]
        if not is_cell(cell):
            fail(A, TYPE_MISMATCH)
        if failed(A):
            break
        at = location_of(cell)
        i = top + (row_of(at) - top) * factor
        j = left + (column_of(at) - left) * factor
        for di in range(factor):
            for dj in range(factor):
                push(A, result, cell_of(A, color_of(cell), i + di, j + dj))
    return finish_set(A, result)


@prim
def upscale(A, element: Element, factor: Integer) -> Element:
    """`element` with each cell a square of side `factor`."""
    if length(A, element) == 0:
        return element
    if is_set(element):
        return enlarged_object(A, element, as_integer(A, factor))
    return scaled(A, element, as_integer(A, factor), as_integer(A, factor))


@prim
def downscale(A, grid: Grid, factor: Integer) -> Grid:
    """Every `factor`th row and column of `grid`, from the first on."""
    step = abs(as_integer(A, factor))
    if not is_grid(grid):
        return thinned(A, grid, step)
    block = offset(grid)
    if step == 0:
        return fail(A, ZERO_DIVISION)
    result = new_grid(A, (A[block] + step - 1) // step, (A[block + 1] + step - 1) // step)
    return walk(A, result, block + 2, A[block + 1] * step, step)


# ------------------------------------------------------------------------------------------ joining


@prim
def vconcat(A, a: Grid, b: Grid) -> Grid:
    """`a` above `b`."""
    return concatenated(A, a, b)


@outlined
def beside(A, a, b):
    """Two grid blocks, side by side, as high as the lower one; returns the value."""
    grid = new_grid(A, min(A[a], A[b]), A[a + 1] + A[b + 1])
    at = grid + 2
    for i in range(A[grid]):
        for j in range(A[a + 1]):
            A[at + j] = A[a + 2 + i * A[a + 1] + j]
        at += A[a + 1]
        for j in range(A[b + 1]):
            A[at + j] = A[b + 2 + i * A[b + 1] + j]
        at += A[b + 1]
    return finish_grid(A, grid)


@prim
def hconcat(A, a: Grid, b: Grid) -> Grid:
    """`a` to the left of `b`, as high as the lower one."""
    if is_grid(a) and is_grid(b):
        return beside(A, offset(a), offset(b))
    first = items(A, a)
    second = items(A, b)
    rows = new_items(A, min(A[first], A[second]))
    for k in range(1, min(A[first], A[second]) + 1):
        push(A, rows, concatenated(A, A[first + k], A[second + k]))
        if failed(A):
            break
    return finish_tuple(A, rows)


# ------------------------------------------------------------------------------------------ cutting


@outlined
def cropped(A, grid, start, size):
    """The slices of rows and columns that the pairs `start` and `size` tell, as Python takes them."""
    start = as_leading_pair(A, start)
    size = as_leading_pair(A, size)
    top = row_of(start)
    left = column_of(start)
    bottom = top + row_of(size)
    right = left + column_of(size)
    if is_grid(grid):
        return window(A, offset(grid), top, bottom, left, right)
    return slice_of_each(A, slice_of(A, grid, top, bottom), left, right)


@prim
def crop(A, grid: Grid, start: Pair, dimensions: Pair) -> Grid:
    """The part of `grid` that starts at `start` and has the given height and width."""
    return cropped(A, grid, start, dimensions)


@prim
def subgrid(A, patch: Patch, grid: Grid) -> Grid:
    """The part of `grid` in the bounding box of `patch`."""
    return cropped(A, grid, ulcorner(A, patch), shape(A, patch))


@outlined
def pieces(A, grid, n, across):
    """The tuple of `n` equal parts of a grid, one below another or (`across`) one beside another.

    Where the cells do not suffice for equal parts, one row or column is left out after each.
    """
    block = as_solid_grid(A, grid)
    if n == 0:
        return fail(A, ZERO_DIVISION)
    extent = A[block + 1] if across else A[block]
    step = extent // n + (1 if extent % n != 0 else 0)
    size = pair_of(A, A[block], extent // n) if across else pair_of(A, extent // n, A[block + 1])
    result = new_items(A, max(n, 0))
    for k in range(n):
        if failed(A):
            break
        start = pair_of(A, 0, k * step) if across else pair_of(A, k * step, 0)
        push(A, result, cropped(A, grid, start, size))
    return finish_tuple(A, result)


@prim
def hsplit(A, grid: Grid, n: Integer) -> Tuple:
    """`grid` cut into `n` parts from left to right."""
    return pieces(A, grid, as_integer(A, n), True)


@prim
def vsplit(A, grid: Grid, n: Integer) -> Tuple:
    """`grid` cut into `n` parts from top to bottom."""
    return pieces(A, grid, as_integer(A, n), False)


@prim
def trim(A, grid: Grid) -> Grid:
    """`grid` without its border."""
    if is_grid(grid):
        return window(A, offset(grid), 1, -1, 1, -1)
    return slice_of_each(A, slice_of(A, grid, 1, -1), 1, -1)


@prim
def tophalf(A, grid: Grid) -> Grid:
    """The upper half of `grid`, without the middle row."""
    return slice_of(A, grid, 0, length(A, grid) // 2)


@prim
def bottomhalf(A, grid: Grid) -> Grid:
    """The lower half of `grid`, without the middle row."""
    return slice_of(A, grid, (length(A, grid) + 1) // 2, length(A, grid))


@inline
def columns(A, block, left, right):
    """Columns left..right - 1 of a grid block; the empty tuple if there are none."""
    return window(A, block, 0, A[block], left, right) if left < right else EMPTY_TUPLE


@prim
def lefthalf(A, grid: Grid) -> Grid:
    """The left half of `grid`, without the middle column."""
    if is_grid(grid):
        return columns(A, offset(grid), 0, A[offset(grid) + 1] // 2)
    return rot270(A, tophalf(A, rot90(A, grid)))


@prim
def righthalf(A, grid: Grid) -> Grid:
    """The right half of `grid`, without the middle column."""
    if is_grid(grid):
        width = A[offset(grid) + 1]
        return columns(A, offset(grid), (width + 1) // 2, width)
    return rot270(A, bottomhalf(A, rot90(A, grid)))
