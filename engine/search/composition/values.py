"""What has been reached for a task: values, which are tuples of grids, one for every input of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.grids import Grid, GridTable
from interpreter.runtime.digests import grid_digests, shapes_of

Steps = tuple[int, ...]
"""numbers of programs, each applied to what the one before it gave, the first to the input"""

SYMMETRIES = ("hmirror", "vmirror", "rot180", "dmirror", "cmirror", "rot90", "rot270")
INVERSES = {"rot90": "rot270", "rot270": "rot90"}


def turned(grid: Grid, symmetry: str) -> Grid:
    """A grid under one of the symmetries of the square."""
    match symmetry:
        case "hmirror":
            grid = grid[::-1]
        case "vmirror":
            grid = grid[:, ::-1]
        case "rot180":
            grid = grid[::-1, ::-1]
        case "dmirror":
            grid = grid.T
        case "cmirror":
            grid = grid[::-1, ::-1].T
        case "rot90":
            grid = np.rot90(grid, -1)
        case "rot270":
            grid = np.rot90(grid)
        case _:
            raise ValueError(f"{symmetry!r} is no symmetry")
    return np.ascontiguousarray(grid)


@dataclass(frozen=True)
class Values:
    """Values of a task with so many inputs: `grids` holds those of each, one value after the other."""

    inputs: int
    cost: npt.NDArray[np.float64]
    steps: Sequence[Steps]
    grids: GridTable
    digests: npt.NDArray[np.int64]
    """of the grids: (values, inputs)"""

    @classmethod
    def of(cls, inputs: int, cost: npt.NDArray[np.float64], steps: Sequence[Steps], grids: GridTable) -> Values:
        """Values of these grids."""
        return cls(inputs, cost, steps, grids, grid_digests(grids).reshape(-1, inputs))

    def __len__(self) -> int:
        return len(self.cost)

    def take(self, some: npt.NDArray[np.int64]) -> Values:
        """The values at these indices."""
        places = (some[:, None] * self.inputs + np.arange(self.inputs)).ravel()
        steps = [self.steps[k] for k in some.tolist()]
        return Values(self.inputs, self.cost[some], steps, self.grids.take(places), self.digests[some])

    def distinct(self) -> Values:
        """Of equal values the cheapest, those alone that have a grid for every input, cheapest first."""
        order = np.argsort(self.cost, kind="stable")
        order = order[(self.digests[order] != 0).all(axis=1)]
        _, first = np.unique(self.digests[order], axis=0, return_index=True)
        return self.take(order[np.sort(first)])

    def shaped(self, shapes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The values whose first grids have these shapes (see `shapes_of`)."""
        return np.flatnonzero((shapes_of(self.digests[:, : len(shapes)]) == shapes).all(axis=1))

    @classmethod
    def concatenate(cls, parts: Sequence[Values]) -> Values:
        """The values of several parts, in order."""
        steps = [one for part in parts for one in part.steps]
        cost, digests = (np.concatenate([getattr(part, name) for part in parts]) for name in ("cost", "digests"))
        return cls(parts[0].inputs, cost, steps, GridTable.concatenate([part.grids for part in parts]), digests)
