"""`codeit bench train`: how fast a policy trains.

    examples_per_s       examples of an epoch a second, median of the epochs after the first
    tokens_per_s         their real tokens, padding left out
    model_flops_per_s    floating-point operations that the model needs for them: forward and backward, causal
                         attention, the output layer on program tokens alone; no padding, nothing that is computed twice
    model_flops_share    of what the device multiplies in bf16 at most (data sheet, dense); null where that is unknown
    packs, records       whether batches are packed, and their work recorded as a CUDA graph
    first_s              the first epoch, in which layers are compiled
    look_s               the held-out loss of the same examples
    device_busy_share    of a stretch of some 20 steps, under a profiler, the share that the device computes or copies
                         in: far below 1, the processor holds it up; null on a CPU, as the next one
    kernels              what the device does in that stretch: the kernels that take longest, how often they run, and
                         their share of its busy time

Examples are programs of seeds on the demonstrations of their tasks, as rows in memory; only sizes and speed count here,
so the policy learns the same ones again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any, Literal

import numpy as np
import torch

from bench.material.solved import solved_rows
from engine.errors import UsageError
from interpreter import compilation
from trainer.catalogue import POLICIES, Shape
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.encoding import encode
from trainer.examples import Examples
from trainer.policy import new_policy, parameter_count
from trainer.training import Trainer

_PROFILED_STEPS, _TOP_KERNELS = 20, 16
_KERNEL_NAME = 100  # characters
MAX_PROMPT_TOKENS, MAX_TOKENS = 640, 192  # the defaults of a run

# Dense bf16 products a second by the manufacturer's data sheets, by what the driver calls the card.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12, "B200": 2250e12}


def measure(
    policy: str,
    device: Literal["auto", "cpu", "cuda"],
    dtype: Literal["auto", "float32", "bfloat16"],
    compile: Literal["auto", "on", "off"],
    seeds: str | None,
    examples: int,
    batch_tokens: int,
    repeats: int,
    packing: Literal["auto", "off"] = "auto",
    graphs: Literal["auto", "off"] = "auto",
) -> dict[str, Any]:
    """All of it as one JSON object. Raises `UsageError` for a GPU where there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device is cuda, and there is no GPU: auto takes what there is")
    compilation.warm_up(compilation.LEARNING)
    codec = CompactCodec(MAX_PROMPT_TOKENS)
    rows, inputs = solved_rows(seeds)
    chosen = rows.take(np.random.default_rng(0).integers(0, len(rows), examples))
    learned = encode(chosen, inputs, codec, MAX_TOKENS)
    ways = {"dtype": dtype, "compile": compile, "packing": packing, "graphs": graphs}
    config = TrainerConfig(policy=policy, device=device, batch_tokens=batch_tokens, **ways)
    untrained = new_policy(policy, len(codec.tokens), MAX_PROMPT_TOKENS + MAX_TOKENS, seed=0)
    trainer = Trainer(untrained, codec, config)
    epochs = [trainer.train(learned) for _ in range(repeats + 1)]
    seconds = median(epoch.seconds for epoch in epochs[1:])
    start = time.perf_counter()
    trainer.heldout_loss(learned)
    looked = time.perf_counter() - start
    can_see = torch.profiler.ProfilerActivity.CUDA in torch.profiler.supported_activities()
    busy = profile(trainer, learned, batch_tokens) if can_see and trainer.device.type == "cuda" else (None, None)
    name = torch.cuda.get_device_name() if trainer.device.type == "cuda" else "cpu"
    peak = next((peak for card, peak in PEAKS.items() if card in name), None)
    if "PCIe" in name or "NVL" in name or "GB200" in name:  # slower or faster ones of the same name
        peak = None
    flops = model_flops(POLICIES[policy], learned, len(codec.tokens)) / seconds
    return {
        "policy": policy,
        "parameters": parameter_count(untrained),
        "device": name,
        "threads": torch.get_num_threads(),
        "dtype": dtype,
        "compile": compile,
        "packs": trainer.packs,
        "records": trainer.records,
        "batch_tokens": batch_tokens,
        "examples": len(learned),
        "tokens_mean": round(float(learned.lengths.mean()), 1),
        "padding_share": round(epochs[-1].padding_share, 4),
        "steps": epochs[-1].steps,
        "first_s": round(epochs[0].seconds, 2),
        "epoch_s": round(seconds, 3),
        "examples_per_s": round(len(learned) / seconds, 1),
        "tokens_per_s": round(epochs[-1].tokens / seconds),
        "model_flops_per_s": float(f"{flops:.4g}"),
        "model_flops_share": None if peak is None else round(flops / peak, 4),
        "look_s": round(looked, 3),
        "memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if trainer.device.type == "cuda" else None,
        "device_busy_share": busy[0],
        "kernels": busy[1],
    }


def profile(trainer: Trainer, examples: Examples, batch_tokens: int) -> tuple[float, list[dict[str, Any]]]:
    """`device_busy_share` and `kernels` of training for some steps."""
    stretch = examples[: int(_PROFILED_STEPS * batch_tokens / examples.lengths.mean())]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        seconds = trainer.train(stretch).seconds
    rows = [
        row
        for row in profiler.key_averages()
        if row.device_type == torch.autograd.DeviceType.CUDA and not row.is_user_annotation
    ]
    return busy_share([(row.key, row.count, row.self_device_time_total) for row in rows], seconds)


def busy_share(kernels: Sequence[tuple[str, int, float]], seconds: float) -> tuple[float, list[dict[str, Any]]]:
    """Of kernels, each a name, how often it ran and its microseconds: the share of `seconds`, and the longest."""
    total = sum(spent for _, _, spent in kernels)
    longest = sorted(kernels, key=lambda kernel: -kernel[2])[:_TOP_KERNELS]
    top = [
        {"kernel": name[:_KERNEL_NAME], "calls": calls, "share": round(spent / total, 4)}
        for name, calls, spent in longest
    ]
    return round(total / 1e6 / seconds, 4), top


def model_flops(shape: Shape, examples: Examples, vocabulary: int) -> float:
    """Floating-point operations of an epoch of a compact policy: two a weight and token forward, twice that backward;
    attention from each token to itself and those before it."""
    lengths = examples.lengths.astype(np.float64) - 1  # the last token is only a target
    attention = 2 * shape.layers * shape.width * (lengths * (lengths + 1)).sum()
    output = 2 * shape.width * vocabulary * float(examples.programs.sum())
    return 3 * (2 * shape.weights * lengths.sum() + attention + output)
