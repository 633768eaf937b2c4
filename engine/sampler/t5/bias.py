"""T5's relative attention bias: one learned number for each head and bucket of distances (Raffel et al., 2.1)."""

from __future__ import annotations

import math

import torch
from torch import nn
from transformers import T5Config


def bucket(offset: torch.Tensor, buckets: int, max_distance: int, bidirectional: bool) -> torch.Tensor:
    """The bucket of each offset (position of the key minus position of the query).

    Half of the buckets hold one distance each, the others grow logarithmically up to `max_distance`, and the last
    takes all distances beyond. Bidirectional: half of all buckets are for keys behind the query. Otherwise such keys
    count as distance 0. The logarithm is in float32, as in the reference: bounds between buckets depend on rounding.
    """
    if bidirectional:
        buckets //= 2
        first, distance = (offset > 0).long() * buckets, offset.abs()
    else:
        first, distance = 0, (-offset).clamp(min=0)
    exact = buckets // 2
    octaves = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    far = exact + (octaves * (buckets - exact)).long()
    return first + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


class RelativeBias(nn.Embedding):
    """The bias of a stack. Its first layer has the weights, all layers use it."""

    def __init__(self, config: T5Config, bidirectional: bool) -> None:
        super().__init__(config.relative_attention_num_buckets, config.num_heads)
        self._max_distance = config.relative_attention_max_distance
        self._bidirectional = bidirectional

    def forward(self, offset: torch.Tensor) -> torch.Tensor:
        """The bias (heads, ...) of offsets (...)."""
        index = bucket(offset, self.num_embeddings, self._max_distance, self._bidirectional)
        return super().forward(index).movedim(-1, 0)

    def by_distance(self, length: int) -> torch.Tensor:
        """The bias (heads, length) of a key 0, 1, ... length - 1 positions before its query."""
        return self(-torch.arange(length, device=self.weight.device))
