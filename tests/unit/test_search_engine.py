"""The engine of search: any source fits in, and what it finds is remembered, recorded, and known to other sources."""

import numpy as np
import pytest

from engine.search.acceptance import Ranked, Solving
from engine.search.demonstrations import Demonstrations
from engine.search.effort import SEEDS
from engine.search.population import Population
from engine.search.search import Search
from engine.search.sources.given import Given
from engine.search.sources.source import Proposal, State
from engine.search.workers import Clock, Workers
from engine.tasks import Task
from interpreter.language.program import parse
from interpreter.language.symbols import Symbols

FLIP, TURN, SAME = "O = hmirror(I)", "O = rot90(I)", "O = identity(I)"
GRIDS = tuple(np.random.default_rng(k).integers(0, 9, (3, 3)).astype(np.int8) for k in range(4))
SYMMETRIC = np.full((3, 3), 4, np.int8)


def task(id_, change, test=None):
    """Two demonstrations and a test of a change; one of the demonstrations looks the same whatever is done to it."""
    test = GRIDS[2] if test is None else test
    return Task(id_, (SYMMETRIC, GRIDS[1]), (SYMMETRIC, change(GRIDS[1])), (test,), (change(test),))


class Fixed:
    """A source of the same programs in two proposals."""

    repeats = True

    def __init__(self, *programs, **proposal):
        self.programs, self.proposal = programs, proposal

    def proposals(self, batch, clock):
        for some in self.programs if batch == 0 else ():
            yield Proposal(Symbols.pack([parse(text) for text in some]), **self.proposal)


class Notes:
    """A journal that remembers."""

    def __init__(self):
        self.findings = []

    def record(self, proposal, findings):
        self.findings.append([(one.task, one.entry.program, one.entry.found, one.solves) for one in findings])


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def make(request):
    """Makes a search of two tasks, flipping and turning, by what it accepts."""
    tasks = [task("flip", lambda grid: grid[::-1]), task("turn", lambda grid: grid[::-1].T)]
    with Workers(request.param, 10_000) as workers:

        def new(solving):
            demonstrations = Demonstrations(tasks)
            acceptance = Solving(tasks, demonstrations) if solving else Ranked(tasks, exhaustive=True)
            state = State(tasks, demonstrations, acceptance, workers, SEEDS, 0, Population(24))
            notes = Notes()
            return Search(state, notes), notes

        yield new


def test_what_matches_is_found_in_order_of_program_then_task(make):
    search, notes = make(solving=False)
    batch = search.batch(Fixed([SAME, TURN], [FLIP]), 0, Clock())
    assert (batch.programs, batch.is_whole, search.programs) == (3, True, 3)
    assert notes.findings == [
        [(0, SAME, 0, False), (1, SAME, 0, False), (0, TURN, 1, False), (1, TURN, 1, True)],
        [(0, FLIP, 2, True), (1, FLIP, 2, False)],
    ]
    assert search.state.population.solved == {0: FLIP, 1: TURN}
    assert [one.program for one in search.state.population.best(0)] == [FLIP, TURN, SAME]


def test_a_batch_can_be_run_in_parts(make):
    search, notes = make(solving=False)
    source = Fixed([SAME, TURN], [FLIP])
    first = search.batch(source, 0, Clock(), most=1)
    second = search.batch(source, 0, Clock(), skip=1)
    assert (first.programs, first.is_whole) == (1, False)
    assert (second.programs, second.is_whole) == (2, True)
    assert [one for some in notes.findings for one in some if one[0] == 1] == [
        (1, SAME, 0, False), (1, TURN, 1, True), (1, FLIP, 2, False)
    ]  # fmt: skip


def test_nothing_proposed_is_no_batch(make):
    search, notes = make(solving=False)
    assert search.batch(Fixed([FLIP]), 1, Clock()) is None
    assert notes.findings == []


def test_programs_for_one_task_run_on_no_other(make):
    search, notes = make(solving=False)
    search.batch(Fixed([SAME, FLIP], owners=np.array([1, 0])), 0, Clock())
    assert notes.findings == [[(1, SAME, 0, False), (0, FLIP, 1, True)]]


def test_what_a_policy_wrote_for_a_task_is_a_near_miss_of_it_alone(make):
    search, notes = make(solving=False)
    programs = [(0, parse(SAME)), (1, parse("O = first(I)")), (1, parse(TURN))]
    batch = search.batch(Given(search.state, programs), 0, Clock())
    assert (batch.programs, batch.is_whole) == (3, True)
    assert notes.findings == [[(0, SAME, 0, False), (1, TURN, 2, True)]]
    assert [one.program for one in search.state.population.near_misses(0)] == [SAME]
    assert search.batch(Given(search.state, []), 1, Clock()).is_whole  # nothing was right: still a batch


def test_a_seed_is_right_on_the_tests_too_and_closes_its_task(make):
    search, notes = make(solving=True)
    search.batch(Fixed([FLIP], [SAME, TURN]), 0, Clock())
    assert [one for some in notes.findings for one in some if one[3]] == [(0, FLIP, 0, True), (1, TURN, 2, True)]
    assert all(task == 1 for task, *_ in notes.findings[1])


def test_what_is_right_on_demonstrations_alone_is_no_seed():
    odd = Task("odd", (SYMMETRIC,), (SYMMETRIC,), (GRIDS[2],), (GRIDS[3],))
    with Workers(1, 10_000) as workers:
        demonstrations = Demonstrations([odd])
        state = State([odd], demonstrations, Solving([odd], demonstrations), workers, SEEDS, 0, Population(24))
        notes = Notes()
        Search(state, notes).batch(Fixed([SAME, FLIP]), 0, Clock())
    assert notes.findings == [[]]
    assert state.population.solved == {}
