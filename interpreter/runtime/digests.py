"""Digests of grids: what programs did, told apart by one number a grid.

The low bits are the shape, `height << 5 | width`, so that the size of an output is known where the output is not kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.runtime.native import CELLS, ROW, SHAPES, entry, inline
from interpreter.runtime.ordering import mix, mix_at

SIDE_BITS = 5  # a side of a grid is at most 30


@inline
def first_term(height, width):
    """What a digest begins with; the mixed cells, each with its place, are added to it."""
    return (height << 32) + width


@inline
def last_term(total, height, width):
    """The digest of a sum over all cells of a grid of this shape."""
    return (mix(total) << 2 * SIDE_BITS) | (height << SIDE_BITS) | width


@entry(CELLS, ROW, SHAPES, ROW)
def digest_grids(cells, starts, shapes, digests):
    """Write the digest of each grid."""
    for k in range(len(digests)):
        if shapes[k, 0] == 0 or shapes[k, 1] == 0:
            digests[k] = 0
            continue
        height, width = np.int64(shapes[k, 0]), np.int64(shapes[k, 1])
        total = first_term(height, width)
        for at in range(starts[k], starts[k + 1]):
            total += mix_at(np.int64(cells[at]), at - starts[k])
        digests[k] = last_term(total, height, width)


def grid_digests(grids: GridTable) -> npt.NDArray[np.int64]:
    """A 64-bit number of each grid, 0 where there is none: equal for equal grids, and else different but for chance."""
    digests = np.zeros(len(grids), np.int64)
    digest_grids.compiled()(grids.cells, grids.starts, grids.shapes, digests)
    return digests


def shapes_of(digests: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The part of digests that is the shape: equal for grids of equal shape, 0 where there is no grid."""
    return digests & ((1 << 2 * SIDE_BITS) - 1)
