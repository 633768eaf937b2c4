"""`codeit seeds discover`: programs for training tasks by search alone, from an empty list.

Tasks are enumerated (`interpreter.enumeration`) in rounds: each goes over all unsolved tasks with ten times the
calls of the one before. After each come mutants (`recombine`), until they find nothing more: programs that
were found, and near misses, are changed and recombined, and tried on all unsolved tasks. Threads do the work; this one
alone writes.

A program counts when it is right on all demonstrations and, looked at only then, on the tests. What the enumeration of
a task gives within a number of calls, and what a round of mutants gives, is the same everywhere; how far a budget goes
depends on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from engine.progress import Display
from engine.search import recombine
from engine.search.journal import Journal, Near
from engine.tasks import Task
from engine.trial import try_programs
from interpreter.compilation import warm_up
from interpreter.enumeration.enumerator import Enumerator, Stage
from interpreter.language.program import Program
from interpreter.machine.machine import Machine

ROUNDS = (20_000, 200_000, 2_000_000, 20_000_000)  # calls a task
ENUMERATION_SHARE = 0.85  # of the budget; what is left after it is for mutants
PATIENCE = 3  # rounds of mutants without a program, after which enumeration goes on
SLICE = 50_000  # calls between two looks at the clock
NEAR = 24  # near misses that are remembered of a task


@dataclass(frozen=True)
class Clock:
    """When to stop: at a time, or when somebody says so."""

    end: float
    stopped: Event

    def is_over(self) -> bool:
        return self.stopped.is_set() or time.monotonic() >= self.end


@dataclass(frozen=True)
class Search:
    """What the enumeration of one task came to; `is_complete` unless the clock stopped it."""

    program: Program | None
    calls: int
    stage: Stage
    near: Near
    is_complete: bool


def search(task: Task, calls: int, clock: Clock) -> Search:
    """Enumerate one task until a program solves it, `calls` were tried, or the time is over."""
    if clock.is_over():
        return Search(None, 0, Stage.GROWING, [], False)
    enumerator = Enumerator(task.inputs, task.outputs)
    machine = Machine()
    progress = enumerator.progress
    seen = 0
    while progress.tried < calls and progress.stage is not Stage.ENDED and not clock.is_over():
        progress = enumerator.advance(min(SLICE, calls - progress.tried))
        for program in enumerator.solutions[seen:]:
            seen += 1
            if try_programs([(task, program)], machine)[0].solves:
                return Search(program, progress.tried, progress.stage, [], True)
    near = [(miss.program, miss.right) for miss in enumerator.near_misses[:NEAR]]
    is_complete = progress.tried >= calls or progress.stage is Stage.ENDED
    return Search(None, progress.tried, progress.stage, near, is_complete)


def discover(
    source: str, tasks: Sequence[Task], out: Path, seed: int, minutes: float, workers: int, resume: bool
) -> int:
    """Search for programs of `tasks`, which are of the set `source`, for `minutes`; how many tasks are solved.

    Raises `UsageError` for files that cannot be written or resumed.
    """
    warm_up()
    start = time.monotonic()
    stopped = Event()
    with Journal(out, {"tasks": source, "seed": seed}, resume) as journal, Display() as display:
        ids = {task.id for task in tasks}
        with _threads(workers, stopped) as threads:
            mutants = recombine.Recombination(tasks, journal, seed, threads, workers)
            enumeration = Clock(start + 60 * minutes * ENUMERATION_SHARE, stopped)
            end = Clock(start + 60 * minutes, stopped)
            for calls in ROUNDS:
                if _enumerate(tasks, calls, journal, display, threads, enumeration):
                    _mutate(tasks, mutants, journal, display, enumeration, PATIENCE)
            _mutate(tasks, mutants, journal, display, end, 10 * PATIENCE)
        return len(ids & set(journal.found.programs))


@contextmanager
def _threads(workers: int, stopped: Event) -> Iterator[ThreadPoolExecutor]:
    """Threads that end soon after an interrupt."""
    threads = ThreadPoolExecutor(workers)
    try:
        yield threads
    finally:
        stopped.set()
        threads.shutdown(cancel_futures=True)


def _enumerate(
    tasks: Sequence[Task], calls: int, journal: Journal, display: Display, threads: ThreadPoolExecutor, clock: Clock
) -> bool:
    """One round of enumeration: each unsolved task, unless it went that far before; the promising ones first.

    Whether there was anything to do, and time for it.
    """
    found = journal.found
    left = [
        task for task in tasks
        if task.id not in found.programs and task.id not in found.ended and found.calls.get(task.id, 0) < calls
    ]  # fmt: skip
    if not left or clock.is_over():
        return False
    left.sort(key=lambda task: -_promise(task, found.near.get(task.id, [])))
    start = time.monotonic()
    todo: dict[Future[Search], Task] = {threads.submit(search, task, calls, clock): task for task in left}
    for done, future in enumerate(as_completed(todo), 1):
        task, result = todo[future], future.result()
        if result.program is not None:
            journal.solved(task.id, result.program)
        elif result.is_complete:
            journal.searched(task.id, result.calls, result.stage.name.lower(), result.near)
        note = f"{_solved(journal, tasks)} of {len(tasks)} tasks solved"
        display.overall(f"{calls:,} calls a task", done, len(left), note)
    display.say(_line(f"enumeration, {calls:,} calls a task", journal, tasks, start))
    return True


def _mutate(
    tasks: Sequence[Task], mutants: recombine.Recombination, journal: Journal, display: Display, clock: Clock,
    patience: int,
) -> None:  # fmt: skip
    """Rounds of mutants, until `patience` of them in a row find no program."""
    start = time.monotonic()
    idle = rounds = 0
    while idle < patience and not clock.is_over():
        before = _solved(journal, tasks)
        if not mutants.round(clock.is_over):
            break
        rounds += 1
        idle = idle + 1 if _solved(journal, tasks) == before else 0
        note = f"{_solved(journal, tasks)} of {len(tasks)} tasks solved"
        display.overall(f"mutants, round {journal.found.rounds}", idle, patience, note)
    if rounds:
        display.say(_line(f"mutants, {rounds} rounds", journal, tasks, start))


def _promise(task: Task, near: Near) -> float:
    """The largest share of demonstrations that a near miss is right on."""
    return near[0][1] / len(task.inputs) if near else 0.0


def _solved(journal: Journal, tasks: Sequence[Task]) -> int:
    return sum(task.id in journal.found.programs for task in tasks)


def _line(what: str, journal: Journal, tasks: Sequence[Task], start: float) -> str:
    return f"{what}: {_solved(journal, tasks)} of {len(tasks)} tasks solved, {(time.monotonic() - start) / 60:.1f} min"
