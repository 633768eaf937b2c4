"""Phases: their seconds, and the watchdog that names one which stands still."""

import logging
import os
import threading
import time

import pytest

from engine.loop.phases import Phases
from engine.progress import Display


@pytest.fixture
def phases(tmp_path):
    with Phases(Display(), 0.2, tmp_path / "stalled.txt") as watched:
        yield watched


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_a_phase_that_stands_still_is_named_with_where_it_is(phases, tmp_path, caplog):
    def stand_still():
        with phases.phase("sample", 96) as update:
            update(12)
            wait_for(lambda: caplog.records)

    with caplog.at_level(logging.WARNING):
        thread = threading.Thread(target=stand_still)
        thread.start()
        thread.join()
    assert "the phase sample stands still: nothing has moved for" in caplog.text
    assert "it was at 12 of 96" in caplog.text
    assert "in stand_still" in (tmp_path / "stalled.txt").read_text()


def test_a_phase_that_stands_still_is_named_on_the_terminal_while_an_engine_starts(tmp_path, capfd):
    def reported():
        return (tmp_path / "stalled.txt").is_file()

    terminal = os.dup(2)
    watched = Phases(Display(), 0.2, tmp_path / "stalled.txt")
    with (tmp_path / "log").open("w") as log, watched as phases, phases.phase("start the sampler"):
        os.dup2(log.fileno(), 2)
        try:
            wait_for(reported)
            time.sleep(0.2)
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    assert "the phase start the sampler stands still" in capfd.readouterr().err


def test_a_phase_that_moves_is_left_alone(tmp_path, caplog):
    limit = 1.0
    with Phases(Display(), limit, tmp_path / "stalled.txt") as phases, phases.phase("train") as update:
        start, done = time.monotonic(), 0
        while time.monotonic() < start + 2 * limit:
            done += 1
            update(done)
            time.sleep(0.001)
    assert not caplog.records
    assert not (tmp_path / "stalled.txt").exists()
    assert phases.seconds["train"] >= 2 * limit


def test_phases_of_several_threads_each_have_their_seconds(phases):
    def busy(name):
        for _ in range(3):
            with phases.phase(name):
                time.sleep(0.01)

    threads = [threading.Thread(target=busy, args=(name,)) for name in ("train", "sample")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(seconds >= 0.03 for seconds in phases.rounded().values())
    assert set(phases.rounded()) == {"train", "sample"}
    phases.restart()
    assert phases.rounded() == {}
