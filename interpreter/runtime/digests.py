"""Digests of grids: what programs did, told apart by one number a grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.runtime.native import CELLS, ROW, SHAPES, entry, inline
from interpreter.runtime.ordering import mix, mix_at


@inline
def first_term(height, width):
    """What a digest begins with; the mixed cells, each with its place, are added to it."""
    return (height << 32) + width


@inline
def last_term(total):
    """The digest of a sum over all cells."""
    return mix(total) | 1


@entry(CELLS, ROW, SHAPES, ROW)
def digest_grids(cells, starts, shapes, digests):
    """Write the digest of each grid."""
    for k in range(len(digests)):
        if shapes[k, 0] == 0 or shapes[k, 1] == 0:
            digests[k] = 0
            continue
        total = first_term(np.int64(shapes[k, 0]), np.int64(shapes[k, 1]))
        for at in range(starts[k], starts[k + 1]):
            total += mix_at(np.int64(cells[at]), at - starts[k])
        digests[k] = last_term(total)


def grid_digests(grids: GridTable) -> npt.NDArray[np.int64]:
    """A 64-bit hash of each grid, 0 where there is none: equal for equal grids, and else different but for chance."""
    digests = np.zeros(len(grids), np.int64)
    digest_grids.compiled()(grids.cells, grids.starts, grids.shapes, digests)
    return digests
