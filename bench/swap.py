"""`codeit bench swap`: how long new weights take to get into a running vLLM engine.

For each policy two checkpoints are published and swapped to and fro; a swap reads the checkpoint (from the page cache),
checks names and shapes, replaces every weight, and resets the prefix cache. Medians of `repeats` swaps.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from engine.sampler import Sampler, SamplerConfig, SampleRequest, open_sampler
from interpreter.language.vocabulary import BOS
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.policy import new_policy, parameter_count
from trainer.training import Trainer

SAMPLER = SamplerConfig(max_tokens=16, kv_cache_mib=64)
MAX_MODEL_LEN = 64


def measure(policies: Sequence[str] = ("compact-25m", "compact-220m"), repeats: int = 7) -> dict[str, Any]:
    """Seconds of a swap and of the engine's start, by policy."""
    result: dict[str, Any] = {"threads": SAMPLER.threads, "repeats": repeats}
    for name in policies:
        result |= {f"{key}_{name.removeprefix('compact-')}": value for key, value in _measure(name, repeats).items()}
    return result


def _measure(name: str, repeats: int) -> dict[str, Any]:
    codec = CompactCodec(MAX_MODEL_LEN - SAMPLER.max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        for version in (1, 2):
            policy = new_policy(name, len(codec.tokens), MAX_MODEL_LEN, seed=version)
            parameters = parameter_count(policy)
            Trainer(policy, codec, TrainerConfig(device="cpu")).publish(Path(folder) / f"v{version}", version)
        start = time.perf_counter()
        with open_sampler(Path(folder) / "v1", SAMPLER, MAX_MODEL_LEN) as sampler:
            opened = time.perf_counter() - start
            seconds = [_swap(sampler, Path(folder) / f"v{2 - k % 2}") for k in range(repeats + 1)]
    return {"parameters": parameters, "open_s": round(opened, 2), "swap_s": round(median(seconds[1:]), 4)}


def _swap(sampler: Sampler, checkpoint: Path) -> float:
    """The time of a swap, after which the engine samples."""
    start = time.perf_counter()
    sampler.swap(checkpoint)
    seconds = time.perf_counter() - start
    list(sampler.sample([SampleRequest((BOS,), 1, seed=0)]))
    return seconds
