"""`codeit bench samples`: programs sampled a second, vLLM beside transformers.

Three ways get the same checkpoint, prompts (the demonstrations of evaluation tasks), grammar, limits and threads, and
take turns:

    vllm      the sampler of a run
    shared    our transformers sampler, which prefills each prompt once
    generate  transformers' own, as the official CodeIt code uses it (bench/baselines/generate.py)

On a CPU `generate` gets one prompt a batch, which is faster there than several: for 25M parameters and four prompts of
323 to 576 tokens, 24 samples each, a batch of one took 61 s of one processor, of two 84 s; for T5, one and four 38 s.

The policy has read the seed programs for a minute, so that its programs end where programs end, each at its own
length. What the grammar costs comes next (bench/sampling/grammar.py), then T5, in the shape of the text policies' 220M
(bench/sampling/t5.py). Medians of `repeats`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import LlamaForCausalLM

from bench.baselines.generate import GrammarRule, generate
from bench.rates import Lengths, in_turns, ratio, tokens_per_s
from bench.sampling.grammar import measure_grammar
from bench.sampling.t5 import measure_t5
from engine.errors import UsageError
from engine.sampler import Sampler, SamplerConfig, SampleRequest, open_sampler
from engine.sampler.constraint import CompactGrammar
from engine.seeds.seed import load_seeds
from engine.tasks import load_tasks, training_tasks
from interpreter.language.program import ProgramError
from interpreter.language.vocabulary import BOS, detokenize, has_tokens
from trainer.codec import CompactCodec
from trainer.config import TrainerConfig
from trainer.errors import PromptTooLong
from trainer.examples import Example
from trainer.policy import new_policy, parameter_count
from trainer.training import Trainer

MAX_PROMPT_TOKENS = 640
# T5 of this size writes about a tenth as fast: fewer and shorter prompts, and shorter programs.
T5_PROMPTS, T5_PROMPT_TOKENS, T5_TOKENS = 4, 320, 48
READING = TrainerConfig(warmup_steps=5, batch_tokens=256, device="cpu")
EPOCHS = 3


def measure(
    policy: str = "compact-25m",
    prompts: int = 8,
    n: int = 24,
    sequences: int = 96,
    repeats: int = 2,
    threads: int = 1,
    t5: bool = True,
    max_tokens: int = 96,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16"] = "float32",
    seeds: str | None = None,
) -> dict[str, Any]:
    """Time `n` samples for each of the first `prompts` prompts.

    Raises `UsageError` for another device than there is.
    """
    _check_device(device)
    torch.set_num_threads(threads)
    codec = CompactCodec(MAX_PROMPT_TOKENS)
    programs = programs_of(codec, seeds)
    options = SamplerConfig(max_tokens=max_tokens, threads=threads, max_sequences=sequences, dtype=dtype)
    requests = [SampleRequest(prompt, n, seed) for seed, prompt in enumerate(prompts_of(codec, prompts))]
    result = _measure_compact(policy, codec, programs, requests, options, repeats)
    result |= measure_grammar([request.prompt for request in requests], codec, options, repeats)
    if t5:
        read = prompts_of(CompactCodec(T5_PROMPT_TOKENS), min(prompts, T5_PROMPTS))
        lengths = [min(len(program), T5_TOKENS) for program in programs]
        result |= measure_t5(read, lengths, n, options.max_sequences, _batch(n, options), repeats)
    return result


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_device(device: str) -> None:
    if device not in ("auto", _device()):
        raise UsageError(f"samples are drawn on {_device()} here, and --device is {device}: auto takes what there is")


def _measure_compact(
    name: str,
    codec: CompactCodec,
    programs: Sequence[tuple[int, ...]],
    requests: Sequence[SampleRequest],
    options: SamplerConfig,
    repeats: int,
) -> dict[str, Any]:
    longest = MAX_PROMPT_TOKENS + options.max_tokens
    policy = new_policy(name, len(codec.tokens), longest, seed=0)
    trainer = Trainer(policy, codec, READING)
    for _ in range(EPOCHS):
        trainer.train([Example((BOS,), program) for program in programs])
    written: list[tuple[int, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = trainer.publish(Path(folder) / "v1", 1)
        with (
            open_sampler(checkpoint, options, longest) as vllm,
            open_sampler(checkpoint, options.model_copy(update={"backend": "transformers"}), longest) as shared,
        ):
            ways = {
                "vllm": partial(_draw, vllm, checkpoint, requests, written),
                "shared": partial(_draw, shared, checkpoint, requests, []),
                "generate": partial(
                    _generate, policy.to(_device(), getattr(torch, options.dtype)).eval(), requests, options
                ),
            }
            rates = in_turns(ways, repeats)
    return {
        "policy": name,
        "parameters": parameter_count(policy),
        "device": _device(),
        "dtype": options.dtype,
        "prompts": len(requests),
        "n": requests[0].n,
        "sequences": options.max_sequences,
        "threads": options.threads,
        "prompt_tokens_median": float(np.median([len(request.prompt) for request in requests])),
        "tokens": np.quantile([len(tokens) for tokens in written], (0.1, 0.5, 0.9)).tolist(),
        "parsed_share": round(sum(map(_parses, written)) / len(written), 5),
        "samples_per_s": round(float(np.median([rate.samples for rate in rates["vllm"]])), 1),
        "tokens_per_s": round(tokens_per_s(rates["vllm"])),
        "shared_tokens_per_s": round(tokens_per_s(rates["shared"])),
        "generate_tokens_per_s": round(tokens_per_s(rates["generate"])),
        "compact_ratio_shared": ratio(rates["vllm"], rates["shared"]),
        "compact_ratio": ratio(rates["vllm"], rates["generate"]),
    }


def programs_of(codec: CompactCodec, seeds: str | None = None) -> list[tuple[int, ...]]:
    """The seed programs that have tokens, as tokens."""
    programs = [seed.program for seed in load_seeds(seeds, training_tasks())]
    return [tuple(codec.encode_program(program.text)) for program in programs if has_tokens(program)]


def prompts_of(codec: CompactCodec, count: int) -> list[tuple[int, ...]]:
    """The prompts of the first evaluation tasks that fit the codec."""
    prompts: list[tuple[int, ...]] = []
    for task in load_tasks("arc1-eval"):
        try:
            prompts.append(tuple(codec.encode_prompt(task.demonstrations)))
        except PromptTooLong:
            continue
        if len(prompts) == count:
            break
    return prompts


def _draw(
    sampler: Sampler, checkpoint: Path, requests: Sequence[SampleRequest], written: list[tuple[int, ...]]
) -> Lengths:
    """All samples, which `written` is given, too. The swap, timed as well, leaves no prompt in the prefix cache."""
    sampler.swap(checkpoint)
    tokens = [sample.tokens for sample in sampler.sample(requests)]
    written += tokens
    return [len(program) for program in tokens]


def _batch(n: int, options: SamplerConfig) -> int:
    """The rows that `generate` decodes at a time: see above."""
    return options.max_sequences if _device() == "cuda" else n


def _generate(policy: LlamaForCausalLM, requests: Sequence[SampleRequest], options: SamplerConfig) -> Lengths:
    found = generate(
        policy,
        [request.prompt for request in requests],
        requests[0].n,
        _batch(requests[0].n, options),
        options.max_tokens,
        options.temperature,
        partial(GrammarRule, CompactGrammar(options.max_tokens, options.types)),
    )
    return [len(tokens) for tokens in found.values()]


def _parses(tokens: tuple[int, ...]) -> bool:
    try:
        detokenize(tokens)
    except ProgramError:
        return False
    return True
