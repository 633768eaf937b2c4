"""The reference's worker, on a stand-in for arc-dsl: orders of sets, failures, limits, and a worker that dies."""

import pytest

from bench.baselines.reference import Kind, Reference
from engine.errors import UsageError

DSL = """
import os

def identity(x):
    return x

def some(x):
    return frozenset(cell for row in x for cell in row)

def first(x):
    return next(iter(x))

def least(x):
    return min(x)

def canvas(value, side):
    return tuple(tuple(value for _ in range(side)) for _ in range(side))

def joined(a, b):
    return tuple(a | b)

def inner(x):
    return first(x)

def loop(x):
    while True:
        pass

def quit(x):
    os._exit(3)

def eat(x):
    return [0] * (1 << 33)
"""
GRID = ((1, 2), (3, 3))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arc-dsl")
    (folder / "dsl.py").write_text(DSL)
    (folder / "constants.py").write_text("ONE = 1\nTWO = 2\nTEN = 10\n")
    with Reference(folder, processes=2, seconds=0.2) as reference:
        yield reference


def judge(reference, *program):
    return reference.judge([(program, GRID)])[0]


def test_a_grid_that_does_not_depend_on_the_order_of_sets(reference):
    verdict = judge(reference, ("some", "I"), ("least", "x1"), ("canvas", "x2", "TWO"))
    assert verdict.kind is Kind.GRID
    assert verdict.grid == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    "program",
    [
        [("some", "I"), ("first", "x1"), ("canvas", "x2", "TWO")],
        [("some", "I"), ("joined", "x1", "x1"), ("first", "x2"), ("canvas", "x3", "TWO")],
    ],
    ids=["the first item of a set", "the first item of a union"],
)
def test_what_depends_on_the_order_of_sets_is_told_apart(reference, program):
    assert judge(reference, *program).kind is Kind.ORDER


def test_values_that_are_no_grids_and_failures_say_what_they_are(reference):
    assert judge(reference, ("canvas", "TEN", "TWO")).kind is Kind.NO_GRID
    assert judge(reference, ("some", "I")).message == "set of 3 (1, ...)"
    verdict = judge(reference, ("identity", "I"), ("inner", "ONE"))
    assert (verdict.kind, verdict.line, verdict.calls) == (Kind.FAILED, 2, ("inner", "first"))
    assert (verdict.primitive, verdict.error, verdict.arguments) == ("first", "TypeError", ("1",))


def test_time_memory_and_a_dead_worker_end_one_run_and_no_other(reference):
    programs = [[("loop", "I")], [("eat", "I")], [("quit", "I")], [("identity", "I")]] * 2
    verdicts = reference.judge([(tuple(program), GRID) for program in programs])
    assert [verdict.kind for verdict in verdicts] == [Kind.TIMEOUT, Kind.FAILED, Kind.FAILED, Kind.GRID] * 2
    assert [verdict.error for verdict in verdicts[:4]] == ["", "MemoryError", "Died", ""]


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no checkout of arc-dsl"):
        Reference(tmp_path)
