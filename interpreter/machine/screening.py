"""Screening: what very many programs give on an input, each as one number.

Mutants of a few programs have most of their work in common, and what they share runs once:

    common lines     programs are taken in an order in which those that start alike are neighbours
    equal calls      a call that was made before on this input, by whatever program, is looked up: values are interned,
                     so that equal arguments are equal handles, and what follows equal values is equal, too
    failed calls     are looked up as well, those that ran out of fuel by the fuel that they had

Values stay in the arena until it is full; then the input is begun anew. What comes out is the digest of exactly that
grid which `Machine.run` with the same fuel gives, and 0 where it gives none, but for runs at the edge of their fuel:
the machine lets a last call overdraw it, and equal values compare for less here. Compiled, without the GIL: threads
work side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from interpreter.grids import MAX_COLOR, MAX_SIDE, GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.machine import common_lines, load_input, new_arena, operand
from interpreter.runtime import blocks, calls, layout, values
from interpreter.runtime.arena import PLENTY, go_back, recover
from interpreter.runtime.digests import first_term, last_term
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.interning import KNOWN_VALUE, is_free
from interpreter.runtime.native import arena_pointer, cells_pointer, entry, inline
from interpreter.runtime.ordering import fingerprint, mix, mix_at, same
from interpreter.runtime.outcome import Outcome

# No run uses more fuel, and so no more words of the arena, than this.
MAX_FUEL = 1_000_000
DEFAULT_FUEL = 200_000
WORDS = 1 << 23
SLOTS, MIN_SLOTS = 1 << 16, 1 << 9

FINGERPRINT_FUEL = 1 << 14  # a value that takes more is known by its handle alone
TOP, FUEL, ERROR, REGISTERS = layout.TOP, layout.FUEL, layout.ERROR, layout.REGISTERS
OUT_OF_FUEL = int(Outcome.OUT_OF_FUEL)
# What a remembered call gave, apart from values: as the last line a digest, or that it ran out of fuel.
LAST, EXHAUSTED = -1, -2
# A remembered call: function and operands, then what it gave.
REMEMBERED_CALL = np.dtype([(name, np.int64) for name in ("f", "a", "b", "c", "d", "result", "cost", "digest")])
# See `Saved`; and how many slots of the tables are in use.
COUNTS = np.dtype([(name, np.int64) for name in ("lines", "common", "remembered", "run", "calls", "values")])


@inline
def holds_same(known, at, entry):
    A, x, key = entry
    return known[at].key == key and same(A, x, known[at].value)


@inline
def has_no_call(made, at):
    return made[at].f == 0


@inline
def holds_call(made, at, call):
    f, a, b, c, d = call
    other = made[at]
    return other.f == f and other.a == a and other.b == b and other.c == c and other.d == d


@inline
def intern(A, x, known, counts):
    """The handle that stands for all values equal to `x`, and whether `x` is the first of them."""
    if values.is_inline(x):
        return x, False
    A[FUEL] = FINGERPRINT_FUEL
    key = fingerprint(A, x)
    if A[ERROR] != 0:
        recover(A)
        return x, True
    A[FUEL] = PLENTY
    at, found = find_slot(known, key, is_free, holds_same, (A, x, key))
    if found:
        return known[at].value, False
    known[at].key = key
    known[at].value = x
    counts.values += 1
    return x, True


@inline
def find_call(made, f, a, b, c, d):
    """The slot of a call, and whether it is there already."""
    key = mix(mix_at(f, 1) + mix_at(a, 2) + mix_at(b, 3) + mix_at(c, 4) + mix_at(d, 5))
    return find_slot(made, key, has_no_call, holds_call, (f, a, b, c, d))


@inline
def enter(slot, f, a, b, c, d, result, cost, digest):
    slot.f = f
    slot.a = a
    slot.b = b
    slot.c = c
    slot.d = d
    slot.result = result
    slot.cost = cost
    slot.digest = digest


@inline
def begin(A, cells, height, width, made, known, counts):
    """Empty arena and tables, and put the input into register 1."""
    recover(A)
    for k in range(len(made)):
        made[k].f = 0
    for k in range(len(known)):
        known[k].value = 0
    counts.calls = counts.values = 0
    A[FUEL] = PLENTY
    load_input(A, cells, height, width)
    A[REGISTERS + 1] = intern(A, A[REGISTERS + 1], known, counts)[0]


@inline
def is_full(A, lines, fuel, made, known, counts):
    """Whether a program of `lines` lines could find no room."""
    full = 2 * (counts.calls + lines) > len(made) or 2 * (counts.values + lines) > len(known)
    return full or A[TOP] + fuel > A[layout.SIZE]


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
    return 0 if wrong else last_term(total, A[grid], A[grid + 1])


@inline
def line_value(A, rows, line, is_last, fuel, made, known, counts):
    """The value of a line, of a last line its digest; 0 where it fails. And what of the fuel is left."""
    f, a, b = operand(A, rows[line, 0]), operand(A, rows[line, 2]), operand(A, rows[line, 3])
    c, d = operand(A, rows[line, 4]), operand(A, rows[line, 5])
    at, found = find_call(made, f, a, b, c, d)
    slot = made[at]
    if found:
        result, cost = slot.result, slot.cost
        if result == EXHAUSTED and fuel <= cost:
            counts.remembered += 1
            return 0, 0
        if result != EXHAUSTED and cost <= fuel and (result >= 0 or is_last):
            counts.remembered += 1
            if is_last and result > 0:
                return digest_of(A, result), fuel - cost
            return slot.digest if is_last else result, fuel - cost
    counts.run += 1
    counts.calls += not found
    top = A[TOP]
    A[FUEL] = fuel
    result = calls.call_line(calls.call_primitive, A, f, rows[line, 1], a, b, c, d)
    cost = fuel - A[FUEL]
    if A[ERROR] != 0:
        exhausted = A[ERROR] == OUT_OF_FUEL
        go_back(A, top)
        enter(slot, f, a, b, c, d, EXHAUSTED if exhausted else 0, fuel if exhausted else 0, 0)
        return 0, 0
    if is_last:
        digest = digest_of(A, result)
        A[TOP] = top
        enter(slot, f, a, b, c, d, LAST, cost, digest)
        return digest, fuel - cost
    result, is_new = intern(A, result, known, counts)
    if not is_new:
        A[TOP] = top
    enter(slot, f, a, b, c, d, result, cost, 0)
    return result, fuel - cost


def _tables(slots: int) -> tuple[npt.NDArray, npt.NDArray, np.void]:
    """Empty tables of calls and of values, and counts."""
    return np.zeros(slots, REMEMBERED_CALL), np.zeros(slots, KNOWN_VALUE), np.zeros(1, COUNTS)[0]


def _arguments_of_screen() -> tuple:
    """Arguments of `screen`, for their types."""
    row, rows, cells = np.zeros(1, np.int64), np.zeros((1, 6), np.int64), np.zeros(1, np.int8)
    return row, rows, row, row, cells, 0, 0, 0, 0, *_tables(1), row


@entry(_arguments_of_screen)
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
        counts.lines += last - first
        if kept > done:  # the program before failed in a line that is this one's, too
            counts.common += last - first
            continue
        counts.common += kept
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
        self._screen = screen.compiled()
        self._arena = new_arena(words)
        self._made, self._known, self._counts = _tables(slots)

    def run(
        self, code: Code, grids: GridTable, grid: int, order: npt.NDArray[np.int64], fuel: int | None = None
    ) -> npt.NDArray[np.int64]:
        """The digest of what each program of `order` gives on one grid, in that order; see `order_by_lines`.

        `fuel` is that of these runs, where it is less than the screen's.
        """
        digests = np.zeros(len(order), np.int64)
        height, width = grids.shapes[grid].tolist()
        self._screen(
            self._arena, code.rows, code.starts, order, grids.cells, grids.starts[grid], height, width,
            min(fuel or self.fuel, self.fuel), self._made, self._known, self._counts, digests,
        )  # fmt: skip
        return digests

    @property
    def saved(self) -> Saved:
        """Counts over all calls of `run`."""
        return Saved(*(int(self._counts[name]) for name in ("lines", "common", "remembered", "run")))


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
