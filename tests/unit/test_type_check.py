"""Declared types: what cannot fit is named with line, place and both types; everything else passes."""

import json
import os
from pathlib import Path

import pytest

from interpreter.language.program import parse
from interpreter.language.type_check import is_well_typed, name_type, type_errors
from interpreter.primitives.types import Type


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("O = hmirror(I)", []),
        ("x1 = rbind(shift, DOWN)\nx2 = asobject(I)\nx3 = x1(x2)\nO = paint(I, x3)", []),
        ("O = replace(I, TWO_BY_TWO, ZERO)", ["line 1: argument 2 of replace is Integer, TWO_BY_TWO is declared Pair"]),
        ("O = replace(I, T, F)", []),
        ("x1 = size(I)\nO = paint(I, x1)", ["line 2: argument 2 of paint is Object, x1 is declared Integer"]),
        ("x1 = size(I)\nO = x1(I)", ["line 2: x1 is declared Integer and cannot be called"]),
        ("O = size(I)", ["line 1: O is declared Integer, not Grid"]),
        ("O = apply(I, hmirror)", [
            "line 1: argument 1 of apply is Function, I is declared Grid",
            "line 1: argument 2 of apply is Container, hmirror is declared Function",
        ]),
        ("x1 = asindices(I)\nO = paint(I, x1)", ["line 2: argument 2 of paint is Object, x1 is declared Indices"]),
    ],
)  # fmt: skip
def test_every_place_that_cannot_fit_is_named(text, messages):
    program = parse(text)
    assert type_errors(program) == messages
    assert is_well_typed(program) == (not messages)


def test_names_have_the_types_of_their_declarations():
    program = parse("x1 = rbind(shift, DOWN)\nx2 = asobject(I)\nx3 = x1(x2)\nO = paint(I, x3)")
    names = ("I", "T", "TWO", "DOWN", "shift", "x1", "x2", "x3")
    types = [Type.GRID, Type.BOOLEAN, Type.INTEGER, Type.PAIR, Type.FUNCTION, Type.FUNCTION, Type.OBJECT, Type.ANY]
    assert [name_type(program, name) for name in names] == types


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
def test_nearly_all_real_programs_are_well_typed():
    rows = [json.loads(row) for row in Path(os.environ["CODEIT_SOLVERS"]).read_text().splitlines()]
    solving = [parse(row["program"]) for row in rows if row["solves"]]
    assert sum(map(is_well_typed, solving)) >= 0.97 * len(solving)
