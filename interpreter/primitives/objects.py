"""Finding things in grids: cells by colour, connected objects, occurrences, frontiers.

Everything here is emitted in canonical order, by scanning grids in reading order.
"""

from interpreter.primitives.colors import mostcolor
from interpreter.primitives.copies import copies
from interpreter.primitives.shapes import tall, wide
from interpreter.primitives.table import prim
from interpreter.primitives.tables import all_entries, entries_by_color, places
from interpreter.primitives.types import Boolean, Grid, Indices, Integer, Object, Objects, Patch
from interpreter.runtime.blocks import (
    allocate,
    area,
    as_grid,
    as_rectangle,
    as_solid_grid,
    get,
    get_at,
    in_grid,
    items,
    new_items,
    push,
    scan,
    truth,
)
from interpreter.runtime.locations import bounds, location, patch_items
from interpreter.runtime.native import inline, outlined, specialized
from interpreter.runtime.ordering import finish_set, ordered_set
from interpreter.runtime.values import (
    CELL,
    CELL_COLUMN,
    CELL_ROW,
    COLOR_BIAS,
    COLOR_LIMIT,
    COLOR_MASK,
    COORDINATE_BIAS,
    COORDINATE_BITS,
    EMPTY,
    NOTHING,
    OUT_OF_RANGE,
    PAIR,
    SET,
    cell_of,
    column_of,
    fail,
    failed,
    handle,
    int_of,
    is_grid,
    is_integer,
    offset,
    row_of,
)

NO_COLOR = 1 << 40  # a number that no cell of a grid holds


@inline
def color_sought(x):
    """The colour to compare cells with: no cell equals a value that is no integer."""
    return int_of(x) if is_integer(x) else NO_COLOR


@inline
def location_at(i, j):
    """The PAIR of a place in a grid, whose coordinates are known to fit."""
    return handle(PAIR, ((i + COORDINATE_BIAS) << COORDINATE_BITS) | (j + COORDINATE_BIAS))


@inline
def cell_at(color, i, j):
    """The CELL of a place in a grid; nonsense where the colour does not fit, which is for the caller to see."""
    place = ((i + COORDINATE_BIAS) << CELL_ROW) | ((j + COORDINATE_BIAS) << CELL_COLUMN)
    return handle(CELL, place | ((color + COLOR_BIAS) & COLOR_MASK))


# ------------------------------------------------------------------------------------------- cells


@prim
def asindices(A, grid: Grid) -> Indices:
    """The locations of all cells of `grid`."""
    block = as_grid(A, grid)
    height, width = A[block], A[block + 1]
    found = new_items(A, height * width)
    if failed(A):
        return NOTHING
    at = found + 1
    for i in range(height):
        for j in range(width):
            A[at + j] = location_at(i, j)
        at += width
    A[found] = height * width
    return ordered_set(found)


@prim
def ofcolor(A, grid: Grid, color: Integer) -> Indices:
    """The locations of the cells of `grid` that have `color`."""
    if not is_grid(grid):
        return places(A, grid, color)
    block = scan(A, offset(grid))
    height, width = A[block], A[block + 1]
    sought = color_sought(color)
    count = 0
    for k in range(height * width):
        count += get(A, block, k) == sought
    found = new_items(A, count + 1)  # one more than needed: each cell is written, and stays if it is sought
    if failed(A):
        return NOTHING
    at = found + 1
    for i in range(height):
        row = block + 2 + i * width
        for j in range(width):
            A[at] = location_at(i, j)
            at += A[row + j] == sought
    A[found] = count
    return ordered_set(found)


@inline
def cells_within(A, grid, top, bottom, left, right):
    """The cells of a grid block in rows top..bottom - 1 of columns left..right - 1, as an object."""
    width = A[grid + 1]
    found = new_items(A, (bottom - top) * (right - left))
    if failed(A):
        return NOTHING
    at = found + 1
    wrong = 0
    for i in range(top, bottom):
        row = grid + 2 + i * width
        for j in range(left, right):
            color = A[row + j]
            wrong |= (color < -COLOR_BIAS) | (color > COLOR_LIMIT)
            A[at] = cell_at(color, i, j)
            at += 1
    A[found] = at - found - 1
    return fail(A, OUT_OF_RANGE) if wrong else ordered_set(found)


@prim
def asobject(A, grid: Grid) -> Object:
    """All cells of `grid` as one object."""
    if not is_grid(grid):
        return all_entries(A, grid)
    block = offset(grid)
    return cells_within(A, block, 0, A[block], 0, A[block + 1])


@prim
def toobject(A, patch: Patch, grid: Grid) -> Object:
    """The cells of `grid` at the locations of `patch` that lie in it."""
    block = as_rectangle(A, grid)
    cells = patch_items(A, patch)
    found = new_items(A, A[cells])
    for k in range(A[cells]):
        at = location(A, A[cells + 1 + k])
        i = row_of(at)
        j = column_of(at)
        if in_grid(A, block, i, j):
            push(A, found, cell_of(A, get_at(A, block, i, j), i, j))
    return finish_set(A, found)


# ----------------------------------------------------------------------------------------- objects


@inline
def root(A, parents, label):
    """The smallest label of the region of `label`; halves the path to it."""
    while A[parents + label] != label:
        A[parents + label] = A[parents + A[parents + label]]
        label = A[parents + label]
    return label


@inline
def unite(A, parents, a, b):
    """Make the regions of labels `a` and `b` one; returns its label. Label 0 is no region."""
    if a == 0 or a == b:
        return b
    a = root(A, parents, a)
    b = root(A, parents, b)
    A[parents + max(a, b)] = min(a, b)
    return min(a, b)


# A run is four words: its row, its first column, the column after its last, its label.
START, STOP, LABEL, RUN = 1, 2, 3, 4


@specialized
def label_runs(A, grid, runs, parents, sizes, background, univalued, reach):
    """Cut the rows of a grid block into runs of cells that are no background, and label them.

    A run ends where the colour does, or with `univalued` off only at the background. It gets the label of the runs
    of the row above that it touches, which become one region; `reach` is 1 where touching at corners counts, else 0.
    Returns the number of labels and the end of the runs.
    """
    width = A[grid + 1]
    count = 0
    end = above = runs
    for i in range(A[grid]):
        row = grid + 2 + i * width
        first = end
        j = 0
        while j < width:
            color = A[row + j]
            start = j
            j += 1
            if color == background:
                continue
            while j < width and (A[row + j] == color if univalued else A[row + j] != background):
                j += 1
            while above < first and A[above + STOP] + reach <= start:
                above += RUN
            label = 0
            other = above
            while other < first and A[other + START] < j + reach:
                if not univalued or A[row - width + A[other + START]] == color:
                    label = unite(A, parents, label, A[other + LABEL])
                other += RUN
            if label == 0:
                count += 1
                label = count
                A[parents + label] = label
                A[sizes + label] = 0
            A[sizes + label] += j - start
            A[end] = i
            A[end + START] = start
            A[end + STOP] = j
            A[end + LABEL] = label
            end += RUN
        above = first
    return count, end


@inline
def new_regions(A, parents, sizes, count):
    """An unfilled object for each region, in order; replaces each label's size by its object's block."""
    regions = 0
    words = 0
    for label in range(1, count + 1):
        first = A[parents + A[parents + label]]
        A[parents + label] = first
        words += A[sizes + label]
        if first == label:
            regions += 1
        else:
            A[sizes + first] += A[sizes + label]
    found = new_items(A, regions)
    block = allocate(A, words + 2 * regions) + 1  # of the next object: its capacity, its length, its cells
    if failed(A):
        return found
    for label in range(1, count + 1):
        if A[parents + label] == label:
            cells = A[sizes + label]
            A[block - 1] = cells
            A[block] = 0
            A[sizes + label] = block
            push(A, found, handle(SET, block))
            block += cells + 2
        else:
            A[sizes + label] = A[sizes + A[parents + label]]
    return found


@prim
def objects(A, grid: Grid, univalued: Boolean, diagonal: Boolean, without_background: Boolean) -> Objects:
    """The connected regions of `grid`, of one colour each if `univalued`, joined at corners too if `diagonal`.

    `without_background` leaves the cells of the most common colour out.
    """
    block = as_rectangle(A, grid)
    background = int_of(mostcolor(A, grid)) if truth(A, without_background) else NO_COLOR
    cells = area(A, block)
    runs = allocate(A, (RUN + 2) * (cells + 1))
    if runs == 0:
        return NOTHING
    parents = runs + RUN * (cells + 1)
    sizes = parents + cells + 1
    reach = 1 if truth(A, diagonal) else 0
    if truth(A, univalued):
        count, end = label_runs(A, block, runs, parents, sizes, background, True, reach)
    else:
        count, end = label_runs(A, block, runs, parents, sizes, background, False, reach)
    found = new_regions(A, parents, sizes, count)
    if failed(A):
        return NOTHING
    for run in range(runs, end, RUN):
        paint_run(A, block, A[run], A[run + START], A[run + STOP], A[sizes + A[run + LABEL]])
    return ordered_set(found)


@inline
def paint_run(A, grid, i, start, stop, found):
    """Append the cells start..stop - 1 of row `i` of a grid block to an object's block, which has room for them."""
    row = grid + 2 + i * A[grid + 1]
    at = found + 1 + A[found] - start
    wrong = 0
    for j in range(start, stop):
        color = A[row + j]
        wrong |= (color < -COLOR_BIAS) | (color > COLOR_LIMIT)
        A[at + j] = cell_at(color, i, j)
    A[found] += stop - start
    if wrong:
        fail(A, OUT_OF_RANGE)


@outlined
def cells_by_color(A, grid, background):
    """One object for each colour of a grid block but `background`."""
    grid = scan(A, grid)
    blocks = allocate(A, COLOR_BIAS + COLOR_LIMIT + 1)
    if blocks == 0:
        return NOTHING
    for k in range(COLOR_BIAS + COLOR_LIMIT + 1):
        A[blocks + k] = 0
    colors = 0
    for k in range(area(A, grid)):
        color = get(A, grid, k)
        if color < -COLOR_BIAS or color > COLOR_LIMIT:
            return fail(A, OUT_OF_RANGE)
        colors += A[blocks + COLOR_BIAS + color] == 0
        A[blocks + COLOR_BIAS + color] -= 1  # minus the number of cells, until their block is there
    found = new_items(A, colors)
    for i in range(A[grid]):
        for j in range(A[grid + 1]):
            color = get_at(A, grid, i, j)
            if color == background:
                continue
            slot = blocks + COLOR_BIAS + color
            if A[slot] < 0:
                A[slot] = new_items(A, -A[slot])
                push(A, found, handle(SET, A[slot]))
            push(A, A[slot], cell_of(A, color, i, j))
    return ordered_set(found)


@prim
def partition(A, grid: Grid) -> Objects:
    """One object for each colour of `grid`."""
    return cells_by_color(A, offset(grid), NO_COLOR) if is_grid(grid) else entries_by_color(A, grid, NOTHING)


@prim
def fgpartition(A, grid: Grid) -> Objects:
    """One object for each colour of `grid` but the most common one."""
    background = mostcolor(A, grid)
    if not is_grid(grid):
        return entries_by_color(A, grid, background)
    return cells_by_color(A, offset(grid), int_of(background))


# ------------------------------------------------------------------------ occurrences and frontiers


@prim
def occurrences(A, grid: Grid, obj: Object) -> Indices:
    """The locations of the upper left corners of copies of `obj` in `grid`."""
    block = as_rectangle(A, grid)
    rows = A[block] - tall(A, obj) + 1
    columns = A[block + 1] - wide(A, obj) + 1
    cells = items(A, obj)
    bounds(A, obj)
    found = copies(A, block, cells, rows, columns)
    return NOTHING if found == EMPTY else ordered_set(found)


@outlined
def is_uniform(A, first, step, n):
    """Whether the `n` words at `first`, `first + step`, ... are one colour: a row or a column of a grid."""
    for k in range(1, n):
        if A[first + k * step] != A[first]:
            return 0
    return 1 if n > 0 else 0


@inline
def row_is_uniform(A, grid, i):
    return is_uniform(A, grid + 2 + i * A[grid + 1], 1, A[grid + 1]) != 0


@inline
def column_is_uniform(A, grid, j):
    return is_uniform(A, grid + 2 + j, A[grid + 1], A[grid]) != 0


@prim
def frontiers(A, grid: Grid) -> Objects:
    """The rows and columns of `grid` that have one colour, as objects."""
    block = scan(A, scan(A, as_solid_grid(A, grid)))  # its rows, and its columns
    height = A[block]
    width = A[block + 1]
    found = new_items(A, height + width)
    for i in range(height):
        if row_is_uniform(A, block, i):
            push(A, found, cells_within(A, block, i, i + 1, 0, width))
    for j in range(width):
        if column_is_uniform(A, block, j):
            push(A, found, cells_within(A, block, 0, height, j, j + 1))
    return finish_set(A, found)
