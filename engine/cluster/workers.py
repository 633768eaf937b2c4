"""`Workers` on a cluster: what is portable is done by its crew, all else by threads of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from engine.cluster.crew import Crew
from engine.search.workers import Item, Portable, Result, Worker, Workers
from interpreter.machine.machine import DEFAULT_FUEL


class ClusterWorkers(Workers):
    """The crew stays when these are closed: it is the session's."""

    def __init__(self, crew: Crew, workers: int, screen_fuel: int, machine_fuel: int = DEFAULT_FUEL) -> None:
        super().__init__(workers, screen_fuel, machine_fuel)
        self._crew, self._fuel = crew, (screen_fuel, machine_fuel)

    def run(self, work: Callable[[Worker, Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result]]:
        if isinstance(work, Portable):
            return self._crew.run(self._fuel, work, items)
        return super().run(work, items)
