"""Fuel bounds time: each cell that a primitive looks at is charged, in a grid and in a table of one row many times.

What a call costs is the difference to the same program with `identity` in its place.
"""

from functools import cache

import numpy as np
import pytest

from bench.material.extremes import Writer, extreme
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import Program
from interpreter.machine.machine import DEFAULT_FUEL, Machine
from interpreter.primitives import PRIMITIVES
from interpreter.primitives.types import Type
from interpreter.runtime.outcome import Outcome

INPUT = np.array([[0, 1, 2], [3, 1, 0], [0, 0, 4]], np.int8)
SMALL, LARGE = 20, 200  # sides of what is looked at
GRIDS = (Type.GRID, Type.ELEMENT, Type.PIECE)
OTHERS = {
    Type.INTEGER: "2",
    Type.BOOLEAN: "1",
    Type.PAIR: "(2, 3)",
    Type.PATCH: "asobject(I)",
    Type.OBJECT: "asobject(I)",
}
# Which share of the cells a primitive looks at, where that is not all of them.
SHARES = {
    **dict.fromkeys(("tophalf", "bottomhalf", "lefthalf", "righthalf"), 0.5),
    "downscale": 0.25,
    "trim": 0.9,
    **dict.fromkeys(("height", "width", "shape", "portrait", "square", "bordering"), 0.0),
    **dict.fromkeys(("index", "crop", "subgrid", "toobject"), 0.0),
}
UNREAD = ("hmirror", "vconcat", "tophalf", "bottomhalf")  # pass the rows of a table on as they are


@cache
def machine():
    return Machine()


def run(program):
    """Outcome and fuel of a program on a small grid."""
    runs = machine().run(Code.assemble([program]), GridTable.pack([INPUT]), np.zeros((1, 2), np.int32))
    return Outcome(runs.outcomes[0]), int(runs.fuel[0])


def ending(expressions, primitive):
    """A program that calls a primitive on the values of some expressions."""
    writer = Writer()
    arguments = [writer.write(expression) for expression in expressions]
    writer.call(primitive, *arguments)
    return Program(tuple(writer.lines))


def price(primitive, expressions):
    """The fuel of one call, or None if the call fails; a result that is no grid is none."""
    outcome, with_it = run(ending(expressions, primitive))
    if outcome not in (Outcome.OK, Outcome.NOT_A_GRID):
        return None
    writer = Writer()
    for expression in expressions:
        writer.write(expression)
    writer.call("identity", "I")
    return with_it - run(Program(tuple(writer.lines)))[1]


def arguments_of(primitive, grid):
    return [grid if type_ in GRIDS else OTHERS[type_] for type_ in PRIMITIVES[primitive].parameters]


TAKES_GRIDS = [name for name, primitive in PRIMITIVES.items() if any(type_ in GRIDS for type_ in primitive.parameters)]


@pytest.mark.parametrize("primitive", TAKES_GRIDS)
@pytest.mark.parametrize("grid", ["canvas(1, ({0}, {0}))", "canvas(LEFT, ({0}, {0}))"], ids=["grid", "table"])
def test_each_cell_that_is_looked_at_is_charged(primitive, grid):
    small, large = (price(primitive, arguments_of(primitive, grid.format(side))) for side in (SMALL, LARGE))
    if small is None or large is None:
        assert grid.startswith("canvas(LEFT"), "a grid is what it takes"
        return
    share = 0.0 if "LEFT" in grid and primitive in UNREAD else SHARES.get(primitive, 1.0)
    assert large - small >= share * (LARGE * LARGE - SMALL * SMALL)


DOUBLED = "power(fork(astuple, identity, identity), 100)"
NAMED = {
    "fgpartition(canvas(LEFT, (30000, 30000)))": Outcome.OUT_OF_MEMORY,
    "partition(canvas(LEFT, (30000, 30000)))": Outcome.OUT_OF_MEMORY,
    "mostcolor(canvas(LEFT, (30000, 30000)))": Outcome.OUT_OF_MEMORY,
    "colorcount(canvas(LEFT, (30000, 30000)), 1)": Outcome.OUT_OF_MEMORY,
    "rot90(canvas(LEFT, (30000, 30000)))": Outcome.OUT_OF_MEMORY,
    "upscale(canvas(I, (30000, 30000)), 30000)": Outcome.OUT_OF_FUEL,
    "ofcolor(canvas(I, (30000, 30000)), 1)": Outcome.OUT_OF_FUEL,
    "asobject(canvas(identity, (30000, 30000)))": Outcome.OUT_OF_FUEL,
    "replace(canvas(I, (30000, 30000)), 1, 2)": Outcome.OUT_OF_FUEL,
    "cellwise(canvas(I, (30000, 30000)), canvas(I, (30000, 30000)), 1)": Outcome.OUT_OF_FUEL,
    f"equality({DOUBLED}(I), {DOUBLED}(rot180(rot180(I))))": Outcome.OUT_OF_FUEL,
    "power(identity, 2 ** 30)(I)": Outcome.OUT_OF_FUEL,
    "contained(repeat(ORIGIN, 3), repeat(repeat(ORIGIN, 3), 1000))": Outcome.NOT_A_GRID,
}


@pytest.mark.parametrize(("expression", "outcome"), NAMED.items(), ids=NAMED)
def test_what_is_large_in_name_alone_ends_the_run(expression, outcome):
    """900 million cells that are 30,000 words of memory, values that double a hundred times, a billion calls."""
    writer = Writer()
    writer.write(expression)
    assert run(Program(tuple(writer.lines)))[0] is outcome


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_the_largest_arguments_end_in_a_typed_outcome_within_the_fuel(primitive):
    outcome, fuel = run(extreme(primitive, np.random.default_rng(7)))
    assert outcome not in (Outcome.INTERNAL_ERROR, Outcome.CRASHED)
    assert 0 < fuel <= DEFAULT_FUEL
