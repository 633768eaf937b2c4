"""Pieces as the rows of one matrix: what a program gives for every input of a task, grid after grid.

Each grid begins at a multiple of 64 cells, so that the cells of a row that have some colour are a set of 64-bit words
in which no word belongs to two grids. Cells between grids hold `NONE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.grids import Grid, GridTable

WORD = 64
NONE = -1
Shape = tuple[int, int]


@dataclass(frozen=True)
class Sheet:
    """How grids of these shapes, those of a task's demonstrations first, lie in a row."""

    shapes: tuple[Shape, ...]
    demonstrations: int

    @property
    def words(self) -> npt.NDArray[np.int64]:
        """The first word of each grid, and the end: int64 of grids + 1."""
        return np.cumsum([0, *(-(-height * width // WORD) for height, width in self.shapes)])

    @property
    def wanted_words(self) -> int:
        """The number of words that the demonstrations take."""
        return int(self.words[self.demonstrations])

    def rows(self, tables: GridTable) -> npt.NDArray[np.int8]:
        """The rows of pieces, whose grids stand one piece after the other in the table: int8 of (pieces, cells)."""
        words = self.words
        places = np.concatenate(
            [WORD * words[k] + np.arange(height * width) for k, (height, width) in enumerate(self.shapes)]
        )
        count = len(tables) // len(self.shapes)
        rows = np.full((count, WORD * words[-1]), NONE, np.int8)
        rows[:, places] = tables.cells.reshape(count, len(places))
        return rows

    def wanted(self, outputs: Sequence[Grid]) -> npt.NDArray[np.int8]:
        """The row of the demonstrations' outputs, `NONE` behind them."""
        row = np.full(WORD * self.words[-1], NONE, np.int8)
        for start, output in zip((WORD * self.words).tolist(), outputs, strict=False):
            row[start : start + output.size] = output.ravel()
        return row

    def tests(self, row: npt.NDArray[np.int8]) -> list[Grid]:
        """The grids of a row that stand for the tests."""
        starts = (WORD * self.words).tolist()
        return [
            row[starts[k] : starts[k] + height * width].reshape(height, width)
            for k, (height, width) in list(enumerate(self.shapes))[self.demonstrations :]
        ]
