"""Several nodes as processes of this machine, with resources of their own: for tests, and to see a cluster work."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.cluster.starting import prepare

NODE_STORE_BYTES = 80 << 20  # the least that Ray takes is 75 MiB


class LocalCluster:
    """Nodes by number, the first of them the head. See `local_cluster`."""

    def __init__(self, cpus: int, folder: str) -> None:
        prepare(alone=True)
        from ray.cluster_utils import Cluster

        self._cpus = cpus
        self._common = {"node_ip_address": "127.0.0.1", "object_store_memory": NODE_STORE_BYTES}
        head = {"num_cpus": cpus, "temp_dir": folder, "include_dashboard": False, "include_log_monitor": False}
        # A node whose process is gone is missed after three seconds, not after twenty.
        head["_system_config"] = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
        self._cluster = Cluster(initialize_head=True, head_node_args={**self._common, **head})
        self.nodes = [self._cluster.head_node]

    @property
    def address(self) -> str:
        """What `--cluster` takes."""
        return self._cluster.address

    def add(self, environment: Mapping[str, str] | None = None, **resources: Any) -> Any:
        """Start another node, whose processes have these variables in their environment as well."""
        options = {"num_cpus": self._cpus, **self._common, "env_vars": dict(environment or {}), **resources}
        self.nodes.append(self._cluster.add_node(**options))
        return self.nodes[-1]

    def kill(self, node: Any) -> None:
        """End a node's processes as a loss of power would."""
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)

    def close(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@contextmanager
def local_cluster(nodes: int, cpus: int = 1) -> Iterator[LocalCluster]:
    """`nodes` with `cpus` processors each, which listen on this machine alone; gone when the block is left."""
    folder = tempfile.mkdtemp(prefix="codeit-ray-")
    (Path(folder) / "ray").mkdir()
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = folder  # where Ray notes which cluster is the machine's: another's note stays as it is
    try:
        cluster = LocalCluster(cpus, folder)
        try:
            for _ in range(nodes - 1):
                cluster.add()
            yield cluster
        finally:
            cluster.close()
    finally:
        del os.environ["RAY_TMPDIR"]
        if before is not None:
            os.environ["RAY_TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)
