"""Decoder self-attention with a bias over vLLM's paged cache, which takes none.

`GatherAttention` has a backend of its own, which gathers keys and values from the pages and calls torch's attention
with the bias as its mask. `TritonAttention` has one with kernels that know the bias (`paged.py`). `OneHotAttention`
uses the stock backend, whatever the device has: a key carries a one-hot of its position and a query its bias towards
every position, so that their product is q.k + bias, exactly. That needs a head size of at least d_kv + the decoder's
length (`limits.one_hot_head_size`).

All take queries, keys and values (tokens, heads * d_kv) of a step and return the same shape. T5 does not scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import T5Config
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import Attention
from vllm.v1.attention.backend import (
    AttentionBackend,
    AttentionMetadataBuilder,
    CommonAttentionMetadata,
    MultipleOf,
)
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend
from vllm.v1.attention.selector import get_attn_backend
from vllm.v1.kv_cache_interface import AttentionSpec

from engine.sampler.t5.bias import RelativeBias
from engine.sampler.t5.impl import BiasedImpl
from engine.sampler.t5.limits import one_hot_head_size
from engine.sampler.t5.scratch import with_room_for_heads

_GROUP_KEYS = 8192
"""Keys, with padding, that are gathered at a time for requests that decode: bounds memory and padding."""


class OneHotAttention(nn.Module):
    """Stock attention over keys that carry their position."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str) -> None:
        super().__init__()
        self._heads, self._size = config.num_heads, config.d_kv
        self._wide = one_hot_head_size(config.d_kv, vllm_config.model_config.max_model_len)
        cache = vllm_config.cache_config
        stock = get_attn_backend(self._wide, torch.get_default_dtype(), cache.cache_dtype)
        self.attention = Attention(
            self._heads, self._wide, 1.0, cache_config=cache, prefix=prefix, attn_backend=with_room_for_heads(stock)
        )

    def extend(self, bias: RelativeBias, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What queries and keys (tokens, heads, room) of a step get appended, in all layers.

        Keys behind a query are masked by the attention; their bias here is that of distance 0.
        """
        room = torch.arange(self._wide - self._size, device=positions.device)
        distance = (positions[:, None] - room).clamp(min=0)
        queries = bias(-distance).transpose(0, 1)
        keys = (positions[:, None] == room).to(queries.dtype)
        return queries, keys[:, None].expand(-1, self._heads, -1)

    def forward(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extension: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        q, k, v = (x.unflatten(-1, (self._heads, self._size)) for x in (q, k, v))
        q, k = (torch.cat(pair, dim=-1).flatten(1) for pair in zip((q, k), extension, strict=True))
        v = F.pad(v, (0, self._wide - self._size)).flatten(1)
        out = self.attention(q, k, v).unflatten(-1, (self._heads, self._wide))
        return out[..., : self._size].flatten(1)


class OwnAttention(nn.Module):
    """Attention with a backend that knows the bias."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str, bias: RelativeBias) -> None:
        super().__init__()
        self.attention = Attention(
            config.num_heads,
            config.d_kv,
            1.0,
            cache_config=vllm_config.cache_config,
            prefix=prefix,
            attn_backend=self.backend(),
            bias=bias,
        )

    @staticmethod
    def backend() -> type[AttentionBackend]:
        raise NotImplementedError

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extension: None) -> torch.Tensor:
        return self.attention(q, k, v)


class GatherAttention(OwnAttention):
    """Attention with the backend below."""

    @staticmethod
    def backend() -> type[AttentionBackend]:
        return GatherBackend


class TritonAttention(OwnAttention):
    """Attention with our kernels."""

    @staticmethod
    def backend() -> type[AttentionBackend]:
        from engine.sampler.t5.paged import PagedBackend  # needs Triton

        return PagedBackend


@dataclass
class Group:
    """Requests of a step that are attended to together: B requests with Q queries each and up to S keys."""

    queries: torch.Tensor
    """(B, Q) rows of the step's tokens."""
    slots: torch.Tensor
    """(B, S) places of the keys in the cache."""
    distance: torch.Tensor
    """(B, Q, S) query position - key position; negative where the query does not see the key."""
    bias: torch.Tensor | None = None
    """(B, heads, Q, S), -inf where the query does not see the key: filled in by the first layer for all."""


@dataclass
class StepMetadata:
    """One step's requests."""

    groups: list[Group]
    longest: int
    """Keys of the longest request."""


def groups_of(queries: list[int], keys: list[int]) -> Iterator[list[int]]:
    """Split requests, by the numbers of their queries and keys, into those that are attended to together.

    Requests with one query are sorted by length and cut so that a group has at most `_GROUP_KEYS` padded keys;
    a longer one (a decoder prompt, or a request that was preempted) is alone.
    """
    group: list[int] = []
    decoding = sorted((request for request, n in enumerate(queries) if n == 1), key=keys.__getitem__)
    for request in decoding:
        if group and (len(group) + 1) * keys[request] > _GROUP_KEYS:
            yield group
            group = []
        group.append(request)
    if group:
        yield group
    yield from ([request] for request, n in enumerate(queries) if n > 1)


class GatherMetadataBuilder(AttentionMetadataBuilder[StepMetadata]):
    """Works out, once a step and on the host, where each request's keys are."""

    def __init__(
        self, kv_cache_spec: AttentionSpec, layer_names: list[str], vllm_config: VllmConfig, device: torch.device
    ) -> None:
        super().__init__(kv_cache_spec, layer_names, vllm_config, device)
        self._block_size = kv_cache_spec.block_size

    def build(
        self, common_prefix_len: int, common_attn_metadata: CommonAttentionMetadata, fast_build: bool = False
    ) -> StepMetadata:
        common = common_attn_metadata
        starts = common.query_start_loc_cpu[: common.num_reqs + 1].long()
        keys = common.seq_lens[: common.num_reqs].cpu().long()
        blocks_of = common.block_table_tensor[: common.num_reqs].cpu()
        queries = starts.diff()
        groups = []
        for members in groups_of(queries.tolist(), keys.tolist()):
            part = torch.tensor(members)
            key = torch.arange(int(keys[part].max()))
            blocks = blocks_of[part][:, key // self._block_size].long()
            step = torch.arange(int(queries[part[0]]))
            position = (keys - queries)[part, None] + step
            groups.append(
                Group(
                    queries=(starts[part, None] + step).to(self.device),
                    slots=(blocks * self._block_size + key % self._block_size).to(self.device),
                    distance=(position[..., None] - key).to(self.device),
                )
            )
        return StepMetadata(groups, int(keys.max()))


class GatherImpl(BiasedImpl[StepMetadata]):
    """The cache is (tokens, heads, key and value, head size) in memory, and read and written here alone.

    vLLM allocates it as (blocks, heads, block size, 2 * head size), which is as large.
    """

    def _tokens(self, kv_cache: torch.Tensor) -> torch.Tensor:
        return kv_cache.view(-1, self.num_heads, 2, self.head_size)

    def do_kv_cache_update(
        self, layer: nn.Module, key: torch.Tensor, value: torch.Tensor, kv_cache: torch.Tensor, slots: torch.Tensor
    ) -> None:
        self._tokens(kv_cache)[slots] = torch.stack((key, value), dim=2)[: len(slots)]

    def forward(
        self,
        layer: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kv_cache: torch.Tensor,
        attn_metadata: StepMetadata | None,
        output: torch.Tensor,
        output_scale: torch.Tensor | None = None,
        output_block_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if attn_metadata is None:  # a warm-up
            return output
        for group in attn_metadata.groups:
            if group.bias is None:
                group.bias = self._mask(group.distance, attn_metadata.longest).to(query.dtype)
            keys_values = self._tokens(kv_cache).index_select(0, group.slots.flatten())
            k, v = keys_values.unflatten(0, group.slots.shape).permute(3, 0, 2, 1, 4)
            q = query[group.queries].transpose(1, 2)
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=group.bias, scale=self.scale)
            output[group.queries] = attended.transpose(1, 2)
        return output

    def _mask(self, distance: torch.Tensor, longest: int) -> torch.Tensor:
        """The bias (B, heads, Q, S) of distances (B, Q, S), with -inf for negative ones."""
        table = F.pad(self._bias.by_distance(longest), (0, 1), value=float("-inf"))  # index -1 is the last
        index = distance.clamp(min=-1) % (longest + 1)
        return table.index_select(1, index.flatten()).unflatten(1, index.shape).transpose(0, 1)


class GatherBackend(CPUAttentionBackend):
    """vLLM's CPU backend (name, layout of the cache) with other metadata and another implementation."""

    @staticmethod
    def get_supported_kernel_block_sizes(kv_cache_spec: Any = None) -> list[int | MultipleOf]:
        return [MultipleOf(1)]

    @classmethod
    def supports_head_size(cls, head_size: int) -> bool:
        return True

    @staticmethod
    def get_impl_cls() -> type[GatherImpl]:
        return GatherImpl

    @staticmethod
    def get_builder_cls() -> type[GatherMetadataBuilder]:
        return GatherMetadataBuilder
