"""Threads that run programs: compiled code works without the GIL, so that they work side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from types import TracebackType
from typing import Any, Generic, TypeVar

from interpreter.machine.machine import DEFAULT_FUEL, DEFAULT_WORDS, Machine
from interpreter.machine.screening import Screen

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Clock:
    """When to stop: at a time (of `time.monotonic`), or when somebody says so."""

    end: float = math.inf
    stopped: Event = field(default_factory=Event)

    def is_over(self) -> bool:
        return self.stopped.is_set() or time.monotonic() >= self.end


@dataclass(frozen=True)
class Worker:
    """What a thread needs for itself."""

    screen: Screen
    machine: Machine


@dataclass(frozen=True)
class Portable(Generic[Item, Result]):
    """Work that another process can do as well: a function of a module, and what it goes by, as values.

    `function(constant, batch, worker, item)` changes nothing, and what it gives depends on its arguments alone.
    """

    function: Callable[[Any, Any, Worker, Item], Result]
    constant: Any
    """the same object for all batches: what is sent once"""
    batch: Any
    """what the items of this batch share"""

    def __call__(self, worker: Worker, item: Item) -> Result:
        return self.function(self.constant, self.batch, worker, item)


class Workers:
    """Threads with a screen and a machine each. A context manager; work that began ends when it is left.

    What is `work`ed on must not wait for other work of the same threads. Fuel is that of a screened run and of a
    machine's, which has so many words.
    """

    def __init__(
        self, workers: int, screen_fuel: int, machine_fuel: int = DEFAULT_FUEL, machine_words: int = DEFAULT_WORDS
    ) -> None:
        self.stopped = Event()
        """set when the threads are to end: clocks of long work share it"""
        self._threads = ThreadPoolExecutor(workers)
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for _ in range(workers):
            self._idle.put(Worker(Screen(screen_fuel), Machine(machine_fuel, machine_words)))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the threads when the work that they have begun is done."""
        self.stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def run(self, work: Callable[[Worker, Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result]]:
        """The number and the result of each item, as they are done."""

        def one(item: Item) -> Result:
            worker = self._idle.get()
            try:
                return work(worker, item)
            finally:
                self._idle.put(worker)

        numbers = {self._threads.submit(one, item): number for number, item in enumerate(items)}
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        finally:  # after Ctrl-C, or where the rest is not wanted, what has not begun does not begin
            for future in numbers:
                future.cancel()

    def map(self, work: Callable[[Worker, Item], Result], items: Iterable[Item]) -> list[Result]:
        """The results of all items, in order."""
        return [result for _, result in sorted(self.run(work, items), key=lambda done: done[0])]


OpenWorkers = Callable[[int, int, int], Workers]
"""Opens workers: `Workers` itself, or what has the same arguments."""
