"""What the enumeration of programs tries: productions, the kinds of values at their places, and costs.

A production is a call of one primitive, or of a variable. A kind is what a value is seen to be (`interpreter.machine.
kinds`), as opposed to what a primitive is declared to return; integers that are 0 or 1 on every input are of kind
BOOLEAN, and may stand for an integer; sets that no declared type names are all of kind OTHER_SET. A place takes the
kinds that are part of its declared type, with the exceptions that `_places` lists. Where a function meets an argument,
a rule compares the kinds that it takes with those of the argument's items (see `bank.fits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from interpreter.grids import Grid
from interpreter.language.bytecode import WORDS
from interpreter.machine.kinds import (
    BINARY,
    BOOLEAN,
    CELL,
    FITS,
    FUNCTION,
    GRID,
    INDICES,
    INTEGER,
    OBJECT,
    OBJECTS,
    OTHER_SET,
    OTHER_TUPLE,
    PAIR,
    TERNARY,
    TYPES,
    mask,
)
from interpreter.primitives import CONSTANTS, PRIMITIVES
from interpreter.primitives.types import Type
from interpreter.runtime.calls import CLOSURES, POWER
from interpreter.runtime.layout import MAX_ARITY

UNARY = FUNCTION  # a function of which nothing else is known takes one argument
DATA_KINDS = (BOOLEAN, INTEGER, PAIR, CELL, GRID, INDICES, OBJECT, OBJECTS, OTHER_SET, OTHER_TUPLE)
DATA = mask(*DATA_KINDS)  # every kind but functions
NUMBERS = mask(BOOLEAN, INTEGER)

# How the arguments of a call must fit together: a rule for each kind of closure (0 to POWER), and
FREE, EACH, CONDITION, KEY, PAIRED, CALL, ALIKE, OF_ITEMS, INTO_ITEMS, CHOICE = range(POWER + 1, POWER + 11)

_RULES = {
    "apply": EACH, "mapply": EACH, "sfilter": CONDITION, "mfilter": CONDITION, "extract": CONDITION, "argmax": KEY,
    "argmin": KEY, "valmax": KEY, "valmin": KEY, "order": KEY, "papply": PAIRED, "mpapply": PAIRED, "prapply": PAIRED,
    "equality": ALIKE, "combine": ALIKE, "intersection": ALIKE, "difference": ALIKE, "branch": CHOICE,
    "contained": INTO_ITEMS, "insert": INTO_ITEMS, "remove": INTO_ITEMS, "other": OF_ITEMS, **CLOSURES,
}  # fmt: skip

_UNUSED = {"identity", "rapply"}  # nothing new comes of them
_HIGHER = {name for name, primitive in PRIMITIVES.items() if Type.FUNCTION in primitive.parameters}
_NO_ARGUMENT = _HIGHER | _UNUSED | {"canvas", "objects", "interval", "branch"}  # never function values
_ROWS = {"apply", "order", "sfilter", "dedupe", "mostcommon", "leastcommon", "remove"}  # take a grid as its rows


def kinds_of(type_: Type) -> int:
    """The kinds of values that are of a declared type; a function is unary where nothing else is said."""
    if type_ is Type.FUNCTION:
        return mask(UNARY)
    kinds = mask(*(kind for kind in DATA_KINDS if FITS[kind, TYPES.index(type_)]))
    return kinds & ~mask(INTEGER) if type_ is Type.BOOLEAN else kinds


def _returned(name: str) -> int:
    """The kinds of what a primitive may return."""
    returns = PRIMITIVES[name].returns
    if returns is Type.TUPLE:
        return mask(OTHER_TUPLE, PAIR, CELL, GRID)
    return kinds_of(returns)


def _places(name: str) -> tuple[int, ...]:
    """The kinds that are tried at each place of a primitive.

    A grid stands for a container of rows in few places alone, because most of what containers give of it is junk.
    """
    containers = kinds_of(Type.CONTAINER)
    special = {
        "fork": (mask(BINARY), mask(UNARY), mask(UNARY)),
        "rbind": (mask(BINARY, TERNARY), DATA),
        "lbind": (mask(BINARY, TERNARY), DATA),
        "papply": (mask(BINARY), containers, containers),
        "mpapply": (mask(BINARY), containers, containers),
        "prapply": (mask(BINARY), containers & ~mask(GRID), containers & ~mask(GRID)),
        "astuple": (NUMBERS, NUMBERS),
        "repeat": (mask(GRID, OTHER_TUPLE) | NUMBERS, mask(INTEGER)),
        "power": (mask(UNARY), mask(INTEGER)),
    }
    if name in special:
        return special[name]
    rows = 0 if name in _ROWS else mask(GRID)
    return tuple(
        kinds_of(type_) & ~rows if type_ in (Type.CONTAINER, Type.TUPLE) else kinds_of(type_)
        for type_ in PRIMITIVES[name].parameters
    )


# --------------------------------------------------------------------------------------------- costs


def _table(groups: Mapping[int, str]) -> Mapping[str, int]:
    return MappingProxyType({name: cost for cost, names in groups.items() for name in names.split()})


_CALLS = _table({
    3: "objects ofcolor fill subgrid hmirror vmirror rot90 rot180 rot270 dmirror cmirror hconcat vconcat compress "
       "tophalf bottomhalf lefthalf righthalf argmax argmin mapply mfilter colorfilter paint replace merge asindices "
       "asobject compose rbind lbind matcher",
    5: "apply",
    6: "sign crement invert halve double increment decrement even positive both either flip add subtract multiply "
       "divide last leastcommon mostcommon maximum minimum height width shape portrait square vline hline uppermost "
       "lowermost leftmost rightmost ulcorner urcorner llcorner lrcorner center centerofmass combine numcolors "
       "colorcount hperiod vperiod",
    8: "repeat initset product pair papply mpapply prapply order valmax valmin dedupe astuple interval totuple insert "
       "remove contained branch equality greater power fork hmatching vmatching manhattan adjacent bordering position "
       "gravitate toivec tojvec other index",
    12: "chain",
})  # fmt: skip
_FUNCTIONS = _table({
    1: "size height width color numcolors delta box backdrop outbox inbox square vline hline leftmost rightmost "
       "uppermost lowermost shape",
    5: "sign crement invert halve double increment decrement even positive both either add subtract multiply divide "
       "maximum minimum insert remove combine product pair contained repeat astuple equality",
})  # fmt: skip


@dataclass(frozen=True)
class Costs:
    """What a term costs: whole numbers that add up over the calls and leaves of a term. `I`, 0 and 1 cost nothing."""

    call: int = 4
    """A call of a primitive that is not in `calls`."""
    calls: Mapping[str, int] = field(default_factory=lambda: _CALLS)
    function: int = 3
    """A primitive as a function value that is not in `functions`."""
    functions: Mapping[str, int] = field(default_factory=lambda: _FUNCTIONS)
    color: int = 1
    """A colour of the task."""
    small: int = 2
    """Two and three, where they are no colour of the task."""
    number: int = 5
    """Any other integer."""
    direction: int = 2
    """A pair of -1, 0 and 1 with a zero in it, and (1, 1)."""
    pair: int = 5
    """Any other pair."""

    def of_call(self, name: str | None) -> int:
        """Of a call of a primitive, or of a variable (None)."""
        return self.call if name is None else self.calls.get(name, self.call)

    def of_constant(self, name: str, colors: set[int]) -> int:
        """Of a constant, in a task with these colours."""
        value = CONSTANTS[name]
        if isinstance(value, tuple):
            return self.direction if value == (1, 1) or (0 in value and max(map(abs, value)) < 2) else self.pair
        if value in (0, 1):
            return 0
        if value in colors:
            return self.color
        return self.small if value in (2, 3) else self.number


# ------------------------------------------------------------------------------ productions and leaves

# A production: the primitive's word, or 0 for the call of a variable; what its arguments must fulfil, the kinds of what
# it may return, and the number of each place.
PRODUCTION = np.dtype(
    [
        ("word", np.int64),
        ("arity", np.int64),
        ("cost", np.int64),
        ("rule", np.int64),
        ("returned", np.int64),
        ("places", np.int64, MAX_ARITY),
    ]
)


@dataclass(frozen=True)
class Productions:
    """The calls that are tried, cheapest first. `rows` of PRODUCTION, `places` int64: the kinds that each place takes.

    `names` has None for the call of a variable, whose first place is the function.
    """

    names: tuple[str | None, ...]
    rows: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, costs: Costs) -> Productions:
        """All productions, at these costs, each of which must be at least 1."""
        names = sorted((name for name in PRIMITIVES if name not in _UNUSED), key=costs.of_call)
        calls: list[tuple[str | None, tuple[int, ...]]] = [(name, _places(name)) for name in names]
        calls.append((None, (mask(UNARY), DATA)))
        places = sorted({kinds for _, taken in calls for kinds in taken})
        rows = np.zeros(len(calls), PRODUCTION)
        for k, (name, taken) in enumerate(calls):
            word, rule, returned = (0, CALL, DATA) if name is None else _production(name)
            numbers = [places.index(kinds) for kinds in taken] + [0] * (MAX_ARITY - len(taken))
            rows[k] = (word, len(taken), costs.of_call(name), rule, returned, numbers)
        if rows["cost"].min() < 1:
            raise ValueError("a call must cost at least 1")
        return cls(tuple(name for name, _ in calls), rows, np.array(places, np.int64))


def _production(name: str) -> tuple[int, int, int]:
    return WORDS[name], _RULES.get(name, FREE), _returned(name)


class Traits(NamedTuple):
    """What tells where a term fits: its kind, and sets of kinds: those of its items; of a function, those returned, and
    those taken at each place."""

    kind: int
    items: int = 0
    gives: int = 0
    takes: tuple[int, int, int] = (0, 0, 0)
    is_power: int = 0
    """Whether it is what `power` makes."""


TRAITS = np.dtype(
    [
        ("kind", np.int32),
        ("items", np.int32),
        ("gives", np.int32),
        ("takes", np.int32, 3),
        ("is_power", np.int32),
    ]
)  # the same for compiled code


class Leaf(NamedTuple):
    """A name that is a term: `I`, a constant or a primitive as a value."""

    name: str
    cost: int
    traits: Traits


def leaves(inputs: Sequence[Grid], outputs: Sequence[Grid], costs: Costs) -> list[Leaf]:
    """The leaves of a task, `I` first, then by cost."""
    colors = {int(color) for grid in (*inputs, *outputs) for color in np.unique(grid)}
    found = [
        Leaf(name, costs.of_constant(name, colors), _constant_traits(name)) for name in CONSTANTS if name not in "FT"
    ]
    found += [
        Leaf(name, costs.functions.get(name, costs.function), _function_traits(name))
        for name in PRIMITIVES
        if name not in _NO_ARGUMENT
    ]
    return [Leaf("I", 0, Traits(GRID, mask(OTHER_TUPLE, PAIR))), *sorted(found, key=lambda leaf: leaf.cost)]


def _constant_traits(name: str) -> Traits:
    if isinstance(CONSTANTS[name], tuple):
        return Traits(PAIR, NUMBERS)
    return Traits(BOOLEAN if CONSTANTS[name] in (0, 1) else INTEGER)


def _function_traits(name: str) -> Traits:
    taken = [kinds_of(type_) for type_ in PRIMITIVES[name].parameters]
    first, second, third = taken + [0] * (3 - len(taken))
    return Traits((UNARY, BINARY, TERNARY)[len(taken) - 1], gives=_returned(name), takes=(first, second, third))
