"""Decoder self-attention with a bias on a device: a backend of our own, whose kernels (`kernels.py`) know the bias.

Heads are d_kv wide, so that self- and cross-attention have blocks of one size, and a decoder may have any length. What
a step's attention needs lies in vLLM's own tensors; nothing is computed on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from vllm.config import VllmConfig
from vllm.v1.attention.backend import (
    AttentionBackend,
    AttentionMetadataBuilder,
    CommonAttentionMetadata,
)
from vllm.v1.kv_cache_interface import AttentionSpec

from engine.sampler.t5.bias import bucket
from engine.sampler.t5.impl import BiasedImpl
from engine.sampler.t5.kernels import attend, write_cache


@dataclass(frozen=True)
class PagedStep:
    """One step's requests, as `kernels.attend` takes them."""

    blocks: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    buckets: torch.Tensor


class PagedMetadataBuilder(AttentionMetadataBuilder[PagedStep]):
    """Passes on where each request's keys are. Without CUDA graphs: they were not tried."""

    def __init__(
        self, kv_cache_spec: AttentionSpec, layer_names: list[str], vllm_config: VllmConfig, device: torch.device
    ) -> None:
        super().__init__(kv_cache_spec, layer_names, vllm_config, device)
        config, length = vllm_config.model_config.hf_config, vllm_config.model_config.max_model_len
        buckets, farthest = config.relative_attention_num_buckets, config.relative_attention_max_distance
        by_distance = bucket(-torch.arange(length, device="cpu"), buckets, farthest, bidirectional=False)
        self._buckets = by_distance.int().to(device)

    def build(
        self, common_prefix_len: int, common_attn_metadata: CommonAttentionMetadata, fast_build: bool = False
    ) -> PagedStep:
        common = common_attn_metadata
        requests = common.num_reqs
        return PagedStep(
            blocks=common.block_table_tensor[:requests],
            starts=common.query_start_loc[: requests + 1],
            lengths=common.seq_lens[:requests],
            buckets=self._buckets,
        )


class PagedImpl(BiasedImpl[PagedStep]):
    """Writes and reads the cache as vLLM lays it out, whatever the layout."""

    def do_kv_cache_update(
        self, layer: nn.Module, key: torch.Tensor, value: torch.Tensor, kv_cache: torch.Tensor, slots: torch.Tensor
    ) -> None:
        write_cache(key, value, kv_cache, slots)

    def forward(
        self,
        layer: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kv_cache: torch.Tensor,
        attn_metadata: PagedStep | None,
        output: torch.Tensor,
        output_scale: torch.Tensor | None = None,
        output_block_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if attn_metadata is None:  # a warm-up
            return output.fill_(0)
        step, bias = attn_metadata, self._bias.weight
        attend(query, kv_cache, step.blocks, step.starts, step.lengths, step.buckets, bias, self.scale, output)
        return output


class PagedBackend(AttentionBackend):
    """What vLLM asks of a backend: any head size, any size of blocks, any layout of the cache."""

    forward_includes_kv_cache_update = False

    @staticmethod
    def get_name() -> str:
        return "CUSTOM"

    @staticmethod
    def get_impl_cls() -> type[PagedImpl]:
        return PagedImpl

    @staticmethod
    def get_builder_cls() -> type[PagedMetadataBuilder]:
        return PagedMetadataBuilder
