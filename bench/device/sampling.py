"""A way to sample (`variants`): tokens a second, where a step's time goes, and whether what it writes is right.

Rounds are timed after one that warms up; before each, a swap empties the prefix cache. The parts of a step are by the
host's clock: `execute` gives a device its work, and what it waits for shows in `bookkeeping`.

Right: a policy of transformers in float32, with the same grammar and noise, says for each token by how much it would
have preferred another one (`margin`; of logits over the temperature). Rounding decides below some hundredths in
float32, and some tenths in bfloat16, which `wrong` tokens there are many of; what is wrong is off by several. Samples
are looked at after a swap to other weights, too (`swapped`), and after one back. `equal_samples` is the share that the
first variant wrote, token for token.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.device.variants import DIAGNOSES, VARIANTS, is_free
from bench.device.work import LONGEST, MAX_TOKENS, Work, memory, synchronize
from bench.rates import Rate
from bench.sampling.grammar import draw
from engine.sampler import Sample, Sampler, SampleRequest, open_sampler, sample_seed
from engine.sampler.constraint import CompactGrammar, Constraint
from engine.sampler.published import Published
from engine.sampler.vllm.transports import new_transport
from engine.sampler.vllm_sampler import open_engine
from trainer.policy import load_policy

ROUNDS = 2
PROFILED = "full-triton"
_TOP = 15
_BOUNDS = {"float32": 0.1, "bfloat16": 1.0}  # of a margin that rounding explains


def measure_variant(work: Work) -> dict[str, Any]:
    """Time and check the variant of the case's name."""
    changes = (VARIANTS | DIAGNOSES)[work.name]
    if work.name == "full-flash-own-schedule":
        _let_kernels_schedule()
    if is_free(work.name):
        return _measure_free(work, changes)
    config = work.config(**changes)
    first, second = work.checkpoints
    start = time.perf_counter()
    with open_sampler(first, config, LONGEST) as sampler:
        opened = time.perf_counter() - start
        list(sampler.sample(work.requests))  # warms up
        with timing() as spent:
            timed = [round_of(sampler, work, work.requests) for _ in range(ROUNDS)]
        samples = timed[-1][1]
        result = _rates([rate for rate, _ in timed], spent) | {
            "opened_s": round(opened, 1),
            "tokens": np.quantile([len(sample.tokens) for sample in samples], (0.1, 0.5, 0.9)).tolist(),
            "backends": backends(sampler),
            **memory(),
        }
        few = [SampleRequest(request.prompt, min(request.n, 8), request.seed) for request in work.requests[::8]]
        sampler.swap(second)
        swapped = list(sampler.sample(few))
        sampler.swap(first)
        back = list(sampler.sample(few))
    drawn = {(sample.request, sample.index): sample for sample in samples}
    mine = [Sample(n, k, drawn[8 * n, k].tokens, 1, True) for n, request in enumerate(few) for k in range(request.n)]
    checks = {
        "checked": check(work, first, few, mine, config.dtype),
        "swapped": check(work, second, few, swapped, config.dtype),
        "back": check(work, first, few, back, config.dtype),
    }
    result |= checks | {"right": all(check["right"] for check in checks.values())}
    return result | compared(work, samples, next(iter(VARIANTS))) | {"config": changes}


def round_of(sampler: Sampler, work: Work, requests: Sequence[SampleRequest]) -> tuple[Rate, list[Sample]]:
    """The rate of a round, without what an earlier one left in caches, and its samples."""
    sampler.swap(work.checkpoints[0])
    samples: list[Sample] = []

    def drawn() -> list[int]:
        samples.extend(sampler.sample(requests))
        synchronize()
        return [len(sample.tokens) for sample in samples]

    synchronize()
    return Rate.of(drawn), samples


def _rates(rates: Sequence[Rate], spent: dict[str, list[float]]) -> dict[str, Any]:
    steps = len(spent["step"])
    return {
        "tokens_per_s": [round(rate.tokens) for rate in rates],
        "samples_per_s": [round(rate.samples, 1) for rate in rates],
        "steps": steps // len(rates),
        "step_ms": {name: round(1000 * sum(seconds) / steps, 3) for name, seconds in spent.items()},
    }


# ------------------------------------------------------------------------------------------------ without a grammar


def _measure_free(work: Work, changes: dict[str, Any]) -> dict[str, Any]:
    """The same prompts and lengths, but vLLM draws what it likes, without seeds."""
    config = work.config(**changes)
    prompts = [request.prompt for request in work.requests]
    limits = lengths(work)
    start = time.perf_counter()
    engine = open_engine(
        Published.read(work.checkpoints[0]), config, LONGEST, None, new_transport(config.transfer, None)
    )
    opened = time.perf_counter() - start

    def drawn() -> list[int]:
        written = draw(engine, prompts, limits, config.temperature)
        synchronize()
        return [*written.values()]

    try:
        drawn()  # warms up
        with timing() as spent:
            rates = [Rate.of(drawn) for _ in range(ROUNDS)]
    finally:
        engine.engine_core.shutdown()
    return _rates(rates, spent) | {"opened_s": round(opened, 1), "config": changes}


def lengths(work: Work) -> dict[tuple[int, int], int]:
    """The tokens of each sample: those that the first variant wrote, if it has."""
    keys = [(number, k) for number, request in enumerate(work.requests) for k in range(request.n)]
    file = _file(work, next(iter(VARIANTS)))
    if not file.exists():
        drawn = np.random.default_rng(0).geometric(1 / 30, len(keys)).clip(5, MAX_TOKENS)
        return dict(zip(keys, drawn.tolist(), strict=True))
    written = {(number, k): len(tokens) for number, k, tokens in json.loads(file.read_text())}
    return {key: written[key] for key in keys}


# ------------------------------------------------------------------------------------------------ right or wrong


def check(
    work: Work, checkpoint: Path, requests: Sequence[SampleRequest], samples: Sequence[Sample], dtype: str
) -> dict[str, Any]:
    """By how much the reference would have preferred another token, over all tokens of some samples."""
    torch.backends.cuda.matmul.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    policy = load_policy(checkpoint, work.codec.tokens).to(device, torch.float32).eval()
    found = []
    for number, request in enumerate(requests):
        written = [sample for sample in samples if sample.request == number]
        found += _margins(work, policy, request, written)
    missed = np.array(found)
    return {
        "tokens": len(missed),
        "wrong": int((missed > 0).sum()),
        "margin": round(float(missed.max()), 5),
        "margin_99": round(float(np.quantile(missed, 0.99)), 5),
        "right": bool(missed.max() < _BOUNDS[dtype]),
    }


@torch.inference_mode()
def _margins(work: Work, policy: Any, request: SampleRequest, samples: Sequence[Sample]) -> list[float]:
    longest = max(len(sample.tokens) for sample in samples)
    rows = [[*request.prompt, *sample.tokens, *[0] * (longest - len(sample.tokens))] for sample in samples]
    logits = policy(torch.tensor(rows, device=policy.device), use_cache=False).logits
    logits = logits[:, len(request.prompt) - 1 : -1].float().cpu()
    config = work.config()
    constraint = Constraint(CompactGrammar(MAX_TOKENS, config.types), len(samples), config.temperature)
    programs: list[list[int]] = [[] for _ in samples]
    for row, sample in enumerate(samples):
        constraint.start(row, programs[row], sample_seed(request.seed, sample.index))
    found = []
    for position in range(longest):
        scores = constraint.apply(logits[:, position].contiguous())
        best = scores.max(-1).values
        for row, sample in enumerate(samples):
            if position < len(sample.tokens):
                token = sample.tokens[position]
                found.append((best[row] - scores[row, token]).item())
                if position + 1 < len(sample.tokens):
                    programs[row].append(token)
    return found


def compared(work: Work, samples: Sequence[Sample], other: str) -> dict[str, Any]:
    """With what another case wrote, if it has; what this one wrote is kept for the others."""
    written = sorted([sample.request, sample.index, list(sample.tokens)] for sample in samples)
    _file(work, work.name).write_text(json.dumps(written))
    file = _file(work, other)
    if not file.exists():
        return {}
    first = json.loads(file.read_text())
    equal = [a == b for a, b in zip(first, written, strict=True)]
    common = sum(_common(a[2], b[2]) for a, b in zip(first, written, strict=True))
    return {
        "equal_samples": round(sum(equal) / len(equal), 4),
        "equal_tokens": round(common / sum(len(row[2]) for row in first), 4),
    }


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """The tokens until two samples differ."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _file(work: Work, name: str) -> Any:
    return work.folder / f"{name}.samples.json"


# ------------------------------------------------------------------------------------------------ a look inside


def profile(work: Work) -> dict[str, Any]:
    """The functions that take longest in a round, under cProfile, which makes all of it slower."""
    config = work.config(**VARIANTS[PROFILED])
    with open_sampler(work.checkpoints[0], config, LONGEST) as sampler:
        list(sampler.sample(work.requests))
        sampler.swap(work.checkpoints[0])
        with cProfile.Profile() as profiler:
            samples = list(sampler.sample(work.requests))
    stats = pstats.Stats(profiler)
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:_TOP]
    top = [
        {"function": f"{'/'.join(file.split('/')[-2:])}:{line} {name}", "calls": calls, "own_s": round(own, 3)}
        | {"all_s": round(cumulative, 3)}
        for (file, line, name), (_, calls, own, cumulative, _) in rows
    ]
    return {"variant": PROFILED, "samples": len(samples), "seconds": round(stats.total_tt, 2), "top": top}


@contextmanager
def timing() -> Iterator[dict[str, list[float]]]:
    """Seconds of each call of the parts of a step, in this block."""
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.engine.llm_engine import LLMEngine
    from vllm.v1.engine.output_processor import OutputProcessor
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from engine.sampler.vllm.scheduler import ProgramScheduler

    parts = {
        "step": [(LLMEngine, "step")],
        "add_request": [(LLMEngine, "add_request")],
        "schedule": [(ProgramScheduler, "schedule")],
        "admit": [(Scheduler, "schedule")],  # a part of `schedule`, or all of vLLM's own
        "execute": [(GPUModelRunner, "execute_model")],
        "update_states": [(GPUModelRunner, "_update_states")],
        "prepare_inputs": [(GPUModelRunner, "_prepare_inputs")],
        "forward": [(GPUModelRunner, "_model_forward")],
        "sample": [(GPUModelRunner, "_sample")],
        "grammar": [(Constraint, "advance")],
        "masks_and_noise": [(Constraint, "forbid")],
        "bookkeeping": [(GPUModelRunner, "_bookkeeping_sync")],
        "update": [(Scheduler, "update_from_output"), (ProgramScheduler, "update_from_output")],
        "outputs": [(OutputProcessor, "process_outputs")],
    }
    spent: dict[str, list[float]] = defaultdict(list)
    originals = [(owner, name, owner.__dict__[name]) for places in parts.values() for owner, name in places]
    for part, places in parts.items():
        for owner, name in places:
            setattr(owner, name, _timed(owner.__dict__[name], spent[part]))
    try:
        yield spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _timed(function: Any, seconds: list[float]) -> Any:
    @wraps(function)
    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - start)

    return timed


def backends(sampler: Any) -> list[str]:
    """The attention that the engine's layers really have."""
    runner = sampler._engine.engine_core.engine_core.model_executor.driver_worker.worker.model_runner
    found = set()
    for layer in runner.vllm_config.compilation_config.static_forward_context.values():
        if (backend := getattr(layer, "attn_backend", None)) is not None:
            version = getattr(getattr(layer, "impl", None), "vllm_flash_attn_version", None)
            found.add(f"{backend.get_name()}{f' {version}' if version else ''}, heads of {layer.head_size}")
    return sorted(found)


def _let_kernels_schedule() -> None:
    """FlashAttention's work is not laid out before a step."""
    from vllm.v1.attention.backends.flash_attn import FlashAttentionMetadataBuilder

    FlashAttentionMetadataBuilder._get_scheduler_metadata = lambda self, **_: None
