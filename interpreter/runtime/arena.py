"""The arena between calls: emptied, taken back to where it was, and given grids from outside. Compiled."""

from __future__ import annotations

from interpreter.runtime import layout
from interpreter.runtime.blocks import area, finish_grid, new_grid, put
from interpreter.runtime.native import inline

TOP, DEPTH, ERROR, HEAP = layout.TOP, layout.DEPTH, layout.ERROR, layout.HEAP
PLENTY = 1 << 40  # fuel for work that is not charged to a run


@inline
def recover(A):
    """Forget a failure; what was made on the way to it stays."""
    A[ERROR] = 0
    A[DEPTH] = 0


@inline
def go_back(A, top):
    """Forget a failure, and all that was made since the heap ended at `top`."""
    A[TOP] = top
    recover(A)


@inline
def reset(A):
    """Empty the heap."""
    go_back(A, HEAP)


@inline
def load_grid(A, cells, first, height, width):
    """The value of a grid of the cells from `cells[first]` on, row-major."""
    grid = new_grid(A, height, width)
    for k in range(area(A, grid)):
        put(A, grid, k, cells[first + k])
    return finish_grid(A, grid)
