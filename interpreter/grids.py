"""Grids as NumPy arrays, and many grids packed into a few flat arrays.

A `Grid` is a two-dimensional int8 array of colours. Inside the loop grids travel as `GridTable`s, which
cross process borders as three arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.int8]

MAX_SIDE = 30
MAX_COLOR = 9


class GridError(ValueError):
    """Something that should be a grid is none; the message says what and where."""


def is_valid(grid: Grid) -> bool:
    """Whether `grid` is an ARC grid: 1..30 x 1..30 cells, colours 0..9."""
    return (
        grid.ndim == 2
        and 1 <= grid.shape[0] <= MAX_SIDE
        and 1 <= grid.shape[1] <= MAX_SIDE
        and bool(grid.min() >= 0)
        and bool(grid.max() <= MAX_COLOR)
    )


def as_grid(rows: object, where: str = "grid") -> Grid:
    """A valid grid from nested sequences of integers (as in ARC's JSON) or an array.

    Raises `GridError`, naming `where`, for anything that is no ARC grid.
    """
    try:
        array = np.asarray(rows)
    except (ValueError, RecursionError):
        raise GridError(f"{where}: {_wrong_cell(rows) or 'the rows are not equally long'}") from None
    if array.ndim != 2 or array.size == 0:
        raise GridError(f"{where}: not a rectangle of numbers (got shape {array.shape})")
    if array.dtype.kind not in "iu" or (isinstance(rows, (list, tuple)) and _has_boolean(rows)):
        raise GridError(f"{where}: {_wrong_cell(rows) or f'cells must be integers 0..{MAX_COLOR}, not {array.dtype}'}")
    if max(array.shape) > MAX_SIDE:
        raise GridError(f"{where}: {array.shape[0]}x{array.shape[1]} is larger than {MAX_SIDE}x{MAX_SIDE}")
    if array.min() < 0 or array.max() > MAX_COLOR:
        i, j = np.argwhere((array < 0) | (array > MAX_COLOR))[0]
        found = f"found {int(array.min())}..{int(array.max())} ({array[i, j]} at row {i}, column {j})"
        raise GridError(f"{where}: cells must be 0..{MAX_COLOR}, {found}")
    return np.ascontiguousarray(array, dtype=np.int8)


def _has_boolean(rows: Sequence[Iterable[object]]) -> bool:
    """Whether some cell is true or false, which an array of numbers takes for 1 and 0."""
    return any(isinstance(cell, (bool, np.bool_)) for row in rows for cell in row)


def _wrong_cell(rows: object) -> str | None:
    """What to say about the first cell that is no integer, or row that is no list; None where there is neither."""
    for i, row in enumerate(rows if isinstance(rows, (list, tuple)) else ()):
        if not isinstance(row, (list, tuple)):
            return f"a row is a list of numbers, not {_in_words(row)} (row {i})"
        for j, cell in enumerate(row):
            if isinstance(cell, bool) or not isinstance(cell, (int, np.integer)) or not 0 <= cell <= MAX_COLOR:
                return f"cells must be integers 0..{MAX_COLOR}, not {_in_words(cell)} at row {i}, column {j}"
    return None


def _in_words(value: object) -> str:
    """A value as JSON would name it, cut where it is long."""
    if isinstance(value, str):
        return f'text "{value[:20]}"'
    if isinstance(value, (list, tuple)):
        return "a list"
    names = {"None": "null", "True": "true", "False": "false"}
    return "an object" if isinstance(value, dict) else names.get(str(value), str(value)[:20])


def pieces(
    starts: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of a flat array whose piece k is `starts[k]` to `starts[k + 1]`: the indices of the pieces `order`, one piece
    after the other, and the starts of these, with the end."""
    sizes = np.diff(starts)[order]
    new = np.zeros(len(order) + 1, np.int64)
    np.cumsum(sizes, out=new[1:])
    return np.arange(new[-1]) + np.repeat(starts[order] - new[:-1], sizes), new


@dataclass(frozen=True)
class GridTable:
    """Many grids in flat arrays: `cells` int8, `starts` int64 of n + 1 offsets, `shapes` int32 of (n, 2).

    A grid of shape (0, 0) stands for "no grid".
    """

    cells: npt.NDArray[np.int8]
    starts: npt.NDArray[np.int64]
    shapes: npt.NDArray[np.int32]

    @classmethod
    def pack(cls, grids: Sequence[Grid]) -> GridTable:
        """Pack grids in order."""
        shapes = np.array([grid.shape for grid in grids], np.int32).reshape(len(grids), 2)
        starts = np.zeros(len(grids) + 1, np.int64)
        np.cumsum(shapes.astype(np.int64).prod(axis=1), out=starts[1:])
        cells = np.concatenate([grid.ravel() for grid in grids]) if len(grids) else np.zeros(0)
        return cls(np.ascontiguousarray(cells, np.int8), starts, shapes)

    @classmethod
    def concatenate(cls, tables: Sequence[GridTable]) -> GridTable:
        """The grids of several tables, in order."""
        sizes = np.cumsum([0] + [len(table.cells) for table in tables])
        starts = [table.starts[:-1] + size for table, size in zip(tables, sizes, strict=False)]
        return cls(
            np.concatenate([table.cells for table in tables]),
            np.concatenate([*starts, sizes[-1:]]).astype(np.int64),
            np.concatenate([table.shapes for table in tables]),
        )

    def take(self, order: npt.NDArray[np.int64]) -> GridTable:
        """The grids at the indices `order`."""
        source, starts = pieces(self.starts, order)
        return GridTable(self.cells[source], starts, self.shapes[order])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> Grid | None:
        """Grid `index` as a view, or None where there is none."""
        height, width = self.shapes[index]
        if height == 0 or width == 0:
            return None
        return self.cells[self.starts[index] : self.starts[index + 1]].reshape(height, width)

    def __iter__(self) -> Iterator[Grid | None]:
        return (self[index] for index in range(len(self)))
