"""The primitive table: the one place where the language's names, arities, types and opcodes live.

A primitive is a plain function under `@prim`, its types in its annotations, its meaning in the first line
of its docstring:

    @prim
    def fill(A, grid: Grid, value: Integer, patch: Patch) -> Grid:
        \"\"\"`grid` with the locations of `patch` set to `value`.\"\"\"

Dispatcher, assembler, parser, grammar, vocabulary, documentation and tests derive from the table. Opcodes
are an order of registration and mean nothing outside one process; text is what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interpreter.primitives.types import Boolean, Integer, Pair, Type
from interpreter.runtime import layout
from interpreter.runtime.native import addressed, inline


@dataclass(frozen=True)
class Primitive:
    """One primitive: `parameters` are types in order, `opcode` its index in the table."""

    name: str
    parameters: tuple[Type, ...]
    returns: Type
    opcode: int
    meaning: str
    source: Callable

    @property
    def arity(self) -> int:
        return len(self.parameters)


PRIMITIVES: dict[str, Primitive] = {}


def prim(function: Callable) -> Callable:
    """Enter `function` into the table; returns it as a helper other primitives can call."""
    name = function.__name__.rstrip("_")
    code = function.__code__
    parameters = code.co_varnames[1 : code.co_argcount]
    hints = {key: _type(value) for key, value in function.__annotations__.items()}
    if name in PRIMITIVES:
        raise ValueError(f"primitive {name} is declared twice")
    if not 1 <= len(parameters) <= layout.MAX_ARITY:
        raise ValueError(f"primitive {name}: 1 to {layout.MAX_ARITY} parameters, not {len(parameters)}")
    missing = [p for p in (*parameters, "return") if p not in hints]
    if missing or not function.__doc__:
        raise ValueError(f"primitive {name}: needs a docstring and a type for {', '.join(missing) or 'nothing'}")
    opcode = len(PRIMITIVES)
    addressed(layout.PRIMITIVE_TABLE + opcode, is_primitive=True)(function)
    PRIMITIVES[name] = Primitive(
        name=name,
        parameters=tuple(hints[p] for p in parameters),
        returns=hints["return"],
        opcode=opcode,
        meaning=function.__doc__.strip().splitlines()[0],
        source=function,
    )
    return inline(function)


def _type(annotation: str | Type) -> Type:
    """The type of an annotation, which is a name where annotations are postponed."""
    return annotation if isinstance(annotation, Type) else Type(annotation)


# Constants of arc-dsl (constants.py), by name.
CONSTANTS: dict[str, int | tuple[int, int]] = {
    "F": 0, "T": 1,
    "ZERO": 0, "ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5,
    "SIX": 6, "SEVEN": 7, "EIGHT": 8, "NINE": 9, "TEN": 10,
    "NEG_ONE": -1, "NEG_TWO": -2,
    "DOWN": (1, 0), "RIGHT": (0, 1), "UP": (-1, 0), "LEFT": (0, -1),
    "ORIGIN": (0, 0), "UNITY": (1, 1), "NEG_UNITY": (-1, -1),
    "UP_RIGHT": (-1, 1), "DOWN_LEFT": (1, -1),
    "ZERO_BY_TWO": (0, 2), "TWO_BY_ZERO": (2, 0), "TWO_BY_TWO": (2, 2), "THREE_BY_THREE": (3, 3),
}  # fmt: skip


def constant_type(name: str) -> Type:
    """The declared type of a constant: Boolean, Integer or Pair."""
    if name in ("F", "T"):
        return Boolean
    return Pair if isinstance(CONSTANTS[name], tuple) else Integer
