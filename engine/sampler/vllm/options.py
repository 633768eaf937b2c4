"""vLLM's options for an engine that samples programs: what a configuration and a checkpoint ask of it."""

from __future__ import annotations

from typing import Any

import torch

from engine.sampler.config import SamplerConfig
from engine.sampler.device import gpu_memory
from engine.sampler.published import Published

# Tokens that share a cached block. 32 is the least that vLLM's CPU attention supports: of a prompt, only the tokens
# after its last full block are computed again for each sample.
BLOCK = 32
_BATCHED_TOKENS = 4096
# Of an encoder-decoder, the samples of a prompt are encoded once if they start in one step; so many do.
_ENCODED_TOGETHER = 24
# Tokens of a step that there are CUDA graphs for, each captured at the start. What begins reads its prompt, so that
# most steps have more tokens than sequences; beyond the last size a step is eager.
_GRAPH_SIZES = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 320, 384, 448, 512, *range(576, 2049, 64))
_GRAPH_MODES = {"decode": "FULL_DECODE_ONLY", "full": "FULL"}
_BACKENDS = {"flash": "FLASH_ATTN", "triton": "TRITON_ATTN"}


def engine_arguments(published: Published, config: SamplerConfig, max_model_len: int) -> dict[str, Any]:
    """`EngineArgs` for a checkpoint; of `config`, every "auto" is decided (`device.fitted`)."""
    is_seq2seq = published.kind == "seq2seq"
    return {
        "model": str(published.folder),
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "load_format": "safetensors",
        "dtype": config.dtype,
        "max_num_seqs": config.max_sequences,
        "block_size": BLOCK,
        "enable_prefix_caching": not is_seq2seq,  # vLLM has none for encoder-decoders
        "enable_chunked_prefill": False,  # prompts are short beside what a step may have
        "async_scheduling": False,  # the grammar needs the token of the step before
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
        **_lengths(published, max_model_len, config.max_tokens),
        **_memory(config.kv_cache_bytes),
        **_graphs(config, is_seq2seq),
        **_scheduler(config, is_seq2seq),
    }


def _graphs(config: SamplerConfig, is_seq2seq: bool) -> dict[str, Any]:
    """None for encoder-decoders: T5's attention has none."""
    has_none = config.graphs == "off" or is_seq2seq or not torch.cuda.is_available()
    found: dict[str, Any] = {"enforce_eager": has_none}
    if not found["enforce_eager"]:
        most = _BATCHED_TOKENS if config.graphs == "full" else config.max_sequences
        sizes = sorted({size for size in _GRAPH_SIZES if size <= most} | {min(config.max_sequences, most)})
        mode = _GRAPH_MODES[config.graphs]
        # Mode 0: nothing is compiled, so that an engine opens in seconds.
        found["compilation_config"] = {"mode": 0, "cudagraph_mode": mode, "cudagraph_capture_sizes": sizes}
    if config.attention in _BACKENDS and torch.cuda.is_available():
        found["attention_config"] = {"backend": _BACKENDS[config.attention]}
    return found


def _scheduler(config: SamplerConfig, is_seq2seq: bool) -> dict[str, Any]:
    """vLLM's own scheduler for encoder-decoders, whose samples start with their encoder."""
    if config.scheduler == "vllm" or is_seq2seq:
        return {}
    from engine.sampler.vllm.scheduler import program_scheduler

    return {"scheduler_cls": program_scheduler(config.admit_together)}


def _memory(cache_bytes: int) -> dict[str, Any]:
    """vLLM's memory. At its start on a GPU it asks for a share to be free, by default most of it, but a trainer may be
    there already: it should ask for what the cache takes."""
    memory: dict[str, Any] = {"kv_cache_memory_bytes": cache_bytes}
    if torch.cuda.is_available():
        memory["gpu_memory_utilization"] = min(1.0, cache_bytes / gpu_memory())
    return memory


def _lengths(published: Published, max_model_len: int, max_tokens: int) -> dict[str, Any]:
    """vLLM's limits on tokens. An encoder-decoder's model length is its decoder's, the start token included."""
    if published.kind != "seq2seq":
        batched = max(_BATCHED_TOKENS, max_model_len)
        return {"max_model_len": max_model_len, "max_num_batched_tokens": batched}
    prompt = max_model_len - max_tokens
    return {
        "max_model_len": max_tokens + 1,
        "max_num_batched_tokens": max(_BATCHED_TOKENS, _ENCODED_TOGETHER * prompt),
        "hf_overrides": {"max_source_positions": prompt},
    }
