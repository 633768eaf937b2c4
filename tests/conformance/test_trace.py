"""Values of a program's lines: those that the machine has, in its order."""

import numpy as np
import pytest

from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.dropin.dsl import objects
from interpreter.dropin.trace import Items, Tracer
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine.machine import Machine
from interpreter.runtime.outcome import Outcome

GRID = np.array([[1, 1, 0], [0, 0, 2]], np.int8)


@pytest.fixture(scope="module")
def tracer():
    return Tracer()


def trace(tracer, text, grid=GRID):
    return tracer.trace(parse(text), grid)


def test_every_line_has_its_value(tracer):
    found = trace(tracer, "x1 = objects(I, T, F, T)\nx2 = size(x1)\nx3 = rbind(add, x2)\nO = hmirror(I)")
    first = ((1, (0, 0)), (1, (0, 1)))
    assert found.values[0] == (first, ((2, (1, 2)),))
    assert found.values[1] == 2
    assert repr(found.values[2]) == "rbind(add, 2)"
    assert found.values[3] == ((0, 0, 2), (1, 1, 0))
    assert found.outcome is Outcome.OK


def test_sets_are_told_from_tuples_and_have_the_order_of_the_machine(tracer):
    found = trace(tracer, "x1 = palette(I)\nx2 = totuple(x1)\nx3 = first(x1)\nO = canvas(x3, UNITY)")
    assert isinstance(found.values[0], Items)
    assert type(found.values[1]) is tuple
    assert found.values[0] == found.values[1]
    assert found.values[0][0] == found.values[2]


def test_values_are_those_of_the_drop_in(tracer):
    (found,) = trace(tracer, "O = objects(I, F, T, F)").values
    assert frozenset(map(frozenset, found)) == objects(tuple(map(tuple, GRID.tolist())), False, True, False)


def test_a_line_that_fails_ends_the_trace(tracer):
    found = trace(tracer, "x1 = hmirror(I)\nx2 = size(ZERO)\nO = hconcat(x1, x1)")
    assert len(found.values) == 1
    assert found.outcome is Outcome.TYPE_MISMATCH
    assert trace(tracer, "O = hmirror(I)").outcome is Outcome.OK  # the next run knows nothing of it


def test_fuel_bounds_a_trace_as_it_bounds_a_run():
    program = parse("x1 = hmirror(I)\nx2 = vmirror(x1)\nO = vmirror(x2)")
    for fuel in (1, 20, 40, 60, 80, 1000):
        run = Machine(fuel).run(Code.assemble([program]), GridTable.pack([GRID]), np.zeros((1, 2), np.int32))
        assert Tracer(fuel).trace(program, GRID).outcome == run.outcomes[0]


def test_the_last_value_is_the_output_of_the_machine(tracer):
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)[:40]
    machine = Machine()
    for seed in seeds:
        grid = tasks[seed.task].inputs[0]
        found = tracer.trace(seed.program, grid)
        runs = machine.run(Code.assemble([seed.program]), GridTable.pack([grid]), np.zeros((1, 2), np.int32))
        assert np.array_equal(found.values[-1], runs.outputs[0])
