"""Pictures: what is drawn of the values of a program's lines."""

from types import SimpleNamespace

import numpy as np
import pytest

from interpreter.dropin.trace import Tracer
from interpreter.language.program import parse
from report.catalogue import catalogue
from report.model import Puzzle
from report.values import MAX_ITEMS, pictures

GRID = np.array([[1, 1, 0], [0, 0, 2]], np.int8)


@pytest.fixture(scope="module")
def tracer():
    return Tracer()


def drawn(tracer, text, grid=GRID):
    program = parse(text)
    return pictures(program, tracer.trace(program, grid))


def test_grids_are_rows_of_digits(tracer):
    (picture,) = drawn(tracer, "O = vmirror(I)")
    assert picture == {"g": "011/200", "t": "grid 2x3"}


def test_objects_are_drawn_where_they_lie(tracer):
    objects = drawn(tracer, "O = objects(I, T, F, T)")[0]
    assert objects["n"] == 2
    assert [(item["p"], item["at"]) for item in objects["l"]] == [("11", [0, 0]), ("2", [1, 2])]
    assert objects["l"][1]["t"] == "object, 1 cell, at row 1, column 2"


def test_indices_have_no_colour(tracer):
    (picture,) = drawn(tracer, "O = ofcolor(I, ONE)")
    assert picture == {"x": "##", "at": [0, 0], "t": "indices, 2 cells, at row 0, column 0"}


def test_numbers_truth_values_and_functions_are_words(tracer):
    found = drawn(tracer, "x1 = height(I)\nx2 = portrait(I)\nx3 = shape(I)\nx4 = rbind(add, x1)\nO = palette(I)")
    assert [picture["t"] for picture in found] == ["2", "False", "(2, 3)", "rbind(add, 2)", "{0, 1, 2}"]


def test_a_line_that_fails_is_the_last_picture(tracer):
    found = drawn(tracer, "x1 = height(I)\nx2 = size(x1)\nO = hmirror(I)")
    assert found[1:] == [{"f": "type_mismatch"}]


def test_only_the_first_items_of_many_are_drawn(tracer):
    grid = np.indices((6, 6)).sum(axis=0).astype(np.int8) % 2 * 3
    (picture,) = drawn(tracer, "O = objects(I, T, F, F)", grid)
    assert picture["n"] == 36
    assert len(picture["l"]) == MAX_ITEMS


def test_tuples_of_grids_are_drawn_and_pairs_told(tracer):
    grids, pair, _ = drawn(tracer, "x1 = hsplit(I, THREE)\nx2 = astuple(ONE, TWO)\nO = hmirror(I)")
    assert [item["g"] for item in grids["l"]] == ["1/0", "1/0", "0/2"]
    assert pair == {"t": "(1, 2)"}


def test_colours_outside_the_ten_are_marked(tracer):
    (picture,) = drawn(tracer, "O = canvas(TEN, THREE_BY_THREE)")
    assert picture["g"] == "???/???/???"


def test_tasks_of_one_id_are_told_apart_by_their_grids():
    """Whatever their sets are called; and one that several sources have is one."""

    def source(task_set, color):
        grid = np.full((1, 1), color, np.int8)
        puzzle = Puzzle("t", (grid,), (grid,), (grid,), (None,))
        return SimpleNamespace(task_set=task_set, puzzles=[puzzle], results={})

    cases = catalogue([source("a", 1), source("mine", 2), source("mine", 3), source("other", 2), source("b", 1)])
    assert [(case.key, case.has) for case in cases] == [
        ("t", (True, False, False, False, True)),
        ("t (mine)", (False, True, False, True, False)),
        ("t (mine, 3)", (False, False, True, False, False)),
    ]
