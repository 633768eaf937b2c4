"""The arena: one array of int64 words, reset for each run. Word offsets of its header.

    header     scalars, the permanent empty block, registers, address tables
    heap       values of the run, allocated upwards from `HEAP`

Nothing here needs Numba; all are compile-time constants of the compiled code.
"""

from __future__ import annotations

SIZE = 0  # words of the whole arena
TOP = 1  # first free word of the heap
FUEL = 2  # fuel left
DEPTH = 3  # nested function calls
ERROR = 4  # sticky outcome of the run: 0 while all is well
TOP_ROW, LEFT_COLUMN, BOTTOM_ROW, RIGHT_COLUMN = 5, 6, 7, 8  # what `bounds` found last
INVOKE, INVOKE_1, INVOKE_2 = 9, 10, 11  # addresses of what calls a function value: with any arguments, one, two
PROFILE = 12  # address of the call tree, of a profiled arena alone

# A permanent empty block (capacity 0, length 0, width 0): what an accessor returns after a failure,
# so that code which goes on reads an empty container or an empty grid and writes nothing.
EMPTY = 14

REGISTERS = 18  # register 0 is unused, register 1 is I, register 1 + k is xk
MAX_VARIABLES = 255  # x1 .. x255; a policy writes fewer, see `interpreter.language.vocabulary`
MAX_REGISTERS = MAX_VARIABLES + 3  # with `O`

PRIMITIVE_TABLE = REGISTERS + MAX_REGISTERS  # address << ARITY_BITS | arity, by opcode
ARITY_BITS = 3
MAX_PRIMITIVES = 256
HELPERS = PRIMITIVE_TABLE + MAX_PRIMITIVES  # addresses of outlined helpers
# The modules with outlined helpers. Each has a range of words, so that the word of a helper, which is part of compiled
# code, does not depend on which module is imported first.
HELPER_MODULES = (
    "runtime.blocks", "runtime.ordering", "runtime.locations",
    "primitives.arithmetic", "primitives.colors", "primitives.containers", "primitives.functions",
    "primitives.objects", "primitives.painting", "primitives.patches", "primitives.shapes", "primitives.slices",
    "primitives.tables", "primitives.transforms", "primitives.copies",
)  # fmt: skip
MAX_HELPERS = 16  # of a module
HEAP = HELPERS + len(HELPER_MODULES) * MAX_HELPERS

MAX_ARITY = 4
MAX_DEPTH = 128
CALL_COST = 8  # fuel of one call; a word allocated and a step of a growing loop cost 1 each
VIOLATION = 100  # ERROR value of the checked build
