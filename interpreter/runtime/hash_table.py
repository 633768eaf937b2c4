"""Open addressing, written once for tables of anything. Compiled.

A table is an array of a power of two of slots, of which some are free always; what has a slot keeps it. What it holds
is the caller's, who says in two functions

    is_free(table, at)        whether slot `at` is free
    holds(table, at, entry)   whether slot `at`, which is not free, holds what equals `entry`: a word, or a tuple
"""

from __future__ import annotations

from interpreter.runtime.native import specialized


@specialized
def find_slot(table, key, is_free, holds, entry):
    """The slot that holds `entry`, whose hash is `key`, or a free one for it; and whether it is there."""
    last = len(table) - 1
    at = key & last
    while not is_free(table, at):
        if holds(table, at, entry):
            return at, True
        at = (at + 1) & last
    return at, False
