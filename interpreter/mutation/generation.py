"""The compiled loop of mutation: draw a parent, change it, and keep the result if it is new.

Programs are told apart by a 64-bit hash of their canonical lines, in a hash table that the caller keeps.
"""

from __future__ import annotations

import numpy as np

from interpreter.language.symbols import COLUMNS
from interpreter.mutation import edits
from interpreter.mutation.edits import MAX_LINES, Buffer
from interpreter.runtime.hash_table import find_slot
from interpreter.runtime.native import ROW, SEARCH, SYMBOLS, TRUTHS, entry, inline


@inline
def operate(t, buffer, state, lines, operation, new_line, rows, kinds, first, donor_lines):
    """Change the program in the buffer by one operation. The number of lines, or 0 where it found nothing to do."""
    if operation == 0:
        return edits.replace_argument(t, buffer, state, lines, new_line)
    if operation == 1:
        return edits.replace_function(t, buffer, state, lines)
    if operation == 2:
        return edits.replace_definition(t, buffer, state, lines)
    if operation == 3:
        return edits.cut(t, buffer, state, lines)
    if operation == 4:
        return edits.splice(t, buffer, state, lines, rows, kinds, first, donor_lines)
    return edits.replace_constant(t, buffer, state, lines)


@inline
def load(buffer, rows, kinds, first, lines):
    """Copy a program into the buffer."""
    for k in range(lines):
        buffer.kinds[k] = kinds[first + k]
        for column in range(COLUMNS):
            buffer.rows[k, column] = rows[first + k, column]


@inline
def is_free(seen, at):
    return seen[at] == 0


@inline
def holds(seen, at, key):
    return seen[at] == key


@inline
def remember(seen, key):
    """Enter a key into a hash table with room; False where it was there."""
    at, found = find_slot(seen, key, is_free, holds, key)
    seen[at] = key
    return not found


def _arguments_of_generate() -> tuple:
    """Arguments of `generate`, for their types."""
    row, rows, kinds = np.zeros(1, np.int64), np.zeros((1, COLUMNS), np.int16), np.zeros(1, np.int8)
    return (
        edits.tables(), Buffer.new(), row, rows, kinds, row, row, np.zeros(1), 0.0, 0.0, 0, 0,
        row, rows, row, np.zeros(1, np.int32), row,
    )  # fmt: skip


@entry(_arguments_of_generate, group=SEARCH)
def generate(
    t, buffer, state, rows, kinds, starts, parents, weights, new_line, again, attempts, max_lines,
    seen, out_rows, out_starts, out_parents, keys,
):  # fmt: skip
    """Fill the outputs with mutants that `seen` does not have; returns how many, and how many attempts it took."""
    found = 0
    for attempt in range(attempts):
        if found == len(out_parents) or out_starts[found] + MAX_LINES > len(out_rows):
            return found, attempt
        parent = parents[edits.draw(state, len(parents))]
        lines = starts[parent + 1] - starts[parent]
        load(buffer, rows, kinds, starts[parent], lines)
        changed = False
        while not changed or edits.chance(state, again):
            place = edits.draw(state, 1 << 30) / (1 << 30)
            operation = 0
            while weights[operation] <= place and operation < len(weights) - 1:
                operation += 1
            donor = parents[edits.draw(state, len(parents))]
            lines = operate(
                t, buffer, state, lines, operation, new_line, rows, kinds, starts[donor],
                starts[donor + 1] - starts[donor],
            )  # fmt: skip
            if lines == 0:
                break
            changed = True
        if lines > 0:
            lines = edits.prune(buffer, lines)
        if lines == 0 or lines > max_lines:
            continue
        key = edits.hash_lines(buffer.rows, 0, lines)
        if remember(seen, key):
            keys[found] = key
            for k in range(lines):
                for column in range(COLUMNS):
                    out_rows[out_starts[found] + k, column] = buffer.rows[k, column]
            out_starts[found + 1] = out_starts[found] + lines
            out_parents[found] = parent
            found += 1
    return found, attempts


@entry(ROW, ROW, TRUTHS, group=SEARCH)
def enter(seen, keys, is_new):
    """Enter keys into a hash table with room; writes which were not there."""
    for k in range(len(keys)):
        is_new[k] = remember(seen, keys[k])


@entry(SYMBOLS, ROW, ROW, group=SEARCH)
def hash_programs(rows, starts, keys):
    """The hash of each program."""
    for p in range(len(keys)):
        keys[p] = edits.hash_lines(rows, starts[p], starts[p + 1] - starts[p])
