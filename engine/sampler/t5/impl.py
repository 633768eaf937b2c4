"""What vLLM makes of an attention backend for each layer, with a bias besides: what both of ours begin with."""

from __future__ import annotations

from typing import TypeVar

from vllm.v1.attention.backend import AttentionImpl, AttentionType

from engine.sampler.t5.bias import RelativeBias

Step = TypeVar("Step")


class BiasedImpl(AttentionImpl[Step]):
    """Keeps the sizes of its layer and the bias; of vLLM's other options T5 uses none."""

    def __init__(
        self,
        num_heads: int,
        head_size: int,
        scale: float,
        num_kv_heads: int | None = None,
        alibi_slopes: list[float] | None = None,
        sliding_window: int | None = None,
        kv_cache_dtype: str = "auto",
        logits_soft_cap: float | None = None,
        attn_type: str = AttentionType.DECODER,
        kv_sharing_target_layer_name: str | None = None,
        *,
        bias: RelativeBias,
    ) -> None:
        self.num_heads, self.num_kv_heads, self.head_size, self.scale = num_heads, num_heads, head_size, scale
        self.kv_cache_dtype = kv_cache_dtype
        self._bias = bias
