"""The closed list of ways a run can end."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from interpreter.runtime import layout


class Outcome(IntEnum):
    """How one run of one program on one input ended. Only `OK` comes with an output grid."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        outcome = int.__new__(cls, value)
        outcome._value_ = value
        outcome.meaning = meaning
        return outcome

    OK = 0, "the result is a grid"
    TYPE_MISMATCH = 1, "a value of a kind that the primitive does not take"
    OUT_OF_FUEL = 2, "the run used up its fuel"
    OUT_OF_MEMORY = 3, "the run used up its arena, or wanted a grid of more than 32,768 rows or columns"
    OUT_OF_RANGE = 4, "a number, coordinate or colour that a value cannot hold"
    EMPTY = 5, "an item was wanted of an empty container"
    ZERO_DIVISION = 6, "division, split or step by zero"
    ARITY_MISMATCH = 7, "a function was called with the wrong number of arguments"
    TOO_DEEP = 8, f"more than {layout.MAX_DEPTH} function calls inside one another"
    NOT_A_GRID = 9, "the result is no grid of 1 to 30 rows and columns with colours 0 to 9"
    CRASHED = 10, "the worker process died in this run, again and again: a bug of the interpreter"
    INTERNAL_ERROR = layout.VIOLATION, "the checked build saw an access outside the arena: a bug of the interpreter"

    @property
    def label(self) -> str:
        """The name as written in files: `ok`, `type_mismatch`, ..."""
        return self.name.lower()
