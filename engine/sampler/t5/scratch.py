"""A guard against a fault of vLLM's Triton attention (0.32) with heads wider than the model's.

Where few sequences decode, it splits each one's keys into segments and keeps their partial sums in a buffer. The buffer
is allocated for the head size of the model's configuration (`TritonAttentionMetadataBuilder.__init__`), but written for
the layer's (`unified_attention`): heads of another size write behind it, first over other partial sums, then over
whatever lies there, block tables too. Heads of 256 or 512 in a model with heads of 64 need 4 or 8 times as much.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from vllm.v1.attention.backend import AttentionBackend

from engine.sampler.t5.private import private


@cache
def with_room_for_heads(backend: type[AttentionBackend]) -> type[AttentionBackend]:
    """The backend, with room for the heads of its layers if it is vLLM's Triton attention. Any other is returned."""
    if backend.get_name() != "TRITON_ATTN":
        return backend

    class RoomyBuilder(backend.get_builder_cls()):
        def __init__(self, kv_cache_spec: Any, *arguments: Any, **options: Any) -> None:
            super().__init__(kv_cache_spec, *arguments, **options)
            partial_sums = private(self, "softmax_segm_output")
            padded = 1 << (kv_cache_spec.head_size - 1).bit_length()
            if partial_sums.shape[-1] != padded:
                self.softmax_segm_output = partial_sums.new_empty(*partial_sums.shape[:-1], padded)

    class RoomyBackend(backend):
        @staticmethod
        def get_builder_cls() -> type[RoomyBuilder]:
            return RoomyBuilder

    return RoomyBackend
