"""What `--cluster` opens for a command; without it, nothing is imported and everything is on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.cluster.config import ClusterConfig
from engine.progress import compile_interpreter

if TYPE_CHECKING:
    from engine.cluster.session import Session


@contextmanager
def cluster_of(address: str | None, config: ClusterConfig, samples: bool = False) -> Iterator[Session | None]:
    """The session of `--cluster`, with the nodes that run programs, and room for those that sample; None where it was
    not given.

    Raises `UsageError` where there is no cluster, or none that will do.
    """
    if address is None:
        yield None
        return
    from engine.cluster.session import Session

    with Session(address, config) as session:
        compile_interpreter(search=True)  # before nodes that share its cache look there
        if samples:
            session.plan_replicas()
        session.begin_crew()
        yield session
