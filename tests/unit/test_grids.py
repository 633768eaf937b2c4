"""Grids: what is one, and many packed into flat arrays."""

import numpy as np
import pytest

from interpreter.grids import GridError, GridTable, as_grid, is_valid


def random_grids(n, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 10, generator.integers(1, 31, 2)).astype(np.int8) for _ in range(n)]


def test_a_table_gives_back_its_grids():
    grids = random_grids(20)
    assert all(np.array_equal(a, b) for a, b in zip(GridTable.pack(grids), grids, strict=True))


def test_tables_concatenate_and_reorder():
    grids = random_grids(10)
    table = GridTable.concatenate([GridTable.pack(grids[:4]), GridTable.pack([]), GridTable.pack(grids[4:])])
    order = np.random.default_rng(1).permutation(10)
    taken = table.take(order)
    assert all(np.array_equal(taken[k], grids[j]) for k, j in enumerate(order))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [3]], "not equally long"),
        ([], "not a rectangle"),
        ([1, 2], "not a rectangle"),
        ([[10]], "must be 0..9"),
        ([[-1]], "must be 0..9"),
        ([["a"]], "must be integers"),
        ([[0.5]], "must be integers"),
        ([[1, True]], "must be integers 0..9, not true at row 0, column 1"),
        ([[0] * 31], "larger than 30x30"),
    ],
)
def test_what_is_no_grid_is_refused(rows, message):
    with pytest.raises(GridError, match=f"here: .*{message}"):
        as_grid(rows, "here")


def test_valid_grids():
    assert is_valid(np.zeros((30, 30), np.int8))
    assert not is_valid(np.zeros((31, 1), np.int8))
    assert not is_valid(np.full((1, 1), 10, np.int8))
    assert not is_valid(np.zeros((0, 3), np.int8))
