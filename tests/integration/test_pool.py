"""The pool gives what one machine gives, whatever happens to its workers."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import psutil
import pytest

from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.language.program import parse
from interpreter.machine import pool as pool_module
from interpreter.machine.machine import Machine, Runs
from interpreter.machine.memory import Region
from interpreter.machine.pool import Pool
from interpreter.machine.transport import Slot, SlotReader
from interpreter.machine.worker import SLOTS
from interpreter.runtime.outcome import Outcome

ROOT = Path(__file__).parents[2]
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
    small, few = code.take(np.arange(10)), jobs[jobs[:, 0] < 10]
    with Pool(grids, 2) as pool:
        runs = pool.run(small, few)
    guilty = few[:, 0] % len(PROGRAMS) == 2

    assert set(runs.outcomes[guilty]) == {Outcome.CRASHED}
    kept = Machine().run(small, grids, few[~guilty])
    assert np.array_equal(runs.outcomes[~guilty], kept.outcomes)


def _work_with_a_bug(*arguments):
    """A worker with a bug: it dies when it meets the program `O = canvas(TEN, UNITY)`."""
    original = Machine.run

    def run(self, code, grids, jobs):
        if (code.rows == Code.assemble([parse(PROGRAMS[2])]).rows[0]).all(axis=1).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, code, grids, jobs)

    Machine.run = run
    pool_module.work(*arguments)


def test_a_worker_that_died_while_it_was_idle_is_replaced(batch, expected):
    grids, code, jobs = batch
    with Pool(grids, 1) as pool:
        pool.run(code, jobs[:100])
        os.kill(pool.process_ids[0], signal.SIGKILL)
        time.sleep(0.3)
        assert_equal(pool.run(code, jobs), expected)


def _work_and_die_while_sending(connection, *arguments):
    """A worker that is killed in the middle of its first answer, if it is the first to be."""
    original = Machine.run

    def run(self, code, grids, jobs):
        runs = original(self, code, grids, jobs)
        if len(jobs) > 1:
            os.write(connection.fileno(), (1 << 20).to_bytes(4, "big") + b"half a message")
            os.kill(os.getpid(), signal.SIGKILL)
        return runs

    Machine.run = run
    pool_module.work(connection, *arguments)


def test_a_worker_that_dies_while_it_answers_loses_nothing(batch, monkeypatch):
    grids, code, jobs = batch
    single = jobs[np.unique(jobs[:, 0], return_index=True)[1]][:40]  # one job a program
    monkeypatch.setattr(pool_module, "work", _work_and_die_while_sending)
    with Pool(grids, 2) as pool:
        assert_equal(pool.run(code, single), Machine().run(code, grids, single))


def _work_not_at_all(*arguments):
    raise SystemExit(3)


def test_a_worker_that_cannot_start_is_an_error_and_not_a_crashed_program(batch, monkeypatch):
    grids, code, jobs = batch
    monkeypatch.setattr(pool_module, "work", _work_not_at_all)
    with Pool(grids, 1) as pool, pytest.raises(RuntimeError, match=r"cannot start \(exit code 3\)"):
        pool.run(code, jobs)


def pieces(jobs, taken, size=150):
    """Batches of a code's jobs; counts in `taken` how many have been asked for."""
    for low in range(0, len(jobs), size):
        taken.append(low)
        yield jobs[low : low + size]


def test_a_stream_gives_each_batch_in_order_and_is_not_ahead_of_its_consumer(batch, expected):
    grids, code, jobs = batch
    taken = []
    seen = 0
    with Pool(grids, 2) as pool:
        for number, runs in enumerate(pool.stream(((code, part) for part in pieces(jobs, taken)), ahead=3)):
            assert len(taken) <= number + 3
            assert_equal(runs, expected.take(np.arange(seen, seen + len(runs))))
            seen += len(runs)
    assert seen == len(jobs)
    assert len(taken) == -(-len(jobs) // 150)


def test_fuel_for_years_is_waited_for(batch):
    """The patience that it comes to is more than a system can wait at once."""
    grids, code, jobs = batch
    with Pool(grids, 1, fuel=10**12) as pool:
        assert_equal(pool.run(code, jobs), Machine(fuel=10**12).run(code, grids, jobs))


def test_a_slot_may_grow_twice_before_the_other_does_once():
    """A worker that gets one chunk of each batch sees chunks of any sizes, by turns in its slots."""
    code = Code.assemble([parse(PROGRAMS[0])])
    ours, theirs = Pipe()
    slots, reader = [Slot(number) for number in range(SLOTS)], SlotReader(theirs)
    with ours, theirs:
        for turn, size in enumerate([1, 100, 10, 5, 50, 5, 500, 90, 2, 1000]):
            slot, jobs = slots[turn % SLOTS], np.zeros((size, 2), np.int32)
            slot.ask(ours, code, jobs)
            request = theirs.recv()
            read, asked = reader.get(request)
            assert np.array_equal(read.rows, code.rows)
            assert np.array_equal(asked, jobs)
            reader.answer(request, Runs.failed(size, Outcome.CRASHED))
            assert (slot.take().outcomes == Outcome.CRASHED).all()
    for slot in slots:
        slot.close()


def test_killed_workers_cost_a_stream_nothing_but_time(batch, expected):
    grids, code, jobs = batch
    parts = []
    with Pool(grids, 2) as pool:
        for number, runs in enumerate(pool.stream((code, part) for part in pieces(jobs, []))):
            parts.append(runs)
            if number % 8 == 4:
                os.kill(pool.process_ids[number % 2], signal.SIGKILL)
    assert_equal(Runs.concatenate(parts), expected)


def test_a_stream_that_stops_early_leaves_the_pool_usable(batch, expected):
    grids, code, jobs = batch

    def broken():
        yield code, jobs[:700]
        raise ValueError("no more")

    with Pool(grids, 2) as pool:
        stream = pool.stream((code, part) for part in pieces(jobs, []))
        next(stream)
        with pytest.raises(RuntimeError, match="another stream"):
            pool.run(code, jobs)
        stream.close()
        assert_equal(pool.run(code, jobs), expected)
        with pytest.raises(ValueError, match="no more"):
            list(pool.stream(broken()))
        assert_equal(pool.run(code, jobs), expected)
        with pytest.raises(ValueError, match="at least 1"):
            next(pool.stream([], ahead=0))


def test_batches_of_large_outputs_get_the_room_that_they_need(batch):
    code = Code.assemble([parse("O = canvas(ONE, TEN)"),
                          parse("x1 = multiply(TEN, THREE)\nx2 = astuple(x1, x1)\nO = canvas(SEVEN, x2)")])  # fmt: skip
    jobs = np.tile(np.array([(1, 0), (0, 1)], np.int32), (5000, 1))
    with Pool(batch[0], 2) as pool:
        pool.run(code, jobs[:3])
        assert_equal(pool.run(code, jobs), Machine().run(code, batch[0], jobs))


SCRIPT = """
import numpy as np
from interpreter.grids import GridTable
from interpreter.machine import Code
from interpreter.pool import Pool
from interpreter.program import parse
with Pool(GridTable.pack([np.array([[1, 2], [3, 4]], np.int8)]), 1) as pool:
    print(pool.run(Code.assemble([parse("O = hmirror(I)")]), np.array([[0, 0]], np.int32)).outputs[0].tolist())
"""


@pytest.mark.parametrize("where", ["a file", "standard input"])
def test_a_script_needs_no_guard(where, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command, given = ([sys.executable, script], None) if where == "a file" else ([sys.executable, "-"], SCRIPT)
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[[3, 4], [1, 2]]\n", "")


def test_a_pool_needs_no_room_in_shared_memory_folders(batch, expected):
    grids, code, jobs = batch
    with Pool(grids, 2) as pool:
        assert_equal(pool.run(code, jobs), expected)
        for process in pool.process_ids:
            mapped = Path(f"/proc/{process}/maps").read_text().split()
            assert any("memfd:codeit" in word for word in mapped)
            assert not any(word.startswith("/dev/shm/") for word in mapped)


def test_memory_that_cannot_be_had_is_said_with_its_size(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MemoryError, match=r"4,096 bytes .* \(No space left on device\): use fewer workers"):
        Region.create(4096)


ENDLESS = """
import signal, sys, numpy as np
from interpreter.grids import GridTable
from interpreter.language.bytecode import Code
from interpreter.machine.pool import Pool
from interpreter.language.program import parse
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have it ignored
    code = Code.assemble([parse("x1 = objects(I, T, F, F)\\nO = paint(I, x1)")] * 2000)
    jobs = np.stack([np.arange(2000), np.zeros(2000)], 1).astype(np.int32)
    grids = GridTable.pack([np.eye(30, dtype=np.int8)])
    with Pool(grids, 2) as pool:
        pool.run(code, jobs)
        print(*pool.process_ids, flush=True)
        while True:
            pool.run(code, jobs)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_a_parent_that_ends_leaves_no_process(number, tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, script], env=environment, stdout=-1, stderr=-1, start_new_session=True)
    processes = [int(word) for word in parent.stdout.readline().split()]
    time.sleep(0.2)
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)  # as a terminal does
    else:
        parent.kill()
    parent.communicate(timeout=20)
    assert len(processes) == 2
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(psutil.pid_exists, processes)):
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, processes))


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
