"""vLLM's Triton attention alone: does it write behind the buffer that it allocates for heads of the model's size?"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bench.device.t5_parity.case import D_KV, Result
from engine.sampler.host import hosting


def check_scratch() -> Iterator[Result]:
    """Whether vLLM's Triton attention writes behind the buffer that it allocates for heads of d_kv, as in a model.

    It should for the heads and sequences that were wrong, and should not for those that were right: that explains both.
    """
    if not torch.cuda.is_available():
        yield {"step": "skipped", "reason": "needs a GPU"}
        return
    with hosting():
        import vllm.v1.attention.backends.triton_attn  # noqa: F401
    for heads, size, sequences, behind in (
        (3, 256, 10, False),
        (3, 512, 10, True),
        (12, 256, 10, True),
        (12, 256, 11, False),
    ):
        written, off = _scratch(heads, size, sequences)
        found = {"written_behind": written, "expected": behind, "max_difference": off}
        yield {"step": f"{heads} heads of {size}, {sequences} sequences", "ok": (written > 0) == behind, **found}


def _scratch(heads: int, size: int, sequences: int) -> tuple[int, float]:
    """Numbers written behind the buffer of partial sums, and how far the attention is off (what is behind is ours)."""
    from vllm.v1.attention.backends.triton_attn import MIN_LAUNCH_GRID_SIZE_2D, NUM_PAR_SOFTMAX_SEGMENTS
    from vllm.v1.attention.ops.triton_unified_attention import unified_attention

    length, block, rows, segments = 300, 32, MIN_LAUNCH_GRID_SIZE_2D // heads, NUM_PAR_SOFTMAX_SEGMENTS
    buffer, used = rows * heads * segments * D_KV, sequences * heads * segments * size
    untouched = 12345.0
    torch.manual_seed(0)
    with torch.device("cuda"):
        memory = torch.full((max(buffer, used) + 4096,), untouched)
        blocks = -(-length // block)
        cache = torch.randn(sequences * blocks, block, heads, 2 * size)
        keys, values = cache.split(size, dim=-1)
        table = torch.arange(sequences * blocks, dtype=torch.int32).view(sequences, blocks)
        queries = 0.1 * torch.randn(sequences, heads, size)
        output = torch.zeros_like(queries)
        unified_attention(
            q=queries, k=keys, v=values, out=output, softmax_scale=1.0, causal=True, window_size=(-1, -1), softcap=0,
            cu_seqlens_q=torch.arange(sequences + 1, dtype=torch.int32), max_seqlen_q=1, block_table=table,
            seqused_k=torch.full((sequences,), length, dtype=torch.int32), max_seqlen_k=length,
            q_descale=None, k_descale=None, v_descale=None, seq_threshold_3D=rows, num_par_softmax_segments=segments,
            softmax_segm_output=memory[:buffer].view(rows, heads, segments, D_KV),
            softmax_segm_max=torch.empty(rows, heads, segments), softmax_segm_expsum=torch.empty(rows, heads, segments),
        )  # fmt: skip
    k, v = (part[table.long()].flatten(1, 2)[:, :length] for part in (keys, values))
    weights = torch.einsum("nhd,nshd->nhs", queries, k).softmax(-1)
    off = (torch.einsum("nhs,nshd->nhd", weights, v) - output).abs().max().item()
    return int((memory[buffer:] != untouched).sum()), off
