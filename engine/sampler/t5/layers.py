"""The layers of T5: feed-forward, encoder self-attention, cross-attention.

Activations are (tokens, d_model): the tokens of all requests of a step, without padding. No layer scales attention,
subtracts a mean or has an additive constant. Blocks add each layer's output to its input (`model.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import T5Config
from vllm.config import VllmConfig
from vllm.model_executor.layers.attention import CrossAttention as PagedCrossAttention
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.linear import (
    ColumnParallelLinear,
    MergedColumnParallelLinear,
    QKVParallelLinear,
    RowParallelLinear,
)

from engine.sampler.t5.limits import ACTIVATIONS


def norm(config: T5Config) -> RMSNorm:
    """T5's layer norm: scale only."""
    return RMSNorm(config.d_model, eps=config.layer_norm_epsilon)


class FeedForward(nn.Module):
    """wo(act(wi x)), or gated: wo(act(wi_0 x) * wi_1 x)."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        width = [config.d_ff] * (2 if config.is_gated_act else 1)
        self.wi = MergedColumnParallelLinear(config.d_model, width, bias=False)
        self.wo = RowParallelLinear(config.d_ff, config.d_model, bias=False)
        self._act = ACTIVATIONS[config.dense_act_fn]
        self._gated = config.is_gated_act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, _ = self.wi(x)
        if self._gated:
            x, gate = x.chunk(2, dim=-1)
            return self.wo(self._act(x) * gate)[0]
        return self.wo(self._act(x))[0]


class Projections(nn.Module):
    """The projections of self-attention, as vLLM fuses them."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.qkv = QKVParallelLinear(config.d_model, config.d_kv, config.num_heads, bias=False)
        self.o = RowParallelLinear(config.num_heads * config.d_kv, config.d_model, bias=False)


@dataclass(frozen=True)
class EqualLengths:
    """Encoder prompts of one length, next to each other among a step's tokens."""

    tokens: slice
    length: int
    bias: torch.Tensor
    """(1, heads, length, length)"""


class EncoderSelfAttention(Projections):
    """Attention of each prompt within itself. Prompts of equal length go together, so that none is padded."""

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        self._heads, self._size = config.num_heads, config.d_kv

    def forward(self, x: torch.Tensor, prompts: list[EqualLengths]) -> torch.Tensor:
        qkv = self.qkv(x)[0].unflatten(-1, (3, self._heads, self._size))
        attended = [self._attend(qkv[part.tokens], part) for part in prompts]
        return self.o(torch.cat(attended))[0]

    def _attend(self, qkv: torch.Tensor, part: EqualLengths) -> torch.Tensor:
        q, k, v = qkv.unflatten(0, (-1, part.length)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=part.bias, scale=1.0)
        return out.transpose(1, 2).flatten(2).flatten(0, 1)


@dataclass(frozen=True)
class EncoderStates:
    """Encoder outputs (tokens, d_model) of the requests that begin in a step."""

    states: torch.Tensor
    """Of each distinct output, once: the n samples of a prompt share it."""
    rows: torch.Tensor | None
    """Row of `states` for each token of each request, in their order; None if they are the same."""

    @classmethod
    def of(cls, outputs: list[torch.Tensor]) -> EncoderStates:
        first: dict[int, torch.Tensor] = {}
        distinct, tokens = [], 0
        for output in outputs:
            if id(output) not in first:
                first[id(output)] = torch.arange(tokens, tokens + len(output), device=output.device)
                distinct.append(output)
                tokens += len(output)
        states = torch.cat(distinct)
        if len(distinct) == len(outputs):
            return cls(states, None)
        return cls(states, torch.cat([first[id(output)] for output in outputs]))

    def of_requests(self, x: torch.Tensor) -> torch.Tensor:
        """For each token of each request, the row of `x`, which has one for each of `states`."""
        return x.contiguous() if self.rows is None else x.index_select(0, self.rows)


class CrossAttention(nn.Module):
    """Attention to the encoder's output, whose keys and values are cached in a request's first step."""

    def __init__(self, config: T5Config, vllm_config: VllmConfig, prefix: str) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.q = ColumnParallelLinear(config.d_model, inner, bias=False)
        self.kv = MergedColumnParallelLinear(config.d_model, [inner, inner], bias=False)
        self.o = RowParallelLinear(inner, config.d_model, bias=False)
        self.attention = PagedCrossAttention(
            config.num_heads, config.d_kv, 1.0, cache_config=vllm_config.cache_config, prefix=prefix
        )

    def forward(self, x: torch.Tensor, encoded: EncoderStates | None) -> torch.Tensor:
        k = v = None
        if encoded is not None:
            k, v = (encoded.of_requests(part) for part in self.kv(encoded.states)[0].chunk(2, dim=-1))
        return self.o(self.attention(self.q(x)[0], k, v))[0]
