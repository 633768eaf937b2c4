"""The closed list of ways a run can end."""

from __future__ import annotations

from enum import IntEnum

from interpreter import layout


class Outcome(IntEnum):
    """How one run of one program on one input ended. Only `OK` comes with an output grid."""

    OK = 0
    TYPE_MISMATCH = 1  # a value of a kind the primitive does not take
    OUT_OF_FUEL = 2  # the run used up its fuel
    OUT_OF_MEMORY = 3  # the run used up its arena
    OUT_OF_RANGE = 4  # a number, coordinate or colour outside what a value can hold
    EMPTY = 5  # an item was wanted of an empty container
    ZERO_DIVISION = 6  # division, split or step by zero
    ARITY_MISMATCH = 7  # a function was called with the wrong number of arguments
    TOO_DEEP = 8  # function values nested beyond the limit
    NOT_A_GRID = 9  # the result is no grid of 1..30 x 1..30 cells with colours 0..9
    CRASHED = 10  # the worker process died in this run
    INTERNAL_ERROR = layout.VIOLATION  # the checked build saw an access outside the arena: a bug

    @property
    def label(self) -> str:
        """The name as written in files: `ok`, `type_mismatch`, ..."""
        return self.name.lower()
