"""Replay stores of any size for benches: real tasks, their real outputs, and programs of a line for each primitive of a
chain, of which there are 12**CHAIN a task, so that keys are as many as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.tasks import Task
from replay.experience import Experience, Origin
from replay.store import ReplayStore

COMMIT = 20_000  # experiences
CHAIN = 8
NEXT = "bench_next"  # in the progress record
_FUNCTIONS = ("hmirror", "vmirror", "dmirror", "cmirror", "rot90", "rot180", "rot270", "trim", "tophalf", "bottomhalf",
              "lefthalf", "righthalf")  # fmt: skip
_POLICY_OF_TEN = 9  # as many as the paper draws


def experiences(tasks: list[Task], start: int, end: int) -> list[Experience]:
    """The experiences with these numbers: each is another program, on the tasks by turns."""
    found = []
    for number in range(start, end):
        task = tasks[number % len(tasks)]
        found.append(
            Experience(
                task=task.id,
                program=chain(number // len(tasks)),
                pairs=tuple(range(len(task.outputs))),
                outputs=tuple(task.outputs),
                origin=Origin.POLICY if number % 10 < _POLICY_OF_TEN else Origin.MUTATED,
                priority=(number * 7919 % 5) / 4,
                meta_iteration=number // COMMIT,
                policy_version=number // COMMIT,
            )
        )
    return found


def chain(number: int) -> str:
    """A canonical program of `CHAIN` calls, another for each number."""
    functions = []
    for _ in range(CHAIN):
        number, function = divmod(number, len(_FUNCTIONS))
        functions.append(_FUNCTIONS[function])
    lines = [f"x1 = {functions[0]}(I)"]
    lines += [f"x{k + 1} = {functions[k]}(x{k})" for k in range(1, CHAIN - 1)]
    return "\n".join([*lines, f"O = {functions[-1]}(x{CHAIN - 1})"])


def fill(store: ReplayStore, tasks: list[Task], n: int, committed: Callable[[int], Any] = lambda _: None) -> float:
    """Let a store have `n` experiences; the seconds that the commits took, fsync included.

    `committed` is called after each with how many are stored. Raises `UsageError` for a store that others have filled.
    """
    seconds, first = 0.0, next_number(store)
    store.put_tasks({task.id: task.inputs for task in tasks})
    for start, end in _commits(first, first + n - len(store)):
        seconds += add(store, tasks, start, end)
        committed(len(store))
    return seconds


def add(store: ReplayStore, tasks: list[Task], start: int, end: int) -> float:
    """Store the experiences with these numbers, in one commit; the seconds that it took."""
    some = experiences(tasks, start, end)
    begun = time.perf_counter()
    store.commit(some, {"meta_iteration": start // COMMIT, NEXT: end})
    return time.perf_counter() - begun


def next_number(store: ReplayStore) -> int:
    """The number of the first experience that a store never had. Raises `UsageError` for one that is not of a bench."""
    progress = store.progress() or {}
    if len(store) and NEXT not in progress:
        raise UsageError(f"{store.path} has experiences that are not of this bench: choose another --folder")
    return progress.get(NEXT, 0)


def _commits(start: int, end: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + COMMIT, end)) for first in range(start, end, COMMIT))


def anonymous_mib() -> float:
    """The anonymous memory of this process: what is no file's page."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("RssAnon:")[1].split()[0]) / 1024, 1)
