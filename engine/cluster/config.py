"""The section `cluster` of a configuration: how much of a cluster `codeit run --cluster` takes."""

from __future__ import annotations

from pydantic import Field

from trainer.section import Section


class ClusterConfig(Section):
    """Where `--cluster` is given; without it, nothing of this matters."""

    gpus: int | None = Field(None, ge=0)
    """GPUs that sample, a replica of the sampler on each; default: all that the cluster has."""
    replicas: int | None = Field(None, ge=1)
    """Replicas of the sampler where no GPU samples; default: one a node."""
    replica_cpus: int = Field(1, ge=1)
    """Processors that a replica takes."""
    workers: int | None = Field(None, ge=1)
    """Threads that run programs on each node; default: one a processor."""
