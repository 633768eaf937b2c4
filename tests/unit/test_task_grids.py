"""The grids of tasks in one table: where they lie, and which runs are made of them."""

import numpy as np

from engine.task_grids import TaskGrids
from engine.tasks import Task


def task(id_, demonstrations, tests):
    """A task whose grids are as wide as their place says: demonstrations 1, 2, ..., tests after them."""
    grids = [np.zeros((1, 1 + k), np.int8) for k in range(demonstrations + tests)]
    inputs, test_inputs = tuple(grids[:demonstrations]), tuple(grids[demonstrations:])
    return Task(id_, inputs, inputs, test_inputs, test_inputs)


TASKS = [task("a", 2, 1), task("b", 3, 2)]


def test_demonstrations_and_tests_lie_task_by_task():
    without, grids = TaskGrids.pack(TASKS), TaskGrids.pack(TASKS, tests=True)
    assert without.grids.shapes[:, 1].tolist() == [1, 2, 1, 2, 3]
    assert grids.grids.shapes[:, 1].tolist() == [1, 2, 3, 1, 2, 3, 4, 5]
    assert (grids.first.tolist(), grids.counts.tolist()) == ([0, 3], [3, 5])


def test_each_program_runs_on_all_inputs_of_its_task_in_order():
    grids = TaskGrids.pack(TASKS)
    jobs = grids.jobs(np.array([7, 4, 7]), np.array([1, 0, 0]))
    assert jobs.dtype == np.int32
    assert jobs.tolist() == [[7, 2], [7, 3], [7, 4], [4, 0], [4, 1], [7, 0], [7, 1]]


def test_the_inputs_of_tasks_come_with_where_each_begins():
    inputs, starts = TaskGrids.pack(TASKS).inputs(np.array([1, 0, 1]))
    assert inputs.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert starts.tolist() == [0, 3, 5, 8]


def test_no_work_is_no_runs():
    assert TaskGrids.pack(TASKS).jobs(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0, 2)
    assert len(TaskGrids.pack([]).grids) == 0
