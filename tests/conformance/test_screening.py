"""Screening finds exactly what running every program alone finds."""

import numpy as np
import pytest

from engine.seeds import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.machine import Code, Machine
from interpreter.mutation import VARIED, Mutator
from interpreter.program import parse
from interpreter.screening import MAX_FUEL, Screen, ScreenPool
from interpreter.symbols import Symbols


@pytest.fixture(scope="module")
def work():
    """Mutants of some seeds, inputs of their tasks, and as targets what one of the mutants gives."""
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)[::6]
    programs = Symbols.pack([seed.program for seed in seeds])
    code = Symbols.concatenate([programs, Mutator(programs, rates=VARIED).mutants(1500, 0).programs]).code()
    grids = GridTable.pack([tasks[seed.task].inputs[0] for seed in seeds[:8]])
    return code, grids


def alone(code, grids, targets, pairs, fuel):
    jobs = np.array([(p, source) for source, _ in pairs for p in range(len(code))], np.int32)
    outputs = Machine(fuel).run(code, grids, jobs).outputs
    wanted = [target for _, target in pairs for _ in range(len(code))]
    found = [o is not None and np.array_equal(o, targets[t]) for o, t in zip(outputs, wanted, strict=True)]
    return np.array(found).reshape(len(pairs), len(code))


@pytest.mark.parametrize(("fuel", "words"), [(200_000, 1 << 23), (2_000, 1 << 14), (300, 1 << 13), (60, 1 << 12)])
def test_the_same_matches_as_running_each_program(work, fuel, words):
    """Also with so little memory that an input is begun again and again, and with too little fuel for many."""
    code, grids = work
    runs = Machine(fuel).run(code, grids, np.array([(k * 40, k) for k in range(len(grids))], np.int32))
    made = [grid if grid is not None else np.zeros((1, 1), np.int8) for grid in runs.outputs]
    targets = GridTable.pack([*made, *(grids[k] for k in range(len(grids)))])
    pairs = np.array([(k, t) for k in range(len(grids)) for t in (k, len(grids) + k)], np.int32)
    screen = Screen(fuel, words)
    matches = screen.run(code, grids, targets, pairs)
    expected = alone(code, grids, targets, pairs, fuel)
    assert (matches == expected).all()
    assert (screen.run(code, grids, targets, pairs) == expected).all()
    assert fuel < 300 or expected.sum() > len(pairs)
    saved = screen.saved
    assert saved.common + saved.remembered + saved.run <= saved.lines
    assert saved.run < saved.lines / 2


def test_threads_change_nothing(work):
    code, grids = work
    pairs = np.array([(k, k) for k in range(len(grids))], np.int32)
    found = []
    for workers in (1, 3):
        pool = ScreenPool(workers, 50_000, grids, grids)
        done = []
        found.append(pool.run(code, pairs, done.append))
        assert done == list(range(1, len(pairs) + 1))
        assert pool.saved.lines > 0
        pool.close()
    assert (found[0] == found[1]).all()


def test_values_that_share_parts_endlessly_do_not_stall():
    """A set in a set in a set ... is small in memory and endless when it is taken apart."""
    lines = ["x1 = initset(I)"] + [f"x{k} = pair(x{k - 1}, x{k - 1})" for k in range(2, 40)] + ["O = hmirror(I)"]
    program = parse("\n".join(lines))
    grid = GridTable.pack([np.arange(9, dtype=np.int8).reshape(3, 3)])
    target = GridTable.pack([grid[0][::-1].copy()])
    code = Code.assemble([program, program.pruned()])
    matches = Screen(100_000).run(code, grid, target, np.array([[0, 0]], np.int32))
    assert matches.tolist() == [alone(code, grid, target, [(0, 0)], 100_000)[0].tolist()]


def test_limits_are_checked():
    with pytest.raises(ValueError, match="at least"):
        Screen(10_000, 1 << 12)
    with pytest.raises(ValueError, match=f"1 to {MAX_FUEL:,}"):
        Screen(MAX_FUEL + 1)
