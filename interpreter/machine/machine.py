"""The virtual machine: running batches of bytecode on grids.

A run copies its input into the arena, executes the lines of its program (see `interpreter.language.bytecode`) in order,
and ends with a typed outcome. The same program on the same input always gives the same outcome, output and fuel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpreter.grids import MAX_COLOR, MAX_SIDE, GridTable
from interpreter.language.bytecode import OPERANDS, Code
from interpreter.runtime import blocks, calls, layout, values
from interpreter.runtime.arena import load_grid, reset
from interpreter.runtime.native import (
    BYTES,
    CELLS,
    ROW,
    SHAPES,
    TABLE,
    arena_pointer,
    cells_pointer,
    entry,
    header,
    inline,
    int64,
    specialized,
)
from interpreter.runtime.outcome import Outcome

DEFAULT_FUEL = 4_000_000
DEFAULT_WORDS = 1 << 20

REGISTERS, MAX_REGISTERS = layout.REGISTERS, layout.MAX_REGISTERS
TOP, FUEL, DEPTH, ERROR = layout.TOP, layout.FUEL, layout.DEPTH, layout.ERROR
NOT_A_GRID = int(Outcome.NOT_A_GRID)
MAX_CELLS = MAX_SIDE * MAX_SIDE


# ------------------------------------------------------------------------------------- compiled code


@inline
def load_input(A, cells, height, width):
    """Reset the arena and put the input grid into register 1."""
    reset(A)
    A[REGISTERS] = values.NOTHING
    A[REGISTERS + 1] = load_grid(A, cells, 0, height, width)


@inline
def operand(A, word):
    return A[REGISTERS + word] if word < MAX_REGISTERS else word


@specialized
def execute(call, A, rows, first, last):
    """Run the lines first..last - 1 of a program; the value of the last one, and how many have a value.

    Primitives are called by way of `call`.
    """
    result = values.NOTHING
    for line in range(first, last):
        f = operand(A, rows[line, 0])
        a = operand(A, rows[line, 2])
        b = operand(A, rows[line, 3])
        c = operand(A, rows[line, 4])
        d = operand(A, rows[line, 5])
        result = calls.call_line(call, A, f, rows[line, 1], a, b, c, d)
        if A[ERROR] != 0:
            return values.NOTHING, line - first
        A[REGISTERS + 2 + line - first] = result
    return result, last - first


@inline
def common_lines(rows, a, a_end, b, b_end):
    """How many lines two programs start with in common, without the second one's last."""
    n = min(a_end - a, b_end - b - 1)
    for k in range(n):
        for word in range(2 + OPERANDS):
            if rows[a + k, word] != rows[b + k, word]:
                return k
    return n


@inline
def store_output(A, result, cells):
    """Copy a result that is a valid grid to `cells`; returns its block, or 0 if it is none."""
    if values.tag(result) != values.GRID:
        return 0
    grid = values.offset(result)
    if A[grid] > MAX_SIDE or A[grid + 1] > MAX_SIDE:
        return 0
    wrong = 0  # no branch in the loop, which lets it run many cells at once
    for k in range(blocks.area(A, grid)):
        color = blocks.get(A, grid, k)
        wrong |= (color < 0) | (color > MAX_COLOR)
        cells[k] = color
    return 0 if wrong else grid


BATCH = (ROW, TABLE, ROW, CELLS, ROW, SHAPES, SHAPES, CELLS, ROW, SHAPES, BYTES, ROW, int64)


@specialized
def run_jobs(
    call, arena, rows, starts, cells, cell_starts, shapes, jobs,
    out_cells, out_starts, out_shapes, outcomes, fuel_used, fuel,
):  # fmt: skip
    """Run each job (program, grid) in order, primitives by way of `call`; see `Runs` for what is written."""
    A = arena_pointer(arena.ctypes.data)
    out_starts[0] = 0
    for k in range(jobs.shape[0]):
        program = jobs[k, 0]
        source = jobs[k, 1]
        A[FUEL] = fuel
        load_input(A, cells_pointer(cells.ctypes.data + cell_starts[source]), shapes[source, 0], shapes[source, 1])
        result, _ = execute(call, A, rows, starts[program], starts[program + 1])
        error = A[ERROR]
        end = out_starts[k]
        out_shapes[k, 0] = 0
        out_shapes[k, 1] = 0
        if error == 0:
            grid = store_output(A, result, cells_pointer(out_cells.ctypes.data + end))
            if grid == 0:
                error = NOT_A_GRID
            else:
                out_shapes[k, 0] = A[grid]
                out_shapes[k, 1] = A[grid + 1]
                end += blocks.area(A, grid)
        out_starts[k + 1] = end
        outcomes[k] = error
        fuel_used[k] = min(fuel - A[FUEL], fuel)


@entry(*BATCH)
def run_batch(
    arena, rows, starts, cells, cell_starts, shapes, jobs,
    out_cells, out_starts, out_shapes, outcomes, fuel_used, fuel,
):  # fmt: skip
    run_jobs(
        calls.call_primitive, arena, rows, starts, cells, cell_starts, shapes, jobs,
        out_cells, out_starts, out_shapes, outcomes, fuel_used, fuel,
    )  # fmt: skip


def new_arena(words: int) -> npt.NDArray[np.int64]:
    """A fresh arena of `words` words, its header filled. Compiles whatever the cache lacks."""
    arena = np.zeros(words, np.int64)
    arena[: layout.HEAP] = header()
    arena[layout.SIZE] = words
    return arena


def warm_up() -> None:
    """Compile or load what a machine needs. Call it once in a parent before it starts workers.

    `interpreter.compilation` does so for all that is compiled.
    """
    header()
    run_batch.compiled()


# ------------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Runs:
    """What a batch of n runs gave: `outputs` (no grid where the outcome is not OK), `outcomes` uint8, `fuel` int64."""

    outputs: GridTable
    outcomes: npt.NDArray[np.uint8]
    fuel: npt.NDArray[np.int64]

    @classmethod
    def concatenate(cls, parts: Sequence[Runs]) -> Runs:
        """Several batches as one, in order."""
        return cls(
            GridTable.concatenate([part.outputs for part in parts]),
            np.concatenate([part.outcomes for part in parts]),
            np.concatenate([part.fuel for part in parts]),
        )

    @classmethod
    def failed(cls, n: int, outcome: Outcome) -> Runs:
        """`n` runs that ended with the same failure."""
        no_grids = GridTable(np.zeros(0, np.int8), np.zeros(n + 1, np.int64), np.zeros((n, 2), np.int32))
        return cls(no_grids, np.full(n, outcome, np.uint8), np.zeros(n, np.int64))

    def take(self, order: npt.NDArray[np.int64]) -> Runs:
        """The runs at the indices `order`."""
        return Runs(self.outputs.take(order), self.outcomes[order], self.fuel[order])

    def arrays(self) -> tuple[npt.NDArray, ...]:
        """Plain arrays, to send to another process; `Runs.from_arrays` is the way back."""
        return (self.outputs.cells, self.outputs.starts, self.outputs.shapes, self.outcomes, self.fuel)

    @classmethod
    def from_arrays(cls, arrays: Sequence[npt.NDArray]) -> Runs:
        cells, starts, shapes, outcomes, fuel = arrays
        return cls(GridTable(cells, starts, shapes), outcomes, fuel)

    def __len__(self) -> int:
        return len(self.outcomes)


def check_jobs(jobs: npt.NDArray[np.int32], programs: int, grids: int) -> None:
    """Raise `IndexError` for a job that names a program or a grid that is not there."""
    if len(jobs) and (jobs.min() < 0 or jobs[:, 0].max() >= programs or jobs[:, 1].max() >= grids):
        raise IndexError(f"a job names a program or a grid that is not there (of {programs} and {grids})")


class Machine:
    """One arena and its limits. Not for use by two threads at once.

    `fuel` bounds the work of a run and `words` its memory (8 bytes each); both end it with a typed outcome.
    """

    def __init__(self, fuel: int = DEFAULT_FUEL, words: int = DEFAULT_WORDS) -> None:
        if fuel < 1:
            raise ValueError(f"fuel must be at least 1, not {fuel}")
        if words < layout.HEAP + (1 << 12):
            raise ValueError(f"an arena needs at least {layout.HEAP + (1 << 12)} words, not {words}")
        self.fuel = fuel
        self._run_batch = run_batch.compiled()
        self._arena = new_arena(words)

    def run(self, code: Code, grids: GridTable, jobs: npt.NDArray[np.int32]) -> Runs:
        """Run `jobs`, int32 of (n, 2): index of a program in `code`, index of its input in `grids`."""
        check_jobs(jobs, len(code), len(grids))
        n = len(jobs)
        cells = np.empty(n * MAX_CELLS, np.int8)
        starts = np.empty(n + 1, np.int64)
        shapes = np.empty((n, 2), np.int32)
        outcomes = np.empty(n, np.uint8)
        fuel = np.empty(n, np.int64)
        self._run_batch(
            self._arena, code.rows, code.starts, grids.cells, grids.starts, grids.shapes,
            np.ascontiguousarray(jobs, np.int32), cells, starts, shapes, outcomes, fuel, self.fuel,
        )  # fmt: skip
        return Runs(GridTable(cells[: starts[n]].copy(), starts, shapes), outcomes, fuel)
