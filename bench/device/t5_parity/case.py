"""One case of the T5 check: how the decoder gets its bias, the model's shape, how long it writes, in which type."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

START = 3
D_KV = 64
LONGEST_PROMPT = 1024
TINY = "CODEIT_DEVICE_TINY"
"""The environment variable of a dry run: a few tokens only."""

Result = dict[str, Any]
"""What is written as a line of JSON; `ok` says whether it is as it should be."""


def tiny() -> bool:
    """Whether this is a dry run."""
    return TINY in os.environ


def device() -> str:
    """Where models are."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Case:
    """What one process checks."""

    decoder_bias: str
    """As the plugin's option; or `stock`."""
    layers: int
    width: int
    length: int
    """Tokens of a decoder at most, the start token included."""
    dtype: str = "float32"
    gated: bool = False
    plain: bool = False
    """vLLM as its users have it: its newer model runner, asynchronous scheduling, CUDA graphs where it finds them."""

    @property
    def large(self) -> bool:
        """The shape of T5 base, with 12 layers 223M parameters; otherwise 3 heads and a vocabulary of 97."""
        return self.width > 100

    @property
    def tied(self) -> bool:
        """Whether one matrix is embedding and head: a large random model with one writes its last token again."""
        return not (self.gated or self.large)

    @property
    def shape(self) -> dict[str, Any]:
        """Arguments of T5Config."""
        words, inner, heads = (32100, 3072, 12) if self.large else (97, 96, 3)
        sizes = {"vocab_size": words, "d_ff": inner, "num_heads": heads, "d_kv": D_KV, "d_model": self.width}
        kind = {"feed_forward_proj": "gated-gelu" if self.gated else "relu", "tie_word_embeddings": self.tied}
        return sizes | kind | {"num_layers": self.layers, "decoder_start_token_id": START}

    @property
    def name(self) -> str:
        """`decoder_bias`, layers x width, tokens, type, and what is unusual."""
        kind = "bf16" if self.dtype == "bfloat16" else "fp32"
        marks = "-gated" * self.gated + "-plain" * self.plain
        return f"{self.decoder_bias}-{self.layers}x{self.width}-{self.length}-{kind}{marks}"
