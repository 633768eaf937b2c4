"""Kinds: what values are, and what those of a program's lines were when it ran.

A declared type says what a primitive may return; a kind says what it did return on some input. Mutation and
enumeration use kinds to tell which value may stand where. They are the declared types, and some that no primitive
declares. A set of kinds is a bit mask.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.symbols import SYMBOLS, Symbols
from interpreter.language.vocabulary import PROGRAM_TOKENS
from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, execute, load_input, new_arena
from interpreter.primitives.table import PRIMITIVES, constant_type
from interpreter.primitives.types import Any as Anything
from interpreter.primitives.types import Container, Set, Tuple, Type, may_be
from interpreter.runtime import calls, layout, values
from interpreter.runtime.native import CELLS, ROW, SHAPES, TABLE, arena_pointer, cells_pointer, entry, inline, int64

# Kinds by number: the types, then sets of integers and sets of indices, sets and tuples of something else, the empty
# set, and functions that are known to take two arguments or three.
TYPES = tuple(Type)
KINDS: tuple[str, ...] = (
    *TYPES, "IntegerSet", "IndicesSet", "OtherSet", "EmptySet", "OtherTuple", "BinaryFunction", "TernaryFunction",
)  # fmt: skip
INTEGER_SET, INDICES_SET, OTHER_SET, EMPTY_SET, OTHER_TUPLE, BINARY, TERNARY = range(len(TYPES), len(KINDS))
BOOLEAN, INTEGER, PAIR, CELL = map(TYPES.index, (Type.BOOLEAN, Type.INTEGER, Type.PAIR, Type.CELL))
GRID, FUNCTION, ANY = map(TYPES.index, (Type.GRID, Type.FUNCTION, Type.ANY))
INDICES, OBJECT, OBJECTS = map(TYPES.index, (Type.INDICES, Type.OBJECT, Type.OBJECTS))


def _fits(kind: int, wanted: Type) -> bool:
    if kind < len(TYPES):
        return may_be(TYPES[kind], wanted)
    if kind in (BINARY, TERNARY):
        return may_be(Type.FUNCTION, wanted)
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


def mask(*kinds: int) -> int:
    """The set of some kinds."""
    return sum(1 << kind for kind in kinds)


@inline
def set_kind(A, block):
    """The kind of a set: that of its first item decides."""
    if A[block] == 0:
        return EMPTY_SET
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
def kind_of(A, x):
    """The kind that a value shows: 0 and 1 are truth values, None is Any, a function has any number of arguments."""
    t = values.tag(x)
    if t == values.INTEGER:
        return BOOLEAN if 0 <= values.int_of(x) <= 1 else INTEGER
    if t == values.PAIR:
        return PAIR
    if t == values.CELL:
        return CELL
    if t == values.GRID:
        return GRID
    if t == values.SET:
        return set_kind(A, values.offset(x))
    if t == values.PRIMITIVE or t == values.CLOSURE:
        return FUNCTION
    return OTHER_TUPLE if t == values.TUPLE else ANY


@inline
def declared_kind_of(A, x, declared):
    """The kind of a value that came from where type number `declared` is declared, which tells what `x` alone does not:
    whether 0 and 1 are truth values, and what an empty set is a set of."""
    kind = kind_of(A, x)
    if kind == BOOLEAN or kind == INTEGER:
        return BOOLEAN if declared == BOOLEAN else INTEGER
    if kind == EMPTY_SET or kind == OTHER_SET:
        return declared if declared == INDICES or declared == OBJECT or declared == OBJECTS else OTHER_SET
    return kind


@entry(ROW, TABLE, ROW, ROW, CELLS, CELLS, ROW, SHAPES, ROW, int64, CELLS)
def observe(arena, rows, starts, functions, returns, cells, cell_starts, shapes, inputs, fuel, kinds):
    """Run each program on its input and write the kind of each line that got a value."""
    A = arena_pointer(arena.ctypes.data)
    for p in range(len(starts) - 1):
        first, last = starts[p], starts[p + 1]
        source = inputs[p]
        A[layout.FUEL] = fuel
        load_input(A, cells_pointer(cells.ctypes.data + cell_starts[source]), shapes[source, 0], shapes[source, 1])
        _, done = execute(calls.call_primitive, A, rows, first, last)
        for k in range(done):
            kinds[first + k] = declared_kind_of(A, A[layout.REGISTERS + 2 + k], returns[functions[first + k]])


def observed_kinds(symbols: Symbols, grids: GridTable, inputs: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """The kind of every line of every program, each run on the grid `inputs[program]`: int8, as long as `symbols.rows`.

    A line without value, because the run failed before, has the type that it is declared as.
    """
    arena = new_arena(DEFAULT_WORDS)
    code: Code = symbols.code()
    kinds = RETURNS[symbols.rows[:, 0]]
    observe.compiled()(
        arena, code.rows, code.starts, symbols.rows[:, 0].astype(np.int64), RETURNS, grids.cells, grids.starts,
        grids.shapes, np.asarray(inputs, np.int64), DEFAULT_FUEL, kinds,
    )  # fmt: skip
    return kinds


def declared_kinds(symbols: Symbols) -> npt.NDArray[np.int8]:
    """The kinds that the lines of programs have by declaration alone, for programs that belong to no input."""
    return RETURNS[symbols.rows[:, 0]]
