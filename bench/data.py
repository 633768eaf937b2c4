"""`codeit bench data`: from stored experiences to token arrays.

    encode_per_s_core    examples a second of processor time of the compiled pass: programs of seeds on the
                         demonstrations of their tasks, as rows in memory, to packed arrays
    readable_per_s_core  the same by the readable codec; both take turns, medians
    encode_ratio         one over the other, median of the rounds
    draw_encode_100k_s   seconds until `draw` of `stored` experiences are drawn, read and encoded, their pages in memory
    draw_encode_cold_s   before that, after the system was asked to forget the file

The store is made for the bench, of experiences as `bench.material.stored` has them, or lies in `folder` from another
call, where it stays.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.material.solved import solved_rows
from bench.material.stored import fill
from engine.loop.examples import to_examples
from engine.tasks import training_tasks
from interpreter import compilation
from replay.environment import DATA_FILE
from replay.experience import Origin
from replay.store import ReplayStore
from trainer.codec import CompactCodec
from trainer.encoding import encode, encode_readable

MAX_PROMPT_TOKENS, MAX_TOKENS = 640, 192  # the defaults of a run
SLOWER = 50  # the readable codec gets one experience in so many


def measure(
    solvers: Path | None, examples: int, stored: int, draw: int, folder: Path | None, repeats: int
) -> dict[str, Any]:
    """All of it as one JSON object."""
    compilation.warm_up(compilation.LEARNING)
    codec = CompactCodec(MAX_PROMPT_TOKENS)
    return {
        "max_prompt_tokens": MAX_PROMPT_TOKENS,
        **_measure_encoding(None if solvers is None else str(solvers), examples, repeats, codec),
        **_measure_draw(stored, draw, folder, repeats, codec),
    }


def _measure_encoding(seeds: str | None, n: int, repeats: int, codec: CompactCodec) -> dict[str, Any]:
    known, inputs = solved_rows(seeds)
    rows = known.take(np.random.default_rng(0).integers(0, len(known), n))
    few = list(rows.take(np.arange(max(1, n // SLOWER))))
    rates: list[tuple[float, float]] = []
    for _ in range(repeats):
        start = time.process_time()
        made = encode(rows, inputs, codec, MAX_TOKENS)
        between = time.process_time()
        encode_readable(few, inputs, codec, MAX_TOKENS)
        rates.append((len(rows) / (between - start), len(few) / (time.process_time() - between)))
    return {
        "examples": len(made),
        "tokens_mean": round(float(made.lengths.mean()), 1),
        "encode_per_s_core": round(median(compiled for compiled, _ in rates)),
        "readable_per_s_core": round(median(readable for _, readable in rates)),
        "encode_ratio": round(median(compiled / readable for compiled, readable in rates), 1),
    }


def _measure_draw(stored: int, n: int, folder: Path | None, repeats: int, codec: CompactCodec) -> dict[str, Any]:
    with ExitStack() as stack:
        path = folder or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "replay"
        with ReplayStore(path) as store:
            fill(store, list(training_tasks().values()), stored)
        _forget(path / DATA_FILE)
        store = stack.enter_context(ReplayStore(path))
        cold, *warm = [_draw(store, n, number, codec) for number in range(repeats + 1)]
        return {
            "stored": len(store),
            "drawn": n,
            "draw_encode_100k_s": round(median(seconds for seconds, _ in warm), 3),
            "draw_encode_100k_cpu_s": round(median(cpu for _, cpu in warm), 3),
            "draw_encode_cold_s": round(cold[0], 3),
        }


def _draw(store: ReplayStore, n: int, seed: int, codec: CompactCodec) -> tuple[float, float]:
    """Wall-clock and processor seconds of a draw from experiences of the policy, encoded."""
    start, cpu = time.perf_counter(), time.process_time()
    rows = store.draw_rows(np.random.default_rng(seed), n, Origin.POLICY)
    to_examples(rows, store, codec, MAX_TOKENS)
    return time.perf_counter() - start, time.process_time() - cpu


def _forget(file: Path) -> None:
    """Ask the system to drop a file's pages."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
