"""Tables of colours that turn pieces into the outputs: of one piece, and of two.

A table says what a cell becomes by its colour in a piece, or by its colours in two. It fits if no two cells of the
demonstrations want different things of the same entry, and if the tests ask for no entry that it lacks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interpreter.fitting.sheet import NONE
from interpreter.grids import MAX_COLOR
from interpreter.runtime.native import SEARCH, entry

COLORS = MAX_COLOR + 1


def _arguments_of_color_maps() -> tuple:
    rows, row = np.zeros((1, 1), np.int8), np.zeros(1, np.int8)
    return rows, row, rows, np.zeros(1, np.bool_)


@entry(_arguments_of_color_maps, group=SEARCH)
def fit_color_maps(rows, wanted, tables, fits):
    """Write the table of each piece, and whether it fits."""
    for i in range(len(rows)):
        fits[i] = True
        for color in range(COLORS):
            tables[i, color] = NONE
        for k in range(len(wanted)):
            color, want = rows[i, k], wanted[k]
            if color == NONE:
                continue
            if want == NONE:  # of a test
                fits[i] = tables[i, color] != NONE
            elif tables[i, color] == NONE:
                tables[i, color] = want
            else:
                fits[i] = tables[i, color] == want
            if not fits[i]:
                break


def _arguments_of_pair_tables() -> tuple:
    rows, row = np.zeros((1, 1), np.int8), np.zeros(1, np.int8)
    return rows, row, np.zeros(1, np.int64), 0, 0, 0, np.zeros((1, 2), np.int64)


@entry(_arguments_of_pair_tables, group=SEARCH)
def fit_pair_tables(rows, wanted, order, entries, square, wide, found):
    """Write pairs of pieces that have a table of at most so many entries, those first that come first in the rows; how
    many there are. The first `square` pieces are tried with each other, the first `wide` of these with all. `order` is
    that in which cells are looked at, those of the tests last."""
    count = 0
    table = np.zeros(COLORS * COLORS, np.int8)
    for total in range(1, len(rows) + wide + square):
        middle = (total + 1) // 2
        for i in range(max(0, total - len(rows) + 1), middle):
            j = total - i
            if j >= square and i >= wide:
                if middle <= total - square + 1:
                    break
                continue
            table[:] = NONE
            used = 0
            fits = True
            for k in order:
                at = rows[i, k] * COLORS + rows[j, k]
                want = wanted[k]
                if want == NONE:
                    fits = table[at] != NONE
                elif table[at] == NONE:
                    table[at] = want
                    used += 1
                    fits = used <= entries
                else:
                    fits = table[at] == want
                if not fits:
                    break
            if fits:
                found[count, 0], found[count, 1] = i, j
                count += 1
                if count == len(found):
                    return count
    return count


def color_maps(
    rows: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """The pieces that a colour map turns into the outputs, and the maps of all: int8 of (pieces, 10)."""
    tables, fits = np.zeros((len(rows), COLORS), np.int8), np.zeros(len(rows), np.bool_)
    fit_color_maps.compiled()(rows, wanted, tables, fits)
    return np.flatnonzero(fits), tables


def pair_tables(
    rows: npt.NDArray[np.int8],
    wanted: npt.NDArray[np.int8],
    entries: int,
    most: int,
    square: int,
    wide: int = 0,
    seed: int = 0,
) -> npt.NDArray[np.int64]:
    """At most so many pairs of pieces with a table of at most so many entries that gives the outputs: (n, 2).

    The first `square` pieces are tried with each other, the first `wide` of these with all others as well. Cells are
    looked at in a random order, so that a pair that does not fit is soon left.
    """
    cells = np.flatnonzero(wanted != NONE)
    tests = np.flatnonzero((wanted == NONE) & (rows[0] != NONE))
    order = np.concatenate([np.random.default_rng(seed).permutation(cells), tests])
    found = np.zeros((most, 2), np.int64)
    square = min(square, len(rows))
    return found[: fit_pair_tables.compiled()(rows, wanted, order, entries, square, min(wide, square), found)]


def pair_table(
    one: npt.NDArray[np.int8], other: npt.NDArray[np.int8], wanted: npt.NDArray[np.int8]
) -> npt.NDArray[np.int8]:
    """The table of two pieces that have one: int8 of (10, 10), `NONE` where the demonstrations say nothing."""
    table = np.full((COLORS, COLORS), NONE, np.int8)
    known = wanted != NONE
    table[one[known], other[known]] = wanted[known]
    return table
