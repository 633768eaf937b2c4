"""Triton kernels: a step's keys and values into vLLM's paged cache, and attention with T5's bias over it.

The cache is a view (blocks, heads, block size, 2 * head size) with any strides but 1 in the last dimension, which has a
key and then its value. A program attends for one query and one head, with sums in float32 and no matrix instruction: so
float32 is exact, never tf32. Decoding reads each key once; queries of a decoder prompt do not share what they read.

Importing this needs Triton. With TRITON_INTERPRET=1 set before, the kernels run on a CPU, slowly.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_TILE_NUMBERS = 4096
"""Numbers of keys that a program holds at a time."""


def write_cache(keys: torch.Tensor, values: torch.Tensor, cache: torch.Tensor, slots: torch.Tensor) -> None:
    """Write keys and values (tokens, heads, head size) to their slots (tokens,); a slot below 0 is none."""
    _, heads, block, both = cache.shape
    assert cache.stride(3) == keys.stride(2) == values.stride(2) == 1
    if len(slots):
        _write[(len(slots), heads)](
            keys, values, cache, slots,
            keys.stride(0), keys.stride(1), values.stride(0), values.stride(1), *cache.stride()[:3],
            SIZE=both // 2, PADDED=triton.next_power_of_2(both // 2), BLOCK=block,
        )  # fmt: skip


def attend(
    queries: torch.Tensor,
    cache: torch.Tensor,
    blocks: torch.Tensor,
    starts: torch.Tensor,
    lengths: torch.Tensor,
    buckets: torch.Tensor,
    bias: torch.Tensor,
    scale: float,
    output: torch.Tensor,
) -> None:
    """Causal attention of queries (tokens, heads, head size) into `output`, of the same shape.

    Args:
        queries: of all requests, one after another; those of a request are its last tokens.
        cache: with the keys and values of all of the requests' tokens.
        blocks: (requests, most) blocks of each request's cache.
        starts: (requests + 1,) where each request's queries begin; tokens after the last get zeros.
        lengths: (requests,) tokens of each request, its queries included.
        buckets: (longest request,) the row of `bias` for a key 0, 1, ... positions before its query.
        bias: (buckets, heads).
        scale: of queries times keys.
        output: written.
    """
    tokens, heads, size = queries.shape
    assert cache.stride(3) == queries.stride(2) == output.stride(2) == bias.stride(1) == blocks.stride(1) == 1
    padded = triton.next_power_of_2(size)
    if tokens:
        _attend[(tokens, heads)](
            queries, cache, blocks, starts, lengths, buckets, bias, output, len(lengths), scale,
            queries.stride(0), queries.stride(1), output.stride(0), output.stride(1), *cache.stride()[:3],
            blocks.stride(0), bias.stride(0),
            SIZE=size, PADDED=padded, BLOCK=cache.shape[2], TILE=max(16, _TILE_NUMBERS // padded),
        )  # fmt: skip


@triton.jit
def _write(
    keys,
    values,
    cache,
    slots,
    key_token,
    key_head,
    value_token,
    value_head,
    cache_block: tl.int64,
    cache_head: tl.int64,
    cache_token: tl.int64,
    SIZE: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    slot = tl.load(slots + token).to(tl.int64)
    if slot >= 0:
        number = tl.arange(0, PADDED)
        inside = number < SIZE
        place = cache + slot // BLOCK * cache_block + slot % BLOCK * cache_token + head * cache_head + number
        key = tl.load(keys + token * key_token + head * key_head + number, mask=inside)
        value = tl.load(values + token * value_token + head * value_head + number, mask=inside)
        tl.store(place, key, mask=inside)
        tl.store(place + SIZE, value, mask=inside)


@triton.jit(do_not_specialize=["requests"])
def _attend(
    queries,
    cache,
    blocks,
    starts,
    lengths,
    buckets,
    bias,
    output,
    requests,
    scale,
    query_token: tl.int64,
    query_head: tl.int64,
    output_token: tl.int64,
    output_head: tl.int64,
    cache_block: tl.int64,
    cache_head: tl.int64,
    cache_token: tl.int64,
    request_blocks: tl.int64,
    bucket_heads: tl.int64,
    SIZE: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
):
    token, head = tl.program_id(0), tl.program_id(1).to(tl.int64)
    low, high = 0, requests  # the request is the last that begins at or before the token
    while low < high:
        middle = (low + high) // 2
        if tl.load(starts + middle + 1) > token:
            high = middle
        else:
            low = middle + 1
    number = tl.arange(0, PADDED)
    inside = number < SIZE
    place = output + token * output_token + head * output_head + number
    attended = tl.zeros([PADDED], tl.float32)
    if low < requests:
        position = tl.load(lengths + low) - tl.load(starts + low + 1) + token
        query = tl.load(queries + token * query_token + head * query_head + number, mask=inside, other=0.0)
        query = query.to(tl.float32) * scale
        top = tl.max(tl.zeros([TILE], tl.float32) - float("inf"))
        total = tl.sum(tl.zeros([TILE], tl.float32))
        for first in range(0, position + 1, TILE):
            key = first + tl.arange(0, TILE)
            seen = key <= position
            block = tl.load(blocks + low * request_blocks + key // BLOCK, mask=seen, other=0).to(tl.int64)
            row = cache + block * cache_block + key % BLOCK * cache_token + head * cache_head
            both = row[:, None] + number[None, :]
            mask = seen[:, None] & inside[None, :]
            keys = tl.load(both, mask=mask, other=0.0).to(tl.float32)
            bucket = tl.load(buckets + (position - key), mask=seen, other=0)
            score = tl.load(bias + bucket * bucket_heads + head, mask=seen, other=0.0).to(tl.float32)
            score += tl.sum(keys * query[None, :], axis=1)
            score = tl.where(seen, score, float("-inf"))
            higher = tl.maximum(top, tl.max(score))
            weight = tl.exp(score - higher)
            kept = tl.exp(top - higher)
            values = tl.load(both + SIZE, mask=mask, other=0.0).to(tl.float32)
            attended = attended * kept + tl.sum(values * weight[:, None], axis=0)
            total = total * kept + tl.sum(weight)
            top = higher
        attended = attended / total
    tl.store(place, attended.to(output.dtype.element_ty), mask=inside)
