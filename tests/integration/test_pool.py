"""The pool gives what one machine gives, whatever happens to its workers."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from interpreter import pool as pool_module
from interpreter.grids import GridTable
from interpreter.machine import Code, Machine
from interpreter.outcome import Outcome
from interpreter.pool import Pool
from interpreter.program import parse

PROGRAMS = [
    "O = hmirror(I)",
    "x1 = objects(I, T, F, T)\nx2 = argmax(x1, size)\nO = subgrid(x2, I)",
    "O = canvas(TEN, UNITY)",
    "x1 = palette(I)\nO = vconcat(I, I)",
    "O = divide(ONE, ZERO)",
]


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    grids = [generator.integers(0, 5, generator.integers(1, 20, 2)).astype(np.int8) for _ in range(40)]
    code = Code.assemble([parse(text) for text in PROGRAMS * 400])
    jobs = np.array([(program, grid) for program in range(len(code)) for grid in (program % 40, 3)], np.int32)
    return GridTable.pack(grids), code, generator.permutation(jobs)


@pytest.fixture(scope="module")
def expected(batch):
    return Machine().run(batch[1], batch[0], batch[2])


def assert_equal(runs, expected):
    for ours, theirs in zip(runs.arrays(), expected.arrays(), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_pool_gives_what_one_machine_gives(batch, expected, workers):
    grids, code, jobs = batch
    with Pool(grids, workers) as pool:
        assert_equal(pool.run(code, jobs), expected)
        assert len(pool.run(Code.assemble([]), np.zeros((0, 2), np.int32))) == 0
    assert {Outcome(outcome) for outcome in expected.outcomes} >= {
        Outcome.OK,
        Outcome.ZERO_DIVISION,
        Outcome.NOT_A_GRID,
    }


def test_killed_workers_cost_nothing_but_time(batch, expected):
    grids, code, jobs = batch
    with Pool(grids, 2) as pool:
        pool.run(code, jobs)
        stop = threading.Event()

        def kill_now_and_then():
            for _ in range(3):
                os.kill(pool.process_ids[0], signal.SIGKILL)
                if stop.wait(0.3):
                    return

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        for _ in range(5):
            assert_equal(pool.run(code, jobs), expected)
        stop.set()
        killer.join()


def test_a_program_that_kills_its_worker_is_reported_and_the_rest_is_run(batch, expected, monkeypatch):
    grids, code, jobs = batch

    monkeypatch.setattr(pool_module, "work", _work_with_a_bug)
    small, few = code.slice(0, 20), jobs[jobs[:, 0] < 20]
    with Pool(grids, 2) as pool:
        runs = pool.run(small, few)
    guilty = few[:, 0] % len(PROGRAMS) == 2

    assert set(runs.outcomes[guilty]) == {Outcome.CRASHED}
    kept = Machine().run(small, grids, few[~guilty])
    assert np.array_equal(runs.outcomes[~guilty], kept.outcomes)


def _work_with_a_bug(connection, shared, limits):
    """A worker with a bug: it dies when it meets the program `O = canvas(TEN, UNITY)`."""
    original = Machine.run

    def run(self, code, grids, jobs):
        if (code.rows == Code.assemble([parse(PROGRAMS[2])]).rows[0]).all(axis=1).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, code, grids, jobs)

    Machine.run = run
    pool_module.work(connection, shared, limits)


def test_a_worker_that_died_while_it_was_idle_is_replaced(batch, expected):
    grids, code, jobs = batch
    with Pool(grids, 1) as pool:
        pool.run(code, jobs[:100])
        os.kill(pool.process_ids[0], signal.SIGKILL)
        time.sleep(0.3)
        assert_equal(pool.run(code, jobs), expected)


def _work_and_die_while_sending(connection, shared, limits):
    """A worker that is killed in the middle of its first answer, if it is the first to be."""
    original = Machine.run

    def run(self, code, grids, jobs):
        runs = original(self, code, grids, jobs)
        if len(jobs) > 1:
            os.write(connection.fileno(), (1 << 20).to_bytes(4, "big") + b"half a message")
            os.kill(os.getpid(), signal.SIGKILL)
        return runs

    Machine.run = run
    pool_module.work(connection, shared, limits)


def test_a_worker_that_dies_while_it_answers_loses_nothing(batch, monkeypatch):
    grids, code, jobs = batch
    single = jobs[np.unique(jobs[:, 0], return_index=True)[1]][:40]  # one job a program
    monkeypatch.setattr(pool_module, "work", _work_and_die_while_sending)
    with Pool(grids, 2) as pool:
        assert_equal(pool.run(code, single), Machine().run(code, grids, single))


def _work_not_at_all(connection, shared, limits):
    raise SystemExit(3)


def test_a_worker_that_cannot_start_is_an_error_and_not_a_crashed_program(batch, monkeypatch):
    grids, code, jobs = batch
    monkeypatch.setattr(pool_module, "work", _work_not_at_all)
    with Pool(grids, 1) as pool, pytest.raises(RuntimeError, match=r"could not start \(exit code 3\)"):
        pool.run(code, jobs)


def test_wrong_jobs_and_a_closed_pool_are_refused(batch):
    grids, code, jobs = batch
    with pytest.raises(ValueError, match="at least 1 worker"):
        Pool(grids, 0)
    with Pool(grids, 1) as pool:
        for wrong in ([len(code), 0], [0, len(grids)], [-1, 0]):
            with pytest.raises(IndexError, match="is not there"):
                pool.run(code, np.array([wrong], np.int32))
        assert len(pool.run(code, jobs[:3])) == 3
    with pytest.raises(RuntimeError, match="closed"):
        pool.run(code, jobs)


def test_closing_leaves_no_process(batch):
    pool = Pool(batch[0], 2)
    ids = pool.process_ids
    pool.close()
    pool.close()
    time.sleep(0.1)
    for process in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
