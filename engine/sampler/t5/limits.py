"""What this model supports, and errors that say so before anything is computed.

Options travel in the Hugging Face configuration (`LLM(hf_overrides={...})`), the one that both vLLM's frontend and
its workers see: `max_source_positions`, the longest encoder prompt, and `decoder_bias`, how decoder self-attention
gets its bias: "gather" (torch, any length), "triton" (GPUs, any length) or "one_hot" (stock attention, limited length).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from transformers import T5Config
from vllm.config import ModelConfig, VllmConfig
from vllm.platforms import current_platform

from engine.sampler.t5.private import warn_if_untested

DecoderBias = Literal["gather", "triton", "one_hot"]

EXACT_FLOAT32 = ("TRITON_F32_DEFAULT", "ieee")
"""The environment variable that keeps Triton's float32 products from tf32."""
MAX_SOURCE_POSITIONS = 1024
"""The default. T5 itself has no limit."""
ONE_HOT_HEAD_SIZES = (128, 256, 512)

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


def check_model(model: ModelConfig) -> None:
    """Raise ValueError for a configuration that would not be served exactly."""
    config = model.hf_config
    if config.dense_act_fn not in ACTIVATIONS:
        known = ", ".join(sorted({"relu", "gated-gelu", *ACTIVATIONS, *(f"gated-{name}" for name in ACTIVATIONS)}))
        raise ValueError(f"feed_forward_proj {config.feed_forward_proj!r} is not supported: {known}")
    if model.dtype == torch.float16:
        raise ValueError("T5 overflows in float16: use dtype='bfloat16' or dtype='float32'")
    if model.quantization is not None:
        raise ValueError(f"quantization {model.quantization!r} is not supported for T5: leave it out")
    if decoder_bias(config) == "one_hot":
        one_hot_head_size(config.d_kv, model.max_model_len)


def check_engine(engine: VllmConfig) -> None:
    """Raise ValueError for engine options that T5 is not served with; warn of a vLLM that was not tested."""
    warn_if_untested()
    check_model(engine.model_config)
    if engine.parallel_config.tensor_parallel_size > 1:
        raise ValueError("T5 runs on one device: set tensor_parallel_size=1")
    if engine.cache_config.cache_dtype != "auto":
        raise ValueError(f"kv_cache_dtype {engine.cache_config.cache_dtype!r} is not exact for T5: leave it at 'auto'")


def keep_float32_exact(weights: torch.Tensor) -> None:
    """Have Triton multiply float32 exactly in this process, for a model that has such weights on a GPU.

    Cross-attention is vLLM's, whose kernels would take tf32. Triton reads the variable when it compiles one: before a
    step is early enough, and when a model is made is too early where the engine's owner puts the environment back. What
    the environment says already stays.
    """
    if weights.dtype == torch.float32 and weights.device.type != "cpu":
        os.environ.setdefault(*EXACT_FLOAT32)


def max_source_positions(config: T5Config) -> int:
    """Tokens of an encoder prompt at most."""
    return getattr(config, "max_source_positions", MAX_SOURCE_POSITIONS)


def decoder_bias(config: T5Config) -> DecoderBias:
    """How decoder self-attention gets its bias on this machine. Raises ValueError for what is impossible here."""
    on_cpu = current_platform.is_cpu()
    chosen = getattr(config, "decoder_bias", "gather" if on_cpu else "triton")
    if chosen not in get_args(DecoderBias):
        raise ValueError(f"decoder_bias {chosen!r} is unknown: {', '.join(get_args(DecoderBias))}")
    if chosen == "triton" and on_cpu and os.environ.get("TRITON_INTERPRET") != "1":
        raise ValueError("decoder_bias 'triton' is for GPUs: leave it out, or set gather")
    return chosen


def one_hot_head_size(d_kv: int, max_model_len: int) -> int:
    """The head size of attention that has room for a head and a one-hot of every decoder position.

    A multiple of `d_kv`, so that vLLM can give self- and cross-attention pages of the same size. Raises ValueError
    where the decoder is too long.
    """
    sizes = [size for size in ONE_HOT_HEAD_SIZES if size % d_kv == 0]
    for size in sizes:
        if max_model_len <= size - d_kv:
            return size
    limit = max((size - d_kv for size in sizes), default=0)
    raise ValueError(
        f"max_model_len {max_model_len} is too long for a decoder with one-hot positions: "
        f"at most {limit} (head size {limit + d_kv} - d_kv {d_kv}). Lower max_model_len, "
        "or leave decoder_bias out: the default has no limit"
    )
