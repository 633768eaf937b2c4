"""Tables: what arc-dsl's grid functions make of containers of containers that are no grids.

Python indexes and iterates whatever it is given, so that ragged rows, cells that are no numbers, tuples of grids and
sets of objects go a long way. A table is a block of the blocks of its rows. None of this runs on a grid.
"""

from interpreter.primitives.arithmetic import component, tuple_of
from interpreter.primitives.colors import palette
from interpreter.primitives.patches import ANYWHERE, OWN, colored
from interpreter.primitives.slices import sequence
from interpreter.runtime.blocks import finish_tuple, items, new_items, push
from interpreter.runtime.locations import location, patch_items
from interpreter.runtime.native import inline, outlined
from interpreter.runtime.ordering import finish_set, ordered_set, same
from interpreter.runtime.values import (
    EMPTY_CONTAINER,
    OUT_OF_RANGE,
    TYPE_MISMATCH,
    ZERO_DIVISION,
    column_of,
    fail,
    failed,
    is_set,
    pair_of,
    row_of,
)


@outlined
def table(A, x):
    """A fresh block of the blocks of the rows of any container of containers; fails on anything else."""
    source = items(A, x)
    rows = new_items(A, A[source])
    for k in range(1, A[source] + 1):
        push(A, rows, items(A, A[source + k]))
    return rows


@outlined
def copied_table(A, x):
    """Like `table`, with rows that may be written to."""
    rows = table(A, x)
    for k in range(1, A[rows] + 1):
        row = new_items(A, A[A[rows + k]])
        for j in range(1, A[A[rows + k]] + 1):
            push(A, row, A[A[rows + k] + j])
        A[rows + k] = row
    return rows


@outlined
def finish_table(A, rows):
    """The tuple of the tuples of rows that are no longer needed as blocks."""
    for k in range(1, A[rows] + 1):
        A[rows + k] = finish_tuple(A, A[rows + k])
    return finish_tuple(A, rows)


@inline
def width_of(A, x, rows):
    """The length of the first row of the table of `x`, as a number; fails where there is none, as in a set."""
    if is_set(x) or A[rows] == 0:
        fail(A, TYPE_MISMATCH if is_set(x) else EMPTY_CONTAINER)
        return 0
    return A[A[rows + 1]]


@outlined
def indexed(A, x):
    """Like `table`; fails also where `x` or a row is a set, whose items have no index."""
    rows = sequence(A, x)
    for k in range(1, A[rows] + 1):
        if is_set(A[rows + k]):
            fail(A, TYPE_MISMATCH)
    return table(A, x)


@inline
def entry(A, rows, i, j):
    """Entry (i, j) of a table; fails where the row is too short."""
    if i >= A[rows] or j >= A[A[rows + 1 + i]]:
        return fail(A, OUT_OF_RANGE)
    return A[A[rows + 1 + i] + 1 + j]


@inline
def entries(A, rows):
    """The number of entries of a table."""
    total = 0
    for k in range(1, A[rows] + 1):
        total += A[A[rows + k]]
    return total


@outlined
def places(A, x, value):
    """The locations of the entries of `x` that equal `value`."""
    rows = table(A, x)
    found = new_items(A, entries(A, rows))
    for i in range(A[rows]):
        for j in range(A[A[rows + 1 + i]]):
            if same(A, entry(A, rows, i, j), value):
                push(A, found, pair_of(A, i, j))
    return ordered_set(found)


@outlined
def all_entries(A, x):
    """The set of (entry, location) of all entries of `x`."""
    rows = table(A, x)
    found = new_items(A, entries(A, rows))
    for i in range(A[rows]):
        if failed(A):
            break
        for j in range(A[A[rows + 1 + i]]):
            push(A, found, tuple_of(A, entry(A, rows, i, j), pair_of(A, i, j)))
    return finish_set(A, found)


@outlined
def entries_by_color(A, x, background):
    """For each colour of `x` but `background` the set of (colour, location) of the entries that equal it."""
    colors = items(A, palette(A, x))
    found = new_items(A, A[colors])
    for k in range(1, A[colors] + 1):
        if failed(A):
            break
        if not same(A, A[colors + k], background):
            push(A, found, colored(A, A[colors + k], places(A, x, A[colors + k])))
    return finish_set(A, found)


@outlined
def replaced(A, x, old, new):
    """The table of `x` with `new` for each entry that equals `old`."""
    rows = copied_table(A, x)
    for i in range(A[rows]):
        for j in range(A[A[rows + 1 + i]]):
            if same(A, entry(A, rows, i, j), old):
                A[A[rows + 1 + i] + 1 + j] = new
    return finish_table(A, rows)


@outlined
def brushed(A, x, patch, color, under):
    """The table of `x` with `color` at the locations of a patch: `painting.brush`, for what is no grid."""
    rows = copied_table(A, x)
    width = width_of(A, x, rows)
    cells = patch_items(A, patch)
    for k in range(1, A[cells] + 1):
        at = location(A, A[cells + k])
        i = row_of(at)
        j = column_of(at)
        if 0 <= i < A[rows] and 0 <= j < width:
            old = entry(A, rows, i, j)
            if failed(A):
                break
            if under == ANYWHERE or same(A, old, under):
                A[A[rows + 1 + i] + 1 + j] = component(A, A[cells + k], 0) if color == OWN else color
    return finish_table(A, rows)


@outlined
def agreed(A, a, b, fallback):
    """The table of the entries on which `a` and `b` agree, and `fallback` elsewhere."""
    ours = indexed(A, a)
    theirs = indexed(A, b)
    width = width_of(A, a, ours)
    rows = new_items(A, A[ours])
    for i in range(A[ours]):
        row = new_items(A, width)
        for j in range(width):
            x = entry(A, ours, i, j)
            push(A, row, x if same(A, x, entry(A, theirs, i, j)) else fallback)
        push(A, rows, row)
        if failed(A):
            break
    return finish_table(A, rows)


@outlined
def stretched(A, x, down, across):
    """The table of `x` with each entry `down` times in its column and `across` times in its row."""
    source = table(A, x)
    rows = new_items(A, A[source] * max(down, 0))
    for i in range(A[source]):
        row = new_items(A, A[A[source + 1 + i]] * max(across, 0))
        if failed(A):
            break
        for j in range(A[A[source + 1 + i]]):
            for _ in range(across):
                push(A, row, entry(A, source, i, j))
        for _ in range(down):
            push(A, rows, row)
    return finish_table(A, rows)


@outlined
def thinned(A, x, step):
    """The table of every `step`th row of `x`, and of every `step`th entry of each."""
    if step == 0:
        return fail(A, ZERO_DIVISION)
    source = indexed(A, x)
    width = width_of(A, x, source)
    rows = new_items(A, A[source])
    for i in range(A[source]):
        row = new_items(A, width)
        for j in range(0, width, step):
            push(A, row, entry(A, source, i, j))
        if i % step == 0:
            push(A, rows, row)
        if failed(A):
            break
    return finish_table(A, rows)
