"""Screening: what very many programs give on an input, each as one number.

Mutants of a few programs have most of their work in common, and what they share runs once:

    common lines     programs are taken in an order in which those that start alike are neighbours
    equal calls      a call that was made before on this input, by whatever program, is looked up: values are interned,
                     so that equal arguments are equal handles, and what follows equal values is equal, too
    failed calls     are looked up as well, those that ran out of fuel by the fuel that they had

Values stay in the arena until it is full; then the input is begun anew. What comes out is the digest of exactly that
grid which `Machine.run` with the same fuel gives, and 0 where it gives none. Compiled, without the GIL: threads work
side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from interpreter.grids import MAX_COLOR, MAX_SIDE, GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import common_lines, load_input, new_arena, operand
from interpreter.runtime import blocks, calls, layout, values
from interpreter.runtime.digests import first_term, last_term
from interpreter.runtime.native import arena_pointer, cells_pointer, inline, use_cache_folder
from interpreter.runtime.ordering import fingerprint, mix, mix_at, same
from interpreter.runtime.outcome import Outcome

# No run uses more fuel, and so no more words of the arena, than this.
MAX_FUEL = 1_000_000
DEFAULT_FUEL = 200_000
WORDS = 1 << 23
SLOTS, MIN_SLOTS = 1 << 16, 1 << 9

FINGERPRINT_FUEL = 1 << 14  # a value that takes more is known by its handle alone
PLENTY = 1 << 40
TOP, FUEL, DEPTH, ERROR, REGISTERS = layout.TOP, layout.FUEL, layout.DEPTH, layout.ERROR, layout.REGISTERS
OUT_OF_FUEL = int(Outcome.OUT_OF_FUEL)
# What a remembered call gave, apart from values: as the last line a digest, or that it ran out of fuel.
LAST, EXHAUSTED = -1, -2
# Columns of a remembered call, behind its function and operands.
RESULT, COST, DIGEST = 5, 6, 7
# Indices of the counts.
LINES, COMMON, REMEMBERED, RUN, USED_CALLS, USED_VALUES = range(6)


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
def enter(made, at, f, a, b, c, d, result, cost, digest):
    made[at, 0] = f
    made[at, 1] = a
    made[at, 2] = b
    made[at, 3] = c
    made[at, 4] = d
    made[at, RESULT] = result
    made[at, COST] = cost
    made[at, DIGEST] = digest


@inline
def begin(A, cells, height, width, made, known, counts):
    """Empty arena and tables, and put the input into register 1."""
    forgive(A)
    for k in range(len(made)):
        made[k, 0] = 0
    for k in range(len(known)):
        known[k, 1] = 0
    counts[USED_CALLS] = counts[USED_VALUES] = 0
    A[FUEL] = PLENTY
    load_input(A, cells, height, width)
    A[REGISTERS + 1] = intern(A, A[REGISTERS + 1], known, counts)[0]


@inline
def is_full(A, lines, fuel, made, known, counts):
    """Whether a program of `lines` lines could find no room."""
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
def digest_of(A, x):
    """The digest of a value that is a valid grid (see `interpreter.runtime.digests`), 0 of any other."""
    if values.tag(x) != values.GRID:
        return 0
    grid = values.offset(x)
    if A[grid] > MAX_SIDE or A[grid + 1] > MAX_SIDE:
        return 0
    wrong = 0
    total = first_term(A[grid], A[grid + 1])
    for k in range(blocks.area(A, grid)):
        color = blocks.get(A, grid, k)
        wrong |= (color < 0) | (color > MAX_COLOR)
        total += mix_at(color, k)
    return 0 if wrong else last_term(total)


@inline
def line_value(A, rows, line, is_last, fuel, made, known, counts):
    """The value of a line, of a last line its digest; 0 where it fails. And what of the fuel is left."""
    f, a, b = operand(A, rows[line, 0]), operand(A, rows[line, 2]), operand(A, rows[line, 3])
    c, d = operand(A, rows[line, 4]), operand(A, rows[line, 5])
    at, found = slot_of(made, f, a, b, c, d)
    if found:
        result, cost = made[at, RESULT], made[at, COST]
        if result == EXHAUSTED and fuel <= cost:
            counts[REMEMBERED] += 1
            return 0, 0
        if result != EXHAUSTED and cost <= fuel and (result >= 0 or is_last):
            counts[REMEMBERED] += 1
            if is_last and result > 0:
                return digest_of(A, result), fuel - cost
            return made[at, DIGEST] if is_last else result, fuel - cost
    counts[RUN] += 1
    counts[USED_CALLS] += not found
    top = A[TOP]
    result, cost = run_line(A, f, rows[line, 1], a, b, c, d, fuel)
    if A[ERROR] != 0:
        exhausted = A[ERROR] == OUT_OF_FUEL
        forgive(A)
        A[TOP] = top
        enter(made, at, f, a, b, c, d, EXHAUSTED if exhausted else 0, fuel if exhausted else 0, 0)
        return 0, 0
    if is_last:
        digest = digest_of(A, result)
        A[TOP] = top
        enter(made, at, f, a, b, c, d, LAST, cost, digest)
        return digest, fuel - cost
    result, is_new = intern(A, result, known, counts)
    if not is_new:
        A[TOP] = top
    enter(made, at, f, a, b, c, d, result, cost, 0)
    return result, fuel - cost


def screen(arena, rows, starts, order, cells, cell_start, height, width, fuel, made, known, counts, digests):
    """Run the programs of `order` on one input, and write the digest of what each gives."""
    A = arena_pointer(arena.ctypes.data)
    source = cells_pointer(cells.ctypes.data + cell_start)
    left = np.zeros(layout.MAX_VARIABLES + 2, np.int64)  # fuel before each line of the program
    left[0] = fuel - (3 + height * width)  # what loading the input costs
    before = -1
    done = 0  # lines of the program before that have their value
    for k in range(len(order)):
        program = order[k]
        first, last = starts[program], starts[program + 1]
        digests[k] = 0
        kept = 0
        if before < 0 or is_full(A, last - first, fuel, made, known, counts):
            begin(A, source, height, width, made, known, counts)
            done = 0
        else:  # the value of a last line was not kept
            kept = common_lines(rows, starts[before], starts[before + 1] - 1, first, last)
        before = program
        counts[LINES] += last - first
        if kept > done:  # the program before failed in a line that is this one's, too
            counts[COMMON] += last - first
            continue
        counts[COMMON] += kept
        for line in range(kept, last - first):
            done = line
            is_last = line == last - first - 1
            value = 0
            if left[line] >= 0:
                value, left[line + 1] = line_value(
                    A, rows, first + line, is_last, left[line], made, known, counts
                )  # fmt: skip
            if is_last:
                digests[k] = value
            if value == 0:
                break
            A[REGISTERS + 2 + line] = value


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

    `fuel` is that of a run, at most 1,000,000; `words` of 8 bytes is the memory for values of many programs; `slots` of
    the tables, a power of two, are twice the number of calls that are remembered.
    """

    def __init__(self, fuel: int = DEFAULT_FUEL, words: int = WORDS, slots: int = SLOTS) -> None:
        if not 1 <= fuel <= MAX_FUEL:
            raise ValueError(f"the fuel of a screened run must be 1 to {MAX_FUEL:,}, not {fuel:,}")
        if words < layout.HEAP + 4 * fuel:
            raise ValueError(f"runs of {fuel:,} need at least {layout.HEAP + 4 * fuel:,} words, not {words:,}")
        if slots < MIN_SLOTS or slots & (slots - 1):
            raise ValueError(f"tables have a power of two of slots, at least {MIN_SLOTS}, not {slots}")
        self.fuel = fuel
        self._arena = new_arena(words)
        self._made = np.zeros((slots, 8), np.int64)
        self._known = np.zeros((slots, 2), np.int64)
        self._counts = np.zeros(6, np.int64)

    def run(self, code: Code, grids: GridTable, grid: int, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The digest of what each program of `order` gives on one grid, in that order; see `order_by_lines`."""
        digests = np.zeros(len(order), np.int64)
        height, width = grids.shapes[grid].tolist()
        _compiled()(
            self._arena, code.rows, code.starts, order, grids.cells, grids.starts[grid], height, width,
            self.fuel, self._made, self._known, self._counts, digests,
        )  # fmt: skip
        return digests

    @property
    def saved(self) -> Saved:
        """Counts over all calls of `run`."""
        return Saved(*self._counts[[LINES, COMMON, REMEMBERED, RUN]].tolist())


class ScreenPool:
    """Screens in threads. Results are the same for any number of them."""

    def __init__(self, workers: int, fuel: int = DEFAULT_FUEL) -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least 1 worker, not {workers}")
        self._screens = [Screen(fuel) for _ in range(workers)]
        self._threads = ThreadPoolExecutor(workers)

    def run(
        self, code: Code, grids: GridTable, work: Iterable[tuple[int, npt.NDArray[np.int64]]]
    ) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """The digests of each (grid, order of programs) of `work`, with its number, as they are done."""
        idle: SimpleQueue[Screen] = SimpleQueue()
        for screen in self._screens:
            idle.put(screen)

        def one(grid: int, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            screen = idle.get()
            digests = screen.run(code, grids, grid, order)
            idle.put(screen)
            return digests

        numbers = {self._threads.submit(one, *each): number for number, each in enumerate(work)}
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        finally:  # after Ctrl-C, what has not begun does not begin
            for future in numbers:
                future.cancel()

    @property
    def saved(self) -> Saved:
        """Counts over all screens."""
        parts = [screen.saved for screen in self._screens]
        return Saved(*(sum(getattr(part, name) for part in parts) for name in ("lines", "common", "remembered", "run")))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
