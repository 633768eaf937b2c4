"""`codeit bench replay`: a store of many experiences, and how other buffers draw.

    insert_per_s      experiences a second that commits of 20,000 take, fsync included, without making them
    open_s            until a store of all of them is open for writing
    draw_s            until `draw` of them are drawn and read, their pages in memory
    memory_mib        the most anonymous memory on the way
    disk_bytes        what the store takes
    at_capacity_per_s as insert_per_s, of a store that has its capacity, so that each commit evicts as many as come

Beside it, `peer_draw` from `peer_stored` experiences, read and as tokens, in turns: the seconds of the other over ours.

    ratio_codeit      the official code's buffer, of a checkout (--codeit): without replacement, the same priorities
    ratio_torchrl     torchrl's prioritized buffer over a memory-mapped storage of padded token rows: with replacement
    ratio_cpprb       cpprb's prioritized buffer of the same rows: with replacement

What is not installed or given is null, and `notes` says why: pip install codeit[bench].
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench.baselines.buffers import PEERS, Draw
from bench.material.stored import COMMIT, add, anonymous_mib, fill, next_number
from engine.loop.examples import to_examples
from engine.tasks import Task, training_tasks
from interpreter import compilation
from replay.experience import Origin
from replay.store import ReplayStore
from trainer.codec import CompactCodec
from trainer.examples import Examples, padded

MAX_PROMPT_TOKENS, MAX_TOKENS = 640, 192  # the defaults of a run
EVICTING = 5  # commits at capacity


def measure(
    stored: int, draw: int, peer_stored: int, peer_draw: int, codeit: Path | None, folder: Path | None
) -> dict[str, Any]:
    """All of it as one JSON object."""
    compilation.warm_up(compilation.LEARNING)
    tasks = list(training_tasks().values())
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return {
            "stored": stored,
            **_measure_store(tasks, stored, draw, folder or scratch / "replay"),
            **_measure_peers(tasks, peer_stored, peer_draw, codeit, scratch),
        }


def _measure_store(tasks: list[Task], n: int, draw: int, path: Path) -> dict[str, Any]:
    memory: list[float] = []
    with ReplayStore(path) as store:
        before = len(store)
        seconds = fill(store, tasks, n, lambda _: memory.append(anonymous_mib()))
    start = time.perf_counter()
    with ReplayStore(path, capacity=n) as store:
        opened = time.perf_counter() - start
        memory.append(anonymous_mib())
        drawn = [_seconds(lambda seed=seed: store.draw_rows(_generator(seed), draw, Origin.POLICY)) for seed in (0, 1)]
        memory.append(anonymous_mib())
        disk = store.disk_bytes()
        first, size = next_number(store), min(COMMIT, n)
        evicting = [add(store, tasks, k, k + size) for k in range(first, first + EVICTING * size, size)]
        memory.append(anonymous_mib())
        assert len(store) == n
    return {
        "insert_per_s": round((n - before) / seconds) if n > before else None,
        "open_s": round(opened, 4),
        "draw_s": round(drawn[-1], 4),
        "memory_mib": max(memory),
        "disk_bytes": disk,
        "at_capacity_per_s": round(EVICTING * size / sum(evicting)),
    }


def _measure_peers(tasks: list[Task], n: int, draw: int, codeit: Path | None, scratch: Path) -> dict[str, Any]:
    """Each peer beside the store, of the same experiences."""
    codec = CompactCodec(MAX_PROMPT_TOKENS)
    result: dict[str, Any] = {"peer_stored": n, "peer_draw": draw, "notes": {}}
    with ReplayStore(scratch / "peers") as store:
        fill(store, tasks, n)
        rows = store.draw_rows(_generator(0), n, Origin.POLICY)
        examples = to_examples(rows, store, codec, MAX_TOKENS)
        priorities = rows.ranks["priority"][: len(examples)].copy()
        tokens = padded(examples.tokens, examples.starts[:-1], examples.starts[1:], 0).astype(np.int16)

        def ours(size: int) -> Examples:
            return to_examples(store.draw_rows(_generator(size), size, Origin.POLICY), store, codec, MAX_TOKENS)

        ours(1)
        for name, open_peer in PEERS.items():
            try:
                peer = open_peer(tokens, priorities, codeit, scratch)
            except ImportError as error:
                result |= {f"ratio_{name}": None}
                result["notes"][name] = str(error)
                continue
            taken = min(draw, len(tokens) - 1)
            result |= {f"ratio_{name}": _ratio(peer, ours, taken)}
    return result


def _ratio(peer: Draw, ours: Callable[[int], Examples], n: int) -> float:
    """Seconds of a peer's draw of `n` over those of ours."""
    theirs = _seconds(lambda: peer(n))
    return round(theirs / _seconds(lambda: ours(n)), 2)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
