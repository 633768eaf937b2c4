"""The names of types that arc-dsl's `from dsl import *` gives: for annotations alone, nothing here checks them.

Those of `typing` are among them, since arc-dsl imports them the same way.
"""

from __future__ import annotations

from typing import Any, Callable, Container, FrozenSet, Iterable, List, Tuple, Union  # noqa: UP035 (wanted as they are)

Boolean = bool
Integer = int
IntegerTuple = tuple[int, int]
Numerical = int | IntegerTuple
IntegerSet = frozenset[int]
Grid = tuple[tuple[int, ...], ...]
Cell = tuple[int, IntegerTuple]
Object = frozenset[Cell]
Objects = frozenset[Object]
Indices = frozenset[IntegerTuple]
IndicesSet = frozenset[Indices]
Patch = Object | Indices
Element = Object | Grid
Piece = Grid | Patch
TupleTuple = tuple[tuple, ...]
ContainerContainer = Container[Container]

__all__ = [
    "Any", "Boolean", "Callable", "Cell", "Container", "ContainerContainer", "Element", "FrozenSet", "Grid", "Indices",
    "IndicesSet", "Integer", "IntegerSet", "IntegerTuple", "Iterable", "List", "Numerical", "Object", "Objects",
    "Patch", "Piece", "Tuple", "TupleTuple", "Union",
]  # fmt: skip
