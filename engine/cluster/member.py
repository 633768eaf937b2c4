"""The process that runs programs on a node: threads with screens and machines, and what they were sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import ray

from engine.cluster.identity import Identity, own_identity
from engine.cluster.packing import Packed, pack, unpack
from engine.search.workers import Portable, Workers
from interpreter import compilation

AHEAD = 3
"""messages that a member has at a time: what it works on, and what is next"""
_KEPT = 4  # constants and batches that are unpacked at a time

Reference = Sequence[ray.ObjectRef]
"""one, in a list: Ray fetches those that are not, again for every message"""


class Member:
    """An actor with `AHEAD` threads, which give work to `workers` threads in turn."""

    def __init__(self, workers: int, groups: Sequence[str]) -> None:
        compilation.warm_up(*groups)
        self._count = workers
        self._workers: dict[tuple[int, ...], Workers] = {}
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def identity(self) -> Identity:
        """What this node has, as soon as it is ready."""
        return own_identity()

    def work(
        self,
        limits: tuple[int, ...],
        function: Callable[..., Any],
        constant: Reference,
        batch: Reference,
        items: Packed,
    ) -> Packed:
        """The results of some items of a `Portable`, in order. `limits` are those of `Workers`."""
        with self._lock:
            workers = self._with(limits)
            work = Portable(function, self._value(constant), self._value(batch))
        return pack(workers.map(work, unpack(items)))

    def _with(self, limits: tuple[int, ...]) -> Workers:
        if limits not in self._workers:
            for workers in self._workers.values():  # of who asked before, and is done
                workers.close()
            self._workers = {limits: Workers(self._count, *limits)}
        return self._workers[limits]

    def _value(self, reference: Reference) -> Any:
        """What was put into the object store, unpacked once."""
        key = reference[0].hex()
        if key not in self._values:
            self._values[key] = unpack(ray.get(reference[0]))
            while len(self._values) > _KEPT:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]
