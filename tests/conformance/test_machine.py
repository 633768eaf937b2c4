"""The machine under wild programs: memory safe in the checked build, and the same bytes in any batch."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.material.wild import mutants, walk
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.grammar import Grammar
from interpreter.language.program import Line, Program, parse
from interpreter.machine.machine import Machine
from interpreter.machine.pool import Pool
from interpreter.primitives import PRIMITIVES
from interpreter.runtime.outcome import Outcome

ROOT = Path(__file__).parents[2]


def wild_programs(n, seed):
    """Walks through the grammar, without types and with them, and mutants of a real program."""
    generator = np.random.default_rng(seed)
    grammars = [Grammar(40), Grammar(60, typed=True)]
    programs = [walk(grammars[k % 2], generator) for k in range(n)]
    real = parse(
        "x1 = objects(I, T, F, T)\nx2 = compose(hmirror, vmirror)\nx3 = mapply(x2, x1)\n"
        "x4 = fork(equality, height, width)\nx5 = sfilter(x1, x4)\nx6 = merge(x5)\n"
        "x7 = paint(I, x3)\nx8 = fill(x7, TWO, x6)\nO = hconcat(x8, I)"
    )
    return programs + list(mutants(real, generator, n, 10 * n))


def wild_batch(n=1500, seed=0):
    generator = np.random.default_rng(seed)
    grids = [generator.integers(0, 4, generator.integers(1, 13, 2)).astype(np.int8) for _ in range(20)]
    programs = wild_programs(n, seed)
    jobs = np.array([(k, k % 20) for k in range(len(programs))], np.int32)
    return Code.assemble(programs), GridTable.pack(grids), jobs


def test_results_do_not_depend_on_what_ran_before():
    code, grids, jobs = wild_batch()
    machine = Machine()
    first = machine.run(code, grids, jobs)
    order = np.random.default_rng(1).permutation(len(jobs))
    machine._arena[-len(machine._arena) // 2 :] = -1
    second = machine.run(code, grids, jobs[order])
    for ours, theirs in zip(second.arrays(), first.take(order).arrays(), strict=True):
        assert np.array_equal(ours, theirs)
    outcomes = {Outcome(outcome) for outcome in first.outcomes}
    assert {Outcome.OK, Outcome.TYPE_MISMATCH, Outcome.ARITY_MISMATCH, Outcome.EMPTY} <= outcomes


def test_no_wild_program_leaves_its_arena():
    """In the checked build, which needs a process of its own."""
    code = (
        "import numpy as np; from test_machine import wild_batch\n"
        "from interpreter.machine import Machine; from interpreter.runtime.native import CHECKED; assert CHECKED\n"
        "for limits in ((4_000_000, 1 << 20), (3_000, 1 << 13)):\n"
        "    runs = Machine(*limits).run(*wild_batch(4000, seed=2))\n"
        "    print(*np.unique(runs.outcomes))"
    )
    environment = {**os.environ, "CODEIT_CHECKED": "1", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for row in done.stdout.splitlines():
        seen = {Outcome(int(outcome)) for outcome in row.split()}
        assert Outcome.INTERNAL_ERROR not in seen
        assert Outcome.OK in seen
    assert len(done.stdout.splitlines()) == 2


GREEDY = {
    "a canvas of a million cells": """
        x1 = multiply(TEN, TEN)
        x2 = multiply(x1, TEN)
        x3 = astuple(x2, x2)
        x4 = canvas(ONE, x3)
        x5 = asobject(x4)
        O = paint(I, x5)""",
    "a product of long intervals": """
        x1 = power(double, TEN)
        x2 = x1(TEN)
        x3 = interval(ZERO, x2, ONE)
        x4 = product(x3, x3)
        O = fill(I, ONE, x4)""",
    "a repetition of repetitions": """
        x1 = power(double, TEN)
        x2 = x1(TEN)
        x3 = repeat(I, x2)
        x4 = repeat(x3, x2)
        x5 = merge(x4)
        O = first(x5)""",
    "a power of a power": """
        x1 = multiply(TEN, TEN)
        x2 = multiply(x1, x1)
        x3 = power(hmirror, x2)
        x4 = power(x3, x2)
        O = x4(I)""",
}


@pytest.mark.parametrize("text", GREEDY.values(), ids=GREEDY)
def test_greedy_programs_are_stopped(text):
    runs = Machine().run(
        Code.assemble([parse(text)]), GridTable.pack([np.ones((30, 30), np.int8)]), np.zeros((1, 2), np.int32)
    )
    assert Outcome(runs.outcomes[0]) in (Outcome.OUT_OF_FUEL, Outcome.OUT_OF_MEMORY)


def test_programs_that_were_not_parsed_are_checked_before_they_run():
    with pytest.raises(ValueError, match="1 to 256 lines"):
        Code.assemble([Program((Line("identity", ("I",)),) * 257)])
    with pytest.raises(ValueError, match="line 1 of a program uses a variable"):
        Code.assemble([Program((Line("identity", ("x1",)),))])


def test_every_primitive_runs_on_a_grid_or_fails_with_a_typed_outcome():
    lines = [Program((Line(name, ("I",) * p.arity),)) for name, p in PRIMITIVES.items()]
    jobs = np.array([(k, 0) for k in range(len(lines))], np.int32)
    runs = Machine().run(Code.assemble(lines), GridTable.pack([np.eye(4, dtype=np.int8)]), jobs)
    assert Outcome.INTERNAL_ERROR not in runs.outcomes
    assert np.count_nonzero(runs.outcomes == Outcome.OK) > 20


def test_programs_of_all_registers_run_alone_and_in_a_pool():
    chain = [("hmirror", "I"), *(("vmirror" if k % 3 else "rot90", f"x{k}") for k in range(1, 256))]
    long = Program(tuple(Line(function, (argument,)) for function, argument in chain))
    last = Program((*long.lines[:-1], Line("vconcat", ("x1", "x255"))))  # reads the first and the last register
    grid = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    expected = grid
    for function, _ in chain:
        expected = {"hmirror": np.flipud, "vmirror": np.fliplr, "rot90": lambda g: np.rot90(g, -1)}[function](expected)
    code, grids, jobs = Code.assemble([long, last]), GridTable.pack([grid]), np.array([[0, 0], [1, 0]], np.int32)
    runs = Machine().run(code, grids, jobs)
    assert np.array_equal(runs.outputs[0], expected)
    assert runs.outcomes.tolist()[0] == Outcome.OK
    with Pool(grids, workers=1) as pool:
        for ours, theirs in zip(pool.run(code, jobs).arrays(), runs.arrays(), strict=True):
            assert np.array_equal(ours, theirs)
