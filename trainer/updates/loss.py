"""The loss of a policy on a batch, and how its layers compute it: their attention, compiled or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from trainer.updates.batches import NO_TOKEN

# Torch's attention under a name for which transformers makes no masks.
UNMASKED = "codeit_unmasked"
# Kinds of transformers' models whose layers tell their attention where the sequences of a packed row begin: what others
# do with it was not looked at.
_PACKED = ("llama", "mistral", "qwen2", "qwen3")
_ROTATED_BY_LENGTH = ("dynamic", "longrope")  # the longest position of a row, filled or not, changes all others
_WIDEST_HEAD = 256  # of a GPU's attention for packed sequences


class ProgramLoss(nn.Module):
    """The cross-entropy (nats) of a policy on the program tokens of a batch, each by its weight, summed."""

    def __init__(self, policy: PreTrainedModel, bf16: bool = False) -> None:
        super().__init__()
        self.policy = policy
        self.bf16 = bf16

    @property
    def device(self) -> torch.device:
        return self.policy.device

    def forward(
        self,
        ids: Tensor,
        predicting: Tensor,
        targets: Tensor,
        prompts: Tensor | None = None,
        weights: Tensor | None = None,
        positions: Tensor | None = None,
        bounds: Tensor | None = None,
        longest: int = 0,
    ) -> Tensor:
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.bf16):
            if prompts is None:
                packed = {} if bounds is None else {"position_ids": positions, **sequences(bounds, longest)}
                hidden = self.policy.base_model(ids, use_cache=False, **packed).last_hidden_state
                logits = self.policy.get_output_embeddings()(hidden.flatten(0, 1).index_select(0, predicting))
            else:
                real = prompts != NO_TOKEN
                read = {"input_ids": prompts.clamp(min=0), "attention_mask": real, "decoder_input_ids": ids}
                logits = self.policy(**read, use_cache=False).logits.flatten(0, 1).index_select(0, predicting)
        if weights is None:
            return nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        return (weights * nn.functional.cross_entropy(logits.float(), targets, reduction="none")).sum()


def sequences(bounds: Tensor, longest: int) -> dict[str, Any]:
    """What tells transformers' attention where the sequences of a packed row begin, by its own names."""
    return {
        "cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest
    }  # fmt: skip


def attends_to_all(policy: PreTrainedModel) -> bool:
    """Whether every layer attends to all tokens before, by torch's attention: none to a window, none in its own way."""
    config = policy.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    is_windowed = getattr(config, "sliding_window", None) is not None or kinds != {"full_attention"}
    return config._attn_implementation in ("sdpa", UNMASKED) and not is_windowed


def can_pack(policy: PreTrainedModel, device: torch.device, bf16: bool) -> bool:
    """Whether a policy can learn from packed batches: on a CPU, or in bf16 on a GPU that has it."""
    config = policy.config
    if config.model_type not in _PACKED or not attends_to_all(policy) or getattr(config, "attention_dropout", 0.0):
        return False
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") in _ROTATED_BY_LENGTH:
        return False
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return device.type == "cpu" or (device.type == "cuda" and bf16 and head <= _WIDEST_HEAD)


def skip_masks(policy: PreTrainedModel) -> None:
    """Let a decoder-only policy attend causally, with no mask: padding is on the right (`trainer.updates.batches`).

    Transformers would come to the same, but looks in each forward pass at whether positions begin anew within a row,
    for which the processor waits until a GPU has done all that it was given. Such a policy ignores `attention_mask`.
    """
    AttentionInterface.register(UNMASKED, _attend)
    policy.set_attn_implementation(UNMASKED)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of queries (n, heads, length, width) to the tokens up to each: of its row, or of its sequence."""
    bounds, longest = options.get("cu_seq_lens_q"), options.get("max_length_q")
    if bounds is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    # Queries and keys come out of the rotation in fp32, values in what the layers compute in.
    query, key, value = (part.to(value.dtype).transpose(1, 2).flatten(0, 1) for part in (query, key, value))
    if not query.is_cuda:
        return _one_by_one(query, key, value, bounds, options.get("scaling"))[None], None
    rows = (part.contiguous() for part in (query, key, value))
    grouped = {"enable_gqa": True} if query.shape[1] != key.shape[1] else {}  # torch 2.11 does not know it
    attended = varlen_attn(
        *rows, bounds, bounds, longest, longest, scale=options.get("scaling"), window_size=(-1, 0), **grouped
    )
    return attended[None], None


@torch.compiler.disable  # it would be compiled anew for other lengths
def _one_by_one(query: Tensor, key: Tensor, value: Tensor, bounds: Tensor, scale: float | None) -> Tensor:
    """Causal attention in each sequence of a row (length, heads, width), which a CPU computes one after the other."""
    sizes = [size for size in torch.diff(bounds).tolist() if size]
    attended, is_grouped = [], query.shape[1] != key.shape[1]
    for parts in zip(*(part.split(sizes) for part in (query, key, value)), strict=True):
        heads_first = (part.transpose(0, 1)[None] for part in parts)
        one = scaled_dot_product_attention(*heads_first, is_causal=True, scale=scale, enable_gqa=is_grouped)
        attended.append(one[0].transpose(0, 1))
    return torch.cat(attended)


def compile_layers(policy: PreTrainedModel, packs: bool) -> None:
    """Let torch compile the layers of a decoder-only policy, which are alike, so that the first one's code serves for
    all, and the norm behind them, where there are parts of these names.

    For padded batches they are for all lengths at once. Where it `packs`, batches are most often of one length: they
    are for the first, and for all once there is another.
    """
    base = policy.base_model
    for part in (*getattr(base, "layers", ()), getattr(base, "norm", None)):
        if part is not None:
            part.compile(dynamic=None if packs else True)
