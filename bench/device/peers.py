"""What others do with the same policy, prompts and lengths: vLLM's own class as people use it, and `generate`."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

import torch

from bench.baselines.generate import GrammarRule, generate
from bench.device.sampling import ROUNDS, lengths
from bench.device.work import LONGEST, MAX_TOKENS, Work, memory, synchronize
from bench.rates import Rate
from engine.sampler.constraint import CompactGrammar
from engine.sampler.host import hosting
from trainer.policy import load_policy

GENERATED_PROMPTS = 16


def measure_vllm(work: Work) -> dict[str, Any]:
    """`vllm.LLM` in this process, with its defaults but for sizes: compiled, graphs, no grammar and no seeds."""
    from vllm import LLM, SamplingParams
    from vllm.inputs import tokens_input

    config = work.config()
    start = time.perf_counter()
    with hosting():
        os.environ.pop("VLLM_USE_V2_MODEL_RUNNER")  # this is vLLM's choice
        llm = LLM(
            str(work.checkpoints[0]),
            dtype=config.dtype,
            skip_tokenizer_init=True,
            generation_config="vllm",
            max_model_len=LONGEST,
            max_num_seqs=config.max_sequences,
            kv_cache_memory_bytes=config.kv_cache_bytes,
            use_tqdm_on_load=False,
            **({"enforce_eager": True} if work.tiny else {}),
        )
    opened = time.perf_counter() - start
    limits = lengths(work)
    inputs = [tokens_input(list(work.requests[number].prompt)) for number, _ in limits]
    params = [
        SamplingParams(temperature=config.temperature, max_tokens=limit, ignore_eos=True, detokenize=False)
        for limit in limits.values()
    ]

    def drawn() -> list[int]:
        llm.reset_prefix_cache()
        outputs = llm.generate(inputs, params, use_tqdm=False)
        return [len(output.outputs[0].token_ids) for output in outputs]

    drawn()  # warms up
    rates = [Rate.of(drawn) for _ in range(ROUNDS)]
    llm.llm_engine.engine_core.shutdown()
    return {"tokens_per_s": [round(rate.tokens) for rate in rates], "opened_s": round(opened, 1)}


def measure_generate(work: Work) -> dict[str, Any]:
    """transformers' `generate`, with the grammar, for fewer prompts."""
    config = work.config()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    policy = load_policy(work.checkpoints[0], work.codec.tokens).to(device, getattr(torch, config.dtype)).eval()
    requests = work.requests[:GENERATED_PROMPTS]
    rule = partial(GrammarRule, CompactGrammar(MAX_TOKENS, config.types))

    def drawn() -> list[int]:
        prompts = [request.prompt for request in requests]
        found = generate(policy, prompts, requests[0].n, config.max_sequences, MAX_TOKENS, config.temperature, rule)
        synchronize()
        return [len(tokens) for tokens in found.values()]

    rates = [Rate.of(drawn) for _ in range(ROUNDS)]
    return {"tokens_per_s": [round(rate.tokens) for rate in rates], "prompts": len(requests), **memory()}
