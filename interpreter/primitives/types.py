"""The types of the grid language.

Types are declared by the primitives (as annotations) and by the constants. They describe arc-dsl's
own vocabulary of types; the virtual machine checks values, not these declarations. Mutation and the
typed grammar use them to tell which argument may stand where.
"""

from __future__ import annotations

from enum import StrEnum


class Type(StrEnum):
    """A type name of the grid language, with arc-dsl's meaning of it."""

    ANY = "Any"
    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    PAIR = "Pair"
    NUMERICAL = "Numerical"
    GRID = "Grid"
    CELL = "Cell"
    INDICES = "Indices"
    OBJECT = "Object"
    OBJECTS = "Objects"
    PATCH = "Patch"
    ELEMENT = "Element"
    PIECE = "Piece"
    SET = "Set"
    TUPLE = "Tuple"
    CONTAINER = "Container"
    FUNCTION = "Function"


Any = Type.ANY
Boolean = Type.BOOLEAN
Integer = Type.INTEGER
Pair = Type.PAIR
Numerical = Type.NUMERICAL
Grid = Type.GRID
Cell = Type.CELL
Indices = Type.INDICES
Object = Type.OBJECT
Objects = Type.OBJECTS
Patch = Type.PATCH
Element = Type.ELEMENT
Piece = Type.PIECE
Set = Type.SET
Tuple = Type.TUPLE
Container = Type.CONTAINER
Function = Type.FUNCTION

# Each union or container type, with the types that are directly part of it.
_PARTS: dict[Type, tuple[Type, ...]] = {
    Integer: (Boolean,),
    Numerical: (Integer, Pair),
    Patch: (Indices, Object),
    Element: (Grid, Object),
    Piece: (Grid, Patch),
    Set: (Indices, Object, Objects, Patch),
    Tuple: (Grid, Pair, Cell),
    Container: (Set, Tuple, Element, Piece),
}


def _closure(type_: Type) -> frozenset[Type]:
    members = {type_}
    for part in _PARTS.get(type_, ()):
        members |= _closure(part)
    return frozenset(members)


_SUBTYPES: dict[Type, frozenset[Type]] = {type_: _closure(type_) for type_ in Type}


def may_be(value: Type, wanted: Type) -> bool:
    """Whether some value declared as `value` can be a value of type `wanted` (the types overlap)."""
    if Any in (value, wanted):
        return True
    return not _SUBTYPES[value].isdisjoint(_SUBTYPES[wanted])
