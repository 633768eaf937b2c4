"""Ranking, and the wall between it and test outputs."""

import dataclasses
import inspect

import numpy as np
import pytest

from engine import ranking
from engine.evaluation import Scoreboard
from engine.execution import Execution
from engine.ranking import Entry, Leaders, Method, rank
from engine.tasks import Task


def entry(program, performance, prediction, found=0):
    return Entry(program, performance, prediction.encode(), found)


def test_the_papers_ranking_is_performance_then_shortness_then_first_found():
    entries = [
        entry("long", 1.0, "a", 0),
        entry("half", 0.5, "b", 1),
        entry("abc", 1.0, "c", 3),
        entry("xyz", 1.0, "d", 2),
    ]
    assert [c.entry.program for c in rank(entries, Method.PAPER)] == ["xyz", "abc", "long", "half"]


def test_equal_predictions_cost_one_attempt_in_the_distinct_ranking():
    entries = [entry("a", 1.0, "wrong", 0), entry("bb", 1.0, "wrong", 1), entry("cccc", 1.0, "right", 2)]
    assert [c.entry.program for c in rank(entries, Method.DISTINCT)] == ["a", "cccc"]
    assert [c.votes for c in rank(entries, Method.DISTINCT)] == [2, 1]


def test_votes_go_before_shortness_but_after_performance():
    entries = [
        entry("a", 0.5, "popular", 0),
        entry("b", 0.5, "popular", 1),
        entry("cccc", 1.0, "x", 2),
        entry("ddddd", 1.0, "y", 3),
        entry("eeeeee", 1.0, "y", 4),
    ]
    assert [c.entry.program for c in rank(entries, Method.DISTINCT)] == ["ddddd", "cccc", "a"]


@pytest.mark.parametrize("seed", range(20))
def test_leaders_rank_as_all_programs_do(seed):
    generator = np.random.default_rng(seed)
    entries = [
        entry("x" * int(generator.integers(1, 9)), float(generator.choice([0.5, 1.0])), str(generator.integers(6)), k)
        for k in range(200)
    ]
    leaders = Leaders(3)
    for each in entries:
        leaders.add(each)
    assert leaders.programs == len(entries)
    assert len(leaders.entries()) <= 3 * 6
    for method in Method:
        first, wanted = (
            [(c.entry.found, c.votes) for c in rank(these, method)[:3]] for these in (leaders.entries(), entries)
        )
        assert first == wanted


GRIDS = [np.full((2, 2), k, np.int8) for k in range(4)]


def make_task(test_outputs):
    return Task("t", (GRIDS[0], GRIDS[1]), (GRIDS[1], GRIDS[0]), (GRIDS[2],), tuple(test_outputs))


def scored(test_output):
    board = Scoreboard([make_task([test_output])])
    board.add(Execution("t", "good", (GRIDS[1], GRIDS[0]), (GRIDS[3],)))
    board.add(Execution("t", "bad", (GRIDS[1], None), (GRIDS[2],)))
    board.add(Execution("t", "invalid", (None, None), (GRIDS[0],)))
    return board


def test_test_outputs_cannot_reach_the_ranking():
    """The ranking's inputs have no room for them, and its result is the same whatever they are."""
    fields = {field.name for field in dataclasses.fields(Entry)}
    assert fields == {"program", "performance", "prediction", "found", "votes", "others"}
    assert list(inspect.signature(rank).parameters) == ["entries", "method"]
    assert not hasattr(ranking, "Task")
    for method in Method:
        orders = [[c.entry.program for c in scored(grid).attempts("t", method)] for grid in GRIDS]
        assert all(order == ["good", "bad"] for order in orders)


def test_scores_depend_on_test_outputs_and_on_nothing_else():
    assert scored(GRIDS[3]).summary()["paper"] == {"pass@1": 1, "pass@2": 1, "pass@3": 1}
    assert scored(GRIDS[2]).summary()["paper"] == {"pass@1": 0, "pass@2": 1, "pass@3": 1}
    assert scored(GRIDS[0]).summary()["distinct"] == {"pass@1": 0, "pass@2": 0, "pass@3": 0}


def test_every_test_input_must_be_right():
    task = Task("t", (GRIDS[0],), (GRIDS[1],), (GRIDS[2], GRIDS[3]), (GRIDS[0], GRIDS[1]))
    board = Scoreboard([task])
    board.add(Execution("t", "one of two", (GRIDS[1],), (GRIDS[0], GRIDS[0])))
    assert board.summary()["paper"]["pass@3"] == 0
    board.add(Execution("t", "both", (GRIDS[1],), (GRIDS[0], GRIDS[1])))
    assert board.summary()["paper"]["pass@2"] == 1
