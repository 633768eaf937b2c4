"""`codeit bench samples`: programs sampled a second, vLLM beside transformers, and the time of a weight swap.

Both samplers get the same checkpoint, prompts (the demonstrations of evaluation tasks), seeds, grammar and limits, in
turns. The transformers sampler is ours, with a shared prefill of each prompt; plain `generate`, without it, is
slower still. A random policy writes programs of varying length, bounded by the grammar. Medians of `repeats`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from engine.sampler import Sampler, SampleRequest, SamplerOptions, open_sampler
from engine.tasks import load_tasks
from trainer.codec import CompactCodec, PromptTooLong
from trainer.policy import new_policy, parameter_count
from trainer.training import Trainer, TrainingSettings

MAX_PROMPT_TOKENS = 640


def measure(
    policy: str = "compact-3m", tasks: int = 16, n: int = 24, max_tokens: int = 96, repeats: int = 3
) -> dict[str, Any]:
    """Time `n` samples for each of the first `tasks` prompts."""
    codec = CompactCodec(MAX_PROMPT_TOKENS)
    requests = _requests(codec, tasks, n)
    options = SamplerOptions(max_tokens=max_tokens, max_model_len=MAX_PROMPT_TOKENS + max_tokens, typed=True)
    with tempfile.TemporaryDirectory() as folder:
        model = new_policy(policy, len(codec.tokens), options.max_model_len, seed=0)
        trainer = Trainer(model, codec, TrainingSettings())
        checkpoints = [trainer.publish(Path(folder) / f"v{version}", version) for version in (1, 2)]
        start = time.perf_counter()
        with open_sampler(checkpoints[0], options, "vllm") as vllm:
            opened = time.perf_counter() - start
            with open_sampler(checkpoints[0], options, "transformers") as transformers:
                rounds = [
                    tuple(_rates(sampler, requests, checkpoints[k % 2]) for sampler in (vllm, transformers))
                    for k in range(1, repeats + 1)
                ]
            swaps = [_swap(vllm, checkpoints[k % 2]) for k in range(8)]
    ours, theirs = (tuple(median(rates) for rates in zip(*side, strict=True)) for side in zip(*rounds, strict=True))
    return {
        "policy": policy,
        "parameters": parameter_count(model),
        "prompts": len(requests),
        "n": n,
        "prompt_tokens_median": median(len(request.prompt) for request in requests),
        "samples_per_s": round(ours[0], 1),
        "tokens_per_s": round(ours[1]),
        "transformers_samples_per_s": round(theirs[0], 1),
        "transformers_tokens_per_s": round(theirs[1]),
        "compact_ratio_shared": round(median(a[1] / b[1] for a, b in rounds), 2),
        "open_s": round(opened, 2),
        "swap_s": round(median(swaps), 4),
    }


def _requests(codec: CompactCodec, tasks: int, n: int) -> list[SampleRequest]:
    requests: list[SampleRequest] = []
    for task in load_tasks("arc1-eval"):
        try:
            prompt = codec.encode_prompt(task.demonstrations)
        except PromptTooLong:
            continue
        requests.append(SampleRequest(tuple(prompt), n, seed=len(requests)))
        if len(requests) == tasks:
            break
    return requests


def _rates(sampler: Sampler, requests: list[SampleRequest], checkpoint: Path) -> tuple[float, float]:
    """Samples and tokens a second after a swap, which leaves no prompt in the prefix cache."""
    sampler.swap(checkpoint)
    start = time.perf_counter()
    samples = list(sampler.sample(requests))
    seconds = time.perf_counter() - start
    return len(samples) / seconds, sum(len(sample.tokens) for sample in samples) / seconds


def _swap(sampler: Sampler, checkpoint: Path) -> float:
    start = time.perf_counter()
    sampler.swap(checkpoint)
    return time.perf_counter() - start
