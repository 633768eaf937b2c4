"""What a report says of time and chance: histories, and intervals."""

from report_folders import grids_of

from engine.execution import digest
from engine.ranking import Entry, Method
from report.figures.lessons import changes
from report.intervals import interval
from report.model import Puzzle
from report.sources.chronicle import Chronicle

RIGHT, WRONG = grids_of(["12/34", "43/21"])
PUZZLE = Puzzle("t", (RIGHT,), (RIGHT,), (RIGHT,), (RIGHT,))


def entry(program, prediction, found, performance=1.0):
    return Entry(program, performance, digest([prediction]), found)


def chronicle(*steps):
    """Each step a list of entries, and a point after it."""
    told = Chronicle([PUZZLE])
    for number, entries in enumerate(steps, 1):
        for one in entries:
            told.add("t", one, number, "policy")
        told.point(number)
    return told.results().get("t")


def test_a_task_is_lost_when_wrong_programs_push_the_right_one_out():
    result = chronicle(
        [entry("O = a_long_one(I)", RIGHT, 0)], [], [entry(f"O = {k}(I)", WRONG, 1 + k) for k in range(3)]
    )
    assert result.solved == (True, True, False)
    assert result.is_lost
    assert result.is_found
    assert result.needed(Method.PAPER) == 0
    assert result.needed(Method.DISTINCT) == 2


def test_points_without_programs_keep_what_was():
    assert chronicle([], [entry("O = f(I)", RIGHT, 0)], [], []).solved == (False, True, True, True)
    assert chronicle([], []) is None


def test_history_has_each_new_best_program_with_its_time():
    result = chronicle(
        [entry("O = long(I)", WRONG, 0, 0.5)],
        [entry("O = longer_and_worse(I)", WRONG, 1, 0.25)],
        [entry("O = right(I)", RIGHT, 2)],
        [entry("O = r(I)", RIGHT, 3)],
    )
    assert [(step.when, step.program) for step in result.history] == [
        (1, "O = long(I)"), (3, "O = right(I)"), (4, "O = r(I)"),
    ]  # fmt: skip


def test_a_task_whose_test_output_nobody_has_is_not_right_or_wrong():
    unknown = Puzzle("t", (RIGHT,), (RIGHT,), (RIGHT,), (None,))
    told = Chronicle([unknown])
    told.add("t", entry("O = f(I)", RIGHT, 0), 1, "policy")
    told.point(1)
    result = told.results()["t"]
    assert result.best.right is None
    assert result.solved == (False,)


def test_programs_right_on_the_demonstrations_are_counted_by_length():
    told = Chronicle([PUZZLE])
    for number, (text, prediction, share) in enumerate([("a", RIGHT, 1.0), ("b", WRONG, 1.0), ("c\nd", RIGHT, 0.5)]):
        told.add("t", entry(text, prediction, number, share), 1, "search")
    assert told.generalization() == {1: (2, 1)}


def test_changes_tell_gained_from_gained_again():
    assert changes([False, True, True, False, True]) == ["", "gained", "", "lost", "gained again"]


def test_intervals_hold_the_count_and_are_the_same_each_time():
    low, high = interval(53, 400)
    assert 38 <= low <= 42
    assert 64 <= high <= 68
    assert interval(53, 400) == (low, high)
    assert interval(0, 400) == (0, 0)
    assert interval(400, 400) == (400, 400)
    assert interval(0, 0) == (0, 0)
