"""Real programs on real tasks: the embedded seeds, and the solver programs of arc-dsl where they are at hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import canonical, parse
from interpreter.machine.machine import Machine

# Programs whose result depends on the order in which CPython iterates over a set; ours is canonical.
HASH_ORDER = {
    "228f6490": "takes the first of two equally good objects, in the order of a set",
}


@pytest.fixture(scope="module")
def tasks():
    return {task.id: task for task in load_tasks("arc1-train")}


@pytest.fixture(scope="module")
def machine():
    return Machine()


def reproduces(machine, program, task):
    """Whether a program maps every input of a task, tests included, to its output."""
    inputs = [*task.inputs, *task.test_inputs]
    jobs = np.array([(0, k) for k in range(len(inputs))], np.int32)
    runs = machine.run(Code.assemble([program]), GridTable.pack(inputs), jobs)
    targets = [*task.outputs, *task.test_outputs]
    return all(o is not None and np.array_equal(o, t) for o, t in zip(runs.outputs, targets, strict=True))


def test_every_seed_solves_its_task(machine, tasks):
    seeds = load_seeds(None, tasks)
    assert len(seeds) >= 20
    assert [seed.task for seed in seeds if not reproduces(machine, seed.program, tasks[seed.task])] == []


def test_seeds_are_canonical_and_distinct(tasks):
    seeds = load_seeds(None, tasks)
    assert all(canonical(seed.program.text) == seed.program.text for seed in seeds)
    assert len({(seed.task, seed.program.text) for seed in seeds}) == len(seeds)
    assert {seed.origin for seed in seeds} <= {"hand", "search"}


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
def test_solver_programs_reproduce_their_tasks(machine, tasks):
    rows = [json.loads(row) for row in Path(os.environ["CODEIT_SOLVERS"]).read_text().splitlines()]
    solving = [row for row in rows if row["solves"]]
    assert len(solving) == 392
    wrong = {row["task"] for row in solving if not reproduces(machine, parse(row["program"]), tasks[row["task"]])}
    assert wrong == set(HASH_ORDER)


@pytest.mark.skipif("CODEIT_SOLVERS" not in os.environ, reason="CODEIT_SOLVERS is not set")
def test_no_handwritten_seed_is_one_of_the_solver_programs(tasks):
    """But for programs so short that there is hardly another."""
    rows = [json.loads(row) for row in Path(os.environ["CODEIT_SOLVERS"]).read_text().splitlines()]
    solvers = {canonical(row["program"]) for row in rows}
    seeds = [seed for seed in load_seeds(None, tasks) if seed.origin == "hand" and len(seed.program.lines) > 2]
    assert [seed.task for seed in seeds if seed.program.text in solvers] == []
