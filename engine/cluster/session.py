"""The cluster that one command works on, and what the command opens on it."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from engine.cluster.config import ClusterConfig
from engine.cluster.starting import connected
from engine.execution import OpenPool
from engine.sampler.config import SamplerConfig
from engine.sampler.protocol import Sampler
from engine.search.workers import OpenWorkers, Workers
from interpreter.compilation import MACHINE, SEARCH
from interpreter.grids import GridTable
from interpreter.machine.machine import DEFAULT_FUEL
from interpreter.machine.pool import Pool

if TYPE_CHECKING:
    from engine.cluster.crew import Crew
    from engine.cluster.nodes import Node
    from engine.cluster.workers import CrewPool


class Session:
    """Connected to a cluster, or to one that was started here. A context manager, one a process.

    Raises `UsageError` where there is none, or none that will do.
    """

    def __init__(self, address: str, config: ClusterConfig | None = None) -> None:
        self._config = config or ClusterConfig()
        self._crew: Crew | None = None
        self._seats: list[tuple[Node, float, int]] = []
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
        parts = []
        if self._crew is not None:
            parts.append(f"{self._crew.threads} threads on {len(self._crew.nodes)} nodes run programs")
        if self._seats:
            parts.append(f"{len(self._seats)} replicas on {len({node.id for node, *_ in self._seats})} nodes sample")
        return f"cluster at {self.address}: {', '.join(parts)}"

    def close(self) -> None:
        """End what was opened. Idempotent."""
        self._open.close()

    def begin_crew(self) -> Crew:
        """Those who run programs, all ready. Raises `UsageError` for a node that cannot be one of them."""
        if self._crew is None:
            from engine.cluster.crew import Crew

            taken: Counter[str] = Counter()
            for node, cpus, _ in self._seats:
                taken[node.id] += cpus
            self._crew = Crew(self._config.workers, (MACHINE, SEARCH), taken)
            self._open.callback(self._crew.close)
        return self._crew

    def workers(self, workers: int, screen_fuel: int, machine_fuel: int = DEFAULT_FUEL) -> Workers:
        """What `engine.search.workers.Workers` is on one machine; `workers` are the threads of this one."""
        from engine.cluster.workers import ClusterWorkers

        return ClusterWorkers(self.begin_crew(), workers, screen_fuel, machine_fuel)

    def pool(self, grids: GridTable, _workers: int | None, fuel: int, words: int) -> CrewPool:
        """What `interpreter.machine.pool.Pool` is on one machine."""
        from engine.cluster.workers import CrewPool

        return CrewPool(self.begin_crew(), grids, (fuel, words))

    def plan_replicas(self) -> None:
        """Decide where a sampler's replicas will be, before all processors are taken. Raises `UsageError`."""
        from engine.cluster.nodes import living_nodes
        from engine.cluster.seating import seats

        self._seats = seats(living_nodes(), self._config)

    def sampler(self, checkpoint: Path, config: SamplerConfig, max_model_len: int) -> Sampler:
        """What `engine.sampler.open_sampler` is on one machine; it closes before the session."""
        from engine.cluster.nodes import Room
        from engine.cluster.replicas import Replicas

        if not self._seats:
            self.plan_replicas()
        return Replicas([Room.on(*seat) for seat in self._seats], checkpoint, config, max_model_len)


def opening(cluster: Session | None) -> OpenWorkers:
    """What opens workers: on this machine, or on a cluster."""
    return Workers if cluster is None else cluster.workers


def pooling(cluster: Session | None) -> OpenPool:
    """What opens a pool: on this machine, or on a cluster."""
    return Pool if cluster is None else cluster.pool
