"""What is made of pieces, against the same written plainly."""

from itertools import product

import numpy as np
import pytest

from interpreter.fitting.layers import ALL, EXCEPT, ONLY, OWN, Stacker
from interpreter.fitting.sheet import NONE, Sheet
from interpreter.fitting.tables import color_maps, pair_table, pair_tables
from interpreter.grids import GridTable

SHEET = Sheet(((3, 4), (9, 9), (2, 5)), demonstrations=2)


def random_rows(generator, pieces, colors=3):
    grids = [generator.integers(0, colors, shape).astype(np.int8) for _ in range(pieces) for shape in SHEET.shapes]
    return SHEET.rows(GridTable.pack(grids)), grids


def wanted_row(generator, rows, colors=3):
    """Outputs that pieces can give: each cell is that of one of the first two pieces, by the third."""
    row = np.where(rows[2] == 1, rows[0], rows[1]).astype(np.int8)
    outputs = [row[:12].reshape(3, 4), row[64 : 64 + 81].reshape(9, 9)]
    return SHEET.wanted(outputs), outputs


def test_a_sheet_gives_back_the_grids_of_its_tests():
    rows, grids = random_rows(np.random.default_rng(0), 2)
    assert [np.array_equal(a, b) for a, b in zip(SHEET.tests(rows[1]), grids[5:6], strict=True)] == [True]
    assert (rows != NONE).sum() == 2 * (12 + 81 + 10)


def plain_table(keys, wanted):
    """A table that gives what is wanted, by what each cell holds, or None."""
    table = {}
    for key, want in zip(keys, wanted.tolist(), strict=True):
        if want != NONE and table.setdefault(key, want) != want:
            return None
    return table


@pytest.mark.parametrize("seed", range(20))
def test_color_maps_are_those_that_fit(seed):
    generator = np.random.default_rng(seed)
    rows, _ = random_rows(generator, 30)
    map_of = generator.integers(0, 10, 10).astype(np.int8)
    wanted = np.where(SHEET.wanted([np.zeros(s, np.int8) for s in SHEET.shapes[:2]]) == NONE, NONE, map_of[rows[4]])
    wanted = wanted.astype(np.int8)
    fitting, tables = color_maps(rows, wanted)
    cells = rows[0] != NONE
    plain = [plain_table(row[cells].tolist(), wanted[cells]) for row in rows]
    assert 4 in fitting
    assert fitting.tolist() == [
        k for k, table in enumerate(plain) if table is not None and set(rows[k][cells].tolist()) <= set(table)
    ]
    assert all(tables[4][color] == want for color, want in plain[4].items())


@pytest.mark.parametrize("seed", range(10))
def test_pair_tables_are_those_that_fit_cheap_pieces_first(seed):
    generator = np.random.default_rng(seed)
    rows, _ = random_rows(generator, 8)
    rows[3] = rows[0] * (rows[1] > 0)  # an output that two of the pieces have a table for
    rows[3][rows[0] == NONE] = NONE
    tests = 64 * SHEET.wanted_words
    wanted = rows[3].copy()
    wanted[tests:] = NONE
    found = {tuple(pair) for pair in pair_tables(rows, wanted, 30, 100, 8).tolist()}
    cells = rows[0] != NONE
    plain = set()
    for i, j in product(range(8), range(8)):
        keys = list(zip(rows[i][cells].tolist(), rows[j][cells].tolist(), strict=True))
        table = plain_table(keys, wanted[cells])
        if i < j and table is not None and set(keys) <= set(table):
            plain.add((i, j))
    assert (0, 1) in found
    assert found == plain
    table = pair_table(rows[0], rows[1], wanted)
    assert all(table[a, b] == want for a, b, want in zip(rows[0], rows[1], wanted, strict=True) if want != NONE)


@pytest.mark.parametrize(("square", "wide"), [(3, 0), (3, 2), (5, 1), (12, 0), (1, 1), (12, 40)])
def test_the_first_pieces_are_paired_with_each_other_and_fewer_with_all(square, wide):
    rows = np.repeat(random_rows(np.random.default_rng(0), 1)[0], 12, axis=0)  # any two have a table
    wanted = rows[0].copy()
    wanted[64 * SHEET.wanted_words :] = NONE
    pairs = [tuple(pair) for pair in pair_tables(rows, wanted, 30, 200, square, wide).tolist()]
    tried = {(i, j) for i, j in product(range(12), range(12)) if i < j and (j < square or i < min(wide, square))}
    assert len(pairs) == len(tried)
    assert set(pairs) == tried


def test_no_more_pairs_are_found_than_wanted():
    rows = np.repeat(random_rows(np.random.default_rng(0), 1)[0], 9, axis=0)
    wanted = rows[0].copy()
    wanted[64 * SHEET.wanted_words :] = NONE
    assert len(pair_tables(rows, wanted, 30, 5, 9)) == 5
    assert len(pair_tables(rows, wanted, 1, 5, 9)) == 0


def cells_of(layer, rows):
    row = rows[layer.piece]
    if layer.form == ALL:
        return row != NONE
    return row == layer.color if layer.form == ONLY else (row != NONE) & (row != layer.color)


@pytest.mark.parametrize("seed", range(30))
def test_a_stack_is_its_layers_and_none_is_wrong_where_it_shows(seed):
    generator = np.random.default_rng(seed)
    rows, _ = random_rows(generator, 12)
    wanted, _ = wanted_row(generator, rows)
    stacker = Stacker(SHEET, rows, wanted, most=1000)
    weights = generator.random(2)
    bounds = stacker.bounds(weights)
    factors = generator.random(len(stacker.pieces)) if seed % 2 else np.ones(len(stacker.pieces))
    stack = stacker.stack(weights, bounds, factors, most=6)
    assert len(stack.layers) <= 6
    row = np.where(rows[0] == NONE, NONE, 0)
    covered = np.zeros(len(row), bool)
    for layer in stack.layers:
        assert (layer.form, layer.color) != (ALL, 0) or layer.paint == OWN
        new = cells_of(layer, rows) & ~covered
        row[new] = rows[layer.piece][new] if layer.paint == OWN else layer.paint
        shown = new & (wanted != NONE)
        assert shown.any() or not stack.layers
        assert (row[shown] == wanted[shown]).all()
        covered |= new
    assert np.array_equal(stack.row, row)
    assert stack.is_whole == bool(covered[rows[0] != NONE].all())


def test_the_largest_layer_that_is_right_is_on_top():
    generator = np.random.default_rng(1)
    rows, _ = random_rows(generator, 5)
    wanted = rows[2].copy()
    wanted[64 * SHEET.wanted_words :] = NONE
    stacker = Stacker(SHEET, rows, wanted, most=1000)
    stack = stacker.stack(np.ones(2), stacker.bounds(np.ones(2)), np.ones(len(stacker.pieces)), most=8)
    assert [(layer.piece, layer.form, layer.paint) for layer in stack.layers] == [(2, ALL, OWN)]
    assert np.array_equal(stack.row, rows[2])
    assert EXCEPT not in {layer.form for layer in stack.layers}
