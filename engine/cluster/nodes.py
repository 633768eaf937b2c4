"""The machines of a cluster, and rooms on them: placement groups of one bundle, on exactly one node."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from engine.cluster import patience

_ID = "ray.io/node-id"  # a label that every node has


@dataclass(frozen=True)
class Node:
    """A machine, or what Ray takes for one."""

    id: str
    host: str
    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"node {self.host} ({self.id[:8]})"


def living_nodes() -> list[Node]:
    """The nodes that are there, in the order of their ids."""
    nodes = [
        Node(row["NodeID"], row["NodeManagerAddress"], _whole(row, "CPU"), _whole(row, "GPU"))
        for row in ray.nodes()
        if row["Alive"]
    ]
    return sorted(nodes, key=lambda node: node.id)


def _whole(row: Mapping[str, Any], resource: str) -> int:
    return int(row["Resources"].get(resource, 0))


@dataclass(frozen=True)
class Room:
    """Processors and GPUs of one node that are ours once they are free."""

    node: Node
    cpus: float
    gpus: int
    group: PlacementGroup

    @classmethod
    def on(cls, node: Node, cpus: float, gpus: int = 0) -> Self:
        """Ask for room on a node; what is started there waits for it."""
        bundle = {name: count for name, count in (("CPU", cpus), ("GPU", gpus)) if count}
        return cls(node, cpus, gpus, placement_group([bundle], bundle_label_selector=[{_ID: node.id}]))

    def options(self) -> dict[str, Any]:
        """Of an actor that takes the room."""
        strategy = PlacementGroupSchedulingStrategy(self.group)
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "scheduling_strategy": strategy}

    def is_ours(self) -> bool:
        """Whether it is free for us by now."""
        return self.group.wait(0)

    def overdue(self, since: float) -> str | None:
        """What was waited for in vain: `patience.START` is over since a process was to start here. Else None."""
        if time.monotonic() - since <= patience.START:
            return None
        what = "its process to start" if self.is_ours() else f"{self} to be free"
        return f"{self.node}: waited {patience.START:.0f} s for {what}"

    def __str__(self) -> str:
        gpus = f" and {self.gpus} GPUs" * bool(self.gpus)
        return f"{self.cpus:g} processors{gpus} of {self.node}"

    def leave(self) -> None:
        """Give it back, with what runs there."""
        remove_placement_group(self.group)


def reason_of(error: BaseException) -> str:
    """The line of an error of Ray that says what was wrong in a process that could not start."""
    lines = str(error).splitlines()
    return next((line for line in reversed(lines) if "Error" in line), str(error)).strip()
