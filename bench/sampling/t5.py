"""T5 on vLLM (engine/sampler/t5) beside `generate` of transformers, in the shape of the text policies' 220M.

Random weights, float32. Prompts and the lengths of samples vary, the same for both: a sample ends after as many
tokens as some seed program has. Both encode a prompt once and keep the encoder's keys for each sample. What differs:
`generate` pads to its batch's longest prompt and goes on until its longest sample ends, and its cache grows by a copy
each step; vLLM's is paged, and a sample that ends makes room for another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

from bench.baselines.generate import LengthRule, Rows, generate
from bench.rates import Lengths, in_turns, ratio, tokens_per_s
from engine.sampler.host import hosting
from engine.sampler.t5 import make_prompt, register

_KV_BLOCK = 32
_TEMPERATURE = 0.95
CONFIG = T5Config(
    vocab_size=32100, d_model=768, d_ff=3072, num_layers=12, num_heads=12, decoder_start_token_id=0, eos_token_id=2
)


def measure_t5(
    prompts: Sequence[Sequence[int]],
    lengths: Sequence[int],
    n: int,
    sequences: int,
    batch: int,
    repeats: int,
    config: T5Config = CONFIG,
) -> dict[str, Any]:
    """Time `n` samples for each of `prompts`; they have tokens as in `lengths`, drawn at random.

    vLLM decodes `sequences` at a time, `generate` in batches of `batch`.
    """
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    wanted = np.random.default_rng(0).choice(lengths, (len(prompts), n))
    longest = int(wanted.max())

    def baseline() -> Lengths:
        def rule(keys: Rows) -> LengthRule:
            return LengthRule([wanted[key] for key in keys])

        return [len(tokens) for tokens in generate(model, prompts, n, batch, longest, _TEMPERATURE, rule).values()]

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with _serving(folder, config, sequences, max(map(len, prompts)), longest) as llm:
            _vllm(llm, prompts[:1], wanted[:1, :2])  # warms up
            rates = in_turns({"vllm": lambda: _vllm(llm, prompts, wanted), "generate": baseline}, repeats)
    return {
        "t5_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "t5_prompts": len(prompts),
        "t5_prompt_tokens_median": float(np.median([len(prompt) for prompt in prompts])),
        "t5_tokens": np.quantile(wanted, (0.1, 0.5, 0.9)).tolist(),
        "t5_tokens_per_s": round(tokens_per_s(rates["vllm"]), 1),
        "t5_generate_tokens_per_s": round(tokens_per_s(rates["generate"]), 1),
        "t5_ratio": ratio(rates["vllm"], rates["generate"]),
    }


@contextmanager
def _serving(folder: str, config: T5Config, sequences: int, prompt_tokens: int, tokens: int) -> Iterator[Any]:
    """`vllm.LLM` in this process, with room for `sequences` at once."""
    blocks = sum(-(-length // _KV_BLOCK) for length in (prompt_tokens, tokens + 1)) * sequences + 64
    with hosting():
        from vllm import LLM

        register()
        llm = LLM(
            folder,
            dtype="float32",
            skip_tokenizer_init=True,
            generation_config="vllm",
            max_model_len=tokens + 1,
            max_num_seqs=sequences,
            max_num_batched_tokens=sequences * prompt_tokens,
            kv_cache_memory_bytes=blocks * _KV_BLOCK * config.num_layers * config.num_heads * config.d_kv * 2 * 4,
            block_size=_KV_BLOCK,
            enforce_eager=True,
            use_tqdm_on_load=False,
        )
    try:
        yield llm
    finally:
        llm.llm_engine.engine_core.shutdown()


def _vllm(llm: Any, prompts: Sequence[Sequence[int]], wanted: np.ndarray) -> Lengths:
    """Each sample is a request of its own, because its length is."""
    from vllm import SamplingParams

    params = [
        SamplingParams(temperature=_TEMPERATURE, max_tokens=int(tokens), ignore_eos=True, detokenize=False)
        for tokens in wanted.ravel()
    ]
    inputs = [make_prompt(prompt) for prompt in prompts for _ in range(wanted.shape[1])]
    return [len(output.outputs[0].token_ids) for output in llm.generate(inputs, params, use_tqdm=False)]
