"""Kinds: what the values of a program's lines were when it ran.

A declared type says what a primitive may return; a kind says what it did return on some input. Mutation and
enumeration use kinds to tell which value may stand where. They are the declared types, and some that no primitive
declares.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.symbols import SYMBOLS, Symbols
from interpreter.language.vocabulary import PROGRAM_TOKENS
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, execute, load_input, new_arena
from interpreter.primitives.table import PRIMITIVES, constant_type
from interpreter.primitives.types import Any as Anything
from interpreter.primitives.types import Container, Set, Tuple, Type, may_be
from interpreter.runtime import calls, layout, values
from interpreter.runtime.native import arena_pointer, cells_pointer, inline, use_cache_folder

# Kinds by number: the types, then sets of integers and sets of indices, sets and tuples of something else.
TYPES = tuple(Type)
KINDS: tuple[str, ...] = (*TYPES, "IntegerSet", "IndicesSet", "OtherSet", "OtherTuple")
INTEGER_SET, INDICES_SET, OTHER_SET, OTHER_TUPLE = range(len(TYPES), len(KINDS))
BOOLEAN, INTEGER, PAIR, CELL = map(TYPES.index, (Type.BOOLEAN, Type.INTEGER, Type.PAIR, Type.CELL))
GRID, FUNCTION, ANY = map(TYPES.index, (Type.GRID, Type.FUNCTION, Type.ANY))
INDICES, OBJECT, OBJECTS = map(TYPES.index, (Type.INDICES, Type.OBJECT, Type.OBJECTS))


def _fits(kind: int, wanted: Type) -> bool:
    if kind < len(TYPES):
        return may_be(TYPES[kind], wanted)
    return wanted in (Anything, Container, Tuple if kind == OTHER_TUPLE else Set)


# Whether a value of a kind (row) may stand where a type (column) is declared.
FITS: npt.NDArray[np.bool_] = np.array([[_fits(kind, wanted) for wanted in TYPES] for kind in range(len(KINDS))])


def declared_kind(token: str) -> int:
    """The kind of what a name stands for (a constant, a primitive, `I`); Any for another token."""
    if token == "I":
        return GRID
    if token in PRIMITIVES:
        return FUNCTION
    try:
        return TYPES.index(constant_type(token))
    except KeyError:
        return ANY


# The kind that a program token has as an argument, and the number of the type that a symbol returns when it is called.
KIND_OF_TOKEN = np.array([declared_kind(token) for token in PROGRAM_TOKENS], np.int8)
RETURNS = np.array([TYPES.index(PRIMITIVES[t].returns) if t in PRIMITIVES else ANY for t in SYMBOLS], np.int8)


@inline
def set_kind(A, block):
    """The kind of a set: that of its first item decides."""
    if A[block] == 0:
        return OTHER_SET
    first = A[block + 1]
    if values.is_integer(first):
        return INTEGER_SET
    if values.is_pair(first):
        return INDICES
    if values.is_cell(first):
        return OBJECT
    if values.is_set(first) and A[values.offset(first)] > 0:
        inner = A[values.offset(first) + 1]
        if values.is_cell(inner):
            return OBJECTS
        if values.is_pair(inner):
            return INDICES_SET
    return OTHER_SET


@inline
def kind_of(A, x, declared):
    """The kind of a value that came from where type number `declared` is declared, which tells what `x` alone does not:
    whether 0 and 1 are truth values, and what an empty set is a set of."""
    t = values.tag(x)
    if t == values.INTEGER:
        return BOOLEAN if declared == BOOLEAN else INTEGER
    if t == values.PAIR:
        return PAIR
    if t == values.CELL:
        return CELL
    if t == values.GRID:
        return GRID
    if t == values.PRIMITIVE or t == values.CLOSURE:
        return FUNCTION
    if t == values.SET:
        kind = set_kind(A, values.offset(x))
        specific = declared == INDICES or declared == OBJECT or declared == OBJECTS
        return declared if kind == OTHER_SET and specific else kind
    return OTHER_TUPLE if t == values.TUPLE else ANY


def observe(arena, rows, starts, functions, returns, cells, cell_starts, shapes, inputs, fuel, kinds):
    """Run each program on its input and write the kind of each line that got a value."""
    A = arena_pointer(arena.ctypes.data)
    marks = np.empty((layout.MAX_VARIABLES + 2, 2), np.int64)
    for p in range(len(starts) - 1):
        first, last = starts[p], starts[p + 1]
        source = inputs[p]
        A[layout.FUEL] = fuel
        load_input(A, cells_pointer(cells.ctypes.data + cell_starts[source]), shapes[source, 0], shapes[source, 1])
        _, done = execute(calls.call_primitive, A, rows, first, first, last, marks, False)
        for k in range(done):
            kinds[first + k] = kind_of(A, A[layout.REGISTERS + 2 + k], returns[functions[first + k]])


@cache
def _compiled() -> Any:
    use_cache_folder()
    return njit(cache=True, nogil=True, error_model="numpy")(observe)


def observed_kinds(symbols: Symbols, grids: GridTable, inputs: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """The kind of every line of every program, each run on the grid `inputs[program]`: int8, as long as `symbols.rows`.

    A line without value, because the run failed before, has the type that it is declared as.
    """
    arena = new_arena(DEFAULT_WORDS)
    code: Code = symbols.code()
    kinds = RETURNS[symbols.rows[:, 0]]
    _compiled()(
        arena, code.rows, code.starts, symbols.rows[:, 0].astype(np.int64), RETURNS, grids.cells, grids.starts,
        grids.shapes, np.asarray(inputs, np.int64), DEFAULT_FUEL, kinds,
    )  # fmt: skip
    return kinds


def declared_kinds(symbols: Symbols) -> npt.NDArray[np.int8]:
    """The kinds that the lines of programs have by declaration alone, for programs that belong to no input."""
    return RETURNS[symbols.rows[:, 0]]
