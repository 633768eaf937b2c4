"""Screening: which of very many programs give a wanted grid on an input.

Mutants of a few programs have most of their work in common, and what they share runs once:

    common lines     programs are taken in an order in which those that start alike are neighbours
    equal calls      a call that was made before on this input, by whatever program, is looked up: values are interned,
                     so that equal arguments are equal handles, and what follows equal values is equal, too
    failed calls     are looked up as well, those that ran out of fuel by the fuel that they had

Values stay in the arena until it is full; then the input is begun anew. A program matches exactly where `Machine.run`
with the same fuel gives the wanted grid. Compiled, without the GIL: threads work side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from interpreter import blocks, calls, layout, values
from interpreter.grids import GridTable
from interpreter.machine import Code, common_lines, new_arena, operand, order_by_lines
from interpreter.native import arena_pointer, cells_pointer, inline, use_cache_folder
from interpreter.ordering import fingerprint, mix, mix_at, same
from interpreter.outcome import Outcome

# No run uses more fuel, and so no more words of the arena, than this.
MAX_FUEL = 1_000_000
WORDS = 1 << 23
CALLS, VALUES = 1 << 16, 1 << 16  # slots of the tables, of which at most half are used

FINGERPRINT_FUEL = 1 << 14  # a value that takes more is known by its handle alone
PLENTY = 1 << 40
TOP, FUEL, DEPTH, ERROR, REGISTERS = layout.TOP, layout.FUEL, layout.DEPTH, layout.ERROR, layout.REGISTERS
NOTHING = values.NOTHING
OUT_OF_FUEL = int(Outcome.OUT_OF_FUEL)
# What a remembered call gave, apart from values: as the last line a match or none; that it ran out of fuel.
MATCH, MISMATCH, EXHAUSTED = -1, -2, -3
# Columns of a remembered call, behind its function and operands.
RESULT, COST = 5, 6
# Indices of the counts.
LINES, COMMON, REMEMBERED, RUN, RESTARTS, USED_CALLS, USED_VALUES = range(7)


@inline
def forgive(A):
    """Forget a failure: what failed is thrown away."""
    A[ERROR] = 0
    A[DEPTH] = 0


@inline
def intern(A, x, known, counts):
    """The handle that stands for all values equal to `x`, and whether `x` is the first of them."""
    if values.is_inline(x):
        return x, False
    A[FUEL] = FINGERPRINT_FUEL
    key = fingerprint(A, x)
    if A[ERROR] != 0:
        forgive(A)
        return x, True
    at = key & (len(known) - 1)
    while known[at, 1] != 0:
        if known[at, 0] == key:
            A[FUEL] = PLENTY
            if same(A, x, known[at, 1]):
                return known[at, 1], False
        at = (at + 1) & (len(known) - 1)
    known[at, 0] = key
    known[at, 1] = x
    counts[USED_VALUES] += 1
    return x, True


@inline
def slot_of(made, f, a, b, c, d):
    """The slot of a call, and whether it is there already."""
    at = mix(mix_at(f, 1) + mix_at(a, 2) + mix_at(b, 3) + mix_at(c, 4) + mix_at(d, 5)) & (len(made) - 1)
    while made[at, 0] != 0:
        if made[at, 0] == f and made[at, 1] == a and made[at, 2] == b and made[at, 3] == c and made[at, 4] == d:
            return at, True
        at = (at + 1) & (len(made) - 1)
    return at, False


@inline
def enter(made, at, f, a, b, c, d, result, cost):
    made[at, 0] = f
    made[at, 1] = a
    made[at, 2] = b
    made[at, 3] = c
    made[at, 4] = d
    made[at, RESULT] = result
    made[at, COST] = cost


@inline
def load(A, cells, height, width, known, counts):
    """A grid as an interned value."""
    grid = blocks.new_grid(A, height, width)
    for k in range(blocks.area(A, grid)):
        blocks.put(A, grid, k, cells[k])
    return intern(A, values.handle(values.GRID, grid), known, counts)[0]


@inline
def begin(A, source, height, width, target, target_height, target_width, made, known, counts):
    """Empty arena and tables, and put the input into register 1; the wanted output."""
    A[TOP] = layout.HEAP
    A[FUEL] = PLENTY
    forgive(A)
    for k in range(len(made)):
        made[k, 0] = 0
    for k in range(len(known)):
        known[k, 1] = 0
    counts[USED_CALLS] = counts[USED_VALUES] = 0
    counts[RESTARTS] += 1
    wanted = load(A, target, target_height, target_width, known, counts)
    A[FUEL] = PLENTY
    A[REGISTERS] = NOTHING
    A[REGISTERS + 1] = load(A, source, height, width, known, counts)
    return wanted


@inline
def is_full(A, fuel, made, known, counts):
    """Whether a program could find no room."""
    lines = layout.MAX_VARIABLES + 1
    full = 2 * (counts[USED_CALLS] + lines) > len(made) or 2 * (counts[USED_VALUES] + lines) > len(known)
    return full or A[TOP] + fuel > A[layout.SIZE]


@inline
def run_line(A, f, n, a, b, c, d, fuel):
    """Call `f` with `fuel`; its value and its cost."""
    A[FUEL] = fuel
    if values.tag(f) == values.PRIMITIVE:
        A[FUEL] -= layout.CALL_COST
        result = calls.call_primitive(A, values.offset(f), n, a, b, c, d)
    else:
        result = calls.indirect6(A[calls.INVOKE], A, f, n, a, b, c, d)
    return result, fuel - A[FUEL]


@inline
def line_value(A, rows, line, is_last, fuel, wanted, made, known, counts):
    """The value of a line, NOTHING where it fails; for a last line MATCH or MISMATCH. And what of the fuel is left."""
    f, a, b = operand(A, rows[line, 0]), operand(A, rows[line, 2]), operand(A, rows[line, 3])
    c, d = operand(A, rows[line, 4]), operand(A, rows[line, 5])
    at, found = slot_of(made, f, a, b, c, d)
    if found:
        result, cost = made[at, RESULT], made[at, COST]
        if result == EXHAUSTED and fuel <= cost:
            counts[REMEMBERED] += 1
            return NOTHING, 0
        if result != EXHAUSTED and cost <= fuel and (result > 0 or is_last):
            counts[REMEMBERED] += 1
            if is_last and result > 0 and result != NOTHING:
                result = MATCH if result == wanted else MISMATCH
            return result, fuel - cost
    counts[RUN] += 1
    counts[USED_CALLS] += not found
    top = A[TOP]
    result, cost = run_line(A, f, rows[line, 1], a, b, c, d, fuel)
    if A[ERROR] != 0:
        exhausted = A[ERROR] == OUT_OF_FUEL
        forgive(A)
        A[TOP] = top
        enter(made, at, f, a, b, c, d, EXHAUSTED if exhausted else NOTHING, fuel if exhausted else 0)
        return NOTHING, 0
    if is_last:
        A[FUEL] = PLENTY
        result = MATCH if same(A, result, wanted) else MISMATCH
        A[TOP] = top
    else:
        result, is_new = intern(A, result, known, counts)
        if not is_new:
            A[TOP] = top
    enter(made, at, f, a, b, c, d, result, cost)
    return result, fuel - cost


def screen(
    arena, rows, starts, order, cells, cell_starts, shapes, target_cells, target_starts, target_shapes, pairs,
    fuel, made, known, counts, matches,
):  # fmt: skip
    """For each (input, target) of `pairs` run the programs in `order` and write whether they match."""
    A = arena_pointer(arena.ctypes.data)
    left = np.zeros(layout.MAX_VARIABLES + 2, np.int64)  # fuel before each line of the program
    for pair in range(len(pairs)):
        source, target = pairs[pair, 0], pairs[pair, 1]
        height, width = shapes[source, 0], shapes[source, 1]
        target_height, target_width = target_shapes[target, 0], target_shapes[target, 1]
        source_at = cells_pointer(cells.ctypes.data + cell_starts[source])
        target_at = cells_pointer(target_cells.ctypes.data + target_starts[target])
        left[0] = fuel - (3 + height * width)  # what loading the input costs
        wanted = NOTHING
        before = -1
        done = 0  # lines of the program before that have their value
        for k in range(len(order)):
            program = order[k]
            first, last = starts[program], starts[program + 1]
            matches[pair, program] = False
            if before < 0 or is_full(A, fuel, made, known, counts):
                wanted = begin(
                    A, source_at, height, width, target_at, target_height, target_width, made, known, counts
                )  # fmt: skip
                kept = done = 0
            else:  # the value of a last line was not kept
                kept = common_lines(rows, starts[before], starts[before + 1] - 1, first, last)
            before = program
            counts[LINES] += last - first
            if kept > done:  # the program before failed in a line that is this one's, too
                counts[COMMON] += last - first
                continue
            counts[COMMON] += kept
            done = kept
            value = wanted
            while done < last - first and value != NOTHING and left[done] >= 0:
                is_last = done == last - first - 1
                value, left[done + 1] = line_value(
                    A, rows, first + done, is_last, left[done], wanted, made, known, counts
                )  # fmt: skip
                if is_last:
                    matches[pair, program] = value == MATCH
                    break
                if value != NOTHING:
                    done += 1
                    A[REGISTERS + 1 + done] = value


@cache
def _compiled() -> Any:
    use_cache_folder()
    return njit(cache=True, nogil=True, error_model="numpy")(screen)


@dataclass(frozen=True)
class Saved:
    """Where the lines of screened programs went: `lines` = `common` + `remembered` + `run` + those after a failure."""

    lines: int
    common: int
    remembered: int
    run: int


class Screen:
    """One arena with its tables. Not for use by two threads at once.

    `fuel` is that of a run, at most 1,000,000; `words` of 8 bytes is the memory for values of many programs.
    """

    def __init__(self, fuel: int = 200_000, words: int = WORDS) -> None:
        if not 1 <= fuel <= MAX_FUEL:
            raise ValueError(f"the fuel of a screened run must be 1 to {MAX_FUEL:,}, not {fuel:,}")
        if words < layout.HEAP + 4 * fuel:
            raise ValueError(
                f"an arena for runs of {fuel:,} needs at least {layout.HEAP + 4 * fuel:,} words, not {words:,}"
            )
        self.fuel = fuel
        self._arena = new_arena(words)
        self._made = np.zeros((CALLS, 8), np.int64)
        self._known = np.zeros((VALUES, 2), np.int64)
        self._counts = np.zeros(7, np.int64)

    def run(
        self,
        code: Code,
        inputs: GridTable,
        targets: GridTable,
        pairs: npt.NDArray[np.int32],
        order: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Whether each program gives the target, for each of `pairs` (n, 2: an input, a target): bool of (n, programs).

        `order` is that of `order_by_lines`, for callers that have it.
        """
        matches = np.zeros((len(pairs), len(code)), np.bool_)
        _compiled()(
            self._arena, code.rows, code.starts, order_by_lines(code) if order is None else order,
            inputs.cells, inputs.starts, inputs.shapes, targets.cells, targets.starts, targets.shapes,
            np.ascontiguousarray(pairs, np.int32), self.fuel, self._made, self._known, self._counts, matches,
        )  # fmt: skip
        return matches

    @property
    def saved(self) -> Saved:
        """Counts over all calls of `run`."""
        return Saved(*self._counts[[LINES, COMMON, REMEMBERED, RUN]].tolist())


class ScreenPool:
    """Screens in threads, one for each processor that it may use. Results are the same for any number of them."""

    def __init__(self, workers: int, fuel: int, inputs: GridTable, targets: GridTable) -> None:
        self._screens = [Screen(fuel) for _ in range(workers)]
        self._inputs, self._targets = inputs, targets
        self._threads = ThreadPoolExecutor(workers)

    def run(
        self, code: Code, pairs: npt.NDArray[np.int32], progress: Callable[[int], None] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Like `Screen.run` on this pool's grids. `progress` is called with the number of pairs that are done."""
        order = order_by_lines(code)
        matches = np.zeros((len(pairs), len(code)), np.bool_)
        idle: SimpleQueue[Screen] = SimpleQueue()
        for screen in self._screens:
            idle.put(screen)

        def work(k: int) -> None:
            screen = idle.get()
            matches[k] = screen.run(code, self._inputs, self._targets, pairs[k : k + 1], order)[0]
            idle.put(screen)

        todo = [self._threads.submit(work, k) for k in range(len(pairs))]
        try:
            for done, one in enumerate(as_completed(todo), 1):
                one.result()
                if progress is not None:
                    progress(done)
        finally:  # after Ctrl-C, what has not begun does not begin
            for one in todo:
                one.cancel()
        return matches

    @property
    def saved(self) -> Saved:
        """Counts over all screens."""
        parts = [screen.saved for screen in self._screens]
        return Saved(*(sum(getattr(part, name) for part in parts) for name in ("lines", "common", "remembered", "run")))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
