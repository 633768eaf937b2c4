"""Where a sampler's replicas are: one a GPU, or, where no GPU samples, shares of processors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from engine.cluster.config import ClusterConfig
from engine.cluster.nodes import Node
from engine.errors import UsageError

# What a replica reserves of its processors: the rest is for running programs. Searches take turns with sampling, and
# what a sample costs to run is little beside what it cost to draw.
_SHARE = 0.5

Seat = tuple[Node, float, int]
"""a node, processors and GPUs of it"""


def seats(nodes: Sequence[Node], config: ClusterConfig) -> list[Seat]:
    """The seats of replicas, spread over nodes in turn. Raises `UsageError` for more than there is room for."""
    there = sum(node.gpus for node in nodes)
    if config.gpus is not None and config.gpus > there:
        raise UsageError(f"cluster.gpus {config.gpus}: the cluster has {there} GPUs")
    gpus = there if config.gpus is None else config.gpus
    cpus = _SHARE * config.replica_cpus
    room = {node: node.cpus // config.replica_cpus for node in nodes}
    if gpus:
        places = _in_turn([[(node, cpus, 1)] * min(node.gpus, room[node]) for node in nodes])
        if len(places) < gpus:
            raise UsageError(
                f"{gpus} GPUs are to sample, but beside only {len(places)} of them are {config.replica_cpus} "
                "processors (cluster.replica-cpus)"
            )
        return places[:gpus]
    places = _in_turn([[(node, cpus, 0)] * room[node] for node in nodes])
    wanted = config.replicas or sum(count > 0 for count in room.values())
    if not places or wanted > len(places):
        raise UsageError(
            f"there is room for {len(places)} replicas of {config.replica_cpus} processors on {len(nodes)} nodes, "
            f"not for {max(wanted, 1)} (cluster.replicas, cluster.replica-cpus)"
        )
    return places[:wanted]


def _in_turn(rows: Sequence[Sequence[Seat]]) -> list[Seat]:
    """The first of each row, then the second of each, and so on."""
    return [seat for column in zip_longest(*rows) for seat in column if seat is not None]
