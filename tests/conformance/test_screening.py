"""Screening gives exactly what running every program alone gives."""

from itertools import product

import numpy as np
import pytest

from bench.material.wild import VARIED
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code, order_by_lines
from interpreter.language.program import parse
from interpreter.language.symbols import Symbols
from interpreter.machine.machine import Machine
from interpreter.machine.screening import MAX_FUEL, Screen, ScreenPool
from interpreter.mutation.mutator import Mutator
from interpreter.runtime.digests import grid_digests


@pytest.fixture(scope="module")
def work():
    """Mutants of some seeds, and inputs of their tasks."""
    tasks = {task.id: task for task in load_tasks("arc1-train")}
    seeds = load_seeds(None, tasks)[::6]
    programs = Symbols.pack([seed.program for seed in seeds])
    code = Symbols.concatenate([programs, Mutator(programs, rates=VARIED).mutants(1500, 0).programs]).code()
    grids = GridTable.pack([tasks[seed.task].inputs[0] for seed in seeds[:8]])
    return code, grids


def alone(code, grids, fuel):
    jobs = np.array([(p, k) for k in range(len(grids)) for p in range(len(code))], np.int32)
    return grid_digests(Machine(fuel).run(code, grids, jobs).outputs).reshape(len(grids), len(code))


LIMITS = [(200_000, 1 << 23, 1 << 16), (2_000, 1 << 14, 1 << 16), (300, 1 << 13, 1 << 16), (60, 1 << 12, 1 << 9)]


@pytest.mark.parametrize(("fuel", "words", "slots"), LIMITS)
def test_the_same_grids_as_running_each_program(work, fuel, words, slots):
    """Also with so little memory that an input is begun again and again, and with too little fuel for many."""
    code, grids = work
    order = order_by_lines(code)
    screen = Screen(fuel, words, slots)
    expected = alone(code, grids, fuel)[:, order]
    for _ in range(2):
        assert all((screen.run(code, grids, k, order) == expected[k]).all() for k in range(len(grids)))
    assert 0 < (expected != 0).mean() < 1
    saved = screen.saved
    assert saved.common + saved.remembered + saved.run <= saved.lines
    assert saved.run < saved.lines / 2


@pytest.mark.parametrize("slots", [1 << 16, 1 << 9])
def test_the_longest_programs_are_screened(slots):
    """Also where a table has hardly room for one of them."""
    programs = []
    for first, n in product(("rot90", "rot270"), (2, 3, 5)):
        middle = [f"x{k + 1} = {'rot90' if k % n else 'hmirror'}(x{k})" for k in range(1, 255)]
        programs.append(parse("\n".join([f"x1 = {first}(I)", *middle, "O = vmirror(x255)"])))
    code = Symbols.pack(programs).code()
    assert np.array_equal(code.rows, Code.assemble(programs).rows)
    grids = GridTable.pack([np.array([[1, 2, 3], [4, 5, 6]], np.int8)])
    order = order_by_lines(code)
    expected = alone(code, grids, 200_000)[0, order]
    assert (expected != 0).all()
    assert (Screen(200_000, slots=slots).run(code, grids, 0, order) == expected).all()


def test_threads_change_nothing(work):
    code, grids = work
    orders = [(k, np.arange(k, len(code), 3)) for k in range(len(grids))]
    expected = alone(code, grids, 50_000)
    for workers in (1, 3):
        pool = ScreenPool(workers, 50_000)
        found = dict(pool.run(code, grids, orders))
        assert sorted(found) == list(range(len(grids)))
        assert all((found[k] == expected[k, order]).all() for k, order in orders)
        assert pool.saved.lines > 0
        pool.close()


def test_values_that_share_parts_endlessly_do_not_stall():
    """A pair of pairs of pairs ... is small in memory and endless when it is taken apart."""
    lines = ["x1 = initset(I)"] + [f"x{k} = pair(x{k - 1}, x{k - 1})" for k in range(2, 40)] + ["O = hmirror(I)"]
    programs = [parse("\n".join(lines)), parse("O = hmirror(I)")]
    grid = GridTable.pack([np.arange(9, dtype=np.int8).reshape(3, 3)])
    code = Code.assemble(programs)
    assert Screen(100_000).run(code, grid, 0, np.arange(2)).tolist() == alone(code, grid, 100_000)[0].tolist()


def test_limits_are_checked():
    with pytest.raises(ValueError, match="at least"):
        Screen(10_000, 1 << 12)
    with pytest.raises(ValueError, match=f"1 to {MAX_FUEL:,}"):
        Screen(MAX_FUEL + 1)
    with pytest.raises(ValueError, match="power of two"):
        Screen(10_000, slots=1000)
    with pytest.raises(ValueError, match="at least 1 worker"):
        ScreenPool(0)
