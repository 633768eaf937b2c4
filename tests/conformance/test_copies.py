"""Copies of an object in a grid, by bits and cell by cell, beside a search in plain Python."""

import numpy as np
import pytest

from interpreter import dsl
from interpreter.primitives.copies import COLORS, MAX_COLUMNS


def where(grid, obj):
    """The corners of all copies, looked for everywhere."""
    rows, columns = zip(*[location for _, location in obj], strict=True)
    top, left, height, width = min(rows), min(columns), len(grid), len(grid[0])
    return {
        (i, j)
        for i in range(height - max(rows) + top)
        for j in range(width - max(columns) + left)
        if all(grid[i + row - top][j + column - left] == color for color, (row, column) in obj)
    }


@pytest.mark.parametrize("width", [1, 7, 30, MAX_COLUMNS, MAX_COLUMNS + 1])
@pytest.mark.parametrize("colors", [2, COLORS + 2])
def test_every_copy_is_found_and_nothing_else(width, colors):
    generator = np.random.default_rng(width * colors)
    found = 0
    for _ in range(60):
        height = int(generator.integers(1, 20))
        grid = tuple(map(tuple, generator.choice([0, colors - 1], (height, width), p=(0.7, 0.3)).tolist()))
        low = generator.integers(0, (height, width))
        high = np.minimum(low + generator.integers(1, 4, 2), (height, width))
        cells = [(grid[i][j], (i, j)) for i in range(low[0], high[0]) for j in range(low[1], high[1])]
        kept = [cells[k] for k in generator.permutation(len(cells))[: generator.integers(1, len(cells) + 1)]]
        down, across = generator.integers(-40, 40, 2).tolist()  # an object may lie anywhere
        obj = frozenset((color, (i + down, j + across)) for color, (i, j) in kept)
        assert dsl.occurrences(grid, obj) == where(grid, obj)
        found += len(where(grid, obj))
    assert found > 60


def test_an_object_larger_than_the_grid_and_one_of_another_colour_are_nowhere():
    grid = ((1, 1), (1, 1))
    assert dsl.occurrences(grid, frozenset({(1, (0, 0)), (1, (0, 2))})) == frozenset()
    assert dsl.occurrences(grid, frozenset({(COLORS + 1, (0, 0))})) == frozenset()
