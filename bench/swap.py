"""`codeit bench swap`: how long new weights take to get out of training and into a running vLLM engine.

For each policy `repeats` checkpoints are published after an update. Sampling waits until the policy is written
(`publish_s`); what training goes on from is written beside it (`settle_s`, from then on, when nothing else happens).
Then the last two are swapped to and fro; a swap reads the checkpoint (from the page cache), checks names and shapes,
replaces every weight, and resets the prefix cache. Medians.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.sampler import Sampler, SamplerConfig, SampleRequest, open_sampler
from interpreter.language.vocabulary import BOS
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.policy import new_policy, parameter_count
from trainer.training import Trainer

SAMPLER = SamplerConfig(max_tokens=16, kv_cache_mib=64)
MAX_MODEL_LEN = 64
GRID = np.array([[1, 2]], np.int8)


def measure(policies: Sequence[str] = ("compact-25m", "compact-220m"), repeats: int = 7) -> dict[str, Any]:
    """Seconds of a publication, of a swap and of the engine's start, by policy."""
    result: dict[str, Any] = {"threads": SAMPLER.threads, "repeats": repeats}
    for name in policies:
        result |= {f"{key}_{name.removeprefix('compact-')}": value for key, value in _measure(name, repeats).items()}
    return result


def _measure(name: str, repeats: int) -> dict[str, Any]:
    codec = CompactCodec(MAX_MODEL_LEN - SAMPLER.max_tokens)
    policy = new_policy(name, len(codec.tokens), MAX_MODEL_LEN, seed=1)
    trainer = Trainer(policy, codec, TrainerConfig(device="cpu"))
    with tempfile.TemporaryDirectory() as folder:
        published = [_publish(trainer, Path(folder), version) for version in range(1, max(2, repeats) + 1)]
        *_, before, last = sorted(Path(folder).iterdir())
        start = time.perf_counter()
        with open_sampler(before, SAMPLER, MAX_MODEL_LEN) as sampler:
            opened = time.perf_counter() - start
            seconds = [_swap(sampler, (last, before)[k % 2]) for k in range(repeats + 1)]
    return {
        "parameters": parameter_count(policy),
        "publish_s": round(median(apart for apart, _ in published), 4),
        "settle_s": round(median(apart for _, apart in published), 4),
        "open_s": round(opened, 2),
        "swap_s": round(median(seconds[1:]), 4),
    }


def _publish(trainer: Trainer, folder: Path, version: int) -> tuple[float, float]:
    """After an update, the time until the policy is published, and from then on until all is written."""
    trainer.train([trainer.codec.example([(GRID, GRID)], "O = identity(I)")])
    start = time.perf_counter()
    trainer.publish(folder / f"v{version:05d}", version, later=True)
    published = time.perf_counter()
    trainer.settle()
    for old in sorted(folder.iterdir())[:-2]:
        shutil.rmtree(old)
    return published - start, time.perf_counter() - published


def _swap(sampler: Sampler, checkpoint: Path) -> float:
    """The time of a swap, after which the engine samples."""
    start = time.perf_counter()
    sampler.swap(checkpoint)
    seconds = time.perf_counter() - start
    list(sampler.sample([SampleRequest((BOS,), 1, seed=0)]))
    return seconds
