"""T5 on vLLM (engine/sampler/t5) beside `generate` of transformers: tokens a second of n samples for a few prompts.

    python -c "import json; from bench.t5 import measure; print(json.dumps(measure()))"

Random weights in the shape of T5 base (the text policies' 220M), float32, in turns and with the same threads, whose
number OMP_NUM_THREADS decides. All prompts have one length and all samples as well, so that `generate`, which pads to
the longest, wastes nothing. Both encode a prompt once, decode all samples together, and keep the encoder's keys for
each sample. What differs is the bookkeeping: vLLM's cache is paged, that of `generate` grows by a copy each step.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from engine.sampler.t5 import make_prompt, register

_KV_BLOCK = 32


def measure(
    prompts: int = 4, n: int = 24, prompt_tokens: int = 256, tokens: int = 32, repeats: int = 3
) -> dict[str, Any]:
    """Sample `n` times `tokens` for each prompt with both, `repeats` times."""
    config = T5Config(vocab_size=32100, d_model=768, d_ff=3072, num_layers=12, num_heads=12, decoder_start_token_id=0)
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config).eval()
    ids = torch.randint(3, config.vocab_size, (prompts, prompt_tokens))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with _serving(folder, config, prompts * n, prompt_tokens, tokens) as llm:
            _vllm(llm, ids.tolist(), n, 2)  # warms up
            _transformers(model, ids, n, 2)
            rounds = [
                (_vllm(llm, ids.tolist(), n, tokens), _transformers(model, ids, n, tokens)) for _ in range(repeats)
            ]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "prompts": prompts,
        "n": n,
        "prompt_tokens": prompt_tokens,
        "tokens": tokens,
        "threads": torch.get_num_threads(),
        "tokens_per_s": round(ours, 1),
        "transformers_tokens_per_s": round(theirs, 1),
        "t5_ratio": round(median(a / b for a, b in rounds), 2),
    }


@contextmanager
def _serving(folder: str, config: T5Config, sequences: int, prompt_tokens: int, tokens: int) -> Iterator[Any]:
    """`vllm.LLM` in this process, with room for all sequences at once."""
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
    from vllm import LLM

    register()
    blocks = sum(-(-length // _KV_BLOCK) for length in (prompt_tokens, tokens + 1)) * sequences + 64
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
    )
    try:
        yield llm
    finally:
        llm.llm_engine.engine_core.shutdown()


def _vllm(llm: Any, prompts: list[list[int]], n: int, tokens: int) -> float:
    from vllm import SamplingParams

    params = SamplingParams(n=n, temperature=1.0, max_tokens=tokens, ignore_eos=True, detokenize=False)
    start = time.perf_counter()
    outputs = llm.generate([make_prompt(prompt) for prompt in prompts], params, use_tqdm=False)
    seconds = time.perf_counter() - start
    return sum(len(sample.token_ids) for output in outputs for sample in output.outputs) / seconds


def _transformers(model: T5ForConditionalGeneration, ids: torch.Tensor, n: int, tokens: int) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids, do_sample=True, top_k=0, num_return_sequences=n, min_new_tokens=tokens, max_new_tokens=tokens
        )
    seconds = time.perf_counter() - start
    assert written.shape == (len(ids) * n, tokens + 1)
    return len(written) * tokens / seconds
