"""The value of every line of a program: what a person who reads it wants to see.

A program runs once, by the same compiled code and with the same fuel as `Machine.run`; then the values that its lines
left in the arena cross the border one by one, as messages. Sets come as `Items`, in the machine's canonical order, by
which `first`, `last` and ties in `argmax` go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interpreter.dropin.conversion import value_of
from interpreter.dropin.dsl import function_of
from interpreter.dropin.messages import write_message
from interpreter.grids import Grid
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, execute, load_input, new_arena
from interpreter.runtime import calls, layout
from interpreter.runtime.native import CELLS, ROW, TABLE, arena_pointer, cells_pointer, entry, int64
from interpreter.runtime.outcome import Outcome


class Items(tuple):
    """The items of a set in canonical order, told from a tuple by its class alone."""


@entry(ROW, TABLE, CELLS, int64, int64, int64)
def run_lines(arena, rows, cells, height, width, fuel):  # noqa: ANN001, ANN201
    """Run a program; returns how many of its lines, from the first on, have a value, which stays in the arena."""
    A = arena_pointer(arena.ctypes.data)
    A[layout.FUEL] = fuel
    load_input(A, cells_pointer(cells.ctypes.data), height, width)
    _, done = execute(calls.call_primitive, A, rows, 0, len(rows))
    return done


@entry(ROW, int64, ROW)
def write_line(arena, line, message):  # noqa: ANN001, ANN201
    """Write the value of a line to the end of `message`. Where it starts, or minus the outcome."""
    A = arena_pointer(arena.ctypes.data)
    A[layout.ERROR] = 0
    start = write_message(A, A[layout.REGISTERS + 2 + line], message)
    return start if A[layout.ERROR] == 0 else -A[layout.ERROR]


@dataclass(frozen=True)
class Trace:
    """`values` of the lines that have one, from the first on; an `Outcome` stands for a value too large to hand out.

    `outcome` is how the first line without a value failed, OK where there is none: whether the last value is a valid
    grid is another question.
    """

    values: tuple[Any, ...]
    outcome: Outcome


class Tracer:
    """An arena for single runs. Not for use by two threads at once. `words` bounds arena and value, each."""

    def __init__(self, fuel: int = DEFAULT_FUEL, words: int = DEFAULT_WORDS) -> None:
        self.fuel = fuel
        self._arena = new_arena(words)
        self._message = np.empty(words, np.int64)
        self._run = run_lines.compiled()
        self._write = write_line.compiled()

    def trace(self, program: Program, grid: Grid) -> Trace:
        """Run `program` on `grid` and take the values of its lines."""
        rows = Code.assemble([program]).rows
        cells = np.ascontiguousarray(grid, np.int8).ravel()
        done = self._run(self._arena, rows, cells, grid.shape[0], grid.shape[1], self.fuel)
        outcome = Outcome(int(self._arena[layout.ERROR]))
        return Trace(tuple(self._value(line) for line in range(done)), outcome)

    def _value(self, line: int) -> Any:
        start = self._write(self._arena, line, self._message)
        return Outcome(-start) if start < 0 else value_of(self._message[start:].tolist(), function_of, Items)
