"""The cluster that one command works on, and what the command opens on it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from engine.cluster.config import ClusterConfig
from engine.cluster.starting import connected
from engine.search.workers import Workers
from interpreter.compilation import MACHINE, SEARCH
from interpreter.machine.machine import DEFAULT_FUEL

if TYPE_CHECKING:
    from engine.cluster.crew import Crew


class Session:
    """Connected to a cluster, or to one that was started here. A context manager, one a process.

    Raises `UsageError` where there is none, or none that will do.
    """

    def __init__(self, address: str, config: ClusterConfig | None = None) -> None:
        self._config = config or ClusterConfig()
        self._crew: Crew | None = None
        self._taken: dict[str, int] = {}
        self._open = ExitStack()
        with ExitStack() as stack:
            self.address = stack.enter_context(connected(address))
            self._open = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __str__(self) -> str:
        """In a line, for people."""
        if self._crew is None:
            return f"cluster at {self.address}"
        nodes = self._crew.nodes
        return f"cluster at {self.address}: {self._crew.threads} threads on {len(nodes)} nodes run programs"

    def close(self) -> None:
        """End what was opened. Idempotent."""
        self._open.close()

    def begin_crew(self) -> Crew:
        """Those who run programs, all ready. Raises `UsageError` for a node that cannot be one of them."""
        if self._crew is None:
            from engine.cluster.crew import Crew

            self._crew = Crew(self._config.workers, (MACHINE, SEARCH), self._taken)
            self._open.callback(self._crew.close)
        return self._crew

    def workers(self, workers: int, screen_fuel: int, machine_fuel: int = DEFAULT_FUEL) -> Workers:
        """What `engine.search.workers.Workers` is on one machine; `workers` are the threads of this one."""
        from engine.cluster.workers import ClusterWorkers

        return ClusterWorkers(self.begin_crew(), workers, screen_fuel, machine_fuel)
