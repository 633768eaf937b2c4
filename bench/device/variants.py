"""Ways to sample on a device: what each changes in the configuration of the sampler."""

from __future__ import annotations

from typing import Any

_TRITON = {"attention": "triton"}
_FULL, _DECODE = {"graphs": "full"}, {"graphs": "decode"}
_WAVES = {"admit_together": 64}

# The first one is what the others are compared with.
VARIANTS: dict[str, dict[str, Any]] = {
    "eager": {},
    "eager-triton": _TRITON,
    "full-triton": _TRITON | _FULL,
    "full-triton-waves": _TRITON | _FULL | _WAVES,
    "decode-flash": _DECODE,
    "decode-flash-waves": _DECODE | _WAVES,
    "decode-triton-waves": _TRITON | _DECODE | _WAVES,
    "eager-vllm-scheduler": {"scheduler": "vllm"},
    "fp32-eager": {"dtype": "float32"},
    "fp32-full-triton": {"dtype": "float32"} | _TRITON | _FULL,
    # vLLM draws, without grammar and seeds.
    "free-eager": {},
    "free-full-triton": _TRITON | _FULL,
    "free-vllm-scheduler": {"scheduler": "vllm"},
}
# FULL graphs with FlashAttention 3 gave wrong tokens. Its work is laid out before a step (`scheduler_metadata`) for the
# longest query of the step, but a graph's kernel is that of capture; `own-schedule` lets the kernel lay out its own.
DIAGNOSES: dict[str, dict[str, Any]] = {
    "full-flash-own-schedule": {"attention": "flash"} | _FULL,
    "full-flash": {"attention": "flash"} | _FULL,
}


def is_free(name: str) -> bool:
    """Whether a variant writes without a grammar."""
    return name.startswith("free-")
